// steer: both directions and all fragments of a conversation meet on one core, in order; and the check of RSS keys.
#include <gtest/gtest.h>

#include <rte_eal.h>
#include <rte_mbuf.h>

#include <cstring>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "dataplane/port.h"
#include "dataplane/steer.h"

namespace {

rte_mempool *pool;

using Frame = std::vector<uint8_t>;

void
put16(Frame &f, unsigned v)
{
    f.push_back(static_cast<uint8_t>(v >> 8));
    f.push_back(static_cast<uint8_t>(v));
}

// IPv4 TCP, or a piece of it at `frag_off` (octets), more pieces to follow when has_more.
Frame
ipv4(uint32_t src, uint32_t dst, unsigned sport, unsigned dport, unsigned frag_off = 0, bool has_more = false)
{
    Frame f(12, 2);
    put16(f, 0x0800);
    put16(f, 0x4500);
    put16(f, 20 + 32);
    put16(f, 99);
    put16(f, frag_off / 8 | (has_more ? 0x2000 : 0));
    put16(f, 64 << 8 | 6);
    put16(f, 0);
    put16(f, src >> 16);
    put16(f, src & 0xffff);
    put16(f, dst >> 16);
    put16(f, dst & 0xffff);
    put16(f, sport);
    put16(f, dport);
    for (int i = 0; i < 4; i++)
        put16(f, 7);
    put16(f, 0x5010);
    for (int i = 0; i < 3 + 6; i++)
        put16(f, 0);
    return f;
}

rte_mbuf *
mbuf(const Frame &f)
{
    rte_mbuf *m = rte_pktmbuf_alloc(pool);
    memcpy(rte_pktmbuf_append(m, static_cast<uint16_t>(f.size())), f.data(), f.size());
    return m;
}

unsigned
owner(steer *s, const Frame &f, unsigned here)
{
    static uint8_t linear[FRAME_LEN_MAX];
    rte_mbuf *m = mbuf(f);
    unsigned o = steer_owner_of(s, m, here, linear);
    rte_pktmbuf_free(m);
    return o;
}

} // namespace

TEST(Steer, BothDirectionsAndAllFragmentsMeet)
{
    std::mt19937 random(1);
    steer *s = steer_new(4, 12345);
    std::map<unsigned, unsigned> load;
    for (int i = 0; i < 4000; i++) {
        uint32_t a = random(), b = random();
        unsigned port = 1024 + random() % 60000;
        unsigned o = owner(s, ipv4(a, b, port, 25), i % 4);
        ASSERT_LT(o, 4u);
        load[o]++;
        EXPECT_EQ(owner(s, ipv4(b, a, 25, port), (i + 1) % 4), o);
        EXPECT_EQ(owner(s, ipv4(a, b, port, 25, 0, true), 0), o);
        EXPECT_EQ(owner(s, ipv4(a, b, 1, 2, 32, true), 1), o);
        EXPECT_EQ(owner(s, ipv4(a, b, 1, 2, 64, false), 2), o);
        EXPECT_EQ(owner(s, ipv4(b, a, 1, 2, 64, false), 3), o);
    }
    for (unsigned o = 0; o < 4; o++)
        EXPECT_NEAR(load[o], 1000, 150) << o;
    steer_free(s);
}

TEST(Steer, WhatHasNoFlowStays)
{
    steer *s = steer_new(4, 1);
    Frame arp(60, 0);
    arp[12] = 8, arp[13] = 6;
    Frame udp = ipv4(1, 2, 3, 4);
    udp[23] = 17;
    for (unsigned here = 0; here < 4; here++) {
        EXPECT_EQ(owner(s, arp, here), here);
        EXPECT_EQ(owner(s, udp, here), here);
        EXPECT_EQ(owner(s, Frame(14, 0), here), here);
        EXPECT_EQ(owner(s, Frame(1, 0), here), here);
    }
    steer_free(s);
}

TEST(Steer, FrameInSeveralSegments)
{
    steer *s = steer_new(4, 7);
    static uint8_t linear[FRAME_LEN_MAX];
    for (uint32_t i = 1; i < 200; i++) {
        Frame f = ipv4(i, i * 77, 1000, 25);
        for (size_t cut : {size_t(13), size_t(20), size_t(33), size_t(40)}) {
            rte_mbuf *m = mbuf(Frame(f.begin(), f.begin() + static_cast<long>(cut)));
            rte_pktmbuf_chain(m, mbuf(Frame(f.begin() + static_cast<long>(cut), f.end())));
            EXPECT_EQ(steer_owner_of(s, m, 9, linear), owner(s, f, 9));
            rte_pktmbuf_free(m);
        }
    }
    steer_free(s);
}

TEST(Steer, RingsAreBoundedOrderedAndFreed)
{
    unsigned before = rte_mempool_avail_count(pool);
    steer *s = steer_new(2, 1);
    rte_mbuf *m = mbuf(Frame(60, 0)), *got[64];
    unsigned put = 0;
    for (; steer_put(s, STEER_IN, 0, 1, m) && put < 100000; put++)
        m = mbuf(Frame(60, 0));
    EXPECT_EQ(put, STEER_RING_SLOTS - 1u);
    rte_pktmbuf_free(m); /* it was still ours */
    EXPECT_EQ(steer_get(s, STEER_OUT, 0, 1, got, 64), 0u);
    EXPECT_EQ(steer_get(s, STEER_IN, 1, 0, got, 64), 0u);
    EXPECT_EQ(steer_get(s, STEER_IN, 0, 1, got, 64), 64u);
    rte_pktmbuf_free_bulk(got, 64);
    steer_free(s); /* frees the rest */
    EXPECT_EQ(rte_mempool_avail_count(pool), before);
}

TEST(Steer, OrderAcrossThreads)
{
    enum { TOTAL = 200000 };
    steer *s = steer_new(2, 1);
    auto number = [](uintptr_t i) { return reinterpret_cast<rte_mbuf *>(i << 6); };
    std::thread from([&] {
        for (uintptr_t i = 1; i <= TOTAL; i++) {
            while (!steer_put(s, STEER_OUT, 0, 1, number(i)))
                std::this_thread::yield();
        }
    });
    rte_mbuf *got[64];
    uintptr_t next = 1;
    while (next <= TOTAL) {
        unsigned n = steer_get(s, STEER_OUT, 0, 1, got, 64);
        for (unsigned i = 0; i < n; i++)
            ASSERT_EQ(got[i], number(next++));
        if (n == 0)
            std::this_thread::yield();
    }
    from.join();
    steer_free(s);
}

TEST(Rss, OnlySymmetricKeysPass)
{
    uint8_t key[52];
    for (size_t i = 0; i < sizeof(key); i++)
        key[i] = i % 2 ? 0x5a : 0x6d;
    EXPECT_TRUE(rss_key_is_symmetric(key, 40));
    EXPECT_TRUE(rss_key_is_symmetric(key, 52));
    EXPECT_FALSE(rss_key_is_symmetric(key, 39));
    EXPECT_FALSE(rss_key_is_symmetric(key, 1000));
    for (size_t bit = 0; bit < 8 * 12; bit += 5) { /* any bit that IPv4 uses */
        key[bit / 8] = static_cast<uint8_t>(key[bit / 8] ^ (0x80 >> bit % 8));
        EXPECT_FALSE(rss_key_is_symmetric(key, 40)) << bit;
        key[bit / 8] = static_cast<uint8_t>(key[bit / 8] ^ (0x80 >> bit % 8));
    }
    static const uint8_t microsoft[40] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
                                          0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
                                          0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
                                          0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};
    EXPECT_FALSE(rss_key_is_symmetric(microsoft, 40));
}

int
main(int argc, char **argv)
{
    testing::InitGoogleTest(&argc, argv);
    char args[][32] = {"steer_test", "--no-huge", "-m", "128", "--no-pci", "--no-telemetry", "--no-shconf",
                       "--log-level=error", "-l", "0"};
    char *eal[11];
    for (int i = 0; i < 10; i++)
        eal[i] = args[i];
    eal[10] = nullptr;
    if (rte_eal_init(10, eal) < 0)
        return 1;
    pool = rte_pktmbuf_pool_create("t", 8191, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    int ret = RUN_ALL_TESTS();
    rte_eal_cleanup();
    return ret;
}
