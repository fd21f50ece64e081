/* html_tag: what a tag does to the facts, the style and the links of struct html. Private to html.c.
 *
 * Each works on h->token, the tag just read.
 *
 * Owns:    nothing; works on the struct html given.
 * Threads: as html.h.
 * Fails:   never. */
#ifndef WEIR_SCAN_HTML_TAG_H
#define WEIR_SCAN_HTML_TAG_H

#include "scan/html.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Counts it. False: nothing else is done with it (unknown name). */
bool html_tag_count(struct html *h, bool is_start);

/* Opens or closes its style. False: see html_style_open. */
bool html_tag_style(struct html *h, bool is_start);

/* Links and tests of a start tag. */
void html_tag_start(struct html *h);

/* Gives the text of the anchor at hand. */
void html_tag_end_anchor(struct html *h);

#ifdef __cplusplus
}
#endif
#endif
