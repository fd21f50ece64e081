/* charset: octets in a declared character set to UTF-8, decided as SpamAssassin 4.0.1 does
 * (Message/Node.pm _normalize, without Encode::Detect), because rules are written for what comes
 * out of it:
 *
 *     only ASCII ------------------------------------------------> unchanged        CHARSET_ASCII
 *     valid UTF-8, whatever is declared -------------------------> unchanged        CHARSET_UTF8
 *     valid in the declared set (ISO-8859-1 means Windows-1252) -> converted CHARSET_CONVERTED
 *     ASCII, letters and punctuation of Windows-1252 ------------> from that        CHARSET_GUESSED
 *     anything else ---------------------------------------------> from that, U+FFFD
 * CHARSET_GARBAGE
 *
 * "UTF-16" without a byte order mark is guessed by its blanks. Sets with escapes (ISO-2022-JP, HZ,
 * UTF-7) are converted though they look like ASCII.
 *
 * A whole text: charset_decode. A text in windows: charset_begin, then charset_feed for each; the
 * first window with an octet that needs it decides for all (SpamAssassin sees the whole text
 * first), and what does not fit the decision later becomes U+FFFD. A character cut at a window's
 * end is not read: the caller puts the octets behind r->used (at most CHARSET_CUT_MAX when there
 * was room for the output) before the next window.
 *
 * Tables are made at set-up through iconv, as Encode has them as far as glibc knows; nothing is
 * opened or allocated later. Known to differ: ISO-2022-JP and HZ go on behind octets that they do
 * not allow, where Encode drops the rest of the text; in an encoded word Encode loses a three-octet
 * character behind an octet that is no UTF-8; characters of BIG5-HKSCS beyond U+FFFF; 106 of GBK's
 * 23,940 and 34 of Big5's 14,000 pairs, for which Encode has code points of private use or
 * radicals.
 *
 * Owns:    struct charset_set, about 1 MB.
 * Threads: a set is only read after charset_set_new.
 * Limits:  output is at most CHARSET_ROOM(octets). Less room: less is read.
 * Fails:   charset_set_new only. */
#ifndef WEIR_SCAN_CHARSET_H
#define WEIR_SCAN_CHARSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/span.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Octets out for one octet in: "\x80" of Windows-1252 is U+20AC; U+FFFD for any octet. */
enum { CHARSET_GROWTH = 3 };

/* And for what an earlier window left in the state, and stores of four octets. */
enum { CHARSET_SLACK = 8 };

/* Room that `len` octets need. */
#define CHARSET_ROOM(len) ((size_t)(len)*CHARSET_GROWTH + CHARSET_SLACK)

/* Octets of a character, escape or broken character that can be cut at a window's end. */
enum { CHARSET_CUT_MAX = 16 };

/* Octets of a charset's name that are looked at; all known ones are shorter. */
enum { CHARSET_NAME_MAX = 40 };

struct charset_set;
struct charset_codec;

enum charset_how {
    CHARSET_ASCII,
    CHARSET_UTF8,
    CHARSET_CONVERTED,
    CHARSET_GUESSED,
    CHARSET_GARBAGE
};

struct charset_result {
    enum charset_how how;
    bool is_same;    /* the first `used` octets of the input are the output; nothing was written */
    bool is_unknown; /* no such set as the declared one */
    const char *
        from; /* name of the set that was decoded, static; "us-ascii", "utf-8", "windows-1252" .. */
    size_t used; /* octets read */
};

/* What is remembered between the windows of one text. */
struct charset_text {
    const struct charset_codec *declared; /* NULL: not known */
    const struct charset_codec *codec;    /* decided; NULL: not yet */
    enum charset_how how;
    bool is_utf16_name;
    bool is_ascii_name;
    uint8_t shift; /* of sets with escapes */
    uint8_t bits;  /* UTF-7: in acc */
    uint16_t high; /* UTF-7: first half of a pair */
    uint32_t acc;
};

/* NULL: a set of the list is not known to iconv, or out of memory; printed. */
struct charset_set *charset_set_new(void);
void charset_set_free(struct charset_set *set);

/* A whole text. Returns octets written; 0 with r->is_same. r->used < in.len: `cap` was too small.
 */
size_t charset_decode(const struct charset_set *set, struct span name, struct span in, uint8_t *out,
                      size_t cap, struct charset_result *r);

/* The text of an RFC 2047 encoded word: the declared set is taken at its word, what it does not
 * allow becomes U+FFFD; UTF-16 stays as it is (SpamAssassin). */
size_t charset_decode_word(const struct charset_set *set, struct span name, struct span in,
                           uint8_t *out, size_t cap, struct charset_result *r);

/* `name` is not kept. An empty name is us-ascii. */
void charset_begin(struct charset_text *t, const struct charset_set *set, struct span name);
size_t charset_feed(struct charset_text *t, const struct charset_set *set, struct span in,
                    bool is_last, uint8_t *out, size_t cap, struct charset_result *r);

/* Octets before the first that is not ASCII. */
size_t charset_ascii_len(struct span in);

/* Octets before the first that is not UTF-8 for interchange (Encode's "UTF-8": no surrogates, no
 * non-characters, nothing over U+10FFFF); a character that is not complete is not counted. */
size_t charset_utf8_len(struct span in);

/* in.len cut to at most `max` octets at the start of a UTF-8 character. */
size_t charset_utf8_cut(struct span in, size_t max);

#ifdef __cplusplus
}
#endif
#endif
