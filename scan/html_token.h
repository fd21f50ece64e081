/* html_token: HTML cut into text, tags and comments, as Perl's HTML::Parser 3.81 cuts it (marked_sections
 * on) behind the three replacements that SpamAssassin's HTML.pm makes before it:
 *
 *     "&nbsp;" -> " "      "<br/>", "<b />" -> "<br>", "<b>"      U+201C, U+201D -> '"'
 *
 *     feed --> [replace] --> buf --> next() --> TEXT piece | START | END | COMMENT | DECLARATION | EOF
 *
 * TEXT comes in pieces of one text (is_first, is_last), each up to the next '<', tag or not. The reader
 * takes as many octets of a piece as it can use (html_token_took); a rest of at most
 * HTML_LOOKAHEAD octets, such as half a reference, comes again with more behind it.
 *
 * What HTML::Parser takes back at the end of the text is kept in `hold` to be read again: a comment that
 * never ends (it then ends at its first '>') and a <title> that never ends (its text is then HTML).
 *
 * Differs from HTML::Parser in texts that end inside something, as no mail of the corpus does:
 *   - the text of a marked section that never ends is given; there it is dropped
 *   - <script> or <style> that never ends, in a comment or title that never ends: skipped; there the tags
 *     in it count
 *   - two titles that never end have two line breaks more, and "<" as the last character may be missing
 *   - a tag that never ends is no comment with a '>' in it (comment_closed), whatever its values have
 *
 * Owns:    struct html_token is the caller's memory; no pointers into the input.
 * Threads: one struct, one thread; entity_setup before any.
 * Limits:  each told in the flag named:
 *   HTML_HOLD_MAX   a title longer than this counts as never ended; a comment longer than this and never
 *                   ended swallows the rest of the text (is_hold_capped)
 *   HTML_STORE_MAX  octets of all values of interest of one tag; the rest is cut (is_store_capped)
 *   HTML_VALUE_MAX  octets of one value; the rest is cut (is_store_capped)
 *   HTML_LOOKAHEAD  octets of a name that are looked at; blanks in "</title   >"
 * Fails:   never. */
#ifndef WEIR_SCAN_HTML_TOKEN_H
#define WEIR_SCAN_HTML_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/html_name.h"
#include "scan/span.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    HTML_LOOKAHEAD = 64,
    HTML_HEADROOM = 192, /* of buf: the end of what is read again goes there */
    HTML_BUF_MAX = 2048,
    HTML_HOLD_MAX = 4096,
    HTML_STORE_MAX = 9216,
    HTML_VALUE_MAX = 8320 /* of one value: HTML.pm's longest URI, 8,192, and some blanks */
};

enum html_token_kind {
    HTML_TOKEN_MORE, /* feed, or end */
    HTML_TOKEN_TEXT,
    HTML_TOKEN_START,
    HTML_TOKEN_END,
    HTML_TOKEN_COMMENT, /* text: nothing; see html_comment_seen */
    HTML_TOKEN_DOCTYPE,
    HTML_TOKEN_EOF
};

enum html_token_state {
    HTML_IN_TEXT,
    HTML_IN_TAG_NAME,
    HTML_IN_TAG_NAME_REST, /* of an overlong one */
    HTML_BEFORE_ATTR,
    HTML_IN_ATTR_NAME,
    HTML_IN_ATTR_NAME_REST,
    HTML_AFTER_ATTR_NAME,
    HTML_BEFORE_VALUE,
    HTML_IN_VALUE,        /* bare */
    HTML_IN_QUOTED_VALUE,
    HTML_IN_END_NAME,
    HTML_IN_END_NAME_REST,
    HTML_IN_END_REST,     /* up to '>' outside quotes */
    HTML_IN_BOGUS_END,    /* "</ >": a comment, ends alike */
    HTML_IN_COMMENT,
    HTML_IN_SHORT_COMMENT, /* ends at the first '>' */
    HTML_IN_DECL,
    HTML_IN_DECL_WORD,
    HTML_IN_DECL_QUOTE,
    HTML_IN_DECL_DASH,
    HTML_IN_DECL_COMMENT,
    HTML_IN_PROCESS,
    HTML_IN_RAW,          /* script, style: skipped */
    HTML_IN_RAW_TEXT,     /* textarea, xmp, iframe, plaintext */
    HTML_IN_TITLE,        /* into hold */
    HTML_IN_TITLE_TEXT    /* out of hold, then </title> */
};

/* What the patterns of the stock rules see in a comment. */
struct html_comment_seen {
    bool has_closed;    /* <!.*?>           on one line */
    bool has_short;     /* <!(?!-).{0,6}>   */
    bool has_saved_url; /* <!-- saved from url=(dddd) */
};

struct html_token {
    /* set by html_token_next */
    struct span text;       /* TEXT, borrowed until the next call */
    bool is_first, is_last; /* TEXT: of this text */
    bool is_cdata;          /* TEXT: references stay as they are */
    bool is_eof_text;       /* TEXT: no tag will follow it */
    enum html_tag tag;      /* START, END */
    bool is_namespace;      /* START, END: "o:p", "st1:City" */
    uint64_t tag_hash;      /* START, END of unknown name */
    struct html_comment_seen seen; /* COMMENT */
    uint32_t value_off[HTML_ATTR_CNT]; /* START: into store */
    uint32_t value_len[HTML_ATTR_CNT];
    uint32_t has_value;                /* START: bit per attribute */

    bool is_hold_capped, is_store_capped;

    /* private */
    enum html_token_state state;
    enum html_token_kind queued; /* given after the </title> that was due; MORE: none */
    enum html_tag queued_tag;
    bool is_queued, queued_namespace, is_queued_title;
    uint64_t queued_hash;
    bool is_ended;          /* no more input */
    bool is_text_open;      /* a piece of this text was taken */
    bool is_short;          /* the end was reached: comments end at '>' */
    bool is_blind;          /* re-reading a title: no title in it ends */
    bool is_hold_cut;       /* hold does not have all of it */
    bool is_wanted;         /* the value being read, for cur_attr */
    bool is_override;       /* its attribute is "x/href": takes the place of href */
    bool has_pending_end;   /* </title> is due before the next tag */
    bool is_from_hold;      /* hold is read before buf */
    bool is_line_open;      /* comment: "<!" seen on this line */
    bool is_after_bang;     /* comment: "<!" was the last */
    uint8_t near;           /* comment: bit k: "<!" seen, k octets before */
    uint8_t match;          /* comment: octets of " saved from url=(" seen, then digits */
    uint8_t quote, prev;
    uint8_t dash;           /* comment: dashes seen; 3: blanks behind them */
    uint8_t raw;            /* enum html_tag: element whose end is looked for */
    uint8_t section;        /* the strongest of the marked sections */
    uint8_t section_cnt;
    uint8_t sections[8];
    uint8_t norm_at, norm_tag;
    uint32_t cur_attr, cur_off, store_len;
    uint32_t hold_len, hold_off; /* of what is read again */
    uint32_t kept, kept_off;     /* of what is being kept; of the title given from it */
    uint32_t rd, wr;
    uint8_t hold[HTML_HOLD_MAX];
    uint8_t store[HTML_STORE_MAX];
    uint8_t buf[2 * HTML_HEADROOM + HTML_BUF_MAX + 16];
};

void html_token_init(struct html_token *t);

/* Takes octets; returns how many (0: read tokens first). */
size_t html_token_feed(struct html_token *t, const uint8_t *in, size_t len);

/* No more will be fed. */
void html_token_end(struct html_token *t);

enum html_token_kind html_token_next(struct html_token *t);

/* After TEXT: `len` of its octets are used. All of them when is_last and not by parts. */
void html_token_took(struct html_token *t, size_t len);

/* START: the value, decoded; ptr NULL when the attribute is not there. */
struct span html_token_value(const struct html_token *t, enum html_attr a);

#ifdef __cplusplus
}
#endif
#endif
