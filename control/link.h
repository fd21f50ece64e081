/* link: the only thing that the packet process and its controllers share.
 *
 * A SOCK_SEQPACKET Unix socket, opened by the data plane. Each packet is one message: a fixed header and
 * a fixed body; LOAD carries the image as a file descriptor (SCM_RIGHTS; a sealed memfd or a regular
 * file), PAGES two memfds. One request, one answer, in order. Integers in host order (same machine); text is
 * NUL-padded. Every octet from the peer is checked: length, magic, version, type; a bad packet is answered with
 * NACK and the connection closed, never an exit.
 *
 * Rule sets have roles in the data plane:
 *
 *   live       decides about mail
 *   candidate  was loaded beside it and acknowledged by every worker; what it may do is the stage
 *   previous   was live before; stays resident, so that returning to it is one pointer store
 *
 *     LOAD(stage) -> STAGED -> SHADOW -> CANARY -> PROBATION -> LIVE (candidate becomes live, live previous)
 *                      '---------'---------'-----------'--> DROP, a trip, or a lease that runs out: candidate goes
 *                      LIVE -> RETURN, or a trip: previous becomes live
 *     LOAD(live): live at once, no stages (weirctl push --link; tests)
 *
 * What messages prove is counted in the evidence page, by the data plane, readable by the controller; the statistic
 * is the controller's. With the trip tables of STAGE the data plane returns alone, with the controller dead.
 *
 * Source of the shapes: this file; includes <stdint.h> only. */
#ifndef WEIR_CONTROL_LINK_H
#define WEIR_CONTROL_LINK_H

#include <stdint.h>

#define LINK_MAGIC UINT32_C(0x52494557) /* "WEIR" */
#define LINK_VERSION 2

enum {
    LINK_TEXT_MAX = 256,
    LINK_DIGEST_LEN = 65, /* 64 hex digits and a NUL */
    LINK_WORKERS_MAX = 64,
    LINK_NAME_MAX = 80, /* of a stratum; of a longer name its end, cut at a NUL as all text */
    LINK_TRIP_MAX = 256,
    LINK_EXEMPT_MAX = 32
};

enum link_type {
    LINK_LOAD = 1, /* request: body link_load, and a descriptor */
    LINK_STATUS,   /* request: no body */
    LINK_ACK,      /* answer: body link_answer */
    LINK_NACK,     /* answer to anything: body link_answer with the reason */
    LINK_STATE,    /* answer to STATUS: body link_state */
    LINK_STAGE,    /* request: body link_stage. The candidate (or, LIVE, what it became) enters a stage */
    LINK_DROP,     /* request: body link_return. The candidate goes; or previous does, so that nobody returns to it. Live stays */
    LINK_RETURN,   /* request: body link_return. live goes back to previous; a candidate of that number is dropped */
    LINK_RENEW,    /* request: body link_renew. The lease begins anew */
    LINK_ATTACH,   /* request: no body; answered with PAGES */
    LINK_PAGES     /* answer: body link_pages, and two descriptors: evidence page, record ring */
};

struct link_header {
    uint32_t magic;
    uint16_t version;
    uint16_t type; /* enum link_type */
    uint32_t body_len;
    uint32_t request; /* chosen by the requester, echoed */
};

enum link_load_flags { LINK_LOAD_STAGE = 1 /* load as the candidate; without it: live at once */ };

struct link_load {
    uint32_t generation; /* 0: the data plane takes the next number */
    uint32_t wait_ms;    /* for an older rule set to drain */
    uint32_t flags;      /* enum link_load_flags */
    uint32_t pad;
};

/* ACK of a LOAD(stage): every worker has judged the golden set (scan/golden.h) with it; text is "IMAGE GOLDEN",
 * two digests of 64 hex digits. Of LOAD(live): the image's digest. */
struct link_answer {
    uint32_t generation; /* live after the request */
    uint32_t swap_us;    /* publish to last core's quiescent state; 0: nothing was swapped */
    char text[LINK_TEXT_MAX];
};

enum link_stage_id {
    LINK_STAGE_NONE,
    LINK_STAGE_STAGED,    /* loaded, judges nothing */
    LINK_STAGE_SHADOW,    /* judges a share of the messages too; live alone decides */
    LINK_STAGE_CANARY,    /* for a share of the sender domains a disagreement is deferred (451) */
    LINK_STAGE_PROBATION, /* for all of them */
    LINK_STAGE_LIVE       /* it is live; previous judges a share of the messages too (reverse shadow) */
};

/* Strata and families. REJECT units are mail that the old set (a) accepts, k those that the new one (b) rejects. */
enum link_kind {
    LINK_KIND_ALL,
    LINK_KIND_SENDER_SUFFIX,
    LINK_KIND_RCPT_SUFFIX,
    LINK_KIND_RCPT_DOMAIN,
    LINK_KIND_RULE,   /* a rule of b that hit where a's rule of that name did not: k only; n is ALL's since it was first
                       * seen. The unit at which it was is in neither: it was chosen because it is bad. Exempt: a unit
                       * that b rejects for what such rules add alone is bad in their strata only */
    LINK_KIND_MIRROR, /* units: mail that a's score rejects; k: b accepts */
    LINK_KIND_ERROR,  /* units: messages that both judged; k: b had a scan error or limit that a had not */
    LINK_KIND_CNT
};

/* n_max[k]: trips when k (>= 1) units of a stratum were bad and it has no more than n_max[k] units; 0: k alone
 * never trips. k beyond the table is read as LINK_TRIP_MAX - 1. */
struct link_trip_table {
    uint32_t n_max[LINK_TRIP_MAX];
};

struct link_stage {
    uint32_t generation; /* must be the candidate's; for LIVE also that of what is live already */
    uint32_t stage;      /* enum link_stage_id, SHADOW..LIVE */
    uint32_t share_ppm;  /* SHADOW, LIVE: of the messages; CANARY: of the sender domains */
    uint32_t lease_ms;   /* without RENEW for so long the candidate is dropped; 0: no lease (LIVE only) */
    uint32_t budget_permille; /* of a worker's time for the second judgement; more is shed, and is no evidence */
    uint32_t defer_max;       /* messages remembered as deferred; beyond, the old verdict decides */
    uint32_t defer_tries;     /* so often a message is deferred, then the old verdict decides */
    uint32_t units_proven;    /* LIVE: sender suffixes with fewer units stay on probation */
    uint32_t window_ms;       /* LIVE: counts and seen domains begin anew after so long; 0: never */
    uint32_t slow_permille;   /* guard: b takes more than this of a's time over the last GUARD_MESSAGES; 0: off */
    uint32_t exempt_cnt;      /* strata that do not trip here (declared by the operator); rules by trip_declared */
    uint32_t pad;
    struct link_exempt {
        uint32_t kind;
        char name[LINK_NAME_MAX];
    } exempt[LINK_EXEMPT_MAX];
    struct link_trip_table trip_all, trip_stratum, trip_mirror, trip_error, trip_declared;
};

struct link_return {
    uint32_t generation; /* which is to go; a number without a role for it is refused */
    uint32_t reason;     /* enum link_reason, for the record */
    char text[LINK_TEXT_MAX];
};

struct link_renew {
    uint32_t generation;
    uint32_t lease_ms;
};

enum link_reason {
    LINK_REASON_NONE,
    LINK_REASON_OPERATOR,
    LINK_REASON_EVIDENCE, /* the controller's M, or a trip table; kind and stratum say where */
    LINK_REASON_LEASE,
    LINK_REASON_DEFERRALS, /* the store of deferred messages is full */
    LINK_REASON_SLOW,
    LINK_REASON_CRASHES /* the data plane died twice under it, or once with it as the candidate */
};

/* The last time that a generation went, for whatever reason. */
struct link_trip {
    uint64_t seq;     /* counts them; 0: there was none */
    uint64_t time_ms; /* since 1970 */
    uint32_t generation, back_to;
    uint32_t reason, kind;
    uint32_t n, k;
    uint32_t by_data_plane; /* 1: alone, 0: asked to */
    uint32_t last_worker_us; /* from the store to the last worker that took it up */
    char name[LINK_NAME_MAX];
    char text[LINK_TEXT_MAX];
};

struct link_role {
    uint32_t generation; /* 0: none */
    uint32_t rule_cnt;
    char digest[LINK_DIGEST_LEN];
    char pad[7];
};

struct link_state {
    struct link_role live, candidate, previous;
    uint32_t stage;     /* enum link_stage_id: the candidate's; without one LIVE (watched) or NONE */
    uint32_t share_ppm;
    uint32_t lease_left_ms;
    uint32_t persisted; /* the generation that a restart would begin with; 0: [rules] image */
    uint64_t instance;  /* a random number of this start */
    uint32_t resident;  /* rule sets in memory, draining ones too */
    uint32_t worker_cnt;
    uint64_t uptime_ms;
    uint64_t flows;       /* now */
    uint64_t messages[8]; /* since start, by enum verdict */
    uint64_t rx_frames, tx_frames, dropped_frames;
    uint64_t blind_sessions; /* TLS, unseen */
    uint64_t paired, shed;   /* messages judged twice; not, for want of time or memory */
    uint64_t disagreed, deferred, retried; /* deferred for a disagreement; deferred ones that came again */
    uint64_t defer_used;                   /* remembered now */
    struct link_trip trip;
};

/* ---- shared pages ---- */

enum { LINK_STRATA_MAX = 4096 };

struct link_pages {
    uint64_t evidence_len, ring_len; /* octets of the two */
};

/* n in the upper, k in the lower 32 bits, so that a reader never sees one without the other. */
struct link_stratum {
    uint32_t state; /* 0 free, 1 being written, 2 readable (acquire); never goes back but at a reset */
    uint16_t kind;  /* enum link_kind */
    uint16_t flags; /* LINK_STRATUM_PROVEN */
    uint32_t order; /* 1, 2, ...: of appearance within its kind */
    uint32_t n_base; /* RULE: ALL's n with the unit at which it was first seen; n of the stratum is ALL's n less this */
    uint64_t nk;
    uint64_t hash;
    char name[LINK_NAME_MAX]; /* lower case, A-labels; a rule's name as it is */
    char pad[16];
};

enum { LINK_STRATUM_PROVEN = 1 };

/* One pair of generations. Written by the workers, atomically (few units pass the de-duplication). */
struct link_evidence {
    uint64_t epoch; /* odd: being reset. Changes with each pair and each window */
    uint32_t generation_a, generation_b;
    uint32_t window; /* 0: before LIVE; then 1, 2, ... */
    uint32_t strata_cnt;
    uint64_t nk_all, nk_mirror, nk_error;
    uint64_t repeats;    /* units left out: their sender domain was counted there before */
    uint64_t strata_full; /* units of strata that found no place */
    uint64_t ns_a, ns_b;  /* time of both over the paired messages */
    uint64_t pad[4];
    struct link_stratum strata[LINK_STRATA_MAX];
};

struct link_evidence_page {
    uint32_t magic, version;
    uint64_t instance;
    uint64_t trip_seq;  /* as link_trip.seq: look here, then ask STATUS */
    uint64_t heartbeat; /* the agent's rounds */
    uint64_t pad[12];
    struct link_evidence table; /* of the pair that is watched now */
};

/* Records as JSON lines (dataplane/record.h): each a uint32_t length (1..LINK_LINE_MAX) and so many octets, no newline,
 * padded to 8. One writer (the data plane), one reader (the controller, which alone moves tail, when it is done with what
 * lies before it). Full: the record is dropped and counted. Both memfds of PAGES are sealed against shrinking. */
enum { LINK_LINE_MAX = 131072 };

struct link_ring {
    uint32_t magic, version;
    uint64_t size;    /* of octets[], a power of two */
    uint64_t dropped;
    uint64_t pad0[5];
    uint64_t head __attribute__((aligned(64))); /* counts octets, never wraps; & (size - 1) is the place */
    uint64_t tail __attribute__((aligned(64)));
    uint8_t octets[] __attribute__((aligned(64)));
};

#endif
