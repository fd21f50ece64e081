/* second_fixture: conversations through one pipeline under a plan of two rule sets; a mail is one line. The last record, the
 * counts and the counters can be looked at. */
#ifndef WEIR_TESTS_FLOW_SECOND_FIXTURE_H
#define WEIR_TESTS_FLOW_SECOND_FIXTURE_H

#include <cjson/cJSON.h>
#include <memory>
#include <set>

#include "dataplane/deferred.h"
#include "dataplane/plan.h"
#include "dataplane/swap.h"
#include "dataplane/tally.h"
#include "tests/flow/talk.h"

namespace sim
{

inline const char *const OLD = "body BOTH /bothbad/\nscore BOTH 6\nbody OLD /oldbad/\nscore OLD 6\nbody MILD /mild/\nscore MILD 20\n";
inline const char *const NEW = "body BOTH /bothbad/\nscore BOTH 7\nbody NEW /newbad/\nscore NEW 6\nbody MILD /mild/\nscore MILD 6\n";

class Second : public Talk
{
  protected:
    struct swap *swap = swap_new(1);
    ruleset *old_set = make_rules(OLD, 7), *new_set = make_rules(NEW, 8);
    std::unique_ptr<link_evidence> e{new link_evidence()};
    std::unique_ptr<link_stage> v{new link_stage()};
    tally *t = tally_new(e.get(), 1, 3);
    deferred *d = deferred_new(4);
    record_ring *ring = record_ring_new(1024, false, -1);

    Second() : Talk("body UNUSED /x/\n")
    {
        v->budget_permille = 1000;
        v->share_ppm = 1000000;
        v->defer_max = 1000;
        v->defer_tries = 2;
        cfg.thresholds.drop_milli = 15000;
        cfg.messages_max = cfg.flows_max = cfg.refusals_max = 2048; // connections stay
    }
    void begin()
    {
        weir = new Weir(cfg, nullptr);
        weir->pl->records = ring;
        weir->pl->second.tally = t;
        weir->pl->second.deferred = d;
        swap_online(swap, 0);
    }
    void take()
    {
        swap_quiescent(swap, 0);
        pipeline_plan(weir->pl, swap, swap_take(swap, 0));
    }
    void publish(const swap_roles &roles)
    {
        ASSERT_EQ(0, swap_publish(swap, &roles));
        take();
        const plan *p = swap_plan(swap);
        ASSERT_EQ(0, tally_pair(t, p->a, p->b));
    }
    // old live, new on its way up
    void rising(link_stage_id stage)
    {
        if (!weir)
            begin();
        swap_roles roles = {};
        roles.live = old_set;
        roles.candidate = new_set;
        roles.stage = stage;
        roles.values = v.get();
        publish(roles);
    }
    // new live, old behind it
    void watched()
    {
        if (!weir)
            begin();
        swap_roles roles = {};
        roles.live = new_set;
        roles.previous = old_set;
        roles.stage = LINK_STAGE_LIVE;
        roles.values = v.get();
        publish(roles);
    }
    void TearDown() override
    {
        if (!weir)
            begin();
        swap_returned r;
        while (swap_take_return(swap, &r))
            ;
        Talk::TearDown(); // ends every flow, and the pipeline
        weir = nullptr;
        for (ruleset *rs : {old_set, new_set}) {
            if (is_ours(rs)) {
                EXPECT_EQ(0u, ruleset_pinned(rs));
                ruleset_free(rs);
            }
        }
        swap_offline(swap, 0);
        swap_free(swap);
        tally_free(t);
        deferred_free(d);
        record_ring_free(ring);
    }
    bool is_ours(ruleset *rs)
    {
        return rs && !swap_has(swap, ruleset_generation(rs));
    }
    void connect()
    {
        tuple.client_port++;
        cseq = 1000;
        sseq = 9000;
        open();
        server("220 mx ESMTP\r\n");
        client("EHLO c.test\r\n");
        server("250-mx\r\n250 CHUNKING\r\n");
        forget();
    }
    void envelope(const std::string &from, const std::vector<std::string> &to)
    {
        client("MAIL FROM:<" + from + ">\r\n");
        server("250 ok\r\n");
        for (auto &r : to) {
            client("RCPT TO:<" + r + ">\r\n");
            server("250 ok\r\n");
        }
    }
    void data()
    {
        client("DATA\r\n");
        server("354 go\r\n");
        forget();
    }
    // The octets after 354, and what the client hears.
    std::string finish(const std::string &body, const std::string &id)
    {
        forget();
        client("Subject: x\r\n" + (id.empty() ? "" : "Message-ID: <" + id + ">\r\n") + "\r\n" + body + "\r\n.\r\n");
        std::string heard = text(OUTSIDE);
        if (heard.empty()) {
            server("250 queued\r\n");
            heard = text(OUTSIDE);
        }
        return heard.substr(0, 3);
    }
    std::string mail(const std::string &from, const std::string &body, const std::string &id = "",
                     const std::vector<std::string> &to = {"r@customer.test"})
    {
        take();
        connect();
        envelope(from, to);
        unsigned before = weir->pl->scanner.messages_cnt - 1;
        data();
        std::string heard = finish(body, id);
        EXPECT_LE(weir->pl->scanner.messages_cnt, before + 1); // the second has been given back
        return heard;
    }
    void place(const std::string &path, struct second_place *p)
    {
        ::second_place(&weir->pl->scanner, {(const uint8_t *)path.data(), path.size()}, p);
    }
    uint64_t counter(enum counter c) { return weir->counter(c); }
    // The last record.
    std::shared_ptr<cJSON> record()
    {
        char *lines = nullptr;
        size_t len = 0;
        FILE *f = open_memstream(&lines, &len);
        record_drain(ring, f, nullptr);
        fclose(f);
        std::string all(lines, len), last;
        free(lines);
        for (size_t at = 0, end; (end = all.find('\n', at)) != std::string::npos; at = end + 1)
            last = all.substr(at, end - at);
        return {cJSON_Parse(last.c_str()), cJSON_Delete};
    }
    static std::string of(const cJSON *j, const char *key)
    {
        const cJSON *value = cJSON_GetObjectItem(j, key);
        if (!value)
            return "-";
        char *text = cJSON_PrintUnformatted(value);
        std::string s = text;
        cJSON_free(text);
        return s;
    }
    std::pair<uint32_t, uint32_t> all() { return {(uint32_t)(e->nk_all >> 32), (uint32_t)e->nk_all}; }
};

using Nk = std::pair<uint32_t, uint32_t>;

} // namespace sim

#endif
