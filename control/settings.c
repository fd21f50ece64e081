#include "control/settings.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/cfgfile.h"

enum value_type {
    VALUE_TEXT,     /* max: size of the field */
    VALUE_U32,      /* min..max, as the limits of all below */
    VALUE_MS,       /* "500", "500 ms", "5 s", "2 min", "1 h" */
    VALUE_SECONDS,  /* the same, kept in seconds */
    VALUE_PPM,      /* "0.01 %" */
    VALUE_PERMILLE, /* "125 %" */
    VALUE_CHANCE,   /* "1e-6" or "0.5 %", a double above 0; max in percent */
    VALUE_POINTS,   /* "5.0", kept in thousandths; "off" */
    VALUE_SWITCH    /* off, on */
};

struct key {
    const char *section, *name;
    enum value_type type;
    size_t offset;
    uint64_t min, max;
    const char *preset; /* parsed like a value from the file */
};

#define AT(field) offsetof(struct settings, field)
#define TEXT(section, name, field, preset)                                                         \
    { section, name, VALUE_TEXT, AT(field), 0, sizeof(((struct settings *)NULL)->field), preset }

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR };

/* clang-format off */
static const struct key keys[] = {
    TEXT("control", "socket", socket, "/run/weir/control.sock"),
    TEXT("control", "state", state, "/var/lib/weir/control"),
    TEXT("control", "user", user, ""),
    TEXT("control", "read_group", read_group, ""),
    TEXT("control", "push_group", push_group, ""),
    TEXT("control", "hooks", hooks, ""),
    { "control", "clean", VALUE_MS, AT(clean_ms), SECOND, 7 * DAY, "1 h" },
    { "control", "generations", VALUE_U32, AT(generations_kept), 3, 10000, "20" },
    { "control", "poll", VALUE_MS, AT(poll_ms), 1, 1000, "10 ms" },
    { "control", "index_days", VALUE_U32, AT(index_days), 1, 3650, "30" },

    { "control.rollout", "shadow", VALUE_MS, AT(shadow_ms), 0, 7 * DAY, "10 min" },
    { "control.rollout", "canary", VALUE_MS, AT(canary_ms), 0, 7 * DAY, "30 min" },
    { "control.rollout", "probation", VALUE_MS, AT(probation_ms), 0, 7 * DAY, "4 h" },
    { "control.rollout", "shadow_messages", VALUE_U32, AT(shadow_messages), 0, 1000000000, "1000" },
    { "control.rollout", "canary_messages", VALUE_U32, AT(canary_messages), 0, 1000000000, "1000" },
    { "control.rollout", "probation_messages", VALUE_U32, AT(probation_messages), 0, 1000000000, "5000" },
    { "control.rollout", "strata", VALUE_U32, AT(strata), 0, LINK_STRATA_MAX, "3" },
    { "control.rollout", "strata_units", VALUE_U32, AT(strata_units), 1, 1000000, "20" },
    { "control.rollout", "stage_max", VALUE_MS, AT(stage_max_ms), SECOND, 14 * DAY, "24 h" },
    { "control.rollout", "shadow_share", VALUE_PPM, AT(shadow_share_ppm), 1, 1000000, "25 %" },
    { "control.rollout", "canary_share", VALUE_PPM, AT(canary_share_ppm), 1, 1000000, "5 %" },
    { "control.rollout", "reverse_share", VALUE_PPM, AT(reverse_share_ppm), 0, 1000000, "2 %" },
    { "control.rollout", "reverse_window", VALUE_MS, AT(reverse_window_ms), SECOND, 7 * DAY, "1 h" },
    { "control.rollout", "lease", VALUE_MS, AT(lease_ms), 500, HOUR, "30 s" },
    { "control.rollout", "budget", VALUE_PERMILLE, AT(budget_permille), 1, 1000, "25 %" },
    { "control.rollout", "defer_max", VALUE_U32, AT(defer_max), 1, 1 << 24, "50000" },
    { "control.rollout", "defer_tries", VALUE_U32, AT(defer_tries), 1, 100, "2" },
    { "control.rollout", "slow", VALUE_PERMILLE, AT(slow_permille), 0, 100000, "300 %" },
    { "control.rollout", "units_proven", VALUE_U32, AT(units_proven), 0, 1000000, "20" },
    { "control.rollout", "reject", VALUE_PERMILLE, AT(reject_permille), 0, 1000, "10 %" },
    { "control.rollout", "alpha", VALUE_CHANCE, AT(evidence.alpha), 0, 10, "1e-6" },
    { "control.rollout", "rho_all", VALUE_CHANCE, AT(evidence.rho_all), 0, 90, "0.5 %" },
    { "control.rollout", "rho_stratum", VALUE_CHANCE, AT(evidence.rho_stratum), 0, 90, "1 %" },
    { "control.rollout", "rho_mirror", VALUE_CHANCE, AT(evidence.rho_mirror), 0, 90, "20 %" },
    { "control.rollout", "rho_error", VALUE_CHANCE, AT(evidence.rho_error), 0, 90, "0.01 %" },

    TEXT("control.preflight", "ham", preflight.ham, ""),
    TEXT("control.preflight", "spam", preflight.spam, ""),
    { "control.preflight", "jobs", VALUE_U32, AT(preflight.jobs), 0, 1024, "0" },
    { "control.preflight", "ham_rejects", VALUE_PPM, AT(preflight.ham_rejects_ppm), 0, 1000000, "0.01 %" },
    { "control.preflight", "spam_lost", VALUE_PPM, AT(preflight.spam_lost_ppm), 0, 1000000, "1 %" },
    { "control.preflight", "cost", VALUE_PERMILLE, AT(preflight.cost_permille), 100, 100000, "125 %" },
    { "control.preflight", "image_mib", VALUE_U32, AT(preflight.image_mib), 1, 1 << 20, "256" },
    { "control.preflight", "memory_mib", VALUE_U32, AT(preflight.memory_mib), 1, 1 << 20, "1024" },
    { "control.preflight", "compile", VALUE_SECONDS, AT(preflight.compile_s), SECOND, DAY, "600 s" },
    { "control.preflight", "shifts", VALUE_SWITCH, AT(preflight.shifts), 0, 0, "on" },

    /* Of the data plane, with its defaults. */
    TEXT("link", "socket", link_socket, ""),
    { "verdict", "tag", VALUE_POINTS, AT(thresholds.tag_milli), 0, 0, "off" },
    { "verdict", "defer", VALUE_POINTS, AT(thresholds.defer_milli), 0, 0, "off" },
    { "verdict", "refuse", VALUE_POINTS, AT(thresholds.refuse_milli), 0, 0, "5.0" },
    { "verdict", "drop", VALUE_POINTS, AT(thresholds.drop_milli), 0, 0, "off" },
};
/* clang-format on */

enum { KEYS_CNT = sizeof(keys) / sizeof(*keys) };

/* One reading of one file. */
struct reader {
    struct settings *s;
    struct cfgfile file;
    bool is_ours; /* the section is [control*] */
    bool is_seen[KEYS_CNT];
};

/* ---- values: each returns whether it took the text ---- */

static bool
read_whole(const struct key *k, const char *text, uint32_t *to)
{
    uint64_t n;
    const char *rest;
    if (!cfgfile_number(text, &n, &rest) || *rest || n < k->min || n > k->max)
        return false;
    *to = (uint32_t)n;
    return true;
}

static bool
read_time(const struct key *k, const char *text, uint32_t *to)
{
    uint64_t ms;
    if (!cfgfile_time(text, &ms) || ms < k->min || ms > k->max || (k->type == VALUE_SECONDS && ms % SECOND != 0))
        return false;
    *to = (uint32_t)(k->type == VALUE_SECONDS ? ms / SECOND : ms);
    return true;
}

/* "12.5" with at most `decimals`, as 12.5 * 10^decimals; *rest is what follows. */
static bool
read_decimal(const char *text, unsigned decimals, uint64_t *n, const char **rest)
{
    if (!isdigit((unsigned char)*text))
        return false;
    unsigned left = decimals;
    bool is_part = false;
    for (*n = 0;; text++) {
        if (*text == '.' && !is_part) {
            is_part = true;
        } else if (isdigit((unsigned char)*text) && *n < UINT64_C(1000000000000)) {
            if (is_part && left-- == 0)
                return false;
            *n = *n * 10 + (uint64_t)(*text - '0');
        } else {
            break;
        }
    }
    for (; left > 0; left--)
        *n *= 10;
    *rest = text + strspn(text, " \t");
    return true;
}

static bool
read_share(const struct key *k, const char *text, uint32_t *to)
{
    uint64_t n;
    const char *rest;
    if (!read_decimal(text, k->type == VALUE_PPM ? 4 : 1, &n, &rest) || strcmp(rest, "%") != 0 || n < k->min
        || n > k->max)
        return false;
    *to = (uint32_t)n;
    return true;
}

static bool
read_chance(const struct key *k, const char *text, double *to)
{
    if (!isdigit((unsigned char)*text) || text[strspn(text, "0123456789.eE+- \t%")])
        return false;
    char *end;
    double x = strtod(text, &end);
    end += strspn(end, " \t");
    if (strcmp(end, "%") == 0)
        x /= 100;
    else if (*end)
        return false;
    if (!(x >= 1e-100 && x <= (double)k->max / 100))
        return false;
    *to = x;
    return true;
}

/* As the data plane reads them (appliance.cfg). */
static bool
read_points(const char *text, int32_t *milli)
{
    bool is_negative = *text == '-';
    uint64_t n;
    const char *rest;
    if (strcmp(text, "off") == 0) {
        *milli = INT32_MAX;
        return true;
    }
    if (!read_decimal(text + is_negative, 3, &n, &rest) || *rest || n > 1000000000)
        return false;
    *milli = is_negative ? -(int32_t)n : (int32_t)n;
    return true;
}

static bool
read_text(const struct key *k, const char *text, char *to)
{
    size_t len = strlen(text);
    if (len >= k->max || *text == ';') /* "key =;x": inih takes it, and not when it is printed "key = ;x" */
        return false;
    for (size_t i = 0; i < len; i++) {
        if (iscntrl((unsigned char)text[i]))
            return false;
    }
    memset(to, 0, k->max);
    memcpy(to, text, len);
    return true;
}

static bool
read_value(struct settings *s, const struct key *k, const char *text)
{
    void *at = (char *)s + k->offset;
    switch (k->type) {
    case VALUE_TEXT:
        return read_text(k, text, at);
    case VALUE_U32:
        return read_whole(k, text, at);
    case VALUE_MS:
    case VALUE_SECONDS:
        return read_time(k, text, at);
    case VALUE_PPM:
    case VALUE_PERMILLE:
        return read_share(k, text, at);
    case VALUE_CHANCE:
        return read_chance(k, text, at);
    case VALUE_POINTS:
        return read_points(text, at);
    case VALUE_SWITCH:
        if (strcmp(text, "on") != 0 && strcmp(text, "off") != 0)
            return false;
        *(uint32_t *)at = text[1] == 'n';
        return true;
    }
    return false;
}

/* Says what would have been right. */
static void
complain_value(struct reader *r, const struct key *k, const char *value)
{
    char want[128] = "";
    double scale = k->type == VALUE_PPM ? 1e4 : 10;
    switch (k->type) {
    case VALUE_TEXT:
        snprintf(want, sizeof(want), "up to %" PRIu64 " octets, no control characters, no ; at its beginning", k->max - 1);
        break;
    case VALUE_U32:
        snprintf(want, sizeof(want), "a whole number from %" PRIu64 " to %" PRIu64, k->min, k->max);
        break;
    case VALUE_MS:
    case VALUE_SECONDS:
        snprintf(want, sizeof(want), "a time such as 500 ms or 10 min, from %" PRIu64 " to %" PRIu64 " ms%s",
                 k->min, k->max, k->type == VALUE_SECONDS ? ", whole seconds" : "");
        break;
    case VALUE_PPM:
    case VALUE_PERMILLE:
        snprintf(want, sizeof(want), "a share such as 12.5 %%, from %g %% to %g %%, at most %d decimals",
                 (double)k->min / scale, (double)k->max / scale, k->type == VALUE_PPM ? 4 : 1);
        break;
    case VALUE_CHANCE:
        snprintf(want, sizeof(want), "a chance such as 1e-6 or 0.5 %%, above 0 and at most %" PRIu64 " %%", k->max);
        break;
    case VALUE_POINTS:
        snprintf(want, sizeof(want), "points such as 5.0 (at most 1000000, three decimals), or off");
        break;
    case VALUE_SWITCH:
        snprintf(want, sizeof(want), "on or off");
        break;
    }
    cfgfile_complain(&r->file, "`%s`: wants %s, not `%s`", k->name, want, value);
}

/* ---- the file ---- */

/* inih's handler. 1: taken; errors are ours to report, so always 1. */
static int
take(void *user, const char *section, const char *name, const char *value)
{
    struct reader *r = user;
    for (size_t i = 0; i < KEYS_CNT; i++) {
        const struct key *k = &keys[i];
        if (strcmp(k->section, section) != 0 || strcmp(k->name, name) != 0)
            continue;
        if (r->file.is_continuation)
            cfgfile_complain(&r->file, "`%s`: wants its value on one line", name);
        else if (r->is_seen[i])
            cfgfile_complain(&r->file, "`%s` is given twice in [%s]", name, section);
        else if (!read_value(r->s, k, value))
            complain_value(r, k, value);
        r->is_seen[i] = true;
        return 1;
    }
    if (r->is_ours)
        cfgfile_complain(&r->file, "[%s] has no key `%s`", section, name);
    return 1;
}

static void
enter_section(struct reader *r, const char *line)
{
    char name[CFGFILE_SECTION_MAX];
    r->is_ours = false;
    if (!cfgfile_section(&r->file, line, name))
        return;
    r->is_ours = cfgfile_is_control(name);
    for (size_t i = 0; i < KEYS_CNT; i++) {
        if (strcmp(keys[i].section, name) == 0)
            return;
    }
    if (r->is_ours)
        cfgfile_complain(&r->file, "there is no section [%s]", name);
}

/* inih's reader. */
static char *
next_line(char *text, int size, void *stream)
{
    struct reader *r = stream;
    struct cfgfile_line l;
    if (!cfgfile_next(&r->file, text, size, &l))
        return NULL;
    const char *at = cfgfile_skip(text);
    if (*at == '[')
        enter_section(r, at);
    bool is_comment = *at == ';' || *at == '#';
    if (l.has_nul)
        cfgfile_complain(&r->file, "a NUL in the file");
    else if (l.is_long && r->is_ours && !is_comment)
        cfgfile_complain(&r->file, "a line longer than %d octets", size - 2);
    return text;
}

static void
set_presets(struct settings *s)
{
    memset(s, 0, sizeof(*s));
    for (size_t i = 0; i < KEYS_CNT; i++)
        read_value(s, &keys[i], keys[i].preset);
}

/* What no single line can say. */
static void
check_whole(struct reader *r)
{
    const struct settings *s = r->s;
    if (!*s->socket || !*s->state)
        cfgfile_complain(&r->file, "[control] wants a `%s`", *s->socket ? "state" : "socket");
    if (*s->socket && strcmp(s->socket, s->link_socket) == 0)
        cfgfile_complain(&r->file, "[control] and [link] have the same `socket`");
    if (s->shadow_ms > s->stage_max_ms || s->canary_ms > s->stage_max_ms || s->probation_ms > s->stage_max_ms)
        cfgfile_complain(&r->file, "[control.rollout] `stage_max` is less than a stage lasts");
    if (s->lease_ms < 4 * s->poll_ms)
        cfgfile_complain(&r->file, "[control.rollout] `lease` is less than four times [control] `poll`");
}

int
settings_read_stream(struct settings *s, const char *name, FILE *from, FILE *errors)
{
    struct reader r = {.s = s, .file = {.name = name, .from = from, .errors = errors}};
    set_presets(s);
    cfgfile_parse(&r.file, next_line, take, &r);
    check_whole(&r);
    return r.file.error_cnt ? -1 : 0;
}

int
settings_read(struct settings *s, const char *path, FILE *errors)
{
    FILE *from = cfgfile_open(path, errors);
    if (!from) {
        set_presets(s);
        return -1;
    }
    int ret = settings_read_stream(s, path, from, errors);
    fclose(from);
    return ret;
}

/* ---- printing ---- */

/* The shortest text that reads back as x. */
static void
print_chance(double x, FILE *to)
{
    char text[32];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, x);
        if (strtod(text, NULL) == x)
            break;
    }
    fputs(text, to);
}

static void
print_value(const struct settings *s, const struct key *k, FILE *to)
{
    const void *at = (const char *)s + k->offset;
    uint32_t n;
    int32_t milli;
    memcpy(&n, at, sizeof(n));
    memcpy(&milli, at, sizeof(milli));
    switch (k->type) {
    case VALUE_TEXT:
        fputs(at, to);
        break;
    case VALUE_U32:
        fprintf(to, "%u", n);
        break;
    case VALUE_MS:
        fprintf(to, "%u ms", n);
        break;
    case VALUE_SECONDS:
        fprintf(to, "%u s", n);
        break;
    case VALUE_PPM:
        fprintf(to, "%u.%04u %%", n / 10000, n % 10000);
        break;
    case VALUE_PERMILLE:
        fprintf(to, "%u.%u %%", n / 10, n % 10);
        break;
    case VALUE_CHANCE:
        print_chance(*(const double *)at, to);
        break;
    case VALUE_POINTS:
        if (milli == INT32_MAX)
            fputs("off", to);
        else
            fprintf(to, "%s%d.%03d", milli < 0 ? "-" : "", abs(milli) / 1000, abs(milli) % 1000);
        break;
    case VALUE_SWITCH:
        fputs(n ? "on" : "off", to);
        break;
    }
}

void
settings_print(const struct settings *s, FILE *to)
{
    const char *section = "";
    for (size_t i = 0; i < KEYS_CNT; i++) {
        if (strcmp(section, keys[i].section) != 0)
            fprintf(to, "%s[%s]\n", *section ? "\n" : "", keys[i].section);
        section = keys[i].section;
        fprintf(to, "%s = ", keys[i].name);
        print_value(s, &keys[i], to);
        fputc('\n', to);
    }
}
