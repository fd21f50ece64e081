/* SpamAssassin's way to read Content-Type (Util.pm, parse_content_type): what rules were written against. */
#include <string.h>

#include "scan/mime_facts.h"
#include "scan/octet.h"

static bool
starts_with(struct span s, const char *lower_text)
{
    size_t len = strlen(lower_text);
    if (s.len < len)
        return false;
    for (size_t i = 0; i < len; i++)
        if (octet_lower(s.ptr[i]) != (uint8_t)lower_text[i])
            return false;
    return true;
}

static bool
is_text_word(struct span s)
{
    return starts_with(s, "text") && (s.len == 4 || !octet_is_word(s.ptr[4]));
}

static bool
is_text_kept(struct span s)
{
    static const char *const kept[] = { "text/x-vcard", "text/calendar", "text/html" };
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        if (s.len == strlen(kept[i]) && starts_with(s, kept[i]))
            return true;
    return false;
}

/* Octets that a type cannot have. */
static bool
is_dropped(uint8_t c)
{
    return c <= ' ' || c >= 0x7f || c == '"' || c == '(' || c == ')' || c == ',' ||
           (c >= ':' && c <= '@') || (c >= '[' && c <= ']');
}

/* The leading "something/something" of a value. */
static struct span
type_span(struct span v)
{
    while (v.len && octet_is_space(v.ptr[0]))
        v.ptr++, v.len--;
    const uint8_t *end = v.len ? memchr(v.ptr, ';', v.len) : NULL;
    if (end)
        v.len = (size_t)(end - v.ptr);
    const uint8_t *slash = v.len ? memchr(v.ptr, '/', v.len) : NULL;
    if (!slash || slash == v.ptr)
        return v;
    size_t len = (size_t)(slash - v.ptr) + 1;
    while (len < v.len && v.ptr[len] != '/' && !octet_is_space(v.ptr[len]))
        len++;
    v.len = len;
    return v;
}

void
mime_type_of(struct span value, char *out, size_t out_size)
{
    struct span type = type_span(value);
    if (!type.len || (is_text_word(type) && !is_text_kept(type)))
        type = (struct span){ (const uint8_t *)"text/plain", 10 };
    size_t len = 0;
    for (size_t i = 0; i < type.len && len + 1 < out_size; i++)
        if (!is_dropped(type.ptr[i]))
            out[len++] = (char)octet_lower(type.ptr[i]);
    out[len] = '\0';
}

/* The value behind "=" at `at`: an opening quote, what is before ";", a closing quote. */
static struct span
param_value(struct span v, size_t at)
{
    while (at < v.len && octet_is_space(v.ptr[at]))
        at++;
    if (at < v.len && (v.ptr[at] == '"' || v.ptr[at] == '\''))
        at++;
    size_t end = at;
    while (end < v.len && v.ptr[end] != ';')
        end++;
    if (end > at && (v.ptr[end - 1] == '"' || v.ptr[end - 1] == '\''))
        end--;
    return (struct span){ v.ptr + at, end - at };
}

bool
mime_type_param(struct span value, const char *name, struct span *out)
{
    size_t name_len = strlen(name);
    bool is_name = !strcmp(name, "name");
    for (size_t i = 0; i + name_len < value.len; i++) {
        if (!starts_with((struct span){ value.ptr + i, value.len - i }, name))
            continue;
        bool is_start = !i || !octet_is_word(value.ptr[i - 1]);
        bool is_filename = is_name && i >= 4 &&
                           starts_with((struct span){value.ptr + i - 4, 4}, "file") &&
                           (i == 4 || !octet_is_word(value.ptr[i - 5]));
        size_t at = i + name_len;
        while (at < value.len && octet_is_space(value.ptr[at]))
            at++;
        if ((is_start || is_filename) && at < value.len && value.ptr[at] == '=') {
            *out = param_value(value, at + 1);
            return true;
        }
    }
    return false;
}

bool
mime_charset_is_caps(struct span charset)
{
    static const char *const caps[] = { "koi", "jp", "jis", "euc", "gb", "big5", "isoir",
                                        "cp1251", "windows-1251", "georgianps", "pt154", "tis" };
    for (size_t i = 0; i < charset.len; i++)
        if (!octet_is_word(charset.ptr[i]) && charset.ptr[i] != '-')
            return false;
    for (size_t i = 0; i < charset.len; i++)
        for (size_t j = 0; j < sizeof(caps) / sizeof(caps[0]); j++)
            if (starts_with((struct span){ charset.ptr + i, charset.len - i }, caps[j]))
                return true;
    return false;
}
