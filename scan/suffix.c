#include "scan/suffix.h"

#include <arpa/inet.h>
#include <errno.h>
#include <idn2.h>
#include <libpsl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Octets of a name that may shrink to HOST_LEN_MAX: no code point in UTF-8 is longer than 4. */
enum { NAME_LEN_MAX = 4 * HOST_LEN_MAX };

struct suffix_set {
    psl_ctx_t *loaded; /* NULL: libpsl's own, which is not to be freed */
    const psl_ctx_t *psl;
    unsigned serial; /* of the sets made: what a thread remembers is of one */
};

/* What this thread looked up last: a mail names the same few hosts again and again, and libpsl takes thousands of
 * instructions for each. One place for each hash, 40 kB a thread. */
enum { CACHE_CNT = 128, CACHE_NAME_MAX = 47, CACHE_LABEL_MAX = 14 };

struct cached_host {
    unsigned serial; /* 0: empty */
    bool is_good;
    uint8_t name_len;
    uint8_t name[CACHE_NAME_MAX];
    struct host host;
};

struct cached_label {
    unsigned serial;
    bool is_tld;
    uint8_t len;
    uint8_t label[CACHE_LABEL_MAX];
};

static _Thread_local struct {
    struct cached_host hosts[CACHE_CNT];
    struct cached_label labels[CACHE_CNT];
} cache;

static uint32_t
hash_of(struct span s)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < s.len; i++)
        h = (h ^ s.ptr[i]) * 16777619u;
    return (h ^ h >> 16) % CACHE_CNT;
}

int
suffix_new(struct suffix_set **set)
{
    static atomic_uint serials;
    struct suffix_set *s = malloc(sizeof(*s));

    *set = NULL;
    if (!s) {
        fprintf(stderr, "suffix: no memory\n");
        return -ENOMEM;
    }
    s->serial = 1 + atomic_fetch_add(&serials, 1);
    s->loaded = psl_latest(NULL);
    s->psl = s->loaded ? s->loaded : psl_builtin();
    if (!s->psl) {
        fprintf(stderr, "suffix: libpsl has no list of its own and package publicsuffix is missing\n");
        free(s);
        return -ENOENT;
    }
    *set = s;
    return 0;
}

void
suffix_free(struct suffix_set *set)
{
    if (set && set->loaded)
        psl_free(set->loaded);
    free(set);
}

static char
lower(uint8_t c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

static bool
is_label_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* The length of the UTF-8 sequence at p (RFC 3629 4); 0: none. */
static size_t
utf8_len(const uint8_t *p, size_t len)
{
    static const struct {
        uint8_t first, last, low, high, len;
    } forms[] = {
        {0x00, 0x7f, 0x80, 0xbf, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };

    for (size_t f = 0; f < sizeof(forms) / sizeof(forms[0]); f++) {
        if (*p < forms[f].first || *p > forms[f].last)
            continue;
        if (forms[f].len > len || (forms[f].len > 1 && (p[1] < forms[f].low || p[1] > forms[f].high)))
            return 0;
        for (size_t i = 2; i < forms[f].len; i++) {
            if ((p[i] & 0xc0) != 0x80)
                return 0;
        }
        return forms[f].len;
    }
    return 0;
}

/* A full stop of RFC 3490 3.1 that is not ".": U+3002, U+FF0E, U+FF61. */
static bool
is_wide_dot(const uint8_t *p, size_t len)
{
    return len >= 3 && (!memcmp(p, "\xe3\x80\x82", 3) || !memcmp(p, "\xef\xbc\x8e", 3) ||
                        !memcmp(p, "\xef\xbd\xa1", 3));
}

/* Copies UTF-8 with plain dots, ends it in NUL. False if it is not UTF-8 or holds a NUL. */
static bool
copy_utf8(struct span name, char *out)
{
    size_t n = 0;

    for (size_t i = 0; i < name.len;) {
        size_t len = utf8_len(name.ptr + i, name.len - i);
        if (!len || !name.ptr[i])
            return false;
        if (is_wide_dot(name.ptr + i, name.len - i)) {
            out[n++] = '.';
        } else {
            memcpy(out + n, name.ptr + i, len);
            n += len;
        }
        i += len;
    }
    out[n] = 0;
    return true;
}

/* Letters of ISO 8859-1 as UTF-8. False if there is anything else than letters, digits, "_.-". */
static bool
copy_latin1(struct span name, char *out)
{
    size_t n = 0;

    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.ptr[i];
        if (c >= 0xc0 && c != 0xd7 && c != 0xdf && c != 0xf7 && c != 0xff) {
            out[n++] = (char)(0xc0 | c >> 6);
            out[n++] = (char)(0x80 | (c & 0x3f));
        } else if (is_label_char((char)c) || c == '.' || c == '-') {
            out[n++] = (char)c;
        } else {
            return false;
        }
    }
    out[n] = 0;
    return true;
}

/* Sets the text in lower case. False if it is empty or too long. */
static bool
set_text(struct host *h, struct span text)
{
    if (!text.len || text.len > HOST_LEN_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++)
        h->text[i] = lower(text.ptr[i]);
    h->text[text.len] = 0;
    h->len = (uint8_t)text.len;
    return true;
}

/* A name that has octets over 0x7f. */
static bool
convert(struct span name, struct host *h)
{
    char utf8[2 * NAME_LEN_MAX + 1];
    char *ascii = NULL;
    bool is_utf8 = name.len <= NAME_LEN_MAX && copy_utf8(name, utf8);

    if (name.len > NAME_LEN_MAX || (!is_utf8 && !copy_latin1(name, utf8)))
        return set_text(h, name);
    /* UTS 46 without its transitional mapping (sharp s stays), as SpamAssassin asks for. */
    if (idn2_lookup_u8((const uint8_t *)utf8, (uint8_t **)&ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL))
        return set_text(h, is_utf8 ? (struct span){(const uint8_t *)utf8, strlen(utf8)} : name);
    bool fits = set_text(h, (struct span){(const uint8_t *)ascii, strlen(ascii)});
    idn2_free(ascii);
    return fits;
}

bool
host_normalize(struct span name, struct host *h)
{
    uint8_t all = 0;

    memset(h, 0, offsetof(struct host, text) + 1);
    for (size_t i = 0; i < name.len; i++)
        all |= name.ptr[i];
    return all & 0x80 ? convert(name, h) : set_text(h, name);
}

bool
host_is_ip(struct span text)
{
    char buf[INET6_ADDRSTRLEN];
    uint8_t addr[16];

    if (text.len < 2 || text.len >= sizeof(buf) || memchr(text.ptr, 0, text.len))
        return false;
    memcpy(buf, text.ptr, text.len);
    buf[text.len] = 0;
    return inet_pton(AF_INET, buf, addr) == 1 || inet_pton(AF_INET6, buf, addr) == 1;
}

bool
host_is_fqdn(struct span text)
{
    const char *p = (const char *)text.ptr;
    size_t len = text.len, end, labels = 0;

    while (len && p[len - 1] == '.')
        len--;
    if (len > HOST_LEN_MAX)
        return false;
    for (; len; len = end - 1) { /* from the last label */
        bool has_underscore = false;
        for (end = len; end && p[end - 1] != '.'; end--) {
            if (!is_label_char(p[end - 1]) && p[end - 1] != '-')
                return false;
            has_underscore |= p[end - 1] == '_';
        }
        if (end == len || len - end > LABEL_LEN_MAX || p[end] == '-' || p[len - 1] == '-')
            return false;
        if (++labels <= 2 && has_underscore)
            return false;
        if (!end)
            return labels > 1;
    }
    return false; /* empty, or begins with a dot */
}

static bool
find_tld(const struct suffix_set *set, struct span label)
{
    enum { TYPE = PSL_TYPE_ICANN | PSL_TYPE_NO_STAR_RULE };
    char buf[3 + LABEL_LEN_MAX + 1] = "co.";

    if (label.len < 2 || label.len > LABEL_LEN_MAX)
        return false;
    for (size_t i = 0; i < label.len; i++) {
        if (!label.ptr[i] || label.ptr[i] == '.' || label.ptr[i] & 0x80)
            return false;
        buf[3 + i] = lower(label.ptr[i]);
    }
    buf[3 + label.len] = 0;
    /* Nobody can register directly under "za": the list has no rule for it, but one for "co.za". */
    return psl_is_public_suffix2(set->psl, buf + 3, TYPE) || psl_is_public_suffix2(set->psl, buf, TYPE);
}

bool
suffix_is_tld(const struct suffix_set *set, struct span label)
{
    if (!label.len || label.len > CACHE_LABEL_MAX)
        return find_tld(set, label);
    struct cached_label *c = &cache.labels[hash_of(label)];
    if (c->serial == set->serial && c->len == label.len && !memcmp(c->label, label.ptr, label.len))
        return c->is_tld;
    *c = (struct cached_label){.serial = set->serial, .is_tld = find_tld(set, label), .len = (uint8_t)label.len};
    memcpy(c->label, label.ptr, label.len);
    return c->is_tld;
}

/* Where the last SUFFIX_LABELS_MAX labels of the name begin. */
static size_t
tail_off(const struct host *h)
{
    unsigned dots = 0;

    for (size_t i = h->len; i; i--) {
        if (h->text[i - 1] == '.' && ++dots == SUFFIX_LABELS_MAX)
            return i;
    }
    return 0;
}

static void
find_domain(const struct suffix_set *set, struct host *h)
{
    const char *tail = h->text + tail_off(h);
    const char *domain = psl_registrable_domain(set->psl, tail);

    if (!domain) { /* a suffix itself */
        h->suffix_off = (uint8_t)(tail - h->text);
        return;
    }
    h->domain_off = (uint8_t)(domain - h->text);
    const char *dot = strchr(domain, '.'); /* a registrable domain is one label and a suffix */
    if (dot)
        h->suffix_off = (uint8_t)(dot + 1 - h->text);
}

static bool
look_up(const struct suffix_set *set, struct span name, struct host *h)
{
    if (!host_normalize(name, h))
        return false;
    if (h->len > 1 && h->text[h->len - 1] == '.')
        h->text[--h->len] = 0;
    struct span text = {(const uint8_t *)h->text, h->len};
    h->domain_off = h->suffix_off = h->len;
    h->is_ip = host_is_ip(text);
    if (h->is_ip) {
        h->domain_off = 0;
        return true;
    }
    h->is_fqdn = host_is_fqdn(text);
    const char *dot = memrchr(h->text, '.', h->len);
    if (dot) {
        size_t off = (size_t)(dot - h->text) + 1;
        h->is_known = suffix_is_tld(set, (struct span){text.ptr + off, text.len - off});
    }
    if (h->is_fqdn)
        find_domain(set, h);
    return true;
}

bool
suffix_lookup(const struct suffix_set *set, struct span name, struct host *h)
{
    if (!name.len || name.len > CACHE_NAME_MAX)
        return look_up(set, name, h);
    struct cached_host *c = &cache.hosts[hash_of(name)];
    if (c->serial != set->serial || c->name_len != name.len || memcmp(c->name, name.ptr, name.len) != 0) {
        c->serial = set->serial;
        c->name_len = (uint8_t)name.len;
        memcpy(c->name, name.ptr, name.len);
        c->is_good = look_up(set, name, &c->host);
    }
    *h = c->host;
    return c->is_good;
}
