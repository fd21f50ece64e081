/* Products that give themselves away, and put words in places of their own. See
 * received_form_private.h. */
#include <string.h>

#include "scan/ip_text.h"
#include "scan/received_form_private.h"

/* "ip (proxying for ip) (SquirrelMail authenticated user x) by mx with HTTP": the address that
 * stands 10 to 80 octets before "by". */
static enum received_kind
form_squirrelmail(const struct shape *s, struct handover *h)
{
    struct span rest = s->text, ip;

    if ((!span_has(s->text, " (SquirrelMail authenticated user ") &&
         !span_has(s->text, " (NaSMail authenticated user ")) ||
        !span_starts(s->after, " with HTTP") || s->by.len == 0)
        return RECEIVED_UNREAD;
    while (ip_text_find(rest, &ip) && ip.ptr < s->by.ptr) {
        size_t gap = (size_t)(s->by.ptr - ip.ptr) - ip.len;

        if (gap >= 13 && gap <= 83)
            return handover_take(h, ip, s->by);
        rest = span_from(rest, (size_t)(ip.ptr - rest.ptr) + ip.len);
    }
    return RECEIVED_UNREAD;
}

static enum received_kind
form_aol_webmail(const struct shape *s, struct handover *h)
{
    size_t open, close;

    if (!span_has(s->text, "aol.com") || !ip_text_is(s->first) || !shape_is_whole(s, 0) ||
        !span_starts(s->after, " (") || !span_find(s->after, ")", &close) ||
        !span_find(s->after, ") with HTTP (WebMailUI)", &open) || open != close ||
        !ip_text_is(span_cut(s->after, 2, close - 2)))
        return RECEIVED_UNREAD;
    return handover_take(h, s->first, s->by);
}

/* Microsoft's MTAs never look up the client's name. */
static enum received_kind
form_smtpsvc(const struct shape *s, struct handover *h)
{
    const struct group *g = &s->group[0];

    if (s->first.len > 0 && shape_is_whole(s, 1) && shape_is_group(s, 0, GROUP_IP) &&
        g->is_bracketed && !g->has_ident && !g->has_port && !g->is_spaced && g->extra.len <= 40 &&
        span_starts(s->after, " with Microsoft SMTPSVC"))
        return handover_take_helo(h, s->first, g->ip, s->by);
    if (span_starts(s->text, "mail pickup service by ") &&
        span_is(s->after, " with Microsoft SMTPSVC"))
        return RECEIVED_SKIP;
    return RECEIVED_UNREAD;
}

static bool
is_version(struct span s)
{
    unsigned dots = 0;
    size_t i;

    for (i = 0; i < s.len && s.ptr[i] != ' '; i++) {
        bool is_dot = s.ptr[i] == '.';

        if ((!is_dot && (s.ptr[i] < '0' || s.ptr[i] > '9')) ||
            (is_dot && (i == 0 || s.ptr[i - 1] == '.')))
            return false;
        dots += is_dot;
    }
    return dots == 3 && s.ptr[i - 1] != '.';
}

/* " with mapi id 15.20.1943.023": an Exchange server, of whose line the id is no id. */
static bool
is_exchange(struct span text)
{
    size_t off, close;
    struct span rest;

    if (span_find(text, " with Microsoft SMTP Server ", &off))
        rest = span_from(text, off + 28);
    else if (span_find(text, " with mapi id ", &off))
        rest = span_from(text, off + 14);
    else
        return false;
    if (span_starts(rest, "(") && span_find(rest, ") ", &close))
        rest = span_from(rest, close + 2);
    return is_version(rest);
}

static enum received_kind
form_exchange(const struct shape *s, struct handover *h)
{
    const struct group *g = &s->group[0];
    struct span ip;
    size_t len;

    if (s->first.len == 0 || !shape_is_whole(s, 1))
        return RECEIVED_UNREAD;
    ip = span_from(g->text, span_starts(g->text, "[") ? 1 : 0);
    len = ip.len == 0 ? 0 : ip_text_at(ip, 0);
    if (len == 0 || (len < ip.len && ip.ptr[len] != ']' && ip.ptr[len] != '%'))
        return RECEIVED_UNREAD;
    h->id = (struct span){NULL, 0};
    return handover_take_helo(h, s->first, span_cut(ip, 0, len), s->by);
}

static bool
is_port(struct span s)
{
    for (size_t i = 1; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    }
    return s.len > 1 && s.ptr[0] == ':';
}

static struct span
angle(struct span s, const char *key, struct span otherwise)
{
    size_t off, close;

    if (!span_find(s, key, &off))
        return otherwise;
    s = span_from(s, off + strlen(key));
    return span_find(s, ">", &close) && close > 0 && close <= span_word_len(s)
               ? span_cut(s, 0, close)
               : otherwise;
}

static enum received_kind
form_xmail(const struct shape *s, struct handover *h)
{
    const struct group *g = &s->group[0];
    struct span none = {NULL, 0};

    if (s->first.len == 0 || !shape_is_whole(s, 1) || !shape_is_group(s, 0, GROUP_IP) ||
        !is_port(g->extra) || !span_has(s->after, " with [XMail"))
        return RECEIVED_UNREAD;
    h->id = angle(s->text, " id <", h->id);
    h->envfrom = angle(s->text, " from <", h->has_envfrom ? h->envfrom : none);
    h->has_envfrom = h->envfrom.len > 0;
    return handover_take_helo(h, s->first, g->ip, s->by);
}

static enum received_kind
form_ecelerity(const struct shape *s, struct handover *h)
{
    const struct group *g = &s->group[0];

    if (!shape_is_whole(s, 1) || !shape_is_group(s, 0, GROUP_IP) || !g->has_port)
        return RECEIVED_UNREAD;
    if (s->first.len == 0 && span_starts(g->extra, " helo="))
        return handover_take_helo(h, span_from(g->extra, 6), g->ip, s->by);
    return s->first.len > 0 && g->extra.len == 0 ? handover_take(h, g->ip, s->by) : RECEIVED_UNREAD;
}

/* Exim's form can be scripted: what the usual three do not explain is read in pieces. */
static enum received_kind
exim_pieces(const struct shape *s, struct handover *h)
{
    h->rdns = s->first.len > 0 ? s->first : h->rdns;
    for (unsigned i = 0; i < s->cnt; i++) {
        const struct group *g = &s->group[i];

        if (g->kind == GROUP_SQUARE && g->extra.len == 0 && h->ip.len == 0)
            h->ip = g->ip;
        else if (g->kind != GROUP_SQUARE && i + 1 < s->cnt &&
                 span_word_len(g->text) == g->text.len && g->text.len > 0)
            h->helo = g->text;
    }
    if (!shape_has_by(s))
        return RECEIVED_UNREAD;
    h->by = s->by;
    return h->ip.len > 0 ? RECEIVED_RELAY : RECEIVED_UNREAD;
}

static enum received_kind
form_exim(const struct shape *s, struct handover *h)
{
    const struct group *g = &s->group[0];
    size_t off;

    if (span_find(s->text, " with local", &off) &&
        (span_starts(span_from(s->text, off + 11), " ") ||
         span_starts(span_from(s->text, off + 11), "-")))
        return RECEIVED_SKIP;
    if (!s->is_by_next || !shape_has_by(s))
        return exim_pieces(s, h);
    if (s->cnt == 1 && g->kind != GROUP_SQUARE && span_starts(s->first, "[") &&
        ip_text_is(span_cut(s->first, 1, s->first.len - 2)) &&
        s->first.ptr[s->first.len - 1] == ']') {
        handover_take_sub(g->text, "helo=", 1, &h->helo);
        handover_take_sub(g->text, "ident=", 0, &h->ident);
        return handover_take(h, span_cut(s->first, 1, s->first.len - 2), s->by);
    }
    if (s->cnt > 0 && s->first.len > 0 && g->kind == GROUP_IP && g->is_bracketed && !g->has_ident &&
        !g->has_port) {
        h->rdns = s->first;
        h->helo = s->first;
        handover_take_sub(g->extra, "helo=", 1, &h->helo);
        handover_take_sub(g->extra, "ident=", 0, &h->ident);
        return handover_take(h, g->ip, s->by);
    }
    if (s->cnt == 1 && s->first.len > 0 && g->kind == GROUP_SQUARE && !g->has_port &&
        (g->extra.len == 0 || is_port(g->extra))) {
        h->rdns = s->first;
        return handover_take_helo(h, s->first, g->ip, s->by);
    }
    return exim_pieces(s, h);
}

static enum received_kind
form_postfix(const struct shape *s, struct handover *h)
{
    const struct group *g = &s->group[0];

    if (s->first.len == 0 || !shape_is_whole(s, 1) || g->has_port || g->extra.len > 0 ||
        (g->kind != GROUP_NAME_IP && g->kind != GROUP_TIGHT))
        return RECEIVED_UNREAD;
    h->has_lookup = true;
    h->rdns = g->name;
    return handover_take_helo(h, s->first, g->ip, s->by);
}

static enum received_kind
form_plain_address(const struct shape *s, struct handover *h)
{
    const struct group *g = &s->group[0];

    if (s->first.len == 0 || !s->is_by_next || s->cnt != 1 || !shape_is_group(s, 0, GROUP_IP) ||
        g->has_port || g->has_ident || g->extra.len > 0 || s->by.len == 0)
        return RECEIVED_UNREAD;
    return handover_take_helo(h, s->first, g->ip, s->by);
}

/* By the word that only this product writes. */
static enum received_kind
form_marked(const struct shape *s, struct handover *h)
{
    if (span_has(s->text, " SMTPSVC"))
        return form_smtpsvc(s, h);
    if (is_exchange(s->text))
        return form_exchange(s, h);
    if (span_has(s->text, "[XMail "))
        return form_xmail(s, h);
    if (span_has(s->text, "(ecelerity"))
        return form_ecelerity(s, h);
    if (span_has(s->text, "Exim"))
        return form_exim(s, h);
    if (span_has(s->text, " (Postfix) with"))
        return form_postfix(s, h);
    if (span_has(s->text, "(Scalix SMTP Relay") && s->cnt > 0 && !s->group[0].is_bracketed)
        return form_plain_address(s, h);
    if (span_has(s->text, " (Lotus Domino ") && shape_is_bare_bracket(s, 0) &&
        span_starts(s->after, " (Lotus"))
        return form_plain_address(s, h);
    return RECEIVED_UNREAD;
}

enum received_kind
received_product(const struct shape *s, struct handover *h)
{
    static form_fn *const forms[] = {form_squirrelmail, form_aol_webmail, form_marked};
    enum received_kind kind = RECEIVED_UNREAD;

    for (unsigned i = 0; i < sizeof forms / sizeof forms[0] && kind == RECEIVED_UNREAD; i++)
        kind = forms[i](s, h);
    return kind;
}
