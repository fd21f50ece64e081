/* ZIP (PKWARE's APPNOTE 6.3), walked from its front as it streams.
 *
 *     SEEK -- local header --> NAME --> EXTRA <-> EXTRA_FIELD --> DATA --> DESCRIPTOR? --> MEMBER_OVER --> SEEK
 *       `---- directory -----> NAME --> EXTRA <-> EXTRA_FIELD --> COMMENT --> SEEK
 *
 * What SEEK finds between headers is junk: counted, flagged, and searched for the next header octet by octet,
 * the archive's own comment too. */
#include <string.h>

#include "scan/archive_private.h"

enum { LOCAL_LEN = 30, CENTRAL_LEN = 46, END_LEN = 22, END64_LEN = 12, LOCATOR_LEN = 20 };
enum { FLAG_ENCRYPTED = 1, FLAG_DESCRIPTOR = 8, FLAG_MASKED = 0x2000, FLAG_UTF8 = 0x800 };
enum { STORED = 0, DEFLATED = 8, METHOD_AES = 99 };
enum { ZIP64_ID = 1, ZIP64_LEN = 28 };

/* A zip64 end record is 44 octets and may have an "extensible data sector", which nobody writes. */
enum { END64_LEN_MAX = 1024 };

/* Longer names are no sign of an archive; one that is known to be one may have them. */
enum { NAME_SANE_MAX = 4096 };

static uint16_t
u16(const uint8_t *c)
{
    return (uint16_t)(c[0] | c[1] << 8);
}

static uint32_t
u32(const uint8_t *c)
{
    return u16(c) | (uint32_t)u16(c + 2) << 16;
}

static uint64_t
u64(const uint8_t *c)
{
    return u32(c) | (uint64_t)u32(c + 4) << 32;
}

void
zip_start(struct walk *w)
{
    struct zip *z = &w->zip;
    memset(z, 0, offsetof(struct zip, records));
    z->state = ZIP_SEEK;
}

/* Where hold begins. */
static uint64_t
position(const struct walk *w)
{
    return w->off - w->hold_len;
}

/* Seeking */

/* A header was found: what stood before it is told. */
static void
accept(struct walk *w)
{
    struct zip *z = &w->zip;
    uint64_t comment = z->comment_len;
    if (!z->is_begun && z->junk > 0)
        walk_flag(w, ARCHIVE_FLAG_PREFIX);
    else if (z->is_begun && !z->is_open)
        walk_flag(w, ARCHIVE_FLAG_TRAILER); /* an archive behind, or in the comment of, another one */
    else if (z->junk > comment)
        walk_flag(w, ARCHIVE_FLAG_GAP);
    z->junk = 0;
    z->comment_len = 0;
    z->is_begun = true;
    z->is_open = true;
}

static bool
is_method(uint16_t method)
{
    return method <= 20 || (method >= 93 && method <= 99);
}

/* Four octets are soon found in other data: the fields must make sense. Where an archive is expected a wrong
 * header is still one. */
static bool
is_plausible(const struct walk *w)
{
    const uint8_t *h = w->hold;
    if (w->zip.junk == 0)
        return true;
    bool is_central = h[2] == 1;
    const uint8_t *fields = h + (is_central ? 6 : 4); /* version needed, flags, method */
    return fields[0] <= 63 && is_method(u16(fields + 4)) && u16(h + (is_central ? 28 : 26)) <= NAME_SANE_MAX;
}

static void
read_local(struct walk *w)
{
    const uint8_t *h = w->hold;
    struct zip *z = &w->zip;
    z->entry = (struct zip_entry){
        .off = position(w),
        .flags = u16(h + 6),
        .method = u16(h + 8),
        .crc = u32(h + 14),
        .csize = u32(h + 18),
        .usize = u32(h + 22),
        .name_len = u16(h + 26),
        .extra_len = u16(h + 28),
    };
    if (z->records_cnt == 0)
        z->base = z->entry.off;
}

static void
read_central(struct walk *w)
{
    const uint8_t *h = w->hold;
    struct zip *z = &w->zip;
    if (z->central_cnt++ == 0)
        z->central_off = position(w);
    z->entry = (struct zip_entry){
        .off = u32(h + 42),
        .flags = u16(h + 8),
        .method = u16(h + 10),
        .crc = u32(h + 16),
        .csize = u32(h + 20),
        .usize = u32(h + 24),
        .name_len = u16(h + 28),
        .extra_len = u16(h + 30),
        .comment_len = u16(h + 32),
        .is_central = true,
    };
    if (u16(h + 34) != 0)
        walk_flag(w, ARCHIVE_FLAG_SPLIT);
}

static enum step
seek_entry(struct walk *w, bool is_central)
{
    /* Never more than LOCAL_LEN before it is believed: hold must be empty when a member's data begins. */
    if (!walk_gather(w, LOCAL_LEN))
        return STEP_MORE;
    if (!is_plausible(w)) {
        walk_drop(w, 1);
        w->zip.junk++;
        return STEP_AGAIN;
    }
    uint32_t len = is_central ? CENTRAL_LEN : LOCAL_LEN;
    if (!walk_gather(w, len))
        return STEP_MORE;
    if (w->archive->members == w->archive->limits.members_max && !is_central) {
        walk_flag(w, ARCHIVE_FLAG_MEMBERS);
        w->kind = WALK_DONE;
        return STEP_AGAIN;
    }
    accept(w);
    if (is_central)
        read_central(w);
    else
        read_local(w);
    walk_drop(w, len);
    w->name_len = 0;
    w->zip.left = w->zip.entry.name_len;
    w->zip.name_hash = 14695981039346656037u; /* FNV-1a */
    w->zip.state = ZIP_NAME;
    return STEP_AGAIN;
}

/* What the end of the directory says, held against what was seen. */
static enum step
seek_end(struct walk *w)
{
    struct zip *z = &w->zip;
    if (!walk_gather(w, END_LEN))
        return STEP_MORE;
    const uint8_t *h = w->hold;
    bool is_found = z->is_begun || z->junk == 0;
    if (!is_found || (!z->is_open && z->is_begun)) { /* in other data; or a second end */
        if (z->is_begun)
            walk_flag(w, ARCHIVE_FLAG_TRAILER);
        walk_drop(w, 1);
        z->junk++;
        return STEP_AGAIN;
    }
    accept(w);
    if (u16(h + 4) != 0 && u16(h + 4) != 0xffff)
        walk_flag(w, ARCHIVE_FLAG_SPLIT);
    uint32_t off = u32(h + 16);
    bool is_off_right = off == 0xffffffff || off == z->central_off || off + z->base == z->central_off;
    bool is_cnt_right = u16(h + 10) == 0xffff || u16(h + 10) == (z->central_cnt & 0xffff);
    if (!is_cnt_right || (z->central_cnt > 0 && !is_off_right))
        walk_flag(w, ARCHIVE_FLAG_MISMATCH);
    for (uint32_t i = 0; i < z->records_cnt && !z->is_capped; i++) {
        if (!z->records[i].is_listed)
            walk_flag(w, ARCHIVE_FLAG_UNLISTED);
    }
    z->comment_len = u16(h + 20);
    z->records_cnt = 0; /* another archive behind this one is held against itself */
    z->central_cnt = 0;
    z->is_open = false;
    walk_drop(w, END_LEN);
    return STEP_AGAIN;
}

/* Records of the directory that say nothing more: their length stands at hold + 4. */
static enum step
seek_record(struct walk *w, uint32_t len, uint64_t rest)
{
    walk_drop(w, len);
    accept(w);
    w->zip.left = rest;
    w->zip.state = ZIP_SKIP;
    return STEP_AGAIN;
}

static enum step
seek_end64(struct walk *w)
{
    if (!walk_gather(w, END64_LEN))
        return STEP_MORE;
    uint64_t len = u64(w->hold + 4);
    if (len <= END64_LEN_MAX)
        return seek_record(w, END64_LEN, len);
    walk_flag(w, ARCHIVE_FLAG_MISMATCH);
    return seek_record(w, END64_LEN, 0);
}

/* No header stands at the front of hold. */
static enum step
seek_on(struct walk *w)
{
    struct zip *z = &w->zip;
    uint64_t at = position(w);
    bool is_volume = at == 0 && w->hold_len >= 8 && !memcmp(w->hold + 4, "PK\3\4", 4);
    if (is_volume && (!memcmp(w->hold, "PK\7\10", 4) || !memcmp(w->hold, "PK00", 4))) {
        if (w->hold[2] == 7) /* "PK00": written as one volume in the end */
            walk_flag(w, ARCHIVE_FLAG_SPLIT);
        walk_drop(w, 4);
        return STEP_AGAIN;
    }
    const uint8_t *p = memchr(w->hold + 1, 'P', w->hold_len - 1);
    uint32_t n = p ? (uint32_t)(p - w->hold) : w->hold_len;
    z->junk += n;
    walk_drop(w, n);
    if (w->hold_len == 0 && w->in.len > 0) {
        p = memchr(w->in.ptr, 'P', w->in.len);
        size_t pass = p ? (size_t)(p - w->in.ptr) : w->in.len;
        z->junk += pass;
        walk_advance(w, pass);
    }
    return STEP_AGAIN;
}

static enum step
seek(struct walk *w)
{
    if (!walk_gather(w, 4))
        return STEP_MORE;
    const uint8_t *h = w->hold;
    bool is_open = w->zip.is_open;
    if (h[0] != 'P' || h[1] != 'K')
        return seek_on(w);
    if (h[2] == 3 && h[3] == 4)
        return seek_entry(w, false);
    if (h[2] == 1 && h[3] == 2)
        return seek_entry(w, true);
    if (h[2] == 5 && h[3] == 6)
        return seek_end(w);
    if (h[2] == 6 && h[3] == 6 && is_open)
        return seek_end64(w);
    if (h[2] == 6 && h[3] == 7 && is_open)
        return walk_gather(w, LOCATOR_LEN) ? seek_record(w, LOCATOR_LEN, 0) : STEP_MORE;
    return seek_on(w);
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
    uint64_t *sizes[3] = { &e->usize, &e->csize, e->is_central ? &e->off : NULL };
    e->is_zip64 = true;
    for (unsigned i = 0; i < 3 && len >= 8; i++) {
        if (!sizes[i] || *sizes[i] != 0xffffffff)
            continue;
        *sizes[i] = u64(field);
        field += 8;
        len -= 8;
    }
}

/* Passes over the rest of *left, what is held first. */
static bool
skip(struct walk *w, uint64_t *left)
{
    uint32_t held = *left < w->hold_len ? (uint32_t)*left : w->hold_len;
    walk_drop(w, held);
    *left -= held;
    return walk_skip(w, left);
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
        uint16_t len = u16(w->hold + 2);
        z->field_id = u16(w->hold);
        walk_drop(w, 4);
        e->extra_len = (uint16_t)(e->extra_len - 4);
        z->left = len < e->extra_len ? len : e->extra_len;
        e->extra_len = (uint16_t)(e->extra_len - z->left);
        z->state = ZIP_EXTRA_FIELD;
        return STEP_AGAIN;
    }
    uint64_t left = e->extra_len;
    bool is_over = skip(w, &left);
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
    if (!skip(w, &z->left))
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
        .is_utf8 = e->flags & FLAG_UTF8,
        .is_encrypted = (e->flags & FLAG_ENCRYPTED) || e->method == METHOD_AES,
        .is_folder = (last == '/' || last == '\\') && e->usize == 0,
        .is_listed_only = is_listed_only,
    };
    if (e->flags & FLAG_MASKED)
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
        .is_sized = !(e->flags & FLAG_DESCRIPTOR),
    };
}

static enum zip_data
data_mode(struct walk *w)
{
    const struct zip_entry *e = &w->zip.entry;
    bool is_empty = e->csize == 0 && !(e->flags & FLAG_DESCRIPTOR);
    if (w->member.is_read && e->method == DEFLATED && !is_empty)
        return ZIP_INFLATED;
    if ((e->flags & FLAG_DESCRIPTOR) && e->csize == 0)
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
    z->left = z->data == ZIP_INFLATED && (e->flags & FLAG_DESCRIPTOR) ? UINT64_MAX : e->csize;
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
    bool has_descriptor = z->entry.flags & FLAG_DESCRIPTOR;
    z->state = has_descriptor && !z->is_stopped ? ZIP_DESCRIPTOR : ZIP_MEMBER_OVER;
    return STEP_AGAIN;
}

static enum step
read_inflated(struct walk *w, struct span *data)
{
    struct zip *z = &w->zip;
    bool has_descriptor = z->entry.flags & FLAG_DESCRIPTOR;
    if (z->is_stopped || z->is_complete) { /* the octets behind its stream, if their number is known */
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
    if (len < 16 || (w->member.is_read && u32(h + 4) != w->member_crc))
        return 0;
    if (len >= 24 && u64(h + 8) == w->member_in && (e->is_zip64 || u64(h + 16) == w->member_in))
        return 24;
    return u32(h + 8) == (uint32_t)w->member_in ? 16 : 0;
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
    bool is_header = w->hold_len >= 4 && (!memcmp(w->hold, "PK\3\4", 4) || !memcmp(w->hold, "PK\1\2", 4));
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
    bool is_wide = w->hold_len >= from + 20 && u64(h + 4) == w->member_in &&
                   (!w->member.is_read || u64(h + 12) == w->member_len);
    bool is_narrow = w->hold_len >= from + 12 && u32(h + 4) == (uint32_t)w->member_in &&
                     (!w->member.is_read || u32(h + 8) == (uint32_t)w->member_len);
    if (is_narrow)
        is_wide &= e->is_zip64;
    if (is_wide || is_narrow) {
        e->crc = u32(h);
        e->csize = w->member_in;
        e->usize = is_wide ? u64(h + 12) : u32(h + 8);
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
        r->end = position(w);
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
    enum { COMPARED = FLAG_ENCRYPTED };
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
    /* Places count from the start of the file, or of the archive when something was put before it; where both
     * fit, the name decides. */
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
    if (!skip(w, &w->zip.left))
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
        return w->is_member_open ? STEP_END : seek(w);
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
        if (!skip(w, &z->left))
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
