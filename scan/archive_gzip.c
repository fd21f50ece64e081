/* gzip (RFC 1952): members behind one another, each with its own header. */
#include <string.h>

#include "scan/archive_private.h"

static void
reset(struct walk *w)
{
    inflateReset2(&w->z, 16 + MAX_WBITS);
    w->gz = (gz_header){ .name = w->name, .name_max = ARCHIVE_NAME_MAX };
    inflateGetHeader(&w->z, &w->gz);
    w->is_gz_header = true;
    w->member = (struct archive_member){ .is_read = w->archive->octets < w->archive->limits.octets_max };
    w->member_in = 0;
    w->member_len = 0;
    w->is_gz_between = false;
}

void
gzip_start(struct walk *w)
{
    reset(w);
}

static void
over(struct walk *w)
{
    w->kind = WALK_DONE;
    w->is_gz_header = false;
}

static enum step
begin(struct walk *w)
{
    w->is_gz_header = false;
    const uint8_t *nul = memchr(w->name, 0, ARCHIVE_NAME_MAX);
    /* Without a name zlib sets the pointer to NULL. */
    w->name_len = !w->gz.name ? 0 : nul ? (uint32_t)(nul - w->name) : ARCHIVE_NAME_MAX;
    if (w->gz.name && !nul)
        walk_flag(w, ARCHIVE_FLAG_NAME_CUT);
    uint64_t in = w->member_in;
    if (!walk_begin(w))
        return STEP_AGAIN;
    w->member_in = in;
    return STEP_BEGIN;
}

/* Behind a stream: another one, padding of zeros, or what does not belong here. */
static enum step
between(struct walk *w)
{
    if (!walk_gather(w, 2)) {
        if (w->is_at_end && w->hold_len && w->hold[0])
            walk_flag(w, ARCHIVE_FLAG_TRAILER);
        return STEP_MORE;
    }
    if (w->hold[0] == 0) {
        walk_drop(w, 1);
        return STEP_AGAIN;
    }
    if (w->hold[0] == 0x1f && w->hold[1] == 0x8b) {
        reset(w);
        return STEP_AGAIN;
    }
    walk_flag(w, ARCHIVE_FLAG_TRAILER);
    over(w);
    return STEP_AGAIN;
}

/* Inflates, first from what was gathered to tell the format. */
static enum inflated
pull(struct walk *w, struct span *data)
{
    uint64_t left = UINT64_MAX;
    if (w->hold_len == 0)
        return walk_inflate(w, &left, data);
    struct span in = w->in;
    uint64_t off = w->off;
    uint32_t len = w->hold_len;
    w->in = (struct span){ w->hold, len };
    enum inflated result = walk_inflate(w, &left, data);
    uint32_t used = len - (uint32_t)w->in.len;
    w->in = in;
    w->off = off;
    walk_drop(w, used);
    bool is_header_over = w->is_gz_header && w->gz.done == 1;
    if (result == INFLATED_MORE && w->hold_len == 0 && !is_header_over)
        return walk_inflate(w, &left, data);
    return result;
}

enum step
gzip_step(struct walk *w, struct span *data)
{
    if (w->is_gz_between)
        return between(w);
    if (w->is_gz_header && w->gz.done == 1)
        return begin(w);
    enum inflated result = pull(w, data);
    if (result == INFLATED_DATA)
        return STEP_DATA;
    if (w->is_gz_header && w->gz.done == 1)
        return begin(w);
    if (result == INFLATED_MORE)
        return STEP_MORE;
    if (result == INFLATED_STOPPED)
        over(w);
    else
        w->is_gz_between = true;
    return w->is_member_open ? STEP_END : STEP_AGAIN;
}
