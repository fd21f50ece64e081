#include "scan/message.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "scan/list.h"
#include "scan/message_private.h"
#include "scan/signature.h"

/* ---- scanner ---- */

/* Tables that every scanner reads and none writes. Made by the first one (0.1 s) and there until the process ends. */
static struct {
    pthread_once_t once;
    int rc; /* of the making, negative errno */
    struct charset_set *charsets;
    struct suffix_set *suffixes;
} shared = {.once = PTHREAD_ONCE_INIT};

static void
make_shared(void)
{
    html_setup();
    shared.rc = suffix_new(&shared.suffixes);
    shared.charsets = charset_set_new();
    if (!shared.charsets && !shared.rc)
        shared.rc = -ENOMEM;
}

/* Gigabytes of zero pages for thousands of messages, of which those become resident that mails touch: so slots are
 * handed out in order, none is written before its turn (a huge page would come with it), and nothing is reserved. */
static size_t
pool_len(unsigned messages_max)
{
    return sizeof(struct pool) + messages_max * sizeof(struct message_slot);
}

int
scanner_init(struct scanner *sc, unsigned thread_idx, unsigned messages_max)
{
    memset(sc, 0, sizeof(*sc));
    sc->thread_idx = thread_idx;
    sc->messages_max = messages_max;
    sc->thresholds = (struct thresholds){INT32_MAX, INT32_MAX, 5000, INT32_MAX};
    for (int e = 0; e < EVENT_CNT; e++)
        sc->event_action[e] = event_default_action((enum event)e);
    pthread_once(&shared.once, make_shared);
    if (shared.rc)
        return shared.rc;
    struct pool *p = mmap(NULL, pool_len(messages_max), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return -ENOMEM;
    sc->pool = p;
    p->charsets = shared.charsets;
    p->suffixes = shared.suffixes;
    p->archives[0] = archive_pool_new(ARCHIVES_MAX, &archive_limits_default);
    p->archives[1] = archive_pool_new(SECOND_ARCHIVES_MAX, &archive_limits_default);
    if (!p->archives[0] || !p->archives[1]) {
        scanner_fini(sc);
        return -ENOMEM;
    }
    return 0;
}

void
scanner_fini(struct scanner *sc)
{
    struct pool *p = sc->pool;

    if (!p)
        return;
    for (unsigned i = 0; i < sc->slots_cnt; i++) {
        free(p->slots[i].bits);
        free(p->slots[i].counts);
    }
    archive_pool_free(p->archives[0]);
    archive_pool_free(p->archives[1]);
    munmap(p, pool_len(sc->messages_max));
    sc->pool = NULL;
    sc->free_list = NULL;
    sc->slots_cnt = 0;
}

static struct message_slot *
slot_of(struct message *m)
{
    return (struct message_slot *)((char *)m - offsetof(struct message_slot, message));
}

/* The only allocation; none once every slot has seen the largest rule set. */
static bool
take_hits(struct message_slot *slot, const struct ruleset *rs)
{
    uint32_t rules = rs ? ruleset_rule_cnt(rs) : 0;
    uint32_t counted = rs ? ruleset_counted_cnt(rs) : 0;
    uint32_t words = (rules + 63) / 64;

    if (words > slot->words_max) {
        uint64_t *bits = realloc(slot->bits, words * sizeof(*bits));
        if (!bits)
            return false;
        slot->bits = bits;
        slot->words_max = words;
    }
    if (counted > slot->counts_max) {
        uint16_t *counts = realloc(slot->counts, counted * sizeof(*counts));
        if (!counts)
            return false;
        slot->counts = counts;
        slot->counts_max = counted;
    }
    if (words)
        memset(slot->bits, 0, words * sizeof(*slot->bits));
    if (counted)
        memset(slot->counts, 0, counted * sizeof(*slot->counts));
    slot->message.hits =
        (struct hits){.bits = slot->bits, .bits_cnt = rules, .counts = slot->counts, .counts_cnt = counted};
    return true;
}

void
message_check(struct message *m, bool ok)
{
    if (!ok)
        message_event(m, EVENT_SCAN_ERROR);
}

static void
set_wants(struct message *m)
{
    const void *signatures = ruleset_signatures(m->rs);

    m->wants.evals = ruleset_has_evals(m->rs);
    m->wants.uri = match_wants(m->rs, TARGET_URI) || m->wants.evals;
    m->wants.body = match_wants(m->rs, TARGET_BODY) || m->wants.uri;
    m->wants.rawbody = match_wants(m->rs, TARGET_RAWBODY) || m->wants.evals;
    m->wants.signatures = match_has_signatures(m->rs);
    m->wants.header = match_wants(m->rs, TARGET_HEADER) || m->wants.evals;
    m->wants.hashes = signatures ? signature_table_hashes(signatures) : 0;
    m->wants.files = m->wants.hashes || m->wants.signatures || match_wants(m->rs, TARGET_ATTACHMENT);
}

/* The one freed last, whose pages are warm, before one that never was used. */
static struct message_slot *
take_slot(struct scanner *sc)
{
    struct message_slot *slot = sc->free_list;

    if (slot)
        sc->free_list = slot->next;
    else if (sc->slots_cnt < sc->messages_max)
        slot = &((struct pool *)sc->pool)->slots[sc->slots_cnt++];
    sc->messages_cnt += slot != NULL;
    return slot;
}

static void
give_slot(struct scanner *sc, struct message_slot *slot)
{
    slot->next = sc->free_list;
    sc->free_list = slot;
    sc->messages_cnt--;
}

const struct suffix_set *
scanner_suffixes(const struct scanner *sc)
{
    return ((const struct pool *)sc->pool)->suffixes;
}

static struct message *
make_message(struct scanner *sc, struct ruleset *rs, bool is_second)
{
    struct message_slot *slot = take_slot(sc);
    struct pool *p = sc->pool;

    if (slot && !take_hits(slot, rs)) {
        give_slot(sc, slot);
        slot = NULL;
    }
    if (!slot)
        return NULL;
    struct message *m = &slot->message;
    struct hits hits = m->hits;
    memset(m, 0, offsetof(struct message, lines));
    m->sc = sc;
    m->hits = hits;
    m->hits.explain = is_second ? NULL : sc->explain;
    m->rs = rs;
    m->is_second = is_second;
    m->alternative_depth = -1;
    lines_init(&m->lines);
    header_init(&m->top, m->top_buf, sizeof(m->top_buf), HEADER_GARBAGE_MESSAGE);
    if (!m->rs)
        return m;
    ruleset_pin(m->rs, sc->thread_idx);
    set_wants(m);
    if (m->wants.uri)
        urls_init(&m->urls, p->suffixes, NULL, NULL);
    bool failed = false;
    m->full = match_open(m->rs, sc->thread_idx, TARGET_FULL, &failed);
    message_check(m, !failed);
    return m;
}

struct message *
message_new_with(struct scanner *sc, struct ruleset *rs)
{
    return make_message(sc, rs, false);
}

struct message *
message_new(struct scanner *sc)
{
    return make_message(sc, sc->live, false);
}

struct message *
message_new_second(struct scanner *sc, struct ruleset *rs)
{
    return make_message(sc, rs, true);
}

bool
message_is_starved(const struct message *m)
{
    return m->is_starved;
}

struct ruleset *
message_ruleset(const struct message *m)
{
    return m->rs;
}

/* ---- the envelope ---- */

static size_t
keep(uint8_t *to, size_t max, struct span octets)
{
    size_t len = octets.len < max ? octets.len : max;

    if (len)
        memcpy(to, octets.ptr, len);
    return len;
}

void
message_mail(struct message *m, struct span path)
{
    m->has_mail_from = true;
    m->mail_from_len = keep(m->mail_from, sizeof(m->mail_from), path);
}

void
message_rcpt(struct message *m, struct span path)
{
    uint8_t *to = m->recipients_text + m->recipients_len;

    if (m->recipients_cnt == RECIPIENTS_MAX || path.len > sizeof(m->recipients_text) - m->recipients_len)
        return; /* evals about recipients look at the first ones */
    m->recipients_len += keep(to, path.len, path);
    m->recipients[m->recipients_cnt++] = (struct span){to, path.len};
}

void
message_client(struct message *m, struct span ip, struct span helo)
{
    m->has_client = true;
    m->client_ip_len = keep(m->client_ip, sizeof(m->client_ip), ip);
    m->client_helo_len = keep(m->client_helo, sizeof(m->client_helo), helo);
}

void
message_event(struct message *m, enum event e)
{
    if (m->j.events & EVENT_BIT(e))
        return;
    m->j.events |= EVENT_BIT(e);
    if (!m->is_second)
        m->sc->event_cnt[e]++;
    if (m->sc->event_action[e] > m->event_verdict) {
        m->event_verdict = m->sc->event_action[e];
        m->event_cause = e;
    }
}

struct message_marks
message_marks(const struct message *m)
{
    return (struct message_marks){m->j.events, m->event_verdict, m->event_cause};
}

void
message_mark(struct message *m, struct message_marks marks)
{
    m->j.events |= marks.events;
    m->event_verdict = marks.verdict;
    m->event_cause = marks.cause;
}

/* ---- octets ---- */

static void
header_done(struct message *m)
{
    m->is_header_done = true;
    message_header(m);
    message_body_start(m);
}

void
message_feed(struct message *m, const uint8_t *octets, size_t len)
{
    m->j.octets += len;
    if (m->full && len)
        message_check(m, match_feed(m->full, octets, len, &m->hits));
    if (!m->is_header_done) {
        enum header_next next;
        size_t n = header_feed(&m->top, octets, len, &next);
        if (next == HEADER_MORE)
            return;
        octets += n;
        len -= n;
        header_done(m);
    }
    if (len)
        message_body(m, octets, len);
}

static void
offer_urls(struct message *m)
{
    struct match_batch *b = batch_of(m);
    struct span text;
    uint32_t at;

    if (m->urls.overflow & ~(unsigned)URL_OVERFLOW_LENGTH)
        message_event(m, EVENT_URL_CAP);
    for (uint32_t i = 0; match_wants(m->rs, TARGET_URI) && urls_next(&m->urls, &i, &text, &at);) {
        uint8_t *room = match_room(b, text.len);
        if (!room) {
            match_run(b, m->sc->thread_idx);
            room = match_room(b, text.len);
        }
        memcpy(room, text.ptr, text.len);
        match_add(b, m->rs, TARGET_URI, text.len, m->uri_no++, &m->hits);
    }
}

static void
end_body(struct message *m)
{
    if (!m->is_header_done) {
        message_event(m, EVENT_HEADER_NO_END);
        header_end(&m->top);
        header_done(m);
    }
    message_body_end(m);
    text_end(m);
    if (m->wants.uri)
        offer_urls(m);
    if (m->full)
        message_check(m, match_close(m->full, &m->hits));
    m->full = NULL;
    match_run(batch_of(m), m->sc->thread_idx);
    message_check(m, !m->hits.failed);
    if (m->hits.gave_up)
        message_event(m, EVENT_MATCH_LIMIT);
}

/* ---- judgement ---- */

static void
judge(struct message *m)
{
    struct header_facts header;
    const struct html_facts *html[HTML_PARTS_MAX];
    struct eval_facts facts = {.thread_idx = m->sc->thread_idx,
                               .header = &header,
                               .mime = &m->mime_facts,
                               .text = &m->text_facts,
                               .alternative = &m->alternative,
                               .emails = &m->emails,
                               .images = &m->image_facts,
                               .html = html,
                               .html_cnt = m->html_cnt,
                               .anchors = &m->anchor_facts,
                               .urls = &m->urls,
                               .lists = ruleset_lists(m->rs),
                               .recipients = m->recipients,
                               .recipients_cnt = m->recipients_cnt};

    if (!m->wants.evals) {
        score_evaluate(m->rs, m->sc->thread_idx, NULL, &m->hits, &m->sc->thresholds, &m->j);
        return;
    }
    message_header_facts(m, &header);
    for (unsigned i = 0; i < m->html_cnt; i++)
        html[i] = &m->html_facts[i];
    score_evaluate(m->rs, m->sc->thread_idx, &facts, &m->hits, &m->sc->thresholds, &m->j);
}

const struct judgement *
message_end(struct message *m)
{
    struct judgement *j = &m->j;

    end_body(m);
    m->is_ended = true;
    if (m->rs)
        judge(m);
    else
        message_event(m, EVENT_NO_RULES);
    j->by_score = j->verdict;
    j->by_events = m->event_verdict;
    j->events_cause = m->event_cause;
    if (m->event_verdict > j->verdict) {
        j->verdict = m->event_verdict;
        j->cause = m->event_cause;
    }
    return j;
}

bool
message_hit(const struct message *m, uint32_t rule)
{
    return rule < m->hits.bits_cnt && hits_get(&m->hits, rule);
}

uint32_t
message_next_hit(const struct message *m, uint32_t rule)
{
    for (; rule < m->hits.bits_cnt; rule = (rule / 64 + 1) * 64) {
        uint64_t word = m->hits.bits[rule / 64] >> rule % 64;
        if (word)
            return rule + (uint32_t)__builtin_ctzll(word);
    }
    return rule;
}

void
message_free(struct message *m)
{
    struct message_slot *slot = slot_of(m);

    if (!m->is_ended && m->is_header_done)
        message_body_abort(m);
    match_cancel(batch_of(m), &m->hits);
    match_abort(m->full);
    if (m->rs)
        ruleset_unpin(m->rs, m->sc->thread_idx);
    give_slot(m->sc, slot);
}
