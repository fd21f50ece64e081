#include "control/rulesview.h"

#include <stdlib.h>
#include <string.h>

#include "scan/rule_list.h"

static const char *const report_names[REPORT_KIND_CNT] = {
    [REPORT_REGEX] = "regex", [REPORT_EXISTS] = "exists", [REPORT_META] = "meta",
    [REPORT_EVAL] = "eval",   [REPORT_NET] = "net",
};

/* 2990 as "2,990". */
static const char *
grouped(unsigned value, char out[16])
{
    if (value < 1000)
        snprintf(out, 16, "%u", value);
    else if (value < 1000000)
        snprintf(out, 16, "%u,%03u", value / 1000, value % 1000);
    else
        snprintf(out, 16, "%u,%03u,%03u", value / 1000000, value / 1000 % 1000, value % 1000);
    return out;
}

static void
print_off(FILE *out, const struct rule_list *l)
{
    struct rule_off off;
    int width = 0;
    for (unsigned i = 0; rule_list_off(l, i, &off); i++) {
        int len = (int)strlen(off.name);
        width = len > width && len <= 40 ? len : width;
    }
    if (rule_list_off(l, 0, &off))
        fprintf(out, "not honoured:\n");
    for (unsigned i = 0; rule_list_off(l, i, &off); i++)
        fprintf(out, "    %-*s  %s:%u: %s\n", width, off.name, off.file, off.line, off.reason);
}

void
rulesview_print(FILE *out, const struct rule_list *l)
{
    struct rule_report report;
    char honoured[16], defined[16];
    print_off(out, l);
    rule_list_report(l, &report);
    for (unsigned k = 0; k < REPORT_KIND_CNT; k++) {
        if (!report.defined[k])
            continue;
        unsigned permille = (unsigned)(1000ULL * report.honoured[k] / report.defined[k]);
        fprintf(out, "%s of %s %s rules honoured (%u.%u %%)\n", grouped(report.honoured[k], honoured),
                grouped(report.defined[k], defined), report_names[k], permille / 10, permille % 10);
    }
}

/* ---- JSON ---- */

static const char *
kind_name(enum rule_kind kind)
{
    switch (kind) {
    case RULE_NONE:
    case RULE_OFF:
        break;
    case RULE_HEADER:
        return "header";
    case RULE_EXISTS:
        return "exists";
    case RULE_BODY:
        return "body";
    case RULE_RAWBODY:
        return "rawbody";
    case RULE_FULL:
        return "full";
    case RULE_URI:
        return "uri";
    case RULE_MIMEHEADER:
        return "mimeheader";
    case RULE_ATTACHMENT:
        return "attachment";
    case RULE_EVAL:
        return "eval";
    case RULE_META:
        return "meta";
    }
    return "other";
}

/* Rule text is octets, JSON is UTF-8: an octet that is not ASCII becomes U+0080 to U+00FF, so no text is lost. */
static void
add_octets(cJSON *object, const char *key, const char *octets)
{
    char *out = malloc(2 * strlen(octets) + 1);
    size_t len = 0;
    if (!out)
        abort();
    for (const unsigned char *p = (const unsigned char *)octets; *p; p++) {
        if (*p < 0x80) {
            out[len++] = (char)*p;
        } else {
            out[len++] = (char)(0xc0 | *p >> 6);
            out[len++] = (char)(0x80 | (*p & 0x3f));
        }
    }
    out[len] = '\0';
    cJSON_AddStringToObject(object, key, out);
    free(out);
}

static cJSON *
rule_json(const struct rule *r, const struct image_price *price)
{
    cJSON *object = cJSON_CreateObject();
    enum rule_kind kind = r->kind == RULE_OFF ? r->off_kind : r->kind;
    add_octets(object, "name", r->name);
    cJSON_AddStringToObject(object, "kind", r->tflags & RULE_NET ? "net" : r->is_signature ? "signature" : kind_name(kind));
    cJSON_AddBoolToObject(object, "honoured", r->kind != RULE_OFF);
    add_octets(object, "file", r->place.file ? r->place.file : "");
    cJSON_AddNumberToObject(object, "line", r->place.line);
    if (r->has_score)
        cJSON_AddNumberToObject(object, "score", r->score_milli / 1000.0);
    if (r->text)
        add_octets(object, "text", r->text);
    if (r->describe)
        add_octets(object, "describe", r->describe);
    if (price)
        cJSON_AddItemToObject(object, "price", price_json(price));
    return object;
}

static cJSON *
off_json(const struct rule_off *off)
{
    cJSON *object = cJSON_CreateObject();
    add_octets(object, "name", off->name);
    add_octets(object, "file", off->file);
    cJSON_AddNumberToObject(object, "line", off->line);
    add_octets(object, "reason", off->reason);
    return object;
}

void
rulesview_json(cJSON *object, const struct rule_list *l, const struct prices *prices)
{
    struct rule_report report;
    struct rule_off off;
    rule_list_report(l, &report);
    cJSON *kinds = cJSON_AddObjectToObject(object, "kinds");
    for (unsigned k = 0; k < REPORT_KIND_CNT; k++) {
        cJSON *kind = cJSON_AddObjectToObject(kinds, report_names[k]);
        cJSON_AddNumberToObject(kind, "defined", report.defined[k]);
        cJSON_AddNumberToObject(kind, "honoured", report.honoured[k]);
    }
    cJSON *offs = cJSON_AddArrayToObject(object, "off");
    for (unsigned i = 0; rule_list_off(l, i, &off); i++)
        cJSON_AddItemToArray(offs, off_json(&off));
    cJSON *list = cJSON_AddArrayToObject(object, "list");
    for (uint32_t i = 0; i < l->rules_cnt; i++) {
        if (l->rules[i].kind != RULE_NONE)
            cJSON_AddItemToArray(list, rule_json(&l->rules[i], prices ? prices_find(prices, l->rules[i].name) : NULL));
    }
}
