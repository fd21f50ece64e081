/* Functions of Plugin/MIMEEval.pm and AntiVirus.pm. */
#include "scan/mime_facts.h"

#include <string.h>

#include "scan/eval_private.h"
#include "scan/text_facts.h"

/* What SpamAssassin's counters of these names end up as; one that it does not have is 0. */
static double
counter(const struct mime_facts *m, const struct eval_args *a)
{
    const struct {
        const char *name;
        double value;
    } all[] = {
        { "mime_attachment", m->attachment_cnt },
        { "mime_bad_iso_charset", m->has_bad_iso_charset },
        { "mime_base64_count", m->base64_cnt },
        { "mime_base64_encoded_text", m->has_base64_text },
        { "mime_body_html_count", m->html_cnt },
        { "mime_body_text_count", m->text_cnt },
        { "mime_missing_boundary", (m->flags & MIME_FLAG_OPEN_BOUNDARY) != 0 },
        { "mime_multipart_alternative", m->has_alternative },
        { "mime_multipart_ratio", mime_facts_multipart_ratio(m) },
        /* Parts, but once there were octets in one: escapes. */
        { "mime_qp_count", m->qp_len ? mime_facts_qp_ratio(m) : m->qp_cnt },
        { "mime_qp_bytes", (double)m->qp_len },
        { "mime_qp_long_line", m->has_long_qp_line },
        { "mime_qp_ratio", mime_facts_qp_ratio(m) },
        { "mime_ascii_text_illegal", (double)m->ascii_illegal_cnt },
        { "mime_text_unicode_ratio", mime_facts_unicode_ratio(m) },
        /* ok_locales is "all", so no charset is far away. */
        { "mime_faraway_charset", 0 },
        /* Asked where SpamAssassin never puts it (4.0.1). */
        { "mimepart_limit_exceeded", 0 },
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (eval_arg_is(a, 0, all[i].name))
            return all[i].value;
    return 0;
}

static double
check_for_mime(const struct eval_call *c)
{
    return c->f->mime && counter(c->f->mime, c->a) != 0;
}

static double
check_for_mime_html(const struct eval_call *c)
{
    const struct mime_facts *m = c->f->mime;
    return m && (m->is_html_on_top || m->html_cnt);
}

static double
check_for_mime_html_only(const struct eval_call *c)
{
    const struct mime_facts *m = c->f->mime;
    return m && (m->is_html_on_top || (m->html_cnt && !m->text_cnt));
}

static double
check_mime_multipart_ratio(const struct eval_call *c)
{
    if (!c->f->mime)
        return 0;
    double ratio = mime_facts_multipart_ratio(c->f->mime);
    return ratio >= eval_arg_number(c->a, 0) && ratio < eval_arg_number(c->a, 1);
}

static double
check_msg_parse_flags(const struct eval_call *c)
{
    return c->f->mime && (c->f->mime->flags & mime_flag_of(eval_arg(c->a, 0)));
}

static double
check_for_ascii_text_illegal(const struct eval_call *c)
{
    return c->f->mime && c->f->mime->ascii_illegal_cnt;
}

/* "123.456": up to three digits, a point, one to three. */
static bool
is_ratio(struct span s)
{
    size_t point = 0;
    while (point < s.len && s.ptr[point] >= '0' && s.ptr[point] <= '9')
        point++;
    if (point > 3 || point == s.len || s.ptr[point] != '.' || s.len - point < 2 || s.len - point > 4)
        return false;
    for (size_t i = point + 1; i < s.len; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    return true;
}

static double
check_abundant_unicode_ratio(const struct eval_call *c)
{
    return c->f->mime && is_ratio(eval_arg(c->a, 0)) &&
           mime_facts_unicode_ratio(c->f->mime) >= eval_arg_number(c->a, 0);
}

static double
check_for_uppercase(const struct eval_call *c)
{
    if (!c->f->text || !c->f->mime || c->f->mime->has_caps_charset)
        return 0;
    return eval_is_above_up_to(c, 0, text_facts_uppercase(c->f->text));
}

static double
check_ma_non_text(const struct eval_call *c)
{
    return c->f->mime && c->f->mime->has_alternative_non_text;
}

static double
check_base64_length(const struct eval_call *c)
{
    if (!c->f->mime)
        return 0;
    double max = (double)c->f->mime->base64_line_max;
    if (eval_arg_has(c, 1) && max > eval_arg_number(c->a, 1))
        return 0;
    return max >= eval_arg_number(c->a, 0);
}

static double
check_qp_ratio(const struct eval_call *c)
{
    return c->f->mime && mime_facts_qp_ratio(c->f->mime) >= eval_arg_number(c->a, 0);
}

static double
check_microsoft_executable(const struct eval_call *c)
{
    return c->f->mime && c->f->mime->has_executable;
}

static double
check_suspect_name(const struct eval_call *c)
{
    return c->f->mime && c->f->mime->has_suspect_name;
}

/* ok_locales is "all". */
static double
never(const struct eval_call *c)
{
    (void)c;
    return 0;
}

const struct eval_entry eval_mime_table[] = {
    { "check_for_mime", check_for_mime, 1, 1, EVAL_NO_REGEX },
    { "check_for_mime_html", check_for_mime_html, 0, 0, EVAL_NO_REGEX },
    { "check_for_mime_html_only", check_for_mime_html_only, 0, 0, EVAL_NO_REGEX },
    { "check_mime_multipart_ratio", check_mime_multipart_ratio, 2, 2, EVAL_NO_REGEX },
    { "check_msg_parse_flags", check_msg_parse_flags, 1, 1, EVAL_NO_REGEX },
    { "check_for_ascii_text_illegal", check_for_ascii_text_illegal, 0, 0, EVAL_NO_REGEX },
    { "check_abundant_unicode_ratio", check_abundant_unicode_ratio, 1, 1, EVAL_NO_REGEX },
    { "check_for_faraway_charset", never, 0, 0, EVAL_NO_REGEX },
    { "check_for_uppercase", check_for_uppercase, 2, 2, EVAL_NO_REGEX },
    { "check_ma_non_text", check_ma_non_text, 0, 0, EVAL_NO_REGEX },
    { "check_base64_length", check_base64_length, 1, 2, EVAL_NO_REGEX },
    { "check_qp_ratio", check_qp_ratio, 1, 1, EVAL_NO_REGEX },
    { "check_microsoft_executable", check_microsoft_executable, 0, 0, EVAL_NO_REGEX },
    { "check_suspect_name", check_suspect_name, 0, 0, EVAL_NO_REGEX },
    { NULL, NULL, 0, 0, EVAL_NO_REGEX },
};
