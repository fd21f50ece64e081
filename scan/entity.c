#include "scan/entity.h"

#include <libxml/HTMLparser.h>
#include <string.h>

#include "scan/octet.h"

enum {
    NAME_MAX_LEN = 8, /* the longest is "thetasym" */
    SLOTS = 1024,     /* 253 names: chains of about one */
    CODE_MAX = 0x2fff /* the highest is U+2666 */
};

struct slot {
    uint64_t key; /* the name, zero padded */
    uint32_t code;
};

static struct slot table[SLOTS];

static size_t
slot_of(uint64_t key)
{
    return (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 54);
}

void
entity_setup(void)
{
    memset(table, 0, sizeof table);
    for (unsigned code = 1; code <= CODE_MAX; code++) {
        const htmlEntityDesc *d = htmlEntityValueLookup(code);
        size_t len = d ? strlen(d->name) : 0;
        if (!len || len > NAME_MAX_LEN)
            continue;
        uint64_t key = 0;
        memcpy(&key, d->name, len);
        size_t i = slot_of(key);
        while (table[i].key)
            i = (i + 1) % SLOTS;
        table[i] = (struct slot){key, code};
    }
}

static uint32_t
name_code(const uint8_t *name, size_t len)
{
    uint64_t key = 0;

    if (!len || len > NAME_MAX_LEN)
        return 0;
    memcpy(&key, name, len);
    for (size_t i = slot_of(key); table[i].key; i = (i + 1) % SLOTS)
        if (table[i].key == key)
            return table[i].code;
    return 0;
}

uint8_t
entity_utf8(uint32_t c, uint8_t out[4])
{
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (uint8_t)(0xc0 | c >> 6);
        out[1] = (uint8_t)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (uint8_t)(0xe0 | c >> 12);
        out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        out[2] = (uint8_t)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | c >> 18);
    out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
    out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    out[3] = (uint8_t)(0x80 | (c & 0x3f));
    return 4;
}

static int
digit(uint8_t c, bool is_hex)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (!is_hex)
        return -1;
    uint8_t low = c | 0x20;
    if (low >= 'a' && low <= 'f')
        return low - 'a' + 10;
    return c ? -1 : 0; /* HTML::Parser finds the NUL that ends its string of digits */
}

/* Behind "&#". Octets of the reference with its ';', *code 0 when it is none; 0: more is needed. */
static size_t
read_number(const uint8_t *p, size_t len, bool is_last, uint32_t *code)
{
    size_t i = 2;
    bool is_hex = false, ok = false;
    uint32_t num = 0;

    *code = 0;
    if (i < len && (p[i] | 0x20) == 'x') {
        is_hex = true;
        i++;
    }
    for (; i < len && i < ENTITY_LEN_MAX; i++) {
        int d = digit(p[i], is_hex);
        if (d < 0)
            break;
        num = num * (is_hex ? 16 : 10) + (uint32_t)d;
        ok = num <= 0x10ffff;
        if (!ok)
            return i;
    }
    if (i == ENTITY_LEN_MAX)
        return i;
    if (i == len && !is_last)
        return 0;
    if (!ok || !num || num == 0xfffe || num == 0xffff)
        return i;
    *code = num;
    return i + (i < len && p[i] == ';');
}

static size_t
read_name(const uint8_t *p, size_t len, bool is_last, bool is_text, uint32_t *code)
{
    size_t i = 1;

    while (i < len && i <= NAME_MAX_LEN + 1 && octet_is_alnum(p[i]))
        i++;
    *code = 0;
    if (i == len && !is_last && i <= NAME_MAX_LEN + 1)
        return 0;
    size_t letters = i - 1;
    bool is_whole = letters <= NAME_MAX_LEN;
    uint32_t c = is_whole ? name_code(p + 1, letters) : 0;
    bool has_end = i < len && p[i] == ';';
    if (c && (c < 256 || has_end)) {
        *code = c;
        return i + has_end;
    }
    for (size_t n = is_whole ? letters - 1 : NAME_MAX_LEN; is_text && letters && n; n--) {
        c = name_code(p + 1, n);
        if (c && c < 256) {
            *code = c;
            return 1 + n;
        }
    }
    return i;
}

static size_t
read_one(const uint8_t *p, size_t len, bool is_last, bool is_text, uint32_t *code)
{
    *code = 0;
    if (len < 2)
        return is_last ? 1 : 0;
    if (p[1] == '#')
        return read_number(p, len, is_last, code);
    return read_name(p, len, is_last, is_text, code);
}

size_t
entity_read(const uint8_t *p, size_t len, bool is_last, bool is_text, struct entity *e)
{
    uint32_t code, low;
    size_t n = read_one(p, len, is_last, is_text, &code);

    e->code = 0;
    e->len = 0;
    if (!n || !code)
        return n;
    if ((code & 0xfffffc00) == 0xd800) {
        if (n == len && !is_last)
            return 0;
        if (n < len && p[n] == '&') {
            size_t m = read_one(p + n, len - n, is_last, is_text, &low);
            if (!m)
                return 0;
            if ((low & 0xfffffc00) == 0xdc00) {
                code = ((code - 0xd800) << 10) + (low - 0xdc00) + 0x10000;
                n += m;
            }
        }
    }
    if ((code & 0xfffff800) == 0xd800 || (code >= 0xfdd0 && code <= 0xfdef) ||
        (code & 0xfffe) == 0xfffe)
        code = 0xfffd;
    e->code = code;
    e->len = entity_utf8(code, e->utf8);
    return n;
}

size_t
entity_value(uint8_t *p, size_t len)
{
    uint8_t *amp = len ? memchr(p, '&', len) : NULL;
    if (!amp)
        return len;
    size_t i = (size_t)(amp - p), o = i;
    while (i < len) {
        struct entity e;
        if (p[i] != '&') {
            p[o++] = p[i++];
            continue;
        }
        size_t n = entity_read(p + i, len - i, true, false, &e);
        if (e.code)
            memcpy(p + o, e.utf8, e.len);
        else
            memmove(p + o, p + i, n);
        o += e.code ? e.len : n;
        i += n;
    }
    return o;
}
