#include "scan/smtp_private.h"

#include <string.h>

/* --- events and judgements ---------------------------------------------------------------------- */

bool
smtp_note(struct smtp_session *s, enum event e)
{
    s->events |= EVENT_BIT(e);
    if (s->pair.first != NULL && !s->has_ended)
        pair_event(&s->pair, e);
    else
        s->sc->event_cnt[e]++;
    return verdict_forwards(s->sc->event_action[e]);
}

/* The judgement of the message, as it stands. */
static void
end_message(struct smtp_session *s, bool is_whole)
{
    if (s->pair.first != NULL && s->is_begun) {
        s->judgement = *pair_end(&s->pair, is_whole);
        s->has_ended = true;
        s->events |= s->judgement.events;
    } else {
        memset(&s->judgement, 0, sizeof(s->judgement));
        s->judgement.octets = s->unscanned_octets;
        if (s->is_unscanned) {
            s->judgement.verdict = s->sc->event_action[EVENT_MESSAGE_CAP];
            s->judgement.cause = EVENT_MESSAGE_CAP;
            s->judgement.events = EVENT_BIT(EVENT_MESSAGE_CAP);
        }
    }
    s->is_judged = true;
}

/* A rule set that was taken back meanwhile says no more than "later". */
static bool
is_in_doubt(const struct smtp_session *s)
{
    const struct ruleset *rs = message_ruleset(s->pair.first);

    return s->judgement.cause == EVENT_NONE && s->judgement.by_score > VERDICT_CLOSE && rs != NULL &&
           ruleset_is_returned(rs);
}

/* What other than the score of the one rule set decides. */
static void
settle(struct smtp_session *s)
{
    if (is_in_doubt(s))
        pair_doubt(&s->pair, EVENT_RULES_RETURNED, &s->judgement);
    else if (s->pair.second != NULL)
        s->pair.how->judged(s->pair.how->owner, s, &s->pair, &s->judgement);
    s->events |= s->judgement.events;
}

/* The verdict stands now, whatever message_end() had found. */
static void
count_judged(struct smtp_session *s)
{
    s->is_over = !verdict_forwards(s->judgement.verdict);
    if (!s->is_begun)
        return;
    s->messages_cnt++;
    s->sc->message_cnt[s->judgement.verdict]++;
}

void
smtp_judge(struct smtp_session *s)
{
    end_message(s, true);
    if (s->has_ended)
        settle(s);
    count_judged(s);
}

void
smtp_judge_event(struct smtp_session *s, enum event e)
{
    end_message(s, false);
    s->judgement.verdict = s->sc->event_action[e];
    s->judgement.cause = e;
    s->judgement.events |= EVENT_BIT(e);
    count_judged(s);
}

bool
smtp_raise(struct smtp_session *s, enum event e)
{
    if (smtp_note(s, e))
        return true;
    smtp_judge_event(s, e);
    return false;
}

bool
smtp_raise_all(struct smtp_session *s, uint64_t events)
{
    static const enum event order[] = {EVENT_SMUGGLED_EOD};

    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        if (events & EVENT_BIT(order[i])) {
            events &= ~EVENT_BIT(order[i]);
            if (!smtp_raise(s, order[i]))
                return false;
        }
    }
    for (; events != 0; events &= events - 1) {
        if (!smtp_raise(s, (enum event)__builtin_ctzll(events)))
            return false;
    }
    return true;
}

void
smtp_raise_server(struct smtp_session *s, enum event e)
{
    if (!smtp_note(s, e) && s->server_event == EVENT_NONE)
        s->server_event = e;
}

/* --- transactions ------------------------------------------------------------------------------- */

void
smtp_drop_message(struct smtp_session *s)
{
    pair_free(&s->pair);
    s->is_begun = false;
    s->is_unscanned = false;
    s->has_ended = false;
    s->unscanned_octets = 0;
}

static bool
is_expired(const struct message *m)
{
    return m != NULL && message_ruleset(m) != NULL && ruleset_is_expired(message_ruleset(m));
}

void
smtp_let_go(struct smtp_session *s)
{
    if (!is_expired(s->pair.first) && !is_expired(s->pair.second))
        return;
    if (s->is_judged || !s->is_begun) {
        smtp_drop_message(s);
        return;
    }
    pair_free(&s->pair);
    s->is_unscanned = true;
    smtp_note(s, EVENT_MESSAGE_CAP);
}

void
smtp_forget_judged(struct smtp_session *s)
{
    smtp_drop_message(s);
    envelope_clear(&s->envelope);
    s->has_mail = s->has_rcpt = s->is_rcpt_capped = false;
    s->is_judged = false;
}

bool
smtp_pin_message(struct smtp_session *s)
{
    if (s->pair.first != NULL || s->is_unscanned || pair_new(&s->pair, s->sc))
        return true;
    if (!smtp_raise(s, EVENT_MESSAGE_CAP))
        return false;
    s->is_unscanned = true;
    return true;
}

static void
tell_client(struct smtp_session *s)
{
    const char *address = *s->address ? s->address : s->peer;

    pair_client(&s->pair, (struct span){(const uint8_t *)address, strlen(address)},
                (struct span){s->helo, s->helo_len});
}

bool
smtp_begin_data(struct smtp_session *s, uint32_t cmd)
{
    if (s->is_begun)
        return true;
    if (!smtp_pin_message(s))
        return false;
    s->is_begun = true;
    s->fed_cmd = cmd;
    if (s->pair.first == NULL)
        return true;
    if (s->sc->pairing != NULL)
        s->sc->pairing->begin(s->sc->pairing->owner, s, &s->pair);
    if (s->cfg->tells_client)
        tell_client(s);
    pair_mail(&s->pair, envelope_mail_path(&s->envelope));
    for (unsigned i = 0, n = envelope_rcpt_cnt(&s->envelope); i < n; i++)
        pair_rcpt(&s->pair, envelope_rcpt_path(&s->envelope, i));
    return true;
}

void
smtp_feed(struct smtp_session *s, struct span run)
{
    if (run.len == 0)
        return;
    if (s->pair.first != NULL)
        pair_feed(&s->pair, run.ptr, run.len);
    else
        s->unscanned_octets += run.len;
}

void
smtp_server_dropped(struct smtp_session *s)
{
    if (s->is_judged || s->is_over)
        return;
    if (s->state == SMTP_CHUNK)
        s->drop_chunk = true;
    else
        smtp_drop_message(s);
}
