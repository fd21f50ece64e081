/* pattern: a regular expression taken apart, so that a cheaper one can be made of it.
 *
 * Three things are asked of it, and none may change what a rule hits:
 *
 *   pattern_without   the same expression for subjects in which certain octets do not occur. Most lines of mail
 *                     are ASCII without "&"; most of what makes the dear rules dear are alternatives such as
 *                     \xc3[\xa0-\xa5] or &#224; that such a line cannot take. On lines that are "clean" in this
 *                     sense (match.h) the pruned pattern matches where the whole one does.
 *   pattern_loosened  a simpler expression that matches at least where the whole one does: what it finds is
 *                     confirmed with the whole one.
 *   pattern_literals  strings of which every match contains at least one: a line without any of them need not
 *                     be looked at.
 *
 * Perl's syntax as far as rules use it. What is not understood gives NULL, and the caller uses the pattern as
 * it stands: nothing is guessed.
 *
 * Owns:    the pattern owns a copy of its text.
 * Limits:  PATTERN_DEPTH_MAX nested groups, PATTERN_LITERALS_MAX strings.
 * Threads: none kept; set-up only, allocates.
 * Fails:   NULL: not understood, or over a cap. */
#ifndef WEIR_SCAN_PATTERN_H
#define WEIR_SCAN_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    /* Public rules nest up to 12 deep. Deeper: not understood. */
    PATTERN_DEPTH_MAX = 100,

    /* Strings of one rule: more are not worth their own patterns. */
    PATTERN_LITERALS_MAX = 256,

    /* Octets of one string; longer ones are cut, which only makes them commoner. */
    PATTERN_LITERAL_LEN_MAX = 24
};

struct pattern;

/* A set of octets. */
struct octet_set {
    uint64_t words[4];
};

static inline bool
octet_set_has(const struct octet_set *s, uint8_t octet)
{
    return s->words[octet / 64] >> (octet % 64) & 1;
}

static inline void
octet_set_add(struct octet_set *s, uint8_t octet)
{
    s->words[octet / 64] |= UINT64_C(1) << (octet % 64);
}

/* `is_extended`: /x. The other flags stay with the caller; they do not change what is made. NULL: not
 * understood. */
struct pattern *pattern_parse(const char *text, size_t len, bool is_extended);
void pattern_free(struct pattern *p);

enum pattern_result {
    PATTERN_SAME,    /* nothing to leave out; *out is untouched */
    PATTERN_PRUNED,  /* *out is the text (free()), without /x */
    PATTERN_NOTHING, /* no subject without these octets can match */
};

enum pattern_result pattern_without(const struct pattern *p, const struct octet_set *gone, char **out);

/* The text of an expression that matches wherever p does in a subject without octets of `gone`, and maybe elsewhere:
 * look-arounds, anchors and back-references are left out, long repeats are made unbounded from `times` (>= 1) on.
 * What it finds is to be confirmed. Hyperscan's own prefilter gives up where this does not. NULL: nothing can match.
 * free(). */
char *pattern_loosened(const struct pattern *p, const struct octet_set *gone, int times);

struct pattern_literals {
    char text[PATTERN_LITERALS_MAX][PATTERN_LITERAL_LEN_MAX];
    uint8_t len[PATTERN_LITERALS_MAX]; /* 1..PATTERN_LITERAL_LEN_MAX */
    unsigned cnt;
    int times; /* every match has that many of them, one behind the other */
};

/* Every match in a subject without octets of `gone` contains one of these, whatever its case (letters are
 * given in lower case). False: no such set was found. The rarest set by the letters of English. */
bool pattern_literals(const struct pattern *p, const struct octet_set *gone, struct pattern_literals *out);

#ifdef __cplusplus
}
#endif
#endif
