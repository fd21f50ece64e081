#include "dataplane/fragment.h"

#include <algorithm>
#include <cstring>
#include <random>

#include <gtest/gtest.h>
extern "C" {
#include <rte_eal.h>
#include <rte_mbuf.h>
}

#include "packet_build.h"

namespace {

rte_mempool *
pool()
{
    static rte_mempool *p = [] {
        const char *argv[] = {"test", "--no-huge", "--no-pci", "-m", "256", "--no-shconf", "-l", "0",
                              "--no-telemetry"};
        if (rte_eal_init(9, const_cast<char **>(argv)) < 0)
            abort();
        return rte_pktmbuf_pool_create("t", 8191, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM, 0);
    }();
    return p;
}

struct fixture : testing::Test {
    fragment_table *t = nullptr;
    datagram out{};
    unsigned free_before = 0;

    void SetUp() override
    {
        free_before = rte_mempool_avail_count(pool());
        t = fragment_table_new(8, 1000, -1);
        ASSERT_TRUE(t);
    }
    void TearDown() override
    {
        fragment_table_free(t);
        EXPECT_EQ(rte_mempool_avail_count(pool()), free_before);
    }
    fragment_result input(const octets &f, uint64_t now = 0)
    {
        rte_mbuf *m = rte_pktmbuf_alloc(pool());
        EXPECT_TRUE(m);
        memcpy(rte_pktmbuf_append(m, (uint16_t)f.size()), f.data(), f.size());
        packet p;
        EXPECT_EQ(packet_parse(&p, rte_pktmbuf_mtod(m, uint8_t *), f.size()), PACKET_FRAGMENT);
        fragment_result r = fragment_input(t, &p, m, now, &out);
        if (r == FRAGMENT_HELD)
            return r;
        EXPECT_GE(out.mbuf_cnt, 1u);
        EXPECT_EQ(out.mbufs[out.mbuf_cnt - 1], m);
        for (unsigned i = 0; i < out.mbuf_cnt; i++)
            rte_pktmbuf_free(out.mbufs[i]);
        return r;
    }
};

frame_spec
spec(int version, size_t payload_len = 3000)
{
    frame_spec s;
    s.version = version;
    s.first_ext = 44;
    s.tags = {{0x88a8, 5}, {0x8100, 6}};
    std::mt19937 rng(1);
    s.payload.resize(payload_len);
    for (auto &c : s.payload)
        c = (char)rng();
    return s;
}

struct Fragment : fixture {};

// Any cut in any order, with duplicates, gives the frame that was never cut.
TEST_F(Fragment, AnyCutInAnyOrder)
{
    for (unsigned seed = 0; seed < 2000; seed++) {
        std::mt19937 rng(seed);
        frame_spec s = spec(seed % 2 ? 4 : 6, rng() % 4000);
        octets ext;
        if (seed % 4 == 0) { // hop-by-hop before the fragment header
            ext = {44, 0, 1, 4, 0, 0, 0, 0};
            s.first_ext = 0;
        }
        octets body = s.tcp();
        std::vector<octets> pieces;
        for (size_t off = 0; off < body.size();) {
            size_t len = std::min<size_t>((1 + rng() % 180) * 8, body.size() - off);
            if (off == 0 && len == body.size() && s.version == 4)
                len = 8;
            octets f;
            if (ext.empty()) {
                f = s.piece(body, off, len, seed);
            } else { // piece() puts the fragment header first: build the chain by hand
                octets h = ext;
                h.insert(h.end(), {6, 0});
                put16(h, (unsigned)(off | (off + len < body.size())));
                put32(h, seed);
                h.insert(h.end(), body.begin() + (long)off, body.begin() + (long)(off + len));
                f = s.frame_of(s.ip(h));
            }
            pieces.push_back(f);
            off += len;
        }
        std::shuffle(pieces.begin(), pieces.end(), rng);
        for (size_t i = 0; i < pieces.size(); i++) {
            bool is_last = i + 1 == pieces.size();
            ASSERT_EQ(input(pieces[i]), is_last ? FRAGMENT_COMPLETE : FRAGMENT_HELD) << seed;
            if (!is_last && rng() % 3 == 0) {
                ASSERT_EQ(input(pieces[rng() % (i + 1)]), FRAGMENT_DROP);
                ASSERT_EQ(out.mbuf_cnt, 1u);
            }
        }
        ASSERT_EQ(out.mbuf_cnt, pieces.size());
        frame_spec w = s;
        w.first_ext = 6;
        if (!ext.empty()) {
            w.first_ext = 0;
            w.ip_options = ext;
            w.ip_options[0] = 6;
        }
        octets want = w.frame();
        if (s.version == 4) { // the id stays
            want[22 + 4] = (uint8_t)(seed >> 8);
            want[22 + 5] = (uint8_t)seed;
        }
        packet p;
        ASSERT_EQ(packet_parse(&p, out.frame, out.frame_len), PACKET_TCP);
        ASSERT_TRUE(packet_checksum_is_right(&p));
        octets got(out.frame, out.frame + out.frame_len);
        if (s.version == 4)
            got[22 + 10] = got[22 + 11] = want[22 + 10] = want[22 + 11] = 0;
        ASSERT_EQ(got, want) << seed;
    }
}

TEST_F(Fragment, OverlapDropsTheDatagramAndItsLaterPieces)
{
    for (int version : {4, 6}) {
        frame_spec s = spec(version);
        octets body = s.tcp(), other = body;
        other[1000] ^= 1;
        EXPECT_EQ(input(s.piece(body, 0, 1480, 1)), FRAGMENT_HELD);
        EXPECT_EQ(input(s.piece(other, 0, 1480, 1)), FRAGMENT_DROP); // same place, other octets
        EXPECT_EQ(out.mbuf_cnt, 2u);
        EXPECT_EQ(input(s.piece(body, 1480, body.size() - 1480, 1)), FRAGMENT_DROP);
        EXPECT_EQ(out.mbuf_cnt, 1u);
        EXPECT_EQ(input(s.piece(body, 0, 1480, 1)), FRAGMENT_DROP);
        EXPECT_EQ(input(s.piece(body, 0, 1480, 1), 1000), FRAGMENT_HELD); // forgotten by now

        EXPECT_EQ(input(s.piece(body, 0, 1480, 2), 1000), FRAGMENT_HELD);
        EXPECT_EQ(input(s.piece(body, 1472, 800, 2), 1000), FRAGMENT_DROP); // partial overlap
        EXPECT_EQ(fragment_expire(t, 2000), 1u);
    }
}

TEST_F(Fragment, ContradictingLengths)
{
    for (int version : {4, 6}) {
        frame_spec s = spec(version);
        octets body = s.tcp(), shorter(body.begin(), body.begin() + 1600);
        EXPECT_EQ(input(s.piece(body, 1480, body.size() - 1480, 1)), FRAGMENT_HELD);
        EXPECT_EQ(input(s.piece(shorter, 1480, 120, 1)), FRAGMENT_DROP); // another end
        EXPECT_EQ(input(s.piece(body, 1480, 800, 2)), FRAGMENT_HELD);
        EXPECT_EQ(input(s.piece(shorter, 1480, 120, 2)), FRAGMENT_DROP); // an end before what is there
        EXPECT_EQ(input(s.piece(shorter, 1480, 120, 3)), FRAGMENT_HELD);
        EXPECT_EQ(input(s.piece(body, 1600, 800, 3)), FRAGMENT_DROP); // beyond the end
        fragment_expire(t, 5000);
    }
}

TEST_F(Fragment, TooManyPiecesAndTooLong)
{
    frame_spec s = spec(4, 3000);
    octets body = s.tcp();
    for (unsigned i = 0; i < FRAGMENT_PIECES_MAX; i++)
        ASSERT_EQ(input(s.piece(body, 8 * i, 8, 1)), FRAGMENT_HELD);
    EXPECT_EQ(input(s.piece(body, 8 * FRAGMENT_PIECES_MAX, 8, 1)), FRAGMENT_DROP);
    EXPECT_EQ(out.mbuf_cnt, FRAGMENT_PIECES_MAX + 1u);
    octets longest(65528 + 7, 'x'); // fits the offset field, not with its header
    EXPECT_EQ(input(s.piece(longest, 65528, 7, 2)), FRAGMENT_DROP);
}

TEST_F(Fragment, FullTableGivesUpTheOldest)
{
    frame_spec s = spec(4);
    octets body = s.tcp();
    for (unsigned id = 0; id < 9; id++) {
        EXPECT_EQ(input(s.piece(body, 0, 1480, id)), FRAGMENT_HELD);
        EXPECT_EQ(out.freed_cnt, id == 8 ? 1u : 0u);
    }
    EXPECT_EQ(input(s.piece(body, 1480, body.size() - 1480, 8)), FRAGMENT_COMPLETE);
    EXPECT_EQ(input(s.piece(body, 1480, body.size() - 1480, 0)), FRAGMENT_HELD);
}

TEST_F(Fragment, WrongHeaderSumIsDroppedAlone)
{
    frame_spec s = spec(4);
    octets body = s.tcp(), f = s.piece(body, 0, 1480, 1);
    EXPECT_EQ(input(f), FRAGMENT_HELD);
    f[22 + 8]--; // TTL
    f[30 + 500] ^= 1;
    EXPECT_EQ(input(f), FRAGMENT_DROP);
    EXPECT_EQ(out.mbuf_cnt, 1u);
    EXPECT_EQ(input(s.piece(body, 1480, body.size() - 1480, 1)), FRAGMENT_COMPLETE);
}

TEST_F(Fragment, AtomicIsCompleteAndLeavesOthersAlone)
{
    frame_spec s = spec(6, 500);
    octets body = s.tcp();
    EXPECT_EQ(input(s.piece(body, 0, 400, 1)), FRAGMENT_HELD);
    EXPECT_EQ(input(s.piece(body, 0, body.size(), 1)), FRAGMENT_COMPLETE);
    packet p;
    EXPECT_EQ(packet_parse(&p, out.frame, out.frame_len), PACKET_TCP);
    EXPECT_TRUE(packet_checksum_is_right(&p));
    EXPECT_EQ(input(s.piece(body, 400, body.size() - 400, 1)), FRAGMENT_COMPLETE);
}

TEST_F(Fragment, BothDirectionsWithOneIdAreTwoDatagrams)
{
    frame_spec a = spec(4), b = a;
    std::swap(b.src, b.dst);
    octets body = a.tcp();
    EXPECT_EQ(input(a.piece(body, 0, 1480, 1)), FRAGMENT_HELD);
    EXPECT_EQ(input(b.piece(body, 1480, body.size() - 1480, 1)), FRAGMENT_HELD);
    EXPECT_EQ(input(a.piece(body, 1480, body.size() - 1480, 1)), FRAGMENT_COMPLETE);
}

} // namespace
