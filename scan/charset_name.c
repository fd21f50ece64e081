/* charset_name: which set a mail means. The names and their spelling are Encode::Alias's. */
#include <string.h>

#include "scan/charset_private.h"
#include "scan/octet.h"

/* What Encode::Alias takes, without "-", "_" and blanks. '^' first: only as the whole name, else
 * also behind a word boundary ("x-sjis"). '*' last: anything may follow. */
static const struct {
    const char *alias, *name;
} aliases[] = {
    {"^usascii", "us-ascii"},
    {"^ascii", "us-ascii"},
    {"646", "us-ascii"},
    {"iso646", "us-ascii"},
    {"646us", "us-ascii"},
    {"iso646us", "us-ascii"},
    {"ansix3.41968", "us-ascii"},
    {"utf8", "utf-8"},
    {"^utf8strict", "utf-8"},
    {"cp65001", "utf-8"},
    {"^utf7", "utf-7"},
    {"^unicode11utf7", "utf-7"},
    {"cp65000", "utf-7"},
    {"^ucs2le", "utf-16le"},
    {"^ucs2be", "utf-16be"},
    {"^ucs2", "utf-16be"},
    {"^iso106461", "utf-16be"},
    {"^utf32le", "utf-32le"},
    {"^ucs4le", "utf-32le"},
    {"^utf32be", "utf-32be"},
    {"^ucs4be", "utf-32be"},
    {"iso88591", "iso-8859-1"},
    {"latin1", "iso-8859-1"},
    {"isolatin1", "iso-8859-1"},
    {"iso88592", "iso-8859-2"},
    {"latin2", "iso-8859-2"},
    {"isolatin2", "iso-8859-2"},
    {"iso88593", "iso-8859-3"},
    {"latin3", "iso-8859-3"},
    {"isolatin3", "iso-8859-3"},
    {"iso88594", "iso-8859-4"},
    {"latin4", "iso-8859-4"},
    {"isolatin4", "iso-8859-4"},
    {"iso88595", "iso-8859-5"},
    {"^cyrillic", "iso-8859-5"},
    {"iso88596", "iso-8859-6"},
    {"^arabic", "iso-8859-6"},
    {"iso88597", "iso-8859-7"},
    {"^greek", "iso-8859-7"},
    {"iso88598", "iso-8859-8"},
    {"^hebrew", "iso-8859-8"},
    {"iso88599", "iso-8859-9"},
    {"latin5", "iso-8859-9"},
    {"isolatin5", "iso-8859-9"},
    {"iso885910", "iso-8859-10"},
    {"latin6", "iso-8859-10"},
    {"isolatin6", "iso-8859-10"},
    {"iso885911", "iso-8859-11"},
    {"^thai", "iso-8859-11"},
    {"tis620*", "iso-8859-11"},
    {"iso885913", "iso-8859-13"},
    {"latin7", "iso-8859-13"},
    {"iso885914", "iso-8859-14"},
    {"latin8", "iso-8859-14"},
    {"iso885915", "iso-8859-15"},
    {"latin9", "iso-8859-15"},
    {"isolatin9", "iso-8859-15"},
    {"iso885916", "iso-8859-16"},
    {"latin10", "iso-8859-16"},
    {"winlatin1", "windows-1252"},
    {"winlatin2", "windows-1250"},
    {"wincyrillic", "windows-1251"},
    {"wingreek", "windows-1253"},
    {"winturkish", "windows-1254"},
    {"winhebrew", "windows-1255"},
    {"winarabic", "windows-1256"},
    {"winbaltic", "windows-1257"},
    {"winvietnamese", "windows-1258"},
    {"koi8r", "koi8-r"},
    {"koi8u", "koi8-u"},
    {"^macintosh", "macintosh"},
    {"^macroman", "macintosh"},
    {"^xmacroman", "macintosh"},
    {"^maccyrillic", "x-mac-cyrillic"},
    {"^xmaccyrillic", "x-mac-cyrillic"},
    {"^macce", "x-mac-ce"},
    {"^xmacce", "x-mac-ce"},
    {"^maccentraleurroman", "x-mac-ce"},
    {"^viscii", "viscii"},
    {"^johab", "johab"},
    {"shiftjis", "shift_jis"},
    {"sjis", "shift_jis"},
    {"windows31j", "windows-31j"},
    {"eucjp", "euc-jp"},
    {"ujis", "euc-jp"},
    {"jpeuc", "euc-jp"},
    {"euckr", "euc-kr"},
    {"kreuc", "euc-kr"},
    {"uhc", "windows-949"},
    {"ksc56011987", "windows-949"},
    {"euccn", "gb2312"},
    {"cneuc", "gb2312"},
    {"gb2312*", "gb2312"},
    {"^gbk", "gbk"},
    {"big5", "big5"},
    {"big5et", "big5"},
    {"big5eten", "big5"},
    {"tcabig5", "big5"},
    {"big5hk", "big5-hkscs"},
    {"big5hkscs", "big5-hkscs"},
    {"hkbig5", "big5-hkscs"},
    {"hkscsbig5", "big5-hkscs"},
    {"^iso2022jp", "iso-2022-jp"},
    {"^iso2022jp1", "iso-2022-jp"},
    {"jis", "iso-2022-jp"},
    {"^7bitjis", "iso-2022-jp"},
    {"^iso2022kr", "iso-2022-kr"},
    {"^hz", "hz-gb-2312"},
};

/* Numbers behind cp, ibm, ms, windows. */
static const struct {
    const char *number, *name;
} pages[] = {
    {"1250", "windows-1250"}, {"1251", "windows-1251"}, {"1252", "windows-1252"},
    {"1253", "windows-1253"}, {"1254", "windows-1254"}, {"1255", "windows-1255"},
    {"1256", "windows-1256"}, {"1257", "windows-1257"}, {"1258", "windows-1258"},
    {"437", "cp437"},         {"500", "cp500"},         {"850", "cp850"},
    {"852", "cp852"},         {"855", "cp855"},         {"858", "cp858"},
    {"862", "cp862"},         {"866", "cp866"},         {"874", "cp874"},
    {"932", "windows-31j"},   {"936", "gbk"},           {"949", "windows-949"},
    {"950", "big5"},
};

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

static bool
alias_fits(const char *alias, const char *squashed, bool is_whole)
{
    if (*alias == '^') {
        if (!is_whole)
            return false;
        alias++;
    }
    while (*alias && *alias == *squashed) {
        alias++;
        squashed++;
    }
    return *alias == '*' || (!*alias && !*squashed);
}

static const char *
alias_name(const char *squashed, bool is_whole)
{
    for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
        if (alias_fits(aliases[i].alias, squashed, is_whole))
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

const struct charset_codec *
charset_find(const struct charset_set *set, struct span name)
{
    char squashed[CHARSET_NAME_MAX + 1];

    if (name.len > CHARSET_NAME_MAX)
        return NULL;
    for (size_t i = 0; i < name.len; i++) {
        if (i && (octet_is_word(name.ptr[i - 1]) || !octet_is_word(name.ptr[i])))
            continue; /* names are looked for at word boundaries */
        squash(name, i, squashed);
        const char *own = alias_name(squashed, i == 0);
        if (own)
            return charset_own(set, own);
    }
    return NULL;
}
