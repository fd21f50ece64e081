/* ZIP between its members: headers are found, what belongs to none of them is counted. See
 * archive_zip.c. */
#include <string.h>

#include "scan/archive_zip_private.h"

enum { LOCAL_LEN = 30, CENTRAL_LEN = 46, END_LEN = 22, END64_LEN = 12, LOCATOR_LEN = 20 };

/* A zip64 end record is 44 octets and may have an "extensible data sector", which nobody writes. */
enum { END64_LEN_MAX = 1024 };

/* Longer names are no sign of an archive; one that is known to be one may have them. */
enum { NAME_SANE_MAX = 4096 };

/* A header was found: what stood before it is told. */
static void
accept(struct walk *w)
{
    struct zip *z = &w->zip;
    uint64_t comment = z->comment_len;
    if (!z->is_begun && z->junk > 0)
        walk_flag(w, ARCHIVE_FLAG_PREFIX);
    else if (z->is_begun && !z->is_open)
        walk_flag(w,
                  ARCHIVE_FLAG_TRAILER); /* an archive behind, or in the comment of, another one */
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

/* Four octets are soon found in other data: the fields must make sense. Where an archive is
 * expected a wrong header is still one. */
static bool
is_plausible(const struct walk *w)
{
    const uint8_t *h = w->hold;
    if (w->zip.junk == 0)
        return true;
    bool is_central = h[2] == 1;
    const uint8_t *fields = h + (is_central ? 6 : 4); /* version needed, flags, method */
    return fields[0] <= 63 && is_method(archive_u16(fields + 4)) &&
           archive_u16(h + (is_central ? 28 : 26)) <= NAME_SANE_MAX;
}

static void
read_local(struct walk *w)
{
    const uint8_t *h = w->hold;
    struct zip *z = &w->zip;
    z->entry = (struct zip_entry){
        .off = zip_position(w),
        .flags = archive_u16(h + 6),
        .method = archive_u16(h + 8),
        .crc = archive_u32(h + 14),
        .csize = archive_u32(h + 18),
        .usize = archive_u32(h + 22),
        .name_len = archive_u16(h + 26),
        .extra_len = archive_u16(h + 28),
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
        z->central_off = zip_position(w);
    z->entry = (struct zip_entry){
        .off = archive_u32(h + 42),
        .flags = archive_u16(h + 8),
        .method = archive_u16(h + 10),
        .crc = archive_u32(h + 16),
        .csize = archive_u32(h + 20),
        .usize = archive_u32(h + 24),
        .name_len = archive_u16(h + 28),
        .extra_len = archive_u16(h + 30),
        .comment_len = archive_u16(h + 32),
        .is_central = true,
    };
    if (archive_u16(h + 34) != 0)
        walk_flag(w, ARCHIVE_FLAG_SPLIT);
}

static enum step
seek_entry(struct walk *w, bool is_central)
{
    /* Never more than LOCAL_LEN before it is believed: hold must be empty when a member's data
     * begins. */
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
    if (archive_u16(h + 4) != 0 && archive_u16(h + 4) != 0xffff)
        walk_flag(w, ARCHIVE_FLAG_SPLIT);
    uint32_t off = archive_u32(h + 16);
    bool is_off_right =
        off == 0xffffffff || off == z->central_off || off + z->base == z->central_off;
    bool is_cnt_right =
        archive_u16(h + 10) == 0xffff || archive_u16(h + 10) == (z->central_cnt & 0xffff);
    if (!is_cnt_right || (z->central_cnt > 0 && !is_off_right))
        walk_flag(w, ARCHIVE_FLAG_MISMATCH);
    for (uint32_t i = 0; i < z->records_cnt && !z->is_capped; i++) {
        if (!z->records[i].is_listed)
            walk_flag(w, ARCHIVE_FLAG_UNLISTED);
    }
    z->comment_len = archive_u16(h + 20);
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
    uint64_t len = archive_u64(w->hold + 4);
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
    uint64_t at = zip_position(w);
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

enum step
zip_seek(struct walk *w)
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
