#include "control/rulescache.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *
joined(const char *folder, const char *below)
{
    char *path = NULL;
    if (asprintf(&path, "%s%s", folder, below) < 0)
        abort();
    return path;
}

/* NULL: neither the environment nor a home says where. */
static char *
find(bool *is_asked)
{
    const char *named = getenv("WEIR_CACHE");
    const char *xdg = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    *is_asked = named && *named;
    if (*is_asked)
        return joined(named, "");
    if (xdg && *xdg == '/') /* relative ones are invalid: XDG Base Directory Specification */
        return joined(xdg, "/weir");
    return home && *home == '/' ? joined(home, "/.cache/weir") : NULL;
}

/* Makes every folder of the path that is not there. */
static int
make(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    return mkdir(path, 0700) && errno != EEXIST ? -1 : 0;
}

/* NULL, or why the folder is not to be used. */
static const char *
objection(const char *path, bool *is_danger)
{
    struct stat st;
    *is_danger = false;
    if (stat(path, &st))
        return strerror(errno);
    if (!S_ISDIR(st.st_mode))
        return "it is no folder";
    *is_danger = true;
    if (st.st_uid != geteuid())
        return "somebody else owns it";
    if (st.st_mode & (S_IWGRP | S_IWOTH))
        return "others may write to it";
    *is_danger = false;
    return access(path, R_OK | W_OK | X_OK) ? strerror(errno) : NULL;
}

char *
rulescache_folder(void)
{
    bool is_asked, is_danger = false;
    char *path = find(&is_asked);
    if (!path)
        return NULL;
    const char *why = make(path) ? strerror(errno) : objection(path, &is_danger);
    if (!why)
        return path;
    if (is_asked || is_danger)
        fprintf(stderr, "weirctl: compiled patterns are not kept in %s: %s\n", path, why);
    free(path);
    return NULL;
}
