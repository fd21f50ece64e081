/* Prints the leaves of mails as one JSON line each, for mime_truth.py: {"file","type","name","sha256","len"}.
 * The type is what the header says; the name is its file name, UTF-8 in hex; octets are decoded. LF files are read as if they had come by SMTP. */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan/mime.h"

static EVP_MD_CTX *ctx;
static struct charset_set *charsets;
static unsigned long long total;

static void
digest(struct decoder *d, struct span data)
{
    static uint8_t out[65536 + DECODE_SLACK];
    while (data.len) {
        size_t n = data.len < 65536 ? data.len : 65536;
        size_t len = decoder_feed(d, data.ptr, n, out);
        EVP_DigestUpdate(ctx, out, len);
        total += len;
        data.ptr += n;
        data.len -= n;
    }
}

static void
print_leaf(const char *path, const struct mime_part *part, struct decoder *d)
{
    const char *type = part->type;
    uint8_t out[DECODE_SLACK], md[32];
    size_t len = decoder_end(d, out);

    EVP_DigestUpdate(ctx, out, len);
    EVP_DigestFinal_ex(ctx, md, NULL);
    printf("{\"file\":\"%s\",\"type\":\"", path);
    for (; *type; type++)
        printf(*type == '"' || *type == '\\' ? "\\%c" : "%c", *type);
    printf("\",\"name\":\"");
    for (size_t i = 0; i < part->name_len; i++)
        printf("%02x", (uint8_t)part->name[i]);
    printf("\",\"len\":%llu,\"sha256\":\"", total + len);
    for (int i = 0; i < 32; i++)
        printf("%02x", md[i]);
    printf("\"}\n");
}

static void
dump(const char *path, const uint8_t *octets, size_t len)
{
    static uint8_t top[HEADER_LEN_MAX], part[MIME_HEADER_BUF];
    static struct mime m;
    struct mime_budget budget = {.charsets = charsets};
    struct header h;
    struct decoder d;
    struct span data;
    enum header_next hn;
    enum event e;

    header_init(&h, top, sizeof(top), HEADER_GARBAGE_MESSAGE);
    size_t used = header_feed(&h, octets, len, &hn);
    if (hn == HEADER_MORE)
        header_end(&h);
    mime_init(&m, &budget, part);
    mime_start(&m, &h);
    for (int step = 0; step < 3; step++) {
        if (step == 0)
            mime_feed(&m, h.rest.ptr, h.rest.len);
        else if (step == 1)
            mime_feed(&m, octets + used, len - used);
        else
            mime_end(&m);
        for (enum mime_next n; (n = mime_next(&m, &data, &e)) != MIME_MORE;) {
            if (n == MIME_PART) {
                decoder_init(&d, mime_part(&m)->encoding);
                EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);
                total = 0;
            } else if (n == MIME_DATA) {
                digest(&d, data);
            } else if (n == MIME_END) {
                print_leaf(path, mime_part(&m), &d);
            }
        }
    }
}

int
main(int argc, char **argv)
{
    (void)argc;
    ctx = EVP_MD_CTX_new();
    charsets = charset_set_new();
    if (!charsets)
        return 1;
    for (char **path = argv + 1; *path; path++) {
        FILE *f = fopen(*path, "rb");
        if (!f) {
            perror(*path);
            return 1;
        }
        size_t cap = 1 << 20, n = 0;
        uint8_t *buf = malloc(cap);
        for (int c, last = 0; (c = getc(f)) != EOF; last = c) {
            if (n + 2 > cap)
                buf = realloc(buf, cap *= 2);
            if (c == '\n' && last != '\r')
                buf[n++] = '\r';
            buf[n++] = (uint8_t)c;
        }
        fclose(f);
        dump(*path, buf, n);
        free(buf);
    }
    charset_set_free(charsets);
    EVP_MD_CTX_free(ctx);
    return 0;
}
