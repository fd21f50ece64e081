/* image: a compiled rule set as one relocatable, checksummed file.
 *
 * Built by a set-up process from parsed rules (rule.h), loaded by ruleset_load(). Layout, all integers
 * little-endian, all offsets from the start of the file:
 *
 *   struct image_header (magic, format version, total length, SHA-256 of the rest, Hyperscan version and
 *   platform, section table), then sections: strings, rules, code (metas), order, targets, lists, databases.
 *   The octets are described in image_format.h.
 *
 * Deterministic: the same rules give the same octets, on the same Hyperscan and processor. It can be loaded by
 * the same version of Hyperscan on a processor with the same features or more. Hostile: every offset, count and length is checked
 * against the file before use, and the checksum before anything else.
 *
 * Threads: none kept. */
#ifndef WEIR_SCAN_IMAGE_H
#define WEIR_SCAN_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "scan/rule.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Compiles `list` into a new buffer *image (free()). Returns 0, or -1 with diagnostics added to the list
 * (rule_list_diagnostics) naming file, line and column. */
int image_build(struct rule_list *list, void **image, size_t *len);

/* Checks magic, version, length, checksum and every table; 0 or -1 with a sentence in err. */
int image_verify(const void *image, size_t len, char *err, size_t err_size);

#ifdef __cplusplus
}
#endif
#endif
