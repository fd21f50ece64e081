/* judge: between a connection's octets and its session. Feeds what is in order, writes down what was judged,
 * and begins a refusal when a verdict does not forward.
 *
 * Moves flow.side[].judged only; what may leave after that is tcp.c's business.
 *
 * Threads: one core's. Fails: never. */
#ifndef WEIR_DATAPLANE_JUDGE_H
#define WEIR_DATAPLANE_JUDGE_H

#include "dataplane/flow.h"
#include "scan/event.h"

#ifdef __cplusplus
extern "C" {
#endif

struct pipeline;

/* Feeds the session all that the client has sent in order and that was not read yet. Afterwards judged is
 * nxt; or less, when the session wants a reply first (flow.stalled_ms is set) or a message was refused
 * (flow.refusal is set, or the flow is cut; judged is then where the withheld octets begin). */
void judge_client(struct pipeline *pl, struct flow *f);

/* The same for the server, whose octets are always read. They may be overwritten in the store. */
void judge_server(struct flow *f);

/* A TCP event (event.h): counted; an action that does not forward begins a refusal. */
void judge_event(struct pipeline *pl, struct flow *f, enum event e);

#ifdef __cplusplus
}
#endif
#endif
