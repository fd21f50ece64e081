#!/usr/bin/env python3
"""Holds scan/archive to Python's zipfile and gzip over archives made here: names, lengths, CRC-32s, flags, the same
for every split.

usage: archive_truth.py ARCHIVEDUMP"""
import gzip
import io
import json
import random
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path

random.seed(7)


class Pipe(io.RawIOBase):
    """A file that cannot be sought: zipfile then writes data descriptors."""

    def __init__(self):
        super().__init__()
        self.octets = bytearray()

    def writable(self):
        return True

    def write(self, data):
        self.octets += bytes(data)
        return len(data)


def contents():
    kind = random.randrange(5)
    if kind == 0:
        return b""
    if kind == 1:
        return b"PK\7\10" * random.choice([0, 2, 3, 40]) + b"PK\3\4PPPK"
    if kind == 2:
        return random.randbytes(random.randrange(5000))
    return b"some words, again and again\n" * random.randrange(1, 3000)


def name(i):
    return random.choice([f"plain{i}.txt", f"folder/{i}.bin", f"\u00fcber{i}.pdf", f"\u65e5\u672c{i}", f"{i}" + "x" * 300])


def make(members, method=None, pipe=False, zip64=False, prefix=b"", comment=b""):
    out = Pipe() if pipe else io.BytesIO()
    if not pipe:
        out.write(prefix)
    with zipfile.ZipFile(out, "w") as z:
        for i in range(members):
            info = zipfile.ZipInfo(name(i))
            info.compress_type = random.choice([0, 8]) if method is None else method
            info.comment = random.choice([b"", b"a comment"])
            with z.open(info, "w", force_zip64=zip64) as f:
                f.write(contents())
        z.comment = comment
    return bytes(out.octets) if pipe else out.getvalue()


def encrypted(octets):
    """Sets the flag in every local header and entry of the directory; the data stays as it is."""
    out = bytearray(octets)
    with zipfile.ZipFile(io.BytesIO(octets)) as z:
        places, at = [i.header_offset + 6 for i in z.infolist()], z.start_dir
    for place in places:
        out[place] |= 1
    while out[at:at + 4] == b"PK\1\2":
        out[at + 8] |= 1
        at += 46 + sum(struct.unpack("<HHH", out[at + 28:at + 34]))
    return bytes(out)


def honest():
    """Octets, flags wanted."""
    for i in range(40):
        yield f"plain{i}", make(i % 7), []
        yield f"pipe{i}", make(i % 7, pipe=True), []
        yield f"zip64{i}", make(i % 7, zip64=True), []
        yield f"zip64pipe{i}", make(1 + i % 6, zip64=True, pipe=True), []
        yield f"comment{i}", make(i % 7, comment=b"PK or not" * i), []
        yield f"prefix{i}", make(1 + i % 6, prefix=random.randbytes(i + 1)), ["PREFIX"]
        # A prefix that the offsets do not count.
        yield f"sfx{i}", b"MZ" + random.randbytes(10 + i) + make(1 + i % 6), ["PREFIX"]
        yield f"encrypted{i}", encrypted(make(1 + i % 6)), ["ENCRYPTED"]


def hostile():
    """Octets, flags wanted, names that must be told."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", 8) as f:
        for i in range(3):
            f.writestr(f"name{i}.txt", b"some words " * 100)
    z = out.getvalue()
    yield "truncated", z[:-30], ["TRUNCATED"], []
    yield "trailer", z + b"more", ["TRAILER"], []
    yield "unended", z[:len(z) // 2], ["TRUNCATED"], []
    with zipfile.ZipFile(io.BytesIO(z)) as f:
        start = f.start_dir
        first = f.infolist()[0]
    renamed = bytearray(z)
    renamed[start + 46:start + 49] = b"EXE"
    yield "other-name", bytes(renamed), ["MISMATCH"], [b"EXE" + first.filename.encode()[3:]]
    yield "gap", z[:start] + b"hidden" + z[start:], ["GAP", "MISMATCH"], []
    outside = bytearray(z)
    struct.pack_into("<I", outside, start + 42, 0x7fffffff)
    yield "outside", bytes(outside), ["MISSING", "UNLISTED"], []
    inside = bytearray(z)
    struct.pack_into("<I", inside, start + 42, 5)
    yield "inside", bytes(inside), ["OVERLAP", "UNLISTED"], []
    twice = bytearray(z)
    entry = 46 + sum(struct.unpack("<HHH", z[start + 28:start + 34]))
    struct.pack_into("<I", twice, start + entry + 42, 0)
    yield "twice", bytes(twice), ["OVERLAP", "MISMATCH", "UNLISTED"], []
    crc = bytearray(z)
    crc[14] ^= 1
    yield "crc", bytes(crc), ["CORRUPT", "MISMATCH"], []
    sized = bytearray(z)
    struct.pack_into("<I", sized, start + 24, 12345)
    yield "size", bytes(sized), ["MISMATCH"], []
    broken = bytearray(z)
    place = 30 + len(first.filename.encode())
    broken[place:place + 1] = b"\xff"
    yield "deflate", bytes(broken), ["CORRUPT"], []
    yield "two", z + z, ["TRAILER"], []
    yield "in-comment", make(1, comment=make(1)), ["TRAILER"], []
    yield "split", b"PK\7\10" + z, ["SPLIT"], []

    def one(name, octets, method=8):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method) as f:
            f.writestr(name, octets)
        return out.getvalue()

    yield "bomb", one("bomb", bytes(60 << 20)), ["RATIO"], []
    yield "odd", one("../../etc/passwd", b""), ["NAME_ODD"], [b"../../etc/passwd"]
    yield "long", one("n" * 600, b""), ["NAME_CUT"], [b"n" * 512]
    yield "bzip2", one("b", b"b" * 100, 12), ["METHOD"], [b"b"]
    inner = one("inner.exe", b"MZ inside")
    yield "nested", one("outer.zip", inner), [], [b"outer.zip", b"inner.exe"]
    yield "stored-nested", one("outer.zip", inner, 0), [], [b"outer.zip", b"inner.exe"]
    yield "three", one("3.zip", one("2.zip", inner)), ["DEPTH"], [b"3.zip", b"2.zip"]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as f:
        for i in range(1500):
            f.writestr(str(i), b"")
    yield "members", out.getvalue(), ["MEMBERS"], [b"0", b"999"]
    gz = io.BytesIO()
    with gzip.GzipFile("name.txt", "wb", fileobj=gz, mtime=0) as f:
        f.write(b"in gzip")
    yield "gzip", gz.getvalue(), [], [b"name.txt"]
    yield "gzip-twice", gz.getvalue() * 2, [], [b"name.txt"]
    yield "gzip-padded", gz.getvalue() + bytes(100), [], [b"name.txt"]
    yield "gzip-trailer", gz.getvalue() + b"xyz", ["TRAILER"], []
    yield "gzip-cut", gz.getvalue()[:-3], ["TRUNCATED"], []
    yield "gzip-nameless", gzip.compress(b"x", mtime=0), [], [b""]
    yield "gzip-of-zip", gzip.compress(inner, mtime=0), [], [b"inner.exe"]
    yield "zip-of-gzip", one("a.gz", gz.getvalue()), [], [b"a.gz", b"name.txt"]
    head = b"\x21\x04\0\0\1\x0f"
    yield "rar5-plain", b"Rar!\x1a\7\1\0" + bytes(4) + b"\3\5\0\0" + bytes(8), ["NAMES_UNREAD"], []
    yield "rar5-encrypted", b"Rar!\x1a\7\1\0" + bytes(4) + b"\x0a\4\0" + head + bytes(40), ["ENCRYPTED", "NAMES_UNREAD"], []
    main = bytes(2) + b"\x73\0\0\x0d\0" + bytes(6)
    yield "rar4-plain", b"Rar!\x1a\7\0" + main + bytes(2) + b"\x7b\0\0\7\0", ["NAMES_UNREAD"], []
    rar4 = b"Rar!\x1a\7\0" + main + bytes(2) + b"\x74\4\x80\x20\0" + bytes(25)
    yield "rar4-encrypted", rar4, ["ENCRYPTED", "NAMES_UNREAD"], []
    start7 = b"7z\xbc\xaf\x27\x1c\0\4" + bytes(4) + struct.pack("<QQI", 5, 20, 0) + b"datas"
    yield "7z-plain", start7 + b"\x17\6\0\1\3" + bytes(15), ["NAMES_UNREAD"], []
    yield "7z-encrypted", start7 + b"\x17\6\0\x24\6\xf1\7\1" + bytes(12), ["ENCRYPTED", "NAMES_UNREAD"], []
    yield "not", random.randbytes(100000), [], []
    yield "text", b"PK is a name, and PK\3\4 too " * 1000, [], []


def wanted(octets):
    with zipfile.ZipFile(io.BytesIO(octets)) as z:
        for i in z.infolist():
            raw = i.orig_filename.encode("utf-8" if i.flag_bits & 0x800 else "cp437")
            crc = 0 if i.flag_bits & 1 else i.CRC
            yield raw, 0 if i.flag_bits & 1 else i.file_size, crc


def main():
    dump, failures, cnt = sys.argv[1], 0, 0
    cases = [(n, o, f, None) for n, o, f in honest()] + list(hostile())
    with tempfile.TemporaryDirectory() as folder:
        paths = {}
        for case in cases:
            path = Path(folder) / case[0]
            path.write_bytes(case[1])
            paths[str(path)] = case
        runs = []
        for step in (0, 1, 7, 4096):
            out = subprocess.run([dump, str(step), *paths], check=True, stdout=subprocess.PIPE, text=True).stdout
            runs.append([json.loads(line) for line in out.splitlines()])
    for seen, *others in zip(*runs):
        label, octets, flags, names = paths[seen["file"]]
        got = [(bytes.fromhex(m["name"]), m["len"], m["crc"]) for m in seen["members"]]
        whys = []
        if label != "bomb" and any(other != seen for other in others):  # where RATIO cuts may differ
            whys.append(f"depends on the split: {[o for o in others if o != seen][:1]}")
        if seen["flags"] != sorted(seen["flags"], key=seen["flags"].index) or set(seen["flags"]) != set(flags):
            whys.append(f"flags {seen['flags']}, wanted {flags}")
        if names is None and got != list(wanted(octets)):
            whys.append(f"members {got}, wanted {list(wanted(octets))}")
        if names and not set(names) <= {n for n, _, _ in got}:
            whys.append(f"names {[n for n, _, _ in got][:10]}, wanted {names}")
        if label == "bomb" and sum(m["len"] for m in seen["members"]) > 20 << 20:
            whys.append("inflated too far")
        cnt += 1
        failures += bool(whys)
        for why in whys:
            print(f"FAIL {label}: {why}"[:600])
    print(f"{cnt} archives, {failures} differ")
    return 1 if failures else 0


sys.exit(main())
