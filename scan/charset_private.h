/* charset_private: what the files of charset share. */
#ifndef WEIR_SCAN_CHARSET_PRIVATE_H
#define WEIR_SCAN_CHARSET_PRIVATE_H

#include <string.h>

#include "scan/charset.h"

#ifdef __cplusplus
extern "C" {
#endif

enum codec_kind {
    CODEC_UTF8,
    CODEC_UTF16LE,
    CODEC_UTF16BE,
    CODEC_UTF32LE,
    CODEC_UTF32BE,
    CODEC_SINGLE,
    CODEC_DOUBLE, /* ASCII, or a lead octet and a second */
    CODEC_JIS,    /* ISO-2022-JP: escapes into EUC-JP */
    CODEC_KR,     /* ISO-2022-KR: shifts into EUC-KR */
    CODEC_HZ,     /* shifts into EUC-CN */
    CODEC_UTF7,
};

enum { LEAD_CNT = 128, PAIR_CNT = LEAD_CNT * 256, TRIPLE_CNT = 128 * 128 };

/* A character of UTF-8 as one store: octets in the low three bytes, their number in the high one.
 */
typedef uint32_t packed_char;

struct charset_codec {
    const char *name;
    enum codec_kind kind;
    bool is_ascii_safe;  /* ASCII octets are ASCII */
    packed_char *single; /* 256; 0: no character */
    uint16_t *pair;      /* [lead - 128][second]; 0: no character */
    uint16_t *triple;    /* EUC-JP behind 0x8F: [second - 128][third - 128] */
    bool is_lead[LEAD_CNT];
    const struct charset_codec *base; /* of the sets with escapes */
};

/* A conversion under way. There is room for all of the output. */
struct conversion {
    const uint8_t *in;
    size_t len;
    size_t i;
    uint8_t *out;
    size_t n;
    bool is_last;
    bool is_strict; /* stop at the first fault */
    bool is_bad;
};

/* Reads c->in as far as it goes. */
void codec_run(const struct charset_codec *codec, struct charset_text *t, struct conversion *c);

/* True when 7-bit octets may mean something else than ASCII here. */
bool codec_wants_7bit(const struct charset_codec *codec, struct span in);

/* By what a mail says, or NULL. */
const struct charset_codec *charset_find(const struct charset_set *set, struct span name);

/* By our own name; exists. */
const struct charset_codec *charset_own(const struct charset_set *set, const char *name);

/* Length of the UTF-8 character at p; 0: not one; -1: cut, as far as it goes. */
int utf8_char_len(const uint8_t *p, size_t len);

static inline packed_char
pack_char(uint32_t u)
{
    if (u < 0x80)
        return u | 1u << 24;
    if (u < 0x800)
        return (0xc0 | u >> 6) | (0x80 | (u & 63)) << 8 | 2u << 24;
    return (0xe0 | u >> 12) | (0x80 | (u >> 6 & 63)) << 8 | (0x80 | (u & 63)) << 16 | 3u << 24;
}

enum { REPLACEMENT = 0xfffd };

static inline void
put_packed(struct conversion *c, packed_char p)
{
    memcpy(c->out + c->n, &p, 4); /* little-endian; the room has the slack */
    c->n += p >> 24;
}

static inline void
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

static inline void
fault(struct conversion *c, size_t skip)
{
    c->is_bad = true;
    c->i += skip;
    put_packed(c, pack_char(REPLACEMENT));
}

static inline bool
goes_on(const struct conversion *c)
{
    return c->i < c->len && !(c->is_bad && c->is_strict);
}

/* A character that the octets end in. False: it stays for the next window. */
static inline bool
cut(struct conversion *c)
{
    if (c->is_last)
        c->i = c->len;
    return c->is_last;
}

static inline bool
is_illegal(uint32_t u)
{
    return (u >= 0xd800 && u < 0xe000) || (u >= 0xfdd0 && u < 0xfdf0) || (u & 0xfffe) == 0xfffe ||
           u > 0x10ffff;
}

/* In charset_escape.c. */
void codec_run_jis(const struct charset_codec *codec, struct charset_text *t, struct conversion *c);
void codec_run_kr(const struct charset_codec *codec, struct charset_text *t, struct conversion *c);
void codec_run_hz(const struct charset_codec *codec, struct charset_text *t, struct conversion *c);
void codec_run_utf7(struct charset_text *t, struct conversion *c);

#ifdef __cplusplus
}
#endif
#endif
