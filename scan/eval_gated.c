/* Eval functions that know mailing lists: those that remove Received fields, and those whose
 * Message-Id says nothing about who sent a message. See eval_header.h. */
#include <string.h>

#include "scan/eval_header_private.h"
#include "scan/octet.h"
#include "scan/span_text.h"

/* The server of "from mail pickup service by p05.groups.msn.com". */
static bool
find_msn_server(struct span received, struct span *server)
{
    static const char key[] = "from mail pickup service by ";
    struct span behind;

    for (struct span rest = received; span_word_behind(&rest, key, server, &behind);) {
        if (server->len >= 18 && server->ptr[0] == 'p' && span_digits(*server, 1) == 2 &&
            span_starts(span_from(*server, 3), ".groups.msn.com") &&
            (server->len == 18 || !octet_is_word(server->ptr[18]))) {
            server->len = 18;
            return true;
        }
    }
    return false;
}

/* "<name@groups.msn.com>" in To. */
static bool
find_msn_list(struct span to, struct span *name)
{
    size_t close;

    for (; span_find(to, ">", &close); to = span_from(to, close + 1)) {
        struct span head = span_cut(to, 0, close);
        const uint8_t *open = head.len == 0 ? NULL : memrchr(head.ptr, '<', head.len);

        if (open == NULL || !span_ends_nocase(head, "@groups.msn.com"))
            continue;
        *name = span_from(head, (size_t)(open - head.ptr) + 1);
        if (name->len > 15) {
            name->len -= 15;
            return true;
        }
    }
    return false;
}

int32_t
eval_check_for_msn_groups_headers(const struct header_facts *f, const struct eval_args *a)
{
    struct span id = span_from(fact_value(f, "Message-Id"), 1), list, server;
    struct span sender = fact_part(f, "EnvelopeFrom", HEADER_PART_ADDR);
    size_t at;

    (void)a;
    if (!find_msn_list(fact_value(f, "To"), &list) ||
        !find_msn_server(fact_value(f, "Received"), &server) ||
        !span_starts(fact_value(f, "Message-Id"), "<") || !span_find(id, "@", &at))
        return 0;
    if (span_is(list, "notifications"))
        return at > 0 && span_starts_span(span_from(id, at + 1), server, false) &&
               span_starts(span_from(id, at + 1 + server.len), ">");
    return span_starts_span(id, list, false) && at > list.len + 1 && id.ptr[list.len] == '-' &&
           span_starts(span_from(id, at), "@groups.msn.com>") &&
           span_starts_span(sender, list, false) &&
           span_starts(span_from(sender, list.len), "-bounce@groups.msn.com");
}

/* "qmail 1234 invoked from network); 12 Aug 2003", "(.. by uid 500); .." */
static bool
has_qmail_line(struct span received)
{
    struct span word, behind;

    for (struct span rest = received; span_word_behind(&rest, "qmail ", &word, &behind);) {
        size_t off, end;

        if (span_digits(word, 0) != word.len || word.len == 0)
            continue;
        behind = span_cut(behind, 0, 80);
        if (span_starts(behind, " invoked from network); "))
            off = 24;
        else if (span_starts(behind, " invoked by ") && span_find(behind, "); ", &end) &&
                 end >= 15 && end <= 32)
            off = end + 3;
        else
            continue;
        end = off + span_digits(behind, off);
        if (end > off && span_starts(span_from(behind, end), " ") &&
            span_starts(span_from(behind, end + 4), " ") && span_digits(behind, end + 5) > 0)
            return true;
    }
    return false;
}

/* "contact list-help@example.org; run by ezmlm" and "mailing list list@example.org". */
static bool
is_ezmlm(const struct header_facts *f)
{
    struct span rest = fact_value(f, "Mailing-List"), line;
    bool is_run = false, is_delivered = false;

    while (!is_run && span_line(&rest, &line)) {
        size_t at, end;

        is_run = span_starts(line, "contact ") && span_find(line, "; run by ezmlm", &end) &&
                 end + 14 == line.len && span_find(line, "@", &at) && at > 8 && at + 1 < end &&
                 span_word_len(span_from(line, 8)) + 8 == end + 1;
    }
    rest = fact_value(f, "Delivered-To");
    while (is_run && !is_delivered && span_line(&rest, &line)) {
        struct span list = span_from(line, 13);
        size_t at;

        list.len = span_word_len(list);
        is_delivered = span_starts(line, "mailing list ") && span_find(list, "@", &at) && at > 0 &&
                       at + 1 < list.len;
    }
    return is_run && is_delivered && has_qmail_line(fact_value(f, "Received"));
}

/* Whether Received fields were lost on the way: mailing lists that remove them, or none at all. */
int32_t
eval_gated_through_received_hdr_remover(const struct header_facts *f, const struct eval_args *a)
{
    struct span rest = fact_value(f, "Received"), word, behind;

    (void)a;
    if (!fact_has(f, "Received") || is_ezmlm(f))
        return 1;
    while (span_word_behind(&rest, "from ", &word, &behind)) {
        struct span name = span_from(behind, 2);

        name.len = span_word_len(name);
        if (span_is(word, "groups.msn.com") && span_starts(behind, " (") && name.len > 8 &&
            span_ends(name, ".msn.com"))
            return 1;
    }
    return 0;
}

static struct span
last_word(struct span s)
{
    const uint8_t *blank = s.len == 0 ? NULL : memrchr(s.ptr, ' ', s.len);

    return blank == NULL ? s : span_from(s, (size_t)(blank - s.ptr) + 1);
}

int32_t
eval_check_messageid_not_usable(const struct header_facts *f, const struct eval_args *a)
{
    struct span list = last_word(span_trim(fact_value(f, "List-Unsubscribe")));
    struct span received = fact_value(f, "Received");
    size_t off, at;

    while (span_ends(list, ">") && span_find(list, "<mailto:", &off)) {
        struct span user = span_from(list, off + 8);

        list = user;
        if (!span_find(user, "@", &at) || user.len <= at + 2)
            break;
        user.len = at;
        if ((span_starts_nocase(user, "leave-") && at > 6) ||
            (span_ends_nocase(user, "-unsubscribe") && at > 12))
            return 1;
    }
    return eval_gated_through_received_hdr_remover(f, a) || span_has(received, "/CWT/DCE)") ||
           span_has(received, "iPlanet Messaging Server");
}
