/* generations: what is kept of each generation, as files.
 *
 *     STATE/generations/7/rules/        what the operator pushed, as it was when it was compiled
 *                         image         compiled; written aside, synced, renamed: whole or not there
 *                         compiled.json how that went: rules, seconds, digests
 *                         rules.json    {"NAME":[score in thousandths,"describe"],...}
 *                         report.json   of its pre-flight
 *                         strata.json   names that the evidence knew before it began
 *
 * A snapshot takes regular files only, follows no link out of the folder, and is bounded; it is made beside as rules.new
 * and renamed when whole and synced, so that rules/ is complete or absent whatever ends the process.
 *
 * Owns:    the folder.
 * Threads: one caller's; snapshot and write in children.
 * Limits:  GENERATIONS_FILES_MAX files, GENERATIONS_OCTETS_MAX octets, GENERATIONS_DEPTH_MAX folders deep: an error.
 * Fails:   -1 with a sentence in err (GENERATIONS_ERR_MAX), or as told. */
#ifndef WEIR_CONTROL_GENERATIONS_H
#define WEIR_CONTROL_GENERATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/reader.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { GENERATIONS_FILES_MAX = 20000, GENERATIONS_DEPTH_MAX = 16, GENERATIONS_ERR_MAX = 1024, GENERATIONS_PATH_MAX = 512 };
#define GENERATIONS_OCTETS_MAX (UINT64_C(2) << 30)

struct generations {
    char folder[GENERATIONS_PATH_MAX / 2];
};

/* Makes what is missing. */
int generations_open(struct generations *s, const char *state, char *err);

/* STATE/generations/NUMBER/what; what "" : the folder. Returns path. */
char *generations_path(const struct generations *s, uint32_t number, const char *what, char path[GENERATIONS_PATH_MAX]);

/* An empty folder for it; what a number that was never journaled left there goes. */
int generations_make(const struct generations *s, uint32_t number, char *err);

/* Copies what lies at path (a file or a folder). A file of rules becomes rules/NAME. Only what `who` could read by owner,
 * group, mode and ACL, on the whole way from the root: compilers quote what they do not understand. */
int generations_snapshot(const struct generations *s, uint32_t number, const char *path,
                         const struct reader *who, char *err);

/* The path to compile: rules/, or the one file in it that was pushed alone. False: there is no snapshot. */
bool generations_source(const struct generations *s, uint32_t number, char path[GENERATIONS_PATH_MAX]);

/* Whole, synced and under its name, or not there. */
int generations_write(const struct generations *s, uint32_t number, const char *what, const void *octets, size_t len,
                      char *err);

/* to gets from's image, and what was noted when it was compiled (links, no copies). 0 or negative errno. */
int generations_copy(const struct generations *s, uint32_t from, uint32_t to);

/* The highest number that has a folder; 0: none. A journal that lost records may know of fewer. */
uint32_t generations_newest(const struct generations *s);

/* Removes generations that keeps() does not want, but for the newest `kept`; at most GENERATIONS_PRUNE_MAX a call.
 * Returns how many were removed, or negative errno. */
enum { GENERATIONS_PRUNE_MAX = 16 };
int generations_prune(const struct generations *s, uint32_t kept, bool (*keeps)(void *owner, uint32_t number),
                      void *owner);

#ifdef __cplusplus
}
#endif
#endif
