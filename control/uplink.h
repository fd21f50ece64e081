/* uplink: what weir-control asks of the data plane, over one connection that comes again by itself (peer_client.h).
 *
 * At each connection it asks ATTACH and maps the pages; STATUS it asks every UPLINK_STATUS_MS, after each answer to something
 * else, and when told to. Requests of the machine go out as they come; each is answered by `answered`, or by `down`.
 *
 * Owns:    the client, the mapped pages (valid until `down`).
 * Threads: one. The callbacks come from uplink_tick and may call uplink_ask.
 * Limits:  PEER_CLIENT_MAX requests in flight: then uplink_ask says no.
 * Fails:   uplink_init (-1: no memory, or path is too long); later by `down` with a sentence, and tries again. */
#ifndef WEIR_CONTROL_UPLINK_H
#define WEIR_CONTROL_UPLINK_H

#include <poll.h>

#include "control/peer_client.h"
#include "control/rollout.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { UPLINK_STATUS_MS = 250, UPLINK_LOOK_MS = 5 /* not sooner again, however often something is said to have changed */ };

struct uplink_calls {
    void *owner;
    void (*up)(void *owner);
    void (*down)(void *owner, const char *why);
    /* ask_seq: as the machine's was when STATUS was asked. */
    void (*state)(void *owner, const struct link_state *s, uint64_t ask_seq);
    void (*answered)(void *owner, const struct rollout_ask *ask, bool ok, const struct link_answer *a);
    void (*said)(void *owner, const char *trouble); /* there are no pages, and why */
};

/* In the order of asking, as the client's answers are. */
struct uplink_flight {
    uint32_t number;
    struct rollout_ask ask; /* type 0: ATTACH or STATUS */
    uint64_t ask_seq;
};

struct uplink {
    struct uplink_calls calls;
    const uint64_t *ask_seq; /* the machine's */
    struct peer_client *client;
    uint64_t connection; /* the client's count of them when `up` was called; 0: it is down */
    struct uplink_flight flight[PEER_CLIENT_MAX];
    unsigned first, cnt;
    uint64_t now_ms, status_ms;
    bool is_status_asked, wants_status;
    struct peer_pages pages; /* NULL in it: the data plane gave none */
};

/* ask_seq: borrowed. */
int uplink_init(struct uplink *u, const char *path, const uint64_t *ask_seq, const struct uplink_calls *calls);
void uplink_fini(struct uplink *u);

/* What to poll for; fd -1: nothing. */
struct pollfd uplink_poll(const struct uplink *u);

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
