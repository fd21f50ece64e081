/* The header of a message: its fields decoded once, the relays in it, and the values of header targets. */
#include <string.h>
#include <strings.h>

#include "scan/address.h"
#include "scan/message_private.h"

static struct header_field
field_at(const struct message *m, unsigned i)
{
    const struct field_ref *r = &m->fields[i];
    return (struct header_field){.name = {m->top_buf + r->name_off, r->name_len},
                                 .value = {m->top_buf + r->value_off, r->value_len}};
}

/* ---- decoding ---- */

/* "=?" anywhere? */
static bool
word_is_in(struct span value)
{
    const uint8_t *at = value.ptr, *end = at + value.len;

    while (at < end && (at = memchr(at, '?', (size_t)(end - at))) != NULL) {
        if (at > value.ptr && at[-1] == '=')
            return true;
        at++;
    }
    return false;
}

/* The value as rules see it, with "\n" at its end. Returns octets, 0: no room. */
static size_t
decode_value(struct pool *p, struct span name, struct span value, uint8_t *out, size_t cap)
{
    bool is_cut = false;

    if (charset_ascii_len(value) == value.len && !word_is_in(value)) {
        if (value.len + 1 > cap)
            return 0;
        return header_unfold(value, out); /* nothing to decode: most fields */
    }
    size_t len = word_value(p->charsets, name, value, p->word, sizeof(p->word), &is_cut);
    if (len > cap)
        return 0;
    memcpy(out, p->word, len);
    return len;
}

/* Does anybody look at the value? Of a mail without header rules the Subject is text. */
static bool
is_decoded(const struct message *m, const struct header_field *f)
{
    return m->wants.header || (m->wants.body && header_name_is(f, "subject"));
}

/* Decodes every field into m->decoded, "Name: value\n" behind each other: the value of ALL. */
static void
index_fields(struct message *m)
{
    struct header_field f;

    for (size_t off = 0; header_field(&m->top, &off, &f);) {
        struct field_ref *r = &m->fields[m->fields_cnt];
        size_t room = sizeof(m->decoded) - m->decoded_len;
        if (m->fields_cnt == HEADER_FIELDS_MAX || room < f.name.len + 3 || f.name.len > UINT16_MAX) {
            message_event(m, EVENT_HEADER_CAP);
            return;
        }
        uint8_t *out = m->decoded + m->decoded_len;
        memcpy(out, f.name.ptr, f.name.len);
        memcpy(out + f.name.len, ": ", 2);
        size_t at = f.name.len + 2;
        size_t len = 1;
        if (is_decoded(m, &f))
            len = decode_value(pool_of(m), f.name, f.value, out + at, room - at);
        else
            out[at] = '\n';
        if (!len) {
            message_event(m, EVENT_HEADER_CAP);
            return;
        }
        *r = (struct field_ref){.name_off = (uint32_t)(f.name.ptr - m->top_buf),
                                .name_len = (uint16_t)f.name.len,
                                .value_off = (uint32_t)(f.value.ptr - m->top_buf),
                                .value_len = (uint32_t)f.value.len,
                                .decoded_off = (uint32_t)(m->decoded_len + at),
                                .decoded_len = (uint32_t)len,
                                .hash = header_name_hash(f.name.ptr, f.name.len)};
        m->decoded_len += at + len;
        m->fields_seen |= UINT64_C(1) << r->hash % 64;
        m->fields_cnt++;
    }
}

/* The next field of that name at or after *i, moving *i behind it; its number, or -1. */
static int
next_named(const struct message *m, const char *name, uint32_t hash, unsigned *i)
{
    if (!(m->fields_seen >> hash % 64 & 1))
        return -1; /* most names that rules ask for are in no mail */
    for (unsigned at = *i; at < m->fields_cnt; at++) {
        if (m->fields[at].hash != hash)
            continue;
        struct header_field f = field_at(m, at);
        if (!header_name_is(&f, name))
            continue;
        *i = at + 1;
        return (int)at;
    }
    *i = m->fields_cnt;
    return -1;
}

static struct span
decoded_at(const struct message *m, unsigned i)
{
    return (struct span){m->decoded + m->fields[i].decoded_off, m->fields[i].decoded_len};
}

struct span
message_subject(const struct message *m)
{
    uint32_t hash = header_name_hash((const uint8_t *)"subject", 7);
    struct span subject = {(const uint8_t *)"\n", 1}; /* none: an empty line */
    unsigned i = 0;

    for (int at; (at = next_named(m, "subject", hash, &i)) >= 0;)
        subject = decoded_at(m, (unsigned)at);
    return subject;
}

struct span
message_id(const struct message *m)
{
    uint32_t hash = header_name_hash((const uint8_t *)"message-id", 10);
    struct span id = {0};
    unsigned i = 0;

    for (int at; (at = next_named(m, "message-id", hash, &i)) >= 0;)
        id = field_at(m, (unsigned)at).value;
    return id;
}

/* ---- values ---- */

struct value {
    uint8_t *out;
    size_t len, cap;
    bool is_present;
};

static void
add_octets(struct value *v, const void *octets, size_t len)
{
    if (len > v->cap - v->len)
        len = v->cap - v->len;
    if (len)
        memcpy(v->out + v->len, octets, len);
    v->len += len;
}

/* One display name, decoded; blanks folded and single quotes around it taken away, as SpamAssassin does. */
static void
add_name(const struct message *m, struct value *v, struct span phrase)
{
    struct pool *p = pool_of(m);
    bool is_cut;
    size_t len = word_text(p->charsets, phrase, p->word, sizeof(p->word), &is_cut);
    const uint8_t *name = p->word;

    if (v->is_present)
        add_octets(v, "\n", 1);
    v->is_present = true;
    while (len && strchr(" \t\r\n", name[0])) {
        name++;
        len--;
    }
    while (len && strchr(" \t\r\n", name[len - 1]))
        len--;
    if (len > 1 && name[0] == '\'' && name[len - 1] == '\'') {
        name++;
        len -= 2;
    }
    add_octets(v, name, len);
}

/* ADDR and NAME: all addresses, "\n" between them and none at the end (SpamAssassin), so that /[^a-z]/ means what it
 * says. */
static void
add_addresses(const struct message *m, struct value *v, struct span value, enum header_part part)
{
    uint8_t *raw = pool_of(m)->utf8; /* free while headers are read; larger than any header */
    size_t len = address_write(value, part == HEADER_ADDR ? ADDRESS_ADDR : ADDRESS_NAME, raw);

    for (size_t at = 0; at < len;) {
        const uint8_t *end = memchr(raw + at, '\n', len - at);
        size_t n = end ? (size_t)(end - raw) - at : len - at;
        if (part == HEADER_NAME) {
            add_name(m, v, (struct span){raw + at, n});
        } else {
            if (v->is_present)
                add_octets(v, "\n", 1);
            v->is_present = true;
            add_octets(v, raw + at, n);
        }
        at += n + 1;
    }
}

static void
add_field(const struct message *m, struct value *v, unsigned at, enum header_part part)
{
    struct span raw = field_at(m, at).value, decoded = decoded_at(m, at);

    switch (part) {
    case HEADER_WHOLE:
        v->is_present = true;
        add_octets(v, decoded.ptr, decoded.len);
        return;
    case HEADER_RAW:
        if (raw.len + 1 > v->cap - v->len)
            return;
        v->is_present = true;
        v->len += header_raw(raw, v->out + v->len);
        return;
    case HEADER_ADDR:
    case HEADER_NAME:
        add_addresses(m, v, raw, part);
        return;
    }
}

static void
add_hashed(const struct message *m, struct value *v, const char *name, uint32_t hash, enum header_part part)
{
    unsigned i = 0;

    for (int at; (at = next_named(m, name, hash, &i)) >= 0;)
        add_field(m, v, (unsigned)at, part);
}

static void
add_named(const struct message *m, struct value *v, const char *name, enum header_part part)
{
    add_hashed(m, v, name, header_name_hash((const uint8_t *)name, strlen(name)), part);
}

static void
add_all_raw(const struct message *m, struct value *v)
{
    v->is_present = m->top.len > 0;
    for (size_t i = 0; i < m->top.len && v->len < v->cap; i++) {
        uint8_t c = m->top_buf[i];
        if (c != '\r' || i + 1 == m->top.len || m->top_buf[i + 1] != '\n')
            v->out[v->len++] = c;
    }
}

/* ALL-TRUSTED and so on: the fields down to, or from, the last trusted Received. */
static void
add_cut(const struct message *m, struct value *v, enum relays_which which)
{
    unsigned received_cnt = 0;

    for (unsigned i = 0; i < m->fields_cnt; i++) {
        struct header_field f = field_at(m, i);
        bool is_received = header_name_is(&f, "received");
        received_cnt += is_received;
        if (!relays_cut_has(&m->relays, which, received_cnt, is_received))
            continue;
        v->is_present = true;
        add_octets(v, m->decoded + m->fields[i].decoded_off - f.name.len - 2,
                   m->fields[i].decoded_len + f.name.len + 2);
    }
}

static void
add_envelope_from(const struct message *m, struct value *v)
{
    struct header_facts f;
    bool is_known = false;

    message_header_facts((struct message *)m, &f);
    struct span from = eval_envelope_from(&f, &is_known);
    v->is_present = is_known;
    add_octets(v, from.ptr, from.len);
}

/* ALL-TRUSTED, X-Spam-Relays-Trusted and their like. False: the name is none of them. */
static bool
add_relays(const struct message *m, struct value *v, const char *name)
{
    static const char *const whiches[] = {"trusted", "untrusted", "internal", "external"};
    bool is_cut = !strncmp(name, "all-", 4);

    if (!is_cut && strncmp(name, "x-spam-relays-", 14) != 0)
        return false;
    for (unsigned i = 0; i < 4; i++) {
        if (strcmp(name + (is_cut ? 4 : 14), whiches[i]) != 0)
            continue;
        if (is_cut) {
            add_cut(m, v, (enum relays_which)i);
        } else {
            v->is_present = true;
            v->len += relays_write(&m->relays, (enum relays_which)i, v->out + v->len, v->cap - v->len);
        }
        return true;
    }
    return false;
}

/* The pseudo-headers. False: the name is none of them. */
static bool
add_pseudo(const struct message *m, struct value *v, const char *name, enum header_part part)
{
    static const char *const ids[] = {"x-message-id", "resent-message-id", "x-original-message-id", "message-id"};

    switch (name[0]) {
    case 't':
        if (strcmp(name, "tocc") != 0)
            return false;
        add_named(m, v, "to", part);
        add_named(m, v, "cc", part);
        return true;
    case 'm':
        if (strcmp(name, "messageid") != 0)
            return false;
        for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
            add_named(m, v, ids[i], part);
        return true;
    case 'e':
        if (strcmp(name, "envelopefrom") != 0)
            return false;
        add_envelope_from(m, v);
        return true;
    case 'a':
    case 'x':
        return add_relays(m, v, name);
    default:
        return false;
    }
}

/* One field, as nearly always: no copy. */
static struct span
whole_value(const struct message *m, const char *name, uint32_t hash, struct value *v)
{
    unsigned i = 0;
    int first = next_named(m, name, hash, &i);
    unsigned second = i;

    if (first < 0)
        return (struct span){v->out, 0};
    v->is_present = true;
    if (next_named(m, name, hash, &second) < 0)
        return decoded_at(m, (unsigned)first);
    add_hashed(m, v, name, hash, HEADER_WHOLE);
    return (struct span){v->out, v->len};
}

struct span
message_value(const struct message *m, const struct header_target *t, uint8_t *out, size_t cap, bool *is_present)
{
    struct value v = {.out = out, .cap = cap};
    uint32_t hash = t->hash ? t->hash : header_name_hash((const uint8_t *)t->name, strlen(t->name));
    struct span span = {out, 0};

    if (!strcmp(t->name, "all")) {
        v.is_present = m->decoded_len > 0;
        span = (struct span){m->decoded_len ? m->decoded : out, m->decoded_len};
        if (t->part == HEADER_RAW) {
            add_all_raw(m, &v);
            span = (struct span){out, v.len};
        }
    } else if (add_pseudo(m, &v, t->name, t->part)) {
        span.len = v.len;
    } else if (t->part == HEADER_WHOLE) {
        span = whole_value(m, t->name, hash, &v);
    } else {
        add_hashed(m, &v, t->name, hash, t->part);
        span.len = v.len;
    }
    *is_present = v.is_present;
    return span;
}

/* ---- relays ---- */

static void
add_client(struct message *m)
{
    struct relay_client client = {.ip = {m->client_ip, m->client_ip_len},
                                  .helo = {m->client_helo, m->client_helo_len},
                                  .mail_from = {m->mail_from, m->mail_from_len},
                                  .has_mail_from = m->has_mail_from};
    relays_client(&m->relays, &client);
}

static void
read_relays(struct message *m)
{
    static const char *const originating[] = {"x-yahoo-post-ip", "x-originating-ip", "x-apparently-from",
                                              "x-senderip"};
    relays_init(&m->relays);
    if (m->has_client)
        add_client(m);
    for (unsigned k = 0; k < 1 + sizeof(originating) / sizeof(originating[0]); k++) {
        const char *name = k ? originating[k - 1] : "received";
        uint32_t hash = header_name_hash((const uint8_t *)name, strlen(name));
        unsigned i = 0;
        for (int at; (at = next_named(m, name, hash, &i)) >= 0;) {
            struct span value = decoded_at(m, (unsigned)at);
            value.len--; /* its "\n" */
            if (k)
                relays_add_originating(&m->relays, value);
            else
                relays_add_received(&m->relays, value);
        }
    }
    if (m->relays.is_capped)
        message_event(m, EVENT_HEADER_CAP);
}

/* ---- matching ---- */

static void
match_headers(struct message *m)
{
    struct pool *p = pool_of(m);
    uint32_t cnt = 0;
    const struct header_target *t = match_header_targets(m->rs, TARGET_HEADER, &cnt);

    for (uint32_t i = 0; i < cnt; i++) {
        bool is_present = false;
        struct span v = message_value(m, &t[i], p->value, sizeof(p->value), &is_present);
        message_check(m, match_header(m->rs, m->sc->thread_idx, TARGET_HEADER, i, is_present, v.ptr, v.len,
                                      &m->hits));
    }
}

/* The fields of a part's header, read once for all targets. */
enum { PART_FIELDS_MAX = 64 };

struct part_fields {
    const struct header *header;
    unsigned cnt;
    size_t rest_off; /* behind those that are kept: the others are read for each target */
    struct header_field field[PART_FIELDS_MAX];
    uint32_t hash[PART_FIELDS_MAX];
};

static void
read_part_fields(struct part_fields *pf, const struct header *h)
{
    pf->header = h;
    pf->rest_off = pf->cnt = 0;
    while (pf->cnt < PART_FIELDS_MAX && header_field(h, &pf->rest_off, &pf->field[pf->cnt])) {
        const struct span *name = &pf->field[pf->cnt].name;
        pf->hash[pf->cnt++] = header_name_hash(name->ptr, name->len);
    }
}

/* The last field of that name of a part's header, as SpamAssassin's get_header in scalar context. */
static struct span
mime_value(struct message *m, const struct part_fields *pf, const struct header_target *t, bool *is_present)
{
    struct pool *p = pool_of(m);
    struct value v = {.out = p->value, .cap = sizeof(p->value)};
    bool is_all = !strcmp(t->name, "all");
    uint32_t hash = t->hash ? t->hash : header_name_hash((const uint8_t *)t->name, strlen(t->name));
    size_t off = pf->rest_off;
    struct header_field f;

    for (unsigned i = 0; i < pf->cnt || header_field(pf->header, &off, &f); i++) {
        if (i < pf->cnt && !is_all && pf->hash[i] != hash)
            continue;
        if (i < pf->cnt)
            f = pf->field[i];
        if (!is_all && !header_name_is(&f, t->name))
            continue;
        v.is_present = true;
        if (!is_all)
            v.len = 0;
        if (f.name.len + f.value.len + 4 > v.cap - v.len)
            break;
        if (is_all) {
            add_octets(&v, f.name.ptr, f.name.len);
            add_octets(&v, ": ", 2);
        }
        if (t->part == HEADER_RAW)
            v.len += header_raw(f.value, v.out + v.len);
        else
            v.len += decode_value(p, f.name, f.value, v.out + v.len, v.cap - v.len);
    }
    *is_present = v.is_present;
    return (struct span){v.out, v.len};
}

void
message_mime_headers(struct message *m, const struct header *h)
{
    uint32_t cnt = 0;
    const struct header_target *t = match_header_targets(m->rs, TARGET_MIMEHEADER, &cnt);
    struct part_fields pf;

    if (!cnt)
        return;
    read_part_fields(&pf, h);
    for (uint32_t i = 0; i < cnt; i++) {
        bool is_present = false;
        struct span v = mime_value(m, &pf, &t[i], &is_present);
        message_check(m, match_header(m->rs, m->sc->thread_idx, TARGET_MIMEHEADER, i, is_present, v.ptr, v.len,
                                      &m->hits));
    }
}

/* ---- for evals ---- */

static void fill_facts(struct message *m, struct header_facts *f);

/* What eval functions ask for, made of a rule's value: they want one address, or a "\n" behind each. */
static struct span
take_form(struct span v, enum field_form form, uint8_t *out)
{
    const uint8_t *end = v.len ? memchr(v.ptr, '\n', v.len) : NULL;

    if ((form == HEADER_PART_ADDR || form == HEADER_PART_NAME || form == HEADER_PART_FIRST_ADDR) && end)
        v.len = (size_t)(end - v.ptr);
    if (form == HEADER_PART_ADDR_ALL && v.len && v.ptr == out)
        out[v.len++] = '\n';
    return v;
}

/* A value that lives until the message ends: those that need memory take it from the pool. */
static struct span
make_value(struct message *m, const char *name, uint32_t hash, enum field_form form, bool *is_present)
{
    static const enum header_part parts[] = {[HEADER_PART_VALUE] = HEADER_WHOLE, [HEADER_PART_RAW] = HEADER_RAW,
                                             [HEADER_PART_ADDR] = HEADER_ADDR,   [HEADER_PART_NAME] = HEADER_NAME,
                                             [HEADER_PART_ADDR_ALL] = HEADER_ADDR,
                                             [HEADER_PART_FIRST_ADDR] = HEADER_ADDR};
    struct pool *p = pool_of(m);
    struct span from = {NULL, 0}, v;
    bool is_envelope = !strcmp(name, "envelopefrom");

    if (is_envelope) { /* before there is an `out`: it asks for values itself */
        struct header_facts f;
        fill_facts(m, &f);
        from = eval_envelope_from(&f, is_present);
    }
    uint8_t *out = p->values + p->values_len;
    size_t cap = sizeof(p->values) - p->values_len;
    cap -= cap > 0;
    if (is_envelope) {
        v = (struct span){out, from.len < cap ? from.len : cap};
        if (v.len)
            memcpy(out, from.ptr, v.len);
    } else {
        v = message_value(m, &(struct header_target){name, parts[form], hash}, out, cap, is_present);
    }
    v = take_form(v, form, out);
    if (v.ptr == out)
        p->values_len += v.len;
    return v;
}

static struct span
get_value(void *ctx, const char *name, enum field_form form, bool *is_present)
{
    struct message *m = ctx;
    struct pool *p = pool_of(m);
    char lower[128];
    size_t len = 0;
    uint32_t hash = HEADER_HASH_START;

    for (; name[len] && len < sizeof(lower) - 1; len++) {
        lower[len] = (char)(name[len] >= 'A' && name[len] <= 'Z' ? name[len] + 32 : name[len]);
        hash = header_hash_add(hash, (uint8_t)lower[len]);
    }
    lower[len] = 0;
    if (len >= MEMO_NAME_MAX)
        return make_value(m, lower, hash, form, is_present);
    /* One place for each: a collision makes the other value anew the next time. */
    struct memo *memo = &p->memos[(hash ^ hash >> 16 ^ (uint32_t)form * 37) % MEMO_MAX];
    if (memo->epoch == p->epoch && memo->hash == hash && memo->form == form && !strcmp(memo->name, lower)) {
        *is_present = memo->is_present;
        return memo->value;
    }
    struct span v = make_value(m, lower, hash, form, is_present);
    *memo = (struct memo){.epoch = p->epoch, .hash = hash, .form = (uint8_t)form, .is_present = *is_present, .value = v};
    memcpy(memo->name, lower, len + 1);
    return v;
}

static struct span
get_domain(void *ctx, struct span name, bool *is_valid)
{
    struct pool *p = pool_of(ctx);

    *is_valid = suffix_lookup(p->suffixes, name, &p->host) && p->host.is_known;
    size_t off = p->host.domain_off < p->host.len ? p->host.domain_off : 0;
    return (struct span){(const uint8_t *)p->host.text + off, p->host.len - off};
}

static void
fill_facts(struct message *m, struct header_facts *f)
{
    *f = (struct header_facts){.get = get_value,
                               .registered_domain = get_domain,
                               .ctx = m,
                               .relays = &m->relays,
                               .has_mail_from = m->has_mail_from,
                               .mail_from = {m->mail_from, m->mail_from_len},
                               .memo = &pool_of(m)->header_memo};
}

void
message_header_facts(struct message *m, struct header_facts *f)
{
    struct pool *p = pool_of(m);

    p->values_len = 0;
    p->epoch++;
    p->header_memo = (struct header_memo){0};
    fill_facts(m, f);
}

/* ---- the header is over ---- */

/* Fields that RFC 5322 3.6 and RFC 2045 allow once. */
static void
note_duplicates(struct message *m)
{
    static const char *const single[] = {"from",       "sender",       "reply-to",
                                         "to",         "cc",           "bcc",
                                         "message-id", "subject",      "date",
                                         "in-reply-to", "references",  "mime-version",
                                         "content-type", "content-transfer-encoding",
                                         "content-disposition", "content-id"};

    for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++) {
        uint32_t hash = header_name_hash((const uint8_t *)single[i], strlen(single[i]));
        unsigned at = 0;
        if (next_named(m, single[i], hash, &at) >= 0 && next_named(m, single[i], hash, &at) >= 0) {
            message_event(m, EVENT_FIELD_DUPLICATE);
            return;
        }
    }
}

void
message_header(struct message *m)
{
    index_fields(m);
    note_duplicates(m);
    if (!m->wants.header)
        return;
    read_relays(m);
    match_headers(m);
}
