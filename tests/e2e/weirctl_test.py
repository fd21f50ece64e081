#!/usr/bin/env python3
"""weirctl as scripts and operators meet it: output, diagnostics and exit codes. No network, no data plane.

Prints `ok NAME` or `FAIL NAME: why`; exits 1 when one failed. WEIR_BUILD: the build folder (./build).
"""
import base64
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

import sanitizers

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("WEIR_BUILD", ROOT / "build")).resolve()
WEIRCTL = BUILD / "control" / "weirctl"

RULES = """body GREET /hello world/
score GREET 3
header SUBJ Subject =~ /cheap/i
score SUBJ 4
full CRLF /x\\r\\ny/
score CRLF 0.5
"""
BAD_RULES = """body OK /a/
  header  H2 Subject =~ foo
score OK x
"""
MAIL = "Subject: Cheap\nFrom: a@b.test\n\nhello world\nx\ny\n"
CLEAN = "Subject: Dear\nFrom: a@b.test\n\nnothing to see\n"


class Weirctl:
    """A folder with rules and mails; run() is one call of weirctl in it."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.write("rules.cf", RULES)
        self.write("bad.cf", BAD_RULES)
        self.write("lf.eml", MAIL)
        self.write("crlf.eml", MAIL.replace("\n", "\r\n"))
        self.write("clean.eml", CLEAN)
        self.write("mails/b.eml", MAIL)
        self.write("mails/a/deep.eml", CLEAN)

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())

    def octets(self, name):
        return (self.folder / name).read_bytes()

    def run(self, *words, expect=0, stdin=""):
        r = subprocess.run([WEIRCTL, *words], cwd=self.folder, capture_output=True, text=True, timeout=120, input=stdin)
        sanitizers.look(r.stderr)
        assert r.returncode == expect, f"{words}: exit {r.returncode}, not {expect}: {r.stdout}{r.stderr}"
        return r


def equal(got, expected):
    assert got == expected, f"{got!r}, not {expected!r}"


def scan_text(w):
    r = w.run("scan", "--rules", "rules.cf", "lf.eml", "clean.eml")
    equal(r.stdout, "lf.eml: refuse 7.5 GREET,SUBJ,CRLF\nclean.eml: accept 0\n")
    equal(r.stderr, "")


def scan_json(w):
    r = w.run("scan", "--json", "--rules", "rules.cf", "lf.eml", "clean.eml")
    first, second = map(json.loads, r.stdout.splitlines())
    equal(first, {"file": "lf.eml", "verdict": "refuse", "score": 7.5, "rules": ["GREET", "SUBJ", "CRLF"],
                  "events": []})
    equal((second["verdict"], second["score"], second["rules"]), ("accept", 0, []))


def scan_says_events(w):
    r = w.run("scan", "--json", "clean.eml")
    equal(json.loads(r.stdout)["events"], ["no-rules"])
    w.write("mime.eml", "Content-Type: multipart/mixed\r\n\r\nx\r\n")
    r = w.run("scan", "--rules", "rules.cf", "mime.eml")
    equal(r.stdout, "mime.eml: accept 0 events=mime-boundary\n")


def scan_folder_in_order(w):
    r = w.run("scan", "--rules", "rules.cf", "mails")
    equal(r.stdout, "mails/a/deep.eml: accept 0\nmails/b.eml: refuse 7.5 GREET,SUBJ,CRLF\n")
    equal(w.run("scan", "--rules", "rules.cf", "mails/").stdout, r.stdout)


def scan_line_ends_make_no_difference(w):
    verdicts = {line.split(": ", 1)[1] for line in
                w.run("scan", "--rules", "rules.cf", "lf.eml", "crlf.eml").stdout.splitlines()}
    equal(verdicts, {"refuse 7.5 GREET,SUBJ,CRLF"})
    w.write("cut.eml", MAIL[:-1])  # over SMTP its last line has an end
    w.write("end.cf", "full END /y\\r\\n\\z/\nscore END 9\n")
    equal(w.run("scan", "--rules", "end.cf", "cut.eml").stdout, "cut.eml: refuse 9 END\n")


def scan_bare_lf_in_crlf_file_stays(w):
    w.write("bare.eml", "Subject: a\r\n\r\nx\ny\r\n")
    w.write("bare.cf", "full BARE /x\\ny/\nscore BARE 9\n")
    equal(w.run("scan", "--rules", "bare.cf", "bare.eml").stdout, "bare.eml: refuse 9 BARE\n")


def scan_envelope_reaches_rules(w):
    w.write("from.cf", "header FROM EnvelopeFrom =~ /^evil\\@/\nscore FROM 6\n")
    r = w.run("scan", "--rules", "from.cf", "--mail-from", "evil@x.test", "--rcpt-to", "c@d.test", "clean.eml")
    equal(r.stdout, "clean.eml: refuse 6 FROM\n")
    equal(w.run("scan", "--rules", "from.cf", "--mail-from", "a@b.test", "clean.eml").stdout, "clean.eml: accept 0\n")


def scan_with_image_as_with_text(w):
    w.run("rules", "compile", "rules.cf", "-o", "rules.img")
    by_text = w.run("scan", "--json", "--rules", "rules.cf", "lf.eml", "mails")
    by_image = w.run("scan", "--json", "--rules", "rules.img", "lf.eml", "mails")
    equal(by_image.stdout, by_text.stdout)


def scan_refuses_a_broken_image(w):
    w.run("rules", "compile", "rules.cf", "-o", "whole.img")
    octets = bytearray(w.octets("whole.img"))
    octets[-1] ^= 1
    (w.folder / "broken.img").write_bytes(octets)
    r = w.run("scan", "--rules", "broken.img", "lf.eml", expect=1)
    equal(r.stdout, "")
    assert r.stderr.startswith("broken.img: error: "), r.stderr


def scan_unreadable_file_is_1_and_the_rest_is_judged(w):
    r = w.run("scan", "--rules", "rules.cf", "nowhere.eml", "lf.eml", expect=1)
    equal(r.stderr, "nowhere.eml: error: No such file or directory\n")
    equal(r.stdout, "lf.eml: refuse 7.5 GREET,SUBJ,CRLF\n")


def scan_bad_rules_judge_nothing(w):
    r = w.run("scan", "--rules", "bad.cf", "lf.eml", expect=1)
    equal(r.stdout, "")
    assert "bad.cf:2:25: error: " in r.stderr, r.stderr
    w.run("scan", "--rules", "nowhere.cf", "lf.eml", expect=1)


MBOX = ("From a@b Thu Jan  1 00:00:00 1970\n" + MAIL + ">From here\n>>From there\nFrom inside a paragraph\n\n"
        "From b@c Thu Jan  1 00:00:00 1970\n" + CLEAN + "\n\n\nFrom c\n\nFrom d\nSubject: cheap\n\n")


def judged(w, *words, **more):
    """{file: rules} of a scan."""
    lines = w.run("scan", "--json", *words, **more).stdout.splitlines()
    return {line["file"]: line["rules"] for line in map(json.loads, lines)}


def scan_mbox(w):
    w.write("mbox", MBOX)
    w.write("mbox.cf", RULES + "rawbody ONE /^From here/m\nrawbody TWO /^>From there/m\nfull GT /^>From here/m\n"
            "full SEPARATOR /y\\r\\nFrom inside a paragraph\\r\\n\\z/\nrawbody INSIDE /^From inside/m\nfull FROM /^From [a-d]/m\n")
    expected = {"mbox:1": ["GREET", "SUBJ", "CRLF", "ONE", "TWO", "INSIDE"], "mbox:2": [], "mbox:3": [], "mbox:4": ["SUBJ"]}
    equal(judged(w, "--rules", "mbox.cf", "mbox"), expected)
    w.write("crlf.mbox", MBOX.replace("\n", "\r\n"))
    equal(list(judged(w, "--rules", "mbox.cf", "crlf.mbox").values()), list(expected.values()))
    w.write("box/a.eml", MAIL)
    w.write("box/b", MBOX)
    equal(list(judged(w, "box")), ["box/a.eml", "box/b:1", "box/b:2", "box/b:3", "box/b:4"])
    w.write("end.cf", "full END /see\\r\\n\\r\\n\\r\\n\\z/\n")  # only the last empty line separates
    equal(judged(w, "--rules", "end.cf", "mbox")["mbox:2"], ["END"])


def scan_almost_mbox(w):
    for name, text in (("empty", ""), ("short", "Fro"), ("field", "From: a\nSubject: cheap\n\nhello world\n"), ("F", "F\n")):
        w.write(name, text)
        equal(list(judged(w, "--rules", "rules.cf", name)), [name])
    equal(judged(w, "--rules", "rules.cf", "field"), {"field": ["GREET", "SUBJ"]})
    equal(list(judged(w, "-", stdin="Fro")), ["-"])


def scan_stdin(w):
    equal(judged(w, "--rules", "rules.cf", "-", stdin=MAIL), {"-": ["GREET", "SUBJ", "CRLF"]})
    equal(list(judged(w, "-", "clean.eml", stdin=MBOX)), ["-:1", "-:2", "-:3", "-:4", "clean.eml"])
    w.write("-", CLEAN)
    equal(list(judged(w, ".")), [f"./{n}" for n in sorted(["-", "bad.cf", "clean.eml", "crlf.eml", "lf.eml",
                                                           "mails/a/deep.eml", "mails/b.eml", "rules.cf"])])


def scan_maildir(w):
    for name in ("cur/2:2,S", "cur/1:2,", "new/3", "tmp/4", "dovecot.index", ".Sent/cur/5", ".Sent/new/6", ".Sent/tmp/7",
                 ".Sent/maildirfolder", "other/8"):
        w.write("Maildir/" + name, CLEAN)
    equal(list(judged(w, "Maildir")), ["Maildir/.Sent/cur/5", "Maildir/.Sent/new/6", "Maildir/cur/1:2,",
                                       "Maildir/cur/2:2,S", "Maildir/new/3"])
    (w.folder / "Maildir" / "tmp" / "4").unlink()
    (w.folder / "Maildir" / "tmp").rmdir()  # not a Maildir any more
    assert len(judged(w, "Maildir")) == 7, judged(w, "Maildir")


def scan_circle_of_folders_ends(w):
    (w.folder / "mails" / "loop").symlink_to("..")
    r = w.run("scan", "mails", expect=1)
    assert "error: folders nested deeper than 64" in r.stderr, r.stderr


def scan_jobs_keep_the_order(w):
    for i in range(3000):
        w.write(f"many/{i:04}", MAIL if i % 3 else CLEAN + "x" * i)
    w.write("many/box", MBOX)
    (w.folder / "many" / "1000").unlink()
    (w.folder / "many" / "1000").symlink_to("nowhere")
    one = w.run("scan", "--rules", "rules.cf", "many", expect=1)
    for jobs in ("2", "7"):
        r = w.run("scan", "--rules", "rules.cf", "--jobs", jobs, "many", expect=1)
        assert r.stdout == one.stdout and r.stderr == one.stderr, jobs
    equal(one.stdout.count("\n"), 2999 + 4)
    equal(one.stderr, "many/1000: error: No such file or directory\n")


def scan_stats(w):
    r = w.run("scan", "--stats", "--json", "--rules", "rules.cf", "lf.eml", "mails")
    equal(len(r.stdout.splitlines()), 3)
    assert re.fullmatch(r"3 messages, 0\.0 MB in \d+\.\d\d s \(\d+\.\d\d s of CPU\): \d+ messages/s, \d+\.\d MB/s\n", r.stderr), r.stderr


def scan_threshold(w):
    for threshold, verdict in (("7.5", "refuse"), ("7.501", "accept"), ("0.1", "refuse"), ("1000", "accept")):
        equal(w.run("scan", "--threshold", threshold, "--rules", "rules.cf", "lf.eml").stdout,
              f"lf.eml: {verdict} 7.5 GREET,SUBJ,CRLF\n")
    for wrong in ("", "0", "-1", "5x", "nan", "1e9"):
        w.run("scan", "--threshold", wrong, "lf.eml", expect=2)


def scan_explain_names_every_rule(w):
    r = json.loads(w.run("scan", "--json", "--explain", "--rules", "rules.cf", "lf.eml").stdout)
    equal({(e["rule"], e["score"]) for e in r["explain"]}, {("GREET", 3), ("SUBJ", 4), ("CRLF", 0.5)})
    lines = w.run("scan", "--explain", "--rules", "rules.cf", "lf.eml", "clean.eml").stdout.splitlines()
    equal((lines[0], lines[-1]), ("lf.eml: refuse 7.5 GREET,SUBJ,CRLF", "clean.eml: accept 0"))
    equal(sorted(re.match(r"    (\S+) +(\w+)(:| |$)", line).groups()[:2] for line in lines[1:-1]),
          [("0.5", "CRLF"), ("3", "GREET"), ("4", "SUBJ")])


def scan_required_score_is_the_threshold(w):
    w.write("required.cf", RULES + "required_score 7.6\n")
    w.run("rules", "compile", "required.cf", "-o", "required.img")
    for rules in ("required.cf", "required.img"):
        equal(w.run("scan", "--rules", rules, "lf.eml").stdout, "lf.eml: accept 7.5 GREET,SUBJ,CRLF\n")
        equal(w.run("scan", "--threshold", "7", "--rules", rules, "lf.eml").stdout, "lf.eml: refuse 7.5 GREET,SUBJ,CRLF\n")


def scan_client_is_the_first_relay(w):
    w.write("relay.cf", "header RELAY X-Spam-Relays-Untrusted =~ /^\\[ ip=192\\.0\\.2\\.7 .* helo=evil\\.test /\nscore RELAY 6\n"
            "header SIX X-Spam-Relays-Untrusted =~ /^\\[ ip=2001:db8::7 /\nscore SIX 6\n")
    more = ["--rules", "relay.cf", "clean.eml"]
    equal(w.run("scan", *more).stdout, "clean.eml: accept 0\n")
    equal(w.run("scan", "--client", "192.0.2.7", "--helo", "evil.test", *more).stdout, "clean.eml: refuse 6 RELAY\n")
    equal(w.run("scan", "--client", "192.0.2.7", *more).stdout, "clean.eml: accept 0\n")
    equal(w.run("scan", "--client", "2001:db8::7", *more).stdout, "clean.eml: refuse 6 SIX\n")
    for words in (["--client", "evil.test"], ["--helo", "evil.test"]):
        w.run("scan", *words, *more, expect=2)


def explained(w, *words):
    """{rule: what --explain tells of it}, of one mail."""
    told = json.loads(w.run("scan", "--json", "--explain", *words).stdout)["explain"]
    rules = {e["rule"]: e for e in told}
    equal(len(rules), len(told))
    return rules


def scan_explain_tells_the_octets(w):
    w.write("tell.cf", RULES + "describe GREET says hello\nbody BACK /(l)\\1o/\nheader NOTE X-Note =~ /[a-z]+/ [if-unset: none]\n"
            "header NOT Subject !~ /dear/\nheader HAS exists:Subject\nbody __SUB /world/\nmeta SUM __SUB && HAS\n"
            "rawbody RAW /^y/m\nuri LINK /example/\n")
    told = explained(w, "--rules", "tell.cf", "lf.eml")
    hello = told["GREET"]
    equal((hello["score"], hello["describe"], hello["target"], hello["from"], hello["to"], hello["confirmed"]),
          (3, "says hello", "body", 0, 11, "hyperscan"))
    assert hello["excerpt"].startswith("hello world") and hello["excerpt_off"] == 0, hello
    equal((told["SUBJ"]["target"], told["SUBJ"]["excerpt"], told["SUBJ"]["from"]), ("header subject", "Cheap\\n", 0))
    equal((told["BACK"]["target"], told["BACK"]["from"], told["BACK"]["to"]), ("body", 2, 5))
    assert told["BACK"]["confirmed"] in ("hyperscan+pcre2", "pcre2"), told["BACK"]
    octets = MAIL.replace("\n", "\r\n")
    full = explained(w, "--rules", "tell.cf", "crlf.eml")["CRLF"]
    equal((full["target"], full["from"], full["to"]), ("full", octets.index("x\r\ny"), octets.index("x\r\ny") + 4))
    assert "x\\r\\ny" in full["excerpt"], full
    equal((told["RAW"]["target"], told["RAW"]["confirmed"]), ("rawbody", "hyperscan"))
    equal({r: told[r]["confirmed"] for r in ("NOT", "HAS", "SUM", "NOTE")}, dict.fromkeys(("NOT", "HAS", "SUM", "NOTE"), "computed"))
    equal((told["HAS"]["target"], told["NOTE"]["target"]), ("header subject", "header x-note"))
    assert "__SUB" not in told and "LINK" not in told, told
    equal(explained(w, "--all-rules", "--rules", "tell.cf", "lf.eml")["__SUB"]["target"], "body")
    text = w.run("scan", "--explain", "--rules", "tell.cf", "lf.eml").stdout.splitlines()
    assert any(line.startswith("    3      GREET (says hello): body, unit ") and 
               'octets 0 to 11, hyperscan: "hello world' in line for line in text), text
    assert "__SUB" in w.run("scan", "--explain", "--all-rules", "--rules", "tell.cf", "lf.eml").stdout
    w.run("scan", "--all-rules", "--rules", "tell.cf", "lf.eml", expect=2)


def cache_keeps_what_is_compiled(w):
    env = dict(os.environ)
    try:
        os.environ["WEIR_CACHE"] = "deep/er/cache"
        first = w.run("rules", "compile", "rules.cf", "-o", "one.img")
        kept = sorted(p.name for p in (w.folder / "deep/er/cache").iterdir())
        assert len(kept) >= 3 and "solo" in kept, kept
        w.run("rules", "compile", "rules.cf", "-o", "two.img")
        equal(sorted(p.name for p in (w.folder / "deep/er/cache").iterdir()), kept)
        assert w.octets("one.img") == w.octets("two.img"), "another image from the cache"
        for name in kept:  # damaged: compiled anew, and the same
            (w.folder / "deep/er/cache" / name).write_bytes(w.octets("deep/er/cache/" + name)[:-9] + b"damage it")
        w.run("rules", "compile", "--jobs", "1", "rules.cf", "-o", "three.img")
        assert w.octets("one.img") == w.octets("three.img"), "another image from a damaged cache"
        os.environ["WEIR_CACHE"] = "none"
        w.run("rules", "compile", "--no-cache", "rules.cf", "-o", "four.img")
        assert not (w.folder / "none").exists(), "--no-cache made a cache"
        assert w.octets("one.img") == w.octets("four.img"), "another image without a cache"
        (w.folder / "open").mkdir()
        (w.folder / "open").chmod(0o777)
        os.environ["WEIR_CACHE"] = "open"
        r = w.run("scan", "--rules", "rules.cf", "lf.eml")
        equal(r.stderr, "weirctl: compiled patterns are not kept in open: others may write to it\n")
        equal(list((w.folder / "open").iterdir()), [])
        del os.environ["WEIR_CACHE"]
        os.environ["XDG_CACHE_HOME"] = str(w.folder / "xdg")
        w.run("push", "--link", "nowhere.sock", "rules.cf", expect=3)
        assert (w.folder / "xdg/weir/solo").exists(), "push keeps nothing"
        del os.environ["XDG_CACHE_HOME"]
        os.environ["HOME"] = str(w.folder / "home")
        w.run("rules", "lint", "rules.cf")
        assert (w.folder / "home/.cache/weir/solo").exists(), "lint keeps nothing"
        equal(first.stderr, "")
    finally:
        os.environ.clear()
        os.environ.update(env)


PROGRAM = "MZ" + "\0" * 62 + "wicked octets of a program"
PLAIN = "just some wicked octets and no program"


def attached(octets):
    return ("Subject: a\nContent-Type: application/octet-stream; name=x\nContent-Transfer-Encoding: base64\n\n" +
            base64.b64encode(octets.encode()).decode() + "\n")


def with_signatures(w):
    """Rules, signatures, and mails that they are about."""
    w.write("set/rules.cf", RULES + "score Any_Octets 7\ndescribe Any_Octets told by the rules\n")
    w.write("set/a.ndb", f"Win.Wicked-1:1:*:{b'wicked octets'.hex()}\nAny.Octets:0:*:{b'wicked'.hex()}??{b'octets'.hex()}\n"
            f"At.10:0:10:{b'wicked'.hex()}\nAt.11:0:11:{b'wicked'.hex()}\nEnd:0:EOF-7:{b'program'.hex()}\n"
            f"Mail.Header:4:*:{b'Subject: a'.hex()}\nRefused:0:EP+0:00112233\n")
    w.write("set/b.hdb", f"{hashlib.md5(PLAIN.encode()).hexdigest()}:{len(PLAIN)}:Plain.Hash-7\n")
    w.write("program.eml", attached(PROGRAM))
    w.write("plain.eml", attached(PLAIN))


def signatures_of_the_folder(w):
    with_signatures(w)
    r = judged(w, "--rules", "set", "program.eml", "plain.eml", "lf.eml")
    equal({name: set(rules) for name, rules in r.items()},
          {"program.eml": {"Win_Wicked_1", "Any_Octets", "End", "Mail_Header"},
           "plain.eml": {"Any_Octets", "At_10", "End", "Mail_Header", "MALWARE_HASH"}, "lf.eml": {"GREET", "SUBJ", "CRLF"}})
    w.run("rules", "compile", "set", "-o", "set.img")
    equal(judged(w, "--rules", "set.img", "program.eml", "plain.eml", "lf.eml"), r)
    lines = w.run("rules", "lint", "set").stdout.splitlines()
    assert "signatures: 1 hashes, 6 patterns; 1 refused, 0 for other engines" in lines, lines
    assert lines[0].startswith("set/a.ndb:7:"), lines
    said = json.loads(w.run("rules", "lint", "--json", "set").stdout)
    equal(said["signatures"], {"hashes": 1, "patterns": 6, "refused": 1, "skipped": 0})
    rule = next(r for r in said["list"] if r["name"] == "At_10")
    equal((rule["kind"], rule["file"], rule["line"], rule["score"]), ("signature", "set/a.ndb", 3, 100))


def signatures_explained(w):
    with_signatures(w)
    told = explained(w, "--rules", "set", "plain.eml")
    equal((told["MALWARE_HASH"]["detail"], told["MALWARE_HASH"]["confirmed"]), ("Plain.Hash-7", "computed"))
    equal((told["At_10"]["score"], told["At_10"]["describe"], told["At_10"]["to"]), (100, "Malware signature At.10", 16))
    equal((told["Any_Octets"]["score"], told["Any_Octets"]["describe"]), (7, "told by the rules"))
    assert "Plain.Hash-7" in w.run("scan", "--explain", "--rules", "set", "plain.eml").stdout


def signatures_allow(w):
    with_signatures(w)
    w.write("fp/good.fp", f"{hashlib.md5(PLAIN.encode()).hexdigest()}:{len(PLAIN)}:Known.Good\n")
    r = judged(w, "--rules", "set", "--signatures", "fp/good.fp", "plain.eml", "program.eml")
    equal(r["plain.eml"], ["Mail_Header"])  # of the mail, not of the part
    assert "Win_Wicked_1" in r["program.eml"], r
    equal(judged(w, "--rules", "set", "--signatures", "fp", "plain.eml"), {"plain.eml": ["Mail_Header"]})


def signatures_that_cannot_be_read(w):
    with_signatures(w)
    w.write("wrong.hdb", "no hash:1:x\n")
    r = w.run("scan", "--rules", "rules.cf", "--signatures", "wrong.hdb", "lf.eml", expect=1)
    assert r.stderr.startswith("wrong.hdb:1:1: error: "), r.stderr
    r = w.run("rules", "lint", "--signatures", "nowhere.ndb", "rules.cf", expect=1)
    assert "nowhere.ndb:0:0: error: cannot be read" in r.stdout, r.stdout
    w.run("rules", "compile", "rules.cf", "-o", "rules.img")
    for words in (["scan", "--rules"], ["push", "--link", "nowhere.sock"]):
        r = w.run(*words, "rules.img", "--signatures", "set", *(["lf.eml"] if words[0] == "scan" else []), expect=1)
        assert "signatures are compiled into an image" in r.stderr, r.stderr


def signature_with_the_name_of_a_rule(w):
    with_signatures(w)
    w.write("same.ndb", f"GREET:0:*:{b'wicked'.hex()}\n")
    equal(judged(w, "--rules", "rules.cf", "--signatures", "same.ndb", "plain.eml", "lf.eml"),
          {"plain.eml": ["GREET_"], "lf.eml": ["GREET", "SUBJ", "CRLF"]})


def scan_several_rules(w):
    w.write("more.cf", "score GREET 1\nbody MORE /nothing/\n")
    r = w.run("scan", "--rules", "rules.cf", "--rules", "more.cf", "lf.eml", "clean.eml")
    equal(r.stdout, "lf.eml: refuse 5.5 GREET,SUBJ,CRLF\nclean.eml: accept 1 MORE\n")
    w.run("rules", "compile", "rules.cf", "-o", "rules.img")
    w.run("scan", "--rules", "more.cf", "--rules", "rules.img", "lf.eml", expect=1)


def scan_json_lists_every_rule(w):
    w.write("many.cf", "".join(f"body R{i:03} /hello/\nscore R{i:03} 0.001\n" for i in range(100)) +
            "header NOT Subject !~ /cheap/i\nheader __SUB Subject !~ /dear/\nbody __BOTH /world/\nmeta __SUM __SUB && __BOTH\nmeta ALL3 __SUM && !NOT\n")
    r = json.loads(w.run("scan", "--json", "--all-rules", "--rules", "many.cf", "lf.eml").stdout)
    equal(r["rules"], [f"R{i:03}" for i in range(100)] + ["ALL3"])
    equal(sorted(r["subrules"]), ["__BOTH", "__SUB", "__SUM"])
    assert "subrules" not in w.run("scan", "--json", "--rules", "many.cf", "lf.eml").stdout


def usage_is_2(w):
    for words in ([], ["nonsense"], ["scan"], ["scan", "--colour", "lf.eml"], ["scan", "--jobs", "0", "lf.eml"], ["scan", "--jobs", "65", "lf.eml"], ["rules"], ["rules", "frobnicate", "x"],
                  ["rules", "lint"], ["rules", "lint", "rules.cf", "-o", "x"], ["rules", "lint", "rules.cf", "bad.cf"],
                  ["rules", "compile", "rules.cf"], ["rules", "diff", "rules.cf"], ["rules", "diff", "rules.cf", "rules.cf", "rules.cf"],
                  ["rules", "diff", "rules.cf", "rules.cf", "-o", "x"], ["rules", "lint", "--corpus", "mails", "rules.cf"]):
        r = w.run(*words, expect=2)
        assert not r.stdout and "weirctl " in r.stderr, f"{words}: {r.stdout}{r.stderr}"
    assert not (w.folder / "x").exists(), "lint wrote a file"


def help_is_0(w):
    for words in (["--help"], ["scan", "--help"], ["rules", "--help"], ["rules", "lint", "--help"]):
        assert "weirctl " in w.run(*words).stdout, words


ALL_VERBS = (["status"], ["push", "rules.cf"], ["gen", "list"], ["gen", "show", "7"], ["gen", "report", "7"], ["hold", "7"],
             ["resume", "7"], ["promote", "7"], ["rollback"], ["rollback", "7"], ["quarantine", "7"], ["release", "7"], ["prove"],
             ["prove", "7"], ["affected", "7"], ["trace", "<a@b>"], ["journal", "verify"], ["journal", "tail", "-n", "3"],
             ["announce", "add", "--expires", "30min", "text"], ["announce", "end", "a1"], ["announce", "list"])


def unreachable_is_3(w):
    for words in (["status"], ["push", "rules.cf"]):
        r = w.run(words[0], "--link", "nowhere.sock", *words[1:], expect=3)
        assert "nowhere.sock" in r.stderr, r.stderr
    for words in ALL_VERBS:
        r = w.run(*words, "--socket", "nowhere.sock", expect=3)
        assert "nowhere.sock" in r.stderr and "weirctl status --link SOCKET" in r.stderr, r.stderr
        r = w.run(words[0], "--json", "--socket", "nowhere.sock", *words[1:], expect=3)
        equal(json.loads(r.stdout)["ok"], False)


# ---- the control process, played: what weirctl asks, and what it makes of the answers (control/admin.h)

class Control:
    """Takes one connection after the other; answers each with the lines given. `asked`: the requests."""

    def __init__(self, folder, *lines, hangs=False):
        self.path = str(Path(folder) / "control.sock")
        Path(self.path).unlink(missing_ok=True)
        self.lines = [line if isinstance(line, (bytes, bytearray)) else json.dumps(line).encode() + b"\n" for line in lines]
        self.asked = []
        self.hangs = hangs
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        self.listener.listen(8)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            with peer:
                request = b""
                while not request.endswith(b"\n"):
                    some = peer.recv(65536)
                    if not some:
                        break
                    request += some
                self.asked.append(json.loads(request) if request else None)
                try:
                    for line in self.lines:
                        peer.sendall(line)
                except OSError:
                    pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()


def asked(w, *words, answer=None, expect=0):
    """The request that these words make."""
    with Control(w.folder, answer or {"ok": True}) as c:
        w.run(*words, "--socket", c.path, expect=expect)
        equal(len(c.asked), 1)
        return c.asked[0]


def requests_are_as_agreed(w):
    rules = str((w.folder / "rules.cf").resolve())
    for words, request in (
            (["status"], {"verb": "status"}),
            (["gen", "list", "--limit", "5"], {"verb": "gen-list", "limit": 5}),
            (["gen", "show", "7"], {"verb": "gen-show", "generation": 7}),
            (["gen", "report", "7"], {"verb": "report", "generation": 7}),
            (["push", "rules.cf"], {"verb": "push", "path": rules}),
            (["push", "--stage", "SHADOW", "--force", "preflight,shadow", "--comment", "why", "--wait", "--expect",
              "sender-suffix:co.uk=30%", "--expect", "all=0.02", "rules.cf"],
             {"verb": "push", "path": rules, "stage": "SHADOW", "comment": "why", "force": ["preflight", "shadow"],
              "expect": [{"kind": "sender-suffix", "name": "co.uk", "rate": 0.3}, {"kind": "all", "name": "", "rate": 0.02}],
              "wait": True}),
            (["hold", "7", "--comment", "x"], {"verb": "hold", "generation": 7, "comment": "x"}),
            (["resume", "7"], {"verb": "resume", "generation": 7}),
            (["promote", "7"], {"verb": "promote", "generation": 7}),
            (["quarantine", "7"], {"verb": "quarantine", "generation": 7}),
            (["release", "7"], {"verb": "release", "generation": 7}),
            (["rollback"], {"verb": "rollback"}),
            (["rollback", "3"], {"verb": "rollback", "to": 3}),
            (["prove"], {"verb": "prove"}),
            (["prove", "3"], {"verb": "prove", "generation": 3}),
            (["affected", "7", "--limit", "9", "--verdict", "defer"],
             {"verb": "affected", "generation": 7, "limit": 9, "verdict": "defer"}),
            (["trace", "<a@b>"], {"verb": "trace", "id": "<a@b>"}),
            (["journal", "verify"], {"verb": "journal-verify"}),
            (["journal", "tail", "-n", "3"], {"verb": "journal-tail", "n": 3}),
            (["announce", "list"], {"verb": "announce-list"}),
            (["announce", "add", "--expires", "2 h", "--impact", "minor", "--components", "mail,rules", "We know."],
             {"verb": "announce-add", "text": "We know.", "expires_s": 7200, "impact": "minor", "components": ["mail", "rules"]}),
            (["announce", "end", "i1", "All is well"], {"verb": "announce-end", "id": "i1", "text": "All is well"})):
        equal(asked(w, *words), request)


def wrong_words_ask_nobody(w):
    for words in (["gen"], ["gen", "lost"], ["gen", "show"], ["gen", "show", "x"], ["gen", "show", "0"], ["gen", "show", "1", "2"],
                  ["gen", "show", "--limit", "3", "1"], ["gen", "list", "3"], ["gen", "list", "--limit", "0"], ["hold"],
                  ["hold", "-1"], ["hold", "4294967296"], ["rollback", "1", "2"], ["prove", "x"], ["affected"], ["trace"],
                  ["trace", ""], ["journal"], ["journal", "burn"], ["journal", "verify", "-n", "3"], ["journal", "tail", "-n", "x"],
                  ["announce"], ["announce", "add", "text"], ["announce", "add", "--expires", "0s", "x"],
                  ["announce", "add", "--expires", "31d", "x"], ["announce", "add", "--expires", "5 years", "x"],
                  ["announce", "add", "--expires", "1h", "--impact", "big", "x"],
                  ["announce", "add", "--expires", "1h", "--components", "moon", "x"], ["announce", "add", "--expires", "1h"],
                  ["announce", "list", "--expires", "1h"], ["announce", "end"], ["push"], ["push", "--stage", "MOON", "rules.cf"],
                  ["push", "--force", "", "rules.cf"], ["push", "--force", "preflight,", "rules.cf"],
                  ["push", "--force", "all", "rules.cf"], ["push", "--expect", "all=2", "rules.cf"],
                  ["push", "--expect", "moon:x=0.1", "rules.cf"], ["push", "--expect", "all", "rules.cf"],
                  ["push", "--expect", "all=", "rules.cf"], ["push", "--jobs", "2", "rules.cf"], ["push", "--wait-ms", "2", "rules.cf"],
                  ["push", "--link", "x", "--wait", "rules.cf"], ["status", "x"], ["check", "a", "b"], ["check", "--socket", "x"]):
        with Control(w.folder, {"ok": True}) as c:
            more = [] if words[0] == "check" else ["--socket", c.path]
            r = w.run(*words, *more, expect=2)
            assert "weirctl " in r.stderr and not r.stdout, (words, r.stderr)
            equal(c.asked, [])


def refusals_have_the_codes_given(w):
    for code, exit_code in ((1, 1), (2, 2), (3, 3), (0, 1), (7, 1), ("x", 1), (None, 1)):
        answer = {"ok": False, "error": "generation 6 is in CANARY", "code": code}
        with Control(w.folder, answer) as c:
            r = w.run("promote", "7", "--socket", c.path, expect=exit_code)
            equal((r.stdout, r.stderr), ("", "weirctl promote: generation 6 is in CANARY\n"))
            equal(json.loads(w.run("promote", "7", "--json", "--socket", c.path, expect=exit_code).stdout), answer)


def odd_answers_are_3_and_never_a_crash(w):
    deep = b"[" * 60000 + b"\n"
    for lines in ([], [b"\n"], [b"x\n"], [b"[]\n"], [b"{}\n"], [b"{\"ok\":1}\n"], [b"{\"ok\":true"], [b"\0\n"], [deep],
                  [b"x" * (9 << 20)], [{"progress": 7}], [{"progress": "SHADOW"}]):
        for words in (["status"], ["push", "--wait", "rules.cf"]):
            with Control(w.folder, *lines) as c:
                w.run(*words, "--socket", c.path, expect=3)


def answers_of_wrong_shapes_are_said_somehow(w):
    for value in (7, "x", [], [1, None, {}], {"a": 1}, None, [[[]]], -1e300):
        names = ("live", "candidate", "previous", "needs", "evidence", "trip", "dataplane", "journal", "announcements", "generations",
                 "history", "report", "force", "expect", "generation", "state", "domains", "messages", "records", "incidents",
                 "text", "seconds", "left_ms", "index", "left_off", "refused", "last_worker_us", "broken_line")
        answer = {"ok": True, **dict.fromkeys(names, value)}
        if value == {"a": 1}:
            answer.update(records=[[1, "x"]], dataplane={"reachable": True, "messages": [1, 2]}, evidence={"strata": {"a": []}})
        with Control(w.folder, answer) as c:
            for words in ALL_VERBS:
                w.run(*words, "--socket", c.path)


def terminals_are_not_written_to(w):
    evil = "a\x1b]0;owned\x07\r\n\x9b31m\x7f"
    role = {"generation": 7, "state": evil, "since": evil, "by": evil, "path": evil, "digest": evil, "text": evil, "role": evil}
    answer = {"ok": True, "live": role, "candidate": role, "previous": role, "generations": [role], "state": evil, "text": evil,
              "trip": {"time": evil, "name": evil, "text": evil, "reason": evil, "kind": evil},
              "evidence": {"strata": [{"kind": evil, "name": evil}]}, "journal": {"error": evil}, "id": evil,
              "dataplane": {"error": evil}, "history": [{"text": evil, "by": evil, "time": evil, "state": evil}],
              "report": {"checks": [{"name": evil, "text": evil}]}, "domains": [{"domain": evil}],
              "messages": [{"mail_from": evil, "rcpt": [evil], "rules": [evil], "id": evil, "text": evil}],
              "records": [{"event": evil, "x": evil, "time": evil}], "announcements": [{"text": evil, "id": evil, "by": evil}],
              "incidents": [{"name": evil}], "force": [evil], "comment": evil, "error": evil}
    for ok in (True, False):
        with Control(w.folder, {"progress": evil, "text": evil, "generation": 1}, {**answer, "ok": ok}) as c:
            for words in ALL_VERBS:
                r = w.run(*words, "--socket", c.path, expect=0 if ok else 1)
                assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", r.stdout + r.stderr), (words, r.stdout, r.stderr)


STATUS = {"ok": True,
          "live": {"generation": 6, "state": "LIVE", "since": "2026-01-31T23:59:59.125Z", "digest": "9f86d081884c7d65", "rules": 1630,
                   "by": "root", "path": "/etc/weir/rules", "role": "live"},
          "candidate": {"generation": 7, "state": "CANARY", "since": "2026-02-01T00:00:00.000Z", "rules": 1631, "role": "candidate"},
          "previous": None, "needs": [{"what": "time", "have": 720000, "need": 1800000}, {"what": "messages", "have": 400, "need": 1000},
                                      {"what": "strata", "have": 5, "need": 3}], "left_ms": 1080000, "next": "PROBATION",
          "evidence": {"a": 6, "b": 7, "n": 1400, "k": 2, "log_m": -1.2, "log_trip": 13.815,
                       "strata": [{"kind": "sender-suffix", "name": "co.uk", "n": 20, "k": 1, "log_e": 0.5}]},
          "trip": {"time": "2026-01-30T10:00:00.000Z", "generation": 5, "back_to": 4, "reason": "evidence", "kind": "sender-suffix",
                   "name": "co.uk", "n": 4, "k": 4, "by_data_plane": True},
          "dataplane": {"reachable": True, "workers": 4, "uptime_ms": 86400000 * 3, "flows": 120, "resident": 3, "persisted": 6,
                        "lease_left_ms": 28000, "messages": {"accept": 1000, "refuse": 20}},
          "journal": {"ok": True, "seq": 312}, "index": {"ok": True}, "indicator": "none", "announcements": [],
          "incidents": [{"id": "i2", "status": "resolved", "name": "old"}, {"id": "i3", "status": "monitoring", "name": "Some mail delayed"}]}


def status_is_one_view(w):
    with Control(w.folder, STATUS) as c:
        lines = w.run("status", "--socket", c.path).stdout.splitlines()
        equal(json.loads(w.run("status", "--json", "--socket", c.path).stdout), STATUS)
    text = "\n".join(lines)
    for part in ("live        6  LIVE since 2026-01-31 23:59:59 UTC (", "1,630 rules, 9f86d081884c7d65, /etc/weir/rules",
                 "candidate   7  CANARY since", "waits for: time 12 min of 30 min; messages 400 of 1,000\n",
                 "PROBATION in about 18 min", "previous    none",
                 "evidence    2 of 1,400 newly rejected; evidence of harm 0.3, returns at 1e+06\n", "from .co.uk",
                 "last return 2026-01-30 10:00:00 UTC", "generation 5 back to 4 (evidence, from .co.uk: 4 of 4), by the data plane alone",
                 "data plane  4 workers, up 3 d, 120 connections, 3 rule sets in memory", "lease of the candidate: 28 s left",
                 "messages    1,000 accept, 20 refuse", "journal     ok, 312 records", "public      all systems operational\n            i3: monitoring, Some mail delayed\n",
                 "to do       nothing; to stop it: weirctl hold 7"):
        assert part in text, f"{part!r} is not in\n{text}"
    assert all(len(line) < 130 for line in lines), text


def status_says_what_is_wrong(w):
    bad = {**STATUS, "candidate": {**STATUS["candidate"], "state": "HELD", "held_from": "CANARY"},
           "journal": {"ok": False, "error": "No space left on device"}}
    for answer, part in ((bad, "CANNOT BE WRITTEN: No space left on device"), (bad, "to do       make room on the disk"),
                         ({**bad, "journal": {"ok": True}}, "to do       weirctl gen show 7, then weirctl resume 7"),
                         ({**STATUS, "dataplane": {"reachable": False, "error": "no socket"}}, "DOES NOT ANSWER: no socket"),
                         ({**STATUS, "live": None}, "live        none: mail passes unjudged")):
        with Control(w.folder, answer) as c:
            text = w.run("status", "--socket", c.path).stdout
            assert part in text, f"{part!r} is not in\n{text}"


def push_shows_its_way(w):
    steps = [{"progress": "COMPILED", "generation": 7, "text": "3 rules, 0.1 s"},
             {"progress": "SHADOW", "generation": 7, "text": "", "n": 10, "k": 0, "log_m": 0, "left_ms": 600000},
             {"progress": "SHADOW", "generation": 7, "text": "", "n": 500, "k": 0, "log_m": 0, "left_ms": 300000}]
    with Control(w.folder, *steps, {"ok": True, "generation": 7, "state": "LIVE"}) as c:
        r = w.run("push", "--wait", "rules.cf", "--socket", c.path)
        equal(r.stdout, "generation  7\nstate       LIVE\n")
        lines = r.stderr.splitlines()
        equal(len(lines), 2)  # no terminal: a line for each stage
        assert "COMPILED" in lines[0] and "0 of 10 newly rejected" in lines[1] and "about 10 min left" in lines[1], lines
        equal(json.loads(w.run("push", "--json", "--wait", "rules.cf", "--socket", c.path).stdout)["state"], "LIVE")
    report = {"ok": False, "seconds": 12.5, "checks": [{"name": "golden", "ok": True, "text": "same"},
                                                       {"name": "suffixes", "ok": False, "text": ".co.uk: 16 of 16 places"}]}
    with Control(w.folder, {"ok": False, "generation": 7, "state": "REJECTED", "error": "pre-flight refused it", "report": report}) as c:
        r = w.run("push", "--wait", "rules.cf", "--socket", c.path, expect=1)
        equal(r.stderr, "weirctl push: pre-flight refused it\n")
        assert "FAIL suffixes  .co.uk: 16 of 16 places" in r.stdout and "golden" not in r.stdout, r.stdout
    w.run("push", "nowhere.cf", "--socket", "nowhere.sock", expect=1)


def journal_chain(*events, seq=1, prev="0" * 64):
    lines = []
    for number, event in enumerate(events, seq):
        lines.append(json.dumps({"seq": number, "time": "2026-01-31T23:59:59.125Z", "event": event, "generation": 3, "prev": prev},
                                separators=(",", ":")))
        prev = hashlib.sha256(lines[-1].encode()).hexdigest()
    return "".join(line + "\n" for line in lines), prev


def journal_of_a_file(w):
    text, last = journal_chain("start", "push", "state", "state")
    w.write("journal.jsonl", text)
    r = w.run("journal", "verify", "journal.jsonl")
    equal(r.stdout, f"journal     the chain is whole, 4 records\nlast hash   {last}\n")
    equal(json.loads(w.run("journal", "verify", "--json", "journal.jsonl").stdout), {"ok": True, "records": 4, "torn": False, "hash": last})
    lines = w.run("journal", "tail", "-n", "2", "journal.jsonl").stdout.splitlines()
    equal([line.split()[:4] for line in lines], [["3", "2026-01-31T23:59:59.125", "3", "state"], ["4", "2026-01-31T23:59:59.125", "3", "state"]])
    equal([r["seq"] for r in json.loads(w.run("journal", "tail", "--json", "journal.jsonl").stdout)["records"]], [1, 2, 3, 4])
    w.write("torn.jsonl", text[:-10])
    assert "3 records, then a torn line" in w.run("journal", "verify", "torn.jsonl").stdout
    w.write("bad.jsonl", text.replace("push", "pull"))
    r = w.run("journal", "verify", "bad.jsonl", expect=1)
    assert "BROKEN, 2 records" in r.stdout and "line 3: its prev is not the hash of the line before" in r.stdout, r.stdout
    equal(json.loads(w.run("journal", "verify", "--json", "bad.jsonl", expect=1).stdout)["broken_line"], 3)
    w.run("journal", "tail", "bad.jsonl", expect=1)
    w.run("journal", "verify", "nowhere.jsonl", expect=1)
    w.run("journal", "verify", ".", expect=1)
    w.write("empty.jsonl", "")
    w.run("journal", "verify", "empty.jsonl")


class RealControl:
    """weir-control itself, without a data plane."""

    def __init__(self, w):
        self.w = w
        self.state = w.folder / "state"
        self.state.mkdir(exist_ok=True)
        (w.folder / "hooks").mkdir(exist_ok=True)
        w.write("control.cfg", f"[control]\nsocket = {w.folder}/control.sock\nstate = {self.state}\nhooks = {w.folder}/hooks\n"
                               f"[link]\nsocket = {w.folder}/link.sock\n")
        self.log = open(w.folder / "control.log", "ab")
        self.process = subprocess.Popen([BUILD / "control" / "weir-control", "--config", w.folder / "control.cfg"],
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.wait("it answers", lambda: self.code("status") == 0)

    def wait(self, what, is_so):
        for _ in range(300):
            if is_so():
                return
            time.sleep(0.1)
        raise AssertionError(f"not within 30 s: {what}: " + (self.w.folder / "control.log").read_text()[-500:])

    def code(self, *words):
        return subprocess.run([WEIRCTL, *words, "--socket", "control.sock"], cwd=self.w.folder, capture_output=True).returncode

    def ask(self, *words, expect=0):
        return json.loads(self.w.run(words[0], "--json", "--socket", "control.sock", *words[1:], expect=expect).stdout)

    def page(self):
        return json.loads((self.state / "status.json").read_text())

    def end(self, how):
        self.process.send_signal(how)
        self.process.wait(30)
        self.log.close()


def the_control_process_agrees(w):
    w.write("hooks/note", f"#!/bin/sh\ncat >>{w.folder}/noted\n")
    (w.folder / "hooks").chmod(0o755)
    control = RealControl(w)
    (w.folder / "hooks" / "note").chmod(0o755)
    try:
        status = control.ask("status")
        equal((status["live"], status["dataplane"]["reachable"], status["journal"]["ok"], status["indicator"]),
              (None, False, True, "none"))
        assert "DOES NOT ANSWER" in w.run("status", "--socket", "control.sock").stdout
        equal(control.ask("gen", "list")["generations"], [])
        for words in (["gen", "show", "1"], ["gen", "report", "1"], ["hold", "1"], ["resume", "1"], ["promote", "1"], ["rollback"],
                      ["rollback", "1"], ["quarantine", "1"], ["release", "1"], ["prove"], ["prove", "1"], ["push", "rules.cf"],
                      ["announce", "end", "a7"]):
            equal(control.ask(*words, expect=1)["ok"], False)
        begun = time.monotonic()
        id_ = control.ask("announce", "add", "--expires", "1h", "--impact", "minor", "<b>We know.</b>")["id"]
        control.wait("the page says it", lambda: control.page()["status"]["indicator"] == "minor")
        took = time.monotonic() - begun
        assert took < 5, f"{took:.1f} s from the announcement to the page"
        control.wait("the page for people, too", lambda: "&lt;b&gt;We know." in (control.state / "status.html").read_text())
        control.wait("a hook is told", lambda: (w.folder / "noted").exists() and "We know." in (w.folder / "noted").read_text())
        control.end(signal.SIGKILL)
        control = RealControl(w)
        equal([a["text"] for a in control.ask("announce", "list")["announcements"]], ["<b>We know.</b>"])
        control.wait("the page still says it", lambda: control.page()["incidents"][:1] and control.page()["incidents"][0]["id"] == id_)
        control.ask("announce", "end", id_)
        control.wait("the page is clean", lambda: not control.page()["incidents"])
        equal(control.ask("journal", "verify")["ok"], True)
        events = [r["event"] for r in control.ask("journal", "tail", "-n", "2")["records"]]
        equal(events, ["announce", "announce"])
        file = control.ask("journal", "verify", str(control.state / "journal" / "journal.jsonl"))
        equal((file["ok"], file["torn"]), (True, False))
        assert file["records"] >= 2, file
    finally:
        control.end(signal.SIGTERM)


def check_tells_both_parts(w):
    shipped = str(ROOT / "appliance.cfg")
    assert w.run("check", shipped).stdout.startswith(shipped + ": ok")
    w.write("bad.cfg", "[control]\nsocket = x\nmoon = 7\n[control.rollout]\nshadow = soon\n")
    r = w.run("check", "bad.cfg", expect=1)
    assert "bad.cfg:3: " in r.stderr and "bad.cfg:5: " in r.stderr, r.stderr
    answer = json.loads(w.run("check", "--json", "bad.cfg", expect=1).stdout)
    equal(answer["ok"], False)
    assert any("bad.cfg:3: " in line for line in answer["errors"]), answer
    if answer["dataplane_checked"]:
        w.write("plane.cfg", "[workers]\nmoon = 7\n")
        assert "plane.cfg:2" in w.run("check", "plane.cfg", expect=1).stderr
    assert "[control.rollout]" in w.run("check", "--print", shipped).stdout
    w.run("check", "nowhere.cfg", expect=1)


def lint_good(w):
    equal(w.run("rules", "lint", "--dear", "0", "rules.cf").stdout, "3 of 3 regex rules honoured (100.0 %)\n"
          "compiled: 3 native\nrules.cf: 3 rules, 0 errors, 0 warnings\n")


def lint_prices(w):
    w.write("priced.cf", RULES + "body BACK /(a)\\1x/\nmeta BOTH GREET && SUBJ\n")
    lines = w.run("rules", "lint", "priced.cf").stdout.splitlines()
    at = lines.index("dearest:")
    assert lines[at - 1] in ("compiled: 3 native, 1 prefilter + PCRE2", "compiled: 3 native, 1 literals + PCRE2",
                             "compiled: 3 native, 1 PCRE2"), lines
    rows = [re.fullmatch(r" +(\d+\.\d{3}) +(\d+\.\d) kB +(\d+) ms  (native|.*PCRE2) +(\w+)", line).groups()
            for line in lines[at + 2:-1]]
    equal({row[4] for row in rows}, {"GREET", "SUBJ", "CRLF", "BACK"})
    prices = [float(row[0]) for row in rows]
    equal(prices, sorted(prices, reverse=True))
    equal(len(w.run("rules", "lint", "--dear", "2", "priced.cf").stdout.splitlines()), len(lines) - 2)
    said = json.loads(w.run("rules", "lint", "--json", "priced.cf").stdout)
    priced = {r["name"]: r["price"] for r in said["list"] if "price" in r}
    equal(set(priced), {"GREET", "SUBJ", "CRLF", "BACK"})
    assert all(set(p) == {"how", "ns_per_octet", "size", "compile_ms"} and p["size"] > 0 for p in priced.values()), priced
    equal(priced["GREET"]["how"], "native")
    for words in (["compile", "--dear", "2", "rules.cf", "-o", "x"], ["lint", "--dear", "x", "rules.cf"]):
        w.run("rules", *words, expect=2)


def lint_places_and_carets(w):
    lines = w.run("rules", "lint", "bad.cf", expect=1).stdout.splitlines()
    equal(lines[0].split(" error: ")[0], "bad.cf:2:25:")
    equal(lines[1:3], ["      header  H2 Subject =~ foo", " " * 28 + "^"])
    equal(lines[3].split(" error: ")[0], "bad.cf:3:10:")
    equal(lines[4:6], ["    score OK x", " " * 13 + "^"])
    equal(lines[-1], "bad.cf: 1 rules, 2 errors, 0 warnings")


def lint_names_every_bad_pattern(w):
    w.write("regex.cf", "body GOOD /good/\nbody ONE /ab(/\nfull TWO /a[b/\n")
    r = w.run("rules", "lint", "regex.cf", expect=1)
    assert "regex.cf:2:" in r.stdout and "regex.cf:3:" in r.stdout and "regex.cf:1:" not in r.stdout, r.stdout
    assert r.stdout.count("error: ") == 2 and r.stdout.count("^") >= 2, r.stdout


def lint_folder_names_files(w):
    w.write("set/10.cf", "body A /a/\n")
    w.write("set/20.cf", "body B /b/\nscore B many\n")
    r = w.run("rules", "lint", "set", expect=1)
    assert r.stdout.startswith("set/20.cf:2:9: error: "), r.stdout


def lint_json(w):
    r = json.loads(w.run("rules", "lint", "--json", "bad.cf", expect=1).stdout)
    equal((r["path"], r["errors"], r["warnings"]), ("bad.cf", 2, 0))
    equal([(d["file"], d["line"], d["column"], d["severity"]) for d in r["diagnostics"]],
          [("bad.cf", 2, 25, "error"), ("bad.cf", 3, 10, "error")])


OFF_RULES = """body A /a/
score A 1
header B Subject =~ /b/
meta M A && B
header C eval:check_rbl('x', 'y.test.')
tflags C net
score C 1
describe A what it is
"""


def lint_tells_what_is_not_honoured(w):
    w.write("off.cf", OFF_RULES)
    lines = w.run("rules", "lint", "--dear", "0", "off.cf").stdout.splitlines()
    at = lines.index("not honoured:")
    assert re.fullmatch(r"    C  off\.cf:5: .+", lines[at + 1]), lines
    equal(lines[at + 2:-1], ["2 of 2 regex rules honoured (100.0 %)", "1 of 1 meta rules honoured (100.0 %)",
                             "0 of 1 net rules honoured (0.0 %)", "compiled: 2 native"])
    said = json.loads(w.run("rules", "lint", "--json", "off.cf").stdout)
    equal({k: (v["defined"], v["honoured"]) for k, v in said["kinds"].items()},
          {"regex": (2, 2), "exists": (0, 0), "meta": (1, 1), "eval": (0, 0), "net": (1, 0)})
    equal([(o["name"], o["file"], o["line"]) for o in said["off"]], [("C", "off.cf", 5)])
    assert said["off"][0]["reason"], said
    equal([(r["name"], r["honoured"], r["line"]) for r in said["list"]],
          [("A", True, 1), ("B", True, 3), ("M", True, 4), ("C", False, 5)])
    equal([r["kind"] for r in said["list"]], ["body", "header", "meta", said["list"][3]["kind"]])
    equal((said["list"][0]["text"], said["list"][0]["score"], said["list"][0]["describe"]), ("a", 1, "what it is"))


def diff_rules(w):
    w.write("new.cf", RULES.replace("score GREET 3", "score GREET 4").replace("cheap", "dear") + "body MORE /more/\n")
    r = w.run("rules", "diff", "rules.cf", "new.cf")
    equal(r.stdout.splitlines(), ["changed GREET: score 3 to 4", "added MORE", "changed SUBJ: definition",
                                  "1 rules added, 0 removed, 2 changed"])
    r = w.run("rules", "diff", "new.cf", "rules.cf")
    equal(r.stdout.splitlines()[1:], ["removed MORE", "changed SUBJ: definition", "0 rules added, 1 removed, 2 changed"])
    equal(w.run("rules", "diff", "rules.cf", "rules.cf").stdout, "0 rules added, 0 removed, 0 changed\n")
    said = json.loads(w.run("rules", "diff", "--json", "rules.cf", "new.cf").stdout)
    equal(said, {"added": [{"name": "MORE"}], "removed": [], "mails": [], "patterns_compared": True, "changed": [
        {"name": "GREET", "what": "score 3 to 4"}, {"name": "SUBJ", "what": "definition"}]})


def diff_rules_over_mails(w):
    w.write("new.cf", RULES.replace("score GREET 3", "score GREET 0.1"))
    r = w.run("rules", "diff", "--corpus", "mails", "rules.cf", "new.cf")
    equal(r.stdout.splitlines(), ["changed GREET: score 3 to 0.1", "mail mails/b.eml: refuse 7.5 to accept 4.6",
                                  "0 rules added, 0 removed, 1 changed", "1 of 2 mails get another verdict"])
    said = json.loads(w.run("rules", "diff", "--json", "--corpus", "mails", "rules.cf", "new.cf").stdout)
    equal((said["mails_scanned"], said["mails_changed"], said["mails"]), (2, 1, [
        {"file": "mails/b.eml", "verdict_a": "refuse", "score_a": 7.5, "verdict_b": "accept", "score_b": 4.6}]))
    w.run("rules", "diff", "--corpus", "nowhere", "rules.cf", "new.cf", expect=1)


def diff_of_images_is_of_scores(w):
    w.write("new.cf", RULES.replace("score GREET 3", "score GREET 4").replace("cheap", "dear"))
    w.run("rules", "compile", "rules.cf", "-o", "rules.img")
    for old in ("rules.img", "rules.cf"):
        w.run("rules", "compile", "new.cf", "-o", "new.img")
        equal(w.run("rules", "diff", old, "new.img").stdout.splitlines(),
              ["changed GREET: score 3 to 4",
               "0 rules added, 0 removed, 1 changed (an image has no patterns: scores alone were compared)"])
    w.run("rules", "diff", "rules.cf", "bad.cf", expect=1)


def unknown_keyword_is_an_error(w):
    w.write("slip.cf", "body A /a/\n boddy B /b/\ntrusted_networks 10/8\n")
    lines = w.run("rules", "lint", "slip.cf", expect=1).stdout.splitlines()
    equal(lines[0], "slip.cf:2:2: error: unknown keyword `boddy`")
    equal(lines[3], "slip.cf:3:1: warning: `trusted_networks` is not honoured (1 line)")
    equal(lines[-1], "slip.cf: 1 rules, 1 errors, 1 warnings")
    w.run("rules", "compile", "slip.cf", "-o", "slip.img", expect=1)
    assert not (w.folder / "slip.img").exists(), "an image of rules with an error"


def no_rule_is_an_error(w):
    w.write("none.cf", "# body A /a/\nscore A 1\n")
    w.write("nothing.cf", "")
    w.write("folder/none.cf", "# nothing\n")
    for path in ("none.cf", "nothing.cf", "folder"):
        said = f"{path}:0:0: error: no rule is defined here\n"
        for words in (["rules", "lint", path], ["rules", "compile", path, "-o", "none.img"],
                      ["push", "--link", "nowhere.sock", path], ["scan", "--rules", path, "lf.eml"]):
            r = w.run(*words, expect=1)
            assert said in r.stdout + r.stderr, f"{words}: {r.stdout}{r.stderr}"
    assert not (w.folder / "none.img").exists(), "an image without a rule"
    w.write("folder/some.cf", RULES)
    w.run("rules", "lint", "folder")


def push_json_says_why_it_refused(w):
    r = w.run("push", "--json", "--link", "nowhere.sock", "bad.cf", expect=1)
    said = json.loads(r.stdout)
    equal((said["ok"], said["error"]), (False, "bad.cf: 2 errors"))
    equal([(d["file"], d["line"], d["column"], d["severity"]) for d in said["diagnostics"]],
          [("bad.cf", 2, 25, "error"), ("bad.cf", 3, 10, "error")])
    assert "bad.cf:2:25: error: " in r.stderr, r.stderr
    w.run("rules", "compile", "rules.cf", "-o", "whole.img")
    octets = bytearray(w.octets("whole.img"))
    octets[-1] ^= 1
    (w.folder / "broken.img").write_bytes(octets)
    for path in ("broken.img", "nowhere.cf", "rules.cf"):
        r = w.run("push", "--json", "--link", "nowhere.sock", path, expect=3 if path == "rules.cf" else 1)
        said = json.loads(r.stdout)
        assert said["ok"] is False and said["error"], said
    equal(w.run("push", "--link", "nowhere.sock", "broken.img", expect=1).stdout, "")


def compile_is_deterministic(w):
    first = json.loads(w.run("rules", "compile", "--json", "rules.cf", "-o", "one.img").stdout)
    equal([r["name"] for r in first["list"]], ["GREET", "SUBJ", "CRLF"])
    (w.folder / "elsewhere").mkdir()
    w.write("elsewhere/copy.cf", RULES)
    second = json.loads(w.run("rules", "compile", "--json", "elsewhere/copy.cf", "-o", "two.img").stdout)
    equal(hashlib.sha256(w.octets("one.img")).hexdigest(), hashlib.sha256(w.octets("two.img")).hexdigest())
    equal((first["digest"], first["octets"]), (second["digest"], len(w.octets("two.img"))))
    w.write("elsewhere/copy.cf", RULES.replace("score SUBJ 4", "score SUBJ 5"))
    other = json.loads(w.run("rules", "compile", "--json", "elsewhere/copy.cf", "-o", "three.img").stdout)
    assert other["digest"] != first["digest"], "another score, the same digest"


def compile_error_leaves_the_old_image(w):
    w.run("rules", "compile", "rules.cf", "-o", "live.img")
    before = w.octets("live.img")
    r = w.run("rules", "compile", "bad.cf", "-o", "live.img", expect=1)
    assert "bad.cf:2:25: error: " in r.stderr, r.stderr
    assert w.octets("live.img") == before, "the image was touched"
    equal(sorted(p.name for p in w.folder.glob("*.part")), [])
    w.run("rules", "compile", "rules.cf", "-o", "no-such-folder/x.img", expect=1)


def compile_the_rules_we_ship(w):
    w.run("rules", "compile", str(ROOT / "rules"), "-o", "shipped.img")
    w.run("scan", "--rules", "shipped.img", "clean.eml")


TESTS = [scan_text, scan_json, scan_says_events, scan_folder_in_order, scan_line_ends_make_no_difference,
         scan_bare_lf_in_crlf_file_stays, scan_envelope_reaches_rules, scan_with_image_as_with_text,
         scan_refuses_a_broken_image, scan_unreadable_file_is_1_and_the_rest_is_judged, scan_bad_rules_judge_nothing,
         scan_mbox, scan_almost_mbox, scan_stdin, scan_maildir, scan_circle_of_folders_ends, scan_jobs_keep_the_order,
         scan_stats, scan_threshold, scan_required_score_is_the_threshold, scan_client_is_the_first_relay,
         scan_several_rules, scan_explain_names_every_rule, scan_explain_tells_the_octets, cache_keeps_what_is_compiled,
         signatures_of_the_folder, signatures_explained, signatures_allow, signatures_that_cannot_be_read,
         signature_with_the_name_of_a_rule,
         scan_json_lists_every_rule, usage_is_2, help_is_0, unreachable_is_3, requests_are_as_agreed, wrong_words_ask_nobody,
         refusals_have_the_codes_given, odd_answers_are_3_and_never_a_crash, answers_of_wrong_shapes_are_said_somehow,
         terminals_are_not_written_to, status_is_one_view, status_says_what_is_wrong, push_shows_its_way,
         journal_of_a_file, the_control_process_agrees, check_tells_both_parts, lint_good, lint_prices,
         lint_places_and_carets, lint_names_every_bad_pattern,
         lint_folder_names_files, lint_json, lint_tells_what_is_not_honoured, diff_rules, diff_rules_over_mails,
         diff_of_images_is_of_scores, unknown_keyword_is_an_error, no_rule_is_an_error, push_json_says_why_it_refused,
         compile_is_deterministic, compile_error_leaves_the_old_image,
         compile_the_rules_we_ship]


def main():
    if not os.access(WEIRCTL, os.X_OK):
        print(f"FAIL weirctl: there is no {WEIRCTL}; build, or set WEIR_BUILD")
        return 1
    failures = 0
    cache = tempfile.TemporaryDirectory(prefix="weirctl-cache.")
    os.environ["WEIR_CACHE"] = cache.name  # never the user's
    for test in TESTS:
        with tempfile.TemporaryDirectory(prefix="weirctl-test.") as folder:
            try:
                test(Weirctl(folder))
                found = sanitizers.reports()
                assert not found, "; ".join(found)
                print(f"ok {test.__name__}")
            except Exception as e:  # noqa: BLE001: every test is to be run
                failures += 1
                why = str(e) if isinstance(e, AssertionError) and str(e) else traceback.format_exc()
                print(f"FAIL {test.__name__}: {' | '.join(why.splitlines())}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
