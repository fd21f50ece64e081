#include "scan/html_tag.h"

#include <string.h>

#include "scan/octet.h"

/* Where `word` (lower case) begins in `s` from `from` on, any case; s.len: nowhere. */
static size_t
find(struct span s, size_t from, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = from; i + n <= s.len; i++) {
        size_t k = 0;
        while (k < n && octet_lower(s.ptr[i + k]) == (uint8_t)word[k])
            k++;
        if (k == n)
            return i;
    }
    return s.len;
}

static struct span
value(const struct html *h, enum html_attr a)
{
    return html_token_value(&h->token, a);
}

/* ---- counts ---- */

/* The slot of an unknown name; -1: the table is full. */
static int
name_slot(struct html *h, bool *is_new)
{
    uint32_t key = (uint32_t)h->token.tag_hash | 1;
    unsigned i = (unsigned)(h->token.tag_hash >> 32) % HTML_NAME_SLOTS;

    *is_new = false;
    for (; h->names[i]; i = (i + 1) % HTML_NAME_SLOTS)
        if (h->names[i] == key)
            return (int)i;
    if (h->name_cnt == HTML_NAME_MAX) {
        h->facts.is_name_capped = true;
        return -1;
    }
    h->name_cnt++;
    h->names[i] = key;
    *is_new = true;
    return (int)i;
}

static bool
count_unknown(struct html *h, bool is_start)
{
    bool is_new;
    int i = name_slot(h, &is_new);

    if (i < 0)
        return false;
    if (is_start) {
        if (h->name_open[i] < INT16_MAX)
            h->name_open[i]++;
    } else if (h->name_open[i]) {
        h->name_open[i]--;
    } else {
        h->facts.closed_extra++;
    }
    return is_new;
}

static bool
count_known(struct html_facts *f, enum html_tag tag, bool is_start)
{
    bool is_new = !f->has_inside[tag];

    f->has_inside[tag] = true;
    f->inside[tag] += is_start ? 1 : -1;
    if (f->inside[tag] < 0) {
        f->inside[tag] = 0;
        f->closed_extra++;
    }
    return is_new;
}

bool
html_tag_count(struct html *h, bool is_start)
{
    struct html_facts *f = &h->facts;
    enum html_tag tag = h->token.tag;
    bool is_element = (html_tag_flags(tag) & HTML_IS_ELEMENT) || h->token.is_namespace;
    bool is_new = tag ? count_known(f, tag, is_start) : count_unknown(h, is_start);

    f->tags++;
    f->tags_seen += is_new;
    f->elements += is_element;
    f->elements_seen += is_element && is_new;
    return html_tag_flags(tag) != 0;
}

/* ---- style ---- */

bool
html_tag_style(struct html *h, bool is_start)
{
    enum html_tag tag = h->token.tag;

    if (!(html_tag_flags(tag) & HTML_IS_STYLE))
        return true;
    if (!is_start) {
        html_style_close(&h->styles, tag);
        return true;
    }
    struct html_style_attrs a = {0};
    bool is_font = tag == HTML_TAG_FONT || tag == HTML_TAG_BASEFONT;
    if (is_font) {
        a.color = value(h, HTML_ATTR_COLOR);
        a.size = value(h, HTML_ATTR_SIZE);
        a.has_other = value(h, HTML_ATTR_FACE).ptr;
    } else if (tag == HTML_TAG_BODY) {
        a.text = value(h, HTML_ATTR_TEXT);
        a.has_other = value(h, HTML_ATTR_BGCOLOR).ptr || value(h, HTML_ATTR_LINK).ptr ||
                      value(h, HTML_ATTR_ALINK).ptr || value(h, HTML_ATTR_VLINK).ptr ||
                      value(h, HTML_ATTR_BACKGROUND).ptr;
    } else if (tag != HTML_TAG_BIG && tag != HTML_TAG_SMALL) {
        a.style = value(h, HTML_ATTR_STYLE);
        a.has_other = (tag == HTML_TAG_TABLE || tag == HTML_TAG_TD || tag == HTML_TAG_TH ||
                       tag == HTML_TAG_TR) &&
                      value(h, HTML_ATTR_BGCOLOR).ptr;
    }
    return html_style_open(&h->styles, tag, &a);
}

/* ---- links ---- */

static void
give(struct html *h, enum html_link type, struct span uri)
{
    struct html_facts *f = &h->facts;

    if (type < HTML_LINK_ANCHOR)
        f->link_cnt++;
    if (f->link_cnt > HTML_LINK_MAX || h->link_octets + uri.len > HTML_LINK_OCTETS_MAX) {
        f->is_link_capped = true;
        return;
    }
    h->link_octets += (uint32_t)uri.len;
    if (h->sink.link)
        h->sink.link(h->sink.ctx, type, uri);
}

static bool
begins(struct span s, const char *word)
{
    size_t n = strlen(word);
    return s.len >= n && find((struct span){s.ptr, n}, 0, word) == 0;
}

static void
push(struct html *h, enum html_link type, struct span uri)
{
    uint8_t out[HTML_URI_OUT_MAX];

    uri = html_uri_trim(uri, &h->facts.uri_truncated);
    if (!uri.len)
        return;
    if (begins(uri, "data:") || begins(uri, "mailto:") || begins(uri, "file:") ||
        begins(uri, "cid:") || begins(uri, "tel:")) {
        give(h, type, uri);
        return;
    }
    size_t n = html_uri_target(&h->base, uri, out);
    if (n)
        give(h, type, (struct span){out, n});
}

static void
push_attr(struct html *h, enum html_link type, enum html_attr a)
{
    struct span v = value(h, a);
    if (v.ptr)
        push(h, type, v);
}

/* The href without byte order marks; they are in the tokenizer's store, which is ours. */
static void
strip_marks(struct html *h)
{
    struct span v = value(h, HTML_ATTR_HREF);
    uint8_t *p = h->token.store + h->token.value_off[HTML_ATTR_HREF];
    size_t o = 0;

    for (size_t i = 0; i < v.len; i++) {
        if (i + 3 <= v.len && p[i] == 0xef && p[i + 1] == 0xbb && p[i + 2] == 0xbf)
            i += 2;
        else
            p[o++] = p[i];
    }
    h->token.value_len[HTML_ATTR_HREF] = (uint32_t)o;
}

static void
base(struct html *h)
{
    struct span v = value(h, HTML_ATTR_HREF);

    if (!v.len || (v.len == 1 && v.ptr[0] == '0'))
        return;
    v = html_uri_trim(v, &h->facts.uri_truncated);
    push(h, HTML_LINK_BASE, v);
    if (!html_uri_set_base(&h->base, v))
        h->facts.is_store_capped = true;
}

static bool
is_word(uint8_t c)
{
    return octet_is_word(c) || c >= 0x80;
}

/* Behind `word` as a whole word and blanks and '=', the last one; s.len: none. */
static size_t
behind_equals(struct span s, const char *word, bool is_first)
{
    size_t found = s.len;

    for (size_t i = 0; (i = find(s, i, word)) < s.len; i++) {
        size_t k = i + strlen(word);
        if (i && is_word(s.ptr[i - 1]))
            continue;
        while (k < s.len && octet_is_space(s.ptr[k]))
            k++;
        if (k == s.len || s.ptr[k] != '=')
            continue;
        found = k + 1;
        if (is_first)
            break;
    }
    return found;
}

static void
meta(struct html *h)
{
    struct span equiv = value(h, HTML_ATTR_HTTP_EQUIV), content = value(h, HTML_ATTR_CONTENT);
    struct html_facts *f = &h->facts;

    if (!equiv.ptr || !content.ptr)
        return;
    if (find(equiv, 0, "refresh") < equiv.len &&
        behind_equals(content, "url", true) < content.len) {
        size_t from = behind_equals(content, "url", false);
        struct span uri = {content.ptr + from, content.len - from};
        const uint8_t *semi = uri.len ? memchr(uri.ptr, ';', uri.len) : NULL;
        uri.len = semi ? (size_t)(semi - uri.ptr) : uri.len;
        push(h, HTML_LINK_META, uri);
    }
    size_t from = behind_equals(content, "charset", true);
    if (find(equiv, 0, "content-type") == equiv.len || from == content.len)
        return;
    while (from < content.len && octet_is_space(content.ptr[from]))
        from++;
    from += from < content.len && (content.ptr[from] == '"' || content.ptr[from] == '\'');
    size_t n = strlen(f->charsets), room = sizeof f->charsets - 1;
    if (n && n < room)
        f->charsets[n++] = ' ';
    while (from < content.len && content.ptr[from] != '"' && content.ptr[from] != '\'' && n < room)
        f->charsets[n++] = (char)content.ptr[from++];
    f->charsets[n] = 0;
}

static void
links(struct html *h)
{
    static const uint8_t types[HTML_TAG_CNT] = {
        [HTML_TAG_AREA] = HTML_LINK_AREA,     [HTML_TAG_LINK] = HTML_LINK_LINK,
        [HTML_TAG_IMG] = HTML_LINK_IMG,       [HTML_TAG_FRAME] = HTML_LINK_FRAME,
        [HTML_TAG_IFRAME] = HTML_LINK_IFRAME, [HTML_TAG_EMBED] = HTML_LINK_EMBED,
        [HTML_TAG_SCRIPT] = HTML_LINK_SCRIPT, [HTML_TAG_BGSOUND] = HTML_LINK_BGSOUND,
        [HTML_TAG_BODY] = HTML_LINK_BODY,     [HTML_TAG_TABLE] = HTML_LINK_TABLE,
        [HTML_TAG_TR] = HTML_LINK_TR,         [HTML_TAG_TD] = HTML_LINK_TD,
    };
    enum html_link type = (enum html_link)types[h->token.tag];

    switch ((int)h->token.tag) {
    case HTML_TAG_BODY:
    case HTML_TAG_TABLE:
    case HTML_TAG_TR:
    case HTML_TAG_TD:
        push_attr(h, type, HTML_ATTR_BACKGROUND);
        break;
    case HTML_TAG_A:
    case HTML_TAG_AREA:
    case HTML_TAG_LINK:
        strip_marks(h);
        push_attr(h, type, HTML_ATTR_HREF);
        push_attr(h, type, HTML_ATTR_SAFEREDIRECTURL);
        break;
    case HTML_TAG_FORM:
        push_attr(h, HTML_LINK_FORM, HTML_ATTR_ACTION);
        break;
    case HTML_TAG_BASE:
        base(h);
        break;
    case HTML_TAG_META:
        meta(h);
        break;
    default:
        push_attr(h, type, HTML_ATTR_SRC);
    }
}

/* ---- tests ---- */

/* The bits of `states` from which `c` goes on. A list of faces: words of letters, blanks and '-'
 * ending in a letter and perhaps a digit, perhaps in quotes, commas between; a ';' may end it. */
enum face {
    FACE_START = 1, /* blanks */
    FACE_WORD = 2,  /* the first letter is next */
    FACE_IN = 4,    /* in a word */
    FACE_END = 8,   /* behind a letter that may be its last */
    FACE_DIGIT = 16,
    FACE_QUOTE = 32, /* behind its closing quote */
    FACE_NEXT = 64,  /* behind a comma */
    FACE_NEXT_WORD = 128,
    FACE_SEMI = 256
};

static unsigned
face_step(unsigned at, uint8_t c)
{
    bool is_quote = c == '"' || c == '\'', is_az = octet_is_alpha(c);
    unsigned to = 0;

    if (at & FACE_START && octet_is_space(c))
        to |= FACE_START;
    if (at & FACE_START && (is_quote || c == '.'))
        to |= FACE_WORD;
    if (at & (FACE_START | FACE_WORD) && (is_az || c == ' '))
        to |= FACE_IN;
    if (at & FACE_IN && (is_az || c == ' ' || c == '-'))
        to |= FACE_IN;
    if (at & FACE_IN && is_az)
        to |= FACE_END;
    if (at & FACE_END && octet_is_digit(c))
        to |= FACE_DIGIT;
    if (at & (FACE_END | FACE_DIGIT) && is_quote)
        to |= FACE_QUOTE;
    if (at & (FACE_END | FACE_DIGIT | FACE_QUOTE)) {
        to |= c == ',' ? FACE_NEXT : 0u;
        to |= c == ';' ? FACE_SEMI : 0u;
    }
    if (at & FACE_NEXT && octet_is_space(c))
        to |= FACE_NEXT;
    if (at & FACE_NEXT && is_quote)
        to |= FACE_NEXT_WORD;
    if (at & (FACE_NEXT | FACE_NEXT_WORD) && is_az)
        to |= FACE_IN;
    return to;
}

static bool
is_face(struct span v)
{
    unsigned at = FACE_START;

    if (v.len && v.ptr[v.len - 1] == '\n')
        v.len--;
    for (size_t i = 0; i < v.len && at; i++)
        at = face_step(at, v.ptr[i]);
    return at & (FACE_END | FACE_DIGIT | FACE_QUOTE | FACE_SEMI);
}

/* "600", "100%" (of `whole` / 100), else 0. */
static double
extent(struct span v, double percent)
{
    double n = 0;
    size_t i = 0;

    if (v.len && v.ptr[v.len - 1] == '\n')
        v.len--;
    for (; i < v.len && octet_is_digit(v.ptr[i]); i++)
        n = n * 10 + (v.ptr[i] - '0');
    if (i && i + 1 == v.len && v.ptr[i] == '%')
        return n * percent;
    return i == v.len ? n : 0;
}

static void
image(struct html *h)
{
    enum { GUESS = 200 };
    struct span width = value(h, HTML_ATTR_WIDTH), height = value(h, HTML_ATTR_HEIGHT);
    static const char img[] = "<img>\n";

    if (h->facts.inside[HTML_TAG_A] > 0 && h->has_anchor) {
        h->facts.anchor_has_img = true;
        if (h->anchor_len + sizeof img - 1 <= HTML_ANCHOR_TEXT_MAX) {
            memcpy(h->anchor_text + h->anchor_len, img, sizeof img - 1);
            h->anchor_len += (uint32_t)sizeof img - 1;
        }
    }
    if (!width.ptr || !height.ptr)
        return;
    double w = extent(width, 8), t = extent(height, 6);
    h->facts.image_area += (w > 0 ? w : GUESS) * (t > 0 ? t : GUESS);
}

void
html_tag_end_anchor(struct html *h)
{
    if (h->has_anchor)
        give(h, HTML_LINK_ANCHOR_TEXT, (struct span){h->anchor_text, h->anchor_len});
    h->has_anchor = false;
    h->anchor_len = 0;
}

static void
anchor(struct html *h)
{
    struct span href = value(h, HTML_ATTR_HREF);

    html_tag_end_anchor(h);
    if (href.ptr)
        href = html_uri_trim(href, &h->facts.uri_truncated);
    give(h, HTML_LINK_ANCHOR, href);
    h->has_anchor = true;
}

void
html_tag_start(struct html *h)
{
    struct html_facts *f = &h->facts;
    struct span v;

    if (html_tag_flags(h->token.tag) & HTML_IS_URI)
        links(h);
    switch ((int)h->token.tag) {
    case HTML_TAG_FONT:
        v = value(h, HTML_ATTR_FACE);
        f->font_face_bad |= v.ptr && !is_face(v);
        break;
    case HTML_TAG_IMG:
        image(h);
        break;
    case HTML_TAG_FORM:
        v = value(h, HTML_ATTR_ACTION);
        f->form_action_mailto |= find(v, 0, "mailto:") < v.len;
        break;
    case HTML_TAG_OBJECT:
    case HTML_TAG_EMBED:
        f->embeds = true;
        break;
    case HTML_TAG_A:
        anchor(h);
        break;
    case HTML_TAG_TITLE:
        f->title_cnt++;
        h->title_len = h->title_line = 0;
        break;
    default:
        break;
    }
}

const char *
html_link_name(enum html_link type)
{
    static const char *const names[HTML_LINK_CNT] = {
        "a",    "area", "link", "img",  "frame", "iframe", "embed", "script", "bgsound",
        "form", "base", "meta", "body", "table", "tr",     "td",    "anchor", "anchor_text",
    };
    return type < HTML_LINK_CNT ? names[type] : "";
}
