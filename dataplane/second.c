#include "dataplane/second.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <rte_common.h>
#include <rte_cycles.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "dataplane/deferred.h"
#include "dataplane/pipeline.h"
#include "dataplane/plan.h"
#include "dataplane/swap.h"
#include "dataplane/tally.h"
#include "scan/suffix.h"

enum { PPM = 1000000, PERMILLE = 1000, BOUNCE_UNIT_MAX = 256 };

/* Of the canary's shares: the same for all Weirs, so that a restart changes nothing. */
#define CANARY_SEED UINT64_C(0x5765697243616e61)

static struct span
span_of(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

/* ---- whose mail it is ---- */

/* "[192.0.2.1]", "[IPv6:2001:db8::1]" (RFC 5321 4.1.3) without what is around it. */
static struct span
bare_address(struct span name)
{
    if (name.len < 2 || name.ptr[0] != '[' || name.ptr[name.len - 1] != ']')
        return name;
    name = (struct span){name.ptr + 1, name.len - 2};
    if (name.len > 5 && strncasecmp((const char *)name.ptr, "IPv6:", 5) == 0)
        name = (struct span){name.ptr + 5, name.len - 5};
    return name;
}

void
second_place(const struct scanner *sc, struct span path, struct second_place *p)
{
    struct host h;
    p->domain = p->suffix = p->host = span_of("<>");
    if (!path.len)
        return;
    const uint8_t *at = memrchr(path.ptr, '@', path.len);
    struct span name = path;
    if (at && at + 1 < path.ptr + path.len)
        name = (struct span){at + 1, (size_t)(path.ptr + path.len - at) - 1};
    p->domain = name;
    p->suffix = p->host = span_of("?");
    if (!at || !suffix_lookup(scanner_suffixes(sc), bare_address(name), &h))
        return;
    memcpy(p->room.text, h.text, h.len);
    p->room.len = h.len;
    struct span all = {(const uint8_t *)p->room.text, h.len};
    p->domain = h.domain_off < h.len ? (struct span){all.ptr + h.domain_off, (size_t)(h.len - h.domain_off)} : all;
    if (h.is_ip)
        p->suffix = p->host = span_of("[]");
    else if (h.is_fqdn && h.is_known)
        p->host = all;
    if (!h.is_ip && h.is_fqdn && h.is_known && h.suffix_off < h.len)
        p->suffix = (struct span){all.ptr + h.suffix_off, (size_t)(h.len - h.suffix_off)};
}

uint32_t
second_domain_ppm(struct span domain)
{
    return (uint32_t)(XXH3_64bits_withSeed(domain.ptr, domain.len, CANARY_SEED) % PPM);
}

/* ---- which messages ---- */

/* xorshift64*: sampling, no secret. */
static uint32_t
random_ppm(struct second *s)
{
    s->random ^= s->random >> 12;
    s->random ^= s->random << 25;
    s->random ^= s->random >> 27;
    return (uint32_t)((s->random * UINT64_C(2685821657736338717) >> 32) % PPM);
}

enum choice { CHOICE_NOBODY, CHOICE_SAMPLE, CHOICE_DEFERS };

/* The plan by which previous watches live: this one in LIVE, with a candidate what it falls back to. NULL: live is not
 * watched. */
static const struct plan *
watch_of(const struct plan *plan)
{
    const struct plan *p = plan->candidate ? plan->fallback : plan;
    return p && p->stage == LINK_STAGE_LIVE && p->other ? p : NULL;
}

/* Whether live is still on probation for this sender. */
static bool
is_unproven(struct pipeline *pl, const struct plan *watch, struct span mail_from)
{
    const struct link_stage *v = &watch->values;
    struct second_place from;
    if (!pl->second.tally || !v->units_proven)
        return false;
    second_place(&pl->scanner, mail_from, &from);
    return !tally_is_proven(pl->second.tally, pl->thread_idx, watch->live_generation, from.suffix, v->units_proven);
}

static enum choice
choose(struct pipeline *pl, const struct plan *plan, struct span mail_from)
{
    const struct link_stage *v = &plan->values;
    struct second *second = &pl->second;
    struct second_place from;
    switch (plan->stage) {
    case LINK_STAGE_SHADOW:
        return random_ppm(second) < v->share_ppm ? CHOICE_SAMPLE : CHOICE_NOBODY;
    case LINK_STAGE_CANARY:
        second_place(&pl->scanner, mail_from, &from);
        return second_domain_ppm(from.domain) < v->share_ppm ? CHOICE_DEFERS : CHOICE_NOBODY;
    case LINK_STAGE_PROBATION:
        return CHOICE_DEFERS;
    case LINK_STAGE_LIVE:
        if (is_unproven(pl, plan, mail_from))
            return CHOICE_DEFERS;
        return random_ppm(second) < v->share_ppm ? CHOICE_SAMPLE : CHOICE_NOBODY;
    case LINK_STAGE_NONE:
    case LINK_STAGE_STAGED:
        break;
    }
    return CHOICE_NOBODY;
}

static int64_t
ms_of(const struct second *s, uint64_t ms)
{
    return (int64_t)(s->cycles_hz * ms / 1000);
}

/* Reckons up what the time that passed has brought and second judgements have cost. */
static bool
has_time(struct pipeline *pl, uint32_t permille)
{
    struct second *s = &pl->second;
    uint64_t now = s->pairing.cycles(), spent = pl->scanner.second_cycles;
    uint64_t passed = RTE_MIN(now - s->filled, s->cycles_hz);
    s->budget += (int64_t)(passed * RTE_MIN(permille, (uint32_t)PERMILLE) / PERMILLE) - (int64_t)(spent - s->charged);
    s->budget = RTE_MIN(s->budget, ms_of(s, SECOND_BURST_MS));
    s->budget = RTE_MAX(s->budget, -ms_of(s, SECOND_DEBT_MS));
    s->filled = now;
    s->charged = spent;
    return permille > 0 && s->budget > 0;
}

static void
begin(void *owner, const struct smtp_session *s, struct pair *p)
{
    struct pipeline *pl = owner;
    const struct plan *plan = pl->plan, *watch = plan->candidate ? watch_of(plan) : NULL;
    if (message_ruleset(p->first) != plan->live)
        return; /* begun before a swap: it has its generation */
    enum choice choice = plan->other ? choose(pl, plan, smtp_mail_from(s)) : CHOICE_NOBODY;
    if (choice == CHOICE_NOBODY && watch && is_unproven(pl, watch, smtp_mail_from(s))) {
        choice = CHOICE_DEFERS;
        plan = watch;
    }
    if (choice == CHOICE_NOBODY)
        return;
    if (has_time(pl, plan->values.budget_permille) && pl->scanner.messages_cnt <= pl->scanner.messages_max / 2 &&
        pair_add(p, plan->other)) {
        p->mode = (uint16_t)(plan->stage | (choice == CHOICE_DEFERS ? SECOND_DEFERS : 0) |
                             (plan->b == plan->live ? SECOND_NEW_FIRST : 0));
        return;
    }
    pl->counter[COUNTER_SHED]++;
    if (choice == CHOICE_DEFERS && plan->stage == LINK_STAGE_LIVE && pair_replace(p, plan->other))
        pl->counter[COUNTER_UNPROVEN_OLD]++;
}

/* ---- what comes of it ---- */

/* A mail that two have judged, in the words of the roll-out. */
struct case_of {
    struct pipeline *pl;
    const struct smtp_session *s;
    struct pair *p;
    struct message *old, *new;
    const struct judgement *jold, *jnew;
    bool is_new_first;
};

static uint64_t
ns_of(const struct second *s, uint64_t cycles)
{
    return (uint64_t)((double)cycles * 1e9 / (double)s->cycles_hz);
}

/* Bounces of everybody have one sender, who would be one unit for ever: theirs is the domain that they go to. It is no
 * sender's domain, so another than that. The span lives in room. */
static struct span
unit_of_bounce(const struct case_of *c, char room[BOUNCE_UNIT_MAX])
{
    struct second_place to;
    second_place(&c->pl->scanner, smtp_rcpt_cnt(c->s) ? smtp_rcpt(c->s, 0) : (struct span){0}, &to);
    int len = snprintf(room, BOUNCE_UNIT_MAX, "<>%.*s", (int)RTE_MIN(to.domain.len, (size_t)BOUNCE_UNIT_MAX),
                       (const char *)to.domain.ptr);
    return (struct span){(const uint8_t *)room, RTE_MIN((size_t)len, (size_t)BOUNCE_UNIT_MAX - 1)};
}

static void
add_strata(const struct case_of *c, const struct second_place *from, struct tally_mail *m)
{
    struct second_place to;
    tally_add(m, LINK_KIND_SENDER_SUFFIX, from->suffix);
    for (unsigned i = 0, n = smtp_rcpt_cnt(c->s); i < n; i++) {
        second_place(&c->pl->scanner, smtp_rcpt(c->s, i), &to);
        tally_add(m, LINK_KIND_RCPT_SUFFIX, to.suffix);
        tally_add(m, LINK_KIND_RCPT_DOMAIN, to.host);
    }
}

/* Counts the mail as evidence, while its pair is still the one that is looked at. */
static void
count(const struct case_of *c)
{
    const uint64_t failures = EVENT_BIT(EVENT_SCAN_ERROR) | EVENT_BIT(EVENT_MATCH_LIMIT);
    struct second *second = &c->pl->second;
    const struct plan *plan = c->pl->plan;
    if (!second->tally || c->jold->generation != plan->generation_a || c->jnew->generation != plan->generation_b)
        return;
    struct second_place from;
    struct tally_mail m;
    struct link_trip why;
    char bounce[BOUNCE_UNIT_MAX];
    second_place(&c->pl->scanner, smtp_mail_from(c->s), &from);
    memset(&m, 0, offsetof(struct tally_mail, strata));
    m.generation_a = plan->generation_a;
    m.generation_b = plan->generation_b;
    m.is_comparable = pair_is_comparable(c->p);
    m.a_rejects = !verdict_forwards(c->jold->by_score);
    m.b_rejects = !verdict_forwards(c->jnew->by_score);
    m.a_milli = c->jold->score_milli;
    m.b_milli = c->jnew->score_milli;
    m.is_error = c->jnew->events & ~c->jold->events & failures;
    m.ns_a = ns_of(second, c->p->cycles[c->is_new_first]);
    m.ns_b = ns_of(second, c->p->cycles[!c->is_new_first]);
    m.sender = smtp_mail_from(c->s).len ? from.domain : unit_of_bounce(c, bounce);
    m.a = c->old;
    m.b = c->new;
    if (m.is_comparable && !m.a_rejects)
        add_strata(c, &from, &m);
    if (tally_count(second->tally, c->pl->thread_idx, &m, &plan->values, &why) && c->pl->swap)
        swap_return(c->pl->swap, plan, &why);
}

static uint64_t
key_of(const struct case_of *c)
{
    struct span rcpt[RCPT_RECORDED_MAX];
    struct second_place from;
    unsigned n = smtp_rcpt_cnt(c->s);
    second_place(&c->pl->scanner, smtp_mail_from(c->s), &from);
    for (unsigned i = 0; i < n; i++)
        rcpt[i] = smtp_rcpt(c->s, i);
    return deferred_key(c->pl->second.deferred, from.domain, smtp_mail_from(c->s), rcpt, n,
                        message_id(c->p->first), pair_hash(c->p));
}

static void
on_agreement(const struct case_of *c, struct judgement *j)
{
    struct deferred *d = c->pl->second.deferred;
    if (c->jold->by_score != c->jnew->by_score && !verdict_forwards(c->jold->by_score))
        pair_take(c->p, c->jold->by_score < c->jnew->by_score ? c->old : c->new, j);
    if (d && deferred_used(d) && deferred_take(d, key_of(c)))
        c->pl->counter[COUNTER_RETRIED]++;
}

/* Those by which it was chosen, as they are now. */
static const struct link_stage *
values_of(const struct case_of *c)
{
    const struct plan *plan = c->pl->plan;
    bool is_watch = (c->p->mode & SECOND_STAGE_MASK) == LINK_STAGE_LIVE && plan->candidate && watch_of(plan);
    return is_watch ? &watch_of(plan)->values : &plan->values;
}

/* "Later", or the old verdict. */
static void
on_disagreement(const struct case_of *c, struct judgement *j)
{
    struct pipeline *pl = c->pl;
    struct deferred *d = pl->second.deferred;
    const struct link_stage *v = values_of(c);
    unsigned tries = 0;
    if (!verdict_forwards(j->by_events)) {
        pair_doubt(c->p, EVENT_RULES_DISAGREE, j); /* deferred at least, and not for our sake */
        return;
    }
    if (!d || verdict_forwards(pl->scanner.event_action[EVENT_RULES_DISAGREE])) {
        pair_take(c->p, c->old, j);
        return;
    }
    enum deferred_answer answer = deferred_try(d, key_of(c), pl->now_ms, v->defer_tries, v->defer_max, &tries);
    pl->counter[COUNTER_RETRIED] += answer == DEFERRED_ENOUGH ? tries > 0 : answer == DEFERRED_AGAIN && tries > 1;
    if (answer == DEFERRED_AGAIN) {
        pl->counter[COUNTER_DEFERRED]++;
        c->p->note = (uint16_t)tries;
        pair_doubt(c->p, EVENT_RULES_DISAGREE, j);
        return;
    }
    pl->counter[answer == DEFERRED_FULL ? COUNTER_DEFER_FULL
                : answer == DEFERRED_CROWDED ? COUNTER_DEFER_CROWDED : COUNTER_DEFER_ENOUGH]++;
    pair_take(c->p, c->old, j);
}

static void
judged(void *owner, const struct smtp_session *s, struct pair *p, struct judgement *j)
{
    bool is_new_first = p->mode & SECOND_NEW_FIRST;
    const struct case_of c = {
        .pl = owner,
        .s = s,
        .p = p,
        .old = is_new_first ? p->second : p->first,
        .new = is_new_first ? p->first : p->second,
        .jold = is_new_first ? p->jb : p->ja,
        .jnew = is_new_first ? p->ja : p->jb,
        .is_new_first = is_new_first,
    };
    bool is_comparable = pair_is_comparable(p), agrees = pair_agrees(p->ja->by_score, p->jb->by_score);
    c.pl->counter[COUNTER_PAIRED]++;
    c.pl->counter[COUNTER_DISAGREED] += is_comparable && !agrees;
    count(&c);
    bool is_gone = ruleset_is_returned(message_ruleset(c.new)); /* by this mail, perhaps */
    if (is_gone && is_new_first && p->ja->by_score > VERDICT_CLOSE) {
        if (j->cause == EVENT_NONE)
            pair_doubt(p, EVENT_RULES_RETURNED, j);
        return;
    }
    if (!(p->mode & SECOND_DEFERS) || (!is_new_first && (is_gone || !is_comparable)))
        return;
    if (agrees)
        on_agreement(&c, j);
    else
        on_disagreement(&c, j);
}

/* ---- set-up ---- */

static uint64_t
read_cycles(void)
{
    return rte_rdtsc();
}

void
second_init(struct pipeline *pl, uint64_t seed)
{
    struct second *s = &pl->second;
    s->pairing = (struct pairing){.owner = pl, .cycles = read_cycles, .seed = seed, .begin = begin, .judged = judged};
    s->random = seed | 1;
    s->cycles_hz = rte_get_tsc_hz();
    s->filled = s->pairing.cycles();
}

void
second_plan(struct pipeline *pl, const struct plan *plan)
{
    pl->scanner.pairing = plan->other || watch_of(plan) ? &pl->second.pairing : NULL;
}
