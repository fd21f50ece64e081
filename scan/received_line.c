/* A Received line: made normal, the clauses that stand anywhere in it, and what it is as a whole.
 * See received_private.h. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "scan/ip_text.h"
#include "scan/octet.h"
#include "scan/received_private.h"

/* The helo= clause's octets; "[1.2.3.4]" is not of them, so such a HELO comes from the shape. */
static bool
is_helo_char(uint8_t c)
{
    return c != '\0' && (octet_is_word(c) || strchr("-.^+&:=?!@%*$\\/", c) != NULL);
}

static struct span
helo_run(struct span s)
{
    size_t len = 0;

    while (len < s.len && is_helo_char(s.ptr[len]))
        len++;
    return span_cut(s, 0, len);
}

/* The first run behind `key` where the key begins a word. */
static bool
find_helo(struct span line, const char *key, struct span *helo)
{
    struct span rest = line;
    size_t off;

    while (span_find(rest, key, &off)) {
        const uint8_t *at = rest.ptr + off;

        rest = span_from(rest, off + strlen(key));
        *helo = helo_run(rest);
        if (helo->len > 0 && (at == line.ptr || !octet_is_word(at[-1])))
            return true;
    }
    return false;
}

static void
read_helo(struct span line, struct handover *h)
{
    struct span helo = {NULL, 0}, ehlo = {NULL, 0};
    bool has_helo, has_ehlo;

    if (find_helo(line, "helo=", &h->helo))
        return;
    has_helo = find_helo(line, "HELO ", &helo);
    has_ehlo = find_helo(line, "EHLO ", &ehlo);
    h->helo = has_helo && (!has_ehlo || helo.ptr < ehlo.ptr) ? helo : ehlo;
    if (!has_helo && !has_ehlo)
        h->helo = (struct span){NULL, 0};
}

static void
read_id(struct span line, struct handover *h)
{
    size_t off, len;

    for (struct span rest = line; span_find(rest, " id ", &off);) {
        rest = span_from(rest, off + 3); /* the blank may begin another " id " */
        struct span id = span_from(rest, span_starts(rest, " <") ? 2 : 1);

        for (len = 0; len < id.len && memchr(" <>;", id.ptr[len], 4) == NULL; len++)
            ;
        if (len >= 3) {
            h->id = span_cut(id, 0, len);
            return;
        }
    }
}

static void
read_by(struct span line, struct handover *h)
{
    size_t off;

    if (span_find(line, " by ", &off)) {
        struct span word = span_from(line, off + 4);

        h->by = span_cut(word, 0, span_word_len(word));
    }
}

/* Behind "envelope-from " and its kin: a word up to its last letter or digit. */
static void
read_envfrom(struct span line, struct handover *h)
{
    static const char *const keys[] = {"return-path: ",    "return-path ",   "envelope-sender ",
                                       "envelope-sender=", "envelope-from ", "envelope-from="};

    for (size_t i = 0; i + 2 < line.len; i++) {
        uint8_t first = line.ptr[i] | 0x20, second = line.ptr[i + 1] | 0x20, third = line.ptr[i + 2] | 0x20;

        if (!(first == 'e' && second == 'n' && third == 'v') && !(first == 'r' && second == 'e' && third == 't'))
            continue;
        for (unsigned k = 0; k < sizeof keys / sizeof keys[0]; k++) {
            struct span word = span_from(line, i + strlen(keys[k]));

            if (!span_starts_nocase(span_from(line, i), keys[k]))
                continue;
            word.len = span_word_len(word);
            while (word.len > 0 && !octet_is_word(word.ptr[word.len - 1]))
                word.len--;
            if (word.len > 0) {
                h->envfrom = word;
                h->has_envfrom = true;
                return;
            }
        }
    }
}

/* RFC 3848 protocol types that tell an authenticated client, and HTTP: webmail. */
static bool
read_auth_protocol(struct span line, struct handover *h)
{
    static const char *const types[] = {"ESMTPA",    "ESMTPSA",    "LMTPA",     "LMTPSA",
                                        "UTF8SMTPA", "UTF8SMTPSA", "UTF8LMTPA", "UTF8LMTPSA",
                                        "ASMTP",     "HTTP",       "HTTPS",     "HTTPU"};

    for (size_t i = 0; i + 6 < line.len; i++) {
        struct span word = span_from(line, i + 6);

        if (line.ptr[i] != ' ' || (line.ptr[i + 1] | 0x20) != 'w' ||
            !span_starts_nocase(span_from(line, i), " with "))
            continue;
        for (unsigned k = 0; k < sizeof types / sizeof types[0]; k++) {
            size_t len = strlen(types[k]);

            if (span_starts_nocase(word, types[k]) &&
                (word.len == len || word.ptr[len] == ' ' || word.ptr[len] == ';')) {
                h->auth = span_cut(word, 0, len);
                return true;
            }
        }
    }
    return false;
}

static void
set_auth(struct handover *h, const char *before, struct span a, const char *between, struct span b,
         const char *after)
{
    int len = snprintf(h->auth_text, sizeof h->auth_text, "%s%.*s%s%.*s%s", before, (int)a.len,
                       (const char *)a.ptr, between, (int)b.len, (const char *)b.ptr, after);
    size_t max = sizeof h->auth_text - 1;

    h->auth.ptr = (const uint8_t *)h->auth_text;
    h->auth.len = (size_t)len < max ? (size_t)len : max;
}

static void
set_auth_text(struct handover *h, const char *text)
{
    struct span none = {(const uint8_t *)"", 0};

    set_auth(h, text, none, "", none, "");
}

/* A run of octets of `set` ("a-z0-9" spelled out), `min` to `max` long, at *off. */
static bool
pass_run(struct span s, size_t *off, const char *set, size_t min, size_t max)
{
    size_t i = *off;

    while (i < s.len && i - *off < max && s.ptr[i] != '\0' && strchr(set, s.ptr[i]) != NULL)
        i++;
    if (i - *off < min)
        return false;
    *off = i;
    return true;
}

/* Gmail's message id tells an SMTP submission by "sm": 4sm1234567abc.12.2013.01.02.03.04.05 */
static bool
is_gmail_submission_id(struct span id)
{
    static const char digits[] = "0123456789", lower[] = "abcdefghijklmnopqrstuvwxyz";
    static const char both[] = "0123456789abcdefghijklmnopqrstuvwxyz";

    for (size_t start = 1; start <= 4 && start < id.len; start++) {
        size_t off = 0, n = 0;
        bool is_fine =
            pass_run(id, &off, both, start, start) && span_starts(span_from(id, off), "sm");

        off += 2;
        is_fine = is_fine && pass_run(id, &off, digits, 2, 9) && pass_run(id, &off, lower, 3, 3) &&
                  pass_run(id, &off, ".", 1, 1) && pass_run(id, &off, digits, 1, 3) &&
                  pass_run(id, &off, ".", 1, 1) && pass_run(id, &off, digits, 4, 4);
        while (is_fine && n < 5) {
            is_fine = pass_run(id, &off, ".", 1, 1) && pass_run(id, &off, "0123456", 1, 1) &&
                      pass_run(id, &off, digits, 1, 1);
            n++;
        }
        if (is_fine)
            return true;
    }
    return false;
}

static bool
read_auth_gmail(struct span line, struct handover *h)
{
    static const char key[] = " by mx.google.com with ESMTPS id ";
    struct span version, cipher;
    size_t off;

    if (!span_find(line, key, &off) ||
        !is_gmail_submission_id(span_from(line, off + sizeof key - 1)))
        return false;
    if (!span_find(line, "(version=", &off))
        return false;
    version = span_from(line, off + 9);
    version.len = span_word_len(version);
    cipher = span_from(line, off + 9 + version.len);
    if (version.len == 0 || !span_starts(cipher, " cipher="))
        return false;
    cipher = span_from(cipher, 8);
    if (!span_find(cipher, ")", &off) || off == 0)
        return false;
    cipher.len = off;
    set_auth(h, "GMail - transport=", version, " cipher=", cipher, "");
    return true;
}

/* Courier: "([ip]) (AUTH: LOGIN user, ..) by " */
static bool
read_auth_courier(struct span line, struct handover *h)
{
    static const char *const methods[] = {"LOGIN", "PLAIN", "DIGEST-MD5", "CRAM-MD5"};
    size_t off, end;

    if (!span_find(line, " (AUTH: ", &off) || off < 2 ||
        !(span_starts(span_from(line, off - 2), "])") ||
          span_starts(span_from(line, off - 2), ")]")))
        return false;
    line = span_from(line, off + 8);
    for (unsigned k = 0; k < 4; k++) {
        if (span_starts(line, methods[k]) &&
            span_starts(span_from(line, strlen(methods[k])), " ") &&
            span_find(line, ") by ", &end)) {
            h->auth = span_cut(line, 0, strlen(methods[k]));
            return true;
        }
    }
    return false;
}

/* "authenticated" in parentheses between the client's address and " by": Sendmail, MDaemon, .. */
static bool
read_auth_sendmail(struct span line, struct handover *h)
{
    size_t off, inner, end;

    if (!span_find(line, "authenticated", &off) || !span_starts(line, "from "))
        return false;
    for (size_t i = 1; i + 1 < line.len; i++) {
        struct span rest = span_from(line, i + 1);
        bool is_end = line.ptr[i] == ')' && line.ptr[i - 1] == ']';

        is_end = is_end || (line.ptr[i] == ']' && line.ptr[i - 1] == ')');
        is_end = is_end || (line.ptr[i] == ')' && line.ptr[i - 1] == ')');
        if (!is_end || !span_starts(rest, " "))
            continue;
        if (span_find(rest, "(", &off) &&
            span_find(span_from(rest, off), "authenticated", &inner) &&
            span_find(span_from(rest, off + inner), ")", &end) &&
            span_has(span_from(rest, off + inner + end), " by")) {
            set_auth_text(h, "Sendmail");
            return true;
        }
        return false;
    }
    return false;
}

/* GMX authenticates and does not say so: "(HELO h) [ip] by mail.gmx.net (mp1) with SMTP". */
static bool
read_auth_gmx(struct span line, struct handover *h)
{
    struct shape s;
    struct span with;
    size_t end;

    if (!span_has(line, " by mail.gmx.") || !span_starts(line, "from "))
        return false;
    received_shape(span_from(line, 5), &s);
    if (s.cnt < 2 || s.group[0].kind != GROUP_HELO || s.group[1].kind != GROUP_SQUARE ||
        !(span_is(s.by, "mail.gmx.net") || span_is(s.by, "mail.gmx.com")) ||
        !span_starts(s.after, " (") || !span_find(s.after, ") with ", &end))
        return false;
    with = span_from(s.after, end + 7);
    if (!span_starts(with, "ESMTP") && !span_starts(with, "SMTP"))
        return false;
    with.len = with.ptr[0] == 'E' ? 5 : 4;
    set_auth(h, "GMX (", with, " / ", s.by, ")");
    return true;
}

/* Postfix with smtpd_sasl_authenticated_header: "(Authenticated sender: user) by mx (Postfix) with
 * " */
static bool
read_auth_postfix(struct span line, struct handover *h)
{
    static const char key[] = ") (Authenticated sender: ";
    struct span rest, product;
    size_t off, end;

    if (!span_find(line, key, &off))
        return false;
    rest = span_from(line, off + sizeof key - 1);
    if (!span_find(rest, ") by ", &off) || span_word_len(rest) != off + 1)
        return false;
    rest = span_from(rest, off + 5);
    rest = span_from(rest, span_word_len(rest));
    if (!span_starts(rest, " (") || !span_find(rest, ")", &end) || end < 3 ||
        !span_starts(span_from(rest, end), ") with "))
        return false;
    product = span_cut(rest, 2, end - 2);
    if (span_is(product, "Postfix"))
        h->auth = product;
    else
        set_auth(h, "Postfix (", product, ")", (struct span){product.ptr, 0}, "");
    return true;
}

/* "mail.example (7.2.060.1) (authenticated as user) id " */
static bool
read_auth_critical_path(struct span line, struct handover *h)
{
    size_t off, end;

    if (!span_find(line, ") (authenticated as ", &off) || off == 0 || line.ptr[off - 1] < '0' ||
        line.ptr[off - 1] > '9' || !span_find(span_from(line, off + 1), ") id ", &end))
        return false;
    if (!span_has(span_cut(line, 0, off), ") by "))
        return false;
    set_auth_text(h, "CriticalPath");
    return true;
}

static bool
read_auth_product(struct span line, struct handover *h)
{
    static const char *const protocols[] = {"HTTP", "SMTP", "XIMSS", "IMAP"};
    size_t off;

    for (unsigned k = 0; k < 4 && span_find(line, "CommuniGate Pro ", &off); k++) {
        char key[32];

        snprintf(key, sizeof key, "CommuniGate Pro %s", protocols[k]);
        if (span_has(line, key) && span_has(line, " (account ")) {
            set_auth_text(h, "Communigate");
            return true;
        }
    }
    if (span_find(line, " with Microsoft Exchange Server HTTP-DAV", &off)) {
        struct span rest = span_from(line, off + 40);

        if (rest.len == 0 || !octet_is_word(rest.ptr[0])) {
            set_auth_text(h, "HTTP-DAV");
            return true;
        }
    }
    return false;
}

/* "(via HTTP)", "(via HTTPS)" before a blank, ";" or the end. */
static bool
read_auth_via(struct span line, struct handover *h)
{
    for (size_t i = 0; i + 10 < line.len; i++) {
        struct span word = span_from(line, i + 6);
        size_t len = 4;

        if (line.ptr[i] != ' ' || line.ptr[i + 1] != '(' || !span_starts_nocase(span_from(line, i), " (via HTTP"))
            continue;
        len += word.len > 4 && word.ptr[4] != ')';
        if (len < word.len && word.ptr[len] == ')' &&
            (len + 1 == word.len || word.ptr[len + 1] == ' ' || word.ptr[len + 1] == ';')) {
            h->auth = span_cut(word, 0, len);
            return true;
        }
    }
    return false;
}

static void
read_auth(struct span line, struct handover *h)
{
    bool has_by = span_has(line, " by ");

    (void)((has_by && read_auth_protocol(line, h)) || read_auth_gmail(line, h) ||
           read_auth_courier(line, h) || read_auth_sendmail(line, h) || read_auth_gmx(line, h) ||
           read_auth_critical_path(line, h) || read_auth_postfix(line, h) ||
           read_auth_product(line, h) || (has_by && read_auth_via(line, h)));
}

void
received_clauses(struct span line, struct handover *h)
{
    read_id(line, h);
    read_helo(line, h);
    read_by(line, h);
    read_auth(line, h);
    if (span_starts(line, "from "))
        read_envfrom(span_from(line, 5), h);
}
