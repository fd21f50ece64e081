#!/usr/bin/env python3
"""Holds scan/mime and scan/decode to Python's email package, leaf by leaf.

usage: mime_truth.py MIMEDUMP [-v] FOLDER...   (folders of *.eml; those that do not exist are left out)

A file agrees when both see the same leaves: same type, same decoded octets; then its file names are compared,
leaf by leaf. Where email is known to do otherwise than RFC 2045 asks or than clients do, the class of the difference
is told. On sa-* at least 99 % of the files must agree, no difference may be `unexplained`, and nothing may crash
anywhere. Exit 77 (skipped) without any mail."""
import binascii
import collections
import email
import email.header
import email.policy
import hashlib
import json
import pathlib
import re
import subprocess
import sys


def quoted_printable(octets):
    """RFC 2045 6.7, and what is no escape stays. (binascii.a2b_qp makes one "=" of "==".)"""
    octets = re.sub(rb"[ \t]+(?=\r?\n|\Z)", b"", octets)  # 6.7 (3)
    octets = re.sub(rb"=(?:\r?\n|\Z)", b"=\n", octets)  # no other bare LF stands behind a "="
    return re.sub(rb"=([0-9A-Fa-f]{2}|\n)", lambda m: b"" if m[1] == b"\n" else bytes.fromhex(m[1].decode()), octets)


def base64_anyhow(octets):
    """What is no base64 is left out, and the bits of a last, lonely digit. (email gives such a text back as it is.)"""
    digits = re.sub(rb"[^A-Za-z0-9+/=]", b"", octets)
    digits = digits.split(b"=", 1)[0]
    digits = digits[:len(digits) - (len(digits) % 4 == 1)]
    return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))


def decoded(part):
    raw = part._payload  # get_payload() would decode the charset
    if not isinstance(raw, str):
        return b""
    octets = raw.encode("ascii", "surrogateescape")
    cte = str(part.get("content-transfer-encoding", "")).strip().lower()
    if cte == "quoted-printable":
        return quoted_printable(octets)
    if cte == "base64":
        whole = part.get_payload(decode=True)
        lame = any(type(d).__name__.startswith("InvalidBase64") for d in part.defects)
        return base64_anyhow(octets) if lame else whole
    return octets


def file_name(part):
    """As a client shows it: also encoded words in it, which do not belong there (RFC 2047 5) and are common."""
    name = str(part.get_filename() or "")
    if "=?" in name:
        try:
            name = str(email.header.make_header(email.header.decode_header(name)))
        except (LookupError, UnicodeError, email.errors.HeaderParseError):
            pass
    return name


class Truth:
    """What email sees: leaves (type, digest), their file names, and what it remarked."""

    def __init__(self, octets):
        msg = email.message_from_bytes(octets, policy=email.policy.compat32)
        self.leaves, self.names, self.notes = [], [], set()
        last = b""
        for part in msg.walk():
            self.note(part)
            if not part.is_multipart():
                last = decoded(part)
                self.leaves.append((part.get_content_type(), digest(last)))
                self.names.append(file_name(part))
        self.last_with_end = digest(last + b"\r\n")

    def note(self, part):
        self.notes.update(type(d).__name__ for d in part.defects)
        cte = str(part.get("content-transfer-encoding", "")).strip().lower()
        for name in ("content-type", "content-transfer-encoding"):
            if len(part.get_all(name, [])) > 1:
                self.notes.add("duplicate")
        if part.get_content_maintype() == "message" and part.get_content_type() != "message/rfc822":
            self.notes.add("message/*")
        if part.is_multipart() and part.get_content_type().startswith("message/") and cte in ("base64", "quoted-printable"):
            self.notes.add("encoded message")
        if "(" in cte or ";" in cte:
            self.notes.add("encoding")
        if cte == "base64" and not part.is_multipart() and re.search("=[^A-Za-z0-9+/]*[A-Za-z0-9+/]", str(part._payload)):
            self.notes.add("padding")


def digest(octets):
    return hashlib.sha256(octets).hexdigest()


EMPTY = ("text/plain", digest(b""))


def leaf_class(want, got):
    """Why the leaves differ: what is known of email, else `unexplained`."""
    without_multiparts = [leaf for leaf in want.leaves if not leaf[0].startswith("multipart/")]
    if want.leaves and want.leaves[:-1] + [(want.leaves[-1][0], want.last_with_end)] == got:
        return "no close delimiter: email takes the last line end for its part"
    if "NoBoundaryInMultipartDefect" in want.notes and [d for _, d in want.leaves] == [d for _, d in got]:
        return "a multipart without a boundary: text/plain here, email calls it multipart"
    if "StartBoundaryNotFoundDefect" in want.notes and without_multiparts == got:
        return "a delimiter never comes: email calls the multipart a leaf, here it is one for `full` alone"
    if want.leaves == [leaf for leaf in got if leaf != EMPTY]:
        return "delimiters in a row: an empty part between them here"
    for note, why in (("message/*", "email takes message/delivery-status and its kin apart; a leaf here"),
                      ("encoded message", "an encoded message/rfc822 is decoded and walked later (message.c)"),
                      ("duplicate", "a field stands twice: the last one counts, as in SpamAssassin; email's is the first"),
                      ("encoding", "a comment behind the encoding's name: email does not know it then"),
                      ("padding", "base64 goes on behind its padding, as clients read it: email stops there"),
                      ("MissingHeaderBodySeparatorDefect", "a line in a header that is no field: it ends the header in email"),
                      ("StartBoundaryNotFoundDefect", "multiparts in multiparts with the same delimiter, or none")):
        if note in want.notes:
            return why
    return "unexplained"


def name_class(theirs, our):
    if "\ufffd" in theirs: # a header's octets that are no ASCII
        return "octets that are no ASCII: email does not read them as UTF-8"
    return "unexplained"


def ours(dump, paths):
    leaves, names = collections.defaultdict(list), collections.defaultdict(list)
    for i in range(0, len(paths), 200):
        out = subprocess.run([dump, *map(str, paths[i:i + 200])], check=True, stdout=subprocess.PIPE).stdout
        for line in out.decode("latin-1").splitlines():
            leaf = json.loads(line)
            leaves[leaf["file"]].append((leaf["type"], leaf["sha256"]))
            names[leaf["file"]].append(bytes.fromhex(leaf["name"]).decode("utf-8", "replace"))
    return leaves, names


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
        got, got_names = ours(dump, paths)
        agree, leaves_cnt, classes = 0, 0, collections.Counter()
        names_cnt, names_agree = 0, 0
        for path in paths:
            octets = re.sub(rb"(?<!\r)\n", b"\r\n", path.read_bytes())
            try:
                want = Truth(octets)
            except Exception as e:  # email itself fails on some
                classes["email raised " + type(e).__name__] += 1
                continue
            leaves_cnt += len(want.leaves)
            if want.leaves == got[str(path)]:
                agree += 1
                for theirs, our in zip(want.names, got_names[str(path)]):
                    names_cnt += bool(theirs or our)
                    names_agree += bool(theirs or our) and theirs == our
                    if theirs != our:
                        classes["name: " + name_class(theirs, our)] += 1
                        if verbose:
                            print("   ", path.name, "name", repr(theirs), "ours", repr(our))
                continue
            what = leaf_class(want, got[str(path)])
            classes[what] += 1
            if verbose:
                print("   ", path.name, what)
                print("       want", [(t, h[:8]) for t, h in want.leaves][:12])
                print("       got ", [(t, h[:8]) for t, h in got[str(path)]][:12])
        share = 100.0 * agree / len(paths)
        print(f"{folder.name:20} {len(paths):5} files {leaves_cnt:6} leaves  {share:6.2f} % agree; {names_agree} of {names_cnt} file names")
        for what, cnt in classes.most_common():
            print(f"{'':20} {cnt:5} {what}")
        if (folder.name.startswith("sa-") and share < 99.0) or any("unexplained" in what for what in classes):
            is_bad = True
    if not total:
        sys.exit(77)
    sys.exit(1 if is_bad else 0)


main()
