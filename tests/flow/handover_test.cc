// handover and ring: the two ends of the shared record ring, together, and each against a hostile other.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <deque>
#include <random>
#include <string>
#include <thread>

#include "control/ring.h"
#include "dataplane/handover.h"

namespace {

struct ends {
    struct handover h;
    struct ring r = {};
    char err[256] = "";
    explicit ends(uint64_t size = HANDOVER_SIZE_MIN)
    {
        EXPECT_EQ(0, handover_init(&h, size));
        EXPECT_TRUE(ring_map(&r, h.fd, h.page_len, err, sizeof(err))) << err;
    }
    ~ends()
    {
        ring_unmap(&r);
        handover_fini(&h);
    }
    bool put(const std::string &line) { return handover_put(&h, line.data(), line.size()); }
    std::string next()
    {
        size_t len;
        const char *line = ring_next(&r, &len);
        return line ? std::string(line, len) : "";
    }
};

} // namespace

TEST(Handover, LinesArriveInOrder)
{
    ends e;
    EXPECT_EQ("", e.next());
    EXPECT_TRUE(e.put("{}"));
    EXPECT_TRUE(e.put("{\"a\":1}"));
    EXPECT_EQ("{}", e.next());
    EXPECT_EQ("{\"a\":1}", e.next());
    EXPECT_EQ("", e.next());
    EXPECT_EQ(2u, e.r.lines);
}

TEST(Handover, FullDropsAndCountsAndNeverOverwrites)
{
    ends e;
    unsigned put = 0;
    while (e.put(std::string(100, (char)('a' + put))))
        put++;
    EXPECT_EQ(HANDOVER_SIZE_MIN / 104u, put);
    for (int i = 0; i < 10; i++)
        EXPECT_FALSE(e.put(std::string(100, 'z')));
    EXPECT_EQ(11u, e.h.dropped);
    EXPECT_EQ(11u, ring_dropped(&e.r));
    /* What was read is not free before it is done with. */
    EXPECT_EQ(std::string(100, 'a'), e.next());
    EXPECT_FALSE(e.put(std::string(100, 'z')));
    ring_done(&e.r);
    EXPECT_TRUE(e.put(std::string(100, 'y')));
    for (unsigned i = 1; i < put; i++)
        EXPECT_EQ(std::string(100, (char)('a' + i)), e.next());
    EXPECT_EQ(std::string(100, 'y'), e.next());
    EXPECT_EQ(0u, e.r.breaks);
}

TEST(Handover, LinesThatFitNowhereAreDropped)
{
    ends e;
    EXPECT_FALSE(e.put(""));
    EXPECT_FALSE(e.put(std::string(HANDOVER_SIZE_MIN, 'x')));
    EXPECT_FALSE(e.put(std::string(HANDOVER_SIZE_MIN - 3, 'x')));
    EXPECT_TRUE(e.put(std::string(HANDOVER_SIZE_MIN - 4, 'x'))) << "exactly the ring";
    EXPECT_EQ(std::string(HANDOVER_SIZE_MIN - 4, 'x'), e.next());
    ends large(4 * LINK_LINE_MAX);
    EXPECT_FALSE(large.put(std::string(LINK_LINE_MAX + 1, 'x')));
    EXPECT_TRUE(large.put(std::string(LINK_LINE_MAX, 'x')));
    EXPECT_EQ(std::string(LINK_LINE_MAX, 'x'), large.next());
}

/* Against a model that keeps a list: any lengths, any turns, many times around the end. */
TEST(Handover, AsAQueueWithALimit)
{
    for (unsigned seed = 1; seed <= 20; seed++) {
        std::mt19937 rnd(seed);
        ends e(1024u << seed % 3);
        std::deque<std::string> model;
        size_t used = 0, held = 0; /* in the ring; of it read and not done with */
        for (int turn = 0; turn < 20000; turn++) {
            unsigned what = (unsigned)rnd() % 8;
            if (what < 4) {
                std::string line(1 + (size_t)rnd() % (rnd() % 4 ? 60 : 700), '\0');
                for (auto &c : line)
                    c = (char)rnd();
                size_t need = (line.size() + 4 + 7) / 8 * 8;
                bool fits = need <= e.h.size - used;
                ASSERT_EQ(fits, e.put(line)) << "seed " << seed << " turn " << turn;
                if (fits) {
                    model.push_back(line);
                    used += need;
                }
            } else if (what < 7) {
                std::string line = e.next();
                ASSERT_EQ(model.empty() ? "" : model.front(), line) << "seed " << seed << " turn " << turn;
                if (!model.empty()) {
                    held += (line.size() + 4 + 7) / 8 * 8;
                    model.pop_front();
                }
            } else {
                ring_done(&e.r);
                used -= held;
                held = 0;
            }
        }
        EXPECT_EQ(0u, e.r.breaks);
        EXPECT_GT(e.h.head, 100 * e.h.size);
    }
}

/* The reader's process dies with lines read and not stored: the next one gets them again. */
TEST(Handover, WhatWasNotDoneComesAgain)
{
    ends e;
    e.put("one");
    e.put("two");
    e.put("three");
    EXPECT_EQ("one", e.next());
    ring_done(&e.r);
    EXPECT_EQ("two", e.next());
    struct ring again = {};
    ASSERT_TRUE(ring_map(&again, e.h.fd, e.h.page_len, e.err, sizeof(e.err)));
    size_t len;
    EXPECT_STREQ("two", ring_next(&again, &len));
    EXPECT_STREQ("three", ring_next(&again, &len));
    EXPECT_EQ(nullptr, ring_next(&again, &len));
    ring_unmap(&again);
}

/* One producer, one consumer; under TSan the orders are proved, elsewhere the octets. */
TEST(Handover, TwoThreads)
{
    const unsigned lines = 200000;
    ends e(1 << 14);
    std::atomic<bool> is_over = false;
    std::thread writer([&] {
        for (unsigned i = 0; i < lines;) {
            std::string line = std::to_string(i) + std::string(i % 90, 'x');
            if (e.put(line))
                i++;
            else
                std::this_thread::yield();
        }
        is_over = true;
    });
    unsigned seen = 0;
    while (seen < lines) {
        bool was_over = is_over;
        std::string line = e.next();
        if (line.empty()) {
            ring_done(&e.r);
            std::this_thread::yield();
            ASSERT_FALSE(was_over && seen < lines && e.h.head == e.r.tail);
            continue;
        }
        ASSERT_EQ(std::to_string(seen) + std::string(seen % 90, 'x'), line);
        seen++;
        if (seen % 16 == 0)
            ring_done(&e.r);
    }
    writer.join();
    EXPECT_EQ(0u, e.r.breaks);
}

// ---- a hostile reader ----

TEST(Handover, ReaderThatWritesNonsense)
{
    std::mt19937_64 rnd(7);
    ends e;
    const size_t page = e.h.page_len;
    /* Behind the octets lies the rest of the last page: nothing may be written there. */
    auto rest = (uint8_t *)e.h.ring + page;
    const size_t rest_len = (size_t)(-(uintptr_t)rest % 4096);
    ASSERT_GT(rest_len, 0u);
    for (int turn = 0; turn < 100000; turn++) {
        uint64_t tail = rnd() >> rnd() % 64;
        __atomic_store_n(&e.r.page->tail, rnd() % 4 ? tail : e.h.head - tail % 4096, __ATOMIC_RELAXED);
        if (rnd() % 16 == 0) {
            e.r.page->size = rnd();
            e.r.page->head = rnd();
            e.r.page->magic = (uint32_t)rnd();
        }
        uint64_t head = e.h.head, dropped = e.h.dropped;
        bool ok = e.put(std::string(1 + rnd() % 300, 'q'));
        ASSERT_EQ(dropped + !ok, e.h.dropped);
        ASSERT_EQ(ok, head != e.h.head);
        ASSERT_EQ(0u, e.h.head % 8);
    }
    for (size_t i = 0; i < rest_len; i++)
        ASSERT_EQ(0, rest[i]);
    EXPECT_GT(e.h.dropped, 0u);
    EXPECT_GT(e.h.head, 0u);
    /* An honest reader mends it. */
    ring_unmap(&e.r);
    handover_offer(&e.h);
    ASSERT_TRUE(ring_map(&e.r, e.h.fd, page, e.err, sizeof(e.err))) << e.err;
    while (e.next() != "")
        ;
    ring_done(&e.r);
    EXPECT_TRUE(e.put("good"));
    EXPECT_EQ("good", e.next());
}

TEST(Handover, TheReaderCannotCutThePageOff)
{
    ends e;
    EXPECT_NE(0, ftruncate(e.h.fd, 0));
    EXPECT_NE(0, ftruncate(e.h.fd, 1 << 20));
    int fd = -1;
    void *page = handover_page("weir-test", 4096, true, &fd);
    ASSERT_TRUE(page);
    memset(page, 1, 4096);
    EXPECT_EQ(MAP_FAILED, mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) << "read-only for others";
    void *seen = ring_page("page", fd, 4096, 1 << 20, false, e.err, sizeof(e.err));
    ASSERT_TRUE(seen) << e.err;
    EXPECT_EQ(1, *(char *)seen);
    munmap(seen, 4096);
    munmap(page, 4096);
    close(fd);
}

// ---- a hostile writer ----

TEST(Ring, RefusesWhatIsNone)
{
    ends e;
    struct ring r = {};
    auto refused = [&](int fd, uint64_t len) { return !ring_map(&r, fd, len, e.err, sizeof(e.err)) && !r.page; };
    EXPECT_TRUE(refused(-1, e.h.page_len));
    EXPECT_TRUE(refused(e.h.fd, e.h.page_len - 8));
    EXPECT_TRUE(refused(e.h.fd, e.h.page_len + 4096));
    EXPECT_TRUE(refused(e.h.fd, 0));
    EXPECT_TRUE(refused(e.h.fd, UINT64_MAX));
    e.h.ring->magic++;
    EXPECT_TRUE(refused(e.h.fd, e.h.page_len));
    e.h.ring->magic--;
    e.h.ring->version++;
    EXPECT_TRUE(refused(e.h.fd, e.h.page_len));
    e.h.ring->version--;
    for (uint64_t size : { UINT64_C(0), e.h.size / 2, e.h.size * 2, e.h.size - 1, UINT64_MAX }) {
        e.h.ring->size = size;
        EXPECT_TRUE(refused(e.h.fd, e.h.page_len)) << size;
    }
    e.h.ring->size = e.h.size;
    EXPECT_FALSE(refused(e.h.fd, e.h.page_len)) << e.err;
    ring_unmap(&r);
    /* The same octets in a file that can be cut short. */
    int fd = memfd_create("unsealed", MFD_ALLOW_SEALING);
    ASSERT_EQ((ssize_t)e.h.page_len, write(fd, e.h.ring, e.h.page_len));
    EXPECT_TRUE(refused(fd, e.h.page_len));
    EXPECT_NE(nullptr, strstr(e.err, "may shrink")) << e.err;
    close(fd);
}

TEST(Ring, LengthsThatCannotBe)
{
    for (uint32_t len : { 0u, LINK_LINE_MAX + 1u, 0xffffffffu, 0x7ffffff8u, 100u }) {
        ends e;
        e.put("0123456789");
        memcpy(e.h.ring->octets, &len, sizeof(len));
        EXPECT_EQ("", e.next()) << len;
        EXPECT_EQ(1u, e.r.breaks) << len;
        /* What came later is read, and the writer has its room back. */
        EXPECT_EQ(e.h.head, e.h.ring->tail);
        e.put("later");
        EXPECT_EQ("later", e.next());
    }
}

TEST(Ring, HeadThatCannotBe)
{
    ends e;
    e.put("lost");
    for (uint64_t head : { e.h.head + e.h.size, UINT64_MAX, e.h.head + 3, e.h.head - 8 - e.h.size }) {
        uint64_t breaks = e.r.breaks;
        __atomic_store_n(&e.h.ring->head, head, __ATOMIC_RELEASE);
        for (int i = 0; i < 5; i++)
            EXPECT_LE(e.next().size(), (size_t)LINK_LINE_MAX);
        EXPECT_GT(e.r.breaks, breaks) << head;
    }
}
