/* index and impact: what goes in comes out, exactly; whatever the file, the disk or a record is like. */
#include <gtest/gtest.h>

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "control/impact.h"
#include "control/index.h"
#include "control/journal.h"

namespace fs = std::filesystem;

namespace
{

const uint64_t now_ms = UINT64_C(1790000000000); /* 2026-09-21 */

struct record {
    std::string id = "", mail_from = "ann@shop.co.uk", message_id = "<m1@shop.co.uk>", src = "192.0.2.1";
    std::vector<std::string> rcpt = { "ben@customer.example" };
    std::string verdict = "accept", cause = "", stage = "", other_verdict = "", score_verdict = "";
    double score = 0;
    unsigned generation = 1, other_generation = 0;
    uint64_t time_ms = now_ms, octets = 1000;
    std::string line() const
    {
        char time[64], whole[80];
        time_t s = (time_t)(time_ms / 1000);
        strftime(time, sizeof(time), "%Y-%m-%dT%H:%M:%S", gmtime(&s));
        snprintf(whole, sizeof(whole), "%s.%03dZ", time, (int)(time_ms % 1000));
        cJSON *j = cJSON_CreateObject();
        cJSON_AddStringToObject(j, "id", id.c_str());
        cJSON_AddStringToObject(j, "time", whole);
        cJSON_AddStringToObject(j, "src", src.c_str());
        cJSON_AddNumberToObject(j, "sport", 4711);
        cJSON_AddStringToObject(j, "mail_from", mail_from.c_str());
        if (!message_id.empty())
            cJSON_AddStringToObject(j, "message_id", message_id.c_str());
        cJSON *list = cJSON_AddArrayToObject(j, "rcpt");
        for (auto &r : rcpt)
            cJSON_AddItemToArray(list, cJSON_CreateString(r.c_str()));
        cJSON_AddNumberToObject(j, "octets", (double)octets);
        cJSON_AddStringToObject(j, "verdict", verdict.c_str());
        cJSON_AddNumberToObject(j, "score", score);
        if (!score_verdict.empty())
            cJSON_AddStringToObject(j, "score_verdict", score_verdict.c_str());
        list = cJSON_AddArrayToObject(j, "rules");
        cJSON_AddItemToArray(list, cJSON_CreateString("UK_IS_SPAM"));
        if (!cause.empty())
            cJSON_AddStringToObject(j, "cause", cause.c_str());
        cJSON_AddNumberToObject(j, "generation", generation);
        if (!stage.empty())
            cJSON_AddStringToObject(j, "stage", stage.c_str());
        if (other_generation) {
            cJSON *o = cJSON_AddObjectToObject(j, "other");
            cJSON_AddNumberToObject(o, "generation", other_generation);
            cJSON_AddStringToObject(o, "verdict", other_verdict.c_str());
            cJSON_AddNumberToObject(o, "score", 7.5);
            cJSON_AddItemToArray(cJSON_AddArrayToObject(o, "rules"), cJSON_CreateString("OTHER_RULE"));
        }
        char *text = cJSON_PrintUnformatted(j);
        std::string out = text;
        free(text);
        cJSON_Delete(j);
        return out;
    }
};

class Index : public testing::Test
{
  protected:
    std::string folder, path;
    struct index *x = nullptr;
    unsigned last = 0;
    void SetUp() override
    {
        char name[] = "/tmp/index_test.XXXXXX";
        ASSERT_TRUE(mkdtemp(name));
        folder = name;
        path = folder + "/index.sqlite";
    }
    void TearDown() override
    {
        index_close(x);
        fs::permissions(folder, fs::perms::owner_all);
        fs::remove_all(folder);
    }
    void open(struct index_limits limits = index_limits_default)
    {
        index_close(x);
        x = index_open(path.c_str(), &limits);
        ASSERT_TRUE(x);
    }
    std::string next_id() { return "A" + std::to_string(1000000 + last++); }
    std::string add(record r)
    {
        if (r.id.empty())
            r.id = next_id();
        std::string line = r.line();
        EXPECT_TRUE(index_message(x, line.data(), line.size(), now_ms)) << index_error(x);
        return r.id;
    }
    cJSON *affected(unsigned generation, unsigned limit = 100, const char *verdict = nullptr)
    {
        struct impact_question q = { generation, limit, verdict, 0 };
        cJSON *a = impact_affected(x, &q);
        EXPECT_TRUE(cJSON_IsTrue(cJSON_GetObjectItem(a, "ok"))) << text(a, "error");
        return a;
    }
    static std::string text(const cJSON *j, const char *name)
    {
        const cJSON *t = cJSON_GetObjectItem(j, name);
        return cJSON_IsString(t) ? t->valuestring : "";
    }
    static double number(const cJSON *j, const char *name)
    {
        const cJSON *n = cJSON_GetObjectItem(j, name);
        return cJSON_IsNumber(n) ? n->valuedouble : -1;
    }
    std::set<std::string> ids(unsigned generation, const char *verdict = nullptr)
    {
        std::set<std::string> out;
        cJSON *a = affected(generation, 10000, verdict);
        const cJSON *m;
        cJSON_ArrayForEach(m, cJSON_GetObjectItem(a, "messages")) EXPECT_TRUE(out.insert(text(m, "id")).second);
        cJSON_Delete(a);
        return out;
    }
    void journal(const std::string &where, unsigned records)
    {
        char err[256];
        struct journal *j = journal_open(where.c_str(), err, sizeof(err));
        ASSERT_TRUE(j) << err;
        for (unsigned i = 0; i < records; i++) {
            cJSON *f = cJSON_CreateObject();
            cJSON_AddStringToObject(f, "state", i % 2 ? "LIVE" : "SHADOW");
            cJSON_AddStringToObject(f, "text", "O'Brien \"); DROP TABLE events; --");
            ASSERT_EQ(0, journal_append(j, "state", 1 + i / 2, f));
        }
        journal_close(j);
    }
    std::string dump(const char *sql)
    {
        std::string out, command = "sqlite3 " + path + " \"" + sql + "\" 2>&1";
        FILE *p = popen(command.c_str(), "r");
        char line[4096];
        while (fgets(line, sizeof(line), p))
            out += line;
        pclose(p);
        return out;
    }
};

} // namespace

TEST_F(Index, AffectedIsExactlyThat)
{
    open();
    std::set<std::string> of_two, of_one;
    /* Shadow: 2 would refuse, 1 decides. */
    add({ .verdict = "accept", .stage = "SHADOW", .other_verdict = "refuse", .other_generation = 2 });
    /* Refused by 1's score, in shadow and alone. */
    of_one.insert(add({ .verdict = "refuse", .score = 9, .generation = 1 }));
    of_one.insert(add({ .verdict = "refuse", .stage = "SHADOW", .other_verdict = "accept", .generation = 1, .other_generation = 2 }));
    /* Canary: 2 would refuse, deferred. */
    of_two.insert(add({ .verdict = "defer", .cause = "rules-disagree", .stage = "CANARY", .other_verdict = "refuse",
                        .score_verdict = "accept", .generation = 1, .other_generation = 2 }));
    /* .. without score_verdict, .. and the other way round: 1 would refuse. */
    of_two.insert(add({ .verdict = "defer", .cause = "rules-disagree", .stage = "CANARY", .other_verdict = "refuse",
                        .generation = 1, .other_generation = 2 }));
    of_one.insert(add({ .verdict = "defer", .cause = "rules-disagree", .stage = "CANARY", .other_verdict = "accept",
                        .generation = 1, .other_generation = 2 }));
    /* One defers, the other refuses. */
    of_two.insert(add({ .verdict = "defer", .cause = "rules-disagree", .stage = "CANARY", .other_verdict = "refuse",
                        .score_verdict = "defer", .generation = 1, .other_generation = 2 }));
    /* LIVE: 2 decides; drop, defer by threshold, close; 2 tags. */
    for (const char *v : { "refuse", "drop", "defer", "close" })
        of_two.insert(add({ .verdict = v, .stage = "LIVE", .other_verdict = "accept", .generation = 2, .other_generation = 1 }));
    add({ .verdict = "tag", .generation = 2 });
    /* On probation in LIVE, the new one first. */
    of_two.insert(add({ .verdict = "defer", .cause = "rules-disagree", .stage = "LIVE", .other_verdict = "accept",
                        .score_verdict = "refuse", .generation = 2, .other_generation = 1 }));
    /* Taken back meanwhile. */
    of_two.insert(add({ .verdict = "defer", .cause = "rules-returned", .generation = 2 }));
    /* Events are nobody's. */
    add({ .verdict = "refuse", .cause = "smuggled-eod", .generation = 2 });
    add({ .verdict = "close", .cause = "bare-cr-command", .generation = 1 });
    EXPECT_EQ(of_one, ids(1));
    EXPECT_EQ(of_two, ids(2));
    EXPECT_EQ(std::set<std::string>{}, ids(0));
    EXPECT_EQ(std::set<std::string>{}, ids(3));
    cJSON *a = affected(2, 4);
    EXPECT_EQ(2, number(a, "refused"));
    EXPECT_EQ(7, number(a, "deferred"));
    EXPECT_EQ(7, number(a, "accepted_by_another"));
    EXPECT_EQ(4, cJSON_GetArraySize(cJSON_GetObjectItem(a, "messages")));
    EXPECT_EQ(5, number(a, "left_off"));
    cJSON_Delete(a);
    EXPECT_EQ(1u, ids(2, "drop").size());
    struct impact_question q = { 2, 1, "nonsense", 0 };
    a = impact_affected(x, &q);
    EXPECT_TRUE(cJSON_IsFalse(cJSON_GetObjectItem(a, "ok")));
    cJSON_Delete(a);
}

TEST_F(Index, ByCustomerDomainWithSamples)
{
    open();
    for (int i = 0; i < 7; i++)
        add({ .rcpt = { "a@Big.example", "b@big.EXAMPLE", "c@small.example" }, .verdict = i < 5 ? "refuse" : "defer",
              .generation = 3 });
    add({ .rcpt = { "postmaster" }, .verdict = "refuse", .generation = 3 });
    for (int i = 0; i < 3; i++)
        add({ .rcpt = { "d@big.example" }, .verdict = "refuse", .generation = 3 });
    cJSON *a = affected(3);
    const cJSON *domains = cJSON_GetObjectItem(a, "domains"), *big = cJSON_GetArrayItem(domains, 0);
    ASSERT_EQ(3, cJSON_GetArraySize(domains));
    EXPECT_EQ("big.example", text(big, "domain"));
    EXPECT_EQ(8, number(big, "refused")) << "a message with two recipients there counts once";
    EXPECT_EQ(2, number(big, "deferred"));
    EXPECT_EQ(IMPACT_SAMPLES, cJSON_GetArraySize(cJSON_GetObjectItem(big, "samples")));
    EXPECT_EQ("small.example", text(cJSON_GetArrayItem(domains, 1), "domain"));
    EXPECT_EQ(5, number(cJSON_GetArrayItem(domains, 1), "refused"));
    EXPECT_EQ("", text(cJSON_GetArrayItem(domains, 2), "domain"));
    char *table = nullptr;
    size_t len;
    FILE *to = open_memstream(&table, &len);
    impact_print_affected(a, to);
    fclose(to);
    EXPECT_NE(nullptr, strstr(table, "generation 3 refused 9 messages and deferred 2")) << table;
    EXPECT_NE(nullptr, strstr(table, "       8        2         0  big.example")) << table;
    free(table);
    cJSON_Delete(a);
}

TEST_F(Index, DeliveredLater)
{
    open();
    auto deferred = [](record r) {
        r.verdict = "defer";
        r.cause = "rules-disagree";
        r.other_verdict = "refuse";
        r.generation = 1;
        r.other_generation = 2;
        return r;
    };
    std::set<std::string> later;
    /* Comes again and is let through. */
    later.insert(add(deferred({ .message_id = "<1@x>" })));
    later.insert(add(deferred({ .message_id = "<1@x>" })));
    add({ .mail_from = "Ann@Shop.co.uk", .message_id = "<1@x>", .rcpt = { "BEN@customer.example" } });
    /* To one of two. */
    add(deferred({ .message_id = "<2@x>", .rcpt = { "a@c.example", "b@c.example" } }));
    add({ .message_id = "<2@x>", .rcpt = { "a@c.example" } });
    /* To both, apart. */
    later.insert(add(deferred({ .message_id = "<3@x>", .rcpt = { "a@c.example", "b@c.example" } })));
    add({ .message_id = "<3@x>", .rcpt = { "b@c.example" } });
    add({ .message_id = "<3@x>", .rcpt = { "a@c.example", "z@z.example" }, .verdict = "tag" });
    /* Another sender; another Message-ID; before it; refused then. */
    add(deferred({ .message_id = "<4@x>" }));
    add({ .mail_from = "eve@shop.co.uk", .message_id = "<4@x>" });
    add(deferred({ .message_id = "<5@x>" }));
    add({ .message_id = "<5@X>" });
    add({ .message_id = "<6@x>" });
    add(deferred({ .message_id = "<6@x>" }));
    add(deferred({ .message_id = "<7@x>" }));
    add({ .message_id = "<7@x>", .verdict = "refuse" });
    /* Without one: by size and client. */
    later.insert(add(deferred({ .message_id = "", .octets = 77 })));
    add({ .message_id = "", .octets = 77 });
    add(deferred({ .message_id = "", .octets = 78 }));
    add({ .message_id = "", .src = "192.0.2.2", .octets = 78 });
    cJSON *a = affected(2);
    const cJSON *m;
    std::set<std::string> told;
    cJSON_ArrayForEach(m, cJSON_GetObjectItem(a, "messages"))
    {
        if (cJSON_IsTrue(cJSON_GetObjectItem(m, "delivered_later")))
            told.insert(text(m, "id"));
    }
    EXPECT_EQ(later, told);
    EXPECT_EQ((double)later.size(), number(a, "delivered_later"));
    const cJSON *domain;
    std::map<std::string, double> by_domain;
    cJSON_ArrayForEach(domain, cJSON_GetObjectItem(a, "domains")) by_domain[text(domain, "domain")] = number(domain, "delivered_later");
    EXPECT_EQ(3, by_domain["customer.example"]);
    EXPECT_EQ(1, by_domain["c.example"]) << "two of its messages, one to all";
    cJSON_Delete(a);
}

TEST_F(Index, TraceByIdMessageIdAndClient)
{
    open();
    journal(folder + "/journal.jsonl", 4);
    EXPECT_LE(4, index_rebuild(x, (folder + "/journal.jsonl").c_str())) << index_error(x);
    auto describe = [](void *, uint32_t generation, const char *rule, int32_t *score, char *text, size_t size) {
        *score = 2500;
        snprintf(text, size, "%s of %u", rule, generation);
        return generation == 2;
    };
    std::string id = add({ .id = "0ABC10DEF", .message_id = "<m7@x>", .verdict = "defer", .cause = "rules-disagree",
                           .stage = "CANARY", .other_verdict = "refuse", .generation = 1, .other_generation = 2,
                           .time_ms = (uint64_t)time(nullptr) * 1000 });
    add({ .message_id = "<m7@x>" });
    for (const char *sought : { "0ABC10DEF", "oabcIodef", "0abc-10de-f" }) {
        cJSON *t = impact_trace(x, sought, describe, nullptr);
        ASSERT_EQ(1, cJSON_GetArraySize(cJSON_GetObjectItem(t, "messages"))) << sought;
        const cJSON *m = cJSON_GetArrayItem(cJSON_GetObjectItem(t, "messages"), 0);
        EXPECT_EQ(id, text(m, "id"));
        EXPECT_EQ("deferred (451): the sender was asked to try again later, because two rule sets disagreed about it"
                  " (generation 2 would not have it); generation 1 would have let it through; it was delivered later",
                  text(m, "text"));
        const cJSON *verdicts = cJSON_GetObjectItem(m, "verdicts");
        ASSERT_EQ(2, cJSON_GetArraySize(verdicts));
        const cJSON *second = cJSON_GetArrayItem(verdicts, 1);
        EXPECT_EQ("refuse", text(second, "verdict"));
        EXPECT_EQ("LIVE", text(second, "state"));
        const cJSON *rule = cJSON_GetArrayItem(cJSON_GetObjectItem(second, "rules"), 0);
        EXPECT_EQ("OTHER_RULE", text(rule, "name"));
        EXPECT_EQ(2.5, number(rule, "score"));
        EXPECT_EQ("OTHER_RULE of 2", text(rule, "describe"));
        EXPECT_EQ(1, cJSON_GetArraySize(cJSON_GetObjectItem(m, "tries")));
        EXPECT_LE(4, cJSON_GetArraySize(cJSON_GetObjectItem(m, "events_around")));
        char *paragraph = nullptr;
        size_t len;
        FILE *to = open_memstream(&paragraph, &len);
        impact_print_trace(t, to);
        fclose(to);
        EXPECT_NE(nullptr, strstr(paragraph, "2.500 OTHER_RULE  OTHER_RULE of 2")) << paragraph;
        free(paragraph);
        cJSON_Delete(t);
    }
    for (const char *sought : { "<m7@x>", "m7@x", "192.0.2.1:4711", "[192.0.2.1]:4711" }) {
        cJSON *t = impact_trace(x, sought, nullptr, nullptr);
        EXPECT_EQ(2, cJSON_GetArraySize(cJSON_GetObjectItem(t, "messages"))) << sought;
        cJSON_Delete(t);
    }
    for (const char *sought : { "", "x", "192.0.2.1:4712", "192.0.2.1:", ":4711", "' OR 1=1 --", "%", "192.0.2.1:99999999999999999999" }) {
        cJSON *t = impact_trace(x, sought, nullptr, nullptr);
        EXPECT_TRUE(cJSON_IsFalse(cJSON_GetObjectItem(t, "ok"))) << sought;
        cJSON_Delete(t);
    }
    cJSON_Delete(impact_trace(x, std::string(100000, ':').c_str(), nullptr, nullptr));
}

TEST_F(Index, RecordsThatAreNone)
{
    open();
    const std::string good = record{ .id = "GOOD" }.line();
    auto with = [&](const std::string &what, const std::string &by) {
        std::string line = good;
        size_t at = line.find(what);
        EXPECT_NE(std::string::npos, at) << what;
        return line.replace(at, what.size(), by);
    };
    const std::string bad[] = {
        "", "{}", "[]", "null", "{", good.substr(0, good.size() - 1), std::string(5000, '['),
        with("\"GOOD\"", "7"), with("GOOD", ""), with("GOOD", "a b"), with("GOOD", std::string(33, 'A')),
        with("\"time\":\"2026", "\"time\":\"x026"), with("Z\"", "\""), with("\"accept\"", "\"maybe\""), with("\"accept\"", "1"),
        with("\"score\":0", "\"score\":\"0\""), with("\"score\":0", "\"score\":1e300"), with("\"generation\":1", "\"generation\":-1"),
        with("\"generation\":1", "\"generation\":1e99"), with("4711", "65536"), with("\"rcpt\":[", "\"rcpt\":7,\"x\":["),
        with("\"octets\":1000", "\"octets\":-5"), with("\"generation\":1", "\"generation\":1,\"other\":7"),
        with("\"generation\":1", "\"generation\":1,\"other\":{\"verdict\":\"?\"}"),
    };
    for (const std::string &line : bad)
        EXPECT_FALSE(index_message(x, line.data(), line.size(), now_ms)) << line;
    EXPECT_EQ(sizeof(bad) / sizeof(*bad), index_counts(x)->bad);
    EXPECT_TRUE(index_message(x, good.data(), good.size(), now_ms));
    EXPECT_TRUE(index_message(x, good.data(), good.size(), now_ms)) << "the same again is no fault";
    EXPECT_EQ(1u, index_counts(x)->twice);
    index_flush(x);
    EXPECT_EQ(1u, index_messages(x));
    EXPECT_STREQ("", index_error(x));
}

TEST_F(Index, HostileTextStaysText)
{
    open();
    const std::string texts[] = { "'; DROP TABLE messages; --@x.example", "\"\"@\"x\"", std::string(3000, 'a') + "@" + std::string(3000, 'b'),
                                  "\x1b[2J@\x1b[31m.example", "%s%n@%s", "@", "a@b@c.example", "\xff\xfe@x" };
    for (const std::string &t : texts)
        add({ .mail_from = t, .message_id = t, .rcpt = { t, t, t }, .verdict = "refuse", .generation = 5 });
    EXPECT_EQ(sizeof(texts) / sizeof(*texts), ids(5).size());
    cJSON *a = affected(5);
    char *table = nullptr;
    size_t len;
    FILE *to = open_memstream(&table, &len);
    impact_print_affected(a, to);
    fclose(to);
    EXPECT_EQ(nullptr, strchr(table, '\x1b'));
    free(table);
    cJSON_Delete(a);
    std::vector<std::string> many(INDEX_RCPT_MAX + 50, "x@y.example");
    add({ .rcpt = many, .verdict = "refuse", .generation = 6 });
    EXPECT_EQ(1u, ids(6).size());
}

TEST_F(Index, RebuildEqualsTheOriginal)
{
    const std::string file = folder + "/journal.jsonl", messages = folder + "/messages.json";
    journal(file, 40);
    open();
    EXPECT_TRUE(index_is_new(x));
    EXPECT_LE(40, index_rebuild(x, file.c_str()));
    EXPECT_FALSE(index_is_new(x));
    {
        std::ofstream log(messages);
        for (int i = 0; i < 500; i++) {
            record r = { .id = next_id(), .verdict = i % 3 ? "accept" : "refuse", .generation = 1 + (unsigned)i % 4 };
            log << r.line() << "\n";
            add(r);
        }
        log << "half a li";
    }
    const char *all = "SELECT * FROM events; SELECT * FROM generations; SELECT * FROM messages; SELECT * FROM recipients";
    index_flush(x);
    const std::string before = dump(all);
    ASSERT_NE(std::string::npos, before.find("UK_IS_SPAM"));
    index_close(x);
    x = nullptr;
    fs::remove(path);
    fs::remove(path + "-wal");
    fs::remove(path + "-shm");
    open();
    EXPECT_TRUE(index_is_new(x));
    EXPECT_LE(40, index_rebuild(x, file.c_str()));
    EXPECT_EQ(500, index_read_messages(x, messages.c_str(), UINT64_MAX / 4, now_ms));
    EXPECT_EQ(0, index_read_messages(x, messages.c_str(), 100000, now_ms)) << "all are there";
    EXPECT_EQ(before, dump(all));
    EXPECT_EQ(-1, index_read_messages(x, "/nowhere", 1, now_ms));
    EXPECT_EQ(-1, index_rebuild(x, "/nowhere"));
}

TEST_F(Index, DamagedFilesAreMovedAside)
{
    std::mt19937 rnd(11);
    open();
    for (int i = 0; i < 2000; i++)
        add({});
    index_close(x);
    x = nullptr;
    const std::string good = [&] {
        std::ifstream f(path, std::ios::binary);
        return std::string((std::istreambuf_iterator<char>(f)), {});
    }();
    ASSERT_GT(good.size(), 100000u);
    auto damaged = [&](const std::string &octets) {
        index_close(x); /* or it would write into the new file what waits for the old one */
        x = nullptr;
        fs::remove(path + "-wal");
        fs::remove(path + "-shm");
        std::ofstream(path, std::ios::binary) << octets;
        open();
        std::string id = add({ .verdict = "refuse", .generation = 9 });
        struct impact_question q = { 9, 10, nullptr, 0 };
        cJSON_Delete(impact_affected(x, &q)); /* damage may be found by asking */
        id = add({ .verdict = "refuse", .generation = 9 });
        index_flush(x);
        index_messages(x);
        return index_counts(x)->aside;
    };
    EXPECT_EQ(1u, damaged("this is no database, and longer than a header of one is: " + std::string(200, 'x')));
    EXPECT_TRUE(index_is_new(x));
    EXPECT_EQ(std::string("this is no"), [&] {
        std::ifstream f(path + ".aside-1", std::ios::binary);
        std::string s(10, ' ');
        f.read(s.data(), 10);
        return s;
    }());
    EXPECT_EQ(1u, damaged(good.substr(0, 100))) << "cut in the header";
    EXPECT_EQ(0u, damaged("")) << "an empty file is a new one";
    std::string other = good;
    other[63] = 77; /* user_version */
    EXPECT_EQ(1u, damaged(other)) << "another version";
    unsigned aside = 0;
    for (int i = 0; i < 40; i++) {
        std::string octets = good.substr(0, 4096 + rnd() % (good.size() - 4096));
        for (unsigned k = rnd() % 200; k > 0; k--)
            octets[100 + rnd() % (octets.size() - 100)] = (char)rnd();
        aside += damaged(octets) > 0;
        /* Whatever it was, it goes on. */
        open();
        add({});
        EXPECT_TRUE(index_flush(x) || index_flush(x)) << index_error(x);
    }
    EXPECT_GT(aside, 10u);
    unsigned kept = 0;
    for (auto &e : fs::directory_iterator(folder))
        kept += e.path().string().find(".aside-") != std::string::npos;
    EXPECT_LE(kept, 3u * INDEX_ASIDE_MAX);
}

TEST_F(Index, FullDiskIsToldAndCounted)
{
    open({ 30, 1000000, 400000 });
    unsigned kept = 0;
    for (int i = 0; i < 5000; i++) {
        std::string line = record{ .id = next_id() }.line();
        kept += index_message(x, line.data(), line.size(), now_ms);
        if (i % 100 == 99)
            index_flush(x);
    }
    EXPECT_NE(nullptr, strstr(index_error(x), "full")) << index_error(x);
    EXPECT_GT(index_counts(x)->dropped, 1000u);
    EXPECT_EQ(5000u, index_counts(x)->dropped + index_counts(x)->taken);
    EXPECT_EQ(index_counts(x)->taken, index_messages(x)) << "what was told to be in is in";
    /* It can be asked, says what is lost, and does not answer as if it were whole. */
    cJSON *a = affected(1);
    EXPECT_EQ((double)index_counts(x)->dropped, number(a, "lost"));
    cJSON_Delete(a);
}

TEST_F(Index, FolderThatCannotBeWritten)
{
    if (geteuid() == 0) {
        /* root may write anywhere: a folder that is not there does as well. */
        path = folder + "/none/index.sqlite";
    } else {
        fs::permissions(folder, fs::perms::owner_read | fs::perms::owner_exec);
    }
    open();
    EXPECT_STRNE("", index_error(x));
    std::string line = record{ .id = "A" }.line();
    EXPECT_FALSE(index_message(x, line.data(), line.size(), now_ms));
    EXPECT_EQ(1u, index_counts(x)->dropped);
    EXPECT_EQ(0u, index_messages(x));
    EXPECT_EQ(-1, index_rebuild(x, "/nowhere"));
    cJSON *t = impact_trace(x, "A", nullptr, nullptr);
    EXPECT_TRUE(cJSON_IsFalse(cJSON_GetObjectItem(t, "ok")));
    cJSON_Delete(t);
    struct impact_question q = { 1, 10, nullptr, 0 };
    cJSON *a = impact_affected(x, &q);
    EXPECT_TRUE(cJSON_IsFalse(cJSON_GetObjectItem(a, "ok")));
    EXPECT_NE("", text(a, "error"));
    cJSON_Delete(a);
    /* When it can be had again, it is. */
    fs::permissions(folder, fs::perms::owner_all);
    fs::create_directories(fs::path(path).parent_path());
    EXPECT_TRUE(index_message(x, line.data(), line.size(), now_ms + 60000));
    EXPECT_TRUE(index_flush(x));
    EXPECT_STREQ("", index_error(x));
}

TEST_F(Index, BoundedByNumberAndAge)
{
    open({ 2, 3000, 0 });
    struct ring none = {};
    for (int i = 0; i < 20000; i++) {
        add({ .time_ms = now_ms + (uint64_t)i });
        if (i % 500 == 499)
            index_take(x, &none, now_ms + (uint64_t)i * 1000);
    }
    for (int i = 0; i < 5; i++) {
        add({ .time_ms = now_ms + 30000 });
        index_take(x, &none, now_ms + 30000000 + (uint64_t)i * 2000);
    }
    EXPECT_LE(index_messages(x), 3000u);
    EXPECT_GE(index_messages(x), 2900u);
    EXPECT_EQ(20005u, index_counts(x)->taken);
    EXPECT_EQ(20005u - index_messages(x), index_counts(x)->expired);
    /* Three days later nothing has come, and all goes. */
    for (int i = 0; i < 20; i++)
        index_take(x, &none, now_ms + 3 * UINT64_C(86400000) + (uint64_t)i * 61000);
    EXPECT_EQ(0u, index_messages(x));
    EXPECT_EQ("0\n", dump("SELECT count(*) FROM recipients"));
}

TEST_F(Index, HundredThousandInBoundedMemory)
{
    open();
    struct rusage before, after;
    for (int i = 0; i < 5000; i++)
        add({ .message_id = "<" + std::to_string(i) + "@x>" });
    index_flush(x);
    getrusage(RUSAGE_SELF, &before);
    auto start = std::chrono::steady_clock::now();
    struct ring none = {};
    for (int i = 0; i < 100000; i++) {
        add({ .message_id = "<" + std::to_string(i) + "@x>", .rcpt = { "a@d" + std::to_string(i % 700) + ".example" },
              .verdict = i % 10 ? "accept" : "refuse", .generation = 2, .time_ms = now_ms + (uint64_t)i });
        index_take(x, &none, now_ms + (uint64_t)i);
    }
    index_flush(x);
    double s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    getrusage(RUSAGE_SELF, &after);
    EXPECT_EQ(105000u, index_messages(x));
#ifndef __SANITIZE_ADDRESS__ /* which keeps what was freed */
    EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 64 * 1024) << "KiB";
#endif
    start = std::chrono::steady_clock::now();
    cJSON *a = affected(2, 100);
    double asked = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    EXPECT_EQ(10000, number(a, "refused"));
    EXPECT_EQ(70, cJSON_GetArraySize(cJSON_GetObjectItem(a, "domains")));
    cJSON_Delete(a);
    printf("%.0f messages/s, %ld KiB more, %.1f MB on disk; affected of 10,000: %.2f s\n", 100000 / s,
           after.ru_maxrss - before.ru_maxrss, (double)fs::file_size(path) / 1e6, asked);
}

/* One Message-ID tried again and again: each asks about all that came after it. */
TEST_F(Index, AQuestionDoesNotHoldTheLoopUp)
{
    enum { TRIES = 12000, RCPTS = 8 };
    open();
    std::vector<std::string> rcpt, others;
    for (int i = 0; i < RCPTS; i++) {
        rcpt.push_back("a" + std::to_string(i) + "@d.example");
        others.push_back("b" + std::to_string(i) + "@d.example");
    }
    for (int i = 0; i < TRIES; i++)
        add({ .message_id = "<one@x>", .rcpt = rcpt, .verdict = "refuse", .generation = 2 });
    for (int i = 0; i < 3000; i++) /* let through, but to others */
        add({ .message_id = "<one@x>", .rcpt = others, .verdict = "accept", .generation = 2 });
    index_flush(x);
    auto start = std::chrono::steady_clock::now();
    cJSON *a = affected(2, IMPACT_MESSAGES_MAX);
    double asked = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    EXPECT_EQ(TRIES, number(a, "refused"));
    EXPECT_TRUE(cJSON_IsNull(cJSON_GetObjectItem(a, "delivered_later")));
    EXPECT_EQ(TRIES - IMPACT_LOOKED_MAX, number(a, "not_looked_at"));
    EXPECT_EQ(IMPACT_LOOKED_MAX, number(cJSON_GetArrayItem(cJSON_GetObjectItem(a, "domains"), 0), "refused"));
    EXPECT_EQ(IMPACT_MESSAGES_MAX, cJSON_GetArraySize(cJSON_GetObjectItem(a, "messages")));
    EXPECT_LT(asked, 2) << "it is some hundred ms; without a bound minutes";
    cJSON_Delete(a);
    start = std::chrono::steady_clock::now();
    cJSON *t = impact_trace(x, "<one@x>", nullptr, nullptr);
    double traced = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    EXPECT_GE(cJSON_GetArraySize(cJSON_GetObjectItem(t, "messages")), 1);
    EXPECT_LT(traced, 1);
    cJSON_Delete(t);
    printf("affected of %d with one key: %.0f ms; trace %.0f ms\n", TRIES, asked * 1000, traced * 1000);
    EXPECT_STREQ("", index_error(x)) << "who was late is no error";
}

/* The ring is told that lines are stored only when they are. */
TEST_F(Index, RingIsReleasedByTheCommit)
{
    open();
    const size_t len = sizeof(struct link_ring) + 65536;
    auto page = (struct link_ring *)calloc(1, len);
    struct ring r = {};
    r.page = page;
    r.size = 65536;
    r.line = (char *)malloc(LINK_LINE_MAX + 1);
    auto put = [&](const std::string &line) {
        uint32_t n = (uint32_t)line.size();
        memcpy(page->octets + page->head, &n, 4);
        memcpy(page->octets + page->head + 4, line.data(), n);
        page->head += (4 + n + 7) & ~7u;
    };
    put(record{ .id = "A1" }.line());
    put("no record");
    index_take(x, &r, now_ms);
    EXPECT_EQ(0u, page->tail);
    EXPECT_EQ(1u, index_counts(x)->taken);
    put(record{ .id = "A2" }.line());
    index_take(x, &r, now_ms + INDEX_BATCH_MS);
    EXPECT_EQ(page->head, page->tail);
    EXPECT_EQ(2u, index_messages(x));
    EXPECT_EQ(1u, index_counts(x)->bad);
    free(r.line);
    free(page);
}
