#include "dataplane/packet.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
    ETHER_LEN = 14,
    VLAN_LEN = 4,
    IPV4_LEN_MIN = 20,
    IPV6_LEN = 40,
    TCP_LEN_MIN = 20,

    PROTO_HOP_BY_HOP = 0,
    PROTO_TCP = 6,
    PROTO_ROUTING = 43,
    PROTO_FRAGMENT = 44,
    PROTO_AH = 51,
    PROTO_DSTOPTS = 60,

    /* Extension headers that we read through. Nobody sends more; TCP behind more is PACKET_BAD. */
    EXT_CNT_MAX = 8,
    EXT_LEN_MAX = 256
};

static uint16_t
be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t
be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void
put_be16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

/* ---- reading ---- */

/* Fills key; ports are 0 for fragments. The lesser (address, port) comes first. */
static void
key_set(struct packet *p, const uint8_t *src, const uint8_t *dst, size_t addr_len, uint16_t sport,
        uint16_t dport)
{
    int order = memcmp(src, dst, addr_len);
    p->src_is_first = order < 0 || (order == 0 && sport <= dport);
    unsigned s = p->src_is_first ? 0 : 1;
    memcpy(p->key.addr[s], src, addr_len);
    memcpy(p->key.addr[!s], dst, addr_len);
    p->key.port[s] = sport;
    p->key.port[!s] = dport;
    p->key.version = p->ip_version;
}

static void
key_set_from_frame(struct packet *p, uint16_t sport, uint16_t dport)
{
    const uint8_t *ip = p->frame + p->l3_off;
    if (p->ip_version == 4)
        key_set(p, ip + 12, ip + 16, 4, sport, dport);
    else
        key_set(p, ip + 8, ip + 24, 16, sport, dport);
}

/* RFC 9293 3.1; a malformed option ends the list, as it does for receivers. */
static void
read_tcp_options(struct packet *p, const uint8_t *opt, size_t len)
{
    while (len > 0 && opt[0] != 0) {
        if (opt[0] == 1) {
            opt++;
            len--;
            continue;
        }
        if (len < 2 || opt[1] < 2 || opt[1] > len)
            return;
        if (opt[0] == 2 && opt[1] == 4) {
            p->mss = be16(opt + 2);
        } else if (opt[0] == 3 && opt[1] == 3) {
            p->has_wscale = true;
            p->wscale = opt[2] > 14 ? 14 : opt[2]; /* RFC 7323 2.3 */
        } else if (opt[0] == 8 && opt[1] == 10) {
            p->has_timestamps = true;
            p->ts_val = be32(opt + 2);
            p->ts_ecr = be32(opt + 6);
        }
        len -= opt[1];
        opt += opt[1];
    }
}

/* end: where the IP datagram ends in the frame. */
static enum packet_kind
read_tcp(struct packet *p, size_t end)
{
    size_t avail = end - p->l4_off;
    if (avail < TCP_LEN_MIN)
        return PACKET_BAD;
    const uint8_t *tcp = p->frame + p->l4_off;
    size_t head_len = (size_t)(tcp[12] >> 4) * 4;
    if (head_len < TCP_LEN_MIN || head_len > avail)
        return PACKET_BAD;
    p->seq = be32(tcp + 4);
    p->ack = be32(tcp + 8);
    p->flags = tcp[13] & 0x3f;
    p->window = be16(tcp + 14);
    p->urgent = be16(tcp + 18);
    p->payload_off = (uint32_t)(p->l4_off + head_len);
    p->payload_len = (uint32_t)(avail - head_len);
    read_tcp_options(p, tcp + TCP_LEN_MIN, head_len - TCP_LEN_MIN);
    key_set_from_frame(p, be16(tcp), be16(tcp + 2));
    return PACKET_TCP;
}

/* frag: offset in 8-octet units << 3 | more; both versions agree on what a piece may be. */
static enum packet_kind
read_fragment(struct packet *p, uint32_t id, uint32_t off, bool has_more, size_t end)
{
    p->frag_id = id;
    p->frag_off = (uint16_t)off;
    p->frag_len = (uint32_t)(end - p->l4_off);
    p->frag_has_more = has_more;
    if (p->frag_len == 0 || (has_more && p->frag_len % 8) || off + p->frag_len > 65535)
        return PACKET_BAD;
    key_set_from_frame(p, 0, 0);
    return PACKET_FRAGMENT;
}

static enum packet_kind
read_ipv4(struct packet *p)
{
    const uint8_t *ip = p->frame + p->l3_off;
    size_t avail = p->frame_len - p->l3_off;
    if (avail < 10 || ip[0] >> 4 != 4 || ip[9] != PROTO_TCP)
        return PACKET_OTHER;
    size_t head_len = (size_t)(ip[0] & 15) * 4;
    size_t total_len = be16(ip + 2);
    if (avail < IPV4_LEN_MIN || head_len < IPV4_LEN_MIN || total_len < head_len || total_len > avail)
        return PACKET_BAD;
    p->ip_version = 4;
    p->l4_off = (uint16_t)(p->l3_off + head_len);
    size_t end = p->l3_off + total_len;
    uint32_t frag = be16(ip + 6);
    if (frag & 0x3fff) /* more fragments, or an offset */
        return read_fragment(p, be16(ip + 4), (frag & 0x1fff) * 8, frag & 0x2000, end);
    return read_tcp(p, end);
}

static bool
is_extension(uint8_t proto)
{
    return proto == PROTO_HOP_BY_HOP || proto == PROTO_ROUTING || proto == PROTO_DSTOPTS ||
           proto == PROTO_AH;
}

/* Walks the chain of RFC 8200 4. A frame whose lengths do not fit, or with more headers than we read, is
 * walked to its end all the same: receivers may still accept TCP behind it (Linux takes a payload length
 * of 0 with hop-by-hop options for "the whole frame"), so that must not pass unread. */
static enum packet_kind
read_ipv6(struct packet *p)
{
    const uint8_t *frame = p->frame;
    size_t avail = p->frame_len - p->l3_off;
    if (avail < 7 || frame[p->l3_off] >> 4 != 6)
        return PACKET_OTHER;
    uint8_t proto = frame[p->l3_off + 6];
    if (avail < IPV6_LEN)
        return proto == PROTO_TCP ? PACKET_BAD : PACKET_OTHER;
    p->ip_version = 6;
    size_t payload_len = be16(frame + p->l3_off + 4);
    size_t off = p->l3_off + IPV6_LEN, first = off;
    size_t end = off + payload_len;
    bool is_odd = payload_len == 0 || end > p->frame_len;
    if (is_odd)
        end = p->frame_len;
    for (unsigned cnt = 0; is_extension(proto); cnt++) {
        if (end - off < 8)
            return PACKET_OTHER;
        size_t len = proto == PROTO_AH ? (frame[off + 1] + 2u) * 4 : (frame[off + 1] + 1u) * 8;
        if (len > end - off)
            return PACKET_OTHER;
        proto = frame[off];
        off += len;
        if (cnt >= EXT_CNT_MAX || off - first > EXT_LEN_MAX)
            is_odd = true;
    }
    if (proto != PROTO_TCP && proto != PROTO_FRAGMENT)
        return PACKET_OTHER;
    if (proto == PROTO_FRAGMENT) {
        if (end - off < 8)
            return PACKET_OTHER;
        /* What the first piece begins with: TCP may stand behind further headers there. */
        proto = frame[off];
        if (proto != PROTO_TCP && !is_extension(proto) && proto != PROTO_FRAGMENT)
            return PACKET_OTHER;
        /* A fragment header in a fragment: nobody sends it and it could hide TCP. */
        if (is_odd || proto == PROTO_FRAGMENT)
            return PACKET_BAD;
        uint32_t frag = be16(frame + off + 2);
        p->frag_hdr_off = (uint16_t)off;
        p->l4_off = (uint16_t)(off + 8);
        return read_fragment(p, be32(frame + off + 4), frag & 0xfff8, frag & 1, end);
    }
    if (is_odd)
        return PACKET_BAD;
    p->l4_off = (uint16_t)off;
    return read_tcp(p, end);
}

static bool
is_tag(uint16_t type)
{
    return type == 0x8100 || type == 0x88a8 || type == 0x9100;
}

enum packet_kind
packet_parse(struct packet *p, uint8_t *frame, size_t len)
{
    memset(p, 0, sizeof(*p));
    p->frame = frame;
    p->frame_len = (uint32_t)len;
    p->kind = PACKET_OTHER;
    if (len < ETHER_LEN)
        return p->kind;
    size_t off = ETHER_LEN;
    uint16_t type = be16(frame + 12);
    for (unsigned tags = 0, ids = 0; is_tag(type); tags++) {
        if (len - off < VLAN_LEN)
            return p->kind;
        uint16_t id = be16(frame + off) & 0x0fff;
        /* Receivers take off any number of priority tags; more than this is somebody hiding. */
        if (tags == L2_TAGS_MAX || (id && ids == 2))
            return p->kind = PACKET_BAD;
        if (id)
            p->key.vlan[ids++] = id;
        type = be16(frame + off + 2);
        off += VLAN_LEN;
    }
    p->l3_off = (uint16_t)off;
    if (type == 0x0800)
        p->kind = read_ipv4(p);
    else if (type == 0x86dd)
        p->kind = read_ipv6(p);
    return p->kind;
}

/* ---- checksums ---- */

/* RFC 1071 in host order: the sum does not mind which order as long as it is one. Two 32-bit halves into
 * 64 bits never overflow below 2^32 words and compile to vector adds. */
static uint64_t
sum_add(uint64_t sum, const uint8_t *p, size_t len)
{
    for (; len >= 8; p += 8, len -= 8) {
        uint64_t w;
        memcpy(&w, p, 8);
        sum += (w & 0xffffffff) + (w >> 32);
    }
    for (; len >= 2; p += 2, len -= 2) {
        uint16_t w;
        memcpy(&w, p, 2);
        sum += w;
    }
    if (len) {
        uint16_t w = 0;
        memcpy(&w, p, 1);
        sum += w;
    }
    return sum;
}

static uint16_t
sum_fold(uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

static size_t
segment_len(const struct packet *p)
{
    return p->payload_off + p->payload_len - p->l4_off;
}

/* Pseudo-header and segment, RFC 9293 3.1 and RFC 8200 8.1. */
static uint16_t
segment_sum(const struct packet *p)
{
    const uint8_t *ip = p->frame + p->l3_off;
    uint32_t len = (uint32_t)segment_len(p);
    uint8_t tail[4] = {0, PROTO_TCP, (uint8_t)(len >> 8), (uint8_t)len};
    uint64_t sum = sum_add(0, tail, sizeof(tail));
    sum = p->ip_version == 4 ? sum_add(sum, ip + 12, 8) : sum_add(sum, ip + 8, 32);
    return sum_fold(sum_add(sum, p->frame + p->l4_off, len));
}

static size_t
ipv4_head_len(const struct packet *p)
{
    return (size_t)(p->frame[p->l3_off] & 15) * 4;
}

bool
packet_checksum_is_right(const struct packet *p)
{
    assert(p->kind == PACKET_TCP);
    if (p->ip_version == 4 &&
        sum_fold(sum_add(0, p->frame + p->l3_off, ipv4_head_len(p))) != 0xffff)
        return false;
    return segment_sum(p) == 0xffff;
}

static void
put_sum(uint8_t *at, uint16_t sum)
{
    sum = (uint16_t)~sum;
    memcpy(at, &sum, 2);
}

void
packet_checksum_write(struct packet *p)
{
    assert(p->kind == PACKET_TCP);
    uint8_t *ip = p->frame + p->l3_off, *tcp = p->frame + p->l4_off;
    if (p->ip_version == 4) {
        memset(ip + 10, 0, 2);
        put_sum(ip + 10, sum_fold(sum_add(0, ip, ipv4_head_len(p))));
    }
    memset(tcp + 16, 0, 2);
    put_sum(tcp + 16, segment_sum(p));
}

/* ---- changing ---- */

void
packet_trim(struct packet *p, uint32_t payload_len)
{
    assert(p->kind == PACKET_TCP && payload_len <= p->payload_len);
    p->payload_len = payload_len;
    p->frame_len = p->payload_off + payload_len;
    uint8_t *ip = p->frame + p->l3_off;
    uint32_t ip_len = p->frame_len - p->l3_off;
    if (p->ip_version == 4)
        put_be16(ip + 2, ip_len);
    else
        put_be16(ip + 4, ip_len - IPV6_LEN);
    p->flags &= (uint8_t) ~(TCP_FIN | TCP_PSH);
    p->frame[p->l4_off + 13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
    packet_checksum_write(p);
}

void
packet_clear_urgent(struct packet *p)
{
    assert(p->kind == PACKET_TCP);
    p->flags &= (uint8_t)~TCP_URG;
    p->urgent = 0;
    p->frame[p->l4_off + 13] &= (uint8_t)~TCP_URG;
    put_be16(p->frame + p->l4_off + 18, 0);
    packet_checksum_write(p);
}

/* ---- keys ---- */

_Static_assert(sizeof(struct flow_key) == 44, "hashed and compared as octets");

uint32_t
flow_key_hash(const struct flow_key *k, uint64_t seed, bool addresses_only)
{
    struct flow_key bare;
    if (addresses_only) {
        bare = *k;
        bare.port[0] = bare.port[1] = 0;
        k = &bare;
    }
    uint64_t h = XXH3_64bits_withSeed(k, sizeof(*k), seed);
    return (uint32_t)(h ^ h >> 32);
}

void
flow_key_address(const struct flow_key *k, unsigned side, char *text, size_t size)
{
    if (!inet_ntop(k->version == 6 ? AF_INET6 : AF_INET, k->addr[side & 1], text, (socklen_t)size) &&
        size)
        text[0] = 0;
}
