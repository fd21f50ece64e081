/* weir-control: the process that compiles, proves, pushes, watches and returns rule sets. */
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/controller.h"
#include "control/crash.h"

static int
usage(FILE *to, int code)
{
    fputs("weir-control --config FILE [--check]\n"
          "  --config FILE    appliance.cfg\n"
          "  --check          validates it, prints what is in effect; exit 0 or 1\n"
          "  --crash-points   lists the names for WEIR_CRASH_POINT, for tests\n",
          to);
    return code;
}

/* Makes `path` (and the folders above it) for the user that we will be. */
static int
make_folder(const char *path, const struct passwd *user, mode_t mode)
{
    char at[512];
    snprintf(at, sizeof(at), "%s", path);
    for (char *slash = strchr(at + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(at, 0755) && errno != EEXIST)
            return controller_log("%s: %s", at, strerror(errno)), -1;
        *slash = '/';
    }
    bool is_new = mkdir(at, mode) == 0;
    if (!is_new && errno != EEXIST)
        return controller_log("%s: %s", at, strerror(errno)), -1;
    if (is_new && user && chown(at, user->pw_uid, user->pw_gid))
        return controller_log("%s: %s", at, strerror(errno)), -1;
    return 0;
}

/* For good: another user, its groups (one of which the data plane's socket belongs to), no way to more. */
static int
drop_privileges(const struct passwd *user)
{
    if (user && (initgroups(user->pw_name, user->pw_gid) || setgid(user->pw_gid) || setuid(user->pw_uid)))
        return controller_log("cannot become %s: %s", user->pw_name, strerror(errno)), -1;
    if (user && user->pw_uid != 0 && setuid(0) == 0)
        return controller_log("could become root again"), -1;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
        return controller_log("prctl: %s", strerror(errno)), -1;
    return 0;
}

static int
folder_of_socket(const char *socket_path)
{
    char folder[sizeof(((struct settings *)0)->socket)];
    snprintf(folder, sizeof(folder), "%s", socket_path);
    char *slash = strrchr(folder, '/');
    if (!slash || slash == folder)
        return 0;
    *slash = '\0';
    return make_folder(folder, NULL, 0755);
}

static int
run(const struct settings *s)
{
    static struct controller c;
    char err[512];
    const struct passwd *found = *s->user ? getpwnam(s->user) : NULL;
    if (*s->user && !found)
        return controller_log("[control] user = %s: there is no such user", s->user), 1;
    struct passwd *user = geteuid() == 0 && found ? (struct passwd[]){*found} : NULL;
    umask(027);
    if (make_folder(s->state, user, 0750) || folder_of_socket(s->socket))
        return 1;
    struct admin_settings as = {.request = desk_request, .owner = &c};
    snprintf(as.read_group, sizeof(as.read_group), "%s", s->read_group);
    snprintf(as.push_group, sizeof(as.push_group), "%s", s->push_group);
    if (controller_lock(&c, s))
        return 1;
    if (user && fchown(c.lock_fd, user->pw_uid, user->pw_gid))
        return controller_log("%s/lock: %s", s->state, strerror(errno)), 1;
    c.admin = admin_open(s->socket, &as, err, sizeof(err));
    if (!c.admin)
        return controller_log("%s", err), 1;
    if (drop_privileges(user) || controller_open(&c))
        return 1;
    controller_log("ready on %s", s->socket);
    controller_run(&c);
    controller_close(&c);
    return 0;
}

int
main(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"check", no_argument, NULL, 'k'},
                                            {"crash-points", no_argument, NULL, 'p'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    static struct settings settings;
    const char *config = NULL;
    bool is_check = false;
    for (int o; (o = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (o == 'c')
            config = optarg;
        else if (o == 'k')
            is_check = true;
        else if (o == 'p')
            return crash_list(stdout), 0;
        else
            return usage(o == 'h' ? stdout : stderr, o == 'h' ? 0 : 2);
    }
    if (!config || optind != argc)
        return usage(stderr, 2);
    if (settings_read(&settings, config, stderr))
        return 1;
    if (is_check)
        return settings_print(&settings, stdout), 0;
    if (!*settings.link_socket)
        return controller_log("%s: [link] socket is empty: the data plane opens none", config), 1;
    return crash_init() ? 1 : run(&settings);
}
