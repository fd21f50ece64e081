/* weirctl preflight: everything that can be proved about rules, here and now, without weir-control. */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/clock.h"
#include "control/preflight.h"
#include "control/preflight_child.h"
#include "control/rulescache.h"
#include "control/rulesfile.h"
#include "control/settings.h"
#include "control/verbs.h"

struct options {
    const char *path, *live, *config, *suffix_list;
    char ham[256], spam[256];
    int32_t threshold_milli; /* 0: not given */
    bool wants_json, is_proof, is_quiet;
    struct rulesfile_how how;
};

/* A compiled image in a file of its own, gone with us. */
struct image_file {
    char path[64];
    double seconds; /* to compile */
};

static bool
write_image(struct image_file *f, const void *octets, size_t len)
{
    snprintf(f->path, sizeof(f->path), "/tmp/weir-preflight-XXXXXX");
    int fd = mkstemp(f->path);
    FILE *out = fd < 0 ? NULL : fdopen(fd, "wb");
    bool ok = out && fwrite(octets, 1, len, out) == len;
    if (out)
        ok = fclose(out) == 0 && ok;
    if (!ok)
        perror("weirctl preflight: the image cannot be written");
    return ok;
}

static bool
compile(struct options *o, const char *path, struct image_file *f)
{
    void *image;
    size_t len;
    char *said;
    double begin = clock_seconds();
    int result = rulesfile_load_said(&o->how, path, &image, &len, &said);
    f->seconds = clock_seconds() - begin;
    if (said)
        fputs(said, stderr);
    free(said);
    bool ok = result == 0 && write_image(f, image, len);
    if (result == 0)
        free(image);
    return ok;
}

static void
drop(struct image_file *f)
{
    if (*f->path)
        unlink(f->path);
}

/* ---- the command line ---- */

static bool
parse_threshold(const char *text, int32_t *milli)
{
    char *end;
    double n = strtod(text, &end);
    if (*end || end == text || !(n > 0) || n > 100000)
        return false;
    *milli = (int32_t)(n * 1000 + 0.5);
    return *milli > 0;
}

static bool
copy(char *to, size_t size, const char *from)
{
    return (size_t)snprintf(to, size, "%s", from) < size;
}

static bool
take_option(struct options *o, int c)
{
    switch (c) {
    case 'l':
        return o->live = optarg, true;
    case 'c':
        return o->config = optarg, true;
    case 'H':
        return copy(o->ham, sizeof(o->ham), optarg);
    case 'S':
        return copy(o->spam, sizeof(o->spam), optarg);
    case 't':
        return parse_threshold(optarg, &o->threshold_milli);
    case 'p':
        return o->suffix_list = optarg, true;
    case 's':
        return o->is_proof = true;
    case 'j':
        return o->wants_json = true;
    case 'q':
        return o->is_quiet = true;
    default:
        return rulesfile_option(&o->how, c, optarg);
    }
}

static bool
parse_options(int argc, char **argv, struct options *o, bool *wants_help)
{
    static const struct option options[] = {{"live", required_argument, NULL, 'l'},
                                            {"config", required_argument, NULL, 'c'},
                                            {"ham", required_argument, NULL, 'H'},
                                            {"spam", required_argument, NULL, 'S'},
                                            {"threshold", required_argument, NULL, 't'},
                                            {"suffix-list", required_argument, NULL, 'p'},
                                            {"suffixes-only", no_argument, NULL, 's'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"quiet", no_argument, NULL, 'q'},
                                            {"help", no_argument, NULL, 'h'},
                                            RULESFILE_OPTIONS,
                                            {0}};
    *wants_help = false;
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (c == 'h')
            *wants_help = true;
        else if (!take_option(o, c))
            return false;
    }
    o->path = argv[optind];
    return *wants_help || argc - optind == 1;
}

/* ---- the verb ---- */

static int
print_report(const struct options *o, const cJSON *report)
{
    if (o->wants_json) {
        char *text = cJSON_PrintUnformatted(report);
        if (text)
            puts(text);
        cJSON_free(text);
    } else {
        preflight_print(report, stdout);
    }
    return cJSON_IsTrue(cJSON_GetObjectItem(report, "ok")) ? VERB_DONE : VERB_REFUSED;
}

static bool
read_settings(const struct options *o, struct settings *s)
{
    if (settings_read(s, o->config ? o->config : "/dev/null", stderr))
        return false;
    if (*o->ham)
        memcpy(s->preflight.ham, o->ham, sizeof(o->ham));
    if (*o->spam)
        memcpy(s->preflight.spam, o->spam, sizeof(o->spam));
    if (o->threshold_milli)
        s->thresholds.refuse_milli = o->threshold_milli;
    if (o->how.jobs)
        s->preflight.jobs = o->how.jobs;
    return true;
}

static int
run(struct options *o)
{
    static struct settings s;
    struct image_file candidate = {{0}, 0}, live = {{0}, 0};
    int result = VERB_REFUSED;
    if (read_settings(o, &s) && compile(o, o->path, &candidate) && (!o->live || compile(o, o->live, &live))) {
        char *cache = o->how.is_uncached ? NULL : rulescache_folder();
        struct preflight_job job = {.candidate_image = candidate.path,
                                    .live_image = o->live ? live.path : NULL,
                                    .rules = rulesfile_is_image(o->path) ? NULL : o->path,
                                    .live_rules = o->live && !rulesfile_is_image(o->live) ? o->live : NULL,
                                    .cache = cache,
                                    .suffix_list = o->suffix_list,
                                    .thresholds = s.thresholds,
                                    .suffixes_only = o->is_proof,
                                    .compile_seconds = candidate.seconds,
                                    .progress = !o->is_quiet && isatty(STDERR_FILENO) ? stderr : NULL};
        cJSON *report = preflight_run(&s.preflight, &job);
        if (report)
            result = print_report(o, report);
        cJSON_Delete(report);
        free(cache);
    }
    drop(&candidate);
    drop(&live);
    return result;
}

int
verb_preflight(int argc, char **argv)
{
    struct options o = {.config = NULL};
    bool wants_help;
    int result = VERB_DONE;
    if (!parse_options(argc, argv, &o, &wants_help))
        result = verb_usage_error("preflight", "an option or its value is wrong, or PATH is missing");
    else
        result = wants_help ? verb_help("preflight") : run(&o);
    rulesfile_how_free(&o.how);
    return result;
}
