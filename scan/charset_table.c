/* charset_table: the sets that mail uses, their names, and their tables, filled through iconv at
 * set-up. */
#include <iconv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan/charset_private.h"

/* Name of ours, kind, iconv's name, and iconv's name of what is asked where the first knows nothing
 * (for Big5: where it knows private use only, which Encode has characters for). */
struct spec {
    const char *name;
    enum codec_kind kind;
    const char *iconv, *fill;
};

static const struct spec specs[] = {
    {"us-ascii", CODEC_SINGLE, "ASCII", NULL},
    {"utf-8", CODEC_UTF8, NULL, NULL},
    {"windows-1252", CODEC_SINGLE, "CP1252", NULL},
    {"utf-16le", CODEC_UTF16LE, NULL, NULL},
    {"utf-16be", CODEC_UTF16BE, NULL, NULL},
    {"utf-32le", CODEC_UTF32LE, NULL, NULL},
    {"utf-32be", CODEC_UTF32BE, NULL, NULL},
    {"iso-8859-1", CODEC_SINGLE, "ISO-8859-1", NULL},
    {"iso-8859-2", CODEC_SINGLE, "ISO-8859-2", NULL},
    {"iso-8859-3", CODEC_SINGLE, "ISO-8859-3", NULL},
    {"iso-8859-4", CODEC_SINGLE, "ISO-8859-4", NULL},
    {"iso-8859-5", CODEC_SINGLE, "ISO-8859-5", NULL},
    {"iso-8859-6", CODEC_SINGLE, "ISO-8859-6", NULL},
    {"iso-8859-7", CODEC_SINGLE, "ISO-8859-7", NULL},
    {"iso-8859-8", CODEC_SINGLE, "ISO-8859-8", NULL},
    {"iso-8859-9", CODEC_SINGLE, "ISO-8859-9", NULL},
    {"iso-8859-10", CODEC_SINGLE, "ISO-8859-10", NULL},
    {"iso-8859-11", CODEC_SINGLE, "ISO-8859-11", NULL},
    {"iso-8859-13", CODEC_SINGLE, "ISO-8859-13", NULL},
    {"iso-8859-14", CODEC_SINGLE, "ISO-8859-14", NULL},
    {"iso-8859-15", CODEC_SINGLE, "ISO-8859-15", NULL},
    {"iso-8859-16", CODEC_SINGLE, "ISO-8859-16", NULL},
    {"windows-1250", CODEC_SINGLE, "CP1250", NULL},
    {"windows-1251", CODEC_SINGLE, "CP1251", NULL},
    {"windows-1253", CODEC_SINGLE, "CP1253", NULL},
    {"windows-1254", CODEC_SINGLE, "CP1254", NULL},
    {"windows-1255", CODEC_SINGLE, "CP1255", NULL},
    {"windows-1256", CODEC_SINGLE, "CP1256", NULL},
    {"windows-1257", CODEC_SINGLE, "CP1257", NULL},
    {"windows-1258", CODEC_SINGLE, "CP1258", NULL},
    {"cp437", CODEC_SINGLE, "CP437", NULL},
    {"cp500", CODEC_SINGLE, "IBM500", NULL}, /* EBCDIC: nobody's mail, but SpamAssassin reads it */
    {"cp850", CODEC_SINGLE, "CP850", NULL},
    {"cp852", CODEC_SINGLE, "CP852", NULL},
    {"cp855", CODEC_SINGLE, "CP855", NULL},
    {"cp858", CODEC_SINGLE, "CP858", NULL},
    {"cp862", CODEC_SINGLE, "CP862", NULL},
    {"cp866", CODEC_SINGLE, "CP866", NULL},
    {"cp874", CODEC_SINGLE, "CP874", NULL},
    {"koi8-r", CODEC_SINGLE, "KOI8-R", NULL},
    {"koi8-u", CODEC_SINGLE, "KOI8-U", NULL},
    {"macintosh", CODEC_SINGLE, "MACINTOSH", NULL},
    {"x-mac-cyrillic", CODEC_SINGLE, "MAC-CYRILLIC", NULL},
    {"x-mac-ce", CODEC_SINGLE, "MAC-CENTRALEUROPE", NULL},
    {"viscii", CODEC_SINGLE, "VISCII", NULL},
    {"shift_jis", CODEC_DOUBLE, "SJIS", NULL},
    {"windows-31j", CODEC_DOUBLE, "CP932", NULL},
    {"euc-jp", CODEC_DOUBLE, "EUC-JP", "EUC-JISX0213"},
    {"euc-kr", CODEC_DOUBLE, "EUC-KR", NULL},
    {"windows-949", CODEC_DOUBLE, "CP949", NULL},
    {"gb2312", CODEC_DOUBLE, "GB2312", NULL},
    {"gbk", CODEC_DOUBLE, "CP936", "GB18030"},
    {"big5", CODEC_DOUBLE, "BIG5", "BIG5-HKSCS"},
    {"big5-hkscs", CODEC_DOUBLE, "BIG5-HKSCS", NULL},
    {"johab", CODEC_DOUBLE, "JOHAB", NULL},
    {"iso-2022-jp", CODEC_JIS, NULL, NULL},
    {"iso-2022-kr", CODEC_KR, NULL, NULL},
    {"hz-gb-2312", CODEC_HZ, NULL, NULL},
    {"utf-7", CODEC_UTF7, NULL, NULL},
};

enum { CODEC_CNT = sizeof(specs) / sizeof(specs[0]) };

struct charset_set {
    struct charset_codec codecs[CODEC_CNT];
};

/* Where Encode's table says something else than glibc's; 0: no character. */
static const struct {
    const char *name;
    uint16_t octets, code;
} fixes[] = {
    {"shift_jis", 0x5c, 0x5c},     {"shift_jis", 0x7e, 0x7e},
    {"johab", 0x5c, 0x5c},         {"macintosh", 0x7f, 0},
    {"macintosh", 0xc6, 0x2206},   {"macintosh", 0xf0, 0xf8ff},
    {"x-mac-cyrillic", 0x7f, 0},   {"x-mac-cyrillic", 0xff, 0x20ac},
    {"x-mac-ce", 0x7f, 0},         {"windows-31j", 0x80, 0x80},
    {"windows-31j", 0xa0, 0xf8f0}, {"windows-31j", 0xfd, 0xf8f1},
    {"windows-31j", 0xfe, 0xf8f2}, {"windows-31j", 0xff, 0xf8f3},
    {"windows-949", 0x80, 0x80},   {"windows-949", 0xff, 0xf8f7},
    {"gbk", 0xff, 0xf8f5},         {"big5", 0x80, 0},
    {"big5-hkscs", 0x80, 0},       {"euc-kr", 0xa2e8, 0},
    {"big5", 0xa2cc, 0x3038},      {"big5", 0xa2cd, 0x3039},
    {"big5", 0xa2ce, 0x303a},      {"big5", 0xc255, 0x5f5e},
    {"johab", 0xd9e8, 0},
};

/* ---- iconv ---- */

/* The one character of the basic plane that the octets are; 0: none. */
static uint16_t
ask(iconv_t cd, const uint8_t *octets, size_t len)
{
    char in[4], out[16];
    char *ip = in, *op = out;
    size_t in_left = len, out_left = sizeof(out);

    memcpy(in, octets, len);
    iconv(cd, NULL, NULL, NULL, NULL);
    if (iconv(cd, &ip, &in_left, &op, &out_left) == (size_t)-1 || in_left ||
        iconv(cd, NULL, NULL, &op, &out_left) == (size_t)-1 || sizeof(out) - out_left != 2)
        return 0;
    return (uint16_t)((uint8_t)out[0] << 8 | (uint8_t)out[1]);
}

static bool
fill_single(struct charset_codec *c, iconv_t cd)
{
    c->single = calloc(256, sizeof(*c->single));
    if (!c->single)
        return false;
    for (unsigned i = 0; i < 256; i++) {
        uint8_t octet = (uint8_t)i;
        uint16_t u = ask(cd, &octet, 1);
        bool is_c1 = c->kind == CODEC_DOUBLE && i >= 0x80 && u == i; /* glibc's, not Encode's */
        if ((u || !i) && !is_c1)
            c->single[i] = pack_char(u);
    }
    return true;
}

static bool
fill_pairs(struct charset_codec *c, iconv_t cd, bool is_first)
{
    bool is_big5 = !strcmp(c->name, "big5");

    if (!c->pair)
        c->pair = calloc(PAIR_CNT, sizeof(*c->pair));
    if (!c->pair)
        return false;
    for (unsigned i = 0; i < PAIR_CNT; i++) {
        uint8_t octets[2] = {(uint8_t)(128 + i / 256), (uint8_t)i};
        uint16_t old = c->pair[i];
        bool is_private = old >= 0xe000 && old < 0xf900;
        if (c->single[octets[0]] || (is_first || !is_big5 ? old != 0 : !is_private))
            continue;
        uint16_t u = ask(cd, octets, 2);
        if (u)
            c->pair[i] = u;
    }
    return true;
}

/* Two rows of CP949 that glibc leaves out. */
static void
fill_private(struct charset_codec *c)
{
    for (unsigned i = 0; i < 94; i++) {
        c->pair[(0xc9 - 128) * 256 + 0xa1 + i] = (uint16_t)(0xe000 + i);
        c->pair[(0xfe - 128) * 256 + 0xa1 + i] = (uint16_t)(0xe05e + i);
    }
}

static bool
fill_triples(struct charset_codec *c, iconv_t cd)
{
    if (!c->triple)
        c->triple = calloc(TRIPLE_CNT, sizeof(*c->triple));
    if (!c->triple)
        return false;
    for (unsigned i = 0; i < TRIPLE_CNT; i++) {
        uint8_t octets[3] = {0x8f, (uint8_t)(128 + i / 128), (uint8_t)(128 + i % 128)};
        if (!c->triple[i])
            c->triple[i] = ask(cd, octets, 3);
    }
    return true;
}

static void
fix(struct charset_codec *c)
{
    for (size_t i = 0; i < sizeof(fixes) / sizeof(fixes[0]); i++) {
        if (strcmp(fixes[i].name, c->name) != 0)
            continue;
        uint16_t octets = fixes[i].octets, code = fixes[i].code;
        if (octets < 256)
            c->single[octets] = code ? pack_char(code) : 0;
        else
            c->pair[octets - 0x8000] = code;
    }
}

static void
note_leads(struct charset_codec *c)
{
    for (unsigned i = 0; i < PAIR_CNT; i++) {
        if (c->pair[i])
            c->is_lead[i / 256] = true;
    }
}

static bool
fill_from(struct charset_codec *c, const char *name, bool is_first)
{
    iconv_t cd = iconv_open("UTF-16BE", name);
    if (cd == (iconv_t)-1) {
        fprintf(stderr, "charset: iconv does not know %s (is libc's gconv there?)\n", name);
        return false;
    }
    bool ok = !is_first || fill_single(c, cd);
    if (ok && c->kind == CODEC_DOUBLE)
        ok = fill_pairs(c, cd, is_first) && (strcmp(c->name, "euc-jp") != 0 || fill_triples(c, cd));
    iconv_close(cd);
    return ok;
}

static bool
fill(struct charset_codec *c, const struct spec *s)
{
    c->name = s->name;
    c->kind = s->kind;
    c->is_ascii_safe = s->kind == CODEC_UTF8;
    if (!s->iconv)
        return true;
    if (!fill_from(c, s->iconv, true) || (s->fill && !fill_from(c, s->fill, false)))
        return false;
    fix(c);
    if (!strcmp(c->name, "windows-949"))
        fill_private(c);
    if (c->pair)
        note_leads(c);
    c->is_ascii_safe = true;
    for (uint32_t i = 0; i < 0x7f; i++) /* DEL in Apple's sets is no character; nobody means it */
        c->is_ascii_safe = c->is_ascii_safe && c->single[i] == pack_char(i);
    return true;
}

struct charset_set *
charset_set_new(void)
{
    struct charset_set *set = calloc(1, sizeof(*set));

    for (size_t i = 0; set && i < CODEC_CNT; i++) {
        if (!fill(&set->codecs[i], &specs[i])) {
            charset_set_free(set);
            return NULL;
        }
    }
    for (size_t i = 0; set && i < CODEC_CNT; i++) {
        struct charset_codec *c = &set->codecs[i];
        c->base = c->kind == CODEC_JIS  ? charset_own(set, "euc-jp")
                  : c->kind == CODEC_KR ? charset_own(set, "euc-kr")
                  : c->kind == CODEC_HZ ? charset_own(set, "gb2312")
                                        : NULL;
    }
    return set;
}

void
charset_set_free(struct charset_set *set)
{
    for (size_t i = 0; set && i < CODEC_CNT; i++) {
        free(set->codecs[i].single);
        free(set->codecs[i].pair);
        free(set->codecs[i].triple);
    }
    free(set);
}

const struct charset_codec *
charset_own(const struct charset_set *set, const char *name)
{
    size_t i = 0;

    while (i + 1 < CODEC_CNT && strcmp(set->codecs[i].name, name) != 0)
        i++;
    return &set->codecs[i];
}
