#include "control/status.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/journal.h"

enum { PATH_SIZE = 512 };

/* ---- the page ---- */

static const char style[] =
    "body{font:16px/1.5 system-ui,sans-serif;margin:0 "
    "auto;max-width:44rem;padding:1rem;color:#222;background:#fff}"
    "h1{font-size:1.3rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}h3{font-size:1rem;margin:0}"
    ".banner{padding:.8rem 1rem;border-radius:.4rem;color:#fff;font-weight:600}"
    ".none{background:#1a7f37}.minor{background:#8a5a00}.major{background:#b3400f}.critical{"
    "background:#a40e26}"
    "ul{list-style:none;margin:0;padding:0}li{display:flex;justify-content:space-between;gap:1rem;"
    "padding:.5rem 0;"
    "border-bottom:1px solid #ddd}article{border-left:.3rem solid #888;padding:.1rem 0 .1rem "
    ".8rem;margin:1rem 0}"
    "p{margin:.4rem 0;overflow-wrap:anywhere}time,footer{color:#595959;font-size:.85rem}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#161616}li{border-color:#444}"
    "time,footer{color:#aaa}}";

/* XML has no controls, nor U+FFFE and U+FFFF (their first octet; the others become '?'). */
static bool
is_no_character(const unsigned char *at)
{
    return *at < ' ' || *at == 127 || (at[0] == 0xef && at[1] == 0xbf && at[2] >= 0xbe);
}

static void
put_escaped(FILE *out, const char *text)
{
    for (const unsigned char *at = (const unsigned char *)(text ? text : ""); *at; at++) {
        if (*at == '&')
            fputs("&amp;", out);
        else if (*at == '<')
            fputs("&lt;", out);
        else if (*at == '>')
            fputs("&gt;", out);
        else if (*at == '"')
            fputs("&quot;", out);
        else if (*at == '\'')
            fputs("&#39;", out);
        else if (is_no_character(at))
            fputc(' ', out);
        else
            fputc(*at, out);
    }
}

/* As printf, but each %s is escaped; nothing else than %s. */
static void __attribute__((format(printf, 2, 3))) put(FILE *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    for (const char *at = format; *at; at++) {
        if (at[0] == '%' && at[1] == 's') {
            put_escaped(out, va_arg(args, const char *));
            at++;
        } else {
            fputc(*at, out);
        }
    }
    va_end(args);
}

static const cJSON *
member(const cJSON *of, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(of, name);
}

static const char *
text_of(const cJSON *of, const char *name)
{
    const char *text = cJSON_GetStringValue(member(of, name));
    return text ? text : "";
}

/* One of the words that Statuspage knows, as people read it. */
static const char *
words_of(const char *word)
{
    static const struct {
        const char *word, *words;
    } known[] = {{"operational", "Operational"},       {"degraded_performance", "Degraded"},
                 {"partial_outage", "Partial outage"}, {"major_outage", "Major outage"},
                 {"investigating", "Investigating"},   {"identified", "Identified"},
                 {"monitoring", "Monitoring"},         {"resolved", "Resolved"}};
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        if (!strcmp(known[i].word, word))
            return known[i].words;
    }
    return word;
}

/* A class of the style sheet, not what the document says. */
static const char *
class_of(const char *indicator)
{
    static const char *const classes[] = {"none", "minor", "major"};
    for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++) {
        if (!strcmp(classes[i], indicator))
            return classes[i];
    }
    return "critical";
}

/* "2026-01-31T23:59:59.125Z" as "2026-01-31 23:59:59 UTC". */
static void
put_time(FILE *out, const char *time)
{
    char text[32];
    snprintf(text, sizeof(text), "%.10s %.8s UTC", time, strlen(time) > 11 ? time + 11 : "");
    put(out, "<time datetime=\"%s\">%s</time>", time, text);
}

static void
put_components(FILE *out, const cJSON *components)
{
    const cJSON *c;
    fputs("<h2>Services</h2>\n<ul>\n", out);
    cJSON_ArrayForEach(c, components) put(out, "<li><span>%s</span><span>%s</span></li>\n",
                                          text_of(c, "name"), words_of(text_of(c, "status")));
    fputs("</ul>\n", out);
}

static void
put_incident(FILE *out, const cJSON *incident)
{
    const cJSON *update;
    put(out, "<article id=\"%s\">\n<h3>%s</h3>\n", text_of(incident, "id"),
        text_of(incident, "name"));
    cJSON_ArrayForEach(update, member(incident, "incident_updates"))
    {
        put(out, "<p><strong>%s</strong> %s<br/>", words_of(text_of(update, "status")),
            text_of(update, "body"));
        put_time(out, text_of(update, "created_at"));
        fputs("</p>\n", out);
    }
    if (*text_of(incident, "expires_at")) {
        fputs("<p>Until ", out);
        put_time(out, text_of(incident, "expires_at"));
        fputs("</p>\n", out);
    }
    fputs("</article>\n", out);
}

static void
put_incidents(FILE *out, const cJSON *incidents, bool is_resolved, const char *title)
{
    const cJSON *incident;
    bool has_title = false;
    cJSON_ArrayForEach(incident, incidents)
    {
        if (!strcmp(text_of(incident, "status"), "resolved") != is_resolved)
            continue;
        if (!has_title)
            put(out, "<h2>%s</h2>\n", title);
        has_title = true;
        put_incident(out, incident);
    }
}

static void
put_page(FILE *out, const cJSON *document)
{
    const cJSON *page = member(document, "page");
    const cJSON *status = member(document, "status");
    const char *name = text_of(page, "name");
    fputs("<!DOCTYPE html>\n<html lang=\"en\" "
          "xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n<meta charset=\"utf-8\"/>\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
          "<meta http-equiv=\"refresh\" content=\"30\"/>\n",
          out);
    put(out, "<title>%s: %s</title>\n<style>%s</style>\n</head>\n<body>\n", name,
        text_of(status, "description"), style);
    put(out, "<h1>%s</h1>\n<p class=\"banner %s\">%s</p>\n", name,
        class_of(text_of(status, "indicator")), text_of(status, "description"));
    put_incidents(out, member(document, "incidents"), false, "Now");
    put_components(out, member(document, "components"));
    put_incidents(out, member(document, "incidents"), true, "Past incidents");
    fputs("<footer><p>Written ", out);
    put_time(out, text_of(page, "updated_at"));
    fputs(", at least every minute. The same for programs: <a "
          "href=\"status.json\">status.json</a></p></footer>\n"
          "</body>\n</html>\n",
          out);
}

char *
status_html(const cJSON *document)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    if (!out)
        return NULL;
    put_page(out, document);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    journal_make_utf8(text); /* a text may have been cut within a character */
    return text;
}

/* ---- the files ---- */

static int
write_all(int fd, const char *text)
{
    for (size_t len = strlen(text); len;) {
        ssize_t n = write(fd, text, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        text += n;
        len -= (size_t)n;
    }
    return 0;
}

static int
write_file(const char *folder, const char *name, const char *text)
{
    char path[PATH_SIZE];
    char fresh[PATH_SIZE];
    if (!text)
        return -ENOMEM;
    if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= PATH_SIZE ||
        snprintf(fresh, sizeof(fresh), "%s/.%s.new", folder, name) >= PATH_SIZE)
        return -ENAMETOOLONG;
    unlink(fresh); /* of a process that died; or a link of somebody's */
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return -errno;
    fchmod(fd, 0644); /* public, whatever the umask */
    int result = write_all(fd, text);
    if (close(fd) != 0 && !result)
        result = -errno;
    if (!result && rename(fresh, path) != 0)
        result = -errno;
    if (result)
        unlink(fresh);
    return result;
}

int
status_write(const char *folder, const cJSON *document)
{
    char *json = cJSON_Print(document);
    char *html = status_html(document);
    if (json)
        journal_make_utf8(json);
    int first = write_file(folder, "status.json", json);
    int second = write_file(folder, "status.html", html);
    cJSON_free(json);
    free(html);
    return first ? first : second;
}
