#include "control/rulesfile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scan/image.h"
#include "scan/image_format.h"

int
rulesfile_compile(struct rule_list *l, const char *path, void **image, size_t *len)
{
    if (rule_list_read(l, path))
        return -1;
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "compiling %u rules ...\n", rule_list_cnt(l));
    return image_build(l, image, len);
}

static int
compile(const char *path, void **image, size_t *len)
{
    struct rule_list *l = rule_list_new();
    int result = rulesfile_compile(l, path, image, len);
    if (result)
        fprintf(stderr, "%s%u errors\n", rule_list_diagnostics(l), rule_list_errors(l));
    else if (rule_list_warnings(l))
        fprintf(stderr, "%s: %u warnings, listed by: weirctl rules lint %s\n", path, rule_list_warnings(l),
                path);
    rule_list_free(l);
    return result;
}

static int
read_image(const char *path, FILE *f, size_t size, void **image, size_t *len)
{
    char err[256];
    *len = size;
    *image = malloc(size ? size : 1);
    if (!*image || fread(*image, 1, size, f) != size)
        snprintf(err, sizeof(err), "cannot be read");
    else if (image_verify(*image, *len, err, sizeof(err)) == 0)
        return 0;
    fprintf(stderr, "%s: error: %s\n", path, err);
    free(*image);
    return -1;
}

int
rulesfile_load(const char *path, void **image, size_t *len)
{
    struct stat st;
    if (stat(path, &st) || !S_ISREG(st.st_mode))
        return compile(path, image, len);
    FILE *f = fopen(path, "rbe");
    if (!f) {
        fprintf(stderr, "%s: error: %s\n", path, strerror(errno));
        return -1;
    }
    char magic[sizeof(IMAGE_MAGIC) - 1];
    bool is_image = fread(magic, 1, sizeof(magic), f) == sizeof(magic) &&
                    !memcmp(magic, IMAGE_MAGIC, sizeof(magic));
    rewind(f);
    int result = is_image ? read_image(path, f, (size_t)st.st_size, image, len) : compile(path, image, len);
    fclose(f);
    return result;
}
