/* settings: what weir-control takes from appliance.cfg: [control], [control.rollout], [control.preflight], and of the
 * data plane's part [link] socket and the thresholds of [verdict]. The rest of it is not looked at here.
 *
 * An INI file (libinih). Unknown sections [control*], unknown keys of [control*], keys given twice and values out
 * of range are errors with file and line, all of them told. Every key has a default for production; each is documented
 * in appliance.cfg. A demonstration sets dwell times of seconds. Values are one line of up to 198 octets.
 *
 * Threads: none kept. Fails: settings_read (-1, reasons in `errors`). */
#ifndef WEIR_CONTROL_SETTINGS_H
#define WEIR_CONTROL_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "control/evidence.h"
#include "control/preflight.h"

#ifdef __cplusplus
extern "C" {
#endif

struct settings {
    /* [control] */
    char socket[108];         /* /run/weir/control.sock */
    char state[256];          /* /var/lib/weir/control: journal, index, generations */
    char user[64];            /* dropped to after start; "": stays who it is */
    char read_group[64], push_group[64];
    char hooks[256];          /* folder of programs that get announcements; "": none */
    uint32_t clean_ms;        /* 1 h: an incident resolves by itself after so long without another trip */
    uint32_t generations_kept; /* 20: images and rule texts of older ones go, their journal stays */
    uint32_t poll_ms;         /* 10: evidence is read so often while a candidate is watched */
    uint32_t index_days;      /* 30: messages are kept in the index */

    /* [control.rollout]: what each stage wants before the next */
    uint32_t shadow_ms, canary_ms, probation_ms;                   /* 10 min, 30 min, 4 h: at least so long */
    uint32_t shadow_messages, canary_messages, probation_messages; /* units of ALL since the stage began: 1000, 1000, 5000 */
    uint32_t strata;               /* 3: sender suffixes with at least strata_units units, before CANARY */
    uint32_t strata_units;         /* 20 */
    uint32_t stage_max_ms;         /* 24 h: a stage that does not get its counts is HELD */
    uint32_t shadow_share_ppm;     /* 250000 */
    uint32_t canary_share_ppm;     /* 50000 */
    uint32_t reverse_share_ppm;    /* 20000 */
    uint32_t reverse_window_ms;    /* 1 h */
    uint32_t lease_ms;             /* 30 s */
    uint32_t budget_permille;      /* 250 */
    uint32_t defer_max, defer_tries; /* 50000, 2 */
    uint32_t slow_permille;        /* 3000 */
    uint32_t units_proven;         /* 20 */
    uint32_t reject_permille;      /* 100. Guard: newly rejected of all paired units, declared or not; 0: off */
    struct evidence_settings evidence; /* alpha, rho_all, rho_stratum, rho_mirror, rho_error */

    struct preflight_settings preflight;

    /* of the data plane's part */
    char link_socket[108]; /* "": the data plane opens none, and there is nobody to talk to */
    struct thresholds thresholds;
};

/* Reads the file at `path`; *s is filled in any case, with defaults for what was not right. */
int settings_read(struct settings *s, const char *path, FILE *errors);

/* The same from an open file; `name` stands for it in errors. */
int settings_read_stream(struct settings *s, const char *name, FILE *from, FILE *errors);

/* The effective settings as a file that reads back the same. */
void settings_print(const struct settings *s, FILE *to);

#ifdef __cplusplus
}
#endif
#endif
