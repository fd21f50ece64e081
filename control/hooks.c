#include "control/hooks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/clock.h"

enum { PATH_SIZE = 512, NAME_SIZE = 64, EVENT_SIZE = 32, LINE_SIZE = 512, ALARM_SLACK_S = 20 };

/* One program for one event. */
struct call {
    char name[NAME_SIZE];
    char event[EVENT_SIZE];
    int json_fd; /* stdin: a sealed memfd, so that nobody has to feed it */
};

struct running {
    pid_t pid; /* 0: a free place. Leader of its own group */
    char name[NAME_SIZE];
    uint64_t began_ms;
    bool is_killed;
    int out_fd;
    size_t out_sum;
    char line[LINE_SIZE];
    size_t line_len;
};

struct hooks {
    char folder[PATH_SIZE];
    uint32_t limit_ms;
    FILE *log;
    struct running running[HOOKS_RUNNING_MAX];
    struct call waiting[HOOKS_WAITING_MAX]; /* a ring: the oldest first */
    unsigned waiting_begin, waiting_cnt;
    struct hooks_counts counts;
};

struct hooks *
hooks_new(const char *folder, uint32_t limit_ms, FILE *log)
{
    struct hooks *h = calloc(1, sizeof(*h));
    if (!h)
        return NULL;
    snprintf(h->folder, sizeof(h->folder), "%s", folder);
    h->limit_ms = limit_ms;
    h->log = log;
    return h;
}

/* ---- which programs there are ---- */

static int
is_wanted(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return entry->d_name[0] != '.' && entry->d_name[len - 1] != '~' && len < NAME_SIZE;
}

static bool
is_program(const struct hooks *h, const char *name, char *path)
{
    struct stat st;
    int len = snprintf(path, PATH_SIZE, "%s/%s", h->folder, name);
    if (len >= PATH_SIZE || stat(path, &st) != 0 || !S_ISREG(st.st_mode) || access(path, X_OK) != 0)
        return false;
    if (!(st.st_mode & S_IWOTH))
        return true;
    fprintf(h->log, "hook %s: everybody may write to it: not run\n", path);
    return false;
}

/* ---- a child ---- */

static _Noreturn void
become(const char *path, const char *event, int in, int out, uint32_t limit_ms)
{
    char event_text[EVENT_SIZE + 16];
    char *argv[] = {(char *)(uintptr_t)path, NULL};
    char *envp[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                    "LANG=C.UTF-8", "HOME=/", event_text, NULL};
    snprintf(event_text, sizeof(event_text), "WEIR_EVENT=%s", event);
    for (int s = 1; s < NSIG; s++)
        signal(s, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0);
    /* Its limit also when the controller dies meanwhile. */
    alarm(limit_ms / 1000 + ALARM_SLACK_S);
    if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 || chdir("/") != 0)
        _exit(126);
    close_range(3, ~0U, 0);
    execve(path, argv, envp);
    dprintf(2, "%s\n", strerror(errno));
    _exit(127);
}

static struct running *
free_place(struct hooks *h)
{
    for (unsigned i = 0; i < HOOKS_RUNNING_MAX; i++) {
        if (!h->running[i].pid)
            return &h->running[i];
    }
    return NULL;
}

/* Takes json_fd. */
static void
start(struct hooks *h, struct running *r, const struct call *c)
{
    int out[2] = {-1, -1};
    char path[PATH_SIZE];
    bool is_there = is_program(h, c->name, path) && pipe2(out, O_CLOEXEC | O_NONBLOCK) == 0;
    pid_t pid = -1;
    if (is_there) {
        /* Only our end must not wait: the program is used to a pipe that does. */
        fcntl(out[1], F_SETFL, 0);
        /* A fresh description, so that each reads from the beginning. */
        char again[64];
        snprintf(again, sizeof(again), "/proc/self/fd/%d", c->json_fd);
        int in = open(again, O_RDONLY | O_CLOEXEC);
        pid = in < 0 ? -1 : fork();
        if (pid == 0)
            become(path, c->event, in, out[1], h->limit_ms);
        if (in >= 0)
            close(in);
        close(out[1]);
    }
    close(c->json_fd);
    if (pid < 0) {
        fprintf(h->log, "hook %s: cannot be started: %s\n", c->name, strerror(errno));
        h->counts.failed++;
        if (out[0] >= 0)
            close(out[0]);
        return;
    }
    setpgid(pid, pid); /* whoever of the two is first */
    *r = (struct running){.pid = pid, .began_ms = clock_ms(CLOCK_MONOTONIC), .out_fd = out[0]};
    memcpy(r->name, c->name, sizeof(r->name));
    h->counts.started++;
}

/* ---- its output ---- */

static void
log_line(struct hooks *h, struct running *r)
{
    for (size_t i = 0; i < r->line_len; i++) {
        unsigned char octet = (unsigned char)r->line[i];
        if (octet < ' ' || octet == 127)
            r->line[i] = '?';
    }
    fprintf(h->log, "hook %s: %.*s\n", r->name, (int)r->line_len, r->line);
    r->line_len = 0;
}

static void
take_output(struct hooks *h, struct running *r, const char *octets, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (r->out_sum++ >= HOOKS_OUTPUT_MAX) /* read, so that it can end, and dropped */
            continue;
        if (octets[i] != '\n')
            r->line[r->line_len++] = octets[i];
        if (octets[i] == '\n' || r->line_len == LINE_SIZE)
            log_line(h, r);
    }
}

/* At most what one pipe holds, so that who writes without end holds up nobody. */
static void
read_output(struct hooks *h, struct running *r)
{
    char octets[4096];
    for (int i = 0; i < 16 && r->out_fd >= 0; i++) {
        ssize_t n = read(r->out_fd, octets, sizeof(octets));
        if (n <= 0)
            break;
        take_output(h, r, octets, (size_t)n);
    }
}

/* ---- its end ---- */

static void
reap(struct hooks *h, struct running *r)
{
    int status = 0;
    kill(-r->pid, SIGKILL); /* what it left behind; its own number is still taken */
    read_output(h, r);
    if (r->line_len)
        log_line(h, r);
    waitpid(r->pid, &status, 0);
    if (r->is_killed)
        fprintf(h->log, "hook %s: killed after %ju ms\n", r->name,
                (uintmax_t)(clock_ms(CLOCK_MONOTONIC) - r->began_ms));
    else if (WIFSIGNALED(status))
        fprintf(h->log, "hook %s: ended by signal %d\n", r->name, WTERMSIG(status));
    else if (WEXITSTATUS(status))
        fprintf(h->log, "hook %s: exit %d\n", r->name, WEXITSTATUS(status));
    h->counts.killed += r->is_killed;
    h->counts.failed += !r->is_killed && status != 0;
    close(r->out_fd);
    r->pid = 0;
}

static void
look_after(struct hooks *h, struct running *r)
{
    siginfo_t info = {0};
    read_output(h, r);
    if (waitid(P_PID, (id_t)r->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
        info.si_pid == r->pid) {
        reap(h, r);
    } else if (!r->is_killed && clock_ms(CLOCK_MONOTONIC) >= r->began_ms + h->limit_ms) {
        r->is_killed = true;
        kill(-r->pid,
             SIGKILL); /* reaped at a later tick: a process in the disk's hands may take its time */
    }
}

/* ---- the queue ---- */

/* One: a fork takes its time, and whoever ticks has other things to do. */
static void
start_waiting(struct hooks *h)
{
    struct running *r = h->waiting_cnt ? free_place(h) : NULL;
    if (r) {
        struct call *c = &h->waiting[h->waiting_begin];
        h->waiting_begin = (h->waiting_begin + 1) % HOOKS_WAITING_MAX;
        h->waiting_cnt--;
        start(h, r, c);
    }
}

static void
enqueue(struct hooks *h, const char *name, const char *event, int json_fd)
{
    int fd = h->waiting_cnt < HOOKS_WAITING_MAX ? fcntl(json_fd, F_DUPFD_CLOEXEC, 3) : -1;
    if (fd < 0) {
        h->counts.left_out++;
        fprintf(h->log, "hook %s: left out for %s: %u wait already\n", name, event, h->waiting_cnt);
        return;
    }
    struct call *c = &h->waiting[(h->waiting_begin + h->waiting_cnt++) % HOOKS_WAITING_MAX];
    *c = (struct call){.json_fd = fd};
    snprintf(c->name, sizeof(c->name), "%.*s", NAME_SIZE - 1, name); /* is_wanted: it fits */
    snprintf(c->event, sizeof(c->event), "%s", event);
}

static int
json_file(const char *json)
{
    size_t len = strlen(json);
    int fd = memfd_create("weir-hook", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || len > HOOKS_JSON_MAX || write(fd, json, len) != (ssize_t)len) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    fchmod(fd, 0444); /* opened again by whoever we have become */
    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
    return fd;
}

void
hooks_call(struct hooks *h, const char *event, const char *json)
{
    struct dirent **entries;
    if (!*h->folder)
        return;
    int cnt = scandir(h->folder, &entries, is_wanted, alphasort);
    if (cnt < 0) {
        fprintf(h->log, "hooks: %s: %s\n", h->folder, strerror(errno));
        return;
    }
    int fd = json_file(json);
    if (fd < 0)
        fprintf(h->log, "hooks: %s: what to tell them cannot be written: %s\n", event,
                strerror(errno));
    int programs = 0;
    for (int i = 0; i < cnt; i++) {
        char path[PATH_SIZE];
        if (fd >= 0 && is_program(h, entries[i]->d_name, path) && programs++ < HOOKS_MAX)
            enqueue(h, entries[i]->d_name, event, fd);
        free(entries[i]);
    }
    free(entries);
    if (programs > HOOKS_MAX)
        fprintf(h->log, "hooks: %s: %d programs, only the first %d are run\n", h->folder, programs,
                HOOKS_MAX);
    if (fd >= 0)
        close(fd);
    start_waiting(h);
}

unsigned
hooks_tick(struct hooks *h)
{
    unsigned cnt = 0;
    for (unsigned i = 0; i < HOOKS_RUNNING_MAX; i++) {
        if (h->running[i].pid)
            look_after(h, &h->running[i]);
    }
    start_waiting(h);
    for (unsigned i = 0; i < HOOKS_RUNNING_MAX; i++)
        cnt += h->running[i].pid != 0;
    return cnt + h->waiting_cnt;
}

struct hooks_counts
hooks_counts(const struct hooks *h)
{
    return h->counts;
}

void
hooks_free(struct hooks *h)
{
    if (!h)
        return;
    for (unsigned i = 0; i < HOOKS_RUNNING_MAX; i++) {
        struct running *r = &h->running[i];
        if (!r->pid)
            continue;
        r->is_killed = true;
        kill(-r->pid, SIGKILL);
        reap(h, r);
    }
    for (; h->waiting_cnt; h->waiting_cnt--) {
        close(h->waiting[h->waiting_begin].json_fd);
        h->waiting_begin = (h->waiting_begin + 1) % HOOKS_WAITING_MAX;
    }
    free(h);
}
