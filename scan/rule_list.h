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
    RULE_OFF,  /* defined by something that is not honoured: never hits; off_reason says why */
    RULE_HEADER,
    RULE_EXISTS,
    RULE_BODY,
    RULE_RAWBODY,
    RULE_FULL,
    RULE_URI,        /* each URL of the message, as SpamAssassin's canonical forms */
    RULE_MIMEHEADER, /* a header of each MIME part, `header` and `part` as in RULE_HEADER */
    RULE_ATTACHMENT,
    RULE_EVAL, /* a function at the message's end: eval_name(eval_args) */
    RULE_META
};

/* `tflags`, as far as they change what a rule means. */
enum rule_tflag {
    RULE_MULTIPLE = 1 << 0,  /* counts its matches, up to maxhits */
    RULE_NOSUBJECT = 1 << 1, /* body: not on line 0 */
    RULE_NET = 1 << 2,       /* needs the network: off */
    RULE_LEARN = 1 << 3,     /* needs Bayes: off */
    RULE_USERCONF = 1 << 4,
    RULE_NICE = 1 << 5,   /* means ham: its score is negative by default */
    RULE_CONCAT = 1 << 6, /* mimeheader: one match over the values of all parts */
    RULE_NOPUBLISH = 1 << 7
};

enum { RULE_EVAL_ARGS_MAX = 16 };

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

    unsigned tflags;  /* enum rule_tflag */
    uint32_t maxhits; /* of RULE_MULTIPLE; 0: no limit given */

    /* RULE_EVAL: also where it was said (header, body, rawbody, full), which is only told. */
    enum rule_kind eval_kind;
    char *eval_name;
    char *eval_args[RULE_EVAL_ARGS_MAX]; /* unquoted */
    unsigned eval_args_cnt;

    /* RULE_OFF: what it would have been, and why it is not, for the report. */
    enum rule_kind off_kind;
    char *off_reason;

    /* `intent NAME suffix co.uk`: it means to hit everything under these public suffixes. */
    char **intents;
    unsigned intents_cnt;

    char *describe;
    bool has_score;
    int32_t score_milli;
    struct rule_place score_place;
};

/* A list that a directive fills: "freemail_domains", "welcomelist_from", "util_rb_2tld"; what has a name of its
 * own has it behind a colon: "enlist_addrlist:SUSP", "enlist_uri_host:BLOCK". Entries in the order of the lines,
 * lower case where SpamAssassin compares so; list.h makes tables of them. */
struct rule_set_list {
    char *name;
    char **entries;
    uint32_t entries_cnt;
    uint32_t entries_max;
};

struct rule_list {
    struct rule *rules;
    uint32_t rules_cnt;
    uint32_t rules_max;
    uint32_t *slots; /* open addressing by name: index + 1, 0 empty */
    uint32_t slots_cnt;
    struct rule_set_list *lists;
    uint32_t lists_cnt;
    bool has_required_score;
    int32_t required_score_milli;
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

/* Makes a defined rule one that never hits, for a reason that names no place (`place` says it). Also for image.c,
 * when a pattern cannot be honoured. Says a warning. */
void rule_turn_off(struct rule_list *l, struct rule *r, const char *reason);

/* Adds an entry to the list of that name, made if there is none. */
void rule_list_add(struct rule_list *l, const char *list, const char *entry, size_t len);

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
