#include "scan/list_private.h"

#include <string.h>

/* A set of positions in the pattern: what may be matched next. Every position is looked at once for each octet of
 * text, so no text and no pattern makes it run away, which trying one "*" after the other does. */
struct places {
    uint8_t at[LIST_ENTRY_MAX + 1];
};

static bool
matches_octet(uint8_t pattern, uint8_t text)
{
    return pattern == '?' ? text != '\n' : pattern == text;
}

static bool
star_takes(uint8_t text, enum list_glob how)
{
    return text != '\n' && (how != LIST_GLOB_LABEL || text != '.');
}

/* A "*" may match nothing: what is behind it may be next, too. */
static void
pass_stars(struct places *p, struct span pattern)
{
    for (size_t i = 0; i < pattern.len; i++)
        if (p->at[i] && pattern.ptr[i] == '*')
            p->at[i + 1] = 1;
}

static void
step(struct places *p, struct span pattern, uint8_t text, enum list_glob how)
{
    uint8_t before = 0;
    for (size_t i = 0; i <= pattern.len; i++) {
        uint8_t at = p->at[i];
        bool stays = i < pattern.len && pattern.ptr[i] == '*' && at && star_takes(text, how);
        bool comes = before && pattern.ptr[i - 1] != '*' && matches_octet(pattern.ptr[i - 1], text);
        p->at[i] = stays || comes;
        before = at;
    }
}

static bool
run(struct span pattern, struct span text, enum list_glob how)
{
    struct places p;
    memset(p.at, 0, pattern.len + 1);
    p.at[0] = 1;
    pass_stars(&p, pattern);
    for (size_t i = 0; i < text.len; i++) {
        if (how == LIST_GLOB_WITHIN && p.at[pattern.len])
            return true;
        step(&p, pattern, list_lower(text.ptr[i]), how);
        if (how == LIST_GLOB_WITHIN)
            p.at[0] = 1;
        pass_stars(&p, pattern);
    }
    return p.at[pattern.len];
}

/* Takes the ends of the pattern that have no "*" off both. False when they differ from the text's. */
static bool
trim_ends(struct span *pattern, struct span *text)
{
    while (pattern->len && pattern->ptr[0] != '*') {
        if (!text->len || !matches_octet(pattern->ptr[0], list_lower(text->ptr[0])))
            return false;
        pattern->ptr++, pattern->len--;
        text->ptr++, text->len--;
    }
    while (pattern->len && pattern->ptr[pattern->len - 1] != '*') {
        if (!text->len ||
            !matches_octet(pattern->ptr[pattern->len - 1], list_lower(text->ptr[text->len - 1])))
            return false;
        pattern->len--;
        text->len--;
    }
    return true;
}

bool
list_glob_matches(struct span pattern, struct span text, enum list_glob how)
{
    if (pattern.len > LIST_ENTRY_MAX)
        return false;
    if (text.len > LIST_KEY_MAX)
        text.len = LIST_KEY_MAX;
    if (how == LIST_GLOB_WITHIN)
        return run(pattern, text, how);
    if (!trim_ends(&pattern, &text))
        return false;
    return pattern.len ? run(pattern, text, how) : !text.len;
}
