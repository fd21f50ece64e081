/* What a node's header says: the part of mime_facts that looks at fields. */
#include <string.h>

#include "scan/mime_facts.h"

/* The fields of a part's header that matter, unfolded; the last of each name, as SpamAssassin takes it. */
struct node_fields {
    struct span type, encoding, disposition;
    uint8_t type_buf[MIME_FACTS_FIELD_MAX + 1];
    char encoding_buf[MIME_FACTS_VALUE_MAX];
    char disposition_buf[MIME_FACTS_FIELD_MAX + 1];
};

static struct span
trim(struct span s)
{
    while (s.len && (s.ptr[0] == ' ' || (s.ptr[0] >= '\t' && s.ptr[0] <= '\r')))
        s.ptr++, s.len--;
    while (s.len && (s.ptr[s.len - 1] == ' ' || (s.ptr[s.len - 1] >= '\t' && s.ptr[s.len - 1] <= '\r')))
        s.len--;
    return s;
}

static struct span
field_value(struct span value, uint8_t *buf)
{
    if (value.len > MIME_FACTS_FIELD_MAX)
        value.len = MIME_FACTS_FIELD_MAX;
    size_t len = header_unfold(value, buf);
    return trim((struct span){ buf, len });
}

/* Lower-case copy with NUL, cut. */
static void
copy_lower(struct span s, char *out, size_t out_size)
{
    size_t len = 0;
    for (; len < s.len && len + 1 < out_size; len++) {
        uint8_t c = s.ptr[len];
        out[len] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c ? c : ' ');
    }
    out[len] = '\0';
}

static void
read_fields(const struct header *h, struct node_fields *n)
{
    static const char *const names[] = { "content-type", "content-transfer-encoding",
                                         "content-disposition" };
    struct header_field last[3], f;
    bool has[3] = { false, false, false };
    for (size_t off = 0; header_field(h, &off, &f);)
        for (unsigned i = 0; i < 3; i++)
            if (header_name_is(&f, names[i])) {
                last[i] = f;
                has[i] = true;
            }
    n->encoding_buf[0] = n->disposition_buf[0] = '\0';
    uint8_t *buf = n->type_buf;
    if (has[1])
        copy_lower(field_value(last[1].value, buf), n->encoding_buf, sizeof(n->encoding_buf));
    if (has[2])
        copy_lower(field_value(last[2].value, buf), n->disposition_buf, sizeof(n->disposition_buf));
    n->type = has[0] ? field_value(last[0].value, buf) : (struct span){ buf, 0 };
    if (!n->type.len || (n->type.len == 1 && n->type.ptr[0] == '0'))
        n->type = (struct span){ (const uint8_t *)"text/plain; charset=us-ascii", 28 };
}

/* "iso-xx-yy" that is none of 8859 and 2022-jp/kr. */
static bool
is_bad_iso(const char *charset)
{
    const char *iso = strstr(charset, "iso-");
    if (!iso)
        return false;
    const char *a = strchr(iso + 4, '-');
    if (!a || a == iso + 4 || !a[1] || strcspn(iso, " \t") < (size_t)(a + 2 - iso))
        return false;
    for (; iso; iso = strstr(iso + 1, "iso-")) {
        if (!strncmp(iso, "iso-8859-", 9) && iso[9] >= '0' && iso[9] <= '9')
            return false;
        if (!strncmp(iso, "iso-2022-jp", 11) || !strncmp(iso, "iso-2022-kr", 11))
            return false;
    }
    return true;
}

static bool
is_ascii_charset(const char *charset)
{
    static const char *const names[] = { "us", "ascii", "ansi_x3.4-1968", "iso-ir-6", "ansi_x3.4-1986",
                                         "iso_646.irv:1991", "ibm367", "cp367" };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strstr(charset, names[i]))
            return true;
    return !charset[0];
}

static bool
has_letter(const char *s)
{
    for (; *s; s++)
        if (*s >= 'a' && *s <= 'z')
            return true;
    return false;
}

static bool
is_disposed(const char *disposition)
{
    return !strncmp(disposition, "attachment", 10) || !strncmp(disposition, "inline", 6);
}

static void
count_node(struct mime_facts *f, const char *type, const struct node_fields *n, const char *charset)
{
    if (!strcmp(type, "text/html"))
        f->html_cnt++;
    else if (!strncmp(type, "text", 4))
        f->text_cnt++;
    bool is_base64 = strstr(n->encoding_buf, "base64");
    if (is_base64)
        f->base64_cnt++;
    else if (strstr(n->encoding_buf, "quoted-printable"))
        f->qp_cnt++;
    f->attachment_cnt += strstr(n->disposition_buf, "attachment") != NULL;
    if (!strncmp(type, "text", 4) && is_base64 && is_ascii_charset(charset) &&
        !is_disposed(n->disposition_buf))
        f->has_base64_text = true;
    f->has_bad_iso_charset |= is_bad_iso(charset);
    /* Charsets are looked at word by word. */
    if (has_letter(charset))
        for (const char *s = charset; *s;) {
            size_t len = strcspn(s, " ");
            f->has_caps_charset |= len && mime_charset_is_caps((struct span){ (const uint8_t *)s, len });
            s += len + (s[len] == ' ');
        }
}

static bool
is_one_of(const char *word, const char *const *words, size_t cnt)
{
    for (size_t i = 0; i < cnt; i++)
        if (!strcmp(word, words[i]))
            return true;
    return false;
}

#define IS_ONE_OF(word, words) is_one_of(word, words, sizeof(words) / sizeof((words)[0]))

static bool
is_executable_name(const char *name)
{
    static const char *const ends[] = {
        "ade", "adp", "asx", "bas", "bat", "chm", "cmd", "com", "cpl", "crt", "dll", "exe", "hlp", "hta",
        "inf", "ins", "isp", "js",  "jse", "lnk", "mda", "mdb", "mde", "mdt", "mdw", "mdz", "msc", "msi",
        "msp", "mst", "nws", "ops", "pcd", "pif", "prf", "reg", "scf", "sc",  "scr", "sct", "shb", "shs",
        "shm", "swf", "url", "vb",  "vbe", "vbs", "vbx", "vxd", "wsc", "wsf", "wsh"
    };
    const char *dot = strrchr(name, '.');
    return dot && IS_ONE_OF(dot + 1, ends);
}

static bool
ends_in(const char *s, const char *end)
{
    size_t len = strlen(s), end_len = strlen(end);
    return len >= end_len && !strcmp(s + len - end_len, end);
}

static bool
is_html_end(const char *end)
{
    if (*end == 'p' || *end == 'x')
        end++;
    return !strcmp(end, "htm") || !strcmp(end, "html");
}

static bool
is_text_type(const char *type)
{
    static const char *const starts[] = { "text/plain", "text/htm", "text/phtm", "text/xhtm", "text/english",
                                          "text/sgml", "text/xml", "text/enriched", "text/richtext",
                                          "message/external-body" };
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
        if (!strncmp(type, starts[i], strlen(starts[i])))
            return true;
    return false;
}

/* The file name's end belongs to another type than the one declared. */
static bool
is_suspect(const char *end, const char *type)
{
    static const char *const images[] = { "jpg", "jpeg", "tif", "tiff", "gif", "png" };
    static const char *const programs[] = { "bat", "com", "exe", "pif", "scr", "swf", "vbs" };
    bool is_application = !strncmp(type, "application/", 12);
    if (!strcmp(end, "txt") || !strcmp(end, "xml") || is_html_end(end))
        return !is_text_type(type);
    if (IS_ONE_OF(end, images))
        return strncmp(type, "image/", 6) && strncmp(type, "application/mac-binhex", 22);
    if (!strcmp(end, "vcf"))
        return strcmp(type, "text/vcard") != 0;
    if (IS_ONE_OF(end, programs))
        return !is_application;
    if (!strcmp(end, "doc"))
        return !is_application || !ends_in(type, "word");
    if (!strcmp(end, "ppt"))
        return !is_application || !(ends_in(type, "powerpoint") || ends_in(type, "ppt"));
    return !strcmp(end, "xls") && (!is_application || !ends_in(type, "excel"));
}

static void
look_at_name(struct mime_facts *f, const char *type, const char *name)
{
    f->now.is_named_executable = is_executable_name(name);
    f->has_executable |= f->now.is_named_executable;
    if (!name[0] || !strcmp(type, "application/octet-stream"))
        return;
    const char *dot = strrchr(name, '.'), *slash = strchr(type, '/');
    char plain[MIME_FACTS_VALUE_MAX];
    size_t head = slash ? (size_t)(slash + 1 - type) : 0;
    size_t drop = slash && !strncmp(slash + 1, "x-", 2) ? 2 : slash && !strncmp(slash + 1, "vnd.", 4) ? 4 : 0;
    memcpy(plain, type, head);
    strcpy(plain + head, type + head + drop);
    f->has_suspect_name |= is_suspect(dot ? dot + 1 : name, plain);
}

static enum mime_node_type
node_type(const char *type)
{
    if (!strcmp(type, "text/plain"))
        return MIME_NODE_PLAIN;
    if (!strcmp(type, "text/html"))
        return MIME_NODE_HTML;
    return strcmp(type, "multipart/alternative") ? MIME_NODE_OTHER : MIME_NODE_ALTERNATIVE;
}

/* What may stand beside the texts of an alternative. */
static bool
is_alternative_usual(const char *type)
{
    return !strcmp(type, "multipart/related") || !strcmp(type, "application/rtf") ||
           !strncmp(type, "text/", 5);
}

static void
look_at_tree(struct mime_facts *f, const char *type, unsigned depth, bool is_leaf)
{
    enum mime_node_type node = node_type(type);
    f->has_alternative |= node == MIME_NODE_ALTERNATIVE;
    if (depth < MIME_FACTS_DEPTH_MAX)
        f->parents[depth] = is_leaf ? MIME_NODE_OTHER : node;
    bool is_inside = depth && depth <= MIME_FACTS_DEPTH_MAX && f->parents[depth - 1] == MIME_NODE_ALTERNATIVE;
    if (is_inside && is_leaf && !is_alternative_usual(type))
        f->has_alternative_non_text = true;
    if (f->nodes_cnt == 0)
        f->is_meeting = node == MIME_NODE_ALTERNATIVE && !is_leaf;
    else if (depth == 1 && f->nodes_cnt == 1)
        f->is_meeting &= node == MIME_NODE_HTML;
    else
        f->is_meeting &= depth == 1 && f->nodes_cnt == 2 && !strcmp(type, "text/calendar");
    f->nodes_cnt++;
}

void
mime_facts_node(struct mime_facts *f, const struct header *h, unsigned depth, bool is_leaf)
{
    struct node_fields n;
    char type[MIME_FACTS_VALUE_MAX], charset[MIME_FACTS_VALUE_MAX] = "", name[MIME_FACTS_VALUE_MAX] = "";
    struct span param;
    read_fields(h, &n);
    mime_type_of(n.type, type, sizeof(type));
    bool has_charset = mime_type_param(n.type, "charset", &param);
    if (has_charset)
        copy_lower(param, charset, sizeof(charset));
    if (mime_type_param(n.type, "name", &param))
        copy_lower(param, name, sizeof(name));
    count_node(f, type, &n, charset);
    look_at_tree(f, type, depth, is_leaf);
    f->now = (struct mime_facts_now){ .type = node_type(type), .is_leaf = is_leaf, .is_first_line = true };
    if (!is_leaf)
        return;
    struct mime_facts_now *now = &f->now;
    now->is_attachment = strstr(n.disposition_buf, "attachment");
    now->is_base64 = strstr(n.encoding_buf, "base64");
    now->is_exact_base64 = !strcmp(n.encoding_buf, "base64");
    now->is_qp = !strcmp(n.encoding_buf, "quoted-printable");
    now->is_plain_encoding =
        !n.encoding_buf[0] || !strcmp(n.encoding_buf, "7bit") || !strcmp(n.encoding_buf, "8bit");
    now->is_ascii = now->type == MIME_NODE_PLAIN && (!has_charset || !strcmp(charset, "us-ascii"));
    now->is_text = !strncmp(type, "text", 4);
    now->is_ics = !strcmp(type, "application/ics");
    look_at_name(f, type, name);
}

/* Value of a field as SpamAssassin counts it: what is behind the colon, CRLF as LF. */
static size_t
value_len(const struct header_field *f)
{
    size_t len = f->line.len - f->name.len - 1;
    for (size_t i = 0; i + 1 < f->line.len; i++)
        len -= f->line.ptr[i] == '\r' && f->line.ptr[i + 1] == '\n';
    return len;
}

/* The charset that the whole top Content-Type names, quotes looked at first. */
static void
look_at_top_charset(struct mime_facts *f, struct span value)
{
    char text[MIME_FACTS_VALUE_MAX * 2];
    copy_lower(value, text, sizeof(text));
    for (int quote = 0; quote < 3; quote++) {
        static const char *const starts[] = { "charset=\"", "charset='", "charset=" };
        static const char *const ends[] = { "\"", "'", " \t\r\n\f\v" };
        const char *at = strstr(text, starts[quote]);
        if (!at)
            continue;
        at += strlen(starts[quote]);
        size_t len = strcspn(at, ends[quote]);
        if (!len || (quote < 2 && !at[len]))
            continue;
        f->has_caps_charset |= mime_charset_is_caps((struct span){ (const uint8_t *)at, len });
        return;
    }
}

void
mime_facts_message(struct mime_facts *f, const struct header *h)
{
    uint8_t buf[MIME_FACTS_FIELD_MAX + 1];
    struct header_field field;
    bool has_type = false;
    for (size_t off = 0; header_field(h, &off, &field);) {
        if (field.name.len > MIME_FACTS_FIELD_NAME_MAX || value_len(&field) > MIME_FACTS_FIELD_MAX)
            mime_facts_flag(f, MIME_FLAG_TRUNCATED_HEADER);
        if (has_type || !header_name_is(&field, "content-type"))
            continue;
        has_type = true;
        struct span value = field_value(field.value, buf);
        char type[10];
        copy_lower(value, type, sizeof(type));
        f->is_html_on_top = !strcmp(type, "text/html");
        look_at_top_charset(f, value);
    }
    if (!h->has_end)
        mime_facts_flag(f, MIME_FLAG_NO_HEAD_SEPARATOR);
}
