// Eval functions: found by name, arguments checked, run over facts made by hand.
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

extern "C" {
#include "scan/alternative_facts.h"
#include "scan/body_emails.h"
#include "scan/eval.h"
#include "scan/eval_header.h"
#include "scan/image_facts.h"
#include "scan/mime_facts.h"
#include "scan/text_facts.h"
}

namespace {

struct span
span_of(const std::string &s)
{
    return { reinterpret_cast<const uint8_t *>(s.data()), s.size() };
}

struct Call {
    std::vector<std::string> text;
    struct eval_args args = {};

    explicit Call(std::vector<std::string> t) : text(std::move(t))
    {
        for (const auto &s : text)
            args.arg[args.cnt++] = span_of(s);
    }
};

double
run(const char *name, const struct eval_facts &f, std::vector<std::string> text = {})
{
    Call c(std::move(text));
    char err[200] = "";
    int id = eval_find(name);
    EXPECT_GE(id, 0) << name;
    EXPECT_TRUE(eval_check_args(id, &c.args, err, sizeof(err))) << err;
    struct eval_prepared *p = nullptr;
    EXPECT_EQ(eval_prepare(id, &c.args, 1, &p, err, sizeof(err)), 0) << err;
    double result = eval_run(id, &f, &c.args, p);
    eval_release(p);
    return result;
}

struct Header {
    uint8_t buf[4096];
    struct header h;

    explicit Header(const std::string &text)
    {
        enum header_next next;
        header_init(&h, buf, sizeof(buf), 0);
        header_feed(&h, reinterpret_cast<const uint8_t *>(text.data()), text.size(), &next);
        if (!h.is_done)
            header_end(&h);
    }
};

void
part(struct mime_facts *m, const std::string &header, unsigned depth, bool is_leaf, const std::string &octets = "")
{
    Header h(header + "\r\n");
    mime_facts_node(m, &h.h, depth, is_leaf);
    for (char c : octets)
        mime_facts_raw(m, reinterpret_cast<const uint8_t *>(&c), 1);
    mime_facts_end(m);
}

// Fields as header_facts gives them.
struct Fields {
    std::map<std::string, std::string> all;
    struct header_facts facts = {};

    Fields()
    {
        facts.ctx = this;
        facts.get = [](void *ctx, const char *name, enum field_form, bool *is_present) {
            auto &fields = static_cast<Fields *>(ctx)->all;
            auto it = fields.find(name);
            *is_present = it != fields.end();
            return *is_present ? span_of(it->second) : span{ nullptr, 0 };
        };
    }
};

bool
is_tld(void *, struct span s)
{
    return s.len == 7 && !memcmp(s.ptr, "example", 7);
}

TEST(Eval, NamesAreFoundAndUnique)
{
    EXPECT_EQ(eval_find("check_rbl"), -1);
    EXPECT_EQ(eval_find("check_bayes"), -1);
    EXPECT_EQ(eval_find(""), -1);
    for (int id = 0; id < eval_cnt(); id++)
        EXPECT_EQ(eval_find(eval_name(id)), id) << eval_name(id);
    EXPECT_GE(eval_find("check_for_shifted_date"), 0);
    EXPECT_GE(eval_find("html_text_match"), 0);
}

TEST(Eval, ArgumentsAreChecked)
{
    char err[200] = "";
    Call one({ "25" }), html({ "comment", "x" }), stock({ "title", ".{120}" }), bad({ "From", "(" });
    EXPECT_FALSE(eval_check_args(eval_find("check_for_uppercase"), &one.args, err, sizeof(err)));
    EXPECT_STREQ(err, "check_for_uppercase takes 2 arguments, not 1");
    EXPECT_FALSE(eval_check_args(eval_find("html_text_match"), &html.args, err, sizeof(err)));
    EXPECT_TRUE(eval_check_args(eval_find("html_text_match"), &stock.args, err, sizeof(err)));
    struct eval_prepared *p = nullptr;
    EXPECT_LT(eval_prepare(eval_find("check_freemail_header"), &bad.args, 1, &p, err, sizeof(err)), 0);
    EXPECT_EQ(p, nullptr);
    EXPECT_NE(strstr(err, "argument 2"), nullptr);
}

TEST(Eval, NoFactsNoHits)
{
    struct eval_facts none = {};
    Call c({ "0", "0", "0" });
    for (int id = 0; id < eval_cnt(); id++) {
        std::string name = eval_name(id);
        if (name == "multipart_alternative_difference")
            continue; // of no alternative at all: 0, which is in 0..0
        EXPECT_EQ(eval_run(id, &none, &c.args, nullptr), 0) << name;
    }
}

TEST(Eval, Parts)
{
    auto m = std::make_unique<struct mime_facts>();
    struct eval_facts f = {};
    f.mime = m.get();
    mime_facts_init(m.get());
    part(m.get(), "Content-Type: multipart/alternative; boundary=x\r\n", 0, false);
    part(m.get(), "Content-Type: TEXT/Enriched\r\n", 1, true, "caf\xe9\r\n&#x12AB;\r\n\rx\r\n");
    part(m.get(), "Content-Type: text/html; charset=\"KOI8-R\"\r\nContent-Transfer-Encoding: Quoted-Printable\r\n", 1,
         true, "=41=20\r\n" + std::string(80, 'x') + "\r\n");
    part(m.get(), "Content-Type: application/zip; name=a.EXE\r\nContent-Transfer-Encoding: base64\r\n", 1, true,
         std::string(77, 'A') + "\r\nAA");
    EXPECT_EQ(m->html_cnt, 1u);
    EXPECT_EQ(m->text_cnt, 1u);
    EXPECT_EQ(m->ascii_illegal_cnt, 2u);
    EXPECT_EQ(m->unicode_cnt, 1u);
    EXPECT_TRUE(m->has_caps_charset);
    EXPECT_TRUE(run("check_for_mime", f, { "mime_qp_long_line" }));
    EXPECT_TRUE(run("check_for_mime", f, { "mime_base64_count" }));
    EXPECT_FALSE(run("check_for_mime", f, { "mime_attachment" }));
    EXPECT_FALSE(run("check_for_mime", f, { "no_such_counter" }));
    EXPECT_TRUE(run("check_base64_length", f, { "78", "79" }));
    EXPECT_FALSE(run("check_base64_length", f, { "79" }));
    EXPECT_TRUE(run("check_ma_non_text", f));
    EXPECT_TRUE(run("check_microsoft_executable", f));
    EXPECT_FALSE(run("check_suspect_name", f)); // .exe as application/zip is what it says
    EXPECT_EQ(m->qp_cnt_escapes, 2u);
    EXPECT_EQ(m->qp_trailing, 1);
    mime_facts_flag(m.get(), MIME_FLAG_EPILOGUE);
    EXPECT_TRUE(run("check_msg_parse_flags", f, { "mime_epilogue_exists" }));
    EXPECT_FALSE(run("check_msg_parse_flags", f, { "truncated_header" }));
}

TEST(Eval, TypesAsSpamAssassinReadsThem)
{
    const struct {
        const char *value, *type;
    } cases[] = { { "", "text/plain" },           { "TEXT/HTML; x", "text/html" },
                  { " text/x-foo", "text/plain" }, { "text/calendar", "text/calendar" },
                  { "image/gif foo", "image/gif" }, { "textual/x", "textual/x" },
                  { "a/b(c)/d", "a/bc" },          { "text", "text/plain" } };
    for (const auto &c : cases) {
        char type[64];
        mime_type_of(span_of(c.value), type, sizeof(type));
        EXPECT_STREQ(type, c.type) << c.value;
    }
    struct span out;
    std::string v = "a/b; xcharset=no; charset = \"utf-8\"; filename='a b.exe';x";
    ASSERT_TRUE(mime_type_param(span_of(v), "charset", &out));
    EXPECT_EQ(std::string(reinterpret_cast<const char *>(out.ptr), out.len), "utf-8");
    ASSERT_TRUE(mime_type_param(span_of(v), "name", &out));
    EXPECT_EQ(std::string(reinterpret_cast<const char *>(out.ptr), out.len), "a b.exe");
    EXPECT_FALSE(mime_type_param(span_of("a/b; charset"), "charset", &out));
}

TEST(Eval, Text)
{
    struct text_facts t;
    struct mime_facts m;
    text_facts_init(&t);
    mime_facts_init(&m);
    struct eval_facts f = {};
    f.text = &t;
    f.mime = &m;
    text_facts_line(&t, span_of("Subject\n"));
    text_facts_line(&t, span_of("ABC " + std::string(100, 'A') + " " + std::string(100, 'b') + "\n"));
    EXPECT_TRUE(run("check_for_uppercase", f, { "50", "75" }));
    EXPECT_FALSE(run("check_for_uppercase", f, { "75", "100" }));
    text_facts_chunk(&t, span_of("a\n\n \n\t\n"));
    EXPECT_TRUE(run("check_blank_line_ratio", f, { "70", "80", "4" }));
    EXPECT_FALSE(run("check_blank_line_ratio", f, { "70", "80", "5" }));
    std::string stock = "Company Name: x\nTarget\n : 7\nx y target:\n\nticker: 7\nSymbol:Z\n:\n";
    for (char c : stock)
        text_facts_plain(&t, reinterpret_cast<const uint8_t *>(&c), 1);
    text_facts_end(&t);
    // "ticker" is the value of "x y target:", so it is no label.
    EXPECT_EQ(t.hits_cnt, 3u);
    text_facts_octets(&t, reinterpret_cast<const uint8_t *>("a\r\nb\r"), 5);
    text_facts_octets(&t, reinterpret_cast<const uint8_t *>("\nc"), 2);
    EXPECT_EQ(t.body_len, 5u);
    EXPECT_TRUE(run("check_body_length", f, { "5" }));
}

TEST(Eval, Alternatives)
{
    auto a = std::make_unique<struct alternative_facts>();
    alternative_facts_init(a.get());
    auto text = [&](bool is_html, const std::string &s) {
        for (char c : s)
            alternative_facts_text(a.get(), is_html, reinterpret_cast<const uint8_t *>(&c), 1);
        alternative_facts_part_end(a.get(), is_html);
    };
    text(true, "outside of one");
    alternative_facts_open(a.get());
    text(false, "one two -- three three");
    text(true, "one two\nfour ** three");
    alternative_facts_close(a.get());
    EXPECT_EQ(a->difference, 25);
    EXPECT_EQ(a->html_cnt, 4u);
    EXPECT_EQ(a->text_cnt, 3u);
    alternative_facts_open(a.get());
    text(false, "some words");
    text(true, " -- ");
    alternative_facts_close(a.get());
    EXPECT_EQ(a->difference, 100); // an image and no word
    struct eval_facts f = {};
    f.alternative = a.get();
    EXPECT_TRUE(run("multipart_alternative_difference", f, { "99", "100" }));
}

TEST(Eval, AlternativeFullOfWordsIsCapped)
{
    auto a = std::make_unique<struct alternative_facts>();
    alternative_facts_init(a.get());
    alternative_facts_open(a.get());
    for (int i = 0; i < 2 * ALTERNATIVE_SLOTS; i++) {
        std::string w = "w" + std::to_string(i) + " ";
        alternative_facts_text(a.get(), true, reinterpret_cast<const uint8_t *>(w.data()), w.size());
    }
    alternative_facts_part_end(a.get(), false);
    alternative_facts_close(a.get());
    EXPECT_TRUE(a->is_capped);
    EXPECT_LE(a->html_cnt, static_cast<uint64_t>(ALTERNATIVE_WORDS_MAX));
    EXPECT_EQ(a->difference, 100);
}

TEST(Eval, BodyEmails)
{
    struct body_emails e;
    body_emails_init(&e, is_tld, nullptr);
    body_emails_link(&e, span_of("mailto:Link@a.example?subject=x"));
    body_emails_line(&e, span_of("see a.b@x.example, <c@x.example> and http://u@y.example/d@z.example mail: e@x.example"));
    body_emails_line(&e, span_of("joe@x.example wrote: f@x.example phone: .g@x.example h@x.com i@x.example.foo A.B@X.example."));
    std::vector<std::string> got;
    for (unsigned i = 0; i < e.cnt; i++)
        got.emplace_back(reinterpret_cast<const char *>(body_email(&e, i).ptr), body_email(&e, i).len);
    EXPECT_EQ(got, (std::vector<std::string>{ "link@a.example", "a.b@x.example", "e@x.example", "f@x.example",
                                              "g@x.example" }));
    for (int i = 0; i < 100; i++)
        body_emails_line(&e, span_of(std::string(60, 'x') + std::to_string(i) + "@" + std::string(60, 'y') + ".example"));
    EXPECT_EQ(e.cnt, static_cast<unsigned>(BODY_EMAILS_MAX));
}

TEST(Eval, Pictures)
{
    struct image_facts im;
    image_facts_init(&im);
    auto picture = [&](const char *type, const std::string &octets) {
        image_facts_part(&im, type, span_of("a.gif"));
        for (char c : octets)
            image_facts_octets(&im, reinterpret_cast<const uint8_t *>(&c), 1);
        image_facts_end(&im);
    };
    picture("image/gif", std::string("GIF89a\x10\x00\x20\x00\x00\x00\x00", 13));
    picture("image/png", std::string("\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x03\0\0\0\x05", 24));
    picture("image/jpeg", std::string("\xff\xd8\xff\xe0\x00\x04xx\xff\xc0\x00\x11\x08\x00\x07\x00\x09", 17));
    picture("image/jpeg", "nothing");
    picture("image/tiff", "nothing");
    EXPECT_EQ(im.sizes_cnt, 3u);
    struct eval_facts f = {};
    f.images = &im;
    EXPECT_TRUE(run("image_count", f, { "all", "4", "4" }));
    EXPECT_TRUE(run("image_count", f, { "jpeg", "2" }));
    EXPECT_TRUE(run("image_size_exact", f, { "gif", "32", "16" }));
    EXPECT_TRUE(run("image_size_exact", f, { "png", "5", "3" }));
    EXPECT_TRUE(run("image_size_exact", f, { "jpeg", "7", "9" }));
    EXPECT_TRUE(run("pixel_coverage", f, { "all", "590", "590" }));
    EXPECT_TRUE(run("image_named", f, { "a.gif" }));
    EXPECT_TRUE(run("image_name_regex", f, { "^a\\.[fgi]+$" }));
    EXPECT_FALSE(run("image_name_regex", f, { "^b" }));
}

TEST(Eval, PatternsHaveALimit)
{
    struct image_facts im;
    image_facts_init(&im);
    std::string name = std::string(IMAGE_NAME_LEN_MAX - 1, 'a') + "b";
    image_facts_part(&im, "image/gif", span_of(name));
    image_facts_octets(&im, reinterpret_cast<const uint8_t *>("GIF89a\x10\x00\x20\x00\x00\x00\x00"), 13);
    struct eval_facts f = {};
    f.images = &im;
    EXPECT_FALSE(run("image_name_regex", f, { "^(a+)+(a+)+(a+)+$" }));
}

} // namespace
