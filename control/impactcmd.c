/* weirctl affected and trace: which mail a generation touched, and what became of one message. For
 * the service desk. */
#include <getopt.h>
#include <string.h>

#include "control/client.h"
#include "control/verbs.h"

enum { LIMIT = 300, VERDICT };

static void
join(const cJSON *list, char *text, size_t size)
{
    size_t len = 0;
    const cJSON *one;
    *text = '\0';
    cJSON_ArrayForEach(one, list)
    {
        if (cJSON_IsString(one) && len < size)
            len +=
                (size_t)snprintf(text + len, size - len, "%s%s", len ? "," : "", one->valuestring);
    }
}

static void
print_message(const cJSON *m)
{
    char rcpt[256];
    char rules[256];
    join(say_member(m, "rcpt"), rcpt, sizeof(rcpt));
    join(say_member(m, "rules"), rules, sizeof(rules));
    say_line("%.19s  %-7s  <%s> -> %s  %.1f %s%s%s", say_text(m, "time"), say_text(m, "verdict"),
             say_text(m, "mail_from"), rcpt, say_number(m, "score"), rules,
             *say_text(m, "id") ? "  id " : "", say_text(m, "id"));
    if (*say_text(m, "text"))
        say_line("                     %s", say_text(m, "text"));
}

static void
print_affected(const cJSON *a)
{
    char refused[SAY_MAX];
    char deferred[SAY_MAX];
    char later[SAY_MAX];
    const cJSON *one;
    bool is_any = say_number(a, "refused") + say_number(a, "deferred") > 0;
    say_row("generation", "%.0f%s%s%s%s", say_number(a, "generation"), is_any ? ", " : "",
            say_text(a, "since"), is_any ? " until " : "", say_text(a, "until"));
    say_row("affected", "%s refused, %s deferred (%s of them delivered later)",
            say_count(say_number(a, "refused"), refused),
            say_count(say_number(a, "deferred"), deferred),
            cJSON_IsNumber(say_member(a, "delivered_later")) ? say_count(say_number(a, "delivered_later"), later) : "?");
    if (say_number(a, "not_looked_at") > 0)
        say_row("", "what follows leaves out the oldest %s", say_count(say_number(a, "not_looked_at"), later));
    cJSON_ArrayForEach(one, say_member(a, "domains"))
        say_row(one->prev && one->prev->next ? "" : "by domain", "%-32s %s refused, %s deferred",
                say_text(one, "domain"), say_count(say_number(one, "refused"), refused),
                say_count(say_number(one, "deferred"), deferred));
    cJSON_ArrayForEach(one, say_member(a, "messages")) print_message(one);
    if (say_number(a, "left_off") > 0)
        say_line("%.0f more: --limit N, or --json", say_number(a, "left_off"));
    if (say_number(a, "refused") > 0)
        say_next(
            "senders of refused mail have its bounce and must send again; tell the domains above");
}

int
verb_affected(int argc, char **argv)
{
    static const struct option options[] = {CLIENT_OPTIONS,
                                            {"limit", required_argument, NULL, LIMIT},
                                            {"verdict", required_argument, NULL, VERDICT},
                                            {0}};
    struct client c;
    uint64_t n;
    uint64_t limit = 0;
    const char *verdict = NULL;
    int code;
    client_init(&c, "affected");
    for (int o; (o = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (o == VERDICT) {
            verdict = optarg;
        } else if (o == LIMIT) {
            if (!client_number(optarg, 1000000, &limit))
                return verb_usage_error("affected", "--limit wants a number");
        } else if (!client_option(&c, o, optarg, &code)) {
            return code;
        }
    }
    if (argc - optind != 1 || !client_number(argv[optind], UINT32_MAX, &n))
        return verb_usage_error("affected", "wants the number of a generation");
    cJSON *request = client_request("affected");
    cJSON *answer;
    cJSON_AddNumberToObject(request, "generation", (double)n);
    if (limit)
        cJSON_AddNumberToObject(request, "limit", (double)limit);
    if (verdict)
        cJSON_AddStringToObject(request, "verdict", verdict);
    code = client_ask(&c, request, &answer);
    if (!code)
        return client_say(&c, answer, code, print_affected);
    cJSON_Delete(answer);
    return code;
}

static void
print_trace(const cJSON *a)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, say_member(a, "messages")) print_message(one);
    if (!cJSON_GetArraySize(say_member(a, "messages")))
        say_line("no such message is known");
}

int
verb_trace(int argc, char **argv)
{
    struct client c;
    cJSON *answer;
    int code;
    client_init(&c, "trace");
    if (!client_options(&c, argc, argv, &code))
        return code;
    if (argc - optind != 1 || !*argv[optind])
        return verb_usage_error("trace", "wants one ID");
    cJSON *request = client_request("trace");
    cJSON_AddStringToObject(request, "id", argv[optind]);
    code = client_ask(&c, request, &answer);
    if (!code)
        return client_say(&c, answer, code, print_trace);
    cJSON_Delete(answer);
    return code;
}
