/* Received lines that are no TCP handover, or one of which too little is written down, and the way
 * through a line as a whole. See received_private.h. */
#include <string.h>

#include "scan/ip_text.h"
#include "scan/octet.h"
#include "scan/received_private.h"

/* "user@localhost", "localhost": the line's host is this one. */
static bool
is_local_user(struct span s)
{
    const uint8_t *at = s.len == 0 ? NULL : memrchr(s.ptr, '@', s.len);

    return ip_text_is_localhost(at == NULL ? s : span_from(s, (size_t)(at - s.ptr) + 1));
}

/* "word by mx with ..", nothing between: a handover without an address. */
static bool
is_bare(const struct shape *s)
{
    size_t word = span_word_len(s->text);
    struct span after = span_from(s->text, word);

    if (word == 0 || !span_starts(after, " by "))
        return false;
    after = span_from(after, 4);
    after = span_from(after, span_word_len(after));
    if (memchr(s->text.ptr, '@', word) != NULL)
        return after.len > 0;
    return span_starts(after, " with") || span_starts(after, " via") ||
           span_starts(after, " for") || span_starts(after, " (");
}

/* "first with LMTP by ", "first (unverified) by ", "first id x". */
static bool
is_short(const struct shape *s)
{
    struct span rest = span_from(s->text, s->first.len);
    struct span word;
    bool is_clause =
        span_starts(rest, " with ") || span_starts(rest, " via ") || span_starts(rest, " for ");

    if (s->first.len == 0 || rest.len < 2)
        return false;
    if (span_starts(rest, " (unverified) by ") || span_is(rest, " (unverified) by"))
        return true;
    word = span_from(rest, 1 + span_word_len(span_from(rest, 1)) + 1);
    if (is_clause) {
        struct span behind = span_from(word, span_word_len(word));

        return span_starts(behind, " by") && (behind.len == 3 || !octet_is_word(behind.ptr[3]));
    }
    return span_starts(rest, " id ") && word.len > 0 && span_word_len(word) == word.len;
}

/* " (Cyrus v2.3.14) with LMTPA": numbers only, a build's own name makes it unknown. */
static bool
is_cyrus(struct span after)
{
    size_t i = 9;

    if (!span_starts(after, " (Cyrus v"))
        return false;
    while (i < after.len && (after.ptr[i] == '.' || (after.ptr[i] >= '0' && after.ptr[i] <= '9')))
        i++;
    return span_starts(span_from(after, i), ") with LMTPA");
}

/* A comment alone tells. */
static bool
is_local_comment(const struct shape *s)
{
    const struct group *g = &s->group[0];

    if (s->cnt == 0)
        return false;
    if (g->kind == GROUP_OTHER && span_is(g->text, "[unix socket]"))
        return s->is_by_next && is_cyrus(s->after);
    if (span_has(g->text, " [local]"))
        return span_starts(s->after, " (OpenSMTPD) with ");
    if (span_is(g->text, "unknown"))
        return span_starts(s->after, " (SG) with ");
    if (s->first.len == 0 && span_starts(g->text, "AUTH: "))
        return s->is_by_next && span_starts(s->after, " with ");
    if (s->first.len == 0 && g->kind == GROUP_IP && ip_text_is_localhost(g->ip))
        return span_has(s->text, ") with MailEnable ");
    if (span_starts(s->after, " (Content Technologies "))
        return s->is_by_next && s->cnt == 1 && span_word_len(g->text) == g->text.len;
    if (span_is(s->first, "facebook.com") && span_is(s->by, "facebook.com"))
        return span_starts(s->after, " with Thrift id ");
    return span_is(s->first, "127.0.0.1") && span_starts(g->text, "AVG SMTP ");
}

/* The client is this machine: "name (user@localhost) ", "name (user@name [127.0.0.1]) ". */
static bool
is_local_client(const struct shape *s)
{
    const struct group *g = &s->group[0];

    if (s->cnt == 0 || s->first.len == 0)
        return false;
    if (span_starts(s->text, "Unknown/Local (") ||
        span_starts(s->text, "localhost (localhost [[UNIX: localhost]]) by "))
        return true;
    if (g->kind == GROUP_NAME_IP)
        return memchr(g->name.ptr, '@', g->name.len) != NULL && ip_text_is_localhost(g->ip);
    return span_word_len(g->text) == g->text.len && is_local_user(g->text);
}

static bool
is_scanner(const struct shape *s)
{
    size_t close;

    return s->first.len > 0 && s->is_by_next && s->cnt == 0 && span_starts(s->after, " (") &&
           span_find(s->after, ") with qmail-scanner", &close) && close <= 102;
}

/* The rest: products that write lines of their own between two parts of themselves. */
static bool
is_product(const struct shape *s)
{
    return span_has(s->text, "(LSMTP for") ||
           (span_starts(s->text, "[<") && span_has(s->text, " (Jetsend")) ||
           (span_has(s->text, " by gmailapi.google.com with HTTPREST") &&
            span_has(s->text, " named ")) ||
           (span_starts(s->after, " with Novell_GroupWise") &&
            (s->first.len == 0 || memchr(s->first.ptr, '.', s->first.len) == NULL)) ||
           span_starts(s->after, " with local-smtp ") ||
           span_starts(s->after, " with local-esmtp ");
}

enum received_kind
received_local(const struct shape *s)
{
    bool is_mail = s->first.len > 0 && memchr(s->first.ptr, '@', s->first.len) != NULL;

    if (is_scanner(s) && !is_mail)
        return RECEIVED_SCANNER;
    if (is_bare(s) || is_short(s) || is_local_comment(s) || is_local_client(s) || is_product(s))
        return RECEIVED_SKIP;
    return RECEIVED_UNREAD;
}

/* simta: "FROM helo (rdns [ip]) BY mx .. ID id". */
static enum received_kind
read_upper(struct span text, struct handover *h)
{
    struct shape s;
    struct span by, id;
    size_t off;

    received_shape(text, &s);
    if (s.cnt == 0 || s.group[0].kind != GROUP_NAME_IP || s.group[0].extra.len > 0 ||
        !span_find(text, ") BY ", &off) || !span_find(text, " ID ", &off))
        return RECEIVED_UNREAD;
    id = span_from(text, off + (span_starts(span_from(text, off), " ID <") ? 5 : 4));
    id.len = span_word_len(id);
    while (id.len > 0 && (id.ptr[id.len - 1] == '>' || id.ptr[id.len - 1] == ';'))
        id.len--;
    if (!span_find(text, ") BY ", &off) || id.len == 0)
        return RECEIVED_UNREAD;
    by = span_from(text, off + 5);
    h->by = span_cut(by, 0, span_word_len(by));
    h->id = id;
    h->helo = s.first;
    h->ip = s.group[0].ip;
    h->has_lookup = true;
    if (!span_is(s.group[0].name, "unverified"))
        h->rdns = s.group[0].name;
    return RECEIVED_RELAY;
}

/* "(from user@localhost) by mx (8.12.11/Submit)": a local submission; Norton's gateway writes an
 * address. */
static enum received_kind
read_parenthesis(struct span text, struct handover *h)
{
    size_t close = 0, open;
    struct span who, behind;

    if (!span_find(text, ") by ", &close))
        return RECEIVED_UNREAD;
    who = span_cut(text, 0, close);
    behind = span_from(text, close + 5);
    if (span_find(who, " [", &open) && open == span_word_len(who) && who.ptr[who.len - 1] == ']' &&
        ip_text_is(span_cut(who, open + 2, who.len - open - 3)) && span_has(behind, " (NAVGW ")) {
        h->helo = span_cut(who, 0, open);
        h->ip = span_cut(who, open + 2, who.len - open - 3);
        h->by = span_cut(behind, 0, span_word_len(behind));
        return RECEIVED_RELAY;
    }
    if (span_word_len(who) == who.len && span_has(who, "@localhost"))
        return RECEIVED_SKIP;
    who = span_from(behind, 0);
    who.len = span_word_len(who);
    return who.len > 12 && span_is(span_from(who, who.len - 12), "(jqueuemail)") ? RECEIVED_SKIP
                                                                                 : RECEIVED_UNREAD;
}

/* Nothing known fits: an address in brackets and a by are a relay all the same. */
static enum received_kind
read_any(struct span line, struct handover *h)
{
    struct span rest = line;

    for (size_t i = 0; i + 2 < rest.len && h->ip.len == 0; i++) {
        size_t len = rest.ptr[i] == '[' ? ip_text_at(rest, i + 1) : 0;

        if (len > 0 && i + 1 + len < rest.len && rest.ptr[i + 1 + len] == ']')
            h->ip = span_cut(rest, i + 1, len);
    }
    return h->ip.len > 0 && h->by.len > 0 ? RECEIVED_RELAY : RECEIVED_UNREAD;
}

static enum received_kind
read_from(struct span line, struct handover *h)
{
    struct span text = span_from(line, 5);
    enum received_kind kind;
    struct shape s;

    received_shape(text, &s);
    kind = received_form(&s, h);
    if (kind == RECEIVED_UNREAD)
        kind = received_local(&s);
    if (kind != RECEIVED_UNREAD)
        return kind;
    if (h->helo.len == 0 && s.first.len > 0 && s.first.len < text.len)
        h->helo = s.first;
    return read_any(text, h);
}

/* "from name by mx;" and a date: too little, but for an address. */
static bool
is_minimal(struct span line)
{
    struct span name = span_from(line, 5), by, tail;
    bool is_address;
    size_t i;

    if (!span_starts_nocase(line, "from "))
        return false;
    name.len = span_word_len(name);
    by = span_from(line, 5 + name.len);
    if (name.len == 0 || !span_starts_nocase(by, " by "))
        return false;
    by = span_from(by, 4);
    for (i = 0; i < by.len && by.ptr[i] != ' ' && by.ptr[i] != ';'; i++)
        ;
    tail = span_from(by, i);
    if (i == 0 || !(span_starts(tail, ";") || span_starts(tail, " ;")))
        return false;
    is_address = name.len > 2 && name.ptr[0] == '[' && name.ptr[name.len - 1] == ']';
    for (i = 1; i + 1 < name.len && is_address; i++)
        is_address = name.ptr[i] == '.' || (name.ptr[i] >= '0' && name.ptr[i] <= '9');
    return !is_address;
}

static bool
has_local_for(struct span line)
{
    struct span rest = line;
    size_t off;

    while (span_find(rest, "with local for", &off)) {
        const uint8_t *at = rest.ptr + off;

        rest = span_from(rest, off + 14);
        if ((at == line.ptr || !octet_is_word(at[-1])) &&
            (rest.len == 0 || !octet_is_word(rest.ptr[0])))
            return true;
    }
    return false;
}

enum received_kind
received_read(struct span line, struct handover *h)
{
    if (!span_starts_nocase(line, "from ") && !span_starts_nocase(line, "(from "))
        return RECEIVED_SKIP;
    received_clauses(line, h);
    if (span_starts(line, "from "))
        return read_from(line, h);
    if (span_starts(line, "FROM ")) {
        enum received_kind kind = read_upper(span_from(line, 5), h);

        return kind == RECEIVED_UNREAD ? read_any(line, h) : kind;
    }
    if (span_starts(line, "(from ")) {
        enum received_kind kind = read_parenthesis(span_from(line, 6), h);

        return kind == RECEIVED_UNREAD ? read_any(span_from(line, 6), h) : kind;
    }
    return read_any(line, h);
}

bool
received_is_ignored(struct span line)
{
    return has_local_for(line) || is_minimal(line);
}
