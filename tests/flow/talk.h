// talk: the fixture of tests that write a connection segment by segment.
#ifndef WEIR_TESTS_FLOW_TALK_H
#define WEIR_TESTS_FLOW_TALK_H

#include "tests/flow/sim.h"

namespace sim
{

// A conversation written segment by segment; both sides' sequence numbers are kept here.
class Talk : public testing::Test
{
  protected:
    explicit Talk(const char *rules) : rs(make_rules(rules)) {}

    ruleset *rs;
    pipeline_config cfg = default_config();
    Weir *weir = nullptr;
    Tuple tuple;
    uint32_t cseq = 1000, sseq = 9000; // next to be sent
    uint32_t ts = 100;

    void open()
    {
        send(true, TCP_SYN, "");
        cseq++;
        send(false, TCP_SYN | TCP_ACK, "");
        sseq++;
        send(true, TCP_ACK, "");
        forget();
    }
    void start()
    {
        weir = new Weir(cfg, rs);
        open();
    }
    void TearDown() override
    {
        unsigned before = rte_mempool_in_use_count(mbuf_pool());
        EXPECT_EQ(0u, before);
        if (weir) {
            uint32_t chunks = weir->pl->store.chunk_cnt;
            for (int i = 0; i < 200; i++)
                weir->tick(10000);
            EXPECT_EQ(0u, flow_cnt(weir->pl->flows));
            EXPECT_EQ(chunks, weir->pl->store.free_cnt);
            EXPECT_EQ(0u, weir->pl->sessions.used);
            EXPECT_EQ(0u, weir->pl->refusals.used);
        }
        delete weir;
        EXPECT_EQ(0u, ruleset_pinned(rs));
        ruleset_free(rs);
    }
    Segment segment(bool from_client, uint32_t seq, uint8_t flags, const std::string &payload)
    {
        Segment s;
        s.seq = seq;
        s.ack = flags & TCP_ACK ? (from_client ? sseq : cseq) : 0;
        s.flags = flags;
        s.payload = payload;
        s.ts_val = ts++;
        return s;
    }
    std::string frame(bool from_client, uint32_t seq, uint8_t flags, const std::string &payload)
    {
        return build(tuple, from_client, segment(from_client, seq, flags, payload));
    }
    void put(bool from_client, uint32_t seq, uint8_t flags, const std::string &payload)
    {
        weir->in(from_client ? OUTSIDE : INSIDE, frame(from_client, seq, flags, payload));
    }
    void send(bool from_client, uint8_t flags, const std::string &payload)
    {
        put(from_client, from_client ? cseq : sseq, flags, payload);
        (from_client ? cseq : sseq) += (uint32_t)payload.size();
    }
    void client(const std::string &s) { send(true, TCP_ACK | TCP_PSH, s); }
    void server(const std::string &s) { send(false, TCP_ACK | TCP_PSH, s); }
    void forget()
    {
        weir->out[0].clear();
        weir->out[1].clear();
    }
    struct Seen {
        packet p;
        std::string payload;
    };
    // Frames that left toward the server (INSIDE) or the client (OUTSIDE), with checksums verified.
    std::vector<Seen> seen(unsigned side)
    {
        std::vector<Seen> v;
        for (auto &f : weir->out[side]) {
            Seen s;
            EXPECT_EQ(PACKET_TCP, packet_parse(&s.p, (uint8_t *)f.data(), f.size()));
            EXPECT_TRUE(packet_checksum_is_right(&s.p));
            s.payload.assign((char *)s.p.frame + s.p.payload_off, s.p.payload_len);
            v.push_back(s);
        }
        return v;
    }
    std::string text(unsigned side)
    {
        std::string t;
        for (auto &s : seen(side))
            t += s.payload;
        return t;
    }
    // A transaction up to the server's 354.
    void mail()
    {
        client("MAIL FROM:<a@b.test>\r\n");
        server("250 ok\r\n");
        client("RCPT TO:<c@d.test>\r\n");
        server("250 ok\r\n");
        client("DATA\r\n");
        server("354 go\r\n");
        forget();
    }
    bool has_flag(unsigned side, uint8_t flag)
    {
        bool is_there = false;
        for (auto &s : seen(side))
            is_there |= (s.p.flags & flag) != 0;
        return is_there;
    }
};

} // namespace sim
#endif
