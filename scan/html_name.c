#include "scan/html_name.h"

#include <string.h>

enum { NAME_LEN_MAX = 24, SLOTS = 512 };

struct name {
    const char *text;
    uint8_t len;
    uint8_t flags;
};

enum {
    E = HTML_IS_ELEMENT,
    R = HTML_IS_TRICK,
    S = HTML_IS_STYLE,
    U = HTML_IS_URI,
    N = HTML_IS_LINE,
    B = HTML_IS_BLANK,
    P = HTML_IS_PARAGRAPH
};

static const struct name tags[HTML_TAG_CNT] = {{"", 0, 0},
#define X(id, name, flags) {name, sizeof name - 1, flags},
                                               HTML_TAGS(X)
#undef X
};

static const struct name attrs[HTML_ATTR_CNT] = {
#define X(id, name) {name, sizeof name - 1, 0},
    HTML_ATTRS(X)
#undef X
};

static uint8_t tag_slot[SLOTS]; /* number + 1; 0: free */
static uint8_t attr_slot[SLOTS];

/* The letters in lower case, zero padded, and a hash of them. */
static size_t
fold(const uint8_t *name, size_t len, uint8_t low[NAME_LEN_MAX])
{
    uint64_t h = len, w;

    memset(low, 0, NAME_LEN_MAX);
    for (size_t i = 0; i < len; i++)
        low[i] = name[i] >= 'A' && name[i] <= 'Z' ? name[i] | 0x20 : name[i];
    for (size_t i = 0; i < len; i += 8) {
        memcpy(&w, low + i, 8);
        h = (h ^ w) * UINT64_C(0x9e3779b97f4a7c15);
    }
    return (size_t)(h >> 55);
}

static void
add(uint8_t *slots, const struct name *n, unsigned idx)
{
    uint8_t low[NAME_LEN_MAX];
    size_t i = fold((const uint8_t *)n->text, n->len, low);

    while (slots[i])
        i = (i + 1) % SLOTS;
    slots[i] = (uint8_t)(idx + 1);
}

void
html_name_setup(void)
{
    memset(tag_slot, 0, sizeof tag_slot);
    memset(attr_slot, 0, sizeof attr_slot);
    for (unsigned i = 1; i < HTML_TAG_CNT; i++)
        add(tag_slot, &tags[i], i);
    for (unsigned i = 0; i < HTML_ATTR_CNT; i++)
        add(attr_slot, &attrs[i], i);
}

static unsigned
find(const uint8_t *slots, const struct name *names, const uint8_t *name, size_t len, unsigned none)
{
    uint8_t low[NAME_LEN_MAX];

    if (!len || len > NAME_LEN_MAX)
        return none;
    for (size_t i = fold(name, len, low); slots[i]; i = (i + 1) % SLOTS) {
        const struct name *n = &names[slots[i] - 1];
        if (n->len == len && !memcmp(n->text, low, len))
            return slots[i] - 1u;
    }
    return none;
}

enum html_tag
html_tag_find(const uint8_t *name, size_t len)
{
    return (enum html_tag)find(tag_slot, tags, name, len, HTML_TAG_UNKNOWN);
}

enum html_attr
html_attr_find(const uint8_t *name, size_t len)
{
    return (enum html_attr)find(attr_slot, attrs, name, len, HTML_ATTR_CNT);
}

unsigned
html_tag_flags(enum html_tag tag)
{
    return tags[tag].flags;
}

const char *
html_tag_name(enum html_tag tag)
{
    return tags[tag].text;
}
