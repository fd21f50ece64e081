#include "control/uplink.h"

int
uplink_init(struct uplink *u, const char *path, const uint64_t *ask_seq, const struct uplink_calls *calls)
{
    *u = (struct uplink){.calls = *calls, .ask_seq = ask_seq, .client = peer_client_new(path)};
    return u->client ? 0 : -1;
}

void
uplink_fini(struct uplink *u)
{
    peer_client_free(u->client);
    u->client = NULL;
    peer_detach(&u->pages);
}

struct pollfd
uplink_poll(const struct uplink *u)
{
    return (struct pollfd){.fd = peer_client_fd(u->client), .events = peer_client_events(u->client)};
}

void
uplink_look(struct uplink *u)
{
    u->wants_status = true;
}

/* ---- asking ---- */

/* ask NULL: one of our own. */
static bool
fly(struct uplink *u, enum link_type type, const struct rollout_ask *ask, const void *body, size_t body_len, int fd)
{
    if (!u->connection || u->cnt == PEER_CLIENT_MAX)
        return false;
    uint32_t number = peer_client_ask(u->client, type, body, body_len, fd, u->now_ms);
    if (!number)
        return false;
    struct uplink_flight *f = &u->flight[(u->first + u->cnt++) % PEER_CLIENT_MAX];
    *f = (struct uplink_flight){.number = number, .ask_seq = *u->ask_seq};
    if (ask)
        f->ask = *ask;
    f->ask.text = NULL; /* the machine's, and may be gone when the answer comes */
    return true;
}

bool
uplink_ask(struct uplink *u, const struct rollout_ask *ask, const void *body, size_t body_len, int fd)
{
    return fly(u, ask->type, ask, body, body_len, fd);
}

/* ---- answers ---- */

static void
take_pages(struct uplink *u, struct peer_answer *a)
{
    char err[LINK_TEXT_MAX];
    peer_detach(&u->pages);
    if (a->result != PEER_DONE)
        u->calls.said(u->calls.owner, a->err);
    else if (!peer_map(a, &u->pages, err, sizeof(err)))
        u->calls.said(u->calls.owner, err);
}

static void
take_answer(struct uplink *u, struct peer_answer *a)
{
    struct uplink_flight f = u->flight[u->first];
    if (!u->cnt || f.number != a->number)
        return; /* of before */
    u->first = (u->first + 1) % PEER_CLIENT_MAX;
    u->cnt--;
    if (a->request == LINK_STATUS)
        u->is_status_asked = false;
    if (a->result == PEER_UNREACHABLE)
        return; /* what became of it, the next STATUS tells: `down` follows */
    if (a->request == LINK_ATTACH) {
        take_pages(u, a);
    } else if (a->request != LINK_STATUS) {
        u->calls.answered(u->calls.owner, &f.ask, a->result == PEER_DONE, &a->answer);
        u->wants_status = true;
    } else if (a->result == PEER_DONE) {
        u->calls.state(u->calls.owner, &a->state, f.ask_seq);
    }
}

/* ---- the connection ---- */

static void
go_down(struct uplink *u)
{
    const char *why = peer_client_why(u->client);
    u->connection = 0;
    u->cnt = 0;
    u->is_status_asked = false;
    peer_detach(&u->pages);
    u->calls.down(u->calls.owner, *why ? why : "another connection took its place");
}

static void
come_up(struct uplink *u)
{
    u->connection = peer_client_connections(u->client);
    u->calls.up(u->calls.owner);
    fly(u, LINK_ATTACH, NULL, NULL, 0, -1);
    u->wants_status = true;
}

void
uplink_tick(struct uplink *u, uint64_t now_ms)
{
    struct peer_answer a;
    u->now_ms = now_ms;
    peer_client_work(u->client, now_ms);
    while (peer_client_next(u->client, &a)) {
        take_answer(u, &a);
        peer_answer_close(&a);
    }
    bool is_up = peer_client_is_up(u->client);
    if (u->connection && (!is_up || u->connection != peer_client_connections(u->client)))
        go_down(u);
    if (is_up && !u->connection)
        come_up(u);
    bool is_due = now_ms - u->status_ms >= (u->wants_status ? UPLINK_LOOK_MS : UPLINK_STATUS_MS);
    if (is_due && !u->is_status_asked && fly(u, LINK_STATUS, NULL, NULL, 0, -1)) {
        u->is_status_asked = true;
        u->wants_status = false;
        u->status_ms = now_ms;
    }
}
