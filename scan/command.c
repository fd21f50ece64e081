#include "scan/command.h"

#include <string.h>
#include <strings.h>

#include "scan/limits.h"

static const char *const names[VERB_CNT] = {
    [VERB_UNKNOWN] = "?",         [VERB_EHLO] = "EHLO",       [VERB_HELO] = "HELO",
    [VERB_LHLO] = "LHLO",         [VERB_MAIL] = "MAIL",       [VERB_RCPT] = "RCPT",
    [VERB_DATA] = "DATA",         [VERB_BDAT] = "BDAT",       [VERB_RSET] = "RSET",
    [VERB_NOOP] = "NOOP",         [VERB_VRFY] = "VRFY",       [VERB_EXPN] = "EXPN",
    [VERB_HELP] = "HELP",         [VERB_QUIT] = "QUIT",       [VERB_AUTH] = "AUTH",
    [VERB_STARTTLS] = "STARTTLS", [VERB_XCLIENT] = "XCLIENT", [VERB_XFORWARD] = "XFORWARD",
    [VERB_XEXCH50] = "XEXCH50",   [VERB_ETRN] = "ETRN",       [VERB_TURN] = "TURN",
};

const char *
verb_name(enum verb v)
{
    return (unsigned)v < VERB_CNT ? names[v] : "?";
}

/* What servers that use isspace() take for blanks: "\fDATA" must not pass as an unknown command. */
static bool
is_blank(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct span
skip(struct span s, size_t n)
{
    return (struct span){s.ptr + n, s.len - n};
}

static struct span
skip_blanks(struct span s)
{
    while (s.len > 0 && is_blank(s.ptr[0]))
        s = skip(s, 1);
    return s;
}

static struct span
trim_end(struct span s)
{
    while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

/* Takes the token up to the next blank off *s. */
static struct span
take_token(struct span *s)
{
    struct span token = {s->ptr, 0};

    while (token.len < s->len && !is_blank(s->ptr[token.len]))
        token.len++;
    *s = skip(*s, token.len);
    return token;
}

static bool
equals(struct span s, const char *word)
{
    return s.len == strlen(word) && strncasecmp((const char *)s.ptr, word, s.len) == 0;
}

/* Octets up to `end` outside quoted strings and quoted pairs; s.len when there is none. */
static size_t
unquoted(struct span s, uint8_t end)
{
    bool in_quotes = false;

    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '\\')
            i++;
        else if (s.ptr[i] == '"')
            in_quotes = !in_quotes;
        else if (s.ptr[i] == end && !in_quotes)
            return i;
    }
    return s.len;
}

/* RFC 5321 4.1.2: a source route is `@one,@two:`, to be accepted and ignored. */
static struct span
without_route(struct span path)
{
    size_t colon;

    if (path.len == 0 || path.ptr[0] != '@')
        return path;
    colon = unquoted(path, ':');
    return colon < path.len ? skip(path, colon + 1) : path;
}

/* RFC 5321 4.1.2 esmtp-param: keyword["="value], the value printable and without "=". "=" inside
 * values occurs (ENVID, AUTH) and is let pass. */
static bool
params_valid(struct span s)
{
    for (s = skip_blanks(s); s.len > 0; s = skip_blanks(s)) {
        struct span token = take_token(&s);

        for (size_t i = 0; i < token.len && token.ptr[i] != '='; i++) {
            uint8_t c = token.ptr[i];
            bool is_alnum = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');

            if (!is_alnum && !(c == '-' && i > 0))
                return false;
        }
        if (token.ptr[0] == '=')
            return false;
    }
    return true;
}

/* "FROM:" or "TO:", then the path and parameters. */
static void
parse_path(struct command *c, struct span s, const char *keyword)
{
    size_t word = strlen(keyword);
    size_t end;

    c->is_valid = false;
    s = skip_blanks(s);
    if (s.len >= word && strncasecmp((const char *)s.ptr, keyword, word) == 0) {
        s = skip(s, word);
        if (s.len > 0 && s.ptr[0] == ':')
            c->is_valid = true;
        s = skip_blanks(s);
        if (s.len > 0 && s.ptr[0] == ':')
            s = skip(s, 1);
    }
    s = skip_blanks(s);
    if (s.len > 0 && s.ptr[0] == '<') {
        s = skip(s, 1);
        end = unquoted(s, '>');
        c->path = without_route((struct span){s.ptr, end});
        if (end == s.len) {
            c->is_valid = false;
            s = skip(s, end);
        } else {
            s = skip(s, end + 1);
        }
        if (s.len > 0 && !is_blank(s.ptr[0]))
            c->is_valid = false;
    } else {
        struct span token = s;

        c->is_valid = false;
        token.len = unquoted(s, ' ');
        c->path = without_route(token);
        s = skip(s, token.len);
    }
    if (c->path.len > PATH_LEN_MAX)
        c->is_valid = false;
    c->params = trim_end(skip_blanks(s));
    c->has_params = c->params.len > 0;
    if (!params_valid(c->params))
        c->is_valid = false;
}

/* RFC 3030 2: "BDAT" SP chunk-size [ SP "LAST" ]. Where the octets of a chunk end hangs on this line,
 * so only what every server reads alike is valid: no signs, no hex, no leftovers, blanks are spaces. */
static void
parse_bdat(struct command *c, struct span s)
{
    struct span size, last, rest = skip_blanks(s);
    uint64_t n = 0;

    c->is_valid = false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < ' ')
            return;
    }
    size = take_token(&rest);
    rest = skip_blanks(rest);
    last = take_token(&rest);
    rest = skip_blanks(rest);
    if (size.len == 0 || size.len > 10 || rest.len > 0)
        return;
    for (size_t i = 0; i < size.len; i++) {
        if (size.ptr[i] < '0' || size.ptr[i] > '9')
            return;
        n = n * 10 + (uint64_t)(size.ptr[i] - '0');
    }
    if (n > BDAT_SIZE_MAX || (last.len > 0 && !equals(last, "LAST")))
        return;
    c->is_valid = true;
    c->is_last = last.len > 0;
    c->size = (uint32_t)n;
}

static enum verb
find_verb(struct span token)
{
    for (unsigned v = VERB_UNKNOWN + 1; v < VERB_CNT; v++) {
        if (equals(token, names[v]))
            return (enum verb)v;
    }
    return VERB_UNKNOWN;
}

struct command
command_parse(struct span line)
{
    struct command c = {.is_valid = true};
    struct span rest = skip_blanks(line);
    bool has_indent = rest.len != line.len;
    struct span token = take_token(&rest);

    c.verb = find_verb(token);
    c.params = trim_end(skip_blanks(rest));
    switch (c.verb) {
    case VERB_MAIL:
        parse_path(&c, rest, "FROM");
        break;
    case VERB_RCPT:
        parse_path(&c, rest, "TO");
        break;
    case VERB_BDAT:
        parse_bdat(&c, rest);
        if (has_indent) {
            /* Some servers skip the blanks, some do not know " BDAT": then its octets are commands. */
            c.is_valid = false;
            c.size = 0;
        }
        break;
    case VERB_DATA:
    case VERB_RSET:
    case VERB_QUIT:
    case VERB_STARTTLS:
    case VERB_TURN:
        c.is_valid = c.params.len == 0;
        break;
    case VERB_EHLO:
    case VERB_HELO:
    case VERB_LHLO:
    case VERB_VRFY:
    case VERB_EXPN:
    case VERB_AUTH:
    case VERB_ETRN:
    case VERB_XCLIENT:
    case VERB_XFORWARD:
        c.is_valid = c.params.len > 0;
        break;
    case VERB_XEXCH50:
        c.is_valid = false;
        break;
    case VERB_UNKNOWN:
    case VERB_NOOP:
    case VERB_HELP:
    case VERB_CNT:
        break;
    }
    if (has_indent && c.verb != VERB_UNKNOWN)
        c.is_valid = false;
    return c;
}

struct span
command_attribute(struct span params, const char *name)
{
    size_t len = strlen(name);

    for (params = skip_blanks(params); params.len > 0; params = skip_blanks(params)) {
        struct span token = take_token(&params);

        if (token.len > len && token.ptr[len] == '=' &&
            strncasecmp((const char *)token.ptr, name, len) == 0)
            return skip(token, len + 1);
    }
    return (struct span){NULL, 0};
}
