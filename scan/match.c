#include "scan/match.h"

#include <stdlib.h>

#include "scan/ruleset_private.h"

/* Streams are reset and kept instead of closed: hs_open_stream allocates, hs_reset_stream does not, and no
 * process-global allocator of Hyperscan has to be set for it. They stay with their rule set and thread. */
struct match_stream {
    hs_stream_t *stream;
    const struct ruleset *rs;
    unsigned thread_idx;
    enum target target;
    struct match_stream *next; /* while free */
};

/* An id comes out of a database, and that out of a file: bits_cnt is checked as for any other index. */
static int
on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *context)
{
    (void)from;
    (void)to;
    (void)flags;
    struct hits *h = context;
    if (id < h->bits_cnt)
        hits_set(h, id);
    return 0;
}

bool
match_database(const hs_database_t *database, hs_scratch_t *scratch, const uint8_t *octets, size_t len,
               struct hits *h)
{
    /* Hyperscan refuses NULL even for no octets. */
    const char *data = len ? (const char *)octets : "";
    if (len > UINT32_MAX)
        return false;
    hs_error_t rc = hs_scan(database, data, (unsigned)len, 0, scratch, on_match, h);
    return rc == HS_SUCCESS || rc == HS_SCAN_TERMINATED;
}

bool
match_wants(const struct ruleset *rs, enum target t)
{
    return t == TARGET_HEADER ? rs->headers_cnt > 0 : rs->databases[t] != NULL;
}

const struct header_target *
match_header_targets(const struct ruleset *rs, uint32_t *cnt)
{
    *cnt = rs->headers_cnt;
    return rs->header_targets;
}

static void
set_list(const struct ruleset *rs, uint32_t off, uint32_t cnt, struct hits *h)
{
    for (uint32_t i = 0; i < cnt; i++)
        hits_set(h, rs->view.lists[off + i]);
}

bool
match_header(const struct ruleset *rs, unsigned thread_idx, uint32_t idx, bool is_present,
             const uint8_t *value, size_t len, struct hits *h)
{
    const struct image_target *t = rs->header_images[idx];
    if (!is_present) {
        /* What '' and the [if-unset] texts match was found out when the image was built. */
        set_list(rs, t->absent_off, t->absent_cnt, h);
        return true;
    }
    set_list(rs, t->present_off, t->present_cnt, h);
    if (!rs->header_databases[idx])
        return true;
    return match_database(rs->header_databases[idx], rs->threads[thread_idx].scratch, value, len, h);
}

bool
match_block(const struct ruleset *rs, unsigned thread_idx, enum target t, const uint8_t *octets,
            size_t len, struct hits *h)
{
    if (!rs->databases[t])
        return true;
    return match_database(rs->databases[t], rs->threads[thread_idx].scratch, octets, len, h);
}

struct match_stream *
match_open(const struct ruleset *rs, unsigned thread_idx, enum target t, bool *failed)
{
    *failed = false;
    if (!rs->databases[t])
        return NULL;
    struct match_stream **free_list = &rs->threads[thread_idx].free_streams[t];
    struct match_stream *s = *free_list;
    if (s) {
        *free_list = s->next;
        return s;
    }
    *failed = true;
    s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    *s = (struct match_stream){ .rs = rs, .thread_idx = thread_idx, .target = t };
    if (hs_open_stream(rs->databases[t], 0, &s->stream) != HS_SUCCESS) {
        free(s);
        return NULL;
    }
    *failed = false;
    return s;
}

bool
match_feed(struct match_stream *s, const uint8_t *octets, size_t len, struct hits *h)
{
    hs_scratch_t *scratch = s->rs->threads[s->thread_idx].scratch;
    while (len > 0) {
        unsigned now = len < UINT32_MAX ? (unsigned)len : UINT32_MAX;
        hs_error_t rc = hs_scan_stream(s->stream, (const char *)octets, now, 0, scratch, on_match, h);
        if (rc != HS_SUCCESS && rc != HS_SCAN_TERMINATED)
            return false;
        octets += now;
        len -= now;
    }
    return true;
}

static void
give_back(struct match_stream *s)
{
    struct match_stream **free_list = &s->rs->threads[s->thread_idx].free_streams[s->target];
    s->next = *free_list;
    *free_list = s;
}

/* Puts the stream back to its start, looking for end-anchored matches if h is not NULL. */
static bool
reset(struct match_stream *s, struct hits *h)
{
    hs_error_t rc = h ? hs_reset_stream(s->stream, 0, s->rs->threads[s->thread_idx].scratch, on_match, h)
                      : hs_reset_stream(s->stream, 0, NULL, NULL, NULL);
    if (rc == HS_SUCCESS || rc == HS_SCAN_TERMINATED) {
        give_back(s);
        return true;
    }
    hs_close_stream(s->stream, NULL, NULL, NULL);
    free(s);
    return false;
}

bool
match_close(struct match_stream *s, struct hits *h)
{
    return reset(s, h);
}

void
match_abort(struct match_stream *s)
{
    if (s)
        reset(s, NULL);
}

void
match_streams_free(struct ruleset_thread *t)
{
    for (unsigned target = 0; target < TARGET_CNT; target++) {
        for (struct match_stream *s = t->free_streams[target], *next; s; s = next) {
            next = s->next;
            hs_close_stream(s->stream, NULL, NULL, NULL);
            free(s);
        }
        t->free_streams[target] = NULL;
    }
}
