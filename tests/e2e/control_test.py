#!/usr/bin/env python3
"""control_test: weir-control over a data plane without packets (fake_plane.py): a push's whole way, harm found by either
process, what operators may ask, a data plane that lies or goes, two controllers, a disk that is full, and long life.

    control_test.py [NAME... | long [GENERATIONS]]
"""
import os
import resource
import subprocess
import sys
import time

import sanitizers
from control_rig import ALL_FORCED, CONTROL, Control
from fake_plane import LEASE

failed = []


def check(name, is_ok, seen=""):
    print(f"ok {name}" if is_ok else f"FAIL {name}: {str(seen)[:600]}", flush=True)
    failed.extend([] if is_ok else [name])


def push_goes_live():
    with Control() as c:
        first, lines = c.push(force=()), c.lines("push", path=c.rules(), wait=True)
        check("push/first", first.get("state") == "LIVE" and "SHADOW" not in c.plane.log[:2], first)
        seen = list(dict.fromkeys(line["progress"] for line in lines if "progress" in line))
        check("push/stages", seen == ["DRAFT", "COMPILED", "PREFLIGHT", "STAGED", "SHADOW", "CANARY", "PROBATION",
                                      "LIVE"], seen)
        check("push/live", lines[-1].get("ok") and c.plane.state.live.generation == 2, lines[-1])
        report = c.ask("report", generation=2).get("report", {})
        check("push/report", report.get("ok") and len(report.get("checks", [])) >= 8, report)
        verified = c.ask("journal-verify")
        check("push/journal", verified.get("ok") and verified["records"] == len(c.records()) and
              verified.get("hash") == c.ask("status")["journal"]["hash"], verified)
        bad = c.push(c.rules("header UK From:addr =~ /\\.co\\.uk$/\nscore UK 9\n"), force=())
        check("push/preflight-refuses", bad.get("state") == "REJECTED" and not bad["ok"] and "co.uk" in str(bad), bad)
        broken = c.push(c.rules("body NO /(/\nscore NO 1\n"))
        check("push/diagnostics", broken.get("state") == "REJECTED" and "a.cf:1:" in broken["error"] and
              "/rules-" in broken["error"] and "generations/" not in broken["error"], broken)
        check("push/others-stay", c.plane.state.live.generation == 2)


def harm():
    with Control({"canary": "60 s", "shadow": "300 ms"}) as c:
        c.push(force=ALL_FORCED)
        c.push(force=["preflight", "shadow"], wait=False)
        c.until(lambda: c.plane.state.stage == 3)
        begun = time.monotonic()
        c.plane.count("co.uk", 8, 8)
        c.until(lambda: not c.plane.state.candidate.generation)
        took = time.monotonic() - begun
        check("harm/dropped", took < 1 and c.plane.state.trip.by_data_plane == 0, took)
        c.until(lambda: c.state(2) == "QUARANTINED")
        check("harm/says-where", "co.uk" in c.ask("gen-show", generation=2).get("text", ""), c.state(2))
        status = c.until(lambda: os.path.exists(os.path.join(c.folder, "state/status.json")), 5)
        check("harm/status-page", status and time.monotonic() - begun < 5)
        again = c.push(os.path.join(c.folder, "rules-2"))
        check("harm/quarantined", again.get("state") == "REJECTED" and "release" in again["error"], again)
        check("harm/released", c.ask("release", generation=2).get("ok") and
              c.push(os.path.join(c.folder, "rules-2"), stage="SHADOW").get("state") == "HELD")
        held = c.ask("status")["candidate"]["generation"]
        c.plane.drop(LEASE, why="no renewal")
        c.until(lambda: "lease" in c.ask("gen-show", generation=held).get("text", ""))
        check("harm/lease-held", c.state(held) == "HELD", c.ask("gen-show", generation=held))
    with Control({"reverse_window": "1 h"}) as c:
        c.push(force=ALL_FORCED)
        c.push(force=ALL_FORCED)
        c.plane.count("example", 8, 8)
        c.until(lambda: c.state(2) == "QUARANTINED")
        check("harm/reverse-shadow", c.plane.state.live.generation == 1 and c.state(1) == "LIVE", c.log()[-400:])


    with Control() as c:
        for _ in range(3):
            c.push(force=ALL_FORCED)
        back = c.ask("rollback", to=1)
        check("harm/older", back.get("ok") and c.until(lambda: c.state(3) == "QUARANTINED"), back)
        check("harm/nobody-returns-to-it", c.until(lambda: not c.plane.state.previous.generation) and
              c.until(lambda: c.ask("status").get("previous") is None), c.ask("status").get("previous"))


def proof():
    """After a return: the probe matrix of what is live again, and the evidence of the pair, in seconds."""
    with Control({"reverse_window": "1 h"}) as c:
        zip_rule = "header ZIP From:addr =~ /\\.zip$/\nscore ZIP 9\n"
        uk_rule = "header UK From:addr =~ /\\.co\\.uk$/\nscore UK 9\n"
        c.push(c.rules(zip_rule), force=ALL_FORCED)
        c.push(c.rules(zip_rule + uk_rule), force=ALL_FORCED)
        bad = c.ask("prove")
        check("proof/bad-is-not-proven", bad.get("ok") is False and "co.uk" in bad["error"] and
              bad.get("compared_with") == 1, bad.get("error"))
        c.plane.count("com", 40)
        c.plane.count("co.uk", 8, 8)
        c.until(lambda: c.state(2) == "QUARANTINED")
        begun = time.monotonic()
        good = c.ask("prove")
        took = time.monotonic() - begun
        report, evidence = good.get("report") or {}, good.get("evidence") or {}
        names = [one["name"] for one in report.get("checks", [])]
        check("proof/matrix", good.get("ok") and {"golden", "suffixes"} <= set(names) and good["generation"] == 1 and
              good.get("compared_with") == 2, good)
        strata = {s["name"]: (s["n"], s["k"]) for s in evidence.get("strata", [])}
        check("proof/evidence", (evidence.get("a"), evidence.get("b")) == (1, 2) and strata.get("com") == (40, 0) and
              strata.get("co.uk") == (8, 8), evidence)
        check("proof/in-seconds", took < 60, took)
        print(f"   proven in {took:.1f} s")
        said = subprocess.run([os.path.join(os.path.dirname(CONTROL), "weirctl"), "prove", "--socket",
                               os.path.join(c.folder, "control.sock")], capture_output=True, text=True, check=False)
        check("proof/printed", said.returncode == 0 and "is proven" in said.stdout and "suffixes" in said.stdout and
              "co.uk" in said.stdout, said.stdout + said.stderr)
        check("proof/rules-known", c.ask("gen-show", generation=2).get("rules") == 2, c.ask("gen-show", generation=2))


def questions():
    with Control() as c:
        c.push(c.rules("body WORD /zzz/\nscore WORD 7.5\ndescribe WORD Says zzz\n"), force=ALL_FORCED)
        c.push(force=ALL_FORCED)
        c.plane.record(id="0A1B2C", time="2026-01-31T10:00:00.000Z", src="192.0.2.1", sport=4711, mail_from="a@b.example",
                       message_id="<m@b.example>", rcpt=["c@d.example"], octets=99, verdict="refuse", score=7.5,
                       rules=["WORD", "GONE"], generation=1)
        c.until(lambda: c.ask("trace", id="0A1B2C").get("ok"))
        rules = c.ask("trace", id="<m@b.example>")["messages"][0]["verdicts"][0]["rules"]
        check("questions/trace", rules == [{"name": "WORD", "score": 7.5, "describe": "Says zzz"}, {"name": "GONE"}], rules)
        found = c.ask("affected", generation=1, limit=1000)
        check("questions/affected", (found.get("refused"), found.get("not_looked_at"), found.get("delivered_later"),
                                     len(found.get("messages", []))) == (1, 0, 0, 1), found)
        check("questions/too-many", "1000" in c.ask("affected", generation=1, limit=1001).get("error", ""))
        c.push(force=ALL_FORCED)
        back = c.ask("rollback", to=1)
        check("questions/rollback-tells-its-time", back.get("last_worker_us") == 7, back)
        copy = c.until(lambda: c.ask("status")["live"]["generation"] == 4) and c.ask("gen-show", generation=4)
        check("questions/copy", copy and copy.get("rules") == 1 and copy.get("copy_of") == 1, copy)
        proven = c.ask("prove")
        check("questions/copy-is-proven", proven.get("ok") and proven.get("generation") == 4, proven)


def plane_trouble():
    with Control() as c:
        c.push(force=ALL_FORCED)
        c.plane.refuse["LOAD"] = "worker 1: no memory"
        check("plane/nack", "worker 1" in c.push().get("error", ""))
        c.plane.refuse.clear()
        c.plane.lies["golden"] = "0" * 64
        lied = c.push()
        check("plane/golden", lied.get("state") == "REJECTED" and "golden" in lied["error"] and
              c.until(lambda: not c.plane.state.candidate.generation), lied)
        c.plane.lies.clear()
        c.plane.restart(with_disk=False)
        check("plane/lost-disk", c.until(lambda: c.plane.state.live.generation == 1) and c.push().get("ok"))
        live = c.plane.state.live.generation
        held = c.push(stage="SHADOW")["generation"]
        c.plane.stop()
        check("plane/gone", c.until(lambda: not c.ask("status")["dataplane"]["reachable"]) and
              not c.push().get("ok") and not c.ask("rollback").get("ok"))
        c.plane.start()
        check("plane/back", c.until(lambda: c.state(held) == "HELD" and c.ask("status")["candidate"] is None) and
              c.ask("status")["live"]["generation"] == live, c.ask("status"))
        check("plane/resume", c.ask("resume", generation=held).get("ok") and
              c.until(lambda: c.state(held) == "LIVE"), c.ask("gen-show", generation=held))
        c.plane.silent = True
        said = c.ask("rollback")
        check("plane/silent", not said.get("ok") and "not answered" in said.get("error", ""), said)
        c.plane.silent = False
        check("plane/asked-again", c.until(lambda: c.plane.state.live.generation == live, 30), c.ask("status"))


def requests():
    with Control() as c:
        c.push(force=ALL_FORCED)
        for verb, members, words in (
                ("push", {}, "path"), ("push", {"path": "rules"}, "absolute"), ("push", {"path": "/nowhere"}, "does not exist"),
                ("push", {"path": "/", "stage": "LIVELY"}, "stage"), ("push", {"path": "/", "force": "all"}, "force"),
                ("push", {"path": "/", "expect": [{"kind": "all", "rate": 7}]}, "expect"),
                ("push", {"path": "/dev/null"}, "no file or folder"), ("hold", {}, "number"), ("hold", {"generation": 1}, "LIVE"),
                ("resume", {"generation": 99}, "no generation"), ("promote", {"generation": -1}, "number"),
                ("rollback", {}, "previous"), ("rollback", {"to": "x"}, "number"), ("rollback", {"to": 1}, "live"),
                ("release", {"generation": 1}, "not quarantined"), ("trace", {}, "id"), ("affected", {}, "generation"),
                ("announce-add", {"text": "x"}, "expires"), ("announce-end", {"id": "i9"}, "no such"),
                ("journal-tail", {"n": -1}, "number"), ("nonsense", {}, "verb")):
            answer = c.ask(verb, wait=True, **members) if verb == "push" else c.ask(verb, **members)
            check(f"requests/{verb}/{words}", answer.get("ok") is False and words in answer.get("error", ""), answer)
        outside = c.rules()
        os.symlink("/etc/passwd", os.path.join(outside, "b.cf"))
        check("requests/link-out", "leads out" in c.push(outside).get("error", ""))
        pipe = c.rules()
        os.mkfifo(os.path.join(pipe, "b.cf"))
        check("requests/pipe", "neither a file" in c.push(pipe).get("error", ""))
        held = c.push(stage="SHADOW")["generation"]
        other = c.push()
        check("requests/one-at-a-time", "held in SHADOW" in other.get("error", ""), other)
        check("requests/tail", len(c.ask("journal-tail", n=3).get("records", [])) == 3)
        check("requests/affected", c.ask("affected", generation=held).get("ok"), c.ask("affected", generation=held))
        check("requests/alive", c.plane.state.live.generation == 1 and not c.is_dead())


def disk_full():
    with Control() as c:
        c.push(force=ALL_FORCED)
        c.push(force=ALL_FORCED)
        c.end()
        # RLIMIT_FSIZE stands in for a full disk: writes beyond it fail.
        size = os.path.getsize(os.path.join(c.folder, "state/journal/journal.jsonl"))
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, before[1]))
        try:
            c.begin()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        refused = c.push()
        check("disk/no-way-up", not refused.get("ok") and c.plane.state.live.generation == 2, refused)
        c.ask("rollback")
        check("disk/way-back", c.until(lambda: c.plane.state.live.generation == 1), c.log()[-500:])
        check("disk/said", c.ask("status").get("journal", {}).get("ok") is False)
        c.end()
        c.begin()
        c.until(lambda: c.state(1) == "LIVE")
        check("disk/afterwards", c.state(1) == "LIVE" and c.ask("journal-verify").get("ok") and c.push().get("ok"),
              c.log()[-800:])


def start():
    with Control() as c:
        two = subprocess.run([CONTROL, "--config", c.config], capture_output=True, timeout=20, check=False)
        check("start/two", two.returncode == 1 and b"another weir-control" in two.stderr, two.stderr)
        check("start/first-goes-on", c.push().get("ok"))
        checked = subprocess.run([CONTROL, "--config", c.config, "--check"], capture_output=True, timeout=20, check=False)
        check("start/check", checked.returncode == 0 and b"[control]" in checked.stdout, checked.stderr)
        status = open(f"/proc/{c.process.pid}/status", encoding="ascii").read()
        check("start/no-new-privs", "NoNewPrivs:\t1" in status)
    if os.geteuid() == 0:
        with Control(control={"user": "nobody"}, plane=True) as c:
            pushed = c.push()
            status = open(f"/proc/{c.process.pid}/status", encoding="ascii").read() if not c.is_dead() else ""
            check("start/dropped", "Uid:\t65534\t65534\t65534" in status and "Groups:\t65534" in status, c.log()[-400:])
            check("start/dropped-push", pushed.get("ok"), (pushed, c.log()[-600:]))
            secret = c.rules()
            os.chmod(secret, 0o700)
            said = c.push(secret)
            check("start/unreadable", "user of weir-control" in said.get("error", ""), said)


def figures(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        rss = next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
    return rss, len(os.listdir(f"/proc/{pid}/fd"))


def long_life(generations=150):
    with Control(control={"generations": 5}) as c:
        folders = [c.rules() for _ in range(2)]
        seen = []
        for i in range(generations):
            pushed = c.push(folders[i % 2], force=ALL_FORCED)
            if not pushed.get("ok"):
                check("long/push", False, pushed)
                return
            if i % max(1, generations // 10) == 0 or i == generations - 1:
                seen.append(figures(c.process.pid))
                print(f"   {i + 1} generations: {seen[-1][0]} KiB, {seen[-1][1]} descriptors", flush=True)
        middle = seen[len(seen) // 2]
        check("long/descriptors", seen[-1][1] <= seen[1][1], seen)
        check("long/memory", seen[-1][0] <= middle[0] + max(4096, middle[0] // 20), seen)
        check("long/pruned", len(os.listdir(os.path.join(c.folder, "state/generations"))) <= 7)
        c.kill()
        begun = time.monotonic()
        c.begin()
        check("long/begins-again", c.ask("status").get("live", {}).get("generation") == generations,
              time.monotonic() - begun)
        print(f"   begun again in {time.monotonic() - begun:.2f} s over {len(c.records())} records")


def main():
    asked = sys.argv[1:]
    if asked and asked[0] == "long":
        long_life(*map(int, asked[1:2]))
    else:
        for test in (push_goes_live, harm, proof, questions, plane_trouble, requests, disk_full, start, long_life):
            if not asked or test.__name__ in asked:
                test()
                for found in sanitizers.reports():
                    check(f"{test.__name__}/sanitizers", False, found)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
