/* The telling half of explain.h. Not on the packet path: it compiles patterns as it goes. */
#include "scan/explain.h"

#include <stdio.h>
#include <string.h>

#include "scan/ruleset_private.h"

/* The octets that the rule's pattern matches in the unit; false: PCRE2 cannot say. */
static bool
find_match(const struct ruleset *rs, uint32_t rule, struct span unit, size_t *from, size_t *to)
{
    const struct image_rule *r = &rs->view.rules[rule];
    int error;
    PCRE2_SIZE off;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)(rs->view.strings + r->pattern_off), PCRE2_ZERO_TERMINATED,
                                     ruleset_pcre2_options(r->pattern_flags), &error, &off, NULL);
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    bool is_found = code && data && pcre2_match(code, unit.ptr, unit.len, 0, 0, data, NULL) >= 0;
    if (is_found) {
        *from = pcre2_get_ovector_pointer(data)[0];
        *to = pcre2_get_ovector_pointer(data)[1];
    }
    pcre2_match_data_free(data);
    pcre2_code_free(code);
    return is_found;
}

static void
target_name(const struct ruleset *rs, const struct match_unit *u, char *out, size_t size)
{
    static const char *const names[TARGET_CNT] = { "header", "mimeheader", "body", "rawbody",
                                                   "uri",    "full",       "attachment" };
    static const char *const parts[] = { "", ":addr", ":name", ":raw" };
    if (u->target > TARGET_MIMEHEADER) {
        snprintf(out, size, "%s", names[u->target]);
        return;
    }
    const struct header_target *t = &rs->header_targets[u->target][u->no];
    snprintf(out, size, "%s %s%s", names[u->target], t->name, parts[t->part]);
}

/* The octets [from, to) of `unit`, and a few around them. */
static void
show(struct explain_hit *hit, struct span unit, size_t from, size_t to)
{
    size_t begin = from > EXPLAIN_CONTEXT ? from - EXPLAIN_CONTEXT : 0;
    size_t end = to + EXPLAIN_CONTEXT < unit.len ? to + EXPLAIN_CONTEXT : unit.len;
    hit->excerpt_off = begin;
    hit->excerpt.ptr = unit.ptr + begin;
    hit->excerpt.len = end - begin < EXPLAIN_EXCERPT_MAX ? end - begin : EXPLAIN_EXCERPT_MAX;
}

void
explain_match(const struct ruleset *rs, struct ruleset_thread *t, uint32_t rule, const struct match_unit *u,
              const uint8_t *octets)
{
    char name[128];
    size_t from = 0, to = 0;
    (void)t;
    target_name(rs, u, name, sizeof(name));
    struct explain_hit hit = { .rule = rule, .target = name, .from = EXPLAIN_FROM_UNKNOWN, .to = u->len };
    hit.unit_no = u->target > TARGET_MIMEHEADER ? u->no : 0;
    hit.confirmed = rs->view.rules[rule].flags & IMAGE_RULE_CONFIRMED ? EXPLAIN_CONFIRMED : EXPLAIN_NATIVE;
    if (find_match(rs, rule, (struct span){ octets, u->len }, &from, &to)) {
        hit.from = from;
        hit.to = to;
        show(&hit, (struct span){ octets, u->len }, from, to);
    }
    u->hits->explain->hit(u->hits->explain->owner, &hit);
}

void
explain_stream(const struct ruleset *rs, uint32_t rule, enum target target, struct span piece, uint64_t off,
               uint64_t to, struct explain *x)
{
    size_t from_in = 0, to_in = 0;
    struct match_unit u = { .target = (uint16_t)target };
    char name[128];
    target_name(rs, &u, name, sizeof(name));
    struct explain_hit hit = { .rule = rule, .target = name, .from = EXPLAIN_FROM_UNKNOWN, .to = to };
    bool is_inside = to >= off && to - off <= piece.len; /* the match's last octet is at hand */
    if (is_inside && find_match(rs, rule, piece, &from_in, &to_in) && off + to_in >= to) {
        hit.from = off + from_in;
        hit.to = off + to_in;
    } else if (is_inside && piece.len) {
        from_in = to_in = (size_t)(to - off);
    } else {
        piece.len = 0;
    }
    if (piece.len)
        show(&hit, piece, from_in, to_in);
    hit.excerpt_off += off;
    x->hit(x->owner, &hit);
}

void
explain_listed(const struct ruleset *rs, uint32_t rule, enum target target, uint32_t no, struct explain *x)
{
    struct match_unit u = { .target = (uint16_t)target, .no = no };
    char name[128];
    target_name(rs, &u, name, sizeof(name));
    struct explain_hit hit = { .rule = rule, .target = name, .confirmed = EXPLAIN_COMPUTED };
    x->hit(x->owner, &hit);
}
