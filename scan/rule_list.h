/* rule_list: what rule_*.c and image.c share about parsed rules. Private to scan/.
 *
 * A rule is an entry by name. `score` and `describe` may come before, after or without a definition, so an
 * entry can exist with kind RULE_NONE. A later definition replaces an earlier one; score and describe stay.
 *
 * Owns:    every string of its entries.
 * Threads: none kept; set-up only.
 * Limits:  RULE_* below.
 * Fails:   with a diagnostic in the list; aborts without memory. */
#ifndef WEIR_SCAN_RULE_LIST_H
#define WEIR_SCAN_RULE_LIST_H

#include "scan/match.h"
#include "scan/rule.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    /* SpamAssassin refuses longer names, too. */
    RULE_NAME_MAX = 100,

    /* Octets of one line of rule text; the longest public rule has 43,000. */
    RULE_LINE_MAX = 65536,

    /* Octets of a pattern after replace_tag; public ones reach 64,000. Longer: the rule is off. */
    RULE_PATTERN_MAX = 262144,

    /* Open `if`s; files that include one another; files in one list. Past them: an error. */
    RULE_IF_MAX = 64,
    RULE_INCLUDE_MAX = 16,
    RULE_FILES_MAX = 4096,

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

    /* A pattern of octets of a signature file (signature.h), added by image_signature.c: parts that it may be of
     * (enum signature_target), and where a match must end. */
    bool is_signature;
    bool has_end;
    unsigned signature_target;
    uint64_t end_min, end_max;

    char *describe;
    bool has_score;
    int32_t score_milli;
    struct rule_place score_place;

    bool is_mentioned;     /* by a definition that an `if` leaves out, or by `reuse`: the name is no slip of the pen */
    bool is_replace_asked; /* replace_rules names it */
    bool is_replaced;      /* and it has been done */
    bool is_expanded;      /* rules_matching() has been */
    bool is_checked;       /* rule_list_finish has said what there was to say */
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

/* replace_tag and its like: what a tag stands for. */
struct rule_tag {
    char *name;
    char *text;
};

enum rule_tag_kind { RULE_TAG, RULE_TAG_PRE, RULE_TAG_INTER, RULE_TAG_POST, RULE_TAG_KIND_CNT };

struct rule_tags {
    struct rule_tag *tags;
    uint32_t cnt;
};

/* A directive that is known and not honoured: said once, where it first stands. */
struct rule_ignored {
    char *name;
    struct rule_place place;
    unsigned cnt;
};

struct rule_list {
    struct rule *rules;
    uint32_t rules_cnt;
    uint32_t rules_max;
    uint32_t *slots; /* open addressing by name: index + 1, 0 empty */
    uint32_t slots_cnt;
    struct rule_set_list *lists;
    uint32_t lists_cnt;
    struct rule_tags tags[RULE_TAG_KIND_CNT];
    char *tag_start; /* "<" */
    char *tag_end;   /* ">" */
    char **plugins;  /* that `loadplugin` lines name */
    uint32_t plugins_cnt;
    struct rule_ignored *ignored;
    uint32_t ignored_cnt;
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

/* The same, and silent: for what is off on purpose (it needs the network). */
void rule_turn_off_quietly(struct rule *r, const char *reason);

/* What can only be done and said when everything is read: replace_tag, rules_matching(), `tflags net`, names that
 * no rule has, directives that are not honoured. rule_list_read calls it; who uses rule_list_parse does it
 * himself, and image_build as well. Doing it again does and says nothing. rule_finish.c */
void rule_list_finish(struct rule_list *l);

/* Writes the tags of replace_tag and its like out in every pattern that asks for it. rule_tag.c */
void rule_tags_replace(struct rule_list *l);
void rule_tags_set(struct rule_list *l, enum rule_tag_kind kind, const char *name, size_t name_len,
                   const char *text, size_t len);
void rule_tags_free(struct rule_list *l);

/* Adds an entry to the list of that name, made if there is none. Remove: every equal entry. Clear: all.
 * rule_sets.c */
void rule_list_add(struct rule_list *l, const char *list, const char *entry, size_t len);
void rule_list_remove(struct rule_list *l, const char *list, const char *entry, size_t len);
void rule_list_clear(struct rule_list *l, const char *list);
void rule_sets_free(struct rule_list *l);

/* What the rule adds when it hits: the score given to it, else 1, 0.01 of `T_NAME`, 0 of `__NAME`; `tflags nice`
 * makes a score that was not given negative. */
int32_t rule_score_milli(const struct rule *r);

/* True for a rule with an explicit score of 0: as in SpamAssassin it is not run, `__NAME` neither. */
bool rule_is_switched_off(const struct rule *r);

/* A rule whose pattern asks for nothing but the end of an address: `/\.co\.uk$/` and its like. True with the
 * suffix ("co.uk", lower case) in suffix[size]. rule_suffix.c */
bool rule_suffix_claim(const struct rule *r, char *suffix, size_t size);

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

/* Carries what is open from line to line of one file. */
struct rule_reader {
    struct rule_list *list;
    const struct rule_reader *includer;
    const char *folder; /* that `include` starts from; NULL: the text is no file, and includes none */
    uint64_t device;    /* and inode: of the file, so that it does not include itself */
    uint64_t inode;
    bool is_skipping;
    unsigned ifs_cnt;
    struct {
        bool was_skipping;
        struct rule_place place;
    } ifs[RULE_IF_MAX];
};

void rule_line_parse(struct rule_reader *reader, const struct rule_line *line);

/* Reads the file that `include` names; `at` is where it is named. rule.c */
void rule_list_include(struct rule_reader *reader, const struct rule_place *at, const char *path);

/* plugin(NAME), can(MODULE::FUNCTION) and has() of a condition. rule_plugin.c */
bool rule_plugin_is_loaded(const struct rule_list *l, const char *name);
bool rule_plugin_can(const struct rule_list *l, const char *name);

/* What a known directive does to a local scan without Bayes. rule_directive.c */
enum rule_directive {
    RULE_DIRECTIVE_UNKNOWN,
    RULE_DIRECTIVE_NO_EFFECT, /* cannot change which rules hit: accepted silently */
    RULE_DIRECTIVE_IGNORED,   /* could: said once */
    RULE_DIRECTIVE_RULE       /* defines a rule by the word behind it that needs the network */
};

/* keyword is lower case, with _ for -. */
enum rule_directive rule_directive_find(const char *keyword);

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

/* True when the pattern holds a %{NAME} that a capture of another rule fills while a message is looked at. */
bool regex_has_template(const char *text, size_t len);

/* Takes away what a definition left; name, score, description, intents and tflags stay. */
void rule_clear(struct rule *r);

/* Set-up code: without memory there is nothing better to do than to stop. */
void *rule_must(void *p);

#ifdef __cplusplus
}
#endif
#endif
