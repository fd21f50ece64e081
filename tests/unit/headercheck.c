/* headercheck: scan/received and scan/eval_header against what tests/unit/header_truth.pl says on
 * stdin.
 *
 *     records of "KEY\nLENGTH\nOCTETS\n"; a record M begins the next mail, the last one ends it
 *
 * Prints each difference and the figures; exits 1 when fewer than 99 % of the mails have equal
 * relays, or a function agrees on fewer than 99.5 % of the mails where either side hits. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan/eval_header.h"
#include "scan/received.h"

enum { FACTS_MAX = 512, RULES_MAX = 256 };

struct fact {
    char key[512];
    struct span value;
};

struct mail {
    struct fact fact[FACTS_MAX];
    unsigned cnt;
};

struct rule {
    char key[512];
    unsigned both, only_truth, only_ours;
};

static struct mail mail;
static struct relays relays;
static struct rule rules[RULES_MAX];
static unsigned rule_cnt, mail_cnt, relays_bad, cut_bad, envelope_bad, unparseable_bad;

static const struct fact *
find(const char *key, unsigned *from)
{
    for (unsigned i = *from; i < mail.cnt; i++) {
        if (strcasecmp(mail.fact[i].key, key) == 0) {
            *from = i + 1;
            return &mail.fact[i];
        }
    }
    return NULL;
}

static struct span
fact(const char *key, bool *is_present)
{
    unsigned from = 0;
    const struct fact *f = find(key, &from);
    struct span none = {NULL, 0};

    *is_present = f != NULL;
    return f == NULL ? none : f->value;
}

static struct span
get(void *ctx, const char *name, enum field_form part, bool *is_present)
{
    static const char *const names[] = {"VALUE", "RAW", "ADDR", "NAME", "ADDR_ALL", "FIRST_ADDR"};
    char key[512];

    (void)ctx;
    snprintf(key, sizeof key, "G %s %s", names[part], name);
    return fact(key, is_present);
}

static struct span
registered_domain(void *ctx, struct span host, bool *is_valid)
{
    char key[512];
    bool is_present;
    struct span value;

    (void)ctx;
    snprintf(key, sizeof key, "D %.*s", (int)host.len, (const char *)host.ptr);
    value = fact(key, &is_present);
    *is_valid = value.len > 0 && value.ptr[0] == '1';
    if (!is_present) {
        printf("    no domain of %s\n", key);
        return host;
    }
    return (struct span){value.ptr + 1, value.len - 1};
}

static bool
is_equal(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static void
show(const char *what, struct span truth, struct span ours)
{
    printf("  %s\n    truth %.*s\n    ours  %.*s\n", what, (int)truth.len, (const char *)truth.ptr,
           (int)ours.len, (const char *)ours.ptr);
}

static void
read_relays(void)
{
    const struct fact *f;
    unsigned from = 0;

    relays_init(&relays);
    while ((f = find("R", &from)) != NULL)
        relays_add_received(&relays, f->value);
    from = 0;
    while ((f = find("O", &from)) != NULL)
        relays_add_originating(&relays, f->value);
}

static size_t
cut(enum relays_which which, struct span all, uint8_t *out)
{
    unsigned received_cnt = 0;
    size_t len = 0;

    for (size_t at = 0, next; at < all.len; at = next) {
        const uint8_t *end = memchr(all.ptr + at, '\n', all.len - at);
        bool is_received =
            all.len - at > 9 && strncasecmp((const char *)all.ptr + at, "Received:", 9) == 0;

        next = end == NULL ? all.len : (size_t)(end - all.ptr) + 1;
        received_cnt += is_received;
        if (!relays_cut_has(&relays, which, received_cnt, is_received))
            continue;
        memcpy(out + len, all.ptr + at, next - at);
        len += next - at;
    }
    return len;
}

static void
check_relays(void)
{
    static uint8_t out[1 << 20];
    bool is_present, is_bad = false, is_cut_bad = false;
    struct span all = fact("G VALUE ALL", &is_present), truth;

    for (unsigned which = 0; which < 4; which++) {
        char key[3] = {'X', (char)('0' + which), '\0'};
        struct span ours = {out, relays_write(&relays, which, out, sizeof out)};

        truth = fact(key, &is_present);
        if (!is_equal(truth, ours)) {
            is_bad = true;
            if (which < 2)
                show(key, truth, ours);
        }
        key[0] = 'C';
        ours.len = cut(which, all, out);
        truth = fact(key, &is_present);
        is_cut_bad = is_cut_bad || !is_equal(truth, ours);
    }
    truth = fact("U", &is_present);
    if ((unsigned)atoi((const char *)truth.ptr) != relays.unparseable_cnt) {
        unparseable_bad++;
        printf("  unparseable: truth %.*s ours %u\n", (int)truth.len, (const char *)truth.ptr,
               relays.unparseable_cnt);
    }
    relays_bad += is_bad;
    cut_bad += is_cut_bad;
    if (is_cut_bad)
        puts("  cut differs");
}

static struct rule *
rule_of(const char *key)
{
    unsigned i = 0;

    while (i < rule_cnt && strcmp(rules[i].key, key) != 0)
        i++;
    if (i == RULES_MAX)
        abort();
    if (i == rule_cnt)
        snprintf(rules[rule_cnt++].key, sizeof rules[i].key, "%s", key);
    return &rules[i];
}

static void
check_rule(const struct header_facts *f, const struct fact *truth)
{
    struct eval_args args = {.cnt = 0};
    char copy[512], *word, *rest = copy;
    struct rule *rule = rule_of(truth->key);
    bool is_hit = truth->value.ptr[0] == '1', is_ours;
    eval_header_fn *fn;

    snprintf(copy, sizeof copy, "%s", truth->key + 2);
    word = strsep(&rest, "|");
    fn = eval_header_find((struct span){(const uint8_t *)word, strlen(word)});
    while ((word = strsep(&rest, "|")) != NULL)
        args.arg[args.cnt++] = (struct span){(const uint8_t *)word, strlen(word)};
    is_ours = fn != NULL && fn(f, &args) != 0;
    rule->both += is_hit && is_ours;
    rule->only_truth += is_hit && !is_ours;
    rule->only_ours += !is_hit && is_ours;
    if (is_hit != is_ours)
        printf("  %s: truth %d ours %d\n", truth->key, is_hit, is_ours);
}

static void
check_mail(void)
{
    struct header_facts f = {.get = get, .registered_domain = registered_domain, .relays = &relays};
    bool is_known, is_present;
    struct span sender, truth;

    printf("%.*s\n", (int)mail.fact[0].value.len, (const char *)mail.fact[0].value.ptr);
    mail_cnt++;
    read_relays();
    check_relays();
    sender = eval_envelope_from(&f, &is_known);
    truth = fact("V", &is_present);
    if (is_known != is_present || !is_equal(sender, truth)) {
        envelope_bad++;
        show("envelope", truth, sender);
    }
    for (unsigned i = 0; i < mail.cnt; i++) {
        if (mail.fact[i].key[0] == 'E' && mail.fact[i].key[1] == ' ')
            check_rule(&f, &mail.fact[i]);
    }
}

static bool
read_fact(struct fact *f)
{
    char line[32];
    size_t len;
    uint8_t *octets;

    if (fgets(f->key, sizeof f->key, stdin) == NULL || fgets(line, sizeof line, stdin) == NULL)
        return false;
    f->key[strcspn(f->key, "\n")] = '\0';
    len = (size_t)atol(line);
    octets = malloc(len + 1);
    if (octets == NULL || fread(octets, 1, len + 1, stdin) != len + 1)
        abort();
    octets[len] = '\0';
    f->value = (struct span){octets, len};
    return true;
}

static void
clear_mail(void)
{
    while (mail.cnt > 0)
        free((void *)(uintptr_t)mail.fact[--mail.cnt].value.ptr);
}

static int
report(void)
{
    unsigned both = 0, other = 0;
    bool is_bad = relays_bad * 100 > mail_cnt || cut_bad * 100 > mail_cnt;

    for (unsigned i = 0; i < rule_cnt; i++) {
        const struct rule *r = &rules[i];

        both += r->both;
        other += r->only_truth + r->only_ours;
        printf("%-60s both %5u  only truth %3u  only ours %3u\n", r->key + 2, r->both,
               r->only_truth, r->only_ours);
    }
    is_bad = is_bad || other * 200 > both + other;
    printf("%u mails; relays differ in %u, cuts in %u, envelope sender in %u, unparseable in %u; "
           "rules: "
           "%u pairs hit, %u differ\n",
           mail_cnt, relays_bad, cut_bad, envelope_bad, unparseable_bad, both + other, other);
    return is_bad ? 1 : 0;
}

int
main(void)
{
    struct fact next;

    while (read_fact(&next)) {
        if (strcmp(next.key, "M") == 0 && mail.cnt > 0) {
            check_mail();
            clear_mail();
        }
        if (mail.cnt == FACTS_MAX)
            abort();
        mail.fact[mail.cnt++] = next;
    }
    clear_mail();
    return report();
}
