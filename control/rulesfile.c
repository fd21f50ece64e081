#include "control/rulesfile.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scan/image.h"
#include "scan/image_format.h"

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

int
rulesfile_compile_all(struct rule_list *l, const char *const *paths, unsigned paths_cnt, void **image, size_t *len)
{
    for (unsigned i = 0; i < paths_cnt; i++) {
        if (rule_list_read(l, paths[i]))
            return -1;
    }
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "compiling %u rules ...\n", rule_list_cnt(l));
    return image_build(l, image, len);
}

int
rulesfile_compile(struct rule_list *l, const char *path, void **image, size_t *len)
{
    return rulesfile_compile_all(l, &path, 1, image, len);
}

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
compile(const char *const *paths, unsigned paths_cnt, void **image, size_t *len, char **said)
{
    struct rule_list *l = rule_list_new();
    const char *last = paths[paths_cnt - 1];
    int result = rulesfile_compile_all(l, paths, paths_cnt, image, len);
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
rulesfile_load_said(const char *path, void **image, size_t *len, char **said)
{
    *said = NULL;
    if (!rulesfile_is_image(path))
        return compile(&path, 1, image, len, said);
    struct stat st;
    FILE *f = fopen(path, "rbe");
    if (!f || fstat(fileno(f), &st)) {
        *said = said_format("%s: error: %s\n", path, strerror(errno));
        return -1;
    }
    int result = read_image(path, f, (size_t)st.st_size, image, len, said);
    fclose(f);
    return result;
}

int
rulesfile_load(const char *const *paths, unsigned paths_cnt, void **image, size_t *len)
{
    char *said = NULL;
    int result = paths_cnt == 1 ? rulesfile_load_said(paths[0], image, len, &said)
                                : compile(paths, paths_cnt, image, len, &said);
    if (said)
        fputs(said, stderr);
    free(said);
    return result;
}
