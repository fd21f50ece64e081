/* rule_list: what rule.c and image.c share about parsed rules. Private to scan/.
 *
 * A rule is an entry by name. `score` and `describe` may come before, after or without a definition, so an
 * entry can exist with kind RULE_NONE. A later definition replaces an earlier one; score and describe stay. */
#ifndef WEIR_SCAN_RULE_LIST_H
#define WEIR_SCAN_RULE_LIST_H

#include "scan/match.h"
#include "scan/rule.h"

enum {
    /* SpamAssassin refuses longer names, too. */
    RULE_NAME_MAX = 100,

    /* Octets of one line of rule text; the longest public rule has 43,000. */
    RULE_LINE_MAX = 65536,

    /* Octets of one rule file. */
    RULE_FILE_MAX = 64 << 20,

    /* A score, in thousandths: 100,000 points. Public rules use -100..1000. */
    RULE_SCORE_MAX_MILLI = 100000 * 1000
};

enum rule_kind {
    RULE_NONE, /* only scored or described so far */
    RULE_OFF,  /* defined by something that is not honoured yet: never hits, said by a warning */
    RULE_HEADER,
    RULE_EXISTS,
    RULE_BODY,
    RULE_RAWBODY,
    RULE_FULL,
    RULE_ATTACHMENT,
    RULE_META
};

/* Where something stands, to be pointed at later. */
struct rule_place {
    const char *file; /* the list's */
    uint32_t line;    /* from 1 */
    uint32_t column;  /* of the definition's first octet, from 1 */
    char *source;     /* the line as it was written */
};

struct rule {
    char *name;
    enum rule_kind kind;
    struct rule_place place;

    /* RULE_HEADER, RULE_EXISTS */
    char *header; /* lower case */
    enum header_part part;
    bool is_negated; /* !~ */
    char *unset;     /* X of [if-unset: X], or NULL */

    /* The pattern without delimiters, or the expression of a meta; and each octet's column. */
    char *text;
    uint32_t *text_columns;
    size_t text_len;
    unsigned flags; /* HS_FLAG_* */
    bool is_extended; /* /x */

    char *describe;
    bool has_score;
    int32_t score_milli;
    struct rule_place score_place;
};

struct rule_list {
    struct rule *rules;
    uint32_t rules_cnt;
    uint32_t rules_max;
    uint32_t *slots; /* open addressing by name: index + 1, 0 empty */
    uint32_t slots_cnt;
    char **files;
    size_t files_cnt;
    char *diagnostics;
    size_t diagnostics_len;
    size_t diagnostics_max;
    unsigned errors;
    unsigned warnings;
};

enum rule_severity { RULE_WARNING, RULE_ERROR };

/* Adds a diagnostic at place; column 0 means place->column. */
void rule_list_say(struct rule_list *l, enum rule_severity severity, const struct rule_place *place,
                   uint32_t column, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* The entry of this name, or NULL. Valid until the next rule_list_entry. */
struct rule *rule_list_find(const struct rule_list *l, const char *name, size_t len);

/* The same, made if there is none (kind RULE_NONE). NULL past RULE_MAX. */
struct rule *rule_list_entry(struct rule_list *l, const char *name, size_t len);

/* True for `__NAME`: score 0, not reported. */
bool rule_is_sub(const struct rule *r);

/* Column of octet `off` of r->text; past the end: one after the last. */
uint32_t rule_column(const struct rule *r, size_t off);

/* One line of rule text, without its end, comment removed and `\#` read as `#`. rule_line.c */
struct rule_line {
    struct rule_place place; /* source is borrowed here */
    char *text;
    uint32_t *columns; /* len + 1 of them */
    size_t len;
};

/* Carries `if` from line to line of one file. */
struct rule_reader {
    struct rule_list *list;
    unsigned skip_depth; /* open if/ifplugin */
    struct rule_place if_place;
};

void rule_line_parse(struct rule_reader *reader, const struct rule_line *line);

/* Keywords are read in any case and - as _. A name that ends in `*` is right for every end. rule_directive.c */
bool rule_keyword_is(const char *word, size_t len, const char *name);

/* True for SpamAssassin's directives that rule_line.c has no reader for. rule_directive.c */
bool rule_directive_is_known(const char *word, size_t len);

/* Makes *place the list's own copy (source is duplicated). */
void rule_place_set(struct rule_place *to, const struct rule_place *from, uint32_t column);

/* A regex literal: `/re/flags` or m{re}flags. regex.c */
struct regex_literal {
    size_t off; /* of the pattern in the text */
    size_t len;
    unsigned flags; /* HS_FLAG_* of i, m and s */
    bool is_extended;
};

/* False: *error_off and a static sentence in *error. */
bool regex_literal_parse(const char *text, size_t len, struct regex_literal *out, size_t *error_off,
                         const char **error);

#endif
