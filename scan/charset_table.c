/* charset_table: the sets that mail uses, their names, and their tables, filled through iconv at set-up. */
#include <iconv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan/charset_private.h"

/* Name of ours, kind, iconv's name, and iconv's name of what is asked where the first knows nothing. */
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
    {"big5", CODEC_DOUBLE, "BIG5", NULL},
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
    {"shift_jis", 0x5c, 0x5c},    {"shift_jis", 0x7e, 0x7e},   {"johab", 0x5c, 0x5c},
    {"macintosh", 0x7f, 0},       {"macintosh", 0xc6, 0x2206}, {"macintosh", 0xf0, 0xf8ff},
    {"x-mac-cyrillic", 0x7f, 0},  {"x-mac-cyrillic", 0xff, 0x20ac}, {"x-mac-ce", 0x7f, 0},
    {"windows-31j", 0x80, 0x80},  {"windows-31j", 0xa0, 0xf8f0}, {"windows-31j", 0xfd, 0xf8f1},
    {"windows-31j", 0xfe, 0xf8f2}, {"windows-31j", 0xff, 0xf8f3}, {"windows-949", 0x80, 0x80},
    {"windows-949", 0xff, 0xf8f7}, {"gbk", 0xff, 0xf8f5},       {"big5", 0x80, 0},
    {"big5-hkscs", 0x80, 0},      {"euc-kr", 0xa2e8, 0},       {"johab", 0xd9e8, 0},
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
fill_pairs(struct charset_codec *c, iconv_t cd)
{
    if (!c->pair)
        c->pair = calloc(PAIR_CNT, sizeof(*c->pair));
    if (!c->pair)
        return false;
    for (unsigned i = 0; i < PAIR_CNT; i++) {
        uint8_t octets[2] = {(uint8_t)(128 + i / 256), (uint8_t)i};
        if (!c->single[octets[0]] && !c->pair[i])
            c->pair[i] = ask(cd, octets, 2);
    }
    return true;
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
        ok = fill_pairs(c, cd) && (strcmp(c->name, "euc-jp") != 0 || fill_triples(c, cd));
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

/* ---- names ---- */

/* What Encode::Alias takes, without "-", "_" and blanks. '^' first: only as the whole name, else also
 * behind a word boundary ("x-sjis"). '*' last: anything may follow. */
static const struct {
    const char *alias, *name;
} aliases[] = {
    {"^usascii", "us-ascii"}, {"^ascii", "us-ascii"}, {"646", "us-ascii"}, {"iso646", "us-ascii"},
    {"646us", "us-ascii"}, {"iso646us", "us-ascii"}, {"ansix3.41968", "us-ascii"},
    {"utf8", "utf-8"}, {"^utf8strict", "utf-8"}, {"cp65001", "utf-8"},
    {"^utf7", "utf-7"}, {"^unicode11utf7", "utf-7"}, {"cp65000", "utf-7"},
    {"^ucs2le", "utf-16le"}, {"^ucs2be", "utf-16be"}, {"^ucs2", "utf-16be"}, {"^iso106461", "utf-16be"},
    {"^utf32le", "utf-32le"}, {"^ucs4le", "utf-32le"}, {"^utf32be", "utf-32be"}, {"^ucs4be", "utf-32be"},
    {"iso88591", "iso-8859-1"}, {"latin1", "iso-8859-1"}, {"isolatin1", "iso-8859-1"},
    {"iso88592", "iso-8859-2"}, {"latin2", "iso-8859-2"}, {"isolatin2", "iso-8859-2"},
    {"iso88593", "iso-8859-3"}, {"latin3", "iso-8859-3"}, {"isolatin3", "iso-8859-3"},
    {"iso88594", "iso-8859-4"}, {"latin4", "iso-8859-4"}, {"isolatin4", "iso-8859-4"},
    {"iso88595", "iso-8859-5"}, {"^cyrillic", "iso-8859-5"},
    {"iso88596", "iso-8859-6"}, {"^arabic", "iso-8859-6"},
    {"iso88597", "iso-8859-7"}, {"^greek", "iso-8859-7"},
    {"iso88598", "iso-8859-8"}, {"^hebrew", "iso-8859-8"},
    {"iso88599", "iso-8859-9"}, {"latin5", "iso-8859-9"}, {"isolatin5", "iso-8859-9"},
    {"iso885910", "iso-8859-10"}, {"latin6", "iso-8859-10"}, {"isolatin6", "iso-8859-10"},
    {"iso885911", "iso-8859-11"}, {"^thai", "iso-8859-11"}, {"tis620*", "iso-8859-11"},
    {"iso885913", "iso-8859-13"}, {"latin7", "iso-8859-13"},
    {"iso885914", "iso-8859-14"}, {"latin8", "iso-8859-14"},
    {"iso885915", "iso-8859-15"}, {"latin9", "iso-8859-15"}, {"isolatin9", "iso-8859-15"},
    {"iso885916", "iso-8859-16"}, {"latin10", "iso-8859-16"},
    {"winlatin1", "windows-1252"}, {"winlatin2", "windows-1250"}, {"wincyrillic", "windows-1251"},
    {"wingreek", "windows-1253"}, {"winturkish", "windows-1254"}, {"winhebrew", "windows-1255"},
    {"winarabic", "windows-1256"}, {"winbaltic", "windows-1257"}, {"winvietnamese", "windows-1258"},
    {"koi8r", "koi8-r"}, {"koi8u", "koi8-u"},
    {"^macintosh", "macintosh"}, {"^macroman", "macintosh"}, {"^xmacroman", "macintosh"},
    {"^maccyrillic", "x-mac-cyrillic"}, {"^xmaccyrillic", "x-mac-cyrillic"},
    {"^macce", "x-mac-ce"}, {"^xmacce", "x-mac-ce"}, {"^maccentraleurroman", "x-mac-ce"},
    {"^viscii", "viscii"}, {"^johab", "johab"},
    {"shiftjis", "shift_jis"}, {"sjis", "shift_jis"}, {"windows31j", "windows-31j"},
    {"eucjp", "euc-jp"}, {"ujis", "euc-jp"}, {"jpeuc", "euc-jp"},
    {"euckr", "euc-kr"}, {"kreuc", "euc-kr"}, {"uhc", "windows-949"}, {"ksc56011987", "windows-949"},
    {"euccn", "gb2312"}, {"cneuc", "gb2312"}, {"gb2312*", "gb2312"}, {"^gbk", "gbk"},
    {"big5", "big5"}, {"big5et", "big5"}, {"big5eten", "big5"}, {"tcabig5", "big5"},
    {"big5hk", "big5-hkscs"}, {"big5hkscs", "big5-hkscs"}, {"hkbig5", "big5-hkscs"}, {"hkscsbig5", "big5-hkscs"},
    {"^iso2022jp", "iso-2022-jp"}, {"^iso2022jp1", "iso-2022-jp"}, {"jis", "iso-2022-jp"}, {"^7bitjis", "iso-2022-jp"},
    {"^iso2022kr", "iso-2022-kr"}, {"^hz", "hz-gb-2312"},
};

/* Numbers behind cp, ibm, ms, windows. */
static const struct {
    const char *number, *name;
} pages[] = {
    {"1250", "windows-1250"}, {"1251", "windows-1251"}, {"1252", "windows-1252"}, {"1253", "windows-1253"},
    {"1254", "windows-1254"}, {"1255", "windows-1255"}, {"1256", "windows-1256"}, {"1257", "windows-1257"},
    {"1258", "windows-1258"}, {"437", "cp437"}, {"500", "cp500"}, {"850", "cp850"}, {"852", "cp852"},
    {"855", "cp855"}, {"858", "cp858"}, {"862", "cp862"}, {"866", "cp866"}, {"874", "cp874"},
    {"932", "windows-31j"}, {"936", "gbk"}, {"949", "windows-949"}, {"950", "big5"},
};

const struct charset_codec *
charset_own(const struct charset_set *set, const char *name)
{
    size_t i = 0;

    while (i + 1 < CODEC_CNT && strcmp(set->codecs[i].name, name) != 0)
        i++;
    return &set->codecs[i];
}

static const char *
page_name(const char *squashed)
{
    static const char *const makers[] = {"cp", "ibm", "ms", "windows"};

    for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++) {
        size_t n = strlen(makers[i]);
        if (strncmp(squashed, makers[i], n) != 0)
            continue;
        for (size_t k = 0; k < sizeof(pages) / sizeof(pages[0]); k++) {
            if (!strcmp(squashed + n, pages[k].number))
                return pages[k].name;
        }
    }
    return NULL;
}

static const char *
alias_name(const char *squashed, bool is_whole)
{
    for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
        const char *a = aliases[i].alias;
        size_t n = strcspn(a, "*");
        if (*a == '^' && !is_whole)
            continue;
        if (*a == '^') {
            a++;
            n--;
        }
        if (!strncmp(squashed, a, n) && (!squashed[n] || a[n] == '*'))
            return aliases[i].name;
    }
    return page_name(squashed);
}

static bool
is_separator(uint8_t c)
{
    return c == '-' || c == '_' || c == ' ' || c == '\t';
}

/* name[i..] in lower case, without separators. */
static void
squash(struct span name, size_t i, char *out)
{
    for (; i < name.len; i++) {
        uint8_t c = name.ptr[i];
        if (!is_separator(c))
            *out++ = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    *out = '\0';
}

static bool
is_word(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

const struct charset_codec *
charset_find(const struct charset_set *set, struct span name)
{
    char squashed[CHARSET_NAME_MAX + 1];

    if (name.len > CHARSET_NAME_MAX)
        return NULL;
    for (size_t i = 0; i < name.len; i++) {
        if (i && (is_word(name.ptr[i - 1]) || !is_word(name.ptr[i])))
            continue; /* names are looked for at word boundaries */
        squash(name, i, squashed);
        const char *own = alias_name(squashed, i == 0);
        if (own)
            return charset_own(set, own);
    }
    return NULL;
}
