#include "dataplane/slab.h"

#include <errno.h>
#include <string.h>

#include "dataplane/memory.h"

int
slab_init(struct slab *s, size_t object_len, uint32_t object_cnt, int node)
{
    memset(s, 0, sizeof(*s));
    s->object_len = (object_len + 63) & ~(size_t)63;
    s->object_cnt = object_cnt;
    s->memory = memory_map(s->object_len * object_cnt, node);
    return s->memory ? 0 : -ENOMEM;
}

void
slab_fini(struct slab *s)
{
    memory_unmap(s->memory, s->object_len * s->object_cnt);
    s->memory = NULL;
}

/* The list is threaded through the first word of the free objects. */
void *
slab_get(struct slab *s)
{
    void *object = s->free_list;
    if (object)
        memcpy(&s->free_list, object, sizeof(void *));
    else if (s->fresh < s->object_cnt)
        object = s->memory + s->object_len * s->fresh++;
    s->used += object != NULL;
    return object;
}

void
slab_put(struct slab *s, void *object)
{
    memcpy(object, &s->free_list, sizeof(void *));
    s->free_list = object;
    s->used--;
}
