/* preflight_hostile: mails made to cost time. Each drives one thing to where it hurts: long lines, long runs of what
 * patterns repeat, as many fields, parts, links and tags as are looked at.
 *
 * Threads: pure functions. Limits: PREFLIGHT_HOSTILE_LEN octets each. */
#ifndef WEIR_CONTROL_PREFLIGHT_HOSTILE_H
#define WEIR_CONTROL_PREFLIGHT_HOSTILE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { PREFLIGHT_HOSTILE_LEN = 96 * 1024 };

enum preflight_hostile {
    HOSTILE_LONG_LINE,  /* one line of words without an end */
    HOSTILE_RUNS,       /* runs of a letter, blanks, dots, digits, dashes */
    HOSTILE_ALMOST,     /* words that many rules begin with, never what they end with */
    HOSTILE_FIELDS,     /* a thousand header fields */
    HOSTILE_RECEIVED,   /* as many relays as are read */
    HOSTILE_MIME,       /* multiparts in multiparts, and many parts */
    HOSTILE_LINKS,      /* links, each to a host of its own */
    HOSTILE_HTML,       /* tags, attributes and styles, nested */
    HOSTILE_ENCODED,    /* quoted-printable where every octet is escaped */
    HOSTILE_CNT
};

const char *preflight_hostile_name(enum preflight_hostile kind);

/* Writes the mail to out[PREFLIGHT_HOSTILE_LEN]. Returns its octets. */
size_t preflight_hostile_mail(enum preflight_hostile kind, uint8_t *out);

#ifdef __cplusplus
}
#endif
#endif
