/* weirctl status: everything that is, in one view; with --link what the data plane says of itself.
 */
#include <getopt.h>
#include <string.h>

#include "control/client.h"
#include "control/linkcmd.h"
#include "control/verbs.h"

/* "7  LIVE since ...  1,630 rules  3f2a..." */
static void
print_role(const char *label, const cJSON *role)
{
    char since[SAY_MAX];
    char rules[SAY_MAX];
    char by[160] = "";
    if (!cJSON_IsObject(role)) {
        say_row(label, "none%s", strcmp(label, "live") ? "" : ": mail passes unjudged");
        return;
    }
    if (*say_text(role, "by"))
        snprintf(by, sizeof(by), ", by %s", say_text(role, "by"));
    say_row(label, "%.0f  %s%s%s since %s%s", say_number(role, "generation"),
            say_text(role, "state"), *say_text(role, "held_from") ? " in " : "",
            say_text(role, "held_from"), say_since(say_text(role, "since"), since), by);
    say_row("", "%s%s%.16s%s%s",
            say_member(role, "rules") ? say_count(say_number(role, "rules"), rules) : "",
            say_member(role, "rules") ? " rules, " : "", say_text(role, "digest"), *say_text(role, "path") ? ", " : "", say_text(role, "path"));
    if (*say_text(role, "text"))
        say_row("", "%s", say_text(role, "text"));
}

static void
print_candidate(const cJSON *answer)
{
    char left[SAY_MAX];
    const cJSON *candidate = say_member(answer, "candidate");
    if (!cJSON_IsObject(candidate))
        return;
    print_role("candidate", candidate);
    if (!strcmp(say_text(candidate, "state"), "HELD")) /* it waits for a person, for nothing else */
        return;
    say_needs(say_member(answer, "needs"));
    if (say_number(answer, "left_ms") > 0 && *say_text(answer, "next"))
        say_row("", "%s in about %s", say_text(answer, "next"),
                say_ms(say_number(answer, "left_ms"), left));
}

static void
print_messages(const cJSON *plane)
{
    char text[512] = "";
    size_t len = 0;
    const cJSON *one;
    cJSON_ArrayForEach(one, say_member(plane, "messages"))
    {
        char n[SAY_MAX];
        if (len < sizeof(text) && one->string && cJSON_IsNumber(one))
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s %s", len ? ", " : "",
                                    say_count(one->valuedouble, n), one->string);
    }
    say_row("messages", "%s", text);
}

static void
print_dataplane(const cJSON *plane)
{
    char up[SAY_MAX];
    char a[SAY_MAX];
    char b[SAY_MAX];
    char c[SAY_MAX];
    char d[SAY_MAX];
    char lease[SAY_MAX];
    if (!say_bool(plane, "reachable")) {
        say_row("data plane", "DOES NOT ANSWER: %s", say_text(plane, "error"));
        return;
    }
    say_row("data plane", "%.0f workers, up %s, %s connections, %.0f rule sets in memory",
            say_number(plane, "workers"), say_ms(say_number(plane, "uptime_ms"), up),
            say_count(say_number(plane, "flows"), a), say_number(plane, "resident"));
    if (say_number(plane, "lease_left_ms") > 0)
        say_row("", "lease of the candidate: %s left",
                say_ms(say_number(plane, "lease_left_ms"), lease));
    if (say_number(plane, "persisted") > 0)
        say_row("", "after a restart it begins with generation %.0f",
                say_number(plane, "persisted"));
    else
        say_row("", "a restart begins with [rules] image: nothing is kept in [rules] state");
    print_messages(plane);
    say_row(
        "paired", "%s judged twice (%s shed under load), %s disagreed, %s deferred for it, %s came again",
        say_count(say_number(plane, "paired"), a), say_count(say_number(plane, "shed"), b),
        say_count(say_number(plane, "disagreed"), c), say_count(say_number(plane, "deferred"), d),
        say_count(say_number(plane, "retried"), lease));
    say_row("frames", "%s in, %s out, %s dropped; %s sessions unseen (TLS)",
            say_count(say_number(plane, "rx_frames"), a),
            say_count(say_number(plane, "tx_frames"), b),
            say_count(say_number(plane, "dropped_frames"), c),
            say_count(say_number(plane, "blind_sessions"), d));
}

static void
print_files(const cJSON *answer)
{
    char n[SAY_MAX];
    const cJSON *journal = say_member(answer, "journal");
    const cJSON *index = say_member(answer, "index");
    if (say_bool(journal, "ok"))
        say_row("journal", "ok, %s records", say_count(say_number(journal, "seq"), n));
    else
        say_row("journal",
                "CANNOT BE WRITTEN: %s. No rule set goes up before it can; ways back are open",
                say_text(journal, "error"));
    if (cJSON_IsObject(index) && !say_bool(index, "ok"))
        say_row("index", "NOT USABLE: %s", say_text(index, "error"));
}

static void
print_public(const cJSON *answer)
{
    const cJSON *one;
    const char *indicator = say_text(answer, "indicator");
    bool is_well = !strcmp(indicator, "none");
    say_row("public", "%s%s", is_well ? "all systems operational" : "trouble is told: ",
            is_well ? "" : indicator);
    cJSON_ArrayForEach(one, say_member(answer, "incidents"))
    {
        if (strcmp(say_text(one, "status"), "resolved") != 0)
            say_row("", "%s: %s, %s", say_text(one, "id"), say_text(one, "status"),
                    say_text(one, "name"));
    }
    cJSON_ArrayForEach(one, say_member(answer, "announcements"))
        say_row("", "%s: %.120s (until %.16s)", say_text(one, "id"), say_text(one, "text"),
                say_text(one, "expires"));
}

static void
print_next(const cJSON *answer)
{
    const cJSON *candidate = say_member(answer, "candidate");
    double n = say_number(candidate, "generation");
    if (!say_bool(say_member(answer, "dataplane"), "reachable"))
        say_next("is weir-dataplane running, and is [link] socket open to weir-control?");
    else if (!say_bool(say_member(answer, "journal"), "ok"))
        say_next("make room on the disk of the state folder; then it goes on by itself");
    else if (!strcmp(say_text(candidate, "state"), "HELD"))
        say_next("weirctl gen show %.0f, then weirctl resume %.0f, promote %.0f or quarantine %.0f",
                 n, n, n, n);
    else if (cJSON_IsObject(candidate))
        say_next("nothing; to stop it: weirctl hold %.0f, to drop it: weirctl quarantine %.0f", n,
                 n);
    else if (!cJSON_IsObject(say_member(answer, "live")))
        say_next("weirctl push RULES: what is pushed first is proved, and live at once");
    else if (!strcmp(say_text(say_member(answer, "previous"), "state"), "QUARANTINED"))
        say_next("nothing; a way back: weirctl rollback N, of weirctl gen list");
    else if (cJSON_IsObject(say_member(answer, "previous")))
        say_next("nothing; the way back: weirctl rollback");
    else
        say_next("nothing");
}

static void
print_status(const cJSON *answer)
{
    print_role("live", say_member(answer, "live"));
    print_candidate(answer);
    print_role("previous", say_member(answer, "previous"));
    say_evidence(say_member(answer, "evidence"), 5);
    say_trip(say_member(answer, "trip"));
    print_dataplane(say_member(answer, "dataplane"));
    print_files(answer);
    print_public(answer);
    print_next(answer);
}

int
verb_status(int argc, char **argv)
{
    enum { LINK = 300 };
    static const struct option options[] = {
        CLIENT_OPTIONS, {"link", required_argument, NULL, LINK}, {0}};
    struct client c;
    struct linkcmd link = {0};
    cJSON *answer;
    int code;
    client_init(&c, "status");
    for (int o; (o = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (o == LINK)
            link.socket = optarg;
        else if (!client_option(&c, o, optarg, &code))
            return code;
    }
    if (optind != argc)
        return verb_usage_error("status", "takes no argument");
    link.wants_json = c.wants_json;
    if (link.socket)
        return linkcmd_status(&link);
    code = client_ask(&c, client_request("status"), &answer);
    if (!code)
        return client_say(&c, answer, code, print_status);
    cJSON_Delete(answer);
    return code;
}
