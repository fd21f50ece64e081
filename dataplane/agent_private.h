/* agent_private: the inside of the agent, for agent*.c. */
#ifndef WEIR_DATAPLANE_AGENT_PRIVATE_H
#define WEIR_DATAPLANE_AGENT_PRIVATE_H

#include <stdio.h>
#include <sys/types.h>

#include "control/link.h"
#include "dataplane/agent.h"
#include "dataplane/deferred.h"
#include "dataplane/handover.h"
#include "dataplane/roles.h"
#include "dataplane/tally.h"

struct peer {
    int fd; /* -1: free */
    uint64_t id;      /* of the connection: an answer finds it, or nobody */
    uint64_t heard_ms;
    bool is_waiting;  /* for an answer; nothing is read until it is there */
};

struct agent {
    struct appliance *appliance;
    struct worker *const *workers;
    int signal_fd, listen_fd;
    struct peer peers[AGENT_PEERS_MAX];
    uint64_t last_peer;
    struct roles *roles;
    struct link_evidence_page *evidence; /* shared with the controller, as the ring is; NULL: there is no link */
    int evidence_fd;
    struct handover handover;
    struct tally *tally;       /* the cores count there, */
    struct deferred *deferred; /* and remember there */
    uint32_t deferred_for;     /* the new set whose messages those are */
    FILE *messages; /* NULL: none are written */
    uint64_t instance;
    uint64_t start_ms;
    uint64_t frames_seen, frames_seen_ms; /* for stop_when_idle_ms */
    bool is_to_end;
};

/* agent_link.c: the socket and what comes through it. */
int agent_listen(const char *path, mode_t mode, const char *group);
void agent_hang_up(struct peer *p);
void agent_accept(struct agent *a);

/* Receives at most one packet; every descriptor in it is closed here. True: go on with this peer. */
bool agent_receive(struct agent *a, struct peer *p);

/* Sends what has become of requests. */
void agent_answer(struct agent *a);

/* agent.c */
void agent_make_folder_of(const char *path);

#endif
