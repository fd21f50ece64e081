#include "control/controller.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/clock.h"
#include "control/crash.h"

enum { IDLE_MS = 100 };

void
controller_log(const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    for (char *at = text; *at; at++) {
        if ((unsigned char)*at < ' ')
            *at = ' '; /* one line an event, whatever a data plane or an operator said */
    }
    fprintf(stderr, "weir-control: %s\n", text);
}

int
controller_lock(struct controller *c, const struct settings *s)
{
    char path[sizeof(s->state) + 8];
    c->settings = s;
    snprintf(path, sizeof(path), "%s/lock", s->state);
    struct stat st;
    /* Still root, in a folder of another user's: nothing that lies there is followed, cut short or given away. */
    c->lock_fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0640);
    if (c->lock_fd >= 0 && (fstat(c->lock_fd, &st) || !S_ISREG(st.st_mode) || st.st_nlink != 1)) {
        controller_log("%s: not a file of ours", path);
        return -1;
    }
    if (c->lock_fd < 0 || flock(c->lock_fd, LOCK_EX | LOCK_NB)) {
        controller_log("%s: %s", path, errno == EWOULDBLOCK ? "another weir-control has this folder" : strerror(errno));
        return -1;
    }
    if (ftruncate(c->lock_fd, 0) || dprintf(c->lock_fd, "%d\n", (int)getpid()) < 0)
        controller_log("%s: %s", path, strerror(errno));
    return 0;
}

static int
replay_one(void *owner, const cJSON *record)
{
    struct controller *c = owner;
    rollout_replay(&c->rollout, record);
    announce_replay(c->announce, record);
    return 0;
}

static int
open_journal(struct controller *c)
{
    char err[512], folder[sizeof(c->settings->state) + 16];
    snprintf(folder, sizeof(folder), "%s/journal", c->settings->state);
    snprintf(c->journal_path, sizeof(c->journal_path), "%s/journal.jsonl", folder);
    if (mkdir(folder, 0750) && errno != EEXIST) {
        controller_log("%s: %s", folder, strerror(errno));
        return -1;
    }
    c->journal = journal_open(c->journal_path, err, sizeof(err));
    if (!c->journal) {
        controller_log("%s", err);
        return -1;
    }
    if (*journal_trouble(c->journal))
        controller_log("%s", journal_trouble(c->journal));
    crash_here("start", "opened");
    int64_t cnt = journal_replay(c->journal_path, replay_one, c, err, sizeof(err));
    if (cnt < 0) {
        controller_log("%s", err);
        return -1;
    }
    /* A journal that broke may have lost a number: what lies in its folder is not what is pushed next. */
    uint32_t newest = generations_newest(&c->store);
    if (newest >= c->rollout.next_number && newest < UINT32_MAX)
        c->rollout.next_number = newest + 1;
    controller_log("journal: %lld records, %u generations, live %u, next %u", (long long)cnt, c->rollout.list_cnt,
                   c->rollout.live, c->rollout.next_number);
    announce_set_journal(c->announce, controller_journal, c);
    crash_here("start", "replayed");
    return 0;
}

/* Never the only place of anything: what is wrong with it is said, and nothing waits for it. */
static void
open_index(struct controller *c)
{
    struct index_limits limits = index_limits_default;
    limits.days = c->settings->index_days;
    snprintf(c->index_path, sizeof(c->index_path), "%s/index.sqlite", c->settings->state);
    c->index = index_open(c->index_path, &limits);
    if (c->index && index_is_new(c->index))
        controller_log("index: made anew from %lld records of the journal",
                       (long long)index_rebuild(c->index, c->journal_path));
    if (!c->index || *index_error(c->index))
        controller_log("index: %s", c->index ? index_error(c->index) : "no memory");
}

static void
take_records(struct controller *c)
{
    if (c->index && c->uplink.pages.ring.page)
        c->has_more_records = index_take(c->index, &c->uplink.pages.ring, c->rollout.wall_ms);
    else
        c->has_more_records = false;
}

static int
open_signals(struct controller *c)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file at its limit is an error like a full disk */
    c->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return c->signal_fd < 0 ? -1 : 0;
}

int
controller_open(struct controller *c)
{
    const struct settings *s = c->settings;
    char err[GENERATIONS_ERR_MAX], cache[sizeof(s->state) + 16];
    snprintf(cache, sizeof(cache), "%s/cache", s->state);
    setenv("WEIR_CACHE", cache, 0); /* of compiled patterns; the user may have no home */
    struct rollout_hands hands;
    c->now_ms = c->started_ms = clock_ms(CLOCK_MONOTONIC);
    struct announce_settings as = {.folder = s->state, .hooks = s->hooks, .clean_ms = s->clean_ms, .name = "Mail service"};
    c->announce = announce_new(&as);
    if (controller_hands(c, &hands) || !c->announce || rollout_init(&c->rollout, s, &hands)) {
        controller_log("no memory");
        return -1;
    }
    if (generations_open(&c->store, s->state, err)) {
        controller_log("%s", err);
        return -1;
    }
    if (open_journal(c) || open_signals(c))
        return -1;
    open_index(c);
    c->wants_prune = true;
    rollout_begin(&c->rollout, c->now_ms, clock_ms(CLOCK_REALTIME));
    return 0;
}

static void
take_signals(struct controller *c)
{
    struct signalfd_siginfo info;
    while (read(c->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
            c->wants_end = true;
    }
}

static void
wait_for_something(struct controller *c)
{
    struct pollfd p[2 + JOBS_MAX + ADMIN_PEERS_MAX + 1];
    unsigned cnt = 0;
    p[cnt++] = (struct pollfd){.fd = c->signal_fd, .events = POLLIN};
    p[cnt++] = uplink_poll(&c->uplink);
    cnt += jobs_poll(&c->jobs, p + cnt);
    cnt += admin_poll(c->admin, p + cnt);
    int wait = rollout_is_watching(&c->rollout) ? (int)c->settings->poll_ms : IDLE_MS;
    poll(p, cnt, c->has_more_records ? 0 : wait < IDLE_MS ? wait : IDLE_MS);
}

static bool
keeps(void *owner, uint32_t number)
{
    const struct controller *c = owner;
    return rollout_keeps(&c->rollout, number);
}

static void
prune(struct controller *c)
{
    int removed = generations_prune(&c->store, c->settings->generations_kept, keeps, c);
    c->wants_prune = removed == GENERATIONS_PRUNE_MAX;
    if (removed < 0)
        controller_log("%s: %s", c->store.folder, strerror(-removed));
}

void
controller_run(struct controller *c)
{
    while (!c->wants_end) {
        wait_for_something(c);
        c->now_ms = clock_ms(CLOCK_MONOTONIC);
        c->rollout.now_ms = c->now_ms;
        c->rollout.wall_ms = clock_ms(CLOCK_REALTIME);
        take_signals(c);
        uplink_tick(&c->uplink, c->now_ms);
        watch_tick(c);
        jobs_tick(&c->jobs, c->now_ms);
        admin_tick(c->admin, c->now_ms);
        rollout_tick(&c->rollout, c->now_ms, c->rollout.wall_ms);
        desk_tick(c);
        take_records(c);
        announce_health(c->announce, c->rollout.is_known, c->link_error);
        announce_tick(c->announce);
        if (c->wants_prune)
            prune(c);
    }
    controller_log("ended: the data plane goes on%s",
                   c->rollout.candidate ? "; its candidate returns when its lease runs out" : "");
}

void
controller_close(struct controller *c)
{
    jobs_stop_all(&c->jobs);
    admin_close(c->admin);
    uplink_fini(&c->uplink);
    evidence_free(c->evidence);
    announce_free(c->announce);
    if (c->index)
        index_close(c->index);
    journal_close(c->journal);
    rollout_fini(&c->rollout);
    close(c->signal_fd);
    close(c->lock_fd);
}
