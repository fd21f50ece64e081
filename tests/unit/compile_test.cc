#include "scan/compile.h"

#include <gtest/gtest.h>
#include <hs/hs.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/unit/ruleset_fixture.h"

#if defined(__SANITIZE_ADDRESS__)
enum { IS_SANITIZED = 1 };
#else
enum { IS_SANITIZED = 0 };
#endif

namespace {

namespace fs = std::filesystem;

/* Takes Hyperscan many seconds, like FILL_THIS_FORM of the public rules. */
const char blow_up[] = "(?:a.{0,200}b|c.{0,200}d|[xyz]\\w{3,100}|e.{0,200}f|g.{0,200}h|i.{0,200}j){100}q";

struct folder {
    fs::path path;
    folder()
    {
        std::string name = (fs::temp_directory_path() / "weir-compile-XXXXXX").string();
        path = mkdtemp(name.data());
    }
    ~folder() { fs::remove_all(path); }
    std::vector<fs::path> files() const
    {
        std::vector<fs::path> out;
        for (const auto &e : fs::directory_iterator(path))
            out.push_back(e.path());
        return out;
    }
};

struct compile_solo
solo(const char *text, unsigned flags = HS_FLAG_SINGLEMATCH | HS_FLAG_ALLOWEMPTY)
{
    struct compile_solo s = {};
    s.text = text;
    s.flags = flags;
    return s;
}

void
expect_no_child_left()
{
    EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
    EXPECT_EQ(errno, ECHILD);
}

TEST(Compile, HowEachPatternIsSearched)
{
    std::vector<struct compile_solo> all = { solo("foo\\d+"), solo("foo(?=bar)"), solo("(.)\\1"), solo("(x"), solo("e") };
    compile_options o = {};
    o.jobs = 2;
    compile_solo(all.data(), all.size(), &o);
    EXPECT_EQ(all[0].how, COMPILE_NATIVE);
    EXPECT_GT(all[0].size, 0u);
    EXPECT_EQ(all[0].hit_permille, 0u);
    EXPECT_EQ(all[1].how, COMPILE_PREFILTER);
    EXPECT_EQ(all[2].how, COMPILE_PREFILTER);
    EXPECT_EQ(all[3].how, COMPILE_NOT);
    EXPECT_FALSE(all[3].is_over_limit);
    EXPECT_NE(std::string(all[3].error).find("parenthesis"), std::string::npos) << all[3].error;
    EXPECT_GT(all[4].hit_permille, 500u) << "in most lines of any text";
    expect_no_child_left();
}

/* The child dies over it; those before and behind it in the child's share are compiled all the same. */
TEST(Compile, APatternThatBlowsUpIsRefusedAlone)
{
    std::vector<struct compile_solo> all = { solo("one"), solo(blow_up), solo("three"), solo(blow_up), solo("five") };
    compile_options o = {};
    o.jobs = 1;
    compile_solo(all.data(), all.size(), &o);
    for (size_t i = 0; i < all.size(); i++) {
        EXPECT_EQ(all[i].how, i % 2 ? COMPILE_NOT : COMPILE_NATIVE) << i << " " << all[i].error;
        EXPECT_EQ(all[i].is_over_limit, i % 2 == 1) << i;
    }
    EXPECT_STREQ(all[1].error, "takes too long or too much memory to compile");
    expect_no_child_left();
}

TEST(Compile, ABlownUpPatternIsStillARule)
{
    ruleset_ptr rs = load(build("body A /" + std::string(blow_up) + "/\nbody B /foo/\n"));
    const std::string one = "a" + std::string(200, '.') + "b"; /* no longer one fits, so PCRE2 need not try */
    std::string text;
    for (int i = 0; i < 99; i++)
        text += one;
    trial m(rs);
    m.block(TARGET_BODY, "foo " + text + one + "q");
    EXPECT_EQ(m.judge(), "A B ");
    trial n(rs);
    n.block(TARGET_BODY, text + "q");
    EXPECT_EQ(n.judge(), "");
}

TEST(Compile, MemoryIsLimited)
{
    if (IS_SANITIZED)
        GTEST_SKIP() << "the sanitizer's shadow is larger than any limit";
    struct compile_solo s = solo("foo");
    compile_options o = {};
    o.jobs = 1;
    o.memory_max = 1 << 20; /* less than the child has already: it gets nothing more */
    std::string text(3000, 'x');
    for (size_t i = 0; i < text.size(); i += 3)
        text[i] = '.';
    text = "(?:" + text + "|a{1,500}b{1,500})c";
    s.text = text.c_str();
    compile_solo(&s, 1, &o);
    EXPECT_EQ(s.how, COMPILE_NOT);
    const char *const texts[] = { text.c_str() };
    const unsigned flags[] = { 0 };
    struct compile_set set = {};
    set.texts = texts;
    set.flags = flags;
    set.cnt = 1;
    compile_sets(&set, 1, &o);
    EXPECT_EQ(set.octets, nullptr);
    EXPECT_STRNE(set.error, "");
    expect_no_child_left();
}

std::string
compile_one(const compile_options &o, const char *text = "foo\\d+|bar", bool is_stream = false)
{
    const char *const texts[] = { text, "second" };
    const unsigned flags[] = { HS_FLAG_SINGLEMATCH, HS_FLAG_CASELESS };
    struct compile_set set = {};
    set.texts = texts;
    set.flags = flags;
    set.cnt = 2;
    set.is_stream = is_stream;
    compile_sets(&set, 1, &o);
    std::string out(reinterpret_cast<char *>(set.octets), set.octets ? set.len : 0);
    if (!set.octets)
        out = std::string("error: ") + set.error;
    free(set.octets);
    return out;
}

TEST(Compile, ASetThatFailsSaysWhy)
{
    compile_options o = {};
    EXPECT_EQ(compile_one(o, "(x").substr(0, 7), "error: ");
    EXPECT_NE(compile_one(o, "(x").find("parenthesis"), std::string::npos);
    expect_no_child_left();
}

/* A parent that is killed tells nobody; its children hold the pipe as long as they live. */
TEST(Compile, ChildrenEndWithTheirParent)
{
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    pid_t parent = fork();
    if (parent == 0) {
        const char *const texts[] = { blow_up };
        const unsigned flags[] = { 0 };
        struct compile_set set = {};
        compile_options o = {};
        set.texts = texts;
        set.flags = flags;
        set.cnt = 1;
        compile_sets(&set, 1, &o);
        _exit(0);
    }
    ASSERT_GT(parent, 0);
    close(ends[1]);
    usleep(500 * 1000);
    kill(parent, SIGKILL);
    waitpid(parent, nullptr, 0);
    struct pollfd p = { ends[0], POLLIN, 0 };
    EXPECT_EQ(poll(&p, 1, 2000), 1) << "a child still compiles";
    close(ends[0]);
}

TEST(Compile, MoreSetsThanChildren)
{
    std::vector<struct compile_set> sets(9);
    std::vector<std::string> texts;
    std::vector<const char *> pointers;
    const unsigned flags[] = { 0 };
    for (size_t i = 0; i < sets.size(); i++)
        texts.push_back(i == 4 ? "(" : "pattern" + std::to_string(i));
    for (const std::string &t : texts)
        pointers.push_back(t.c_str());
    for (size_t i = 0; i < sets.size(); i++) {
        sets[i].texts = &pointers[i];
        sets[i].flags = flags;
        sets[i].cnt = 1;
    }
    compile_options o = {};
    o.jobs = 2;
    compile_sets(sets.data(), sets.size(), &o);
    for (size_t i = 0; i < sets.size(); i++) {
        EXPECT_EQ(sets[i].octets == nullptr, i == 4) << i;
        free(sets[i].octets);
    }
    expect_no_child_left();
}

TEST(Compile, TheCacheGivesTheSameOctets)
{
    folder f;
    compile_options none = {}, cached = {};
    cached.cache = f.path.c_str();
    std::string want = compile_one(none);
    EXPECT_TRUE(compile_one(cached) == want);
    ASSERT_EQ(f.files().size(), 1u);
    auto written = fs::last_write_time(f.files()[0]);
    EXPECT_TRUE(compile_one(cached) == want);
    EXPECT_EQ(fs::last_write_time(f.files()[0]), written) << "a hit writes nothing";
    EXPECT_FALSE(compile_one(cached, "foo\\d+|baz") == want);
    EXPECT_FALSE(compile_one(cached, "foo\\d+|bar", true) == want);
    EXPECT_EQ(f.files().size(), 3u);
}

TEST(Compile, ADamagedCacheFileIsCompiledAnew)
{
    folder f;
    compile_options o = {};
    o.cache = f.path.c_str();
    std::string want = compile_one(o);
    fs::path file = f.files().at(0);
    std::ifstream in(file, std::ios::binary);
    const std::string kept((std::istreambuf_iterator<char>(in)), {});
    std::string flipped = kept;
    flipped[kept.size() / 2] = static_cast<char>(flipped[kept.size() / 2] ^ 1);
    for (const std::string &damaged : { std::string(), std::string("x"), kept.substr(0, kept.size() - 9), flipped,
                                        std::string(kept.size(), 0), want }) {
        std::ofstream(file, std::ios::binary | std::ios::trunc) << damaged;
        EXPECT_TRUE(compile_one(o) == want) << damaged.size();
        EXPECT_EQ(fs::file_size(file), kept.size()) << "and mended";
    }
    fs::remove(file);
    fs::create_directory(file);
    EXPECT_TRUE(compile_one(o) == want) << "it cannot be written";
    o.cache = "/dev/null/nowhere";
    EXPECT_TRUE(compile_one(o) == want);
}

TEST(Compile, WhatIsKnownOfAPatternComesFromTheCache)
{
    folder f;
    compile_options o = {};
    o.cache = f.path.c_str();
    struct compile_solo first = solo("foo\\d+"), again = first, more[] = { first, solo("bar") };
    compile_solo(&first, 1, &o);
    compile_solo(&again, 1, &o);
    EXPECT_EQ(again.scan_ps, first.scan_ps) << "not measured again";
    EXPECT_EQ(again.size, first.size);
    compile_solo(more, 2, &o);
    EXPECT_EQ(more[0].scan_ps, first.scan_ps);
    EXPECT_EQ(more[1].how, COMPILE_NATIVE);
    for (size_t len : { 0, 1, 100, 4096 }) {
        std::ofstream(f.files().at(0), std::ios::binary | std::ios::trunc) << std::string(len, 'x');
        struct compile_solo s = solo("foo\\d+");
        compile_solo(&s, 1, &o);
        EXPECT_EQ(s.how, COMPILE_NATIVE) << len;
        EXPECT_EQ(s.size, first.size) << len;
    }
}

/* A rule of each way of searching: the same file, whatever was kept of an earlier time. */
TEST(Compile, AnImageIsTheSameWithAndWithoutCache)
{
    const std::string rules =
        "body A /foo|\\xc3\\xa9/\nbody B /(.)\\1\\1\\1/\nbody C /(\\w)\\1/\nbody D /viagra(?!x)/\ntflags D multiple\n"
        "header E Subject =~ /x(?=y)/\nfull F /end$/\nuri G /example/\nmeta H A && !B\n";
    folder f;
    image_options none = {}, cached = {};
    cached.compile.cache = f.path.c_str();
    const std::string want = build(rules, none);
    for (int i = 0; i < 20; i++) /* children that end in another order */
        EXPECT_TRUE(build(rules, none) == want) << i;
    EXPECT_TRUE(build(rules, cached) == want);
    EXPECT_GT(f.files().size(), 2u);
    EXPECT_TRUE(build(rules, cached) == want);
    for (const fs::path &p : f.files())
        std::ofstream(p, std::ios::binary | std::ios::trunc) << "damaged";
    EXPECT_TRUE(build(rules, cached) == want);
    EXPECT_FALSE(build(rules + "body I /more/\n", cached) == want);
    EXPECT_TRUE(build(rules, cached) == want);
}

} // namespace
