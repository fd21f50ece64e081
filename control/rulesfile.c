#include "control/rulesfile.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/rulescache.h"
#include "scan/image_format.h"
#include "scan/rule_list.h"
#include "scan/signature.h"

enum { RULESFILE_JOBS_MAX = 64 };

/* One diagnostic "FILE:LINE:COLUMN: error: text" as an object. FILE may hold colons, so the numbers are
 * looked for from the severity backwards. */
static cJSON *
diagnostic_json(const char *line)
{
    const char *error = strstr(line, ": error: ");
    const char *warning = strstr(line, ": warning: ");
    bool is_error = error && (!warning || error < warning);
    const char *at = is_error ? error : warning;
    cJSON *object = cJSON_CreateObject();
    unsigned line_number = 0;
    unsigned column = 0;
    const char *number = at;
    for (unsigned colons = 0; at && number > line && colons < 2;)
        colons += *--number == ':';
    if (at && sscanf(number, ":%u:%u", &line_number, &column) == 2) {
        char *file = strndup(line, (size_t)(number - line));
        cJSON_AddStringToObject(object, "file", file);
        free(file);
    }
    cJSON_AddNumberToObject(object, "line", line_number);
    cJSON_AddNumberToObject(object, "column", column);
    cJSON_AddStringToObject(object, "severity", is_error ? "error" : "warning");
    cJSON_AddStringToObject(object, "text", at ? strchr(at + 2, ' ') + 1 : line);
    return object;
}

cJSON *
rulesfile_diagnostics_json(const char *diagnostics)
{
    cJSON *array = cJSON_CreateArray();
    for (const char *at = diagnostics; *at;) {
        size_t len = strcspn(at, "\n");
        char *line = strndup(at, len);
        /* Not the source line, its caret or a summary. */
        if (*line != ' ' && (strstr(line, ": error: ") || strstr(line, ": warning: ")))
            cJSON_AddItemToArray(array, diagnostic_json(line));
        free(line);
        at += len;
        at += *at == '\n';
    }
    return array;
}

/* ---- options ---- */

static bool
parse_jobs(const char *text, unsigned *jobs)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    *jobs = (unsigned)n;
    return *text >= '0' && *text <= '9' && !*end && n >= 1 && n <= RULESFILE_JOBS_MAX;
}

bool
rulesfile_option(struct rulesfile_how *how, int c, const char *value)
{
    switch (c) {
    case RULESFILE_SIGNATURES:
        how->signatures = reallocarray((void *)how->signatures, how->signatures_cnt + 1, sizeof(*how->signatures));
        if (!how->signatures)
            abort();
        ((const char **)how->signatures)[how->signatures_cnt++] = value;
        return true;
    case RULESFILE_NO_CACHE:
        return how->is_uncached = true;
    case RULESFILE_JOBS:
        return parse_jobs(value, &how->jobs);
    default:
        return false;
    }
}

void
rulesfile_how_free(struct rulesfile_how *how)
{
    free((void *)how->signatures);
    how->signatures = NULL;
    how->signatures_cnt = 0;
}

/* ---- progress ---- */

/* A child that counts the seconds: the compiler does not return before it is done. */
static pid_t
progress_begin(unsigned rules)
{
    pid_t parent = getpid();
    pid_t child = isatty(STDERR_FILENO) ? fork() : -1;
    if (child)
        return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (unsigned s = 1; getppid() == parent; s++) {
        sleep(1);
        fprintf(stderr, "\rcompiling %u rules ... %u s", rules, s);
    }
    _exit(0);
}

static void
progress_end(pid_t child)
{
    if (child < 0)
        return;
    kill(child, SIGKILL);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
    fprintf(stderr, "\r\033[K");
}

/* ---- compiling ---- */

static bool
is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* A rule file may score a signature: its name is no slip of the pen. */
static void
mention(struct rule_list *l, const struct signature_list *signatures)
{
    for (size_t i = 0; i < signature_list_pattern_cnt(signatures); i++) {
        const char *name = signature_list_pattern(signatures, i)->rule_name;
        struct rule *r = rule_list_entry(l, name, strlen(name));
        if (r)
            r->is_mentioned = true;
    }
}

static int
read_all(struct rulesfile_how *how, struct rule_list *l, struct signature_list *signatures, const char *const *paths,
         unsigned paths_cnt)
{
    for (unsigned i = 0; i < paths_cnt; i++) {
        if (is_folder(paths[i]) && signature_list_read(signatures, paths[i]))
            return -1;
    }
    for (unsigned i = 0; i < how->signatures_cnt; i++) {
        if (signature_list_read(signatures, how->signatures[i]))
            return -1;
    }
    mention(l, signatures);
    for (unsigned i = 0; i < paths_cnt; i++) {
        if (rule_list_read(l, paths[i]))
            return -1;
    }
    how->found = (struct rulesfile_signatures){ signature_list_hash_cnt(signatures),
                                                signature_list_pattern_cnt(signatures),
                                                signature_list_refused_cnt(signatures),
                                                signature_list_skipped_cnt(signatures) };
    return 0;
}

int
rulesfile_compile(struct rulesfile_how *how, struct rule_list *l, const char *const *paths, unsigned paths_cnt,
                  void **image, size_t *len)
{
    struct signature_list *signatures = signature_list_new(l);
    int result = read_all(how, l, signatures, paths, paths_cnt);
    if (result == 0) {
        char *cache = how->is_uncached ? NULL : rulescache_folder();
        struct image_options options = { .compile = { .cache = cache, .jobs = how->jobs },
                                         .keeps_unused = how->keeps_unused,
                                         .signatures = signatures };
        pid_t progress = progress_begin(rule_list_cnt(l) + (unsigned)how->found.patterns);
        result = image_build_with(l, &options, how->price, how->price_owner, image, len);
        progress_end(progress);
        free(cache);
    }
    signature_list_free(signatures);
    return result;
}

/* ---- loading ---- */

static char *said_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

static char *
said_format(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        abort();
    va_end(args);
    return text;
}

/* What is said names the last path. */
static int
compile(struct rulesfile_how *how, const char *const *paths, unsigned paths_cnt, void **image, size_t *len, char **said)
{
    struct rule_list *l = rule_list_new();
    const char *last = paths[paths_cnt - 1];
    int result = rulesfile_compile(how, l, paths, paths_cnt, image, len);
    if (result)
        *said = said_format("%s%s: %u errors\n", rule_list_diagnostics(l), last, rule_list_errors(l));
    else if (rule_list_warnings(l))
        *said = said_format("%s: %u warnings, listed by: weirctl rules lint %s\n", last,
                            rule_list_warnings(l), last);
    rule_list_free(l);
    return result;
}

static int
read_image(const char *path, FILE *f, size_t size, void **image, size_t *len, char **said)
{
    char err[256];
    *len = size;
    *image = malloc(size ? size : 1);
    if (!*image || fread(*image, 1, size, f) != size)
        snprintf(err, sizeof(err), "cannot be read");
    else if (image_verify(*image, *len, err, sizeof(err)) == 0)
        return 0;
    *said = said_format("%s: error: %s\n", path, err);
    free(*image);
    return -1;
}

bool
rulesfile_is_image(const char *path)
{
    char magic[sizeof(IMAGE_MAGIC) - 1];
    struct stat st;
    FILE *f = stat(path, &st) == 0 && S_ISREG(st.st_mode) ? fopen(path, "rbe") : NULL;
    bool is_image = f && fread(magic, 1, sizeof(magic), f) == sizeof(magic) &&
                    !memcmp(magic, IMAGE_MAGIC, sizeof(magic));
    if (f)
        fclose(f);
    return is_image;
}

int
rulesfile_load_said(struct rulesfile_how *how, const char *path, void **image, size_t *len, char **said)
{
    *said = NULL;
    if (!rulesfile_is_image(path))
        return compile(how, &path, 1, image, len, said);
    struct stat st;
    FILE *f = fopen(path, "rbe");
    int result = -1;
    if (how->signatures_cnt)
        *said = said_format("%s: error: signatures are compiled into an image, not added to it\n", path);
    else if (!f || fstat(fileno(f), &st))
        *said = said_format("%s: error: %s\n", path, strerror(errno));
    else
        result = read_image(path, f, (size_t)st.st_size, image, len, said);
    if (f)
        fclose(f);
    return result;
}

int
rulesfile_load(struct rulesfile_how *how, const char *const *paths, unsigned paths_cnt, void **image, size_t *len)
{
    char *said = NULL;
    int result = paths_cnt == 1 ? rulesfile_load_said(how, paths[0], image, len, &said)
                                : compile(how, paths, paths_cnt, image, len, &said);
    if (said)
        fputs(said, stderr);
    free(said);
    return result;
}
