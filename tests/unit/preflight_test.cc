/* Pre-flight: for each check a rule set that only it can stop, and what a child may do to its parent. */
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "control/preflight.h"
#include "control/preflight_child.h"
#include "control/preflight_corpus.h"
#include "control/preflight_date.h"
#include "control/preflight_hostile.h"
#include "control/preflight_probe.h"
#include "control/preflight_suffix.h"
#include "tests/unit/ruleset_fixture.h"

namespace {

namespace fs = std::filesystem;

const char BASE[] = "body GTUBE /XJS\\*C4JDBQADN1\\.NSBN3\\*2IDNEN\\*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL\\*C\\.34X/\n"
                    "score GTUBE 1000\n";
const char SUFFIXES[] = "// a small one\ncom\nco.uk\nuk\nde\n*.ck\n!www.ck\nhk\n個人.hk\n"
                        "// ===BEGIN PRIVATE DOMAINS===\nblogspot.co.uk\n";

/* Everything of one test in a folder that goes with it. */
class Preflight : public ::testing::Test {
protected:
    void SetUp() override
    {
        char path[] = "/tmp/weir-preflight-test-XXXXXX";
        ASSERT_TRUE(mkdtemp(path));
        folder = path;
        write("suffixes.dat", SUFFIXES);
        settings = {};
        settings.jobs = 2;
        settings.ham_rejects_ppm = 100;
        settings.spam_lost_ppm = 10000;
        settings.cost_permille = 100000; /* times of a busy machine fail no test that is not about them */
        settings.image_mib = 256;
        settings.memory_mib = 256;
        settings.compile_s = 600;
        settings.shifts = 1;
        job = {};
        job.thresholds = {INT32_MAX, INT32_MAX, 5000, INT32_MAX};
        set(job.suffix_list, "suffixes.dat");
        live(BASE);
    }

    void TearDown() override
    {
        cJSON_Delete(report);
        EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "a child is left";
        fs::remove_all(folder);
    }

    std::string at(const std::string &name) const
    {
        return (folder / name).string();
    }

    void write(const std::string &name, const std::string &octets) const
    {
        std::ofstream(at(name), std::ios::binary) << octets;
    }

    void set(const char *&where, const std::string &name)
    {
        names.push_back(std::make_unique<std::string>(at(name)));
        where = names.back()->c_str();
    }

    void live(const std::string &rules)
    {
        write("live.image", build(rules));
        set(job.live_image, "live.image");
    }

    /* BASE and these rules. */
    void candidate(const std::string &rules, const std::string &base = BASE)
    {
        write("candidate.cf", base + rules);
        write("candidate.image", build(base + rules));
        set(job.rules, "candidate.cf");
        set(job.candidate_image, "candidate.image");
    }

    void run()
    {
        cJSON_Delete(report);
        report = preflight_run(&settings, &job);
        ASSERT_TRUE(report);
    }

    const cJSON *check(const std::string &name) const
    {
        const cJSON *c;
        cJSON_ArrayForEach (c, cJSON_GetObjectItem(report, "checks")) {
            if (text(c, "name") == name)
                return c;
        }
        return nullptr;
    }

    static std::string text(const cJSON *j, const char *name)
    {
        const char *s = cJSON_GetStringValue(cJSON_GetObjectItem(j, name));
        return s ? s : "";
    }

    static double number(const cJSON *j, const char *name)
    {
        const cJSON *n = cJSON_GetObjectItem(j, name);
        return cJSON_IsNumber(n) ? n->valuedouble : -1;
    }

    /* Names of the checks that are not ok, a blank after each. */
    std::string failed() const
    {
        std::string out;
        const cJSON *c;
        cJSON_ArrayForEach (c, cJSON_GetObjectItem(report, "checks")) {
            if (!cJSON_IsTrue(cJSON_GetObjectItem(c, "ok")))
                out += text(c, "name") + " ";
        }
        EXPECT_EQ(out.empty(), (bool)cJSON_IsTrue(cJSON_GetObjectItem(report, "ok")));
        return out;
    }

    /* The suffix matrix' entry for a suffix, as text. */
    std::string hit(const std::string &suffix) const
    {
        const cJSON *h;
        cJSON_ArrayForEach (h, cJSON_GetObjectItem(check("suffixes"), "hits")) {
            if (text(h, "suffix") != suffix)
                continue;
            char *s = cJSON_PrintUnformatted(h);
            std::string out = s;
            cJSON_free(s);
            return out;
        }
        return "";
    }

    fs::path folder;
    std::vector<std::unique_ptr<std::string>> names;
    preflight_settings settings;
    preflight_job job;
    cJSON *report = nullptr;
};

TEST_F(Preflight, a_good_set_passes_and_the_report_has_its_shape)
{
    candidate("header OFFER Subject =~ /cheap oem software/i\nscore OFFER 6\n");
    run();
    EXPECT_EQ(failed(), "");
    std::string order;
    const cJSON *c;
    cJSON_ArrayForEach (c, cJSON_GetObjectItem(report, "checks")) {
        order += text(c, "name") + " ";
        EXPECT_NE(text(c, "text"), "");
        EXPECT_GE(number(c, "seconds"), 0);
    }
    EXPECT_EQ(order, "lint limits load golden cost suffixes corpora clocks ");
    /* 8 rules and one U-label. */
    EXPECT_EQ(number(check("suffixes"), "suffixes"), 9);
    EXPECT_EQ(number(check("suffixes"), "probes"), 1 + 10 * PROBES_PER_NAME);
    EXPECT_EQ(number(check("corpora"), "spam_newly_caught"), 1);
    EXPECT_EQ(number(cJSON_GetObjectItem(report, "predicted"), "k"), 1);
    EXPECT_EQ(text(check("golden"), "golden").size(), 64u);
    const cJSON *changed = cJSON_GetArrayItem(cJSON_GetObjectItem(report, "changed"), 0);
    EXPECT_EQ(text(changed, "mail"), "16-software.eml");
    EXPECT_EQ(text(changed, "candidate"), "refuse");
}

TEST_F(Preflight, without_a_live_set_everything_counts_as_accepted)
{
    job.live_image = nullptr;
    candidate("");
    run();
    EXPECT_EQ(failed(), "");
}

TEST_F(Preflight, a_blanket_rule_is_named_with_suffix_place_and_rule)
{
    candidate("header CO_UK From:addr =~ /\\.co\\.uk$/i\nscore CO_UK 10\n");
    run();
    EXPECT_NE(failed().find("lint "), std::string::npos);
    EXPECT_NE(failed().find("suffixes "), std::string::npos);
    EXPECT_NE(failed().find("corpora "), std::string::npos); /* Margaret's letter */
    EXPECT_EQ(hit("co.uk"), "{\"suffix\":\"co.uk\",\"places\":[\"from/sender\",\"whole/sender\"],\"rules\":[\"CO_UK\"],"
                            "\"declared\":false}");
    EXPECT_NE(hit("blogspot.co.uk"), "");
    EXPECT_EQ(hit("uk"), "");
    EXPECT_EQ(number(check("suffixes"), "hit_suffixes"), 2);
    EXPECT_EQ(text(cJSON_GetArrayItem(cJSON_GetObjectItem(check("suffixes"), "by_rule"), 0), "rule"), "CO_UK");
}

/* No place hides another: each is hit by a rule that looks there alone. */
TEST_F(Preflight, every_place_is_probed_on_its_own)
{
    static const struct {
        const char *place, *rule;
    } places[] = {
        {"helo/sender", "header R X-Spam-Relays-Untrusted =~ /^\\[ ip=192.0.43.8 rdns= helo=mail\\.[a-z]+\\.co\\.uk /\n"},
        {"helo/rcpt", "header R X-Spam-Relays-Untrusted =~ /^\\[ ip=192.0.43.8 rdns= helo=mx1\\.[a-z]+\\.co\\.uk /\n"},
        {"mail-from/sender", "header R EnvelopeFrom =~ /^alice\\@[a-z]+\\.co\\.uk$/\n"},
        {"mail-from/rcpt", "header R EnvelopeFrom =~ /=[a-z]+\\.co\\.uk\\@/\n"},
        {"rcpt-to/rcpt", "blocklist_to *.co.uk\nheader R eval:check_to_in_blocklist()\n"},
        {"from/sender", "header R From:addr =~ /\\@[a-z]+\\.co\\.uk$/\n"},
        {"from/rcpt", "header R From:name =~ /\\.co\\.uk$/\n"},
        {"reply-to/sender", "header R Reply-To:addr =~ /^alice\\@[a-z]+\\.co\\.uk$/\n"},
        {"reply-to/rcpt", "header R Reply-To:addr =~ /=[a-z]+\\.co\\.uk\\@/\n"},
        {"received/sender", "header R Received =~ /from mail\\.[a-z]+\\.co\\.uk /\n"},
        {"received/rcpt", "header R Received =~ /for <bob\\@[a-z]+\\.co\\.uk>/\n"},
        {"url/sender", "uri R m{^http://www\\.[a-z]+\\.co\\.uk/}\n"},
        {"url/rcpt", "uri R /reader=bob\\@[a-z]+\\.co\\.uk/\n"},
        {"message-id/sender", "header R MESSAGEID =~ /\\.co\\.uk>/\n"},
        {"message-id/rcpt", "header R In-Reply-To =~ /\\.co\\.uk>/\n"},
        {"to/sender", "header R Cc =~ /\\.co\\.uk>/\n"},
        {"to/rcpt", "header R To:addr =~ /\\.co\\.uk$/\n"},
        {"whole/sender", "header __A EnvelopeFrom =~ /\\.co\\.uk$/\nheader __B From:addr =~ /\\.co\\.uk$/\nmeta R __A && __B\n"},
        {"whole/rcpt", "header __A In-Reply-To =~ /\\.co\\.uk>/\nheader __B To:addr =~ /\\.co\\.uk$/\nmeta R __A && __B\n"},
    };
    job.suffixes_only = true;
    for (const auto &p : places) {
        candidate(std::string(p.rule) + "score R 10\n");
        run();
        std::string found = hit("co.uk"), whole = std::string(p.place).find("/sender") != std::string::npos ? "whole/sender" : "whole/rcpt";
        EXPECT_NE(found.find("\"" + std::string(p.place) + "\""), std::string::npos) << p.place << ": " << found;
        const cJSON *list = cJSON_GetObjectItem(check("suffixes"), "hits");
        const cJSON *hit_places = cJSON_GetObjectItem(cJSON_GetArrayItem(list, 0), "places"), *name;
        if (!strncmp(p.place, "rcpt-to", 7))
            continue; /* the only rules that see recipients look at To, Cc and Received, too */
        cJSON_ArrayForEach (name, hit_places)
            EXPECT_TRUE(p.place == std::string(name->valuestring) || whole == name->valuestring) << p.place << " also "
                                                                                                 << name->valuestring;
    }
}

TEST_F(Preflight, u_labels_are_probed_beside_a_labels)
{
    job.suffixes_only = true;
    candidate("header U From =~ /個人/\nscore U 10\n");
    run();
    EXPECT_NE(hit("xn--gmqw5a.hk").find("from/sender"), std::string::npos);
    EXPECT_EQ(number(check("suffixes"), "hit_suffixes"), 1);
    candidate("header A From =~ /xn--gmqw5a/\nscore A 10\n");
    run();
    EXPECT_NE(hit("xn--gmqw5a.hk").find("from/sender"), std::string::npos);
}

TEST_F(Preflight, what_was_declared_passes_and_is_told)
{
    job.suffixes_only = true;
    candidate("header CO_UK From:addr =~ /\\.co\\.uk$/i\nscore CO_UK 10\nintent CO_UK suffix co.uk\n");
    run();
    EXPECT_TRUE(cJSON_IsTrue(cJSON_GetObjectItem(check("lint"), "ok"))) << text(check("lint"), "text");
    EXPECT_TRUE(cJSON_IsTrue(cJSON_GetObjectItem(check("suffixes"), "ok"))) << text(check("suffixes"), "text");
    const cJSON *declared = cJSON_GetArrayItem(cJSON_GetObjectItem(report, "declared"), 0);
    EXPECT_EQ(text(declared, "kind"), "sender-suffix");
    EXPECT_EQ(text(declared, "name"), "co.uk");
    /* One of the mails that must pass comes from there: it is refused for where it comes from, not for what it is. */
    EXPECT_TRUE(cJSON_IsTrue(cJSON_GetObjectItem(check("golden"), "ok"))) << text(check("golden"), "text");
    candidate("header NULL_SENDER EnvelopeFrom =~ /^<?>?$/\nscore NULL_SENDER 10\nintent NULL_SENDER suffix com\n");
    run();
    EXPECT_FALSE(cJSON_IsTrue(cJSON_GetObjectItem(check("golden"), "ok")));
    EXPECT_NE(text(check("golden"), "text").find("null-sender is rejected"), std::string::npos);
    /* The intent is for what it says alone. */
    candidate("header CO_UK From:addr =~ /\\.(?:co\\.uk|de)$/i\nscore CO_UK 10\nintent CO_UK suffix co.uk\n");
    run();
    EXPECT_FALSE(cJSON_IsTrue(cJSON_GetObjectItem(check("suffixes"), "ok")));
    EXPECT_NE(hit("de").find("\"declared\":false"), std::string::npos);
    /* A rule without intent that would do alone is not covered by another's. */
    candidate("header CO_UK From:addr =~ /\\.co\\.uk$/i\nscore CO_UK 10\nintent CO_UK suffix co.uk\n"
              "header OTHER From =~ /brookfield\\.co\\.uk/i\nscore OTHER 10\n");
    run();
    EXPECT_FALSE(cJSON_IsTrue(cJSON_GetObjectItem(check("suffixes"), "ok")));
}

TEST_F(Preflight, a_rule_for_every_domain_is_found_even_in_mail_that_names_nobody)
{
    job.suffixes_only = true;
    candidate("header ANY From:addr =~ /\\.[a-z]+$/\nscore ANY 10\n");
    run();
    EXPECT_NE(failed().find("suffixes "), std::string::npos);
    EXPECT_EQ(number(check("suffixes"), "hit_suffixes"), 9);
    const cJSON *warning = cJSON_GetArrayItem(cJSON_GetObjectItem(check("suffixes"), "warnings"), 0);
    EXPECT_NE(std::string(warning ? cJSON_GetStringValue(warning) : "").find("names nobody"), std::string::npos);
}

TEST_F(Preflight, a_score_that_jumps_is_told)
{
    job.suffixes_only = true;
    candidate("header HALF From =~ /brookfield\\.co\\.uk/\nscore HALF 3\n");
    run();
    EXPECT_EQ(failed(), "");
    EXPECT_EQ(number(check("suffixes"), "near"), 3); /* from/sender, from/rcpt, whole/sender */
}

TEST_F(Preflight, what_live_rejects_is_not_new)
{
    live(std::string(BASE) + "header CO_UK From =~ /\\.co\\.uk>/i\nscore CO_UK 10\n");
    job.suffixes_only = true;
    candidate("header OTHER From =~ /\\.co\\.uk>/i\nscore OTHER 10\n");
    run();
    EXPECT_TRUE(cJSON_IsTrue(cJSON_GetObjectItem(check("suffixes"), "ok")));
    EXPECT_EQ(number(check("suffixes"), "live_rejects"), 4);
}

TEST_F(Preflight, a_date_bomb_goes_off_in_the_clocks_alone)
{
    candidate("header BOMB Date =~ /20[3-9]\\d/\nscore BOMB 6\n");
    run();
    EXPECT_EQ(failed(), "clocks ");
    EXPECT_NE(text(check("clocks"), "text").find("BOMB"), std::string::npos);
    EXPECT_NE(text(check("clocks"), "text").find("2038"), std::string::npos);
    settings.shifts = 0;
    run();
    EXPECT_EQ(failed(), "");
}

TEST_F(Preflight, a_slow_set_costs_too_much)
{
    settings.cost_permille = 1250;
    candidate("body SLOW /(\\w+)\\W+.{0,70}\\1.{0,70}\\1.{0,70}\\1\\d/\nscore SLOW 0.1\n");
    run();
    EXPECT_EQ(failed(), "cost ") << text(check("cost"), "text");
}

TEST_F(Preflight, a_blind_set_loses_what_was_caught)
{
    candidate("body NEVER /qqzzqqzz/\nscore NEVER 1\n", "");
    run();
    EXPECT_EQ(failed(), "golden corpora ");
    EXPECT_NE(text(check("golden"), "text").find("gtube is no longer caught"), std::string::npos);
}

TEST_F(Preflight, ham_newly_rejected_is_told_with_rule_and_suffix)
{
    candidate("body APPLE /two old trees/\nscore APPLE 7\n");
    run();
    EXPECT_EQ(failed(), "corpora ");
    EXPECT_EQ(text(cJSON_GetArrayItem(cJSON_GetObjectItem(check("corpora"), "by_rule"), 0), "name"), "APPLE");
    EXPECT_EQ(text(cJSON_GetArrayItem(cJSON_GetObjectItem(check("corpora"), "by_suffix"), 0), "name"), "co.uk");
    settings.ham_rejects_ppm = 1000000;
    run();
    EXPECT_EQ(failed(), "");
}

TEST_F(Preflight, lint_stops_errors_and_new_duplicates)
{
    candidate("");
    write("candidate.cf", "body A /a/\nbody B /(/\nnonsense here\n");
    run();
    EXPECT_EQ(failed(), "lint ");
    write("candidate.cf", "body A /a/\nbody A /b/\n");
    write("live.cf", "body A /a/\n");
    set(job.live_rules, "live.cf");
    run();
    EXPECT_EQ(failed(), "lint ");
    write("live.cf", "body A /x/\nbody A /y/\n");
    run();
    EXPECT_EQ(failed(), "");
    job.rules = nullptr; /* an image was pushed */
    run();
    EXPECT_EQ(failed(), "");
}

/* Damaged anywhere: refused, in a child, and what needs the rule set is not ok. */
TEST_F(Preflight, a_corrupt_image_is_refused)
{
    candidate("");
    std::string image = build(BASE);
    for (const std::string &bad : {std::string(), std::string("WEIR"), image.substr(0, image.size() / 2),
                                   std::string(image).replace(image.size() - 9, 1, 1, (char)~image[image.size() - 9]),
                                   std::string(100000, 'x')}) {
        write("candidate.image", bad);
        run();
        EXPECT_EQ(failed(), "load golden cost suffixes corpora clocks ");
        EXPECT_NE(text(check("load"), "text"), "");
    }
    fs::remove(at("candidate.image"));
    run();
    EXPECT_EQ(failed(), "limits load golden cost suffixes corpora clocks ");
}

TEST_F(Preflight, limits_hold)
{
    candidate("");
    settings.image_mib = 0;
    run();
    EXPECT_EQ(failed(), "limits ");
    settings.image_mib = 256;
    settings.compile_s = 5;
    job.compile_seconds = 6;
    run();
    EXPECT_EQ(failed(), "limits ");
}

TEST_F(Preflight, without_a_suffix_list_nothing_is_proved)
{
    candidate("");
    job.suffix_list = "/nonexistent/list.dat";
    run();
    EXPECT_EQ(failed(), "suffixes ");
    EXPECT_NE(text(check("suffixes"), "text").find("no Public Suffix List"), std::string::npos);
    for (const char *bad : {"", "// only words\n", "com\nfoo<bar\n", "*\n"}) {
        write("bad.dat", bad);
        set(job.suffix_list, "bad.dat");
        run();
        EXPECT_EQ(failed(), "suffixes ") << bad;
    }
}

TEST_F(Preflight, corpora_that_cannot_be_read_prove_nothing)
{
    candidate("");
    fs::create_directory(at("empty"));
    for (const std::string &bad : {std::string("/nonexistent/ham"), at("empty")}) {
        snprintf(settings.ham, sizeof(settings.ham), "%s", bad.c_str());
        run();
        EXPECT_EQ(failed(), "cost corpora clocks ");
    }
}

TEST_F(Preflight, live_verdicts_are_kept_and_never_trusted_blindly)
{
    fs::create_directory(at("cache"));
    set(job.cache, "cache");
    job.suffixes_only = true;
    candidate("");
    run();
    EXPECT_EQ(failed(), "");
    ASSERT_EQ(std::distance(fs::directory_iterator(at("cache")), {}), 1);
    fs::path kept = fs::directory_iterator(at("cache"))->path();
    run();
    EXPECT_EQ(failed(), "");
    candidate("header CO_UK From =~ /\\.co\\.uk>/i\nscore CO_UK 10\n");
    run();
    EXPECT_EQ(number(check("suffixes"), "hit_suffixes"), 2);
    /* One octet of a record: that live rejects the probe. It is found out, and judged anew. */
    std::fstream f(kept, std::ios::in | std::ios::out | std::ios::binary);
    f.seekp(200);
    f.put((char)VERDICT_REFUSE);
    f.close();
    run();
    EXPECT_EQ(number(check("suffixes"), "hit_suffixes"), 2);
    EXPECT_EQ(number(check("suffixes"), "live_rejects"), 0);
    /* Another live set: other verdicts. */
    live(std::string(BASE) + "header CO_UK From =~ /\\.co\\.uk>/i\nscore CO_UK 10\n");
    run();
    EXPECT_EQ(number(check("suffixes"), "hit_suffixes"), 0);
    EXPECT_EQ(std::distance(fs::directory_iterator(at("cache")), {}), 2);
}

TEST_F(Preflight, a_proof_is_short)
{
    candidate("");
    job.suffixes_only = true;
    run();
    EXPECT_EQ(failed(), "");
    EXPECT_FALSE(check("corpora"));
    EXPECT_FALSE(check("cost"));
    EXPECT_TRUE(check("golden"));
    EXPECT_TRUE(check("suffixes"));
}

/* ---- children ---- */

struct child_case {
    bool (*run)(unsigned, preflight_pulse *, void *);
    const char *why;
};

TEST(PreflightChild, whatever_a_child_does_is_a_reason)
{
    static const child_case cases[] = {
        {[](unsigned, preflight_pulse *, void *) { return signal(SIGSEGV, SIG_DFL), raise(SIGSEGV) == 0; }, "crashed (signal 11"},
        {[](unsigned, preflight_pulse *, void *) { return raise(SIGKILL) == 0; }, "crashed (signal 9"},
        {[](unsigned, preflight_pulse *, void *) { for (;;) pause(); return true; }, "did nothing for 0.3 s"},
        {[](unsigned, preflight_pulse *, void *) { for (;;) __asm__ volatile(""); return true; }, "did nothing for 0.3 s"},
        {[](unsigned, preflight_pulse *p, void *) { for (uint32_t i = 0;; i++) preflight_beat(p, i); return true; }, "not done after"},
        {[](unsigned, preflight_pulse *, void *) { _exit(7); return true; }, "ended with code 7"},
        {[](unsigned, preflight_pulse *p, void *) { snprintf(p->why, sizeof(p->why), "a\nb"); return false; }, "a?b"},
    };
    for (const child_case &c : cases) {
        char why[PREFLIGHT_WHY_MAX];
        preflight_children children = {};
        children.cnt = 2;
        children.stall_ms = 300;
        children.total_ms = 1500;
        children.run = c.run;
        EXPECT_EQ(preflight_children_run(&children, why, sizeof(why)), -1);
        EXPECT_NE(std::string(why).find(c.why), std::string::npos) << why;
        EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
    }
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST(PreflightChild, memory_ends)
{
    char why[PREFLIGHT_WHY_MAX];
    preflight_children children = {};
    children.cnt = 1;
    children.memory_max = 64 << 20;
    children.run = [](unsigned, preflight_pulse *p, void *) {
        bool got_32 = malloc(32 << 20) != nullptr, got_256 = malloc(256 << 20) != nullptr;
        snprintf(p->why, sizeof(p->why), "%d %d", got_32, got_256);
        return false;
    };
    EXPECT_EQ(preflight_children_run(&children, why, sizeof(why)), -1);
    EXPECT_STREQ(why, "1 0");
}
#endif

TEST(PreflightChild, answers_are_checked)
{
    char why[PREFLIGHT_WHY_MAX];
    preflight_question q = {};
    q.total_ms = 20000;
    q.make = [](void *, preflight_pulse *) { return cJSON_CreateString("no object"); };
    EXPECT_FALSE(preflight_ask(&q, why, sizeof(why)));
    q.make = [](void *, preflight_pulse *) { return cJSON_CreateString(std::string(PREFLIGHT_JSON_MAX, 'x').c_str()); };
    EXPECT_FALSE(preflight_ask(&q, why, sizeof(why)));
    EXPECT_STREQ(why, "the answer is too long");
}

/* ---- parts ---- */

TEST(PreflightDate, dates_move_and_names_do_not)
{
    const std::string mail = "Received: from a by b; Mon, 31 Dec 2025 23:59:59 +0100\r\n"
                             "Date: Wed, 31 Dec 2025 23:30 +0000 (x)\r\nMessage-ID: <2025-12-31.Mon@x>\r\n"
                             "References: <1 Jan 2025@x>\r\n\r\nOn Wed Dec 31 23:59:59 2025 and on 2025-12-31T10:00:00\r\n"
                             "and 31 Dec 2025, not A31 Dec 2025, 99 Dec 2025 or 12025-12-31\r\n";
    const std::string want = "Received: from a by b; Thu, 1 Jan 2026 23:59:59 +0100\r\n"
                             "Date: Thu, 1 Jan 2026 23:30 +0000 (x)\r\nMessage-ID: <2025-12-31.Mon@x>\r\n"
                             "References: <2 Jan 2025@x>\r\n\r\nOn Thu Jan  1 23:59:59 2026 and on 2026-01-01T10:00:00\r\n"
                             "and 1 Jan 2026, not A31 Dec 2025, 99 Dec 2025 or 12025-12-31\r\n";
    std::string out(mail.size() + 100, 0);
    auto octets = [](const std::string &s) { return reinterpret_cast<const uint8_t *>(s.data()); };
    size_t len = preflight_date_move(octets(mail), mail.size(), 86400, reinterpret_cast<uint8_t *>(&out[0]), out.size());
    EXPECT_EQ(out.substr(0, len), want);
    EXPECT_EQ(preflight_date_move(octets(mail), mail.size(), 86400, reinterpret_cast<uint8_t *>(&out[0]), 50), 0u);
    int64_t newest;
    ASSERT_TRUE(preflight_date_newest(octets(mail), mail.size(), &newest));
    EXPECT_EQ(newest, 1767225599);
    for (size_t cut = 0; cut < mail.size(); cut++) { /* ends anywhere */
        std::vector<uint8_t> exact(mail.begin(), mail.begin() + (long)cut);
        preflight_date_move(exact.data(), cut, -86400, reinterpret_cast<uint8_t *>(&out[0]), out.size());
        preflight_date_newest(exact.data(), cut, &newest);
    }
}

TEST(PreflightHostile, each_is_large_and_its_own)
{
    std::vector<uint8_t> mail(PREFLIGHT_HOSTILE_LEN);
    std::set<size_t> lens;
    for (int kind = 0; kind < HOSTILE_CNT; kind++) {
        size_t len = preflight_hostile_mail((preflight_hostile)kind, mail.data());
        EXPECT_GT(len, 8000u) << preflight_hostile_name((preflight_hostile)kind);
        EXPECT_LE(len, (size_t)PREFLIGHT_HOSTILE_LEN);
        EXPECT_EQ(mail[len - 1], '\n');
    }
}

TEST(PreflightSuffix, the_systems_list_is_read)
{
    preflight_suffixes s;
    char why[PREFLIGHT_WHY_MAX];
    if (access(PREFLIGHT_SUFFIX_LIST, R_OK))
        GTEST_SKIP() << "no list here";
    ASSERT_EQ(preflight_suffixes_read(&s, nullptr, why, sizeof(why)), 0) << why;
    EXPECT_GT(s.rules_cnt, 9000u);
    EXPECT_STREQ(s.list[0].suffix, "com");
    EXPECT_GT(s.popular_cnt, 90u);
    preflight_suffixes_free(&s);
}

TEST(PreflightCorpus, the_one_that_ships_is_there)
{
    preflight_corpus c;
    char why[PREFLIGHT_WHY_MAX];
    ASSERT_EQ(preflight_corpus_read(&c, "", "ham", why, sizeof(why)), 0) << why;
    EXPECT_GE(c.cnt, 30u);
    EXPECT_STREQ(c.mails[0].suffix, "co.uk");
    preflight_corpus_free(&c);
}

} // namespace
