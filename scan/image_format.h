/* image_format: the octets of an image. Private to scan/.
 *
 *     header | strings | rules | code | order | targets | lists | databases
 *
 * All integers little-endian; every section begins at a multiple of 8 and follows the one before it with
 * less than 8 octets of padding (zero). Sections are arrays of the structs below; what they refer to is
 * checked once, in image_view_open(), and trusted from then on.
 *
 * The SHA-256 finds damage, not malice: who can write an image can write a right checksum, so every other
 * check is made as if there were none. What cannot be checked is the inside of a Hyperscan database: its
 * own CRC-32 finds damage, and an image made up to attack Hyperscan must be kept out by who may push. */
#ifndef WEIR_SCAN_IMAGE_FORMAT_H
#define WEIR_SCAN_IMAGE_FORMAT_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define IMAGE_MAGIC "WeirRul\n"

enum {
    /* Raised whenever the structs below change meaning; nothing else is read. */
    IMAGE_VERSION = 1,

    IMAGE_ALIGN = 8,

    /* Public rule sets make 40 MB. */
    IMAGE_LEN_MAX = 1 << 30
};

enum image_section_id {
    SECTION_STRINGS,   /* NUL-terminated, the first one empty */
    SECTION_RULES,     /* struct image_rule */
    SECTION_CODE,      /* uint32_t: instructions, see expr.h */
    SECTION_ORDER,     /* uint32_t: every rule with code, after the rules that its code names */
    SECTION_TARGETS,   /* struct image_target */
    SECTION_LISTS,     /* uint32_t: indices of rules */
    SECTION_DATABASES, /* serialised Hyperscan databases, each at a multiple of 8 */
    SECTION_CNT
};

struct image_section {
    uint64_t off; /* from the start of the file */
    uint64_t len; /* octets */
};

struct image_header {
    char magic[8];
    uint32_t version;
    uint32_t reserved; /* 0 */
    uint64_t len;      /* of the file */
    uint8_t sha256[32]; /* of everything after this field */
    char hyperscan[16]; /* "5.4.0": only the same version can read its databases */
    char platform[64];  /* hs_database_info() of what is inside, for people; Hyperscan checks its own */
    struct image_section sections[SECTION_CNT];
};

enum image_rule_flag {
    IMAGE_RULE_REPORTED = 1, /* its name is told: neither `__X` nor the inner rule of a `!~` */
};

/* A rule hits when its bit is set by a match, or by its code. `header X H !~ /re/` is two rules: an inner
 * one for /re/, after all others, and X with the code RULE inner, NOT. */
struct image_rule {
    uint32_t name_off;
    uint32_t describe_off;
    int32_t score_milli;
    uint32_t flags;
    uint32_t code_off; /* instructions, not octets */
    uint32_t code_cnt; /* 0: set by a match */
};

/* One database and what is known without one. */
struct image_target {
    uint32_t target;   /* enum target; each but TARGET_HEADER at most once */
    uint32_t part;     /* enum header_part */
    uint32_t name_off; /* of the header, lower case; else the empty string */
    uint32_t present_off; /* lists: rules that hit when the header is there (exists:) */
    uint32_t present_cnt;
    uint32_t absent_off; /* lists: rules that hit when it is not (their pattern matches '' or [if-unset]) */
    uint32_t absent_cnt;
    uint32_t reserved;
    uint64_t database_off; /* from the start of the file */
    uint64_t database_len; /* 0: no database */
};

static_assert(sizeof(struct image_header) == 136 + 16 * SECTION_CNT, "no padding in the file");
static_assert(sizeof(struct image_rule) == 24, "no padding in the file");
static_assert(sizeof(struct image_target) == 48, "no padding in the file");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "structs are written as they are");

/* Octets of the header before what the checksum covers. */
enum { IMAGE_HASHED_FROM = 56 };

/* A checked image. Points into it. */
struct image_view {
    const struct image_header *header;
    const char *strings;
    const struct image_rule *rules;
    const uint32_t *code;
    const uint32_t *order;
    const struct image_target *targets;
    const uint32_t *lists;
    uint32_t rules_cnt;
    uint32_t order_cnt;
    uint32_t targets_cnt;
};

/* `image` is aligned to IMAGE_ALIGN. 0, or -1 and a sentence in err. Databases are looked at from outside
 * only (their place, version and mode). */
int image_view_open(const void *image, size_t len, struct image_view *v, char *err, size_t err_size);

/* Points a checked view at a copy of its image (which may lack the databases). */
void image_view_move(struct image_view *v, const void *copy);

/* Digest of octets into out[32]. False when libcrypto fails. */
bool image_sha256(const void *octets, size_t len, uint8_t *out);

/* "5.4.0" of the library, cut off hs_version(). */
void image_hyperscan_version(char *out, size_t out_size);

#ifdef __cplusplus
}
#endif
#endif
