#include "scan/eval_private.h"

#include <stdio.h>
#include <string.h>

static const struct eval_entry *const tables[] = { eval_mime_table,  eval_text_table,     eval_uri_table,
                                                   eval_list_table,  eval_freemail_table, eval_image_table,
                                                   eval_html_table };

enum { TABLES_CNT = sizeof(tables) / sizeof(tables[0]) };

/* The entry of an id; NULL: *header_idx is its place in eval_header_table (or past it). */
static const struct eval_entry *
entry_of(int id, unsigned *header_idx)
{
    unsigned left = (unsigned)id;
    for (unsigned i = 0; i < TABLES_CNT; i++)
        for (const struct eval_entry *e = tables[i]; e->name; e++)
            if (!left--)
                return e;
    *header_idx = left;
    return NULL;
}

static int
own_cnt(void)
{
    int cnt = 0;
    for (unsigned i = 0; i < TABLES_CNT; i++)
        for (const struct eval_entry *e = tables[i]; e->name; e++)
            cnt++;
    return cnt;
}

int
eval_cnt(void)
{
    return own_cnt() + (int)eval_header_table_cnt;
}

const char *
eval_name(int id)
{
    unsigned idx = 0;
    const struct eval_entry *e = entry_of(id, &idx);
    return e ? e->name : eval_header_table[idx].name;
}

int
eval_find(const char *name)
{
    int cnt = eval_cnt();
    for (int id = 0; id < cnt; id++)
        if (!strcmp(eval_name(id), name))
            return id;
    return -1;
}

int8_t
eval_regex_arg(int id)
{
    unsigned idx;
    const struct eval_entry *e = entry_of(id, &idx);
    return e ? e->regex_arg : (int8_t)EVAL_NO_REGEX;
}

bool
eval_check_args(int id, const struct eval_args *a, char *err, size_t err_size)
{
    unsigned idx;
    const struct eval_entry *e = entry_of(id, &idx);
    if (!e)
        return true;
    if (e->regex_arg == EVAL_KNOWN_TEXT && a->cnt == e->args_max && !eval_html_text_is_known(a)) {
        snprintf(err, err_size, "%s knows only the patterns of the stock rules", e->name);
        return false;
    }
    if (a->cnt >= e->args_min && a->cnt <= e->args_max)
        return true;
    if (e->args_min == e->args_max)
        snprintf(err, err_size, "%s takes %u arguments, not %u", e->name, e->args_min, a->cnt);
    else
        snprintf(err, err_size, "%s takes %u to %u arguments, not %u", e->name, e->args_min, e->args_max,
                 a->cnt);
    return false;
}

struct eval_function
eval_function(int id)
{
    struct eval_function fn = { NULL, 0 };
    fn.entry = entry_of(id, &fn.header_idx);
    return fn;
}

double
eval_call(struct eval_function fn, const struct eval_facts *f, const struct eval_args *a,
          const struct eval_prepared *p)
{
    struct eval_call c = { f, a, p };
    if (fn.entry)
        return fn.entry->fn(&c);
    return f->header && fn.header_idx < eval_header_table_cnt ? eval_header_table[fn.header_idx].fn(f->header, a) : 0;
}

double
eval_run(int id, const struct eval_facts *f, const struct eval_args *a, const struct eval_prepared *p)
{
    return eval_call(eval_function(id), f, a, p);
}
