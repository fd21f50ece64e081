/* List tables from anywhere, and look-ups in what passes.
 *
 * Octet 0: even: the rest is a table. Odd: entries, one a line (a line "[name]" begins another list), of which a
 * table is built; then every exact entry must be found, and the table must be the same when built again. */
#include <string.h>

#include "must.h"
#include "scan/list.h"
#include "scan/rule_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LISTS_MAX = 8, ENTRIES_MAX = 64 };

static void
use(const struct list_table *t)
{
    static const char *const keys[] = { "", "a", "a@b.example", "x@y.z.example", "1.2.3.4", "[::1]", "a.b.c.d.e.f",
                                        "@", "...", "@.@." };
    static const char *const names[] = { "", "a", "freemail_domains", "enlist_uri_host:A" };
    for (uint32_t h = 0; h < 12; h++)
        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
            struct span key = { (const uint8_t *)keys[i], strlen(keys[i]) };
            bool is_exact = list_has(t, h, key);
            MUST(!is_exact || list_has_glob(t, h, key, LIST_GLOB_WHOLE));
            list_has_glob(t, h, key, LIST_GLOB_WITHIN);
            list_has_glob(t, h, key, LIST_GLOB_LABEL);
            list_host(t, h, key);
        }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        uint32_t h = list_find(t, names[i]), cnt = list_cnt(t, h);
        for (uint32_t j = 0; j < cnt; j++) {
            enum list_kind kind;
            struct span e = list_entry(t, h, j, &kind);
            MUST(e.len && e.len <= LIST_ENTRY_MAX && kind < LIST_KIND_CNT);
        }
    }
}

static void
from_table(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + 1);
    memcpy(copy, data, size);
    const struct list_table *t = list_table_verify(copy, size);
    if (t)
        use(t);
    free(copy);
}

static void
check_entry(const struct list_table *t, const struct rule_set_list *l, const char *entry)
{
    size_t len = strlen(entry);
    uint32_t h = list_find(t, l->name);
    MUST(h != LIST_NONE);
    bool is_plain = entry[0] != '!' && !strpbrk(entry, "*?\\(");
    for (const char *end = l->name; *end; end++)
        is_plain &= strcmp(end, "_rcvd") != 0;
    if (is_plain && len && len <= LIST_ENTRY_MAX && strncmp(l->name, "enlist_uri_host", 15))
        MUST(list_has(t, h, (struct span){ (const uint8_t *)entry, len }));
}

static void
from_entries(uint8_t *text)
{
    static char names[LISTS_MAX][LIST_NAME_MAX + 1];
    static char *entries[LISTS_MAX][ENTRIES_MAX];
    struct rule_set_list lists[LISTS_MAX] = { 0 };
    uint32_t cnt = 1;
    strcpy(names[0], "a");
    for (char *s = (char *)text, *save; (s = strtok_r(s, "\n", &save)); s = NULL) {
        struct rule_set_list *l = &lists[cnt - 1];
        if (s[0] == '[' && cnt < LISTS_MAX) {
            snprintf(names[cnt], sizeof(names[cnt]), "%u%s", cnt, s);
            cnt++;
        } else if (l->entries_cnt < ENTRIES_MAX) {
            entries[cnt - 1][l->entries_cnt++] = s;
        }
    }
    for (uint32_t i = 0; i < cnt; i++) {
        lists[i].name = names[i];
        lists[i].entries = entries[i];
    }
    struct rule_list l = { .lists = lists, .lists_cnt = cnt };
    uint8_t *a, *b;
    size_t a_len, b_len;
    MUST(!list_table_build(&l, &a, &a_len, NULL) && !list_table_build(&l, &b, &b_len, NULL));
    MUST(a_len == b_len && !memcmp(a, b, a_len));
    const struct list_table *t = list_table_verify(a, a_len);
    MUST(t);
    use(t);
    for (uint32_t i = 0; i < cnt; i++)
        for (uint32_t j = 0; j < lists[i].entries_cnt; j++)
            check_entry(t, &lists[i], lists[i].entries[j]);
    free(a);
    free(b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    if (data[0] % 2 == 0) {
        from_table(data + 1, size - 1);
        return 0;
    }
    uint8_t *text = malloc(size);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    from_entries(text);
    free(text);
    return 0;
}
