/* weirctl scan: messages from files, judged by the same library as in the wire. */
#include <cjson/cJSON.h>
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "control/rulesfile.h"
#include "control/verbs.h"
#include "scan/message.h"

enum { FOLDER_DEPTH_MAX = 64, CHUNK = 65536 };

struct scan {
    struct scanner scanner;
    const char *rules;
    bool wants_json;
    bool wants_help;
    const char *mail_from; /* NULL: no envelope was given */
    const char **rcpt_to;
    unsigned rcpt_cnt;
    bool failed; /* a file could not be read */
};

static struct span
span_of(const char *text)
{
    return (struct span){ (const uint8_t *)text, strlen(text) };
}

static void
complain(struct scan *s, const char *path, const char *why)
{
    fprintf(stderr, "%s: error: %s\n", path, why);
    s->failed = true;
}

/* A file whose first line ends in LF alone is taken for a Unix file: its line ends become CRLF, as they do
 * when a mail client sends it. In any other file a bare LF is what it is. */
struct line_ends {
    bool is_known;
    bool is_unix;
    uint8_t last; /* octet fed */
};

static void
feed_unix(struct message *m, struct line_ends *ends, const uint8_t *octets, size_t len)
{
    for (size_t at = 0; at < len;) {
        const uint8_t *lf = memchr(octets + at, '\n', len - at);
        size_t end = lf ? (size_t)(lf - octets) : len;
        message_feed(m, octets + at, end - at);
        uint8_t before = end > at ? octets[end - 1] : ends->last;
        if (lf)
            message_feed(m, (const uint8_t *)"\r\n" + (before == '\r'), 2u - (before == '\r'));
        ends->last = lf ? '\n' : before;
        at = end + 1;
    }
}

static void
feed(struct message *m, struct line_ends *ends, const uint8_t *octets, size_t len)
{
    const uint8_t *lf = ends->is_known ? NULL : memchr(octets, '\n', len);
    if (lf) {
        ends->is_known = true;
        ends->is_unix = (lf > octets ? lf[-1] : ends->last) != '\r';
    }
    if (ends->is_unix) {
        feed_unix(m, ends, octets, len);
    } else {
        message_feed(m, octets, len);
        ends->last = octets[len - 1];
    }
}

/* Feeds the whole file; over SMTP its last line always has an end. */
static bool
feed_file(struct message *m, FILE *f)
{
    static uint8_t chunk[CHUNK];
    struct line_ends ends = { .last = '\n' };
    for (size_t len; (len = fread(chunk, 1, sizeof(chunk), f)) > 0;)
        feed(m, &ends, chunk, len);
    if (ferror(f))
        return false;
    if (ends.last != '\n')
        message_feed(m, (const uint8_t *)"\r\n" + (ends.last == '\r'), 2u - (ends.last == '\r'));
    return true;
}

/* File names are octets, JSON is UTF-8: what is not, is shown as `?`. */
static void
add_path(cJSON *object, const char *path)
{
    char *copy = strdup(path);
    for (unsigned char *p = (unsigned char *)copy; *p;) {
        unsigned tail = *p < 0x80 ? 0 : *p >= 0xc2 && *p < 0xe0 ? 1 : *p >= 0xe0 && *p < 0xf0 ? 2
                                    : *p >= 0xf0 && *p < 0xf5 ? 3 : 4;
        unsigned good = 0;
        while (good < tail && tail < 4 && (p[good + 1] & 0xc0) == 0x80)
            good++;
        if (good == tail) {
            p += tail + 1;
        } else {
            *p++ = '?';
        }
    }
    cJSON_AddStringToObject(object, "file", copy);
    free(copy);
}

static void
print_json(const char *path, const struct judgement *j, const struct ruleset *rs)
{
    cJSON *object = cJSON_CreateObject();
    add_path(object, path);
    cJSON_AddStringToObject(object, "verdict", verdict_name(j->verdict));
    cJSON_AddNumberToObject(object, "score", j->score_milli / 1000.0);
    cJSON *rules = cJSON_AddArrayToObject(object, "rules");
    for (unsigned i = 0; i < j->rules_cnt; i++)
        cJSON_AddItemToArray(rules, cJSON_CreateString(ruleset_rule_name(rs, j->rules[i])));
    if (j->rules_total > j->rules_cnt) /* more than a judgement lists */
        cJSON_AddNumberToObject(object, "rules_total", j->rules_total);
    cJSON *events = cJSON_AddArrayToObject(object, "events");
    for (unsigned e = 1; e < EVENT_CNT; e++) {
        if (j->events & EVENT_BIT(e))
            cJSON_AddItemToArray(events, cJSON_CreateString(event_name((enum event)e)));
    }
    char *text = cJSON_PrintUnformatted(object);
    puts(text);
    cJSON_free(text);
    cJSON_Delete(object);
}

static void
print_line(const char *path, const struct judgement *j, const struct ruleset *rs)
{
    printf("%s: %s %g", path, verdict_name(j->verdict), j->score_milli / 1000.0);
    for (unsigned i = 0; i < j->rules_cnt; i++)
        printf("%s%s", i ? "," : " ", ruleset_rule_name(rs, j->rules[i]));
    if (j->rules_total > j->rules_cnt)
        printf(" and %u more", j->rules_total - j->rules_cnt);
    const char *separator = " events=";
    for (unsigned e = 1; e < EVENT_CNT; e++) {
        if (!(j->events & EVENT_BIT(e)))
            continue;
        printf("%s%s", separator, event_name((enum event)e));
        separator = ",";
    }
    printf("\n");
}

static void
scan_file(struct scan *s, const char *path)
{
    FILE *f = fopen(path, "rbe");
    if (!f) {
        complain(s, path, strerror(errno));
        return;
    }
    struct message *m = message_new(&s->scanner);
    if (s->mail_from)
        message_mail(m, span_of(s->mail_from));
    for (unsigned i = 0; i < s->rcpt_cnt; i++)
        message_rcpt(m, span_of(s->rcpt_to[i]));
    if (feed_file(m, f)) {
        const struct judgement *j = message_end(m);
        (s->wants_json ? print_json : print_line)(path, j, message_ruleset(m));
    } else {
        complain(s, path, "cannot be read");
    }
    message_free(m);
    fclose(f);
}

static int
is_entry(const struct dirent *e)
{
    return strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void scan_path(struct scan *s, const char *path, unsigned depth);

static void
scan_folder(struct scan *s, const char *path, unsigned depth)
{
    struct dirent **entries;
    int cnt = scandir(path, &entries, is_entry, by_name);
    if (cnt < 0) {
        complain(s, path, strerror(errno));
        return;
    }
    for (int i = 0; i < cnt; i++) {
        char *entry = NULL;
        const char *slash = path[strlen(path) - 1] == '/' ? "" : "/";
        if (asprintf(&entry, "%s%s%s", path, slash, entries[i]->d_name) < 0)
            abort();
        scan_path(s, entry, depth + 1);
        free(entry);
        free(entries[i]);
    }
    free(entries);
}

static void
scan_path(struct scan *s, const char *path, unsigned depth)
{
    struct stat st;
    if (stat(path, &st))
        complain(s, path, strerror(errno));
    else if (!S_ISDIR(st.st_mode))
        scan_file(s, path);
    else if (depth < FOLDER_DEPTH_MAX) /* a link may lead in a circle */
        scan_folder(s, path, depth);
    else
        complain(s, path, "folders nested deeper than 64");
}

static bool
parse_options(int argc, char **argv, struct scan *s)
{
    static const struct option options[] = {
        { "rules", required_argument, NULL, 'r' },   { "json", no_argument, NULL, 'j' },
        { "mail-from", required_argument, NULL, 'f' }, { "rcpt-to", required_argument, NULL, 't' },
        { "help", no_argument, NULL, 'h' },          { 0 },
    };
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (c) {
        case 'r':
            s->rules = optarg;
            break;
        case 'j':
            s->wants_json = true;
            break;
        case 'f':
            s->mail_from = optarg;
            break;
        case 't':
            s->rcpt_to[s->rcpt_cnt++] = optarg;
            break;
        case 'h':
            s->wants_help = true;
            break;
        default:
            return false;
        }
    }
    return true;
}

static struct ruleset *
load_rules(const char *path)
{
    void *image;
    size_t len;
    char err[256];
    if (rulesfile_load(path, &image, &len))
        return NULL;
    struct ruleset *rs = ruleset_load(image, len, 1, 1, err, sizeof(err));
    if (!rs)
        fprintf(stderr, "%s: error: %s\n", path, err);
    free(image);
    return rs;
}

static int
run(struct scan *s, int argc, char **argv)
{
    struct ruleset *rs = s->rules ? load_rules(s->rules) : NULL;
    if (s->rules && !rs)
        return VERB_REFUSED;
    if (scanner_init(&s->scanner, 0, 1)) {
        fprintf(stderr, "weirctl scan: out of memory\n");
        ruleset_free(rs);
        return VERB_REFUSED;
    }
    s->scanner.live = rs;
    for (int i = optind; i < argc; i++)
        scan_path(s, argv[i], 0);
    scanner_fini(&s->scanner);
    ruleset_free(rs);
    return s->failed ? VERB_REFUSED : VERB_DONE;
}

int
verb_scan(int argc, char **argv)
{
    struct scan s = { .rcpt_to = calloc((size_t)argc, sizeof(*s.rcpt_to)) };
    int result;
    if (!parse_options(argc, argv, &s))
        result = verb_usage_error("scan", "wrong arguments");
    else if (s.wants_help)
        result = verb_help("scan");
    else if (optind == argc)
        result = verb_usage_error("scan", "a FILE or FOLDER is needed");
    else
        result = run(&s, argc, argv);
    free(s.rcpt_to);
    return result;
}
