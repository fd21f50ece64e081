/* preflight_cache: what live says of the suffix probes, kept in a folder.
 *
 * That depends on live's image, the list of names, the probes' text and date, and the thresholds. A hash of all of
 * them is the file's name and stands in it; a file that is not exactly what it should be is as if it were not there.
 *
 * Limits:  PREFLIGHT_CACHE_FILES files are kept; the oldest go. 8 octets a probe, 1.6 MB a file.
 * Fails:   a cache is a help, never a condition. */
#ifndef WEIR_CONTROL_PREFLIGHT_CACHE_H
#define WEIR_CONTROL_PREFLIGHT_CACHE_H

#include "control/preflight_judge.h"
#include "control/preflight_suffix.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { PREFLIGHT_CACHE_FILES = 8 };

struct preflight_cache {
    const char *folder; /* NULL: there is none */
    const char *image;  /* live's */
    struct thresholds thresholds;
    const struct preflight_suffixes *suffixes;
    int64_t date;
};

/* False: the verdicts are not there. Cells get a verdict and a score, no rules. */
bool preflight_cache_read(const struct preflight_cache *c, struct preflight_cell *cells, uint32_t cnt);
void preflight_cache_write(const struct preflight_cache *c, const struct preflight_cell *cells, uint32_t cnt);

#ifdef __cplusplus
}
#endif
#endif
