#include "control/job.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct job {
    struct job_how how;
    pid_t pid;
    int pipe;
    uint64_t end_ms;
    char *out; /* the line that is not complete yet; at the end the result */
    size_t len, max, total;
    cJSON *result;
};

static void in_child(const struct job_how *how, int to, pid_t parent) __attribute__((noreturn));

static void
in_child(const struct job_how *how, int to, pid_t parent)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    int null = open("/dev/null", O_RDWR);
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
    }
    /* The pipe to 3, all others closed: locks, sockets and the journal are the controller's alone. */
    if (to != 3 && dup2(to, 3) < 0)
        _exit(1);
    fcntl(3, F_SETFD, FD_CLOEXEC);
    close_range(4, ~0u, 0);
    FILE *out = fdopen(3, "w");
    if (!out)
        _exit(1);
    setvbuf(out, NULL, _IOLBF, 0);
    int status = how->work(how->arg, out);
    fflush(out);
    _exit(status);
}

bool
jobs_begin(struct jobs *js, const struct job_how *how, uint64_t now_ms)
{
    struct job **free_place = NULL;
    for (unsigned i = 0; i < JOBS_MAX; i++) {
        if (!js->list[i])
            free_place = &js->list[i];
    }
    struct job *j = free_place ? calloc(1, sizeof(*j)) : NULL;
    int ends[2];
    if (!j || pipe2(ends, O_CLOEXEC)) {
        free(j);
        return false;
    }
    fflush(NULL);
    pid_t parent = getpid();
    j->pid = fork();
    if (j->pid == 0)
        in_child(how, ends[1], parent);
    close(ends[1]);
    if (j->pid < 0) {
        close(ends[0]);
        free(j);
        return false;
    }
    setpgid(j->pid, j->pid);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    j->how = *how;
    j->pipe = ends[0];
    j->end_ms = now_ms + how->limit_ms;
    *free_place = j;
    return true;
}

/* Waits: after SIGKILL that is at once. */
static void
end_job(struct job *j, int *status)
{
    kill(-j->pid, SIGKILL); /* grandchildren, too */
    kill(j->pid, SIGKILL);
    while (waitpid(j->pid, status, 0) < 0 && errno == EINTR)
        ;
    close(j->pipe);
    cJSON_Delete(j->result);
    free(j->out);
    free(j);
}

void
jobs_stop(struct jobs *js, job_done_fn *done, uint64_t tag)
{
    for (unsigned i = 0; i < JOBS_MAX; i++) {
        struct job *j = js->list[i];
        if (j && j->how.done == done && j->how.tag == tag) {
            js->list[i] = NULL;
            end_job(j, NULL);
        }
    }
}

void
jobs_stop_all(struct jobs *js)
{
    for (unsigned i = 0; i < JOBS_MAX; i++) {
        if (js->list[i])
            end_job(js->list[i], NULL);
        js->list[i] = NULL;
    }
}

unsigned
jobs_poll(const struct jobs *js, struct pollfd *p)
{
    unsigned cnt = 0;
    for (unsigned i = 0; i < JOBS_MAX; i++) {
        if (js->list[i])
            p[cnt++] = (struct pollfd){.fd = js->list[i]->pipe, .events = POLLIN};
    }
    return cnt;
}

static void
take_line(struct job *j, const char *line, size_t len)
{
    cJSON *o = cJSON_ParseWithLength(line, len);
    const cJSON *progress = cJSON_GetObjectItemCaseSensitive(o, "progress");
    if (cJSON_IsString(progress)) {
        if (j->how.line)
            j->how.line(j->how.owner, j->how.tag, progress->valuestring);
        cJSON_Delete(o);
    } else if (cJSON_IsObject(o)) {
        cJSON_Delete(j->result);
        j->result = o;
    } else {
        cJSON_Delete(o);
    }
}

static bool
keep(struct job *j, const char *octets, size_t len)
{
    if ((j->total += len) > JOB_OUT_MAX)
        return false;
    if (j->len + len > j->max) {
        size_t max = (j->len + len) * 2;
        char *more = realloc(j->out, max);
        if (!more)
            return false;
        j->out = more;
        j->max = max;
    }
    memcpy(j->out + j->len, octets, len);
    j->len += len;
    size_t at = 0;
    for (char *nl; (nl = memchr(j->out + at, '\n', j->len - at)); at = (size_t)(nl - j->out) + 1)
        take_line(j, j->out + at, (size_t)(nl - j->out) - at);
    memmove(j->out, j->out + at, j->len - at);
    j->len -= at;
    return true;
}

/* 1: more may come, 0: it has ended, -1: it said too much. */
static int
read_job(struct job *j)
{
    char octets[65536];
    for (unsigned round = 0; round < 16; round++) {
        ssize_t n = read(j->pipe, octets, sizeof(octets));
        if (n == 0)
            return 0;
        if (n < 0)
            return errno == EAGAIN || errno == EINTR ? 1 : 0;
        if (!keep(j, octets, (size_t)n))
            return -1;
    }
    return 1;
}

static void
finish(struct job *j, const char *why)
{
    struct job_how how = j->how;
    cJSON *result = why ? NULL : j->result;
    if (result)
        j->result = NULL;
    int status = 0;
    char text[128];
    end_job(j, &status);
    if (!result && !why) {
        if (WIFSIGNALED(status))
            snprintf(text, sizeof(text), "%s ended by signal %d", how.name, WTERMSIG(status));
        else
            snprintf(text, sizeof(text), "%s ended without a result (%d)", how.name, WEXITSTATUS(status));
        why = text;
    }
    how.done(how.owner, how.tag, result, why ? why : "");
    cJSON_Delete(result);
}

void
jobs_tick(struct jobs *js, uint64_t now_ms)
{
    for (unsigned i = 0; i < JOBS_MAX; i++) {
        struct job *j = js->list[i];
        if (!j)
            continue;
        int more = read_job(j);
        char why[128];
        if (more > 0 && now_ms < j->end_ms)
            continue;
        js->list[i] = NULL;
        if (more < 0)
            snprintf(why, sizeof(why), "%s said more than %d MiB", j->how.name, JOB_OUT_MAX >> 20);
        else if (more > 0)
            snprintf(why, sizeof(why), "%s took longer than %u s", j->how.name, j->how.limit_ms / 1000);
        finish(j, more ? why : NULL);
    }
}
