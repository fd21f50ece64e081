/* charset_codec: the decoders. A fault is U+FFFD for one octet and going on with the next, as
 * Encode does; a lead octet at the end of the text is dropped, as Encode does too. */
#include <string.h>

#include "scan/charset_private.h"

/* The ASCII run at i, copied. */
static void
copy_ascii(struct conversion *c)
{
    size_t n = charset_ascii_len((struct span){c->in + c->i, c->len - c->i});
    memcpy(c->out + c->n, c->in + c->i, n);
    c->n += n;
    c->i += n;
}

/* ---- UTF ---- */

/* Octets that perl takes for one broken character: the lead's length, as far as continuations go.
 */
static size_t
utf8_fault_len(const uint8_t *p, size_t len)
{
    size_t max = p[0] < 0xc0   ? 1
                 : p[0] < 0xe0 ? 2
                 : p[0] < 0xf0 ? 3
                 : p[0] < 0xf8 ? 4
                 : p[0] < 0xfc ? 5
                 : p[0] < 0xfe ? 6
                 : p[0] < 0xff ? 7
                               : 13;
    size_t n = 1;
    while (n < max && n < len && (p[n] & 0xc0) == 0x80)
        n++;
    return n;
}

static void
run_utf8(struct conversion *c)
{
    while (goes_on(c)) {
        size_t n = charset_utf8_len((struct span){c->in + c->i, c->len - c->i});
        memcpy(c->out + c->n, c->in + c->i, n);
        c->n += n;
        c->i += n;
        if (c->i == c->len)
            return;
        size_t bad = utf8_fault_len(c->in + c->i, c->len - c->i);
        if (!c->is_last && c->i + bad == c->len)
            return; /* it may be longer, or a character */
        fault(c, bad);
    }
}

static uint32_t
unit16(const struct conversion *c, size_t i, bool is_be)
{
    return is_be ? (uint32_t)c->in[i] << 8 | c->in[i + 1] : (uint32_t)c->in[i + 1] << 8 | c->in[i];
}

static void
run_utf16(struct conversion *c, bool is_be)
{
    while (goes_on(c)) {
        size_t left = c->len - c->i;
        if (left < 2) {
            c->is_bad = c->is_last;
            cut(c);
            return;
        }
        uint32_t u = unit16(c, c->i, is_be), low = 0;
        size_t used = 2;
        if (u >= 0xd800 && u < 0xdc00) {
            if (left < 4 && !c->is_last)
                return;
            low = left >= 4 ? unit16(c, c->i + 2, is_be) : 0;
            if (low >= 0xdc00 && low < 0xe000) {
                u = 0x10000 + ((u - 0xd800) << 10) + (low - 0xdc00);
                used = 4;
            }
        }
        if (is_illegal(u)) {
            fault(c, used);
            continue;
        }
        put(c, u);
        c->i += used;
    }
}

static void
run_utf32(struct conversion *c, bool is_be)
{
    while (goes_on(c)) {
        if (c->len - c->i < 4) {
            c->is_bad = c->is_last;
            cut(c);
            return;
        }
        uint32_t a = unit16(c, c->i, is_be), b = unit16(c, c->i + 2, is_be);
        uint32_t u = is_be ? a << 16 | b : b << 16 | a;
        if (is_illegal(u)) {
            fault(c, 4);
            continue;
        }
        put(c, u);
        c->i += 4;
    }
}

/* ---- tables ---- */

/* In locals: a store of octets may change what c points at, as far as the compiler knows. */
static void
run_single(const struct charset_codec *codec, struct conversion *c)
{
    const packed_char *single = codec->single;
    const uint8_t *in = c->in;
    uint8_t *out = c->out;
    size_t i = c->i, n = c->n, len = c->len;

    for (; i < len; i++) {
        packed_char p = single[in[i]];
        if (!p) {
            c->is_bad = true;
            if (c->is_strict)
                break;
            p = pack_char(REPLACEMENT);
        }
        memcpy(out + n, &p, 4);
        n += p >> 24;
    }
    c->i = i;
    c->n = n;
}

/* The character of EUC-JP behind 0x8F. False: cut. */
static bool
triple(const struct charset_codec *codec, struct conversion *c)
{
    size_t left = c->len - c->i;
    const uint8_t *p = c->in + c->i;

    if (left > 1 && p[1] < 0xa1) {
        fault(c, 1);
        return true;
    }
    if (left < 3)
        return cut(c);
    uint16_t u = p[2] < 0x80 ? 0 : codec->triple[(p[1] - 128) * 128 + (p[2] - 128)];
    if (!u) {
        fault(c, 1);
        return true;
    }
    put(c, u);
    c->i += 3;
    return true;
}

/* The run of pairs that have a character. */
static void
run_pairs(const struct charset_codec *codec, struct conversion *c)
{
    const uint16_t *pair = codec->pair;
    const uint8_t *in = c->in;
    uint8_t *out = c->out;
    size_t i = c->i, n = c->n, len = c->len;

    while (len - i >= 2 && in[i] >= 0x80 && !codec->single[in[i]]) {
        uint16_t u = pair[(in[i] - 128) * 256 + in[i + 1]];
        if (!u)
            break;
        packed_char p = pack_char(u);
        memcpy(out + n, &p, 4);
        n += p >> 24;
        i += 2;
    }
    c->i = i;
    c->n = n;
}

static void
run_double(const struct charset_codec *codec, struct conversion *c)
{
    for (; goes_on(c); run_pairs(codec, c)) {
        uint8_t lead = c->in[c->i];
        if (lead < 0x80) {
            copy_ascii(c);
        } else if (codec->single[lead]) {
            put_packed(c, codec->single[lead]);
            c->i++;
        } else if (codec->triple && lead == 0x8f) {
            if (!triple(codec, c))
                return;
        } else if (!codec->is_lead[lead - 128]) {
            fault(c, 1);
        } else if (c->len - c->i < 2) {
            cut(c);
            return;
        } else {
            uint16_t u = codec->pair[(lead - 128) * 256 + c->in[c->i + 1]];
            if (!u) {
                fault(c, 1);
                continue;
            }
            put(c, u);
            c->i += 2;
        }
    }
}

/* ---- */

void
codec_run(const struct charset_codec *codec, struct charset_text *t, struct conversion *c)
{
    switch (codec->kind) {
    case CODEC_UTF8:
        run_utf8(c);
        break;
    case CODEC_UTF16LE:
    case CODEC_UTF16BE:
        run_utf16(c, codec->kind == CODEC_UTF16BE);
        break;
    case CODEC_UTF32LE:
    case CODEC_UTF32BE:
        run_utf32(c, codec->kind == CODEC_UTF32BE);
        break;
    case CODEC_SINGLE:
        run_single(codec, c);
        break;
    case CODEC_DOUBLE:
        run_double(codec, c);
        break;
    case CODEC_JIS:
        codec_run_jis(codec, t, c);
        break;
    case CODEC_KR:
        codec_run_kr(codec, t, c);
        break;
    case CODEC_HZ:
        codec_run_hz(codec, t, c);
        break;
    case CODEC_UTF7:
        codec_run_utf7(t, c);
        break;
    }
}

bool
codec_wants_7bit(const struct charset_codec *codec, struct span in)
{
    if (codec->is_ascii_safe || !in.len)
        return false;
    switch (codec->kind) {
    case CODEC_JIS:
        return memchr(in.ptr, 033, in.len);
    case CODEC_KR:
        return memchr(in.ptr, 016, in.len) || memchr(in.ptr, 033, in.len);
    case CODEC_HZ:
        return memchr(in.ptr, '~', in.len);
    case CODEC_UTF7:
        return memchr(in.ptr, '+', in.len);
    case CODEC_UTF8:
    case CODEC_UTF16LE:
    case CODEC_UTF16BE:
    case CODEC_UTF32LE:
    case CODEC_UTF32BE:
    case CODEC_SINGLE:
    case CODEC_DOUBLE:
        break;
    }
    return true;
}
