/* ruleset_fixture: rule text to a loaded ruleset and a message's hits, for the tests of image, match, score. */
#ifndef WEIR_TESTS_UNIT_RULESET_FIXTURE_H
#define WEIR_TESTS_UNIT_RULESET_FIXTURE_H

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "scan/image.h"
#include "scan/score.h"

inline std::string
build(const std::string &text, const image_options &options = image_options())
{
    rule_list *l = rule_list_new();
    void *image = nullptr;
    size_t len = 0;
    rule_list_parse(l, "r.cf", text.data(), text.size());
    EXPECT_EQ(image_build_with(l, &options, nullptr, nullptr, &image, &len), 0) << rule_list_diagnostics(l);
    rule_list_free(l);
    std::string out(static_cast<char *>(image), len);
    free(image);
    return out;
}

using ruleset_ptr = std::unique_ptr<ruleset, decltype(&ruleset_free)>;

inline ruleset_ptr
load(const std::string &image, unsigned threads = 1)
{
    char err[256] = "";
    ruleset_ptr rs(ruleset_load(image.data(), image.size(), 7, threads, err, sizeof(err)), ruleset_free);
    EXPECT_TRUE(rs) << err;
    return rs;
}

/* One message: offer, then judge. */
struct trial {
    const ruleset *rs;
    unsigned thread;
    std::vector<uint64_t> bits;
    std::vector<uint16_t> counts;
    std::unique_ptr<match_batch> batch = std::make_unique<match_batch>();
    uint32_t unit_no = 0;
    hits h = {};
    judgement j = {};

    explicit trial(const ruleset_ptr &r, unsigned thread_idx = 0)
        : rs(r.get()), thread(thread_idx), bits(ruleset_rule_cnt(rs) / 64 + 1),
          counts(ruleset_counted_cnt(rs) + 1)
    {
        h.bits = bits.data();
        h.bits_cnt = ruleset_rule_cnt(rs);
        h.counts = counts.data();
        h.counts_cnt = ruleset_counted_cnt(rs);
    }

    /* Offers every header target; keys are "name" or "name/part". */
    void headers(const std::map<std::string, std::string> &values, enum target target = TARGET_HEADER)
    {
        uint32_t cnt;
        const header_target *t = match_header_targets(rs, target, &cnt);
        for (uint32_t i = 0; i < cnt; i++) {
            std::string key = t[i].name;
            if (t[i].part != HEADER_WHOLE)
                key += "/" + std::to_string(t[i].part);
            auto it = values.find(key);
            bool is_present = it != values.end();
            std::string v = is_present ? it->second : "";
            EXPECT_TRUE(match_header(rs, thread, target, i, is_present, octets(v), v.size(), &h));
        }
    }

    /* Units wait in `to` until it is run; NULL: in a batch of their own, run at once. */
    void block(enum target t, const std::string &v, match_batch *to = nullptr)
    {
        match_batch *b = to ? to : batch.get();
        uint8_t *room = match_room(b, v.size());
        ASSERT_TRUE(room);
        std::copy(v.begin(), v.end(), room);
        match_add(b, rs, t, v.size(), 1 + unit_no++, &h); /* 0 is the Subject: see subject() */
        if (!to)
            match_run(b, thread);
        EXPECT_FALSE(h.failed);
    }

    void subject(const std::string &v)
    {
        uint8_t *room = match_room(batch.get(), v.size());
        ASSERT_TRUE(room);
        std::copy(v.begin(), v.end(), room);
        match_add(batch.get(), rs, TARGET_BODY, v.size(), 0, &h);
        match_run(batch.get(), thread);
    }

    void stream(enum target t, const std::vector<std::string> &pieces)
    {
        bool failed;
        match_stream *s = match_open(rs, thread, t, &failed);
        EXPECT_FALSE(failed);
        if (!s)
            return;
        for (const std::string &p : pieces)
            EXPECT_TRUE(match_feed(s, octets(p), p.size(), &h));
        EXPECT_TRUE(match_close(s, &h));
    }

    /* Names of the rules that hit, space after each. */
    std::string judge(const thresholds &t = { INT32_MAX, INT32_MAX, 5000, INT32_MAX })
    {
        score_evaluate(rs, thread, nullptr, &h, &t, &j);
        std::string out;
        for (unsigned i = 0; i < j.rules_cnt; i++)
            out += std::string(ruleset_rule_name(rs, j.rules[i])) + " ";
        return out;
    }

    static const uint8_t *octets(const std::string &s)
    {
        return reinterpret_cast<const uint8_t *>(s.data());
    }
};

#endif
