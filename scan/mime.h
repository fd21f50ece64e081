/* mime: the tree of parts, streaming (RFC 2045-2046). One stream of octets in, a trace of its leaves out.
 *
 *     mime_init, mime_start(top header) or mime_start_message
 *     { mime_feed, while (mime_next(..) != MIME_MORE) .. }*
 *     mime_end, while (mime_next(..) != MIME_MORE) ..
 *
 * The trace of a leaf: PART DATA* END. Multiparts and messages (message/rfc822) show only in `depth`.
 * Nothing is decoded here: DATA is what stands between the part's header and the line end before its
 * delimiter. An encoded message/rfc822 is a leaf with is_message; the caller decodes it and walks it with
 * another struct mime of the same budget.
 *
 *              header over, leaf             delimiter
 *      HEADER ------------------> BODY ---------------------> HEADER
 *        |  ^ \ message             \ close delimiter
 *        |   `-'                     `---------> SKIP (preamble, epilogue) -- delimiter --> HEADER
 *         `-- multipart -----------------------> SKIP
 *
 * A line is a delimiter when it is exactly "--boundary" or "--boundary--" and blanks, of the innermost
 * multipart that fits; multiparts inside that one are over. Delimiters are known in headers too.
 *
 * Not seen as parts: preamble and epilogue, so also the whole body when no delimiter ever comes
 * (MIME_BOUNDARY at the end tells; TARGET_FULL sees it). With wants_preamble a multipart's preamble is shown as a
 * text/plain leaf (is_preamble); at its END is_void tells whether it was one: if no delimiter of its multipart came
 * behind it, SpamAssassin and many clients show it as text.
 *
 * Not read: uuencode.
 *
 * Of a field that stands twice the last one counts, as in SpamAssassin; FIELD_DUPLICATE tells.
 *
 * Owns:    nothing. About 9 kB of state, plus the caller's header buffer.
 * Limits:  MIME_DEPTH_MAX and MIME_PART_MAX over all machines of a budget, BOUNDARY_LEN_MAX. A multipart
 *          that is too deep or has no boundary is one leaf with is_typed false. The part after
 *          MIME_PART_MAX is the rest of the octets, headers and delimiters included.
 * Fails:   never. */
#ifndef WEIR_SCAN_MIME_H
#define WEIR_SCAN_MIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/charset.h"
#include "scan/decode.h"
#include "scan/event.h"
#include "scan/header.h"
#include "scan/limits.h"
#include "scan/param.h"
#include "scan/span.h"

#ifdef __cplusplus
extern "C" {
#endif

enum mime_next {
    MIME_MORE,  /* the octets are used up */
    MIME_PART,  /* mime_part(m) begins */
    MIME_DATA,  /* *data, until the next call */
    MIME_END,   /* of the part */
    MIME_EVENT, /* *event */
};

/* Octets kept of a part's charset and file name, NUL included. A longer charset is none ("us-ascii"). */
enum { MIME_CHARSET_MAX = 64, MIME_NAME_MAX = 256 };

struct mime_part {
    char type[MEDIA_TYPE_MAX];      /* lower case; "text/plain" when there is none */
    char charset[MIME_CHARSET_MAX]; /* as declared, for charset_begin; "" when there is none */
    char name[MIME_NAME_MAX];       /* file name in UTF-8, cut at a character; "" when there is none */
    size_t name_len;                /* it may hold a NUL */
    enum encoding encoding;
    bool is_typed;      /* false: it declares a type that could not be taken at its word */
    bool is_attachment; /* Content-Disposition: attachment, or a file name */
    bool is_html_name;  /* a file name in .htm, .html or .shtml: clients show it as such */
    bool is_message;    /* an encoded message/rfc822 */
    bool is_preamble;   /* what is before the first delimiter of a multipart (wants_preamble) */
    bool is_void;       /* .. and that delimiter came: nobody sees it. Known at its END */
    bool is_closed;     /* .. or the close delimiter: there is a part, even an empty one */
};

/* What is wrong with how parts stand in the body; bits of mime_budget.flaws. */
enum mime_flaw {
    MIME_FLAW_NO_SEPARATOR = 1 << 0, /* a part's header ended at a line that is no field, not at an empty one */
    MIME_FLAW_NO_HEADER = 1 << 1,    /* the line after a delimiter is no field */
    MIME_FLAW_EPILOGUE = 1 << 2      /* more than blanks and dots behind a close delimiter */
};

/* Told of every node of the tree when its header is over: leaves, multiparts, messages. `depth` counts its
 * parents in its machine. `h` is borrowed for the call. */
typedef void mime_node_fn(void *ctx, const struct header *h, unsigned depth, bool is_leaf);

/* Shared by the machines that walk one mail. Zero at its start, but for `charsets`, `node` and `wants_preamble`. */
struct mime_budget {
    unsigned depth;
    unsigned parts;
    unsigned flaws; /* enum mime_flaw, seen so far */
    bool wants_preamble;
    const struct charset_set *charsets; /* for file names; NULL: they stay as written */
    mime_node_fn *node; /* NULL: nobody asks */
    void *node_ctx;
};

enum mime_state { MIME_HEADER, MIME_BODY, MIME_SKIP };

/* Octets held at the start of a line: the line end before it, and what may be a delimiter. */
enum { MIME_HOLD_MAX = 2 + 2 + BOUNDARY_LEN_MAX + 2 + 64 };

/* Room that a header buffer needs: a line that turned out to be no header is kept behind it. */
enum { MIME_HEADER_BUF = PART_HEADER_LEN_MAX + MIME_HOLD_MAX };

struct mime_frame {
    uint16_t len;      /* of boundary; 0: a message, not a multipart */
    bool is_digest;    /* parts without a type are messages */
    uint8_t boundary[BOUNDARY_LEN_MAX];
};

struct mime {
    struct mime_budget *budget;
    enum mime_state state;
    struct header header;
    struct mime_part part;
    struct span in;     /* not read yet */
    struct span replay; /* read before it: what the header gave back */
    uint64_t events;    /* to hand out */
    bool part_due, end_due, is_at_end, is_finished;
    bool is_bol;        /* at the start of a line */
    bool is_rest;       /* part cap: nothing is looked for any more */
    bool is_part;       /* the header being read follows a delimiter */
    bool is_epilogue;   /* what is skipped follows a close delimiter */
    uint16_t hold_len, eol_len, hold_out;
    unsigned frames_cnt, boundaries_cnt;
    uint8_t hold[MIME_HOLD_MAX];
    struct mime_frame frames[MIME_DEPTH_MAX];
};

/* `header_buf`: MIME_HEADER_BUF octets, of this machine alone. */
void mime_init(struct mime *m, struct mime_budget *budget, uint8_t *header_buf);

/* The header is already read; octets fed are the body. `h` is not kept. */
void mime_start(struct mime *m, const struct header *h);

/* Octets fed are a message, header first. */
void mime_start_message(struct mime *m);

/* Borrows `octets` until mime_next says MIME_MORE. */
void mime_feed(struct mime *m, const uint8_t *octets, size_t len);

/* No octets follow. */
void mime_end(struct mime *m);

enum mime_next mime_next(struct mime *m, struct span *data, enum event *event);

/* The part that began last. Lives until the next MIME_PART. */
static inline const struct mime_part *
mime_part(const struct mime *m)
{
    return &m->part;
}

#ifdef __cplusplus
}
#endif
#endif
