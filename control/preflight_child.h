/* preflight_child: work that may crash, hang or eat memory, done by children on a leash.
 *
 * A rule set under test is loaded and run in children alone: what it does there takes a child with it, never its
 * parent. Each has limits (memory, processor time, no core file, no descriptor but the standard three), ends with its
 * parent, and shows that it lives by counting `beats`; one whose count stands still for stall_ms is killed. The first
 * that fails ends them all, and why it failed is a sentence.
 *
 * Children hand results over in memory that they share with their parent (preflight_share): of a fixed size, never
 * a pointer in it, everything read from it is checked as if it came from a stranger.
 *
 * Threads: call from a process with one thread. Every child has been waited for when a call returns.
 * Limits:  PREFLIGHT_JOBS_MAX children; PREFLIGHT_JSON_MAX octets of an answer.
 * Fails:   with a sentence in `why`. */
#ifndef WEIR_CONTROL_PREFLIGHT_CHILD_H
#define WEIR_CONTROL_PREFLIGHT_CHILD_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    PREFLIGHT_JOBS_MAX = 64,
    PREFLIGHT_WHY_MAX = 512,

    /* A rule set of SpamAssassin's size loads in 0.1 s and a mail takes a millisecond; a busy machine is slow, too. */
    PREFLIGHT_STALL_MS = 30000,

    /* The longest answer is lint's: its diagnostics are cut before that. */
    PREFLIGHT_JSON_MAX = 4 << 20
};

/* What one child and its parent share while it runs. */
struct preflight_pulse {
    uint64_t beats; /* a child adds to it when it has done something; atomic */
    uint32_t at;    /* what it does now: an item's number; atomic */
    char why[256];  /* and why it gave up */
};

/* In a child: it has begun with item `at`. */
static inline void
preflight_beat(struct preflight_pulse *pulse, uint32_t at)
{
    __atomic_store_n(&pulse->at, at, __ATOMIC_RELAXED);
    __atomic_fetch_add(&pulse->beats, 1, __ATOMIC_RELEASE);
}

struct preflight_children {
    unsigned cnt;
    uint64_t memory_max; /* octets of address space above what the parent has; 0: no limit */
    unsigned stall_ms;   /* 0: PREFLIGHT_STALL_MS */
    unsigned total_ms;   /* all of them are killed after that; 0: an hour */
    bool (*run)(unsigned idx, struct preflight_pulse *pulse, void *owner); /* false: pulse->why says why */
    void *owner;
    void (*name_item)(void *owner, uint32_t at, char *name, size_t size); /* or NULL: for the sentence */
    void (*progress)(void *owner); /* called in the parent now and then; or NULL */
};

/* 0: every child returned true. -1: `why`. */
int preflight_children_run(const struct preflight_children *c, char *why, size_t size);

/* An object that a child makes (cJSON_Delete); NULL: `why`. `make` returns NULL, with a reason in pulse->why. */
struct preflight_question {
    uint64_t memory_max;
    unsigned total_ms;
    cJSON *(*make)(void *owner, struct preflight_pulse *pulse);
    void *owner;
};
cJSON *preflight_ask(const struct preflight_question *q, char *why, size_t size);

/* Memory that children share with their parent, zeroed, taken page by page as it is used. NULL: there is none. */
void *preflight_share(size_t size);
void preflight_unshare(void *p, size_t size);

/* Unprintable octets become "?": for what children and files say. */
void preflight_clean(char *text);

#ifdef __cplusplus
}
#endif
#endif
