// wheel against a slow model: a due time for each timer, and the ticks that were looked at.
#include "dataplane/wheel.h"

#include <memory>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace {

struct world;

struct item {
    timer t{}; // first: the callback gets its address
    world *w = nullptr;
    bool is_set = false;
    uint64_t due = 0;      // as it was last set
    uint64_t fires_at = 0; // earliest time of the advance that must fire it
    uint64_t not_in = 0;   // the number of the advance in which it was set, or fired: not in that one again
};

struct world {
    wheel w{};
    std::mt19937 rng;
    std::vector<std::unique_ptr<item>> items;
    uint64_t now = 0, tick_ms = 1, advance_no = 1;
    unsigned fired = 0;
    bool is_running = false;

    item &any()
    {
        return *items[rng() % items.size()];
    }
    void set(item &i)
    {
        uint64_t due = now + rng() % 300;
        due -= std::min<uint64_t>(due, rng() % 100);
        timer_set(&w, &i.t, due);
        i.is_set = true;
        i.due = due;
        i.fires_at = (due + tick_ms - 1) / tick_ms * tick_ms;
        i.not_in = is_running ? advance_no : 0;
        EXPECT_TRUE(timer_is_set(&i.t));
    }
    void cancel(item &i)
    {
        timer_cancel(&i.t);
        i.is_set = false;
        EXPECT_FALSE(timer_is_set(&i.t));
    }
    void replace(std::unique_ptr<item> &p) // frees the old one: a sanitizer sees who still knows it
    {
        timer_cancel(&p->t);
        p = std::make_unique<item>();
        p->w = this;
    }
    static void fire(timer *t, void *arg)
    {
        world *w = static_cast<world *>(arg);
        item *i = reinterpret_cast<item *>(t);
        EXPECT_FALSE(timer_is_set(t));
        EXPECT_TRUE(i->is_set);
        EXPECT_LE(i->due, w->now);
        EXPECT_NE(i->not_in, ~w->advance_no) << "twice in one advance";
        i->is_set = false;
        i->not_in = ~w->advance_no;
        w->fired++;
        switch (w->rng() % 8) {
        case 0:
            timer_set(&w->w, t, w->now - std::min<uint64_t>(w->now, 5)); // must not spin
            i->is_set = true;
            i->due = w->now - std::min<uint64_t>(w->now, 5);
            i->fires_at = (i->due + w->tick_ms - 1) / w->tick_ms * w->tick_ms;
            break;
        case 1: {
            item &o = w->any();
            uint64_t fired_mark = o.not_in;
            w->set(o);
            if (fired_mark == ~w->advance_no)
                o.not_in = fired_mark;
            break;
        }
        case 2:
            w->cancel(w->any());
            break;
        case 3:
            w->replace(w->items[w->rng() % w->items.size()]); // maybe this very one
            break;
        default:
            break;
        }
    }
};

TEST(Wheel, AgreesWithTheSlowModel)
{
    uint64_t fired_sum = 0;
    for (unsigned seed = 0; seed < 3000; seed++) {
        world m;
        m.rng.seed(seed);
        m.tick_ms = 1 + m.rng() % 20;
        m.now = seed % 3 ? m.rng() % 1000 : UINT64_C(1) << 40;
        ASSERT_EQ(wheel_init(&m.w, 1u << (m.rng() % 6), (uint32_t)m.tick_ms, m.now), 0);
        m.items.resize(1 + m.rng() % 30);
        for (auto &p : m.items) {
            p = std::make_unique<item>();
            p->w = &m;
        }
        for (unsigned step = 0; step < 200; step++) {
            unsigned what = m.rng() % 10;
            if (what < 5) {
                m.set(m.any());
            } else if (what == 5) {
                m.cancel(m.any());
            } else {
                m.now += m.rng() % (m.rng() % 10 ? 40 : 2000);
                unsigned budget = m.rng() % 3 ? 1000 : (unsigned)(m.rng() % 4);
                m.advance_no++;
                m.fired = 0;
                m.is_running = true;
                unsigned rc = wheel_advance(&m.w, m.now, budget, world::fire, &m);
                m.is_running = false;
                ASSERT_EQ(rc, m.fired);
                ASSERT_LE(rc, budget);
                fired_sum += rc;
                if (rc < budget) { // nothing that was due before is left
                    for (auto &p : m.items) {
                        bool is_new = p->not_in == m.advance_no || p->not_in == ~m.advance_no;
                        ASSERT_FALSE(p->is_set && !is_new && p->fires_at <= m.now)
                            << "seed " << seed << " step " << step;
                    }
                }
            }
            if (HasFailure())
                FAIL() << "seed " << seed << " step " << step;
        }
        for (auto &p : m.items)
            timer_cancel(&p->t);
        wheel_fini(&m.w);
    }
    printf("%llu fired\n", (unsigned long long)fired_sum);
}

void
count(timer *, void *arg)
{
    ++*static_cast<unsigned *>(arg);
}

TEST(Wheel, SetLaterIsNotMovedAndFiresLater)
{
    wheel w;
    ASSERT_EQ(wheel_init(&w, 8, 10, 1000), 0);
    timer t{};
    unsigned fired = 0;
    timer_set(&w, &t, 1050);
    timer *where = t.prev;
    timer_set(&w, &t, 1990);
    EXPECT_EQ(t.prev, where);
    EXPECT_EQ(wheel_advance(&w, 1980, 10, count, &fired), 0u);
    EXPECT_EQ(wheel_advance(&w, 1990, 10, count, &fired), 1u);
    EXPECT_EQ(fired, 1u);
    wheel_fini(&w);
}

TEST(Wheel, PastFiresAtTheNextAdvanceOfTheSameMillisecond)
{
    wheel w;
    ASSERT_EQ(wheel_init(&w, 8, 10, 1005), 0);
    timer t{};
    unsigned fired = 0;
    timer_set(&w, &t, 999);
    EXPECT_EQ(wheel_advance(&w, 1005, 10, count, &fired), 1u);
    wheel_fini(&w);
}

} // namespace
