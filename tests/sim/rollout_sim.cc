// rollout-sim: how often good rule sets go back, and how soon bad ones do. Tables for people; unit/sim has a small part.
//
//     rollout-sim [null | detect | blind | wave | bulk | slow | small | windows | cost]... [--pushes N] [--messages N] [--seed S]
//
// All of them without a name. `null` as in the design's figure: 10,000 pushes of 20,000 messages at alpha = 1e-2.
#include <chrono>
#include <functional>
#include <thread>

#include "tests/sim/traffic.h"

using namespace sim;

namespace {

struct Options {
    unsigned pushes = 10000, messages = 20000;
    uint64_t seed = 1;
};

struct Sample {
    std::vector<double> values;
    unsigned missing = 0;
    void add(double v) { values.push_back(v); }
    std::string text()
    {
        char out[64];
        if (values.empty())
            return "never";
        std::sort(values.begin(), values.end());
        double sum = 0;
        for (double v : values)
            sum += v;
        snprintf(out, sizeof(out), "%.1f/%.0f", sum / static_cast<double>(values.size()),
                 values[std::min(values.size() - 1, values.size() * 99 / 100)]);
        return missing ? std::string(out) + " (" + std::to_string(missing) + " never)" : out;
    }
};

void
null_edge(const Options &o, Edge edge, const char *name)
{
    NullCount total[2];
    std::vector<std::thread> threads;
    for (unsigned half = 0; half < 2; half++) {
        threads.emplace_back([&, half] {
            Traffic traffic;
            Push push(edge_settings(1e-2, edge));
            auto is_hot = half_of_suffixes(o.seed);
            for (unsigned i = half; i < o.pushes; i += 2)
                total[half].add(null_push(traffic, push, o.seed * 1000000 + i, o.messages, edge, is_hot));
        });
    }
    for (auto &t : threads)
        t.join();
    total[0].add(total[1]);
    const NullCount &c = total[0];
    printf("%-36s %6u x %u: M %u, mirror+error %u, tables %u, any %u (alpha/2 allows %u); M >= 1/alpha %u; ln M off "
           "by %.0e\n", name, c.pushes, o.messages, c.m, c.mirror_error, c.table, c.any, c.pushes / 200, c.plain, c.off);
}

void
run_null(const Options &o)
{
    printf("\n(a) good pushes at alpha = 1e-2, every null on its edge, looked at after each message: false roll-backs\n");
    null_edge(o, EDGE_ALL, "all strata 1 %, ALL too");
    null_edge(o, EDGE_HALF, "half of the suffixes 1 %, ALL 0.5 %");
}

// How many until each of the ways to go back says so: of `unit`, and messages in all.
struct Until {
    Sample plain, m, table, first, messages;
};

void
watch(Until &u, const std::function<const Trips &(unsigned &units)> &step, unsigned messages_max)
{
    unsigned units = 0, plain = 0, m = 0, table = 0, i = 0, first_at = 0;
    while (i < messages_max && !(m && table)) {
        const Trips &t = step(units);
        i++;
        plain = plain ? plain : t.m_plain || t.mirror_plain ? units : 0;
        m = m ? m : t.m || t.mirror_error ? units : 0;
        table = table ? table : t.table ? units : 0;
        first_at = first_at ? first_at : t.any() ? i : 0;
    }
    auto add = [](Sample &s, unsigned value) { value ? s.add(value) : void(s.missing++); };
    add(u.plain, plain);
    add(u.m, m);
    add(u.table, table);
    add(u.first, m && table ? std::min(m, table) : m + table);
    add(u.messages, first_at);
}

void
print_until(const char *name, Until &u)
{
    printf("%-36s %-16s %-16s %-16s %-16s %s\n", name, u.plain.text().c_str(), u.m.text().c_str(), u.table.text().c_str(),
           u.first.text().c_str(), u.messages.text().c_str());
}

void
print_until_head(const char *title, const char *unit)
{
    printf("\n%s (mean/p99)\n%-36s %-16s %-16s %-16s %-16s %s\n", title, unit, "at 1e6", "alpha shared", "tables", "first",
           "messages in all");
}

void
run_detect(const Options &o)
{
    Traffic traffic;
    print_until_head("(b) a sender suffix, alpha = 1e-6: units of that suffix until the trip", "share of mail, newly rejected");
    for (double share : {0.3, 0.01, 0.001}) {
        for (double p : {1.0, 0.5, 0.1, 0.05}) {
            Until u;
            Push push(evidence_settings_default);
            unsigned runs = share < 0.01 ? 300 : 1000;
            for (unsigned run = 0; run < runs; run++) {
                Random random(o.seed * 7919 + run);
                push.begin(0);
                watch(u, [&](unsigned &units) -> const Trips & {
                    Mail m = traffic.fresh(random);
                    if (random.chance(share)) {
                        m.sender_suffix = SENDER_SUFFIXES;
                        m.b_rejects = random.chance(p);
                        units++;
                    }
                    return deliver_unit(push, m);
                }, 4000000);
            }
            char name[64];
            snprintf(name, sizeof(name), "%g %%, %g %%", share * 100, p * 100);
            print_until(name, u);
        }
    }
    if (Push(evidence_settings_default).verify() > 1e-9)
        printf("the model is off\n");
}

void
run_blind(const Options &o)
{
    Traffic traffic;
    print_until_head("(c) a rule set gone blind: messages until the trip", "spam");
    for (double spam : {0.02, 0.6}) {
        for (double lost : {1.0, 0.5}) {
            Until u;
            Push push(evidence_settings_default);
            for (unsigned run = 0; run < 1000; run++) {
                Random random(o.seed * 104729 + run);
                Once once(12);
                push.begin(0);
                watch(u, [&](unsigned &units) -> const Trips & {
                    Mail m = traffic.fresh(random);
                    m.a_rejects = random.chance(spam);
                    m.b_rejects = m.a_rejects && !random.chance(lost);
                    units++;
                    return deliver(push, once, m);
                }, 100000);
            }
            char name[64];
            snprintf(name, sizeof(name), "%g %%, %g %% of it newly accepted", spam * 100, lost * 100);
            print_until(name, u);
        }
    }
}

struct Wave {
    const char *name;
    double share;       // of the mail, once it has begun
    unsigned domains;   // that it comes from
    bool is_rare;       // of three suffixes that have little other mail; else of suffixes as all mail
    bool a_too;         // the live set rejects it as well
    double declared;    // of the rule that the wave is rejected by; 0: nothing
};

const char *
kind_name(int kind)
{
    static const char *names[] = {"ALL", "sender suffix", "rcpt suffix", "rcpt domain", "rule", "mirror", "error"};
    return names[kind];
}

// Messages of the wave until the trip, 0: none in 100,000 messages; *kind: what M was made of.
unsigned
ride_wave(Traffic &traffic, Push &push, const Wave &w, unsigned quiet, uint64_t seed, int *kind)
{
    Random random(seed);
    Once once(18);
    unsigned waves = 0;
    push.begin(0);
    for (unsigned i = 0; i < quiet + 100000; i++) {
        Mail mail = traffic.from_population(random);
        bool is_wave = i >= quiet && random.chance(w.share);
        if (is_wave) {
            mail.sender_domain = SENDER_DOMAINS + random.below(w.domains);
            mail.sender_suffix = w.is_rare ? 40 + static_cast<uint32_t>(mail.sender_domain % 3)
                                           : traffic.suffix_of_domain(mail.sender_domain - SENDER_DOMAINS);
            mail.a_rejects = w.a_too;
            mail.b_rejects = true;
            waves++;
        } else if (random.chance(0.02)) {
            mail.a_rejects = mail.b_rejects = true;
        }
        if (deliver(push, once, mail).any()) {
            *kind = push.leader();
            return waves;
        }
    }
    return 0;
}

void
run_wave(const Options &o)
{
    Traffic traffic;
    printf("\n(d) a wave of spam in mail of 50,000 senders, alpha = 1e-6; of 100 runs those that trip within 100,000 "
           "messages,\n    messages of the wave until then (mean/p99), and what M was made of\n");
    const Wave waves[] = {{"both reject it: 60 %, 5,000 domains", .6, 5000, true, true, 0},
                          {"new set only: 60 %, 20 domains, 3 suffixes", .6, 20, true, false, 0},
                          {"new set only: 60 %, 20 domains, any suffix", .6, 20, false, false, 0},
                          {"new set only: 5 %, 20 domains, any suffix", .05, 20, false, false, 0},
                          {"new set only: 0.5 %, 20 domains, any suffix", .005, 20, false, false, 0},
                          {"new set only: 60 %, 3 domains, any suffix", .6, 3, false, false, 0},
                          {"new set only: 60 %, 5,000 domains, any suffix", .6, 5000, false, false, 0},
                          {"new set only: 0.4 %, 5,000 domains, any suffix", .004, 5000, false, false, 0},
                          {"its rule declared at 95 %: 60 %, 5,000 domains", .6, 5000, false, false, .95},
                          {"its rule declared at 70 %: 60 %, 5,000 domains", .6, 5000, false, false, .7},
                          {"its rule declared at 20 %: 60 %, 5,000 domains", .6, 5000, false, false, .2}};
    for (const Wave &w : waves) {
        for (unsigned quiet : {0u, 10000u}) {
            unsigned tripped = 0, kinds[LINK_KIND_CNT] = {};
            Sample at;
            Push push(evidence_settings_default);
            if (w.declared > 0)
                push.declare_rules(w.declared);
            for (unsigned run = 0; run < 100; run++) {
                int kind = 0;
                unsigned waves_until = ride_wave(traffic, push, w, quiet, o.seed * 1000 + run, &kind);
                if (waves_until == 0)
                    continue;
                tripped++;
                kinds[kind]++;
                at.add(waves_until);
            }
            printf("%-48s after %5u: %3u  %-12s", w.name, quiet, tripped, at.text().c_str());
            for (int kind = 0; kind < LINK_KIND_CNT; kind++) {
                if (kinds[kind])
                    printf("  %s %u", kind_name(kind), kinds[kind]);
            }
            printf("\n");
        }
    }
}

void
run_bulk(const Options &o)
{
    Traffic traffic;
    printf("\n(e) one sender with 40 %% of the mail, all of it newly rejected, to all recipient domains; 100,000 messages\n");
    for (unsigned quiet : {0u, 5000u}) {
        unsigned tripped = 0;
        double most = 0;
        Push push(evidence_settings_default);
        for (unsigned run = 0; run < 100; run++) {
            Random random(o.seed * 32452843 + run);
            Once once(18);
            push.begin(0);
            for (unsigned i = 0; i < 100000; i++) {
                Mail mail = traffic.from_population(random);
                if (random.chance(0.4)) {
                    mail.sender_domain = SENDER_DOMAINS;
                    mail.sender_suffix = 1;
                    mail.b_rejects = i >= quiet;
                }
                bool is_tripped = deliver(push, once, mail).any();
                most = std::max(most, push.log_m());
                if (is_tripped) {
                    tripped++;
                    break;
                }
            }
        }
        printf("rejected after %5u messages: %u of 100 trip; most of M %.3g of %.3g\n", quiet, tripped, std::exp(most),
               push.limit_m);
    }
}

void
run_slow(const Options &o)
{
    Traffic traffic;
    print_until_head("(f) 5 % of a recipient domain's mail newly rejected: units of it until the trip", "share of mail");
    for (double share : {0.05, 0.01, 0.001}) {
        for (bool is_fresh : {true, false}) {
            Until u;
            Push push(evidence_settings_default);
            for (unsigned run = 0; run < (share < 0.01 ? 40u : 300u); run++) {
                Random random(o.seed * 49979687 + run);
                Once once(16);
                push.begin(0);
                watch(u, [&](unsigned &units) -> const Trips & {
                    Mail m = is_fresh ? traffic.fresh(random) : traffic.from_population(random);
                    if (random.chance(share)) {
                        m.rcpt_domain = RCPT_DOMAINS;
                        m.rcpt_suffix = 2;
                        m.b_rejects = random.chance(0.05);
                        units++;
                    }
                    return is_fresh ? deliver_unit(push, m) : deliver(push, once, m);
                }, is_fresh ? 3000000 : 1000000);
            }
            char name[64];
            snprintf(name, sizeof(name), "%g %%, %s", share * 100, is_fresh ? "each its own sender" : "50,000 senders");
            print_until(name, u);
        }
    }
}

void
run_small(const Options &o)
{
    Traffic traffic;
    printf("\n(g) sender suffixes of 1,500 (Zipf 1.1, 50,000 senders) after so many messages: proven by 20 units, seen but "
           "unproven, without any\n");
    Push push(evidence_settings_default);
    Random random(o.seed);
    Once once(18);
    for (unsigned i = 1; i <= 1000000; i++) {
        deliver(push, once, traffic.from_population(random));
        if (i != 1000 && i != 10000 && i != 100000 && i != 1000000)
            continue;
        unsigned proven = 0, seen = 0;
        for (uint32_t id = 0; id < SENDER_SUFFIXES; id++) {
            const Stratum *s = push.find(LINK_KIND_SENDER_SUFFIX, id);
            seen += s != nullptr;
            proven += s && s->n >= 20;
        }
        printf("%8u: %u, %u, %u\n", i, proven, seen - proven, SENDER_SUFFIXES - seen);
    }
}

void
run_windows(const Options &o)
{
    Traffic traffic;
    unsigned tripped_m = 0, tripped_table = 0, tripped = 0;
    const unsigned runs = 2000, windows = 100, messages = 1000;
    evidence_settings s = edge_settings(1e-2, EDGE_ALL);
    Push push(s, 365u * 24 * 36000); // so that a year has as many windows
    for (unsigned run = 0; run < runs; run++) {
        Random random(o.seed * 67867967 + run);
        bool m = false, table = false;
        for (uint32_t j = 1; j <= windows; j++) {
            push.begin(j);
            for (unsigned i = 0; i < messages; i++) {
                Mail mail = traffic.fresh(random);
                mail.b_rejects = random.chance(s.rho_stratum);
                deliver_unit(push, mail);
            }
            m = m || push.look().m;
            table = table || push.look().table;
        }
        tripped_m += m, tripped_table += table, tripped += m || table;
    }
    evidence_settings plain = evidence_settings_default;
    Push hour(plain, 3600000);
    printf("\n(h) units of a blanket reject, sender suffix in place 1, until the trip, by hour of LIVE:");
    for (uint32_t j : {1u, 24u, 720u, 8760u}) {
        hour.begin(j);
        uint32_t k = 1;
        while (evidence_log_e(k, k, .01) + std::log(.25 * 6 / (M_PI * M_PI)) < std::log(hour.limit_m))
            k++;
        printf("  %u: %u", j, k);
    }
    uint32_t k = 1;
    while (hour.stage.trip_stratum.n_max[k] < k)
        k++;
    printf("; tables, a year long: %u\n", k);
    printf("    LIVE, %u windows of %u messages on the edge, alpha = 1e-2: %u runs, M %u, tables %u, any %u (alpha/2 "
           "allows %u)\n", windows, messages, runs, tripped_m, tripped_table, tripped, runs / 200);
}

double
nanoseconds(unsigned rounds, const std::function<void()> &f)
{
    auto begin = std::chrono::steady_clock::now();
    for (unsigned i = 0; i < rounds; i++)
        f();
    std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
    return took.count() / rounds;
}

void
run_cost(const Options &)
{
    auto *t = static_cast<link_evidence *>(calloc(1, sizeof(link_evidence)));
    printf("\na reading of the page (control/evidence.c), microseconds\n");
    for (unsigned cnt : {100u, 1000u, static_cast<unsigned>(LINK_STRATA_MAX)}) {
        for (bool is_rules : {false, true}) {
            memset(t, 0, sizeof(*t));
            for (unsigned i = 0; i < cnt; i++) {
                t->strata[i] = {};
                t->strata[i].kind = is_rules ? LINK_KIND_RULE : LINK_KIND_SENDER_SUFFIX;
                t->strata[i].order = i + 1;
                t->strata[i].nk = uint64_t{100} << 32 | 1;
                strcpy(t->strata[i].name, std::to_string(i).c_str());
                t->strata[i].state = 2;
            }
            evidence *e = evidence_new(&evidence_settings_default);
            evidence_reading r;
            double first = nanoseconds(1, [&] { evidence_read(e, t, &r); });
            double same = nanoseconds(1000, [&] { evidence_read(e, t, &r); });
            unsigned at = 0;
            double few = nanoseconds(1000, [&] {
                for (unsigned i = 0; i < 40; i++)
                    t->strata[at++ % cnt].nk += uint64_t{1} << 32;
                t->nk_all += uint64_t{10} << 32;
                evidence_read(e, t, &r);
            });
            printf("%4u %-8s first %6.1f   nothing new %6.1f   40 changed %6.1f%s\n", cnt, is_rules ? "rules" : "suffixes",
                   first / 1000, same / 1000, few / 1000, is_rules ? " (all: ALL's n is theirs)" : "");
            evidence_free(e);
        }
    }
    link_trip_table table;
    printf("a trip table %.0f\n", nanoseconds(20, [&] { evidence_trip_table(0.01, 23, &table); }) / 1000);
    free(t);
}

} // namespace

int
main(int argc, char **argv)
{
    const struct {
        const char *name;
        void (*run)(const Options &);
    } parts[] = {{"null", run_null}, {"detect", run_detect}, {"blind", run_blind},     {"wave", run_wave},
                 {"bulk", run_bulk}, {"slow", run_slow},     {"small", run_small}, {"windows", run_windows}, {"cost", run_cost}};
    Options o;
    std::vector<std::string> names;
    for (int i = 1; i < argc; i++) {
        std::string arg = argv[i];
        uint64_t *to = arg == "--seed" ? &o.seed : nullptr;
        unsigned *count = arg == "--pushes" ? &o.pushes : arg == "--messages" ? &o.messages : nullptr;
        if ((to || count) && i + 1 < argc) {
            uint64_t n = strtoull(argv[++i], nullptr, 10);
            to ? *to = n : *count = static_cast<unsigned>(n);
        } else {
            names.push_back(arg);
        }
    }
    for (const std::string &name : names) {
        bool is_part = false;
        for (const auto &part : parts)
            is_part = is_part || name == part.name;
        if (!is_part) {
            fprintf(stderr, "rollout-sim: what is %s?\n", name.c_str());
            return 2;
        }
    }
    for (const auto &part : parts) {
        if (names.empty() || std::find(names.begin(), names.end(), part.name) != names.end())
            part.run(o);
        fflush(stdout);
    }
    return 0;
}
