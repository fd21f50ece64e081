#include <string.h>

#include "scan/octet.h"
#include "scan/url_private.h"

void
url_put(struct url_buf *b, const void *p, size_t len)
{
    if (len > sizeof(b->text) - b->len) {
        len = sizeof(b->text) - b->len;
        b->is_cut = true;
    }
    if (len)
        memcpy(b->text + b->len, p, len);
    b->len += len;
}

void
url_puts(struct url_buf *b, const char *s)
{
    url_put(b, s, strlen(s));
}

void
url_put_span(struct url_buf *b, struct span s)
{
    url_put(b, s.ptr, s.len);
}

bool
url_begins(struct span s, const char *prefix)
{
    size_t i = 0;

    for (; prefix[i]; i++) {
        if (i >= s.len || octet_lower(s.ptr[i]) != (uint8_t)prefix[i])
            return false;
    }
    return true;
}

bool
url_begins_www(struct span s)
{
    size_t i = 3;

    if (!url_begins(s, "www"))
        return false;
    while (i < 5 && i < s.len && url_is_digit(s.ptr[i]))
        i++;
    return i < s.len && s.ptr[i] == '.';
}

bool
url_has(struct span s, uint8_t c)
{
    return s.len && memchr(s.ptr, c, s.len);
}

/* The value of a hex digit; -1: none. */
static int
hex_digit(uint8_t c)
{
    if (url_is_digit(c))
        return c - '0';
    c = octet_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The octet that the escape at s.ptr[i] stands for; -1: there is no escape. */
static int
escape_at(struct span s, size_t i)
{
    if (s.len - i < 3 || s.ptr[i] != '%')
        return -1;
    int high = hex_digit(s.ptr[i + 1]), low = hex_digit(s.ptr[i + 2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

bool
url_has_escape(struct span s)
{
    for (size_t i = 0; i + 2 < s.len; i++) {
        const uint8_t *p = memchr(s.ptr + i, '%', s.len - i);
        if (!p)
            return false;
        i = (size_t)(p - s.ptr);
        if (escape_at(s, i) >= 0)
            return true;
    }
    return false;
}

static void
put_escaped(struct url_buf *b, uint8_t c)
{
    static const char digits[] = "0123456789abcdef";
    char escape[3] = {'%', digits[c >> 4], digits[c & 15]};

    url_put(b, escape, 3);
}

void
url_put_unescaped(struct url_buf *b, struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.ptr[i];
        int e = escape_at(s, i);
        if (e > 0x20 && e < 0x7f) {
            uint8_t octet = (uint8_t)e;
            url_put(b, &octet, 1);
            i += 2;
        } else if (e >= 0) {
            url_put(b, s.ptr + i, 3);
            i += 2;
        } else if (c <= 0x20 || c >= 0x7f || c == '"' || c == '%' || c == '<' || c == '>') {
            put_escaped(b, c);
        } else {
            url_put(b, &c, 1);
        }
    }
}

enum entity { ENTITY_DECIMAL, ENTITY_HEX, ENTITY_DOT };

/* If a numeric entity of this kind begins at s.ptr[i]: its length, and the octet for it. Else 0. */
static size_t
entity_at(struct span s, size_t i, enum entity kind, uint8_t *octet)
{
    uint32_t base = 10, value = 0;
    size_t at = i + 2, digits;
    bool has_zeros = false, is_small_x = false;

    if (s.len - i < 4 || s.ptr[i + 1] != '#')
        return 0;
    if (octet_lower(s.ptr[at]) == 'x') {
        is_small_x = s.ptr[at] == 'x';
        base = 16;
        at++;
    }
    for (digits = at; at < s.len; at++) {
        int d = hex_digit(s.ptr[at]);
        if (d < 0 || d >= (int)base)
            break;
        has_zeros |= at == digits && d == 0;
        value = value > 0xffff ? value : value * base + (uint32_t)d;
    }
    if (at == digits || at >= s.len || s.ptr[at] != ';')
        return 0;
    bool is_printable = value > 0x20 && value < 0x7f;
    bool is_dot = (value == 0x2e && base == 16) || value == 0x3002 || value == 0xff0e || value == 0xff61;
    bool fits = kind == ENTITY_DECIMAL ? base == 10 && is_printable
                : kind == ENTITY_HEX   ? is_small_x && is_printable
                                       : is_dot && !has_zeros;
    if (!fits)
        return 0;
    *octet = kind == ENTITY_DOT ? '.' : (uint8_t)value;
    return at + 1 - i;
}

/* In SpamAssassin's order: an entity that the pass for another kind brings to light is undone as well. */
void
url_undo_entities(struct url_buf *b)
{
    for (enum entity kind = ENTITY_DECIMAL; kind <= ENTITY_DOT; kind++) {
        struct span s = url_buf_span(b);
        if (!memchr(s.ptr, '&', s.len))
            return;
        b->len = 0;
        for (size_t i = 0; i < s.len;) {
            uint8_t c = s.ptr[i];
            size_t len = c == '&' ? entity_at(s, i, kind, &c) : 0;
            b->text[b->len++] = c; /* never ahead of i */
            i += len ? len : 1;
        }
    }
}

static void
put_number(struct url_buf *b, uint64_t n)
{
    char text[20];
    size_t i = sizeof(text);

    do {
        text[--i] = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    url_put(b, text + i, sizeof(text) - i);
}

/* Hex digits from i up to the next that is none. *is_big: more than 64 bits. */
static size_t
read_hex(struct span s, size_t i, uint64_t *value, bool *is_big)
{
    *value = 0;
    *is_big = false;
    for (; i < s.len && hex_digit(s.ptr[i]) >= 0; i++) {
        *is_big |= *value >> 60 != 0;
        *value = *value << 4 | (uint64_t)hex_digit(s.ptr[i]);
    }
    return i;
}

/* One number of a dotted address that is not hexadecimal: octal when it begins with 0 and can be. */
static void
put_octet(struct url_buf *b, struct span s)
{
    size_t zeros = 0;
    unsigned octal = 0;

    while (zeros < s.len && s.ptr[zeros] == '0')
        zeros++;
    struct span digits = url_from(s, zeros);
    size_t most = digits.len && digits.ptr[0] <= '3' ? 3 : 2;
    bool is_octal = zeros && digits.len && digits.len <= most;
    for (size_t i = 0; is_octal && i < digits.len; i++) {
        is_octal = digits.ptr[i] <= '7';
        octal = octal * 8 + (unsigned)(digits.ptr[i] - '0');
    }
    if (is_octal)
        put_number(b, octal);
    else
        url_put_span(b, digits); /* a zero becomes nothing at all: "10...1", as there */
}

/* One number of a dotted address at *i; moves *i behind it. */
static bool
put_dotted_part(struct url_buf *b, struct span s, size_t *i)
{
    size_t start = *i;

    if (s.len - start > 2 && s.ptr[start] == '0' && octet_lower(s.ptr[start + 1]) == 'x') {
        uint64_t value;
        bool is_big;
        *i = read_hex(s, start + 2, &value, &is_big);
        if (*i == start + 2)
            return false;
        if (is_big || value > INT64_MAX)
            url_puts(b, "-1");
        else if (value)
            put_number(b, value);
        return true;
    }
    while (*i < s.len && url_is_digit(s.ptr[*i]))
        ++*i;
    if (*i == start)
        return false;
    put_octet(b, (struct span){s.ptr + start, *i - start});
    return true;
}

static bool
put_dotted(struct url_buf *b, struct span host)
{
    size_t i = 0;

    for (int part = 0; part < 4; part++) {
        if (part && (i >= host.len || host.ptr[i++] != '.'))
            return false;
        if (part)
            url_puts(b, ".");
        if (i >= host.len || !put_dotted_part(b, host, &i))
            return false;
    }
    return i == host.len;
}

static void
put_ulong(struct url_buf *b, uint32_t n)
{
    for (int shift = 24; shift >= 0; shift -= 8) {
        put_number(b, n >> shift & 0xff);
        if (shift)
            url_puts(b, ".");
    }
}

/* "0x7f000001": of a longer one the last 32 bits count. */
static bool
put_hex_host(struct url_buf *b, struct span host)
{
    uint64_t value;
    bool is_big;

    if (host.len < 3 || !url_begins(host, "0x") || read_hex(host, 2, &value, &is_big) != host.len)
        return false;
    put_ulong(b, (uint32_t)value);
    return true;
}

/* "2130706433": of a longer one the first eight hex digits count, as Perl's pack has it. */
static bool
put_decimal_host(struct url_buf *b, struct span host)
{
    uint64_t value = 0;

    for (size_t i = 0; i < host.len; i++) {
        if (!url_is_digit(host.ptr[i]))
            return false;
        uint64_t d = (uint64_t)(host.ptr[i] - '0');
        value = value > (UINT64_MAX - d) / 10 ? UINT64_MAX : value * 10 + d;
    }
    while (value > UINT32_MAX)
        value >>= 4;
    put_ulong(b, (uint32_t)value);
    return host.len != 0;
}

bool
url_put_ipv4(struct url_buf *b, struct span host)
{
    size_t len = b->len;

    if (!host.len || !url_is_digit(host.ptr[0]))
        return false;
    if (put_dotted(b, host))
        return true;
    b->len = len;
    return put_hex_host(b, host) || put_decimal_host(b, host);
}

/* "mailto:" taken off: what stands behind the only "@", without parameters. Empty: none. */
static struct span
mail_host(struct span s)
{
    const uint8_t *query = s.len ? memchr(s.ptr, '?', s.len) : NULL;
    if (query)
        s.len = (size_t)(query - s.ptr);
    const uint8_t *at = s.len ? memchr(s.ptr, '@', s.len) : NULL;
    if (!at)
        return (struct span){s.ptr, 0};
    s = url_from(s, (size_t)(at - s.ptr) + 1);
    return url_has(s, '@') ? (struct span){s.ptr, 0} : s;
}

/* What stands between scheme, user name and port, path. */
static struct span
authority_host(struct span s)
{
    size_t i = 0;

    while (i < s.len && (s.ptr[i] | 0x20) >= 'a' && (s.ptr[i] | 0x20) <= 'z')
        i++;
    if (i && i < s.len && s.ptr[i] == ':') {
        s = url_from(s, i + 1);
        for (int slashes = 0; slashes < 2 && s.len && s.ptr[0] == '/'; slashes++)
            s = url_from(s, 1);
    }
    for (i = 0; i < s.len && s.ptr[i] != '/' && s.ptr[i] != '?' && s.ptr[i] != '#'; i++)
        ;
    s.len = i;
    const uint8_t *at = s.len ? memrchr(s.ptr, '@', s.len) : NULL;
    if (at)
        s = url_from(s, (size_t)(at - s.ptr) + 1);
    for (i = s.len; i && url_is_digit(s.ptr[i - 1]); i--)
        ;
    if (i && s.ptr[i - 1] == ':')
        s.len = i - 1;
    return s;
}

bool
url_host_name(struct span url, struct host *h)
{
    if (url_begins(url, "javascript:") || url_begins(url, "cid:") || url_begins(url, "file:"))
        return false;
    struct span host = url_begins(url, "mailto:") ? mail_host(url_from(url, 7)) : authority_host(url);
    /* A dot at the end makes it none; a variant without it follows. */
    return host.len && host_normalize(host, h) && h->text[h->len - 1] != '.';
}

bool
url_find_domain(const struct suffix_set *set, struct host *h)
{
    struct host name = *h;

    if (!suffix_lookup(set, (struct span){(const uint8_t *)name.text, name.len}, h))
        return false;
    if (!h->is_ip && (!h->is_fqdn || !h->is_known))
        return false;
    if (h->domain_off == h->len)
        h->domain_off = 0; /* "github.io" itself */
    return true;
}

bool
url_has_tld(const struct suffix_set *set, struct span name)
{
    const uint8_t *dot = name.len ? memrchr(name.ptr, '.', name.len) : NULL;

    return dot && suffix_is_tld(set, url_from(name, (size_t)(dot - name.ptr) + 1));
}
