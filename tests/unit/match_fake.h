/* A rule set that records what it is offered, for tests of message.c: defines every function of match.h,
 * ruleset.h and score.h that message.c calls, so the real ones are not linked. Include in one file.
 *
 * The record is text: a header target, a body line or a rawbody chunk is one entry; a stream is one entry
 * however it was cut. Octets fed, not calls, so equal records mean equal units. */
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
static const struct header_target fake_targets[] = {
    {"subject", HEADER_WHOLE},   {"subject", HEADER_RAW}, {"from", HEADER_WHOLE},
    {"from", HEADER_ADDR},       {"from", HEADER_NAME},   {"received", HEADER_WHOLE},
    {"all", HEADER_WHOLE},       {"all", HEADER_RAW},     {"tocc", HEADER_WHOLE},
    {"envelopefrom", HEADER_WHOLE}, {"messageid", HEADER_WHOLE}, {"to", HEADER_ADDR}};
enum { FAKE_TARGETS = sizeof(fake_targets) / sizeof(fake_targets[0]) };
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
match_header_targets(const struct ruleset *rs, uint32_t *cnt)
{
    (void)rs;
    *cnt = FAKE_TARGETS;
    return fake_targets;
}

bool
match_header(const struct ruleset *rs, unsigned thread_idx, uint32_t idx, bool is_present,
             const uint8_t *value, size_t len, struct hits *h)
{
    (void)rs, (void)thread_idx, (void)h;
    assert(idx < FAKE_TARGETS && idx == fake_headers_seen);
    fake_headers_seen++;
    fake_present[idx] = is_present;
    tape_entry(&fake_tape[TARGET_HEADER], is_present ? "+" : "-", 1);
    if (is_present) {
        tape_entry(&fake_tape[TARGET_HEADER], value, len);
        tape_add(&fake_header[idx], value, len);
    }
    return !fake_fails;
}

bool
match_block(const struct ruleset *rs, unsigned thread_idx, enum target t, const uint8_t *octets,
            size_t len, struct hits *h)
{
    (void)rs, (void)thread_idx, (void)h;
    assert(t == TARGET_BODY || t == TARGET_RAWBODY);
    assert(len && len <= (size_t)(t == TARGET_BODY ? BODY_LINE_MAX : RAWBODY_CHUNK_MAX));
    tape_entry(&fake_tape[t], octets, len);
    return !fake_fails;
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
score_evaluate(const struct ruleset *rs, struct hits *h, const struct thresholds *t, struct judgement *j)
{
    (void)rs, (void)h, (void)t;
    j->verdict = fake_score_verdict;
    j->generation = 7;
}

#ifdef __cplusplus
}
#endif
#endif
