#include "dataplane/packet.h"

#include <cstring>
#include <random>

#include <gtest/gtest.h>

#include "packet_build.h"

namespace {

packet
parse(octets &f)
{
    packet p;
    packet_parse(&p, f.data(), f.size());
    return p;
}

std::string
payload(const packet &p)
{
    return std::string((const char *)p.frame + p.payload_off, p.payload_len);
}

const std::vector<std::vector<std::pair<uint16_t, uint16_t>>> TAGGINGS = {
    {}, {{0x8100, 0xe064}}, {{0x88a8, 100}, {0x8100, 200}}, {{0x9100, 1}, {0x8100, 4095}}};

TEST(Packet, TcpOverBothVersionsAndAllTaggings)
{
    for (int version : {4, 6}) {
        for (auto &tags : TAGGINGS) {
            frame_spec s;
            s.version = version;
            s.tags = tags;
            s.padding = 9;
            s.tcp_options = {2, 4, 0x05, 0xb4, 1, 3, 3, 7, 1, 1, 8, 10, 0, 0, 0, 5, 0, 0, 0, 6};
            octets f = s.frame();
            packet p = parse(f);
            ASSERT_EQ(p.kind, PACKET_TCP);
            EXPECT_EQ(p.l3_off, 14 + 4 * tags.size());
            EXPECT_EQ(p.l4_off, p.l3_off + (version == 4 ? 20 : 40));
            EXPECT_EQ(payload(p), s.payload);
            EXPECT_EQ(p.seq, s.seq);
            EXPECT_EQ(p.ack, s.ack);
            EXPECT_EQ(p.window, 8192);
            EXPECT_EQ(p.urgent, 7);
            EXPECT_EQ(p.mss, 1460);
            EXPECT_TRUE(p.has_wscale && p.wscale == 7);
            EXPECT_TRUE(p.has_timestamps && p.ts_val == 5 && p.ts_ecr == 6);
            for (unsigned i = 0; i < 2; i++)
                EXPECT_EQ(p.key.vlan[i], i < tags.size() ? tags[i].second & 0xfff : 0);
            EXPECT_TRUE(packet_checksum_is_right(&p));
            f[p.payload_off]++;
            EXPECT_FALSE(packet_checksum_is_right(&p));
        }
    }
}

TEST(Packet, BothDirectionsHaveOneKey)
{
    for (int version : {4, 6}) {
        frame_spec a, b;
        a.version = b.version = version;
        std::swap(b.src, b.dst);
        std::swap(b.sport, b.dport);
        octets fa = a.frame(), fb = b.frame();
        packet pa = parse(fa), pb = parse(fb);
        EXPECT_EQ(memcmp(&pa.key, &pb.key, sizeof(pa.key)), 0);
        EXPECT_TRUE(pa.src_is_first);
        EXPECT_FALSE(pb.src_is_first);
        EXPECT_EQ(flow_key_hash(&pa.key, 9, false), flow_key_hash(&pb.key, 9, false));
        packet other = pa;
        other.key.port[0]++;
        EXPECT_NE(flow_key_hash(&pa.key, 9, false), flow_key_hash(&other.key, 9, false));
        EXPECT_EQ(flow_key_hash(&pa.key, 9, true), flow_key_hash(&other.key, 9, true));
        char text[46];
        flow_key_address(&pa.key, 0, text, sizeof(text));
        EXPECT_STREQ(text, version == 4 ? "198.0.0.1" : "2000::1");
    }
}

TEST(Packet, EveryTruncationIsBadOrOther)
{
    for (int version : {4, 6}) {
        frame_spec s;
        s.version = version;
        octets whole = s.frame();
        for (size_t n = 0; n < whole.size(); n++) {
            octets f(whole.begin(), whole.begin() + (long)n);
            f.shrink_to_fit();
            packet p = parse(f);
            EXPECT_TRUE(p.kind == PACKET_BAD || (n < 14 + 10 && p.kind == PACKET_OTHER)) << n;
        }
    }
}

TEST(Packet, BadLengths)
{
    frame_spec s;
    octets f = s.frame();
    f[14] = 0x44;
    EXPECT_EQ(parse(f).kind, PACKET_BAD);
    f = s.frame();
    f[14 + 20 + 12] = 0x40;
    EXPECT_EQ(parse(f).kind, PACKET_BAD);
    f[14 + 20 + 12] = 0xf0;
    EXPECT_EQ(parse(f).kind, PACKET_BAD);
    f = s.frame();
    f[14 + 9] = 17;
    EXPECT_EQ(parse(f).kind, PACKET_OTHER);
    f = s.frame();
    f[12] = 0x08, f[13] = 0x06;
    EXPECT_EQ(parse(f).kind, PACKET_OTHER);
}

TEST(Packet, MalformedTcpOptionsEndTheList)
{
    for (octets opt : {octets{2, 0, 0, 0}, {8, 10, 0, 0}, {3, 1, 3, 7}, {0, 3, 3, 7}, {1, 1, 1, 2}}) {
        frame_spec s;
        s.tcp_options = opt;
        octets f = s.frame();
        packet p = parse(f);
        ASSERT_EQ(p.kind, PACKET_TCP);
        EXPECT_FALSE(p.has_timestamps || p.has_wscale || p.mss);
    }
}

TEST(Packet, Ipv6ExtensionHeaders)
{
    auto chain = [](unsigned n) { // hop-by-hop, then destination options
        octets o;
        for (unsigned i = 0; i < n; i++)
            o.insert(o.end(), {(uint8_t)(i + 1 < n ? 60 : 6), 0, 1, 4, 0, 0, 0, 0});
        return o;
    };
    frame_spec s;
    s.version = 6;
    s.first_ext = 0;
    for (unsigned n = 1; n <= 8; n++) {
        s.ip_options = chain(n);
        octets f = s.frame();
        packet p = parse(f);
        ASSERT_EQ(p.kind, PACKET_TCP) << n;
        EXPECT_EQ(p.l4_off, 14 + 40 + 8 * n);
        EXPECT_TRUE(packet_checksum_is_right(&p));
    }
    s.ip_options = chain(9); // TCP behind more than we read must not pass unread
    octets f = s.frame();
    EXPECT_EQ(parse(f).kind, PACKET_BAD);
    s.ip_options = chain(1);
    f = s.frame();
    f[14 + 4] = f[14 + 5] = 0; // payload length 0: Linux takes the whole frame
    EXPECT_EQ(parse(f).kind, PACKET_BAD);
    f = s.frame();
    f[14 + 40] = 17; // UDP
    EXPECT_EQ(parse(f).kind, PACKET_OTHER);
    s.first_ext = 51; // AH counts in units of 4
    s.ip_options = octets(24, 0);
    s.ip_options[0] = 6;
    s.ip_options[1] = 4;
    f = s.frame();
    EXPECT_EQ(parse(f).kind, PACKET_TCP);
}

TEST(Packet, Fragments)
{
    for (int version : {4, 6}) {
        frame_spec s;
        s.version = version;
        s.first_ext = 44;
        s.payload = std::string(100, 'x');
        octets body = s.tcp();
        octets f = s.piece(body, 0, 64, 77);
        packet p = parse(f);
        ASSERT_EQ(p.kind, PACKET_FRAGMENT);
        EXPECT_TRUE(p.frag_has_more);
        EXPECT_EQ(p.frag_id, 77u);
        EXPECT_EQ(p.frag_len, 64u);
        EXPECT_EQ(p.key.port[0] | p.key.port[1], 0);
        f = s.piece(body, 64, body.size() - 64, 77);
        p = parse(f);
        ASSERT_EQ(p.kind, PACKET_FRAGMENT);
        EXPECT_FALSE(p.frag_has_more);
        EXPECT_EQ(p.frag_off, 64);
        EXPECT_EQ(p.frag_len, body.size() - 64);
        f = s.piece(body, 0, 60, 77); // not a multiple of 8, and more to come
        EXPECT_EQ(parse(f).kind, PACKET_BAD);
    }
}

TEST(Packet, TrimKeepsAParsableSegment)
{
    for (int version : {4, 6}) {
        for (auto &tags : TAGGINGS) {
            frame_spec s;
            s.version = version;
            s.tags = tags;
            s.flags = TCP_FIN | TCP_PSH | TCP_ACK | TCP_URG;
            s.padding = 5;
            for (uint32_t n = 0; n <= s.payload.size(); n++) {
                octets f = s.frame();
                packet p = parse(f);
                packet_trim(&p, n);
                f.resize(p.frame_len);
                packet q = parse(f);
                ASSERT_EQ(q.kind, PACKET_TCP);
                EXPECT_EQ(payload(q), s.payload.substr(0, n));
                EXPECT_EQ(q.flags, TCP_ACK | TCP_URG);
                EXPECT_TRUE(packet_checksum_is_right(&q));
                packet_clear_urgent(&q);
                packet u = parse(f);
                EXPECT_EQ(u.flags, TCP_ACK);
                EXPECT_EQ(u.urgent, 0);
                EXPECT_TRUE(packet_checksum_is_right(&u));
            }
        }
    }
}

// The fast sum against the slow one, at every length and alignment.
TEST(Packet, ChecksumAgreesWithTheSlowOne)
{
    std::mt19937 rng(1);
    for (unsigned len = 0; len < 200; len++) {
        frame_spec s;
        s.version = len % 2 ? 4 : 6;
        s.tags.resize(len % 3, {0x8100, 3});
        s.payload.clear();
        for (unsigned i = 0; i < len; i++)
            s.payload.push_back((char)(rng() % 3 ? rng() : 255));
        octets f = s.frame(), g = f;
        packet p = parse(f), q = parse(g);
        ASSERT_TRUE(packet_checksum_is_right(&p));
        q.frame[q.l4_off + 16] ^= 0x55;
        packet_checksum_write(&q);
        ASSERT_EQ(f, g);
    }
}

} // namespace
