/* list_private: the octets of a list table (list.h). Private to scan/.
 *
 * A list's slots are a power of two, at least twice its hashed entries, so one is always empty: a probe ends.
 * Its entries are one run: first those in the hash, then the globs. */
#ifndef WEIR_SCAN_LIST_PRIVATE_H
#define WEIR_SCAN_LIST_PRIVATE_H

#include "scan/list.h"

enum { LIST_MAGIC = 0x7473694c, LIST_VERSION = 1 };

struct list_table {
    uint32_t magic;
    uint32_t version;
    uint32_t len; /* of the whole table, octets */
    uint32_t lists_cnt;
    uint32_t slots_cnt;
    uint32_t entries_cnt;
    uint32_t strings_len;
    uint32_t reserved; /* 0 */
};

struct list_record {
    uint32_t name_off; /* into the strings, as all string offsets */
    uint32_t name_len;
    uint32_t slots_off; /* index of the first slot */
    uint32_t slots_cnt;
    uint32_t entries_off; /* index of the first entry */
    uint32_t entries_cnt;
    uint32_t globs_off; /* of them, from entries_off: where the globs start */
    uint32_t reserved;
};

/* A slot: index of the entry within the list + 1; 0 is empty. */

struct list_item {
    uint32_t off;
    uint16_t len;
    uint16_t kind; /* enum list_kind */
};

static inline const struct list_record *
list_records(const struct list_table *t)
{
    return (const struct list_record *)(const void *)(t + 1);
}

static inline const uint32_t *
list_slots(const struct list_table *t)
{
    return (const uint32_t *)(const void *)(list_records(t) + t->lists_cnt);
}

static inline const struct list_item *
list_items(const struct list_table *t)
{
    return (const struct list_item *)(const void *)(list_slots(t) + t->slots_cnt);
}

static inline const uint8_t *
list_strings(const struct list_table *t)
{
    return (const uint8_t *)(list_items(t) + t->entries_cnt);
}

static inline uint8_t
list_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

/* FNV-1a over the kind and the lower-case key. Keys from the wire cannot make it slow: they are looked up
 * in a table that is fixed, never stored. */
static inline uint32_t
list_hash(enum list_kind kind, struct span key)
{
    uint32_t h = (2166136261u ^ (uint32_t)kind) * 16777619u;
    for (size_t i = 0; i < key.len; i++)
        h = (h ^ list_lower(key.ptr[i])) * 16777619u;
    return h ^ h >> 15;
}

/* LIST_EXACT and LIST_EXCLUDED share their keys: a later entry replaces an earlier one. */
static inline enum list_kind
list_hash_kind(enum list_kind kind)
{
    return kind == LIST_EXCLUDED ? LIST_EXACT : kind;
}

#endif
