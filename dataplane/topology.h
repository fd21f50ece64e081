/* topology: which thread runs on which CPU, and the EAL arguments that make it so.
 *
 *   lcore 0      the agent: shares all CPUs of the workers, sleeps most of the time
 *   lcore 1..n   worker 0..n-1, one for each entry of [workers] cpus
 *
 * Any CPU may be named that the kernel lets us run on, also one outside the affinity that the process was
 * started with (isolcpus, taskset). Several workers may name one CPU. With `cpus = auto` there is one worker on no CPU in particular.
 *
 * [eal] args empty means automatic: --no-pci when no pair is a PCI device; --in-memory with
 * --iova-mode=va when huge pages are free, else --no-huge -m 512. Arguments from the file that place
 * lcores (-l, -c, --lcores, --main-lcore) are left out: [workers] says it.
 *
 * Threads: set-up only. Fails: topology_init (-1, reason on stderr: EAL's log is not there yet). */
#ifndef WEIR_DATAPLANE_TOPOLOGY_H
#define WEIR_DATAPLANE_TOPOLOGY_H

#include "dataplane/config.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { EAL_ARGS_MAX = 96, EAL_TEXT_MAX = 16384 };

struct topology {
    unsigned workers_cnt;
    int cpu[CONFIG_CPUS_MAX];  /* -1: any */
    int node[CONFIG_CPUS_MAX]; /* NUMA node of the CPU, -1: any */
    bool has_huge;
    int argc;
    char *argv[EAL_ARGS_MAX + 1]; /* point into text */
    char text[EAL_TEXT_MAX];
    size_t text_len;
};

int topology_init(struct topology *t, const struct config *c);

static inline unsigned
topology_lcore(unsigned worker)
{
    return worker + 1;
}

/* "0000:3b:00.0" and "3b:00.0", with or without ",devargs". */
bool device_is_pci(const char *device);

/* The name under which EAL knows the device: what stands before the first comma. */
void device_name(const char *device, char *name, size_t size);

#ifdef __cplusplus
}
#endif
#endif
