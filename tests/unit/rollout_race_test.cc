// Two at once, too late, or again and again: what the machine makes of answers that others were faster than.
#include <gtest/gtest.h>

#include <algorithm>

#include "unit/rollout_fake.h"

namespace {

size_t
count(const World &w, const char *doing)
{
    return (size_t)std::count(w.m.doings.begin(), w.m.doings.end(), doing);
}

TEST(RolloutRace, ADataPlaneThatReturnedFirstRaisesNoAlarm)
{
    World w;
    uint32_t first = w.first(), n = w.push_to("LIVE");
    w.m.pass();
    w.m.doings.clear();
    w.plane.back(LINK_REASON_EVIDENCE, true); // a core has found the same evidence
    w.m.read(1000, 9, true);                  // before anybody asked STATUS
    w.m.deliver();                            // RETURN: it is not live any more
    EXPECT_EQ("ROLLED_BACK", w.m.state(n)) << "it has gone: it is not live again";
    w.m.pass();
    EXPECT_EQ("QUARANTINED", w.m.state(n));
    EXPECT_EQ("LIVE", w.m.state(first));
    EXPECT_FALSE(w.did("journal alarm"));
    EXPECT_EQ(1u, count(w, "journal trip"));
    EXPECT_EQ(1u, count(w, "notice TRIPPED"));
}

} // namespace
