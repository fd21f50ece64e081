/* entity: HTML character references ("&amp;", "&eacute", "&#233;", "&#xE9;") to UTF-8.
 *
 * Reads them as Perl's HTML::Parser 3.81 does, since that is what SpamAssassin's rules are written on:
 *
 *   - names are libxml2's 253 of HTML 4 (the very set of Perl's HTML::Entities); case matters. Those
 *     below U+0100 need no ';', the others do.
 *   - in text, the longest beginning of the letters that is such a name counts ("&copyright" is (c) and
 *     "right"); in attribute values only the whole word.
 *   - numbers: 0, above 0x10ffff, 0xfffe and 0xffff are not references and stay as they are written;
 *     a surrogate pair written as two references is one character, half a pair is U+FFFD, and so are the
 *     other noncharacters. 128-159 are the C1 controls, not windows-1252.
 *
 * Owns:    a constant table after set-up.
 * Threads: entity_setup before any thread; entity_read is pure after it.
 * Limits:  a reference longer than ENTITY_LEN_MAX octets (leading zeros) is text.
 * Fails:   never. */
#ifndef WEIR_SCAN_ENTITY_H
#define WEIR_SCAN_ENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Octets looked at behind '&'. Names have 8 letters, numbers 7 digits; the rest is for leading zeros. */
enum { ENTITY_LEN_MAX = 32 };

struct entity {
    uint32_t code;   /* 0: no reference, the octets taken stay as they are */
    uint8_t len;     /* of utf8 */
    uint8_t utf8[4];
};

/* Builds the table of names. Set-up only; again is harmless. */
void entity_setup(void);

/* `p` begins with '&'. Returns how many octets were taken; 0: more of the text is needed to tell (never
 * when is_last, nor when len >= 2 * ENTITY_LEN_MAX). */
size_t entity_read(const uint8_t *p, size_t len, bool is_last, bool is_text, struct entity *e);

/* Decodes an attribute value in place; returns its new length (never longer). */
size_t entity_value(uint8_t *p, size_t len);

/* Writes a character; 1 to 4 octets. */
uint8_t entity_utf8(uint32_t code, uint8_t out[4]);

#ifdef __cplusplus
}
#endif
#endif
