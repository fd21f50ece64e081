#include "scan/text.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <regex>
#include <string>
#include <vector>

namespace {

using strings = std::vector<std::string>;

std::string str(struct span s)
{
    return std::string((const char *)s.ptr, s.len);
}

strings lines(const strings &parts, size_t step)
{
    static struct lines l;
    struct span unit;
    strings v;
    lines_init(&l);
    for (auto &part : parts) {
        lines_part(&l);
        for (size_t off = 0; off < part.size(); off += step) {
            std::string piece = part.substr(off, step);
            struct span in = {(const uint8_t *)piece.data(), piece.size()};
            while (lines_next(&l, &in, &unit))
                v.push_back(str(unit));
        }
    }
    while (lines_end(&l, &unit))
        v.push_back(str(unit));
    return v;
}

strings chunks(const std::string &text, size_t step)
{
    static struct chunks c;
    struct span unit;
    strings v;
    chunks_init(&c);
    for (size_t off = 0; off < text.size(); off += step) {
        std::string piece = text.substr(off, step);
        struct span in = {(const uint8_t *)piece.data(), piece.size()};
        while (chunks_next(&c, &in, &unit))
            v.push_back(str(unit));
    }
    while (chunks_end(&c, &unit))
        v.push_back(str(unit));
    return v;
}

void expect_lines(const strings &parts, const strings &want)
{
    for (size_t step : {1, 2, 3, 1000000})
        EXPECT_EQ(want, lines(parts, step)) << step;
}

TEST(Lines, Paragraphs)
{
    expect_lines({}, {});
    expect_lines({"one  two\r\nthree\r\n\r\nfour\r\n"}, {"one two three\n", "four "});
    expect_lines({"a \r\n \r\n b\r\n\r\n"}, {"a \n", " b\n"});
    expect_lines({"\r\n\r\na"}, {"\n", "a"});
    expect_lines({"a\rb \r c"}, {"a b c"});
    expect_lines({std::string("a\0b", 3)}, {"a\n", "b"});
}

TEST(Lines, PartsAreSeparatedByOneLineEnd)
{
    expect_lines({"a", "b"}, {"a b"});
    expect_lines({"a\r\n", "b"}, {"a\n", "b"});
    expect_lines({"", "b"}, {"b"});
}

/* SpamAssassin's code as regexes over the whole text: the slow model. */
strings lines_model(std::string t)
{
    t = std::regex_replace(t, std::regex("\r\n"), "\n");
    t = std::regex_replace(t, std::regex("\n+\\s*\n+"), std::string(1, '\0'));
    t = std::regex_replace(t, std::regex("\\s+"), " ");
    strings v;
    for (size_t i = 0; i < t.size();) {
        size_t e = t.find('\0', i);
        std::string line = e == t.npos ? t.substr(i) : t.substr(i, e - i) + "\n";
        i = e == t.npos ? t.size() : e + 1;
        while (line.size() > BODY_LINE_MAX) {
            size_t sp = line.rfind(' ', BODY_LINE_MAX);
            size_t n = sp == line.npos ? (size_t)BODY_LINE_MAX : sp + 1;
            v.push_back(line.substr(0, n));
            line.erase(0, n);
        }
        if (!line.empty()) /* it has an empty one when a cut ends the text; we have not */
            v.push_back(line);
    }
    return v;
}

TEST(Lines, AgreeWithTheModel)
{
    srand(7);
    for (int round = 0; round < 3000; round++) {
        static const char *const words[] = {"a", " ", "\r\n", "\n", "\t", "\r", "bc", "\v", "\f"};
        std::string t;
        for (int i = rand() % 24; i > 0; i--)
            t += words[rand() % 9];
        ASSERT_EQ(lines_model(t), lines({t}, 1 + (size_t)(rand() % 4))) << round;
    }
    for (int round = 0; round < 60; round++) {
        std::string t;
        for (int i = 0; i < 40; i++)
            t += std::string((size_t)(rand() % (round + 20) * 12), 'x') + (rand() % 3 ? " " : "");
        ASSERT_EQ(lines_model(t), lines({t}, 1 + (size_t)(rand() % 4000))) << round;
    }
}

/* split_into_array_of_short_paragraphs, literally. */
strings chunks_model(const std::string &t)
{
    const size_t half = RAWBODY_CHUNK_MAX / 2;
    strings v;
    size_t ofs = 0;
    while (t.size() - ofs > 2 * half) {
        size_t j = t.npos;
        for (char c : {'\n', '>', ' '}) {
            j = t.find(c, ofs + half);
            if (j != t.npos && j - ofs + 1 <= 2 * half)
                break;
            j = t.npos;
        }
        if (j == t.npos)
            j = ofs + half;
        v.push_back(t.substr(ofs, j - ofs + 1));
        ofs = j + 1;
    }
    if (ofs < t.size())
        v.push_back(t.substr(ofs));
    return v;
}

TEST(Chunks, AgreeWithTheModel)
{
    srand(9);
    for (int round = 0; round < 300; round++) {
        std::string t;
        for (int i = rand() % 60; i > 0; i--)
            t += std::string((size_t)(rand() % 700), 'x') + "\n> y\n"[rand() % 5];
        ASSERT_EQ(chunks_model(t), chunks(t, 1 + (size_t)(rand() % 3000))) << round;
        ASSERT_EQ(chunks_model(t), chunks(t, 1)) << round;
    }
}

TEST(Chunks, LineEnds)
{
    EXPECT_EQ((strings{"a\nb\rc\r"}), chunks("a\r\nb\rc\r", 1));
    EXPECT_EQ((strings{}), chunks("", 1));
}

} // namespace
