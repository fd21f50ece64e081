#include "control/preflight_cache.h"

#include <dirent.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/preflight_probe.h"

static const char MAGIC[8] = "WEIRPRB1";
static const char PREFIX[] = "probes-";
enum { KEY_LEN = 32, NAME_HEX = 16, CHUNK = 1 << 16, PATH_MAX_LEN = 4096 };

/* A file: this, and so many records. In the octet order of the machine, which never leaves it. */
struct head {
    char magic[8];
    uint8_t key[KEY_LEN];
    uint32_t cnt;
    uint32_t pad;
    uint8_t sum[KEY_LEN]; /* SHA-256 of the records */
};

struct record {
    int32_t score_milli;
    uint8_t verdict, cause, pad[2];
};

static bool
add_file(EVP_MD_CTX *md, const char *path)
{
    uint8_t chunk[CHUNK];
    size_t len;
    FILE *f = fopen(path, "rbe");
    bool ok = f != NULL;
    while (f && (len = fread(chunk, 1, sizeof(chunk), f)) > 0)
        EVP_DigestUpdate(md, chunk, len);
    if (f) {
        ok = !ferror(f);
        fclose(f);
    }
    return ok;
}

static bool
make_key(const struct preflight_cache *c, uint8_t *key)
{
    struct {
        int64_t date;
        int32_t thresholds[4];
        uint32_t version, cnt;
    } rest = {c->date,
              {c->thresholds.tag_milli, c->thresholds.defer_milli, c->thresholds.refuse_milli,
               c->thresholds.drop_milli},
              PREFLIGHT_PROBE_VERSION,
              c->suffixes->cnt};
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool ok = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) && add_file(md, c->image) &&
              EVP_DigestUpdate(md, &rest, sizeof(rest));
    for (uint32_t i = 0; ok && i < c->suffixes->cnt; i++) {
        const struct preflight_suffix *s = &c->suffixes->list[i];
        ok = EVP_DigestUpdate(md, s->suffix, strlen(s->suffix) + 1) &&
             EVP_DigestUpdate(md, s->domain, strlen(s->domain) + 1);
    }
    ok = ok && EVP_DigestFinal_ex(md, key, NULL);
    EVP_MD_CTX_free(md);
    return ok;
}

static void
file_path(const struct preflight_cache *c, const uint8_t *key, const char *end, char *path, size_t size)
{
    int len = snprintf(path, size, "%s/%s", c->folder, PREFIX);
    for (int i = 0; i < NAME_HEX / 2 && len > 0 && (size_t)len < size; i++)
        len += snprintf(path + len, size - (size_t)len, "%02x", key[i]);
    if (len > 0 && (size_t)len < size)
        snprintf(path + len, size - (size_t)len, "%s", end);
}

static bool
read_records(const char *path, const uint8_t *key, struct record *records, uint32_t cnt)
{
    struct head h;
    uint8_t sum[KEY_LEN];
    FILE *f = fopen(path, "rbe");
    bool ok = f && fread(&h, sizeof(h), 1, f) == 1 && !memcmp(h.magic, MAGIC, sizeof(MAGIC)) &&
              !memcmp(h.key, key, KEY_LEN) && h.cnt == cnt &&
              fread(records, sizeof(*records), cnt, f) == cnt && fgetc(f) == EOF &&
              EVP_Digest(records, cnt * sizeof(*records), sum, NULL, EVP_sha256(), NULL) &&
              !memcmp(sum, h.sum, KEY_LEN);
    if (f)
        fclose(f);
    return ok;
}

bool
preflight_cache_read(const struct preflight_cache *c, struct preflight_cell *cells, uint32_t cnt)
{
    uint8_t key[KEY_LEN];
    char path[PATH_MAX_LEN];
    struct record *records = c->folder ? calloc(cnt, sizeof(*records)) : NULL;
    bool ok = records && make_key(c, key);
    if (ok) {
        file_path(c, key, "", path, sizeof(path));
        ok = read_records(path, key, records, cnt);
    }
    for (uint32_t i = 0; ok && i < cnt; i++)
        ok = records[i].verdict < VERDICT_CNT && records[i].cause < EVENT_CNT;
    for (uint32_t i = 0; ok && i < cnt; i++)
        cells[i] = (struct preflight_cell){PREFLIGHT_JUDGED, records[i].verdict, records[i].cause, 0,
                                           records[i].score_milli, {0}};
    free(records);
    return ok;
}

static int
is_ours(const struct dirent *e)
{
    return !strncmp(e->d_name, PREFIX, sizeof(PREFIX) - 1);
}

/* The oldest go, and what a killed writer left. */
static void
clean(const char *folder)
{
    struct dirent **list;
    int cnt = scandir(folder, &list, is_ours, alphasort);
    for (int left = cnt; left > PREFLIGHT_CACHE_FILES; left--) {
        struct timespec oldest_at = {0};
        char oldest[PATH_MAX_LEN] = "", path[PATH_MAX_LEN];
        for (int i = 0; i < cnt; i++) {
            struct stat st;
            snprintf(path, sizeof(path), "%s/%s", folder, list[i]->d_name);
            if (lstat(path, &st) || (*oldest && (st.st_mtim.tv_sec > oldest_at.tv_sec ||
                                                 (st.st_mtim.tv_sec == oldest_at.tv_sec &&
                                                  st.st_mtim.tv_nsec >= oldest_at.tv_nsec))))
                continue;
            oldest_at = st.st_mtim;
            memcpy(oldest, path, sizeof(oldest));
        }
        if (!*oldest || unlink(oldest))
            break;
    }
    for (int i = 0; i < cnt; i++)
        free(list[i]);
    if (cnt >= 0)
        free(list);
}

void
preflight_cache_write(const struct preflight_cache *c, const struct preflight_cell *cells, uint32_t cnt)
{
    struct head h = {.cnt = cnt};
    char path[PATH_MAX_LEN], temporary[PATH_MAX_LEN];
    struct record *records = c->folder ? calloc(cnt, sizeof(*records)) : NULL;
    if (!records || !make_key(c, h.key)) {
        free(records);
        return;
    }
    memcpy(h.magic, MAGIC, sizeof(MAGIC));
    for (uint32_t i = 0; i < cnt; i++)
        records[i] = (struct record){cells[i].score_milli, cells[i].verdict, cells[i].cause, {0}};
    EVP_Digest(records, cnt * sizeof(*records), h.sum, NULL, EVP_sha256(), NULL);
    file_path(c, h.key, "", path, sizeof(path));
    file_path(c, h.key, ".new", temporary, sizeof(temporary));
    unlink(temporary);
    FILE *f = fopen(temporary, "wbxe");
    bool ok = f && fwrite(&h, sizeof(h), 1, f) == 1 && fwrite(records, sizeof(*records), cnt, f) == cnt;
    if (f)
        ok = fclose(f) == 0 && ok;
    if (f && (!ok || rename(temporary, path)))
        unlink(temporary);
    free(records);
    clean(c->folder);
}
