/* image_format: the octets of an image. Private to scan/.
 *
 *     header | strings | rules | code | order | targets | groups | lists | evals | sets | signatures | databases
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
    IMAGE_VERSION = 2,

    IMAGE_ALIGN = 8,

    /* Public rule sets make 40 MB. */
    IMAGE_LEN_MAX = 1 << 30
};

enum image_section_id {
    SECTION_STRINGS,    /* NUL-terminated, the first one empty */
    SECTION_RULES,      /* struct image_rule */
    SECTION_CODE,       /* uint32_t: instructions, see expr.h */
    SECTION_ORDER,      /* uint32_t: every rule with code, after the rules that its code names */
    SECTION_TARGETS,    /* struct image_target */
    SECTION_GROUPS,     /* struct image_group */
    SECTION_LISTS,      /* uint32_t: indices of rules; of groups with IMAGE_ID_CONFIRM */
    SECTION_EVALS,      /* struct image_eval */
    SECTION_SETS,       /* the lists of the rule set, see list.h */
    SECTION_SIGNATURES, /* hashes of malware, see signature.h */
    SECTION_DATABASES,  /* serialised Hyperscan databases, each at a multiple of 8 */
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
    int32_t required_score_milli; /* INT32_MAX: the rules do not say */
    uint32_t signature_rule;      /* the rule that a hash in SECTION_SIGNATURES hits; rules_cnt: there are none */
    struct image_section sections[SECTION_CNT];
};

enum image_rule_flag {
    IMAGE_RULE_REPORTED = 1 << 0,  /* its name is told: neither `__X` nor the inner rule of a `!~` */
    IMAGE_RULE_CONFIRMED = 1 << 1, /* PCRE2 has the last word */
    IMAGE_RULE_COUNTED = 1 << 2,   /* tflags multiple; implies CONFIRMED */
    IMAGE_RULE_NOSUBJECT = 1 << 3, /* not on line 0 of the body */
    IMAGE_RULE_FLAGS = (1 << 4) - 1
};

/* A rule hits when its bit is set by a match, or by its code. `header X H !~ /re/` is two rules: an inner
 * one for /re/, after all others, and X with the code RULE inner, NOT. */
struct image_rule {
    uint32_t name_off;
    uint32_t describe_off;
    uint32_t pattern_off; /* its regex, for PCRE2; else the empty string */
    uint32_t pattern_flags; /* HS_FLAG_CASELESS, _DOTALL, _MULTILINE */
    int32_t score_milli;
    uint32_t flags;
    uint32_t maxhits; /* of COUNTED */
    uint32_t code_off; /* instructions, not octets */
    uint32_t code_cnt; /* 0: set by a match */
    uint32_t signature; /* 0; or 1 + enum signature_target: it counts only in parts of that type (match_findings) */
    uint32_t triggers_min; /* matches in a unit that make it a candidate of PCRE2; 0 and 1: the first */
};

/* What rules of one kind look at, and what is known without a database. */
struct image_target {
    uint32_t target;   /* enum target; each but TARGET_HEADER and TARGET_MIMEHEADER at most once */
    uint32_t part;     /* enum header_part */
    uint32_t name_off; /* of the header, lower case; else the empty string */
    uint32_t present_off; /* lists: rules that hit when the header is there (exists:) */
    uint32_t present_cnt;
    uint32_t absent_off; /* lists: rules that hit when it is not (their pattern matches '' or [if-unset]) */
    uint32_t absent_cnt;
    uint32_t always_off; /* lists: rules that PCRE2 looks for in every unit, with IMAGE_ID_DIRTY in the others only */
    uint32_t always_cnt;
    uint32_t groups_off; /* groups */
    uint32_t groups_cnt;
    uint32_t reserved;
};

enum image_units { UNITS_ALL, UNITS_CLEAN, UNITS_DIRTY };

/* A database, and the units of its target that it is for (match.h tells what is clean). */
struct image_group {
    uint32_t units;   /* enum image_units */
    uint32_t ids_off; /* lists: what the database's pattern i stands for */
    uint32_t ids_cnt;
    uint32_t reserved;
    uint64_t database_off; /* from the start of the file */
    uint64_t database_len;
};

/* In the list of a group: a match is only a candidate, and is confirmed. */
#define IMAGE_ID_CONFIRM (UINT32_C(1) << 31)

/* In always_off: clean units are looked at in a cheaper way. */
#define IMAGE_ID_DIRTY (UINT32_C(1) << 30)

enum { IMAGE_EVAL_ARGS_MAX = 8 };

struct image_eval {
    uint32_t rule;
    uint32_t name_off;
    uint32_t args_cnt;
    uint32_t arg_offs[IMAGE_EVAL_ARGS_MAX];
    uint32_t reserved;
};

static_assert(sizeof(struct image_header) == 144 + 16 * SECTION_CNT, "no padding in the file");
static_assert(sizeof(struct image_rule) == 44, "no padding in the file");
static_assert(sizeof(struct image_target) == 48, "no padding in the file");
static_assert(sizeof(struct image_group) == 32, "no padding in the file");
static_assert(sizeof(struct image_eval) == 48, "no padding in the file");
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
    const struct image_group *groups;
    const uint32_t *lists;
    const struct image_eval *evals;
    const uint8_t *sets;       /* octets of list.h; NULL: none */
    const uint8_t *signatures; /* octets of signature.h; NULL: none */
    uint32_t rules_cnt;
    uint32_t order_cnt;
    uint32_t targets_cnt;
    uint32_t groups_cnt;
    uint32_t evals_cnt;
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
