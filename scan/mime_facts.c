#include "scan/mime_facts.h"

#include <string.h>


void
mime_facts_init(struct mime_facts *f)
{
    memset(f, 0, offsetof(struct mime_facts, parents));
    memset(&f->now, 0, sizeof(f->now));
}

uint32_t
mime_flag_of(struct span name)
{
    static const struct {
        const char *name;
        enum mime_flag flag;
    } flags[] = {
        { "missing_head_body_separator", MIME_FLAG_NO_HEAD_SEPARATOR },
        { "missing_mime_head_body_separator", MIME_FLAG_NO_PART_SEPARATOR },
        { "missing_mime_headers", MIME_FLAG_NO_PART_HEADER },
        { "mime_epilogue_exists", MIME_FLAG_EPILOGUE },
        { "truncated_header", MIME_FLAG_TRUNCATED_HEADER },
        { "mimepart_limit_exceeded", MIME_FLAG_PART_LIMIT },
        { "mime_missing_boundary", MIME_FLAG_OPEN_BOUNDARY },
    };
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        if (name.len == strlen(flags[i].name) && !memcmp(name.ptr, flags[i].name, name.len))
            return (uint32_t)flags[i].flag;
    return 0;
}

double
mime_facts_multipart_ratio(const struct mime_facts *f)
{
    if (!f->has_alternative || !f->has_text_len || !f->has_html_len || !f->html_len)
        return 1;
    return (double)f->text_len / (double)f->html_len;
}

double
mime_facts_qp_ratio(const struct mime_facts *f)
{
    if (!f->qp_len)
        return 0;
    return ((double)f->qp_cnt_escapes - (double)f->qp_trailing) / (double)f->qp_len;
}

double
mime_facts_unicode_ratio(const struct mime_facts *f)
{
    return f->normal_len ? (double)f->unicode_cnt / (double)f->normal_len : 0;
}

static bool
is_hex_upper(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F');
}

/* "=41": an octet that could have stood there itself. */
static bool
is_needless_escape(const uint8_t *s)
{
    uint8_t a = s[1], b = s[2];
    if (s[0] != '=')
        return false;
    if (a == '0')
        return b == '9';
    if (a == '3')
        return (b >= '0' && b <= '9') || (b >= 'A' && b <= 'F' && b != 'D');
    if (a == '7')
        return (b >= '0' && b <= '9') || (b >= 'A' && b <= 'E');
    return (a == '2' || a == '4' || a == '5' || a == '6') && is_hex_upper(b);
}

static bool
is_blank_escape(const uint8_t *s)
{
    return s[0] == '=' && ((s[1] == '0' && s[2] == '9') || (s[1] == '2' && s[2] == '0'));
}

static void
count_escapes(struct mime_facts *f, const uint8_t *s, size_t len)
{
    uint64_t cnt = 0;
    for (size_t i = 0; i + 3 <= len; i++) {
        const uint8_t *sign = memchr(s + i, '=', len - 2 - i);
        if (!sign)
            break;
        i = (size_t)(sign - s);
        if (!is_needless_escape(s + i))
            continue;
        cnt++;
        i += 2;
    }
    f->qp_cnt_escapes += cnt;
    if (!cnt)
        return;
    while (len && (s[len - 1] == ' ' || (s[len - 1] >= '\t' && s[len - 1] <= '\r')))
        len--;
    for (; len >= 3 && is_blank_escape(s + len - 3); len -= 3)
        f->qp_trailing++;
}

/* "&#x12AB;" in a text/plain that a reader will show as it is. */
static void
count_unicode(struct mime_facts *f, const uint8_t *s, size_t len)
{
    f->normal_len += len;
    for (size_t i = 0; i + 8 <= len; i++) {
        const uint8_t *sign = memchr(s + i, '&', len - 7 - i);
        if (!sign)
            break;
        i = (size_t)(sign - s);
        if (s[i] != '&' || s[i + 1] != '#' || s[i + 2] != 'x' || s[i + 7] != ';' || !is_hex_upper(s[i + 3]) ||
            !is_hex_upper(s[i + 4]) || !is_hex_upper(s[i + 5]) || !is_hex_upper(s[i + 6]))
            continue;
        f->unicode_cnt++;
        f->normal_len -= 8;
        i += 7;
    }
}

static bool
has_illegal_ascii(const uint8_t *s, size_t len)
{
    uint8_t found = 0; /* no way out of the loop: it becomes vectors */
    for (size_t i = 0; i < len; i++)
        found |= (uint8_t)((s[i] & 0x80) | (s[i] == 0) | (s[i] == '\r'));
    return found;
}

/* The first octets of MZ executables in base64. */
static bool
is_base64_executable(const uint8_t *s, size_t len)
{
    return len >= 14 && s[0] == 'T' && s[1] == 'V' && s[2] >= 'o' && s[2] <= 'r' && s[4] == 'A' &&
           (s[7] == 'A' || s[7] == 'B') && strchr("AQgw", s[9]) && s[9] && s[10] >= 'A' &&
           s[10] <= 'H' && s[12] == 'A';
}

/* .. and in uuencode: a pattern for the start, then a run of zeros anywhere. */
static bool
is_uu_executable(const uint8_t *s, size_t len)
{
    if (len < 15 || memcmp(s, "M35", 3) || s[3] < 'G' || s[3] > 'K' || s[5] != '`' || s[8] != '`')
        return false;
    for (size_t i = 10; i + 4 <= len; i++)
        if (!memcmp(s + i, "````", 4))
            return true;
    return false;
}

/* Patterns that look at a line as it stands in `line`. */
static void
look_at_line(struct mime_facts *f)
{
    struct mime_facts_now *now = &f->now;
    if (now->is_qp)
        count_escapes(f, f->line, now->kept);
    if (now->is_ascii && has_illegal_ascii(f->line, now->kept))
        f->ascii_illegal_cnt++;
    if (now->type == MIME_NODE_PLAIN && now->is_plain_encoding)
        count_unicode(f, f->line, now->kept);
    if (!now->is_named_executable) {
        if (now->is_base64)
            f->has_executable |= now->is_first_line && is_base64_executable(f->line, now->kept);
        if (now->is_text && !(now->is_base64 && f->has_executable))
            f->has_executable |= is_uu_executable(f->line, now->kept);
    }
    now->is_first_line = false;
    now->kept = 0;
}

/* A line, or a part of one that was cut, is over: `len` octets, its line end included. */
static void
end_line(struct mime_facts *f, uint64_t len)
{
    struct mime_facts_now *now = &f->now;
    look_at_line(f);
    if (now->is_qp) {
        f->qp_len += len;
        f->has_long_qp_line |= len > 79;
    }
    if (now->is_exact_base64 && !now->is_ics && len > f->base64_line_max)
        f->base64_line_max = len;
    now->len += len;
    now->line_len = 0;
}

static void
put(struct mime_facts *f, uint8_t c)
{
    struct mime_facts_now *now = &f->now;
    f->line[now->kept++] = c;
    now->line_len++;
    if (c == '\n') {
        end_line(f, now->line_len);
    } else if (now->kept == MIME_FACTS_LINE_MAX + 1) {
        /* SpamAssassin cuts it and gives the piece a line end; the octet at hand begins the next one. */
        now->kept--;
        f->line[now->kept] = '\n';
        now->kept++;
        end_line(f, MIME_FACTS_LINE_MAX + 1);
        f->line[now->kept++] = c;
        now->line_len = 1;
    }
}

/* The octets up to a CR, an LF or the cut, at once. Returns how many. */
static size_t
put_run(struct mime_facts *f, const uint8_t *octets, size_t len)
{
    struct mime_facts_now *now = &f->now;
    size_t room = now->kept < MIME_FACTS_LINE_MAX ? MIME_FACTS_LINE_MAX - now->kept : 0;
    size_t n = len < room ? len : room;
    const uint8_t *end = n ? memchr(octets, '\n', n) : NULL;
    n = end ? (size_t)(end - octets) : n;
    end = n ? memchr(octets, '\r', n) : NULL;
    n = end ? (size_t)(end - octets) : n;
    if (n)
        memcpy(f->line + now->kept, octets, n);
    now->kept += (uint32_t)n;
    now->line_len += n;
    return n;
}

void
mime_facts_raw(struct mime_facts *f, const uint8_t *octets, size_t len)
{
    struct mime_facts_now *now = &f->now;
    if (!now->is_leaf)
        return;
    for (size_t i = 0; i < len; i++) {
        if (!now->has_cr)
            i += put_run(f, octets + i, len - i);
        if (i == len)
            break;
        if (now->has_cr && octets[i] != '\n')
            put(f, '\r');
        now->has_cr = octets[i] == '\r';
        if (!now->has_cr)
            put(f, octets[i]);
    }
}

void
mime_facts_end(struct mime_facts *f)
{
    struct mime_facts_now *now = &f->now;
    if (!now->is_leaf)
        return;
    if (now->has_cr)
        put(f, '\r');
    if (now->line_len)
        end_line(f, now->line_len);
    uint64_t counted = f->has_alternative ? now->len : 0;
    if (!now->is_attachment && now->type == MIME_NODE_HTML) {
        f->has_html_len = true;
        f->html_len = counted;
    } else if (!now->is_attachment && now->type == MIME_NODE_PLAIN) {
        f->has_text_len = true;
        f->text_len = counted;
    }
    now->is_leaf = false;
}
