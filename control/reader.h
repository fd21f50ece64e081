/* reader: whether somebody else may read what this process can: by owner, group, mode, and POSIX ACL, as the kernel would
 * decide for them. For paths that they name and that are read for them.
 *
 * What cannot be found out is no.
 *
 * Threads: any. */
#ifndef WEIR_CONTROL_READER_H
#define WEIR_CONTROL_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Who. root and our own user may what we may. */
struct reader {
    uint32_t uid;
    const uint32_t *gids;
    unsigned gid_cnt;
};

enum { READER_READ = 4, READER_SEARCH = 1 };

/* fd: of the file or folder (O_PATH will do), st: its fstat. wanted: READER_READ, READER_SEARCH, or both. */
bool reader_may(const struct reader *who, int fd, const struct stat *st, mode_t wanted);

/* The same of the octets of an extended attribute system.posix_acl_access. */
bool reader_may_by_acl(const struct reader *who, const struct stat *st, const void *acl, size_t len, mode_t wanted);

#ifdef __cplusplus
}
#endif
#endif
