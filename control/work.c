#include "control/work.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "control/clock.h"
#include "control/crash.h"
#include "control/journal.h"
#include "control/preflight.h"
#include "control/rulesfile.h"
#include "scan/golden.h"
#include "scan/message.h"
#include "scan/ruleset.h"

enum { JSON_FILE_MAX = 8 << 20 };

static int
put_line(FILE *out, cJSON *object)
{
    char *text = cJSON_PrintUnformatted(object);
    if (text)
        fprintf(out, "%s\n", text);
    cJSON_free(text);
    cJSON_Delete(object);
    return text ? 0 : 1;
}

static cJSON *
outcome(bool ok, const char *text)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddBoolToObject(o, "ok", ok);
    cJSON_AddStringToObject(o, "text", text);
    return o;
}

static int
put_refusal(FILE *out, const char *text)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddBoolToObject(o, "ok", false);
    cJSON_AddStringToObject(o, "error", text);
    cJSON_AddNumberToObject(o, "code", 1);
    return put_line(out, o);
}

cJSON *
work_read_json(const char *path)
{
    FILE *f = fopen(path, "rbe");
    struct stat st;
    if (!f)
        return NULL;
    cJSON *o = NULL;
    size_t size = fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode) ? (size_t)st.st_size : 0;
    char *text = size && size <= JSON_FILE_MAX ? malloc(size) : NULL;
    if (text && fread(text, 1, size, f) == size)
        o = cJSON_ParseWithLength(text, size);
    free(text);
    fclose(f);
    return o;
}

/* Into the generation's folder. */
static int
write_json(const struct work *w, const char *what, const cJSON *o, char *err)
{
    char *text = cJSON_PrintUnformatted(o);
    if (!text)
        return snprintf(err, GENERATIONS_ERR_MAX, "no memory for %s", what), -1;
    int ret = generations_write(w->store, w->generation, what, text, strlen(text), err);
    cJSON_free(text);
    return ret;
}

/* What compiling it was like; NULL: it was not compiled here, or long ago. */
static cJSON *
read_compiled(const struct work *w)
{
    char path[GENERATIONS_PATH_MAX];
    return work_read_json(generations_path(w->store, w->generation, "compiled.json", path));
}

/* ---- compile ---- */

/* What was said names the copy; the operator knows the original. */
static char *
with_own_path(const char *said, const char *copy, const char *own)
{
    size_t copy_len = strlen(copy), own_len = strlen(own), cnt = 0;
    for (const char *at = said; (at = strstr(at, copy)); at += copy_len)
        cnt++;
    char *text = malloc(strlen(said) + cnt * own_len + 1), *to = text;
    if (!text)
        abort();
    for (const char *at = said;;) {
        const char *next = strstr(at, copy);
        size_t len = next ? (size_t)(next - at) : strlen(at);
        memcpy(to, at, len);
        to += len;
        if (!next)
            break;
        memcpy(to, own, own_len);
        to += own_len;
        at = next + copy_len;
    }
    *to = '\0';
    return text;
}

/* Of several lines the first error and the summary. */
static void
first_and_last(const char *said, char *text, size_t size)
{
    const char *error = strstr(said, ": error: ");
    const char *first = error;
    while (first && first > said && first[-1] != '\n')
        first--;
    size_t end = strlen(said);
    while (end && said[end - 1] == '\n')
        end--;
    size_t begin = end;
    while (begin && said[begin - 1] != '\n')
        begin--;
    if (first && first < said + begin)
        snprintf(text, size, "%.*s; %.*s", (int)strcspn(first, "\n"), first, (int)(end - begin), said + begin);
    else
        snprintf(text, size, "%.*s", (int)(end - begin), said + begin);
}

/* What each rule is worth and says, for `trace`, which has no time to load an image. */
static int
keep_rules(const struct work *w, const struct ruleset *rs, char *err)
{
    cJSON *o = cJSON_CreateObject();
    for (uint32_t i = 0; i < ruleset_rule_cnt(rs); i++) {
        cJSON *rule = cJSON_CreateArray();
        cJSON_AddItemToArray(rule, cJSON_CreateNumber(ruleset_rule_score_milli(rs, i)));
        cJSON_AddItemToArray(rule, cJSON_CreateString(ruleset_rule_describe(rs, i)));
        cJSON_AddItemToObject(o, ruleset_rule_name(rs, i), rule);
    }
    int ret = write_json(w, "rules.json", o, err);
    cJSON_Delete(o);
    return ret;
}

/* As the data plane will: its loader, its golden set. */
static int
load_and_judge(const struct work *w, const void *image, size_t len, cJSON *o, char *err)
{
    struct scanner sc;
    char golden[GOLDEN_TEXT_LEN];
    struct ruleset *rs = ruleset_load(image, len, w->generation, 1, err, GENERATIONS_ERR_MAX);
    if (!rs || keep_rules(w, rs, err))
        return -1;
    if (scanner_init(&sc, 0, 2)) {
        snprintf(err, GENERATIONS_ERR_MAX, "no memory for a scanner");
        return -1;
    }
    int ret = golden_digest(&sc, rs, &w->settings->thresholds, golden);
    if (ret)
        snprintf(err, GENERATIONS_ERR_MAX, "the golden set could not be judged");
    cJSON_AddStringToObject(o, "digest", ruleset_digest(rs));
    cJSON_AddStringToObject(o, "golden", golden);
    cJSON_AddNumberToObject(o, "rules", ruleset_rule_cnt(rs));
    return ret;
}

static int
compiled(const struct work *w, const char *source, FILE *out)
{
    struct rulesfile_how how = {0};
    void *image;
    size_t len;
    char *said = NULL, text[512], err[GENERATIONS_ERR_MAX];
    double begun = clock_seconds();
    if (rulesfile_load_said(&how, source, &image, &len, &said)) {
        char *own = with_own_path(said ? said : "", source, w->path ? w->path : source);
        cJSON *o = outcome(false, "");
        cJSON_AddItemToObject(o, "diagnostics", rulesfile_diagnostics_json(own));
        first_and_last(own, text, sizeof(text));
        cJSON_ReplaceItemInObject(o, "text", cJSON_CreateString(text));
        free(own);
        return put_line(out, o);
    }
    cJSON *o = cJSON_CreateObject();
    if (load_and_judge(w, image, len, o, err))
        return cJSON_Delete(o), put_line(out, outcome(false, err));
    if (generations_write(w->store, w->generation, "image", image, len, err))
        return cJSON_Delete(o), put_line(out, outcome(false, err));
    crash_here("compile", "kept");
    double took = clock_seconds() - begun;
    cJSON_AddNumberToObject(o, "seconds", took);
    if (write_json(w, "compiled.json", o, err))
        return cJSON_Delete(o), put_line(out, outcome(false, err));
    snprintf(text, sizeof(text), "%d rules, %.1f s", cJSON_GetObjectItem(o, "rules")->valueint, took);
    cJSON_AddBoolToObject(o, "ok", true);
    cJSON_AddStringToObject(o, "text", text);
    return put_line(out, o);
}

int
work_compile(const void *work, FILE *out)
{
    const struct work *w = work;
    char source[GENERATIONS_PATH_MAX], err[GENERATIONS_ERR_MAX];
    bool is_copied = generations_source(w->store, w->generation, source);
    if (!is_copied && !w->path)
        return put_line(out, outcome(false, "the controller ended before the rules were copied: push them again"));
    if (!is_copied && (generations_make(w->store, w->generation, err) ||
                       generations_snapshot(w->store, w->generation, w->path, &w->reader, err)))
        return put_line(out, outcome(false, err));
    if (!generations_source(w->store, w->generation, source))
        return put_line(out, outcome(false, "the copy of the rules cannot be read"));
    return compiled(w, source, out);
}

/* ---- pre-flight ---- */

struct job_paths {
    char candidate[GENERATIONS_PATH_MAX], live[GENERATIONS_PATH_MAX], rules[GENERATIONS_PATH_MAX],
        live_rules[GENERATIONS_PATH_MAX], cache[GENERATIONS_PATH_MAX];
};

static void
job_of(const struct work *w, struct preflight_job *job, struct job_paths *at)
{
    generations_path(w->store, w->generation, "image", at->candidate);
    generations_path(w->store, w->live, "image", at->live);
    struct stat st;
    bool has_live = w->live && stat(at->live, &st) == 0;
    bool has_rules = generations_source(w->store, w->generation, at->rules) && !rulesfile_is_image(at->rules);
    bool has_live_rules =
        has_live && generations_source(w->store, w->live, at->live_rules) && !rulesfile_is_image(at->live_rules);
    snprintf(at->cache, sizeof(at->cache), "%s/probes", w->settings->state);
    cJSON *compiled = read_compiled(w);
    const cJSON *took = cJSON_GetObjectItemCaseSensitive(compiled, "seconds");
    *job = (struct preflight_job){.candidate_image = at->candidate,
                                  .live_image = has_live ? at->live : NULL,
                                  .rules = has_rules ? at->rules : NULL,
                                  .live_rules = has_live_rules ? at->live_rules : NULL,
                                  .cache = mkdir(at->cache, 0750) == 0 || errno == EEXIST ? at->cache : NULL,
                                  .thresholds = w->settings->thresholds,
                                  .compile_seconds = cJSON_IsNumber(took) ? took->valuedouble : 0};
    cJSON_Delete(compiled);
}

/* "suffixes: 3 new rejects ...; cost: ..." of what is not ok; else how long it took. */
static void
report_text(const cJSON *report, char *text, size_t size)
{
    const cJSON *check;
    size_t at = 0;
    text[0] = '\0';
    cJSON_ArrayForEach (check, cJSON_GetObjectItem(report, "checks")) {
        const cJSON *name = cJSON_GetObjectItem(check, "name"), *what = cJSON_GetObjectItem(check, "text");
        if (cJSON_IsTrue(cJSON_GetObjectItem(check, "ok")) || !cJSON_IsString(name) || at >= size)
            continue;
        int n = snprintf(text + at, size - at, "%s%s: %s", at ? "; " : "", name->valuestring,
                         cJSON_IsString(what) ? what->valuestring : "not passed");
        at += n > 0 ? (size_t)n : 0;
    }
    if (!at)
        snprintf(text, size, "%d checks passed in %.1f s", cJSON_GetArraySize(cJSON_GetObjectItem(report, "checks")),
                 cJSON_GetNumberValue(cJSON_GetObjectItem(report, "seconds")));
}

/* Lines of progress to JSON lines. */
struct progress {
    FILE *out;
};

static ssize_t
progress_write(void *cookie, const char *text, size_t len)
{
    struct progress *p = cookie;
    cJSON *o = cJSON_CreateObject();
    char line[512];
    size_t cut = len && text[len - 1] == '\n' ? len - 1 : len;
    snprintf(line, sizeof(line), "%.*s", (int)(cut < sizeof(line) ? cut : sizeof(line) - 1), text);
    cJSON_AddStringToObject(o, "progress", line);
    put_line(p->out, o);
    return (ssize_t)len;
}

static FILE *
progress_open(struct progress *p)
{
    FILE *f = fopencookie(p, "w", (cookie_io_functions_t){.write = progress_write});
    if (f)
        setvbuf(f, NULL, _IOLBF, 512);
    return f;
}

int
work_preflight(const void *work, FILE *out)
{
    const struct work *w = work;
    char text[512], err[GENERATIONS_ERR_MAX];
    struct job_paths paths;
    struct preflight_job job;
    job_of(w, &job, &paths);
    struct progress progress = {out};
    job.progress = progress_open(&progress);
    cJSON *report = preflight_run(&w->settings->preflight, &job);
    if (!report)
        return put_line(out, outcome(false, "no memory for a report"));
    bool ok = cJSON_IsTrue(cJSON_GetObjectItem(report, "ok"));
    report_text(report, text, sizeof(text));
    if (write_json(w, "report.json", report, err))
        return put_line(out, outcome(false, err));
    crash_here("preflight", "written");
    return put_line(out, outcome(ok, text));
}

int
work_prove(const void *work, FILE *out)
{
    const struct work *w = work;
    struct job_paths paths;
    struct preflight_job job;
    double begun = clock_seconds();
    job_of(w, &job, &paths);
    job.suffixes_only = job.is_return = true;
    struct progress progress = {out};
    job.progress = progress_open(&progress);
    cJSON *report = preflight_run(&w->settings->preflight, &job);
    cJSON *o = cJSON_Parse(w->text);
    if (!report || !o)
        return put_refusal(out, "no memory for a report");
    cJSON_AddBoolToObject(o, "ok", cJSON_IsTrue(cJSON_GetObjectItem(report, "ok")));
    if (!cJSON_IsTrue(cJSON_GetObjectItem(report, "ok"))) {
        char text[512];
        report_text(report, text, sizeof(text));
        cJSON_AddStringToObject(o, "error", text);
        cJSON_AddNumberToObject(o, "code", 1);
    }
    if (job.live_image)
        cJSON_AddNumberToObject(o, "compared_with", w->live);
    cJSON_AddItemToObject(o, "report", report);
    cJSON_AddNumberToObject(o, "seconds", clock_seconds() - begun);
    return put_line(out, o);
}

cJSON *
work_report_summary(const struct generations *store, uint32_t generation)
{
    char path[GENERATIONS_PATH_MAX];
    cJSON *report = work_read_json(generations_path(store, generation, "report.json", path));
    if (!report)
        return NULL;
    cJSON *o = cJSON_CreateObject();
    static const char *const wanted[] = {"ok", "seconds", "checks"};
    for (unsigned i = 0; i < 3; i++) {
        cJSON *item = cJSON_DetachItemFromObject(report, wanted[i]);
        if (item)
            cJSON_AddItemToObject(o, wanted[i], item);
    }
    cJSON_Delete(report);
    return o;
}

int
work_report(const void *work, FILE *out)
{
    const struct work *w = work;
    char path[GENERATIONS_PATH_MAX];
    cJSON *report = work_read_json(generations_path(w->store, w->generation, "report.json", path));
    if (!report)
        return put_refusal(out, "there is no report of a pre-flight of this generation");
    cJSON *o = cJSON_CreateObject();
    cJSON_AddBoolToObject(o, "ok", true);
    cJSON_AddItemToObject(o, "report", report);
    return put_line(out, o);
}

/* ---- the journal ---- */

struct reading {
    const struct work *work;
    cJSON *list;
};

static int
take_history(void *owner, const cJSON *record)
{
    struct reading *r = owner;
    const cJSON *n = cJSON_GetObjectItemCaseSensitive(record, "generation");
    if (!cJSON_IsNumber(n) || n->valuedouble != r->work->generation)
        return 0;
    static const char *const wanted[] = {"time", "event", "from", "state", "by", "text"};
    cJSON *o = cJSON_CreateObject();
    for (unsigned i = 0; i < 6; i++) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(record, wanted[i]);
        if (item)
            cJSON_AddItemToObject(o, wanted[i], cJSON_Duplicate(item, true));
    }
    cJSON_AddItemToArray(r->list, o);
    return 0;
}

int
work_show(const void *work, FILE *out)
{
    const struct work *w = work;
    char err[256], path[GENERATIONS_PATH_MAX];
    struct stat st;
    cJSON *o = cJSON_Parse(w->text);
    struct reading r = {w, cJSON_AddArrayToObject(o, "history")};
    journal_replay(w->journal, take_history, &r, err, sizeof(err));
    cJSON *report = work_report_summary(w->store, w->generation);
    cJSON_AddItemToObject(o, "report", report ? report : cJSON_CreateNull());
    cJSON *compiled = read_compiled(w);
    cJSON *rules = cJSON_DetachItemFromObjectCaseSensitive(compiled, "rules");
    if (cJSON_IsNumber(rules) && !cJSON_HasObjectItem(o, "rules"))
        cJSON_AddItemToObject(o, "rules", rules);
    else
        cJSON_Delete(rules);
    cJSON_Delete(compiled);
    if (stat(generations_path(w->store, w->generation, "image", path), &st) == 0)
        cJSON_AddNumberToObject(o, "image_octets", (double)st.st_size);
    return put_line(out, o);
}

static int
take_tail(void *owner, const cJSON *record)
{
    struct reading *r = owner;
    cJSON_AddItemToArray(r->list, cJSON_Duplicate(record, true));
    return 0;
}

int
work_journal_tail(const void *work, FILE *out)
{
    const struct work *w = work;
    bool is_broken;
    char err[256];
    cJSON *o = cJSON_CreateObject();
    struct reading r = {w, cJSON_CreateArray()};
    if (journal_tail(w->journal, w->limit, take_tail, &r, &is_broken, err, sizeof(err)) < 0)
        return put_refusal(out, err);
    cJSON_AddBoolToObject(o, "ok", !is_broken);
    if (is_broken) {
        cJSON_AddStringToObject(o, "error", err);
        cJSON_AddNumberToObject(o, "code", 1);
    }
    cJSON_AddItemToObject(o, "records", r.list);
    return put_line(out, o);
}

int
work_journal_verify(const void *work, FILE *out)
{
    const struct work *w = work;
    uint64_t broken = 0;
    int is_torn = 0;
    char err[256] = "", hash[JOURNAL_HASH_LEN + 1] = "";
    int64_t cnt = journal_verify(w->journal, NULL, NULL, &broken, &is_torn, hash, err, sizeof(err));
    cJSON *o = cJSON_CreateObject();
    bool ok = cnt >= 0 && !broken;
    cJSON_AddBoolToObject(o, "ok", ok);
    cJSON_AddNumberToObject(o, "records", (double)cnt);
    cJSON_AddBoolToObject(o, "torn", is_torn != 0);
    cJSON_AddStringToObject(o, "hash", hash);
    if (broken)
        cJSON_AddNumberToObject(o, "broken_line", (double)broken);
    if (!ok) {
        cJSON_AddStringToObject(o, "error", err);
        cJSON_AddNumberToObject(o, "code", 1);
    }
    return put_line(out, o);
}
