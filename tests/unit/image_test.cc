#include "scan/image.h"

#include <hs/hs.h>
#include <openssl/evp.h>

#include <random>

#include "scan/image_format.h"
#include "tests/unit/ruleset_fixture.h"

namespace {

const char rules[] = "header A Subject =~ /foo/i\nheader B From:addr !~ /x$/ [if-unset: z]\nheader __C exists:To\n"
                     "body D /hello/\nfull F /end$/\nattachment G /PK/\nmeta H A && (B || !D)\ndescribe A text\n";

std::string
loads(const std::string &image)
{
    char err[256] = "";
    char verify_err[256] = "";
    ruleset *rs = ruleset_load(image.data(), image.size(), 1, 1, err, sizeof(err));
    if (image_verify(image.data(), image.size(), verify_err, sizeof(verify_err)) == 0)
        EXPECT_TRUE(rs || err[0]);
    else
        EXPECT_FALSE(rs);
    EXPECT_EQ(rs == nullptr, err[0] != 0);
    ruleset_free(rs);
    return err;
}

/* What a hostile writer would do last. */
void
seal(std::string &image)
{
    uint64_t len = image.size();
    memcpy(&image[offsetof(image_header, len)], &len, sizeof(len));
    ASSERT_TRUE(image_sha256(image.data() + IMAGE_HASHED_FROM, image.size() - IMAGE_HASHED_FROM,
                             reinterpret_cast<uint8_t *>(&image[offsetof(image_header, sha256)])));
}

TEST(Image, TheSameRulesGiveTheSameOctets)
{
    std::string a = build(rules);
    EXPECT_EQ(a, build(rules));
    EXPECT_NE(a, build(std::string(rules) + "meta I 1\n"));
    ruleset_ptr rs = load(a);
    EXPECT_EQ(std::string(ruleset_digest(rs.get())).size(), 64u);
    EXPECT_EQ(loads(a), "");
}

TEST(Image, AnUnalignedCopyIsRead)
{
    std::string shifted = " " + build(rules);
    char err[256];
    EXPECT_EQ(image_verify(shifted.data() + 1, shifted.size() - 1, err, sizeof(err)), 0) << err;
    ruleset *rs = ruleset_load(shifted.data() + 1, shifted.size() - 1, 1, 1, err, sizeof(err));
    EXPECT_TRUE(rs);
    ruleset_free(rs);
}

TEST(Image, EveryTruncationIsRefused)
{
    std::string image = build(rules);
    for (size_t len = 0; len < image.size(); len++) {
        std::string cut = image.substr(0, len);
        ASSERT_NE(loads(cut), "") << len;
        if (len >= sizeof(image_header) && len % 7 == 0) {
            seal(cut);
            ASSERT_NE(loads(cut), "") << len << " with a right checksum";
        }
    }
    EXPECT_NE(loads(image + std::string(1, 0)), "");
}

TEST(Image, EveryFlippedOctetIsFound)
{
    std::string image = build(rules);
    std::mt19937 rng(3);
    for (size_t at = 0; at < image.size(); at++) {
        std::string flipped = image;
        flipped[at] = static_cast<char>(flipped[at] ^ (1 << rng() % 8));
        ASSERT_NE(loads(flipped), "") << at;
    }
}

/* Behind the checksum: nothing may crash (the sanitizers watch), and no database may be damaged. */
TEST(Image, FlipsWithARightChecksum)
{
    std::string image = build(rules);
    std::mt19937 rng(4);
    image_header h;
    memcpy(&h, image.data(), sizeof(h));
    size_t databases = h.sections[SECTION_DATABASES].off;
    for (int i = 0; i < 3000; i++) {
        std::string flipped = image;
        size_t area = i % 3 ? databases : image.size();
        for (unsigned k = 0; k <= rng() % 3; k++)
            flipped[rng() % area] = static_cast<char>(rng());
        seal(flipped);
        loads(flipped);
    }
    std::string damaged = image;
    size_t middle = databases + 500; /* its octets 24-31 and last 72 are padding and not in the CRC */
    damaged[middle] = static_cast<char>(damaged[middle] + 1);
    seal(damaged);
    EXPECT_NE(loads(damaged), "") << "Hyperscan's own CRC";
}

TEST(Image, WhatItSaysAboutOthers)
{
    std::string image = build(rules);
    EXPECT_EQ(loads("body A /x/\n"), "not a compiled rule set");
    EXPECT_EQ(loads(""), "not a compiled rule set");
    std::string version = image;
    version[8] = 9;
    EXPECT_EQ(loads(version), "format version 9, but this program reads 2");
    std::string damaged = image;
    damaged.back() = static_cast<char>(damaged.back() ^ 1);
    EXPECT_EQ(loads(damaged), "the checksum is wrong: the file is damaged");
    std::string hyperscan = image;
    hyperscan[offsetof(image_header, hyperscan)] = '4';
    seal(hyperscan);
    std::string other = hs_version();
    other = "4" + other.substr(1, other.find(' ') - 1);
    EXPECT_EQ(loads(hyperscan).substr(0, 25 + other.size()), "compiled with Hyperscan " + other + ",");
}

TEST(Image, ThreadsAreCapped)
{
    std::string image = build("meta A 1\n");
    char err[256];
    EXPECT_FALSE(ruleset_load(image.data(), image.size(), 1, 0, err, sizeof(err)));
    EXPECT_FALSE(ruleset_load(image.data(), image.size(), 1, 65, err, sizeof(err)));
}

TEST(Image, AnErrorInTheListMakesNone)
{
    rule_list *l = rule_list_new();
    rule_list_parse(l, "r.cf", "body", 4);
    void *image;
    size_t len;
    EXPECT_EQ(image_build(l, &image, &len), -1);
    rule_list_free(l);
}

TEST(Image, TheShippedRulesCompile)
{
    rule_list *l = rule_list_new();
    void *image = nullptr;
    size_t len;
    EXPECT_EQ(rule_list_read(l, "rules"), 0) << rule_list_diagnostics(l);
    EXPECT_EQ(image_build(l, &image, &len), 0);
    EXPECT_EQ(rule_list_warnings(l), 0u);
    free(image);
    rule_list_free(l);
}

} // namespace
