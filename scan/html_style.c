#include "scan/html_style.h"

#include <string.h>

#include "scan/octet.h"

static bool
is_word(struct span s, const char *word)
{
    size_t n = strlen(word);
    if (s.len != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (octet_lower(s.ptr[i]) != (uint8_t)word[i])
            return false;
    return true;
}

void
html_style_init(struct html_styles *s)
{
    memset(s->open, 0, sizeof s->open);
    s->depth = 1;
    s->over = 0;
    s->basefont = s->max_size = s->min_size = 3;
    s->is_capped = false;
    s->at[0] = (struct html_style){.fg = 0, .bg = 0xffffff, .size = 3, .cnt = 1};
}

static struct html_style *
top(struct html_styles *s)
{
    return &s->at[s->depth - 1];
}

static bool
looks_same(const struct html_style *a, const struct html_style *b)
{
    return a->fg == b->fg && a->bg == b->bg && a->size == b->size && a->tag == b->tag &&
           a->is_none == b->is_none && a->is_hidden == b->is_hidden;
}

static void
push(struct html_styles *s, const struct html_style *style)
{
    if (!s->over && looks_same(top(s), style)) {
        top(s)->cnt++;
        s->open[style->tag]++;
        return;
    }
    if (s->depth == HTML_STYLE_MAX) {
        struct html_style *t = top(s), old = *t;
        *t = *style;
        t->cnt = old.cnt;
        t->tag = old.tag;
        s->over++;
        s->is_capped = true;
        return;
    }
    s->at[s->depth] = *style;
    s->at[s->depth++].cnt = 1;
    s->open[style->tag]++;
}

static void
pop(struct html_styles *s)
{
    s->open[top(s)->tag]--;
    if (!--top(s)->cnt)
        s->depth--;
}

static void
close_table_tag(struct html_styles *s, enum html_tag tag)
{
    if (!s->open[tag] || s->over)
        return;
    for (;;) {
        uint8_t t = top(s)->tag;
        if (t != HTML_TAG_FONT && t != HTML_TAG_TD && (tag != HTML_TAG_TR || t != HTML_TAG_TR))
            return;
        pop(s);
    }
}

void
html_style_close(struct html_styles *s, enum html_tag tag)
{
    if (tag == HTML_TAG_TH)
        tag = HTML_TAG_TD;
    if (tag == HTML_TAG_BODY)
        return; /* text behind </body> is rendered too */
    if (s->over) {
        s->over--;
        return;
    }
    if (!s->open[tag])
        return;
    for (bool is_it = false; !is_it;) {
        is_it = top(s)->tag == tag;
        pop(s);
    }
}

/* "4", "+1", "-1"; anything else leaves it as it was. */
static int32_t
font_size(const struct html_styles *s, struct span v, int32_t old)
{
    enum { SIZE_MAX_READ = 1000000 };
    size_t i = 0;
    int32_t n = 0;

    while (i < v.len && octet_is_space(v.ptr[i]))
        i++;
    uint8_t sign = i < v.len ? v.ptr[i] : 0;
    i += sign == '+' || sign == '-';
    if (i == v.len || !octet_is_digit(v.ptr[i]))
        return old;
    for (; i < v.len && octet_is_digit(v.ptr[i]); i++)
        n = n > SIZE_MAX_READ ? n : n * 10 + (v.ptr[i] - '0');
    if (sign == '+')
        return s->basefont + n;
    return sign == '-' ? s->basefont - n : n;
}

/* rgb and rgba in a style attribute: digits and commas of the value, each number at most 255. */
static uint32_t
css_rgb(struct span v)
{
    uint32_t c[3] = {0, 0, 0};

    for (size_t i = 0, k = 0; i < v.len && k < 3; i++) {
        if (v.ptr[i] == ',')
            k++;
        else if (octet_is_digit(v.ptr[i]))
            c[k] = c[k] > 255 ? 256 : c[k] * 10 + (v.ptr[i] - (uint32_t)'0');
    }
    for (unsigned k = 0; k < 3; k++)
        c[k] = c[k] > 255 ? 255 : c[k];
    return c[0] << 16 | c[1] << 8 | c[2];
}

static bool
has_rgb(struct span v)
{
    for (size_t i = 0; i + 3 <= v.len; i++)
        if (is_word((struct span){v.ptr + i, 3}, "rgb"))
            return true;
    return false;
}

/* "red ! important" -> "red". */
static struct span
without_important(struct span v)
{
    enum { LEN = 9 };
    size_t n = v.len;

    if (n < LEN + 1 || !is_word((struct span){v.ptr + n - LEN, LEN}, "important"))
        return v;
    for (n -= LEN; n && octet_is_space(v.ptr[n - 1]);)
        n--;
    if (!n || v.ptr[n - 1] != '!')
        return v;
    for (n--; n && octet_is_space(v.ptr[n - 1]);)
        n--;
    return (struct span){v.ptr, n};
}

/* One style attribute at work. */
struct css {
    struct html_style *style;
    bool is_fg_clear, is_bg_clear; /* transparent */
};

static void
css_color(struct css *c, struct span v, bool is_bg)
{
    uint32_t *color = is_bg ? &c->style->bg : &c->style->fg;
    bool *is_clear = is_bg ? &c->is_bg_clear : &c->is_fg_clear;

    v = without_important(v);
    if (is_word(v, "inherit") && !has_rgb(v))
        return;
    *is_clear = is_word(v, "transparent");
    if (!*is_clear)
        *color = has_rgb(v) ? css_rgb(v) : html_color(v);
}

/* Is anything but blanks from `i` on? */
static bool
has_more(struct span v, size_t i)
{
    while (i < v.len && v.ptr[i] == ' ')
        i++;
    return i < v.len;
}

/* Layers are parted by commas; of the last one, the first word that is a colour counts. Words end
 * at blanks and behind ")"; quotes and one pair of parentheses keep them together. False: no layer.
 */
static bool
css_background(struct css *c, struct span v)
{
    uint32_t color = HTML_COLOR_INVALID;
    bool any = false, in_paren = false;
    uint8_t quote = 0;

    for (size_t i = 0, from = 0; i <= v.len; i++) {
        bool is_end = i == v.len, is_close = false;
        uint8_t ch = is_end ? 0 : v.ptr[i];
        if (!is_end && quote) {
            quote = ch == quote ? 0 : quote;
            continue;
        }
        if (!is_end && (ch == '"' || ch == '\'')) {
            quote = ch;
            continue;
        }
        if (!is_end && in_paren) {
            if (ch != ')')
                continue;
            is_close = true;
            in_paren = false;
        } else if (!is_end && ch == '(') {
            in_paren = true;
            continue;
        } else if (!is_end && ch != ' ' && ch != ',') {
            continue;
        }
        struct span word = {v.ptr + from, i + is_close - from};
        from = i + 1;
        any |= word.len || ch == ',';
        if (word.len && color == HTML_COLOR_INVALID)
            color = html_color(word);
        if (ch == ',' && has_more(v, from))
            color = HTML_COLOR_INVALID;
    }
    if (color != HTML_COLOR_INVALID) {
        c->style->bg = color;
        c->is_bg_clear = false;
    }
    return any;
}

static struct span
trim_end(struct span v)
{
    while (v.len && octet_is_space(v.ptr[v.len - 1]))
        v.len--;
    return v;
}

/* A declaration's value: blanks around it off; when it is all blanks, "." wants one that is no line
 * end. */
static struct span
css_value(struct span part, size_t from, bool *any)
{
    struct span v = {part.ptr + from, part.len - from};
    bool has_dot = false;

    for (; v.len && octet_is_space(v.ptr[0]); v.ptr++, v.len--)
        has_dot |= v.ptr[0] != '\n';
    v = trim_end(v);
    *any = v.len ? !memchr(v.ptr, '\n', v.len) : has_dot;
    return v;
}

static bool
begins(struct span part, size_t at, const char *word, bool any_case)
{
    size_t n = strlen(word);
    if (part.len - at < n)
        return false;
    return any_case ? is_word((struct span){part.ptr + at, n}, word)
                    : !memcmp(part.ptr + at, word, n);
}

static void
css_other(struct css *c, struct span part, size_t at)
{
    size_t i = at;

    while (i < part.len && (part.ptr[i] == '_' || part.ptr[i] == '-' ||
                            (octet_lower(part.ptr[i]) >= 'a' && octet_lower(part.ptr[i]) <= 'z')))
        i++;
    struct span name = {part.ptr + at, i - at};
    while (i < part.len && octet_is_space(part.ptr[i]))
        i++;
    if (!name.len || i == part.len || part.ptr[i] != ':')
        return;
    bool any;
    struct span v = css_value(part, i + 1, &any);
    if (!any || !v.len)
        return;
    if (name.len == 7 && !memcmp(name.ptr, "display", 7))
        c->style->is_none = is_word(v, "none");
    else if (name.len == 10 && !memcmp(name.ptr, "visibility", 10))
        c->style->is_hidden = is_word(v, "hidden");
}

static bool
css_part(struct css *c, struct span part)
{
    size_t i = 0;
    bool any;

    while (i < part.len && octet_is_space(part.ptr[i]))
        i++;
    bool is_bg = begins(part, i, "background-color:", true);
    if (is_bg || begins(part, i, "color:", true)) {
        struct span v = css_value(part, i + (is_bg ? 17 : 6), &any);
        if (any) {
            css_color(c, v, is_bg);
            return true;
        }
    } else if (begins(part, i, "background:", false)) {
        struct span v = css_value(part, i + 11, &any);
        if (any)
            return css_background(c, v);
    }
    css_other(c, part, i);
    return true;
}

static bool
css(struct html_style *style, struct span v, uint32_t parent_bg)
{
    struct css c = {style, false, false};

    while (v.len) {
        const uint8_t *semi = memchr(v.ptr, ';', v.len);
        size_t n = semi ? (size_t)(semi - v.ptr) : v.len;
        if (!css_part(&c, (struct span){v.ptr, n}))
            return false;
        n += semi != NULL;
        v.ptr += n;
        v.len -= n;
    }
    if (c.is_bg_clear)
        style->bg = parent_bg;
    if (c.is_fg_clear)
        style->fg = style->bg;
    return true;
}

bool
html_style_open(struct html_styles *s, enum html_tag tag, const struct html_style_attrs *a)
{
    if (tag == HTML_TAG_TH)
        tag = HTML_TAG_TD;
    if (tag == HTML_TAG_BASEFONT && a->size.ptr) {
        int32_t n = font_size(s, a->size, -1);
        size_t i = 0;
        while (i < a->size.len && octet_is_space(a->size.ptr[i]))
            i++;
        if (n >= 0 && i < a->size.len && octet_is_digit(a->size.ptr[i])) {
            s->basefont = n;
            return true;
        }
    }
    if (tag == HTML_TAG_TD || tag == HTML_TAG_TR)
        close_table_tag(s, tag);

    struct html_style new = *top(s);
    new.tag = (uint8_t)tag;
    if (tag == HTML_TAG_BIG || tag == HTML_TAG_SMALL) {
        new.size += tag == HTML_TAG_BIG ? 1 : -1;
        push(s, &new);
        return true;
    }
    if (a->color.ptr)
        new.fg = html_color(a->color);
    if (a->text.ptr)
        new.fg = html_color(a->text);
    if (a->size.ptr)
        new.size = font_size(s, a->size, new.size);
    if (a->style.ptr && !css(&new, a->style, top(s)->bg))
        return false;
    if (a->color.ptr || a->text.ptr || a->size.ptr || a->style.ptr || a->has_other) {
        if (new.size > s->max_size)
            s->max_size = new.size;
        else if (new.size < s->min_size)
            s->min_size = new.size;
    }
    push(s, &new);
    return true;
}

static bool
is_near(uint32_t fg, uint32_t bg)
{
    double r = 0.2126 * ((int)(fg >> 16 & 255) - (int)(bg >> 16 & 255));
    double g = 0.7152 * ((int)(fg >> 8 & 255) - (int)(bg >> 8 & 255));
    double b = 0.0722 * ((int)(fg & 255) - (int)(bg & 255));
    return r * r + g * g + b * b < 12.0 * 12.0;
}

enum html_look
html_style_look(const struct html_styles *s)
{
    const struct html_style *t = &s->at[s->depth - 1];

    if (t->fg == t->bg ||
        (t->fg < HTML_COLOR_INVALID && t->bg < HTML_COLOR_INVALID && is_near(t->fg, t->bg)))
        return HTML_LOOK_LOW_CONTRAST;
    if (t->fg == HTML_COLOR_INVALID || t->bg == HTML_COLOR_INVALID)
        return HTML_LOOK_INVALID_COLOR;
    if (t->size <= 1 || t->is_none || t->is_hidden)
        return HTML_LOOK_HIDDEN;
    return HTML_LOOK_SHOWN;
}
