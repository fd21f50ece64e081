/* rule_suffix: does a pattern ask for nothing but the end of a domain? `/\.co\.uk$/`, `/\@.*\.xyz\b/i`,
 * `/^https?:\/\/[^\/]+\.top\//`. Such a rule is about a country or a registry, not about a sender. */
#include <string.h>

#include "scan/rule_list.h"

/* One octet that the pattern means literally, as `\.` or `a`: how many octets of pattern it takes, 0 for none. */
static size_t
literal(const char *text, size_t len, char *ch)
{
    if (len >= 2 && text[0] == '\\' && strchr(".-_/@", text[1])) {
        *ch = text[1];
        return 2;
    }
    if (len >= 1 && ((text[0] >= 'a' && text[0] <= 'z') || (text[0] >= 'A' && text[0] <= 'Z') ||
                     (text[0] >= '0' && text[0] <= '9') || text[0] == '-')) {
        *ch = (char)(text[0] >= 'A' && text[0] <= 'Z' ? text[0] + 32 : text[0]);
        return 1;
    }
    return 0;
}

/* Takes one of these endings off the pattern. */
static bool
take_end(const char *text, size_t *len)
{
    static const char *const ends[] = { "(?:$|\\/)", "(?:\\/|$)", "(?:/|$)", "(?:$|/)", "\\/?$", ">?$",
                                        "\\b",        "\\/",       "\\z",     "\\Z",      "$" };
    for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
        size_t end_len = strlen(ends[i]);
        if (*len > end_len && !memcmp(text + *len - end_len, ends[i], end_len)) {
            *len -= end_len;
            return true;
        }
    }
    return false;
}

/* Takes one thing off the front that says nothing about which address it is. */
static bool
take_wildcard(const char *text, size_t *at, size_t len)
{
    static const char *const fronts[] = { "^",  "\\b", "\\@", "@",   ".*",  ".+",  ".*?",   ".+?",  "https?://",
                                          "\\S", "\\w", "*",   "+",  "?",   ":\\/\\/", "https?:\\/\\/" };
    size_t best = 0;
    for (size_t i = 0; i < sizeof(fronts) / sizeof(*fronts); i++) {
        size_t front = strlen(fronts[i]);
        if (front > best && front <= len - *at && !memcmp(text + *at, fronts[i], front))
            best = front;
    }
    if (best == 0 && *at < len && text[*at] == '[') { /* a class: [^\/]+ */
        const char *close = memchr(text + *at + 1, ']', len - *at - 1);
        best = close ? (size_t)(close - text) + 1 - *at : 0;
    }
    *at += best;
    return best > 0;
}

bool
rule_suffix_claim(const struct rule *r, char *suffix, size_t size)
{
    if ((r->kind != RULE_HEADER && r->kind != RULE_URI) || r->is_negated || r->is_extended || !r->text)
        return false;
    size_t len = r->text_len;
    size_t at = 0;
    if (!take_end(r->text, &len))
        return false;
    while (at < len && take_wildcard(r->text, &at, len))
        continue;
    size_t out = 0;
    bool has_dot = false;
    for (size_t taken; at < len; at += taken) {
        char ch = 0;
        taken = literal(r->text + at, len - at, &ch);
        if (taken == 0 || ch == '_' || ch == '/' || ch == '@' || out + 1 >= size)
            return false;
        if (!has_dot && ch != '.') /* it begins with a label, so it may be one sender's */
            return false;
        if (has_dot)
            suffix[out++] = ch;
        has_dot = true;
    }
    suffix[out] = 0;
    /* co.uk and the like; three labels are a name that somebody has. */
    const char *dot = strchr(suffix, '.');
    return out > 1 && (!dot || (!strchr(dot + 1, '.') && strlen(dot + 1) == 2 && dot - suffix <= 3));
}
