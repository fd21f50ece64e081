/* journal: what happened to rule sets, so that nobody has to remember. The truth; the index (index.h) is made from it.
 *
 * Append-only JSON lines in one file. Each record carries the SHA-256 of the line before it (its octets without the
 * newline; the first record: 64 zeros), so a changed, lost or inserted line is found by `weirctl journal verify`:
 *
 *     {"seq":7,"time":"2026-01-31T23:59:59.125Z","event":"state","generation":3,...,"prev":"9f86d0..."}
 *
 * An append returns when the record is on the disk (fdatasync); only then may what it says be acknowledged or acted
 * on. The last line of a file may be torn by a crash: cut off before its newline, or with NULs in it. Such a line was
 * never acknowledged, is moved aside to PATH.torn at the next opening, and that is journaled ("journal-torn"). A file
 * that is broken anywhere else opens, too (mail must not wait for a file): it stays as PATH.broken-N, and a new chain is
 * begun whose first record, "journal-broken", names that file, its first bad line and its last good hash; seq goes on.
 * journal_replay follows that name, so what was good before the break is not forgotten.
 *
 * Owns:    the file, locked (flock): one writer.
 * Threads: one caller's.
 * Limits:  a record of JOURNAL_LINE_MAX octets; a longer line in a file is broken.
 * Fails:   journal_append with a negative errno: then nothing was written that a reader would take (a partial line is
 *          cut off again; until that works every append is refused), and the caller must not act. After a failed
 *          fdatasync the line is cut off as well: what a full disk did to it is not known. */
#ifndef WEIR_CONTROL_JOURNAL_H
#define WEIR_CONTROL_JOURNAL_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    JOURNAL_HASH_LEN = 64,
    JOURNAL_LINE_MAX = 256 * 1024, /* the summary of a pre-flight has room; a hostile file costs no more memory */
    JOURNAL_TAIL_MAX = 8 << 20,
    JOURNAL_BROKEN_MAX = 1000      /* PATH.broken-N kept; beyond, opening fails: somebody must look */
};

struct journal;

/* Opens or makes the file (0640; its folder must be there), and reads it from end to end. NULL with a sentence in err. */
struct journal *journal_open(const char *path, char *err, size_t err_size);
void journal_close(struct journal *j); /* NULL: nothing */

/* What opening found: a sentence to be logged loudly, or "". */
const char *journal_trouble(const struct journal *j);

/* Appends {"event":event,"generation":generation (left out when 0), the members of fields...}. `fields` is taken
 * (freed) in any case; NULL: none. Octets that are not UTF-8 become '?'. 0, or negative errno:
 *   -EINVAL    fields is no object, or has a member that is the journal's own (seq, time, event, generation, prev)
 *   -EMSGSIZE  longer than JOURNAL_LINE_MAX
 *   -ESTALE    the file was replaced, removed or written to by somebody else: close, and open it anew
 *   others     of write, fdatasync, ftruncate: the next append tries again */
int journal_append(struct journal *j, const char *event, uint32_t generation, cJSON *fields);

/* Of the last record. */
uint64_t journal_seq(const struct journal *j);
/* Every octet that is no UTF-8 becomes "?". */
void journal_make_utf8(char *text);

const char *journal_hash(const struct journal *j); /* of its line: 64 hex digits */

/* Reads a journal file from its beginning, checking form, numbers and chain; calls fn for each good record (fn may
 * be NULL; the object is borrowed; a return other than 0 ends the reading). Returns how many records were good, and
 * sets *broken_line to the first line (1, 2, ...) that is not, else 0, with the reason in err; the reading ends there.
 * A torn last line is told apart by *is_torn. -1: the file cannot be read. Needs no lock: `weirctl journal verify` while
 * it is written to (a line that looks bad is read again some milliseconds later before it is called so). */
typedef int journal_fn(void *owner, const cJSON *record);
int64_t journal_read(const char *path, journal_fn *fn, void *owner, uint64_t *broken_line, int *is_torn, char *err,
                     size_t err_size);

/* The same, with the hash of the last good line (JOURNAL_HASH_LEN digits and a NUL). */
int64_t journal_verify(const char *path, journal_fn *fn, void *owner, uint64_t *broken_line, int *is_torn, char *hash,
                       char *err, size_t err_size);

/* The end of a file, without what lies before it: its last `max` records, oldest first, and no more than lie in its last
 * JOURNAL_TAIL_MAX octets. Each is checked as above against the line before it, which is read, too; a torn last line is
 * left out. fn as above. Returns how many there were; -1: the file cannot be read. *is_broken: after these comes one that is
 * no record of this chain, err says why. */
int64_t journal_tail(const char *path, uint32_t max, journal_fn *fn, void *owner, bool *is_broken, char *err,
                     size_t err_size);

/* The whole history: of a file that begins with "journal-broken" the good part of the file it names first, and so on
 * back (JOURNAL_BROKEN_MAX files at most), then the file itself, as far as it is good. seq ascends throughout. Returns
 * how many records there were, -1: the file cannot be read. */
int64_t journal_replay(const char *path, journal_fn *fn, void *owner, char *err, size_t err_size);

/* How it writes: the system's own; a test gives others, to fail or be slow. All are set. */
struct journal_io {
    ssize_t (*write)(int fd, const void *octets, size_t len);
    int (*fdatasync)(int fd);
    int (*ftruncate)(int fd, off_t len);
};
void journal_set_io(struct journal *j, const struct journal_io *io);

#ifdef __cplusplus
}
#endif
#endif
