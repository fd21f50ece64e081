/* signature: text of a kind (first octet), and tables. Of text: results, counts and diagnostics agree, the table
 * built from it verifies, each of its hashes is found, and a regex is printable. Of tables: one that verifies can be
 * looked up in without harm. First octet 3: the rest is a table; 4 and up: the table of a list, damaged. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan/attachment.h"
#include "scan/signature.h"
#include "tests/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_diagnostics(const struct rule_list *l, unsigned long lines)
{
    unsigned cnt = 0;
    for (const char *at = rule_list_diagnostics(l); *at; at = strchr(at, '\n') + 1) {
        unsigned long line, column;
        if (*at == ' ') /* the source line and its caret */
            continue;
        MUST(sscanf(at, "t:%lu:%lu: ", &line, &column) == 2);
        MUST(line <= lines);
        cnt++;
    }
    MUST(cnt == rule_list_errors(l) + rule_list_warnings(l));
}

/* Looks up each hash of a table that verified, read as hash_len octets behind a size of four anywhere in it. */
static void
check_table(const uint8_t *table, size_t len)
{
    char err[100];
    if (signature_table_verify(table, len, err, sizeof(err))) {
        MUST(strlen(err) > 0);
        return;
    }
    uint32_t cnt = signature_table_cnt(table);
    for (uint32_t i = 0; i < cnt; i++)
        MUST(strlen(signature_table_name(table, i)) > 0);
    uint64_t sizes[] = { 0, 68, UINT32_MAX, UINT64_MAX };
    for (size_t off = 0; off + 32 <= len && off < 4096; off++) {
        uint32_t size;
        memcpy(&size, table + (off >= 4 ? off - 4 : 0), sizeof(size));
        for (unsigned i = 0; i < 5; i++) {
            const uint8_t *h = table + off;
            int64_t found = signature_table_find(table, h, h, h, i < 4 ? sizes[i] : size);
            MUST(found >= SIGNATURE_ALLOWED && found < (int64_t)cnt);
        }
    }
    MUST(signature_table_hashes(table) <= 7);
}

static uint8_t *
copy_of(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1); /* aligned, of the exact size */
    if (size)
        memcpy(copy, data, size);
    return copy;
}

static void
check_text(enum signature_format format, const uint8_t *data, size_t size)
{
    unsigned long lines = 1;
    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n';
    struct rule_list *says = rule_list_new();
    struct signature_list *l = signature_list_new(says);
    int result = signature_list_parse(l, "t", format, (const char *)data, size);
    MUST((result == 0) == (rule_list_errors(says) == 0));
    check_diagnostics(says, lines);
    MUST(signature_list_hash_cnt(l) + signature_list_pattern_cnt(l) + signature_list_refused_cnt(l) +
             signature_list_skipped_cnt(l) <=
         lines);
    for (size_t i = 0; i < signature_list_pattern_cnt(l); i++) {
        const struct signature_pattern *p = signature_list_pattern(l, i);
        MUST(strlen(p->rule_name) > 0 && p->rule_name[0] != '_' && strlen(p->name) > 0);
        for (const char *c = p->regex; *c; c++)
            MUST(*c > ' ' && *c < 0x7f);
        MUST(!p->has_end || p->end_min <= p->end_max);
    }
    void *table;
    size_t len;
    char err[100];
    signature_table_build(l, &table, &len);
    MUST(signature_table_verify(table, len, err, sizeof(err)) == 0);
    MUST(signature_table_cnt(table) <= signature_list_hash_cnt(l));
    check_table(table, len);
    free(table);
    signature_list_free(l);
    rule_list_free(says);
}

/* Octets of the text are laid over a right table: place, value, place, value ... */
static void
check_damaged(const uint8_t *data, size_t size)
{
    static const char text[] = "44d88612fea8a8f36de82e1278abb02f:68:A\n44d88612fea8a8f36de82e1278abb03f:*:B\n"
                               "3395856ce81f2b7382dee72602f798b642f14140:68:C\n";
    struct rule_list *says = rule_list_new();
    struct signature_list *l = signature_list_new(says);
    signature_list_parse(l, "t", SIGNATURE_HDB, text, sizeof(text) - 1);
    signature_list_parse(l, "t", SIGNATURE_FP, text, 30 + 8);
    void *table;
    size_t len;
    signature_table_build(l, &table, &len);
    for (size_t i = 0; i + 2 < size; i += 3)
        ((uint8_t *)table)[(data[i] | (size_t)data[i + 1] << 8) % len] = data[i + 2];
    check_table(table, len);
    free(table);
    signature_list_free(l);
    rule_list_free(says);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    uint8_t *copy = copy_of(data + 1, size - 1);
    if (data[0] % 8 < 3)
        check_text((enum signature_format)(data[0] % 8), copy, size - 1);
    else if (data[0] % 8 == 3)
        check_table(copy, size - 1);
    else
        check_damaged(copy, size - 1);
    free(copy);
    return 0;
}
