/* peer_client: the link for a process with a poll loop. Connects, asks, hears, and connects again.
 *
 *     loop: poll(peer_client_fd, peer_client_events, until peer_client_due)
 *           peer_client_work(c, now)               sends, receives, gives up what is late, connects when it is time
 *           while (peer_client_next(c, &a)) ...    answers, in the order of the requests
 *
 * peer_client_ask never blocks; it gives a number, and exactly one answer with that number comes from peer_client_next: the
 * data plane's, or PEER_UNREACHABLE when the connection ended or the answer was late. Then nobody knows whether the
 * request was carried out: ask STATUS on the next connection, the data plane's truth wins.
 *
 * An answer that is late, or none, ends the connection, for the answers after it could not be told apart.
 *
 * Owns:    the connection, copies of requests, duplicates of descriptors until they are sent.
 * Threads: one. Limits: PEER_CLIENT_MAX requests without an answer fetched; more are not taken (0).
 * Fails:   peer_client_new (NULL: no memory, or the path is too long). */
#ifndef WEIR_CONTROL_PEER_CLIENT_H
#define WEIR_CONTROL_PEER_CLIENT_H

#include "control/peer.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    PEER_CLIENT_MAX = 16,
    PEER_CLIENT_RETRY_MS = 200,
    PEER_CLIENT_WAIT_MS = 5000,      /* for an answer, */
    PEER_CLIENT_WAIT_LOAD_MS = 60000 /* and to LOAD, besides its wait_ms, and STAGE: all workers judge the golden set; an
                                      * image is written. Who asks behind such a one waits as long */
};

struct peer_client;

/* now_ms: of any monotonic clock, the same in every call. The first connection is tried by peer_client_work. */
struct peer_client *peer_client_new(const char *socket_path);
void peer_client_free(struct peer_client *c);

bool peer_client_is_up(const struct peer_client *c);

/* Counts connections that came to be: another number, another connection (and perhaps another data plane). */
uint64_t peer_client_connections(const struct peer_client *c);

/* Why it is not up; "" when it is. */
const char *peer_client_why(const struct peer_client *c);

/* For poll: -1 when it is down; POLLIN, with POLLOUT when something waits. */
int peer_client_fd(const struct peer_client *c);
short peer_client_events(const struct peer_client *c);

/* When peer_client_work has something to do without an event. UINT64_MAX: never. */
uint64_t peer_client_due(const struct peer_client *c);

void peer_client_work(struct peer_client *c, uint64_t now_ms);

/* The number of the request, never 0; or 0: it is down, or too much is waiting. fd (-1: none) stays the caller's. body_len
 * is at most sizeof(struct link_stage). */
uint32_t peer_client_ask(struct peer_client *c, enum link_type type, const void *body, size_t body_len, int fd,
                         uint64_t now_ms);

/* The next answer, if there is one. Descriptors in it are the caller's (peer_map, peer_answer_close). */
bool peer_client_next(struct peer_client *c, struct peer_answer *a);

/* Ends the connection (a data plane that behaves oddly); it is tried again after PEER_CLIENT_RETRY_MS. */
void peer_client_hang_up(struct peer_client *c, const char *why, uint64_t now_ms);

#ifdef __cplusplus
}
#endif
#endif
