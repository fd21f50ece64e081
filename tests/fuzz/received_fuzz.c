/* received: every Received line of a header into relays, and every eval function over the lot.
 * Spans lie in the struct, texts are clean and fit, trusted relays come first, the same lines give
 * the same text. First octet: whether the connection's client is known. */
#include <stdlib.h>
#include <string.h>

#include "scan/eval_header.h"
#include "scan/received.h"
#include "tests/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct span
get(void *ctx, const char *name, enum field_form part, bool *is_present)
{
    struct span all = *(struct span *)ctx, none = {NULL, 0};

    (void)part;
    *is_present = all.len > 0 && strcmp(name, "Resent-Date") != 0;
    return *is_present ? all : none;
}

static struct span
registered_domain(void *ctx, struct span host, bool *is_valid)
{
    (void)ctx;
    *is_valid = true;
    return host;
}

static void
check_span(const struct relays *r, struct span s)
{
    MUST(s.len == 0 || (s.ptr >= r->text && s.ptr + s.len <= r->text + r->text_len));
}

static void
check_relays(const struct relays *r)
{
    MUST(r->cnt <= RELAYS_MAX && r->trusted_cnt <= r->cnt && r->text_len <= RELAYS_TEXT_MAX);
    for (unsigned i = 0; i < r->cnt; i++) {
        const struct relay *a = &r->relay[i];

        MUST(a->is_trusted == (i < r->trusted_cnt));
        MUST(a->ip.len == 0 || memchr(a->ip.ptr, ' ', a->ip.len) == NULL);
        MUST(a->helo.len == 0 || memchr(a->helo.ptr, ']', a->helo.len) == NULL);
        check_span(r, a->ip);
        check_span(r, a->rdns);
        check_span(r, a->helo);
        check_span(r, a->by);
        check_span(r, a->ident);
        check_span(r, a->envfrom);
        check_span(r, a->id);
        check_span(r, a->auth);
    }
}

static size_t
read_lines(struct relays *r, const uint8_t *data, size_t size, uint8_t *out)
{
    struct relay_client client = {.ip = {(const uint8_t *)"192.0.2.7", 9}, .has_mail_from = true};
    unsigned line_cnt = 0;
    size_t len;

    relays_init(r);
    if (size > 0 && (data[0] & 1) != 0)
        relays_client(r, &client);
    for (size_t at = 1, next; at < size; at = next + 1) {
        const uint8_t *end = memchr(data + at, '\n', size - at);

        next = end == NULL ? size : (size_t)(end - data);
        relays_add_received(r, (struct span){data + at, next - at});
        check_relays(r);
        line_cnt++;
    }
    if (size > 1)
        relays_add_originating(r, (struct span){data + 1, size - 1});
    check_relays(r);
    for (unsigned i = 0; i <= line_cnt; i++)
        MUST(relays_cut_has(r, RELAYS_TRUSTED, i, true) ||
             relays_cut_has(r, RELAYS_UNTRUSTED, i, true));
    len = relays_write(r, RELAYS_TRUSTED, out, RELAYS_WRITE_MAX);
    return len + relays_write(r, RELAYS_UNTRUSTED, out + len, RELAYS_WRITE_MAX - len);
}

static void
run_evals(const struct relays *r, struct span all)
{
    struct header_facts f = {
        .get = get, .registered_domain = registered_domain, .ctx = &all, .relays = r};
    static const char *const words[] = {"Subject", "0.01", "2", "user"};
    struct eval_args args = {.cnt = 3};
    bool is_known;

    for (unsigned i = 0; i < 3; i++)
        args.arg[i] = (struct span){(const uint8_t *)words[i], strlen(words[i])};
    for (unsigned i = 0; i < eval_header_table_cnt; i++)
        MUST(eval_header_table[i].fn(&f, &args) <= 1);
    args.arg[0] = (struct span){(const uint8_t *)words[3], strlen(words[3])};
    MUST(eval_header_find((struct span){(const uint8_t *)"check_for_to_in_subject", 23})(
             &f, &args) <= 1);
    (void)eval_envelope_from(&f, &is_known);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct relays r;
    static uint8_t out[RELAYS_WRITE_MAX], again[RELAYS_WRITE_MAX];
    struct span all = {data, size};
    uint8_t *exact;
    size_t len;

    if (size > 65536)
        return 0;
    len = read_lines(&r, data, size, out);
    run_evals(&r, all);
    /* From memory of the exact size: reading past the end shows. */
    exact = malloc(size + (size == 0));
    MUST(exact != NULL);
    memcpy(exact, data, size);
    MUST(read_lines(&r, exact, size, again) == len && memcmp(out, again, len) == 0);
    free(exact);
    return 0;
}
