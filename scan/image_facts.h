/* image_facts: sizes of the pictures of a mail, read off their first octets (SpamAssassin's ImageInfo).
 *
 *     image_facts_init, { image_facts_part, image_facts_octets*, image_facts_end }*
 *
 * Only leaves of the types image/gif, image/png, image/jpeg and image/jpg whose encoding is base64 are given; octets
 * are decoded. A JPEG's size stands behind its other segments, so all octets are read until it is found; a PNG's
 * must be in its first chunks.
 *
 * Owns:    nothing.
 * Threads: one struct, one thread.
 * Limits:  IMAGE_SIZES_MAX sizes and IMAGE_NAMES_MAX names; more are counted but not kept.
 * Fails:   never. */
#ifndef WEIR_SCAN_IMAGE_FACTS_H
#define WEIR_SCAN_IMAGE_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/span.h"

#ifdef __cplusplus
extern "C" {
#endif

enum image_kind { IMAGE_GIF, IMAGE_PNG, IMAGE_JPEG, IMAGE_KIND_CNT };

enum {
    /* Pictures whose size is kept. A mail with more is a newsletter with icons. */
    IMAGE_SIZES_MAX = 64,
    IMAGE_NAMES_MAX = 16,

    /* Octets of a name. */
    IMAGE_NAME_LEN_MAX = 64
};

struct image_size {
    uint32_t height, width;
    enum image_kind kind;
};

struct image_facts {
    unsigned cnt[IMAGE_KIND_CNT];
    double pixels[IMAGE_KIND_CNT];
    unsigned sizes_cnt, names_cnt;
    struct image_size sizes[IMAGE_SIZES_MAX];
    uint8_t name_len[IMAGE_NAMES_MAX];
    uint8_t names[IMAGE_NAMES_MAX][IMAGE_NAME_LEN_MAX];

    /* The part that streams by. */
    enum image_kind kind;
    bool is_reading;
    uint64_t skip; /* octets to pass over */
    uint8_t head[32];
    uint8_t head_len, head_want;
    uint8_t stage;
    uint8_t name_now_len;
    uint8_t name_now[IMAGE_NAME_LEN_MAX];
};

void image_facts_init(struct image_facts *f);

/* A leaf begins; `name` is its file name or empty. A type that is none of the above is left out. */
void image_facts_part(struct image_facts *f, const char *type, struct span name);
void image_facts_octets(struct image_facts *f, const uint8_t *octets, size_t len);
void image_facts_end(struct image_facts *f);

#ifdef __cplusplus
}
#endif
#endif
