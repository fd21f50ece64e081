#include "scan/body_emails.h"

#include <string.h>

#include "scan/octet.h"
#include "scan/span_text.h"

enum {
    /* Of an address as SpamAssassin's pattern has it: octets of the user (RFC 5321), labels before the
     * last one, octets of a label. What is longer is no address. */
    USER_LEN_MAX = 64,
    LABELS_MAX = 4,
    HOST_LABEL_MAX = 61,

    /* Octets of a URL before and behind the "@" in it. */
    URL_SIDE_MAX = 255,

    /* Of the blanks and the word in "joe@example.com wrote:". */
    QUOTE_BLANKS_MAX = 10,
    QUOTE_WORD_MAX = 11
};

void
body_emails_init(struct body_emails *e, body_emails_tld_fn is_tld, void *ctx)
{
    e->is_tld = is_tld;
    e->ctx = ctx;
    e->cnt = 0;
    e->off[0] = 0;
}

/* RFC 5322's atext. */
static bool
is_atext(uint8_t c)
{
    return octet_is_alnum(c) || (c && strchr("!#$%&'*+/=?^_`{|}~-", c));
}

/* Where the user part before the "@" at `at` begins; `at` when there is none. Not before `from`. */
static size_t
user_start(struct span s, size_t from, size_t at)
{
    size_t start = at, found = at;
    while (start > from && at - start < USER_LEN_MAX) {
        uint8_t c = s.ptr[start - 1];
        if (is_atext(c)) {
            start--;
            /* A start must not stand behind another octet of the kind. */
            if (start == 0 || !is_atext(s.ptr[start - 1]))
                found = start;
        } else if (c == '.' && start < at && s.ptr[start] != '.') {
            start--;
        } else {
            break;
        }
    }
    return found;
}

static size_t
label_end(struct span s, size_t at)
{
    size_t end = at;
    while (end < s.len && (octet_is_alnum(s.ptr[end]) || s.ptr[end] == '-'))
        end++;
    return end;
}

static bool
is_label(struct span s, size_t at, size_t end)
{
    return end > at && end - at <= HOST_LABEL_MAX && s.ptr[at] != '-' && s.ptr[end - 1] != '-';
}

/* Where the host that begins at `at` ends; `at` when there is none: up to four labels, then a top-level domain
 * that no other label follows. */
static size_t
host_end(const struct body_emails *e, struct span s, size_t at)
{
    size_t label = at;
    for (unsigned i = 0; i <= LABELS_MAX; i++) {
        size_t end = label_end(s, label);
        bool has_next = end + 1 < s.len && s.ptr[end] == '.' && octet_is_alnum(s.ptr[end + 1]);
        if (!has_next) {
            struct span tld = { s.ptr + label, end - label };
            return i > 0 && tld.len && e->is_tld(e->ctx, tld) ? end : at;
        }
        if (!is_label(s, label, end))
            break;
        label = end + 1;
    }
    return at;
}

/* The first address at or behind `from`: true, *start and *end. */
static bool
find(const struct body_emails *e, struct span s, size_t from, size_t *start, size_t *end)
{
    for (size_t at = from; at < s.len; at++) {
        const uint8_t *sign = memchr(s.ptr + at, '@', s.len - at);
        if (!sign)
            return false;
        at = (size_t)(sign - s.ptr);
        *start = user_start(s, from, at);
        *end = host_end(e, s, at + 1);
        if (*start < at && *end > at + 1)
            return true;
    }
    return false;
}

static void
keep(struct body_emails *e, struct span s)
{
    unsigned room = BODY_EMAILS_TEXT_MAX - e->off[e->cnt];
    if (e->cnt == BODY_EMAILS_MAX || s.len > BODY_EMAIL_MAX)
        return;
    if (s.len > room) {
        /* Full: as if the number were reached. */
        while (e->cnt < BODY_EMAILS_MAX) {
            e->off[e->cnt + 1] = e->off[e->cnt];
            e->cnt++;
        }
        return;
    }
    uint8_t *to = e->text + e->off[e->cnt];
    for (size_t i = 0; i < s.len; i++)
        to[i] = octet_lower(s.ptr[i]);
    for (unsigned i = 0; i < e->cnt; i++) {
        struct span have = body_email(e, i);
        if (have.len == s.len && !memcmp(have.ptr, to, s.len))
            return;
    }
    e->cnt++;
    e->off[e->cnt] = (uint16_t)(e->off[e->cnt - 1] + s.len);
}

void
body_emails_link(struct body_emails *e, struct span url)
{
    size_t start, end;
    if (e->cnt >= BODY_EMAILS_LINKS_MAX || !span_starts_nocase_at(url, 0, "mailto:"))
        return;
    struct span rest = { url.ptr + 7, url.len - 7 };
    if (find(e, rest, 0, &start, &end) && start == 0)
        keep(e, (struct span){ rest.ptr, end });
}

/* "http://..@.." at `at`: where it ends; `at` when it is none. */
static size_t
url_end(struct span s, size_t at)
{
    size_t i = at + (s.ptr[at] == '<');
    if (!span_starts_nocase_at(s, i, "http"))
        return at;
    i += 4;
    i += i < s.len && octet_lower(s.ptr[i]) == 's';
    if (!span_starts_nocase_at(s, i, "://"))
        return at;
    i += 3;
    size_t sign = 0;
    for (size_t j = i; j < s.len && j <= i + URL_SIDE_MAX && !octet_is_space(s.ptr[j]); j++) {
        if (s.ptr[j] == '@')
            sign = j + 1;
        else if (span_starts_nocase_at(s, j, "%40"))
            sign = j + 3;
    }
    if (!sign)
        return at;
    size_t end = sign;
    while (end < s.len && end < sign + URL_SIDE_MAX && !octet_is_space(s.ptr[end]))
        end++;
    return end;
}

/* " wrote:" behind an address; not " phone:". */
static bool
is_quoted(struct span s, size_t at)
{
    static const char *const labels[] = { "fax", "facsi", "tel", "phone", "email", "e-mail", "mail", "-mail" };
    size_t i = at;
    while (i < s.len && octet_is_space(s.ptr[i]))
        i++;
    if (i == at || i - at > QUOTE_BLANKS_MAX)
        return false;
    for (size_t j = 0; j < sizeof(labels) / sizeof(labels[0]); j++)
        if (span_starts_nocase_at(s, i, labels[j]))
            return false;
    size_t word = i;
    while (i < s.len && octet_lower(s.ptr[i]) >= 'a' && octet_lower(s.ptr[i]) <= 'z')
        i++;
    return i - word >= 2 && i - word <= QUOTE_WORD_MAX && i < s.len && s.ptr[i] == ':';
}

/* Addresses of a stretch without URLs. */
static void
scan(struct body_emails *e, struct span s)
{
    size_t from = 0, start, end;
    while (e->cnt < BODY_EMAILS_MAX && find(e, s, from, &start, &end)) {
        bool is_mailto = start >= 7 && span_starts_nocase_at(s, start - 7, "mailto:");
        bool is_closed = end < s.len && s.ptr[end] == '>';
        if (is_mailto || !(is_closed || is_quoted(s, end)))
            keep(e, (struct span){ s.ptr + start, end - start });
        from = end;
    }
}

void
body_emails_line(struct body_emails *e, struct span line)
{
    if (!line.len || !memchr(line.ptr, '@', line.len))
        return;
    size_t from = 0;
    for (size_t i = 0; i < line.len;) {
        uint8_t c = octet_lower(line.ptr[i]);
        size_t end = c == 'h' || c == '<' ? url_end(line, i) : i;
        if (end == i) {
            i++;
            continue;
        }
        scan(e, (struct span){ line.ptr + from, i - from });
        from = i = end;
    }
    scan(e, (struct span){ line.ptr + from, line.len - from });
}
