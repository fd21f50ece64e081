// rollout_fake: hands for the machine (control/rollout.h) and a data plane that it asks, in memory. A test may have the
// journal fail, the link break, the data plane refuse, and the process die at any of its doings: from the n-th on nothing
// that the machine does leaves it.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "control/rollout.h"

inline struct settings
quick_settings()
{
    struct settings s = {};
    s.shadow_ms = s.canary_ms = s.probation_ms = 1000;
    s.shadow_messages = s.canary_messages = s.probation_messages = 100;
    s.strata = 2;
    s.strata_units = 10;
    s.stage_max_ms = 60000;
    s.lease_ms = 3000;
    s.reject_permille = 100;
    return s;
}

/* The data plane: outlives the machine. */
struct FakePlane {
    link_state s = {};
    std::map<std::string, std::string> refuse; // "LOAD", "SHADOW", ...: why
    std::string golden = "g";
    uint64_t n = 0;

    FakePlane() { s.instance = 1; }

    static link_role
    role(uint32_t number, const std::string &digest)
    {
        link_role r = {};
        r.generation = number;
        snprintf(r.digest, sizeof(r.digest), "%s", digest.c_str());
        return r;
    }

    void
    trip(uint32_t generation, uint32_t back_to, link_reason reason, bool alone)
    {
        s.trip.seq++;
        s.trip.generation = generation;
        s.trip.back_to = back_to;
        s.trip.reason = reason;
        s.trip.by_data_plane = alone;
        s.trip.time_ms = 77;
    }

    void
    drop(link_reason reason, bool alone)
    {
        trip(s.candidate.generation, s.live.generation, reason, alone);
        s.candidate = {};
        s.stage = s.previous.generation ? LINK_STAGE_LIVE : LINK_STAGE_NONE; // watched as before
    }

    void
    back(link_reason reason, bool alone)
    {
        trip(s.live.generation, s.previous.generation, reason, alone);
        s.live = s.previous;
        s.previous = {};
        s.stage = LINK_STAGE_NONE;
    }

    void
    restart(bool with_disk)
    {
        link_role live = with_disk ? s.live : link_role{};
        uint64_t instance = s.instance + 1;
        s = {};
        s.live = live;
        s.instance = instance;
    }

    static std::string
    name(const rollout_ask &a)
    {
        static const char *const stages[] = {"", "STAGED", "SHADOW", "CANARY", "PROBATION", "LIVE"};
        switch (a.type) {
        case LINK_LOAD: return a.is_live ? "LOAD-live" : "LOAD";
        case LINK_STAGE: return stages[a.stage];
        case LINK_DROP: return "DROP";
        case LINK_RETURN: return "RETURN";
        case LINK_RENEW: return "RENEW";
        default: return "?";
        }
    }

    bool
    act(const rollout_ask &a, const std::string &digest, link_answer *out)
    {
        std::string why = act_or_say(a, digest, out);
        out->generation = s.live.generation;
        out->swap_us = 7;
        if (!why.empty())
            snprintf(out->text, sizeof(out->text), "%s", why.c_str());
        return why.empty();
    }

  private:
    std::string
    act_or_say(const rollout_ask &a, const std::string &digest, link_answer *out)
    {
        if (refuse.count(name(a)))
            return refuse[name(a)];
        switch (a.type) {
        case LINK_LOAD:
            if (a.is_live) {
                if (s.live.generation != a.generation)
                    s.previous = s.live;
                s.live = role(a.generation, digest);
                snprintf(out->text, sizeof(out->text), "%s", digest.c_str());
                return "";
            }
            if (s.candidate.generation)
                return "there is a candidate";
            s.candidate = role(a.generation, digest);
            s.stage = LINK_STAGE_STAGED;
            n = 0;
            snprintf(out->text, sizeof(out->text), "%s %s", digest.c_str(), golden.c_str());
            return "";
        case LINK_STAGE:
            if (a.stage == LINK_STAGE_LIVE && a.generation == s.live.generation && s.previous.generation) {
                s.stage = s.candidate.generation ? s.stage : (uint32_t)LINK_STAGE_LIVE;
                return "";
            }
            if (a.generation != s.candidate.generation)
                return "not the candidate";
            s.stage = a.stage;
            if (a.stage == LINK_STAGE_LIVE) {
                s.previous = s.live;
                s.live = s.candidate;
                s.candidate = {};
                if (!s.previous.generation)
                    s.stage = LINK_STAGE_NONE;
            }
            return "";
        case LINK_DROP:
            if (a.generation && a.generation == s.previous.generation) {
                s.previous = {};
                return "";
            }
            if (!a.generation || a.generation != s.candidate.generation)
                return "not the candidate";
            drop(a.reason, false);
            return "";
        case LINK_RETURN:
            if (a.generation != s.live.generation || !s.previous.generation)
                return "nothing to return to";
            back(a.reason, false);
            return "";
        default:
            return a.generation == s.candidate.generation ? "" : "not the candidate";
        }
    }
};

struct Record {
    std::string event, state, text;
    uint32_t generation;
    cJSON *json; // as the journal would give it
};

/* What outlives the machine on the disk. */
struct FakeDisk {
    std::vector<std::string> lines;
    std::map<uint32_t, std::string> images; // digests
};

struct Machine {
    struct settings settings = quick_settings();
    FakePlane *plane;
    FakeDisk *disk;
    struct rollout r = {};
    uint64_t now = 1000;
    uint64_t trip_ms = 0; // as the last notice told it
    std::vector<std::string> doings; // "journal SHADOW", "ask SHADOW", "notice TRIPPED", ...
    std::deque<rollout_ask> flight;
    std::vector<std::pair<rollout_job, uint32_t>> jobs;
    bool journal_fails = false;
    int fails_at = -1; // the n-th append from now
    bool is_linked = true;
    int dies_at = -1; // the n-th doing from now; dead: nothing leaves
    bool is_dead = false;

    Machine(FakePlane *p, FakeDisk *d) : plane(p), disk(d)
    {
        rollout_hands h = {this, journal, ask, start, stop, told, notice, copy};
        if (rollout_init(&r, &settings, &h))
            abort();
        for (const std::string &line : disk->lines) {
            cJSON *o = cJSON_Parse(line.c_str());
            rollout_replay(&r, o);
            cJSON_Delete(o);
        }
        rollout_begin(&r, now, now);
    }
    Machine(const Machine &) = delete;
    ~Machine() { rollout_fini(&r); }

    bool
    lives()
    {
        if (dies_at >= 0 && dies_at-- == 0)
            is_dead = true;
        return !is_dead;
    }

    static Machine &of(void *owner) { return *static_cast<Machine *>(owner); }

    static int
    journal(void *owner, const char *event, uint32_t generation, cJSON *fields)
    {
        Machine &m = of(owner);
        cJSON *o = fields ? fields : cJSON_CreateObject();
        const char *state = cJSON_GetStringValue(cJSON_GetObjectItem(o, "state"));
        std::string name = state && !strcmp(event, "state") ? state : event;
        bool fails = m.journal_fails || (m.fails_at >= 0 && m.fails_at-- == 0);
        if (!m.lives() || fails) {
            cJSON_Delete(o);
            m.doings.push_back("unwritten " + name);
            return fails ? -28 : 0;
        }
        cJSON_AddStringToObject(o, "event", event);
        cJSON_AddNumberToObject(o, "generation", generation);
        char *text = cJSON_PrintUnformatted(o);
        m.disk->lines.push_back(text);
        cJSON_free(text);
        cJSON_Delete(o);
        m.doings.push_back("journal " + name);
        m.lives(); // or it dies after it
        return 0;
    }

    static bool
    ask(void *owner, const rollout_ask *a)
    {
        Machine &m = of(owner);
        if (!m.is_linked)
            return false;
        if (!m.lives())
            return true;
        m.doings.push_back("ask " + FakePlane::name(*a));
        m.flight.push_back(*a);
        m.flight.back().text = "";
        return true;
    }

    static bool
    start(void *owner, rollout_job job, const generation *g)
    {
        Machine &m = of(owner);
        m.jobs.push_back({job, g->number});
        return true;
    }

    static void
    stop(void *owner, uint32_t generation)
    {
        Machine &m = of(owner);
        for (size_t i = m.jobs.size(); i-- > 0;) {
            if (m.jobs[i].second == generation)
                m.jobs.erase(m.jobs.begin() + (long)i);
        }
    }

    static void told(void *, const generation *) {}

    static void
    notice(void *owner, const rollout_notice *n)
    {
        static const char *const names[] = {"TRIPPED", "LOCALISED", "RETURNED", "IS_LIVE", "IS_HELD"};
        of(owner).doings.push_back(std::string("notice ") + names[n->what]);
        if (n->what == ROLLOUT_TRIPPED)
            of(owner).trip_ms = n->time_ms;
    }

    static int
    copy(void *owner, uint32_t from, uint32_t to)
    {
        Machine &m = of(owner);
        if (!m.disk->images.count(from))
            return -2;
        m.disk->images[to] = m.disk->images[from];
        return 0;
    }

    // ---- the world moves

    /* Requests reach the data plane even if the machine dies after it; the answers do not reach a dead one. */
    void
    deliver()
    {
        while (!flight.empty()) {
            rollout_ask a = flight.front();
            flight.pop_front();
            link_answer out = {};
            auto image = disk->images.find(a.generation);
            bool ok = plane->act(a, image == disk->images.end() ? "" : image->second, &out);
            if (!is_dead && is_linked)
                rollout_answered(&r, &a, ok, &out);
        }
    }

    void
    status()
    {
        if (!is_dead && is_linked)
            rollout_state(&r, &plane->s, r.ask_seq);
    }

    void
    finish_jobs()
    {
        auto all = jobs;
        jobs.clear();
        for (auto [job, number] : all) {
            if (is_dead)
                return;
            if (job == ROLLOUT_COMPILE) {
                if (!disk->images.count(number))
                    disk->images[number] = next_digest.empty() ? "d" + std::to_string(number) : next_digest;
                rollout_compiled(&r, number, true, disk->images[number].c_str(), "g", "1 rule");
            } else {
                rollout_proved(&r, number, true, "8 checks passed");
            }
        }
    }
    std::string next_digest; // of what is compiled next

    void
    read(uint64_t n, uint32_t strata = 9, bool trips = false)
    {
        if (is_dead)
            return;
        plane->n = n;
        rollout_reading reading = {};
        reading.generation = r.candidate ? r.candidate : r.live;
        reading.e.n = n;
        reading.e.trips = trips;
        reading.e.worst_cnt = 1;
        reading.e.worst[0].kind = LINK_KIND_SENDER_SUFFIX;
        reading.e.worst[0].is_localised = trips;
        snprintf(reading.e.worst[0].name, LINK_NAME_MAX, "co.uk");
        reading.strata = strata;
        rollout_read(&r, &reading);
    }

    /* Time, answers and jobs. */
    void
    pass(uint64_t ms = 100)
    {
        now += ms;
        if (is_dead)
            return;
        r.now_ms = now;
        status();
        finish_jobs();
        rollout_tick(&r, now, now);
        deliver();
        status();
    }

    const generation *find(uint32_t n) { return rollout_find(&r, n); }
    std::string
    state(uint32_t n)
    {
        const generation *g = find(n);
        return g ? generation_state_name(g->state) : "?";
    }

    int
    push(uint32_t *number, uint32_t force = 0, generation_state until = GENERATION_LIVE)
    {
        struct rollout_push p = {};
        p.who = who();
        p.force = force;
        p.until = until;
        p.path = "/rules";
        p.comment = "";
        return rollout_push(&r, &p, number, err);
    }
    char err[ROLLOUT_TEXT_MAX];

    static rollout_who
    who()
    {
        rollout_who w = {7, "ann"};
        return w;
    }

    /* Whatever is on its way goes up, if nothing is wrong with it. */
    void
    climb(int rounds = 100)
    {
        for (int i = 0; i < rounds && !is_dead && r.candidate; i++) {
            const generation *c = find(r.candidate);
            if (c->state == GENERATION_HELD)
                return;
            read(c->units_before + 1000);
            pass(500);
        }
    }
};

/* All of them, with a machine that knows the data plane's state. */
struct World {
    FakePlane plane;
    FakeDisk disk;
    Machine m{&plane, &disk};

    World() { m.status(); }

    /* A first generation live. */
    uint32_t
    first()
    {
        uint32_t n = 0;
        EXPECT_EQ(0, m.push(&n)) << m.err;
        m.climb();
        EXPECT_EQ("LIVE", m.state(n));
        m.doings.clear();
        return n;
    }

    uint32_t
    push_to(const char *state, uint32_t force = 0)
    {
        uint32_t n = 0;
        EXPECT_EQ(0, m.push(&n, force)) << m.err;
        for (int i = 0; i < 100 && m.state(n) != state; i++) {
            m.read(m.find(n)->units_before + 1000);
            m.pass(500);
        }
        EXPECT_EQ(state, m.state(n));
        return n;
    }

    size_t
    at(const std::string &doing) const
    {
        return (size_t)(std::find(m.doings.begin(), m.doings.end(), doing) - m.doings.begin());
    }
    bool did(const std::string &doing) const { return at(doing) < m.doings.size(); }
};
