#include "scan/proxy.h"

#include <gtest/gtest.h>

#include <string>

namespace {

std::string
run(const std::string &octets, size_t piece)
{
    struct proxy p;
    enum proxy_next next = PROXY_MORE;
    size_t at = 0;

    proxy_init(&p);
    while (at < octets.size() && next == PROXY_MORE) {
        size_t n = std::min(piece, octets.size() - at);
        uint8_t *copy = (uint8_t *)malloc(n);

        memcpy(copy, octets.data() + at, n);
        at += proxy_feed(&p, copy, n, &next);
        free(copy);
    }
    return std::string(next == PROXY_DONE ? "done" : next == PROXY_BAD ? "bad" : "more") + " " +
           std::to_string(at) + " " + p.address;
}

std::string
v2(char command, char family, const std::string &body)
{
    std::string s("\r\n\r\n\0\r\nQUIT\n", 12);

    s += command;
    s += family;
    s += (char)(body.size() >> 8);
    s += (char)(body.size() & 0xff);
    return s + body;
}

} // namespace

TEST(Proxy, Headers)
{
    const std::string ip4("\xc0\x00\x02\x07\xc0\x00\x02\x08\x12\x34\x00\x19", 12);
    const std::string ip6 = std::string("\x20\x01\x0d\xb8", 4) + std::string(11, '\0') + "\x01" +
                            std::string(16, '\0') + std::string("\x12\x34\x00\x19", 4);
    struct {
        std::string octets, want;
    } cases[] = {
        {"PROXY TCP4 192.0.2.1 192.0.2.2 56324 25\r\nEHLO", "done 41 192.0.2.1"},
        {"PROXY TCP6 2001:db8::1 2001:db8::2 1 25\r\n", "done 41 2001:db8::1"},
        {"PROXY UNKNOWN\r\n", "done 15 "},
        {"PROXY UNKNOWN ffff::1 x 1 2\r\n", "done 29 "},
        {"PROXY UNKNOWNX\r\n", "bad 16 "},
        {"PROXY TCP4 192.0.2.1 192.0.2.2 56324\r\n", "bad 38 "},
        {"PROXY TCP4 192.0.2.256 192.0.2.2 1 25\r\n", "bad 39 "},
        {"PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n", "bad 40 "},
        {"PROXY TCP4 192.0.2.1  192.0.2.2 1 25\r\n", "bad 38 "},
        {"PROXY TCP4 192.0.2.1 192.0.2.2 1 25 \r\n", "bad 38 "},
        {"PROXY TCP4 192.0.2.1 192.0.2.2 1 25\n", "bad 36 "},
        {"PROXY TCP4 1\r2", "bad 14 "},
        {"PROXX", "bad 5 "},
        {"EHLO x\r\n", "bad 1 "},
        {"PROXY " + std::string(200, 'x'), "bad 107 "},
        {"PROX", "more 4 "},
        {v2(0x21, 0x11, ip4) + "EHLO", "done 28 192.0.2.7"},
        {v2(0x21, 0x11, ip4 + "\x04\x01" + std::string(1, '\0') + "x"), "done 32 192.0.2.7"},
        {v2(0x21, 0x11, ip4 + std::string(60000, 'x')), "done 60028 192.0.2.7"},
        {v2(0x21, 0x21, ip6), "done 52 2001:db8::1"},
        {v2(0x20, 0x00, ""), "done 16 "},
        {v2(0x20, 0x11, ip4), "done 28 "},
        {v2(0x21, 0x31, std::string(216, 'u')), "done 232 "},
        {v2(0x21, 0x11, "short"), "bad 16 "},
        {v2(0x21, 0x21, ip4), "bad 16 "},
        {v2(0x22, 0x11, ip4), "bad 16 "},
        {v2(0x11, 0x11, ip4), "bad 16 "},
        {std::string("\r\n\r\n\0\r\nQUIT\r", 12), "bad 12 "},
    };

    for (const auto &c : cases) {
        for (size_t piece : {100000, 1, 3, 7})
            EXPECT_EQ(run(c.octets, piece), c.want) << c.octets << " by " << piece;
    }
}
