/* rule: the rule language (SpamAssassin's), parsed.
 *
 * Definitions: header (Name, :addr, :name, :raw, any pseudo-header; =~ !~ exists:, [if-unset: X]), body, rawbody, full,
 * uri, mimeheader, eval: functions of header, body, rawbody and full, meta with Perl's arithmetic (expr.h),
 * attachment (Weir's own). About them: score (1 or 4 columns, the first counts; relative ones), describe, tflags,
 * replace_tag and its like, `intent NAME suffix co.uk` (Weir's own). Around them: if, ifplugin, else, endif,
 * include, require_version, lang, loadplugin; they are decided as SpamAssassin 4.0.1 with Debian's plugins does.
 * Lists: freemail_domains, blocklist_from, enlist_uri_host, util_rb_tld and so on.
 *
 * What needs the network, Bayes or a value that another rule captures (%{NAME}) is known by its name and never
 * hits; rule_list_off says why. Other directives of SpamAssassin are accepted silently when they cannot change which
 * rules hit, else reported once. A word at the head of a line that nobody knows is an error. As in SpamAssassin a
 * later definition replaces an earlier one (inside one file: a warning), a score of 0 switches a rule off, and a
 * header that is absent reads as ''.
 *
 * Diagnostics are kept in order: "FILE:LINE:COLUMN: error|warning: text", followed by the
 * source line and a caret, both indented by four blanks. An error makes the list
 * unusable for image_build; a warning names a line that is not honoured.
 *
 * Owns:    rule_list owns every string in it.
 * Threads: none kept; set-up only, allocates.
 * Limits:  RULE_* of rule_list.h and limits.h; each is an error or a rule turned off, with its line.
 * Fails:   with diagnostics; what is read goes on behind the line that is wrong. */
#ifndef WEIR_SCAN_RULE_H
#define WEIR_SCAN_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rule_list;

struct rule_list *rule_list_new(void);
void rule_list_free(struct rule_list *l);

/* Parses one file, or every *.cf of a folder in name order. 0, or -1 when it cannot be read, has an error, or
 * leaves l without a single rule (see diagnostics): rules that let all mail pass are nobody's wish. */
int rule_list_read(struct rule_list *l, const char *path);

/* Parses text; `name` stands for the file in diagnostics. It cannot include files. What is said only when all is
 * read (names that no rule has) image_build adds. */
int rule_list_parse(struct rule_list *l, const char *name, const char *text, size_t len);

/* All diagnostics so far, newline-terminated lines; "" if none. Lives until the next call on l. */
const char *rule_list_diagnostics(const struct rule_list *l);
unsigned rule_list_errors(const struct rule_list *l);
unsigned rule_list_warnings(const struct rule_list *l);

/* Rules defined. */
unsigned rule_list_cnt(const struct rule_list *l);

/* What became of the rules that were defined, by what they are. "2,841 of 2,990 regex rules honoured" is
 * honoured and defined of REPORT_REGEX. Those that are off stay defined. */
enum report_kind {
    REPORT_REGEX, /* header, body, rawbody, full, uri, mimeheader, attachment */
    REPORT_EXISTS,
    REPORT_META,
    REPORT_EVAL,
    REPORT_NET, /* askdns and the like: rules that need what the data path may not do */
    REPORT_KIND_CNT
};

struct rule_report {
    unsigned defined[REPORT_KIND_CNT];
    unsigned honoured[REPORT_KIND_CNT];
};

void rule_list_report(const struct rule_list *l, struct rule_report *report);

/* The idx-th rule that is not honoured, in order of definition: false behind the last. Strings live as long
 * as l. */
struct rule_off {
    const char *name;
    const char *file;
    uint32_t line;
    const char *reason;
};
bool rule_list_off(const struct rule_list *l, unsigned idx, struct rule_off *off);

#ifdef __cplusplus
}
#endif
#endif
