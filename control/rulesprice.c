#include "control/rulesprice.h"

#include <stdlib.h>
#include <string.h>

void
prices_add(void *owner, const char *rule, const struct image_price *price)
{
    struct prices *p = owner;
    if (p->cnt == p->max) {
        p->max = p->max ? 2 * p->max : 256;
        p->list = reallocarray(p->list, p->max, sizeof(*p->list));
        if (!p->list)
            abort();
    }
    p->list[p->cnt++] = (struct price){ rule, *price };
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(((const struct price *)a)->name, ((const struct price *)b)->name);
}

void
prices_sort(struct prices *p)
{
    if (p->cnt)
        qsort(p->list, p->cnt, sizeof(*p->list), by_name);
}

const struct image_price *
prices_find(const struct prices *p, const char *rule)
{
    struct price key = { .name = rule };
    const struct price *found = p->cnt ? bsearch(&key, p->list, p->cnt, sizeof(*p->list), by_name) : NULL;
    return found ? &found->price : NULL;
}

/* Dearest first, then by name, so that the same measurement is told in the same order. */
static int
by_price(const void *a, const void *b)
{
    const struct price *x = *(const struct price *const *)a, *y = *(const struct price *const *)b;
    if (x->price.scan_ps != y->price.scan_ps)
        return x->price.scan_ps > y->price.scan_ps ? -1 : 1;
    return strcmp(x->name, y->name);
}

static void
print_ways(FILE *out, const struct prices *p)
{
    static const char *const ways[] = { "native", "prefilter + PCRE2", "literals + PCRE2", "PCRE2", "-" };
    const char *separator = "compiled: ";
    for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
        unsigned cnt = 0;
        for (unsigned k = 0; k < p->cnt; k++)
            cnt += !strcmp(p->list[k].price.how, ways[i]);
        if (!cnt)
            continue;
        fprintf(out, "%s%u %s", separator, cnt, *ways[i] == '-' ? "only on units that are not plain ASCII" : ways[i]);
        separator = ", ";
    }
    fprintf(out, "\n");
}

void
prices_print(FILE *out, const struct prices *p, unsigned dear_cnt)
{
    const struct price **order = calloc(p->cnt + 1, sizeof(const struct price *));
    if (!order)
        abort();
    for (unsigned i = 0; i < p->cnt; i++)
        order[i] = &p->list[i];
    if (p->cnt)
        qsort(order, p->cnt, sizeof(*order), by_price);
    if (p->cnt)
        print_ways(out, p);
    if (p->cnt && dear_cnt)
        fprintf(out, "dearest:\n   ns/octet       size  compile  how                rule\n");
    for (unsigned i = 0; i < p->cnt && i < dear_cnt; i++) {
        const struct image_price *price = &order[i]->price;
        fprintf(out, "    %7.3f %7.1f kB %5.0f ms  %-17s  %s\n", price->scan_ps / 1000.0, price->size / 1000.0,
                price->compile_us / 1000.0, price->how, order[i]->name);
    }
    free(order);
}

cJSON *
price_json(const struct image_price *price)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "how", price->how);
    cJSON_AddNumberToObject(object, "ns_per_octet", price->scan_ps / 1000.0);
    cJSON_AddNumberToObject(object, "size", price->size);
    cJSON_AddNumberToObject(object, "compile_ms", price->compile_us / 1000.0);
    return object;
}

void
prices_free(struct prices *p)
{
    free(p->list);
    *p = (struct prices){ 0 };
}
