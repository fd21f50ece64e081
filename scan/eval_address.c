/* The addresses that a mail names, as list and free-mail functions walk over them. */
#include <string.h>

#include "scan/eval_private.h"
#include "scan/octet.h"
#include "scan/suffix.h"

struct span
eval_field(const struct eval_facts *f, const char *name, enum field_form part)
{
    bool is_present = false;
    struct span none = { NULL, 0 };
    if (!f->header)
        return none;
    struct span value = f->header->get(f->header->ctx, name, part, &is_present);
    return is_present ? value : none;
}

/* Hands one address on: lower case, without blanks at its ends; runs of dots as one if so wanted. */
static bool
hand_on(const struct eval_call *c, struct span s, bool is_squeezed, eval_address_fn fn, void *ctx)
{
    uint8_t buf[EVAL_ADDRESS_MAX];
    size_t len = 0;
    for (size_t i = 0; i < s.len && len < sizeof(buf); i++) {
        uint8_t o = s.ptr[i];
        if (is_squeezed && o == '.' && len && buf[len - 1] == '.')
            continue;
        buf[len++] = o >= 'A' && o <= 'Z' ? (uint8_t)(o + 32) : o;
    }
    return len && fn(c, (struct span){ buf, len }, ctx);
}

/* Addresses stand one a line. */
static bool
each_line(const struct eval_call *c, struct span all, bool is_squeezed, eval_address_fn fn, void *ctx)
{
    while (all.len) {
        const uint8_t *end = memchr(all.ptr, '\n', all.len);
        size_t len = end ? (size_t)(end - all.ptr) : all.len;
        if (hand_on(c, (struct span){ all.ptr, len }, is_squeezed, fn, ctx))
            return true;
        len += end != NULL;
        all = (struct span){ all.ptr + len, all.len - len };
    }
    return false;
}

bool
eval_each_address(const struct eval_call *c, const char *name, eval_address_fn fn, void *ctx)
{
    return each_line(c, eval_field(c->f, name, HEADER_PART_ADDR_ALL), false, fn, ctx);
}

bool
eval_each_from(const struct eval_call *c, eval_address_fn fn, void *ctx)
{
    static const char *const names[] = { "From", "Envelope-Sender", "Resent-Sender", "X-Envelope-From",
                                         "EnvelopeFrom" };
    struct span resent = eval_field(c->f, "Resent-From", HEADER_PART_FIRST_ADDR);
    if (resent.len)
        return each_line(c, resent, false, fn, ctx);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (each_line(c, eval_field(c->f, names[i], HEADER_PART_ADDR_ALL), true, fn, ctx))
            return true;
    return false;
}

/* " for <user@host>;" in a Received value. */
static struct span
received_for(struct span v)
{
    struct span none = { NULL, 0 };
    for (size_t i = 0; i + 5 < v.len; i++) {
        if (memcmp(v.ptr + i, " for ", 5))
            continue;
        size_t start = i + 5, end;
        start += v.ptr[start] == '<';
        for (end = start; end < v.len && !octet_is_space(v.ptr[end]); end++)
            ;
        const uint8_t *stop = NULL;
        for (size_t j = start; j < end && !stop; j++)
            if (v.ptr[j] == ';')
                stop = v.ptr + j;
        if (!stop)
            continue;
        size_t len = (size_t)(stop - v.ptr) - start;
        len -= len && v.ptr[start + len - 1] == '>';
        size_t at = len;
        while (at && v.ptr[start + at - 1] != '@')
            at--;
        struct span host = { v.ptr + start + at, len - at };
        if (at > 1 && host.len && host_is_fqdn(host))
            return (struct span){ v.ptr + start, len };
        return none;
    }
    return none;
}

static bool
each_received(const struct eval_call *c, eval_address_fn fn, void *ctx)
{
    struct span all = eval_field(c->f, "Received", HEADER_PART_VALUE);
    for (unsigned i = 0; i < 3 && all.len; i++) {
        const uint8_t *end = memchr(all.ptr, '\n', all.len);
        size_t len = end ? (size_t)(end - all.ptr) : all.len;
        struct span address = received_for((struct span){ all.ptr, len });
        if (address.len && hand_on(c, address, false, fn, ctx))
            return true;
        len += end != NULL;
        all = (struct span){ all.ptr + len, all.len - len };
    }
    return false;
}

bool
eval_each_to(const struct eval_call *c, eval_address_fn fn, void *ctx)
{
    static const char *const names[] = { "To", "Apparently-To", "Delivered-To", "Envelope-Recipients",
                                         "Apparently-Resent-To", "X-Envelope-To", "Envelope-To",
                                         "X-Delivered-To", "X-Original-To", "X-Rcpt-To", "X-Real-To", "Cc" };
    struct span to = eval_field(c->f, "Resent-To", HEADER_PART_FIRST_ADDR);
    struct span cc = eval_field(c->f, "Resent-Cc", HEADER_PART_FIRST_ADDR);
    for (unsigned i = 0; i < c->f->recipients_cnt; i++)
        if (hand_on(c, c->f->recipients[i], false, fn, ctx))
            return true;
    if (to.len || cc.len)
        return each_line(c, to, false, fn, ctx) || each_line(c, cc, false, fn, ctx);
    if (each_received(c, fn, ctx))
        return true;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (eval_each_address(c, names[i], fn, ctx))
            return true;
    return false;
}
