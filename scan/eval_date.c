/* Dates of mail, and the eval functions that compare them. See eval_header.h. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "scan/eval_header_private.h"
#include "scan/octet.h"
#include "scan/span_text.h"

/* Octets of a text that are searched for a date; check_outlook_message_id looks into whole Received
 * fields, of a few hundred octets before the date. */
enum { DATE_LEN_MAX = 2048 };

/* RFC 5322 4.3's zones and those seen in mail, as SpamAssassin resolves their conflicts. */
static const struct {
    char name[5];
    int16_t hhmm;
} zones[] = {
    {"UT", 0},       {"UTC", 0},     {"NDT", -230},  {"AST", -400},  {"ADT", -300},  {"NST", -330},
    {"EST", -500},   {"EDT", -400},  {"CST", -600},  {"CDT", -500},  {"MST", -700},  {"MDT", -600},
    {"PST", -800},   {"PDT", -700},  {"HST", -1000}, {"AKST", -900}, {"AKDT", -800}, {"HADT", -900},
    {"HAST", -1000}, {"GMT", 0},     {"BST", 100},   {"IST", 100},   {"WET", 0},     {"WEST", 100},
    {"CET", 100},    {"CEST", 200},  {"EET", 200},   {"EEST", 300},  {"MSK", 300},   {"MSD", 400},
    {"MET", 100},    {"MEZ", 100},   {"MEST", 200},  {"MESZ", 200},  {"BRST", -200}, {"BRT", -300},
    {"AEST", 1000},  {"AEDT", 1100}, {"ACST", 930},  {"ACDT", 1030}, {"AWST", 800},  {"NZST", 1200},
    {"NZDT", 1300},  {"JST", 900},   {"KST", 900},   {"HKT", 800},   {"SGT", 800},   {"PHT", 800},
    {"IDT", 300},
};

struct date {
    int64_t year;
    int64_t month;
    int64_t day;
    int64_t hour;
    int64_t minute;
    int64_t second;
};

/* The text with single blanks, one at either end, commas as blanks. */
static size_t
normal_date(struct span text, char *out)
{
    size_t len = 0;

    out[len++] = ' ';
    for (size_t i = 0; i < text.len && len < DATE_LEN_MAX - 2; i++) {
        uint8_t c = text.ptr[i];
        bool is_blank = octet_is_space(c) || c == ',';

        if (!is_blank)
            out[len++] = c == '\0' ? '?' : (char)c;
        else if (out[len - 1] != ' ')
            out[len++] = ' ';
    }
    if (out[len - 1] != ' ')
        out[len++] = ' ';
    out[len] = '\0';
    return len;
}

/* A number of min to max digits with a blank behind; *p goes to that blank. */
static bool
pass_number(const char **p, size_t min, size_t max, int64_t *value)
{
    size_t n = strspn(*p, "0123456789");

    if (n < min || n > max)
        return false;
    *value = n > 9 ? 999999999 : atol(*p);
    *p += n;
    return true;
}

static bool
pass_month(const char **p, int64_t *month)
{
    static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";

    for (int64_t m = 1; m <= 12; m++) {
        if (strncasecmp(*p, names + (m - 1) * 3, 3) == 0) {
            *month = m;
            *p += 3;
            return true;
        }
    }
    return false;
}

/* What a matched text leaves behind: one blank. */
static void
blank_out(char *from, const char *end)
{
    memmove(from, end - 1, strlen(end - 1) + 1);
}

/* " 23 May 2006 ": a year of min to max digits. */
static bool
find_day_first(char *text, size_t min, size_t max, struct date *d)
{
    for (char *at = strchr(text, ' '); at != NULL; at = strchr(at + 1, ' ')) {
        const char *p = at + 1;

        if (pass_number(&p, 1, DATE_LEN_MAX, &d->day) && *p++ == ' ' && pass_month(&p, &d->month) &&
            *p++ == ' ' && strspn(p, "0123456789") >= min && pass_number(&p, min, max, &d->year) &&
            *p == ' ') {
            const char *digits = p;

            while (digits[-1] != ' ')
                digits--;
            /* RFC 5322 4.3: two and three digits. */
            if (p - digits == 2 && d->year < 50)
                d->year += 2000;
            else if (p - digits != 4)
                d->year += 1900;
            blank_out(at, p + 1);
            return true;
        }
    }
    return false;
}

/* ctime's " May 23 13:06:35 2006 ". The time goes with the date and is not read, as SpamAssassin
 * does. */
static bool
find_month_first(char *text, struct date *d)
{
    for (char *at = strchr(text, ' '); at != NULL; at = strchr(at + 1, ' ')) {
        const char *p = at + 1;
        int64_t time;

        if (pass_month(&p, &d->month) && *p++ == ' ' && pass_number(&p, 1, DATE_LEN_MAX, &d->day) &&
            *p++ == ' ' && pass_number(&p, 1, DATE_LEN_MAX, &time) && *p++ == ':' &&
            pass_number(&p, 1, DATE_LEN_MAX, &time) && *p++ == ':' &&
            pass_number(&p, 1, DATE_LEN_MAX, &time) && *p++ == ' ' &&
            pass_number(&p, 4, 4, &d->year) && *p == ' ') {
            blank_out(at, p + 1);
            return true;
        }
    }
    return false;
}

static void
find_time(char *text, struct date *d)
{
    for (char *at = strchr(text, ' '); at != NULL; at = strchr(at + 1, ' ')) {
        struct date t = {.second = 0};
        const char *p = at + 1;

        if (!pass_number(&p, 1, 2, &t.hour) || *p++ != ':' || !pass_number(&p, 2, 2, &t.minute))
            continue;
        if (*p == ':' && (p++, !pass_number(&p, 2, 2, &t.second)))
            continue;
        if (*p != ' ')
            continue;
        d->hour = t.hour;
        d->minute = t.minute;
        d->second = t.second;
        blank_out(at, p + 1);
        return;
    }
}

/* "-0800" as seconds. */
static int64_t
zone_seconds(int64_t hhmm)
{
    int64_t abs = hhmm < 0 ? -hhmm : hhmm, seconds = (abs / 100 * 60 + abs % 100) * 60;

    return hhmm < 0 ? -seconds : seconds;
}

static bool
find_zone_number(const char *text, int64_t *zone)
{
    for (const char *at = strchr(text, ' '); at != NULL; at = strchr(at + 1, ' ')) {
        const char *p = at + 2;

        if ((at[1] == '+' || at[1] == '-') && pass_number(&p, 4, 4, zone) && *p == ' ') {
            *zone = at[1] == '-' ? -*zone : *zone;
            return true;
        }
    }
    return false;
}

/* The first word of two to four capitals, if it is a zone. */
static int64_t
find_zone_name(const char *text)
{
    for (const char *p = text + 1; *p != '\0'; p++) {
        size_t len = strspn(p, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");

        if (octet_is_word((uint8_t)p[-1]) || len < 2 || len > 4 || octet_is_word((uint8_t)p[len]))
            continue;
        if (strncmp(p + len, "-DST", 4) == 0 && !octet_is_word((uint8_t)p[len + 4]))
            return 0;
        for (unsigned i = 0; i < sizeof zones / sizeof zones[0]; i++) {
            if (strlen(zones[i].name) == len && memcmp(zones[i].name, p, len) == 0)
                return zones[i].hhmm;
        }
        return 0;
    }
    return 0;
}

static bool
is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* A day that the month does not have is the first of the next. */
static void
clamp(struct date *d)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t max = days[d->month - 1] + (d->month == 2 && is_leap(d->year));

    d->second = d->second > 59 ? 59 : d->second;
    d->minute = d->minute > 59 ? 59 : d->minute;
    d->hour = d->hour > 23 ? 23 : d->hour;
    if (d->day > max) {
        d->day = 1;
        d->year += d->month == 12;
        d->month = d->month == 12 ? 1 : d->month + 1;
    }
    d->year = d->year > 2037 ? 2037 : d->year < 1970 ? 1970 : d->year;
}

static int64_t
days_of(const struct date *d)
{
    static const uint16_t before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int64_t years = d->year - 1970;

    return years * 365 + (d->year - 1969) / 4 - (d->year - 1901) / 100 + (d->year - 1601) / 400 +
           before[d->month - 1] + (d->month > 2 && is_leap(d->year)) + d->day - 1;
}

bool
eval_date_parse(struct span text, int64_t *seconds)
{
    char buf[DATE_LEN_MAX];
    struct date d = {.hour = 0};
    int64_t zone = 0;

    normal_date(text, buf);
    if (!find_day_first(buf, 4, 4, &d) && !find_month_first(buf, &d) &&
        !find_day_first(buf, 2, 3, &d))
        return false;
    find_time(buf, &d);
    if (!find_zone_number(buf, &zone))
        zone = find_zone_name(buf);
    clamp(&d);
    if (d.day == 0)
        return false;
    *seconds = ((days_of(&d) * 24 + d.hour) * 60 + d.minute) * 60 + d.second - zone_seconds(zone);
    if (zone > 0 && *seconds < 0)
        *seconds = 0;
    return true;
}

/* Resent-Date goes before Date; of each the first that is a date. */
static bool
header_time(const struct header_facts *f, int64_t *seconds)
{
    static const char *const names[] = {"Resent-Date", "Date"};

    for (unsigned i = 0; i < 2; i++) {
        struct span rest = fact_value(f, names[i]), line;

        while (span_line(&rest, &line)) {
            if (line.len > 0 && eval_date_parse(line, seconds))
                return true;
        }
    }
    return false;
}

static bool
pass_octet(struct span s, size_t *off, uint8_t c)
{
    if (*off == s.len || s.ptr[*off] != c)
        return false;
    ++*off;
    return true;
}

/* "23 May 2006 13:06:35 -0400" at `off`: where it ends, 0 when it is none. */
static size_t
date_end(struct span s, size_t off)
{
    size_t n = span_digits(s, off);
    size_t i = off + n, start;

    if (n == 0 || !pass_octet(s, &i, ' ') || s.len - i < 4)
        return 0;
    for (unsigned k = 0; k < 3; k++) {
        if (octet_is_space(s.ptr[i++]))
            return 0;
    }
    for (unsigned k = 0; k < 4; k++) {
        if (!pass_octet(s, &i, k < 2 ? ' ' : ':') || (n = span_digits(s, i)) == 0)
            return 0;
        i += n;
    }
    if (!pass_octet(s, &i, ' '))
        return 0;
    for (start = i; i < s.len && !octet_is_space(s.ptr[i]); i++)
        ;
    return i > start ? i : 0;
}

/* The first date of a Received line, the blank before it and, maybe, one octet after that blank
 * included. */
static bool
find_received_date(struct span line, struct span *date)
{
    for (size_t i = 0; i + 10 < line.len; i++) {
        size_t end = octet_is_space(line.ptr[i]) ? date_end(line, i + 2) : 0;

        if (end == 0 && octet_is_space(line.ptr[i]))
            end = date_end(line, i + 1);
        if (end > 0) {
            *date = (struct span){line.ptr + i, end - i};
            return true;
        }
    }
    return false;
}

/* A line that fetchmail or a local delivery wrote: its date is that of the fetching. */
static bool
is_local_line(struct span line)
{
    size_t off;

    if (span_find(line, "qmail ", &off) && span_has(span_from(line, off), " invoked by uid "))
        return true;
    for (struct span rest = line; span_find(rest, "from ", &off);) {
        const uint8_t *at = rest.ptr + off;
        bool is_start = at == line.ptr || !octet_is_word(at[-1]);
        struct span name = span_from(rest, off + 5);

        rest = name;
        if (!is_start)
            continue;
        if (span_starts(name, "localhost") && name.len > 9 && octet_is_space(name.ptr[9]))
            return true;
        for (unsigned words = 0; words < 2; words++) {
            size_t len = span_word_len(name), hit;
            struct span next = span_from(name, len + 1);

            if (len == 0 || len == name.len || name.ptr[len] != ' ')
                break;
            next.len = span_word_len(next);
            if (span_find(next, "127.0.0.1", &hit) &&
                (hit == 0 || !octet_is_word(next.ptr[hit - 1])) &&
                (hit + 9 == next.len || !octet_is_word(next.ptr[hit + 9])))
                return true;
            name = span_from(name, len + 1);
        }
    }
    return false;
}

static bool
is_fetchmail_line(struct span line)
{
    size_t off;

    return span_find(line, "by localhost with ", &off) &&
           span_has(span_from(line, off), " (fetchmail-");
}

static bool
is_blank_line(struct span line)
{
    for (size_t i = 0; i < line.len; i++) {
        if (!octet_is_space(line.ptr[i]))
            return false;
    }
    return true;
}

/* Reads lines until one is not blank. */
static bool
next_line(struct span *rest, struct span *line)
{
    while (span_line(rest, line)) {
        if (!is_blank_line(*line))
            return true;
    }
    return false;
}

/* Behind the lines that tell only of the fetching from a mailbox. A local line without a fetchmail
 * line behind it stays. */
static struct span
behind_fetch(struct span received)
{
    struct span rest = received, line;

    if (!next_line(&rest, &line))
        return received;
    if (is_local_line(line)) {
        if (!next_line(&rest, &line) || !is_fetchmail_line(line))
            return received;
        return rest;
    }
    return is_fetchmail_line(line) ? rest : received;
}

static int64_t
magnitude(int64_t a)
{
    return a < 0 ? -a : a;
}

/* How far Date is from the Received date that is nearest; 0 when one is missing. The oldest line is
 * left out when it agrees to the second: that line and Date come from the same hand. */
static int64_t
date_diff(const struct header_facts *f)
{
    struct span rest = behind_fetch(fact_value(f, "Received")), line, date;
    int64_t diff[EVAL_DATES_MAX], sent, time, best;
    unsigned cnt = 0;

    if (!header_time(f, &sent))
        return 0;
    while (cnt < EVAL_DATES_MAX && next_line(&rest, &line)) {
        if (find_received_date(line, &date) && eval_date_parse(date, &time))
            diff[cnt++] = sent - time;
    }
    if (cnt > 1 && diff[cnt - 1] == 0)
        cnt--;
    best = cnt == 0 ? 0 : diff[0];
    for (unsigned i = 1; i < cnt; i++)
        best = magnitude(diff[i]) < magnitude(best) ? diff[i] : best;
    return best;
}

int32_t
eval_check_for_shifted_date(const struct header_facts *f, const struct eval_args *a)
{
    double diff;

    if (f->memo == NULL || !f->memo->has_date_diff) {
        int64_t found = date_diff(f);
        if (f->memo != NULL)
            *f->memo = (struct header_memo){.has_date_diff = true, .date_diff = found};
        diff = (double)found;
    } else {
        diff = (double)f->memo->date_diff;
    }

    return (eval_arg_is(a, 0, "undef") || diff >= 3600 * eval_arg_number(a, 0)) &&
           (eval_arg_is(a, 1, "undef") || diff < 3600 * eval_arg_number(a, 1));
}

/* Outlook puts the time into its message ids, in units of 2^32 * 100 ns. */
static bool
is_far(double token, int64_t seconds)
{
    double expected = (double)(int64_t)((double)seconds * 0.0023283064365387 + 27111902.8329849);
    double diff = token - expected;

    return diff >= 250 || diff <= -250;
}

/* "<0123xxxxxxxx$xxxxxxxx$xxxxxxxx@": the first eight x. */
static bool
outlook_token(struct span id, double *token)
{
    static const char hex[] = "0123456789abcdef";
    static const uint8_t runs[] = {12, 8, 8};
    double value = 0;
    size_t i = 1;

    if (!span_starts(id, "<"))
        return false;
    for (unsigned k = 0; k < 3; k++) {
        for (unsigned n = 0; n < runs[k]; n++, i++) {
            const char *digit = i >= id.len || id.ptr[i] == '\0' ? NULL : strchr(hex, id.ptr[i]);

            if (digit == NULL)
                return false;
            if (k == 0 && n >= 4)
                value = value * 16 + (double)(digit - hex);
        }
        if (i >= id.len || id.ptr[i++] != (k < 2 ? '$' : '@'))
            return false;
    }
    *token = value;
    return true;
}

int32_t
eval_check_outlook_message_id(const struct header_facts *f, const struct eval_args *a)
{
    int64_t seconds = 0;
    double token;

    (void)a;
    if (!outlook_token(fact_value(f, "MESSAGEID"), &token))
        return 0;
    if (!eval_date_parse(fact_value(f, "Date"), &seconds))
        seconds = 0;
    if (!is_far(token, seconds))
        return 0;
    if (!eval_date_parse(fact_value(f, "Received"), &seconds))
        seconds = 0;
    return is_far(token, seconds);
}
