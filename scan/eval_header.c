/* The table, the envelope sender, and the eval functions about addresses and counts. See
 * eval_header.h. */
#include <stdlib.h>
#include <string.h>

#include "scan/eval_header_private.h"
#include "scan/octet.h"
#include "scan/span_text.h"

enum {
    /* Values of a field that are told apart when they are counted; more are taken as all different.
     */
    DISTINCT_MAX = 64,

    /* similar_recipients compares that much of user and host; fewer recipients tell nothing. */
    SIMILAR_LEN = 2,
    SIMILAR_CNT = 5,
    SORTED_CNT = 7
};

int32_t
eval_check_for_missing_to_header(const struct header_facts *f, const struct eval_args *a)
{
    (void)a;
    return fact_value(f, "To").len == 0 && fact_value(f, "Apparently-To").len == 0;
}

int32_t
eval_check_for_matching_env_and_hdr_from(const struct header_facts *f, const struct eval_args *a)
{
    (void)a;
    return span_equal_nocase(fact_part(f, "EnvelopeFrom", HEADER_PART_ADDR),
                             fact_part(f, "From", HEADER_PART_ADDR));
}

/* The last two labels of an address's domain. */
static struct span
second_level(struct span address)
{
    const uint8_t *at = address.len == 0 ? NULL : memrchr(address.ptr, '@', address.len);
    struct span domain =
        span_from(address, at == NULL ? address.len : (size_t)(at - address.ptr) + 1);
    size_t i = domain.len;
    unsigned dots = 0;

    while (i > 0) {
        if (domain.ptr[i - 1] != '.') {
            i--;
            continue;
        }
        /* An empty label stops it: "a..b" is left as it is. */
        if (i == domain.len || domain.ptr[i] == '.')
            return domain;
        if (++dots == 2)
            return i > 1 ? span_from(domain, i) : domain;
        i--;
    }
    return domain;
}

int32_t
eval_check_equal_from_domains(const struct header_facts *f, const struct eval_args *a)
{
    struct span from = second_level(fact_part(f, "From", HEADER_PART_ADDR));
    struct span sender = second_level(fact_part(f, "EnvelopeFrom", HEADER_PART_ADDR));

    (void)a;
    return from.len > 0 && sender.len > 0 && !span_equal_nocase(from, sender);
}

/* A sender like "..example.org=user@": the recipient's address in the bounce address. */
int32_t
eval_check_ratware_envelope_from(const struct header_facts *f, const struct eval_args *a)
{
    struct span to = fact_part(f, "To", HEADER_PART_ADDR), user, domain;
    struct span from = fact_part(f, "EnvelopeFrom", HEADER_PART_ADDR);
    bool is_valid = false;
    size_t at;

    (void)a;
    if (from.len == 0 || !span_find(to, "@", &at) || at == 0 || at + 1 == to.len ||
        (from.len > 5 && span_starts_nocase(from, "SRS") && span_digits(from, 3) > 0 &&
         strchr("=+-", from.ptr[4]) != NULL))
        return 0;
    user = span_cut(to, 0, at);
    domain = f->registered_domain(f->ctx, span_from(to, at + 1), &is_valid);
    for (size_t i = 0; is_valid && domain.len > 0 && i + domain.len + user.len + 2 <= from.len;
         i++) {
        struct span rest = span_from(from, i);

        if (span_starts_span(rest, domain, true) && (i == 0 || !octet_is_word(from.ptr[i - 1])) &&
            span_starts_span(span_from(rest, domain.len + 1), user, true) &&
            span_starts(span_from(rest, domain.len + 1 + user.len), "@"))
            return 1;
    }
    return 0;
}

/* "\"name\" <part>" in From. */
static bool
is_quoted_from(struct span from, struct span part)
{
    size_t off;

    while (span_find(from, "<", &off)) {
        struct span before = span_trim(span_cut(from, 0, off));

        from = span_from(from, off + 1);
        if (span_starts_span(from, part, false) && span_starts(span_from(from, part.len), ">") &&
            before.len > 2 && before.ptr[before.len - 1] == '"' &&
            before.ptr[before.len - 2] != '"' && memchr(before.ptr, '"', before.len - 1) != NULL)
            return true;
    }
    return false;
}

/* "<28 CAPITALS.part>" as message id, and the part as the address in From. */
int32_t
eval_check_ratware_name_id(const struct header_facts *f, const struct eval_args *a)
{
    struct span id = fact_value(f, "MESSAGEID");
    size_t off, end;

    (void)a;
    while (span_find(id, "<", &off)) {
        size_t n = 0;

        id = span_from(id, off + 1);
        while (n < id.len && id.ptr[n] >= 'A' && id.ptr[n] <= 'Z')
            n++;
        if (n == 28 && span_starts(span_from(id, n), ".") && span_find(id, ">", &end) && end > 29)
            return is_quoted_from(fact_value(f, "From"), span_cut(id, 29, end - 29));
    }
    return 0;
}

/* Fields where "%AB" is ordinary. */
static bool
is_free_field(struct span line)
{
    static const char *const names[] = {"X-VMS-To:",
                                        "X-UIDL:",
                                        "X-Face:",
                                        "To:",
                                        "Cc:",
                                        "From:",
                                        "Subject:",
                                        "References:",
                                        "In-Reply-To:",
                                        "Message-Id:",
                                        "X-Message-Id:",
                                        "Resent-Message-Id:",
                                        "X-Original-Message-Id:"};

    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (span_starts_nocase(line, names[i]))
            return true;
    }
    return false;
}

/* "%FROM_NAME" and the like: a mailing program did not fill in its form. */
static bool
has_template(struct span line)
{
    for (size_t i = 0; i + 2 < line.len; i++) {
        uint8_t second = line.ptr[i + 2];

        if (line.ptr[i] == '%' && line.ptr[i + 1] >= 'A' && line.ptr[i + 1] <= 'Z' &&
            ((second >= 'A' && second <= 'Z') || second == '_' || second == '-'))
            return true;
    }
    return false;
}

int32_t
eval_check_unresolved_template(const struct header_facts *f, const struct eval_args *a)
{
    struct span rest = fact_value(f, "ALL"), line;

    (void)a;
    while (span_line(&rest, &line)) {
        if (has_template(line) && !is_free_field(line))
            return 1;
    }
    return 0;
}

static bool
is_known(const struct span *known, unsigned cnt, struct span line)
{
    for (unsigned i = 0; i < cnt; i++) {
        if (known[i].len == line.len && span_starts_span(line, known[i], false))
            return true;
    }
    return false;
}

/* How many different values a field has. */
int32_t
eval_check_header_count_range(const struct header_facts *f, const struct eval_args *a)
{
    struct span known[DISTINCT_MAX], name = eval_arg(a, 0), rest, line;
    unsigned cnt = 0;
    char field[128];

    if (name.len == 0 || name.len >= sizeof field)
        return 0;
    memcpy(field, name.ptr, name.len);
    field[name.len] = '\0';
    rest = fact_value(f, field);
    while (span_line(&rest, &line)) {
        if (is_known(known, cnt < DISTINCT_MAX ? cnt : DISTINCT_MAX, line))
            continue;
        if (cnt < DISTINCT_MAX)
            known[cnt] = line;
        cnt++;
    }
    return cnt >= eval_arg_number(a, 1) && cnt <= eval_arg_number(a, 2);
}

struct recipients {
    struct span address[EVAL_RECIPIENTS_MAX];
    unsigned cnt;
};

/* To and Cc, and Bcc when they are few; an address is left out right behind itself. */
static void
read_recipients(const struct header_facts *f, struct recipients *r)
{
    struct span rest = fact_part(f, "ToCc", HEADER_PART_ADDR_ALL), line;
    struct span bcc = fact_part(f, "Bcc", HEADER_PART_ADDR_ALL);
    unsigned line_cnt = 0;

    r->cnt = 0;
    for (unsigned i = 0; i < 2 && (i == 0 || line_cnt < SIMILAR_CNT); i++, rest = bcc) {
        for (; span_line(&rest, &line) && r->cnt < EVAL_RECIPIENTS_MAX; line_cnt++) {
            if (r->cnt == 0 || !span_equal_nocase(line, r->address[r->cnt - 1]))
                r->address[r->cnt++] = line;
        }
    }
}

static int
compare(struct span a, struct span b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len == 0 ? 0 : memcmp(a.ptr, b.ptr, len);

    return order != 0 ? order : a.len < b.len ? -1 : a.len > b.len;
}

int32_t
eval_sorted_recipients(const struct header_facts *f, const struct eval_args *a)
{
    struct recipients r;

    (void)a;
    read_recipients(f, &r);
    for (unsigned i = 1; i < r.cnt; i++) {
        if (compare(r.address[i - 1], r.address[i]) > 0)
            return 0;
    }
    return r.cnt >= SORTED_CNT;
}

static bool
is_same(struct span a, struct span b)
{
    return compare(a, b) == 0;
}

/* The share of pairs whose users, or different hosts, begin alike. */
static double
similarity(const struct recipients *r)
{
    struct span host[EVAL_RECIPIENTS_MAX];
    unsigned hits = 0, pairs = 0;

    if (r->cnt < SIMILAR_CNT)
        return 0;
    for (unsigned i = 0; i < r->cnt; i++) {
        size_t at;

        host[i] = span_from(r->address[i],
                            span_find(r->address[i], "@", &at) ? at + 1 : r->address[i].len);
    }
    for (unsigned i = 0; i < r->cnt; i++) {
        for (unsigned k = i + 1; k < r->cnt; k++, pairs++) {
            hits += is_same(span_cut(r->address[i], 0, SIMILAR_LEN),
                            span_cut(r->address[k], 0, SIMILAR_LEN));
            hits += is_same(span_cut(host[i], 0, SIMILAR_LEN), span_cut(host[k], 0, SIMILAR_LEN)) &&
                    !is_same(host[i], host[k]);
        }
    }
    return (double)hits / pairs;
}

int32_t
eval_similar_recipients(const struct header_facts *f, const struct eval_args *a)
{
    struct recipients r;
    double share;

    read_recipients(f, &r);
    share = similarity(&r);
    return (eval_arg_is(a, 0, "undef") || share >= eval_arg_number(a, 0)) &&
           (eval_arg_is(a, 1, "undef") || share < eval_arg_number(a, 1));
}

/* Functions that the stock configuration makes constant: every locale is fine; retired. */
static int32_t
never(const struct header_facts *f, const struct eval_args *a)
{
    (void)f;
    (void)a;
    return 0;
}

/* "Name:" begins a line behind a Received line: a relay further down wrote it, so it says nothing.
 */
static bool
is_below_received(const struct header_facts *f, const char *name)
{
    struct span rest = fact_value(f, "ALL"), line;
    bool is_below = false;

    while (span_line(&rest, &line)) {
        if (is_below && span_starts_nocase(line, name) &&
            span_starts(span_from(line, strlen(name)), ":"))
            return true;
        is_below = is_below || span_starts_nocase(line, "Received:");
    }
    return false;
}

static const struct relay *
handover_relay(const struct relays *r)
{
    const struct relay *first = relays_untrusted(r, 0);

    return first != NULL || r->cnt == 0 ? first : &r->relay[r->cnt - 1];
}

struct span
eval_envelope_from(const struct header_facts *f, bool *is_found)
{
    static const char *const names[] = {"X-Envelope-From", "Envelope-Sender", "Return-Path"};
    const struct relay *relay = handover_relay(f->relays);
    struct span none = {NULL, 0}, sender;
    bool has_field;
    size_t at;

    *is_found = true;
    if (f->has_mail_from)
        return f->mail_from;
    if (relay != NULL && relay->has_envfrom &&
        (relay->envfrom.len == 0 || (span_find(relay->envfrom, "@", &at) && at > 0)))
        return relay->envfrom;
    *is_found = false;
    /* fetchmail makes an envelope sender up from X-Sender, which lists use otherwise. */
    if (span_has(fact_part(f, "X-Sender", HEADER_PART_FIRST_ADDR), "@") &&
        span_has(fact_value(f, "Received"), "(fetchmail"))
        return none;
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        sender = f->get(f->ctx, names[i], HEADER_PART_FIRST_ADDR, &has_field);
        if (!has_field)
            continue;
        if (!is_below_received(f, names[i])) {
            *is_found = true;
            return sender;
        }
        if (i == 0)
            return none;
    }
    return none;
}

const struct eval_header_entry eval_header_table[] = {
    {"check_all_trusted", eval_check_all_trusted},
    {"check_equal_from_domains", eval_check_equal_from_domains},
    {"check_for_fake_aol_relay_in_rcvd", eval_check_for_fake_aol_relay_in_rcvd},
    {"check_for_faraway_charset_in_headers", never},
    {"check_for_forged_eudoramail_received_headers",
     eval_check_for_forged_eudoramail_received_headers},
    {"check_for_forged_gmail_received_headers", eval_check_for_forged_gmail_received_headers},
    {"check_for_forged_hotmail_received_headers", eval_check_for_forged_hotmail_received_headers},
    {"check_for_forged_juno_received_headers", eval_check_for_forged_juno_received_headers},
    {"check_for_forged_received_ip_helo", eval_check_for_forged_received_ip_helo},
    {"check_for_forged_received_trail", eval_check_for_forged_received_trail},
    {"check_for_forged_yahoo_received_headers", eval_check_for_forged_yahoo_received_headers},
    {"check_for_from_domain_in_received_headers", eval_check_for_from_domain_in_received_headers},
    {"check_for_illegal_ip", never},
    {"check_for_matching_env_and_hdr_from", eval_check_for_matching_env_and_hdr_from},
    {"check_for_missing_to_header", eval_check_for_missing_to_header},
    {"check_for_msn_groups_headers", eval_check_for_msn_groups_headers},
    {"check_for_no_hotmail_received_headers", eval_check_for_no_hotmail_received_headers},
    {"check_for_no_rdns_dotcom_helo", eval_check_for_no_rdns_dotcom_helo},
    {"check_for_numeric_helo", eval_check_for_numeric_helo},
    {"check_for_sender_no_reverse", eval_check_for_sender_no_reverse},
    {"check_for_shifted_date", eval_check_for_shifted_date},
    {"check_for_to_in_subject", eval_check_for_to_in_subject},
    {"check_for_unique_subject_id", never},
    {"check_header_count_range", eval_check_header_count_range},
    {"check_illegal_chars", eval_check_illegal_chars},
    {"check_mailfrom_matches_rcvd", eval_check_mailfrom_matches_rcvd},
    {"check_messageid_not_usable", eval_check_messageid_not_usable},
    {"check_no_relays", eval_check_no_relays},
    {"check_outlook_message_id", eval_check_outlook_message_id},
    {"check_ratware_envelope_from", eval_check_ratware_envelope_from},
    {"check_ratware_name_id", eval_check_ratware_name_id},
    {"check_relays_unparseable", eval_check_relays_unparseable},
    {"check_unresolved_template", eval_check_unresolved_template},
    {"gated_through_received_hdr_remover", eval_gated_through_received_hdr_remover},
    {"helo_ip_mismatch", eval_helo_ip_mismatch},
    {"similar_recipients", eval_similar_recipients},
    {"sorted_recipients", eval_sorted_recipients},
    {"subject_is_all_caps", eval_subject_is_all_caps},
};

const unsigned eval_header_table_cnt = sizeof eval_header_table / sizeof eval_header_table[0];

eval_header_fn *
eval_header_find(struct span name)
{
    for (unsigned i = 0; i < eval_header_table_cnt; i++) {
        if (span_is(name, eval_header_table[i].name))
            return eval_header_table[i].fn;
    }
    return NULL;
}
