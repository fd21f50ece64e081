"""What a receiver gets: frames to streams to messages, octet by octet, slowly and obviously.

Two receivers are modelled. `first` keeps the octet it saw first, `last` the one it saw last, even
long after it acknowledged it: no real one is that bad, so what both agree on, all agree on.
"""
import ipaddress
import re

from . import wire
from .mail import unstuff_dots


class Stream:
    """One direction of a connection."""

    def __init__(self):
        self.isn, self.octets, self.seen = None, bytearray(), bytearray()
        self.closed = self.reset = False
        self.top = 0  # highest offset seen; sequence numbers are unwrapped around it

    def add(self, segment, last_wins):
        if segment.flags & wire.SYN:
            self.isn = segment.seq
        if segment.flags & wire.RST:
            self.reset = True
        if segment.flags & wire.FIN:
            self.closed = True
        if self.isn is None or not segment.payload:
            return
        offset = (segment.seq - self.isn - 1 - self.top + (1 << 31)) % (1 << 32) - (1 << 31) + self.top
        if offset < 0:
            return
        end = offset + len(segment.payload)
        if end > len(self.octets):
            self.octets.extend(bytes(end - len(self.octets)))
            self.seen.extend(bytes(end - len(self.seen)))
        self.top = max(self.top, end)
        for i, octet in enumerate(segment.payload, offset):
            if last_wins or not self.seen[i]:
                self.octets[i], self.seen[i] = octet, 1

    def whole(self):
        """-> the octets before the first gap."""
        gap = self.seen.find(0)
        return bytes(self.octets if gap < 0 else self.octets[:gap])


def streams(frames, last_wins=False):
    """-> {(source, sport, target, dport): Stream} and the number of segments with bad checksums."""
    reader, found, bad = wire.Reader(), {}, 0
    for frame in frames:
        segment = reader.read(frame)
        if segment is None:
            continue
        bad += not segment.checksum_ok
        key = _name(segment.source) + _name(segment.target)
        found.setdefault(key, Stream()).add(segment, last_wins)
    return found, bad


def _name(end):
    return str(ipaddress.ip_address(end[0])), end[1]


def messages(octets):
    """-> the messages a server accepts from a client's octets, if it accepts every command."""
    found, chunks, position = [], b"", 0
    while (end := octets.find(b"\r\n", position)) >= 0:
        line, position = octets[position:end].upper(), end + 2
        if line == b"STARTTLS":
            break
        if line == b"DATA":
            stop = octets.find(b"\r\n.\r\n", position - 2)
            if stop < 0:
                break
            found.append(unstuff_dots(octets[position:stop + 2]))
            position = stop + 5
        elif bdat := re.fullmatch(rb"BDAT (\d+)( LAST)?", line):
            chunk = octets[position:position + int(bdat[1])]
            position += int(bdat[1])
            if len(chunk) < int(bdat[1]):
                break
            chunks += chunk
            if bdat[2]:
                found.append(chunks)
                chunks = b""
    return found
