/* image_private: an image while it is built. Only for image.c and image_order.c. */
#ifndef WEIR_SCAN_IMAGE_PRIVATE_H
#define WEIR_SCAN_IMAGE_PRIVATE_H

#include <stddef.h>
#include <stdint.h>

#include "scan/image.h"
#include "scan/image_format.h"
#include "scan/rule_list.h"

struct buffer {
    uint8_t *octets;
    size_t len;
    size_t max;
};

struct unit; /* image.c: patterns that share a database */

struct builder {
    struct rule_list *list;
    uint32_t *ids;      /* by index into list->rules: the image's index, NO_ID for what is not in it */
    uint32_t *matchers; /* the index whose bit a match sets: of a negated rule its inner one */
    uint32_t rules_cnt; /* of the image */
    struct unit *units;
    uint32_t units_cnt;
    struct buffer sections[SECTION_CNT];
    char platform[64];
};

#define NO_ID UINT32_MAX

/* p, or the end of the process: set-up code does not go on without memory. */
void *image_must(void *p);

void image_append_u32(struct buffer *b, uint32_t value);

/* image_order.c: writes SECTION_ORDER, the rules with code so that each comes behind its operands. SECTION_RULES
 * and SECTION_CODE are there. Rules that depend on themselves are an error in the list. */
void image_order(struct builder *b);

#endif
