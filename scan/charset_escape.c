/* charset_escape: the decoders of sets in which escapes and shifts give ASCII octets another
 * meaning. */
#include <string.h>

#include "scan/charset_private.h"
#include "scan/octet.h"

enum jis_shift { JIS_ASCII, JIS_0208, JIS_0212, JIS_KANA };

/* The escape at i: its length; 0: none that is known; -1: cut. */
static int
jis_escape(const struct conversion *c, uint8_t *shift)
{
    static const struct {
        const char *octets;
        enum jis_shift shift;
    } known[] = {{"\033(B", JIS_ASCII}, {"\033(J", JIS_ASCII},      {"\033$B", JIS_0208},
                 {"\033$@", JIS_0208},  {"\033&@\033$B", JIS_0208}, {"\033$(D", JIS_0212},
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

void
codec_run_jis(const struct charset_codec *codec, struct charset_text *t, struct conversion *c)
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

void
codec_run_kr(const struct charset_codec *codec, struct charset_text *t, struct conversion *c)
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

void
codec_run_hz(const struct charset_codec *codec, struct charset_text *t, struct conversion *c)
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

void
codec_run_utf7(struct charset_text *t, struct conversion *c)
{
    while (goes_on(c)) {
        uint8_t octet = c->in[c->i];
        int digit = octet_base64(octet);
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
            t->shift = octet_base64(next) >= 0;
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
