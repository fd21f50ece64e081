#include "scan/match.h"

#include <hs/hs.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "scan/explain.h"
#include "scan/ruleset_private.h"
#include "scan/signature.h"

struct match_stream {
    const struct ruleset *rs;
    unsigned thread_idx;
    enum target target;
    hs_stream_t *stream;
    uint64_t off; /* octets fed */
    struct match_findings *found; /* NULL: not collected */
    bool wants_only_signatures;
    struct match_stream *next;
};

/* What the callback needs of the unit being matched. */
struct context {
    const struct ruleset *rs;
    const uint32_t *ids;
    struct hits *hits;
    struct ruleset_thread *thread; /* NULL for streams, which have no candidates */
    const struct match_unit *unit;
    const uint8_t *octets;
    const struct match_stream *stream; /* or NULL, and then unit is not */
    size_t octets_len;                 /* of the stream's piece */
};

static void
on_stream_match(struct context *c, uint32_t rule, uint64_t to)
{
    const struct match_stream *s = c->stream;
    if (s->found && c->rs->view.rules[rule].signature) {
        match_find(s->found, rule, to);
        return;
    }
    if (s->wants_only_signatures || hits_get(c->hits, rule))
        return;
    hits_set(c->hits, rule);
    if (c->hits->explain) {
        struct span piece = { c->octets, c->octets_len };
        explain_stream(c->rs, rule, s->target, piece, s->off, to, c->hits->explain);
    }
}

static int
on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *context)
{
    struct context *c = context;
    uint32_t rule = c->ids[id] & ~IMAGE_ID_CONFIRM;
    (void)from, (void)flags;
    if (c->ids[id] & IMAGE_ID_CONFIRM) {
        struct ruleset_thread *t = c->thread;
        if (!t->triggers[rule])
            t->candidates[t->candidates_cnt++] = (uint16_t)rule;
        if (t->triggers[rule] < UINT8_MAX)
            t->triggers[rule]++;
        return 0;
    }
    if (c->stream) {
        on_stream_match(c, rule, to);
        return 0;
    }
    if (hits_get(c->hits, rule))
        return 0;
    if (c->unit->is_subject && c->rs->view.rules[rule].flags & IMAGE_RULE_NOSUBJECT)
        return 0;
    hits_set(c->hits, rule);
    if (c->hits->explain)
        explain_match(c->rs, c->thread, rule, c->unit, c->octets);
    return 0;
}

/* The other half of clean_gone() in image_pattern.c. */
static bool
is_clean(const uint8_t *p, size_t len)
{
    size_t i = 0;
#ifdef __SSE2__
    const __m128i amp = _mm_set1_epi8('&');
    for (; i + 16 <= len; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        if (_mm_movemask_epi8(_mm_or_si128(v, _mm_cmpeq_epi8(v, amp))))
            return false;
    }
#endif
    for (; i < len; i++) {
        if (p[i] >= 0x80 || p[i] == '&')
            return false;
    }
    return true;
}

/* One unit in one database. */
static bool
scan(const struct ruleset *rs, struct ruleset_thread *t, const struct ruleset_group *g,
     const struct match_unit *u, const uint8_t *octets)
{
    struct context c = { .rs = rs, .ids = g->ids, .hits = u->hits, .thread = t, .unit = u, .octets = octets };
    /* Hyperscan refuses NULL even for no octets. */
    const char *data = u->len ? (const char *)octets : "";
    hs_error_t rc = hs_scan(g->database, data, u->len, 0, t->scratch, on_match, &c);
    if (t->candidates_cnt)
        confirm_candidates(rs, t, u, octets);
    return rc == HS_SUCCESS || rc == HS_SCAN_TERMINATED;
}

static bool
is_for(const struct ruleset_group *g, const struct match_unit *u)
{
    return g->units == UNITS_ALL || (g->units == UNITS_CLEAN) == u->is_clean;
}

bool
match_wants(const struct ruleset *rs, enum target t)
{
    if (t == TARGET_HEADER || t == TARGET_MIMEHEADER)
        return rs->headers_cnt[t] > 0;
    return rs->targets[t].image != NULL;
}

const struct header_target *
match_header_targets(const struct ruleset *rs, enum target t, uint32_t *cnt)
{
    *cnt = rs->headers_cnt[t];
    return rs->header_targets[t];
}

/* Rules that hit by the field's presence alone. */
static void
set_list(const struct ruleset *rs, uint32_t off, uint32_t cnt, enum target t, uint32_t no, struct hits *h)
{
    for (uint32_t i = 0; i < cnt; i++) {
        uint32_t rule = rs->view.lists[off + i];
        if (h->explain && !hits_get(h, rule))
            explain_listed(rs, rule, t, no, h->explain);
        hits_set(h, rule);
    }
}

bool
match_header(const struct ruleset *rs, unsigned thread_idx, enum target t, uint32_t idx, bool is_present,
             const uint8_t *value, size_t len, struct hits *h)
{
    const struct ruleset_target *target = &rs->headers[t][idx];
    struct ruleset_thread *thread = &rs->threads[thread_idx];
    bool is_good = true;
    if (!is_present) {
        /* What '' and the [if-unset] texts match was found out when the image was built. */
        set_list(rs, target->image->absent_off, target->image->absent_cnt, t, idx, h);
        return true;
    }
    set_list(rs, target->image->present_off, target->image->present_cnt, t, idx, h);
    if (len > UINT32_MAX)
        return false;
    struct match_unit u = { .rs = rs, .hits = h, .len = (uint32_t)len, .target = (uint16_t)t, .no = idx };
    u.is_clean = is_clean(value, len);
    for (uint32_t i = 0; i < target->groups_cnt; i++) {
        if (is_for(&target->groups[i], &u))
            is_good = scan(rs, thread, &target->groups[i], &u, value) && is_good;
    }
    if (target->image->always_cnt)
        confirm_always(rs, thread, target->image, &u, value);
    return is_good;
}

/* ---- batches ---- */

uint8_t *
match_room(struct match_batch *b, size_t len)
{
    if (b->units_cnt == MATCH_BATCH_UNITS || len > MATCH_BATCH_OCTETS - b->octets_len)
        return NULL;
    return b->octets + b->octets_len;
}

void
match_add(struct match_batch *b, const struct ruleset *rs, enum target t, size_t len, uint32_t no, struct hits *h)
{
    struct match_unit *u = &b->units[b->units_cnt++];
    *u = (struct match_unit){ .rs = rs, .hits = h, .off = b->octets_len, .len = (uint32_t)len,
                              .target = (uint16_t)t, .no = no };
    u->is_clean = is_clean(b->octets + u->off, len);
    u->is_subject = t == TARGET_BODY && no == 0;
    b->octets_len += (uint32_t)len;
}

/* All units of one rule set and target, database by database. */
static void
run_target(struct match_batch *b, unsigned thread_idx, const struct ruleset *rs, uint16_t t)
{
    const struct ruleset_target *target = &rs->targets[t];
    struct ruleset_thread *thread = &rs->threads[thread_idx];
    for (uint32_t g = 0; g < target->groups_cnt; g++) {
        for (uint32_t i = 0; i < b->units_cnt; i++) {
            const struct match_unit *u = &b->units[i];
            if (u->target == t && u->rs == rs && is_for(&target->groups[g], u) &&
                !scan(rs, thread, &target->groups[g], u, b->octets + u->off))
                u->hits->failed = true;
        }
    }
    for (uint32_t i = 0; target->image->always_cnt && i < b->units_cnt; i++) {
        const struct match_unit *u = &b->units[i];
        if (u->target == t && u->rs == rs)
            confirm_always(rs, thread, target->image, u, b->octets + u->off);
    }
}

void
match_run(struct match_batch *b, unsigned thread_idx)
{
    static const uint16_t targets[] = { TARGET_BODY, TARGET_RAWBODY, TARGET_URI };
    /* Rule sets are few: two while one is swapped for another. */
    for (uint32_t i = 0; i < b->units_cnt; i++) {
        const struct ruleset *rs = b->units[i].rs;
        if (!rs)
            continue;
        for (unsigned k = 0; k < sizeof(targets) / sizeof(*targets); k++) {
            if (rs->targets[targets[k]].image)
                run_target(b, thread_idx, rs, targets[k]);
        }
        for (uint32_t k = i; k < b->units_cnt; k++) {
            if (b->units[k].rs == rs)
                b->units[k].rs = NULL;
        }
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
    if (kept == 0)
        b->octets_len = 0;
}

/* ---- signatures ---- */

void
match_find(struct match_findings *f, uint32_t rule, uint64_t to)
{
    for (unsigned i = 0; i < f->cnt; i++) {
        if (f->list[i].rule == rule)
            return;
    }
    if (f->cnt < MATCH_FINDINGS_MAX)
        f->list[f->cnt++] = (struct match_finding){ (uint16_t)rule, to };
}

bool
match_has_signatures(const struct ruleset *rs)
{
    return rs->has_signatures;
}

bool
match_fits(const struct ruleset *rs, uint32_t rule, unsigned magic)
{
    uint32_t signature = rs->view.rules[rule].signature;
    return !signature || signature_target_fits((enum signature_target)(signature - 1), (enum magic)magic);
}

void
match_collect(struct match_stream *s, struct match_findings *f, bool wants_only_signatures)
{
    s->found = f;
    s->wants_only_signatures = wants_only_signatures;
}

/* ---- streams ---- */

struct match_stream *
match_open(const struct ruleset *rs, unsigned thread_idx, enum target t, bool *failed)
{
    *failed = false;
    if (!rs->targets[t].groups_cnt)
        return NULL;
    struct match_stream **free_list = &rs->threads[thread_idx].free_streams[t];
    struct match_stream *s = *free_list;
    if (s) {
        *free_list = s->next;
        return s;
    }
    *failed = true;
    s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    *s = (struct match_stream){ .rs = rs, .thread_idx = thread_idx, .target = t };
    if (hs_open_stream(rs->targets[t].groups[0].database, 0, &s->stream) != HS_SUCCESS) {
        free(s);
        return NULL;
    }
    *failed = false;
    return s;
}

static bool
feed(struct match_stream *s, const uint8_t *octets, size_t len, struct hits *h)
{
    hs_scratch_t *scratch = s->rs->threads[s->thread_idx].scratch;
    struct context c = { .rs = s->rs, .ids = s->rs->targets[s->target].groups[0].ids, .hits = h, .stream = s };
    while (len > 0) {
        unsigned now = len < UINT32_MAX ? (unsigned)len : UINT32_MAX;
        c.octets = octets;
        c.octets_len = now;
        hs_error_t rc = hs_scan_stream(s->stream, (const char *)octets, now, 0, scratch, on_match, &c);
        if (rc != HS_SUCCESS && rc != HS_SCAN_TERMINATED)
            return false;
        s->off += now;
        octets += now;
        len -= now;
    }
    return true;
}

bool
match_feed(struct match_stream *s, const uint8_t *octets, size_t len, struct hits *h)
{
    enum { PAGE = 4096 };
    /* Right before a page that may not be there, as a packet's octets may lie: the last ones from a copy that has
     * slack behind it. */
    size_t page_left = PAGE - ((uintptr_t)octets + len) % PAGE;
    if (len == 0 || (page_left >= MATCH_SLACK && page_left != PAGE))
        return feed(s, octets, len, h);
    uint8_t end[2 * MATCH_SLACK] = { 0 };
    size_t end_len = len < MATCH_SLACK ? len : MATCH_SLACK;
    memcpy(end, octets + len - end_len, end_len);
    return feed(s, octets, len - end_len, h) && feed(s, end, end_len, h);
}

static void
give_back(struct match_stream *s)
{
    struct match_stream **free_list = &s->rs->threads[s->thread_idx].free_streams[s->target];
    s->off = 0;
    s->found = NULL;
    s->wants_only_signatures = false;
    s->next = *free_list;
    *free_list = s;
}

/* Puts the stream back to its start, looking for end-anchored matches if h is not NULL. */
static bool
reset(struct match_stream *s, struct hits *h)
{
    struct context c = { .rs = s->rs, .ids = s->rs->targets[s->target].groups[0].ids, .hits = h, .stream = s };
    hs_error_t rc = h ? hs_reset_stream(s->stream, 0, s->rs->threads[s->thread_idx].scratch, on_match, &c)
                      : hs_reset_stream(s->stream, 0, NULL, NULL, NULL);
    if (rc == HS_SUCCESS || rc == HS_SCAN_TERMINATED) {
        give_back(s);
        return true;
    }
    hs_close_stream(s->stream, NULL, NULL, NULL);
    free(s);
    return false;
}

bool
match_close(struct match_stream *s, struct hits *h)
{
    return reset(s, h);
}

void
match_abort(struct match_stream *s)
{
    if (s)
        reset(s, NULL);
}

void
match_streams_free(struct ruleset_thread *t)
{
    for (unsigned target = 0; target < TARGET_CNT; target++) {
        for (struct match_stream *s = t->free_streams[target], *next; s; s = next) {
            next = s->next;
            hs_close_stream(s->stream, NULL, NULL, NULL);
            free(s);
        }
        t->free_streams[target] = NULL;
    }
}
