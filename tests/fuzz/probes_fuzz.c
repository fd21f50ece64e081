/* What live said of the suffix probes, kept in a file: any octets for it. The first octet of the input says how: even, the rest
 * is the file; odd, the rest is changes to a good one, and its checksum is made right again (bit 1).
 *
 * What is read has verdicts and causes that exist; a file that is not exactly what was written is as if it were not there. */
#include <dirent.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/preflight_cache.h"
#include "feed.h"
#include "must.h"
#include "scan/event.h"
#include "scan/verdict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CELLS = 16, FILE_MAX = 4096, HEAD_LEN = 80, SUM_AT = 48 };

static char folder[64], image[96], path[512];
static uint8_t good[FILE_MAX];
static size_t good_len;
static struct preflight_suffixes suffixes;
static struct preflight_cache cache;

static void
end(void)
{
    unlink(image);
    unlink(path);
    rmdir(folder);
}

static void
write_file(const char *at, const void *octets, size_t len)
{
    FILE *f = fopen(at, "wb");
    MUST(f && fwrite(octets, 1, len, f) == len && fclose(f) == 0);
}

/* One name: what is written is found by its prefix. */
static void
find_file(void)
{
    DIR *d = opendir(folder);
    for (struct dirent *e; (e = readdir(d));) {
        if (!strncmp(e->d_name, "probes-", 7))
            snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
    }
    closedir(d);
}

static void
set_up(void)
{
    struct preflight_cell cells[CELLS] = {{0}};
    snprintf(folder, sizeof(folder), "%s/weir-probes-fuzz.XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    MUST(mkdtemp(folder));
    atexit(end);
    snprintf(image, sizeof(image), "%s/image", folder);
    write_file(image, "image", 5);
    cache = (struct preflight_cache){.folder = folder, .image = image, .suffixes = &suffixes};
    for (unsigned i = 0; i < CELLS; i++)
        cells[i] = (struct preflight_cell){.flags = PREFLIGHT_JUDGED, .verdict = (uint8_t)(i % VERDICT_CNT), .score_milli = (int)i};
    preflight_cache_write(&cache, cells, CELLS);
    find_file();
    FILE *f = fopen(path, "rb");
    MUST(f);
    good_len = fread(good, 1, sizeof(good), f);
    fclose(f);
    MUST(good_len == HEAD_LEN + 8 * CELLS && preflight_cache_read(&cache, cells, CELLS));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct preflight_cell cells[CELLS] = {{0}};
    uint8_t octets[FILE_MAX];
    if (!*folder)
        set_up();
    struct feed f = {data, size};
    uint8_t how = feed_u8(&f);
    size_t len = f.left < sizeof(octets) ? f.left : sizeof(octets);
    if (how & 1) {
        len = good_len;
        memcpy(octets, good, len);
        feed_patch(&f, octets, len);
        if (how & 2)
            EVP_Digest(octets + HEAD_LEN, len - HEAD_LEN, octets + SUM_AT, NULL, EVP_sha256(), NULL);
    } else if (len) {
        memcpy(octets, f.at, len);
    }
    write_file(path, octets, len);
    bool is_there = preflight_cache_read(&cache, cells, CELLS);
    bool is_whole = len == good_len && memcmp(octets, good, len) == 0;
    MUST(is_there || !is_whole);
    for (unsigned i = 0; is_there && i < CELLS; i++)
        MUST(cells[i].verdict < VERDICT_CNT && cells[i].cause < EVENT_CNT && cells[i].rules_cnt <= PREFLIGHT_RULES_MAX);
    for (unsigned i = 0; !is_there && i < CELLS; i++)
        MUST(cells[i].flags == 0);
    return 0;
}
