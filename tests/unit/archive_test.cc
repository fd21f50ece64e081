#include "scan/archive.h"

#include <gtest/gtest.h>

#include <malloc.h>

#include <string>

#include "scan/attachment.h"

namespace {

TEST(Archive, PoolIsBounded)
{
    struct archive_pool *p = archive_pool_new(2, &archive_limits_default);
    struct archive *a = archive_take(p), *b = archive_take(p);
    EXPECT_TRUE(a && b && a != b);
    EXPECT_EQ(nullptr, archive_take(p));
    archive_give(a);
    EXPECT_EQ(a, archive_take(p));
    archive_give(a);
    archive_give(b);
    archive_pool_free(p);
}

/* The file that every scanner knows and nothing runs. */
const char EICAR[] = "X5O!P%@AP[4\\PZX54(P^)7CC)7}$" "EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*";

void put16(std::string &s, unsigned v)
{
    s += (char)v;
    s += (char)(v >> 8);
}

void put32(std::string &s, unsigned v)
{
    put16(s, v & 0xffff);
    put16(s, v >> 16);
}

uint32_t crc(const std::string &s)
{
    uint32_t c = ~0u;
    for (unsigned char o : s) {
        c ^= o;
        for (int i = 0; i < 8; i++)
            c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
    }
    return ~c;
}

/* One stored member. */
std::string zip(const std::string &name, const std::string &octets)
{
    std::string fixed, out = "PK\3\4", central = "PK\1\2";
    put16(fixed, 20);
    put16(fixed, 0);
    put16(fixed, 0);
    put32(fixed, 0);
    put32(fixed, crc(octets));
    put32(fixed, (unsigned)octets.size());
    put32(fixed, (unsigned)octets.size());
    put16(fixed, (unsigned)name.size());
    put16(fixed, 0);
    out += fixed + name + octets;
    put16(central, 20);
    central += fixed + std::string(14, '\0') + name;
    std::string end = std::string("PK\5\6\0\0\0\0\1\0\1\0", 12);
    put32(end, (unsigned)central.size());
    put32(end, (unsigned)out.size());
    put16(end, 0);
    return out + central + end;
}

struct Seen {
    std::string trace;
    uint8_t md5[16];
};

/* Walks it as message.c would: an attachment for each depth. */
Seen walk(struct archive_pool *pool, const std::string &octets, size_t step)
{
    struct archive *a = archive_take(pool);
    struct attachment at[ARCHIVE_DEPTH_MAX + 1];
    Seen seen = {};
    auto drain = [&] {
        struct archive_item item;
        for (enum archive_next n; (n = archive_next(a, &item)) != ARCHIVE_MORE;) {
            struct attachment *t = &at[item.depth];
            if (n == ARCHIVE_BEGIN) {
                attachment_init(t, ATTACHMENT_MD5);
                attachment_name(t, item.member.name);
                seen.trace += std::string(item.depth, '<') +
                              std::string((const char *)item.member.name.ptr, item.member.name.len);
            } else if (n == ARCHIVE_DATA) {
                attachment_feed(t, item.data.ptr, item.data.len);
            } else if (n == ARCHIVE_END) {
                attachment_end(t);
                seen.trace += std::string(" ") + magic_name(t->magic) + " " + std::to_string(t->len) +
                              std::string(item.depth, '>');
                if (t->magic == MAGIC_EICAR)
                    memcpy(seen.md5, t->md5, 16);
            } else {
                seen.trace += std::string("!") + archive_flag_name(item.flag);
            }
        }
    };
    for (size_t off = 0; off < octets.size(); off += step) {
        std::string piece = octets.substr(off, step);
        archive_feed(a, (const uint8_t *)piece.data(), piece.size());
        drain();
    }
    archive_end(a);
    drain();
    archive_give(a);
    return seen;
}

TEST(Archive, EicarInZipInZip)
{
    struct archive_pool *p = archive_pool_new(1, &archive_limits_default);
    std::string octets = zip("outer.zip", zip("eicar.com", EICAR));
    const uint8_t md5[] = { 0x44, 0xd8, 0x86, 0x12, 0xfe, 0xa8, 0xa8, 0xf3,
                            0x6d, 0xe8, 0x2e, 0x12, 0x78, 0xab, 0xb0, 0x2f };
    for (size_t step = 1; step <= octets.size(); step++)
        walk(p, octets, step); /* malloc's own lists, for the test's strings */
    size_t before = mallinfo2().uordblks;
    for (size_t step = 1; step <= octets.size(); step++) {
        Seen seen = walk(p, octets, step);
        EXPECT_EQ("<outer.zip<<eicar.com EICAR 68>> ZIP 184>", seen.trace) << step;
        EXPECT_EQ(0, memcmp(md5, seen.md5, 16));
    }
    EXPECT_EQ(before, mallinfo2().uordblks);
    archive_pool_free(p);
}

TEST(Archive, LimitsAreKept)
{
    struct archive_limits limits = { 100, 200, 1 };
    struct archive_pool *p = archive_pool_new(1, &limits);
    std::string two = zip("a", "A") + zip("b", "B");
    for (size_t step : { (size_t)1, two.size() }) {
        std::string trace = walk(p, two, step).trace;
        EXPECT_EQ(0u, trace.find("<a TEXT 1>")) << trace;
        EXPECT_NE(std::string::npos, trace.find("!MEMBERS")) << trace;
        EXPECT_EQ(std::string::npos, trace.find("<b")) << trace;
    }
    archive_pool_free(p);
}

} // namespace
