/* The journal: what is acknowledged is on the disk, what is not is not read, and whatever lies in the file opens. */
#include <gtest/gtest.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "control/journal.h"

namespace {

const std::string ZEROS(64, '0');

struct Read {
    int64_t n = 0;
    uint64_t broken_line = 0;
    int is_torn = 0;
    std::string why;
    std::vector<std::string> events;
    std::vector<uint64_t> seqs;
};

extern "C" int
collect(void *owner, const cJSON *record)
{
    auto *r = static_cast<Read *>(owner);
    r->events.push_back(cJSON_GetObjectItem(record, "event")->valuestring);
    r->seqs.push_back(static_cast<uint64_t>(cJSON_GetObjectItem(record, "seq")->valuedouble));
    return 0;
}

class JournalTest : public ::testing::Test
{
protected:
    void SetUp() override
    {
        char name[] = "/tmp/weir-journal.XXXXXX";
        ASSERT_NE(mkdtemp(name), nullptr);
        folder = name;
        path = folder + "/journal.jsonl";
    }

    void TearDown() override
    {
        ASSERT_EQ(system(("rm -rf " + folder).c_str()), 0);
    }

    Read read(const std::string &of)
    {
        Read r;
        char err[256];
        r.n = journal_read(of.c_str(), collect, &r, &r.broken_line, &r.is_torn, err, sizeof(err));
        r.why = err;
        return r;
    }

    Read replay()
    {
        Read r;
        char err[256];
        r.n = journal_replay(path.c_str(), collect, &r, err, sizeof(err));
        return r;
    }

    journal *open(const char *expect_error = nullptr)
    {
        char err[512] = "";
        journal *j = journal_open(path.c_str(), err, sizeof(err));
        if (!expect_error)
            EXPECT_NE(j, nullptr) << err;
        else
            EXPECT_NE(std::string(err).find(expect_error), std::string::npos) << err;
        return j;
    }

    void fill(int cnt)
    {
        journal *j = open();
        for (int i = 0; i < cnt; i++) {
            cJSON *fields = cJSON_CreateObject();
            cJSON_AddNumberToObject(fields, "i", i);
            ASSERT_EQ(journal_append(j, "state", 3, fields), 0);
        }
        journal_close(j);
    }

    std::string octets(const std::string &of)
    {
        std::ifstream in(of, std::ios::binary);
        std::stringstream all;
        all << in.rdbuf();
        return all.str();
    }

    void write_file(const std::string &to, const std::string &text)
    {
        std::ofstream(to, std::ios::binary | std::ios::trunc) << text;
    }

    bool exists(const std::string &name)
    {
        return access(name.c_str(), F_OK) == 0;
    }

    std::string folder, path;
};

TEST_F(JournalTest, RecordsAreChained)
{
    journal *j = open();
    EXPECT_EQ(journal_seq(j), 0U);
    EXPECT_EQ(journal_hash(j), ZEROS);
    EXPECT_STREQ(journal_trouble(j), "");
    EXPECT_EQ(journal_append(j, "start", 0, nullptr), 0);
    std::string first = journal_hash(j);
    cJSON *fields = cJSON_CreateObject();
    cJSON_AddStringToObject(fields, "who", "line\nend \"quoted\" \xc3\xa9 \xff\xc0\x80\xed\xa0\x80");
    EXPECT_EQ(journal_append(j, "push", 7, fields), 0);
    EXPECT_EQ(journal_seq(j), 2U);
    std::string second = journal_hash(j);
    journal_close(j);

    std::string text = octets(path);
    size_t end = text.find('\n');
    std::string line = text.substr(end + 1);
    EXPECT_EQ(text.find("{\"seq\":1,\"time\":\"20"), 0U) << text;
    EXPECT_NE(text.find("\"event\":\"start\",\"prev\":\"" + ZEROS + "\"}\n"), std::string::npos) << text;
    EXPECT_NE(line.find("\"event\":\"push\",\"generation\":7,\"who\":\"line\\nend \\\"quoted\\\" \xc3\xa9 ??????\",\"prev\":\"" + first +
                        "\"}\n"),
              std::string::npos)
        << line;
    /* The hash is sha256sum's. */
    write_file(folder + "/line", line.substr(0, line.size() - 1));
    FILE *p = popen(("sha256sum <" + folder + "/line").c_str(), "r");
    char sum[65] = "";
    ASSERT_EQ(fread(sum, 1, 64, p), 64U);
    pclose(p);
    EXPECT_EQ(second, sum);

    Read r = read(path);
    EXPECT_EQ(r.n, 2);
    EXPECT_EQ(r.broken_line, 0U);
    EXPECT_EQ(r.events, (std::vector<std::string>{"start", "push"}));
    j = open();
    EXPECT_EQ(journal_seq(j), 2U);
    EXPECT_EQ(journal_hash(j), second);
    EXPECT_EQ(journal_append(j, "state", 7, nullptr), 0);
    journal_close(j);
    EXPECT_EQ(read(path).n, 3);
}

TEST_F(JournalTest, OneWriter)
{
    journal *j = open();
    EXPECT_EQ(open("another process writes to it"), nullptr);
    journal_close(j);
    journal_close(open());
}

TEST_F(JournalTest, FieldsThatAreTheJournalsAreRefused)
{
    journal *j = open();
    for (const char *name : {"seq", "time", "event", "generation", "prev"}) {
        cJSON *fields = cJSON_CreateObject();
        cJSON_AddNumberToObject(fields, "good", 1);
        cJSON_AddNumberToObject(fields, name, 1);
        EXPECT_EQ(journal_append(j, "x", 1, fields), -EINVAL) << name;
    }
    EXPECT_EQ(journal_append(j, "x", 1, cJSON_CreateArray()), -EINVAL);
    EXPECT_EQ(journal_append(j, "x", 1, cJSON_CreateObject()), 0);
    journal_close(j);
    EXPECT_EQ(read(path).n, 1);
}

TEST_F(JournalTest, RecordsAreBounded)
{
    journal *j = open();
    cJSON *fields = cJSON_CreateObject();
    cJSON_AddStringToObject(fields, "text", std::string(JOURNAL_LINE_MAX, 'x').c_str());
    EXPECT_EQ(journal_append(j, "x", 1, fields), -EMSGSIZE);
    fields = cJSON_CreateObject();
    cJSON_AddStringToObject(fields, "text", std::string(JOURNAL_LINE_MAX - 300, 'x').c_str());
    EXPECT_EQ(journal_append(j, "x", 1, fields), 0);
    journal_close(j);
    EXPECT_EQ(read(path).n, 1);
    EXPECT_EQ(read(path).broken_line, 0U);
}

/* ---- what lies in the file ---- */

TEST_F(JournalTest, TornTailIsMovedAside)
{
    fill(5);
    std::string whole = octets(path);
    size_t last = whole.rfind('\n', whole.size() - 2) + 1;
    for (size_t cut = last + 1; cut < whole.size(); cut += 7) {
        write_file(path, whole.substr(0, cut));
        Read r = read(path);
        EXPECT_EQ(r.n, 4);
        EXPECT_EQ(r.broken_line, 5U);
        EXPECT_TRUE(r.is_torn);
        journal *j = open();
        EXPECT_NE(std::string(journal_trouble(j)).find("torn"), std::string::npos);
        EXPECT_EQ(journal_append(j, "after", 1, nullptr), 0);
        journal_close(j);
        EXPECT_EQ(octets(path + ".torn"), whole.substr(last, cut - last));
        r = read(path);
        EXPECT_EQ(r.broken_line, 0U) << r.why;
        EXPECT_EQ(r.events, (std::vector<std::string>{"state", "state", "state", "state", "journal-torn", "after"}));
    }
}

TEST_F(JournalTest, HolesInTheLastLineAreTorn)
{
    fill(3);
    std::string whole = octets(path);
    write_file(path, whole + std::string(5000, '\0'));
    EXPECT_TRUE(read(path).is_torn);
    write_file(path, whole + std::string(5000, '\0') + "\"prev\":\"\"}\n");
    EXPECT_TRUE(read(path).is_torn);
    journal_close(open());
    EXPECT_EQ(read(path).events.back(), "journal-torn");
    EXPECT_FALSE(exists(path + ".broken-1"));
    /* Holes that records follow are no torn tail. */
    write_file(path, std::string(50, '\0') + "\n" + whole);
    EXPECT_FALSE(read(path).is_torn);
    EXPECT_EQ(read(path).broken_line, 1U);
}

TEST_F(JournalTest, EveryChangedOctetIsFound)
{
    fill(4);
    std::string whole = octets(path);
    size_t last = whole.rfind('\n', whole.size() - 2) + 1;
    for (size_t i = 0; i < last; i++) {
        std::string bad = whole;
        bad[i] = static_cast<char>(bad[i] ^ 1);
        write_file(path, bad);
        Read r = read(path);
        ASSERT_NE(r.broken_line, 0U) << i;
        ASSERT_FALSE(r.is_torn) << i;
        ASSERT_LE(r.n, 3) << i;
    }
    /* A line lost, twice there, changed places. */
    std::vector<std::string> lines;
    std::stringstream in(whole);
    for (std::string line; std::getline(in, line);)
        lines.push_back(line + "\n");
    write_file(path, lines[0] + lines[2] + lines[3]);
    EXPECT_EQ(read(path).broken_line, 2U);
    write_file(path, lines[1] + lines[2]);
    EXPECT_EQ(read(path).broken_line, 1U);
    write_file(path, lines[0] + lines[0] + lines[1]);
    EXPECT_EQ(read(path).broken_line, 2U);
    write_file(path, lines[0] + lines[2] + lines[1]);
    EXPECT_EQ(read(path).broken_line, 2U);
    write_file(path, lines[0] + "\n" + lines[1]);
    EXPECT_EQ(read(path).broken_line, 2U);
}

TEST_F(JournalTest, BrokenChainIsKeptAndANewOneNamesIt)
{
    fill(5);
    std::string whole = octets(path);
    std::string bad = whole;
    size_t third = 0;
    for (int i = 0; i < 2; i++)
        third = whole.find('\n', third) + 1;
    bad[third + 30] ^= 1;
    write_file(path, bad);
    journal *j = open();
    EXPECT_NE(std::string(journal_trouble(j)).find("BROKEN at line 4"), std::string::npos) << journal_trouble(j);
    EXPECT_EQ(journal_seq(j), 4U); /* three good ones, then journal-broken */
    EXPECT_EQ(journal_append(j, "after", 1, nullptr), 0);
    journal_close(j);
    EXPECT_EQ(octets(path + ".broken-1"), bad);
    EXPECT_FALSE(exists(path + ".new"));
    Read r = read(path);
    EXPECT_EQ(r.broken_line, 0U) << r.why;
    EXPECT_EQ(r.events, (std::vector<std::string>{"journal-broken", "after"}));
    EXPECT_NE(octets(path).find("\"file\":\"journal.jsonl.broken-1\",\"line\":4,"), std::string::npos) << octets(path);
    EXPECT_EQ(replay().seqs, (std::vector<uint64_t>{1, 2, 3, 4, 5}));
    EXPECT_EQ(replay().events,
              (std::vector<std::string>{"state", "state", "state", "journal-broken", "after"}));

    /* Again: the new one breaks, too. */
    std::string again = octets(path);
    again.insert(again.find('\n') + 1, "junk\n");
    write_file(path, again);
    journal_close(open());
    EXPECT_EQ(octets(path + ".broken-2"), again);
    EXPECT_EQ(replay().seqs, (std::vector<uint64_t>{1, 2, 3, 4, 5}));
    EXPECT_EQ(replay().events.back(), "journal-broken");
    EXPECT_EQ(read(path).n, 1);
}

TEST_F(JournalTest, CrashWhileANewChainBegins)
{
    fill(2);
    write_file(path, "junk\n" + octets(path));
    ASSERT_EQ(link(path.c_str(), (path + ".broken-1").c_str()), 0);
    write_file(path + ".new", "{\"seq\":1,\"ti");
    journal_close(open());
    EXPECT_FALSE(exists(path + ".broken-2")) << "it has its name already";
    EXPECT_EQ(read(path).events, (std::vector<std::string>{"journal-broken"}));
}

TEST_F(JournalTest, HostileFilesAreBounded)
{
    fill(1);
    std::string first = octets(path);
    write_file(path, first + std::string(20 << 20, 'x') + "\n");
    Read r = read(path);
    EXPECT_EQ(r.n, 1);
    EXPECT_EQ(r.broken_line, 2U);
    EXPECT_FALSE(r.is_torn);
    write_file(path, first + std::string(20 << 20, 'x'));
    EXPECT_FALSE(read(path).is_torn) << "nothing that we cut off in writing";
    write_file(path, first + std::string(JOURNAL_LINE_MAX, '[') + "\n");
    EXPECT_EQ(read(path).broken_line, 2U);
    write_file(path, "{\"seq\":1e300,\"time\":\"\",\"event\":\"journal-broken\",\"prev\":\"" + ZEROS + "\"}\n");
    EXPECT_EQ(read(path).broken_line, 1U);
    write_file(path, "{\"seq\":1,\"time\":\"\",\"event\":\"a\",\"generation\":-1,\"prev\":\"" + ZEROS + "\"}\n");
    EXPECT_EQ(read(path).broken_line, 1U);
    write_file(path, "{\"seq\":1,\"time\":\"\",\"event\":\"journal-broken\",\"file\":\"journal.jsonl\",\"prev\":\"" + ZEROS + "\"}\n");
    EXPECT_GE(replay().n, 1) << "a circle ends";
    write_file(path, "{\"seq\":1,\"time\":\"\",\"event\":\"journal-broken\",\"file\":\"../../etc/passwd\",\"prev\":\"" + ZEROS + "\"}\n");
    EXPECT_EQ(replay().n, 1);
}

TEST_F(JournalTest, NoRegularFileIsRefused)
{
    ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
    EXPECT_EQ(open("not a regular file"), nullptr);
    EXPECT_EQ(read(path).n, -1);
    unlink(path.c_str());
    ASSERT_EQ(symlink("elsewhere", path.c_str()), 0);
    EXPECT_EQ(open("symbolic links"), nullptr);
    unlink(path.c_str());
    EXPECT_EQ(read(path).n, -1);
    path = folder + "/nowhere/journal.jsonl";
    EXPECT_EQ(open("No such file"), nullptr);
}

/* Octets that this process has asked of read() and its like, ever. */
uint64_t
octets_read()
{
    std::ifstream io("/proc/self/io");
    std::string name;
    uint64_t n = 0;
    io >> name >> n;
    return name == "rchar:" ? n : 0;
}

struct Tail : Read {
    bool is_broken = false;
};

Tail
tail(const std::string &of, uint32_t max)
{
    Tail t;
    char err[256];
    t.n = journal_tail(of.c_str(), max, collect, &t, &t.is_broken, err, sizeof(err));
    t.why = err;
    return t;
}

TEST_F(JournalTest, TheTailIsTheEndOfTheWhole)
{
    write_file(path, "");
    EXPECT_EQ(tail(path, 5).n, 0);
    fill(9);
    Read all = read(path);
    for (uint32_t max = 0; max < 12; max++) {
        Tail t = tail(path, max);
        EXPECT_FALSE(t.is_broken) << t.why;
        ASSERT_EQ(t.n, max < 9 ? max : 9);
        EXPECT_EQ(t.seqs, std::vector<uint64_t>(all.seqs.end() - t.n, all.seqs.end()));
    }
    std::string whole = octets(path);
    write_file(path, whole + "{\"seq\":10,\"ti");
    EXPECT_EQ(tail(path, 2).seqs, (std::vector<uint64_t>{8, 9})) << "what a crash tore is left out";
    write_file(path, whole + std::string(100, '\0') + "\n");
    EXPECT_EQ(tail(path, 3).seqs.back(), 9U);
    EXPECT_EQ(tail(folder + "/nowhere", 3).n, -1);
    EXPECT_EQ(tail(folder, 3).n, -1);
}

TEST_F(JournalTest, TheTailSaysWhatIsBrokenInIt)
{
    fill(9);
    std::string whole = octets(path);
    for (int i = 5; i <= 7; i++) { // each of the last four in its turn is another than its successor was chained to
        size_t at = whole.find("\"i\":" + std::to_string(i));
        std::string other = whole;
        other[at + 4] = '0';
        write_file(path, other);
        Tail t = tail(path, 4);
        EXPECT_TRUE(t.is_broken);
        EXPECT_EQ(t.seqs.empty() ? 5 : t.seqs.back(), static_cast<uint64_t>(i + 1)) << t.why;
    }
    write_file(path, whole + "what is this\n");
    EXPECT_TRUE(tail(path, 2).is_broken);
    EXPECT_EQ(tail(path, 2).n, 1);
}

/* 40 MB of records, of which nobody asked for but the last; a line without end is read no further than a tail may be. */
TEST_F(JournalTest, TheTailCostsWhatItShows)
{
    if (!octets_read())
        GTEST_SKIP() << "the kernel does not count what is read";
    fill(1);
    std::string line = octets(path), filler; // a chain is not needed there: only the end is looked at
    while (filler.size() < 40U << 20)
        filler += line;
    unlink(path.c_str());
    fill(100);
    write_file(path, filler + octets(path));
    for (uint32_t max : {1U, 20U, 99U}) {
        uint64_t before = octets_read();
        Tail t = tail(path, max);
        uint64_t cost = octets_read() - before;
        EXPECT_EQ(t.n, max) << t.why;
        EXPECT_FALSE(t.is_broken) << t.why;
        EXPECT_LT(cost, 128U << 10) << max;
    }
    write_file(path, std::string(20U << 20, 'x'));
    uint64_t before = octets_read();
    EXPECT_EQ(tail(path, 1).n, 0);
    EXPECT_LT(octets_read() - before, 2U * JOURNAL_TAIL_MAX);
}

TEST_F(JournalTest, FileThatSomebodyElseTouchesIsNotAppendedTo)
{
    journal *j = open();
    ASSERT_EQ(journal_append(j, "a", 1, nullptr), 0);
    std::string good = octets(path);
    std::ofstream(path, std::ios::app) << "x";
    EXPECT_EQ(journal_append(j, "b", 1, nullptr), -ESTALE);
    ASSERT_EQ(truncate(path.c_str(), static_cast<off_t>(good.size())), 0);
    EXPECT_EQ(journal_append(j, "b", 1, nullptr), 0);
    ASSERT_EQ(rename(path.c_str(), (path + ".1").c_str()), 0);
    EXPECT_EQ(journal_append(j, "c", 1, nullptr), -ESTALE);
    write_file(path, octets(path + ".1"));
    EXPECT_EQ(journal_append(j, "c", 1, nullptr), -ESTALE);
    ASSERT_EQ(unlink(path.c_str()), 0);
    EXPECT_EQ(journal_append(j, "c", 1, nullptr), -ESTALE);
    journal_close(j);
}

/* ---- what the system does to it ---- */

struct Fault {
    int write_errno = 0;     /* of every write after `whole` octets */
    size_t whole = SIZE_MAX; /* octets that still find room */
    size_t at_once = SIZE_MAX;
    int sync_errno = 0, truncate_errno = 0;
    int interrupts = 0;
    int slow_ms = 0;
} fault;

ssize_t
fault_write(int fd, const void *octets, size_t len)
{
    if (fault.interrupts > 0) {
        fault.interrupts--;
        errno = EINTR;
        return -1;
    }
    if (fault.whole == 0) {
        errno = fault.write_errno;
        return fault.write_errno ? -1 : 0;
    }
    len = std::min({len, fault.whole, fault.at_once});
    ssize_t n = write(fd, octets, len);
    if (n > 0 && fault.whole != SIZE_MAX)
        fault.whole -= static_cast<size_t>(n);
    return n;
}

int
fault_sync(int fd)
{
    usleep(static_cast<useconds_t>(fault.slow_ms) * 1000);
    errno = fault.sync_errno;
    return fault.sync_errno ? -1 : fdatasync(fd);
}

int
fault_truncate(int fd, off_t len)
{
    errno = fault.truncate_errno;
    return fault.truncate_errno ? -1 : ftruncate(fd, len);
}

class JournalFaultTest : public JournalTest
{
protected:
    void SetUp() override
    {
        JournalTest::SetUp();
        fault = {};
        j = open();
        static const journal_io io = {fault_write, fault_sync, fault_truncate};
        journal_set_io(j, &io);
        ASSERT_EQ(journal_append(j, "before", 1, nullptr), 0);
        good = octets(path);
    }

    void TearDown() override
    {
        journal_close(j);
        JournalTest::TearDown();
    }

    int append()
    {
        cJSON *fields = cJSON_CreateObject();
        cJSON_AddStringToObject(fields, "text", "some text of some length");
        return journal_append(j, "x", 1, fields);
    }

    journal *j = nullptr;
    std::string good;
};

TEST_F(JournalFaultTest, FullDiskAtEveryOctet)
{
    for (int why : {ENOSPC, EIO, EDQUOT, 0}) {
        for (size_t room = 0; room < 175; room += 3) {
            fault = {};
            fault.whole = room;
            fault.write_errno = why;
            ASSERT_EQ(append(), why ? -why : -EIO) << room;
            ASSERT_EQ(octets(path), good) << "a partial line stays";
            ASSERT_EQ(journal_seq(j), 1U);
        }
    }
    fault = {};
    EXPECT_EQ(append(), 0);
    EXPECT_EQ(read(path).n, 2);
    EXPECT_EQ(read(path).broken_line, 0U);
}

TEST_F(JournalFaultTest, ShortWritesAndSignals)
{
    fault.at_once = 1;
    fault.interrupts = 3;
    EXPECT_EQ(append(), 0);
    fault.at_once = 7;
    EXPECT_EQ(append(), 0);
    EXPECT_EQ(read(path).n, 3);
    EXPECT_EQ(read(path).broken_line, 0U);
}

TEST_F(JournalFaultTest, WhatCannotBeCutOffStopsEverything)
{
    fault.whole = 50;
    fault.write_errno = ENOSPC;
    fault.truncate_errno = EIO;
    EXPECT_EQ(append(), -ENOSPC);
    EXPECT_EQ(octets(path).size(), good.size() + 50);
    fault.whole = SIZE_MAX;
    EXPECT_EQ(append(), -EIO) << "behind a partial line";
    EXPECT_EQ(octets(path).size(), good.size() + 50);
    EXPECT_TRUE(read(path).is_torn);
    fault.truncate_errno = 0;
    EXPECT_EQ(append(), 0);
    EXPECT_EQ(read(path).n, 2);
    EXPECT_EQ(read(path).broken_line, 0U);
}

TEST_F(JournalFaultTest, UnsyncedIsNotAcknowledgedNorRead)
{
    fault.sync_errno = EIO;
    EXPECT_EQ(append(), -EIO);
    EXPECT_EQ(octets(path), good);
    EXPECT_EQ(append(), -EIO);
    fault.sync_errno = 0;
    EXPECT_EQ(append(), 0);
    EXPECT_EQ(journal_seq(j), 2U);
    EXPECT_EQ(read(path).n, 2);
    EXPECT_EQ(read(path).broken_line, 0U);
}

TEST_F(JournalFaultTest, SlowDiskIsWaitedFor)
{
    fault.slow_ms = 300;
    timespec a;
    timespec b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    EXPECT_EQ(append(), 0);
    clock_gettime(CLOCK_MONOTONIC, &b);
    EXPECT_GE((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000, 300);
}

TEST_F(JournalTest, FileSizeLimit)
{
    /* The kernel's own short write, then EFBIG. */
    signal(SIGXFSZ, SIG_IGN);
    fill(3);
    std::string good = octets(path);
    rlimit old;
    getrlimit(RLIMIT_FSIZE, &old);
    rlimit tight = {good.size() + 60, old.rlim_max};
    journal *j = open();
    setrlimit(RLIMIT_FSIZE, &tight);
    int result = journal_append(j, "too-long", 1, nullptr);
    setrlimit(RLIMIT_FSIZE, &old);
    EXPECT_EQ(result, -EFBIG);
    EXPECT_EQ(octets(path), good);
    EXPECT_EQ(journal_append(j, "fits", 1, nullptr), 0);
    journal_close(j);
    EXPECT_EQ(read(path).n, 4);
}

TEST_F(JournalTest, RealFullDisk)
{
    if (access("/dev/full", W_OK) != 0 || geteuid() != 0)
        GTEST_SKIP() << "needs root for a small file system";
    std::string mount = "mount -t tmpfs -o size=64k none " + folder + " 2>/dev/null";
    if (system(mount.c_str()) != 0)
        GTEST_SKIP() << "cannot mount";
    journal *j = open();
    int result = 0;
    int cnt = 0;
    while (!result && cnt < 1000) {
        result = journal_append(j, "state", 1, nullptr);
        cnt += !result;
    }
    EXPECT_EQ(result, -ENOSPC);
    EXPECT_EQ(journal_append(j, "state", 1, nullptr), -ENOSPC);
    EXPECT_EQ(read(path).n, cnt);
    EXPECT_EQ(read(path).broken_line, 0U);
    journal_close(j);
    /* Opens on the full disk, and with a torn tail, too. */
    std::string text = octets(path);
    EXPECT_EQ(truncate(path.c_str(), static_cast<off_t>(text.size() - 5)), 0);
    j = open();
    EXPECT_EQ(journal_seq(j), static_cast<uint64_t>(cnt) - 1 + (read(path).events.back() == "journal-torn"));
    journal_close(j);
    EXPECT_EQ(system(("umount " + folder).c_str()), 0);
}

TEST_F(JournalTest, ReadOnlyFolder)
{
    fill(2);
    if (geteuid() != 0 || system(("mount --bind " + folder + " " + folder + " && mount -o remount,bind,ro " + folder).c_str()) != 0)
        GTEST_SKIP() << "cannot mount";
    EXPECT_EQ(open("Read-only file system"), nullptr);
    EXPECT_EQ(read(path).n, 2);
    EXPECT_EQ(system(("umount " + folder).c_str()), 0);
}

TEST_F(JournalTest, ReaderBesideTheWriter)
{
    journal_close(open());
    std::atomic<bool> is_over{false};
    std::thread writer([&] {
        journal *j = open();
        static const journal_io io = {fault_write, fault_sync, fault_truncate};
        journal_set_io(j, &io);
        fault = {};
        fault.at_once = 13; /* lines grow under the reader's eyes */
        for (int i = 0; i < 400; i++)
            journal_append(j, "x", 1, nullptr);
        journal_close(j);
        is_over = true;
    });
    int64_t last = 0;
    int readings = 0;
    while (!is_over) {
        Read r = read(path);
        ASSERT_FALSE(r.broken_line && !r.is_torn) << r.why;
        ASSERT_GE(r.n, last);
        last = r.n;
        readings++;
    }
    writer.join();
    EXPECT_EQ(read(path).n, 400);
    EXPECT_GT(readings, 3);
}

/* ---- kill -9 ---- */

/* A child appends and tells each acknowledged record on a pipe, until it is killed at a random instant. */
TEST_F(JournalTest, NothingAcknowledgedIsLostOverKills)
{
    std::mt19937 random(20261124);
    uint64_t acknowledged = 0;
    unsigned torn = 0;
    unsigned appended = 0;
    const int kills = getenv("JOURNAL_KILLS") ? atoi(getenv("JOURNAL_KILLS")) : 200;
    for (int round = 0; round < kills; round++) {
        int ends[2];
        ASSERT_EQ(pipe(ends), 0);
        pid_t pid = fork();
        if (pid == 0) {
            close(ends[0]);
            char err[256];
            journal *j = journal_open(path.c_str(), err, sizeof(err));
            static const journal_io io = {fault_write, fault_sync, fault_truncate};
            fault = {};
            fault.at_once = 8; /* more instants at which a line is not whole */
            if (j)
                journal_set_io(j, &io);
            while (j) {
                cJSON *fields = cJSON_CreateObject();
                cJSON_AddStringToObject(fields, "text", std::string(random() % 2000, 'x').c_str());
                if (journal_append(j, "state", 1, fields) != 0)
                    break;
                uint64_t seq = journal_seq(j);
                if (write(ends[1], &seq, sizeof(seq)) != sizeof(seq))
                    break;
            }
            _exit(1);
        }
        close(ends[1]);
        if (round % 4) { /* the others are killed while they open it */
            uint64_t seq = 0;
            ASSERT_EQ(::read(ends[0], &seq, sizeof(seq)), static_cast<ssize_t>(sizeof(seq)));
            ASSERT_GT(seq, acknowledged);
            acknowledged = seq;
            appended++;
        }
        usleep(static_cast<useconds_t>(random() % 12000));
        kill(pid, SIGKILL);
        int status;
        ASSERT_EQ(waitpid(pid, &status, 0), pid);
        EXPECT_TRUE(WIFSIGNALED(status)) << "it ended by itself in round " << round;
        for (uint64_t seq; ::read(ends[0], &seq, sizeof(seq)) == sizeof(seq); appended++) {
            ASSERT_GT(seq, acknowledged);
            acknowledged = seq;
        }
        close(ends[0]);
        if (!exists(path))
            continue;
        Read r = read(path);
        ASSERT_FALSE(r.broken_line && !r.is_torn) << r.why << " in round " << round;
        ASSERT_GE(static_cast<uint64_t>(r.n), acknowledged) << "lost in round " << round;
        torn += r.is_torn;
        random.discard(1);
    }
    journal_close(open());
    Read r = read(path);
    EXPECT_EQ(r.broken_line, 0U) << r.why;
    EXPECT_GE(static_cast<uint64_t>(r.n), acknowledged);
    EXPECT_FALSE(exists(path + ".broken-1"));
    EXPECT_GT(appended, static_cast<unsigned>(kills / 2));
    printf("# %d kills, %u records acknowledged, 0 lost, %u torn tails, chain of %jd verifies\n", kills, appended, torn,
           static_cast<intmax_t>(r.n));
}

} // namespace
