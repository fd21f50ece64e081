#include "scan/alternative_facts.h"

#include <string.h>

#include "scan/octet.h"

/* In UTF-8 a letter's first octet is one from 0xc3 on, but 0xe2 (punctuation, arrows, boxes). */
static bool
is_word_octet(uint8_t c)
{
    return (c >= 0xc3 && c != 0xe2) || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static void
start_word(struct alternative_facts *f)
{
    f->hash = 2166136261u;
    f->has_octets = f->is_word = false;
}

void
alternative_facts_init(struct alternative_facts *f)
{
    memset(f, 0, offsetof(struct alternative_facts, words));
    start_word(f);
}

void
alternative_facts_open(struct alternative_facts *f)
{
    if (f->depth++)
        return;
    memset(f->words, 0, sizeof(f->words));
    f->words_cnt = 0;
    f->words_html = f->words_text = f->words_left = 0;
    f->has_image = false;
    start_word(f);
}

static bool
is_empty(const struct alternative_word *w)
{
    return !w->html_cnt && !w->text_cnt;
}

/* The word's slot, taken if it is new; NULL when there is no room for it. */
static struct alternative_word *
find(struct alternative_facts *f, uint32_t hash)
{
    uint32_t at = (hash ^ hash >> 15) & (ALTERNATIVE_SLOTS - 1);
    for (unsigned probes = 0; probes < ALTERNATIVE_PROBES_MAX; probes++) {
        struct alternative_word *w = &f->words[at];
        if (is_empty(w)) {
            if (f->words_cnt == ALTERNATIVE_WORDS_MAX)
                return NULL;
            f->words_cnt++;
            w->hash = hash;
            return w;
        }
        if (w->hash == hash)
            return w;
        at = (at + 1) & (ALTERNATIVE_SLOTS - 1);
    }
    return NULL;
}

/* Counts it, and what alternative_facts_close() wants to know of all words. */
static void
count_word(struct alternative_facts *f, struct alternative_word *w)
{
    uint16_t *cnt = f->is_html ? &w->html_cnt : &w->text_cnt;

    if (*cnt == UINT16_MAX)
        return;
    if (++*cnt == 1) {
        f->words_html += f->is_html;
        f->words_text += !f->is_html;
    }
    if (f->is_html)
        f->words_left += w->html_cnt == w->text_cnt + 1;
    else
        f->words_left -= w->html_cnt == w->text_cnt;
}

static void
end_word(struct alternative_facts *f)
{
    if (f->is_word) {
        struct alternative_word *w = find(f, f->hash);
        if (w)
            count_word(f, w);
        else
            f->is_capped = true;
    }
    start_word(f);
}

/* Hashes the octets of a word up to its end. Returns how many. */
static size_t
pass_word(struct alternative_facts *f, const uint8_t *octets, size_t len)
{
    uint32_t hash = f->hash;
    bool is_word = f->is_word;
    size_t i = 0;

    for (; i < len && !octet_is_space(octets[i]) && octets[i] != 0xc2 && octets[i] != 0xa0; i++) {
        is_word |= is_word_octet(octets[i]);
        hash = (hash ^ octets[i]) * 16777619u;
    }
    f->has_octets |= i > 0;
    f->has_c2 &= i == 0;
    f->is_word = is_word;
    f->hash = hash;
    return i;
}

void
alternative_facts_text(struct alternative_facts *f, bool is_html, const uint8_t *octets, size_t len)
{
    if (!f->depth)
        return;
    f->is_html = is_html;
    for (size_t i = 0; i < len; i++) {
        i += pass_word(f, octets + i, len - i);
        if (i == len)
            return;
        bool is_nbsp = f->has_c2 && octets[i] == 0xa0;
        if (is_nbsp || octet_is_space(octets[i])) {
            if (f->has_octets)
                end_word(f);
            f->has_c2 = false;
            continue;
        }
        /* 0xc2 is left out of the hash: it stands before what U+00A0 is, a space. */
        f->has_c2 = octets[i] == 0xc2;
        if (f->has_c2)
            continue;
        f->has_octets = true; /* 0xa0 behind something else */
        f->is_word |= is_word_octet(octets[i]);
        f->hash = (f->hash ^ octets[i]) * 16777619u;
    }
}

void
alternative_facts_part_end(struct alternative_facts *f, bool has_image)
{
    if (!f->depth)
        return;
    end_word(f);
    f->has_image |= has_image;
}

void
alternative_facts_close(struct alternative_facts *f)
{
    if (!f->depth || --f->depth)
        return;
    uint64_t html = f->words_html, text = f->words_text, left = f->words_left;
    if (!html && f->has_image)
        html = left = 1;
    if (!html)
        return;
    f->html_cnt = html;
    f->text_cnt = text;
    double difference = (double)left / (double)html * 100;
    if (difference > f->difference)
        f->difference = difference;
}
