/* What weirctl prints for people: times, counts, evidence, trips and reports. */
#include "control/client.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *
say_ms(double ms, char text[SAY_MAX])
{
    static const struct {
        double ms;
        const char *name;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "min"}, {1000, "s"}, {1, "ms"}};
    size_t i = 0;
    while (i < 4 && ms < (i == 3 ? 1 : 2) * units[i].ms) /* 90 s rather than 1.5 min */
        i++;
    double n = ms / units[i].ms;
    snprintf(text, SAY_MAX, n < 10 && n != floor(n) && i != 4 ? "%.1f %s" : "%.0f %s", n,
             units[i].name);
    return text;
}

const char *
say_since(const char *time_text, char text[SAY_MAX])
{
    struct tm t = {0};
    struct tm now_tm;
    char ago[SAY_MAX];
    time_t now = time(NULL);
    if (!strptime(time_text, "%Y-%m-%dT%H:%M:%S", &t)) {
        snprintf(text, SAY_MAX, "%s", "at an unknown time");
        return text;
    }
    double ms = 1000.0 * (double)(now - timegm(&t));
    gmtime_r(&now, &now_tm);
    bool is_today = t.tm_year == now_tm.tm_year && t.tm_yday == now_tm.tm_yday &&
                    t.tm_mday == now_tm.tm_mday && t.tm_mon == now_tm.tm_mon;
    snprintf(text, SAY_MAX, "%.*s%s%.8s UTC (%s%s)", is_today ? 0 : 10, time_text,
             is_today ? "" : " ", time_text + 11,
             ms < -999 ? "in the future" : ms < 1000 ? "just now" : say_ms(ms, ago), ms < 1000 ? "" : " ago");
    return text;
}

const char *
say_count(double n, char text[SAY_MAX])
{
    char digits[32];
    size_t to = 0;
    if (!(n >= 0 && n < 1e18))
        return snprintf(text, SAY_MAX, "%.4g", n), text;
    int len = snprintf(digits, sizeof(digits), "%.0f", n);
    for (int i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0)
            text[to++] = ',';
        text[to++] = digits[i];
    }
    text[to] = '\0';
    return text;
}

const char *
say_e(double log_e, char text[SAY_MAX])
{
    if (log_e > 690)
        snprintf(text, SAY_MAX, "1e+%.0f", log_e / log(10));
    else
        snprintf(text, SAY_MAX, "%.2g", exp(log_e));
    return text;
}

static const char *
kind_words(const char *kind)
{
    static const struct {
        const char *kind, *words;
    } known[] = {{"all", "all mail"},     {"sender-suffix", "from ."}, {"rcpt-suffix", "to ."},
                 {"rcpt-domain", "to @"}, {"rule", "rule "},           {"mirror", "let through"},
                 {"error", "scan errors"}};
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        if (!strcmp(kind, known[i].kind))
            return known[i].words;
    }
    return kind;
}

void
say_evidence(const cJSON *e, unsigned strata_max)
{
    char n[SAY_MAX];
    char k[SAY_MAX];
    char m[SAY_MAX];
    char trip[SAY_MAX];
    const cJSON *s;
    unsigned cnt = 0;
    bool trips = say_number(e, "log_m") >= say_number(e, "log_trip");
    if (!cJSON_IsObject(e))
        return;
    say_row("evidence", "%s of %s newly rejected; evidence of harm %s, returns at %s%s",
            say_count(say_number(e, "k"), k), say_count(say_number(e, "n"), n),
            say_e(say_number(e, "log_m"), m), say_e(say_number(e, "log_trip"), trip),
            trips ? ": HARM" : "");
    cJSON_ArrayForEach(s, say_member(e, "strata"))
    {
        char name[160];
        char share[32];
        double units = say_number(s, "n");
        if (cnt++ == strata_max)
            break;
        snprintf(name, sizeof(name), "%s%s", kind_words(say_text(s, "kind")), say_text(s, "name"));
        snprintf(share, sizeof(share), "%.1f %%", units > 0 ? 100 * say_number(s, "k") / units : 0);
        say_row("", "  %-28s %9s of %-9s %8s  %s%s%s", name, say_count(say_number(s, "k"), k),
                say_count(units, n), share, say_e(say_number(s, "log_e"), m),
                say_bool(s, "localised") ? "  <- here" : "",
                say_bool(s, "proven") ? "  proven" : "");
    }
}

void
say_trip(const cJSON *t)
{
    char since[SAY_MAX];
    char where[160] = "";
    if (!cJSON_IsObject(t))
        return;
    if (*say_text(t, "name") || !strcmp(say_text(t, "kind"), "mirror"))
        snprintf(where, sizeof(where), ", %s%s: %.0f of %.0f", kind_words(say_text(t, "kind")),
                 say_text(t, "name"), say_number(t, "k"), say_number(t, "n"));
    say_row("last return", "%s: generation %.0f back to %.0f (%s%s)%s%s",
            say_since(say_text(t, "time"), since), say_number(t, "generation"),
            say_number(t, "back_to"), say_text(t, "reason"), where,
            say_bool(t, "by_data_plane") ? ", by the data plane alone" : "",
            *say_text(t, "text") ? "" : "");
    if (*say_text(t, "text"))
        say_row("", "  %s", say_text(t, "text"));
}

void
say_checks(const cJSON *report, bool failed_only)
{
    const cJSON *check;
    char took[SAY_MAX];
    if (!cJSON_IsObject(report))
        return;
    say_row("pre-flight", "%s, %s", say_bool(report, "ok") ? "passed" : "NOT PASSED",
            say_ms(1000 * say_number(report, "seconds"), took));
    cJSON_ArrayForEach(check, say_member(report, "checks"))
    {
        bool is_ok = say_bool(check, "ok");
        if (!is_ok || !failed_only)
            say_row("", "  %-4s %-9s %s", is_ok ? "ok" : "FAIL", say_text(check, "name"),
                    say_text(check, "text"));
    }
}

void
say_needs(const cJSON *needs)
{
    char text[512] = "";
    size_t len = 0;
    const cJSON *need;
    cJSON_ArrayForEach(need, needs)
    {
        char have[SAY_MAX];
        char want[SAY_MAX];
        bool is_time = !strcmp(say_text(need, "what"), "time");
        if (say_number(need, "have") >= say_number(need, "need") || len >= sizeof(text))
            continue;
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s %s of %s", len ? "; " : "",
                                say_text(need, "what"),
                                is_time ? say_ms(say_number(need, "have"), have)
                                        : say_count(say_number(need, "have"), have),
                                is_time ? say_ms(say_number(need, "need"), want)
                                        : say_count(say_number(need, "need"), want));
    }
    if (*text)
        say_row("", "waits for: %s", text);
}
