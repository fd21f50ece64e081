/* param: structured header values (RFC 2045 5.1): the media type, and the parameters behind it.
 *
 * Values are read raw, folding included. Read as mail is, not as it should be: blanks around "=",
 * a quote that is never closed, comments, unquoted blanks in a file name.
 *
 * RFC 2231 (name*0=, name*=charset''%41) is not read yet: such a parameter is only seen by param_has().
 *
 * Threads: pure functions. */
#ifndef WEIR_SCAN_PARAM_H
#define WEIR_SCAN_PARAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/span.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Octets of "type/subtype" kept, NUL included; a longer one is no type that anything acts on. */
enum { MEDIA_TYPE_MAX = 128 };

/* Lower-case first token of `value` ("text/html", "base64", "attachment"), comments and blanks left out,
 * cut to out_size - 1 and NUL-terminated. Returns its length. */
size_t param_token(struct span value, char *out, size_t out_size);

/* Value of the first parameter `name` (lower case), unquoted, cut to `cap`; *len is the whole length.
 * False when there is none. An unquoted value ends at ";", blanks trimmed. */
bool param_get(struct span value, const char *name, uint8_t *out, size_t cap, size_t *len);

/* True when there is a parameter `name` or an RFC 2231 form of it. */
bool param_has(struct span value, const char *name);

#ifdef __cplusplus
}
#endif
#endif
