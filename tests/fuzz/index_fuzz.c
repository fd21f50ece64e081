/* The data plane's records, as lines, into the index; and the questions that are asked of it. A line that begins with `?` is
 * sought with trace, one with `!` by affected, whose first octet is the generation and the rest a verdict.
 *
 * Every line is counted once, what is in is what was taken, answers are JSON that can be read and ask for no more than was
 * put in; whatever the records say, the database is not damaged by it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/impact.h"
#include "control/index.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LINES_MAX = 64, ROUNDS = 200 };

static const uint64_t now_ms = UINT64_C(1790000000000);
static char path[64];
static struct index *x;
static unsigned rounds;

static void
remove_files(void)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", ".aside-1", ".aside-2"};
    char name[80];
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++) {
        snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
        unlink(name);
    }
}

static void
end(void)
{
    index_close(x);
    remove_files();
}

/* A new one now and then: opening one takes as long as some hundred lines. */
static void
open_index(void)
{
    if (!*path) {
        snprintf(path, sizeof(path), "%s/weir-index-fuzz.%d", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm", (int)getpid());
        atexit(end);
    }
    if (x && ++rounds % ROUNDS)
        return;
    index_close(x);
    remove_files();
    x = index_open(path, &index_limits_default);
    MUST(x && !*index_error(x) && index_is_new(x));
}

static double
number(const cJSON *o, const char *name)
{
    const cJSON *n = cJSON_GetObjectItemCaseSensitive(o, name);
    return cJSON_IsNumber(n) ? n->valuedouble : 0;
}

static void
check_answer(cJSON *o)
{
    MUST(o && cJSON_IsBool(cJSON_GetObjectItemCaseSensitive(o, "ok")));
    char *text = cJSON_PrintUnformatted(o);
    cJSON *again = cJSON_Parse(text);
    MUST(text && again);
    MUST(number(o, "refused") + number(o, "deferred") <= (double)index_messages(x));
    MUST(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(o, "messages")) <= IMPACT_MESSAGES_MAX);
    cJSON_Delete(again);
    cJSON_free(text);
    cJSON_Delete(o);
}

static void
question(char kind, const char *line, size_t len)
{
    struct impact_question q = {.generation = len ? (unsigned char)*line : 0, .limit = 10};
    char *text = strndup(line + (kind == '!' && len), len - (kind == '!' && len));
    q.verdict = *text ? text : NULL;
    check_answer(kind == '!' ? impact_affected(x, &q) : impact_trace(x, text, NULL, NULL));
    free(text);
}

static uint64_t
counted(void)
{
    const struct index_counts *c = index_counts(x);
    return c->taken + c->twice + c->bad + c->dropped;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    open_index();
    const char *at = (const char *)data, *last = at + size;
    for (unsigned i = 0; at < last && i < LINES_MAX; i++) {
        const char *nl = memchr(at, '\n', (size_t)(last - at));
        size_t len = (size_t)((nl ? nl : last) - at);
        uint64_t before = counted();
        if (len && (*at == '?' || *at == '!'))
            question(*at, at + 1, len - 1);
        else
            index_message(x, at, len, now_ms);
        MUST(counted() == before + (!len || (*at != '?' && *at != '!')));
        at += len + 1;
    }
    MUST(index_flush(x) && !*index_error(x));
    MUST(index_messages(x) == index_counts(x)->taken && index_counts(x)->dropped == 0 && index_counts(x)->aside == 0);
    return 0;
}
