/* charset_codec: the decoders. A fault is U+FFFD for one octet and going on with the next, as Encode does;
 * a lead octet at the end of the text is dropped, as Encode does too. */
#include <string.h>

#include "scan/charset_private.h"

enum { REPLACEMENT = 0xfffd };

static void
put_packed(struct conversion *c, packed_char p)
{
    memcpy(c->out + c->n, &p, 4); /* little-endian; the room has the slack */
    c->n += p >> 24;
}

static void
put(struct conversion *c, uint32_t u)
{
    if (u < 0x10000) {
        put_packed(c, pack_char(u));
        return;
    }
    c->out[c->n++] = (uint8_t)(0xf0 | u >> 18);
    c->out[c->n++] = (uint8_t)(0x80 | (u >> 12 & 63));
    c->out[c->n++] = (uint8_t)(0x80 | (u >> 6 & 63));
    c->out[c->n++] = (uint8_t)(0x80 | (u & 63));
}

static void
fault(struct conversion *c, size_t skip)
{
    c->is_bad = true;
    c->i += skip;
    put_packed(c, pack_char(REPLACEMENT));
}

static bool
goes_on(const struct conversion *c)
{
    return c->i < c->len && !(c->is_bad && c->is_strict);
}

/* The ASCII run at i, copied. */
static void
copy_ascii(struct conversion *c)
{
    size_t n = charset_ascii_len((struct span){c->in + c->i, c->len - c->i});
    memcpy(c->out + c->n, c->in + c->i, n);
    c->n += n;
    c->i += n;
}

/* A character that the octets end in. False: it stays for the next window. */
static bool
cut(struct conversion *c)
{
    if (c->is_last)
        c->i = c->len;
    return c->is_last;
}

/* ---- UTF ---- */

/* Octets that perl takes for one broken character: the lead's length, as far as continuations go. */
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
        if (!c->is_last && utf8_char_len(c->in + c->i, c->len - c->i) < 0)
            return;
        fault(c, utf8_fault_len(c->in + c->i, c->len - c->i));
    }
}

static bool
is_illegal(uint32_t u)
{
    return (u >= 0xd800 && u < 0xe000) || (u >= 0xfdd0 && u < 0xfdf0) || (u & 0xfffe) == 0xfffe || u > 0x10ffff;
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

static void
run_single(const struct charset_codec *codec, struct conversion *c)
{
    while (goes_on(c)) {
        packed_char p = codec->single[c->in[c->i]];
        if (!p) {
            fault(c, 1);
            continue;
        }
        put_packed(c, p);
        c->i++;
    }
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

static void
run_double(const struct charset_codec *codec, struct conversion *c)
{
    while (goes_on(c)) {
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

/* ---- sets with escapes ---- */

enum jis_shift { JIS_ASCII, JIS_0208, JIS_0212, JIS_KANA };

/* The escape at i: its length; 0: none that is known; -1: cut. */
static int
jis_escape(const struct conversion *c, uint8_t *shift)
{
    static const struct {
        const char *octets;
        enum jis_shift shift;
    } known[] = {{"\033(B", JIS_ASCII},  {"\033(J", JIS_ASCII},          {"\033$B", JIS_0208},
                 {"\033$@", JIS_0208},   {"\033&@\033$B", JIS_0208}, {"\033$(D", JIS_0212},
                 {"\033(I", JIS_KANA}};
    size_t left = c->len - c->i;

    for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++) {
        size_t n = strlen(known[k].octets);
        if (!memcmp(c->in + c->i, known[k].octets, left < n ? left : n)) {
            if (left < n)
                return -1;
            *shift = (uint8_t)known[k].shift;
            return (int)n;
        }
    }
    return 0;
}

static bool
is_graphic(uint8_t c)
{
    return c >= 0x21 && c <= 0x7e;
}

/* Two octets of a 94 x 94 set in the low half. False: cut. */
static bool
low_pair(const struct charset_codec *base, struct conversion *c, bool is_triple)
{
    if (c->len - c->i < 2)
        return cut(c);
    uint8_t a = c->in[c->i], b = c->in[c->i + 1];
    uint16_t u = 0;
    if (is_graphic(b))
        u = is_triple ? base->triple[a * 128 + b] : base->pair[a * 256 + (b | 0x80)];
    if (!u) {
        fault(c, 1);
        return true;
    }
    put(c, u);
    c->i += 2;
    return true;
}

static void
pass_octet(struct conversion *c)
{
    if (c->in[c->i] >= 0x80) {
        fault(c, 1);
        return;
    }
    c->out[c->n++] = c->in[c->i++];
}

static void
run_jis(const struct charset_codec *codec, struct charset_text *t, struct conversion *c)
{
    while (goes_on(c)) {
        uint8_t octet = c->in[c->i];
        if (octet == 033) {
            int n = jis_escape(c, &t->shift);
            if (n < 0 && !c->is_last)
                return;
            if (n > 0) {
                c->i += (size_t)n;
                continue;
            }
        }
        if (t->shift == JIS_KANA && octet >= 0x21 && octet <= 0x5f) {
            put(c, 0xff61u + octet - 0x21);
            c->i++;
        } else if ((t->shift == JIS_0208 || t->shift == JIS_0212) && is_graphic(octet)) {
            if (!low_pair(codec->base, c, t->shift == JIS_0212))
                return;
        } else {
            pass_octet(c);
        }
    }
}

static void
run_kr(const struct charset_codec *codec, struct charset_text *t, struct conversion *c)
{
    static const char designator[] = "\033$)C";

    while (goes_on(c)) {
        uint8_t octet = c->in[c->i];
        size_t left = c->len - c->i;
        if (octet == 033 && !memcmp(c->in + c->i, designator, left < 4 ? left : 4)) {
            if (left < 4 && !c->is_last)
                return;
            c->i += left < 4 ? left : 4;
        } else if (octet == 016 || octet == 017) {
            t->shift = octet == 016;
            c->i++;
        } else if (t->shift && is_graphic(octet)) {
            if (!low_pair(codec->base, c, false))
                return;
        } else {
            pass_octet(c);
        }
    }
}

/* What "~" begins. False: cut. */
static bool
hz_escape(struct charset_text *t, struct conversion *c)
{
    if (c->len - c->i < 2)
        return cut(c);
    uint8_t octet = c->in[c->i + 1];
    if (octet == '{' || octet == '}')
        t->shift = octet == '{';
    else if (octet == '~')
        c->out[c->n++] = '~';
    else if (octet != '\n') {
        c->out[c->n++] = '~'; /* no escape */
        c->i++;
        return true;
    }
    c->i += 2;
    return true;
}

static void
run_hz(const struct charset_codec *codec, struct charset_text *t, struct conversion *c)
{
    while (goes_on(c)) {
        uint8_t octet = c->in[c->i];
        bool is_cut = false;
        if (octet == '~')
            is_cut = !hz_escape(t, c);
        else if (t->shift && is_graphic(octet))
            is_cut = !low_pair(codec->base, c, false);
        else
            pass_octet(c);
        if (is_cut)
            return;
        if (octet == '\n')
            t->shift = 0; /* RFC 1843: a line begins in ASCII */
    }
}

static int
base64_digit(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static void
utf7_unit(struct charset_text *t, struct conversion *c, uint32_t u)
{
    uint32_t high = t->high;

    t->high = 0;
    if (high && u >= 0xdc00 && u < 0xe000) {
        put(c, 0x10000 + ((high - 0xd800) << 10) + (u - 0xdc00));
        return;
    }
    if (high)
        put(c, REPLACEMENT);
    if (u >= 0xd800 && u < 0xdc00)
        t->high = (uint16_t)u;
    else
        put(c, is_illegal(u) ? REPLACEMENT : u);
}

static void
utf7_digit(struct charset_text *t, struct conversion *c, unsigned digit)
{
    t->acc = t->acc << 6 | digit;
    t->bits = (uint8_t)(t->bits + 6);
    if (t->bits < 16)
        return;
    t->bits = (uint8_t)(t->bits - 16);
    utf7_unit(t, c, t->acc >> t->bits & 0xffff);
}

static void
utf7_leave(struct charset_text *t, struct conversion *c)
{
    if (t->high)
        put(c, REPLACEMENT);
    t->shift = t->bits = 0;
    t->high = 0;
}

static void
run_utf7(struct charset_text *t, struct conversion *c)
{
    while (goes_on(c)) {
        uint8_t octet = c->in[c->i];
        int digit = base64_digit(octet);
        if (t->shift && digit >= 0) {
            utf7_digit(t, c, (unsigned)digit);
            c->i++;
        } else if (t->shift) {
            utf7_leave(t, c);
            c->i += octet == '-';
        } else if (octet == '+') {
            if (c->len - c->i < 2 && !c->is_last)
                return;
            uint8_t next = c->len - c->i < 2 ? 0 : c->in[c->i + 1];
            t->shift = base64_digit(next) >= 0;
            if (!t->shift)
                c->out[c->n++] = '+';
            c->i += next == '-' ? 2 : 1;
        } else if (octet >= 0x80) {
            put(c, octet); /* as Encode: its code point */
            c->i++;
        } else {
            c->out[c->n++] = octet;
            c->i++;
        }
    }
    if (c->is_last && c->i == c->len)
        utf7_leave(t, c);
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
        run_jis(codec, t, c);
        break;
    case CODEC_KR:
        run_kr(codec, t, c);
        break;
    case CODEC_HZ:
        run_hz(codec, t, c);
        break;
    case CODEC_UTF7:
        run_utf7(t, c);
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
