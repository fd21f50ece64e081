// Whole conversations over a bad wire, thousands of them: two small TCPs, an SMTP client and server that
// react, and the pipeline between them (sim.h). Loss, repetition, reordering and re-packetising on both
// hops; receivers of both overlap policies; an evil client that retransmits other octets.
#include "tests/flow/sim.h"

using namespace sim;

namespace
{

struct Knobs {
    double loss = 0, repeat = 0, evil = 0;
    unsigned reorder = 1; // a frame is taken from the first `reorder` in the queue
    size_t segment_max = 1448;
    bool v6 = false, vlan = false;
};

struct Mail {
    std::string octets; // dot-stuffed for DATA, ends in CRLF
    bool is_bad;
    bool is_bdat;
};

// An SMTP server over what its TCP received.
struct Server {
    size_t at = 0;
    bool in_data = false, is_greeted = false, has_quit = false;
    size_t bdat_left = 0;
    bool bdat_last = false;
    std::string message;
    std::vector<std::string> accepted;

    void run(End &e)
    {
        if (!is_greeted)
            e.out += "220 mx ESMTP\r\n", is_greeted = true;
        for (;;) {
            if (bdat_left || bdat_last) {
                size_t n = std::min(bdat_left, e.in.size() - at);
                message.append(e.in, at, n);
                at += n, bdat_left -= n;
                if (bdat_left)
                    return;
                e.out += "250 2.0.0 chunk\r\n";
                if (bdat_last)
                    accepted.push_back(message), message.clear();
                bdat_last = false;
                continue;
            }
            if (in_data) {
                size_t end = e.in.compare(at, 3, ".\r\n") == 0 ? at : e.in.find("\r\n.\r\n", at);
                if (end == std::string::npos)
                    return;
                size_t text_end = end == at ? at : end + 2;
                accepted.push_back(e.in.substr(at, text_end - at));
                at = text_end + 3;
                in_data = false;
                e.out += "250 2.0.0 queued\r\n";
                continue;
            }
            size_t nl = e.in.find("\r\n", at);
            if (nl == std::string::npos)
                return;
            std::string line = e.in.substr(at, nl - at);
            at = nl + 2;
            if (line == "DATA") {
                in_data = true;
                e.out += "354 go\r\n";
            } else if (line.compare(0, 5, "BDAT ") == 0) {
                bdat_left = strtoul(line.c_str() + 5, nullptr, 10);
                bdat_last = line.find("LAST") != std::string::npos;
            } else if (line.compare(0, 4, "EHLO") == 0) {
                e.out += "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n";
            } else if (line == "QUIT") {
                e.out += "221 bye\r\n";
                e.wants_fin = has_quit = true;
                return;
            } else {
                e.out += "250 ok\r\n";
            }
        }
    }
};

// Sends step by step, waits for the replies that a step is due.
struct Client {
    struct Step {
        std::string text;
        unsigned replies;
        int mail; // whose end this is, or -1
    };
    std::deque<Step> steps;
    size_t read_at = 0;
    unsigned due = 1; // the greeting
    int waiting_mail = -1;
    std::map<int, int> outcome; // mail -> code
    std::vector<int> codes;
    bool is_done = false;

    void plan(const std::vector<Mail> &mails, bool pipelining)
    {
        steps.push_back({"EHLO client\r\n", 1, -1});
        for (size_t i = 0; i < mails.size(); i++) {
            std::string env[] = {"MAIL FROM:<a@example.com>\r\n", "RCPT TO:<b@example.net>\r\n"};
            const Mail &m = mails[i];
            if (m.is_bdat) {
                size_t half = m.octets.size() / 2;
                std::string one = "BDAT " + std::to_string(half) + "\r\n" + m.octets.substr(0, half);
                std::string two = "BDAT " + std::to_string(m.octets.size() - half) + " LAST\r\n" +
                                  m.octets.substr(half);
                if (pipelining)
                    steps.push_back({env[0] + env[1] + one + two, 4, (int)i});
                else {
                    steps.push_back({env[0], 1, -1});
                    steps.push_back({env[1], 1, -1});
                    steps.push_back({one, 1, -1});
                    steps.push_back({two, 1, (int)i});
                }
                continue;
            }
            if (pipelining)
                steps.push_back({env[0] + env[1] + "DATA\r\n", 3, -1});
            else {
                steps.push_back({env[0], 1, -1});
                steps.push_back({env[1], 1, -1});
                steps.push_back({"DATA\r\n", 1, -1});
            }
            steps.push_back({m.octets + ".\r\n", 1, (int)i});
        }
        steps.push_back({"QUIT\r\n", 1, -1});
    }
    void run(End &e)
    {
        for (;;) {
            size_t nl = e.in.find("\r\n", read_at);
            if (nl == std::string::npos)
                break;
            std::string line = e.in.substr(read_at, nl - read_at);
            read_at = nl + 2;
            if (line.size() < 4 || line[3] != ' ')
                continue;
            int code = atoi(line.c_str());
            codes.push_back(code);
            if (due)
                due--;
            if (!due && waiting_mail >= 0)
                outcome[waiting_mail] = code, waiting_mail = -1;
            if (code >= 400)
                steps.clear(), steps.push_back({"QUIT\r\n", 1, -1});
        }
        if (due || is_done)
            return;
        if (steps.empty()) {
            is_done = e.wants_fin = true;
            return;
        }
        Step s = steps.front();
        steps.pop_front();
        e.out += s.text;
        due = s.replies;
        waiting_mail = s.mail;
    }
};

struct World {
    Knobs k;
    std::mt19937 rng;
    Weir weir;
    Tuple tuple;
    End client, server;
    Server mta;
    Client mua;
    std::deque<std::string> wire[4]; // client->weir, weir->server, server->weir, weir->client
    std::map<uint64_t, char> first;  // client octets as they first reached Weir
    uint64_t last_try[2] = {0, 0};

    World(const Knobs &knobs, unsigned seed, ruleset *rs) : k(knobs), rng(seed), weir(default_config(), rs)
    {
        tuple.v6 = k.v6;
        tuple.vlan = k.vlan;
        server.is_client = false;
        server.last_wins = rng() & 1;
        client.iss = rng() % 4 ? rng() : 0xfffffc00u;
        server.iss = rng();
        client.irs = server.iss;
        server.irs = client.iss;
    }
    bool chance(double p) { return std::uniform_real_distribution<>(0, 1)(rng) < p; }
    size_t below(size_t n) { return rng() % n; }

    void emit(End &e, uint64_t off, const std::string &payload, uint8_t flags)
    {
        Segment s;
        s.seq = e.iss + 1 + (uint32_t)off;
        s.ack = e.rcv_ack();
        s.flags = flags;
        s.payload = payload;
        s.ts_val = (uint32_t)weir.now;
        s.ts_ecr = e.ts_peer;
        wire[e.is_client ? 0 : 2].push_back(build(tuple, e.is_client, s));
        e.must_ack = false;
    }
    void transmit(End &e)
    {
        if (e.has_reset)
            return;
        while (e.nxt < e.out.size() && e.nxt - e.una < 12000 && !chance(0.2)) {
            size_t n = std::min<size_t>({1 + below(k.segment_max), e.out.size() - e.nxt, 1448});
            emit(e, e.nxt, e.out.substr(e.nxt, n), TCP_ACK);
            e.nxt += n;
            e.last_progress = weir.now;
        }
        if (e.wants_fin && !e.fin_sent && e.nxt == e.out.size()) {
            emit(e, e.nxt, "", TCP_ACK | TCP_FIN);
            e.fin_sent = true;
        }
        bool is_owed = e.una < e.out.size() ? e.una < e.nxt : e.fin_sent && !e.fin_acked;
        if (is_owed && weir.now - e.last_progress > 300) {
            e.last_progress = weir.now;
            if (e.una < e.out.size()) {
                size_t n = std::min<size_t>(1 + below(1448), e.nxt - e.una);
                std::string p = e.out.substr(e.una, n);
                if (e.is_client && chance(k.evil))
                    p[below(p.size())] ^= 0x15;
                emit(e, e.una, p, TCP_ACK);
            } else
                emit(e, e.out.size(), "", TCP_ACK | TCP_FIN);
        } else if (e.is_client && k.evil > 0 && e.una < e.nxt && chance(k.evil)) {
            // An overlap with other octets, anywhere in what is not acknowledged.
            uint64_t at = e.una + below(e.nxt - e.una);
            std::string p = e.out.substr(at, std::min<size_t>(1 + below(200), e.nxt - at));
            p[below(p.size())] ^= 0x15;
            emit(e, at, p, TCP_ACK);
        }
        if (e.must_ack)
            emit(e, e.nxt + (e.fin_sent ? 1 : 0), "", TCP_ACK);
    }
    std::string pop(std::deque<std::string> &q)
    {
        size_t i = below(std::min<size_t>(k.reorder, q.size()));
        std::string f = q[i];
        q.erase(q.begin() + (long)i);
        return f;
    }
    void into_weir(unsigned side, const std::string &frame)
    {
        if (side == OUTSIDE) {
            packet p;
            std::string copy = frame;
            packet_parse(&p, (uint8_t *)copy.data(), copy.size());
            uint64_t off = (uint32_t)(p.seq - (client.iss + 1));
            for (uint32_t i = 0; i < p.payload_len && !(p.flags & TCP_SYN); i++)
                first.emplace(off + i, (char)p.frame[p.payload_off + i]);
        }
        weir.in(side, frame);
        for (auto &f : weir.out[INSIDE])
            wire[1].push_back(f);
        for (auto &f : weir.out[OUTSIDE])
            wire[3].push_back(f);
        weir.out[0].clear();
        weir.out[1].clear();
    }
    void into_end(End &e, const std::string &frame)
    {
        std::string copy = frame;
        packet p;
        ASSERT_EQ(PACKET_TCP, packet_parse(&p, (uint8_t *)copy.data(), copy.size()));
        ASSERT_TRUE(packet_checksum_is_right(&p));
        if (!(p.flags & TCP_SYN))
            e.receive(p, weir.now);
    }
    void open()
    {
        Segment s;
        s.seq = client.iss, s.flags = TCP_SYN, s.ts_val = (uint32_t)weir.now;
        into_weir(OUTSIDE, build(tuple, true, s));
        s.seq = server.iss, s.ack = client.iss + 1, s.flags = TCP_SYN | TCP_ACK;
        into_weir(INSIDE, build(tuple, false, s));
        s.seq = client.iss + 1, s.ack = server.iss + 1, s.flags = TCP_ACK;
        into_weir(OUTSIDE, build(tuple, true, s));
        for (auto &w : wire)
            w.clear();
        client.last_progress = server.last_progress = weir.now;
    }
    bool is_over() const
    {
        return (client.has_reset || (client.fin_acked && client.fin_received)) &&
               (server.has_reset || (server.fin_acked && server.fin_received));
    }
    void run(uint64_t ms)
    {
        open();
        uint64_t end = weir.now + ms;
        while (weir.now < end && !is_over()) {
            mta.run(server);
            mua.run(client);
            transmit(client);
            transmit(server);
            for (unsigned w = 0; w < 4; w++)
                for (size_t n = wire[w].size() * 2 / 3 + 1; n-- && !wire[w].empty();) {
                    std::string f = pop(wire[w]);
                    if (chance(k.loss))
                        continue;
                    for (unsigned copies = chance(k.repeat) ? 2 : 1; copies--;) {
                        if (w == 0 || w == 2)
                            into_weir(w == 0 ? OUTSIDE : INSIDE, f);
                        else
                            into_end(w == 1 ? server : client, f);
                    }
                }
            weir.tick(20);
            for (unsigned side = 0; side < 2; side++) {
                for (auto &f : weir.out[side])
                    wire[side == INSIDE ? 1 : 3].push_back(f);
                weir.out[side].clear();
            }
        }
    }
    void show() const
    {
        printf("now %lu; client una %lu nxt %lu out %zu in %zu reset %d fin s%d a%d r%d due %u; ",
               weir.now, client.una, client.nxt, client.out.size(), client.in.size(),
               client.has_reset, client.fin_sent, client.fin_acked, client.fin_received, mua.due);
        printf("server una %lu nxt %lu out %zu in %zu reset %d\n  client read:\n%s\n", server.una,
               server.nxt, server.out.size(), server.in.size(), server.has_reset, client.in.c_str());
    }
    // Everything is given back once the timers have run out.
    void settle()
    {
        for (int i = 0; i < 100; i++)
            weir.tick(10000);
        ASSERT_EQ(0u, flow_cnt(weir.pl->flows));
        ASSERT_EQ(weir.pl->store.chunk_cnt, weir.pl->store.free_cnt);
        ASSERT_EQ(0u, weir.pl->sessions.used);
        ASSERT_EQ(0u, rte_mempool_in_use_count(mbuf_pool()));
    }
};

std::vector<Mail>
make_mails(std::mt19937 &rng, unsigned cnt, double bad)
{
    std::vector<Mail> mails;
    for (unsigned i = 0; i < cnt; i++) {
        Mail m;
        m.is_bad = std::uniform_real_distribution<>(0, 1)(rng) < bad;
        m.is_bdat = rng() % 3 == 0;
        m.octets = "Subject: " + std::to_string(rng()) + "\r\n\r\n";
        size_t lines = rng() % 60;
        for (size_t l = 0; l < lines; l++)
            m.octets += (l % 7 == 3 && !m.is_bdat ? std::string("..dot ") : std::string("text ")) +
                        std::string(rng() % 70, (char)('a' + rng() % 26)) + "\r\n";
        if (m.is_bad)
            m.octets += "xx BADWORD yy\r\n";
        mails.push_back(m);
    }
    return mails;
}

class Conversation : public testing::Test
{
  protected:
    ruleset *rs = make_rules("full BAD /BADWORD/\nscore BAD 10\n");
    void TearDown() override { ruleset_free(rs); }

    void honest(const Knobs &k, unsigned runs, unsigned seed)
    {
        uint64_t early = 0, refused = 0;
        for (unsigned i = 0; i < runs; i++) {
            SCOPED_TRACE("seed " + std::to_string(seed + i));
            World w(k, seed + i, rs);
            auto mails = make_mails(w.rng, 1 + w.rng() % 4, 0.3);
            w.mua.plan(mails, w.rng() & 1);
            w.run(600000);
            // Up to the first bad one all are delivered as they were; the bad one is refused with a reply.
            size_t good = 0;
            while (good < mails.size() && !mails[good].is_bad)
                good++;
            ASSERT_EQ(good, w.mta.accepted.size());
            for (size_t m = 0; m < good; m++) {
                ASSERT_EQ(mails[m].octets, w.mta.accepted[m]);
                ASSERT_EQ(250, w.mua.outcome[(int)m]);
            }
            if (getenv("WEIR_SHOW"))
                w.show();
            if (good < mails.size()) {
                ASSERT_EQ(550, w.mua.outcome[(int)good]);
                /* A reset is sent once; it may be lost like any frame. */
                ASSERT_TRUE(w.server.has_reset || k.loss > 0);
                refused++;
            } else
                ASSERT_EQ(w.client.out, w.server.in);
            ASSERT_TRUE(w.mua.is_done);
            ASSERT_FALSE(w.client.has_reset);
            early += w.weir.counter(COUNTER_SEGMENTS_EARLY);
            w.settle();
            if (HasFatalFailure())
                return;
        }
        if (k.reorder > 1) {
            EXPECT_GT(early, 0u);
        }
        EXPECT_GT(refused, 0u);
    }
};

TEST_F(Conversation, Clean)
{
    honest({}, 300, 1);
}

TEST_F(Conversation, OneOctetSegments)
{
    Knobs k;
    k.segment_max = 1;
    honest(k, 20, 1000);
}

TEST_F(Conversation, Reordered)
{
    Knobs k;
    k.reorder = 6;
    k.segment_max = 300;
    honest(k, 300, 2000);
}

TEST_F(Conversation, LostRepeatedReordered)
{
    Knobs k;
    k.loss = 0.05, k.repeat = 0.05, k.reorder = 4;
    k.segment_max = 500;
    honest(k, 300, 3000);
}

TEST_F(Conversation, Ipv6AndVlan)
{
    Knobs k;
    k.v6 = k.vlan = true;
    k.loss = 0.02, k.reorder = 3;
    honest(k, 100, 4000);
}

// What the server reads is what came first, whatever is sent later and whichever octets it would prefer;
// and a bad message is never accepted.
TEST_F(Conversation, EvilRetransmissions)
{
    uint64_t conflicts = 0;
    for (unsigned i = 0; i < 300; i++) {
        SCOPED_TRACE("seed " + std::to_string(5000 + i));
        Knobs k;
        k.evil = 0.4, k.loss = 0.03, k.reorder = 4, k.segment_max = 200;
        World w(k, 5000 + i, rs);
        auto mails = make_mails(w.rng, 2, 0.5);
        w.mua.plan(mails, w.rng() & 1);
        w.run(60000);
        for (size_t at = 0; at < w.server.in.size(); at++)
            ASSERT_EQ(w.first.at(at), w.server.in[at]) << "octet " << at;
        for (auto &m : w.mta.accepted)
            ASSERT_EQ(std::string::npos, m.find("BADWORD"));
        conflicts += w.weir.counter(COUNTER_CONFLICTS);
        w.settle();
    }
    EXPECT_GT(conflicts, 300u);
}

} // namespace
