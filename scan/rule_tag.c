/* rule_tag: `replace_tag A (?:a|4)` makes of /<V>i<A>gra/ what it stands for, as SpamAssassin's ReplaceTags does:
 * up to six passes, because a tag's text may hold tags; in each pass one <pre NAME>, <inter NAME> and <post NAME>
 * is taken out of the pattern, and their texts go before each tag, between two adjacent tags, behind each tag.
 *
 * A pattern is split at what looks like a tag, and every piece is treated alone; only the first tag name of a
 * piece is replaced. Start and end of a tag are read literally; in SpamAssassin they are regexes. */
#include <stdlib.h>
#include <string.h>

#include "scan/rule_list.h"

/* Tags in tags: what is left behind the last pass stays as it is written. */
enum { PASSES_MAX = 6 };

/* Pattern text and each octet's column. */
struct rope {
    char *text;
    uint32_t *columns;
    size_t len;
    size_t max;
};

static void
rope_add(struct rope *r, const char *text, const uint32_t *columns, uint32_t column, size_t len)
{
    if (len >= r->max - r->len) {
        r->max = (r->len + len + 1) * 2;
        r->text = rule_must(realloc(r->text, r->max));
        r->columns = rule_must(reallocarray(r->columns, r->max, sizeof(*r->columns)));
    }
    memcpy(r->text + r->len, text, len);
    for (size_t i = 0; i < len; i++)
        r->columns[r->len + i] = columns ? columns[i] : column;
    r->len += len;
    r->text[r->len] = 0;
}

static void
rope_slice(struct rope *to, const struct rope *from, size_t off, size_t len)
{
    if (len)
        rope_add(to, from->text + off, from->columns + off, 0, len);
}

static void
rope_free(struct rope *r)
{
    free(r->text);
    free(r->columns);
    *r = (struct rope){ 0 };
}

static void
rope_move(struct rope *to, struct rope *from)
{
    rope_free(to);
    *to = *from;
    *from = (struct rope){ 0 };
}

void
rule_tags_set(struct rule_list *l, enum rule_tag_kind kind, const char *name, size_t name_len,
              const char *text, size_t len)
{
    struct rule_tags *t = &l->tags[kind];
    struct rule_tag *tag = NULL;
    for (uint32_t i = 0; i < t->cnt && !tag; i++) {
        if (strlen(t->tags[i].name) == name_len && !memcmp(t->tags[i].name, name, name_len))
            tag = &t->tags[i];
    }
    if (!tag) {
        t->tags = rule_must(reallocarray(t->tags, t->cnt + 1, sizeof(*t->tags)));
        tag = &t->tags[t->cnt++];
        *tag = (struct rule_tag){ .name = rule_must(strndup(name, name_len)) };
    }
    free(tag->text);
    tag->text = rule_must(strndup(text, len));
}

void
rule_tags_free(struct rule_list *l)
{
    for (unsigned kind = 0; kind < RULE_TAG_KIND_CNT; kind++) {
        for (uint32_t i = 0; i < l->tags[kind].cnt; i++) {
            free(l->tags[kind].tags[i].name);
            free(l->tags[kind].tags[i].text);
        }
        free(l->tags[kind].tags);
    }
    free(l->tag_start);
    free(l->tag_end);
}

/* The text of a tag, NULL when there is none. (Perl takes "0" for nothing.) */
static const char *
tag_text(const struct rule_list *l, enum rule_tag_kind kind, const char *name, size_t len)
{
    const struct rule_tags *t = &l->tags[kind];
    for (uint32_t i = 0; i < t->cnt; i++) {
        if (strlen(t->tags[i].name) == len && !memcmp(t->tags[i].name, name, len))
            return strcmp(t->tags[i].text, "0") ? t->tags[i].text : NULL;
    }
    return NULL;
}

/* Finds START name END at or after `from`, name of one octet or more: *at, and the name. */
static bool
find_tag(const struct rule_list *l, const struct rope *r, size_t from, const char *infix, size_t *at,
         size_t *name_off, size_t *name_len, size_t *end)
{
    if (!r->text || from > r->len)
        return false;
    char *start = NULL;
    size_t start_len = strlen(l->tag_start) + strlen(infix);
    start = rule_must(malloc(start_len + 1));
    strcat(strcpy(start, l->tag_start), infix);
    const char *first = strstr(r->text + from, start);
    free(start);
    if (!first)
        return false;
    *at = (size_t)(first - r->text);
    *name_off = *at + start_len;
    if (*name_off + 1 > r->len)
        return false;
    const char *close = strstr(r->text + *name_off + 1, l->tag_end);
    if (!close)
        return false;
    *name_len = (size_t)(close - r->text) - *name_off;
    *end = *name_off + *name_len + strlen(l->tag_end);
    return true;
}

/* Takes the first "<pre NAME>" (infix "pre ") out of r and returns the text of that NAME, or NULL. */
static const char *
take_modifier(const struct rule_list *l, struct rope *r, enum rule_tag_kind kind, const char *infix)
{
    size_t at;
    size_t off;
    size_t len;
    size_t end;
    if (!find_tag(l, r, 0, infix, &at, &off, &len, &end))
        return NULL;
    const char *text = tag_text(l, kind, r->text + off, len);
    struct rope rest = { 0 };
    rope_add(&rest, "", NULL, 0, 0);
    rope_slice(&rest, r, 0, at);
    rope_slice(&rest, r, end, r->len - end);
    rope_move(r, &rest);
    return text;
}

struct modifiers {
    const char *pre;
    const char *inter;
    const char *post;
};

static void
add_text(struct rope *to, const char *text, uint32_t column)
{
    rope_add(to, text, NULL, column, strlen(text));
}

/* Puts `pre` before the first tag of the piece, `post` behind every one. */
static void
surround(const struct rule_list *l, struct rope *piece, const struct modifiers *m)
{
    size_t at;
    size_t off;
    size_t len;
    size_t end;
    if (m->pre && find_tag(l, piece, 0, "", &at, &off, &len, &end)) {
        struct rope out = { 0 };
        rope_slice(&out, piece, 0, at);
        add_text(&out, m->pre, piece->columns[at]);
        rope_slice(&out, piece, at, piece->len - at);
        rope_move(piece, &out);
    }
    if (!m->post)
        return;
    struct rope out = { 0 };
    size_t from = 0;
    while (find_tag(l, piece, from, "", &at, &off, &len, &end)) {
        rope_slice(&out, piece, from, end - from);
        add_text(&out, m->post, piece->columns[at]);
        from = end;
    }
    rope_slice(&out, piece, from, piece->len - from);
    rope_move(piece, &out);
}

/* Replaces the piece's first tag name wherever it stands in the piece. *again: its text may hold tags. */
static void
replace_name(const struct rule_list *l, struct rope *piece, bool *again)
{
    size_t at;
    size_t off;
    size_t len;
    size_t end;
    if (!find_tag(l, piece, 0, "", &at, &off, &len, &end))
        return;
    const char *text = tag_text(l, RULE_TAG, piece->text + off, len);
    if (!text)
        return;
    const char *open = strchr(text, '<');
    *again = *again || (open && open[1] && strchr(open + 2, '>'));
    size_t whole_len = end - at;
    char *whole = rule_must(strndup(piece->text + at, whole_len));
    struct rope out = { 0 };
    size_t from = 0;
    for (const char *next = piece->text; (next = strstr(next, whole)); next += whole_len) {
        size_t next_off = (size_t)(next - piece->text);
        rope_slice(&out, piece, from, next_off - from);
        add_text(&out, text, piece->columns[next_off]);
        from = next_off + whole_len;
    }
    rope_slice(&out, piece, from, piece->len - from);
    rope_move(piece, &out);
    free(whole);
}

/* The next <...> at or after `from`, without < and > inside; what the pattern is split at. */
static bool
next_split(const struct rope *r, size_t from, size_t *at, size_t *end)
{
    for (size_t i = from; i < r->len; i++) {
        if (r->text[i] != '<')
            continue;
        size_t k = i + 1;
        while (k < r->len && r->text[k] != '<' && r->text[k] != '>')
            k++;
        if (k < r->len && r->text[k] == '>' && k > i + 1) {
            *at = i;
            *end = k + 1;
            return true;
        }
        if (k < r->len && r->text[k] == '<')
            i = k - 1;
    }
    return false;
}

/* One piece of r, treated, goes to the end of `out`. */
static void
treat_piece(const struct rule_list *l, const struct rope *r, size_t off, size_t len, const struct modifiers *m,
            struct rope *out, bool *again)
{
    struct rope piece = { 0 };
    rope_slice(&piece, r, off, len);
    if (piece.len)
        surround(l, &piece, m);
    else if (m->inter)
        add_text(&piece, m->inter, r->columns[off]);
    replace_name(l, &piece, again);
    rope_slice(out, &piece, 0, piece.len);
    rope_free(&piece);
}

/* False when it has become too long. */
static bool
pass(const struct rule_list *l, struct rope *r, bool *again)
{
    struct modifiers m;
    m.pre = take_modifier(l, r, RULE_TAG_PRE, "pre ");
    m.post = take_modifier(l, r, RULE_TAG_POST, "post ");
    m.inter = take_modifier(l, r, RULE_TAG_INTER, "inter ");
    struct rope out = { 0 };
    rope_add(&out, "", NULL, 0, 0);
    *again = false;
    size_t from = 0;
    size_t at;
    size_t end;
    while (out.len <= RULE_PATTERN_MAX && next_split(r, from, &at, &end)) {
        /* In front of the pattern stand its flags in SpamAssassin, so nothing is no piece there. */
        if (at > 0)
            treat_piece(l, r, from, at - from, &m, &out, again);
        treat_piece(l, r, at, end - at, &m, &out, again);
        from = end;
    }
    if (from < r->len)
        treat_piece(l, r, from, r->len - from, &m, &out, again);
    rope_move(r, &out);
    return r->len <= RULE_PATTERN_MAX;
}

static void
replace(struct rule_list *l, struct rule *r)
{
    struct rope rope = { 0 };
    rope_add(&rope, r->text, r->text_columns, 0, r->text_len);
    bool is_good = true;
    bool again = true;
    for (unsigned i = 0; again && is_good && i < PASSES_MAX; i++)
        is_good = pass(l, &rope, &again);
    if (!is_good) {
        rule_turn_off(l, r, "its pattern is longer than 262144 octets after replace_tag");
        rope_free(&rope);
        return;
    }
    uint32_t column_behind = rule_column(r, r->text_len);
    free(r->text);
    free(r->text_columns);
    r->text = rope.text;
    r->text_columns = rule_must(reallocarray(rope.columns, rope.len + 1, sizeof(*rope.columns)));
    r->text_columns[rope.len] = column_behind;
    r->text_len = rope.len;
}

void
rule_tags_replace(struct rule_list *l)
{
    for (uint32_t i = 0; i < l->rules_cnt; i++) {
        struct rule *r = &l->rules[i];
        bool has_pattern = r->kind == RULE_HEADER || r->kind == RULE_BODY || r->kind == RULE_RAWBODY ||
                           r->kind == RULE_FULL || r->kind == RULE_URI || r->kind == RULE_ATTACHMENT;
        if (!r->is_replace_asked || r->is_replaced || !has_pattern)
            continue;
        r->is_replaced = true;
        replace(l, r);
    }
}
