#include "scan/list_private.h"

#include <string.h>

static bool
is_equal(struct span lower, struct span any)
{
    if (lower.len != any.len)
        return false;
    for (size_t i = 0; i < any.len; i++)
        if (lower.ptr[i] != list_lower(any.ptr[i]))
            return false;
    return true;
}

static struct span
item_span(const struct list_table *t, const struct list_item *item)
{
    return (struct span){ list_strings(t) + item->off, item->len };
}

static uint32_t
find(const struct list_table *t, const char *prefix, struct span name)
{
    if (!t)
        return LIST_NONE;
    size_t prefix_len = strlen(prefix);
    uint32_t low = 0, high = t->lists_cnt;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        const struct list_record *r = &list_records(t)[mid];
        const uint8_t *have = list_strings(t) + r->name_off;
        size_t head = r->name_len < prefix_len ? r->name_len : prefix_len;
        int order = memcmp(have, prefix, head);
        if (!order && r->name_len < prefix_len)
            order = -1;
        if (!order) {
            size_t have_len = r->name_len - prefix_len;
            size_t both = have_len < name.len ? have_len : name.len;
            order = both ? memcmp(have + prefix_len, name.ptr, both) : 0;
            if (!order)
                order = (have_len > name.len) - (have_len < name.len);
        }
        if (!order)
            return mid;
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return LIST_NONE;
}

uint32_t
list_find(const struct list_table *t, const char *name)
{
    return find(t, name, (struct span){ NULL, 0 });
}

uint32_t
list_find_named(const struct list_table *t, const char *prefix, struct span name)
{
    return find(t, prefix, name);
}

uint32_t
list_cnt(const struct list_table *t, uint32_t handle)
{
    return t && handle < t->lists_cnt ? list_records(t)[handle].entries_cnt : 0;
}

struct span
list_entry(const struct list_table *t, uint32_t handle, uint32_t idx, enum list_kind *kind)
{
    const struct list_item *item = &list_items(t)[list_records(t)[handle].entries_off + idx];
    if (kind)
        *kind = (enum list_kind)item->kind;
    return item_span(t, item);
}

/* The entry of that kind and key, or NULL. */
static const struct list_item *
probe(const struct list_table *t, const struct list_record *r, enum list_kind kind, struct span key)
{
    if (!r->globs_off || key.len > LIST_ENTRY_MAX)
        return NULL;
    const uint32_t *slots = list_slots(t) + r->slots_off;
    uint32_t mask = r->slots_cnt - 1;
    for (uint32_t i = list_hash(kind, key) & mask; slots[i]; i = (i + 1) & mask) {
        const struct list_item *item = &list_items(t)[r->entries_off + slots[i] - 1];
        if (list_hash_kind((enum list_kind)item->kind) == kind && is_equal(item_span(t, item), key))
            return item;
    }
    return NULL;
}

bool
list_has(const struct list_table *t, uint32_t handle, struct span key)
{
    if (!t || handle >= t->lists_cnt)
        return false;
    const struct list_item *item = probe(t, &list_records(t)[handle], LIST_EXACT, key);
    return item && item->kind == LIST_EXACT;
}

/* `*@domain` and `*@*.domain`. */
static bool
has_domain(const struct list_table *t, const struct list_record *r, struct span key)
{
    size_t first = 0, last = key.len;
    while (first < key.len && key.ptr[first] != '@')
        first++;
    if (first == key.len)
        return false;
    while (key.ptr[last - 1] != '@')
        last--;
    if (probe(t, r, LIST_DOMAIN, (struct span){ key.ptr + last - 1, key.len - last + 1 }))
        return true;
    unsigned labels = 0;
    for (size_t i = key.len; i > first + 1 && labels < LIST_LABELS_MAX; i--) {
        if (key.ptr[i - 1] != '.')
            continue;
        labels++;
        if (probe(t, r, LIST_SUBDOMAIN, (struct span){ key.ptr + i - 1, key.len - i + 1 }))
            return true;
    }
    return false;
}

bool
list_has_glob(const struct list_table *t, uint32_t handle, struct span key, enum list_glob how)
{
    if (!t || handle >= t->lists_cnt)
        return false;
    const struct list_record *r = &list_records(t)[handle];
    if (list_has(t, handle, key))
        return true;
    if (how != LIST_GLOB_LABEL && has_domain(t, r, key))
        return true;
    /* Only a glob finds a listed text within the key, so there the hashed ones are tried one by one, too. */
    uint32_t i = how == LIST_GLOB_WITHIN ? 0 : r->globs_off;
    for (; i < r->entries_cnt; i++) {
        enum list_kind kind;
        struct span pattern = list_entry(t, handle, i, &kind);
        bool is_tried = kind == LIST_GLOB || (how == LIST_GLOB_WITHIN && kind != LIST_EXCLUDED);
        if (is_tried && list_glob_matches(pattern, key, how))
            return true;
    }
    return false;
}

static bool
is_ipv4(struct span host)
{
    unsigned dots = 0;
    for (size_t i = 0; i < host.len; i++) {
        if (host.ptr[i] == '.')
            dots += i > 0 && host.ptr[i - 1] != '.' && i + 1 < host.len ? 1u : 9u;
        else if (host.ptr[i] < '0' || host.ptr[i] > '9')
            return false;
    }
    return dots == 3;
}

enum list_verdict
list_host(const struct list_table *t, uint32_t handle, struct span host)
{
    if (!t || handle >= t->lists_cnt || !host.len)
        return LIST_UNLISTED;
    const struct list_record *r = &list_records(t)[handle];
    bool has_parents = !is_ipv4(host);
    if (host.ptr[0] == '[' && host.len >= 2 && host.ptr[host.len - 1] == ']') {
        host = (struct span){ host.ptr + 1, host.len - 2 };
        has_parents = false;
    }
    unsigned labels = 1;
    for (size_t i = 0; i < host.len; i++)
        labels += host.ptr[i] == '.';
    for (;; labels--) {
        const struct list_item *item =
            labels <= LIST_LABELS_MAX || !has_parents ? probe(t, r, LIST_EXACT, host) : NULL;
        if (item)
            return item->kind == LIST_EXCLUDED ? LIST_NOT : LIST_LISTED;
        const uint8_t *dot = has_parents ? memchr(host.ptr, '.', host.len) : NULL;
        if (!dot)
            return LIST_UNLISTED;
        host = (struct span){ dot + 1, host.len - (size_t)(dot + 1 - host.ptr) };
    }
}
