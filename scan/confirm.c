/* confirm: PCRE2 has the last word where Hyperscan only suspects, and counts where matches are counted. */
#include <string.h>

#include "scan/ruleset_private.h"

/* Where the first match at or after `from` is. False: there is none, or PCRE2 gave up. */
static bool
find(const struct ruleset *rs, struct ruleset_thread *t, uint32_t rule, const struct match_unit *u,
     const uint8_t *octets, PCRE2_SIZE from, PCRE2_SIZE *end)
{
    int rc = pcre2_match(rs->confirm[rule], octets, u->len, from, 0, t->match_data, t->match_context);
    if (rc < 0 && rc != PCRE2_ERROR_NOMATCH)
        u->hits->gave_up = true;
    if (rc < 0)
        return false;
    const PCRE2_SIZE *ovector = pcre2_get_ovector_pointer(t->match_data);
    *end = ovector[1] > ovector[0] ? ovector[1] : ovector[1] + 1; /* Perl steps over an empty match, too */
    return true;
}

static void
count(const struct ruleset *rs, struct ruleset_thread *t, uint32_t rule, const struct match_unit *u,
      const uint8_t *octets)
{
    uint16_t *n = &u->hits->counts[rs->count_idx[rule] - 1];
    PCRE2_SIZE at = 0;
    while (*n < rs->view.rules[rule].maxhits && at <= u->len && find(rs, t, rule, u, octets, at, &at)) {
        if (++*n == 1)
            hits_set(u->hits, rule);
        if (u->hits->explain)
            explain_match(rs, t, rule, u, octets);
    }
}

static void
confirm(const struct ruleset *rs, struct ruleset_thread *t, uint32_t rule, const struct match_unit *u,
        const uint8_t *octets)
{
    PCRE2_SIZE end;
    if (u->is_subject && rs->view.rules[rule].flags & IMAGE_RULE_NOSUBJECT)
        return;
    if (rs->count_idx[rule]) {
        count(rs, t, rule, u, octets);
        return;
    }
    if (hits_get(u->hits, rule))
        return;
    if (find(rs, t, rule, u, octets, 0, &end)) {
        hits_set(u->hits, rule);
        if (u->hits->explain)
            explain_match(rs, t, rule, u, octets);
    }
}

void
confirm_candidates(const struct ruleset *rs, struct ruleset_thread *t, const struct match_unit *u,
                   const uint8_t *octets)
{
    for (uint32_t i = 0; i < t->candidates_cnt; i++) {
        uint32_t rule = t->candidates[i];
        bool is_enough = t->triggers[rule] >= rs->view.rules[rule].triggers_min;
        t->triggers[rule] = 0;
        if (is_enough)
            confirm(rs, t, rule, u, octets);
    }
    t->candidates_cnt = 0;
}

void
confirm_always(const struct ruleset *rs, struct ruleset_thread *t, const struct image_target *target,
               const struct match_unit *u, const uint8_t *octets)
{
    for (uint32_t i = 0; i < target->always_cnt; i++) {
        uint32_t id = rs->view.lists[target->always_off + i];
        if (!(id & IMAGE_ID_DIRTY) || !u->is_clean)
            confirm(rs, t, id & ~IMAGE_ID_DIRTY, u, octets);
    }
}
