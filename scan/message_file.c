/* Parts that are files: attachment rules over their octets and over those of what is in their archives, hashes against
 * the signatures, and what their names and types say of them. */
#include <string.h>

#include "scan/message_private.h"
#include "scan/signature.h"

static struct match_stream *
open_stream(struct message *m)
{
    bool failed = false;
    struct match_stream *s = match_open(m->rs, m->sc->thread_idx, TARGET_ATTACHMENT, &failed);

    message_check(m, !failed);
    return s;
}

static void
feed_stream(struct message *m, struct match_stream *s, struct span octets)
{
    if (s && octets.len)
        message_check(m, match_feed(s, octets.ptr, octets.len, &m->hits));
}

static void
close_stream(struct message *m, struct match_stream **s)
{
    if (*s)
        message_check(m, match_close(*s, &m->hits));
    *s = NULL;
}

/* ---- archives ---- */

static bool
may_be_archive(const struct attachment *file, struct span first)
{
    static const char *const extensions[] = {"zip", "jar", "docx", "xlsx", "pptx", "docm", "xlsm", "odt",
                                             "ods", "apk", "gz",   "tgz",  "rar",  "7z"};
    static const char *const magics[] = {"PK\3\4", "\x1f\x8b", "Rar!", "7z\xbc\xaf"};

    for (size_t i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++) {
        if (!strcmp(file->extension, extensions[i]))
            return true;
    }
    for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++) {
        size_t len = strlen(magics[i]);
        if (first.len >= len && !memcmp(first.ptr, magics[i], len))
            return true;
    }
    return false;
}

static void
note_flags(struct message *m, unsigned flags)
{
    const unsigned caps = 1u << ARCHIVE_FLAG_RATIO | 1u << ARCHIVE_FLAG_OCTETS | 1u << ARCHIVE_FLAG_MEMBERS |
                          1u << ARCHIVE_FLAG_DEPTH | 1u << ARCHIVE_FLAG_NAME_CUT;
    const unsigned encrypted = 1u << ARCHIVE_FLAG_ENCRYPTED;

    if (flags & encrypted)
        message_event(m, EVENT_ARCHIVE_ENCRYPTED);
    if (flags & caps)
        message_event(m, EVENT_ARCHIVE_CAP);
    if (flags & ~(caps | encrypted))
        message_event(m, EVENT_ARCHIVE_ODD);
}

/* A member's name is looked at as a part's is. */
static void
member_begin(struct message *m, struct lane *l, const struct archive_item *item)
{
    struct attachment name;

    attachment_init(&name, 0);
    attachment_name(&name, item->member.name);
    if (name.flags & (ATTACHMENT_DOUBLE_EXTENSION | ATTACHMENT_NAME_BIDI))
        message_event(m, EVENT_ATTACHMENT_NAME);
    if (item->member.is_read)
        l->members[item->depth - 1] = open_stream(m);
}

static void
walk_archive(struct message *m, struct lane *l)
{
    struct archive_item item;

    for (;;) {
        switch (archive_next(l->archive, &item)) {
        case ARCHIVE_MORE:
            return;
        case ARCHIVE_BEGIN:
            member_begin(m, l, &item);
            break;
        case ARCHIVE_DATA:
            feed_stream(m, l->members[item.depth - 1], item.data);
            break;
        case ARCHIVE_END:
            close_stream(m, &l->members[item.depth - 1]);
            break;
        case ARCHIVE_FLAG:
            break; /* all of them at the end */
        }
    }
}

static void
archive_over(struct message *m, struct lane *l)
{
    archive_end(l->archive);
    walk_archive(m, l);
    note_flags(m, archive_flags(l->archive));
    archive_give(l->archive);
    l->archive = NULL;
}

/* ---- the part ---- */

void
file_begin(struct message *m, struct lane *l, const struct mime_part *p)
{
    l->attachment = open_stream(m);
    l->archive = NULL;
    memset(l->members, 0, sizeof(l->members));
    attachment_init(&l->file, m->wants.hashes);
    if (p->name_len)
        attachment_name(&l->file, (struct span){(const uint8_t *)p->name, p->name_len});
}

void
file_octets(struct message *m, struct lane *l, struct span octets)
{
    if (l->file.len == 0 && may_be_archive(&l->file, octets)) {
        l->archive = archive_take(pool_of(m)->archives);
        if (!l->archive)
            message_event(m, EVENT_ARCHIVE_CAP);
    }
    attachment_feed(&l->file, octets.ptr, octets.len);
    feed_stream(m, l->attachment, octets);
    if (l->archive) {
        archive_feed(l->archive, octets.ptr, octets.len);
        walk_archive(m, l);
    }
}

static void
look_up(struct message *m, const struct attachment *file)
{
    const void *signatures = ruleset_signatures(m->rs);
    const uint8_t *md5 = file->hashes & ATTACHMENT_MD5 ? file->md5 : NULL;
    const uint8_t *sha1 = file->hashes & ATTACHMENT_SHA1 ? file->sha1 : NULL;
    const uint8_t *sha256 = file->hashes & ATTACHMENT_SHA256 ? file->sha256 : NULL;

    if (signatures && signature_table_find(signatures, md5, sha1, sha256, file->len) >= 0)
        hits_set(&m->hits, ruleset_signature_rule(m->rs));
}

void
file_end(struct message *m, struct lane *l)
{
    close_stream(m, &l->attachment);
    if (l->archive)
        archive_over(m, l);
    attachment_end(&l->file);
    if (l->file.flags & (ATTACHMENT_DOUBLE_EXTENSION | ATTACHMENT_NAME_BIDI | ATTACHMENT_NAME_PADDED |
                         ATTACHMENT_MISMATCH))
        message_event(m, EVENT_ATTACHMENT_NAME);
    look_up(m, &l->file);
    l->is_file = false;
}

void
file_abort(struct lane *l)
{
    if (!l->is_file)
        return;
    match_abort(l->attachment);
    for (unsigned i = 0; i < ARCHIVE_DEPTH_MAX; i++)
        match_abort(l->members[i]);
    if (l->archive)
        archive_give(l->archive);
    l->archive = NULL;
}
