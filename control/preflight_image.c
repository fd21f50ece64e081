/* limits and load: what the image weighs, and whether the consumer's loader takes it, in a child. */
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <string.h>
#include <sys/stat.h>

#include "control/clock.h"
#include "control/preflight_check.h"
#include "scan/ruleset.h"

enum { LOAD_MS = 120 * 1000, LOAD_SLACK_MIB = 256 };

bool
preflight_check_limits(struct preflight *p, cJSON *found, char *text)
{
    struct stat st;
    if (stat(p->job->candidate_image, &st)) {
        snprintf(text, PREFLIGHT_TEXT_MAX, "the image cannot be read: %s", strerror(errno));
        return false;
    }
    double mib = (double)st.st_size / (1 << 20);
    cJSON_AddNumberToObject(found, "image_octets", (double)st.st_size);
    cJSON_AddNumberToObject(found, "compile_seconds", p->job->compile_seconds);
    snprintf(text, PREFLIGHT_TEXT_MAX, "image %.1f MiB of %" PRIu32 ", compiled in %.1f s of %" PRIu32, mib,
             p->s->image_mib, p->job->compile_seconds, p->s->compile_s);
    return mib <= p->s->image_mib && p->job->compile_seconds <= p->s->compile_s;
}

/* Octets that this process has asked for. Not its resident set: what the parent had freed before the fork is resident
 * already. */
static double
allocated(void)
{
    struct mallinfo2 m = mallinfo2();
    return (double)m.uordblks + (double)m.hblkhd;
}

static cJSON *
load(void *owner, struct preflight_pulse *pulse)
{
    const struct preflight *p = owner;
    double before = allocated(), begin = clock_seconds();
    struct ruleset *rs = preflight_load(p->job->candidate_image, pulse->why, sizeof(pulse->why));
    if (!rs)
        return NULL;
    cJSON *j = cJSON_CreateObject();
    cJSON_AddNumberToObject(j, "load_seconds", clock_seconds() - begin);
    cJSON_AddNumberToObject(j, "memory_octets", allocated() - before);
    cJSON_AddNumberToObject(j, "rules", ruleset_rule_cnt(rs));
    cJSON_AddStringToObject(j, "digest", ruleset_digest(rs));
    return j;
}

static double
number(const cJSON *j, const char *name)
{
    const cJSON *n = cJSON_GetObjectItem(j, name);
    return cJSON_IsNumber(n) ? n->valuedouble : 0;
}

bool
preflight_check_load(struct preflight *p, cJSON *found, char *text)
{
    struct preflight_question q = {.memory_max = (uint64_t)(p->s->memory_mib + p->s->image_mib + LOAD_SLACK_MIB) << 20,
                                   .total_ms = LOAD_MS,
                                   .make = load,
                                   .owner = p};
    cJSON *j = preflight_ask(&q, text, PREFLIGHT_TEXT_MAX);
    if (!j)
        return false;
    static const char *const keys[] = {"load_seconds", "memory_octets", "rules", "digest"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        cJSON *item = cJSON_DetachItemFromObject(j, keys[i]);
        if (item)
            cJSON_AddItemToObject(found, keys[i], item);
    }
    cJSON_Delete(j);
    double mib = number(found, "memory_octets") / (1 << 20);
    snprintf(text, PREFLIGHT_TEXT_MAX, "%.0f rules loaded in %.2f s, %.1f MiB of memory of %" PRIu32,
             number(found, "rules"), number(found, "load_seconds"), mib, p->s->memory_mib);
    return mib <= p->s->memory_mib;
}
