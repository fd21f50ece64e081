// Deferred messages: told "later" so many times and no more, whoever asks, and never more of them than allowed.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "dataplane/deferred.h"

namespace
{

const uint64_t MINUTE = 60000;

struct Deferred : ::testing::Test {
    deferred *d = deferred_new(5);
    unsigned tries = 0;
    ~Deferred() override { deferred_free(d); }
    deferred_answer ask(uint64_t key, uint64_t now_ms = 0, unsigned tries_max = 2, uint32_t max = 1000)
    {
        return deferred_try(d, key, now_ms, tries_max, max, &tries);
    }
    uint64_t key(const std::string &from, std::vector<std::string> rcpt, const std::string &id, uint64_t hash = 1)
    {
        std::vector<span> spans;
        for (auto &r : rcpt)
            spans.push_back({(const uint8_t *)r.data(), r.size()});
        return deferred_key(d, {(const uint8_t *)from.data() + from.size() / 2, from.size() - from.size() / 2},
                            {(const uint8_t *)from.data(), from.size()}, spans.data(), spans.size(),
                            {(const uint8_t *)id.data(), id.size()}, hash);
    }
};

TEST_F(Deferred, SoManyTriesAndNoMore)
{
    uint64_t k = 0x123456789abcdef0;
    EXPECT_EQ(DEFERRED_AGAIN, ask(k));
    EXPECT_EQ(1u, tries);
    EXPECT_EQ(1u, deferred_used(d));
    EXPECT_EQ(DEFERRED_AGAIN, ask(k, 5 * MINUTE));
    EXPECT_EQ(2u, tries);
    EXPECT_EQ(1u, deferred_used(d));
    EXPECT_EQ(DEFERRED_ENOUGH, ask(k, 9 * MINUTE));
    EXPECT_EQ(2u, tries);
    EXPECT_EQ(0u, deferred_used(d));
    EXPECT_EQ(DEFERRED_AGAIN, ask(k)); // decided and forgotten: another message now
    EXPECT_EQ(DEFERRED_ENOUGH, ask(0x999, 0, 0)); // no tries: the old verdict at once
    EXPECT_EQ(0u, tries);
    EXPECT_EQ(DEFERRED_ENOUGH, ask(k, 0, 1)); // fewer than it had
}

// Clocks of cores and of the agent are milliseconds apart: at the turn of a minute some are in the one before.
TEST_F(Deferred, WhatComesFromTheNextMinuteIsNotOld)
{
    uint64_t k = 0x123456789abcdef0;
    EXPECT_EQ(DEFERRED_AGAIN, ask(k, 100 * MINUTE));
    for (int i = 0; i < 256; i++)
        deferred_sweep(d, 100 * MINUTE - 1);
    EXPECT_EQ(1u, deferred_used(d));
    EXPECT_EQ(DEFERRED_AGAIN, ask(k, 100 * MINUTE - 1));
    EXPECT_EQ(2u, tries);
    EXPECT_EQ(DEFERRED_ENOUGH, ask(k, 99 * MINUTE));
}

TEST_F(Deferred, ClearedForAnother)
{
    for (uint64_t i = 1; i <= 1000; i++)
        EXPECT_EQ(DEFERRED_AGAIN, ask(i * 0x9e3779b97f4a7c15));
    EXPECT_EQ(DEFERRED_FULL, ask(77));
    deferred_clear(d);
    EXPECT_EQ(0u, deferred_used(d));
    EXPECT_EQ(DEFERRED_AGAIN, ask(0x9e3779b97f4a7c15));
    EXPECT_EQ(1u, tries);
}

TEST_F(Deferred, TakenWhenDecided)
{
    EXPECT_EQ(0u, deferred_take(d, 77));
    ask(77);
    ask(77);
    EXPECT_EQ(2u, deferred_take(d, 77));
    EXPECT_EQ(0u, deferred_take(d, 77));
    EXPECT_EQ(0u, deferred_used(d));
}

TEST_F(Deferred, TheKeyIsTheMessage)
{
    uint64_t k = key("a@x", {"r@1", "s@2", "t@3"}, "<id>");
    EXPECT_EQ(k, key("a@x", {"t@3", "r@1", "s@2"}, "<id>", 99)); // recipients in any order; octets do not matter
    EXPECT_NE(k, key("b@x", {"r@1", "s@2", "t@3"}, "<id>"));
    EXPECT_NE(k, key("a@x", {"r@1", "s@2"}, "<id>"));
    EXPECT_NE(k, key("a@x", {"r@1", "s@2t@3"}, "<id>"));
    EXPECT_NE(k, key("a@x", {"r@1", "s@2", "t@3"}, "<ie>"));
    EXPECT_NE(key("a@x", {"r"}, "", 1), key("a@x", {"r"}, "", 2)); // without an id they do
    EXPECT_EQ(key("", {}, "", 1), key("", {}, "", 1));
    EXPECT_NE(key("", {}, "", 1), key("", {""}, "", 1));
    deferred *other = deferred_new(6);
    EXPECT_NE(k, deferred_key(other, {}, {(const uint8_t *)"a@x", 3}, nullptr, 0, {}, 1));
    deferred_free(other);
}

TEST_F(Deferred, NeverMoreThanAllowed)
{
    for (uint64_t k = 1; k <= 10; k++)
        EXPECT_EQ(DEFERRED_AGAIN, ask(k << 32 | k, 0, 2, 10));
    EXPECT_EQ(DEFERRED_FULL, ask(UINT64_C(11) << 32 | 11, 0, 2, 10));
    EXPECT_EQ(10u, deferred_used(d));
    EXPECT_EQ(DEFERRED_AGAIN, ask(UINT64_C(3) << 32 | 3, 0, 2, 10)); // one of them: it has its place
    EXPECT_EQ(DEFERRED_FULL, ask(5000, 0, 2, 0));
    deferred_take(d, UINT64_C(4) << 32 | 4);
    EXPECT_EQ(DEFERRED_AGAIN, ask(UINT64_C(11) << 32 | 11, 0, 2, 10));
}

TEST_F(Deferred, AFullBucketIsFull)
{
    for (uint64_t k = 1; k <= 8; k++)
        EXPECT_EQ(DEFERRED_AGAIN, ask(k << 32 | 7));
    EXPECT_EQ(DEFERRED_CROWDED, ask(UINT64_C(9) << 32 | 7));
    EXPECT_EQ(8u, deferred_used(d));
    EXPECT_EQ(DEFERRED_AGAIN, ask(UINT64_C(9) << 32 | 7, (DEFERRED_KEEP_MIN + 2) * MINUTE)); // all too old
    EXPECT_EQ(1u, deferred_used(d));
}

TEST_F(Deferred, ForgottenInTime)
{
    uint64_t later = (DEFERRED_KEEP_MIN + 2) * MINUTE;
    ask(1);
    ask(1);
    EXPECT_EQ(DEFERRED_AGAIN, ask(1, later)); // as if it had never been
    EXPECT_EQ(1u, tries);
    EXPECT_EQ(1u, deferred_used(d));
    for (uint64_t k = 0; k < 3000; k++)
        ask(k * 0x9e3779b97f4a7c15, later, 2, DEFERRED_MAX);
    EXPECT_EQ(3001u, deferred_used(d));
    for (int i = 0; i < 256; i++)
        deferred_sweep(d, later + MINUTE);
    EXPECT_EQ(3001u, deferred_used(d));
    for (int i = 0; i < 256; i++)
        deferred_sweep(d, 2 * later);
    EXPECT_EQ(0u, deferred_used(d));
}

// Else whoever is newly rejected, and sends enough of it, ends the roll-out (LINK_REASON_DEFERRALS).
TEST_F(Deferred, OneSenderDomainDoesNotFillTheStore)
{
    const uint32_t max = 50000;
    auto mail_of = [&](const std::string &domain, int i) {
        std::string from = std::to_string(i) + "@" + domain, id = "<" + std::to_string(i) + ">";
        return deferred_key(d, {(const uint8_t *)domain.data(), domain.size()},
                            {(const uint8_t *)from.data(), from.size()}, nullptr, 0,
                            {(const uint8_t *)id.data(), id.size()}, 1);
    };
    for (int i = 0; i < 60000; i++)
        EXPECT_NE(DEFERRED_FULL, ask(mail_of("bulk.example", i), 0, 2, max)); // which would be a reason to go back
    EXPECT_LE(deferred_used(d), (uint32_t)DEFERRED_DOMAIN_MAX);
    EXPECT_GE(deferred_used(d), DEFERRED_DOMAIN_MAX * 9u / 10);
    uint32_t bulk = deferred_used(d), others = 0;
    for (int i = 0; i < 2000; i++)
        others += ask(mail_of("d" + std::to_string(i) + ".example", i), 0, 2, max) == DEFERRED_AGAIN;
    EXPECT_GE(others, 1990u);
    EXPECT_EQ(bulk + others, deferred_used(d));
    deferred_clear(d);
    EXPECT_EQ(0u, deferred_used(d));
    EXPECT_EQ(DEFERRED_AGAIN, ask(mail_of("bulk.example", 1), 0, 2, max));
    EXPECT_EQ(1u, tries);
}

TEST_F(Deferred, ManyCores)
{
    enum { KEYS = 20000, TRIES = 3 };
    std::atomic<unsigned> again{0}, enough{0}, full{0}, first{0};
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < 4; i++)
        threads.emplace_back([&, i] {
            unsigned n;
            for (uint64_t k = 0; k < KEYS; k++) {
                uint64_t which = (k * 7 + i * 5000) % KEYS * 0x9e3779b97f4a7c15;
                switch (deferred_try(d, which, 0, TRIES, DEFERRED_MAX, &n)) {
                case DEFERRED_AGAIN:
                    again++;
                    first += n == 1;
                    break;
                case DEFERRED_ENOUGH:
                    enough++;
                    break;
                case DEFERRED_CROWDED:
                case DEFERRED_FULL:
                    full++;
                    break;
                }
                if (i == 0) // the agent's, in its thread
                    deferred_sweep(d, 0);
            }
        });
    for (auto &one : threads)
        one.join();
    // Two cores that defer a message for the first time at the same moment may both remember it: then it has one try
    // more, never one less. How often depends on how the threads run, so only the books are looked at.
    EXPECT_EQ(4u * KEYS, again + enough + full);
    EXPECT_GE(again, 3u * KEYS);
    EXPECT_EQ(first - enough, deferred_used(d)) << "remembered, and not forgotten";
    EXPECT_LT(full, KEYS / 100u);
}

} // namespace
