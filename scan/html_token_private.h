/* html_token_private: what the files of html_token.h share. Private to scan/.
 *
 *     html_token_input.c    what is fed, with its replacements, into buf
 *     html_token.c          text, raw elements, titles; source, finish, next
 *     html_token_tag.c      from "<x" and "</x" to ">"
 *     html_token_comment.c  from "<!" and "<?" to ">"
 *
 * A step reads octets of one source in the state that it finds, takes those that it is through with
 * and says what came of it. Half a thing stays where it is and comes again with more behind it;
 * HTML_LOOKAHEAD bounds that.
 *
 * Owns:    nothing; a source points into hold or buf of its html_token.
 * Fails:   never. */
#ifndef WEIR_SCAN_HTML_TOKEN_PRIVATE_H
#define WEIR_SCAN_HTML_TOKEN_PRIVATE_H

#include <string.h>

#include "scan/html_token.h"
#include "scan/octet.h"

/* The octets to read. */
struct html_source {
    const uint8_t *p;
    size_t len;
    bool is_last; /* nothing follows them */
};

enum html_step {
    HTML_STEP_AGAIN,
    HTML_STEP_WANT, /* more octets */
    HTML_STEP_TOKEN /* t->queued is set */
};

/* Marked sections by strength; the strongest open one counts. */
enum {
    HTML_SECTION_NONE,
    HTML_SECTION_INCLUDE,
    HTML_SECTION_RCDATA,
    HTML_SECTION_CDATA,
    HTML_SECTION_IGNORE
};

/* HTML::Parser's hctype: what a name may have. */
static inline bool
html_token_is_name(uint8_t c)
{
    return octet_is_word(c) || c == '.' || c == '-' || c == ':';
}

/* `word` is lower-case letters. */
static inline bool
html_token_is_word(const uint8_t *p, size_t len, const char *word)
{
    size_t k = 0;
    while (k < len && word[k] && (p[k] | 0x20) == (uint8_t)word[k])
        k++;
    return k == len && !word[k];
}

static inline void
html_token_skip(struct html_token *t, size_t n)
{
    if (t->is_from_hold)
        t->hold_off += (uint32_t)n;
    else
        t->rd += (uint32_t)n;
}

/* Keeps octets to be read again. While hold itself is being read, they go to before where it is
 * read: what is kept is always a part of what was read. Returns how many fitted. */
static inline size_t
html_token_keep(struct html_token *t, const uint8_t *p, size_t n)
{
    size_t room = HTML_HOLD_MAX - t->kept;
    size_t k = n < room ? n : room;

    memmove(t->hold + t->kept, p, k);
    t->kept += (uint32_t)k;
    return k;
}

static inline enum html_step
html_token_go(struct html_token *t, size_t used, enum html_token_state state)
{
    html_token_skip(t, used);
    t->state = state;
    return HTML_STEP_AGAIN;
}

static inline enum html_step
html_token_token(struct html_token *t, size_t used, enum html_token_kind kind)
{
    html_token_skip(t, used);
    t->state = HTML_IN_TEXT;
    t->queued = kind;
    t->queued_tag = t->tag;
    t->queued_hash = t->tag_hash;
    t->queued_namespace = t->is_namespace;
    t->is_queued_title = false;
    return HTML_STEP_TOKEN;
}

/* The steps of every state of a tag, of every state of "<!" and "<?". */
enum html_step html_token_tag_step(struct html_token *t, const struct html_source *s);
enum html_step html_token_comment_step(struct html_token *t, const struct html_source *s);

/* At "<!": what it begins. */
enum html_step html_token_start_bang(struct html_token *t, struct html_source s);

/* The facts of a comment (html_comment_seen) begin anew; is_dashed: behind "<!--". */
void html_token_see_start(struct html_token *t, bool is_dashed);

#endif
