/* html: HTML rendered to text, with its links and the facts that rules ask for, as SpamAssassin 4.0.1 sees
 * them (Mail::SpamAssassin::HTML, in character semantics: normalize_charset is on by default).
 *
 *     UTF-8 in windows --> html_feed --> text (UTF-8)
 *                              |--> sink->link:  every URI, in document order
 *                              '--> facts:       complete after html_end
 *
 *     html_init(&h, is_ascii, &sink);
 *     do {
 *         n = html_feed(&h, in, len, out, cap, &used);   // use out[0..n), of visibility h.is_invisible
 *         in += used, len -= used;
 *     } while (len || n);
 *     while ((n = html_end(&h, out, cap)))
 *         ...
 *
 * The pieces put together are get_rendered_text(), those with is_invisible are get_rendered_text(invisible
 * => 1). A piece never mixes both, so a call may end early. The same text for every split of the input.
 *
 * Where SpamAssassin's parser dies (style="background:" without a value), it renders nothing more, and has
 * no links and no facts but those it had put down: the text ends here too, and facts.is_aborted is set.
 * Facts and links up to there are given. With `goes_on` set, the rest is rendered instead: what the
 * recipient sees; SpamAssassin does not.
 *
 * Owns:    nothing; sizeof(struct html) < 24 KiB of state, part of a message's slot.
 * Threads: html_setup before any thread.
 * Limits:  html_token.h, html_style.h, html_uri.h, and HTML_* below: what they do stands there; flags in facts.
 * Fails:   never.
 * Linear:  each octet is read at most twice (three times at the end of the text).
 * Source:  HTML.pm 4.0.1, HTML::Parser 3.81. */
#ifndef WEIR_SCAN_HTML_H
#define WEIR_SCAN_HTML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/html_style.h"
#include "scan/html_token.h"
#include "scan/html_uri.h"
#include "scan/span.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    /* Room that html_feed and html_end need to get anywhere, octets. */
    HTML_OUT_MIN = 64,

    /* Links given for one part, and the octets of all of them: each costs a look at block lists later, and
     * mails with more than some hundred are digests. is_link_capped; the rest is counted only. */
    HTML_LINK_MAX = 4096,
    HTML_LINK_OCTETS_MAX = 1 << 19,

    /* Octets kept of one anchor's text; the rest is cut (is_anchor_capped). Rules look for URIs in it. */
    HTML_ANCHOR_TEXT_MAX = 512,

    /* Different names of unknown elements that are told apart (is_name_capped). */
    HTML_NAME_MAX = 192,
    HTML_NAME_SLOTS = 256,

    /* Octets of `charsets`. */
    HTML_CHARSETS_MAX = 96
};

/* What a link was found in: the key of uri_detail's {types}. */
enum html_link {
    HTML_LINK_A,
    HTML_LINK_AREA,
    HTML_LINK_LINK,
    HTML_LINK_IMG,
    HTML_LINK_FRAME,
    HTML_LINK_IFRAME,
    HTML_LINK_EMBED,
    HTML_LINK_SCRIPT,
    HTML_LINK_BGSOUND,
    HTML_LINK_FORM,
    HTML_LINK_BASE,
    HTML_LINK_META,
    HTML_LINK_BODY,
    HTML_LINK_TABLE,
    HTML_LINK_TR,
    HTML_LINK_TD,
    /* uri_detail's {anchor_text}: _ANCHOR is the href (not joined with the base, may be empty) of an <a>
     * that begins, _ANCHOR_TEXT the text of the last one, raw but decoded, images as "<img>\n". */
    HTML_LINK_ANCHOR,
    HTML_LINK_ANCHOR_TEXT,
    HTML_LINK_CNT
};

struct html_sink {
    /* `uri`: blanks off, references decoded, cut at MAX_URI_LENGTH, joined with <base href>, never empty
     * (but for the last two kinds). Borrowed for the call. NULL: links are only counted. */
    void (*link)(void *ctx, enum html_link type, struct span uri);
    void *ctx;
};

/* HTML.pm's get_results, by its names. Counts are of the whole part. html_all has one of these a part. */
struct html_facts {
    bool html;               /* always: the part is HTML */
    bool embeds;             /* <object> or <embed> */
    bool font_face_bad;
    bool font_low_contrast;
    bool font_invalid_color;
    bool form_action_mailto;
    bool uri_truncated;      /* a URI over 8,192 characters was cut */
    bool anchor_has_img;     /* html_text_match('anchor', '<img>') */
    struct html_comment_seen comment; /* html_text_match('comment', ...) of any comment */

    uint32_t length;         /* characters of the HTML */
    uint32_t html_length;    /* characters of the rendered text */
    uint32_t non_space_len;  /* of these no white space */
    double image_area;       /* square pixels; sizes in % are of 800x600 */
    int32_t max_size, min_size; /* font sizes */

    uint32_t tags, elements; /* tags; those of valid elements (closing ones too) */
    uint32_t tags_seen, elements_seen; /* different names of these */
    uint32_t closed_extra;   /* closing tags of elements that are not open */
    uint32_t obfuscation;    /* tags right between letters */

    /* {title}, one string a <title>: characters of the longest; of its longest line (`.{120}`). */
    uint32_t title_cnt, title_len_max, title_line_max;

    /* {inside}: elements open at the end, and those that were met at all. */
    int32_t inside[HTML_TAG_CNT];
    bool has_inside[HTML_TAG_CNT];

    /* Of <meta>, a blank between; NUL terminated, cut at its size. HTML.pm 4.0.1 gathers them but never puts
     * them into its results, so that html_charset_faraway sees none. */
    char charsets[HTML_CHARSETS_MAX];

    uint32_t visible_len, invisible_len; /* octets of rendered text */
    uint32_t link_cnt;                   /* links met, given or not */
    bool is_aborted;
    bool is_link_capped, is_anchor_capped, is_name_capped, is_style_capped, is_hold_capped, is_store_capped;
};

/* {closed_extra_ratio}, {bad_tag_ratio}, {non_element_ratio}, {obfuscation_ratio}; -1: not defined. */
double html_closed_extra_ratio(const struct html_facts *f);
double html_bad_tag_ratio(const struct html_facts *f);
double html_non_element_ratio(const struct html_facts *f);
double html_obfuscation_ratio(const struct html_facts *f);

struct html {
    struct html_facts facts;
    bool is_invisible; /* of the text that the last call returned */
    bool goes_on;      /* set it after html_init: see above */

    /* private */
    struct html_sink sink;
    bool is_ascii;
    bool is_ended;
    bool is_dead;
    /* the text being read */
    bool is_in_event;        /* a text began */
    bool is_end_due;         /* all of it was read */
    bool is_eof_text;
    bool is_resolved;        /* its visibility is known: it has more than white space */
    bool is_event_invisible;
    bool has_lead;           /* white space at its beginning, not given yet */
    bool has_first;          /* its first character was seen */
    bool is_in_space;        /* the last one was white space */
    bool has_acirc;          /* U+00C2 not given yet: with U+00A0 it is a space */
    bool is_last_word;       /* the last one is no space or punctuation */
    /* the rendered text so far */
    bool has_blank;          /* ends in a space not given yet: goes if an element's white space follows */
    bool is_blank_invisible;
    bool is_after_space;     /* ends in white space of an element */
    bool is_after_word;
    bool has_anchor;
    bool has_wide;           /* characters above U+00FF: SpamAssassin's string has characters */
    uint32_t title_len, title_line;
    uint32_t anchor_len, link_octets;
    uint32_t last3;          /* counting: octets of the character */
    uint32_t space_wide, space_ascii;
    uint32_t name_cnt;
    uint8_t *out;
    size_t out_len, out_cap;
    uint8_t queue_len;
    uint8_t queue[32];
    bool queue_invisible[32];
    uint32_t names[HTML_NAME_SLOTS]; /* hashes of unknown elements' names, */
    int16_t name_open[HTML_NAME_SLOTS]; /* and how many are open */
    struct html_base base;
    struct html_styles styles;
    uint8_t anchor_text[HTML_ANCHOR_TEXT_MAX];
    struct html_token token;
};

/* Tables of names, colours and references. Set-up only; again is harmless. */
void html_setup(void);

/* `is_ascii`: the part has no octet above 127; SpamAssassin counts spaces a little differently then. False
 * when it is not known. `sink` may be NULL; copied. */
void html_init(struct html *h, bool is_ascii, const struct html_sink *sink);

/* Octets written to out (cap >= HTML_OUT_MIN), *used of `in` taken. 0 written and all used: wants more. */
size_t html_feed(struct html *h, const uint8_t *in, size_t len, uint8_t *out, size_t cap, size_t *used);

/* Ends the text: call until 0. The facts are complete then. */
size_t html_end(struct html *h, uint8_t *out, size_t cap);

/* "a", "img", ...; "" outside the enum. */
const char *html_link_name(enum html_link type);

#ifdef __cplusplus
}
#endif
#endif
