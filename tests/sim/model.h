// model: one push of a rule set as counts see it, fast enough for 10,000 of them.
//
// The strata of control/evidence.h with M kept up unit by unit (a product for each component, no logarithms), and
// the data plane's trip tables. verify() writes the same counts into a page and lets evidence_read judge it: what is
// measured with the model is true of the product.
//
// Deterministic: everything comes from the seed.
#ifndef WEIR_TESTS_SIM_MODEL_H
#define WEIR_TESTS_SIM_MODEL_H

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "control/evidence.h"
#include "control/evidence_mix.h"

namespace sim {

// splitmix64. A seed is scattered first: seeds that differ by its step would give the same numbers, one later.
class Random {
  public:
    explicit Random(uint64_t seed) : state(seed) { state = next(); }
    uint64_t next()
    {
        uint64_t z = state += 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }
    double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }
    bool chance(double p) { return uniform() < p; }
    uint32_t below(uint32_t n) { return static_cast<uint32_t>((next() >> 32) * n >> 32); }

  private:
    uint64_t state;
};

// Picks i with a chance in proportion to weight[i] (Walker's aliases).
class Picker {
  public:
    explicit Picker(std::vector<double> weight) : keep(weight.size()), other(weight.size())
    {
        double sum = 0;
        for (double w : weight)
            sum += w;
        std::vector<uint32_t> small, large;
        for (uint32_t i = 0; i < weight.size(); i++) {
            keep[i] = weight[i] * static_cast<double>(weight.size()) / sum;
            (keep[i] < 1 ? small : large).push_back(i);
        }
        while (!small.empty() && !large.empty()) {
            uint32_t a = small.back(), b = large.back();
            small.pop_back();
            other[a] = b;
            keep[b] -= 1 - keep[a];
            if (keep[b] < 1) {
                large.pop_back();
                small.push_back(b);
            }
        }
        for (uint32_t i : small)
            keep[i] = 1;
        for (uint32_t i : large)
            keep[i] = 1;
    }
    uint32_t pick(Random &random) const
    {
        uint32_t i = random.below(static_cast<uint32_t>(keep.size()));
        return random.uniform() < keep[i] ? i : other[i];
    }
    static Picker zipf(uint32_t cnt, double exponent)
    {
        std::vector<double> weight(cnt);
        for (uint32_t i = 0; i < cnt; i++)
            weight[i] = std::pow(i + 1, -exponent);
        return Picker(weight);
    }

  private:
    std::vector<double> keep;
    std::vector<uint32_t> other;
};

// Exact "was this pair there before", emptied in no time.
class Once {
  public:
    explicit Once(unsigned bits) : slots(size_t{1} << bits), stamps(slots.size(), 0) {}
    void clear() { stamp++, used = 0; }
    bool is_first(uint64_t key)
    {
        if (used * 2 > slots.size())
            grow();
        return insert(key);
    }

  private:
    std::vector<uint64_t> slots;
    std::vector<uint32_t> stamps;
    uint32_t stamp = 1;
    size_t used = 0;

    bool insert(uint64_t key)
    {
        size_t mask = slots.size() - 1;
        for (size_t at = Random(key).next() & mask;; at = (at + 1) & mask) {
            if (stamps[at] != stamp) {
                slots[at] = key;
                stamps[at] = stamp;
                used++;
                return true;
            }
            if (slots[at] == key)
                return false;
        }
    }
    void grow()
    {
        std::vector<uint64_t> old;
        for (size_t i = 0; i < slots.size(); i++) {
            if (stamps[i] == stamp)
                old.push_back(slots[i]);
        }
        slots.assign(slots.size() * 2, 0);
        stamps.assign(slots.size(), 0);
        used = 0;
        for (uint64_t key : old)
            insert(key);
    }
};

// A mix as factors.
struct Factors {
    mix m;
    double bad[MIX_MAX], good[MIX_MAX];
    explicit Factors(double rho)
    {
        mix_init(&m, rho);
        for (unsigned i = 0; i < MIX_MAX; i++) {
            bad[i] = i < m.cnt ? std::exp(m.bad[i]) : 0;
            good[i] = i < m.cnt ? std::exp(m.good[i]) : 0;
        }
    }
};

struct Stratum {
    double e[MIX_MAX];
    double mean, weight;
    uint32_t n, k, n_base, order;
    const Factors *factors;
};

// How far a family is: the first time that each of the three ways to go back said so.
struct Trips {
    bool m, table, mirror_error; // the controller's M; the data plane's tables; the controller's other families
    bool m_plain, mirror_plain;  // M, MIRROR >= 1/alpha, alpha not shared
    int table_kind;
    bool any() const { return m || table || mirror_error; }
};

class Push {
  public:
    Push(const evidence_settings &s, uint32_t window_ms = 0)
        : settings(s), all_factors(s.rho_all), factors(s.rho_stratum), rule_factors(s.rho_stratum),
          mirror_factors(s.rho_mirror),
          error_factors(s.rho_error)
    {
        std::unique_ptr<evidence, decltype(&evidence_free)> e(evidence_new(&s), evidence_free);
        evidence_stage(e.get(), window_ms, &stage);
        page.reset(static_cast<link_evidence *>(calloc(1, sizeof(link_evidence))));
        begin(0);
    }

    // A new pair (window 0), or the next window of LIVE.
    void begin(uint32_t window_number)
    {
        double j = window_number;
        window = window_number;
        double alpha = settings.alpha * (j > 0 ? .5 * 6 / (M_PI * M_PI * j * j) : .5);
        limit_m = 1 / (alpha * .40);
        limit_mirror = 1 / (alpha * .10);
        for (auto &strata_of : strata)
            strata_of.clear();
        for (auto &i : index)
            std::fill(i.begin(), i.end(), uint32_t{0});
        all = fresh(&all_factors, .20);
        mirror = fresh(&mirror_factors, 1);
        error = fresh(&error_factors, 1);
        m = 1;
        since_sum = 0;
        trips = Trips{};
    }

    // What the operator said. Before begin().
    void declare_rules(double rho)
    {
        rule_factors = Factors(rho);
        are_rules_declared = true;
        evidence_trip_table(rho, -std::log(settings.alpha * .5 * .25 / LINK_STRATA_MAX), &stage.trip_declared);
    }
    // What rules reject then is bad in their strata only.
    bool is_bad(bool b_rejects) const { return b_rejects && !are_rules_declared; }

    void unit_all(bool is_bad)
    {
        count(all, is_bad);
        for (auto &rule : strata[LINK_KIND_RULE]) // a unit without it, until hit() says otherwise
            count(rule, false);
        if (is_bad)
            look_up(all, stage.trip_all, LINK_KIND_ALL);
    }

    // Of the unit just counted in ALL.
    void unit(link_kind kind, uint32_t id, bool is_bad)
    {
        Stratum &s = get(kind, id);
        count(s, is_bad);
        if (is_bad)
            look_up(s, stage.trip_stratum, kind);
    }

    // The bad unit just counted in ALL is this rule's.
    void hit(uint32_t id)
    {
        auto &i = index[LINK_KIND_RULE];
        if (id >= i.size() || i[id] == 0) {
            get(LINK_KIND_RULE, id).n_base = all.n; // and that is all: it chose the stratum
            return;
        }
        Stratum &s = get(LINK_KIND_RULE, id);
        double before = s.mean;
        s.k++;
        s.mean = 0;
        for (unsigned c = 0; c < s.factors->m.cnt; c++) {
            if (s.factors->good[c] > 0)
                s.e[c] *= s.factors->bad[c] / s.factors->good[c];
            s.mean += s.e[c];
        }
        s.mean /= s.factors->m.cnt;
        m += s.weight * (s.mean - before);
        look_up(s, are_rules_declared ? stage.trip_declared : stage.trip_stratum, LINK_KIND_RULE);
    }

    void unit_mirror(bool is_bad)
    {
        count(mirror, is_bad, false);
        if (is_bad)
            look_up(mirror, stage.trip_mirror, LINK_KIND_MIRROR);
    }

    void unit_error(bool is_bad)
    {
        count(error, is_bad, false);
        if (is_bad)
            look_up(error, stage.trip_error, LINK_KIND_ERROR);
    }

    // After each message.
    const Trips &look()
    {
        if (++since_sum == 1024)
            sum_up();
        trips.m = trips.m || m >= limit_m;
        trips.m_plain = trips.m_plain || m >= 1 / settings.alpha;
        trips.mirror_plain = trips.mirror_plain || mirror.mean >= 1 / settings.alpha;
        trips.mirror_error = trips.mirror_error || mirror.mean >= limit_mirror || error.mean >= limit_mirror;
        return trips;
    }

    // 0, or how far ln M is from what evidence_read makes of the same counts (and 1e9 when they differ about a trip).
    double verify()
    {
        sum_up();
        write_page();
        std::unique_ptr<evidence, decltype(&evidence_free)> e(evidence_new(&settings), evidence_free);
        for (const Stratum &s : strata[LINK_KIND_RULE])
            evidence_declare(e.get(), LINK_KIND_RULE, name_of(LINK_KIND_RULE, s).c_str(), rule_factors.m.rho);
        evidence_reading r;
        if (!evidence_read(e.get(), page.get(), &r))
            return 1e9;
        double off = std::fabs(r.log_m - std::log(m));
        bool is_close = std::fabs(r.log_m - std::log(limit_m)) < 1e-9;
        return (r.log_m >= r.limit_m) != (m >= limit_m) && !is_close ? 1e9 : off;
    }

    double log_m() const { return std::log(m); }

    // The kind of the stratum that M is made of most.
    link_kind leader() const
    {
        double most = all.weight * all.mean;
        link_kind kind = LINK_KIND_ALL;
        for (uint32_t i = 0; i < LINK_KIND_CNT; i++) {
            for (const Stratum &s : strata[i]) {
                if (s.weight * s.mean > most) {
                    most = s.weight * s.mean;
                    kind = static_cast<link_kind>(i);
                }
            }
        }
        return kind;
    }
    const Stratum *find(link_kind kind, uint32_t id) const
    {
        return id < index[kind].size() && index[kind][id] ? &strata[kind][index[kind][id] - 1] : nullptr;
    }

    evidence_settings settings;
    link_stage stage{};
    Stratum all, mirror, error;
    double limit_m, limit_mirror;

  private:
    struct Free {
        void operator()(void *p) const { free(p); }
    };
    Factors all_factors, factors, rule_factors, mirror_factors, error_factors;
    std::vector<Stratum> strata[LINK_KIND_CNT];
    std::vector<uint32_t> index[LINK_KIND_CNT]; // id -> place + 1
    double m = 1;
    bool are_rules_declared = false; // those that the traffic has, all of them
    uint32_t window = 0;
    unsigned since_sum = 0;
    Trips trips{};
    std::unique_ptr<link_evidence, Free> page;

    static Stratum fresh(const Factors *f, double weight)
    {
        Stratum s{};
        std::fill(s.e, s.e + MIX_MAX, 1.0);
        s.mean = 1;
        s.weight = weight;
        s.factors = f;
        return s;
    }

    Stratum &get(link_kind kind, uint32_t id)
    {
        static const double weight[LINK_KIND_CNT] = {.20, .25, .15, .15, .15, 0, 0};
        auto &i = index[kind];
        if (id >= i.size())
            i.resize(id + 1, 0);
        if (i[id] == 0) {
            double j = static_cast<double>(strata[kind].size()) + 1;
            strata[kind].push_back(fresh(kind == LINK_KIND_RULE ? &rule_factors : &factors, weight[kind] * 6 / (M_PI * M_PI * j * j)));
            strata[kind].back().order = static_cast<uint32_t>(j);
            i[id] = static_cast<uint32_t>(j);
        }
        return strata[kind][i[id] - 1];
    }

    void count(Stratum &s, bool is_bad, bool is_of_m = true)
    {
        double before = s.mean;
        const double *factor = is_bad ? s.factors->bad : s.factors->good;
        double sum = 0;
        s.n++;
        s.k += is_bad;
        for (unsigned c = 0; c < MIX_MAX; c++) {
            s.e[c] *= factor[c];
            sum += s.e[c];
        }
        s.mean = s.factors->m.cnt ? sum / s.factors->m.cnt : 1;
        if (is_of_m)
            m += s.weight * (s.mean - before);
    }

    void look_up(const Stratum &s, const link_trip_table &t, link_kind kind)
    {
        uint32_t k = std::min<uint32_t>(s.k, LINK_TRIP_MAX - 1);
        if (k == 0 || s.n > t.n_max[k] || trips.table)
            return;
        trips.table = true;
        trips.table_kind = kind;
    }

    // Against the drift of a running sum.
    void sum_up()
    {
        double cash = 1 - all.weight;
        m = all.weight * all.mean;
        for (const auto &strata_of : strata) {
            for (const Stratum &s : strata_of) {
                m += s.weight * s.mean;
                cash -= s.weight;
            }
        }
        m += std::max(cash, 0.0);
        since_sum = 0;
    }

    static std::string name_of(uint32_t kind, const Stratum &s)
    {
        return std::to_string(kind) + "." + std::to_string(s.order);
    }

    void write_page()
    {
        memset(page.get(), 0, sizeof(link_evidence));
        link_evidence &t = *page;
        t.window = window;
        t.nk_all = uint64_t{all.n} << 32 | all.k;
        t.nk_mirror = uint64_t{mirror.n} << 32 | mirror.k;
        t.nk_error = uint64_t{error.n} << 32 | error.k;
        for (uint32_t kind = LINK_KIND_SENDER_SUFFIX; kind <= LINK_KIND_RULE; kind++) {
            for (const Stratum &s : strata[kind]) {
                link_stratum &to = t.strata[t.strata_cnt++];
                to.kind = static_cast<uint16_t>(kind);
                to.order = s.order;
                to.n_base = s.n_base;
                to.nk = kind == LINK_KIND_RULE ? s.k : uint64_t{s.n} << 32 | s.k;
                strcpy(to.name, name_of(kind, s).c_str());
                to.state = 2;
            }
        }
    }
};

} // namespace sim

#endif
