/* signature: ClamAV-style signature files, read at set-up; hash signatures as a flat table.
 *
 *   .hdb .hsb   HASH:SIZE:NAME        MD5, SHA-1 or SHA-256 of a whole part, by its length; SIZE may be *
 *   .fp .sfp    HASH:SIZE:NAME        the same, but what it names is never a hit
 *   .ndb        NAME:TARGET:OFFSET:HEX   a pattern of octets
 * each with [:MINFL[:MAXFL]] behind it, ClamAV's engine levels; a line that is not for SIGNATURE_LEVEL is left
 * out and counted. A line that starts with # is a comment.
 *
 * Hashes become a table (signature_table_build) that goes into the image as it is. Patterns become regexes
 * for Hyperscan (struct signature_pattern) that the compiler puts beside the rules: target 4 over the whole
 * message (TARGET_FULL), the others over attachments. Targets 3 and 7 are normalised by ClamAV (case folded,
 * white space joined); here they match the decoded octets, caseless.
 *
 * HEX: octets, ?? a? ?a, {n} {n-m} {-m} {n-} * as gaps, (aa|bb) and !(aa|bb) of single octets, [n-m].
 * OFFSET: * | n | n,shift | EOF-n | EOF-n,shift. With EOF the pattern must have one length.
 * Refused, with a warning that names file, line and column and counted in `refused_cnt`: offsets that need the
 * inside of a program (EP, S0, SE, SL, VI), (B) (L) (W), unbounded or too long repeats, a pattern without
 * SIGNATURE_STATIC_MIN octets in a row that are certain.
 *
 * Diagnostics go to the caller's rule_list, as everywhere: "FILE:LINE:COLUMN: error|warning: text", the line, a
 * caret; at most SIGNATURE_SAYS_MAX of a file, then one that tells how many were left out.
 *
 * Owns:    signature_list owns its strings and entries. A table is one run of octets, the caller's.
 * Threads: signature_list: set-up only, allocates. A table is constant: any thread.
 * Limits:  SIGNATURE_HASH_MAX, SIGNATURE_PATTERN_MAX, SIGNATURE_LINE_MAX; over them is an error.
 * Fails:   -1 with an error said. */
#ifndef WEIR_SCAN_SIGNATURE_H
#define WEIR_SCAN_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/magic.h"
#include "scan/rule.h"
#include "scan/span.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SIGNATURE_HASH_MAX = 10 * 1000 * 1000,

    /* Each becomes a rule; rule numbers have 16 bits. */
    SIGNATURE_PATTERN_MAX = 60000,

    /* Octets of one line; ClamAV's longest patterns have 8,000. */
    SIGNATURE_LINE_MAX = 65536,

    /* Octets of one file: 10 million SHA-256 lines. */
    SIGNATURE_FILE_SHIFT = 31,

    SIGNATURE_SAYS_MAX = 100,

    /* The engine level that we stand for: ClamAV 1.0. */
    SIGNATURE_LEVEL = 160,

    /* Octets in a row that a pattern must fix, as in ClamAV: less would hit everywhere. */
    SIGNATURE_STATIC_MIN = 2,

    /* Hyperscan's greatest bounded repeat. */
    SIGNATURE_GAP_MAX = 32767,

    /* Greatest distance that is written as a repeat beside an offset: its state is kept in every stream. */
    SIGNATURE_OFFSET_GAP_MAX = 4096,

    /* A hit's score unless set otherwise: 100 points. */
    SIGNATURE_SCORE_MILLI = 100 * 1000,

    /* Any size of the file, in a table. No file of 4 GiB - 1 comes by mail. */
    SIGNATURE_SIZE_ANY = UINT32_MAX
};

/* ClamAV's numbers. */
enum signature_target {
    SIGNATURE_ANY = 0,
    SIGNATURE_PE = 1,
    SIGNATURE_OLE2 = 2,
    SIGNATURE_HTML = 3,
    SIGNATURE_MAIL = 4,
    SIGNATURE_GRAPHICS = 5,
    SIGNATURE_ELF = 6,
    SIGNATURE_TEXT = 7,
    SIGNATURE_MACHO = 9,
    SIGNATURE_PDF = 10,
    SIGNATURE_FLASH = 11,
    SIGNATURE_JAVA = 12
};

enum signature_format { SIGNATURE_HDB, SIGNATURE_FP, SIGNATURE_NDB };

/* One .ndb line, ready for the compiler. */
struct signature_pattern {
    const char *name;      /* as in the file */
    const char *rule_name; /* for a rule: [A-Za-z0-9_], at most RULE_NAME_MAX, unique in the list */
    const char *regex;     /* printable ASCII; matches octets, never HS_FLAG_UTF8 */
    unsigned flags;        /* HS_FLAG_DOTALL, and HS_FLAG_CASELESS for targets 3 and 7 */
    enum signature_target target;

    /* hs_expr_ext: the match must end at min..max octets; without has_end compile without it. */
    bool has_end;
    uint64_t end_min;
    uint64_t end_max;

    /* Where it stands. */
    const char *file;
    uint32_t line;
};

struct signature_list;

/* Diagnostics go to `says`, which must outlive the list. */
struct signature_list *signature_list_new(struct rule_list *says);
void signature_list_free(struct signature_list *l);

/* Reads one file (its kind by its name's end), or every .hdb .hsb .fp .sfp .ndb of a folder in name order. 0, or -1
 * when it cannot be read or has an error. */
int signature_list_read(struct signature_list *l, const char *path);

/* Parses text; `name` stands for the file in diagnostics. 0, or -1 when errors were said. */
int signature_list_parse(struct signature_list *l, const char *name, enum signature_format format,
                         const char *text, size_t len);

/* Points of a hash signature's hit, in thousandths; kept in the table. */
void signature_list_score(struct signature_list *l, int32_t score_milli);

size_t signature_list_hash_cnt(const struct signature_list *l);
size_t signature_list_pattern_cnt(const struct signature_list *l);
size_t signature_list_refused_cnt(const struct signature_list *l); /* lines not honoured, said */
size_t signature_list_skipped_cnt(const struct signature_list *l); /* lines for other engine levels */

/* Lives until the list is freed or read into again. */
const struct signature_pattern *signature_list_pattern(const struct signature_list *l, size_t idx);

/* `name` as a rule's name: what it cannot have becomes _; "S" before what would start with a digit or _ (__X is
 * a rule that is never told). Cut at size - 1, at least 8. */
void signature_rule_name(const char *name, size_t len, char *out, size_t size);

/* True when a pattern for `target` may look at a part of this type. Not for SIGNATURE_MAIL. */
bool signature_target_fits(enum signature_target target, enum magic magic);

/* The table: relocatable, position-independent, deterministic (the same hashes in any order give the same
 * octets), little-endian; layout in signature_table.c. */

enum signature_find {
    SIGNATURE_NONE = -1,   /* not known */
    SIGNATURE_ALLOWED = -2 /* an .fp line names it: no signature counts for this part */
};

/* A new buffer (free()) with all hashes of the list, also when it has none. */
void signature_table_build(const struct signature_list *l, void **octets, size_t *len);

/* Checks every count, offset, order and string; 0, or -1 with a sentence in err. `octets` at a multiple of 8.
 * The other functions take only tables that passed. */
int signature_table_verify(const void *octets, size_t len, char *err, size_t err_size);

/* enum attachment_hash: which hashes the table needs of each part. */
unsigned signature_table_hashes(const void *table);

/* Signatures that can hit (indices 0 ..). */
uint32_t signature_table_cnt(const void *table);

int32_t signature_table_score(const void *table);

/* The index of the signature that these hashes and this size hit, or enum signature_find. A hash that was
 * not computed is NULL. MD5 goes before SHA-1 before SHA-256, an exact size before *. O(log n). */
int64_t signature_table_find(const void *table, const uint8_t *md5, const uint8_t *sha1,
                             const uint8_t *sha256, uint64_t size);

/* The name of signature idx (< signature_table_cnt), as in the file. */
const char *signature_table_name(const void *table, uint32_t idx);

#ifdef __cplusplus
}
#endif
#endif
