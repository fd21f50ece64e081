/* See span_text.h. */
#include <string.h>
#include <strings.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "scan/span_text.h"

bool
span_starts_nocase_at(struct span s, size_t off, const char *prefix)
{
    return off <= s.len && span_starts_nocase((struct span){off ? s.ptr + off : s.ptr, s.len - off}, prefix);
}

bool
span_find(struct span s, const char *what, size_t *off)
{
    size_t len = strlen(what), i = 0;

#ifdef __SSE2__
    /* Where the first and the last octet stand: memmem() makes a table for each call, which is most of its time. */
    if (len > 0) {
        const __m128i first = _mm_set1_epi8(what[0]), last = _mm_set1_epi8(what[len - 1]);
        for (; i + len + 15 <= s.len; i += 16) {
            __m128i a = _mm_loadu_si128((const __m128i *)(const void *)(s.ptr + i));
            __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(s.ptr + i + len - 1));
            __m128i both = _mm_and_si128(_mm_cmpeq_epi8(a, first), _mm_cmpeq_epi8(b, last));
            for (unsigned hits = (unsigned)_mm_movemask_epi8(both); hits; hits &= hits - 1) {
                size_t at = i + (size_t)__builtin_ctz(hits);
                if (memcmp(s.ptr + at, what, len) == 0) {
                    *off = at;
                    return true;
                }
            }
        }
    }
#endif
    for (; i + len <= s.len && s.len > 0; i++) {
        if (len == 0 || (s.ptr[i] == (uint8_t)what[0] && memcmp(s.ptr + i, what, len) == 0)) {
            *off = i;
            return true;
        }
    }
    return false;
}

bool
span_has(struct span s, const char *what)
{
    size_t off;

    return span_find(s, what, &off);
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
span_starts_span(struct span s, struct span prefix, bool is_nocase)
{
    struct span head = span_cut(s, 0, prefix.len);

    if (is_nocase)
        return span_equal_nocase(head, prefix);
    return head.len == prefix.len && (head.len == 0 || memcmp(head.ptr, prefix.ptr, head.len) == 0);
}
