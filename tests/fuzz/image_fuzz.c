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
    "meta H A && (B || !D)\nmeta I H || __C\nscore A 2.5\ndescribe A text\n";

static void *base;
static size_t base_len;

static void
build_base(void)
{
    struct rule_list *l = rule_list_new();
    if (rule_list_parse(l, "t.cf", rules, strlen(rules)) || image_build(l, &base, &base_len))
        abort();
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

static void
use(struct ruleset *rs)
{
    static const uint8_t text[] = "foo hello aab PK end";
    struct hits h = { .bits_cnt = ruleset_rule_cnt(rs) };
    h.bits = calloc(h.bits_cnt / 64 + 1, sizeof(*h.bits));
    uint32_t cnt;
    const struct header_target *targets = match_header_targets(rs, &cnt);
    for (uint32_t i = 0; i < cnt; i++) {
        if (strlen(targets[i].name) > 1 << 20)
            abort();
        match_header(rs, 0, i, i % 2, text, sizeof(text) - 1, &h);
    }
    match_block(rs, 0, TARGET_BODY, text, sizeof(text) - 1, &h);
    match_block(rs, 0, TARGET_RAWBODY, text, 0, &h);
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
    score_evaluate(rs, &h, &t, &j);
    size_t names = 0;
    for (unsigned i = 0; i < j.rules_cnt; i++)
        names += strlen(ruleset_rule_name(rs, j.rules[i]));
    if (j.rules_cnt > j.rules_total || names > (size_t)1 << 30)
        abort();
    free(h.bits);
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
