/* eval_header: the eval functions of SpamAssassin's rules that look at the header and the relays
 * only.
 *
 *     header DATE_IN_PAST_03_06  eval:check_for_shifted_date('-6', '-3')
 *
 * Behaviour is that of Plugin/HeaderEval.pm, RelayEval.pm and WLBLEval.pm
 * (check_mailfrom_matches_rcvd) with the stock configuration: ok_locales is "all", no networks are
 * configured. A function does not know who calls it: it gets the facts of the message and the
 * arguments, and says 0 or how often the rule hits.
 *
 * Left out, because they need more than the header: everything that asks DNS, SPF, DKIM, DMARC,
 * address lists, free-mail domains, the clock (received_within_months); check_msg_parse_flags (the
 * parser knows).
 *
 * Owns:    nothing.
 * Threads: any; the functions keep no state between calls.
 * Limits:  linear in the header, but for recipients: at most EVAL_RECIPIENTS_MAX of them, compared
 * pairwise. Fails:   never; what cannot be decided is 0. */
#ifndef WEIR_SCAN_EVAL_HEADER_H
#define WEIR_SCAN_EVAL_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/eval_args.h"
#include "scan/received.h"
#include "scan/span.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    /* Recipients that sorted_recipients and similar_recipients look at (SpamAssassin's number). */
    EVAL_RECIPIENTS_MAX = 256,

    /* Received fields whose date is compared; SpamAssassin has no cap, real mail stays below 30. */
    EVAL_DATES_MAX = 128
};

/* Which form of a field, as SpamAssassin's "Name:form" says. Several fields of one name: */
enum field_form {
    HEADER_PART_VALUE,     /* unfolded, decoded; all of them, a line feed behind each */
    HEADER_PART_RAW,       /* as they came (CRLF as LF), all of them, a line feed behind each */
    HEADER_PART_ADDR,      /* ":addr": the first address, no line feed */
    HEADER_PART_NAME,      /* ":name": the first display name, no line feed */
    HEADER_PART_ADDR_ALL,  /* every address, a line feed behind each */
    HEADER_PART_FIRST_ADDR /* ":first:addr": the first address of the first field only; no line feed */
};

/* What several rules ask for and is dear to find out; zeroed when a message's functions begin to run. */
struct header_memo {
    bool has_date_diff;
    int64_t date_diff; /* eval_date.c */
};

/* What the functions may ask of a message. */
struct header_facts {
    /* The value of a field: names are not case-sensitive, and SpamAssassin's names "ALL" (name:
     * value, line by line), "ToCc", "MESSAGEID", "EnvelopeFrom" count as fields. *is_present tells
     * a field that is there and empty from none. The span lives until the message ends (not just to
     * the next call). */
    struct span (*get)(void *ctx, const char *name, enum field_form part, bool *is_present);

    /* The part of a host name that somebody registered (a.b.example.co.uk -> example.co.uk); the
     * host itself when there is none, in lower case. *is_valid: it ends in a top-level domain that
     * exists. The span lives until the next call. */
    struct span (*registered_domain)(void *ctx, struct span host, bool *is_valid);
    void *ctx;

    const struct relays *relays;

    /* MAIL FROM, when the SMTP transaction is known; else get_envelope_from's guesses are used. */
    bool has_mail_from;
    struct span mail_from;

    struct header_memo *memo; /* NULL: nothing is remembered */
};

typedef int32_t eval_header_fn(const struct header_facts *f, const struct eval_args *a);

struct eval_header_entry {
    const char *name;
    eval_header_fn *fn;
};

/* Every function here, sorted by name. */
extern const struct eval_header_entry eval_header_table[];
extern const unsigned eval_header_table_cnt;

/* The function of that name, NULL when it is not one of these. */
eval_header_fn *eval_header_find(struct span name);

/* What "EnvelopeFrom" is: the transaction's MAIL FROM; without one, SpamAssassin's guess from the
 * relays, X-Envelope-From, Envelope-Sender, Return-Path. Asks f->get for those and for X-Sender,
 * Received and ALL, never for EnvelopeFrom, so that f->get may use it. */
struct span eval_envelope_from(const struct header_facts *f, bool *is_known);

/* Seconds since 1970 of a date as mail writes it (SpamAssassin's Util::parse_rfc822_date: years are
 * held to 1970..2037, zones it does not know count as UTC); false when there is no date in the
 * text. */
bool eval_date_parse(struct span text, int64_t *seconds);

#ifdef __cplusplus
}
#endif
#endif
