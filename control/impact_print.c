/* impact's answers for people. */
#include <ctype.h>
#include <string.h>

#include "control/impact.h"

static const char *
string_of(const cJSON *j, const char *name)
{
    const cJSON *t = cJSON_GetObjectItemCaseSensitive(j, name);
    return cJSON_IsString(t) ? t->valuestring : "";
}

static double
number_of(const cJSON *j, const char *name)
{
    const cJSON *n = cJSON_GetObjectItemCaseSensitive(j, name);
    return cJSON_IsNumber(n) ? n->valuedouble : 0;
}

/* Senders choose what stands in their mail: nothing of it may move the terminal's cursor. */
static void
print_text(const char *text, FILE *to)
{
    for (; *text; text++)
        fputc((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text, to);
}

static void
print_first(const cJSON *list, FILE *to)
{
    const cJSON *first = cJSON_GetArrayItem(list, 0);
    int more = cJSON_GetArraySize(list) - 1;
    print_text(cJSON_IsString(first) ? first->valuestring : "-", to);
    if (more > 0)
        fprintf(to, " and %d more", more);
}

static bool
print_failure(const cJSON *answer, FILE *to)
{
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(answer, "ok")))
        return false;
    print_text(string_of(answer, "error"), to);
    fputc('\n', to);
    return true;
}

/* ---- affected ---- */

static void
print_domains(const cJSON *answer, FILE *to)
{
    const cJSON *domain;
    if (cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(answer, "domains")) == 0)
        return;
    fprintf(to, "\n%8s %8s %9s  %-32s %s\n", "refused", "deferred", "delivered", "customer domain", "for example");
    cJSON_ArrayForEach(domain, cJSON_GetObjectItemCaseSensitive(answer, "domains")) {
        const char *name = string_of(domain, "domain");
        int width = (int)strlen(name) < 32 ? 32 - (int)strlen(name) : 0;
        char later[32] = "?";
        if (cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(domain, "delivered_later")))
            snprintf(later, sizeof(later), "%.0f", number_of(domain, "delivered_later"));
        fprintf(to, "%8.0f %8.0f %9s  ", number_of(domain, "refused"), number_of(domain, "deferred"), later);
        print_text(*name ? name : "(none)", to);
        fprintf(to, "%*s ", *name ? width : 26, "");
        print_first(cJSON_GetObjectItemCaseSensitive(domain, "samples"), to);
        fputc('\n', to);
    }
    if (number_of(answer, "domains_left_off") > 0)
        fprintf(to, "%28s %.0f more domains\n", "", number_of(answer, "domains_left_off"));
}

static void
print_messages(const cJSON *answer, FILE *to)
{
    const cJSON *m;
    cJSON_ArrayForEach(m, cJSON_GetObjectItemCaseSensitive(answer, "messages")) {
        if (m == cJSON_GetObjectItemCaseSensitive(answer, "messages")->child)
            fputc('\n', to);
        print_text(string_of(m, "time"), to);
        fputs("  ", to);
        print_text(string_of(m, "id"), to);
        fprintf(to, "  %-6s%s  <", string_of(m, "verdict"),
                cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(m, "delivered_later")) ? " (delivered later)" : "");
        print_text(string_of(m, "mail_from"), to);
        fputs("> to ", to);
        print_first(cJSON_GetObjectItemCaseSensitive(m, "rcpt"), to);
        fputs("  ", to);
        print_first(cJSON_GetObjectItemCaseSensitive(m, "rules"), to);
        fputc('\n', to);
    }
    if (number_of(answer, "left_off") > 0)
        fprintf(to, "... and %.0f more messages\n", number_of(answer, "left_off"));
}

void
impact_print_affected(const cJSON *answer, FILE *to)
{
    if (print_failure(answer, to))
        return;
    double refused = number_of(answer, "refused"), deferred = number_of(answer, "deferred");
    fprintf(to, "generation %.0f refused %.0f messages and deferred %.0f", number_of(answer, "generation"), refused, deferred);
    if (refused + deferred > 0)
        fprintf(to, ", from %s to %s", string_of(answer, "since"), string_of(answer, "until"));
    fprintf(to, "\n%.0f of them another generation would have let through; ", number_of(answer, "accepted_by_another"));
    if (cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(answer, "delivered_later")))
        fprintf(to, "%.0f were delivered later\n", number_of(answer, "delivered_later"));
    else
        fputs("how many were delivered later takes too long to find out\n", to);
    if (number_of(answer, "not_looked_at") > 0)
        fprintf(to, "what follows leaves out the oldest %.0f\n", number_of(answer, "not_looked_at"));
    if (number_of(answer, "lost") > 0)
        fprintf(to, "%.0f records were lost: there may be more\n", number_of(answer, "lost"));
    print_domains(answer, to);
    print_messages(answer, to);
}

/* ---- trace ---- */

static void
print_verdicts(const cJSON *m, FILE *to)
{
    const cJSON *v, *rule;
    cJSON_ArrayForEach(v, cJSON_GetObjectItemCaseSensitive(m, "verdicts")) {
        fprintf(to, "  generation %.0f (%s): ", number_of(v, "generation"),
                *string_of(v, "state") ? string_of(v, "state") : "not in the journal");
        print_text(string_of(v, "verdict"), to);
        fprintf(to, ", %.3f points\n", number_of(v, "score"));
        cJSON_ArrayForEach(rule, cJSON_GetObjectItemCaseSensitive(v, "rules")) {
            fputs("    ", to);
            if (cJSON_GetObjectItemCaseSensitive(rule, "score"))
                fprintf(to, "%8.3f ", number_of(rule, "score"));
            print_text(string_of(rule, "name"), to);
            fputs("  ", to);
            print_text(string_of(rule, "describe"), to);
            fputc('\n', to);
        }
    }
}

static void
print_around(const cJSON *m, FILE *to)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, cJSON_GetObjectItemCaseSensitive(m, "tries")) {
        fputs("  also tried ", to);
        print_text(string_of(one, "time"), to);
        fputs("  ", to);
        print_text(string_of(one, "id"), to);
        fputs("  ", to);
        print_text(string_of(one, "verdict"), to);
        fputc('\n', to);
    }
    cJSON_ArrayForEach(one, cJSON_GetObjectItemCaseSensitive(m, "events_around")) {
        fputs("  journal ", to);
        print_text(string_of(one, "time"), to);
        fprintf(to, "  generation %.0f  ", number_of(one, "generation"));
        print_text(string_of(one, "event"), to);
        fputc(' ', to);
        print_text(string_of(one, "state"), to);
        fputc('\n', to);
    }
}

void
impact_print_trace(const cJSON *answer, FILE *to)
{
    const cJSON *m;
    if (print_failure(answer, to))
        return;
    cJSON_ArrayForEach(m, cJSON_GetObjectItemCaseSensitive(answer, "messages")) {
        print_text(string_of(m, "id"), to);
        fputs("  ", to);
        print_text(string_of(m, "time"), to);
        fputs("  <", to);
        print_text(string_of(m, "mail_from"), to);
        fputs("> to ", to);
        print_first(cJSON_GetObjectItemCaseSensitive(m, "rcpt"), to);
        fputs(" from ", to);
        print_text(string_of(m, "src"), to);
        fputs("\n  ", to);
        print_text(string_of(m, "text"), to);
        fputc('\n', to);
        print_verdicts(m, to);
        print_around(m, to);
    }
}
