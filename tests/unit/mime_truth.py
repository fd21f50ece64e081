#!/usr/bin/env python3
"""Holds scan/mime and scan/decode to Python's email package, leaf by leaf.

usage: mime_truth.py MIMEDUMP FOLDER...   (folders of *.eml; those that do not exist are left out)

A file agrees when both see the same leaves: same type, same decoded octets. Where email is known to do
otherwise than RFC 2045 asks or than clients do, the class of the difference is told. On sa-* at least 97 %
of the files must agree; nothing may crash anywhere. Exit 77 (skipped) without any mail."""
import binascii
import collections
import email
import email.policy
import hashlib
import json
import pathlib
import re
import subprocess
import sys


def decoded(part):
    """The leaf's octets. Quoted-printable loses blanks at line ends first (RFC 2045 6.7 (3))."""
    raw = part._payload  # get_payload() would decode the charset
    if not isinstance(raw, str):
        return b""
    octets = raw.encode("ascii", "surrogateescape")
    cte = str(part.get("content-transfer-encoding", "")).strip().lower()
    if cte == "quoted-printable":
        octets = re.sub(rb"[ \t]+(?=\r?\n|\Z)", b"", octets)
        return binascii.a2b_qp(re.sub(rb"=\Z", b"", octets))
    if cte == "base64":
        return part.get_payload(decode=True)
    return octets


def truth(octets):
    msg = email.message_from_bytes(octets, policy=email.policy.compat32)
    leaves, notes = [], set()
    for part in msg.walk():
        notes.update(type(d).__name__ for d in part.defects)
        cte = str(part.get("content-transfer-encoding", "")).strip().lower()
        for name in ("content-type", "content-transfer-encoding"):
            if len(part.get_all(name, [])) > 1:
                notes.add("duplicate " + name)
        if part.get_content_maintype() == "message" and part.get_content_type() != "message/rfc822":
            notes.add("email parses message/* as messages; a leaf here")
        if part.is_multipart():
            if part.get_content_type().startswith("message/") and cte in ("base64", "quoted-printable"):
                notes.add("encoded message")
            continue
        if cte not in ("", "7bit", "8bit", "binary", "base64", "quoted-printable"):
            notes.add("odd encoding: " + cte[:30])
        leaves.append((part.get_content_type(), hashlib.sha256(decoded(part)).hexdigest()))
    for d in ("CloseBoundaryNotFoundDefect",):  # both handle it the same way
        notes.discard(d)
    return leaves, notes


def ours(dump, paths):
    leaves = collections.defaultdict(list)
    for i in range(0, len(paths), 200):
        out = subprocess.run([dump, *map(str, paths[i:i + 200])], check=True, stdout=subprocess.PIPE).stdout
        for line in out.decode("latin-1").splitlines():
            leaf = json.loads(line)
            leaves[leaf["file"]].append((leaf["type"], leaf["sha256"]))
    return leaves


def main():
    dump, folders = sys.argv[1], [pathlib.Path(a) for a in sys.argv[2:]]
    verbose = False
    if folders and str(folders[0]) == "-v":
        verbose, folders = True, folders[1:]
    is_bad, total = False, 0
    for folder in folders:
        paths = sorted(folder.glob("*.eml")) if folder.is_dir() else []
        if not paths:
            continue
        total += len(paths)
        got = ours(dump, paths)
        agree, leaves_cnt, classes = 0, 0, collections.Counter()
        for path in paths:
            octets = re.sub(rb"(?<!\r)\n", b"\r\n", path.read_bytes())
            try:
                want, notes = truth(octets)
            except Exception as e:  # email itself fails on some
                classes["email raised " + type(e).__name__] += 1
                continue
            leaves_cnt += len(want)
            if want == got[str(path)]:
                agree += 1
                continue
            what = ", ".join(sorted(notes)) or "unexplained"
            classes[what] += 1
            if verbose:
                print("   ", path.name, what)
                print("       want", [(t, h[:8]) for t, h in want][:12])
                print("       got ", [(t, h[:8]) for t, h in got[str(path)]][:12])
        share = 100.0 * agree / len(paths)
        print(f"{folder.name:20} {len(paths):5} files {leaves_cnt:6} leaves  {share:6.2f} % agree")
        for what, cnt in classes.most_common():
            print(f"{'':20} {cnt:5} {what}")
        if folder.name.startswith("sa-") and share < 97.0:
            is_bad = True
    if not total:
        sys.exit(77)
    sys.exit(1 if is_bad else 0)


main()
