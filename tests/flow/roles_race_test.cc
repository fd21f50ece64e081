// Rule sets that come again while messages of before are still at them.
#include "flow/roles_fixture.h"

// weir-control holds what is refused so, and a person tries again (RolloutRace).
TEST_F(Roles, ACandidateThatComesAgainWaitsForItsMessages)
{
    live(1);
    candidate(2);
    EXPECT_TRUE(stage(2, LINK_STAGE_SHADOW).is_ack);
    ruleset *rs = swap_plan(s)->candidate;
    ruleset_pin(rs, 0); // a mail that does not end
    EXPECT_TRUE(go(false, 2, LINK_REASON_LEASE).is_ack);
    roles_answer refused = candidate(2);
    EXPECT_FALSE(refused.is_ack);
    EXPECT_STREQ(refused.body.text, "generation 2 is in memory already");
    EXPECT_EQ(books(), "1/0/0 NONE");
    ruleset_unpin(rs, 0);
    ASSERT_TRUE(soon([&] { return state().resident == 1; }));
    EXPECT_TRUE(candidate(2).is_ack);
    EXPECT_EQ(books(), "1/2/0 STAGED");
}
