#include "control/preflight_judge.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scan/image.h"
#include "scan/message.h"
#include "scan/ruleset.h"

enum {
    /* Items that a child takes at a time: few enough that all end together. */
    CHUNK = 32,
    NAMES_MAX = RULE_MAX + 1,
    IMAGE_MAX = 1 << 30
};

/* What the children of one judging share, beside the cells. */
struct board {
    uint32_t next; /* the first item that nobody has taken; atomic */
    uint32_t done; /* atomic */
    uint32_t names_cnt;
};

struct judging {
    const struct preflight_judging *g;
    struct preflight_verdicts *v;
    struct board *board;
};

bool
preflight_covers(const char *suffix, const char *name)
{
    size_t s = strlen(suffix), n = strlen(name);
    return s && n >= s && !strcmp(name + n - s, suffix) && (n == s || name[n - s - 1] == '.');
}

/* ---- cells ---- */

bool
preflight_verdicts_init(struct preflight_verdicts *v, uint32_t cnt)
{
    *v = (struct preflight_verdicts){.cnt = cnt};
    if (cnt > PREFLIGHT_ITEMS_MAX)
        return false;
    v->cells = preflight_share((cnt + 1) * sizeof(*v->cells));
    v->names = preflight_share(NAMES_MAX * sizeof(*v->names));
    return v->cells && v->names;
}

void
preflight_verdicts_fini(struct preflight_verdicts *v)
{
    preflight_unshare(v->cells, (v->cnt + 1) * sizeof(*v->cells));
    preflight_unshare(v->names, NAMES_MAX * sizeof(*v->names));
    *v = (struct preflight_verdicts){0};
}

bool
preflight_rejects(const struct preflight_cell *c)
{
    return c->flags & PREFLIGHT_JUDGED && c->verdict < VERDICT_CNT && !verdict_forwards((enum verdict)c->verdict);
}

const char *
preflight_rule_name(const struct preflight_verdicts *v, uint32_t rule)
{
    return rule < v->names_cnt && *v->names[rule] ? v->names[rule] : "?";
}

/* ---- in a child: loading ---- */

static void *
map_image(const char *path, size_t *len, char *why, size_t size)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    void *p = MAP_FAILED;
    if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode))
        snprintf(why, size, "the image cannot be opened");
    else if (st.st_size < 1 || st.st_size > IMAGE_MAX)
        snprintf(why, size, "the image has %lld octets", (long long)st.st_size);
    else if ((p = mmap(NULL, *len = (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0)) == MAP_FAILED)
        snprintf(why, size, "no memory for the image");
    if (fd >= 0)
        close(fd);
    return p == MAP_FAILED ? NULL : p;
}

struct ruleset *
preflight_load(const char *path, char *why, size_t size)
{
    size_t len;
    struct ruleset *rs = NULL;
    void *image = map_image(path, &len, why, size);
    if (!image)
        return NULL;
    if (image_verify(image, len, why, size) == 0)
        rs = ruleset_load(image, len, 1, 1, why, size);
    munmap(image, len);
    return rs;
}

/* ---- in a child: judging ---- */

struct judge {
    const struct preflight_judging *g;
    struct ruleset *rs;
    struct scanner sc;
    struct preflight_item item;
    bool *is_meant; /* by rule: it declares an intent */
};

static bool
declares(const struct judge *j, uint32_t rule, const char *suffix)
{
    const char *name = ruleset_rule_name(j->rs, rule);
    for (uint32_t i = 0; i < j->g->intents->cnt; i++) {
        const struct preflight_intent *intent = &j->g->intents->list[i];
        if (!strcmp(intent->rule, name) && preflight_covers(intent->suffix, suffix))
            return true;
    }
    return false;
}

static void
place(struct preflight_cell *c, const struct ruleset *rs, uint16_t rule)
{
    int32_t score = ruleset_rule_score_milli(rs, rule);
    unsigned at = c->rules_cnt;
    while (at && ruleset_rule_score_milli(rs, c->rules[at - 1]) < score)
        at--;
    if (at == PREFLIGHT_RULES_MAX)
        return;
    if (c->rules_cnt < PREFLIGHT_RULES_MAX)
        c->rules_cnt++;
    memmove(&c->rules[at + 1], &c->rules[at], (size_t)(c->rules_cnt - 1u - at) * sizeof(*c->rules));
    c->rules[at] = rule;
}

static int32_t
least_threshold(const struct thresholds *t)
{
    int32_t least = t->defer_milli < t->refuse_milli ? t->defer_milli : t->refuse_milli;
    return t->drop_milli < least ? t->drop_milli : least;
}

/* Rules without any one of which the mail would pass, when there are such: who else hit is no culprit. */
static void
keep_decisive(const struct judge *j, struct preflight_cell *c)
{
    int64_t needed = (int64_t)c->score_milli - least_threshold(&j->g->thresholds);
    unsigned kept = 0;
    while (c->cause == EVENT_NONE && kept < c->rules_cnt && ruleset_rule_score_milli(j->rs, c->rules[kept]) > needed)
        kept++; /* they stand in the order of their scores */
    if (kept)
        c->rules_cnt = (uint8_t)kept;
}

/* Of a mail that is not let through: which rules, and whether they were meant. */
static void
explain_reject(const struct judge *j, const struct message *m, struct preflight_cell *c)
{
    int64_t without = c->score_milli;
    bool is_declared = false;
    for (uint32_t r = message_next_hit(m, 0); r < ruleset_rule_cnt(j->rs); r = message_next_hit(m, r + 1)) {
        int32_t score = ruleset_rule_score_milli(j->rs, r);
        if (!ruleset_rule_is_reported(j->rs, r) || score <= 0)
            continue;
        place(c, j->rs, (uint16_t)r);
        if (j->is_meant && j->is_meant[r] && j->item.suffix && declares(j, r, j->item.suffix)) {
            without -= score;
            is_declared = true;
        }
    }
    if (is_declared && c->cause == EVENT_NONE && without < least_threshold(&j->g->thresholds))
        c->flags |= PREFLIGHT_DECLARED;
    keep_decisive(j, c);
}

static bool
judge_item(struct judge *j, uint32_t idx, struct preflight_cell *cell)
{
    struct preflight_item *it = &j->item;
    it->has_envelope = false;
    it->suffix = NULL;
    j->g->make(j->g->owner, idx, it);
    struct message *m = message_new(&j->sc);
    if (!m)
        return false;
    if (it->has_envelope) {
        message_client(m, it->ip, it->helo);
        message_mail(m, it->mail_from);
        message_rcpt(m, it->rcpt);
    }
    message_feed(m, it->octets.ptr, it->octets.len);
    const struct judgement *v = message_end(m);
    struct preflight_cell c = {
        PREFLIGHT_JUDGED, (uint8_t)v->verdict, (uint8_t)v->cause, 0, v->score_milli, {0}};
    if (!verdict_forwards(v->verdict))
        explain_reject(j, m, &c);
    message_free(m);
    *cell = c;
    return true;
}

static bool
find_meant(struct judge *j)
{
    uint32_t rules = ruleset_rule_cnt(j->rs);
    if (!j->g->intents || !j->g->intents->cnt)
        return true;
    j->is_meant = calloc(rules, sizeof(*j->is_meant));
    for (uint32_t r = 0; j->is_meant && r < rules; r++) {
        for (uint32_t i = 0; i < j->g->intents->cnt && !j->is_meant[r]; i++)
            j->is_meant[r] = !strcmp(j->g->intents->list[i].rule, ruleset_rule_name(j->rs, r));
    }
    return j->is_meant != NULL;
}

static void
tell_names(const struct judging *x, const struct ruleset *rs)
{
    uint32_t cnt = ruleset_rule_cnt(rs);
    x->board->names_cnt = cnt < NAMES_MAX ? cnt : NAMES_MAX;
    for (uint32_t r = 0; r < x->board->names_cnt; r++)
        snprintf(x->v->names[r], PREFLIGHT_NAME_MAX, "%s", ruleset_rule_name(rs, r));
}

static bool
work(unsigned idx, struct preflight_pulse *pulse, void *owner)
{
    const struct judging *x = owner;
    const struct preflight_judging *g = x->g;
    static struct judge j;
    j.g = g;
    j.rs = preflight_load(g->image, pulse->why, sizeof(pulse->why));
    if (!j.rs)
        return false;
    if (scanner_init(&j.sc, 0, 1) || !find_meant(&j)) {
        snprintf(pulse->why, sizeof(pulse->why), "no memory");
        return false;
    }
    j.sc.live = j.rs;
    j.sc.thresholds = g->thresholds;
    if (idx == 0)
        tell_names(x, j.rs);
    for (;;) {
        uint32_t at = __atomic_fetch_add(&x->board->next, CHUNK, __ATOMIC_RELAXED);
        for (uint32_t end = at + CHUNK; at < end; at++) {
            if (at >= g->cnt)
                return true;
            preflight_beat(pulse, g->first + at);
            if (!judge_item(&j, g->first + at, &x->v->cells[g->first + at])) {
                snprintf(pulse->why, sizeof(pulse->why), "no memory for a message");
                return false;
            }
            __atomic_fetch_add(&x->board->done, 1, __ATOMIC_RELAXED);
        }
    }
}

/* ---- in the parent ---- */

static void
name_item(void *owner, uint32_t at, char *name, size_t size)
{
    const struct judging *x = owner;
    if (x->g->name_item && at >= x->g->first && at - x->g->first < x->g->cnt)
        x->g->name_item(x->g->owner, at, name, size);
}

static void
progress(void *owner)
{
    const struct judging *x = owner;
    if (x->g->progress)
        x->g->progress(x->g->owner, __atomic_load_n(&x->board->done, __ATOMIC_RELAXED));
}

/* Children may have written anything. */
static int
check(const struct judging *x, char *why, size_t size)
{
    for (uint32_t i = x->g->first; i < x->g->first + x->g->cnt; i++) {
        struct preflight_cell *c = &x->v->cells[i];
        if (!(c->flags & PREFLIGHT_JUDGED) || c->verdict >= VERDICT_CNT || c->cause >= EVENT_CNT)
            return snprintf(why, size, "not every mail was judged"), -1;
        if (c->rules_cnt > PREFLIGHT_RULES_MAX)
            c->rules_cnt = PREFLIGHT_RULES_MAX;
    }
    x->v->names_cnt = x->board->names_cnt < NAMES_MAX ? x->board->names_cnt : 0;
    for (uint32_t r = 0; r < x->v->names_cnt; r++) {
        x->v->names[r][PREFLIGHT_NAME_MAX - 1] = 0;
        preflight_clean(x->v->names[r]);
    }
    return 0;
}

int
preflight_judge(const struct preflight_judging *g, struct preflight_verdicts *v, char *why, size_t size)
{
    struct judging x = {g, v, preflight_share(sizeof(struct board))};
    struct preflight_children c = {.cnt = g->jobs,
                                   .memory_max = g->memory_max,
                                   .total_ms = g->total_ms,
                                   .run = work,
                                   .owner = &x,
                                   .name_item = name_item,
                                   .progress = progress};
    int result = -1;
    if (!x.board || g->first > v->cnt || g->cnt > v->cnt - g->first)
        snprintf(why, size, "no memory");
    else if (preflight_children_run(&c, why, size) == 0)
        result = check(&x, why, size);
    preflight_unshare(x.board, sizeof(*x.board));
    return result;
}
