/* preflight_corpus: mails of known kind, in memory, so that each check and each child reads them once.
 *
 * A path is what mailsource.h takes: a folder, a Maildir, an mbox, a file. "" is the corpus that ships: rules/corpus, mails of
 * our own making. Of each mail the public suffix of its sender's address (From) is kept, for the strata.
 *
 * Owns:    a corpus its mails.
 * Limits:  PREFLIGHT_CORPUS_*; what is beyond is not read, and is_cut says so.
 * Fails:   with a sentence: a mail that cannot be read, none at all. */
#ifndef WEIR_CONTROL_PREFLIGHT_CORPUS_H
#define WEIR_CONTROL_PREFLIGHT_CORPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    PREFLIGHT_CORPUS_MAILS = 200000,
    PREFLIGHT_CORPUS_MIB = 1024
};

struct preflight_mail {
    char *name;
    uint8_t *octets; /* CRLF line ends */
    size_t len;
    char *suffix; /* of the sender; "": none */
};

struct preflight_corpus {
    struct preflight_mail *mails;
    uint32_t cnt;
    uint64_t octets;
    bool is_cut;
};

/* kind: "ham" or "spam", for path "". 0, or -1 with a sentence; free in both cases. */
int preflight_corpus_read(struct preflight_corpus *c, const char *path, const char *kind, char *why, size_t size);
void preflight_corpus_free(struct preflight_corpus *c);

#ifdef __cplusplus
}
#endif
#endif
