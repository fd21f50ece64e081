/* weirctl push --link and status --link: straight to the data plane, without stages or the control
 * process. */
#include "control/linkcmd.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "control/peer.h"
#include "control/rulesfile.h"
#include "control/verbs.h"
#include "scan/verdict.h"

static int
failed(const char *verb, const struct linkcmd *o, enum peer_result result, const char *why)
{
    fprintf(stderr, "weirctl %s: %s\n", verb, why);
    if (o->wants_json) {
        cJSON *j = cJSON_CreateObject();
        cJSON_AddBoolToObject(j, "ok", false);
        cJSON_AddStringToObject(j, "error", why);
        verb_print_json(j);
    }
    return result == PEER_REFUSED ? VERB_REFUSED : VERB_UNREACHABLE;
}

/* The rules themselves are refused, before anything is sent: all that was said goes to stderr, and
 * with --json its summary (the last line) and each diagnostic to stdout. */
static int
refused_rules(const struct linkcmd *o, char *said)
{
    fputs(said, stderr);
    if (o->wants_json) {
        cJSON *j = cJSON_CreateObject();
        cJSON_AddBoolToObject(j, "ok", false);
        cJSON *diagnostics = rulesfile_diagnostics_json(said);
        said[strlen(said) - 1] = 0;
        const char *last = strrchr(said, '\n');
        cJSON_AddStringToObject(j, "error", last ? last + 1 : said);
        cJSON_AddItemToObject(j, "diagnostics", diagnostics);
        verb_print_json(j);
    }
    free(said);
    return VERB_REFUSED;
}

/* Octets as a sealed memfd, so that what was checked cannot change on its way. -1: errno. */
static int
sealed(const void *octets, size_t len)
{
    int fd = memfd_create("weir-image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    for (size_t at = 0; fd >= 0 && at < len;) {
        ssize_t n = write(fd, (const char *)octets + at, len - at);
        if (n > 0) {
            at += (size_t)n;
        } else if (n == 0 || errno != EINTR) {
            close(fd);
            return -1;
        }
    }
    if (fd >= 0)
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
    return fd;
}

int
linkcmd_push(struct linkcmd *o)
{
    void *image;
    size_t len;
    char *said;
    if (rulesfile_load_said(&o->how, o->path, &image, &len, &said) != 0)
        return refused_rules(o, said);
    rulesfile_how_free(&o->how);
    if (said)
        fputs(said, stderr);
    free(said);
    int fd = sealed(image, len);
    free(image);
    if (fd < 0)
        return failed("push", o, PEER_REFUSED, strerror(errno));

    char err[LINK_TEXT_MAX + 128];
    struct link_answer a = {0};
    enum peer_result result = PEER_UNREACHABLE;
    int peer = peer_connect(o->socket, err, sizeof(err));
    if (peer >= 0) {
        result = peer_load(peer, fd, &o->load, &a, err, sizeof(err));
        close(peer);
    }
    close(fd);
    if (result != PEER_DONE)
        return failed("push", o, result, err);
    if (o->wants_json) {
        cJSON *j = cJSON_CreateObject();
        cJSON_AddBoolToObject(j, "ok", true);
        cJSON_AddNumberToObject(j, "generation", a.generation);
        cJSON_AddStringToObject(j, "digest", a.text);
        cJSON_AddNumberToObject(j, "swap_us", a.swap_us);
        verb_print_json(j);
    } else {
        printf("generation %" PRIu32 " is live, swapped in %" PRIu32 " us, %s\n", a.generation,
               a.swap_us, a.text);
    }
    return VERB_DONE;
}

static void
status_json(const struct link_state *s)
{
    cJSON *j = cJSON_CreateObject();
    cJSON_AddNumberToObject(j, "generation", s->live.generation);
    cJSON_AddStringToObject(j, "digest", s->live.digest);
    cJSON_AddNumberToObject(j, "rules", s->live.rule_cnt);
    cJSON_AddNumberToObject(j, "resident", s->resident);
    cJSON_AddNumberToObject(j, "workers", s->worker_cnt);
    cJSON_AddNumberToObject(j, "uptime_ms", (double)s->uptime_ms);
    cJSON_AddNumberToObject(j, "flows", (double)s->flows);
    cJSON *messages = cJSON_AddObjectToObject(j, "messages");
    for (int v = 0; v < VERDICT_CNT; v++)
        cJSON_AddNumberToObject(messages, verdict_name((enum verdict)v), (double)s->messages[v]);
    cJSON_AddNumberToObject(j, "rx_frames", (double)s->rx_frames);
    cJSON_AddNumberToObject(j, "tx_frames", (double)s->tx_frames);
    cJSON_AddNumberToObject(j, "dropped_frames", (double)s->dropped_frames);
    cJSON_AddNumberToObject(j, "blind_sessions", (double)s->blind_sessions);
    verb_print_json(j);
}

static void
status_text(const struct link_state *s)
{
    if (s->live.generation)
        printf("generation   %" PRIu32 " (%" PRIu32 " rules, %.16s), %" PRIu32 " in memory\n",
               s->live.generation, s->live.rule_cnt, s->live.digest, s->resident);
    else
        printf("generation   none: mail passes unjudged\n");
    printf("workers      %" PRIu32 ", up %" PRIu64 " s\n", s->worker_cnt, s->uptime_ms / 1000);
    printf("connections  %" PRIu64 " now, %" PRIu64 " went on under TLS unseen\n", s->flows,
           s->blind_sessions);
    printf("messages    ");
    for (int v = 0; v < VERDICT_CNT; v++)
        printf(" %" PRIu64 " %s%s", s->messages[v], verdict_name((enum verdict)v),
               v < VERDICT_CNT - 1 ? "," : "\n");
    printf("frames       %" PRIu64 " in, %" PRIu64 " out, %" PRIu64 " dropped\n", s->rx_frames,
           s->tx_frames, s->dropped_frames);
}

int
linkcmd_status(struct linkcmd *o)
{
    char err[LINK_TEXT_MAX + 128];
    struct link_state s = {0};
    int peer = peer_connect(o->socket, err, sizeof(err));
    if (peer < 0)
        return failed("status", o, PEER_UNREACHABLE, err);
    enum peer_result result = peer_status(peer, &s, err, sizeof(err));
    close(peer);
    if (result != PEER_DONE)
        return failed("status", o, result, err);
    if (o->wants_json)
        status_json(&s);
    else
        status_text(&s);
    return VERB_DONE;
}
