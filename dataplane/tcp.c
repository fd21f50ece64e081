#include "dataplane/tcp.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_mbuf.h>

#include "dataplane/pipeline.h"
#include "dataplane/judge.h"
#include "dataplane/refuse.h"
#include "dataplane/segment.h"

/* Carriers */

void
carrier_forward(struct pipeline *pl, struct carrier *c)
{
    for (unsigned i = 0; i < c->cnt; i++)
        pipeline_send(pl, c->pair, !c->side, c->mbufs[i]);
    c->cnt = 0;
}

void
carrier_drop(struct pipeline *pl, struct carrier *c)
{
    for (unsigned i = 0; i < c->cnt; i++)
        pipeline_drop(pl, c->mbufs[i]);
    c->cnt = 0;
}

/* Flow states and their patience */

static uint64_t
patience_ms(const struct pipeline *pl, const struct flow *f)
{
    switch (f->state) {
    case FLOW_SYN:
    case FLOW_ANSWERED:
        return pl->cfg->half_open_ms;
    case FLOW_CLOSED:
        return pl->cfg->closed_ms;
    case FLOW_REFUSING:
        return f->refusal ? pl->cfg->idle_ms : pl->cfg->closed_ms;
    case FLOW_OPEN:
    case FLOW_BLIND:
        break;
    }
    return pl->cfg->idle_ms;
}

void
flow_to(struct pipeline *pl, struct flow *f, enum flow_state state)
{
    if (state != FLOW_SYN && state != FLOW_ANSWERED)
        flow_established(pl->flows, f);
    f->state = state;
    timer_set(&pl->wheel, &f->timer, pl->now_ms + patience_ms(pl, f));
}

static void
session_drop(struct pipeline *pl, struct flow *f)
{
    if (!f->smtp)
        return;
    smtp_fini(f->smtp);
    slab_put(&pl->sessions, f->smtp);
    f->smtp = NULL;
}

static void
streams_drop(struct flow *f)
{
    for (unsigned i = 0; i < 2; i++) {
        if (f->side[i].stream.pool)
            reassembly_fini(&f->side[i].stream);
        f->side[i].stream.pool = NULL;
    }
}

void
tcp_end(struct pipeline *pl, struct flow *f)
{
    session_drop(pl, f);
    if (f->refusal)
        slab_put(&pl->refusals, f->refusal);
    streams_drop(f);
    timer_cancel(&f->timer);
    flow_remove(pl->flows, f);
    pl->counter[COUNTER_FLOWS_ENDED]++;
}

/* What follows is not read; nothing needs to be kept for it. */
static void
go_blind(struct pipeline *pl, struct flow *f)
{
    session_drop(pl, f);
    streams_drop(f);
    flow_to(pl, f, FLOW_BLIND);
}

/* Openings */

static void
side_start(struct pipeline *pl, struct flow_side *s, uint32_t isn)
{
    s->isn = isn;
    s->has_isn = true;
    s->has_fin = s->is_fin_out = s->has_ack = false;
    s->judged = s->out = isn + 1;
    reassembly_init(&s->stream, &pl->store, isn + 1, pl->cfg->stream_octets_max);
}

/* The server answered a SYN of this ISN: what was there before is over. */
static void
answer(struct pipeline *pl, struct flow *f, const struct packet *p, uint32_t client_isn)
{
    session_drop(pl, f);
    if (f->refusal) {
        slab_put(&pl->refusals, f->refusal);
        f->refusal = NULL;
    }
    streams_drop(f);
    side_start(pl, &f->side[CLIENT], client_isn);
    side_start(pl, &f->side[SERVER], p->seq);
    f->has_reuse_isn = false;
    f->stalled_ms = 0;
    f->events = 0;
    /* In a SYN-ACK only when the client offered them, too: RFC 7323 3.2. */
    f->has_timestamps = p->has_timestamps;
    flow_to(pl, f, FLOW_ANSWERED);
}

/* The client acknowledged the answer. False: the connection was cut. */
static bool
open_session(struct pipeline *pl, struct flow *f)
{
    f->smtp = slab_get(&pl->sessions);
    if (f->smtp) {
        char address[INET6_ADDRSTRLEN];
        smtp_init(f->smtp, &pl->scanner, &pl->cfg->smtp);
        if (pl->cfg->smtp.tells_client) {
            flow_key_address(&f->key, f->client_is_first ? 0 : 1, address, sizeof(address));
            smtp_peer(f->smtp, address);
        }
        flow_to(pl, f, FLOW_OPEN);
        return true;
    }
    pl->counter[COUNTER_SESSION_CAP]++;
    if (pl->cfg->on_session_cap != FAULT_PASS) {
        refuse_cut(pl, f);
        return false;
    }
    go_blind(pl, f);
    return true;
}

void
tcp_open(struct pipeline *pl, struct packet *p, uint32_t hash, struct carrier *c)
{
    bool is_syn = !(p->flags & TCP_ACK);
    for (struct flow *old; (old = flow_half_open_surplus(pl->flows));) {
        tcp_end(pl, old);
        pl->counter[COUNTER_HALF_OPEN_EVICTED]++;
    }
    struct flow *f = flow_add(pl->flows, &p->key, hash);
    if (!f) {
        pl->counter[COUNTER_FLOW_TABLE_FULL]++;
        if (pl->cfg->on_flow_cap == FAULT_PASS) {
            pl->unknown_until_ms = pl->now_ms + pl->cfg->unknown_ms;
            carrier_forward(pl, c);
        } else
            carrier_drop(pl, c);
        return;
    }
    pl->counter[COUNTER_FLOWS]++;
    f->client_is_first = p->src_is_first == is_syn;
    f->client_port_side = is_syn ? c->side : !c->side;
    f->pair = c->pair;
    f->seen_ms = pl->now_ms;
    segment_learn(f, is_syn ? CLIENT : SERVER, p);
    if (is_syn) {
        side_start(pl, &f->side[CLIENT], p->seq);
        flow_to(pl, f, FLOW_SYN);
    } else
        answer(pl, f, p, p->ack - 1);
    /* Octets in a SYN (RFC 7413) are not let through: the client sends them again in order. */
    if (p->payload_len && c->is_linear) {
        packet_trim(p, 0);
        rte_pktmbuf_trim(c->mbufs[0], (uint16_t)(c->mbufs[0]->data_len - p->frame_len));
    } else if (p->payload_len) {
        carrier_drop(pl, c);
        return;
    }
    carrier_forward(pl, c);
}

/* Any segment with SYN on a known flow. False: it may not pass. */
static bool
input_syn(struct pipeline *pl, struct flow *f, const struct packet *p, unsigned from)
{
    struct flow_side *client = &f->side[CLIENT], *server = &f->side[SERVER];
    if (from == CLIENT) {
        if (!(p->flags & TCP_ACK) && p->seq != client->isn) {
            /* Believed only when the server answers it: a spoofed SYN must not make us forget. */
            f->has_reuse_isn = true;
            f->reuse_isn = p->seq;
        }
        return true;
    }
    if (!(p->flags & TCP_ACK))
        return true;
    bool is_ours = p->ack == client->isn + 1;
    if (is_ours && server->has_isn && p->seq == server->isn)
        return true; /* sent again */
    if (f->has_reuse_isn && p->ack == f->reuse_isn + 1)
        answer(pl, f, p, f->reuse_isn);
    else if (is_ours && (f->state == FLOW_SYN || f->state == FLOW_ANSWERED || f->state == FLOW_CLOSED))
        answer(pl, f, p, client->isn); /* SYN cookies: a repeated SYN may get another answer */
    else {
        /* The server is in a connection that we do not follow: without this the client cannot enter it. */
        pl->counter[COUNTER_UNKNOWN_DROPPED]++;
        return false;
    }
    return true;
}

/* Acknowledgments and resets */

static void
input_ack(struct pipeline *pl, struct flow *f, const struct packet *p, unsigned from)
{
    struct flow_side *me = &f->side[from], *peer = &f->side[!from];
    if (!peer->has_isn)
        return;
    if (!me->has_ack || seq_lt(me->ack, p->ack)) {
        uint32_t limit = peer->out + (peer->is_fin_out ? 1 : 0);
        if (!seq_le(p->ack, limit)) {
            pl->counter[COUNTER_ACK_UNSEEN]++;
            if (me->has_ack)
                return;
        }
        me->ack = p->ack;
        me->has_ack = true;
    }
    /* Only what is out can have been received. */
    uint32_t ack = seq_lt(peer->out, p->ack) ? peer->out : p->ack;
    reassembly_ack(&peer->stream, ack);
}

static void
input_rst(struct pipeline *pl, struct flow *f, const struct packet *p, unsigned from)
{
    const struct flow_side *me = &f->side[from], *peer = &f->side[!from];
    /* Not nxt: what is withheld the receiver does not have, and it would challenge that (RFC 5961). */
    bool is_exact = p->seq == me->out || (peer->has_ack && p->seq == peer->ack);
    /* Still read afterwards (flow.h): were it lost behind us, the connection would go on. A refusal that
     * waits for the server stays one: its session is over and must not be read on. */
    if (is_exact && f->state != FLOW_CLOSED && !f->refusal)
        flow_to(pl, f, FLOW_CLOSED);
}

/* False: the connection is not open, so no octets may pass. */
static bool
input_half_open(struct pipeline *pl, struct flow *f, const struct packet *p, unsigned from)
{
    const struct flow_side *client = &f->side[CLIENT], *server = &f->side[SERVER];
    if (f->state == FLOW_SYN || f->state == FLOW_ANSWERED) {
        bool is_exact = from == CLIENT ? p->seq == client->isn + 1 : p->ack == client->isn + 1;
        if (p->flags & TCP_RST) {
            if (is_exact)
                flow_to(pl, f, FLOW_CLOSED);
            return false;
        }
        if (f->state == FLOW_ANSWERED && from == CLIENT && (p->flags & TCP_ACK) &&
            p->ack == server->isn + 1)
            return open_session(pl, f);
        return false;
    }
    /* Closed before it was open: nobody reads it, so nothing may be said. */
    return f->smtp || f->refusal || f->state == FLOW_BLIND;
}

/* Handing on */

/* How far the receiver may be let to read: not into an early run that has not been judged to its end,
 * and an early run is reached as soon as the octet before it arrives. */
static uint32_t
out_limit(const struct flow_side *s)
{
    uint32_t start;
    if (s->judged == s->stream.nxt || !reassembly_early_run(&s->stream, s->judged, &start))
        return s->judged;
    return seq_lt(s->out, start) ? start - 1 : s->out;
}

/* Octets that have become free to go and are not in the frame at hand ([from, to)). */
static void
release(struct pipeline *pl, struct flow *f, unsigned who, uint32_t old_out, uint32_t from,
        uint32_t to)
{
    struct flow_side *s = &f->side[who];
    uint32_t at = old_out, start, len;
    while (reassembly_next_unsent(&s->stream, at, s->out, &start, &len)) {
        at = start + len;
        if (seq_le(to, start) || seq_le(at, from) || from == to) {
            segment_send_stream(pl, f, who, start, len);
            continue;
        }
        if (seq_lt(start, from))
            segment_send_stream(pl, f, who, start, from - start);
        if (seq_lt(to, at))
            segment_send_stream(pl, f, who, to, at - to);
    }
    if (s->has_fin && !s->is_fin_out && s->out == s->fin_seq) {
        segment_send(pl, f, who, s->fin_seq, s->ack, TCP_FIN | TCP_ACK, NULL, 0);
        s->is_fin_out = true;
    }
}

/* Forwards the frame as it came, or with its octets rewritten (is_changed), payload cut to keep. */
static void
forward(struct pipeline *pl, struct flow *f, unsigned from, struct packet *p, struct carrier *c,
        uint32_t keep, bool is_changed)
{
    if (!c->is_linear && (c->is_pieces || is_changed || keep < p->payload_len)) {
        const struct flow_side *me = &f->side[from];
        uint32_t end = p->seq + keep, at = seq_lt(p->seq, me->stream.una) ? me->stream.una : p->seq;
        if (seq_lt(at, end))
            segment_send_stream(pl, f, from, at, end - at);
        if ((p->flags & TCP_FIN) && keep == p->payload_len && me->is_fin_out)
            segment_send(pl, f, from, end, p->ack, TCP_FIN | TCP_ACK, NULL, 0);
        carrier_drop(pl, c);
        return;
    }
    if (keep < p->payload_len || ((p->flags & TCP_FIN) && !f->side[from].is_fin_out))
        packet_trim(p, keep);
    else if (is_changed)
        packet_checksum_write(p);
    if (c->is_linear && p->frame_len < c->mbufs[0]->data_len)
        rte_pktmbuf_trim(c->mbufs[0], (uint16_t)(c->mbufs[0]->data_len - p->frame_len));
    carrier_forward(pl, c);
}

/* Both ends have finished. */
static void
check_closed(struct pipeline *pl, struct flow *f)
{
    if (f->state == FLOW_OPEN && f->side[CLIENT].is_fin_out && f->side[SERVER].is_fin_out)
        flow_to(pl, f, FLOW_CLOSED);
}

/* After server octets: what the client's side waited for. */
static void
go_on_client(struct pipeline *pl, struct flow *f)
{
    struct flow_side *c = &f->side[CLIENT];
    uint32_t old_out = c->out;
    judge_client(pl, f);
    c->out = out_limit(c);
    release(pl, f, CLIENT, old_out, old_out, old_out);
}

static bool
fits_fin(const struct flow_side *me, const struct packet *p)
{
    uint32_t end = p->seq + p->payload_len;
    if (me->has_fin)
        return seq_le(end, me->fin_seq) && (!(p->flags & TCP_FIN) || end == me->fin_seq);
    if (!(p->flags & TCP_FIN))
        return true;
    /* The first octets win here, too: a FIN before octets that have been seen is not the end. */
    const struct chunk *last = me->stream.tail;
    return seq_le(me->stream.nxt, end) && (!last || seq_le(last->seq + last->len, end));
}

/* Payload or FIN of an open flow. is_edited: its head was, in our copy of it. */
static void
input_octets(struct pipeline *pl, struct flow *f, struct packet *p, struct carrier *c, unsigned from,
             bool is_edited)
{
    struct flow_side *me = &f->side[from];
    uint32_t len = p->payload_len, end = p->seq + len;
    bool has_fin = p->flags & TCP_FIN;

    if (seq_le(end, me->stream.una) && (!has_fin || (me->has_fin && me->is_fin_out))) {
        pl->counter[COUNTER_SEGMENTS_OLD]++;
        bool is_ancient = me->stream.una - end > me->stream.octets_max;
        if (c->is_pieces && !is_ancient) /* all it can get is an acknowledgment */
            segment_send(pl, f, from, p->seq, p->ack, TCP_ACK, NULL, 0);
        if (c->is_pieces || is_ancient)
            carrier_drop(pl, c);
        else
            carrier_forward(pl, c);
        return;
    }
    if (!fits_fin(me, p)) {
        pl->counter[COUNTER_AFTER_FIN]++;
        carrier_drop(pl, c);
        return;
    }
    uint32_t conflicts = 0, old_nxt = me->stream.nxt, old_out = me->out;
    bool is_early = seq_lt(old_nxt, p->seq);
    uint8_t *payload = p->frame + p->payload_off;
    if ((int32_t)(end - old_nxt) > (int32_t)me->stream.octets_max ||
        (len && reassembly_insert(&me->stream, p->seq, payload, len, is_early, &conflicts))) {
        pl->counter[COUNTER_STORE_FULL]++;
        carrier_drop(pl, c);
        return;
    }
    bool is_changed = is_edited || conflicts != 0;
    if (conflicts) {
        pl->counter[COUNTER_CONFLICTS]++;
        judge_event(pl, f, EVENT_TCP_CONFLICT);
    }
    if (has_fin) {
        me->has_fin = true;
        me->fin_seq = end;
    }
    if (from == CLIENT)
        judge_client(pl, f);
    else
        judge_server(f);
    me->out = out_limit(me);

    if (is_early) {
        pl->counter[COUNTER_SEGMENTS_EARLY]++;
        if (has_fin)
            me->is_fin_out = true;
        forward(pl, f, from, p, c, len, is_changed);
        return;
    }
    if (pl->cfg->smtp.starttls != STARTTLS_PASS) {
        /* The session may have overwritten a keyword in the store. */
        reassembly_copy(&me->stream, p->seq, payload, len);
        is_changed = true;
    }
    uint32_t keep = seq_le(end, me->out) ? len : seq_lt(p->seq, me->out) ? me->out - p->seq : 0;
    bool is_fin_due = has_fin && me->out == me->fin_seq;
    if (is_fin_due)
        me->is_fin_out = true;
    if (keep == len && (!has_fin || is_fin_due || len))
        forward(pl, f, from, p, c, len, is_changed);
    else if (keep) {
        pl->counter[COUNTER_HELD]++;
        forward(pl, f, from, p, c, keep, is_changed);
    } else {
        pl->counter[COUNTER_HELD]++;
        carrier_drop(pl, c);
    }
    release(pl, f, from, old_out, p->seq, p->seq + keep);
}

static void
after_octets(struct pipeline *pl, struct flow *f, unsigned from)
{
    if (f->refusal) {
        refuse_check(pl, f, f->side[SERVER].is_fin_out);
        return;
    }
    if (from == SERVER) {
        if (f->stalled_ms)
            go_on_client(pl, f);
        if (f->refusal) {
            refuse_check(pl, f, false);
            return;
        }
    }
    if (f->smtp && smtp_is_blind(f->smtp)) {
        /* Octets that waited for this reply are out by now: the session reads everything when blind. */
        if (f->stalled_ms)
            go_on_client(pl, f);
        go_blind(pl, f);
        return;
    }
    check_closed(pl, f);
}

void
tcp_segment(struct pipeline *pl, struct flow *f, struct packet *p, struct carrier *c)
{
    unsigned from = p->src_is_first == f->client_is_first ? CLIENT : SERVER;
    if (!pl->cfg->is_one_armed[f->pair] &&
        (c->pair != f->pair || (c->side == f->client_port_side) != (from == CLIENT))) {
        /* Nobody speaks in the other end's name. */
        pl->counter[COUNTER_WRONG_SIDE]++;
        carrier_drop(pl, c);
        return;
    }
    f->seen_ms = pl->now_ms;
    if (refuse_has_taken_over(f)) {
        if (from == CLIENT && (p->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN) {
            /* The client begins anew on the same ports: nothing of the old connection is left. */
            uint32_t hash = flow_hash(pl->flows, &f->key);
            tcp_end(pl, f);
            tcp_open(pl, p, hash, c);
            return;
        }
        segment_learn(f, from, p);
        if (!refuse_segment(pl, f, p, from))
            tcp_end(pl, f);
        carrier_drop(pl, c);
        return;
    }
    if (p->flags & TCP_SYN) {
        bool may_pass = input_syn(pl, f, p, from);
        if (may_pass)
            segment_learn(f, from, p);
        if (!may_pass || p->payload_len)
            carrier_drop(pl, c);
        else
            carrier_forward(pl, c);
        return;
    }
    if (f->state == FLOW_REFUSING && !f->refusal) {
        /* Cut (refuse_cut); nothing of it goes on. */
        carrier_drop(pl, c);
        return;
    }
    segment_learn(f, from, p);
    if (!input_half_open(pl, f, p, from)) {
        if (p->payload_len || f->state == FLOW_REFUSING)
            carrier_drop(pl, c);
        else
            carrier_forward(pl, c);
        return;
    }
    if (f->state == FLOW_BLIND) {
        if (p->flags & (TCP_RST | TCP_FIN))
            timer_set(&pl->wheel, &f->timer, pl->now_ms + pl->cfg->closed_ms);
        carrier_forward(pl, c);
        return;
    }
    if (p->flags & TCP_ACK)
        input_ack(pl, f, p, from);
    if (p->flags & TCP_RST) {
        if (f->refusal && from == SERVER) {
            refuse_check(pl, f, true);
            carrier_drop(pl, c);
            return;
        }
        input_rst(pl, f, p, from);
        carrier_forward(pl, c);
        return;
    }
    if (!(p->flags & TCP_ACK)) {
        carrier_drop(pl, c); /* as every receiver does: RFC 9293 3.10.7.4 */
        return;
    }
    bool is_edited = false;
    if (p->flags & TCP_URG) {
        judge_event(pl, f, EVENT_TCP_URGENT);
        packet_clear_urgent(p);
        is_edited = true;
    }
    bool is_server_ending = f->refusal && from == SERVER && (p->flags & TCP_FIN);
    if (is_server_ending) {
        /* Our reply is still to come, so the client must not see the end. */
        packet_trim(p, p->payload_len);
        is_edited = true;
    }
    if (!p->payload_len && !(p->flags & TCP_FIN)) {
        if (is_edited && !c->is_linear) {
            segment_send(pl, f, from, p->seq, p->ack, TCP_ACK, NULL, 0);
            carrier_drop(pl, c);
        } else
            carrier_forward(pl, c);
    } else {
        if (f->state == FLOW_CLOSED)
            timer_set(&pl->wheel, &f->timer, pl->now_ms + pl->cfg->closed_ms);
        input_octets(pl, f, p, c, from, is_edited);
        after_octets(pl, f, from);
    }
    if (is_server_ending && f->side[SERVER].stream.nxt == p->seq + p->payload_len)
        refuse_check(pl, f, true);
}

void
tcp_timer(struct pipeline *pl, struct flow *f)
{
    if (refuse_has_taken_over(f)) {
        uint64_t due = refuse_timer(pl, f);
        if (due)
            timer_set(&pl->wheel, &f->timer, due);
        else
            tcp_end(pl, f);
        return;
    }
    if (f->refusal) { /* waited long enough for the server */
        refuse_check(pl, f, true);
        return;
    }
    if (f->stalled_ms && pl->now_ms >= f->stalled_ms + pl->cfg->stall_ms) {
        f->stalled_ms = 0;
        judge_event(pl, f, EVENT_STALL_TIMEOUT);
        if (f->refusal) {
            refuse_check(pl, f, true);
            return;
        }
        if (f->state == FLOW_REFUSING)
            return; /* cut at the cap of refusals: nothing of it may go on */
        /* To let them go unread is what the operator chose. */
        f->side[CLIENT].judged = f->side[CLIENT].stream.nxt;
        uint32_t old_out = f->side[CLIENT].out;
        f->side[CLIENT].out = f->side[CLIENT].judged;
        release(pl, f, CLIENT, old_out, old_out, old_out);
        go_blind(pl, f);
        return;
    }
    if (f->smtp)
        smtp_let_go(f->smtp); /* who keeps a connection alive, and says nothing, does not keep a rule set */
    uint64_t due = f->seen_ms + patience_ms(pl, f);
    if (f->stalled_ms)
        due = RTE_MIN(due, f->stalled_ms + pl->cfg->stall_ms);
    if (due <= pl->now_ms)
        tcp_end(pl, f);
    else
        timer_set(&pl->wheel, &f->timer, due);
}
