/* peer: a controller's end of the link (link.h), asking one thing at a time.
 *
 * The data plane is not trusted: an answer is checked like a request is. Its length is exactly its type's, its number is
 * the request's, its type one that the request can have, numbers that are enums lie in them, texts end in NUL, and
 * descriptors that nobody asked for are closed.
 *
 * These calls block, up to PEER_WAIT_S: for weirctl and tests. weir-control has a poll loop and uses peer_client.h.
 *
 * Threads: one caller's. Fails: as written at each. */
#ifndef WEIR_CONTROL_PEER_H
#define WEIR_CONTROL_PEER_H

#include <stdbool.h>
#include <stddef.h>

#include "control/link.h"
#include "control/ring.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PEER_SOCKET "/run/weir/dataplane.sock" /* as in the appliance.cfg that ships */

enum { PEER_WAIT_S = 60 };

enum peer_result {
    PEER_DONE,
    PEER_REFUSED,    /* answered with NACK; the answer's text says why */
    PEER_UNREACHABLE /* no socket, no answer, or no answer that can be read; err says */
};

/* A connection, or -1 with a sentence in err. close() it. */
int peer_connect(const char *socket_path, char *err, size_t err_size);

/* Sends the image open at image_fd (a regular file or memfd; stays the caller's). Text in *a ends in NUL. */
enum peer_result peer_load(int peer, int image_fd, const struct link_load *load, struct link_answer *a,
                           char *err, size_t err_size);

/* Texts in *s end in NUL. When refused, err says why. */
enum peer_result peer_status(int peer, struct link_state *s, char *err, size_t err_size);

/* As link.h tells. When refused, err says why, too. `type` of peer_back: LINK_DROP or LINK_RETURN. */
enum peer_result peer_stage(int peer, const struct link_stage *stage, struct link_answer *a, char *err, size_t err_size);
enum peer_result peer_back(int peer, enum link_type type, const struct link_return *back, struct link_answer *a,
                           char *err, size_t err_size);
enum peer_result peer_renew(int peer, const struct link_renew *renew, struct link_answer *a, char *err, size_t err_size);

/* What ATTACH gives. evidence may be written to by the data plane (a hostile one, too) at any moment. */
struct peer_pages {
    const struct link_evidence_page *evidence; /* NULL: not attached */
    struct ring ring;
};

/* *pages is untouched unless done. peer_detach(pages). */
enum peer_result peer_attach(int peer, struct peer_pages *pages, char *err, size_t err_size);
void peer_detach(struct peer_pages *pages);

/* ---- for peer.c and peer_client.c: one packet ---- */

struct peer_answer {
    enum peer_result result;
    char err[LINK_TEXT_MAX];   /* unless done: why, as a sentence */
    enum link_type request;    /* what was asked, */
    uint32_t number;           /* and its number */
    struct link_answer answer; /* of all but STATUS and ATTACH */
    struct link_state state;   /* of STATUS */
    struct link_pages pages;   /* of ATTACH: sizes, */
    int fds[2];                /* and descriptors: evidence, ring; else -1. The receiver's: peer_answer_close */
};

/* Sends one. fd < 0: none goes along. 0, or negative errno. */
int peer_send(int peer, enum link_type type, uint32_t number, const void *body, size_t body_len, int fd);

/* Receives the answer to request `number` of type `request`. 0: *a is filled, done or refused. -EAGAIN: nothing is there
 * yet. Other negative errno: the connection is of no use any more; a->err says why (-EPROTO: what came is no answer). */
int peer_receive(int peer, enum link_type request, uint32_t number, struct peer_answer *a);

/* Closes the descriptors that are still in it. */
void peer_answer_close(struct peer_answer *a);

/* Maps what a PAGES answer brought, and closes its descriptors. False: a sentence in err, *pages untouched. */
bool peer_map(struct peer_answer *a, struct peer_pages *pages, char *err, size_t err_size);

#ifdef __cplusplus
}
#endif
#endif
