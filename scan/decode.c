#include "scan/decode.h"

#include <string.h>

#include "scan/octet.h"

/* clang-format off */
enum { B_SKIP = 0x40, B_PAD = 0x41, B_JUNK = 0x42 }; /* any of these: >= 0x40 */
#define J B_JUNK
static const uint8_t base64_value[256] = {
    J,J,J,J,J,J,J,J,J,B_SKIP,B_SKIP,J,J,B_SKIP,J,J, J,J,J,J,J,J,J,J,J,J,J,J,J,J,J,J,
    B_SKIP,J,J,J,J,J,J,J,J,J,J,62,J,J,J,63, 52,53,54,55,56,57,58,59,60,61,J,J,J,B_PAD,J,J,
    J,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14, 15,16,17,18,19,20,21,22,23,24,25,J,J,J,J,J,
    J,26,27,28,29,30,31,32,33,34,35,36,37,38,39,40, 41,42,43,44,45,46,47,48,49,50,51,J,J,J,J,J,
    J,J,J,J,J,J,J,J,J,J,J,J,J,J,J,J, J,J,J,J,J,J,J,J,J,J,J,J,J,J,J,J,
    J,J,J,J,J,J,J,J,J,J,J,J,J,J,J,J, J,J,J,J,J,J,J,J,J,J,J,J,J,J,J,J,
    J,J,J,J,J,J,J,J,J,J,J,J,J,J,J,J, J,J,J,J,J,J,J,J,J,J,J,J,J,J,J,J,
    J,J,J,J,J,J,J,J,J,J,J,J,J,J,J,J, J,J,J,J,J,J,J,J,J,J,J,J,J,J,J,J,
};
#undef J
/* clang-format on */

void
decoder_init(struct decoder *d, enum encoding e)
{
    d->encoding = e;
    d->has_junk = false;
    d->is_padded = false;
    d->digits = 0;
    d->acc = 0;
    d->qp = QP_TEXT;
    d->first = 0; /* blanks need no clearing: only `digits` of them are read */
}

/* The octets of an unfinished quantum: two digits make one, three make two. */
static size_t
base64_flush(struct decoder *d, uint8_t *out)
{
    size_t n = 0;
    if (d->digits == 1)
        d->has_junk = true;
    if (d->digits >= 2)
        out[n++] = (uint8_t)(d->acc >> (d->digits == 2 ? 4 : 10));
    if (d->digits == 3)
        out[n++] = (uint8_t)(d->acc >> 2);
    d->digits = 0;
    d->acc = 0;
    return n;
}

static size_t
base64_octet(struct decoder *d, uint8_t c, uint8_t *out)
{
    uint8_t v = base64_value[c];

    if (v == B_SKIP)
        return 0;
    if (v == B_JUNK) {
        d->has_junk = true;
        return 0;
    }
    if (v == B_PAD) {
        if (!d->digits && !d->is_padded)
            d->has_junk = true; /* padding that pads nothing */
        d->is_padded = true;
        return base64_flush(d, out);
    }
    if (d->is_padded) {
        d->has_junk = true; /* digits behind padding */
        d->is_padded = false;
    }
    d->acc = d->acc << 6 | v;
    if (++d->digits < 4)
        return 0;
    out[0] = (uint8_t)(d->acc >> 16);
    out[1] = (uint8_t)(d->acc >> 8);
    out[2] = (uint8_t)d->acc;
    d->digits = 0;
    d->acc = 0;
    return 3;
}

static size_t
base64_feed(struct decoder *d, const uint8_t *in, size_t len, uint8_t *out)
{
    size_t n = 0, i = 0;

    while (i < len) {
        while (!d->digits && !d->is_padded && i + 4 <= len) {
            uint8_t a = base64_value[in[i]], b = base64_value[in[i + 1]];
            uint8_t c = base64_value[in[i + 2]], e = base64_value[in[i + 3]];
            if ((a | b | c | e) & 0x40)
                break;
            out[n] = (uint8_t)(a << 2 | b >> 4);
            out[n + 1] = (uint8_t)(b << 4 | c >> 2);
            out[n + 2] = (uint8_t)(c << 6 | e);
            n += 3;
            i += 4;
        }
        if (i < len)
            n += base64_octet(d, in[i++], out + n);
    }
    return n;
}

static size_t
qp_flush_blanks(struct decoder *d, uint8_t *out)
{
    size_t n = d->digits;
    memcpy(out, d->blanks, n);
    d->digits = 0;
    return n;
}

static size_t
qp_hold_blank(struct decoder *d, uint8_t c, uint8_t *out)
{
    size_t n = d->digits == QP_BLANK_MAX ? qp_flush_blanks(d, out) : 0;
    d->blanks[d->digits++] = c;
    return n;
}

/* "=" was no escape: it is text, and what was held behind it. */
static size_t
qp_invalid(struct decoder *d, uint8_t *out)
{
    d->has_junk = true;
    out[0] = '=';
    return 1 + qp_flush_blanks(d, out + 1);
}

static size_t qp_octet(struct decoder *d, uint8_t c, uint8_t *out);

/* Takes c as ordinary text; `n` octets are in out already. */
static size_t
qp_again(struct decoder *d, uint8_t c, uint8_t *out, size_t n)
{
    d->qp = QP_TEXT;
    return n + qp_octet(d, c, out + n);
}

static size_t
qp_octet(struct decoder *d, uint8_t c, uint8_t *out)
{
    switch (d->qp) {
    case QP_TEXT:
        if (c == '=') {
            d->qp = QP_ESCAPE;
            return 0;
        }
        if (c == ' ' || c == '\t') {
            d->qp = QP_BLANKS;
            return qp_hold_blank(d, c, out);
        }
        out[0] = c;
        return 1;
    case QP_BLANKS:
        if (c == ' ' || c == '\t')
            return qp_hold_blank(d, c, out);
        if (c == '\r' || c == '\n') {
            d->digits = 0; /* blanks before a line end were added on the way */
            return qp_again(d, c, out, 0);
        }
        return qp_again(d, c, out, qp_flush_blanks(d, out));
    case QP_ESCAPE:
        if (octet_hex(c) >= 0) {
            d->first = c;
            d->qp = QP_HEX;
            return 0;
        }
        /* fall through */
    case QP_ESCAPE_BLANKS:
        if ((c == ' ' || c == '\t') && d->digits < QP_BLANK_MAX) {
            d->blanks[d->digits++] = c;
            d->qp = QP_ESCAPE_BLANKS;
            return 0;
        }
        if (c == '\r') {
            d->qp = QP_ESCAPE_CR;
            return 0;
        }
        if (c == '\n') {
            d->digits = 0;
            d->qp = QP_TEXT;
            return 0;
        }
        return qp_again(d, c, out, qp_invalid(d, out));
    case QP_ESCAPE_CR: {
        if (c == '\n') {
            d->digits = 0;
            d->qp = QP_TEXT;
            return 0;
        }
        size_t n = qp_invalid(d, out);
        out[n++] = '\r';
        return qp_again(d, c, out, n);
    }
    case QP_HEX:
        if (octet_hex(c) >= 0) {
            out[0] = (uint8_t)(octet_hex(d->first) << 4 | octet_hex(c));
            d->qp = QP_TEXT;
            return 1;
        }
        d->has_junk = true;
        out[0] = '=';
        out[1] = d->first;
        return qp_again(d, c, out, 2);
    }
    return 0;
}

static size_t
qp_feed(struct decoder *d, const uint8_t *in, size_t len, uint8_t *out)
{
    size_t n = 0, i = 0;

    while (i < len) {
        if (d->qp == QP_BLANKS && in[i] > ' ' && in[i] != '=') {
            n += qp_flush_blanks(d, out + n);
            d->qp = QP_TEXT;
        }
        if (d->qp == QP_TEXT) {
            /* A blank with text behind it is text. */
            while (i < len && in[i] != '=' &&
                   ((in[i] != ' ' && in[i] != '\t') || (i + 1 < len && in[i + 1] > ' ')))
                out[n++] = in[i++];
            if (i == len)
                break;
        }
        n += qp_octet(d, in[i++], out + n);
    }
    return n;
}

size_t
decoder_feed(struct decoder *d, const uint8_t *in, size_t len, uint8_t *out)
{
    switch (d->encoding) {
    case ENCODING_BASE64:
        return base64_feed(d, in, len, out);
    case ENCODING_QP:
        return qp_feed(d, in, len, out);
    case ENCODING_IDENTITY:
        break;
    }
    if (len)
        memcpy(out, in, len);
    return len;
}

size_t
decoder_end(struct decoder *d, uint8_t *out)
{
    if (d->encoding == ENCODING_BASE64)
        return base64_flush(d, out);
    if (d->encoding == ENCODING_IDENTITY)
        return 0;
    size_t n = 0;
    if (d->qp == QP_HEX) {
        d->has_junk = true;
        out[n++] = '=';
        out[n++] = d->first;
    }
    /* Blanks at the very end and a soft break without its line end (the delimiter took it) go. */
    d->digits = 0;
    d->qp = QP_TEXT;
    return n;
}
