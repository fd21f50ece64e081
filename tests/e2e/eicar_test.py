#!/usr/bin/env python3
"""The anti-virus test file in every wrapping that mail knows: a rule of rules/base.cf and signatures (.hdb, .ndb) must
each find it, and none may find it where it is not.

    tests/e2e/eicar_test.py [CORPUS]     also every mail below CORPUS that holds it

Prints `ok NAME` or `FAIL NAME: why`; exits 1 when one failed. WEIR_BUILD: the build folder (./build).
"""
import base64
import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("WEIR_BUILD", ROOT / "build")).resolve()
WEIRCTL = BUILD / "control" / "weirctl"

# In two pieces, or this file would be one.
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD" + b"-ANTIVIRUS-TEST-FILE!$H+H*"
SIGNATURES = {"MALWARE_HASH", "Eicar_Test_Signature"}


def lines(octets, width=76):
    text = base64.b64encode(octets)
    return b"\r\n".join(text[i:i + width] for i in range(0, len(text), width)) + b"\r\n"


def junk(octets):
    """Base64 with octets in it that decoders skip, at odd widths."""
    text = base64.b64encode(octets)
    return b"\r\n".join(b" \t".join(text[i + k:i + k + 3] for k in (0, 3)) + b"\x01*" for i in range(0, len(text), 6))


def quoted(octets):
    text = b"".join(b"=%02X" % c for c in octets)
    return b"=\r\n".join(text[i:i + 60] for i in range(0, len(text), 60)) + b"=\r\n"


def lightly_quoted(octets):
    return octets.replace(b"=", b"=3D").replace(b"-", b"=\r\n-") + b"=\r\n"


def zipped(name, octets, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as z:
        z.writestr(name, octets)
    return out.getvalue()


def part(body, kind=b"application/octet-stream; name=eicar.com", encoding=b"base64", more=b""):
    head = b"Content-Type: " + kind + b"\r\n" if kind else b""
    head += b"Content-Transfer-Encoding: " + encoding + b"\r\n" if encoding else b""
    return head + more + b"\r\n" + body


def message(inner, subject=b"a file"):
    return b"From: a@b.test\r\nSubject: " + subject + b"\r\nMIME-Version: 1.0\r\n" + inner


def mixed(*parts, kind=b"mixed", boundary=b"=_b"):
    head = b"Content-Type: multipart/" + kind + b"; boundary=\"" + boundary + b"\"\r\n\r\n"
    return head + b"".join(b"--" + boundary + b"\r\n" + p + b"\r\n" for p in parts) + b"--" + boundary + b"--\r\n"


TEXT = part(b"see the file", b"text/plain", b"7bit")
ZIP = zipped("a/eicar.com", EICAR)
NESTED = message(mixed(TEXT, part(lines(EICAR))), b"inside")

WRAPPINGS = {
    "plain": mixed(TEXT, part(EICAR, encoding=b"7bit")),
    "plain_alone": part(EICAR, encoding=b"7bit"),
    "base64": part(lines(EICAR)),
    "base64_unwrapped": part(base64.b64encode(EICAR)),
    "base64_one_a_line": part(lines(EICAR, 1)),
    "base64_three_a_line": part(lines(EICAR, 3)),
    "base64_junk": part(junk(EICAR)),
    "base64_without_padding": part(base64.b64encode(EICAR).rstrip(b"=")),
    "quoted_printable": part(quoted(EICAR), encoding=b"quoted-printable"),
    "quoted_printable_lightly": part(lightly_quoted(EICAR), encoding=b"quoted-printable"),
    "zip": part(lines(ZIP), b"application/zip; name=a.zip"),
    "zip_stored": part(lines(zipped("e", EICAR, zipfile.ZIP_STORED)), b"application/zip; name=a.zip"),
    "zip_in_zip": part(lines(zipped("in.zip", ZIP)), b"application/zip; name=a.zip"),
    "gzip": part(lines(gzip.compress(EICAR)), b"application/gzip; name=eicar.com.gz"),
    "zip_in_gzip": part(lines(gzip.compress(ZIP)), b"application/gzip; name=a.zip.gz"),
    "in_mixed": mixed(TEXT, part(lines(EICAR))),
    "in_related_in_mixed": mixed(mixed(TEXT, part(lines(EICAR)), kind=b"related", boundary=b"=_c"), TEXT),
    "in_message": mixed(TEXT, part(NESTED, b"message/rfc822", None)),
    "in_message_in_base64": mixed(TEXT, part(lines(NESTED), b"message/rfc822")),
    "in_message_in_message": part(message(part(NESTED, b"message/rfc822", None)), b"message/rfc822", None),
    "zip_in_message_in_base64": mixed(TEXT, part(lines(message(part(lines(ZIP)))), b"message/rfc822")),
    "as_image": part(lines(EICAR), b"image/png; name=a.png"),
    "as_text": part(lines(EICAR), b"text/plain"),
    "as_html": part(lines(EICAR), b"text/html"),
    "as_calendar": part(lines(EICAR), b"text/calendar"),
    "as_nonsense": part(lines(EICAR), b"%%%"),
    "without_type": part(lines(EICAR), None),
    "without_name": part(lines(EICAR), b"application/octet-stream"),
    "zip_as_text": part(lines(ZIP), b"text/plain"),
    "zip_without_name": part(lines(ZIP), b"application/octet-stream"),
    "zip_as_image": mixed(TEXT, part(lines(ZIP), b"image/jpeg; name=a.jpg")),
    "name_in_disposition": part(lines(EICAR), b"text/plain", more=b"Content-Disposition: attachment; filename=e.txt\r\n"),
    "name_in_rfc2231": part(lines(EICAR), b"application/x-x; name*0*=utf-8''e%69; name*1=car.com"),
}
CLEAN = {
    "clean_text": part(b"EICAR is a test file", b"text/plain", b"7bit"),
    "clean_zip": part(lines(zipped("a", EICAR[:-1])), b"application/zip; name=a.zip"),
}


def scan(folder, rules, path):
    r = subprocess.run([WEIRCTL, "scan", "--json", "--rules", rules, path], cwd=folder, capture_output=True, text=True,
                       timeout=300)
    assert r.returncode == 0, r.stderr
    return {Path(line["file"]).name if path == "mails" else line["file"]: line
            for line in map(json.loads, r.stdout.splitlines())}


def write(folder):
    (folder / "mails").mkdir()
    for name, body in {**WRAPPINGS, **CLEAN}.items():
        (folder / "mails" / name).write_bytes(message(body))
    (folder / "set").mkdir()
    (folder / "set" / "none.cf").write_text("body NEVER /never to be seen/\n")
    (folder / "set" / "eicar.hdb").write_text(f"{hashlib.md5(EICAR).hexdigest()}:{len(EICAR)}:Eicar-Hash\n")
    (folder / "set" / "eicar.ndb").write_text(f"Eicar-Test-Signature:0:0:{EICAR.hex()}\n")


def check_rule(name, said):
    hit = set(said["rules"]) & {"EICAR", "EICAR_TEXT"}
    assert bool(hit) == (name in WRAPPINGS), f"rules/base.cf: {said['rules']}"
    assert (said["verdict"] == "refuse") == (name in WRAPPINGS), said


def check_signatures(name, said):
    expected = SIGNATURES if name in WRAPPINGS else set()
    if name == "plain_alone":  # over SMTP its last line has an end, which is hashed as well
        expected = expected - {"MALWARE_HASH"}
    assert set(said["rules"]) == expected, f"signatures: {said['rules']}"


def decoded(mail):
    """Whether the mail's parts, as Python reads them, hold the test file."""
    import email
    octets = mail.read_bytes()
    if EICAR in octets:
        return True
    try:
        return any(EICAR in (p.get_payload(decode=True) or b"") for p in email.message_from_bytes(octets).walk())
    except (ValueError, LookupError, AttributeError):
        return False


def corpus_checks(folder, corpus):
    for mail in sorted(p for p in Path(corpus).rglob("*") if p.is_file()):
        if decoded(mail):
            yield f"corpus_{mail.relative_to(corpus)}", mail, scan(folder, ROOT / "rules", str(mail))


def run(name, check, *args):
    try:
        check(*args)
        print(f"ok {name}")
        return 0
    except AssertionError as e:
        print(f"FAIL {name}: {e}")
        return 1


def check_corpus(mail, said):
    assert any({"EICAR", "EICAR_TEXT"} & set(line["rules"]) for line in said.values()), f"{mail}: {said}"


def main():
    if not os.access(WEIRCTL, os.X_OK):
        print(f"FAIL weirctl: there is no {WEIRCTL}; build, or set WEIR_BUILD")
        return 1
    failures = 0
    with tempfile.TemporaryDirectory(prefix="eicar-test.") as name:
        folder = Path(name)
        os.environ["WEIR_CACHE"] = str(folder / "cache")
        write(folder)
        by_rule, by_signature = scan(folder, ROOT / "rules", "mails"), scan(folder, "set", "mails")
        for mail in {**WRAPPINGS, **CLEAN}:
            failures += run(f"{mail}_rule", check_rule, mail, by_rule[mail])
            failures += run(f"{mail}_signature", check_signatures, mail, by_signature[mail])
        for test, mail, said in corpus_checks(folder, sys.argv[1]) if len(sys.argv) > 1 else ():
            failures += run(re.sub(r"\s", "_", test), check_corpus, mail, said)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
