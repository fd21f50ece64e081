// controller: the lock of its state folder, whatever lies in its place; and who may reach its socket and files.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include "control/controller.h"

namespace {

class ControllerTest : public testing::Test
{
protected:
    void SetUp() override
    {
        char name[] = "/tmp/controller-test-XXXXXX";
        ASSERT_NE(mkdtemp(name), nullptr);
        folder = name;
        state = folder + "/state";
        ASSERT_EQ(mkdir(state.c_str(), 0750), 0);
        snprintf(settings.state, sizeof(settings.state), "%s", state.c_str());
    }
    void TearDown() override { ASSERT_EQ(system(("rm -rf " + folder).c_str()), 0); }

    int lock()
    {
        *c = {};
        int ret = controller_lock(c.get(), &settings);
        if (ret == 0)
            close(c->lock_fd);
        return ret;
    }

    std::string octets(const std::string &path)
    {
        std::stringstream all;
        all << std::ifstream(path).rdbuf();
        return all.str();
    }

    std::string folder, state;
    struct settings settings = {};
    std::unique_ptr<controller> c = std::make_unique<controller>();
};

TEST_F(ControllerTest, TheLockIsAFileOfItsOwn)
{
    EXPECT_EQ(lock(), 0);
    EXPECT_EQ(octets(state + "/lock"), std::to_string(getpid()) + "\n");
    EXPECT_EQ(lock(), 0) << "and may be there already";
    int held = open((state + "/lock").c_str(), O_RDWR | O_CLOEXEC);
    struct stat st;
    ASSERT_EQ(fstat(held, &st), 0);
    EXPECT_EQ(st.st_mode & 0777 & ~0640U, 0U);
    close(held);
}

/* Locked as root in a folder of another user's: what they put there is another's file. */
TEST_F(ControllerTest, ALockThatIsALinkIsNotFollowed)
{
    std::string victim = folder + "/victim", place = state + "/lock";
    std::ofstream(victim) << "untouched";
    ASSERT_EQ(symlink(victim.c_str(), place.c_str()), 0);
    EXPECT_NE(lock(), 0);
    EXPECT_EQ(octets(victim), "untouched");
    unlink(place.c_str());
    ASSERT_EQ(link(victim.c_str(), place.c_str()), 0);
    EXPECT_NE(lock(), 0) << "a hard link is as good";
    EXPECT_EQ(octets(victim), "untouched");
    unlink(place.c_str());
    ASSERT_EQ(symlink((folder + "/made").c_str(), place.c_str()), 0);
    EXPECT_NE(lock(), 0);
    EXPECT_NE(access((folder + "/made").c_str(), F_OK), 0) << "nothing is made through it";
}

TEST_F(ControllerTest, ALockThatIsNoFileIsRefusedAndNobodyWaits)
{
    std::string place = state + "/lock";
    ASSERT_EQ(mkfifo(place.c_str(), 0600), 0);
    EXPECT_NE(lock(), 0);
    unlink(place.c_str());
    ASSERT_EQ(mkdir(place.c_str(), 0700), 0);
    EXPECT_NE(lock(), 0);
}

/* Everybody may connect (who may do what is told there); the rest is for its user and group, whatever the umask. */
TEST_F(ControllerTest, SocketAndFoldersAreForWhomTheyAre)
{
    char err[GENERATIONS_ERR_MAX];
    struct stat st;
    std::string socket_path = folder + "/control.sock";
    struct admin_settings as = {};
    for (mode_t mask : {027U, 0U, 077U}) {
        mode_t old = umask(mask);
        struct admin *a = admin_open(socket_path.c_str(), &as, err, sizeof(err));
        umask(old);
        ASSERT_NE(a, nullptr) << err;
        ASSERT_EQ(stat(socket_path.c_str(), &st), 0);
        EXPECT_EQ(st.st_mode & 0777, 0666U);
        admin_close(a);
    }
    struct generations store = {};
    mode_t old = umask(0);
    ASSERT_EQ(generations_open(&store, state.c_str(), err), 0);
    ASSERT_EQ(generations_make(&store, 1, err), 0);
    ASSERT_EQ(generations_write(&store, 1, "image", "x", 1, err), 0);
    struct journal *j = journal_open((state + "/journal.jsonl").c_str(), err, sizeof(err));
    umask(old);
    ASSERT_NE(j, nullptr) << err;
    journal_close(j);
    for (const char *what : {"/generations", "/generations/1", "/generations/1/image", "/journal.jsonl"}) {
        ASSERT_EQ(stat((state + what).c_str(), &st), 0) << what;
        EXPECT_EQ(st.st_mode & 0027, 0U) << what << ": others nothing, the group reads";
    }
}

} // namespace
