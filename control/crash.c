#include "control/crash.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const records[] = {
    "push",  "load",      "preflight", "trip",   "acknowledged", "release",   "restore",  "reconciled",  "COMPILED",
    "PREFLIGHT", "STAGED", "SHADOW",   "CANARY", "PROBATION",    "LIVE",      "RETIRED",  "HELD",        "REJECTED",
    "ROLLED_BACK", "QUARANTINED"};
static const char *const asks[] = {"LOAD", "LOAD-live", "SHADOW", "CANARY", "PROBATION", "LIVE", "DROP", "RETURN", "RENEW"};
static const char *const others[] = {"start:opened", "start:replayed", "snapshot:begun", "snapshot:half",
                                     "snapshot:copied", "compile:kept", "preflight:written",
                                     "copy:made", "prune:begun", "prune:half", "answer:push"};

#define CNT(a) (sizeof(a) / sizeof((a)[0]))

static char chosen[64];
static unsigned long skips; /* places of that name to be passed first */
static pid_t controller;

void
crash_list(FILE *to)
{
    for (size_t i = 0; i < CNT(records); i++)
        fprintf(to, "before-record:%s\nafter-record:%s\n", records[i], records[i]);
    for (size_t i = 0; i < CNT(asks); i++)
        fprintf(to, "before-ask:%s\nafter-ask:%s\nanswered:%s\n", asks[i], asks[i], asks[i]);
    for (size_t i = 0; i < CNT(others); i++)
        fprintf(to, "%s\n", others[i]);
}

int
crash_init(void)
{
    const char *name = getenv("WEIR_CRASH_POINT");
    const char *skip = getenv("WEIR_CRASH_SKIP");
    controller = getpid();
    skips = skip ? strtoul(skip, NULL, 10) : 0;
    if (!name || !*name)
        return 0;
    char *list = NULL;
    size_t len;
    FILE *f = open_memstream(&list, &len);
    if (!f)
        return -1;
    crash_list(f);
    fclose(f);
    char line[sizeof(chosen) + 1];
    snprintf(line, sizeof(line), "%s\n", name);
    const char *at = strstr(list, line);
    int ret = at && (at == list || at[-1] == '\n') ? 0 : -1;
    free(list);
    if (ret == 0)
        snprintf(chosen, sizeof(chosen), "%s", name);
    else
        fprintf(stderr, "weir-control: WEIR_CRASH_POINT=%s: there is no such place\n", name);
    return ret;
}

void
crash_here(const char *where, const char *name)
{
    if (!*chosen)
        return;
    size_t len = strlen(where);
    if (strncmp(chosen, where, len) || (name ? chosen[len] != ':' || strcmp(chosen + len + 1, name) : chosen[len]))
        return;
    if (skips && skips--)
        return;
    kill(controller, SIGKILL);
    kill(getpid(), SIGKILL);
}
