/* A rule set that records what it is offered, for tests of message.c: defines every function of match.h,
 * ruleset.h and score.h that message.c calls, so the real ones are not linked. Include in one file.
 *
 * The record is text: a header target, a body line, a rawbody chunk or a URL is one entry, in the order of the batch;
 * a stream is one entry however it was cut. Octets fed, not calls, so equal records mean equal units. Functions are
 * called for (fake_has_evals), so that all facts are collected. */
#ifndef WEIR_TESTS_MATCH_FAKE_H
#define WEIR_TESTS_MATCH_FAKE_H

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "scan/match.h"
#include "scan/score.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ruleset {
    int pinned;
};

struct tape {
    uint8_t *octets;
    size_t len, cap;
    unsigned cnt;
};

struct match_stream {
    enum target target;
    struct tape tape;
};

static struct tape fake_tape[TARGET_CNT];
static unsigned fake_streams_open, fake_headers_seen;
static bool fake_fails;
static bool fake_has_evals = true;
static const struct header_target fake_targets[] = {
    {"subject", HEADER_WHOLE, 0},   {"subject", HEADER_RAW, 0}, {"from", HEADER_WHOLE, 0},
    {"from", HEADER_ADDR, 0},       {"from", HEADER_NAME, 0},   {"received", HEADER_WHOLE, 0},
    {"all", HEADER_WHOLE, 0},       {"all", HEADER_RAW, 0},     {"tocc", HEADER_WHOLE, 0},
    {"envelopefrom", HEADER_WHOLE, 0}, {"messageid", HEADER_WHOLE, 0}, {"to", HEADER_ADDR, 0}};
enum { FAKE_TARGETS = sizeof(fake_targets) / sizeof(fake_targets[0]) };
static const struct header_target fake_mime_targets[] = {{"content-type", HEADER_WHOLE, 0},
                                                         {"content-disposition", HEADER_RAW, 0}};
enum { FAKE_MIME_TARGETS = sizeof(fake_mime_targets) / sizeof(fake_mime_targets[0]) };
static struct tape fake_header[FAKE_TARGETS];
static bool fake_present[FAKE_TARGETS];

static void
tape_add(struct tape *t, const void *octets, size_t len)
{
    if (t->len + len + 1 > t->cap) {
        t->cap = (t->len + len + 1) * 2;
        t->octets = (uint8_t *)realloc(t->octets, t->cap);
    }
    if (len)
        memcpy(t->octets + t->len, octets, len);
    t->len += len;
}

/* An entry: its length, then the octets. */
static void
tape_entry(struct tape *t, const void *octets, size_t len)
{
    uint32_t n = (uint32_t)len;
    tape_add(t, &n, sizeof(n));
    tape_add(t, octets, len);
    t->cnt++;
}

static inline void
fake_reset(void)
{
    for (int i = 0; i < TARGET_CNT; i++) {
        fake_tape[i].len = 0;
        fake_tape[i].cnt = 0;
    }
    for (int i = 0; i < FAKE_TARGETS; i++)
        fake_header[i].len = 0;
    fake_headers_seen = 0;
}

bool
match_wants(const struct ruleset *rs, enum target t)
{
    (void)rs;
    (void)t;
    return true;
}

const struct header_target *
match_header_targets(const struct ruleset *rs, enum target t, uint32_t *cnt)
{
    (void)rs;
    *cnt = t == TARGET_HEADER ? (uint32_t)FAKE_TARGETS : (uint32_t)FAKE_MIME_TARGETS;
    return t == TARGET_HEADER ? fake_targets : fake_mime_targets;
}

bool
match_header(const struct ruleset *rs, unsigned thread_idx, enum target t, uint32_t idx, bool is_present,
             const uint8_t *value, size_t len, struct hits *h)
{
    (void)rs, (void)thread_idx, (void)h;
    tape_entry(&fake_tape[t], is_present ? "+" : "-", 1);
    if (is_present)
        tape_entry(&fake_tape[t], value, len);
    if (t != TARGET_HEADER)
        return !fake_fails;
    assert(idx < FAKE_TARGETS && idx == fake_headers_seen);
    fake_headers_seen++;
    fake_present[idx] = is_present;
    if (is_present)
        tape_add(&fake_header[idx], value, len);
    return !fake_fails;
}

uint8_t *
match_room(struct match_batch *b, size_t len)
{
    assert(len <= MATCH_BATCH_OCTETS);
    if (b->units_cnt == MATCH_BATCH_UNITS || len > MATCH_BATCH_OCTETS - b->octets_len)
        return NULL;
    return b->octets + b->octets_len;
}

void
match_add(struct match_batch *b, const struct ruleset *rs, enum target t, size_t len, uint32_t no, struct hits *h)
{
    assert(t == TARGET_BODY || t == TARGET_RAWBODY || t == TARGET_URI);
    assert(len || t == TARGET_URI); /* a link may be empty */
    assert(t == TARGET_URI || len <= (size_t)(t == TARGET_BODY ? BODY_LINE_MAX + 1 : RAWBODY_CHUNK_MAX));
    assert(b->units_cnt < MATCH_BATCH_UNITS && len <= MATCH_BATCH_OCTETS - b->octets_len);
    struct match_unit *u = &b->units[b->units_cnt++];
    u->rs = rs;
    u->hits = h;
    u->off = b->octets_len;
    u->len = (uint32_t)len;
    u->target = (uint16_t)t;
    u->no = no;
    b->octets_len += (uint32_t)len;
}

void
match_run(struct match_batch *b, unsigned thread_idx)
{
    (void)thread_idx;
    for (uint32_t i = 0; i < b->units_cnt; i++) {
        const struct match_unit *u = &b->units[i];
        assert(u->no == fake_tape[u->target].cnt); /* numbered from 0, none left out */
        tape_entry(&fake_tape[u->target], b->octets + u->off, u->len);
        u->hits->failed = u->hits->failed || fake_fails;
    }
    b->units_cnt = 0;
    b->octets_len = 0;
}

void
match_cancel(struct match_batch *b, const struct hits *h)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < b->units_cnt; i++) {
        if (b->units[i].hits != h)
            b->units[kept++] = b->units[i];
    }
    b->units_cnt = kept;
}

struct match_stream *
match_open(const struct ruleset *rs, unsigned thread_idx, enum target t, bool *failed)
{
    (void)rs, (void)thread_idx;
    *failed = false;
    struct match_stream *s = (struct match_stream *)calloc(1, sizeof(*s));
    s->target = t;
    fake_streams_open++;
    return s;
}

bool
match_feed(struct match_stream *s, const uint8_t *octets, size_t len, struct hits *h)
{
    (void)h;
    tape_add(&s->tape, octets, len);
    return !fake_fails;
}

void
match_abort(struct match_stream *s)
{
    if (!s)
        return;
    free(s->tape.octets);
    free(s);
    fake_streams_open--;
}

void
match_collect(struct match_stream *s, struct match_findings *f, bool wants_only_signatures)
{
    (void)s, (void)f, (void)wants_only_signatures;
}

void
match_find(struct match_findings *f, uint32_t rule, uint64_t to)
{
    (void)f, (void)rule, (void)to;
}

bool
match_has_signatures(const struct ruleset *rs)
{
    (void)rs;
    return false;
}

bool
match_fits(const struct ruleset *rs, uint32_t rule, unsigned magic)
{
    (void)rs, (void)rule, (void)magic;
    return true;
}

bool
match_close(struct match_stream *s, struct hits *h)
{
    (void)h;
    tape_entry(&fake_tape[s->target], s->tape.octets, s->tape.len);
    match_abort(s);
    return !fake_fails;
}

uint32_t
ruleset_rule_cnt(const struct ruleset *rs)
{
    (void)rs;
    return 100;
}

uint32_t
ruleset_counted_cnt(const struct ruleset *rs)
{
    (void)rs;
    return 3;
}

bool
ruleset_has_evals(const struct ruleset *rs)
{
    (void)rs;
    return fake_has_evals;
}

const struct list_table *
ruleset_lists(const struct ruleset *rs)
{
    (void)rs;
    return NULL;
}

const void *
ruleset_signatures(const struct ruleset *rs)
{
    (void)rs;
    return NULL;
}

uint32_t
ruleset_signature_rule(const struct ruleset *rs)
{
    return ruleset_rule_cnt(rs);
}

void
ruleset_pin(struct ruleset *rs, unsigned thread_idx)
{
    (void)thread_idx;
    rs->pinned++;
}

void
ruleset_unpin(struct ruleset *rs, unsigned thread_idx)
{
    (void)thread_idx;
    rs->pinned--;
}

static enum verdict fake_score_verdict;

void
score_evaluate(const struct ruleset *rs, unsigned thread_idx, const struct eval_facts *facts, struct hits *h,
               const struct thresholds *t, struct judgement *j)
{
    (void)rs, (void)thread_idx, (void)h, (void)t;
    assert(!facts == !fake_has_evals);
    j->verdict = fake_score_verdict;
    j->generation = 7;
}

#ifdef __cplusplus
}
#endif
#endif
