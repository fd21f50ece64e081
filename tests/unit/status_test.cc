/* The page: well-formed whatever is in the document, no script, nothing from elsewhere; written whole or not at all. */
#include <gtest/gtest.h>

#include <libxml/parser.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <thread>

#include "control/status.h"

namespace {

const char DOCUMENT[] = R"({"page":{"name":"Example Mail","updated_at":"2026-02-01T00:00:00.000Z"},
 "status":{"indicator":"major","description":"Partial outage"},
 "components":[{"name":"Mail delivery","status":"partial_outage"},{"name":"Mail scanner","status":"operational"}],
 "incidents":[{"id":"a1","name":"Announcement","status":"identified","expires_at":"2026-02-01T01:00:00.000Z",
   "incident_updates":[{"status":"identified","body":"Hello","created_at":"2026-02-01T00:00:00.000Z"}]},
  {"id":"i1","name":"Some mail delayed","status":"resolved",
   "incident_updates":[{"status":"resolved","body":"Resolved.","created_at":"2026-01-31T23:59:59.125Z"}]}]})";

std::string
page(const std::string &document)
{
    cJSON *j = cJSON_Parse(document.c_str());
    char *html = status_html(j);
    std::string text = html ? html : "";
    free(html);
    cJSON_Delete(j);
    return text;
}

bool
is_well_formed(const std::string &text)
{
    xmlDocPtr d = xmlReadMemory(text.data(), static_cast<int>(text.size()), "page", nullptr,
                                XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NONET);
    bool is_good = d != nullptr;
    xmlFreeDoc(d);
    return is_good;
}

TEST(StatusTest, Page)
{
    std::string text = page(DOCUMENT);
    EXPECT_TRUE(is_well_formed(text)) << text;
    EXPECT_NE(text.find("<title>Example Mail: Partial outage</title>"), std::string::npos);
    EXPECT_NE(text.find("<p class=\"banner major\">Partial outage</p>"), std::string::npos);
    EXPECT_NE(text.find("<span>Mail delivery</span><span>Partial outage</span>"), std::string::npos);
    EXPECT_NE(text.find("<h2>Now</h2>\n<article id=\"a1\">"), std::string::npos);
    EXPECT_NE(text.find("<h2>Past incidents</h2>\n<article id=\"i1\">"), std::string::npos);
    EXPECT_NE(text.find("<strong>Resolved</strong> Resolved.<br/><time datetime=\"2026-01-31T23:59:59.125Z\">2026-01-31 "
                        "23:59:59 UTC</time>"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("Until <time datetime=\"2026-02-01T01:00:00.000Z\">"), std::string::npos);
    EXPECT_NE(text.find("name=\"viewport\""), std::string::npos) << "a phone shows it at its own width";
    EXPECT_EQ(text.find("<script"), std::string::npos);
    EXPECT_EQ(text.find("://"), text.find("://www.w3.org/1999/xhtml")) << "nothing is loaded from elsewhere";
    EXPECT_EQ(text.find("://", text.find("://") + 1), std::string::npos);
}

TEST(StatusTest, HostileTextStaysText)
{
    for (const char *evil : {"<script>alert(1)</script>", "\\\" onload=\\\"alert(1)", "' x='", "&amp;<!--", "]]>", "\\u0000\\u0001\\u001b[31m\\u007f",
                             "%s%s%n%d", "\\ud83d\\ude00"}) {
        std::string document(DOCUMENT);
        for (const char *at : {"Example Mail", "major", "Partial outage", "a1", "Hello", "identified", "partial_outage",
                               "2026-02-01T00:00:00.000Z", "Announcement"}) {
            for (size_t i = 0; (i = document.find(std::string("\"") + at + "\"", i)) != std::string::npos; i++)
                document.replace(i + 1, strlen(at), evil);
        }
        std::string text = page(document);
        EXPECT_TRUE(is_well_formed(text)) << evil << "\n" << text;
        EXPECT_EQ(text.find("<script"), std::string::npos) << evil;
        EXPECT_EQ(text.find("\" onload"), std::string::npos) << evil;
    }
}

TEST(StatusTest, OddDocuments)
{
    for (const char *odd : {"{}", "[]", "7", "null", "{\"page\":7,\"status\":[],\"components\":\"x\",\"incidents\":{\"a\":1}}",
                            "{\"incidents\":[1,null,[],{\"incident_updates\":[1,{}]}],\"components\":[1,null,{}]}"}) {
        EXPECT_TRUE(is_well_formed(page(odd))) << odd;
    }
    EXPECT_TRUE(is_well_formed(page("not json"))); /* NULL */
}

class StatusFileTest : public ::testing::Test
{
protected:
    void SetUp() override
    {
        char name[] = "/tmp/weir-status.XXXXXX";
        ASSERT_NE(mkdtemp(name), nullptr);
        folder = name;
        document = cJSON_Parse(DOCUMENT);
    }

    void TearDown() override
    {
        cJSON_Delete(document);
        ASSERT_EQ(system(("rm -rf " + folder).c_str()), 0);
    }

    std::string octets(const std::string &name)
    {
        std::ifstream in(folder + "/" + name, std::ios::binary);
        std::stringstream all;
        all << in.rdbuf();
        return all.str();
    }

    std::string folder;
    cJSON *document = nullptr;
};

TEST_F(StatusFileTest, BothAreReadableByEverybody)
{
    mode_t mask = umask(077);
    EXPECT_EQ(status_write(folder.c_str(), document), 0);
    umask(mask);
    for (const char *name : {"status.json", "status.html"}) {
        struct stat st;
        ASSERT_EQ(stat((folder + "/" + name).c_str(), &st), 0);
        EXPECT_EQ(st.st_mode & 0777, 0644U);
    }
    cJSON *again = cJSON_Parse(octets("status.json").c_str());
    EXPECT_TRUE(cJSON_Compare(again, document, 1));
    cJSON_Delete(again);
    EXPECT_TRUE(is_well_formed(octets("status.html")));
}

TEST_F(StatusFileTest, AReaderSeesAWholeFile)
{
    ASSERT_EQ(status_write(folder.c_str(), document), 0);
    std::atomic<bool> is_over{false};
    std::thread writer([&] {
        for (int i = 0; i < 300; i++)
            status_write(folder.c_str(), document);
        is_over = true;
    });
    while (!is_over) {
        cJSON *j = cJSON_Parse(octets("status.json").c_str());
        EXPECT_NE(j, nullptr);
        cJSON_Delete(j);
    }
    writer.join();
}

TEST_F(StatusFileTest, LinksAreNotFollowed)
{
    std::ofstream(folder + "/victim") << "mine";
    ASSERT_EQ(symlink("victim", (folder + "/.status.json.new").c_str()), 0);
    ASSERT_EQ(symlink("victim", (folder + "/status.html").c_str()), 0);
    EXPECT_EQ(status_write(folder.c_str(), document), 0);
    EXPECT_EQ(octets("victim"), "mine");
    EXPECT_TRUE(is_well_formed(octets("status.html")));
}

TEST_F(StatusFileTest, FullDiskLeavesTheOldOnes)
{
    if (geteuid() != 0 || system(("mount -t tmpfs -o size=64k none " + folder + " 2>/dev/null").c_str()) != 0)
        GTEST_SKIP() << "needs root for a small file system";
    ASSERT_EQ(status_write(folder.c_str(), document), 0);
    std::string before = octets("status.json");
    std::ofstream(folder + "/filler") << std::string(1 << 20, 'x');
    cJSON_AddStringToObject(document, "more", std::string(20000, 'x').c_str());
    EXPECT_EQ(status_write(folder.c_str(), document), -ENOSPC);
    EXPECT_EQ(octets("status.json"), before);
    EXPECT_NE(access((folder + "/.status.json.new").c_str(), F_OK), 0);
    EXPECT_EQ(system(("umount " + folder).c_str()), 0);
}

TEST_F(StatusFileTest, NoFolder)
{
    EXPECT_EQ(status_write((folder + "/nowhere").c_str(), document), -ENOENT);
    EXPECT_EQ(status_write(std::string(1000, 'x').c_str(), document), -ENAMETOOLONG);
}

} // namespace
