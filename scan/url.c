#include "scan/url.h"

#include <string.h>

#include "scan/url_private.h"

_Static_assert(URL_LEN_MAX <= UINT16_MAX, "url_string.len");
_Static_assert(URL_STRING_MAX * 4 <= URL_INDEX_LEN * 3, "a probe ends soon");
_Static_assert((URL_INDEX_LEN & (URL_INDEX_LEN - 1)) == 0, "a mask");
_Static_assert(HOST_LEN_MAX <= UINT8_MAX, "domain_off");

void
urls_init(struct urls *u, const struct suffix_set *set, url_redirect_fn redirect, void *ctx)
{
    u->set = set;
    u->redirect = redirect;
    u->redirect_ctx = ctx;
    u->overflow = 0;
    u->arena_len = 0;
    u->string_cnt = u->detail_cnt = u->link_cnt = 0;
    memset(u->index, 0xff, sizeof(u->index));
}

/* Not keyed: whoever makes strings collide gains at most URL_STRING_MAX^2 / 2 comparisons of a word. */
static uint32_t
hash_of(struct span s)
{
    uint64_t h = 0x9e3779b97f4a7c15u ^ s.len, word;
    size_t i = 0;

    for (; i + 8 <= s.len; i += 8) {
        memcpy(&word, s.ptr + i, 8);
        h = (h ^ word) * 0xd6e8feb86659fd93u;
        h ^= h >> 32;
    }
    word = 0;
    if (i < s.len)
        memcpy(&word, s.ptr + i, s.len - i);
    h = (h ^ word) * 0xd6e8feb86659fd93u;
    return (uint32_t)(h >> 32);
}

/* The slot of the index that holds the string, or the free one where it belongs. */
static uint32_t
slot_of(const struct urls *u, struct span s, uint32_t hash)
{
    uint32_t slot = hash & (URL_INDEX_LEN - 1);

    for (; u->index[slot] != URL_NONE; slot = (slot + 1) & (URL_INDEX_LEN - 1)) {
        const struct url_string *t = &u->strings[u->index[slot]];
        if (t->hash == hash && t->len == s.len && !memcmp(u->arena + t->off, s.ptr, s.len))
            break;
    }
    return slot;
}

/* The number of the string, made if it is new. URL_NONE: it does not fit. */
static uint16_t
intern(struct urls *u, struct span s)
{
    uint32_t hash = hash_of(s);
    uint32_t slot = slot_of(u, s, hash);

    if (u->index[slot] != URL_NONE)
        return u->index[slot];
    if (u->string_cnt == URL_STRING_MAX) {
        u->overflow |= URL_OVERFLOW_COUNT;
        return URL_NONE;
    }
    if (s.len > URL_ARENA_LEN - u->arena_len || u->arena_len == URL_ARENA_LEN) {
        u->overflow |= URL_OVERFLOW_ARENA;
        return URL_NONE;
    }
    uint16_t at = u->string_cnt++;
    memcpy(u->arena + u->arena_len, s.ptr, s.len);
    u->strings[at] = (struct url_string){
        .hash = hash, .off = u->arena_len, .len = (uint16_t)s.len, .host = URL_NONE};
    u->detail_of[at] = URL_NONE;
    u->arena_len += (uint32_t)s.len;
    u->index[slot] = at;
    return at;
}

/* Takes back the last strings, newest first: so no probe sequence runs over a hole. */
static void
drop_strings(struct urls *u, uint16_t mark)
{
    while (u->string_cnt > mark) {
        const struct url_string *t = &u->strings[--u->string_cnt];
        uint32_t slot = t->hash & (URL_INDEX_LEN - 1);
        while (u->index[slot] != u->string_cnt)
            slot = (slot + 1) & (URL_INDEX_LEN - 1);
        u->index[slot] = URL_NONE;
        u->arena_len = t->off;
    }
}

/* The string's number; URL_NONE also when it is a variant already. */
static uint16_t
add_link(struct url_build *b, struct span text)
{
    struct urls *u = b->u;

    if (text.len > URL_LEN_MAX) {
        text.len = URL_LEN_MAX;
        u->overflow |= URL_OVERFLOW_LENGTH;
    }
    if (u->arena_len - b->arena_mark + text.len > URL_SPREAD_MAX) {
        u->overflow |= URL_OVERFLOW_REDIRECT;
        return URL_NONE;
    }
    uint16_t at = intern(u, text);
    if (at == URL_NONE)
        return URL_NONE;
    for (uint16_t i = b->link_mark; i < u->link_cnt; i++) {
        if (u->links[i] == at)
            return URL_NONE;
    }
    if (u->link_cnt == URL_LINK_MAX) {
        u->overflow |= URL_OVERFLOW_COUNT;
        return URL_NONE;
    }
    u->links[u->link_cnt++] = at;
    return at;
}

void
url_variant(struct url_build *b, struct span text)
{
    add_link(b, text);
}

void
url_follow(struct url_build *b, struct span text)
{
    struct url_buf clean;

    url_buf_init(&clean);
    while (text.len && url_is_space(text.ptr[0]))
        text = url_from(text, 1);
    while (text.len && url_is_space(text.ptr[text.len - 1]))
        text.len--;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '\r' && text.ptr[i] != '\n')
            url_put(&clean, text.ptr + i, 1);
    }
    b->u->overflow |= clean.is_cut ? URL_OVERFLOW_LENGTH : 0u;
    if (b->todo_cnt > URL_REDIRECT_MAX) {
        b->u->overflow |= URL_OVERFLOW_REDIRECT;
        return;
    }
    uint16_t at = add_link(b, url_buf_span(&clean));
    if (at != URL_NONE)
        b->todo[b->todo_cnt++] = at;
}

/* The host of a canonical URL as a string; URL_NONE: none. A host seen before is not looked up again: most
 * links of a message go to few hosts, and look-ups in the list are the dearest step. */
static uint16_t
host_of(struct urls *u, struct span url)
{
    struct host h;

    if (!url_host_name(url, &h))
        return URL_NONE;
    struct span text = {(const uint8_t *)h.text, h.len};
    uint16_t at = u->index[slot_of(u, text, hash_of(text))];
    if (at != URL_NONE && u->strings[at].is_host)
        return at;
    if (!url_find_domain(u->set, &h))
        return URL_NONE;
    at = intern(u, text);
    if (at == URL_NONE)
        return URL_NONE;
    u->strings[at].is_host = true;
    u->strings[at].domain_off = h.domain_off;
    u->strings[at].is_ip = h.is_ip;
    return at;
}

/* Has one of the URL's variants a host? Then the URL is kept, and the host's string stays. */
static bool
has_host(const struct url_build *b)
{
    for (uint16_t i = b->link_mark, end = b->u->link_cnt; i < end; i++) {
        const struct url_string *s = &b->u->strings[b->u->links[i]];
        if (s->is_variant ? s->host != URL_NONE
                          : host_of(b->u, url_text(b->u, b->u->links[i])) != URL_NONE)
            return true;
    }
    return false;
}

/* Makes the string one that rules see. */
static void
resolve(struct urls *u, uint16_t at)
{
    struct url_string *s = &u->strings[at];

    if (s->is_variant)
        return;
    s->is_variant = true;
    s->host = host_of(u, url_text(u, at));
    if (s->host == URL_NONE)
        return;
    s->domain_off = u->strings[s->host].domain_off;
    s->is_ip = u->strings[s->host].is_ip;
}

static int
keep(struct url_build *b, uint16_t raw, uint32_t types)
{
    struct urls *u = b->u;
    struct url_detail d = {.types = types, .raw = raw, .link_off = b->link_mark, .host = URL_NONE};

    d.link_cnt = (uint16_t)(u->link_cnt - b->link_mark);
    for (uint16_t i = b->link_mark; i < u->link_cnt; i++) {
        resolve(u, u->links[i]);
        d.has_domain |= u->strings[u->links[i]].host != URL_NONE;
    }
    u->details[u->detail_cnt] = d;
    u->detail_of[raw] = u->detail_cnt;
    return u->detail_cnt++;
}

/* The detail of a URL seen before; -1: none. */
static int
find(const struct urls *u, struct span raw)
{
    uint16_t at = u->index[slot_of(u, raw, hash_of(raw))];

    return at == URL_NONE || u->detail_of[at] == URL_NONE ? -1 : u->detail_of[at];
}

int
url_add(struct urls *u, struct span raw, uint32_t types, bool needs_domain)
{
    struct url_build b = {.u = u, .string_mark = u->string_cnt, .link_mark = u->link_cnt};

    if (raw.len > URL_LEN_MAX) {
        raw.len = URL_LEN_MAX;
        u->overflow |= URL_OVERFLOW_LENGTH;
    }
    int known = find(u, raw);
    if (known >= 0) {
        if (needs_domain && !u->details[known].has_domain)
            return -1;
        u->details[known].types |= types;
        return known;
    }
    if (u->detail_cnt == URL_DETAIL_MAX) {
        u->overflow |= URL_OVERFLOW_COUNT;
        return -1;
    }
    uint16_t at = intern(u, raw);
    if (at == URL_NONE)
        return -1;
    b.arena_mark = u->arena_len;
    url_follow(&b, raw);
    url_canonicalize(&b);
    if (u->link_cnt == b.link_mark || (needs_domain && !has_host(&b))) {
        drop_strings(u, b.string_mark);
        u->link_cnt = b.link_mark;
        return -1;
    }
    return keep(&b, at, types);
}

int
urls_html(struct urls *u, enum url_type tag, struct span href)
{
    static const uint8_t none;

    return url_add(u, href.len ? href : (struct span){&none, 0}, (uint32_t)tag, false);
}

enum url_type
url_type_of(struct span tag)
{
    static const struct {
        const char *name;
        enum url_type type;
    } tags[] = {{"a", URL_A},           {"area", URL_AREA},   {"base", URL_BASE},   {"body", URL_BODY},
                {"embed", URL_EMBED},   {"form", URL_FORM},   {"frame", URL_FRAME}, {"iframe", URL_IFRAME},
                {"img", URL_IMG},       {"link", URL_LINK},   {"meta", URL_META},   {"script", URL_SCRIPT},
                {"table", URL_TABLE},   {"tr", URL_TABLE},    {"td", URL_TABLE}};

    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
        if (strlen(tags[i].name) == tag.len && !memcmp(tags[i].name, tag.ptr, tag.len))
            return tags[i].type;
    }
    return URL_OTHER_TAG;
}

/* "domainkeys:" before it keeps it apart from a link of the same text, as in SpamAssassin. */
void
urls_dkim(struct urls *u, struct span domain)
{
    struct url_buf raw;
    uint16_t mark = u->string_cnt;

    url_buf_init(&raw);
    url_puts(&raw, "domainkeys:");
    for (size_t i = 0; i < domain.len; i++) {
        if (!url_is_space(domain.ptr[i]))
            url_put(&raw, domain.ptr + i, 1);
    }
    if (find(u, url_buf_span(&raw)) >= 0)
        return;
    if (u->detail_cnt == URL_DETAIL_MAX) {
        u->overflow |= URL_OVERFLOW_COUNT;
        return;
    }
    uint16_t at = intern(u, url_buf_span(&raw));
    uint16_t host = at == URL_NONE ? at : host_of(u, url_buf_span(&raw));
    if (host == URL_NONE) {
        drop_strings(u, mark);
        return;
    }
    u->detail_of[at] = u->detail_cnt;
    u->details[u->detail_cnt++] = (struct url_detail){.types = URL_DKIM,
                                                      .raw = at,
                                                      .link_off = u->link_cnt,
                                                      .host = host,
                                                      .has_domain = true,
                                                      .domain_off = u->strings[host].domain_off};
}

bool
urls_next(const struct urls *u, uint32_t *i, struct span *text, uint32_t *at)
{
    while (*i < u->string_cnt) {
        uint32_t k = (*i)++;
        if (!u->strings[k].is_variant)
            continue;
        *text = url_text(u, k);
        *at = k;
        return true;
    }
    return false;
}

struct span
url_text(const struct urls *u, uint32_t at)
{
    return (struct span){u->arena + u->strings[at].off, u->strings[at].len};
}

struct span
url_host(const struct urls *u, uint32_t at)
{
    uint16_t host = u->strings[at].host;

    return host == URL_NONE ? (struct span){NULL, 0} : url_text(u, host);
}

struct span
url_domain(const struct urls *u, uint32_t at)
{
    struct span host = url_host(u, at);

    return host.len ? url_from(host, u->strings[at].domain_off) : host;
}
