/* scan: whole mails under real rules, Hyperscan and PCRE2 behind them (message_fuzz has a fake matcher and looks at the
 * units). The same judgement, hits and events for every split; nothing left over for the next mail, aborted ones
 * included. First octet: the size of the pieces; the mail follows, "\n" without CR as CRLF. */
#include <stdlib.h>
#include <string.h>

#include "scan/image.h"
#include "scan/message.h"
#include "tests/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RULES_MAX = 1024, MAIL_MAX = 1 << 20 };

static struct scanner sc;

struct outcome {
    struct judgement j;
    bool hits[RULES_MAX];
};

/* So that a leak is one: the pool is not of malloc, and its pointers are not seen. */
static void
tear_down(void)
{
    scanner_fini(&sc);
    ruleset_free(sc.live);
}

static void
set_up(void)
{
    static char text[1 << 16];
    FILE *f = fopen(RULES_FILE, "rb");
    MUST(f);
    size_t len = fread(text, 1, sizeof(text), f);
    fclose(f);
    struct rule_list *l = rule_list_new();
    void *image;
    size_t image_len;
    char err[256] = "";
    rule_list_parse(l, "many.cf", text, len);
    MUST(image_build(l, &image, &image_len) == 0);
    rule_list_free(l);
    sc.live = NULL;
    MUST(scanner_init(&sc, 0, 2) == 0);
    sc.live = ruleset_load(image, image_len, 1, 1, err, sizeof(err));
    free(image);
    atexit(tear_down);
    MUST(sc.live && ruleset_rule_cnt(sc.live) <= RULES_MAX);
}

static void
begin(struct message *m)
{
    static const char path[] = "a@b.example", ip[] = "192.0.2.1", helo[] = "mx.example.net";

    message_mail(m, (struct span){(const uint8_t *)path, sizeof(path) - 1});
    message_rcpt(m, (struct span){(const uint8_t *)path, sizeof(path) - 1});
    message_client(m, (struct span){(const uint8_t *)ip, sizeof(ip) - 1},
                   (struct span){(const uint8_t *)helo, sizeof(helo) - 1});
}

static void
run(const uint8_t *mail, size_t size, size_t step, struct outcome *o)
{
    struct message *m = message_new(&sc);

    MUST(m);
    begin(m);
    for (size_t off = 0; off < size;) {
        size_t n = size - off < step ? size - off : step;
        uint8_t *piece = malloc(n);
        memcpy(piece, mail + off, n);
        message_feed(m, piece, n);
        free(piece);
        off += n;
    }
    o->j = *message_end(m);
    for (uint32_t i = 0; i < ruleset_rule_cnt(sc.live); i++)
        o->hits[i] = message_hit(m, i);
    message_free(m);
    MUST(o->j.octets == size && !ruleset_pinned(sc.live));
    MUST(!(o->j.events & EVENT_BIT(EVENT_SCAN_ERROR)));
}

static void
must_equal(const struct outcome *a, const struct outcome *b)
{
    for (uint32_t i = 0; i < ruleset_rule_cnt(sc.live); i++) {
        if (a->hits[i] != b->hits[i])
            fprintf(stderr, "%s\n", ruleset_rule_name(sc.live, i));
        MUST(a->hits[i] == b->hits[i]);
    }
    MUST(a->j.events == b->j.events && a->j.verdict == b->j.verdict && a->j.cause == b->j.cause);
    MUST(a->j.score_milli == b->j.score_milli && a->j.rules_total == b->j.rules_total);
}

static size_t
as_smtp(const uint8_t *data, size_t size, uint8_t *mail)
{
    size_t len = 0;

    for (size_t i = 0; i < size && len + 2 < MAIL_MAX; i++) {
        if (data[i] == '\n' && (i == 0 || data[i - 1] != '\r'))
            mail[len++] = '\r';
        mail[len++] = data[i];
    }
    return len;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char plain[] = "From: a@b.example\r\nSubject: The end\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
                                "--b\r\nContent-Type: text/html\r\n\r\n<a href=\"http://a.example/b\">the</a>\r\n--b--\r\n";
    static struct outcome first, whole, cut;
    static uint8_t mail[MAIL_MAX];

    if (size < 1)
        return 0;
    if (!sc.pool) {
        set_up();
        run((const uint8_t *)plain, sizeof(plain) - 1, SIZE_MAX, &first);
    }
    size_t len = as_smtp(data + 1, size - 1, mail);
    run(mail, len, SIZE_MAX, &whole);
    run(mail, len, data[0] + 1u, &cut);
    if (!(whole.j.events & EVENT_BIT(EVENT_ARCHIVE_CAP))) /* where a bomb is cut off may differ (archive.h) */
        must_equal(&whole, &cut);
    run((const uint8_t *)plain, sizeof(plain) - 1, SIZE_MAX, &cut);
    must_equal(&first, &cut);
    struct message *m = message_new(&sc); /* aborted */
    begin(m);
    message_feed(m, mail, len);
    message_free(m);
    MUST(!ruleset_pinned(sc.live));
    return 0;
}
