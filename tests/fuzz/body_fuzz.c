/* body against a slow model that looks at positions in the whole input instead of at states. */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "scan/body.h"
#include "scan/limits.h"

enum { EVENTS_MAX = 5 };

static const enum event kinds[EVENTS_MAX] = {EVENT_BARE_LF, EVENT_BARE_CR, EVENT_NUL,
                                             EVENT_LINE_TOO_LONG, EVENT_SMUGGLED_EOD};

struct result {
    size_t read;             /* octets up to the end, or all */
    bool has_end;
    size_t at[EVENTS_MAX];   /* position of the octet that raised it; SIZE_MAX: none */
    size_t text_len;
    uint8_t *text;
};

/* --- the model ---------------------------------------------------------------------------------- */

static int
octet(const uint8_t *o, size_t n, size_t i)
{
    return i < n ? o[i] : -1;
}

static bool
at_line_start(const uint8_t *o, size_t i)
{
    return i == 0 || (i >= 2 && o[i - 1] == '\n' && o[i - 2] == '\r');
}

static size_t
smuggled(const uint8_t *o, size_t n, size_t dot)
{
    size_t before = dot, after = dot + 1;
    bool is_exact = at_line_start(o, dot) && !(dot >= 3 && o[dot - 3] == '\r');

    while (before > 0 && o[before - 1] == 0)
        before--;
    while (after < n && o[after] == 0)
        after++;
    if (after != dot + 1)
        is_exact = false;
    if (after >= n)
        return SIZE_MAX;
    if (before > 0 && o[before - 1] == '\r')
        return o[after] == '\r' || o[after] == '\n' ? after : SIZE_MAX;
    if (before > 0 && o[before - 1] != '\n')
        return SIZE_MAX;
    if (o[after] == '\n')
        return after;
    if (o[after] != '\r' || after + 1 >= n || (is_exact && o[after + 1] == '\n'))
        return SIZE_MAX;
    return after + 1;
}

static void
note(struct result *r, unsigned kind, size_t at)
{
    if (at < r->read && at < r->at[kind])
        r->at[kind] = at;
}

static void
model(const uint8_t *o, size_t n, bool is_chunked, struct result *r)
{
    size_t text = 0;

    r->read = n;
    r->has_end = false;
    r->text_len = 0;
    for (unsigned k = 0; k < EVENTS_MAX; k++)
        r->at[k] = SIZE_MAX;
    for (size_t i = 0; i + 2 < n && !is_chunked; i++) {
        if (o[i] == '.' && o[i + 1] == '\r' && o[i + 2] == '\n' && at_line_start(o, i)) {
            r->read = i + 3;
            r->has_end = true;
            break;
        }
    }
    for (size_t i = 0; i < r->read; i++) {
        bool is_dot = o[i] == '.' && at_line_start(o, i) && !is_chunked;
        bool is_end = r->has_end && i + 3 >= r->read;
        bool is_crlf = o[i] == '\r' && octet(o, r->read, i + 1) == '\n';
        bool is_unknown_cr = o[i] == '\r' && i + 1 == r->read;

        if (!is_dot && !is_end && !(is_unknown_cr && i > 0 && o[i - 1] == '.' && !is_chunked &&
                                    at_line_start(o, i - 1)))
            r->text[r->text_len++] = o[i];
        if (o[i] == '\n' && !(i > 0 && o[i - 1] == '\r'))
            note(r, 0, i);
        if (o[i] == '\r' && !is_crlf)
            note(r, 1, i + 1);
        if (o[i] == 0)
            note(r, 2, i);
        if (o[i] == '\n')
            text = 0;
        else if (!is_dot && !is_crlf && ++text > TEXT_LINE_MAX)
            note(r, 3, o[i] == '\r' ? i + 1 : i);
        if (o[i] == '.' && !is_chunked)
            note(r, 4, smuggled(o, r->read, i));
    }
}

/* --- the machine -------------------------------------------------------------------------------- */

static void
machine(const uint8_t *o, size_t n, bool is_chunked, unsigned piece, struct result *r)
{
    struct body b;

    r->read = 0;
    r->has_end = false;
    r->text_len = 0;
    for (unsigned k = 0; k < EVENTS_MAX; k++)
        r->at[k] = SIZE_MAX;
    body_init(&b, is_chunked);
    while (r->read < n && !r->has_end) {
        size_t offered = piece == 0 || piece > n - r->read ? n - r->read : piece;
        uint8_t *copy = malloc(offered);
        size_t at = 0;

        memcpy(copy, o + r->read, offered);
        while (at < offered && !r->has_end) {
            struct body_step step;
            size_t got = is_chunked ? body_chunk(&b, copy + at, offered - at, &step)
                                    : body_data(&b, copy + at, offered - at, &step);

            assert(got <= offered - at);
            assert(got > 0 || step.run.len > 0);
            at += got;
            if (step.run.len > 0)
                memcpy(r->text + r->text_len, step.run.ptr, step.run.len);
            r->text_len += step.run.len;
            r->has_end = step.is_end;
            for (unsigned k = 0; k < EVENTS_MAX; k++) {
                if (step.events & EVENT_BIT(kinds[k])) {
                    assert(r->at[k] == SIZE_MAX);
                    r->at[k] = r->read + at - 1;
                }
            }
        }
        free(copy);
        r->read += at;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
    static uint8_t text[3][1 << 12];
    static uint8_t input[1 << 12];
    size_t n = 0;

    if (len < 2 || len > 4096)
        return 0;
    /* 0xFF k stands for k times 'a', to make long lines short to write. */
    for (size_t i = 2; i < len && n + 256 < sizeof(input); i++) {
        if (octets[i] == 0xff && i + 1 < len) {
            i++;
            memset(input + n, 'a', octets[i]);
            n += octets[i];
        } else {
            input[n++] = octets[i];
        }
    }
    for (unsigned chunked = 0; chunked < 2; chunked++) {
        struct result want = {.text = text[0]};

        model(input, n, chunked, &want);
        for (unsigned i = 0; i < 3; i++) {
            struct result got = {.text = text[1]};
            static const unsigned pieces[2] = {0, 1};

            machine(input, n, chunked, i < 2 ? pieces[i] : 1 + octets[0] % 40u, &got);
            assert(got.read == want.read);
            assert(got.has_end == want.has_end);
            assert(got.text_len == want.text_len);
            assert(memcmp(got.text, want.text, got.text_len) == 0);
            for (unsigned k = 0; k < EVENTS_MAX; k++)
                assert(got.at[k] == want.at[k]);
        }
    }
    return 0;
}
