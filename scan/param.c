#include "scan/param.h"

#include <string.h>

#include "scan/octet.h"
#include "scan/word.h"

/* Behind blanks and comments at i. An open comment that is never closed is no comment. */
static size_t
skip_cfws(struct span v, size_t i)
{
    while (i < v.len) {
        if (octet_is_space(v.ptr[i])) {
            i++;
            continue;
        }
        if (v.ptr[i] != '(')
            break;
        size_t depth = 0, j = i;
        for (; j < v.len; j++) {
            if (v.ptr[j] == '\\')
                j++;
            else if (v.ptr[j] == '(')
                depth++;
            else if (v.ptr[j] == ')' && --depth == 0)
                break;
        }
        if (j >= v.len)
            return v.len;
        i = j + 1;
    }
    return i;
}

size_t
param_token(struct span v, char *out, size_t out_size)
{
    size_t n = 0;
    for (size_t i = skip_cfws(v, 0); i < v.len; i++) {
        uint8_t c = v.ptr[i];
        if (c == '/') {
            if (n + 1 < out_size)
                out[n++] = '/';
            i = skip_cfws(v, i + 1) - 1;
            continue;
        }
        if (c == ';' || c == ',' || c == '(' || c == '"')
            break;
        if (octet_is_space(c)) {
            i = skip_cfws(v, i);
            if (i == v.len || v.ptr[i] != '/')
                break;
            i--;
            continue;
        }
        if (c < 33 || c > 126)
            continue; /* as SpamAssassin: octets that cannot be meant are dropped */
        if (n + 1 < out_size)
            out[n++] = (char)octet_lower(c);
    }
    out[n] = '\0';
    return n;
}

/* To the ";" that ends the value or parameter at i, quoted strings passed over. */
static size_t
skip_value(struct span v, size_t i)
{
    for (; i < v.len && v.ptr[i] != ';'; i++) {
        if (v.ptr[i] != '"')
            continue;
        size_t j = i + 1;
        while (j < v.len && v.ptr[j] != '"')
            j += v.ptr[j] == '\\' ? 2 : 1;
        if (j >= v.len)
            return v.len; /* never closed: all the rest (to look behind it would be quadratic) */
        i = j;
    }
    return i;
}

struct copy {
    uint8_t *out;
    size_t cap, len;
};

static void
put(struct copy *c, uint8_t octet)
{
    if (c->len < c->cap)
        c->out[c->len] = octet;
    c->len++;
}

static void
copy_quoted(struct span v, size_t i, struct copy *c)
{
    for (; i < v.len && v.ptr[i] != '"'; i++) {
        if (v.ptr[i] == '\\' && i + 1 < v.len)
            i++;
        if (v.ptr[i] != '\r' && v.ptr[i] != '\n')
            put(c, v.ptr[i]);
    }
}

static void
copy_value(struct span v, size_t i, struct copy *c)
{
    if (i < v.len && v.ptr[i] == '"') {
        copy_quoted(v, i + 1, c);
        return;
    }
    size_t end = skip_value(v, i);
    while (end > i && octet_is_space(v.ptr[end - 1]))
        end--;
    for (; i < end; i++) {
        if (v.ptr[i] != '\r' && v.ptr[i] != '\n')
            put(c, v.ptr[i]);
    }
}

/* Length of `name` when it stands at v[i] and a name ends there; 0 if not. */
static size_t
name_at(struct span v, size_t i, const char *name)
{
    size_t n = 0;
    for (; name[n]; n++) {
        if (i + n >= v.len || octet_lower(v.ptr[i + n]) != (uint8_t)name[n])
            return 0;
    }
    if (i + n == v.len)
        return 0;
    uint8_t c = v.ptr[i + n];
    return c == '=' || c == '*' || c == '(' || octet_is_space(c) ? n : 0;
}

bool
param_get(struct span v, const char *name, uint8_t *out, size_t cap, size_t *len)
{
    for (size_t i = skip_value(v, 0); i < v.len; i = skip_value(v, i)) {
        i = skip_cfws(v, i + 1);
        size_t n = name_at(v, i, name);
        if (!n)
            continue;
        size_t j = skip_cfws(v, i + n);
        if (j >= v.len || v.ptr[j] != '=')
            continue;
        struct copy c = {out, cap, 0};
        copy_value(v, skip_cfws(v, j + 1), &c);
        *len = c.len;
        return true;
    }
    return false;
}

bool
param_has(struct span v, const char *name)
{
    for (size_t i = skip_value(v, 0); i < v.len; i = skip_value(v, i)) {
        i = skip_cfws(v, i + 1);
        if (name_at(v, i, name))
            return true;
    }
    return false;
}

/* ---- RFC 2231 ---- */

struct segment {
    struct span value; /* from behind "=" to the end of the field */
    bool is_there;
    bool is_escaped;
};

/* What stands behind the name in "name*", "name*3", "name*3*". */
static void
read_index(struct span v, size_t *i, unsigned *idx, bool *is_escaped)
{
    unsigned n = 0;
    size_t digits = 0;

    for (; *i < v.len && v.ptr[*i] >= '0' && v.ptr[*i] <= '9'; (*i)++) {
        n = n < 1000 ? n * 10 + (v.ptr[*i] - '0') : n;
        digits++;
    }
    *idx = n;
    *is_escaped = !digits;
    if (digits && *i < v.len && v.ptr[*i] == '*') {
        *is_escaped = true;
        (*i)++;
    }
}

static void
collect(struct span v, const char *name, struct segment *segments)
{
    for (size_t i = skip_value(v, 0); i < v.len; i = skip_value(v, i)) {
        unsigned idx;
        bool is_escaped;
        i = skip_cfws(v, i + 1);
        size_t n = name_at(v, i, name);
        if (!n || v.ptr[i + n] != '*')
            continue;
        size_t j = i + n + 1;
        read_index(v, &j, &idx, &is_escaped);
        j = skip_cfws(v, j);
        if (j >= v.len || v.ptr[j] != '=' || idx >= PARAM_SEGMENTS_MAX || segments[idx].is_there)
            continue;
        j = skip_cfws(v, j + 1);
        segments[idx] = (struct segment){{v.ptr + j, v.len - j}, true, is_escaped};
    }
}

/* Undoes "%41" in place. */
static size_t
unescape(uint8_t *p, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        if (p[i] == '%' && len - i > 2 && octet_hex(p[i + 1]) >= 0 && octet_hex(p[i + 2]) >= 0) {
            p[n++] = (uint8_t)(octet_hex(p[i + 1]) << 4 | octet_hex(p[i + 2]));
            i += 2;
        } else {
            p[n++] = p[i];
        }
    }
    return n;
}

/* Takes charset'language' off the front of p; returns octets taken. */
static size_t
take_charset(const uint8_t *p, size_t len, char charset[CHARSET_NAME_MAX + 1])
{
    const uint8_t *a = memchr(p, '\'', len);
    const uint8_t *b = a ? memchr(a + 1, '\'', len - (size_t)(a + 1 - p)) : NULL;

    if (!b)
        return 0;
    size_t n = (size_t)(a - p);
    if (n <= CHARSET_NAME_MAX) {
        memcpy(charset, p, n);
        charset[n] = '\0';
    }
    return (size_t)(b + 1 - p);
}

bool
param_get_extended(struct span v, const char *name, uint8_t *out, size_t cap, size_t *len,
                   char charset[CHARSET_NAME_MAX + 1])
{
    struct segment segments[PARAM_SEGMENTS_MAX];

    memset(segments, 0, sizeof(segments));
    collect(v, name, segments);
    *len = 0;
    charset[0] = '\0';
    for (unsigned k = 0; k < PARAM_SEGMENTS_MAX && segments[k].is_there; k++) {
        struct copy c = {out + *len, cap - *len, 0};
        copy_value(segments[k].value, 0, &c);
        size_t n = c.len < c.cap ? c.len : c.cap, taken = 0;
        if (segments[k].is_escaped) {
            if (k == 0)
                taken = take_charset(c.out, n, charset);
            memmove(c.out, c.out + taken, n - taken);
            n = unescape(c.out, n - taken);
        }
        *len += n;
    }
    return segments[0].is_there;
}

/* ---- what is wanted of them ---- */

static bool
is_word_octet(uint8_t c)
{
    c = octet_lower(c);
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* "text/plain charset=x": anywhere at the start of a word. */
static bool
get_loose(struct span v, const char *name, uint8_t *out, size_t cap, size_t *len)
{
    for (size_t i = 0; i < v.len; i++) {
        size_t n = i && is_word_octet(v.ptr[i - 1]) ? 0 : name_at(v, i, name);
        size_t j = n ? i + n : v.len;
        while (j < v.len && octet_is_space(v.ptr[j]))
            j++;
        if (j >= v.len || v.ptr[j] != '=')
            continue;
        for (j++; j < v.len && octet_is_space(v.ptr[j]);)
            j++;
        struct copy c = {out, cap, 0};
        copy_value(v, j, &c);
        *len = c.len;
        return true;
    }
    return false;
}

bool
param_get_any(struct span v, const char *name, uint8_t *out, size_t cap, size_t *len)
{
    char charset[CHARSET_NAME_MAX + 1];

    return param_get(v, name, out, cap, len) ||
           param_get_extended(v, name, out, cap, len, charset) || get_loose(v, name, out, cap, len);
}

static bool
is_quote(uint8_t c)
{
    return c == '\'' || c == '"' || octet_is_space(c);
}

size_t
param_charset(struct span type, char *out, size_t out_size)
{
    uint8_t *p = (uint8_t *)out;
    size_t len, start = 0;

    out[0] = '\0';
    if (!param_get_any(type, "charset", p, out_size, &len) || len >= out_size)
        len = 0;
    while (start < len && is_quote(p[start]))
        start++;
    while (len > start && is_quote(p[len - 1]))
        len--;
    memmove(out, out + start, len - start);
    out[len - start] = '\0';
    return len - start;
}

/* `text` in a charset, as UTF-8. */
static size_t
convert(const struct charset_set *set, const char *charset, struct span text, uint8_t *out,
        size_t cap)
{
    uint8_t room[CHARSET_ROOM(PARAM_NAME_OCTETS_MAX)];
    struct charset_result r;
    struct span name = {(const uint8_t *)charset, strlen(charset)};
    struct span got = text;

    if (set) {
        size_t n = charset_decode(set, name, text, room, sizeof(room), &r);
        got = r.is_same ? text : (struct span){room, n};
    }
    size_t n = charset_utf8_cut(got, cap);
    if (n)
        memcpy(out, got.ptr, n);
    return n;
}

static size_t
words(const struct charset_set *set, struct span text, uint8_t *out, size_t cap)
{
    uint8_t room[WORD_ROOM(PARAM_NAME_OCTETS_MAX)];
    struct span got = text;
    bool is_cut;

    if (set)
        got = (struct span){room, word_text(set, text, room, sizeof(room), &is_cut)};
    size_t n = charset_utf8_cut(got, cap);
    if (n)
        memcpy(out, got.ptr, n);
    return n;
}

size_t
param_text(const struct charset_set *set, struct span value, const char *name, uint8_t *out,
           size_t cap)
{
    uint8_t octets[PARAM_NAME_OCTETS_MAX];
    char charset[CHARSET_NAME_MAX + 1];
    size_t len;

    if (param_get(value, name, octets, sizeof(octets), &len)) {
        len = len < sizeof(octets) ? len : sizeof(octets);
        return words(set, (struct span){octets, len}, out, cap);
    }
    if (param_get_extended(value, name, octets, sizeof(octets), &len, charset))
        return convert(set, charset, (struct span){octets, len}, out, cap);
    return 0;
}

size_t
param_file_name(const struct charset_set *set, struct span disposition, struct span type,
                uint8_t *out, size_t cap)
{
    size_t n = param_text(set, disposition, "filename", out, cap);

    if (!n)
        n = param_text(set, disposition, "name", out, cap);
    if (!n)
        n = param_text(set, type, "name", out, cap);
    if (!n)
        n = param_text(set, type, "filename", out, cap);
    return n;
}
