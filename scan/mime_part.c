/* What a part's header says of it: type, encoding, names. See mime_private.h. */
#include <string.h>

#include "scan/mime_private.h"

static enum encoding
read_encoding(struct mime *m, struct span value)
{
    char token[32];

    param_token(value, token, sizeof(token));
    if (!strcmp(token, "base64"))
        return ENCODING_BASE64;
    if (!strcmp(token, "quoted-printable"))
        return ENCODING_QP;
    if (token[0] && strcmp(token, "7bit") && strcmp(token, "8bit") && strcmp(token, "binary"))
        mime_raise(m, EVENT_ENCODING_UNKNOWN);
    return ENCODING_IDENTITY;
}

static bool
is_html_name(const uint8_t *name, size_t len)
{
    static const char *const ends[] = {".htm", ".html", ".shtm", ".shtml"};

    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        size_t n = strlen(ends[i]);
        if (len >= n && !strncasecmp((const char *)name + len - n, ends[i], n))
            return true;
    }
    return false;
}

/* Every name that a client may choose counts for is_html_name; part.name is the one that most
 * choose. */
static void
read_file_name(struct mime *m, struct span value, const char *param)
{
    uint8_t name[MIME_NAME_MAX];
    char charset[CHARSET_NAME_MAX + 1];
    size_t len;

    if (!param_has(value, param))
        return;
    m->part.is_attachment = true;
    if (param_get(value, param, name, sizeof(name), &len) && len <= sizeof(name))
        m->part.is_html_name |= is_html_name(name, len);
    if (param_get_extended(value, param, name, sizeof(name), &len, charset) && len <= sizeof(name))
        m->part.is_html_name |= is_html_name(name, len);
}

static void
read_type(struct mime_part *p, struct span value)
{
    param_token(value, p->type, sizeof(p->type));
    char *slash = strchr(p->type, '/');
    p->is_typed = slash && slash != p->type && slash[1] && !strchr(slash + 1, '/');
    if (!p->is_typed)
        strcpy(p->type, "text/plain"); /* RFC 2045 5.2 */
    param_charset(value, p->charset, sizeof(p->charset));
}

static void
read_disposition(struct mime *m, struct span disposition, struct span type)
{
    struct mime_part *p = &m->part;
    char token[16];

    param_token(disposition, token, sizeof(token));
    if (!strcmp(token, "attachment"))
        p->is_attachment = true;
    read_file_name(m, disposition, "filename");
    read_file_name(m, disposition, "name");
    read_file_name(m, type, "name");
    if (!p->is_attachment)
        return;
    p->name_len = param_file_name(m->budget->charsets, disposition, type, (uint8_t *)p->name,
                                  sizeof(p->name) - 1);
    p->name[p->name_len] = '\0';
    p->is_html_name |= is_html_name((const uint8_t *)p->name, p->name_len);
}

bool
mime_part_read(struct mime *m, const struct header *h, struct span *type)
{
    struct span encoding = {NULL, 0}, disposition = {NULL, 0};
    struct header_field f;

    m->part = (struct mime_part){.type = "text/plain", .is_typed = true};
    for (size_t off = 0; header_field(h, &off, &f);) {
        struct span *value = header_name_is(&f, "content-type")                ? type
                             : header_name_is(&f, "content-transfer-encoding") ? &encoding
                             : header_name_is(&f, "content-disposition")       ? &disposition
                                                                               : NULL;
        if (!value)
            continue;
        if (value->ptr)
            mime_raise(m, EVENT_FIELD_DUPLICATE);
        *value = f.value;
    }
    if (type->ptr)
        read_type(&m->part, *type);
    if (encoding.ptr)
        m->part.encoding = read_encoding(m, encoding);
    read_disposition(m, disposition, *type);
    return type->ptr;
}
