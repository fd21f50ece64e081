#!/usr/bin/env python3
"""Holds tools/weir-gen to its word, with tshark and with an octet-by-octet reassembler as judges.

Prints `ok NAME` or `FAIL NAME: why`, and ends with 1 if anything failed. About 15 s.
Needs nothing but Python; without tshark its checks are skipped and said to be (`skip NAME`).
"""
import collections
import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))
from weirgen import capture, truth, wire  # noqa: E402

TOOL = os.path.join(ROOT, "tools", "weir-gen")
CORPUS = os.path.join(ROOT, "..", "shared", "corpus", "sa-spam-1")   # read where it is; not needed
CORPUS_MAX = 15

# name -> (arguments, what a feature of the manifest must show somewhere)
CAPTURES = {
    "clean": ([], None),
    "pipelining": (["--pipelining", "1", "--per-session", "1-4"], "pipelining"),
    "bdat": (["--bdat", "1", "--pipelining", "0.5", "--per-session", "1-3"], "bdat"),
    "several": (["--per-session", "2-5", "--rcpts", "1-5"], None),
    "ipv6": (["--ipv6", "1"], "ipv6"),
    "vlan": (["--vlan", "42"], None),
    "qinq": (["--vlan", "42", "--qinq"], None),
    "small-mss": (["--mss", "536"], None),
    "jumbo": (["--mss", "8960"], None),
    "segment-range": (["--segment", "1-200"], None),
    "one-octet": (["--segment", "1", "-n", "5"], None),
    "wrap": (["--wrap", "1"], "wrap"),
    "reorder": (["--reorder", "0.2"], "reorder"),
    "loss": (["--loss", "0.1"], "loss"),
    "duplicate": (["--duplicate", "0.1"], "duplicate"),
    "overlap": (["--overlap", "0.1"], "overlap"),
    "fragment": (["--fragment", "0.3"], "fragment"),
    "fragment6": (["--fragment", "0.3", "--ipv6", "1"], "fragment"),
    "dport": (["--dport", "25,587,2525"], None),
    "starttls": (["--starttls", "0.5"], "starttls"),
    "abort": (["--abort", "0.5", "--per-session", "1-3", "--bdat", "0.5", "--pipelining", "0.5"], "abort"),
    "conflict": (["--conflict", "0.1"], "conflict"),
    "everything": (["--reorder", ".05", "--loss", ".05", "--duplicate", ".05", "--overlap", ".05",
                    "--fragment", ".05", "--ipv6", ".5", "--pipelining", ".5", "--bdat", ".3",
                    "--per-session", "1-4", "--rcpts", "1-3", "--starttls", ".1", "--abort", ".1",
                    "--wrap", ".5", "--qinq", "--segment", "10-1460", "--conflict", ".05"], "wrap"),
}
# Wireshark keeps what it thinks best of octets that differ: there the manifest has one judge only.
NOT_FOR_TSHARK = {"conflict", "everything"}

failed = 0


def check(name, problem):
    global failed
    failed += bool(problem)
    print(f"FAIL {name}: {problem}" if problem else f"ok {name}", flush=True)


def generate(*arguments):
    return subprocess.run([TOOL, "pcap", *map(str, arguments)], capture_output=True, text=True, check=False)


def make(folder, mail, name, arguments):
    """-> (pcap, manifest)"""
    pcap, manifest = os.path.join(folder, name + ".pcap"), os.path.join(folder, name + ".json")
    run = generate("--eml", *mail, "-o", pcap, "--manifest", manifest, "--wrap", 0, "-c", 8, *arguments)
    if run.returncode:
        sys.exit(f"FAIL {name}: weir-gen: {run.stderr}")
    with open(manifest, encoding="utf-8") as file:
        return pcap, json.load(file)


def made_mail(folder):
    """Mails made for the corners: dots, lone LF, no last line end, nothing, long lines, size."""
    head = b"From: a@example.com\nTo: b@example.org\nSubject: test\n\n"
    bodies = {
        "dots": b".\n..\n.a\nx.\n\n.\n.\r\n", "lf": b"one\ntwo\n", "crlf": b"one\r\ntwo\r\n", "noend": b"no end",
        "empty": b"", "long": b"x" * 5000 + b"\n", "blank": b"\n" * 50, "cr": b"bare\rreturn\n",
        "command": b"MAIL FROM:<x@example.com>\nDATA\nBDAT 10 LAST\nSTARTTLS\nQUIT\n",
        "octets": bytes(range(1, 256)) * 40 + b"\n", "large": b"A line of a larger message.\n" * 8000}
    os.mkdir(folder)
    for name, body in bodies.items():
        with open(os.path.join(folder, name + ".eml"), "wb") as file:
            file.write(head + body)
    with open(os.path.join(folder, "nothing.eml"), "wb"):
        pass
    return [folder]


def flow(session):
    return session["src"], session["sport"], session["dst"], session["dport"]


def digests(octets):
    return [hashlib.sha256(m).hexdigest() for m in truth.messages(octets)]


def compare(manifest, client_octets):
    """-> what is wrong: each session carries its messages, in order, and no other."""
    for session in manifest["sessions"]:
        wanted = [m["sha256"] for m in session["messages"]]
        found = digests(client_octets.get(flow(session), b""))
        if wanted != found:
            same = sum(a == b for a, b in zip(wanted, found))
            return f"{flow(session)}: {len(wanted)} messages sent, {len(found)} found, {same} the same"
    return None


def causality(frames):
    """-> what is wrong: nobody may acknowledge what was not yet seen whole here."""
    reader, streams = wire.Reader(), collections.defaultdict(truth.Stream)
    for number, frame in enumerate(frames, 1):
        segment = reader.read(frame)
        if segment is None:
            continue
        peer = streams.get((segment.target, segment.source))
        if segment.flags & wire.ACK:
            if peer is None or peer.isn is None:
                return f"frame {number} acknowledges a peer that never spoke"
            gap = peer.seen.find(0)
            whole = (len(peer.seen) if gap < 0 else gap) + peer.closed
            if (segment.ack - peer.isn - 1) % (1 << 32) > whole:
                return f"frame {number} acknowledges {segment.ack - peer.isn - 1} octets, seen are {whole}"
        streams[segment.source, segment.target].add(segment, last_wins=False)
    return None


def conflicts(frames):
    """-> what is wrong: octets that differ must come again, and before they are acknowledged."""
    reader, streams, acked, found = wire.Reader(), collections.defaultdict(truth.Stream), {}, 0
    for number, frame in enumerate(frames, 1):
        segment = reader.read(frame)
        if segment is None:
            continue
        stream = streams[segment.source, segment.target]
        stream.add(segment, last_wins=False)
        start = (segment.seq - stream.isn - 1) % (1 << 32)
        if stream.octets[start:start + len(segment.payload)] != segment.payload:
            found += 1
            if start < acked.get((segment.source, segment.target), 0):
                return f"frame {number} repeats octets that were acknowledged"
        if segment.flags & wire.ACK:
            acked[segment.target, segment.source] = segment.ack - streams[segment.target, segment.source].isn - 1
    return None if found > 5 else f"{found} segments differ from what they repeat"


def tshark(pcap, *arguments):
    run = subprocess.run(["tshark", "-n", "-r", pcap, "-o", "ip.check_checksum:TRUE",
                          "-o", "tcp.check_checksum:TRUE", "-o", "ip.defragment:TRUE",
                          "-o", "tcp.reassemble_out_of_order:TRUE", *arguments],
                         capture_output=True, text=True, check=True)
    return run.stdout


def tshark_streams(pcap, count):
    """-> {flow: client's octets}, as Wireshark follows them."""
    follow = [argument for i in range(count) for argument in ("-z", f"follow,tcp,raw,{i}")]
    found, ends, octets = {}, [], []
    for line in tshark(pcap, "-q", *follow).splitlines():
        if line.startswith("Node "):
            host, port = line.split(": ", 1)[1].rsplit(":", 1)
            ends += [host.strip("[]"), int(port)]
        elif line.startswith("===") and ends:
            found[tuple(ends)] = bytes.fromhex("".join(octets))
            ends, octets = [], []
        elif len(ends) == 4 and line and not line.startswith("\t") and ":" not in line:
            octets.append(line)
    return found


def check_capture(name, pcap, manifest, feature, has_tshark):
    frames = [frame for _, frame in capture.frames(pcap)]
    if feature:
        shown = sum(feature in s["features"] for s in manifest["sessions"])
        check(f"{name}/feature", None if shown else f"no session shows {feature}")
    streams, bad = truth.streams(frames)
    check(f"{name}/checksums", bad and f"{bad} segments with a bad checksum")
    check(f"{name}/messages", compare(manifest, {k: s.whole() for k, s in streams.items()}))
    check(f"{name}/causal", causality(frames))
    if not has_tshark:
        return print(f"skip {name}/tshark: not installed")
    bad = tshark(pcap, "-Y", "ip.checksum.status==0 || tcp.checksum.status==0 || _ws.malformed")
    check(f"{name}/tshark-checksums", bad if name not in NOT_FOR_TSHARK else None)
    if name not in NOT_FOR_TSHARK:
        check(f"{name}/tshark-messages", compare(manifest, tshark_streams(pcap, len(manifest["sessions"]))))
    return None


def check_shapes(made, has_tshark):
    """What a capture must look like, beyond carrying its messages."""
    segments = lambda name: list(filter(None, map(wire.Reader().read, (f for _, f in capture.frames(made[name][0])))))
    longest = max(len(s.payload) for s in segments("one-octet"))
    check("one-octet/size", longest != 1 and f"a segment of {longest} octets")
    longest = max(len(s.payload) for s in segments("small-mss"))
    check("small-mss/size", longest != 524 and f"longest payload {longest}, not 536 less the timestamps")
    wrapped = collections.defaultdict(set)
    for s in segments("wrap"):
        if s.target[1] == 25 and s.payload:
            wrapped[s.source].add(s.seq >> 31)
    check("wrap/number", any(len(halves) < 2 for halves in wrapped.values()) and "a session did not wrap")
    check("dport/ports", {s["dport"] for s in made["dport"][1]["sessions"]} != {25, 587, 2525} and "ports missing")
    pcap, manifest = made["conflict"]
    last, _ = truth.streams([f for _, f in capture.frames(pcap)], last_wins=True)
    check("conflict/differs", not compare(manifest, {k: s.whole() for k, s in last.items()})
          and "the last octets are as true as the first")
    check("conflict/unacknowledged", conflicts(frame for _, frame in capture.frames(pcap)))
    envelopes = [{m["file"]: (m["mail_from"], m["rcpt"]) for s in made[name][1]["sessions"] for m in s["messages"]}
                 for name in ("clean", "loss", "bdat")]
    check("envelopes/same", (envelopes[0] != envelopes[1] or envelopes[0] != envelopes[2])
          and "the same file travels in another envelope")
    unseen = [s for s in made["starttls"][1]["sessions"] if "starttls" in s["features"]]
    check("starttls/unseen", any(s["messages"] or not s["unseen"] for s in unseen) and "messages said to be seen")
    if has_tshark:
        for name, wanted in (("vlan", ",42"), ("qinq", "200,42")):
            found = set(tshark(made[name][0], "-T", "fields", "-E", "separator=,", "-e", "ieee8021ad.id",
                               "-e", "vlan.id").split())
            check(f"{name}/tags", found != {wanted} and f"tags {sorted(found)}")
        for name, test in (("fragment", "ip.flags.mf==1"), ("fragment6", "ipv6.fraghdr.more==1")):
            check(f"{name}/fragments", not tshark(made[name][0], "-Y", test) and "none")
        commands = tshark(made["clean"][0], "-Y", "smtp.req.command==MAIL", "-T", "fields", "-e", "frame.number")
        wanted = made["clean"][1]["totals"]["messages"]
        check("clean/smtp", len(commands.split()) != wanted and f"{len(commands.split())} MAIL, not {wanted}")


def check_same_octets(folder, mail):
    arguments = CAPTURES["everything"][0]
    octets = []
    for number, seed in enumerate((7, 7, 8)):
        pcap, _ = make(folder, mail, f"seed{number}", [*arguments, "--seed", seed])
        with open(pcap, "rb") as file:
            octets.append(file.read())
    check("seed/same", octets[0] != octets[1] and "the same seed made other octets")
    check("seed/other", octets[0] == octets[2] and "another seed made the same octets")


def check_split(folder, mail):
    paths = [os.path.join(folder, name) for name in ("both.pcap", "0.pcap", "1.pcap")]
    generate("--eml", *mail, "-o", paths[0], "--split", *paths[1:])
    both, client, server = [[f for _, f in capture.frames(p)] for p in paths]
    sides = [{wire.Reader().read(f).target[1] == 25 for f in frames} for frames in (client, server)]
    check("split/sides", sides != [{True}, {False}] and f"directions are mixed: {sides}")
    check("split/all", sorted(both) != sorted(client + server) and "frames lost or added")


def check_reader(folder):
    """Every variant of pcap counts the same; what cannot be read is said, with the file's name."""
    frame = bytes(60)
    for name, order, magic in (("micro-le", "<", 0xA1B2C3D4), ("micro-be", ">", 0xA1B2C3D4),
                               ("nano-le", "<", 0xA1B23C4D), ("nano-be", ">", 0xA1B23C4D)):
        path = os.path.join(folder, name)
        with open(path, "wb") as file:
            file.write(struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, 1))
            file.write((struct.pack(order + "IIII", 1, 999, 60, 60) + frame) * 3)
        times = [time for time, _ in capture.frames(path)]
        wanted = [1_000_000_999 if "nano" in name else 1_000_999_000] * 3
        check(f"reader/{name}", (capture.count_frames(path) != 3 or times != wanted) and f"times {times}")
    whole = open(path, "rb").read()
    for name, octets, word in (("pcapng", b"\x0a\x0d\x0d\x0a" + bytes(24), "pcapng"), ("text", b"hello", "not a pcap"),
                               ("short", whole[:-7], "ends inside"), ("empty", b"", "not a pcap"),
                               ("link", whole[:20] + b"\0\0\0\x71" + whole[24:], "link type 113")):
        path = os.path.join(folder, name)
        with open(path, "wb") as file:
            file.write(octets)
        try:
            capture.count_frames(path)
            problem = "read without complaint"
        except capture.CaptureError as error:
            problem = None if word in str(error) and path in str(error) else f"message: {error}"
        check(f"reader/{name}", problem)


def check_usage(folder, mail):
    out = os.path.join(folder, "usage.pcap")
    bad = os.path.join(folder, "bad-domains")
    with open(bad, "w", encoding="utf-8") as file:
        file.write("10 example.com\nmany words here\n")
    os.mkdir(os.path.join(folder, "no-mail"))
    for name, arguments, word in (
            ("no-output", ["--eml", *mail], "--split"), ("no-mail", ["-o", out], "--eml"),
            ("missing", ["--eml", "/nonexistent", "-o", out], "/nonexistent"),
            ("empty-folder", ["--eml", os.path.join(folder, "no-mail"), "-o", out], "no-mail"),
            ("share", ["--eml", *mail, "-o", out, "--loss", "2"], "--loss"),
            ("range", ["--eml", *mail, "-o", out, "--segment", "9-2"], "--segment"),
            ("domains", ["--eml", *mail, "-o", out, "--domains", bad], "bad-domains:2"),
            ("unwritable", ["--eml", *mail, "-o", "/nonexistent/x.pcap"], "/nonexistent/x.pcap"),
            ("template", ["--eml", *mail, "-o", out, "--mail-from", "{nobody}"], "nobody")):
        run = generate(*arguments)
        right = run.returncode == 2 and word in run.stderr and "Traceback" not in run.stderr
        check(f"usage/{name}", not right and f"exit {run.returncode}: {run.stderr[-200:]}")


def main():
    has_tshark = shutil.which("tshark") is not None
    with tempfile.TemporaryDirectory(prefix="weir-gen-test.") as folder:
        mail = made_mail(os.path.join(folder, "mail"))
        own = os.path.join(ROOT, "tests", "data", "mail")
        small = list(mail)
        if any(name.endswith(".eml") for _, _, names in os.walk(own) for name in names):
            mail.append(own)
        if os.path.isdir(CORPUS):
            names = sorted(n for n in os.listdir(CORPUS) if n.endswith(".eml"))[:CORPUS_MAX]
            mail += [os.path.join(CORPUS, name) for name in names]
        made = {}
        for name, (arguments, feature) in CAPTURES.items():
            made[name] = make(folder, small if name == "one-octet" else mail, name, arguments)
            check_capture(name, *made[name], feature, has_tshark)
        check_shapes(made, has_tshark)
        check_same_octets(folder, mail)
        check_split(folder, mail)
        check_reader(folder)
        check_usage(folder, small)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
