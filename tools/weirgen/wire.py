"""Octets to Ethernet frames, and frames back to segments.

A Path is one connection's way over the wire: both ends' addresses, the tags, and the counters of
IP identification. Checksums use that a sum of 16-bit words in one's complement is the number
itself modulo 65535 (RFC 1071, 2).
"""
import ipaddress
import struct

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16

ETHERNET_LEN = 14
_FRAME_MIN = 60            # without FCS: shorter frames are padded, as a NIC does
_TCP, _FRAGMENT = 6, 44    # IP protocol numbers
_OUTER_VLAN = 200          # of a QinQ frame; the inner one is the caller's
_IPV4, _IPV6, _VLAN, _QINQ = 0x0800, 0x86DD, 0x8100, 0x88A8


def checksum(octets, start=0):
    if len(octets) & 1:
        octets += b"\0"
    return -(int.from_bytes(octets, "big") + start) % 0xFFFF


def _pseudo(source, target, length):
    return int.from_bytes(source + target, "big") % 0xFFFF + _TCP + length


class Path:
    """Frames of one connection. Side 0 is the client (outside), side 1 the server (inside)."""

    def __init__(self, addresses, ports, vlan=None, qinq=False, identification=(0, 0)):
        self.ends = [ipaddress.ip_address(a) for a in addresses]
        self.ipv6 = self.ends[0].version == 6
        self._ip = [a.packed for a in self.ends]
        self.ports = ports
        self._id = list(identification)
        kind = struct.pack("!H", _IPV6 if self.ipv6 else _IPV4)
        if vlan is not None:
            kind = struct.pack("!HH", _VLAN, vlan) + kind
            if qinq:
                kind = struct.pack("!HH", _QINQ, _OUTER_VLAN) + kind
        mac = b"\x02\x00\x00\x00\x00\x01", b"\x02\x00\x00\x00\x00\x02"
        self._link = [mac[1] + mac[0] + kind, mac[0] + mac[1] + kind]

    def segment(self, side, seq, ack, flags, window, options, payload):
        """-> the TCP segment with its checksum. `options` is padded to a multiple of 4 by its maker."""
        head = struct.pack("!HHIIBBHHH", self.ports[side], self.ports[1 - side], seq & 0xFFFFFFFF,
                           ack & 0xFFFFFFFF, (20 + len(options)) << 2, flags, window, 0, 0) + options
        octets = head + payload
        total = checksum(octets, _pseudo(self._ip[side], self._ip[1 - side], len(octets)))
        return b"".join((head[:16], struct.pack("!H", total), head[18:], payload))

    def frame(self, side, segment):
        """-> one frame that carries the segment whole."""
        if self.ipv6:
            return self._link_layer(side, self._ipv6(side, _TCP, segment))
        return self._link_layer(side, self._ipv4(side, self._next_id(side), 0x4000, segment))

    def fragments(self, side, segment, size):
        """-> frames whose IP payloads are `size` octets (a multiple of 8) of the segment each."""
        identification = self._next_id(side)
        result = []
        for offset in range(0, len(segment), size):
            piece = segment[offset:offset + size]
            more = offset + size < len(segment)
            if self.ipv6:
                head = struct.pack("!BBHI", _TCP, 0, offset | more, identification)
                packet = self._ipv6(side, _FRAGMENT, head + piece)
            else:
                packet = self._ipv4(side, identification, offset >> 3 | more << 13, piece)
            result.append(self._link_layer(side, packet))
        return result

    def _next_id(self, side):
        self._id[side] = (self._id[side] + 1) & (0xFFFFFFFF if self.ipv6 else 0xFFFF)
        return self._id[side]

    def _ipv4(self, side, identification, fragment, payload):
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), identification, fragment, 64, _TCP,
                           0) + self._ip[side] + self._ip[1 - side]
        return b"".join((head[:10], struct.pack("!H", checksum(head)), head[12:], payload))

    def _ipv6(self, side, kind, payload):
        return struct.pack("!IHBB", 6 << 28, len(payload), kind, 64) + self._ip[side] \
            + self._ip[1 - side] + payload

    def _link_layer(self, side, packet):
        return (self._link[side] + packet).ljust(_FRAME_MIN, b"\0")


class Segment:
    """A TCP segment as read from the wire. `source` and `target` are (address, port)."""

    __slots__ = ("source", "target", "seq", "ack", "flags", "payload", "checksum_ok")


class Reader:
    """Frames to segments. IP fragments are put together, the first octets winning."""

    def __init__(self):
        self._parts = {}  # (addresses, id) -> [octets, seen, length or None]

    def read(self, frame):
        """-> Segment, or None: not TCP, or a fragment of a packet that is not whole yet."""
        kind, offset = struct.unpack_from("!H", frame, 12)[0], ETHERNET_LEN
        while kind in (_VLAN, _QINQ):
            kind, offset = struct.unpack_from("!H", frame, offset + 2)[0], offset + 4
        if kind == _IPV4:
            return self._read_ipv4(frame[offset:])
        if kind == _IPV6:
            return self._read_ipv6(frame[offset:])
        return None

    def _read_ipv4(self, packet):
        head = (packet[0] & 15) * 4
        length, identification, fragment = struct.unpack_from("!HHH", packet, 2)
        if packet[9] != _TCP:
            return None
        ends, payload = (packet[12:16], packet[16:20]), packet[head:length]
        good = checksum(packet[:head]) == 0
        if fragment & 0x3FFF:
            payload = self._join(ends + (identification,), (fragment & 0x1FFF) * 8, fragment & 0x2000, payload)
        return payload and _tcp(ends, payload, good)

    def _read_ipv6(self, packet):
        length, kind = struct.unpack_from("!HB", packet, 4)
        ends, payload = (packet[8:24], packet[24:40]), packet[40:40 + length]
        if kind == _FRAGMENT:
            kind, _, offset, identification = struct.unpack_from("!BBHI", payload)
            payload = self._join(ends + (identification,), offset & 0xFFF8, offset & 1, payload[8:])
        return payload and _tcp(ends, payload, True) if kind == _TCP else None

    def _join(self, key, offset, more, piece):
        octets, seen, length = self._parts.get(key) or (bytearray(65536), bytearray(65536), None)
        for i, octet in enumerate(piece, offset):
            if not seen[i]:
                octets[i], seen[i] = octet, 1
        if not more:
            length = offset + len(piece)
        self._parts[key] = octets, seen, length
        if length is None or seen.find(0, 0, length) >= 0:
            return None
        del self._parts[key]
        return bytes(octets[:length])


def _tcp(ends, octets, good):
    segment = Segment()
    source, target, segment.seq, segment.ack, head, segment.flags = struct.unpack_from("!HHIIBB", octets)
    segment.source, segment.target = (ends[0], source), (ends[1], target)
    segment.payload = octets[(head >> 4) * 4:]
    segment.checksum_ok = good and checksum(octets, _pseudo(*ends, len(octets))) == 0
    return segment
