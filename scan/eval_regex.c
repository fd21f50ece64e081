/* Patterns in arguments: compiled at set-up, matched with limits. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <errno.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>

#include "scan/eval_private.h"
#include "scan/limits.h"

struct eval_prepared {
    pcre2_code *code;
    unsigned threads;
    pcre2_match_context *limits;
    pcre2_match_data *data[]; /* one a thread: a match writes into it */
};

static int8_t
regex_arg(int id, const struct eval_args *a)
{
    int8_t arg = eval_regex_arg(id);
    return arg >= 0 && (unsigned)arg < a->cnt ? arg : (int8_t)EVAL_NO_REGEX;
}

static struct eval_prepared *
allocate(pcre2_code *code, unsigned threads)
{
    struct eval_prepared *p = calloc(1, sizeof(*p) + threads * sizeof(p->data[0]));
    if (!p)
        return NULL;
    p->threads = threads;
    p->limits = pcre2_match_context_create(NULL);
    bool is_complete = p->limits != NULL;
    for (unsigned i = 0; i < threads; i++) {
        p->data[i] = pcre2_match_data_create_from_pattern(code, NULL);
        is_complete &= p->data[i] != NULL;
    }
    if (!is_complete) {
        eval_release(p);
        return NULL;
    }
    pcre2_set_match_limit(p->limits, EVAL_REGEX_STEPS_MAX);
    pcre2_set_heap_limit(p->limits, EVAL_REGEX_HEAP_KIB);
    p->code = code;
    return p;
}

int
eval_prepare(int id, const struct eval_args *a, unsigned threads, struct eval_prepared **out, char *err,
             size_t err_size)
{
    int8_t arg = regex_arg(id, a);
    *out = NULL;
    if (arg < 0)
        return 0;
    if (!threads || threads > SCANNER_THREADS_MAX) {
        snprintf(err, err_size, "%u threads", threads);
        return -EINVAL;
    }
    int code = 0;
    PCRE2_SIZE off = 0;
    struct span text = eval_arg(a, (unsigned)arg);
    pcre2_code *compiled =
        pcre2_compile(text.len ? text.ptr : (const uint8_t *)"", text.len, 0, &code, &off, NULL);
    if (!compiled) {
        uint8_t why[128] = "";
        pcre2_get_error_message(code, why, sizeof(why));
        snprintf(err, err_size, "argument %d, octet %zu: %s", arg + 1, off, (const char *)why);
        return -EINVAL;
    }
    *out = allocate(compiled, threads);
    if (*out)
        return 0;
    pcre2_code_free(compiled);
    snprintf(err, err_size, "out of memory");
    return -ENOMEM;
}

void
eval_release(struct eval_prepared *p)
{
    if (!p)
        return;
    for (unsigned i = 0; i < p->threads; i++)
        pcre2_match_data_free(p->data[i]);
    pcre2_match_context_free(p->limits);
    pcre2_code_free(p->code);
    free(p);
}

bool
eval_regex_matches(const struct eval_call *c, struct span subject)
{
    const struct eval_prepared *p = c->p;
    if (!p)
        return true;
    if (c->f->thread_idx >= p->threads)
        return false;
    if (subject.len > EVAL_REGEX_SUBJECT_MAX)
        subject.len = EVAL_REGEX_SUBJECT_MAX;
    const uint8_t *text = subject.len ? subject.ptr : (const uint8_t *)"";
    return pcre2_match(p->code, text, subject.len, 0, 0, p->data[c->f->thread_idx], p->limits) >= 0;
}
