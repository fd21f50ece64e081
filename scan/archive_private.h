/* archive_private: what archive.c and the walks of its formats share. Private to scan/.
 *
 * A walk reads one archive: outer (the part itself), inner (a member of it). A format is a function that takes
 * one step: it moves octets from walk.in to walk.hold or passes them on, and says what came of it. */
#ifndef WEIR_SCAN_ARCHIVE_PRIVATE_H
#define WEIR_SCAN_ARCHIVE_PRIVATE_H

#define ZLIB_CONST
#include <zlib.h>

#include "scan/archive.h"

enum {
    /* The largest fixed header: ZIP's central entry has 46, the signature block of 7z 32. */
    ARCHIVE_HOLD_MAX = 64,

    /* Inflated octets handed out at a time. */
    ARCHIVE_OUT_MAX = 16384,

    /* zlib 1.2 and 1.3 take 7,160 octets and a window of 32,768; other builds of it a little more. */
    ARCHIVE_ARENA_MAX = 49152
};

enum step {
    STEP_AGAIN, /* something moved */
    STEP_MORE,  /* octets are wanted, or the end */
    STEP_BEGIN,
    STEP_DATA,
    STEP_END
};

/* Numbers of all these formats are little-endian. */
static inline uint16_t
archive_u16(const uint8_t *c)
{
    return (uint16_t)(c[0] | c[1] << 8);
}

static inline uint32_t
archive_u32(const uint8_t *c)
{
    return archive_u16(c) | (uint32_t)archive_u16(c + 2) << 16;
}

static inline uint64_t
archive_u64(const uint8_t *c)
{
    return archive_u32(c) | (uint64_t)archive_u32(c + 4) << 32;
}

enum walk_kind { WALK_SNIFF, WALK_ZIP, WALK_GZIP, WALK_RAR4, WALK_RAR5, WALK_7Z, WALK_DONE };

enum zip_state {
    ZIP_SEEK,
    ZIP_NAME,
    ZIP_EXTRA,
    ZIP_EXTRA_FIELD,
    ZIP_COMMENT,
    ZIP_DATA,
    ZIP_DESCRIPTOR,
    ZIP_MEMBER_OVER,
    ZIP_SKIP
};

enum zip_data {
    ZIP_COUNTED,  /* entry.csize octets, handed out as they are */
    ZIP_SKIPPED,  /* entry.csize octets, not handed out */
    ZIP_INFLATED, /* up to the stream's end, and csize unless there is a descriptor */
    ZIP_SCANNED   /* up to a descriptor that fits */
};

/* A local header or an entry of the directory. */
struct zip_entry {
    uint64_t csize;
    uint64_t usize;
    uint64_t off; /* local: where it stands; directory: where it says that the local one does */
    uint32_t crc;
    uint16_t flags;
    uint16_t method;
    uint16_t name_len;
    uint16_t extra_len;
    uint16_t comment_len;
    bool is_central;
    bool is_zip64;
};

/* A member that was seen, for the directory to be held against. */
struct zip_record {
    uint64_t off;
    uint64_t end;
    uint64_t csize;
    uint64_t usize;
    uint64_t name_hash;
    uint32_t crc;
    uint16_t flags;
    uint16_t method;
    bool is_sized; /* crc and sizes are known */
    bool is_listed;
};

struct zip {
    enum zip_state state;
    enum zip_data data;
    struct zip_entry entry;
    uint64_t left;      /* octets to come of what the state reads */
    uint16_t field_id;  /* ZIP_EXTRA_FIELD */
    bool is_complete;   /* every octet of the member was read */
    bool is_stopped;    /* a cap or an error ended the reading */
    uint64_t name_hash;
    uint64_t base;      /* where the first local header stands */
    uint64_t junk;      /* octets since the last header that belong to nothing */
    uint64_t central_off;
    uint64_t central_cnt;
    uint32_t comment_len; /* of the archive, at its end */
    bool is_begun;      /* a header was seen */
    bool is_open;       /* and no end of the directory after it */
    bool is_capped;     /* more members than records */
    uint32_t records_cnt;
    struct zip_record records[ARCHIVE_MEMBERS_MAX];
};

struct rar {
    unsigned state;
    uint64_t left;
    uint32_t match; /* 7z: the last four octets */
    uint64_t extra_len;
    uint64_t data_len;
};

struct walk {
    struct archive *archive;
    unsigned idx; /* 0 outer, 1 inner */
    enum walk_kind kind;
    struct span in;
    uint64_t off;   /* octets taken from in so far */
    bool is_at_end; /* nothing follows `in` */
    bool is_finished;
    bool is_member_open;
    unsigned flags;     /* 1 << enum archive_flag */
    unsigned flags_due; /* those not handed out yet */
    uint8_t hold[ARCHIVE_HOLD_MAX];
    uint32_t hold_len;

    /* the member */
    struct archive_member member;
    uint64_t member_in;  /* compressed octets read */
    uint64_t member_len; /* octets of it so far */
    uint32_t member_crc;
    uint32_t name_len;
    uint8_t name[ARCHIVE_NAME_MAX];
    uint8_t head[8]; /* its first octets */

    z_stream z;
    gz_header gz;
    bool is_gz_header;  /* being read */
    bool is_gz_between; /* behind a stream */
    uint32_t arena_len;
    uint8_t out[ARCHIVE_OUT_MAX];
    union {
        struct zip zip;
        struct rar rar;
    };
    _Alignas(16) uint8_t arena[ARCHIVE_ARENA_MAX];
};

struct archive {
    struct archive_pool *pool;
    struct archive *next_free;
    struct archive_limits limits;
    uint64_t octets;
    uint32_t members;
    unsigned flags;
    bool is_inner;   /* walks[1] reads the open member of walks[0] */
    bool is_end_due; /* of walks[0]'s member, when walks[1] is through */
    struct walk walks[ARCHIVE_DEPTH_MAX];
};

/* Notes a flag of this walk, once. */
void walk_flag(struct walk *w, enum archive_flag f);

/* Fills hold up to n octets; false when octets are missing. */
bool walk_gather(struct walk *w, uint32_t n);

/* Takes n octets off the front of hold. */
void walk_drop(struct walk *w, uint32_t n);

/* Passes over up to *left octets of in; true when there are none left. hold is empty. */
bool walk_skip(struct walk *w, uint64_t *left);

/* The same, what is held first. */
bool walk_pass(struct walk *w, uint64_t *left);

/* Takes n octets off in. */
void walk_advance(struct walk *w, size_t n);

/* Makes the member of w->name and w->member begin; false at members_max (the walk is over). */
bool walk_begin(struct walk *w);

/* Hands octets of the member out. */
enum step walk_data(struct walk *w, const uint8_t *octets, size_t len, struct span *data);

enum inflated { INFLATED_MORE, INFLATED_DATA, INFLATED_END, INFLATED_STOPPED };

/* Inflates from at most *left octets of in (and takes what was used off it) to w->out. STOPPED: an error or a cap,
 * flagged. DATA: *data. */
enum inflated walk_inflate(struct walk *w, uint64_t *left, struct span *data);

void zip_start(struct walk *w);
enum step zip_step(struct walk *w, struct span *data);
/* The octets ended: what is missing is flagged. */
void zip_finish(struct walk *w);

void gzip_start(struct walk *w);
enum step gzip_step(struct walk *w, struct span *data);

void rar_start(struct walk *w);
enum step rar4_step(struct walk *w);
enum step rar5_step(struct walk *w);
enum step sevenzip_step(struct walk *w);

#endif
