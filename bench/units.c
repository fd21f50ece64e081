#include "bench/units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan/match.h"
#include "scan/rule_list.h"

struct units units;

enum kind { HEADER, BLOCK, RUN, OPEN, FEED, CLOSE };

/* A call of match.h. Streams are told apart by their address while open, later by a slot. */
struct unit {
    enum kind kind;
    enum target target;
    uint32_t idx; /* header target, number of a line or chunk, or stream slot */
    bool is_present;
    size_t off, len; /* in octets */
};

/* A piece of a message. */
struct piece {
    uint32_t message;
    size_t off, len;
};

struct arena {
    uint8_t *octets;
    size_t len, max;
};

enum { SLOTS_MAX = 4096 };

static struct arena unit_arena, message_arena, raw_arena;
static struct unit *unit_list;
static uint32_t unit_list_max;
static struct piece *pieces;
static uint32_t pieces_cnt, pieces_max;
static size_t *raw_offs; /* messages_cnt + 1, made at need: a message's octets in one block */
static struct match_stream *slots[SLOTS_MAX];
static struct message *alive[SLOTS_MAX];
static uint32_t alive_number[SLOTS_MAX];

static void *
must(void *p)
{
    if (!p)
        abort();
    return p;
}

static size_t
keep(struct arena *a, const uint8_t *octets, size_t len)
{
    if (a->len + len > a->max) {
        a->max = 2 * (a->max + len);
        a->octets = must(realloc(a->octets, a->max));
    }
    if (len)
        memcpy(a->octets + a->len, octets, len);
    a->len += len;
    return a->len - len;
}

static void
note_unit(enum kind kind, enum target t, uint32_t idx, bool is_present, const uint8_t *octets, size_t len)
{
    if (!units.is_recording)
        return;
    if (units.units_cnt == unit_list_max) {
        unit_list_max = unit_list_max ? 2 * unit_list_max : 4096;
        unit_list = must(reallocarray(unit_list, unit_list_max, sizeof(*unit_list)));
    }
    size_t off = keep(&unit_arena, octets, is_present ? len : 0);
    unit_list[units.units_cnt++] = (struct unit){kind, t, idx, is_present, off, len};
    units.unit_octets += is_present ? len : 0;
}

/* The index of p in list, or of NULL for a new one. */
static uint32_t
slot_of(const void *const *list, const void *p)
{
    for (uint32_t i = 0; i < SLOTS_MAX; i++)
        if (list[i] == p)
            return i;
    abort();
}

static uint32_t
stream_slot(const struct match_stream *s)
{
    return slot_of((const void *const *)slots, s);
}

/* ---- the calls between ---- */

/* clang-format off */
bool __real_match_header(const struct ruleset *, unsigned, enum target, uint32_t, bool, const uint8_t *, size_t, struct hits *);
bool __wrap_match_header(const struct ruleset *, unsigned, enum target, uint32_t, bool, const uint8_t *, size_t, struct hits *);
void __real_match_add(struct match_batch *, const struct ruleset *, enum target, size_t, uint32_t, struct hits *);
void __wrap_match_add(struct match_batch *, const struct ruleset *, enum target, size_t, uint32_t, struct hits *);
void __real_match_run(struct match_batch *, unsigned);
void __wrap_match_run(struct match_batch *, unsigned);
struct match_stream *__real_match_open(const struct ruleset *, unsigned, enum target, bool *);
struct match_stream *__wrap_match_open(const struct ruleset *, unsigned, enum target, bool *);
bool __real_match_feed(struct match_stream *, const uint8_t *, size_t, struct hits *);
bool __wrap_match_feed(struct match_stream *, const uint8_t *, size_t, struct hits *);
bool __real_match_close(struct match_stream *, struct hits *);
bool __wrap_match_close(struct match_stream *, struct hits *);
struct message *__real_message_new(struct scanner *);
struct message *__wrap_message_new(struct scanner *);
void __real_message_feed(struct message *, const uint8_t *, size_t);
void __wrap_message_feed(struct message *, const uint8_t *, size_t);
/* clang-format on */

bool
__wrap_match_header(const struct ruleset *rs, unsigned thread_idx, enum target t, uint32_t idx, bool is_present,
                    const uint8_t *value, size_t len, struct hits *h)
{
    note_unit(HEADER, t, idx, is_present, value, len);
    return __real_match_header(rs, thread_idx, t, idx, is_present, value, len, h);
}

void
__wrap_match_add(struct match_batch *b, const struct ruleset *rs, enum target t, size_t len, uint32_t no,
                 struct hits *h)
{
    note_unit(BLOCK, t, no, true, b->octets + b->octets_len, len);
    __real_match_add(b, rs, t, len, no, h);
}

void
__wrap_match_run(struct match_batch *b, unsigned thread_idx)
{
    if (units.is_recording)
        note_unit(RUN, TARGET_CNT, 0, false, NULL, 0);
    __real_match_run(b, thread_idx);
}

struct match_stream *
__wrap_match_open(const struct ruleset *rs, unsigned thread_idx, enum target t, bool *failed)
{
    struct match_stream *s = __real_match_open(rs, thread_idx, t, failed);
    if (units.is_recording && s) {
        uint32_t idx = stream_slot(NULL);
        slots[idx] = s;
        note_unit(OPEN, t, idx, false, NULL, 0);
    }
    return s;
}

bool
__wrap_match_feed(struct match_stream *s, const uint8_t *octets, size_t len, struct hits *h)
{
    if (units.is_recording)
        note_unit(FEED, TARGET_CNT, stream_slot(s), true, octets, len);
    return __real_match_feed(s, octets, len, h);
}

bool
__wrap_match_close(struct match_stream *s, struct hits *h)
{
    if (units.is_recording) {
        uint32_t idx = stream_slot(s);
        note_unit(CLOSE, TARGET_CNT, idx, false, NULL, 0);
        slots[idx] = NULL;
    }
    return __real_match_close(s, h);
}

struct message *
__wrap_message_new(struct scanner *sc)
{
    struct message *m = __real_message_new(sc);
    if (units.is_recording && m) {
        uint32_t i = 0;
        while (alive[i] && alive[i] != m) /* never cleared: a slot of the scanner's pool comes again */
            i++;
        alive[i] = m;
        alive_number[i] = units.messages_cnt++;
    }
    return m;
}

void
__wrap_message_feed(struct message *m, const uint8_t *octets, size_t len)
{
    if (units.is_recording) {
        if (pieces_cnt == pieces_max) {
            pieces_max = pieces_max ? 2 * pieces_max : 4096;
            pieces = must(reallocarray(pieces, pieces_max, sizeof(*pieces)));
        }
        uint32_t number = alive_number[slot_of((const void *const *)alive, m)];
        pieces[pieces_cnt++] = (struct piece){number, keep(&message_arena, octets, len), len};
        units.message_octets += len;
    }
    __real_message_feed(m, octets, len);
}

/* ---- the bare loops ---- */

static struct hits
bare_hits(const struct ruleset *rs)
{
    static uint64_t bits[1 << 12];
    static uint16_t counts[1 << 16];
    if (ruleset_rule_cnt(rs) > sizeof(bits) * 8 || ruleset_counted_cnt(rs) > sizeof(counts) / sizeof(*counts))
        abort();
    return (struct hits){.bits = bits,
                         .bits_cnt = ruleset_rule_cnt(rs),
                         .counts = counts,
                         .counts_cnt = ruleset_counted_cnt(rs)};
}

/* A rule that has hit is not confirmed again: what is left of one message would make the next one cheaper. */
static void
forget_hits(struct hits *h)
{
    memset(h->bits, 0, (h->bits_cnt + 63) / 64 * sizeof(*h->bits));
    memset(h->counts, 0, h->counts_cnt * sizeof(*h->counts));
}

static void
add_block(struct match_batch *b, const struct ruleset *rs, const struct unit *u, const uint8_t *octets,
          struct hits *h)
{
    uint8_t *room = match_room(b, u->len);
    if (!room) { /* a message that was aborted took its units out; here they wait for the next run */
        __real_match_run(b, 0);
        room = must(match_room(b, u->len));
    }
    memcpy(room, octets, u->len);
    __real_match_add(b, rs, u->target, u->len, u->idx, h);
}

void
units_scan(const struct ruleset *rs)
{
    static struct match_batch batch;
    struct hits h = bare_hits(rs);
    bool failed;
    for (uint32_t i = 0; i < units.units_cnt; i++) {
        const struct unit *u = &unit_list[i];
        const uint8_t *octets = unit_arena.octets + u->off;
        switch (u->kind) {
        case HEADER:
            __real_match_header(rs, 0, u->target, u->idx, u->is_present, octets, u->len, &h);
            break;
        case BLOCK:
            add_block(&batch, rs, u, octets, &h);
            break;
        case RUN:
            __real_match_run(&batch, 0);
            forget_hits(&h);
            break;
        case OPEN:
            slots[u->idx] = __real_match_open(rs, 0, u->target, &failed);
            break;
        case FEED:
            __real_match_feed(slots[u->idx], octets, u->len, &h);
            break;
        case CLOSE:
            __real_match_close(slots[u->idx], &h);
            slots[u->idx] = NULL;
            break;
        }
    }
}

/* Messages one behind the other, each in one block; made once. */
static void
lay_out(void)
{
    if (raw_offs)
        return;
    raw_offs = must(calloc(units.messages_cnt + 2, sizeof(*raw_offs)));
    size_t *at = must(calloc(units.messages_cnt + 1, sizeof(*at)));
    for (uint32_t i = 0; i < pieces_cnt; i++)
        raw_offs[pieces[i].message + 1] += pieces[i].len;
    for (uint32_t i = 0; i < units.messages_cnt; i++) {
        raw_offs[i + 1] += raw_offs[i];
        at[i] = raw_offs[i];
    }
    raw_arena.octets = must(malloc(units.message_octets + 1));
    for (uint32_t i = 0; i < pieces_cnt; i++) {
        memcpy(raw_arena.octets + at[pieces[i].message], message_arena.octets + pieces[i].off, pieces[i].len);
        at[pieces[i].message] += pieces[i].len;
    }
    free(at);
}

static int
on_raw_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *context)
{
    (void)from;
    (void)to;
    (void)flags;
    ((uint8_t *)context)[id % 65536] = 1;
    return 0;
}

void
units_raw(const hs_database_t *database, hs_scratch_t *scratch)
{
    static uint8_t hits[65536];
    lay_out();
    for (uint32_t i = 0; i < units.messages_cnt; i++)
        hs_scan(database, (const char *)raw_arena.octets + raw_offs[i], (unsigned)(raw_offs[i + 1] - raw_offs[i]),
                0, scratch, on_raw_match, hits);
}

/* One message after the other: the pieces as TCP brought them. */
void
units_messages(struct scanner *sc)
{
    enum { PIECE = 1448 };
    lay_out();
    for (uint32_t i = 0; i < units.messages_cnt; i++) {
        struct message *m = __real_message_new(sc);
        for (size_t off = raw_offs[i]; off < raw_offs[i + 1]; off += PIECE) {
            size_t rest = raw_offs[i + 1] - off;
            __real_message_feed(m, raw_arena.octets + off, rest < PIECE ? rest : PIECE);
        }
        message_end(m);
        message_free(m);
    }
}

int
units_raw_database(const struct rule_list *l, hs_database_t **database)
{
    const char **texts = must(calloc(l->rules_cnt + 1, sizeof(*texts)));
    unsigned *flags = must(calloc(l->rules_cnt + 1, sizeof(*flags)));
    unsigned *ids = must(calloc(l->rules_cnt + 1, sizeof(*ids)));
    unsigned cnt = 0;
    hs_compile_error_t *error;
    *database = NULL;
    for (uint32_t i = 0; i < l->rules_cnt; i++) {
        const struct rule *r = &l->rules[i];
        if (r->kind != RULE_BODY && r->kind != RULE_RAWBODY && r->kind != RULE_FULL)
            continue;
        texts[cnt] = r->text;
        flags[cnt] = r->flags | HS_FLAG_SINGLEMATCH | HS_FLAG_ALLOWEMPTY;
        ids[cnt] = cnt;
        cnt++;
    }
    int rc = 0;
    if (cnt && hs_compile_multi(texts, flags, ids, cnt, HS_MODE_BLOCK, NULL, database, &error) != HS_SUCCESS) {
        fprintf(stderr, "hs_compile_multi: %s\n", error->message);
        hs_free_compile_error(error);
        rc = -1;
    }
    free(texts);
    free(flags);
    free(ids);
    return rc;
}
