/* slab: a fixed number of equal objects on one NUMA node, given out and taken back.
 *
 * Memory is reserved at once and touched only when an object is first used, so a generous cap costs
 * address space, not memory. Objects are not zeroed.
 *
 * Threads: one core's. Fails: slab_init (-ENOMEM), slab_get (NULL: none left). */
#ifndef WEIR_DATAPLANE_SLAB_H
#define WEIR_DATAPLANE_SLAB_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct slab {
    uint8_t *memory;
    size_t object_len; /* rounded up to cache lines */
    uint32_t object_cnt;
    uint32_t fresh;    /* objects from here on were never given out */
    uint32_t used;
    void *free_list;
};

/* node < 0: anywhere. */
int slab_init(struct slab *s, size_t object_len, uint32_t object_cnt, int node);
void slab_fini(struct slab *s);
void *slab_get(struct slab *s);
void slab_put(struct slab *s, void *object);

#ifdef __cplusplus
}
#endif
#endif
