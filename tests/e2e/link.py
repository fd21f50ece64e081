#!/usr/bin/env python3
"""link: the data plane's socket, spoken to directly: what weir-control does, at a pace no command could keep.

    link.py SOCKET SECONDS INTERVAL-MS IMAGE...        pushes the images in turn, live at once

Prints pushes, refusals and the times of the swaps. The shapes are those of control/link.h. As a module: Link.
"""
import array
import collections
import os
import socket
import struct
import sys
import time

MAGIC, VERSION = 0x52494557, 2
LOAD, STATUS, ACK, NACK, STATE, STAGE, DROP, RETURN, RENEW = range(1, 10)
STAGED, SHADOW, CANARY, PROBATION, LIVE = range(1, 6)
LOAD_STAGE = 1
TRIP_MAX = 256
HEADER, BODY, ANSWER = struct.Struct("=IHHII"), struct.Struct("=IIII"), struct.Struct("=II256s")
STAGE_HEAD, EXEMPT = struct.Struct("=12I"), struct.Struct("=I80s")
BACK, LEASE = struct.Struct("=II256s"), struct.Struct("=II")

# struct link_trip and link_state, in the order of the header.
TRIP = "seq time_ms generation back_to reason kind n k by_data_plane last_worker_us name text".split()
TRIP_FORMAT = "QQ8I80s256s"
ROLE_FORMAT = "II65s7x"
STATE_FORMAT = struct.Struct("=" + 3 * ROLE_FORMAT + "4IQIIQQ8Q3QQ2Q3QQ" + TRIP_FORMAT)
NUMBERS = ("stage share_ppm lease_left_ms persisted instance resident worker_cnt uptime_ms flows "
           "accept tag defer close refuse drop verdict6 verdict7 rx_frames tx_frames dropped_frames blind_sessions "
           "paired shed disagreed deferred retried defer_used").split()
Role = collections.namedtuple("Role", "generation rule_cnt digest")


def text_of(octets):
    return octets.split(b"\0")[0].decode(errors="replace")


class LinkError(OSError):
    """What came is not what was agreed."""


class Refused(Exception):
    """NACK, with the reason."""


class Link:
    def __init__(self, path, timeout=20):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.number = 0

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.socket.close()

    def ask(self, kind, body=b"", descriptor=None):
        """-> (type, body) of the answer."""
        self.number += 1
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                      array.array("i", [descriptor]))] if descriptor is not None else []
        self.socket.sendmsg([HEADER.pack(MAGIC, VERSION, kind, len(body), self.number) + body], ancillary)
        answer = self.socket.recv(65536)
        if len(answer) < HEADER.size:
            raise LinkError(f"an answer that is none: {answer[:32]!r}")
        magic, version, kind, length, echoed = HEADER.unpack_from(answer)
        if kind == NACK and echoed == 0:
            echoed = self.number  # a packet that it could not read: it does not know the number
        if (magic, version, echoed, HEADER.size + length) != (MAGIC, VERSION, self.number, len(answer)):
            raise LinkError(f"an answer that is none: {answer[:32]!r}")
        return kind, answer[HEADER.size:]

    def done(self, kind, body=b"", descriptor=None):
        """-> (generation, swap_us, text); Refused with the reason."""
        kind, body = self.ask(kind, body, descriptor)
        if kind not in (ACK, NACK) or len(body) != ANSWER.size:
            raise LinkError(f"an answer that is none: type {kind}, {len(body)} octets")
        generation, swap_us, text = ANSWER.unpack(body)
        if kind == NACK:
            raise Refused(text_of(text))
        return generation, swap_us, text_of(text)

    def load(self, image, generation=0, flags=0, wait_ms=2000):
        descriptor = os.open(image, os.O_RDONLY)
        try:
            return self.done(LOAD, BODY.pack(generation, wait_ms, flags, 0), descriptor)
        finally:
            os.close(descriptor)

    def stage(self, generation, stage, share_ppm=1000000, lease_ms=30000, budget_permille=900, defer_max=10000,
              defer_tries=2, units_proven=0, window_ms=0, slow_permille=0, trips=None):
        """trips: the units that may be with k = 1, 2, ... bad ones; None: never."""
        table = struct.pack(f"={TRIP_MAX}I", *([0] + (trips or []) + [0] * TRIP_MAX)[:TRIP_MAX])
        never = bytes(4 * TRIP_MAX)
        body = STAGE_HEAD.pack(generation, stage, share_ppm, lease_ms, budget_permille, defer_max, defer_tries,
                               units_proven,
                               window_ms, slow_permille, 0, 0)
        return self.done(STAGE, body + EXEMPT.size * 32 * b"\0" + table + table + never + never + never)

    def drop(self, generation, reason=1, text="drill"):
        return self.done(DROP, BACK.pack(generation, reason, text.encode()))

    def back(self, generation, reason=1, text="drill"):
        return self.done(RETURN, BACK.pack(generation, reason, text.encode()))

    def renew(self, generation, lease_ms):
        return self.done(RENEW, LEASE.pack(generation, lease_ms))

    def status(self):
        """-> link_state as a dict; roles and the trip within."""
        kind, body = self.ask(STATUS)
        if kind != STATE or len(body) != STATE_FORMAT.size:
            raise LinkError(f"a state that is none: type {kind}, {len(body)} octets, not {STATE_FORMAT.size}")
        values = list(STATE_FORMAT.unpack(body))
        state = {}
        for role in ("live", "candidate", "previous"):
            generation, rule_cnt, digest = values[:3]
            state[role] = Role(generation, rule_cnt, text_of(digest))
            del values[:3]
        state |= dict(zip(NUMBERS, values))
        state["trip"] = {name: text_of(value) if isinstance(value, bytes) else value
                         for name, value in zip(TRIP, values[len(NUMBERS):])}
        return state


def percentile(values, part):
    """Of a list, by nearest rank; 0 of an empty one."""
    values = sorted(values) or [0]
    return values[min(len(values) - 1, int(len(values) * part))]


def swaps(path, images, count=None, seconds=None, interval=0.01):
    """Pushes in turn. -> (swap_us of each, seconds of each push, refusals)."""
    took, swap_us, refused = [], [], []
    with Link(path) as link:
        start = due = time.monotonic()
        while (len(took) < count) if count else (time.monotonic() < start + seconds):
            now = time.monotonic()
            try:
                swap_us.append(link.load(images[len(took) % len(images)])[1])
            except Refused as why:
                refused.append(str(why))
            took.append(time.monotonic() - now)
            due += interval
            time.sleep(max(0, due - time.monotonic()))
            due = max(due, time.monotonic() - interval)
    return swap_us, took, refused


def main():
    path, seconds, interval = sys.argv[1], float(sys.argv[2]), float(sys.argv[3]) / 1000
    swap_us, took, refused = swaps(path, sys.argv[4:], seconds=seconds, interval=interval)
    print(f"{len(swap_us)} swaps in {seconds:.0f} s, {len(refused)} refused {sorted(set(refused))[:2]}; push p50 "
          f"{percentile(took, 0.5) * 1e3:.1f} ms, p99 {percentile(took, 0.99) * 1e3:.1f} ms; swap p50 "
          f"{percentile(swap_us, 0.5)} us, p99 {percentile(swap_us, 0.99)} us")
    return 1 if refused or len(swap_us) < seconds / interval / 4 else 0


if __name__ == "__main__":
    sys.exit(main())
