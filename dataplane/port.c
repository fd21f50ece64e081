#include "dataplane/port.h"

#include <string.h>

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mempool.h>
#include <rte_random.h>
#include <rte_thash.h>

#include "dataplane/log.h"

enum {
    FRAME_OVER_MTU = 14 + 4, /* Ethernet and one VLAN tag */
    SYMMETRY_TRIES = 64
};

static int
fail(const struct port *p, const char *what, int error)
{
    LOG_AT(ERR, "port %s: %s: %s\n", p->name, what, rte_strerror(error < 0 ? -error : error));
    return -1;
}

/* Toeplitz over whole words of a tuple, host order. */
static bool
hashes_alike(const uint8_t *key, const uint32_t *there, const uint32_t *back, unsigned words)
{
    uint32_t a[10], b[10];
    memcpy(a, there, words * sizeof(*a));
    memcpy(b, back, words * sizeof(*b));
    return rte_softrss_be(a, words, key) == rte_softrss_be(b, words, key);
}

bool
rss_key_is_symmetric(const uint8_t *key, size_t len)
{
    uint32_t converted[RSS_KEY_MAX / 4] = {0};
    if (len < 40 || len > RSS_KEY_MAX)
        return false;
    rte_convert_rss_key((const uint32_t *)key, converted, (int)(len & ~3u));
    for (int i = 0; i < SYMMETRY_TRIES; i++) {
        /* source, destination (1 word each or 4), then both ports in one word */
        static const unsigned address_words[] = {1, 4};
        for (unsigned v = 0; v < 2; v++) {
            uint32_t there[9], back[9];
            unsigned n = address_words[v];
            for (unsigned w = 0; w < 2 * n + 1; w++)
                there[w] = (uint32_t)rte_rand();
            memcpy(back, there + n, n * 4);
            memcpy(back + n, there, n * 4);
            back[2 * n] = there[2 * n] << 16 | there[2 * n] >> 16;
            const uint8_t *k = (const uint8_t *)converted;
            if (!hashes_alike(k, there, back, 2 * n) || !hashes_alike(k, there, back, 2 * n + 1))
                return false;
        }
    }
    return true;
}

static bool
is_virtual(const struct port *p)
{
    return strchr(p->name, ':') == NULL;
}

/* Devices without a wire behind them take frames of any length. */
static bool
has_wire(const struct port *p)
{
    static const char *const without[] = {"net_pcap", "net_null", "net_ring"};
    for (size_t i = 0; i < RTE_DIM(without); i++) {
        if (strcmp(p->driver, without[i]) == 0)
            return false;
    }
    return true;
}

/* Configures with one queue a worker and RSS. False: the device will not have it. */
static bool
configure_rss(struct port *p, const struct rte_eth_dev_info *info, struct rte_eth_conf *conf, unsigned workers_cnt)
{
    uint64_t types = info->flow_type_rss_offloads &
                     (RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_FRAG_IPV6);
    uint8_t key[RSS_KEY_MAX];
    unsigned key_len = info->hash_key_size ? info->hash_key_size : 40;
    if (workers_cnt < 2 || info->max_rx_queues < workers_cnt || info->max_tx_queues < workers_cnt ||
        !(types & RTE_ETH_RSS_IPV4) || key_len < 40 || key_len > RSS_KEY_MAX)
        return false;
    for (unsigned i = 0; i < key_len; i += 2) {
        key[i] = 0x6d;
        key[i + 1] = 0x5a;
    }
    conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf->rx_adv_conf.rss_conf =
        (struct rte_eth_rss_conf){.rss_key = key, .rss_key_len = (uint8_t)key_len, .rss_hf = types};
    int ret = rte_eth_dev_configure(p->id, (uint16_t)workers_cnt, (uint16_t)workers_cnt, conf);
    conf->rxmode.mq_mode = RTE_ETH_MQ_RX_NONE;
    conf->rx_adv_conf.rss_conf.rss_key = NULL;
    conf->rx_adv_conf.rss_conf.rss_hf = 0;
    if (ret != 0) {
        LOG_AT(WARNING, "port %s: no RSS (%s), steering in software\n", p->name, rte_strerror(-ret));
        return false;
    }
    p->rx_queues = p->tx_queues = (uint16_t)workers_cnt;
    return true;
}

/* What the device says it uses, after start. */
static bool
rss_is_symmetric(const struct port *p, unsigned key_len)
{
    uint8_t key[RSS_KEY_MAX] = {0};
    struct rte_eth_rss_conf conf = {.rss_key = key, .rss_key_len = (uint8_t)key_len};
    return rte_eth_dev_rss_hash_conf_get(p->id, &conf) == 0 && rss_key_is_symmetric(key, key_len);
}

static int
configure(struct port *p, const struct rte_eth_dev_info *info, unsigned workers_cnt, bool may_rss)
{
    struct rte_eth_conf conf = {0};
    conf.txmode.offloads = info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
    p->is_rss = may_rss && configure_rss(p, info, &conf, workers_cnt);
    if (p->is_rss)
        return 0;
    /* Virtual devices promise queues that their other end need not have: one is always there. */
    p->rx_queues = 1;
    p->tx_queues = (uint16_t)(!is_virtual(p) && info->max_tx_queues >= workers_cnt ? workers_cnt : 1);
    int ret = rte_eth_dev_configure(p->id, 1, p->tx_queues, &conf);
    return ret ? fail(p, "configure", ret) : 0;
}

static int
set_up_queues(struct port *p, const struct config *c, struct rte_mempool *pool)
{
    uint16_t rx = (uint16_t)c->rx_descriptors, tx = (uint16_t)c->tx_descriptors;
    int ret = rte_eth_dev_adjust_nb_rx_tx_desc(p->id, &rx, &tx);
    if (ret != 0)
        return fail(p, "descriptors", ret);
    unsigned socket = p->node < 0 ? (unsigned)SOCKET_ID_ANY : (unsigned)p->node;
    for (uint16_t q = 0; q < p->rx_queues; q++) {
        ret = rte_eth_rx_queue_setup(p->id, q, rx, socket, NULL, pool);
        if (ret != 0)
            return fail(p, ret == -ENOMEM ? "receive queue (is [workers] mbuf_octets below the frame size?)"
                                          : "receive queue", ret);
    }
    for (uint16_t q = 0; q < p->tx_queues; q++) {
        ret = rte_eth_tx_queue_setup(p->id, q, tx, socket, NULL);
        if (ret != 0)
            return fail(p, "transmit queue", ret);
    }
    return 0;
}

/* A bump sees frames for others. What a virtual device cannot switch it has no need of. */
static void
see_everything(const struct port *p)
{
    int promiscuous = rte_eth_promiscuous_enable(p->id);
    int multicast = rte_eth_allmulticast_enable(p->id);
    if (promiscuous != 0 && promiscuous != -ENOTSUP)
        LOG_AT(WARNING, "port %s: not promiscuous: %s\n", p->name, rte_strerror(-promiscuous));
    if (multicast != 0 && multicast != -ENOTSUP && promiscuous != 0)
        LOG_AT(WARNING, "port %s: not all multicast: %s\n", p->name, rte_strerror(-multicast));
}

static int
start(struct port *p, const struct config *c, const struct rte_eth_dev_info *info, unsigned workers_cnt,
      struct rte_mempool *pool, bool may_rss)
{
    if (configure(p, info, workers_cnt, may_rss) || set_up_queues(p, c, pool))
        return -1;
    int ret = rte_eth_dev_start(p->id);
    if (ret != 0)
        return fail(p, "start", ret);
    p->is_open = true;
    return 0;
}

int
port_open(struct port *p, const struct config *c, unsigned workers_cnt, struct rte_mempool *pool)
{
    struct rte_eth_dev_info info;
    int ret = rte_eth_dev_get_port_by_name(p->name, &p->id);
    if (ret != 0)
        return fail(p, "EAL did not bring up this device", ret);
    ret = rte_eth_dev_info_get(p->id, &info);
    if (ret != 0)
        return fail(p, "information", ret);
    p->driver = info.driver_name;
    p->node = rte_eth_dev_socket_id(p->id);
    if (start(p, c, &info, workers_cnt, pool, true))
        return -1;
    unsigned key_len = info.hash_key_size ? info.hash_key_size : 40;
    if (p->is_rss && !rss_is_symmetric(p, key_len)) {
        LOG_AT(WARNING, "port %s: RSS is not symmetric, steering in software\n", p->name);
        ret = rte_eth_dev_stop(p->id);
        if (ret != 0)
            return fail(p, "stop", ret);
        p->is_open = false;
        if (start(p, c, &info, workers_cnt, pool, false))
            return -1;
    }
    if (rte_eth_dev_get_mtu(p->id, &p->mtu) != 0)
        p->mtu = RTE_ETHER_MTU;
    p->frame_max = has_wire(p) ? p->mtu + (uint32_t)FRAME_OVER_MTU : UINT32_MAX;
    see_everything(p);
    return 0;
}

void
port_close(struct port *p)
{
    if (!p->is_open)
        return;
    p->is_open = false;
    int ret = rte_eth_dev_stop(p->id);
    if (ret != 0)
        fail(p, "stop", ret);
    ret = rte_eth_dev_close(p->id);
    if (ret != 0)
        fail(p, "close", ret);
}
