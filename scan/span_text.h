/* span_text: the little questions that readers of header text ask of a span.
 *
 * Octets are compared as they are; `_nocase` folds ASCII letters only. A result span is a part of
 * the one asked. "Blank" is the octet 32, "space" what octet.h calls so.
 *
 * Owns:    nothing.
 * Threads: any.
 * Fails:   never. */
#ifndef WEIR_SCAN_SPAN_TEXT_H
#define WEIR_SCAN_SPAN_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "scan/octet.h"
#include "scan/span.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Behind `off`, empty when there is nothing. */
static inline struct span
span_from(struct span s, size_t off)
{
    struct span rest = {off < s.len ? s.ptr + off : NULL, off < s.len ? s.len - off : 0};

    return rest;
}

static inline bool
span_starts(struct span s, const char *prefix)
{
    size_t len = strlen(prefix);

    return s.len >= len && memcmp(s.ptr, prefix, len) == 0;
}

static inline bool
span_is(struct span s, const char *text)
{
    return s.len == strlen(text) && span_starts(s, text);
}

static inline bool
span_starts_nocase(struct span s, const char *prefix)
{
    size_t len = strlen(prefix);

    return s.len >= len &&
           (len == 0 || (octet_lower(s.ptr[0]) == octet_lower((uint8_t)prefix[0]) &&
                         strncasecmp((const char *)s.ptr, prefix, len) == 0));
}

bool span_starts_span(struct span s, struct span prefix, bool is_nocase);
bool span_ends(struct span s, const char *suffix);
bool span_ends_nocase(struct span s, const char *suffix);

static inline bool
span_equal_nocase(struct span a, struct span b)
{
    return a.len == b.len &&
           (a.len == 0 || strncasecmp((const char *)a.ptr, (const char *)b.ptr, a.len) == 0);
}

/* span_starts_nocase at an offset, which may be behind the end. */
bool span_starts_nocase_at(struct span s, size_t off, const char *prefix);

/* Where the text stands first; linear. */
bool span_find(struct span s, const char *what, size_t *off);
bool span_has(struct span s, const char *what);

/* Behind `off`, at most `len` octets. */
static inline struct span
span_cut(struct span s, size_t off, size_t len)
{
    struct span rest = span_from(s, off);

    rest.len = len < rest.len ? len : rest.len;
    return rest;
}

/* Without the spaces at both ends. */
static inline struct span
span_trim(struct span s)
{
    while (s.len > 0 && octet_is_space(s.ptr[s.len - 1]))
        s.len--;
    while (s.len > 0 && octet_is_space(s.ptr[0]))
        s = span_from(s, 1);
    return s;
}

/* Octets up to the first blank. */
static inline size_t
span_word_len(struct span s)
{
    const uint8_t *blank = s.len == 0 ? NULL : (const uint8_t *)memchr(s.ptr, ' ', s.len);

    return blank == NULL ? s.len : (size_t)(blank - s.ptr);
}

/* The next word behind `key` in *rest, which then begins with it; `behind`: what follows it. */
bool span_word_behind(struct span *rest, const char *key, struct span *word, struct span *behind);

/* How many decimal digits stand at `off`. */
static inline size_t
span_digits(struct span s, size_t off)
{
    size_t n = 0;

    while (off + n < s.len && s.ptr[off + n] >= '0' && s.ptr[off + n] <= '9')
        n++;
    return n;
}

/* The next line of *rest, without its line feed; false when *rest is empty. */
static inline bool
span_line(struct span *rest, struct span *line)
{
    const uint8_t *end = rest->len == 0 ? NULL : (const uint8_t *)memchr(rest->ptr, '\n', rest->len);

    if (rest->len == 0)
        return false;
    *line = *rest;
    if (end != NULL)
        line->len = (size_t)(end - rest->ptr);
    *rest = span_from(*rest, line->len + (end != NULL));
    return true;
}

#ifdef __cplusplus
}
#endif
#endif
