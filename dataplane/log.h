/* log: one line an occurrence, with its cause. Goes to rte_log's stream as type "weir".
 *
 * Not for cores while frames run: what they see is counted. */
#ifndef WEIR_DATAPLANE_LOG_H
#define WEIR_DATAPLANE_LOG_H

#include <stdio.h>

#include <rte_log.h>

#ifdef __cplusplus
extern "C" {
#endif

extern int weir_logtype; /* config.c's users before rte_eal_init print to stderr themselves */

#define LOG_AT(level, ...) rte_log(RTE_LOG_##level, (uint32_t)weir_logtype, "weir: " __VA_ARGS__)

/* Lets `file`, open for appending, go on in what `path` names now (made when it is not there): for a file that
 * was renamed, as logrotate does. What was written so far is in the old one. Any thread may write meanwhile: the
 * descriptor is replaced in one step. 0, or negative errno: then it goes on in the old one. */
int log_reopen(FILE *file, const char *path);

#ifdef __cplusplus
}
#endif

#endif
