/* mail_fixture: whole mails through message.h under compiled rules, for tests: what was judged, which rules hit. */
#ifndef WEIR_TESTS_UNIT_MAIL_FIXTURE_H
#define WEIR_TESTS_UNIT_MAIL_FIXTURE_H

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "scan/image.h"
#include "scan/message.h"
#include "scan/ruleset.h"

inline std::string
read_file(const std::string &path)
{
    std::ifstream f(path, std::ios::binary);
    return std::string((std::istreambuf_iterator<char>(f)), {});
}

/* As SMTP brings it. */
inline std::string
with_crlf(const std::string &in)
{
    std::string out;
    for (char c : in) {
        if (c == '\n' && (out.empty() || out.back() != '\r'))
            out += '\r';
        out += c;
    }
    return out;
}

/* The rules of these files and of `text`; or, where WEIR_TEST_IMAGE names a compiled image, that one: the stock rules
 * take too long to compile for a test. */
inline struct ruleset *
load_rules(const std::vector<std::string> &files, const std::string &text = "")
{
    const char *compiled = getenv("WEIR_TEST_IMAGE");
    std::string image;
    char err[256] = "";
    if (compiled) {
        image = read_file(compiled);
    } else {
        struct rule_list *l = rule_list_new();
        void *octets = nullptr;
        size_t len = 0;
        for (const std::string &file : files) {
            std::string rules = read_file(file);
            rule_list_parse(l, file.c_str(), rules.data(), rules.size());
        }
        rule_list_parse(l, "text.cf", text.data(), text.size());
        struct image_options options = {};
        options.keeps_unused = true;
        EXPECT_EQ(0, image_build_with(l, &options, nullptr, nullptr, &octets, &len)) << rule_list_diagnostics(l);
        image.assign((const char *)octets, len);
        free(octets);
        rule_list_free(l);
    }
    struct ruleset *rs = ruleset_load(image.data(), image.size(), 1, 1, err, sizeof(err));
    EXPECT_TRUE(rs) << err;
    return rs;
}

/* What is known of a mail in the end. */
struct outcome {
    struct judgement j;
    std::vector<bool> hits;
    bool has(enum event e) const { return j.events & EVENT_BIT(e); }
    bool operator==(const outcome &o) const
    {
        return hits == o.hits && j.verdict == o.j.verdict && j.cause == o.j.cause && j.events == o.j.events &&
               j.score_milli == o.j.score_milli && j.octets == o.j.octets && j.rules_total == o.j.rules_total;
    }
};

inline outcome
end_message(const struct ruleset *rs, struct message *m)
{
    outcome o = { *message_end(m), {} };
    for (uint32_t i = 0; i < ruleset_rule_cnt(rs); i++)
        o.hits.push_back(message_hit(m, i));
    message_free(m);
    return o;
}

inline struct message *
begin_message(struct scanner *sc)
{
    struct message *m = message_new(sc);
    const char *path = "sender@example.org", *ip = "192.0.2.1", *helo = "mx.example.net";
    message_mail(m, { (const uint8_t *)path, strlen(path) });
    message_rcpt(m, { (const uint8_t *)path, strlen(path) });
    message_client(m, { (const uint8_t *)ip, strlen(ip) }, { (const uint8_t *)helo, strlen(helo) });
    return m;
}

/* Each piece is an allocation of its own, so a sanitizer sees a read outside it. */
inline outcome
run_mail(struct scanner *sc, const std::string &mail, const std::function<size_t()> &cut)
{
    struct message *m = begin_message(sc);
    for (size_t off = 0; off < mail.size();) {
        size_t n = std::min(mail.size() - off, cut());
        std::vector<uint8_t> piece(mail.begin() + (long)off, mail.begin() + (long)(off + n));
        message_feed(m, piece.data(), n);
        off += n;
    }
    return end_message(sc->live, m);
}

inline std::string
difference(const struct ruleset *rs, const outcome &a, const outcome &b)
{
    std::string to;
    for (uint32_t i = 0; i < ruleset_rule_cnt(rs); i++) {
        if (a.hits[i] != b.hits[i])
            to += std::string(a.hits[i] ? " -" : " +") + ruleset_rule_name(rs, i);
    }
    for (int e = 0; e < EVENT_CNT; e++) {
        if (a.has((enum event)e) != b.has((enum event)e))
            to += std::string(a.has((enum event)e) ? " -" : " +") + event_name((enum event)e);
    }
    return to;
}

#endif
