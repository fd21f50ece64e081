#include <string.h>

#include "scan/list_private.h"

static bool
is_within(uint32_t off, uint32_t cnt, uint32_t total)
{
    return off <= total && cnt <= total - off;
}

static bool
is_sized(const struct list_table *t, size_t len)
{
    /* Sums of products of 32-bit counts: no overflow in 64 bits. */
    uint64_t sum = sizeof(*t) + (uint64_t)t->lists_cnt * sizeof(struct list_record) +
                   (uint64_t)t->slots_cnt * sizeof(uint32_t) +
                   (uint64_t)t->entries_cnt * sizeof(struct list_item) + t->strings_len;
    return t->magic == LIST_MAGIC && t->version == LIST_VERSION && !t->reserved && t->len == len &&
           sum == len;
}

static bool
are_items_good(const struct list_table *t)
{
    for (uint32_t i = 0; i < t->entries_cnt; i++) {
        const struct list_item *item = &list_items(t)[i];
        if (!item->len || item->len > LIST_ENTRY_MAX || item->kind >= LIST_KIND_CNT ||
            !is_within(item->off, item->len, t->strings_len))
            return false;
    }
    return true;
}

/* Each slot names a hashed entry of the list, and one is empty. */
static bool
are_slots_good(const struct list_table *t, const struct list_record *r)
{
    if (r->slots_cnt < 2 || (r->slots_cnt & (r->slots_cnt - 1)))
        return false;
    uint32_t used = 0;
    for (uint32_t i = 0; i < r->slots_cnt; i++) {
        uint32_t slot = list_slots(t)[r->slots_off + i];
        used += slot != 0;
        if (slot > r->globs_off)
            return false;
    }
    return used < r->slots_cnt;
}

/* Lists stand one behind the other, so that no two share octets and checking stays linear. */
static bool
is_record_good(const struct list_table *t, const struct list_record *r, uint32_t *slots, uint32_t *items)
{
    if (!r->name_len || r->name_len > LIST_NAME_MAX || r->reserved ||
        !is_within(r->name_off, r->name_len, t->strings_len) || r->slots_off != *slots ||
        r->entries_off != *items || !is_within(*slots, r->slots_cnt, t->slots_cnt) ||
        !is_within(*items, r->entries_cnt, t->entries_cnt) || r->globs_off > r->entries_cnt)
        return false;
    *slots += r->slots_cnt;
    *items += r->entries_cnt;
    for (uint32_t i = 0; i < r->entries_cnt; i++) {
        bool is_glob = list_items(t)[r->entries_off + i].kind == LIST_GLOB;
        if (is_glob != (i >= r->globs_off))
            return false;
    }
    return are_slots_good(t, r);
}

static bool
is_behind(const struct list_table *t, const struct list_record *a, const struct list_record *b)
{
    size_t both = a->name_len < b->name_len ? a->name_len : b->name_len;
    int order = memcmp(list_strings(t) + a->name_off, list_strings(t) + b->name_off, both);
    return order < 0 || (!order && a->name_len < b->name_len);
}

const struct list_table *
list_table_verify(const uint8_t *octets, size_t len)
{
    const struct list_table *t = (const struct list_table *)(const void *)octets;
    if (!octets || (uintptr_t)octets % 4 || len < sizeof(*t) || len > LIST_TABLE_LEN_MAX ||
        !is_sized(t, len) || !are_items_good(t))
        return NULL;
    uint32_t slots = 0, items = 0;
    const struct list_record *records = list_records(t);
    for (uint32_t i = 0; i < t->lists_cnt; i++) {
        if (!is_record_good(t, &records[i], &slots, &items))
            return NULL;
        if (i && !is_behind(t, &records[i - 1], &records[i]))
            return NULL;
    }
    return slots == t->slots_cnt && items == t->entries_cnt ? t : NULL;
}
