/* Eval functions that ask the relays. See eval_header.h. */
#include <string.h>

#include "scan/eval_header_private.h"
#include "scan/ip_text.h"
#include "scan/octet.h"
#include "scan/span_text.h"

/* Octets of a host name that is compared; RFC 1035 allows 255. */
enum { HOST_LEN_MAX = 256 };

int32_t
eval_check_all_trusted(const struct header_facts *f, const struct eval_args *a)
{
    (void)a;
    return f->relays->trusted_cnt > 0 && f->relays->cnt == f->relays->trusted_cnt &&
           f->relays->unparseable_cnt == 0;
}

int32_t
eval_check_no_relays(const struct header_facts *f, const struct eval_args *a)
{
    (void)a;
    return f->relays->cnt == 0 && f->relays->unparseable_cnt == 0;
}

int32_t
eval_check_relays_unparseable(const struct header_facts *f, const struct eval_args *a)
{
    (void)a;
    return f->relays->unparseable_cnt > 0;
}

/* Up to the last dot: the first three numbers and their dots. */
static struct span
net24(struct span ip)
{
    while (ip.len > 0 && ip.ptr[ip.len - 1] != '.')
        ip.len--;
    return ip;
}

/* An address as HELO that is not the client's, nor of its /24. */
int32_t
eval_helo_ip_mismatch(const struct header_facts *f, const struct eval_args *a)
{
    const struct relay *r;

    (void)a;
    for (unsigned i = 0; (r = relays_untrusted(f->relays, i)) != NULL; i++) {
        if (ip_text_is_v4(r->helo) && !ip_text_is_private(r->helo) && ip_text_is_v4(r->ip) &&
            !r->is_private && !span_starts_span(r->ip, net24(r->helo), false))
            return 1;
    }
    return 0;
}

int32_t
eval_check_for_numeric_helo(const struct header_facts *f, const struct eval_args *a)
{
    const struct relay *r;

    (void)a;
    for (unsigned i = 0; (r = relays_untrusted(f->relays, i)) != NULL; i++) {
        if (ip_text_is_v4(r->helo))
            return 1;
    }
    return 0;
}

int32_t
eval_check_for_sender_no_reverse(const struct header_facts *f, const struct eval_args *a)
{
    const struct relay *r;

    (void)a;
    if (f->relays->cnt == f->relays->trusted_cnt)
        return 0;
    r = &f->relays->relay[f->relays->cnt - 1];
    return !r->is_private && r->rdns.len > 0 && memchr(r->rdns.ptr, '.', r->rdns.len) != NULL;
}

/* Names that the big free mailers would never give to a host without rDNS. */
static bool
is_big_mailer(struct span helo)
{
    static const char *const names[] = {
        "lycos.com", "lycos.co.uk", "hotmail.com", "localhost.com", "excite.com", "caramail.com",
        "cs.com",    "aol.com",     "msn.com",     "yahoo.com",     "drizzle.com"};

    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t len = strlen(names[i]);

        if (span_ends_nocase(helo, names[i]) &&
            (helo.len == len || helo.ptr[helo.len - len - 1] == '.'))
            return true;
    }
    return false;
}

/* The oldest relay on the public net decides, as SpamAssassin's loop has it. */
int32_t
eval_check_for_no_rdns_dotcom_helo(const struct header_facts *f, const struct eval_args *a)
{
    (void)a;
    for (unsigned i = f->relays->cnt; i > f->relays->trusted_cnt; i--) {
        const struct relay *r = &f->relays->relay[i - 1];

        if (!r->is_private)
            return r->has_no_rdns && is_big_mailer(r->helo);
    }
    return 0;
}

struct host {
    uint8_t octets[HOST_LEN_MAX];
    size_t len;
};

static struct span
host_span(const struct host *h)
{
    return (struct span){h->octets, h->len};
}

/* The last `labels` labels. */
static struct span
last_labels(struct span s, unsigned labels)
{
    size_t i = s.len;

    while (i > 0 && (s.ptr[i - 1] != '.' || --labels > 0))
        i--;
    return span_from(s, i);
}

static bool
is_long_tld(struct span tld)
{
    return tld.len >= 3 || span_has(tld, "ie") || span_has(tld, "fr") || span_has(tld, "de");
}

/* A rough guess at the organisation's domain, in lower case: two labels under a long top-level
 * domain, else three. */
static void
rough_domain(struct span name, struct host *out)
{
    bool has_letter = false;
    unsigned dots = 0;

    name = span_cut(name, 0, HOST_LEN_MAX);
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = octet_lower(name.ptr[i]);

        has_letter = has_letter || (c >= 'a' && c <= 'z');
        out->octets[i] = c;
    }
    out->len = name.len;
    if (!has_letter)
        return;
    name = host_span(out);
    while (name.len > 0 && name.ptr[name.len - 1] == '.')
        name.len--;
    for (size_t i = 0; i < name.len; i++)
        dots += name.ptr[i] == '.';
    if (dots == 0 || (dots == 1 && !is_long_tld(last_labels(name, 1))))
        return;
    name = last_labels(name, is_long_tld(last_labels(name, 1)) ? 2 : 3);
    memmove(out->octets, name.ptr, name.len);
    out->len = name.len;
}

/* Letters, digits, "_", "-", "."; at least two octets before the last dot, a plain word behind it.
 */
static bool
is_domain(struct span s)
{
    const uint8_t *dot = s.len == 0 ? NULL : memrchr(s.ptr, '.', s.len);
    size_t at = dot == NULL ? 0 : (size_t)(dot - s.ptr);

    if (at < 2 || at + 1 == s.len || !octet_is_word(s.ptr[0]))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        bool is_mark = i < at && (s.ptr[i] == '-' || s.ptr[i] == '.');

        if (!octet_is_word(s.ptr[i]) && i != at && !is_mark)
            return false;
    }
    return true;
}

/* What the relay before (the newer one) says its client is called, but for its own machine. */
static struct span
known_client(const struct relay *r, struct host *buf)
{
    struct span none = {NULL, 0}, name;

    rough_domain(r->rdns, buf);
    name = host_span(buf);
    if ((span_is(name, "localhost") || span_is(name, "localhost.localdomain")) &&
        span_is(r->ip, "127.0.0.1"))
        return none;
    return name;
}

/* More than one relay calls itself otherwise than the next one knew it. */
int32_t
eval_check_for_forged_received_trail(const struct header_facts *f, const struct eval_args *a)
{
    const struct relay *r, *newer = NULL;
    unsigned mismatch_cnt = 0;

    (void)a;
    for (unsigned i = 0; (r = relays_untrusted(f->relays, i)) != NULL; newer = r, i++) {
        struct host by_buf, from_buf;
        struct span by, from;

        if (newer == NULL)
            continue;
        rough_domain(r->by, &by_buf);
        by = host_span(&by_buf);
        from = known_client(newer, &from_buf);
        if (!is_domain(by) || !is_domain(from) || span_equal_nocase(by, from) ||
            (span_is(by, "msn.com") && span_is(from, "hotmail.com")))
            continue;
        mismatch_cnt++;
    }
    return mismatch_cnt > 1;
}

static bool
is_four_numbers(struct span s)
{
    size_t i = 0;

    for (unsigned k = 0; k < 4; k++) {
        size_t n = span_digits(s, i);

        if (n == 0)
            return false;
        i += n;
        if (k < 3 && (i == s.len || s.ptr[i++] != '.'))
            return false;
    }
    return i == s.len;
}

static struct span
net16(struct span ip)
{
    struct span net = net24(ip);

    net.len -= net.len > 0;
    return net24(net);
}

int32_t
eval_check_for_forged_received_ip_helo(const struct header_facts *f, const struct eval_args *a)
{
    const struct relay *r;

    (void)a;
    for (unsigned i = 0; (r = relays_untrusted(f->relays, i)) != NULL; i++) {
        struct host by;

        rough_domain(r->by, &by);
        if (is_domain(host_span(&by)) && is_four_numbers(r->helo) && is_four_numbers(r->ip) &&
            !span_equal_nocase(net16(r->helo), net16(r->ip)) && !ip_text_is_private(r->helo))
            return 1;
    }
    return 0;
}

/* The name ends in the domain, and the domain begins a word there. */
static bool
is_under(struct span name, struct span domain)
{
    size_t at = name.len - domain.len;

    if (name.len < domain.len || domain.len == 0 ||
        !span_starts_span(span_from(name, at), domain, false))
        return false;
    return at == 0 || !octet_is_word(name.ptr[at - 1]);
}

static bool
has_word(struct span s, struct span word)
{
    for (size_t i = 0; i + word.len <= s.len; i++) {
        if ((i == 0 || !octet_is_word(s.ptr[i - 1])) &&
            span_starts_span(span_from(s, i), word, true))
            return true;
    }
    return false;
}

int32_t
eval_check_for_from_domain_in_received_headers(const struct header_facts *f,
                                               const struct eval_args *a)
{
    struct span domain = eval_arg(a, 0);
    bool is_found = false;

    if (domain.len == 0 || !has_word(fact_part(f, "From", HEADER_PART_ADDR), domain))
        return 0;
    for (unsigned i = 0; i < f->relays->cnt && !is_found; i++)
        is_found =
            is_under(f->relays->relay[i].rdns, domain) && is_under(f->relays->relay[i].by, domain);
    return is_found == eval_arg_is(a, 1, "true");
}

static struct span
domain_of(const struct header_facts *f, struct span host, struct host *out)
{
    bool is_valid;
    struct span domain;

    host = span_cut(host, 0, HOST_LEN_MAX);
    for (size_t i = 0; i < host.len; i++)
        out->octets[i] = octet_lower(host.ptr[i]);
    domain = f->registered_domain(f->ctx, (struct span){out->octets, host.len}, &is_valid);
    domain = span_cut(domain, 0, HOST_LEN_MAX);
    if (domain.len > 0)
        memmove(out->octets, domain.ptr, domain.len);
    out->len = domain.len;
    return host_span(out);
}

/* The sender's domain is that of the relay that handed the message in (or of any, when all are
 * trusted). */
int32_t
eval_check_mailfrom_matches_rcvd(const struct header_facts *f, const struct eval_args *a)
{
    struct span sender = fact_part(f, "EnvelopeFrom", HEADER_PART_ADDR), domain, host;
    const uint8_t *at = sender.len == 0 ? NULL : memrchr(sender.ptr, '@', sender.len);
    const struct relays *r = f->relays;
    bool is_trusted = r->cnt == r->trusted_cnt;
    struct host sender_buf, relay_buf;
    size_t dot;

    (void)a;
    host = at == NULL ? span_from(sender, sender.len)
                      : span_from(sender, (size_t)(at - sender.ptr) + 1);
    if (!span_find(host, ".", &dot) || dot + 1 >= host.len || r->cnt == 0)
        return 0;
    if (host.ptr[0] == '.' && !span_find(span_from(host, 1), ".", &dot))
        return 0;
    domain = domain_of(f, host, &sender_buf);
    for (unsigned i = is_trusted ? 0 : r->trusted_cnt; i < r->cnt; i++) {
        if (r->relay[i].rdns.len > 0 &&
            span_equal_nocase(domain, domain_of(f, r->relay[i].rdns, &relay_buf)))
            return 1;
        if (!is_trusted)
            break;
    }
    return 0;
}
