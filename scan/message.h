/* message: one mail from its envelope to its verdict. The facade of scan/.
 *
 *     new -> mail, rcpt* -> feed* -> end -> (read the judgement) -> free
 *      `---------------- free at any point: an aborted transaction ----'
 *
 * A message pins the rule set that is live when it is made and uses no other (promise 7). Octets are
 * scanned as they come, the whole message whatever its size; memory per message is bounded and taken at
 * scanner_init. Feeding a message in any pieces gives the same judgement.
 *
 * Owns:    scanner: the pool of messages. Message: its pin, its streams.
 * Threads: one scanner per thread; its messages never leave it.
 * Fails:   only scanner_init (negative errno). message_new gives NULL at the cap (EVENT_MESSAGE_CAP). */
#ifndef WEIR_SCAN_MESSAGE_H
#define WEIR_SCAN_MESSAGE_H

#include "scan/ruleset.h"
#include "scan/score.h"
#include "scan/span.h"

#ifdef __cplusplus
extern "C" {
#endif

struct message;
struct message_slot;

struct scanner {
    unsigned thread_idx;
    struct ruleset *live; /* what new messages pin; set by the worker once per burst; may be NULL */
    struct thresholds thresholds;
    enum verdict event_action[EVENT_CNT];
    uint64_t event_cnt[EVENT_CNT]; /* counted here by everyone in scan/ */
    uint64_t message_cnt[VERDICT_CNT];
    struct message_slot *free_list;
    void *pool;
    unsigned messages_max;
};

/* Zeroes *sc, takes memory for messages_max (>= 1) messages, sets event_action to the defaults and the
 * thresholds to refuse at 5.0 and nothing else. -ENOMEM. */
int scanner_init(struct scanner *sc, unsigned thread_idx, unsigned messages_max);

/* Every message must have been freed. */
void scanner_fini(struct scanner *sc);

/* Pins sc->live. NULL when messages_max messages are alive. */
struct message *message_new(struct scanner *sc);

/* The reverse-path and a forward-path, without angle brackets; copied, cut at PATH_LEN_MAX. */
void message_mail(struct message *m, struct span path);
void message_rcpt(struct message *m, struct span path);

/* Message octets with CRLF line ends, dot-stuffing removed. Any split. */
void message_feed(struct message *m, const uint8_t *octets, size_t len);

/* Notes an event (counts it, sets its bit). An action that does not forward makes the verdict at
 * least that. */
void message_event(struct message *m, enum event e);

/* Ends the message and judges it. Lives until message_free. Call once. */
const struct judgement *message_end(struct message *m);

/* The rule set pinned by m; NULL when there was none. */
struct ruleset *message_ruleset(const struct message *m);

void message_free(struct message *m);

#ifdef __cplusplus
}
#endif
#endif
