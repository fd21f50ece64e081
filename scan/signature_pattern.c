/* An .ndb line's offset and hex, translated into a regex over octets: see signature.h. */
#include <hs/hs.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan/signature_private.h"

enum { GAP_OPEN = -1 }; /* no upper end */

/* The longest regex of an octet: a class of sixteen, "[\x0a\x1a ...]". */
enum { CLASS_TEXT_MAX = 2 + 16 * 4 + 1 };

struct translation {
    const struct signature_line *line;
    const struct signature_field *hex;
    size_t at; /* in hex */
    char *regex;
    size_t regex_len;
    size_t regex_max;
    uint64_t len_min;
    uint64_t len_max;
    bool is_open;        /* there is no greatest length */
    bool is_gap_last;    /* the element before was a gap */
    unsigned static_run; /* certain octets in a row, up to here */
    unsigned static_max;
};

/* One octet of a pattern: those c with (c & mask) == value. */
struct octet {
    uint8_t value;
    uint8_t mask;
};

static bool
refuse(const struct signature_line *line, uint32_t column, const char *why)
{
    signature_say(line, RULE_WARNING, column, "refused: %s", why);
    line->list->refused_cnt++;
    return false;
}

static bool
wrong(const struct signature_line *line, uint32_t column, const char *why)
{
    signature_say(line, RULE_ERROR, column, "%s", why);
    return false;
}

static uint32_t
column(const struct translation *t)
{
    return t->hex->column + (uint32_t)t->at;
}

static void __attribute__((format(printf, 2, 3)))
emit(struct translation *t, const char *format, ...)
{
    char text[CLASS_TEXT_MAX + 1];
    va_list args;
    va_start(args, format);
    size_t len = (size_t)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (t->regex_len + len + 1 > t->regex_max) {
        t->regex_max = (t->regex_len + len + 1) * 2;
        t->regex = signature_must(realloc(t->regex, t->regex_max));
    }
    memcpy(t->regex + t->regex_len, text, len + 1);
    t->regex_len += len;
}

static void
emit_octet(struct translation *t, struct octet o)
{
    if (o.mask == 0xff) {
        emit(t, "\\x%02x", o.value);
    } else if (o.mask == 0) {
        emit(t, ".");
    } else if (o.mask == 0xf0) {
        emit(t, "[\\x%02x-\\x%02x]", o.value, o.value | 0x0f);
    } else {
        emit(t, "[");
        for (unsigned high = 0; high < 0x100; high += 0x10)
            emit(t, "\\x%02x", high | o.value);
        emit(t, "]");
    }
}

static void
emit_gap(struct translation *t, uint64_t min, uint64_t max, bool is_open)
{
    if (is_open && min == 0)
        emit(t, ".*");
    else if (is_open)
        emit(t, ".{%" PRIu64 ",}", min);
    else if (min == max)
        emit(t, ".{%" PRIu64 "}", min);
    else
        emit(t, ".{%" PRIu64 ",%" PRIu64 "}", min, max);
}

/* A nibble: -1 for none, 16 for ?. */
static int
nibble(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c == '?')
        return 16;
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
read_octet(struct translation *t, struct octet *o)
{
    const char *text = t->hex->text + t->at;
    int high = nibble(text[0]);
    if (high < 0)
        return wrong(t->line, column(t), "neither a hexadecimal digit nor ? * { ( ! or [");
    int low = t->at + 1 < t->hex->len ? nibble(text[1]) : -1;
    if (low < 0) {
        t->at++;
        return wrong(t->line, column(t), "half an octet: the second hexadecimal digit is missing");
    }
    o->mask = (uint8_t)((high < 16 ? 0xf0 : 0) | (low < 16 ? 0x0f : 0));
    o->value = (uint8_t)((high < 16 ? high << 4 : 0) | (low < 16 ? low : 0));
    t->at += 2;
    return true;
}

static void
count(struct translation *t, uint64_t min, uint64_t max, bool is_static)
{
    t->len_min += min;
    t->len_max += max;
    t->static_run = is_static ? t->static_run + 1 : 0;
    if (t->static_run > t->static_max)
        t->static_max = t->static_run;
}

static bool
translate_octet(struct translation *t)
{
    struct octet o;
    if (!read_octet(t, &o))
        return false;
    emit_octet(t, o);
    count(t, 1, 1, o.mask == 0xff);
    t->is_gap_last = false;
    return true;
}

/* Gaps: * {n} {n-m} {-m} {n-} [n-m] */

static bool
add_gap(struct translation *t, uint64_t min, uint64_t max, bool is_open, uint32_t at_column)
{
    if (t->regex_len == 0)
        return refuse(t->line, at_column, "a gap at the start: an offset says that");
    if (min > SIGNATURE_GAP_MAX || (!is_open && max > SIGNATURE_GAP_MAX))
        return refuse(t->line, at_column, "a gap of more than 32767 octets, Hyperscan's greatest repeat");
    if (!is_open && min > max)
        return wrong(t->line, at_column, "a gap whose end is before its start");
    if (is_open || max > 0)
        emit_gap(t, min, max, is_open);
    t->is_open |= is_open;
    count(t, min, is_open ? min : max, false);
    t->is_gap_last = true;
    return true;
}

static bool
translate_braces(struct translation *t, char close)
{
    uint32_t at_column = column(t);
    const char *text = t->hex->text + ++t->at;
    const char *end = memchr(text, close, t->hex->len - t->at);
    if (!end)
        return wrong(t->line, at_column, "a gap that is not closed");
    size_t len = (size_t)(end - text);
    const char *dash = memchr(text, '-', len);
    size_t min_len = dash ? (size_t)(dash - text) : len;
    size_t max_len = dash ? len - min_len - 1 : 0;
    uint64_t min = 0;
    uint64_t max = 0;
    if ((min_len > 0 && !signature_number(text, min_len, UINT32_MAX, &min)) ||
        (max_len > 0 && !signature_number(dash + 1, max_len, UINT32_MAX, &max)) || min_len + max_len == 0)
        return wrong(t->line, column(t), "a gap is {n}, {n-m}, {-m} or {n-}");
    t->at += len + 1;
    return add_gap(t, min, dash ? max : min, dash && max_len == 0, at_column);
}

/* Alternatives: (aa|bb) !(aa|bb) */

/* What the alternatives of one pair of brackets are. */
struct choice {
    uint64_t min;
    uint64_t max;
    bool is_single; /* all one certain octet long */
    size_t end;     /* of the closing bracket, in hex */
};

/* Reads them once without writing: what is written hangs on all of them. */
static bool
survey(struct translation *t, struct choice *c)
{
    const char *text = t->hex->text;
    const char *close = memchr(text + t->at, ')', t->hex->len - t->at);
    if (!close)
        return wrong(t->line, column(t), "alternatives that are not closed");
    *c = (struct choice){ .min = UINT64_MAX, .is_single = true, .end = (size_t)(close - text) };
    if (c->end == t->at + 1 && strchr("BLW", text[t->at]))
        return refuse(t->line, column(t), "a boundary (B), (L) or (W)");
    uint64_t len = 0;
    while (t->at <= c->end) {
        if (text[t->at] != '|' && t->at < c->end) {
            struct octet o;
            if (!read_octet(t, &o))
                return false;
            c->is_single &= o.mask == 0xff;
            len++;
            continue;
        }
        if (len == 0)
            return wrong(t->line, column(t), "an alternative without octets");
        c->is_single &= len == 1;
        c->min = len < c->min ? len : c->min;
        c->max = len > c->max ? len : c->max;
        len = 0;
        t->at++;
    }
    return true;
}

static void
emit_choice(struct translation *t, const struct choice *c, size_t from, bool is_negated)
{
    emit(t, "%s", c->is_single ? (is_negated ? "[^" : "[") : "(?:");
    for (t->at = from; t->at < c->end;) {
        struct octet o;
        if (t->hex->text[t->at] != '|' && read_octet(t, &o)) {
            emit_octet(t, o);
            continue;
        }
        if (!c->is_single)
            emit(t, "|");
        t->at++;
    }
    emit(t, "%s", c->is_single ? "]" : ")");
}

static bool
translate_choice(struct translation *t)
{
    uint32_t at_column = column(t);
    bool is_negated = t->hex->text[t->at] == '!';
    t->at += is_negated;
    if (t->at >= t->hex->len || t->hex->text[t->at] != '(')
        return wrong(t->line, at_column, "! without (");
    size_t from = ++t->at;
    struct choice c;
    if (!survey(t, &c))
        return false;
    if (is_negated && !c.is_single)
        return refuse(t->line, at_column, "! before anything but single octets");
    emit_choice(t, &c, from, is_negated);
    t->at = c.end + 1;
    count(t, c.min, c.max, false);
    t->is_gap_last = false;
    return true;
}

static bool
translate_hex(struct translation *t)
{
    while (t->at < t->hex->len) {
        bool is_good;
        switch (t->hex->text[t->at]) {
        case '*':
            is_good = add_gap(t, 0, 0, true, column(t));
            t->at++;
            break;
        case '{':
            is_good = translate_braces(t, '}');
            break;
        case '[':
            is_good = translate_braces(t, ']');
            break;
        case '!':
        case '(':
            is_good = translate_choice(t);
            break;
        default:
            is_good = translate_octet(t);
        }
        if (!is_good)
            return false;
    }
    if (t->is_gap_last)
        return refuse(t->line, column(t), "a gap at the end");
    if (t->static_max < SIGNATURE_STATIC_MIN)
        return refuse(t->line, t->hex->column, "no two octets in a row are certain: it would hit everywhere");
    return true;
}

/* Offsets */

struct place {
    bool is_any;
    bool is_from_end;
    uint64_t off;
    uint64_t shift;
};

static bool
parse_offset(const struct signature_line *line, const struct signature_field *f, struct place *p)
{
    *p = (struct place){ .is_any = f->len == 1 && f->text[0] == '*' };
    if (p->is_any)
        return true;
    if (f->len == 0)
        return wrong(line, f->column, "an offset is *, n, n,shift, EOF-n or EOF-n,shift");
    p->is_from_end = f->len > 4 && !memcmp(f->text, "EOF-", 4);
    size_t from = p->is_from_end ? 4 : 0;
    const char *comma = memchr(f->text, ',', f->len);
    size_t end = comma ? (size_t)(comma - f->text) : f->len;
    if (!p->is_from_end && strchr("ESV", f->text[0]))
        return refuse(line, f->column, "an offset that needs the inside of a program");
    if (end < from || !signature_number(f->text + from, end - from, UINT32_MAX, &p->off) ||
        (comma && !signature_number(comma + 1, f->len - end - 1, UINT32_MAX, &p->shift)))
        return wrong(line, f->column, "an offset is *, n, n,shift, EOF-n or EOF-n,shift");
    return true;
}

/* Puts `text` before what is written. */
static void
prepend(struct translation *t, const char *text)
{
    char *rest = t->regex;
    t->regex = NULL;
    t->regex_len = 0;
    t->regex_max = 0;
    emit(t, "%s", text);
    size_t len = strlen(rest);
    t->regex = signature_must(realloc(t->regex, t->regex_len + len + 1));
    t->regex_max = t->regex_len + len + 1;
    memcpy(t->regex + t->regex_len, rest, len + 1);
    t->regex_len += len;
    free(rest);
}

static bool
place_from_start(struct translation *t, const struct signature_field *f, const struct place *p,
                 struct signature_pattern *out)
{
    char text[64] = "\\A";
    if (p->off + p->shift == 0) {
        prepend(t, text);
        return true;
    }
    if (!t->is_open && t->len_min == t->len_max) {
        /* One length: where it ends tells where it begins. */
        out->has_end = true;
        out->end_min = p->off + t->len_min;
        out->end_max = p->off + p->shift + t->len_min;
        return true;
    }
    if (p->off + p->shift > SIGNATURE_OFFSET_GAP_MAX)
        return refuse(t->line, f->column, "an offset over 4096 and a pattern without one length");
    snprintf(text, sizeof(text), "\\A.{%" PRIu64 ",%" PRIu64 "}", p->off, p->off + p->shift);
    prepend(t, text);
    return true;
}

static bool
place_from_end(struct translation *t, const struct signature_field *f, const struct place *p)
{
    if (t->is_open || t->len_min != t->len_max)
        return refuse(t->line, f->column, "EOF- and a pattern without one length");
    if (p->off < t->len_min)
        return refuse(t->line, f->column, "the pattern is longer than what is left behind its offset");
    uint64_t max = p->off - t->len_min;
    uint64_t min = max > p->shift ? max - p->shift : 0;
    if (max > SIGNATURE_OFFSET_GAP_MAX)
        return refuse(t->line, f->column, "more than 4096 octets from the end");
    if (max > 0)
        emit_gap(t, min, max, false);
    emit(t, "\\z");
    return true;
}

bool
signature_pattern_translate(const struct signature_line *line, const struct signature_field *offset,
                            const struct signature_field *hex, struct signature_pattern *p)
{
    struct place place;
    struct translation t = { .line = line, .hex = hex };
    if (hex->len == 0)
        return wrong(line, hex->column, "a pattern without octets");
    bool is_good = parse_offset(line, offset, &place) && translate_hex(&t);
    if (is_good && place.is_from_end)
        is_good = place_from_end(&t, offset, &place);
    else if (is_good && !place.is_any)
        is_good = place_from_start(&t, offset, &place, p);
    if (!is_good) {
        free(t.regex);
        return false;
    }
    p->regex = t.regex;
    p->flags = HS_FLAG_DOTALL;
    if (p->target == SIGNATURE_HTML || p->target == SIGNATURE_TEXT)
        p->flags |= HS_FLAG_CASELESS;
    return true;
}
