/* crash: places where a test may have the process killed, as by kill -9, so that every one of them is proved to leave a
 * state that the next start puts right. WEIR_CRASH_POINT=NAME chooses one (WEIR_CRASH_SKIP=N: not before it was passed N times); --crash-points lists them. Without the
 * variable a place costs one comparison.
 *
 * Threads: crash_init once, before children; the places anywhere. In a child both the child and the controller die. */
#ifndef WEIR_CONTROL_CRASH_H
#define WEIR_CONTROL_CRASH_H

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Reads the variable. -1: it names no place (said on stderr). */
int crash_init(void);
void crash_list(FILE *to);

/* Here "WHERE:NAME" would be; name NULL: "WHERE". */
void crash_here(const char *where, const char *name);

#ifdef __cplusplus
}
#endif
#endif
