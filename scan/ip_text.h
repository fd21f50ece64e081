/* ip_text: IP addresses as mail writes them, found in text and judged.
 *
 * An address is IPv4 (four numbers, no leading zeros), IPv6 in any of RFC 4291's forms, or either
 * with "IPv6:" before it (RFC 5321 4.1.3). What counts as an address, and where one may begin and
 * end inside a longer text, follows SpamAssassin's Constants.pm, because its rules are written for
 * that.
 *
 * Owns:    nothing; results are parts of the text.
 * Threads: any.
 * Limits:  an address is at most 50 octets, so a search is linear in its text.
 * Fails:   never. */
#ifndef WEIR_SCAN_IP_TEXT_H
#define WEIR_SCAN_IP_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "scan/span.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The whole text is an address; an IPv4 address. */
bool ip_text_is(struct span text);
bool ip_text_is_v4(struct span text);

/* The text is an address that nobody on the public Internet has: 10/8, 127/8, 169.254/16,
 * 172.16/12, 192.168/16, 100.64/10 (also mapped into IPv6), fe80::/10, ::1. */
bool ip_text_is_private(struct span text);

/* "localhost", "localhost.localdomain", 127.0.0.1 (also mapped into IPv6), ::1. */
bool ip_text_is_localhost(struct span text);

/* The first address in the text; false when there is none. *ip may be NULL. */
bool ip_text_find(struct span text, struct span *ip);

/* The length of the address that begins at text.ptr[off], given what stands before and behind it; 0
 * when none does. */
size_t ip_text_at(struct span text, size_t off);

#ifdef __cplusplus
}
#endif
#endif
