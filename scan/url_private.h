/* url_private: what the files of url.h share.
 *
 *   url_text.c    finds URLs in a line
 *   url.c         the table: strings, details, what belongs to the URL being added
 *   url_canon.c   the variants of one URL
 *   url_part.c    operations on octets: escapes, entities, IPv4 spellings, the host of a URL */
#ifndef WEIR_SCAN_URL_PRIVATE_H
#define WEIR_SCAN_URL_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/url.h"

/* A string under construction, on the stack. What is too much is left out and told. */
struct url_buf {
    size_t len;
    bool is_cut;
    uint8_t text[URL_LEN_MAX];
};

/* A URL being added: its strings come behind the marks until it is kept or dropped. */
struct url_build {
    struct urls *u;
    uint32_t arena_mark; /* behind the raw form */
    uint16_t string_mark, link_mark;
    uint16_t todo_cnt, done_cnt;
    uint16_t todo[URL_REDIRECT_MAX + 1]; /* strings: the URL itself, then targets of redirectors */
};

/* Octets of ASCII of one kind. */
static inline bool
url_is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static inline bool
url_is_alnum(uint8_t c)
{
    return url_is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static inline bool
url_is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* url_part.c */

static inline void
url_buf_init(struct url_buf *b) /* not all of the text is cleared: that would cost more than the work */
{
    b->len = 0;
    b->is_cut = false;
}

void url_put(struct url_buf *b, const void *p, size_t len);
void url_puts(struct url_buf *b, const char *s);
void url_put_span(struct url_buf *b, struct span s);

static inline struct span
url_buf_span(const struct url_buf *b)
{
    return (struct span){b->text, b->len};
}

static inline struct span
url_from(struct span s, size_t off)
{
    return (struct span){s.ptr + off, s.len - off};
}

/* Does s begin with the lower-case prefix, in any case? */
bool url_begins(struct span s, const char *prefix);

/* Does "www", at most two digits and "." begin s? */
bool url_begins_www(struct span s);

bool url_has(struct span s, uint8_t c);

/* Is there "%" and two hex digits? */
bool url_has_escape(struct span s);

/* Appends s: escapes of 0x21-0x7e undone (a second round of escapes stays), octets that no URL may hold
 * escaped. */
void url_put_unescaped(struct url_buf *b, struct span s);

/* Undoes "&#46;" and the like of printable ASCII, and full stops of other scripts. In place. */
void url_undo_entities(struct url_buf *b);

/* Appends the host as four decimal numbers, if it is an IPv4 address in any base. */
bool url_put_ipv4(struct url_buf *b, struct span host);

/* The host of a canonical URL in normal form. False: there is none. */
bool url_host_name(struct span url, struct host *h);

/* Fills in the rest of it. False: neither an IP address nor a name under a known top-level domain. */
bool url_find_domain(const struct suffix_set *set, struct host *h);

/* Does the name end in "." and a known top-level domain? */
bool url_has_tld(const struct suffix_set *set, struct span name);

/* url_canon.c: all variants of what is in b->todo. */
void url_canonicalize(struct url_build *b);

/* url.c */

/* One more variant. */
void url_variant(struct url_build *b, struct span text);

/* One more variant, which is canonicalized itself. */
void url_follow(struct url_build *b, struct span text);

/* Adds or finds. Returns the detail's number, -1: left out (full; or needs_domain and there is none). */
int url_add(struct urls *u, struct span raw, uint32_t types, bool needs_domain);

#endif
