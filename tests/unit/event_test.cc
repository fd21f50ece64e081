#include "scan/event.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

TEST(Verdict, NamesParseBack)
{
    for (int i = 0; i < VERDICT_CNT; i++) {
        enum verdict v = VERDICT_CNT;

        EXPECT_TRUE(verdict_parse(verdict_name((enum verdict)i), &v));
        EXPECT_EQ(v, i);
    }
}

TEST(Verdict, UnknownNameLeavesValue)
{
    enum verdict v = VERDICT_DROP;

    EXPECT_FALSE(verdict_parse("reject", &v));
    EXPECT_EQ(v, VERDICT_DROP);
    EXPECT_TRUE(verdict_parse("pass", &v));
    EXPECT_EQ(v, VERDICT_ACCEPT);
    EXPECT_STREQ(verdict_name(VERDICT_CNT), "?");
}

TEST(Verdict, OnlyAcceptAndTagForward)
{
    for (int v = 0; v < VERDICT_CNT; v++)
        EXPECT_EQ(verdict_forwards((enum verdict)v), v == VERDICT_ACCEPT || v == VERDICT_TAG);
}

TEST(Event, NamesAreUniqueAndParseBack)
{
    std::set<std::string> names;

    for (int e = 0; e < EVENT_CNT; e++) {
        const char *name = event_name((enum event)e);

        EXPECT_TRUE(names.insert(name).second) << name;
        EXPECT_EQ(event_parse(name), e);
        EXPECT_GT(strlen(event_why((enum event)e)), 0u);
    }
    EXPECT_EQ(event_parse("nothing-such"), EVENT_CNT);
    EXPECT_STREQ(event_name(EVENT_CNT), "?");
    EXPECT_STREQ(event_why(EVENT_CNT), "?");
}

TEST(Event, DefaultActions)
{
    EXPECT_EQ(event_default_action(EVENT_SMUGGLED_EOD), VERDICT_REFUSE);
    EXPECT_EQ(event_default_action(EVENT_STARTTLS_PIPELINED), VERDICT_CLOSE);
    EXPECT_EQ(event_default_action(EVENT_MESSAGE_CAP), VERDICT_DEFER);
    EXPECT_EQ(event_default_action(EVENT_BARE_LF), VERDICT_ACCEPT);
    EXPECT_EQ(event_default_action(EVENT_BARE_CR_COMMAND), VERDICT_CLOSE);
}
