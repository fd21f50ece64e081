/* rule_line: a read position in one line of rule text, and what the files that read lines share. Private to
 * scan/rule_*.c.
 *
 * A line is a keyword and what follows; rule_line.c finds the reader of the keyword in its table and gives it the
 * cursor behind the keyword. A reader says what is wrong at the octet where it is wrong and leaves the list as
 * it was then.
 *
 * Owns:    nothing; the cursor points into the line.
 * Threads: none kept; set-up only.
 * Fails:   with a diagnostic in the list. */
#ifndef WEIR_SCAN_RULE_LINE_H
#define WEIR_SCAN_RULE_LINE_H

#include "scan/rule_list.h"

struct rule_cursor {
    struct rule_reader *reader;
    struct rule_list *list;
    const struct rule_line *line;
    size_t off;
    const char *keyword; /* lower case, _ for - */
    size_t keyword_off;
};

bool rule_is_blank(char ch);
void rule_skip_blanks(struct rule_cursor *c);

/* The next run of non-blanks; blanks after it are skipped, too. Length 0 at the end of the line. */
const char *rule_word(struct rule_cursor *c, size_t *len);

/* What is left of the line. */
const char *rule_rest(const struct rule_cursor *c, size_t *len);

/* Says `text` at line->text[off]. */
void rule_say(const struct rule_cursor *c, enum rule_severity severity, size_t off, const char *text);

bool rule_begins(const struct rule_cursor *c, const char *prefix);

/* Reads the rule's name. NULL when there is no good one (said). */
const char *rule_name(struct rule_cursor *c, size_t *len);

/* The entry of this name, which lies in the line; NULL, with an error said: there is no room for it. */
struct rule *rule_entry_of(struct rule_cursor *c, const char *name, size_t len);

/* Begins a definition: the entry of this name with what an earlier definition left removed. The caller has
 * checked the rest of the line, so that a wrong line does not undo a right one. */
struct rule *rule_define(struct rule_cursor *c, const char *name, size_t len, enum rule_kind kind);

/* A definition that is right in SpamAssassin but never hits here. `what` is the reason. */
struct rule *rule_define_off(struct rule_cursor *c, const char *name, size_t len, enum rule_kind kind,
                             const char *what);

/* The rule's text becomes line[off..off+len). */
void rule_set_text(struct rule *r, const struct rule_line *line, size_t off, size_t len);

/* Reads line[off..off+len) as a regex literal; false: said. Then gives it to the rule, which is turned off when
 * the pattern is filled while a message is looked at. */
bool rule_regex(struct rule_cursor *c, size_t off, size_t len, struct regex_literal *out);
void rule_set_regex(struct rule_cursor *c, struct rule *r, const struct regex_literal *literal);

/* Readers. rule_header.c: */
void rule_parse_header(struct rule_cursor *c, enum rule_kind kind);
void rule_parse_mimeheader(struct rule_cursor *c, enum rule_kind kind);
/* rule_eval.c: NAME eval:function(arguments), the cursor at `function`. */
void rule_parse_eval(struct rule_cursor *c, const char *name, size_t len, enum rule_kind kind);
/* rule_attribute.c: */
void rule_parse_score(struct rule_cursor *c, enum rule_kind kind);
void rule_parse_describe(struct rule_cursor *c, enum rule_kind kind);
void rule_parse_tflags(struct rule_cursor *c, enum rule_kind kind);
void rule_parse_intent(struct rule_cursor *c, enum rule_kind kind);
void rule_parse_reuse(struct rule_cursor *c, enum rule_kind kind);
void rule_parse_required_score(struct rule_cursor *c, enum rule_kind kind);
void rule_parse_replace(struct rule_cursor *c, enum rule_kind kind);
/* rule_sets.c: true when the keyword fills a list (or empties one). */
bool rule_parse_set(struct rule_cursor *c);
/* rule_condition.c: if, ifplugin, else, endif, require_version, loadplugin. True when the line was one of them or
 * lies in what a condition leaves out. */
bool rule_parse_condition(struct rule_cursor *c);

#endif
