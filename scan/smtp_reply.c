#include "scan/smtp_private.h"

#include <string.h>

/* Data that was fed after command cmd is not what its reply is about. */
static bool
is_begun_before(const struct smtp_session *s, uint32_t cmd)
{
    return s->is_begun && (int32_t)(s->fed_cmd - cmd) < 0;
}

static void
reply_address(struct smtp_session *s, bool is_accepted)
{
    if (is_accepted && s->address_asked[0] != '\0')
        memcpy(s->address, s->address_asked, sizeof(s->address));
    s->address_asked[0] = '\0';
}

/* XCLIENT's 220 is a new greeting: the server has forgotten everything (XCLIENT_README). */
static void
reply_xclient(struct smtp_session *s, uint32_t cmd, bool is_accepted)
{
    reply_address(s, is_accepted);
    if (is_accepted)
        s->has_chunking = false;
    if (is_accepted && !s->is_judged) {
        if (!s->is_begun || is_begun_before(s, cmd))
            smtp_server_dropped(s);
        envelope_reset(&s->envelope, cmd);
        envelope_reset_reply(&s->envelope, cmd, true);
        s->has_mail = s->has_rcpt = false;
    }
}

static void
reply_data(struct smtp_session *s, uint32_t cmd, bool is_go)
{
    if (s->state != SMTP_DATA_WAIT)
        return;
    if (!is_go) {
        smtp_to(s, SMTP_COMMAND);
        return;
    }
    body_init(&s->body, false);
    smtp_to(s, SMTP_DATA);
    if (s->is_begun || s->is_over)
        return;
    if (s->pair.first == NULL && !s->is_unscanned && !pair_new(&s->pair, s->sc)) {
        smtp_raise_server(s, EVENT_MESSAGE_CAP);
        s->is_unscanned = true;
    }
    smtp_begin_data(s, cmd);
}

/* A 354 to what was not read as DATA: the server has read some line in another way (a CR as its end, say)
 * and takes for message what follows. Then it is one: nothing is accepted unjudged. */
static void
reply_354_unasked(struct smtp_session *s, uint32_t cmd)
{
    if (s->state != SMTP_COMMAND || s->line.total != 0 || smtp_owed_cnt(s) != 0 || s->is_judged)
        return;
    smtp_to(s, SMTP_DATA_WAIT);
    reply_data(s, cmd, true);
}

static void
reply_mail(struct smtp_session *s, uint32_t cmd, bool is_accepted)
{
    bool was_second = s->envelope.second.is_set && s->envelope.second.cmd == cmd;

    if (s->is_judged)
        return;
    envelope_mail_reply(&s->envelope, cmd, is_accepted);
    if (is_accepted ? was_second && is_begun_before(s, cmd) : !s->is_begun && !s->envelope.first.is_set) {
        /* Accepted beside data: the server has begun anew. Refused: nothing is left to pin rules for. */
        smtp_server_dropped(s);
    }
}

static void
reply_to(struct smtp_session *s, unsigned kind, uint32_t cmd, unsigned code)
{
    bool is_ok = code / 100 == 2, is_go = code / 100 == 3;

    switch (kind) {
    case OWED_GREETING:
        s->is_greeted = true;
        break;
    case VERB_EHLO:
    case VERB_HELO:
    case VERB_LHLO:
    case VERB_RSET:
        if (is_ok && kind != VERB_RSET) {
            s->is_lmtp = kind == VERB_LHLO;
            s->has_chunking = kind != VERB_HELO && s->reply.has_chunking;
        }
        if (s->is_judged)
            break;
        if (is_ok && is_begun_before(s, cmd))
            smtp_server_dropped(s);
        envelope_reset_reply(&s->envelope, cmd, is_ok);
        break;
    case VERB_MAIL:
        reply_mail(s, cmd, is_ok);
        break;
    case VERB_RCPT:
        if (!s->is_judged)
            envelope_rcpt_reply(&s->envelope, cmd, is_ok);
        break;
    case VERB_DATA:
        reply_data(s, cmd, is_go);
        break;
    case VERB_BDAT:
        if (!is_ok && s->is_begun && (int32_t)(cmd - s->fed_cmd) >= 0)
            smtp_server_dropped(s);
        break;
    case VERB_AUTH:
    case OWED_AUTH_LINE:
        if (s->state == SMTP_AUTH_WAIT)
            smtp_to(s, is_go ? SMTP_AUTH_LINE : SMTP_COMMAND);
        break;
    case VERB_STARTTLS:
        if (s->state != SMTP_STARTTLS_WAIT)
            break;
        smtp_to(s, SMTP_COMMAND);
        if (is_ok) {
            smtp_server_dropped(s);
            smtp_to(s, SMTP_BLIND);
            smtp_raise_server(s, EVENT_STARTTLS_BLIND);
        }
        break;
    case VERB_XFORWARD:
        reply_address(s, is_ok);
        break;
    case VERB_XCLIENT:
        reply_xclient(s, cmd, is_ok);
        break;
    case VERB_TURN:
        if (is_ok) { /* the roles are exchanged: the client's octets are replies now */
            smtp_server_dropped(s);
            smtp_to(s, SMTP_BLIND);
            smtp_raise_server(s, EVENT_NOT_SMTP);
        }
        break;
    default:
        if (is_go) /* the server waits for something that is no command */
            smtp_raise_server(s, EVENT_REPLY_SYNTAX);
        if (code == 354)
            reply_354_unasked(s, cmd);
        break;
    }
    if (s->state == SMTP_SETTLE_WAIT && smtp_owed_cnt(s) == 0)
        smtp_to(s, SMTP_COMMAND);
}

static void
reply_end(struct smtp_session *s, unsigned code)
{
    uint32_t cmd = s->replies_cnt;

    if (smtp_owed_cnt(s) == 0) {
        /* A 421 may come at any time: the server is closing (RFC 5321 3.8). */
        if (code != 421)
            smtp_raise_server(s, EVENT_REPLY_UNSOLICITED);
        if (code == 354)
            reply_354_unasked(s, cmd);
        return;
    }
    s->replies_cnt++;
    reply_to(s, s->ring[cmd % PIPELINE_MAX], cmd, code);
}

/* The server's list of extensions is being read. */
static bool
is_ehlo_reply(const struct smtp_session *s)
{
    uint8_t kind;

    if (smtp_owed_cnt(s) == 0)
        return false;
    kind = s->ring[s->replies_cnt % PIPELINE_MAX];
    return kind == VERB_EHLO || kind == VERB_LHLO;
}

void
smtp_server(struct smtp_session *s, uint8_t *octets, size_t len)
{
    for (size_t at = 0; at < len && s->state != SMTP_BLIND;) {
        enum reply_next next;

        at += reply_feed(&s->reply, octets + at, len - at, &next);
        if (next == REPLY_KEYWORD && s->cfg->starttls == STARTTLS_STRIP && is_ehlo_reply(s)) {
            octets[at - 1] = STRIPPED_LETTER;
            smtp_raise_server(s, EVENT_STARTTLS_STRIPPED);
        }
        if ((next == REPLY_LINE || next == REPLY_END) && s->reply.is_bad)
            smtp_raise_server(s, EVENT_REPLY_SYNTAX);
        if (next == REPLY_END)
            reply_end(s, s->reply.code);
    }
}
