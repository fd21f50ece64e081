/* See ip_text.h. */
#include <string.h>
#include <strings.h>

#include "scan/ip_text.h"
#include "scan/octet.h"

enum { V6_GROUPS = 8, V6_LEN = 16, V4_LEN = 4 };

static bool
is_hex(uint8_t c)
{
    return octet_is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* Octets that may not touch an IPv6 address: it would be longer. */
static bool
is_v6(uint8_t c)
{
    return is_hex(c) || c == ':';
}

/* Four numbers at text.ptr[off]; what stands behind is the caller's to judge. */
static size_t
v4_len(struct span text, size_t off, uint8_t out[V4_LEN])
{
    size_t i = off;

    for (unsigned k = 0; k < V4_LEN; k++) {
        size_t start = i;
        unsigned value = 0;

        if (k > 0 && (i == text.len || text.ptr[i++] != '.'))
            return 0;
        start = i;
        while (i < text.len && i - start < 3 && octet_is_digit(text.ptr[i]))
            value = value * 10 + (unsigned)(text.ptr[i++] - '0');
        if (i == start || value > 255 || (text.ptr[start] == '0' && i - start > 1))
            return 0;
        out[k] = (uint8_t)value;
    }
    return i - off;
}

static unsigned
hex_value(uint8_t c)
{
    return octet_is_digit(c) ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

/* RFC 4291 2.2. `gap` is where "::" stands, for at least one group. */
struct v6 {
    uint16_t group[V6_GROUPS];
    unsigned cnt;
    int gap;
};

static bool
v6_add(struct v6 *v, unsigned value)
{
    if (v->cnt == V6_GROUPS)
        return false;
    v->group[v->cnt++] = (uint16_t)value;
    return true;
}

/* A group of up to four hexadecimal digits; 0 when there is none or more. */
static size_t
v6_group(struct v6 *v, struct span text, size_t off)
{
    unsigned value = 0;
    size_t i = off;

    while (i < text.len && i - off < 5 && is_hex(text.ptr[i]))
        value = value << 4 | hex_value(text.ptr[i++]);
    return i - off < 1 || i - off > 4 || !v6_add(v, value) ? 0 : i - off;
}

static bool
v6_has_gap(struct v6 *v, struct span text, size_t off)
{
    if (v->gap >= 0 || text.len - off < 2 || text.ptr[off] != ':' || text.ptr[off + 1] != ':')
        return false;
    v->gap = (int)v->cnt;
    return true;
}

static size_t
v6_groups(struct v6 *v, struct span text, size_t off)
{
    size_t i = off + (v6_has_gap(v, text, off) ? 2 : 0);

    while (i < text.len && is_hex(text.ptr[i])) {
        uint8_t v4[V4_LEN];
        size_t len = v4_len(text, i, v4);

        if (len > 0 && (i + len == text.len || !is_v6(text.ptr[i + len])))
            return v6_add(v, (unsigned)(v4[0] << 8 | v4[1])) &&
                           v6_add(v, (unsigned)(v4[2] << 8 | v4[3]))
                       ? i + len - off
                       : 0;
        len = v6_group(v, text, i);
        if (len == 0)
            return 0;
        i += len;
        if (i == text.len || text.ptr[i] != ':')
            break;
        i += v6_has_gap(v, text, i) ? 2 : 1;
        if (text.ptr[i - 2] != ':' && (i == text.len || !is_hex(text.ptr[i])))
            return 0;
    }
    return i - off;
}

static size_t
v6_len(struct span text, size_t off, uint8_t out[V6_LEN])
{
    struct v6 v = {.gap = -1};
    size_t len = v6_groups(&v, text, off);
    unsigned head = v.gap < 0 ? v.cnt : (unsigned)v.gap;

    if (len == 0 || (v.gap < 0 ? v.cnt != V6_GROUPS : v.cnt >= V6_GROUPS))
        return 0;
    if (off + len < text.len && is_v6(text.ptr[off + len]))
        return 0;
    memset(out, 0, V6_LEN);
    for (unsigned i = 0; i < v.cnt; i++) {
        unsigned at = i < head ? i : V6_GROUPS - v.cnt + i;
        out[at * 2] = (uint8_t)(v.group[i] >> 8);
        out[at * 2 + 1] = (uint8_t)v.group[i];
    }
    return len;
}

/* The address at `off`, as 16 octets (IPv4 mapped); 0 when none begins there. */
static size_t
address_len(struct span text, size_t off, uint8_t out[V6_LEN])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    uint8_t before = off > 0 ? text.ptr[off - 1] : ' ';
    size_t len;

    if (!octet_is_word(before) && before != ':') {
        len = v4_len(text, off, out + 12);
        if (len > 0 && (off + len == text.len || !octet_is_word(text.ptr[off + len]))) {
            memcpy(out, mapped, sizeof mapped);
            return len;
        }
    }
    if (text.len - off > 5 && strncasecmp((const char *)text.ptr + off, "IPv6:", 5) == 0) {
        len = v6_len(text, off + 5, out);
        if (len > 0)
            return 5 + len;
    }
    return is_v6(before) ? 0 : v6_len(text, off, out);
}

size_t
ip_text_at(struct span text, size_t off)
{
    uint8_t octets[V6_LEN];

    return address_len(text, off, octets);
}

bool
ip_text_find(struct span text, struct span *ip)
{
    for (size_t i = 0; i < text.len; i++) {
        size_t len = ip_text_at(text, i);

        if (len > 0) {
            if (ip != NULL)
                *ip = (struct span){text.ptr + i, len};
            return true;
        }
    }
    return false;
}

static bool
read_whole(struct span text, uint8_t out[V6_LEN])
{
    return text.len > 0 && address_len(text, 0, out) == text.len;
}

bool
ip_text_is(struct span text)
{
    uint8_t octets[V6_LEN];

    return read_whole(text, octets);
}

bool
ip_text_is_v4(struct span text)
{
    uint8_t octets[V4_LEN];

    return text.len > 0 && v4_len(text, 0, octets) == text.len;
}

static bool
is_mapped(const uint8_t a[V6_LEN])
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

    return memcmp(a, prefix, sizeof prefix) == 0;
}

static bool
is_loopback_v6(const uint8_t a[V6_LEN])
{
    static const uint8_t one[V6_LEN] = {[15] = 1};

    return memcmp(a, one, sizeof one) == 0;
}

static bool
is_private_v4(const uint8_t a[V4_LEN])
{
    return a[0] == 10 || a[0] == 127 || (a[0] == 169 && a[1] == 254) ||
           (a[0] == 172 && (a[1] & 0xf0) == 16) || (a[0] == 192 && a[1] == 168) ||
           (a[0] == 100 && (a[1] & 0xc0) == 64);
}

bool
ip_text_is_private(struct span text)
{
    uint8_t a[V6_LEN];

    if (!read_whole(text, a))
        return false;
    if (is_mapped(a))
        return is_private_v4(a + 12);
    return (a[0] == 0xfe && (a[1] & 0xc0) == 0x80) || is_loopback_v6(a);
}

static bool
span_is(struct span s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.ptr, text, s.len) == 0;
}

bool
ip_text_is_localhost(struct span text)
{
    static const uint8_t home[V4_LEN] = {127, 0, 0, 1};
    uint8_t a[V6_LEN];

    if (text.len == 0 || span_is(text, "localhost") || span_is(text, "localhost.localdomain"))
        return text.len > 0;
    if (!read_whole(text, a))
        return false;
    return is_mapped(a) ? memcmp(a + 12, home, sizeof home) == 0 : is_loopback_v6(a);
}
