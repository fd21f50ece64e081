/* Parts that are files: attachment rules over their octets and over those of what is in their archives, hashes against
 * the signatures, and what their names and types say of them. */
#include <string.h>

#include "scan/explain.h"
#include "scan/message_private.h"
#include "scan/signature.h"

/* ---- a file: its octets, type and hashes, and the signatures that hit it ---- */

static void
file_open(struct message *m, struct file *f, bool is_text)
{
    bool failed = false;

    f->is_open = true;
    attachment_init(&f->what, m->wants.hashes);
    f->found.cnt = f->sure.cnt = 0;
    f->signature = SIGNATURE_NONE;
    f->stream = NULL;
    if (is_text && !m->wants.signatures)
        return;
    f->stream = match_open(m->rs, m->sc->thread_idx, TARGET_ATTACHMENT, &failed);
    message_check(m, !failed);
    if (f->stream)
        match_collect(f->stream, &f->found, is_text);
}

static void
file_feed(struct message *m, struct file *f, struct span octets)
{
    attachment_feed(&f->what, octets.ptr, octets.len);
    if (f->stream && octets.len)
        message_check(m, match_feed(f->stream, octets.ptr, octets.len, &m->hits));
}

static int64_t
look_up(const struct message *m, const struct attachment *a)
{
    const void *signatures = ruleset_signatures(m->rs);

    if (!signatures || !a->len)
        return SIGNATURE_NONE;
    return signature_table_find(signatures, a->hashes & ATTACHMENT_MD5 ? a->md5 : NULL,
                                a->hashes & ATTACHMENT_SHA1 ? a->sha1 : NULL,
                                a->hashes & ATTACHMENT_SHA256 ? a->sha256 : NULL, a->len);
}

/* What hit the file is held against what the file is; what is left is sure. A file that an .fp line names is clean,
 * with all that is in it. */
static void
file_close(struct message *m, struct file *f)
{
    if (f->stream)
        message_check(m, match_close(f->stream, &m->hits));
    f->stream = NULL;
    f->is_open = false;
    attachment_end(&f->what);
    int64_t signature = look_up(m, &f->what);
    if (signature == SIGNATURE_ALLOWED) {
        f->sure.cnt = 0;
        return;
    }
    for (unsigned i = 0; i < f->found.cnt; i++) {
        if (match_fits(m->rs, f->found.list[i].rule, f->what.magic))
            match_find(&f->sure, f->found.list[i].rule, f->found.list[i].to);
    }
    if (signature >= 0) {
        f->signature = signature;
        match_find(&f->sure, ruleset_signature_rule(m->rs), f->what.len);
    }
}

/* The member of an archive is over: what is sure of it is found in the archive. */
static void
hand_up(struct file *outer, const struct file *member)
{
    for (unsigned i = 0; i < member->sure.cnt; i++)
        match_find(&outer->sure, member->sure.list[i].rule, member->sure.list[i].to);
    if (member->sure.cnt && member->signature >= 0)
        outer->signature = member->signature;
}

static void
explain(const struct message *m, const struct file *f, const struct match_finding *finding)
{
    struct explain_hit hit = {.rule = finding->rule, .target = "attachment", .to = finding->to};

    if (finding->rule == ruleset_signature_rule(m->rs)) {
        hit.detail = signature_table_name(ruleset_signatures(m->rs), (uint32_t)f->signature);
        hit.confirmed = EXPLAIN_COMPUTED;
    } else {
        hit.from = EXPLAIN_FROM_UNKNOWN;
    }
    m->hits.explain->hit(m->hits.explain->owner, &hit);
}

static void
tell(struct message *m, const struct file *f)
{
    for (unsigned i = 0; i < f->sure.cnt; i++) {
        if (m->hits.explain && !hits_get(&m->hits, f->sure.list[i].rule))
            explain(m, f, &f->sure.list[i]);
        hits_set(&m->hits, f->sure.list[i].rule);
    }
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
    if (item->member.is_read)
        file_open(m, &l->files[item->depth], false);
    if (name.flags & (ATTACHMENT_DOUBLE_EXTENSION | ATTACHMENT_NAME_BIDI))
        message_event(m, EVENT_ATTACHMENT_NAME);
}

static void
member_end(struct message *m, struct lane *l, unsigned depth)
{
    if (!l->files[depth].is_open)
        return;
    file_close(m, &l->files[depth]);
    hand_up(&l->files[depth - 1], &l->files[depth]);
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
            if (l->files[item.depth].is_open)
                file_feed(m, &l->files[item.depth], item.data);
            break;
        case ARCHIVE_END:
            member_end(m, l, item.depth);
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
    l->archive = NULL;
    l->first_len = 0;
    for (unsigned i = 1; i <= ARCHIVE_DEPTH_MAX; i++)
        l->files[i].is_open = false;
    file_open(m, &l->files[0], l->is_text_file);
    if (p->name_len)
        attachment_name(&l->files[0].what, (struct span){(const uint8_t *)p->name, p->name_len});
}

static void
feed_archive(struct message *m, struct lane *l, struct span octets)
{
    if (l->archive && octets.len) {
        archive_feed(l->archive, octets.ptr, octets.len);
        walk_archive(m, l);
    }
}

/* The first octets are known, or there are no more. */
static void
begin_archive(struct message *m, struct lane *l)
{
    struct span first = {l->first, l->first_len};

    if (!may_be_archive(&l->files[0].what, first))
        return;
    l->archive = archive_take(pool_of(m)->archives[m->is_second]);
    if (!l->archive) {
        m->is_starved = true;
        message_event(m, EVENT_ARCHIVE_CAP);
    }
    feed_archive(m, l, first);
}

void
file_octets(struct message *m, struct lane *l, struct span octets)
{
    file_feed(m, &l->files[0], octets);
    while (octets.len && l->first_len < ARCHIVE_MAGIC_LEN) {
        l->first[l->first_len++] = *octets.ptr++;
        octets.len--;
        if (l->first_len == ARCHIVE_MAGIC_LEN)
            begin_archive(m, l);
    }
    feed_archive(m, l, octets);
}

void
file_end(struct message *m, struct lane *l)
{
    struct file *f = &l->files[0];

    if (l->first_len && l->first_len < ARCHIVE_MAGIC_LEN)
        begin_archive(m, l);
    if (l->archive)
        archive_over(m, l);
    file_close(m, f);
    if (f->what.flags & (ATTACHMENT_DOUBLE_EXTENSION | ATTACHMENT_NAME_BIDI | ATTACHMENT_NAME_PADDED |
                         ATTACHMENT_MISMATCH))
        message_event(m, EVENT_ATTACHMENT_NAME);
    tell(m, f);
    l->is_file = false;
}

void
file_abort(struct lane *l)
{
    if (!l->is_file)
        return;
    for (unsigned i = 0; i <= ARCHIVE_DEPTH_MAX; i++) {
        if (l->files[i].is_open)
            match_abort(l->files[i].stream);
    }
    if (l->archive)
        archive_give(l->archive);
    l->archive = NULL;
}
