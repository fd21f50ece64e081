/* counters: what a core counts. One array per core, one writer; readers add the cores up.
 *
 * Threads: written by the owning core with plain stores; read by anyone, may lag. */
#ifndef WEIR_DATAPLANE_COUNTERS_H
#define WEIR_DATAPLANE_COUNTERS_H

#include <stdint.h>

/* clang-format off */
#define COUNTER_LIST(X) \
    X(RX_FRAMES,           "rx-frames",            "frames received") \
    X(RX_OCTETS,           "rx-octets",            "octets received") \
    X(TX_FRAMES,           "tx-frames",            "frames handed to a port") \
    X(TX_FULL,             "tx-full",              "frames dropped: the port took no more") \
    X(TX_TOO_LONG,         "tx-too-long",          "frames dropped: longer than the port's network carries") \
    X(OUTBOX_FULL,         "outbox-full",          "frames dropped: more in one burst than the outbox holds") \
    X(OTHER_FRAMES,        "other-frames",         "frames that are not our business, forwarded") \
    X(BAD_FRAMES,          "bad-frames",           "frames dropped: TCP whose lengths do not fit") \
    X(BAD_CHECKSUM,        "bad-checksum",         "SMTP segments dropped: wrong checksum") \
    X(UNKNOWN_FLOW,        "unknown-flow",         "SMTP segments of connections not seen from their start, forwarded") \
    X(UNKNOWN_DROPPED,     "unknown-dropped",      "the same, dropped") \
    X(WRONG_SIDE,          "wrong-side",           "segments dropped: their sender is on the other side") \
    X(FRAGMENTS,           "fragments",            "fragments of TCP received") \
    X(FRAGMENTS_DROPPED,   "fragments-dropped",    "fragments dropped: overlap, cap or age") \
    X(FLOWS,               "flows",                "connections begun") \
    X(FLOWS_ENDED,         "flows-ended",          "connections forgotten") \
    X(FLOW_TABLE_FULL,     "flow-table-full",      "connections not followed: table full") \
    X(HALF_OPEN_EVICTED,   "half-open-evicted",    "half-open connections forgotten for newer ones") \
    X(SESSION_CAP,         "session-cap",          "connections without session memory") \
    X(SEGMENTS_EARLY,      "segments-early",       "segments out of order, forwarded at once") \
    X(SEGMENTS_OLD,        "segments-old",         "segments wholly acknowledged before") \
    X(CONFLICTS,           "conflicts",            "segments rewritten to what was scanned") \
    X(STORE_FULL,          "store-full",           "segments dropped: store or cap; TCP sends again") \
    X(HELD,                "held",                 "segments or parts held back for a reply or a verdict") \
    X(RELEASED,            "released",             "segments made from held octets") \
    X(ACK_UNSEEN,          "ack-unseen",           "acknowledgments of octets not seen here") \
    X(AFTER_FIN,           "after-fin",            "segments dropped: octets after the FIN") \
    X(REFUSALS,            "refusals",             "clients answered in place of the server") \
    X(REFUSAL_RETRANSMITS, "refusal-retransmits",  "our replies sent again") \
    X(REFUSAL_GAVE_UP,     "refusal-gave-up",      "our replies never acknowledged") \
    X(REFUSAL_CAP,         "refusal-cap",          "refusals without memory for a reply: both sides reset") \
    X(RECORDS_DROPPED,     "records-dropped",      "verdict records dropped: ring full") \
    X(PAIRED,              "paired",               "messages that two rule sets judged to the end") \
    X(SHED,                "shed",                 "second judgements not made for want of time or memory") \
    X(UNPROVEN_OLD,        "unproven-old",         "the same, of senders without evidence: the former rule set judged alone") \
    X(DISAGREED,           "disagreed",            "messages about which two rule sets disagreed") \
    X(DEFERRED,            "deferred",             "messages deferred because of that") \
    X(RETRIED,             "retried",              "messages deferred because of that which came again") \
    X(DEFER_ENOUGH,        "defer-enough",         "the same, deferred often enough: the old verdict decided") \
    X(DEFER_CROWDED,       "defer-crowded",        "not deferred, too many of that sender domain are: the old verdict decided") \
    X(DEFER_FULL,          "defer-full",           "messages not deferred, no place to remember them: the old verdict decided") \
    X(NO_MBUF,             "no-mbuf",              "own segments not made: mbuf pool empty") \
    X(STEERED,             "steered",              "frames handed to another core") \
    X(STEER_FULL,          "steer-full",           "frames dropped: the other core's ring was full")
/* clang-format on */

enum counter {
#define X(id, name, help) COUNTER_##id,
    COUNTER_LIST(X)
#undef X
    COUNTER_CNT
};

#endif
