#include "scan/anchor_facts.h"

#include <string.h>

#include "scan/octet.h"
#include "scan/span_text.h"

/* "\d+\.\d+\.\d+\.\d+" at `at`. */
static bool
has_dotted_quad(struct span s, size_t at)
{
    for (unsigned part = 0; part < 4; part++) {
        size_t start = at;
        while (at < s.len && octet_is_digit(s.ptr[at]))
            at++;
        if (at == start)
            return false;
        if (part < 3 && (at == s.len || s.ptr[at++] != '.'))
            return false;
    }
    return true;
}

/* "SCHEME:/(user@)?1.2.3.4" at the start. */
static bool
leads_to_ip(struct span s, const char *scheme)
{
    if (!span_starts_nocase_at(s, 0, scheme))
        return false;
    size_t i = strlen(scheme);
    while (i < s.len && s.ptr[i] == '/')
        i++;
    if (has_dotted_quad(s, i))
        return true;
    for (size_t j = i; j < s.len && s.ptr[j] != '/'; j++)
        if (s.ptr[j] == '@')
            return j > i && has_dotted_quad(s, j + 1);
    return false;
}

/* Octets of a host at `at`. */
static struct span
host_at(struct span s, size_t at)
{
    size_t end = at;
    while (end < s.len && !strchr("/:?# \t\r\n\v\f", s.ptr[end] ? s.ptr[end] : 'x'))
        end++;
    return (struct span){ s.ptr + at, end - at };
}

/* True when `name` has a registrable domain, or is an address. */
static bool
look_up(const struct anchor_facts *f, struct span name, struct host *h)
{
    return name.len && suffix_lookup(f->set, name, h) &&
           (h->is_ip || (h->is_known && h->domain_off < h->len));
}

void
anchor_facts_init(struct anchor_facts *f, const struct suffix_set *set)
{
    memset(f, 0, sizeof(*f));
    f->set = set;
}

void
anchor_facts_part(struct anchor_facts *f)
{
    f->hrefs_cnt = 0;
    f->is_mismatch = f->has_domain = f->is_ip = false;
}

void
anchor_facts_href(struct anchor_facts *f, struct span href)
{
    size_t at = span_starts_nocase_at(href, 0, "http://") ? 7 : span_starts_nocase_at(href, 0, "https://") ? 8 : 0;
    f->is_ip = leads_to_ip(href, "http:") || leads_to_ip(href, "https:");
    f->has_domain = at && look_up(f, host_at(href, at), &f->host) && !f->host.is_ip;
    f->is_counted = false;
    f->href_hash = 2166136261u;
    for (size_t i = 0; i < href.len; i++)
        f->href_hash = (f->href_hash ^ href.ptr[i]) * 16777619u;
}

static void
count_href(struct anchor_facts *f)
{
    if (f->is_counted)
        return;
    f->is_counted = true;
    for (unsigned i = 0; i < f->hrefs_cnt; i++)
        if (f->hrefs[i] == f->href_hash)
            return;
    if (f->hrefs_cnt < ANCHOR_HREFS_MAX)
        f->hrefs[f->hrefs_cnt++] = f->href_hash;
}

static bool
is_other_domain(const struct anchor_facts *f, const struct host *other)
{
    const struct host *h = &f->host;
    size_t len = (size_t)(h->len - h->domain_off);
    if (other->is_ip)
        return true;
    return len != (size_t)(other->len - other->domain_off) ||
           memcmp(h->text + h->domain_off, other->text + other->domain_off, len) != 0;
}

void
anchor_facts_text(struct anchor_facts *f, struct span text)
{
    struct host said;
    if (f->has_domain)
        count_href(f);
    if (!f->has_domain && !f->is_ip)
        return;
    for (size_t i = 0; i < text.len; i++) {
        if (octet_lower(text.ptr[i]) != 'h' || !span_starts_nocase_at(text, i, "https:"))
            continue;
        if (f->is_ip && !leads_to_ip(text, "https:"))
            f->has_ip_mismatch = true;
        struct span host = { NULL, 0 };
        if (span_starts_nocase_at(text, i, "https://"))
            host = host_at(text, i + 8);
        if (!host.len)
            continue;
        /* Only the first one counts. */
        if (f->has_domain && look_up(f, host, &said) && is_other_domain(f, &said))
            f->is_mismatch = true;
        return;
    }
}

void
anchor_facts_end(struct anchor_facts *f)
{
    if (f->is_mismatch && f->parts_cnt < ANCHOR_PARTS_MAX)
        f->part_hrefs[f->parts_cnt++] = f->hrefs_cnt;
}
