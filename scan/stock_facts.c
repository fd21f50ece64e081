/* check_stock_info: the labels of "label: value" lines that touts of shares write. Part of text_facts. */
#include <string.h>

#include "scan/octet.h"
#include "scan/text_facts.h"

/* What a label ends in, letters only. "?" is any letter or none; "^" at the start: the whole label. */
static const char *const endings[] = {
    "^tradedate", "^tradingdate", "companyname", "company", "s?t?o?c?k", "s?y?m?b?o?l", "s?y?m", "target",
    "ticker", "openingprice", "openingp", "currentprice", "currentp", "projected", "position",
    "expectations", "weekhigh", "weekshigh", "marketperformance", "yeartarget", "yearestimate",
    "yearestimates", "weektarget", "weekestimate", "weekestimates", "monthtarget", "monthestimate",
    "monthestimates", "daytarget", "dayestimate", "dayestimates", "pricetarget", "priceestimate",
    "priceestimates", "sector", "recommendation", "rating"
};

/* At most 2^5 ways: no ending has more "?". */
static bool
ending_matches(const char *p, const uint8_t *s, size_t len)
{
    for (; *p; p++, s++, len--) {
        if (*p == '?') {
            if (ending_matches(p + 1, s, len))
                return true;
            if (!len)
                return false;
        } else if (!len || *s != (uint8_t)*p) {
            return false;
        }
    }
    return len == 0;
}

static void
note(struct text_facts *f, const uint8_t *s, size_t len)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ s[i]) * 16777619u;
    for (uint32_t i = 0; i < f->hits_cnt; i++)
        if (f->hits[i] == hash)
            return;
    if (f->hits_cnt < STOCK_HITS_MAX)
        f->hits[f->hits_cnt++] = hash;
}

/* The label's letters; the longest ending that is known counts. */
static void
look_at_label(struct text_facts *f)
{
    uint8_t s[STOCK_LABEL_MAX];
    size_t len = 0;
    for (uint32_t i = 0; i < f->label_len; i++) {
        uint8_t c = f->label[i];
        c = c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
        if (c >= 'a' && c <= 'z')
            s[len++] = c;
    }
    /* All endings end in a letter that is not optional: few have the label's. */
    const char *likely[sizeof(endings) / sizeof(endings[0])];
    size_t likely_cnt = 0;
    for (size_t j = 0; len && j < sizeof(endings) / sizeof(endings[0]); j++) {
        if ((uint8_t)endings[j][strlen(endings[j]) - 1] == s[len - 1])
            likely[likely_cnt++] = endings[j];
    }
    for (size_t i = 0; i < len; i++)
        for (size_t j = 0; j < likely_cnt; j++) {
            bool is_whole = likely[j][0] == '^';
            if ((!is_whole || i == 0) && ending_matches(likely[j] + is_whole, s + i, len - i)) {
                note(f, s + i, len - i);
                return;
            }
        }
}

static void
put_label(struct text_facts *f, uint8_t c)
{
    if (c == '\n') {
        f->stock = STOCK_LINE_START;
    } else if (c == ':') {
        f->stock = f->label_raw_len >= 3 ? STOCK_VALUE : STOCK_REST;
    } else if (f->label_raw_len < STOCK_LABEL_MAX) {
        f->label[f->label_raw_len++] = c;
        f->label_len = f->label_raw_len;
    } else if (!octet_is_space(c)) {
        f->stock = STOCK_REST; /* too long for a label */
    }
}

/* Octets of a label, up to what ends it or to where it gets too long. Returns how many. */
static size_t
put_label_run(struct text_facts *f, const uint8_t *octets, size_t len)
{
    size_t room = STOCK_LABEL_MAX - f->label_raw_len, n = 0;
    uint8_t *to = f->label + f->label_raw_len;

    n = len < room ? len : room;
    if (!n)
        return 0;
    const uint8_t *end = memchr(octets, '\n', n);
    n = end ? (size_t)(end - octets) : n;
    end = n ? memchr(octets, ':', n) : NULL;
    n = end ? (size_t)(end - octets) : n;
    memcpy(to, octets, n);
    if (n)
        f->label_len = f->label_raw_len += (uint32_t)n;
    return n;
}

static void
put(struct text_facts *f, uint8_t c)
{
    switch (f->stock) {
    case STOCK_LINE_START:
        if (octet_is_space(c))
            break;
        f->stock = c == ':' ? STOCK_REST : STOCK_LABEL;
        f->label_raw_len = 0;
        if (c != ':')
            put_label(f, c);
        break;
    case STOCK_LABEL:
        put_label(f, c);
        break;
    case STOCK_VALUE:
        if (octet_is_space(c))
            break;
        look_at_label(f);
        f->stock = STOCK_REST;
        break;
    case STOCK_REST:
        if (c == '\n')
            f->stock = STOCK_LINE_START;
        break;
    }
}

void
text_facts_plain(struct text_facts *f, const uint8_t *octets, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (f->stock == STOCK_REST) {
            const uint8_t *end = memchr(octets + i, '\n', len - i);
            if (!end)
                return;
            i = (size_t)(end - octets);
        } else if (f->stock == STOCK_LABEL) {
            i += put_label_run(f, octets + i, len - i);
            if (i == len)
                return;
        }
        put(f, octets[i]);
    }
}

void
text_facts_end(struct text_facts *f)
{
    f->stock = STOCK_LINE_START;
}
