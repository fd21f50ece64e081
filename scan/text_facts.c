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
    f->body_len += len;
    for (size_t i = 0; i < len; i++) {
        f->body_len -= f->has_cr && octets[i] == '\n';
        f->has_cr = octets[i] == '\r';
    }
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
    f->upper_len += s.len;
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.ptr[i];
        f->lower_cnt += (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        f->upper_cnt += c >= 'A' && c <= 'Z';
    }
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
    bool is_blank = true, has_octets = false;
    for (size_t i = 0; i < chunk.len; i++) {
        has_octets = true;
        is_blank &= octet_is_space(chunk.ptr[i]);
        if (chunk.ptr[i] != '\n')
            continue;
        f->lines_cnt++;
        f->blank_lines_cnt += is_blank;
        is_blank = true;
        has_octets = false;
    }
    if (has_octets) {
        f->lines_cnt++;
        f->blank_lines_cnt += is_blank;
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
