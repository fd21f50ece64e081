/* ruleset_private: the inside of a ruleset, for ruleset.c, match.c, confirm.c and score.c. */
#ifndef WEIR_SCAN_RULESET_PRIVATE_H
#define WEIR_SCAN_RULESET_PRIVATE_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <hs/hs.h>
#include <pcre2.h>
#include <stdatomic.h>

#include "scan/eval.h"
#include "scan/image_format.h"
#include "scan/match.h"
#include "scan/score_plan.h"

enum {
    RULESET_CACHE_LINE = 64,

    /* PCRE2's match limit for one unit: a rule needs some thousands, a pattern that backtracks without end
     * is stopped after some milliseconds. */
    CONFIRM_STEPS_MAX = 200000,
    CONFIRM_HEAP_KIB = 1024
};

/* What one worker owns in a rule set; nobody else writes there. */
struct ruleset_thread {
    _Alignas(RULESET_CACHE_LINE) hs_scratch_t *scratch;
    struct match_stream *free_streams[TARGET_CNT]; /* opened, reset, waiting for the next message */
    _Atomic uint64_t pins;
    pcre2_match_data *match_data;
    pcre2_match_context *match_context;
    pcre2_jit_stack *jit_stack;
    uint16_t *candidates; /* matchers of the unit being matched that wait for PCRE2 */
    uint32_t candidates_cnt;
    uint8_t *triggers; /* by rule: its matches in the unit, 0: it is not in there */
    float *values;         /* by rule, while a message is judged */
    uint64_t *todo;        /* score_plan's bitmap, the same */
};

/* One database, loaded. */
struct ruleset_group {
    hs_database_t *database;
    const uint32_t *ids;
    enum image_units units;
};

struct ruleset_target {
    const struct image_target *image;
    struct ruleset_group *groups;
    uint32_t groups_cnt;
};

/* An eval rule, ready to run. */
struct ruleset_eval {
    uint32_t rule;
    struct eval_function fn;
    struct eval_args args;
    struct eval_prepared *prepared;
};

struct ruleset {
    void *image; /* our copy, without its databases */
    struct image_view view;
    uint32_t generation;
    unsigned threads_cnt;
    char digest[65];
    struct ruleset_group *groups;                  /* as in the image */
    struct ruleset_target targets[TARGET_CNT];     /* but the header ones; image NULL: no rule looks there */
    struct header_target *header_targets[2];       /* TARGET_HEADER, TARGET_MIMEHEADER */
    struct ruleset_target *headers[2];             /* beside header_targets */
    uint32_t headers_cnt[2];
    pcre2_code **confirm;                          /* by rule; NULL: not confirmed */
    uint16_t *count_idx;                           /* by rule: 1 + its place in hits.counts; 0: it does not count */
    uint32_t counted_cnt;
    struct ruleset_eval *evals;
    uint32_t evals_cnt;
    struct score_plan plan;
    const struct list_table *sets; /* NULL: none */
    bool has_signatures;           /* a rule is made from a pattern of octets */
    struct ruleset_thread *threads;
    _Atomic bool is_returned, is_expired;
};

/* PCRE2's options for HS_FLAG_*. */
uint32_t ruleset_pcre2_options(uint32_t hs_flags);

/* PCRE2 on the candidates of this unit, and on `always`. confirm.c */
void confirm_candidates(const struct ruleset *rs, struct ruleset_thread *t, const struct match_unit *u,
                        const uint8_t *octets);
void confirm_always(const struct ruleset *rs, struct ruleset_thread *t, const struct image_target *target,
                    const struct match_unit *u, const uint8_t *octets);

/* Tells hits->explain of a match of `rule` in the unit; its octets are looked for with PCRE2. explain.c */
void explain_match(const struct ruleset *rs, struct ruleset_thread *t, uint32_t rule, const struct match_unit *u,
                   const uint8_t *octets);

/* Tells of a match that ends `to` octets from the beginning of a stream; `piece`, at `off`, is what of it is at hand,
 * and may be empty. explain.c */
void explain_stream(const struct ruleset *rs, uint32_t rule, enum target target, struct span piece, uint64_t off,
                    uint64_t to, struct explain *x);

/* Tells of a header rule that hits because its field is there, or is not. explain.c */
void explain_listed(const struct ruleset *rs, uint32_t rule, enum target target, uint32_t no, struct explain *x);

/* Frees the streams that wait in t. No message is left. */
void match_streams_free(struct ruleset_thread *t);

#endif
