/* weirctl scan: messages from files, judged by the same library as in the wire.
 *
 * Each worker (--jobs) has a scanner of its own, takes the next mail of the source under a lock, and puts what there
 * is to print into its place of a ring, from which the lines leave in the order of the mails. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/clock.h"
#include "control/mailsource.h"
#include "control/rulesfile.h"
#include "control/scanprint.h"
#include "control/verbs.h"
#include "scan/message.h"

enum {
    JOBS_MAX = SCANNER_THREADS_MAX,
    RING_MAX = 1024,        /* results that may wait for an earlier mail */
    PROGRESS_AFTER_MS = 1000,
    PROGRESS_EVERY_MS = 200
};

struct options {
    const char **rules;
    unsigned rules_cnt;
    struct scan_print print;
    bool wants_explain, wants_stats, wants_help;
    const char *mail_from; /* NULL: no envelope was given */
    const char **rcpt_to;
    unsigned rcpt_cnt;
    const char *client; /* NULL: not given */
    const char *helo;
    int32_t threshold_milli; /* 0: not given */
    struct rulesfile_how how; /* its jobs are the scan's, too */
    unsigned jobs;
};

/* What is printed for one mail. */
struct result {
    bool is_there;
    char *text;
    size_t text_len;
    char *error;
    uint64_t octets;
};

/* Results on their way out, in order. */
struct output {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    uint64_t next; /* mail to be printed */
    struct result ring[RING_MAX];
    bool failed; /* a file could not be read */
    uint64_t mails, octets;
    uint64_t begin_ms, begin_cpu_ms, progress_ms;
    bool is_terminal; /* stderr */
    bool is_shown;    /* progress, on the last line of the terminal */
};

struct scan {
    const struct options *o;
    struct ruleset *rules;
    struct mailsource *source;
    pthread_mutex_t source_lock;
    struct output output;
};

struct worker {
    struct scan *scan;
    pthread_t thread;
    struct scanner scanner;
    struct explanation explanation;
};

static struct span
span_of(const char *text)
{
    return (struct span){ (const uint8_t *)text, strlen(text) };
}

/* ---- output, in order ---- */

static void
hide_progress(struct output *o)
{
    if (o->is_shown)
        fprintf(stderr, "\r\033[K");
    o->is_shown = false;
}

static void
show_progress(struct output *o)
{
    uint64_t now_ms = clock_ms(CLOCK_MONOTONIC);
    uint64_t since_ms = now_ms - o->begin_ms;
    if (!o->is_terminal || since_ms < PROGRESS_AFTER_MS || now_ms - o->progress_ms < PROGRESS_EVERY_MS)
        return;
    o->progress_ms = now_ms;
    o->is_shown = true;
    fprintf(stderr, "\r\033[K%lu messages, %.1f MB, %.0f messages/s", (unsigned long)o->mails, (double)o->octets / 1e6,
            1000.0 * (double)o->mails / (double)since_ms);
}

static void
print_result(struct output *o, struct result *r)
{
    if (r->error || r->text_len)
        hide_progress(o);
    if (r->error) {
        fflush(stdout);
        fprintf(stderr, "%s", r->error);
        o->failed = true;
    } else {
        fwrite(r->text, 1, r->text_len, stdout);
        if (o->is_terminal)
            fflush(stdout);
        o->mails++;
        o->octets += r->octets;
    }
    free(r->text);
    free(r->error);
    *r = (struct result){ 0 };
    show_progress(o);
}

/* The mail that is next never waits, so nobody waits for ever. */
static void
deliver(struct output *o, uint64_t number, struct result *r)
{
    pthread_mutex_lock(&o->lock);
    while (number >= o->next + RING_MAX)
        pthread_cond_wait(&o->moved, &o->lock);
    o->ring[number % RING_MAX] = *r;
    for (; o->ring[o->next % RING_MAX].is_there; o->next++)
        print_result(o, &o->ring[o->next % RING_MAX]);
    pthread_cond_broadcast(&o->moved);
    pthread_mutex_unlock(&o->lock);
}

static void
print_stats(struct output *o)
{
    uint64_t ms = clock_ms(CLOCK_MONOTONIC) - o->begin_ms;
    uint64_t cpu_ms = clock_ms(CLOCK_PROCESS_CPUTIME_ID) - o->begin_cpu_ms;
    double s = ms ? (double)ms / 1000 : 0.001;
    hide_progress(o);
    fflush(stdout);
    fprintf(stderr, "%lu messages, %.1f MB in %.2f s (%.2f s of CPU): %.0f messages/s, %.1f MB/s\n",
            (unsigned long)o->mails, (double)o->octets / 1e6, s, (double)cpu_ms / 1000, (double)o->mails / s, (double)o->octets / 1e6 / s);
}

/* ---- one mail ---- */

static void
feed(void *to, const uint8_t *octets, size_t len)
{
    message_feed(to, octets, len);
}

static char *
complaint(const struct mail *mail)
{
    char *text = NULL;
    if (asprintf(&text, "%s: error: %s\n", mail->name, mail->error) < 0)
        abort();
    return text;
}

static void
judge(struct worker *w, struct mail *mail, struct result *r)
{
    const struct options *o = w->scan->o;
    struct message *m = message_new(&w->scanner);
    if (!m)
        abort(); /* one message at a time: it can only be the memory */
    if (o->mail_from)
        message_mail(m, span_of(o->mail_from));
    for (unsigned i = 0; i < o->rcpt_cnt; i++)
        message_rcpt(m, span_of(o->rcpt_to[i]));
    if (o->client)
        message_client(m, span_of(o->client), span_of(o->helo ? o->helo : ""));
    explanation_clear(&w->explanation);
    if (mail_read(mail, feed, m)) {
        const struct judgement *j = message_end(m);
        FILE *out = open_memstream(&r->text, &r->text_len);
        if (!out)
            abort();
        scan_print(out, &o->print, mail->name, m, j, o->wants_explain ? &w->explanation : NULL);
        fclose(out);
        r->octets = j->octets;
    }
    message_free(m);
}

static bool
take(struct scan *s, struct mail *mail)
{
    pthread_mutex_lock(&s->source_lock);
    bool is_one = mailsource_next(s->source, mail);
    pthread_mutex_unlock(&s->source_lock);
    return is_one;
}

static void *
work(void *arg)
{
    struct worker *w = arg;
    for (struct mail mail; take(w->scan, &mail);) {
        struct result r = { .is_there = true };
        if (!mail.error)
            judge(w, &mail, &r);
        if (mail.error)
            r.error = complaint(&mail);
        deliver(&w->scan->output, mail.number, &r);
        mail_free(&mail);
    }
    return NULL;
}

/* ---- workers ---- */

static int
init_worker(struct worker *w, struct scan *s, unsigned idx)
{
    w->scan = s;
    explanation_init(&w->explanation);
    if (scanner_init(&w->scanner, idx, 1))
        return -1;
    w->scanner.live = s->rules;
    if (s->o->wants_explain)
        w->scanner.explain = &w->explanation.hook;
    /* What was asked for; else what the rules say; else what scanner_init says. */
    int32_t required_milli;
    if (s->o->threshold_milli)
        w->scanner.thresholds.refuse_milli = s->o->threshold_milli;
    else if (s->rules && ruleset_required_score_milli(s->rules, &required_milli))
        w->scanner.thresholds.refuse_milli = required_milli;
    return 0;
}

/* The first worker is this thread. */
static void
run_workers(struct worker *workers, unsigned cnt)
{
    unsigned started = 1;
    while (started < cnt && pthread_create(&workers[started].thread, NULL, work, &workers[started]) == 0)
        started++;
    work(&workers[0]);
    for (unsigned i = 1; i < started; i++)
        pthread_join(workers[i].thread, NULL);
}

static int
scan_all(struct scan *s)
{
    struct worker *workers = calloc(s->o->jobs, sizeof(*workers));
    int result = workers ? 0 : -1;
    for (unsigned i = 0; result == 0 && i < s->o->jobs; i++)
        result = init_worker(&workers[i], s, i);
    if (result == 0)
        run_workers(workers, s->o->jobs);
    else
        fprintf(stderr, "weirctl scan: out of memory\n");
    for (unsigned i = 0; workers && i < s->o->jobs; i++) {
        scanner_fini(&workers[i].scanner);
        explanation_fini(&workers[i].explanation);
    }
    free(workers);
    return result;
}

static struct ruleset *
load_rules(struct options *o)
{
    void *image;
    size_t len;
    char err[256];
    if (rulesfile_load(&o->how, o->rules, o->rules_cnt, &image, &len))
        return NULL;
    struct ruleset *rs = ruleset_load(image, len, 1, o->jobs, err, sizeof(err));
    if (!rs)
        fprintf(stderr, "%s: error: %s\n", o->rules[0], err);
    free(image);
    return rs;
}

static int
run(struct options *o, char *const *paths, unsigned paths_cnt)
{
    static struct scan s;
    s.o = o;
    s.rules = o->rules_cnt ? load_rules(o) : NULL;
    if (o->rules_cnt && !s.rules)
        return VERB_REFUSED;
    scan_print_init(&o->print, s.rules);
    s.source = mailsource_new(paths, paths_cnt);
    pthread_mutex_init(&s.source_lock, NULL);
    pthread_mutex_init(&s.output.lock, NULL);
    pthread_cond_init(&s.output.moved, NULL);
    s.output.is_terminal = isatty(STDERR_FILENO);
    s.output.begin_ms = clock_ms(CLOCK_MONOTONIC);
    s.output.begin_cpu_ms = clock_ms(CLOCK_PROCESS_CPUTIME_ID);
    int result = scan_all(&s);
    if (result == 0 && (s.output.is_terminal || o->wants_stats))
        print_stats(&s.output);
    mailsource_free(s.source);
    scan_print_fini(&o->print);
    ruleset_free(s.rules);
    return result || s.output.failed ? VERB_REFUSED : VERB_DONE;
}

/* ---- the command line ---- */

static bool
parse_threshold(const char *text, struct options *o)
{
    char *end;
    double points = strtod(text, &end);
    if (end == text || *end || !(points > 0 && points <= 1000000))
        return false;
    o->threshold_milli = (int32_t)(points * 1000 + 0.5);
    return o->threshold_milli > 0;
}

/* An address, which becomes the first relay. */
static bool
parse_client(const char *text, struct options *o)
{
    uint8_t address[sizeof(struct in6_addr)];
    o->client = text;
    return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

static bool
parse_option(int c, struct options *o)
{
    switch (c) {
    case 'r':
        o->rules[o->rules_cnt++] = optarg;
        return true;
    case 'j':
        return o->print.wants_json = true;
    case 'e':
        return o->wants_explain = true;
    case 's':
        return o->wants_stats = true;
    case 'a':
        return o->print.wants_subrules = true;
    case 'f':
        o->mail_from = optarg;
        return true;
    case 't':
        o->rcpt_to[o->rcpt_cnt++] = optarg;
        return true;
    case 'T':
        return parse_threshold(optarg, o);
    case 'c':
        return parse_client(optarg, o);
    case 'H':
        o->helo = optarg;
        return true;
    case 'h':
        return o->wants_help = true;
    default:
        return rulesfile_option(&o->how, c, optarg);
    }
}

static bool
parse_options(int argc, char **argv, struct options *o)
{
    static const struct option options[] = {
        { "rules", required_argument, NULL, 'r' },     { "json", no_argument, NULL, 'j' },
        { "explain", no_argument, NULL, 'e' },         { "stats", no_argument, NULL, 's' },
        { "all-rules", no_argument, NULL, 'a' },       { "mail-from", required_argument, NULL, 'f' },
        { "rcpt-to", required_argument, NULL, 't' },   { "threshold", required_argument, NULL, 'T' },
        { "client", required_argument, NULL, 'c' },    { "helo", required_argument, NULL, 'H' },
        { "help", no_argument, NULL, 'h' },            RULESFILE_OPTIONS,
        { 0 },
    };
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (!parse_option(c, o))
            return false;
    }
    o->jobs = o->how.jobs ? o->how.jobs : 1;
    return o->jobs <= JOBS_MAX && (!o->helo || o->client);
}

int
verb_scan(int argc, char **argv)
{
    struct options o = { .rules = calloc((size_t)argc, sizeof(*o.rules)),
                         .rcpt_to = calloc((size_t)argc, sizeof(*o.rcpt_to)) };
    int result;
    if (!o.rules || !o.rcpt_to)
        abort();
    if (!parse_options(argc, argv, &o))
        result = verb_usage_error("scan", "wrong arguments");
    else if (o.wants_help)
        result = verb_help("scan");
    else if (o.print.wants_subrules && !o.print.wants_json && !o.wants_explain)
        result = verb_usage_error("scan", "--all-rules needs --json or --explain");
    else if (optind == argc)
        result = verb_usage_error("scan", "a FILE or FOLDER is needed");
    else
        result = run(&o, argv + optind, (unsigned)(argc - optind));
    rulesfile_how_free(&o.how);
    free(o.rules);
    free(o.rcpt_to);
    return result;
}
