/* The folder: what shall be kept follows the books; a helper makes it so, and tries again until it is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/log.h"
#include "dataplane/roles_private.h"

int
roles_disk_open(struct roles *r, const char *folder)
{
    char err[LINK_TEXT_MAX];
    if (!*folder)
        return 0;
    r->persist = persist_open(folder, err, sizeof(err));
    if (r->persist)
        return 0;
    LOG_AT(ERR, "[rules] state: %s\n", err);
    return -1;
}

/* ---- what shall be kept ---- */

static const struct order *
order_in(const struct roles *r, enum order_state state)
{
    for (unsigned i = 0; i < ROLES_ORDERS_MAX; i++) {
        if (r->orders[i].state == state)
            return &r->orders[i];
    }
    return NULL;
}

/* What was previous before the start and is on its way into memory. */
static const struct order *
previous_order(const struct roles *r)
{
    for (unsigned i = 0; i < ROLES_ORDERS_MAX; i++) {
        const struct order *o = &r->orders[i];
        if (o->type == ORDER_PREVIOUS && o->state >= ORDER_QUEUED && o->state <= ORDER_PLACE)
            return o;
    }
    return NULL;
}

/* The set that is to be the candidate: it has no role, but the cores are about to judge with it. */
static const struct set *
rising_set(const struct roles *r)
{
    const struct order *o = r->loading;
    bool is_rising = o && o->type == LINK_LOAD && (o->load.flags & LINK_LOAD_STAGE) &&
                     (o->state == ORDER_NOTING || o->state == ORDER_GOLDEN || o->state == ORDER_PLACE) && o->set.rs;
    return is_rising ? &o->set : &r->now.candidate;
}

static void
want(struct roles *r, const struct set *live, const struct set *previous, const struct set *candidate)
{
    const struct set *sets[] = {live, previous, candidate};
    struct persist_image *ids[] = {&r->job.live, &r->job.previous, &r->job.candidate};
    for (unsigned i = 0; i < 3; i++) {
        *ids[i] = sets[i]->rs ? sets[i]->id : (struct persist_image){0};
        image_drop(r->job.write[i]);
        r->job.write[i] = sets[i]->rs ? image_hold(sets[i]->image) : NULL;
        r->job.is_kept[i] = false;
    }
    r->job.last_generation = r->last_generation;
}

void
roles_disk_changed(struct roles *r)
{
    r->disk_version++;
    r->disk_retry_ms = 0;
}

/* ---- the helper's ---- */

/* Whether the image is there, now at the latest. */
static bool
keep(struct disk_job *j, unsigned i, const struct persist_image *id, char *err, size_t err_size)
{
    const struct image *image = j->write[i];
    if (id->generation == 0)
        return true;
    if (persist_has(j->persist, id))
        j->is_kept[i] = true;
    else if (image)
        j->is_kept[i] = persist_write(j->persist, id, image->octets, image->len, err, err_size) == 0;
    else
        snprintf(err, err_size, "the image of generation %u is no longer in the folder", id->generation);
    return j->is_kept[i];
}

static void
failed(struct disk_job *j, const char *why)
{
    if (j->ret == 0)
        snprintf(j->err, sizeof(j->err), "%s", why); /* the first is the gravest */
    j->ret = -1;
}

/* What can be right is made right, whatever else fails: a link never names what went back. */
static void
disk_work(void *arg)
{
    static const struct persist_image none;
    struct disk_job *j = arg;
    char err[LINK_TEXT_MAX];
    j->ret = 0;
    bool has_live = keep(j, 0, &j->live, err, sizeof(err));
    if (!has_live)
        failed(j, err);
    bool has_previous = keep(j, 1, &j->previous, err, sizeof(err));
    if (!has_previous && j->write[1])
        failed(j, err); /* one that somebody removed is only not there */
    if (!keep(j, 2, &j->candidate, err, sizeof(err)))
        failed(j, err);
    const struct persist_image *previous = has_previous ? &j->previous : &none;
    int ret = 0;
    if (has_live && (!j->is_going_live || j->ret == 0))
        ret = persist_point(j->persist, &j->live, previous, err, sizeof(err));
    else if (!j->is_going_live)
        ret = persist_point(j->persist, previous, &none, err, sizeof(err));
    if (ret != 0)
        failed(j, err);
    if (persist_running(j->persist, j->live.generation, j->candidate.generation, j->last_generation, err, sizeof(err)))
        failed(j, err);
    if (j->ret == 0)
        persist_sweep(j->persist, &j->candidate);
}

/* ---- the agent's ---- */

bool
roles_disk_is_done(const struct roles *r, const struct order *o)
{
    return !r->persist || r->disk_done >= o->disk_version;
}

/* Octets that are on the disk need not stay in memory. */
static void
let_image_go(struct set *set, const struct image *image)
{
    if (set->image && set->image == image) {
        image_drop(set->image);
        set->image = NULL;
    }
}

static void
end_job(struct roles *r)
{
    struct disk_job *j = &r->job;
    for (unsigned i = 0; i < 3; i++) {
        if (j->is_kept[i]) {
            let_image_go(&r->now.live, j->write[i]);
            let_image_go(&r->now.candidate, j->write[i]);
            let_image_go(&r->now.previous, j->write[i]);
            if (r->loading && r->loading->state != ORDER_LOADING)
                let_image_go(&r->loading->set, j->write[i]);
        }
        image_drop(j->write[i]);
        j->write[i] = NULL;
    }
    r->disk_done = j->version;
    if (j->ret == 0 && r->disk_ret != 0)
        LOG_AT(NOTICE, "[rules] state is right again: generation %u\n", j->live.generation);
    if (j->ret != 0 && (r->disk_ret == 0 || strcmp(r->disk_err, j->err) != 0))
        LOG_AT(ERR, "[rules] state is NOT RIGHT: %s\n", j->err);
    r->disk_ret = j->ret;
    snprintf(r->disk_err, sizeof(r->disk_err), "%s", j->err);
    r->disk_retry_ms = j->ret != 0 ? r->now_ms + ROLES_DISK_RETRY_MS : 0;
    if (j->ret == 0)
        r->persisted = j->live.generation;
}

void
roles_disk_step(struct roles *r)
{
    if (!r->persist)
        return;
    if (errand_is_done(r->disk))
        end_job(r);
    bool is_due = r->disk_done != r->disk_version || (r->disk_retry_ms && r->now_ms >= r->disk_retry_ms);
    if (!is_due || !errand_is_idle(r->disk))
        return;
    const struct order *live = order_in(r, ORDER_DISK);
    const struct set *candidate = rising_set(r);
    if (!r->now.live.rs && !live && !candidate->rs)
        return; /* no rules: what is there may be of use to the next start */
    static const struct set none;
    r->job.is_going_live = live && r->now.candidate.rs && live->stage.generation == r->now.candidate.id.generation;
    if (r->job.is_going_live)
        want(r, &r->now.candidate, &r->now.live, &none);
    else
        want(r, &r->now.live, &r->now.previous, candidate);
    const struct order *previous = previous_order(r);
    if (previous && !r->now.previous.rs && !r->job.is_going_live)
        r->job.previous = previous->previous; /* it is there, and stays */
    r->job.persist = r->persist;
    r->job.version = r->disk_version;
    r->job.err[0] = '\0';
    errand_start(r->disk, disk_work, &r->job);
}

/* ---- the start ---- */

static bool
start_with(struct roles *r, const struct persist_image *i, struct set *set)
{
    char path[4096 + PERSIST_NAME_MAX], err[LINK_TEXT_MAX];
    persist_path(r->persist, i, path, sizeof(path));
    int fd = roles_open_image(path, err, sizeof(err));
    int ret = fd < 0 ? -1 : roles_load_fd(r, fd, i->generation, set, err, sizeof(err));
    if (fd >= 0)
        close(fd);
    if (ret == 0 && !persist_image_equal(&set->id, i)) {
        snprintf(err, sizeof(err), "it is another image than its name says");
        ruleset_free(set->rs);
        image_drop(set->image);
        *set = (struct set){0};
        ret = -1;
    }
    if (ret != 0) {
        LOG_AT(ERR, "[rules] state: %s is passed over: %s\n", path, err);
        return false;
    }
    image_drop(set->image); /* it came from there */
    set->image = NULL;
    return true;
}

/* The controller hears of it as of a trip. */
static void
note_crash(struct roles *r, uint32_t generation, uint32_t back_to)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    r->trip = (struct link_trip){.seq = 1, .generation = generation, .back_to = back_to, .reason = LINK_REASON_CRASHES,
                                 .by_data_plane = 1};
    r->trip.time_ms = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void
say_how_it_ended(struct roles *r, const struct persist_start *s)
{
    if (s->unclean_candidate) {
        LOG_AT(WARNING, "the former process died with generation %u as the candidate; it is not loaded\n",
               s->unclean_candidate);
        note_crash(r, s->unclean_candidate, s->first.generation);
        snprintf(r->trip.text, sizeof(r->trip.text), "the data plane died with it as the candidate");
    } else if (s->was_unclean) {
        LOG_AT(WARNING, "the former process did not end cleanly under generation %u\n",
               s->crashed ? s->crashed : s->first.generation);
    }
    if (!s->crashed)
        return;
    note_crash(r, s->crashed, s->first.generation);
    snprintf(r->trip.text, sizeof(r->trip.text), "the data plane died %d times under it within %d min", PERSIST_CRASHES_MAX,
             PERSIST_CRASHES_MS / 60000);
    LOG_AT(ERR, "generation %u WENT BACK to %u: %s\n", s->crashed, s->first.generation, r->trip.text);
}

/* Asks for what was previous to be loaded, by the helper, when it has time. */
static void
ask_previous(struct roles *r, const struct persist_image *i)
{
    char path[4096 + PERSIST_NAME_MAX], err[LINK_TEXT_MAX];
    struct order *o = NULL;
    for (unsigned k = 0; k < ROLES_ORDERS_MAX && !o; k++)
        o = r->orders[k].state == ORDER_FREE ? &r->orders[k] : NULL;
    persist_path(r->persist, i, path, sizeof(path));
    int fd = o ? roles_open_image(path, err, sizeof(err)) : -1;
    if (fd < 0) {
        LOG_AT(WARNING, "[rules] state: what was previous is not loaded: %s\n", o ? err : "no room");
        return;
    }
    o->state = ORDER_QUEUED;
    o->type = ORDER_PREVIOUS;
    o->serial = ++r->serial;
    o->fd = fd;
    o->load.generation = i->generation;
    o->previous = *i;
    o->load.wait_ms = ROLES_WAIT_MAX_MS;
}

static int
start_from_folder(struct roles *r)
{
    struct persist_start s;
    struct books next = r->now;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    persist_begin(r->persist, (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000, &s);
    r->last_generation = s.last_generation;
    say_how_it_ended(r, &s);
    const struct persist_image *tried[] = {&s.first, &s.second};
    for (unsigned i = 0; i < 2 && !next.live.rs; i++) {
        char err[LINK_TEXT_MAX];
        if (tried[i]->generation == 0)
            continue;
        /* At once, and not with the first round: who dies before that, while loading it even, dies under it. */
        if (persist_running(r->persist, tried[i]->generation, 0, s.last_generation, err, sizeof(err)))
            LOG_AT(ERR, "[rules] state: %s\n", err);
        if (!start_with(r, tried[i], &next.live))
            continue;
        if (roles_publish(r, &next) != 0)
            return -1;
        r->persisted = tried[i]->generation;
        if (i == 0 && s.second.generation && !persist_image_equal(&s.first, &s.second))
            ask_previous(r, &s.second);
    }
    if (next.live.rs)
        return 0;
    persist_end(r->persist);
    return -1;
}

int
roles_start(struct roles *r, const char *image, char *err, size_t err_size)
{
    struct books next;
    struct set set = {0};
    if (r->persist && start_from_folder(r) == 0)
        goto started;
    snprintf(err, err_size, "[rules] image is not set");
    int fd = *image ? roles_open_image(image, err, err_size) : -1;
    int ret = fd < 0 ? -1 : roles_load_fd(r, fd, roles_next_generation(r), &set, err, err_size);
    if (fd >= 0)
        close(fd);
    next = r->now;
    next.live = set;
    if (ret != 0 || roles_publish(r, &next) != 0)
        return -1;
    r->last_generation = set.id.generation;
started:
    LOG_AT(NOTICE, "generation %u is live: %u rules, %s, from the start\n", r->now.live.id.generation,
           ruleset_rule_cnt(r->now.live.rs), ruleset_digest(r->now.live.rs));
    return 0;
}
