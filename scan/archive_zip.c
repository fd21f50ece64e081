/* ZIP (PKWARE's APPNOTE 6.3), walked from its front as it streams.
 *
 *     SEEK -- local header --> NAME --> EXTRA <-> EXTRA_FIELD --> DATA --> DESCRIPTOR? -->
 * MEMBER_OVER --> SEEK
 *       `---- directory -----> NAME --> EXTRA <-> EXTRA_FIELD --> COMMENT --> SEEK
 *
 * What SEEK finds between headers is junk: counted, flagged, and searched for the next header octet
 * by octet, the archive's own comment too. */
#include <string.h>

#include "scan/archive_zip_private.h"

enum { STORED = 0, DEFLATED = 8, METHOD_AES = 99 };
enum { ZIP64_ID = 1, ZIP64_LEN = 28 };

void
zip_start(struct walk *w)
{
    struct zip *z = &w->zip;
    memset(z, 0, offsetof(struct zip, records));
    z->state = ZIP_SEEK;
}

/* Names and extra fields */

static enum step
read_name(struct walk *w)
{
    struct zip *z = &w->zip;
    while (z->left > 0 && (w->hold_len > 0 || w->in.len > 0)) {
        const uint8_t *from = w->hold_len ? w->hold : w->in.ptr;
        size_t n = w->hold_len ? w->hold_len : w->in.len;
        n = z->left < n ? (size_t)z->left : n;
        for (size_t i = 0; i < n; i++) {
            z->name_hash = (z->name_hash ^ from[i]) * 1099511628211u;
            if (w->name_len < ARCHIVE_NAME_MAX)
                w->name[w->name_len++] = from[i];
        }
        z->left -= n;
        if (w->hold_len)
            walk_drop(w, (uint32_t)n);
        else
            walk_advance(w, n);
    }
    if (z->left > 0)
        return STEP_MORE;
    if (z->entry.name_len > ARCHIVE_NAME_MAX)
        walk_flag(w, ARCHIVE_FLAG_NAME_CUT);
    z->state = ZIP_EXTRA;
    return STEP_AGAIN;
}

/* Sizes of 64 bits, in this order, each only where its 32 bits are full (APPNOTE 4.5.3). */
static void
read_zip64(struct zip_entry *e, const uint8_t *field, uint32_t len)
{
    uint64_t *sizes[3] = {&e->usize, &e->csize, e->is_central ? &e->off : NULL};
    e->is_zip64 = true;
    for (unsigned i = 0; i < 3 && len >= 8; i++) {
        if (!sizes[i] || *sizes[i] != 0xffffffff)
            continue;
        *sizes[i] = archive_u64(field);
        field += 8;
        len -= 8;
    }
}

static enum step begin_member(struct walk *w);

static enum step
read_extra(struct walk *w)
{
    struct zip *z = &w->zip;
    struct zip_entry *e = &z->entry;
    if (e->extra_len >= 4) {
        if (!walk_gather(w, 4))
            return STEP_MORE;
        uint16_t len = archive_u16(w->hold + 2);
        z->field_id = archive_u16(w->hold);
        walk_drop(w, 4);
        e->extra_len = (uint16_t)(e->extra_len - 4);
        z->left = len < e->extra_len ? len : e->extra_len;
        e->extra_len = (uint16_t)(e->extra_len - z->left);
        z->state = ZIP_EXTRA_FIELD;
        return STEP_AGAIN;
    }
    uint64_t left = e->extra_len;
    bool is_over = walk_pass(w, &left);
    e->extra_len = (uint16_t)left;
    if (!is_over)
        return STEP_MORE;
    if (!e->is_central)
        return begin_member(w);
    z->left = e->comment_len;
    z->state = ZIP_COMMENT;
    return STEP_AGAIN;
}

static enum step
read_extra_field(struct walk *w)
{
    struct zip *z = &w->zip;
    if (z->field_id == ZIP64_ID && !z->entry.is_zip64) {
        uint32_t len = z->left < ZIP64_LEN ? (uint32_t)z->left : ZIP64_LEN;
        if (!walk_gather(w, len))
            return STEP_MORE;
        read_zip64(&z->entry, w->hold, len);
    }
    if (!walk_pass(w, &z->left))
        return STEP_MORE;
    z->state = ZIP_EXTRA;
    return STEP_AGAIN;
}

/* Members */

static void
describe_member(struct walk *w, bool is_listed_only)
{
    const struct zip_entry *e = &w->zip.entry;
    uint8_t last = w->name_len ? w->name[w->name_len - 1] : 0;
    w->member = (struct archive_member){
        .size = e->usize,
        .is_utf8 = e->flags & ZIP_FLAG_UTF8,
        .is_encrypted = (e->flags & ZIP_FLAG_ENCRYPTED) || e->method == METHOD_AES,
        .is_folder = (last == '/' || last == '\\') && e->usize == 0,
        .is_listed_only = is_listed_only,
    };
    if (e->flags & ZIP_FLAG_MASKED)
        walk_flag(w, ARCHIVE_FLAG_NAMES_UNREAD);
}

static void
add_record(struct walk *w)
{
    struct zip *z = &w->zip;
    const struct zip_entry *e = &z->entry;
    if (z->records_cnt == ARCHIVE_MEMBERS_MAX) {
        z->is_capped = true;
        return;
    }
    z->records[z->records_cnt++] = (struct zip_record){
        .off = e->off,
        .csize = e->csize,
        .usize = e->usize,
        .name_hash = z->name_hash,
        .crc = e->crc,
        .flags = e->flags,
        .method = e->method,
        .is_sized = !(e->flags & ZIP_FLAG_DESCRIPTOR),
    };
}

static enum zip_data
data_mode(struct walk *w)
{
    const struct zip_entry *e = &w->zip.entry;
    bool is_empty = e->csize == 0 && !(e->flags & ZIP_FLAG_DESCRIPTOR);
    if (w->member.is_read && e->method == DEFLATED && !is_empty)
        return ZIP_INFLATED;
    if ((e->flags & ZIP_FLAG_DESCRIPTOR) && e->csize == 0)
        return ZIP_SCANNED;
    return w->member.is_read ? ZIP_COUNTED : ZIP_SKIPPED;
}

static enum step
begin_member(struct walk *w)
{
    struct zip *z = &w->zip;
    const struct zip_entry *e = &z->entry;
    describe_member(w, false);
    bool is_known = e->method == STORED || e->method == DEFLATED;
    if (!is_known && !w->member.is_encrypted)
        walk_flag(w, ARCHIVE_FLAG_METHOD);
    w->member.is_read = is_known && !w->member.is_encrypted && !w->member.is_folder &&
                        w->archive->octets < w->archive->limits.octets_max;
    z->data = data_mode(w);
    z->is_complete = false;
    z->is_stopped = false;
    z->left = z->data == ZIP_INFLATED && (e->flags & ZIP_FLAG_DESCRIPTOR) ? UINT64_MAX : e->csize;
    if (z->data == ZIP_INFLATED)
        inflateReset2(&w->z, -MAX_WBITS);
    w->is_gz_header = false;
    add_record(w);
    z->state = ZIP_DATA;
    return walk_begin(w) ? STEP_BEGIN : STEP_AGAIN;
}

/* The data is over, or given up with `left` octets of it to come. */
static enum step
data_over(struct walk *w)
{
    struct zip *z = &w->zip;
    bool has_descriptor = z->entry.flags & ZIP_FLAG_DESCRIPTOR;
    z->state = has_descriptor && !z->is_stopped ? ZIP_DESCRIPTOR : ZIP_MEMBER_OVER;
    return STEP_AGAIN;
}

static enum step
read_inflated(struct walk *w, struct span *data)
{
    struct zip *z = &w->zip;
    bool has_descriptor = z->entry.flags & ZIP_FLAG_DESCRIPTOR;
    if (z->is_stopped ||
        z->is_complete) { /* the octets behind its stream, if their number is known */
        if (!has_descriptor && !walk_skip(w, &z->left))
            return STEP_MORE;
        return data_over(w);
    }
    enum inflated result = walk_inflate(w, &z->left, data);
    if (result == INFLATED_DATA)
        return STEP_DATA;
    if (result == INFLATED_MORE && z->left > 0)
        return STEP_MORE;
    if (result == INFLATED_MORE)
        walk_flag(w, ARCHIVE_FLAG_CORRUPT); /* csize ends before the stream does */
    if (result == INFLATED_END && !has_descriptor && z->left > 0)
        walk_flag(w, ARCHIVE_FLAG_MISMATCH);
    z->is_complete = result == INFLATED_END;
    z->is_stopped = result != INFLATED_END;
    return STEP_AGAIN;
}

static enum step
read_counted(struct walk *w, struct span *data)
{
    struct zip *z = &w->zip;
    if (z->left == 0) {
        z->is_complete = true;
        return data_over(w);
    }
    if (w->in.len == 0)
        return STEP_MORE;
    const uint8_t *from = w->in.ptr;
    size_t n = z->left < w->in.len ? (size_t)z->left : w->in.len;
    walk_advance(w, n);
    z->left -= n;
    w->member_in += n;
    if (z->data == ZIP_COUNTED)
        return walk_data(w, from, n, data);
    w->member_len += n;
    return STEP_AGAIN;
}

/* Octets of a member without a length: handed out when they can be read. */
static enum step
pass(struct walk *w, const uint8_t *from, size_t n, struct span *data)
{
    w->member_in += n;
    if (w->member.is_read)
        return walk_data(w, from, n, data);
    w->member_len += n;
    return STEP_AGAIN;
}

/* A descriptor at the front of hold that fits what was read: its length, or 0. */
static uint32_t
scan_descriptor(const struct walk *w, uint32_t len)
{
    const uint8_t *h = w->hold;
    const struct zip_entry *e = &w->zip.entry;
    if (len < 16 || (w->member.is_read && archive_u32(h + 4) != w->member_crc))
        return 0;
    if (len >= 24 && archive_u64(h + 8) == w->member_in &&
        (e->is_zip64 || archive_u64(h + 16) == w->member_in))
        return 24;
    return archive_u32(h + 8) == (uint32_t)w->member_in ? 16 : 0;
}

static enum step
read_scanned(struct walk *w, struct span *data)
{
    struct zip *z = &w->zip;
    if (w->hold_len == 0) {
        const uint8_t *p = w->in.len ? memchr(w->in.ptr, 'P', w->in.len) : NULL;
        size_t n = p ? (size_t)(p - w->in.ptr) : w->in.len;
        if (n > 0) {
            const uint8_t *from = w->in.ptr;
            walk_advance(w, n);
            return pass(w, from, n, data);
        }
    }
    bool is_mark = walk_gather(w, 4) && !memcmp(w->hold, "PK\7\10", 4);
    if (w->hold_len < 4 && !w->is_at_end)
        return STEP_MORE;
    bool is_header =
        w->hold_len >= 4 && (!memcmp(w->hold, "PK\3\4", 4) || !memcmp(w->hold, "PK\1\2", 4));
    if (w->member_in == 0 && is_header && w->member.is_folder) { /* no descriptor after all */
        z->is_complete = true;
        z->state = ZIP_MEMBER_OVER;
        return STEP_AGAIN;
    }
    if (is_mark && !walk_gather(w, 24) && !w->is_at_end)
        return STEP_MORE;
    uint32_t len = is_mark ? scan_descriptor(w, w->hold_len) : 0;
    if (len > 0) {
        z->is_complete = true;
        return data_over(w);
    }
    if (w->hold_len == 0)
        return STEP_MORE;
    const uint8_t *p = w->hold_len > 1 ? memchr(w->hold + 1, 'P', w->hold_len - 1) : NULL;
    uint32_t n = p ? (uint32_t)(p - w->hold) : w->hold_len;
    memcpy(w->out, w->hold, n);
    walk_drop(w, n);
    return pass(w, w->out, n, data);
}

/* Behind the data: with its mark or without, 32 or 64 bits. The one that fits what was read. */
static enum step
read_descriptor(struct walk *w)
{
    struct zip *z = &w->zip;
    struct zip_entry *e = &z->entry;
    if (!walk_gather(w, 24) && !w->is_at_end)
        return STEP_MORE;
    bool is_mark = w->hold_len >= 4 && !memcmp(w->hold, "PK\7\10", 4);
    uint32_t from = is_mark ? 4 : 0;
    const uint8_t *h = w->hold + from;
    bool is_wide = w->hold_len >= from + 20 && archive_u64(h + 4) == w->member_in &&
                   (!w->member.is_read || archive_u64(h + 12) == w->member_len);
    bool is_narrow = w->hold_len >= from + 12 && archive_u32(h + 4) == (uint32_t)w->member_in &&
                     (!w->member.is_read || archive_u32(h + 8) == (uint32_t)w->member_len);
    if (is_narrow)
        is_wide &= e->is_zip64;
    if (is_wide || is_narrow) {
        e->crc = archive_u32(h);
        e->csize = w->member_in;
        e->usize = is_wide ? archive_u64(h + 12) : archive_u32(h + 8);
        walk_drop(w, from + (is_wide ? 20 : 12));
    } else {
        walk_flag(w, ARCHIVE_FLAG_MISMATCH);
        z->is_stopped = true; /* what it says is not to be held against anything */
        if (is_mark)
            walk_drop(w, w->hold_len < 16 ? w->hold_len : 16);
    }
    z->state = ZIP_MEMBER_OVER;
    return STEP_AGAIN;
}

static enum step
member_over(struct walk *w)
{
    struct zip *z = &w->zip;
    struct zip_entry *e = &z->entry;
    if (w->member.is_read && z->is_complete && !z->is_stopped) {
        if (e->crc != w->member_crc)
            walk_flag(w, ARCHIVE_FLAG_CORRUPT);
        if (e->usize != w->member_len)
            walk_flag(w, ARCHIVE_FLAG_MISMATCH);
    }
    if (z->records_cnt > 0 && !z->is_capped) {
        struct zip_record *r = &z->records[z->records_cnt - 1];
        r->end = zip_position(w);
        r->csize = e->csize;
        r->usize = e->usize;
        r->crc = e->crc;
        r->is_sized = !z->is_stopped && z->is_complete;
    }
    z->state = ZIP_SEEK;
    return STEP_END;
}

/* The directory */

/* The record that stands at off or the last before it. Records are in the order of their places. */
static struct zip_record *
find_record(struct zip *z, uint64_t off)
{
    uint32_t from = 0;
    uint32_t to = z->records_cnt;
    while (from < to) {
        uint32_t middle = (from + to) / 2;
        if (z->records[middle].off <= off)
            from = middle + 1;
        else
            to = middle;
    }
    return from > 0 ? &z->records[from - 1] : NULL;
}

static bool
agrees(const struct zip_record *r, const struct zip_entry *e)
{
    enum { COMPARED = ZIP_FLAG_ENCRYPTED };
    if (r->method != e->method || ((r->flags ^ e->flags) & COMPARED))
        return false;
    return !r->is_sized || (r->crc == e->crc && r->csize == e->csize && r->usize == e->usize);
}

/* Another name, or no member at all: the entry is told as a member of its own. */
static enum step
tell_listed(struct walk *w)
{
    describe_member(w, true);
    return walk_begin(w) ? STEP_BEGIN : STEP_AGAIN;
}

static enum step
check_central(struct walk *w)
{
    struct zip *z = &w->zip;
    if (z->is_capped)
        return STEP_AGAIN;
    /* Places count from the start of the file, or of the archive when something was put before it;
     * where both fit, the name decides. */
    struct zip_record *r = find_record(z, z->entry.off);
    struct zip_record *shifted = find_record(z, z->entry.off + z->base);
    bool is_there = r && r->off == z->entry.off;
    bool is_shifted = shifted && shifted->off == z->entry.off + z->base;
    if (is_shifted && (!is_there || r->name_hash != z->name_hash))
        r = shifted;
    is_there |= is_shifted;
    if (!is_there) {
        bool is_inside = r && z->entry.off > r->off && z->entry.off < r->end;
        walk_flag(w, is_inside ? ARCHIVE_FLAG_OVERLAP : ARCHIVE_FLAG_MISSING);
        return tell_listed(w);
    }
    if (r->is_listed)
        walk_flag(w, ARCHIVE_FLAG_OVERLAP);
    r->is_listed = true;
    if (r->name_hash == z->name_hash && agrees(r, &z->entry))
        return STEP_AGAIN;
    walk_flag(w, ARCHIVE_FLAG_MISMATCH);
    return r->name_hash == z->name_hash ? STEP_AGAIN : tell_listed(w);
}

static enum step
read_comment(struct walk *w)
{
    if (!walk_pass(w, &w->zip.left))
        return STEP_MORE;
    w->zip.state = ZIP_SEEK;
    return check_central(w);
}

enum step
zip_step(struct walk *w, struct span *data)
{
    struct zip *z = &w->zip;
    switch (z->state) {
    case ZIP_SEEK:
        /* An entry that only the directory has, begun by check_central(), has no octets. */
        return w->is_member_open ? STEP_END : zip_seek(w);
    case ZIP_NAME:
        return read_name(w);
    case ZIP_EXTRA:
        return read_extra(w);
    case ZIP_EXTRA_FIELD:
        return read_extra_field(w);
    case ZIP_COMMENT:
        return read_comment(w);
    case ZIP_DATA:
        if (z->data == ZIP_INFLATED)
            return read_inflated(w, data);
        return z->data == ZIP_SCANNED ? read_scanned(w, data) : read_counted(w, data);
    case ZIP_DESCRIPTOR:
        return read_descriptor(w);
    case ZIP_MEMBER_OVER:
        return member_over(w);
    case ZIP_SKIP:
        if (!walk_pass(w, &z->left))
            return STEP_MORE;
        z->state = ZIP_SEEK;
        return STEP_AGAIN;
    }
    return STEP_MORE;
}

void
zip_finish(struct walk *w)
{
    struct zip *z = &w->zip;
    uint64_t junk = z->junk + (z->state == ZIP_SEEK ? w->hold_len : 0);
    if (z->is_open || z->state != ZIP_SEEK || (z->is_begun && junk < z->comment_len))
        walk_flag(w, ARCHIVE_FLAG_TRUNCATED);
    else if (z->is_begun && junk > z->comment_len)
        walk_flag(w, ARCHIVE_FLAG_TRAILER);
}
