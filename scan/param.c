#include "scan/param.h"

static bool
is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static uint8_t
lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

/* Behind blanks and comments at i. An open comment that is never closed is no comment. */
static size_t
skip_cfws(struct span v, size_t i)
{
    while (i < v.len) {
        if (is_space(v.ptr[i])) {
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
        if (is_space(c)) {
            i = skip_cfws(v, i);
            if (i == v.len || v.ptr[i] != '/')
                break;
            i--;
            continue;
        }
        if (c < 33 || c > 126)
            continue; /* as SpamAssassin: octets that cannot be meant are dropped */
        if (n + 1 < out_size)
            out[n++] = (char)lower(c);
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
            continue; /* never closed: an ordinary octet */
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
    while (end > i && is_space(v.ptr[end - 1]))
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
        if (i + n >= v.len || lower(v.ptr[i + n]) != (uint8_t)name[n])
            return 0;
    }
    if (i + n == v.len)
        return 0;
    uint8_t c = v.ptr[i + n];
    return c == '=' || c == '*' || c == '(' || is_space(c) ? n : 0;
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
