// flow table against std::map, with forced collisions.
#include "dataplane/flow.h"

#include <cstring>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace {

flow_key
key_of(uint32_t n)
{
    flow_key k;
    memset(&k, 0, sizeof(k));
    k.addr[0][0] = 10;
    memcpy(&k.addr[0][1], &n, 3);
    k.addr[1][0] = 192;
    k.port[0] = (uint16_t)(1024 + n % 50000);
    k.port[1] = 25;
    k.version = 4;
    return k;
}

struct walk {
    flow_table *t;
    std::set<flow *> seen;
};

void
note(flow *f, void *arg)
{
    EXPECT_TRUE(static_cast<walk *>(arg)->seen.insert(f).second);
}

void
end(flow *f, void *arg)
{
    flow_remove(static_cast<flow_table *>(arg), f);
}

// hash_mask 0: all keys in one chain with one tag.
void
run(unsigned seed, uint32_t capacity, uint32_t hash_mask)
{
    std::mt19937 rng(seed);
    uint32_t half_max = 1 + (uint32_t)(rng() % capacity);
    flow_table *t = flow_table_new(capacity, half_max, seed, -1);
    ASSERT_TRUE(t);
    std::map<uint32_t, flow *> m;
    std::vector<uint32_t> half; // oldest first
    for (unsigned i = 0; i < 600; i++) {
        uint32_t n = (uint32_t)(rng() % (capacity * 2));
        flow_key k = key_of(n);
        uint32_t h = flow_hash(t, &k) & hash_mask;
        flow *f = flow_find(t, &k, h);
        auto it = m.find(n);
        ASSERT_EQ(f, it == m.end() ? nullptr : it->second);
        flow *surplus = flow_half_open_surplus(t);
        ASSERT_EQ(surplus, half.size() >= half_max ? m[half[0]] : nullptr);
        if (!f) {
            f = flow_add(t, &k, h);
            ASSERT_EQ(f == nullptr, m.size() == capacity);
            if (!f)
                continue;
            flow zero;
            memset(&zero, 0, sizeof(zero));
            ASSERT_EQ(memcmp(f->side, zero.side, sizeof(zero.side)), 0);
            ASSERT_TRUE(f->is_half_open && f->state == FLOW_SYN && !f->smtp && !timer_is_set(&f->timer));
            memset(f->side, 0xaa, sizeof(f->side)); // must be gone when the record is used again
            m[n] = f;
            half.push_back(n);
        } else if (rng() % 3) {
            if (f->is_half_open)
                half.erase(std::find(half.begin(), half.end(), n));
            if (rng() % 3) {
                flow_remove(t, f);
                m.erase(n);
            } else {
                flow_established(t, f);
                ASSERT_FALSE(f->is_half_open);
            }
        }
        ASSERT_EQ(flow_cnt(t), m.size());
        ASSERT_EQ(flow_half_open_cnt(t), half.size());
    }
    walk w{t, {}};
    flow_each(t, note, &w);
    ASSERT_EQ(w.seen.size(), m.size());
    for (auto &[n, f] : m) {
        flow_key k = key_of(n);
        ASSERT_TRUE(w.seen.count(f));
        ASSERT_EQ(memcmp(&f->key, &k, sizeof(k)), 0);
    }
    flow_each(t, end, t);
    ASSERT_EQ(flow_cnt(t), 0u);
    ASSERT_EQ(flow_half_open_cnt(t), 0u);
    flow_table_free(t);
}

TEST(Flow, AgreesWithStdMap)
{
    for (unsigned seed = 0; seed < 400; seed++) {
        static const uint32_t masks[] = {0, 3, 0xffff0000, 0x10003, 0xffffffff};
        run(seed, 1 + seed % 100, masks[seed % 5]);
        if (HasFatalFailure())
            FAIL() << "seed " << seed;
    }
}

TEST(Flow, MillionFlowsMemory)
{
    const uint32_t n = 1u << 20;
    flow_table *t = flow_table_new(n, n, 7, -1);
    ASSERT_TRUE(t);
    for (uint32_t i = 0; i < 100000; i++) {
        flow_key k = key_of(i);
        ASSERT_TRUE(flow_add(t, &k, flow_hash(t, &k)));
    }
    for (uint32_t i = 0; i < 200000; i++) {
        flow_key k = key_of(i);
        ASSERT_EQ(flow_find(t, &k, flow_hash(t, &k)) != nullptr, i < 100000);
    }
    printf("octets a flow: record %zu (line of %zu), index 16-32\n", (sizeof(flow) + 63) / 64 * 64,
           sizeof(flow));
    flow_table_free(t);
}

// A set of keys that collides under one seed must not collide under another.
TEST(Flow, CollisionsDoNotCarryOverToAnotherSeed)
{
    std::map<uint32_t, std::vector<uint32_t>> by_hash;
    for (uint32_t i = 0; i < 200000; i++) {
        flow_key k = key_of(i);
        by_hash[flow_key_hash(&k, 1, false) & 0x3ff].push_back(i);
    }
    std::set<uint32_t> other;
    for (uint32_t i : by_hash[5]) {
        flow_key k = key_of(i);
        other.insert(flow_key_hash(&k, 2, false) & 0x3ff);
    }
    EXPECT_NEAR((double)by_hash[5].size(), 195, 80);
    EXPECT_GT(other.size(), 120u);
}

} // namespace
