/* The plain contexts are deprecated in favour of EVP, which allocates: see the header. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "scan/attachment.h"

#include <string.h>

/* A gap this long in a name moves its true end out of a mail client's window. */
enum { PADDING_MIN = 8 };

void
attachment_init(struct attachment *a, unsigned hashes)
{
    a->len = 0;
    a->hashes = hashes;
    a->flags = 0;
    a->magic = MAGIC_DATA;
    a->is_typed = false;
    a->is_ended = false;
    a->extension[0] = 0;
    if (hashes & ATTACHMENT_MD5)
        MD5_Init(&a->md5_ctx);
    if (hashes & ATTACHMENT_SHA1)
        SHA1_Init(&a->sha1_ctx);
    if (hashes & ATTACHMENT_SHA256)
        SHA256_Init(&a->sha256_ctx);
}

/* The name */

static bool
is_bidi(const uint8_t *c, size_t left)
{
    if (left < 3 || c[0] != 0xe2)
        return false;
    return (c[1] == 0x80 && c[2] >= 0xaa && c[2] <= 0xae) || (c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9);
}

static unsigned
name_flags(struct span name)
{
    unsigned flags = 0;
    size_t blanks = 0;
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.ptr[i];
        blanks = c == ' ' || c == '\t' || c == 0xa0 ? blanks + 1 : 0;
        if (blanks >= PADDING_MIN)
            flags |= ATTACHMENT_NAME_PADDED;
        if (c < ' ' || c == 0x7f)
            flags |= ATTACHMENT_NAME_CONTROL;
        if (is_bidi(name.ptr + i, name.len - i))
            flags |= ATTACHMENT_NAME_BIDI;
    }
    return flags;
}

static bool
is_padding(uint8_t c)
{
    return c == '.' || c == ' ' || c == '\t';
}

/* What stands behind the last dot, lower case. 0: there is none, or it is too long to be one. */
static size_t
last_extension(struct span name, char *out, size_t *rest_len)
{
    size_t dot = name.len;
    while (dot > 0 && name.ptr[dot - 1] != '.' && name.ptr[dot - 1] != '/' && name.ptr[dot - 1] != '\\')
        dot--;
    if (dot == 0 || name.ptr[dot - 1] != '.' || name.len - dot > ATTACHMENT_EXTENSION_MAX)
        return 0;
    for (size_t i = dot; i < name.len; i++) {
        uint8_t c = name.ptr[i];
        out[i - dot] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    }
    *rest_len = dot - 1;
    return name.len - dot;
}

void
attachment_name(struct attachment *a, struct span name)
{
    if (name.len > ATTACHMENT_NAME_MAX) {
        name.ptr += name.len - ATTACHMENT_NAME_MAX;
        name.len = ATTACHMENT_NAME_MAX;
    }
    a->flags |= name_flags(name);
    size_t len = name.len;
    while (len > 0 && is_padding(name.ptr[len - 1]))
        len--;
    if (len > 0 && len < name.len)
        a->flags |= ATTACHMENT_NAME_PADDED;
    name.len = len;
    size_t rest;
    size_t extension_len = last_extension(name, a->extension, &rest);
    a->extension[extension_len] = 0;
    enum magic_family family;
    if (extension_len == 0 ||
        !extension_family((struct span){ (const uint8_t *)a->extension, extension_len }, &family) ||
        family != FAMILY_EXECUTABLE)
        return;
    a->flags |= ATTACHMENT_RUNS;
    name.len = rest;
    while (name.len > 0 && is_padding(name.ptr[name.len - 1]))
        name.len--;
    char before[ATTACHMENT_EXTENSION_MAX + 1];
    size_t before_len = last_extension(name, before, &rest);
    if (before_len > 0 && extension_family((struct span){ (const uint8_t *)before, before_len }, &family) &&
        family != FAMILY_EXECUTABLE)
        a->flags |= ATTACHMENT_DOUBLE_EXTENSION;
}

/* The octets */

/* Copies what of octets [a->len, a->len + len) lies in [from, from + max) of the part. */
static void
keep(const struct attachment *a, const uint8_t *octets, size_t len, uint64_t from, size_t max, uint8_t *to)
{
    uint64_t begin = a->len > from ? a->len : from;
    uint64_t end = a->len + len < from + max ? a->len + len : from + max;
    if (begin < end)
        memcpy(to + (begin - from), octets + (begin - a->len), end - begin);
}

static void
type(struct attachment *a, bool is_whole)
{
    size_t len = a->len < MAGIC_HEAD_LEN ? (size_t)a->len : MAGIC_HEAD_LEN;
    a->magic = magic_detect(a->head, len, is_whole);
    a->is_typed = true;
}

void
attachment_feed(struct attachment *a, const uint8_t *octets, size_t len)
{
    if (len == 0)
        return;
    if (a->hashes & ATTACHMENT_MD5)
        MD5_Update(&a->md5_ctx, octets, len);
    if (a->hashes & ATTACHMENT_SHA1)
        SHA1_Update(&a->sha1_ctx, octets, len);
    if (a->hashes & ATTACHMENT_SHA256)
        SHA256_Update(&a->sha256_ctx, octets, len);
    keep(a, octets, len, 0, MAGIC_HEAD_LEN, a->head);
    keep(a, octets, len, MAGIC_ISO_OFF, MAGIC_ISO_LEN, a->iso);
    a->len += len;
    if (!a->is_typed && a->len >= MAGIC_HEAD_LEN)
        type(a, false);
}

void
attachment_end(struct attachment *a)
{
    if (!a->is_typed)
        type(a, true);
    /* The first 32,768 octets of an ISO 9660 image are anybody's. */
    if (a->len >= MAGIC_ISO_OFF + MAGIC_ISO_LEN && !memcmp(a->iso, "CD001", MAGIC_ISO_LEN))
        a->magic = MAGIC_ISO;
    if (a->hashes & ATTACHMENT_MD5)
        MD5_Final(a->md5, &a->md5_ctx);
    if (a->hashes & ATTACHMENT_SHA1)
        SHA1_Final(a->sha1, &a->sha1_ctx);
    if (a->hashes & ATTACHMENT_SHA256)
        SHA256_Final(a->sha256, &a->sha256_ctx);
    size_t len = strlen(a->extension);
    if (len > 0 && !extension_fits((struct span){ (const uint8_t *)a->extension, len }, a->magic))
        a->flags |= ATTACHMENT_MISMATCH;
    if (magic_family(a->magic) == FAMILY_EXECUTABLE)
        a->flags |= ATTACHMENT_IS_PROGRAM;
    a->is_ended = true;
}
