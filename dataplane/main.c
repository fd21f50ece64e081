/* weir-dataplane: the packet process. Reads top to bottom: configuration, EAL, ports, workers, run, end. */
#include <dirent.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <numa.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_random.h>

#include "dataplane/agent.h"
#include "dataplane/config.h"
#include "dataplane/log.h"
#include "dataplane/stats.h"
#include "dataplane/topology.h"

enum { RECORD_SLOTS = 1024, MBUF_CACHE = 256 };

static struct config config;
static struct topology topology;
static struct appliance appliance;
static struct golden_run golden;
static struct worker *workers[CONFIG_CPUS_MAX];

static int
usage(FILE *to, int code)
{
    fprintf(to, "usage: weir-dataplane --config FILE [--check]\n"
                "  --check   validate FILE and print the configuration in effect; exit 0 or 1\n");
    return code;
}

/* 0: go on with *path and *is_check; else *code is the exit code. */
static int
read_arguments(int argc, char **argv, const char **path, bool *is_check, int *code)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"check", no_argument, NULL, 'n'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    for (int o; (o = getopt_long(argc, argv, "c:nh", options, NULL)) != -1;) {
        if (o == 'c')
            *path = optarg;
        else if (o == 'n')
            *is_check = true;
        else
            return *code = o == 'h' ? usage(stdout, 0) : usage(stderr, 2), -1;
    }
    if (!*path || optind != argc)
        return *code = usage(stderr, 2), -1;
    return 0;
}

/* ---- set-up ---- */

static int
open_log(void)
{
    static const uint32_t levels[] = {RTE_LOG_ERR, RTE_LOG_WARNING, RTE_LOG_NOTICE, RTE_LOG_DEBUG};
    FILE *to = *config.log_file ? fopen(config.log_file, "ae") : stderr;
    if (!to) {
        perror(config.log_file);
        return -1;
    }
    setvbuf(to, NULL, _IOLBF, 0);
    rte_openlog_stream(to);
    rte_log_set_level((uint32_t)weir_logtype, levels[config.log_level]);
    return 0;
}

static int
start_eal(void)
{
    /* EAL reorders the vector it is given and may keep pointers into the text, so it gets its own. */
    char *argv[EAL_ARGS_MAX + 1];
    memcpy(argv, topology.argv, sizeof(argv));
    optind = 1;
    if (rte_eal_init(topology.argc, argv) >= 0)
        return 0;
    fprintf(stderr, "weir: EAL did not start; it was given:");
    for (int i = 1; i < topology.argc; i++)
        fprintf(stderr, " %s", topology.argv[i]);
    fputc('\n', stderr);
    return -1;
}

static void
add_port(unsigned pair, unsigned side, const char *device, bool is_one_armed)
{
    int8_t idx = (int8_t)appliance.ports_cnt++;
    struct port *p = &appliance.port[idx];
    p->pair = (uint8_t)pair;
    p->side = (uint8_t)side;
    p->is_one_armed = is_one_armed;
    device_name(device, p->name, sizeof(p->name));
    appliance.port_out[pair][side] = idx;
    if (is_one_armed)
        appliance.port_out[pair][INSIDE] = idx;
}

static void
list_ports(void)
{
    memset(appliance.port_out, -1, sizeof(appliance.port_out));
    memset(appliance.port_of_id, -1, sizeof(appliance.port_of_id));
    for (unsigned i = 0; i < PAIR_MAX; i++) {
        const struct config_pair *p = &config.pair[i];
        if (!p->is_set)
            continue;
        config.pipeline.is_one_armed[i] = config_pair_is_one_armed(p);
        add_port(i, OUTSIDE, p->outside, config.pipeline.is_one_armed[i]);
        if (!config.pipeline.is_one_armed[i])
            add_port(i, INSIDE, p->inside, false);
    }
}

static struct rte_mempool *
make_pool(void)
{
    struct rte_mempool *pool =
        rte_pktmbuf_pool_create("mbufs", config.mbufs, MBUF_CACHE, 0,
                                (uint16_t)(config.mbuf_octets + RTE_PKTMBUF_HEADROOM), SOCKET_ID_ANY);
    if (!pool)
        LOG_AT(ERR, "no memory for %u mbufs of %u octets: give EAL more ([eal] args -m) or lower [workers] mbufs\n",
               config.mbufs, config.mbuf_octets);
    return pool;
}

static int
open_ports(struct rte_mempool *pool)
{
    for (unsigned i = 0; i < appliance.ports_cnt; i++) {
        struct port *p = &appliance.port[i];
        if (port_open(p, &config, topology.workers_cnt, pool))
            return -1;
        if (p->id >= RTE_DIM(appliance.port_of_id) || appliance.port_of_id[p->id] >= 0) {
            LOG_AT(ERR, "port %s stands in two places\n", p->name);
            return -1;
        }
        appliance.port_of_id[p->id] = (int8_t)i;
        /* Two kinds of NIC may hash one conversation apart: RSS is relied on only where all are alike. */
        if (topology.workers_cnt > 1 && (!p->is_rss || strcmp(p->driver, appliance.port[0].driver) != 0))
            appliance.is_steered = true;
    }
    return 0;
}

static struct worker *
make_worker(unsigned idx, uint64_t seed, struct rte_mempool *pool)
{
    int node = topology.node[idx];
    struct worker *w = rte_zmalloc_socket("worker", sizeof(*w), 64, node < 0 ? SOCKET_ID_ANY : node);
    if (!w)
        return NULL;
    w->appliance = &appliance;
    w->idx = idx;
    w->cpu = topology.cpu[idx];
    w->node = node;
    bool is_recorded = *config.messages || *config.link_socket;
    if (is_recorded)
        w->records = record_ring_new(RECORD_SLOTS, config.stop_after_frames != 0, node);
    w->pl = pipeline_new(&config.pipeline, idx, node, seed, pool, w->records, worker_clock_ms());
    w->memory_octets = sizeof(*w) + sizeof(*w->pl) + (size_t)config.pipeline.store_chunks * sizeof(struct chunk) +
                       config.pipeline.flows_max * sizeof(struct flow) +
                       (is_recorded ? RECORD_SLOTS * sizeof(struct record) : 0);
    if (w->pl && (w->records || !is_recorded))
        return w;
    LOG_AT(ERR, "worker %u: no memory: lower [caps]\n", idx);
    pipeline_free(w->pl);
    record_ring_free(w->records);
    rte_free(w);
    return NULL;
}

static int
make_workers(struct rte_mempool *pool)
{
    uint64_t seed = rte_rand();
    appliance.config = &config;
    appliance.workers_cnt = topology.workers_cnt;
    appliance.phase = WORKERS_RUN;
    appliance.swap = swap_new(topology.workers_cnt);
    golden_run_init(&golden, topology.workers_cnt, &config.pipeline.thresholds);
    appliance.golden = &golden;
    appliance.steer = steer_new(topology.workers_cnt, rte_rand());
    if (!appliance.swap || !appliance.steer) {
        LOG_AT(ERR, "no memory for the rings of %u workers\n", topology.workers_cnt);
        return -1;
    }
    for (unsigned i = 0; i < appliance.workers_cnt; i++) {
        workers[i] = make_worker(i, seed, pool);
        if (!workers[i])
            return -1;
    }
    return 0;
}

/* ---- what was made of it, for the operator ---- */

static void
print_ports(void)
{
    LOG_AT(NOTICE, "%-6s %-8s %-20s %-16s %4s %5s %6s %6s  %s\n", "pair", "side", "port", "driver", "node", "mtu",
           "queues", "worker", "spread by");
    for (unsigned i = 0; i < appliance.ports_cnt; i++) {
        const struct port *p = &appliance.port[i];
        char worker[8] = "all", node[12] = "any";
        if (p->rx_queues == 1)
            snprintf(worker, sizeof(worker), "%u", port_owner(&appliance, i) % 1000);
        if (p->node >= 0)
            snprintf(node, sizeof(node), "%d", p->node);
        LOG_AT(NOTICE, "%-6u %-8s %-20s %-16s %4s %5u %3u/%-3u %5s  %s\n", p->pair,
               p->is_one_armed ? "both" : p->side == OUTSIDE ? "outside" : "inside", p->name, p->driver, node, p->mtu,
               p->rx_queues, p->tx_queues, worker,
               appliance.workers_cnt == 1 ? "nothing, one worker" : appliance.is_steered ? "software" : "RSS, symmetric");
    }
}

static void
print_workers(void)
{
    LOG_AT(NOTICE, "%-6s %-5s %-5s %-10s %s\n", "worker", "cpu", "node", "memory", "huge pages");
    for (unsigned i = 0; i < appliance.workers_cnt; i++) {
        char cpu[12] = "any", node[12] = "any";
        if (workers[i]->cpu >= 0)
            snprintf(cpu, sizeof(cpu), "%d", workers[i]->cpu);
        if (workers[i]->node >= 0)
            snprintf(node, sizeof(node), "%d", workers[i]->node);
        LOG_AT(NOTICE, "%-6u %-5s %-5s %6llu MiB %s\n", i, cpu, node,
               (unsigned long long)(workers[i]->memory_octets >> 20), rte_eal_has_hugepages() ? "yes" : "no");
    }
}

/* ---- run and end ---- */

/* A data plane without rules forwards everything; it must not do so unnoticed. */
static void
load_first_rules(struct agent *agent)
{
    char err[256] = "";
    if (agent_start_rules(agent, err, sizeof(err)) == 0)
        return;
    LOG_AT(ERR, "NO RULES: %s%s%s; mail passes unjudged until an image is pushed (weirctl push)\n", config.image,
           *config.image ? ": " : "", err);
}

static int
run(struct agent *agent)
{
    for (unsigned i = 0; i < appliance.workers_cnt; i++) {
        if (rte_eal_remote_launch(worker_run, workers[i], topology_lcore(i)) != 0) {
            LOG_AT(ERR, "worker %u did not start\n", i);
            __atomic_store_n(&appliance.phase, WORKERS_STOP, __ATOMIC_RELEASE);
            rte_eal_mp_wait_lcore();
            return 1;
        }
    }
    LOG_AT(NOTICE, "forwarding\n");
    int code = agent_run(agent);
    rte_eal_mp_wait_lcore();
    agent_drain(agent);
    return code;
}

static void
print_totals(void)
{
    struct stats s;
    stats_sum(&s, workers, appliance.workers_cnt);
    stats_json(&s, stderr);
}

static void
take_down(struct agent *agent)
{
    stats_withdraw();
    agent_free(agent);
    for (unsigned i = 0; i < appliance.workers_cnt && workers[i]; i++) {
        pipeline_free(workers[i]->pl); /* its messages let go of their rule sets */
        record_ring_free(workers[i]->records);
        rte_free(workers[i]);
    }
    steer_free(appliance.steer);
    for (unsigned i = 0; i < appliance.ports_cnt; i++)
        port_close(&appliance.port[i]);
    swap_free(appliance.swap);
}

/* EAL leaves its runtime folder behind: with --no-huge 12 KiB for each MiB of -m. At exit, and asked for
 * before EAL starts, so that it runs after what EAL itself does then (telemetry's sockets). */
static char runtime_folder[CONFIG_PATH_MAX]; /* empty: EAL did not start, the folder may be another's */

static void
remove_runtime_folder(void)
{
    static const char *const ours[] = {"config", "fbarray_", "mp_socket", "hugepage_info", "dpdk_telemetry"};
    char path[CONFIG_PATH_MAX + NAME_MAX + 2];
    snprintf(path, sizeof(path), "%s/config", runtime_folder);
    /* --in-memory makes no config and takes no lock: what is there may be another's of the same prefix */
    DIR *d = *runtime_folder && access(path, F_OK) == 0 ? opendir(runtime_folder) : NULL;
    for (struct dirent *e; d && (e = readdir(d));) {
        snprintf(path, sizeof(path), "%s/%s", runtime_folder, e->d_name);
        for (size_t i = 0; i < RTE_DIM(ours); i++) {
            if (strncmp(e->d_name, ours[i], strlen(ours[i])) == 0)
                unlink(path);
        }
    }
    if (d)
        closedir(d);
    if (*runtime_folder)
        rmdir(runtime_folder); /* fails when anything is left */
}

int
main(int argc, char **argv)
{
    const char *path = NULL;
    bool is_check = false;
    int code = 1;
    if (read_arguments(argc, argv, &path, &is_check, &code))
        return code;
    if (config_read(&config, path, stderr))
        return 1;
    if (is_check) {
        config_print(&config, stdout);
        return 0;
    }
    agent_block_signals();
    atexit(remove_runtime_folder);
    if (topology_init(&topology, &config) || open_log() || start_eal())
        return 1;
    snprintf(runtime_folder, sizeof(runtime_folder), "%s", rte_eal_get_runtime_dir());
    list_ports();
    struct agent *agent = NULL;
    struct rte_mempool *pool = make_pool();
    if (pool && open_ports(pool) == 0 && make_workers(pool) == 0)
        agent = agent_new(&appliance, workers);
    if (agent) {
        print_ports();
        print_workers();
        stats_publish(workers, appliance.workers_cnt);
        load_first_rules(agent);
        code = run(agent);
        print_totals();
    }
    take_down(agent);
    rte_eal_cleanup();
    return code;
}
