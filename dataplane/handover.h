/* handover: records' JSON lines, given to a controller through shared memory (struct link_ring, link.h).
 *
 * The data plane writes, one controller at a time reads; nobody waits for anybody. When the ring is full, nobody reads,
 * or the reader has written nonsense where it may write, lines are dropped and counted.
 *
 * The controller can write anywhere in the page, so nothing in it is believed: head and size are this process's own
 * numbers, and of the reader's tail only "so much is free" is taken, when it can be true.
 *
 * Owns:    a memfd, sealed against a change of its size: a reader cannot cut it off below the writer's feet.
 * Threads: one writer (the agent).
 * Limits:  lines of LINK_LINE_MAX octets; longer ones are dropped and counted, too.
 * Fails:   handover_init and handover_page (negative errno); a put is a drop at worst. */
#ifndef WEIR_DATAPLANE_HANDOVER_H
#define WEIR_DATAPLANE_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/link.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    /* A minute of 300 messages a second at 450 octets each: a controller may be restarted in that time. */
    HANDOVER_SIZE = 8 << 20,
    HANDOVER_SIZE_MIN = 1 << 10
};

struct handover {
    struct link_ring *ring;
    size_t page_len; /* of the mapping, to be told in PAGES */
    int fd;          /* to be sent with PAGES */
    uint64_t size, head, dropped;
};

/* size: of the octets, a power of two, HANDOVER_SIZE_MIN at least. -EINVAL, or what the system says. */
int handover_init(struct handover *h, uint64_t size);
void handover_fini(struct handover *h);

/* Writes down again what this side says, in case a former reader has scribbled over it. Before each PAGES. */
void handover_offer(struct handover *h);

/* False: dropped. */
bool handover_put(struct handover *h, const char *line, size_t len);

/* Zeroed memory that can be sent to another process as *fd, mapped here; its size is sealed. is_read_only: others can
 * map it only to be read (the evidence page). NULL: errno says why. */
void *handover_page(const char *name, size_t len, bool is_read_only, int *fd);

#ifdef __cplusplus
}
#endif
#endif
