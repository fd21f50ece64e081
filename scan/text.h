/* text: decoded text cut into the units that body and rawbody rules are written for (SpamAssassin 4.0.1,
 * Message.pm: get_body_text_array_common, split_into_array_of_short_lines, .._short_paragraphs).
 *
 *   lines   body: the Subject's value is the first line; then all text parts of the message as one text:
 *           white space with two or more line ends in it -> "\n" (a paragraph ends), other white space
 *           -> " ", NUL -> "\n". A line over BODY_LINE_MAX is cut behind its last space that lets it fit,
 *           which itself may be one octet more.
 *           The last line has no "\n" unless the text ended in an empty line, as there.
 *   chunks  rawbody: one part's text, cut when more than RAWBODY_CHUNK_MAX is left, behind the first "\n"
 *           (else ">", else " ") in the second half of a chunk, else at the half.
 *
 * CRLF is read as "\n". Charsets and HTML are the caller's (charset.h, html.h): lines take rendered UTF-8.
 *
 * Both are pulled: while (lines_next(&l, &in, &unit)) use(unit); then while (lines_end(&l, &unit)).
 * A unit is borrowed from the cutter until the next call.
 *
 * Owns:    nothing; a unit is its buffer or the input.
 * Threads: one struct, one thread.
 * Limits:  BODY_LINE_MAX, RAWBODY_CHUNK_MAX: above.
 * Fails:   never. Nothing is allocated; the same units for any split of the input. */
#ifndef WEIR_SCAN_TEXT_H
#define WEIR_SCAN_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/limits.h"
#include "scan/span.h"

#ifdef __cplusplus
extern "C" {
#endif

struct lines {
    uint32_t len;    /* of buf */
    uint32_t out;    /* octets of buf handed out by the last call */
    uint8_t queue[4]; /* octets to append before more input is read */
    uint8_t queue_len;
    uint8_t line_ends; /* in the white space being read: 0, 1, 2 for more */
    bool is_space;     /* reading white space */
    bool has_lead;     /* some before its first line end */
    bool has_trail;    /* some behind its last */
    bool has_cr;
    bool has_text; /* anything but the subject was read */
    bool is_ended;
    uint8_t buf[BODY_LINE_MAX + 1];
};

void lines_init(struct lines *l);

/* A leaf part begins (of whatever type): separates the text so far from what comes, as SpamAssassin. */
void lines_part(struct lines *l);

/* Takes octets off *in until a line is complete: true and *unit; false when *in is used up. */
bool lines_next(struct lines *l, struct span *in, struct span *unit);

/* The subject's octets, with their "\n": appended as they are. Before any lines_next. */
bool lines_subject(struct lines *l, struct span *in, struct span *unit);

/* Ends the text; call until false. */
bool lines_end(struct lines *l, struct span *unit);

struct chunks {
    uint32_t len;
    uint32_t out;
    bool has_cr;
    uint8_t buf[RAWBODY_CHUNK_MAX + 1];
};

/* At the start of each part. */
void chunks_init(struct chunks *c);
bool chunks_next(struct chunks *c, struct span *in, struct span *unit);
bool chunks_end(struct chunks *c, struct span *unit);

#ifdef __cplusplus
}
#endif
#endif
