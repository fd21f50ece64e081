/* smtp_private: the session's state and the steps that both sides of it take. Only for smtp*.c:
 *
 *   smtp.c              the client's side: commands, data, chunks; and smtp.h's small questions
 *   smtp_reply.c        the server's side: what a reply makes of the command that it answers
 *   smtp_transaction.c  the message in progress: its data, its events, its judgement */
#ifndef WEIR_SCAN_SMTP_PRIVATE_H
#define WEIR_SCAN_SMTP_PRIVATE_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "scan/body.h"
#include "scan/command.h"
#include "scan/envelope.h"
#include "scan/limits.h"
#include "scan/line.h"
#include "scan/proxy.h"
#include "scan/reply.h"
#include "scan/smtp.h"

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
    struct pair pair; /* no message in it outside a transaction, and in one at MESSAGE_CAP */
    enum smtp_state state;
    uint32_t commands_cnt, replies_cnt; /* also running numbers of commands; ring[number % max] */
    uint32_t fed_cmd;                   /* number of the command that began the data */
    uint32_t chunk_left;
    uint32_t messages_cnt;
    uint64_t events;
    uint64_t unscanned_octets;

    bool is_begun;       /* data of the transaction has begun (scanned or not) */
    bool is_unscanned;   /* MESSAGE_CAP, and its action forwards */
    bool is_judged;      /* judgement is readable; the transaction is over */
    bool is_over;        /* a judgement does not forward: no more client octets */
    bool has_ended;      /* the message was, in pair_end */
    bool has_waited;     /* the event for octets before a reply was raised */
    bool is_last_chunk;
    bool drop_chunk;     /* the server refused an earlier chunk while this one was read */
    bool has_first;      /* the first octets have been told from TLS and HTTP */
    bool is_greeted, is_lmtp;
    bool has_chunking; /* the server offered it in its last EHLO reply */
    bool has_mail, has_rcpt; /* commands of this transaction, for COMMAND_ORDER */
    bool is_rcpt_capped;
    enum event server_event; /* what the server's side raised and does not forward */

    struct body body;
    struct reply reply;
    struct proxy proxy;
    char peer[PROXY_ADDRESS_SIZE]; /* smtp_peer */
    char address[PROXY_ADDRESS_SIZE];
    char address_asked[PROXY_ADDRESS_SIZE]; /* of an XCLIENT that is not answered */
    struct judgement judgement;
    uint8_t helo_len;
    uint8_t helo[HELO_LEN_MAX]; /* the last one said */
    struct line line;
    struct envelope envelope;
    uint8_t ring[PIPELINE_MAX];
};

static_assert(sizeof(struct smtp_session) <= 12288, "one for each flow");
static_assert((PIPELINE_MAX & (PIPELINE_MAX - 1)) == 0, "running numbers wrap with the ring");

/* Replies that the server owes. */
static inline uint32_t
smtp_owed_cnt(const struct smtp_session *s)
{
    return s->commands_cnt - s->replies_cnt;
}

/* The only writer of state. */
void smtp_to(struct smtp_session *s, enum smtp_state state);

/* --- smtp_transaction.c: events and judgements --- */

/* Counts e where it belongs. True when its action forwards. */
bool smtp_note(struct smtp_session *s, enum event e);

/* The message is over: its judgement stands and is counted, by the verdict that is acted on. is_over says
 * whether it does not forward. */
void smtp_judge(struct smtp_session *s);

/* The same at an event whose action does not forward; that action is the verdict, whatever was scanned. */
void smtp_judge_event(struct smtp_session *s, enum event e);

/* An event of the client's side. True: it forwards, go on. False: judged. */
bool smtp_raise(struct smtp_session *s, enum event e);

/* A set of them at one octet. The most telling first: it gives the cause. */
bool smtp_raise_all(struct smtp_session *s, uint64_t events);

/* An event of the server's side: it takes effect when the client is read next. */
void smtp_raise_server(struct smtp_session *s, enum event e);

/* --- smtp_transaction.c: the message in progress --- */

/* The message goes; the envelope stays. */
void smtp_drop_message(struct smtp_session *s);

/* The transaction that was judged goes, envelope and all. */
void smtp_forget_judged(struct smtp_session *s);

/* Pins the rules. False: judged. */
bool smtp_pin_message(struct smtp_session *s);

/* The data of a transaction begins, with command `cmd`; the envelope is what the server has accepted so far.
 * False: judged. */
bool smtp_begin_data(struct smtp_session *s, uint32_t cmd);

void smtp_feed(struct smtp_session *s, struct span run);

/* The server has let go of the transaction's data (refused chunk, RSET, new MAIL). */
void smtp_server_dropped(struct smtp_session *s);

#endif
