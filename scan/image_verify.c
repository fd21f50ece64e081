#include <hs/hs.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan/expr.h"
#include "scan/image.h"
#include "scan/image_format.h"
#include "scan/limits.h"
#include "scan/rule_list.h"

_Static_assert(offsetof(struct image_header, hyperscan) == IMAGE_HASHED_FROM, "hash starts after sha256");

struct checker {
    const uint8_t *base;
    size_t len;
    size_t counts[SECTION_CNT]; /* items */
    char *err;
    size_t err_size;
};

static bool
bad(struct checker *c, const char *text)
{
    snprintf(c->err, c->err_size, "%s", text);
    return false;
}

bool
image_sha256(const void *octets, size_t len, uint8_t *out)
{
    unsigned out_len = 0;
    return EVP_Digest(octets, len, out, &out_len, EVP_sha256(), NULL) == 1 && out_len == 32;
}

void
image_hyperscan_version(char *out, size_t out_size)
{
    const char *version = hs_version();
    snprintf(out, out_size, "%.*s", (int)strcspn(version, " "), version);
}

static bool
check_header(struct checker *c)
{
    const struct image_header *h = (const void *)c->base;
    if (c->len < sizeof(*h) || memcmp(h->magic, IMAGE_MAGIC, sizeof(h->magic)))
        return bad(c, "not a compiled rule set");
    if (c->len > IMAGE_LEN_MAX)
        return bad(c, "larger than 1 GiB");
    if (h->version != IMAGE_VERSION) {
        snprintf(c->err, c->err_size, "format version %u, but this program reads %d", h->version,
                 IMAGE_VERSION);
        return false;
    }
    if (h->len != c->len) {
        snprintf(c->err, c->err_size, "%zu octets, but its header says %llu", c->len,
                 (unsigned long long)h->len);
        return false;
    }
    uint8_t digest[32];
    if (!image_sha256(c->base + IMAGE_HASHED_FROM, c->len - IMAGE_HASHED_FROM, digest))
        return bad(c, "libcrypto cannot compute SHA-256");
    if (memcmp(digest, h->sha256, sizeof(digest)))
        return bad(c, "the checksum is wrong: the file is damaged");
    if (!memchr(h->hyperscan, 0, sizeof(h->hyperscan)) || !memchr(h->platform, 0, sizeof(h->platform)) ||
        h->reserved != 0)
        return bad(c, "the header is malformed");
    char version[sizeof(h->hyperscan)];
    image_hyperscan_version(version, sizeof(version));
    if (strcmp(version, h->hyperscan)) {
        snprintf(c->err, c->err_size, "compiled with Hyperscan %s, but this is %s", h->hyperscan, version);
        return false;
    }
    return true;
}

static bool
check_sections(struct checker *c)
{
    static const size_t item[SECTION_CNT] = {
        [SECTION_STRINGS] = 1,
        [SECTION_RULES] = sizeof(struct image_rule),
        [SECTION_CODE] = sizeof(uint32_t),
        [SECTION_ORDER] = sizeof(uint32_t),
        [SECTION_TARGETS] = sizeof(struct image_target),
        [SECTION_LISTS] = sizeof(uint32_t),
        [SECTION_DATABASES] = 1,
    };
    const struct image_header *h = (const void *)c->base;
    uint64_t at = sizeof(*h);
    for (unsigned i = 0; i < SECTION_CNT; i++) {
        const struct image_section *s = &h->sections[i];
        if (s->off % IMAGE_ALIGN || s->off < at || s->off - at >= IMAGE_ALIGN || s->off > c->len ||
            s->len > c->len - s->off || s->len % item[i])
            return bad(c, "the section table is malformed");
        c->counts[i] = (size_t)(s->len / item[i]);
        at = s->off + s->len;
    }
    if (at != c->len)
        return bad(c, "octets after the last section");
    return true;
}

static const void *
section(const struct checker *c, enum image_section_id id)
{
    return c->base + ((const struct image_header *)(const void *)c->base)->sections[id].off;
}

static bool
in_range(uint64_t off, uint64_t cnt, uint64_t max)
{
    return off <= max && cnt <= max - off;
}

static bool
check_strings(struct checker *c)
{
    const char *strings = section(c, SECTION_STRINGS);
    size_t len = c->counts[SECTION_STRINGS];
    if (len == 0 || strings[0] || strings[len - 1])
        return bad(c, "the strings are malformed");
    return true;
}

static bool
check_rules(struct checker *c)
{
    const struct image_rule *rules = section(c, SECTION_RULES);
    const uint32_t *code = section(c, SECTION_CODE);
    size_t cnt = c->counts[SECTION_RULES];
    if (cnt > RULE_MAX)
        return bad(c, "more than 65535 rules");
    for (size_t i = 0; i < cnt; i++) {
        const struct image_rule *r = &rules[i];
        if (r->name_off >= c->counts[SECTION_STRINGS] || r->describe_off >= c->counts[SECTION_STRINGS] ||
            r->score_milli > RULE_SCORE_MAX_MILLI || r->score_milli < -RULE_SCORE_MAX_MILLI ||
            r->flags & ~(unsigned)IMAGE_RULE_REPORTED)
            return bad(c, "a rule is malformed");
        if (!in_range(r->code_off, r->code_cnt, c->counts[SECTION_CODE]) ||
            (r->code_cnt && !expr_verify(code + r->code_off, r->code_cnt, (uint32_t)cnt)))
            return bad(c, "the code of a rule is malformed");
    }
    return true;
}

/* True when every rule that `r`'s code names, and that has code itself, is in `done`. */
static bool
is_ready(const struct image_rule *rules, const struct image_rule *r, const uint32_t *code,
         const bool *done)
{
    for (uint32_t i = 0; i < r->code_cnt; i++) {
        uint32_t word = code[r->code_off + i];
        if (expr_op(word) == EXPR_RULE && rules[expr_operand(word)].code_cnt && !done[expr_operand(word)])
            return false;
    }
    return true;
}

static bool
check_order(struct checker *c)
{
    const struct image_rule *rules = section(c, SECTION_RULES);
    const uint32_t *code = section(c, SECTION_CODE);
    const uint32_t *order = section(c, SECTION_ORDER);
    size_t rules_cnt = c->counts[SECTION_RULES];
    size_t with_code = 0;
    for (size_t i = 0; i < rules_cnt; i++)
        with_code += rules[i].code_cnt > 0;
    if (with_code != c->counts[SECTION_ORDER])
        return bad(c, "the order of evaluation is malformed");
    bool *done = calloc(rules_cnt + 1, sizeof(*done));
    if (!done)
        return bad(c, "out of memory");
    bool is_good = true;
    for (size_t i = 0; is_good && i < with_code; i++) {
        uint32_t idx = order[i];
        is_good = idx < rules_cnt && rules[idx].code_cnt && !done[idx] &&
                  is_ready(rules, &rules[idx], code, done);
        if (is_good)
            done[idx] = true;
    }
    free(done);
    return is_good || bad(c, "the order of evaluation is malformed");
}

/* The mode and version that the database itself claims. */
static bool
check_database(struct checker *c, const struct image_target *t)
{
    const struct image_section *s =
        &((const struct image_header *)(const void *)c->base)->sections[SECTION_DATABASES];
    if (t->database_len == 0)
        return true;
    if (t->database_off % IMAGE_ALIGN || t->database_off < s->off ||
        !in_range(t->database_off - s->off, t->database_len, s->len))
        return bad(c, "a database lies outside its section");
    char *info = NULL;
    if (hs_serialized_database_info((const char *)c->base + t->database_off, (size_t)t->database_len,
                                    &info) != HS_SUCCESS)
        return bad(c, "a Hyperscan database is malformed");
    bool is_stream = t->target == TARGET_FULL || t->target == TARGET_ATTACHMENT;
    bool is_good = strstr(info, is_stream ? "Mode: STREAM" : "Mode: BLOCK") != NULL;
    free(info);
    return is_good || bad(c, "a Hyperscan database has the wrong mode");
}

static bool
check_targets(struct checker *c)
{
    const struct image_target *targets = section(c, SECTION_TARGETS);
    const uint32_t *lists = section(c, SECTION_LISTS);
    bool seen[TARGET_CNT] = { false };
    for (size_t i = 0; i < c->counts[SECTION_TARGETS]; i++) {
        const struct image_target *t = &targets[i];
        if (t->target >= TARGET_CNT || t->part > HEADER_RAW || t->reserved ||
            t->name_off >= c->counts[SECTION_STRINGS] ||
            !in_range(t->present_off, t->present_cnt, c->counts[SECTION_LISTS]) ||
            !in_range(t->absent_off, t->absent_cnt, c->counts[SECTION_LISTS]))
            return bad(c, "a target is malformed");
        if (t->target != TARGET_HEADER && seen[t->target])
            return bad(c, "a target stands there twice");
        seen[t->target] = true;
        if (!check_database(c, t))
            return false;
    }
    for (size_t i = 0; i < c->counts[SECTION_LISTS]; i++) {
        if (lists[i] >= c->counts[SECTION_RULES])
            return bad(c, "a list names a rule that is not there");
    }
    return true;
}

void
image_view_move(struct image_view *v, const void *copy)
{
    const struct image_header *h = copy;
    const uint8_t *base = copy;
    v->header = h;
    v->strings = (const void *)(base + h->sections[SECTION_STRINGS].off);
    v->rules = (const void *)(base + h->sections[SECTION_RULES].off);
    v->code = (const void *)(base + h->sections[SECTION_CODE].off);
    v->order = (const void *)(base + h->sections[SECTION_ORDER].off);
    v->targets = (const void *)(base + h->sections[SECTION_TARGETS].off);
    v->lists = (const void *)(base + h->sections[SECTION_LISTS].off);
}

int
image_view_open(const void *image, size_t len, struct image_view *v, char *err, size_t err_size)
{
    struct checker c = { .base = image, .len = len, .err = err, .err_size = err_size };
    if (!check_header(&c) || !check_sections(&c) || !check_strings(&c) || !check_rules(&c) ||
        !check_order(&c) || !check_targets(&c))
        return -1;
    v->rules_cnt = (uint32_t)c.counts[SECTION_RULES];
    v->order_cnt = (uint32_t)c.counts[SECTION_ORDER];
    v->targets_cnt = (uint32_t)c.counts[SECTION_TARGETS];
    image_view_move(v, image);
    return 0;
}

int
image_verify(const void *image, size_t len, char *err, size_t err_size)
{
    struct image_view v;
    if ((uintptr_t)image % IMAGE_ALIGN == 0)
        return image_view_open(image, len, &v, err, err_size);
    void *aligned = malloc(len ? len : 1);
    if (!aligned) {
        snprintf(err, err_size, "out of memory");
        return -1;
    }
    memcpy(aligned, image, len);
    int result = image_view_open(aligned, len, &v, err, err_size);
    free(aligned);
    return result;
}
