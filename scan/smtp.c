#include "scan/octet.h"
#include "scan/smtp_private.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

size_t
smtp_session_size(void)
{
    return (sizeof(struct smtp_session) + 63) / 64 * 64;
}

void
smtp_to(struct smtp_session *s, enum smtp_state state)
{
    s->state = state;
    s->has_waited = false;
}

/* --- what is owed ------------------------------------------------------------------------------- */

static void
owe(struct smtp_session *s, unsigned kind)
{
    /* smtp_client stops before a command that has no place; LMTP's replies are cut in end_replies(). */
    assert(smtp_owed_cnt(s) < PIPELINE_MAX);
    s->ring[s->commands_cnt++ % PIPELINE_MAX] = (uint8_t)kind;
}

/* Replies that follow the end of a message: LMTP gives one for each recipient (RFC 2033 4.2). */
static void
end_replies(struct smtp_session *s, uint32_t already)
{
    uint32_t n = s->is_lmtp ? envelope_rcpt_accepted(&s->envelope) : 1;

    for (; already < n && smtp_owed_cnt(s) < PIPELINE_MAX; already++)
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

    if (is_nested && !smtp_raise(s, EVENT_COMMAND_ORDER))
        return false;
    s->has_mail = true;
    if (!is_nested)
        s->has_rcpt = s->is_rcpt_capped = false;
    envelope_mail(&s->envelope, cmd, c->path);
    return smtp_pin_message(s);
}

static bool
command_rcpt(struct smtp_session *s, const struct command *c)
{
    if (!s->has_mail && !smtp_raise(s, EVENT_COMMAND_ORDER))
        return false;
    s->has_rcpt = true;
    if (envelope_rcpt(&s->envelope, c->path) || s->is_rcpt_capped)
        return true;
    s->is_rcpt_capped = true;
    return smtp_raise(s, EVENT_RCPT_CAP);
}

static bool
command_data(struct smtp_session *s)
{
    if (!s->has_rcpt && !smtp_raise(s, EVENT_COMMAND_ORDER))
        return false;
    if (s->is_begun && !smtp_raise(s, EVENT_BDAT_MIXED))
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
        smtp_judge(s);
        return false;
    }
    if (s->drop_chunk)
        smtp_drop_message(s);
    s->drop_chunk = false;
    return true;
}

static bool
command_bdat(struct smtp_session *s, const struct command *c, uint32_t cmd)
{
    /* Servers that do not offer CHUNKING read the chunk as commands. */
    if (!c->is_valid || !s->has_chunking)
        return smtp_raise(s, EVENT_BDAT_SYNTAX);
    if (!s->has_rcpt && !smtp_raise(s, EVENT_COMMAND_ORDER))
        return false;
    if (!s->is_begun)
        body_init(&s->body, true);
    if (!smtp_begin_data(s, cmd))
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
        smtp_drop_message(s);
}

static void
command_hello(struct smtp_session *s, const struct command *c)
{
    struct span name = c->params;

    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == ' ')
            name.len = i;
    }
    s->helo_len = (uint8_t)(name.len < HELO_LEN_MAX ? name.len : HELO_LEN_MAX);
    if (s->helo_len)
        memcpy(s->helo, name.ptr, s->helo_len);
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
        command_hello(s, c);
        command_reset(s, cmd);
        return true;
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
        return smtp_raise(s, EVENT_XCLIENT);
    }
    case VERB_UNKNOWN:
    case VERB_XEXCH50:
        return smtp_raise(s, EVENT_COMMAND_UNKNOWN);
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
    if (!smtp_raise_all(s, events))
        return false;
    if (!s->is_greeted && !smtp_raise(s, EVENT_COMMAND_ORDER))
        return false;
    if (!c.is_valid && c.verb != VERB_BDAT && !smtp_raise(s, EVENT_COMMAND_SYNTAX))
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

    /* The blanks of command.c: Postfix takes "\vSTARTTLS". */
    while (begin < l->len && (l->octets[begin] == ' ' || (l->octets[begin] >= '\t' && l->octets[begin] <= '\r')))
        begin++;
    return l->len - begin == 8 && (l->octets[l->len - 1] & 0xdf) == 'S' &&
           strncasecmp((const char *)l->octets + begin, "STARTTLS", 8) == 0;
}

enum walk { WALK_ON, WALK_WAIT, WALK_JUDGED };

static enum walk
walk_command(struct smtp_session *s, uint8_t *octets, size_t len, size_t *at)
{
    bool is_stripped = s->line.raised & EVENT_BIT(EVENT_STARTTLS_STRIPPED);

    if (s->line.total == 0 && smtp_owed_cnt(s) == PIPELINE_MAX) {
        if (!s->has_waited) {
            s->has_waited = true;
            if (!smtp_raise(s, EVENT_PIPELINE_CAP)) {
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
            if (!smtp_raise(s, EVENT_NOT_SMTP))
                return WALK_JUDGED;
            /* To most servers it is an unknown command, and they go on: nobody gets out of sight by saying
             * it. A server that greets speaks SMTP; nothing passes before. */
            if (!s->is_greeted) {
                smtp_to(s, SMTP_SETTLE_WAIT);
                return WALK_ON;
            }
        }
        if (s->cfg->starttls != STARTTLS_PASS && s->line.len > kept && is_starttls_verb(&s->line)) {
            *octet = STRIPPED_LETTER;
            s->line.octets[s->line.len - 1] = STRIPPED_LETTER;
            s->line.raised |= EVENT_BIT(EVENT_STARTTLS_STRIPPED);
            is_stripped = true;
            events |= EVENT_BIT(EVENT_STARTTLS_STRIPPED);
        }
        if (events != 0 && !smtp_raise_all(s, events))
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
        if (!smtp_note(s, EVENT_COMMAND_TOO_LONG)) {
            *at += until;
            smtp_judge_event(s, EVENT_COMMAND_TOO_LONG);
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
    if (!has_cr && !smtp_raise(s, EVENT_BARE_LF_COMMAND))
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
        smtp_feed(s, step.run);
        if (step.is_end) {
            end_replies(s, 0);
            smtp_to(s, SMTP_COMMAND);
        }
        if (step.events != 0 && !smtp_raise_all(s, step.events))
            return WALK_JUDGED;
        if (step.is_end) {
            smtp_judge(s);
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
        smtp_feed(s, step.run);
        if (step.events != 0 && !smtp_raise_all(s, step.events))
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
    if (!smtp_raise(s, EVENT_PROXY_BAD))
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
        if (!smtp_raise(s, e)) {
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
        smtp_forget_judged(s);
    smtp_let_go(s);
    if (s->server_event != EVENT_NONE) {
        smtp_judge_event(s, s->server_event);
        w = WALK_JUDGED;
    }
    while (w == WALK_ON && at < len)
        w = walk(s, octets, len, &at);
    *next = w == WALK_JUDGED ? SMTP_JUDGED : w == WALK_WAIT ? SMTP_WANT_REPLY : SMTP_MORE;
    return at;
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
smtp_peer(struct smtp_session *s, const char *address)
{
    size_t len = strnlen(address, sizeof(s->peer) - 1);

    memcpy(s->peer, address, len);
    s->peer[len] = '\0';
}

void
smtp_fini(struct smtp_session *s)
{
    smtp_drop_message(s);
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
    const struct pair *p = &s->pair;

    return s->has_ended ? message_ruleset(p->decides != NULL ? p->decides : p->first) : NULL;
}

struct span
smtp_message_id(const struct smtp_session *s)
{
    struct span id = {0};

    if (s->has_ended && s->pair.first != NULL)
        id = message_id(s->pair.first);
    while (id.len > 0 && octet_is_space(id.ptr[0])) {
        id.ptr++;
        id.len--;
    }
    while (id.len > 0 && octet_is_space(id.ptr[id.len - 1]))
        id.len--;
    return id;
}

const struct pair *
smtp_pair(const struct smtp_session *s)
{
    return s->has_ended && s->pair.second != NULL ? &s->pair : NULL;
}

void
smtp_forget_pair(struct smtp_session *s)
{
    if (s->pair.second != NULL)
        pair_drop_second(&s->pair);
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
