/* rule_sets: directives that fill lists: addresses, hosts, domains. */
#include <stdlib.h>
#include <string.h>

#include "scan/rule_line.h"

static struct rule_set_list *
find(struct rule_list *l, const char *name)
{
    for (uint32_t i = 0; i < l->lists_cnt; i++) {
        if (!strcmp(l->lists[i].name, name))
            return &l->lists[i];
    }
    return NULL;
}

void
rule_list_add(struct rule_list *l, const char *list, const char *entry, size_t len)
{
    struct rule_set_list *s = find(l, list);
    if (!s) {
        l->lists = rule_must(reallocarray(l->lists, l->lists_cnt + 1, sizeof(*l->lists)));
        s = &l->lists[l->lists_cnt++];
        *s = (struct rule_set_list){ .name = rule_must(strdup(list)) };
    }
    if (s->entries_cnt == s->entries_max) {
        s->entries_max = s->entries_max ? s->entries_max * 2 : 16;
        s->entries = rule_must(reallocarray(s->entries, s->entries_max, sizeof(*s->entries)));
    }
    s->entries[s->entries_cnt++] = rule_must(strndup(entry, len));
}

void
rule_list_remove(struct rule_list *l, const char *list, const char *entry, size_t len)
{
    struct rule_set_list *s = find(l, list);
    uint32_t kept = 0;
    for (uint32_t i = 0; s && i < s->entries_cnt; i++) {
        if (strlen(s->entries[i]) == len && !memcmp(s->entries[i], entry, len))
            free(s->entries[i]);
        else
            s->entries[kept++] = s->entries[i];
    }
    if (s)
        s->entries_cnt = kept;
}

static void
clear(struct rule_set_list *s)
{
    for (uint32_t i = 0; i < s->entries_cnt; i++)
        free(s->entries[i]);
    s->entries_cnt = 0;
}

void
rule_list_clear(struct rule_list *l, const char *list)
{
    struct rule_set_list *s = find(l, list);
    if (s)
        clear(s);
}

void
rule_sets_free(struct rule_list *l)
{
    for (uint32_t i = 0; i < l->lists_cnt; i++) {
        clear(&l->lists[i]);
        free(l->lists[i].entries);
        free(l->lists[i].name);
    }
    free(l->lists);
}

enum set_form {
    FORM_WORDS,      /* each word is an entry, lower case */
    FORM_LINE,       /* the whole value, as it is */
    FORM_LINE_LOWER, /* the whole value, lower case, one blank between its words */
    FORM_HOSTS,      /* hosts of the uri list `list` */
    FORM_NAMED,      /* (NAME) words: the list is list:NAME */
    FORM_REMOVE,     /* each word is taken out of the list */
    FORM_DELIST,     /* [(NAME)] hosts are taken out of one uri list or of all */
    FORM_CLEAR       /* the list is emptied; with words behind it these are taken out */
};

/* Older names beside the new ones; `white` and `black` are read as `welcome` and `block` first. */
static const struct set_directive {
    const char *keyword;
    enum set_form form;
    const char *list;
} directives[] = {
    { "freemail_domains", FORM_WORDS, "freemail_domains" },
    { "freemail_welcomelist", FORM_WORDS, "freemail_welcomelist" },
    { "blocklist_from", FORM_WORDS, "blocklist_from" },
    { "welcomelist_from", FORM_WORDS, "welcomelist_from" },
    { "blocklist_to", FORM_WORDS, "blocklist_to" },
    { "welcomelist_to", FORM_WORDS, "welcomelist_to" },
    { "more_spam_to", FORM_WORDS, "more_spam_to" },
    { "all_spam_to", FORM_WORDS, "all_spam_to" },
    { "unblocklist_from", FORM_REMOVE, "blocklist_from" },
    { "unwelcomelist_from", FORM_REMOVE, "welcomelist_from" },
    { "welcomelist_auth", FORM_WORDS, "welcomelist_auth" },
    { "def_welcomelist_auth", FORM_WORDS, "def_welcomelist_auth" },
    { "unwelcomelist_auth", FORM_REMOVE, "welcomelist_auth" },
    { "welcomelist_from_spf", FORM_WORDS, "welcomelist_from_spf" },
    { "def_welcomelist_from_spf", FORM_WORDS, "def_welcomelist_from_spf" },
    { "unwelcomelist_from_spf", FORM_REMOVE, "welcomelist_from_spf" },
    { "welcomelist_from_dkim", FORM_LINE_LOWER, "welcomelist_from_dkim" },
    { "def_welcomelist_from_dkim", FORM_LINE_LOWER, "def_welcomelist_from_dkim" },
    { "unwelcomelist_from_dkim", FORM_REMOVE, "welcomelist_from_dkim" },
    { "welcomelist_from_rcvd", FORM_LINE_LOWER, "welcomelist_from_rcvd" },
    { "def_welcomelist_from_rcvd", FORM_LINE_LOWER, "def_welcomelist_from_rcvd" },
    { "unwelcomelist_from_rcvd", FORM_REMOVE, "welcomelist_from_rcvd" },
    { "welcomelist_allows_relays", FORM_WORDS, "welcomelist_allows_relays" },
    { "welcomelist_subject", FORM_LINE, "welcomelist_subject" },
    { "blocklist_subject", FORM_LINE, "blocklist_subject" },
    { "enlist_uri_host", FORM_NAMED, "enlist_uri_host" },
    { "enlist_addrlist", FORM_NAMED, "enlist_addrlist" },
    { "delist_uri_host", FORM_DELIST, "enlist_uri_host" },
    { "blocklist_uri_host", FORM_HOSTS, "enlist_uri_host:BLOCK" },
    { "welcomelist_uri_host", FORM_HOSTS, "enlist_uri_host:WELCOME" },
    { "url_shortener", FORM_WORDS, "url_shortener" },
    { "url_shortener_get", FORM_WORDS, "url_shortener" },
    { "clear_url_shortener", FORM_CLEAR, "url_shortener" },
    { "url_redirector", FORM_WORDS, "url_redirector" },
    { "util_rb_tld", FORM_WORDS, "util_rb_tld" },
    { "util_rb_2tld", FORM_WORDS, "util_rb_2tld" },
    { "util_rb_3tld", FORM_WORDS, "util_rb_3tld" },
    { "util_rb_4tld", FORM_WORDS, "util_rb_4tld" },
    { "redirector_pattern", FORM_LINE, "redirector_pattern" },
    { "uridnsbl_skip_domain", FORM_WORDS, "uridnsbl_skip_domain" },
    { "clear_uridnsbl_skip_domain", FORM_CLEAR, "uridnsbl_skip_domain" },
};

/* A word in lower case, malloc; whole: the rest of the line with one blank between words. */
static char *
lower(struct rule_cursor *c, bool is_whole)
{
    size_t max = c->line->len - c->off + 1;
    char *out = rule_must(malloc(max));
    size_t len = 0;
    do {
        size_t word_len;
        const char *word = rule_word(c, &word_len);
        if (len)
            out[len++] = ' ';
        for (size_t i = 0; i < word_len; i++)
            out[len++] = (char)(word[i] >= 'A' && word[i] <= 'Z' ? word[i] + 32 : word[i]);
    } while (is_whole && c->off < c->line->len);
    out[len] = 0;
    return out;
}

/* (NAME), and the cursor is behind it: the list's whole name, malloc. NULL when there is none. */
static char *
named(struct rule_cursor *c, const char *list)
{
    size_t rest_len;
    const char *rest = rule_rest(c, &rest_len);
    const char *close = rest_len && rest[0] == '(' ? memchr(rest, ')', rest_len) : NULL;
    if (!close || close == rest + 1)
        return NULL;
    size_t list_len = strlen(list);
    size_t name_len = (size_t)(close - rest) - 1;
    char *name = rule_must(malloc(list_len + name_len + 2));
    memcpy(name, list, list_len);
    name[list_len] = ':';
    memcpy(name + list_len + 1, rest + 1, name_len);
    name[list_len + 1 + name_len] = 0;
    c->off += name_len + 2;
    rule_skip_blanks(c);
    return name;
}

static void
add_words(struct rule_cursor *c, const char *list)
{
    while (c->off < c->line->len) {
        char *word = lower(c, false);
        rule_list_add(c->list, list, word, strlen(word));
        free(word);
    }
}

static void
remove_words(struct rule_cursor *c, const char *list)
{
    while (c->off < c->line->len) {
        char *word = lower(c, false);
        rule_list_remove(c->list, list, word, strlen(word));
        free(word);
    }
}

/* An entry of a uri list is HOST or !HOST; both go. */
static void
delist(struct rule_cursor *c, const char *list)
{
    size_t start = c->off;
    char *one = named(c, list);
    if (!one && rule_begins(c, "(")) {
        rule_say(c, RULE_ERROR, start, "a list name in ( ) is expected here");
        return;
    }
    while (c->off < c->line->len) {
        char *word = lower(c, false);
        const char *host = word + (word[0] == '!');
        char *not_host = rule_must(malloc(strlen(host) + 2));
        strcat(strcpy(not_host, "!"), host);
        for (uint32_t i = 0; i < c->list->lists_cnt; i++) {
            const char *name = c->list->lists[i].name;
            bool is_it = one ? !strcmp(name, one) : !strncmp(name, "enlist_uri_host:", 16);
            if (!is_it)
                continue;
            rule_list_remove(c->list, name, host, strlen(host));
            rule_list_remove(c->list, name, not_host, strlen(not_host));
        }
        free(not_host);
        free(word);
    }
    free(one);
}

static void
parse_named(struct rule_cursor *c, const char *list)
{
    char *name = named(c, list);
    if (!name)
        rule_say(c, RULE_ERROR, c->off, "a list name in ( ) is expected here");
    else if (c->off == c->line->len)
        rule_say(c, RULE_ERROR, c->off, "the list's entries are missing");
    else
        add_words(c, name);
    free(name);
}

static void
parse_form(struct rule_cursor *c, const struct set_directive *d)
{
    size_t len;
    const char *rest = rule_rest(c, &len);
    if (len == 0 && d->form != FORM_CLEAR) {
        rule_say(c, RULE_ERROR, c->off, "a value is missing");
        return;
    }
    char *line;
    switch (d->form) {
    case FORM_WORDS:
    case FORM_HOSTS:
        add_words(c, d->list);
        break;
    case FORM_LINE:
        rule_list_add(c->list, d->list, rest, len);
        break;
    case FORM_LINE_LOWER:
        line = lower(c, true);
        rule_list_add(c->list, d->list, line, strlen(line));
        free(line);
        break;
    case FORM_NAMED:
        parse_named(c, d->list);
        break;
    case FORM_REMOVE:
        remove_words(c, d->list);
        break;
    case FORM_DELIST:
        delist(c, d->list);
        break;
    case FORM_CLEAR:
        if (len == 0)
            rule_list_clear(c->list, d->list);
        remove_words(c, d->list);
        break;
    }
}

/* "whitelist_x" and "def_whitelist_x" are "welcomelist_x" and "def_welcomelist_x", and so on. */
static void
renew(const char *keyword, char *out, size_t size)
{
    static const char *const names[][2] = { { "whitelist", "welcomelist" }, { "blacklist", "blocklist" } };
    for (unsigned i = 0; i < 2; i++) {
        const char *at = strstr(keyword, names[i][0]);
        size_t before = at ? (size_t)(at - keyword) : 0;
        if (!at || strlen(keyword) + 3 > size)
            continue;
        memcpy(out, keyword, before);
        strcpy(out + before, names[i][1]);
        strcat(out, at + strlen(names[i][0]));
        return;
    }
    strncpy(out, keyword, size - 1);
    out[size - 1] = 0;
}

bool
rule_parse_set(struct rule_cursor *c)
{
    char keyword[80];
    renew(c->keyword, keyword, sizeof(keyword));
    if (!strcmp(keyword, "clear_util_rb")) {
        static const char *const lists[] = { "util_rb_tld", "util_rb_2tld", "util_rb_3tld", "util_rb_4tld" };
        for (unsigned i = 0; i < sizeof(lists) / sizeof(*lists); i++)
            rule_list_clear(c->list, lists[i]);
        return true;
    }
    for (size_t i = 0; i < sizeof(directives) / sizeof(*directives); i++) {
        if (!strcmp(keyword, directives[i].keyword)) {
            parse_form(c, &directives[i]);
            return true;
        }
    }
    return false;
}
