/* Arguments of eval functions from anywhere, over facts of a small mail made of the same octets.
 *
 * Octet 0: the function. Then lines: each an argument (at most EVAL_ARGS_MAX); behind an empty line the mail's octets.
 * A function that takes its arguments must answer the same twice. */
#include <string.h>

#include "must.h"
#include "scan/alternative_facts.h"
#include "scan/body_emails.h"
#include "scan/eval.h"
#include "scan/eval_header.h"
#include "scan/image_facts.h"
#include "scan/mime_facts.h"
#include "scan/text_facts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct span
get(void *ctx, const char *name, enum field_form part, bool *is_present)
{
    *is_present = name[0] != 'X' && part != HEADER_PART_FIRST_ADDR;
    return *(const struct span *)ctx;
}

static struct span
registered(void *ctx, struct span host, bool *is_valid)
{
    (void)ctx;
    *is_valid = host.len % 2;
    return host;
}

static bool
is_tld(void *ctx, struct span label)
{
    (void)ctx;
    return label.len == 2;
}

static void
fill(struct mime_facts *m, struct text_facts *t, struct alternative_facts *a, struct image_facts *im,
     struct body_emails *e, struct span s)
{
    static uint8_t buf[8192];
    struct header h;
    enum header_next next;
    header_init(&h, buf, sizeof(buf), 3);
    size_t used = header_feed(&h, s.ptr, s.len, &next);
    if (!h.is_done)
        header_end(&h);
    mime_facts_init(m);
    mime_facts_message(m, &h);
    mime_facts_node(m, &h, (unsigned)(s.len % 3), true);
    mime_facts_raw(m, s.ptr + used, s.len - used);
    mime_facts_end(m);
    text_facts_init(t);
    text_facts_octets(t, s.ptr, s.len);
    text_facts_line(t, s);
    text_facts_chunk(t, s);
    text_facts_plain(t, s.ptr, s.len);
    text_facts_end(t);
    alternative_facts_init(a);
    alternative_facts_open(a);
    alternative_facts_text(a, true, s.ptr, s.len);
    alternative_facts_part_end(a, s.len % 2);
    alternative_facts_text(a, false, s.ptr, s.len / 2);
    alternative_facts_part_end(a, false);
    alternative_facts_close(a);
    image_facts_init(im);
    static const char *const types[] = { "image/gif", "image/png", "image/jpeg" };
    for (unsigned i = 0; i < 3; i++) {
        image_facts_part(im, types[i], s);
        image_facts_octets(im, s.ptr, s.len);
        image_facts_end(im);
    }
    body_emails_init(e, is_tld, NULL);
    body_emails_link(e, s);
    body_emails_line(e, s);
    MUST(e->cnt <= BODY_EMAILS_MAX && e->off[e->cnt] <= BODY_EMAILS_TEXT_MAX);
    MUST(a->difference >= 0 && a->difference <= 100);
}

static struct span
split(struct span s, struct eval_args *args)
{
    while (s.len && args->cnt < EVAL_ARGS_MAX) {
        const uint8_t *end = memchr(s.ptr, '\n', s.len);
        size_t len = end ? (size_t)(end - s.ptr) : s.len, whole = len + (end != NULL);
        if (len)
            args->arg[args->cnt++] = (struct span){ s.ptr, len };
        s = (struct span){ s.ptr + whole, s.len - whole };
        if (!len)
            break;
    }
    return s;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mime_facts m;
    static struct text_facts t;
    static struct alternative_facts a;
    static struct image_facts im;
    static struct body_emails e;
    static struct relays r;
    struct eval_args args = { .cnt = 0 };
    if (!size)
        return 0;
    struct span mail = split((struct span){ data + 1, size - 1 }, &args);
    fill(&m, &t, &a, &im, &e, mail);
    relays_init(&r);
    relays_add_received(&r, mail);
    struct header_facts h = { .get = get, .registered_domain = registered, .ctx = &mail, .relays = &r };
    struct eval_facts f = { .header = &h, .mime = &m, .text = &t, .alternative = &a, .images = &im, .emails = &e,
                            .recipients = &mail, .recipients_cnt = 1 };
    int id = data[0] % eval_cnt();
    char err[200] = "";
    struct eval_prepared *p = NULL;
    MUST(eval_find(eval_name(id)) == id);
    if (!eval_check_args(id, &args, err, sizeof(err)) || eval_prepare(id, &args, 1, &p, err, sizeof(err))) {
        MUST(err[0] && !p);
        return 0;
    }
    double once = eval_run(id, &f, &args, p);
    MUST(once == eval_run(id, &f, &args, p));
    eval_release(p);
    return 0;
}
