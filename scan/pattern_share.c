#include "scan/pattern_share.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A group "(?:..)" of the pattern. */
struct group {
    size_t off, len;
    uint64_t hash;
};

struct groups {
    struct group *list;
    size_t cnt, max;
};

static void *
must(void *p)
{
    if (!p)
        abort();
    return p;
}

static uint64_t
hash(const char *p, size_t len)
{
    uint64_t h = UINT64_C(1469598103934665603); /* FNV-1a */
    for (size_t i = 0; i < len; i++)
        h = (h ^ (uint8_t)p[i]) * UINT64_C(1099511628211);
    return h;
}

/* Behind the class that begins at text[i]. */
static size_t
skip_class(const char *text, size_t i)
{
    i++;
    i += text[i] == '^';
    i += text[i] == ']';
    while (text[i] && text[i] != ']') {
        if (text[i] == '\\' && text[i + 1])
            i++;
        else if (text[i] == '[' && text[i + 1] == ':' && strstr(text + i, ":]"))
            i = (size_t)(strstr(text + i, ":]") - text) + 1;
        i++;
    }
    return i + (text[i] == ']');
}

/* What stands behind "(": a group that changes nothing around it? */
static bool
is_plain_open(const char *behind, bool *is_capture)
{
    *is_capture = false;
    if (behind[0] == '*')
        return false;
    if (behind[0] != '?') {
        *is_capture = true;
        return true;
    }
    if (behind[1] == '<' && behind[2] != '=' && behind[2] != '!') {
        *is_capture = true;
        return behind[2] != '\0';
    }
    return behind[1] && strchr(":=!<>", behind[1]);
}

static bool
is_reference(char c)
{
    return (c >= '1' && c <= '9') || c == 'g' || c == 'k' || c == 'K';
}

static void
add_group(struct groups *g, const char *text, size_t off, size_t len)
{
    if (len < SHARE_GROUP_MIN)
        return;
    if (g->cnt == g->max) {
        g->max = g->max ? 2 * g->max : 256;
        g->list = must(realloc(g->list, g->max * sizeof(*g->list)));
    }
    g->list[g->cnt++] = (struct group){ .off = off, .len = len, .hash = hash(text + off, len) };
}

/* Every group that may be shared. False: the pattern is not for us. */
static bool
find_groups(const char *text, struct groups *g)
{
    struct {
        size_t off;
        bool is_tied; /* to its place: it captures, or refers to what does */
    } open[SHARE_DEPTH_MAX];
    unsigned depth = 0;
    g->cnt = 0;
    for (size_t i = 0; text[i];) {
        bool is_capture;
        if (text[i] == '\\') {
            if (!text[i + 1] || text[i + 1] == 'Q' || text[i + 1] == 'E')
                return false;
            for (unsigned k = 0; is_reference(text[i + 1]) && k < depth; k++)
                open[k].is_tied = true;
            i += 2;
        } else if (text[i] == '[') {
            i = skip_class(text, i);
        } else if (text[i] == '(' && !strncmp(text + i, "(?&w", 4)) { /* ours */
            i += strcspn(text + i, ")") + 1;
        } else if (text[i] == '(') {
            if (depth == SHARE_DEPTH_MAX || !is_plain_open(text + i + 1, &is_capture))
                return false;
            for (unsigned k = 0; is_capture && k < depth; k++)
                open[k].is_tied = true;
            open[depth].off = i;
            open[depth++].is_tied = strncmp(text + i, "(?:", 3) != 0;
            i++;
        } else if (text[i] == ')') {
            if (depth == 0)
                return false;
            depth--;
            i++;
            if (!open[depth].is_tied)
                add_group(g, text, open[depth].off, i - open[depth].off);
        } else {
            i++;
        }
    }
    return depth == 0;
}

static int
by_octets(const void *a, const void *b)
{
    const struct group *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    if (x->len != y->len)
        return x->len < y->len ? -1 : 1;
    return x->off < y->off ? -1 : x->off > y->off;
}

/* The run of equal groups that saves most; its length, 0: none. */
static size_t
best_run(const char *text, struct groups *g, size_t *first)
{
    size_t best = 0, best_cnt = 0, cnt;
    if (g->cnt)
        qsort(g->list, g->cnt, sizeof(*g->list), by_octets);
    for (size_t i = 0; i < g->cnt; i += cnt) {
        const struct group *a = &g->list[i];
        for (cnt = 1; i + cnt < g->cnt && a[cnt].hash == a->hash && a[cnt].len == a->len &&
                      !memcmp(text + a[cnt].off, text + a->off, a->len);)
            cnt++;
        bool is_repeated = text[a->off + a->len] == '{'; /* compiled more than once */
        size_t saved = cnt > 1 ? (cnt - 1) * a->len : is_repeated ? a->len : 0;
        if (saved > best) {
            best = saved;
            best_cnt = cnt;
            *first = i;
        }
    }
    return best_cnt;
}

/* The pattern with calls instead of these groups, which are in order and apart. */
static char *
call_instead(const char *text, const struct group *run, size_t cnt, unsigned number)
{
    char call[16];
    size_t call_len = (size_t)snprintf(call, sizeof(call), "(?&w%u)", number);
    size_t len = strlen(text), at = 0, to = 0;
    char *out = must(malloc(len + cnt * call_len + 1));
    for (size_t i = 0; i < cnt; i++) {
        memcpy(out + to, text + at, run[i].off - at);
        to += run[i].off - at;
        memcpy(out + to, call, call_len);
        to += call_len;
        at = run[i].off + run[i].len;
    }
    memcpy(out + to, text + at, len - at + 1);
    return out;
}

char *
pattern_share(const char *text)
{
    struct groups g = { 0 };
    char *now = NULL, *out = NULL;
    char *defined = must(strdup(""));
    unsigned number = 0;
    if (strlen(text) <= SHARE_LEN_MAX && !strstr(text, "(?&"))
        now = must(strdup(text));
    while (now && number < SHARE_ROUNDS_MAX) {
        size_t first = 0, cnt = find_groups(now, &g) ? best_run(now, &g, &first) : 0;
        if (!cnt)
            break;
        const struct group *run = &g.list[first];
        char *more = NULL;
        if (asprintf(&more, "%s(?<w%u>%.*s", defined, ++number, (int)(run->len - 3), now + run->off + 3) < 0)
            abort();
        free(defined);
        defined = more;
        char *next = call_instead(now, run, cnt, number);
        free(now);
        now = next;
    }
    if (number && asprintf(&out, "(?:%s)(?(DEFINE)%s)", now, defined) < 0)
        abort();
    free(now);
    free(defined);
    free(g.list);
    return out;
}
