#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "scan/list_private.h"
#include "scan/rule_list.h"

/* The table while it is made: one list after the other. Sizes are counted first, so nothing grows. */
struct build {
    struct list_table *table;
    struct list_record *records;
    uint32_t *slots;
    struct list_item *items;
    uint8_t *strings;
    uint32_t slots_used, items_used, strings_used;
};

static bool
ends_with(const char *s, const char *end)
{
    size_t len = strlen(s), end_len = strlen(end);
    return len >= end_len && !strcmp(s + len - end_len, end);
}

static bool
has_star(const char *s, size_t len)
{
    return memchr(s, '*', len) || memchr(s, '?', len);
}

/* What kind an entry is, and what of it is kept. */
static enum list_kind
entry_kind(const struct rule_set_list *l, const char *entry, struct span *kept)
{
    size_t len = strlen(entry);
    *kept = (struct span){ (const uint8_t *)entry, len };
    if (ends_with(l->name, "_rcvd"))
        return LIST_GLOB;
    if (entry[0] == '!' && !strncmp(l->name, "enlist_uri_host", 15)) {
        *kept = (struct span){ kept->ptr + 1, len - 1 };
        return LIST_EXCLUDED;
    }
    if (!has_star(entry, len))
        return LIST_EXACT;
    bool is_domain = !strncmp(entry, "*@", 2);
    if (is_domain && len > 2 && !has_star(entry + 2, len - 2) && !strchr(entry + 2, '@')) {
        *kept = (struct span){ kept->ptr + 1, len - 1 };
        return LIST_DOMAIN;
    }
    if (is_domain && !strncmp(entry, "*@*.", 4) && len > 4 && !has_star(entry + 4, len - 4) &&
        !strchr(entry + 4, '@')) {
        *kept = (struct span){ kept->ptr + 3, len - 3 };
        /* The look-up goes LIST_LABELS_MAX dots back. */
        unsigned dots = 0;
        for (size_t i = 0; i < kept->len; i++)
            dots += kept->ptr[i] == '.';
        if (dots <= LIST_LABELS_MAX)
            return LIST_SUBDOMAIN;
        *kept = (struct span){ (const uint8_t *)entry, len };
    }
    return LIST_GLOB;
}

static bool
is_left_out(struct span kept)
{
    return !kept.len || kept.len > LIST_ENTRY_MAX;
}

static uint32_t
slots_for(uint32_t entries)
{
    uint32_t n = 2;
    while (n < 2 * entries + 1)
        n *= 2;
    return n;
}

static bool
is_same(const struct build *b, const struct list_item *item, enum list_kind kind, struct span kept)
{
    if (list_hash_kind((enum list_kind)item->kind) != list_hash_kind(kind) || item->len != kept.len)
        return false;
    for (size_t i = 0; i < kept.len; i++)
        if (b->strings[item->off + i] != list_lower(kept.ptr[i]))
            return false;
    return true;
}

/* SpamAssassin's "paranoia": these become "_" in a pattern. */
static uint8_t
glob_octet(enum list_kind kind, uint8_t c)
{
    return kind != LIST_EXACT && kind != LIST_EXCLUDED && (c == '\\' || c == '(') ? '_' : list_lower(c);
}

static void
append(struct build *b, struct list_record *r, enum list_kind kind, struct span kept)
{
    b->items[b->items_used++] =
        (struct list_item){ b->strings_used, (uint16_t)kept.len, (uint16_t)kind };
    for (size_t i = 0; i < kept.len; i++)
        b->strings[b->strings_used++] = glob_octet(kind, kept.ptr[i]);
    r->entries_cnt++;
}

static void
add_hashed(struct build *b, struct list_record *r, enum list_kind kind, struct span kept)
{
    uint32_t mask = r->slots_cnt - 1;
    uint32_t i = list_hash(list_hash_kind(kind), kept) & mask;
    for (; b->slots[r->slots_off + i]; i = (i + 1) & mask) {
        struct list_item *item = &b->items[r->entries_off + b->slots[r->slots_off + i] - 1];
        if (is_same(b, item, kind, kept)) {
            item->kind = (uint16_t)kind;
            return;
        }
    }
    append(b, r, kind, kept);
    b->slots[r->slots_off + i] = r->entries_cnt;
}

static void
add_list(struct build *b, uint32_t idx, const struct rule_set_list *l)
{
    struct list_record *r = &b->records[idx];
    *r = (struct list_record){ .name_off = b->strings_used,
                               .name_len = (uint32_t)strlen(l->name),
                               .slots_off = b->slots_used,
                               .slots_cnt = slots_for(l->entries_cnt),
                               .entries_off = b->items_used };
    memcpy(b->strings + b->strings_used, l->name, r->name_len);
    b->strings_used += r->name_len;
    b->slots_used += r->slots_cnt;
    for (int globs = 0; globs < 2; globs++) {
        if (globs)
            r->globs_off = r->entries_cnt;
        for (uint32_t i = 0; i < l->entries_cnt; i++) {
            struct span kept;
            enum list_kind kind = entry_kind(l, l->entries[i], &kept);
            if (is_left_out(kept) || (kind == LIST_GLOB) != (globs == 1))
                continue;
            if (globs)
                append(b, r, kind, kept);
            else
                add_hashed(b, r, kind, kept);
        }
    }
}

static int
by_name(const void *a, const void *b)
{
    return strcmp((*(const struct rule_set_list *const *)a)->name,
                  (*(const struct rule_set_list *const *)b)->name);
}

/* Lists that are kept, by name. A name too long is none that a function could ask for. */
static const struct rule_set_list **
sort_lists(const struct rule_list *l, uint32_t *cnt)
{
    const struct rule_set_list **order = calloc(l->lists_cnt + 1u, sizeof(*order));
    *cnt = 0;
    if (!order)
        return NULL;
    for (uint32_t i = 0; i < l->lists_cnt; i++)
        if (strlen(l->lists[i].name) <= LIST_NAME_MAX && l->lists[i].name[0])
            order[(*cnt)++] = &l->lists[i];
    if (*cnt)
        qsort(order, *cnt, sizeof(*order), by_name);
    return order;
}

/* The most that the lists can need; duplicates make it less. */
static void
count(const struct rule_set_list *l, struct list_table *max, unsigned *left_out)
{
    max->strings_len += (uint32_t)strlen(l->name);
    max->slots_cnt += slots_for(l->entries_cnt);
    for (uint32_t i = 0; i < l->entries_cnt; i++) {
        struct span kept;
        entry_kind(l, l->entries[i], &kept);
        if (is_left_out(kept)) {
            ++*left_out;
            continue;
        }
        max->entries_cnt++;
        max->strings_len += (uint32_t)kept.len;
    }
}

static size_t
table_len(const struct list_table *t)
{
    return sizeof(*t) + t->lists_cnt * sizeof(struct list_record) + t->slots_cnt * sizeof(uint32_t) +
           t->entries_cnt * sizeof(struct list_item) + t->strings_len;
}

/* Moves entries and strings up to where the numbers now say that they start. */
static void
close_gaps(struct build *b)
{
    struct list_table *t = b->table;
    memmove(b->items + b->items_used, b->strings, b->strings_used);
    t->entries_cnt = b->items_used;
    t->strings_len = b->strings_used;
    t->len = (uint32_t)table_len(t);
}

static bool
is_too_big(const struct rule_list *l)
{
    uint64_t octets = 0;
    for (uint32_t i = 0; i < l->lists_cnt; i++) {
        octets += 512;
        for (uint32_t j = 0; j < l->lists[i].entries_cnt; j++)
            octets += 32 + strlen(l->lists[i].entries[j]);
    }
    return octets > LIST_TABLE_LEN_MAX;
}

int
list_table_build(const struct rule_list *l, uint8_t **octets, size_t *len, unsigned *left_out)
{
    struct list_table max = { .magic = LIST_MAGIC, .version = LIST_VERSION };
    unsigned lost = 0;
    if (is_too_big(l))
        return -E2BIG;
    const struct rule_set_list **order = sort_lists(l, &max.lists_cnt);
    for (uint32_t i = 0; order && i < max.lists_cnt; i++)
        count(order[i], &max, &lost);
    struct build b = { .table = order ? calloc(1, table_len(&max)) : NULL };
    if (!b.table) {
        free(order);
        return -ENOMEM;
    }
    *b.table = max;
    b.records = (struct list_record *)(void *)(b.table + 1);
    b.slots = (uint32_t *)(void *)(b.records + max.lists_cnt);
    b.items = (struct list_item *)(void *)(b.slots + max.slots_cnt);
    b.strings = (uint8_t *)(b.items + max.entries_cnt);
    for (uint32_t i = 0; i < max.lists_cnt; i++)
        add_list(&b, i, order[i]);
    close_gaps(&b);
    free(order);
    *octets = (uint8_t *)b.table;
    *len = b.table->len;
    if (left_out)
        *left_out = lost;
    return 0;
}
