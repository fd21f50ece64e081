/* The parsing half of pattern.h: a recursive descent over Perl's syntax; pattern_print.c and pattern_literal.c use
 * the tree. */
#include "scan/pattern.h"

#include <stdlib.h>
#include <string.h>

#include "scan/pattern_private.h"

struct parser {
    struct pattern *p;
    const char *at;
    const char *end;
    unsigned depth;
    bool is_extended;
    bool is_bad;
};

static void *
must(void *ptr)
{
    if (!ptr)
        abort();
    return ptr;
}

static struct node *
new_node(struct parser *ps, enum node_kind kind, const char *from)
{
    struct pattern *p = ps->p;
    struct node *n = must(calloc(1, sizeof(*n)));
    n->kind = kind;
    n->text = from;
    n->len = (size_t)(ps->at - from);
    if ((p->nodes_cnt & (p->nodes_cnt - 1)) == 0) {
        size_t max = p->nodes_cnt ? p->nodes_cnt * 2 : 1;
        p->nodes = must(reallocarray(p->nodes, max, sizeof(struct node *)));
    }
    p->nodes[p->nodes_cnt++] = n;
    return n;
}

static void
add_child(struct node *n, struct node *child)
{
    if ((n->cnt & (n->cnt - 1)) == 0)
        n->children = must(reallocarray(n->children, n->cnt ? n->cnt * 2 : 1, sizeof(struct node *)));
    n->children[n->cnt++] = child;
}

static struct node *
bad(struct parser *ps)
{
    ps->is_bad = true;
    ps->at = ps->end;
    return new_node(ps, NODE_RAW, ps->at);
}

static bool
looking_at(const struct parser *ps, const char *text)
{
    size_t len = strlen(text);
    return (size_t)(ps->end - ps->at) >= len && !memcmp(ps->at, text, len);
}

/* Sets */

static void
add_range(struct octet_set *s, unsigned from, unsigned to)
{
    for (unsigned c = from; c <= to; c++)
        octet_set_add(s, (uint8_t)c);
}

static void
add_inverse(struct octet_set *s, const struct octet_set *of)
{
    for (unsigned i = 0; i < 4; i++)
        s->words[i] |= ~of->words[i];
}

/* \d \s \w \h \v and their opposites. False: `c` names no such set. */
static bool
add_escape_class(struct octet_set *s, char c)
{
    struct octet_set set = { 0 };
    switch (c | 0x20) {
    case 'd':
        add_range(&set, '0', '9');
        break;
    case 's':
        add_range(&set, '\t', '\r');
        octet_set_add(&set, ' ');
        break;
    case 'w':
        add_range(&set, '0', '9');
        add_range(&set, 'A', 'Z');
        add_range(&set, 'a', 'z');
        octet_set_add(&set, '_');
        break;
    case 'h':
        octet_set_add(&set, ' ');
        octet_set_add(&set, '\t');
        octet_set_add(&set, 0xa0);
        break;
    case 'v':
        add_range(&set, '\n', '\r');
        octet_set_add(&set, 0x85);
        break;
    default:
        return false;
    }
    if (c & 0x20) {
        for (unsigned i = 0; i < 4; i++)
            s->words[i] |= set.words[i];
    } else {
        add_inverse(s, &set);
    }
    return true;
}

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* \xHH or \x{HH}, behind the x. -1: no octet. */
static int
hex_octet(struct parser *ps)
{
    int value = 0;
    bool has_brace = ps->at < ps->end && *ps->at == '{';
    ps->at += has_brace;
    unsigned digits = 0;
    while (ps->at < ps->end && hex_digit(*ps->at) >= 0 && (has_brace || digits < 2)) {
        value = value * 16 + hex_digit(*ps->at++);
        if (++digits > 4)
            return -1;
    }
    if (has_brace && (ps->at == ps->end || *ps->at++ != '}'))
        return -1;
    return value <= 0xff ? value : -1;
}

/* The octet that an escape stands for, behind the backslash. -1: it stands for none. */
static int
escaped_octet(struct parser *ps, bool is_in_class)
{
    char c = *ps->at++;
    switch (c) {
    case 'x':
        return hex_octet(ps);
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'f':
        return '\f';
    case 'a':
        return 7;
    case 'e':
        return 27;
    case 'b':
        return is_in_class ? 8 : -1;
    case '0': {
        int value = 0;
        for (unsigned i = 0; i < 2 && ps->at < ps->end && *ps->at >= '0' && *ps->at <= '7'; i++)
            value = value * 8 + (*ps->at++ - '0');
        return value;
    }
    default:
        break;
    }
    bool is_word = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '1' && c <= '9');
    return is_word ? -1 : (uint8_t)c;
}

static bool
posix_class(struct parser *ps, struct octet_set *s)
{
    static const struct {
        const char *name;
        const char *ranges; /* pairs */
    } classes[] = {
        { "alpha", "AZaz" },   { "digit", "09" },   { "alnum", "09AZaz" }, { "upper", "AZ" },
        { "lower", "az" },     { "space", "\t\r  " }, { "blank", "  \t\t" }, { "xdigit", "09AFaf" },
        { "punct", "!/:@[`{~" }, { "print", " ~" },  { "graph", "!~" },     { "word", "09AZaz__" },
        { "cntrl", "\1\37\177\177" },
    };
    const char *close = memmem(ps->at, (size_t)(ps->end - ps->at), ":]", 2);
    if (!close)
        return false;
    const char *name = ps->at + 2;
    bool is_inverse = *name == '^';
    name += is_inverse;
    for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++) {
        if (strlen(classes[i].name) != (size_t)(close - name) ||
            memcmp(name, classes[i].name, (size_t)(close - name)) != 0)
            continue;
        struct octet_set set = { 0 };
        for (const char *r = classes[i].ranges; *r; r += 2)
            add_range(&set, (uint8_t)r[0], (uint8_t)r[1]);
        if (classes[i].name[0] == 'c')
            octet_set_add(&set, 0);
        if (is_inverse)
            add_inverse(s, &set);
        else
            for (unsigned k = 0; k < 4; k++)
                s->words[k] |= set.words[k];
        ps->at = close + 2;
        return true;
    }
    return false;
}

/* One member of a class: an octet (returned) or a set (added; -2). -1: not understood. */
static int
class_member(struct parser *ps, struct octet_set *s)
{
    if (looking_at(ps, "[:"))
        return posix_class(ps, s) ? -2 : -1;
    if (*ps->at != '\\')
        return (uint8_t)*ps->at++;
    if (++ps->at == ps->end)
        return -1;
    if (add_escape_class(s, *ps->at)) {
        ps->at++;
        return -2;
    }
    if (*ps->at >= '1' && *ps->at <= '7')
        return -1; /* octal without its 0: rare enough */
    return escaped_octet(ps, true);
}

static struct node *
parse_class(struct parser *ps)
{
    const char *from = ps->at++;
    struct octet_set set = { 0 };
    bool is_inverse = ps->at < ps->end && *ps->at == '^';
    ps->at += is_inverse;
    for (bool is_first = true;; is_first = false) {
        if (ps->at == ps->end)
            return bad(ps);
        if (*ps->at == ']' && !is_first)
            break;
        int low = class_member(ps, &set);
        int high = low;
        if (low == -1)
            return bad(ps);
        if (ps->end - ps->at > 1 && *ps->at == '-' && ps->at[1] != ']') {
            ps->at++;
            high = class_member(ps, &set);
            if (low < 0 || high < low)
                return bad(ps);
        }
        if (low >= 0)
            add_range(&set, (unsigned)low, (unsigned)high);
    }
    ps->at++;
    struct node *n = new_node(ps, NODE_SET, from);
    n->is_class = !is_inverse;
    if (is_inverse)
        add_inverse(&n->set, &set);
    else
        n->set = set;
    return n;
}

/* Groups */

static struct node *parse_alternatives(struct parser *ps);

/* Steps behind what opens the group. False: not understood. *has_body: it is a group with something inside. */
static bool
open_group(struct parser *ps, enum node_kind *kind, bool *is_negative, bool *has_body)
{
    *kind = NODE_GROUP;
    *is_negative = false;
    *has_body = true;
    ps->at++;
    if (!looking_at(ps, "?"))
        return !looking_at(ps, "*");
    static const char *const plain[] = { "?:", "?>", "?|" };
    static const char *const asserts[] = { "?=", "?!", "?<=", "?<!" };
    for (size_t i = 0; i < 2; i++) {
        if (looking_at(ps, plain[i])) {
            ps->at += 2;
            return true;
        }
    }
    for (size_t i = 0; i < 4; i++) {
        if (!looking_at(ps, asserts[i]))
            continue;
        ps->at += strlen(asserts[i]);
        *kind = NODE_ASSERT;
        *is_negative = ps->at[-1] == '!';
        return true;
    }
    if (looking_at(ps, "?<") || looking_at(ps, "?P<")) {
        const char *close = memchr(ps->at, '>', (size_t)(ps->end - ps->at));
        ps->at = close ? close + 1 : ps->end;
        return close != NULL;
    }
    ps->at++;
    while (ps->at < ps->end && strchr("ims-", *ps->at))
        ps->at++;
    if (ps->at == ps->end || (*ps->at != ':' && *ps->at != ')'))
        return false;
    *has_body = *ps->at++ == ':';
    return true;
}

static struct node *
parse_group(struct parser *ps)
{
    const char *from = ps->at;
    enum node_kind kind;
    bool is_negative, has_body;
    if (looking_at(ps, "(?#"))
        return bad(ps); /* a comment without its end: skip_comments takes the others */
    if (++ps->depth > PATTERN_DEPTH_MAX || !open_group(ps, &kind, &is_negative, &has_body))
        return bad(ps);
    struct node *n = new_node(ps, has_body ? kind : NODE_RAW, from);
    n->is_negative = is_negative;
    if (has_body) {
        add_child(n, parse_alternatives(ps));
        if (ps->at == ps->end || *ps->at != ')')
            return bad(ps);
        ps->at++;
    }
    ps->depth--;
    return n;
}

/* Atoms */

static struct node *
parse_escape(struct parser *ps)
{
    const char *from = ps->at++;
    if (ps->at == ps->end)
        return bad(ps);
    struct octet_set set = { 0 };
    char c = *ps->at;
    if (add_escape_class(&set, c)) {
        ps->at++;
        struct node *n = new_node(ps, NODE_SET, from);
        n->set = set;
        return n;
    }
    if (strchr("bBAzZ", c)) {
        ps->at++;
        return new_node(ps, NODE_RAW, from);
    }
    if (c >= '1' && c <= '9') {
        while (ps->at < ps->end && *ps->at >= '0' && *ps->at <= '9')
            ps->at++;
        struct node *n = new_node(ps, NODE_RAW, from);
        n->is_octets = true;
        return n;
    }
    int octet = escaped_octet(ps, false);
    if (octet < 0)
        return bad(ps);
    struct node *n = new_node(ps, NODE_SET, from);
    octet_set_add(&n->set, (uint8_t)octet);
    return n;
}

static struct node *
parse_atom(struct parser *ps)
{
    const char *from = ps->at;
    struct node *n;
    switch (*ps->at) {
    case '(':
        return parse_group(ps);
    case '[':
        return parse_class(ps);
    case '\\':
        return parse_escape(ps);
    case '^':
    case '$':
        ps->at++;
        return new_node(ps, NODE_RAW, from);
    case '.':
        ps->at++;
        n = new_node(ps, NODE_SET, from);
        add_range(&n->set, 0, 255);
        return n;
    case '*':
    case '+':
    case '?':
        return bad(ps);
    default:
        ps->at++;
        n = new_node(ps, NODE_SET, from);
        octet_set_add(&n->set, (uint8_t)*from);
        return n;
    }
}

/* {n}, {n,}, {n,m} at ps->at; false and nothing read: a brace like any other. */
static bool
parse_counts(struct parser *ps, int *min, int *max)
{
    const char *at = ps->at + 1;
    int values[2] = { 0, 0 };
    unsigned idx = 0, digits = 0;
    for (; at < ps->end && *at != '}'; at++) {
        if (*at == ',' && idx == 0 && digits > 0) {
            idx = 1;
            digits = 0;
        } else if (*at >= '0' && *at <= '9' && digits < 5) {
            values[idx] = values[idx] * 10 + (*at - '0');
            digits++;
        } else {
            return false;
        }
    }
    if (at == ps->end || (idx == 0 && digits == 0))
        return false;
    *min = values[0];
    *max = idx == 0 ? values[0] : digits ? values[1] : NODE_MANY;
    ps->at = at + 1;
    return true;
}

static struct node *
parse_quantifiers(struct parser *ps, struct node *atom)
{
    const char *from = ps->at;
    int min = 0, max = NODE_MANY;
    if (ps->at == ps->end || !strchr("*+?{", *ps->at))
        return atom;
    if (*ps->at == '{') {
        if (!parse_counts(ps, &min, &max))
            return atom;
    } else {
        min = *ps->at == '+';
        max = *ps->at == '?' ? 1 : NODE_MANY;
        ps->at++;
    }
    if (ps->at < ps->end && (*ps->at == '?' || *ps->at == '+'))
        ps->at++;
    if (atom->kind == NODE_RAW || atom->kind == NODE_ASSERT)
        return bad(ps); /* `$?` and the like: engines differ */
    struct node *n = new_node(ps, NODE_REPEAT, from);
    n->min = min;
    n->max = max;
    add_child(n, atom);
    return n;
}

/* Comments mean nothing, and with /x blanks: between atoms, and between an atom and its quantifier. */
static void
skip_comments(struct parser *ps)
{
    while (ps->at < ps->end) {
        const char *end = NULL;
        if (ps->end - ps->at > 3 && !memcmp(ps->at, "(?#", 3))
            end = memchr(ps->at, ')', (size_t)(ps->end - ps->at));
        if (end) {
            ps->at = end + 1;
        } else if (ps->is_extended && strchr(" \t\n\r\f\v\x85", *ps->at)) { /* 0x85 is one to Perl */
            ps->at++;
        } else if (ps->is_extended && *ps->at == '#') {
            while (ps->at < ps->end && *ps->at != '\n')
                ps->at++;
        } else {
            return;
        }
    }
}

static bool
is_quantifier(const struct parser *ps)
{
    struct parser copy = *ps;
    int min, max;
    return ps->at < ps->end && (strchr("*+?", *ps->at) || (*ps->at == '{' && parse_counts(&copy, &min, &max)));
}

static struct node *
parse_sequence(struct parser *ps)
{
    struct node *seq = new_node(ps, NODE_SEQ, ps->at);
    for (;;) {
        skip_comments(ps);
        if (ps->at == ps->end || *ps->at == '|' || *ps->at == ')')
            return seq;
        struct node *atom = parse_atom(ps);
        skip_comments(ps);
        struct node *n = parse_quantifiers(ps, atom);
        add_child(seq, n);
        skip_comments(ps);
        if (n->kind == NODE_REPEAT && is_quantifier(ps))
            add_child(seq, bad(ps)); /* a{2}{3}, or `a* +` with /x */
    }
}

static struct node *
parse_alternatives(struct parser *ps)
{
    struct node *alt = new_node(ps, NODE_ALT, ps->at);
    add_child(alt, parse_sequence(ps));
    while (ps->at < ps->end && *ps->at == '|') {
        ps->at++;
        add_child(alt, parse_sequence(ps));
    }
    return alt;
}

struct pattern *
pattern_parse(const char *text, size_t len, bool is_extended)
{
    struct pattern *p = must(calloc(1, sizeof(*p)));
    p->text = must(strndup(text, len));
    struct parser ps = { .p = p, .at = p->text, .end = p->text + len, .is_extended = is_extended };
    /* \Q..\E, \G, \K, \N, \p, (?R) and the like come out as not understood. */
    p->root = parse_alternatives(&ps);
    if (!ps.is_bad && ps.at == ps.end)
        return p;
    pattern_free(p);
    return NULL;
}

void
pattern_free(struct pattern *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->nodes_cnt; i++) {
        free(p->nodes[i]->children);
        free(p->nodes[i]);
    }
    free(p->nodes);
    free(p->text);
    free(p);
}
