/* address: what an address field (From, To, Cc, Reply-To) names (RFC 5322 3.4), as rules see it.
 *
 * Lenient: quoted display names that look like addresses stay names, comments, groups, text without angle
 * brackets, quotes and brackets never closed. SpamAssassin 4.0.1 gives every address of every field of
 * the name, joined with "\n" and without one at the end; so does this.
 *
 * Owns:    nothing; addresses are parts of the value.
 * Threads: pure functions. Linear in the value. */
#ifndef WEIR_SCAN_ADDRESS_H
#define WEIR_SCAN_ADDRESS_H

#include <stddef.h>
#include <stdint.h>

#include "scan/span.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ADDRESS_ADDR: "user@host". ADDRESS_NAME: the display name, unquoted, blanks folded; else the comment. */
enum address_what { ADDRESS_ADDR, ADDRESS_NAME };

/* Writes them for one field's raw value, "\n" between. `out` holds value.len + 1. Returns octets written;
 * 0: none. Each one written is not empty. */
size_t address_write(struct span value, enum address_what what, uint8_t *out);

#ifdef __cplusplus
}
#endif
#endif
