/* eval_private: what the files of eval functions share. Private to scan/. */
#ifndef WEIR_SCAN_EVAL_PRIVATE_H
#define WEIR_SCAN_EVAL_PRIVATE_H

#include <stdint.h>

#include "scan/eval.h"
#include "scan/eval_header.h"
#include "scan/list.h"

/* One call. Nothing in it is changed. */
struct eval_call {
    const struct eval_facts *f;
    const struct eval_args *a;
    const struct eval_prepared *p;
};

typedef double eval_fn(const struct eval_call *c);

enum {
    EVAL_NO_REGEX = -1,
    EVAL_KNOWN_TEXT = -2 /* no pattern is compiled, but the arguments must be ones that eval_html.c knows */
};

struct eval_entry {
    const char *name;
    eval_fn *fn;
    uint8_t args_min, args_max;
    int8_t regex_arg; /* which argument is a pattern */
};

/* One table for each file, in the order of the ids; a NULL name ends it. */
extern const struct eval_entry eval_mime_table[];
extern const struct eval_entry eval_text_table[];
extern const struct eval_entry eval_uri_table[];
extern const struct eval_entry eval_list_table[];
extern const struct eval_entry eval_freemail_table[];
extern const struct eval_entry eval_image_table[];
extern const struct eval_entry eval_html_table[];

/* Does html_text_match know these arguments? */
bool eval_html_text_is_known(const struct eval_args *a);

/* Which argument of a function is a pattern; EVAL_NO_REGEX: none. */
int8_t eval_regex_arg(int id);

/* True when the call has no pattern, or it matches somewhere in the subject. */
bool eval_regex_matches(const struct eval_call *c, struct span subject);

/* Is argument `idx` there? */
static inline bool
eval_arg_has(const struct eval_call *c, unsigned idx)
{
    return idx < c->a->cnt;
}

/* min < value <= max of two arguments, as most functions mean a range. */
static inline bool
eval_is_above_up_to(const struct eval_call *c, unsigned first, double value)
{
    return value > eval_arg_number(c->a, first) && value <= eval_arg_number(c->a, first + 1);
}

/* A field's value, empty when there are no header facts. */
struct span eval_field(const struct eval_facts *f, const char *name, enum field_form part);

/* Octets of an address that is looked at; a longer one is cut. RFC 5321 allows 320. */
enum { EVAL_ADDRESS_MAX = 512 };

/* Called for each address, lower case, not empty. True stops the walk. */
typedef bool (*eval_address_fn)(const struct eval_call *c, struct span address, void *ctx);

/* Every address of the fields of that name. True when fn said so. */
bool eval_each_address(const struct eval_call *c, const char *name, eval_address_fn fn, void *ctx);

/* SpamAssassin's all_from_addrs and all_to_addrs; an address may come more than once. */
bool eval_each_from(const struct eval_call *c, eval_address_fn fn, void *ctx);
bool eval_each_to(const struct eval_call *c, eval_address_fn fn, void *ctx);

#endif
