/* The body of a message: the leaves of its MIME tree are decoded and handed to message_text.c and message_file.c. */
#include <string.h>

#include "scan/message_private.h"

/* Octets decoded at a time, on the stack. */
enum { DECODE_PIECE = 4096 };

static void walk(struct message *m, unsigned idx);

static bool
starts_with(const char *s, const char *prefix)
{
    return !strncmp(s, prefix, strlen(prefix));
}

/* ---- the tree ---- */

static bool
is_alternative(const struct header *h)
{
    char type[MEDIA_TYPE_MAX] = "";
    struct header_field f;

    for (size_t off = 0; header_field(h, &off, &f);) {
        if (header_name_is(&f, "content-type"))
            param_token(f.value, type, sizeof(type));
    }
    return !strcmp(type, "multipart/alternative");
}

/* mime_node_fn: every node of the tree, for mimeheader rules and for evals. */
static void
node(void *ctx, const struct header *h, unsigned depth, bool is_leaf)
{
    struct message *m = ctx;

    depth += m->lanes[m->node_lane].depth;
    if (match_wants(m->rs, TARGET_MIMEHEADER))
        message_mime_headers(m, h);
    if (!m->wants.evals)
        return;
    mime_facts_node(&m->mime_facts, h, depth, is_leaf);
    if (m->alternative_depth >= 0 && (int)depth <= m->alternative_depth) {
        alternative_facts_close(&m->alternative);
        m->alternative_depth = -1;
    }
    if (!is_leaf && m->alternative_depth < 0 && is_alternative(h)) {
        alternative_facts_open(&m->alternative);
        m->alternative_depth = (int)depth;
    }
}

static void
note(struct message *m, enum event e)
{
    message_event(m, e);
    if (e == EVENT_MIME_BOUNDARY)
        mime_facts_flag(&m->mime_facts, MIME_FLAG_OPEN_BOUNDARY);
    if (e == EVENT_MIME_PART_CAP)
        mime_facts_flag(&m->mime_facts, MIME_FLAG_PART_LIMIT);
}

/* ---- leaves ---- */

static void
lane_init(struct message *m, unsigned idx, unsigned depth)
{
    struct lane *l = &m->lanes[idx];

    l->archive = NULL;
    l->is_body = l->is_html = l->is_rawbody = l->is_message = l->is_file = l->is_picture = l->is_preamble = false;
    l->depth = depth;
    mime_init(&l->mime, &m->budget, l->header_buf);
}

/* Where the leaf goes: SpamAssassin's rules for body and rawbody; what is neither is a file. What could not be
 * taken apart is both, as it is not known what a mail client makes of it. Malware may call itself text: signatures,
 * and the members of archives, are looked for in every part. */
static void
route(struct message *m, struct lane *l, const struct mime_part *p)
{
    bool is_html = !strcmp(p->type, "text/html") || p->is_html_name;
    bool is_calendar = !strcmp(p->type, "text/calendar");
    bool is_vcard = !strcmp(p->type, "text/x-vcard");
    bool is_text = starts_with(p->type, "text/") || !strcmp(p->type, "text") || !p->is_typed || is_html;

    l->is_html = is_html;
    l->is_body = m->wants.body && is_text && (is_html || (!is_calendar && !is_vcard));
    l->is_rawbody = m->wants.rawbody && !is_calendar && (is_text || starts_with(p->type, "message/"));
    l->is_text_file = is_text && !is_calendar && !is_vcard && !p->is_attachment && p->is_typed;
    l->is_file = m->rs && (!l->is_text_file || m->wants.files);
}

/* What stands before a multipart's first delimiter is gathered, and is a text part if that delimiter never comes or
 * it is longer than the window. */
static void
preamble_begin(struct message *m, struct lane *l)
{
    l->is_preamble = true;
    l->preamble_len = 0;
    l->preamble_depth = l->mime.frames_cnt;
    l->is_nested_preamble = l->mime.frames_cnt > 1 && l->mime.frames[l->mime.frames_cnt - 2].len > 0;
    l->is_html = false;
    l->is_body = m->wants.body;
    l->is_rawbody = m->wants.rawbody;
    text_begin(m, l, mime_part(&l->mime));
}

static void
preamble_take(struct message *m, unsigned idx)
{
    static const struct header none;
    struct lane *l = &m->lanes[idx];

    if (l->is_nested_preamble && m->window_len && m->window[0] != '\n')
        m->budget.flaws |= MIME_FLAW_NO_SEPARATOR; /* SpamAssassin reads a header there */
    l->is_preamble = false;
    m->node_lane = idx;
    if (m->budget.node)
        node(m, &none, l->preamble_depth, true);
    if (m->wants.evals)
        mime_facts_raw(&m->mime_facts, m->window, m->window_len);
    text_take_preamble(m, l);
}

static void
part_begin(struct message *m, unsigned idx)
{
    struct lane *l = &m->lanes[idx];
    const struct mime_part *p = mime_part(&l->mime);

    decoder_init(&l->decoder, p->encoding);
    l->is_body = l->is_rawbody = l->is_file = l->is_picture = l->is_preamble = false;
    l->is_message = p->is_message && idx + 1 < LANES_MAX;
    if (p->is_preamble) {
        preamble_begin(m, l);
        return;
    }
    if (l->is_message) {
        lane_init(m, idx + 1, l->depth + 1 + l->mime.frames_cnt);
        m->node_lane = idx + 1;
        mime_start_message(&l[1].mime);
        return;
    }
    if (p->is_message)
        message_event(m, EVENT_MIME_DEPTH_CAP);
    route(m, l, p);
    text_begin(m, l, p);
    if (l->is_file)
        file_begin(m, l, p);
    if (m->wants.evals && p->encoding == ENCODING_BASE64 && starts_with(p->type, "image/")) {
        l->is_picture = true;
        image_facts_part(&m->image_facts, p->type, (struct span){(const uint8_t *)p->name, p->name_len});
    }
}

/* Decoded octets of lane idx's open leaf. */
static void
part_octets(struct message *m, unsigned idx, struct span octets)
{
    struct lane *l = &m->lanes[idx];

    if (l->is_message) {
        m->node_lane = idx + 1;
        mime_feed(&l[1].mime, octets.ptr, octets.len);
        walk(m, idx + 1);
        m->node_lane = idx;
        return;
    }
    if (l->is_body || l->is_rawbody)
        text_octets(m, l, octets);
    if (l->is_file)
        file_octets(m, l, octets);
    if (l->is_picture)
        image_facts_octets(&m->image_facts, octets.ptr, octets.len);
}

static void
part_data(struct message *m, unsigned idx, struct span data)
{
    struct lane *l = &m->lanes[idx];
    struct decoder *d = &l->decoder;
    uint8_t out[DECODE_PIECE + DECODE_SLACK];

    if (l->is_preamble) {
        l->preamble_len += data.len;
        if (l->preamble_len > WINDOW_LEN)
            preamble_take(m, idx);
    }
    if (l->is_preamble) {
        text_octets(m, l, data);
        return;
    }
    if (m->wants.evals && !m->lanes[idx].is_message)
        mime_facts_raw(&m->mime_facts, data.ptr, data.len);
    if (d->encoding == ENCODING_IDENTITY) {
        part_octets(m, idx, data);
        return;
    }
    while (data.len) {
        size_t n = data.len < DECODE_PIECE ? data.len : DECODE_PIECE;
        size_t len = decoder_feed(d, data.ptr, n, out);
        if (len)
            part_octets(m, idx, (struct span){out, len});
        data.ptr += n;
        data.len -= n;
    }
}

static void
part_end(struct message *m, unsigned idx)
{
    struct lane *l = &m->lanes[idx];
    uint8_t out[DECODE_SLACK];
    size_t len = decoder_end(&l->decoder, out);

    if (l->is_preamble) {
        const struct mime_part *p = mime_part(&l->mime);
        if (p->is_void || (!l->preamble_len && !p->is_closed))
            return;
        preamble_take(m, idx);
    }
    if (len)
        part_octets(m, idx, (struct span){out, len});
    if (l->decoder.has_junk)
        message_event(m, l->decoder.encoding == ENCODING_QP ? EVENT_QP_JUNK : EVENT_BASE64_JUNK);
    if (l->is_message) {
        m->node_lane = idx + 1;
        mime_end(&l[1].mime);
        walk(m, idx + 1);
        m->node_lane = idx;
        l->is_message = false;
        return;
    }
    if (m->wants.evals)
        mime_facts_end(&m->mime_facts);
    text_part_end(m, l);
    if (l->is_file)
        file_end(m, l);
    if (l->is_picture)
        image_facts_end(&m->image_facts);
}

/* Follows lane idx's trace as far as its octets go. Recursion: at most LANES_MAX deep. */
static void
walk(struct message *m, unsigned idx)
{
    struct mime *mime = &m->lanes[idx].mime;
    struct span data;
    enum event e;

    for (;;) {
        switch (mime_next(mime, &data, &e)) {
        case MIME_MORE:
            return;
        case MIME_PART:
            part_begin(m, idx);
            break;
        case MIME_DATA:
            part_data(m, idx, data);
            break;
        case MIME_END:
            part_end(m, idx);
            break;
        case MIME_EVENT:
            note(m, e);
            break;
        }
    }
}

/* ---- the body ---- */

void
message_body_start(struct message *m)
{
    if (m->wants.evals) {
        struct pool *p = pool_of(m);
        mime_facts_init(&m->mime_facts);
        mime_facts_message(&m->mime_facts, &m->top);
        text_facts_init(&m->text_facts);
        image_facts_init(&m->image_facts);
        anchor_facts_init(&m->anchor_facts, p->suffixes);
        alternative_facts_init(&m->alternative);
    }
    if (m->rs && (m->wants.evals || match_wants(m->rs, TARGET_MIMEHEADER))) {
        m->budget.node = node;
        m->budget.node_ctx = m;
    }
    m->budget.charsets = pool_of(m)->charsets;
    m->budget.wants_preamble = m->wants.body || m->wants.rawbody;
    text_subject(m);
    lane_init(m, 0, 0);
    mime_start(&m->lanes[0].mime, &m->top);
    message_body(m, m->top.rest.ptr, m->top.rest.len);
}

void
message_body(struct message *m, const uint8_t *octets, size_t len)
{
    if (m->wants.evals)
        text_facts_octets(&m->text_facts, octets, len);
    mime_feed(&m->lanes[0].mime, octets, len);
    walk(m, 0);
}

void
message_body_end(struct message *m)
{
    mime_end(&m->lanes[0].mime);
    walk(m, 0);
    if (m->alternative_depth >= 0)
        alternative_facts_close(&m->alternative);
    if (m->budget.flaws & MIME_FLAW_NO_SEPARATOR)
        mime_facts_flag(&m->mime_facts, MIME_FLAG_NO_PART_SEPARATOR);
    if (m->budget.flaws & MIME_FLAW_NO_HEADER)
        mime_facts_flag(&m->mime_facts, MIME_FLAG_NO_PART_HEADER);
    if (m->budget.flaws & MIME_FLAW_EPILOGUE)
        mime_facts_flag(&m->mime_facts, MIME_FLAG_EPILOGUE);
}

void
message_body_abort(struct message *m)
{
    for (unsigned i = 0; i < LANES_MAX; i++) {
        file_abort(&m->lanes[i]);
        if (!m->lanes[i].is_message)
            return; /* the lanes behind are not in use */
    }
}
