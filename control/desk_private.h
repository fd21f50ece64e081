/* desk_private: what the files of the desk share (desk.c the requests, desk_ask.c the questions, desk_wait.c who waits;
 * desk_view.c, what is shown, is in controller.h). */
#ifndef WEIR_CONTROL_DESK_PRIVATE_H
#define WEIR_CONTROL_DESK_PRIVATE_H

#include "control/controller.h"

#ifdef __cplusplus
extern "C" {
#endif

struct request {
    struct controller *c;
    uint64_t peer;
    struct rollout_who who;
    const struct admin_who *peer_who;
    const char *verb;
    const cJSON *o;
};

/* ---- members of a request, and answers to it ---- */

/* NULL: it is not there, or is no text. */
const char *desk_text(const cJSON *o, const char *key);
/* False: it is there, and is no whole number of 0..max. */
bool desk_number(const cJSON *o, const char *key, uint32_t max, uint32_t *n);
/* The one that `generation` names. NULL: there is none in memory; refused. */
const struct generation *desk_generation(const struct request *q);

void desk_refuse(const struct request *q, int code, const char *error);
cJSON *desk_ok(void);
void desk_answer(const struct request *q, cJSON *o); /* o is taken */

/* desk_wait.c: it is answered when the generation is settled (is_push), or the data plane has answered. */
void desk_wait_for(const struct request *q, uint32_t generation, bool is_push, bool is_rollback);

/* desk_ask.c: verbs */
void desk_ask_show(const struct request *q);
void desk_ask_report(const struct request *q);
void desk_ask_prove(const struct request *q);
void desk_ask_journal(const struct request *q);
void desk_ask_affected(const struct request *q);
void desk_ask_trace(const struct request *q);

#ifdef __cplusplus
}
#endif
#endif
