/* envelope: reverse-path and recipients of a transaction, as the server has accepted them.
 *
 * Commands are pipelined, so their replies come later: a path is noted when its command is read, and
 * struck out when the reply refuses it. Commands are told apart by their running number in the
 * session (`cmd`); replies come in the same order.
 *
 * What has no reply yet counts as accepted. One further MAIL may stand beside the first: after an RSET
 * that is not answered yet, or out of order. It takes over when the server accepts it (or the RSET),
 * and is forgotten when the server refuses it.
 *
 * Owns:    copies of the paths.
 * Limits:  RCPT_RECORDED_MAX recipients, RCPT_TEXT_MAX octets of them: the rest are only counted. */
#ifndef WEIR_SCAN_ENVELOPE_H
#define WEIR_SCAN_ENVELOPE_H

#include <stdbool.h>
#include <stdint.h>

#include "scan/limits.h"
#include "scan/span.h"

#ifdef __cplusplus
extern "C" {
#endif

struct envelope_mail {
    bool is_set;
    uint32_t cmd;
    uint16_t len;
    uint8_t text[PATH_LEN_MAX];
};

struct envelope {
    struct envelope_mail first, second;
    bool is_reset;           /* an RSET or EHLO after `first` is not answered yet */
    uint32_t reset_cmd;
    uint32_t rcpt_total;     /* RCPT commands */
    uint32_t rcpt_answered;  /* replies to them, */
    uint32_t rcpt_refused;   /* of these negative */
    uint32_t second_total;   /* rcpt_total and recorded when `second` came */
    uint16_t second_recorded;
    uint16_t recorded;
    uint16_t text_len;
    uint16_t end[RCPT_RECORDED_MAX]; /* of each path in text */
    bool is_refused[RCPT_RECORDED_MAX];
    uint8_t text[RCPT_TEXT_MAX];
};

void envelope_clear(struct envelope *e);

/* Commands. rcpt returns false when the path could not be recorded. */
void envelope_mail(struct envelope *e, uint32_t cmd, struct span path);
bool envelope_rcpt(struct envelope *e, struct span path);
void envelope_reset(struct envelope *e, uint32_t cmd);

/* Their replies, in the order of the commands; cmd as given above. rcpt: of the transaction at hand. */
void envelope_mail_reply(struct envelope *e, uint32_t cmd, bool is_accepted);
void envelope_rcpt_reply(struct envelope *e, uint32_t cmd, bool is_accepted);
void envelope_reset_reply(struct envelope *e, uint32_t cmd, bool is_accepted);

/* A MAIL that is not refused, and no RSET read after it. */
bool envelope_is_open(const struct envelope *e);

/* The transaction that would begin its data now; spans live until the next non-const call. */
struct span envelope_mail_path(const struct envelope *e);
unsigned envelope_rcpt_cnt(const struct envelope *e);
struct span envelope_rcpt_path(const struct envelope *e, unsigned idx);

/* Recipients not refused, recorded or not. */
uint32_t envelope_rcpt_accepted(const struct envelope *e);

#ifdef __cplusplus
}
#endif
#endif
