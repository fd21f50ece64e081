#include "scan/mime.h"

#include <gtest/gtest.h>

#include <string>

namespace {

/* The trace as text: "[type:data]" a leaf, "!name" an event. */
std::string trace(const std::string &in, size_t step)
{
    static struct mime m;
    static uint8_t header[MIME_HEADER_BUF];
    struct mime_budget budget = {};
    struct span data;
    enum event e;
    std::string t;
    auto drain = [&] {
        for (enum mime_next n; (n = mime_next(&m, &data, &e)) != MIME_MORE;) {
            if (n == MIME_PART)
                t += std::string("[") + mime_part(&m)->type + ":";
            else if (n == MIME_DATA)
                t += std::string((const char *)data.ptr, data.len);
            else if (n == MIME_END)
                t += "]";
            else
                t += std::string("!") + event_name(e);
        }
    };
    mime_init(&m, &budget, header);
    mime_start_message(&m);
    for (size_t off = 0; off < in.size(); off += step) {
        std::string piece = in.substr(off, step);
        mime_feed(&m, (const uint8_t *)piece.data(), piece.size());
        drain();
    }
    mime_end(&m);
    drain();
    EXPECT_EQ(0u, budget.depth);
    return t;
}

void expect(const std::string &in, const std::string &want)
{
    for (size_t step : {1, 2, 3, 5, 11, 100000})
        EXPECT_EQ(want, trace(in, step)) << in << " by " << step;
}

const std::string B = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";

TEST(Mime, OneLeaf)
{
    expect("A: 1\r\n\r\nbody\r\n--b\r\n", "[text/plain:body\r\n--b\r\n]");
    expect("Content-Type: X/Y\r\n\r\n", "[x/y:]");
    expect("", "[text/plain:]");
}

TEST(Mime, LineEndBeforeADelimiterIsItsOwn)
{
    expect(B + "pre\r\n--b\r\n\r\none\r\n\r\n--b\r\n\r\n--b\r\n\r\nx\r--b\r\r\n--b--\r\nepilogue",
           "[text/plain:one\r\n][text/plain:][text/plain:x\r--b\r]");
    expect(B + "--b\n\none\n--b--", "[text/plain:one]");
}

TEST(Mime, DelimiterIsTheWholeLine)
{
    expect(B + "--b \t\r\n\r\n--bb\r\n-- b\r\n --b\r\n--b-\r\n--b--x\r\n--b--  \r\n",
           "[text/plain:--bb\r\n-- b\r\n --b\r\n--b-\r\n--b--x]");
}

TEST(Mime, OuterDelimiterEndsInnerParts)
{
    expect(B + "--b\r\nContent-Type: multipart/x; boundary=c\r\n\r\n--c\r\n\r\nin\r\n--b\r\n\r\nout\r\n--b--",
           "[text/plain:in!mime-boundary][text/plain:out]");
}

TEST(Mime, SameBoundaryInsideClosesTheInnerFirst)
{
    expect(B + "--b\r\n" + B + "--b\r\n\r\nin\r\n--b--\r\n--b\r\n\r\nout\r\n--b--\r\n",
           "[text/plain:in][text/plain:out]");
}

TEST(Mime, HeaderOnlyParts)
{
    expect(B + "--b\r\nContent-Type: x/y\r\n--b\r\nA: 1\r\n--b--", "[x/y:][text/plain:]");
}

TEST(Mime, BodyWithoutEmptyLine)
{
    expect(B + "--b\r\nno header\r\n\r\nmore\r\n--b--", "!header-garbage[text/plain:no header\r\n\r\nmore]");
    expect(B + "--b\r\nContent-Type: multipart/x; boundary=\"--\"\r\n\r\n----\r\n\r\nin\r\n------\r\n--b--",
           "[text/plain:in]");
}

TEST(Mime, Boundaries)
{
    expect("Content-Type: multipart/x\r\n\r\n--\r\n", "!mime-boundary[text/plain:--\r\n]");
    expect("Content-Type: multipart/x; boundary=\"\"\r\n\r\n--\r\n", "!mime-boundary[text/plain:--\r\n]");
    expect("Content-Type: multipart/x; boundary=\"q \"\r\n\r\n--q\r\n\r\nx\r\n--q--", "[text/plain:x]");
    std::string max(BOUNDARY_LEN_MAX, 'm');
    expect("Content-Type: multipart/x; boundary=" + max + "\r\n\r\n--" + max + "\r\n\r\nx\r\n--" + max +
               "--\r\n",
           "[text/plain:x]");
    expect("Content-Type: multipart/x; boundary=" + max + "m\r\n\r\nx", "!mime-boundary[text/plain:x]");
    expect(B + "never\r\n", "!mime-boundary");
}

TEST(Mime, Messages)
{
    expect(B + "--b\r\nContent-Type: message/rfc822\r\n\r\nContent-Type: x/y\r\n\r\nin\r\n--b--",
           "[x/y:in]");
    expect("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nQQ==",
           "[message/rfc822:QQ==]");
    expect("Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nContent-Type: x/y\r\n\r\nin\r\n--b--",
           "[x/y:in]");
}

TEST(Mime, UnknownTypeAndEncoding)
{
    expect("Content-Type: text\r\nContent-Transfer-Encoding: weird\r\n\r\nx",
           "!encoding-unknown[text/plain:x]");
    expect("Content-Type: a/b\r\nContent-Type: c/d\r\n\r\nx", "!field-duplicate[c/d:x]");
}

TEST(Mime, DepthCapGivesALeaf)
{
    std::string in;
    for (int i = 0; i < MIME_DEPTH_MAX + 2; i++)
        in += "Content-Type: multipart/x; boundary=b" + std::to_string(i) + "\r\n\r\n--b" +
              std::to_string(i) + "\r\n";
    std::string t = trace(in + "\r\nneedle", 1000);
    EXPECT_NE(std::string::npos, t.find("!mime-depth-cap"));
    EXPECT_NE(std::string::npos, t.find("needle"));
}

TEST(Mime, BoundaryInRfc2231Form)
{
    expect("Content-Type: multipart/mixed; boundary*0=a; boundary*1*=%62\r\n\r\n--ab\r\n\r\none\r\n--ab--\r\n",
           "[text/plain:one]");
}

TEST(Mime, CharsetAndName)
{
    static struct mime m;
    static uint8_t header[MIME_HEADER_BUF];
    struct mime_budget budget = {};
    budget.charsets = charset_set_new();
    std::string in = "Content-Type: text/plain; charset=\"KOI8-R\"; name=a.txt\r\n"
                     "Content-Disposition: inline; filename*=koi8-r''%D0.HTML\r\n\r\nx";
    struct span data;
    enum event e;
    mime_init(&m, &budget, header);
    mime_start_message(&m);
    mime_feed(&m, (const uint8_t *)in.data(), in.size());
    ASSERT_EQ(MIME_PART, mime_next(&m, &data, &e));
    EXPECT_STREQ("KOI8-R", mime_part(&m)->charset);
    EXPECT_STREQ("\xd0\xbf.HTML", mime_part(&m)->name);
    EXPECT_EQ(7u, mime_part(&m)->name_len);
    EXPECT_TRUE(mime_part(&m)->is_html_name);
    charset_set_free((struct charset_set *)budget.charsets);
}

} // namespace
