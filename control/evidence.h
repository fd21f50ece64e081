/* evidence: whether a rule set does harm, told from counts alone.
 *
 * For each stratum s (all mail, sender's suffix, ...) the null hypothesis is "the chance that the new set newly rejects
 * mail that the old one accepts is at most rho". With n units of which k were bad the evidence against it is
 *
 *     E(n,k) = sum_j pi_j (q_j/rho)^k ((1-q_j)/(1-rho))^(n-k),  q_j > rho from {2,5,20,50}*rho and {.1,.2,.4,.6,.8,.95},
 *
 * equal pi (a q that comes twice counts twice): a non-negative supermartingale that starts at 1 (mixture SPRT, a betting e-process), so by Ville's
 * inequality it ever reaches 1/alpha with a chance of at most alpha, however often one looks. Strata share one
 * budget: M = sum_s w_s E_s with sum_s w_s <= 1; what no stratum has taken yet counts as 1 (cash). M >= 1/alpha: the
 * set goes back. A stratum with E_s >= 1/(alpha w_s) says where. All in natural logarithms: counts of 1e9 are fine.
 *
 * Weights: ALL .20, sender suffix .25, recipient suffix .15, recipient domain .15, changed rule .15, novel .10. The j-th
 * stratum of a kind in order of appearance gets the kind's weight times 6/(pi^2 j^2): it is given before its first
 * outcome is known. Strata known beforehand (evidence_know: those of the former generation, largest first) take
 * the places 1..m of their kind; then strata nobody knew share the novel weight. A rule becomes a stratum because it
 * did harm once: that unit chose it, and the data plane counts neither it nor what came before.
 *
 * alpha is for everything that can make one generation go back, over its whole life, whether the controller or
 * the data plane finds out. It is spent thus (a plain sum, so nothing is assumed of how they depend on each other):
 *
 *     half before LIVE, half in LIVE; of either
 *         .40  M                .05  the data plane's table for ALL, .05 for MIRROR, .05 for ERROR
 *         .10  MIRROR           .25  its table for strata: 1/LINK_STRATA_MAX of that for each
 *         .10  ERROR
 *     In LIVE counts begin anew with each window. The controller gives the j-th window 6/(pi^2 j^2) of LIVE's half;
 *     the data plane, whose tables are sent once, each window the same part, enough for a year of them.
 *
 * Owns:    evidence: the names, and what each stratum came to at the last reading (3 MiB).
 * Threads: one at a time.
 * Limits:  LINK_STRATA_MAX names known or declared; more are left out (and so novel, or not declared).
 * Fails:   evidence_new (NULL).
 * Source:  ROLLOUT in the design; Ville 1939; Wald's SPRT as a mixture. */
#ifndef WEIR_CONTROL_EVIDENCE_H
#define WEIR_CONTROL_EVIDENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/link.h"

#ifdef __cplusplus
extern "C" {
#endif

struct evidence_settings {
    double alpha;       /* 1e-6: chance that a good generation ever goes back */
    double rho_all;     /* 0.005 */
    double rho_stratum; /* 0.01: suffixes, domains, rules */
    double rho_mirror;  /* 0.2 */
    double rho_error;   /* 1e-4 */
};

extern const struct evidence_settings evidence_settings_default;

/* ln E(n,k). 0 <= k <= n, 0 < rho < 1. */
double evidence_log_e(uint64_t n, uint64_t k, double rho);

/* The least k at which ln E(n,k) >= log_threshold; n + 1: none. */
uint64_t evidence_k_min(uint64_t n, double rho, double log_threshold);

/* The data plane's table of that (link.h). rho >= 1 or a NaN: one that never trips. */
void evidence_trip_table(double rho, double log_threshold, struct link_trip_table *t);

struct evidence;

struct evidence *evidence_new(const struct evidence_settings *s);
void evidence_free(struct evidence *e);

/* Before the first reading. Strata of the former generation, the largest first. Not for ALL and rules: those that
 * changed are others each time. */
void evidence_know(struct evidence *e, enum link_kind kind, const char *name);

/* rho of a stratum, raised: what the operator declared, or three times what replay showed. The larger one stands.
 * Kind ALL: name "". */
void evidence_declare(struct evidence *e, enum link_kind kind, const char *name, double rho);

/* What of this the data plane needs: fills the trip tables, exempt_cnt and exempt of `to`, nothing else. window_ms as
 * there; 0 before LIVE. Strata with a raised rho are exempt; when they are more than LINK_EXEMPT_MAX, the largest
 * rho are, and the table for strata is made for the largest of the others. The table for declared rules is made for the
 * largest rho of a rule. What declared rules alone reject is bad in their own strata only: there the declared rho is
 * what they are held to, by the controller and, with it dead, by that table. */
void evidence_stage(const struct evidence *e, uint32_t window_ms, struct link_stage *to);

struct evidence_stratum {
    enum link_kind kind;
    char name[LINK_NAME_MAX];
    uint64_t n, k;
    double log_e, rho;
    bool is_localised; /* E_s >= 1/(alpha w_s), with M's share of alpha */
};

enum { EVIDENCE_WORST_MAX = 16 };

struct evidence_reading {
    double log_m, log_mirror, log_error;
    double limit_m, limit_mirror, limit_error; /* each trips at its limit: -ln of its share of alpha */
    bool trips;
    enum link_kind family; /* which tripped: ALL (the reject family), MIRROR or ERROR */
    uint64_t n, k;         /* of ALL */
    uint32_t strata_cnt;
    uint32_t worst_cnt; /* by log_e, downwards */
    struct evidence_stratum worst[EVIDENCE_WORST_MAX];
};

/* Reads the counts as they stand; *t is the data plane's page and may be written meanwhile (by a hostile one, too:
 * whatever it holds, nothing outside of it is read and weights sum to at most 1). A new epoch begins with nothing known of the
 * one before. False: it is being reset; nothing was read. Costs what changed: see the .c for figures. */
bool evidence_read(struct evidence *e, const struct link_evidence *t, struct evidence_reading *r);

/* How many strata of a kind had at least so many units at the last reading. */
uint32_t evidence_with_units(const struct evidence *e, enum link_kind kind, uint64_t units);

/* The strata of the last reading, those with most units first; returns how many were written, at most max. What to
 * hand to evidence_know for the next generation, and to print. */
uint32_t evidence_strata(const struct evidence *e, struct evidence_stratum *to, uint32_t max);

#ifdef __cplusplus
}
#endif
#endif
