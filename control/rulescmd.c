/* weirctl rules: lint, compile and diff. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/rulesfile.h"
#include "control/rulesprice.h"
#include "control/rulesview.h"
#include "control/verbs.h"
#include "scan/image.h"
#include "scan/ruleset.h"

struct options {
    bool wants_json;
    bool wants_help;
    const char *output;
    const char *corpus;
    const char *path;
    const char *other; /* diff has two */
    struct rulesfile_how how;
    unsigned dear_cnt; /* lint: how many of the dearest are shown */
};

enum { DEAR_CNT = 15 };

static cJSON *
signatures_json(const struct rulesfile_signatures *s)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, "hashes", (double)s->hashes);
    cJSON_AddNumberToObject(object, "patterns", (double)s->patterns);
    cJSON_AddNumberToObject(object, "refused", (double)s->refused);
    cJSON_AddNumberToObject(object, "skipped", (double)s->skipped);
    return object;
}

static void
print_signatures(const struct rulesfile_signatures *s)
{
    if (s->hashes || s->patterns || s->refused || s->skipped)
        printf("signatures: %zu hashes, %zu patterns; %zu refused, %zu for other engines\n", s->hashes, s->patterns,
               s->refused, s->skipped);
}

static cJSON *
result_json(const struct options *o, const struct rule_list *l, const struct prices *prices)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "path", o->path);
    cJSON_AddNumberToObject(object, "rules", rule_list_cnt(l));
    cJSON_AddNumberToObject(object, "errors", rule_list_errors(l));
    cJSON_AddNumberToObject(object, "warnings", rule_list_warnings(l));
    cJSON_AddItemToObject(object, "diagnostics", rulesfile_diagnostics_json(rule_list_diagnostics(l)));
    cJSON_AddItemToObject(object, "signatures", signatures_json(&o->how.found));
    rulesview_json(object, l, prices);
    return object;
}

static int
lint(struct options *o)
{
    struct rule_list *l = rule_list_new();
    struct prices prices = { 0 };
    void *image = NULL;
    size_t len;
    o->how.price = prices_add;
    o->how.price_owner = &prices;
    int result = rulesfile_compile(&o->how, l, &o->path, 1, &image, &len);
    prices_sort(&prices);
    if (o->wants_json) {
        verb_print_json(result_json(o, l, &prices));
    } else {
        fputs(rule_list_diagnostics(l), stdout);
        rulesview_print(stdout, l);
        prices_print(stdout, &prices, o->dear_cnt);
        print_signatures(&o->how.found);
        printf("%s: %u rules, %u errors, %u warnings\n", o->path, rule_list_cnt(l), rule_list_errors(l),
               rule_list_warnings(l));
    }
    prices_free(&prices);
    rule_list_free(l);
    if (result)
        return VERB_REFUSED;
    free(image);
    return VERB_DONE;
}

/* Written beside and renamed: nobody ever reads half an image. */
static int
write_file(const char *path, const void *octets, size_t len)
{
    char *part = NULL;
    if (asprintf(&part, "%s.part", path) < 0)
        abort();
    FILE *f = fopen(part, "wbe");
    bool is_good = f && fwrite(octets, 1, len, f) == len && fflush(f) == 0 && fsync(fileno(f)) == 0;
    int error = errno;
    if (f && fclose(f) && is_good) {
        is_good = false;
        error = errno;
    }
    if (is_good && rename(part, path)) {
        is_good = false;
        error = errno;
    }
    if (!is_good) {
        fprintf(stderr, "%s: error: cannot be written: %s\n", path, strerror(error));
        unlink(part);
    }
    free(part);
    return is_good ? 0 : -1;
}

/* Loads it once, as the data plane will, and tells what it is. */
static int
report(const struct options *o, const struct rule_list *l, const void *image, size_t len)
{
    char err[256];
    struct ruleset *rs = ruleset_load(image, len, 0, 1, err, sizeof(err));
    if (!rs) {
        fprintf(stderr, "%s: error: %s\n", o->output, err);
        return VERB_REFUSED;
    }
    if (o->wants_json) {
        cJSON *object = result_json(o, l, NULL);
        cJSON_AddStringToObject(object, "image", o->output);
        cJSON_AddNumberToObject(object, "octets", (double)len);
        cJSON_AddStringToObject(object, "digest", ruleset_digest(rs));
        verb_print_json(object);
    } else {
        printf("%s: %u rules, %zu octets, sha256 %s\n", o->output, rule_list_cnt(l), len,
               ruleset_digest(rs));
    }
    ruleset_free(rs);
    return VERB_DONE;
}

static int
compile(struct options *o)
{
    struct rule_list *l = rule_list_new();
    void *image = NULL;
    size_t len;
    int result = rulesfile_compile(&o->how, l, &o->path, 1, &image, &len) ? VERB_REFUSED : VERB_DONE;
    fputs(rule_list_diagnostics(l), stderr);
    if (result == VERB_DONE && write_file(o->output, image, len))
        result = VERB_REFUSED;
    if (result == VERB_DONE)
        result = report(o, l, image, len);
    else if (o->wants_json)
        verb_print_json(result_json(o, l, NULL));
    rule_list_free(l);
    free(image);
    return result;
}

static bool
parse_count(const char *text, unsigned *cnt)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    *cnt = (unsigned)n;
    return *text >= '0' && *text <= '9' && !*end && n <= UINT_MAX;
}

static bool
parse_options(int argc, char **argv, struct options *o)
{
    static const struct option options[] = {
        { "json", no_argument, NULL, 'j' },
        { "output", required_argument, NULL, 'o' },
        { "keep-unused", no_argument, NULL, 'k' },
        { "corpus", required_argument, NULL, 'c' },
        { "dear", required_argument, NULL, 'd' },
        RULESFILE_OPTIONS,
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    *o = (struct options){ .dear_cnt = DEAR_CNT };
    for (int c; (c = getopt_long(argc, argv, "o:h", options, NULL)) != -1;) {
        if (c == 'j')
            o->wants_json = true;
        else if (c == 'o')
            o->output = optarg;
        else if (c == 'c')
            o->corpus = optarg;
        else if (c == 'k')
            o->how.keeps_unused = true;
        else if (c == 'h')
            o->wants_help = true;
        else if (c == 'd' ? !parse_count(optarg, &o->dear_cnt) : !rulesfile_option(&o->how, c, optarg))
            return false;
    }
    if (optind < argc)
        o->path = argv[optind++];
    if (optind < argc)
        o->other = argv[optind++];
    return optind == argc;
}

static int
run(const char *what, struct options *o)
{
    bool is_lint = !strcmp(what, "lint"), is_diff = !strcmp(what, "diff");
    if (!o->path || (is_diff && !o->other))
        return verb_usage_error("rules", "%s needs %s", what, is_diff ? "two PATHs" : "a PATH");
    if ((o->other || o->corpus) && !is_diff)
        return verb_usage_error("rules", "wrong arguments for %s", what);
    if (o->output && (is_lint || is_diff))
        return verb_usage_error("rules", "%s writes no file", what);
    if (o->how.keeps_unused && (is_lint || is_diff))
        return verb_usage_error("rules", "only compile keeps unused rules");
    if (o->dear_cnt != DEAR_CNT && !is_lint)
        return verb_usage_error("rules", "--dear is for lint");
    if (is_diff)
        return rulesview_diff(&o->how, o->path, o->other, o->corpus, o->wants_json);
    if (is_lint)
        return lint(o);
    return o->output ? compile(o) : verb_usage_error("rules", "compile needs -o IMAGE");
}

int
verb_rules(int argc, char **argv)
{
    const char *what = argc >= 2 ? argv[1] : "";
    struct options o;
    if (!strcmp(what, "--help") || !strcmp(what, "-h"))
        return verb_help("rules");
    if (strcmp(what, "lint") && strcmp(what, "compile") && strcmp(what, "diff"))
        return verb_usage_error("rules", "lint, compile or diff is expected");
    if (!parse_options(argc - 1, argv + 1, &o))
        return verb_usage_error("rules", "wrong arguments for %s", what);
    int result = o.wants_help ? verb_help("rules") : run(what, &o);
    rulesfile_how_free(&o.how);
    return result;
}
