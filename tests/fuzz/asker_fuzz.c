/* weirctl's verbs that ask weir-control, against a process that answers anything. The first line of the input is the command
 * line, words separated by blanks; the rest is what is answered, as it comes.
 *
 * The request is a line of JSON with a verb and within the length that is taken; an answer gives one of the four exit codes;
 * nothing that is printed for people could move a terminal's cursor. */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/admin.h"
#include "control/verbs.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WORDS_MAX = 12, LINE_MAX_LEN = 1024 };

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} verbs[] = {{"push", verb_push},         {"status", verb_status},     {"gen", verb_gen},
             {"hold", verb_generation},   {"resume", verb_generation}, {"promote", verb_generation},
             {"quarantine", verb_generation}, {"release", verb_generation}, {"rollback", verb_rollback},
             {"prove", verb_prove},       {"affected", verb_affected}, {"trace", verb_trace},
             {"journal", verb_journal},   {"announce", verb_announce}};

static char path[64];
static int listener = -1;
static const char *reply;
static size_t reply_len;

/* ---- what weirctl.c has besides ---- */

void
verb_print_json(cJSON *object)
{
    char *text = cJSON_PrintUnformatted(object);
    if (text)
        puts(text);
    cJSON_free(text);
    cJSON_Delete(object);
}

int
verb_usage_error(const char *verb, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s: ", verb);
    vfprintf(stderr, format, args);
    va_end(args);
    return VERB_USAGE;
}

int
verb_help(const char *verb)
{
    MUST(*verb);
    return VERB_DONE;
}

/* ---- the process that answers ---- */

static void
check_request(const char *line, size_t len)
{
    MUST(len < ADMIN_LINE_MAX && len && line[len - 1] == '\n' && !memchr(line, '\n', len - 1));
    cJSON *o = cJSON_ParseWithLength(line, len - 1);
    MUST(cJSON_IsObject(o) && cJSON_IsString(cJSON_GetObjectItemCaseSensitive(o, "verb")));
    const cJSON *expect, *list = cJSON_GetObjectItemCaseSensitive(o, "expect");
    cJSON_ArrayForEach (expect, list) {
        double rate = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(expect, "rate"));
        MUST(rate > 0 && rate < 1 && cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(expect, "kind")));
    }
    cJSON_Delete(o);
}

static void *
serve(void *arg)
{
    static char line[ADMIN_LINE_MAX + 1];
    (void)arg;
    int fd = accept(listener, NULL, NULL);
    size_t len = 0;
    for (ssize_t n; fd >= 0 && len < sizeof(line) && !memchr(line, '\n', len); len += (size_t)n) {
        n = recv(fd, line + len, sizeof(line) - len, 0);
        if (n <= 0)
            break;
    }
    if (len)
        check_request(line, len);
    if (len)
        send(fd, reply, reply_len, MSG_NOSIGNAL);
    if (fd >= 0)
        close(fd);
    return NULL;
}

static void
end(void)
{
    unlink(path);
}

static void
open_listener(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(path, sizeof(path), "/tmp/weir-asker-fuzz.%d", (int)getpid());
    strcpy(at.sun_path, path);
    unlink(path);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    MUST(listener >= 0 && bind(listener, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(listener, 4) == 0);
    opterr = 0; /* it quotes what it does not know, which is the operator's own */
    atexit(end);
}

/* ---- the command ---- */

static void
check_printed(const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at; at++)
        MUST((*at >= ' ' || *at == '\n') && *at != 127 && !(at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0));
}

static bool
is_json(char *const *words, int cnt)
{
    for (int i = 0; i < cnt; i++) {
        if (!strncmp(words[i], "--j", 3))
            return true;
    }
    return false;
}

/* Which words may stand there: no other socket, no other folder; and what is printed of them is the operator's own. */
static bool
is_allowed(const char *word)
{
    for (const char *at = word; *at; at++) {
        if (*at < ' ' || *at > '~')
            return false;
    }
    return strncmp(word, "--s", 3) != 0 && strncmp(word, "--l", 3) != 0 && !strchr(word, '/');
}

static int
run(int (*verb)(int argc, char **argv), int cnt, char **words)
{
    char *printed = NULL;
    size_t len;
    FILE *out = open_memstream(&printed, &len), *own_out = stdout, *own_err = stderr;
    MUST(out);
    stdout = stderr = out;
    optind = 0; /* glibc: from the beginning */
    int code = verb(cnt, words);
    stdout = own_out;
    stderr = own_err;
    fclose(out);
    if (code != VERB_USAGE && !is_json(words, cnt) && !isatty(STDERR_FILENO))
        check_printed(printed);
    free(printed);
    return code;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char line[LINE_MAX_LEN], socket_word[] = "--socket", *words[WORDS_MAX + 4], *at = line;
    const uint8_t *nl = size ? memchr(data, '\n', size) : NULL;
    size_t line_len = nl ? (size_t)(nl - data) : size, i = 0;
    int cnt = 0;
    if (listener < 0)
        open_listener();
    if (line_len >= sizeof(line) || memchr(data, '\0', line_len))
        return 0;
    memcpy(line, data, line_len);
    line[line_len] = '\0';
    reply = nl ? (const char *)nl + 1 : "";
    reply_len = nl ? size - line_len - 1 : 0;
    for (char *word; cnt < WORDS_MAX && (word = strsep(&at, " "));) {
        if (!is_allowed(word))
            return 0;
        words[cnt++] = word;
        if (cnt == 1) {
            words[cnt++] = socket_word;
            words[cnt++] = path;
        }
    }
    while (i < sizeof(verbs) / sizeof(*verbs) && (!cnt || strcmp(verbs[i].name, words[0]) != 0))
        i++;
    if (i == sizeof(verbs) / sizeof(*verbs))
        return 0;
    words[cnt] = NULL;
    pthread_t thread;
    MUST(pthread_create(&thread, NULL, serve, NULL) == 0);
    int code = run(verbs[i].run, cnt, words);
    MUST(code >= VERB_DONE && code <= VERB_UNREACHABLE);
    shutdown(listener, SHUT_RD); /* a command that asked nothing */
    pthread_join(thread, NULL);
    close(listener);
    listener = -1;
    return 0;
}
