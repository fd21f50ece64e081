/* packet: one frame. Octets 0-1 of the input choose a length to trim to; the rest is the frame, in memory of
 * exactly its size.
 *
 * Held to: every offset lies in the frame; written sums are right; clearing URG changes nothing else that is
 * read; a trimmed segment parses again as the same key, sequence number and as many octets as asked for. */
#include <stdlib.h>
#include <string.h>

#include "dataplane/packet.h"
#include "tests/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must_fit(const struct packet *p)
{
    MUST(p->ip_version == 4 || p->ip_version == 6);
    MUST(p->key.version == p->ip_version);
    MUST(p->l3_off >= 14 && p->l3_off <= L2_LEN_MAX);
    MUST(p->l4_off >= p->l3_off + (p->ip_version == 4 ? 20 : 40));
    MUST(memcmp(p->key.addr[0], p->key.addr[1], sizeof(p->key.addr[0])) <= 0);
    MUST(flow_key_hash(&p->key, 1, true) == flow_key_hash(&p->key, 1, true));
    char text[46];
    for (unsigned side = 0; side < 2; side++) {
        flow_key_address(&p->key, side, text, sizeof(text));
        MUST(memchr(text, 0, sizeof(text)) && text[0]);
    }
}

static void
must_be_tcp(const struct packet *p)
{
    must_fit(p);
    MUST(p->payload_off >= p->l4_off + 20u && p->payload_off <= p->l4_off + 60u);
    MUST(p->payload_off + p->payload_len <= p->frame_len);
    MUST(!p->has_wscale || p->wscale <= 14);
}

static void
must_be_fragment(const struct packet *p)
{
    must_fit(p);
    MUST(p->key.port[0] == 0 && p->key.port[1] == 0);
    MUST(p->frag_len && p->l4_off + p->frag_len <= p->frame_len);
    MUST(p->frag_off + p->frag_len <= 65535);
    MUST(p->frag_off % 8 == 0 && (!p->frag_has_more || p->frag_len % 8 == 0));
    MUST(p->ip_version == 4 || p->frag_hdr_off + 8 == p->l4_off);
}

/* What nothing here may change. */
static void
must_agree(const struct packet *p, const struct packet *q)
{
    MUST(q->kind == PACKET_TCP);
    must_be_tcp(q);
    MUST(memcmp(&p->key, &q->key, sizeof(p->key)) == 0);
    MUST(p->src_is_first == q->src_is_first);
    MUST(p->seq == q->seq && p->ack == q->ack && p->window == q->window);
    MUST(p->l4_off == q->l4_off && p->payload_off == q->payload_off);
    MUST(p->has_timestamps == q->has_timestamps && p->ts_val == q->ts_val && p->ts_ecr == q->ts_ecr);
    MUST(p->has_wscale == q->has_wscale && p->wscale == q->wscale && p->mss == q->mss);
}

static void
change(struct packet *p, uint32_t choice)
{
    struct packet first = *p, again;

    (void)packet_checksum_is_right(p);
    packet_checksum_write(p);
    MUST(packet_checksum_is_right(p));

    packet_clear_urgent(p);
    MUST(!(p->flags & TCP_URG) && p->urgent == 0 && packet_checksum_is_right(p));
    packet_parse(&again, p->frame, p->frame_len);
    must_agree(&first, &again);
    MUST(again.payload_len == first.payload_len && again.urgent == 0);
    MUST(again.flags == (first.flags & ~TCP_URG));

    uint32_t keep = choice % (p->payload_len + 1);
    packet_trim(p, keep);
    MUST(p->payload_len == keep && p->frame_len == p->payload_off + keep);
    MUST(packet_checksum_is_right(p));
    /* Exactly what is left, so that a length field that still tells of more shows. */
    uint8_t *rest = malloc(p->frame_len);
    memcpy(rest, p->frame, p->frame_len);
    packet_parse(&again, rest, p->frame_len);
    must_agree(&first, &again);
    MUST(again.payload_len == keep && packet_checksum_is_right(&again));
    MUST(!(again.flags & (TCP_FIN | TCP_PSH | TCP_URG)));
    free(rest);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    uint32_t choice = (uint32_t)data[0] << 8 | data[1];
    size_t len = size - 2;
    if (len > FRAME_LEN_MAX)
        len = FRAME_LEN_MAX;
    uint8_t *frame = malloc(len);
    if (len)
        memcpy(frame, data + 2, len);

    struct packet p;
    enum packet_kind kind = packet_parse(&p, frame, len);
    MUST(kind == p.kind && p.frame == frame && p.frame_len == len);
    MUST(len == 0 || memcmp(frame, data + 2, len) == 0); /* parsing changes nothing */
    switch (kind) {
    case PACKET_TCP:
        must_be_tcp(&p);
        change(&p, choice);
        break;
    case PACKET_FRAGMENT:
        must_be_fragment(&p);
        break;
    case PACKET_OTHER:
    case PACKET_BAD:
        break;
    }
    free(frame);
    return 0;
}
