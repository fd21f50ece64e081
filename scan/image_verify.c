#include <hs/hs.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan/expr.h"
#include "scan/image.h"
#include "scan/image_format.h"
#include "scan/limits.h"
#include "scan/list.h"
#include "scan/rule_list.h"
#include "scan/signature.h"

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
        [SECTION_GROUPS] = sizeof(struct image_group),
        [SECTION_LISTS] = sizeof(uint32_t),
        [SECTION_EVALS] = sizeof(struct image_eval),
        [SECTION_SETS] = 1,
        [SECTION_SIGNATURES] = 1,
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
is_string(const struct checker *c, uint32_t off)
{
    return off < c->counts[SECTION_STRINGS];
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
        if (!is_string(c, r->name_off) || !is_string(c, r->describe_off) || !is_string(c, r->pattern_off) ||
            r->score_milli > RULE_SCORE_MAX_MILLI || r->score_milli < -RULE_SCORE_MAX_MILLI ||
            r->flags & ~(unsigned)IMAGE_RULE_FLAGS || r->maxhits > UINT16_MAX || r->triggers_min > UINT8_MAX ||
            r->signature > 1 + SIGNATURE_JAVA ||
            (r->flags & IMAGE_RULE_COUNTED && !(r->flags & IMAGE_RULE_CONFIRMED)) ||
            r->pattern_flags & ~(unsigned)(HS_FLAG_CASELESS | HS_FLAG_DOTALL | HS_FLAG_MULTILINE))
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
check_database(struct checker *c, const struct image_group *g, bool is_stream)
{
    const struct image_section *s =
        &((const struct image_header *)(const void *)c->base)->sections[SECTION_DATABASES];
    if (g->database_len == 0 || g->database_off % IMAGE_ALIGN || g->database_off < s->off ||
        !in_range(g->database_off - s->off, g->database_len, s->len))
        return bad(c, "a database lies outside its section");
    char *info = NULL;
    if (hs_serialized_database_info((const char *)c->base + g->database_off, (size_t)g->database_len,
                                    &info) != HS_SUCCESS)
        return bad(c, "a Hyperscan database is malformed");
    bool is_good = strstr(info, is_stream ? "Mode: STREAM" : "Mode: BLOCK") != NULL;
    free(info);
    return is_good || bad(c, "a Hyperscan database has the wrong mode");
}

static bool
check_rule_list(struct checker *c, uint32_t off, uint32_t cnt, uint32_t allowed_flags)
{
    const struct image_rule *rules = section(c, SECTION_RULES);
    const uint32_t *lists = section(c, SECTION_LISTS);
    if (!in_range(off, cnt, c->counts[SECTION_LISTS]))
        return bad(c, "a list lies outside its section");
    for (uint32_t i = off; i < off + cnt; i++) {
        uint32_t idx = lists[i] & ~allowed_flags;
        if (idx >= c->counts[SECTION_RULES])
            return bad(c, "a list names a rule that is not there");
        if (lists[i] & allowed_flags && !(rules[idx].flags & IMAGE_RULE_CONFIRMED))
            return bad(c, "a rule is to be confirmed that has nothing to confirm it with");
    }
    return true;
}

/* They follow each other, target by target, from `*groups_cnt` on: one that no target names is loaded, too. */
static bool
check_groups(struct checker *c, const struct image_target *t, size_t *groups_cnt)
{
    const struct image_group *groups = section(c, SECTION_GROUPS);
    bool is_stream = t->target == TARGET_FULL || t->target == TARGET_ATTACHMENT;
    if (t->groups_off != *groups_cnt || !in_range(t->groups_off, t->groups_cnt, c->counts[SECTION_GROUPS]))
        return bad(c, "a target is malformed");
    *groups_cnt += t->groups_cnt;
    for (uint32_t i = t->groups_off; i < t->groups_off + t->groups_cnt; i++) {
        if (groups[i].units > UNITS_DIRTY || groups[i].reserved || (is_stream && t->groups_cnt != 1) ||
            (is_stream && groups[i].units != UNITS_ALL))
            return bad(c, "a group is malformed");
        if (!check_rule_list(c, groups[i].ids_off, groups[i].ids_cnt, is_stream ? 0 : IMAGE_ID_CONFIRM) ||
            !check_database(c, &groups[i], is_stream))
            return false;
    }
    return true;
}

static bool
check_targets(struct checker *c)
{
    const struct image_target *targets = section(c, SECTION_TARGETS);
    const struct image_rule *rules = section(c, SECTION_RULES);
    const uint32_t *lists = section(c, SECTION_LISTS);
    bool seen[TARGET_CNT] = { false };
    size_t groups_cnt = 0;
    for (size_t i = 0; i < c->counts[SECTION_TARGETS]; i++) {
        const struct image_target *t = &targets[i];
        if (t->target >= TARGET_CNT || t->part > HEADER_RAW || t->reserved || !is_string(c, t->name_off))
            return bad(c, "a target is malformed");
        if (t->target != TARGET_HEADER && t->target != TARGET_MIMEHEADER && seen[t->target])
            return bad(c, "a target stands there twice");
        seen[t->target] = true;
        if (!check_rule_list(c, t->present_off, t->present_cnt, 0) ||
            !check_rule_list(c, t->absent_off, t->absent_cnt, 0) ||
            !check_rule_list(c, t->always_off, t->always_cnt, IMAGE_ID_DIRTY) || !check_groups(c, t, &groups_cnt))
            return false;
        for (uint32_t k = 0; k < t->always_cnt; k++) {
            if (!(rules[lists[t->always_off + k] & ~IMAGE_ID_DIRTY].flags & IMAGE_RULE_CONFIRMED))
                return bad(c, "a rule is to be confirmed that has nothing to confirm it with");
        }
    }
    return groups_cnt == c->counts[SECTION_GROUPS] || bad(c, "a group belongs to no target");
}

static bool
check_evals(struct checker *c)
{
    const struct image_eval *evals = section(c, SECTION_EVALS);
    for (size_t i = 0; i < c->counts[SECTION_EVALS]; i++) {
        const struct image_eval *e = &evals[i];
        bool is_good = e->rule < c->counts[SECTION_RULES] && is_string(c, e->name_off) && !e->reserved &&
                       e->args_cnt <= IMAGE_EVAL_ARGS_MAX;
        for (unsigned k = 0; is_good && k < IMAGE_EVAL_ARGS_MAX; k++)
            is_good = is_string(c, e->arg_offs[k]);
        if (!is_good)
            return bad(c, "an eval is malformed");
    }
    return true;
}

static bool
check_tables(struct checker *c)
{
    const struct image_header *h = (const void *)c->base;
    char err[160];
    if (c->counts[SECTION_SETS] && !list_table_verify(section(c, SECTION_SETS), c->counts[SECTION_SETS]))
        return bad(c, "the lists are malformed");
    if (c->counts[SECTION_SIGNATURES] &&
        signature_table_verify(section(c, SECTION_SIGNATURES), c->counts[SECTION_SIGNATURES], err,
                               sizeof(err)))
        return bad(c, "the signatures are malformed");
    if (h->signature_rule > c->counts[SECTION_RULES])
        return bad(c, "the header is malformed");
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
    v->groups = (const void *)(base + h->sections[SECTION_GROUPS].off);
    v->lists = (const void *)(base + h->sections[SECTION_LISTS].off);
    v->evals = (const void *)(base + h->sections[SECTION_EVALS].off);
    v->sets = h->sections[SECTION_SETS].len ? base + h->sections[SECTION_SETS].off : NULL;
    v->signatures = h->sections[SECTION_SIGNATURES].len ? base + h->sections[SECTION_SIGNATURES].off : NULL;
}

int
image_view_open(const void *image, size_t len, struct image_view *v, char *err, size_t err_size)
{
    struct checker c = { .base = image, .len = len, .err = err, .err_size = err_size };
    if (!check_header(&c) || !check_sections(&c) || !check_strings(&c) || !check_rules(&c) ||
        !check_order(&c) || !check_targets(&c) || !check_evals(&c) || !check_tables(&c))
        return -1;
    v->rules_cnt = (uint32_t)c.counts[SECTION_RULES];
    v->order_cnt = (uint32_t)c.counts[SECTION_ORDER];
    v->targets_cnt = (uint32_t)c.counts[SECTION_TARGETS];
    v->groups_cnt = (uint32_t)c.counts[SECTION_GROUPS];
    v->evals_cnt = (uint32_t)c.counts[SECTION_EVALS];
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
