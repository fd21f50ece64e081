/* received_form_private: what the readers of forms share: questions to a shape, and taking its
 * words. Private to scan/.
 *
 * A form is a function that knows one way in which a product writes the line. It sets only what it
 * knows and answers RECEIVED_UNREAD when the line is not written so.
 *
 *     received_form.c     the order in which forms are tried; the families
 *     received_product.c  products that a word of theirs gives away
 *
 * Owns:    nothing; spans point into the line. */
#ifndef WEIR_SCAN_RECEIVED_FORM_PRIVATE_H
#define WEIR_SCAN_RECEIVED_FORM_PRIVATE_H

#include <string.h>

#include "scan/received_private.h"

typedef enum received_kind form_fn(const struct shape *s, struct handover *h);

/* The i-th group has that kind. */
static inline bool
shape_is_group(const struct shape *s, unsigned i, enum group_kind kind)
{
    return i < s->cnt && s->group[i].kind == kind;
}

/* "([ip])" and nothing else between the parentheses. */
static inline bool
shape_is_bare_bracket(const struct shape *s, unsigned i)
{
    const struct group *g = &s->group[i];

    return shape_is_group(s, i, GROUP_IP) && g->is_bracketed && !g->has_ident && !g->has_port &&
           !g->is_spaced && g->extra.len == 0;
}

/* The groups end right before by, and something follows by's word. */
static inline bool
shape_is_whole(const struct shape *s, unsigned group_cnt)
{
    return s->is_by_next && s->cnt == group_cnt && s->by.len > 0 && s->after.len > 0;
}

static inline bool
shape_has_by(const struct shape *s)
{
    return s->by.len > 0 && s->after.len > 0;
}

static inline enum received_kind
handover_take(struct handover *h, struct span ip, struct span by)
{
    h->ip = ip;
    h->by = by;
    return RECEIVED_RELAY;
}

static inline enum received_kind
handover_take_helo(struct handover *h, struct span helo, struct span ip, struct span by)
{
    h->helo = helo;
    return handover_take(h, ip, by);
}

/* The octets behind "helo=" up to a blank. */
static inline void
handover_take_sub(struct span sub, const char *key, size_t min, struct span *out)
{
    size_t off;

    while (span_find(sub, key, &off)) {
        sub = span_from(sub, off + strlen(key));
        if (span_word_len(sub) >= min) {
            *out = span_cut(sub, 0, span_word_len(sub));
            return;
        }
    }
}

/* The forms of products that give themselves away. */
form_fn received_product;

#endif
