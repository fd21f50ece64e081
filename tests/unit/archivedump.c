/* Prints what scan/archive sees in files, one JSON line each: members with depth, name (hex), CRC-32 of what was
 * read, and flags. usage: archivedump STEP FILE... (STEP octets at a time; 0: all) */
#include <stdio.h>
#include <stdlib.h>

#include <zlib.h>

#include "scan/archive.h"

struct seen {
    char name[2 * ARCHIVE_NAME_MAX + 1];
    struct archive_member member;
    unsigned long long len;
    unsigned long crc;
};

static struct seen seen[ARCHIVE_DEPTH_MAX + 1];
static unsigned told;

static void
tell_member(unsigned depth, const struct seen *s)
{
    printf("%s{\"depth\":%u,\"name\":\"%s\",\"len\":%llu,\"crc\":%lu,\"read\":%s,\"encrypted\":%s,"
           "\"listed_only\":%s}",
           told++ ? "," : "", depth, s->name, s->len, s->crc, s->member.is_read ? "true" : "false",
           s->member.is_encrypted ? "true" : "false", s->member.is_listed_only ? "true" : "false");
}

static void
drain(struct archive *a)
{
    struct archive_item item;
    for (enum archive_next n; (n = archive_next(a, &item)) != ARCHIVE_MORE;) {
        struct seen *s = &seen[item.depth <= ARCHIVE_DEPTH_MAX ? item.depth : 0];
        if (n == ARCHIVE_BEGIN) {
            *s = (struct seen){ .member = item.member };
            for (size_t i = 0; i < item.member.name.len; i++)
                snprintf(s->name + 2 * i, 3, "%02x", item.member.name.ptr[i]);
        } else if (n == ARCHIVE_DATA) {
            s->len += item.data.len;
            s->crc = crc32(s->crc, item.data.ptr, (uInt)item.data.len);
        } else if (n == ARCHIVE_END) {
            tell_member(item.depth, s);
        }
    }
}

static void
dump(struct archive_pool *pool, size_t step, const char *path)
{
    FILE *f = fopen(path, "rb");
    size_t max = (size_t)64 << 20;
    static uint8_t *octets; /* once: 64 MiB a file cost a minute under MALLOC_PERTURB_ */
    if (!octets)
        octets = malloc(max);
    if (!f || !octets) {
        perror(path);
        exit(1);
    }
    size_t len = fread(octets, 1, max, f);
    fclose(f);
    struct archive *a = archive_take(pool);
    told = 0;
    printf("{\"file\":\"%s\",\"members\":[", path);
    for (size_t off = 0; off < len;) {
        size_t n = step && step < len - off ? step : len - off;
        archive_feed(a, octets + off, n);
        drain(a);
        off += n;
    }
    archive_end(a);
    drain(a);
    printf("],\"flags\":[");
    for (unsigned i = 0, cnt = 0; i < ARCHIVE_FLAG_CNT; i++) {
        if (archive_flags(a) >> i & 1)
            printf("%s\"%s\"", cnt++ ? "," : "", archive_flag_name((enum archive_flag)i));
    }
    printf("]}\n");
    archive_give(a);
}

int
main(int argc, char **argv)
{
    struct archive_pool *pool = archive_pool_new(1, &archive_limits_default);
    if (argc < 3 || !pool)
        return 2;
    for (int i = 2; i < argc; i++)
        dump(pool, strtoul(argv[1], NULL, 10), argv[i]);
    archive_pool_free(pool);
    return 0;
}
