/* mime_private: what the files of mime.h share. Private to scan/.
 *
 *     mime.c       lines and delimiters, the stack of multiparts, the trace
 *     mime_part.c  what a part's header says of it
 *
 * Owns:    nothing.
 * Threads: as struct mime.
 * Fails:   never; what is wrong is an event. */
#ifndef WEIR_SCAN_MIME_PRIVATE_H
#define WEIR_SCAN_MIME_PRIVATE_H

#include "scan/mime.h"

static inline void
mime_raise(struct mime *m, enum event e)
{
    m->events |= EVENT_BIT(e);
}

/* Makes m->part of a header that is over; *type is the value of its Content-Type, false when there is none. The
 * last of each field counts; more than one is an event. */
bool mime_part_read(struct mime *m, const struct header *h, struct span *type);

#endif
