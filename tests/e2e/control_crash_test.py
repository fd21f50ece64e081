#!/usr/bin/env python3
"""control_crash: weir-control killed, as by kill -9, at every place that it names (--crash-points), over a fake data
plane; what the next start makes of it.

    control_crash_test.py [PART/PARTS | NAME...]        a share of the places, or these; NAME+2: at the third time

Each time: two generations are live one after the other, then an operator does everything that there is to do until
the process dies; it is begun again, and then: the journal verifies and is what it was, and more; what was
acknowledged is in it; both processes agree on what is live, and it is nothing that went back; nobody is stuck; a
push works.
"""
import os
import subprocess
import sys
import time

import sanitizers
from control_rig import ALL_FORCED, CONTROL, Control

SETTLED = {"LIVE", "RETIRED", "HELD", "REJECTED", "QUARANTINED"}


def course(c):
    """Steps; each may be the one that the process does not survive."""
    plane = c.plane
    yield c.ask("rollback", to=1)
    yield c.push()
    yield c.push(c.rules("body BROKEN /(/\nscore BROKEN 1\n"))
    # Harm in CANARY, found by the controller: back, quarantined, released.
    bad = c.push(stage="CANARY", wait=False)
    yield bad
    number = bad.get("generation", 0)
    c.until(lambda: c.is_dead() or plane.state.stage == 3, 5)
    plane.count("co.uk", 60, 60)
    c.until(lambda: c.is_dead() or c.state(number) == "QUARANTINED", 5)
    yield c.ask("release", generation=number)
    # Harm in CANARY, found by the data plane.
    bad = c.push(stage="CANARY", wait=False)
    c.until(lambda: c.is_dead() or plane.state.stage == 3, 5)
    plane.drop(name="ac.uk", n=6, k=6)
    c.until(lambda: c.is_dead() or c.state(bad.get("generation")) == "QUARANTINED", 5)
    # Held long enough for a renewal, then put away.
    held = c.push(stage="SHADOW")
    yield held
    c.until(lambda: c.is_dead() or "RENEW" in plane.log, 2)
    yield c.ask("quarantine", generation=held.get("generation"))
    yield c.push()
    yield c.ask("rollback")
    # The data plane loses its disk.
    plane.restart(with_disk=False)
    c.until(lambda: c.is_dead() or plane.state.live.generation, 5)
    yield c.push(force=ALL_FORCED)
    yield c.push(force=())
    yield c.ask("status")


def verdict(c, before, acknowledged):
    """What must be true when it has begun again. -> reasons why not."""
    wrong = []
    c.until(lambda: agreed(c), 8)
    status = c.ask("status")
    if not agreed(c):
        wrong.append(f"live: {status.get('live')}, in the data plane {c.plane.state.live.generation}")
    if status.get("live") and status["live"]["state"] != "LIVE":
        wrong.append(f"what is live is {status['live']}")
    with open(os.path.join(c.folder, "state/journal/journal.jsonl"), "rb") as file:
        whole = before[:before.rfind(b"\n") + 1]
        if not file.read().startswith(whole):
            wrong.append("the journal is not what it was and more")
    verified = c.ask("journal-verify")
    if not verified.get("ok"):
        wrong.append(f"journal: {verified}")
    known = {(record.get("generation"), record.get("state")) for record in c.records()}
    for answer in acknowledged:
        if "generation" in answer and answer["state"] not in ("DRAFT",) and \
           (answer["generation"], answer["state"]) not in known:
            wrong.append(f"acknowledged and not in the journal: {answer}")
        if answer.get("state") == "DRAFT" and not any(g == answer["generation"] for g, _ in known):
            if not any(r.get("generation") == answer["generation"] for r in c.records()):
                wrong.append(f"acknowledged and not in the journal: {answer}")
    c.until(lambda: not (c.ask("status").get("candidate") or {}).get("state", "HELD") != "HELD", 8)
    for generation in c.ask("gen-list", limit=1000).get("generations", []):
        if generation["state"] not in SETTLED:
            wrong.append(f"stuck: {generation}")
    if candidate := c.ask("status").get("candidate"):
        c.ask("quarantine", generation=candidate["generation"])
    pushed = c.push()
    if not pushed.get("ok") or c.plane.state.live.generation != pushed["generation"]:
        wrong.append(f"a push afterwards: {pushed}, live is {c.plane.state.live.generation}")
    left = [name for name in os.listdir(os.path.join(c.folder, "state/generations"))]
    if len(left) > 12:
        wrong.append(f"not pruned: {sorted(left)}")
    return wrong


def agreed(c):
    live = c.ask("status").get("live") or {}
    there = c.plane.state.live
    return live.get("generation") == there.generation and live.get("digest") == there.digest.decode() and \
        live.get("generation")


def one(point):
    with Control(control={"generations": 3}) as c:
        for _ in range(3):
            c.push(force=ALL_FORCED)
        c.kill()
        name, _, skip = point.partition("+")
        c.begin(crash=name, wait=False, WEIR_CRASH_SKIP=skip or "0")
        acknowledged = []
        c.until(lambda: c.is_dead() or c.ask("status").get("dataplane", {}).get("reachable"), 10)
        if not c.is_dead():
            for answer in course(c):
                if c.is_dead():
                    break
                if answer.get("ok"):
                    acknowledged.append(answer)
        c.until(c.is_dead, 1)
        if not c.is_dead():
            return ["never got there"]
        if c.process.returncode != -9:
            return [f"ended with {c.process.returncode}: {c.log()[-300:]}"]
        c.said.close()
        with open(os.path.join(c.folder, "state/journal/journal.jsonl"), "rb") as file:
            before = file.read()
        c.begin()
        wrong = verdict(c, before, acknowledged)
        return wrong + ([c.log()[-2500:]] if wrong else [])


def main():
    points = subprocess.run([CONTROL, "--crash-points"], capture_output=True, check=True).stdout.decode().split()
    asked = sys.argv[1:]
    if asked and "/" in asked[0]:
        part, parts = map(int, asked[0].split("/"))
        points = points[part - 1::parts]
    elif asked:
        points = asked
    failed, begun = 0, time.monotonic()
    for point in points:
        wrong = one(point) + sanitizers.reports()
        failed += bool(wrong)
        print(f"FAIL killed/{point}: {'; '.join(wrong)}" if wrong else f"ok killed/{point}", flush=True)
    print(f"   {len(points) - failed} of {len(points)} places, {time.monotonic() - begun:.0f} s")
    return 1 if failed or not points else 0


if __name__ == "__main__":
    sys.exit(main())
