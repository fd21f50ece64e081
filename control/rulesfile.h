/* rulesfile: a path the operator names becomes an image: rule text (a file, or a folder of *.cf) is compiled in
 * memory, a compiled image is read and checked. Which of both it is, its first octets say. */
#ifndef WEIR_CONTROL_RULESFILE_H
#define WEIR_CONTROL_RULESFILE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "scan/rule.h"

/* Sets *image (free()) and *len. 0, or -1 with everything that is wrong printed to stderr. Warnings are
 * counted there in one line, not listed: `weirctl rules lint` lists them. Several paths (paths_cnt >= 1) are read
 * one after the other as one set of rules, and must be text. */
int rulesfile_load(const char *const *paths, unsigned paths_cnt, void **image, size_t *len);

/* The same of one path, with what would be printed in *said instead (free()), or NULL: lines, the last one a
 * summary. */
int rulesfile_load_said(const char *path, void **image, size_t *len, char **said);

/* Whether the first octets of this file are those of a compiled image. */
bool rulesfile_is_image(const char *path);

/* The errors and warnings among these lines as an array of objects: file, line, column, severity, text. The
 * caller's (cJSON_Delete). */
cJSON *rulesfile_diagnostics_json(const char *diagnostics);

/* Rule text only: reads `path` into l and compiles it. 0, or -1 with errors in l. */
int rulesfile_compile(struct rule_list *l, const char *path, void **image, size_t *len);
int rulesfile_compile_all(struct rule_list *l, const char *const *paths, unsigned paths_cnt, void **image,
                          size_t *len);

#endif
