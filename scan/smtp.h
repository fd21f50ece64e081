/* smtp: the session machine, both directions of one SMTP connection (RFC 5321 and extensions).
 *
 * The caller feeds each direction's octets in TCP order; the machine says how far it could read the
 * client's side and when a message has been judged. It never guesses: what octets mean may depend on a
 * reply that has not been seen (after DATA, AUTH, STARTTLS), and then it stops at that octet and wants
 * the reply.
 *
 *   client octets:  smtp_client() ->  SMTP_MORE        all read; give more
 *                                     SMTP_WANT_REPLY  stopped; feed the server's side, then again from
 *                                                      the first octet that was not read
 *                                     SMTP_JUDGED      a judgement is out (smtp_judgement); if it
 *                                                      forwards, go on with the rest; if not, never call
 *                                                      smtp_client again
 *   server octets:  smtp_server() always reads all.
 *
 * Everything that gets a reply counts: the connection itself (the greeting), each command line, each
 * AUTH continuation line, the end of DATA's text, each BDAT chunk. commands_cnt - replies_cnt is what the
 * server owes. When a message is refused, the caller answers for the commands that it withholds.
 * A line counts at its LF, the end of DATA at its last octet, a BDAT chunk with its command line; LMTP
 * (after LHLO) owes one reply for each recipient at the end of a message. So at SMTP_JUDGED the command
 * that completed the message is counted; one that was cut short by an event in its middle is not, nor is
 * the end of data that never came.
 *
 * States (changed only in smtp_to()):
 *
 *   PROXY -> COMMAND <-> DATA_WAIT -> DATA -> COMMAND      COMMAND <-> CHUNK
 *               |  <-> AUTH_WAIT <-> AUTH_LINE             COMMAND <-> SETTLE_WAIT
 *               |  <-> STARTTLS_WAIT -> BLIND              no PROXY header -> BLIND
 *
 * SETTLE_WAIT: between the chunks of a message came a command other than BDAT (RSET, MAIL, RCPT ...).
 * Whether the chunks before it still belong to the message hangs on the replies, so all of them are
 * awaited. Without that, "RSET x", which servers refuse, would hide what was sent before it.
 *
 * It is also the state after first octets of TLS or HTTP that come before the greeting: a server that greets
 * speaks SMTP, and reads them as a command that it does not know. (So ports of implicit TLS do not belong among
 * the SMTP ports.) A BDAT that the server did not offer (CHUNKING in its EHLO reply) is BDAT_SYNTAX: such servers
 * read the chunk as commands.
 *
 * Transactions: the rules are pinned at MAIL. message_mail and message_rcpt are called when the data
 * begins (354, first chunk): refused recipients are left out; those not answered yet count as accepted. A
 * refused chunk drops the message's data; a later chunk begins it anew, under the same envelope, and
 * BDAT LAST is judged always, refused chunks or not: servers differ in what they then accept.
 * With a pairing (pair.h) a message may be judged by two rule sets: the second one is chosen when the data begins, for
 * then the envelope is known as the server has accepted it, and goes wherever the message goes. A message whose
 * rule set was taken back meanwhile is not rejected by its score: RULES_RETURNED.
 *
 * At MESSAGE_CAP with an action that forwards, the message is passed on and judged unseen: that action as
 * verdict, MESSAGE_CAP as cause.
 *
 * An event of the server's side whose action does not forward is told by the next smtp_client, which then
 * reads nothing: SMTP_JUDGED, 0.
 *
 * At PIPELINE_CAP with an action that forwards, the next command waits for a reply (SMTP_WANT_REPLY).
 *
 * BLIND: what follows cannot be read (TLS); smtp_client and smtp_server then accept everything.
 *
 * STARTTLS `strip` and `refuse`: octets are overwritten in place, same length, so both functions take
 * writable memory. `strip` overwrites the last letter of the keyword STARTTLS in the EHLO reply; both
 * overwrite the last letter of the client's STARTTLS verb, so the server answers 500.
 *
 * Owns:    the message of the transaction in progress (from MAIL to verdict, RSET, EHLO, end).
 * Threads: one scanner's thread.
 * Limits:  COMMAND_LEN_MAX, PIPELINE_MAX, RCPT_RECORDED_MAX. Credentials of AUTH are neither kept nor
 *          shown.
 * Fails:   never; what peers do wrong is an event (event.h), whose action decides. */
#ifndef WEIR_SCAN_SMTP_H
#define WEIR_SCAN_SMTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/pair.h"

#ifdef __cplusplus
extern "C" {
#endif

enum smtp_next { SMTP_MORE, SMTP_WANT_REPLY, SMTP_JUDGED };

enum starttls_policy { STARTTLS_PASS, STARTTLS_STRIP, STARTTLS_REFUSE };

/* Shared by the sessions of a thread; read-only while they run. */
struct smtp_config {
    enum starttls_policy starttls;
    bool has_proxy_header; /* a PROXY v1 or v2 header comes first (required: else PROXY_BAD, and blind
                            * if that forwards) */
    bool tells_client;     /* the client is told to messages as their first relay (message_client) */
};

struct smtp_session; /* smtp_session_size() octets of the caller's memory, aligned to 64 */

size_t smtp_session_size(void);
void smtp_init(struct smtp_session *s, struct scanner *sc, const struct smtp_config *cfg);

/* The client's address as its packets have it, as text. After smtp_init; a PROXY header's or XCLIENT's goes before it.
 * Only tells_client needs it. */
void smtp_peer(struct smtp_session *s, const char *address);

/* Frees the message in progress. */
void smtp_fini(struct smtp_session *s);

/* Reads client octets. Returns how many were read (<= len) and sets *next. For SMTP_JUDGED the count
 * includes the octet that completed the message or raised the event. len may be 0. */
size_t smtp_client(struct smtp_session *s, uint8_t *octets, size_t len, enum smtp_next *next);

void smtp_server(struct smtp_session *s, uint8_t *octets, size_t len);

/* Gives back a message that pins an expired rule set (ruleset_mark_expired). Nothing was read of it: it is judged by
 * whatever is live when its data begins. Else it ends as EVENT_MESSAGE_CAP has it. smtp_client does so by itself; for
 * sessions that it is not called for, no sooner than a judgement was looked at. */
void smtp_let_go(struct smtp_session *s);

/* After SMTP_JUDGED, until the next call of smtp_client, smtp_let_go or smtp_fini. Not only messages are judged: an
 * event whose action does not forward gives one at once, with that action as verdict and the event as
 * cause: of the message so far, or with octets == 0 when no data has begun. */
const struct judgement *smtp_judgement(const struct smtp_session *s);

/* Rule set of that judgement (for rule names); NULL if none. */
const struct ruleset *smtp_ruleset(const struct smtp_session *s);

/* The value of its Message-ID as it came, less blanks around it; empty: it has none, or was not judged whole. Same
 * lifetime. */
struct span smtp_message_id(const struct smtp_session *s);

/* Both judgements, when it was judged twice; else NULL. Same lifetime, or until smtp_forget_pair: the judgement has
 * been written down, and its second message is given back now and not with the next command (which may not come for
 * minutes). The rule set of the judgement is not to be asked for afterwards. */
const struct pair *smtp_pair(const struct smtp_session *s);
void smtp_forget_pair(struct smtp_session *s);

bool smtp_is_blind(const struct smtp_session *s);

/* Monotonic counts, see above. */
uint32_t smtp_commands_cnt(const struct smtp_session *s);
uint32_t smtp_replies_cnt(const struct smtp_session *s);

/* Commands that the server can have answered if it was given all octets read so far and no more: like
 * smtp_commands_cnt, less a BDAT chunk that is not whole yet (it counts with its command line). */
uint32_t smtp_answerable_cnt(const struct smtp_session *s);

/* Envelope of the transaction last judged (or going on), same lifetime as smtp_judgement. Paths without angle
 * brackets. rcpt idx < smtp_rcpt_cnt() (recorded ones; those the server refused are left out). */
struct span smtp_mail_from(const struct smtp_session *s);
unsigned smtp_rcpt_cnt(const struct smtp_session *s);
struct span smtp_rcpt(const struct smtp_session *s, unsigned idx);

/* Messages judged so far, whole or in part: 1 when the first of the connection has been. */
uint32_t smtp_message_number(const struct smtp_session *s);

/* Client address from a PROXY header or XCLIENT as text, "" when there was none. */
const char *smtp_client_address(const struct smtp_session *s);

/* Events seen since smtp_init, whole session. */
uint64_t smtp_events(const struct smtp_session *s);

#ifdef __cplusplus
}
#endif
#endif
