#!/usr/bin/env python3
"""tools/replay over captures of tools/weir-gen: whatever happens to the packets, the mail is judged
the same, and the server gets what was judged.

For every capture:
  count     one line a message, and the envelope in it is the one that was sent
  verdict   verdict, score and rules of each file are those of the clean capture
  server    a receiver in the server's place, believing the first octets or the last ones, gets
            exactly the messages that were let through
  client    whoever was refused was told so; after that only a farewell (221, 421) may follow
and once
  offline   the clean capture is judged as `weirctl scan` judges the same files
  untouched frames of mail that nothing refuses leave as they came

    replay_test.py            with the data plane of WEIR_BUILD or ./build; skipped if there is none
    replay_test.py --model    with a slow model of a data plane instead: tests the test and the tool
    replay_test.py loss bdat  these captures only

Prints `ok NAME`, `FAIL NAME: why` or `skip NAME: why`; ends with 1 if anything failed.
"""
import base64
import collections
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))
from weirgen import capture, mail as mails, truth, wire  # noqa: E402

CORPORA = tuple(os.path.join(ROOT, "..", "shared", "corpus", name)    # read where they are, if they are
                for name in ("sa-spam-1", "sa-easy-ham-1"))
CORPUS_MAX = 40  # files of each

LINE_MAX = 998   # octets without CRLF, RFC 5322 2.1.1

# Scores far from every threshold: what is asked here is sameness, not how much is much.
RULES = """\
body T_REFUSE /weir-test-refuse/
score T_REFUSE 100
body T_NOTE /weir-test-note across lines/
score T_NOTE 0.1
header T_SUBJECT Subject =~ /weir-test-subject/
score T_SUBJECT 0.1
rawbody T_RAW /weir-test-raw/
score T_RAW 0.1
attachment T_ATTACHED /weir-test-attached/
score T_ATTACHED 100
"""

CAPTURES = {
    "clean": [],
    "reorder": ["--reorder", ".05"],
    "loss": ["--loss", ".02"],
    "overlap": ["--overlap", ".02"],
    "duplicate": ["--duplicate", ".05"],
    "one-octet": ["--segment", "1"],
    "small": ["--segment", "1-50", "--reorder", ".1", "--loss", ".05"],
    "ipv6": ["--ipv6", "1"],
    "vlan": ["--vlan", "42"],
    "qinq": ["--vlan", "42", "--qinq"],
    "fragment": ["--fragment", ".1"],
    "fragment6": ["--fragment", ".1", "--ipv6", "1"],
    "bdat": ["--bdat", "1", "--pipelining", ".5"],
    "pipelining": ["--pipelining", "1"],
    "several": ["--per-session", "2-5", "--rcpts", "1-4", "--pipelining", ".5"],
    "wrap": ["--wrap", "1"],
    "abort": ["--abort", ".3"],
    "conflict": ["--conflict", ".05"],
    "conflict-small": ["--conflict", ".05", "--segment", "20-300", "--reorder", ".05", "--fragment", ".05"],
    "everything": ["--reorder", ".05", "--loss", ".03", "--duplicate", ".03", "--overlap", ".03",
                   "--fragment", ".03", "--ipv6", ".5", "--pipelining", ".5", "--bdat", ".3",
                   "--per-session", "1-4", "--rcpts", "1-3", "--wrap", ".5", "--conflict", ".03",
                   "--segment", "100-1460"],
}
SMALL_MAIL = {"one-octet"}  # captures made of our own mail only: each octet is two frames
FORWARDED = {"accept", "tag"}

# A data plane and a compiler without packets, scanner or hurry: the whole capture is put together,
# words are looked for, and what would have left is written.
MODEL = r'''
import base64, configparser, json, os, re, sys
sys.path.insert(0, TOOLS)
from weirgen import capture, truth, wire
config = configparser.ConfigParser(interpolation=None); config.read(sys.argv[2])
source, out = (part.split("=", 1)[1] for part in config["pair.0"]["outside"].split(",")[1:])
frames = [frame for _, frame in capture.frames(source)]
assert len(frames) == int(config["run"]["stop_after_frames"]) and config["pair.0"]["inside"] == "same"
first, last = truth.streams(frames)[0], truth.streams(frames, True)[0]
untouched = all(first[k].whole() == last[k].whole() for k in first)
known = open(config["rules"]["image"], errors="replace").read()
kept, lines = {}, []
for key, stream in first.items():
    octets, back = stream.whole(), key[2:] + key[:2]
    if key[3] != 25:
        kept.setdefault(key, octets); continue
    kept[key] = octets
    mails = re.findall(rb"MAIL FROM:<([^>]*)>.*\r\n((?:RCPT.*\r\n)+)", octets)
    for n, message in enumerate(truth.messages(octets), 1):
        text = message + b"".join(base64.b64decode(b) for b in re.findall(rb"base64\r\n\r\n([A-Za-z0-9+/=\r\n]+)", message))
        rules = [rule for word, rule in ((b"weir-test-refuse", "T_REFUSE"), (b"weir-test-raw", "T_RAW"),
                 (b"weir-test-attached", "T_ATTACHED"), (b"Subject: weir-test-subject", "T_SUBJECT"),
                 (b"weir-test-note\r\nacross", "T_NOTE")) if word in text and rule in known]
        score = sum(100 if r in ("T_REFUSE", "T_ATTACHED") else 0.1 for r in rules)
        verdict = "refuse" if score > 5 else "accept"
        sender, rcpt = mails[n - 1]
        lines.append({"src": key[0], "sport": key[1], "dst": key[2], "dport": key[3], "n": n,
                      "mail_from": sender.decode(), "rcpt": re.findall(r"<([^>]*)>", rcpt.decode()), "verdict": verdict,
                      "score": score, "rules": rules, "generation": 1, "events": []})
        if verdict == "refuse":
            untouched = False
            end = next(i for i in range(len(octets) + 1) if len(truth.messages(octets[:i])) == n)
            kept[key], kept[back] = octets[:end - 1], first[back].whole() + b"550 5.7.1 no\r\n"
            break
with open(config["log"]["messages"], "w") as file:
    file.writelines(json.dumps(line) + "\n" for line in lines)
writer = capture.Writer(out)
if not untouched:
    frames = []
    for (source, sport, target, dport), octets in kept.items():
        path = wire.Path((source, target), (sport, dport))
        pieces = [octets[i:i + 1000] for i in range(0, len(octets), 1000)]
        frames += [path.frame(0, path.segment(0, 0, 0, wire.SYN, 1000, b"", b""))]
        frames += [path.frame(0, path.segment(0, 1 + 1000 * i, 0, wire.ACK, 1000, b"", p)) for i, p in enumerate(pieces)]
for frame in frames:
    writer.add(0, frame)
writer.close()
'''
COMPILER = '''
import sys
text = open(sys.argv[3]).read()
if "nonsense" in text: sys.exit("rules:1:1: what is this?")
open(sys.argv[5], "wb").write(b"image\\0" + text.encode())
'''

failed = 0


def check(name, problem):
    global failed
    failed += bool(problem)
    print(f"FAIL {name}: {problem}" if problem else f"ok {name}", flush=True)


def made_mail(folder):
    """Small mails with and without what the rules look for, in places where packets end."""
    rng = random.Random(1)
    os.mkdir(folder)
    attached = base64.encodebytes(b"x" * 3000 + b" weir-test-attached " + b"y" * 3000).decode()
    for i in range(48):
        subject = "weir-test-subject" if i % 5 == 0 else "hello"
        filler = "".join("A line of words that mean nothing %d.\n" % rng.randrange(1000) for _ in range(rng.randrange(120)))
        word = {1: "Please weir-test-refuse this.\n", 2: "It says weir-test-note\nacross lines.\n",
                3: "<b>weir-test-raw</b>\n", 4: ".\n..\n.weir-test-raw\n"}.get(i % 8, "")
        text = filler + word + filler[:len(filler) // 2]
        head = f"From: a@example.com\nTo: b@example.org\nSubject: {subject} {i}\nMIME-Version: 1.0\n"
        if i % 8 == 6:
            text = f"--b\nContent-Type: text/plain\n\n{text}\n--b\nContent-Type: application/octet-stream\n" \
                   f"Content-Transfer-Encoding: base64\n\n{attached}\n--b--\n"
            head += 'Content-Type: multipart/mixed; boundary="b"\n'
        with open(os.path.join(folder, f"made{i:02}.eml"), "w", encoding="ascii") as file:
            file.write(head + "\n" + text)
    return [folder]


def corpus():
    """Mail of the project and, where it is, of the corpora."""
    folders = [(os.path.join(ROOT, "tests", "data", "mail"), None), *((c, CORPUS_MAX) for c in CORPORA)]
    for folder, most in folders:
        if os.path.isdir(folder):
            names = sorted(name for name in os.listdir(folder) if name.endswith(".eml"))[:most]
            yield from (os.path.join(folder, name) for name in names)


def is_plain(path):
    """What a bare CR, a NUL or an endless line does to a verdict is policy, and differs between
    DATA, BDAT and a file: tests of the session machine ask that, not this one."""
    with open(path, "rb") as file:
        octets = mails.to_crlf(file.read())
    lines = octets.split(b"\r\n")
    return b"\0" not in octets and not any(b"\r" in line or len(line) > LINE_MAX for line in lines)


def program(build, name, below):
    """-> its path in a build folder, installed or as meson leaves it; None when it is not there."""
    paths = os.path.join(build, name), os.path.join(build, below, name)
    return next((path for path in paths if os.access(path, os.X_OK)), None)


class Bench:
    """The tools, a folder for their files, and the build they run."""

    def __init__(self, folder, build):
        self.build, self.folder, self.environment = build, folder, dict(os.environ, WEIR_BUILD=build)
        self.rules = self.write("test.cf", RULES)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def replay(self, *arguments):
        return subprocess.run([os.path.join(ROOT, "tools", "replay"), *arguments], env=self.environment,
                              capture_output=True, text=True, errors="replace", check=False)

    def generate(self, name, mail, arguments):
        """-> (pcap, sessions of the manifest)"""
        pcap, manifest = self.path(name + ".pcap"), self.path(name + ".json")
        subprocess.run([os.path.join(ROOT, "tools", "weir-gen"), "pcap", "--eml", *mail, "-o", pcap, "--manifest",
                        manifest, "--wrap", "0", *arguments], check=True, stdout=subprocess.DEVNULL)
        with open(manifest, encoding="utf-8") as file:
            return pcap, json.load(file)["sessions"]


def flow(record):
    return record["src"], record["sport"], record["dst"], record["dport"]


def judged(sessions, lines):
    """Joins manifest and log. -> ({file: line}, {flow: messages let through}, flows refused, problem)

    After a message that is not let through the server's side is reset, so what a session would have
    sent later is not judged: the log must end there too.
    """
    log = {(*flow(line), line["n"]): line for line in lines}
    if len(log) != len(lines):
        return {}, {}, [], f"{len(lines) - len(log)} messages have two lines"
    found, through, refused = {}, {}, []
    for session in sessions:
        through[flow(session)] = []
        for message in session["messages"]:
            line = log.pop((*flow(session), message["n"]), None)
            where = f"{flow(session)} message {message['n']} ({message['file']})"
            if line is None:
                return found, through, refused, f"{where}: no line"
            if (line["mail_from"], line["rcpt"]) != (message["mail_from"], message["rcpt"]):
                return found, through, refused, f"{where}: envelope {line['mail_from']} {line['rcpt']}"
            found[message["file"]] = line
            if line["verdict"] not in FORWARDED:
                refused.append((flow(session), line["verdict"]))
                break
            through[flow(session)].append(message["sha256"])
    if log:
        return found, through, refused, f"{len(log)} lines about messages that were not sent: {next(iter(log))}"
    return found, through, refused, None


def opinion(line):
    return line["verdict"], round(line["score"], 3), sorted(line["rules"])


def compare_verdicts(clean, found):
    other = [f"{file}: {opinion(line)}, not {opinion(clean[file])}" for file, line in found.items()
             if opinion(line) != opinion(clean[file])]
    return f"{len(other)} differ; {other[0]}" if other else None


def compare_server(frames, through, last_wins):
    streams, bad = truth.streams(frames, last_wins)
    if bad:
        return f"{bad} segments with a wrong checksum left"
    for key, wanted in through.items():
        octets = streams[key].whole() if key in streams else b""
        got = [hashlib.sha256(m).hexdigest() for m in truth.messages(octets)]
        if got != wanted:
            return f"{key}: the server gets {len(got)} messages, {len(wanted)} were let through" \
                   if len(got) != len(wanted) else f"{key}: the server gets other octets than were sent"
    return None


def compare_client(frames, refused):
    streams, _ = truth.streams(frames)
    for key, verdict in refused:
        back = key[2:] + key[:2]
        octets = streams[back].whole() if back in streams else b""
        lines = octets.rstrip(b"\r\n").split(b"\r\n")
        if len(lines) > 1 and verdict != "close" and lines[-1][:4] in (b"221 ", b"421 "):
            lines.pop()
        heard = lines[-1]
        wanted = {"refuse": b"550 ", "defer": b"451 ", "close": b"421 ", "drop": b"2"}[verdict]
        if not heard.startswith(wanted):
            return f"{key}: {verdict}, but the last thing the client hears is {heard[:60]}"
    return None


def compare_frames(pcap, out):
    """Each connection's frames leave as they came and in their order."""
    def by_flow(path):
        flows = collections.defaultdict(list)
        for _, frame in capture.frames(path):
            segment = wire.Reader().read(frame)
            flows[frozenset((segment.source, segment.target))].append(frame)
        return flows
    before, after = by_flow(pcap), by_flow(out)
    changed = [key for key in before if before[key] != after.get(key)]
    return changed and f"{len(changed)} of {len(before)} connections changed"


def check_capture(bench, name, mail, clean):
    pcap, sessions = bench.generate(name, mail, CAPTURES[name])
    out = bench.path(name + ".out.pcap")
    run = bench.replay(pcap, "--rules", bench.rules, "--json", "--out", out)
    if run.returncode:
        check(f"{name}/run", f"exit {run.returncode}: {run.stderr[-500:]}")
        return None
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    found, through, refused, problem = judged(sessions, lines)
    check(f"{name}/count", problem)
    if clean is not None:
        check(f"{name}/verdict", compare_verdicts(clean, found))
    frames = [frame for _, frame in capture.frames(out)]
    check(f"{name}/server-first", compare_server(frames, through, last_wins=False))
    check(f"{name}/server-last", compare_server(frames, through, last_wins=True))
    check(f"{name}/client", compare_client(frames, refused))
    return found


def check_clean(found):
    """The rules must hit, or sameness says nothing."""
    hit = collections.Counter(rule for line in found.values() for rule in line["rules"])
    missing = {"T_REFUSE", "T_NOTE", "T_SUBJECT", "T_RAW", "T_ATTACHED"} - set(hit)
    check("clean/rules", missing and f"never hit: {sorted(missing)}")
    verdicts = {line["verdict"] for line in found.values()}
    check("clean/verdicts", not {"accept", "refuse"} <= verdicts and f"only {sorted(verdicts)}")


def check_offline(bench, clean):
    """The scanner sees what travels: lines that end in CRLF."""
    folder, files = bench.path("offline"), sorted(clean)
    os.mkdir(folder)
    for number, name in enumerate(files):
        with open(name, "rb") as source, open(os.path.join(folder, f"{number}.eml"), "wb") as copy:
            copy.write(mails.to_crlf(source.read()))
    run = subprocess.run([program(bench.build, "weirctl", "control"), "scan", "--json", "--rules", bench.rules, folder],
                         capture_output=True, text=True, errors="replace", check=False)
    found = {}
    for line in map(json.loads, run.stdout.splitlines()):
        found[files[int(os.path.basename(line["file"]).split(".")[0])]] = line
    check("clean/offline", f"weirctl scan: {len(found)} of {len(files)} files, exit {run.returncode}: {run.stderr[-300:]}"
          if len(found) != len(files) else compare_verdicts(found, clean))


def check_untouched(bench, mail):
    rules = bench.write("nothing.cf", "body T_NEVER /weir-test-never-in-any-mail/\nscore T_NEVER 0.1\n")
    for name, arguments in (("clean", []), ("reorder", ["--reorder", ".05"]), ("vlan", ["--vlan", "7"])):
        pcap, sessions = bench.generate("untouched", mail, arguments)
        out = bench.path("untouched.out.pcap")
        run = bench.replay(pcap, "--rules", rules, "--json", "--out", out)
        count, wanted = len(run.stdout.splitlines()), sum(len(s["messages"]) for s in sessions)
        check(f"untouched/{name}", f"exit {run.returncode}: {run.stderr[-500:]}" if run.returncode else
              f"{count} lines, not {wanted}" if count != wanted else compare_frames(pcap, out))


def check_tool(bench, mail):
    """What the tool says and how it ends, with the model, so that only the tool is asked."""
    pcap, _ = bench.generate("tool", mail, ["-n", "9"])
    run = bench.replay(pcap, "--rules", bench.rules)
    words = run.stdout.split()
    check("tool/table", (run.returncode or "VERDICT" not in words or "T_REFUSE" not in words or "9 messages"
                         not in run.stdout) and f"exit {run.returncode}: {run.stdout}{run.stderr}")
    commas = bench.path("a,b .pcap")
    shutil.copyfile(pcap, commas)
    run = bench.replay(commas, "--rules", bench.rules)
    check("tool/comma", run.returncode and run.stderr)
    image = bench.write("ready.image", "image\0of rules")
    run = bench.replay(pcap, "--rules", image)
    check("tool/image", run.returncode and run.stderr)
    pcapng = bench.path("x.pcapng")
    with open(pcapng, "wb") as file:
        file.write(b"\x0a\x0d\x0d\x0a" + bytes(40))
    for name, arguments, code, word in (
            ("no-rules", [pcap], 2, "--rules"),
            ("no-capture", ["/nonexistent.pcap", "--rules", bench.rules], 2, "/nonexistent.pcap"),
            ("pcapng", [pcapng, "--rules", bench.rules], 2, "pcapng"),
            ("bad-rules", [pcap, "--rules", bench.write("bad.cf", "nonsense\n")], 1, "rules:1:1")):
        run = bench.replay(*arguments)
        check(f"tool/{name}", (run.returncode != code or word not in run.stderr or "Traceback" in run.stderr)
              and f"exit {run.returncode}: {run.stderr}")
    bench.environment["WEIR_BUILD"] = bench.folder
    run = bench.replay(pcap, "--rules", bench.rules)
    check("tool/not-built", (run.returncode != 3 or "WEIR_BUILD" not in run.stderr) and run.stderr)


def make_model(folder):
    os.mkdir(folder)
    for name, text in (("weir-dataplane", MODEL.replace("TOOLS", repr(os.path.join(ROOT, "tools")))),
                       ("weirctl", COMPILER)):
        path = os.path.join(folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"#!{sys.executable}\n{text}")
        os.chmod(path, 0o755)
    return folder


def main():
    names = [argument for argument in sys.argv[1:] if argument != "--model"]
    unknown = set(names) - set(CAPTURES)
    if unknown:
        print(f"replay_test: unknown: {' '.join(sorted(unknown))}; known: {' '.join(CAPTURES)}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="weir-replay-test.") as folder:
        small = made_mail(os.path.join(folder, "mail"))
        mail = [*small, *filter(is_plain, corpus())]
        model = make_model(os.path.join(folder, "model"))
        check_tool(Bench(folder, model), small)
        build = model if "--model" in sys.argv else \
            os.path.abspath(os.environ.get("WEIR_BUILD") or os.path.join(ROOT, "build"))
        if not program(build, "weir-dataplane", "dataplane") or not program(build, "weirctl", "control"):
            print(f"skip captures: no weir-dataplane and weirctl in {build}")
            return 1 if failed else 0
        bench = Bench(folder, build)
        clean = check_capture(bench, "clean", mail, None)
        if clean:
            check_clean(clean)
            if build != model:
                check_offline(bench, clean)
            for name in names or CAPTURES:
                if name != "clean":
                    check_capture(bench, name, small if name in SMALL_MAIL else mail, clean)
            check_untouched(bench, mail)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
