/* line: one command line of the client, collected octet by octet.
 *
 * A line ends at LF, with or without CR before it, because that is where servers end it (Postfix, Exim
 * and Sendmail all do); the missing CR is an event. The terminator is not kept. What does not fit
 * is counted and dropped, so `octets` always holds the beginning of the line.
 *
 * AUTH lines may be AUTH_LEN_MAX long (RFC 4954 4); their beginning is kept like any other, so whoever
 * has read one calls line_wipe.
 *
 * Owns:    nothing; the octets are inside. */
#ifndef WEIR_SCAN_LINE_H
#define WEIR_SCAN_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "scan/event.h"
#include "scan/limits.h"
#include "scan/span.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    /* Octets of an AUTH line, CRLF included: RFC 4954 4. COMMAND_TOO_LONG. */
    AUTH_LEN_MAX = 12288
};

struct line {
    uint64_t raised;  /* EVENT_BIT set of this line: each is raised once a line */
    uint32_t total;   /* octets read, CR and LF included; 0: nothing of this line read yet */
    uint16_t len;     /* octets kept */
    bool has_cr;      /* the last octet was a CR that may belong to the terminator */
    bool is_cut;      /* longer than the cap: `octets` is a prefix */
    uint8_t octets[COMMAND_LEN_MAX];
};

/* Empties the line without touching the octets. */
void line_clear(struct line *l);

/* Empties the line and overwrites what it held. */
void line_wipe(struct line *l);

/* Reads one octet. True at the LF: the line is complete, and its text is line_text(). *events gets the
 * bits of what this octet gave rise to (BARE_LF_COMMAND, BARE_CR_COMMAND, NUL_COMMAND,
 * COMMAND_TOO_LONG), 0 mostly. */
bool line_push(struct line *l, uint8_t octet, uint64_t *events);

/* What is kept, without terminator; valid until the next push, clear or wipe. */
struct span line_text(const struct line *l);

#ifdef __cplusplus
}
#endif
#endif
