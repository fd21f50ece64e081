/* peer: a controller's end of the link.
 *
 * One request, one answer (link.h). The data plane is not trusted either: an answer is checked like a
 * request is.
 *
 * Threads: one caller's; calls block up to PEER_WAIT_S. Fails: as written at each. */
#ifndef WEIR_CONTROL_PEER_H
#define WEIR_CONTROL_PEER_H

#include <stdbool.h>
#include <stddef.h>

#include "control/link.h"

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

#ifdef __cplusplus
}
#endif
#endif
