/* verbs: what `weirctl` can do. A verb is a function here and a row in the table of weirctl.c.
 *
 * A verb gets the arguments from its own name on (argv[0] is the verb, so getopt_long works as in main), and
 * returns what the command exits with. It prints results to stdout, everything else to stderr. */
#ifndef WEIR_CONTROL_VERBS_H
#define WEIR_CONTROL_VERBS_H

#include <cjson/cJSON.h>

/* Scripts depend on the numbers. */
enum verb_exit {
    VERB_DONE = 0,
    VERB_REFUSED = 1,    /* asked and answered: no. A rule with an error, a file that cannot be read */
    VERB_USAGE = 2,      /* the command line is wrong */
    VERB_UNREACHABLE = 3 /* the process that should do it does not answer */
};

int verb_scan(int argc, char **argv);
int verb_rules(int argc, char **argv);
int verb_preflight(int argc, char **argv);
int verb_push(int argc, char **argv);
int verb_status(int argc, char **argv);
int verb_gen(int argc, char **argv);
int verb_generation(int argc, char **argv); /* hold, resume, promote, quarantine, release: argv[0] says which */
int verb_rollback(int argc, char **argv);
int verb_prove(int argc, char **argv);
int verb_affected(int argc, char **argv);
int verb_trace(int argc, char **argv);
int verb_journal(int argc, char **argv);
int verb_announce(int argc, char **argv);
int verb_check(int argc, char **argv);

/* A line of JSON to stdout. `object` is taken. */
void verb_print_json(cJSON *object);

/* Says what is wrong with the command line and how the verb is used. Returns VERB_USAGE. */
int verb_usage_error(const char *verb, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints the verb's usage to stdout. Returns VERB_DONE. */
int verb_help(const char *verb);

#endif
