#include "control/evidence_mix.h"

#include <math.h>
#include <string.h>

#include "control/evidence.h"

void
mix_init(struct mix *m, double rho)
{
    const double q[MIX_MAX] = {2 * rho, 5 * rho, 20 * rho, 50 * rho, .1, .2, .4, .6, .8, .95};
    *m = (struct mix){.rho = rho};
    if (!(rho > 0 && rho < 1))
        return;
    for (unsigned i = 0; i < MIX_MAX; i++) {
        if (!(q[i] > rho && q[i] < 1))
            continue;
        m->bad[m->cnt] = log(q[i] / rho);
        m->good[m->cnt++] = log1p(-q[i]) - log1p(-rho);
    }
    m->log_cnt = log(m->cnt);
}

double
mix_log_e(const struct mix *m, uint64_t n, uint64_t k)
{
    double log_term[MIX_MAX], most = -INFINITY, sum = 0;
    if (m->cnt == 0 || n == 0)
        return 0;
    for (unsigned i = 0; i < m->cnt; i++) {
        log_term[i] = (double)k * m->bad[i] + (double)(n - k) * m->good[i];
        most = fmax(most, log_term[i]);
    }
    for (unsigned i = 0; i < m->cnt; i++)
        sum += exp(log_term[i] - most);
    return most + log(sum) - m->log_cnt;
}

double
evidence_log_e(uint64_t n, uint64_t k, double rho)
{
    struct mix m;
    mix_init(&m, rho);
    return mix_log_e(&m, n, k < n ? k : n);
}

uint64_t
evidence_k_min(uint64_t n, double rho, double log_threshold)
{
    struct mix m;
    mix_init(&m, rho);
    uint64_t low = 0, high = n + 1; /* E grows with k */
    while (low < high) {
        uint64_t k = low + (high - low) / 2;
        if (mix_log_e(&m, n, k) >= log_threshold)
            high = k;
        else
            low = k + 1;
    }
    return low;
}

void
evidence_trip_table(double rho, double log_threshold, struct link_trip_table *t)
{
    struct mix m;
    mix_init(&m, rho);
    memset(t, 0, sizeof(*t));
    for (uint32_t k = 1; k < LINK_TRIP_MAX; k++) {
        if (!(mix_log_e(&m, k, k) >= log_threshold))
            continue;
        uint32_t low = k, high = UINT32_MAX; /* E falls with n: low trips, above high does not */
        while (low < high) {
            uint32_t n = high - (high - low) / 2;
            if (mix_log_e(&m, n, k) >= log_threshold)
                low = n;
            else
                high = n - 1;
        }
        t->n_max[k] = low;
    }
}
