/* Functions of Plugin/FreeMail.pm with its stock settings: a body with five addresses or three free-mail
 * addresses is a list of people, not a trick; bulk senders are not looked at for their Reply-To. */
#include <string.h>

#include "scan/body_emails.h"
#include "scan/eval_private.h"

/* SpamAssassin's freemail_max_body_emails and freemail_max_body_freemails: with more addresses in the body nothing
 * is said of them. */
enum { FREEMAIL_BODY_EMAILS_MAX = 5, FREEMAIL_BODY_FREEMAILS_MAX = 3 };

static bool
is_hex(struct span s, size_t from, size_t cnt)
{
    if (s.len < from + cnt)
        return false;
    for (size_t i = from; i < from + cnt; i++)
        if (!((s.ptr[i] >= '0' && s.ptr[i] <= '9') || (s.ptr[i] >= 'a' && s.ptr[i] <= 'f')))
            return false;
    return true;
}

static bool
is_text(struct span s, const char *text)
{
    return s.len == strlen(text) && !memcmp(s.ptr, text, s.len);
}

static bool
has_head(struct span s, const char *text)
{
    return s.len >= strlen(text) && !memcmp(s.ptr, text, strlen(text));
}

static bool
has_tail(struct span s, const char *text)
{
    size_t len = strlen(text);
    return s.len >= len && !memcmp(s.ptr + s.len - len, text, len);
}

/* "12345678.12345678" or a UUID: Gmail's message ids. */
static bool
is_id(struct span s)
{
    if (!is_hex(s, 0, 8))
        return false;
    if (s.len == 17)
        return s.ptr[8] == '.' && is_hex(s, 9, 8);
    return s.len == 36 && s.ptr[8] == '-' && is_hex(s, 9, 4) && s.ptr[13] == '-' && is_hex(s, 14, 4) &&
           s.ptr[18] == '-' && is_hex(s, 19, 4) && s.ptr[23] == '-' && is_hex(s, 24, 12);
}

/* "a=b=c", each of one octet or more: an octet, signs "=", an octet. */
static unsigned
equals_within(struct span s)
{
    unsigned cnt = 0;
    for (size_t i = 1; i + 1 < s.len; i++)
        if (s.ptr[i] == '=') {
            cnt++;
            i++;
        }
    return cnt;
}

/* User parts that say nothing about who it is (lower case). */
static bool
is_welcome_user(struct span user)
{
    static const char *const users[] = { "abuse",   "support", "sales",      "info",       "helpdesk",
                                         "contact", "kontakt", "postmaster", "hostmaster", "domainmaster",
                                         "bounce-", "bounced-" };
    for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++)
        if (is_text(user, users[i]))
            return true;
    if (has_head(user, "undisclosed"))
        return true;
    if (has_head(user, "request-") && user.len == 24 && is_hex(user, 8, 16))
        return true;
    return is_id(user) || equals_within(user) >= 2;
}

static bool
list_says(const struct eval_call *c, const char *name, struct span key)
{
    return list_has(c->f->lists, list_find(c->f->lists, name), key);
}

/* `email` is lower case. */
static bool
is_freemail(const struct eval_call *c, struct span email)
{
    size_t at = email.len;
    while (at && email.ptr[at - 1] != '@')
        at--;
    struct span domain = { email.ptr + at, email.len - at };
    struct span user = { email.ptr, at ? at - 1 : 0 };
    if (!email.len || list_says(c, "freemail_welcomelist", email) ||
        list_says(c, "freemail_whitelist", email) || list_says(c, "freemail_welcomelist", domain) ||
        list_says(c, "freemail_whitelist", domain) || (at && is_welcome_user(user)))
        return false;
    return list_has_glob(c->f->lists, list_find(c->f->lists, "freemail_domains"), domain,
                         LIST_GLOB_LABEL);
}

static bool
is_available(const struct eval_call *c)
{
    return list_cnt(c->f->lists, list_find(c->f->lists, "freemail_domains")) > 0;
}

static bool
is_hit(const struct eval_call *c, struct span email, void *ctx)
{
    (void)ctx;
    return is_freemail(c, email) && eval_regex_matches(c, email);
}

static double
check_freemail_from(const struct eval_call *c)
{
    return is_available(c) && eval_each_from(c, is_hit, NULL);
}

static double
check_freemail_header(const struct eval_call *c)
{
    char name[128];
    struct span arg = eval_arg(c->a, 0);
    const uint8_t *colon = arg.len ? memchr(arg.ptr, ':', arg.len) : NULL;
    size_t len = colon ? (size_t)(colon - arg.ptr) : arg.len;
    if (!is_available(c) || len >= sizeof(name))
        return 0;
    if (len)
        memcpy(name, arg.ptr, len);
    name[len] = '\0';
    return eval_each_address(c, name, is_hit, NULL);
}

/* False: the body names too many people to mean one. */
static bool
body_counts(const struct eval_call *c)
{
    const struct body_emails *e = c->f->emails;
    unsigned free_cnt = 0;
    if (!e || e->cnt >= FREEMAIL_BODY_EMAILS_MAX)
        return false;
    for (unsigned i = 0; i < e->cnt; i++)
        free_cnt += is_freemail(c, body_email(e, i));
    return free_cnt < FREEMAIL_BODY_FREEMAILS_MAX;
}

static double
check_freemail_body(const struct eval_call *c)
{
    if (!is_available(c) || !body_counts(c))
        return 0;
    for (unsigned i = 0; i < c->f->emails->cnt; i++)
        if (is_hit(c, body_email(c->f->emails, i), NULL))
            return 1;
    return 0;
}

/* "noreply", "do-not-reply" and the like at the end of a user part: (do.?)?no.?repl(y|ies), where "." is one of
 * ". _" to "t" (SpamAssassin writes a range there). */
static bool
is_noreply(struct span user)
{
    size_t cut = has_tail(user, "reply") ? 5 : has_tail(user, "replies") ? 7 : 0;
    if (!cut)
        return false;
    user.len -= cut;
    for (unsigned extra = 0; extra < 2; extra++) {
        if (user.len < 2 + extra)
            continue;
        uint8_t last = user.ptr[user.len - 1];
        if (extra && last != '.' && (last < '_' || last > 't'))
            continue;
        struct span head = { user.ptr, user.len - extra };
        if (!has_tail(head, "no"))
            continue;
        head.len -= 2;
        /* A word starts here, or "do" and at most one of those octets before it does. */
        for (size_t back = 0; back <= 3 && back <= head.len; back++) {
            if (back == 1)
                continue;
            const uint8_t *at = head.ptr + head.len - back;
            bool is_do = !back || (!memcmp(at, "do", 2) &&
                                   (back == 2 || at[2] == '.' || (at[2] >= '_' && at[2] <= 't')));
            uint8_t before = at > head.ptr ? at[-1] : ' ';
            bool is_word = (before >= 'a' && before <= 'z') || (before >= '0' && before <= '9') ||
                           before == '_';
            if (is_do && !is_word)
                return true;
        }
    }
    return false;
}

/* A sender that is a machine: what stands before an "@" (lower case). */
static bool
is_bulk_user(struct span user)
{
    static const char *const heads[] = { "sentto-", "owner-", "return-", "bounce-", "bounced-", "grbounce-",
                                         "grbounced-" };
    static const char *const tails[] = { "-request", "-bounce", "-bounces", "-admin", "-owner" };
    if (is_text(user, "postmaster") || is_text(user, "hostmaster") || is_text(user, "domainmaster") ||
        is_text(user, "double-bounce"))
        return true;
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
        if (has_head(user, heads[i]) && user.len > strlen(heads[i]))
            return true;
    for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++)
        if (has_tail(user, tails[i]))
            return true;
    return is_noreply(user) || equals_within(user) >= 1;
}

static bool
is_bulk(const struct eval_call *c)
{
    struct span from = eval_field(c->f, "EnvelopeFrom", HEADER_PART_VALUE);
    uint8_t user[EVAL_ADDRESS_MAX];
    for (size_t i = 0; i < from.len && i < sizeof(user); i++) {
        if (from.ptr[i] == '@')
            return is_bulk_user((struct span){ user, i });
        user[i] = from.ptr[i] >= 'A' && from.ptr[i] <= 'Z' ? (uint8_t)(from.ptr[i] + 32) : from.ptr[i];
    }
    return false;
}

static bool
is_any_freemail(const struct eval_call *c, struct span email, void *ctx)
{
    (void)ctx;
    return is_freemail(c, email);
}

static bool
is_equal(const struct eval_call *c, struct span email, void *ctx)
{
    const struct span *other = ctx;
    (void)c;
    return email.len == other->len && !memcmp(email.ptr, other->ptr, email.len);
}

static bool
is_in_replyto(const struct eval_call *c, struct span email, void *ctx)
{
    (void)ctx;
    return eval_each_address(c, "Reply-To", is_equal, &email);
}

/* Another address than one of the body's free-mail addresses. */
static bool
is_other_than_body(const struct eval_call *c, struct span email, void *ctx)
{
    const struct body_emails *e = c->f->emails;
    (void)ctx;
    for (unsigned i = 0; i < e->cnt; i++) {
        struct span have = body_email(e, i);
        if (is_freemail(c, have) && !is_equal(c, email, &have))
            return true;
    }
    return false;
}

static double
check_freemail_replyto(const struct eval_call *c)
{
    bool is_reply = eval_arg_is(c->a, 0, "reply");
    if (!is_available(c) || is_bulk(c) || (c->a->cnt && !is_reply && !eval_arg_is(c->a, 0, "replyto")))
        return 0;
    bool from_is = eval_each_address(c, "From", is_any_freemail, NULL);
    bool replyto_is = eval_each_address(c, "Reply-To", is_any_freemail, NULL);
    if (from_is && replyto_is && !eval_each_address(c, "From", is_in_replyto, NULL))
        return 1;
    if (!is_reply && !replyto_is)
        return 0;
    bool has_replyto = eval_field(c->f, "Reply-To", HEADER_PART_ADDR_ALL).len > 0;
    if (is_reply && ((has_replyto && !replyto_is) || !from_is))
        return 0;
    if (!body_counts(c))
        return 0;
    bool is_replyto = !is_reply || replyto_is;
    return eval_each_address(c, is_replyto ? "Reply-To" : "From", is_other_than_body, NULL);
}

const struct eval_entry eval_freemail_table[] = {
    { "check_freemail_from", check_freemail_from, 0, 1, 0 },
    { "check_freemail_header", check_freemail_header, 1, 2, 1 },
    { "check_freemail_body", check_freemail_body, 0, 1, 0 },
    { "check_freemail_replyto", check_freemail_replyto, 0, 1, EVAL_NO_REGEX },
    { NULL, NULL, 0, 0, EVAL_NO_REGEX },
};
