/* weirctl push: rules to weir-control, which proves them stage by stage; with --link straight to
 * the data plane. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/client.h"
#include "control/linkcmd.h"
#include "control/verbs.h"

struct options {
    struct client client;
    struct linkcmd link; /* socket NULL: through weir-control */
    cJSON *force, *expect;
    const char *stage, *comment;
    bool waits;
    const char *only_link, *only_control; /* an option that belongs to one way */
};

enum { WAIT_MS = 5000, EXPECT_MAX = 32 };

static bool
read_u32(const char *text, uint32_t *n)
{
    char *end;
    errno = 0;
    unsigned long v = strtoul(text, &end, 10);
    *n = (uint32_t)v;
    return *text >= '0' && *text <= '9' && !*end && errno == 0 && v <= UINT32_MAX;
}

static bool
is_one_of(const char *word, size_t len, const char *const *words, size_t cnt)
{
    for (size_t i = 0; i < cnt; i++) {
        if (strlen(words[i]) == len && !strncmp(word, words[i], len))
            return true;
    }
    return false;
}

static bool
read_stage(const char *text)
{
    static const char *const stages[] = {"SHADOW", "CANARY", "PROBATION", "LIVE"};
    return is_one_of(text, strlen(text), stages, 4);
}

/* "preflight,shadow" */
static bool
read_force(const char *text, cJSON **list)
{
    static const char *const gates[] = {"preflight", "shadow", "probation"};
    cJSON_Delete(*list);
    *list = cJSON_CreateArray();
    for (const char *at = text;; at++) {
        size_t len = strcspn(at, ",");
        if (!is_one_of(at, len, gates, 3))
            return false;
        char gate[16];
        snprintf(gate, sizeof(gate), "%.*s", (int)len, at);
        cJSON_AddItemToArray(*list, cJSON_CreateString(gate));
        at += len;
        if (!*at)
            return true;
    }
}

/* "sender-suffix:example=0.3", "all=2%" */
static bool
read_expect(const char *text, cJSON **list)
{
    static const char *const kinds[] = {"all",  "sender-suffix", "rcpt-suffix", "rcpt-domain",
                                        "rule", "mirror",        "error"};
    size_t kind_len = strcspn(text, ":=");
    const char *name = text[kind_len] == ':' ? text + kind_len + 1 : text + kind_len;
    const char *rate_text = strrchr(text, '=');
    char *end;
    if (!rate_text || rate_text < name || !is_one_of(text, kind_len, kinds, 7))
        return false;
    double rate = strtod(rate_text + 1, &end);
    if (!strcmp(end, "%")) {
        rate /= 100;
        end++;
    }
    if (end == rate_text + 1 || *end || !(rate > 0 && rate < 1))
        return false;
    if (!*list)
        *list = cJSON_CreateArray();
    if (cJSON_GetArraySize(*list) == EXPECT_MAX)
        return false;
    cJSON *one = cJSON_CreateObject();
    char word[256];
    snprintf(word, sizeof(word), "%.*s", (int)kind_len, text);
    cJSON_AddStringToObject(one, "kind", word);
    snprintf(word, sizeof(word), "%.*s", (int)(rate_text - name), name);
    cJSON_AddStringToObject(one, "name", word);
    cJSON_AddNumberToObject(one, "rate", rate);
    cJSON_AddItemToArray(*list, one);
    return true;
}

enum { LINK = 300, STAGE, FORCE, EXPECT, COMMENT, WAIT };

/* Of the way through weir-control. */
static bool
take_control(struct options *o, int c, const char *value)
{
    o->only_control = "--stage, --force, --expect, --comment and --wait";
    if (c == STAGE)
        o->stage = value;
    else if (c == COMMENT)
        o->comment = value;
    else if (c == WAIT)
        o->waits = true;
    return c == FORCE    ? read_force(value, &o->force)
           : c == EXPECT ? read_expect(value, &o->expect)
                         : c != STAGE || read_stage(value);
}

/* Of the direct way. */
static bool
take_link(struct options *o, int c, const char *value)
{
    if (c == LINK) {
        o->link.socket = value;
        return true;
    }
    o->only_link = "--generation, --wait-ms, --signatures, --jobs and --no-cache";
    if (c == 'g')
        return read_u32(value, &o->link.load.generation);
    if (c == 'w')
        return read_u32(value, &o->link.load.wait_ms);
    return rulesfile_option(&o->link.how, c, value);
}

/* True: go on; else *code is what the verb returns. */
static bool
read_options(int argc, char **argv, struct options *o, int *code)
{
    static const struct option options[] = {CLIENT_OPTIONS,
                                            {"link", required_argument, NULL, LINK},
                                            {"generation", required_argument, NULL, 'g'},
                                            {"wait-ms", required_argument, NULL, 'w'},
                                            {"stage", required_argument, NULL, STAGE},
                                            {"force", required_argument, NULL, FORCE},
                                            {"expect", required_argument, NULL, EXPECT},
                                            {"comment", required_argument, NULL, COMMENT},
                                            {"wait", no_argument, NULL, WAIT},
                                            RULESFILE_OPTIONS,
                                            {0}};
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (c == 's' || c == 'j' || c == 'h' || c == '?') {
            if (!client_option(&o->client, c, optarg, code))
                return false;
        } else if (!(c >= STAGE && c <= WAIT ? take_control(o, c, optarg)
                                             : take_link(o, c, optarg))) {
            return *code = verb_usage_error("push", "an option or its value is wrong"), false;
        }
    }
    const char *wrong = o->link.socket ? o->only_control : o->only_link;
    if (wrong)
        return *code = verb_usage_error("push", "%s %s", wrong,
                                        o->link.socket ? "do not go with --link"
                                                       : "go with --link only"),
               false;
    if (argc - optind != 1)
        return *code = verb_usage_error("push", "wants one PATH"), false;
    o->link.path = argv[optind];
    o->link.wants_json = o->client.wants_json;
    return true;
}

/* ---- through weir-control ---- */

/* What was shown last, so that a log gets a line for each stage and a terminal one line that moves.
 */
struct shown {
    char state[32];
    bool is_terminal, has_line;
};

static void
show_progress(void *owner, const cJSON *p)
{
    struct shown *s = owner;
    char m[SAY_MAX];
    char k[SAY_MAX];
    char n[SAY_MAX];
    char ms[SAY_MAX];
    char evidence[4 * SAY_MAX] = "";
    char left[2 * SAY_MAX] = "";
    char line[1024];
    const char *state = say_text(p, "progress");
    bool is_new = strcmp(state, s->state) != 0;
    if (!is_new && !s->is_terminal)
        return;
    if (say_member(p, "n"))
        snprintf(evidence, sizeof(evidence), "  %s of %s newly rejected, evidence of harm %s",
                 say_count(say_number(p, "k"), k), say_count(say_number(p, "n"), n),
                 say_e(say_number(p, "log_m"), m));
    if (say_number(p, "left_ms") > 0)
        snprintf(left, sizeof(left), "  about %s left", say_ms(say_number(p, "left_ms"), ms));
    snprintf(line, sizeof(line), "generation %.0f  %-10.16s%s%s  %.200s", say_number(p, "generation"),
             state, evidence, left, say_text(p, "text"));
    if (s->has_line)
        fputs(is_new ? "\n" : "\r\033[K", stderr);
    say_put(stderr, line);
    if (!s->is_terminal)
        fputc('\n', stderr);
    fflush(stderr);
    s->has_line = s->is_terminal;
    snprintf(s->state, sizeof(s->state), "%s", state);
}

static void
print_push(const cJSON *answer)
{
    double generation = say_number(answer, "generation");
    const char *state = say_text(answer, "state");
    say_row("generation", "%.0f", generation);
    bool has_report = cJSON_IsObject(say_member(answer, "report"));
    say_row("state", "%s%s%s", state, has_report || !*say_text(answer, "text") ? "" : ": ",
            has_report ? "" : say_text(answer, "text"));
    say_checks(say_member(answer, "report"), true);
    if (!strcmp(state, "HELD"))
        say_next("weirctl gen show %.0f, then weirctl promote %.0f or weirctl quarantine %.0f",
                 generation, generation, generation);
    else if (!strcmp(state, "REJECTED") && has_report)
        say_next("mend the rules; what is meant to be, say in them or with --expect; weirctl gen report %.0f",
                 generation);
    else if (!strcmp(state, "QUARANTINED"))
        say_next("weirctl affected %.0f lists the mail; the same rules are refused until weirctl release %.0f",
                 generation, generation);
    else if (strcmp(state, "LIVE") != 0 && strcmp(state, "REJECTED") != 0)
        say_next("weirctl status tells how far it is; weirctl gen show %.0f tells all", generation);
}

static int
push_by_control(struct options *o)
{
    char *path = realpath(o->link.path, NULL);
    struct shown shown = {.is_terminal = isatty(STDERR_FILENO)};
    cJSON *answer = NULL;
    if (!path) {
        fprintf(stderr, "weirctl push: %s: %s\n", o->link.path, strerror(errno));
        return VERB_REFUSED;
    }
    cJSON *request = client_request("push");
    cJSON_AddStringToObject(request, "path", path);
    if (o->stage)
        cJSON_AddStringToObject(request, "stage", o->stage);
    if (o->comment)
        cJSON_AddStringToObject(request, "comment", o->comment);
    if (o->force)
        cJSON_AddItemToObject(request, "force", cJSON_Duplicate(o->force, true));
    if (o->expect)
        cJSON_AddItemToObject(request, "expect", cJSON_Duplicate(o->expect, true));
    if (o->waits)
        cJSON_AddTrueToObject(request, "wait");
    free(path);
    o->client.silence_s = o->waits ? 0 : o->client.silence_s;
    o->client.progress = show_progress;
    o->client.progress_owner = &shown;
    int code = client_ask(&o->client, request, &answer);
    if (shown.has_line)
        fputc('\n', stderr);
    return code ? client_say_refused(&o->client, answer, code, print_push)
                : client_say(&o->client, answer, code, print_push);
}

int
verb_push(int argc, char **argv)
{
    struct options o = {.link.load.wait_ms = WAIT_MS};
    int code;
    client_init(&o.client, "push");
    if (read_options(argc, argv, &o, &code))
        code = o.link.socket ? linkcmd_push(&o.link) : push_by_control(&o);
    rulesfile_how_free(&o.link.how);
    cJSON_Delete(o.force);
    cJSON_Delete(o.expect);
    return code;
}
