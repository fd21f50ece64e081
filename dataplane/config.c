#include "dataplane/config.h"

#include <ctype.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/cfgfile.h"

enum value_type {
    VALUE_TEXT,   /* min: size of the field, max: 1 when it may be empty */
    VALUE_U32,    /* min..max */
    VALUE_U64,
    VALUE_MS,     /* "500", "500 ms", "5 s", "2 min" */
    VALUE_KIB,    /* kept in octets */
    VALUE_MIB_CHUNKS, /* kept as chunks of the store, 2 KiB each */
    VALUE_MODE,   /* octal */
    VALUE_POINTS, /* "5.0", kept in thousandths; "off" */
    VALUE_WORD,   /* one of `words`, kept as its index in an enum-sized field */
    VALUE_BOOL,   /* off, on */
    VALUE_PORTS,
    VALUE_CPUS
};

struct key {
    const char *section, *name;
    enum value_type type;
    size_t offset;
    uint64_t min, max;
    const char *words; /* "a|b|c" */
    const char *preset; /* parsed like a value from the file */
};

#define AT(field) offsetof(struct config, field)
#define PIPE(field) offsetof(struct config, pipeline.field)
#define SIZE(field) sizeof(((struct config *)NULL)->field)
#define TEXT(section, name, field, preset)                                                          \
    { section, name, VALUE_TEXT, AT(field), SIZE(field), 1, NULL, preset }

enum { PORT_SMTPS = 465 }; /* RFC 8314 */

static const char fault_words[] = "pass|defer|close|drop";

/* clang-format off */
static const struct key keys[] = {
    TEXT("eal", "args", eal_args, ""),
    TEXT("eal", "file_prefix", file_prefix, "weir"),
    { "workers", "cpus", VALUE_CPUS, AT(cpus), 0, 0, NULL, "auto" },
    { "workers", "busy", VALUE_WORD, AT(busy), 0, 0, "poll|adaptive", "poll" },
    { "workers", "mbufs", VALUE_U32, AT(mbufs), 1024, 1 << 24, NULL, "32768" },
    { "workers", "mbuf_octets", VALUE_U32, AT(mbuf_octets), 2048, 65000, NULL, "2048" },
    { "workers", "rx_descriptors", VALUE_U32, AT(rx_descriptors), 64, 32768, NULL, "1024" },
    { "workers", "tx_descriptors", VALUE_U32, AT(tx_descriptors), 64, 32768, NULL, "1024" },
    { "smtp", "ports", VALUE_PORTS, PIPE(smtp_port), 0, 0, NULL, "25" },
    { "smtp", "starttls", VALUE_WORD, PIPE(smtp.starttls), 0, 0, "pass|strip|refuse", "pass" },
    { "smtp", "proxy_protocol", VALUE_BOOL, PIPE(smtp.has_proxy_header), 0, 0, "off|on", "off" },
    { "scan", "client_relay", VALUE_BOOL, PIPE(smtp.tells_client), 0, 0, "off|on", "off" },
    { "tcp", "checksum", VALUE_WORD, PIPE(checksum), 0, 0, "verify|recompute", "verify" },
    { "caps", "flows", VALUE_U32, PIPE(flows_max), 16, 1 << 24, NULL, "65536" },
    { "caps", "half_open", VALUE_U32, PIPE(half_open_max), 8, 1 << 24, NULL, "16384" },
    { "caps", "messages", VALUE_U32, PIPE(messages_max), 1, 1 << 20, NULL, "4096" },
    { "caps", "refusals", VALUE_U32, PIPE(refusals_max), 1, 1 << 20, NULL, "4096" },
    { "caps", "fragments", VALUE_U32, PIPE(fragments_max), 1, 65536, NULL, "256" },
    { "caps", "store_mib", VALUE_MIB_CHUNKS, PIPE(store_chunks), 1, 1 << 20, NULL, "128" },
    { "caps", "stream_kib", VALUE_KIB, PIPE(stream_octets_max), 64, 1 << 19, NULL, "1024" },
    { "timeouts", "idle", VALUE_MS, PIPE(idle_ms), 1000, 86400000, NULL, "600 s" },
    { "timeouts", "half_open", VALUE_MS, PIPE(half_open_ms), 100, 3600000, NULL, "30 s" },
    { "timeouts", "closed", VALUE_MS, PIPE(closed_ms), 10, 3600000, NULL, "10 s" },
    { "timeouts", "stall", VALUE_MS, PIPE(stall_ms), 100, 3600000, NULL, "300 s" },
    { "timeouts", "refusal", VALUE_MS, PIPE(refusal_ms), 100, 3600000, NULL, "60 s" },
    { "timeouts", "fragment", VALUE_MS, PIPE(fragment_ms), 10, 60000, NULL, "3 s" },
    { "timeouts", "unknown", VALUE_MS, PIPE(unknown_ms), 0, 86400000, NULL, "900 s" },
    { "failure", "flow_cap", VALUE_WORD, PIPE(on_flow_cap), 0, 0, fault_words, "drop" },
    { "failure", "session_cap", VALUE_WORD, PIPE(on_session_cap), 0, 0, fault_words, "drop" },
    { "failure", "unknown_flow", VALUE_WORD, PIPE(on_unknown_flow), 0, 0, fault_words, "drop" },
    { "verdict", "tag", VALUE_POINTS, PIPE(thresholds.tag_milli), 0, 0, NULL, "off" },
    { "verdict", "defer", VALUE_POINTS, PIPE(thresholds.defer_milli), 0, 0, NULL, "off" },
    { "verdict", "refuse", VALUE_POINTS, PIPE(thresholds.refuse_milli), 0, 0, NULL, "5.0" },
    { "verdict", "drop", VALUE_POINTS, PIPE(thresholds.drop_milli), 0, 0, NULL, "off" },
    TEXT("verdict", "hostname", pipeline.hostname, "weir"),
    TEXT("verdict", "refuse_text", pipeline.refuse_text, "Message refused by content policy"),
    TEXT("verdict", "defer_text", pipeline.defer_text, "Message deferred, try again later"),
    TEXT("rules", "image", image, ""),
    TEXT("rules", "state", state, ""),
    TEXT("link", "socket", link_socket, ""),
    { "link", "mode", VALUE_MODE, AT(link_mode), 0, 0777, NULL, "0660" },
    TEXT("link", "group", link_group, ""),
    TEXT("log", "messages", messages, ""),
    TEXT("log", "file", log_file, ""),
    { "log", "level", VALUE_WORD, AT(log_level), 0, 0, "error|warning|info|debug", "info" },
    { "run", "stop_after_frames", VALUE_U64, AT(stop_after_frames), 0, UINT64_MAX, NULL, "0" },
    { "run", "stop_when_idle_ms", VALUE_MS, AT(stop_when_idle_ms), 0, 86400000, NULL, "0" },
};
/* clang-format on */

enum { KEYS_CNT = sizeof(keys) / sizeof(*keys) };

/* One reading of one file. */
struct reader {
    struct config *c;
    struct cfgfile file;
    bool is_seen[KEYS_CNT];
    bool is_seen_event[EVENT_CNT];
    bool is_seen_side[PAIR_MAX][2];
};

/* ---- values: each returns NULL, or what would have been right ---- */

static const char *
read_integer(const struct key *k, const char *text, uint64_t *n)
{
    static char want[96];
    const char *rest;
    snprintf(want, sizeof(want), "a whole number from %" PRIu64 " to %" PRIu64, k->min, k->max);
    return cfgfile_number(text, n, &rest) && !*rest && *n >= k->min && *n <= k->max ? NULL : want;
}

static const char *
read_ms(const struct key *k, const char *text, uint64_t *ms)
{
    static char want[96];
    snprintf(want, sizeof(want), "a time such as 500 ms or 5 s, from %" PRIu64 " to %" PRIu64 " ms", k->min,
             k->max);
    return cfgfile_time(text, ms) && *ms >= k->min && *ms <= k->max ? NULL : want;
}

static const char *
read_points(const char *text, int32_t *milli)
{
    if (strcmp(text, "off") == 0) {
        *milli = INT32_MAX;
        return NULL;
    }
    bool is_negative = *text == '-';
    uint64_t whole, part = 0;
    const char *rest;
    unsigned digits = 0;
    if (!cfgfile_number(text + is_negative, &whole, &rest) || whole > 1000000)
        return "points such as 5.0 (at most 1000000, three decimals), or off";
    if (*rest == '.') {
        for (rest++; isdigit((unsigned char)*rest); rest++, digits++)
            part = part * 10 + (uint64_t)(*rest - '0');
    }
    if (*rest || digits > 3)
        return "points such as 5.0 (at most 1000000, three decimals), or off";
    for (; digits < 3; digits++)
        part *= 10;
    int32_t n = (int32_t)(whole * 1000 + part);
    *milli = is_negative ? -n : n;
    return NULL;
}

static int
word_index(const char *words, const char *text)
{
    size_t len = strlen(text);
    for (int i = 0;; i++) {
        size_t n = strcspn(words, "|");
        if (n == len && memcmp(words, text, n) == 0)
            return i;
        if (!words[n])
            return -1;
        words += n + 1;
    }
}

/* Calls `take` for each number of "1,2,5-7". */
static bool
read_list(const char *text, uint64_t max, bool (*take)(void *arg, unsigned n), void *arg)
{
    for (;;) {
        uint64_t from, to;
        text += strspn(text, " \t");
        if (!cfgfile_number(text, &from, &text))
            return false;
        to = from;
        text += strspn(text, " \t");
        if (*text == '-' && (!cfgfile_number(text + 1, &to, &text)))
            return false;
        if (to < from || to > max)
            return false;
        for (; from <= to; from++) {
            if (!take(arg, (unsigned)from))
                return false;
        }
        text += strspn(text, " \t");
        if (!*text)
            return true;
        if (*text++ != ',')
            return false;
    }
}

static bool
take_port(void *arg, unsigned n)
{
    uint8_t *set = arg;
    set[n / 8] |= (uint8_t)(1u << (n % 8));
    return n > 0;
}

static bool
take_cpu(void *arg, unsigned n)
{
    struct config *c = arg;
    if (c->cpus_cnt == CONFIG_CPUS_MAX)
        return false;
    c->cpus[c->cpus_cnt++] = (uint16_t)n;
    return true;
}

static const char *
read_text(const struct key *k, const char *text, char *to)
{
    if (strlen(text) >= k->min)
        return "a shorter text";
    for (const char *at = text; *at; at++) {
        if (iscntrl((unsigned char)*at)) /* it may go into an SMTP reply */
            return "text without control characters";
    }
    memset(to, 0, k->min);
    memcpy(to, text, strlen(text));
    return NULL;
}

static const char *
read_value(struct config *c, const struct key *k, const char *text)
{
    char *at = (char *)c + k->offset;
    const char *want = NULL;
    uint64_t n = 0;
    int index;
    switch (k->type) {
    case VALUE_TEXT:
        return read_text(k, text, at);
    case VALUE_U64:
        want = read_integer(k, text, (uint64_t *)at);
        break;
    case VALUE_U32:
    case VALUE_KIB:
    case VALUE_MIB_CHUNKS:
    case VALUE_MS:
        want = k->type == VALUE_MS ? read_ms(k, text, &n) : read_integer(k, text, &n);
        if (!want)
            *(uint32_t *)at = (uint32_t)(k->type == VALUE_KIB ? n * 1024
                                         : k->type == VALUE_MIB_CHUNKS ? n * 512 : n);
        break;
    case VALUE_MODE: {
        char *end;
        n = strtoull(text, &end, 8);
        if (!isdigit((unsigned char)*text) || *end || n > k->max)
            return "an octal file mode such as 0660";
        *(uint32_t *)at = (uint32_t)n;
        break;
    }
    case VALUE_POINTS:
        return read_points(text, (int32_t *)at);
    case VALUE_WORD:
        index = word_index(k->words, text);
        if (index < 0)
            return k->words;
        memcpy(at, &index, sizeof(index)); /* every enum here is an int */
        break;
    case VALUE_BOOL:
        index = word_index(k->words, text);
        if (index < 0)
            return k->words;
        *(bool *)at = index == 1;
        break;
    case VALUE_PORTS:
        memset(at, 0, 65536 / 8);
        if (!read_list(text, 65535, take_port, at))
            return "ports such as 25,587";
        if (((const uint8_t *)at)[PORT_SMTPS / 8] >> PORT_SMTPS % 8 & 1)
            return "ports that begin in clear text (465 is TLS from its first octet: nothing to read)";
        return NULL;
    case VALUE_CPUS:
        c->cpus_cnt = 0;
        if (strcmp(text, "auto") == 0)
            return NULL;
        return read_list(text, 1023, take_cpu, c) ? NULL : "auto, or CPUs such as 0,1 or 2-5 (at most 64)";
    }
    return want;
}

/* ---- the file ---- */

/* 0..PAIR_MAX-1 for "pair.N", else -1. */
static int
pair_number(const char *section)
{
    return strncmp(section, "pair.", 5) == 0 && section[5] >= '0' && section[5] < '0' + PAIR_MAX && !section[6]
               ? section[5] - '0' : -1;
}

static bool
is_section(const char *name)
{
    if (cfgfile_is_control(name) || pair_number(name) >= 0 || strcmp(name, "ambiguity") == 0)
        return true;
    for (size_t i = 0; i < KEYS_CNT; i++) {
        if (strcmp(keys[i].section, name) == 0)
            return true;
    }
    return false;
}

static int
take_pair(struct reader *r, int number, const char *name, const char *value)
{
    struct config_pair *p = &r->c->pair[number];
    int side = strcmp(name, "outside") == 0 ? OUTSIDE : strcmp(name, "inside") == 0 ? INSIDE : -1;
    char *to = side == OUTSIDE ? p->outside : p->inside;
    if (side < 0) {
        cfgfile_complain(&r->file, "[pair.%d] has no key `%s`", number, name);
    } else if (strpbrk(value, ";#")) { /* a comment, wherever a line is made to begin with it */
        cfgfile_complain(&r->file, "`%s`: no device has a `;` or a `#`", name);
    } else if (r->file.is_continuation && r->is_seen_side[number][side] && strlen(to) + strlen(value) < CONFIG_TEXT_MAX) {
        strcat(to, value);
    } else if (r->is_seen_side[number][side]) {
        cfgfile_complain(&r->file, "`%s` is given twice in [pair.%d]", name, number);
    } else if (!*value || strlen(value) >= CONFIG_TEXT_MAX || (side == OUTSIDE && strcmp(value, "same") == 0)) {
        cfgfile_complain(&r->file, "`%s`: wants a device (net_af_packet0,iface=eth0), a PCI address%s", name,
                 side == INSIDE ? " or same" : "");
    } else {
        strcpy(to, value);
        p->is_set = true;
    }
    if (side >= 0)
        r->is_seen_side[number][side] = true;
    return 1;
}

static int
take_event(struct reader *r, const char *name, const char *value)
{
    enum event e = event_parse(name);
    if (e == EVENT_CNT || e == EVENT_NONE)
        cfgfile_complain(&r->file, "[ambiguity] has no event `%s`", name);
    else if (r->is_seen_event[e])
        cfgfile_complain(&r->file, "`%s` is given twice in [ambiguity]", name);
    else if (!verdict_parse(value, &r->c->pipeline.event_action[e]))
        cfgfile_complain(&r->file, "`%s`: wants pass, tag, defer, close, refuse or drop, not `%s`", name, value);
    if (e != EVENT_CNT)
        r->is_seen_event[e] = true;
    return 1;
}

static void
continue_text(struct reader *r, const struct key *k, const char *value)
{
    char *to = (char *)r->c + k->offset;
    size_t have = strlen(to);
    if (have + 1 + strlen(value) >= k->min)
        cfgfile_complain(&r->file, "`%s`: wants a shorter text", k->name);
    else
        sprintf(to + have, " %s", value);
}

/* inih's handler. 1: taken; errors are ours to report, so always 1. */
static int
take(void *user, const char *section, const char *name, const char *value)
{
    struct reader *r = user;
    if (cfgfile_is_control(section) || !is_section(section)) {
        if (!*section)
            cfgfile_complain(&r->file, "`%s` stands before the first section", name);
        return 1; /* an unknown section was reported at its own line */
    }
    if (pair_number(section) >= 0)
        return take_pair(r, pair_number(section), name, value);
    if (strcmp(section, "ambiguity") == 0)
        return take_event(r, name, value);
    for (size_t i = 0; i < KEYS_CNT; i++) {
        const struct key *k = &keys[i];
        if (strcmp(k->section, section) != 0 || strcmp(k->name, name) != 0)
            continue;
        if (r->is_seen[i] && r->file.is_continuation && k->type == VALUE_TEXT) {
            continue_text(r, k, value);
        } else if (r->is_seen[i]) {
            cfgfile_complain(&r->file, "`%s` is given twice in [%s]", name, section);
        } else {
            const char *want = read_value(r->c, k, value);
            if (want)
                cfgfile_complain(&r->file, "`%s`: wants %s, not `%s`", name, want, value);
        }
        r->is_seen[i] = true;
        return 1;
    }
    cfgfile_complain(&r->file, "[%s] has no key `%s`", section, name);
    return 1;
}

static void
check_section(struct reader *r, const char *line)
{
    char name[CFGFILE_SECTION_MAX];
    if (cfgfile_section(&r->file, line, name) && !is_section(name))
        cfgfile_complain(&r->file, "there is no section [%s]", name);
}

/* inih's reader. */
static char *
next_line(char *text, int size, void *stream)
{
    struct reader *r = stream;
    struct cfgfile_line l;
    if (!cfgfile_next(&r->file, text, size, &l))
        return NULL;
    bool is_comment = strchr(";#", text[strspn(text, " \t")]) != NULL;
    if (l.is_long && !is_comment)
        cfgfile_complain(&r->file, "a line longer than %d octets; continue the text on a line that begins with a space",
                         size - 2);
    else if (l.has_nul)
        cfgfile_complain(&r->file, "a NUL in the file");
    const char *at = cfgfile_skip(text);
    if (*at == '[')
        check_section(r, at);
    return text;
}

static void
set_presets(struct config *c)
{
    memset(c, 0, sizeof(*c));
    for (size_t i = 0; i < KEYS_CNT; i++)
        read_value(c, &keys[i], keys[i].preset);
    for (int e = 0; e < EVENT_CNT; e++)
        c->pipeline.event_action[e] = event_default_action((enum event)e);
}

/* What no single line can say. */
static void
check_whole(struct reader *r)
{
    bool has_pair = false;
    for (int i = 0; i < PAIR_MAX; i++) {
        const struct config_pair *p = &r->c->pair[i];
        has_pair = has_pair || p->is_set;
        if (p->is_set && (!*p->outside || !*p->inside))
            cfgfile_complain(&r->file, "[pair.%d] has no `%s`", i, *p->outside ? "inside" : "outside");
    }
    if (!has_pair && r->file.error_cnt == 0)
        cfgfile_complain(&r->file, "there is no [pair.N]: nothing to stand between");
    if (r->c->pipeline.half_open_max > r->c->pipeline.flows_max)
        cfgfile_complain(&r->file, "half_open is more than flows");
}

int
config_read_stream(struct config *c, const char *name, FILE *from, FILE *errors)
{
    struct reader r = {.c = c, .file = {.name = name, .from = from, .errors = errors}};
    set_presets(c);
    cfgfile_parse(&r.file, next_line, take, &r);
    check_whole(&r);
    return r.file.error_cnt ? -1 : 0;
}

int
config_read(struct config *c, const char *path, FILE *errors)
{
    FILE *from = cfgfile_open(path, errors);
    if (!from) {
        set_presets(c);
        return -1;
    }
    int ret = config_read_stream(c, path, from, errors);
    fclose(from);
    return ret;
}

bool
config_pair_is_one_armed(const struct config_pair *p)
{
    return strcmp(p->inside, "same") == 0;
}

/* ---- printing ---- */

static void
print_points(int32_t milli, FILE *to)
{
    if (milli == INT32_MAX)
        fprintf(to, "off");
    else
        fprintf(to, "%s%d.%03d", milli < 0 ? "-" : "", abs(milli) / 1000, abs(milli) % 1000);
}

static void
print_ports(const uint8_t *set, FILE *to)
{
    const char *comma = "";
    for (unsigned n = 0; n < 65536; n++) {
        if (!((set[n / 8] >> (n % 8)) & 1))
            continue;
        unsigned last = n;
        while (last < 65535 && ((set[(last + 1) / 8] >> ((last + 1) % 8)) & 1))
            last++;
        fprintf(to, last > n ? "%s%u-%u" : "%s%u", comma, n, last);
        comma = ",";
        n = last;
    }
}

static void
print_cpus(const struct config *c, FILE *to)
{
    if (c->cpus_cnt == 0)
        fprintf(to, "auto");
    for (unsigned i = 0; i < c->cpus_cnt; i++)
        fprintf(to, "%s%u", i ? "," : "", c->cpus[i]);
}

static void
print_word(const char *words, unsigned index, FILE *to)
{
    while (index-- > 0)
        words += strcspn(words, "|") + 1;
    fprintf(to, "%.*s", (int)strcspn(words, "|"), words);
}

/* inih takes a long line apart, so long text is continued at a space or comma. */
static void
print_text(const char *text, FILE *to)
{
    enum { LINE = 120 };
    while (strlen(text) > LINE) {
        size_t cut = LINE;
        while (cut > 0 && text[cut] != ' ')
            cut--;
        if (cut == 0)
            break;
        fprintf(to, "%.*s\n    ", (int)cut, text);
        text += cut + 1;
    }
    fputs(text, to);
}

static void
print_device(const char *text, FILE *to)
{
    enum { PIECE = 160 };
    while (strlen(text) > PIECE) {
        int len = PIECE; /* not at a blank: it is not read again where a line begins or ends */
        while (len > 1 && (strchr(" \t", text[len - 1]) || strchr(" \t", text[len])))
            len--;
        fprintf(to, "%.*s\n    ", len, text);
        text += len;
    }
    fputs(text, to);
}

static void
print_value(const struct config *c, const struct key *k, FILE *to)
{
    const char *at = (const char *)c + k->offset;
    uint32_t n;
    memcpy(&n, at, sizeof(n));
    switch (k->type) {
    case VALUE_TEXT:
        print_text(at, to);
        break;
    case VALUE_U32:
        fprintf(to, "%u", n);
        break;
    case VALUE_U64:
        fprintf(to, "%" PRIu64, *(const uint64_t *)at);
        break;
    case VALUE_MS:
        fprintf(to, "%u ms", n);
        break;
    case VALUE_KIB:
        fprintf(to, "%u", n / 1024);
        break;
    case VALUE_MIB_CHUNKS:
        fprintf(to, "%u", n / 512);
        break;
    case VALUE_MODE:
        fprintf(to, "%04o", n);
        break;
    case VALUE_POINTS:
        print_points((int32_t)n, to);
        break;
    case VALUE_WORD:
        print_word(k->words, n, to);
        break;
    case VALUE_BOOL:
        print_word(k->words, *(const bool *)at, to);
        break;
    case VALUE_PORTS:
        print_ports((const uint8_t *)at, to);
        break;
    case VALUE_CPUS:
        print_cpus(c, to);
        break;
    }
}

void
config_print(const struct config *c, FILE *to)
{
    const char *section = "";
    for (size_t i = 0; i < KEYS_CNT; i++) {
        if (strcmp(section, keys[i].section) != 0)
            fprintf(to, "%s[%s]\n", *section ? "\n" : "", keys[i].section);
        section = keys[i].section;
        fprintf(to, "%s = ", keys[i].name);
        print_value(c, &keys[i], to);
        fputc('\n', to);
    }
    for (int i = 0; i < PAIR_MAX; i++) {
        if (!c->pair[i].is_set)
            continue;
        fprintf(to, "\n[pair.%d]\noutside = ", i);
        print_device(c->pair[i].outside, to);
        fprintf(to, "\ninside = ");
        print_device(c->pair[i].inside, to);
        fputc('\n', to);
    }
    fprintf(to, "\n[ambiguity]\n");
    for (int e = EVENT_NONE + 1; e < EVENT_CNT; e++)
        fprintf(to, "%s = %s\n", event_name((enum event)e), verdict_name(c->pipeline.event_action[e]));
}
