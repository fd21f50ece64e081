/* proxy: the PROXY protocol header, versions 1 and 2, that a TLS terminator puts before the session.
 *
 * Source: proxy-protocol.txt of HAProxy, 2.1 (text, at most 107 octets) and 2.2 (binary: signature,
 * version and command, family, length, addresses, TLVs). The source address is kept as text; ports,
 * destination and TLVs are read over. LOCAL, UNKNOWN and families other than TCP over IPv4 and IPv6
 * give no address.
 *
 *     n = proxy_feed(&p, octets, len, &next)    PROXY_MORE: all read
 *                                               PROXY_DONE: the header ended with octet n-1
 *                                               PROXY_BAD:  octet n-1 cannot be; do not feed again
 *
 * Limits:  version 2 may announce up to 65,535 octets; they are skipped, not kept. */
#ifndef WEIR_SCAN_PROXY_H
#define WEIR_SCAN_PROXY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum proxy_next { PROXY_MORE, PROXY_DONE, PROXY_BAD };

enum { PROXY_V1_LEN_MAX = 107, PROXY_V2_HEADER_LEN = 16, PROXY_ADDRESS_SIZE = 46 };

struct proxy {
    uint8_t octets[PROXY_V1_LEN_MAX]; /* v1: the line; v2: the header and the addresses */
    uint8_t len;                      /* kept of it */
    uint32_t skip;                    /* v2: octets of the body still to come */
    char address[PROXY_ADDRESS_SIZE]; /* "" unless PROXY_DONE gave one */
};

void proxy_init(struct proxy *p);
size_t proxy_feed(struct proxy *p, const uint8_t *octets, size_t len, enum proxy_next *next);

#ifdef __cplusplus
}
#endif
#endif
