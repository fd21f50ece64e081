// settings: every mistake is named with its line; what is printed reads back the same.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>

#include "control/settings.h"

namespace {

struct Reading {
    int ret;
    std::string errors;
    std::unique_ptr<settings> s = std::make_unique<settings>();
};

Reading
read(const std::string &text)
{
    Reading r;
    char *errors = nullptr;
    size_t len = 0;
    FILE *to = open_memstream(&errors, &len);
    std::string octets = text.empty() ? "\n" : text;
    FILE *from = fmemopen(octets.data(), octets.size(), "r");
    r.ret = settings_read_stream(r.s.get(), "f.cfg", from, to);
    fclose(from);
    fclose(to);
    r.errors.assign(errors, len);
    free(errors);
    return r;
}

std::string
print(const settings &s)
{
    char *text = nullptr;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    settings_print(&s, to);
    fclose(to);
    std::string out(text, len);
    free(text);
    return out;
}

// What read() says about `line` as the third line, in `section`.
std::string
complaint(const std::string &section, const std::string &line)
{
    Reading r = read("\n[" + section + "]\n" + line + "\n");
    EXPECT_EQ(r.ret, -1) << line;
    EXPECT_EQ(r.errors.rfind("f.cfg:3: ", 0), 0u) << line << "\n" << r.errors;
    return r.errors;
}

bool
is_taken(const std::string &section, const std::string &line)
{
    return read("[" + section + "]\n" + line + "\n").ret == 0;
}

} // namespace

TEST(Settings, DefaultsAreForProduction)
{
    Reading r = read("");
    ASSERT_EQ(r.ret, 0) << r.errors;
    const settings &s = *r.s;
    EXPECT_STREQ(s.socket, "/run/weir/control.sock");
    EXPECT_STREQ(s.state, "/var/lib/weir/control");
    EXPECT_EQ(s.generations_kept, 20u);
    EXPECT_EQ(s.poll_ms, 10u);
    EXPECT_EQ(s.index_days, 30u);
    EXPECT_EQ(s.shadow_ms, 600000u);
    EXPECT_EQ(s.canary_ms, 1800000u);
    EXPECT_EQ(s.probation_ms, 14400000u);
    EXPECT_EQ(s.shadow_messages, 1000u);
    EXPECT_EQ(s.probation_messages, 5000u);
    EXPECT_EQ(s.stage_max_ms, 86400000u);
    EXPECT_EQ(s.shadow_share_ppm, 250000u);
    EXPECT_EQ(s.canary_share_ppm, 50000u);
    EXPECT_EQ(s.reverse_share_ppm, 20000u);
    EXPECT_EQ(s.reverse_window_ms, 3600000u);
    EXPECT_EQ(s.lease_ms, 30000u);
    EXPECT_EQ(s.budget_permille, 250u);
    EXPECT_EQ(s.defer_max, 50000u);
    EXPECT_EQ(s.defer_tries, 2u);
    EXPECT_EQ(s.slow_permille, 3000u);
    EXPECT_EQ(s.reject_permille, 100u);
    EXPECT_EQ(s.evidence.alpha, 1e-6);
    EXPECT_EQ(s.evidence.rho_all, 0.005);
    EXPECT_EQ(s.evidence.rho_stratum, 0.01);
    EXPECT_EQ(s.evidence.rho_mirror, 0.2);
    EXPECT_EQ(s.evidence.rho_error, 1e-4);
    EXPECT_EQ(s.preflight.ham_rejects_ppm, 100u);
    EXPECT_EQ(s.preflight.spam_lost_ppm, 10000u);
    EXPECT_EQ(s.preflight.cost_permille, 1250u);
    EXPECT_EQ(s.preflight.compile_s, 600u);
    EXPECT_EQ(s.preflight.shifts, 1u);
    EXPECT_STREQ(s.link_socket, "");
    EXPECT_EQ(s.thresholds.refuse_milli, 5000);
    EXPECT_EQ(s.thresholds.tag_milli, INT32_MAX);
}

TEST(Settings, ValuesOfEveryType)
{
    Reading r = read("[link]\nsocket = /tmp/d.sock\nmode = 0660\n[verdict]\nrefuse = -7.25\ntag = 1\n"
                     "[control]\nsocket = /tmp/c.sock ; mine\ngenerations=5\npoll = 5\n"
                     "[control.rollout]\nshadow = 2 s\ncanary = 10 min\nprobation=1 h\nshadow_share = 100 %\n"
                     "canary_share = 0.0001%\nslow = 150.5 %\nalpha = 0.01\nrho_all = 0.7 %\nrho_error = 1e-3\n"
                     "[control.preflight]\ncompile = 90 s\nshifts = off\nham_rejects = 0 %\ncost = 200 %\n");
    ASSERT_EQ(r.ret, 0) << r.errors;
    const settings &s = *r.s;
    EXPECT_STREQ(s.link_socket, "/tmp/d.sock");
    EXPECT_EQ(s.thresholds.refuse_milli, -7250);
    EXPECT_EQ(s.thresholds.tag_milli, 1000);
    EXPECT_STREQ(s.socket, "/tmp/c.sock");
    EXPECT_EQ(s.generations_kept, 5u);
    EXPECT_EQ(s.poll_ms, 5u);
    EXPECT_EQ(s.shadow_ms, 2000u);
    EXPECT_EQ(s.canary_ms, 600000u);
    EXPECT_EQ(s.probation_ms, 3600000u);
    EXPECT_EQ(s.shadow_share_ppm, 1000000u);
    EXPECT_EQ(s.canary_share_ppm, 1u);
    EXPECT_EQ(s.slow_permille, 1505u);
    EXPECT_EQ(s.evidence.alpha, 0.01);
    EXPECT_NEAR(s.evidence.rho_all, 0.007, 1e-15);
    EXPECT_EQ(s.evidence.rho_error, 1e-3);
    EXPECT_EQ(s.preflight.compile_s, 90u);
    EXPECT_EQ(s.preflight.shifts, 0u);
    EXPECT_EQ(s.preflight.ham_rejects_ppm, 0u);
    EXPECT_EQ(s.preflight.cost_permille, 2000u);
}

TEST(Settings, WhatIsPrintedReadsBackTheSame)
{
    Reading r = read("[control]\nuser = weir\nhooks = /etc/weir/hooks.d\n[control.rollout]\nalpha = 0.000123456789\n"
                     "rho_all = 0.3 %\nrho_stratum = 33.333333333333 %\nshadow_share = 12.3456 %\nslow = off-by\n");
    EXPECT_EQ(r.ret, -1); // and what was right is taken
    EXPECT_EQ(r.s->shadow_share_ppm, 123456u);
    Reading again = read(print(*r.s));
    ASSERT_EQ(again.ret, 0) << again.errors;
    EXPECT_EQ(memcmp(again.s.get(), r.s.get(), sizeof(settings)), 0);
    EXPECT_EQ(print(*again.s), print(*r.s));
}

TEST(Settings, TheFileThatShips)
{
    auto s = std::make_unique<settings>();
    ASSERT_EQ(settings_read(s.get(), "appliance.cfg", stderr), 0);
    EXPECT_STREQ(s->link_socket, "/run/weir/dataplane.sock");
    EXPECT_EQ(s->thresholds.refuse_milli, 5000);
    // It documents every key, and what it shows as defaults are the defaults.
    FILE *from = fopen("appliance.cfg", "r");
    std::string text, line;
    char buffer[1024];
    bool is_ours = false;
    unsigned shown = 0;
    while (fgets(buffer, sizeof(buffer), from)) {
        line = buffer;
        if (line.rfind("[", 0) == 0)
            is_ours = line.rfind("[control", 0) == 0;
        if (is_ours && line.rfind("#", 0) == 0 && line.find(" ") != 1 && line.find(" =") != std::string::npos) {
            text += line.substr(1);
            shown++;
        } else if (is_ours) {
            text += line;
        }
    }
    fclose(from);
    EXPECT_GT(shown, 40u);
    Reading r = read(text);
    ASSERT_EQ(r.ret, 0) << r.errors;
    EXPECT_EQ(print(*r.s), print(*read("").s));
    std::string printed = print(*r.s);
    for (size_t at = printed.find("[control]"), end = printed.find("[link]"); at < end;) {
        size_t newline = printed.find('\n', at);
        std::string key = printed.substr(at, newline - at);
        key = key.substr(0, key.find(" ="));
        if (!key.empty() && key[0] != '[') {
            EXPECT_NE(("\n" + text).find("\n" + key + " ="), std::string::npos) << key << " is not documented";
        }
        at = newline + 1;
    }
}

TEST(Settings, MistakesAreNamed)
{
    EXPECT_NE(complaint("control", "sokcet = x").find("[control] has no key `sokcet`"), std::string::npos);
    EXPECT_NE(complaint("control.rollout", "shadow = 10 days").find("a time such as"), std::string::npos);
    EXPECT_NE(complaint("control.rollout", "shadow_share = 25").find("a share such as"), std::string::npos);
    EXPECT_NE(complaint("control.rollout", "shadow_share = 0 %").find("from 0.0001 %"), std::string::npos);
    EXPECT_NE(complaint("control.rollout", "alpha = 0").find("a chance"), std::string::npos);
    EXPECT_NE(complaint("control.preflight", "shifts = maybe").find("on or off"), std::string::npos);
    EXPECT_NE(complaint("verdict", "refuse = 5.0001").find("points such as"), std::string::npos);
    EXPECT_NE(complaint("control", "just words").find("neither a section"), std::string::npos);
    EXPECT_NE(complaint("control", "state =").find("wants a `state`"), std::string::npos);
    EXPECT_NE(complaint("control", "user = " + std::string(64, 'u')).find("up to 63 octets"), std::string::npos);
    EXPECT_NE(complaint("control", "hooks =;x").find("no ; at its beginning"), std::string::npos);
    EXPECT_NE(complaint("control", "state = " + std::string(220, 's')).find("a line longer"), std::string::npos);

    Reading r = read("[control.rolout]\nx = 1\n[control]\npoll = 0\npoll = 5\n");
    EXPECT_EQ(r.ret, -1);
    EXPECT_NE(r.errors.find("f.cfg:1: there is no section [control.rolout]\n"), std::string::npos);
    EXPECT_NE(r.errors.find("f.cfg:4: `poll`: wants"), std::string::npos);
    EXPECT_NE(r.errors.find("f.cfg:5: `poll` is given twice in [control]"), std::string::npos);
    EXPECT_EQ(r.s->poll_ms, 10u);
}

TEST(Settings, ValuesAtTheirEdges)
{
    EXPECT_TRUE(is_taken("control.rollout", "alpha = 10 %"));
    EXPECT_FALSE(is_taken("control.rollout", "alpha = 10.1 %"));
    for (const char *bad : {"nan", "inf", "-1e-6", "0x1p-3", "1e-400", "1e-6x", "1 % %", "", "%", "1e"})
        EXPECT_FALSE(is_taken("control.rollout", std::string("alpha = ") + bad)) << bad;
    for (const char *bad : {"5", "5.12345 %", "101 %", "-1 %", ". %", "99999999999999999999 %", "1..2 %"})
        EXPECT_FALSE(is_taken("control.rollout", std::string("shadow_share = ") + bad)) << bad;
    for (const char *bad : {"18446744073709551617", "18446744073709551615 h", "1.5 s", "5 S", "-5", "168 h 1"})
        EXPECT_FALSE(is_taken("control.rollout", std::string("canary = ") + bad)) << bad;
    EXPECT_FALSE(is_taken("control.preflight", "compile = 1500 ms"));
    EXPECT_FALSE(is_taken("control.rollout", "probation = 25 h")); // stage_max
    EXPECT_TRUE(is_taken("control.rollout", "probation = 25 h\nstage_max = 26 h"));
    EXPECT_FALSE(is_taken("control", "poll = 1 s\n[control.rollout]\nlease = 3 s"));
    EXPECT_FALSE(is_taken("control", "socket = /a\n[link]\nsocket = /a"));
}

TEST(Settings, TheDataPlanesPartIsItsOwn)
{
    Reading r = read("[eal]\nargs = a\n    continued, and on\nwhat = ever\n[pair.0]\noutside = " +
                     std::string(500, 'x') + "\n[link]\nsocket = /s\nmode = nonsense\n[unheard.of]\nk = v\n");
    EXPECT_EQ(r.ret, 0) << r.errors;
    EXPECT_STREQ(r.s->link_socket, "/s");
}

TEST(Settings, NoFile)
{
    auto s = std::make_unique<settings>();
    char *errors = nullptr;
    size_t len = 0;
    FILE *to = open_memstream(&errors, &len);
    EXPECT_EQ(settings_read(s.get(), "/nonexistent.cfg", to), -1);
    fclose(to);
    EXPECT_STREQ(errors, "/nonexistent.cfg: No such file or directory\n");
    free(errors);
    EXPECT_EQ(s->poll_ms, 10u);
}
