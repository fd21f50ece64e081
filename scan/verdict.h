/* verdict: what is done with one message.
 *
 * Ordered by severity, so the verdict of several reasons is the greatest of them.
 *
 *   accept   forwarded, nothing noted
 *   tag      forwarded; recorded as suspicious (a pure bump in the wire adds no header)
 *   defer    451 to the client, server side reset; the sender tries again
 *   close    421 to the client, server side reset; for faults and ambiguity, not for content
 *   refuse   550 to the client, server side reset
 *   drop     discarded: the client sees 250, the server never gets the message
 *
 * Threads: pure functions. */
#ifndef WEIR_SCAN_VERDICT_H
#define WEIR_SCAN_VERDICT_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

enum verdict {
    VERDICT_ACCEPT,
    VERDICT_TAG,
    VERDICT_DEFER,
    VERDICT_CLOSE,
    VERDICT_REFUSE,
    VERDICT_DROP,
    VERDICT_CNT
};

/* The lower-case word above; "?" for a value outside the enum. Static storage. */
const char *verdict_name(enum verdict v);

/* False when `name` is none of the words; *v is then untouched. "pass" is read as accept. */
bool verdict_parse(const char *name, enum verdict *v);

/* True when the message is let through to the server (accept, tag). */
static inline bool
verdict_forwards(enum verdict v)
{
    return v <= VERDICT_TAG;
}

#ifdef __cplusplus
}
#endif
#endif
