/* preflight_date: the dates of a mail, moved.
 *
 * Every date in the forms that mail knows is found and moved by the same time, wherever it stands: in Date and
 * Received, in the fields of parts, in "On .. wrote:", in "From " lines:
 *
 *     [Mon, ]3 Feb 2025 [12:34[:56]]         RFC 5322; the zone behind it stays
 *     [Mon ]Feb  3 12:34:56 2025             asctime
 *     2025-02-03[T12:34:56]                  ISO 8601; not in Message-ID, References, In-Reply-To
 *
 * Message-IDs are left alone: they are names. Weekdays are made to fit. Encoded parts are not looked into.
 *
 * Threads: pure functions.
 * Limits:  years 1970 to 2099: others are no dates. */
#ifndef WEIR_CONTROL_PREFLIGHT_DATE_H
#define WEIR_CONTROL_PREFLIGHT_DATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The newest date of the Date and Received fields, in seconds since 1970 UTC as if its zone were UTC. False: none. */
bool preflight_date_newest(const uint8_t *mail, size_t len, int64_t *date);

/* Writes the mail with all dates moved by `by` seconds to out, up to cap octets. Returns octets written; 0: no room. */
size_t preflight_date_move(const uint8_t *mail, size_t len, int64_t by, uint8_t *out, size_t cap);

#ifdef __cplusplus
}
#endif
#endif
