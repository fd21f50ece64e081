/* Eval functions that know how the big free mailers write Received. See eval_header.h. */
#include <string.h>

#include "scan/eval_header_private.h"
#include "scan/ip_text.h"
#include "scan/octet.h"
#include "scan/span_text.h"

/* Octets of all Received fields that are looked at: 30 relays of 300 octets, twice over. */
enum { RECEIVED_TEXT_MAX = 16384 };

struct squeezed {
    uint8_t octets[RECEIVED_TEXT_MAX];
    size_t len;
};

/* All values of a field with every run of spaces as one blank. */
static struct span
squeeze(struct span value, struct squeezed *out)
{
    out->len = 0;
    for (size_t i = 0; i < value.len && out->len < RECEIVED_TEXT_MAX; i++) {
        uint8_t c = octet_is_space(value.ptr[i]) ? ' ' : value.ptr[i];

        if (c != ' ' || out->len == 0 || out->octets[out->len - 1] != ' ')
            out->octets[out->len++] = c;
    }
    return (struct span){out->octets, out->len};
}

/* Behind a word: " (name" where name goes on with the suffix and then a blank or ")". */
static bool
is_host_in_paren(struct span behind, const char *suffix)
{
    struct span name = span_from(behind, 2);
    size_t off, len = strlen(suffix);

    if (!span_starts(behind, " ("))
        return false;
    name.len = span_word_len(name);
    while (span_find(name, suffix, &off)) {
        uint8_t next = off + len == name.len ? ' ' : name.ptr[off + len];

        if (name.ptr + off > behind.ptr + 2 && (next == ' ' || next == ')'))
            return true;
        name = span_from(name, off + len);
    }
    return false;
}

static bool
has_address(const struct header_facts *f, const char *name)
{
    return ip_text_find(fact_value(f, name), NULL);
}

/* " (ip)", " ([ip] ", as `open` and the octets of `close` say. */
static bool
is_address_in(struct span behind, const char *open, const char *close)
{
    struct span text = span_from(behind, strlen(open));
    size_t len;

    if (!span_starts(behind, open) || text.len == 0)
        return false;
    len = ip_text_at(text, 0);
    return len > 0 && len < text.len && text.ptr[len] != '\0' &&
           strchr(close, text.ptr[len]) != NULL;
}

/* "..eurprd04.prod.outlook.com" */
static bool
is_outlook_pod(struct span name)
{
    static const char tail[] = ".prod.outlook.com";
    size_t at, digits = 0;

    if (!span_ends(name, tail))
        return false;
    at = name.len - (sizeof tail - 1);
    while (at > 0 && span_digits(span_cut(name, at - 1, 1), 0) == 1) {
        at--;
        digits++;
    }
    name.len = at;
    return digits > 0 && (span_ends(name, ".eurprd") || span_ends(name, ".namprd"));
}

static bool
is_hotmail_handover(struct span name, struct span behind, bool has_ip, bool has_org)
{
    if (has_ip && span_ends(name, "hotmail.com")) {
        if ((name.len == 11 || name.ptr[name.len - 12] == '.') &&
            (is_host_in_paren(behind, ".hotmail.com") ||
             is_host_in_paren(behind, ".hotmail.msn.com")))
            return true;
        if (span_ends(name, ".hotmail.com") && is_address_in(behind, " ([", "]"))
            return true;
    }
    if (has_org && span_ends(name, ".outbound.protection.outlook.com") &&
        is_host_in_paren(behind, ".outbound.protection.outlook.com"))
        return true;
    return has_org && is_outlook_pod(name) && is_address_in(behind, " (", ")");
}

/* "from x by y.hotmail.com with HTTP;", "from [66.218.1.2] by web.yahoo.com" */
static bool
is_hotmail_web(struct span name, struct span behind)
{
    struct span by = span_from(behind, 4), tail;

    if (!span_starts(behind, " by ") || name.len == 0)
        return false;
    by.len = span_word_len(by);
    tail = span_from(behind, 4 + by.len);
    if (span_starts(tail, " with HTTP;") &&
        (span_ends(by, ".hotmail.com") || span_ends(by, ".hotmail.msn.com")))
        return true;
    return span_starts(name, "[66.218.") && span_ends(name, "]") && span_has(by, ".yahoo.com");
}

static bool
has_hotmail_helo(struct span received)
{
    static const char *const keys[] = {"from ", "HELO ", "helo="};
    struct span word, behind;

    for (unsigned i = 0; i < 3; i++) {
        for (struct span rest = received; span_word_behind(&rest, keys[i], &word, &behind);) {
            size_t off;

            while (span_find(word, "hotmail.com", &off)) {
                word = span_from(word, off + 11);
                if (word.len == 0 || !octet_is_word(word.ptr[0]))
                    return true;
            }
        }
    }
    return false;
}

/* The address ends in that domain, which begins a word there. */
static bool
is_from(const struct header_facts *f, const char *domain)
{
    struct span from = fact_part(f, "From", HEADER_PART_ADDR);
    size_t len = strlen(domain);

    return span_ends_nocase(from, domain) &&
           (from.len == len || !octet_is_word(from.ptr[from.len - len - 1]));
}

enum hotmail { HOTMAIL_FINE, HOTMAIL_FORGED, HOTMAIL_NONE };

static enum hotmail
judge_hotmail(const struct header_facts *f)
{
    struct squeezed buf;
    struct span received = squeeze(fact_value(f, "Received"), &buf), name, behind;
    struct span org = fact_value(f, "X-OriginatorOrg");
    bool has_ip = has_address(f, "X-Originating-Ip");
    bool has_org = span_has(org, "hotmail.com") || span_has(org, "msonline-outlook");
    struct eval_args none = {.cnt = 0};

    if (span_has(received, "from mail pickup service by hotmail.com with Microsoft SMTPSVC;") ||
        eval_check_for_msn_groups_headers(f, &none) ||
        eval_gated_through_received_hdr_remover(f, &none))
        return HOTMAIL_FINE;
    for (struct span rest = received; span_word_behind(&rest, "from ", &name, &behind);) {
        if (is_hotmail_handover(name, behind, has_ip, has_org) ||
            (has_ip && is_hotmail_web(name, behind)))
            return HOTMAIL_FINE;
    }
    if (has_hotmail_helo(received))
        return HOTMAIL_FORGED;
    return is_from(f, "hotmail.com") ? HOTMAIL_NONE : HOTMAIL_FINE;
}

int32_t
eval_check_for_forged_hotmail_received_headers(const struct header_facts *f,
                                               const struct eval_args *a)
{
    (void)a;
    return judge_hotmail(f) == HOTMAIL_FORGED;
}

int32_t
eval_check_for_no_hotmail_received_headers(const struct header_facts *f, const struct eval_args *a)
{
    (void)a;
    return judge_hotmail(f) == HOTMAIL_NONE;
}

/* Yahoo's own rDNS in a trusted relay, or in the one that handed the message in. */
static bool
is_yahoo_relay(const struct relays *r)
{
    const struct relay *first = relays_untrusted(r, 0);

    for (unsigned i = 0; i < r->trusted_cnt; i++) {
        if (r->relay[i].rdns.len > 10 && span_ends(r->relay[i].rdns, ".yahoo.com"))
            return true;
    }
    return first != NULL && first->rdns.len > 10 && span_ends(first->rdns, ".yahoo.com");
}

static bool
is_version(struct span s, size_t *off)
{
    for (unsigned k = 0; k < 3; k++) {
        size_t n = span_digits(s, *off);

        if (n == 0 || (k < 2 && span_from(s, *off + n).len == 0))
            return false;
        *off += n;
        if (k < 2 && s.ptr[(*off)++] != '.')
            return false;
    }
    return true;
}

/* " (8.12.9/8.12.9) with ESMTP id x" behind "by a.b.yahoo.com" */
static bool
is_yahoo_news(struct span by, struct span behind)
{
    struct span name = span_cut(by, 0, by.len < 10 ? 0 : by.len - 10);
    unsigned dots = 0;
    size_t off = 2;

    for (size_t i = 0; i < name.len; i++) {
        dots += name.ptr[i] == '.';
        if (name.ptr[i] == '.' ? i == 0 || i + 1 == name.len : !octet_is_word(name.ptr[i]))
            return false;
    }
    if (dots != 1 || !span_ends(by, ".yahoo.com") || !span_starts(behind, " (") ||
        !is_version(behind, &off) || !span_starts(span_from(behind, off), "/"))
        return false;
    off++;
    if (!is_version(behind, &off) || !span_starts(span_from(behind, off), ")"))
        return false;
    behind = span_from(behind, off + 1);
    behind = span_from(behind, span_starts(behind, " with ESMTP") ? 11 : 0);
    return span_starts(behind, " id ") && behind.len > 4 && octet_is_word(behind.ptr[4]);
}

static bool
is_yahoo_handover(struct span by, struct span behind)
{
    size_t off;

    if (is_yahoo_news(by, behind))
        return true;
    if (!span_ends(by, ".yahoo.com"))
        return false;
    if (span_starts(by, "web") && span_find(by, ".mail", &off) && off > 3 &&
        span_starts(behind, " via HTTP"))
        return true;
    if (span_starts(by, "sonic") && span_find(by, ".consmr.mail", &off) && off > 5 &&
        span_starts(behind, " with HTTP"))
        return true;
    return span_starts(by, "smtp") && by.len > 14 && span_starts(behind, " with SMTP");
}

static bool
has_yahoo_handover(struct span received)
{
    struct span word, behind;

    for (struct span rest = received; span_word_behind(&rest, "by ", &word, &behind);) {
        if (is_yahoo_handover(word, behind))
            return true;
    }
    for (struct span rest = received; span_word_behind(&rest, "from ", &word, &behind);) {
        struct span by = span_from(behind, 4), tail;

        by.len = span_word_len(by);
        tail = span_from(behind, 4 + by.len);
        if (span_starts(word, "[") && span_ends(word, "]") &&
            ip_text_is(span_cut(word, 1, word.len - 2)) && span_starts(behind, " by ") &&
            span_starts(tail, " with NNFMP") &&
            (span_ends(by, ".groups.yahoo.com") || span_ends(by, ".scd.yahoo.com") ||
             span_ends(by, ".dcn.yahoo.com")))
            return true;
    }
    return false;
}

/* "mailer12.bulk.scd.yahoo.com": news that a reader passed on. */
static bool
has_yahoo_mailer(struct span received)
{
    struct span word, behind;

    for (struct span rest = received; span_word_behind(&rest, "mailer", &word, &behind);) {
        size_t n = span_digits(word, 0);
        struct span tail = span_from(word, n + 19);

        if (n > 0 && span_starts(span_from(word, n), ".bulk.scd.yahoo.com") &&
            (tail.len == 0 || !octet_is_word(tail.ptr[0])))
            return true;
    }
    return false;
}

int32_t
eval_check_for_forged_yahoo_received_headers(const struct header_facts *f,
                                             const struct eval_args *a)
{
    struct span received = fact_value(f, "Received"), other = fact_value(f, "X-Received");
    struct squeezed buf;

    if (!is_from(f, "yahoo.com"))
        return 0;
    if (fact_value(f, "Resent-From").len > 0 && fact_value(f, "Resent-To").len > 0 && other.len > 0)
        received = other;
    if (eval_gated_through_received_hdr_remover(f, a) || is_yahoo_relay(f->relays))
        return 0;
    received = squeeze(received, &buf);
    return !has_yahoo_handover(received) &&
           !(has_yahoo_mailer(received) &&
             span_ends_nocase(fact_part(f, "From", HEADER_PART_ADDR), "@reply.yahoo.com"));
}

static bool
is_gmail_address(struct span by)
{
    return (span_starts(by, "10.") && by.len > 3) ||
           (span_starts(by, "2002:a") && span_digits(by, 6) >= 2 &&
            span_starts(span_from(by, 8), ":"));
}

static bool
has_id_behind(struct span behind, const char *with)
{
    return span_starts(behind, with) && behind.len > strlen(with) &&
           !octet_is_space(behind.ptr[strlen(with)]);
}

int32_t
eval_check_for_forged_gmail_received_headers(const struct header_facts *f,
                                             const struct eval_args *a)
{
    struct span rest = fact_value(f, "X-Received"), word, behind;

    (void)a;
    if (!is_from(f, "gmail.com"))
        return 0;
    while (span_word_behind(&rest, "by ", &word, &behind)) {
        if (is_gmail_address(word) && has_id_behind(behind, " with SMTP id "))
            return 0;
    }
    rest = fact_value(f, "Received");
    while (span_word_behind(&rest, "by ", &word, &behind)) {
        if (span_is(word, "smtp.googlemail.com") && has_id_behind(behind, " with ESMTPSA id "))
            return 0;
    }
    return fact_value(f, "X-Gm-Message-State").len < 60 ||
           fact_value(f, "X-Google-Smtp-Source").len < 60;
}

/* The part of the line before its last "by". */
static struct span
before_last_by(struct span line)
{
    size_t len = line.len;

    while (len >= 2 && !span_starts(span_from(line, len - 2), "by"))
        len--;
    return span_cut(line, 0, len < 2 ? 0 : len - 2);
}

/* In one line: "from", later the domain, later an address in brackets, later "by". */
static bool
is_juno_line(struct span line)
{
    struct span rest = before_last_by(line);
    size_t off, juno = 0, untd = 0;

    if (!span_find(rest, "from", &off))
        return false;
    rest = span_from(rest, off + 4);
    for (bool is_domain = false; !is_domain;) {
        bool has_juno = span_find(rest, "juno.com", &juno),
             has_untd = span_find(rest, "untd.com", &untd);

        if (!has_juno && !has_untd)
            return false;
        off = has_juno && (!has_untd || juno < untd) ? juno : untd;
        is_domain = off == 0 || !octet_is_word(rest.ptr[off - 1]);
        rest = span_from(rest, off + 8);
    }
    for (size_t k = 0; k + 1 < rest.len; k++) {
        struct span tail = span_from(rest, k);

        if (is_address_in(tail, "[", "])") || is_address_in(tail, "(", "])"))
            return true;
    }
    return false;
}

int32_t
eval_check_for_forged_juno_received_headers(const struct header_facts *f, const struct eval_args *a)
{
    struct span received = fact_value(f, "Received"), rest = received, line;
    bool is_known;

    if (!is_from(f, "juno.com") || eval_gated_through_received_hdr_remover(f, a))
        return 0;
    if (fact_value(f, "X-Originating-IP").len == 0)
        return 1;
    is_known = span_has(received, " cookie.juno.com ") || span_has(received, " cookie.untd.com ");
    while (!is_known && span_line(&rest, &line))
        is_known = is_juno_line(line);
    return !is_known || !span_has(fact_value(f, "X-Mailer"), "Juno ");
}

int32_t
eval_check_for_forged_eudoramail_received_headers(const struct header_facts *f,
                                                  const struct eval_args *a)
{
    struct squeezed buf;
    struct span rest, word, behind;

    if (!is_from(f, "eudoramail.com") || eval_gated_through_received_hdr_remover(f, a))
        return 0;
    rest = squeeze(fact_value(f, "Received"), &buf);
    while (has_address(f, "X-Sender-Ip") && span_word_behind(&rest, "by ", &word, &behind)) {
        if (span_has(word, "whowhere.com;"))
            return 0;
    }
    return 1;
}

/* " rly-ab12." as AOL names its relays, in either case. */
static bool
has_aol_relay(struct span received)
{
    for (size_t i = 0; i + 10 <= received.len; i++) {
        struct span s = span_from(received, i);

        if (span_starts_nocase(s, " rly-") && octet_lower(s.ptr[5]) >= 'a' &&
            octet_lower(s.ptr[5]) <= 'z' && octet_lower(s.ptr[6]) >= 'a' &&
            octet_lower(s.ptr[6]) <= 'z' && span_digits(s, 7) >= 2 && s.ptr[9] == '.')
            return true;
    }
    return false;
}

int32_t
eval_check_for_fake_aol_relay_in_rcvd(const struct header_facts *f, const struct eval_args *a)
{
    struct squeezed buf;
    struct span received = squeeze(fact_value(f, "Received"), &buf), word, behind;

    (void)a;
    if (!has_aol_relay(received))
        return 0;
    for (struct span rest = received; span_word_behind(&rest, "/AOL-", &word, &behind);) {
        size_t off = 0;

        if (is_version(word, &off) && span_starts(span_from(word, off), ")"))
            return 0;
    }
    return !span_has(received, "ESMTP id RELAY") && !span_has(received, "ESMTP id MAILRELAY") &&
           !span_has(received, "ESMTP id MAILIN");
}
