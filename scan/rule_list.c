/* rule_list: the entries of a list by name, what is said about them, and what became of them. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan/limits.h"
#include "scan/rule_list.h"

void *
rule_must(void *p)
{
    if (!p)
        abort();
    return p;
}

void
rule_clear(struct rule *r)
{
    free(r->header);
    free(r->unset);
    free(r->text);
    free(r->text_columns);
    free(r->eval_name);
    for (unsigned i = 0; i < r->eval_args_cnt; i++)
        free(r->eval_args[i]);
    free(r->off_reason);
    r->header = r->unset = r->text = r->eval_name = r->off_reason = NULL;
    r->text_columns = NULL;
    r->text_len = 0;
    r->eval_args_cnt = 0;
    r->part = HEADER_WHOLE;
    r->flags = 0;
    r->is_negated = r->is_extended = r->is_signature = r->has_end = false;
    r->is_replaced = r->is_expanded = r->is_checked = false;
    r->kind = r->off_kind = r->eval_kind = RULE_NONE;
}

struct rule_list *
rule_list_new(void)
{
    struct rule_list *l = rule_must(calloc(1, sizeof(*l)));
    l->slots_cnt = 64;
    l->slots = rule_must(calloc(l->slots_cnt, sizeof(*l->slots)));
    l->diagnostics_max = 256;
    l->diagnostics = rule_must(calloc(1, l->diagnostics_max));
    l->tag_start = rule_must(strdup("<"));
    l->tag_end = rule_must(strdup(">"));
    return l;
}

void
rule_list_free(struct rule_list *l)
{
    if (!l)
        return;
    for (uint32_t i = 0; i < l->rules_cnt; i++) {
        struct rule *r = &l->rules[i];
        rule_clear(r);
        for (unsigned k = 0; k < r->intents_cnt; k++)
            free(r->intents[k]);
        free(r->intents);
        free(r->name);
        free(r->place.source);
        free(r->score_place.source);
        free(r->describe);
    }
    for (uint32_t i = 0; i < l->ignored_cnt; i++) {
        free(l->ignored[i].name);
        free(l->ignored[i].place.source);
    }
    for (uint32_t i = 0; i < l->plugins_cnt; i++)
        free(l->plugins[i]);
    free(l->plugins);
    free(l->ignored);
    rule_tags_free(l);
    rule_sets_free(l);
    for (size_t i = 0; i < l->files_cnt; i++)
        free(l->files[i]);
    free(l->rules);
    free(l->slots);
    free(l->files);
    free(l->diagnostics);
    free(l);
}

/* Diagnostics */

static void
append(struct rule_list *l, const char *text, size_t len)
{
    if (l->diagnostics_len + len + 1 > l->diagnostics_max) {
        l->diagnostics_max = (l->diagnostics_len + len + 1) * 2;
        l->diagnostics = rule_must(realloc(l->diagnostics, l->diagnostics_max));
    }
    memcpy(l->diagnostics + l->diagnostics_len, text, len);
    l->diagnostics_len += len;
    l->diagnostics[l->diagnostics_len] = 0;
}

/* The line and a caret below the column; of a long line the part around the column. */
static void
append_caret(struct rule_list *l, const char *source, uint32_t column)
{
    enum { BEFORE = 60, SHOWN = 100 };
    size_t len = strlen(source);
    size_t at = column - 1 < len ? column - 1 : len;
    size_t from = at > BEFORE ? at - BEFORE : 0;
    size_t shown = len - from < SHOWN ? len - from : SHOWN;
    append(l, "    ", 4);
    for (size_t i = from; i < from + shown; i++) {
        /* A control octet in a rule file must not steer the operator's terminal. */
        bool is_shown = (unsigned char)source[i] >= ' ' && source[i] != 0x7f;
        append(l, is_shown || source[i] == '\t' ? &source[i] : "?", 1);
    }
    append(l, "\n    ", 5);
    for (size_t i = from; i < at; i++)
        append(l, source[i] == '\t' ? "\t" : " ", 1);
    append(l, "^\n", 2);
}

void
rule_list_say(struct rule_list *l, enum rule_severity severity, const struct rule_place *place,
              uint32_t column, const char *format, ...)
{
    if (column == 0)
        column = place->column;
    char where[64];
    int where_len = snprintf(where, sizeof(where), ":%u:%u: %s: ", place->line, column,
                             severity == RULE_ERROR ? "error" : "warning");
    append(l, place->file, strlen(place->file));
    append(l, where, (size_t)where_len);
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int text_len = vasprintf(&text, format, args);
    va_end(args);
    if (text_len < 0)
        abort();
    for (int i = 0; i < text_len; i++) {
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f) /* as in append_caret() */
            text[i] = '?';
    }
    append(l, text, (size_t)text_len);
    append(l, "\n", 1);
    free(text);
    if (place->source && column)
        append_caret(l, place->source, column);
    if (severity == RULE_ERROR)
        l->errors++;
    else
        l->warnings++;
}

const char *
rule_list_diagnostics(const struct rule_list *l)
{
    return l->diagnostics;
}

unsigned
rule_list_errors(const struct rule_list *l)
{
    return l->errors;
}

unsigned
rule_list_warnings(const struct rule_list *l)
{
    return l->warnings;
}

/* Rules by name */

static uint32_t
hash(const char *name, size_t len)
{
    uint32_t h = 2166136261u; /* FNV-1a; the names are the operator's own */
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)name[i]) * 16777619u;
    return h;
}

/* The slot of this name, or the empty one where it belongs. */
static uint32_t *
slot(const struct rule_list *l, const char *name, size_t len)
{
    for (uint32_t i = hash(name, len);; i++) {
        uint32_t *s = &l->slots[i & (l->slots_cnt - 1)];
        if (*s == 0)
            return s;
        const char *there = l->rules[*s - 1].name;
        if (strlen(there) == len && !memcmp(there, name, len))
            return s;
    }
}

static void
grow(struct rule_list *l)
{
    l->rules_max = l->rules_max ? l->rules_max * 2 : 16;
    l->rules = rule_must(reallocarray(l->rules, l->rules_max, sizeof(*l->rules)));
    free(l->slots);
    l->slots_cnt = l->rules_max * 4;
    l->slots = rule_must(calloc(l->slots_cnt, sizeof(*l->slots)));
    for (uint32_t i = 0; i < l->rules_cnt; i++)
        *slot(l, l->rules[i].name, strlen(l->rules[i].name)) = i + 1;
}

struct rule *
rule_list_find(const struct rule_list *l, const char *name, size_t len)
{
    uint32_t *s = slot(l, name, len);
    return *s ? &l->rules[*s - 1] : NULL;
}

struct rule *
rule_list_entry(struct rule_list *l, const char *name, size_t len)
{
    struct rule *r = rule_list_find(l, name, len);
    if (r)
        return r;
    if (l->rules_cnt == RULE_MAX)
        return NULL;
    if (l->rules_cnt == l->rules_max)
        grow(l);
    *slot(l, name, len) = l->rules_cnt + 1;
    r = &l->rules[l->rules_cnt++];
    *r = (struct rule){ .name = rule_must(strndup(name, len)) };
    return r;
}

unsigned
rule_list_cnt(const struct rule_list *l)
{
    unsigned cnt = 0;
    for (uint32_t i = 0; i < l->rules_cnt; i++)
        cnt += l->rules[i].kind != RULE_NONE;
    return cnt;
}

bool
rule_is_sub(const struct rule *r)
{
    return r->name[0] == '_' && r->name[1] == '_';
}

uint32_t
rule_column(const struct rule *r, size_t off)
{
    return r->text_columns[off < r->text_len ? off : r->text_len];
}

void
rule_place_set(struct rule_place *to, const struct rule_place *from, uint32_t column)
{
    char *source = rule_must(strdup(from->source));
    free(to->source);
    *to = *from;
    to->source = source;
    to->column = column;
}

/* What became of them */

void
rule_turn_off_quietly(struct rule *r, const char *reason)
{
    if (r->kind == RULE_NONE || r->kind == RULE_OFF)
        return;
    r->off_kind = r->kind;
    r->kind = RULE_OFF;
    free(r->off_reason);
    r->off_reason = rule_must(strdup(reason));
}

void
rule_turn_off(struct rule_list *l, struct rule *r, const char *reason)
{
    if (r->kind == RULE_NONE || r->kind == RULE_OFF)
        return;
    rule_turn_off_quietly(r, reason);
    rule_list_say(l, RULE_WARNING, &r->place, 0, "%s never hits: %s", r->name, reason);
}

static enum report_kind
report_kind(const struct rule *r)
{
    enum rule_kind kind = r->kind == RULE_OFF ? r->off_kind : r->kind;
    if (r->kind == RULE_OFF && (r->off_kind == RULE_NONE || (r->tflags & (RULE_NET | RULE_LEARN))))
        return REPORT_NET;
    switch (kind) {
    case RULE_EXISTS:
        return REPORT_EXISTS;
    case RULE_META:
        return REPORT_META;
    case RULE_EVAL:
        return REPORT_EVAL;
    case RULE_NONE:
    case RULE_OFF:
        return REPORT_NET;
    case RULE_HEADER:
    case RULE_BODY:
    case RULE_RAWBODY:
    case RULE_FULL:
    case RULE_URI:
    case RULE_MIMEHEADER:
    case RULE_ATTACHMENT:
        break;
    }
    return REPORT_REGEX;
}

void
rule_list_report(const struct rule_list *l, struct rule_report *report)
{
    *report = (struct rule_report){ 0 };
    for (uint32_t i = 0; i < l->rules_cnt; i++) {
        const struct rule *r = &l->rules[i];
        if (r->kind == RULE_NONE)
            continue;
        report->defined[report_kind(r)]++;
        report->honoured[report_kind(r)] += r->kind != RULE_OFF;
    }
}

bool
rule_list_off(const struct rule_list *l, unsigned idx, struct rule_off *off)
{
    for (uint32_t i = 0; i < l->rules_cnt; i++) {
        const struct rule *r = &l->rules[i];
        if (r->kind != RULE_OFF || idx-- > 0)
            continue;
        *off = (struct rule_off){ r->name, r->place.file, r->place.line, r->off_reason ? r->off_reason : "" };
        return true;
    }
    return false;
}

int32_t
rule_score_milli(const struct rule *r)
{
    enum { DEFAULT_MILLI = 1000, TEST_MILLI = 10 };
    if (rule_is_sub(r))
        return 0;
    if (r->has_score)
        return r->score_milli;
    int32_t score = strncmp(r->name, "T_", 2) ? DEFAULT_MILLI : TEST_MILLI;
    return r->tflags & RULE_NICE ? -score : score;
}

bool
rule_is_switched_off(const struct rule *r)
{
    return r->has_score && r->score_milli == 0;
}
