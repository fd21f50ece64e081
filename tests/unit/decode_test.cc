#include "scan/decode.h"

#include <gtest/gtest.h>

#include <string>

namespace {

struct Out {
    std::string octets;
    bool junk;
    bool operator==(const Out &o) const { return octets == o.octets && junk == o.junk; }
};

Out decode(enum encoding e, const std::string &in, size_t step)
{
    struct decoder d;
    Out o;
    decoder_init(&d, e);
    for (size_t off = 0; off < in.size(); off += step) {
        std::string piece = in.substr(off, step), out(piece.size() + DECODE_SLACK, '?');
        out.resize(decoder_feed(&d, (const uint8_t *)piece.data(), piece.size(), (uint8_t *)out.data()));
        o.octets += out;
    }
    std::string out(DECODE_SLACK, '?');
    out.resize(decoder_end(&d, (uint8_t *)out.data()));
    o.octets += out;
    o.junk = d.has_junk;
    return o;
}

void expect(enum encoding e, const std::string &in, const std::string &want, bool junk)
{
    for (size_t step = 1; step <= in.size() + 1; step++) {
        Out o = decode(e, in, step);
        EXPECT_EQ(want, o.octets) << in << " by " << step;
        EXPECT_EQ(junk, o.junk) << in << " by " << step;
    }
}

TEST(Base64, Plain)
{
    expect(ENCODING_BASE64, "", "", false);
    expect(ENCODING_BASE64, "TQ==", "M", false);
    expect(ENCODING_BASE64, "TWE=\r\n", "Ma", false);
    expect(ENCODING_BASE64, "TW\r\nFu", "Man", false);
    expect(ENCODING_BASE64, "+/+/", "\xfb\xff\xbf", false);
}

TEST(Base64, MissingPaddingLosesNothing)
{
    expect(ENCODING_BASE64, "TQ", "M", false);
    expect(ENCODING_BASE64, "TWE", "Ma", false);
}

TEST(Base64, JunkIsPassedOverAndTold)
{
    expect(ENCODING_BASE64, "T*W-F\x80u", "Man", true);
    expect(ENCODING_BASE64, "TWFuT", "Man", true);
    expect(ENCODING_BASE64, "=TWFu", "Man", true);
}

TEST(Base64, GoesOnBehindPadding)
{
    expect(ENCODING_BASE64, "TQ==TWFu", "MMan", true);
    expect(ENCODING_BASE64, "TQ=T=TWFu", "MMan", true); /* "T=": a digit that makes no octet */
}

TEST(QuotedPrintable, Plain)
{
    expect(ENCODING_QP, "a=3Db=3d\r\n", "a=b=\r\n", false);
    expect(ENCODING_QP, "so=\r\nft=\nbreak", "softbreak", false);
}

TEST(QuotedPrintable, BlanksAtLineEndsGo)
{
    expect(ENCODING_QP, "a  \t\r\nb c ", "a\r\nb c", false);
    expect(ENCODING_QP, "soft= \t\r\nbreak", "softbreak", false);
    expect(ENCODING_QP, "end=", "end", false);
}

TEST(QuotedPrintable, InvalidEscapesStay)
{
    expect(ENCODING_QP, "=XY=4 ==41=\rx", "=XY=4 =A=\rx", true);
    expect(ENCODING_QP, "=4", "=4", true);
    expect(ENCODING_QP, "= x", "= x", true);
}

TEST(QuotedPrintable, LongBlanksAreKept)
{
    std::string blanks(QP_BLANK_MAX * 3 + 5, ' ');
    expect(ENCODING_QP, "a" + blanks + "b", "a" + blanks + "b", false);
}

TEST(Identity, IsItself)
{
    expect(ENCODING_IDENTITY, "=3D TQ==\r\n", "=3D TQ==\r\n", false);
}

} // namespace
