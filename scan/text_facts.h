/* text_facts: what eval functions may know of the body's text, counted while it streams by.
 *
 *     text_facts_init
 *     text_facts_octets    the body as it came, each octet once
 *     text_facts_line      each line that body rules see (text.h), the subject first
 *     text_facts_chunk     each chunk that rawbody rules see
 *     text_facts_plain     rendered text of the first text/plain part (and only of that one)
 *     text_facts_end
 *
 * SpamAssassin 4.0.1: check_for_uppercase, tvd_vertical_words, check_body_length, check_blank_line_ratio,
 * check_stock_info, the text length of image_to_text_ratio.
 *
 * The body's length counts a CRLF as one octet: rules are written for mails on disk with LF line ends.
 * Difference: check_stock_info looks at whole lines, SpamAssassin at chunks of a few kB.
 *
 * Owns:    nothing. Under 1 kB.
 * Threads: one struct, one thread.
 * Limits:  STOCK_LABEL_MAX, STOCK_HITS_MAX: below.
 * Fails:   never. */
#ifndef WEIR_SCAN_TEXT_FACTS_H
#define WEIR_SCAN_TEXT_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/span.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    /* A label of "label: value" is at most 30 octets long (SpamAssassin's pattern), the blanks behind it
     * aside. */
    STOCK_LABEL_MAX = 30,

    /* Different labels counted. The rules ask for 2; the words allow a few hundred spellings. */
    STOCK_HITS_MAX = 32
};

enum stock_state {
    STOCK_LINE_START, /* blanks, line ends too */
    STOCK_LABEL,
    STOCK_VALUE, /* behind the colon, blanks so far */
    STOCK_REST   /* until the line ends */
};

struct text_facts {
    uint64_t body_len;
    bool has_cr;

    /* Body lines. */
    uint64_t line_len_sum; /* of all of them, line ends included */
    uint64_t upper_len, lower_cnt, upper_cnt; /* of those that count for check_for_uppercase */
    int vertical_words;                       /* percent; -1: no line was long enough */

    /* Rawbody lines. */
    uint64_t lines_cnt, blank_lines_cnt;

    /* check_stock_info. */
    enum stock_state stock;
    uint32_t label_len;
    uint32_t label_raw_len; /* blanks at its end included */
    uint8_t label[STOCK_LABEL_MAX];
    uint32_t hits_cnt;
    uint32_t hits[STOCK_HITS_MAX]; /* hashes */
};

void text_facts_init(struct text_facts *f);
void text_facts_octets(struct text_facts *f, const uint8_t *octets, size_t len);
void text_facts_line(struct text_facts *f, struct span line);
void text_facts_chunk(struct text_facts *f, struct span chunk);
void text_facts_plain(struct text_facts *f, const uint8_t *octets, size_t len);
void text_facts_end(struct text_facts *f);

/* Percent of capitals among letters and digits; 0 for a short text. The charset is the caller's to look at. */
double text_facts_uppercase(const struct text_facts *f);

/* Percent of blank lines; -1 when there are fewer than `min_lines`. */
double text_facts_blank_ratio(const struct text_facts *f, double min_lines);

#ifdef __cplusplus
}
#endif
#endif
