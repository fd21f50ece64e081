#include "scan/html.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "scan/entity.h"

namespace
{

struct page {
    std::string text, invisible;
    std::vector<std::string> links; /* "a http://..." */
    struct html_facts facts;
};

void
on_link(void *ctx, enum html_link type, struct span uri)
{
    std::string s = html_link_name(type);
    static_cast<page *>(ctx)->links.push_back(s + " " + std::string(uri.ptr, uri.ptr + uri.len));
}

page
render(const std::string &in, size_t window = 65536, bool goes_on = false)
{
    static struct html h;
    page p;
    struct html_sink sink = {on_link, &p};
    uint8_t out[HTML_OUT_MIN];
    size_t off = 0, used;

    html_setup();
    html_init(&h, false, &sink);
    h.goes_on = goes_on;
    for (;;) {
        size_t n;
        bool is_end = off == in.size();
        if (is_end) {
            n = html_end(&h, out, sizeof out);
        } else {
            size_t w = std::min(window, in.size() - off);
            n = html_feed(&h, reinterpret_cast<const uint8_t *>(in.data()) + off, w, out,
                          sizeof out, &used);
            off += used;
        }
        p.text.append(out, out + n);
        if (h.is_invisible)
            p.invisible.append(out, out + n);
        if (is_end && !n)
            break;
    }
    p.facts = h.facts;
    return p;
}

std::string
text(const std::string &in)
{
    std::string whole = render(in).text;
    EXPECT_EQ(whole, render(in, 1).text) << in;
    EXPECT_EQ(whole, render(in, 7).text) << in;
    return whole;
}

TEST(html, fits_into_the_slot_of_a_message)
{
    EXPECT_LE(sizeof(struct html), 24u * 1024);
}

/* What is expected in these was printed by Mail::SpamAssassin::HTML 4.0.1. */
TEST(html, white_space_of_elements_replaces_the_blank_before_it)
{
    EXPECT_EQ(text("a  b\n c <br> d<p>e </p> f"), "a b c\nd\n\ne\n\nf");
    EXPECT_EQ(text("a <b> b</b>"), "a  b");
    EXPECT_EQ(text("<li>a<td>b<h1>c"), " a b c");
    EXPECT_EQ(text("a<br/>b<br />c<br / >d"), "a\nb\nc\nd");
}

TEST(html, references_are_read_as_perl_does)
{
    EXPECT_EQ(text("&amp;&lt;&copyright &euro &euro; &#65;&#x42;&#0;&#xffff;"),
              "&<\xc2\xa9right &euro \xe2\x82\xac AB&#0;&#xffff;");
    EXPECT_EQ(text("&#xD83D;&#xDE00; &#xD83D;x"), "\xf0\x9f\x98\x80 \xef\xbf\xbdx");
    EXPECT_EQ(text("a&nbsp;b&#160;c"), "a b\xc2\xa0"
                                       "c");
    EXPECT_EQ(text("a\xc3\x82\xc2\xa0"
                   "b\xc3\x82"
                   "c"),
              "a b\xc3\x82"
              "c");
}

TEST(html, what_never_ends_is_read_again)
{
    EXPECT_EQ(text("t <title>foo <b>bar</b> zzz <p>qq"), "t\n\nfoo\n\nbar zzz\n\nqq");
    EXPECT_EQ(text("x <!-- foo > y <b>z"), "x  y z");
    EXPECT_EQ(text("x <!-- foo > y --> z"), "x  z");
    EXPECT_EQ(text("x <a href=\"y> z"), "x ");
    EXPECT_EQ(text("a < b <c"), "a < b ");
}

TEST(html, raw_elements)
{
    EXPECT_EQ(text("a<style>b</styl></style >c<script>d"), "ac");
    EXPECT_EQ(text("<textarea>&lt;<b></textarea><xmp>&lt;<b></xmp>"), "<<b>\n\n&lt;<b>\n\n");
    EXPECT_EQ(text("a<![CDATA[<b>&lt;]]>c<![if x]>d"), "a<b>&lt;cd");
}

TEST(html, invisible_text)
{
    EXPECT_EQ(render("a <font color=#fefefe>b</font> c").invisible, "b");
    EXPECT_EQ(render("a <p style='display:none'>b <b>c</b></p>d").invisible, "b c");
    EXPECT_EQ(render("a <span style='visibility: hidden'>b</span>").invisible, "b");
    EXPECT_EQ(render("<font size=1>b</font>").invisible, "b");
    EXPECT_EQ(
        render("<td style='background: #000, #123456 url(x)'><font color=#123456>b").invisible,
        "b");
    EXPECT_TRUE(render("<font color=nonsense>b").facts.font_invalid_color);
    EXPECT_TRUE(render("<body text=white>b").facts.font_low_contrast);
}

TEST(html, links_are_joined_with_the_base)
{
    auto p = render(
        "<base href='http://h/d/f.html'><a href=' ../x '>1</a><img src=a/./b><form action=//www.q/>"
        "<a href>2</a><td background=mailto:x>");
    EXPECT_EQ(p.links, (std::vector<std::string>{
                           "base http://h/d/f.html", "a http://h/x", "anchor ../x",
                           "img http://h/d/a/b", "form http://www.q/", "a http://h/d/href",
                           "anchor_text 1", "anchor href", "td mailto:x", "anchor_text 2"}));
    EXPECT_EQ(p.facts.link_cnt, 6u);
}

TEST(html, facts)
{
    auto f =
        render(
            "<!doctype html><html><title>\xc3\xa9t</title><foo></foo></foo><img width=10% height=2>"
            "ab<b>cd</b> <!x><object><form action=MAILTO:y><font size=+4 face='a,1'>")
            .facts;
    EXPECT_EQ(f.tags, 13u);
    EXPECT_EQ(f.title_len_max, 2u);
    EXPECT_EQ(f.closed_extra, 1u);
    EXPECT_EQ(f.image_area, 160);
    EXPECT_EQ(f.obfuscation, 1u);
    EXPECT_EQ(f.max_size, 7);
    EXPECT_TRUE(f.embeds && f.form_action_mailto && f.font_face_bad && f.comment.has_short);
    EXPECT_TRUE(f.has_inside[HTML_TAG_HTML] && f.inside[HTML_TAG_HTML] == 1);
    EXPECT_FALSE(f.has_inside[HTML_TAG_CENTER]);
}

TEST(html, background_without_value_ends_it_as_in_spamassassin)
{
    std::string in = "a <p style=\"background: ;\">b";
    EXPECT_EQ(text(in), "a ");
    EXPECT_TRUE(render(in).facts.is_aborted);
    EXPECT_EQ(render(in, 65536, true).text, "a\n\nb");
}

TEST(html, caps_are_told)
{
    std::string many, deep;
    for (int i = 0; i < 5000; i++)
        many += "<a href=x" + std::to_string(i) + ">";
    for (int i = 0; i < 1000; i++)
        deep += i & 1 ? "<p>" : "<span>";
    EXPECT_TRUE(render(many).facts.is_link_capped);
    EXPECT_EQ(render(many).facts.link_cnt, 5000u);
    EXPECT_TRUE(render(deep).facts.is_style_capped);
    EXPECT_TRUE(render("<title>" + std::string(HTML_HOLD_MAX + 1, 'x')).facts.is_hold_capped);
    EXPECT_TRUE(render("<a href='" + std::string(20000, 'x') + "'>").facts.is_store_capped);
}

} // namespace
