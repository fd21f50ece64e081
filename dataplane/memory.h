/* memory: zeroed anonymous pages for a core's pools and tables, on its NUMA node.
 *
 * Pages are not touched here: the first use of each one faults it in, so a table costs what is used of it
 * and a start is quick. Node < 0, a node that does not exist, or a kernel without NUMA: anywhere.
 *
 * Threads: any; meant for start-up. Fails: memory_map (NULL). */
#ifndef WEIR_DATAPLANE_MEMORY_H
#define WEIR_DATAPLANE_MEMORY_H

#include <stddef.h>

#include <numa.h>
#include <sys/mman.h>

/* len octets, page-aligned; len 0 counts as 1. */
static inline void *
memory_map(size_t len, int node)
{
    void *p = mmap(NULL, len ? len : 1, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    if (len >= (2u << 20))
        (void)madvise(p, len, MADV_HUGEPAGE); /* random look-ups: one TLB entry for 2 MiB */
    if (node >= 0 && numa_available() >= 0 && node <= numa_max_node())
        numa_tonode_memory(p, len ? len : 1, node);
    return p;
}

/* p may be NULL; len as it was mapped. */
static inline void
memory_unmap(void *p, size_t len)
{
    if (p)
        (void)munmap(p, len ? len : 1);
}

#endif
