/* The pool, the pulling, and what the formats share. */
#include "scan/archive.h"

#include <stdlib.h>
#include <string.h>

#include "scan/archive_private.h"

struct archive_pool {
    struct archive *archives;
    struct archive *free_list;
};

const struct archive_limits archive_limits_default = {
    .octets_max = 64 << 20,
    .ratio_max = 200,
    .members_max = ARCHIVE_MEMBERS_MAX,
};

/* zlib's memory: two blocks for each stream's life, out of the walk. */

static voidpf
arena_take(voidpf opaque, uInt cnt, uInt size)
{
    struct walk *w = opaque;
    uint64_t len = ((uint64_t)cnt * size + 15) & ~(uint64_t)15;
    if (len > ARCHIVE_ARENA_MAX - w->arena_len)
        return Z_NULL;
    w->arena_len += (uint32_t)len;
    return w->arena + w->arena_len - len;
}

static void
arena_give(voidpf opaque, voidpf block)
{
    (void)opaque;
    (void)block; /* all at once, with the walk */
}

static bool
walk_make(struct walk *w, struct archive *a, unsigned idx)
{
    w->archive = a;
    w->idx = idx;
    w->z = (z_stream){ .zalloc = arena_take, .zfree = arena_give, .opaque = w };
    return inflateInit2(&w->z, -MAX_WBITS) == Z_OK;
}

struct archive_pool *
archive_pool_new(unsigned cnt, const struct archive_limits *limits)
{
    struct archive_pool *p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    p->archives = calloc(cnt ? cnt : 1, sizeof(*p->archives));
    bool is_good = p->archives != NULL;
    for (unsigned i = 0; is_good && i < cnt; i++) {
        struct archive *a = &p->archives[i];
        a->pool = p;
        a->limits = *limits;
        if (a->limits.members_max > ARCHIVE_MEMBERS_MAX)
            a->limits.members_max = ARCHIVE_MEMBERS_MAX;
        for (unsigned w = 0; is_good && w < ARCHIVE_DEPTH_MAX; w++)
            is_good = walk_make(&a->walks[w], a, w);
        archive_give(a);
    }
    if (is_good)
        return p;
    archive_pool_free(p);
    return NULL;
}

void
archive_pool_free(struct archive_pool *p)
{
    if (!p)
        return;
    free(p->archives); /* inflateEnd would give back to the arena only */
    free(p);
}

static void
walk_start(struct walk *w)
{
    w->kind = WALK_SNIFF;
    w->in = (struct span){ 0 };
    w->off = 0;
    w->is_at_end = false;
    w->is_finished = false;
    w->is_member_open = false;
    w->flags = 0;
    w->flags_due = 0;
    w->hold_len = 0;
}

struct archive *
archive_take(struct archive_pool *p)
{
    struct archive *a = p->free_list;
    if (!a)
        return NULL;
    p->free_list = a->next_free;
    a->octets = 0;
    a->members = 0;
    a->flags = 0;
    a->is_inner = false;
    a->is_end_due = false;
    walk_start(&a->walks[0]);
    return a;
}

void
archive_give(struct archive *a)
{
    a->next_free = a->pool->free_list;
    a->pool->free_list = a;
}

void
archive_feed(struct archive *a, const uint8_t *octets, size_t len)
{
    a->walks[0].in = (struct span){ octets, len };
}

void
archive_end(struct archive *a)
{
    a->walks[0].in = (struct span){ 0 };
    a->walks[0].is_at_end = true;
}

unsigned
archive_flags(const struct archive *a)
{
    return a->flags;
}

const char *
archive_flag_name(enum archive_flag f)
{
    static const char *const names[ARCHIVE_FLAG_CNT] = {
        [ARCHIVE_FLAG_ENCRYPTED] = "ENCRYPTED", [ARCHIVE_FLAG_NAMES_UNREAD] = "NAMES_UNREAD",
        [ARCHIVE_FLAG_PREFIX] = "PREFIX",       [ARCHIVE_FLAG_GAP] = "GAP",
        [ARCHIVE_FLAG_TRAILER] = "TRAILER",     [ARCHIVE_FLAG_OVERLAP] = "OVERLAP",
        [ARCHIVE_FLAG_MISMATCH] = "MISMATCH",   [ARCHIVE_FLAG_UNLISTED] = "UNLISTED",
        [ARCHIVE_FLAG_MISSING] = "MISSING",     [ARCHIVE_FLAG_TRUNCATED] = "TRUNCATED",
        [ARCHIVE_FLAG_CORRUPT] = "CORRUPT",     [ARCHIVE_FLAG_METHOD] = "METHOD",
        [ARCHIVE_FLAG_SPLIT] = "SPLIT",         [ARCHIVE_FLAG_NAME_CUT] = "NAME_CUT",
        [ARCHIVE_FLAG_NAME_ODD] = "NAME_ODD",   [ARCHIVE_FLAG_RATIO] = "RATIO",
        [ARCHIVE_FLAG_OCTETS] = "OCTETS",       [ARCHIVE_FLAG_MEMBERS] = "MEMBERS",
        [ARCHIVE_FLAG_DEPTH] = "DEPTH",
    };
    return names[f];
}

/* What the formats share */

void
walk_flag(struct walk *w, enum archive_flag f)
{
    unsigned bit = 1u << f;
    w->flags_due |= bit & ~w->flags;
    w->flags |= bit;
    w->archive->flags |= bit;
}

void
walk_advance(struct walk *w, size_t n)
{
    if (n == 0)
        return;
    w->in.ptr += n;
    w->in.len -= n;
    w->off += n;
}

bool
walk_gather(struct walk *w, uint32_t n)
{
    if (w->hold_len < n) {
        size_t take = n - w->hold_len < w->in.len ? n - w->hold_len : w->in.len;
        if (take)
            memcpy(w->hold + w->hold_len, w->in.ptr, take);
        w->hold_len += (uint32_t)take;
        walk_advance(w, take);
    }
    return w->hold_len >= n;
}

void
walk_drop(struct walk *w, uint32_t n)
{
    w->hold_len -= n;
    memmove(w->hold, w->hold + n, w->hold_len);
}

bool
walk_skip(struct walk *w, uint64_t *left)
{
    size_t n = *left < w->in.len ? (size_t)*left : w->in.len;
    walk_advance(w, n);
    *left -= n;
    return *left == 0;
}

bool
walk_pass(struct walk *w, uint64_t *left)
{
    uint32_t held = *left < w->hold_len ? (uint32_t)*left : w->hold_len;
    walk_drop(w, held);
    *left -= held;
    return walk_skip(w, left);
}

/* Names that leave the folder they are unpacked in, or hide in a listing. */
static bool
is_odd_name(struct span name)
{
    const uint8_t *c = name.ptr;
    if (name.len && (c[0] == '/' || c[0] == '\\'))
        return true;
    if (name.len >= 2 && c[1] == ':')
        return true;
    size_t from = 0;
    for (size_t i = 0; i <= name.len; i++) {
        if (i < name.len && (c[i] < ' ' || c[i] == 0x7f))
            return true;
        if (i < name.len && c[i] != '/' && c[i] != '\\')
            continue;
        if (i - from == 2 && c[from] == '.' && c[from + 1] == '.')
            return true;
        from = i + 1;
    }
    return false;
}

bool
walk_begin(struct walk *w)
{
    struct archive *a = w->archive;
    if (a->members == a->limits.members_max) {
        walk_flag(w, ARCHIVE_FLAG_MEMBERS);
        w->kind = WALK_DONE;
        return false;
    }
    a->members++;
    w->member.name = (struct span){ w->name, w->name_len };
    if (is_odd_name(w->member.name))
        walk_flag(w, ARCHIVE_FLAG_NAME_ODD);
    if (w->member.is_encrypted)
        walk_flag(w, ARCHIVE_FLAG_ENCRYPTED);
    w->member_in = 0;
    w->member_len = 0;
    w->member_crc = 0;
    w->is_member_open = true;
    return true;
}

static bool
is_archive_head(const uint8_t *head)
{
    return !memcmp(head, "PK\3\4", 4) || !memcmp(head, "\x1f\x8b\x08", 3) || !memcmp(head, "Rar!", 4) ||
           !memcmp(head, "7z\xbc\xaf", 4);
}

enum step
walk_data(struct walk *w, const uint8_t *octets, size_t len, struct span *data)
{
    enum { HEAD = 4 };
    uint64_t before = w->member_len;
    for (size_t i = 0; i < len && before + i < HEAD; i++)
        w->head[before + i] = octets[i];
    w->member_len += len;
    w->member_crc = (uint32_t)crc32_z(w->member_crc, octets, len);
    if (w->idx + 1 == ARCHIVE_DEPTH_MAX && before < HEAD && w->member_len >= HEAD && is_archive_head(w->head))
        walk_flag(w, ARCHIVE_FLAG_DEPTH);
    *data = (struct span){ octets, len };
    return STEP_DATA;
}

enum inflated
walk_inflate(struct walk *w, uint64_t *left, struct span *data)
{
    struct archive *a = w->archive;
    uint64_t room = a->limits.octets_max - a->octets;
    if (room == 0) {
        walk_flag(w, ARCHIVE_FLAG_OCTETS);
        return INFLATED_STOPPED;
    }
    size_t len = *left < w->in.len ? (size_t)*left : w->in.len;
    w->z.next_in = w->in.ptr;
    w->z.avail_in = len < (1u << 30) ? (uInt)len : 1u << 30;
    w->z.next_out = w->out;
    /* Up to the next multiple: the ratio is looked at there, whatever the split. */
    uint32_t chunk = ARCHIVE_OUT_MAX - (uint32_t)(w->member_len % ARCHIVE_OUT_MAX);
    w->z.avail_out = room < chunk ? (uInt)room : chunk;
    uInt had_in = w->z.avail_in;
    uInt had_out = w->z.avail_out;
    /* Z_BLOCK stops behind a gzip header: a member is told before its octets. */
    int result = inflate(&w->z, w->is_gz_header ? Z_BLOCK : Z_NO_FLUSH);
    uInt used = had_in - w->z.avail_in;
    uInt made = had_out - w->z.avail_out;
    walk_advance(w, used);
    *left -= used;
    w->member_in += used;
    a->octets += made;
    if (made > 0) {
        if (made == chunk && w->member_len + made > ARCHIVE_SLACK + w->member_in * a->limits.ratio_max) {
            walk_flag(w, ARCHIVE_FLAG_RATIO);
            return INFLATED_STOPPED;
        }
        /* The end is told by the next call, which makes nothing. */
        walk_data(w, w->out, made, data);
        return INFLATED_DATA;
    }
    if (result == Z_STREAM_END)
        return INFLATED_END;
    if (result == Z_OK || result == Z_BUF_ERROR)
        return INFLATED_MORE;
    walk_flag(w, ARCHIVE_FLAG_CORRUPT);
    return INFLATED_STOPPED;
}

/* The pulling */

/* By the first octets. What is none of these may still have a ZIP further on. */
static enum step
sniff(struct walk *w)
{
    if (!walk_gather(w, 8) && !w->is_at_end)
        return STEP_MORE;
    const uint8_t *h = w->hold;
    if (w->hold_len >= 3 && !memcmp(h, "\x1f\x8b\x08", 3)) {
        w->kind = WALK_GZIP;
        gzip_start(w);
    } else if (w->hold_len >= 8 && !memcmp(h, "Rar!\x1a\x07", 6)) {
        w->kind = h[6] == 0 ? WALK_RAR4 : WALK_RAR5;
        rar_start(w);
    } else if (w->hold_len >= 8 && !memcmp(h, "7z\xbc\xaf\x27\x1c", 6)) {
        w->kind = WALK_7Z;
        rar_start(w);
    } else {
        w->kind = WALK_ZIP;
        zip_start(w);
    }
    return STEP_AGAIN;
}

static enum step
walk_step(struct walk *w, struct span *data)
{
    switch (w->kind) {
    case WALK_SNIFF:
        return sniff(w);
    case WALK_ZIP:
        return zip_step(w, data);
    case WALK_GZIP:
        return gzip_step(w, data);
    case WALK_RAR4:
        return rar4_step(w);
    case WALK_RAR5:
        return rar5_step(w);
    case WALK_7Z:
        return sevenzip_step(w);
    case WALK_DONE:
        break;
    }
    walk_advance(w, w->in.len);
    return STEP_MORE;
}

static enum step
walk_finish(struct walk *w)
{
    if (w->is_finished)
        return STEP_MORE;
    w->is_finished = true;
    if (w->kind == WALK_ZIP)
        zip_finish(w);
    else if (w->is_member_open)
        walk_flag(w, ARCHIVE_FLAG_TRUNCATED);
    w->kind = WALK_DONE;
    return w->is_member_open ? STEP_END : STEP_AGAIN;
}

static enum step
walk_next(struct walk *w, struct span *data)
{
    enum step s;
    do {
        s = walk_step(w, data);
        if (s == STEP_MORE && w->is_at_end)
            s = walk_finish(w);
    } while (s == STEP_AGAIN && !w->flags_due);
    if (s == STEP_END)
        w->is_member_open = false;
    return s;
}

static bool
next_flag(struct walk *w, struct archive_item *item)
{
    if (!w->flags_due)
        return false;
    unsigned f = (unsigned)__builtin_ctz(w->flags_due);
    w->flags_due &= w->flags_due - 1;
    item->flag = (enum archive_flag)f;
    item->depth = w->idx;
    return true;
}

static enum archive_next
give_step(const struct walk *w, enum step s, struct archive_item *item)
{
    item->depth = w->idx + 1;
    if (s == STEP_DATA)
        return ARCHIVE_DATA;
    item->member = w->member;
    return s == STEP_BEGIN ? ARCHIVE_BEGIN : ARCHIVE_END;
}

/* One step of the outer walk; what it hands out goes to the inner one too. */
static enum step
outer_next(struct archive *a, struct archive_item *item)
{
    struct walk *outer = &a->walks[0];
    struct walk *inner = &a->walks[1];
    enum step s = walk_next(outer, &item->data);
    if (s == STEP_BEGIN && outer->member.is_read) {
        walk_start(inner);
        a->is_inner = true;
    } else if (s == STEP_DATA && a->is_inner) {
        inner->in = item->data;
    } else if (s == STEP_END && a->is_inner) {
        inner->is_at_end = true;
        a->is_end_due = true;
        return STEP_AGAIN;
    }
    return s;
}

enum archive_next
archive_next(struct archive *a, struct archive_item *item)
{
    struct walk *outer = &a->walks[0];
    struct walk *inner = &a->walks[1];
    for (;;) {
        if (next_flag(outer, item) || (a->is_inner && next_flag(inner, item)))
            return ARCHIVE_FLAG;
        enum step s;
        if (a->is_inner) {
            s = walk_next(inner, &item->data);
            if (s == STEP_AGAIN)
                continue;
            if (s != STEP_MORE)
                return give_step(inner, s, item);
            if (inner->flags_due)
                continue;
            if (a->is_end_due) {
                a->is_inner = false;
                a->is_end_due = false;
                return give_step(outer, STEP_END, item);
            }
        }
        s = outer_next(a, item);
        if (s == STEP_MORE && !outer->flags_due)
            return ARCHIVE_MORE;
        if (s != STEP_AGAIN && s != STEP_MORE)
            return give_step(outer, s, item);
    }
}
