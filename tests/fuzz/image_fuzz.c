/* Images from anywhere, with length and checksum made right, so that the fuzzer gets behind them. What
 * loads is used in every way and must neither crash nor touch memory that is not its own.
 *
 * Octet 0 of the input: even: the rest is an image. Odd: the rest is a list of patches (3 octets of
 * offset, 1 of value) to an image built here; that one fits this processor and this Hyperscan, where a stored
 * one may not. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan/image.h"
#include "scan/image_format.h"
#include "scan/score.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char rules[] =
    "header A Subject =~ /foo/i\n"
    "header B From:addr !~ /x$/ [if-unset: z]\n"
    "header __C exists:To\n"
    "body D /hello/\nrawbody E /a+b/\nfull F /end$/\nattachment G /PK/\n"
    "body J /(h)ell\\1?o/\ntflags J multiple maxhits=3 nosubject\nbody K /h(?!x)|&\\#233;/\nbody L /(.)\\1/\n"
    "uri M /example/\nmimeheader N Content-Type =~ /foo/\nheader O eval:check_for_missing_to_header()\n"
    "meta H A && (B || !D)\nmeta I H || __C\nscore A 2.5\ndescribe A text\n";

static void *base;
static size_t base_len;

static void
build_base(void)
{
    struct rule_list *l = rule_list_new();
    if (rule_list_parse(l, "t.cf", rules, strlen(rules)) || image_build(l, &base, &base_len)) {
        fprintf(stderr, "%s", rule_list_diagnostics(l));
        abort();
    }
    rule_list_free(l);
}

static uint8_t *
patched(const uint8_t *data, size_t size)
{
    if (!base)
        build_base();
    uint8_t *image = malloc(base_len);
    memcpy(image, base, base_len);
    for (size_t i = 0; i + 4 <= size; i += 4) {
        size_t off = (data[i] | (size_t)data[i + 1] << 8 | (size_t)data[i + 2] << 16) % base_len;
        image[off] = data[i + 3];
    }
    return image;
}

static const uint8_t text[] = "foo hello aab PK end &#233; http://example.org/";

static void
offer_headers(struct ruleset *rs, enum target t, struct hits *h)
{
    uint32_t cnt;
    const struct header_target *targets = match_header_targets(rs, t, &cnt);
    for (uint32_t i = 0; i < cnt; i++) {
        if (strlen(targets[i].name) > 1 << 20)
            abort();
        match_header(rs, 0, t, i, i % 2, text, sizeof(text) - 1, h);
        match_header(rs, 0, t, i, true, text, sizeof("foo hello") - 1, h);
    }
}

static void
offer_units(struct ruleset *rs, struct hits *h)
{
    static const enum target targets[] = { TARGET_BODY, TARGET_RAWBODY, TARGET_URI };
    static struct match_batch batch;
    for (unsigned i = 0; i < 6; i++) { /* dirty, empty and clean ones */
        size_t len = i / 3 ? sizeof("foo hello aab") - 1 : sizeof(text) - 1;
        memcpy(match_room(&batch, len), text, len);
        match_add(&batch, rs, targets[i % 3], i == 4 ? 0 : len, i / 3, h);
    }
    match_run(&batch, 0);
}

static void
use(struct ruleset *rs)
{
    struct hits h = { .bits_cnt = ruleset_rule_cnt(rs), .counts_cnt = ruleset_counted_cnt(rs) };
    h.bits = calloc(h.bits_cnt / 64 + 1, sizeof(*h.bits));
    h.counts = calloc(h.counts_cnt + 1, sizeof(*h.counts));
    offer_headers(rs, TARGET_HEADER, &h);
    offer_headers(rs, TARGET_MIMEHEADER, &h);
    offer_units(rs, &h);
    for (enum target t = TARGET_FULL; t <= TARGET_ATTACHMENT; t++) {
        bool failed;
        struct match_stream *s = match_open(rs, 0, t, &failed);
        if (s && match_feed(s, text, sizeof(text) - 1, &h))
            match_close(s, &h);
        else
            match_abort(s);
    }
    struct thresholds t = { 0, 1000, 2000, INT32_MAX };
    struct judgement j = { 0 };
    score_evaluate(rs, 0, NULL, &h, &t, &j);
    size_t names = 0;
    for (unsigned i = 0; i < j.rules_cnt; i++)
        names += strlen(ruleset_rule_name(rs, j.rules[i]));
    if (j.rules_cnt > j.rules_total || names > (size_t)1 << 30)
        abort();
    free(h.bits);
    free(h.counts);
}

static void
load(const void *image, size_t len)
{
    char err[256] = "";
    int verified = image_verify(image, len, err, sizeof(err));
    struct ruleset *rs = ruleset_load(image, len, 1, 2, err, sizeof(err));
    if (verified && rs)
        abort();
    if (rs)
        use(rs);
    else if (!err[0])
        abort();
    ruleset_free(rs);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    size_t len = data[0] % 2 ? 0 : size - 1;
    uint8_t *image;
    if (data[0] % 2) {
        image = patched(data + 1, size - 1);
        len = base_len;
    } else {
        image = malloc(len + 1);
        memcpy(image, data + 1, len);
        load(image, len);
    }
    if (len >= sizeof(struct image_header)) {
        uint64_t right_len = len;
        memcpy(image + offsetof(struct image_header, len), &right_len, sizeof(right_len));
        image_sha256(image + IMAGE_HASHED_FROM, len - IMAGE_HASHED_FROM,
                     image + offsetof(struct image_header, sha256));
        load(image, len);
    }
    free(image);
    return 0;
}
