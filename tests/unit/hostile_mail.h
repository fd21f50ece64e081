/* hostile_mail: mails made to cost more than they should, of any size: written piece by piece, so that 50 MB of
 * '<' take no memory here. Used by hostile_test.cc (small: it ends, and says its event) and by the tool hostile.cc
 * (large: processor time and memory at one and at four times the size). */
#ifndef WEIR_TESTS_UNIT_HOSTILE_MAIL_H
#define WEIR_TESTS_UNIT_HOSTILE_MAIL_H

#include <zlib.h>

#include <functional>
#include <string>
#include <vector>

#include "scan/event.h"

namespace hostile {

using sink = std::function<void(const std::string &)>;

/* write(n, out): n is the count that the mail is about (octets, fields, parts), `full` the count it was thought of
 * with. events: those that a mail of `full` must raise. */
struct mail {
    const char *name;
    size_t full;
    uint64_t events;
    std::function<void(size_t, const sink &)> write;
};

inline const std::string head = "From: a <a@b.example>\r\nTo: c@d.example\r\nSubject: s\r\nMIME-Version: 1.0\r\n";

/* `without`: a field of the head that the mail brings itself. */
inline std::string
type(const std::string &value, const std::string &encoding = "8bit", const std::string &without = "")
{
    std::string h = head;
    size_t at = ("\n" + h).find("\n" + without + ":");
    if (at != h.npos)
        h.erase(at, h.find('\n', at) + 1 - at);
    return h + "Content-Type: " + value + "\r\nContent-Transfer-Encoding: " + encoding + "\r\n\r\n";
}

/* `unit` again and again, at least n octets, in pieces of some 64 kB. */
inline void
octets(size_t n, const std::string &unit, const sink &out)
{
    std::string piece;
    while (piece.size() < 65536)
        piece += unit;
    for (; n >= piece.size(); n -= piece.size())
        out(piece);
    std::string rest;
    while (rest.size() < n)
        rest += unit;
    out(rest);
}

/* make(i) for i in 0..n-1, gathered. */
inline void
each(size_t n, const sink &out, const std::function<std::string(size_t)> &make)
{
    std::string piece;
    for (size_t i = 0; i < n; i++) {
        piece += make(i);
        if (piece.size() >= 65536) {
            out(piece);
            piece.clear();
        }
    }
    out(piece);
}

inline std::string
base64(const std::string &in, bool cut = true)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string to;
    for (size_t i = 0, column = 0; i < in.size(); i += 3) {
        unsigned v = (unsigned char)in[i] << 16;
        v |= i + 1 < in.size() ? (unsigned char)in[i + 1] << 8 : 0;
        v |= i + 2 < in.size() ? (unsigned char)in[i + 2] : 0;
        to += digits[v >> 18];
        to += digits[v >> 12 & 63];
        to += i + 1 < in.size() ? digits[v >> 6 & 63] : '=';
        to += i + 2 < in.size() ? digits[v & 63] : '=';
        if (cut && ++column % 19 == 0)
            to += "\r\n";
    }
    return to + (cut ? "\r\n" : "");
}

/* Words that hardly repeat. */
inline std::string
word(size_t i)
{
    std::string w;
    for (size_t v = i * 2654435761u % 4294967291u, k = 0; k < 6; k++, v /= 26)
        w += (char)('a' + v % 26);
    return w + " ";
}

/* ---- archives ---- */

inline std::string
little(size_t v, unsigned len)
{
    std::string to;
    for (unsigned i = 0; i < len; i++)
        to += i < sizeof(v) ? (char)(v >> 8 * i) : '\0';
    return to;
}

inline std::string
deflated(const std::string &in)
{
    std::string to(compressBound(in.size()) + 64, 0);
    z_stream z = {};
    deflateInit2(&z, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY);
    z.next_in = (Bytef *)in.data();
    z.avail_in = (uInt)in.size();
    z.next_out = (Bytef *)to.data();
    z.avail_out = (uInt)to.size();
    deflate(&z, Z_FINISH);
    to.resize(z.total_out);
    deflateEnd(&z);
    return to;
}

/* A ZIP of `copies` members with the same content. */
inline std::string
zip(const std::string &content, size_t copies = 1, const std::string &extension = ".bin")
{
    std::string body = deflated(content), file, directory;
    size_t crc = crc32(0, (const Bytef *)content.data(), (uInt)content.size());
    for (size_t i = 0; i < copies; i++) {
        std::string name = std::to_string(i) + extension;
        std::string common = little(20, 2) + little(0, 2) + little(8, 2) + little(0, 4) + little(crc, 4) +
                             little(body.size(), 4) + little(content.size(), 4) + little(name.size(), 2) + little(0, 2);
        directory += "PK\1\2" + little(20, 2) + common + little(0, 10) + little(file.size(), 4) + name;
        file += "PK\3\4" + common + name + body;
    }
    return file + directory + "PK\5\6" + little(0, 4) + little(copies & 65535, 2) + little(copies & 65535, 2) +
           little(directory.size(), 4) + little(file.size(), 4) + little(0, 2);
}

inline void
attach(const std::string &octets_of_file, const char *name, const sink &out)
{
    out(type(std::string("application/octet-stream; name=\"") + name + "\"", "base64"));
    out(base64(octets_of_file));
}

/* ---- shapes ---- */

/* A body of one kind of text. */
inline mail
body(const char *name, size_t full, const char *content_type, const std::string &unit, uint64_t events = 0,
     const char *encoding = "8bit")
{
    std::string t = content_type, e = encoding;
    return { name, full, events, [=](size_t n, const sink &out) {
                out(type(t, e));
                octets(n, unit, out);
            } };
}

/* One field of n octets; `unit` has no line end: the field is folded for it. */
inline mail
field(const char *name, const std::string &field_name, const std::string &unit, uint64_t events = 0,
      size_t full = 60000)
{
    return { name, full, events, [=](size_t n, const sink &out) {
                std::string value;
                for (size_t line = 0; value.size() < n; value += unit) {
                    if (value.size() - line > 70) {
                        line = value.size();
                        value += "\r\n ";
                    }
                }
                out(field_name + ": " + value + "\r\n" + type("text/plain", "8bit", field_name) + "x\r\n");
            } };
}

/* n lines of `line` in the header, `%` in it counting. */
inline mail
fields(const char *name, size_t full, const std::string &line, uint64_t events)
{
    return { name, full, events, [=](size_t n, const sink &out) {
                each(n, out, [&](size_t i) {
                    size_t at = line.find('%');
                    return (at == line.npos ? line : line.substr(0, at) + std::to_string(i) + line.substr(at + 1)) +
                           "\r\n";
                });
                out(type("text/plain") + "x\r\n");
            } };
}

/* ---- the mails ---- */

inline std::vector<mail>
header_mails()
{
    const uint64_t cap = EVENT_BIT(EVENT_HEADER_CAP);
    return {
        fields("fields", 10000, "X-Field-%: value", cap),
        fields("fields-same", 10000, "Received: by a (b) id %; Mon, 1 Jan 2024 00:00:00 +0000", cap),
        fields("fields-empty", 10000, "X:", cap),
        fields("fields-no-colon", 10000, "garbage", EVENT_BIT(EVENT_HEADER_GARBAGE)),
        fields("fields-subject", 1000, "Subject: =?utf-8?q?a=%?=", EVENT_BIT(EVENT_FIELD_DUPLICATE)),
        fields("fields-content-type", 1000, "Content-Type: multipart/mixed; boundary=b%", 0),
        field("one-field", "X-Long", "aaaaaaaaaaaaaaaaaaaa "),
        field("encoded-words", "Subject", "=?UTF-8?B?YWJj?= "),
        field("encoded-words-tight", "Subject", "=?utf-8?q?a?="),
        field("encoded-words-open", "Subject", "=?utf-8?q?"),
        field("encoded-words-iso2022", "Subject", "=?iso-2022-jp?B?GyRCGyhC?= "),
        field("from-encoded", "From", "=?UTF-8?B?YWJj?= <a@b.example>, "),
        field("addresses", "To", "\"n\" <a@b.example>, "),
        field("addresses-short", "To", "a@b,"),
        field("addresses-from", "From", "n <a@b.example>,"),
        field("angles", "To", "<<<<<<<<<<"),
        field("comments", "To", "(((((((((("),
        field("quotes", "From", "\"\\\"\" "),
        field("groups", "To", "g: a@b;"),
        field("message-ids", "References", "<a.b.c@d.example> "),
        field("blanks", "Subject", "          "),
        field("digits", "Subject", "1234567890"),
        field("subject-words", "Subject", "ab1 c-d "),
        field("date", "Date", "Mon, 1 Jan 2024 "),
        field("received", "Received", "from a (b [1.2.3.4]) by c with SMTP id d; "),
        field("received-from", "Received", "from "),
        field("received-open", "Received", "from a ([("),
        fields("received-many", 600, "Received: from h%.example ([10.1.2.3]) by b.example (8.8) with ESMTP id x%", 0),
        field("content-type", "Content-Type", "text/plain; a=b; "),
        field("content-type-2231", "Content-Disposition", "; filename*0*=utf-8''a; filename*1=b"),
    };
}

inline std::vector<mail>
text_mails()
{
    const size_t big = 50u << 20, mid = 5u << 20;
    return {
        body("one-line", big, "text/plain", "a"),
        body("one-line-words", big, "text/plain", "ab cd. "),
        body("line-ends", big, "text/plain", "\r\n"),
        body("blanks", big, "text/plain", " "),
        body("paragraphs", big, "text/plain", "a\r\n\r\n"),
        body("cr", big, "text/plain", "\r"),
        body("nul", big, "text/plain", std::string(1, 0)),
        body("latin", big, "text/plain; charset=iso-8859-1", "\xe4\xf6 "),
        body("bad-utf8", big, "text/plain; charset=utf-8", "\xff\xfe\x80", EVENT_BIT(EVENT_CHARSET_UNKNOWN)),
        body("wide-blanks", big, "text/plain; charset=utf-8", "\xc2\xa0\xe3\x80\x80"),
        body("links", big, "text/plain", "http://a.b/ "),
        body("links-open", big, "text/plain", "http://"),
        body("links-www", big, "text/plain", "www.a.com."),
        body("at", big, "text/plain", "a@b."),
        body("addresses", big, "text/plain", "a@b.com "),
        body("dots", big, "text/plain", "."),
        body("digits", big, "text/plain", "1234567890-"),
        { "links-many", 1000000, EVENT_BIT(EVENT_URL_CAP),
          [](size_t n, const sink &out) {
              out(type("text/plain"));
              each(n, out, [](size_t i) { return "http://h" + std::to_string(i) + ".example.com/\r\n"; });
          } },
        { "words", 10u << 20, 0,
          [](size_t n, const sink &out) {
              out(type("text/plain"));
              each(n / 7, out, word);
          } },
        { "alternative-words", 10u << 20, 0,
          [](size_t n, const sink &out) {
              out(type("multipart/alternative; boundary=b") + "--b\r\nContent-Type: text/plain\r\n\r\n");
              each(n / 14, out, word);
              out("\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>");
              each(n / 14, out, [](size_t i) { return word(i * 3 + 1); });
              out("\r\n--b--\r\n");
          } },
        body("utf-7", 5u << 20, "text/plain; charset=utf-7", "+AGE-+AGI-"),
        body("utf-7-open", 5u << 20, "text/plain; charset=utf-7", "+"),
        body("iso-2022-jp", 5u << 20, "text/plain; charset=iso-2022-jp", "\x1b$B\x1b(B"),
        body("iso-2022-jp-bad", 5u << 20, "text/plain; charset=iso-2022-jp", "\x1b$B\x1b$B!\x1b"),
        body("iso-2022-kr", 5u << 20, "text/plain; charset=iso-2022-kr", "\x1b$)C\x0e\x0f"),
        body("hz", 5u << 20, "text/plain; charset=hz-gb-2312", "~{~}"),
        body("utf-16", 5u << 20, "text/plain; charset=utf-16", std::string("\xd8\0", 2)),
        body("gb18030", 5u << 20, "text/plain; charset=gb18030", "\x81\x30"),
        body("unknown-charset", 5u << 20, "text/plain; charset=x-none", "\x80 abc", EVENT_BIT(EVENT_CHARSET_UNKNOWN)),
        body("qp", big, "text/plain", "=41=\r\n", 0, "quoted-printable"),
        body("qp-junk", big, "text/plain", "=", EVENT_BIT(EVENT_QP_JUNK), "quoted-printable"),
        body("base64-junk", 5u << 20, "text/plain", "=!*A=", EVENT_BIT(EVENT_BASE64_JUNK), "base64"),
        body("base64-picture", 5u << 20, "image/gif", "AAAA\r\n", 0, "base64"),
        body("uuencode", 5u << 20, "text/plain", "begin 644 a\r\n#0V%T\r\n"),
        body("lines", big, "text/plain", "a\r\n"),
        body("lines-html", mid, "text/html", "a\r\n"),
        body("binary-lines", big, "application/octet-stream", "a\r\n"),
        body("base64-lines", big, "application/octet-stream", "YQ\r\n", 0, "base64"),
        body("base64-lines-text", big, "text/plain", "Y\r\n", 0, "base64"),
        body("delimiter-none", big, "multipart/mixed; boundary=b", "a\r\n", EVENT_BIT(EVENT_MIME_BOUNDARY)),
        body("binary", big, "application/octet-stream", "MZ\x90"),
    };
}

inline std::vector<mail>
html_mails()
{
    const size_t big = 50u << 20, mid = 5u << 20;
    const uint64_t cap = EVENT_BIT(EVENT_HTML_CAP);
    return {
        body("html-lt", big, "text/html", "<"),
        body("html-lt-slash", mid, "text/html", "</"),
        body("html-lt-letter", mid, "text/html", "<a"),
        body("html-comment-open", mid, "text/html", "<!--"),
        body("html-comment", mid, "text/html", "<!---->"),
        body("html-comment-dashes", mid, "text/html", "<!----!>--"),
        body("html-declaration", mid, "text/html", "<!["),
        body("html-question", mid, "text/html", "<?a "),
        body("html-attribute-open", mid, "text/html", "<a b=\"", 0),
        body("html-attributes", mid, "text/html", "<a b=c d e='f' >"),
        { "html-one-tag", mid, 0,
          [](size_t n, const sink &out) {
              out(type("text/html") + "<a ");
              octets(n, "b=c ", out);
          } },
        { "html-one-attribute", mid, 0,
          [](size_t n, const sink &out) {
              out(type("text/html") + "<a href=\"http://a.example/");
              octets(n, "bcdefg", out);
              out("\">x</a>");
          } },
        { "html-one-style", mid, 0,
          [](size_t n, const sink &out) {
              out(type("text/html") + "<p style=\"");
              octets(n, "color:red;font-size:1px;", out);
              out("\">x</p>");
          } },
        body("html-style-element", mid, "text/html", "<style>p{color:#fff}</style>"),
        body("html-style-open", mid, "text/html", "<style>"),
        body("html-script-open", mid, "text/html", "<script></scrip"),
        body("html-title", mid, "text/html", "<title></titl"),
        body("html-textarea", mid, "text/html", "<textarea></textare"),
        body("html-div", mid, "text/html", "<div>"),
        body("html-font", mid, "text/html", "<font color=#fffffe size=1>a"),
        body("html-span-style", mid, "text/html", "<span style=\"display:none\">a"),
        body("html-close", mid, "text/html", "</div></font></span>"),
        body("html-table", mid, "text/html", "<table><tr><td bgcolor=red>"),
        body("html-mixed", mid, "text/html", "<b><i><u></b></i></u>"),
        body("html-b-open", mid, "text/html", "<b><p>"),
        body("html-entities", 1u << 20, "text/html", "&#x41;"),
        body("html-entities-empty", 1u << 20, "text/html", "&#x;"),
        body("html-entities-long", 1u << 20, "text/html", "&#x0000000000000000000041"),
        body("html-entities-names", 1u << 20, "text/html", "&notin;&nota&amp"),
        body("html-ampersands", mid, "text/html", "&"),
        body("html-base", mid, "text/html", "<base href=http://a.example/><a href=b>c</a>"),
        body("html-meta", mid, "text/html", "<meta http-equiv=refresh content=\"0;url=http://a.example/\">"),
        body("html-blanks", mid, "text/html", "<br> \r\n"),
        { "html-links", 100000, cap,
          [](size_t n, const sink &out) {
              out(type("text/html"));
              each(n, out, [](size_t i) {
                  return "<a href=\"http://h" + std::to_string(i) + ".example.com/p\">t" + std::to_string(i) + "</a>\r\n";
              });
          } },
        { "html-links-open", 100000, cap,
          [](size_t n, const sink &out) {
              out(type("text/html"));
              each(n, out, [](size_t i) { return "<a href=http://h" + std::to_string(i) + ".example.com/p>t "; });
          } },
        { "html-images", 100000, 0,
          [](size_t n, const sink &out) {
              out(type("text/html"));
              each(n, out, [](size_t i) {
                  return "<img src=\"cid:" + std::to_string(i) + "\" width=" + std::to_string(i) + " height=1>";
              });
          } },
        { "html-names", 100000, cap,
          [](size_t n, const sink &out) {
              out(type("text/html"));
              each(n, out, [](size_t i) { return "<x" + std::to_string(i) + " y" + std::to_string(i) + "=1>"; });
          } },
        { "html-colors", 100000, 0,
          [](size_t n, const sink &out) {
              out(type("text/html"));
              each(n, out, [](size_t i) { return "<font color=" + std::to_string(i) + ">x</font>"; });
          } },
    };
}

inline std::vector<mail>
part_mails()
{
    const uint64_t depth = EVENT_BIT(EVENT_MIME_DEPTH_CAP), parts = EVENT_BIT(EVENT_MIME_PART_CAP);
    const uint64_t archive = EVENT_BIT(EVENT_ARCHIVE_CAP);
    auto n_parts = [](const std::string &header, const std::string &content) {
        return [=](size_t n, const sink &out) {
            out(type("multipart/mixed; boundary=b"));
            each(n, out, [&](size_t) { return "--b\r\n" + header + "\r\n" + content + "\r\n"; });
            out("--b--\r\n");
        };
    };
    return {
        { "multiparts", 1000, depth,
          [](size_t n, const sink &out) {
              out(type("multipart/mixed; boundary=b0"));
              each(n, out, [](size_t i) {
                  return "--b" + std::to_string(i) + "\r\nContent-Type: multipart/mixed; boundary=b" +
                         std::to_string(i + 1) + "\r\n\r\n";
              });
              out("--b" + std::to_string(n) + "\r\n\r\nx\r\n");
          } },
        { "parts", 100000, parts, n_parts("Content-Type: text/plain\r\n", "a") },
        { "parts-html", 100000, parts, n_parts("Content-Type: text/html\r\n", "<b>a") },
        { "parts-files", 100000, parts,
          n_parts("Content-Type: application/zip; name=a.zip\r\nContent-Transfer-Encoding: base64\r\n", "UEsDBA==") },
        { "parts-pictures", 100000, parts,
          n_parts("Content-Type: image/gif; name=a.gif\r\nContent-Transfer-Encoding: base64\r\n", "R0lGODlh") },
        { "parts-header", 1000, EVENT_BIT(EVENT_HEADER_CAP),
          n_parts("Content-Type: text/plain\r\nX-A: " + std::string(17000, 'a') + "\r\n", "a") },
        { "parts-fields", 1000, 0,
          [=](size_t n, const sink &out) {
              std::string h = "Content-Type: text/plain\r\n";
              while (h.size() < 15000)
                  h += "X-A: =?utf-8?q?a?=\r\n";
              n_parts(h, "a")(n, out);
          } },
        { "parts-messages", 100000, parts, n_parts("Content-Type: message/rfc822\r\n", "Subject: a\r\n\r\nb") },
        { "parts-alternative", 100000, parts,
          n_parts("Content-Type: multipart/alternative; boundary=c\r\n", "--c\r\n\r\na\r\n--c--") },
        { "delimiters-near", 50u << 20, 0,
          [](size_t n, const sink &out) {
              out(type("multipart/mixed; boundary=" + std::string(69, 'b')) + "--" + std::string(69, 'b') + "\r\n\r\n");
              octets(n, "--" + std::string(68, 'b') + "\r\n", out);
          } },
        { "delimiters-deep", 5u << 20, 0,
          [](size_t n, const sink &out) {
              out(type("multipart/mixed; boundary=b0"));
              each(30, out, [](size_t i) {
                  return "--b" + std::to_string(i) + "\r\nContent-Type: multipart/mixed; boundary=b" +
                         std::to_string(i + 1) + "\r\n\r\n";
              });
              octets(n, "--b\r\n", out);
          } },
        { "messages", 1000, depth,
          [](size_t n, const sink &out) {
              out(head);
              each(n, out, [](size_t) { return "Content-Type: message/rfc822\r\n\r\nSubject: a\r\n"; });
              out("\r\nx\r\n");
          } },
        { "messages-base64", 6, depth,
          [](size_t n, const sink &out) {
              std::string m = head + "\r\nx\r\n";
              for (size_t i = 0; i < n; i++)
                  m = type("message/rfc822", "base64") + base64(m);
              out(m);
          } },
        { "archive-zeros", 100u << 20, archive,
          [](size_t n, const sink &out) { attach(zip(std::string(n, 0)), "a.zip", out); } },
        { "archive-zeros-many", 1000, archive,
          [](size_t n, const sink &out) { attach(zip(std::string(1 << 20, 0), n), "a.zip", out); } },
        { "archive-members", 100000, archive,
          [](size_t n, const sink &out) { attach(zip("a", n), "a.zip", out); } },
        { "archive-nested", 6, archive,
          [](size_t n, const sink &out) {
              std::string z = zip(std::string(1 << 20, 0));
              for (size_t i = 0; i < n; i++)
                  z = zip(z, 16, ".zip");
              attach(z, "a.zip", out);
          } },
        { "archive-directory", 1u << 20, EVENT_BIT(EVENT_ARCHIVE_ODD),
          [](size_t n, const sink &out) {
              std::string z = zip("a");
              while (z.size() < n)
                  z += "PK\1\2" + std::string(42, 0);
              attach(z, "a.zip", out);
          } },
        { "archive-magics", 5u << 20, EVENT_BIT(EVENT_ARCHIVE_ODD),
          [](size_t n, const sink &out) {
              std::string z;
              while (z.size() < n)
                  z += "PK\3\4PK\1\2PK\5\6";
              attach(z, "a.zip", out);
          } },
        { "attachment-name", 15000, EVENT_BIT(EVENT_ATTACHMENT_NAME),
          [](size_t n, const sink &out) {
              out(type("application/pdf; name=\"a.pdf" + std::string(n, ' ') + ".exe\"") + "MZ\r\n");
          } },
    };
}

inline std::vector<mail>
all()
{
    std::vector<mail> v;
    for (auto &&part : { header_mails(), text_mails(), html_mails(), part_mails() })
        v.insert(v.end(), part.begin(), part.end());
    return v;
}

} // namespace hostile
#endif
