#include "scan/golden.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

static struct span
span_of(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

/* ---- digests ---- */

/* Numbers little-endian, texts with their NUL: so no two lists of fields have the same octets. */
static void
put_number(EVP_MD_CTX *ctx, uint32_t number)
{
    uint8_t octets[4] = {(uint8_t)number, (uint8_t)(number >> 8), (uint8_t)(number >> 16), (uint8_t)(number >> 24)};
    EVP_DigestUpdate(ctx, octets, sizeof(octets));
}

static EVP_MD_CTX *
begin(void)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1)
        return ctx;
    EVP_MD_CTX_free(ctx);
    return NULL;
}

/* Without memory for a context the digest is zeros, which is nobody's: it compares unequal. */
static void
finish(EVP_MD_CTX *ctx, uint8_t digest[GOLDEN_DIGEST_LEN])
{
    if (EVP_DigestFinal_ex(ctx, digest, NULL) != 1)
        memset(digest, 0, GOLDEN_DIGEST_LEN);
    EVP_MD_CTX_free(ctx);
}

/* ---- one mail ---- */

/* As score.c: the greatest verdict whose threshold is reached. */
static enum verdict
verdict_by(const struct thresholds *t, int32_t score_milli)
{
    const int32_t at[VERDICT_CNT] = {
        [VERDICT_ACCEPT] = INT32_MAX,          [VERDICT_TAG] = t->tag_milli,       [VERDICT_DEFER] = t->defer_milli,
        [VERDICT_CLOSE] = INT32_MAX,           [VERDICT_REFUSE] = t->refuse_milli, [VERDICT_DROP] = t->drop_milli,
    };
    for (int v = VERDICT_CNT - 1; v > VERDICT_ACCEPT; v--) {
        if (at[v] != INT32_MAX && score_milli >= at[v])
            return (enum verdict)v;
    }
    return VERDICT_ACCEPT;
}

static void
put_hits(EVP_MD_CTX *ctx, const struct message *m, struct golden_result *r)
{
    const struct ruleset *rs = message_ruleset(m);
    uint32_t cnt = rs ? ruleset_rule_cnt(rs) : 0;
    for (uint32_t rule = message_next_hit(m, 0); rule < cnt; rule = message_next_hit(m, rule + 1)) {
        const char *name = ruleset_rule_name(rs, rule);
        EVP_DigestUpdate(ctx, name, strlen(name) + 1);
        r->hits_cnt++;
    }
}

void
golden_result(const struct message *m, const struct judgement *j, const struct thresholds *t, unsigned idx,
              struct golden_result *r)
{
    *r = (struct golden_result){.verdict = verdict_by(t, j->score_milli),
                                .score_milli = j->score_milli,
                                .has_failed = j->events & EVENT_BIT(EVENT_SCAN_ERROR),
                                .j = *j};
    EVP_MD_CTX *ctx = begin();
    if (!ctx)
        return;
    put_number(ctx, idx);
    put_number(ctx, r->verdict);
    put_number(ctx, (uint32_t)r->score_milli);
    put_number(ctx, r->has_failed);
    put_hits(ctx, m, r);
    finish(ctx, r->digest);
}

/* Actions of events would only decide what the score's verdict is hidden behind. */
static void
judge(struct message *m, const struct thresholds *t, unsigned idx, struct golden_result *r)
{
    const struct golden_mail *g = golden_mail(idx);
    message_client(m, span_of(g->client), span_of(g->helo));
    message_mail(m, span_of(g->mail_from));
    for (unsigned i = 0; i < GOLDEN_RCPT_MAX && g->rcpt[i]; i++)
        message_rcpt(m, span_of(g->rcpt[i]));
    message_feed(m, (const uint8_t *)g->text, strlen(g->text));
    golden_result(m, message_end(m), t, idx, r);
    message_free(m);
}

int
golden_judge(struct scanner *sc, struct ruleset *rs, const struct thresholds *t, unsigned idx, struct golden_result *r)
{
    struct scanner before = *sc;
    sc->live = rs;
    sc->thresholds = *t;
    sc->explain = NULL;
    struct message *m = message_new(sc);
    if (m)
        judge(m, t, idx, r);
    /* The slots stay as they are now. */
    sc->live = before.live;
    sc->thresholds = before.thresholds;
    sc->explain = before.explain;
    memcpy(sc->event_cnt, before.event_cnt, sizeof(sc->event_cnt));
    memcpy(sc->message_cnt, before.message_cnt, sizeof(sc->message_cnt));
    return m ? 0 : -EAGAIN;
}

bool
golden_is_right(unsigned idx, const struct golden_result *r)
{
    enum golden_want want = golden_mail(idx)->want;
    return want == GOLDEN_ANY || verdict_forwards(r->verdict) == (want == GOLDEN_PASS);
}

/* ---- all of them ---- */

void
golden_begin(struct golden *g)
{
    *g = (struct golden){0};
}

int
golden_step(struct golden *g, struct scanner *sc, struct ruleset *rs, const struct thresholds *t)
{
    struct golden_result r;
    if (g->next >= golden_cnt())
        return 0;
    int rc = golden_judge(sc, rs, t, g->next, &r);
    if (rc)
        return rc;
    EVP_MD_CTX *ctx = begin();
    if (!ctx)
        return -EAGAIN;
    EVP_DigestUpdate(ctx, g->digest, sizeof(g->digest));
    EVP_DigestUpdate(ctx, r.digest, sizeof(r.digest));
    finish(ctx, g->digest);
    return ++g->next < golden_cnt();
}

void
golden_text(const struct golden *g, char text[GOLDEN_TEXT_LEN])
{
    for (unsigned i = 0; i < GOLDEN_DIGEST_LEN; i++)
        snprintf(text + 2 * i, 3, "%02x", g->digest[i]);
}

int
golden_digest(struct scanner *sc, struct ruleset *rs, const struct thresholds *t, char text[GOLDEN_TEXT_LEN])
{
    struct golden g;
    int rc;
    golden_begin(&g);
    while ((rc = golden_step(&g, sc, rs, t)) > 0)
        ;
    golden_text(&g, text);
    return rc;
}
