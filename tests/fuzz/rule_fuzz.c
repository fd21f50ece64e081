/* Rule text from anywhere. Asserts that what is returned, counted and said agree, that every diagnostic
 * points into the text, and that saying the same text twice replaces every rule and adds none. Texts
 * without `{` are also compiled: bounded repeats can take Hyperscan minutes, which is no finding here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan/image.h"
#include "scan/rule.h"
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
    CHECK(rs && ruleset_rule_cnt(rs) >= rule_list_cnt(l));
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
    rule_list_parse(l, "t.cf", (const char *)data, size);
    CHECK(rule_list_cnt(l) == rules);
    if (size < 200 && !(size && memchr(data, '{', size)))
        check_build(l);
    check_diagnostics(l, lines);
    rule_list_free(l);
    return 0;
}
