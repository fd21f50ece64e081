/* mime_facts: what eval functions may know of a mail's parts, collected while they stream by.
 *
 *     mime_facts_init
 *     mime_facts_message(top header)
 *     { mime_facts_node(header, depth, is_leaf), mime_facts_raw(octets)*, mime_facts_end }*
 *     mime_facts_flag(..) whenever the MIME machine sees one of those
 *
 * Nodes are the tree's in the order of the mail, the root (depth 0, the top header) first; one that is no leaf
 * (a multipart, a message/rfc822 that is taken apart) has no octets and no end. `depth` counts parents. For a
 * message inside a message/rfc822, its own header is another node, one deeper. Octets are the part as it came, still
 * encoded, line ends CRLF or LF.
 *
 * The facts are those of SpamAssassin's Plugin/MIMEEval.pm, AntiVirus.pm and of the flags of its Message.pm,
 * types and parameters read in its way (mime_type_of), which is not mime.h's: a "text/enriched" is a text/plain.
 * Differences: a line of a part is cut at MIME_FACTS_LINE_MAX for the two patterns that look across a whole
 * line, in the root as well; encoded words in Content-* fields are not decoded.
 *
 * Owns:    nothing. Part of a message's slot: about 5 kB.
 * Threads: one struct, one thread.
 * Limits:  below.
 * Fails:   never. */
#ifndef WEIR_SCAN_MIME_FACTS_H
#define WEIR_SCAN_MIME_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/header.h"
#include "scan/limits.h"
#include "scan/span.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    /* SpamAssassin's MAX_BODY_LINE_LENGTH: a longer line of a part is cut into lines. */
    MIME_FACTS_LINE_MAX = 2048,

    /* Octets of a type, charset or name that are looked at. Longer ones are cut. */
    MIME_FACTS_VALUE_MAX = 256,

    /* Parents whose type is known: MIME_DEPTH_MAX and the messages between them. Deeper ones count as unknown. */
    MIME_FACTS_DEPTH_MAX = 2 * MIME_DEPTH_MAX,

    /* Octets of a field's value that are looked at (SpamAssassin's MAX_HEADER_VALUE_LENGTH). */
    MIME_FACTS_FIELD_MAX = 8192,

    /* .. and of its name; a longer one sets MIME_FLAG_TRUNCATED_HEADER. */
    MIME_FACTS_FIELD_NAME_MAX = 256
};

/* Flags for check_msg_parse_flags and check_for_mime; names are SpamAssassin's. */
enum mime_flag {
    MIME_FLAG_NO_HEAD_SEPARATOR = 1 << 0, /* missing_head_body_separator: header ended without an empty line */
    MIME_FLAG_NO_PART_SEPARATOR = 1 << 1, /* missing_mime_head_body_separator: the same in a part */
    MIME_FLAG_NO_PART_HEADER = 1 << 2, /* missing_mime_headers: a delimiter, then a line that is no field */
    MIME_FLAG_EPILOGUE = 1 << 3,      /* mime_epilogue_exists: more than blanks and dots behind the close delimiter */
    MIME_FLAG_TRUNCATED_HEADER = 1 << 4, /* truncated_header */
    MIME_FLAG_PART_LIMIT = 1 << 5,       /* mimepart_limit_exceeded */
    MIME_FLAG_OPEN_BOUNDARY = 1 << 6     /* mime_missing_boundary: a delimiter came, its close delimiter did not */
};

enum mime_node_type { MIME_NODE_OTHER, MIME_NODE_PLAIN, MIME_NODE_HTML, MIME_NODE_ALTERNATIVE };

/* The node that streams by. */
struct mime_facts_now {
    enum mime_node_type type;
    bool is_leaf, is_attachment, is_base64, is_exact_base64, is_qp, is_plain_encoding, is_ascii;
    bool is_text, is_ics, is_named_executable, is_first_line;
    bool has_cr; /* held back: an LF may follow */
    uint64_t len;      /* octets, line ends as one */
    uint64_t line_len; /* of the line read */
    uint32_t kept;     /* of it in line[] */
};

struct mime_facts {
    uint32_t flags; /* enum mime_flag */
    uint32_t nodes_cnt;
    uint32_t html_cnt, text_cnt, base64_cnt, qp_cnt, attachment_cnt;
    bool has_base64_text, has_bad_iso_charset, has_alternative, has_long_qp_line;
    bool has_caps_charset; /* one in which capitals mean nothing (CHARSETS_LIKELY_TO_FP_AS_CAPS) */
    bool has_executable, has_suspect_name;
    bool has_alternative_non_text; /* check_ma_non_text */
    bool is_html_on_top; /* the top header says text/html */
    bool is_meeting;     /* alternative(html, calendar) and nothing else: an Exchange meeting request */
    bool has_text_len, has_html_len;
    uint64_t ascii_illegal_cnt;           /* lines */
    uint64_t qp_len, qp_cnt_escapes;      /* octets of QP parts; escapes that were not needed */
    int64_t qp_trailing;                  /* .. of them allowed at line ends */
    uint64_t normal_len, unicode_cnt;     /* text/plain: octets, "&#xABCD;" */
    uint64_t base64_line_max;             /* octets, line end included */
    uint64_t text_len, html_len;          /* of the last text/plain and text/html leaves */
    enum mime_node_type parents[MIME_FACTS_DEPTH_MAX];
    struct mime_facts_now now;
    uint8_t line[MIME_FACTS_LINE_MAX + 2];
};

void mime_facts_init(struct mime_facts *f);

/* The top header, when it is over: its flags. Before the root's mime_facts_node. `h` is not kept. */
void mime_facts_message(struct mime_facts *f, const struct header *h);

/* A node's header is over. */
void mime_facts_node(struct mime_facts *f, const struct header *h, unsigned depth, bool is_leaf);

/* Octets of the leaf, any split; then its end. */
void mime_facts_raw(struct mime_facts *f, const uint8_t *octets, size_t len);
void mime_facts_end(struct mime_facts *f);

static inline void
mime_facts_flag(struct mime_facts *f, enum mime_flag flag)
{
    f->flags |= (uint32_t)flag;
}

/* The flag of that name of SpamAssassin's, 0: none. */
uint32_t mime_flag_of(struct span name);

/* What SpamAssassin's multipart/alternative ratio, quoted-printable ratio and unicode ratio are. */
double mime_facts_multipart_ratio(const struct mime_facts *f);
double mime_facts_qp_ratio(const struct mime_facts *f);
double mime_facts_unicode_ratio(const struct mime_facts *f);

/* Its parse_content_type: the media type of an unfolded Content-Type value (empty: none), lower case, with NUL,
 * cut at out_size. "text/" of every kind but html, calendar and x-vcard is "text/plain". */
void mime_type_of(struct span value, char *out, size_t out_size);

/* .. and its parameter: `name` is "charset", or "name" for name and filename. False: there is none. */
bool mime_type_param(struct span value, const char *name, struct span *out);

/* Does SpamAssassin take capitals in this charset for normal? */
bool mime_charset_is_caps(struct span charset);

#ifdef __cplusplus
}
#endif
#endif
