/* must: an invariant of a fuzz target; aborts in every build, NDEBUG or not. */
#ifndef WEIR_TESTS_FUZZ_MUST_H
#define WEIR_TESTS_FUZZ_MUST_H

#include <stdio.h>
#include <stdlib.h>

#define MUST(cond) \
    do { \
        if (!(cond)) { \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
            abort(); \
        } \
    } while (0)

#endif
