/* anchor_facts: links whose text names another place than they lead to.
 *
 *     anchor_facts_init, { anchor_facts_part, { anchor_facts_href, anchor_facts_text* }*, anchor_facts_end }*
 *
 * A part is one text/html part; href is the target of an <a>, text what its reader sees (html.h gives both as
 * HTML_LINK_ANCHOR and HTML_LINK_ANCHOR_TEXT). For SpamAssassin's check_https_ip_mismatch and
 * check_https_http_mismatch.
 *
 * Owns:    nothing; the suffix set is borrowed.
 * Threads: one struct, one thread.
 * Limits:  ANCHOR_HREFS_MAX different targets a part are told apart; the count stops there. ANCHOR_PARTS_MAX parts.
 * Fails:   never. */
#ifndef WEIR_SCAN_ANCHOR_FACTS_H
#define WEIR_SCAN_ANCHOR_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/span.h"
#include "scan/suffix.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    /* The rules ask for fewer than 10. */
    ANCHOR_HREFS_MAX = 64,

    /* HTML parts of one mail whose number of targets is kept, of those with a mismatch. */
    ANCHOR_PARTS_MAX = 8
};

struct anchor_facts {
    const struct suffix_set *set;
    bool has_ip_mismatch;                    /* the target is http(s) to an address, the text says https: */
    unsigned parts_cnt;                      /* with a mismatch of domains */
    unsigned part_hrefs[ANCHOR_PARTS_MAX];   /* their different targets that have text */

    /* The part and the link that are read. */
    bool is_mismatch;
    bool is_ip, has_domain, is_counted;
    uint32_t href_hash;
    unsigned hrefs_cnt;
    uint32_t hrefs[ANCHOR_HREFS_MAX];
    struct host host; /* of the target */
};

void anchor_facts_init(struct anchor_facts *f, const struct suffix_set *set);
void anchor_facts_part(struct anchor_facts *f);
void anchor_facts_href(struct anchor_facts *f, struct span href);
void anchor_facts_text(struct anchor_facts *f, struct span text);
void anchor_facts_end(struct anchor_facts *f);

#ifdef __cplusplus
}
#endif
#endif
