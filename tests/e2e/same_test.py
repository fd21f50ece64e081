#!/usr/bin/env python3
"""One scanner, two ways in: what `weirctl scan` says of a mail, the data plane says of the same mail in packets.

Mails of our own that hit every rule of tests/data/rules/every.cf (a rule of each kind), the project's mails and some
of the corpora, where they are, are judged as files and as a capture of tools/weir-gen through tools/replay, with the
same envelopes. Verdict, score, rules and events of each mail must be the same, in any cut of the packets.

    same_test.py                     with the build of WEIR_BUILD or ./build; skipped if there is none
    same_test.py --rules PATH        with these rules instead, and then no rule need hit
    same_test.py --mails N FOLDER..  N mails of each of these folders instead of the project's and the corpora's

Prints `ok NAME`, `FAIL NAME: why` or `skip NAME: why`; ends with 1 if anything failed.
"""
import argparse
import base64
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import replay_test
from replay_test import ROOT, Bench, check, flow, program
from weirgen import mail as mails

RULES = os.path.join(ROOT, "tests", "data", "rules", "every.cf")
CORPORA = [os.path.join(ROOT, "..", "shared", "corpus", name) for name in
           ("sa-spam-1", "sa-easy-ham-1", "sa-hard-ham-1", "mime-mimekit", "rspamd-functional")]
CORPUS_MAX = 10  # mails of each

CAPTURES = {
    "clean": [],
    "cut": ["--segment", "1-50", "--reorder", ".1", "--loss", ".05"],
    "bdat": ["--bdat", "1", "--pipelining", "1"],
    "octets": ["--segment", "1"],
    "client": ["--ipv6", ".5"],
}
OWN_ONLY = {"octets"}  # each octet is two frames
TELLS_CLIENT = {"client"}  # [scan] client_relay, and scan --client

# What the session machine says of octets (CRLF, NUL, lengths) a file has no session to say it of.
SESSION_EVENTS = {"bare-lf", "bare-cr", "nul", "line-too-long", "smuggled-eod"}
CONFIG = "[ambiguity]\nsmuggled-eod = accept\n"  # or it is refused before the scanner has seen the end

HTML = """\
<html><head><style>p.x {color: #fff}</style></head><body bgcolor="#ffffff"><big>go</big>
<p>caf&eacute; weir-same <b>weir-same</b></p><img src="http://img.same.example/1.png" width="600" height="400">
<a href="https://www.same.example/weir-same/?q=%41">bank</a> <a href="http://listed.example.com/">more</a>
<font color="#ffffff">hidden words here</font></body></html>
"""
ATTACHED = b"\x00\xff" * 500 + b"weir-same-attached\x00\x01" + b"\x80" * 500
TEXT = """\
This weir-same-body
across lines, weir-same-ahead, ding-twice-ding, veir-f\u00fczzy.
weir-many weir-many
weir-many weir-many

weir-many weir-many weir-same
"""
HEAD = """\
Received: from helo.same.example (host.same.example [192.0.2.7])
 by mx.same.example (Postfix) with ESMTP id 1234; Mon, 1 Jul 2024 10:00:00 +0000
From: Weir Tester <tester@same.example>
To: first@same.example
Cc: Second <second@same.example>
Date: Mon, 1 Jul 2024 10:00:00 +0000
Message-ID: <weir-same.1@same.example>
X-Weir-Present: 1
X-Weir-Second: 2
Subject: {subject}
MIME-Version: 1.0
"""


def own_mails():
    """-> octets of mails; together they hit every rule."""
    html = base64.encodebytes(HTML.encode()).decode()
    attached = base64.encodebytes(ATTACHED).decode()
    yield (HEAD.format(subject="weir-same =?utf-8?Q?Gr=C3=BC=C3=9Fe?=") +
           'Content-Type: multipart/mixed; boundary="weir-same-border"\n\n'
           "--weir-same-border\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n" + TEXT +
           f"--weir-same-border\nContent-Type: text/html\nContent-Transfer-Encoding: base64\n\n{html}\n"
           "--weir-same-border\nContent-ID: <weir-same@1>\n"
           'Content-Type: application/octet-stream; name="weir-same.bin"\n'
           f"Content-Transfer-Encoding: base64\n\n{attached}\n--weir-same-border--\n").encode()
    yield (HEAD.format(subject="SAME IN CAPITAL LETTERS ONLY") + "Content-Type: text/html\n\n" + HTML).encode()
    yield (HEAD.format(subject="latin") + "Content-Type: text/plain; charset=iso-8859-1\n"
           "Content-Transfer-Encoding: quoted-printable\n\nna=EFve weir-sa=\nme\n\n\n\n\nx\n").encode()
    inner = HEAD.format(subject="within") + "\n" + TEXT
    yield (HEAD.format(subject="outer") + "Content-Type: message/rfc822\n\n" + inner).encode()
    yield (HEAD.format(subject="nothing") + "\n").encode()
    yield b"\r\nno header at all, weir-same\r\n"


def corpus(folders, most):
    for folder in folders:
        if os.path.isdir(folder):
            found = sorted(os.path.join(at, name) for at, _, names in os.walk(folder) for name in names
                           if name.endswith(".eml"))
            yield from found[::max(1, len(found) // most)][:most] if most else found


def gather(folder, args):
    """Copies, as they travel: lines that end in CRLF, a last line with its end. -> (our own, others)"""
    own, others = os.path.join(folder, "own"), os.path.join(folder, "others")
    sources = [*corpus([os.path.join(ROOT, "tests", "data", "mail")], 0), *corpus(CORPORA, CORPUS_MAX)] \
        if not args.folders else corpus(args.folders, args.mails)
    os.mkdir(own)
    os.mkdir(others)
    for number, octets in enumerate(own_mails()):
        write(os.path.join(own, f"{number}.eml"), octets)
    for number, path in enumerate(sources):
        with open(path, "rb") as file:
            write(os.path.join(others, f"{number:04}-{os.path.basename(path)}"), file.read())
    return own, others


def write(path, octets):
    with open(path, "wb") as file:
        file.write(mails.to_crlf(octets))


def opinion(line):
    return (line["verdict"], round(line["score"], 3), sorted(line["rules"]),
            sorted(set(line["events"]) - SESSION_EVENTS))


def scan(weirctl, rules, message, client=()):
    rcpts = [word for rcpt in message["rcpt"] for word in ("--rcpt-to", rcpt)]
    run = subprocess.run([weirctl, "scan", "--json", "--rules", rules, "--mail-from", message["mail_from"], *rcpts,
                          *client, message["file"]], capture_output=True, text=True, errors="replace", check=False)
    if run.returncode or len(run.stdout.splitlines()) != 1:
        return {"verdict": f"exit {run.returncode}: {run.stderr[-200:]}", "score": 0, "rules": [], "events": []}
    return json.loads(run.stdout)


def inline(bench, name, folders, image):
    """-> ([(message of the manifest, line of the data plane, how to tell `weirctl scan` of the client)], problem)"""
    config = bench.write("extra.cfg", CONFIG + ("[scan]\nclient_relay = on\n" if name in TELLS_CLIENT else ""))
    pcap, sessions = bench.generate(name, folders, ["--per-session", "1", *CAPTURES[name]])
    run = bench.replay(pcap, "--rules", image, "--json", "--config", config)
    if run.returncode:
        return [], f"exit {run.returncode}: {run.stderr[-500:]}"
    log = {flow(line): line for line in map(json.loads, run.stdout.splitlines())}
    sent = [(message, log.get(flow(session)), ("--client", session["src"], "--helo", session["helo"]))
            for session in sessions for message in session["messages"]]
    lost = [message["file"] for message, line, _ in sent if line is None]
    return sent, f"{len(lost)} mails without a line, such as {lost[0]}" if lost else None


def compare(sent, files):
    other = []
    for message, line, _ in sent:
        out, at = opinion(line), opinion(files[message["file"]])
        if out != at:
            differ = [f"{a} in the data plane, {b} of the file" for a, b in zip(out, at) if a != b]
            other.append(f"{os.path.basename(message['file'])}: {'; '.join(differ)}"[:600])
    return f"{len(other)} of {len(sent)} differ; {other[0]}" if other else None


def check_hits(files):
    """Every rule must hit, or sameness says nothing of its kind."""
    kinds = {"header", "body", "rawbody", "full", "uri", "mimeheader", "attachment", "meta"}
    with open(RULES, encoding="utf-8") as file:
        words = [line.split()[:2] for line in file if not line.startswith("#")]
    names = {line[1] for line in words if line and line[0] in kinds and not line[1].startswith("__")}
    never = {"E_NEVER", "E_ALL_NOT", "E_CLIENT"}
    hit = {rule for line in files.values() for rule in line["rules"]}
    missing = names - never - hit
    check("same/every-rule-hits", missing and f"never hit: {sorted(missing)}" or never & hit and f"hit: {never & hit}")


def compiled(weirctl, rules, image):
    """-> (path of an image of `rules`, which may be one, problem)"""
    if os.path.isfile(rules):
        with open(rules, "rb") as file:
            if b"\0" in file.read(4096):
                return rules, None
    run = subprocess.run([weirctl, "rules", "compile", rules, "-o", image], capture_output=True, text=True,
                         errors="replace", check=False)
    return image, run.stderr[-500:] if run.returncode else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rules", default=RULES)
    parser.add_argument("--mails", type=int, default=CORPUS_MAX)
    parser.add_argument("folders", nargs="*")
    args = parser.parse_args()
    build = os.path.abspath(os.environ.get("WEIR_BUILD") or os.path.join(ROOT, "build"))
    weirctl = program(build, "weirctl", "control")
    if not weirctl or not program(build, "weir-dataplane", "dataplane"):
        print(f"skip same: no weir-dataplane and weirctl in {build}")
        return 0
    with tempfile.TemporaryDirectory(prefix="weir-same-test.") as folder:
        bench, without = Bench(folder, build), {}
        own, others = gather(folder, args)
        image, problem = compiled(weirctl, args.rules, bench.path("same.image"))
        if problem:
            check("same/rules", problem)
            return 1
        for name in CAPTURES:
            sent, problem = inline(bench, name, [own] if name in OWN_ONLY else [own, others], image)
            check(f"same/{name}-all-judged", problem)
            if problem:
                continue
            files = {} if name in TELLS_CLIENT else without
            new = [(message, client if name in TELLS_CLIENT else ()) for message, _, client in sent
                   if message["file"] not in files]
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                files.update(zip((message["file"] for message, _ in new),
                                 pool.map(lambda one: scan(weirctl, image, *one), new)))
            check(f"same/{name}", compare(sent, files))
            if args.rules == RULES and name in TELLS_CLIENT:
                other = [file for file, line in files.items() if "E_CLIENT" not in line["rules"]]
                check(f"same/{name}-is-first-relay", other and f"{len(other)} mails without E_CLIENT, such as {other[0]}")
        files = without
        if args.rules == RULES:
            check_hits(files)
        print(f"# {len(files)} mails, {sum(len(line['rules']) for line in files.values())} hits")
    return 1 if replay_test.failed else 0


if __name__ == "__main__":
    sys.exit(main())
