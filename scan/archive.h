/* archive: the members of an archive while it streams past: names, octets, and what is wrong with it.
 *
 *     a = archive_take(pool)      NULL: all are in use (say so: what it holds goes unseen)
 *     { archive_feed, while ((n = archive_next(a, &item)) != ARCHIVE_MORE) .. }*
 *     archive_end, while ((n = archive_next(a, &item)) != ARCHIVE_MORE) ..
 *     archive_give(a)             at any point
 *
 * Feed it every leaf part that is not plain text; what is no archive gives no items. Trace of a member:
 * BEGIN DATA* END, with item.depth from 1. A member that is an archive itself (depth 1) is walked as well:
 * its members (depth 2) stand between the DATA of the outer one. FLAG comes anywhere, each flag once an
 * archive.
 *
 *   ZIP   walked by its local headers as it streams; the central directory at its end is then held against
 *         them. Found behind other octets too (self-extracting; "polyglot"). A member that only the
 *         directory knows is told by name, is_listed_only, without octets.
 *         Stored and deflated members give DATA; others (encrypted, bzip2, lzma ...) only BEGIN and END.
 *   gzip  one member, named when the header has a name; members behind one another are told one by one.
 *   RAR, 7z  flags only: NAMES_UNREAD, and ENCRYPTED when it is.
 *
 * A bomb ends in a flag, not in work: at most ARCHIVE_SLACK + ratio_max octets for each octet fed, octets_max
 * in all, members_max members, two depths. The trace is the same for every split of the octets, but for the
 * place where RATIO cuts a member off: zlib reads a few octets ahead.
 *
 * Owns:    pool: its archives, about 230 kB each, resident as far as they were used; zlib's memory is inside
 *          (no malloc after archive_pool_new). DATA and names are lent until the next call.
 * Threads: a pool belongs to one thread.
 * Limits:  struct archive_limits of the caller, told by flags; names of ARCHIVE_NAME_MAX octets (NAME_CUT).
 * Fails:   only archive_pool_new (NULL: no memory). */
#ifndef WEIR_SCAN_ARCHIVE_H
#define WEIR_SCAN_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/span.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    /* An archive in an archive; a third is not opened (ARCHIVE_FLAG_DEPTH). */
    ARCHIVE_DEPTH_MAX = 2,

    /* Octets of a member's name kept; path limits are 260 and 4,096, honest names are short.
     * ARCHIVE_FLAG_NAME_CUT. */
    ARCHIVE_NAME_MAX = 512,

    /* Members of one walk (both depths) that are looked at: 1,000 are 0.1 % of what a hostile 64 kB could
     * hold, and the records of the directory check are fixed memory. ARCHIVE_FLAG_MEMBERS. */
    ARCHIVE_MEMBERS_MAX = 1000,

    /* Octets that may come out before the ratio counts: small honest files of zeros. */
    ARCHIVE_SLACK = 1 << 20
};

enum archive_next {
    ARCHIVE_MORE,  /* the octets are used up */
    ARCHIVE_BEGIN, /* item.member, item.depth */
    ARCHIVE_DATA,  /* item.data of the member that began last at item.depth */
    ARCHIVE_END,   /* of the member at item.depth */
    ARCHIVE_FLAG   /* item.flag, item.depth: of the archive itself 0, of one inside it 1 */
};

enum archive_flag {
    ARCHIVE_FLAG_ENCRYPTED,    /* a member's octets are */
    ARCHIVE_FLAG_NAMES_UNREAD, /* encrypted directory; RAR and 7z always */
    ARCHIVE_FLAG_PREFIX,       /* octets stand before the first header */
    ARCHIVE_FLAG_GAP,          /* octets between members that belong to none */
    ARCHIVE_FLAG_TRAILER,      /* octets behind the end */
    ARCHIVE_FLAG_OVERLAP,      /* the directory lists a place twice, or one inside another member */
    ARCHIVE_FLAG_MISMATCH,     /* directory, local header, descriptor and octets do not agree */
    ARCHIVE_FLAG_UNLISTED,     /* a member that the directory does not list */
    ARCHIVE_FLAG_MISSING,      /* the directory lists a member that is not there */
    ARCHIVE_FLAG_TRUNCATED,    /* the octets end too early */
    ARCHIVE_FLAG_CORRUPT,      /* a member does not inflate, or its CRC-32 is wrong */
    ARCHIVE_FLAG_METHOD,       /* compressed in a way that is not read */
    ARCHIVE_FLAG_SPLIT,        /* one volume of several */
    ARCHIVE_FLAG_NAME_CUT,     /* a name longer than ARCHIVE_NAME_MAX */
    ARCHIVE_FLAG_NAME_ODD,     /* absolute, with "..", or with control octets */
    ARCHIVE_FLAG_RATIO,        /* a member grew out of measure: the rest of it unseen */
    ARCHIVE_FLAG_OCTETS,       /* octets_max reached: no more members' octets */
    ARCHIVE_FLAG_MEMBERS,      /* members_max reached: no more members */
    ARCHIVE_FLAG_DEPTH,        /* an archive at depth 2, not opened */
    ARCHIVE_FLAG_CNT
};

struct archive_member {
    struct span name;    /* as it stands in the archive, cut at ARCHIVE_NAME_MAX; '\\' and '/' not changed */
    uint64_t size;       /* as declared; 0 when not known yet */
    bool is_utf8;        /* the name is declared to be UTF-8 (else CP437, or anything) */
    bool is_encrypted;
    bool is_folder;
    bool is_read;        /* DATA will come, if it has any octets */
    bool is_listed_only; /* known from the directory alone, or under another name than the local one */
};

struct archive_item {
    unsigned depth; /* of a member from 1 */
    struct archive_member member;
    struct span data;
    enum archive_flag flag;
};

struct archive_limits {
    uint64_t octets_max;  /* inflated octets of one walk, both depths */
    uint32_t ratio_max;   /* octets out of a member for each octet in */
    uint32_t members_max; /* at most ARCHIVE_MEMBERS_MAX */
};

/* 64 MiB, 200, ARCHIVE_MEMBERS_MAX. */
extern const struct archive_limits archive_limits_default;

struct archive;
struct archive_pool;

/* For cnt walks at a time. NULL without memory. */
struct archive_pool *archive_pool_new(unsigned cnt, const struct archive_limits *limits);

/* Every archive must have been given back. */
void archive_pool_free(struct archive_pool *p);

/* An archive at its start, or NULL when all are taken. */
struct archive *archive_take(struct archive_pool *p);
void archive_give(struct archive *a);

/* Borrows `octets` until archive_next says ARCHIVE_MORE. Any split. */
void archive_feed(struct archive *a, const uint8_t *octets, size_t len);

/* No octets follow. */
void archive_end(struct archive *a);

enum archive_next archive_next(struct archive *a, struct archive_item *item);

/* 1 << enum archive_flag of all flags so far, every depth. */
unsigned archive_flags(const struct archive *a);

/* "ENCRYPTED"; lives for ever. */
const char *archive_flag_name(enum archive_flag f);

#ifdef __cplusplus
}
#endif
#endif
