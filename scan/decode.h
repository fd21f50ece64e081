/* decode: Content-Transfer-Encoding undone, streaming (RFC 2045 6).
 *
 * Lenient as mail clients are: octets outside base64's alphabet are passed over, decoding goes on behind
 * padding (concatenated base64; CPython stops there), lower-case and invalid quoted-printable escapes are
 * taken as far as they make sense. What was not plainly right is told in `has_junk`.
 *
 * Owns:    nothing. 160 octets of state, resumable at any octet.
 * Threads: one struct, one thread.
 * Fails:   never. */
#ifndef WEIR_SCAN_DECODE_H
#define WEIR_SCAN_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum encoding { ENCODING_IDENTITY, ENCODING_BASE64, ENCODING_QP };

/* Blanks held back because a line end may follow, which would delete them (RFC 2045 6.7 (3)). Longer
 * runs are kept: lines are 76 octets long. */
enum { QP_BLANK_MAX = 128 };

/* decode_feed and decode_end write at most this much more than they read. */
enum { DECODE_SLACK = QP_BLANK_MAX + 8 };

enum qp_state { QP_TEXT, QP_BLANKS, QP_ESCAPE, QP_ESCAPE_BLANKS, QP_ESCAPE_CR, QP_HEX };

struct decoder {
    enum encoding encoding;
    bool has_junk;
    bool is_padded;   /* base64: "=" seen since the last digit */
    uint8_t digits;   /* base64: digits in acc; qp: held blanks */
    uint32_t acc;
    enum qp_state qp;
    uint8_t first; /* qp: first hex digit */
    uint8_t blanks[QP_BLANK_MAX];
};

void decoder_init(struct decoder *d, enum encoding e);

/* Decodes `len` octets to out (room for len + DECODE_SLACK; not overlapping). Returns octets written. */
size_t decoder_feed(struct decoder *d, const uint8_t *in, size_t len, uint8_t *out);

/* What is left (room for DECODE_SLACK). */
size_t decoder_end(struct decoder *d, uint8_t *out);

#ifdef __cplusplus
}
#endif
#endif
