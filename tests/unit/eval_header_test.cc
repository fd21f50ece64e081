#include "scan/eval_header.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace {

struct span span_of(const std::string &s)
{
    return {(const uint8_t *)s.data(), s.size()};
}

/* A message: "Name" or "Name:addr", ":addr_all", ":raw" to a value. */
class EvalHeader : public testing::Test {
  protected:
    EvalHeader() : relays_(std::make_unique<struct relays>()) { relays_init(relays_.get()); }

    static struct span get(void *ctx, const char *name, enum field_form part, bool *is_present)
    {
        static const char *const forms[] = {"", ":raw", ":addr", ":name", ":addr_all", ":first_addr"};
        auto &fields = ((EvalHeader *)ctx)->fields;
        auto it = fields.find(std::string(name) + forms[part]);
        *is_present = it != fields.end();
        return *is_present ? span_of(it->second) : span{nullptr, 0};
    }

    static struct span registered_domain(void *, struct span host, bool *is_valid)
    {
        *is_valid = true;
        return host;
    }

    int run(const std::string &name, const std::vector<std::string> &words = {})
    {
        struct header_facts f = {get, registered_domain, this, relays_.get(), false, {nullptr, 0}, {}};
        struct eval_args args = {};
        for (const auto &w : words)
            args.arg[args.cnt++] = span_of(w);
        eval_header_fn *fn = eval_header_find(span_of(name));
        return fn == nullptr ? -1 : fn(&f, &args);
    }

    std::map<std::string, std::string> fields;
    std::unique_ptr<struct relays> relays_;
};

int64_t date(const std::string &s)
{
    int64_t t = -1;
    return eval_date_parse(span_of(s), &t) ? t : -1;
}

TEST(EvalDate, Forms)
{
    EXPECT_EQ(1030980365, date("Mon, 2 Sep 2002 16:26:05 +0100"));
    EXPECT_EQ(1030980365, date("Mon,  2 Sep 02 16:26:05 BST"));
    EXPECT_EQ(1030983900, date("2 sep 2002 16:25"));
    EXPECT_EQ(1030982400 - 16 * 3600, date("Mon Sep 2 16:26:05 2002"));
    EXPECT_EQ(0, date("1 Jan 1970 00:00:00 +0100"));
    EXPECT_EQ(date("1 Mar 2003 00:00:00 -0000"), date("31 Feb 2003 00:00:00 GMT"));
    EXPECT_EQ(date("31 Dec 2037 23:59:59 +0000"), date("31 Dec 2090 25:61:61 +0000"));
    EXPECT_EQ(-1, date("yesterday"));
    EXPECT_EQ(-1, date(""));
}

TEST_F(EvalHeader, TableIsSortedAndFound)
{
    for (unsigned i = 1; i < eval_header_table_cnt; i++)
        EXPECT_LT(std::string(eval_header_table[i - 1].name), eval_header_table[i].name);
    EXPECT_EQ(-1, run("check_rbl"));
}

TEST_F(EvalHeader, ShiftedDate)
{
    fields["Date"] = "Mon, 2 Sep 2002 12:00:00 +0000\n";
    EXPECT_EQ(0, run("check_for_shifted_date", {"undef", "-96"}));
    fields["Received"] = "from a by b; Mon, 2 Sep 2002 16:00:01 +0000\nfrom c by d; 2 Sep 2002 12:00:00 +0000\n";
    EXPECT_EQ(1, run("check_for_shifted_date", {"-6", "-3"}));
    EXPECT_EQ(0, run("check_for_shifted_date", {"3", "6"}));
    fields["Resent-Date"] = "Mon, 2 Sep 2002 16:00:00 +0000\n";
    EXPECT_EQ(0, run("check_for_shifted_date", {"-6", "-3"}));
}

TEST_F(EvalHeader, Recipients)
{
    fields["ToCc:addr_all"] = "aa@a.x\nab@b.x\nac@c.x\nad@d.x\nae@e.x\naf@f.x\nag@g.x\n";
    EXPECT_EQ(1, run("sorted_recipients"));
    EXPECT_EQ(0, run("similar_recipients", {"0.65", "undef"}));
    fields["ToCc:addr_all"] = "aa1@hx1.x\naa2@hx2.x\naa3@hx3.x\naa3@hx3.x\naa4@hx4.x\nba@hx5.x\n";
    EXPECT_EQ(0, run("sorted_recipients"));
    EXPECT_EQ(1, run("similar_recipients", {"0.65", "undef"}));
}

TEST_F(EvalHeader, Subject)
{
    fields["Subject"] = "RE: BUY IT NOW!\n";
    EXPECT_EQ(1, run("subject_is_all_caps"));
    fields["Subject:raw"] = "=?koi8-r?Q?BUY?=\n";
    EXPECT_EQ(0, run("subject_is_all_caps"));
    fields["Subject:raw"] = "cr\xe8me br\xfbl\xe9\n";
    EXPECT_EQ(1, run("check_illegal_chars", {"Subject", "0.00", "2"}));
    fields["Subject:raw"] = "cr\xc3\xa8me br\xc3\xbbl\xc3\xa9\n";
    EXPECT_EQ(0, run("check_illegal_chars", {"Subject", "0.00", "2"}));
    fields["To:addr"] = "joe@example.org";
    for (const char *s : {"Re: joe\n", "fw: hello JOE\n", "joe, look\n", "Joe\n", ", joe!\n"}) {
        fields["Subject"] = s;
        EXPECT_EQ(1, run("check_for_to_in_subject", {"user"})) << s;
    }
    fields["Subject"] = "Joe, look\n";
    EXPECT_EQ(0, run("check_for_to_in_subject", {"user"}));
    fields["Subject"] = "for JOE@example.org only\n";
    EXPECT_EQ(1, run("check_for_to_in_subject", {"address"}));
}

TEST_F(EvalHeader, Templates)
{
    fields["ALL"] = "Subject: %NAME\nX-Mailer: none\n";
    EXPECT_EQ(0, run("check_unresolved_template"));
    fields["ALL"] += "X-Campaign: %FROM_NAME\n";
    EXPECT_EQ(1, run("check_unresolved_template"));
    fields["Content-Type"] = "text/plain\ntext/plain\n";
    EXPECT_EQ(0, run("check_header_count_range", {"Content-Type", "2", "999"}));
    fields["Content-Type"] += "text/html\n";
    EXPECT_EQ(1, run("check_header_count_range", {"Content-Type", "2", "999"}));
}

TEST_F(EvalHeader, EnvelopeFrom)
{
    struct header_facts f = {get, registered_domain, this, relays_.get(), false, {nullptr, 0}, {}};
    bool is_known = true;
    eval_envelope_from(&f, &is_known);
    EXPECT_FALSE(is_known);
    fields["Return-Path:first_addr"] = "a@b.example";
    fields["ALL"] = "Return-Path: <a@b.example>\nReceived: x\n";
    EXPECT_EQ(11u, eval_envelope_from(&f, &is_known).len);
    EXPECT_TRUE(is_known);
    fields["ALL"] = "Received: x\nReturn-Path: <a@b.example>\n";
    eval_envelope_from(&f, &is_known);
    EXPECT_FALSE(is_known);
    f.has_mail_from = true;
    EXPECT_EQ(0u, eval_envelope_from(&f, &is_known).len);
    EXPECT_TRUE(is_known);
}

TEST_F(EvalHeader, Relays)
{
    EXPECT_EQ(1, run("check_no_relays"));
    std::string line = "from 192.0.2.1 (x [198.51.100.7]) by mx.example (Postfix) with ESMTP id 1111";
    relays_add_received(relays_.get(), span_of(line));
    EXPECT_EQ(0, run("check_no_relays"));
    EXPECT_EQ(0, run("check_all_trusted"));
    EXPECT_EQ(1, run("helo_ip_mismatch"));
    fields["EnvelopeFrom:addr"] = "a@x";
    EXPECT_EQ(0, run("check_mailfrom_matches_rcvd"));
    fields["From:addr"] = "a@y.example";
    fields["EnvelopeFrom:addr"] = "a@z.w.example";
    EXPECT_EQ(1, run("check_equal_from_domains"));
    fields["EnvelopeFrom:addr"] = "A@Y.example";
    EXPECT_EQ(0, run("check_equal_from_domains"));
    EXPECT_EQ(1, run("check_for_matching_env_and_hdr_from"));
}

} // namespace
