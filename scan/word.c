#include "scan/word.h"

#include <string.h>
#include <strings.h>

#include "scan/header.h"
#include "scan/octet.h"

/* "=?charset?B?text?=" */
struct word {
    struct span charset;
    struct span text;
    bool is_base64;
    size_t len; /* of all of it */
};

static bool
is_charset_octet(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '*' ||
           c == '_' || c == '-';
}

/* The word that starts at p. Linear over a value: no octet between two "?" is looked at more than
 * thrice. */
static bool
read_word(const uint8_t *p, size_t len, struct word *w)
{
    size_t i = 2;

    if (len < 8 || p[0] != '=' || p[1] != '?')
        return false;
    while (i < len && is_charset_octet(p[i]))
        i++;
    if (i == 2 || len - i < 4 || p[i] != '?' || p[i + 2] != '?')
        return false;
    uint8_t how = p[i + 1] | 0x20;
    if (how != 'b' && how != 'q')
        return false;
    size_t start = i + 3;
    const uint8_t *end = memchr(p + start, '?', len - start);
    if (!end || (size_t)(end - p) + 1 >= len || end[1] != '=')
        return false;
    w->charset = (struct span){p + 2, i - 2};
    w->text = (struct span){p + start, (size_t)(end - p) - start};
    w->is_base64 = how == 'b';
    w->len = (size_t)(end - p) + 2;
    return true;
}

/* ---- the text of a word, in place ---- */

static int
digit(uint8_t c)
{
    return c == '=' ? 64 : octet_base64(c);
}

/* SpamAssassin's reading of "=" in the middle: a zero where all is well-formed, else 63. */
static unsigned
inner_pad(struct span text)
{
    size_t cnt = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (octet_is_space(text.ptr[i]))
            continue;
        if (digit(text.ptr[i]) < 0)
            return 63;
        cnt++;
    }
    return cnt % 4 ? 63 : 0;
}

static size_t
decode_base64(struct span text, uint8_t *out)
{
    unsigned pad = inner_pad(text), bits = 0;
    uint32_t acc = 0;
    size_t n = 0, end = text.len;

    while (end && (text.ptr[end - 1] == '=' || digit(text.ptr[end - 1]) < 0))
        end--;
    for (size_t i = 0; i < end; i++) {
        int d = digit(text.ptr[i]);
        if (d < 0)
            continue;
        acc = acc << 6 | (d == 64 ? pad : (unsigned)d);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[n++] = (uint8_t)(acc >> bits);
        }
    }
    return n;
}

static size_t
decode_q(struct span text, uint8_t *out)
{
    size_t n = 0;

    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (c == '=' && text.len - i > 2 && octet_hex(text.ptr[i + 1]) >= 0 &&
            octet_hex(text.ptr[i + 2]) >= 0) {
            c = (uint8_t)(octet_hex(text.ptr[i + 1]) << 4 | octet_hex(text.ptr[i + 2]));
            i += 2;
        } else if (c == '_') {
            c = ' ';
        }
        out[n++] = c;
    }
    return n;
}

/* ---- a value ---- */

/* Takes out the blanks between words. */
static size_t
join_words(uint8_t *p, size_t len)
{
    struct word w, next;
    size_t n = 0, i = 0;

    while (i < len) {
        if (!read_word(p + i, len - i, &w)) {
            p[n++] = p[i++];
            continue;
        }
        size_t blank = i + w.len, end = blank;
        while (end < len && octet_is_space(p[end]))
            end++;
        bool is_joined = end > blank && read_word(p + end, len - end, &next);
        size_t take = is_joined ? w.len : 1; /* not joined: a word may begin at its last octet */
        memmove(p + n, p + i, take);
        n += take;
        i = is_joined ? end : i + 1;
    }
    return n;
}

/* Writes front of `work`, which lies behind it in the same buffer. */
struct writer {
    const struct charset_set *set;
    uint8_t *out;
    size_t n;
    bool is_cut;
};

static void
put_text(struct writer *w, struct span s, const uint8_t *limit)
{
    size_t room = (size_t)(limit - (w->out + w->n));
    size_t n = charset_utf8_cut(s, room);

    w->is_cut = w->is_cut || n < s.len;
    memmove(w->out + w->n, s.ptr, n);
    w->n += n;
}

/* The octets of words of one charset; nothing before s is needed any more. */
static void
put_words(struct writer *w, struct span charset, struct span s)
{
    const uint8_t *star = memchr(charset.ptr, '*', charset.len);
    struct charset_result r;

    if (star)
        charset.len = (size_t)(star - charset.ptr); /* RFC 2231 5: the language */
    if (!charset.len) {
        put_text(w, s, s.ptr + s.len);
        return;
    }
    size_t room = (size_t)(s.ptr - (w->out + w->n));
    size_t n = charset_decode_word(w->set, charset, s, w->out + w->n, room, &r);
    if (r.is_same)
        put_text(w, (struct span){s.ptr, r.used}, s.ptr + s.len);
    w->n += n;
    w->is_cut = w->is_cut || r.used < s.len;
}

static bool
same_charset(struct span a, struct span b)
{
    return a.len == b.len && !strncasecmp((const char *)a.ptr, (const char *)b.ptr, a.len);
}

/* Words of one charset from p on: their octets in place behind the first's charset name. Returns
 * what was read of p. */
static size_t
put_run(struct writer *w, uint8_t *p, size_t len, struct word *first)
{
    struct word word = *first;
    uint8_t *octets = p + 2 + first->charset.len; /* the name stays readable */
    size_t n = 0, i = 0;

    do {
        n +=
            word.is_base64 ? decode_base64(word.text, octets + n) : decode_q(word.text, octets + n);
        i += word.len;
    } while (read_word(p + i, len - i, &word) && same_charset(word.charset, first->charset));
    put_words(w, first->charset, (struct span){octets, n});
    return i;
}

static void
put_value(struct writer *w, uint8_t *p, size_t len)
{
    struct word word;
    size_t i = 0, text = 0;

    while (i < len) {
        const uint8_t *eq = memchr(p + i, '=', len - i);
        i = eq ? (size_t)(eq - p) : len;
        if (i < len && !read_word(p + i, len - i, &word)) {
            i++;
            continue;
        }
        if (i == len)
            break;
        put_text(w, (struct span){p + text, i - text}, p + i);
        i += put_run(w, p + i, len - i, &word);
        text = i;
    }
    put_text(w, (struct span){p + text, len - text}, p + len);
}

static bool
has_words(struct span s)
{
    return s.len && memmem(s.ptr, s.len, "=?", 2);
}

/* The text in out[0, n) made UTF-8 and moved to the end of the buffer; *n is its length. */
static uint8_t *
move_to_end(const struct charset_set *set, uint8_t *out, size_t *n, size_t cap,
            struct charset_result *r)
{
    static const uint8_t utf8[] = "utf-8";
    struct span name = {utf8, 5};
    size_t len = charset_decode(set, name, (struct span){out, *n}, out + *n, cap - *n, r);

    if (r->is_same)
        len = *n;
    memmove(out + cap - len, r->is_same ? out : out + *n, len);
    *n = len;
    return out + cap - len;
}

/* out[0, n) is the unfolded text. */
static size_t
decode_text(const struct charset_set *set, bool is_text, uint8_t *out, size_t n, size_t cap,
            bool *is_cut)
{
    struct span s = {out, n};
    bool is_ascii = charset_ascii_len(s) == n;
    struct charset_result r;
    struct writer w = {.set = set, .out = out};

    if (is_ascii && (!is_text || !has_words(s)))
        return n;
    uint8_t *work = move_to_end(set, out, &n, cap, &r);
    w.is_cut = !r.is_same && r.used < s.len;
    s = (struct span){work, n};
    if (is_text && has_words(s))
        put_value(&w, work, join_words(work, n));
    else
        put_text(&w, s, work + n);
    *is_cut = *is_cut || w.is_cut;
    return w.n;
}

static bool
name_is(struct span name, const char *s)
{
    return name.len == strlen(s) && !strncasecmp((const char *)name.ptr, s, name.len);
}

/* Fields where "=?" is no word (SpamAssassin's list). */
static bool
is_text_field(struct span name)
{
    static const char *const names[] = {"received",          "message-id",  "date",
                                        "resent-message-id", "resent-date", "references",
                                        "in-reply-to",       "mime-version"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (name_is(name, names[i]))
            return false;
    }
    return name.len < 5 || strncasecmp((const char *)name.ptr, "list-", 5) != 0;
}

/* Octets of input that there is room for. */
static size_t
input_max(size_t cap)
{
    return (cap - 2 * CHARSET_SLACK - 1) / (CHARSET_GROWTH + 1);
}

size_t
word_value(const struct charset_set *set, struct span name, struct span value, uint8_t *out,
           size_t cap, bool *is_cut)
{
    size_t max = input_max(cap);

    *is_cut = value.len > max;
    if (*is_cut)
        value.len = max;
    size_t n = header_unfold(value, out) - 1; /* without its "\n" */
    n = decode_text(set, is_text_field(name), out, n, cap - 1, is_cut);
    out[n++] = '\n';
    return n;
}

size_t
word_text(const struct charset_set *set, struct span text, uint8_t *out, size_t cap, bool *is_cut)
{
    size_t max = input_max(cap);

    *is_cut = text.len > max;
    if (*is_cut)
        text.len = max;
    if (text.len)
        memcpy(out, text.ptr, text.len);
    return decode_text(set, true, out, text.len, cap, is_cut);
}
