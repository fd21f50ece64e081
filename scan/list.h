/* list: the lists of a rule set (freemail_domains, welcomelist_from, enlist_uri_host, ..) as one flat table.
 *
 * The table is a run of octets without pointers: built at set-up, stored in the image, checked once and then
 * used where it lies. All integers are little-endian 32-bit, offsets count from the table's start:
 *
 *     header | list records, by name | slots | entries | strings
 *
 * An entry is one of five kinds, told by how it is written, so that a look-up is a few probes of a hash and
 * not a walk over thousands of patterns:
 *
 *     example.com          LIST_EXACT
 *     *@example.com        LIST_DOMAIN     "@example.com"; behind the key's last "@"
 *     *@*.example.com      LIST_SUBDOMAIN  ".example.com"; behind each dot of what follows the key's first "@"
 *     a*b?c                LIST_GLOB       scanned one by one, after the others
 *     !example.com         LIST_EXCLUDED   (host lists only) listed as "not"
 *
 * Lists of pairs ("..._rcvd": a glob, a blank, a relay's domain) are LIST_GLOB as a whole and read with
 * list_entry. SpamAssassin compares every list without regard to case; so do all look-ups here (ASCII).
 *
 * Owns:    list_table_build's octets are the caller's (free()). A table borrows its octets.
 * Threads: a table is read-only.
 * Limits:  below. Longer entries are left out when the table is built; list_table_build counts them.
 * Fails:   only building (-ENOMEM) and verifying. */
#ifndef WEIR_SCAN_LIST_H
#define WEIR_SCAN_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/span.h"

#ifdef __cplusplus
extern "C" {
#endif

struct rule_list;
struct list_table; /* checked octets */

enum {
    /* Octets of an entry. An address has 320 (RFC 5321); a pair two of them. */
    LIST_ENTRY_MAX = 512,

    /* Octets of a key that a glob is tried on; a longer one is cut there. Subjects reach it, addresses do not. */
    LIST_KEY_MAX = 4096,

    /* A name: `enlist_addrlist:` and a rule's name. */
    LIST_NAME_MAX = 256,

    /* Dots looked behind in one key, from its end: SpamAssassin's "sanity limit" for hosts. */
    LIST_LABELS_MAX = 11,

    /* Of a table: public rules have 20,000 entries. */
    LIST_TABLE_LEN_MAX = 1 << 28
};

/* No such list; every look-up in it says no. */
#define LIST_NONE UINT32_MAX

enum list_kind { LIST_EXACT, LIST_DOMAIN, LIST_SUBDOMAIN, LIST_EXCLUDED, LIST_GLOB, LIST_KIND_CNT };

/* What the "*" and the ends of a glob mean. */
enum list_glob {
    LIST_GLOB_WHOLE,  /* "*": any octets; the whole key (add_to_addrlist) */
    LIST_GLOB_WITHIN, /* anywhere in the key (welcomelist_subject) */
    LIST_GLOB_LABEL   /* "*": any octets but dots; the whole key (freemail_domains) */
};

enum list_verdict { LIST_UNLISTED, LIST_LISTED, LIST_NOT };

/* Makes the table of all lists of l: the same lists give the same octets. *left_out (or NULL): entries that
 * were empty or too long. 0 or -ENOMEM; -E2BIG past LIST_TABLE_LEN_MAX. */
int list_table_build(const struct rule_list *l, uint8_t **octets, size_t *len, unsigned *left_out);

/* The table that `octets` (aligned to 4) are, or NULL: every offset, count, string and hash slot is checked, so
 * that no look-up can leave the octets or run on. Linear in len. */
const struct list_table *list_table_verify(const uint8_t *octets, size_t len);

/* The list of that name, or LIST_NONE. `t` may be NULL: no lists. */
uint32_t list_find(const struct list_table *t, const char *name);

/* The same for "prefix:name" with a name that is not a C string. */
uint32_t list_find_named(const struct list_table *t, const char *prefix, struct span name);

/* Entries of a list, and one of them (in the order of the hash: deterministic, no other meaning). */
uint32_t list_cnt(const struct list_table *t, uint32_t handle);
struct span list_entry(const struct list_table *t, uint32_t handle, uint32_t idx, enum list_kind *kind);

/* LIST_EXACT entries only. */
bool list_has(const struct list_table *t, uint32_t handle, struct span key);

/* All entries but LIST_EXCLUDED, as an address list (LIST_GLOB_WHOLE) or as `how` says; kinds LIST_DOMAIN and
 * LIST_SUBDOMAIN count for LIST_GLOB_WHOLE and LIST_GLOB_WITHIN. At most LIST_LABELS_MAX + 3 probes, then the
 * globs. */
bool list_has_glob(const struct list_table *t, uint32_t handle, struct span key, enum list_glob how);

/* The host, else its parents, the nearest first, as enlist_uri_host: the first one that is listed decides.
 * "[addr]" is looked up without brackets; an IPv4 address has no parents. */
enum list_verdict list_host(const struct list_table *t, uint32_t handle, struct span host);

/* One glob: "*" and "?" (any octet but "\n"). pattern is lower case; text in any case. At most
 * text.len * pattern.len steps, mostly far fewer: the literal ends are compared first. */
bool list_glob_matches(struct span pattern, struct span text, enum list_glob how);

#ifdef __cplusplus
}
#endif
#endif
