/* weirctl announce: what the public is told, by people. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "control/announce.h"
#include "control/client.h"
#include "control/verbs.h"

enum { EXPIRES = 300, IMPACT, COMPONENTS };

struct options {
    struct client client;
    uint64_t expires_s;
    const char *impact;
    cJSON *components;
};

/* "30min", "2 h", "90 s" */
static bool
read_duration(const char *text, uint64_t *seconds)
{
    static const struct {
        const char *name;
        uint64_t seconds;
    } units[] = {{"s", 1}, {"min", 60}, {"h", 3600}, {"d", 86400}};
    char *end;
    errno = 0;
    uint64_t n = strtoull(text, &end, 10);
    end += strspn(end, " ");
    for (size_t i = 0; i < 4; i++) {
        if (strcmp(end, units[i].name) != 0)
            continue;
        *seconds = n * units[i].seconds;
        return *text >= '1' && *text <= '9' && !errno && n <= ANNOUNCE_EXPIRES_MAX_S &&
               *seconds <= ANNOUNCE_EXPIRES_MAX_S;
    }
    return false;
}

static bool
take(struct options *o, int c, const char *value)
{
    enum announce_impact impact;
    if (c == EXPIRES)
        return read_duration(value, &o->expires_s);
    if (c == IMPACT) {
        o->impact = value;
        return announce_impact_parse(value, &impact);
    }
    cJSON_Delete(o->components);
    o->components = cJSON_CreateArray();
    for (const char *at = value;; at++) {
        size_t len = strcspn(at, ",");
        char word[32];
        snprintf(word, sizeof(word), "%.*s", (int)len, at);
        if (strcmp(word, "mail") != 0 && strcmp(word, "rules") != 0 && strcmp(word, "scanner") != 0)
            return false;
        cJSON_AddItemToArray(o->components, cJSON_CreateString(word));
        at += len;
        if (!*at)
            return true;
    }
}

static void
print_id(const cJSON *answer)
{
    say_row("announced", "%s", say_text(answer, "id"));
    say_next("it ends by itself; before that: weirctl announce end %s", say_text(answer, "id"));
}

static void
print_ended(const cJSON *answer)
{
    say_row("ended", "%s", say_text(answer, "id"));
}

static void
print_list(const cJSON *answer)
{
    const cJSON *one;
    char until[SAY_MAX];
    cJSON_ArrayForEach(one, say_member(answer, "announcements"))
        say_line("%-6s %-14s %-8s %s  (by %s, until %s)", say_text(one, "id"), "announcement",
                 say_text(one, "impact"), say_text(one, "text"), say_text(one, "by"),
                 say_text(one, "expires"));
    cJSON_ArrayForEach(one, say_member(answer, "incidents"))
        say_line("%-6s %-14s %-8s %s  (since %s)", say_text(one, "id"), say_text(one, "status"),
                 say_text(one, "impact"), say_text(one, "name"),
                 say_since(say_text(one, "started_at"), until));
    if (!cJSON_GetArraySize(say_member(answer, "announcements")) &&
        !cJSON_GetArraySize(say_member(answer, "incidents")))
        say_line("nothing is announced");
}

static int
ask(struct options *o, cJSON *request, void (*print)(const cJSON *))
{
    cJSON *answer;
    int code = client_ask(&o->client, request, &answer);
    if (!code)
        return client_say(&o->client, answer, code, print);
    cJSON_Delete(answer);
    return code;
}

static int
add(struct options *o, int cnt, char **words)
{
    if (cnt != 1 || !*words[0])
        return verb_usage_error("announce", "add wants one TEXT");
    if (!o->expires_s)
        return verb_usage_error(
            "announce", "add wants --expires, such as 30min: no announcement stays for ever");
    cJSON *request = client_request("announce-add");
    cJSON_AddStringToObject(request, "text", words[0]);
    cJSON_AddNumberToObject(request, "expires_s", (double)o->expires_s);
    if (o->impact)
        cJSON_AddStringToObject(request, "impact", o->impact);
    if (o->components)
        cJSON_AddItemToObject(request, "components", cJSON_Duplicate(o->components, true));
    return ask(o, request, print_id);
}

static int
end(struct options *o, int cnt, char **words)
{
    if (cnt < 1 || cnt > 2)
        return verb_usage_error("announce", "end wants an ID, and may have a TEXT");
    cJSON *request = client_request("announce-end");
    cJSON_AddStringToObject(request, "id", words[0]);
    if (cnt == 2)
        cJSON_AddStringToObject(request, "text", words[1]);
    return ask(o, request, print_ended);
}

int
verb_announce(int argc, char **argv)
{
    static const struct option options[] = {CLIENT_OPTIONS,
                                            {"expires", required_argument, NULL, EXPIRES},
                                            {"impact", required_argument, NULL, IMPACT},
                                            {"components", required_argument, NULL, COMPONENTS},
                                            {0}};
    struct options o = {0};
    int code = VERB_DONE;
    client_init(&o.client, "announce");
    bool has_more = false;
    bool goes_on = true;
    for (int c; goes_on && (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (c < EXPIRES) {
            goes_on = client_option(&o.client, c, optarg, &code);
        } else if (!(has_more = take(&o, c, optarg))) {
            code = verb_usage_error("announce", "an option or its value is wrong");
            goes_on = false;
        }
    }
    const char *what = goes_on && optind < argc ? argv[optind++] : "";
    bool is_add = !strcmp(what, "add");
    if (goes_on && ((!is_add && strcmp(what, "end") != 0 && strcmp(what, "list") != 0) ||
                    (has_more && !is_add))) {
        code = verb_usage_error(
            "announce",
            "wants add (which takes --expires, --impact and --components), end or list");
        goes_on = false;
    }
    if (goes_on && is_add)
        code = add(&o, argc - optind, argv + optind);
    else if (goes_on && !strcmp(what, "end"))
        code = end(&o, argc - optind, argv + optind);
    else if (goes_on)
        code = optind == argc ? ask(&o, client_request("announce-list"), print_list)
                              : verb_usage_error("announce", "list takes no argument");
    cJSON_Delete(o.components);
    return code;
}
