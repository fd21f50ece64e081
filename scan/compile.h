/* compile: Hyperscan's compiler kept on a leash.
 *
 * A single pattern can take minutes and gigabytes (FILL_THIS_FORM of the stock rules: 18 s), so nothing is compiled
 * in the caller's process. Children do it, a few at a time, each under limits of memory and of processor time; a
 * child that dies takes one pattern, or one database, with it and never the set. What was compiled is kept in a
 * folder by the hash of everything that it depends on, so a small change compiles in seconds.
 *
 *     compile_solo   each pattern alone: can it be compiled, natively or as a prefilter; how large is it, what
 *                    does an octet of ordinary text cost, how many of its lines does it hit
 *     compile_sets   whole databases
 *
 * Owns:    what it writes into a compile_set (`octets`) is the caller's to free().
 * Limits:  COMPILE_* below, and memory_max, for each child.
 * Threads: forks; call from a process with one thread, or before others are started.
 * Fails:   per pattern and per set, in the result. The cache is a help, never a condition: what cannot be read or
 *          does not verify is compiled anew. */
#ifndef WEIR_SCAN_COMPILE_H
#define WEIR_SCAN_COMPILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    /* Processor time for one pattern alone: what takes longer is confirmed by PCRE2 instead. */
    COMPILE_SOLO_MS = 700,

    /* Processor time for one database. */
    COMPILE_SET_MS = 120000
};

struct compile_options {
    const char *cache;     /* folder, made if it is not there; NULL: none */
    unsigned jobs;         /* children at a time; 0: one a processor */
    uint64_t memory_max;   /* octets of address space a child may take; 0: 4 GiB */
};

enum compile_how {
    COMPILE_NATIVE,
    COMPILE_PREFILTER, /* a superset: a hit is to be confirmed */
    COMPILE_NOT        /* not by Hyperscan, or not within the limits */
};

/* One pattern and what was found out about it. */
struct compile_solo {
    const char *text;
    unsigned flags; /* HS_FLAG_*, PREFILTER left out */
    /* result */
    enum compile_how how;
    bool is_over_limit;
    uint32_t size;            /* octets of the database */
    uint32_t compile_us;
    uint32_t scan_ps;         /* per octet of the built-in text, in 1e-12 s */
    uint32_t hit_permille;    /* lines of the built-in text that it hits */
    char error[96];           /* COMPILE_NOT: Hyperscan's words */
};

void compile_solo(struct compile_solo *solo, size_t cnt, const struct compile_options *o);

struct hs_expr_ext;

/* Patterns that share a database; the match callback sees ids 0..cnt-1. */
struct compile_set {
    const char *const *texts;
    const unsigned *flags;
    const struct hs_expr_ext *const *exts; /* NULL, or by pattern: NULL, or where its match must end */
    unsigned cnt;
    bool is_stream;
    /* result */
    uint8_t *octets; /* serialised, free(); NULL: failed */
    size_t len;
    char error[160];
};

void compile_sets(struct compile_set *sets, size_t cnt, const struct compile_options *o);

/* The text that patterns are timed on: lines of ordinary mail, our own. */
extern const char *const compile_text[];
extern const size_t compile_text_cnt;

#ifdef __cplusplus
}
#endif
#endif
