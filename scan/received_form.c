/* Which shape of which product means what. See received_private.h.
 *
 * Forms are tried in order: products that give themselves away and put words in places of their own
 * come first, then the families (sendmail, qmail, ..), then whatever names an address at all. A
 * form sets only what it knows; what the clauses found elsewhere in the line stays. */
#include <string.h>

#include "scan/ip_text.h"
#include "scan/octet.h"
#include "scan/received_form_private.h"

/* "1.2.3.4 ([1.2.3.4]) by webmail (IMP) with HTTP" */
static enum received_kind
form_http(const struct shape *s, struct handover *h)
{
    if (!span_has(s->text, "with HTTP") || !ip_text_is(s->first) || !s->is_by_next || s->cnt != 1 ||
        !shape_is_bare_bracket(s, 0) || s->by.len == 0)
        return RECEIVED_UNREAD;
    return handover_take(h, s->first, s->by);
}

/* "IDENT:user@name" and "user@name": RFC 1413's answer stands before the name. */
static void
split_ident(struct handover *h)
{
    const uint8_t *at;
    bool is_marked = span_starts(h->rdns, "IDENT:");

    for (unsigned i = 0; i < 1u + is_marked; i++) {
        size_t skip = i == 0 && is_marked ? 6 : 0;

        at = h->rdns.len == 0 ? NULL : memchr(h->rdns.ptr, '@', h->rdns.len);
        if (at == NULL)
            return;
        h->ident = span_cut(h->rdns, skip, (size_t)(at - h->rdns.ptr) - skip);
        h->rdns = span_from(h->rdns, (size_t)(at - h->rdns.ptr) + 1);
    }
}

/* "helo (rdns [ip] (may be forged)) (authenticated) by mx (8.12.8)": sendmail. */
static enum received_kind
form_sendmail(const struct shape *s, struct handover *h)
{
    const struct group *g = &s->group[0];

    if (s->first.len == 0 || !shape_is_group(s, 0, GROUP_NAME_IP) || g->has_port ||
        s->by.len == 0 || !s->is_after_paren || !span_starts(s->after, " (") ||
        span_starts(s->after, " (qmail-"))
        return RECEIVED_UNREAD;
    h->has_lookup = true;
    h->rdns = g->name;
    split_ident(h);
    return handover_take_helo(h, s->first, g->ip, s->by);
}

/* "rdns ([ip] helo=helo) by mx with ": Exim that hides its name. */
static enum received_kind
form_exim_unnamed(const struct shape *s, struct handover *h)
{
    const struct group *g = &s->group[0];

    if (s->first.len == 0 || !shape_is_whole(s, 1) || !shape_is_group(s, 0, GROUP_IP) ||
        !g->is_bracketed || g->has_ident || g->has_port || !span_starts(g->extra, " helo=") ||
        span_word_len(span_from(g->extra, 1)) + 1 != g->extra.len ||
        !span_starts(s->after, " with "))
        return RECEIVED_UNREAD;
    h->rdns = s->first;
    return handover_take_helo(h, span_from(g->extra, 6), g->ip, s->by);
}

/* "helo (name[ip]) by mx ": AT&T and others. */
static enum received_kind
form_tight(const struct shape *s, struct handover *h)
{
    const struct group *g = &s->group[0];

    if (s->first.len == 0 || !shape_is_whole(s, 1) || !shape_is_group(s, 0, GROUP_TIGHT) ||
        g->has_port)
        return RECEIVED_UNREAD;
    if (!span_starts(g->name, "<unknown") || g->name.ptr[g->name.len - 1] != '>') {
        h->has_lookup = true;
        h->rdns = g->name;
    }
    return handover_take_helo(h, s->first, g->ip, s->by);
}

/* "helo (ident@[ip]) by mx (8.12.8)": sendmail found no name. */
static enum received_kind
form_sendmail_ident(const struct shape *s, struct handover *h)
{
    const struct group *g = &s->group[0];

    if (s->first.len == 0 || !shape_is_group(s, 0, GROUP_IP) || !g->has_ident || !g->is_bracketed ||
        g->has_port || !s->is_after_paren || !span_starts(s->after, " ("))
        return RECEIVED_UNREAD;
    h->has_lookup = true;
    h->ident = g->ident;
    return handover_take_helo(h, s->first, g->ip, s->by);
}

static enum received_kind
form_hotmail(const struct shape *s, struct handover *h)
{
    static const char tail[] = ".hotmail.msn.com";
    size_t len = sizeof tail - 1;

    if (!shape_has_by(s) || s->by.len <= len || !span_is(span_from(s->by, s->by.len - len), tail))
        return RECEIVED_UNREAD;
    h->by = s->by;
    h->ip = ip_text_is(s->first) ? s->first : h->ip;
    return RECEIVED_RELAY;
}

static bool
is_smtp(struct span after)
{
    return span_starts(after, " with SMTP") || span_starts(after, " with ESMTP");
}

/* What follows by's comment "(..)". */
static struct span
behind_comment(struct span after)
{
    size_t close;

    return span_starts(after, " (") && span_find(after, ")", &close) ? span_from(after, close + 1)
                                                                     : (struct span){NULL, 0};
}

static enum received_kind
take_rdns_helo(const struct shape *s, struct handover *h, const struct group *ip)
{
    h->rdns = s->first;
    return handover_take_helo(h, s->group[0].name, ip->ip, s->by);
}

/* "rdns (HELO helo) (ip)", qpsmtpd's, GMX's with [ip], Zimbra's with LHLO: no word on whether rdns
 * was looked up. */
static enum received_kind
form_helo_pair(const struct shape *s, struct handover *h)
{
    const struct group *g = &s->group[1];
    struct span behind = behind_comment(s->after);
    bool is_pair = s->first.len > 0 && shape_is_whole(s, 2) && !g->has_port && !g->has_ident &&
                   g->extra.len == 0 && span_word_len(s->group[0].name) == s->group[0].name.len;
    bool is_plain = is_pair && g->kind == GROUP_IP && !g->is_bracketed;

    if (is_plain && shape_is_group(s, 0, GROUP_HELO) && span_starts(s->after, " (qpsmtpd/") &&
        is_smtp(behind))
        return take_rdns_helo(s, h, g);
    if (is_plain && shape_is_group(s, 0, GROUP_LHLO) && span_starts(s->after, " with LMTP"))
        return take_rdns_helo(s, h, g);
    if (is_pair && g->kind == GROUP_SQUARE && shape_is_group(s, 0, GROUP_HELO) && is_smtp(behind))
        return take_rdns_helo(s, h, g);
    return RECEIVED_UNREAD;
}

/* "with .. SMTP" or "with .. QMQP" and no " id " behind: qmail does not write ids. */
static bool
is_qmail_protocol(struct span after)
{
    size_t off = 0;

    if (span_starts(after, " (")) {
        if (!span_find(after, ") with ", &off))
            return false;
        after = span_from(after, off + 1);
    }
    if (!span_starts(after, " with "))
        return false;
    for (after = span_from(after, 5); after.len >= 5; after = span_from(after, off)) {
        if ((span_starts(after, " SMTP") || span_starts(after, " QMQP")) &&
            !span_starts(span_from(after, 5), " id "))
            return true;
        off = 1 + span_word_len(span_from(after, 1));
    }
    return false;
}

/* "rdns (HELO helo) (ident@ip) (envelope-sender <x>) by mx with SMTP"; without HELO, it was the
 * rdns. The rdns comes from tcpserver: "unknown" says nothing about a lookup. */
static enum received_kind
form_qmail(const struct shape *s, struct handover *h)
{
    unsigned ip_at = shape_is_group(s, 0, GROUP_HELO) ? 1 : 0;
    const struct group *g = &s->group[ip_at];
    bool has_sender =
        s->cnt == ip_at + 2 && span_starts(s->group[ip_at + 1].text, "envelope-sender <");

    if (s->first.len == 0 || !s->is_by_next || s->by.len == 0 || s->cnt != ip_at + 1 + has_sender ||
        g->kind != GROUP_IP || g->has_port || g->is_spaced || g->extra.len > 0 ||
        !is_qmail_protocol(s->after))
        return RECEIVED_UNREAD;
    if (ip_at == 1 && (span_has(s->group[0].name, " ") || span_has(s->group[0].name, "(")))
        return RECEIVED_UNREAD;
    h->rdns = s->first;
    h->has_lookup = !span_is(s->first, "unknown");
    h->ident = g->ident;
    handover_take_helo(h, ip_at == 1 ? s->group[0].name : s->first, g->ip, s->by);
    if (!h->has_lookup)
        h->rdns = (struct span){NULL, 0};
    return RECEIVED_RELAY;
}

/* "helo ( [ip]) as user by mx ": no telling what the first word is. */
static enum received_kind
form_spaced(const struct shape *s, struct handover *h)
{
    const struct group *g = &s->group[0];

    if (s->first.len == 0 || !shape_is_group(s, 0, GROUP_IP) || !g->is_spaced || !g->is_bracketed ||
        g->has_port || g->extra.len > 0 || !shape_has_by(s))
        return RECEIVED_UNREAD;
    return handover_take(h, g->ip, s->by);
}

/* Nothing before the group: "(helo [ip]) by mx ", "([ip]) by mx ", "(ip) by mx ". */
static enum received_kind
form_nameless(const struct shape *s, struct handover *h)
{
    const struct group *g = &s->group[0];

    if (s->first.len > 0 || !shape_is_whole(s, 1) || g->has_port || g->extra.len > 0)
        return RECEIVED_UNREAD;
    if (g->kind == GROUP_NAME_IP)
        return handover_take_helo(h, g->name, g->ip, s->by);
    return g->kind == GROUP_IP && !g->has_ident && !g->is_spaced ? handover_take(h, g->ip, s->by)
                                                                 : RECEIVED_UNREAD;
}

/* The address of a first word "[ip]" or "[ip]tail". */
static bool
first_bracketed(const struct shape *s, struct span *ip, struct span *tail)
{
    const uint8_t *close =
        s->first.len < 3 || s->first.ptr[0] != '[' ? NULL : memchr(s->first.ptr, ']', s->first.len);

    if (close == NULL)
        return false;
    *ip = span_cut(s->first, 1, (size_t)(close - s->first.ptr) - 1);
    *tail = span_from(s->first, ip->len + 2);
    return ip_text_is(*ip);
}

/* "[ip] by mx " */
static enum received_kind
form_address(const struct shape *s, struct handover *h)
{
    struct span ip, tail;

    if (!shape_is_whole(s, 0) || !first_bracketed(s, &ip, &tail) || tail.len > 0)
        return RECEIVED_UNREAD;
    return handover_take(h, ip, s->by);
}

/* "helo [ip] by mx [ip] with ", "helo [(ip)] by mx (ip) ": MDaemon; the first looks up. */
static enum received_kind
form_mdaemon(const struct shape *s, struct handover *h)
{
    const struct group *g = &s->group[0];
    struct span own = span_from(s->after, 1);
    size_t close;

    if (s->first.len == 0 || !shape_is_whole(s, 1))
        return RECEIVED_UNREAD;
    if (g->kind == GROUP_SQUARE && !g->has_port && g->extra.len == 0 && span_starts(own, "[") &&
        span_find(own, "] with ", &close) && ip_text_is(span_cut(own, 1, close - 1))) {
        h->has_lookup = true;
        return handover_take_helo(h, s->first, g->ip, s->by);
    }
    if (span_starts(g->text, "[(") && span_find(g->text, ")]", &close) &&
        close + 2 == g->text.len && ip_text_is(span_cut(g->text, 2, close - 2)) &&
        span_starts(own, "("))
        return handover_take_helo(h, s->first, span_cut(g->text, 2, close - 2), s->by);
    return RECEIVED_UNREAD;
}

/* "helo [ip] by mx " */
static enum received_kind
form_square(const struct shape *s, struct handover *h)
{
    const struct group *g = &s->group[0];

    if (s->first.len == 0 || !shape_is_whole(s, 1) || g->kind != GROUP_SQUARE || g->has_port ||
        g->extra.len > 0)
        return RECEIVED_UNREAD;
    return handover_take_helo(h, s->first, g->ip, s->by);
}

/* "helo ([ip]) by mx (", "helo ([ip]) .. by mx ", "helo ([ip:port]) .. by mx ": looked up, no name.
 */
static enum received_kind
form_bracket(const struct shape *s, struct handover *h)
{
    const struct group *g = &s->group[0];

    if (s->first.len == 0 || !shape_is_group(s, 0, GROUP_IP) || !g->is_bracketed || g->has_ident ||
        g->is_spaced || g->extra.len > 0 || !shape_has_by(s))
        return RECEIVED_UNREAD;
    h->has_lookup = true;
    return handover_take_helo(h, s->first, g->ip, s->by);
}

/* "helo (rdns [ip]) .. by mx": sendmail's form, by whomever. */
static enum received_kind
form_name_ip(const struct shape *s, struct handover *h)
{
    const struct group *g = &s->group[0];
    struct span by = s->by;

    if (s->first.len == 0 || !shape_is_group(s, 0, GROUP_NAME_IP) || g->has_port ||
        g->extra.len > 0)
        return RECEIVED_UNREAD;
    while (by.len > 0 && !octet_is_word(by.ptr[by.len - 1]))
        by.len--;
    if (by.len == 0)
        return RECEIVED_UNREAD;
    h->has_lookup = !span_is(g->name, "softdnserr"); /* courier: the lookup failed */
    if (h->has_lookup)
        h->rdns = g->name;
    return handover_take_helo(h, s->first, g->ip, by);
}

static enum received_kind
form_fetched(const struct shape *s, struct handover *h)
{
    (void)h;
    return span_has(s->text, "with POP3") || span_has(s->text, "with IMAP") ? RECEIVED_FETCHED
                                                                            : RECEIVED_UNREAD;
}

/* qmail's order with more words before by. */
static enum received_kind
form_qmailish(const struct shape *s, struct handover *h)
{
    unsigned ip_at = shape_is_group(s, 0, GROUP_HELO) ? 1 : 0;
    const struct group *g = &s->group[ip_at];

    if (s->first.len == 0 || !shape_is_group(s, ip_at, GROUP_IP) || g->has_port || g->is_spaced ||
        g->extra.len > 0 || !shape_has_by(s))
        return RECEIVED_UNREAD;
    h->has_lookup = true;
    h->rdns = s->first;
    h->ident = g->ident;
    return handover_take_helo(h, ip_at == 1 ? s->group[0].name : s->first, g->ip, s->by);
}

static enum received_kind
take_rdns(struct handover *h, struct span rdns, struct span ip, struct span by, bool has_lookup)
{
    h->rdns = rdns;
    h->has_lookup = has_lookup;
    return handover_take(h, ip, by);
}

/* smap: "rdns(ip) by mx ", "rdns(ip, HELO helo) by mx via smap "; Obtuse smtpd: "rdns(ip), claiming
 * to be "helo" via SMTP by mx,". The helo of a line that names none may be a clause's. */
static enum received_kind
form_firewall(const struct shape *s, struct handover *h)
{
    const uint8_t *open = s->first.len == 0 ? NULL : memrchr(s->first.ptr, '(', s->first.len);
    size_t name_len = open == NULL ? 0 : (size_t)(open - s->first.ptr), close;
    struct span rdns = span_cut(s->first, 0, name_len), by = s->by, ip, behind;
    bool is_smap = span_starts(s->after, " via smap ");

    behind = span_from(s->text, name_len + 1);
    ip = span_cut(behind, 0, name_len == 0 || behind.len == 0 ? 0 : ip_text_at(behind, 0));
    behind = span_from(behind, ip.len);
    if (ip.len == 0 || by.len == 0)
        return RECEIVED_UNREAD;
    if (span_starts(behind, ") by ") && s->after.len > 0)
        return take_rdns(h, rdns, ip, by, is_smap);
    if (is_smap && (span_starts(behind, ", HELO ") || span_starts(behind, ", EHLO ")) &&
        span_find(behind, ")", &close)) {
        h->helo = span_cut(behind, 7, close - 7);
        return take_rdns(h, rdns, ip, by, true);
    }
    if (!span_starts(behind, ")") || by.ptr[by.len - 1] != ',')
        return RECEIVED_UNREAD;
    by.len--;
    h->helo = (struct span){NULL, 0};
    if (span_starts(behind, "), claiming to be \"")) {
        behind = span_from(behind, 19);
        h->helo = span_cut(behind, 0, span_find(behind, "\"", &close) ? close : 0);
    }
    return take_rdns(h, rdns, ip, by, !span_is(rdns, "UNKNOWN"));
}

/* "rdns (HELO helo) (user@ip with plain) by mx with " */
static enum received_kind
form_yahoo(const struct shape *s, struct handover *h)
{
    const struct group *g = &s->group[s->cnt == 2 ? 1 : 0];

    if (s->first.len == 0 || !s->is_by_next || s->cnt == 0 || s->cnt > 2 || g->kind != GROUP_IP ||
        g->is_bracketed || g->is_spaced || !span_starts(s->after, " with "))
        return RECEIVED_UNREAD;
    if (s->cnt == 2 && shape_is_group(s, 0, GROUP_HELO)) {
        h->has_lookup = true;
        h->ident = g->ident;
        return take_rdns_helo(s, h, g);
    }
    if (s->cnt == 1 && g->has_ident && span_is(g->extra, " with login") &&
        span_has(s->by, ".yahoo.com"))
        return handover_take_helo(h, s->first, g->ip, s->by);
    return RECEIVED_UNREAD;
}

/* "[ip] (account user HELO helo) by mx (", "[ip]:port (HELO helo) by mx ", "ip (HELO helo) by mx ",
 * "[ip] (helo=helo ident=x) by mx ", "ip (Squirrel ..) by mx with ", "ip by mx with ". */
static enum received_kind
form_address_first(const struct shape *s, struct handover *h)
{
    const struct group *g = &s->group[0];
    struct span ip = s->first, tail = {NULL, 0};
    bool is_bracketed = first_bracketed(s, &ip, &tail), is_helo = shape_is_group(s, 0, GROUP_HELO);
    size_t off;

    if (!shape_is_whole(s, s->cnt) || s->cnt > 1 || (!is_bracketed && !ip_text_is(s->first)))
        return RECEIVED_UNREAD;
    if (is_bracketed && s->cnt == 1 && tail.len == 0 && span_starts(s->after, " (") &&
        span_starts(g->text, "account ") && span_find(g->text, " HELO ", &off))
        return handover_take_helo(h, span_from(g->text, off + 6), ip, s->by);
    if (is_helo)
        return handover_take_helo(h, g->name, ip, s->by);
    if (is_bracketed && s->cnt == 1 && tail.len == 0) {
        handover_take_sub(g->text, "helo=", 1, &h->helo);
        handover_take_sub(g->text, "ident=", 0, &h->ident);
        return handover_take(h, ip, s->by);
    }
    if (is_bracketed || (s->cnt == 1 && (g->text.len < 2 || (g->text.ptr[0] | 0x20) < 'a' ||
                                         (g->text.ptr[0] | 0x20) > 'z')))
        return RECEIVED_UNREAD;
    if (span_starts(s->after, " with ") ||
        (s->cnt == 0 && (span_starts(s->after, " (SMTPL") || span_starts(s->after, " (InterScan"))))
        return handover_take(h, ip, s->by);
    return RECEIVED_UNREAD;
}

/* "rdns ([ip] verified) by mx (CommuniGate Pro .." */
static enum received_kind
form_communigate(const struct shape *s, struct handover *h)
{
    const struct group *g = &s->group[0];

    if (s->first.len == 0 || !shape_is_whole(s, 1) || !shape_is_group(s, 0, GROUP_IP) ||
        !g->is_bracketed || g->has_ident || g->has_port)
        return RECEIVED_UNREAD;
    if (span_has(s->text, " (CommuniGate Pro") && span_is(g->extra, " verified") &&
        span_starts(s->after, " (")) {
        h->has_lookup = true;
        h->rdns = s->first;
        return handover_take_helo(h, s->first, g->ip, s->by);
    }
    return RECEIVED_UNREAD;
}

/* What relays_add_originating makes of a webmail's field. */
static enum received_kind
form_originating(const struct shape *s, struct handover *h)
{
    struct span ip = span_from(s->text, 18), none = {NULL, 0};

    return span_starts(s->text, "X-Originating-IP: ") && ip_text_is(ip) ? handover_take(h, ip, none)
                                                                        : RECEIVED_UNREAD;
}

enum received_kind
received_form(const struct shape *s, struct handover *h)
{
    static form_fn *const forms[] = {
        received_product,    form_http,     form_sendmail,    form_exim_unnamed, form_tight,
        form_sendmail_ident, form_hotmail,  form_helo_pair,   form_qmail,        form_spaced,
        form_nameless,       form_address,  form_mdaemon,     form_bracket,      form_name_ip,
        form_fetched,        form_qmailish, form_firewall,    form_yahoo,        form_communigate,
        form_address_first,  form_square,   form_originating,
    };

    for (unsigned i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        enum received_kind kind = forms[i](s, h);

        if (kind != RECEIVED_UNREAD)
            return kind;
    }
    return RECEIVED_UNREAD;
}
