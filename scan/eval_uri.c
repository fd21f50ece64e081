/* Functions that look at URLs and hosts: Plugin/WLBLEval.pm (check_uri_host_*), DecodeShortURLs.pm. */
#include <string.h>

#include "scan/eval_private.h"
#include "scan/octet.h"
#include "scan/url.h"

static bool
has_head(struct span s, const char *lower)
{
    size_t len = strlen(lower);
    if (s.len < len)
        return false;
    for (size_t i = 0; i < len; i++) {
        uint8_t o = s.ptr[i];
        if ((o >= 'A' && o <= 'Z' ? o + 32 : o) != lower[i])
            return false;
    }
    return true;
}

static bool
detail_listed(const struct eval_call *c, uint32_t handle, const struct url_detail *d)
{
    const struct urls *u = c->f->urls;
    if (has_head(url_text(u, d->raw), "mailto:"))
        return false;
    for (unsigned i = 0; i < d->link_cnt; i++)
        if (list_host(c->f->lists, handle, url_host(u, u->links[d->link_off + i])) == LIST_LISTED)
            return true;
    return d->host != URL_NONE &&
           list_host(c->f->lists, handle, url_text(u, d->host)) == LIST_LISTED;
}

static double
host_listed(const struct eval_call *c, struct span name)
{
    uint32_t handle = list_find_named(c->f->lists, "enlist_uri_host:", name);
    if (handle == LIST_NONE || !c->f->urls)
        return 0;
    for (unsigned i = 0; i < c->f->urls->detail_cnt; i++)
        if (detail_listed(c, handle, &c->f->urls->details[i]))
            return 1;
    return 0;
}

static double
check_uri_host_listed(const struct eval_call *c)
{
    return host_listed(c, eval_arg(c->a, 0));
}

static double
check_uri_host_in_blocklist(const struct eval_call *c)
{
    return host_listed(c, (struct span){ (const uint8_t *)"BLOCK", 5 });
}

static double
check_uri_host_in_welcomelist(const struct eval_call *c)
{
    return host_listed(c, (struct span){ (const uint8_t *)"WELCOME", 7 });
}

static bool
is_shortener(const struct eval_call *c, struct span host)
{
    static const char *const lists[] = { "url_shortener", "url_shortener_get" };
    for (unsigned i = 0; i < 2; i++)
        if (list_has(c->f->lists, list_find(c->f->lists, lists[i]), host))
            return true;
    return false;
}

/* Host and the rest of "http://user@host:port/rest", without "?.." and "#..". False: it is none. */
static bool
split(struct span url, struct span *host, struct span *rest)
{
    size_t i = has_head(url, "http://") ? 7 : has_head(url, "https://") ? 8 : 0;
    if (!i)
        return false;
    for (size_t j = i; j < url.len; j++)
        if (url.ptr[j] == '?' || url.ptr[j] == '#')
            url.len = j;
    size_t start = i, end = i;
    for (; end < url.len && url.ptr[end] != '/'; end++)
        if (url.ptr[end] == '@') {
            start = end + 1;
            break;
        }
    end = start;
    while (end < url.len && url.ptr[end] != '/' && url.ptr[end] != ':')
        end++;
    *host = (struct span){ url.ptr + start, end - start };
    if (end < url.len && url.ptr[end] == ':' && end + 1 < url.len && url.ptr[end + 1] >= '0' &&
        url.ptr[end + 1] <= '9')
        for (end++; end < url.len && url.ptr[end] >= '0' && url.ptr[end] <= '9';)
            end++;
    *rest = (struct span){ url.ptr + end, url.len - end };
    return host->len > 0;
}

static bool
is_short(const struct eval_call *c, struct span url)
{
    struct span host, rest;
    if (!split(url, &host, &rest))
        return false;
    bool has_path = false;
    for (size_t i = 0; i < rest.len && !has_path; i++)
        has_path = octet_is_word(rest.ptr[i]);
    unsigned dots = 0;
    size_t first = 0;
    for (size_t i = host.len; i-- > 0;)
        if (host.ptr[i] == '.') {
            dots++;
            first = i;
        }
    if (dots == 1 && !has_path)
        return false;
    if (is_shortener(c, host))
        return true;
    if (dots != 2 || !first || host.len - first < 4)
        return false;
    /* www.DOMAIN stands for DOMAIN, anything else for ".DOMAIN". */
    bool is_www = has_head(host, "www") && first == 3;
    if (!is_www && has_head(host, "www"))
        return false;
    first += is_www;
    return is_shortener(c, (struct span){ host.ptr + first, host.len - first });
}

static double
short_url(const struct eval_call *c)
{
    const struct urls *u = c->f->urls;
    for (unsigned i = 0; u && i < u->detail_cnt; i++)
        if (u->details[i].has_domain && u->details[i].link_cnt &&
            is_short(c, url_text(u, u->details[i].raw)))
            return 1;
    return 0;
}

/* Where a short URL leads to, only the network knows. */
static double
never(const struct eval_call *c)
{
    (void)c;
    return 0;
}

const struct eval_entry eval_uri_table[] = {
    { "check_uri_host_listed", check_uri_host_listed, 1, 1, EVAL_NO_REGEX },
    { "check_uri_host_in_blocklist", check_uri_host_in_blocklist, 0, 0, EVAL_NO_REGEX },
    { "check_uri_host_in_blacklist", check_uri_host_in_blocklist, 0, 0, EVAL_NO_REGEX },
    { "check_uri_host_in_welcomelist", check_uri_host_in_welcomelist, 0, 0, EVAL_NO_REGEX },
    { "check_uri_host_in_whitelist", check_uri_host_in_welcomelist, 0, 0, EVAL_NO_REGEX },
    { "short_url", short_url, 0, 0, EVAL_NO_REGEX },
    { "short_url_chained", never, 0, 0, EVAL_NO_REGEX },
    { NULL, NULL, 0, 0, EVAL_NO_REGEX },
};
