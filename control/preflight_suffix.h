/* preflight_suffix: the Public Suffix List as names that a mail could bear.
 *
 * A rule of the list becomes a domain somebody could have registered under it, once with U-labels and once with
 * A-labels where they differ:
 *
 *     co.uk       suffix co.uk          domain brookfield.co.uk
 *     *.ck        suffix com.ck         domain brookfield.com.ck
 *     !www.ck     suffix ck             domain www.ck
 *     個人.hk      suffix xn--gmqw5a.hk  domains brookfield.個人.hk and brookfield.xn--gmqw5a.hk
 *
 * In this order: those that most mail comes from, then the rest of ICANN's by their number of labels, then the private
 * ones: so that what matters is known first. libpsl cannot list its rules; the text file of the package publicsuffix
 * is read.
 *
 * Owns:    a preflight_suffixes its names.
 * Limits:  SUFFIX_RULES_MAX rules; a line of more than SUFFIX_LINE_MAX octets is an error.
 * Fails:   with a sentence: no list, no rules in it, a line that is no rule. */
#ifndef WEIR_CONTROL_PREFLIGHT_SUFFIX_H
#define WEIR_CONTROL_PREFLIGHT_SUFFIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PREFLIGHT_SUFFIX_LIST "/usr/share/publicsuffix/public_suffix_list.dat"

enum { SUFFIX_RULES_MAX = 65536, SUFFIX_LINE_MAX = 200 };

struct preflight_suffix {
    char *suffix; /* lower case, A-labels */
    char *domain; /* as it stands in the mail */
    uint32_t rank, order; /* of the sorting */
};

struct preflight_suffixes {
    struct preflight_suffix *list;
    uint32_t cnt;         /* names */
    uint32_t rules_cnt;   /* of the list */
    uint32_t popular_cnt; /* names, at the front */
};

/* path NULL: PREFLIGHT_SUFFIX_LIST. 0, or -1 with a sentence; free in both cases. */
int preflight_suffixes_read(struct preflight_suffixes *s, const char *path, char *why, size_t size);
void preflight_suffixes_free(struct preflight_suffixes *s);

#ifdef __cplusplus
}
#endif
#endif
