#include "scan/text_facts.h"

#include <string.h>

#include "scan/octet.h"

/* SpamAssassin looks at no mail shorter than this: one or two acronyms would decide. */
enum { UPPERCASE_LEN_MIN = 200, VERTICAL_LEN_MIN = 6 };

void
text_facts_init(struct text_facts *f)
{
    memset(f, 0, sizeof(*f));
    f->vertical_words = -1;
}

void
text_facts_octets(struct text_facts *f, const uint8_t *octets, size_t len)
{
    if (!len)
        return;
    size_t pairs = f->has_cr && octets[0] == '\n';
    for (size_t i = 1; i < len; i++)
        pairs += (octets[i - 1] == '\r') & (octets[i] == '\n');
    f->has_cr = octets[len - 1] == '\r';
    f->body_len += len - pairs;
}

/* "\S\s+\S" */
static bool
has_inner_space(struct span s)
{
    size_t i = 0;
    while (i < s.len && octet_is_space(s.ptr[i]))
        i++;
    while (i < s.len && !octet_is_space(s.ptr[i]))
        i++;
    if (i == 0 || i == s.len)
        return false;
    while (i < s.len && octet_is_space(s.ptr[i]))
        i++;
    return i < s.len;
}

/* Two runs of 60 to 76 base64 octets, a blank behind each. */
static bool
is_base64_line(struct span s)
{
    size_t i = 0;
    for (unsigned runs = 0; runs < 2; runs++) {
        size_t start = i;
        while (i < s.len && ((s.ptr[i] >= 'A' && s.ptr[i] <= 'Z') || (s.ptr[i] >= 'a' && s.ptr[i] <= 'z') ||
                             (s.ptr[i] >= '0' && s.ptr[i] <= '9') || s.ptr[i] == '+' || s.ptr[i] == '/' ||
                             s.ptr[i] == '='))
            i++;
        if (i - start < 60 || i - start > 76 || i == s.len || s.ptr[i] != ' ')
            return false;
        i++;
    }
    return true;
}

/* ISO-2022-JP: from the first "ESC $ B" to the last "ESC ( B", whose octets look like letters. */
static struct span
shifted(struct span s)
{
    struct span none = { s.ptr, 0 };
    for (size_t i = 0; i + 3 <= s.len; i++) {
        const uint8_t *escape = memchr(s.ptr + i, 0x1b, s.len - 2 - i);
        if (!escape)
            return none;
        i = (size_t)(escape - s.ptr);
        if (memcmp(s.ptr + i, "\x1b$B", 3))
            continue;
        for (size_t j = s.len; j >= i + 6; j--)
            if (!memcmp(s.ptr + j - 3, "\x1b(B", 3))
                return (struct span){ s.ptr + i, j - i };
        return none;
    }
    return none;
}

static void
count_case(struct text_facts *f, struct span s)
{
    uint32_t lower = 0, upper = 0; /* a line is shorter than 4 GiB */
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.ptr[i];
        lower += (uint32_t)((uint8_t)(c - 'a') < 26) | (uint32_t)((uint8_t)(c - '0') < 10);
        upper += (uint8_t)(c - 'A') < 26;
    }
    f->upper_len += s.len;
    f->lower_cnt += lower;
    f->upper_cnt += upper;
}

static void
count_vertical(struct text_facts *f, struct span s)
{
    if (s.len < VERTICAL_LEN_MIN)
        return;
    size_t spaces = 0;
    for (size_t i = 0; i < s.len; i++)
        spaces += s.ptr[i] == ' ';
    size_t others = s.len - spaces;
    int percent = spaces > others ? 100 : (int)(100 * spaces / others);
    if (percent > f->vertical_words)
        f->vertical_words = percent;
}

void
text_facts_line(struct text_facts *f, struct span line)
{
    f->line_len_sum += line.len;
    count_vertical(f, line);
    if (!has_inner_space(line) || is_base64_line(line))
        return;
    struct span cut = shifted(line);
    count_case(f, (struct span){ line.ptr, (size_t)(cut.ptr - line.ptr) });
    const uint8_t *rest = cut.ptr + cut.len;
    count_case(f, (struct span){ rest, line.len - (size_t)(rest - line.ptr) });
}

void
text_facts_chunk(struct text_facts *f, struct span chunk)
{
    for (size_t i = 0; i < chunk.len;) {
        const uint8_t *lf = memchr(chunk.ptr + i, '\n', chunk.len - i);
        size_t end = lf ? (size_t)(lf - chunk.ptr) : chunk.len;
        while (i < end && octet_is_space(chunk.ptr[i]))
            i++;
        f->lines_cnt++;
        f->blank_lines_cnt += i == end;
        i = end + 1;
    }
}

double
text_facts_uppercase(const struct text_facts *f)
{
    uint64_t all = f->upper_cnt + f->lower_cnt;
    return f->upper_len < UPPERCASE_LEN_MIN || !all ? 0 : (double)f->upper_cnt / (double)all * 100;
}

double
text_facts_blank_ratio(const struct text_facts *f, double min_lines)
{
    if (min_lines < 1)
        min_lines = 1;
    return (double)f->lines_cnt < min_lines ? -1
                                            : 100.0 * (double)f->blank_lines_cnt / (double)f->lines_cnt;
}
