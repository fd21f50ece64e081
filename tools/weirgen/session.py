"""A dialogue as a TCP connection, seen from a bump in the wire.

The bump's view is the causal one: an acknowledgement or an answer appears only after the octets it
speaks of were all seen here. So what a network does to a flow becomes an order of emissions:

    segments    0   1   2   3   4        each has its place i in the turn
    reorder     0       2   1   3   4    a segment moves a few places back
    loss        0       2   3   4   1    it never came here; the retransmission comes later
    duplicate   0   1   1'  2   3   4    the same again
    overlap     0   1   [0.5-2.5] 2 ...  equal octets over other borders
    conflict    0   1   [0*-1*]  2  ...  octets seen before, and not yet acknowledged, come again
                                         with other values; octets first seen in it are true

The receiver acknowledges every few segments, at once when a gap opens (with SACK) or closes. It
never acknowledges octets that a planned conflict will still repeat: past an acknowledgement every
receiver would ignore them, and the case would be no case.
"""
import struct

from . import wire
from .dialogue import CLIENT

_WINDOW = 2048        # announced, << _SCALE: more than ever is in flight here
_SCALE = 7
_TIMESTAMP_LEN = 12   # every segment carries the option (RFC 7323), so this much less payload
_SACK_MAX = 3         # blocks that fit beside the timestamp (RFC 2018, 3)
_ACK_EVERY = (1, 2, 2, 2, 4, 8, 16)  # segments; a receiver behind GRO acknowledges rarely

IMPAIRMENTS = ("reorder", "loss", "duplicate", "overlap", "conflict", "fragment")


class Network:
    """What befalls segments: probabilities by name, sizes, and the MSS."""

    def __init__(self, mss=1460, segment=None, **probability):
        self.mss, self.segment = mss, segment
        for name in IMPAIRMENTS:
            setattr(self, name, probability.get(name, 0.0))


class _Emission:
    """Octets [start, end) of a turn at a `place` in its order; `conflict`: those seen are changed."""

    __slots__ = ("place", "start", "end", "conflict")

    def __init__(self, place, start, end, conflict=False):
        self.place, self.start, self.end, self.conflict = place, start, end, conflict


class Session:
    """frames() yields (side, frame) in the order of the wire; `counts` says what befell them."""

    def __init__(self, path, turns, network, isn, rng, clock):
        """`clock()` is the time in ms for the timestamp option, read when a frame is made."""
        self.path, self.turns, self.network, self.rng, self.clock = path, turns, network, rng, clock
        self.next_seq = list(isn)
        self.acked = [0, 0]          # acked[side]: how far side's octets were acknowledged
        self.peer_time = [0, 0]      # last timestamp seen of each side
        self.ack_every = rng.choice(_ACK_EVERY)
        announced = network.mss - (20 if path.ipv6 else 0)
        self.announced = announced
        self.payload_max = announced - _TIMESTAMP_LEN
        self.counts = dict.fromkeys(IMPAIRMENTS, 0)

    def frames(self):
        yield from self._handshake()
        for turn in self.turns:
            yield from self._turn(turn.side, turn.octets)
            if turn.reset:
                yield self._control(turn.side, wire.RST | wire.ACK)
                return
        yield from self._goodbye()

    # -- connection -------------------------------------------------------------------------

    def _handshake(self):
        for side, flags in ((0, wire.SYN), (1, wire.SYN | wire.ACK)):
            options = struct.pack("!BBHBBBB", 2, 4, self.announced, 4, 2, 8, 10) \
                + self._times(side) + struct.pack("!BBBB", 1, 3, 3, _SCALE)
            ack = self.next_seq[1 - side] if flags & wire.ACK else 0
            yield side, self.path.frame(side, self.path.segment(
                side, self.next_seq[side], ack, flags, 64240, options, b""))
            self.next_seq[side] += 1
        self.acked = list(self.next_seq)
        yield self._control(0, wire.ACK)

    def _goodbye(self):
        for side in (1, 0):
            yield self._control(side, wire.FIN | wire.ACK)
            self.next_seq[side] += 1
        yield self._control(1, wire.ACK)

    def _times(self, side):
        now = self.clock() & 0xFFFFFFFF
        self.peer_time[side] = now
        return struct.pack("!II", now, self.peer_time[1 - side])

    def _segment(self, side, seq, flags, payload=b"", sack=b""):
        options = b"\x01\x01\x08\x0a" + self._times(side) + sack
        return self.path.segment(side, seq, self.acked_by(side), flags, _WINDOW, options, payload)

    def acked_by(self, side):
        """What `side` acknowledges of its peer now."""
        return self.acked[1 - side]

    def _control(self, side, flags):
        self.acked[1 - side] = self.next_seq[1 - side]
        return side, self.path.frame(side, self._segment(side, self.next_seq[side], flags))

    # -- one turn ---------------------------------------------------------------------------

    def _turn(self, side, octets):
        base = self.next_seq[side]
        self.acked[1 - side] = self.next_seq[1 - side]
        plan = self._plan(len(octets))
        barriers = sorted((e.start for e in plan if e.conflict), reverse=True)
        seen, whole, unacked = bytearray(len(octets)), 0, 0
        for emission in plan:
            payload = octets[emission.start:emission.end]
            if emission.conflict:
                barriers.remove(emission.start)
                payload = self._falsify(payload, seen[emission.start:emission.end])
            flags = wire.ACK | (wire.PSH if emission.end == len(octets) else 0)
            for frame in self._carry(side, self._segment(side, base + emission.start, flags, payload)):
                yield side, frame
            had_gap = whole < len(octets) and seen.find(1, whole) >= 0
            seen[emission.start:emission.end] = b"\1" * (emission.end - emission.start)
            whole = seen.find(0, whole)
            whole = len(octets) if whole < 0 else whole
            self.next_seq[side] = base + whole
            unacked += 1
            gap = whole < len(octets) and seen.find(1, whole) >= 0
            if unacked >= self.ack_every or gap or had_gap:
                limit = base + min([whole, *barriers[-1:]])
                if limit > self.acked[side] or (gap and limit == self.acked[side] == base + whole):
                    self.acked[side] = limit
                    yield self._acknowledge(side, seen, whole, base)
                    unacked = 0

    def _acknowledge(self, side, seen, whole, base):
        blocks, position = [], whole
        while len(blocks) < _SACK_MAX and (start := seen.find(1, position)) >= 0:
            position = seen.find(0, start)
            position = len(seen) if position < 0 else position
            blocks.append(struct.pack("!II", (base + start) & 0xFFFFFFFF, (base + position) & 0xFFFFFFFF))
        sack = struct.pack("!BBBB", 1, 1, 5, 2 + 8 * len(blocks)) + b"".join(blocks) if blocks else b""
        peer = 1 - side
        return peer, self.path.frame(peer, self._segment(peer, self.next_seq[peer], wire.ACK, sack=sack))

    def _plan(self, length):
        """-> emissions in the order of the wire."""
        rng, network, plan = self.rng, self.network, []
        start = place = 0
        while start < length:
            end = min(length, start + self._size())
            emission = _Emission(place, start, end)
            if self._hit("loss"):
                emission.place += rng.randint(2, 12) + 0.5
            elif self._hit("reorder"):
                emission.place += rng.randint(1, 3) + 0.5
            plan.append(emission)
            if self._hit("duplicate"):
                plan.append(_Emission(place + rng.randint(0, 4) + 0.6, start, end))
            if self._hit("overlap"):
                plan.append(self._around(place + rng.randint(0, 2) + 0.7, start, end, length))
            if network.conflict and rng.random() < network.conflict:
                plan.append(self._around(emission.place + rng.randint(0, 2) + 0.1, start, end, length, True))
            start, place = end, place + 1
        plan.sort(key=lambda e: e.place)  # stable: equal places stay in sequence order
        return plan

    def _hit(self, name):
        probability = getattr(self.network, name)
        if probability and self.rng.random() < probability:
            self.counts[name] += 1
            return True
        return False

    def _size(self):
        if self.network.segment is None:
            return self.payload_max
        return min(self.payload_max, self.rng.randint(*self.network.segment))

    def _around(self, place, start, end, length, conflict=False):
        """An emission over [start, end) with other borders, its first octet not after `end`."""
        reach = end - start
        start = max(0, start + self.rng.randint(-reach, reach // 2))
        end = min(length, end + self.rng.randint(-(reach // 3), reach), start + self.payload_max)
        return _Emission(place, start, max(end, start + 1), conflict)

    def _falsify(self, octets, seen):
        """Octets seen before get other values (some or all of them); unseen ones stay true."""
        share = self.rng.choice((0.05, 0.5, 1.0))
        places = [i for i, known in enumerate(seen) if known]
        chosen = [i for i in places if self.rng.random() < share] or places[:1]
        changed = bytearray(octets)
        for i in chosen:
            changed[i] ^= self.rng.randint(1, 31)
        self.counts["conflict"] += bool(chosen)
        return bytes(changed)

    def _carry(self, side, segment):
        """-> frames for the segment: one, or its fragments, a third of the time out of order."""
        if len(segment) <= 40 or not self._hit("fragment"):
            return [self.path.frame(side, segment)]
        size = 8 * self.rng.randint(max(1, len(segment) // 64), len(segment) // 8)
        frames = self.path.fragments(side, segment, size)
        if self.rng.random() < 0.33:
            self.rng.shuffle(frames)
        return frames


def wrapping_isn(turns, rng):
    """-> a client ISN such that its sequence numbers wrap inside a message (None: there is none)."""
    offset, places = 1, []
    for turn in turns:
        if turn.side == CLIENT:
            if turn.body and turn.body[1] > turn.body[0]:
                places.append((offset + turn.body[0], offset + turn.body[1] - 1))
            offset += len(turn.octets)
    if not places:
        return None
    return (1 << 32) - rng.randint(*rng.choice(places))
