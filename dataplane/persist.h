/* persist: what a restart begins with, kept in a folder.
 *
 *     gen-9-0123456789abcdef.image   an image: its generation and the first digits of its digest
 *     live     -> gen-9-....image    switched by rename, so there is always one or the other
 *     previous -> gen-8-....image
 *     last                           the greatest generation number ever used
 *     running                        who runs now: boot, live and candidate generation. Removed at a clean end
 *     crashes                        unclean ends of late: generation and time
 *
 * An image is written whole (tmp-*, fsync, rename, fsync of the folder) before a link names it. Going live the link
 * `previous` is switched first, then `live`; a return switches `live` first: a process killed in between finds the
 * right one as `live`, and at worst the same as `previous`.
 *
 * A start finds `running` when the former process did not end cleanly. Under the same boot that is a crash: of the
 * candidate when there was one (it is not persisted, so nothing is to be done), else of what was live. PERSIST_CRASHES_MAX
 * of these under one live generation within PERSIST_CRASHES_MS: the start begins with `previous`.
 *
 * Nothing in the folder is trusted: names are checked, what an image holds is for ruleset_load.
 *
 * Threads: one at a time. Fails: with a sentence in err; the folder is right after every failure. */
#ifndef WEIR_DATAPLANE_PERSIST_H
#define WEIR_DATAPLANE_PERSIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { PERSIST_CRASHES_MAX = 2, PERSIST_CRASHES_MS = 600000, PERSIST_NAME_MAX = 48 };

struct persist;

/* An image in the folder; generation 0: none. */
struct persist_image {
    uint32_t generation;
    char digest[17];
};

/* What a start finds. */
struct persist_start {
    struct persist_image first, second; /* to be tried in this order */
    uint32_t last_generation;
    bool was_unclean;            /* the former process did not end cleanly */
    uint32_t unclean_candidate;  /* which candidate there was then; 0: none */
    uint32_t crashed;            /* generation that is passed over for its crashes: first is what was previous. 0: none */
};

/* Makes the folder, locks it against a second process, removes half-written files. NULL: err says why. */
struct persist *persist_open(const char *folder, char *err, size_t err_size);
void persist_close(struct persist *p);

/* The image's identity; digest: of ruleset_digest. */
struct persist_image persist_image_of(uint32_t generation, const char *digest);
bool persist_image_equal(const struct persist_image *a, const struct persist_image *b);

/* At a start, once; notes the crash if there was one. */
void persist_begin(struct persist *p, uint64_t now_ms, struct persist_start *s);

/* Path of an image, for reading. */
void persist_path(const struct persist *p, const struct persist_image *i, char *path, size_t size);

/* True: the image is there under its name (it was written whole). */
bool persist_has(const struct persist *p, const struct persist_image *i);
int persist_write(struct persist *p, const struct persist_image *i, const void *image, size_t len, char *err,
                  size_t err_size);

/* Switches the links; both images must be there. Without a generation the link is removed. */
int persist_point(struct persist *p, const struct persist_image *live, const struct persist_image *previous, char *err,
                  size_t err_size);

/* Notes who runs, and the greatest number used. */
int persist_running(struct persist *p, uint32_t live, uint32_t candidate, uint32_t last_generation, char *err,
                    size_t err_size);

/* A clean end. */
void persist_end(struct persist *p);

/* Removes images that are neither named by a link nor `keep` (generation 0: none). */
void persist_sweep(struct persist *p, const struct persist_image *keep);

/* Tests: called before each step that changes the folder, with its name. */
void persist_set_hook(struct persist *p, void (*hook)(const char *step));

#ifdef __cplusplus
}
#endif
#endif
