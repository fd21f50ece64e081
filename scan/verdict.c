#include "scan/verdict.h"

#include <string.h>

static const char *const names[VERDICT_CNT] = {
    [VERDICT_ACCEPT] = "accept", [VERDICT_TAG] = "tag",       [VERDICT_DEFER] = "defer",
    [VERDICT_CLOSE] = "close",   [VERDICT_REFUSE] = "refuse", [VERDICT_DROP] = "drop",
};

const char *
verdict_name(enum verdict v)
{
    return (unsigned)v < VERDICT_CNT ? names[v] : "?";
}

bool
verdict_parse(const char *name, enum verdict *v)
{
    if (strcmp(name, "pass") == 0) {
        *v = VERDICT_ACCEPT;
        return true;
    }
    for (unsigned i = 0; i < VERDICT_CNT; i++) {
        if (strcmp(name, names[i]) == 0) {
            *v = (enum verdict)i;
            return true;
        }
    }
    return false;
}
