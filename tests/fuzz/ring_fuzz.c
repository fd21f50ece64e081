/* ring: a page of which every octet is the writer's choice, changed while it is read. Lines lie within the caps, the ring's
 * end is reached in at most size/8 steps, and an honest ring is read as it was written. */
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "control/ring.h"
#include "dataplane/handover.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

static void
read_all(struct ring *r)
{
    uint64_t steps = 0;
    size_t line_len;
    for (const char *line; (line = ring_next(r, &line_len)); steps++) {
        MUST(line_len >= 1 && line_len <= LINK_LINE_MAX && line[line_len] == '\0');
        MUST(steps <= r->size / 8);
    }
    ring_done(r);
    MUST(r->tail % 8 == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
    struct handover h;
    struct ring r = {0};
    char err[256];
    MUST(handover_init(&h, HANDOVER_SIZE_MIN) == 0);
    MUST(ring_map(&r, h.fd, h.page_len, err, sizeof(err)));
    /* Honest first: the input as one line. */
    size_t line_len;
    bool is_put = handover_put(&h, (const char *)octets, len);
    const char *line = ring_next(&r, &line_len);
    MUST(is_put == (line != NULL));
    MUST(!is_put || (line_len == len && memcmp(line, octets, len) == 0));
    ring_done(&r);
    /* Then head, and the octets, in as many rounds as there is input. */
    while (len > 10) {
        uint64_t head;
        memcpy(&head, octets, 8);
        h.ring->head = octets[8] & 1 ? head : r.tail + head % (2 * HANDOVER_SIZE_MIN) / (octets[8] & 2 ? 1 : 8) * 8;
        size_t at = (size_t)octets[9] * 4, n = len - 10 < 256 ? len - 10 : 256;
        n = n < HANDOVER_SIZE_MIN - at ? n : HANDOVER_SIZE_MIN - at;
        memcpy(h.ring->octets + at, octets + 10, n);
        octets += 10 + n;
        len -= 10 + n;
        read_all(&r);
    }
    /* And whoever maps it after that. */
    ring_unmap(&r);
    if (ring_map(&r, h.fd, h.page_len, err, sizeof(err))) {
        read_all(&r);
        ring_unmap(&r);
    }
    handover_fini(&h);
    return 0;
}
