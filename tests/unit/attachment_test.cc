#include "scan/attachment.h"

#include <gtest/gtest.h>

#include <string>

namespace {

struct span span_of(const std::string &s)
{
    return { (const uint8_t *)s.data(), s.size() };
}

std::string hex(const uint8_t *octets, size_t len)
{
    std::string out;
    char two[3];
    for (size_t i = 0; i < len; i++) {
        snprintf(two, sizeof(two), "%02x", octets[i]);
        out += two;
    }
    return out;
}

struct attachment look(const std::string &octets, const std::string &name = "", size_t step = 0,
                       unsigned hashes = 7)
{
    struct attachment a;
    attachment_init(&a, hashes);
    if (!name.empty())
        attachment_name(&a, span_of(name));
    if (step == 0)
        step = octets.size() + 1;
    for (size_t off = 0; off < octets.size(); off += step) {
        std::string piece = octets.substr(off, step);
        attachment_feed(&a, (const uint8_t *)piece.data(), piece.size());
    }
    attachment_end(&a);
    return a;
}

const char EICAR[] = "X5O!P%@AP[4\\PZX54(P^)7CC)7}$" "EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*";

TEST(Attachment, HashesForEverySplit)
{
    std::string octets = EICAR;
    for (size_t step = 1; step <= octets.size(); step++) {
        struct attachment a = look(octets, "", step);
        EXPECT_EQ(68u, a.len);
        EXPECT_EQ("44d88612fea8a8f36de82e1278abb02f", hex(a.md5, 16));
        EXPECT_EQ("3395856ce81f2b7382dee72602f798b642f14140", hex(a.sha1, 20));
        EXPECT_EQ("275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f", hex(a.sha256, 32));
        EXPECT_EQ(MAGIC_EICAR, a.magic);
        EXPECT_TRUE(a.flags & ATTACHMENT_IS_PROGRAM);
    }
}

TEST(Attachment, MagicForEverySplit)
{
    std::string tar(600, '\0'), iso(40000, '\0');
    tar.replace(257, 5, "ustar");
    iso.replace(32769, 5, "CD001");
    for (size_t step : { 1, 7, 256, 511, 512, 513, 32768, 32770, 50000 }) {
        EXPECT_EQ(MAGIC_TAR, look(tar, "", step).magic);
        EXPECT_EQ(MAGIC_ISO, look(iso, "", step).magic);
    }
    EXPECT_EQ(MAGIC_EMPTY, look("").magic);
}

TEST(Attachment, Magic)
{
    auto z = [](const std::string &name) {
        std::string s("PK\3\4\24\0\0\0\0\0", 10);
        return s + std::string(20, '\0') + name;
    };
    const struct {
        std::string octets;
        enum magic magic;
    } cases[] = {
        { "MZ" + std::string(62, '\0'), MAGIC_MZ },
        { "MZ, said the text", MAGIC_TEXT },
        { "\x7f" "ELF\2\1\1", MAGIC_ELF },
        { z("a.txt"), MAGIC_ZIP },
        { z("[Content_Types].xml"), MAGIC_OOXML },
        { z("mimetypeapplication/vnd.oasis.opendocument.text"), MAGIC_ODF },
        { z("META-INF/MANIFEST.MF"), MAGIC_JAR },
        { z("AndroidManifest.xml"), MAGIC_APK },
        { "%PDF-1.4\n", MAGIC_PDF },
        { "{\\rtf1\\ansi}", MAGIC_RTF },
        { "GIF89a", MAGIC_GIF },
        { "\x89PNG\r\n\x1a\n", MAGIC_PNG },
        { "\xff\xd8\xff\xe0", MAGIC_JPEG },
        { "RIFF\1\1\1\1WEBPVP8 ", MAGIC_WEBP },
        { "\x1f\x8b\x08", MAGIC_GZIP },
        { "Rar!\x1a\x07\x01", MAGIC_RAR },
        { "7z\xbc\xaf\x27\x1c", MAGIC_7Z },
        { std::string("L\0\0\0\1\24\2\0", 8), MAGIC_LNK },
        { "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", MAGIC_OLE2 },
        { "#!/bin/sh\n", MAGIC_SCRIPT },
        { " \r\n<!DOCTYPE HTML>", MAGIC_HTML },
        { "<html><HTA:APPLICATION id=x>", MAGIC_HTA },
        { "<?xml version=\"1.0\"?>\n<svg/>", MAGIC_SVG },
        { "Received: from a by b\n", MAGIC_EML },
        { "plain text\n", MAGIC_TEXT },
        { "caf\xc3\xa9\n", MAGIC_TEXT },
        { std::string("\1\2\3\0", 4), MAGIC_DATA },
    };
    for (auto &c : cases)
        EXPECT_STREQ(magic_name(c.magic), magic_name(look(c.octets).magic)) << c.octets;
}

TEST(Attachment, Names)
{
    const unsigned runs = ATTACHMENT_RUNS, twice = ATTACHMENT_DOUBLE_EXTENSION;
    const struct {
        std::string name;
        const char *extension;
        unsigned flags;
    } cases[] = {
        { "a.txt", "txt", 0 },
        { "A.TXT", "txt", 0 },
        { "none", "", 0 },
        { "dir.exe/none", "", 0 },
        { "a.exe", "exe", runs },
        { "invoice.pdf.exe", "exe", runs | twice },
        { "invoice.pdf           .exe", "exe", runs | twice | ATTACHMENT_NAME_PADDED },
        { "v1.2.exe", "exe", runs },
        { "setup.exe. . ", "exe", runs | ATTACHMENT_NAME_PADDED },
        { "cod\u202Etxt.exe", "exe", runs | ATTACHMENT_NAME_BIDI },
        { "a\tb.txt", "txt", ATTACHMENT_NAME_CONTROL },
        { "archive.tar.gz", "gz", 0 },
        { "x.muchtoolongtobeanextension", "", 0 },
        { std::string(1000, 'x') + ".pdf.scr", "scr", runs | twice },
        { "...", "", 0 },
    };
    for (auto &c : cases) {
        struct attachment a = look("", c.name);
        EXPECT_STREQ(c.extension, a.extension) << c.name;
        EXPECT_EQ(c.flags, a.flags) << c.name;
    }
}

TEST(Attachment, ExtensionAgainstOctets)
{
    std::string mz = "MZ" + std::string(62, '\0');
    EXPECT_TRUE(look(mz, "a.pdf").flags & ATTACHMENT_MISMATCH);
    EXPECT_TRUE(look(mz, "a.jpg").flags & ATTACHMENT_MISMATCH);
    EXPECT_TRUE(look(mz, "a.txt").flags & ATTACHMENT_MISMATCH);
    EXPECT_FALSE(look(mz, "a.scr").flags & ATTACHMENT_MISMATCH);
    EXPECT_FALSE(look(mz, "a.unknown").flags & ATTACHMENT_MISMATCH);
    EXPECT_TRUE(look("<html>", "a.pdf").flags & ATTACHMENT_MISMATCH);
    EXPECT_FALSE(look("<html>", "a.xls").flags & ATTACHMENT_MISMATCH);
    EXPECT_FALSE(look("%PDF-1.4", "a.pdf").flags & ATTACHMENT_MISMATCH);
}

} // namespace
