#include "scan/received.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "scan/ip_text.h"

namespace {

struct span span_of(const std::string &s)
{
    return {(const uint8_t *)s.data(), s.size()};
}

class Received : public testing::Test {
  protected:
    Received() : relays_(std::make_unique<struct relays>()) { relays_init(relays_.get()); }

    void add(const std::string &line) { relays_add_received(relays_.get(), span_of(line)); }

    std::string text(enum relays_which which)
    {
        std::string out(RELAYS_WRITE_MAX, '?');
        out.resize(relays_write(relays_.get(), which, (uint8_t *)out.data(), out.size()));
        return out;
    }

    std::unique_ptr<struct relays> relays_;
};

TEST_F(Received, Sendmail)
{
    add("from a.example (IDENT:joe@b.example [192.0.2.1] (may be forged)) by mx.example (8.12.8/8.12.8) with"
        " ESMTP id g8AB1 for <u@mx.example>; Mon, 2 Sep 2002 16:26:05 +0100 (IST)");
    EXPECT_EQ("[ ip=192.0.2.1 rdns=b.example helo=a.example by=mx.example ident=joe envfrom= intl=0 id=g8AB1 "
              "auth= msa=0 ]",
              text(RELAYS_UNTRUSTED));
    EXPECT_EQ("", text(RELAYS_TRUSTED));
}

TEST_F(Received, Families)
{
    add("from c.example (unknown [192.0.2.2]) by mx.example (Postfix) with ESMTP id 2BEB7 for <u@x>");
    add("from d.example ([192.0.2.3]:4321 helo=[10.0.0.1] ident=joe) by mx.example with esmtp (Exim 4.9) id "
        "17pT-00");
    add("from e.example (HELO f) (joe@192.0.2.4) by mx.example with SMTP; 12 Sep 2002 06:05:54 -0000");
    add("from g ([192.0.2.5] unverified) by ms.example with Microsoft SMTPSVC(5.0.2195);\t1 Jan 2003 1:02:03 X");
    ASSERT_EQ(4u, relays_->cnt);
    EXPECT_EQ("[ ip=192.0.2.2 rdns= helo=c.example by=mx.example ident= envfrom= intl=0 id=2BEB7 auth= msa=0 ] "
              "[ ip=192.0.2.3 rdns=d.example helo=!10.0.0.1! by=mx.example ident=joe envfrom= intl=0 id=17pT-00 "
              "auth= msa=0 ] "
              "[ ip=192.0.2.4 rdns=e.example helo=f by=mx.example ident=joe envfrom= intl=0 id= auth= msa=0 ] "
              "[ ip=192.0.2.5 rdns= helo=g by=ms.example ident= envfrom= intl=0 id= auth= msa=0 ]",
              text(RELAYS_EXTERNAL));
    EXPECT_TRUE(relays_->relay[0].has_no_rdns);
    EXPECT_FALSE(relays_->relay[3].has_no_rdns);
}

TEST_F(Received, TrustGoesAsFarAsPrivateAndAuthenticated)
{
    add("from a (a [10.0.0.1]) by b (Postfix) with ESMTP id 1111; 1 Jan 2003 01:02:03 +0000");
    add("by c (Postfix, from userid 1) id 2222");
    add("from d (d [192.0.2.1]) by e (Postfix) with ESMTPSA id 3333");
    add("from f (f [192.0.2.2]) by g (Postfix) with ESMTP id 4444");
    add("from h (h [10.0.0.2]) by i (Postfix) with ESMTP id 5555");
    EXPECT_EQ(4u, relays_->cnt);
    EXPECT_EQ(2u, relays_->trusted_cnt);
    EXPECT_EQ(0u, relays_->unparseable_cnt);
    ASSERT_NE(nullptr, relays_untrusted(relays_.get(), 1));
    EXPECT_TRUE(relays_untrusted(relays_.get(), 1)->is_private);
    EXPECT_EQ(nullptr, relays_untrusted(relays_.get(), 2));
    EXPECT_TRUE(relays_cut_has(relays_.get(), RELAYS_TRUSTED, 4, true));
    EXPECT_TRUE(relays_cut_has(relays_.get(), RELAYS_UNTRUSTED, 4, true));
    EXPECT_FALSE(relays_cut_has(relays_.get(), RELAYS_TRUSTED, 4, false));
    EXPECT_FALSE(relays_cut_has(relays_.get(), RELAYS_UNTRUSTED, 3, false));
}

TEST_F(Received, FetchedMailStartsAnew)
{
    add("from localhost (localhost [127.0.0.1]) by a (Postfix) with ESMTP id 1111");
    add("from pop [127.0.0.1] by localhost with IMAP (fetchmail-5.9.0) for u@localhost");
    add("from b (b [192.0.2.1]) by c (Postfix) with ESMTP id 2222");
    EXPECT_EQ(1u, relays_->cnt);
    EXPECT_EQ("", text(RELAYS_TRUSTED));
}

TEST_F(Received, SkippedAndUnparseable)
{
    add("(qmail 27981 invoked by uid 225); 14 Mar 2003 07:24:34 -0000");
    add("from mail pickup service by a with Microsoft SMTPSVC; Thu, 13 Feb 2003 19:05:39 -0500");
    add("from a by b; Thu, 20 Feb 2003 23:32:58 +0100");
    add("(from u@localhost) by c (8.12.11/8.12.11/Submit) id iBAD; 1 Jan 2003 01:02:03 +0000");
    EXPECT_EQ(0u, relays_->cnt + relays_->unparseable_cnt);
    add("from gibberish without sense");
    EXPECT_EQ(1u, relays_->unparseable_cnt);
}

TEST_F(Received, ClientIsTheFirstRelay)
{
    struct relay_client c = {};
    std::string ip = "192.0.2.9", helo = "client.example", sender = "a@b.example";
    c.ip = span_of(ip);
    c.helo = span_of(helo);
    c.mail_from = span_of(sender);
    c.has_mail_from = true;
    relays_client(relays_.get(), &c);
    add("from a (a [10.0.0.1]) by b (Postfix) with ESMTP id 1111");
    EXPECT_EQ("[ ip=192.0.2.9 rdns= helo=client.example by= ident= envfrom=a@b.example intl=0 id= auth= msa=0 ] "
              "[ ip=10.0.0.1 rdns=a helo=a by=b ident= envfrom= intl=0 id=1111 auth= msa=0 ]",
              text(RELAYS_UNTRUSTED));
    EXPECT_FALSE(relays_cut_has(relays_.get(), RELAYS_TRUSTED, 0, false));
    EXPECT_TRUE(relays_cut_has(relays_.get(), RELAYS_UNTRUSTED, 0, false));
}

TEST_F(Received, CapsAreTold)
{
    for (int i = 0; i < RELAYS_MAX; i++)
        add("from a (a [192.0.2.1]) by b (Postfix) with ESMTP id 1111");
    EXPECT_FALSE(relays_->is_capped);
    add("from a (a [192.0.2.1]) by b (Postfix) with ESMTP id 1111");
    EXPECT_TRUE(relays_->is_capped);
    EXPECT_EQ((unsigned)RELAYS_MAX, relays_->cnt);
    relays_init(relays_.get());
    add("from a (a [192.0.2.1]) by " + std::string(RECEIVED_LINE_MAX, 'b'));
    EXPECT_TRUE(relays_->is_capped);
}

TEST_F(Received, WriteStopsAtWholeRelays)
{
    add("from a (a [192.0.2.1]) by b (Postfix) with ESMTP id 1111");
    add("from a (a [192.0.2.1]) by b (Postfix) with ESMTP id 2222");
    std::string out(200, '?');
    size_t len = relays_write(relays_.get(), RELAYS_UNTRUSTED, (uint8_t *)out.data(), out.size());
    EXPECT_EQ(']', out[len - 1]);
    EXPECT_EQ('?', out[len]);
    EXPECT_EQ(0u, relays_write(relays_.get(), RELAYS_UNTRUSTED, (uint8_t *)out.data(), 20));
}

TEST(IpText, Forms)
{
    for (const char *s : {"1.2.3.4", "255.0.0.9", "::1", "::", "1::", "2001:db8::1", "1:2:3:4:5:6:7:8",
                          "::ffff:1.2.3.4", "1:2:3:4:5:6:1.2.3.4", "IPv6:2001:db8::1", "ipv6:::1"})
        EXPECT_TRUE(ip_text_is(span_of(s))) << s;
    for (const char *s : {"", "1.2.3", "1.2.3.256", "01.2.3.4", "1.2.3.4.5", "1:2:3:4:5:6:7", "1::2::3", ":1",
                          "1:2:3:4:5:6:7:8:9", "12345::", "1:", "g::1", "1:2:3:4:5:6:7::8"})
        EXPECT_FALSE(ip_text_is(span_of(s))) << s;
}

TEST(IpText, Private)
{
    for (const char *s : {"10.1.2.3", "127.0.0.1", "169.254.1.1", "172.16.0.1", "172.31.9.9", "192.168.0.1",
                          "100.64.0.1", "100.127.0.1", "::1", "fe80::1", "febf::1", "::ffff:10.0.0.1"})
        EXPECT_TRUE(ip_text_is_private(span_of(s))) << s;
    for (const char *s : {"11.0.0.1", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "2001:db8::1",
                          "fec0::1", "::2", "192.0.2.1", "x"})
        EXPECT_FALSE(ip_text_is_private(span_of(s))) << s;
}

TEST(IpText, Find)
{
    std::string text = "x1.2.3.4 :5.6.7.8 a192.0.2.1 (192.0.2.77) 9.9.9.9";
    struct span ip;
    ASSERT_TRUE(ip_text_find(span_of(text), &ip));
    EXPECT_EQ("192.0.2.77", std::string((const char *)ip.ptr, ip.len));
    EXPECT_FALSE(ip_text_find(span_of("no address: 1.2.3 here"), &ip));
}

} // namespace
