/* The building half of image.h (image_order.c: in which order its rules are evaluated); image_verify.c is the
 * other. Set-up code: it allocates as it likes and stops without memory. */
#include "scan/image_private.h"

#include <hs/hs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan/expr.h"
#include "scan/limits.h"
#include "scan/ruleset_private.h"

enum { SCORE_DEFAULT_MILLI = 1000, SCORE_TEST_MILLI = 10 };

/* Patterns that share a database. */
struct unit {
    enum target target;
    enum header_part part;
    const char *header; /* NULL unless TARGET_HEADER */
    uint32_t *rules;    /* indices into list->rules: RULE_HEADER, RULE_EXISTS, ... of this unit */
    uint32_t rules_cnt;
};

void *
image_must(void *p)
{
    if (!p)
        abort();
    return p;
}

/* Appends zeroed octets, returns where they begin. */
static size_t
extend(struct buffer *b, size_t len)
{
    if (b->len + len > b->max) {
        b->max = (b->len + len) * 2;
        b->octets = image_must(realloc(b->octets, b->max));
    }
    if (len)
        memset(b->octets + b->len, 0, len);
    b->len += len;
    return b->len - len;
}

static size_t
append(struct buffer *b, const void *octets, size_t len)
{
    size_t at = extend(b, len);
    if (len)
        memcpy(b->octets + at, octets, len);
    return at;
}

void
image_append_u32(struct buffer *b, uint32_t value)
{
    append(b, &value, sizeof(value));
}

static uint32_t
add_string(struct builder *b, const char *text)
{
    if (!text || !*text)
        return 0;
    return (uint32_t)append(&b->sections[SECTION_STRINGS], text, strlen(text) + 1);
}

static int32_t
rule_score(const struct rule *r)
{
    if (rule_is_sub(r))
        return 0;
    if (r->has_score)
        return r->score_milli;
    return !strncmp(r->name, "T_", 2) ? SCORE_TEST_MILLI : SCORE_DEFAULT_MILLI;
}

/* As in SpamAssassin, a score of 0 switches a rule off; a meta then sees 0. */
static bool
is_live(const struct rule *r)
{
    return r->kind > RULE_OFF && (rule_is_sub(r) || rule_score(r) != 0);
}

static bool
has_inner(const struct rule *r)
{
    return r->kind == RULE_HEADER && r->is_negated && is_live(r);
}

/* Indices: rules in the order in which their names first appear, then the inner rules. */
static bool
number_rules(struct builder *b)
{
    struct rule_list *l = b->list;
    b->ids = image_must(calloc(l->rules_cnt + 1, sizeof(*b->ids)));
    b->matchers = image_must(calloc(l->rules_cnt + 1, sizeof(*b->matchers)));
    for (uint32_t i = 0; i < l->rules_cnt; i++) {
        const struct rule *r = &l->rules[i];
        b->ids[i] = r->kind == RULE_NONE ? NO_ID : b->rules_cnt++;
        b->matchers[i] = b->ids[i];
    }
    for (uint32_t i = 0; i < l->rules_cnt; i++) {
        if (has_inner(&l->rules[i]))
            b->matchers[i] = b->rules_cnt++;
        if (b->rules_cnt > RULE_MAX) {
            rule_list_say(l, RULE_ERROR, &l->rules[i].place, 0, "more than %d rules, inner ones included",
                          RULE_MAX);
            return false;
        }
    }
    return true;
}

/* Units */

static bool
unit_of(const struct rule *r, struct unit *u)
{
    *u = (struct unit){ .target = TARGET_HEADER };
    switch (r->kind) {
    case RULE_HEADER:
    case RULE_EXISTS:
        u->header = r->header;
        u->part = r->part;
        return true;
    case RULE_BODY:
        u->target = TARGET_BODY;
        return true;
    case RULE_RAWBODY:
        u->target = TARGET_RAWBODY;
        return true;
    case RULE_FULL:
        u->target = TARGET_FULL;
        return true;
    case RULE_ATTACHMENT:
        u->target = TARGET_ATTACHMENT;
        return true;
    case RULE_NONE:
    case RULE_OFF:
    case RULE_URI:
    case RULE_MIMEHEADER:
    case RULE_EVAL:
    case RULE_META:
        break;
    }
    return false;
}

static struct unit *
find_unit(struct builder *b, const struct unit *like)
{
    for (uint32_t i = 0; i < b->units_cnt; i++) {
        struct unit *u = &b->units[i];
        if (u->target == like->target && u->part == like->part &&
            (!u->header || !strcmp(u->header, like->header)))
            return u;
    }
    b->units = image_must(reallocarray(b->units, b->units_cnt + 1, sizeof(*b->units)));
    b->units[b->units_cnt] = *like;
    return &b->units[b->units_cnt++];
}

static void
group_units(struct builder *b)
{
    for (uint32_t i = 0; i < b->list->rules_cnt; i++) {
        struct unit like;
        if (!is_live(&b->list->rules[i]) || !unit_of(&b->list->rules[i], &like))
            continue;
        struct unit *u = find_unit(b, &like);
        u->rules = image_must(reallocarray(u->rules, u->rules_cnt + 1, sizeof(*u->rules)));
        u->rules[u->rules_cnt++] = i;
    }
}

/* Hyperscan */

struct patterns {
    const struct rule **rules;
    char **texts;
    unsigned *flags;
    unsigned *ids;
    unsigned cnt;
};

/* Before a pattern with /x: Hyperscan has no flag for it. A newline after, to end a comment. */
#define EXTENDED "(?x)"

static void
patterns_init(struct patterns *p, const struct builder *b, const struct unit *u)
{
    *p = (struct patterns){ 0 };
    p->rules = image_must(calloc(u->rules_cnt, sizeof(*p->rules)));
    p->texts = image_must(calloc(u->rules_cnt, sizeof(*p->texts)));
    p->flags = image_must(calloc(u->rules_cnt, sizeof(*p->flags)));
    p->ids = image_must(calloc(u->rules_cnt, sizeof(*p->ids)));
    for (uint32_t i = 0; i < u->rules_cnt; i++) {
        const struct rule *r = &b->list->rules[u->rules[i]];
        if (r->kind == RULE_EXISTS)
            continue;
        if (asprintf(&p->texts[p->cnt], "%s%s%s", r->is_extended ? EXTENDED : "", r->text,
                     r->is_extended ? "\n" : "") < 0)
            abort();
        p->rules[p->cnt] = r;
        /* ALLOWEMPTY: what matches '' is a rule like any other in SpamAssassin. No UTF8: it matches octets. */
        p->flags[p->cnt] = r->flags | HS_FLAG_SINGLEMATCH | HS_FLAG_ALLOWEMPTY;
        p->ids[p->cnt++] = b->matchers[u->rules[i]];
    }
}

static void
patterns_fini(struct patterns *p)
{
    for (unsigned i = 0; i < p->cnt; i++)
        free(p->texts[i]);
    free(p->rules);
    free(p->texts);
    free(p->flags);
    free(p->ids);
}

/* Says what Hyperscan says, at the octet of the pattern that its message names ("... at index 5."). */
static void
say_compile_error(struct builder *b, const struct rule *r, const char *message)
{
    size_t off = 0;
    const char *index = strstr(message, "at index ");
    if (index)
        off = strtoul(index + strlen("at index "), NULL, 10);
    size_t prefix = r->is_extended ? strlen(EXTENDED) : 0;
    off = off > prefix ? off - prefix : 0;
    int message_len = (int)strlen(message);
    if (message_len > 0 && message[message_len - 1] == '.')
        message_len--;
    struct rule_place place = r->place;
    rule_list_say(b->list, RULE_ERROR, &place, rule_column(r, off), "%s: %.*s", r->name, message_len,
                  message);
}

/* Compiles each pattern alone: every wrong one is to be named, and Hyperscan stops at the first. */
static void
say_compile_errors(struct builder *b, const struct patterns *p, unsigned mode, const char *message)
{
    unsigned errors = b->list->errors;
    for (unsigned i = 0; i < p->cnt; i++) {
        hs_database_t *database;
        hs_compile_error_t *error;
        if (hs_compile(p->texts[i], p->flags[i], mode, NULL, &database, &error) == HS_SUCCESS) {
            hs_free_database(database);
            continue;
        }
        say_compile_error(b, p->rules[i], error->message);
        hs_free_compile_error(error);
    }
    if (b->list->errors == errors)
        rule_list_say(b->list, RULE_ERROR, &p->rules[0]->place, 0,
                      "%s and %u other rules together: %s", p->rules[0]->name, p->cnt - 1, message);
}

static hs_database_t *
compile(struct builder *b, const struct unit *u, const struct patterns *p)
{
    bool is_stream = u->target == TARGET_FULL || u->target == TARGET_ATTACHMENT;
    unsigned mode = is_stream ? HS_MODE_STREAM : HS_MODE_BLOCK;
    hs_database_t *database;
    hs_compile_error_t *error;
    if (hs_compile_multi((const char *const *)p->texts, p->flags, p->ids, p->cnt, mode, NULL, &database,
                         &error) == HS_SUCCESS)
        return database;
    say_compile_errors(b, p, mode, error->message);
    hs_free_compile_error(error);
    return NULL;
}

static void
store_database(struct builder *b, const hs_database_t *database, struct image_target *t)
{
    char *octets;
    size_t len;
    char *info;
    if (hs_serialize_database(database, &octets, &len) != HS_SUCCESS ||
        hs_database_info(database, &info) != HS_SUCCESS)
        abort();
    struct buffer *databases = &b->sections[SECTION_DATABASES];
    extend(databases, -databases->len % IMAGE_ALIGN);
    t->database_off = append(databases, octets, len); /* of the section; write_image makes it the file's */
    t->database_len = len;
    /* The mode differs from database to database; version and processor features do not. */
    snprintf(b->platform, sizeof(b->platform), "%.*s", (int)strcspn(info, "\n"), info);
    char *mode = strstr(b->platform, " Mode:");
    if (mode)
        memset(mode, 0, strlen(mode));
    free(octets);
    free(info);
}

/* What a header rule says about a message without the header: its pattern is tried on [if-unset: X], else
 * on '' (in SpamAssassin an undefined value, which Perl matches as ''). */
static void
list_absent(struct builder *b, const struct unit *u, const hs_database_t *database,
            struct image_target *t)
{
    struct hits h = { .bits_cnt = b->rules_cnt };
    size_t words = b->rules_cnt / 64 + 1;
    h.bits = image_must(calloc(words, sizeof(*h.bits)));
    hs_scratch_t *scratch = NULL;
    if (hs_alloc_scratch(database, &scratch) != HS_SUCCESS)
        abort();
    t->absent_off = (uint32_t)(b->sections[SECTION_LISTS].len / sizeof(uint32_t));
    for (uint32_t i = 0; i < u->rules_cnt; i++) {
        const struct rule *r = &b->list->rules[u->rules[i]];
        if (r->kind != RULE_HEADER)
            continue;
        const char *value = r->unset ? r->unset : "";
        memset(h.bits, 0, words * sizeof(*h.bits));
        if (!match_database(database, scratch, (const uint8_t *)value, strlen(value), &h))
            abort();
        if (!hits_get(&h, b->matchers[u->rules[i]]))
            continue;
        image_append_u32(&b->sections[SECTION_LISTS], b->matchers[u->rules[i]]);
        t->absent_cnt++;
    }
    hs_free_scratch(scratch);
    free(h.bits);
}

static void
list_present(struct builder *b, const struct unit *u, struct image_target *t)
{
    t->present_off = (uint32_t)(b->sections[SECTION_LISTS].len / sizeof(uint32_t));
    for (uint32_t i = 0; i < u->rules_cnt; i++) {
        if (b->list->rules[u->rules[i]].kind != RULE_EXISTS)
            continue;
        image_append_u32(&b->sections[SECTION_LISTS], b->ids[u->rules[i]]);
        t->present_cnt++;
    }
}

static void
build_unit(struct builder *b, const struct unit *u)
{
    struct image_target t = {
        .target = u->target,
        .part = u->part,
        .name_off = add_string(b, u->header),
    };
    list_present(b, u, &t);
    struct patterns p;
    patterns_init(&p, b, u);
    hs_database_t *database = p.cnt ? compile(b, u, &p) : NULL;
    if (database) {
        store_database(b, database, &t);
        if (u->target == TARGET_HEADER)
            list_absent(b, u, database, &t);
        hs_free_database(database);
    }
    patterns_fini(&p);
    append(&b->sections[SECTION_TARGETS], &t, sizeof(t));
}

/* Rules and their code */

/* Puts the image's indices into the code of meta `r`. A name that no rule has counts 0. */
static void
resolve(struct builder *b, const struct rule *r, uint32_t *code, size_t code_cnt)
{
    for (size_t i = 0; i < code_cnt; i++) {
        if (expr_op(code[i]) != EXPR_RULE)
            continue;
        size_t off = expr_operand(code[i]);
        size_t len = expr_name_len(r->text + off, r->text_len - off);
        const struct rule *named = rule_list_find(b->list, r->text + off, len);
        uint32_t id = named ? b->ids[named - b->list->rules] : NO_ID;
        code[i] = id == NO_ID ? expr_code(EXPR_CONST, 0) : expr_code(EXPR_RULE, id);
    }
}

static void
add_code(struct builder *b, const struct rule *r, uint32_t inner, struct image_rule *out)
{
    uint32_t code[EXPR_CODE_MAX];
    size_t cnt = 0;
    struct expr_error error;
    if (r->kind == RULE_META) {
        cnt = expr_parse(r->text, r->text_len, code, EXPR_CODE_MAX, &error);
        resolve(b, r, code, cnt);
    } else if (has_inner(r)) {
        code[cnt++] = expr_code(EXPR_RULE, inner);
        code[cnt++] = expr_code(EXPR_NOT, 0);
    }
    if (cnt == 0)
        return;
    out->code_off = (uint32_t)(b->sections[SECTION_CODE].len / sizeof(*code));
    out->code_cnt = (uint32_t)cnt;
    append(&b->sections[SECTION_CODE], code, cnt * sizeof(*code));
}

static void
build_rules(struct builder *b)
{
    struct rule_list *l = b->list;
    struct buffer *rules = &b->sections[SECTION_RULES];
    extend(rules, b->rules_cnt * sizeof(struct image_rule));
    for (uint32_t i = 0; i < l->rules_cnt; i++) {
        const struct rule *r = &l->rules[i];
        if (b->ids[i] == NO_ID)
            continue;
        struct image_rule out = {
            .name_off = add_string(b, r->name),
            .describe_off = add_string(b, r->describe),
            .score_milli = rule_score(r),
            .flags = rule_is_sub(r) ? 0 : IMAGE_RULE_REPORTED,
        };
        if (is_live(r))
            add_code(b, r, b->matchers[i], &out);
        memcpy(rules->octets + b->ids[i] * sizeof(out), &out, sizeof(out));
        if (!has_inner(r))
            continue;
        struct image_rule inner = { .name_off = out.name_off, .describe_off = out.describe_off };
        memcpy(rules->octets + b->matchers[i] * sizeof(inner), &inner, sizeof(inner));
    }
}

/* The file */

static void
write_image(struct builder *b, void **image, size_t *len)
{
    struct image_header h = { .version = IMAGE_VERSION };
    memcpy(h.magic, IMAGE_MAGIC, sizeof(h.magic));
    image_hyperscan_version(h.hyperscan, sizeof(h.hyperscan));
    memcpy(h.platform, b->platform, sizeof(h.platform));
    size_t at = sizeof(h);
    for (unsigned i = 0; i < SECTION_CNT; i++) {
        at += -at % IMAGE_ALIGN;
        h.sections[i] = (struct image_section){ at, b->sections[i].len };
        at += b->sections[i].len;
    }
    h.len = at;
    struct image_target *targets = (void *)b->sections[SECTION_TARGETS].octets;
    for (uint32_t i = 0; i < b->units_cnt; i++) {
        if (targets[i].database_len)
            targets[i].database_off += h.sections[SECTION_DATABASES].off;
    }
    uint8_t *file = image_must(calloc(1, at));
    memcpy(file, &h, sizeof(h));
    for (unsigned i = 0; i < SECTION_CNT; i++) {
        if (b->sections[i].len)
            memcpy(file + h.sections[i].off, b->sections[i].octets, b->sections[i].len);
    }
    if (!image_sha256(file + IMAGE_HASHED_FROM, at - IMAGE_HASHED_FROM,
                      file + offsetof(struct image_header, sha256)))
        abort();
    *image = file;
    *len = at;
}

static void
builder_fini(struct builder *b)
{
    for (uint32_t i = 0; i < b->units_cnt; i++)
        free(b->units[i].rules);
    for (unsigned i = 0; i < SECTION_CNT; i++)
        free(b->sections[i].octets);
    free(b->units);
    free(b->ids);
    free(b->matchers);
}

int
image_build(struct rule_list *list, void **image, size_t *len)
{
    rule_list_finish(list);
    if (rule_list_errors(list))
        return -1;
    struct builder b = { .list = list };
    append(&b.sections[SECTION_STRINGS], "", 1);
    if (number_rules(&b)) {
        build_rules(&b);
        image_order(&b);
        group_units(&b);
        for (uint32_t i = 0; i < b.units_cnt; i++)
            build_unit(&b, &b.units[i]);
    }
    bool is_good = rule_list_errors(list) == 0;
    if (is_good)
        write_image(&b, image, len);
    builder_fini(&b);
    return is_good ? 0 : -1;
}
