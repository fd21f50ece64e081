/* preflight_probe: small innocent mails, each with one name in one place.
 *
 * For a domain D under a public suffix, each place is probed on its own, in two directions: D is the sender's, or D is
 * the recipient's. Everything else in the mail bears names under .test, which nobody has, so that whatever hits is
 * due to D alone; only the host of url/rcpt must be under a domain that exists (.museum), or it is no URL. The last place is a whole mail from or to D, for rules that want several places at once.
 *
 *     place        sender's D                                   recipient's D
 *     helo         HELO mail.D                                  HELO mx1.D: a forwarder of the recipient's
 *     mail-from    MAIL FROM:<alice@D>                          MAIL FROM:<news+bob=D@..>: a list names its reader
 *     rcpt-to      RCPT TO:<SRS0=ab=cd=D=alice@..>: a bounce    RCPT TO:<bob@D>
 *     from         From: <alice@D>                              From: "bob@D" <news@..>: sent on behalf of
 *     reply-to     Reply-To: <alice@D>                          Reply-To: <reply+bob=D@..>
 *     received     from mail.D (mail.D [..])                    by mx1.D .. for <bob@D>
 *     url          http://www.D/minutes in the text             http://..?reader=bob@D
 *     message-id   Message-ID: <..@mail.D>                      In-Reply-To and References: <..@mail.D>
 *     to           Cc: <carol@D>                                To: <bob@D>
 *     whole        all that a mail from alice@D bears           all that a mail to bob@D bears
 *
 * A verdict depends on the probe's text, so PREFLIGHT_PROBE_VERSION changes with every change here: verdicts kept
 * from before are not used.
 *
 * Threads: pure functions. */
#ifndef WEIR_CONTROL_PREFLIGHT_PROBE_H
#define WEIR_CONTROL_PREFLIGHT_PROBE_H

#include <time.h>

#include "control/preflight_judge.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { PREFLIGHT_PROBE_VERSION = 2 };

enum preflight_place {
    PLACE_HELO,
    PLACE_MAIL_FROM,
    PLACE_RCPT_TO,
    PLACE_FROM,
    PLACE_REPLY_TO,
    PLACE_RECEIVED,
    PLACE_URL,
    PLACE_MESSAGE_ID,
    PLACE_TO,
    PLACE_WHOLE,
    PLACE_CNT
};

enum preflight_direction { DIRECTION_SENDER, DIRECTION_RCPT, DIRECTION_CNT };

enum { PROBES_PER_NAME = PLACE_CNT * DIRECTION_CNT };

const char *preflight_place_name(enum preflight_place p);

/* Writes the probe into *item. domain NULL: the same mail that names nobody. `date` is what the mail says. At most
 * PREFLIGHT_ITEM_MAX octets, as a domain has at most 253. */
void preflight_probe(struct preflight_item *item, const char *domain, enum preflight_place place,
                     enum preflight_direction direction, time_t date);

/* "Sun, 1 Nov 2026 12:00:00 +0000" into text[40]. */
void preflight_date(time_t t, char *text);

#ifdef __cplusplus
}
#endif
#endif
