/* adminclient: an operator's end of weir-control's socket (admin.h). One request, progress, one answer.
 *
 * Threads: one caller's; blocks. Limits: ADMIN_LINE_MAX octets of request, ADMIN_OUT_MAX of an answer's line. What answers is
 * not trusted either: a line that is no JSON object with a boolean "ok" or a text "progress" is no answer. */
#ifndef WEIR_CONTROL_ADMINCLIENT_H
#define WEIR_CONTROL_ADMINCLIENT_H

#include <cjson/cJSON.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum admin_result {
    ADMIN_DONE,       /* ok: true */
    ADMIN_REFUSED,    /* ok: false; err says why */
    ADMIN_UNREACHABLE /* no socket, no answer, or none that can be read; err says */
};

typedef void admin_progress_fn(void *owner, const cJSON *progress);

/* Takes request. silence_s: how long nothing may come before it is given up; 0: for ever. *answer (cJSON_Delete) is set
 * when there is one, ok or not. */
enum admin_result admin_ask(const char *socket_path, cJSON *request, unsigned silence_s, admin_progress_fn *fn, void *owner,
                            cJSON **answer, char *err, size_t err_size);

#ifdef __cplusplus
}
#endif
#endif
