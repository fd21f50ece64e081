/* url: the URLs of one message, as SpamAssassin 4.0.1's uri rules see them (PerMsgStatus.pm
 * get_uri_detail_list, Util.pm uri_list_canonicalize).
 *
 * Fed with the lines of the rendered body (text.h) and with the links of its HTML (html.h, joined with the
 * base already). In text it finds what mail readers make clickable: "http://..", "www..", "ftp..", mail
 * addresses, and bare host names under a known top-level domain. From each URL as written it makes the
 * variants that uri rules match: percent-escapes undone, "\" as "/", "http:host" completed, the default
 * port gone, A-labels, IPv4 in any base as four decimal numbers, the target of a redirector (again with all
 * its variants), an address without "?subject=", "http://name" as "http://www.name.com". As there, a user
 * name alone makes no variant ("http://bank.com@evil.com/" stays); the host is the right one.
 *
 *   found or linked ---> detail: raw form, where it was seen, its variants
 *                           `--> variants: strings, each once per message, with host and domain
 *
 *   urls_init(u, set, NULL, NULL);
 *   urls_text(u, line) for each line;  urls_html(u, URL_A, href) for each link;  urls_dkim(u, d)
 *   for (uint32_t i = 0; urls_next(u, &i, &text, &at);) scan(text);       the strings of uri rules
 *   for (unsigned i = 0; i < u->detail_cnt; i++) look(&u->details[i]);    for eval functions
 *
 * All strings are octets; what the rules see is UTF-8 when the lines were.
 *
 * Owns:    struct urls is the caller's memory (a message slot, about 150 KiB), no pointers into the input.
 * Threads: one struct, one thread; the suffix set is shared.
 * Limits:  below. What does not fit is left out and told in `overflow`. Time is linear in the text, and
 *          per URL bounded by URL_LEN_MAX times URL_REDIRECT_MAX.
 * Fails:   never. */
#ifndef WEIR_SCAN_URL_H
#define WEIR_SCAN_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/span.h"
#include "scan/suffix.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    /* Octets of one URL. SpamAssassin's MAX_URI_LENGTH; longer ones are cut there, too. */
    URL_LEN_MAX = 8192,
    /* Octets of all strings of a message together: 100 links of a newsletter with 300 octets each, twice. The
     * largest of 3,680 test mails needs 40,611. */
    URL_ARENA_LEN = 65536,
    /* Octets of one URL's own variants: one link must not fill the arena and so hide the next. */
    URL_SPREAD_MAX = 16384,
    /* Different URLs of a message. */
    URL_DETAIL_MAX = 1000,
    /* Different strings of a message: URLs, variants, hosts. About two for each URL, seldom four. */
    URL_STRING_MAX = 3000,
    /* Variants of all URLs together. */
    URL_LINK_MAX = 4000,
    /* Redirector targets followed from one URL. Legitimate nesting is 3 deep (mail-security services that wrap
     * each other's links); a 2,000 octet chain of "http://a.b/http://a.b/.." would cost 200 times its length. */
    URL_REDIRECT_MAX = 16,
    /* Slots of the string index: a power of two, at most three quarters full. */
    URL_INDEX_LEN = 4096
};

/* Where a URL was seen: a set. The tags are those whose links HTML readers follow. */
enum url_type {
    URL_A = 1u << 0,
    URL_AREA = 1u << 1,
    URL_BASE = 1u << 2,
    URL_BODY = 1u << 3,
    URL_EMBED = 1u << 4,
    URL_FORM = 1u << 5,
    URL_FRAME = 1u << 6,
    URL_IFRAME = 1u << 7,
    URL_IMG = 1u << 8,
    URL_LINK = 1u << 9,
    URL_META = 1u << 10,
    URL_SCRIPT = 1u << 11,
    URL_TABLE = 1u << 12, /* and tr, td: a background */
    URL_OTHER_TAG = 1u << 13,
    URL_PARSED = 1u << 14,     /* found in text */
    URL_SCHEMELESS = 1u << 15, /* .. and without a scheme */
    URL_UNLINKED = 1u << 16,   /* .. a bare host name, which mail readers do not make clickable */
    URL_DKIM = 1u << 17        /* d= of a signature: only `domain` counts, no uri rule sees it */
};

/* Why something was left out: a set. */
enum url_overflow {
    URL_OVERFLOW_ARENA = 1u << 0,
    URL_OVERFLOW_COUNT = 1u << 1,    /* URL_DETAIL_MAX, URL_STRING_MAX or URL_LINK_MAX */
    URL_OVERFLOW_REDIRECT = 1u << 2, /* URL_REDIRECT_MAX, URL_SPREAD_MAX: a variant is missing */
    URL_OVERFLOW_LENGTH = 1u << 3    /* URL_LEN_MAX: cut (SpamAssassin's check_uri_truncated) */
};

enum { URL_NONE = 0xffff };

struct url_string {
    uint32_t hash;
    uint32_t off; /* into the arena */
    uint16_t len;
    uint16_t host;      /* of a variant with a valid host: the string it is, in normal form; else URL_NONE */
    uint8_t domain_off; /* the registrable domain within the host */
    bool is_ip;         /* the host is an IP address, which is its own domain */
    bool is_variant;    /* seen by uri rules */
    bool is_host;       /* it is some variant's host */
};

struct url_detail {
    uint32_t types;     /* enum url_type */
    uint16_t raw;       /* string: as found, "http://" or "mailto:" put before it where it was missing */
    uint16_t link_off;  /* its variants: links[link_off .. + link_cnt), each a string */
    uint16_t link_cnt;  /* 0: only raw exists (URL_DKIM) */
    uint16_t host;      /* URL_DKIM: string; else URL_NONE */
    bool has_domain;    /* one of them has a valid host */
    uint8_t domain_off; /* URL_DKIM: in host */
    uint8_t pad[2];
};

/* Is `url` ("http://host/rest", canonical) a redirector (SpamAssassin's redirector_pattern)? Then true and
 * *target, a part of url. Called on the packet path: must not block or allocate. */
typedef bool (*url_redirect_fn)(void *ctx, struct span url, struct span *target);

struct urls {
    const struct suffix_set *set;
    url_redirect_fn redirect; /* NULL: only "http" within the rest of a URL leads on */
    void *redirect_ctx;
    uint32_t overflow; /* enum url_overflow */
    uint32_t arena_len;
    uint16_t string_cnt, detail_cnt, link_cnt;
    struct url_detail details[URL_DETAIL_MAX];
    struct url_string strings[URL_STRING_MAX];
    uint16_t links[URL_LINK_MAX];
    uint16_t index[URL_INDEX_LEN];        /* open addressing by hash; URL_NONE: free */
    uint16_t detail_of[URL_STRING_MAX];   /* the detail whose raw form a string is */
    uint8_t arena[URL_ARENA_LEN];
};

/* At the start of each message. `set`, redirect and ctx are borrowed until the last call. */
void urls_init(struct urls *u, const struct suffix_set *set, url_redirect_fn redirect, void *ctx);

/* One line of the rendered body, with or without its line end. Lines are looked at one by one: a URL that
 * is cut by text.h's line cap is two pieces, there too. */
void urls_text(struct urls *u, struct span line);

/* A link of HTML, after entities and joined with the base; blanks around it are the caller's to cut
 * (SpamAssassin's canon_uri). Returns the detail's number, stable from here on (for the anchor's text);
 * -1 when it was left out.
 *
 * SpamAssassin lists the href of each <a> a second time, as written (not joined; "" when there is none), which
 * it takes for found in text: for the same uri rules to hit, tell it so with tag URL_PARSED. */
int urls_html(struct urls *u, enum url_type tag, struct span href);

/* The enum url_type bit of a lower-case HTML tag's name. */
enum url_type url_type_of(struct span tag);

/* The value of d= in a DKIM-Signature or DomainKey-Signature field. */
void urls_dkim(struct urls *u, struct span domain);

/* Next string for uri rules: true, *text (valid until urls_init) and *at, its number in strings. Start
 * with *i = 0; in order of first sight. */
bool urls_next(const struct urls *u, uint32_t *i, struct span *text, uint32_t *at);

/* String `at`; its host; the host's registrable domain (of an IP address or a public suffix: the host).
 * Empty: there is no host, or none under a known top-level domain. */
struct span url_text(const struct urls *u, uint32_t at);
struct span url_host(const struct urls *u, uint32_t at);
struct span url_domain(const struct urls *u, uint32_t at);

#ifdef __cplusplus
}
#endif
#endif
