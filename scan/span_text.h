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

#include "scan/span.h"

#ifdef __cplusplus
extern "C" {
#endif

bool span_is(struct span s, const char *text);
bool span_starts(struct span s, const char *prefix);
bool span_starts_nocase(struct span s, const char *prefix);
bool span_starts_span(struct span s, struct span prefix, bool is_nocase);
bool span_ends(struct span s, const char *suffix);
bool span_ends_nocase(struct span s, const char *suffix);
bool span_equal_nocase(struct span a, struct span b);

/* span_starts_nocase at an offset, which may be behind the end. */
bool span_starts_nocase_at(struct span s, size_t off, const char *prefix);

/* Where the text stands first; linear. */
bool span_find(struct span s, const char *what, size_t *off);
bool span_has(struct span s, const char *what);

/* Behind `off`, empty when there is nothing; at most `len` octets of that. */
struct span span_from(struct span s, size_t off);
struct span span_cut(struct span s, size_t off, size_t len);

/* Without the spaces at both ends. */
struct span span_trim(struct span s);

/* Octets up to the first blank. */
size_t span_word_len(struct span s);

/* The next word behind `key` in *rest, which then begins with it; `behind`: what follows it. */
bool span_word_behind(struct span *rest, const char *key, struct span *word, struct span *behind);

/* How many decimal digits stand at `off`. */
size_t span_digits(struct span s, size_t off);

/* The next line of *rest, without its line feed; false when *rest is empty. */
bool span_line(struct span *rest, struct span *line);

#ifdef __cplusplus
}
#endif
#endif
