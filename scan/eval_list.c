/* Functions of Plugin/WLBLEval.pm and WelcomeListSubject.pm. */
#include <string.h>

#include "scan/eval_private.h"

/* A list under its newer and its older name: rules may fill either. */
struct names {
    const char *newer, *older;
};

static bool
is_in(const struct eval_call *c, const char *name, struct span key, enum list_glob how)
{
    return list_has_glob(c->f->lists, list_find(c->f->lists, name), key, how);
}

static bool
is_in_either(const struct eval_call *c, struct span address, void *ctx)
{
    const struct names *n = ctx;
    return is_in(c, n->newer, address, LIST_GLOB_WHOLE) ||
           (n->older && is_in(c, n->older, address, LIST_GLOB_WHOLE));
}

static bool
is_in_handle(const struct eval_call *c, struct span address, void *ctx)
{
    return list_has_glob(c->f->lists, *(const uint32_t *)ctx, address, LIST_GLOB_WHOLE);
}

/* The list that argument 0 names: one of its own, else one of the rule language. */
static uint32_t
named_list(const struct eval_call *c)
{
    uint32_t handle = list_find_named(c->f->lists, "enlist_addrlist:", eval_arg(c->a, 0));
    return handle != LIST_NONE ? handle : list_find_named(c->f->lists, "", eval_arg(c->a, 0));
}

static double
check_from_in_list(const struct eval_call *c)
{
    uint32_t handle = named_list(c);
    return handle != LIST_NONE && eval_each_from(c, is_in_handle, &handle);
}

static double
check_to_in_list(const struct eval_call *c)
{
    uint32_t handle = named_list(c);
    return handle != LIST_NONE && eval_each_to(c, is_in_handle, &handle);
}

static double
check_replyto_in_list(const struct eval_call *c)
{
    struct span address = eval_field(c->f, "Reply-To", HEADER_PART_ADDR);
    uint32_t handle = named_list(c);
    return handle != LIST_NONE && address.len && is_in_handle(c, address, &handle);
}

static double
check_from_in_blocklist(const struct eval_call *c)
{
    struct names n = { "blocklist_from", "blacklist_from" };
    return eval_each_from(c, is_in_either, &n);
}

static double
check_to_in_blocklist(const struct eval_call *c)
{
    struct names n = { "blocklist_to", "blacklist_to" };
    return eval_each_to(c, is_in_either, &n);
}

static double
check_to_in_welcomelist(const struct eval_call *c)
{
    struct names n = { "welcomelist_to", "whitelist_to" };
    return eval_each_to(c, is_in_either, &n);
}

static double
check_to_in_more_spam(const struct eval_call *c)
{
    struct names n = { "more_spam_to", NULL };
    return eval_each_to(c, is_in_either, &n);
}

static double
check_to_in_all_spam(const struct eval_call *c)
{
    struct names n = { "all_spam_to", NULL };
    return eval_each_to(c, is_in_either, &n);
}

static bool
starts_with(struct span s, struct span head)
{
    return s.len >= head.len && !memcmp(s.ptr, head.ptr, head.len);
}

/* "[1.2.3.4]", "[1.2.3]" or a domain; the list's entries are lower case. Prefix lengths are not read. */
static bool
relay_is(const struct relay *r, struct span where)
{
    if (where.len > 2 && where.ptr[0] == '[' && where.ptr[where.len - 1] == ']') {
        struct span net = { where.ptr + 1, where.len - 2 };
        if (!starts_with(r->ip, net))
            return false;
        return r->ip.len == net.len || net.ptr[net.len - 1] == '.' || r->ip.ptr[net.len] == '.';
    }
    if (!where.len || r->rdns.len < where.len)
        return false;
    size_t off = r->rdns.len - where.len;
    for (size_t i = 0; i < where.len; i++) {
        uint8_t o = r->rdns.ptr[off + i];
        if ((o >= 'A' && o <= 'Z' ? o + 32 : o) != where.ptr[i])
            return false;
    }
    return !off || r->rdns.ptr[off - 1] == '.';
}

/* The relay that handed the mail over, or any trusted one when there is no other. */
static bool
any_relay_is(const struct relays *r, struct span where)
{
    bool has_untrusted = r->trusted_cnt < r->cnt;
    unsigned from = has_untrusted ? r->trusted_cnt : 0, to = has_untrusted ? from + 1 : r->trusted_cnt;
    for (unsigned i = from; i < to; i++)
        if (relay_is(&r->relay[i], where))
            return true;
    return false;
}

/* What welcoming a pair (sender, relay) can say. */
enum { PAIR_NONE = 0, PAIR_GOOD = 1, PAIR_FORGED = -1 };

static int
check_pair_list(const struct eval_call *c, const char *name, struct span address)
{
    int found = PAIR_NONE;
    uint32_t handle = list_find(c->f->lists, name), cnt = list_cnt(c->f->lists, handle);
    const struct relays *r = c->f->header ? c->f->header->relays : NULL;
    if (!r || !r->cnt)
        return PAIR_NONE;
    for (uint32_t i = 0; i < cnt; i++) {
        struct span glob = list_entry(c->f->lists, handle, i, NULL);
        const uint8_t *blank = memchr(glob.ptr, ' ', glob.len);
        if (!blank)
            continue;
        struct span where = { blank + 1, glob.len - (size_t)(blank + 1 - glob.ptr) };
        glob.len = (size_t)(blank - glob.ptr);
        if (!list_glob_matches(glob, address, LIST_GLOB_WHOLE))
            continue;
        if (any_relay_is(r, where))
            return PAIR_GOOD;
        found = PAIR_FORGED;
    }
    bool is_free = is_in(c, "welcomelist_allows_relays", address, LIST_GLOB_WHOLE) ||
                   is_in(c, "whitelist_allows_relays", address, LIST_GLOB_WHOLE);
    return is_free ? PAIR_NONE : found;
}

static int
check_pair(const struct eval_call *c, const char *newer, const char *older, struct span address)
{
    int a = check_pair_list(c, newer, address), b = check_pair_list(c, older, address);
    return a == PAIR_GOOD || b == PAIR_GOOD ? PAIR_GOOD : a | b;
}

static bool
welcome_from(const struct eval_call *c, struct span address, void *ctx)
{
    struct names n = { "welcomelist_from", "whitelist_from" };
    int *found = ctx;
    int pair = is_in_either(c, address, &n)
                   ? PAIR_GOOD
                   : check_pair(c, "welcomelist_from_rcvd", "whitelist_from_rcvd", address);
    if (pair)
        *found = pair;
    return pair == PAIR_GOOD;
}

static bool
default_welcome_from(const struct eval_call *c, struct span address, void *ctx)
{
    int *found = ctx;
    int pair = check_pair(c, "def_welcomelist_from_rcvd", "def_whitelist_from_rcvd", address);
    if (pair)
        *found = pair;
    return pair == PAIR_GOOD;
}

static int
from_in(const struct eval_call *c, eval_address_fn fn)
{
    int found = PAIR_NONE;
    eval_each_from(c, fn, &found);
    return found;
}

static double
check_from_in_welcomelist(const struct eval_call *c)
{
    return from_in(c, welcome_from) == PAIR_GOOD;
}

static double
check_from_in_default_welcomelist(const struct eval_call *c)
{
    return from_in(c, default_welcome_from) == PAIR_GOOD;
}

static double
check_forged_in_welcomelist(const struct eval_call *c)
{
    return from_in(c, welcome_from) == PAIR_FORGED && from_in(c, default_welcome_from) == PAIR_NONE;
}

static double
check_forged_in_default_welcomelist(const struct eval_call *c)
{
    return from_in(c, default_welcome_from) == PAIR_FORGED && from_in(c, welcome_from) == PAIR_NONE;
}

static double
subject_in(const struct eval_call *c, const char *newer, const char *older)
{
    struct span subject = eval_field(c->f, "Subject", HEADER_PART_VALUE);
    return subject.len && (is_in(c, newer, subject, LIST_GLOB_WITHIN) ||
                           is_in(c, older, subject, LIST_GLOB_WITHIN));
}

static double
check_subject_in_welcomelist(const struct eval_call *c)
{
    return subject_in(c, "welcomelist_subject", "whitelist_subject");
}

static double
check_subject_in_blocklist(const struct eval_call *c)
{
    return subject_in(c, "blocklist_subject", "blacklist_subject");
}

#define NO_ARGS(name, fn) { name, fn, 0, 0, EVAL_NO_REGEX }

const struct eval_entry eval_list_table[] = {
    { "check_from_in_list", check_from_in_list, 1, 1, EVAL_NO_REGEX },
    { "check_to_in_list", check_to_in_list, 1, 1, EVAL_NO_REGEX },
    { "check_replyto_in_list", check_replyto_in_list, 1, 1, EVAL_NO_REGEX },
    NO_ARGS("check_from_in_blocklist", check_from_in_blocklist),
    NO_ARGS("check_from_in_blacklist", check_from_in_blocklist),
    NO_ARGS("check_to_in_blocklist", check_to_in_blocklist),
    NO_ARGS("check_to_in_blacklist", check_to_in_blocklist),
    NO_ARGS("check_to_in_welcomelist", check_to_in_welcomelist),
    NO_ARGS("check_to_in_whitelist", check_to_in_welcomelist),
    NO_ARGS("check_to_in_more_spam", check_to_in_more_spam),
    NO_ARGS("check_to_in_all_spam", check_to_in_all_spam),
    NO_ARGS("check_from_in_welcomelist", check_from_in_welcomelist),
    NO_ARGS("check_from_in_whitelist", check_from_in_welcomelist),
    NO_ARGS("check_from_in_default_welcomelist", check_from_in_default_welcomelist),
    NO_ARGS("check_from_in_default_whitelist", check_from_in_default_welcomelist),
    NO_ARGS("check_forged_in_welcomelist", check_forged_in_welcomelist),
    NO_ARGS("check_forged_in_whitelist", check_forged_in_welcomelist),
    NO_ARGS("check_forged_in_default_welcomelist", check_forged_in_default_welcomelist),
    NO_ARGS("check_forged_in_default_whitelist", check_forged_in_default_welcomelist),
    NO_ARGS("check_subject_in_welcomelist", check_subject_in_welcomelist),
    NO_ARGS("check_subject_in_whitelist", check_subject_in_welcomelist),
    NO_ARGS("check_subject_in_blocklist", check_subject_in_blocklist),
    NO_ARGS("check_subject_in_blacklist", check_subject_in_blocklist),
    { NULL, NULL, 0, 0, EVAL_NO_REGEX },
};
