/* roles_private: the inside of roles, for roles*.c. */
#ifndef WEIR_DATAPLANE_ROLES_PRIVATE_H
#define WEIR_DATAPLANE_ROLES_PRIVATE_H

#include "dataplane/errand.h"
#include "dataplane/roles.h"

enum { LEASE_MAX_MS = 24 * 3600 * 1000 };

/* An image's octets, kept until they are on the disk. Counted by the agent alone. */
struct image {
    void *octets; /* mapped */
    size_t len;
    unsigned refs;
};

/* A rule set with what belongs to it. rs NULL: none. */
struct set {
    struct ruleset *rs;
    struct image *image; /* NULL: it is on the disk, or nothing is kept */
    struct persist_image id;
    char golden[GOLDEN_TEXT_LEN];
};

/* Who has which role: what the swap's plan says, and what a plan does not need. */
struct books {
    struct set live, candidate, previous;
    enum link_stage_id stage;  /* of the candidate */
    struct link_stage values;  /* the same */
    bool is_watched;           /* live is watched, with: */
    struct link_stage watched;
};

enum order_state {
    ORDER_FREE,
    ORDER_QUEUED,   /* asked */
    ORDER_LOADING,  /* a helper reads and loads */
    ORDER_NOTING,   /* LOAD(stage): a helper writes the image and who runs */
    ORDER_GOLDEN,   /* the cores judge */
    ORDER_PLACE,    /* until there is room */
    ORDER_DISK,     /* STAGE LIVE: a helper writes */
    ORDER_SETTLING, /* published; until the cores have it */
    ORDER_DONE      /* to be answered */
};

enum { ORDER_PREVIOUS = 0 }; /* as a type: what was previous before the start is loaded; nobody asked */

struct order {
    enum order_state state;
    uint16_t type; /* enum link_type, or ORDER_PREVIOUS */
    uint64_t peer;
    uint32_t request;
    uint64_t serial; /* of asking */
    uint64_t deadline_ms;
    uint64_t disk_version; /* waits for that one */
    int fd;                /* LOAD: duplicated; -1: none */
    struct link_load load;
    struct link_stage stage;
    struct link_return what;
    struct persist_image previous; /* ORDER_PREVIOUS */
    struct set set; /* LOAD: what was loaded, until it has a role. While LOADING the helper's, as why is */
    char why[LINK_TEXT_MAX];
    bool is_ack;
    struct link_answer answer;
};

/* What the disk's helper does; the agent does not touch it meanwhile. */
struct disk_job {
    struct persist *persist;
    struct persist_image live, previous, candidate;
    struct image *write[3]; /* of live, previous, candidate; NULL: it is there */
    bool is_kept[3];
    uint32_t last_generation;
    bool is_going_live; /* all or nothing */
    uint64_t version;
    int ret;
    char err[LINK_TEXT_MAX];
};

struct roles {
    struct swap *swap;
    unsigned threads_cnt;
    struct golden_run *golden;
    struct roles_hooks hooks;
    struct errand *loader, *disk;
    struct persist *persist; /* NULL: nothing is kept */
    struct books now;
    struct order orders[ROLES_ORDERS_MAX];
    struct order *loading; /* from LOADING until it has a role or failed */
    uint64_t serial;
    uint64_t now_ms;
    uint32_t last_generation;
    uint64_t lease_ms; /* when it ends, of the coarse clock; 0: there is none */
    struct link_trip trip;
    bool is_trip_settling;
    uint32_t pair_a, pair_b; /* that is counted */
    uint32_t window;
    uint32_t window_len_ms;
    uint64_t window_ms; /* when it ends; 0: never */
    uint64_t cost_messages, cost_a, cost_b; /* where the guard of time looked last */
    uint64_t not_deferred;                  /* when this plan began */

    struct disk_job job;
    uint64_t disk_version, disk_done; /* wanted, and of the last job that ended */
    int disk_ret;                     /* of that job */
    char disk_err[LINK_TEXT_MAX];
    uint64_t disk_retry_ms;
    uint32_t persisted;
};

/* roles.c */
int roles_publish(struct roles *r, const struct books *next);
void roles_done(struct order *o, bool is_ack, const char *format, ...) __attribute__((format(printf, 3, 4)));
void roles_settle(struct roles *r, struct order *o);
struct image *image_hold(struct image *i);
void image_drop(struct image *i);

/* roles_load.c */
int roles_open_image(const char *path, char *err, size_t err_size);
int roles_load_fd(struct roles *r, int fd, uint32_t generation, struct set *set, char *err, size_t err_size);
uint32_t roles_next_generation(const struct roles *r);
void roles_step_load(struct roles *r, struct order *o);
void roles_step_golden(struct roles *r, struct order *o);
void roles_step_place(struct roles *r, struct order *o);

/* roles_stage.c */
void roles_step_stage(struct roles *r, struct order *o);
void roles_step_live(struct roles *r, struct order *o);
void roles_step_return(struct roles *r, struct order *o);
void roles_step_drop(struct roles *r, struct order *o);

/* roles_watch.c */
void roles_watch(struct roles *r);
void roles_begin_pair(struct roles *r);
bool roles_take_returns(struct roles *r);

/* roles_disk.c */
int roles_disk_open(struct roles *r, const char *folder);
void roles_disk_changed(struct roles *r); /* what shall be kept is another now */
void roles_disk_step(struct roles *r);
bool roles_disk_is_done(const struct roles *r, const struct order *o);

#endif
