/* htmldump: renders the UTF-8 HTML on stdin; for comparing with HTML.pm and for measuring.
 *
 *     htmldump [window [times]]     lines: "type hex-uri", "fact value"; then "text" and the text
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "scan/html.h"

static int is_quiet;

static void
hex(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        printf("%02x", s.ptr[i]);
}

static void
link(void *ctx, enum html_link type, struct span uri)
{
    (void)ctx;
    if (is_quiet)
        return;
    printf("link %s ", html_link_name(type));
    hex(uri);
    printf("\n");
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
    printf("fact html %d\nfact embeds %d\nfact font_face_bad %d\nfact font_low_contrast %d\n",
           f->html, f->embeds, f->font_face_bad, f->font_low_contrast);
    printf("fact font_invalid_color %d\nfact form_action_mailto %d\nfact anchor_has_img %d\n",
           f->font_invalid_color, f->form_action_mailto, f->anchor_has_img);
    printf("fact comment_closed %d\nfact comment_short %d\nfact comment_saved %d\n",
           f->comment.has_closed, f->comment.has_short, f->comment.has_saved_url);
    printf("fact length %u\nfact html_length %u\nfact non_space_len %u\nfact image_area %.15g\n",
           f->length, f->html_length, f->non_space_len, f->image_area);
    printf("fact max_size %d\nfact min_size %d\n", f->max_size, f->min_size);
    printf("fact closed_extra_ratio %.6f\nfact bad_tag_ratio %.6f\nfact non_element_ratio %.6f\n",
           html_closed_extra_ratio(f), html_bad_tag_ratio(f), html_non_element_ratio(f));
    printf("fact obfuscation_ratio %.6f\nfact title_len_max %u\nfact title_line %d\nfact charsets "
           "%s\n",
           html_obfuscation_ratio(f), f->title_len_max, f->title_line_max >= 120, f->charsets);
    printf("fact aborted %d\n", f->is_aborted);
    for (unsigned i = 1; i < HTML_TAG_CNT; i++)
        if (f->has_inside[i])
            printf("fact inside_%s %d\n", html_tag_name((enum html_tag)i), f->inside[i]);
}

int
main(int argc, char **argv)
{
    size_t len, n = 0, invisible_len = 0;
    size_t window = argc > 1 ? (size_t)atol(argv[1]) : 65536;
    long times = argc > 2 ? atol(argv[2]) : 1;
    uint8_t *in = read_all(&len), *text = malloc(len + 64), *invisible = malloc(len + 64);
    struct timespec a, b;

    if (!in || !text || !invisible)
        return 1;
    html_setup();
    is_quiet = times > 1;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    for (long i = 0; i < times; i++)
        n = render(in, len, window, text, invisible, &invisible_len);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    if (times > 1) {
        double s = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
        printf("%.0f MB/s\n", (double)len * (double)times / s / 1e6);
        return 0;
    }
    facts(&h.facts);
    printf("invisible ");
    hex((struct span){invisible, invisible_len});
    printf("\ntext\n");
    fwrite(text, 1, n, stdout);
    free(in);
    free(text);
    free(invisible);
    return 0;
}
