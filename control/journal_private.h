/* What the two halves of the journal share: journal.c writes, journal_read.c reads. */
#ifndef WEIR_CONTROL_JOURNAL_PRIVATE_H
#define WEIR_CONTROL_JOURNAL_PRIVATE_H

#include <stdbool.h>

#include "control/journal.h"

#define JOURNAL_EVENT_BROKEN "journal-broken"
#define JOURNAL_EVENT_TORN "journal-torn"
#define JOURNAL_SEQ_MAX 9007199254740991.0 /* whole numbers of a double */

enum { JOURNAL_PATH_MAX = 512, JOURNAL_NAME_MAX = 256 };

/* Where the good part of a file ends, and why. */
struct journal_end {
    uint64_t size;  /* octets of good lines */
    uint64_t lines;
    uint64_t seq;   /* of the last good one */
    char hash[JOURNAL_HASH_LEN + 1];
    uint64_t broken_line; /* 0: all are good */
    bool is_torn;
    bool is_unreadable; /* the disk's fault, not the chain's: nothing is begun anew for that */
    char why[160];
};

/* Reads the file at fd (pread) from its beginning, as journal_read. is_live: somebody may be writing to it. */
int64_t journal_scan(int fd, bool is_live, journal_fn *fn, void *owner, struct journal_end *end);

/* The record of a whole line, which must follow `end` (cJSON_Delete), or NULL with the reason. */
cJSON *journal_parse(const char *line, size_t len, const struct journal_end *end, const char **why);

/* A descriptor of a regular file, or -1 with a sentence. */
int journal_open_to_read(const char *path, char *err, size_t err_size);

void journal_line_hash(const char *line, size_t len, char hash[JOURNAL_HASH_LEN + 1]);

#endif
