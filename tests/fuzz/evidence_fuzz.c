/* The data plane's page, as it changes between readings. Operations of eight octets:
 *
 *     0 a stratum appears   1 counts of a stratum   2 counts of ALL, MIRROR, ERROR   3 a new epoch   4 a name is known
 *     or declared (before the first reading)   5 any word of the page, to anything (from then on it lies)
 *
 * with a reading after each. No number is NaN or infinite, k <= n, what is told is sorted. While the page does not lie and
 * nothing was known, a reader that saw all of it says at the end the same as one that sees it for the first time. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/evidence.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct link_evidence page;
static struct evidence_stratum list[LINK_STRATA_MAX];

enum { OPS_MAX = 32 };

struct run {
    struct evidence *e;
    bool lies, knows;
    uint32_t order[LINK_KIND_CNT];
};

static uint64_t
nk_of(const uint8_t *op)
{
    uint32_t n = (uint32_t)op[4] << (op[5] & 31), k = (uint32_t)op[6] << (op[7] & 31);
    return (uint64_t)n << 32 | (k < n ? k : n);
}

static void
appear(struct run *r, const uint8_t *op)
{
    struct link_stratum *s = &page.strata[(op[1] | op[2] << 8) % LINK_STRATA_MAX];
    if (s->state == 2)
        return;
    s->kind = (uint16_t)(LINK_KIND_SENDER_SUFFIX + op[3] % 4);
    s->order = ++r->order[s->kind];
    s->n_base = s->kind == LINK_KIND_RULE ? (uint32_t)(page.nk_all >> 32) : 0;
    snprintf(s->name, sizeof(s->name), "%02x%02x", op[1], op[2]);
    s->state = 2;
    page.strata_cnt++;
}

static void
name(struct run *r, const uint8_t *op)
{
    char text[8];
    snprintf(text, sizeof(text), "%02x%02x", op[1], op[2]);
    double rho = (double)op[4] / (1 + op[5]);
    if (op[6] & 1) {
        r->knows = true;
        evidence_know(r->e, (enum link_kind)(op[3] % 9), text);
    } else {
        evidence_declare(r->e, (enum link_kind)(op[3] % LINK_KIND_CNT), text, rho);
        r->knows = r->knows || op[3] % LINK_KIND_CNT != LINK_KIND_ALL || rho > 0; /* the other reader was not told */
    }
}

static void
change(struct run *r, const uint8_t *op, bool has_read)
{
    size_t at = (size_t)(op[1] | op[2] << 8);
    switch (op[0] % 6) {
    case 0:
        appear(r, op);
        break;
    case 1:
        page.strata[at % LINK_STRATA_MAX].nk = nk_of(op);
        break;
    case 2:
        *(op[1] % 3 == 0 ? &page.nk_all : op[1] % 3 == 1 ? &page.nk_mirror : &page.nk_error) = nk_of(op);
        break;
    case 3: {
        uint64_t epoch = page.epoch;
        memset(&page, 0, sizeof(page));
        memset(r->order, 0, sizeof(r->order));
        page.epoch = epoch + 1 + (op[1] & 1);
        page.window = op[2];
        break;
    }
    case 4:
        if (!has_read)
            name(r, op);
        break;
    default: {
        uint64_t word;
        memcpy(&word, op, sizeof(word));
        r->lies = true;
        memcpy((char *)&page + (at * 8 + (size_t)op[3] * 65536 * 8) % (sizeof(page) & ~(size_t)7), &word, sizeof(word));
        break;
    }
    }
}

static void
check(struct run *r, bool is_last)
{
    struct evidence_reading a, b;
    if (!evidence_read(r->e, &page, &a)) {
        MUST(page.epoch & 1);
        return;
    }
    MUST(isfinite(a.log_m) && isfinite(a.log_mirror) && isfinite(a.log_error));
    MUST(isfinite(a.limit_m) && a.limit_m > 0);
    MUST(a.trips == (a.log_m >= a.limit_m || a.log_mirror >= a.limit_mirror || a.log_error >= a.limit_error));
    MUST(a.worst_cnt >= 1 && a.worst_cnt <= EVIDENCE_WORST_MAX);
    for (uint32_t i = 1; i < a.worst_cnt; i++)
        MUST(a.worst[i].log_e <= a.worst[i - 1].log_e);
    if (!is_last)
        return;
    uint32_t cnt = evidence_strata(r->e, list, LINK_STRATA_MAX);
    MUST(cnt == a.strata_cnt);
    for (uint32_t i = 0; i < cnt; i++)
        MUST(list[i].k <= list[i].n && !list[i].name[LINK_NAME_MAX - 1]);
    if (r->lies || r->knows)
        return;
    struct evidence *fresh = evidence_new(&evidence_settings_default);
    MUST(fresh && evidence_read(fresh, &page, &b));
    MUST(fabs(a.log_m - b.log_m) <= 1e-9 * (1 + fabs(b.log_m)) && a.strata_cnt == b.strata_cnt);
    evidence_free(fresh);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run r = {.e = evidence_new(&evidence_settings_default)};
    bool has_read = false;
    memset(&page, 0, sizeof(page));
    MUST(r.e);
    for (size_t at = 0; at + 8 <= size && at < OPS_MAX * 8; at += 8) {
        change(&r, data + at, has_read);
        if (data[at] % 6 == 4 && !has_read)
            continue;
        has_read = true;
        check(&r, at + 16 > size || at + 8 >= OPS_MAX * 8);
    }
    evidence_free(r.e);
    return 0;
}
