/* rulesview: what a set of rules is, for people and scripts: which rules are honoured, which are not and why, and how
 * two sets differ.
 *
 * Threads: none kept.
 * Fails:   never, but for paths that cannot be read: those are said. */
#ifndef WEIR_CONTROL_RULESVIEW_H
#define WEIR_CONTROL_RULESVIEW_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdio.h>

#include "control/rulesfile.h"
#include "control/rulesprice.h"
#include "scan/rule.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The rules that are not honoured, with file:line and reason, then a line a kind: "2,841 of 2,990 regex rules
 * honoured (95.0 %)". The percentage is cut, not rounded: 100.0 % is all of them. */
void rulesview_print(FILE *out, const struct rule_list *l);

/* The same into object: "kinds": {"regex": {"defined", "honoured"}, ..}, "off": [{"name", "file", "line", "reason"}],
 * and "list": every rule, [{"name", "kind", "honoured", "file", "line", "score"?, "text"?, "describe"?, "price"?}],
 * where text is the pattern or the expression, and price is there when `prices` (sorted, or NULL) has it. */
void rulesview_json(cJSON *object, const struct rule_list *l, const struct prices *prices);

/* Rules added, removed and changed from a to b; with `corpus` (else NULL) also the mails whose verdict
 * changes. Prints, and returns what the command exits with. */
int rulesview_diff(struct rulesfile_how *how, const char *a, const char *b, const char *corpus, bool wants_json);

#ifdef __cplusplus
}
#endif
#endif
