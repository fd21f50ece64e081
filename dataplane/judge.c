#include "dataplane/judge.h"

#include <stddef.h>
#include <string.h>

#include <rte_debug.h>

#include "dataplane/pipeline.h"
#include "dataplane/refuse.h"

void
judge_event(struct pipeline *pl, struct flow *f, enum event e)
{
    enum verdict v = pl->scanner.event_action[e];
    f->events |= EVENT_BIT(e);
    pl->scanner.event_cnt[e]++;
    if (!verdict_forwards(v) && f->smtp && !f->refusal)
        refuse_begin(pl, f, v, e, smtp_replies_cnt(f->smtp), f->side[CLIENT].judged);
}

static void
record_text(struct record *r, uint16_t *cnt, const void *text, size_t len)
{
    if (len + 1 > (size_t)(RECORD_TEXT_MAX - r->text_len))
        return;
    for (size_t i = 0; i < len; i++) {
        char c = ((const char *)text)[i];
        r->text[r->text_len + i] = c ? c : '?';
    }
    r->text[r->text_len + len] = 0;
    r->text_len = (uint16_t)(r->text_len + len + 1);
    if (cnt)
        (*cnt)++;
}

static void
record_rules(struct record *r, uint16_t *cnt, const struct ruleset *rs, const struct judgement *j, unsigned max)
{
    for (unsigned i = 0; i < j->rules_cnt && i < max; i++) {
        const char *name = ruleset_rule_name(rs, j->rules[i]);
        record_text(r, cnt, name, strlen(name));
    }
}

/* The judgement that did not decide. */
static void
record_other(struct record *r, const struct pair *p)
{
    bool is_first = p->decides == p->second;
    const struct judgement *j = is_first ? p->ja : p->jb;
    r->stage = (uint8_t)(p->mode & SECOND_STAGE_MASK);
    r->deferred_try = (uint8_t)p->note;
    r->other_generation = j->generation;
    r->other_score_milli = j->score_milli;
    r->other_verdict = (uint8_t)j->by_score;
    record_rules(r, &r->other_rule_cnt, message_ruleset(is_first ? p->first : p->second), j, RECORD_OTHER_RULES_MAX);
}

static void
record_message_id(struct record *r, struct span id)
{
    size_t len = id.len < sizeof(r->message_id) - 1 ? id.len : sizeof(r->message_id) - 1;
    for (size_t i = 0; i < len; i++)
        r->message_id[i] = id.ptr[i] ? (char)id.ptr[i] : '?';
}

static void
write_record(struct pipeline *pl, const struct flow *f, const struct judgement *j)
{
    const struct smtp_session *s = f->smtp;
    if (!pl->records || (!j->octets && !smtp_mail_from(s).len && !smtp_rcpt_cnt(s)))
        return;
    struct record *r = record_reserve(pl->records);
    if (!r) {
        pl->counter[COUNTER_RECORDS_DROPPED]++;
        return;
    }
    unsigned src = f->client_is_first ? 0 : 1;
    memset(r, 0, offsetof(struct record, text));
    flow_key_address(&f->key, src, r->src, sizeof(r->src));
    flow_key_address(&f->key, !src, r->dst, sizeof(r->dst));
    strncpy(r->client, smtp_client_address(s), sizeof(r->client) - 1);
    r->sport = f->key.port[src];
    r->dport = f->key.port[!src];
    r->n = smtp_message_number(s);
    r->generation = j->generation;
    r->score_milli = j->score_milli;
    r->verdict = j->verdict;
    r->score_verdict = j->by_score;
    record_message_id(r, smtp_message_id(s));
    r->cause = (uint8_t)j->cause;
    r->events = j->events | f->events;
    r->octets = j->octets;
    record_text(r, NULL, smtp_mail_from(s).ptr, smtp_mail_from(s).len);
    for (unsigned i = 0; i < smtp_rcpt_cnt(s); i++)
        record_text(r, &r->rcpt_cnt, smtp_rcpt(s, i).ptr, smtp_rcpt(s, i).len);
    const struct ruleset *rs = smtp_ruleset(s);
    if (rs)
        record_rules(r, &r->rule_cnt, rs, j, JUDGEMENT_RULES_MAX);
    if (smtp_pair(s))
        record_other(r, smtp_pair(s));
    record_commit(pl->records);
}

void
judge_client(struct pipeline *pl, struct flow *f)
{
    struct flow_side *c = &f->side[CLIENT];
    if (f->state == FLOW_REFUSING || f->refusal || !f->smtp)
        return;
    /* What may be handed on if the next message is refused: all up to here, no part of it. */
    uint32_t cut = c->judged, replies_due = smtp_answerable_cnt(f->smtp);
    while (c->judged != c->stream.nxt) {
        uint32_t len = 0;
        uint8_t *octets = reassembly_at(&c->stream, c->judged, &len);
        enum smtp_next next = SMTP_MORE;
        len = RTE_MIN(len, c->stream.nxt - c->judged);
        uint32_t read = (uint32_t)smtp_client(f->smtp, octets, len, &next);
        c->judged += read;
        if (next == SMTP_WANT_REPLY)
            break;
        RTE_VERIFY(read || next == SMTP_JUDGED);
        if (next != SMTP_JUDGED)
            continue;
        const struct judgement *j = smtp_judgement(f->smtp);
        write_record(pl, f, j);
        smtp_forget_pair(f->smtp);
        if (!verdict_forwards(j->verdict)) {
            uint32_t read_seq = c->judged;
            c->judged = cut;
            refuse_begin(pl, f, j->verdict, j->cause, replies_due, read_seq);
            return;
        }
        cut = c->judged;
        replies_due = smtp_answerable_cnt(f->smtp);
    }
    if (c->judged == c->stream.nxt)
        f->stalled_ms = 0;
    else if (!f->stalled_ms) {
        f->stalled_ms = pl->now_ms;
        timer_set(&pl->wheel, &f->timer, pl->now_ms + pl->cfg->stall_ms);
    }
}

void
judge_server(struct flow *f)
{
    struct flow_side *s = &f->side[SERVER];
    while (s->judged != s->stream.nxt) {
        uint32_t len = 0;
        uint8_t *octets = reassembly_at(&s->stream, s->judged, &len);
        len = RTE_MIN(len, s->stream.nxt - s->judged);
        if (f->smtp)
            smtp_server(f->smtp, octets, len);
        s->judged += len;
    }
}
