/* eval_facts: everything that an eval function may look at when a message has ended.
 *
 * message.c fills one in for each message; what is NULL was not collected, and functions that need it say 0.
 * All of it is finished (parts ended, lines handed out) and stays as it is while functions run.
 *
 * Owns:    nothing.
 * Threads: read by the thread of its message alone.
 * Limits:  those of what it points to. */
#ifndef WEIR_SCAN_EVAL_FACTS_H
#define WEIR_SCAN_EVAL_FACTS_H

#include "scan/span.h"

#ifdef __cplusplus
extern "C" {
#endif

struct header_facts;      /* eval_header.h: fields, relays, registered domains */
struct mime_facts;        /* mime_facts.h */
struct text_facts;        /* text_facts.h */
struct alternative_facts; /* alternative_facts.h */
struct body_emails;       /* body_emails.h */
struct image_facts;       /* image_facts.h */
struct html_facts;        /* html.h: one for each text/html part */
struct anchor_facts;      /* anchor_facts.h */
struct urls;              /* url.h */
struct list_table;        /* list.h: of the rule set */

struct eval_facts {
    unsigned thread_idx; /* of the caller, for prepared patterns */
    const struct header_facts *header;
    const struct mime_facts *mime;
    const struct text_facts *text;
    const struct alternative_facts *alternative;
    const struct body_emails *emails;
    const struct image_facts *images;
    const struct html_facts *const *html; /* in the order of the parts */
    unsigned html_cnt;
    const struct anchor_facts *anchors;
    const struct urls *urls;
    const struct list_table *lists;

    /* RCPT TO, without angle brackets: count as addresses that the mail is to. */
    const struct span *recipients;
    unsigned recipients_cnt;
};

#ifdef __cplusplus
}
#endif
#endif
