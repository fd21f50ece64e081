/* weirctl: the operator's command. It finds the verb and lets it run; verbs.h has the contract. */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "control/verbs.h"

static const struct verb {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *usage; /* after "weirctl "; several lines are several forms */
    const char *what;  /* lines */
} verbs[] = {
    { "scan", verb_scan,
      "scan [--rules PATH]... [--signatures PATH]... [--json] [--explain] [--all-rules] [--stats] [--threshold N] "
      "[--mail-from A] [--rcpt-to B]... [--client IP [--helo NAME]] [--jobs N] [--no-cache] FILE or FOLDER or - ...",
      "judge messages in files as the appliance would\n"
      "--explain tells for each rule where it looked, which octets matched and who confirmed it; --all-rules adds\n"
      "sub-rules (__X). The threshold is --threshold, else the rules' required_score, else 5" },
    { "rules", verb_rules,
      "rules lint [--json] [--dear N] [--signatures PATH]... [--jobs N] [--no-cache] PATH\n"
      "rules compile [--json] [--keep-unused] [--signatures PATH]... [--jobs N] [--no-cache] PATH -o IMAGE\n"
      "rules diff [--json] [--corpus FOLDER] [--signatures PATH]... [--jobs N] [--no-cache] PATH PATH",
      "check rules and tell what they cost (--dear: the N dearest), compile them to an image, or tell what differs\n"
      "between two sets. Signatures (.hdb .hsb .fp .sfp .ndb) of a rules folder are read with it. What was compiled\n"
      "is kept in $WEIR_CACHE, else $XDG_CACHE_HOME/weir, else ~/.cache/weir" },
    { "preflight", verb_preflight,
      "preflight [--live PATH] [--config FILE] [--ham PATH] [--spam PATH] [--threshold N] [--suffixes-only] [--json]\n"
      "          [--quiet] [--suffix-list FILE] [--signatures PATH]... [--jobs N] [--no-cache] PATH",
      "prove what can be proved about rules, or a compiled image, before they see a mail, beside those that are live:\n"
      "lint, limits, loading, built-in mails, time, every public suffix in every place, ham and spam, shifted clocks" },
    { "push", verb_push,
      "push [--socket PATH] [--generation N] [--wait-ms N] [--json] [--signatures PATH]... [--jobs N] [--no-cache] PATH",
      "make rules, or a compiled image, the live ones" },
    { "status", verb_status,
      "status [--socket PATH] [--json]",
      "live generation, connections, messages and frames of the data plane" },
};

enum { VERBS_CNT = sizeof(verbs) / sizeof(*verbs) };

static void
print_lines(FILE *out, const char *before, const char *lines)
{
    for (const char *line = lines; *line;) {
        int len = (int)strcspn(line, "\n");
        fprintf(out, "%s%.*s\n", before, len, line);
        line += len;
        line += *line == '\n';
    }
}

static void
print_usage(FILE *out, const struct verb *v)
{
    print_lines(out, "  weirctl ", v->usage);
    print_lines(out, "      ", v->what);
}

static void
print_all(FILE *out)
{
    fprintf(out, "usage:\n");
    for (size_t i = 0; i < VERBS_CNT; i++)
        print_usage(out, &verbs[i]);
    fprintf(out, "exit codes: 0 done, 1 refused, 2 usage, 3 cannot reach the process\n");
}

static const struct verb *
find(const char *name)
{
    for (size_t i = 0; i < VERBS_CNT; i++) {
        if (!strcmp(verbs[i].name, name))
            return &verbs[i];
    }
    return NULL;
}

int
verb_usage_error(const char *verb, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "weirctl %s: ", verb);
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
    if (find(verb))
        print_usage(stderr, find(verb));
    return VERB_USAGE;
}

int
verb_help(const char *verb)
{
    print_usage(stdout, find(verb));
    return VERB_DONE;
}

int
main(int argc, char **argv)
{
    if (argc >= 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))) {
        print_all(stdout);
        return VERB_DONE;
    }
    const struct verb *v = argc >= 2 ? find(argv[1]) : NULL;
    if (v)
        return v->run(argc - 1, argv + 1);
    if (argc >= 2)
        fprintf(stderr, "weirctl: there is no verb `%s`\n", argv[1]);
    print_all(stderr);
    return VERB_USAGE;
}
