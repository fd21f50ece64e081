#!/usr/bin/env python3
"""trace: a refusal as it was seen on both wires, with tshark as the reader.

    trace.py OUTSIDE.pcap INSIDE.pcap CLIENT-PORT [--print]

Prints a line a check: "ok NAME" or "FAIL NAME: why". With --print also the frames around the refusal.
"""
import re
import subprocess
import sys

FIELDS = ("frame.time_relative", "tcp.srcport", "tcp.seq_raw", "tcp.ack_raw", "tcp.len", "tcp.flags.reset",
          "tcp.flags.fin", "tcp.payload", "tcp.checksum.status", "ip.checksum.status")
CHECKSUMS = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]
GOOD = "1"


def frames(path, port):
    run = subprocess.run(["tshark", "-r", path, *CHECKSUMS, "-Y", f"tcp.port == {port}", "-T", "fields", "-E",
                          "separator=;", *(word for field in FIELDS for word in ("-e", field))],
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    made = []
    for line in run.stdout.splitlines():
        at, source, seq, ack, length, reset, fin, payload, tcp_sum, ip_sum = line.split(";")
        made.append({"at": float(at), "is_server": source == "25", "seq": int(seq), "ack": int(ack), "len": int(length),
                     "reset": reset in ("1", "True"), "fin": fin in ("1", "True"),
                     "payload": bytes.fromhex(payload.replace(":", "")), "sums": (tcp_sum, ip_sum)})
    return made


def octets(trace, is_server):
    """What one side sent, in order; and the sequence number behind it."""
    kept, first = {}, None
    for frame in trace:
        if frame["is_server"] == is_server and frame["len"]:
            first = frame["seq"] if first is None else first
            for at, octet in enumerate(frame["payload"]):
                kept.setdefault((frame["seq"] - first + at) & 0xffffffff, octet)
    text = bytearray()
    while len(text) in kept:
        text.append(kept[len(text)])
    return bytes(text), ((first or 0) + len(text)) & 0xffffffff, len(kept) == len(text)


def show(name, trace):
    print(f"  {name}:")
    for frame in trace[-9:]:
        text = frame["payload"][-60:].decode("latin-1").replace("\r\n", "|")
        flags = " RST" * frame["reset"] + " FIN" * frame["fin"]
        print(f"    {frame['at']:9.6f} {'server > client' if frame['is_server'] else 'client > server'} "
              f"seq {frame['seq']:>10} len {frame['len']:>4}{flags} {text}")


def main():
    outside, inside = frames(sys.argv[1], sys.argv[3]), frames(sys.argv[2], sys.argv[3])
    if "--print" in sys.argv:
        show("outside", outside)
        show("inside", inside)
    failed = False

    def check(name, why):
        nonlocal failed
        failed |= bool(why)
        print(f"FAIL trace/{name}: {why}" if why else f"ok trace/{name}")

    said, _, is_whole = octets(outside, True)
    server_said, server_next, _ = octets(inside, True)
    extra = said[len(server_said):]
    refusals = [f for f in outside if f["is_server"] and re.match(rb"550 ", f["payload"])]
    check("550-seen-by-the-client", "" if refusals else f"server side ends in {said[-60:]!r}")
    # The reply begins at the very octet where the server's own last one ended.
    check("550-in-the-server's-sequence-space",
          "" if is_whole and said.startswith(server_said) and extra.startswith(b"550 ")
          and refusals and refusals[0]["seq"] == server_next
          else f"server's next octet {server_next}, reply at {[f['seq'] for f in refusals]}, {extra[:60]!r}")
    check("server-never-said-it", "550 in the inside trace" if b"550 5.7.1" in server_said else "")
    resets = [f for f in inside if not f["is_server"] and f["reset"]]
    sent, sent_next, _ = octets(inside, False)
    check("server-reset", "" if resets else "no RST toward the server")
    check("reset-is-in-sequence", "" if resets and resets[0]["seq"] == sent_next
          else f"RST at {[f['seq'] for f in resets]}, the server expects {sent_next}")
    whole, _, _ = octets(outside, False)
    check("server-never-had-the-end", "" if len(sent) < len(whole) and not sent.endswith(b"\r\n.\r\n")
          else f"inside the client's side ends in {sent[-20:]!r}")
    check("client-not-reset", "RST to the client" if any(f["is_server"] and f["reset"] for f in outside) else "")
    bad = [f for f in outside + inside if any(s not in (GOOD, "") for s in f["sums"])]
    check("checksums", f"{len(bad)} frames with a wrong one, first {bad[0]}" if bad else "")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
