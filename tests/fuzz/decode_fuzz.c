/* decode: the same octets for every split, never more than promised; and against slow models: base64 digit
 * by digit, quoted-printable for input that is plainly right. First octet: encoding and step. */
#include <stdlib.h>
#include <string.h>

#include "scan/decode.h"
#include "tests/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
decode(enum encoding e, const uint8_t *data, size_t size, size_t step, uint8_t *all, bool *junk)
{
    struct decoder d;
    size_t len = 0;

    decoder_init(&d, e);
    for (size_t off = 0; off < size;) {
        size_t n = size - off < step ? size - off : step;
        uint8_t *out = malloc(n + DECODE_SLACK);
        size_t got = decoder_feed(&d, data + off, n, out);
        MUST(got <= n + DECODE_SLACK);
        memcpy(all + len, out, got);
        len += got;
        off += n;
        free(out);
        MUST(len <= size);
    }
    uint8_t *out = malloc(DECODE_SLACK);
    size_t got = decoder_end(&d, out);
    MUST(got <= DECODE_SLACK);
    memcpy(all + len, out, got);
    free(out);
    *junk = d.has_junk;
    MUST(len + got <= size);
    return len + got;
}

/* Digits collect; four make three octets; "=" ends a group early. */
static size_t
base64_model(const uint8_t *data, size_t size, uint8_t *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned long v = 0;
    unsigned bits = 0;
    size_t len = 0;

    for (size_t i = 0; i < size; i++) {
        const char *p = data[i] ? strchr(digits, data[i]) : NULL;
        if (p) {
            v = (v << 6 | (unsigned long)(p - digits)) & 0xffffff;
            bits += 6;
            if (bits >= 8) {
                bits -= 8;
                out[len++] = (uint8_t)(v >> bits);
            }
        } else if (data[i] == '=') {
            bits = 0;
        }
    }
    return len;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    enum encoding e = (enum encoding)(data[0] % 3);
    size_t step = data[1] % 80 + 1;
    data += 2;
    size -= 2;
    uint8_t *a = malloc(size + DECODE_SLACK), *b = malloc(size + DECODE_SLACK);
    bool a_junk, b_junk;

    size_t a_len = decode(e, data, size, size + 1, a, &a_junk);
    size_t b_len = decode(e, data, size, 1, b, &b_junk);
    MUST(a_len == b_len && a_junk == b_junk && !memcmp(a, b, a_len));
    b_len = decode(e, data, size, step, b, &b_junk);
    MUST(a_len == b_len && a_junk == b_junk && !memcmp(a, b, a_len));
    if (e == ENCODING_BASE64) {
        b_len = base64_model(data, size, b);
        MUST(a_len == b_len && !memcmp(a, b, a_len));
    }
    if (e == ENCODING_IDENTITY)
        MUST(a_len == size && !memcmp(a, data, size) && !a_junk);
    free(a);
    free(b);
    return 0;
}
