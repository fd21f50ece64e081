/* url: whatever the lines and links, the table is consistent: each string once, found by its own index, hosts
 * normal; a line cut before any of its blanks gives the same table; fed again, it changes nothing; a canonical
 * URL keeps its host when it is fed again.
 *
 * The input is lines; one that begins with 0x01 is a link, with 0x02 a d=, others are text. */
#include <stdlib.h>
#include <string.h>

#include "scan/url.h"
#include "tests/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct suffix_set *set;

/* Takes every "=" within the URL as the beginning of a target, so that targets are odd strings as well. */
static bool
redirect(void *ctx, struct span url, struct span *target)
{
    const uint8_t *p = memchr(url.ptr, '=', url.len);

    (void)ctx;
    if (!p)
        return false;
    *target = (struct span){p + 1, url.len - (size_t)(p + 1 - url.ptr)};
    return target->len && memchr(target->ptr, '.', target->len);
}

static void
feed_line(struct urls *u, const uint8_t *p, size_t len)
{
    uint8_t *line = malloc(len ? len : 1); /* of the exact size: a read behind it is seen */

    if (len)
        memcpy(line, p, len);
    if (len && line[0] == 1)
        urls_html(u, URL_A, (struct span){line + 1, len - 1});
    else if (len && line[0] == 2)
        urls_dkim(u, (struct span){line + 1, len - 1});
    else
        urls_text(u, (struct span){line, len});
    free(line);
}

static void
feed(struct urls *u, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size;) {
        const uint8_t *end = memchr(data + i, '\n', size - i);
        size_t len = end ? (size_t)(end - data) - i : size - i;
        feed_line(u, data + i, len);
        i += len + 1;
    }
}

static bool
is_same(struct span a, struct span b)
{
    return a.len == b.len && !memcmp(a.ptr, b.ptr, a.len);
}

static void
check_string(const struct urls *u, uint32_t i)
{
    struct span text = url_text(u, i), host = url_host(u, i), domain = url_domain(u, i);
    struct host h;

    MUST(u->strings[i].off + u->strings[i].len <= u->arena_len && text.len <= URL_LEN_MAX);
    for (uint32_t k = 0; k < i && u->string_cnt < 200; k++)
        MUST(!is_same(text, url_text(u, k)));
    if (!host.len)
        return;
    MUST(u->strings[i].is_variant && domain.len && domain.len <= host.len);
    MUST(suffix_lookup(u->set, host, &h) && h.len == host.len && !memcmp(h.text, host.ptr, h.len));
    MUST(h.is_ip == u->strings[i].is_ip && (h.is_ip || (h.is_fqdn && h.is_known)));
}

static void
check(const struct urls *u)
{
    MUST(u->arena_len <= URL_ARENA_LEN && u->string_cnt <= URL_STRING_MAX);
    MUST(u->detail_cnt <= URL_DETAIL_MAX && u->link_cnt <= URL_LINK_MAX);
    for (uint32_t i = 0; i < u->string_cnt; i++)
        check_string(u, i);
    unsigned links = 0;
    for (unsigned i = 0; i < u->detail_cnt; i++) {
        const struct url_detail *d = &u->details[i];
        bool has_domain = d->host != URL_NONE;
        MUST(d->types && u->detail_of[d->raw] == i && d->link_off == links);
        for (unsigned k = 0; k < d->link_cnt; k++) {
            MUST(u->strings[u->links[links + k]].is_variant);
            has_domain |= u->strings[u->links[links + k]].host != URL_NONE;
        }
        MUST(has_domain == d->has_domain && (has_domain || !(d->types & (URL_DKIM | URL_UNLINKED))));
        links += d->link_cnt;
    }
    MUST(links == u->link_cnt);
}

/* Text cut before each blank is the same text: no URL spans one, and what may begin behind one, may there. */
static void
check_cut(const struct urls *u, const uint8_t *data, size_t size)
{
    static struct urls v;
    size_t start = 0;

    if (u->overflow || memchr(data, 1, size) || memchr(data, 2, size))
        return;
    urls_init(&v, set, u->redirect, NULL);
    for (size_t i = 0; i <= size; i++) {
        if (i < size && data[i] != ' ' && data[i] != '\n')
            continue;
        feed_line(&v, data + start, i - start);
        start = i < size && data[i] == '\n' ? i + 1 : i;
    }
    MUST(v.arena_len == u->arena_len && v.detail_cnt == u->detail_cnt && v.link_cnt == u->link_cnt);
    MUST(!memcmp(v.arena, u->arena, u->arena_len));
}

/* The slow model of "each once": feeding all again changes nothing but the flags of overflow. */
static void
check_again(struct urls *u, const uint8_t *data, size_t size)
{
    unsigned strings = u->string_cnt, details = u->detail_cnt, links = u->link_cnt, len = u->arena_len;

    if (u->overflow)
        return;
    feed(u, data, size);
    MUST(u->string_cnt == strings && u->detail_cnt == details && u->link_cnt == links);
    MUST(u->arena_len == len);
}

/* A canonical URL is one of its own variants, with the same host. */
static void
check_idempotent(const struct urls *u)
{
    static struct urls v;
    struct span text;
    uint32_t at;

    for (uint32_t i = 0, n = 0; n < 20 && urls_next(u, &i, &text, &at); n++) {
        bool is_found = false;
        struct span other;
        uint32_t k = 0, other_at;
        if (!url_host(u, at).len)
            continue;
        urls_init(&v, set, redirect, NULL);
        MUST(urls_html(&v, URL_A, text) == 0 && v.details[0].has_domain);
        while (urls_next(&v, &k, &other, &other_at))
            is_found |= is_same(text, other) && is_same(url_host(u, at), url_host(&v, other_at));
        MUST(is_found);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct urls u;

    if (!set)
        MUST(suffix_new(&set) == 0);
    urls_init(&u, set, size % 2 ? redirect : NULL, NULL);
    feed(&u, data, size);
    check(&u);
    check_idempotent(&u);
    check_cut(&u, data, size);
    check_again(&u, data, size);
    return 0;
}
