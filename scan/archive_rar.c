/* RAR 4, RAR 5 and 7z: whether they are encrypted. Their names stay unread. */
#include <string.h>

#include "scan/archive_private.h"

enum { RAR_HEADER, RAR_EXTRA, RAR_SKIP };
enum { SEVENZIP_START, SEVENZIP_SKIP, SEVENZIP_HEADER };

/* Octets of a 7z header that are searched for its AES codec: coders are listed at its start. */
enum { SEVENZIP_SEARCHED = 4096 };

void
rar_start(struct walk *w)
{
    w->rar = (struct rar){ 0 };
    walk_flag(w, ARCHIVE_FLAG_NAMES_UNREAD);
    if (w->kind == WALK_RAR4)
        walk_drop(w, 7);
    else if (w->kind == WALK_RAR5)
        walk_drop(w, 8);
}

static enum step
over(struct walk *w)
{
    w->kind = WALK_DONE;
    return STEP_AGAIN;
}

static enum step
encrypted(struct walk *w)
{
    walk_flag(w, ARCHIVE_FLAG_ENCRYPTED);
    return over(w);
}

/* Passes over left octets, hold first; then `then`. */
static enum step
skip(struct walk *w, unsigned then)
{
    if (!walk_pass(w, &w->rar.left))
        return STEP_MORE;
    w->rar.state = then;
    return STEP_AGAIN;
}

/* crc 2, type 1, flags 2, size 2, and with flag 0x8000 the size of what follows the block, 4. */
enum step
rar4_step(struct walk *w)
{
    if (w->rar.state == RAR_SKIP)
        return skip(w, RAR_HEADER);
    if (!walk_gather(w, 11) && !w->is_at_end)
        return STEP_MORE;
    if (w->hold_len < 7)
        return over(w);
    uint8_t type = w->hold[2];
    uint16_t flags = archive_u16(w->hold + 3);
    uint16_t size = archive_u16(w->hold + 5);
    if (type == 0x73 && (flags & 1))
        walk_flag(w, ARCHIVE_FLAG_SPLIT);
    if ((type == 0x73 && (flags & 0x80)) || (type == 0x74 && (flags & 4)))
        return encrypted(w);
    if (size < 7 || type < 0x72 || type == 0x7b)
        return over(w);
    w->rar.left = size;
    if ((flags & 0x8000) && w->hold_len >= 11)
        w->rar.left += archive_u32(w->hold + 7);
    w->rar.state = RAR_SKIP;
    return STEP_AGAIN;
}

/* A number in groups of seven bits, the lowest first. False: it does not end in the hold. */
static bool
read_vint(const struct walk *w, uint32_t *at, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 63 && *at < w->hold_len; shift += 7) {
        uint8_t c = w->hold[(*at)++];
        *value |= (uint64_t)(c & 0x7f) << shift;
        if (!(c & 0x80))
            return true;
    }
    return false;
}

/* crc 4, then numbers: size of the rest, type, flags, size of the extra area at its end, size of what follows. */
static enum step
rar5_header(struct walk *w)
{
    if (!walk_gather(w, 48) && !w->is_at_end)
        return STEP_MORE;
    uint32_t at = 4;
    uint64_t size, type, flags;
    uint64_t extra = 0;
    uint64_t data = 0;
    if (w->hold_len < 8 || !read_vint(w, &at, &size))
        return over(w);
    uint64_t end = at + size;
    if (!read_vint(w, &at, &type) || !read_vint(w, &at, &flags) ||
        ((flags & 1) && !read_vint(w, &at, &extra)) || ((flags & 2) && !read_vint(w, &at, &data)))
        return over(w);
    if (type == 4)
        return encrypted(w);
    if (size > 1 << 21 || extra > size || data > (uint64_t)1 << 62 || type == 5)
        return over(w);
    if (type == 1 && at < w->hold_len && (w->hold[at] & 1))
        walk_flag(w, ARCHIVE_FLAG_SPLIT);
    w->rar.left = end - extra;
    w->rar.extra_len = extra;
    w->rar.data_len = data;
    w->rar.state = RAR_SKIP;
    return STEP_AGAIN;
}

/* The extra area's first record: size, type; 1 is the file's encryption, which RAR writes first. */
static enum step
rar5_extra(struct walk *w)
{
    if (w->rar.extra_len >= 4) {
        if (!walk_gather(w, 4))
            return STEP_MORE;
        uint32_t at = 0;
        uint64_t size, type;
        if (read_vint(w, &at, &size) && read_vint(w, &at, &type) && type == 1)
            return encrypted(w);
    }
    w->rar.left = w->rar.extra_len + w->rar.data_len;
    w->rar.extra_len = 0;
    w->rar.data_len = 0;
    w->rar.state = RAR_SKIP;
    return STEP_AGAIN;
}

enum step
rar5_step(struct walk *w)
{
    if (w->rar.state == RAR_HEADER)
        return rar5_header(w);
    if (w->rar.state == RAR_EXTRA)
        return rar5_extra(w);
    return skip(w, w->rar.extra_len + w->rar.data_len ? RAR_EXTRA : RAR_HEADER);
}

/* The codec's number is 06 f1 07 01. */
static enum step
sevenzip_header(struct walk *w)
{
    while (w->rar.left > 0 && (w->hold_len > 0 || w->in.len > 0)) {
        walk_gather(w, 1);
        w->rar.match = w->rar.match << 8 | w->hold[0];
        walk_drop(w, 1);
        w->rar.left--;
        if (w->rar.match == 0x06f10701)
            return encrypted(w);
    }
    return w->rar.left == 0 ? over(w) : STEP_MORE;
}

/* mark 6, version 2, crc 4, then of the header at the end: place 8, size 8, crc 4. */
enum step
sevenzip_step(struct walk *w)
{
    if (w->rar.state == SEVENZIP_HEADER)
        return sevenzip_header(w);
    if (w->rar.state == SEVENZIP_SKIP) {
        enum step s = skip(w, SEVENZIP_HEADER);
        if (s == STEP_AGAIN)
            w->rar.left = SEVENZIP_SEARCHED;
        return s;
    }
    if (!walk_gather(w, 32))
        return STEP_MORE;
    w->rar.left = archive_u64(w->hold + 12);
    walk_drop(w, 32);
    w->rar.state = SEVENZIP_SKIP;
    return STEP_AGAIN;
}
