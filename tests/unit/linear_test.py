#!/usr/bin/env python3
"""Time is linear in hostile input: instructions (callgrind's count, the same on every run) for one length against four
times that length. A quadratic reader would show 16.

    tests/unit/linear_test.py HTMLDUMP URLDUMP TEXTPIPE

Prints a line for each input; exits 1 when one grows more than RATIO_MAX times, 77 without valgrind."""
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

LEN = 8192
RATIO_MAX = 5.0  # 4, and what tables and windows cost once they fill


def repeated(unit, head=b"", tail=b""):
    return lambda n: head + unit * (n // len(unit)) + tail


def names(n):
    return b"".join(b"<x%d>" % i for i in range(n // 8))


def hosts(n):
    return b"".join(b"http://h%d.com/ " % i for i in range(n // 17))


HTML = {
    "<": repeated(b"<"),
    "&": repeated(b"&"),
    "<!--": repeated(b"<!--"),
    "</a \"": repeated(b'</a "'),
    "<x  ": repeated(b"<x  "),
    "<b>": repeated(b"<b>"),
    "<p><span>": repeated(b"<p><span>"),
    "</td><td><font>": repeated(b"</td><td><font>"),
    "<div></table></p>": repeated(b"<div></table></p>"),
    "<title>": repeated(b"<title>"),
    "<title><!--": repeated(b"<title><!--"),
    "<![CDATA[ ]]": repeated(b"<![CDATA[ ]]"),
    "&#0": repeated(b"&#0"),
    "&nbsp": repeated(b"&nbsp"),
    "attributes": repeated(b"a=b ", b"<a ", b">"),
    "a style": repeated(b";background:,,,,( ", b'<p style="', b'">'),
    "a path of dots": repeated(b"/..", b'<a href="', b'">'),
    "unknown tags": names,
}
URL = {
    "http://": repeated(b"http://"),
    "http://a.b/": repeated(b"http://a.b/"),
    "a@": repeated(b"a@"),
    "a.": repeated(b"a."),
    "www.": repeated(b"www."),
    "%25": repeated(b"%25", b"http://a.com/"),
    "((": repeated(b"(", b"http://a.com/"),
    "hosts": hosts,
    "lines": repeated(b"a.com\n"),
}
WORD = {
    "=?": repeated(b"=?"),
    "=?utf-8?q?": repeated(b"=?utf-8?q?"),
    "=?utf-8?q?a?= ": repeated(b"=?utf-8?q?a?= "),
    "=?utf-8?b?": repeated(b"=?utf-8?b?"),
    "blanks": repeated(b"\n "),
}
NAME = {
    "name*0=a;": repeated(b"name*0=a;", b"a/b;"),
    "\"": repeated(b'"', b"a/b; name="),
    "\\": repeated(b"\\", b'a/b; name="'),
    "(": repeated(b"(", b"a/b; "),
    ";": repeated(b";", b"a/b"),
    "name*=utf-8''%": repeated(b"%", b"a/b; name*=utf-8''"),
}


def field(octets):
    return struct.pack("<I", len(octets)) + octets


def counts(command, texts):
    """Instructions for each text: callgrind dumps its count whenever the tool flushes an answer."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        run = subprocess.run(["valgrind", "--tool=callgrind", "--dump-before=fflush", f"--callgrind-out-file={out}", *command],
                             input=b"".join(texts), capture_output=True)
        dumps = [Path(f"{out}.{i + 1}") for i in range(len(texts))]
        if run.returncode or not all(dump.exists() for dump in dumps):
            raise SystemExit(f"{command}: exit {run.returncode}: {run.stderr[-400:].decode(errors='replace')}")
        return [int(re.search(rb"^(?:totals|summary):\s+(\d+)", dump.read_bytes(), re.M).group(1)) for dump in dumps]


def main():
    if not shutil.which("valgrind"):
        return 77
    html, url, text = sys.argv[1:4]
    tools = [
        ("html", [html, "serve"], HTML, lambda octets: field(b"\0" + octets)),
        ("url", [url, "serve"], URL, lambda octets: b"M" + field(b"") + b"".join(
            b"T" + field(line) for line in octets.splitlines(True)) + b"E" + field(b"")),
        ("word", [text], WORD, lambda octets: b"H" + field(b"Subject") + field(octets)),
        ("file name", [text], NAME, lambda octets: b"F" + field(b"") + field(octets)),
    ]
    failures = 0
    for kind, command, cases, framed in tools:
        # First a text that pays for set-up.
        texts = [framed(b"a")] + [framed(make(n)) for make in cases.values() for n in (LEN, 4 * LEN)]
        found = counts(command, texts)[1:]
        for name, one, four in zip(cases, found[::2], found[1::2]):
            ratio = four / one
            is_fine = ratio < RATIO_MAX
            print(f"{'ok' if is_fine else 'FAIL'} {kind} {name}: {one / LEN:.1f} an octet, {ratio:.2f} times for 4")
            failures += not is_fine
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
