/* image_group: candidates become databases.
 *
 * The cost of a database grows faster than the number of its patterns, and most of it comes from the large ones
 * (MAIL.md's measurements; ours: five groups of like size scan as fast as one, compile in an eighth of the time).
 * So patterns are grouped by the size that each had alone, and the larger they are the fewer share a group. Which
 * of the groups of a size is decided by a hash of the rule's name: to add a rule changes one group, and the others
 * come out of the cache. */
#include <hs/hs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan/image_private.h"

/* Patterns of at most `size` octets alone: `share` of them to a group. */
static const struct size_class {
    uint32_t size;
    uint32_t share;
} size_classes[] = {
    { 10 << 10, 1000 }, { 40 << 10, 120 }, { 160 << 10, 32 }, { 640 << 10, 10 }, { UINT32_MAX, 3 },
};

enum { SIZE_CLASSES = sizeof(size_classes) / sizeof(*size_classes) };

/* A pattern on its way into a database. */
struct entry {
    const char *text;
    unsigned flags;
    uint32_t id; /* matcher, with IMAGE_ID_CONFIRM */
    enum image_units units;
    uint32_t size;
    uint32_t hash;
    struct hs_expr_ext *ext; /* NULL, or where a match must end */
};

struct entries {
    struct entry *list;
    uint32_t cnt, max;
};

/* A database to be. */
struct group {
    uint32_t unit;
    enum image_units units;
    struct entry **entries;
    uint32_t cnt;
};

struct groups {
    struct group *list;
    uint32_t cnt;
};

static uint32_t
name_hash(const char *name)
{
    uint32_t h = 2166136261u; /* FNV-1a */
    for (; *name; name++)
        h = (h ^ (uint8_t)*name) * 16777619u;
    return h ^ h >> 15;
}

static void
add_entry(struct entries *es, struct entry e)
{
    if (es->cnt == es->max) {
        es->max = es->max ? 2 * es->max : 64;
        es->list = image_must(reallocarray(es->list, es->max, sizeof(*es->list)));
    }
    es->list[es->cnt++] = e;
}

static void
add_plan(struct entries *es, const struct candidate *c, const struct search_plan *plan, enum image_units units,
         uint32_t hash)
{
    if (plan->how != SEARCH_PATTERN)
        return;
    const struct compile_solo *best = &plan->solo[plan->best];
    add_entry(es, (struct entry){ .text = best->text,
                                  .flags = plan->flags,
                                  .id = c->matcher | (plan->needs_confirm ? IMAGE_ID_CONFIRM : 0),
                                  .units = units,
                                  .size = best->size,
                                  .hash = hash });
}

/* A signature that says where its octets stand. */
static struct hs_expr_ext *
ext_of(const struct rule *r)
{
    if (!r->has_end)
        return NULL;
    struct hs_expr_ext *ext = image_must(calloc(1, sizeof(*ext)));
    ext->flags = HS_EXT_FLAG_MIN_OFFSET | HS_EXT_FLAG_MAX_OFFSET;
    ext->min_offset = r->end_min;
    ext->max_offset = r->end_max;
    return ext;
}

static void
unit_entries(struct builder *b, const struct unit *u, struct entries *es)
{
    for (uint32_t i = 0; i < u->candidates_cnt; i++) {
        const struct candidate *c = &b->candidates[u->candidates[i]];
        uint32_t hash = name_hash(b->list->rules[c->rule].name);
        if (c->has_clean && c->clean.how == SEARCH_ALWAYS)
            continue; /* then PCRE2 looks at every unit: such rules are few */
        add_plan(es, c, &c->all, c->has_clean ? UNITS_DIRTY : UNITS_ALL, hash);
        if (b->list->rules[c->rule].has_end)
            es->list[es->cnt - 1].ext = ext_of(&b->list->rules[c->rule]);
        if (c->has_clean)
            add_plan(es, c, &c->clean, UNITS_CLEAN, hash);
    }
}

static uint32_t
class_of(const struct entry *e)
{
    uint32_t class = 0;
    while (e->size > size_classes[class].size)
        class ++;
    return class;
}

static struct group *
new_group(struct groups *gs, uint32_t unit, enum image_units units)
{
    gs->list = image_must(reallocarray(gs->list, gs->cnt + 1, sizeof(*gs->list)));
    gs->list[gs->cnt] = (struct group){ .unit = unit, .units = units };
    return &gs->list[gs->cnt++];
}

static void
group_add(struct group *g, struct entry *e)
{
    if ((g->cnt & (g->cnt - 1)) == 0)
        g->entries = image_must(reallocarray(g->entries, g->cnt ? 2 * g->cnt : 1, sizeof(struct entry *)));
    g->entries[g->cnt++] = e;
}

/* The entries of one size and kind of units, by hash into as many groups as they need. */
static void
split_class(struct groups *gs, uint32_t unit, struct entries *es, enum image_units units, uint32_t class,
            bool is_stream)
{
    uint32_t cnt = 0, buckets = 1;
    for (uint32_t i = 0; i < es->cnt; i++)
        cnt += es->list[i].units == units && (is_stream || class_of(&es->list[i]) == class);
    while (!is_stream && buckets * size_classes[class].share < cnt)
        buckets *= 2;
    for (uint32_t bucket = 0; bucket < buckets; bucket++) {
        struct group *g = NULL;
        for (uint32_t i = 0; i < es->cnt; i++) {
            struct entry *e = &es->list[i];
            if (e->units != units || (!is_stream && class_of(e) != class) || e->hash % buckets != bucket)
                continue;
            if (!g)
                g = new_group(gs, unit, units);
            group_add(g, e);
        }
    }
}

static void
split_unit(struct groups *gs, uint32_t unit, struct entries *es, bool is_stream)
{
    for (unsigned units = UNITS_ALL; units <= UNITS_DIRTY; units++) {
        for (uint32_t class = 0; class < (is_stream ? 1 : SIZE_CLASSES); class ++)
            split_class(gs, unit, es, (enum image_units)units, class, is_stream);
    }
}

/* ---- compile and store ---- */

static void
fill_set(struct compile_set *set, const struct group *g, bool is_stream)
{
    const char **texts = image_must(calloc(g->cnt, sizeof(*texts)));
    unsigned *flags = image_must(calloc(g->cnt, sizeof(*flags)));
    const struct hs_expr_ext **exts = image_must(calloc(g->cnt, sizeof(*exts)));
    for (uint32_t i = 0; i < g->cnt; i++) {
        texts[i] = g->entries[i]->text;
        flags[i] = g->entries[i]->flags;
        exts[i] = g->entries[i]->ext;
    }
    *set = (struct compile_set){
        .texts = texts, .flags = flags, .exts = exts, .cnt = g->cnt, .is_stream = is_stream
    };
}

static bool
is_stream_unit(const struct builder *b, uint32_t unit)
{
    return b->units[unit].target == TARGET_FULL || b->units[unit].target == TARGET_ATTACHMENT;
}

/* A group that could not be compiled as a whole becomes two. False: it is one pattern. */
static bool
halve(struct groups *gs, uint32_t idx)
{
    if (gs->list[idx].cnt < 2)
        return false;
    struct group *upper = new_group(gs, gs->list[idx].unit, gs->list[idx].units);
    struct group *lower = &gs->list[idx];
    for (uint32_t i = lower->cnt / 2; i < lower->cnt; i++)
        group_add(upper, lower->entries[i]);
    lower->cnt /= 2;
    return true;
}

static void
say_failed(struct builder *b, const struct group *g, const char *error)
{
    uint32_t matcher = g->entries[0]->id & ~IMAGE_ID_CONFIRM;
    for (uint32_t i = 0; i < b->candidates_cnt; i++) {
        struct rule *r = &b->list->rules[b->candidates[i].rule];
        if (b->candidates[i].matcher != matcher)
            continue;
        struct rule_place place = r->place;
        rule_list_say(b->list, RULE_ERROR, &place, 0, "%s: compiled alone, but not into a database: %s", r->name,
                      error);
        return;
    }
}

/* Compiles all groups, halving those that fail, until all are compiled or one pattern stands accused. */
static struct compile_set *
compile_groups(struct builder *b, struct groups *gs)
{
    struct compile_set *sets = NULL;
    uint32_t done = 0;
    while (done < gs->cnt) {
        sets = image_must(reallocarray(sets, gs->cnt, sizeof(*sets)));
        for (uint32_t i = done; i < gs->cnt; i++)
            fill_set(&sets[i], &gs->list[i], is_stream_unit(b, gs->list[i].unit));
        compile_sets(sets + done, gs->cnt - done, &b->options->compile);
        uint32_t cnt = gs->cnt;
        for (uint32_t i = done; i < cnt; i++) {
            if (sets[i].octets)
                continue;
            if (is_stream_unit(b, gs->list[i].unit) || !halve(gs, i)) {
                say_failed(b, &gs->list[i], sets[i].error);
                continue;
            }
            struct group *again = new_group(gs, gs->list[i].unit, gs->list[i].units);
            for (uint32_t k = 0; k < gs->list[i].cnt; k++)
                group_add(again, gs->list[i].entries[k]);
            gs->list[i].cnt = 0;
        }
        done = cnt;
    }
    return sets;
}

static void
note_platform(struct builder *b, const struct compile_set *set)
{
    char *info = NULL;
    if (hs_serialized_database_info((const char *)set->octets, set->len, &info) != HS_SUCCESS)
        abort();
    /* The mode differs from database to database; version and processor features do not. */
    snprintf(b->platform, sizeof(b->platform), "%.*s", (int)strcspn(info, "\n"), info);
    char *mode = strstr(b->platform, " Mode:");
    if (mode)
        memset(mode, 0, strlen(mode));
    free(info);
}

static void
store_group(struct builder *b, const struct group *g, const struct compile_set *set)
{
    struct buffer *databases = &b->sections[SECTION_DATABASES];
    struct buffer *lists = &b->sections[SECTION_LISTS];
    struct image_group out = { .units = g->units,
                               .ids_off = (uint32_t)(lists->len / sizeof(uint32_t)),
                               .ids_cnt = g->cnt };
    static const uint8_t padding[IMAGE_ALIGN];
    for (uint32_t i = 0; i < g->cnt; i++)
        image_append_u32(lists, g->entries[i]->id);
    image_append(databases, padding, -databases->len % IMAGE_ALIGN);
    out.database_off = image_append(databases, set->octets, set->len); /* of the section; write_image moves it */
    out.database_len = set->len;
    image_append(&b->sections[SECTION_GROUPS], &out, sizeof(out));
    note_platform(b, set);
}

static void
store_always(struct builder *b, const struct unit *u, struct image_target *t)
{
    struct buffer *lists = &b->sections[SECTION_LISTS];
    t->always_off = (uint32_t)(lists->len / sizeof(uint32_t));
    for (uint32_t i = 0; i < u->candidates_cnt; i++) {
        const struct candidate *c = &b->candidates[u->candidates[i]];
        bool is_always = c->has_clean ? c->clean.how == SEARCH_ALWAYS : c->all.how == SEARCH_ALWAYS;
        if (!is_always && c->all.how != SEARCH_ALWAYS)
            continue;
        image_append_u32(lists, c->matcher | (is_always ? 0 : IMAGE_ID_DIRTY));
        t->always_cnt++;
    }
}

void
image_groups(struct builder *b)
{
    struct groups gs = { 0 };
    struct entries *es = image_must(calloc(b->units_cnt + 1, sizeof(*es)));
    for (uint32_t i = 0; i < b->units_cnt; i++) {
        unit_entries(b, &b->units[i], &es[i]);
        split_unit(&gs, i, &es[i], is_stream_unit(b, i));
    }
    struct compile_set *sets = compile_groups(b, &gs);
    struct image_target *targets = (void *)b->sections[SECTION_TARGETS].octets;
    for (uint32_t i = 0; i < b->units_cnt; i++) {
        store_always(b, &b->units[i], &targets[i]);
        targets[i].groups_off = (uint32_t)(b->sections[SECTION_GROUPS].len / sizeof(struct image_group));
        for (uint32_t k = 0; k < gs.cnt; k++) {
            if (gs.list[k].unit != i || !sets[k].octets)
                continue;
            store_group(b, &gs.list[k], &sets[k]);
            targets[i].groups_cnt++;
        }
    }
    for (uint32_t k = 0; k < gs.cnt; k++) {
        free(gs.list[k].entries);
        free(sets[k].octets);
        free((void *)sets[k].texts);
        free((void *)sets[k].flags);
        free((void *)sets[k].exts);
    }
    for (uint32_t i = 0; i < b->units_cnt; i++) {
        for (uint32_t k = 0; k < es[i].cnt; k++)
            free(es[i].list[k].ext);
        free(es[i].list);
    }
    free(es);
    free(sets);
    free(gs.list);
}
