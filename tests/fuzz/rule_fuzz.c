/* Rule text from anywhere. Asserts that what is returned, counted and said agree, that every diagnostic
 * points into the text, that a list is finished once and for all, that a report counts every rule, and that saying
 * the same text twice loses no rule. Texts without `{` are also compiled: bounded repeats can take Hyperscan minutes, which is no finding here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan/image.h"
#include "scan/rule_list.h"
#include "scan/ruleset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(what)                                                  \
    do {                                                             \
        if (!(what)) {                                               \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what); \
            abort();                                                 \
        }                                                            \
    } while (0)

static void
check_diagnostics(const struct rule_list *l, unsigned long lines)
{
    unsigned cnt = 0;
    for (const char *at = rule_list_diagnostics(l); *at; at = strchr(at, '\n') + 1) {
        if (*at == ' ') /* the source line and its caret */
            continue;
        unsigned long line;
        unsigned long column;
        CHECK(sscanf(at, "t.cf:%lu:%lu: ", &line, &column) == 2);
        CHECK(line >= 1 && line <= lines && column >= 1);
        cnt++;
    }
    CHECK(cnt == rule_list_errors(l) + rule_list_warnings(l));
}

static void
check_finish(struct rule_list *l)
{
    rule_list_finish(l);
    size_t len = strlen(rule_list_diagnostics(l));
    unsigned rules = rule_list_cnt(l);
    rule_list_finish(l);
    CHECK(strlen(rule_list_diagnostics(l)) == len && rule_list_cnt(l) == rules);
    for (uint32_t i = 0; i < l->rules_cnt; i++) {
        const struct rule *r = &l->rules[i];
        CHECK(!r->text || (strlen(r->text) == r->text_len && rule_column(r, 0) && rule_column(r, r->text_len)));
        CHECK(r->kind == RULE_NONE || r->place.file);
        CHECK((r->kind == RULE_OFF) == (r->off_reason != NULL));
    }
}

static void
check_report(const struct rule_list *l)
{
    struct rule_report report;
    rule_list_report(l, &report);
    unsigned defined = 0;
    unsigned off_cnt = 0;
    for (unsigned i = 0; i < REPORT_KIND_CNT; i++) {
        CHECK(report.honoured[i] <= report.defined[i]);
        defined += report.defined[i];
        off_cnt += report.defined[i] - report.honoured[i];
    }
    CHECK(defined == rule_list_cnt(l));
    struct rule_off off;
    CHECK(!rule_list_off(l, off_cnt, &off));
    CHECK(off_cnt == 0 || (rule_list_off(l, off_cnt - 1, &off) && off.reason[0] && off.line));
}

static bool
has_rule(const struct ruleset *rs, const char *name)
{
    for (uint32_t i = 0; i < ruleset_rule_cnt(rs); i++) {
        if (!strcmp(ruleset_rule_name(rs, i), name))
            return true;
    }
    return false;
}

static void
check_build(struct rule_list *l)
{
    void *image;
    size_t len;
    char err[256];
    if (image_build(l, &image, &len)) {
        CHECK(rule_list_errors(l) > 0);
        return;
    }
    struct ruleset *rs = ruleset_load(image, len, 1, 1, err, sizeof(err));
    if (!rs) {
        fprintf(stderr, "%s\n", err);
        abort();
    }
    CHECK(ruleset_rule_cnt(rs) <= 2 * rule_list_cnt(l)); /* sub-rules that nothing uses are left out */
    for (uint32_t i = 0; i < l->rules_cnt; i++)
        CHECK(l->rules[i].kind <= RULE_OFF || rule_is_switched_off(&l->rules[i]) || rule_is_sub(&l->rules[i]) ||
              has_rule(rs, l->rules[i].name));
    ruleset_free(rs);
    free(image);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned long lines = 1;
    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n';
    struct rule_list *l = rule_list_new();
    int result = rule_list_parse(l, "t.cf", (const char *)data, size);
    CHECK((result == 0) == (rule_list_errors(l) == 0));
    check_diagnostics(l, lines);
    unsigned rules = rule_list_cnt(l);
    check_finish(l);
    check_diagnostics(l, lines);
    check_report(l);
    /* More of them can come: what the first time was loaded in the last line is now loaded in the first. */
    rule_list_parse(l, "t.cf", (const char *)data, size);
    CHECK(rule_list_cnt(l) >= rules);
    check_finish(l);
    if (size < 200 && !(size && memchr(data, '{', size)))
        check_build(l);
    check_diagnostics(l, lines);
    rule_list_free(l);
    return 0;
}
