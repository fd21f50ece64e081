/* Patterns of octets become rules like any other, so that they are compiled, priced, scored and told as those are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan/image_private.h"
#include "scan/limits.h"

/* The list's copy of a signature file's name: signatures may be freed before the rules are. */
static const char *
keep_file(struct rule_list *l, const char *file)
{
    if (l->files_cnt > 0 && !strcmp(l->files[l->files_cnt - 1], file))
        return l->files[l->files_cnt - 1];
    l->files = image_must(reallocarray(l->files, l->files_cnt + 1, sizeof(*l->files)));
    l->files[l->files_cnt] = image_must(strdup(file));
    return l->files[l->files_cnt++];
}

/* An entry that nothing defines: of the signature's name, with _ behind it when a rule has that already. What only
 * scores or describes the name is meant for the signature. NULL: more than RULE_MAX rules. */
static struct rule *
free_entry(struct rule_list *l, const char *wanted)
{
    char name[2 * RULE_NAME_MAX + 2];
    int len = snprintf(name, sizeof(name), "%s", wanted);
    for (struct rule *r; (r = rule_list_entry(l, name, (size_t)len)) != NULL;) {
        if (r->kind == RULE_NONE || r->is_signature) /* of a build before this one */
            return r;
        if ((size_t)len + 1 >= sizeof(name))
            break;
        name[len++] = '_';
        name[len] = 0;
    }
    return NULL;
}

static void
define(struct rule_list *l, struct rule *r, const struct signature_pattern *p)
{
    rule_clear(r);
    r->kind = p->target == SIGNATURE_MAIL ? RULE_FULL : RULE_ATTACHMENT;
    r->text = image_must(strdup(p->regex));
    r->text_len = strlen(p->regex);
    r->text_columns = image_must(calloc(r->text_len + 1, sizeof(*r->text_columns)));
    r->flags = p->flags;
    r->is_signature = true;
    r->signature_target = (unsigned)p->target;
    r->has_end = p->has_end;
    r->end_min = p->end_min;
    r->end_max = p->end_max;
    r->is_checked = true; /* what is said of patterns that people write is not meant for it */
    free(r->place.source);
    r->place = (struct rule_place){ .file = keep_file(l, p->file), .line = p->line, .column = 1 };
    if (!r->has_score) {
        r->has_score = true;
        r->score_milli = SIGNATURE_SCORE_MILLI;
    }
    if (!r->describe && asprintf(&r->describe, "Malware signature %s", p->name) < 0)
        abort();
}

void
image_signatures(struct rule_list *l, const struct signature_list *signatures)
{
    for (size_t i = 0; i < signature_list_pattern_cnt(signatures); i++) {
        const struct signature_pattern *p = signature_list_pattern(signatures, i);
        struct rule *r = free_entry(l, p->rule_name);
        if (!r) {
            struct rule_place place = { .file = keep_file(l, p->file), .line = p->line };
            rule_list_say(l, RULE_ERROR, &place, 1, "more than %d rules, signatures included", RULE_MAX);
            return;
        }
        define(l, r, p);
    }
}
