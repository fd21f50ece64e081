/* Finds URLs in a line as SpamAssassin's _tbirdurire does: at each place the leftmost of three forms.
 *
 * No form spans a delimiter (blank, quote, angle, brace, bracket), and each holds ":", "." or "@". So the line
 * is searched for these three, and only the word around one is read; every octet of a word belongs to at most
 * one candidate of each form, or a limit of the form ends the reading. */
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "scan/url_private.h"

enum class {
    END = 1 << 0,   /* ends any form */
    MAIL = 1 << 1,  /* ends an address: END and , ( ' and all that is not ASCII */
    START = 1 << 2, /* a form may begin behind it */
    BARE = 1 << 3,  /* a bare host name may begin behind it */
    WORD = 1 << 4,  /* \w */
    NAME = 1 << 5,  /* of a bare host name */
    TRAIL = 1 << 6  /* not at the end of a URL in a sentence */
};

/* The most octets of the forms. */
enum { FORM_LEN_MAX = 2048, ADDRESS_LEN_MAX = 251, NAME_LEN_MAX = 252, PORT_LEN_MAX = 5 };

#define SPACE (END | MAIL | START | BARE)
#define LETTER (WORD | NAME)

/* clang-format off */
static const uint8_t classes[256] = {
    ['\t'] = SPACE, ['\n'] = SPACE, ['\v'] = SPACE, ['\f'] = SPACE, ['\r'] = SPACE, [' '] = SPACE,
    [0x1b] = SPACE, ['<'] = SPACE, ['>'] = SPACE, ['"'] = SPACE, ['`'] = SPACE, ['{'] = SPACE,
    ['['] = SPACE, ['|'] = SPACE,
    ['}'] = END | MAIL | BARE, [']'] = END | MAIL | BARE,
    ['\''] = MAIL | START | BARE | TRAIL, [','] = MAIL | START | BARE | TRAIL,
    ['('] = MAIL | START | BARE | TRAIL,
    ['!'] = BARE | TRAIL, ['#'] = BARE | TRAIL, ['&'] = BARE | TRAIL, [')'] = BARE | TRAIL,
    ['*'] = BARE | TRAIL, ['+'] = BARE | TRAIL, [':'] = BARE | TRAIL, [';'] = BARE | TRAIL,
    ['='] = BARE | TRAIL, ['?'] = BARE | TRAIL, ['@'] = BARE | TRAIL, ['^'] = BARE | TRAIL,
    ['~'] = BARE | TRAIL, ['$'] = BARE, ['/'] = BARE, ['\\'] = BARE,
    ['.'] = NAME | TRAIL, ['-'] = NAME | TRAIL, ['_'] = LETTER | TRAIL,
    ['0' ... '9'] = LETTER, ['A' ... 'Z'] = LETTER, ['a' ... 'z'] = LETTER,
    [0x80 ... 0x9f] = MAIL, [0xa0] = SPACE, [0xa1 ... 0xff] = MAIL,
};
/* clang-format on */

enum form { FORM_NONE, FORM_SCHEME, FORM_MAIL, FORM_BARE };

/* A line being read, and the word in it. */
struct reader {
    struct span line;
    size_t word_end;
    size_t stop;     /* first MAIL or "@" at or behind where it was asked for */
    size_t mail_end; /* first MAIL behind that */
    const struct suffix_set *set;
};

static bool
is_class(const struct reader *r, size_t i, enum class c)
{
    return classes[r->line.ptr[i]] & c;
}

/* The first ":", "." or "@" at or behind i; line.len: none. */
static size_t
next_candidate(struct span line, size_t i)
{
#ifdef __SSE2__
    const __m128i colon = _mm_set1_epi8(':'), dot = _mm_set1_epi8('.'), at = _mm_set1_epi8('@');
    for (; i + 64 <= line.len; i += 64) {
        __m128i any = _mm_setzero_si128();
        for (size_t k = 0; k < 64; k += 16) {
            __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(line.ptr + i + k));
            any = _mm_or_si128(any, _mm_or_si128(_mm_cmpeq_epi8(v, at),
                                                 _mm_or_si128(_mm_cmpeq_epi8(v, colon),
                                                              _mm_cmpeq_epi8(v, dot))));
        }
        if (_mm_movemask_epi8(any))
            break;
    }
    for (; i + 16 <= line.len; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(line.ptr + i));
        __m128i any = _mm_or_si128(_mm_cmpeq_epi8(v, at),
                                   _mm_or_si128(_mm_cmpeq_epi8(v, colon), _mm_cmpeq_epi8(v, dot)));
        int mask = _mm_movemask_epi8(any);
        if (mask)
            return i + (size_t)__builtin_ctz((unsigned)mask);
    }
#endif
    for (; i < line.len; i++) {
        uint8_t c = line.ptr[i];
        if (c == ':' || c == '.' || c == '@')
            break;
    }
    return i;
}

/* May a form begin at i: at the edge of a word (\b), behind a delimiter, or behind ISO 2022's "ESC ( x"? */
static bool
may_begin(const struct reader *r, size_t i)
{
    const uint8_t *p = r->line.ptr;

    if (!i)
        return is_class(r, i, WORD);
    if (is_class(r, i - 1, START) || is_class(r, i, WORD) != is_class(r, i - 1, WORD))
        return true;
    return i >= 3 && p[i - 3] == 0x1b && p[i - 2] == '(' && p[i - 1] != '\n';
}

/* The length of what makes a URL of the text at i: "http://", "www2."; 0: nothing does. */
static size_t
scheme_len(struct span s)
{
    switch (s.ptr[0] | 0x20) {
    case 'h':
        return url_begins(s, "http://") ? 7 : url_begins(s, "https://") ? 8 : 0;
    case 'f':
        return url_begins(s, "ftp://") ? 6 : url_begins(s, "ftp.") ? 4 : 0;
    case 'w':
        if (!url_begins_www(s))
            return 0;
        return s.ptr[3] == '.' ? 4 : s.ptr[4] == '.' ? 5 : 6;
    default:
        return 0;
    }
}

/* Each of the following: where the form that begins at i ends; i if it is none. */

static size_t
scheme_end(const struct reader *r, size_t i)
{
    struct span s = {r->line.ptr + i, r->word_end - i};
    size_t len = scheme_len(s);

    return len && s.len > len && s.len - len <= FORM_LEN_MAX ? r->word_end : i;
}

/* The first MAIL (or "@") at or behind i, else the word's end. */
static size_t
skip_to_mail(const struct reader *r, size_t i)
{
    while (i < r->word_end && !is_class(r, i, MAIL))
        i++;
    return i;
}

static size_t
skip_to_stop(const struct reader *r, size_t i)
{
    while (i < r->word_end && !is_class(r, i, MAIL) && r->line.ptr[i] != '@')
        i++;
    return i;
}

static size_t
find_mail_end(struct reader *r, size_t i)
{
    if (r->mail_end < i)
        r->mail_end = skip_to_mail(r, i);
    return r->mail_end;
}

static size_t
address_end(struct reader *r, size_t i)
{
    struct span s = {r->line.ptr + i, r->word_end - i};

    if ((s.ptr[0] | 0x20) == 'm' && url_begins(s, "mailto:")) {
        size_t start = i + 7, end = find_mail_end(r, start);
        if (end > start && end - start <= FORM_LEN_MAX)
            return end;
    }
    if (r->stop < i)
        r->stop = skip_to_stop(r, i);
    if (r->stop == r->word_end || r->line.ptr[r->stop] != '@' || r->stop == i ||
        r->stop - i > ADDRESS_LEN_MAX)
        return i;
    size_t start = r->stop + 1, end = find_mail_end(r, start);
    return end > start && end - start <= ADDRESS_LEN_MAX ? end : i;
}

/* Optional ":port" and "/path" up to the word's end. */
static bool
is_tail(const struct reader *r, size_t i)
{
    const uint8_t *p = r->line.ptr;

    if (i < r->word_end && p[i] == ':') {
        size_t start = ++i;
        while (i < r->word_end && url_is_digit(p[i]))
            i++;
        if (i == start || i - start > PORT_LEN_MAX)
            return false;
    }
    if (i == r->word_end)
        return true;
    return p[i] == '/' && r->word_end - i > 1 && r->word_end - i - 1 <= FORM_LEN_MAX;
}

/* *host_end: where the host name ends, before its dot, port, path. */
static size_t
bare_end(const struct reader *r, size_t i, size_t *host_end)
{
    const uint8_t *p = r->line.ptr;
    size_t name_end = i, dot;

    if ((i && !is_class(r, i - 1, BARE)) || !url_is_alnum(p[i]))
        return i;
    while (name_end < r->word_end && is_class(r, name_end, NAME))
        name_end++;
    *host_end = p[name_end - 1] == '.' ? name_end - 1 : name_end;
    for (dot = *host_end; dot > i && (url_is_alnum(p[dot - 1]) || p[dot - 1] == '-'); dot--)
        ;
    if (dot <= i + 1 || p[dot - 1] != '.' || dot - 1 - i > NAME_LEN_MAX)
        return i;
    if (!is_tail(r, name_end) || !suffix_is_tld(r->set, (struct span){p + dot, *host_end - dot}))
        return i;
    return r->word_end;
}

/* Cuts what readers do not take as part of a link: from ")" on if nothing opened it, marks of a sentence. */
static struct span
trim(struct span s)
{
    const uint8_t *open = memchr(s.ptr, '(', s.len);
    const uint8_t *close = memrchr(s.ptr, ')', open ? (size_t)(open - s.ptr) : s.len);

    if (close)
        s.len = (size_t)(close - s.ptr);
    while (s.len && classes[s.ptr[s.len - 1]] & TRAIL)
        s.len--;
    return s;
}

/* "http:", "http:/", "mailto:": nothing behind it. */
static bool
is_empty_url(struct span s)
{
    size_t i = 0;

    while (i < s.len && classes[s.ptr[i]] & WORD)
        i++;
    if (!i || i >= s.len || s.ptr[i++] != ':')
        return false;
    for (size_t slashes = 0; slashes < 2 && i < s.len && s.ptr[i] == '/'; slashes++)
        i++;
    return i == s.len;
}

static bool
has_path_before_at(struct span s)
{
    const uint8_t *slash = memchr(s.ptr, '/', s.len), *at = memrchr(s.ptr, '@', s.len);

    return slash && at && at > slash + 1;
}

/* "skype:", "email:", "e-mail:", "mail:" or just ":" before an address is a misparse. */
static struct span
without_label(struct span s)
{
    static const char *const labels[] = {"skype", "email", "e-mail", "mail", "-mail", ""};

    for (size_t k = 0; k < sizeof(labels) / sizeof(labels[0]); k++) {
        size_t i = strlen(labels[k]);
        if (!url_begins(s, labels[k]) || i >= s.len || s.ptr[i] != ':')
            continue;
        while (i < s.len && s.ptr[i] == ':')
            i++;
        return url_from(s, i);
    }
    return s;
}

/* Is there a dot at least two octets behind the first "@", and nothing of HTML? */
static bool
is_plausible_address(struct span s)
{
    const uint8_t *at = memchr(s.ptr, '@', s.len);
    size_t off = (size_t)(at - s.ptr) + 2;

    return off < s.len && url_has(url_from(s, off), '.') && !memmem(s.ptr, s.len, "&nbsp;", 6);
}

/* Appends s with the scheme that it lacks. The types for it; 0: it is no URL. */
static uint32_t
put_with_scheme(struct url_buf *out, struct span s)
{
    uint32_t types = URL_PARSED | URL_SCHEMELESS;

    if (url_begins(s, "http:") || url_begins(s, "https:") || url_begins(s, "ftp:") ||
        url_begins(s, "mailto:")) {
        types = URL_PARSED;
    } else if (url_begins(s, "ftp.")) {
        url_puts(out, "ftp://");
    } else if (url_begins_www(s) || has_path_before_at(s)) {
        url_puts(out, "http://");
    } else if (url_has(s, '@')) {
        if (!is_plausible_address(s))
            return 0;
        s = without_label(s);
        url_puts(out, "mailto:");
    } else {
        if (!url_has(s, '.'))
            return 0;
        url_puts(out, "http://");
        types |= URL_UNLINKED;
    }
    url_put_span(out, s);
    return types;
}

/* Does the address name a host under a known top-level domain? Escapes are undone first. */
static bool
check_address(struct urls *u, struct url_buf *url)
{
    if (url_has_escape(url_buf_span(url))) {
        struct url_buf plain;
        url_buf_init(&plain);
        url_put_unescaped(&plain, url_buf_span(url));
        url->len = 0;
        url_put_span(url, url_buf_span(&plain));
    }
    struct span host = url_buf_span(url);
    const uint8_t *at = memchr(host.ptr, '@', host.len);
    if (!at)
        return false;
    host = url_from(host, (size_t)(at - host.ptr) + 1);
    size_t len = 0;
    while (len < host.len && host.ptr[len] != '?' && host.ptr[len] != '&' && host.ptr[len] != '>')
        len++;
    while (len >= 3 && !memcmp(host.ptr + len - 3, "%20", 3))
        len -= 3;
    return url_has_tld(u->set, (struct span){host.ptr, len});
}

static void
add_found(struct urls *u, enum form form, struct span found, struct span host)
{
    struct url_buf url;
    struct span s = trim(found);

    if (!s.len || (form == FORM_MAIL && !url_has(s, '@')) || (form == FORM_BARE && !host_is_fqdn(host)))
        return;
    if (url_begins(s, "cid:") || url_begins(s, "mid:") || is_empty_url(s))
        return;
    url_buf_init(&url);
    uint32_t types = put_with_scheme(&url, s);
    if (!types || (url_begins(url_buf_span(&url), "mailto:") && !check_address(u, &url)))
        return;
    url_add(u, url_buf_span(&url), types, true);
}

static void
read_word(struct urls *u, struct reader *r, size_t start)
{
    for (size_t i = start; i < r->word_end;) {
        size_t end, host_end = i;
        enum form form = FORM_NONE;
        if (!may_begin(r, i)) {
            i++;
            continue;
        }
        if ((end = scheme_end(r, i)) > i)
            form = FORM_SCHEME;
        else if ((end = address_end(r, i)) > i)
            form = FORM_MAIL;
        else if ((end = bare_end(r, i, &host_end)) > i)
            form = FORM_BARE;
        if (form != FORM_NONE)
            add_found(u, form, (struct span){r->line.ptr + i, end - i},
                      (struct span){r->line.ptr + i, host_end - i});
        i = form == FORM_NONE ? i + 1 : end;
    }
}

void
urls_text(struct urls *u, struct span line)
{
    struct reader r = {.line = line, .set = u->set};

    for (size_t i = 0; (i = next_candidate(line, i)) < line.len; i = r.word_end) {
        size_t start = i;
        while (start > r.word_end && !is_class(&r, start - 1, END))
            start--;
        r.word_end = i;
        while (r.word_end < line.len && !is_class(&r, r.word_end, END))
            r.word_end++;
        r.stop = skip_to_stop(&r, start);
        r.mail_end = skip_to_mail(&r, start);
        read_word(u, &r, start);
    }
}
