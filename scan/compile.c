#include "scan/compile.h"

#include <errno.h>
#include <fcntl.h>
#include <hs/hs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "scan/image_format.h"

static void *
must(void *p)
{
    if (!p)
        abort();
    return p;
}

static unsigned
jobs_of(const struct compile_options *o)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    return o->jobs ? o->jobs : cpus > 0 ? (unsigned)cpus : 1;
}

/* ---- the cache ---- */

enum { KEY_SIZE = 32 };

struct key {
    uint8_t octets[KEY_SIZE];
};

/* Everything that a compiled pattern depends on, as text, is hashed: the library, the processor, the mode. */
struct key_text {
    char *text;
    size_t len, max;
};

static void
key_add(struct key_text *k, const void *octets, size_t len)
{
    if (k->len + len > k->max) {
        k->max = (k->len + len) * 2;
        k->text = must(realloc(k->text, k->max));
    }
    memcpy(k->text + k->len, octets, len);
    k->len += len;
}

static void
key_begin(struct key_text *k, const char *what)
{
    hs_platform_info_t platform = { 0 };
    *k = (struct key_text){ 0 };
    if (hs_populate_platform(&platform) != HS_SUCCESS)
        memset(&platform, 0, sizeof(platform));
    key_add(k, what, strlen(what) + 1);
    key_add(k, hs_version(), strlen(hs_version()) + 1);
    key_add(k, &platform.tune, sizeof(platform.tune));
    key_add(k, &platform.cpu_features, sizeof(platform.cpu_features));
}

static void
key_pattern(struct key_text *k, const char *text, unsigned flags)
{
    key_add(k, text, strlen(text) + 1);
    key_add(k, &flags, sizeof(flags));
}

static void
key_ext(struct key_text *k, const struct hs_expr_ext *e)
{
    key_add(k, "ext", sizeof("ext"));
    key_add(k, &e->flags, sizeof(e->flags));
    key_add(k, &e->min_offset, sizeof(e->min_offset));
    key_add(k, &e->max_offset, sizeof(e->max_offset));
}

static bool
key_end(struct key_text *k, struct key *key)
{
    bool is_good = image_sha256(k->text, k->len, key->octets);
    free(k->text);
    return is_good;
}

static char *
cache_path(const struct compile_options *o, const struct key *key, const char *end)
{
    char hex[2 * KEY_SIZE + 1];
    char *path = NULL;
    for (unsigned i = 0; i < KEY_SIZE; i++)
        snprintf(hex + 2 * i, 3, "%02x", key->octets[i]);
    if (asprintf(&path, "%s/%s%s", o->cache, hex, end) < 0)
        abort();
    return path;
}

/* What is kept stands behind its own hash: Hyperscan's checksum does not cover all of a database. NULL: there is
 * nothing, or it is damaged. */
static uint8_t *
cache_read(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rbe");
    struct stat st;
    struct key kept, is;
    uint8_t *octets = NULL;
    if (!f)
        return NULL;
    if (!fstat(fileno(f), &st) && st.st_size > KEY_SIZE && st.st_size < IMAGE_LEN_MAX) {
        *len = (size_t)st.st_size - KEY_SIZE;
        octets = must(malloc(*len));
        if (fread(&kept, 1, KEY_SIZE, f) != KEY_SIZE || fread(octets, 1, *len, f) != *len ||
            !image_sha256(octets, *len, is.octets) || memcmp(&kept, &is, KEY_SIZE) != 0) {
            free(octets);
            octets = NULL;
        }
    }
    fclose(f);
    return octets;
}

/* Whole or not at all: written beside, then renamed. */
static void
cache_write(const char *path, const void *octets, size_t len)
{
    char *beside = NULL;
    struct key key;
    if (!image_sha256(octets, len, key.octets))
        return;
    if (asprintf(&beside, "%s.%ld", path, (long)getpid()) < 0)
        abort();
    FILE *f = fopen(beside, "wbe");
    bool is_good = f && fwrite(&key, 1, KEY_SIZE, f) == KEY_SIZE && fwrite(octets, 1, len, f) == len;
    if (f && fclose(f))
        is_good = false;
    if (!is_good || rename(beside, path))
        unlink(beside);
    free(beside);
}

/* ---- children ---- */

#ifdef __SANITIZE_ADDRESS__
#define HAS_SHADOW
#elif defined(__has_feature) /* clang's word for it */
#if __has_feature(address_sanitizer)
#define HAS_SHADOW
#endif
#endif

/* A fork() that ends with its parent, however that ends. */
static pid_t
fork_child(void)
{
    pid_t parent = getpid();
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        abort();
    if (pid == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent))
        _exit(1);
    return pid;
}

/* In the child: memory and processor time. SIGPROF ends it, counted in its own time, not in the machine's. */
static void
limit_child(const struct compile_options *o, unsigned ms)
{
    rlim_t memory = o->memory_max ? o->memory_max : UINT64_C(4) << 30;
    struct rlimit as = { memory, memory };
    struct itimerval timer = { .it_value = { ms / 1000, (suseconds_t)(ms % 1000) * 1000 } };
#ifdef HAS_SHADOW
    (void)as; /* the sanitizer's shadow is larger than any limit */
#else
    setrlimit(RLIMIT_AS, &as);
#endif
    signal(SIGPROF, SIG_DFL);
    setitimer(ITIMER_PROF, &timer, NULL);
}

static void *
shared(size_t size)
{
    void *p = mmap(NULL, size ? size : 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        abort();
    return p;
}

/* Not the processor's time: on some machines that only moves in ticks of milliseconds. */
static uint64_t
now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- each pattern alone ---- */

/* Patterns in the file of solo results, 200 octets each. */
enum { SOLO_CACHE_MAX = 200000 };

/* What is kept of a solo compile, in the cache and between processes. */
struct solo_record {
    struct key key;
    uint32_t how;
    uint32_t is_over_limit;
    uint32_t size, compile_us, scan_ps, hit_permille;
    uint32_t is_done;
    char error[96];
};

static int
count_hit(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *context)
{
    (void)id, (void)from, (void)to, (void)flags;
    *(bool *)context = true;
    return 1;
}

/* The fastest of some rounds over the built-in text; the machine may be busy with other things. */
static void
time_solo(const hs_database_t *db, struct solo_record *r)
{
    enum { ROUNDS = 5 };
    hs_scratch_t *scratch = NULL;
    size_t octets = 0, hits = 0;
    uint64_t best = UINT64_MAX;
    if (hs_alloc_scratch(db, &scratch) != HS_SUCCESS)
        return;
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t before = now_ns();
        octets = hits = 0;
        for (size_t i = 0; i < compile_text_cnt; i++) {
            bool is_hit = false;
            size_t len = strlen(compile_text[i]);
            hs_scan(db, compile_text[i], (unsigned)len, 0, scratch, count_hit, &is_hit);
            octets += len;
            hits += is_hit;
        }
        uint64_t took = now_ns() - before;
        best = took < best ? took : best;
    }
    r->scan_ps = (uint32_t)(best * 1000 / (octets ? octets : 1));
    r->hit_permille = (uint32_t)((hits * 1000 + compile_text_cnt - 1) / compile_text_cnt);
    hs_free_scratch(scratch);
}

static void
compile_alone(const struct compile_solo *s, struct solo_record *r)
{
    hs_database_t *db = NULL;
    hs_compile_error_t *error = NULL;
    size_t size = 0;
    uint64_t before = now_ns();
    for (unsigned pass = 0; pass < 2 && !db; pass++) {
        r->how = pass ? COMPILE_PREFILTER : COMPILE_NATIVE;
        if (hs_compile(s->text, s->flags | (pass ? HS_FLAG_PREFILTER : 0), HS_MODE_BLOCK, NULL, &db,
                       &error) == HS_SUCCESS)
            break;
        snprintf(r->error, sizeof(r->error), "%s", error->message);
        hs_free_compile_error(error);
        db = NULL;
    }
    r->compile_us = (uint32_t)((now_ns() - before) / 1000);
    if (!db) {
        r->how = COMPILE_NOT;
        return;
    }
    r->error[0] = 0;
    hs_database_size(db, &size);
    r->size = size < UINT32_MAX ? (uint32_t)size : UINT32_MAX;
    time_solo(db, r);
    hs_free_database(db);
}

/* A share of the patterns: idx, idx + step, ... Stops at *at's end; *at tells how far it came. */
struct share {
    pid_t pid;
    size_t at;   /* shared: the pattern being compiled */
    size_t step;
};

static void
run_share(struct share *share, size_t cnt, const struct compile_solo *solo, struct solo_record *records,
          const struct compile_options *o)
{
    for (; share->at < cnt; share->at += share->step) {
        struct solo_record *r = &records[share->at];
        if (r->is_done)
            continue;
        limit_child(o, COMPILE_SOLO_MS);
        compile_alone(&solo[share->at], r);
        r->is_done = 1;
    }
    _exit(0);
}

static void
start_share(struct share *share, size_t cnt, const struct compile_solo *solo, struct solo_record *records,
            const struct compile_options *o)
{
    pid_t pid = fork_child();
    if (pid == 0)
        run_share(share, cnt, solo, records, o);
    share->pid = pid; /* the parent's alone: the child shares this memory, and its own 0 would come last */
}

/* The child ended. True: it had died over a pattern and goes on behind it. */
static bool
restart_share(struct share *share, size_t cnt, const struct compile_solo *solo, struct solo_record *records,
              const struct compile_options *o)
{
    if (share->at >= cnt)
        return false;
    struct solo_record *r = &records[share->at];
    struct key key = r->key;
    *r = (struct solo_record){ .key = key, .how = COMPILE_NOT, .is_over_limit = 1, .is_done = 1 };
    snprintf(r->error, sizeof(r->error), "takes too long or too much memory to compile");
    share->at += share->step;
    if (share->at >= cnt)
        return false;
    start_share(share, cnt, solo, records, o);
    return true;
}

static void
run_solo(const struct compile_solo *solo, struct solo_record *records, size_t cnt,
         const struct compile_options *o)
{
    unsigned jobs = jobs_of(o);
    struct share *shares = shared(jobs * sizeof(*shares));
    unsigned running = 0;
    for (unsigned i = 0; i < jobs && i < cnt; i++) {
        shares[i] = (struct share){ .at = i, .step = jobs };
        start_share(&shares[i], cnt, solo, records, o);
        running++;
    }
    for (unsigned i = 0; i < running; i++) {
        do {
            while (waitpid(shares[i].pid, NULL, 0) < 0 && errno == EINTR)
                ;
        } while (restart_share(&shares[i], cnt, solo, records, o));
    }
    munmap(shares, jobs * sizeof(*shares));
}

static int
by_key(const void *a, const void *b)
{
    return memcmp(a, b, KEY_SIZE);
}

/* Takes what the cache knows. Returns what was in it, sorted, for writing it back with what is new. */
static struct solo_record *
solo_from_cache(const char *path, struct solo_record *records, size_t cnt, size_t *known_cnt)
{
    size_t len = 0;
    struct solo_record *known = (void *)cache_read(path, &len);
    *known_cnt = known && len % sizeof(*known) == 0 ? len / sizeof(*known) : 0;
    if (*known_cnt)
        qsort(known, *known_cnt, sizeof(*known), by_key);
    for (size_t i = 0; i < cnt && *known_cnt; i++) {
        const struct solo_record *k = bsearch(&records[i].key, known, *known_cnt, sizeof(*known), by_key);
        if (!k || k->how > COMPILE_NOT || !memchr(k->error, 0, sizeof(k->error)))
            continue;
        records[i] = *k;
        records[i].is_done = 1;
    }
    return known;
}

/* What is new, and what was known: other rule sets may share the folder. Past the cap the old is forgotten. */
static void
solo_to_cache(const char *path, const struct solo_record *records, size_t cnt, const struct solo_record *known,
              size_t known_cnt)
{
    struct solo_record *all = must(calloc(cnt + known_cnt + 1, sizeof(*all)));
    size_t all_cnt = cnt;
    memcpy(all, records, cnt * sizeof(*records));
    qsort(all, cnt, sizeof(*all), by_key);
    for (size_t i = 0; i < known_cnt && known_cnt < SOLO_CACHE_MAX; i++) {
        if (!bsearch(&known[i], all, cnt, sizeof(*all), by_key))
            all[all_cnt++] = known[i];
    }
    cache_write(path, all, all_cnt * sizeof(*all));
    free(all);
}

void
compile_solo(struct compile_solo *solo, size_t cnt, const struct compile_options *o)
{
    struct solo_record *records = shared(cnt * sizeof(*records));
    struct solo_record *known = NULL;
    size_t known_cnt = 0, done = 0;
    char *path = NULL;
    for (size_t i = 0; i < cnt; i++) {
        struct key_text k;
        key_begin(&k, "solo 2");
        key_pattern(&k, solo[i].text, solo[i].flags);
        key_end(&k, &records[i].key);
    }
    if (o->cache) {
        mkdir(o->cache, 0777);
        if (asprintf(&path, "%s/solo", o->cache) < 0)
            abort();
        known = solo_from_cache(path, records, cnt, &known_cnt);
    }
    for (size_t i = 0; i < cnt; i++)
        done += records[i].is_done;
    if (done < cnt) {
        run_solo(solo, records, cnt, o);
        if (path)
            solo_to_cache(path, records, cnt, known, known_cnt);
    }
    for (size_t i = 0; i < cnt; i++) {
        const struct solo_record *r = &records[i];
        solo[i].how = (enum compile_how)r->how;
        solo[i].is_over_limit = r->is_over_limit;
        solo[i].size = r->size;
        solo[i].compile_us = r->compile_us;
        solo[i].scan_ps = r->scan_ps;
        solo[i].hit_permille = r->hit_permille;
        memcpy(solo[i].error, r->error, sizeof(solo[i].error));
    }
    free(known);
    free(path);
    munmap(records, cnt ? cnt * sizeof(*records) : 1);
}

/* ---- databases ---- */

struct set_job {
    pid_t pid;
    int fd; /* of the file in memory that the child writes: a status octet, then the database or the error */
    char *path;
};

static void
write_all(int fd, const void *octets, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = write(fd, (const char *)octets + at, len - at);
        if (n <= 0)
            _exit(1);
        at += (size_t)n;
    }
}

static void
compile_set_child(const struct compile_set *s, int fd, const struct compile_options *o)
{
    hs_database_t *db = NULL;
    hs_compile_error_t *error = NULL;
    char *octets = NULL;
    size_t len = 0;
    limit_child(o, COMPILE_SET_MS);
    unsigned *ids = must(calloc(s->cnt, sizeof(*ids)));
    for (unsigned i = 0; i < s->cnt; i++)
        ids[i] = i;
    if (hs_compile_ext_multi(s->texts, s->flags, ids, s->exts, s->cnt, s->is_stream ? HS_MODE_STREAM : HS_MODE_BLOCK,
                             NULL, &db, &error) != HS_SUCCESS) {
        write_all(fd, "E", 1);
        write_all(fd, error->message, strlen(error->message));
    } else if (hs_serialize_database(db, &octets, &len) == HS_SUCCESS) {
        write_all(fd, "D", 1);
        write_all(fd, octets, len);
    }
    _exit(0);
}

static bool
is_good_database(const uint8_t *octets, size_t len)
{
    hs_database_t *db = NULL;
    if (hs_deserialize_database((const char *)octets, len, &db) != HS_SUCCESS)
        return false;
    hs_free_database(db);
    return true;
}

static void
start_set(struct compile_set *s, struct set_job *job, const struct compile_options *o)
{
    job->fd = memfd_create("weir-compile", MFD_CLOEXEC);
    if (job->fd < 0)
        abort();
    job->pid = fork_child();
    if (job->pid == 0)
        compile_set_child(s, job->fd, o);
}

static void
finish_set(struct compile_set *s, struct set_job *job)
{
    struct stat st = { 0 };
    while (waitpid(job->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    snprintf(s->error, sizeof(s->error), "takes too long or too much memory to compile");
    if (!fstat(job->fd, &st) && st.st_size > 1) {
        size_t len = (size_t)st.st_size;
        uint8_t *octets = must(malloc(len));
        bool is_read = pread(job->fd, octets, len, 0) == (ssize_t)len;
        if (is_read && octets[0] == 'E') {
            snprintf(s->error, sizeof(s->error), "%.*s", (int)(len - 1), (const char *)octets + 1);
        } else if (is_read && is_good_database(octets + 1, len - 1)) {
            memmove(octets, octets + 1, len - 1);
            s->octets = octets;
            s->len = len - 1;
            s->error[0] = 0;
            octets = NULL;
        }
        free(octets);
    }
    close(job->fd);
    if (s->octets && job->path)
        cache_write(job->path, s->octets, s->len);
    free(job->path);
}

static char *
set_path(const struct compile_set *s, const struct compile_options *o)
{
    struct key_text k;
    struct key key;
    key_begin(&k, s->is_stream ? "stream 2" : "block 2");
    for (unsigned i = 0; i < s->cnt; i++) {
        key_pattern(&k, s->texts[i], s->flags[i]);
        if (s->exts && s->exts[i])
            key_ext(&k, s->exts[i]);
    }
    return key_end(&k, &key) && o->cache ? cache_path(o, &key, ".hs") : NULL;
}

void
compile_sets(struct compile_set *sets, size_t cnt, const struct compile_options *o)
{
    unsigned jobs_max = jobs_of(o);
    struct set_job *jobs = must(calloc(cnt + 1, sizeof(*jobs)));
    size_t *running = must(calloc(jobs_max, sizeof(*running))); /* in the order in which they were started */
    unsigned running_cnt = 0;
    for (size_t i = 0; i < cnt; i++) {
        struct compile_set *s = &sets[i];
        s->octets = NULL;
        s->error[0] = 0;
        jobs[i].path = set_path(s, o);
        if (jobs[i].path)
            s->octets = cache_read(jobs[i].path, &s->len);
        if (s->octets && is_good_database(s->octets, s->len)) {
            free(jobs[i].path);
            continue;
        }
        free(s->octets);
        s->octets = NULL;
        if (running_cnt == jobs_max) {
            finish_set(&sets[running[0]], &jobs[running[0]]);
            memmove(running, running + 1, --running_cnt * sizeof(*running));
        }
        start_set(s, &jobs[i], o);
        running[running_cnt++] = i;
    }
    for (unsigned i = 0; i < running_cnt; i++)
        finish_set(&sets[running[i]], &jobs[running[i]]);
    free(running);
    free(jobs);
}
