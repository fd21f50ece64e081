/* See received.h. */
#include <stdio.h>
#include <string.h>

#include "scan/ip_text.h"
#include "scan/octet.h"
#include "scan/received.h"
#include "scan/received_private.h"

/* Runs of blanks as one, none at the ends, no ";" at the end. Returns the length. */
static size_t
squeeze(struct span value, uint8_t *out, size_t cap, bool *is_capped)
{
    size_t len = 0;

    for (size_t i = 0; i < value.len; i++) {
        uint8_t c = octet_is_space(value.ptr[i]) ? ' ' : value.ptr[i];

        if (c == ' ' && (len == 0 || out[len - 1] == ' '))
            continue;
        if (len == cap) {
            *is_capped = true;
            break;
        }
        out[len++] = c;
    }
    while (len > 0 && (out[len - 1] == ' ' || out[len - 1] == ';'))
        len--;
    return len;
}

static size_t
digits_before(const uint8_t *s, size_t end)
{
    size_t n = 0;

    while (n < end && s[end - 1 - n] >= '0' && s[end - 1 - n] <= '9')
        n++;
    return n;
}

/* Where "12:34", "12:34:56" before `end` starts; `end` when there is none. */
static size_t
time_before(const uint8_t *s, size_t end)
{
    size_t at = end;

    for (unsigned colons = 0; colons < 3; colons++) {
        size_t n = digits_before(s, at);

        if (n == 0)
            break;
        at -= n;
        if (at > 0 && s[at - 1] == ' ' && colons > 0)
            return at;
        if (at == 0 || s[at - 1] != ':')
            break;
        at--;
    }
    return end;
}

static bool
is_name_of(const char *names, const uint8_t *name)
{
    for (; *names != '\0'; names += 3) {
        if (memcmp(names, name, 3) == 0)
            return true;
    }
    return false;
}

/* The length without the date at the end: "[; ]Tue, 23 May 2006 13:06:35 -0400". A date with a
 * comment behind ("(CET)") stays, as SpamAssassin leaves it. */
static size_t
cut_date(const uint8_t *s, size_t len)
{
    size_t at = len, n, from;

    while (at > 0 && s[at - 1] != ' ') /* the zone */
        at--;
    if (at == 0 || at == len)
        return len;
    from = time_before(s, at - 1);
    if (from == at - 1)
        return len;
    at = from - 1;
    n = digits_before(s, at); /* the year */
    if (n == 0 || at - n < 6 || s[at - n - 1] != ' ')
        return len;
    at -= n + 4; /* the month */
    if (!is_name_of("JanFebMarAprMayJunJulAugSepOctNovDec", s + at) || s[at - 1] != ' ')
        return len;
    at--;
    n = digits_before(s, at); /* the day */
    if (n == 0)
        return len;
    at -= n;
    if (at > 5 && memcmp(s + at - 2, ", ", 2) == 0 &&
        is_name_of("MonTueWedThuFriSatSun", s + at - 5) && (s[at - 6] == ' ' || s[at - 6] == ';'))
        at -= 5;
    from = at;
    while (at > 0 && (s[at - 1] == ' ' || s[at - 1] == ';'))
        at--;
    return at == from ? len : at;
}

/* ")by " lacks a blank in some lines: `line` has room for one more octet. */
static size_t
part_by(uint8_t *line, size_t len)
{
    size_t off;

    if (!span_find((struct span){line, len}, ")by ", &off))
        return len;
    memmove(line + off + 2, line + off + 1, len - off - 1);
    line[off + 1] = ' ';
    return len + 1;
}

static struct span
put(struct relays *r, struct span s, bool is_stripped)
{
    uint8_t *to = r->text + r->text_len;

    if (s.len > RELAYS_TEXT_MAX - r->text_len) {
        r->is_capped = true;
        s.len = 0;
    }
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.ptr[i];
        bool is_bad = octet_is_space(c) || c == '\0' || strchr("#[]()<>|", c) != NULL;

        to[i] = is_stripped && is_bad ? '!' : c;
    }
    r->text_len += s.len;
    return (struct span){to, s.len};
}

/* "<" and ">" around an envelope sender go. */
static struct span
strip_angles(struct span s)
{
    while (s.len > 0 && octet_is_space(s.ptr[0]))
        s = span_from(s, 1);
    while (s.len > 0 && s.ptr[0] == '<')
        s = span_from(s, 1);
    while (s.len > 0 && octet_is_space(s.ptr[s.len - 1]))
        s.len--;
    while (s.len > 0 && s.ptr[s.len - 1] == '>')
        s.len--;
    return s;
}

static struct span
clean_rdns(struct span s)
{
    while (s.len > 0 && s.ptr[s.len - 1] == '.')
        s.len--;
    if (span_starts(s, "[") || (s.len == 7 && span_starts_nocase(s, "unknown")))
        s.len = 0;
    return s;
}

/* "IPv6:" and the zeros of an IPv4 address mapped into IPv6 go. */
static struct span
clean_ip(struct span s)
{
    size_t off = span_starts_nocase(s, "IPv6:") ? 5 : 0, colons = 0;
    struct span v4;

    s = span_from(s, off);
    for (off = 0; off < s.len && (s.ptr[off] == '0' || s.ptr[off] == ':'); off++)
        colons += s.ptr[off] == ':';
    if (colons < 2 || !span_starts_nocase(span_from(s, off), "ffff:") || s.ptr[off - 1] != ':')
        return s;
    v4 = span_from(s, off + 5);
    return ip_text_is_v4(v4) ? v4 : s;
}

/* Whether trust goes on with this relay: SpamAssassin's inference without configured networks. */
static void
infer_trust(struct relays *r, struct relay *relay)
{
    if (r->is_trusting && !relay->is_private && relay->auth.len == 0)
        r->is_trusting = false;
    relay->is_trusted = r->is_trusting;
    r->trusted_cnt += relay->is_trusted;
}

static void
add_relay(struct relays *r, const struct handover *h)
{
    struct span rdns = clean_rdns(h->rdns), by = h->by, sender = strip_angles(h->envfrom);
    struct relay *relay = &r->relay[r->cnt];

    if (r->cnt == RELAYS_MAX) {
        r->is_capped = true;
        return;
    }
    by.len -= by.len > 0 && by.ptr[by.len - 1] == ';';
    *relay = (struct relay){
        .ip = put(r, clean_ip(h->ip), true),
        .rdns = put(r, rdns, true),
        .helo = put(r, h->helo, true),
        .by = put(r, by, true),
        .ident = put(r, h->ident, true),
        .envfrom = put(r, sender, true),
        .id = put(r, h->id, false),
        .auth = put(r, h->auth, false),
        .has_envfrom = h->has_envfrom,
        .has_no_rdns = rdns.len == 0 && h->has_lookup,
    };
    relay->is_private = ip_text_is_private(relay->ip);
    r->cnt++;
    infer_trust(r, relay);
}

static void
drop_relays(struct relays *r)
{
    r->cnt = 0;
    r->trusted_cnt = 0;
    r->text_len = 0;
}

static void
add_line(struct relays *r, struct span line)
{
    struct handover h = {.has_envfrom = false};
    struct span next = r->next_envfrom;
    enum received_kind kind = received_read(line, &h);

    r->next_envfrom = (struct span){NULL, 0};
    if (kind == RECEIVED_RELAY) {
        if (next.len > 0) {
            h.envfrom = next;
            h.has_envfrom = true;
        }
        add_relay(r, &h);
    } else if (kind == RECEIVED_FETCHED && r->is_trusting) {
        drop_relays(r);
    } else if (kind == RECEIVED_SCANNER && h.has_envfrom) {
        r->next_envfrom = put(r, strip_angles(h.envfrom), true);
    }
    r->unparseable_cnt += kind == RECEIVED_UNREAD;
    r->trusted_line_cnt += r->is_trusting;
}

void
relays_init(struct relays *r)
{
    /* Relays are set whole when they are added. */
    memset(&r->cnt, 0, offsetof(struct relays, text) - offsetof(struct relays, cnt));
    r->is_trusting = true;
}

void
relays_client(struct relays *r, const struct relay_client *client)
{
    struct handover h = {.ip = client->ip,
                         .helo = client->helo,
                         .by = client->by,
                         .auth = client->auth,
                         .envfrom = client->mail_from,
                         .has_envfrom = client->has_mail_from};

    add_relay(r, &h);
    r->has_client = true;
    r->trusted_line_cnt += r->is_trusting;
}

void
relays_add_received(struct relays *r, struct span value)
{
    uint8_t buf[RECEIVED_LINE_MAX + 1];
    struct span line = {buf, squeeze(value, buf, RECEIVED_LINE_MAX, &r->is_capped)};

    if (received_is_ignored(line)) {
        r->next_envfrom = (struct span){NULL, 0};
        r->trusted_line_cnt += r->is_trusting;
        return;
    }
    line.len = part_by(buf, cut_date(buf, line.len));
    add_line(r, line);
}

void
relays_add_originating(struct relays *r, struct span value)
{
    char line[128];
    struct span ip;
    int len;

    if (!ip_text_find(value, &ip))
        return;
    len = snprintf(line, sizeof line, "from X-Originating-IP: %.*s", (int)ip.len,
                   (const char *)ip.ptr);
    add_line(r, (struct span){(const uint8_t *)line, (size_t)len});
}

const struct relay *
relays_untrusted(const struct relays *r, unsigned i)
{
    return i < r->cnt - r->trusted_cnt ? &r->relay[r->trusted_cnt + i] : NULL;
}

static size_t
append(uint8_t *out, size_t len, const char *name, struct span value)
{
    size_t name_len = strlen(name);

    memcpy(out + len, name, name_len);
    if (value.len > 0)
        memcpy(out + len + name_len, value.ptr, value.len);
    return len + name_len + value.len;
}

static size_t
relay_len(const struct relay *a)
{
    return a->ip.len + a->rdns.len + a->helo.len + a->by.len + a->ident.len + a->envfrom.len +
           a->id.len + a->auth.len + 96;
}

static size_t
write_relay(const struct relay *a, uint8_t *out, size_t len)
{
    struct span none = {NULL, 0};

    len = append(out, len, "[ ip=", a->ip);
    len = append(out, len, " rdns=", a->rdns);
    len = append(out, len, " helo=", a->helo);
    len = append(out, len, " by=", a->by);
    len = append(out, len, " ident=", a->ident);
    len = append(out, len, " envfrom=", a->envfrom);
    len = append(out, len, a->is_trusted ? " intl=1 id=" : " intl=0 id=", a->id);
    len = append(out, len, " auth=", a->auth);
    return append(out, len, " msa=0 ]", none);
}

size_t
relays_write(const struct relays *r, enum relays_which which, uint8_t *out, size_t cap)
{
    bool is_trusted = which == RELAYS_TRUSTED || which == RELAYS_INTERNAL;
    unsigned end = is_trusted ? r->trusted_cnt : r->cnt;
    size_t len = 0;

    for (unsigned i = is_trusted ? 0 : r->trusted_cnt; i < end; i++) {
        if (relay_len(&r->relay[i]) > cap - len)
            break;
        if (len > 0)
            out[len++] = ' ';
        len = write_relay(&r->relay[i], out, len);
    }
    return len;
}

bool
relays_cut_has(const struct relays *r, enum relays_which which, unsigned received_cnt,
               bool is_received)
{
    bool is_trusted = which == RELAYS_TRUSTED || which == RELAYS_INTERNAL;
    unsigned line =
        received_cnt + r->has_client; /* lines up to here, the border's is the next one */

    if (is_trusted)
        return line <= r->trusted_line_cnt || (line == r->trusted_line_cnt + 1 && is_received);
    return line > r->trusted_line_cnt;
}
