/* word: the value of a header field as rules see it: unfolded, RFC 2047 encoded words decoded to
 * UTF-8.
 *
 * As SpamAssassin 4.0.1 does (Node.pm _decode_header), which is as mail clients do: blanks between
 * two words are nothing; words of one charset that stand together are joined before the charset is
 * decoded, so that a character may be split over them; what is no word stays. 8-bit octets that are
 * not UTF-8 are read as Windows-1252 first. Fields that are not text (Received, Message-ID,
 * List-*..) keep their words.
 *
 * Owns:    nothing; `out` is the caller's.
 * Threads: pure functions.
 * Limits:  WORD_ROOM; with less room the value is cut and *is_cut set. Linear time.
 * Fails:   never. */
#ifndef WEIR_SCAN_WORD_H
#define WEIR_SCAN_WORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/charset.h"
#include "scan/span.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Room that a value of `len` octets needs: the output, and behind it the value while it is worked
 * on. */
#define WORD_ROOM(len) ((size_t)(len) * (CHARSET_GROWTH + 1) + 2 * CHARSET_SLACK + 1)

/* Field `name`'s value as get('Name') gives it, "\n" at the end. Writes into all of out[0, cap).
 * `cap` >= 1 + 2 * CHARSET_SLACK. Returns octets. */
size_t word_value(const struct charset_set *set, struct span name, struct span value, uint8_t *out,
                  size_t cap, bool *is_cut);

/* The same for text that is no whole field (a file name): no unfolding, no "\n". */
size_t word_text(const struct charset_set *set, struct span text, uint8_t *out, size_t cap,
                 bool *is_cut);

#ifdef __cplusplus
}
#endif
#endif
