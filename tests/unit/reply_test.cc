#include "scan/reply.h"

#include <gtest/gtest.h>

#include <string>

namespace {

/* "E250" reply ended, "L" line, "K@n" keyword with n octets read; "!" bad. */
std::string
run(const std::string &octets, size_t piece)
{
    struct reply r;
    std::string out;

    reply_init(&r);
    for (size_t at = 0; at < octets.size();) {
        size_t n = std::min(piece, octets.size() - at), done = 0;
        uint8_t *copy = (uint8_t *)malloc(n);

        memcpy(copy, octets.data() + at, n);
        while (done < n) {
            enum reply_next next;

            done += reply_feed(&r, copy + done, n - done, &next);
            if (next == REPLY_END)
                out += "E" + std::to_string(r.code) + (r.is_bad ? "! " : " ");
            else if (next == REPLY_LINE)
                out += r.is_bad ? "L! " : "L ";
            else if (next == REPLY_KEYWORD)
                out += "K@" + std::to_string(at + done) + " ";
        }
        free(copy);
        at += n;
    }
    return out;
}

} // namespace

TEST(Reply, Dialogues)
{
    struct {
        std::string octets, want;
    } cases[] = {
        {"220 mx ESMTP\r\n", "E220 "},
        {"250\r\n", "E250 "},
        {"250\n", "E250 "},
        {"250 \r\n", "E250 "},
        {"250-a\r\n250-b\r\n250 c\r\n", "L L E250 "},
        {"250-a\r\n550 c\r\n", "L E550! "},
        {"550 5.7.1 no\r\n250 2.1.0 ok\r\n", "E550 E250 "},
        {"250-STARTTLS\r\n250 ok\r\n", "K@12 L E250 "},
        {"250 starttls\r\n", "K@12 E250 "},
        {"250-XSTARTTLS\r\n250 ok\r\n", "L E250 "},
        {"220 STARTTLS\r\n", "E220 "},
        {"2\r\n", "L! "},
        {"\r\n", "L! "},
        {"hello\r\n250 ok\r\n", "L! E250 "},
        {"650 x\r\n", "L! "},
        {"099 x\r\n", "L! "},
        {"25x x\r\n", "L! "},
        {"250x\r\n", "L! "},
        {"150 wait\r\n250 ok\r\n", "L! E250 "},
        {"421", ""},
        {"250 " + std::string(5000, 'x') + "\r\n250 y\r\n", "E250 E250 "},
    };

    for (const auto &c : cases) {
        for (size_t piece : {100000, 1, 2, 3, 5, 11})
            EXPECT_EQ(run(c.octets, piece), c.want) << c.octets << " by " << piece;
    }
}
