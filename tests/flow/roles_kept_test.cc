// roles with a folder: what a restart begins with, after clean ends, crashes, damaged images and a disk that is full.
#include <gtest/gtest.h>

#include <dirent.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "tests/flow/roles_fixture.h"

namespace {

class Kept : public Roles
{
protected:
    void SetUp() override
    {
        strcpy(folder, "/tmp/weir-roles.XXXXXX");
        ASSERT_NE(mkdtemp(folder), nullptr);
        state_folder = std::string(folder) + "/deep/state";
        start(state_folder);
    }
    void TearDown() override
    {
        end(true);
        EXPECT_EQ(system(("rm -rf " + std::string(folder)).c_str()), 0);
    }
    void again(bool is_clean, const char *first = "")
    {
        end(is_clean);
        start(state_folder, first);
    }
    std::string link(const char *name)
    {
        char to[256] = "";
        return readlink((state_folder + "/" + name).c_str(), to, sizeof(to) - 1) > 0 ? std::string(to).substr(0, 5) : "";
    }
    unsigned images()
    {
        unsigned cnt = 0;
        DIR *d = opendir(state_folder.c_str());
        for (dirent *e; d && (e = readdir(d));)
            cnt += strncmp(e->d_name, "gen-", 4) == 0;
        closedir(d);
        return cnt;
    }
    void go_live(uint32_t n)
    {
        ASSERT_TRUE(candidate(n).is_ack);
        roles_answer a = stage(n, LINK_STAGE_LIVE);
        ASSERT_TRUE(a.is_ack) << a.body.text;
    }
    bool soon_links(const std::string &live, const std::string &previous)
    {
        return soon([&] {
            state();
            return link("live") == live && link("previous") == previous;
        });
    }
    char folder[64];
    std::string state_folder;
};

} // namespace

TEST_F(Kept, ARestartBeginsWithWhatWasLive)
{
    EXPECT_FALSE(started);
    live(1);
    EXPECT_TRUE(soon([&] { return state().persisted == 1; }));
    go_live(2);
    EXPECT_EQ(link("live"), "gen-2"); // before the answer
    EXPECT_EQ(link("previous"), "gen-1");
    EXPECT_EQ(state().persisted, 2u);
    candidate(3);
    stage(3, LINK_STAGE_SHADOW);
    for (bool is_clean : {true, false}) {
        again(is_clean);
        EXPECT_TRUE(started);
        EXPECT_EQ(state().live.generation, 2u);
        EXPECT_TRUE(soon([&] { return books() == "2/0/1 NONE"; })); // the previous one, too, a little later
    }
    roles_answer a = load(4, 0, true);
    EXPECT_TRUE(a.is_ack) << a.body.text;
    EXPECT_EQ(state().candidate.generation, 4u); // 3 was used
    EXPECT_TRUE(stage(4, LINK_STAGE_LIVE).is_ack);
    EXPECT_TRUE(soon([&] { return state(), images() == 2; }));
}

TEST_F(Kept, AReturnIsKept)
{
    live(1);
    go_live(2);
    trip_by_core(1);
    EXPECT_TRUE(soon_links("gen-1", ""));
    EXPECT_TRUE(soon([&] { return state(), images() == 1; }));
    again(false);
    EXPECT_EQ(books(), "1/0/0 NONE");
    EXPECT_TRUE(load(2, 0, false).is_ack);
    EXPECT_EQ(books(), "3/0/1 NONE"); // number 2 is not used again
}

TEST_F(Kept, TwoCrashesUnderALiveSetBeginWithPrevious)
{
    live(1);
    go_live(2);
    again(false);
    EXPECT_EQ(state().live.generation, 2u);
    EXPECT_TRUE(soon([&] { return books() == "2/0/1 NONE"; }));
    again(false);
    EXPECT_EQ(books(), "1/0/0 NONE");
    EXPECT_EQ(state().trip.reason, static_cast<uint32_t>(LINK_REASON_CRASHES));
    EXPECT_EQ(state().trip.generation, 2u);
    EXPECT_EQ(state().trip.back_to, 1u);
    EXPECT_TRUE(soon_links("gen-1", ""));
    again(true);
    EXPECT_EQ(books(), "1/0/0 NONE");
}

TEST_F(Kept, ACrashRightAfterTheStartCounts)
{
    live(1);
    go_live(2);
    again(false);
    again(false); // before the agent has made a round: a disk that is slow, a mail that is quick
    EXPECT_EQ(books(), "1/0/0 NONE");
    EXPECT_EQ(state().trip.reason, static_cast<uint32_t>(LINK_REASON_CRASHES));
}

TEST_F(Kept, TwoCrashesDoNotBringBackWhatWasDropped)
{
    live(1);
    go_live(2);
    EXPECT_TRUE(go(false, 1).is_ack);
    EXPECT_TRUE(soon_links("gen-2", ""));
    for (int i = 0; i < 2; i++) {
        again(false);
        EXPECT_EQ(books(), "2/0/0 NONE");
        soon([&] { return state().persisted == 2 && !roles_is_busy(r); });
        usleep(20000);
    }
}

TEST_F(Kept, CleanEndsAndCrashesOfACandidateDoNotCount)
{
    live(1);
    go_live(2);
    for (int i = 0; i < 4; i++) {
        again(true);
        EXPECT_EQ(state().live.generation, 2u);
        EXPECT_EQ(state().trip.seq, 0u);
    }
    for (uint32_t n = 3; n < 7; n++) {
        EXPECT_TRUE(candidate(n).is_ack);
        again(false);
        EXPECT_EQ(state().live.generation, 2u);
        EXPECT_EQ(state().candidate.generation, 0u);
        EXPECT_EQ(state().trip.reason, static_cast<uint32_t>(LINK_REASON_CRASHES)); // which the controller counts
        EXPECT_EQ(state().trip.generation, n);
    }
}

TEST_F(Kept, DamagedImagesArePassedOver)
{
    live(1);
    go_live(2);
    end(true);
    DIR *d = opendir(state_folder.c_str());
    for (dirent *e; (e = readdir(d));) {
        if (strncmp(e->d_name, "gen-2", 5) == 0) {
            EXPECT_EQ(truncate((state_folder + "/" + e->d_name).c_str(), 1000), 0);
        }
    }
    closedir(d);
    start(state_folder);
    EXPECT_EQ(books(), "1/0/0 NONE");
    EXPECT_TRUE(soon_links("gen-1", ""));
    end(true);
    // Then what was previous, too; [rules] image is left.
    d = opendir(state_folder.c_str());
    for (dirent *e; (e = readdir(d));) {
        if (strncmp(e->d_name, "gen-1", 5) == 0) {
            int fd = open((state_folder + "/" + e->d_name).c_str(), O_WRONLY);
            EXPECT_EQ(pwrite(fd, "x", 1, 200), 1);
            close(fd);
        }
    }
    closedir(d);
    std::string first = std::string(folder) + "/first.image";
    FILE *f = fopen(first.c_str(), "w");
    fwrite(image(5).octets, 1, image(5).len, f);
    fclose(f);
    start(state_folder, first.c_str());
    EXPECT_TRUE(started);
    EXPECT_EQ(books(), "3/0/0 NONE"); // 2 was used
    EXPECT_TRUE(soon_links("gen-3", ""));
}

TEST_F(Kept, APreviousImageThatIsAnotherIsPassedOver)
{
    live(1);
    go_live(2);
    end(true);
    DIR *d = opendir(state_folder.c_str());
    for (dirent *e; (e = readdir(d));) {
        if (strncmp(e->d_name, "gen-1", 5) == 0) {
            FILE *f = fopen((state_folder + "/" + e->d_name).c_str(), "w");
            fwrite(image(5).octets, 1, image(5).len, f); // sound, and not what its name says
            fclose(f);
        }
    }
    closedir(d);
    start(state_folder);
    roles_answer none;
    EXPECT_TRUE(soon([&] { return state(), !roles_answered(r, &none) && !roles_is_busy(r); }));
    EXPECT_EQ(books(), "2/0/0 NONE");
}

// The folder is on a file system of its own that is full, or read-only; needs root.
TEST_F(Kept, WithoutADiskNothingGoesLiveButEverythingComesBack)
{
    std::string full = std::string(folder) + "/full";
    mkdir(full.c_str(), 0700);
    if (mount("none", full.c_str(), "tmpfs", 0, "size=256k") != 0)
        GTEST_SKIP() << "mounting is for root";
    end(true);
    state_folder = full + "/state";
    start(state_folder);
    live(1);
    go_live(2);
    EXPECT_TRUE(candidate(3).is_ack);
    int fd = open((full + "/filler").c_str(), O_WRONLY | O_CREAT, 0600);
    char block[4096] = {};
    // The candidate's image is there already: it goes, as if somebody had made room badly.
    EXPECT_EQ(system(("rm -f " + state_folder + "/gen-3*").c_str()), 0);
    while (write(fd, block, sizeof(block)) > 0)
        ;
    roles_answer a = stage(3, LINK_STAGE_LIVE);
    EXPECT_FALSE(a.is_ack) << "went live without being kept";
    EXPECT_EQ(books(), "2/3/1 STAGED");
    EXPECT_EQ(link("live"), "gen-2");
    EXPECT_TRUE(go(false, 3).is_ack);
    EXPECT_TRUE(candidate(4).is_ack); // a stage before LIVE needs no disk
    a = stage(4, LINK_STAGE_LIVE);
    EXPECT_FALSE(a.is_ack);
    EXPECT_NE(strstr(a.body.text, "No space"), nullptr) << a.body.text;
    EXPECT_TRUE(stage(4, LINK_STAGE_SHADOW).is_ack);
    close(fd);
    EXPECT_EQ(mount("none", full.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr), 0);
    EXPECT_FALSE(stage(4, LINK_STAGE_LIVE).is_ack);
    EXPECT_TRUE(go(true, 2).is_ack); // with the disk read-only
    EXPECT_EQ(books(), "1/0/0 NONE");
    usleep(50000);
    state();
    EXPECT_EQ(link("live"), "gen-2");
    EXPECT_EQ(mount("none", full.c_str(), nullptr, MS_REMOUNT, nullptr), 0);
    unlink((full + "/filler").c_str());
    EXPECT_TRUE(soon_links("gen-1", "")); // it was tried again
    end(true);
    EXPECT_EQ(umount(full.c_str()), 0);
    state_folder = std::string(folder) + "/after";
    start(state_folder);
}
