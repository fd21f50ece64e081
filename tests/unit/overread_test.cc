// Hyperscan 5.4.0 at the very end of memory (match.h, "Slack"). Short units of every length lie right before a page that
// cannot be read, and right behind one, in databases for every set of processor features, scanned by every one of
// libhs's run times that this processor can run, as a block and as a stream.
//
// What is held: with MATCH_SLACK readable octets behind a unit nothing faults. What it does without them is only
// printed: it is Hyperscan's affair, and differs from processor to processor.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <hs/hs.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "scan/match.h"
#include "tests/unit/ruleset_fixture.h"

namespace {

enum { PAGE = 4096, UNIT_MAX = 72 };

using block_fn = hs_error_t (*)(const hs_database_t *, const char *, unsigned, unsigned, hs_scratch_t *,
                                match_event_handler, void *);
using stream_fn = hs_error_t (*)(hs_stream_t *, const char *, unsigned, unsigned, hs_scratch_t *, match_event_handler,
                                 void *);

sigjmp_buf back;

void
on_fault(int)
{
    siglongjmp(back, 1);
}

int
on_match(unsigned, unsigned long long, unsigned long long, unsigned, void *context)
{
    ++*(unsigned *)context;
    return 0;
}

// Two readable pages between two that are not.
struct island {
    uint8_t *at;
    island()
    {
        at = (uint8_t *)mmap(nullptr, 4 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) + PAGE;
        mprotect(at, 2 * PAGE, PROT_READ | PROT_WRITE);
    }
    ~island() { munmap(at - PAGE, 4 * PAGE); }
    uint8_t *begin() const { return at; }
    uint8_t *end() const { return at + 2 * PAGE; }
};

struct platform {
    const char *name;
    unsigned tune;
    unsigned long long features;
};

const platform platforms[] = {
    { "generic", HS_TUNE_FAMILY_GENERIC, 0 },
    { "avx2", HS_TUNE_FAMILY_HSW, HS_CPU_FEATURES_AVX2 },
    { "avx512", HS_TUNE_FAMILY_SKX, HS_CPU_FEATURES_AVX2 | HS_CPU_FEATURES_AVX512 },
    { "avx512vbmi", HS_TUNE_FAMILY_ICX, HS_CPU_FEATURES_AVX2 | HS_CPU_FEATURES_AVX512 | HS_CPU_FEATURES_AVX512VBMI },
};

// libhs's own run times: Debian's build has one for each and chooses when it is loaded.
struct runtime {
    const char *name;
    unsigned platforms; // how many of the above it runs
    bool is_here;
};

std::vector<runtime>
runtimes()
{
    __builtin_cpu_init();
    bool avx2 = __builtin_cpu_supports("avx2");
    bool avx512 = avx2 && __builtin_cpu_supports("avx512bw");
    bool vbmi = avx512 && __builtin_cpu_supports("avx512vbmi");
    return { { "", avx512 ? (vbmi ? 4u : 3u) : avx2 ? 2u : 1u, true },
             { "core2_", 1, true },
             { "corei7_", 1, (bool)__builtin_cpu_supports("sse4.2") },
             { "avx2_", 2, avx2 },
             { "avx512_", 3, avx512 },
             { "avx512vbmi_", 4, vbmi } };
}

// What the literal matchers, automata and accelerations of Hyperscan are chosen for: the forms of the stock rules.
std::map<std::string, std::vector<std::string>>
pattern_sets()
{
    std::map<std::string, std::vector<std::string>> sets = {
        { "one-octet", { "a" } },
        { "two-octets", { "ab" } },
        { "literal", { "viagra" } },
        { "literals", { "viagra", "cialis", "million", "free" } },
        { "words", { "\\bviagra\\b", "\\bclick (?:here|below)\\b", "^dear\\b", "regards$" } },
        { "classes", { "[aeiou]{3,}\\d", "[^a]*z", "^[^\\n]*:", "\\S{20,}", "[\\x80-\\xff]{2}" } },
        { "far", { "a.{10,40}b", "ab.*cd", "(?:re|fw).{0,5}:", "x{5,9}y" } },
        { "empty", { "^$", "^\\s*$", "a*" } },
        { "anchored", { "^abc", "^.{3}d", "xyz$", "\\Aab.{0,9}yz\\z" } },
        { "nfa", { "(?:a|b)*abb(?:a|b){12}", "(?:from|to|cc):.{0,30}@.{0,30}\\.com" } },
    };
    for (size_t cnt : { 9, 20, 33, 96 }) {
        std::vector<std::string> v;
        for (size_t i = 0; i < cnt; i++) {
            std::string w;
            for (size_t k = 0, n = i * 7919 + 13; k < 2 + i % 6; k++, n /= 5)
                w += (char)('a' + (n + k) % 26);
            v.push_back(w);
        }
        sets["literals-" + std::to_string(cnt)] = v;
        for (size_t i = 0; i < cnt; i++)
            v[i] = (char)('a' + i % 26) + std::string("at") + (i < 26 ? "" : std::to_string(i));
        sets["rhymes-" + std::to_string(cnt)] = v;
    }
    return sets;
}

hs_database_t *
compile(const std::vector<std::string> &set, const platform &p, unsigned mode)
{
    std::vector<const char *> texts;
    std::vector<unsigned> flags(set.size(), HS_FLAG_CASELESS | HS_FLAG_DOTALL | HS_FLAG_SINGLEMATCH | HS_FLAG_ALLOWEMPTY);
    hs_platform_info_t info = { p.tune, p.features, 0, 0 };
    hs_database_t *db = nullptr;
    hs_compile_error_t *error = nullptr;
    for (const std::string &s : set)
        texts.push_back(s.c_str());
    hs_compile_multi(texts.data(), flags.data(), nullptr, (unsigned)texts.size(), mode, &info, &db, &error);
    EXPECT_TRUE(db) << (error ? error->message : "");
    hs_free_compile_error(error);
    return db;
}

// Units that keep every matcher busy to their last octet.
std::string
subject(const std::vector<std::string> &set, unsigned kind, size_t len)
{
    static const char *const fill[] = { "a", "at", "bat cat mat ", "146;,12,;;;;", "abcd ", " ", "ab" };
    std::string s;
    size_t literal = kind - 7;
    while (s.size() < len)
        s += kind < 7 ? fill[kind] : set[literal++ % set.size()];
    return s.substr(s.size() - len);
}

struct tally {
    unsigned long scans = 0, faults = 0, before = 0;
    size_t fault_len = 0;
};

class Overread : public ::testing::Test {
protected:
    struct sigaction old[2];
    island memory;
    void SetUp() override
    {
        struct sigaction action = {};
        action.sa_handler = on_fault;
        action.sa_flags = SA_NODEFER;
        sigaction(SIGSEGV, &action, &old[0]);
        sigaction(SIGBUS, &action, &old[1]);
    }
    void TearDown() override
    {
        sigaction(SIGSEGV, &old[0], nullptr);
        sigaction(SIGBUS, &old[1], nullptr);
    }
    template <class Scan> static bool faults(const Scan &scan, const uint8_t *unit, size_t len)
    {
        if (sigsetjmp(back, 1))
            return true;
        scan((const char *)unit, (unsigned)len);
        return false;
    }
};

// A scratch that a fault left marked as in use cannot be freed: not a leak to look for.
extern "C" int __lsan_is_turned_off();
extern "C" int
__lsan_is_turned_off()
{
    return 1;
}

// After a fault the scratch is left marked as in use; there must be another.
struct bench {
    hs_database_t *db;
    bool is_stream;
    block_fn block;
    stream_fn stream;
    hs_scratch_t *scratch = nullptr;
    hs_stream_t *open = nullptr;
    // False: this libhs has no run time for the database (Vectorscan as Debian builds it: none for AVX512).
    bool renew()
    {
        scratch = nullptr;
        open = nullptr;
        return hs_alloc_scratch(db, &scratch) == HS_SUCCESS &&
               (!is_stream || hs_open_stream(db, 0, &open) == HS_SUCCESS);
    }
    void operator()(const char *data, unsigned len) const
    {
        unsigned hits = 0;
        if (is_stream) {
            stream(open, data, len / 2, 0, scratch, on_match, &hits);
            stream(open, data + len / 2, len - len / 2, 0, scratch, on_match, &hits);
            hs_reset_stream(open, 0, scratch, on_match, &hits);
        } else {
            block(db, data, len, 0, scratch, on_match, &hits);
        }
    }
};

TEST_F(Overread, NothingFaultsWithSlack)
{
    std::map<std::string, tally> tallies;
    for (const runtime &run : runtimes()) {
        block_fn block = (block_fn)dlsym(RTLD_DEFAULT, (std::string(run.name) + "hs_scan").c_str());
        stream_fn stream = (stream_fn)dlsym(RTLD_DEFAULT, (std::string(run.name) + "hs_scan_stream").c_str());
        for (unsigned p = 0; run.is_here && block && stream && p < run.platforms; p++) {
            for (const auto &[name, set] : pattern_sets()) {
                for (unsigned mode : { HS_MODE_BLOCK, HS_MODE_STREAM }) {
                    bench b = { compile(set, platforms[p], mode), mode == HS_MODE_STREAM, block, stream };
                    if (!b.renew()) {
                        EXPECT_NE(0u, p);
                        hs_free_database(b.db);
                        continue;
                    }
                    tally &t = tallies[std::string(*run.name ? run.name : "chosen_") + " " + platforms[p].name +
                                       (b.is_stream ? " stream " : " block ") + name];
                    for (unsigned kind = 0; kind < 10; kind++) {
                        for (size_t len = 0; len <= UNIT_MAX; len++) {
                            std::string s = subject(set, kind, len);
                            uint8_t *slack = memory.end() - MATCH_SLACK - len, *bare = memory.end() - len;
                            memset(memory.begin(), 'a', 2 * PAGE);
                            memcpy(slack, s.data(), len);
                            t.scans++;
                            ASSERT_FALSE(faults(b, slack, len))
                                << run.name << platforms[p].name << " " << name << " kind " << kind << " len " << len;
                            memcpy(bare, s.data(), len);
                            if (faults(b, bare, len)) {
                                t.faults++;
                                t.fault_len = len;
                                b.renew();
                            }
                            memcpy(memory.begin(), s.data(), len);
                            if (faults(b, memory.begin(), len)) {
                                t.before++;
                                b.renew();
                            }
                        }
                    }
                    if (b.open)
                        hs_close_stream(b.open, nullptr, nullptr, nullptr);
                    if (!t.faults && !t.before)
                        hs_free_scratch(b.scratch);
                    hs_free_database(b.db);
                }
            }
        }
    }
    unsigned long scans = 0;
    for (const auto &[name, t] : tallies) {
        scans += t.scans;
        if (t.faults || t.before)
            printf("%s: of %lu scans %lu read behind the unit (last: of %zu octets), %lu before it\n", name.c_str(),
                   t.scans, t.faults, t.fault_len, t.before);
    }
    printf("%lu scans\n", scans);
}

// A packet's octets may end with their page: match_feed never reads what lies behind it.
TEST_F(Overread, MatchFeedAtTheEndOfAPage)
{
    std::string rules;
    std::vector<std::string> words = pattern_sets()["rhymes-33"];
    for (const std::string &w : words)
        rules += "full R_" + w + " /" + w + "/i\n";
    ruleset_ptr rs = load(build(rules));
    std::vector<uint64_t> bits(ruleset_rule_cnt(rs.get()) / 64 + 1);
    struct hits h = {};
    h.bits = bits.data();
    h.bits_cnt = ruleset_rule_cnt(rs.get());
    bool failed;
    struct match_stream *stream = match_open(rs.get(), 0, TARGET_FULL, &failed);
    ASSERT_TRUE(stream);
    for (size_t len = 1; len <= 300; len++) {
        std::string s = subject({}, 2, len);
        for (size_t behind : { 0, 1, 2, 3, 63, 64, 65 }) {
            uint8_t *at = memory.end() - behind - len;
            memcpy(at, s.data(), len);
            auto scan = [&](const char *data, unsigned n) { match_feed(stream, (const uint8_t *)data, n, &h); };
            ASSERT_FALSE(faults(scan, at, len)) << len << " octets, " << behind << " behind";
        }
    }
    match_close(stream, &h);
    // and finds what lies across the copy's beginning
    std::fill(bits.begin(), bits.end(), 0);
    std::string text = "......cat" + std::string(MATCH_SLACK - 2, '.');
    uint8_t *at = memory.end() - text.size();
    memcpy(at, text.data(), text.size());
    stream = match_open(rs.get(), 0, TARGET_FULL, &failed);
    match_feed(stream, at, text.size(), &h);
    match_close(stream, &h);
    for (uint32_t i = 0; i < ruleset_rule_cnt(rs.get()); i++)
        EXPECT_EQ(!strcmp(ruleset_rule_name(rs.get(), i), "R_cat"), hits_get(&h, i)) << ruleset_rule_name(rs.get(), i);
}

} // namespace
