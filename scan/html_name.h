/* html_name: the elements and attributes that HTML.pm knows, by number.
 *
 * Owns:    constant tables after set-up.
 * Threads: html_name_setup before any thread; lookups are pure after it.
 * Fails:   never: what is not known is HTML_TAG_UNKNOWN, HTML_ATTR_CNT. */
#ifndef WEIR_SCAN_HTML_NAME_H
#define WEIR_SCAN_HTML_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(identifier, name, what it is). Flags: E a valid element, R rendered though not valid ("tricks"), S may
 * change the style of text, U may carry URIs; white space around it: N "\n", B " ", P "\n\n". */
#define HTML_TAGS(X) \
    X(A, "a", E | S | U) X(ABBR, "abbr", E) X(ACRONYM, "acronym", E) X(ADDRESS, "address", E) \
    X(AREA, "area", E | U) X(B, "b", E) X(BASE, "base", E | U) X(BDO, "bdo", E) \
    X(BIG, "big", E | S) X(BLOCKQUOTE, "blockquote", E | P) X(BODY, "body", E | S | U) \
    X(BR, "br", E | N) X(BUTTON, "button", E) X(CAPTION, "caption", E) X(CITE, "cite", E) \
    X(CODE, "code", E) X(COL, "col", E) X(COLGROUP, "colgroup", E) X(DD, "dd", E | B) \
    X(DEL, "del", E) X(DFN, "dfn", E) X(DIV, "div", E | S | N) X(DL, "dl", E) X(DT, "dt", E | B) \
    X(EM, "em", E) X(FIELDSET, "fieldset", E) X(FORM, "form", E | U) X(H1, "h1", E | B) \
    X(H2, "h2", E | B) X(H3, "h3", E | B) X(H4, "h4", E | B) X(H5, "h5", E | B) \
    X(H6, "h6", E | B) X(HEAD, "head", E) X(HR, "hr", E | P) X(HTML, "html", E) X(I, "i", E) \
    X(IMG, "img", E | U) X(INPUT, "input", E) X(INS, "ins", E) X(KBD, "kbd", E) \
    X(LABEL, "label", E) X(LEGEND, "legend", E) X(LI, "li", E | B) X(LINK, "link", E | U) \
    X(MAP, "map", E) X(META, "meta", E | U) X(NOSCRIPT, "noscript", E) X(OBJECT, "object", E) \
    X(OL, "ol", E) X(OPTGROUP, "optgroup", E) X(OPTION, "option", E) X(PARA, "p", E | S | P) \
    X(PARAM, "param", E) X(PRE, "pre", E | P) X(Q, "q", E) X(SAMP, "samp", E) \
    X(SCRIPT, "script", E | U) X(SELECT, "select", E) X(SMALL, "small", E | S) \
    X(SPAN, "span", E | S) X(STRONG, "strong", E) X(STYLE, "style", E) X(SUB, "sub", E) \
    X(SUP, "sup", E) X(TABLE, "table", E | S | U) X(TBODY, "tbody", E) X(TD, "td", E | S | U | B) \
    X(TEXTAREA, "textarea", E) X(TFOOT, "tfoot", E) X(TH, "th", E | S | B) X(THEAD, "thead", E) \
    X(TITLE, "title", E | P) X(TR, "tr", E | S | U) X(TT, "tt", E) X(UL, "ul", E) X(VAR, "var", E) \
    X(APPLET, "applet", E) X(BASEFONT, "basefont", E | S) X(CENTER, "center", E) X(DIR, "dir", E) \
    X(FONT, "font", E | S) X(FRAME, "frame", E | U) X(FRAMESET, "frameset", E) \
    X(IFRAME, "iframe", E | U) X(ISINDEX, "isindex", E) X(MENU, "menu", E) \
    X(NOFRAMES, "noframes", E) X(STRIKE, "strike", E) X(UNDERLINE, "u", E) X(S, "s", E) \
    X(NOBR, "nobr", E) X(XSIGSEP, "x-sigsep", E) X(XTAB, "x-tab", E) X(BGSOUND, "bgsound", R | U) \
    X(EMBED, "embed", R | U | B) X(LISTING, "listing", R | P) X(PLAINTEXT, "plaintext", R | P) \
    X(XMP, "xmp", R | P) X(DOCTYPE, "!doctype", 0)

enum html_tag {
    HTML_TAG_UNKNOWN,
#define X(id, name, flags) HTML_TAG_##id,
    HTML_TAGS(X)
#undef X
    HTML_TAG_CNT
};

enum html_tag_flag {
    HTML_IS_ELEMENT = 1,
    HTML_IS_TRICK = 2,
    HTML_IS_STYLE = 4,
    HTML_IS_URI = 8,
    HTML_IS_LINE = 16,
    HTML_IS_BLANK = 32,
    HTML_IS_PARAGRAPH = 64
};

/* Attributes whose values are looked at. */
#define HTML_ATTRS(X) \
    X(ACTION, "action") X(BACKGROUND, "background") X(BGCOLOR, "bgcolor") X(COLOR, "color") \
    X(CONTENT, "content") X(SAFEREDIRECTURL, "data-saferedirecturl") X(FACE, "face") \
    X(HEIGHT, "height") X(HREF, "href") X(HTTP_EQUIV, "http-equiv") X(SIZE, "size") X(SRC, "src") \
    X(STYLE, "style") X(TEXT, "text") X(WIDTH, "width") X(LINK, "link") X(ALINK, "alink") \
    X(VLINK, "vlink")

enum html_attr {
#define X(id, name) HTML_ATTR_##id,
    HTML_ATTRS(X)
#undef X
    HTML_ATTR_CNT /* also: none of these */
};

void html_name_setup(void);

/* Any case of ASCII letters. HTML_TAG_UNKNOWN; HTML_ATTR_CNT. */
enum html_tag html_tag_find(const uint8_t *name, size_t len);
enum html_attr html_attr_find(const uint8_t *name, size_t len);

unsigned html_tag_flags(enum html_tag tag);

/* Lower case, static. */
const char *html_tag_name(enum html_tag tag);

#ifdef __cplusplus
}
#endif
#endif
