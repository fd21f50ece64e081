// config: every mistake is named with its line; what is printed reads back the same.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>

#include "dataplane/config.h"
#include "dataplane/topology.h"

namespace {

struct Reading {
    int ret;
    std::string errors;
    std::unique_ptr<config> c = std::make_unique<config>();
};

Reading
read(const std::string &text)
{
    Reading r;
    char *errors = nullptr;
    size_t len = 0;
    FILE *to = open_memstream(&errors, &len);
    FILE *from = fmemopen(const_cast<char *>(text.data()), text.size(), "r");
    r.ret = config_read_stream(r.c.get(), "f.cfg", from, to);
    fclose(from);
    fclose(to);
    r.errors.assign(errors, len);
    free(errors);
    return r;
}

std::string
print(const config &c)
{
    char *text = nullptr;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    config_print(&c, to);
    fclose(to);
    std::string s(text, len);
    free(text);
    return s;
}

const std::string PAIR = "[pair.0]\noutside = net_null0\ninside = net_null1\n";

// What read() says about `line` as the fifth line, in `section`.
std::string
complaint(const std::string &section, const std::string &line)
{
    Reading r = read(PAIR + "[" + section + "]\n" + line + "\n");
    EXPECT_EQ(r.ret, -1) << line;
    return r.errors;
}

} // namespace

TEST(Config, Defaults)
{
    Reading r = read(PAIR);
    ASSERT_EQ(r.ret, 0) << r.errors;
    const pipeline_config &p = r.c->pipeline;
    EXPECT_TRUE(p.smtp_port[25 / 8] & (1 << (25 % 8)));
    EXPECT_FALSE(p.smtp_port[26 / 8] & (1 << (26 % 8)));
    EXPECT_EQ(p.thresholds.refuse_milli, 5000);
    EXPECT_EQ(p.thresholds.tag_milli, INT32_MAX);
    EXPECT_EQ(p.event_action[EVENT_SMUGGLED_EOD], VERDICT_REFUSE);
    EXPECT_EQ(p.idle_ms, 600000u);
    EXPECT_EQ(p.store_chunks, 65536u);
    EXPECT_EQ(p.stream_octets_max, 1u << 20);
    EXPECT_EQ(r.c->cpus_cnt, 0u);
    EXPECT_EQ(r.c->link_mode, 0660u);
}

TEST(Config, ValuesOfEveryType)
{
    Reading r = read("[pair.3]\noutside = 0000:3b:00.0\ninside = same\n"
                     "[workers]\ncpus = 0, 2-4\nbusy = adaptive\n"
                     "[smtp]\nports = 25,587, 2525-2527\nstarttls = strip\nproxy_protocol = on\n"
                     "[scan]\nclient_relay = on\n"
                     "[timeouts]\nstall = 7 s\nfragment = 500\nidle=2 min\nclosed = 250 ms\n"
                     "[verdict]\ntag = -1.25\ndrop = 12\nrefuse = off\nhostname = mx.example\n"
                     "[ambiguity]\nbare-lf = refuse\nnul = pass\n"
                     "[run]\nstop_after_frames = 18446744073709551615\n"
                     "[control]\nanything = goes\n[control.hooks]\nx = y\n");
    ASSERT_EQ(r.ret, 0) << r.errors;
    const pipeline_config &p = r.c->pipeline;
    EXPECT_TRUE(config_pair_is_one_armed(&r.c->pair[3]));
    ASSERT_EQ(r.c->cpus_cnt, 4u);
    EXPECT_EQ(r.c->cpus[3], 4);
    EXPECT_EQ(r.c->busy, BUSY_ADAPTIVE);
    for (unsigned port : {25u, 587u, 2525u, 2526u, 2527u})
        EXPECT_TRUE(p.smtp_port[port / 8] & (1 << (port % 8))) << port;
    EXPECT_EQ(p.smtp.starttls, STARTTLS_STRIP);
    EXPECT_TRUE(p.smtp.has_proxy_header);
    EXPECT_TRUE(p.smtp.tells_client);
    EXPECT_EQ(p.stall_ms, 7000u);
    EXPECT_EQ(p.fragment_ms, 500u);
    EXPECT_EQ(p.idle_ms, 120000u);
    EXPECT_EQ(p.thresholds.tag_milli, -1250);
    EXPECT_EQ(p.thresholds.drop_milli, 12000);
    EXPECT_EQ(p.thresholds.refuse_milli, INT32_MAX);
    EXPECT_EQ(p.event_action[EVENT_BARE_LF], VERDICT_REFUSE);
    EXPECT_EQ(p.event_action[EVENT_NUL], VERDICT_ACCEPT);
    EXPECT_EQ(r.c->stop_after_frames, UINT64_MAX);
    // printed and read again: the same
    Reading again = read(print(*r.c));
    ASSERT_EQ(again.ret, 0) << again.errors;
    EXPECT_EQ(print(*again.c), print(*r.c));
    EXPECT_EQ(memcmp(&again.c->pipeline, &r.c->pipeline, sizeof(r.c->pipeline)), 0);
}

TEST(Config, MistakesAreNamedWithTheirLine)
{
    EXPECT_EQ(complaint("workers", "cups = 1"), "f.cfg:5: [workers] has no key `cups`\n");
    EXPECT_EQ(complaint("wrokers", "cpus = 1"), "f.cfg:4: there is no section [wrokers]\n");
    EXPECT_EQ(complaint("wrokers", ""), "f.cfg:4: there is no section [wrokers]\n");
    EXPECT_EQ(complaint("pair.8", "outside = x"), "f.cfg:4: there is no section [pair.8]\n");
    EXPECT_EQ(complaint("pair.0", "outside = x"), "f.cfg:5: `outside` is given twice in [pair.0]\n");
    EXPECT_EQ(complaint("smtp", "ports = 25\nports = 26"), "f.cfg:6: `ports` is given twice in [smtp]\n");
    EXPECT_EQ(complaint("ambiguity", "bare-fl = pass"), "f.cfg:5: [ambiguity] has no event `bare-fl`\n");
    EXPECT_EQ(complaint("ambiguity", "nul = kill"),
              "f.cfg:5: `nul`: wants pass, tag, defer, close, refuse or drop, not `kill`\n");
    EXPECT_EQ(complaint("caps", "flows"), "f.cfg:5: neither a section, nor a comment, nor key = value\n");
    EXPECT_EQ(complaint("caps", "flows = 15"),
              "f.cfg:5: `flows`: wants a whole number from 16 to 16777216, not `15`\n");
    for (const char *line : {"flows = -1", "flows = 1x", "flows = 99999999999999999999", "flows =", "flows = 0x10"})
        EXPECT_EQ(complaint("caps", line).substr(0, 17), "f.cfg:5: `flows`:") << line;
    for (const char *line : {"idle = 5 m", "idle = s", "idle = 5 s s", "idle = 18446744073709551615 h"})
        EXPECT_EQ(complaint("timeouts", line).substr(0, 16), "f.cfg:5: `idle`:") << line;
    for (const char *line : {"tag = 1.2345", "tag = five", "tag = 1e3", "tag = 1000001", "tag = -"})
        EXPECT_EQ(complaint("verdict", line).substr(0, 15), "f.cfg:5: `tag`:") << line;
    for (const char *line : {"ports = 0", "ports = 65536", "ports = 25,", "ports = 30-20", "ports = smtp"})
        EXPECT_EQ(complaint("smtp", line).substr(0, 17), "f.cfg:5: `ports`:") << line;
    EXPECT_EQ(complaint("link", "mode = 0999").substr(0, 16), "f.cfg:5: `mode`:");
    EXPECT_EQ(complaint("verdict", "refuse_text = a\rb").substr(0, 23), "f.cfg:5: `refuse_text`:");
}

TEST(Config, AllMistakesNotOnlyTheFirst)
{
    std::string e = complaint("workers", "cups = 1\nmbufs = 1\nbusy = often");
    EXPECT_NE(e.find("f.cfg:5:"), std::string::npos);
    EXPECT_NE(e.find("f.cfg:6:"), std::string::npos);
    EXPECT_NE(e.find("f.cfg:7:"), std::string::npos);
}

TEST(Config, NothingToStandBetween)
{
    EXPECT_EQ(read("\n").ret, -1);
    EXPECT_EQ(read("[pair.0]\noutside = net_null0\n").ret, -1);
}

TEST(Config, LongLinesAndTheirContinuation)
{
    std::string e = complaint("eal", "args = " + std::string(300, 'x'));
    EXPECT_EQ(e.substr(0, 24), "f.cfg:5: a line longer t");
    Reading r = read(PAIR + "[eal]\nargs = --no-huge\n  -m 512\n  --no-pci\n"
                            "[pair.1]\noutside = net_pcap0,rx_pcap=a,\n   tx_pcap=b\ninside = same\n");
    ASSERT_EQ(r.ret, 0) << r.errors;
    EXPECT_STREQ(r.c->eal_args, "--no-huge -m 512 --no-pci");
    EXPECT_STREQ(r.c->pair[1].outside, "net_pcap0,rx_pcap=a,tx_pcap=b");
}

TEST(Config, NulAndGarbageAreErrorsNotCrashes)
{
    EXPECT_EQ(read(PAIR + "[eal]\nargs = a" + std::string(1, '\0') + "b\n").ret, -1);
    std::string garbage;
    for (unsigned i = 0, x = 1; i < 200000; i++)
        garbage += static_cast<char>((x = x * 1103515245 + 12345) >> 16);
    EXPECT_EQ(read(garbage).ret, -1);
}

TEST(Config, PortsThatAreTlsFromTheStartAreRefused)
{
    EXPECT_EQ(read(std::string(PAIR) + "[smtp]\nports = 25,465\n").ret, -1);
    EXPECT_EQ(read(std::string(PAIR) + "[smtp]\nports = 25,587\n").ret, 0);
}

TEST(Config, TheFileThatShips)
{
    auto c = std::make_unique<config>();
    EXPECT_EQ(config_read(c.get(), "appliance.cfg", stderr), 0);
    EXPECT_EQ(config_read(c.get(), "/nonexistent", stdout), -1);
}

TEST(Topology, Devices)
{
    for (const char *pci : {"0000:3b:00.0", "3b:00.1", "0000:3b:00.0,representor=1"})
        EXPECT_TRUE(device_is_pci(pci)) << pci;
    for (const char *vdev : {"net_null0", "0000:3b:00.8", "3b:00", "", "net_pcap0,rx_pcap=3b:00.0"})
        EXPECT_FALSE(device_is_pci(vdev)) << vdev;
    char name[64];
    device_name("net_pcap0,rx_pcap=a", name, sizeof(name));
    EXPECT_STREQ(name, "net_pcap0");
    device_name("3b:00.1", name, sizeof(name));
    EXPECT_STREQ(name, "0000:3b:00.1");
}

TEST(Topology, EalArguments)
{
    auto t = std::make_unique<topology>();
    auto words = [&] {
        std::string s;
        for (int i = 1; i < t->argc; i++)
            s += std::string(t->argv[i]) + " ";
        return s;
    };
    Reading r = read(PAIR + "[eal]\nargs = --no-huge -l 0 -m 64 --lcores=0 --main-lcore 1 --no-pci -l1 --log-level=5\n"
                            "file_prefix = p\n[workers]\ncpus = 0,0\n");
    ASSERT_EQ(r.ret, 0) << r.errors;
    ASSERT_EQ(topology_init(t.get(), r.c.get()), 0);
    EXPECT_EQ(words(), "--lcores=0@(0),1@0,2@0 --main-lcore=0 --no-huge -m 64 --no-pci --log-level=5 --file-prefix=p "
                       "--vdev=net_null0 --vdev=net_null1 ");
    r = read(PAIR + "[workers]\ncpus = 1000\n");
    EXPECT_EQ(topology_init(t.get(), r.c.get()), -1);
}
