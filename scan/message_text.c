/* Text parts: gathered into windows, brought to UTF-8, HTML rendered, cut into lines; lines go to the body rules, to
 * the URL finder and to what evals count. */
#include <string.h>

#include "scan/message_private.h"

/* ---- lines ---- */

static void
offer(struct message *m, enum target t, struct span unit, uint32_t no)
{
    struct match_batch *b = batch_of(m);
    uint8_t *room = match_room(b, unit.len);

    if (!room) {
        match_run(b, m->sc->thread_idx);
        room = match_room(b, unit.len);
    }
    memcpy(room, unit.ptr, unit.len);
    match_add(b, m->rs, t, unit.len, no, &m->hits);
}

static void
line(struct message *m, struct span unit)
{
    if (match_wants(m->rs, TARGET_BODY))
        offer(m, TARGET_BODY, unit, m->line_no);
    m->line_no++;
    if (m->wants.uri)
        urls_text(&m->urls, unit);
    if (m->wants.evals) {
        text_facts_line(&m->text_facts, unit);
        body_emails_line(&m->emails, unit);
    }
}

static void
chunk(struct message *m, struct span unit)
{
    if (match_wants(m->rs, TARGET_RAWBODY))
        offer(m, TARGET_RAWBODY, unit, m->chunk_no);
    m->chunk_no++;
    if (m->wants.evals)
        text_facts_chunk(&m->text_facts, unit);
}

/* Octets of the Unicode blank at p that is not ASCII: what Perl's \s knows beside text.c's. 0: none. */
static size_t
wide_blank(const uint8_t *p, size_t len)
{
    if (len > 1 && p[0] == 0xc2 && (p[1] == 0x85 || p[1] == 0xa0))
        return 2;
    if (len < 3)
        return 0;
    if (p[0] == 0xe2 && p[1] == 0x80 && ((p[2] >= 0x80 && p[2] <= 0x8a) || p[2] == 0xa8 || p[2] == 0xa9 || p[2] == 0xaf))
        return 3;
    if ((p[0] == 0xe2 && p[1] == 0x81 && p[2] == 0x9f) || (p[0] == 0xe3 && p[1] == 0x80 && p[2] == 0x80) ||
        (p[0] == 0xe1 && p[1] == 0x9a && p[2] == 0x80))
        return 3;
    return 0;
}

/* Turns them into blanks, in place. Returns the new length. */
static size_t
narrow_blanks(uint8_t *p, size_t len)
{
    size_t to = 0;

    for (size_t at = 0; at < len;) {
        size_t plain = charset_ascii_len((struct span){p + at, len - at});
        if (to != at)
            memmove(p + to, p + at, plain);
        at += plain;
        to += plain;
        if (at == len)
            break;
        size_t blank = wide_blank(p + at, len - at);
        p[to++] = blank ? ' ' : p[at];
        at += blank ? blank : 1;
    }
    return to;
}

/* Rendered text of the part: `octets` may be changed when `is_ours`. */
static void
rendered(struct message *m, const struct lane *l, uint8_t *octets, size_t len, bool is_ours)
{
    struct span in = {octets, len}, unit;

    if (m->wants.evals) {
        alternative_facts_text(&m->alternative, l->is_html, octets, len);
        if (!l->is_html && !m->has_plain)
            text_facts_plain(&m->text_facts, octets, len);
    }
    if (is_ours)
        in.len = narrow_blanks(octets, len);
    while (lines_next(&m->lines, &in, &unit))
        line(m, unit);
}

/* ---- HTML ---- */

static const enum url_type url_types[HTML_LINK_CNT] = {
    [HTML_LINK_A] = URL_A,           [HTML_LINK_AREA] = URL_AREA,     [HTML_LINK_LINK] = URL_LINK,
    [HTML_LINK_IMG] = URL_IMG,       [HTML_LINK_FRAME] = URL_FRAME,   [HTML_LINK_IFRAME] = URL_IFRAME,
    [HTML_LINK_EMBED] = URL_EMBED,   [HTML_LINK_SCRIPT] = URL_SCRIPT, [HTML_LINK_BGSOUND] = URL_OTHER_TAG,
    [HTML_LINK_FORM] = URL_FORM,     [HTML_LINK_BASE] = URL_BASE,     [HTML_LINK_META] = URL_META,
    [HTML_LINK_BODY] = URL_BODY,     [HTML_LINK_TABLE] = URL_TABLE,   [HTML_LINK_TR] = URL_TABLE,
    [HTML_LINK_TD] = URL_TABLE,      [HTML_LINK_ANCHOR] = URL_PARSED,
};

static void
link_found(void *ctx, enum html_link type, struct span uri)
{
    struct message *m = ctx;

    /* Facts for evals are made ready (message_body_start, text_subject) for rule sets that have some. */
    if (type != HTML_LINK_ANCHOR_TEXT)
        urls_html(&m->urls, url_types[type], uri);
    if (!m->wants.evals)
        return;
    if (type == HTML_LINK_ANCHOR_TEXT)
        anchor_facts_text(&m->anchor_facts, uri);
    if (type == HTML_LINK_ANCHOR)
        anchor_facts_href(&m->anchor_facts, uri);
    if (type == HTML_LINK_A)
        body_emails_link(&m->emails, uri);
}

static void
html_window(struct message *m, const struct lane *l, const uint8_t *in, size_t len, bool is_last)
{
    uint8_t *out = pool_of(m)->text;
    size_t cap = sizeof(pool_of(m)->text), n, used;

    do {
        n = html_feed(&m->html, in, len, out, cap, &used);
        in += used;
        len -= used;
        if (n)
            rendered(m, l, out, n, true);
    } while (len || n);
    while (is_last && (n = html_end(&m->html, out, cap)))
        rendered(m, l, out, n, true);
}

/* ---- windows ---- */

/* What is in the window is read; a character cut at its end stays there. */
static void
read_window(struct message *m, const struct lane *l, bool is_last)
{
    struct pool *p = pool_of(m);
    struct charset_result r = {0};
    struct span in = {m->window, m->window_len};
    bool is_first = !m->is_text_open;
    size_t len = charset_feed(&m->charset, p->charsets, in, is_last, p->utf8, sizeof(p->utf8), &r);
    uint8_t *text = r.is_same ? m->window : p->utf8;

    if (r.is_same)
        len = r.used;
    if (r.is_unknown || r.how == CHARSET_GARBAGE)
        message_event(m, EVENT_CHARSET_UNKNOWN);
    if (l->is_html) {
        struct html_sink sink = {m->wants.uri ? link_found : NULL, m};
        if (is_first) {
            html_init(&m->html, is_last && r.how == CHARSET_ASCII, &sink);
            anchor_facts_part(&m->anchor_facts);
        }
        html_window(m, l, text, len, is_last);
    } else {
        rendered(m, l, text, len, r.how != CHARSET_ASCII);
    }
    m->is_text_open = true;
    m->window_len = r.used < m->window_len ? (uint32_t)(m->window_len - r.used) : 0;
    if (m->window_len && r.used)
        memmove(m->window, m->window + r.used, m->window_len);
    if (m->window_len > CHARSET_CUT_MAX)
        m->window_len = 0; /* cannot be: room is for the whole window */
}

/* Copies into the window, CRLF as LF. */
static void
gather(struct message *m, const struct lane *l, struct span in)
{
    while (in.len) {
        if (m->window_len >= WINDOW_LEN)
            read_window(m, l, false);
        size_t n = WINDOW_LEN - m->window_len;
        if (m->window_has_cr) {
            m->window_has_cr = false;
            if (in.ptr[0] != '\n') {
                m->window[m->window_len++] = '\r';
                continue;
            }
        }
        if (n > in.len)
            n = in.len;
        const uint8_t *cr = memchr(in.ptr, '\r', n);
        if (cr) {
            n = (size_t)(cr - in.ptr);
            m->window_has_cr = true;
        }
        memcpy(m->window + m->window_len, in.ptr, n);
        m->window_len += (uint32_t)n;
        n += cr ? 1 : 0;
        in.ptr += n;
        in.len -= n;
    }
}

/* ---- parts ---- */

static bool
is_tld(void *ctx, struct span label)
{
    return suffix_is_tld(ctx, label);
}

void
text_subject(struct message *m)
{
    struct span in = message_subject(m), unit;

    if (!m->wants.body)
        return;
    if (m->wants.evals)
        body_emails_init(&m->emails, is_tld, pool_of(m)->suffixes);
    while (lines_subject(&m->lines, &in, &unit))
        line(m, unit);
}

void
text_begin(struct message *m, const struct lane *l, const struct mime_part *p)
{
    if (m->wants.body && !l->is_preamble)
        lines_part(&m->lines);
    if (l->is_rawbody)
        chunks_init(&m->chunks);
    if (!l->is_body && !l->is_preamble)
        return;
    m->window_len = 0;
    m->window_has_cr = m->is_text_open = false;
    charset_begin(&m->charset, pool_of(m)->charsets, (struct span){(const uint8_t *)p->charset, strlen(p->charset)});
}

void
text_octets(struct message *m, const struct lane *l, struct span octets)
{
    struct span in = octets, unit;

    while (l->is_rawbody && !l->is_preamble && chunks_next(&m->chunks, &in, &unit))
        chunk(m, unit);
    if (l->is_body || l->is_preamble)
        gather(m, l, octets);
}

/* The preamble in the window is a part after all: as if it had begun and these octets had come now. */
void
text_take_preamble(struct message *m, const struct lane *l)
{
    struct span in = {m->window, m->window_len}, unit;

    if (m->wants.body)
        lines_part(&m->lines);
    while (l->is_rawbody && chunks_next(&m->chunks, &in, &unit))
        chunk(m, unit);
}

static void
html_over(struct message *m)
{
    const struct html_facts *f = &m->html.facts;

    if (m->wants.evals)
        anchor_facts_end(&m->anchor_facts);
    if (f->invisible_len)
        message_event(m, EVENT_INVISIBLE_TEXT);
    if (f->is_link_capped || f->is_name_capped || f->is_style_capped || f->is_hold_capped || f->is_store_capped)
        message_event(m, EVENT_HTML_CAP);
    if (m->wants.evals && m->html_cnt < HTML_PARTS_MAX)
        m->html_facts[m->html_cnt++] = *f;
}

void
text_part_end(struct message *m, const struct lane *l)
{
    struct span unit;

    while (l->is_rawbody && chunks_end(&m->chunks, &unit))
        chunk(m, unit);
    if (!l->is_body)
        return;
    if (m->window_has_cr)
        m->window[m->window_len++] = '\r'; /* room: CHARSET_CUT_MAX behind the window */
    if (m->window_len || m->is_text_open) {
        read_window(m, l, true);
        if (l->is_html)
            html_over(m);
    }
    if (m->wants.evals) {
        alternative_facts_part_end(&m->alternative, l->is_html && m->html.facts.has_inside[HTML_TAG_IMG]);
        m->has_plain = m->has_plain || !l->is_html;
    }
}

void
text_end(struct message *m)
{
    struct span unit;

    while (m->wants.body && lines_end(&m->lines, &unit))
        line(m, unit);
    if (m->wants.evals)
        text_facts_end(&m->text_facts);
}
