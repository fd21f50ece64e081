/* suffix: what part of a host's name somebody registered (the Public Suffix List, through libpsl).
 *
 * "www.shop.example.co.uk" -> suffix "co.uk", domain "example.co.uk". Both are the end of the normal form
 * of the host: lower case, A-labels ("xn--..."), ASCII dots, none at the end; so "Bücher.EXAMPLE" and
 * "xn--bcher-kva.example" are one host. ICANN's and the private section ("github.io") both count.
 *
 * An IPv4 or IPv6 address has no suffix and no domain. Only the plain spellings are told as such here;
 * url.h undoes 0x7f.1-like ones before it asks.
 *
 * Owns:    suffix_new .. suffix_free: the list, loaded once, constant afterwards.
 * Threads: after suffix_new, any number may look up in one set; each remembers its last answers for itself.
 * Limits:  HOST_LEN_MAX (RFC 1035 2.3.4). A longer name has neither suffix nor domain.
 * Fails:   a look-up never; suffix_new as told. Nothing is allocated per look-up, with one exception:
 *          libidn2 allocates (and frees) while it converts a name that has octets over 0x7f. */
#ifndef WEIR_SCAN_SUFFIX_H
#define WEIR_SCAN_SUFFIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/span.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    /* Octets of a host name in text form (RFC 1035 2.3.4: 255 on the wire, two of them not text). */
    HOST_LEN_MAX = 253,
    /* Of one label (RFC 1035 2.3.4). */
    LABEL_LEN_MAX = 63,
    /* Labels of a name that are looked at, from its end: the list's longest rule has 5. Bounds the time. */
    SUFFIX_LABELS_MAX = 8
};

struct suffix_set;

/* Loads the list: the system's newer one if there is one (package publicsuffix), else libpsl's own. Prints
 * the cause and returns -ENOENT if neither exists, -ENOMEM. Set-up only. */
int suffix_new(struct suffix_set **set);
void suffix_free(struct suffix_set *set);

/* A host in normal form. `text` ends in NUL. An offset equal to len: there is none. */
struct host {
    uint8_t len;
    uint8_t domain_off; /* the registrable domain; of an IP address: 0 (itself, as URI blocklists take it) */
    uint8_t suffix_off;
    bool is_ip;
    bool is_fqdn;  /* two labels or more, each of letters, digits, "_" (not in the last two), inner "-" */
    bool is_known; /* its last label is a top-level domain of the list, and not the only label */
    char text[HOST_LEN_MAX + 1];
};

/* Lower case and A-labels, no more: true and *h with len and text set (its other members zero). False
 * when it is empty or too long. What cannot be an IDN (bad UTF-8 that is not Latin-1 either, RFC 5891) stays
 * as it is but for ASCII capitals and wide dots, as in SpamAssassin's idn_to_ascii. */
bool host_normalize(struct span name, struct host *h);

/* host_normalize and everything else. One dot at the end is dropped. */
bool suffix_lookup(const struct suffix_set *set, struct span name, struct host *h);

/* Is this one label, ASCII of any case, a top-level domain? */
bool suffix_is_tld(const struct suffix_set *set, struct span label);

/* IPv4 in four decimal numbers, or IPv6 without brackets, nothing else around it. */
bool host_is_ip(struct span text);

/* struct host's is_fqdn of any ASCII text, dots at its end ignored. */
bool host_is_fqdn(struct span text);

#ifdef __cplusplus
}
#endif
#endif
