// What a connection through the pipeline promises, by hand-made segments: DESIGN promises 1-4.
#include "tests/flow/talk.h"

using namespace sim;

namespace
{

const char *RULES = "full BAD /BADWORD/\nscore BAD 10\nfull LATE /LATEWORD/\nscore LATE 3\n";

class Tcp : public Talk
{
  protected:
    Tcp() : Talk(RULES) {}

    void envelope()
    {
        server("220 mx\r\n");
        client("EHLO c\r\n");
        server("250-mx\r\n250 PIPELINING\r\n");
        mail();
    }
};

TEST_F(Tcp, GoodMailLeavesAsItCame)
{
    start();
    server("220 mx\r\n");
    EXPECT_EQ("220 mx\r\n", text(OUTSIDE));
    forget();
    std::string m = "Subject: x\r\n\r\nhello\r\n.\r\n";
    envelope();
    Segment s = segment(true, cseq, TCP_ACK, m);
    std::string frame = build(tuple, true, s);
    weir->in(OUTSIDE, frame);
    ASSERT_EQ(1u, weir->out[INSIDE].size());
    EXPECT_EQ(frame, weir->out[INSIDE][0]);
}

TEST_F(Tcp, BadMailIsAnsweredByUsAndNeverCompleted)
{
    start();
    envelope();
    uint32_t server_nxt = sseq;
    client("Subject: x\r\n\r\n");
    EXPECT_EQ("Subject: x\r\n\r\n", text(INSIDE));
    forget();
    client("BADWORD\r\n.\r\n");
    auto out = seen(INSIDE), back = seen(OUTSIDE);
    // One with all that went out, one with what the server is known to have (it may lag).
    ASSERT_EQ(2u, out.size());
    for (auto &s : out) {
        EXPECT_TRUE(s.p.flags & TCP_RST);
        EXPECT_EQ("", s.payload);
    }
    EXPECT_EQ(cseq - 12, out[0].p.seq);
    ASSERT_EQ(1u, back.size());
    EXPECT_EQ("550 5.7.1 Message refused\r\n", back[0].payload);
    EXPECT_EQ(server_nxt, back[0].p.seq);
    EXPECT_EQ(cseq, back[0].p.ack); // the client is told that all arrived
    EXPECT_TRUE(back[0].p.has_timestamps);
    forget();
    // Sent again until acknowledged.
    weir->tick(1100);
    EXPECT_EQ("550 5.7.1 Message refused\r\n", text(OUTSIDE));
    forget();
    sseq += 27;
    client("MAIL FROM:<x@y.test>\r\n");
    back = seen(OUTSIDE);
    ASSERT_EQ(1u, back.size());
    EXPECT_EQ("421 4.7.0 mx.test closing\r\n", back[0].payload);
    EXPECT_TRUE(back[0].p.flags & TCP_FIN);
    EXPECT_EQ(cseq, back[0].p.ack);
    forget();
    server("250 late\r\n"); // nothing of the server passes any more
    EXPECT_EQ(0u, weir->out[OUTSIDE].size());
    ASSERT_EQ(1u, seen(INSIDE).size());
    EXPECT_TRUE(seen(INSIDE)[0].p.flags & TCP_RST);
}

TEST_F(Tcp, QuitPipelinedBehindTheEndIsSaidGoodbye)
{
    start();
    envelope();
    client("BADWORD\r\n.\r\nQUIT\r\n");
    EXPECT_EQ("550 5.7.1 Message refused\r\n221 2.0.0 Bye\r\n", text(OUTSIDE));
    EXPECT_TRUE(seen(OUTSIDE).back().p.flags & TCP_FIN);
}

TEST_F(Tcp, PipelinedBdatGetsAReplyForEachWithheldCommand)
{
    start();
    server("220 mx\r\n");
    client("EHLO c\r\n");
    server("250-mx\r\n250 CHUNKING\r\n");
    forget();
    client("MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nBDAT 9 LAST\r\nBADWORD\r\n");
    std::string line = "550 5.7.1 Message refused\r\n";
    EXPECT_EQ(line + line + line, text(OUTSIDE));
    EXPECT_EQ("", text(INSIDE));
}

TEST_F(Tcp, RefusalWaitsForTheServersRepliesToEarlierCommands)
{
    start();
    server("220 mx\r\n");
    client("EHLO c\r\n");
    server("250-mx\r\n250 CHUNKING\r\n");
    forget();
    client("MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\n");
    client("BDAT 9 LAST\r\nBADWORD\r\n");
    EXPECT_EQ("", text(OUTSIDE));
    server("250 ok\r\n");
    EXPECT_EQ("250 ok\r\n", text(OUTSIDE));
    server("250 ok\r\n");
    EXPECT_EQ("250 ok\r\n250 ok\r\n550 5.7.1 Message refused\r\n", text(OUTSIDE));
}

TEST_F(Tcp, SecondMessageInOneSegmentIsRefusedTheFirstDelivered)
{
    start();
    server("220 mx\r\n");
    client("EHLO c\r\n");
    server("250-mx\r\n250 CHUNKING\r\n");
    forget();
    std::string good = "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nBDAT 6 LAST\r\nGOOD\r\n";
    std::string bad = "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nBDAT 9 LAST\r\nBADWORD\r\n";
    client(good + bad);
    EXPECT_EQ(good, text(INSIDE));
    EXPECT_EQ("", text(OUTSIDE));
    server("250 a\r\n250 b\r\n250 queued\r\n");
    std::string line = "550 5.7.1 Message refused\r\n";
    EXPECT_EQ("250 a\r\n250 b\r\n250 queued\r\n" + line + line + line, text(OUTSIDE));
}

TEST_F(Tcp, OutOfOrderIsForwardedTheGapCloserIsJudged)
{
    start();
    envelope();
    uint32_t at = cseq;
    put(true, at + 4, TCP_ACK, "WORD\r\n.\r\n"); // early: goes at once
    EXPECT_EQ("WORD\r\n.\r\n", text(INSIDE));
    forget();
    put(true, at, TCP_ACK, "BAD"); // not yet contiguous
    forget();
    cseq = at + 13;
    put(true, at + 3, TCP_ACK, "X"); // BADXWORD: harmless
    EXPECT_EQ("X", text(INSIDE));
}

TEST_F(Tcp, GapCloserOfABadMessageDoesNotPass)
{
    start();
    envelope();
    uint32_t at = cseq;
    put(true, at + 3, TCP_ACK, "WORD\r\n.\r\n");
    forget();
    cseq = at + 12;
    put(true, at, TCP_ACK, "BAD");
    for (auto &s : seen(INSIDE))
        EXPECT_TRUE(s.p.flags & TCP_RST);
    EXPECT_EQ("550 5.7.1 Message refused\r\n", text(OUTSIDE));
}

TEST_F(Tcp, FirstOctetsWin)
{
    start();
    envelope();
    uint32_t at = cseq;
    client("Subject: harmless\r\n");
    forget();
    put(true, at, TCP_ACK, "Subject: BADWORD!\r\n");
    EXPECT_EQ("Subject: harmless\r\n", text(INSIDE));
    EXPECT_EQ(1u, weir->counter(COUNTER_CONFLICTS));
    forget();
    // Partly old, partly new.
    put(true, at + 9, TCP_ACK, "BADWORDs\r\n\r\nnew");
    EXPECT_EQ("harmless\r\n\r\nnew", text(INSIDE));
}

TEST_F(Tcp, OctetsAfterDataWaitForTheReply)
{
    start();
    server("220 mx\r\n");
    client("EHLO c\r\n");
    server("250 mx\r\n");
    client("MAIL FROM:<a@b.test>\r\n");
    server("250 ok\r\n");
    client("RCPT TO:<c@d.test>\r\n");
    server("250 ok\r\n");
    forget();
    client("DATA\r\nhello\r\n.\r\n");
    EXPECT_EQ("DATA\r\n", text(INSIDE));
    forget();
    server("354 go\r\n");
    EXPECT_EQ("hello\r\n.\r\n", text(INSIDE));
    EXPECT_EQ(1u, weir->counter(COUNTER_RELEASED));
}

TEST_F(Tcp, OctetsThatWaitTooLongCloseTheSession)
{
    start();
    server("220 mx\r\n");
    client("EHLO c\r\n");
    server("250 mx\r\n");
    forget();
    client("DATA\r\nhello\r\n.\r\n");
    forget();
    weir->tick(6000);
    EXPECT_EQ(0u, text(OUTSIDE).find("421 4.7.0 mx.test closing"));
    EXPECT_TRUE(seen(INSIDE).at(0).p.flags & TCP_RST);
}

TEST_F(Tcp, TheHeldTailOfAnEarlyRunIsNotReachable)
{
    start();
    server("220 mx\r\n");
    client("EHLO c\r\n");
    server("250 mx\r\n");
    forget();
    uint32_t at = cseq;
    put(true, at + 3, TCP_ACK, "A\r\nBADWORD\r\n.\r\n"); // early, forwarded
    forget();
    cseq = at + 18;
    put(true, at, TCP_ACK, "DAT");
    // "DATA\r\n" lies partly in the early run, whose rest may not be read yet: one octet is kept back.
    EXPECT_EQ("DA", text(INSIDE));
}

TEST_F(Tcp, SpoofedSynFinRstChangeNothingThatIsRead)
{
    start();
    envelope();
    uint32_t at = cseq;
    put(true, 77777, TCP_SYN, "");
    put(true, at + 500, TCP_RST, "");
    put(true, at, TCP_RST, ""); // exact, but lost behind us
    forget();
    client("BADWORD\r\n.\r\n");
    EXPECT_EQ("550 5.7.1 Message refused\r\n", text(OUTSIDE));
}

TEST_F(Tcp, SameTupleAgainIsANewConnection)
{
    start();
    envelope();
    client("half a mess");
    cseq = 500000;
    sseq = 800000;
    send(true, TCP_SYN, "");
    cseq++;
    send(false, TCP_SYN | TCP_ACK, "");
    sseq++;
    send(true, TCP_ACK, "");
    forget();
    envelope();
    client("BADWORD\r\n.\r\n");
    EXPECT_EQ("550 5.7.1 Message refused\r\n", text(OUTSIDE));
}

TEST_F(Tcp, WrapAround)
{
    cseq = 0xffffff80;
    sseq = 0xfffffff0;
    start();
    envelope();
    client(std::string(200, 'x') + "\r\n");
    EXPECT_EQ(202u, text(INSIDE).size());
    forget();
    client("BADWORD\r\n.\r\n");
    EXPECT_EQ("550 5.7.1 Message refused\r\n", text(OUTSIDE));
}

TEST_F(Tcp, KeepAliveZeroWindowProbeAndPureAcksPass)
{
    start();
    envelope();
    put(true, cseq - 1, TCP_ACK, "");
    put(true, cseq - 1, TCP_ACK, "\n"); // keep-alive with an octet that was acknowledged
    EXPECT_EQ(2u, weir->out[INSIDE].size());
}

TEST_F(Tcp, MidStreamIsForwardedByteForByte)
{
    weir = new Weir(cfg, rs);
    std::string frame = build(tuple, true, segment(true, 5, TCP_ACK, "BADWORD\r\n.\r\n"));
    weir->in(OUTSIDE, frame);
    ASSERT_EQ(1u, weir->out[INSIDE].size());
    EXPECT_EQ(frame, weir->out[INSIDE][0]);
    EXPECT_EQ(1u, weir->counter(COUNTER_UNKNOWN_FLOW));
}

TEST_F(Tcp, UrgentBecomesOrdinary)
{
    start();
    envelope();
    send(true, TCP_ACK | TCP_URG, "BADWORD\r\n");
    ASSERT_EQ(1u, seen(INSIDE).size());
    EXPECT_FALSE(seen(INSIDE)[0].p.flags & TCP_URG);
}

TEST_F(Tcp, WrongChecksumIsNotTheFirst)
{
    start();
    envelope();
    std::string frame = build(tuple, true, segment(true, cseq, TCP_ACK, "BADWORD\r\n"));
    frame.back() ^= 1;
    weir->in(OUTSIDE, frame);
    EXPECT_EQ(0u, weir->out[INSIDE].size());
    client("goodword\n");
    EXPECT_EQ("goodword\n", text(INSIDE));
}

TEST_F(Tcp, OctetsAfterTheFinDoNotPass)
{
    start();
    envelope();
    send(true, TCP_ACK | TCP_FIN, "x\r\n");
    EXPECT_EQ("x\r\n", text(INSIDE));
    forget();
    put(true, cseq, TCP_ACK, "y\r\n.\r\n");
    EXPECT_EQ(0u, weir->out[INSIDE].size());
    put(true, cseq, TCP_ACK | TCP_FIN, ""); // the FIN again, no octets: passes
    EXPECT_EQ(1u, weir->out[INSIDE].size());
}

TEST_F(Tcp, FloodOfHalfOpenConnectionsDoesNotEvictAnOpenOne)
{
    start();
    envelope();
    for (unsigned i = 0; i < 1000; i++) {
        Tuple t;
        t.client_port = (uint16_t)(1000 + i);
        Segment s;
        s.flags = TCP_SYN;
        s.seq = i;
        weir->in(OUTSIDE, build(t, true, s));
    }
    EXPECT_GT(weir->counter(COUNTER_HALF_OPEN_EVICTED), 900u);
    forget();
    client("BADWORD\r\n.\r\n");
    EXPECT_EQ("550 5.7.1 Message refused\r\n", text(OUTSIDE));
}

TEST_F(Tcp, EvictedWhileHalfOpenIsFollowedFromTheAnswer)
{
    cfg.half_open_max = 8;
    weir = new Weir(cfg, rs);
    send(true, TCP_SYN, "");
    cseq++;
    for (unsigned i = 0; i < 50; i++) {
        Tuple t;
        t.client_port = (uint16_t)(1000 + i);
        Segment s;
        s.flags = TCP_SYN;
        weir->in(OUTSIDE, build(t, true, s));
    }
    send(false, TCP_SYN | TCP_ACK, "");
    sseq++;
    send(true, TCP_ACK, "");
    envelope();
    client("BADWORD\r\n.\r\n");
    EXPECT_EQ("550 5.7.1 Message refused\r\n", text(OUTSIDE));
}

TEST_F(Tcp, AnsweredButNeverAcknowledgedStaysHalfOpen)
{
    weir = new Weir(cfg, rs);
    for (unsigned i = 0; i < 1000; i++) {
        Tuple t;
        t.client_port = (uint16_t)(1000 + i);
        Segment s;
        s.flags = TCP_SYN;
        weir->in(OUTSIDE, build(t, true, s));
        s.flags = TCP_SYN | TCP_ACK;
        s.ack = 1;
        weir->in(INSIDE, build(t, false, s));
    }
    EXPECT_EQ(0u, weir->pl->sessions.used);
    EXPECT_LE(flow_cnt(weir->pl->flows), 64u);
}

TEST_F(Tcp, ForgottenConnectionsDoNotPassOnceTheStartIsOver)
{
    start();
    envelope();
    weir->tick(cfg.unknown_ms + cfg.idle_ms);
    weir->tick(1000);
    forget();
    client("BADWORD\r\n.\r\n");
    EXPECT_EQ(0u, weir->out[INSIDE].size());
    EXPECT_EQ(1u, weir->counter(COUNTER_UNKNOWN_DROPPED));
}

TEST_F(Tcp, WithoutSessionMemoryTheConnectionIsCut)
{
    weir = new Weir(cfg, rs);
    while (slab_get(&weir->pl->sessions)) {
    }
    send(true, TCP_SYN, "");
    cseq++;
    send(false, TCP_SYN | TCP_ACK, "");
    sseq++;
    forget();
    send(true, TCP_ACK, "");
    EXPECT_TRUE(seen(INSIDE).at(0).p.flags & TCP_RST);
    EXPECT_TRUE(seen(OUTSIDE).at(0).p.flags & TCP_RST);
    weir->pl->sessions.used = 0;
}

TEST_F(Tcp, DropVerdictTellsTheClientOk)
{
    cfg.thresholds.drop_milli = 10000;
    start();
    envelope();
    client("BADWORD\r\n.\r\n");
    EXPECT_EQ("250 2.0.0 Ok\r\n", text(OUTSIDE));
}

TEST_F(Tcp, DeferVerdictTellsTheClientToTryAgain)
{
    cfg.thresholds.defer_milli = 2000;
    start();
    envelope();
    client("LATEWORD\r\n.\r\n");
    EXPECT_EQ("451 4.7.1 Try again later\r\n", text(OUTSIDE));
}

TEST_F(Tcp, WithoutMemoryForARefusalBothSidesAreReset)
{
    cfg.refusals_max = 0;
    start();
    envelope();
    client("BADWORD\r\n.\r\n");
    EXPECT_TRUE(seen(INSIDE).at(0).p.flags & TCP_RST);
    EXPECT_TRUE(seen(OUTSIDE).at(0).p.flags & TCP_RST);
    forget();
    client(".\r\n");
    EXPECT_EQ("", text(INSIDE));
}

TEST_F(Tcp, StalledOctetsDoNotPassWithoutMemoryForARefusal)
{
    cfg.refusals_max = 0;
    start();
    server("220 mx\r\n");
    client("EHLO c\r\n");
    server("250 mx\r\n");
    client("DATA\r\nhello\r\n.\r\n");
    forget();
    weir->tick(6000);
    EXPECT_EQ("", text(INSIDE));
    EXPECT_TRUE(seen(INSIDE).at(0).p.flags & TCP_RST);
    EXPECT_TRUE(seen(OUTSIDE).at(0).p.flags & TCP_RST);
}

// fuzz/tcp: the state fell back to CLOSED, and the session was read on after its end.
TEST_F(Tcp, ResetWhileARefusalWaitsDoesNotReviveTheSession)
{
    start();
    client(std::string("NOO\0P\r\n", 7)); // the greeting is still due
    EXPECT_EQ("", text(INSIDE));
    send(true, TCP_RST | TCP_ACK, "");
    forget();
    client("NOOP\r\n");
    EXPECT_EQ("", text(INSIDE));
    server("220 mx\r\n");
    EXPECT_TRUE(text(OUTSIDE).find("421 4.7.0 mx.test closing") != std::string::npos);
}

} // namespace
