/* limits: every cap of scan/, with its unit, its reason, and what happens at it.
 *
 * Nothing is unbounded. A cap that a peer can reach raises the event named beside it. */
#ifndef WEIR_SCAN_LIMITS_H
#define WEIR_SCAN_LIMITS_H

enum {
    /* Octets of a command line kept, CRLF included. RFC 5321 4.5.3.1.4 asks for 512, extensions add
     * up; AUTH needs 12,288 (RFC 4954) but its lines are skipped, not kept. COMMAND_TOO_LONG. */
    COMMAND_LEN_MAX = 2048,

    /* Octets of a reply line kept. RFC 5321 4.5.3.1.5 asks for 512. Longer: the rest is ignored. */
    REPLY_LEN_MAX = 512,

    /* Commands sent that the server has not answered yet. PIPELINE_CAP. */
    PIPELINE_MAX = 1024,

    /* Octets of a path (RFC 5321: 256) with room for SMTPUTF8. Longer: COMMAND_SYNTAX, cut in records. */
    PATH_LEN_MAX = 512,

    /* Octets of the name in HELO that rules see (RFC 5321 4.5.3.1.2: 255). Longer: cut. */
    HELO_LEN_MAX = 255,

    /* Recipients whose address is recorded, and the octets for all of them. RCPT_CAP. */
    RCPT_RECORDED_MAX = 100,
    RCPT_TEXT_MAX = 4096,

    /* RFC 5322 2.1.1, without CRLF. LINE_TOO_LONG. */
    TEXT_LINE_MAX = 998,

    /* Octets of one message's own header that header rules see. HEADER_CAP. */
    HEADER_LEN_MAX = 65536,
    HEADER_FIELDS_MAX = 1024,

    /* Header octets of one MIME part that are examined. HEADER_CAP. */
    PART_HEADER_LEN_MAX = 16384,

    /* Nested multiparts; parts in a message. MIME_DEPTH_CAP, MIME_PART_CAP. */
    MIME_DEPTH_MAX = 32,
    MIME_PART_MAX = 1000,

    /* RFC 2046 5.1.1 allows 70; real mail has more. MIME_BOUNDARY. */
    BOUNDARY_LEN_MAX = 256,

    /* SpamAssassin's body line and rawbody chunk, octets: rules are written for these units. It cuts a line
     * at 2,048, and more than 4,096 octets behind the first line end after 2,048 (text.h). */
    BODY_LINE_MAX = 2048,
    RAWBODY_CHUNK_MAX = 4096,

    /* Rules whose name a judgement lists; all of them count for the score. */
    JUDGEMENT_RULES_MAX = 64,

    /* Rules in one image. */
    RULE_MAX = 65535,

    /* Worker threads that one rule set serves. */
    SCANNER_THREADS_MAX = 64
};

#endif
