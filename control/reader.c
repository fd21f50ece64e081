#include "control/reader.h"

#include <errno.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { ACL_MAX = 4096 }; /* 500 entries; a longer one is not read, so: no */

static bool
is_in(const struct reader *who, gid_t gid)
{
    for (unsigned i = 0; i < who->gid_cnt; i++) {
        if (who->gids[i] == gid)
            return true;
    }
    return false;
}

static bool
by_mode(const struct reader *who, const struct stat *st, mode_t wanted)
{
    if (st->st_uid == who->uid)
        return (st->st_mode >> 6 & wanted) == wanted;
    if (is_in(who, st->st_gid))
        return (st->st_mode >> 3 & wanted) == wanted;
    return (st->st_mode & wanted) == wanted;
}

/* What the entries say about them, first to last: acl(5), "access check algorithm". */
struct said {
    bool is_user;  /* an entry of their own, */
    bool is_group; /* or of one of their groups; */
    bool is_given; /* one of which gives what is wanted */
    mode_t user, mask, other;
};

static void
take_entry(const struct reader *who, const struct stat *st, const struct posix_acl_xattr_entry *e, mode_t wanted,
           struct said *s)
{
    bool gives = (e->e_perm & wanted) == wanted;
    bool is_theirs = (e->e_tag == ACL_GROUP_OBJ && is_in(who, st->st_gid)) || (e->e_tag == ACL_GROUP && is_in(who, e->e_id));
    if (e->e_tag == ACL_USER && e->e_id == who->uid) {
        s->is_user = true;
        s->user = e->e_perm;
    } else if (is_theirs) {
        s->is_group = true;
        s->is_given = s->is_given || gives;
    } else if (e->e_tag == ACL_MASK) {
        s->mask = e->e_perm;
    } else if (e->e_tag == ACL_OTHER) {
        s->other = e->e_perm;
    }
}

bool
reader_may_by_acl(const struct reader *who, const struct stat *st, const void *acl, size_t len, mode_t wanted)
{
    struct posix_acl_xattr_header head;
    struct posix_acl_xattr_entry e;
    struct said s = {.mask = READER_READ | READER_SEARCH};
    const char *octets = acl;
    if (len < sizeof(head) || (len - sizeof(head)) % sizeof(e))
        return false;
    memcpy(&head, octets, sizeof(head));
    if (head.a_version != POSIX_ACL_XATTR_VERSION)
        return false;
    for (size_t at = sizeof(head); at < len; at += sizeof(e)) {
        memcpy(&e, octets + at, sizeof(e));
        take_entry(who, st, &e, wanted, &s);
    }
    if (st->st_uid == who->uid) /* the entry of the owner is the mode's */
        return (st->st_mode >> 6 & wanted) == wanted;
    if (s.is_user)
        return (s.user & s.mask & wanted) == wanted;
    if (s.is_group)
        return s.is_given && (s.mask & wanted) == wanted;
    return (s.other & wanted) == wanted;
}

bool
reader_may(const struct reader *who, int fd, const struct stat *st, mode_t wanted)
{
    char path[64], acl[ACL_MAX];
    if (who->uid == 0 || who->uid == geteuid())
        return true;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd); /* an O_PATH descriptor has no attributes by itself */
    ssize_t len = getxattr(path, "system.posix_acl_access", acl, sizeof(acl));
    if (len >= 0)
        return reader_may_by_acl(who, st, acl, (size_t)len, wanted);
    return (errno == ENODATA || errno == ENOTSUP) && by_mode(who, st, wanted);
}
