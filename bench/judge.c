/* bench-judge: SMTP sessions of a capture through the pipeline of one core, again and again, beside bare loops
 * over the same mail (units.h), interleaved in one process. No ports, no root.
 *
 * A line of JSON for each contender and round: its CPU time, the wall time beside it, and the message octets
 * that it judged. tools/bench reads them; see there for what the figures mean. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_mbuf.h>

#include "bench/traffic.h"
#include "bench/units.h"
#include "dataplane/pipeline.h"
#include "scan/image.h"
#include "scan/rule.h"

enum {
    OWN_MBUFS = 4096, /* for frames that the pipeline makes */
    MBUF_OCTETS = 2048,
    BURSTS_A_MS = 8,
    CLOSED_MS = 500
};

static struct {
    const char *capture, *rules;
    unsigned rounds, concurrency;
    bool is_alone; /* the pipeline only: for callgrind */
    bool is_paired;
} options = {.rounds = 10, .concurrency = 256};

static struct pipeline_config config;
static struct pipeline *pl;
static struct ruleset *rs, *second_rs;
static struct traffic traffic;
static hs_database_t *raw;
static hs_scratch_t *raw_scratch;
static unsigned rounds_begun; /* also those that are not shown */

static int
usage(void)
{
    fprintf(stderr, "usage: bench-judge --capture PCAP [--rules FILE.cf] [--rounds N] [--concurrency N] [--alone] [--paired]\n"
                    "  --rules   none: messages are read but not matched\n"
                    "  --alone   only the pipeline, without a warm-up round\n"
                    "  --paired  each message is judged twice, by the rules and by a second copy of them\n");
    return 2;
}

static int
read_arguments(int argc, char **argv)
{
    static const struct option longs[] = {{"capture", required_argument, NULL, 'c'},
                                          {"rules", required_argument, NULL, 'r'},
                                          {"rounds", required_argument, NULL, 'n'},
                                          {"concurrency", required_argument, NULL, 's'},
                                          {"alone", no_argument, NULL, 'a'},
                                          {"paired", no_argument, NULL, 'p'},
                                          {0}};
    for (int o; (o = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        switch (o) {
        case 'c':
            options.capture = optarg;
            break;
        case 'r':
            options.rules = optarg;
            break;
        case 'n':
            options.rounds = (unsigned)atoi(optarg);
            break;
        case 's':
            options.concurrency = (unsigned)atoi(optarg);
            break;
        case 'a':
            options.is_alone = true;
            break;
        case 'p':
            options.is_paired = true;
            break;
        default:
            return -1;
        }
    }
    return options.capture && options.rounds && options.concurrency && optind == argc ? 0 : -1;
}

/* ---- set-up ---- */

/* Caps as appliance.cfg ships them. Nothing is refused, so that every message is read to its end. */
static void
make_config(void)
{
    config.smtp_port[25 / 8] |= 1 << (25 % 8);
    config.thresholds = (struct thresholds){INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX};
    for (unsigned e = 0; e < EVENT_CNT; e++)
        config.event_action[e] = VERDICT_ACCEPT;
    config.flows_max = 65536;
    config.half_open_max = 16384;
    config.messages_max = 1024;
    config.refusals_max = 4096;
    config.fragments_max = 256;
    config.store_chunks = 65536;
    config.stream_octets_max = 4 << 20;
    config.idle_ms = config.half_open_ms = config.stall_ms = config.refusal_ms = 600000;
    config.closed_ms = CLOSED_MS; /* rounds follow each other closely */
    config.fragment_ms = 3000;
    strcpy(config.hostname, "weir");
}

static int
load_rules(void)
{
    struct rule_list *l = rule_list_new();
    void *image = NULL;
    size_t len;
    char err[256] = "";
    if (rule_list_read(l, options.rules) == 0 && image_build(l, &image, &len) == 0)
        rs = ruleset_load(image, len, 1, 1, err, sizeof(err));
    if (rs && options.is_paired)
        second_rs = ruleset_load(image, len, 2, 1, err, sizeof(err));
    if (!rs)
        fprintf(stderr, "%s: %s%s\n", options.rules, rule_list_diagnostics(l), err);
    else if (!options.is_alone && units_raw_database(l, &raw) == 0 && raw)
        hs_alloc_scratch(raw, &raw_scratch);
    free(image);
    rule_list_free(l);
    return rs ? 0 : -1;
}

/* As a stage in which all messages are judged twice, less the evidence: no agent counts here. */
static uint64_t
cycles(void)
{
    return rte_rdtsc();
}

static void
begin_pair(void *owner, const struct smtp_session *s, struct pair *p)
{
    (void)owner, (void)s;
    pair_add(p, second_rs);
}

static void
end_pair(void *owner, const struct smtp_session *s, struct pair *p, struct judgement *j)
{
    (void)owner, (void)s, (void)p, (void)j;
}

static struct pairing pairing = {.cycles = cycles, .seed = 1, .begin = begin_pair, .judged = end_pair};

static int
start_eal(unsigned mbufs)
{
    char memory[16], lcores[32];
    long cpus = sysconf(_SC_NPROCESSORS_ONLN); /* on all of them, so that taskset decides */
    snprintf(lcores, sizeof(lcores), cpus > 1 ? "--lcores=0@(0-%ld)" : "--lcores=0@0", cpus - 1);
    snprintf(memory, sizeof(memory), "%u", 128 + mbufs / 256); /* 2.4 kB each, and room */
    char *argv[] = {"bench-judge", "--no-huge", "-m", memory, "--no-pci", "--no-telemetry",
                    "--log-level=3", "--no-shconf", lcores, NULL};
    optind = 1;
    return rte_eal_init((int)RTE_DIM(argv) - 1, argv) < 0 ? -1 : 0;
}

static int
set_up(void)
{
    int64_t frames = traffic_count(options.capture);
    if (frames <= 0 || start_eal((unsigned)frames + OWN_MBUFS) ||
        traffic_read(&traffic, options.capture, options.concurrency))
        return -1;
    struct rte_mempool *pool = rte_pktmbuf_pool_create("traffic", traffic.frames_cnt, 0, 0,
                                                       MBUF_OCTETS + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
    struct rte_mempool *own = rte_pktmbuf_pool_create("own", OWN_MBUFS, 0, 0, MBUF_OCTETS + RTE_PKTMBUF_HEADROOM,
                                                      SOCKET_ID_ANY);
    if (!pool || !own || traffic_mbufs(&traffic, pool)) {
        fprintf(stderr, "no memory for %u frames\n", traffic.frames_cnt);
        return -1;
    }
    make_config();
    pl = pipeline_new(&config, 0, -1, 42, own, NULL, 0);
    if (!pl || (options.rules && load_rules()))
        return -1;
    pl->scanner.live = rs;
    pl->scanner.pairing = second_rs ? &pairing : NULL;
    return 0;
}

/* ---- the contenders ---- */

static void
empty_outboxes(void)
{
    for (unsigned side = 0; side < 2; side++) {
        struct outbox *o = &pl->outbox[0][side];
        rte_pktmbuf_free_bulk(o->mbufs, o->cnt);
        o->cnt = 0;
    }
}

static void
run_pipeline(void)
{
    uint64_t now_ms = pl->now_ms;
    for (uint32_t i = 0; i < traffic.bursts_cnt; i++) {
        const struct traffic_burst *b = &traffic.bursts[i];
        now_ms += i % BURSTS_A_MS == 0;
        pipeline_burst(pl, 0, b->side, traffic.mbufs + b->first, b->cnt, now_ms);
        empty_outboxes();
        pipeline_tick(pl, now_ms);
    }
}

static void
run_units(void)
{
    units_scan(rs);
}

static void
run_messages(void)
{
    units_messages(&pl->scanner);
}

static void
run_raw(void)
{
    units_raw(raw, raw_scratch);
}

/* ---- measuring ---- */

static uint64_t
clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t
messages_judged(void)
{
    uint64_t cnt = 0;
    for (unsigned v = 0; v < VERDICT_CNT; v++)
        cnt += pl->scanner.message_cnt[v];
    return cnt;
}

/* New frames; the connections of the last round are over. */
static void
prepare_pipeline(void)
{
    while (flow_cnt(pl->flows))
        pipeline_tick(pl, pl->now_ms + 16);
    traffic_renew(&traffic, rounds_begun++);
}

static void
measure(unsigned round, const char *name, void (*run)(void))
{
    uint64_t judged = messages_judged();
    uint64_t wall = clock_ns(CLOCK_MONOTONIC), cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    run();
    cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
    wall = clock_ns(CLOCK_MONOTONIC) - wall;
    judged = messages_judged() - judged;
    printf("{\"round\":%u,\"name\":\"%s\",\"cpu_ns\":%lu,\"wall_ns\":%lu,\"judged\":%lu,\"message_octets\":%lu}\n",
           round, name, cpu, wall, judged, units.message_octets);
}

static void
describe(void)
{
    printf("{\"sessions\":%u,\"frames\":%u,\"data_frames\":%u,\"payload_octets\":%lu,\"bursts\":%u,"
           "\"messages\":%u,\"message_octets\":%lu,\"units\":%u,\"unit_octets\":%lu,\"rules\":%u}\n",
           traffic.sessions_cnt, traffic.frames_cnt, traffic.data_cnt, traffic.payload_octets, traffic.bursts_cnt,
           units.messages_cnt, units.message_octets, units.units_cnt, units.unit_octets,
           rs ? ruleset_rule_cnt(rs) : 0);
}

int
main(int argc, char **argv)
{
    if (read_arguments(argc, argv))
        return usage();
    if (set_up())
        return 1;
    if (!options.is_alone) {
        units.is_recording = true;
        prepare_pipeline();
        run_pipeline();
        units.is_recording = false;
    }
    describe();
    for (unsigned i = 0; i < options.rounds; i++) {
        prepare_pipeline();
        measure(i, "pipeline", run_pipeline);
        if (options.is_alone)
            continue;
        measure(i, "message", run_messages);
        if (rs)
            measure(i, "units", run_units);
        if (raw)
            measure(i, "raw", run_raw);
    }
    return 0;
}
