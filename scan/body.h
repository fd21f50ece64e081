/* body: the octets of a message on the wire: DATA's dot-stuffed text, or chunks of BDAT.
 *
 * DATA ends only at CRLF "." CRLF, or at "." CRLF right at its start (RFC 5321 4.1.1.4). A dot at the
 * beginning of a line, after a true CRLF, is removed (4.5.2). The message keeps the CRLF before the final
 * dot.
 *
 *     strict:  TEXT -CR-> CR -LF-> BOL -"."-> DOT -CR-> DOT_CR -LF-> end
 *
 * Beside it runs a loose reading in which CR, LF and CRLF all end a line and NUL is not there: what some
 * servers do (CVE-2023-51764, -51765, -51766). Whenever the loose reading sees a dot alone on a line
 * and that is not exactly CRLF "." CRLF, SMUGGLED_EOD is raised at the octet that completes it:
 *
 *     LF . LF      LF . CR LF     CR LF . LF     CR . CR     CR LF . CR x     CR CR LF . CR LF
 *     and each of them with NULs before or after the dot
 *
 * (After CR CR LF . CR LF the data has ended too, in the strict reading.)
 *
 * Each of BARE_LF, BARE_CR, NUL, LINE_TOO_LONG, SMUGGLED_EOD is raised once a message, at its first
 * octet: the CR that is bare shows at the octet after it. Chunks have no dots: no SMUGGLED_EOD there.
 *
 * Nothing is buffered but one CR (DOT_CR), which is given back as a run of its own when it was text. */
#ifndef WEIR_SCAN_BODY_H
#define WEIR_SCAN_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/event.h"
#include "scan/span.h"

#ifdef __cplusplus
extern "C" {
#endif

enum body_strict { BODY_TEXT, BODY_CR, BODY_BOL, BODY_DOT, BODY_DOT_CR };

enum body_loose {
    BODY_IN_LINE,
    BODY_AFTER_CR,
    BODY_AFTER_LF,
    BODY_CR_DOT,   /* CR "." */
    BODY_LF_DOT,   /* LF "." */
    BODY_LF_DOT_CR /* LF "." CR: the next octet decides */
};

struct body {
    uint64_t raised;         /* EVENT_BIT set */
    enum body_strict strict;
    enum body_loose loose;
    uint32_t line_len;       /* text octets of the line so far; stops counting above TEXT_LINE_MAX */
    bool is_chunked;         /* BDAT */
    bool is_tainted;         /* the line end before the loose dot is not exactly CRLF, or NULs */
    bool has_cr_cr;          /* BODY_CR: the octet before the CR was a CR */
    bool is_held;            /* BODY_DOT_CR: the CR has not been given */
};

struct body_step {
    struct span run;  /* message octets, in the input or static; give them before the events */
    uint64_t events;  /* EVENT_BIT set raised by the last octet read */
    bool is_end;      /* the last octet read ended the data */
};

void body_init(struct body *b, bool is_chunked);

/* Reads octets of DATA. Returns how many (<= len); 0 only when len is 0 or step->run is not empty. Stops
 * at the end of the data, at an event, and where the run of message octets is interrupted. Call
 * again with the rest, until is_end. */
size_t body_data(struct body *b, const uint8_t *octets, size_t len, struct body_step *step);

/* Reads octets of a chunk, len of them at most; where the chunk ends is the caller's business. */
size_t body_chunk(struct body *b, const uint8_t *octets, size_t len, struct body_step *step);

#ifdef __cplusplus
}
#endif
#endif
