#include "control/preflight_child.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "control/clock.h"

enum {
    POLL_US = 2000,
    PROGRESS_MS = 1000,
    TOTAL_MS = 3600 * 1000,

    /* Exits of a child: with a reason in its pulse. Any other is the doing of something that we did not write. */
    CHILD_DONE = 0,
    CHILD_GAVE_UP = 3
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool has_shadow = true; /* the sanitizer's shadow is larger than any limit */
#else
static const bool has_shadow = false;
#endif

void
preflight_clean(char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < ' ' || (unsigned char)*text > '~')
            *text = '?';
    }
}

void *
preflight_share(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

void
preflight_unshare(void *p, size_t size)
{
    if (p)
        munmap(p, size);
}

/* ---- in the child ---- */

static uint64_t
address_space(void)
{
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f && fscanf(f, "%lu", &pages) != 1)
        pages = 0;
    if (f)
        fclose(f);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void
limit(int resource, uint64_t max)
{
    struct rlimit r = {max, max};
    setrlimit(resource, &r);
}

static void
confine(const struct preflight_children *c)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTERM, SIGINT, SIGCHLD, SIGPIPE};
    for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++)
        signal(faults[i], SIG_DFL);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_CPU, (c->total_ms ? c->total_ms : TOTAL_MS) / 1000 + 2);
    if (c->memory_max && !has_shadow)
        limit(RLIMIT_AS, address_space() + c->memory_max);
    close_range(3, UINT_MAX, 0);
}

static void
be_child(const struct preflight_children *c, unsigned idx, struct preflight_pulse *pulse, pid_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
        _exit(CHILD_GAVE_UP);
    confine(c);
    _exit(c->run(idx, pulse, c->owner) ? CHILD_DONE : CHILD_GAVE_UP);
}

/* ---- in the parent ---- */

struct leash {
    pid_t pid; /* 0: waited for */
    uint64_t beats;
    double beat_at;
};

struct group {
    const struct preflight_children *c;
    struct preflight_pulse *pulses;
    struct leash leashes[PREFLIGHT_JOBS_MAX];
    unsigned alive;
    char *why;
    size_t why_size;
    bool has_failed;
};

static void blame(struct group *g, unsigned idx, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The first reason stays; the item at which it happened is told when there is one. */
static void
blame(struct group *g, unsigned idx, const char *format, ...)
{
    char what[320], item[128] = "";
    va_list args;
    if (g->has_failed)
        return;
    g->has_failed = true;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    if (g->c->name_item && __atomic_load_n(&g->pulses[idx].beats, __ATOMIC_ACQUIRE))
        g->c->name_item(g->c->owner, __atomic_load_n(&g->pulses[idx].at, __ATOMIC_RELAXED), item, sizeof(item));
    snprintf(g->why, g->why_size, "%s%s%s", what, *item ? ", at " : "", item);
}

static void
judge_exit(struct group *g, unsigned idx, int status)
{
    char why[sizeof(g->pulses->why)];
    if (WIFSIGNALED(status)) {
        int sig = WTERMSIG(status);
        blame(g, idx, sig == SIGXCPU ? "it took too much processor time (%d: %s)" : "it crashed (signal %d: %s)", sig,
              strsignal(sig));
    } else if (WEXITSTATUS(status) == CHILD_GAVE_UP) {
        memcpy(why, g->pulses[idx].why, sizeof(why));
        why[sizeof(why) - 1] = 0;
        preflight_clean(why);
        blame(g, idx, "%s", *why ? why : "it gave up without a reason");
    } else if (WEXITSTATUS(status) != CHILD_DONE) {
        blame(g, idx, "it ended with code %d", WEXITSTATUS(status));
    }
}

static void
reap(struct group *g, unsigned idx, int flags)
{
    struct leash *l = &g->leashes[idx];
    int status;
    pid_t pid;
    do
        pid = waitpid(l->pid, &status, flags);
    while (pid < 0 && errno == EINTR);
    if (pid == 0)
        return;
    if (pid < 0)
        blame(g, idx, "it cannot be waited for: %s", strerror(errno));
    else
        judge_exit(g, idx, status);
    l->pid = 0;
    g->alive--;
}

static void
kill_all(struct group *g)
{
    for (unsigned i = 0; i < g->c->cnt; i++) {
        if (g->leashes[i].pid)
            kill(g->leashes[i].pid, SIGKILL);
    }
    for (unsigned i = 0; i < g->c->cnt; i++) {
        if (g->leashes[i].pid)
            reap(g, i, 0);
    }
}

static void
watch(struct group *g, unsigned idx, double now)
{
    struct leash *l = &g->leashes[idx];
    unsigned stall_ms = g->c->stall_ms ? g->c->stall_ms : PREFLIGHT_STALL_MS;
    uint64_t beats = __atomic_load_n(&g->pulses[idx].beats, __ATOMIC_ACQUIRE);
    if (beats != l->beats) {
        l->beats = beats;
        l->beat_at = now;
    } else if (now - l->beat_at > stall_ms / 1000.0) {
        blame(g, idx, "it did nothing for %.1f s", stall_ms / 1000.0);
    }
}

static void
watch_all(struct group *g)
{
    double begin = clock_seconds(), told = begin;
    unsigned total_ms = g->c->total_ms ? g->c->total_ms : TOTAL_MS;
    while (g->alive && !g->has_failed) {
        double now = clock_seconds();
        for (unsigned i = 0; i < g->c->cnt; i++) {
            if (g->leashes[i].pid)
                reap(g, i, WNOHANG);
            if (g->leashes[i].pid)
                watch(g, i, now);
        }
        if (now - begin > total_ms / 1000.0)
            blame(g, 0, "it was not done after %.1f s", total_ms / 1000.0);
        if (g->c->progress && now - told > PROGRESS_MS / 1000.0) {
            told = now;
            g->c->progress(g->c->owner);
        }
        if (g->alive && !g->has_failed)
            nanosleep(&(struct timespec){0, POLL_US * 1000}, NULL);
    }
}

int
preflight_children_run(const struct preflight_children *c, char *why, size_t size)
{
    struct group g = {.c = c, .why = why, .why_size = size};
    size_t len = PREFLIGHT_JOBS_MAX * sizeof(*g.pulses);
    pid_t parent = getpid();
    *why = 0;
    g.pulses = preflight_share(len);
    if (!g.pulses)
        return snprintf(why, size, "no memory"), -1;
    fflush(NULL);
    for (unsigned i = 0; i < c->cnt && !g.has_failed; i++) {
        pid_t pid = fork();
        if (pid == 0)
            be_child(c, i, &g.pulses[i], parent);
        if (pid < 0) {
            blame(&g, i, "no child could be made: %s", strerror(errno));
            break;
        }
        g.leashes[i] = (struct leash){pid, 0, clock_seconds()};
        g.alive++;
    }
    watch_all(&g);
    kill_all(&g);
    preflight_unshare(g.pulses, len);
    return g.has_failed ? -1 : 0;
}

/* ---- questions ---- */

struct answer {
    const struct preflight_question *q;
    char *text; /* shared, PREFLIGHT_JSON_MAX octets */
};

static bool
answer(unsigned idx, struct preflight_pulse *pulse, void *owner)
{
    struct answer *a = owner;
    cJSON *j = a->q->make(a->q->owner, pulse);
    (void)idx;
    if (j && cJSON_PrintPreallocated(j, a->text, PREFLIGHT_JSON_MAX - 1, false))
        return true;
    if (j)
        snprintf(pulse->why, sizeof(pulse->why), "the answer is too long");
    return false;
}

cJSON *
preflight_ask(const struct preflight_question *q, char *why, size_t size)
{
    struct answer a = {q, preflight_share(PREFLIGHT_JSON_MAX)};
    struct preflight_children c = {
        .cnt = 1, .memory_max = q->memory_max, .total_ms = q->total_ms, .run = answer, .owner = &a};
    cJSON *j = NULL;
    c.stall_ms = q->total_ms; /* it beats only if it cares to */
    if (!a.text) {
        snprintf(why, size, "no memory");
        return NULL;
    }
    if (preflight_children_run(&c, why, size) == 0) {
        a.text[PREFLIGHT_JSON_MAX - 1] = 0;
        j = cJSON_Parse(a.text);
        if (!cJSON_IsObject(j)) {
            cJSON_Delete(j);
            j = NULL;
            snprintf(why, size, "the answer makes no sense");
        }
    }
    preflight_unshare(a.text, PREFLIGHT_JSON_MAX);
    return j;
}
