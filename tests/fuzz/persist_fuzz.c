/* The folder of what is live, as anybody may have left it. Operations of the input put something under one of its names: a
 * file, a link, a folder; octets follow, their length before them. Then a start.
 *
 * What it finds are images by the names that are written there; what it is told afterwards is what the next start finds;
 * nothing outside the folder is touched. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/persist.h"
#include "feed.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OPS_MAX = 24, TEXT_MAX = 200 };

static const char one[] = "gen-7-0123456789abcdef.image", two[] = "gen-9-fedcba9876543210.image";
static const char *const names[] = {"live", "previous", "last",     "running",  "crashes", one,
                                    two,    "lock",     "tmp-live", "tmp-last", "gen-9-x.image"};
static char top[64], folder[96], outside[96];

static void
remove_all(void)
{
    char command[160];
    snprintf(command, sizeof(command), "rm -rf '%s'", top);
    MUST(system(command) == 0);
}

static void
clear(void)
{
    char path[256];
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        if (unlink(path))
            rmdir(path);
    }
}

static void
set_up(void)
{
    snprintf(top, sizeof(top), "%s/weir-persist-fuzz.XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    MUST(mkdtemp(top));
    atexit(remove_all);
    snprintf(folder, sizeof(folder), "%s/state", top);
    snprintf(outside, sizeof(outside), "%s/outside", top);
    MUST(mkdir(folder, 0700) == 0);
    FILE *f = fopen(outside, "w");
    MUST(f && fputs("outside", f) >= 0 && fclose(f) == 0);
}

static void
put(struct feed *f)
{
    char path[256], text[TEXT_MAX + 1] = "";
    uint8_t op = feed_u8(f);
    size_t len = feed_u8(f) % TEXT_MAX;
    snprintf(path, sizeof(path), "%s/%s", folder, names[op % (sizeof(names) / sizeof(*names))]);
    if (unlink(path))
        rmdir(path);
    switch (op / 16 % 8) {
    case 0:
        mkdir(path, 0700);
        break;
    case 1:
        (void)!symlink(one, path);
        break;
    case 2:
        (void)!symlink(two, path);
        break;
    case 3:
        (void)!symlink("../outside", path);
        break;
    case 4:
        feed_into(f, text, len);
        (void)!symlink(text, path);
        break;
    default: {
        feed_into(f, text, len);
        FILE *file = fopen(path, "wb");
        MUST(!file || (fwrite(text, 1, len, file) == len && fclose(file) == 0));
    }
    }
}

static void
check_outside(void)
{
    char text[16] = "";
    FILE *f = fopen(outside, "r");
    MUST(f && fgets(text, sizeof(text), f) && !strcmp(text, "outside"));
    fclose(f);
}

static void
check_start(const struct persist_start *s)
{
    const struct persist_image *images[] = {&s->first, &s->second};
    for (unsigned i = 0; i < 2; i++)
        MUST(!images[i]->generation || (strlen(images[i]->digest) == 16 && images[i]->generation <= s->last_generation));
}

/* Generations 7 and 9 are what the folder is told of; then it is what a start finds. */
static void
use(struct persist *p, const struct persist_start *s)
{
    char err[512];
    struct persist_image live = persist_image_of(9, "fedcba9876543210"), previous = persist_image_of(7, "0123456789abcdef");
    struct persist_start again;
    uint32_t last = s->last_generation > 9 ? s->last_generation : 9;
    bool ok = persist_write(p, &live, "nine", 4, err, sizeof(err)) == 0 &&
              persist_write(p, &previous, "seven", 5, err, sizeof(err)) == 0 &&
              persist_point(p, &live, &previous, err, sizeof(err)) == 0 &&
              persist_running(p, 9, 0, last, err, sizeof(err)) == 0;
    if (!ok) { /* a folder lies in the way */
        MUST(*err);
        return;
    }
    const struct persist_image none = {0};
    persist_sweep(p, &none);
    MUST(persist_has(p, &live) && persist_has(p, &previous));
    persist_end(p);
    persist_begin(p, 2000, &again);
    MUST(persist_image_equal(&again.first, &live) || again.crashed == 9);
    MUST(!again.was_unclean && again.last_generation == last);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char err[512] = "";
    struct persist_start s;
    if (!*top)
        set_up();
    clear();
    struct feed f = {data, size};
    for (unsigned i = 0; f.left && i < OPS_MAX; i++)
        put(&f);
    struct persist *p = persist_open(folder, err, sizeof(err));
    MUST(p || *err);
    if (p) {
        persist_begin(p, 1000, &s);
        check_start(&s);
        use(p, &s);
        persist_close(p);
    }
    check_outside();
    return 0;
}
