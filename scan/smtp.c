#include "scan/smtp.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>
#include <strings.h>

#include "scan/body.h"
#include "scan/command.h"
#include "scan/envelope.h"
#include "scan/line.h"
#include "scan/proxy.h"
#include "scan/reply.h"

enum smtp_state {
    SMTP_PROXY,
    SMTP_COMMAND,
    SMTP_DATA_WAIT,
    SMTP_DATA,
    SMTP_CHUNK,
    SMTP_SETTLE_WAIT,
    SMTP_AUTH_WAIT,
    SMTP_AUTH_LINE,
    SMTP_STARTTLS_WAIT,
    SMTP_BLIND
};

/* What the server owes a reply to: a verb (command.h), or one of these. One octet in the ring. */
enum owed { OWED_GREETING = VERB_CNT, OWED_AUTH_LINE, OWED_END };

/* In place of the last letter of STARTTLS. */
enum { STRIPPED_LETTER = 'X' };

struct smtp_session {
    struct scanner *sc;
    const struct smtp_config *cfg;
    struct message *m; /* NULL outside a transaction, and in one at MESSAGE_CAP */
    enum smtp_state state;
    uint32_t commands_cnt, replies_cnt; /* also running numbers of commands; ring[number % max] */
    uint32_t fed_cmd;                   /* number of the command that began the data of m */
    uint32_t chunk_left;
    uint32_t messages_cnt;
    uint64_t events;
    uint64_t unscanned_octets;

    bool is_begun;       /* data of the transaction has begun (m or unscanned) */
    bool is_unscanned;   /* MESSAGE_CAP, and its action forwards */
    bool is_judged;      /* judgement is readable; the transaction is over */
    bool is_over;        /* a judgement does not forward: no more client octets */
    bool has_ended;      /* message_end(m) was called */
    bool has_waited;     /* the event for octets before a reply was raised */
    bool is_last_chunk;
    bool drop_chunk;     /* the server refused an earlier chunk while this one was read */
    bool has_first;      /* the first octets have been told from TLS and HTTP */
    bool is_greeted, is_lmtp;
    bool has_mail, has_rcpt; /* commands of this transaction, for COMMAND_ORDER */
    bool is_rcpt_capped;
    enum event server_event; /* what the server's side raised and does not forward */

    struct body body;
    struct reply reply;
    struct proxy proxy;
    char address[PROXY_ADDRESS_SIZE];
    char address_asked[PROXY_ADDRESS_SIZE]; /* of an XCLIENT that is not answered */
    struct judgement judgement;
    struct line line;
    struct envelope envelope;
    uint8_t ring[PIPELINE_MAX];
};

static_assert(sizeof(struct smtp_session) <= 12288, "one for each flow");
static_assert((PIPELINE_MAX & (PIPELINE_MAX - 1)) == 0, "running numbers wrap with the ring");

size_t
smtp_session_size(void)
{
    return (sizeof(struct smtp_session) + 63) / 64 * 64;
}

static void
smtp_to(struct smtp_session *s, enum smtp_state state)
{
    s->state = state;
    s->has_waited = false;
}

/* --- what is owed ------------------------------------------------------------------------------- */

static uint32_t
owed_cnt(const struct smtp_session *s)
{
    return s->commands_cnt - s->replies_cnt;
}

static void
owe(struct smtp_session *s, unsigned kind)
{
    /* smtp_client stops before a command that has no place; LMTP's replies are cut in end_replies(). */
    assert(owed_cnt(s) < PIPELINE_MAX);
    s->ring[s->commands_cnt++ % PIPELINE_MAX] = (uint8_t)kind;
}

/* --- events and judgements ---------------------------------------------------------------------- */

/* Counts e where it belongs. True when its action forwards. */
static bool
note(struct smtp_session *s, enum event e)
{
    s->events |= EVENT_BIT(e);
    if (s->m != NULL && !s->has_ended)
        message_event(s->m, e);
    else
        s->sc->event_cnt[e]++;
    return verdict_forwards(s->sc->event_action[e]);
}

/* The judgement of m, as it stands. */
static void
end_message(struct smtp_session *s)
{
    if (s->m != NULL && s->is_begun) {
        s->judgement = *message_end(s->m);
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
    if (s->is_begun)
        s->messages_cnt++;
    s->is_judged = true;
}

static void
judge_event(struct smtp_session *s, enum event e)
{
    end_message(s);
    s->judgement.verdict = s->sc->event_action[e];
    s->judgement.cause = e;
    s->judgement.events |= EVENT_BIT(e);
    s->is_over = true;
}

/* An event of the client's side. True: it forwards, go on. */
static bool
raise_event(struct smtp_session *s, enum event e)
{
    if (note(s, e))
        return true;
    judge_event(s, e);
    return false;
}

/* Several at one octet. The most telling first: it gives the cause. */
static bool
raise_events(struct smtp_session *s, uint64_t events)
{
    static const enum event order[] = {EVENT_SMUGGLED_EOD};

    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        if (events & EVENT_BIT(order[i])) {
            events &= ~EVENT_BIT(order[i]);
            if (!raise_event(s, order[i]))
                return false;
        }
    }
    for (; events != 0; events &= events - 1) {
        if (!raise_event(s, (enum event)__builtin_ctzll(events)))
            return false;
    }
    return true;
}

/* An event of the server's side: it takes effect when the client is read next. */
static void
raise_server_event(struct smtp_session *s, enum event e)
{
    if (!note(s, e) && s->server_event == EVENT_NONE)
        s->server_event = e;
}

/* --- transactions ------------------------------------------------------------------------------- */

/* The message goes; the envelope stays. */
static void
drop_message(struct smtp_session *s)
{
    if (s->m != NULL)
        message_free(s->m);
    s->m = NULL;
    s->is_begun = false;
    s->is_unscanned = false;
    s->has_ended = false;
    s->unscanned_octets = 0;
}

static void
forget_judged(struct smtp_session *s)
{
    drop_message(s);
    envelope_clear(&s->envelope);
    s->has_mail = s->has_rcpt = s->is_rcpt_capped = false;
    s->is_judged = false;
}

/* Pins the rules. False: judged. */
static bool
pin_message(struct smtp_session *s)
{
    if (s->m != NULL || s->is_unscanned)
        return true;
    s->m = message_new(s->sc);
    if (s->m != NULL)
        return true;
    if (!raise_event(s, EVENT_MESSAGE_CAP))
        return false;
    s->is_unscanned = true;
    return true;
}

/* The data of a transaction begins; the envelope is what the server has accepted so far. */
static bool
begin_data(struct smtp_session *s, uint32_t cmd)
{
    if (s->is_begun)
        return true;
    if (!pin_message(s))
        return false;
    s->is_begun = true;
    s->fed_cmd = cmd;
    if (s->m == NULL)
        return true;
    message_mail(s->m, envelope_mail_path(&s->envelope));
    for (unsigned i = 0, n = envelope_rcpt_cnt(&s->envelope); i < n; i++)
        message_rcpt(s->m, envelope_rcpt_path(&s->envelope, i));
    return true;
}

static void
feed(struct smtp_session *s, struct span run)
{
    if (run.len == 0)
        return;
    if (s->m != NULL)
        message_feed(s->m, run.ptr, run.len);
    else
        s->unscanned_octets += run.len;
}

/* The server has let go of the transaction's data (refused chunk, RSET, new MAIL). */
static void
server_dropped(struct smtp_session *s)
{
    if (s->is_judged || s->is_over)
        return;
    if (s->state == SMTP_CHUNK)
        s->drop_chunk = true;
    else
        drop_message(s);
}

/* Replies that follow the end of a message: LMTP gives one for each recipient (RFC 2033 4.2). */
static void
end_replies(struct smtp_session *s, uint32_t already)
{
    uint32_t n = s->is_lmtp ? envelope_rcpt_accepted(&s->envelope) : 1;

    for (; already < n && owed_cnt(s) < PIPELINE_MAX; already++)
        owe(s, OWED_END);
}

/* --- commands ----------------------------------------------------------------------------------- */

/* "192.0.2.1" or "IPV6:2001:db8::1" (XCLIENT_README); else out is "". */
static void
copy_address(char *out, struct span value)
{
    char text[PROXY_ADDRESS_SIZE];
    uint8_t binary[16];
    int family = AF_INET;

    out[0] = '\0';
    if (value.len > 5 && strncasecmp((const char *)value.ptr, "IPV6:", 5) == 0) {
        family = AF_INET6;
        value = (struct span){value.ptr + 5, value.len - 5};
    }
    if (value.len == 0 || value.len >= sizeof(text))
        return;
    memcpy(text, value.ptr, value.len);
    text[value.len] = '\0';
    if (strlen(text) == value.len && inet_pton(family, text, binary) == 1)
        inet_ntop(family, binary, out, PROXY_ADDRESS_SIZE);
}

static bool
command_mail(struct smtp_session *s, const struct command *c, uint32_t cmd)
{
    bool is_nested = s->has_mail && envelope_is_open(&s->envelope);

    if (is_nested && !raise_event(s, EVENT_COMMAND_ORDER))
        return false;
    s->has_mail = true;
    if (!is_nested)
        s->has_rcpt = s->is_rcpt_capped = false;
    envelope_mail(&s->envelope, cmd, c->path);
    return pin_message(s);
}

static bool
command_rcpt(struct smtp_session *s, const struct command *c)
{
    if (!s->has_mail && !raise_event(s, EVENT_COMMAND_ORDER))
        return false;
    s->has_rcpt = true;
    if (envelope_rcpt(&s->envelope, c->path) || s->is_rcpt_capped)
        return true;
    s->is_rcpt_capped = true;
    return raise_event(s, EVENT_RCPT_CAP);
}

static bool
command_data(struct smtp_session *s)
{
    if (!s->has_rcpt && !raise_event(s, EVENT_COMMAND_ORDER))
        return false;
    if (s->is_begun && !raise_event(s, EVENT_BDAT_MIXED))
        return false;
    smtp_to(s, SMTP_DATA_WAIT);
    return true;
}

/* The octets of the chunk, or of a last one without octets, are all read. False: judged. */
static bool
end_chunk(struct smtp_session *s)
{
    smtp_to(s, SMTP_COMMAND);
    if (s->is_last_chunk) {
        s->drop_chunk = false;
        end_replies(s, 1);
        end_message(s);
        s->is_over = !verdict_forwards(s->judgement.verdict);
        return false;
    }
    if (s->drop_chunk)
        drop_message(s);
    s->drop_chunk = false;
    return true;
}

static bool
command_bdat(struct smtp_session *s, const struct command *c, uint32_t cmd)
{
    if (!c->is_valid)
        return raise_event(s, EVENT_BDAT_SYNTAX);
    if (!s->has_rcpt && !raise_event(s, EVENT_COMMAND_ORDER))
        return false;
    if (!s->is_begun)
        body_init(&s->body, true);
    if (!begin_data(s, cmd))
        return false;
    s->is_last_chunk = c->is_last;
    s->chunk_left = c->size;
    if (c->size == 0)
        return end_chunk(s);
    smtp_to(s, SMTP_CHUNK);
    return true;
}

/* RSET and EHLO end a transaction when the server takes them. Data that was fed before (chunks) is only
 * dropped then: a server that answers 501 to "RSET x" would go on with it. */
static void
command_reset(struct smtp_session *s, uint32_t cmd)
{
    envelope_reset(&s->envelope, cmd);
    s->has_mail = s->has_rcpt = s->is_rcpt_capped = false;
    if (!s->is_begun)
        drop_message(s);
}

static bool
command_run(struct smtp_session *s, const struct command *c, uint32_t cmd)
{
    switch (c->verb) {
    case VERB_MAIL:
        return command_mail(s, c, cmd);
    case VERB_RCPT:
        return command_rcpt(s, c);
    case VERB_DATA:
        return command_data(s);
    case VERB_BDAT:
        return command_bdat(s, c, cmd);
    case VERB_EHLO:
    case VERB_HELO:
    case VERB_LHLO:
    case VERB_RSET:
        command_reset(s, cmd);
        return true;
    case VERB_AUTH:
        smtp_to(s, SMTP_AUTH_WAIT);
        return true;
    case VERB_STARTTLS:
        smtp_to(s, SMTP_STARTTLS_WAIT);
        return true;
    case VERB_XCLIENT:
    case VERB_XFORWARD: {
        struct span address = command_attribute(c->params, "ADDR");

        if (address.len > 0)
            copy_address(s->address_asked, address);
        return raise_event(s, EVENT_XCLIENT);
    }
    case VERB_UNKNOWN:
    case VERB_XEXCH50:
        return raise_event(s, EVENT_COMMAND_UNKNOWN);
    case VERB_NOOP:
    case VERB_VRFY:
    case VERB_EXPN:
    case VERB_HELP:
    case VERB_QUIT:
    case VERB_ETRN:
    case VERB_TURN:
    case VERB_CNT:
        break;
    }
    return true;
}

/* A command line is complete; `events` came with its LF. False: judged. */
static bool
command_line(struct smtp_session *s, uint64_t events, bool is_stripped)
{
    struct command c = command_parse(line_text(&s->line));
    bool was_begun = s->is_begun;
    uint32_t cmd = s->commands_cnt;

    if (s->line.is_cut && c.verb == VERB_BDAT) {
        c.is_valid = false;
        c.size = 0;
    }
    owe(s, c.verb);
    if (!raise_events(s, events))
        return false;
    if (!s->is_greeted && !raise_event(s, EVENT_COMMAND_ORDER))
        return false;
    if (!c.is_valid && c.verb != VERB_BDAT && !raise_event(s, EVENT_COMMAND_SYNTAX))
        return false;
    if (is_stripped)
        return true;
    if (!command_run(s, &c, cmd))
        return false;
    /* Between chunks anything but BDAT may or may not end the transaction: the replies tell. */
    if (was_begun && s->state == SMTP_COMMAND && c.verb != VERB_BDAT)
        smtp_to(s, SMTP_SETTLE_WAIT);
    return true;
}

/* TLS and HTTP are told by the first octets of the line (kept in full here). */
static bool
is_not_smtp(const struct line *l)
{
    static const char *const methods[] = {"GET ", "POST ", "HEAD ", "CONNECT ", "PUT ", "OPTIONS "};

    if (l->len == 2 && l->octets[0] == 0x16 && l->octets[1] == 0x03)
        return true;
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (l->len == strlen(methods[i]) && memcmp(l->octets, methods[i], l->len) == 0)
            return true;
    }
    return false;
}

/* The octet just kept is the last letter of the verb STARTTLS. */
static bool
is_starttls_verb(const struct line *l)
{
    uint16_t begin = 0;

    while (begin < l->len && (l->octets[begin] == ' ' || l->octets[begin] == '\t'))
        begin++;
    return l->len - begin == 8 && (l->octets[l->len - 1] & 0xdf) == 'S' &&
           strncasecmp((const char *)l->octets + begin, "STARTTLS", 8) == 0;
}

enum walk { WALK_ON, WALK_WAIT, WALK_JUDGED };

static enum walk
walk_command(struct smtp_session *s, uint8_t *octets, size_t len, size_t *at)
{
    bool is_stripped = s->line.raised & EVENT_BIT(EVENT_STARTTLS_STRIPPED);

    if (s->line.total == 0 && owed_cnt(s) == PIPELINE_MAX) {
        if (!s->has_waited) {
            s->has_waited = true;
            if (!raise_event(s, EVENT_PIPELINE_CAP)) {
                ++*at;
                return WALK_JUDGED;
            }
        }
        return WALK_WAIT;
    }
    while (*at < len) {
        uint8_t *octet = &octets[(*at)++];
        uint64_t events;
        uint16_t kept = s->line.len;
        bool is_complete = line_push(&s->line, *octet, &events);

        if (is_complete) {
            bool goes_on = command_line(s, events, is_stripped);

            line_wipe(&s->line);
            s->has_first = true;
            s->has_waited = false;
            return goes_on ? WALK_ON : WALK_JUDGED;
        }
        if (!s->has_first && is_not_smtp(&s->line)) {
            s->has_first = true;
            if (!raise_event(s, EVENT_NOT_SMTP))
                return WALK_JUDGED;
            line_wipe(&s->line);
            smtp_to(s, SMTP_BLIND);
            return WALK_ON;
        }
        if (s->cfg->starttls != STARTTLS_PASS && s->line.len > kept && is_starttls_verb(&s->line)) {
            *octet = STRIPPED_LETTER;
            s->line.octets[s->line.len - 1] = STRIPPED_LETTER;
            s->line.raised |= EVENT_BIT(EVENT_STARTTLS_STRIPPED);
            is_stripped = true;
            events |= EVENT_BIT(EVENT_STARTTLS_STRIPPED);
        }
        if (events != 0 && !raise_events(s, events))
            return WALK_JUDGED;
    }
    return WALK_ON;
}

/* A continuation line of AUTH: not looked at, not kept; only its end and its length matter. */
static enum walk
walk_auth(struct smtp_session *s, const uint8_t *octets, size_t len, size_t *at)
{
    const uint8_t *lf = memchr(octets + *at, '\n', len - *at);
    size_t n = lf != NULL ? (size_t)(lf - (octets + *at)) + 1 : len - *at;
    uint32_t room = s->line.total < AUTH_LEN_MAX ? AUTH_LEN_MAX - s->line.total : 0;
    bool is_too_long = n > room || (n == room && lf == NULL);
    bool has_cr = n >= 2 ? octets[*at + n - 2] == '\r' : s->line.has_cr;

    if (is_too_long && !s->line.is_cut) {
        size_t until = room > 0 ? room : 1;

        /* The LF was due at the last octet allowed. */
        s->line.is_cut = true;
        if (!note(s, EVENT_COMMAND_TOO_LONG)) {
            *at += until;
            judge_event(s, EVENT_COMMAND_TOO_LONG);
            return WALK_JUDGED;
        }
    }
    *at += n;
    if (lf == NULL) {
        s->line.total = n < AUTH_LEN_MAX ? s->line.total + (uint32_t)n : AUTH_LEN_MAX;
        s->line.has_cr = octets[*at - 1] == '\r';
        return WALK_ON;
    }
    line_clear(&s->line);
    owe(s, OWED_AUTH_LINE);
    if (!has_cr && !raise_event(s, EVENT_BARE_LF_COMMAND))
        return WALK_JUDGED;
    smtp_to(s, SMTP_AUTH_WAIT);
    return WALK_ON;
}

static enum walk
walk_data(struct smtp_session *s, const uint8_t *octets, size_t len, size_t *at)
{
    while (*at < len) {
        struct body_step step;

        *at += body_data(&s->body, octets + *at, len - *at, &step);
        feed(s, step.run);
        if (step.is_end) {
            end_replies(s, 0);
            smtp_to(s, SMTP_COMMAND);
        }
        if (step.events != 0 && !raise_events(s, step.events))
            return WALK_JUDGED;
        if (step.is_end) {
            end_message(s);
            s->is_over = !verdict_forwards(s->judgement.verdict);
            return WALK_JUDGED;
        }
    }
    return WALK_ON;
}

static enum walk
walk_chunk(struct smtp_session *s, const uint8_t *octets, size_t len, size_t *at)
{
    while (*at < len && s->chunk_left > 0) {
        struct body_step step;
        size_t n = len - *at < s->chunk_left ? len - *at : s->chunk_left;

        n = body_chunk(&s->body, octets + *at, n, &step);
        *at += n;
        s->chunk_left -= (uint32_t)n;
        feed(s, step.run);
        if (step.events != 0 && !raise_events(s, step.events))
            return WALK_JUDGED;
    }
    if (s->chunk_left == 0 && !end_chunk(s))
        return WALK_JUDGED;
    return WALK_ON;
}

static enum walk
walk_proxy(struct smtp_session *s, const uint8_t *octets, size_t len, size_t *at)
{
    enum proxy_next next;

    *at += proxy_feed(&s->proxy, octets + *at, len - *at, &next);
    if (next == PROXY_MORE)
        return WALK_ON;
    if (next == PROXY_DONE) {
        memcpy(s->address, s->proxy.address, sizeof(s->address));
        smtp_to(s, SMTP_COMMAND);
        return WALK_ON;
    }
    if (!raise_event(s, EVENT_PROXY_BAD))
        return WALK_JUDGED;
    /* Where the session would begin is anyone's guess. */
    smtp_to(s, SMTP_BLIND);
    return WALK_ON;
}

/* Octets that come before the reply that says what they are. */
static enum walk
walk_wait(struct smtp_session *s, enum event e, size_t *at)
{
    if (e != EVENT_NONE && !s->has_waited) {
        s->has_waited = true;
        if (!raise_event(s, e)) {
            ++*at;
            return WALK_JUDGED;
        }
    }
    return WALK_WAIT;
}

static enum walk
walk(struct smtp_session *s, uint8_t *octets, size_t len, size_t *at)
{
    switch (s->state) {
    case SMTP_PROXY:
        return walk_proxy(s, octets, len, at);
    case SMTP_COMMAND:
        return walk_command(s, octets, len, at);
    case SMTP_DATA_WAIT:
        return walk_wait(s, EVENT_DATA_PIPELINED, at);
    case SMTP_DATA:
        return walk_data(s, octets, len, at);
    case SMTP_CHUNK:
        return walk_chunk(s, octets, len, at);
    case SMTP_SETTLE_WAIT:
        return walk_wait(s, EVENT_NONE, at);
    case SMTP_AUTH_WAIT:
        return walk_wait(s, EVENT_AUTH_PIPELINED, at);
    case SMTP_AUTH_LINE:
        return walk_auth(s, octets, len, at);
    case SMTP_STARTTLS_WAIT:
        return walk_wait(s, EVENT_STARTTLS_PIPELINED, at);
    case SMTP_BLIND:
        break;
    }
    *at = len;
    return WALK_ON;
}

size_t
smtp_client(struct smtp_session *s, uint8_t *octets, size_t len, enum smtp_next *next)
{
    enum walk w = WALK_ON;
    size_t at = 0;

    assert(!s->is_over);
    if (s->is_judged)
        forget_judged(s);
    if (s->server_event != EVENT_NONE) {
        judge_event(s, s->server_event);
        w = WALK_JUDGED;
    }
    while (w == WALK_ON && at < len)
        w = walk(s, octets, len, &at);
    *next = w == WALK_JUDGED ? SMTP_JUDGED : w == WALK_WAIT ? SMTP_WANT_REPLY : SMTP_MORE;
    return at;
}

/* --- replies ------------------------------------------------------------------------------------ */

/* XCLIENT's 220 is a new greeting: the server has forgotten everything (XCLIENT_README). */
static void
reply_xclient(struct smtp_session *s, uint32_t cmd, bool is_accepted)
{
    if (is_accepted && s->address_asked[0] != '\0')
        memcpy(s->address, s->address_asked, sizeof(s->address));
    s->address_asked[0] = '\0';
    if (is_accepted && !s->is_judged) {
        server_dropped(s);
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
    if (s->m == NULL && !s->is_unscanned) {
        s->m = message_new(s->sc);
        if (s->m == NULL) {
            raise_server_event(s, EVENT_MESSAGE_CAP);
            s->is_unscanned = true;
        }
    }
    begin_data(s, cmd);
}

/* A 354 to what was not read as DATA: the server has read some line in another way (a CR as its end, say)
 * and takes for message what follows. Then it is one: nothing is accepted unjudged. */
static void
reply_354_unasked(struct smtp_session *s, uint32_t cmd)
{
    if (s->state != SMTP_COMMAND || s->line.total != 0 || owed_cnt(s) != 0 || s->is_judged)
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
    if (is_accepted ? was_second && s->is_begun : !s->is_begun && !s->envelope.first.is_set) {
        /* Accepted beside data: the server has begun anew. Refused: nothing is left to pin rules for. */
        server_dropped(s);
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
        if (is_ok && kind != VERB_RSET)
            s->is_lmtp = kind == VERB_LHLO;
        if (s->is_judged)
            break;
        if (is_ok && s->is_begun && (int32_t)(s->fed_cmd - cmd) < 0)
            server_dropped(s);
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
            server_dropped(s);
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
            server_dropped(s);
            smtp_to(s, SMTP_BLIND);
            raise_server_event(s, EVENT_STARTTLS_BLIND);
        }
        break;
    case VERB_XCLIENT:
    case VERB_XFORWARD:
        reply_xclient(s, cmd, is_ok);
        break;
    case VERB_TURN:
        if (is_ok) { /* the roles are exchanged: the client's octets are replies now */
            server_dropped(s);
            smtp_to(s, SMTP_BLIND);
            raise_server_event(s, EVENT_NOT_SMTP);
        }
        break;
    default:
        if (is_go) /* the server waits for something that is no command */
            raise_server_event(s, EVENT_REPLY_SYNTAX);
        if (code == 354)
            reply_354_unasked(s, cmd);
        break;
    }
    if (s->state == SMTP_SETTLE_WAIT && owed_cnt(s) == 0)
        smtp_to(s, SMTP_COMMAND);
}

static void
reply_end(struct smtp_session *s, unsigned code)
{
    uint32_t cmd = s->replies_cnt;

    if (owed_cnt(s) == 0) {
        /* A 421 may come at any time: the server is closing (RFC 5321 3.8). */
        if (code != 421)
            raise_server_event(s, EVENT_REPLY_UNSOLICITED);
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

    if (owed_cnt(s) == 0)
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
            raise_server_event(s, EVENT_STARTTLS_STRIPPED);
        }
        if ((next == REPLY_LINE || next == REPLY_END) && s->reply.is_bad)
            raise_server_event(s, EVENT_REPLY_SYNTAX);
        if (next == REPLY_END)
            reply_end(s, s->reply.code);
    }
}

/* --- the session -------------------------------------------------------------------------------- */

void
smtp_init(struct smtp_session *s, struct scanner *sc, const struct smtp_config *cfg)
{
    memset(s, 0, offsetof(struct smtp_session, line));
    s->sc = sc;
    s->cfg = cfg;
    line_clear(&s->line);
    envelope_clear(&s->envelope);
    reply_init(&s->reply);
    proxy_init(&s->proxy);
    smtp_to(s, cfg->has_proxy_header ? SMTP_PROXY : SMTP_COMMAND);
    owe(s, OWED_GREETING);
}

void
smtp_fini(struct smtp_session *s)
{
    drop_message(s);
    line_wipe(&s->line);
}

const struct judgement *
smtp_judgement(const struct smtp_session *s)
{
    return &s->judgement;
}

const struct ruleset *
smtp_ruleset(const struct smtp_session *s)
{
    return s->has_ended ? message_ruleset(s->m) : NULL;
}

bool
smtp_is_blind(const struct smtp_session *s)
{
    return s->state == SMTP_BLIND;
}

uint32_t
smtp_commands_cnt(const struct smtp_session *s)
{
    return s->commands_cnt;
}

uint32_t
smtp_answerable_cnt(const struct smtp_session *s)
{
    return s->commands_cnt - (s->state == SMTP_CHUNK ? 1 : 0);
}

uint32_t
smtp_replies_cnt(const struct smtp_session *s)
{
    return s->replies_cnt;
}

struct span
smtp_mail_from(const struct smtp_session *s)
{
    return envelope_mail_path(&s->envelope);
}

unsigned
smtp_rcpt_cnt(const struct smtp_session *s)
{
    return envelope_rcpt_cnt(&s->envelope);
}

struct span
smtp_rcpt(const struct smtp_session *s, unsigned idx)
{
    return envelope_rcpt_path(&s->envelope, idx);
}

uint32_t
smtp_message_number(const struct smtp_session *s)
{
    return s->messages_cnt;
}

const char *
smtp_client_address(const struct smtp_session *s)
{
    return s->address;
}

uint64_t
smtp_events(const struct smtp_session *s)
{
    return s->events;
}
