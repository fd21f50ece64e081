/* evidence_mix: E(n,k) for one rho, prepared (evidence.h has the formula and what it is for).
 *
 * A unit multiplies each component of the mixture by one of two constants, so their logarithms are all that is kept.
 *
 * Threads: read-only after mix_init. Fails: never. */
#ifndef WEIR_CONTROL_EVIDENCE_MIX_H
#define WEIR_CONTROL_EVIDENCE_MIX_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { MIX_MAX = 10 };

struct mix {
    double rho;
    unsigned cnt; /* 0: no alternative is worse than rho, and E is 1 whatever comes */
    double bad[MIX_MAX], good[MIX_MAX];
    double log_cnt;
};

void mix_init(struct mix *m, double rho);

/* ln E(n,k); k <= n. */
double mix_log_e(const struct mix *m, uint64_t n, uint64_t k);

#ifdef __cplusplus
}
#endif
#endif
