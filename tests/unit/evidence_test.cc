// evidence: the numbers of the design come out; nothing that a page holds makes a good rule set guilty too easily.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "control/evidence.h"
#include "evidence_page.h"

namespace {

using Reader = std::unique_ptr<evidence, decltype(&evidence_free)>;

Reader
reader(const evidence_settings &s = evidence_settings_default)
{
    return Reader(evidence_new(&s), evidence_free);
}

evidence_reading
read(evidence *e, const Page &page)
{
    evidence_reading r{};
    EXPECT_TRUE(evidence_read(e, page.table, &r));
    return r;
}

// The alternatives, from the design.
std::vector<long double>
alternatives(long double rho)
{
    std::vector<long double> all;
    for (long double q : {2 * rho, 5 * rho, 20 * rho, 50 * rho, .1L, .2L, .4L, .6L, .8L, .95L}) {
        if (q > rho * (1 + 1e-12L) && q < 1 - 1e-12L)
            all.push_back(q);
    }
    return all;
}

long double
slow_e(unsigned n, unsigned k, long double rho)
{
    long double sum = 0;
    auto all = alternatives(rho);
    for (long double q : all) {
        long double product = 1;
        for (unsigned i = 0; i < n; i++)
            product *= i < k ? q / rho : (1 - q) / (1 - rho);
        sum += product;
    }
    return all.empty() ? 1 : sum / static_cast<long double>(all.size());
}

} // namespace

TEST(Evidence, LogarithmsAreExact)
{
    // mpmath, 60 digits, of the doubles' exact values.
    const struct {
        uint64_t n, k;
        double rho, log_e;
    } truth[] = {
        {0, 0, 0.01, 0.0},
        {1, 1, 0.01, 3.6428355156125294855},
        {1, 0, 0.01, -0.47121648567094484409},
        {6, 6, 0.01, 25.390228815175515643},
        {100, 15, 0.01, 25.507062796145700003},
        {5000, 109, 0.01, 23.595208757527918658},
        {10, 10, 0.2, 14.145779798903641141},
        {1000, 250, 0.2, -43.391049930723540638},
        {1, 1, 0.0001, 8.0254182783410471941},
        {100000, 40, 0.0001, 22.080221218518890178},
        {4294967295, 4294967295, 0.01, 19558752312.577997706},
        {4294967295, 0, 0.01, -43604105.707233704236},
        {4294967295, 43000000, 0.01, -13362224.970203281611},
        {1000000000, 10000000, 0.005, 1944053.4133567724465},
        {1000000000, 10000000, 0.01, -3119378.2463634672645},
        {7, 3, 0.5, -1.3052278085237192309},
        {40, 39, 0.9, 1.4154744489808079598},
        {123456789, 2, 0.0001, -12348.447130649015031},
    };
    for (const auto &t : truth) {
        EXPECT_NEAR(evidence_log_e(t.n, t.k, t.rho), t.log_e, 1e-12 + 1e-13 * std::fabs(t.log_e))
            << t.n << " " << t.k << " " << t.rho;
    }
    for (double rho : {0.0001, 0.005, 0.01, 0.03, 0.2, 0.5, 0.9}) {
        for (unsigned n = 0; n <= 60; n++) {
            for (unsigned k = 0; k <= n; k++)
                ASSERT_NEAR(evidence_log_e(n, k, rho), static_cast<double>(std::log(slow_e(n, k, rho))), 1e-10);
        }
    }
}

TEST(Evidence, NothingIsWorseThanEverything)
{
    EXPECT_EQ(evidence_log_e(1000, 1000, 0.95), 0);
    EXPECT_EQ(evidence_log_e(1000, 1000, 1), 0);
    EXPECT_EQ(evidence_log_e(1000, 1000, 0), 0);
    EXPECT_EQ(evidence_log_e(1000, 1000, NAN), 0);
    EXPECT_EQ(evidence_k_min(1000, 1, 10), 1001u);
    link_trip_table t;
    evidence_trip_table(NAN, 10, &t);
    for (uint32_t n_max : t.n_max)
        EXPECT_EQ(n_max, 0u);
}

// One step from every state: on the null (p <= rho) evidence does not grow on average; on its edge it is a martingale.
TEST(Evidence, IsASupermartingale)
{
    for (double rho : {0.0001, 0.01, 0.2, 0.5}) {
        for (unsigned n = 0; n < 80; n++) {
            for (unsigned k = 0; k <= n; k++) {
                double at = evidence_log_e(n, k, rho), now = 1; // all in units of E(n,k)
                double bad = std::exp(evidence_log_e(n + 1, k + 1, rho) - at);
                double good = std::exp(evidence_log_e(n + 1, k, rho) - at);
                ASSERT_NEAR(rho * bad + (1 - rho) * good, now, 1e-11);
                for (double p : {0.0, rho / 10, rho / 2, rho * 0.99})
                    ASSERT_LE(p * bad + (1 - p) * good, now * (1 + 1e-11)) << n << " " << k << " " << p;
                for (double p : {rho * 2.5, 1.0}) {
                    if (k > n / 2 && p < 1) {
                        ASSERT_GT(p * bad + (1 - p) * good, now) << n << " " << k << " " << p;
                    }
                }
            }
        }
    }
}

TEST(Evidence, KMinOfTheDesign)
{
    const struct {
        uint64_t n, k;
    } design[] = {{6, 6},    {10, 7},   {20, 9},    {50, 11},   {100, 15},
                  {200, 19}, {500, 28}, {1000, 41}, {2000, 65}, {5000, 109}};
    for (const auto &d : design)
        EXPECT_EQ(evidence_k_min(d.n, 0.01, std::log(1e10)), d.k) << d.n;
    EXPECT_EQ(evidence_k_min(5, 0.01, std::log(1e10)), 6u); // five are not enough
    // "A rule set that matches nothing trips after 10-16."
    EXPECT_EQ(evidence_k_min(10, 0.2, std::log(1e6)), 10u);
    EXPECT_EQ(evidence_k_min(9, 0.2, std::log(1e6)), 10u);
    EXPECT_EQ(evidence_k_min(16, 0.2, std::log(1e10)), 16u);
    EXPECT_EQ(evidence_k_min(15, 0.2, std::log(1e10)), 16u);
}

TEST(Evidence, TripTablesSayTheSameAsKMin)
{
    for (double rho : {0.0001, 0.005, 0.01, 0.2}) {
        for (double threshold : {1e6, 1e10, 1e14}) {
            link_trip_table t;
            evidence_trip_table(rho, std::log(threshold), &t);
            EXPECT_EQ(t.n_max[0], 0u);
            for (uint32_t k = 1; k < LINK_TRIP_MAX; k++) {
                EXPECT_GE(t.n_max[k], t.n_max[k - 1]);
                if (t.n_max[k] == 0) {
                    EXPECT_GT(evidence_k_min(k, rho, std::log(threshold)), k);
                    continue;
                }
                EXPECT_LE(evidence_k_min(t.n_max[k], rho, std::log(threshold)), k);
                if (t.n_max[k] < UINT32_MAX) {
                    EXPECT_GT(evidence_k_min(t.n_max[k] + 1, rho, std::log(threshold)), k);
                }
            }
        }
    }
}

namespace {

struct Detection {
    double mean;
    unsigned p99;
};

// The distribution of the first n at which k >= k_min(n), each unit bad with chance p: exact.
Detection
detect(double p, double threshold)
{
    std::vector<double> at = {1}; // chance of k bad ones without a trip so far
    double left = 1, mean = 0;
    unsigned p99 = 0;
    for (unsigned n = 1; left > 1e-12 && n < 20000; n++) {
        mean += left; // sum over n of P(not yet after n - 1)
        std::vector<double> next(at.size() + 1, 0);
        for (size_t k = 0; k < at.size(); k++) {
            next[k] += at[k] * (1 - p);
            next[k + 1] += at[k] * p;
        }
        next.resize(std::min<size_t>(next.size(), evidence_k_min(n, 0.01, std::log(threshold))));
        left = 0;
        for (double chance : next)
            left += chance;
        at = next;
        if (p99 == 0 && left <= 0.01)
            p99 = n;
    }
    return {mean, p99};
}

} // namespace

TEST(Evidence, DetectionOfTheDesign)
{
    const struct {
        double p;
        unsigned mean[3], p99[3];
    } design[] = {{1, {4, 5, 6}, {4, 5, 6}},
                  {.5, {10, 13, 16}, {24, 27, 32}},
                  {.1, {113, 146, 179}, {269, 320, 369}},
                  {.05, {399, 512, 625}, {946, 1114, 1267}}};
    const double thresholds[] = {1e6, 1e8, 1e10};
    for (const auto &d : design) {
        for (int i = 0; i < 3; i++) {
            Detection found = detect(d.p, thresholds[i]);
            printf("p %.2f threshold %g: mean %.2f p99 %u\n", d.p, thresholds[i], found.mean, found.p99);
            EXPECT_EQ(std::lround(found.mean), d.mean[i]) << d.p << " " << thresholds[i];
            EXPECT_EQ(found.p99, d.p99[i]) << d.p << " " << thresholds[i];
        }
    }
}

// ---- the page ----

TEST(Evidence, AnEmptyPageSaysNothing)
{
    Page page;
    auto e = reader();
    evidence_reading r = read(e.get(), page);
    EXPECT_NEAR(r.log_m, 0, 1e-12);
    EXPECT_EQ(r.log_mirror, 0);
    EXPECT_FALSE(r.trips);
    EXPECT_EQ(r.strata_cnt, 0u);
    page.table->epoch++;
    evidence_reading none;
    EXPECT_FALSE(evidence_read(e.get(), page.table, &none));
}

TEST(Evidence, ABlanketRejectTripsAndIsLocalised)
{
    Page page;
    auto e = reader();
    auto &uk = page.add(LINK_KIND_SENDER_SUFFIX, "co.uk");
    page.add(LINK_KIND_SENDER_SUFFIX, "com");
    unsigned until = 0;
    for (int i = 1; i <= 50 && until == 0; i++) {
        page.count(page.table->nk_all, false);
        page.count(page.table->strata[1].nk, false);
        page.count(page.table->nk_all, true);
        page.count(uk.nk, true);
        if (read(e.get(), page).trips)
            until = static_cast<unsigned>(i);
    }
    EXPECT_GE(until, 4u);
    EXPECT_LE(until, 6u);
    evidence_reading r = read(e.get(), page);
    EXPECT_EQ(r.family, LINK_KIND_ALL);
    EXPECT_GE(r.log_m, r.limit_m);
    ASSERT_EQ(r.worst_cnt, 3u);
    EXPECT_STREQ(r.worst[0].name, "co.uk");
    EXPECT_TRUE(r.worst[0].is_localised);
    EXPECT_EQ(r.worst[0].n, until);
    EXPECT_EQ(r.worst[0].k, until);
    EXPECT_EQ(r.worst[1].kind, LINK_KIND_ALL);
    EXPECT_STREQ(r.worst[2].name, "com");
    EXPECT_FALSE(r.worst[2].is_localised);
    EXPECT_NEAR(r.worst[0].log_e, evidence_log_e(until, until, 0.01), 1e-12);
}

// M is what the design says, digit by digit.
TEST(Evidence, MIsTheWeightedSum)
{
    Page page;
    auto e = reader();
    page.table->nk_all = Page::nk(300, 5);
    page.add(LINK_KIND_SENDER_SUFFIX, "com").nk = Page::nk(200, 1);
    page.add(LINK_KIND_SENDER_SUFFIX, "co.uk").nk = Page::nk(3, 2);
    page.add(LINK_KIND_RCPT_SUFFIX, "de").nk = Page::nk(290, 4);
    page.add(LINK_KIND_RCPT_DOMAIN, "example.de").nk = Page::nk(20, 0);
    auto &rule = page.add(LINK_KIND_RULE, "Rule_X");
    rule.nk = Page::nk(0, 4);
    rule.n_base = 100;
    long double c = 6 / (M_PIl * M_PIl), m = 0, w[] = {.20L, .25L * c, .25L * c / 4, .15L * c, .15L * c, .15L * c};
    m += w[0] * slow_e(300, 5, .005L) + w[1] * slow_e(200, 1, .01L) + w[2] * slow_e(3, 2, .01L);
    m += w[3] * slow_e(290, 4, .01L) + w[4] * slow_e(20, 0, .01L);
    m += w[5] * slow_e(200, 4, .01L);
    m += 1 - (w[0] + w[1] + w[2] + w[3] + w[4] + w[5]);
    EXPECT_NEAR(read(e.get(), page).log_m, static_cast<double>(std::log(m)), 1e-12);
    // And the same however it came about.
    Page empty;
    auto other = reader();
    read(other.get(), empty);
    for (int i = 0; i <= 300; i += 7) {
        page.table->nk_all = Page::nk(static_cast<uint32_t>(i), static_cast<uint32_t>(i / 60));
        page.table->strata[0].nk = Page::nk(static_cast<uint32_t>(i / 2), 0);
        read(other.get(), page);
    }
    page.table->nk_all = Page::nk(300, 5);
    page.table->strata[0].nk = Page::nk(200, 1);
    EXPECT_NEAR(read(other.get(), page).log_m, static_cast<double>(std::log(m)), 1e-12);
}

TEST(Evidence, KnownStrataKeepTheirPlacesAndNovelOnesShare)
{
    auto e = reader();
    evidence_know(e.get(), LINK_KIND_SENDER_SUFFIX, "COM");
    evidence_know(e.get(), LINK_KIND_SENDER_SUFFIX, "co.uk");
    evidence_know(e.get(), LINK_KIND_SENDER_SUFFIX, "com"); // again: nothing
    Page page;
    for (const char *name : {"xyz", "co.uk", "top", "com"})
        page.add(LINK_KIND_SENDER_SUFFIX, name).nk = Page::nk(2, 2);
    long double c = 6 / (M_PIl * M_PIl), weight = c * (.25L + .25L / 4 + .10L + .10L / 4);
    long double m = weight * slow_e(2, 2, .01L) + (1 - weight);
    EXPECT_NEAR(read(e.get(), page).log_m, static_cast<double>(std::log(m)), 1e-12);
}

TEST(Evidence, DeclaredStrataAreTolerated)
{
    Page page;
    page.table->nk_all = Page::nk(1000, 300);
    page.add(LINK_KIND_SENDER_SUFFIX, "top").nk = Page::nk(300, 295);
    page.table->nk_mirror = Page::nk(50, 25);
    auto e = reader();
    EXPECT_TRUE(read(e.get(), page).trips);
    auto declared = reader();
    evidence_declare(declared.get(), LINK_KIND_SENDER_SUFFIX, "Top", 1);
    evidence_declare(declared.get(), LINK_KIND_ALL, "", 0.35);
    evidence_declare(declared.get(), LINK_KIND_ALL, "", 0.2); // the larger one stands
    evidence_declare(declared.get(), LINK_KIND_MIRROR, "", 0.5);
    evidence_declare(declared.get(), LINK_KIND_RULE, "x", NAN);
    evidence_reading r = read(declared.get(), page);
    EXPECT_FALSE(r.trips);
    EXPECT_EQ(r.worst[0].log_e, 0);
    EXPECT_EQ(r.worst[0].rho, 1);
    // Another suffix still goes back.
    page.add(LINK_KIND_SENDER_SUFFIX, "de").nk = Page::nk(8, 8);
    EXPECT_TRUE(read(declared.get(), page).trips);
}

TEST(Evidence, MirrorAndErrorAreFamiliesOfTheirOwn)
{
    Page page;
    auto e = reader();
    page.table->nk_mirror = Page::nk(12, 12);
    evidence_reading r = read(e.get(), page);
    EXPECT_TRUE(r.trips);
    EXPECT_EQ(r.family, LINK_KIND_MIRROR);
    EXPECT_NEAR(r.log_mirror, evidence_log_e(12, 12, 0.2), 1e-12);
    page.table->nk_mirror = Page::nk(100, 20);
    page.table->nk_error = Page::nk(10, 3);
    r = read(e.get(), page);
    EXPECT_TRUE(r.trips);
    EXPECT_EQ(r.family, LINK_KIND_ERROR);
    page.table->nk_error = Page::nk(50000, 3);
    r = read(e.get(), page);
    EXPECT_FALSE(r.trips);
    EXPECT_EQ(r.family, LINK_KIND_ALL);
}

// n of a rule is ALL's since it was first seen. Its count may be read before ALL's, or be nonsense.
TEST(Evidence, ARulesUnitsAreAllsSinceItWasSeen)
{
    Page page;
    auto e = reader();
    page.table->nk_all = Page::nk(100, 1);
    auto &rule = page.add(LINK_KIND_RULE, "R");
    rule.n_base = 100;
    evidence_reading r = read(e.get(), page);
    EXPECT_EQ(r.worst[0].log_e, 0);
    rule.nk = Page::nk(0, 2);
    page.table->nk_all = Page::nk(104, 3);
    r = read(e.get(), page);
    EXPECT_STREQ(r.worst[0].name, "R");
    EXPECT_EQ(r.worst[0].n, 4u);
    EXPECT_EQ(r.worst[0].k, 2u);
    EXPECT_NEAR(r.worst[0].log_e, evidence_log_e(4, 2, .01), 1e-12);
    page.table->nk_all = Page::nk(110, 3); // ALL alone moves on
    r = read(e.get(), page);
    EXPECT_NEAR(r.worst[0].log_e, evidence_log_e(10, 2, .01), 1e-12);
    rule.nk = Page::nk(0, 90); // more bad ones than units: as many as there are
    r = read(e.get(), page);
    EXPECT_EQ(r.worst[0].k, 10u);
    page.table->nk_all = Page::nk(50, 3); // n_base is ahead
    r = read(e.get(), page);
    EXPECT_LT(r.log_m, r.limit_m);
}

TEST(Evidence, EachWindowHasItsPartOfAlpha)
{
    Page page;
    auto e = reader();
    double before = read(e.get(), page).limit_m;
    EXPECT_NEAR(before, -std::log(1e-6 * .5 * .4), 1e-12);
    long double sum = 0;
    for (uint32_t j = 1; j <= 1000; j++) {
        page.table->epoch += 2;
        page.table->window = j;
        evidence_reading r = read(e.get(), page);
        sum += std::exp(-static_cast<long double>(r.limit_m)) + std::exp(-static_cast<long double>(r.limit_mirror)) +
               std::exp(-static_cast<long double>(r.limit_error));
        EXPECT_EQ(read(e.get(), page).limit_m, r.limit_m);
    }
    EXPECT_LT(sum, 1e-6L * .5L * .6L);
    EXPECT_GT(sum, 1e-6L * .5L * .6L * .999L);
    // The data plane began anew and counts from 1: what was spent is spent.
    double limit = read(e.get(), page).limit_m;
    page.table->epoch += 2;
    page.table->window = 1;
    EXPECT_GT(read(e.get(), page).limit_m, limit);
    // So do we: its number counts.
    auto again = reader();
    page.table->window = 1000;
    EXPECT_NEAR(read(again.get(), page).limit_m, limit, 1e-9);
}

TEST(Evidence, ANewEpochForgets)
{
    Page page;
    auto e = reader();
    page.table->nk_all = Page::nk(50, 50);
    page.add(LINK_KIND_SENDER_SUFFIX, "com").nk = Page::nk(50, 50);
    EXPECT_TRUE(read(e.get(), page).trips);
    page.reset();
    evidence_reading r = read(e.get(), page);
    EXPECT_FALSE(r.trips);
    EXPECT_EQ(r.strata_cnt, 0u);
    EXPECT_NEAR(r.log_m, 0, 1e-12);
}

TEST(Evidence, ListsWhatItSaw)
{
    Page page;
    auto e = reader();
    page.add(LINK_KIND_SENDER_SUFFIX, "com").nk = Page::nk(20, 1);
    page.add(LINK_KIND_SENDER_SUFFIX, "de").nk = Page::nk(70, 1);
    page.add(LINK_KIND_RCPT_DOMAIN, "a.de").nk = Page::nk(30, 1);
    read(e.get(), page);
    EXPECT_EQ(evidence_with_units(e.get(), LINK_KIND_SENDER_SUFFIX, 20), 2u);
    EXPECT_EQ(evidence_with_units(e.get(), LINK_KIND_SENDER_SUFFIX, 21), 1u);
    EXPECT_EQ(evidence_with_units(e.get(), LINK_KIND_RULE, 0), 0u);
    evidence_stratum list[4];
    ASSERT_EQ(evidence_strata(e.get(), list, 4), 3u);
    EXPECT_STREQ(list[0].name, "de");
    EXPECT_STREQ(list[1].name, "a.de");
    EXPECT_EQ(list[1].kind, LINK_KIND_RCPT_DOMAIN);
    EXPECT_EQ(evidence_strata(e.get(), list, 1), 1u);
}

// ---- what the data plane needs ----

TEST(Evidence, TheDataPlanesShareOfAlpha)
{
    auto e = reader();
    auto st = std::make_unique<link_stage>();
    memset(st.get(), 0xee, sizeof(*st));
    evidence_stage(e.get(), 0, st.get());
    EXPECT_EQ(st->exempt_cnt, 0u);
    EXPECT_EQ(st->defer_max, 0xeeeeeeeeu);
    link_trip_table t;
    evidence_trip_table(.01, -std::log(1e-6 * .5 * .25 / LINK_STRATA_MAX), &t);
    EXPECT_EQ(memcmp(&t, &st->trip_stratum, sizeof(t)), 0);
    evidence_trip_table(.005, -std::log(1e-6 * .5 * .05), &t);
    EXPECT_EQ(memcmp(&t, &st->trip_all, sizeof(t)), 0);
    EXPECT_EQ(st->trip_stratum.n_max[5], 0u);
    EXPECT_GE(st->trip_stratum.n_max[6], 6u); // a blanket reject: six
    evidence_stage(e.get(), 3600000, st.get());
    EXPECT_EQ(st->trip_stratum.n_max[7], 0u);
    EXPECT_GE(st->trip_stratum.n_max[8], 8u); // and eight when a year of windows shares alpha
}

TEST(Evidence, DeclaredStrataAreExemptAsFarAsThereIsRoom)
{
    auto e = reader();
    auto st = std::make_unique<link_stage>();
    for (int i = 0; i < 40; i++)
        evidence_declare(e.get(), LINK_KIND_RCPT_DOMAIN, ("d" + std::to_string(i) + ".de").c_str(), 0.5 - i * .01);
    evidence_declare(e.get(), LINK_KIND_RULE, "R", 0.5);
    evidence_declare(e.get(), LINK_KIND_RULE, "LITTLE", 0.001); // not more than rho: nothing declared
    evidence_stage(e.get(), 0, st.get());
    ASSERT_EQ(st->exempt_cnt, static_cast<uint32_t>(LINK_EXEMPT_MAX));
    bool has_rule = false, has_first = false;
    for (const auto &x : st->exempt) {
        has_rule = has_rule || (x.kind == LINK_KIND_RULE && strcmp(x.name, "R") == 0);
        has_first = has_first || (x.kind == LINK_KIND_RCPT_DOMAIN && strcmp(x.name, "d0.de") == 0);
        EXPECT_STRNE(x.name, "LITTLE");
        EXPECT_STRNE(x.name, "d31.de");
    }
    EXPECT_TRUE(has_rule && has_first);
    link_trip_table t;
    evidence_trip_table(0.5 - 31 * .01, -std::log(1e-6 * .5 * .25 / LINK_STRATA_MAX), &t);
    EXPECT_EQ(memcmp(&t, &st->trip_stratum, sizeof(t)), 0);
    evidence_trip_table(0.5, -std::log(1e-6 * .5 * .25 / LINK_STRATA_MAX), &t);
    EXPECT_EQ(memcmp(&t, &st->trip_declared, sizeof(t)), 0);
}

// ---- pages that lie, and pages that change ----

TEST(Evidence, WeightsSumToOneWhateverThePageSays)
{
    std::mt19937 random(7);
    for (int round = 0; round < 60; round++) {
        auto e = reader();
        for (int i = 0; i < round * 10; i++)
            evidence_know(e.get(), static_cast<link_kind>(random() % 9), std::to_string(random() % 900).c_str());
        Page page;
        for (auto &s : page.table->strata) {
            s.state = 2;
            s.kind = static_cast<uint16_t>(random() % (round % 2 ? 9 : 6));
            s.order = round % 3 == 0 ? random() : round % 3 == 1 ? random() % 5 : random() % LINK_STRATA_MAX;
            strcpy(s.name, std::to_string(random() % 900).c_str());
        }
        // Without counts every E is 1, so M is the sum of weights, and no less than 1 with the cash.
        EXPECT_NEAR(read(e.get(), page).log_m, 0, 1e-9);
    }
}

TEST(Evidence, GarbageIsReadWithinItsBounds)
{
    // The page ends at one that cannot be read.
    size_t size = (sizeof(link_evidence) + 4095) / 4096 * 4096;
    auto *map = static_cast<char *>(mmap(nullptr, size + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(map, MAP_FAILED);
    ASSERT_EQ(mprotect(map + size, 4096, PROT_NONE), 0);
    auto *t = reinterpret_cast<link_evidence *>(map + size - sizeof(link_evidence));
    std::mt19937_64 random(11);
    evidence_reading r;
    auto strata = std::make_unique<evidence_stratum[]>(LINK_STRATA_MAX);
    auto e = reader();
    for (int round = 0; round < 40; round++) {
        auto *words = reinterpret_cast<uint64_t *>(t);
        for (size_t i = 0; i < sizeof(*t) / 8; i++)
            words[i] = random();
        t->epoch &= ~UINT64_C(1);
        for (auto &s : t->strata)
            s.state = random() % 3 ? 2 : s.state;
        ASSERT_TRUE(evidence_read(e.get(), t, &r));
        EXPECT_FALSE(std::isnan(r.log_m) || std::isnan(r.log_mirror) || std::isnan(r.log_error));
        EXPECT_FALSE(std::isinf(r.log_m));
        uint32_t cnt = evidence_strata(e.get(), strata.get(), LINK_STRATA_MAX);
        EXPECT_EQ(cnt, r.strata_cnt);
        for (uint32_t i = 0; i < cnt; i++) {
            ASSERT_LE(strata[i].k, strata[i].n);
            ASSERT_LT(strnlen(strata[i].name, LINK_NAME_MAX), static_cast<size_t>(LINK_NAME_MAX));
            for (const char *at = strata[i].name; *at; at++)
                ASSERT_TRUE(*at > ' ' && *at <= '~');
        }
        for (int again = 0; again < 4; again++) {
            for (auto &s : t->strata)
                s.nk = random(); // within the epoch, backwards too
            ASSERT_TRUE(evidence_read(e.get(), t, &r));
            EXPECT_FALSE(std::isnan(r.log_m));
        }
    }
    munmap(map, size + 4096);
}

// A reading is of one epoch: each holds its own number in every count.
TEST(Evidence, AReadingNeverMixesEpochs)
{
    Page page;
    std::atomic<bool> is_done{false};
    for (int i = 0; i < 64; i++)
        page.add(LINK_KIND_SENDER_SUFFIX, "s" + std::to_string(i));
    auto store = [](uint64_t &at, uint64_t value) { __atomic_store_n(&at, value, __ATOMIC_RELAXED); };
    std::thread writer([&] {
        for (uint64_t epoch = 2; !is_done; epoch += 2) {
            store(page.table->epoch, epoch - 1);
            __atomic_thread_fence(__ATOMIC_RELEASE);
            store(page.table->nk_all, epoch << 32);
            for (int i = 0; i < 64; i++)
                store(page.table->strata[i].nk, epoch << 32);
            __atomic_store_n(&page.table->epoch, epoch, __ATOMIC_RELEASE);
            for (unsigned wait = static_cast<unsigned>(epoch * 7919 % 200000); wait > 0 && !is_done; wait--)
                std::atomic_signal_fence(std::memory_order_seq_cst);
        }
    });
    auto e = reader();
    evidence_stratum list[64];
    unsigned good = 0;
    for (unsigned tries = 0; good < 500 && tries < 2000000; tries++) {
        evidence_reading r;
        if (!evidence_read(e.get(), page.table, &r) || r.n == 0)
            continue;
        good++;
        uint32_t cnt = evidence_strata(e.get(), list, 64);
        for (uint32_t i = 0; i < cnt; i++) {
            if (list[i].n != r.n) {
                ADD_FAILURE() << list[i].n << " in epoch " << r.n;
                break;
            }
        }
    }
    is_done = true;
    writer.join();
    EXPECT_GE(good, 500u);
}

// ---- Ville's bound, exactly: every sequence of eight messages, read after each. Two suffixes, two rules that share
// the blame, alpha 10 %, each stratum on its edge: the chance ever to trip is at most M's part of alpha. ----

namespace {

struct Walk {
    evidence_settings settings = evidence_settings_default;
    Page page;
    double p = 0;
    double tripped = 0;
    uint64_t epoch = 0;
    Reader e{nullptr, evidence_free};
    static constexpr size_t USED = offsetof(link_evidence, strata) + 5 * sizeof(link_stratum);

    void step(unsigned depth, double chance)
    {
        auto &t = *page.table;
        char saved[USED];
        memcpy(saved, static_cast<void *>(&t), USED);
        for (int outcome = 0; outcome < 3; outcome++) { // good, bad by one rule, bad by the other
            memcpy(static_cast<void *>(&t), saved, USED);
            t.epoch = epoch += 2;
            bool is_bad = outcome > 0;
            page.count(t.nk_all, is_bad);
            page.count(page.get(LINK_KIND_SENDER_SUFFIX, depth % 3 ? "com" : "uk").nk, is_bad);
            if (is_bad) {
                uint32_t before = t.strata_cnt;
                auto &rule = page.get(LINK_KIND_RULE, "R" + std::to_string(outcome));
                if (t.strata_cnt > before)
                    rule.n_base = static_cast<uint32_t>(t.nk_all >> 32);
                else
                    rule.nk++;
            }
            double here = chance * (is_bad ? p / 2 : 1 - p);
            evidence_reading r;
            ASSERT_TRUE(evidence_read(e.get(), &t, &r));
            if (r.log_m >= r.limit_m)
                tripped += here;
            else if (depth < 7)
                step(depth + 1, here);
        }
        memcpy(static_cast<void *>(&t), saved, USED);
    }
};

} // namespace

TEST(Evidence, VillesBoundExactly)
{
    for (double alpha : {1.0, 0.5}) {
        Walk walk;
        walk.settings.alpha = alpha;
        walk.settings.rho_all = walk.settings.rho_stratum = walk.p = 0.3;
        walk.e = reader(walk.settings);
        walk.step(0, 1);
        printf("alpha %.2f: trips with a chance of %.4f, may with %.4f\n", alpha, walk.tripped, alpha * .5 * .4);
        EXPECT_GT(walk.tripped, 0);
        EXPECT_LE(walk.tripped, alpha * .5 * .4);
    }
}
