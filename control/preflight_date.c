#include "control/preflight_date.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char days[] = "SunMonTueWedThuFriSat";

enum { YEAR_MIN = 1970, YEAR_MAX = 2099, DATE_TEXT_MAX = 64 };

enum form { FORM_MAIL, FORM_ASCTIME, FORM_ISO };

/* A date that was found: what it says, and how it is written. */
struct found {
    enum form form;
    struct tm tm;
    bool has_weekday, has_time, has_seconds;
    char separator; /* ISO: between date and time */
    bool is_day_padded, is_day_spaced; /* "03", " 3" */
    size_t len;
};

/* A cursor that never leaves its text. */
struct cursor {
    const uint8_t *at, *end;
};

static bool
take(struct cursor *c, char octet)
{
    if (c->at == c->end || *c->at != (uint8_t)octet)
        return false;
    c->at++;
    return true;
}

/* Of `min` to `max` digits; no digit may follow. */
static bool
take_number(struct cursor *c, int min, int max, int *n)
{
    int cnt = 0;
    *n = 0;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9' && cnt <= max) {
        *n = *n * 10 + (*c->at++ - '0');
        cnt++;
    }
    return cnt >= min && cnt <= max;
}

/* One of the three-letter words of `words`. */
static bool
take_word(struct cursor *c, const char *words, int *idx)
{
    for (int i = 0; c->end - c->at >= 3 && words[3 * i]; i++) {
        if (!strncasecmp((const char *)c->at, words + 3 * i, 3)) {
            c->at += 3;
            *idx = i;
            return true;
        }
    }
    return false;
}

/* "12:34" or "12:34:56"; nothing is taken when it is no time. */
static bool
take_time(struct cursor *c, struct found *f)
{
    struct cursor t = *c;
    if (!take_number(&t, 1, 2, &f->tm.tm_hour) || !take(&t, ':') || !take_number(&t, 2, 2, &f->tm.tm_min))
        return false;
    struct cursor s = t;
    f->has_seconds = take(&s, ':') && take_number(&s, 2, 2, &f->tm.tm_sec);
    *c = f->has_seconds ? s : t;
    return f->has_time = f->tm.tm_hour < 24 && f->tm.tm_min < 60 && f->tm.tm_sec <= 60;
}

static bool
is_date(const struct found *f)
{
    return f->tm.tm_year + 1900 >= YEAR_MIN && f->tm.tm_year + 1900 <= YEAR_MAX && f->tm.tm_mday >= 1 &&
           f->tm.tm_mday <= 31 && f->tm.tm_mon >= 0 && f->tm.tm_mon < 12;
}

static bool
take_year(struct cursor *c, struct found *f)
{
    int year;
    if (!take_number(c, 4, 4, &year))
        return false;
    f->tm.tm_year = year - 1900;
    return is_date(f);
}

/* "[Mon, ]3 Feb 2025[ 12:34:56]" */
static bool
take_mail_date(struct cursor *c, struct found *f)
{
    int day;
    *f = (struct found){.form = FORM_MAIL};
    if (take_word(c, days, &day)) {
        f->has_weekday = true;
        if (!take(c, ','))
            return false;
        take(c, ' ');
    }
    f->is_day_spaced = c->at < c->end && *c->at == ' ' && take(c, ' ');
    f->is_day_padded = c->at < c->end && *c->at == '0';
    if (!take_number(c, 1, 2, &f->tm.tm_mday) || !take(c, ' ') || !take_word(c, months, &f->tm.tm_mon) ||
        !take(c, ' ') || !take_year(c, f))
        return false;
    struct cursor t = *c;
    if (take(&t, ' ') && take_time(&t, f))
        *c = t;
    return true;
}

/* "[Mon ]Feb  3 12:34:56 2025" */
static bool
take_asctime(struct cursor *c, struct found *f)
{
    int day;
    *f = (struct found){.form = FORM_ASCTIME};
    if (take_word(c, days, &day)) {
        f->has_weekday = true;
        if (!take(c, ' '))
            return false;
    }
    if (!take_word(c, months, &f->tm.tm_mon) || !take(c, ' '))
        return false;
    f->is_day_spaced = take(c, ' ');
    f->is_day_padded = c->at < c->end && *c->at == '0';
    return take_number(c, 1, 2, &f->tm.tm_mday) && take(c, ' ') && take_time(c, f) && take(c, ' ') && take_year(c, f);
}

/* "2025-02-03[T12:34:56]" */
static bool
take_iso(struct cursor *c, struct found *f)
{
    int month;
    *f = (struct found){.form = FORM_ISO};
    f->tm.tm_mday = 1;
    if (!take_year(c, f) || !take(c, '-') || !take_number(c, 2, 2, &month) || !take(c, '-') ||
        !take_number(c, 2, 2, &f->tm.tm_mday))
        return false;
    f->tm.tm_mon = month - 1;
    struct cursor t = *c;
    if (t.at < t.end && (*t.at == 'T' || *t.at == ' ')) {
        f->separator = (char)*t.at++;
        if (take_time(&t, f))
            *c = t;
    }
    return is_date(f);
}

/* The date that begins at text[at]; a letter or digit before it makes it a part of something else. */
static bool
find_at(const uint8_t *text, size_t len, size_t at, bool is_iso_wanted, struct found *f)
{
    static bool (*const forms[])(struct cursor *, struct found *) = {take_mail_date, take_asctime, take_iso};
    uint8_t before = at ? text[at - 1] : '\n', first = (uint8_t)(text[at] | 32);
    bool is_digit = text[at] >= '0' && text[at] <= '9';
    if (!is_digit && !strchr("smtwfjaond", first))
        return false;
    if ((before >= '0' && before <= '9') || (before >= 'A' && before <= 'Z') || (before >= 'a' && before <= 'z') ||
        before == '-')
        return false;
    for (size_t i = 0; i < (is_iso_wanted ? 3 : 2); i++) {
        struct cursor c = {text + at, text + len};
        if (forms[i](&c, f)) {
            f->len = (size_t)(c.at - (text + at));
            return true;
        }
    }
    return false;
}

static int
write_date(const struct found *f, const struct tm *tm, char *out, size_t size)
{
    char time_text[16] = "", weekday[8] = "";
    const char *mon = months + 3 * tm->tm_mon;
    if (f->has_time && f->has_seconds)
        snprintf(time_text, sizeof(time_text), "%02d:%02d:%02d", tm->tm_hour % 24, tm->tm_min % 60, tm->tm_sec % 61);
    else if (f->has_time)
        snprintf(time_text, sizeof(time_text), "%02d:%02d", tm->tm_hour % 24, tm->tm_min % 60);
    if (f->has_weekday)
        snprintf(weekday, sizeof(weekday), "%.3s%s ", days + 3 * tm->tm_wday, f->form == FORM_MAIL ? "," : "");
    if (f->form == FORM_ISO)
        return snprintf(out, size, "%d-%02d-%02d%.*s%s", tm->tm_year + 1900, tm->tm_mon + 1, tm->tm_mday,
                        f->has_time, &f->separator, time_text);
    if (f->form == FORM_ASCTIME)
        return snprintf(out, size, f->is_day_padded ? "%s%.3s %02d %s %d" : "%s%.3s %2d %s %d", weekday, mon,
                        tm->tm_mday, time_text, tm->tm_year + 1900);
    return snprintf(out, size, f->is_day_padded ? "%s%02d %.3s %d%s%s" : f->is_day_spaced ? "%s%2d %.3s %d%s%s" : "%s%d %.3s %d%s%s",
                    weekday, tm->tm_mday, mon, tm->tm_year + 1900, f->has_time ? " " : "", time_text);
}

/* Fields whose value is a name with a date's look. */
static bool
is_name_field(const uint8_t *line, size_t len)
{
    static const char *const names[] = {"message-id:", "references:", "in-reply-to:"};
    for (size_t i = 0; i < 3; i++) {
        size_t name_len = strlen(names[i]);
        if (len >= name_len && !strncasecmp((const char *)line, names[i], name_len))
            return true;
    }
    return false;
}

size_t
preflight_date_move(const uint8_t *mail, size_t len, int64_t by, uint8_t *out, size_t cap)
{
    size_t to = 0;
    bool is_name = false;
    struct found f;
    for (size_t at = 0; at < len;) {
        char text[DATE_TEXT_MAX];
        if ((at == 0 || mail[at - 1] == '\n') && mail[at] != ' ' && mail[at] != '\t')
            is_name = is_name_field(mail + at, len - at);
        if (!find_at(mail, len, at, !is_name, &f)) {
            if (to == cap)
                return 0;
            out[to++] = mail[at++];
            continue;
        }
        struct tm tm = f.tm, moved;
        time_t t = timegm(&tm) + by;
        if (!gmtime_r(&t, &moved))
            moved = tm;
        int n = write_date(&f, &moved, text, sizeof(text));
        if ((size_t)n > cap - to)
            return 0;
        memcpy(out + to, text, (size_t)n);
        to += (size_t)n;
        at += f.len;
    }
    return to;
}

bool
preflight_date_newest(const uint8_t *mail, size_t len, int64_t *date)
{
    bool is_there = false, is_wanted = false;
    struct found f;
    for (size_t at = 0; at < len; at++) {
        bool is_line = at == 0 || mail[at - 1] == '\n';
        if (is_line && (mail[at] == '\r' || mail[at] == '\n'))
            break; /* the header is over */
        if (is_line && mail[at] != ' ' && mail[at] != '\t')
            is_wanted = (len - at > 5 && !strncasecmp((const char *)mail + at, "date:", 5)) ||
                        (len - at > 9 && !strncasecmp((const char *)mail + at, "received:", 9));
        if (!is_wanted || !find_at(mail, len, at, false, &f))
            continue;
        struct tm tm = f.tm;
        int64_t t = timegm(&tm);
        if (!is_there || t > *date)
            *date = t;
        is_there = true;
        at += f.len - 1;
    }
    return is_there;
}
