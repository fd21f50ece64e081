/* rulesprice: what each pattern costs, as it was measured while it was compiled alone (scan/image.h).
 *
 * Owns:    prices: its array; the names are the rule list's, which outlives it.
 * Threads: none kept. */
#ifndef WEIR_CONTROL_RULESPRICE_H
#define WEIR_CONTROL_RULESPRICE_H

#include <cjson/cJSON.h>
#include <stdio.h>

#include "scan/image.h"

#ifdef __cplusplus
extern "C" {
#endif

struct price {
    const char *name;
    struct image_price price;
};

struct prices {
    struct price *list; /* by name once sorted */
    unsigned cnt, max;
};

/* An image_price_fn; owner is a struct prices, which begins zeroed. */
void prices_add(void *owner, const char *rule, const struct image_price *price);

/* By name: before prices_find. */
void prices_sort(struct prices *p);

/* NULL: the rule has no pattern. */
const struct image_price *prices_find(const struct prices *p, const char *rule);

/* The `dear_cnt` patterns with the highest price an octet, and a line that counts how patterns are looked for:
 * "compiled: 2,101 native, 40 prefilter + PCRE2". */
void prices_print(FILE *out, const struct prices *p, unsigned dear_cnt);

/* {"how", "ns_per_octet", "size", "compile_ms"}; the caller's. */
cJSON *price_json(const struct image_price *price);

void prices_free(struct prices *p);

#ifdef __cplusplus
}
#endif
#endif
