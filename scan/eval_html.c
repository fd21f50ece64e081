/* Functions of Plugin/HTMLEval.pm, HTTPSMismatch.pm and URIEval.pm. */
#include <string.h>

#include "scan/anchor_facts.h"
#include "scan/eval_private.h"
#include "scan/html.h"
#include "scan/url.h"

/* True for one of the parts. */
typedef bool (*part_fn)(const struct eval_call *c, const struct html_facts *h);

static double
any_part(const struct eval_call *c, part_fn fn)
{
    for (unsigned i = 0; i < c->f->html_cnt; i++)
        if (fn(c, c->f->html[i]))
            return 1;
    return 0;
}

static enum html_tag
tag_arg(const struct eval_call *c)
{
    struct span s = eval_arg(c->a, 0);
    return s.len ? html_tag_find(s.ptr, s.len) : HTML_TAG_UNKNOWN;
}

/* "!= 0", "< 384": an operator and a number, SpamAssassin's whole language here. */
static bool
compares(const struct eval_call *c, unsigned arg, double value)
{
    struct span s = eval_arg(c->a, arg);
    char op[3] = "";
    size_t i = 0, len = 0;
    while (i < s.len && s.ptr[i] == ' ')
        i++;
    while (i < s.len && len < 2 && strchr("<>=!", s.ptr[i] ? s.ptr[i] : 'x'))
        op[len++] = (char)s.ptr[i++];
    while (i < s.len && s.ptr[i] == ' ')
        i++;
    struct eval_args rest = { .cnt = 1 };
    rest.arg[0] = (struct span){ s.ptr + i, s.len - i };
    double other = eval_arg_number(&rest, 0);
    if (!strcmp(op, "<"))
        return value < other;
    if (!strcmp(op, ">"))
        return value > other;
    if (!strcmp(op, "<="))
        return value <= other;
    if (!strcmp(op, ">="))
        return value >= other;
    if (!strcmp(op, "=="))
        return value == other;
    return !strcmp(op, "!=") && value != other;
}

static bool
tag_is_unbalanced(const struct eval_call *c, const struct html_facts *h)
{
    enum html_tag tag = tag_arg(c);
    return tag != HTML_TAG_UNKNOWN && h->has_inside[tag] && compares(c, 1, h->inside[tag]);
}

static double
html_tag_balance(const struct eval_call *c)
{
    return any_part(c, tag_is_unbalanced);
}

static bool
tag_is_there(const struct eval_call *c, const struct html_facts *h)
{
    enum html_tag tag = tag_arg(c);
    return tag != HTML_TAG_UNKNOWN && h->has_inside[tag];
}

static double
html_tag_exists(const struct eval_call *c)
{
    return any_part(c, tag_is_there);
}

static bool
is_image_only(const struct eval_call *c, const struct html_facts *h)
{
    return h->has_inside[HTML_TAG_IMG] && eval_is_above_up_to(c, 0, h->length);
}

static double
html_image_only(const struct eval_call *c)
{
    return any_part(c, is_image_only);
}

static bool
is_image_ratio(const struct eval_call *c, const struct html_facts *h)
{
    return h->image_area > 0 && eval_is_above_up_to(c, 0, h->non_space_len / h->image_area);
}

static double
html_image_ratio(const struct eval_call *c)
{
    return any_part(c, is_image_ratio);
}

/* A number of the facts by SpamAssassin's name; false: there is none. Functions of tests below know no other. */
static bool
number(const struct html_facts *h, struct span name, double *value)
{
    const struct {
        const char *name;
        double value; /* -1: not defined */
    } all[] = {
        { "length", h->length },
        { "html_length", h->html_length },
        { "non_space_len", h->non_space_len },
        { "image_area", h->image_area },
        { "max_size", h->max_size },
        { "min_size", h->min_size },
        { "closed_extra_ratio", html_closed_extra_ratio(h) },
        { "bad_tag_ratio", html_bad_tag_ratio(h) },
        { "non_element_ratio", html_non_element_ratio(h) },
        { "obfuscation_ratio", html_obfuscation_ratio(h) },
        { "html", h->html },
        { "embeds", h->embeds },
        { "font_face_bad", h->font_face_bad },
        { "font_low_contrast", h->font_low_contrast },
        { "font_invalid_color", h->font_invalid_color },
        { "form_action_mailto", h->form_action_mailto },
        { "uri_truncated", h->uri_truncated },
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (name.len == strlen(all[i].name) && !memcmp(name.ptr, all[i].name, name.len)) {
            *value = all[i].value;
            return all[i].value >= 0 || i == 4 || i == 5;
        }
    return false;
}

static bool
test_is_true(const struct eval_call *c, const struct html_facts *h)
{
    double value = 0;
    return number(h, eval_arg(c->a, 0), &value) && value != 0;
}

static double
html_test(const struct eval_call *c)
{
    return any_part(c, test_is_true);
}

static bool
test_compares(const struct eval_call *c, const struct html_facts *h)
{
    double value = 0;
    return number(h, eval_arg(c->a, 0), &value) && compares(c, 1, value);
}

static double
html_eval(const struct eval_call *c)
{
    return any_part(c, test_compares);
}

static bool
is_in_range(const struct eval_call *c, const struct html_facts *h)
{
    double value = 0;
    if (!number(h, eval_arg(c->a, 0), &value) || value <= eval_arg_number(c->a, 1))
        return false;
    return !eval_arg_has(c, 2) || eval_arg_is(c->a, 2, "inf") || value <= eval_arg_number(c->a, 2);
}

static double
html_range(const struct eval_call *c)
{
    return any_part(c, is_in_range);
}

/* Longest title against the subject, in characters there and octets here, as SpamAssassin divides them. */
static double
html_title_subject_ratio(const struct eval_call *c)
{
    size_t len = eval_field(c->f, "Subject", HEADER_PART_VALUE).len;
    for (unsigned i = 0; len && i < c->f->html_cnt; i++)
        if ((double)c->f->html[i]->title_len_max / (double)len > eval_arg_number(c->a, 0))
            return 1;
    return 0;
}

/* The texts of HTML are not kept; what the stock rules look for in them is noted while they stream by. */
enum html_text { HTML_TEXT_ANCHOR_IMG, HTML_TEXT_SHORT, HTML_TEXT_SAVED, HTML_TEXT_ANY, HTML_TEXT_TITLE, HTML_TEXT_CNT };

static enum html_text
text_arg(const struct eval_args *a)
{
    static const struct {
        const char *text, *pattern;
    } known[HTML_TEXT_CNT] = {
        [HTML_TEXT_ANCHOR_IMG] = { "anchor", "<img>" },
        [HTML_TEXT_SHORT] = { "comment", "<!(?!-).{0,6}>" },
        [HTML_TEXT_SAVED] = { "comment", "<!-- saved from url=\\(\\d{4}\\)" },
        [HTML_TEXT_ANY] = { "comment", "<!.*?>" },
        [HTML_TEXT_TITLE] = { "title", ".{120}" },
    };
    for (int i = 0; i < HTML_TEXT_CNT; i++)
        if (eval_arg_is(a, 0, known[i].text) && eval_arg_is(a, 1, known[i].pattern))
            return (enum html_text)i;
    return HTML_TEXT_CNT;
}

bool
eval_html_text_is_known(const struct eval_args *a)
{
    return text_arg(a) != HTML_TEXT_CNT;
}

static bool
text_is_there(const struct eval_call *c, const struct html_facts *h)
{
    switch (text_arg(c->a)) {
    case HTML_TEXT_ANCHOR_IMG:
        return h->anchor_has_img;
    case HTML_TEXT_SHORT:
        return h->comment.has_short;
    case HTML_TEXT_SAVED:
        return h->comment.has_saved_url;
    case HTML_TEXT_ANY:
        return h->comment.has_closed;
    case HTML_TEXT_TITLE:
        return h->title_line_max >= 120;
    case HTML_TEXT_CNT:
        break;
    }
    return false;
}

static double
html_text_match(const struct eval_call *c)
{
    return any_part(c, text_is_there);
}

static bool
is_truncated(const struct eval_call *c, const struct html_facts *h)
{
    (void)c;
    return h->uri_truncated;
}

static double
check_uri_truncated(const struct eval_call *c)
{
    bool is_in_text = c->f->urls && (c->f->urls->overflow & URL_OVERFLOW_LENGTH);
    return is_in_text || any_part(c, is_truncated) != 0;
}

static double
check_iframe_src(const struct eval_call *c)
{
    for (unsigned i = 0; c->f->urls && i < c->f->urls->detail_cnt; i++)
        if (c->f->urls->details[i].types & URL_IFRAME)
            return 1;
    return 0;
}

static double
check_https_ip_mismatch(const struct eval_call *c)
{
    return c->f->anchors && c->f->anchors->has_ip_mismatch;
}

static double
check_https_http_mismatch(const struct eval_call *c)
{
    double min = eval_arg_number(c->a, 0);
    for (unsigned i = 0; c->f->anchors && i < c->f->anchors->parts_cnt; i++) {
        double cnt = c->f->anchors->part_hrefs[i];
        if (cnt >= (min == 0 ? 1 : min) && (!eval_arg_has(c, 1) || cnt < eval_arg_number(c->a, 1)))
            return 1;
    }
    return 0;
}

/* ok_locales is "all". */
static double
never(const struct eval_call *c)
{
    (void)c;
    return 0;
}

const struct eval_entry eval_html_table[] = {
    { "html_tag_balance", html_tag_balance, 2, 2, EVAL_NO_REGEX },
    { "html_tag_exists", html_tag_exists, 1, 1, EVAL_NO_REGEX },
    { "html_image_only", html_image_only, 2, 2, EVAL_NO_REGEX },
    { "html_image_ratio", html_image_ratio, 2, 2, EVAL_NO_REGEX },
    { "html_charset_faraway", never, 0, 0, EVAL_NO_REGEX },
    { "html_test", html_test, 1, 1, EVAL_NO_REGEX },
    { "html_eval", html_eval, 2, 2, EVAL_NO_REGEX },
    { "html_range", html_range, 2, 3, EVAL_NO_REGEX },
    { "html_text_match", html_text_match, 2, 2, EVAL_KNOWN_TEXT },
    { "html_title_subject_ratio", html_title_subject_ratio, 1, 1, EVAL_NO_REGEX },
    { "check_iframe_src", check_iframe_src, 0, 0, EVAL_NO_REGEX },
    { "check_uri_truncated", check_uri_truncated, 0, 0, EVAL_NO_REGEX },
    { "check_https_ip_mismatch", check_https_ip_mismatch, 0, 0, EVAL_NO_REGEX },
    { "check_https_http_mismatch", check_https_http_mismatch, 0, 2, EVAL_NO_REGEX },
    { NULL, NULL, 0, 0, EVAL_NO_REGEX },
};
