/* urldump: the URLs of lines and links; for url_truth.pl and linear_test.py.
 *
 *     urldump serve
 *
 * Records: a letter, a length in four octets (little-endian), octets. "M" begins a message, "T" is
 * a line of its text, "H" a link ("tag href"; "-" for one found in text), "E" its end: the answer
 * is every string that uri rules see, each behind its length, and a length of 0xffffffff at the
 * end.
 *
 *     urldump text
 *
 * All of stdin is lines of one message; prints how many strings there are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan/url.h"

static struct urls u;
static struct suffix_set *set;

static bool
read_number(size_t *n)
{
    uint8_t b[4];

    if (fread(b, 1, 4, stdin) != 4)
        return false;
    *n = b[0] | (size_t)b[1] << 8 | (size_t)b[2] << 16 | (size_t)b[3] << 24;
    return true;
}

static void
write_number(size_t n)
{
    for (unsigned i = 0; i < 4; i++)
        putchar((int)(n >> 8 * i & 0xff));
}

static void
answer(void)
{
    struct span text;
    uint32_t at;

    for (uint32_t i = 0; urls_next(&u, &i, &text, &at);) {
        write_number(text.len);
        fwrite(text.ptr, 1, text.len, stdout);
    }
    write_number(UINT32_MAX);
    fflush(stdout);
}

static void
link_of(struct span s)
{
    const uint8_t *blank = s.len == 0 ? NULL : memchr(s.ptr, ' ', s.len);
    size_t len = blank == NULL ? 0 : (size_t)(blank - s.ptr);
    bool is_parsed = len == 1 && s.ptr[0] == '-';

    if (blank != NULL)
        urls_html(&u, is_parsed ? URL_PARSED : url_type_of((struct span){s.ptr, len}),
                  (struct span){s.ptr + len + 1, s.len - len - 1});
}

static int
serve(void)
{
    for (int what; (what = getchar()) != EOF;) {
        size_t len;
        uint8_t *p;

        if (!read_number(&len) || !(p = malloc(len + 1)) || fread(p, 1, len, stdin) != len)
            return 1;
        if (what == 'M')
            urls_init(&u, set, NULL, NULL);
        else if (what == 'T')
            urls_text(&u, (struct span){p, len});
        else if (what == 'H')
            link_of((struct span){p, len});
        else
            answer();
        free(p);
    }
    return 0;
}

static int
read_text(void)
{
    static char line[1 << 20];
    struct span text;
    uint32_t at;
    unsigned cnt = 0;

    urls_init(&u, set, NULL, NULL);
    while (fgets(line, sizeof line, stdin))
        urls_text(&u, (struct span){(const uint8_t *)line, strlen(line)});
    for (uint32_t i = 0; urls_next(&u, &i, &text, &at);)
        cnt++;
    printf("%u\n", cnt);
    return 0;
}

int
main(int argc, char **argv)
{
    int rc;

    if (suffix_new(&set) != 0)
        return 1;
    rc = argc > 1 && strcmp(argv[1], "serve") == 0 ? serve() : read_text();
    suffix_free(set);
    return rc;
}
