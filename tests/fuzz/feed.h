/* feed: a fuzz target's input, taken piece by piece; beyond its end everything is 0. */
#ifndef WEIR_TESTS_FUZZ_FEED_H
#define WEIR_TESTS_FUZZ_FEED_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct feed {
    const uint8_t *at;
    size_t left;
};

static inline uint8_t
feed_u8(struct feed *f)
{
    if (!f->left)
        return 0;
    f->left--;
    return *f->at++;
}

/* Fills `to` with the next size octets. */
static inline void
feed_into(struct feed *f, void *to, size_t size)
{
    size_t n = size < f->left ? size : f->left;
    memset(to, 0, size);
    if (n)
        memcpy(to, f->at, n);
    f->at += n;
    f->left -= n;
}

/* Changes what is there already: each change is 2 octets of place (ending with one that is beyond) and one of value. */
static inline void
feed_patch(struct feed *f, void *to, size_t size)
{
    while (f->left >= 3) {
        size_t place = (size_t)(feed_u8(f) | feed_u8(f) << 8);
        if (place >= size)
            return;
        ((uint8_t *)to)[place] = feed_u8(f);
    }
}

#endif
