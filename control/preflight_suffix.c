#include "control/preflight_suffix.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan/suffix.h"

/* Where most mail of the world comes from and goes to; the incident's first of all countries. */
static const char *const popular[] = {
    "com",    "net",    "org",    "co.uk",  "de",     "fr",     "uk",     "org.uk", "me.uk",  "ltd.uk", "plc.uk",
    "gov.uk", "ac.uk",  "nhs.uk", "police.uk", "sch.uk", "eu",   "nl",    "it",     "es",     "pl",     "ru",
    "com.au", "net.au", "org.au", "edu.au", "gov.au", "au",     "co.nz",  "ca",     "us",     "edu",    "gov",
    "mil",    "int",    "info",   "biz",    "co",     "io",     "me",     "tv",     "cc",     "xyz",    "online",
    "site",   "app",    "dev",    "shop",   "top",    "com.br", "com.cn", "cn",     "co.jp",  "jp",     "co.in",
    "in",     "co.za",  "com.mx", "mx",     "com.ar", "com.tr", "co.kr",  "kr",     "com.tw", "com.hk", "com.sg",
    "co.il",  "be",     "ch",     "at",     "se",     "no",     "dk",     "fi",     "ie",     "pt",     "gr",
    "cz",     "sk",     "hu",     "ro",     "bg",     "hr",     "si",     "lt",     "lv",     "ee",     "ua",
    "com.ua", "by",     "kz",     "ir",     "id",     "co.id",  "com.my", "co.th",  "vn",     "com.vn", "ph",
    "com.ph", "github.io", "cloud", "agency", "london", "berlin", "scot",  "wales",  "cymru",
};

enum { POPULAR_CNT = sizeof(popular) / sizeof(*popular), RANK_PRIVATE = 1000, RANK_ICANN = 500, LABELS_MAX = 8 };

static void *
must(void *p)
{
    if (!p)
        abort();
    return p;
}

static uint32_t
rank_of(const char *suffix, bool is_private)
{
    uint32_t labels = 1;
    for (uint32_t i = 0; i < POPULAR_CNT; i++) {
        if (!strcmp(popular[i], suffix))
            return i;
    }
    for (const char *at = suffix; *at; at++)
        labels += *at == '.';
    return (is_private ? RANK_PRIVATE : RANK_ICANN) + (labels < LABELS_MAX ? labels : LABELS_MAX);
}

static bool
to_ascii(const char *name, struct host *h)
{
    return host_normalize((struct span){(const uint8_t *)name, strlen(name)}, h);
}

static void
add(struct preflight_suffixes *s, const char *suffix, const char *domain, bool is_private)
{
    uint32_t rank = rank_of(suffix, is_private);
    s->list = must(reallocarray(s->list, s->cnt + 1, sizeof(*s->list)));
    s->list[s->cnt] = (struct preflight_suffix){must(strdup(suffix)), must(strdup(domain)), rank, s->cnt};
    s->cnt++;
    s->popular_cnt += rank < POPULAR_CNT;
}

/* One rule: both spellings of its domain. */
static bool
add_rule(struct preflight_suffixes *s, const char *rule, bool is_private)
{
    char suffix[SUFFIX_LINE_MAX + 16], domain[SUFFIX_LINE_MAX + 32];
    struct host ascii, ascii_domain;
    if (rule[0] == '!') {
        const char *dot = strchr(rule, '.');
        snprintf(suffix, sizeof(suffix), "%s", dot ? dot + 1 : "");
        snprintf(domain, sizeof(domain), "%.*s", SUFFIX_LINE_MAX, rule + 1);
    } else {
        bool is_wild = rule[0] == '*' && rule[1] == '.';
        snprintf(suffix, sizeof(suffix), "%s%.*s", is_wild ? "com." : "", SUFFIX_LINE_MAX,
                 rule + (is_wild ? 2 : 0));
        snprintf(domain, sizeof(domain), "brookfield.%s", suffix);
    }
    if (!*suffix || strpbrk(suffix, "*!") || !to_ascii(suffix, &ascii) || !to_ascii(domain, &ascii_domain))
        return false;
    add(s, ascii.text, ascii_domain.text, is_private);
    if (strcmp(domain, ascii_domain.text))
        add(s, ascii.text, domain, is_private);
    s->rules_cnt++;
    return true;
}

static int
by_rank(const void *a, const void *b)
{
    const struct preflight_suffix *x = a, *y = b;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static bool
is_rule(const char *line)
{
    for (const char *at = line; *at; at++) {
        if ((unsigned char)*at <= ' ' || *at == 0x7f || strchr("<>()[],;:@\\\"", *at))
            return false;
    }
    return true;
}

/* Lines up to their first blank; comments; "===BEGIN PRIVATE DOMAINS===". */
static int
read_lines(struct preflight_suffixes *s, FILE *f, char *why, size_t size)
{
    char line[4096];
    bool is_private = false;
    for (unsigned no = 1; fgets(line, sizeof(line), f); no++) {
        if (strstr(line, "===BEGIN PRIVATE DOMAINS==="))
            is_private = true;
        if (!strncmp(line, "//", 2))
            continue;
        line[strcspn(line, " \t\r\n")] = 0;
        if (!*line)
            continue;
        if (strlen(line) > SUFFIX_LINE_MAX || !is_rule(line) || !add_rule(s, line, is_private))
            return snprintf(why, size, "line %u of the Public Suffix List is no rule", no), -1;
        if (s->rules_cnt > SUFFIX_RULES_MAX)
            return snprintf(why, size, "the Public Suffix List has more than %d rules", SUFFIX_RULES_MAX), -1;
    }
    if (ferror(f) || !s->rules_cnt)
        return snprintf(why, size, "the Public Suffix List has no rules, or cannot be read"), -1;
    return 0;
}

int
preflight_suffixes_read(struct preflight_suffixes *s, const char *path, char *why, size_t size)
{
    *s = (struct preflight_suffixes){0};
    path = path ? path : PREFLIGHT_SUFFIX_LIST;
    FILE *f = fopen(path, "re");
    if (!f)
        return snprintf(why, size, "no Public Suffix List: %s: %s (package publicsuffix)", path, strerror(errno)), -1;
    int result = read_lines(s, f, why, size);
    fclose(f);
    if (s->cnt)
        qsort(s->list, s->cnt, sizeof(*s->list), by_rank);
    return result;
}

void
preflight_suffixes_free(struct preflight_suffixes *s)
{
    for (uint32_t i = 0; i < s->cnt; i++) {
        free(s->list[i].suffix);
        free(s->list[i].domain);
    }
    free(s->list);
    *s = (struct preflight_suffixes){0};
}
