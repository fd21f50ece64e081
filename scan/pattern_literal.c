/* pattern_literals(): what every match must contain.
 *
 * For each piece of the tree two things are found from its children: all the strings that it can match, if they
 * are few (`exact`), and the best set of strings of which a match contains at least one (`need`). In a row of
 * pieces the exact sets are multiplied as long as they stay small; where they would not, what there is becomes a
 * candidate for `need`. The best set is the one that text hits least, by the letters of English. */
#include <stdlib.h>
#include <string.h>

#include "scan/pattern_private.h"

/* Octets that one place of a literal may stand for, folded to lower case. */
enum { CHOICES_MAX = 24 };

/* NULL: not known. */
struct found {
    struct pattern_literals *exact;
    struct pattern_literals *need;
    struct pattern_literals *edge; /* of X+: what one X is, so what the piece begins and ends with */
};

static struct pattern_literals *
new_set(void)
{
    struct pattern_literals *s = calloc(1, sizeof(*s));
    if (!s)
        abort();
    return s;
}

/* The set with only the empty string in it. */
static struct pattern_literals *
empty_string(void)
{
    struct pattern_literals *s = new_set();
    s->cnt = 1;
    return s;
}

/* -log2 of how often a letter stands in English text, about, in halves. */
static unsigned
rarity(uint8_t c)
{
    static const char common[] = " etaoinsrhl";
    const char *p = c ? strchr(common, c) : NULL;
    if (p)
        return p == common ? 5 : 8;
    if (c >= 'a' && c <= 'z')
        return strchr("dcumfpgwyb", c) ? 11 : 16;
    return c >= '0' && c <= '9' ? 14 : 15;
}

/* The price of looking for these: expected hits in an octet, and something for each string. */
static double
price(const struct pattern_literals *s)
{
    double sum = 0;
    for (unsigned i = 0; i < s->cnt; i++) {
        unsigned bits = 0;
        for (unsigned k = 0; k < s->len[i]; k++)
            bits += rarity((uint8_t)s->text[i][k]);
        bits = bits / 2 < 60 ? bits / 2 : 60;
        sum += 1.0 / (double)(UINT64_C(1) << bits) + 1.0 / (1 << 13);
        sum += s->len[i] < 3; /* in every line */
    }
    return sum;
}

static bool
has_empty(const struct pattern_literals *s)
{
    for (unsigned i = 0; i < s->cnt; i++) {
        if (s->len[i] == 0)
            return true;
    }
    return s->cnt == 0;
}

/* Takes both; the better of them. */
static struct pattern_literals *
better(struct pattern_literals *a, struct pattern_literals *b)
{
    if (a && has_empty(a)) {
        free(a);
        a = NULL;
    }
    if (b && has_empty(b)) {
        free(b);
        b = NULL;
    }
    if (!a || !b)
        return a ? a : b;
    bool is_a = price(a) <= price(b);
    free(is_a ? b : a);
    return is_a ? a : b;
}

static struct pattern_literals *
copy_of(const struct pattern_literals *s)
{
    struct pattern_literals *c = NULL;
    if (s) {
        c = new_set();
        *c = *s;
    }
    return c;
}

static bool
add_string(struct pattern_literals *s, const char *text, size_t len)
{
    for (unsigned i = 0; i < s->cnt; i++) {
        if (s->len[i] == len && !memcmp(s->text[i], text, len))
            return true;
    }
    if (s->cnt == PATTERN_LITERALS_MAX)
        return false;
    memcpy(s->text[s->cnt], text, len);
    s->len[s->cnt++] = (uint8_t)len;
    return true;
}

/* a's strings followed by b's. NULL: too many. Strings longer than the cap would lose their exactness. */
static struct pattern_literals *
product(const struct pattern_literals *a, const struct pattern_literals *b)
{
    struct pattern_literals *out = new_set();
    for (unsigned i = 0; i < a->cnt; i++) {
        for (unsigned k = 0; k < b->cnt; k++) {
            char text[2 * PATTERN_LITERAL_LEN_MAX];
            size_t len = (size_t)a->len[i] + b->len[k];
            memcpy(text, a->text[i], a->len[i]);
            memcpy(text + a->len[i], b->text[k], b->len[k]);
            if (len > PATTERN_LITERAL_LEN_MAX || !add_string(out, text, len)) {
                free(out);
                return NULL;
            }
        }
    }
    return out;
}

static struct pattern_literals *
union_of(const struct pattern_literals *a, const struct pattern_literals *b)
{
    struct pattern_literals *out = copy_of(a);
    for (unsigned i = 0; i < b->cnt; i++) {
        if (!add_string(out, b->text[i], b->len[i])) {
            free(out);
            return NULL;
        }
    }
    return out;
}

static struct found find(const struct node *n, const struct octet_set *gone);

static struct pattern_literals *
set_strings(const struct node *n, const struct octet_set *gone)
{
    struct octet_set folded = { 0 };
    unsigned cnt = 0;
    for (unsigned c = 0; c < 256; c++) {
        if (!octet_set_has(&n->set, (uint8_t)c) || octet_set_has(gone, (uint8_t)c))
            continue;
        uint8_t low = (uint8_t)(c >= 'A' && c <= 'Z' ? c + 32 : c);
        cnt += !octet_set_has(&folded, low);
        octet_set_add(&folded, low);
    }
    if (cnt > CHOICES_MAX)
        return NULL;
    struct pattern_literals *s = new_set();
    for (unsigned c = 0; c < 256; c++) {
        char text = (char)c;
        if (octet_set_has(&folded, (uint8_t)c))
            add_string(s, &text, 1);
    }
    return s; /* cnt 0: nothing matches here */
}

/* Takes what there is of `tail` into `need` and starts anew. */
static struct pattern_literals *
cut_tail(struct pattern_literals **tail, struct pattern_literals *need)
{
    need = better(need, *tail);
    *tail = empty_string();
    return need;
}

/* The tail is a run without the pieces that make many strings of one: "working" where the run is "working",
 * "previous working". */
static struct pattern_literals *
grow_tail(struct pattern_literals **tail, const struct pattern_literals *piece, struct pattern_literals *need)
{
    struct pattern_literals *longer = piece && piece->cnt <= 2 && !has_empty(piece) ? product(*tail, piece) : NULL;
    if (!longer)
        return cut_tail(tail, need);
    free(*tail);
    *tail = longer;
    return need;
}

static struct found
find_sequence(const struct node *n, const struct octet_set *gone)
{
    struct pattern_literals *run = empty_string(), *tail = empty_string();
    struct pattern_literals *need = NULL;
    bool is_exact = true;
    for (unsigned i = 0; i < n->cnt; i++) {
        struct found f = find(n->children[i], gone);
        need = better(need, f.need);
        need = grow_tail(&tail, f.exact, need);
        struct pattern_literals *longer = f.exact ? product(run, f.exact) : NULL;
        if (longer) {
            free(run);
            free(f.exact);
            run = longer;
            continue;
        }
        is_exact = false;
        longer = f.edge ? product(run, f.edge) : NULL; /* ad+res: "ad", and then "dres" */
        if (longer) {
            free(run);
            run = longer;
        }
        need = better(need, run);
        run = f.exact ? f.exact : f.edge ? f.edge : empty_string();
    }
    need = cut_tail(&tail, need);
    free(tail);
    if (is_exact)
        return (struct found){ run, need, NULL };
    return (struct found){ NULL, better(need, run), NULL };
}

static struct found
find_alternatives(const struct node *n, const struct octet_set *gone)
{
    struct pattern_literals *exact = new_set(), *need = new_set();
    for (unsigned i = 0; i < n->cnt; i++) {
        struct found f = find(n->children[i], gone);
        if (f.exact && f.exact->cnt == 0) { /* a branch that cannot be taken */
            free(f.exact);
            free(f.need);
            continue;
        }
        struct pattern_literals *branch = better(better(f.need, copy_of(f.exact)), f.edge);
        struct pattern_literals *both = exact && f.exact ? union_of(exact, f.exact) : NULL;
        free(exact);
        exact = both;
        both = need && branch ? union_of(need, branch) : NULL;
        free(need);
        need = both;
        free(branch);
        free(f.exact);
    }
    if (need && need->cnt == 0) {
        free(need);
        need = NULL;
    }
    return (struct found){ exact, need, NULL };
}

static struct found
find_repeat(const struct node *n, const struct octet_set *gone)
{
    struct found f = find(n->children[0], gone);
    if (f.exact && f.exact->cnt == 0 && n->min == 0) {
        free(f.exact);
        free(f.need);
        free(f.edge);
        return (struct found){ empty_string(), NULL, NULL };
    }
    free(f.edge);
    struct pattern_literals *all = NULL; /* the strings of min..max times, if they are few */
    if (f.exact && n->max != NODE_MANY && n->max <= 8) {
        struct pattern_literals *times = empty_string();
        all = n->min == 0 ? empty_string() : new_set();
        for (int i = 1; i <= n->max && all; i++) {
            struct pattern_literals *more = times ? product(times, f.exact) : NULL;
            free(times);
            times = more;
            struct pattern_literals *sum = !more ? NULL : i < n->min ? copy_of(all) : union_of(all, more);
            free(all);
            all = sum;
        }
        free(times);
    }
    struct pattern_literals *need = n->min > 0 ? better(f.need, copy_of(f.exact)) : NULL;
    if (n->min == 0)
        free(f.need);
    bool has_edge = !all && n->min > 0 && f.exact && !has_empty(f.exact);
    if (!has_edge)
        free(f.exact);
    return (struct found){ all, need, has_edge ? f.exact : NULL };
}

static struct found
find(const struct node *n, const struct octet_set *gone)
{
    switch (n->kind) {
    case NODE_SET:
        return (struct found){ set_strings(n, gone), NULL, NULL };
    case NODE_RAW:
        return (struct found){ n->is_octets ? NULL : empty_string(), NULL, NULL };
    case NODE_ASSERT:
        return (struct found){ empty_string(), NULL, NULL };
    case NODE_SEQ:
        return find_sequence(n, gone);
    case NODE_ALT:
        return find_alternatives(n, gone);
    case NODE_GROUP:
        return find(n->children[0], gone);
    case NODE_REPEAT:
        return find_repeat(n, gone);
    }
    return (struct found){ NULL, NULL, NULL };
}

/* X, when the expression is X{n,} with n > 1 and nothing else: each X has its literal. */
static const struct node *
repeated(const struct node *n)
{
    while ((n->kind == NODE_ALT || n->kind == NODE_SEQ || n->kind == NODE_GROUP) && n->cnt == 1)
        n = n->children[0];
    return n->kind == NODE_REPEAT && n->min > 1 ? n : NULL;
}

bool
pattern_literals(const struct pattern *p, const struct octet_set *gone, struct pattern_literals *out)
{
    const struct node *repeat = repeated(p->root);
    struct found f = find(repeat ? repeat->children[0] : p->root, gone);
    struct pattern_literals *best = better(better(f.need, f.exact), f.edge);
    if (best) {
        *out = *best;
        out->times = repeat ? repeat->min : 1;
    }
    free(best);
    return best != NULL;
}
