#include "scan/reply.h"

#include <string.h>

enum word { WORD_STARTTLS, WORD_CHUNKING };

enum { WORD_LEN = 8 }; /* of both */

static const char words[][WORD_LEN + 1] = {[WORD_STARTTLS] = "STARTTLS", [WORD_CHUNKING] = "CHUNKING"};

enum {
    POS_SEPARATOR = 3,
    POS_TEXT = 4,
    POS_KEYWORD_END = POS_TEXT + WORD_LEN,
    POS_REST = POS_KEYWORD_END + 1 /* nothing in the rest of the line matters */
};

void
reply_init(struct reply *r)
{
    memset(r, 0, sizeof(*r));
}

static void
begin_line(struct reply *r)
{
    r->code = 0;
    r->pos = 0;
    r->is_last = false;
    r->is_bad = false;
    r->is_done = false;
    if (r->first == 0)
        r->has_chunking = false;
}

static enum reply_next
end_line(struct reply *r)
{
    r->is_done = true;
    if (r->pos < POS_SEPARATOR)
        r->is_bad = true;
    if (r->is_bad)
        return REPLY_LINE;
    if (r->pos == POS_SEPARATOR)
        r->is_last = true;
    if (r->code < 200) {
        r->is_bad = true;
        r->first = 0;
        return REPLY_LINE;
    }
    r->is_bad = r->first != 0 && r->first != r->code;
    r->first = r->is_last ? 0 : r->code;
    return r->is_last ? REPLY_END : REPLY_LINE;
}

/* An octet of the first part of a line, not LF. True: the keyword STARTTLS is complete. */
static bool
early_octet(struct reply *r, uint8_t c)
{
    if (r->pos < POS_SEPARATOR) {
        bool is_digit = c >= '0' && c <= '9';

        if (!is_digit || (r->pos == 0 && (c < '1' || c > '5'))) {
            r->is_bad = true;
            r->pos = POS_REST;
            return false;
        }
        r->code = (uint16_t)(r->code * 10 + (c - '0'));
        r->pos++;
        return false;
    }
    if (r->pos == POS_SEPARATOR) {
        if (c == '\r')
            return false; /* "250" CR LF: pos stays, so end_line sees a bare code */
        r->is_last = c == ' ' || c == '\t';
        r->is_bad = !r->is_last && c != '-';
        r->pos = r->is_bad || r->code != 250 ? POS_REST : POS_TEXT;
        return false;
    }
    if (r->pos == POS_TEXT)
        r->word = (c & 0xdf) == 'C' ? WORD_CHUNKING : WORD_STARTTLS;
    if ((c & 0xdf) != words[r->word][r->pos - POS_TEXT]) {
        r->pos = POS_REST;
        return false;
    }
    r->pos++;
    if (r->pos < POS_KEYWORD_END)
        return false;
    r->pos = POS_REST;
    if (r->word == WORD_STARTTLS)
        return true;
    r->has_chunking = true;
    return false;
}

size_t
reply_feed(struct reply *r, const uint8_t *octets, size_t len, enum reply_next *next)
{
    *next = REPLY_MORE;
    for (size_t i = 0; i < len; i++) {
        if (r->is_done)
            begin_line(r);
        if (r->pos == POS_REST) {
            const uint8_t *lf = memchr(octets + i, '\n', len - i);

            if (lf == NULL)
                return len;
            i = (size_t)(lf - octets);
        }
        if (octets[i] == '\n') {
            *next = end_line(r);
            return i + 1;
        }
        if (early_octet(r, octets[i])) {
            *next = REPLY_KEYWORD;
            return i + 1;
        }
    }
    return len;
}
