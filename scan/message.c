#include "scan/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "scan/address.h"
#include "scan/decode.h"
#include "scan/header.h"
#include "scan/match.h"
#include "scan/mime.h"
#include "scan/text.h"

/* Encoded messages inside encoded messages; deeper ones are attachments. */
enum { LANES_MAX = 4 };

/* Octets decoded at a time, on the stack. */
enum { DECODE_PIECE = 4096 };

/* A field of the top header, offsets into its buffer. */
struct field_ref {
    uint32_t name_off, value_off, value_len;
    uint32_t hash;
    uint16_t name_len;
};

/* One struct mime and what becomes of its open leaf. Lane i + 1 walks the decoded message that is the
 * open leaf of lane i. */
struct lane {
    struct match_stream *attachment;
    bool is_body, is_rawbody, is_message;
    struct decoder decoder;
    struct mime mime;
    uint8_t header_buf[MIME_HEADER_BUF];
};

/* Large, and in the order of use: a slot that only ever saw small mails touches few of its pages. */
struct message {
    struct scanner *sc;
    struct ruleset *rs;
    struct hits hits;
    struct judgement j;
    enum verdict event_verdict; /* greatest action of an event, */
    enum event event_cause;     /* and the first that had it */
    bool wants_body, wants_rawbody;
    bool is_header_done, is_ended, has_mail_from;
    unsigned fields_cnt;
    size_t mail_from_len;
    struct match_stream *full;
    struct mime_budget budget;
    struct header top;
    struct lines lines;
    struct chunks chunks;
    uint8_t mail_from[PATH_LEN_MAX];
    struct field_ref fields[HEADER_FIELDS_MAX];
    uint8_t top_buf[HEADER_LEN_MAX];
    struct lane lanes[LANES_MAX];
};

struct message_slot {
    struct message_slot *next;
    uint64_t *bits; /* grows to the largest rule set seen; kept between messages */
    uint32_t words_max;
    struct message message;
};

/* sc->pool. */
struct pool {
    /* The value of one header target while it is matched: "name: value\n" adds up to three octets. */
    uint8_t value[HEADER_LEN_MAX + 3 * HEADER_FIELDS_MAX + 1];
    struct message_slot slots[];
};

/* ---- scanner ---- */

int
scanner_init(struct scanner *sc, unsigned thread_idx, unsigned messages_max)
{
    memset(sc, 0, sizeof(*sc));
    sc->thread_idx = thread_idx;
    sc->messages_max = messages_max;
    sc->thresholds = (struct thresholds){INT32_MAX, INT32_MAX, 5000, INT32_MAX};
    for (int e = 0; e < EVENT_CNT; e++)
        sc->event_action[e] = event_default_action((enum event)e);
    /* calloc of this size is fresh zero pages: nothing is resident before it is used. */
    struct pool *p = calloc(1, sizeof(*p) + messages_max * sizeof(p->slots[0]));
    if (!p)
        return -ENOMEM;
    sc->pool = p;
    for (unsigned i = messages_max; i-- > 0;) {
        p->slots[i].next = sc->free_list;
        sc->free_list = &p->slots[i];
    }
    return 0;
}

void
scanner_fini(struct scanner *sc)
{
    struct pool *p = sc->pool;

    for (unsigned i = 0; p && i < sc->messages_max; i++)
        free(p->slots[i].bits);
    free(p);
    sc->pool = NULL;
    sc->free_list = NULL;
}

static struct message_slot *
slot_of(struct message *m)
{
    return (struct message_slot *)((char *)m - offsetof(struct message_slot, message));
}

/* The only allocation; none once every slot has seen the largest rule set. */
static bool
take_hits(struct message_slot *slot, uint32_t rules)
{
    uint32_t words = (rules + 63) / 64;

    if (words > slot->words_max) {
        uint64_t *bits = realloc(slot->bits, words * sizeof(*bits));
        if (!bits)
            return false;
        slot->bits = bits;
        slot->words_max = words;
    }
    if (words)
        memset(slot->bits, 0, words * sizeof(*slot->bits));
    slot->message.hits = (struct hits){slot->bits, rules};
    return true;
}

static void
check(struct message *m, bool ok)
{
    if (!ok)
        message_event(m, EVENT_SCAN_ERROR);
}

static struct match_stream *
open_stream(struct message *m, enum target t)
{
    bool failed = false;
    struct match_stream *s = m->rs ? match_open(m->rs, m->sc->thread_idx, t, &failed) : NULL;

    check(m, !failed);
    return s;
}

struct message *
message_new(struct scanner *sc)
{
    struct message_slot *slot = sc->free_list;

    if (!slot || !take_hits(slot, sc->live ? ruleset_rule_cnt(sc->live) : 0))
        return NULL;
    sc->free_list = slot->next;
    struct message *m = &slot->message;
    struct hits hits = m->hits;
    memset(m, 0, offsetof(struct message, lines));
    m->sc = sc;
    m->hits = hits;
    m->rs = sc->live;
    lines_init(&m->lines);
    header_init(&m->top, m->top_buf, sizeof(m->top_buf), HEADER_GARBAGE_MESSAGE);
    if (!m->rs)
        return m;
    ruleset_pin(m->rs, sc->thread_idx);
    m->wants_body = match_wants(m->rs, TARGET_BODY);
    m->wants_rawbody = match_wants(m->rs, TARGET_RAWBODY);
    m->full = open_stream(m, TARGET_FULL);
    return m;
}

struct ruleset *
message_ruleset(const struct message *m)
{
    return m->rs;
}

void
message_mail(struct message *m, struct span path)
{
    m->has_mail_from = true;
    m->mail_from_len = path.len < sizeof(m->mail_from) ? path.len : sizeof(m->mail_from);
    if (m->mail_from_len)
        memcpy(m->mail_from, path.ptr, m->mail_from_len);
}

void
message_rcpt(struct message *m, struct span path)
{
    (void)m; /* no rule looks at a forward-path yet */
    (void)path;
}

void
message_event(struct message *m, enum event e)
{
    if (m->j.events & EVENT_BIT(e))
        return;
    m->j.events |= EVENT_BIT(e);
    m->sc->event_cnt[e]++;
    if (m->sc->event_action[e] > m->event_verdict) {
        m->event_verdict = m->sc->event_action[e];
        m->event_cause = e;
    }
}

/* ---- header targets ---- */

static uint32_t
name_hash(const uint8_t *name, size_t len)
{
    uint32_t h = 2166136261u; /* FNV-1a of the lower-case name */
    for (size_t i = 0; i < len; i++) {
        uint8_t c = name[i];
        h = (h ^ (c >= 'A' && c <= 'Z' ? c + 32u : c)) * 16777619u;
    }
    return h;
}

static struct header_field
field_at(const struct message *m, unsigned i)
{
    const struct field_ref *r = &m->fields[i];
    return (struct header_field){.name = {m->top_buf + r->name_off, r->name_len},
                                 .value = {m->top_buf + r->value_off, r->value_len}};
}

static void
index_fields(struct message *m)
{
    struct header_field f;

    for (size_t off = 0; header_field(&m->top, &off, &f);) {
        if (m->fields_cnt == HEADER_FIELDS_MAX) {
            message_event(m, EVENT_HEADER_CAP);
            return;
        }
        struct field_ref *r = &m->fields[m->fields_cnt++];
        r->name_off = (uint32_t)(f.name.ptr - m->top_buf);
        r->name_len = f.name.len <= UINT16_MAX ? (uint16_t)f.name.len : UINT16_MAX;
        r->value_off = (uint32_t)(f.value.ptr - m->top_buf);
        r->value_len = (uint32_t)f.value.len;
        r->hash = name_hash(f.name.ptr, r->name_len);
    }
}

/* The next field of that name at or after *i, moving *i behind it. */
static bool
next_named(const struct message *m, const char *name, uint32_t hash, unsigned *i,
           struct header_field *f)
{
    while (*i < m->fields_cnt) {
        unsigned at = (*i)++;
        if (m->fields[at].hash != hash)
            continue;
        *f = field_at(m, at);
        if (header_name_is(f, name))
            return true;
    }
    return false;
}

struct value {
    uint8_t *out;
    size_t len;
    bool is_present;
};

static void
add_field(struct value *v, struct span value, enum header_part part)
{
    uint8_t *out = v->out + v->len;
    size_t n, gap = v->len ? 1 : 0;

    switch (part) {
    case HEADER_WHOLE:
        v->is_present = true;
        v->len += header_unfold(value, out);
        return;
    case HEADER_RAW:
        v->is_present = true;
        v->len += header_raw(value, out);
        return;
    case HEADER_ADDR:
    case HEADER_NAME:
        /* No "\n" at the end here (SpamAssassin), so that /[^a-z]/ means what it says. */
        n = address_write(value, part == HEADER_ADDR ? ADDRESS_ADDR : ADDRESS_NAME, out + gap);
        if (!n)
            return;
        if (gap)
            *out = '\n';
        v->is_present = true;
        v->len += gap + n;
        return;
    }
}

static void
add_named(const struct message *m, struct value *v, const char *name, enum header_part part)
{
    uint32_t hash = name_hash((const uint8_t *)name, strlen(name));
    struct header_field f;

    for (unsigned i = 0; next_named(m, name, hash, &i, &f);)
        add_field(v, f.value, part);
}

static void
add_all(const struct message *m, struct value *v, enum header_part part)
{
    v->is_present = m->top.len > 0;
    if (part == HEADER_RAW) {
        for (size_t i = 0; i < m->top.len; i++) {
            uint8_t c = m->top_buf[i];
            if (c != '\r' || i + 1 == m->top.len || m->top_buf[i + 1] != '\n')
                v->out[v->len++] = c;
        }
        return;
    }
    for (unsigned i = 0; i < m->fields_cnt; i++) {
        struct header_field f = field_at(m, i);
        memcpy(v->out + v->len, f.name.ptr, f.name.len);
        v->len += f.name.len;
        v->out[v->len++] = ':';
        v->out[v->len++] = ' ';
        v->len += header_unfold(f.value, v->out + v->len);
    }
}

static struct value
target_value(const struct message *m, const struct header_target *t, uint8_t *out)
{
    static const char *const ids[] = {"x-message-id", "resent-message-id", "x-original-message-id",
                                      "message-id"};
    struct value v = {.out = out};

    if (!strcmp(t->name, "all")) {
        add_all(m, &v, t->part);
    } else if (!strcmp(t->name, "tocc")) {
        add_named(m, &v, "to", t->part);
        add_named(m, &v, "cc", t->part);
    } else if (!strcmp(t->name, "messageid")) {
        for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
            add_named(m, &v, ids[i], t->part);
    } else if (!strcmp(t->name, "envelopefrom")) {
        v.is_present = m->has_mail_from;
        v.len = m->mail_from_len;
        if (v.len)
            memcpy(v.out, m->mail_from, v.len);
    } else {
        add_named(m, &v, t->name, t->part);
    }
    return v;
}

static void
match_headers(struct message *m)
{
    struct pool *p = m->sc->pool;
    uint32_t cnt = 0;

    if (!m->rs)
        return;
    const struct header_target *t = match_header_targets(m->rs, &cnt);
    for (uint32_t i = 0; i < cnt; i++) {
        struct value v = target_value(m, &t[i], p->value);
        check(m, match_header(m->rs, m->sc->thread_idx, i, v.is_present, v.out, v.len, &m->hits));
    }
}

/* Fields that RFC 5322 3.6 and RFC 2045 allow once. */
static void
note_duplicates(struct message *m)
{
    static const char *const single[] = {"from",       "sender",       "reply-to",
                                         "to",         "cc",           "bcc",
                                         "message-id", "subject",      "date",
                                         "in-reply-to", "references",  "mime-version",
                                         "content-type", "content-transfer-encoding",
                                         "content-disposition", "content-id"};

    for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++) {
        uint32_t hash = name_hash((const uint8_t *)single[i], strlen(single[i]));
        struct header_field f;
        unsigned at = 0;
        if (next_named(m, single[i], hash, &at, &f) && next_named(m, single[i], hash, &at, &f)) {
            message_event(m, EVENT_FIELD_DUPLICATE);
            return;
        }
    }
}

/* ---- parts ---- */

static void
offer(struct message *m, enum target t, struct span unit)
{
    check(m, match_block(m->rs, m->sc->thread_idx, t, unit.ptr, unit.len, &m->hits));
}

/* Line 0 of the body is the last Subject's value, or an empty line. */
static void
offer_subject(struct message *m)
{
    static const uint8_t none[] = "\n";
    uint8_t *out = ((struct pool *)m->sc->pool)->value;
    uint32_t hash = name_hash((const uint8_t *)"subject", 7);
    struct span in = {none, 1}, unit;
    struct header_field f;

    if (!m->wants_body)
        return;
    for (unsigned i = 0; next_named(m, "subject", hash, &i, &f);)
        in = (struct span){out, header_unfold(f.value, out)};
    while (lines_subject(&m->lines, &in, &unit))
        offer(m, TARGET_BODY, unit);
}

static bool
starts_with(const char *s, const char *prefix)
{
    return !strncmp(s, prefix, strlen(prefix));
}

static void
lane_init(struct message *m, unsigned idx)
{
    struct lane *l = &m->lanes[idx];

    l->attachment = NULL;
    l->is_body = l->is_rawbody = l->is_message = false;
    mime_init(&l->mime, &m->budget, l->header_buf);
}

/* Where the leaf goes (SpamAssassin's rules for body and rawbody); what is neither is an attachment. */
static void
part_begin(struct message *m, unsigned idx)
{
    struct lane *l = &m->lanes[idx];
    const struct mime_part *p = mime_part(&l->mime);
    bool is_text = starts_with(p->type, "text/") || p->is_html_name || !p->is_typed;
    bool is_calendar = !strcmp(p->type, "text/calendar") && !p->is_html_name;
    bool is_vcard = !strcmp(p->type, "text/x-vcard") && !p->is_html_name;

    decoder_init(&l->decoder, p->encoding);
    l->attachment = NULL;
    l->is_body = l->is_rawbody = false;
    l->is_message = p->is_message && idx + 1 < LANES_MAX;
    if (l->is_message) {
        lane_init(m, idx + 1);
        mime_start_message(&l[1].mime);
        return;
    }
    if (p->is_message)
        message_event(m, EVENT_MIME_DEPTH_CAP);
    lines_part(&m->lines);
    chunks_init(&m->chunks);
    l->is_body = m->wants_body && is_text && !is_calendar && !is_vcard;
    l->is_rawbody = m->wants_rawbody &&
                    ((is_text && !is_calendar) || starts_with(p->type, "message/"));
    if (!is_text || is_calendar || is_vcard || p->is_attachment || !p->is_typed)
        l->attachment = open_stream(m, TARGET_ATTACHMENT);
}

static void walk(struct message *m, unsigned idx);

/* Decoded octets of lane idx's open leaf. */
static void
part_octets(struct message *m, unsigned idx, struct span octets)
{
    struct lane *l = &m->lanes[idx];
    struct span in = octets, unit;

    if (l->is_message) {
        mime_feed(&l[1].mime, octets.ptr, octets.len);
        walk(m, idx + 1);
        return;
    }
    while (l->is_body && lines_next(&m->lines, &in, &unit))
        offer(m, TARGET_BODY, unit);
    in = octets;
    while (l->is_rawbody && chunks_next(&m->chunks, &in, &unit))
        offer(m, TARGET_RAWBODY, unit);
    if (l->attachment)
        check(m, match_feed(l->attachment, octets.ptr, octets.len, &m->hits));
}

static void
part_data(struct message *m, unsigned idx, struct span data)
{
    struct decoder *d = &m->lanes[idx].decoder;
    uint8_t out[DECODE_PIECE + DECODE_SLACK];

    if (d->encoding == ENCODING_IDENTITY) {
        part_octets(m, idx, data);
        return;
    }
    while (data.len) {
        size_t n = data.len < DECODE_PIECE ? data.len : DECODE_PIECE;
        size_t len = decoder_feed(d, data.ptr, n, out);
        if (len)
            part_octets(m, idx, (struct span){out, len});
        data.ptr += n;
        data.len -= n;
    }
}

static void
part_end(struct message *m, unsigned idx)
{
    struct lane *l = &m->lanes[idx];
    uint8_t out[DECODE_SLACK];
    size_t len = decoder_end(&l->decoder, out);
    struct span unit;

    if (len)
        part_octets(m, idx, (struct span){out, len});
    if (l->decoder.has_junk)
        message_event(m, l->decoder.encoding == ENCODING_QP ? EVENT_QP_JUNK : EVENT_BASE64_JUNK);
    if (l->is_message) {
        mime_end(&l[1].mime);
        walk(m, idx + 1);
        l->is_message = false;
        return;
    }
    while (l->is_rawbody && chunks_end(&m->chunks, &unit))
        offer(m, TARGET_RAWBODY, unit);
    if (l->attachment)
        check(m, match_close(l->attachment, &m->hits));
    l->attachment = NULL;
}

/* Follows lane idx's trace as far as its octets go. Recursion: at most LANES_MAX deep. */
static void
walk(struct message *m, unsigned idx)
{
    struct mime *mime = &m->lanes[idx].mime;
    struct span data;
    enum event e;

    for (;;) {
        switch (mime_next(mime, &data, &e)) {
        case MIME_MORE:
            return;
        case MIME_PART:
            part_begin(m, idx);
            break;
        case MIME_DATA:
            part_data(m, idx, data);
            break;
        case MIME_END:
            part_end(m, idx);
            break;
        case MIME_EVENT:
            message_event(m, e);
            break;
        }
    }
}

/* ---- the message ---- */

static void
feed_body(struct message *m, const uint8_t *octets, size_t len)
{
    mime_feed(&m->lanes[0].mime, octets, len);
    walk(m, 0);
}

static void
header_done(struct message *m)
{
    m->is_header_done = true;
    index_fields(m);
    note_duplicates(m);
    match_headers(m);
    offer_subject(m);
    lane_init(m, 0);
    mime_start(&m->lanes[0].mime, &m->top);
    feed_body(m, m->top.rest.ptr, m->top.rest.len);
}

void
message_feed(struct message *m, const uint8_t *octets, size_t len)
{
    m->j.octets += len;
    if (m->full && len)
        check(m, match_feed(m->full, octets, len, &m->hits));
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
        feed_body(m, octets, len);
}

static void
end_body(struct message *m)
{
    struct span unit;

    if (!m->is_header_done) {
        message_event(m, EVENT_HEADER_NO_END);
        header_end(&m->top);
        header_done(m);
    }
    mime_end(&m->lanes[0].mime);
    walk(m, 0);
    while (m->wants_body && lines_end(&m->lines, &unit))
        offer(m, TARGET_BODY, unit);
    if (m->full)
        check(m, match_close(m->full, &m->hits));
    m->full = NULL;
}

const struct judgement *
message_end(struct message *m)
{
    struct judgement *j = &m->j;

    end_body(m);
    m->is_ended = true;
    if (m->rs)
        score_evaluate(m->rs, &m->hits, &m->sc->thresholds, j);
    else
        message_event(m, EVENT_NO_RULES);
    if (m->event_verdict > j->verdict) {
        j->verdict = m->event_verdict;
        j->cause = m->event_cause;
    }
    return j;
}

void
message_free(struct message *m)
{
    struct message_slot *slot = slot_of(m);

    if (!m->is_ended && m->is_header_done) {
        for (unsigned i = 0; i < LANES_MAX; i++) {
            match_abort(m->lanes[i].attachment);
            if (!m->lanes[i].is_message)
                break; /* the lanes behind are not in use */
        }
    }
    match_abort(m->full);
    if (m->rs)
        ruleset_unpin(m->rs, m->sc->thread_idx);
    slot->next = m->sc->free_list;
    m->sc->free_list = slot;
}
