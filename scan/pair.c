#include "scan/pair.h"

#include <assert.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static_assert(sizeof(XXH64_state_t) <= sizeof(((struct pair *)0)->hash), "the running hash has its place");

static XXH64_state_t *
hash_of(struct pair *p)
{
    return (XXH64_state_t *)p->hash;
}

static uint64_t
now(const struct pair *p)
{
    return p->how->cycles();
}

/* Time since `start` is i's. The budget is told of it at once: a mail may be given up. */
static void
spent(struct pair *p, unsigned i, uint64_t start)
{
    uint64_t passed = now(p) - start;

    p->cycles[i] += passed;
    if (i == 1)
        p->sc->second_cycles += passed;
}

bool
pair_new(struct pair *p, struct scanner *sc)
{
    memset(p, 0, sizeof(*p));
    p->sc = sc;
    p->first = message_new(sc);
    return p->first != NULL;
}

bool
pair_add(struct pair *p, struct ruleset *rs)
{
    uint64_t start;

    p->how = p->sc->pairing;
    start = now(p);
    p->second = message_new_second(p->sc, rs);
    if (p->second == NULL)
        return false;
    message_mark(p->second, message_marks(p->first));
    XXH64_reset(hash_of(p), p->how->seed);
    spent(p, 1, start);
    return true;
}

bool
pair_replace(struct pair *p, struct ruleset *rs)
{
    struct ruleset *pinned = message_ruleset(p->first);
    struct message_marks marks = message_marks(p->first);
    struct message *m;

    /* There may be no room for both. The slot that is given is taken again, and it has held `pinned`. */
    message_free(p->first);
    m = message_new_with(p->sc, rs);
    p->first = m != NULL ? m : message_new_with(p->sc, pinned);
    assert(p->first != NULL);
    message_mark(p->first, marks);
    return m != NULL;
}

void
pair_mail(struct pair *p, struct span path)
{
    message_mail(p->first, path);
    if (p->second != NULL)
        message_mail(p->second, path);
}

void
pair_rcpt(struct pair *p, struct span path)
{
    message_rcpt(p->first, path);
    if (p->second != NULL)
        message_rcpt(p->second, path);
}

void
pair_client(struct pair *p, struct span ip, struct span helo)
{
    message_client(p->first, ip, helo);
    if (p->second != NULL)
        message_client(p->second, ip, helo);
}

void
pair_event(struct pair *p, enum event e)
{
    message_event(p->first, e);
    if (p->second != NULL)
        message_event(p->second, e);
}

static void
feed_both(struct pair *p, const uint8_t *octets, size_t len)
{
    uint64_t start = now(p);

    message_feed(p->first, octets, len);
    spent(p, 0, start);
    start = now(p);
    message_feed(p->second, octets, len);
    XXH64_update(hash_of(p), octets, len);
    spent(p, 1, start);
}

void
pair_feed(struct pair *p, const uint8_t *octets, size_t len)
{
    if (p->second != NULL)
        feed_both(p, octets, len);
    else
        message_feed(p->first, octets, len);
}

void
pair_drop_second(struct pair *p)
{
    uint64_t start = now(p);

    message_free(p->second);
    spent(p, 1, start);
    p->second = p->decides = NULL;
    p->jb = NULL;
}

const struct judgement *
pair_end(struct pair *p, bool is_whole)
{
    uint64_t start;

    if (p->second != NULL && !is_whole)
        pair_drop_second(p);
    if (p->second == NULL) {
        p->ja = message_end(p->first);
        return p->ja;
    }
    start = now(p);
    p->ja = message_end(p->first);
    spent(p, 0, start);
    start = now(p);
    p->jb = message_end(p->second);
    spent(p, 1, start);
    return p->ja;
}

void
pair_free(struct pair *p)
{
    if (p->second != NULL)
        pair_drop_second(p);
    if (p->first != NULL)
        message_free(p->first);
    p->first = p->decides = NULL;
    p->ja = NULL;
    p->mode = p->note = 0;
}

bool
pair_is_comparable(const struct pair *p)
{
    return p->jb != NULL && !message_is_starved(p->first) && !message_is_starved(p->second) &&
           !((p->ja->events | p->jb->events) & EVENT_BIT(EVENT_SCAN_ERROR));
}

uint64_t
pair_hash(const struct pair *p)
{
    return XXH64_digest((const XXH64_state_t *)p->hash);
}

static unsigned
class_of(enum verdict v)
{
    return verdict_forwards(v) ? 0 : v < VERDICT_REFUSE ? 1 : 2;
}

bool
pair_agrees(enum verdict a, enum verdict b)
{
    return class_of(a) == class_of(b);
}

/* The verdict of a score's and of events': the greater one, as message_end has it. */
static void
weigh(struct judgement *j)
{
    bool is_event = j->by_events > j->by_score;

    j->verdict = is_event ? j->by_events : j->by_score;
    j->cause = is_event ? j->events_cause : EVENT_NONE;
}

void
pair_take(struct pair *p, struct message *m, struct judgement *j)
{
    const struct judgement *from = m == p->second ? p->jb : p->ja;

    p->decides = m;
    j->score_milli = from->score_milli;
    j->generation = from->generation;
    j->by_score = from->by_score;
    j->rules_total = from->rules_total;
    j->rules_cnt = from->rules_cnt;
    memcpy(j->rules, from->rules, sizeof(j->rules));
    weigh(j);
}

void
pair_doubt(const struct pair *p, enum event e, struct judgement *j)
{
    enum verdict action = p->sc->event_action[e];

    if (action > VERDICT_CLOSE)
        action = VERDICT_DEFER;
    if (!(j->events & EVENT_BIT(e)))
        p->sc->event_cnt[e]++;
    j->events |= EVENT_BIT(e);
    if (action > j->by_events) {
        j->by_events = action;
        j->events_cause = e;
    }
    j->verdict = j->by_events;
    j->cause = j->events_cause;
}
