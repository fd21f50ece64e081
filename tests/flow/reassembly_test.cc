// reassembly against a slow model: one record an octet, over sequence space that wraps.
#include "dataplane/reassembly.h"

#include <cstring>
#include <map>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace {

struct octet {
    uint8_t value;
    bool is_early;
};

// Octets by their distance from the first sequence number; never forgets how it began.
struct model {
    std::map<uint32_t, octet> kept;
    uint32_t first, una = 0, nxt = 0, octets_max;

    bool fits(uint32_t off, uint32_t len) const
    {
        uint32_t end = off + len;
        return end <= una || end <= una + octets_max;
    }
    uint32_t insert(uint32_t off, std::vector<uint8_t> &seg, bool is_early)
    {
        uint32_t conflicts = 0;
        for (uint32_t i = 0; i < seg.size(); i++) {
            if (off + i < una)
                continue;
            auto [it, is_new] = kept.try_emplace(off + i, octet{seg[i], is_early});
            if (!is_new && it->second.value != seg[i]) {
                conflicts++;
                seg[i] = it->second.value;
            }
        }
        while (kept.count(nxt))
            nxt++;
        return conflicts;
    }
    void ack(uint32_t to)
    {
        if (to <= una || to > nxt)
            return;
        kept.erase(kept.begin(), kept.lower_bound(to));
        una = to;
    }
    const octet *at(uint32_t off) const
    {
        auto it = kept.find(off);
        return it == kept.end() ? nullptr : &it->second;
    }
};

struct pair_under_test {
    store_pool pool{};
    reassembly r{};
    model m{};

    uint32_t chunks(unsigned *gapped = nullptr) const
    {
        uint32_t cnt = 0;
        const chunk *prev = nullptr;
        for (const chunk *c = r.head; c; prev = c, c = c->next) {
            EXPECT_EQ(c->prev, prev);
            EXPECT_GT(c->len, 0);
            EXPECT_LE(c->len, CHUNK_LEN);
            if (prev) {
                EXPECT_LE((int32_t)(prev->seq + prev->len - c->seq), 0);
            }
            if (gapped)
                *gapped += c->is_gapped;
            cnt++;
        }
        EXPECT_EQ(r.tail, prev);
        return cnt;
    }

    void check(std::mt19937 &rng, bool is_deep)
    {
        ASSERT_EQ(r.nxt, m.first + m.nxt);
        ASSERT_EQ(r.una, m.first + m.una);
        ASSERT_EQ(r.octets, m.kept.size());
        unsigned gapped = 0;
        ASSERT_EQ(pool.free_cnt + chunks(&gapped), pool.chunk_cnt);
        ASSERT_EQ(r.early_cnt, gapped);
        ASSERT_LE(r.early_cnt, (unsigned)REASSEMBLY_EARLY_MAX);
        // A few places, or all of them and one beyond either end.
        uint32_t span = m.kept.empty() ? 0 : m.kept.rbegin()->first + 1 - m.una;
        uint32_t lo = m.una ? m.una - 1 : 0, hi = m.una + span + 1;
        for (uint32_t i = 0; i < (is_deep ? hi - lo + 1 : 4); i++)
            check_at(is_deep ? lo + i : lo + (uint32_t)(rng() % (hi - lo + 1)));
        uint32_t a = lo + (uint32_t)(rng() % (hi - lo + 1)), b = lo + (uint32_t)(rng() % (hi - lo + 1));
        check_range(std::min(a, b), std::max(a, b));
        check_range(lo, hi);
    }

    void check_at(uint32_t off)
    {
        const octet *o = m.at(off);
        uint32_t len = 0, start = 0;
        uint8_t *p = reassembly_at(&r, m.first + off, &len);
        ASSERT_EQ(p != nullptr, o != nullptr) << off;
        bool is_early = reassembly_early_run(&r, m.first + off, &start);
        ASSERT_EQ(is_early, o && o->is_early);
        if (!o)
            return;
        ASSERT_GE(len, 1u);
        for (uint32_t i = 0; i < len; i++) {
            const octet *x = m.at(off + i);
            ASSERT_TRUE(x);
            ASSERT_EQ(p[i], x->value);
        }
        if (is_early) {
            uint32_t want = off;
            while (want > 0 && m.at(want - 1) && m.at(want - 1)->is_early)
                want--;
            ASSERT_EQ(start, m.first + want);
        }
    }

    void check_range(uint32_t from, uint32_t to)
    {
        std::vector<uint8_t> want(to - from, 0xee), got(want);
        uint32_t copied = 0, run = to, run_len = 0;
        for (uint32_t o = from; o < to; o++) {
            const octet *x = m.at(o);
            if (x) {
                want[o - from] = x->value;
                copied++;
            }
            bool is_unsent = x && !x->is_early;
            if (is_unsent && run == to)
                run = o;
            if (is_unsent && run + run_len == o)
                run_len++;
        }
        ASSERT_EQ(reassembly_copy(&r, m.first + from, got.data(), to - from), copied);
        ASSERT_EQ(got, want);
        uint32_t start = 0, len = 0;
        ASSERT_EQ(reassembly_next_unsent(&r, m.first + from, m.first + to, &start, &len), run_len > 0);
        if (run_len) {
            ASSERT_EQ(start, m.first + run);
            ASSERT_EQ(len, run_len);
        }
    }

    // A refusal must have a reason that the model knows: span, pool, or too many chunks beyond gaps.
    void refusal_is_right(uint32_t off, uint32_t len)
    {
        if (!m.fits(off, len))
            return;
        bool is_gapped = off > m.nxt;
        uint32_t most = len / CHUNK_LEN + 2 + (uint32_t)m.kept.size(); // never needs more
        uint32_t reserve = is_gapped ? pool.chunk_cnt / STORE_RESERVE_PART : 0;
        if ((r.nxt - r.una) / CHUNK_LEN >= STREAM_FAIR_CHUNKS)
            reserve += pool.chunk_cnt / STORE_RESERVE_PART;
        bool is_pool = pool.free_cnt < most + reserve;
        bool is_early_max = is_gapped && r.early_cnt + most > REASSEMBLY_EARLY_MAX;
        ASSERT_TRUE(is_pool || is_early_max);
    }

    void step(std::mt19937 &rng, uint32_t len_max, uint32_t far)
    {
        if (rng() % 5 == 0) {
            uint32_t to = m.una + (uint32_t)(rng() % (m.nxt - m.una + 3));
            if (rng() % 8 == 0)
                to = m.una - (m.una ? (uint32_t)(rng() % m.una) : 0);
            reassembly_ack(&r, m.first + to);
            m.ack(to);
            return;
        }
        uint32_t off = rng() % 3 ? m.nxt : m.una + (uint32_t)(rng() % far);
        uint32_t back = rng() % 3 ? 0 : (uint32_t)(rng() % 8);
        off -= std::min(off, back);
        std::vector<uint8_t> seg(rng() % (len_max + 1));
        for (auto &o : seg) // few values, so that some overlaps agree
            o = (uint8_t)(rng() % 16 ? 'x' : rng() % 256);
        bool is_early = off > m.nxt ? rng() % 8 != 0 : rng() % 8 == 0;
        std::vector<uint8_t> given(seg), before(seg);
        reassembly copy = r;
        store_pool pool_before = pool;
        uint32_t conflicts = 99;
        int rc = reassembly_insert(&r, m.first + off, given.data(), (uint32_t)given.size(), is_early,
                                   &conflicts);
        if (rc) {
            ASSERT_EQ(rc, -ENOBUFS);
            ASSERT_EQ(conflicts, 0u);
            ASSERT_EQ(given, before);
            ASSERT_EQ(memcmp(&copy, &r, sizeof(r)), 0);
            ASSERT_EQ(memcmp(&pool_before, &pool, sizeof(pool)), 0);
            refusal_is_right(off, (uint32_t)seg.size());
            refused++;
            return;
        }
        ASSERT_TRUE(m.fits(off, (uint32_t)seg.size()) || seg.empty());
        ASSERT_EQ(conflicts, m.insert(off, seg, is_early));
        ASSERT_EQ(given, seg);
        conflicting += conflicts > 0;
    }
    unsigned refused = 0, conflicting = 0;
};

TEST(Reassembly, AgreesWithTheSlowModel)
{
    unsigned refused = 0, conflicting = 0;
    uint64_t steps = 0;
    for (unsigned seed = 0; seed < 100000; seed++) {
        std::mt19937 rng(seed);
        pair_under_test t;
        bool is_large = seed % 500 == 0;
        // Untouched pages cost nothing, but a mapping for each case would: a pool is made by hand.
        static std::vector<chunk> memory(300);
        t.pool.memory = memory.data();
        t.pool.chunk_cnt = t.pool.free_cnt = is_large ? 300 : (uint32_t)(1 + rng() % 24);
        t.m.first = rng() % 2 ? (uint32_t)rng() : (uint32_t)(0 - rng() % 64);
        t.m.octets_max = is_large ? 20000 : (uint32_t)(1 + rng() % 200);
        reassembly_init(&t.r, &t.pool, t.m.first, t.m.octets_max);
        unsigned n = is_large ? 40 : 8;
        for (unsigned i = 0; i < n; i++) {
            t.step(rng, is_large ? 5000 : 24, is_large ? 24000 : 80);
            if (i % 4 == 3)
                t.check(rng, i + 1 == n && !is_large);
            if (HasFatalFailure())
                FAIL() << "seed " << seed << " step " << i;
            steps++;
        }
        refused += t.refused;
        conflicting += t.conflicting;
        reassembly_fini(&t.r);
        ASSERT_EQ(t.pool.free_cnt, t.pool.chunk_cnt);
    }
    printf("%llu steps, %u refused, %u with conflicts\n", (unsigned long long)steps, refused,
           conflicting);
    EXPECT_GT(refused, 1000u);
    EXPECT_GT(conflicting, 1000u);
}

TEST(Reassembly, OneOctetSegmentsShareChunks)
{
    store_pool pool;
    ASSERT_EQ(store_pool_init(&pool, 8, -1), 0);
    reassembly r;
    reassembly_init(&r, &pool, 0xfffffff0, 65536);
    uint8_t o = 'a';
    uint32_t conflicts;
    for (uint32_t i = 0; i < CHUNK_LEN; i++)
        ASSERT_EQ(reassembly_insert(&r, 0xfffffff0 + i, &o, 1, false, &conflicts), 0);
    EXPECT_EQ(pool.free_cnt, 7u);
    reassembly_fini(&r);
    store_pool_fini(&pool);
}

TEST(Reassembly, EarlyChunksAreCappedAndTheGapCanStillBeFilled)
{
    store_pool pool;
    ASSERT_EQ(store_pool_init(&pool, 2048, -1), 0);
    reassembly r;
    reassembly_init(&r, &pool, 0, 1000);
    uint8_t buf[1000] = {0};
    uint32_t conflicts, taken = 0;
    for (uint32_t s = 1; s + 1 <= 1000; s += 2)
        taken += reassembly_insert(&r, s, buf, 1, true, &conflicts) == 0;
    EXPECT_EQ(taken, (uint32_t)REASSEMBLY_EARLY_MAX);
    EXPECT_EQ(reassembly_insert(&r, 999, buf, 1, true, &conflicts), -ENOBUFS);
    EXPECT_EQ(reassembly_insert(&r, 1000, buf, 1, true, &conflicts), -ENOBUFS);
    EXPECT_EQ(reassembly_insert(&r, 0, buf, 1000, false, &conflicts), 0);
    EXPECT_EQ(r.nxt, 1000u);
    EXPECT_EQ(r.octets, 1000u);
    reassembly_ack(&r, 1000);
    EXPECT_EQ(pool.free_cnt, 2048u);
    EXPECT_EQ(r.early_cnt, 0u);
    store_pool_fini(&pool);
}

TEST(Reassembly, EarlySegmentsLeaveTheReserveOfThePool)
{
    store_pool pool;
    ASSERT_EQ(store_pool_init(&pool, 16, -1), 0);
    reassembly r;
    reassembly_init(&r, &pool, 0, 100000);
    uint8_t o = 0;
    uint32_t conflicts, taken = 0;
    for (uint32_t s = 2; s < 64; s += 2)
        taken += reassembly_insert(&r, s, &o, 1, true, &conflicts) == 0;
    EXPECT_EQ(taken, 14u);
    EXPECT_EQ(reassembly_insert(&r, 0, &o, 1, false, &conflicts), 0);
    reassembly_fini(&r);
    EXPECT_EQ(pool.free_cnt, 16u);
    store_pool_fini(&pool);
}

TEST(Reassembly, FarSequenceNumbersAreRefused)
{
    store_pool pool;
    ASSERT_EQ(store_pool_init(&pool, 16, -1), 0);
    reassembly r;
    reassembly_init(&r, &pool, 5, 100);
    uint8_t o[8] = {0};
    uint32_t conflicts;
    EXPECT_EQ(reassembly_insert(&r, 5 + 0x7ffffff0, o, 8, true, &conflicts), -ENOBUFS);
    EXPECT_EQ(reassembly_insert(&r, 5 + 93, o, 8, true, &conflicts), -ENOBUFS);
    EXPECT_EQ(reassembly_insert(&r, 5 + 92, o, 8, true, &conflicts), 0);
    EXPECT_EQ(reassembly_insert(&r, 5 + 0x80000001, o, 8, false, &conflicts), 0); // old
    EXPECT_EQ(r.octets, 8u);
    reassembly_fini(&r);
    store_pool_fini(&pool);
}

} // namespace
