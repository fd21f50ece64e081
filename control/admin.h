/* admin: the operators' socket of weir-control. What weirctl says, and what it is told.
 *
 * A SOCK_STREAM Unix socket, JSON lines both ways, a connection for each command:
 *
 *     weirctl -> {"verb":"push","path":"/etc/weir/rules","force":["preflight"],"wait":true}
 *     control -> {"progress":"COMPILED","generation":7,"text":"1,630 rules, 0.9 s"}     any number of these, with wait
 *     control -> {"ok":true,"generation":7,"state":"LIVE",...}                          exactly one, then it closes
 *                {"ok":false,"error":"generation 6 is in CANARY: wait, hold or quarantine it","code":1}
 *
 * code is what weirctl exits with (verbs.h). Requests:
 *
 *   status | gen-list | gen-show N | journal-tail N | journal-verify | report N       for readers
 *   push PATH [stage] [force: preflight, shadow, probation] [expect] [wait]           for pushers, as all below
 *   hold N | resume N | promote N | rollback [to N] | quarantine N | release N | prove [N]
 *   affected N | trace ID                                                              for readers
 *   announce add TEXT expires_s [components] | announce end ID | announce list
 *
 * Who: SO_PEERCRED. root and the process's own user may do all; members of [control] read_group may read, of
 * push_group read and push. Others are told so and the connection closes.
 *
 * Limits: ADMIN_PEERS_MAX connections, one line of ADMIN_LINE_MAX octets, ADMIN_IDLE_MS to send it; who does not read
 * its answers loses the connection, never holds up the process. */
#ifndef WEIR_CONTROL_ADMIN_H
#define WEIR_CONTROL_ADMIN_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ADMIN_SOCKET "/run/weir/control.sock" /* as in the appliance.cfg that ships */

enum { ADMIN_PEERS_MAX = 64, ADMIN_LINE_MAX = 65536, ADMIN_IDLE_MS = 5000, ADMIN_OUT_MAX = 4 << 20 };

#ifdef __cplusplus
}
#endif
#endif
