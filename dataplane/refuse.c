#include "dataplane/refuse.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <rte_common.h>

#include "dataplane/pipeline.h"
#include "dataplane/segment.h"
#include "dataplane/tcp.h"

enum {
    RTO_MS = 1000,     /* RFC 6298 2.1: before a round trip is known */
    TRIES_MAX = 7,     /* 1 + 2 + ... + 64 s */
    FLIGHT_MAX = 10,   /* segments at once, RFC 6928 */
    LIFE_MAX = 10,     /* times [timeouts] refusal: a client that acknowledges octet by octet ends, too */
    LINE_MAX_LEN = 240,
    FAREWELL_MAX = 120
};

enum refusal_state { REFUSAL_WAITING, REFUSAL_REPLYING, REFUSAL_LINGER };

/* What we say is `line` line_cnt times and then `farewell`, so that answering a thousand commands takes
 * no memory; sequence number snd_first + i is octet i of that, and after the last octet comes the FIN. */
struct refusal {
    enum refusal_state state;
    enum verdict verdict;
    uint32_t replies_due;  /* of the server, before our turn */
    uint32_t commands_cnt; /* of the client, in all */
    uint32_t line_cnt;
    uint32_t line_len;
    uint32_t farewell_len;
    bool has_fin;       /* ours is queued */
    bool is_client_done; /* its FIN was received in order */
    uint32_t snd_first, snd_una, snd_nxt;
    uint32_t read_seq;  /* client octets before it were looked at */
    unsigned tries;
    uint64_t rto_due_ms;
    uint64_t patience_due_ms;
    uint64_t end_due_ms; /* whatever the client does */
    char verb[8];       /* first letters of the client's next line, to tell QUIT */
    uint32_t verb_len;
    char line[LINE_MAX_LEN];
    char farewell[FAREWELL_MAX];
};

size_t
refusal_size(void)
{
    return sizeof(struct refusal);
}

bool
refuse_has_taken_over(const struct flow *f)
{
    return f->refusal && f->refusal->state != REFUSAL_WAITING;
}

static void
write_line(const struct pipeline *pl, struct refusal *r, enum event cause)
{
    const struct pipeline_config *cfg = pl->cfg;
    bool is_score = cause == EVENT_NONE;
    switch (r->verdict) {
    case VERDICT_REFUSE:
        if (is_score)
            snprintf(r->line, sizeof(r->line), "550 5.7.1 %s\r\n", cfg->refuse_text);
        else
            snprintf(r->line, sizeof(r->line), "550 5.5.2 Refused: %s\r\n", event_why(cause));
        break;
    case VERDICT_CLOSE:
        /* RFC 5321 3.8: 421 says that the channel closes; so the FIN follows at once. */
        snprintf(r->line, sizeof(r->line), "421 4.7.0 %s closing: %s\r\n", cfg->hostname,
                 event_why(cause));
        r->line_cnt = 1;
        r->has_fin = true;
        break;
    case VERDICT_DROP:
        snprintf(r->line, sizeof(r->line), "250 2.0.0 Ok\r\n");
        break;
    case VERDICT_DEFER:
    case VERDICT_ACCEPT:
    case VERDICT_TAG:
    case VERDICT_CNT:
        if (is_score)
            snprintf(r->line, sizeof(r->line), "451 4.7.1 %s\r\n", cfg->defer_text);
        else
            snprintf(r->line, sizeof(r->line), "451 4.7.1 Try again later: %s\r\n",
                     event_why(cause));
        break;
    }
    r->line_len = (uint32_t)strlen(r->line);
}

/* Resets the server as the client would: RFC 5961 wants its exact next octet, which is what it last
 * acknowledged or all that we let out. */
static void
reset_server(struct pipeline *pl, struct flow *f)
{
    const struct flow_side *c = &f->side[CLIENT], *s = &f->side[SERVER];
    segment_send(pl, f, CLIENT, c->out, c->ack, TCP_RST | TCP_ACK, NULL, 0);
    if (s->has_ack && s->ack != c->out)
        segment_send(pl, f, CLIENT, s->ack, c->ack, TCP_RST | TCP_ACK, NULL, 0);
}

void
refuse_cut(struct pipeline *pl, struct flow *f)
{
    reset_server(pl, f);
    segment_send(pl, f, SERVER, f->side[SERVER].out, f->side[CLIENT].stream.nxt, TCP_RST | TCP_ACK,
                 NULL, 0);
    flow_to(pl, f, FLOW_REFUSING);
}

void
refuse_begin(struct pipeline *pl, struct flow *f, enum verdict v, enum event cause,
             uint32_t replies_due, uint32_t read_seq)
{
    struct refusal *r = slab_get(&pl->refusals);
    pl->counter[COUNTER_REFUSALS]++;
    f->stalled_ms = 0;
    if (!r) {
        /* The message must not pass and no reply can be made: the only honest end is a reset. */
        pl->counter[COUNTER_REFUSAL_CAP]++;
        refuse_cut(pl, f);
        return;
    }
    memset(r, 0, sizeof(*r));
    r->verdict = v;
    r->replies_due = replies_due;
    r->commands_cnt = smtp_commands_cnt(f->smtp);
    r->line_cnt = 1;
    r->read_seq = read_seq;
    f->refusal = r;
    write_line(pl, r, cause);
    flow_to(pl, f, FLOW_REFUSING);
    timer_set(&pl->wheel, &f->timer, pl->now_ms + pl->cfg->stall_ms);
}

/* Sending */

static uint32_t
text_len(const struct refusal *r)
{
    return r->line_len * r->line_cnt + r->farewell_len;
}

static void
text_copy(const struct refusal *r, uint32_t off, uint8_t *to, uint32_t len)
{
    uint32_t lines_len = r->line_len * r->line_cnt;
    for (uint32_t i = 0; i < len; i++, off++)
        to[i] = (uint8_t)(off < lines_len ? r->line[off % r->line_len]
                                          : r->farewell[off - lines_len]);
}

/* From snd_nxt, as far as the flight allows. Always at least an acknowledgment. */
static void
send_some(struct pipeline *pl, struct flow *f, bool must_ack)
{
    struct refusal *r = f->refusal;
    struct flow_side *c = &f->side[CLIENT];
    uint32_t max = segment_payload_max(f), total = text_len(r);
    uint32_t rcv_nxt = c->stream.nxt + (r->is_client_done ? 1 : 0);
    f->side[SERVER].ack = rcv_nxt;
    uint32_t end = r->snd_first + total;
    uint8_t octets[1500];
    bool is_sent = false;

    while (seq_le(r->snd_nxt, end) && r->snd_nxt - r->snd_una < FLIGHT_MAX * max) {
        if (seq_lt(r->snd_nxt, r->snd_first)) {
            /* What the server said last and the client has not acknowledged: ours to repeat now. */
            uint32_t n = RTE_MIN(r->snd_first - r->snd_nxt, max);
            segment_send_stream(pl, f, SERVER, r->snd_nxt, n);
            is_sent = true;
            r->snd_nxt += n;
            continue;
        }
        uint32_t n = RTE_MIN(RTE_MIN(end - r->snd_nxt, max), (uint32_t)sizeof(octets));
        bool is_last = r->snd_nxt + n == end;
        bool has_fin = is_last && r->has_fin;
        if (!n && !has_fin)
            break;
        text_copy(r, r->snd_nxt - r->snd_first, octets, n);
        uint8_t flags = (uint8_t)(TCP_ACK | (n ? TCP_PSH : 0) | (has_fin ? TCP_FIN : 0));
        segment_send(pl, f, SERVER, r->snd_nxt, rcv_nxt, flags, octets, n);
        is_sent = true;
        r->snd_nxt += n + (has_fin ? 1 : 0);
        if (is_last)
            break;
    }
    if (is_sent && !r->rto_due_ms) {
        r->rto_due_ms = pl->now_ms + RTO_MS;
        timer_set(&pl->wheel, &f->timer, r->rto_due_ms);
    }
    if (must_ack && !is_sent)
        segment_send(pl, f, SERVER, r->snd_nxt, rcv_nxt, TCP_ACK, NULL, 0);
}

/* Ends the conversation: a farewell, if there is a command to answer, and our FIN. */
static void
say_farewell(struct pipeline *pl, struct refusal *r, bool is_quit)
{
    if (r->has_fin)
        return;
    if (is_quit)
        snprintf(r->farewell, sizeof(r->farewell), "221 2.0.0 Bye\r\n");
    else
        snprintf(r->farewell, sizeof(r->farewell), "421 4.7.0 %s closing\r\n", pl->cfg->hostname);
    r->farewell_len = (uint32_t)strlen(r->farewell);
    r->has_fin = true;
}

/* Looks at the client's further octets for a line, and lets them go. */
static void
read_client(struct pipeline *pl, struct flow *f)
{
    struct refusal *r = f->refusal;
    struct reassembly *in = &f->side[CLIENT].stream;
    while (r->read_seq != in->nxt) {
        uint32_t len = 0;
        const uint8_t *octets = reassembly_at(in, r->read_seq, &len);
        len = RTE_MIN(len, in->nxt - r->read_seq);
        for (uint32_t i = 0; octets && i < len && !r->has_fin; i++) {
            if (octets[i] == '\n')
                say_farewell(pl, r, r->verb_len >= 4 && strncasecmp(r->verb, "QUIT", 4) == 0);
            else if (r->verb_len < sizeof(r->verb))
                r->verb[r->verb_len++] = (char)octets[i];
        }
        r->read_seq += len;
    }
    f->side[CLIENT].judged = f->side[CLIENT].out = in->nxt;
    reassembly_ack(in, in->nxt);
}

static void
take_over(struct pipeline *pl, struct flow *f)
{
    struct refusal *r = f->refusal;
    struct flow_side *c = &f->side[CLIENT], *s = &f->side[SERVER];
    reset_server(pl, f);
    r->state = REFUSAL_REPLYING;
    r->snd_first = r->snd_nxt = s->stream.nxt;
    r->snd_una = s->stream.una;
    /* A line for each command that the server did not answer; what was cut short counts as one. */
    uint32_t unanswered = r->commands_cnt - smtp_replies_cnt(f->smtp);
    if (r->verdict != VERDICT_CLOSE && unanswered > 1 && unanswered <= PIPELINE_MAX)
        r->line_cnt = unanswered;
    r->patience_due_ms = pl->now_ms + pl->cfg->refusal_ms;
    r->end_due_ms = pl->now_ms + LIFE_MAX * (uint64_t)pl->cfg->refusal_ms;
    smtp_fini(f->smtp);
    slab_put(&pl->sessions, f->smtp);
    f->smtp = NULL;
    /* Octets that the server has read already may still lie before `out`; the rest is ours now. */
    if (seq_lt(r->read_seq, c->stream.una))
        r->read_seq = c->stream.una;
    read_client(pl, f);
    r->is_client_done = c->has_fin && c->fin_seq == c->stream.nxt;
    if (r->is_client_done)
        r->has_fin = true;
    timer_set(&pl->wheel, &f->timer, r->patience_due_ms);
    send_some(pl, f, true);
}

void
refuse_check(struct pipeline *pl, struct flow *f, bool is_server_gone)
{
    struct refusal *r = f->refusal;
    if (!r || r->state != REFUSAL_WAITING)
        return;
    bool has_answered = (int32_t)(smtp_replies_cnt(f->smtp) - r->replies_due) >= 0;
    /* Octets beyond a gap have gone to the client already; ours must not lie under them. */
    if ((has_answered && f->side[SERVER].stream.early_cnt == 0) || is_server_gone)
        take_over(pl, f);
}

/* Receiving */

static bool
is_settled(const struct refusal *r)
{
    return r->has_fin && r->is_client_done && r->snd_una == r->snd_first + text_len(r) + 1;
}

bool
refuse_segment(struct pipeline *pl, struct flow *f, const struct packet *p, unsigned from)
{
    struct refusal *r = f->refusal;
    struct flow_side *c = &f->side[CLIENT];
    if (pl->now_ms >= r->end_due_ms)
        return false;
    if (from == SERVER) {
        /* RFC 9293 3.10.7.1: a reset whose sequence number is the segment's acknowledgment. */
        if (!(p->flags & TCP_RST) && (p->flags & TCP_ACK))
            segment_send(pl, f, CLIENT, p->ack, 0, TCP_RST, NULL, 0);
        return true;
    }
    if (p->flags & TCP_RST)
        return p->seq != c->stream.nxt; /* RFC 5961: the exact one ends it */
    if ((p->flags & TCP_ACK) && seq_lt(r->snd_una, p->ack) && seq_le(p->ack, r->snd_nxt)) {
        r->snd_una = p->ack;
        if (seq_le(p->ack, r->snd_first))
            reassembly_ack(&f->side[SERVER].stream, p->ack);
        r->tries = 0;
        r->rto_due_ms = r->snd_una == r->snd_nxt ? 0 : pl->now_ms + RTO_MS;
        if (r->rto_due_ms)
            timer_set(&pl->wheel, &f->timer, r->rto_due_ms);
    }
    bool must_ack = p->payload_len || (p->flags & TCP_FIN);
    uint32_t end = p->seq + p->payload_len, conflicts;
    if (p->payload_len && (int32_t)(end - c->stream.nxt) <= (int32_t)c->stream.octets_max)
        reassembly_insert(&c->stream, p->seq, p->frame + p->payload_off, p->payload_len,
                          seq_lt(c->stream.nxt, p->seq), &conflicts);
    if ((p->flags & TCP_FIN) && !c->has_fin) {
        c->has_fin = true;
        c->fin_seq = end;
    }
    read_client(pl, f);
    if (c->has_fin && c->fin_seq == c->stream.nxt && !r->is_client_done) {
        r->is_client_done = true;
        r->has_fin = true;
    }
    send_some(pl, f, must_ack);
    if (is_settled(r) && r->state != REFUSAL_LINGER) {
        /* The last acknowledgment may be lost: stay and repeat it, as TIME-WAIT would. */
        r->state = REFUSAL_LINGER;
        timer_set(&pl->wheel, &f->timer, pl->now_ms + pl->cfg->closed_ms);
    }
    return true;
}

uint64_t
refuse_timer(struct pipeline *pl, struct flow *f)
{
    struct refusal *r = f->refusal;
    if (r->state == REFUSAL_LINGER || pl->now_ms >= r->end_due_ms)
        return 0;
    if (r->snd_una != r->snd_nxt) {
        if (pl->now_ms < r->rto_due_ms)
            return r->rto_due_ms;
        if (++r->tries > TRIES_MAX) {
            pl->counter[COUNTER_REFUSAL_GAVE_UP]++;
            return 0;
        }
        pl->counter[COUNTER_REFUSAL_RETRANSMITS]++;
        r->snd_nxt = r->snd_una;
        r->rto_due_ms = pl->now_ms + ((uint64_t)RTO_MS << r->tries);
        send_some(pl, f, false);
        return r->rto_due_ms;
    }
    if (pl->now_ms < r->patience_due_ms)
        return r->patience_due_ms;
    if (r->has_fin)
        return 0; /* the client keeps its half open and says nothing more */
    /* The client is silent: RFC 5321 3.8 lets a server close with 421. */
    say_farewell(pl, r, false);
    r->patience_due_ms = pl->now_ms + pl->cfg->refusal_ms;
    send_some(pl, f, false);
    return r->rto_due_ms ? r->rto_due_ms : r->patience_due_ms;
}
