// Live is on probation where it lacks evidence, and a candidate comes: what becomes of that mail.
#include "tests/flow/second_fixture.h"

namespace sim
{

class Watched : public Second
{
  protected:
    ruleset *third = make_rules("body BOTH /bothbad/\nscore BOTH 7\nbody THIRD /thirdbad/\nscore THIRD 6\n", 9);
    std::unique_ptr<link_stage> candidate{new link_stage()};
    bool is_pushed = false;

    // new is live, of .fr it has its evidence; previous is old
    void SetUp() override
    {
        Second::SetUp();
        v->units_proven = 3;
        v->share_ppm = 0;
        watched();
        tally_window(t, v->units_proven);
        for (const char *from : {"a@one.fr", "a@two.fr", "a@three.fr"})
            EXPECT_EQ("250", mail(from, "good"));
        EXPECT_EQ("451", mail("a@one.de", "newbad", "before"));
        *candidate = *v;
        candidate->share_ppm = 0;
    }
    void TearDown() override
    {
        Second::TearDown();
        if (!is_pushed) // else the swap's
            ruleset_free(third);
    }
    void push(link_stage_id stage)
    {
        swap_roles roles = {};
        roles.live = new_set;
        roles.candidate = third;
        roles.previous = old_set;
        roles.stage = stage;
        roles.values = stage == LINK_STAGE_STAGED ? nullptr : candidate.get();
        roles.watched = v.get();
        publish(roles);
        is_pushed = true;
    }
    void drop()
    {
        link_trip why = {};
        swap_returned r;
        ASSERT_TRUE(swap_return(swap, swap_plan(swap), &why));
        ASSERT_TRUE(swap_take_return(swap, &r));
        take();
        ASSERT_EQ(0, tally_pair(t, swap_plan(swap)->a, swap_plan(swap)->b));
        tally_window(t, v->units_proven);
        take();
    }
};

TEST_F(Watched, APushTakesNoSuffixOffProbation)
{
    for (link_stage_id stage : {LINK_STAGE_STAGED, LINK_STAGE_SHADOW, LINK_STAGE_CANARY}) {
        push(stage);
        std::string id = std::to_string(stage);
        EXPECT_EQ("451", mail("a@one.de", "newbad", id)) << stage;
        EXPECT_EQ("\"LIVE\"", of(record().get(), "stage"));
        EXPECT_EQ("451", mail("a@one.de", "newbad", id)) << stage;
        EXPECT_EQ("250", mail("a@one.de", "newbad", id)) << "the old verdict decides, " << stage;
        EXPECT_EQ("550", mail("a@four.fr", "newbad")) << "is proven, " << stage;
        EXPECT_EQ("550", mail("a@one.de", "bothbad")) << stage;
        EXPECT_EQ("250", mail("a@one.de", "good")) << stage;
    }
    EXPECT_EQ(Nk(0, 0), all()) << "which is evidence of another pair";
}

TEST_F(Watched, WhatTheCandidateIsAskedAboutIsItsOwn)
{
    candidate->share_ppm = 1000000;
    push(LINK_STAGE_SHADOW);
    EXPECT_EQ("250", mail("a@one.de", "thirdbad"));
    EXPECT_EQ("\"SHADOW\"", of(record().get(), "stage"));
    EXPECT_EQ(Nk(1, 1), all());
}

TEST_F(Watched, WhatWasProvenIsWhenTheCandidateHasGone)
{
    candidate->share_ppm = 1000000;
    push(LINK_STAGE_SHADOW);
    EXPECT_EQ("250", mail("a@five.fr", "good"));
    drop();
    EXPECT_EQ("550", mail("a@four.fr", "newbad")) << "it has proved itself there";
    EXPECT_EQ("451", mail("a@one.de", "newbad", "after"));
}

TEST_F(Watched, AMessageOfLiveEndsAsItWasBegunUnderACandidate)
{
    take();
    connect();
    envelope("a@one.de", {"r@customer.test"});
    data();
    push(LINK_STAGE_STAGED); // whose values are none
    EXPECT_EQ("451", finish("oldbad", "late")) << "not the old verdict at the first try";
}

TEST_F(Watched, ShedItIsThePreviousOnes)
{
    v->budget_permille = 0;
    push(LINK_STAGE_STAGED);
    EXPECT_EQ("250", mail("a@one.de", "newbad"));
    EXPECT_EQ(1u, counter(COUNTER_UNPROVEN_OLD));
}

} // namespace sim
