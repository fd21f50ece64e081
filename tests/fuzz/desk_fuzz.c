/* weir-control without its children: a journal that somebody wrote, chain and all, is taken up; then operators ask for
 * anything, through the socket, while a data plane answers well or not. A line of the input is an operation:
 *
 *     rJSON   a record of the journal, without seq and prev (before the first line of another kind)
 *     qJSON   an operator's line, and what is said to it
 *     a.      the oldest request to the data plane is answered: by its letter done, refused, or never (the link breaks)
 *     j.      the oldest job ends: well or not
 *     s...    STATUS, changed from what was done so far
 *     e.n.k   evidence
 *     t.      time passes
 *
 * Generations are in ascending order within the cap, in states that exist; who is live and who is on its way is one of them;
 * texts end; numbers are never used again; a request gets one answer, JSON with "ok", before its connection ends. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/controller.h"
#include "control/status.h"
#include "feed.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LINES_MAX = 128, ASKS_MAX = 32, JOBS_HELD = 8, CLIENTS_MAX = 24 };

struct held_job {
    enum rollout_job job;
    uint32_t generation;
};

static struct controller c;
static struct settings settings;
static struct rollout_ask asks[ASKS_MAX];
static struct held_job jobs[JOBS_HELD];
static unsigned asks_cnt, jobs_cnt;
static bool is_begun;
static uint32_t newest;
static struct link_state plane;
static int clients[CLIENTS_MAX];
static unsigned clients_cnt;
static char socket_path[64], journal_path[64];

static uint64_t
clock_of_test(bool is_mono)
{
    return is_mono ? c.now_ms : UINT64_C(1790000000000) + c.now_ms;
}

/* ---- hands ---- */

static int
journal(void *owner, const char *event, uint32_t generation, cJSON *fields)
{
    (void)owner, (void)generation;
    MUST(event && *event && (!fields || cJSON_IsObject(fields)));
    cJSON_Delete(fields);
    return 0;
}

static bool
ask(void *owner, const struct rollout_ask *a)
{
    (void)owner;
    MUST(a->generation != 0);
    if (asks_cnt == ASKS_MAX)
        return false;
    asks[asks_cnt] = *a;
    asks[asks_cnt++].text = "";
    return true;
}

static bool
start(void *owner, enum rollout_job job, const struct generation *g)
{
    (void)owner;
    MUST(g->number != 0);
    if (jobs_cnt == JOBS_HELD)
        return false;
    jobs[jobs_cnt++] = (struct held_job){job, g->number};
    return true;
}

static void
stop(void *owner, uint32_t generation)
{
    (void)owner;
    for (unsigned i = jobs_cnt; i-- > 0;) {
        if (jobs[i].generation == generation)
            memmove(&jobs[i], &jobs[i + 1], (--jobs_cnt - i) * sizeof(*jobs));
    }
}

static void
told(void *owner, const struct generation *g)
{
    (void)owner;
    MUST((unsigned)g->state < GENERATION_STATE_CNT);
    desk_told(&c, g);
}

static void
notice(void *owner, const struct rollout_notice *n)
{
    (void)owner;
    MUST(n->text && n->name && (unsigned)n->kind < LINK_KIND_CNT);
}

static int
copy(void *owner, uint32_t from, uint32_t to)
{
    (void)owner;
    MUST(from && to && from != to);
    return 0;
}

/* ---- what must hold ---- */

#define MUST_END(text) MUST(memchr(text, '\0', sizeof(text)))

static void
check_machine(const struct rollout *r)
{
    MUST(r->list_cnt <= ROLLOUT_GENERATIONS_MAX && r->quarantine_cnt <= ROLLOUT_QUARANTINE_MAX);
    for (uint32_t i = 0; i < r->list_cnt; i++) {
        const struct generation *g = &r->list[i];
        MUST(g->number && (!i || r->list[i - 1].number < g->number) && g->number < r->next_number);
        MUST((unsigned)g->state < GENERATION_STATE_CNT && (unsigned)g->from < GENERATION_STATE_CNT);
        MUST((unsigned)g->until < GENERATION_STATE_CNT && g->expect_cnt <= ROLLOUT_EXPECT_MAX);
        MUST_END(g->digest);
        MUST_END(g->golden);
        MUST_END(g->text);
        MUST_END(g->path);
        for (uint32_t k = 0; k < g->expect_cnt; k++) {
            MUST(g->expect[k].kind < LINK_KIND_CNT);
            MUST(g->expect[k].rate > 0 && g->expect[k].rate <= 1);
        }
    }
    MUST(!r->live || rollout_find(r, r->live));
    MUST(!r->candidate || rollout_find(r, r->candidate));
    MUST(r->next_number >= newest);
    newest = r->next_number;
}

static void
check_page(void)
{
    cJSON *page = announce_status(c.announce);
    char *text = cJSON_PrintUnformatted(page), *html = status_html(page);
    MUST(text && html);
    cJSON_free(text);
    free(html);
    cJSON_Delete(page);
}

/* ---- operators ---- */

static void
hear(int fd, bool must_have_ended)
{
    static char said[1 << 22];
    size_t len = 0;
    ssize_t n;
    while ((n = recv(fd, said + len, sizeof(said) - len, MSG_DONTWAIT)) > 0)
        len += (size_t)n;
    MUST(!must_have_ended || n == 0);
    if (!len || n != 0) /* it waits on, or has said all there is so far */
        return;
    MUST(said[len - 1] == '\n');
    const char *last = memrchr(said, '\n', len - 1);
    last = last ? last + 1 : said;
    cJSON *o = cJSON_ParseWithLength(last, (size_t)(said + len - last));
    const cJSON *ok = cJSON_GetObjectItemCaseSensitive(o, "ok");
    MUST(cJSON_IsBool(ok));
    const char *error = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "error"));
    MUST(cJSON_IsTrue(ok) || (error && *error));
    cJSON_Delete(o);
}

static void
hang_up(unsigned i)
{
    close(clients[i]);
    memmove(&clients[i], &clients[i + 1], (--clients_cnt - i) * sizeof(*clients));
}

static void
request(const uint8_t *line, size_t len)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    strcpy(at.sun_path, socket_path);
    if (clients_cnt == CLIENTS_MAX)
        hang_up(0);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    MUST(fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0);
    clients[clients_cnt++] = fd;
    send(fd, line, len, MSG_NOSIGNAL);
    send(fd, "\n", 1, MSG_NOSIGNAL);
    admin_tick(c.admin, c.now_ms);
    admin_tick(c.admin, c.now_ms);
    char octet;
    ssize_t n = recv(fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n == 0)
        hang_up(clients_cnt - 1); /* longer than a line may be: it was told so, or was cut off before it could read */
    else if (n > 0)
        hear(fd, false);
}

/* ---- the data plane ---- */

static void
state(struct feed *f)
{
    struct link_state s = plane;
    feed_patch(f, &s, sizeof(s));
    /* What peer.c lets through. */
    bool is_taken = s.stage <= LINK_STAGE_LIVE && s.trip.reason <= LINK_REASON_CRASHES && s.trip.kind < LINK_KIND_CNT;
    s.live.digest[LINK_DIGEST_LEN - 1] = s.candidate.digest[LINK_DIGEST_LEN - 1] = '\0';
    s.previous.digest[LINK_DIGEST_LEN - 1] = s.trip.name[LINK_NAME_MAX - 1] = s.trip.text[LINK_TEXT_MAX - 1] = '\0';
    if (!is_taken)
        return;
    plane = s;
    rollout_state(&c.rollout, &s, c.rollout.ask_seq);
}

static void
do_as_asked(const struct rollout_ask *a, const struct generation *g)
{
    struct link_role role = {.generation = a->generation};
    snprintf(role.digest, sizeof(role.digest), "%s", g ? g->digest : "");
    if (a->type == LINK_LOAD && !a->is_live) {
        plane.candidate = role;
        plane.stage = LINK_STAGE_STAGED;
    } else if (a->type == LINK_LOAD) {
        plane.previous = plane.live;
        plane.live = role;
    } else if (a->type == LINK_STAGE && a->stage == LINK_STAGE_LIVE) {
        plane.previous = plane.live;
        plane.live = plane.candidate;
        memset(&plane.candidate, 0, sizeof(plane.candidate));
    } else if (a->type == LINK_DROP) {
        memset(&plane.candidate, 0, sizeof(plane.candidate));
    } else if (a->type == LINK_RETURN) {
        plane.live = plane.previous;
        memset(&plane.previous, 0, sizeof(plane.previous));
    }
    if (a->type == LINK_STAGE)
        plane.stage = (uint32_t)a->stage;
}

static void
answer(uint8_t how)
{
    if (how % 8 == 7) {
        asks_cnt = 0;
        rollout_link_down(&c.rollout);
        return;
    }
    if (!asks_cnt)
        return;
    struct rollout_ask a = asks[0];
    memmove(asks, asks + 1, --asks_cnt * sizeof(*asks));
    const struct generation *g = rollout_find(&c.rollout, a.generation);
    struct link_answer out = {.generation = a.generation};
    bool ok = how % 8 != 6;
    snprintf(out.text, sizeof(out.text), "%.64s %.64s", g ? g->digest : "", g && how % 8 != 5 ? g->golden : "");
    if (ok)
        do_as_asked(&a, g);
    rollout_answered(&c.rollout, &a, ok, &out);
    if (how % 8 < 4)
        rollout_state(&c.rollout, &plane, c.rollout.ask_seq);
}

static void
end_job(uint8_t how)
{
    if (!jobs_cnt)
        return;
    struct held_job j = jobs[0];
    memmove(jobs, jobs + 1, --jobs_cnt * sizeof(*jobs));
    char digest[LINK_DIGEST_LEN];
    snprintf(digest, sizeof(digest), "%064x", how / 4 % 8 ? how / 4 % 8 : j.generation);
    if (j.job == ROLLOUT_COMPILE)
        rollout_compiled(&c.rollout, j.generation, how % 4 != 3, how % 4 == 3 ? "" : digest, digest, "text");
    else
        rollout_proved(&c.rollout, j.generation, how % 4 != 3, "text");
}

static void
evidence(struct feed *f)
{
    struct rollout_reading r = {.generation = c.rollout.candidate ? c.rollout.candidate : c.rollout.live, .strata = 20};
    uint8_t how = feed_u8(f);
    r.e.n = (uint64_t)feed_u8(f) << (how & 15);
    r.e.k = feed_u8(f) % (r.e.n + 1);
    r.e.trips = how >> 7;
    r.e.worst_cnt = 1;
    r.e.worst[0].kind = LINK_KIND_SENDER_SUFFIX;
    r.e.worst[0].is_localised = r.e.trips;
    rollout_read(&c.rollout, &r);
}

/* ---- all of it ---- */

static void
begin(void)
{
    is_begun = true;
    newest = c.rollout.next_number;
    rollout_begin(&c.rollout, c.now_ms, clock_of_test(false));
}

static void
record(const uint8_t *text, size_t len)
{
    cJSON *o = is_begun ? NULL : cJSON_ParseWithLength((const char *)text, len);
    if (cJSON_IsObject(o)) {
        rollout_replay(&c.rollout, o);
        announce_replay(c.announce, o);
    }
    cJSON_Delete(o);
}

static void
do_line(const uint8_t *line, size_t len)
{
    struct feed f = {line + 1, len - 1};
    if (*line == 'r') {
        record(line + 1, len - 1);
        return;
    }
    if (!is_begun)
        begin();
    if (*line == 'q')
        request(line + 1, len - 1);
    else if (*line == 'a')
        answer(feed_u8(&f));
    else if (*line == 'j')
        end_job(feed_u8(&f));
    else if (*line == 's')
        state(&f);
    else if (*line == 'e')
        evidence(&f);
    else
        c.now_ms += (uint64_t)feed_u8(&f) * feed_u8(&f);
    rollout_tick(&c.rollout, c.now_ms, clock_of_test(false));
    desk_tick(&c);
    admin_tick(c.admin, c.now_ms);
    check_machine(&c.rollout);
}

static void
end(void)
{
    journal_close(c.journal);
    unlink(journal_path);
}

static void
set_up(void)
{
    char err[512];
    FILE *nothing = fmemopen((void *)(uintptr_t)"\n", 1, "r");
    MUST(nothing && settings_read_stream(&settings, "f", nothing, stderr) == 0);
    fclose(nothing);
    const char *at = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";
    snprintf(journal_path, sizeof(journal_path), "%s/weir-desk-fuzz.%d.j", at, (int)getpid());
    snprintf(socket_path, sizeof(socket_path), "/tmp/weir-desk-fuzz.%d", (int)getpid());
    c.journal = journal_open(journal_path, err, sizeof(err));
    MUST(c.journal);
    c.settings = &settings;
    c.queries = CONTROLLER_QUERIES_MAX; /* no children */
    atexit(end);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char err[256];
    if (!c.settings)
        set_up();
    const struct announce_settings announce = {.folder = "/nowhere", .hooks = "", .clean_ms = 1000, .name = "Mail service"};
    const struct admin_settings admin = {.request = desk_request, .owner = &c};
    const struct rollout_hands hands = {NULL, journal, ask, start, stop, told, notice, copy};
    c.now_ms = 1000;
    c.announce = announce_new(&announce);
    c.admin = admin_open(socket_path, &admin, err, sizeof(err));
    MUST(c.announce && c.admin && rollout_init(&c.rollout, &settings, &hands) == 0);
    announce_set_clock(c.announce, clock_of_test);
    memset(c.waiters, 0, sizeof(c.waiters));
    memset(&plane, 0, sizeof(plane));
    plane.instance = 1;
    asks_cnt = jobs_cnt = 0;
    is_begun = false;
    const uint8_t *at = data, *last = data + size;
    for (unsigned i = 0; at < last && i < LINES_MAX; i++) {
        const uint8_t *nl = memchr(at, '\n', (size_t)(last - at));
        if (nl != at)
            do_line(at, (size_t)((nl ? nl : last) - at));
        at = nl ? nl + 1 : last;
    }
    if (is_begun)
        check_machine(&c.rollout);
    check_page();
    while (clients_cnt) {
        hear(clients[0], false);
        hang_up(0);
    }
    admin_close(c.admin);
    announce_free(c.announce);
    rollout_fini(&c.rollout);
    return 0;
}
