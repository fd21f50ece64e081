/* pattern_without() and pattern_loosened(): the tree written out again, without what cannot match any more, or without
 * what makes it hard to match. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "scan/pattern_private.h"

struct printer {
    char *text;
    size_t len, max;
    const struct octet_set *gone;
    bool is_changed;
    bool is_refused; /* what is left out would change the meaning of the rest */
    bool is_loose;
    int times; /* loosened: the greatest lower bound of a long repeat */
};

enum {
    /* Loosened: a repeat of more octets' text than this, or of more times, has no upper bound. */
    LOOSE_TEXT_MAX = 40,
    LOOSE_TIMES_MAX = 30
};

static void
put(struct printer *pr, const char *text, size_t len)
{
    if (pr->len + len + 1 > pr->max) {
        pr->max = (pr->len + len + 1) * 2;
        pr->text = realloc(pr->text, pr->max);
        if (!pr->text)
            abort();
    }
    memcpy(pr->text + pr->len, text, len);
    pr->len += len;
    pr->text[pr->len] = 0;
}

static bool
is_within(const struct octet_set *a, const struct octet_set *b)
{
    for (unsigned i = 0; i < 4; i++) {
        if (a->words[i] & ~b->words[i])
            return false;
    }
    return true;
}

static bool
meets(const struct octet_set *a, const struct octet_set *b)
{
    for (unsigned i = 0; i < 4; i++) {
        if (a->words[i] & b->words[i])
            return true;
    }
    return false;
}

static void
put_octet(struct printer *pr, unsigned c)
{
    char text[8];
    bool is_word = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    put(pr, text, (size_t)snprintf(text, sizeof(text), is_word ? "%c" : "\\x%02x", c));
}

/* What is left of a positive class. */
static void
put_class(struct printer *pr, const struct octet_set *set)
{
    put(pr, "[", 1);
    for (unsigned c = 0; c < 256; c++) {
        unsigned last = c;
        if (!octet_set_has(set, (uint8_t)c) || octet_set_has(pr->gone, (uint8_t)c))
            continue;
        while (last < 255 && octet_set_has(set, (uint8_t)(last + 1)) &&
               !octet_set_has(pr->gone, (uint8_t)(last + 1)))
            last++;
        put_octet(pr, c);
        if (last > c + 1)
            put(pr, "-", 1);
        if (last > c)
            put_octet(pr, last);
        c = last;
    }
    put(pr, "]", 1);
}

static bool print_node(struct printer *pr, const struct node *n);

static bool
print_set(struct printer *pr, const struct node *n)
{
    if (is_within(&n->set, pr->gone))
        return false;
    if (n->is_class && meets(&n->set, pr->gone)) {
        pr->is_changed = true;
        put_class(pr, &n->set);
    } else {
        put(pr, n->text, n->len);
    }
    return true;
}

static bool
print_sequence(struct printer *pr, const struct node *n)
{
    for (unsigned i = 0; i < n->cnt; i++) {
        if (!print_node(pr, n->children[i]))
            return false;
    }
    return true;
}

/* `(?i)` in a branch goes on behind the branch. */
static bool
has_setting(const struct node *seq)
{
    for (unsigned i = 0; i < seq->cnt; i++) {
        const struct node *n = seq->children[i];
        if (n->kind == NODE_RAW && n->len > 1 && n->text[1] == '?')
            return true;
    }
    return false;
}

static bool
print_alternatives(struct printer *pr, const struct node *n)
{
    unsigned printed = 0;
    for (unsigned i = 0; i < n->cnt; i++) {
        size_t back = pr->len;
        if (printed)
            put(pr, "|", 1);
        if (print_node(pr, n->children[i])) {
            printed++;
            continue;
        }
        pr->len = back;
        pr->is_changed = true;
        pr->is_refused = pr->is_refused || has_setting(n->children[i]);
    }
    if (pr->text)
        pr->text[pr->len] = 0;
    return printed > 0;
}

static bool
print_enclosed(struct printer *pr, const struct node *n)
{
    size_t back = pr->len;
    if (pr->is_loose && n->kind == NODE_ASSERT)
        return true;
    if (pr->is_loose && n->len == 3 && n->text[2] == '>')
        put(pr, "(?:", 3);
    else
        put(pr, n->text, n->len);
    if (print_node(pr, n->children[0])) {
        put(pr, ")", 1);
        return true;
    }
    pr->len = back;
    if (n->kind != NODE_ASSERT || !n->is_negative)
        return false;
    pr->is_changed = true; /* what must not follow never does */
    return true;
}

/* R{5,9} as R{2,}, of a set R{0,2048} as R*: a superset. */
static void
put_loose_quantifier(struct printer *pr, const struct node *n, size_t text_len)
{
    char text[32];
    bool is_long = text_len > LOOSE_TEXT_MAX ? n->min > 1 || n->max > 1 : n->min > LOOSE_TIMES_MAX || n->max > LOOSE_TIMES_MAX;
    if (is_long)
        put(pr, text, (size_t)snprintf(text, sizeof(text), "{%d,}", n->min < pr->times ? n->min : pr->times));
    else if (n->len > 1 && n->text[n->len - 1] == '+')
        put(pr, n->text, n->len - 1); /* possessive */
    else
        put(pr, n->text, n->len);
}

static bool
print_repeat(struct printer *pr, const struct node *n)
{
    size_t back = pr->len;
    if (print_node(pr, n->children[0])) {
        if (pr->is_loose)
            put_loose_quantifier(pr, n, pr->len - back);
        else
            put(pr, n->text, n->len);
        return true;
    }
    pr->len = back;
    pr->is_changed = true;
    return n->min == 0;
}

/* False: nothing without the octets that are gone matches here, and what was written is to be taken back. */
static bool
print_node(struct printer *pr, const struct node *n)
{
    switch (n->kind) {
    case NODE_SET:
        return print_set(pr, n);
    case NODE_RAW:
        pr->is_refused = pr->is_refused || n->is_octets; /* back-references count the groups */
        if (pr->is_loose && n->is_octets)
            put(pr, "(?s:.*)", 7);
        else if (!pr->is_loose || n->text[0] == '(' || !strncasecmp(n->text, "\\b", 2))
            put(pr, n->text, n->len);
        return true;
    case NODE_SEQ:
        return print_sequence(pr, n);
    case NODE_ALT:
        return print_alternatives(pr, n);
    case NODE_GROUP:
    case NODE_ASSERT:
        return print_enclosed(pr, n);
    case NODE_REPEAT:
        return print_repeat(pr, n);
    }
    return true;
}

enum pattern_result
pattern_without(const struct pattern *p, const struct octet_set *gone, char **out)
{
    struct printer pr = { .gone = gone };
    put(&pr, "", 0);
    bool is_possible = print_node(&pr, p->root);
    enum pattern_result result = pr.is_refused ? PATTERN_SAME
                                 : !is_possible ? PATTERN_NOTHING
                                 : pr.is_changed ? PATTERN_PRUNED
                                                 : PATTERN_SAME;
    pr.text[pr.len] = 0;
    if (result == PATTERN_PRUNED)
        *out = pr.text;
    else
        free(pr.text);
    return result;
}

char *
pattern_loosened(const struct pattern *p, const struct octet_set *gone, int times)
{
    struct printer pr = { .gone = gone, .is_loose = true, .times = times };
    put(&pr, "", 0);
    if (print_node(&pr, p->root))
        return pr.text;
    free(pr.text);
    return NULL;
}
