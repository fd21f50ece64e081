/* log: one line an occurrence, with its cause. Goes to rte_log's stream as type "weir".
 *
 * Not for cores while frames run: what they see is counted. */
#ifndef WEIR_DATAPLANE_LOG_H
#define WEIR_DATAPLANE_LOG_H

#include <rte_log.h>

extern int weir_logtype; /* config.c's users before rte_eal_init print to stderr themselves */

#define LOG_AT(level, ...) rte_log(RTE_LOG_##level, (uint32_t)weir_logtype, "weir: " __VA_ARGS__)

#endif
