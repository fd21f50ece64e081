// A million frames of garbage: real frames of conversations, cut, flipped, re-checksummed or not, in both
// directions, while honest conversations go on beside them. Nothing crashes (sanitizers), nothing leaks,
// and the honest ones neither stop nor change.
#include "tests/flow/sim.h"

using namespace sim;

namespace
{

// Frames of one conversation that uses most of what the machines know.
std::vector<std::pair<bool, std::string>>
material(const Tuple &t, uint32_t ts)
{
    const std::pair<bool, const char *> talk[] = {
        {false, "220 mx ESMTP\r\n"},
        {true, "EHLO c\r\n"},
        {false, "250-mx\r\n250-PIPELINING\r\n250-STARTTLS\r\n250-AUTH LOGIN\r\n250 CHUNKING\r\n"},
        {true, "AUTH LOGIN\r\n"},
        {false, "334 VXNlcm5hbWU6\r\n"},
        {true, "dXNlcg==\r\n"},
        {false, "535 5.7.8 no\r\n"},
        {true, "MAIL FROM:<a@example.com> SIZE=100\r\nRCPT TO:<b@example.net>\r\nDATA\r\n"},
        {false, "250 ok\r\n250 ok\r\n354 go\r\n"},
        {true, "Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
               "Content-Transfer-Encoding: base64\r\n\r\nQkFEV09SRA==\r\n--b--\r\n"},
        {true, "..dot\r\nlone\ncr\rnul\r\n.\r\n"},
        {false, "250 queued\r\n"},
        {true, "MAIL FROM:<>\r\nRCPT TO:<b@example.net>\r\nBDAT 10\r\n0123456789BDAT 3 LAST\r\nx\r\n"},
        {false, "250 ok\r\n250 ok\r\n250 chunk\r\n250 queued\r\n"},
        {true, "STARTTLS\r\n"},
        {false, "220 go\r\n"},
        {true, "\x16\x03\x01 tls"},
    };
    std::vector<std::pair<bool, std::string>> frames;
    uint32_t seq[2] = {1000, 5000};
    auto add = [&](bool from_client, uint8_t flags, const std::string &payload) {
        Segment s;
        s.seq = seq[from_client], s.ack = seq[!from_client], s.flags = flags, s.payload = payload;
        s.ts_val = ts++;
        frames.push_back({from_client, build(t, from_client, s)});
        seq[from_client] += (uint32_t)payload.size() + ((flags & (TCP_SYN | TCP_FIN)) ? 1 : 0);
    };
    add(true, TCP_SYN, "");
    add(false, TCP_SYN | TCP_ACK, "");
    add(true, TCP_ACK, "");
    for (auto &line : talk)
        add(line.first, TCP_ACK | TCP_PSH, line.second);
    add(true, TCP_ACK | TCP_FIN, "");
    add(false, TCP_ACK | TCP_RST, "");
    return frames;
}

void
mutate(std::string &f, std::mt19937 &rng)
{
    for (unsigned n = rng() % 4; n--;) {
        switch (rng() % 7) {
        case 0:
            f.resize(rng() % (f.size() + 1));
            break;
        case 1:
            f += std::string(rng() % 300, (char)rng());
            break;
        case 2: /* headers are where lengths live */
            if (!f.empty())
                f[rng() % std::min<size_t>(f.size(), 80)] = (char)rng();
            break;
        case 3:
            if (!f.empty())
                f[rng() % f.size()] ^= (char)(1 << rng() % 8);
            break;
        case 4: /* sequence and acknowledgment numbers nearby */
            if (f.size() > 46)
                f[38 + rng() % 8] = (char)(f[38 + rng() % 8] + (int)(rng() % 16));
            break;
        case 5: /* flags */
            if (f.size() > 47)
                f[47] = (char)rng();
            break;
        case 6: /* fragment field */
            if (f.size() > 21)
                f[20] = (char)(rng() % 64), f[21] = (char)(rng() % 4);
            break;
        }
    }
    if (f.size() > 2000)
        f.resize(2000);
    packet p;
    // Mostly with right sums, else nothing gets past the first check.
    if (rng() % 8 && packet_parse(&p, (uint8_t *)f.data(), f.size()) == PACKET_TCP)
        packet_checksum_write(&p);
}

class Garbage : public testing::Test
{
};

TEST_F(Garbage, AMillionFrames)
{
    const char *env = getenv("WEIR_GARBAGE_FRAMES");
    unsigned total = env ? (unsigned)atoi(env) : 1000000;
    ruleset *rs = make_rules("full BAD /BADWORD/\nscore BAD 10\nattachment A /BADWORD/\nbody B /x/\n"
                             "header H Subject =~ /x/\nrawbody R /BADWORD/\nscore R 10\n");
    std::mt19937 rng(7);
    Tuple honest_tuple;
    honest_tuple.client_port = 60000;
    {
        pipeline_config cfg = default_config();
        cfg.flows_max = 16384; /* else garbage fills the table, and what finds it full is not read */
        cfg.messages_max = 16384;
        cfg.idle_ms = 20000;
        Weir w(cfg, rs);
        unsigned port = 1000, honest_cnt = 0;
        for (unsigned n = 0; n < total;) {
            Tuple t;
            t.client_port = (uint16_t)(1000 + port++ % 200); /* tuples come again */
            t.v6 = rng() % 4 == 0;
            t.vlan = rng() % 8 == 0;
            for (auto &frame : material(t, n)) {
                std::string f = frame.second;
                if (rng() % 16 == 0)
                    continue;
                mutate(f, rng);
                w.in(frame.first ? OUTSIDE : INSIDE, f);
                if (rng() % 8 == 0)
                    w.in(frame.first ? OUTSIDE : INSIDE, frame.second);
                n++;
                w.out[0].clear();
                w.out[1].clear();
            }
            if (rng() % 64 == 0)
                w.tick(rng() % 400);
            if (rng() % 16 == 0) {
                /* An honest one: every frame leaves as it came. */
                for (auto &frame : material(honest_tuple, n)) {
                    w.out[0].clear();
                    w.out[1].clear();
                    w.in(frame.first ? OUTSIDE : INSIDE, frame.second);
                    auto &out = w.out[frame.first ? INSIDE : OUTSIDE];
                    std::string last = out.empty() ? "" : out.back();
                    if (frame.second.find("..dot") != std::string::npos) {
                        /* The end of a message with BADWORD in base64: refused. */
                        ASSERT_NE(frame.second, last);
                        break;
                    }
                    ASSERT_EQ(frame.second, last) << "honest frame after " << n << " of garbage";
                }
                honest_cnt++;
                honest_tuple.client_port = (uint16_t)(60000 + honest_cnt % 5000);
            }
            w.out[0].clear();
            w.out[1].clear();
        }
        EXPECT_GT(honest_cnt, total / 1000);
        for (int i = 0; i < 200; i++) {
            w.tick(10000);
        }
        EXPECT_EQ(0u, flow_cnt(w.pl->flows));
        EXPECT_EQ(w.pl->store.chunk_cnt, w.pl->store.free_cnt);
        EXPECT_EQ(0u, w.pl->sessions.used);
        EXPECT_EQ(0u, w.pl->refusals.used);
        printf("flows %lu, refusals %lu, bad %lu, bad sums %lu, fragments %lu, early %lu, conflicts %lu\n",
               w.counter(COUNTER_FLOWS), w.counter(COUNTER_REFUSALS), w.counter(COUNTER_BAD_FRAMES),
               w.counter(COUNTER_BAD_CHECKSUM), w.counter(COUNTER_FRAGMENTS),
               w.counter(COUNTER_SEGMENTS_EARLY), w.counter(COUNTER_CONFLICTS));
        EXPECT_GT(w.counter(COUNTER_REFUSALS), 100u);
        EXPECT_EQ(0u, w.counter(COUNTER_FLOW_TABLE_FULL));
    }
    EXPECT_EQ(0u, rte_mempool_in_use_count(mbuf_pool()));
    EXPECT_EQ(0u, ruleset_pinned(rs));
    ruleset_free(rs);
}

} // namespace
