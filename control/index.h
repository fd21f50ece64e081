/* index: what can be asked quickly: events of the journal, and the messages that the data plane has judged. SQLite (WAL).
 *
 * It is made from other things and never the only place of anything that must not be lost:
 *
 *   events, generations  from the journal, which is the truth: index_rebuild makes them anew, all of them
 *   messages             from the record ring (ring.h) as they come. What an index that was lost had of them comes back from
 *                        the file of [log] messages (index_read_messages), as far as that goes, and the ring's; without that
 *                        file they are gone
 *
 * So nothing here stops the process. A database that is none, is damaged, or of another version is moved aside
 * (PATH.aside-N) and begun anew; index_is_new tells, and the caller rebuilds. A disk that is full or a folder
 * that cannot be written is told by index_error; messages are then dropped and counted, events come back with a rebuild.
 *
 * A message is known by its record's id (dataplane/record.h), so one that comes twice is there once. Rows wait in a
 * transaction until there are INDEX_BATCH_MAX of them or the first is INDEX_BATCH_MS old; only then is the ring told that they
 * are stored. The process never waits for the disk (synchronous=OFF): evidence is read between two commits. What a kill -9
 * leaves is whole; what a loss of power leaves may be damaged, and is then made anew as above.
 *
 * Texts are bound, never pasted into SQL. Nothing in a record is trusted: types, lengths and counts are checked.
 *
 * Owns:    the database; one process writes it.
 * Threads: one.
 * Limits:  messages of `days`, at most `messages_max`, oldest out first; `octets_max` on the disk (then: as a full disk).
 * Fails:   as told; index_open with NULL only without memory. */
#ifndef WEIR_CONTROL_INDEX_H
#define WEIR_CONTROL_INDEX_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/ring.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    INDEX_VERSION = 2, /* of the tables */
    INDEX_BATCH_MAX = 2000,
    INDEX_BATCH_MS = 1000,
    INDEX_TAKE_MAX = 500,  /* lines of the ring in one index_take: about 20 ms */
    INDEX_RCPT_MAX = 128,  /* recipients of a message that are kept */
    INDEX_ASIDE_MAX = 10,  /* databases moved aside that are kept */
    INDEX_ID_LEN = 32      /* of a message's id, at most */
};

struct index_limits {
    uint32_t days;
    uint64_t messages_max; /* 5,000,000: some 8 GB */
    uint64_t octets_max;   /* of the database; 0: no limit */
};

extern const struct index_limits index_limits_default;

struct index;

struct index_counts {
    uint64_t taken;      /* messages that are in */
    uint64_t twice;      /* came again, left out */
    uint64_t bad;        /* lines that are no record */
    uint64_t dropped;    /* could not be stored */
    uint64_t expired;    /* went for their age or number */
    uint64_t aside;      /* databases moved aside */
};

/* Opens or makes it. NULL: no memory. A file that cannot be had leaves an index that answers nothing and tries again. */
struct index *index_open(const char *path, const struct index_limits *limits);
void index_close(struct index *x); /* what waits is stored */

/* It has no rows that it was not given since index_open (or since it was moved aside): rebuild. False after index_rebuild. */
bool index_is_new(const struct index *x);

/* What is wrong, as a sentence; "": nothing. */
const char *index_error(const struct index *x);

const struct index_counts *index_counts(const struct index *x);

/* Messages that are in it. */
uint64_t index_messages(struct index *x);

/* A record of the journal (journal.h). */
void index_event(struct index *x, const cJSON *record);

/* Events and generations anew, from the journal's file. How many, -1: it cannot be read, or they cannot be stored. */
int64_t index_rebuild(struct index *x, const char *journal_path);

/* A record's JSON line. False: it is none, or could not be kept. */
bool index_message(struct index *x, const char *line, size_t len, uint64_t now_ms);

/* Reads [log] messages' file again, at most the last octets_max octets of it. How many messages were new, or -1. */
int64_t index_read_messages(struct index *x, const char *path, uint64_t octets_max, uint64_t now_ms);

/* Up to INDEX_TAKE_MAX lines of the ring; stores what is due; expires a little. now_ms since 1970. True: the ring has more. */
bool index_take(struct index *x, struct ring *r, uint64_t now_ms);

/* Stores what waits. False: it could not be, and was dropped. */
bool index_flush(struct index *x);

#ifdef __cplusplus
}
#endif
#endif
