#include "scan/charset.h"

#include <string.h>
#include <strings.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "scan/charset_private.h"

size_t
charset_ascii_len(struct span in)
{
    size_t i = 0;

#ifdef __SSE2__
    for (; in.len - i >= 64; i += 64) {
        const __m128i *p = (const __m128i *)(const void *)(in.ptr + i);
        __m128i a = _mm_or_si128(_mm_loadu_si128(p), _mm_loadu_si128(p + 1));
        __m128i b = _mm_or_si128(_mm_loadu_si128(p + 2), _mm_loadu_si128(p + 3));
        if (_mm_movemask_epi8(_mm_or_si128(a, b)))
            break;
    }
    for (; in.len - i >= 16; i += 16) {
        int mask = _mm_movemask_epi8(_mm_loadu_si128((const __m128i *)(const void *)(in.ptr + i)));
        if (mask)
            return i + (size_t)__builtin_ctz((unsigned)mask);
    }
#endif
    while (i < in.len && in.ptr[i] < 0x80)
        i++;
    return i;
}

/* U+FDD0..FDEF and the last two of each plane. */
static bool
is_non_character(const uint8_t *p, int n)
{
    if (n == 3)
        return p[0] == 0xef &&
               ((p[1] == 0xb7 && p[2] >= 0x90 && p[2] <= 0xaf) || (p[1] == 0xbf && p[2] >= 0xbe));
    return n == 4 && (p[1] & 0x0f) == 0x0f && p[2] == 0xbf && p[3] >= 0xbe;
}

int
utf8_char_len(const uint8_t *p, size_t len)
{
    uint8_t lead = p[0];

    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    int n = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    for (int k = 1; k < n; k++) {
        if ((size_t)k == len)
            return -1;
        if (p[k] < low || p[k] > high)
            return 0;
        low = 0x80;
        high = 0xbf;
    }
    return is_non_character(p, n) ? 0 : n;
}

/* The characters that text is made of, without the cases that need care. 0: ask utf8_char_len. */
static inline size_t
common_char_len(const uint8_t *p, size_t len)
{
    if (len >= 2 && p[0] >= 0xc2 && p[0] < 0xe0 && (p[1] & 0xc0) == 0x80)
        return 2;
    if (len >= 3 && p[0] > 0xe0 && p[0] < 0xed && (p[1] & 0xc0) == 0x80 && (p[2] & 0xc0) == 0x80)
        return 3;
    return 0;
}

size_t
charset_utf8_len(struct span in)
{
    size_t i = 0;

    while (i < in.len) {
        if (in.ptr[i] < 0x80) {
            i++;
            if (i < in.len && in.ptr[i] < 0x80) /* a run, not a blank between words */
                i += charset_ascii_len((struct span){in.ptr + i, in.len - i});
            continue;
        }
        size_t common = common_char_len(in.ptr + i, in.len - i);
        if (common) {
            i += common;
            continue;
        }
        int n = utf8_char_len(in.ptr + i, in.len - i);
        if (n <= 0)
            break;
        i += (size_t)n;
    }
    return i;
}

size_t
charset_utf8_cut(struct span in, size_t max)
{
    if (in.len <= max)
        return in.len;
    size_t n = max;
    while (n && max - n < 3 && (in.ptr[n] & 0xc0) == 0x80)
        n--;
    return (in.ptr[n] & 0xc0) == 0x80 ? max : n; /* no UTF-8: anywhere */
}

/* ---- what to do ---- */

static bool
name_is(struct span name, const char *s)
{
    return name.len == strlen(s) && !strncasecmp((const char *)name.ptr, s, name.len);
}

static bool
name_starts(struct span name, const char *s)
{
    return name.len >= strlen(s) && !strncasecmp((const char *)name.ptr, s, strlen(s));
}

static const struct charset_codec *
declared_codec(const struct charset_set *set, struct span name)
{
    if (name_is(name, "iso-8859-1") || name_is(name, "iso8859-1"))
        return charset_own(set, "windows-1252");
    if (name_starts(name, "gb18030") || name_starts(name, "gb-18030") ||
        name_starts(name, "gb 18030"))
        return charset_own(set, "gbk"); /* a part of it, the one that Encode has */
    return charset_find(set, name);
}

void
charset_begin(struct charset_text *t, const struct charset_set *set, struct span name)
{
    static const uint8_t none[] = "us-ascii";

    memset(t, 0, sizeof(*t));
    if (!name.len)
        name = (struct span){none, sizeof(none) - 1};
    t->declared = declared_codec(set, name);
    t->is_ascii_name = name_is(name, "us-ascii") || name_is(name, "ascii");
    t->is_utf16_name =
        name_starts(name, "utf16") || name_starts(name, "utf-16") || name_starts(name, "utf 16");
}

/* Which half of the octet pairs looks like the high one. 0: cannot be told, or a byte order mark
 * (which SpamAssassin leaves to a decoder that it then does not call). */
static int
utf16_order(struct span in)
{
    uint64_t even = 0, odd = 0, le = 0, be = 0;

    if (in.len >= 2 &&
        ((in.ptr[0] == 0xff && in.ptr[1] == 0xfe) || (in.ptr[0] == 0xfe && in.ptr[1] == 0xff)))
        return 0;
    for (size_t i = 0; i < in.len; i += 2) {
        uint8_t a = in.ptr[i], b = i + 1 < in.len ? in.ptr[i + 1] : 0;
        even += (a >> 4) + (a & 15u);
        odd += (b >> 4) + (b & 15u);
        le += a == 0x20 && b == 0;
        be += a == 0 && b == 0x20;
    }
    le += even > odd * 4;
    be += odd * 4 > even;
    return le > be ? -1 : be > le;
}

static const struct charset_codec *
candidate(const struct charset_text *t, const struct charset_set *set, struct span in)
{
    if (!t->is_utf16_name)
        return t->declared;
    int order = utf16_order(in);
    return !order ? NULL : charset_own(set, order < 0 ? "utf-16le" : "utf-16be");
}

/* ASCII, and what SpamAssassin takes for a sign of Windows-1252. */
static bool
looks_windows_1252(struct span in)
{
    for (size_t i = charset_ascii_len(in); i < in.len; i++) {
        uint8_t c = in.ptr[i];
        bool ok = c < 0x80 || (c >= 0xc0 && c != 0xd7 && c != 0xdf && c != 0xf7 && c != 0xff) ||
                  (c >= 0x91 && c <= 0x97) || c == 0x99 || c == 0x82 || c == 0x84 || c == 0x85 ||
                  c == 0xa0 || c == 0xa9 || c == 0xad;
        if (!ok)
            return false;
    }
    return true;
}

static size_t
same(struct charset_result *r, enum charset_how how, size_t used)
{
    r->how = how;
    r->is_same = true;
    r->from = how == CHARSET_UTF8 ? "utf-8" : "us-ascii";
    r->used = used;
    return 0;
}

/* By t->codec, which has been decided. */
static size_t
convert(struct charset_text *t, struct conversion *c, struct charset_result *r)
{
    codec_run(t->codec, t, c);
    r->how = t->how;
    r->from = t->codec->name;
    r->used = c->i;
    return c->n;
}

static size_t
decide_on(struct charset_text *t, const struct charset_codec *codec, enum charset_how how,
          struct conversion *c, struct charset_result *r)
{
    t->codec = codec;
    t->how = how;
    return convert(t, c, r);
}

/* The declared set, strictly; else Windows-1252. */
static size_t
decide(struct charset_text *t, const struct charset_set *set, struct span in, bool has_8bit,
       const struct conversion *c, struct charset_result *r)
{
    const struct charset_codec *w1252 = charset_own(set, "windows-1252");
    const struct charset_codec *codec = candidate(t, set, in);

    if (codec && codec->kind != CODEC_UTF8 && !(has_8bit && t->is_ascii_name)) {
        struct conversion strict = *c;
        struct charset_text saved = *t;
        strict.is_strict = true;
        size_t n = decide_on(t, codec, CHARSET_CONVERTED, &strict, r);
        if (!strict.is_bad)
            return n;
        *t = saved;
    }
    if (!has_8bit)
        return same(r, CHARSET_ASCII, c->len);
    struct conversion any = *c;
    bool is_guess = looks_windows_1252((struct span){c->in, c->len});
    return decide_on(t, w1252, is_guess ? CHARSET_GUESSED : CHARSET_GARBAGE, &any, r);
}

static struct conversion
conversion_of(struct span in, bool is_last, uint8_t *out, size_t cap)
{
    size_t max = cap < CHARSET_SLACK ? 0 : (cap - CHARSET_SLACK) / CHARSET_GROWTH;
    bool is_short = in.len > max;

    return (struct conversion){
        .in = in.ptr, .len = is_short ? max : in.len, .out = out, .is_last = is_last && !is_short};
}

size_t
charset_feed(struct charset_text *t, const struct charset_set *set, struct span in, bool is_last,
             uint8_t *out, size_t cap, struct charset_result *r)
{
    *r = (struct charset_result){.is_unknown = !t->declared && !t->is_utf16_name};
    struct conversion c = conversion_of(in, is_last, out, cap);
    if (t->codec && t->codec->kind != CODEC_UTF8)
        return convert(t, &c, r);
    size_t ascii = charset_ascii_len(in);
    bool has_8bit = ascii < in.len;
    if (has_8bit) {
        size_t n = charset_utf8_len(in);
        bool is_cut = !is_last && n < in.len && utf8_char_len(in.ptr + n, in.len - n) < 0;
        if (is_cut && n == ascii && !t->codec)
            return same(r, CHARSET_ASCII, n); /* the next window decides */
        if (n == in.len || is_cut) {
            t->codec = charset_own(set, "utf-8");
            t->how = CHARSET_UTF8;
            return same(r, CHARSET_UTF8, n);
        }
        if (t->codec)
            return convert(t, &c, r);
    } else if (t->codec ||
               (!t->is_utf16_name && (!t->declared || !codec_wants_7bit(t->declared, in)))) {
        return same(r, CHARSET_ASCII, in.len);
    }
    return decide(t, set, in, has_8bit, &c, r);
}

size_t
charset_decode(const struct charset_set *set, struct span name, struct span in, uint8_t *out,
               size_t cap, struct charset_result *r)
{
    struct charset_text t;

    charset_begin(&t, set, name);
    return charset_feed(&t, set, in, true, out, cap, r);
}

/* SpamAssassin hands UTF-16 that it could decode back as it was. */
static bool
is_utf16_valid(struct charset_text *t, const struct charset_set *set, struct span in,
               const struct conversion *c)
{
    const struct charset_codec *codec = candidate(t, set, in);
    if (!codec)
        return false;
    struct conversion strict = *c;
    strict.is_strict = true;
    codec_run(codec, t, &strict);
    return !strict.is_bad;
}

size_t
charset_decode_word(const struct charset_set *set, struct span name, struct span in, uint8_t *out,
                    size_t cap, struct charset_result *r)
{
    struct charset_text t;
    bool has_8bit = charset_ascii_len(in) < in.len;

    charset_begin(&t, set, name);
    *r = (struct charset_result){.is_unknown = !t.declared && !t.is_utf16_name};
    struct conversion c = conversion_of(in, true, out, cap);
    if (t.is_utf16_name) {
        if (c.len < in.len || is_utf16_valid(&t, set, in, &c))
            return same(r, CHARSET_ASCII, c.len);
        t.declared = NULL;
    }
    if (!has_8bit && (!t.declared || !codec_wants_7bit(t.declared, in)))
        return same(r, CHARSET_ASCII, in.len);
    if (t.declared && t.declared->kind == CODEC_UTF8 && charset_utf8_len(in) == in.len)
        return same(r, CHARSET_UTF8, in.len);
    if (t.declared)
        return decide_on(&t, t.declared, CHARSET_CONVERTED, &c, r);
    bool is_guess = looks_windows_1252((struct span){c.in, c.len});
    return decide_on(&t, charset_own(set, "windows-1252"),
                     is_guess ? CHARSET_GUESSED : CHARSET_GARBAGE, &c, r);
}
