/* message: one mail from its envelope to its verdict. The facade of scan/.
 *
 *     new -> mail, rcpt* -> feed* -> end -> (read the judgement) -> free
 *      `---------------- free at any point: an aborted transaction ----'
 *
 * A message pins the rule set that is live when it is made and uses no other (promise 7). Octets are
 * scanned as they come, the whole message whatever its size; memory per message is bounded and taken at
 * scanner_init. Feeding a message in any pieces gives the same judgement.
 *
 * What is offered to the rules, in this order:
 *
 *   full        every octet as it is fed
 *   header      when the header is over: one value a target. Whole values are unfolded and their encoded words
 *               decoded (word.h), each with "\n" at its end; :addr and :name hold every address of every field,
 *               "\n" between and none at the end; ALL is every field as "Name: value\n", ALL:raw the header as it
 *               came with "\n" line ends; EnvelopeFrom is the bare path. As SpamAssassin 4.0.1 joins them.
 *   mimeheader  the same of the header of each part
 *   attachment  a stream for each part that is not text, decoded, and for each member of an archive in it
 *               (archive.h); for text parts with a file name or the disposition attachment too, and for parts
 *               that could not be taken apart (caps, no boundary)
 *   signatures  (signature.h) over every part and member, text too; held against its type at its end, and dropped
 *               when an .fp line names it or the archive that it is in
 *   rawbody     chunks of each text or message part, decoded (text.h)
 *   body        the Subject, then the lines (text.h) of text parts: in UTF-8 (charset.h), HTML rendered (html.h)
 *   uri         every URL of lines and links once, as it came and canonical (url.h)
 *   evals       functions over what was counted on the way (eval.h), last of all
 *
 * What counts as a part is told in mime.h; the preamble, the epilogue and a multipart whose delimiter never comes
 * are seen by `full` only. Lines, chunks and URLs wait in a batch (match.h): most of the work is done in message_end.
 *
 * Owns:    scanner: the pool of messages (750 KiB of addresses each; a common mail makes 84 KiB of it resident, one
 *          in a hundred 250). Message: its pin, its streams.
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

struct explain;
struct message;
struct message_slot;
struct pairing;
struct suffix_set;

struct scanner {
    unsigned thread_idx;
    struct ruleset *live; /* what new messages pin; set by the worker once per burst; may be NULL */
    struct thresholds thresholds;
    enum verdict event_action[EVENT_CNT];
    uint64_t event_cnt[EVENT_CNT]; /* counted here by everyone in scan/ */
    uint64_t message_cnt[VERDICT_CNT]; /* by the verdict acted on: counted by smtp, which may overrule the
                                        * judgement of message_end, and judges what was not scanned */
    struct explain *explain; /* NULL, or who is told of every match (explain.h) */
    const struct pairing *pairing; /* NULL: every message is judged once; else see pair.h */
    uint64_t second_cycles;        /* spent on second judgements, on those given up too */
    struct message_slot *free_list;
    void *pool;
    unsigned slots_cnt;    /* ever used */
    unsigned messages_cnt; /* alive */
    unsigned messages_max;
};

/* A message's hits grow to the largest rule set its slot has seen; that is the only memory taken later.
 * Zeroes *sc, takes memory for messages_max (>= 1) messages, sets event_action to the defaults and the
 * thresholds to refuse at 5.0 and nothing else. -ENOMEM. */
int scanner_init(struct scanner *sc, unsigned thread_idx, unsigned messages_max);

/* Every message must have been freed. */
void scanner_fini(struct scanner *sc);

/* The list that scan/ looks suffixes up in; of the process. After scanner_init. */
const struct suffix_set *scanner_suffixes(const struct scanner *sc);

/* Pins sc->live. NULL when messages_max messages are alive (or no memory for the hits). */
struct message *message_new(struct scanner *sc);

/* The same under a rule set of the caller's choice, which no core has let go yet. */
struct message *message_new_with(struct scanner *sc, struct ruleset *rs);

/* A second judgement (pair.h): nothing of it is counted in *sc, and it shares no batch and no archives with
 * messages that are judged for good. */
struct message *message_new_second(struct scanner *sc, struct ruleset *rs);

/* The reverse-path and a forward-path, without angle brackets; copied, the reverse-path cut at PATH_LEN_MAX, of
 * the forward-paths the first ones (a few dozen). Before the first message_feed. */
void message_mail(struct message *m, struct span path);
void message_rcpt(struct message *m, struct span path);

/* The client's address as text, and what it said in HELO: it becomes the first relay, whose name (rdns) is not
 * known. Before the first message_feed; not calling it leaves what the Received fields say. */
void message_client(struct message *m, struct span ip, struct span helo);

/* Message octets with CRLF line ends, dot-stuffing removed. Any split. */
void message_feed(struct message *m, const uint8_t *octets, size_t len);

/* Notes an event: counts it and sets its bit, once a message. The verdict is at least its action; the
 * judgement's cause is the first event of the greatest action when that is above the score's verdict. */
void message_event(struct message *m, enum event e);

/* What message_event has noted so far, for a message that takes up where another one was; message_mark notes it
 * without counting. Before the first message_feed. */
struct message_marks {
    uint64_t events;
    enum verdict verdict;
    enum event cause;
};
struct message_marks message_marks(const struct message *m);
void message_mark(struct message *m, struct message_marks marks);

/* Ends the message and judges it. Lives until message_free. Call once. */
const struct judgement *message_end(struct message *m);

/* Whether rule `rule` of the rule set hit, whatever its name and score: the judgement lists only the first
 * JUDGEMENT_RULES_MAX of those that are reported. After message_end. */
bool message_hit(const struct message *m, uint32_t rule);

/* The first rule that hit from `rule` on; as many as there are rules or more: there is none. After message_end. */
uint32_t message_next_hit(const struct message *m, uint32_t rule);

/* The rule set pinned by m; NULL when there was none. */
struct ruleset *message_ruleset(const struct message *m);

/* It was not seen whole for want of something that all messages share (archives): another judgement of the same
 * octets might be another one. After message_end. */
bool message_is_starved(const struct message *m);

/* The value of the last Message-ID field as it came, blanks and all; empty: there is none. After message_end, lives as
 * long as m. */
struct span message_id(const struct message *m);

void message_free(struct message *m);

#ifdef __cplusplus
}
#endif
#endif
