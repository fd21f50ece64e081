#include "scan/html_uri.h"

#include <string.h>

struct parts {
    struct span scheme, authority, path, query, fragment; /* ptr NULL: not there; path always is */
};

struct sink {
    uint8_t *p;
    size_t len;
};

/* Octets of white space at p, Unicode's too; 0: none. */
static size_t
space_at(const uint8_t *p, size_t len)
{
    uint8_t c = p[0];
    if (c == ' ' || (c >= '\t' && c <= '\r'))
        return 1;
    if (c == 0xc2 && len > 1 && (p[1] == 0xa0 || p[1] == 0x85))
        return 2;
    if (len < 3)
        return 0;
    uint32_t w = (uint32_t)c << 16 | (uint32_t)p[1] << 8 | p[2];
    bool is_space = w == 0xe19a80 || (w >= 0xe28080 && w <= 0xe2808a) || w == 0xe280a8 ||
                    w == 0xe280a9 || w == 0xe280af || w == 0xe2819f || w == 0xe38080;
    return is_space ? 3 : 0;
}

static size_t
space_before(const uint8_t *p, size_t len)
{
    for (size_t n = 1; n <= 3 && n <= len; n++)
        if (space_at(p + len - n, n) == n)
            return n;
    return 0;
}

struct span
html_uri_trim(struct span uri, bool *is_cut)
{
    size_t n, chars = 0;

    while (uri.len && (n = space_at(uri.ptr, uri.len)))
        uri.ptr += n, uri.len -= n;
    while (uri.len && (n = space_before(uri.ptr, uri.len)))
        uri.len -= n;
    if (uri.len <= HTML_URI_MAX)
        return uri;
    for (n = 0; n < uri.len; n++) {
        chars += (uri.ptr[n] & 0xc0) != 0x80;
        if (chars > HTML_URI_MAX) {
            *is_cut = true;
            uri.len = n;
        }
    }
    return uri;
}

/* Octets before the first of `stop`: the set is a bit map of the ASCII characters below 64. */
static size_t
run_of(struct span s, const char *stop)
{
    uint64_t set = 0;
    size_t n = 0;

    for (; *stop; stop++)
        set |= UINT64_C(1) << *stop;
    while (n < s.len && (s.ptr[n] >= 64 || !(set >> s.ptr[n] & 1)))
        n++;
    return n;
}

static struct span
take(struct span *s, size_t n)
{
    struct span t = {s->ptr, n};
    s->ptr += n;
    s->len -= n;
    return t;
}

static struct parts
split(struct span u)
{
    struct parts p = {0};
    size_t n = run_of(u, ":/?#");

    if (n && n < u.len && u.ptr[n] == ':') {
        p.scheme = take(&u, n);
        take(&u, 1);
    }
    if (u.len >= 2 && u.ptr[0] == '/' && u.ptr[1] == '/') {
        take(&u, 2);
        p.authority = take(&u, run_of(u, "/?#"));
    }
    p.path = take(&u, run_of(u, "?#"));
    if (u.len && u.ptr[0] == '?') {
        take(&u, 1);
        p.query = take(&u, run_of(u, "#"));
    }
    if (u.len) {
        take(&u, 1);
        p.fragment = take(&u, run_of(u, "\n"));
    }
    return p;
}

static void
put(struct sink *o, struct span s)
{
    if (s.len)
        memmove(o->p + o->len, s.ptr, s.len);
    o->len += s.len;
}

static void
put_text(struct sink *o, const char *text)
{
    put(o, (struct span){(const uint8_t *)text, strlen(text)});
}

/* Takes "/." or "/.." as a whole segment off the front, leaving its slash. */
static bool
take_dots(struct span *s, size_t dots)
{
    if (s->len < dots + 1 || s->ptr[0] != '/' || memcmp(s->ptr, "/..", dots + 1) != 0)
        return false;
    if (s->len == dots + 1) {
        take(s, dots + 1);
        return true;
    }
    if (s->ptr[dots + 1] != '/')
        return false;
    take(s, dots + 1);
    return true;
}

/* RFC 2396 5.2 (6). Each segment is written once and taken back at most once. */
static void
put_without_dots(struct sink *o, struct span s)
{
    static const uint8_t slash[] = "/";
    size_t from = o->len;

    if (s.len == 1 && s.ptr[0] == '0')
        return; /* false in Perl */
    if (s.len >= 2 && s.ptr[0] == '.' &&
        (s.ptr[1] == '/' || (s.ptr[1] == '.' && s.len >= 3 && s.ptr[2] == '/')))
        take(&s, s.ptr[1] == '/' ? 1 : 2);
    while (s.len) {
        bool is_up = take_dots(&s, 2);
        if (is_up)
            while (o->len > from && o->p[--o->len] != '/')
                ;
        if (is_up || take_dots(&s, 1)) {
            if (!s.len)
                s = (struct span){slash, 1};
            continue;
        }
        size_t n = s.ptr[0] == '/';
        n += run_of((struct span){s.ptr + n, s.len - n}, "/");
        put(o, take(&s, n));
    }
}

static size_t
last_slash(struct span s)
{
    size_t n = s.len;
    while (n && s.ptr[n - 1] != '/')
        n--;
    return n;
}

/* A relative path behind the base's; `o` ends with it. */
static void
put_merged(struct sink *o, const struct parts *base, struct span path)
{
    uint8_t both[HTML_BASE_MAX + HTML_URI_OUT_MAX];
    struct sink m = {both, 0};

    if (base->authority.ptr && !base->path.len)
        put_text(&m, "/");
    else
        put(&m, (struct span){base->path.ptr, last_slash(base->path)});
    put(&m, path);
    put_without_dots(o, (struct span){both, m.len});
}

/* "www3.", "ftp." */
static bool
begins_host(struct span s, const char *word)
{
    size_t n = strlen(word);
    if (s.len <= n)
        return false;
    for (size_t i = 0; i < n; i++)
        if ((s.ptr[i] | 0x20) != (uint8_t)word[i])
            return false;
    while (n < s.len && s.ptr[n] >= '0' && s.ptr[n] <= '9')
        n++;
    return n < s.len && s.ptr[n] == '.';
}

static bool
is_same(struct span a, struct span b)
{
    return a.ptr && b.ptr && a.len == b.len && !memcmp(a.ptr, b.ptr, a.len);
}

size_t
html_uri_target(const struct html_base *base, struct span uri, uint8_t *out)
{
    struct parts r = split(uri), b = split((struct span){base->uri, base->len});
    struct sink o = {out, 0};

    if (is_same(r.scheme, b.scheme))
        r.scheme.ptr = NULL;
    bool is_absolute = r.scheme.ptr != NULL;
    struct span scheme = is_absolute ? r.scheme : b.scheme;
    bool has_own = is_absolute || r.authority.ptr;
    struct span authority = has_own ? r.authority : b.authority;

    if (scheme.ptr) {
        put(&o, scheme);
        put_text(&o, ":");
    } else if (authority.ptr) {
        put_text(&o, begins_host(authority, "www")   ? "http:"
                     : begins_host(authority, "ftp") ? "ftp:"
                                                     : "");
    }
    if (authority.ptr) {
        put_text(&o, "//");
        put(&o, authority);
    }
    struct span query = r.query;
    if (has_own || (r.path.len && r.path.ptr[0] == '/')) {
        put_without_dots(&o, r.path);
    } else if (r.path.len) {
        put_merged(&o, &b, r.path);
    } else {
        put(&o, b.path);
        query = r.query.ptr ? r.query : b.query;
    }
    if (query.ptr) {
        put_text(&o, "?");
        put(&o, query);
    }
    if (r.fragment.ptr) {
        put_text(&o, "#");
        put(&o, r.fragment);
    }
    return o.len;
}

static bool
is_standard(struct span u, size_t *host)
{
    static const char *const schemes[] = {"https:", "http:", "ftp:"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t n = strlen(schemes[i]), k = 0;
        while (k < n && k < u.len && (u.ptr[k] | 0x20) == ((uint8_t)schemes[i][k] | 0x20))
            k++;
        if (k < n || u.ptr[n - 1] != ':')
            continue;
        for (k = 0; k < 2 && n < u.len && u.ptr[n] == '/'; k++)
            n++;
        *host = n;
        return true;
    }
    return false;
}

/* "http://host/dir/file.html" -> "http://host/dir/". */
static size_t
without_file(struct span u, size_t host)
{
    size_t n = u.len, path = host;

    while (path < u.len && u.ptr[path] != '/')
        path++;
    if (path == host || path == u.len)
        return u.len;
    path++;
    while (n > path && u.ptr[n - 1] != '/' && u.ptr[n - 1] != '.')
        n--;
    if (n <= path || u.ptr[n - 1] != '.' || u.len - n < 2 || u.len - n > 4)
        return u.len;
    size_t dot = --n;
    while (n > path && u.ptr[n - 1] != '/' && u.ptr[n - 1] != '.')
        n--;
    return n < dot ? n : u.len;
}

bool
html_uri_set_base(struct html_base *base, struct span uri)
{
    size_t host;

    if (!is_standard(uri, &host))
        return true;
    size_t n = without_file(uri, host);
    if (n + 1 > HTML_BASE_MAX)
        return false;
    memcpy(base->uri, uri.ptr, n);
    if (n && base->uri[n - 1] != '/')
        base->uri[n++] = '/';
    base->len = (uint32_t)n;
    return true;
}
