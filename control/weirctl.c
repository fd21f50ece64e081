/* weirctl: the operator's command. It finds the verb and lets it run; verbs.h has the contract. */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "control/admin.h"
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
      "push [--stage S] [--force GATES] [--expect KIND[:NAME]=RATE]... [--comment TEXT] [--wait] [--json] PATH\n"
      "push --link SOCKET [--generation N] [--wait-ms N] [--json] [--signatures PATH]... [--jobs N] [--no-cache] PATH",
      "give rules, or a compiled image, to weir-control: proved, then SHADOW, CANARY, PROBATION, LIVE. --stage: no further by\n"
      "itself than that. --force: leaves out gates, of preflight,shadow,probation; it is journaled. --expect: new rejects that\n"
      "are meant to be, such as sender-suffix:example=30% or all=2%. rule:NAME=30%: what would be accepted without that rule's\n"
      "points speaks against it alone, once it refuses more than that. --wait: until it is live, held or back, with progress.\n"
      "--link: straight to the data plane, live at once: no stages, no proof" },
    { "status", verb_status,
      "status [--json]\n"
      "status --link SOCKET [--json]",
      "what is live, what is on its way and what speaks against it, the data plane, the journal, what the public is told.\n"
      "--link: what the data plane says of itself" },
    { "gen", verb_gen,
      "gen list [--limit N] [--json]\n"
      "gen show [--json] N\n"
      "gen report [--json] N",
      "generations: all, one with its history, pre-flight and evidence, or the whole report of its pre-flight" },
    { "hold", verb_generation, "hold [--comment TEXT] [--json] N", "keep a candidate where it is: a person decides" },
    { "resume", verb_generation, "resume [--comment TEXT] [--json] N", "let a held one go on" },
    { "promote", verb_generation, "promote [--comment TEXT] [--json] N", "the next stage at once" },
    { "rollback", verb_rollback, "rollback [--comment TEXT] [--json] [N]",
      "at once, without proof or approval: a candidate that decides already (CANARY on) is dropped, else what was live before\n"
      "comes back; or N does. What went is quarantined" },
    { "quarantine", verb_generation, "quarantine [--comment TEXT] [--json] N",
      "drop a candidate, or return from it; the same rules are refused until `release`" },
    { "release", verb_generation, "release [--comment TEXT] [--json] N", "let quarantined rules be pushed again" },
    { "prove", verb_prove, "prove [--json] [N]",
      "that the live generation, or N, works for every suffix: the probes of pre-flight and what mail says" },
    { "affected", verb_affected, "affected [--limit N] [--verdict refuse|defer] [--json] N",
      "which mail a generation refused or deferred, by customers' domains" },
    { "trace", verb_trace, "trace [--json] ID", "what became of a message: by Message-ID or ADDRESS:PORT of the client" },
    { "journal", verb_journal,
      "journal verify [--json] [FILE]\n"
      "journal tail [-n N] [--json] [FILE]",
      "whether the chain is whole, and its last records; of a FILE without weir-control" },
    { "announce", verb_announce,
      "announce add --expires TIME [--impact none|minor|major|critical] [--components mail,rules,scanner] [--json] TEXT\n"
      "announce end [--json] ID [TEXT]\n"
      "announce list [--json]",
      "tell the public; every announcement ends by itself (30min, 2h). end: an announcement, or an incident as resolved" },
    { "check", verb_check, "check [--print] [--json] [CONFIG]",
      "whether both processes would take this configuration (/etc/weir/appliance.cfg). --print: what is in effect" },
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
    fprintf(out, "verbs that ask weir-control take --socket PATH (" ADMIN_SOCKET ")\n");
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

void
verb_print_json(cJSON *object)
{
    char *text = cJSON_PrintUnformatted(object);
    if (text)
        puts(text);
    cJSON_free(text);
    cJSON_Delete(object);
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
        fprintf(stderr, "weirctl: there is no verb `%s`; weirctl --help lists them\n", argv[1]);
    else
        print_all(stderr);
    return VERB_USAGE;
}
