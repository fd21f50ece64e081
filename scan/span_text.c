/* See span_text.h. */
#include <string.h>
#include <strings.h>

#include "scan/octet.h"
#include "scan/span_text.h"

struct span
span_from(struct span s, size_t off)
{
    return off < s.len ? (struct span){s.ptr + off, s.len - off} : (struct span){NULL, 0};
}

struct span
span_cut(struct span s, size_t off, size_t len)
{
    struct span rest = span_from(s, off);

    return (struct span){rest.ptr, len < rest.len ? len : rest.len};
}

bool
span_starts(struct span s, const char *prefix)
{
    size_t len = strlen(prefix);

    return s.len >= len && memcmp(s.ptr, prefix, len) == 0;
}

bool
span_starts_nocase(struct span s, const char *prefix)
{
    size_t len = strlen(prefix);

    return s.len >= len && strncasecmp((const char *)s.ptr, prefix, len) == 0;
}

bool
span_starts_nocase_at(struct span s, size_t off, const char *prefix)
{
    return off <= s.len && span_starts_nocase((struct span){s.ptr + off, s.len - off}, prefix);
}

bool
span_is(struct span s, const char *text)
{
    return s.len == strlen(text) && span_starts(s, text);
}

bool
span_find(struct span s, const char *what, size_t *off)
{
    const uint8_t *at = s.len == 0 ? NULL : memmem(s.ptr, s.len, what, strlen(what));

    if (at == NULL)
        return false;
    *off = (size_t)(at - s.ptr);
    return true;
}

bool
span_has(struct span s, const char *what)
{
    size_t off;

    return span_find(s, what, &off);
}

size_t
span_word_len(struct span s)
{
    const uint8_t *blank = s.len == 0 ? NULL : memchr(s.ptr, ' ', s.len);

    return blank == NULL ? s.len : (size_t)(blank - s.ptr);
}

bool
span_word_behind(struct span *rest, const char *key, struct span *word, struct span *behind)
{
    size_t off;

    if (!span_find(*rest, key, &off))
        return false;
    *rest = span_from(*rest, off + strlen(key));
    *word = span_cut(*rest, 0, span_word_len(*rest));
    *behind = span_from(*rest, word->len);
    return true;
}

bool
span_ends(struct span s, const char *suffix)
{
    size_t len = strlen(suffix);

    return s.len >= len && memcmp(s.ptr + s.len - len, suffix, len) == 0;
}

bool
span_ends_nocase(struct span s, const char *suffix)
{
    size_t len = strlen(suffix);

    return s.len >= len && strncasecmp((const char *)s.ptr + s.len - len, suffix, len) == 0;
}

bool
span_equal_nocase(struct span a, struct span b)
{
    return a.len == b.len &&
           (a.len == 0 || strncasecmp((const char *)a.ptr, (const char *)b.ptr, a.len) == 0);
}

bool
span_starts_span(struct span s, struct span prefix, bool is_nocase)
{
    struct span head = span_cut(s, 0, prefix.len);

    if (is_nocase)
        return span_equal_nocase(head, prefix);
    return head.len == prefix.len && (head.len == 0 || memcmp(head.ptr, prefix.ptr, head.len) == 0);
}

struct span
span_trim(struct span s)
{
    while (s.len > 0 && octet_is_space(s.ptr[s.len - 1]))
        s.len--;
    while (s.len > 0 && octet_is_space(s.ptr[0]))
        s = span_from(s, 1);
    return s;
}

bool
span_line(struct span *rest, struct span *line)
{
    const uint8_t *end = rest->len == 0 ? NULL : memchr(rest->ptr, '\n', rest->len);

    if (rest->len == 0)
        return false;
    *line = *rest;
    if (end != NULL)
        line->len = (size_t)(end - rest->ptr);
    *rest = span_from(*rest, line->len + (end != NULL));
    return true;
}

size_t
span_digits(struct span s, size_t off)
{
    size_t n = 0;

    while (off + n < s.len && s.ptr[off + n] >= '0' && s.ptr[off + n] <= '9')
        n++;
    return n;
}
