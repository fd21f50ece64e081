/* eval: the functions that rules call, by name.
 *
 *     body UPPERCASE_50_75  eval:check_for_uppercase('50', '75')
 *
 * Set-up:  id = eval_find(name); eval_check_args(id, ..); eval_prepare(id, ..) once for each rule.
 * Message: eval_run(id, facts, args, prepared) once for each rule, when the message has ended.
 *
 * Functions are SpamAssassin's of the same name. Known are those of HeaderEval, RelayEval (eval_header.h), MIMEEval,
 * HTMLEval, BodyEval, URIEval, WLBLEval, FreeMail, WelcomeListSubject, HTTPSMismatch, AntiVirus, ImageInfo and
 * DecodeShortURLs without the network. Not known are those that ask the network or learn (check_rbl,
 * check_for_spf_pass, check_dkim_valid, check_bayes, check_razor2, ..): the rule is off.
 *
 * html_text_match knows the stock rules' arguments only: the texts of HTML are not kept, what those patterns look
 * for is noted while they stream by (html.h). Others are refused by eval_check_args.
 *
 * The older names ("blacklist", "whitelist") are the same functions as the newer ones.
 *
 * Owns:    eval_prepare's object belongs to the rule set that asked, until eval_release.
 * Threads: eval_run from any thread with a thread_idx of its own below SCANNER_THREADS_MAX; facts and
 *          prepared are only read, but for the match data of that thread.
 * Limits:  patterns: EVAL_REGEX_STEPS_MAX; past it a pattern does not match. Functions are linear in what they look
 *          at, but for lists with globs (list.h).
 * Fails:   eval_find and set-up as told; eval_run never. */
#ifndef WEIR_SCAN_EVAL_H
#define WEIR_SCAN_EVAL_H

#include <stdbool.h>
#include <stddef.h>

#include "scan/eval_args.h"
#include "scan/eval_facts.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    /* PCRE2's match limit: SpamAssassin has none; titles and addresses need a few hundred. */
    EVAL_REGEX_STEPS_MAX = 100000,

    /* .. and its heap, KiB, taken when first needed and kept by each thread. */
    EVAL_REGEX_HEAP_KIB = 256,

    /* Octets that a pattern is tried on; the rest is not looked at. */
    EVAL_REGEX_SUBJECT_MAX = 65536
};

struct eval_entry;
struct eval_prepared;

/* Functions are numbered 0 .. eval_cnt() - 1, for this build only: an image names them. -1: not known. */
int eval_find(const char *name);
int eval_cnt(void);
const char *eval_name(int id);

/* False, and a sentence in err, when the function cannot work with these arguments: too few, too many. */
bool eval_check_args(int id, const struct eval_args *a, char *err, size_t err_size);

/* Compiles what the arguments hold (a pattern). `threads`: as many threads will run it. *out is NULL when there is
 * nothing to compile. 0, -EINVAL with a sentence in err, or -ENOMEM. `a` must live as long. */
int eval_prepare(int id, const struct eval_args *a, unsigned threads, struct eval_prepared **out,
                 char *err, size_t err_size);

/* NULL is allowed. */
void eval_release(struct eval_prepared *p);

/* The function itself, so that a rule set need not look it up for each message. Set-up. */
struct eval_function {
    const struct eval_entry *entry; /* NULL: */
    unsigned header_idx;            /* in eval_header_table */
};
struct eval_function eval_function(int id);
double eval_call(struct eval_function fn, const struct eval_facts *f, const struct eval_args *a,
                 const struct eval_prepared *p);

/* What the function says: 0 is no hit. */
double eval_run(int id, const struct eval_facts *f, const struct eval_args *a,
                const struct eval_prepared *p);

#ifdef __cplusplus
}
#endif
#endif
