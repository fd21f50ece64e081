/* weirctl check: the one configuration file, as both processes read it. The data plane's part needs
 * its own reader (which knows its devices), so that process is asked: `weir-dataplane --config FILE
 * --check`. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/client.h"
#include "control/settings.h"
#include "control/verbs.h"

enum { OUTPUT_MAX = 65536 };

/* Beside weirctl as installed, or as built. False: it is in neither place. */
static bool
find_dataplane(char *path, size_t size)
{
    static const char *const places[] = {"weir-dataplane", "../dataplane/weir-dataplane",
                                         "../sbin/weir-dataplane", "../libexec/weir-dataplane"};
    char self[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (len <= 0)
        return false;
    self[len] = '\0';
    char *slash = strrchr(self, '/');
    for (size_t i = 0; slash && i < sizeof(places) / sizeof(*places); i++) {
        int whole = snprintf(path, size, "%.*s%s", (int)(slash + 1 - self), self, places[i]);
        if (whole > 0 && (size_t)whole < size && access(path, X_OK) == 0)
            return true;
    }
    return false;
}

/* What it says on stderr goes to errors; on stdout the part in effect, to effective. Its exit code;
 * -1: not run. */
static int
ask_dataplane(const char *program, const char *config, FILE *errors, FILE *effective)
{
    int out[2];
    int err[2];
    if (pipe2(out, O_CLOEXEC) != 0)
        return -1;
    if (pipe2(err, O_CLOEXEC) != 0) {
        close(out[0]);
        close(out[1]);
        return -1;
    }
    pid_t pid = fork();
    if (pid == 0) {
        char *argv[] = {(char *)(uintptr_t)program, (char *)(uintptr_t) "--config",
                        (char *)(uintptr_t)config, (char *)(uintptr_t) "--check", NULL};
        dup2(out[1], 1);
        dup2(err[1], 2);
        execv(program, argv);
        _exit(127);
    }
    close(out[1]);
    close(err[1]);
    struct pollfd p[2] = {{out[0], POLLIN, 0}, {err[0], POLLIN, 0}};
    for (size_t sum = 0; pid > 0 && (p[0].fd >= 0 || p[1].fd >= 0);) {
        poll(p, 2, -1);
        for (int i = 0; i < 2; i++) {
            char octets[4096];
            ssize_t n = p[i].fd >= 0 && p[i].revents ? read(p[i].fd, octets, sizeof(octets)) : -2;
            if (n == 0 || (n == -1 && errno != EINTR))
                p[i].fd = -1;
            sum += n > 0 ? (size_t)n : 0;
            if (n > 0 && sum < OUTPUT_MAX)
                fwrite(octets, 1, (size_t)n, i ? errors : effective);
        }
    }
    int status = 0;
    close(out[0]);
    close(err[0]);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}

struct outcome {
    const char *config;
    char *errors, *effective;
    bool is_ok;
    bool is_half; /* the data plane's program was not there */
};

static cJSON *
outcome_json(const struct outcome *o)
{
    cJSON *j = cJSON_CreateObject();
    cJSON_AddBoolToObject(j, "ok", o->is_ok);
    cJSON_AddStringToObject(j, "config", o->config);
    cJSON_AddBoolToObject(j, "dataplane_checked", !o->is_half);
    cJSON *list = cJSON_AddArrayToObject(j, "errors");
    for (char *line = strtok(o->errors, "\n"); line; line = strtok(NULL, "\n"))
        cJSON_AddItemToArray(list, cJSON_CreateString(line));
    return j;
}

static void
say_outcome(const struct outcome *o, bool prints_all)
{
    fputs(o->errors, stderr);
    if (prints_all)
        fputs(o->effective, stdout);
    if (o->is_half)
        fprintf(
            stderr,
            "weirctl check: weir-dataplane is not beside weirctl: its part was not looked at\n");
    if (o->is_ok && !prints_all)
        printf("%s: ok%s\n", o->config, o->is_half ? " (weir-control's part)" : "");
}

static void
check(struct outcome *o)
{
    static struct settings settings;
    size_t len;
    char program[PATH_MAX];
    FILE *errors = open_memstream(&o->errors, &len);
    FILE *effective = open_memstream(&o->effective, &len);
    if (!errors || !effective)
        abort();
    o->is_ok = settings_read(&settings, o->config, errors) == 0;
    o->is_half = !find_dataplane(program, sizeof(program));
    bool is_there = access(o->config, R_OK) == 0; /* else it was said, once */
    int result = o->is_half || !is_there ? 0 : ask_dataplane(program, o->config, errors, effective);
    if (result < 0 || result > 1)
        fprintf(errors, "%s --check: could not be run\n", program);
    if (o->is_ok)
        settings_print(&settings, effective);
    o->is_ok = o->is_ok && result == 0;
    fclose(errors);
    fclose(effective);
}

int
verb_check(int argc, char **argv)
{
    enum { PRINT = 300 };
    static const struct option options[] = {
        CLIENT_OPTIONS, {"print", no_argument, NULL, PRINT}, {0}};
    struct client c;
    bool prints_all = false;
    int code;
    client_init(&c, "check");
    for (int o; (o = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (o == PRINT)
            prints_all = true;
        else if (o == 's')
            return verb_usage_error("check", "no process is asked: there is no --socket");
        else if (!client_option(&c, o, optarg, &code))
            return code;
    }
    if (argc - optind > 1)
        return verb_usage_error("check", "takes one CONFIG");
    struct outcome o = {.config = optind < argc ? argv[optind] : "/etc/weir/appliance.cfg"};
    check(&o);
    if (c.wants_json) {
        verb_print_json(outcome_json(&o));
    } else {
        say_outcome(&o, prints_all);
    }
    free(o.errors);
    free(o.effective);
    return o.is_ok ? VERB_DONE : VERB_REFUSED;
}
