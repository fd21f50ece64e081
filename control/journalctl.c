/* weirctl journal: whether the chain is whole, and its end. A FILE is read here, without the
 * process. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "control/client.h"
#include "control/journal.h"
#include "control/verbs.h"

enum { TAIL_CNT = 20, TAIL_MAX = 10000 };

/* ---- the end of it ---- */

static void
print_record(const cJSON *r)
{
    char fields[512] = "";
    size_t len = 0;
    const cJSON *m;
    cJSON_ArrayForEach(m, r)
    {
        static const char *const told[] = {"seq", "time", "event", "generation", "prev"};
        size_t i = 0;
        while (i < 5 && m->string && strcmp(m->string, told[i]) != 0)
            i++;
        if (i < 5 || !m->string || len >= sizeof(fields))
            continue;
        char *value = cJSON_IsString(m) ? NULL : cJSON_PrintUnformatted(m);
        len += (size_t)snprintf(fields + len, sizeof(fields) - len, "  %s=%.120s", m->string,
                                value               ? value
                                : cJSON_IsString(m) ? m->valuestring
                                                    : "");
        cJSON_free(value);
    }
    char generation[32] = "";
    if (say_member(r, "generation"))
        snprintf(generation, sizeof(generation), "%.0f", say_number(r, "generation"));
    say_line("%6.0f  %.23s  %5s  %-14s%s", say_number(r, "seq"), say_text(r, "time"), generation,
             say_text(r, "event"), fields);
}

static void
print_tail(const cJSON *answer)
{
    const cJSON *r;
    cJSON_ArrayForEach(r, say_member(answer, "records")) print_record(r);
}

static int
keep(void *owner, const cJSON *record)
{
    cJSON_AddItemToArray(owner, cJSON_Duplicate(record, true));
    return 0;
}

/* The last ones of a file, as the process would answer. */
static int
tail_file(const struct client *c, const char *path, uint32_t max)
{
    bool is_broken;
    char err[512];
    cJSON *records = cJSON_CreateArray();
    if (journal_tail(path, max, keep, records, &is_broken, err, sizeof(err)) < 0) {
        fprintf(stderr, "weirctl journal: %s\n", err);
        cJSON_Delete(records);
        return VERB_REFUSED;
    }
    if (is_broken)
        fprintf(stderr, "weirctl journal: %s: after these comes a line that is broken: %s\n", path, err);
    cJSON *answer = cJSON_CreateObject();
    cJSON_AddBoolToObject(answer, "ok", !is_broken);
    cJSON_AddItemToObject(answer, "records", records);
    return client_say(c, answer, is_broken ? VERB_REFUSED : VERB_DONE, print_tail);
}

/* ---- the whole of it ---- */

static void
print_verify(const cJSON *a)
{
    char n[SAY_MAX];
    say_row("journal", "%s, %s records%s", say_bool(a, "ok") ? "the chain is whole" : "BROKEN",
            say_count(say_number(a, "records"), n),
            say_bool(a, "torn") ? ", then a torn line, never acknowledged" : "");
    if (say_member(a, "broken_line"))
        say_row("", "line %.0f: %s", say_number(a, "broken_line"), say_text(a, "error"));
    if (*say_text(a, "before"))
        say_row("", "the records before these are in %s", say_text(a, "before"));
    if (*say_text(a, "hash"))
        say_row("last hash", "%s", say_text(a, "hash"));
}

struct verify {
    char before[256]; /* the file that a journal-broken record names */
};

static int
note_broken(void *owner, const cJSON *record)
{
    struct verify *v = owner;
    if (!*v->before && !strcmp(say_text(record, "event"), "journal-broken"))
        snprintf(v->before, sizeof(v->before), "%s", say_text(record, "file"));
    return 0;
}

static int
verify_file(const struct client *c, const char *path)
{
    uint64_t broken_line;
    int is_torn;
    char err[512];
    char hash[65];
    struct verify v = {""};
    int64_t n =
        journal_verify(path, note_broken, &v, &broken_line, &is_torn, hash, err, sizeof(err));
    if (n < 0) {
        fprintf(stderr, "weirctl journal: %s\n", err);
        return VERB_REFUSED;
    }
    bool is_ok = !broken_line || is_torn;
    cJSON *answer = cJSON_CreateObject();
    cJSON_AddBoolToObject(answer, "ok", is_ok);
    cJSON_AddNumberToObject(answer, "records", (double)n);
    cJSON_AddBoolToObject(answer, "torn", is_torn);
    cJSON_AddStringToObject(answer, "hash", hash);
    if (*v.before)
        cJSON_AddStringToObject(answer, "before", v.before);
    if (broken_line) {
        cJSON_AddNumberToObject(answer, "broken_line", (double)broken_line);
        cJSON_AddStringToObject(answer, "error", err);
    }
    return client_say(c, answer, is_ok ? VERB_DONE : VERB_REFUSED, print_verify);
}

static int
ask(struct client *c, cJSON *request, void (*print)(const cJSON *))
{
    cJSON *answer;
    int code = client_ask(c, request, &answer);
    return code ? client_say_refused(c, answer, code, print) : client_say(c, answer, code, print);
}

int
verb_journal(int argc, char **argv)
{
    static const struct option options[] = {
        CLIENT_OPTIONS, {"lines", required_argument, NULL, 'n'}, {0}};
    struct client c;
    uint64_t cnt = TAIL_CNT;
    int code;
    client_init(&c, "journal");
    bool has_cnt = false;
    for (int o; (o = getopt_long(argc, argv, "hn:", options, NULL)) != -1;) {
        if (o == 'n') {
            has_cnt = true;
            if (!client_number(optarg, TAIL_MAX, &cnt))
                return verb_usage_error("journal", "-n wants a number up to %d", TAIL_MAX);
        } else if (!client_option(&c, o, optarg, &code)) {
            return code;
        }
    }
    const char *what = optind < argc ? argv[optind++] : "";
    bool is_tail = !strcmp(what, "tail");
    if ((!is_tail && strcmp(what, "verify") != 0) || (has_cnt && !is_tail))
        return verb_usage_error("journal", "wants verify or tail (which takes -n)");
    if (argc - optind > 1)
        return verb_usage_error("journal", "takes one FILE");
    if (optind < argc)
        return is_tail ? tail_file(&c, argv[optind], (uint32_t)cnt) : verify_file(&c, argv[optind]);
    cJSON *request = client_request(is_tail ? "journal-tail" : "journal-verify");
    if (is_tail)
        cJSON_AddNumberToObject(request, "n", (double)cnt);
    return ask(&c, request, is_tail ? print_tail : print_verify);
}
