/* mailsource: mails in files, one after another: a mail file, a folder, an mbox, a Maildir, standard input.
 *
 *     new(paths) -> { next -> (mail_read | mail_free) }* -> free
 *
 * What a path is, it says itself:
 *
 *   file      one mail; with "From " as its first octets an mbox: each "From " line at the start or after an empty
 *             line begins a mail, which that empty line does not belong to, and ">From " (">>From ", ..) in a mail
 *             loses its first ">" (mboxrd). The n-th mail of an mbox is called "PATH:n", n from 1
 *   folder    everything in it, by name in the order of octets, folders in it too
 *   Maildir   a folder with the folders `cur`, `new` and `tmp`: the mails in cur and new, and folders in it whose
 *             name begins with a dot (Maildir++); tmp and the files beside are no mails
 *   "-"       standard input, a mail or an mbox
 *
 * Line ends come as SMTP would bring them: a mail whose first line ends in LF alone is a Unix file, and each of its
 * LF becomes CRLF; in any other a bare LF is what it is. Its last line always has an end.
 *
 * Owns:    a source: the list of what is still to come, the mbox that is open. A mail: its name and its file or octets.
 * Threads: a source belongs to one thread at a time (the caller's lock); a mail to whoever took it.
 * Limits:  folders nested deeper than SOURCE_DEPTH_MAX are an error (a link may lead in a circle). One mail of an
 *          mbox is held in memory, a mail file never.
 * Fails:   what cannot be read is told as a mail with `error` set, and the rest goes on. */
#ifndef WEIR_CONTROL_MAILSOURCE_H
#define WEIR_CONTROL_MAILSOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { SOURCE_DEPTH_MAX = 64 };

struct mailsource;

struct mail {
    uint64_t number; /* from 0, in order */
    char *name;
    char *error;     /* why it cannot be read, else NULL */
    FILE *file;      /* a mail file; or NULL: */
    uint8_t *octets; /* a mail of an mbox */
    size_t len;
};

/* `paths` outlive the source. */
struct mailsource *mailsource_new(char *const *paths, unsigned paths_cnt);

/* The next mail in *m, the caller's to free. False: there are no more. */
bool mailsource_next(struct mailsource *s, struct mail *m);

void mailsource_free(struct mailsource *s);

/* Hands the mail's octets to `feed` in pieces. False, and m->error set, when they cannot be read to the end. Once. */
bool mail_read(struct mail *m, void (*feed)(void *to, const uint8_t *octets, size_t len), void *to);

void mail_free(struct mail *m);

#ifdef __cplusplus
}
#endif
#endif
