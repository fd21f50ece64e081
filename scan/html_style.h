/* html_style: how text looks (colour, size, shown or not), as far as HTML.pm works it out.
 *
 * A stack of styles, one entry for each open element that may change the style of text. Ends of elements
 * that were never opened do nothing; an end closes everything up to its element; <td> and <tr> close
 * what of their kind is open on top.
 *
 * Equal neighbours (<p><p><p>) share one entry. HTML_STYLE_MAX entries; deeper elements replace the
 * style on top and are counted, so closing stays right but for the style between them (is_capped).
 *
 * Owns:    nothing.
 * Threads: html_style_setup before any; one struct, one thread.
 * Limits:  HTML_STYLE_MAX, above.
 * Fails:   never.
 * Linear:  closing is paid for by opening; whether an element is open at all is a count, not a search. */
#ifndef WEIR_SCAN_HTML_STYLE_H
#define WEIR_SCAN_HTML_STYLE_H

#include <stdbool.h>
#include <stdint.h>

#include "scan/html_name.h"
#include "scan/span.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { HTML_STYLE_MAX = 192 };

/* Colours: 0xrrggbb, or one of these. */
#define HTML_COLOR_INVALID UINT32_C(0x1000000) /* no colour */
#define HTML_COLOR_BARE UINT32_C(0x1000001)    /* "#" without digits: equal only to itself */

struct html_style {
    uint32_t fg, bg;
    int32_t size;
    uint32_t cnt;     /* neighbours that share the entry */
    uint8_t tag;      /* enum html_tag; 0: the ground */
    bool is_none;     /* display: none */
    bool is_hidden;   /* visibility: hidden */
};

enum html_look { HTML_LOOK_SHOWN, HTML_LOOK_LOW_CONTRAST, HTML_LOOK_INVALID_COLOR, HTML_LOOK_HIDDEN };

struct html_styles {
    uint32_t depth;
    uint32_t over;     /* elements opened above the cap */
    int32_t basefont;
    int32_t max_size, min_size;
    bool is_capped;
    uint32_t open[HTML_TAG_CNT]; /* entries of each element */
    struct html_style at[HTML_STYLE_MAX];
};

/* Values of the attributes given; ptr NULL: not there. */
struct html_style_attrs {
    struct span color, text, size, style;
    bool has_other; /* background, link, face...: nothing but a look at the size */
};

void html_style_setup(void);
void html_style_init(struct html_styles *s);

/* False: the style makes SpamAssassin's parser die ("background:" without a value), see html.h. */
bool html_style_open(struct html_styles *s, enum html_tag tag, const struct html_style_attrs *a);
void html_style_close(struct html_styles *s, enum html_tag tag);

/* What text would look like now. */
enum html_look html_style_look(const struct html_styles *s);

/* A colour's value as an attribute or CSS has it. */
uint32_t html_color(struct span value);

#ifdef __cplusplus
}
#endif
#endif
