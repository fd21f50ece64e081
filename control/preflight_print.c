/* The report for people: a line a check, then what they found that has to be known. */
#include <string.h>

#include "control/preflight.h"

enum { PRINTED_MAX = 10 };

static const char *
text_of(const cJSON *j, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(j, name));
    return text ? text : "";
}

static double
number_of(const cJSON *j, const char *name)
{
    const cJSON *n = cJSON_GetObjectItem(j, name);
    return cJSON_IsNumber(n) ? n->valuedouble : 0;
}

/* "a, b, c, ..": at most `max` of them. */
static void
print_names(const cJSON *list, int max, FILE *to)
{
    int at = 0;
    const cJSON *j;
    cJSON_ArrayForEach(j, list)
    {
        if (at == max) {
            fprintf(to, ", ..");
            return;
        }
        fprintf(to, "%s%s", at++ ? ", " : "", cJSON_IsString(j) ? j->valuestring : "");
    }
}

static void
print_hits(const cJSON *check, FILE *to)
{
    const cJSON *hits = cJSON_GetObjectItem(check, "hits"), *j;
    int at = 0;
    cJSON_ArrayForEach(j, hits)
    {
        if (at++ == PRINTED_MAX) {
            fprintf(to, "             .. and %d more\n", cJSON_GetArraySize(hits) - PRINTED_MAX);
            return;
        }
        fprintf(to, "             %s%s by ", text_of(j, "suffix"),
                cJSON_IsTrue(cJSON_GetObjectItem(j, "declared")) ? " (declared)" : "");
        print_names(cJSON_GetObjectItem(j, "rules"), 4, to);
        fprintf(to, " in ");
        print_names(cJSON_GetObjectItem(j, "places"), 6, to);
        fprintf(to, "\n");
    }
}

static void
print_warnings(const cJSON *check, FILE *to)
{
    const cJSON *list = cJSON_GetObjectItem(check, "warnings"), *j;
    int at = 0;
    cJSON_ArrayForEach(j, list)
    {
        if (at++ == PRINTED_MAX) {
            fprintf(to, "             .. and %d more\n", cJSON_GetArraySize(list) - PRINTED_MAX);
            return;
        }
        fprintf(to, "             warning: %s\n", cJSON_IsString(j) ? j->valuestring : "");
    }
}

static void
print_changed(const cJSON *report, FILE *to)
{
    const cJSON *list = cJSON_GetObjectItem(report, "changed"), *j;
    int at = 0;
    cJSON_ArrayForEach(j, list)
    {
        if (at == 0)
            fprintf(to, "changed verdicts:\n");
        if (at++ == PRINTED_MAX) {
            fprintf(to, "    .. and %d more\n", cJSON_GetArraySize(list) - PRINTED_MAX);
            return;
        }
        fprintf(to, "    %s %s: %s %.1f -> %s %.1f by ", text_of(j, "kind"), text_of(j, "mail"), text_of(j, "live"),
                number_of(j, "score_live"), text_of(j, "candidate"), number_of(j, "score"));
        print_names(cJSON_GetObjectItem(j, "rules"), 4, to);
        fprintf(to, "\n");
    }
}

static void
print_diagnostics(const cJSON *check, FILE *to)
{
    const cJSON *list = cJSON_GetObjectItem(check, "diagnostics"), *j;
    int at = 0;
    if (cJSON_IsTrue(cJSON_GetObjectItem(check, "ok")))
        return;
    cJSON_ArrayForEach(j, list)
    {
        if (at++ < PRINTED_MAX)
            fprintf(to, "             %s\n", cJSON_IsString(j) ? j->valuestring : "");
    }
}

void
preflight_print(const cJSON *report, FILE *to)
{
    const cJSON *j;
    cJSON_ArrayForEach(j, cJSON_GetObjectItem(report, "checks"))
    {
        bool ok = cJSON_IsTrue(cJSON_GetObjectItem(j, "ok"));
        fprintf(to, "%-6s %-9s %s (%.1f s)\n", ok ? "ok" : "NOT OK", text_of(j, "name"), text_of(j, "text"),
                number_of(j, "seconds"));
        print_diagnostics(j, to);
        print_hits(j, to);
        print_warnings(j, to);
    }
    print_changed(report, to);
    fprintf(to, "%s: %s, %.1f s\n", cJSON_IsTrue(cJSON_GetObjectItem(report, "ok")) ? "PASSED" : "FAILED",
            text_of(report, "text"), number_of(report, "seconds"));
}
