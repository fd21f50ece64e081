// reader: who may read what, by mode and ACL; the kernel itself is asked, as somebody else, where that can be done.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <grp.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "control/reader.h"

namespace {

const uint32_t OWNER = 64001, OTHER = 64002, GROUP = 64003, SECOND = 64004, OUTSIDER = 64005;

struct Entry {
    uint16_t tag, perm;
    uint32_t id;
};

// In the kernel's order: owner, users, group, groups, mask, others.
std::string
acl(const std::vector<Entry> &entries)
{
    posix_acl_xattr_header head = {POSIX_ACL_XATTR_VERSION};
    std::string octets(reinterpret_cast<const char *>(&head), sizeof(head));
    for (const Entry &e : entries) {
        posix_acl_xattr_entry out = {e.tag, e.perm, e.id};
        octets.append(reinterpret_cast<const char *>(&out), sizeof(out));
    }
    return octets;
}

const uint32_t NONE = ACL_UNDEFINED_ID;

struct stat
file_of(uint32_t uid, uint32_t gid, mode_t mode)
{
    struct stat st = {};
    st.st_uid = uid;
    st.st_gid = gid;
    st.st_mode = S_IFREG | mode;
    return st;
}

bool
may(uint32_t uid, std::vector<uint32_t> gids, const struct stat &st, const std::string &octets, mode_t wanted = READER_READ)
{
    struct reader who = {uid, gids.data(), static_cast<unsigned>(gids.size())};
    return reader_may_by_acl(&who, &st, octets.data(), octets.size(), wanted);
}

TEST(Reader, AnEntryOfTheirOwnIsBeforeWhatEverybodyMay)
{
    struct stat st = file_of(OWNER, GROUP, 0664);
    std::string denied = acl({{ACL_USER_OBJ, 6, NONE}, {ACL_USER, 0, OTHER}, {ACL_GROUP_OBJ, 6, NONE}, {ACL_MASK, 6, NONE},
                              {ACL_OTHER, 4, NONE}});
    EXPECT_FALSE(may(OTHER, {OTHER}, st, denied));
    EXPECT_FALSE(may(OTHER, {GROUP}, st, denied)) << "nor through the group";
    EXPECT_TRUE(may(OUTSIDER, {OUTSIDER}, st, denied));
    EXPECT_TRUE(may(OWNER, {OWNER}, st, denied));
}

TEST(Reader, GroupsThatGiveNothingTakeAwayWhatOthersMay)
{
    struct stat st = file_of(OWNER, GROUP, 0644);
    std::string octets = acl({{ACL_USER_OBJ, 6, NONE}, {ACL_GROUP_OBJ, 4, NONE}, {ACL_GROUP, 0, SECOND}, {ACL_MASK, 7, NONE},
                              {ACL_OTHER, 4, NONE}});
    EXPECT_FALSE(may(OTHER, {SECOND}, st, octets));
    EXPECT_TRUE(may(OTHER, {SECOND, GROUP}, st, octets)) << "one that gives is enough";
    EXPECT_TRUE(may(OTHER, {OTHER}, st, octets));
}

TEST(Reader, TheMaskIsForAllButOwnerAndOthers)
{
    struct stat st = file_of(OWNER, GROUP, 0604);
    std::string octets = acl({{ACL_USER_OBJ, 6, NONE}, {ACL_USER, 7, OTHER}, {ACL_GROUP_OBJ, 7, NONE}, {ACL_MASK, 0, NONE},
                              {ACL_OTHER, 4, NONE}});
    EXPECT_FALSE(may(OTHER, {OTHER}, st, octets));
    EXPECT_FALSE(may(OUTSIDER, {GROUP}, st, octets));
    EXPECT_TRUE(may(OUTSIDER, {OUTSIDER}, st, octets));
    EXPECT_TRUE(may(OWNER, {OWNER}, st, octets));
}

TEST(Reader, WhatIsNoAclIsNo)
{
    struct stat st = file_of(OWNER, GROUP, 0777);
    std::string good = acl({{ACL_USER_OBJ, 7, NONE}, {ACL_GROUP_OBJ, 7, NONE}, {ACL_OTHER, 7, NONE}});
    EXPECT_TRUE(may(OUTSIDER, {}, st, good, READER_READ | READER_SEARCH));
    for (size_t len = 0; len < good.size(); len++)
        EXPECT_EQ(may(OUTSIDER, {}, st, good.substr(0, len)), false) << len;
    good[0] = 9;
    EXPECT_FALSE(may(OUTSIDER, {}, st, good));
}

// Whether the kernel lets them: asked by a child that becomes them.
bool
kernel_lets(const std::string &path, uint32_t uid, const std::vector<gid_t> &gids)
{
    pid_t child = fork();
    if (child == 0) {
        bool is_other = setgroups(gids.size(), gids.data()) == 0 && setgid(gids[0]) == 0 && setuid(uid) == 0;
        _exit(!is_other ? 2 : open(path.c_str(), O_RDONLY) >= 0 ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) < 2);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(Reader, AsTheKernelDecides)
{
    if (geteuid() != 0)
        GTEST_SKIP() << "needs root, to become somebody else";
    char name[] = "/tmp/reader-test-XXXXXX";
    int fd = mkstemp(name);
    ASSERT_GE(fd, 0);
    std::mt19937 random(7);
    unsigned with_acl = 0, given = 0;
    for (int round = 0; round < 150; round++) {
        auto bits = [&] { return static_cast<uint16_t>(random() % 8); };
        ASSERT_EQ(fchown(fd, random() % 3 ? OWNER : OTHER, random() % 2 ? GROUP : SECOND), 0);
        removexattr(name, "system.posix_acl_access");
        ASSERT_EQ(fchmod(fd, random() % 512), 0);
        std::string octets = acl({{ACL_USER_OBJ, bits(), NONE}, {ACL_USER, bits(), OTHER}, {ACL_GROUP_OBJ, bits(), NONE},
                                  {ACL_GROUP, bits(), GROUP}, {ACL_GROUP, bits(), SECOND}, {ACL_MASK, bits(), NONE},
                                  {ACL_OTHER, bits(), NONE}});
        if (round % 3 && setxattr(name, "system.posix_acl_access", octets.data(), octets.size(), 0) != 0) {
            ASSERT_EQ(errno, ENOTSUP);
            continue; // this file system has none: the modes are asked
        }
        with_acl += round % 3 != 0;
        std::vector<gid_t> gids = {random() % 2 ? GROUP : OUTSIDER, random() % 2 ? SECOND : OUTSIDER};
        uint32_t uid = random() % 2 ? OTHER : OUTSIDER;
        struct stat st;
        ASSERT_EQ(fstat(fd, &st), 0);
        struct reader who = {uid, gids.data(), 2};
        bool is_given = reader_may(&who, fd, &st, READER_READ);
        bool lets = kernel_lets(name, uid, gids);
        EXPECT_TRUE(lets || !is_given) << round;
        // Linux passes over an ACL whose mask is empty, acl(5) does not: here it gives nothing.
        EXPECT_TRUE(is_given == lets || !(st.st_mode & S_IRWXG)) << round;
        given += is_given;
    }
    EXPECT_GT(given, 20U);
    RecordProperty("with_acl", static_cast<int>(with_acl));
    close(fd);
    unlink(name);
}

TEST(Reader, RootAndWeMayWhatWeMay)
{
    struct stat st = file_of(OWNER, GROUP, 0);
    for (uint32_t uid : {0U, static_cast<uint32_t>(geteuid())}) {
        struct reader who = {uid, nullptr, 0};
        EXPECT_TRUE(reader_may(&who, -1, &st, READER_READ));
    }
    struct reader who = {OTHER, nullptr, 0};
    EXPECT_FALSE(reader_may(&who, -1, &st, READER_READ)) << "cannot be found out";
}

} // namespace
