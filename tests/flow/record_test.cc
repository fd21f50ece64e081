// record: every record once and in order, and every line JSON, whatever octets the peers sent.
#include <gtest/gtest.h>

#include <cjson/cJSON.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <cstring>
#include <memory>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "dataplane/handover.h"
#include "dataplane/record.h"
#include "scan/event.h"

namespace {

void
fill(struct record *r, uint32_t n, const std::vector<std::string> &texts, unsigned rcpts, unsigned rules)
{
    memset(r, 0, sizeof(*r));
    strcpy(r->src, "198.18.0.1");
    strcpy(r->dst, "2001:db8::1");
    r->sport = 54321;
    r->dport = 25;
    r->n = n;
    r->generation = 7;
    r->score_milli = 5250;
    r->verdict = r->score_verdict = VERDICT_REFUSE;
    r->events = EVENT_BIT(EVENT_BARE_LF) | EVENT_BIT(EVENT_NUL);
    for (const std::string &t : texts) {
        memcpy(r->text + r->text_len, t.c_str(), t.size() + 1);
        r->text_len = static_cast<uint16_t>(r->text_len + t.size() + 1);
    }
    r->rcpt_cnt = static_cast<uint16_t>(rcpts);
    r->rule_cnt = static_cast<uint16_t>(rules);
}

std::string
drain(record_ring *ring, unsigned *cnt = nullptr)
{
    char *text = nullptr;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    unsigned n = record_drain(ring, to, nullptr);
    if (cnt)
        *cnt = n;
    fclose(to);
    std::string s(text, len);
    free(text);
    return s;
}

// Less its first keys, which are of now: {"id":"0123456789ABC","time":"2026-01-31T23:59:59.125Z",
std::string
without_time(std::string s)
{
    const std::string id = "{\"id\":\"", time = "\"time\":\"";
    EXPECT_EQ(s.compare(0, id.size(), id), 0) << s;
    s = s.substr(id.size() + RECORD_ID_LEN + strlen("\","));
    EXPECT_EQ(s.compare(0, time.size(), time), 0) << s;
    return "{" + s.substr(time.size() + strlen("2026-01-31T23:59:59.125Z\","));
}

std::string
line(const struct record &rec)
{
    record_ring *ring = record_ring_new(2, false, -1);
    *record_reserve(ring) = rec;
    record_commit(ring);
    std::string s = drain(ring);
    record_ring_free(ring);
    return s;
}

} // namespace

TEST(Record, Line)
{
    auto r = std::make_unique<struct record>();
    fill(r.get(), 1, {"a@client.test", "b@server.test", "c@server.test", "GTUBE"}, 2, 1);
    EXPECT_EQ(without_time(line(*r)), "{\"src\":\"198.18.0.1\",\"sport\":54321,\"dst\":\"2001:db8::1\",\"dport\":25,\"n\":1,"
                        "\"mail_from\":\"a@client.test\",\"rcpt\":[\"b@server.test\",\"c@server.test\"],\"octets\":0,"
                        "\"verdict\":\"refuse\",\"score\":5.25,\"rules\":[\"GTUBE\"],\"generation\":7,"
                        "\"events\":[\"bare-lf\",\"nul\"]}\n");
    strcpy(r->client, "192.0.2.1");
    EXPECT_NE(line(*r).find("\"client\":\"192.0.2.1\""), std::string::npos);
}

TEST(Record, TimeSizeAndCause)
{
    auto r = std::make_unique<struct record>();
    fill(r.get(), 1, {"a@client.test"}, 0, 0);
    r->octets = 5000000000;
    std::string s = line(*r);
    EXPECT_NE(s.find("\"octets\":5000000000,"), std::string::npos) << s;
    EXPECT_EQ(s.find("\"cause\""), std::string::npos) << "the score decided: " << s;
    r->cause = EVENT_BARE_LF;
    const auto before = std::chrono::system_clock::now();
    s = line(*r);
    EXPECT_NE(s.find("\"cause\":\"bare-lf\","), std::string::npos) << s;
    r->cause = 255; // no event: left out
    EXPECT_EQ(line(*r).find("\"cause\""), std::string::npos);

    struct tm tm = {};
    const char *rest = strptime(s.c_str() + s.find("\"time\""), "\"time\":\"%Y-%m-%dT%H:%M:%S", &tm);
    ASSERT_NE(rest, nullptr) << s;
    unsigned ms = 0;
    int len = 0;
    ASSERT_EQ(sscanf(rest, ".%3uZ\",%n", &ms, &len), 1) << s;
    EXPECT_EQ(len, 7) << s;
    auto at = std::chrono::system_clock::from_time_t(timegm(&tm)) + std::chrono::milliseconds(ms);
    EXPECT_LT(std::chrono::abs(at - before), std::chrono::seconds(2)) << s;
}

TEST(Record, OctetsThatAreNoUtf8)
{
    auto r = std::make_unique<struct record>();
    // Latin-1 e acute alone; the same in UTF-8; an overlong slash; a surrogate; a cut character; quote, LF, DEL
    fill(r.get(), 1, {"\xe9\"\n\x7f", "\xc3\xa9", "\xc0\xaf", "\xed\xa0\x80", "\xf0\x9f\x98"}, 4, 0);
    std::string s = line(*r);
    EXPECT_NE(s.find("\"\xc3\xa9\\\"\\n\x7f\""), std::string::npos) << s;
    EXPECT_NE(s.find("[\"\xc3\xa9\",\"\xc3\x80\xc2\xaf\",\"\xc3\xad\xc2\xa0\xc2\x80\",\"\xc3\xb0\xc2\x9f\xc2\x98\"]"),
              std::string::npos)
        << s;
}

TEST(Record, RandomOctetsAndCountsThatLie)
{
    std::mt19937 random(1);
    auto r = std::make_unique<struct record>();
    for (int i = 0; i < 300; i++) {
        fill(r.get(), 1, {}, 0, 0);
        r->text_len = static_cast<uint16_t>(random() % (RECORD_TEXT_MAX + 1));
        for (int k = 0; k < RECORD_TEXT_MAX; k++)
            r->text[k] = static_cast<char>(random());
        r->rcpt_cnt = static_cast<uint16_t>(random());
        r->rule_cnt = static_cast<uint16_t>(random());
        r->text_len = i % 10 ? r->text_len : 65535;
        std::string s = line(*r);
        cJSON *j = cJSON_Parse(s.c_str());
        ASSERT_NE(j, nullptr) << i;
        cJSON_Delete(j);
        EXPECT_EQ(std::count(s.begin(), s.end(), '\n'), 1);
    }
}

TEST(Record, FullRingSaysSoAndGoesOn)
{
    record_ring *ring = record_ring_new(4, false, -1);
    for (uint32_t round = 0; round < 10; round++) {
        for (int i = 0; i < 4; i++) {
            struct record *r = record_reserve(ring);
            ASSERT_NE(r, nullptr);
            fill(r, round, {"x"}, 0, 0);
            record_commit(ring);
        }
        EXPECT_EQ(record_reserve(ring), nullptr);
        unsigned cnt;
        drain(ring, &cnt);
        EXPECT_EQ(cnt, 4u);
    }
    record_ring_free(ring);
    EXPECT_EQ(record_ring_new(3, false, -1), nullptr);
}

TEST(Record, LosslessAcrossThreads)
{
    enum { TOTAL = 20000 };
    record_ring *ring = record_ring_new(8, true, -1);
    std::thread core([&] {
        for (uint32_t i = 0; i < TOTAL; i++) {
            fill(record_reserve(ring), i, {"x"}, 0, 0);
            record_commit(ring);
        }
    });
    std::string all;
    for (unsigned total = 0, cnt; total < TOTAL; total += cnt)
        all += drain(ring, &cnt);
    core.join();
    std::istringstream lines(all);
    std::string text;
    for (unsigned i = 0; i < TOTAL; i++) {
        ASSERT_TRUE(std::getline(lines, text));
        ASSERT_NE(text.find("\"n\":" + std::to_string(i) + ","), std::string::npos) << text;
    }
    record_ring_free(ring);
}

TEST(Record, MessageIdAndScoreVerdictWhenThereIsSomethingToSay)
{
    auto r = std::make_unique<struct record>();
    fill(r.get(), 1, {"a@client.test"}, 0, 0);
    std::string s = line(*r);
    EXPECT_EQ(s.find("message_id"), std::string::npos) << s;
    EXPECT_EQ(s.find("score_verdict"), std::string::npos) << s;
    strcpy(r->message_id, "<\xfc\"1@x>");
    r->score_verdict = VERDICT_TAG;
    s = line(*r);
    EXPECT_NE(s.find("\"message_id\":\"<\u00fc\\\"1@x>\","), std::string::npos) << s;
    EXPECT_NE(s.find("\"score_verdict\":\"tag\","), std::string::npos) << s;
}

TEST(Record, IdsAreLettersInOrder)
{
    char text[RECORD_ID_LEN + 1];
    record_id_text(0, text);
    EXPECT_STREQ("0000000000000", text);
    record_id_text(33, text);
    EXPECT_STREQ("0000000000011", text);
    record_id_text(UINT64_MAX, text);
    EXPECT_STREQ("FZZZZZZZZZZZZ", text);
}

TEST(Record, NoTwoRecordsShareAnId)
{
    std::set<std::string> seen;
    for (int start = 0; start < 3; start++) {
        record_ring *ring = record_ring_new(4, false, -1);
        for (int i = 0; i < 10; i++) {
            memset(record_reserve(ring), 0, sizeof(struct record));
            record_commit(ring);
            EXPECT_TRUE(seen.insert(drain(ring).substr(strlen("{\"id\":\""), RECORD_ID_LEN)).second);
        }
        record_ring_free(ring);
    }
    EXPECT_EQ(30u, seen.size());
}

// Replay of the same capture gives the same lines.
TEST(Record, IdsOfReplayAreTheSameEachTime)
{
    record_ring *ring = record_ring_new(4, true, -1);
    memset(record_reserve(ring), 0, sizeof(struct record));
    record_commit(ring);
    EXPECT_EQ(0u, drain(ring).find("{\"id\":\"0000000000000\""));
    record_ring_free(ring);
}

TEST(Record, LinesGoToTheFileAndTheControllersRing)
{
    record_ring *ring = record_ring_new(2, false, -1);
    struct handover h;
    ASSERT_EQ(0, handover_init(&h, HANDOVER_SIZE_MIN));
    memset(record_reserve(ring), 0, sizeof(struct record));
    record_commit(ring);
    char *text = nullptr;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    EXPECT_EQ(1u, record_drain(ring, to, &h));
    fclose(to);
    uint32_t told;
    memcpy(&told, h.ring->octets, 4);
    ASSERT_EQ(len, told + 1u) << "less the newline";
    EXPECT_EQ(0, memcmp(text, h.ring->octets + 4, told));
    memset(record_reserve(ring), 0, sizeof(struct record));
    record_commit(ring);
    EXPECT_EQ(1u, record_drain(ring, nullptr, &h));
    EXPECT_EQ(2 * ((4u + told + 7) & ~7u), h.ring->head);
    free(text);
    handover_fini(&h);
    record_ring_free(ring);
}
