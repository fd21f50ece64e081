/* clock: the time as numbers. */
#ifndef WEIR_CONTROL_CLOCK_H
#define WEIR_CONTROL_CLOCK_H

#include <stdint.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Milliseconds of CLOCK_MONOTONIC, or of CLOCK_REALTIME: since 1970. */
static inline uint64_t
clock_ms(clockid_t which)
{
    struct timespec t;
    clock_gettime(which, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* For measuring how long something took. */
static inline double
clock_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

#ifdef __cplusplus
}
#endif
#endif
