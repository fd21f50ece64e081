#include "control/preflight_corpus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/mailsource.h"
#include "scan/address.h"
#include "scan/header.h"
#include "scan/limits.h"
#include "scan/suffix.h"

enum { PATH_LEN = 1024, MAIL_MAX = 64 << 20 };

struct reading {
    struct preflight_mail *mail;
    size_t max;
    bool is_too_long;
};

static void *
must(void *p)
{
    if (!p)
        abort();
    return p;
}

static void
feed(void *to, const uint8_t *octets, size_t len)
{
    struct reading *r = to;
    struct preflight_mail *m = r->mail;
    if (m->len + len > MAIL_MAX) {
        r->is_too_long = true;
        return;
    }
    if (m->len + len > r->max) {
        r->max = 2 * (m->len + len);
        m->octets = must(realloc(m->octets, r->max));
    }
    memcpy(m->octets + m->len, octets, len);
    m->len += len;
}

/* The public suffix of the first address in From. */
static char *
sender_suffix(const struct suffix_set *set, const struct preflight_mail *m)
{
    static uint8_t buf[HEADER_LEN_MAX], text[HEADER_LEN_MAX + 1];
    struct header h;
    struct header_field f;
    enum header_next next;
    struct host host;
    header_init(&h, buf, sizeof(buf), HEADER_GARBAGE_MESSAGE);
    header_feed(&h, m->octets, m->len, &next);
    if (next == HEADER_MORE)
        header_end(&h);
    if (!header_find(&h, "from", &f))
        return must(strdup(""));
    size_t len = address_write(f.value, ADDRESS_ADDR, text);
    const uint8_t *line_end = memchr(text, '\n', len);
    if (line_end)
        len = (size_t)(line_end - text);
    const uint8_t *at = memrchr(text, '@', len);
    size_t name_len = at ? (size_t)(text + len - at - 1) : 0;
    if (!at || !suffix_lookup(set, (struct span){at + 1, name_len}, &host) || host.is_ip)
        return must(strdup(""));
    return must(strdup(host.text + host.suffix_off));
}

static bool
take(struct preflight_corpus *c, const struct suffix_set *set, struct mail *mail, char *why, size_t size)
{
    struct preflight_mail m = {0};
    struct reading r = {&m, 0, false};
    if (mail->error || !mail_read(mail, feed, &r)) {
        snprintf(why, size, "%.200s: %.200s", mail->name, mail->error);
        free(m.octets);
        return false;
    }
    if (r.is_too_long) {
        c->is_cut = true;
        free(m.octets);
        return true;
    }
    m.octets = must(realloc(m.octets, m.len + 1));
    m.name = must(strdup(mail->name));
    m.suffix = sender_suffix(set, &m);
    if ((c->cnt & (c->cnt - 1)) == 0) /* doubled at each power of two */
        c->mails = must(reallocarray(c->mails, c->cnt ? 2 * (size_t)c->cnt : 1, sizeof(*c->mails)));
    c->mails[c->cnt++] = m;
    c->octets += m.len;
    return true;
}

/* Where the corpus that ships lies: beside the installed program's data, else in the source. */
static void
shipped(const char *kind, char *path, size_t size)
{
    snprintf(path, size, "%s/%s", WEIR_CORPUS_INSTALLED, kind);
    if (access(path, R_OK))
        snprintf(path, size, "%s/%s", WEIR_CORPUS_SOURCE, kind);
}

int
preflight_corpus_read(struct preflight_corpus *c, const char *path, const char *kind, char *why, size_t size)
{
    char name[PATH_LEN];
    char *paths[] = {name};
    struct mail mail;
    struct suffix_set *set;
    *c = (struct preflight_corpus){0};
    if (*path)
        snprintf(name, sizeof(name), "%s", path);
    else
        shipped(kind, name, sizeof(name));
    if (suffix_new(&set))
        return snprintf(why, size, "no Public Suffix List"), -1;
    struct mailsource *s = mailsource_new(paths, 1);
    bool ok = true;
    while (ok && !c->is_cut && mailsource_next(s, &mail)) {
        ok = take(c, set, &mail, why, size);
        c->is_cut |= c->cnt == PREFLIGHT_CORPUS_MAILS || c->octets >> 20 >= PREFLIGHT_CORPUS_MIB;
        mail_free(&mail);
    }
    mailsource_free(s);
    suffix_free(set);
    if (ok && !c->cnt)
        snprintf(why, size, "%.300s: no mails", name);
    return ok && c->cnt ? 0 : -1;
}

void
preflight_corpus_free(struct preflight_corpus *c)
{
    for (uint32_t i = 0; i < c->cnt; i++) {
        free(c->mails[i].name);
        free(c->mails[i].octets);
        free(c->mails[i].suffix);
    }
    free(c->mails);
    *c = (struct preflight_corpus){0};
}
