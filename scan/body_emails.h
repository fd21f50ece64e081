/* body_emails: the mail addresses in a message's text, as SpamAssassin's FreeMail plugin collects them.
 *
 * Fed with the links of its HTML (those of "mailto:") first and then with the body's lines. In a line, addresses
 * inside URLs, inside "<..>" and before "wrote:" do not count. An address is a user part of at most 64 octets
 * without dots at its ends or in a row, "@", up to five labels, the last a top-level domain that exists.
 *
 * Owns:    nothing. About 12 kB.
 * Threads: one struct, one thread.
 * Limits:  SpamAssassin's own: 20 addresses from links, 40 in all (looking stops there); URLs of 512 octets.
 *          BODY_EMAIL_MAX octets of an address; BODY_EMAILS_TEXT_MAX in all, behind which looking stops, too.
 * Fails:   never. Linear in the line: no octet is looked at more than four times. */
#ifndef WEIR_SCAN_BODY_EMAILS_H
#define WEIR_SCAN_BODY_EMAILS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/span.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    BODY_EMAILS_LINKS_MAX = 20,
    BODY_EMAILS_MAX = 40,

    /* User part, "@", four labels of 61 octets with their dots, a top-level domain. */
    BODY_EMAIL_MAX = 64 + 1 + 4 * 62 + 63,
    BODY_EMAILS_TEXT_MAX = 10240
};

/* Is this label (ASCII, any case) a top-level domain? */
typedef bool (*body_emails_tld_fn)(void *ctx, struct span label);

struct body_emails {
    body_emails_tld_fn is_tld;
    void *ctx;
    unsigned cnt;
    uint16_t off[BODY_EMAILS_MAX + 1]; /* address i is text[off[i] .. off[i + 1]), lower case */
    uint8_t text[BODY_EMAILS_TEXT_MAX];
};

/* is_tld and ctx are borrowed until the last call. */
void body_emails_init(struct body_emails *e, body_emails_tld_fn is_tld, void *ctx);

/* The target of an <a>. */
void body_emails_link(struct body_emails *e, struct span url);

/* A line of the rendered body. */
void body_emails_line(struct body_emails *e, struct span line);

static inline struct span
body_email(const struct body_emails *e, unsigned idx)
{
    struct span s = { e->text + e->off[idx], (size_t)(e->off[idx + 1] - e->off[idx]) };
    return s;
}

#ifdef __cplusplus
}
#endif
#endif
