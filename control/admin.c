#include "control/admin.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/journal.h"

struct admin_peer {
    int fd; /* -1: free */
    uint64_t id;
    struct admin_who who;
    char *in;
    size_t in_len;
    bool is_asked; /* its request is with the owner */
    bool is_ended; /* closes when all is written */
    char *out;
    size_t out_len, out_max;
    uint64_t since_ms; /* connected, or last progress in writing */
};

struct admin {
    int fd;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    struct admin_settings settings;
    struct admin_peer peers[ADMIN_PEERS_MAX];
    uint64_t next_id, now_ms;
};

/* ---- who ---- */

static bool
is_member(const char *group, gid_t primary, uid_t uid)
{
    struct group *g = *group ? getgrnam(group) : NULL;
    if (!g)
        return false;
    gid_t wanted = g->gr_gid;
    struct passwd *p = getpwuid(uid);
    gid_t groups[256];
    int cnt = 256;
    if (primary == wanted)
        return true;
    if (!p || getgrouplist(p->pw_name, p->pw_gid, groups, &cnt) < 0)
        return false;
    for (int i = 0; i < cnt; i++) {
        if (groups[i] == wanted)
            return true;
    }
    return false;
}

static struct admin_who
who_is(const struct admin *a, int fd)
{
    struct ucred c;
    socklen_t len = sizeof(c);
    struct admin_who who = {.uid = (uid_t)-1};
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &len))
        return who;
    struct passwd *p = getpwuid(c.uid);
    who.uid = c.uid;
    if (p)
        snprintf(who.name, sizeof(who.name), "%s", p->pw_name);
    else
        snprintf(who.name, sizeof(who.name), "uid %u", c.uid);
    len = sizeof(who.gids) - sizeof(who.gids[0]);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, who.gids, &len))
        len = 0;
    who.gid_cnt = (unsigned)(len / sizeof(who.gids[0]));
    who.gids[who.gid_cnt++] = c.gid;
    who.may_push = c.uid == 0 || c.uid == geteuid() || is_member(a->settings.push_group, c.gid, c.uid);
    who.may_read = who.may_push || is_member(a->settings.read_group, c.gid, c.uid);
    return who;
}

/* ---- the socket ---- */

struct admin *
admin_open(const char *path, const struct admin_settings *s, char *err, size_t err_size)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct admin *a = strlen(path) < sizeof(at.sun_path) ? calloc(1, sizeof(*a)) : NULL;
    if (!a) {
        snprintf(err, err_size, "%s: longer than a socket's path may be", path);
        return NULL;
    }
    strcpy(at.sun_path, path);
    strcpy(a->path, path);
    a->settings = *s;
    for (unsigned i = 0; i < ADMIN_PEERS_MAX; i++)
        a->peers[i].fd = -1;
    unlink(path); /* the lock on the state folder says that nobody listens there */
    a->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* Everybody may connect: who may do what is told, not guessed from a refused connection. */
    mode_t mask = umask(0);
    int ret = a->fd < 0 ? -1 : bind(a->fd, (struct sockaddr *)&at, sizeof(at));
    umask(mask);
    if (ret || chmod(path, 0666) || listen(a->fd, ADMIN_PEERS_MAX)) {
        snprintf(err, err_size, "%s: %s", path, strerror(errno));
        if (a->fd >= 0)
            close(a->fd);
        free(a);
        return NULL;
    }
    return a;
}

static void
end_peer(struct admin_peer *p)
{
    close(p->fd);
    free(p->in);
    free(p->out);
    *p = (struct admin_peer){.fd = -1};
}

void
admin_close(struct admin *a)
{
    if (!a)
        return;
    for (unsigned i = 0; i < ADMIN_PEERS_MAX; i++) {
        if (a->peers[i].fd >= 0)
            end_peer(&a->peers[i]);
    }
    close(a->fd);
    unlink(a->path);
    free(a);
}

unsigned
admin_poll(const struct admin *a, struct pollfd *p)
{
    unsigned cnt = 0;
    p[cnt++] = (struct pollfd){.fd = a->fd, .events = POLLIN};
    for (unsigned i = 0; i < ADMIN_PEERS_MAX; i++) {
        const struct admin_peer *q = &a->peers[i];
        if (q->fd >= 0)
            p[cnt++] = (struct pollfd){.fd = q->fd, .events = (short)((q->is_asked ? 0 : POLLIN) | (q->out_len ? POLLOUT : 0))};
    }
    return cnt;
}

/* ---- answers ---- */

static void
write_out(struct admin *a, struct admin_peer *p)
{
    while (p->out_len) {
        ssize_t n = send(p->fd, p->out, p->out_len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            end_peer(p);
            return;
        }
        memmove(p->out, p->out + n, p->out_len - (size_t)n);
        p->out_len -= (size_t)n;
        p->since_ms = a->now_ms;
    }
    if (p->is_ended)
        end_peer(p);
}

static struct admin_peer *
find(struct admin *a, uint64_t id)
{
    for (unsigned i = 0; i < ADMIN_PEERS_MAX; i++) {
        if (a->peers[i].fd >= 0 && a->peers[i].id == id)
            return &a->peers[i];
    }
    return NULL;
}

bool
admin_has(struct admin *a, uint64_t id)
{
    struct admin_peer *p = find(a, id);
    return p && !p->is_ended;
}

void
admin_say(struct admin *a, uint64_t id, cJSON *object, bool is_last)
{
    struct admin_peer *p = find(a, id);
    char *text = p && !p->is_ended ? cJSON_PrintUnformatted(object) : NULL;
    cJSON_Delete(object);
    if (!text)
        return;
    journal_make_utf8(text); /* names are cut, and come from mails */
    size_t len = strlen(text);
    if (is_last && !p->out_len && len + 1 > ADMIN_OUT_MAX) {
        admin_refuse(a, id, 1, "the answer is longer than 4 MiB: ask for less");
    } else if (p->out_len + len + 1 > ADMIN_OUT_MAX) {
        end_peer(p); /* it does not read */
    } else {
        if (p->out_len + len + 1 > p->out_max) {
            size_t max = (p->out_len + len + 1) * 2;
            char *more = realloc(p->out, max);
            if (!more)
                abort();
            p->out = more;
            p->out_max = max;
        }
        memcpy(p->out + p->out_len, text, len);
        p->out[p->out_len + len] = '\n';
        p->out_len += len + 1;
        p->is_ended = is_last;
        p->since_ms = a->now_ms;
        write_out(a, p);
    }
    free(text);
}

void
admin_refuse(struct admin *a, uint64_t id, int code, const char *error)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddBoolToObject(o, "ok", false);
    cJSON_AddStringToObject(o, "error", error);
    cJSON_AddNumberToObject(o, "code", code);
    admin_say(a, id, o, true);
}

/* ---- requests ---- */

static void
take_request(struct admin *a, struct admin_peer *p, size_t len)
{
    uint64_t id = p->id;
    p->is_asked = true;
    p->in[len] = '\0';
    journal_make_utf8(p->in);
    cJSON *o = cJSON_ParseWithLength(p->in, len);
    const cJSON *verb = cJSON_GetObjectItemCaseSensitive(o, "verb");
    if (!cJSON_IsObject(o) || !cJSON_IsString(verb))
        admin_refuse(a, id, 2, "the request is not a JSON object with a verb");
    else
        a->settings.request(a->settings.owner, id, &p->who, verb->valuestring, o);
    cJSON_Delete(o);
}

static void
read_in(struct admin *a, struct admin_peer *p)
{
    if (!p->in && !(p->in = malloc(ADMIN_LINE_MAX)))
        abort();
    ssize_t n = recv(p->fd, p->in + p->in_len, ADMIN_LINE_MAX - p->in_len, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        end_peer(p);
        return;
    }
    char *nl = memchr(p->in + p->in_len, '\n', (size_t)n);
    p->in_len += (size_t)n;
    if (nl) {
        take_request(a, p, (size_t)(nl - p->in));
    } else if (p->in_len == ADMIN_LINE_MAX) {
        p->is_asked = true;
        admin_refuse(a, p->id, 2, "the request is too long");
    }
}

#define STRANGER "{\"ok\":false,\"error\":\"you are neither of the readers nor of the pushers\",\"code\":1}\n"
#define FULL "{\"ok\":false,\"error\":\"too many connections\",\"code\":3}\n"

/* Half of the places are for pushers: whoever may not roll back does not keep out who may. */
static bool
may_enter(const struct admin *a, const struct admin_who *who)
{
    unsigned readers = 0;
    for (unsigned i = 0; i < ADMIN_PEERS_MAX; i++)
        readers += a->peers[i].fd >= 0 && !a->peers[i].who.may_push;
    return who->may_push || readers < ADMIN_PEERS_MAX / 2;
}

static void
accept_all(struct admin *a)
{
    for (unsigned round = 0; round < ADMIN_PEERS_MAX; round++) {
        struct admin_peer *place = NULL;
        for (unsigned i = 0; i < ADMIN_PEERS_MAX && !place; i++)
            place = a->peers[i].fd < 0 ? &a->peers[i] : NULL;
        int fd = accept4(a->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return;
        struct admin_who who = who_is(a, fd);
        const char *why = !who.may_read                         ? STRANGER
                          : !place || !may_enter(a, &who) ? FULL
                                                                : NULL;
        if (why) {
            send(fd, why, strlen(why), MSG_NOSIGNAL | MSG_DONTWAIT);
            close(fd);
            continue;
        }
        *place = (struct admin_peer){.fd = fd, .id = ++a->next_id, .who = who, .since_ms = a->now_ms};
    }
}

/* Whether somebody who asked, and waits for an answer that is long in coming, is still there. */
static void
look_after(struct admin_peer *p)
{
    char octets[4096]; /* nobody asked for more than the first line: what comes after it is passed over */
    ssize_t n = recv(p->fd, octets, sizeof(octets), MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        end_peer(p);
}

void
admin_tick(struct admin *a, uint64_t now_ms)
{
    a->now_ms = now_ms;
    accept_all(a);
    for (unsigned i = 0; i < ADMIN_PEERS_MAX; i++) {
        struct admin_peer *p = &a->peers[i];
        if (p->fd >= 0 && !p->is_asked)
            read_in(a, p);
        else if (p->fd >= 0 && !p->is_ended)
            look_after(p);
        if (p->fd >= 0 && p->out_len)
            write_out(a, p);
        bool is_late = p->fd >= 0 && now_ms - p->since_ms > ADMIN_IDLE_MS && (!p->is_asked || p->out_len);
        if (is_late)
            end_peer(p);
    }
}
