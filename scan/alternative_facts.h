/* alternative_facts: how much the HTML of a multipart/alternative says that its plain text does not.
 *
 *     alternative_facts_init
 *     { alternative_facts_open
 *         { alternative_facts_text(is_html, rendered octets)*, alternative_facts_part_end }*
 *       alternative_facts_close }*
 *
 * SpamAssassin's multipart_alternative_difference: the words (white space between, at least one letter, digit
 * or "_" in each) of the rendered HTML parts that stand there more often than in the text parts, as a
 * percentage of the HTML's different words; the greatest of all multipart/alternatives counts. An HTML part
 * without words but with an image is one word that no text has.
 *
 * Words are kept as 32-bit hashes with two counts, in open addressing. What a hostile mail can do with chosen
 * hashes is to make probes longer: after ALTERNATIVE_PROBES_MAX of them a word is not kept (is_capped).
 *
 * Words are those of UTF-8: U+00A0 is white space, most octets over 0x7f are letters.
 *
 * Differences: an alternative inside an alternative counts as a part of the outer one, not once more on
 * its own; words beyond ALTERNATIVE_WORDS_MAX are not compared.
 *
 * Owns:    nothing. 128 KiB.
 * Threads: one struct, one thread.
 * Limits:  ALTERNATIVE_WORDS_MAX words, ALTERNATIVE_PROBES_MAX probes a word: above and below.
 * Fails:   never. */
#ifndef WEIR_SCAN_ALTERNATIVE_FACTS_H
#define WEIR_SCAN_ALTERNATIVE_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    /* Slots; a power of two. */
    ALTERNATIVE_SLOTS = 16384,

    /* Different words kept: three quarters of the slots. A novel chapter has 2,000. */
    ALTERNATIVE_WORDS_MAX = ALTERNATIVE_SLOTS / 4 * 3,

    /* At that load an honest search takes 9 probes on average; one of 64 has been made. */
    ALTERNATIVE_PROBES_MAX = 64
};

struct alternative_word {
    uint32_t hash; /* never 0 */
    uint16_t html_cnt, text_cnt; /* both 0: the slot is empty; they stop at 65,535 */
};

struct alternative_facts {
    double difference;         /* percent: SpamAssassin's madiff */
    uint64_t html_cnt, text_cnt; /* different words of the last alternative that had HTML */
    bool is_capped;
    bool has_image;
    unsigned depth;
    uint32_t words_cnt;
    uint32_t words_html, words_text, words_left; /* of them: in HTML, in text, more often in HTML */
    uint32_t hash; /* of the word being read */
    bool has_octets, is_word, is_html, has_c2;
    struct alternative_word words[ALTERNATIVE_SLOTS];
};

/* At the start of a message; does not touch the words. */
void alternative_facts_init(struct alternative_facts *f);

/* A multipart/alternative begins and ends. */
void alternative_facts_open(struct alternative_facts *f);
void alternative_facts_close(struct alternative_facts *f);

/* Rendered text of a part inside one (else nothing happens); any split. */
void alternative_facts_text(struct alternative_facts *f, bool is_html, const uint8_t *octets, size_t len);

/* The part is over. has_image: its HTML had an <img>. */
void alternative_facts_part_end(struct alternative_facts *f, bool has_image);

#ifdef __cplusplus
}
#endif
#endif
