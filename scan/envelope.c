#include "scan/envelope.h"

#include <string.h>

/* Running numbers wrap; the ring of unanswered commands keeps them close together. */
static bool
is_before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

void
envelope_clear(struct envelope *e)
{
    e->first.is_set = false;
    e->first.len = 0;
    e->second.is_set = false;
    e->is_reset = false;
    e->rcpt_total = e->rcpt_answered = e->rcpt_refused = 0;
    e->recorded = 0;
    e->text_len = 0;
}

/* Recipients before `second` go, those after it stay. */
static void
drop_early_rcpts(struct envelope *e)
{
    uint16_t cut = e->second_recorded;
    uint16_t text_cut = cut > 0 ? e->end[cut - 1] : 0;

    e->text_len = (uint16_t)(e->text_len - text_cut);
    memmove(e->text, e->text + text_cut, e->text_len);
    for (unsigned i = cut; i < e->recorded; i++) {
        e->end[i - cut] = (uint16_t)(e->end[i] - text_cut);
        e->is_refused[i - cut] = e->is_refused[i];
    }
    e->recorded = (uint16_t)(e->recorded - cut);
    e->rcpt_total -= e->second_total;
    e->rcpt_answered -= e->rcpt_answered < e->second_total ? e->rcpt_answered : e->second_total;
    e->rcpt_refused = 0;
    e->second_recorded = 0;
    e->second_total = 0;
}

/* `second` becomes the transaction. No recipient after it has been answered yet: it itself was not. */
static void
promote(struct envelope *e)
{
    drop_early_rcpts(e);
    e->first.is_set = true;
    e->first.cmd = e->second.cmd;
    e->first.len = e->second.len;
    memcpy(e->first.text, e->second.text, e->second.len);
    e->second.is_set = false;
    e->is_reset = e->is_reset && is_before(e->first.cmd, e->reset_cmd);
}

static void
set_mail(struct envelope_mail *m, uint32_t cmd, struct span path)
{
    m->is_set = true;
    m->cmd = cmd;
    m->len = (uint16_t)(path.len < PATH_LEN_MAX ? path.len : PATH_LEN_MAX);
    if (m->len > 0)
        memcpy(m->text, path.ptr, m->len);
}

void
envelope_mail(struct envelope *e, uint32_t cmd, struct span path)
{
    if (!e->first.is_set) {
        envelope_clear(e);
        set_mail(&e->first, cmd, path);
        return;
    }
    /* A third one: the server will have taken the second if a reset lies between. */
    if (e->second.is_set && e->is_reset && is_before(e->second.cmd, e->reset_cmd))
        promote(e);
    set_mail(&e->second, cmd, path);
    e->second_total = e->rcpt_total;
    e->second_recorded = e->recorded;
}

bool
envelope_rcpt(struct envelope *e, struct span path)
{
    size_t len = path.len < PATH_LEN_MAX ? path.len : PATH_LEN_MAX;
    uint32_t early = e->second.is_set ? e->second_total - e->second_recorded : 0;
    bool has_gap = e->recorded + early != e->rcpt_total;

    /* No gaps: recipient i and reply i must stay the same one. */
    e->rcpt_total++;
    if (has_gap || e->recorded == RCPT_RECORDED_MAX || len > (size_t)(RCPT_TEXT_MAX - e->text_len))
        return false;
    if (len > 0)
        memcpy(e->text + e->text_len, path.ptr, len);
    e->text_len = (uint16_t)(e->text_len + len);
    e->is_refused[e->recorded] = false;
    e->end[e->recorded++] = e->text_len;
    return true;
}

void
envelope_reset(struct envelope *e, uint32_t cmd)
{
    if (!e->first.is_set) {
        envelope_clear(e);
        return;
    }
    e->is_reset = true;
    e->reset_cmd = cmd;
}

void
envelope_mail_reply(struct envelope *e, uint32_t cmd, bool is_accepted)
{
    if (e->second.is_set && e->second.cmd == cmd) {
        if (is_accepted)
            promote(e);
        else
            e->second.is_set = false;
    } else if (e->first.is_set && e->first.cmd == cmd && !is_accepted) {
        if (e->second.is_set)
            promote(e);
        else
            envelope_clear(e);
    }
}

void
envelope_rcpt_reply(struct envelope *e, uint32_t cmd, bool is_accepted)
{
    uint32_t idx = e->rcpt_answered;

    if (!e->first.is_set || is_before(cmd, e->first.cmd) || idx >= e->rcpt_total)
        return;
    e->rcpt_answered++;
    if (is_accepted)
        return;
    e->rcpt_refused++;
    if (idx < e->recorded)
        e->is_refused[idx] = true;
}

void
envelope_reset_reply(struct envelope *e, uint32_t cmd, bool is_accepted)
{
    if (!is_accepted) {
        if (e->is_reset && e->reset_cmd == cmd)
            e->is_reset = false;
        return;
    }
    if (e->first.is_set && is_before(e->first.cmd, cmd)) {
        if (e->second.is_set && !is_before(e->second.cmd, cmd))
            promote(e);
        else
            envelope_clear(e);
    }
}

bool
envelope_is_open(const struct envelope *e)
{
    const struct envelope_mail *m = e->second.is_set ? &e->second : &e->first;

    return m->is_set && !(e->is_reset && is_before(m->cmd, e->reset_cmd));
}

/* With an unanswered reset between, the second MAIL is the transaction; nested, the first is. */
static bool
is_second_current(const struct envelope *e)
{
    return e->second.is_set && e->is_reset && is_before(e->first.cmd, e->reset_cmd);
}

struct span
envelope_mail_path(const struct envelope *e)
{
    const struct envelope_mail *m = is_second_current(e) ? &e->second : &e->first;

    return m->is_set ? (struct span){m->text, m->len} : (struct span){NULL, 0};
}

static unsigned
first_rcpt(const struct envelope *e)
{
    return is_second_current(e) ? e->second_recorded : 0;
}

unsigned
envelope_rcpt_cnt(const struct envelope *e)
{
    unsigned cnt = 0;

    for (unsigned i = first_rcpt(e); i < e->recorded; i++)
        cnt += !e->is_refused[i];
    return cnt;
}

struct span
envelope_rcpt_path(const struct envelope *e, unsigned idx)
{
    for (unsigned i = first_rcpt(e); i < e->recorded; i++) {
        uint16_t begin = i > 0 ? e->end[i - 1] : 0;

        if (!e->is_refused[i] && idx-- == 0)
            return (struct span){e->text + begin, (size_t)(e->end[i] - begin)};
    }
    return (struct span){NULL, 0};
}

uint32_t
envelope_rcpt_accepted(const struct envelope *e)
{
    uint32_t before = is_second_current(e) ? e->second_total : e->rcpt_refused;

    return e->rcpt_total - before;
}
