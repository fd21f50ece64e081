#include "scan/event.h"

#include <string.h>

static const struct {
    const char *name;
    const char *why;
    enum verdict action;
} events[EVENT_CNT] = {
#define X(id, text, act, reason) [EVENT_##id] = {text, reason, VERDICT_##act},
    EVENT_LIST(X)
#undef X
};

const char *
event_name(enum event e)
{
    return (unsigned)e < EVENT_CNT ? events[e].name : "?";
}

const char *
event_why(enum event e)
{
    return (unsigned)e < EVENT_CNT ? events[e].why : "?";
}

enum verdict
event_default_action(enum event e)
{
    return (unsigned)e < EVENT_CNT ? events[e].action : VERDICT_ACCEPT;
}

enum event
event_parse(const char *name)
{
    for (unsigned i = 0; i < EVENT_CNT; i++) {
        if (strcmp(name, events[i].name) == 0)
            return (enum event)i;
    }
    return EVENT_CNT;
}
