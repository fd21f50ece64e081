// What an evasion researcher tried against the pipeline. Each test is one attack, named for what must not
// come of it.
#include "tests/flow/talk.h"

using namespace sim;

namespace
{

const char *REFUSED = "550 5.7.1 Message refused\r\n";

class Attack : public Talk
{
  protected:
    Attack() : Talk("full BAD /BADWORD/\nscore BAD 10\n")
    {
        cfg.unknown_ms = 0; // the start is over
    }

    void envelope()
    {
        server("220 mx\r\n");
        client("EHLO c\r\n");
        server("250-mx\r\n250-CHUNKING\r\n250 PIPELINING\r\n");
        mail();
        send(true, TCP_ACK, "");
        forget();
    }
    // IPv4 fragments of a frame, cut at `cut` octets of IP payload (a multiple of 8).
    std::vector<std::string> fragments(const std::string &f, size_t cut, uint16_t id)
    {
        std::string head = f.substr(0, 34), body = f.substr(34);
        std::vector<std::string> v;
        for (size_t off = 0; off < body.size(); off += cut) {
            std::string piece = body.substr(off, cut), h = head;
            bool more = off + piece.size() < body.size();
            uint16_t total = (uint16_t)(20 + piece.size()), frag = (uint16_t)(off / 8 | (more ? 0x2000 : 0));
            h[16] = (char)(total >> 8), h[17] = (char)total;
            h[18] = (char)(id >> 8), h[19] = (char)id;
            h[20] = (char)(frag >> 8), h[21] = (char)frag;
            h[24] = h[25] = 0;
            uint32_t sum = 0;
            for (size_t i = 14; i < 34; i += 2)
                sum += (uint32_t)((uint8_t)h[i] << 8 | (uint8_t)h[i + 1]);
            sum = (sum & 0xffff) + (sum >> 16);
            sum = ~(sum + (sum >> 16));
            h[24] = (char)(sum >> 8), h[25] = (char)sum;
            v.push_back(h + piece);
        }
        return v;
    }
};

// After a reset the client opens again with the ISN it had: the sequence numbers of the new connection are
// "old" ones of the one that Weir still follows.
TEST_F(Attack, SameIsnAgainIsANewConnectionThatIsRead)
{
    start();
    envelope();
    client(std::string(1000, 'x') + "\r\n");
    send(false, TCP_ACK, "");
    put(true, cseq, TCP_RST, "");
    cseq = 1000;
    sseq = 5000;
    open();
    envelope();
    client("BADWORD\r\n.\r\n");
    EXPECT_EQ("", text(INSIDE));
    EXPECT_EQ(REFUSED, text(OUTSIDE));
}

// Two SYNs before the server's answer: Weir remembers the second, the server answers the first.
TEST_F(Attack, TwoSynsOnAnOldTupleDoNotHideTheConnection)
{
    start();
    envelope();
    client(std::string(1000, 'x') + "\r\n");
    send(false, TCP_ACK, "");
    put(true, cseq, TCP_RST, "");
    cseq = 1000 - 900000000;
    sseq = 9000 - 900000000;
    send(true, TCP_SYN, "");
    cseq++;
    put(true, 123456, TCP_SYN, "");
    send(false, TCP_SYN | TCP_ACK, "");
    sseq++;
    send(true, TCP_ACK, "");
    forget();
    envelope();
    forget();
    client("BADWORD\r\n");
    client(".\r\n");
    EXPECT_EQ(std::string::npos, text(INSIDE).find("BADWORD"));
}

// A server with SYN cookies answers a repeated SYN with another ISN.
TEST_F(Attack, AnswerWithAnotherIsnBeforeTheConnectionIsOpen)
{
    cfg.unknown_ms = 0;
    weir = new Weir(cfg, rs);
    send(true, TCP_SYN, "");
    cseq++;
    send(false, TCP_SYN | TCP_ACK, ""); // lost behind us
    put(true, 1000, TCP_SYN, "");
    sseq = 777000;
    send(false, TCP_SYN | TCP_ACK, "");
    sseq++;
    send(true, TCP_ACK, "");
    envelope();
    client("BADWORD\r\n.\r\n");
    EXPECT_EQ(REFUSED, text(OUTSIDE));
}

// The receiver takes an urgent octet out of the stream; also when the segment came in fragments.
TEST_F(Attack, UrgentOctetInFragmentsIsMadeOrdinary)
{
    start();
    envelope();
    std::string f = frame(true, cseq, TCP_ACK | TCP_URG, "BADxWORD\r\n");
    packet p;
    packet_parse(&p, (uint8_t *)f.data(), f.size());
    p.frame[p.l4_off + 19] = 4; // the octet before it
    packet_checksum_write(&p);
    for (auto &piece : fragments(f, 24, 7))
        weir->in(OUTSIDE, piece);
    EXPECT_EQ("BADxWORD\r\n", text(INSIDE));
    EXPECT_FALSE(has_flag(INSIDE, TCP_URG));
}

// What the server drops of a datagram (a piece with a bad IP option, or that ran out of hops) it may take
// from the next with the same id: pieces of a segment that was read must not leave as pieces.
TEST_F(Attack, SegmentsThatWereReadLeaveWhole)
{
    start();
    envelope();
    std::string words = "one two three four five six\r\n";
    for (auto &piece : fragments(frame(true, cseq, TCP_ACK, words), 16, 7))
        weir->in(OUTSIDE, piece);
    cseq += (uint32_t)words.size();
    EXPECT_EQ(words, text(INSIDE)); // text() parses every frame as whole TCP
}

// A fragmented segment that is partly old and conflicts is made anew: nothing of our stack in it.
TEST_F(Attack, RemadeSegmentHasNoOctetsThatWereForgotten)
{
    start();
    envelope();
    client("0123456789\r\n");
    send(false, TCP_ACK, "");
    forget();
    client("abcdef\r\n");
    forget();
    std::string big = "0123456789\r\nABCDEF\r\n" + std::string(1600, 'y') + "\r\n";
    for (auto &piece : fragments(frame(true, cseq - 20, TCP_ACK, big), 800, 8))
        weir->in(OUTSIDE, piece);
    std::string t = text(INSIDE);
    size_t at = t.find("abcdef\r\ny");
    ASSERT_NE(std::string::npos, at);
    EXPECT_TRUE(at == 0 || t.substr(0, at) == "0123456789\r\n") << t.substr(0, at);
}

// Thirty clients each leave a hole at the server (a segment without ACK is dropped there) and fill Weir's
// memory behind it.
TEST_F(Attack, AFewHogsDoNotStopTheOthers)
{
    start();
    for (unsigned i = 0; i < 31; i++) {
        Tuple hog;
        hog.client_port = (uint16_t)(1000 + i);
        Segment s;
        s.flags = TCP_SYN;
        s.seq = 100;
        weir->in(OUTSIDE, build(hog, true, s));
        s.flags = TCP_SYN | TCP_ACK;
        s.seq = 500;
        s.ack = 101;
        weir->in(INSIDE, build(hog, false, s));
        s.flags = TCP_ACK;
        s.seq = 101;
        s.ack = 501;
        weir->in(OUTSIDE, build(hog, true, s));
        for (unsigned n = 0; n < 200; n++) {
            s.payload = std::string(1400, 'x') + "\r\n";
            weir->in(OUTSIDE, build(hog, true, s));
            s.seq += 1402;
        }
        weir->out[0].clear(), weir->out[1].clear();
    }
    envelope();
    client("Subject: a\r\n\r\n" + std::string(1000, 'x') + "\r\n");
    EXPECT_EQ(1016u, text(INSIDE).size());
}

// The server ends while its reply is awaited: the client must still get an answer, so not its FIN.
TEST_F(Attack, ServersFinBeforeOurReplyIsHeldBack)
{
    start();
    server("220 mx\r\n");
    client("EHLO c\r\n");
    server("250-mx\r\n250-CHUNKING\r\n250 PIPELINING\r\n");
    forget();
    client("MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\n");
    client("BDAT 9 LAST\r\nBADWORD\r\n");
    EXPECT_EQ("", text(OUTSIDE));
    forget();
    send(false, TCP_ACK | TCP_FIN, "250 ok\r\n");
    std::string line = REFUSED;
    EXPECT_EQ("250 ok\r\n" + line + line, text(OUTSIDE));
    EXPECT_FALSE(has_flag(OUTSIDE, TCP_FIN));
}

// A client outside cannot speak for the server.
TEST_F(Attack, ServersWordsDoNotComeFromOutside)
{
    start();
    server("220 mx\r\n");
    client("EHLO c\r\n");
    server("250-mx\r\n250 STARTTLS\r\n");
    client("STARTTLS\r\n");
    forget();
    weir->in(OUTSIDE, frame(false, sseq, TCP_ACK, "220 go\r\n"));
    EXPECT_EQ(0u, weir->out[0].size() + weir->out[1].size());
}

// A reset that no receiver believes does not make us forget the connection.
TEST_F(Attack, ResetBeyondWhatTheServerHasIsNotTheEnd)
{
    start();
    server("220 mx\r\n");
    client("EHLO c\r\n");
    server("250 mx\r\n");
    client("DATA\r\nhello\r\n");
    put(true, cseq, TCP_RST, ""); // the server is at the end of DATA: it will challenge this
    weir->tick(cfg.closed_ms + 1000);
    weir->tick(1000);
    EXPECT_EQ(1u, flow_cnt(weir->pl->flows));
}

// Linux takes off any number of priority tags (VLAN 0).
TEST_F(Attack, ThreePriorityTagsDoNotHideTheSegment)
{
    start();
    envelope();
    std::string f = frame(true, cseq, TCP_ACK, "BADWORD\r\n.\r\n");
    std::string tag("\x81\x00\x00\x00", 4);
    weir->in(OUTSIDE, f.substr(0, 12) + tag + tag + tag + f.substr(12));
    EXPECT_EQ("", text(INSIDE));
    EXPECT_EQ("550 5.7.1 Message refused\r\n", text(OUTSIDE));
    forget();
    std::string many;
    for (int i = 0; i < 8; i++)
        many += tag;
    weir->in(OUTSIDE, f.substr(0, 12) + many + f.substr(12));
    EXPECT_EQ(0u, weir->out[INSIDE].size());
}

// The server does not offer CHUNKING: it reads the chunk as commands.
TEST_F(Attack, ChunkThatTheServerReadsAsCommandsIsNoHidingPlace)
{
    start();
    server("220 mx\r\n");
    client("EHLO c\r\n");
    server("250 mx\r\n");
    forget();
    client("BDAT 5000\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n");
    server("500 what?\r\n250 ok\r\n250 ok\r\n354 go\r\n");
    forget();
    client("BADWORD\r\n.\r\n");
    EXPECT_EQ(std::string::npos, text(INSIDE).find(".\r\n"));
}

// Only some servers take "PUT " for HTTP and hang up; the others say 500 and go on.
TEST_F(Attack, AWordOfHttpDoesNotBlindUs)
{
    start();
    server("220 mx\r\n");
    client("PUT x\r\n");
    server("500 what?\r\n");
    client("EHLO c\r\n");
    server("250 mx\r\n");
    mail();
    client("BADWORD\r\n.\r\n");
    EXPECT_EQ("", text(INSIDE));
    EXPECT_EQ(REFUSED, text(OUTSIDE));
}

} // namespace
