#include "control/client.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "control/admin.h"
#include "control/verbs.h"

enum { SILENCE_S = 60 };

void
client_init(struct client *c, const char *verb)
{
    *c = (struct client){.verb = verb, .socket = ADMIN_SOCKET, .silence_s = SILENCE_S};
}

bool
client_option(struct client *c, int option, const char *value, int *code)
{
    if (option == 's')
        c->socket = value;
    else if (option == 'j')
        c->wants_json = true;
    else
        *code = option == 'h' ? verb_help(c->verb)
                              : verb_usage_error(c->verb, "an option or its value is wrong");
    return option == 's' || option == 'j';
}

bool
client_options(struct client *c, int argc, char **argv, int *code)
{
    static const struct option options[] = {CLIENT_OPTIONS, {0}};
    for (int o; (o = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (!client_option(c, o, optarg, code))
            return false;
    }
    return true;
}

cJSON *
client_request(const char *verb)
{
    cJSON *request = cJSON_CreateObject();
    cJSON_AddStringToObject(request, "verb", verb);
    return request;
}

static void
print_json(const cJSON *object)
{
    char *text = cJSON_PrintUnformatted(object);
    if (text)
        puts(text);
    cJSON_free(text);
}

static void
hint_unreachable(void)
{
    fprintf(stderr,
            "is weir-control running, is that its socket, what does its log say? Mail is judged on by what is "
            "live:\n`weirctl status --link SOCKET` asks the data plane itself\n");
}

static int
failed(const struct client *c, enum admin_result result, cJSON *answer, const char *why)
{
    fprintf(stderr, "weirctl %s: ", c->verb);
    say_put(stderr, why);
    fputc('\n', stderr);
    if (result == ADMIN_UNREACHABLE && !c->wants_json)
        hint_unreachable();
    if (!c->wants_json)
        return result == ADMIN_UNREACHABLE ? VERB_UNREACHABLE : VERB_REFUSED;
    if (answer) {
        print_json(answer);
    } else {
        cJSON *j = cJSON_CreateObject();
        cJSON_AddBoolToObject(j, "ok", false);
        cJSON_AddStringToObject(j, "error", why);
        print_json(j);
        cJSON_Delete(j);
    }
    return result == ADMIN_UNREACHABLE ? VERB_UNREACHABLE : VERB_REFUSED;
}

int
client_ask(struct client *c, cJSON *request, cJSON **answer)
{
    char err[1024];
    enum admin_result result = admin_ask(c->socket, request, c->silence_s, c->progress,
                                         c->progress_owner, answer, err, sizeof(err));
    if (result == ADMIN_DONE)
        return VERB_DONE;
    int code = failed(c, result, *answer, err);
    double told = say_number(*answer, "code");
    return told == VERB_REFUSED || told == VERB_USAGE || told == VERB_UNREACHABLE ? (int)told
                                                                                  : code;
}

int
client_say(const struct client *c, cJSON *answer, int code, void (*print)(const cJSON *answer))
{
    if (c->wants_json)
        print_json(answer);
    else
        print(answer);
    cJSON_Delete(answer);
    return code;
}

int
client_say_refused(const struct client *c, cJSON *answer, int code,
                   void (*print)(const cJSON *answer))
{
    bool has_more = say_member(answer, "report") || say_member(answer, "records");
    if (has_more && !c->wants_json)
        print(answer);
    cJSON_Delete(answer);
    return code;
}

bool
client_number(const char *text, uint64_t max, uint64_t *n)
{
    char *end;
    errno = 0;
    *n = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && !errno && *n >= 1 && *n <= max;
}

/* ---- members ---- */

const cJSON *
say_member(const cJSON *of, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(of, name);
}

const char *
say_text(const cJSON *of, const char *name)
{
    const char *text = cJSON_GetStringValue(say_member(of, name));
    return text ? text : "";
}

double
say_number(const cJSON *of, const char *name)
{
    const cJSON *n = say_member(of, name);
    return cJSON_IsNumber(n) ? n->valuedouble : 0;
}

bool
say_bool(const cJSON *of, const char *name)
{
    return cJSON_IsTrue(say_member(of, name));
}

/* ---- for people ---- */

/* What a terminal would obey becomes '?': C0, DEL, and C1 as UTF-8. */
void
say_put(FILE *out, const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        bool is_c1 = at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0;
        fputc(*at < ' ' || *at == 127 || is_c1 ? '?' : *at, out);
        at += is_c1;
    }
}

static void
put_row(const char *label, const char *format, va_list args)
{
    char text[4096];
    vsnprintf(text, sizeof(text), format, args);
    printf("%-12s", label);
    say_put(stdout, text);
    putchar('\n');
}

void
say_row(const char *label, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_row(label, format, args);
    va_end(args);
}

void
say_next(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_row("to do", format, args);
    va_end(args);
}

void
say_line(const char *format, ...)
{
    char text[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    say_put(stdout, text);
    putchar('\n');
}
