/* image_private: an image while it is built. Only for image*.c. */
#ifndef WEIR_SCAN_IMAGE_PRIVATE_H
#define WEIR_SCAN_IMAGE_PRIVATE_H

#include <stddef.h>
#include <stdint.h>

#include "scan/compile.h"
#include "scan/image.h"
#include "scan/image_format.h"
#include "scan/rule_list.h"
#include "scan/signature.h"

struct buffer {
    uint8_t *octets;
    size_t len;
    size_t max;
};

/* How one regex rule is looked for in one class of units. */
enum search {
    SEARCH_PATTERN, /* the best variant in a database; a candidate only if needs_confirm */
    SEARCH_ALWAYS,  /* PCRE2 on every unit */
    SEARCH_NEVER    /* it cannot match there */
};

/* What can be searched for to find it: the pattern, the pattern loosened, its literals. In this order. */
enum search_variant { VARIANT_OWN, VARIANT_LITERAL, VARIANT_LOOSE, VARIANT_CNT };

struct search_plan {
    bool is_used; /* there is something to look for */
    enum search how;
    enum search_variant best;
    bool needs_confirm;
    int times;         /* matches of the best variant that a unit needs before it is worth confirming */
    int literal_times; /* the same for VARIANT_LITERAL */
    unsigned flags;    /* HS_FLAG_* of the best variant */
    struct compile_solo solo[VARIANT_CNT]; /* text NULL: there is no such variant; else it is ours */
};

/* One regex rule on its way into the databases. */
struct candidate {
    uint32_t rule;    /* index into list->rules */
    uint32_t matcher; /* index of the image: whose bit a match sets */
    bool has_clean;   /* `clean` differs from `all` */
    char *shared;     /* what PCRE2 gets instead of a text that is too large for it (pattern_share.h), or NULL */
    struct search_plan all;
    struct search_plan clean;
};

/* Rules that look at the same thing. */
struct unit {
    enum target target;
    enum header_part part;
    const char *header; /* NULL unless TARGET_HEADER or TARGET_MIMEHEADER */
    uint32_t *rules;    /* indices into list->rules: RULE_HEADER, RULE_EXISTS, ... of this unit */
    uint32_t rules_cnt;
    uint32_t *candidates; /* indices into builder.candidates */
    uint32_t candidates_cnt;
};

struct builder {
    struct rule_list *list;
    const struct image_options *options;
    bool *is_live;      /* by index into list->rules: it can hit, and matters */
    uint32_t *ids;      /* by index into list->rules: the image's index, NO_ID for what is not in it */
    uint32_t *matchers; /* the index whose bit a match sets: of a negated rule its inner one */
    uint32_t rules_cnt; /* of the image */
    struct unit *units;
    uint32_t units_cnt;
    struct candidate *candidates;
    uint32_t candidates_cnt;
    struct buffer sections[SECTION_CNT];
    char platform[64];
};

#define NO_ID UINT32_MAX

/* p, or the end of the process: set-up code does not go on without memory. */
void *image_must(void *p);

size_t image_append(struct buffer *b, const void *octets, size_t len);
void image_append_u32(struct buffer *b, uint32_t value);

/* The entry of SECTION_RULES, which is there. */
struct image_rule *image_built_rule(struct builder *b, uint32_t id);

/* image_signature.c: makes a rule of each pattern of the signatures: RULE_FULL for SIGNATURE_MAIL, else
 * RULE_ATTACHMENT. Before everything else. */
void image_signatures(struct rule_list *l, const struct signature_list *signatures);

/* image_order.c: writes SECTION_ORDER, the rules with code so that each comes behind its operands. SECTION_RULES
 * and SECTION_CODE are there. Rules that depend on themselves are an error in the list. */
void image_order(struct builder *b);

/* image_pattern.c: looks at every live regex alone and fills b->candidates; says or turns off what cannot be
 * compiled. Before rules are numbered. False: an error was said. */
bool image_patterns(struct builder *b);
void image_patterns_free(struct builder *b);

/* image_group.c: compiles the candidates of every unit into databases and writes SECTION_TARGETS, SECTION_GROUPS
 * and SECTION_DATABASES. */
void image_groups(struct builder *b);

#endif
