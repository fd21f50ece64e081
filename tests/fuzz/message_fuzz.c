/* message: the same units offered and the same judgement for every split; every header target once; every
 * octet to full; no stream left over, aborted or not. First octet: step; second: what follows. */
#include <stdlib.h>
#include <string.h>

#include "scan/message.h"
#include "tests/fuzz/must.h"
#include "tests/unit/match_fake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ruleset rules;
static struct scanner sc;

static void
end(void)
{
    scanner_fini(&sc);
}

static struct judgement
run(const uint8_t *data, size_t size, size_t step)
{
    struct message *m = message_new(&sc);

    fake_reset();
    message_mail(m, (struct span){data, size < 9 ? size : 9});
    for (size_t off = 0; off < size;) {
        size_t n = size - off < step ? size - off : step;
        uint8_t *piece = malloc(n);
        memcpy(piece, data + off, n);
        message_feed(m, piece, n);
        free(piece);
        off += n;
    }
    struct judgement j = *message_end(m);
    message_free(m);
    MUST(j.octets == size && fake_headers_seen == FAKE_TARGETS && !fake_streams_open && !rules.pinned);
    struct tape *full = &fake_tape[TARGET_FULL];
    MUST(full->cnt == 1 && full->len == size + 4 && (!size || !memcmp(full->octets + 4, data, size)));
    return j;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    if (!sc.pool) {
        scanner_init(&sc, 0, 1);
        atexit(end);
        sc.live = &rules;
    }
    size_t steps[] = {1, data[0] + 1u};
    data++, size--;
    struct judgement a = run(data, size, size + 1);
    struct tape want[TARGET_CNT];
    for (int t = 0; t < TARGET_CNT; t++) {
        want[t] = fake_tape[t];
        fake_tape[t] = (struct tape){0};
    }
    for (int i = 0; i < 2; i++) {
        struct judgement b = run(data, size, steps[i]);
        MUST(a.events == b.events && a.verdict == b.verdict && a.cause == b.cause);
        for (int t = 0; t < TARGET_CNT; t++) {
            MUST(want[t].cnt == fake_tape[t].cnt && want[t].len == fake_tape[t].len);
            MUST(!want[t].len || !memcmp(want[t].octets, fake_tape[t].octets, want[t].len));
        }
    }
    for (int t = 0; t < TARGET_CNT; t++)
        free(want[t].octets);
    fake_reset();
    struct message *m = message_new(&sc); /* aborted */
    message_feed(m, data, size);
    message_free(m);
    MUST(!fake_streams_open && !rules.pinned);
    return 0;
}
