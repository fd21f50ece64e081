#include "scan/signature.h"

#include <gtest/gtest.h>
#include <hs/hs.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "scan/attachment.h"

namespace {

struct Lists {
    struct rule_list *says = rule_list_new();
    struct signature_list *list = signature_list_new(says);
    ~Lists()
    {
        signature_list_free(list);
        rule_list_free(says);
    }
    int parse(enum signature_format f, const std::string &text)
    {
        const char *name = f == SIGNATURE_NDB ? "t.ndb" : f == SIGNATURE_FP ? "t.fp" : "t.hdb";
        return signature_list_parse(list, name, f, text.data(), text.size());
    }
    std::string said() const { return rule_list_diagnostics(says); }
    std::string table() const
    {
        void *octets;
        size_t len;
        signature_table_build(list, &octets, &len);
        std::string out((char *)octets, len);
        free(octets);
        return out;
    }
};

std::vector<uint8_t> unhex(const std::string &text)
{
    std::vector<uint8_t> out;
    for (size_t i = 0; i < text.size(); i += 2)
        out.push_back((uint8_t)std::stoul(text.substr(i, 2), nullptr, 16));
    return out;
}

const std::string MD5 = "44d88612fea8a8f36de82e1278abb02f";
const std::string SHA1 = "3395856ce81f2b7382dee72602f798b642f14140";
const std::string SHA256 = "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f";

TEST(SignatureHash, FoundBySizeAndHash)
{
    Lists l;
    EXPECT_EQ(0, l.parse(SIGNATURE_HDB, "# comment\r\n" + MD5 + ":68:Eicar-MD5\r\n" + SHA1 + ":*:Eicar.SHA1:73\n" +
                                            SHA256 + ":68:Eicar.SHA256:73:255"))
        << l.said();
    EXPECT_EQ(3u, signature_list_hash_cnt(l.list));
    std::string t = l.table();
    char err[100];
    ASSERT_EQ(0, signature_table_verify(t.data(), t.size(), err, sizeof(err))) << err;
    EXPECT_EQ(3u, signature_table_cnt(t.data()));
    EXPECT_EQ(7u, signature_table_hashes(t.data()));
    EXPECT_EQ(100000, signature_table_score(t.data()));
    auto md5 = unhex(MD5), sha1 = unhex(SHA1), sha256 = unhex(SHA256);
    auto find = [&](bool a, bool b, bool c, uint64_t size) {
        return signature_table_find(t.data(), a ? md5.data() : nullptr, b ? sha1.data() : nullptr,
                                    c ? sha256.data() : nullptr, size);
    };
    EXPECT_STREQ("Eicar-MD5", signature_table_name(t.data(), (uint32_t)find(true, true, true, 68)));
    EXPECT_STREQ("Eicar.SHA1", signature_table_name(t.data(), (uint32_t)find(true, true, true, 69)));
    EXPECT_STREQ("Eicar.SHA256", signature_table_name(t.data(), (uint32_t)find(false, false, true, 68)));
    EXPECT_EQ(SIGNATURE_NONE, find(true, false, true, 69));
    EXPECT_EQ(SIGNATURE_NONE, find(true, false, true, UINT32_MAX));
    EXPECT_GE(find(false, true, false, 1ull << 40), 0);
}

TEST(SignatureHash, AllowedGoesFirst)
{
    Lists l;
    EXPECT_EQ(0, l.parse(SIGNATURE_HDB, MD5 + ":68:Bad"));
    EXPECT_EQ(0, l.parse(SIGNATURE_FP, SHA256 + ":*:Good:73"));
    std::string t = l.table();
    auto md5 = unhex(MD5), sha256 = unhex(SHA256);
    EXPECT_EQ(1u, signature_table_cnt(t.data()));
    EXPECT_EQ((unsigned)(ATTACHMENT_MD5 | ATTACHMENT_SHA256), signature_table_hashes(t.data()));
    EXPECT_EQ(0, signature_table_find(t.data(), md5.data(), nullptr, nullptr, 68));
    EXPECT_EQ(SIGNATURE_ALLOWED, signature_table_find(t.data(), md5.data(), nullptr, sha256.data(), 68));
}

TEST(SignatureHash, SameOctetsInAnyOrder)
{
    std::vector<std::string> lines = { MD5 + ":68:A\n", MD5 + ":68:B\n", MD5 + ":*:C\n", SHA1 + ":1:D\n",
                                       SHA256 + ":2:E\n" };
    Lists first;
    for (auto &line : lines)
        first.parse(SIGNATURE_HDB, line);
    EXPECT_EQ(4u, signature_table_cnt(first.table().data()));
    for (int i = 0; i < 20; i++) {
        std::next_permutation(lines.begin(), lines.end());
        Lists l;
        for (auto &line : lines)
            l.parse(SIGNATURE_HDB, line);
        EXPECT_EQ(first.table(), l.table());
    }
}

TEST(SignatureHash, ManyAreFound)
{
    std::mt19937_64 random(1);
    std::string text;
    std::vector<std::pair<std::string, unsigned>> all;
    const char *digits = "0123456789abcdef";
    for (unsigned i = 0; i < 20000; i++) {
        std::string hash;
        for (size_t n = (size_t[]){ 32, 40, 64 }[i % 3]; n > 0; n--)
            hash += digits[random() % 16];
        all.push_back({ hash, i % 100 });
        text += hash + ":" + (i % 100 ? std::to_string(i % 100) : "*") + ":N" + std::to_string(i) + "\n";
    }
    Lists l;
    ASSERT_EQ(0, l.parse(SIGNATURE_HDB, text));
    std::string t = l.table();
    char err[100];
    ASSERT_EQ(0, signature_table_verify(t.data(), t.size(), err, sizeof(err))) << err;
    for (unsigned i = 0; i < all.size(); i++) {
        auto hash = unhex(all[i].first);
        const uint8_t *p[3] = {};
        p[i % 3] = hash.data();
        int64_t idx = signature_table_find(t.data(), p[0], p[1], p[2], all[i].second ? all[i].second : 12345);
        ASSERT_GE(idx, 0);
        EXPECT_EQ("N" + std::to_string(i), signature_table_name(t.data(), (uint32_t)idx));
        hash[3] ^= 1;
        EXPECT_EQ(SIGNATURE_NONE, signature_table_find(t.data(), p[0], p[1], p[2], all[i].second));
    }
}

TEST(SignatureHash, EmptyTable)
{
    Lists l;
    std::string t = l.table();
    char err[100];
    EXPECT_EQ(0, signature_table_verify(t.data(), t.size(), err, sizeof(err))) << err;
    uint8_t hash[32] = {};
    EXPECT_EQ(SIGNATURE_NONE, signature_table_find(t.data(), hash, hash, hash, 0));
    EXPECT_EQ(0u, signature_table_hashes(t.data()));
}

TEST(SignatureHash, EveryDamagedOctetOfTheHeaderIsSeen)
{
    Lists l;
    l.parse(SIGNATURE_HDB, MD5 + ":68:A\n" + SHA1 + ":*:B\n");
    std::string t = l.table();
    char err[100];
    for (size_t i = 0; i < 24 + 16 * 8; i++) {
        if (i >= 12 && i < 16) /* the score */
            continue;
        std::string damaged = t;
        damaged[i] = (char)(damaged[i] + 1);
        EXPECT_EQ(-1, signature_table_verify(damaged.data(), damaged.size(), err, sizeof(err))) << i;
    }
    for (size_t i = 0; i < t.size(); i++)
        EXPECT_EQ(-1, signature_table_verify(t.data(), i, err, sizeof(err))) << i;
}

TEST(Signature, ErrorsPointAtTheirPlace)
{
    const struct {
        enum signature_format format;
        std::string line, wanted;
    } cases[] = {
        { SIGNATURE_HDB, "xyz", "t.hdb:2:1: error: HASH:SIZE:NAME is wanted" },
        { SIGNATURE_HDB, "abcd:1:N", "t.hdb:2:1: error: a hash has" },
        { SIGNATURE_HDB, MD5.substr(1) + "g:1:N", "t.hdb:2:32: error: not a hexadecimal digit" },
        { SIGNATURE_HDB, MD5 + ":4294967295:N", "t.hdb:2:34: error: a size is" },
        { SIGNATURE_HDB, MD5 + ":1:", "t.hdb:2:36: error: a signature without a name" },
        { SIGNATURE_HDB, MD5 + ":1:a b", "t.hdb:2:37: error: a blank" },
        { SIGNATURE_HDB, MD5 + ":1:N:x", "t.hdb:2:38: error: an engine level" },
        { SIGNATURE_HDB, MD5 + ":1:N:1:300:5", "t.hdb:2:44: error: a field too many" },
        { SIGNATURE_NDB, "N:0:*", "t.ndb:2:1: error: NAME:TARGET" },
        { SIGNATURE_NDB, "N:x:*:aabb", "t.ndb:2:3: error: a target" },
        { SIGNATURE_NDB, "N:8:*:aabb", "t.ndb:2:3: warning: refused: no target" },
        { SIGNATURE_NDB, "N:0:EP+0:aabb", "t.ndb:2:5: warning: refused: an offset that needs" },
        { SIGNATURE_NDB, "N:0:x:aabb", "t.ndb:2:5: error: an offset is" },
        { SIGNATURE_NDB, "N:0:*:aab", "t.ndb:2:10: error: half an octet" },
        { SIGNATURE_NDB, "N:0:*:aabbxx", "t.ndb:2:11: error: neither" },
        { SIGNATURE_NDB, "N:0:*:aabb{5", "t.ndb:2:11: error: a gap that is not closed" },
        { SIGNATURE_NDB, "N:0:*:aabb{5-2}cc", "t.ndb:2:11: error: a gap whose end" },
        { SIGNATURE_NDB, "N:0:*:aabb{40000}cc", "t.ndb:2:11: warning: refused: a gap of more" },
        { SIGNATURE_NDB, "N:0:*:aabb*", "t.ndb:2:12: warning: refused: a gap at the end" },
        { SIGNATURE_NDB, "N:0:*:*aabb", "t.ndb:2:7: warning: refused: a gap at the start" },
        { SIGNATURE_NDB, "N:0:*:aa??bb", "t.ndb:2:7: warning: refused: no two octets" },
        { SIGNATURE_NDB, "N:0:*:aabb(B)", "t.ndb:2:12: warning: refused: a boundary" },
        { SIGNATURE_NDB, "N:0:*:aabb(cc", "t.ndb:2:12: error: alternatives" },
        { SIGNATURE_NDB, "N:0:*:aabb!(ccdd)", "t.ndb:2:11: warning: refused: !" },
        { SIGNATURE_NDB, "N:0:EOF-1:aabb", "t.ndb:2:5: warning: refused: the pattern is longer" },
        { SIGNATURE_NDB, "N:0:EOF-9:aabb*cc", "t.ndb:2:5: warning: refused: EOF-" },
    };
    for (auto &c : cases) {
        Lists l;
        bool is_error = c.wanted.find(": error:") != std::string::npos;
        EXPECT_EQ(is_error ? -1 : 0, l.parse(c.format, "# first\n" + c.line + "\n"));
        EXPECT_EQ(0u, l.said().find(c.wanted)) << c.line << "\n" << l.said();
        EXPECT_EQ(is_error ? 0u : 1u, signature_list_refused_cnt(l.list)) << c.line;
        EXPECT_NE(std::string::npos, l.said().find("\n    " + c.line + "\n    ")) << l.said();
        EXPECT_EQ(0u, signature_list_pattern_cnt(l.list) + signature_list_hash_cnt(l.list));
    }
}

TEST(Signature, ManyMistakesAreCounted)
{
    Lists l;
    std::string text;
    for (int i = 0; i < 1000; i++)
        text += "N:0:EP+0:aabb\n";
    text += "wrong\n";
    EXPECT_EQ(-1, l.parse(SIGNATURE_NDB, text));
    EXPECT_EQ(1000u, signature_list_refused_cnt(l.list));
    EXPECT_EQ(101u, rule_list_warnings(l.says));
    EXPECT_EQ(1u, rule_list_errors(l.says));
    EXPECT_NE(std::string::npos, l.said().find("900 more"));
}

TEST(Signature, OtherLevelsAreSkipped)
{
    Lists l;
    EXPECT_EQ(0, l.parse(SIGNATURE_NDB, "A:0:*:aabb:51:100\nB:0:*:aabb:200\nC:0:*:aabb:51:255\n"));
    EXPECT_EQ(1u, signature_list_pattern_cnt(l.list));
    EXPECT_EQ(2u, signature_list_skipped_cnt(l.list));
}

TEST(Signature, RuleNames)
{
    Lists l;
    EXPECT_EQ(0, l.parse(SIGNATURE_NDB, "Win.Trojan-1:0:*:aabb\nWin-Trojan.1:0:*:aabb\nWin.Trojan.1.2:0:*:aabb\n"
                                        "Win_Trojan_1:0:*:aabb\n__x:0:*:aabb\n7x:0:*:aabb\n"));
    const char *wanted[] = { "Win_Trojan_1", "Win_Trojan_1_2", "Win_Trojan_1_2_2", "Win_Trojan_1_3", "S__x", "S7x" };
    ASSERT_EQ(6u, signature_list_pattern_cnt(l.list));
    for (size_t i = 0; i < 6; i++)
        EXPECT_STREQ(wanted[i], signature_list_pattern(l.list, i)->rule_name);
}

/* Patterns against what they should hit, through Hyperscan as the compiler would. */

int on_hit(unsigned, unsigned long long, unsigned long long, unsigned, void *context)
{
    *(bool *)context = true;
    return 1;
}

bool hits(const struct signature_pattern *p, const std::string &octets, size_t step)
{
    hs_expr_ext_t ext = {};
    if (p->has_end) {
        ext.flags = HS_EXT_FLAG_MIN_OFFSET | HS_EXT_FLAG_MAX_OFFSET;
        ext.min_offset = p->end_min;
        ext.max_offset = p->end_max;
    }
    const hs_expr_ext_t *exts[] = { &ext };
    const char *const texts[] = { p->regex };
    unsigned flags[] = { p->flags | HS_FLAG_SINGLEMATCH }, ids[] = { 0 };
    hs_database_t *database;
    hs_compile_error_t *error;
    if (hs_compile_ext_multi(texts, flags, ids, exts, 1, HS_MODE_STREAM, nullptr, &database, &error)) {
        ADD_FAILURE() << p->regex << ": " << error->message;
        return false;
    }
    hs_scratch_t *scratch = nullptr;
    hs_stream_t *stream;
    bool is_hit = false;
    hs_alloc_scratch(database, &scratch);
    hs_open_stream(database, 0, &stream);
    for (size_t off = 0; off < octets.size(); off += step) {
        std::string piece = octets.substr(off, step);
        hs_scan_stream(stream, piece.data(), (unsigned)piece.size(), 0, scratch, on_hit, &is_hit);
    }
    hs_close_stream(stream, scratch, on_hit, &is_hit);
    hs_free_scratch(scratch);
    hs_free_database(database);
    return is_hit;
}

TEST(SignaturePattern, HitsWhatItShould)
{
    const struct {
        std::string line, octets;
        bool is_hit;
    } cases[] = {
        { "0:*:616263", "xxabcxx", true },
        { "0:*:616263", "xxabxcx", false },
        { "0:*:6162??64", "xab\nd", true },
        { "0:*:61626?64", "abod", true },
        { "0:*:61626?64", "abpd", false },
        { "0:*:6162?164", "abAd", true },
        { "0:*:6162?164", "abBd", false },
        { "0:*:6162{2}63", "ab..c", true },
        { "0:*:6162{2}63", "ab.c", false },
        { "0:*:6162{1-2}63", "ab.c", true },
        { "0:*:6162{-2}63", "abc", true },
        { "0:*:6162{-2}63", "ab...c", false },
        { "0:*:6162{2-}63", "ab.....c", true },
        { "0:*:6162{2-}63", "ab.c", false },
        { "0:*:6162*6364", "ab\n\n\n.....cd", true },
        { "0:*:6162(63|64)65", "abde", true },
        { "0:*:6162(63|6465)66", "abdef", true },
        { "0:*:6162!(63|64)65", "abce", false },
        { "0:*:6162!(63|64)65", "abxe", true },
        { "0:*:6162[1-3]63", "ab..c", true },
        { "0:0:6162", "ab", true },
        { "0:0:6162", "xab", false },
        { "0:3:6162", "xxxab", true },
        { "0:3:6162", "xxab", false },
        { "0:3:6162", "xxxxab", false },
        { "0:3:6162", "abxxxx", false },
        { "0:2,2:6162", "xxxxab", true },
        { "0:2,2:6162", "xxxxxab", false },
        { "0:2,2:6162", "xab", false },
        { "0:2:6162{-3}63", "xxab..c", true },
        { "0:2:6162{-3}63", "xxxab..c", false },
        { "0:EOF-2:6162", "xxab", true },
        { "0:EOF-2:6162", "abx", false },
        { "0:EOF-5:6162", "xxabyyy", true },
        { "0:EOF-5:6162", "xxabyy", false },
        { "0:EOF-5,2:6162", "xxaby", true },
        { "0:EOF-5,2:6162", "xxabyyy", true },
        { "0:EOF-5,2:6162", "xxab", false },
        { "3:*:3C61", "<A href", true },
        { "0:*:3C61", "<A href", false },
        { "0:*:00ff0a", std::string("\0\xff\n", 3), true },
        { "0:100000:6162", std::string(100000, 'a') + "ab", true },
        { "0:100000:6162", std::string(100001, 'a') + "ab", false },
    };
    for (auto &c : cases) {
        Lists l;
        ASSERT_EQ(0, l.parse(SIGNATURE_NDB, "N:" + c.line)) << l.said();
        ASSERT_EQ(1u, signature_list_pattern_cnt(l.list)) << c.line << l.said();
        for (size_t step : { (size_t)1, (size_t)3, c.octets.size() })
            EXPECT_EQ(c.is_hit, hits(signature_list_pattern(l.list, 0), c.octets, step))
                << c.line << " " << signature_list_pattern(l.list, 0)->regex << " by " << step;
    }
}

TEST(SignaturePattern, Targets)
{
    EXPECT_TRUE(signature_target_fits(SIGNATURE_ANY, MAGIC_DATA));
    EXPECT_TRUE(signature_target_fits(SIGNATURE_PE, MAGIC_MZ));
    EXPECT_FALSE(signature_target_fits(SIGNATURE_PE, MAGIC_ELF));
    EXPECT_TRUE(signature_target_fits(SIGNATURE_GRAPHICS, MAGIC_GIF));
    EXPECT_TRUE(signature_target_fits(SIGNATURE_TEXT, MAGIC_HTML));
}

} // namespace
