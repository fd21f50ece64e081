/* packet: bounds-checked views of one Ethernet frame.
 *
 *   | Ethernet | VLAN* (<= 2: 0x8100, 0x88a8, 0x9100) | IPv4 options | or IPv6 extension headers | TCP | payload |
 *     0                                l3_off                                    l4_off  payload_off
 *
 * packet_parse() reads a frame once and never past `len`; it changes nothing. Lengths that disagree make
 * the packet PACKET_BAD when it is TCP (dropped and counted, as the receiver would), else PACKET_OTHER.
 * Octets after the IP total length are Ethernet padding, not payload. IPv6: up to 8 extension headers and
 * 256 octets of them are read through; TCP behind more, or behind a payload length of 0, is PACKET_BAD and
 * not PACKET_OTHER, because receivers may accept it (Linux does) and it must not pass unread.
 *
 * Threads: pure functions.
 * Source:  RFC 791, 8200, 9293, 7323; IEEE 802.1Q, 802.1ad. */
#ifndef WEIR_DATAPLANE_PACKET_H
#define WEIR_DATAPLANE_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum packet_kind {
    PACKET_OTHER,    /* not TCP, or nothing we read: forwarded as it is */
    PACKET_TCP,      /* every field below holds */
    PACKET_FRAGMENT, /* IPv4 or IPv6 fragment of a TCP segment: key without ports, frag_* hold. IPv6: also
                        those whose first piece begins with an extension header that may lead to TCP, and
                        atomic ones (RFC 6946) */
    PACKET_BAD       /* claims to be TCP over IP but its lengths do not fit */
};

enum { /* TCP flags, RFC 9293 3.1 */
    TCP_FIN = 0x01,
    TCP_SYN = 0x02,
    TCP_RST = 0x04,
    TCP_PSH = 0x08,
    TCP_ACK = 0x10,
    TCP_URG = 0x20
};

enum {
    L2_TAGS_MAX = 4, /* VLAN tags read; two with an id, and priority tags (id 0), which receivers take off */
    L2_LEN_MAX = 14 + L2_TAGS_MAX * 4,
    FRAME_LEN_MAX = 65535 + L2_LEN_MAX
};

/* Both directions of a conversation give the same key: the lesser (address, port) comes first. IPv4
 * addresses fill the first 4 octets, the rest is 0. Padding-free, so it can be compared as octets. */
struct flow_key {
    uint8_t addr[2][16];
    uint16_t port[2]; /* host order; 0 for fragments */
    uint16_t vlan[2]; /* outer, inner VLAN id; 0 = none; priority tags do not count */
    uint32_t version; /* 4 or 6 */
};

struct packet {
    uint8_t *frame;
    uint32_t frame_len;
    enum packet_kind kind;
    bool src_is_first; /* the sender is key.addr[0] */
    uint8_t ip_version;
    uint16_t l3_off;
    uint16_t l4_off;
    uint32_t payload_off;
    uint32_t payload_len;
    struct flow_key key;

    /* TCP, host order */
    uint32_t seq, ack;
    uint8_t flags;
    uint16_t window, urgent;
    bool has_timestamps, has_wscale;
    uint32_t ts_val, ts_ecr;
    uint16_t mss; /* 0: no such option */
    uint8_t wscale;

    /* fragments: offset and length of the IP payload piece, octets */
    uint32_t frag_id;
    uint16_t frag_off;
    uint32_t frag_len;   /* of the piece, from l4_off */
    bool frag_has_more;
    uint16_t frag_hdr_off; /* IPv6: of the fragment header (l4_off - 8) */
};

/* Fills *p from the frame; p->frame borrows it. */
enum packet_kind packet_parse(struct packet *p, uint8_t *frame, size_t len);

/* The sums of a PACKET_TCP's IPv4 header and of its segment with pseudo-header are right. Reads all of it. */
bool packet_checksum_is_right(const struct packet *p);

/* Writes IPv4 header and TCP checksums of a PACKET_TCP anew, after its octets were changed. */
void packet_checksum_write(struct packet *p);

/* Shortens a PACKET_TCP to `payload_len` octets of payload (<= the present): IP length fields, FIN and PSH
 * cleared, checksums written, frame_len and payload_len set. Ethernet padding goes. The caller adjusts the mbuf. */
void packet_trim(struct packet *p, uint32_t payload_len);

/* Clears URG and the urgent pointer and writes the checksums. */
void packet_clear_urgent(struct packet *p);

/* Seeded hash of a key (XXH3), the same for both directions. A sender cannot aim at a bucket or a core without
 * the seed. `addresses_only` leaves the ports out (fragments go where hash says, then are steered anew). */
uint32_t flow_key_hash(const struct flow_key *k, uint64_t seed, bool addresses_only);

/* "198.18.0.1" or "2001:db8::1" of side 0 or 1; size >= 46. */
void flow_key_address(const struct flow_key *k, unsigned side, char *text, size_t size);

/* Sequence numbers, RFC 9293 3.4: a before b within half the space. */
static inline bool
seq_lt(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static inline bool
seq_le(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) <= 0;
}

#ifdef __cplusplus
}
#endif
#endif
