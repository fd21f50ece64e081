/* cfgfile: appliance.cfg as text, for the two processes that read it. Each has its own table of keys (dataplane/config,
 * control/settings); what lines, sections, numbers and times are is told here, once.
 *
 * inih takes the file apart; its lines pass through here first, because it counts none aloud and swallows long lines, NUL
 * and empty sections. Each reader has a struct cfgfile in its own struct and gives inih's callbacks.
 *
 * Threads: none kept. Fails: with lines "FILE:LINE: text" in `errors`, counted. */
#ifndef WEIR_APPLIANCE_CFGFILE_H
#define WEIR_APPLIANCE_CFGFILE_H

#include <ini.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { CFGFILE_SECTION_MAX = 64 };

/* One reading of one file. */
struct cfgfile {
    const char *name; /* of the file, in errors */
    FILE *from, *errors;
    int line;
    int error_cnt;
    int error_line;       /* of the last error */
    bool is_continuation; /* the line begins with a blank */
};

void cfgfile_complain(struct cfgfile *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What inih would not tell of a line. */
struct cfgfile_line {
    bool is_long; /* cut */
    bool has_nul;
};

/* The next line into text (size octets, as inih's reader gets them). NULL: the file is over. */
char *cfgfile_next(struct cfgfile *f, char *text, int size, struct cfgfile_line *l);

/* Behind blanks and a byte order mark. */
const char *cfgfile_skip(const char *text);

/* "[NAME]" at `text`, which begins with "[": its name. False: there is no ], and that was said. */
bool cfgfile_section(struct cfgfile *f, const char *text, char name[CFGFILE_SECTION_MAX]);

/* Whether the section is weir-control's: [control], [control.*]. */
bool cfgfile_is_control(const char *section);

/* Reads all of it: `reader` and `take` are inih's, `user` goes to both. */
void cfgfile_parse(struct cfgfile *f, ini_reader reader, ini_handler take, void *user);

/* The file at path, or NULL and the reason in errors. */
FILE *cfgfile_open(const char *path, FILE *errors);

/* Digits only; then *rest points at what follows them. False: none, or too many. */
bool cfgfile_number(const char *text, uint64_t *n, const char **rest);

/* "500", "500 ms", "5 s", "2 min", "1 h". False: none of them. */
bool cfgfile_time(const char *text, uint64_t *ms);

#ifdef __cplusplus
}
#endif
#endif
