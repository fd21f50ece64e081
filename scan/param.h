/* param: structured header values (RFC 2045 5.1): the media type, and the parameters behind it.
 *
 * Values are read raw, folding included. Read as mail is, not as it should be: blanks around "=",
 * a quote that is never closed, comments, unquoted blanks in a file name.
 *
 * A parameter in RFC 2231's form (name*0=, name*=charset'language'%41) counts where there is no
 * plain one, as in SpamAssassin and Python; segments that come in disorder are put in order, and
 * what stands behind a missing one is left out.
 *
 * Owns:    nothing; spans point into the value.
 * Threads: pure functions.
 * Limits:  PARAM_SEGMENTS_MAX. Linear time.
 * Fails:   never: what is not there is empty. */
#ifndef WEIR_SCAN_PARAM_H
#define WEIR_SCAN_PARAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/charset.h"
#include "scan/span.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Octets of "type/subtype" kept, NUL included; a longer one is no type that anything acts on. */
enum { MEDIA_TYPE_MAX = 128 };

/* Segments of one RFC 2231 parameter; a file name of 255 octets is written in about five. */
enum { PARAM_SEGMENTS_MAX = 32 };

/* Octets of a parameter's value that are looked at when it is to become a file name: a path of
 * 4,096 octets is none, and all of "%41" is three octets for one. */
enum { PARAM_NAME_OCTETS_MAX = 1024 };

/* Lower-case first token of `value` ("text/html", "base64", "attachment"), comments and blanks left
 * out, cut to out_size - 1 and NUL-terminated. Returns its length. */
size_t param_token(struct span value, char *out, size_t out_size);

/* Value of the first parameter `name` (lower case), unquoted, cut to `cap`; *len is the whole
 * length. False when there is none. An unquoted value ends at ";", blanks trimmed. */
bool param_get(struct span value, const char *name, uint8_t *out, size_t cap, size_t *len);

/* The same for RFC 2231's form: segments joined, escapes undone, still in its charset, whose name
 * goes to `charset` ("" when there is none). */
bool param_get_extended(struct span value, const char *name, uint8_t *out, size_t cap, size_t *len,
                        char charset[CHARSET_NAME_MAX + 1]);

/* Plain, else extended, else (as SpamAssassin) "name=" where no ";" stands before it. */
bool param_get_any(struct span value, const char *name, uint8_t *out, size_t cap, size_t *len);

/* The charset of a Content-Type, as it stands there, NUL-terminated; "" when there is none or a
 * longer one. Returns its length. */
size_t param_charset(struct span type, char *out, size_t out_size);

/* One parameter as text in UTF-8: encoded words (which do not belong there, and are common) and RFC
 * 2231 decoded, cut at a character to `cap`. `set` NULL: octets as they come. Returns octets; 0:
 * none. */
size_t param_text(const struct charset_set *set, struct span value, const char *name, uint8_t *out,
                  size_t cap);

/* The file name of a part: of its Content-Disposition, else of its Content-Type; either may be
 * empty. Path and control octets are not taken out. */
size_t param_file_name(const struct charset_set *set, struct span disposition, struct span type,
                       uint8_t *out, size_t cap);

/* True when there is a parameter `name` or an RFC 2231 form of it. */
bool param_has(struct span value, const char *name);

#ifdef __cplusplus
}
#endif
#endif
