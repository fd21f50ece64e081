/* proxy: the same outcome for every split; an address is an address. */
#include <arpa/inet.h>
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "scan/proxy.h"

static size_t
run(struct proxy *p, const uint8_t *o, size_t len, size_t piece, enum proxy_next *next)
{
    size_t at = 0;

    proxy_init(p);
    *next = PROXY_MORE;
    while (at < len && *next == PROXY_MORE) {
        size_t offered = piece > len - at ? len - at : piece, n;
        uint8_t *copy = malloc(offered);

        memcpy(copy, o + at, offered);
        n = proxy_feed(p, copy, offered, next);
        free(copy);
        assert(n > 0 && n <= offered);
        assert(*next != PROXY_MORE || n == offered);
        at += n;
    }
    return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
    struct proxy whole, split;
    enum proxy_next next, again;
    size_t at = run(&whole, octets, len, SIZE_MAX, &next);
    uint8_t binary[16];

    for (size_t piece = 1; piece < 8; piece += 3) {
        assert(run(&split, octets, len, piece, &again) == at);
        assert(next == again && strcmp(whole.address, split.address) == 0);
    }
    if (next == PROXY_DONE && whole.address[0] != '\0')
        assert(inet_pton(AF_INET, whole.address, binary) == 1 ||
               inet_pton(AF_INET6, whole.address, binary) == 1);
    return 0;
}
