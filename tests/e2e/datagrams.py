#!/usr/bin/env python3
"""datagrams: numbered UDP datagrams at a steady pace, and which of them came.

    datagrams.py receive --out FILE [--port N]                          until its standard input ends
    datagrams.py send HOST --rate N --seconds N [--octets N] [--port N]

The receiver's socket holds a quarter of a gigabyte, so that one that is kept off its core loses nothing: what is
missing was lost before it. FILE gets a JSON line each time that nothing has come for a tenth of a second:

    {"came": how many, "twice": of those again, "changed": of those with other octets, "full": lost by its own socket}

`send` prints {"sent", "seconds"}. Numbers go on from the last run: --first.
"""
import argparse
import json
import select
import socket
import sys
import time

FORCED_RCVBUF, RCVBUF = 33, 256 << 20  # SO_RCVBUFFORCE: past the machine's limit; root may
NUMBERS_MAX = 1 << 28


def payload(octets):
    return bytes(n * 37 & 0xff for n in range(octets - 4))


def overflows():
    with open("/proc/net/snmp", encoding="ascii") as file:
        names, values = (line.split() for line in file if line.startswith("Udp:"))
    return int(values[names.index("RcvbufErrors")])


def receive(args):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, FORCED_RCVBUF, RCVBUF)
    sock.bind(("", args.port))
    sock.setblocking(False)
    seen, told = bytearray(NUMBERS_MAX // 8), None
    came = twice = changed = 0
    whole = payload(65536)
    before = overflows()
    with open(args.out, "w", encoding="utf-8", buffering=1) as out:
        while True:
            ready, _, _ = select.select([sock, sys.stdin], [], [], 0.1)
            if sock not in ready:
                line = {"came": came, "twice": twice, "changed": changed, "full": overflows() - before}
                if line != told:
                    out.write(json.dumps(line) + "\n")
                    told = line
            if sys.stdin in ready and not sys.stdin.buffer.read1(1):
                return
            try:
                while sock in ready:
                    octets = sock.recv(65535)
                    number = int.from_bytes(octets[:4], "big") % NUMBERS_MAX
                    came += 1
                    twice += seen[number >> 3] >> (number & 7) & 1
                    seen[number >> 3] |= 1 << (number & 7)
                    changed += octets[4:] != whole[:len(octets) - 4]
            except BlockingIOError:
                pass


def send(args):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((args.host, args.port))
    rest, sent = payload(args.octets), 0
    start = now = due = time.monotonic()
    while now < start + args.seconds:
        while due <= now:
            sock.send((args.first + sent).to_bytes(4, "big") + rest)
            sent += 1
            # After a pause a hundredth of a second is made up for, no more: it is a pace, not a number.
            due = max(due + 1 / args.rate, now - 0.01)
        time.sleep(0.0005)
        now = time.monotonic()
    print(json.dumps({"sent": sent, "seconds": round(now - start, 3)}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("receive")
    command.add_argument("--out", required=True)
    command.set_defaults(run=receive)
    command = commands.add_parser("send")
    command.add_argument("host")
    command.add_argument("--rate", type=int, required=True, help="datagrams a second")
    command.add_argument("--seconds", type=float, required=True)
    command.add_argument("--octets", type=int, default=1000)
    command.add_argument("--first", type=int, default=0, help="the first one's number")
    command.set_defaults(run=send)
    for command in commands.choices.values():
        command.add_argument("--port", type=int, default=7777)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
