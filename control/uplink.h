/* uplink: weir-control's end of the link (link.h), for a process that may never wait.
 *
 * A connection that comes again by itself, with requests in flight, answered in their order. ATTACH and STATUS are asked by
 * it: pages at each connection, STATUS every UPLINK_STATUS_MS and whenever it was told that something changed. The
 * data plane is not trusted: an answer that is not what was asked for, or late by UPLINK_WAIT_MS, ends the connection.
 *
 * Owns:    the socket, the mapped pages (valid until on_down).
 * Threads: one. The callbacks come from uplink_tick.
 * Limits:  UPLINK_FLIGHT_MAX requests in flight: then uplink_ask says no.
 * Fails:   by on_down with a sentence; it tries again after UPLINK_AGAIN_MS, doubling up to UPLINK_AGAIN_MAX_MS. */
#ifndef WEIR_CONTROL_UPLINK_H
#define WEIR_CONTROL_UPLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/link.h"
#include "control/ring.h"
#include "control/rollout.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    UPLINK_FLIGHT_MAX = 32,
    UPLINK_STATUS_MS = 250,
    UPLINK_WAIT_MS = 60000, /* a LOAD reads, verifies and judges the golden set on every worker */
    UPLINK_AGAIN_MS = 50,
    UPLINK_AGAIN_MAX_MS = 2000
};

struct uplink_calls {
    void *owner;
    void (*up)(void *owner);
    void (*down)(void *owner, const char *why);
    /* ask_seq: as uplink_ask_seq was when STATUS was sent. */
    void (*state)(void *owner, const struct link_state *s, uint64_t ask_seq);
    void (*answered)(void *owner, const struct rollout_ask *ask, bool ok, const struct link_answer *a);
};

struct uplink_flight {
    uint32_t request;
    enum link_type type;
    struct rollout_ask ask;
    uint64_t ask_seq, sent_ms;
};

struct uplink {
    const char *path;
    struct uplink_calls calls;
    int fd; /* -1: none */
    uint32_t request;
    struct uplink_flight flight[UPLINK_FLIGHT_MAX];
    unsigned first, cnt;
    uint64_t now_ms, again_ms, status_ms;
    uint32_t wait_ms;
    bool wants_status;
    const uint64_t *ask_seq; /* the machine's */
    /* Mapped: NULL when the data plane gave none. */
    const struct link_evidence_page *page;
    size_t page_len;
    struct ring ring; /* ring.page NULL: none */
};

/* path, ask_seq: borrowed. */
void uplink_init(struct uplink *u, const char *path, const uint64_t *ask_seq, const struct uplink_calls *calls);
void uplink_fini(struct uplink *u);

/* Connects, reads answers, asks what is due. After poll, and at least every UPLINK_STATUS_MS. */
void uplink_tick(struct uplink *u, uint64_t now_ms);

/* STATUS at the next tick. */
void uplink_look(struct uplink *u);

/* Sends a request; fd < 0: none goes along. False: no connection, or it takes none now. */
bool uplink_ask(struct uplink *u, const struct rollout_ask *ask, const void *body, size_t body_len, int fd);

#ifdef __cplusplus
}
#endif
#endif
