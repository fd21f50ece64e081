#!/usr/bin/env python3
"""link: pushes images over one connection to the data plane, at a pace no command could keep.

    link.py SOCKET SECONDS INTERVAL-MS IMAGE...        the images in turn

Prints pushes, refusals and the times of the swaps. The shapes are those of control/link.h.
"""
import array
import os
import socket
import struct
import sys
import time

MAGIC, VERSION = 0x52494557, 2
LOAD, ACK, NACK = 1, 3, 4
HEADER, BODY, ANSWER = struct.Struct("=IHHII"), struct.Struct("=IIII"), struct.Struct("=II256s")


def push(link, image, request):
    """-> (generation, swap_us) or the reason why not."""
    descriptor = os.open(image, os.O_RDONLY)
    try:
        packet = HEADER.pack(MAGIC, VERSION, LOAD, BODY.size, request) + BODY.pack(0, 2000, 0, 0)
        link.sendmsg([packet], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))])
    finally:
        os.close(descriptor)
    answer = link.recv(4096)
    magic, version, kind, length, echoed = HEADER.unpack_from(answer)
    if (magic, version, echoed, length) != (MAGIC, VERSION, request, ANSWER.size):
        sys.exit(f"an answer that is none: {answer[:32]!r}")
    generation, swap_us, text = ANSWER.unpack_from(answer, HEADER.size)
    if kind != ACK:
        return text.split(b"\0")[0].decode()
    return generation, swap_us


def main():
    path, seconds, interval = sys.argv[1], float(sys.argv[2]), float(sys.argv[3]) / 1000
    images, took, swaps, refused = sys.argv[4:], [], [], []
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as link:
        link.settimeout(20)
        link.connect(path)
        start = due = time.monotonic()
        while (now := time.monotonic()) < start + seconds:
            answer = push(link, images[(len(swaps) + len(refused)) % len(images)], len(swaps) + len(refused) + 1)
            took.append(time.monotonic() - now)
            if isinstance(answer, tuple):
                swaps.append(answer)
            else:
                refused.append(answer)
            due += interval
            time.sleep(max(0, due - time.monotonic()))
            due = max(due, time.monotonic() - interval)
    took.sort()
    times = sorted(swap for _, swap in swaps) or [0]
    print(f"{len(swaps)} swaps in {seconds:.0f} s, {len(refused)} refused {sorted(set(refused))[:2]}; push p50 "
          f"{took[len(took) // 2] * 1e3:.1f} ms, p99 {took[len(took) * 99 // 100] * 1e3:.1f} ms; swap p50 "
          f"{times[len(times) // 2]} us, p99 {times[len(times) * 99 // 100]} us")
    return 1 if refused or len(swaps) < seconds / interval / 4 else 0


if __name__ == "__main__":
    sys.exit(main())
