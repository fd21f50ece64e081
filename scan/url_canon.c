#include <string.h>

#include "scan/url_private.h"

/* The parts of "http://user@host:port/path". rest: from the port on. */
struct parts {
    struct span proto, auth, host, rest;
    size_t port_len; /* digits */
};

static void
emit_joined(struct url_build *b, struct span proto, struct span host, struct span rest)
{
    struct url_buf out;

    url_buf_init(&out);
    url_put_span(&out, proto);
    url_put_span(&out, host);
    url_put_span(&out, rest);
    b->u->overflow |= out.is_cut ? URL_OVERFLOW_LENGTH : 0u;
    url_variant(b, url_buf_span(&out));
}

static void
emit_mailto(struct url_build *b, struct span address)
{
    emit_joined(b, (struct span){(const uint8_t *)"mailto:", 7}, address, (struct span){NULL, 0});
}

/* Up to the first octet of `stops` behind the first "@", which must have something on both sides; 0: not so. */
static size_t
address_len(struct span s, const char *stops)
{
    const uint8_t *at = s.len ? memchr(s.ptr, '@', s.len) : NULL;
    size_t i;

    if (!at || at == s.ptr)
        return 0;
    size_t start = (size_t)(at - s.ptr) + 1;
    for (i = start; i < s.len && (!s.ptr[i] || !strchr(stops, s.ptr[i])); i++)
        ;
    return i > start ? i : 0;
}

/* "mailto:%20%20a@b%20": the address alone. */
static void
emit_trimmed_address(struct url_build *b, struct span s)
{
    struct span rest = s;

    if (s.len > 7 && !memcmp(s.ptr, "mailto:", 7))
        rest = url_from(rest, 7);
    while (rest.len > 3 && !memcmp(rest.ptr, "%20", 3) && rest.ptr[3] != '@')
        rest = url_from(rest, 3);
    if (rest.len && rest.ptr[0] == '@') /* "mailto:@": then that is the local part */
        rest = s;
    size_t len = address_len(rest, "?&%");
    if (len)
        emit_mailto(b, (struct span){rest.ptr, len});
}

/* "mailto:Ann%20<a@b.c>": within the last "<" that has an address behind it, before "?" and "&". */
static void
emit_bracketed_address(struct url_build *b, struct span s)
{
    size_t stop = s.len, end = s.len, sign = s.len; /* sign: next "@" or ">" */
    struct span found = {NULL, 0};

    for (size_t i = s.len; i--;) {
        if (s.ptr[i] == '?' || s.ptr[i] == '&')
            stop = i;
    }
    for (size_t i = s.len; i--;) {
        if (s.ptr[i] == '<' && i < stop && !found.len && sign < s.len && s.ptr[sign] == '@' &&
            sign > i + 1 && end < s.len && end > sign + 1)
            found = (struct span){s.ptr + i + 1, end - i - 1};
        if (s.ptr[i] == '>')
            end = sign = i;
        else if (s.ptr[i] == '@')
            sign = i;
    }
    if (found.len)
        emit_mailto(b, found);
}

static bool
is_address(struct span s)
{
    const uint8_t *at = memchr(s.ptr, '@', s.len), *colon = memchr(s.ptr, ':', s.len);

    return url_begins(s, "mailto:") || (at && (!colon || at < colon));
}

static void
canon_address(struct url_build *b, struct span s)
{
    size_t len = address_len(s, "?");

    if (len && len < s.len)
        url_variant(b, (struct span){s.ptr, len});
    len = address_len(s, "?&");
    if (len && len < s.len && s.ptr[len] == '&')
        url_variant(b, (struct span){s.ptr, len});
    if (memmem(s.ptr, s.len, "%20", 3))
        emit_trimmed_address(b, s);
    emit_bracketed_address(b, s);
}

/* The length of "http:" or "https:" in any case; 0: neither. */
static size_t
http_len(struct span s)
{
    return url_begins(s, "http:") ? 5 : url_begins(s, "https:") ? 6 : 0;
}

static bool
has_scheme(struct span s)
{
    size_t i = 0;

    while (i < s.len && (url_is_alnum(s.ptr[i]) || s.ptr[i] == '-' || s.ptr[i] == '_'))
        i++;
    return i && i < s.len && s.ptr[i] == ':';
}

/* "\" as "/", and "http:host", "http:/host" completed. */
static void
put_slashed(struct url_buf *out, struct span s)
{
    size_t http = http_len(s);

    url_put(out, s.ptr, http);
    s = url_from(s, http);
    if (http) {
        for (int i = 0; i < 2 && s.len && (s.ptr[0] == '/' || s.ptr[0] == '\\'); i++)
            s = url_from(s, 1);
        url_puts(out, "//");
    }
    size_t start = out->len;
    url_put_span(out, s);
    for (size_t i = start; i < out->len; i++) {
        if (out->text[i] == '\\')
            out->text[i] = '/';
    }
}

/* Where the "/" is missing between host and "?" or "#"; 0: nowhere. */
static size_t
missing_slash(struct span s)
{
    size_t start = http_len(s), i;

    if (!start || s.len < start + 2 || s.ptr[start] != '/' || s.ptr[start + 1] != '/')
        return 0;
    start += 2;
    for (i = start; i < s.len && s.ptr[i] != '/' && s.ptr[i] != '?' && s.ptr[i] != '#'; i++)
        ;
    return i > start && i < s.len && s.ptr[i] != '/' ? i : 0;
}

/* The first half: one spelling of the whole URL. `tmp` is scratch. */
static void
put_plain(struct url_buf *out, struct url_buf *tmp, struct span uri)
{
    put_slashed(tmp, uri);
    if (url_has_escape(url_buf_span(tmp))) {
        url_put_unescaped(out, url_buf_span(tmp));
        out->is_cut |= tmp->is_cut;
        *tmp = *out;
        out->len = 0;
    }
    struct span s = url_buf_span(tmp);
    if (!has_scheme(s))
        url_puts(out, s.len > 3 && !memcmp(s.ptr, "ftp.", 4) ? "ftp://" : "http://");
    size_t added = out->len;
    url_put_span(out, s);
    size_t slash = missing_slash(url_buf_span(out));
    if (slash) {
        out->len = slash;
        url_puts(out, "/");
        url_put_span(out, url_from(s, slash - added));
    }
    out->is_cut |= tmp->is_cut;
    url_undo_entities(out);
}

static size_t
span_until(struct span s, const char *stops)
{
    size_t i = 0;

    while (i < s.len && (!s.ptr[i] || !strchr(stops, s.ptr[i])))
        i++;
    return i;
}

/* False: not http or https, or without a host. */
static bool
split(struct span s, struct parts *p)
{
    size_t http = http_len(s);

    if (!http || s.len < http + 3 || s.ptr[http] != '/' || s.ptr[http + 1] != '/')
        return false;
    p->proto = (struct span){s.ptr, http + 2};
    s = url_from(s, http + 2);
    size_t at = span_until(s, "@/?#"), start = at < s.len && s.ptr[at] == '@' ? at + 1 : 0;
    size_t len = span_until(url_from(s, start), "/?#:");
    if (!len && start) { /* "http://a@/": then there is no user name */
        start = 0;
        len = span_until(s, "/?#:");
    }
    if (!len)
        return false;
    p->auth = (struct span){s.ptr, start};
    p->host = (struct span){s.ptr + start, len};
    p->rest = url_from(s, start + len);
    p->port_len = 0;
    if (p->rest.len && p->rest.ptr[0] == ':') {
        while (p->port_len + 1 < p->rest.len && url_is_digit(p->rest.ptr[p->port_len + 1]))
            p->port_len++;
    }
    return true;
}

static bool
is_plain_http(const struct parts *p)
{
    return p->proto.len == 7 && !memcmp(p->proto.ptr, "http://", 7);
}

/* rest without the scheme's own port; all of it when it has another one. */
static struct span
rest_noport(const struct parts *p)
{
    const char *own = is_plain_http(p) ? ":80" : ":443";
    size_t len = strlen(own);
    struct span r = p->rest;

    if (r.len < len || memcmp(r.ptr, own, len))
        return r;
    if (r.len > len && (url_is_alnum(r.ptr[len]) || r.ptr[len] == '_'))
        return r;
    return url_from(r, len);
}

static void
emit_default_port(struct url_build *b, const struct parts *p)
{
    struct span rest = rest_noport(p);

    if (p->port_len && rest.len != p->rest.len)
        emit_joined(b, p->proto, p->host, rest);
}

/* Is b the lower-case form of a? */
static bool
is_lower_case_of(struct span a, const struct host *b)
{
    if (a.len != b->len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        uint8_t c = a.ptr[i];
        if ((c >= 'A' && c <= 'Z' ? c | 0x20 : c) != (uint8_t)b->text[i])
            return false;
    }
    return true;
}

/* The A-labels of the host become p->host (in *h), if it has others. */
static void
emit_idn(struct url_build *b, struct parts *p, struct host *h)
{
    if (!host_normalize(p->host, h) || is_lower_case_of(p->host, h))
        return;
    p->host = (struct span){(const uint8_t *)h->text, h->len};
    emit_joined(b, p->proto, p->host, p->rest);
    struct span rest = rest_noport(p);
    if (p->port_len && rest.len && !(rest.len == 1 && rest.ptr[0] == '0'))
        emit_joined(b, p->proto, p->host, rest);
}

static void
emit_without_controls(struct url_build *b, struct parts *p, struct url_buf *host)
{
    for (size_t i = 0; i < p->host.len; i++) {
        if (p->host.ptr[i] > 0x20)
            url_put(host, p->host.ptr + i, 1);
    }
    if (host->len == p->host.len)
        return;
    p->host = url_buf_span(host);
    emit_joined(b, p->proto, p->host, p->rest);
}

/* The first "http:" within the rest that has something behind it, up to "&" or "#". */
static struct span
inner_url(struct span rest)
{
    for (size_t i = 0; i + 5 < rest.len; i++) {
        struct span s = url_from(rest, i);
        size_t http = (s.ptr[0] | 0x20) == 'h' ? http_len(s) : 0;
        if (!http || http >= s.len || s.ptr[http] == '&' || s.ptr[http] == '#')
            continue;
        s.len = http + span_until(url_from(s, http), "&#");
        return url_has(s, '.') ? s : (struct span){NULL, 0};
    }
    return (struct span){NULL, 0};
}

static void
follow_redirector(struct url_build *b, const struct parts *p)
{
    struct span target = {NULL, 0};
    struct url_buf url;

    if (b->u->redirect) {
        url_buf_init(&url);
        url_put_span(&url, p->proto);
        url_put_span(&url, p->host);
        url_put_span(&url, p->rest);
        if (!b->u->redirect(b->u->redirect_ctx, url_buf_span(&url), &target))
            target.len = 0;
    }
    if (!target.len)
        target = inner_url(p->rest);
    if (target.len)
        url_follow(b, target);
}

/* What may cling to the host: "www.fake.com@" before it, marks of a sentence behind. */
static void
emit_without_cruft(struct url_build *b, struct parts *p)
{
    const uint8_t *at = p->host.len ? memchr(p->host.ptr, '@', p->host.len) : NULL;

    if (at && at > p->host.ptr) {
        p->host = url_from(p->host, (size_t)(at - p->host.ptr) + 1);
        emit_joined(b, p->proto, p->host, p->rest);
    }
    size_t len = p->host.len;
    while (p->host.len && !url_is_alnum(p->host.ptr[p->host.len - 1]))
        p->host.len--;
    if (p->host.len != len)
        emit_joined(b, p->proto, p->host, p->rest);
}

/* "http://name/" -> "http://www.name.com/", as browsers did. `name`: the host before it was cleaned. */
static void
emit_dotcom(struct url_build *b, const struct parts *p, struct span name)
{
    struct url_buf host;
    bool is_port_80 = !p->port_len || (p->port_len == 2 && !memcmp(p->rest.ptr + 1, "80", 2));

    if (!is_plain_http(p) || p->auth.len || !is_port_80 || (name.len == 9 && url_begins(name, "localhost")))
        return;
    if (name.len > 4 && url_begins(name, "www.")) {
        name = url_from(name, 4);
        if (suffix_is_tld(b->u->set, name))
            return;
    }
    if (url_has(name, '.'))
        return;
    url_buf_init(&host);
    url_puts(&host, "www.");
    url_put_span(&host, name);
    for (size_t i = 0; i < host.len; i++) {
        if (host.text[i] >= 'A' && host.text[i] <= 'Z')
            host.text[i] |= 0x20;
    }
    url_puts(&host, ".com");
    emit_joined(b, p->proto, url_buf_span(&host), p->rest);
}

static void
canon_http(struct url_build *b, struct parts *p)
{
    struct url_buf host, ip;
    struct host idn;

    url_buf_init(&host);
    url_buf_init(&ip);
    emit_default_port(b, p);
    emit_idn(b, p, &idn);
    struct span name = p->host;
    emit_without_controls(b, p, &host);
    follow_redirector(b, p);
    emit_without_cruft(b, p);
    if (url_put_ipv4(&ip, p->host))
        emit_joined(b, p->proto, url_buf_span(&ip), p->rest);
    else
        emit_dotcom(b, p, name);
}

/* Fragments, queries and paths that are no URL of their own: "#top", "?a", "/img.gif", not "//host". */
static bool
is_relative(struct span s)
{
    return s.len <= 1 || s.ptr[0] == '#' || s.ptr[0] == '?' || s.ptr[0] == '&' ||
           (s.ptr[0] == '/' && s.ptr[1] != '/');
}

static void
canon_one(struct url_build *b, struct span uri)
{
    struct url_buf plain, tmp;
    struct parts p;

    if (is_relative(uri))
        return;
    if (is_address(uri)) {
        canon_address(b, uri);
        return;
    }
    url_buf_init(&plain);
    url_buf_init(&tmp);
    put_plain(&plain, &tmp, uri);
    b->u->overflow |= plain.is_cut ? URL_OVERFLOW_LENGTH : 0u;
    url_variant(b, url_buf_span(&plain));
    if (split(url_buf_span(&plain), &p))
        canon_http(b, &p);
}

void
url_canonicalize(struct url_build *b)
{
    while (b->done_cnt < b->todo_cnt)
        canon_one(b, url_text(b->u, b->todo[b->done_cnt++]));
}
