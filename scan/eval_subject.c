/* Eval functions about what is written in Subject and other fields. See eval_header.h. */
#include <string.h>

#include "scan/eval_header_private.h"
#include "scan/octet.h"
#include "scan/span_text.h"

/* The octets of a well-formed UTF-8 sequence at s (RFC 3629 4), 0 when it is none. */
static size_t
utf8_len(struct span s)
{
    uint8_t c = s.ptr[0], low = 0x80, high = 0xbf;
    size_t len = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;

    low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : low;
    high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : high;
    if (len == 0 || s.len < len || (len > 1 && (s.ptr[1] < low || s.ptr[1] > high)))
        return 0;
    for (size_t i = 2; i < len; i++) {
        if ((s.ptr[i] & 0xc0) != 0x80)
            return 0;
    }
    return len;
}

static bool
is_utf8(struct span s)
{
    while (s.len > 0) {
        size_t len = utf8_len(s);

        if (len == 0)
            return false;
        s = span_from(s, len);
    }
    return true;
}

struct octet_counts {
    size_t control; /* C0 but tab, line feed, carriage return */
    size_t high;    /* 128..255 */
    size_t del;
    size_t sign;  /* cent, pound, registered in Latin-1 */
    size_t solid; /* not space */
};

static struct octet_counts
count_octets(struct span s)
{
    struct octet_counts n = {.control = 0};

    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.ptr[i];

        n.control += c < 0x20 && c != '\t' && c != '\n' && c != '\r';
        n.high += c >= 0x80;
        n.del += c == 0x7f;
        n.sign += c == 0xa2 || c == 0xa3 || c == 0xae;
        n.solid += !octet_is_space(c);
    }
    return n;
}

/* check_illegal_chars('Subject', ratio, count): octets that a header must not have undeclared. */
int32_t
eval_check_illegal_chars(const struct header_facts *f, const struct eval_args *a)
{
    struct span name = eval_arg(a, 0), value;
    char field[128];
    struct octet_counts n;
    size_t illegal;

    if (span_ends(name, ":raw"))
        name.len -= 4;
    if (name.len == 0 || name.len >= sizeof field)
        return 0;
    memcpy(field, name.ptr, name.len);
    field[name.len] = '\0';
    value = fact_part(f, field, HEADER_PART_RAW);
    n = count_octets(value);
    if (n.solid == 0 || (n.high > 0 && n.control == 0 && is_utf8(value)))
        return 0;
    illegal = n.control + n.high + n.del;
    if (illegal > 0 && n.sign == 1 &&
        span_equal_nocase(name, (struct span){(const uint8_t *)"subject", 7}))
        illegal--;
    return (double)illegal / (double)value.len >= eval_arg_number(a, 1) &&
           (double)illegal >= eval_arg_number(a, 2);
}

/* "Re: ", "AW:", .. at the front go, any number of them. */
static struct span
strip_prefixes(struct span s)
{
    static const char *const marks[] = {
        "Re:", "Fwd:", "Fw:", "Aw:", "Antwort:", "WG:", "SV:", "VB:", "VS:", "VL:"};

    for (unsigned i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        if (!span_starts_nocase(s, marks[i]))
            continue;
        s = span_from(s, strlen(marks[i]));
        while (s.len > 0 && octet_is_space(s.ptr[0]))
            s = span_from(s, 1);
        i = (unsigned)-1; /* from the first mark again */
    }
    return s;
}

static bool
is_charset_char(uint8_t c)
{
    return octet_is_word(c) || c == '-';
}

/* An encoded word in a charset that has no lower case, or whose letters look like capitals. */
static bool
has_caps_charset(struct span raw)
{
    static const char *const parts[] = {"koi",          "jp",         "jis",   "euc",
                                        "gb",           "big5",       "isoir", "cp1251",
                                        "windows-1251", "georgianps", "pt154", "tis"};
    size_t off;

    while (span_find(raw, "=?", &off)) {
        size_t len = 0;

        raw = span_from(raw, off + 2);
        while (len < raw.len && len < 64 && is_charset_char(raw.ptr[len]))
            len++;
        if (len == raw.len || raw.ptr[len] != '?')
            continue;
        for (size_t i = 0; i < len; i++) {
            for (unsigned k = 0; k < sizeof parts / sizeof parts[0]; k++) {
                if (span_starts_nocase(span_cut(raw, i, len - i), parts[k]))
                    return true;
            }
        }
    }
    return false;
}

int32_t
eval_subject_is_all_caps(const struct header_facts *f, const struct eval_args *a)
{
    struct span subject = strip_prefixes(span_trim(fact_value(f, "Subject")));
    bool has_space = false, has_capital = false;

    (void)a;
    for (size_t i = 0; i < subject.len; i++) {
        uint8_t c = subject.ptr[i];

        has_space = has_space || octet_is_space(c);
        has_capital = has_capital || (c >= 'A' && c <= 'Z');
        if (c >= 'a' && c <= 'z')
            return 0;
    }
    return has_space && has_capital && subject.len >= 10 &&
           !has_caps_charset(fact_part(f, "Subject", HEADER_PART_RAW));
}

static bool
is_boundary(struct span s, size_t at)
{
    bool before = at > 0 && octet_is_word(s.ptr[at - 1]);
    bool behind = at < s.len && octet_is_word(s.ptr[at]);

    return before != behind;
}

static bool
has_address(struct span subject, struct span to)
{
    for (size_t i = 0; i + to.len <= subject.len; i++) {
        if (span_starts_span(span_from(subject, i), to, true) && is_boundary(subject, i) &&
            is_boundary(subject, i + to.len))
            return true;
    }
    return false;
}

static bool
is_mark(uint8_t c)
{
    return c != '\0' && strchr(",:;!?-", c) != NULL;
}

/* "user" and nothing behind. */
static bool
is_user(struct span s, struct span user)
{
    return span_equal_nocase(s, user);
}

/* "Re: user", "Fw: word user" */
static bool
is_reply_to_user(struct span s, struct span user)
{
    size_t word = 0;

    if (!span_starts_nocase(s, "re:") && !span_starts_nocase(s, "fw:"))
        return false;
    s = span_from(s, 3);
    while (s.len > 0 && octet_is_space(s.ptr[0]))
        s = span_from(s, 1);
    if (is_user(s, user))
        return true;
    while (word < s.len && octet_is_word(s.ptr[word]))
        word++;
    if (word == 0 || word == s.len || !octet_is_space(s.ptr[word]))
        return false;
    for (s = span_from(s, word); s.len > 0 && octet_is_space(s.ptr[0]);)
        s = span_from(s, 1);
    return is_user(s, user);
}

/* "user, ..", the user as written. */
static bool
is_addressed(struct span s, struct span user)
{
    if (!span_starts_span(s, user, false))
        return false;
    for (s = span_from(s, user.len); s.len > 0 && octet_is_space(s.ptr[0]);)
        s = span_from(s, 1);
    return s.len > 0 && is_mark(s.ptr[0]) && (s.len == 1 || octet_is_space(s.ptr[1]));
}

/* ", user!" */
static bool
is_comma_user(struct span s, struct span user)
{
    if (!span_starts(s, ","))
        return false;
    for (s = span_from(s, 1); s.len > 0 && octet_is_space(s.ptr[0]);)
        s = span_from(s, 1);
    return s.len == user.len + 1 && span_starts_span(s, user, true) && is_mark(s.ptr[user.len]);
}

int32_t
eval_check_for_to_in_subject(const struct header_facts *f, const struct eval_args *a)
{
    struct span to = fact_part(f, "To", HEADER_PART_ADDR), subject = fact_value(f, "Subject");
    const uint8_t *at = to.len == 0 ? NULL : memchr(to.ptr, '@', to.len);

    if (to.len == 0)
        return 0;
    if (eval_arg_is(a, 0, "address"))
        return has_address(subject, to);
    if (!eval_arg_is(a, 0, "user"))
        return 0;
    if (at != NULL)
        to.len = (size_t)(at - to.ptr);
    subject.len -= subject.len > 0 && subject.ptr[subject.len - 1] == '\n';
    return is_reply_to_user(subject, to) || is_addressed(subject, to) || is_user(subject, to) ||
           is_comma_user(subject, to);
}
