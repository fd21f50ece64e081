/* pattern: what is made of a regex must not change what it hits. PCRE2 is the truth.
 *
 *   pattern_without   on subjects without the octets: the pruned pattern matches where the whole one does;
 *                     where it says "nothing", the whole one never matches
 *   pattern_literals  a subject that matches contains one of the strings
 *
 * First octet: the flags, and whether the next ones are the regex itself (up to a newline) or choices in a grammar of
 * regexes (up to 96 of them). What is left makes the subjects, from a small alphabet and from the regex's own octets. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

#include "scan/pattern.h"
#include "tests/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_MAX = 600, CHOICES_MAX = 96, SUBJECTS = 24, SUBJECT_MAX = 40 };

enum { FLAG_CASELESS = 1, FLAG_DOTALL = 2, FLAG_MULTILINE = 4, FLAG_EXTENDED = 8, FLAG_PLAIN = 16 };

/* ---- a regex from octets ---- */

struct maker {
    const uint8_t *data;
    size_t size;
    unsigned choices, depth;
    char text[TEXT_MAX + 64];
    size_t len;
};

static unsigned
choose(struct maker *m, unsigned cnt)
{
    if (!m->size || m->choices == CHOICES_MAX)
        return 0;
    m->choices++;
    m->size--;
    return *m->data++ % cnt;
}

static void
put(struct maker *m, const char *s)
{
    size_t len = strlen(s);

    if (m->len + len > TEXT_MAX)
        return;
    memcpy(m->text + m->len, s, len);
    m->len += len;
}

static void alternatives(struct maker *m);

static void
class(struct maker *m)
{
    static const char *const members[] = { "a",  "b",   "&",     "\xc3", "\xa0-\xa5", "\\xc3", "\\x80-\\xff",
                                           "\\d", "\\w", "\\s",   "\\S",  "a-c",       "]",     "^",
                                           "-",   "#",   " ",     "\\n",  "\\b",       "\\x26", "[:alpha:]",
                                           "\\W", "\\D", "!-~",   "\\-",  "[:^digit:]", "\\046", "@-\xff",
                                           "\\]", "A",   "\\x{e9}", "$" };
    put(m, choose(m, 4) ? "[" : "[^");
    for (unsigned i = choose(m, 4) + 1; i; i--)
        put(m, members[choose(m, sizeof(members) / sizeof(*members))]);
    put(m, "]");
}

static void
atom(struct maker *m)
{
    static const char *const plain[] = {
        "a",    "b",     "A",      "1",     " ",   "abc",  "&",     "&#224;", "\xc3\xa9", "\\xc3", ".",
        "\\d",  "\\w",   "\\s",    "\\S",   "\\W", "\\D",  "^",     "$",      "\\b",      "\\B",   "\\A",
        "\\z",  "\\Z",   "\\1",    "\\n",   "\\.", "\\&",  "\\x26", "\\x{26}", "\\046",   "\\Qa&\\E", "(?i)",
        "(?#a)", "(?-i)", "(?s)",  "\\h",   "\\R", "\\N",  "\\cA",  "\\t",    "@",        "#b",    "\\#",
        "-",    "\n",    "\\g1",   "\\k<n>", "(?x)", "\\K", "\\G",  "\\e",    "\\x",      "{",     "}",
        "]",    "\\/",   "(?m)",   "\\v",   "\\H", "\\V",  "(?^)",  "\\o{46}", "\\g{-1}" };
    static const char *const opens[] = { "(", "(?:", "(?=", "(?!", "(?>", "(?i:", "(?<n>", "(?|", "(?<=", "(?<!", "(?-i:", "(?(1)" };

    switch (choose(m, 5)) {
    case 0:
    case 1:
        put(m, plain[choose(m, 11)]);
        return;
    case 2:
        put(m, plain[choose(m, sizeof(plain) / sizeof(*plain))]);
        return;
    case 3:
        class(m);
        return;
    case 4:
        if (m->depth > 5)
            return;
        m->depth++;
        put(m, opens[choose(m, sizeof(opens) / sizeof(*opens))]);
        alternatives(m);
        put(m, ")");
        m->depth--;
        return;
    }
}

static void
alternatives(struct maker *m)
{
    static const char *const quantifiers[] = { "", "", "", "", "", "*", "+", "?", "{2}", "{0}", "{1,2}", "{0,1}",
                                               "*?", "+?", "??", "*+", "{2,}", "?+", "{,2}", "{2}{3}", "(?#c)*", "* +",
                                               "(?#c)" };
    for (unsigned i = choose(m, 3) + 1; i; i--) {
        for (unsigned k = choose(m, 4); k; k--) {
            atom(m);
            put(m, quantifiers[choose(m, sizeof(quantifiers) / sizeof(*quantifiers))]);
        }
        if (i > 1)
            put(m, "|");
    }
}

static void
take_text(struct maker *m, bool is_plain)
{
    if (is_plain) {
        while (m->size && *m->data != '\n' && m->len < TEXT_MAX) {
            if (*m->data)
                m->text[m->len++] = (char)*m->data;
            m->data++;
            m->size--;
        }
        if (m->size) {
            m->data++;
            m->size--;
        }
    } else {
        alternatives(m);
    }
    m->text[m->len] = 0;
}

/* ---- PCRE2 ---- */

static pcre2_code *
compile(const char *text, unsigned flags)
{
    uint32_t options = PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C;
    int error;
    PCRE2_SIZE off;

    options |= flags & FLAG_CASELESS ? PCRE2_CASELESS : 0;
    options |= flags & FLAG_DOTALL ? PCRE2_DOTALL : 0;
    options |= flags & FLAG_MULTILINE ? PCRE2_MULTILINE : 0;
    return pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, options, &error, &off, NULL);
}

/* 1, 0, or -1 when PCRE2 gave up. */
static int
matches(const pcre2_code *code, const uint8_t *subject, size_t len)
{
    static pcre2_match_data *data;
    static pcre2_match_context *context;

    if (!data) {
        data = pcre2_match_data_create(1, NULL);
        context = pcre2_match_context_create(NULL);
        pcre2_set_match_limit(context, 20000);
    }
    int rc = pcre2_match(code, subject, len, 0, 0, data, context);
    return rc >= 0 ? 1 : rc == PCRE2_ERROR_NOMATCH ? 0 : -1;
}

/* ---- the checks ---- */

static bool
has_literal(const struct pattern_literals *l, const uint8_t *subject, size_t len)
{
    for (unsigned i = 0; i < l->cnt; i++) {
        for (size_t at = 0; at + l->len[i] <= len; at++) {
            size_t k = 0;
            while (k < l->len[i]) {
                uint8_t c = subject[at + k];
                c = c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
                if (c != (uint8_t)l->text[i][k])
                    break;
                k++;
            }
            if (k == l->len[i])
                return true;
        }
    }
    return false;
}

static bool
is_clean(const struct octet_set *gone, const uint8_t *subject, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (octet_set_has(gone, subject[i]))
            return false;
    }
    return true;
}

/* The next subject, from what is left of the input and, when that is used up, from a generator that it has seeded. */
static size_t
make_subject(struct maker *m, uint64_t *seed, uint8_t *to)
{
    static const char alphabet[] = "aaabbbAc1 \n&@\xc3\xa9\xa0-.#_\t";
    size_t len = 0, max;

    for (max = (*seed >> 8) % SUBJECT_MAX; len < max; len++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        uint64_t v = *seed >> 33;
        if (m->size) {
            v ^= *m->data++;
            m->size--;
        }
        if (v & 1 && m->len)
            to[len] = (uint8_t)m->text[(v >> 1) % m->len];
        else
            to[len] = (uint8_t)alphabet[(v >> 1) % (sizeof(alphabet) - 1)];
    }
    return len;
}

static void
explain(const struct maker *m, const char *pruned, const uint8_t *subject, size_t len)
{
    fprintf(stderr, "regex:   %s\npruned:  %s\nsubject: ", m->text, pruned ? pruned : "-");
    for (size_t i = 0; i < len; i++)
        fprintf(stderr, subject[i] > ' ' && subject[i] < 127 ? "%c" : "\\x%02x", subject[i]);
    fprintf(stderr, "\n");
}

static void
check_all(struct maker *m, const struct pattern *p, const pcre2_code *whole, unsigned flags)
{
    static const struct octet_set none;
    static struct pattern_literals any, clean;
    struct octet_set gone = { { 0, 0, ~UINT64_C(0), ~UINT64_C(0) } };
    char *text = NULL;
    pcre2_code *pruned = NULL;

    octet_set_add(&gone, '&');
    enum pattern_result how = pattern_without(p, &gone, &text);
    if (how == PATTERN_PRUNED) {
        pruned = compile(text, flags);
        if (!pruned)
            explain(m, text, NULL, 0);
        MUST(pruned);
    }
    bool has_any = pattern_literals(p, &none, &any), has_clean = pattern_literals(p, &gone, &clean);
    uint64_t seed = m->size + 1;
    for (size_t i = 0; i < m->size; i++)
        seed = seed * 31 + m->data[i];
    for (unsigned i = 0; i < SUBJECTS; i++) {
        uint8_t subject[SUBJECT_MAX];
        size_t len = make_subject(m, &seed, subject);
        int hit = matches(whole, subject, len);
        if (hit < 0)
            continue;
        bool is_good = !has_any || !hit || has_literal(&any, subject, len);
        if (is_clean(&gone, subject, len)) {
            is_good = is_good && (!has_clean || !hit || has_literal(&clean, subject, len));
            is_good = is_good && (how != PATTERN_NOTHING || !hit);
            if (how == PATTERN_PRUNED) {
                int same = matches(pruned, subject, len);
                is_good = is_good && (same < 0 || same == hit);
            }
        }
        if (!is_good)
            explain(m, text, subject, len);
        MUST(is_good);
    }
    free(text);
    pcre2_code_free(pruned);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct maker m;

    if (size < 2)
        return 0;
    unsigned flags = data[0];
    m = (struct maker){ .data = data + 1, .size = size - 1 };
    take_text(&m, flags & FLAG_PLAIN);
    struct pattern *p = pattern_parse(m.text, m.len, flags & FLAG_EXTENDED);
    /* /x as image_pattern.c hands it on: in front, and a newline to end a comment. */
    char text[TEXT_MAX + 80];
    snprintf(text, sizeof(text), "%s%s%s", flags & FLAG_EXTENDED ? "(?x)" : "", m.text, flags & FLAG_EXTENDED ? "\n" : "");
    pcre2_code *whole = p ? compile(text, flags) : NULL;
    if (whole)
        check_all(&m, p, whole, flags);
    pcre2_code_free(whole);
    pattern_free(p);
    return 0;
}
