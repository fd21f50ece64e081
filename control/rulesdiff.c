/* The difference of two sets of rules, and of what they say about mails. */
#include <stdlib.h>
#include <string.h>

#include "control/mailsource.h"
#include "control/rulesfile.h"
#include "control/rulesview.h"
#include "control/verbs.h"
#include "scan/message.h"
#include "scan/rule_list.h"

/* A rule of a set: its definition, when it is known. */
struct entry {
    const char *name;
    const struct rule *rule; /* NULL: the set is an image */
    int32_t score_milli;
};

/* One of the two sets. */
struct side {
    bool is_text;
    struct rule_list *list; /* of rule text; empty when the path is an image */
    struct ruleset *set;
    struct scanner scanner;
    struct entry *entries; /* by name, each once */
    uint32_t entries_cnt;
};

struct diff {
    struct side a, b;
    cJSON *json; /* NULL: text is wanted */
    unsigned added, removed, changed, mails, mails_changed;
};

/* ---- loading ---- */

/* A definition before the compiled rule of its name: that one knows the score. */
static int
by_name(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : (y->rule != NULL) - (x->rule != NULL);
}

static void
gather_entries(struct side *s)
{
    uint32_t set_cnt = ruleset_rule_cnt(s->set), cnt = 0;
    s->entries = calloc((size_t)set_cnt + s->list->rules_cnt + 1, sizeof(*s->entries));
    if (!s->entries)
        abort();
    for (uint32_t i = 0; i < s->list->rules_cnt; i++) {
        const struct rule *r = &s->list->rules[i];
        if (r->kind != RULE_NONE && r->kind != RULE_OFF)
            s->entries[cnt++] = (struct entry){ r->name, r, 0 };
    }
    for (uint32_t i = 0; i < set_cnt; i++)
        s->entries[cnt++] = (struct entry){ ruleset_rule_name(s->set, i), NULL, ruleset_rule_score_milli(s->set, i) };
    qsort(s->entries, cnt, sizeof(*s->entries), by_name);
    /* Of one name: the definition, which an unused sub-rule has alone; the rule; inner rules, which score 0. */
    for (uint32_t i = 0; i < cnt; i++) {
        struct entry *last = s->entries_cnt ? &s->entries[s->entries_cnt - 1] : NULL;
        if (!last || strcmp(last->name, s->entries[i].name))
            s->entries[s->entries_cnt++] = s->entries[i];
        else if (s->entries[i].score_milli)
            last->score_milli = s->entries[i].score_milli;
    }
}

static int
load(struct side *s, struct rulesfile_how *how, const char *path)
{
    void *image;
    size_t len;
    char err[256];
    s->list = rule_list_new();
    s->is_text = !rulesfile_is_image(path);
    int result = s->is_text ? rulesfile_compile(how, s->list, &path, 1, &image, &len)
                            : rulesfile_load(how, &path, 1, &image, &len);
    if (result) {
        fputs(rule_list_diagnostics(s->list), stderr);
        return -1;
    }
    s->set = ruleset_load(image, len, 1, 1, err, sizeof(err));
    free(image);
    if (!s->set) {
        fprintf(stderr, "%s: error: %s\n", path, err);
        return -1;
    }
    gather_entries(s);
    return 0;
}

static void
unload(struct side *s)
{
    ruleset_free(s->set);
    rule_list_free(s->list);
    free(s->entries);
}

/* ---- rules ---- */

static bool
is_same_text(const char *a, const char *b)
{
    return a == b || (a && b && !strcmp(a, b));
}

/* Everything that decides when a rule hits. */
static bool
is_same_rule(const struct rule *a, const struct rule *b)
{
    bool is_same = a->kind == b->kind && a->part == b->part && a->is_negated == b->is_negated && a->flags == b->flags &&
                   a->is_extended == b->is_extended && a->tflags == b->tflags && a->maxhits == b->maxhits &&
                   a->eval_args_cnt == b->eval_args_cnt && is_same_text(a->header, b->header) &&
                   is_same_text(a->unset, b->unset) && is_same_text(a->text, b->text) &&
                   is_same_text(a->eval_name, b->eval_name);
    for (unsigned i = 0; is_same && i < a->eval_args_cnt; i++)
        is_same = is_same_text(a->eval_args[i], b->eval_args[i]);
    return is_same;
}

static void
tell_rule(struct diff *d, const char *key, const char *name, const char *text)
{
    if (!d->json) {
        printf("%s %s%s%s\n", key, name, *text ? ": " : "", text);
        return;
    }
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "name", name);
    if (*text)
        cJSON_AddStringToObject(object, "what", text);
    cJSON_AddItemToArray(cJSON_GetObjectItem(d->json, key), object);
}

static void
compare_rule(struct diff *d, const struct entry *a, const struct entry *b)
{
    bool is_defined_anew = a->rule && b->rule && !is_same_rule(a->rule, b->rule);
    char text[96];
    int len = 0;
    if (a->score_milli != b->score_milli)
        len = snprintf(text, sizeof(text), "score %g to %g", a->score_milli / 1000.0, b->score_milli / 1000.0);
    if (is_defined_anew)
        len += snprintf(text + len, sizeof(text) - (size_t)len, "%sdefinition", len ? ", " : "");
    if (!len)
        return;
    tell_rule(d, "changed", a->name, text);
    d->changed++;
}

/* Both lists are sorted: a merge. */
static void
compare_rules(struct diff *d)
{
    const struct entry *a = d->a.entries, *b = d->b.entries;
    const struct entry *a_end = a + d->a.entries_cnt, *b_end = b + d->b.entries_cnt;
    while (a < a_end || b < b_end) {
        int order = a == a_end ? 1 : b == b_end ? -1 : strcmp(a->name, b->name);
        if (order < 0) {
            tell_rule(d, "removed", a->name, "");
            d->removed++;
        } else if (order > 0) {
            tell_rule(d, "added", b->name, "");
            d->added++;
        } else {
            compare_rule(d, a, b);
        }
        a += order <= 0;
        b += order >= 0;
    }
}

/* ---- mails ---- */

struct both {
    struct message *a, *b;
};

static void
feed_both(void *to, const uint8_t *octets, size_t len)
{
    struct both *both = to;
    message_feed(both->a, octets, len);
    message_feed(both->b, octets, len);
}

static void
tell_mail(struct diff *d, const char *name, const struct judgement *a, const struct judgement *b)
{
    if (!d->json) {
        printf("mail %s: %s %g to %s %g\n", name, verdict_name(a->verdict), a->score_milli / 1000.0,
               verdict_name(b->verdict), b->score_milli / 1000.0);
        return;
    }
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "file", name);
    cJSON_AddStringToObject(object, "verdict_a", verdict_name(a->verdict));
    cJSON_AddNumberToObject(object, "score_a", a->score_milli / 1000.0);
    cJSON_AddStringToObject(object, "verdict_b", verdict_name(b->verdict));
    cJSON_AddNumberToObject(object, "score_b", b->score_milli / 1000.0);
    cJSON_AddItemToArray(cJSON_GetObjectItem(d->json, "mails"), object);
}

static void
compare_mail(struct diff *d, struct mail *mail)
{
    struct both both = { message_new(&d->a.scanner), message_new(&d->b.scanner) };
    if (!both.a || !both.b)
        abort(); /* one message at a time: it can only be the memory */
    if (mail_read(mail, feed_both, &both)) {
        const struct judgement *a = message_end(both.a), *b = message_end(both.b);
        d->mails++;
        if (a->verdict != b->verdict) {
            d->mails_changed++;
            tell_mail(d, mail->name, a, b);
        }
    }
    message_free(both.a);
    message_free(both.b);
}

static int
compare_mails(struct diff *d, const char *corpus)
{
    char *paths[] = { (char *)corpus };
    bool failed = scanner_init(&d->a.scanner, 0, 1) || scanner_init(&d->b.scanner, 0, 1);
    if (failed)
        abort();
    d->a.scanner.live = d->a.set;
    d->b.scanner.live = d->b.set;
    struct mailsource *source = mailsource_new(paths, 1);
    for (struct mail mail; mailsource_next(source, &mail); mail_free(&mail)) {
        if (!mail.error)
            compare_mail(d, &mail);
        if (mail.error) {
            fprintf(stderr, "%s: error: %s\n", mail.name, mail.error);
            failed = true;
        }
    }
    mailsource_free(source);
    scanner_fini(&d->a.scanner);
    scanner_fini(&d->b.scanner);
    return failed ? -1 : 0;
}

/* ---- the whole ---- */

static void
tell_sum(struct diff *d, const char *corpus)
{
    bool has_patterns = d->a.is_text && d->b.is_text;
    if (!d->json) {
        printf("%u rules added, %u removed, %u changed%s\n", d->added, d->removed, d->changed,
               has_patterns ? "" : " (an image has no patterns: scores alone were compared)");
        if (corpus)
            printf("%u of %u mails get another verdict\n", d->mails_changed, d->mails);
        return;
    }
    cJSON_AddBoolToObject(d->json, "patterns_compared", has_patterns);
    if (corpus) {
        cJSON_AddNumberToObject(d->json, "mails_scanned", d->mails);
        cJSON_AddNumberToObject(d->json, "mails_changed", d->mails_changed);
    }
    verb_print_json(d->json);
}

int
rulesview_diff(struct rulesfile_how *how, const char *a, const char *b, const char *corpus, bool wants_json)
{
    struct diff d = { 0 };
    int result = load(&d.a, how, a) || load(&d.b, how, b) ? VERB_REFUSED : VERB_DONE;
    if (result == VERB_DONE) {
        d.json = wants_json ? cJSON_CreateObject() : NULL;
        for (unsigned i = 0; wants_json && i < 4; i++)
            cJSON_AddArrayToObject(d.json, (const char *[]){ "added", "removed", "changed", "mails" }[i]);
        compare_rules(&d);
        if (corpus && compare_mails(&d, corpus))
            result = VERB_REFUSED;
        tell_sum(&d, corpus);
    }
    unload(&d.a);
    unload(&d.b);
    return result;
}
