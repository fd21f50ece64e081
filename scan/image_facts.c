#include "scan/image_facts.h"

#include <string.h>

/* Where the reader of a part stands. Each stage wants a few octets in `head`. */
enum stage { STAGE_START, STAGE_PNG_CHUNK, STAGE_PNG_SIZE, STAGE_JPEG_SEGMENT, STAGE_JPEG_SIZE };

enum { GIF_HEAD = 13, PNG_SIGN = 8, PNG_CHUNK = 8, PNG_SIZE = 8, JPEG_SIGN = 2, JPEG_SEGMENT = 4, JPEG_SIZE = 5 };

void
image_facts_init(struct image_facts *f)
{
    memset(f, 0, sizeof(*f));
}

static void
want(struct image_facts *f, enum stage stage, unsigned octets)
{
    f->stage = (uint8_t)stage;
    f->head_len = 0;
    f->head_want = (uint8_t)octets;
}

static bool
kind_of(const char *type, enum image_kind *kind)
{
    static const char *const types[] = { "image/gif", "image/png", "image/jpeg", "image/jpg" };
    for (unsigned i = 0; i < 4; i++)
        if (!strcmp(type, types[i])) {
            *kind = i < IMAGE_JPEG ? (enum image_kind)i : IMAGE_JPEG;
            return true;
        }
    return false;
}

void
image_facts_part(struct image_facts *f, const char *type, struct span name)
{
    static const uint8_t wants[] = { GIF_HEAD, PNG_SIGN, JPEG_SIGN };
    f->is_reading = kind_of(type, &f->kind);
    if (!f->is_reading)
        return;
    f->cnt[f->kind]++;
    f->skip = 0;
    f->name_now_len = (uint8_t)(name.len < IMAGE_NAME_LEN_MAX ? name.len : IMAGE_NAME_LEN_MAX);
    if (f->name_now_len)
        memcpy(f->name_now, name.ptr, f->name_now_len);
    want(f, STAGE_START, wants[f->kind]);
}

static uint32_t
be16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t
be32(const uint8_t *p)
{
    return be16(p) << 16 | be16(p + 2);
}

static void
keep_size(struct image_facts *f, uint32_t height, uint32_t width)
{
    f->is_reading = false;
    if (!height || !width)
        return;
    f->pixels[f->kind] += (double)height * width;
    if (f->sizes_cnt < IMAGE_SIZES_MAX)
        f->sizes[f->sizes_cnt++] = (struct image_size){ height, width, f->kind };
    if (!f->name_now_len || f->names_cnt == IMAGE_NAMES_MAX)
        return;
    memcpy(f->names[f->names_cnt], f->name_now, f->name_now_len);
    f->name_len[f->names_cnt++] = f->name_now_len;
}

static void
start(struct image_facts *f)
{
    const uint8_t *h = f->head;
    switch (f->kind) {
    case IMAGE_GIF:
        if (memcmp(h, "GIF8", 4) || (h[4] != '7' && h[4] != '9') || h[5] != 'a')
            f->is_reading = false;
        else
            keep_size(f, (uint32_t)h[8] | (uint32_t)h[9] << 8, (uint32_t)h[6] | (uint32_t)h[7] << 8);
        break;
    case IMAGE_PNG:
        f->is_reading = !memcmp(h, "\x89PNG\r\n\x1a\n", PNG_SIGN);
        want(f, STAGE_PNG_CHUNK, PNG_CHUNK);
        break;
    case IMAGE_JPEG:
        f->is_reading = h[0] == 0xff && h[1] == 0xd8;
        want(f, STAGE_JPEG_SEGMENT, JPEG_SEGMENT);
        break;
    case IMAGE_KIND_CNT:
        break;
    }
}

/* Another chunk's head is looked for right behind this head, as ImageInfo does. */
static void
png_chunk(struct image_facts *f)
{
    const uint8_t *h = f->head;
    if (!memcmp(h + 4, "IEND", 4))
        f->is_reading = false;
    else if (!memcmp(h + 4, "IHDR", 4) && be32(h) == 13)
        want(f, STAGE_PNG_SIZE, PNG_SIZE);
    else
        want(f, STAGE_PNG_CHUNK, PNG_CHUNK);
}

static void
jpeg_segment(struct image_facts *f)
{
    const uint8_t *h = f->head;
    uint32_t len = be16(h + 2);
    if (h[0] != 0xff || h[1] == 0xda || h[1] == 0xd9 || len < 2) {
        f->is_reading = false;
        return;
    }
    /* Start of a frame: all of C0..CF but C4, C8 and CC. */
    if (h[1] == 0xc0 || (h[1] > 0xc0 && h[1] <= 0xcf && h[1] % 4)) {
        want(f, STAGE_JPEG_SIZE, JPEG_SIZE);
        return;
    }
    f->skip = len - 2;
    want(f, STAGE_JPEG_SEGMENT, JPEG_SEGMENT);
}

static void
look(struct image_facts *f)
{
    switch ((enum stage)f->stage) {
    case STAGE_START:
        start(f);
        break;
    case STAGE_PNG_CHUNK:
        png_chunk(f);
        break;
    case STAGE_PNG_SIZE:
        keep_size(f, be32(f->head + 4), be32(f->head));
        break;
    case STAGE_JPEG_SEGMENT:
        jpeg_segment(f);
        break;
    case STAGE_JPEG_SIZE:
        keep_size(f, be16(f->head + 1), be16(f->head + 3));
        break;
    }
}

void
image_facts_octets(struct image_facts *f, const uint8_t *octets, size_t len)
{
    while (len && f->is_reading) {
        if (f->skip) {
            size_t n = f->skip < len ? (size_t)f->skip : len;
            f->skip -= n;
            octets += n;
            len -= n;
            continue;
        }
        f->head[f->head_len++] = *octets++;
        len--;
        if (f->head_len == f->head_want)
            look(f);
    }
}

void
image_facts_end(struct image_facts *f)
{
    f->is_reading = false;
}
