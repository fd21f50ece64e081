/* A dialogue through scan/smtp. Octet 0: configuration and actions; then the client's octets, with 0xFE
 * switching to the server's and 0xFF back. Whole, octet by octet and in pieces, judged once and twice, the trace is
 * the same. */
#include <stdint.h>

#include "tests/unit/smtp_drive.h"

static struct trace traces[3];

static void
dialogue(struct trace *t, uint64_t rng, bool is_paired, uint8_t options, const uint8_t *octets, size_t len)
{
    struct drive d;
    bool is_server = true;
    size_t begin = 0;

    drive_init(&d, t, rng);
    d.cfg.starttls = (enum starttls_policy)((options & 3) % 3);
    d.cfg.has_proxy_header = options & 4;
    fake_max = options & 16 ? 0 : 4;
    for (int e = 0; e < EVENT_CNT && options & 8; e++)
        d.sc.event_action[e] = VERDICT_ACCEPT;
    if (is_paired)
        drive_pair(&d);
    drive_start(&d);
    for (size_t i = 0; i <= len; i++) {
        if (i < len && octets[i] < 0xfe)
            continue;
        if (i > begin && is_server)
            drive_server(&d, octets + begin, i - begin);
        else if (i > begin)
            drive_client(&d, octets + begin, i - begin);
        begin = i + 1;
        if (i < len)
            is_server = octets[i] == 0xfe;
    }
    drive_end(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
    if (len < 1 || len > 16384)
        return 0;
    for (unsigned i = 0; i < 3; i++)
        dialogue(&traces[i], i < 2 ? i : 2u + octets[len - 1], i == 2, octets[0], octets + 1, len - 1);
    for (unsigned i = 1; i < 3; i++) {
        if (strcmp(traces[0].text, traces[i].text) != 0) {
            fprintf(stderr, "--- whole\n%s--- split %u\n%s", traces[0].text, i, traces[i].text);
            abort();
        }
    }
    return 0;
}
