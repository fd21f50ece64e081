/* reply: the server's replies (RFC 5321 4.2), as codes.
 *
 * A reply is one or more lines "DDD-text", the last one "DDD text" or "DDD". The text is not kept:
 * lines may be of any length. The last line's code counts, as clients take it.
 *
 *     n = reply_feed(&r, octets, len, &next)   until everything is read:
 *         REPLY_MORE     all read
 *         REPLY_KEYWORD  octet n-1 is the last letter of the keyword STARTTLS of a 250 line, where an
 *                        EHLO reply announces it
 *         REPLY_LINE     a line ended, the reply goes on (or the line was no reply: r.is_bad)
 *         REPLY_END      a reply ended: r.code
 *
 * r.has_chunking, valid at REPLY_END: a 250 line of the reply named the keyword CHUNKING.
 *
 * r.is_bad, valid at REPLY_LINE and REPLY_END: the line does not parse, has another code than the line
 * before it, or is a 1yz reply, which SMTP does not have. A line that does not parse, and a 1yz one, end
 * nothing. */
#ifndef WEIR_SCAN_REPLY_H
#define WEIR_SCAN_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum reply_next { REPLY_MORE, REPLY_KEYWORD, REPLY_LINE, REPLY_END };

struct reply {
    uint16_t code;  /* of the line being read, complete when pos >= 3 */
    uint16_t first; /* of the lines before it in this reply; 0: none */
    uint8_t pos;    /* octets of the line read, up to the keyword's length */
    uint8_t word;   /* keyword that the line may begin with */
    bool has_chunking;
    bool is_last;
    bool is_bad;
    bool is_done;   /* the line has ended: the next octet begins another */
};

/* Zeroed is initial. */
void reply_init(struct reply *r);

/* Reads up to and including the octet that *next tells about. Returns octets read, <= len; less than
 * len only when *next is not REPLY_MORE. */
size_t reply_feed(struct reply *r, const uint8_t *octets, size_t len, enum reply_next *next);

#ifdef __cplusplus
}
#endif
#endif
