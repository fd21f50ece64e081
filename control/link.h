/* link: the only thing that the packet process and its controllers share.
 *
 * A SOCK_SEQPACKET Unix socket, opened by the data plane. Each packet is one message: a fixed header and
 * a fixed body; LOAD carries the image as a file descriptor (SCM_RIGHTS; a sealed memfd or a regular
 * file). One request, one answer, in order. Integers in host order (same machine); text is NUL-padded.
 * Every octet from the peer is checked: length, magic, version, type; a bad packet is answered with NACK
 * and the connection closed, never an exit.
 *
 * Source of the shapes: this file; includes <stdint.h> only. */
#ifndef WEIR_CONTROL_LINK_H
#define WEIR_CONTROL_LINK_H

#include <stdint.h>

#define LINK_MAGIC UINT32_C(0x52494557) /* "WEIR" */
#define LINK_VERSION 1

enum { LINK_TEXT_MAX = 256, LINK_DIGEST_LEN = 65, LINK_WORKERS_MAX = 64 };

enum link_type {
    LINK_LOAD = 1, /* request: body link_load, and a descriptor */
    LINK_STATUS,   /* request: no body */
    LINK_ACK,      /* answer to LOAD: body link_answer */
    LINK_NACK,     /* answer to anything: body link_answer with the reason */
    LINK_STATE     /* answer to STATUS: body link_state */
};

struct link_header {
    uint32_t magic;
    uint16_t version;
    uint16_t type; /* enum link_type */
    uint32_t body_len;
    uint32_t request; /* chosen by the requester, echoed */
};

struct link_load {
    uint32_t generation; /* 0: the data plane takes the next number */
    uint32_t wait_ms;    /* for an older rule set to drain */
};

struct link_answer {
    uint32_t generation; /* live after the request */
    uint32_t swap_us;    /* publish to last core's quiescent state */
    char text[LINK_TEXT_MAX];
};

struct link_state {
    uint32_t generation; /* live; 0: none */
    uint32_t rule_cnt;
    uint32_t resident; /* rule sets in memory */
    uint32_t worker_cnt;
    uint64_t uptime_ms;
    uint64_t flows;    /* now */
    uint64_t messages[8]; /* since start, by enum verdict */
    uint64_t rx_frames, tx_frames, dropped_frames;
    uint64_t blind_sessions; /* TLS, unseen */
    char digest[LINK_DIGEST_LEN];
    char pad[7];
};

#endif
