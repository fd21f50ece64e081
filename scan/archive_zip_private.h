/* archive_zip_private: what the two files of ZIP share. Private to scan/.
 *
 *     archive_zip_seek.c  SEEK: headers, the end of the directory, and the junk between them
 *     archive_zip.c       what follows a header: names, data, the directory's entries
 *
 * Owns:    nothing; all state is in walk.zip. */
#ifndef WEIR_SCAN_ARCHIVE_ZIP_PRIVATE_H
#define WEIR_SCAN_ARCHIVE_ZIP_PRIVATE_H

#include "scan/archive_private.h"

enum {
    ZIP_FLAG_ENCRYPTED = 1,
    ZIP_FLAG_DESCRIPTOR = 8,
    ZIP_FLAG_MASKED = 0x2000,
    ZIP_FLAG_UTF8 = 0x800
};

/* Where hold begins. */
static inline uint64_t
zip_position(const struct walk *w)
{
    return w->off - w->hold_len;
}

/* Nothing, or a header, stands at the front of hold: reads it, or goes on to the next one. */
enum step zip_seek(struct walk *w);

#endif
