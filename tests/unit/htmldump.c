/* htmldump: renders UTF-8 HTML; for comparing with HTML.pm (html_truth.pl) and for measuring.
 *
 *     htmldump [window [times]]
 *
 * stdin is one text. Lines come out: "fact name value", "link type hex-uri", "invisible hex", then
 * "text" and the text itself.
 *
 *     htmldump serve
 *
 * Many texts, each behind its length in four octets (little-endian), the answers likewise. The
 * first octet of a text is its window (0: all at once). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "scan/html.h"

static bool is_quiet;
static FILE *to;

static void
hex(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        fprintf(to, "%02x", s.ptr[i]);
}

static void
link(void *ctx, enum html_link type, struct span uri)
{
    (void)ctx;
    if (is_quiet)
        return;
    fprintf(to, "link %s ", html_link_name(type));
    hex(uri);
    fprintf(to, "\n");
}

static uint8_t *
read_all(size_t *len)
{
    size_t cap = 1 << 20;
    uint8_t *p = malloc(cap);
    *len = 0;
    for (size_t n; p && (n = fread(p + *len, 1, cap - *len, stdin)) > 0;) {
        *len += n;
        if (*len == cap)
            p = realloc(p, cap *= 2);
    }
    return p;
}

static struct html h;

static size_t
render(const uint8_t *in, size_t len, size_t window, uint8_t *text, uint8_t *invisible,
       size_t *invisible_len)
{
    bool is_ascii = true;
    size_t total = 0, used, n;
    struct html_sink sink = {link, NULL};
    static uint8_t out[65536];

    for (size_t i = 0; i < len && is_ascii; i++)
        is_ascii = in[i] < 0x80;
    *invisible_len = 0;
    html_init(&h, is_ascii, &sink);
    for (bool is_end = false;;) {
        size_t w = len < window ? len : window;
        is_end = !len;
        n = is_end ? html_end(&h, out, sizeof out) : html_feed(&h, in, w, out, sizeof out, &used);
        if (is_end && !n)
            return total;
        memcpy(text + total, out, n);
        total += n;
        if (h.is_invisible) {
            memcpy(invisible + *invisible_len, out, n);
            *invisible_len += n;
        }
        if (!is_end)
            in += used, len -= used;
    }
}

static void
facts(const struct html_facts *f)
{
    fprintf(to, "fact html %d\nfact embeds %d\nfact font_face_bad %d\nfact font_low_contrast %d\n",
            f->html, f->embeds, f->font_face_bad, f->font_low_contrast);
    fprintf(to, "fact font_invalid_color %d\nfact form_action_mailto %d\nfact anchor_has_img %d\n",
            f->font_invalid_color, f->form_action_mailto, f->anchor_has_img);
    fprintf(to, "fact comment_closed %d\nfact comment_short %d\nfact comment_saved %d\n",
            f->comment.has_closed, f->comment.has_short, f->comment.has_saved_url);
    fprintf(to,
            "fact length %u\nfact html_length %u\nfact non_space_len %u\nfact image_area %.15g\n",
            f->length, f->html_length, f->non_space_len, f->image_area);
    fprintf(to, "fact max_size %d\nfact min_size %d\n", f->max_size, f->min_size);
    fprintf(to,
            "fact closed_extra_ratio %.6f\nfact bad_tag_ratio %.6f\nfact non_element_ratio %.6f\n",
            html_closed_extra_ratio(f), html_bad_tag_ratio(f), html_non_element_ratio(f));
    fprintf(to,
            "fact obfuscation_ratio %.6f\nfact title_len_max %u\nfact title_line %d\nfact charsets "
            "%s\n",
            html_obfuscation_ratio(f), f->title_len_max, f->title_line_max >= 120, f->charsets);
    fprintf(to, "fact aborted %d\n", f->is_aborted);
    for (unsigned i = 1; i < HTML_TAG_CNT; i++)
        if (f->has_inside[i])
            fprintf(to, "fact inside_%s %d\n", html_tag_name((enum html_tag)i), f->inside[i]);
}

static void
dump(const uint8_t *in, size_t len, size_t window)
{
    uint8_t *text = malloc(len + 64), *invisible = malloc(len + 64);
    size_t n, invisible_len;

    if (!text || !invisible)
        abort();
    n = render(in, len, window, text, invisible, &invisible_len);
    facts(&h.facts);
    fprintf(to, "invisible ");
    hex((struct span){invisible, invisible_len});
    fprintf(to, "\ntext\n");
    fwrite(text, 1, n, to);
    free(text);
    free(invisible);
}

static void
serve(void)
{
    uint8_t b[4];

    while (fread(b, 1, 4, stdin) == 4) {
        size_t len = b[0] | (size_t)b[1] << 8 | (size_t)b[2] << 16 | (size_t)b[3] << 24, n;
        uint8_t *in = malloc(len + 1);
        char *out;

        if (!in || len == 0 || fread(in, 1, len, stdin) != len)
            abort();
        to = open_memstream(&out, &n);
        dump(in + 1, len - 1, in[0] ? in[0] : 65536);
        fclose(to);
        for (unsigned i = 0; i < 4; i++)
            putchar((int)(n >> 8 * i & 0xff));
        fwrite(out, 1, n, stdout);
        fflush(stdout);
        free(out);
        free(in);
    }
}

/* Megabytes a second of processor time. */
static double
measure(const uint8_t *in, size_t len, size_t window, long times)
{
    uint8_t *text = malloc(len + 64), *invisible = malloc(len + 64);
    struct timespec a, b;
    size_t invisible_len;

    if (!text || !invisible)
        abort();
    is_quiet = true;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    for (long i = 0; i < times; i++)
        render(in, len, window, text, invisible, &invisible_len);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    free(text);
    free(invisible);
    return (double)len * (double)times /
           ((double)(b.tv_sec - a.tv_sec) * 1e6 + (double)(b.tv_nsec - a.tv_nsec) / 1e3);
}

int
main(int argc, char **argv)
{
    size_t len, window = argc > 1 ? (size_t)atol(argv[1]) : 65536;
    long times = argc > 2 ? atol(argv[2]) : 1;

    html_setup();
    to = stdout;
    if (argc > 1 && strcmp(argv[1], "serve") == 0) {
        serve();
        return 0;
    }
    uint8_t *in = read_all(&len);
    if (!in)
        return 1;
    if (times > 1)
        printf("%.0f MB/s\n", measure(in, len, window, times));
    else
        dump(in, len, window);
    free(in);
    return 0;
}
