/* message_private: one mail being scanned. For message.c, message_header.c, message_part.c, message_text.c,
 * message_file.c and message_judge.c. */
#ifndef WEIR_SCAN_MESSAGE_PRIVATE_H
#define WEIR_SCAN_MESSAGE_PRIVATE_H

#include "scan/alternative_facts.h"
#include "scan/anchor_facts.h"
#include "scan/archive.h"
#include "scan/attachment.h"
#include "scan/body_emails.h"
#include "scan/charset.h"
#include "scan/decode.h"
#include "scan/eval_facts.h"
#include "scan/eval_header.h"
#include "scan/header.h"
#include "scan/html.h"
#include "scan/image_facts.h"
#include "scan/match.h"
#include "scan/message.h"
#include "scan/mime.h"
#include "scan/mime_facts.h"
#include "scan/received.h"
#include "scan/suffix.h"
#include "scan/text.h"
#include "scan/text_facts.h"
#include "scan/url.h"
#include "scan/word.h"

enum {
    /* Encoded messages inside encoded messages; deeper ones are attachments. */
    LANES_MAX = 4,

    /* Octets of a text part that are gathered before they are read: nearly always all of it, so that its charset
     * is decided on the whole, as SpamAssassin does. Longer parts go window by window. */
    WINDOW_LEN = 65536,

    /* Decoded fields of the header: encoded words may grow (RFC 2047). EVENT_HEADER_CAP. */
    DECODED_LEN = 2 * HEADER_LEN_MAX,

    /* HTML parts whose facts are kept for evals; SpamAssassin keeps all, mails have one. */
    HTML_PARTS_MAX = 8,

    /* Recipients that evals look at. */
    RECIPIENTS_MAX = 32,
    RECIPIENTS_LEN = 4096,

    /* Archives being walked in a thread: one a message that has one open. More: EVENT_ARCHIVE_CAP. */
    ARCHIVES_MAX = 16,
    SECOND_ARCHIVES_MAX = 8, /* no cap of the message: its judgement is then no second one (message_is_starved) */

    /* Octets that tell an archive; they may come one by one. */
    ARCHIVE_MAGIC_LEN = 4,

    /* Values that evals ask for while one message is judged. */
    VALUES_LEN = 512 * 1024,

    /* .. and those that are remembered: evals ask for the same few again and again. More are made anew. */
    MEMO_MAX = 256,
    MEMO_NAME_MAX = 32
};

/* A field of the top header, offsets into its buffer and into the decoded fields ("Name: value\n"). */
struct field_ref {
    uint32_t name_off, value_off, value_len;
    uint32_t decoded_off, decoded_len; /* of the value with its "\n" */
    uint32_t hash;
    uint16_t name_len;
};

/* Decoded octets that are a file: a part, or a member of an archive. */
struct file {
    bool is_open;
    struct match_stream *stream;
    struct attachment what;
    struct match_findings found; /* signatures that hit it, not yet held against its type */
    struct match_findings sure;  /* those of members that are over */
    int64_t signature;           /* the hash signature among `sure`; SIGNATURE_NONE */
};

/* One struct mime and what becomes of its open leaf. Lane i + 1 walks the decoded message that is the
 * open leaf of lane i. */
struct lane {
    struct archive *archive;
    uint8_t first[ARCHIVE_MAGIC_LEN]; /* of the part's octets, held until it is known whether they are an archive's */
    uint8_t first_len;
    bool is_body, is_html, is_rawbody, is_message, is_file, is_picture;
    bool is_text_file; /* of is_file: a text, in which signatures and archives alone are looked for */
    bool is_preamble;        /* it is not known yet whether it is seen: it lies in the window */
    bool is_nested_preamble; /* of a multipart in a multipart */
    unsigned preamble_depth; /* its parents in this lane */
    size_t preamble_len;
    unsigned depth; /* parents of its root, all lanes counted */
    struct decoder decoder;
    struct file files[1 + ARCHIVE_DEPTH_MAX]; /* the part, and by depth the open members of the archive it is */
    struct mime mime;
    uint8_t header_buf[MIME_HEADER_BUF];
};

/* What the rule set makes worth preparing. */
struct wants {
    bool header, body, rawbody, uri, evals;
    unsigned hashes; /* enum attachment_hash */
    bool signatures; /* patterns of octets, in any part */
    bool files;      /* any of these, or attachment rules */
};

/* Large, and in the order of use: a slot that only ever saw small mails touches few of its pages. */
struct message {
    struct scanner *sc;
    struct ruleset *rs;
    struct hits hits;
    struct judgement j;
    enum verdict event_verdict; /* greatest action of an event, */
    enum event event_cause;     /* and the first that had it */
    struct wants wants;
    bool is_header_done, is_ended, has_mail_from, has_client;
    bool is_second, is_starved;
    bool is_text_open, has_plain; /* a text part streams; the first text/plain was seen */
    unsigned fields_cnt;
    uint64_t fields_seen; /* a bit for each name: its hash % 64 */
    size_t mail_from_len, client_ip_len, client_helo_len, recipients_len;
    unsigned recipients_cnt;
    size_t decoded_len;
    struct match_stream *full;
    struct mime_budget budget;
    struct header top;
    unsigned node_lane;        /* the lane whose node is told of */
    int alternative_depth;     /* of the multipart/alternative being read; -1: none */
    uint32_t line_no, chunk_no, uri_no;
    unsigned html_cnt;
    uint32_t window_len;
    bool window_has_cr;
    struct charset_text charset;
    struct lines lines;
    struct chunks chunks;
    struct text_facts text_facts;
    struct image_facts image_facts;
    struct anchor_facts anchor_facts;
    struct span recipients[RECIPIENTS_MAX];
    uint8_t recipients_text[RECIPIENTS_LEN];
    uint8_t mail_from[PATH_LEN_MAX];
    uint8_t client_ip[64], client_helo[256];
    struct field_ref fields[HEADER_FIELDS_MAX];
    uint8_t top_buf[HEADER_LEN_MAX];
    uint8_t decoded[DECODED_LEN];
    struct mime_facts mime_facts;
    struct relays relays;
    uint8_t window[WINDOW_LEN + CHARSET_CUT_MAX];
    struct html html;
    struct html_facts html_facts[HTML_PARTS_MAX];
    struct body_emails emails;
    struct urls urls;
    struct alternative_facts alternative;
    struct lane lanes[LANES_MAX];
};

struct message_slot {
    struct message_slot *next;
    uint64_t *bits; /* grows to the largest rule set seen; kept between messages */
    uint16_t *counts;
    uint32_t words_max, counts_max;
    struct message message;
};

/* A value that an eval asked for. */
struct memo {
    uint64_t epoch; /* of the pool, when it was made */
    uint32_t hash;  /* of the name */
    uint8_t form;   /* enum field_form */
    bool is_present;
    char name[MEMO_NAME_MAX]; /* lower case */
    struct span value;
};

/* sc->pool: what all messages of a thread work with, one call at a time, and their slots. */
struct pool {
    const struct charset_set *charsets; /* of the process */
    struct suffix_set *suffixes;        /* of the process, only read */
    struct archive_pool *archives[2]; /* of messages, of second ones */
    struct match_batch batch;
    struct match_batch second_batch; /* so that each run is timed for what it is */
    uint8_t value[DECODED_LEN + 4 * HEADER_FIELDS_MAX + RELAYS_WRITE_MAX]; /* of one header target */
    uint8_t word[WORD_ROOM(HEADER_LEN_MAX)];
    uint8_t utf8[CHARSET_ROOM(WINDOW_LEN + CHARSET_CUT_MAX)];
    uint8_t text[WINDOW_LEN]; /* rendered HTML */
    uint8_t values[VALUES_LEN];
    size_t values_len;
    struct memo memos[MEMO_MAX]; /* a hash table, of this epoch */
    uint64_t epoch;              /* counts emptyings */
    struct header_memo header_memo;
    struct host host;
    struct message_slot slots[];
};

static inline struct pool *
pool_of(const struct message *m)
{
    return m->sc->pool;
}

static inline struct match_batch *
batch_of(const struct message *m)
{
    struct pool *p = pool_of(m);
    return m->is_second ? &p->second_batch : &p->batch;
}

/* EVENT_SCAN_ERROR unless ok. */
void message_check(struct message *m, bool ok);

/* message_header.c: the top header is over: fields, relays, what rules say about them. */
void message_header(struct message *m);

/* The value of a header target; `out` holds sizeof(pool.value) octets and may be left unused. */
struct span message_value(const struct message *m, const struct header_target *t, uint8_t *out, size_t cap,
                          bool *is_present);
struct span message_subject(const struct message *m);
void message_header_facts(struct message *m, struct header_facts *f);
void message_mime_headers(struct message *m, const struct header *h);

/* message_part.c: the leaves of the MIME tree. */
void message_body_start(struct message *m);
void message_body(struct message *m, const uint8_t *octets, size_t len);
void message_body_end(struct message *m);
void message_body_abort(struct message *m);

/* message_text.c: text parts, windows, lines, URLs. */
void text_subject(struct message *m);
void text_begin(struct message *m, const struct lane *l, const struct mime_part *p);
void text_octets(struct message *m, const struct lane *l, struct span octets);
void text_part_end(struct message *m, const struct lane *l);
void text_take_preamble(struct message *m, const struct lane *l);
void text_end(struct message *m);

/* message_file.c: parts that are no text, and what is inside archives. */
void file_begin(struct message *m, struct lane *l, const struct mime_part *p);
void file_octets(struct message *m, struct lane *l, struct span octets);
void file_end(struct message *m, struct lane *l);
void file_abort(struct lane *l);

#endif
