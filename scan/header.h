/* header: the header block of a message or of one MIME part, collected as it streams, then read by field.
 *
 *     header_init -> header_feed* -> (HEADER_DONE, or header_end at the end of the octets) -> header_field*
 *
 * A line is a field (name of octets 33..126 but ":", blanks, ":"), a continuation (starts with a blank;
 * a line of blanks too, RFC 5322 4.5 obs-FWS), the empty line that ends the header, or garbage. A few
 * garbage lines are read over in a message's header, as SpamAssassin does and many clients: to stop at the
 * first one would hide a Content-Type behind it. In a part's header the first one is the body's first line.
 *
 * Values are borrowed from the buffer as they came, folding included; header_unfold makes the value that
 * rules see, but for encoded words: those are word.h's.
 *
 * Owns:    nothing; the buffer is the caller's and must outlive the fields.
 * Threads: one struct, one thread.
 * Limits:  `cap` octets; the rest is read over until the empty line (is_capped).
 * Fails:   never. */
#ifndef WEIR_SCAN_HEADER_H
#define WEIR_SCAN_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/span.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Garbage lines read over in a message's header (SpamAssassin's number). */
enum { HEADER_GARBAGE_MESSAGE = 3, HEADER_GARBAGE_PART = 0 };

enum header_next { HEADER_MORE, HEADER_DONE };

enum header_line_state { HEADER_LINE_START, HEADER_LINE_CR, HEADER_LINE_NAME, HEADER_LINE_BLANK, HEADER_LINE_REST };

struct header {
    uint8_t *buf;
    size_t cap;
    size_t len;      /* of the header block in buf, the empty line left out */
    size_t line_off; /* where the line being read starts */
    struct span rest;
    enum header_line_state state;
    unsigned garbage_cnt;
    unsigned garbage_max;
    bool is_capped;
    bool has_end; /* ended at an empty line */
    bool is_done;
};

/* A field; `name` as written, `value` from after the colon to before the last line end. `line` is both,
 * line end included. */
struct header_field {
    struct span name;
    struct span value;
    struct span line;
};

/* garbage_max > 0 also makes a line starting with "--" end the header, as SpamAssassin does. */
void header_init(struct header *h, uint8_t *buf, size_t cap, unsigned garbage_max);

/* Reads up to `len` octets and returns how many. HEADER_DONE: the header is over; what was not read
 * belongs to the body, after h->rest (octets of the line that showed that the header is over; borrowed
 * from buf, never past one line end). Octets may not lie in buf behind what h has yet to write. */
size_t header_feed(struct header *h, const uint8_t *octets, size_t len, enum header_next *next);

/* No more octets: what there is, is the header. */
void header_end(struct header *h);

/* The field at *off (start with 0), moving *off behind it; false at the end. Garbage is passed over. */
bool header_field(const struct header *h, size_t *off, struct header_field *f);

/* The first field of that lower-case name. */
bool header_find(const struct header *h, const char *name, struct header_field *f);

bool header_name_is(const struct header_field *f, const char *lower);

/* FNV-1a of a name's octets, capitals as small letters: what tables of names look at first. */
#define HEADER_HASH_START UINT32_C(2166136261)

static inline uint32_t
header_hash_add(uint32_t hash, uint8_t lower)
{
    return (hash ^ lower) * UINT32_C(16777619);
}

static inline uint32_t
header_name_hash(const uint8_t *name, size_t len)
{
    uint32_t hash = HEADER_HASH_START;
    for (size_t i = 0; i < len; i++)
        hash = header_hash_add(hash, (uint8_t)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32 : name[i]));
    return hash;
}

/* Value as SpamAssassin's get(): line end + blanks -> one space, blanks trimmed at both ends, "\n" at the
 * end. `out` holds value.len + 1. Returns octets written. */
size_t header_unfold(struct span value, uint8_t *out);

/* Value as get(':raw'): as it came, but CRLF -> "\n", and "\n" at the end. Same room. */
size_t header_raw(struct span value, uint8_t *out);

#ifdef __cplusplus
}
#endif
#endif
