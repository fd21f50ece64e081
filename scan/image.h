/* image: a compiled rule set as one relocatable, checksummed file.
 *
 * Built by a set-up process from parsed rules (rule.h), loaded by ruleset_load(). Layout, all integers
 * little-endian, all offsets from the start of the file:
 *
 *   struct image_header (magic, format version, total length, SHA-256 of the rest, Hyperscan version and
 *   platform, section table), then sections. The octets are described in image_format.h.
 *
 * Every regex is first compiled alone (compile.h) and then searched for in the cheapest exact way: by Hyperscan
 * alone; by Hyperscan as a prefilter and PCRE2 to confirm; by literals that every match contains, and PCRE2; by PCRE2
 * alone. Patterns of like size share a database; where a pattern gets smaller without the octets that clean units
 * (match.h) do not have, it is compiled twice, once for them. Rules that no scored rule leads to are left out.
 * A rule that can be compiled in no way is turned off and said; the set is never lost to it.
 *
 * Deterministic: the same rules give the same octets, on the same Hyperscan and processor. It can be loaded by
 * the same version of Hyperscan on a processor with the same features or more. Hostile: every offset, count and length is checked
 * against the file before use, and the checksum before anything else.
 *
 * Owns:    the image is the caller's to free().
 * Threads: none kept.
 * Limits:  those of what it is made of (rule_list.h, expr.h, list.h, signature.h, compile.h).
 * Fails:   with diagnostics in the list; image_verify with a sentence. */
#ifndef WEIR_SCAN_IMAGE_H
#define WEIR_SCAN_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "scan/compile.h"
#include "scan/rule.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How an image is built. */
struct image_options {
    struct compile_options compile;

    /* Keep `__X` rules that no scored rule leads to; else they are left out. For tests that compare them. */
    bool keeps_unused;

    /* Signatures of malware (signature.h), or NULL. Hashes become a table and one rule, MALWARE_HASH; each pattern a
     * rule of its own name, with SIGNATURE_SCORE_MILLI unless the rules score that name. */
    const struct signature_list *signatures;
};

/* What a rule costs, for people (`weirctl rules lint`). */
struct image_price {
    uint32_t scan_ps;    /* per octet of its target, alone, in 1e-12 s; 0: not measured */
    uint32_t compile_us; /* alone */
    uint32_t size;       /* octets of its database, alone */
    const char *how;     /* "native", "prefilter + PCRE2", "literals + PCRE2", "PCRE2", "-" */
};

/* Called once for each regex rule while an image is built. */
typedef void image_price_fn(void *owner, const char *rule, const struct image_price *price);

/* As image_build, with options; `fn` may be NULL. */
int image_build_with(struct rule_list *list, const struct image_options *options, image_price_fn *fn,
                     void *owner, void **image, size_t *len);

/* Compiles `list` into a new buffer *image (free()). Returns 0, or -1 with diagnostics added to the list
 * (rule_list_diagnostics) naming file, line and column. */
int image_build(struct rule_list *list, void **image, size_t *len);

/* Checks magic, version, length, checksum and every table; 0 or -1 with a sentence in err. */
int image_verify(const void *image, size_t len, char *err, size_t err_size);

#ifdef __cplusplus
}
#endif
#endif
