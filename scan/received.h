/* received: Received fields read into relays, and which of them are trusted.
 *
 * Every MTA writes down who handed it the message, and every product in a form of its own:
 *
 *     from HELO (RDNS [IP]) by BY (8.12.8) with ESMTP id ID for <..>; DATE      sendmail, Postfix
 *     from RDNS ([IP] helo=HELO ident=IDENT) by BY with esmtp (Exim 4.9) id ID  Exim
 *     from RDNS (HELO HELO) (IDENT@IP) by BY with SMTP                          qmail
 *     from HELO ([IP]) by BY with Microsoft SMTPSVC                             Microsoft
 *
 * A line is cut into clauses (first word, groups, by, rest); the shape of the groups and a few
 * product names tell which word is what. Lines that are no TCP handover (local submission, queue
 * runners) are skipped; a line that looks like a handover and cannot be read is counted as
 * unparseable.
 *
 * Trust is what SpamAssassin infers when no networks are configured: from the newest relay on,
 * relays are trusted as long as the client's address is private or it was authenticated. Internal
 * is then the same as trusted and nothing is an MSA. Values, their order and the text of
 * relays_write are SpamAssassin's (Message/Metadata/Received.pm), octet for octet, since rules
 * match on that text:
 *
 *     [ ip=1.2.3.4 rdns=a.example helo=a by=mx ident= envfrom= intl=0 id=ABC auth= msa=0 ] [ ip=..
 * ]
 *
 *     relays_init, (relays_client), relays_add_received*, relays_add_originating*, then reading
 *
 * Owns:    the text of its relays; spans point into the struct itself, which must not be moved or
 * copied. Threads: one writer. Limits:  RELAYS_MAX, RELAYS_TEXT_MAX, RECEIVED_LINE_MAX; is_capped
 * tells that one was hit: what did not fit (older relays, a line's end) is as if it were not there.
 * Fails:   never. */
#ifndef WEIR_SCAN_RECEIVED_H
#define WEIR_SCAN_RECEIVED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/span.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    /* Relays kept. Mail loops are cut at 25 to 100 hops; real mail stays below 30. */
    RELAYS_MAX = 64,

    /* Octets of all values of all relays: about 130 a relay in real mail. */
    RELAYS_TEXT_MAX = 16384,

    /* Octets of one Received field that are read; SpamAssassin cuts a value here too. */
    RECEIVED_LINE_MAX = 8192,

    /* Room that relays_write never exceeds: the values, and the fixed text of each relay. */
    RELAYS_WRITE_MAX = RELAYS_TEXT_MAX + RELAYS_MAX * 96
};

/* Octets that would break the form of relays_write are "!" in ip, rdns, helo, by, ident, envfrom.
 */
struct relay {
    struct span ip;
    struct span rdns; /* empty: none, or unknown (has_no_rdns) */
    struct span helo;
    struct span by;
    struct span ident;
    struct span envfrom;
    struct span id;
    struct span auth; /* how it was authenticated; empty: it was not */
    bool has_envfrom; /* envfrom is known; then empty means "<>" */
    bool has_no_rdns; /* the MTA looked for a name and there is none */
    bool is_private;  /* ip_text_is_private(ip) */
    bool is_trusted;
};

/* The newest relay first; the trusted ones come before the others. */
struct relays {
    struct relay relay[RELAYS_MAX];
    unsigned cnt;
    unsigned trusted_cnt;
    unsigned unparseable_cnt;
    unsigned trusted_line_cnt; /* Received fields read while still trusted (relays_cut_has) */
    bool is_trusting;
    bool has_client;
    bool is_capped;
    struct span next_envfrom; /* a qmail-scanner line's, for the relay of the next line */
    size_t text_len;
    uint8_t text[RELAYS_TEXT_MAX];
};

/* What an inline appliance knows itself of the connection that brings the message. What is not
 * known is empty; auth not empty makes the relay trusted. has_mail_from: mail_from is known ("<>"
 * as empty). */
struct relay_client {
    struct span ip;
    struct span helo;
    struct span by;
    struct span auth;
    struct span mail_from;
    bool has_mail_from;
};

enum relays_which { RELAYS_TRUSTED, RELAYS_UNTRUSTED, RELAYS_INTERNAL, RELAYS_EXTERNAL };

void relays_init(struct relays *r);

/* Before any relays_add_received: the connection is the first relay. */
void relays_client(struct relays *r, const struct relay_client *client);

/* The value of one Received field, in the order of the header (newest first), unfolded. */
void relays_add_received(struct relays *r, struct span value);

/* The value of a field that names the client of a webmail (X-Originating-IP, ..: SpamAssassin's
 * originating_ip_headers), after all Received fields. A value without address is passed over. */
void relays_add_originating(struct relays *r, struct span value);

/* The i-th relay that is not trusted, NULL when there are not so many. */
const struct relay *relays_untrusted(const struct relays *r, unsigned i);

/* The text of X-Spam-Relays-Trusted and so on, without line end. Returns the octets written: whole
 * relays, as many as fit in `cap`. */
size_t relays_write(const struct relays *r, enum relays_which which, uint8_t *out, size_t cap);

/* Whether a field is in the pseudo-field ALL-TRUSTED (ALL-UNTRUSTED, ..): `received_cnt` counts the
 * Received fields up to that field, itself included. The Received field at the border is in both.
 */
bool relays_cut_has(const struct relays *r, enum relays_which which, unsigned received_cnt,
                    bool is_received);

#ifdef __cplusplus
}
#endif
#endif
