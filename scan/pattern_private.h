/* pattern_private: the tree of a pattern. For pattern.c, pattern_print.c and pattern_literal.c. */
#ifndef WEIR_SCAN_PATTERN_PRIVATE_H
#define WEIR_SCAN_PATTERN_PRIVATE_H

#include "scan/pattern.h"

enum node_kind {
    NODE_SET,    /* one octet of `set`; `is_class` when the text is a positive class in brackets */
    NODE_RAW,    /* no octet, or one cannot say which: anchors, back-references, (?i) */
    NODE_SEQ,    /* children in a row */
    NODE_ALT,    /* one of the children */
    NODE_GROUP,  /* `text` is what opens it: "(", "(?:", "(?i:", "(?>", "(?<name>" */
    NODE_ASSERT, /* look-around, `text` opens it */
    NODE_REPEAT  /* child[0], from `min` to `max` times; `text` is the quantifier */
};

enum { NODE_MANY = -1 }; /* max: no bound */

struct node {
    enum node_kind kind;
    const char *text; /* of the leaf, the opening or the quantifier; borrowed from the pattern's copy */
    size_t len;
    struct octet_set set;
    bool is_class;
    bool is_octets;   /* NODE_RAW: it may match octets (a back-reference) */
    bool is_negative; /* NODE_ASSERT */
    int min, max;
    struct node **children;
    unsigned cnt;
};

struct pattern {
    char *text;
    struct node *root;
    struct node **nodes; /* all of them */
    size_t nodes_cnt;
};

#endif
