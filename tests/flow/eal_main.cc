// eal_main: main of tests whose code asks DPDK for the time: no huge pages, no devices, no root.
#include <gtest/gtest.h>

#include <rte_eal.h>

#include "dataplane/agent.h"

int
main(int argc, char **argv)
{
    testing::InitGoogleTest(&argc, argv);
    agent_block_signals();
    char args[][32] = {"test", "--no-huge", "-m", "64", "--no-pci", "--no-telemetry", "--no-shconf",
                       "--log-level=critical", "-l", "0"};
    char *eal[11] = {};
    for (int i = 0; i < 10; i++)
        eal[i] = args[i];
    if (rte_eal_init(10, eal) < 0)
        return 1;
    return RUN_ALL_TESTS();
}
