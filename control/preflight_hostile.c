#include "control/preflight_hostile.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Where the next octets go; what does not fit is left out. */
struct pen {
    char *at, *end;
};

static bool put(struct pen *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool
put(struct pen *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(p->at, (size_t)(p->end - p->at), format, args);
    va_end(args);
    if (n < 0 || n >= p->end - p->at)
        return false;
    p->at += n;
    return true;
}

const char *
preflight_hostile_name(enum preflight_hostile kind)
{
    static const char *const names[HOSTILE_CNT] = {"long line", "runs", "almost", "fields", "received",
                                                   "mime", "links", "html", "encoded"};
    return kind < HOSTILE_CNT ? names[kind] : "?";
}

static void
put_head(struct pen *p, const char *type)
{
    put(p, "From: Alice <alice@sender.test>\r\nTo: <robert@rcpt.test>\r\nSubject: a long one\r\n"
           "Date: Sun, 1 Feb 2026 12:00:00 +0000\r\nMessage-ID: <1.2@mail.sender.test>\r\nMIME-Version: 1.0\r\n"
           "Content-Type: %s\r\n", type);
}

static void
put_long_line(struct pen *p)
{
    static const char *const words[] = {"dear", "money", "account", "the", "please", "bank", "of", "million"};
    put_head(p, "text/plain\r\n");
    for (unsigned i = 0; put(p, "%s ", words[(i * 7 + i / 5) % 8]); i++)
        continue;
}

static void
put_runs(struct pen *p)
{
    static const char octets[] = "a .0-=_*!A";
    put_head(p, "text/plain\r\n");
    for (unsigned i = 0;; i++) {
        char run[401];
        memset(run, octets[i % (sizeof(octets) - 1)], sizeof(run) - 1);
        run[sizeof(run) - 1] = 0;
        if (!put(p, "%s%s", run, i % 4 == 3 ? "\r\n" : ""))
            return;
    }
}

static void
put_almost(struct pen *p)
{
    put_head(p, "text/plain\r\n");
    while (put(p, "Dear friend, your account your account click click here to unsubscribe from this (this) "
                  "$1,000,000.00 US dollars of the bank of the minister of the late <a href http://http:// www. "
                  "viagr cial1 v.i.a.g.r lottery winne urgent urgen assistanc confidentia busines proposa\r\n"))
        continue;
}

static void
put_fields(struct pen *p)
{
    for (unsigned i = 0; i < 1000 && put(p, "X-Field-%u: value %u of many; a=b; c=\"d e\" <f%u@g.test>\r\n", i, i, i); i++)
        continue;
    put_head(p, "text/plain\r\n");
    put(p, "Short.\r\n");
}

static void
put_received(struct pen *p)
{
    for (unsigned i = 0; i < 64; i++)
        put(p, "Received: from host%u.sender.test (host%u.sender.test [192.0.43.%u])\r\n\tby mx%u.rcpt.test (Postfix) "
               "with ESMTP id A%uB\r\n\tfor <robert@rcpt.test>; Sun, 1 Feb 2026 12:00:%02u +0000\r\n",
            i, i, i, i, i, i % 60);
    put_head(p, "text/plain\r\n");
    put(p, "Short.\r\n");
}

static void
put_mime(struct pen *p)
{
    put_head(p, "multipart/mixed; boundary=\"b0\"\r\n");
    for (unsigned i = 0; i < 30; i++)
        put(p, "--b%u\r\nContent-Type: multipart/mixed; boundary=\"b%u\"\r\n\r\n", i, i + 1);
    for (unsigned i = 0; i < 800; i++)
        put(p, "--b30\r\nContent-Type: text/plain; name=\"n%u.txt\"\r\n\r\nPart %u.\r\n", i, i);
}

static void
put_links(struct pen *p)
{
    put_head(p, "text/plain\r\n");
    for (unsigned i = 0; put(p, "http://www%u.sender.test/%%41%u?u=http://x%u.test/ mail%u@rcpt.test\r\n", i, i, i, i); i++)
        continue;
}

static void
put_html(struct pen *p)
{
    put_head(p, "text/html; charset=utf-8\r\n");
    put(p, "<html><body>");
    for (unsigned i = 0; put(p, "<div style=\"color:#%06x;font-size:%upx\"><font color=\"#fffffe\"><a href=\"http://h%u.test/\" "
                                "title='x'>t&eacute;xt</a> &#x%x;</font>%s\r\n", i * 977 % 0xffffff, i % 40, i, 0x41 + i % 25,
                             i % 3 ? "</div>" : ""); i++)
        continue;
}

static void
put_encoded(struct pen *p)
{
    put_head(p, "text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n");
    for (unsigned i = 0; put(p, "=%02X%s", 0x20 + i % 0x5f, i % 24 == 23 ? "=\r\n" : ""); i++)
        continue;
}

size_t
preflight_hostile_mail(enum preflight_hostile kind, uint8_t *out)
{
    static void (*const makers[HOSTILE_CNT])(struct pen *) = {put_long_line, put_runs,  put_almost, put_fields, put_received,
                                                             put_mime,      put_links, put_html,   put_encoded};
    struct pen p = {(char *)out, (char *)out + PREFLIGHT_HOSTILE_LEN - 2};
    if (kind < HOSTILE_CNT)
        makers[kind](&p);
    memcpy(p.at, "\r\n", 2);
    return (size_t)(p.at + 2 - (char *)out);
}
