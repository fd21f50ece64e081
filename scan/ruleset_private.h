/* ruleset_private: the inside of a ruleset, for ruleset.c, match.c, score.c and image.c. */
#ifndef WEIR_SCAN_RULESET_PRIVATE_H
#define WEIR_SCAN_RULESET_PRIVATE_H

#include <hs/hs.h>
#include <stdatomic.h>

#include "scan/image_format.h"
#include "scan/match.h"

enum { RULESET_CACHE_LINE = 64 };

/* What one worker owns in a rule set; nobody else writes there. */
struct ruleset_thread {
    _Alignas(RULESET_CACHE_LINE) hs_scratch_t *scratch;
    struct match_stream *free_streams[TARGET_CNT]; /* opened, reset, waiting for the next message */
    _Atomic uint64_t pins;
};

struct ruleset {
    void *image; /* our copy, without its databases */
    struct image_view view;
    uint32_t generation;
    unsigned threads_cnt;
    char digest[65];
    hs_database_t *databases[TARGET_CNT];        /* NULL: no rule looks there */
    struct header_target *header_targets;
    const struct image_target **header_images;   /* beside header_targets */
    hs_database_t **header_databases;            /* beside header_targets; NULL: no pattern */
    uint32_t headers_cnt;
    struct ruleset_thread *threads;
};

/* Matches one block, sets the bits of what matched. False when Hyperscan fails. */
bool match_database(const hs_database_t *database, hs_scratch_t *scratch, const uint8_t *octets,
                    size_t len, struct hits *h);

/* Frees the streams that wait in t. No message is left. */
void match_streams_free(struct ruleset_thread *t);

#endif
