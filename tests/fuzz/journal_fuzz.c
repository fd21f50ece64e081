/* Any octets as a journal file. Reading ends, in bounded memory; what it calls good has ascending numbers from the
 * first one and is no more than the lines; the file opens; and afterwards it is a journal that can be appended to and
 * reads back whole, with what was good still there. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/journal.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[64];
static char path[96];

static int
take(void *owner, const cJSON *record)
{
    double *last = owner;
    double seq = cJSON_GetObjectItemCaseSensitive(record, "seq")->valuedouble;
    MUST(seq > *last);
    MUST(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(record, "event")));
    *last = seq;
    return 0;
}

/* Sums and counts what the tail gives. */
struct sums {
    double last, cnt;
};

static int
take_tail(void *owner, const cJSON *record)
{
    struct sums *s = owner;
    s->cnt++;
    return take(&s->last, record);
}

/* Of a good file the end is the end; of any other it is no more than was asked for. */
static void
check_tail(int64_t good, bool is_whole, double last)
{
    char err[256];
    bool is_broken;
    for (uint32_t max = 0; max < 4; max++) {
        struct sums s = {0};
        int64_t n = journal_tail(path, max, take_tail, &s, &is_broken, err, sizeof(err));
        MUST(n >= 0 && n <= max && (double)n == s.cnt && is_broken == (*err != 0));
        MUST(!is_whole || (!is_broken && n == (good < max ? good : max) && (!n || s.last == last)));
    }
}

static void
remove_file(const char *suffix)
{
    char name[128];
    snprintf(name, sizeof(name), "%s%s", path, suffix);
    unlink(name);
}

static void
clean_up(void)
{
    static const char *const suffixes[] = {"", ".torn", ".new", ".broken-1"};
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++)
        remove_file(suffixes[i]);
}

static void
end(void)
{
    clean_up();
    rmdir(folder);
}

static void
check_opening(int64_t good, int is_broken, int is_torn)
{
    char err[256];
    struct journal *j = journal_open(path, err, sizeof(err));
    MUST(j);
    MUST(journal_seq(j) >= (uint64_t)good);
    MUST((*journal_trouble(j) != 0) == (is_broken != 0));
    MUST(journal_append(j, "after", 1, NULL) == 0);
    uint64_t seq = journal_seq(j);
    journal_close(j);
    uint64_t broken_line;
    double last = 0;
    int64_t n = journal_read(path, take, &last, &broken_line, &is_torn, err, sizeof(err));
    MUST(n >= 1 && !broken_line && !is_torn && last == (double)seq);
    check_tail(n, true, last);
    last = 0;
    MUST(journal_replay(path, take, &last, err, sizeof(err)) >= n && last == (double)seq);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!*folder) {
        strcpy(folder, "/dev/shm/weir-journal-fuzz.XXXXXX"); /* a disk would wait for each of its syncs */
        if (!mkdtemp(folder)) {
            strcpy(folder, "/tmp/weir-journal-fuzz.XXXXXX");
            MUST(mkdtemp(folder));
        }
        snprintf(path, sizeof(path), "%s/j", folder);
        atexit(end);
    }
    FILE *f = fopen(path, "wb");
    MUST(f && fwrite(data, 1, size, f) == size);
    fclose(f);
    size_t lines = 0;
    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n';
    uint64_t broken_line;
    int is_torn;
    char err[256];
    double last = 0;
    int64_t good = journal_read(path, take, &last, &broken_line, &is_torn, err, sizeof(err));
    MUST(good >= 0 && (size_t)good <= lines);
    MUST(!broken_line || broken_line == (uint64_t)good + 1);
    MUST((broken_line == 0) == (*err == 0));
    MUST(!is_torn || broken_line);
    check_tail(good, !broken_line, last);
    check_opening(good, broken_line != 0, is_torn);
    clean_up();
    return 0;
}
