/* Functions of Plugin/ImageInfo.pm. */
#include <string.h>

#include "scan/eval_private.h"
#include "scan/image_facts.h"
#include "scan/text_facts.h"

/* The pictures that argument 0 means: one kind, or IMAGE_KIND_CNT for "all". False: none that exists. */
static bool
kind_arg(const struct eval_call *c, enum image_kind *kind)
{
    static const char *const names[] = { "gif", "png", "jpeg", "all" };
    for (unsigned i = 0; i <= IMAGE_KIND_CNT; i++)
        if (eval_arg_is(c->a, 0, names[i])) {
            *kind = (enum image_kind)i;
            return c->f->images != NULL;
        }
    return false;
}

static bool
is_kind(enum image_kind asked, enum image_kind have)
{
    return asked == IMAGE_KIND_CNT || asked == have;
}

static double
pixels(const struct image_facts *f, enum image_kind kind)
{
    double sum = 0;
    for (unsigned i = 0; i < IMAGE_KIND_CNT; i++)
        if (is_kind(kind, (enum image_kind)i))
            sum += f->pixels[i];
    return sum;
}

/* min <= value <= max, the second of which may be missing. */
static bool
is_between(const struct eval_call *c, unsigned first, double value)
{
    return value >= eval_arg_number(c->a, first) &&
           (!eval_arg_has(c, first + 1) || value <= eval_arg_number(c->a, first + 1));
}

static double
image_count(const struct eval_call *c)
{
    enum image_kind kind;
    double cnt = 0;
    if (!kind_arg(c, &kind))
        return 0;
    for (unsigned i = 0; i < IMAGE_KIND_CNT; i++)
        if (is_kind(kind, (enum image_kind)i))
            cnt += c->f->images->cnt[i];
    return is_between(c, 1, cnt);
}

static double
pixel_coverage(const struct eval_call *c)
{
    enum image_kind kind;
    return kind_arg(c, &kind) && is_between(c, 1, pixels(c->f->images, kind));
}

static double
image_to_text_ratio(const struct eval_call *c)
{
    enum image_kind kind;
    if (!kind_arg(c, &kind) || !c->f->text || !c->f->text->line_len_sum)
        return 0;
    double area = pixels(c->f->images, kind);
    if (area <= 0)
        return 0;
    double ratio = (double)c->f->text->line_len_sum / area;
    return ratio >= eval_arg_number(c->a, 1) && ratio < eval_arg_number(c->a, 2);
}

/* height and width within (min, min, max, max); a max may be missing. */
static bool
has_size(const struct eval_call *c, double min_h, double min_w, double max_h, double max_w)
{
    enum image_kind kind;
    if (!kind_arg(c, &kind))
        return false;
    for (unsigned i = 0; i < c->f->images->sizes_cnt; i++) {
        const struct image_size *s = &c->f->images->sizes[i];
        if (is_kind(kind, s->kind) && s->height >= min_h && s->width >= min_w && s->height <= max_h &&
            s->width <= max_w)
            return true;
    }
    return false;
}

static double
image_size_exact(const struct eval_call *c)
{
    double h = eval_arg_number(c->a, 1), w = eval_arg_number(c->a, 2);
    return has_size(c, h, w, h, w);
}

static double
image_size_range(const struct eval_call *c)
{
    double max_h = eval_arg_has(c, 3) ? eval_arg_number(c->a, 3) : UINT32_MAX;
    double max_w = eval_arg_has(c, 4) ? eval_arg_number(c->a, 4) : UINT32_MAX;
    return has_size(c, eval_arg_number(c->a, 1), eval_arg_number(c->a, 2), max_h, max_w);
}

static double
image_named(const struct eval_call *c)
{
    struct span want = eval_arg(c->a, 0);
    for (unsigned i = 0; c->f->images && i < c->f->images->names_cnt; i++)
        if (c->f->images->name_len[i] == want.len &&
            !memcmp(c->f->images->names[i], want.ptr, want.len))
            return 1;
    return 0;
}

static double
image_name_regex(const struct eval_call *c)
{
    for (unsigned i = 0; c->f->images && i < c->f->images->names_cnt; i++)
        if (eval_regex_matches(c, (struct span){ c->f->images->names[i], c->f->images->name_len[i] }))
            return 1;
    return 0;
}

const struct eval_entry eval_image_table[] = {
    { "image_count", image_count, 2, 3, EVAL_NO_REGEX },
    { "pixel_coverage", pixel_coverage, 2, 3, EVAL_NO_REGEX },
    { "image_to_text_ratio", image_to_text_ratio, 3, 3, EVAL_NO_REGEX },
    { "image_size_exact", image_size_exact, 3, 3, EVAL_NO_REGEX },
    { "image_size_range", image_size_range, 3, 5, EVAL_NO_REGEX },
    { "image_named", image_named, 1, 1, EVAL_NO_REGEX },
    { "image_name_regex", image_name_regex, 1, 1, 0 },
    { NULL, NULL, 0, 0, EVAL_NO_REGEX },
};
