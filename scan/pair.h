/* pair: one mail, judged by one rule set or by two of them.
 *
 * While a rule set is on its way up or down, two are asked about the same mail: `first` is a message as any other, the
 * one that decides when nobody says otherwise; `second` is fed the same octets under the other rule set. They share
 * nothing, so each judgement is what it would be alone, and a second one is shed by not making it.
 *
 *     pair_new -> [pair_add | pair_replace] -> mail, rcpt* -> feed* -> pair_end -> (judgements) -> pair_free
 *
 * scan/ neither chooses mails nor has it a clock: both are the caller's, in a struct pairing that hangs on the scanner.
 * smtp.h asks `begin` when the envelope is known and no octet was read, and tells `judged` when both have ended;
 * without a pairing a mail costs a branch for each call.
 *
 * What two verdicts of scores mean together is told in classes: what forwards, what defers, what rejects. Those of one
 * class agree. Events (event.h) are no opinion of a rule set: they count whatever the score says.
 *
 * Owns:    its messages.
 * Threads: one scanner's thread.
 * Fails:   never; no room for a second message is a mail that is judged once. */
#ifndef WEIR_SCAN_PAIR_H
#define WEIR_SCAN_PAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/message.h"

#ifdef __cplusplus
extern "C" {
#endif

struct smtp_session;

enum { PAIR_HASH_WORDS = 11 };

/* All zeroes is empty: no message. */
struct pair {
    struct message *first;
    struct message *second;  /* NULL: judged once */
    struct message *decides; /* whose rules the session's judgement lists; NULL: first */
    const struct judgement *ja, *jb; /* first's, second's; after pair_end */
    uint64_t cycles[2];              /* that they took, when there are two */
    struct scanner *sc;
    const struct pairing *how; /* of the one with two */
    uint16_t mode, note; /* the caller's, from `begin` on; zero before */
    uint64_t hash[PAIR_HASH_WORDS]; /* of the octets, when there are two */
};

/* What the caller adds. All called in the scanner's thread, from within smtp_client and smtp_server. */
struct pairing {
    void *owner;
    uint64_t (*cycles)(void); /* a clock in any unit */
    uint64_t seed;            /* of pair_hash */

    /* The envelope is known (smtp_mail_from, smtp_rcpt), p->first is made and nothing was fed: pair_add or
     * pair_replace may be called, or nothing. */
    void (*begin)(void *owner, const struct smtp_session *s, struct pair *p);

    /* A mail of two came to its end. *j is first's judgement, and what is in *j then stands. */
    void (*judged)(void *owner, const struct smtp_session *s, struct pair *p, struct judgement *j);
};

/* False: the cap of messages; the pair stays empty. */
bool pair_new(struct pair *p, struct scanner *sc);

/* A second judgement by rs. sc->pairing is set. False: there is no room, and one judgement it is. */
bool pair_add(struct pair *p, struct ruleset *rs);

/* rs judges alone, in place of the one that was pinned. False: no memory, and the one that was pinned it is. */
bool pair_replace(struct pair *p, struct ruleset *rs);

/* As message.h's, for both. */
void pair_mail(struct pair *p, struct span path);
void pair_rcpt(struct pair *p, struct span path);
void pair_client(struct pair *p, struct span ip, struct span helo);
void pair_event(struct pair *p, enum event e);
void pair_feed(struct pair *p, const uint8_t *octets, size_t len);

/* Judges. is_whole false: the mail was cut short, so a second opinion is none, and goes. Returns first's. */
const struct judgement *pair_end(struct pair *p, bool is_whole);

/* Gives the second message back. */
void pair_drop_second(struct pair *p);

/* Empty is allowed, and what it is afterwards. */
void pair_free(struct pair *p);

/* ---- after pair_end ---- */

/* Both saw the mail whole, and neither failed: what they say can be compared. */
bool pair_is_comparable(const struct pair *p);

/* Hash of the octets fed, the same for any split. Of a pair with two. */
uint64_t pair_hash(const struct pair *p);

/* One class: forwards (accept, tag), defers (defer, close), rejects (refuse, drop). */
bool pair_agrees(enum verdict a, enum verdict b);

/* *j becomes what `m` (p->first or p->second) says by its score: verdict, score, rules, generation. Events stay. */
void pair_take(struct pair *p, struct message *m, struct judgement *j);

/* *j's score gives way to event e: e's action is the verdict unless an event says more. The event is counted. For
 * mails whose rules are in doubt: an action that rejects is read as defer, so the sender tries again. */
void pair_doubt(const struct pair *p, enum event e, struct judgement *j);

#ifdef __cplusplus
}
#endif
#endif
