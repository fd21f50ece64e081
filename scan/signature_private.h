/* signature_private: what signature.c, signature_pattern.c and signature_table.c share. Private to scan/. */
#ifndef WEIR_SCAN_SIGNATURE_PRIVATE_H
#define WEIR_SCAN_SIGNATURE_PRIVATE_H

#include "scan/rule_list.h"
#include "scan/signature.h"

/* A hash line. Small: there may be ten million. */
struct signature_hash {
    uint8_t octets[32]; /* zero behind len */
    uint32_t size;      /* SIGNATURE_SIZE_ANY: any */
    uint32_t name_off;  /* in names */
    uint8_t len;        /* 16, 20, 32 */
    bool is_allowed;
};

struct signature_list {
    struct rule_list *says;
    struct signature_hash *hashes;
    size_t hashes_cnt;
    size_t hashes_max;
    char *names; /* of the hashes, NUL-terminated */
    size_t names_len;
    size_t names_max;
    struct signature_pattern *patterns;
    size_t patterns_cnt;
    size_t patterns_max;
    uint32_t *slots; /* open addressing by rule name: pattern + 1, 0 empty */
    size_t slots_cnt;
    uint32_t *repeats; /* by pattern: the number that a name like this one was last given */
    char **files;
    size_t files_cnt;
    size_t refused_cnt;
    size_t skipped_cnt;
    int32_t score_milli;

    /* of the file being read */
    unsigned said;
    unsigned unsaid;
};

/* A field of a line. */
struct signature_field {
    const char *text;
    size_t len;
    uint32_t column; /* from 1 */
};

/* One line and where it stands. */
struct signature_line {
    struct signature_list *list;
    struct rule_place place;
};

/* Stops the process without memory: set-up code. */
void *signature_must(void *p);

/* Says it unless SIGNATURE_SAYS_MAX were said of this file; an error counts as one in any case at its end. */
void signature_say(const struct signature_line *line, enum rule_severity severity, uint32_t column,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));

/* A decimal number, all of the field; false when it is none or over max. */
bool signature_number(const char *text, size_t len, uint64_t max, uint64_t *out);

/* Translates offset and hex of p->target into p->regex, ->flags, ->end. False: refused or wrong, and said.
 * signature_pattern.c */
bool signature_pattern_translate(const struct signature_line *line, const struct signature_field *offset,
                                 const struct signature_field *hex, struct signature_pattern *p);

#endif
