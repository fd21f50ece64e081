#include "control/adminclient.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/admin.h"

static int
connect_to(const char *path, char *err, size_t err_size)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(at.sun_path)) {
        snprintf(err, err_size, "%s: longer than a socket's path may be", path);
        return -1;
    }
    strcpy(at.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
        return fd;
    snprintf(err, err_size, "%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

/* 0, or -1 with err. */
static int
send_line(int fd, const cJSON *request, char *err, size_t err_size)
{
    char *line = cJSON_PrintUnformatted(request);
    size_t len = line ? strlen(line) : 0;
    int result = -1;
    if (!line || len >= ADMIN_LINE_MAX) {
        snprintf(err, err_size, "%s",
                 line ? "the request is longer than the process takes" : "no memory");
    } else {
        line[len++] = '\n'; /* where the NUL was */
        size_t at = 0;
        for (ssize_t n; at<len; at += n> 0 ? (size_t)n : 0) {
            n = send(fd, line + at, len - at, MSG_NOSIGNAL);
            if (n < 0 && errno != EINTR)
                break;
        }
        /* Who refuses at once (not allowed, too many) may have closed already: its answer is there
         * to be read. */
        result = 0;
    }
    cJSON_free(line);
    return result;
}

struct input {
    int fd;
    unsigned silence_s;
    char *octets;
    size_t len, size, seen;
};

/* More octets. NULL, or why there are none. */
static const char *
fill(struct input *in)
{
    struct pollfd p = {in->fd, POLLIN, 0};
    if (in->len == in->size) {
        size_t size = in->size ? 2 * in->size : 4096;
        char *octets = size <= 2 * (size_t)ADMIN_OUT_MAX ? realloc(in->octets, size) : NULL;
        if (!octets)
            return "an answer longer than it may be";
        in->octets = octets;
        in->size = size;
    }
    int ready;
    do
        ready = poll(&p, 1, in->silence_s ? (int)in->silence_s * 1000 : -1);
    while (ready < 0 && errno == EINTR);
    if (ready == 0)
        return "no answer in time";
    ssize_t n = recv(in->fd, in->octets + in->len, in->size - in->len, 0);
    if (n <= 0 && !(n < 0 && errno == EINTR))
        return n < 0 ? strerror(errno) : "the process closed the connection without an answer";
    in->len += n > 0 ? (size_t)n : 0;
    return NULL;
}

/* The next line as an object, or NULL with the reason. */
static cJSON *
next_object(struct input *in, const char **why)
{
    for (;;) {
        char *newline =
            in->len > in->seen ? memchr(in->octets + in->seen, '\n', in->len - in->seen) : NULL;
        if (!newline) {
            in->seen = in->len;
            *why = fill(in);
            if (*why)
                return NULL;
            continue;
        }
        size_t line_len = (size_t)(newline - in->octets);
        cJSON *object = cJSON_ParseWithLength(in->octets, line_len);
        in->len -= line_len + 1;
        memmove(in->octets, newline + 1, in->len);
        in->seen = 0;
        if (cJSON_IsObject(object))
            return object;
        cJSON_Delete(object);
        *why = "an answer that can not be read";
        return NULL;
    }
}

static enum admin_result
read_answer(struct input *in, admin_progress_fn *fn, void *owner, cJSON **answer, char *err,
            size_t err_size)
{
    const char *why = NULL;
    for (cJSON *object; (object = next_object(in, &why));) {
        const cJSON *ok = cJSON_GetObjectItemCaseSensitive(object, "ok");
        if (cJSON_IsBool(ok)) {
            const char *error =
                cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, "error"));
            const char *text =
                cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, "text"));
            *answer = object;
            if (!cJSON_IsTrue(ok))
                snprintf(err, err_size, "%s",
                         error  ? error
                         : text ? text
                                : "refused, without a reason");
            return cJSON_IsTrue(ok) ? ADMIN_DONE : ADMIN_REFUSED;
        }
        bool is_progress = cJSON_IsString(cJSON_GetObjectItemCaseSensitive(object, "progress"));
        if (is_progress && fn)
            fn(owner, object);
        cJSON_Delete(object);
        if (!is_progress) {
            why = "an answer that can not be read";
            break;
        }
    }
    snprintf(err, err_size, "%s", why);
    return ADMIN_UNREACHABLE;
}

enum admin_result
admin_ask(const char *socket_path, cJSON *request, unsigned silence_s, admin_progress_fn *fn,
          void *owner, cJSON **answer, char *err, size_t err_size)
{
    struct input in = {.silence_s = silence_s, .fd = connect_to(socket_path, err, err_size)};
    enum admin_result result = ADMIN_UNREACHABLE;
    *answer = NULL;
    if (in.fd >= 0 && send_line(in.fd, request, err, err_size) == 0)
        result = read_answer(&in, fn, owner, answer, err, err_size);
    cJSON_Delete(request);
    free(in.octets);
    if (in.fd >= 0)
        close(in.fd);
    return result;
}
