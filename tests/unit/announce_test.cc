/* Announcements: what happens writes the page itself, nothing on it is stale, and a restart finds it as it was. */
#include <gtest/gtest.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "control/announce.h"
#include "control/hooks.h"
#include "control/journal.h"

namespace {

uint64_t wall_ms;
uint64_t mono_ms;

uint64_t
test_clock(bool is_mono)
{
    return is_mono ? mono_ms : wall_ms;
}

void
pass(uint64_t ms)
{
    wall_ms += ms;
    mono_ms += ms;
}

constexpr uint64_t HOUR = 3600000;

class AnnounceTest : public ::testing::Test
{
protected:
    void SetUp() override
    {
        char name[] = "/tmp/weir-announce.XXXXXX";
        ASSERT_NE(mkdtemp(name), nullptr);
        folder = name;
        hooks = folder + "/hooks";
        ASSERT_EQ(mkdir(hooks.c_str(), 0755), 0);
        wall_ms = 1769904000000; /* 2026-02-01T00:00:00Z */
        mono_ms = 5000;
        char err[256];
        j = journal_open((folder + "/journal.jsonl").c_str(), err, sizeof(err));
        ASSERT_NE(j, nullptr) << err;
        start();
    }

    void TearDown() override
    {
        announce_free(a);
        journal_close(j);
        ASSERT_EQ(system(("rm -rf " + folder).c_str()), 0);
    }

    void start()
    {
        announce_settings s = {folder.c_str(), hooks.c_str(), HOUR, "Example Mail"};
        a = announce_new(&s);
        announce_set_clock(a, test_clock);
        char err[256];
        journal_replay((folder + "/journal.jsonl").c_str(), replay, a, err, sizeof(err));
        announce_set_journal(
            a,
            [](void *owner, const char *event, uint32_t generation, cJSON *fields) {
                auto *t = static_cast<AnnounceTest *>(owner);
                if (t->journal_result) {
                    cJSON_Delete(fields);
                    return t->journal_result;
                }
                return journal_append(t->j, event, generation, fields);
            },
            this);
    }

    static int replay(void *owner, const cJSON *record)
    {
        announce_replay(static_cast<announce *>(owner), record);
        return 0;
    }

    void restart()
    {
        announce_free(a);
        start();
    }

    std::string octets(const std::string &name)
    {
        std::ifstream in(folder + "/" + name, std::ios::binary);
        std::stringstream all;
        all << in.rdbuf();
        return all.str();
    }

    /* "incidents.0.status" of status.json as it lies in the folder. */
    std::string at(const std::string &path)
    {
        announce_tick(a);
        cJSON *document = cJSON_Parse(octets("status.json").c_str());
        const cJSON *of = document;
        std::stringstream parts(path);
        for (std::string part; std::getline(parts, part, '.');)
            of = isdigit(static_cast<unsigned char>(part[0])) ? cJSON_GetArrayItem(of, stoi(part))
                                                               : cJSON_GetObjectItem(of, part.c_str());
        std::string text = !of ? "(none)" : cJSON_IsString(of) ? of->valuestring : "";
        if (of && !cJSON_IsString(of)) {
            char *printed = cJSON_PrintUnformatted(of);
            text = printed;
            free(printed);
        }
        cJSON_Delete(document);
        return text;
    }

    static link_trip trip(uint32_t generation, uint32_t reason, link_kind kind, const char *name)
    {
        link_trip t = {};
        t.generation = generation;
        t.back_to = generation - 1;
        t.reason = reason;
        t.kind = kind;
        t.n = t.k = 4;
        t.time_ms = wall_ms;
        strncpy(t.name, name, sizeof(t.name) - 1);
        return t;
    }

    static evidence_reading reading(std::vector<std::pair<link_kind, std::string>> strata)
    {
        evidence_reading r = {};
        r.trips = true;
        for (auto &[kind, name] : strata) {
            evidence_stratum &s = r.worst[r.worst_cnt++];
            s.kind = kind;
            strncpy(s.name, name.c_str(), sizeof(s.name) - 1);
            s.n = s.k = 4;
            s.is_localised = true;
        }
        return r;
    }

    std::string folder, hooks;
    journal *j = nullptr;
    announce *a = nullptr;
    int journal_result = 0;
};

TEST_F(AnnounceTest, NothingIsWrong)
{
    EXPECT_EQ(at("status.indicator"), "none");
    EXPECT_EQ(at("status.description"), "All systems operational");
    EXPECT_EQ(at("page.name"), "Example Mail");
    EXPECT_EQ(at("page.updated_at"), "2026-02-01T00:00:00.000Z");
    EXPECT_EQ(at("incidents"), "[]");
    EXPECT_EQ(at("scheduled_maintenances"), "[]");
    for (const char *i : {"0", "1", "2"})
        EXPECT_EQ(at(std::string("components.") + i + ".status"), "operational");
}

TEST_F(AnnounceTest, ATripWritesItsStory)
{
    link_trip t = trip(7, LINK_REASON_EVIDENCE, LINK_KIND_ALL, "");
    announce_trip(a, &t, LINK_STAGE_LIVE);
    EXPECT_EQ(at("status.indicator"), "major");
    EXPECT_EQ(at("components.0.status"), "partial_outage");
    EXPECT_EQ(at("components.1.status"), "degraded_performance");
    EXPECT_EQ(at("components.2.status"), "operational");
    EXPECT_EQ(at("incidents.0.status"), "investigating");
    EXPECT_EQ(at("incidents.0.impact"), "major");
    EXPECT_EQ(at("incidents.0.name"), "Some mail refused or delayed");
    pass(3);
    evidence_reading r = reading({{LINK_KIND_SENDER_SUFFIX, "co.uk"}, {LINK_KIND_RULE, "CO_UK"}});
    announce_localised(a, 7, &r);
    EXPECT_EQ(at("incidents.0.status"), "identified");
    EXPECT_EQ(at("incidents.0.name"), "Some mail from .co.uk refused or delayed");
    EXPECT_EQ(at("incidents.0.incident_updates.0.body"), "The cause is known: senders under .co.uk, rule CO_UK.");
    announce_localised(a, 7, &r); /* read every some milliseconds: said once */
    pass(2);
    announce_returned(a, 7, 6, 900);
    announce_returned(a, 7, 6, 900);
    EXPECT_EQ(at("incidents.0.status"), "monitoring");
    EXPECT_EQ(at("incidents.0.monitoring_at"), "2026-02-01T00:00:00.005Z");
    EXPECT_EQ(at("status.indicator"), "minor");
    EXPECT_NE(at("incidents.0.incident_updates.0.body").find("has to be sent again"), std::string::npos);
    EXPECT_EQ(at("incidents.0.incident_updates.2.status"), "investigating");
    EXPECT_EQ(at("incidents.0.incident_updates.3"), "(none)");

    pass(HOUR - 1);
    EXPECT_EQ(at("incidents.0.status"), "monitoring");
    pass(1);
    EXPECT_EQ(at("incidents.0.status"), "resolved");
    EXPECT_EQ(at("incidents.0.resolved_at"), "2026-02-01T01:00:00.005Z");
    EXPECT_EQ(at("incidents.0.incident_updates.0.body"), "No further trouble for 1 h.");
    EXPECT_EQ(at("status.indicator"), "none");
    pass(ANNOUNCE_RESOLVED_DAYS * 24 * HOUR + 1);
    EXPECT_EQ(at("incidents"), "[]");
}

TEST_F(AnnounceTest, ATripThatNamesItsPlaceIsIdentifiedAtOnce)
{
    link_trip t = trip(7, LINK_REASON_EVIDENCE, LINK_KIND_SENDER_SUFFIX, "co.uk");
    announce_trip(a, &t, LINK_STAGE_CANARY);
    EXPECT_EQ(at("incidents.0.status"), "identified");
    EXPECT_EQ(at("incidents.0.impact"), "minor");
    EXPECT_EQ(at("incidents.0.name"), "Some mail from .co.uk delayed");
    EXPECT_EQ(at("incidents.0.incident_updates.1.status"), "investigating");
    announce_trip(a, &t, LINK_STAGE_CANARY); /* the same one, told again */
    EXPECT_EQ(at("incidents.1"), "(none)");
    EXPECT_EQ(at("incidents.0.incident_updates.2"), "(none)");
    announce_returned(a, 7, 6, 10);
    EXPECT_EQ(at("incidents.0.incident_updates.0.body").find("has to be sent again"), std::string::npos);
}

TEST_F(AnnounceTest, WhereNobodyWasHarmedThePublicIsNotTold)
{
    link_trip t = trip(7, LINK_REASON_EVIDENCE, LINK_KIND_SENDER_SUFFIX, "co.uk");
    announce_trip(a, &t, LINK_STAGE_SHADOW);
    t = trip(8, LINK_REASON_OPERATOR, LINK_KIND_ALL, "");
    announce_trip(a, &t, LINK_STAGE_PROBATION);
    t = trip(9, LINK_REASON_LEASE, LINK_KIND_ALL, "");
    announce_trip(a, &t, LINK_STAGE_CANARY);
    EXPECT_EQ(at("incidents"), "[]");
    t = trip(10, LINK_REASON_OPERATOR, LINK_KIND_ALL, "");
    announce_trip(a, &t, LINK_STAGE_LIVE); /* mail may have been refused by it */
    EXPECT_EQ(at("incidents.0.status"), "investigating");
}

TEST_F(AnnounceTest, CustomersAreNotNamedInPublic)
{
    link_trip t = trip(7, LINK_REASON_EVIDENCE, LINK_KIND_RCPT_DOMAIN, "customer.example");
    announce_trip(a, &t, LINK_STAGE_LIVE);
    evidence_reading r = reading({{LINK_KIND_RCPT_DOMAIN, "customer.example"}, {LINK_KIND_RCPT_DOMAIN, "other.example"}});
    announce_localised(a, 7, &r);
    announce_tick(a);
    for (const char *file : {"status.json", "status.html"}) {
        EXPECT_EQ(octets(file).find("customer.example"), std::string::npos) << file;
        EXPECT_EQ(octets(file).find("other.example"), std::string::npos) << file;
        EXPECT_NE(octets(file).find("one recipient domain."), std::string::npos) << file;
    }
    EXPECT_NE(octets("journal.jsonl").find("other.example"), std::string::npos);
}

TEST_F(AnnounceTest, SecondTripReopens)
{
    link_trip t = trip(7, LINK_REASON_EVIDENCE, LINK_KIND_ALL, "");
    announce_trip(a, &t, LINK_STAGE_LIVE);
    announce_returned(a, 7, 6, 1);
    pass(HOUR / 2);
    t = trip(7, LINK_REASON_SLOW, LINK_KIND_ALL, "");
    announce_trip(a, &t, LINK_STAGE_LIVE);
    EXPECT_EQ(at("incidents.0.status"), "investigating");
    EXPECT_EQ(at("incidents.1"), "(none)");
    pass(2 * HOUR);
    EXPECT_EQ(at("incidents.0.status"), "investigating") << "not back yet: not clean";
    announce_returned(a, 7, 6, 1);
    pass(HOUR);
    EXPECT_EQ(at("incidents.0.status"), "resolved");
    t = trip(9, LINK_REASON_SLOW, LINK_KIND_ALL, "");
    announce_trip(a, &t, LINK_STAGE_LIVE);
    EXPECT_EQ(at("incidents.1.status"), "resolved");
    EXPECT_EQ(at("incidents.0.id"), "i2");
}

TEST_F(AnnounceTest, PersonResolves)
{
    link_trip t = trip(7, LINK_REASON_EVIDENCE, LINK_KIND_ALL, "");
    announce_trip(a, &t, LINK_STAGE_LIVE);
    EXPECT_EQ(announce_end(a, "root", "i2", nullptr), -ENOENT);
    EXPECT_EQ(announce_end(a, "root", "i1", "All is well."), 0);
    EXPECT_EQ(at("incidents.0.status"), "resolved");
    EXPECT_EQ(at("incidents.0.incident_updates.0.body"), "All is well.");
    EXPECT_EQ(announce_end(a, "root", "i1", nullptr), -ENOENT);
}

TEST_F(AnnounceTest, AnnouncementsByPeopleExpire)
{
    char id[ANNOUNCE_ID_MAX];
    cJSON *components = cJSON_Parse("[\"mail\"]");
    EXPECT_EQ(announce_add(a, "root", "We are looking at delays.", IMPACT_MINOR, 600, components, id), 0);
    EXPECT_STREQ(id, "a1");
    cJSON_Delete(components);
    EXPECT_EQ(at("incidents.0.id"), "a1");
    EXPECT_EQ(at("incidents.0.expires_at"), "2026-02-01T00:10:00.000Z");
    EXPECT_EQ(at("incidents.0.incident_updates.0.body"), "We are looking at delays.");
    EXPECT_EQ(at("components.0.status"), "degraded_performance");
    EXPECT_EQ(at("status.indicator"), "minor");
    pass(599999);
    EXPECT_EQ(at("incidents.0.id"), "a1");
    pass(1);
    EXPECT_EQ(at("incidents"), "[]");
    EXPECT_EQ(at("status.indicator"), "none");
}

TEST_F(AnnounceTest, AClockSetBackKeepsNothingAlive)
{
    char id[ANNOUNCE_ID_MAX];
    ASSERT_EQ(announce_add(a, "root", "x", IMPACT_NONE, 600, nullptr, id), 0);
    wall_ms -= 48 * HOUR;
    mono_ms += 600000;
    EXPECT_EQ(at("incidents"), "[]");
    ASSERT_EQ(announce_add(a, "root", "x", IMPACT_NONE, 600, nullptr, id), 0);
    wall_ms += 48 * HOUR; /* or forward */
    EXPECT_EQ(at("incidents"), "[]");
}

TEST_F(AnnounceTest, AnnouncementsWithoutAnEndAreRefused)
{
    char id[ANNOUNCE_ID_MAX];
    std::string longest(ANNOUNCE_TEXT_MAX, 'x');
    EXPECT_EQ(announce_add(a, "root", "x", IMPACT_NONE, 0, nullptr, id), -EINVAL);
    EXPECT_EQ(announce_add(a, "root", "x", IMPACT_NONE, ANNOUNCE_EXPIRES_MAX_S + 1, nullptr, id), -EINVAL);
    EXPECT_EQ(announce_add(a, "root", "x", IMPACT_NONE, UINT64_MAX, nullptr, id), -EINVAL);
    EXPECT_EQ(announce_add(a, "root", "", IMPACT_NONE, 9, nullptr, id), -EINVAL);
    EXPECT_EQ(announce_add(a, "root", " \n ", IMPACT_NONE, 9, nullptr, id), -EINVAL);
    EXPECT_EQ(announce_add(a, "root", (longest + "x").c_str(), IMPACT_NONE, 9, nullptr, id), -EINVAL);
    for (const char *bad : {"[\"nothing\"]", "[7]", "{\"a\":\"mail\"}", "\"mail\""}) {
        cJSON *components = cJSON_Parse(bad);
        EXPECT_EQ(announce_add(a, "root", "x", IMPACT_NONE, 9, components, id), -EINVAL) << bad;
        cJSON_Delete(components);
    }
    journal_result = -ENOSPC;
    EXPECT_EQ(announce_add(a, "root", "x", IMPACT_NONE, 9, nullptr, id), -ENOSPC);
    EXPECT_EQ(at("incidents"), "[]");
    journal_result = 0;
    for (int i = 0; i < ANNOUNCE_NOTICES_MAX; i++)
        ASSERT_EQ(announce_add(a, "root", longest.c_str(), IMPACT_NONE, 9, nullptr, id), 0);
    EXPECT_EQ(announce_add(a, "root", "x", IMPACT_NONE, 9, nullptr, id), -ENOSPC);
    EXPECT_EQ(announce_end(a, "root", id, nullptr), 0);
    EXPECT_EQ(announce_add(a, "root", "x", IMPACT_NONE, 9, nullptr, id), 0);
}

TEST_F(AnnounceTest, ATripIsToldThoughTheJournalIsFull)
{
    journal_result = -ENOSPC;
    link_trip t = trip(7, LINK_REASON_EVIDENCE, LINK_KIND_ALL, "");
    announce_trip(a, &t, LINK_STAGE_LIVE);
    EXPECT_EQ(at("incidents.0.status"), "investigating");
}

TEST_F(AnnounceTest, ARestartFindsItAsItWas)
{
    char id[ANNOUNCE_ID_MAX];
    link_trip t = trip(7, LINK_REASON_EVIDENCE, LINK_KIND_SENDER_SUFFIX, "co.uk");
    announce_trip(a, &t, LINK_STAGE_LIVE);
    pass(1000);
    announce_returned(a, 7, 6, 1);
    ASSERT_EQ(announce_add(a, "root", "one \"two\" <b>", IMPACT_MINOR, 600, nullptr, id), 0);
    ASSERT_EQ(announce_add(a, "root", "gone", IMPACT_NONE, 5, nullptr, id), 0);
    ASSERT_EQ(announce_add(a, "root", "ended", IMPACT_NONE, 900, nullptr, id), 0);
    ASSERT_EQ(announce_end(a, "root", id, nullptr), 0);
    pass(10000);
    std::string before = at("incidents");
    restart();
    EXPECT_EQ(at("incidents"), before);
    announce_trip(a, &t, LINK_STAGE_LIVE); /* the data plane still says so */
    EXPECT_EQ(at("incidents"), before);
    ASSERT_EQ(announce_add(a, "root", "next", IMPACT_NONE, 5, nullptr, id), 0);
    EXPECT_STREQ(id, "a4") << "numbers are not given twice";
    ASSERT_EQ(announce_end(a, "root", id, nullptr), 0);
    /* Most of the clean hour and all of the expiry pass while nobody is there. */
    pass(HOUR - 10000);
    restart();
    EXPECT_EQ(at("incidents.0.status"), "resolved");
    EXPECT_EQ(at("incidents.0.id"), "i1");
    restart();
    EXPECT_EQ(at("incidents.0.status"), "resolved");
    announce_trip(a, &t, LINK_STAGE_LIVE);
    EXPECT_EQ(at("incidents.1"), "(none)");
    t.time_ms += 40; /* as the data plane has it, who was asked */
    announce_trip(a, &t, LINK_STAGE_LIVE);
    EXPECT_EQ(at("incidents.1"), "(none)") << "one trip, one incident";
    t.time_ms += HOUR;
    announce_trip(a, &t, LINK_STAGE_LIVE);
    EXPECT_EQ(at("incidents.0.id"), "i2") << "another trip of the same generation";
}

TEST_F(AnnounceTest, HostileRecordsAreLeftAlone)
{
    for (const char *text :
         {"{}", "[]", "{\"event\":\"announce\"}", "{\"event\":\"announce\",\"what\":\"update\"}",
          "{\"event\":\"announce\",\"what\":\"update\",\"id\":\"x\",\"status\":\"investigating\",\"impact\":\"minor\"}",
          "{\"event\":\"announce\",\"what\":\"update\",\"id\":\"i1\",\"status\":\"odd\",\"impact\":\"minor\"}",
          "{\"event\":\"announce\",\"what\":\"notice\",\"id\":\"a1\",\"impact\":\"minor\",\"expires_ms\":1e300}",
          "{\"event\":\"announce\",\"what\":\"notice\",\"id\":\"a1\",\"impact\":\"minor\",\"expires_ms\":-5}",
          "{\"event\":\"announce\",\"what\":\"notice\",\"id\":\"a0\",\"impact\":\"minor\",\"expires_ms\":1769904001000}",
          "{\"event\":\"announce\",\"what\":\"notice\",\"id\":7,\"impact\":7,\"expires_ms\":\"1\"}",
          "{\"event\":\"announce\",\"what\":\"end\",\"id\":[]}"}) {
        cJSON *record = cJSON_Parse(text);
        ASSERT_NE(record, nullptr) << text;
        announce_replay(a, record);
        cJSON_Delete(record);
        EXPECT_EQ(at("incidents"), "[]") << text;
    }
}

TEST_F(AnnounceTest, IncidentsAreBounded)
{
    announce_set_journal(a, nullptr, nullptr); /* 6,000 of them would wait for the disk */
    for (uint32_t g = 1; g <= 3 * ANNOUNCE_INCIDENTS_MAX; g++) {
        link_trip t = trip(g, LINK_REASON_EVIDENCE, LINK_KIND_ALL, "");
        for (int again = 0; again < 2 * ANNOUNCE_UPDATES_MAX; again++) {
            t.time_ms += HOUR; /* another trip, not the same told again */
            announce_trip(a, &t, LINK_STAGE_LIVE);
        }
    }
    EXPECT_EQ(at("incidents." + std::to_string(ANNOUNCE_INCIDENTS_MAX)), "(none)");
    EXPECT_NE(at("incidents." + std::to_string(ANNOUNCE_INCIDENTS_MAX - 1)), "(none)");
    EXPECT_NE(at("incidents.0.incident_updates." + std::to_string(ANNOUNCE_UPDATES_MAX - 1)), "(none)");
    EXPECT_EQ(at("incidents.0.incident_updates." + std::to_string(ANNOUNCE_UPDATES_MAX)), "(none)");
}

TEST_F(AnnounceTest, TheScannersSilenceIsSeen)
{
    announce_health(a, false, "no answer");
    EXPECT_EQ(at("components.2.status"), "operational") << "a restart is no outage";
    pass(2000);
    announce_health(a, true, nullptr);
    pass(2000);
    announce_health(a, false, "no answer");
    pass(2999);
    EXPECT_EQ(at("components.2.status"), "operational");
    pass(1);
    announce_health(a, false, "no answer");
    EXPECT_EQ(at("components.2.status"), "major_outage");
    EXPECT_EQ(at("status.indicator"), "critical");
    announce_health(a, true, nullptr);
    EXPECT_EQ(at("components.2.status"), "operational");
}

TEST_F(AnnounceTest, WrittenAtLeastEveryMinute)
{
    EXPECT_EQ(at("page.updated_at"), "2026-02-01T00:00:00.000Z");
    pass(ANNOUNCE_HEARTBEAT_MS - 1);
    EXPECT_EQ(at("page.updated_at"), "2026-02-01T00:00:00.000Z");
    pass(1);
    EXPECT_EQ(at("page.updated_at"), "2026-02-01T00:01:00.000Z");
}

TEST_F(AnnounceTest, AFolderThatCannotBeWrittenIsTriedAgain)
{
    ASSERT_EQ(at("status.indicator"), "none");
    ASSERT_EQ(unlink((folder + "/status.json").c_str()), 0);
    ASSERT_EQ(mkdir((folder + "/status.json").c_str(), 0755), 0);
    link_trip t = trip(7, LINK_REASON_EVIDENCE, LINK_KIND_ALL, "");
    announce_trip(a, &t, LINK_STAGE_LIVE);
    announce_tick(a);
    EXPECT_NE(octets("status.html").find("investigating"), octets("status.html").find("Investigating"));
    ASSERT_EQ(rmdir((folder + "/status.json").c_str()), 0);
    pass(1000);
    EXPECT_EQ(at("incidents.0.status"), "investigating");
}

TEST_F(AnnounceTest, HooksAreToldWithTheFacts)
{
    std::string hook = hooks + "/10-page";
    std::ofstream(hook) << "#!/bin/sh\ncat >" << folder << "/got.$WEIR_EVENT\n";
    chmod(hook.c_str(), 0755);
    link_trip t = trip(7, LINK_REASON_EVIDENCE, LINK_KIND_RCPT_DOMAIN, "customer.example");
    auto begin = std::chrono::steady_clock::now();
    announce_trip(a, &t, LINK_STAGE_LIVE);
    announce_tick(a);
    auto written = std::chrono::steady_clock::now();
    EXPECT_NE(octets("status.json").find("\"investigating\""), std::string::npos);
    for (int i = 0; i < 5000 && octets("got.identified").find("}}") == std::string::npos; i++) {
        announce_tick(a);
        usleep(1000);
    }
    auto told = std::chrono::steady_clock::now();
    auto ms = [&](auto until) { return std::chrono::duration<double, std::milli>(until - begin).count(); };
    printf("# trip to status.json %.2f ms, to the hook's end %.2f ms\n", ms(written), ms(told));
    EXPECT_LT(ms(told), 5000);
    cJSON *got = cJSON_Parse(octets("got.identified").c_str());
    ASSERT_NE(got, nullptr) << octets("got.identified");
    EXPECT_STREQ(cJSON_GetStringValue(cJSON_GetObjectItem(got, "event")), "identified");
    EXPECT_EQ(cJSON_GetObjectItem(got, "generation")->valueint, 7);
    EXPECT_STREQ(cJSON_GetStringValue(cJSON_GetObjectItem(got, "indicator")), "major");
    EXPECT_NE(std::string(cJSON_GetStringValue(cJSON_GetObjectItem(got, "text"))).find("customer.example"), std::string::npos);
    EXPECT_NE(octets("got.identified").find("\"kind\":\"rcpt-domain\",\"name\":\"customer.example\",\"n\":4,\"k\":4"), std::string::npos);
    cJSON_Delete(got);
}

/* ---- hooks ---- */

class HooksTest : public AnnounceTest
{
protected:
    void SetUp() override
    {
        AnnounceTest::SetUp();
        log = open_memstream(&text, &text_len);
        h = hooks_new(hooks.c_str(), 300, log);
    }

    void TearDown() override
    {
        hooks_free(h);
        fclose(log);
        free(text);
        AnnounceTest::TearDown();
    }

    void hook(const std::string &name, const std::string &script, mode_t mode = 0755)
    {
        std::ofstream(hooks + "/" + name) << script;
        chmod((hooks + "/" + name).c_str(), mode);
    }

    /* Until all are done; the longest time that one tick took. */
    double wait(int limit_ms = 10000)
    {
        double longest = 0;
        for (int i = 0; i < limit_ms; i++) {
            auto begin = std::chrono::steady_clock::now();
            unsigned cnt = hooks_tick(h);
            longest = std::max(longest, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
            if (!cnt)
                return longest;
            usleep(1000);
        }
        ADD_FAILURE() << "hooks are still there";
        return longest;
    }

    std::string logged()
    {
        fflush(log);
        return std::string(text, text_len);
    }

    FILE *log = nullptr;
    char *text = nullptr;
    size_t text_len = 0;
    struct hooks *h = nullptr;
};

TEST_F(HooksTest, EnvironmentAndDescriptorsAreClean)
{
    setenv("SECRET", "x", 1);
    int leak = open("/etc/passwd", O_RDONLY);
    hook("a", "#!/bin/sh\nenv | sort; ls /proc/self/fd | tr '\\n' ' '; pwd; cat; exit 3\n");
    hooks_call(h, "live", "{\"a\":1}\n");
    wait();
    close(leak);
    std::string said = logged();
    EXPECT_EQ(said.find("SECRET"), std::string::npos) << said;
    EXPECT_NE(said.find("hook a: WEIR_EVENT=live\n"), std::string::npos) << said;
    EXPECT_NE(said.find("hook a: 0 1 2 3 /\n"), std::string::npos) << said; /* 3: ls's own */
    EXPECT_NE(said.find("hook a: {\"a\":1}\n"), std::string::npos) << said;
    EXPECT_NE(said.find("hook a: exit 3\n"), std::string::npos) << said;
    EXPECT_EQ(hooks_counts(h).failed, 1U);
}

TEST_F(HooksTest, OnlyProgramsAreRunAndInOrder)
{
    for (const char *name : {"20-second", "10-first"})
        hook(name, "#!/bin/sh\necho ran\n");
    hook("notes.txt", "#!/bin/sh\necho wrong\n", 0644);
    hook(".hidden", "#!/bin/sh\necho wrong\n");
    hook("copy~", "#!/bin/sh\necho wrong\n");
    hook("30-open", "#!/bin/sh\necho wrong\n", 0777);
    mkdir((hooks + "/40-folder").c_str(), 0755);
    ASSERT_EQ(mkfifo((hooks + "/50-pipe").c_str(), 0755), 0);
    hook("60-no-program", "neither script nor ELF\n");
    hooks_call(h, "live", "{}");
    wait();
    std::string said = logged();
    EXPECT_EQ(said.find("wrong"), std::string::npos) << said;
    EXPECT_NE(said.find("30-open: everybody may write to it"), std::string::npos) << said;
    EXPECT_NE(said.find("60-no-program: Exec format error"), std::string::npos) << said;
    EXPECT_EQ(hooks_counts(h).started, 3U);
    EXPECT_EQ(hooks_counts(h).failed, 1U);
}

TEST_F(HooksTest, HangingOnesHoldUpNobodyAndEndWithTheirChildren)
{
    hooks_free(h);
    h = hooks_new(hooks.c_str(), 4000, log);
    hook("hang", "#!/bin/sh\nsleep 1000 &\necho $! >" + folder + "/child\ntrap '' TERM\nsleep 1000\n");
    hook("left", "#!/bin/sh\nsleep 1000 >/dev/null 2>&1 &\necho $! >" + folder + "/left\n");
    auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < HOOKS_RUNNING_MAX; i++)
        hooks_call(h, "live", "{}");
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(4000));
    double longest = wait(60000);
    printf("# longest tick beside hanging hooks: %.2f ms\n", longest);
    EXPECT_LT(longest, 4000) << "it waited for one";
    EXPECT_EQ(hooks_counts(h).killed, static_cast<uint64_t>(HOOKS_RUNNING_MAX));
    EXPECT_NE(logged().find("hook hang: killed after "), std::string::npos);
    for (const char *name : {"child", "left"}) {
        int pid = atoi(octets(name).c_str());
        ASSERT_GT(pid, 1);
        for (int i = 0; i < 2000 && kill(pid, 0) == 0; i++)
            usleep(1000); /* init reaps it */
        std::ifstream state("/proc/" + std::to_string(pid) + "/stat");
        std::string line;
        std::getline(state, line);
        EXPECT_TRUE(kill(pid, 0) != 0 || line.find(") Z ") != std::string::npos) << name << " lives on: " << line;
    }
}

TEST_F(HooksTest, OutputAndQueueAreBounded)
{
    hook("loud", "#!/bin/sh\nhead -c 1000000 /dev/zero | tr '\\0' 'x'\nexec yes\n");
    hooks_call(h, "live", "{}");
    wait();
    EXPECT_LT(logged().size(), static_cast<size_t>(2 * HOOKS_OUTPUT_MAX));
    hook("loud", "#!/bin/sh\nexit 0\n");
    for (int i = 0; i < 2 * HOOKS_WAITING_MAX; i++)
        hooks_call(h, "live", "{}");
    EXPECT_GE(hooks_counts(h).left_out, static_cast<uint64_t>(HOOKS_WAITING_MAX - HOOKS_RUNNING_MAX));
    wait(60000);
    EXPECT_EQ(hooks_counts(h).started + hooks_counts(h).left_out, 1U + 2 * HOOKS_WAITING_MAX);
    hooks_call(h, "live", std::string(HOOKS_JSON_MAX + 1, 'x').c_str());
    EXPECT_NE(logged().find("cannot be written"), std::string::npos);
}

TEST_F(HooksTest, NoFolderIsNoFault)
{
    hooks_free(h);
    h = hooks_new("", 300, log);
    hooks_call(h, "live", "{}");
    EXPECT_EQ(logged(), "");
    hooks_free(h);
    h = hooks_new((folder + "/nowhere").c_str(), 300, log);
    hooks_call(h, "live", "{}");
    EXPECT_NE(logged().find("nowhere: No such file"), std::string::npos);
    EXPECT_EQ(hooks_tick(h), 0U);
}

TEST_F(HooksTest, DescriptorsAreFlat)
{
    auto count = [] { return system("exit $(ls /proc/$PPID/fd | wc -l)") >> 8; };
    hook("a", "#!/bin/sh\nexit 0\n");
    int before = count();
    for (int i = 0; i < 50; i++) {
        hooks_call(h, "live", "{}");
        wait();
    }
    EXPECT_EQ(count(), before);
    hook("a", "#!/bin/sh\nsleep 100\n");
    for (int i = 0; i < 20; i++)
        hooks_call(h, "live", "{}");
    hooks_free(h);
    h = nullptr;
    EXPECT_EQ(count(), before);
}

} // namespace
