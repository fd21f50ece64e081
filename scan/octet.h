/* octet: the classes of ASCII by which mail, HTML and rules are cut.
 *
 * "Space" is Perl's \s on octets (9..13 and 32), "word" its \w: letters, digits and "_". An octet
 * above 127 is in none of them, and no locale has a say.
 *
 * Threads: any; pure.
 * Fails:   never. */
#ifndef WEIR_SCAN_OCTET_H
#define WEIR_SCAN_OCTET_H

#include <stdbool.h>
#include <stdint.h>

static inline bool
octet_is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static inline bool
octet_is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static inline bool
octet_is_alpha(uint8_t c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static inline bool
octet_is_alnum(uint8_t c)
{
    return octet_is_alpha(c) || octet_is_digit(c);
}

static inline bool
octet_is_word(uint8_t c)
{
    return octet_is_alnum(c) || c == '_';
}

static inline uint8_t
octet_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

/* What a hexadecimal digit stands for; -1: it is none. */
static inline int
octet_hex(uint8_t c)
{
    if (octet_is_digit(c))
        return c - '0';
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
}

/* What a digit of base64 (RFC 4648) stands for; -1: it is none. */
static inline int
octet_base64(uint8_t c)
{
    if (octet_is_digit(c))
        return c - '0' + 52;
    if (octet_is_alpha(c))
        return c - (c & 0x20 ? 'a' - 26 : 'A');
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

#endif
