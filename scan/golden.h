/* golden: a few mails that are built in, and what a rule set makes of them, as one digest.
 *
 * Before a rule set may touch mail, whoever is to use it judges these: weir-control's child in pre-flight and every
 * worker thread of the data plane (link.h: LOAD(stage)). Equal digests say that the very same octets were loaded,
 * that each thread's scratch works, and that decoders, regexes and functions of both processes agree. Some of the mails
 * have a right answer whatever the rules are (enum golden_want).
 *
 * What of a mail goes into the digest: its number, the verdict by thresholds alone (events have no say: their actions
 * are one process's configuration), the score, whether the matcher failed, and the name of every rule that hit, sub-rules
 * too, in the image's order. Neither the clock nor the order of feeding nor the thread has a say in any of it.
 *
 *     golden_begin(&g);                                      a worker does one step a burst, so no packet waits long;
 *     while ((rc = golden_step(&g, sc, rs, &t)) > 0) ...     rc 0: all are judged; golden_text(&g, text)
 *
 * Owns:    nothing; a message slot of the scanner during a call.
 * Threads: the scanner's, as message.h. What golden_mail gives is constant.
 * Limits:  GOLDEN_CNT_MAX mails of at most GOLDEN_MAIL_LEN_MAX octets: at most 1 ms each with a rule set like SpamAssassin's.
 * Fails:   -EAGAIN where told: no slot is free now; try again later. */
#ifndef WEIR_SCAN_GOLDEN_H
#define WEIR_SCAN_GOLDEN_H

#include <stdint.h>

#include "scan/message.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { GOLDEN_CNT_MAX = 64, GOLDEN_MAIL_LEN_MAX = 16384, GOLDEN_DIGEST_LEN = 32, GOLDEN_TEXT_LEN = 65, GOLDEN_RCPT_MAX = 3 };

/* What any rule set of an operator must say of a mail. */
enum golden_want {
    GOLDEN_ANY,   /* its own business */
    GOLDEN_PASS,  /* forwarded: null sender, DSN, postmaster@, abuse@ (RFC 5321 4.5.1, 4.5.5; RFC 2142) */
    GOLDEN_CATCH  /* not forwarded: GTUBE, EICAR */
};

struct golden_mail {
    const char *name; /* "gtube", "dsn", ... */
    enum golden_want want;
    const char *suffix;                /* GOLDEN_PASS: the public suffix of From, for rules that mean to hit it; else NULL */
    const char *client, *helo;
    const char *mail_from;             /* without brackets, "" is the null sender */
    const char *rcpt[GOLDEN_RCPT_MAX]; /* the first NULL ends them */
    const char *text;                  /* with CRLF, ends in NUL and holds none */
};

/* At most GOLDEN_CNT_MAX. */
unsigned golden_cnt(void);

/* idx < golden_cnt(). */
const struct golden_mail *golden_mail(unsigned idx);

/* What a rule set says of one. */
struct golden_result {
    enum verdict verdict; /* by the thresholds alone */
    int32_t score_milli;
    uint32_t hits_cnt;     /* sub-rules too */
    bool has_failed;       /* EVENT_SCAN_ERROR */
    struct judgement j;    /* as it was; rules are named there */
    uint8_t digest[GOLDEN_DIGEST_LEN]; /* of idx and all of the above but j */
};

/* Judges mail `idx` by rs (not NULL) and t with a slot of sc, whose live rule set, thresholds, actions, counts and
 * explain are as before afterwards: nothing of it is seen by operators. 0; -EAGAIN: no slot is free. */
int golden_judge(struct scanner *sc, struct ruleset *rs, const struct thresholds *t, unsigned idx, struct golden_result *r);

/* The result of a message that holds mail `idx` and has been ended, for who feeds it by himself. */
void golden_result(const struct message *m, const struct judgement *j, const struct thresholds *t, unsigned idx,
                   struct golden_result *r);

/* Whether r is what mail `idx` wants. */
bool golden_is_right(unsigned idx, const struct golden_result *r);

/* The digest of the whole set, growing mail by mail. */
struct golden {
    unsigned next; /* mail to be judged */
    uint8_t digest[GOLDEN_DIGEST_LEN];
};

void golden_begin(struct golden *g);

/* Judges the next one. 1: there are more; 0: that was the last, or there was none; -EAGAIN: none was judged. */
int golden_step(struct golden *g, struct scanner *sc, struct ruleset *rs, const struct thresholds *t);

/* 64 hex digits and a NUL: of the mails judged so far. */
void golden_text(const struct golden *g, char text[GOLDEN_TEXT_LEN]);

/* All of them at once. 0, or -EAGAIN. */
int golden_digest(struct scanner *sc, struct ruleset *rs, const struct thresholds *t, char text[GOLDEN_TEXT_LEN]);

#ifdef __cplusplus
}
#endif
#endif
