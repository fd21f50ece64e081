/* regex: the delimiters and flags around a pattern, read as SpamAssassin reads them (Util.pm,
 * compile_regexp): the end delimiter is the last one, and no other may stand unescaped inside, unless the
 * delimiters are a pair. */
#include <hs/hs.h>
#include <string.h>

#include "scan/rule_list.h"

static bool
is_word(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* Reads the opening delimiter. Returns its length with m or qr, 0 if there is none. */
static size_t
open_delimiter(const char *text, size_t len, char *close)
{
    if (len > 0 && text[0] == '/') {
        *close = '/';
        return 1;
    }
    size_t at = len > 1 && text[0] == 'm' ? 1 : len > 2 && !memcmp(text, "qr", 2) ? 2 : 0;
    if (at == 0 || is_word(text[at]) || text[at] == '\\' || text[at] == ' ' || text[at] == '\t')
        return 0;
    static const char pairs[] = "{}()<>[]";
    const char *pair = strchr(pairs, text[at]);
    bool is_opening = pair && *pair && (pair - pairs) % 2 == 0;
    *close = is_opening ? pair[1] : text[at];
    return at + 1;
}

static bool
fail(size_t off, const char *text, size_t *error_off, const char **error)
{
    *error_off = off;
    *error = text;
    return false;
}

static bool
set_flag(struct regex_literal *out, char flag)
{
    switch (flag) {
    case 'i':
        out->flags |= HS_FLAG_CASELESS;
        return true;
    case 'm':
        out->flags |= HS_FLAG_MULTILINE;
        return true;
    case 's':
        out->flags |= HS_FLAG_DOTALL;
        return true;
    case 'x':
        out->is_extended = true;
        return true;
    case 'a': /* \w and the like mean ASCII: as they do anyway */
    case 'p':
        return true;
    default:
        return false;
    }
}

bool
regex_literal_parse(const char *text, size_t len, struct regex_literal *out, size_t *error_off,
                    const char **error)
{
    char close = 0;
    size_t start = open_delimiter(text, len, &close);
    if (start == 0)
        return fail(0, "a regex in / / or m{ } is expected here", error_off, error);
    size_t end = len;
    while (end > start && text[end - 1] >= 'a' && text[end - 1] <= 'z')
        end--;
    if (end == start || text[end - 1] != close)
        return fail(end, "the regex does not end in its delimiter and flags", error_off, error);
    end--;
    *out = (struct regex_literal){ .off = start, .len = end - start };
    for (size_t i = end + 1; i < len; i++) {
        if (!set_flag(out, text[i]))
            return fail(i, "a regex flag that is not i, m, s or x", error_off, error);
    }
    bool is_escaped = false;
    for (size_t i = start; i < end; i++) {
        if (text[i] == 0)
            return fail(i, "a NUL in the regex", error_off, error);
        if (text[i] == close && !is_escaped && !strchr("})]", close))
            return fail(i, "the delimiter stands unescaped inside the regex", error_off, error);
        is_escaped = text[i] == '\\' && !is_escaped;
    }
    return true;
}

/* %{NAME} or %{NAME(...)}, NAME in capitals, no backslash before: as SpamAssassin's parse_captures reads it. */
static bool
is_template(const char *text, size_t len)
{
    size_t i = 2;
    if (len < 4 || text[0] != '%' || text[1] != '{' || text[i] < 'A' || text[i] > 'Z')
        return false;
    for (; i < len && ((text[i] >= 'A' && text[i] <= 'Z') || (text[i] >= '0' && text[i] <= '9') || text[i] == '_');
         i++) {
        if (text[i] == '_' && (text[i - 1] == '_' || i + 1 == len || !is_word(text[i + 1])))
            return false;
    }
    if (i < len && text[i] == '(') {
        while (i < len && text[i] != ')' && text[i] != '}')
            i++;
        if (i == len || text[i] != ')')
            return false;
        i++;
    }
    return i < len && text[i] == '}';
}

bool
regex_has_template(const char *text, size_t len)
{
    for (size_t i = 0; i + 4 <= len; i++) {
        if (is_template(text + i, len - i) && (i == 0 || text[i - 1] != '\\'))
            return true;
    }
    return false;
}
