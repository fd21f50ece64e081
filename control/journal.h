/* journal: what happened to rule sets, so that nobody has to remember. The truth; the index (index.h) is made from it.
 *
 * Append-only JSON lines in one file. Each record carries the SHA-256 of the line before it (its octets without the
 * newline; the first record: 64 zeros), so a changed, lost or inserted line is found by `weirctl journal verify`:
 *
 *     {"seq":7,"time":"2026-01-31T23:59:59.125Z","event":"state","generation":3,...,"prev":"9f86d0..."}
 *
 * An append returns when the record is on the disk (fdatasync); only then may what it says be acknowledged or acted
 * on. The last line of a file may be torn by a crash: such a line was never acknowledged, is moved aside to
 * PATH.torn at the next opening, and that is journaled. A file whose chain is broken anywhere else opens, too (mail must
 * not wait for a file), is said loudly, moved to PATH.broken-N and a new chain is begun that names its last hash.
 *
 * Owns:    the file, locked (flock): one writer.
 * Threads: one caller's.
 * Fails:   journal_append with a negative errno: then nothing was written that a reader would take (a partial line is
 *          cut off again), and the caller must not act. */
#ifndef WEIR_CONTROL_JOURNAL_H
#define WEIR_CONTROL_JOURNAL_H

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct journal;

/* Opens or makes the file. NULL with a sentence in err. */
struct journal *journal_open(const char *path, char *err, size_t err_size);
void journal_close(struct journal *j);

/* Appends {"event":event,"generation":generation (left out when 0), the members of fields...}. `fields` is taken
 * (freed) in any case; NULL: none. 0, or negative errno. */
int journal_append(struct journal *j, const char *event, uint32_t generation, cJSON *fields);

/* Of the last record. */
uint64_t journal_seq(const struct journal *j);
const char *journal_hash(const struct journal *j); /* of its line: 64 hex digits */

/* Reads a journal file from its beginning, checking form, numbers and chain; calls fn for each good record (fn may
 * be NULL; the object is borrowed; a return other than 0 ends the reading). Returns how many records were good, and
 * sets *broken_line to the first line (1, 2, ...) that is not, with the reason in err; 0: all are. A torn last line is
 * told apart by *is_torn. -1: the file cannot be read. Needs no lock: `weirctl journal verify` while it is written to. */
typedef int journal_fn(void *owner, const cJSON *record);
int64_t journal_read(const char *path, journal_fn *fn, void *owner, uint64_t *broken_line, int *is_torn, char *err,
                     size_t err_size);

#ifdef __cplusplus
}
#endif
#endif
