/* smtp_drive: a recording stand-in for message.c, and a driver that runs a dialogue through scan/smtp.
 *
 * For smtp_test.cc and smtp_fuzz.c (C and C++). Everything that can be seen of a session is written to one
 * trace: calls into message.h (runs of octets joined), outcomes, counts, octets passed on. Two runs
 * of one dialogue split differently must give the same trace.
 *
 * The stand-in defines every symbol of message.h, so message.o is not pulled in from the library. */
#ifndef WEIR_TESTS_SMTP_DRIVE_H
#define WEIR_TESTS_SMTP_DRIVE_H

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan/smtp.h"

enum { TRACE_MAX = 1 << 20 };

struct trace {
    size_t len;
    char text[TRACE_MAX];
};

static struct trace *fake_trace; /* where the stand-in writes */
static unsigned fake_alive;
static unsigned fake_max = 4;
static unsigned fake_seconds_alive, fake_seconds_judged;

struct message {
    struct scanner *sc;
    uint64_t events, octets;
    enum verdict verdict;
    enum event cause;
    bool has_ended, is_second;
    size_t found; /* octets of "EVIL" seen in a row */
    bool is_evil;
    size_t len, max;
    uint8_t *octets_seen;
    struct judgement j;
};

static inline void
trace_octets(struct trace *t, const uint8_t *o, size_t len)
{
    for (size_t i = 0; i < len && t->len + 8 < TRACE_MAX; i++) {
        if (o[i] > ' ' && o[i] < 127 && o[i] != '\\')
            t->text[t->len++] = (char)o[i];
        else
            t->len += (size_t)sprintf(t->text + t->len, "\\%02x", o[i]);
    }
    t->text[t->len] = '\0';
}

/* Nothing of a second judgement is seen. */
#define trace_put_of(m, ...)                                                                                          \
    do {                                                                                                              \
        if (!(m)->is_second)                                                                                          \
            trace_put(fake_trace, __VA_ARGS__);                                                                       \
    } while (0)
#define trace_octets_of(m, octets, len)                                                                               \
    do {                                                                                                              \
        if (!(m)->is_second)                                                                                          \
            trace_octets(fake_trace, octets, len);                                                                    \
    } while (0)

__attribute__((format(printf, 2, 3))) static inline void
trace_put(struct trace *t, const char *format, ...)
{
    va_list ap;
    int n;

    va_start(ap, format);
    n = vsnprintf(t->text + t->len, TRACE_MAX - t->len, format, ap);
    va_end(ap);
    if (n > 0 && t->len + (size_t)n < TRACE_MAX)
        t->len += (size_t)n;
}

#ifdef __cplusplus
extern "C" {
#endif

int
scanner_init(struct scanner *sc, unsigned thread_idx, unsigned messages_max)
{
    memset(sc, 0, sizeof(*sc));
    sc->thread_idx = thread_idx;
    sc->messages_max = messages_max;
    for (int e = 0; e < EVENT_CNT; e++)
        sc->event_action[e] = event_default_action((enum event)e);
    return 0;
}

void
scanner_fini(struct scanner *sc)
{
    (void)sc;
    assert(fake_alive == 0);
}

struct message *
message_new(struct scanner *sc)
{
    struct message *m;

    if (fake_alive >= fake_max)
        return NULL;
    fake_alive++;
    m = (struct message *)calloc(1, sizeof(*m));
    m->sc = sc;
    trace_put(fake_trace, "new\n");
    return m;
}

struct message *
message_new_with(struct scanner *sc, struct ruleset *rs)
{
    (void)rs;
    return message_new(sc);
}

struct message *
message_new_second(struct scanner *sc, struct ruleset *rs)
{
    struct message *m = (struct message *)calloc(1, sizeof(*m));

    (void)rs;
    m->sc = sc;
    m->is_second = true;
    fake_seconds_alive++;
    return m;
}

bool
message_is_starved(const struct message *m)
{
    (void)m;
    return false;
}

struct message_marks
message_marks(const struct message *m)
{
    struct message_marks marks = {m->events, m->verdict, m->cause};
    return marks;
}

void
message_mark(struct message *m, struct message_marks marks)
{
    m->events |= marks.events;
    m->verdict = marks.verdict;
    m->cause = marks.cause;
}

void
message_mail(struct message *m, struct span path)
{
    assert(!m->has_ended && m->octets == 0);
    trace_put_of(m, "mail ");
    trace_octets_of(m, path.ptr, path.len);
    trace_put_of(m, "\n");
}

void
message_rcpt(struct message *m, struct span path)
{
    assert(!m->has_ended && m->octets == 0);
    trace_put_of(m, "rcpt ");
    trace_octets_of(m, path.ptr, path.len);
    trace_put_of(m, "\n");
}

void
message_client(struct message *m, struct span ip, struct span helo)
{
    assert(!m->has_ended && m->octets == 0);
    trace_put_of(m, "client ");
    trace_octets_of(m, ip.ptr, ip.len);
    trace_put_of(m, " helo ");
    trace_octets_of(m, helo.ptr, helo.len);
    trace_put_of(m, "\n");
}

void
message_feed(struct message *m, const uint8_t *octets, size_t len)
{
    assert(!m->has_ended && len > 0);
    if (m->len + len > m->max) {
        m->max = (m->len + len) * 2;
        m->octets_seen = (uint8_t *)realloc(m->octets_seen, m->max);
    }
    memcpy(m->octets_seen + m->len, octets, len);
    m->len += len;
    m->octets += len;
    for (size_t i = 0; i < len && !m->is_evil; i++) {
        m->found = octets[i] == (uint8_t) "EVIL"[m->found] ? m->found + 1 : octets[i] == 'E';
        m->is_evil = m->found == 4;
        if (m->is_evil)
            m->found = 0;
    }
}

void
message_event(struct message *m, enum event e)
{
    assert(!m->has_ended);
    if (m->events & EVENT_BIT(e))
        return; /* as message.c: each event counts once a message */
    m->events |= EVENT_BIT(e);
    m->sc->event_cnt[e] += !m->is_second;
    trace_put_of(m, "event %s at %llu\n", event_name(e), (unsigned long long)m->octets);
    if (!verdict_forwards(m->sc->event_action[e]) && m->sc->event_action[e] > m->verdict) {
        m->verdict = m->sc->event_action[e];
        m->cause = e;
    }
}

const struct judgement *
message_end(struct message *m)
{
    assert(!m->has_ended);
    m->has_ended = true;
    m->j.verdict = m->is_evil && m->verdict < VERDICT_REFUSE ? VERDICT_REFUSE : m->verdict;
    m->j.cause = m->cause;
    m->j.events = m->events;
    m->j.octets = m->octets;
    trace_put_of(m, "end ");
    trace_octets_of(m, m->octets_seen, m->len);
    trace_put_of(m, "\n");
    return &m->j;
}

struct span
message_id(const struct message *m)
{
    (void)m;
    return (struct span){ NULL, 0 };
}

struct ruleset *
message_ruleset(const struct message *m)
{
    (void)m;
    return NULL;
}

void
message_free(struct message *m)
{
    if (m->is_second)
        fake_seconds_alive--;
    else
        fake_alive--;
    trace_put_of(m, "free%s after %llu\n", m->has_ended ? "" : " unended",
              (unsigned long long)m->octets);
    free(m->octets_seen);
    free(m);
}

#ifdef __cplusplus
}
#endif

/* Every message is judged twice, and both were given the same. */
static inline uint64_t
fake_cycles(void)
{
    static uint64_t now;
    return now += 3;
}

static inline void
fake_begin(void *owner, const struct smtp_session *s, struct pair *p)
{
    (void)owner;
    (void)s;
    assert(p->first != NULL && p->second == NULL && p->first->octets == 0 && p->mode == 0);
    p->mode = 1;
    assert(pair_add(p, NULL));
}

static inline void
fake_judged(void *owner, const struct smtp_session *s, struct pair *p, struct judgement *j)
{
    const struct message *a = p->first, *b = p->second;

    (void)owner;
    assert(p->mode == 1 && p->ja == &a->j && p->jb == &b->j && a->has_ended && b->has_ended);
    assert(a->octets == b->octets && (a->len == 0 || memcmp(a->octets_seen, b->octets_seen, a->len) == 0));
    assert(a->events == b->events && a->j.verdict == b->j.verdict && j->verdict == a->j.verdict);
    assert(p->cycles[0] > 0 && p->cycles[1] > 0 && smtp_mail_from(s).len <= PATH_LEN_MAX);
    fake_seconds_judged++;
}

/* One session with its queue of client octets that the machine has not read. */
struct drive {
    struct trace *trace;
    struct scanner sc;
    struct smtp_config cfg;
    struct pairing pairing;
    struct smtp_session *s;
    uint8_t *waiting;
    size_t waiting_len;
    uint8_t *passed[2]; /* client, server: octets as the machine left them */
    size_t passed_len[2];
    bool is_over;
    uint64_t rng; /* 0: all at once; 1: octet by octet; else pseudo-random pieces */
};

static inline void
drive_init(struct drive *d, struct trace *t, uint64_t rng)
{
    memset(d, 0, sizeof(*d));
    d->trace = fake_trace = t;
    t->len = 0;
    t->text[0] = '\0';
    d->rng = rng;
    scanner_init(&d->sc, 0, 4);
}

/* Before drive_start: every message is judged twice. */
static inline void
drive_pair(struct drive *d)
{
    d->pairing.owner = d;
    d->pairing.cycles = fake_cycles;
    d->pairing.begin = fake_begin;
    d->pairing.judged = fake_judged;
    d->sc.pairing = &d->pairing;
}

static inline void
drive_start(struct drive *d)
{
    d->s = (struct smtp_session *)aligned_alloc(64, smtp_session_size());
    memset(d->s, 0xa5, smtp_session_size());
    smtp_init(d->s, &d->sc, &d->cfg);
    smtp_peer(d->s, "198.18.0.9");
}

static inline size_t
drive_piece(struct drive *d, size_t len)
{
    if (d->rng == 0 || len == 0)
        return len;
    if (d->rng == 1)
        return 1;
    d->rng = d->rng * 6364136223846793005u + 1442695040888963407u;
    return 1 + (size_t)((d->rng >> 33) % (len < 23 ? len : 23));
}

static inline void
drive_pass(struct drive *d, int side, const uint8_t *octets, size_t len)
{
    if (len == 0)
        return;
    d->passed[side] = (uint8_t *)realloc(d->passed[side], d->passed_len[side] + len);
    memcpy(d->passed[side] + d->passed_len[side], octets, len);
    d->passed_len[side] += len;
}

static inline void
drive_judged(struct drive *d)
{
    const struct judgement *j = smtp_judgement(d->s);
    struct span from = smtp_mail_from(d->s);

    trace_put(d->trace, "JUDGED %s cause %s octets %llu n %u passed %zu owed %u from ",
              verdict_name(j->verdict), event_name(j->cause), (unsigned long long)j->octets,
              smtp_message_number(d->s), d->passed_len[0],
              smtp_commands_cnt(d->s) - smtp_replies_cnt(d->s));
    trace_octets(d->trace, from.ptr, from.len);
    for (unsigned i = 0; i < smtp_rcpt_cnt(d->s); i++) {
        struct span to = smtp_rcpt(d->s, i);

        trace_put(d->trace, " to ");
        trace_octets(d->trace, to.ptr, to.len);
    }
    trace_put(d->trace, " events %llx\n", (unsigned long long)j->events);
    d->is_over = !verdict_forwards(j->verdict);
}

/* Offers what waits, in pieces, each in memory of exactly its size. */
static inline void
drive_pump(struct drive *d)
{
    enum smtp_next next = SMTP_MORE;
    size_t at = 0;
    bool is_first = true;

    while (!d->is_over && next != SMTP_WANT_REPLY && (is_first || at < d->waiting_len)) {
        size_t n = drive_piece(d, d->waiting_len - at);
        uint8_t *copy = (uint8_t *)malloc(n > 0 ? n : 1);
        size_t read;

        is_first = false;
        if (n > 0)
            memcpy(copy, d->waiting + at, n);
        read = smtp_client(d->s, n > 0 ? copy : NULL, n, &next);
        assert(read <= n);
        assert(next != SMTP_MORE || read == n);
        assert(next != SMTP_WANT_REPLY || read < n);
        drive_pass(d, 0, copy, read);
        free(copy);
        at += read;
        if (next == SMTP_JUDGED)
            drive_judged(d);
        assert(smtp_commands_cnt(d->s) - smtp_replies_cnt(d->s) <= PIPELINE_MAX);
    }
    if (at > 0)
        memmove(d->waiting, d->waiting + at, d->waiting_len - at);
    d->waiting_len -= at;
}

static inline void
drive_client(struct drive *d, const void *octets, size_t len)
{
    if (d->is_over)
        return;
    d->waiting = (uint8_t *)realloc(d->waiting, d->waiting_len + len + 1);
    if (len > 0)
        memcpy(d->waiting + d->waiting_len, octets, len);
    d->waiting_len += len;
    drive_pump(d);
}

static inline void
drive_server(struct drive *d, const void *octets, size_t len)
{
    for (size_t at = 0; at < len;) {
        size_t n = drive_piece(d, len - at);
        uint8_t *copy = (uint8_t *)malloc(n);

        memcpy(copy, (const uint8_t *)octets + at, n);
        smtp_server(d->s, copy, n);
        drive_pass(d, 1, copy, n);
        free(copy);
        at += n;
    }
    if (!d->is_over)
        drive_pump(d);
}

/* Ends the session; the trace is complete. */
static inline void
drive_end(struct drive *d)
{
    trace_put(d->trace, "commands %u replies %u blind %d address %s waiting %zu n %u events %llx\n",
              smtp_commands_cnt(d->s), smtp_replies_cnt(d->s), smtp_is_blind(d->s),
              smtp_client_address(d->s), d->waiting_len, smtp_message_number(d->s),
              (unsigned long long)smtp_events(d->s));
    uint64_t judged = 0;
    for (int v = 0; v < VERDICT_CNT; v++) {
        judged += d->sc.message_cnt[v];
        if (d->sc.message_cnt[v] > 0)
            trace_put(d->trace, "counted %s %llu\n", verdict_name((enum verdict)v),
                      (unsigned long long)d->sc.message_cnt[v]);
    }
    assert(judged == smtp_message_number(d->s));
    smtp_fini(d->s);
    for (int e = 0; e < EVENT_CNT; e++) {
        if (d->sc.event_cnt[e] > 0)
            trace_put(d->trace, "%s=%llu ", event_name((enum event)e),
                      (unsigned long long)d->sc.event_cnt[e]);
        assert((smtp_events(d->s) >> e & 1) == (d->sc.event_cnt[e] > 0));
    }
    trace_put(d->trace, "\nclient ");
    trace_octets(d->trace, d->passed[0], d->passed_len[0]);
    trace_put(d->trace, "\nserver ");
    trace_octets(d->trace, d->passed[1], d->passed_len[1]);
    trace_put(d->trace, "\n");
    assert(fake_alive == 0 && fake_seconds_alive == 0);
    scanner_fini(&d->sc);
    free(d->s);
    free(d->waiting);
    free(d->passed[0]);
    free(d->passed[1]);
}

#endif
