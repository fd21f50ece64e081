/* errand: one thread that does one thing at a time for the agent: what takes long or waits for a disk.
 *
 *     errand_start(e, fn, arg) -> the thread runs fn(arg) -> errand_is_done(e): once true
 *
 * arg is the thread's from start until done. It is a plain thread, not an lcore; it inherits the signal mask and the CPUs
 * of who made it.
 *
 * Threads: the agent's. Fails: errand_new (NULL). */
#ifndef WEIR_DATAPLANE_ERRAND_H
#define WEIR_DATAPLANE_ERRAND_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

struct errand;

struct errand *errand_new(void);

/* Waits for what is under way. */
void errand_free(struct errand *e);

/* False: it is at something else, or what it did was not taken note of (errand_is_done). */
bool errand_start(struct errand *e, void (*fn)(void *arg), void *arg);

/* Neither running nor waiting to be taken note of. */
bool errand_is_idle(const struct errand *e);

/* Whether what was started has ended; true once. */
bool errand_is_done(struct errand *e);

#ifdef __cplusplus
}
#endif
#endif
