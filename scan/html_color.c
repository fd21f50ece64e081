#include "scan/html_style.h"
#include "scan/octet.h"

#include <string.h>

/* Octets of the longest name of a colour, in whole words; slots for about 150 of them. */
enum { NAME_LEN_MAX = 24, SLOTS = 512 };

struct color {
    const char *name;
    uint32_t rgb;
};

/* CSS Color Module Level 3, 4.3. */
/* clang-format off */
static const struct color colors[] = {
    {"aliceblue", 0xf0f8ff}, {"antiquewhite", 0xfaebd7}, {"aqua", 0x00ffff},
    {"aquamarine", 0x7fffd4}, {"azure", 0xf0ffff}, {"beige", 0xf5f5dc}, {"bisque", 0xffe4c4},
    {"black", 0x000000}, {"blanchedalmond", 0xffebcd}, {"blue", 0x0000ff},
    {"blueviolet", 0x8a2be2}, {"brown", 0xa52a2a}, {"burlywood", 0xdeb887},
    {"cadetblue", 0x5f9ea0}, {"chartreuse", 0x7fff00}, {"chocolate", 0xd2691e},
    {"coral", 0xff7f50}, {"cornflowerblue", 0x6495ed}, {"cornsilk", 0xfff8dc},
    {"crimson", 0xdc143c}, {"cyan", 0x00ffff}, {"darkblue", 0x00008b}, {"darkcyan", 0x008b8b},
    {"darkgoldenrod", 0xb8860b}, {"darkgray", 0xa9a9a9}, {"darkgreen", 0x006400},
    {"darkgrey", 0xa9a9a9}, {"darkkhaki", 0xbdb76b}, {"darkmagenta", 0x8b008b},
    {"darkolivegreen", 0x556b2f}, {"darkorange", 0xff8c00}, {"darkorchid", 0x9932cc},
    {"darkred", 0x8b0000}, {"darksalmon", 0xe9967a}, {"darkseagreen", 0x8fbc8f},
    {"darkslateblue", 0x483d8b}, {"darkslategray", 0x2f4f4f}, {"darkslategrey", 0x2f4f4f},
    {"darkturquoise", 0x00ced1}, {"darkviolet", 0x9400d3}, {"deeppink", 0xff1493},
    {"deepskyblue", 0x00bfff}, {"dimgray", 0x696969}, {"dimgrey", 0x696969},
    {"dodgerblue", 0x1e90ff}, {"firebrick", 0xb22222}, {"floralwhite", 0xfffaf0},
    {"forestgreen", 0x228b22}, {"fuchsia", 0xff00ff}, {"gainsboro", 0xdcdcdc},
    {"ghostwhite", 0xf8f8ff}, {"gold", 0xffd700}, {"goldenrod", 0xdaa520}, {"gray", 0x808080},
    {"green", 0x008000}, {"greenyellow", 0xadff2f}, {"grey", 0x808080}, {"honeydew", 0xf0fff0},
    {"hotpink", 0xff69b4}, {"indianred", 0xcd5c5c}, {"indigo", 0x4b0082}, {"ivory", 0xfffff0},
    {"khaki", 0xf0e68c}, {"lavender", 0xe6e6fa}, {"lavenderblush", 0xfff0f5},
    {"lawngreen", 0x7cfc00}, {"lemonchiffon", 0xfffacd}, {"lightblue", 0xadd8e6},
    {"lightcoral", 0xf08080}, {"lightcyan", 0xe0ffff}, {"lightgoldenrodyellow", 0xfafad2},
    {"lightgray", 0xd3d3d3}, {"lightgreen", 0x90ee90}, {"lightgrey", 0xd3d3d3},
    {"lightpink", 0xffb6c1}, {"lightsalmon", 0xffa07a}, {"lightseagreen", 0x20b2aa},
    {"lightskyblue", 0x87cefa}, {"lightslategray", 0x778899}, {"lightslategrey", 0x778899},
    {"lightsteelblue", 0xb0c4de}, {"lightyellow", 0xffffe0}, {"lime", 0x00ff00},
    {"limegreen", 0x32cd32}, {"linen", 0xfaf0e6}, {"magenta", 0xff00ff}, {"maroon", 0x800000},
    {"mediumaquamarine", 0x66cdaa}, {"mediumblue", 0x0000cd}, {"mediumorchid", 0xba55d3},
    {"mediumpurple", 0x9370db}, {"mediumseagreen", 0x3cb371}, {"mediumslateblue", 0x7b68ee},
    {"mediumspringgreen", 0x00fa9a}, {"mediumturquoise", 0x48d1cc}, {"mediumvioletred", 0xc71585},
    {"midnightblue", 0x191970}, {"mintcream", 0xf5fffa}, {"mistyrose", 0xffe4e1},
    {"moccasin", 0xffe4b5}, {"navajowhite", 0xffdead}, {"navy", 0x000080}, {"oldlace", 0xfdf5e6},
    {"olive", 0x808000}, {"olivedrab", 0x6b8e23}, {"orange", 0xffa500}, {"orangered", 0xff4500},
    {"orchid", 0xda70d6}, {"palegoldenrod", 0xeee8aa}, {"palegreen", 0x98fb98},
    {"paleturquoise", 0xafeeee}, {"palevioletred", 0xdb7093}, {"papayawhip", 0xffefd5},
    {"peachpuff", 0xffdab9}, {"peru", 0xcd853f}, {"pink", 0xffc0cb}, {"plum", 0xdda0dd},
    {"powderblue", 0xb0e0e6}, {"purple", 0x800080}, {"red", 0xff0000}, {"rosybrown", 0xbc8f8f},
    {"royalblue", 0x4169e1}, {"saddlebrown", 0x8b4513}, {"salmon", 0xfa8072},
    {"sandybrown", 0xf4a460}, {"seagreen", 0x2e8b57}, {"seashell", 0xfff5ee},
    {"sienna", 0xa0522d}, {"silver", 0xc0c0c0}, {"skyblue", 0x87ceeb}, {"slateblue", 0x6a5acd},
    {"slategray", 0x708090}, {"slategrey", 0x708090}, {"snow", 0xfffafa},
    {"springgreen", 0x00ff7f}, {"steelblue", 0x4682b4}, {"tan", 0xd2b48c}, {"teal", 0x008080},
    {"thistle", 0xd8bfd8}, {"tomato", 0xff6347}, {"turquoise", 0x40e0d0}, {"violet", 0xee82ee},
    {"wheat", 0xf5deb3}, {"white", 0xffffff}, {"whitesmoke", 0xf5f5f5}, {"yellow", 0xffff00},
    {"yellowgreen", 0x9acd32},
};
/* clang-format on */

static uint8_t slot[SLOTS]; /* number + 1 */

static size_t
slot_of(const uint8_t low[NAME_LEN_MAX])
{
    uint64_t h = 0, w;
    for (size_t i = 0; i < NAME_LEN_MAX; i += 8) {
        memcpy(&w, low + i, 8);
        h = (h ^ w) * UINT64_C(0x9e3779b97f4a7c15);
    }
    return (size_t)(h >> 55);
}

void
html_style_setup(void)
{
    memset(slot, 0, sizeof slot);
    for (size_t i = 0; i < sizeof colors / sizeof *colors; i++) {
        uint8_t low[NAME_LEN_MAX] = {0};
        memcpy(low, colors[i].name, strlen(colors[i].name));
        size_t k = slot_of(low);
        while (slot[k])
            k = (k + 1) % SLOTS;
        slot[k] = (uint8_t)(i + 1);
    }
}

static bool
named(struct span v, uint32_t *rgb)
{
    uint8_t low[NAME_LEN_MAX] = {0};

    if (!v.len || v.len >= NAME_LEN_MAX)
        return false;
    for (size_t i = 0; i < v.len; i++)
        low[i] = octet_lower(v.ptr[i]);
    for (size_t k = slot_of(low); slot[k]; k = (k + 1) % SLOTS) {
        const struct color *c = &colors[slot[k] - 1];
        if (!memcmp(c->name, low, strlen(c->name) + 1)) {
            *rgb = c->rgb;
            return true;
        }
    }
    return false;
}

struct digits {
    uint8_t at[6];
    unsigned len; /* counts on above 6 */
};

static void
add_digit(struct digits *d, unsigned v)
{
    if (d->len < 6)
        d->at[d->len] = (uint8_t)v;
    d->len++;
}

/* A number as "%02x" writes it: more than two digits above 255, which shifts those behind it. */
static void
add_number(struct digits *d, uint32_t v)
{
    unsigned shift = 4;
    while (shift < 28 && v >> (shift + 4))
        shift += 4;
    for (;; shift -= 4) {
        add_digit(d, v >> shift & 15);
        if (!shift)
            return;
    }
}

/* "rgb(1, 2, 3)" or "rgb(1%, 2%, 3%)". */
static bool
rgb_call(struct span v, struct digits *d)
{
    size_t i = 0;

    while (i + 4 <= v.len && (octet_lower(v.ptr[i]) != 'r' || octet_lower(v.ptr[i + 1]) != 'g' ||
                              octet_lower(v.ptr[i + 2]) != 'b' || v.ptr[i + 3] != '('))
        i++;
    if (i + 4 > v.len)
        return false;
    i += 4;
    bool is_percent = false;
    for (unsigned k = 0; k < 3; k++) {
        uint32_t n = 0;
        size_t from = i;
        for (; i < v.len && v.ptr[i] >= '0' && v.ptr[i] <= '9'; i++)
            n = n > 0xfffffff ? n : n * 10 + (v.ptr[i] - (uint32_t)'0');
        if (i == from)
            return false;
        bool has_percent = i < v.len && v.ptr[i] == '%';
        if (k && has_percent != is_percent)
            return false;
        is_percent = has_percent;
        i += has_percent;
        add_number(d, is_percent ? (uint32_t)((double)n / 100 * 255) : n);
        if (k < 2 && (i == v.len || v.ptr[i++] != ','))
            return false;
        while (i < v.len && octet_is_space(v.ptr[i]) && (k < 2 || is_percent || v.ptr[i]))
            i++;
    }
    return i < v.len && v.ptr[i] == ')';
}

uint32_t
html_color(struct span v)
{
    struct digits d = {{0}, 0};
    uint32_t rgb;

    while (v.len && octet_is_space(v.ptr[0]))
        v.ptr++, v.len--;
    while (v.len && octet_is_space(v.ptr[v.len - 1]))
        v.len--;
    if (named(v, &rgb))
        return rgb;
    if (!v.len || v.ptr[0] != '#') {
        if (!rgb_call(v, &d))
            return HTML_COLOR_INVALID;
    } else {
        for (size_t i = 0; i < v.len; i++) {
            int h = octet_hex(v.ptr[i]);
            if (h < 0 && v.ptr[i] != '#')
                return HTML_COLOR_INVALID;
            if (h >= 0)
                add_digit(&d, (unsigned)h);
        }
    }
    if (!d.len)
        return HTML_COLOR_BARE;
    if (d.len < 6) /* shorthand, padded with 0: "#f8" is "#f80" is "#ff8800" */
        return d.at[0] * 0x110000u | (d.len > 1 ? d.at[1] * 0x1100u : 0) |
               (d.len > 2 ? d.at[2] * 0x11u : 0);
    rgb = 0;
    for (unsigned i = 0; i < 6; i++)
        rgb = rgb << 4 | d.at[i];
    return rgb;
}
