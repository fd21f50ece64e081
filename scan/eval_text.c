/* Functions of Plugin/BodyEval.pm. */
#include "scan/alternative_facts.h"
#include "scan/eval_private.h"
#include "scan/mime_facts.h"
#include "scan/text_facts.h"

/* An Exchange meeting request has nothing to say in its text. */
static const struct alternative_facts *
alternative(const struct eval_call *c)
{
    static const struct alternative_facts none;
    bool is_meeting = c->f->mime && c->f->mime->is_meeting && c->f->mime->nodes_cnt == 3;
    return c->f->alternative && !is_meeting ? c->f->alternative : &none;
}

static double
multipart_alternative_difference(const struct eval_call *c)
{
    double difference = alternative(c)->difference, min = eval_arg_number(c->a, 0);
    return (min == 0 || difference > min) &&
           (eval_arg_is(c->a, 1, "undef") || difference <= eval_arg_number(c->a, 1));
}

static double
multipart_alternative_difference_count(const struct eval_call *c)
{
    const struct alternative_facts *f = alternative(c);
    if ((double)f->html_cnt <= eval_arg_number(c->a, 1) || !f->html_cnt)
        return 0;
    return (double)f->text_cnt / (double)f->html_cnt > eval_arg_number(c->a, 0);
}

static double
check_body_length(const struct eval_call *c)
{
    return c->f->text && (double)c->f->text->body_len <= eval_arg_number(c->a, 0);
}

static double
check_blank_line_ratio(const struct eval_call *c)
{
    if (!c->f->text)
        return 0;
    double ratio = text_facts_blank_ratio(c->f->text, eval_arg_number(c->a, 2));
    double min = eval_arg_number(c->a, 0);
    return ratio <= eval_arg_number(c->a, 1) && (min == 0 || ratio > min);
}

static double
tvd_vertical_words(const struct eval_call *c)
{
    if (!c->f->text)
        return 0;
    double max = eval_arg_number(c->a, 1), value = c->f->text->vertical_words;
    return value >= eval_arg_number(c->a, 0) && value < (max >= 100 ? 101 : max);
}

static double
check_stock_info(const struct eval_call *c)
{
    double min = eval_arg_number(c->a, 0);
    return c->f->text && (min == 0 || c->f->text->hits_cnt >= min);
}

const struct eval_entry eval_text_table[] = {
    { "multipart_alternative_difference", multipart_alternative_difference, 2, 2, EVAL_NO_REGEX },
    { "multipart_alternative_difference_count", multipart_alternative_difference_count, 2, 2,
      EVAL_NO_REGEX },
    { "check_body_length", check_body_length, 1, 1, EVAL_NO_REGEX },
    { "check_blank_line_ratio", check_blank_line_ratio, 2, 3, EVAL_NO_REGEX },
    { "tvd_vertical_words", tvd_vertical_words, 2, 2, EVAL_NO_REGEX },
    { "check_stock_info", check_stock_info, 1, 1, EVAL_NO_REGEX },
    { NULL, NULL, 0, 0, EVAL_NO_REGEX },
};
