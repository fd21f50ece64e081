/* Loading: an image is read and loaded by a helper, judged by the cores, published. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/log.h"
#include "dataplane/roles_private.h"

/* ---- the image ---- */

static struct image *
map_image(size_t len, char *err, size_t err_size)
{
    struct image *i = calloc(1, sizeof(*i));
    if (i) {
        i->len = len;
        i->refs = 1;
        i->octets = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    if (!i || i->octets == MAP_FAILED) {
        snprintf(err, err_size, "no memory for an image of %zu octets", len);
        free(i);
        return NULL;
    }
    return i;
}

/* Reads a regular file whole, into memory of our own: one that shrinks under a mapping would kill us. */
static struct image *
read_image(int fd, char *err, size_t err_size)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        snprintf(err, err_size, "the descriptor is not a regular file");
        return NULL;
    }
    if (st.st_size <= 0 || st.st_size > ROLES_IMAGE_MAX) {
        snprintf(err, err_size, "an image of %lld octets; 1 to %d are taken", (long long)st.st_size, ROLES_IMAGE_MAX);
        return NULL;
    }
    struct image *i = map_image((size_t)st.st_size, err, err_size);
    for (size_t at = 0; i && at < i->len;) {
        ssize_t n = pread(fd, (uint8_t *)i->octets + at, i->len - at, (off_t)at);
        if (n > 0) {
            at += (size_t)n;
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        snprintf(err, err_size, "the image cannot be read: %s", n ? strerror(errno) : "it became shorter");
        image_drop(i);
        return NULL;
    }
    return i;
}

/* Takes the image over. */
static int
load_image(const struct roles *r, struct image *i, uint32_t generation, struct set *set, char *err, size_t err_size)
{
    set->rs = ruleset_load(i->octets, i->len, generation, r->threads_cnt, err, err_size);
    if (!set->rs) {
        image_drop(i);
        return -1;
    }
    set->id = persist_image_of(generation, ruleset_digest(set->rs));
    if (r->persist)
        set->image = i;
    else
        image_drop(i);
    return 0;
}

int
roles_open_image(const char *path, char *err, size_t err_size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        snprintf(err, err_size, "%s", strerror(errno));
    return fd;
}

int
roles_load_fd(struct roles *r, int fd, uint32_t generation, struct set *set, char *err, size_t err_size)
{
    struct image *i = read_image(fd, err, err_size);
    return i ? load_image(r, i, generation, set, err, err_size) : -1;
}

/* The last one stays the last: 0 is nobody's. */
uint32_t
roles_next_generation(const struct roles *r)
{
    return r->last_generation < UINT32_MAX ? r->last_generation + 1 : UINT32_MAX;
}

/* ---- LOAD ---- */

/* The helper's; the order is nobody else's meanwhile. */
static void
load_work(void *arg)
{
    struct roles *r = arg;
    struct order *o = r->loading;
    roles_load_fd(r, o->fd, o->load.generation, &o->set, o->why, sizeof(o->why));
}

static bool
is_candidate(const struct order *o)
{
    return o->type == LINK_LOAD && (o->load.flags & LINK_LOAD_STAGE);
}

static void
refuse(struct roles *r, struct order *o, const char *why)
{
    char text[LINK_TEXT_MAX];
    snprintf(text, sizeof(text), "%s", why);
    if (r->loading == o) {
        r->loading = NULL;
        roles_disk_changed(r); /* a candidate that does not become one is not kept */
    }
    if (o->type == ORDER_PREVIOUS)
        LOG_AT(WARNING, "what was previous is not loaded: %s\n", text);
    else
        LOG_AT(WARNING, "link: an image was refused: %s\n", text);
    /* A core may be at a golden mail with it. There is room: LOAD(stage) begins only when there is. */
    if (o->set.rs && swap_retire(r->swap, o->set.rs) != 0)
        LOG_AT(ERR, "generation %u stays in memory: no core has reported for long\n", o->set.id.generation);
    o->set.rs = NULL;
    roles_done(o, false, "%s", text);
}

/* Why it may not even be loaded; NULL: it may. */
static const char *
check_load(const struct roles *r, const struct order *o)
{
    static char text[LINK_TEXT_MAX];
    uint32_t candidate = r->now.candidate.rs ? r->now.candidate.id.generation : 0;
    if (o->type == ORDER_PREVIOUS)
        return r->now.previous.rs || candidate ? "another came first" : NULL;
    if (o->load.flags & ~(uint32_t)LINK_LOAD_STAGE)
        return "LOAD with flags that are not known";
    if (candidate) {
        snprintf(text, sizeof(text), "generation %u is the candidate already: drop it first", candidate);
        return text;
    }
    if (swap_has(r->swap, o->load.generation)) {
        snprintf(text, sizeof(text), "generation %u is in memory already", o->load.generation);
        return text;
    }
    if (is_candidate(o) && swap_reap(r->swap) >= SWAP_RESIDENT_MAX) {
        snprintf(text, sizeof(text), "%d rule sets are still in use by messages in transit", SWAP_RESIDENT_MAX);
        return text;
    }
    return NULL;
}

static void
loaded(struct roles *r, struct order *o)
{
    uint32_t wait_ms = o->load.wait_ms < ROLES_WAIT_MAX_MS ? o->load.wait_ms : ROLES_WAIT_MAX_MS;
    if (!o->set.rs) {
        refuse(r, o, o->why);
        return;
    }
    if (o->type == ORDER_PREVIOUS && !persist_image_equal(&o->set.id, &o->previous)) {
        refuse(r, o, "it is another image than its name says");
        return;
    }
    if (o->load.generation > r->last_generation)
        r->last_generation = o->load.generation;
    o->deadline_ms = r->now_ms + wait_ms;
    o->state = ORDER_PLACE;
    if (!is_candidate(o))
        return;
    o->state = ORDER_NOTING;
    roles_disk_changed(r);
    o->disk_version = r->disk_version;
}

void
roles_step_load(struct roles *r, struct order *o)
{
    if (o->state == ORDER_LOADING) {
        if (errand_is_done(r->loader))
            loaded(r, o);
        return;
    }
    if (r->loading || !errand_is_idle(r->loader))
        return;
    if (o->load.generation == 0)
        o->load.generation = roles_next_generation(r);
    const char *why = check_load(r, o);
    if (why) {
        refuse(r, o, why);
        return;
    }
    r->loading = o;
    o->state = ORDER_LOADING;
    errand_start(r->loader, load_work, r);
}

/* ---- the golden set ---- */

void
roles_step_golden(struct roles *r, struct order *o)
{
    unsigned core = 0;
    char text[LINK_TEXT_MAX];
    if (o->state == ORDER_NOTING) {
        if (!roles_disk_is_done(r, o))
            return; /* it is noted down who came before the cores touch it: should they crash, it was that */
        o->state = r->golden ? ORDER_GOLDEN : ORDER_PLACE;
        if (r->golden)
            golden_run_begin(r->golden, o->set.rs, r->now_ms);
        return;
    }
    switch (golden_run_state(r->golden, r->now_ms, o->set.golden, &core)) {
    case GOLDEN_RUN_RUNNING:
        return;
    case GOLDEN_RUN_EQUAL:
        golden_run_end(r->golden);
        o->state = ORDER_PLACE;
        o->deadline_ms = r->now_ms + (o->load.wait_ms < ROLES_WAIT_MAX_MS ? o->load.wait_ms : ROLES_WAIT_MAX_MS);
        return;
    case GOLDEN_RUN_DIFFERENT:
        snprintf(text, sizeof(text), "worker %u judges the golden set otherwise than worker 0", core);
        break;
    case GOLDEN_RUN_NONE:
    case GOLDEN_RUN_STUCK:
        snprintf(text, sizeof(text), "worker %u did not judge the golden set within %d ms", core, GOLDEN_RUN_MS);
        break;
    }
    golden_run_end(r->golden);
    refuse(r, o, text);
}

/* ---- the place ---- */

static void
next_books(const struct roles *r, const struct order *o, struct books *next)
{
    *next = r->now;
    if (o->type == ORDER_PREVIOUS) {
        next->previous = o->set;
    } else if (is_candidate(o)) {
        next->candidate = o->set;
        next->stage = LINK_STAGE_STAGED;
        memset(&next->values, 0, sizeof(next->values));
    } else {
        next->previous = r->now.live;
        next->live = o->set;
        next->is_watched = false;
    }
}

/* LOAD(live) that finds no room: the oldest resident one gives way. True: it was let go of just now. */
static bool
let_previous_go(struct roles *r, const struct order *o)
{
    uint32_t wait_ms = o->load.wait_ms < ROLES_WAIT_MAX_MS ? o->load.wait_ms : ROLES_WAIT_MAX_MS;
    if (is_candidate(o) || !r->now.previous.rs || r->now_ms + wait_ms / 2 < o->deadline_ms)
        return false;
    struct books without = r->now;
    without.previous = (struct set){0};
    without.is_watched = false;
    return roles_publish(r, &without) == 0;
}

void
roles_step_place(struct roles *r, struct order *o)
{
    char text[LINK_TEXT_MAX];
    struct books next;
    const char *why = o->type == ORDER_PREVIOUS ? check_load(r, o) : NULL;
    if (why) {
        refuse(r, o, why);
        return;
    }
    next_books(r, o, &next);
    int ret = roles_publish(r, &next);
    if (ret == -EBUSY && let_previous_go(r, o)) {
        next_books(r, o, &next);
        ret = roles_publish(r, &next);
    }
    if (ret == 0) {
        snprintf(o->why, sizeof(o->why), "%s%s%s", ruleset_digest(o->set.rs), is_candidate(o) ? " " : "",
                 is_candidate(o) ? o->set.golden : "");
        if (is_candidate(o))
            LOG_AT(NOTICE, "generation %u is the candidate: %u rules, %s\n", o->set.id.generation,
                   ruleset_rule_cnt(o->set.rs), ruleset_digest(o->set.rs));
        o->set = (struct set){0};
        r->loading = NULL;
        roles_settle(r, o);
        return;
    }
    if (ret != -ENOMEM && r->now_ms < o->deadline_ms)
        return;
    if (ret == -EAGAIN)
        return; /* a return is being told: a moment */
    if (ret == -EBUSY)
        snprintf(text, sizeof(text), "%d rule sets are still in use by messages in transit", SWAP_RESIDENT_MAX);
    else
        snprintf(text, sizeof(text), "no memory");
    refuse(r, o, text);
}

/* ---- the start ---- */

int
roles_load_now(struct roles *r, const void *octets, size_t len, uint32_t *generation, char *err, size_t err_size)
{
    struct books next = r->now;
    struct set set = {0};
    uint32_t number = *generation ? *generation : roles_next_generation(r);
    struct image *i = map_image(len, err, err_size);
    if (!i)
        return -1;
    memcpy(i->octets, octets, len);
    if (load_image(r, i, number, &set, err, err_size) != 0)
        return -1;
    next.previous = next.live;
    next.live = set;
    next.is_watched = false;
    if (roles_publish(r, &next) != 0) {
        snprintf(err, err_size, "%d rule sets are still in use by messages in transit", SWAP_RESIDENT_MAX);
        ruleset_free(set.rs);
        image_drop(set.image);
        return -1;
    }
    *generation = number;
    r->last_generation = number > r->last_generation ? number : r->last_generation;
    return 0;
}
