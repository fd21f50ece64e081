/* The words of announcements. */
#include "control/announce_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const impact_names[IMPACT_CNT] = {"none", "minor", "major", "critical"};

const char *
announce_impact_name(enum announce_impact i)
{
    return (unsigned)i < IMPACT_CNT ? impact_names[i] : "none";
}

bool
announce_impact_parse(const char *name, enum announce_impact *i)
{
    for (int n = 0; n < IMPACT_CNT; n++) {
        if (strcmp(name, impact_names[n]) != 0)
            continue;
        *i = (enum announce_impact)n;
        return true;
    }
    return false;
}

const char *
announce_status_name(enum incident_status s)
{
    static const char *const names[STATUS_CNT] = {"investigating", "identified", "monitoring",
                                                  "resolved"};
    return (unsigned)s < STATUS_CNT ? names[s] : "investigating";
}

const char *
announce_component_id(enum component c)
{
    static const char *const ids[COMPONENT_CNT] = {"mail", "rules", "scanner"};
    return ids[c];
}

const char *
announce_component_name(enum component c)
{
    static const char *const names[COMPONENT_CNT] = {"Mail delivery", "Mail filter rules",
                                                     "Mail scanner"};
    return names[c];
}

const char *
announce_kind_name(uint32_t kind)
{
    static const char *const names[LINK_KIND_CNT] = {
        "all", "sender-suffix", "rcpt-suffix", "rcpt-domain", "rule", "mirror", "error"};
    return kind < LINK_KIND_CNT ? names[kind] : "unknown";
}

void
announce_clean_name(const char *name, char *to, size_t size)
{
    size_t len = 0;
    for (; name[len] && len < size - 1 && len < LINK_NAME_MAX; len++)
        to[len] = name[len] > ' ' && name[len] < 127 ? name[len] : '?';
    to[len] = '\0';
}

static void
one_where_text(const struct where *w, bool is_public, char *to, size_t size)
{
    switch (w->kind) {
    case LINK_KIND_SENDER_SUFFIX:
        snprintf(to, size, "senders under .%s", w->name);
        break;
    case LINK_KIND_RCPT_SUFFIX:
        snprintf(to, size, "recipients under .%s", w->name);
        break;
    case LINK_KIND_RCPT_DOMAIN:
        if (is_public) /* a customer's name */
            snprintf(to, size, "one recipient domain");
        else
            snprintf(to, size, "recipients at %s", w->name);
        break;
    case LINK_KIND_RULE:
        snprintf(to, size, "rule %s", w->name);
        break;
    case LINK_KIND_MIRROR:
        snprintf(to, size, "unwanted mail let through");
        break;
    case LINK_KIND_ERROR:
        snprintf(to, size, "messages that could not be scanned");
        break;
    default:
        snprintf(to, size, "all mail");
    }
}

void
announce_where_text(const struct where *w, uint32_t cnt, bool is_public, char *to, size_t size)
{
    size_t len = 0;
    *to = '\0';
    for (uint32_t i = 0; i < cnt && len < size; i++) {
        char one[LINK_NAME_MAX + 64];
        char more[LINK_NAME_MAX + 128];
        one_where_text(&w[i], is_public, one, sizeof(one));
        snprintf(more, sizeof(more), "%s%s", i ? ", " : "", one);
        if (strstr(to, one))
            continue; /* two domains that are not named */
        len += (size_t)snprintf(to + len, size - len, "%s", more);
    }
}

void
announce_title(uint32_t kind, bool is_live, const struct where *w, uint32_t cnt, char *to,
               size_t size)
{
    const char *what = is_live ? "refused or delayed" : "delayed";
    if (kind == LINK_KIND_MIRROR) {
        snprintf(to, size, "Unwanted mail may have been let through");
        return;
    }
    for (uint32_t i = 0; i < cnt; i++) {
        if (w[i].kind == LINK_KIND_SENDER_SUFFIX || w[i].kind == LINK_KIND_RCPT_SUFFIX) {
            snprintf(to, size, "Some mail %s .%s %s",
                     w[i].kind == LINK_KIND_SENDER_SUFFIX ? "from" : "to", w[i].name, what);
            return;
        }
    }
    snprintf(to, size, "Some mail %s", what);
}

void
announce_time_text(uint64_t time_ms, char *to, size_t size)
{
    struct tm t;
    char date[64];
    time_t seconds = (time_t)(time_ms / 1000);
    if (!gmtime_r(&seconds, &t))
        memset(&t, 0, sizeof(t));
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &t);
    snprintf(to, size, "%s.%03uZ", date, (unsigned)(time_ms % 1000));
}

uint64_t
announce_time_parse(const char *text)
{
    struct tm t = {0};
    const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &t) : NULL;
    if (!rest)
        return 0;
    time_t seconds = timegm(&t);
    unsigned ms = 0;
    if (*rest == '.')
        ms = (unsigned)strtoul(rest + 1, NULL, 10) % 1000;
    return seconds <= 0 ? 0 : (uint64_t)seconds * 1000 + ms;
}

void
announce_duration_text(uint64_t ms, char *to, size_t size)
{
    static const struct {
        uint64_t ms;
        const char *name;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "min"}, {1000, "s"}, {1, "ms"}};
    size_t i = 0;
    while (i < 4 && (ms < units[i].ms || ms % units[i].ms))
        i++;
    snprintf(to, size, "%ju %s", (uintmax_t)(ms / units[i].ms), units[i].name);
}
