// The same judgement, hits and events for every way of cutting a mail into pieces (message.h).
#include <algorithm>
#include <cstring>
#include <filesystem>
#include <random>

#include "tests/unit/hostile_mail.h"
#include "tests/unit/mail_fixture.h"

namespace fs = std::filesystem;

namespace {

class Split : public ::testing::Test {
protected:
    static struct ruleset *rs;
    static struct scanner sc;
    static void SetUpTestSuite()
    {
        rs = load_rules({ "tests/data/rules/many.cf" });
        ASSERT_EQ(0, scanner_init(&sc, 0, 1));
        sc.live = rs;
    }
    static void TearDownTestSuite()
    {
        scanner_fini(&sc);
        ruleset_free(rs);
    }
    void expect_same(const std::string &name, const std::string &mail, bool every_octet)
    {
        outcome whole = run_mail(&sc, mail, [] { return SIZE_MAX; });
        std::mt19937 rnd(4711);
        std::vector<std::function<size_t()>> cuts = { [&] { return 1 + rnd() % 1460; }, [&] { return 1 + rnd() % 97; } };
        if (every_octet)
            cuts.push_back([] { return 1; });
        for (size_t i = 0; i < cuts.size(); i++) {
            outcome cut = run_mail(&sc, mail, cuts[i]);
            EXPECT_TRUE(whole == cut) << name << " cut " << i << ":" << difference(rs, whole, cut);
        }
    }
};

struct ruleset *Split::rs;
struct scanner Split::sc;

std::vector<fs::path> mails_of(const fs::path &folder)
{
    std::vector<fs::path> v;
    std::error_code none;
    for (auto i = fs::recursive_directory_iterator(folder, none); !none && i != fs::recursive_directory_iterator(); i++)
        if (i->is_regular_file())
            v.push_back(i->path());
    std::sort(v.begin(), v.end());
    return v;
}

TEST_F(Split, OwnMails)
{
    for (const fs::path &p : mails_of("tests/data/mail"))
        expect_same(p.string(), with_crlf(read_file(p.string())), true);
}

// Every n-th mail of the corpus, where there is one; WEIR_TEST_STEP says n.
TEST_F(Split, Corpus)
{
    const char *step = getenv("WEIR_TEST_STEP");
    size_t n = step ? std::stoul(step) : 59, cnt = 0;
    std::vector<fs::path> all = mails_of("../shared/corpus");
    for (size_t i = 0; i < all.size(); i += n) {
        std::string mail = with_crlf(read_file(all[i].string()));
        expect_same(all[i].string(), mail, mail.size() < 200000);
        cnt++;
    }
    printf("%zu mails of %zu\n", cnt, all.size());
}

TEST_F(Split, HostileMails)
{
    for (const hostile::mail &h : hostile::all()) {
        if (strstr(h.name, "archive-zeros") || strstr(h.name, "archive-nested"))
            continue; // where the ratio cuts a member off is not the same for every split (archive.h)
        std::string mail;
        h.write(h.full > 100000 ? 3000 : std::min<size_t>(h.full, 60), [&](const std::string &s) { mail += s; });
        expect_same(h.name, mail, mail.size() < 20000);
    }
}

} // namespace
