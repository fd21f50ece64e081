#include "control/preflight_probe.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What a mail consists of, in text. */
struct parts {
    char helo[300], mail_from[600], rcpt[600];
    char from[600], reply_to[600], to[600], cc[600];
    char received_from[300], received_by[300], received_for[600];
    char url[600], message_id[600], in_reply_to[600];
};

const char *
preflight_place_name(enum preflight_place p)
{
    static const char *const names[PLACE_CNT] = {"helo",     "mail-from", "rcpt-to",    "from", "reply-to",
                                                 "received", "url",       "message-id", "to",   "whole"};
    return p < PLACE_CNT ? names[p] : "?";
}

void
preflight_date(time_t t, char *text)
{
    static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct tm tm;
    gmtime_r(&t, &tm);
    snprintf(text, 40, "%.3s, %d %.3s %d %02d:%02d:%02d +0000", days + 3 * tm.tm_wday, tm.tm_mday,
             months + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static void put(char *out, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void
put(char *out, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(out, size, format, args);
    va_end(args);
}

#define PUT(member, ...) put(p->member, sizeof(p->member), __VA_ARGS__)

static void
put_neutral(struct parts *p)
{
    PUT(helo, "mail.sender.test");
    PUT(mail_from, "alice@sender.test");
    PUT(rcpt, "robert@rcpt.test");
    PUT(from, "Alice Brookfield <alice@sender.test>");
    PUT(to, "Robert Miller <robert@rcpt.test>");
    *p->reply_to = *p->cc = *p->url = *p->in_reply_to = 0;
    PUT(received_from, "desk.sender.test");
    PUT(received_by, "mail.sender.test");
    PUT(received_for, "robert@rcpt.test");
    PUT(message_id, "4711.0815@mail.sender.test");
}

static void
put_sender(struct parts *p, const char *d, enum preflight_place place)
{
    bool is_whole = place == PLACE_WHOLE;
    if (place == PLACE_HELO || is_whole)
        PUT(helo, "mail.%s", d);
    if (place == PLACE_MAIL_FROM || is_whole)
        PUT(mail_from, "alice@%s", d);
    if (place == PLACE_RCPT_TO)
        PUT(rcpt, "SRS0=ab=cd=%s=alice@rcpt.test", d);
    if (place == PLACE_FROM || is_whole)
        PUT(from, "Alice Brookfield <alice@%s>", d);
    if (place == PLACE_REPLY_TO)
        PUT(reply_to, "Reply-To: Alice Brookfield <alice@%s>\r\n", d);
    if (place == PLACE_RECEIVED || is_whole)
        PUT(received_from, "mail.%s", d);
    if (place == PLACE_URL || is_whole)
        PUT(url, "They are also at http://www.%s/minutes\r\n", d);
    if (place == PLACE_MESSAGE_ID || is_whole)
        PUT(message_id, "4711.0815@mail.%s", d);
    if (place == PLACE_TO)
        PUT(cc, "Cc: Carol Weaver <carol@%s>\r\n", d);
}

static void
put_rcpt(struct parts *p, const char *d, enum preflight_place place)
{
    bool is_whole = place == PLACE_WHOLE;
    if (place == PLACE_HELO)
        PUT(helo, "mx1.%s", d);
    if (place == PLACE_MAIL_FROM)
        PUT(mail_from, "news+bob=%s@sender.test", d);
    if (place == PLACE_RCPT_TO || is_whole)
        PUT(rcpt, "bob@%s", d);
    if (place == PLACE_FROM)
        PUT(from, "\"bob@%s\" <news@sender.test>", d);
    if (place == PLACE_REPLY_TO)
        PUT(reply_to, "Reply-To: <reply+bob=%s@sender.test>\r\n", d);
    if (place == PLACE_RECEIVED || is_whole)
        PUT(received_by, "mx1.%s", d);
    if (place == PLACE_RECEIVED || is_whole)
        PUT(received_for, "bob@%s", d);
    if (place == PLACE_URL)
        PUT(url, "They are also at http://www.example.museum/minutes?reader=bob@%s\r\n", d);
    if (place == PLACE_MESSAGE_ID || is_whole)
        PUT(in_reply_to, "In-Reply-To: <0815.4711@mail.%s>\r\nReferences: <0815.4711@mail.%s>\r\n", d, d);
    if (place == PLACE_TO || is_whole)
        PUT(to, "Bob Miller <bob@%s>", d);
}

static struct span
span_of(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

/* The mail stands at the front of the room, the envelope behind it. */
static void
write_item(struct preflight_item *item, const struct parts *p, const char *date)
{
    char *out = (char *)item->room;
    size_t cap = sizeof(item->room);
    int len = snprintf(out, cap,
                       "Received: from %s (%s [192.0.43.7])\r\n\tby %s (Postfix) with ESMTPS id 4XyZ1k3Qwz\r\n"
                       "\tfor <%s>; %s\r\n"
                       "Date: %s\r\nFrom: %s\r\n%sTo: %s\r\n%s%s"
                       "Subject: Minutes of the meeting on Thursday\r\n"
                       "Message-ID: <%s>\r\nMIME-Version: 1.0\r\n"
                       "Content-Type: text/plain; charset=utf-8\r\n\r\n"
                       "Dear Robert,\r\n\r\nhere are the minutes of our meeting. Please tell me by Friday whether\r\n"
                       "they are complete. The next one is on the tenth, in the small room upstairs.\r\n%s\r\n"
                       "Kind regards,\r\nAlice\r\n",
                       p->received_from, p->received_from, p->received_by, p->received_for, date, date, p->from,
                       p->reply_to, p->to, p->cc, p->in_reply_to, p->message_id, p->url);
    size_t at = (size_t)len + 1;
    struct span *spans[] = {&item->helo, &item->mail_from, &item->rcpt};
    const char *texts[] = {p->helo, p->mail_from, p->rcpt};
    item->octets = (struct span){item->room, (size_t)len};
    for (unsigned i = 0; i < 3; i++) {
        *spans[i] = span_of(texts[i]);
        memcpy(item->room + at, texts[i], spans[i]->len);
        spans[i]->ptr = item->room + at;
        at += spans[i]->len;
    }
    item->ip = span_of("192.0.43.8");
    item->has_envelope = true;
}

void
preflight_probe(struct preflight_item *item, const char *domain, enum preflight_place place,
                enum preflight_direction direction, time_t date)
{
    struct parts p;
    char date_text[40];
    put_neutral(&p);
    if (domain && direction == DIRECTION_SENDER)
        put_sender(&p, domain, place);
    else if (domain)
        put_rcpt(&p, domain, place);
    preflight_date(date, date_text);
    write_item(item, &p, date_text);
}
