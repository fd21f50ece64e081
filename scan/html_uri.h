/* html_uri: URIs of HTML made whole as HTML.pm does: blanks off, cut, joined with <base href> (RFC 2396
 * 5.2), dots in the path resolved.
 *
 * Owns:    nothing; `out` is the caller's.
 * Threads: pure but for the caller's struct html_base. Linear in the URI and the base.
 * Limits:  HTML_URI_MAX, HTML_BASE_MAX: below.
 * Fails:   never. */
#ifndef WEIR_SCAN_HTML_URI_H
#define WEIR_SCAN_HTML_URI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/span.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    HTML_URI_MAX = 8192,      /* characters of a URI, HTML.pm's MAX_URI_LENGTH: the rest is cut */
    HTML_URI_OCTETS_MAX = 9216, /* the same in octets, as long as they fit the tokenizer's store */
    HTML_BASE_MAX = 1024,     /* octets of a base; a longer one is not used */
    HTML_URI_OUT_MAX = HTML_URI_OCTETS_MAX + HTML_BASE_MAX + 16
};

struct html_base {
    uint32_t len;
    uint8_t uri[HTML_BASE_MAX];
};

/* White space (and NBSP) at both ends off, then at most HTML_URI_MAX characters; *is_cut is set then. */
struct span html_uri_trim(struct span uri, bool *is_cut);

/* The URI that `uri`, trimmed, stands for. out: HTML_URI_OUT_MAX octets. May be empty. */
size_t html_uri_target(const struct html_base *base, struct span uri, uint8_t *out);

/* <base href>, trimmed. Only http, https and ftp are taken. False: too long. */
bool html_uri_set_base(struct html_base *base, struct span uri);

#ifdef __cplusplus
}
#endif
#endif
