// packet_build: frames for tests, octet by octet, checksums by a slow loop of their own.
#ifndef WEIR_TESTS_PACKET_BUILD_H
#define WEIR_TESTS_PACKET_BUILD_H

#include <cstdint>
#include <string>
#include <vector>

using octets = std::vector<uint8_t>;

inline void
put16(octets &o, unsigned v)
{
    o.push_back((uint8_t)(v >> 8));
    o.push_back((uint8_t)v);
}

inline void
put32(octets &o, uint32_t v)
{
    put16(o, v >> 16);
    put16(o, v & 0xffff);
}

inline uint16_t
slow_sum(const octets &o)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < o.size(); i++)
        sum += i % 2 ? o[i] : o[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

struct frame_spec {
    int version = 4;
    std::vector<std::pair<uint16_t, uint16_t>> tags; // type, tag control
    uint8_t src = 1, dst = 2;                        // last octet of the address
    uint16_t sport = 4000, dport = 25;
    uint32_t seq = 1000, ack = 2000;
    uint8_t flags = 0x18;
    octets tcp_options, ip_options; // multiples of 4; ip_options: IPv6: extension headers
    uint8_t first_ext = 6;          // IPv6: the next header of the fixed header
    std::string payload = "MAIL FROM:<>\r\n";
    unsigned padding = 0;

    octets address(uint8_t last) const
    {
        octets a(version == 4 ? 4 : 16, 0);
        a[0] = version == 4 ? 198 : 0x20;
        a.back() = last;
        return a;
    }
    octets l2() const
    {
        octets f(12, 2);
        for (auto &t : tags) {
            put16(f, t.first);
            put16(f, t.second);
        }
        put16(f, version == 4 ? 0x0800 : 0x86dd);
        return f;
    }
    octets tcp() const
    {
        octets t;
        put16(t, sport);
        put16(t, dport);
        put32(t, seq);
        put32(t, ack);
        t.push_back((uint8_t)((5 + tcp_options.size() / 4) << 4));
        t.push_back(flags);
        put16(t, 8192);
        put32(t, 7); // checksum 0, urgent 7
        t.insert(t.end(), tcp_options.begin(), tcp_options.end());
        t.insert(t.end(), payload.begin(), payload.end());
        octets pseudo = address(src), d = address(dst);
        pseudo.insert(pseudo.end(), d.begin(), d.end());
        put32(pseudo, (uint32_t)t.size());
        put32(pseudo, 6);
        pseudo.insert(pseudo.end(), t.begin(), t.end());
        uint16_t sum = slow_sum(pseudo);
        t[16] = (uint8_t)(sum >> 8);
        t[17] = (uint8_t)sum;
        return t;
    }
    // IP header and what it carries. frag: the field of IPv4, 0 for none.
    octets ip(const octets &body, uint16_t id = 0, uint16_t frag = 0) const
    {
        octets h;
        if (version == 4) {
            h = {(uint8_t)(0x45 + ip_options.size() / 4), 0};
            put16(h, (unsigned)(20 + ip_options.size() + body.size()));
            put16(h, id);
            put16(h, frag);
            h.insert(h.end(), {64, 6, 0, 0});
        } else {
            h = {0x60, 0, 0, 0};
            put16(h, (unsigned)(ip_options.size() + body.size()));
            h.insert(h.end(), {first_ext, 64});
        }
        octets s = address(src), d = address(dst);
        h.insert(h.end(), s.begin(), s.end());
        h.insert(h.end(), d.begin(), d.end());
        h.insert(h.end(), ip_options.begin(), ip_options.end());
        if (version == 4) {
            uint16_t sum = slow_sum(h);
            h[10] = (uint8_t)(sum >> 8);
            h[11] = (uint8_t)sum;
        }
        h.insert(h.end(), body.begin(), body.end());
        return h;
    }
    octets frame_of(const octets &datagram) const
    {
        octets f = l2();
        f.insert(f.end(), datagram.begin(), datagram.end());
        f.insert(f.end(), padding, 0xee);
        return f;
    }
    octets frame() const
    {
        return frame_of(ip(tcp()));
    }
    // One fragment of `body` (the whole IP payload).
    octets piece(const octets &body, size_t off, size_t len, uint32_t id, uint8_t next = 6) const
    {
        bool has_more = off + len < body.size();
        octets part(body.begin() + (long)off, body.begin() + (long)(off + len));
        if (version == 4)
            return frame_of(ip(part, (uint16_t)id, (uint16_t)(off / 8 | (has_more ? 0x2000 : 0))));
        octets h = {next, 0};
        put16(h, (unsigned)(off | has_more));
        put32(h, id);
        h.insert(h.end(), part.begin(), part.end());
        return frame_of(ip(h));
    }
};

#endif
