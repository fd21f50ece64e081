/* rule_attribute: what is said about a rule beside its definition. It may come before, after or without one. */
#include <stdlib.h>
#include <string.h>

#include "scan/expr.h"
#include "scan/rule_line.h"

/* -?[0-9]+(\.[0-9]+)? in thousandths, half up. */
static bool
score_value(const char *text, size_t len, int32_t *milli)
{
    size_t i = len > 0 && text[0] == '-';
    size_t digits = 0;
    int64_t value = 0;
    for (; i < len && text[i] >= '0' && text[i] <= '9'; i++, digits++) {
        value = value * 10 + (text[i] - '0') * 1000;
        if (value > RULE_SCORE_MAX_MILLI)
            return false;
    }
    if (digits == 0)
        return false;
    if (i < len && text[i] == '.') {
        int unit = 100;
        size_t point = i++;
        for (; i < len && text[i] >= '0' && text[i] <= '9'; i++) {
            if (i - point == 4 && text[i] >= '5')
                value++;
            value += (text[i] - '0') * unit;
            unit /= 10;
        }
        if (i == point + 1)
            return false;
    }
    *milli = (int32_t)(text[0] == '-' ? -value : value);
    return i == len;
}

/* One score or four; column 0 is for a scan without network and Bayes. "(n)" is relative to the score so far. */
static bool
score_columns(struct rule_cursor *c, int32_t *column_0, bool *is_relative)
{
    size_t first = c->off;
    unsigned cnt = 0;
    *is_relative = false;
    while (c->off < c->line->len) {
        size_t start = c->off;
        size_t len;
        const char *value = rule_word(c, &len);
        if (len > 2 && value[0] == '(' && value[len - 1] == ')') {
            *is_relative = true;
            value++;
            len -= 2;
        }
        int32_t milli = 0;
        if (!score_value(value, len, &milli)) {
            rule_say(c, RULE_ERROR, start, "a score is a number from -100000 to 100000");
            return false;
        }
        if (cnt++ == 0)
            *column_0 = milli;
    }
    if (cnt == 1 || cnt == 4)
        return true;
    rule_say(c, RULE_ERROR, first, "a rule has 1 score or 4");
    return false;
}

void
rule_parse_score(struct rule_cursor *c, enum rule_kind kind)
{
    (void)kind;
    size_t name_off = c->off;
    size_t len;
    const char *name = rule_name(c, &len);
    int32_t milli = 0;
    bool is_relative;
    if (!name || !score_columns(c, &milli, &is_relative))
        return;
    struct rule *r = rule_list_find(c->list, name, len);
    if (is_relative && (!r || !r->has_score)) {
        rule_say(c, RULE_ERROR, name_off, "a relative score needs a score before it");
        return;
    }
    if (is_relative)
        milli += r->score_milli;
    if (milli < -RULE_SCORE_MAX_MILLI || milli > RULE_SCORE_MAX_MILLI) {
        rule_say(c, RULE_ERROR, name_off, "the scores together are beyond 100000");
        return;
    }
    r = rule_entry_of(c, name, len);
    if (!r)
        return;
    r->has_score = true;
    r->score_milli = milli;
    r->is_checked = false;
    rule_place_set(&r->score_place, &c->line->place, c->line->columns[name_off]);
}

void
rule_parse_required_score(struct rule_cursor *c, enum rule_kind kind)
{
    (void)kind;
    size_t start = c->off;
    size_t len;
    const char *value = rule_word(c, &len);
    int32_t milli = 0;
    if (!score_value(value, len, &milli) || c->off != c->line->len) {
        rule_say(c, RULE_ERROR, start, "a score is a number from -100000 to 100000");
        return;
    }
    c->list->has_required_score = true;
    c->list->required_score_milli = milli;
}

void
rule_parse_describe(struct rule_cursor *c, enum rule_kind kind)
{
    (void)kind;
    size_t len;
    const char *name = rule_name(c, &len);
    struct rule *r = name ? rule_entry_of(c, name, len) : NULL;
    if (!r)
        return;
    free(r->describe);
    const char *rest = rule_rest(c, &len);
    r->describe = rule_must(strndup(rest, len));
}

/* True when `word` stands in text[0..len) with no letter, digit or _ before and behind it: SpamAssassin looks for
 * /\bword\b/, so that `notes=net` is `net`, too. *end: behind it. */
static bool
has_word(const char *text, size_t len, const char *word, size_t *end)
{
    size_t word_len = strlen(word);
    for (size_t i = 0; i + word_len <= len; i++) {
        if (memcmp(text + i, word, word_len))
            continue;
        char before = i ? text[i - 1] : ' ';
        char behind = i + word_len < len ? text[i + word_len] : ' ';
        bool is_word_before = expr_name_len(&before, 1) || (before >= '0' && before <= '9');
        bool is_word_behind = expr_name_len(&behind, 1) || (behind >= '0' && behind <= '9');
        *end = i + word_len;
        if (!is_word_before && !is_word_behind)
            return true;
    }
    return false;
}

/* The number behind "maxhits=", saturated; 0 for none. */
static uint32_t
maxhits(const char *text, size_t len)
{
    size_t at;
    uint32_t value = 0;
    if (!has_word(text, len, "maxhits", &at) || at == len || text[at] != '=')
        return 0;
    for (at++; at < len && text[at] >= '0' && text[at] <= '9'; at++)
        value = value > 100000000 ? value : value * 10 + (uint32_t)(text[at] - '0');
    return value;
}

/* A later line replaces an earlier one. */
void
rule_parse_tflags(struct rule_cursor *c, enum rule_kind kind)
{
    (void)kind;
    static const struct {
        const char *word;
        unsigned flag;
    } flags[] = {
        { "multiple", RULE_MULTIPLE }, { "nosubject", RULE_NOSUBJECT }, { "net", RULE_NET },
        { "learn", RULE_LEARN },       { "userconf", RULE_USERCONF },   { "nice", RULE_NICE },
        { "concat", RULE_CONCAT },     { "nopublish", RULE_NOPUBLISH },
    };
    size_t len;
    const char *name = rule_name(c, &len);
    if (!name)
        return;
    size_t rest_len;
    const char *rest = rule_rest(c, &rest_len);
    if (rest_len == 0) {
        rule_say(c, RULE_ERROR, c->off, "a flag is missing");
        return;
    }
    struct rule *r = rule_entry_of(c, name, len);
    if (!r)
        return;
    size_t end;
    r->tflags = 0;
    for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++)
        r->tflags |= has_word(rest, rest_len, flags[i].word, &end) ? flags[i].flag : 0;
    r->maxhits = maxhits(rest, rest_len);
}

/* reuse NAME [OLD ...]: the names are known. */
void
rule_parse_reuse(struct rule_cursor *c, enum rule_kind kind)
{
    (void)kind;
    size_t len;
    const char *name = rule_name(c, &len);
    struct rule *r = name ? rule_entry_of(c, name, len) : NULL;
    if (r)
        r->is_mentioned = true;
}

/* "co.uk": labels of letters, digits, - and octets beyond ASCII, and dots between them. */
static bool
is_suffix(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char ch = (unsigned char)text[i];
        bool is_label = ch == '-' || ch >= 0x80 || (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z');
        bool is_dot = ch == '.' && i > 0 && i + 1 < len && text[i - 1] != '.';
        if (!is_label && !is_dot)
            return false;
    }
    return len > 0;
}

/* intent NAME suffix co.uk com.au: Weir's own. */
void
rule_parse_intent(struct rule_cursor *c, enum rule_kind kind)
{
    (void)kind;
    size_t len;
    const char *name = rule_name(c, &len);
    if (!name)
        return;
    size_t start = c->off;
    size_t what_len;
    const char *what = rule_word(c, &what_len);
    if (what_len != 6 || memcmp(what, "suffix", 6)) {
        rule_say(c, RULE_ERROR, start, "`suffix` is expected here");
        return;
    }
    if (c->off == c->line->len) {
        rule_say(c, RULE_ERROR, c->off, "a suffix is missing, like co.uk");
        return;
    }
    struct rule *r = rule_entry_of(c, name, len);
    while (r && c->off < c->line->len) {
        size_t at = c->off;
        const char *word = rule_word(c, &what_len);
        char *suffix = rule_must(strndup(word, what_len));
        for (char *p = suffix; *p; p++)
            *p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
        if (!is_suffix(suffix, what_len)) {
            rule_say(c, RULE_ERROR, at, "a suffix is written like co.uk");
            free(suffix);
            return;
        }
        r->intents = rule_must(reallocarray(r->intents, r->intents_cnt + 1, sizeof(*r->intents)));
        r->intents[r->intents_cnt++] = suffix;
    }
}

static void
replace_rules(struct rule_cursor *c)
{
    while (c->off < c->line->len) {
        size_t len;
        const char *name = rule_name(c, &len);
        struct rule *r = name ? rule_entry_of(c, name, len) : NULL;
        if (r)
            r->is_replace_asked = true;
    }
}

/* replace_tag NAME text, replace_rules NAME ..., replace_start < */
void
rule_parse_replace(struct rule_cursor *c, enum rule_kind kind)
{
    (void)kind;
    static const char *const kinds[RULE_TAG_KIND_CNT] = { "replace_tag", "replace_pre", "replace_inter",
                                                          "replace_post" };
    size_t len;
    const char *rest = rule_rest(c, &len);
    if (len == 0) {
        rule_say(c, RULE_ERROR, c->off, "a value is missing");
        return;
    }
    if (!strcmp(c->keyword, "replace_rules")) {
        replace_rules(c);
        return;
    }
    if (!strcmp(c->keyword, "replace_start") || !strcmp(c->keyword, "replace_end")) {
        char **to = !strcmp(c->keyword, "replace_end") ? &c->list->tag_end : &c->list->tag_start;
        free(*to);
        *to = rule_must(strndup(rest, len));
        return;
    }
    size_t name_len;
    const char *name = rule_word(c, &name_len);
    rest = rule_rest(c, &len);
    if (len == 0) {
        rule_say(c, RULE_ERROR, c->off, "a value is missing");
        return;
    }
    for (unsigned i = 0; i < RULE_TAG_KIND_CNT; i++) {
        if (!strcmp(c->keyword, kinds[i]))
            rule_tags_set(c->list, (enum rule_tag_kind)i, name, name_len, rest, len);
    }
}
