/* weirctl gen, hold, resume, promote, quarantine, release, rollback, prove: generations, one by
 * one. */
#include <getopt.h>
#include <string.h>

#include "control/client.h"
#include "control/verbs.h"

enum { PROVE_SILENCE_S = 600, COMMENT = 300 };

static int
ask_and_say(struct client *c, cJSON *request, void (*print)(const cJSON *answer))
{
    cJSON *answer;
    int code = client_ask(c, request, &answer);
    return code ? client_say_refused(c, answer, code, print) : client_say(c, answer, code, print);
}

/* ---- gen ---- */

/* "" when nobody knows: the data plane has let go of it, and it was not compiled here. */
static const char *
say_rules(const cJSON *g, char text[SAY_MAX])
{
    return say_member(g, "rules") ? say_count(say_number(g, "rules"), text) : "";
}

static void
print_list(const cJSON *answer)
{
    const cJSON *g;
    char since[SAY_MAX];
    char rules[SAY_MAX];
    say_line("%6s  %-11s  %-9s  %8s  %-16s  %-10s  %s", "", "state", "is", "rules", "digest", "by",
             "since");
    cJSON_ArrayForEach(g, say_member(answer, "generations")) say_line(
        "%6.0f  %-11s  %-9s  %8s  %-16.16s  %-10s  %s", say_number(g, "generation"),
        say_text(g, "state"), say_text(g, "role"), say_rules(g, rules),
        say_text(g, "digest"), say_text(g, "by"), say_since(say_text(g, "since"), since));
    if (say_number(answer, "left_off") > 0)
        say_line("%.0f more: --limit N", say_number(answer, "left_off"));
}

/* What pre-flight found stands in its report, below. */
static const char *
history_text(const cJSON *h, const char *what, bool is_refused)
{
    bool is_long = !strcmp(what, "REJECTED") || !strcmp(what, "preflight");
    return is_refused && is_long ? "not passed, see below" : say_text(h, "text");
}

static void
print_history(const cJSON *history, bool is_refused)
{
    const cJSON *h;
    bool is_first = true;
    cJSON_ArrayForEach(h, history)
    {
        const char *what = *say_text(h, "state") ? say_text(h, "state") : say_text(h, "event");
        if (!strcmp(what, "announce")) /* weirctl announce list has it */
            continue;
        const char *text = history_text(h, what, is_refused);
        char by[160];
        snprintf(by, sizeof(by), " by %s", say_text(h, "by"));
        bool says_by = !*say_text(h, "by") || strstr(text, by); /* "held by root" */
        say_row(is_first ? "history" : "", "%.23s  %-12s  %s%s", say_text(h, "time"), what, text,
                says_by ? "" : by);
        is_first = false;
    }
}

static void
print_words(const char *label, const cJSON *list)
{
    char text[256] = "";
    size_t len = 0;
    const cJSON *one;
    cJSON_ArrayForEach(one, list)
    {
        if (cJSON_IsString(one) && len < sizeof(text))
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", len ? ", " : "",
                                    one->valuestring);
    }
    if (*text)
        say_row(label, "%s", text);
}

static void
print_expect(const cJSON *list)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, list)
        say_row("declared", "%s %s: up to %.2f %% newly rejected", say_text(one, "kind"),
                say_text(one, "name"), 100 * say_number(one, "rate"));
}

static void
print_show(const cJSON *a)
{
    char since[SAY_MAX];
    char rules[SAY_MAX];
    double n = say_number(a, "generation");
    const cJSON *report = say_member(a, "report");
    bool is_refused = cJSON_IsObject(report) && !say_bool(report, "ok");
    say_row("generation", "%.0f%s%s", n, *say_text(a, "role") ? ", the one that is " : "",
            say_text(a, "role"));
    say_row("state", "%s%s%s since %s", say_text(a, "state"),
            *say_text(a, "held_from") ? " in " : "", say_text(a, "held_from"),
            say_since(say_text(a, "since"), since));
    if (*say_text(a, "text") && !(is_refused && !strcmp(say_text(a, "state"), "REJECTED")))
        say_row("", "%s", say_text(a, "text"));
    say_row("rules", "%s%s%.64s", say_rules(a, rules), say_member(a, "rules") ? ", " : "", say_text(a, "digest"));
    say_row("pushed", "by %s, from %s", say_text(a, "by"), say_text(a, "path"));
    if (*say_text(a, "comment"))
        say_row("comment", "%s", say_text(a, "comment"));
    print_words("forced past", say_member(a, "force"));
    print_expect(say_member(a, "expect"));
    print_history(say_member(a, "history"), is_refused);
    say_checks(report, false);
    say_evidence(say_member(a, "evidence"), 1000);
    say_trip(say_member(a, "trip"));
    if (!strcmp(say_text(a, "state"), "HELD"))
        say_next("weirctl resume %.0f, promote %.0f or quarantine %.0f", n, n, n);
    else if (!strcmp(say_text(a, "state"), "QUARANTINED") ||
             !strcmp(say_text(a, "state"), "ROLLED_BACK"))
        say_next("weirctl affected %.0f lists the mail; after a look: weirctl release %.0f lets "
                 "the same rules be pushed again",
                 n, n);
}

static void
print_report(const cJSON *answer)
{
    say_checks(say_member(answer, "report"), false);
}

static int
gen_list(struct client *c, uint64_t limit)
{
    cJSON *request = client_request("gen-list");
    if (limit)
        cJSON_AddNumberToObject(request, "limit", (double)limit);
    return ask_and_say(c, request, print_list);
}

int
verb_gen(int argc, char **argv)
{
    enum { LIMIT = 301 };
    static const struct option options[] = {
        CLIENT_OPTIONS, {"limit", required_argument, NULL, LIMIT}, {0}};
    struct client c;
    uint64_t limit = 0;
    uint64_t n;
    int code;
    client_init(&c, "gen");
    for (int o; (o = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (o == LIMIT) {
            if (!client_number(optarg, 100000, &limit))
                return verb_usage_error("gen", "--limit wants a number");
        } else if (!client_option(&c, o, optarg, &code)) {
            return code;
        }
    }
    const char *what = optind < argc ? argv[optind++] : "";
    bool is_report = !strcmp(what, "report");
    if (!strcmp(what, "list"))
        return optind == argc ? gen_list(&c, limit)
                              : verb_usage_error("gen", "list takes no argument");
    if ((strcmp(what, "show") != 0 && !is_report) || limit)
        return verb_usage_error("gen", "wants list (which takes --limit), show or report");
    if (argc - optind != 1 || !client_number(argv[optind], UINT32_MAX, &n))
        return verb_usage_error("gen", "%s wants the number of a generation", what);
    cJSON *request = client_request(is_report ? "report" : "gen-show");
    cJSON_AddNumberToObject(request, "generation", (double)n);
    return ask_and_say(&c, request, is_report ? print_report : print_show);
}

/* ---- what is done to one ---- */

static void
print_done(const cJSON *answer)
{
    if (!say_bool(answer, "ok"))
        return;
    say_row("generation", "%.0f", say_number(answer, "generation"));
    say_row("state", "%s%s%s", say_text(answer, "state"), *say_text(answer, "text") ? ": " : "",
            say_text(answer, "text"));
}

static void
print_rollback(const cJSON *answer)
{
    char us[SAY_MAX];
    if (!say_bool(answer, "ok"))
        return;
    double copy_of = say_number(answer, "copy_of");
    char of[48] = " again";
    if (copy_of > 0)
        snprintf(of, sizeof(of), ", which is %.0f again", copy_of);
    say_row("live", "generation %.0f%s, in place of %.0f", say_number(answer, "live"), of,
            say_number(answer, "from"));
    if (say_member(answer, "last_worker_us"))
        say_row("", "the last worker took it up after %s us",
                say_count(say_number(answer, "last_worker_us"), us));
    if (*say_text(answer, "text"))
        say_row("", "%s", say_text(answer, "text"));
    say_next("weirctl prove tells whether the rest is fine; weirctl affected %.0f lists the mail",
             say_number(answer, "from"));
}

static void
print_prove(const cJSON *answer)
{
    char took[SAY_MAX];
    say_row("generation", "%.0f %s, in %s", say_number(answer, "generation"),
            say_bool(answer, "ok") ? "is proven" : "IS NOT PROVEN",
            say_ms(1000 * say_number(answer, "seconds"), took));
    if (*say_text(answer, "text"))
        say_row("", "%s", say_text(answer, "text"));
    if (say_number(answer, "compared_with") > 0)
        say_row("", "a new reject: what it refuses and generation %.0f lets through",
                say_number(answer, "compared_with"));
    say_checks(say_member(answer, "report"), false);
    const cJSON *e = say_member(answer, "evidence");
    if (cJSON_IsObject(e) && say_number(e, "a") == say_number(answer, "generation"))
        say_row("beside it", "generation %.0f, judged by the mail that generation %.0f lets through:", say_number(e, "b"),
                say_number(e, "a"));
    say_evidence(say_member(answer, "evidence"), 10);
}

static void
show_line(void *owner, const cJSON *p)
{
    (void)owner;
    if (say_number(p, "generation") > 0) /* 0: the one that is live */
        fprintf(stderr, "generation %.0f  ", say_number(p, "generation"));
    say_put(stderr, say_text(p, "progress"));
    fputs("  ", stderr);
    say_put(stderr, say_text(p, "text"));
    fputc('\n', stderr);
}

/* number: the member that the number goes into; may be left out of the command line when
 * !is_wanted. */
static int
on_generation(int argc, char **argv, const char *number, bool is_wanted,
              void (*print)(const cJSON *))
{
    static const struct option options[] = {
        CLIENT_OPTIONS, {"comment", required_argument, NULL, COMMENT}, {0}};
    struct client c;
    const char *comment = NULL;
    uint64_t n = 0;
    int code;
    client_init(&c, argv[0]);
    for (int o; (o = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (o == COMMENT)
            comment = optarg;
        else if (!client_option(&c, o, optarg, &code))
            return code;
    }
    if (argc - optind > 1 || (argc == optind && is_wanted) ||
        (argc > optind && !client_number(argv[optind], UINT32_MAX, &n)))
        return verb_usage_error(argv[0], "wants the number of a generation");
    cJSON *request = client_request(argv[0]);
    if (n)
        cJSON_AddNumberToObject(request, number, (double)n);
    if (comment)
        cJSON_AddStringToObject(request, "comment", comment);
    c.silence_s = print == print_prove ? PROVE_SILENCE_S : c.silence_s;
    c.progress = show_line;
    return ask_and_say(&c, request, print);
}

int
verb_generation(int argc, char **argv)
{
    return on_generation(argc, argv, "generation", true, print_done);
}

int
verb_rollback(int argc, char **argv)
{
    return on_generation(argc, argv, "to", false, print_rollback);
}

int
verb_prove(int argc, char **argv)
{
    return on_generation(argc, argv, "generation", false, print_prove);
}
