/* ring: the reader of the data plane's records (struct link_ring, link.h; the writer is dataplane/handover.h).
 *
 *     ring_map(fd) -> ring_next* -> [what was read is safe] -> ring_done -> ... -> ring_unmap
 *
 * A line is given as a copy, so it does not change while it is read. Its place is given back to the writer by ring_done
 * alone, when the lines read so far have been stored: a reader that dies between finds them there again when it is back
 * (the ids of records tell which it had stored already).
 *
 * The data plane is not believed: lengths and head are read once, checked against what can be, and when they cannot be,
 * everything in the ring is left out (is_broken, counted) and reading goes on at head.
 *
 * Owns:    the mapping.
 * Threads: one reader.
 * Fails:   ring_map, with a sentence in err. */
#ifndef WEIR_CONTROL_RING_H
#define WEIR_CONTROL_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/link.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { RING_SIZE_MAX = 256 << 20 };

struct ring {
    struct link_ring *page; /* NULL: not mapped */
    size_t page_len;
    uint64_t size, tail; /* tail: of what was read; the page's is older until ring_done */
    uint64_t lines, breaks;
    char *line;          /* LINK_LINE_MAX + 1 octets */
};

/* Maps the memfd (which stays the caller's) if it is a ring: its size (len, as PAGES told) fits and is sealed, and its
 * magic and version are ours. What lies there unread comes first. *r is untouched on failure. */
bool ring_map(struct ring *r, int fd, uint64_t len, char *err, size_t err_size);
void ring_unmap(struct ring *r);

/* The next line, ending in NUL (and holding none, unless the writer is hostile); valid until the next call. NULL: there
 * is none now. *len its octets. */
const char *ring_next(struct ring *r, size_t *len);

/* Everything that ring_next gave may be overwritten. */
void ring_done(struct ring *r);

/* Records that the data plane dropped because the ring was full, ever. As it says. */
uint64_t ring_dropped(const struct ring *r);

/* Checks a memfd of PAGES and maps it: len as told, 1..max, the size sealed. NULL with a sentence in err. */
void *ring_page(const char *what, int fd, uint64_t len, uint64_t max, bool is_writable, char *err, size_t err_size);

#ifdef __cplusplus
}
#endif
#endif
