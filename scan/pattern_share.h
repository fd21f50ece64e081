/* pattern_share: a regex that is too large for PCRE2, made smaller without changing what it matches.
 *
 * PCRE2's code has 64 KiB at most. Replace tags (`<A>` for every octet sequence that looks like an A) write the same
 * group again and again, and `(..){1,3}` is compiled three times. Here such a group is written once, in a
 * (?(DEFINE)..) behind the pattern, and called where it stood:
 *
 *     (?:a|4)b(?:a|4)   ->   (?:(?&w1)b(?&w1))(?(DEFINE)(?<w1>a|4))
 *
 * A call is no more atomic than the group was (PCRE2 10.30). Shared are only groups "(?:..)" without captures, back
 * references or \K; a pattern with option settings, comments, verbs or calls of its own is left as it is.
 *
 * Limits: SHARE_* below; past them NULL. Time: SHARE_ROUNDS_MAX times the length times the depth; set-up only.
 * Fails:  never; no memory ends the process, as in all set-up code. */
#ifndef WEIR_SCAN_PATTERN_SHARE_H
#define WEIR_SCAN_PATTERN_SHARE_H

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SHARE_LEN_MAX = 1024 * 1024, /* octets of the pattern; stock rules have 224 kB */
    SHARE_DEPTH_MAX = 64,        /* of groups in groups */
    SHARE_ROUNDS_MAX = 64,       /* groups shared; stock rules need 24 */
    SHARE_GROUP_MIN = 40         /* octets that are worth a call */
};

/* The smaller pattern (free()), or NULL when nothing can be shared. `text` is not in extended syntax (/x). */
char *pattern_share(const char *text);

#ifdef __cplusplus
}
#endif
#endif
