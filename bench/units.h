/* units: what the scanner offered to its databases, and the bare loops over the same octets.
 *
 * While `is_recording`, the calls of scan/smtp.c to message.h and of scan/message.c to match.h are noted
 * (the program is linked with --wrap for them); afterwards they can be run without what is around them:
 *
 *   units_scan      the same databases over the same units in the same order, nothing else: what the
 *                   packet path and the mail path cost is what the pipeline takes longer
 *   units_messages  scan/message alone, over the same octets in the same pieces: no packets, no SMTP
 *   units_raw       one database of all body, rawbody and full patterns over each raw message as one block:
 *                   what a Hyperscan benchmark would print
 *
 * Threads: one. */
#ifndef WEIR_BENCH_UNITS_H
#define WEIR_BENCH_UNITS_H

#include <stdbool.h>
#include <stdint.h>

#include <hs/hs.h>

#include "scan/message.h"
#include "scan/ruleset.h"

struct rule_list;

struct units {
    bool is_recording;
    uint64_t message_octets; /* fed to messages */
    uint32_t messages_cnt;
    uint64_t unit_octets; /* offered to databases */
    uint32_t units_cnt;
};

extern struct units units;

/* -1: does not compile (printed). NULL when no rule has such a pattern. */
int units_raw_database(const struct rule_list *l, hs_database_t **database);

void units_scan(const struct ruleset *rs);
void units_messages(struct scanner *sc);
void units_raw(const hs_database_t *database, hs_scratch_t *scratch);

#endif
