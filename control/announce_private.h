/* What the parts of announce share: announce.c has the events and the tick, announce_store.c what is open and its journal,
 * announce_text.c the sentences, announce_json.c the page. */
#ifndef WEIR_CONTROL_ANNOUNCE_PRIVATE_H
#define WEIR_CONTROL_ANNOUNCE_PRIVATE_H

#include "control/announce.h"
#include "control/hooks.h"

/* Services of the page. */
enum component { COMPONENT_MAIL, COMPONENT_RULES, COMPONENT_SCANNER, COMPONENT_CNT };

enum incident_status { STATUS_INVESTIGATING, STATUS_IDENTIFIED, STATUS_MONITORING, STATUS_RESOLVED, STATUS_CNT };

enum { TITLE_MAX = 160, BY_MAX = 64, WHERE_MAX = 8 };

/* A stratum as far as it is told. */
struct where {
    uint32_t kind, n, k;
    char name[LINK_NAME_MAX];
};

struct update {
    enum incident_status status;
    uint64_t time_ms;
    char *body; /* malloc */
};

struct incident {
    char id[ANNOUNCE_ID_MAX];
    uint32_t generation;
    enum announce_impact impact;
    enum incident_status status;
    char title[TITLE_MAX];
    uint64_t started_ms, monitoring_ms, resolved_ms; /* wall; 0: not yet */
    uint64_t due_mono_ms; /* MONITORING: when it is clean */
    uint64_t trip_ms;     /* of the last trip taken up: the same is told once */
    uint32_t where_cnt;
    struct where where[WHERE_MAX];
    uint32_t update_cnt;
    struct update updates[ANNOUNCE_UPDATES_MAX];
};

struct notice {
    char id[ANNOUNCE_ID_MAX];
    char by[BY_MAX];
    char *text; /* malloc */
    enum announce_impact impact;
    uint32_t components; /* bits 1 << enum component */
    uint64_t since_ms, expires_ms, due_mono_ms;
};

struct announce {
    char folder[256];
    char name[TITLE_MAX];
    uint32_t clean_ms;
    announce_clock_fn *clock;
    announce_journal_fn *journal;
    void *journal_owner;
    struct hooks *hooks;
    uint32_t incident_cnt; /* the oldest first */
    struct incident incidents[ANNOUNCE_INCIDENTS_MAX];
    uint32_t notice_cnt;
    struct notice notices[ANNOUNCE_NOTICES_MAX];
    uint64_t last_incident, last_notice; /* numbers given */
    bool is_down;        /* the data plane, as the page has it */
    bool seems_down;     /* as it was last told */
    uint64_t seems_mono_ms; /* since when */
    char down_why[160];
    bool is_dirty;
    uint64_t written_mono_ms;
    int write_result; /* of the last time */
};

uint64_t announce_wall(const struct announce *a);
uint64_t announce_mono(const struct announce *a);

/* ---- announce_store.c ---- */

/* What is to happen, as it is journaled and replayed. */
struct change {
    uint64_t time_ms;
    const char *id;
    uint32_t generation;
    enum incident_status status;
    enum announce_impact impact;
    const char *title, *body;
    uint64_t trip_ms;
    const struct where *where;
    uint32_t where_cnt;
};

struct incident *announce_find_incident(struct announce *a, const char *id);
struct incident *announce_find_open(struct announce *a, uint32_t generation);
struct notice *announce_find_notice(struct announce *a, const char *id);

/* Journals, then applies. The incident; NULL: no memory. */
struct incident *announce_update(struct announce *a, const struct change *c);

/* Journals, then applies. 0 or what the journal said. */
int announce_put_notice(struct announce *a, const struct notice *n);
int announce_drop_notice(struct announce *a, struct notice *n, const char *by);

void announce_forget_incident(struct announce *a, uint32_t idx);

/* ---- announce_text.c ---- */

const char *announce_status_name(enum incident_status s);
const char *announce_component_id(enum component c);
const char *announce_component_name(enum component c);
const char *announce_kind_name(uint32_t kind);

/* Names of strata come from mails: what is not printable ASCII becomes '?'. */
void announce_clean_name(const char *name, char *to, size_t size);

/* For the public page (is_public) or the operators: "senders under .co.uk", ... */
void announce_where_text(const struct where *w, uint32_t cnt, bool is_public, char *to, size_t size);
void announce_title(uint32_t kind, bool is_live, const struct where *w, uint32_t cnt, char *to, size_t size);
void announce_time_text(uint64_t time_ms, char *to, size_t size);      /* 2026-01-31T23:59:59.125Z */
uint64_t announce_time_parse(const char *text);                        /* 0: it is none */
void announce_duration_text(uint64_t ms, char *to, size_t size);       /* 1 h, 90 s */

/* ---- announce_json.c ---- */

cJSON *announce_incident_json(const struct announce *a, const struct incident *i);
cJSON *announce_where_json(const struct where *w, uint32_t cnt);
cJSON *announce_components_json(uint32_t components);

#endif
