"""drill_fault: what breaks around Weir. Of each it is asked: no refusal caused, and the rules in force enforced still."""
import json
import os
import random
import socket
import subprocess
import threading
import time

import link
from drill_base import drill
from drill_rig import E2E, REFUSED, Rig

HARMLESS = "header HARMLESS_{0} Subject =~ /\\blunch\\b/\nscore HARMLESS_{0} 0.1\n"


def steady(d, traffic):
    """Ends the traffic, and says whether it noticed anything."""
    outcome = traffic.end()
    refused = [i for i in outcome.spam if outcome.last(i) // 100 == 5]
    d.check("no refusal caused", f"{len(outcome.refused)} of {len(outcome.good)} good messages refused",
            not outcome.refused and outcome.good)
    d.check("old rules still enforced", f"{len(refused)} of {len(outcome.spam)} spam refused",
            outcome.spam and len(refused) == len(outcome.spam))
    d.whole(outcome)
    return outcome


def same_live(d, rig, before, what):
    now = rig.plane()["live"]
    return d.check(f"{what}: live is what it was", f"generation {now.generation}", now.digest == before.digest)


def harmless(rig, number, **more):
    return rig.push(rig.rules(f"harmless-{number}", HARMLESS.format(number)), force=("preflight",), **more)


def verifies(d, rig, what):
    code, answer = rig.ctl("journal", "verify")
    d.check(f"{what}: the journal verifies", answer.get("error", "it does"), code == 0)


def climbs(d, rig, number, what):
    """After the fault: a push goes all the way."""
    generation = rig.newest() + 1
    code, answer = harmless(rig, number)
    state = rig.wait_state(generation, "LIVE", "REJECTED", "QUARANTINED", "HELD", "ROLLED_BACK",
                           seconds=60) if code == 0 else None
    d.check(f"{what}: then a push goes live",
            f"{' '.join(map(str, rig.states(generation)))} {'' if code == 0 else answer}", state == "LIVE")


@drill("fault-disk", full={"rate": 40})
def disk(d):
    """the disk of weir-control full, then read-only"""
    with Rig("disk", control=False) as rig:
        os.makedirs(rig.state_path)
        rig.shell.must(f"mount -t tmpfs -o size=8m,mode=755 tmpfs {rig.state_path}")
        try:
            rig.control_up()
            traffic = rig.traffic(rate=d.counts["rate"])
            before = rig.plane()["live"]
            with open(f"{rig.state_path}/filler", "wb") as file:
                try:
                    while True:
                        file.write(bytes(1 << 14))
                        file.flush()
                except OSError:
                    pass
            code, answer = harmless(rig, 1, wait=True)
            d.check("full: a push is refused, and says why",
                    f"exit {code} {str(answer.get('error', answer.get('text')))[:120]}", code == REFUSED)
            same_live(d, rig, before, "full")
            code, _ = rig.ctl("status")
            d.check("full: weir-control answers", f"exit {code}", code == 0)
            os.unlink(f"{rig.state_path}/filler")
            climbs(d, rig, 2, "full no more")
            before = rig.plane()["live"]
            rig.shell.must(f"mount -o remount,ro {rig.state_path}")
            code, answer = harmless(rig, 3, wait=True)
            d.check("read-only: a push is refused, and says why",
                    f"exit {code} {str(answer.get('error', answer.get('text')))[:120]}", code == REFUSED)
            same_live(d, rig, before, "read-only")
            previous = rig.plane()["previous"]
            code, answer = rig.ctl("rollback")
            d.check("read-only: a way back is open",
                    f"exit {code}, live is generation {rig.plane()['live'].generation}",
                    code == 0 and rig.plane()["live"].digest == previous.digest)
            rig.shell.must(f"mount -o remount,rw {rig.state_path}")
            climbs(d, rig, 4, "writable again")
            verifies(d, rig, "after all")
            steady(d, traffic)
            d.alive(rig)
        finally:
            rig.shell.run("control_stop")
            rig.shell.run(f"umount -l {rig.state_path}")


@drill("fault-files", full={"rate": 40})
def files(d):
    """image, journal and index truncated or corrupt"""
    with Rig("files") as rig:
        traffic = rig.traffic(rate=d.counts["rate"])
        before, rng = rig.plane()["live"], random.Random(1)
        with open(rig.image("good"), "rb") as file:
            good = file.read()
        taken = []
        with link.Link(rig.link_path) as peer:
            for number in range(40):
                octets = bytearray(good[:rng.randrange(len(good))] if number % 2 else good)
                if not number % 2:
                    octets[rng.randrange(len(octets))] ^= 1 << rng.randrange(8)
                with open(f"{rig.work}/bad.image", "wb") as file:
                    file.write(octets)
                try:
                    peer.load(f"{rig.work}/bad.image", flags=link.LOAD_STAGE * (number % 3 == 0))
                    taken.append(number)
                except link.Refused:
                    pass
        d.check("40 corrupt or truncated images: each refused by the data plane", f"{len(taken)} taken", not taken)
        code, answer = rig.push(f"{rig.work}/bad.image", wait=True)
        d.check("and by weir-control", f"exit {code} {str(answer.get('error', answer.get('text')))[:120]}",
                code == REFUSED)
        same_live(d, rig, before, "corrupt image")

        journal = f"{rig.state_path}/journal/journal.jsonl"
        rig.control_kill()
        with open(journal, "ab") as file:
            file.write(b'{"seq":99,"time":"2026-')
        rig.control_start()
        verifies(d, rig, "torn journal")
        same_live(d, rig, before, "torn journal")
        rig.control_kill()
        with open(journal, "r+b") as file:
            octets = file.read()
            at = octets.index(b"\n") + 30
            file.seek(at)
            file.write(bytes([octets[at] ^ 1]))
        rig.control_start()
        same_live(d, rig, before, "corrupt journal")
        d.check("corrupt journal: it is kept aside", ", ".join(sorted(os.listdir(f"{rig.state_path}/journal"))),
                any("broken" in name for name in os.listdir(f"{rig.state_path}/journal")))
        climbs(d, rig, 1, "corrupt journal")
        before = rig.plane()["live"]

        rig.control_kill()
        found = [name for name in os.listdir(rig.state_path) if name.endswith(".sqlite")]
        for name in found:
            with open(f"{rig.state_path}/{name}", "r+b") as file:
                file.write(rng.randbytes(5000))
        rig.control_start()
        same_live(d, rig, before, "corrupt index")
        code, answer = rig.ctl("affected", str(before.generation))
        d.check("corrupt index: made anew", f"{found}: affected: exit {code} {answer.get('error', '')}",
                found and code == 0)
        climbs(d, rig, 2, "corrupt index")
        verifies(d, rig, "after all")
        steady(d, traffic)
        d.alive(rig)


def at_once(*calls):
    """Runs them together. -> what each returned."""
    answers = [None] * len(calls)

    def one(place, call):
        answers[place] = call()

    threads = [threading.Thread(target=one, args=(place, call)) for place, call in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@drill("fault-races", full={"rate": 40, "rounds": 3}, short={"rounds": 1})
def races(d):
    """two pushes at once; a push during a return; a return twice"""
    with Rig("races") as rig:
        traffic = rig.traffic(rate=d.counts["rate"])
        for turn in range(d.counts["rounds"]):
            folders = [rig.rules(f"race-{turn}-{n}", HARMLESS.format(100 + 10 * turn + n)) for n in range(2)]
            newest = rig.newest()
            answers = at_once(*(lambda f=folder: rig.push(f, force=("preflight", "shadow", "probation"),
                                                          wait=True) for folder in folders))
            live = [g for g in range(newest + 1, rig.newest() + 1) if rig.state(g) == "LIVE"]
            d.check("two pushes at once: one is live in the end, each has an answer",
                    f"exits {[a[0] for a in answers]}, {[rig.state(g) for g in range(newest + 1, rig.newest() + 1)]}",
                    len(live) == 1 and rig.plane()["live"].generation == live[0]
                    and all(a[0] in (0, 1) for a in answers))
            folder = rig.rules(f"race-{turn}-2", HARMLESS.format(102 + 10 * turn))
            newest = rig.newest()
            answers = at_once(lambda: rig.ctl("rollback"),
                              lambda: rig.push(folder, force=("preflight", "shadow"), wait=False))
            rig.wait_state(newest + 1, "LIVE", "REJECTED", "QUARANTINED", "HELD", seconds=30)
            plane = rig.plane()
            d.check("a push during a return: both answered, the states agree",
                    f"exits {[a[0] for a in answers]}; live {plane['live'].generation}: {rig.state(plane['live'].generation)}",
                    all(a[0] in (0, 1) for a in answers) and answers[0][0] == 0
                    and rig.state(plane["live"].generation) == "LIVE")
            code, _ = harmless(rig, 500 + turn)
            newest = rig.newest()
            rig.wait_state(newest, "LIVE", "REJECTED", "HELD", seconds=30)
            answers = [rig.ctl("rollback"), rig.ctl("rollback")]
            plane = rig.plane()
            d.check("a return twice: the second does no harm",
                    f"exits {[a[0] for a in answers]}: {str(answers[1][1].get('error', ''))[:100]}; "
                    f"live {plane['live'].generation}: {rig.state(plane['live'].generation)}",
                    answers[0][0] == 0 and answers[1][0] in (0, 1) and rig.state(plane["live"].generation) == "LIVE")
            answers = at_once(lambda: rig.ctl("rollback"), lambda: rig.ctl("rollback"))
            d.check("two returns at once", f"exits {[a[0] for a in answers]}; live {rig.plane()['live'].generation}",
                    all(a[0] in (0, 1) for a in answers))
        verifies(d, rig, "after all")
        steady(d, traffic)
        d.alive(rig)


@drill("fault-suffixes", full={"rate": 40})
def suffix_list_missing(d):
    """the Public Suffix List is not there: nothing is proved, so nothing goes live"""
    with Rig("psl") as rig:
        traffic = rig.traffic(rate=d.counts["rate"])
        before = rig.plane()["live"]
        rig.control_stop()
        rig.shell.must("mount -t tmpfs tmpfs /usr/share/publicsuffix")
        try:
            rig.control_start()
            generation = rig.newest() + 1
            code, answer = rig.push(rig.rules("psl", HARMLESS.format(1)), wait=True)
            said = str(answer) + rig.why(generation) + str(rig.ctl("report", str(generation)))
            d.check("pre-flight does not pass, and says why", f"exit {code} {rig.state(generation)}",
                    code == REFUSED and "suffix" in said)
            same_live(d, rig, before, "no list")
            rig.control_stop()
        finally:
            rig.shell.run("umount -l /usr/share/publicsuffix")
        rig.control_start()
        climbs(d, rig, 2, "the list is back")
        steady(d, traffic)
        d.alive(rig)


@drill("fault-clock", full={"rate": 40})
def clock_backwards(d):
    """the wall clock jumps back by two hours, then on by a day, while a candidate climbs"""
    with Rig("clock", control=False) as rig:
        library, shift = f"{rig.work}/clockshift.so", f"{rig.work}/clockshift"
        rig.shell.must(f"gcc -O1 -shared -fPIC {E2E}/clockshift.c -o {library}")
        with open(shift, "w", encoding="ascii") as file:
            file.write("0")
        # The command is a wrapper, so that both processes of a control_start get it.
        rig.shell.must(f"printf '#!/bin/sh\\nCLOCKSHIFT={shift} LD_PRELOAD={library} exec %s \"$@\"\\n' $CONTROL >$WORK/control && "
                       "chmod 755 $WORK/control && CONTROL=$WORK/control")
        rig.control_up()
        traffic = rig.traffic(rate=d.counts["rate"])
        for seconds in (-7200, 86400):
            generation = rig.newest() + 1
            start = time.monotonic()
            harmless(rig, abs(seconds))
            rig.wait_state(generation, "SHADOW", seconds=20)
            with open(shift, "w", encoding="ascii") as file:
                file.write(str(seconds))
            state = rig.wait_state(generation, "LIVE", "HELD", "REJECTED", "QUARANTINED", "ROLLED_BACK", seconds=60)
            took = time.monotonic() - start
            d.check(f"clock {seconds:+} s: the stages last as long as they should",
                    f"{' '.join(rig.states(generation))}, {took:.1f} s",
                    state == "LIVE" and 6 <= took <= 60)
        verifies(d, rig, "after all")
        steady(d, traffic)
        d.alive(rig)


def flood(rig, path, kind, pieces, connections=200):
    """Connects and does not behave. Sockets are kept open until the caller drops them."""
    kept, rng = [], random.Random(3)
    for number in range(connections):
        peer = socket.socket(socket.AF_UNIX, kind)
        peer.settimeout(0.2)
        try:
            peer.connect(path)
            for piece in pieces(number, rng):
                peer.send(piece)
            kept.append(peer)
        except OSError:
            peer.close()
    return kept


def admin_noise(number, rng):
    what = number % 5
    if what == 0:
        return []  # half open
    if what == 1:
        return [b'{"verb":"sta']  # never ends
    if what == 2:
        return [rng.randbytes(900)]
    if what == 3:
        return [b"[" * 5000 + b"\n"]
    return [b'{"verb":"push","path":' + b'"' + b"A" * 60000 + b'"}\n'] * 3


def link_noise(number, rng):
    what = number % 4
    if what == 0:
        return []
    if what == 1:
        return [rng.randbytes(rng.randrange(1, 3000))]
    header = link.HEADER.pack(link.MAGIC, link.VERSION, rng.randrange(16), rng.randrange(9000), 1)
    return [header + rng.randbytes(rng.randrange(400))] * 3


@drill("fault-clients", full={"rate": 40, "floods": 10}, short={"floods": 2})
def clients(d):
    """half-open, flooding and lying clients at both sockets"""
    with Rig("clients") as rig:
        traffic = rig.traffic(rate=d.counts["rate"])
        before, worst = rig.plane()["live"], 0.0
        answered = []
        for _ in range(d.counts["floods"]):
            kept = flood(rig, rig.control_path, socket.SOCK_STREAM, admin_noise)
            kept += flood(rig, rig.link_path, socket.SOCK_SEQPACKET, link_noise)
            start = time.monotonic()
            # A place is free again when the idle ones are put out: an operator asks again, as people do.
            code = -1
            while code != 0 and time.monotonic() < start + 15:
                code, _ = rig.ctl("status", seconds=10)
            answered.append(code)
            worst = max(worst, time.monotonic() - start)
            for peer in kept:
                peer.close()
        d.check("weirctl status during the flood: within 8 s", f"exits {sorted(set(answered))}, at most {worst:.1f} s",
                set(answered) == {0} and worst <= 8)
        same_live(d, rig, before, "flood")
        generation = rig.newest() + 1
        climbs(d, rig, 1, "flood")
        kept = flood(rig, rig.control_path, socket.SOCK_STREAM, admin_noise)
        start = time.monotonic()
        code = -1
        while code != 0 and time.monotonic() < start + 15:
            code, _ = rig.ctl("rollback", seconds=10)
        d.check("weirctl rollback during a flood: within 8 s",
                f"exit {code} after {time.monotonic() - start:.1f} s, generation {generation}: "
                f"{rig.state(generation)}", code == 0 and time.monotonic() - start <= 8)
        for peer in kept:
            peer.close()
        steady(d, traffic)
        d.alive(rig)


@drill("fault-plane-killed", full={"rate": 40})
def plane_killed(d):
    """kill -9 of the data plane in each stage: it begins again alone with what was live"""
    # Connections that it does not know are not let through unread here, so every message can be accounted for.
    settings = {"shadow": "30 s", "canary": "30 s", "probation": "30 s", "stage_max": "120 s", "lease": "30 s"}
    with Rig("killed", settings=settings, lines=("[timeouts]", "unknown = 0")) as rig:
        traffic = rig.traffic(rate=d.counts["rate"], drain=60.0)
        live = rig.plane()["live"]
        for number, (stage,
                     force) in enumerate((("SHADOW", ("preflight",)), ("CANARY", ("preflight", "shadow")),
                                          ("PROBATION", ("preflight", "shadow")))):
            generation = rig.newest() + 1
            rig.push(rig.rules(f"killed-{number}", HARMLESS.format(number)), force=force)
            if stage == "PROBATION":
                rig.wait_state(generation, "CANARY", seconds=20)
                rig.ctl("promote", str(generation))
            rig.wait_state(generation, stage, seconds=20)
            rig.shell.must(f"weir_kill; weir_start {rig.config}")
            now = rig.plane()
            d.check(f"killed in {stage}: begins with what was live",
                    f"digest {now['live'].digest[:8]}, persisted {now['persisted']}", now["live"].digest == live.digest)
            rig.wait_plane(lambda s: True)
            time.sleep(2)
            d.check(f"killed in {stage}: weir-control agrees",
                    f"generation {generation}: {' '.join(rig.states(generation))}",
                    rig.state(generation) is not None and rig.state(generation) != "LIVE")
            rig.ctl("quarantine", str(generation))
            rig.wait_plane(lambda s: not s["candidate"].generation, 10)
        generation = rig.newest() + 1
        rig.push(rig.rules("killed-live", HARMLESS.format(9)), force=("preflight", "shadow", "probation"), wait=True)
        digest = rig.plane()["live"].digest
        rig.shell.must(f"weir_kill; weir_start {rig.config}")
        d.check("killed in LIVE: begins with the new one", f"generation {generation}: {rig.state(generation)}",
                rig.plane()["live"].digest == digest != live.digest)
        verifies(d, rig, "after all")
        steady(d, traffic)


def control_answers(path, request):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.settimeout(10)
        peer.connect(path)
        peer.sendall(json.dumps(request).encode() + b"\n")
        octets = b""
        while octets.count(b"\n") < 1 and (piece := peer.recv(65536)):
            octets += piece
    return json.loads(octets.split(b"\n")[0])


@drill("fault-requests", full={"rate": 20, "count": 2000}, short={"count": 300})
def requests(d):
    """wrong requests are answered, each, and never an end"""
    with Rig("requests") as rig:
        traffic = rig.traffic(rate=d.counts["rate"])
        pid, rng = rig.shell.must("echo $CONTROL_PID"), random.Random(5)
        verbs = ("status", "gen-list", "gen-show", "push", "hold", "resume", "promote", "quarantine", "release",
                 "trace", "affected",
                 "report", "announce-add", "announce-end", "no-such-verb")
        values = (None, -1, 0, 1 << 40, 1.5, "", "x" * 5000, "/no/such/path", "/dev/zero", "/proc/self/mem", [], {},
                  [[]], True, "\u0000", "../..")
        answered = 0
        for _ in range(d.counts["count"]):
            request = {"verb": rng.choice(verbs)} | {rng.choice(("generation", "path", "id", "text", "force", "expect",
                                                                 "expires_s", "stage", "to", "n", "limit")):
                                                      rng.choice(values) for _ in range(rng.randrange(4))}
            try:
                answered += "ok" in control_answers(rig.control_path, request)
            except (OSError, ValueError):
                pass
        d.check(f"{d.counts['count']} wrong requests: each is answered", f"{answered}", answered == d.counts["count"])
        alive = subprocess.run(["kill", "-0", pid], check=False).returncode == 0
        d.check("weir-control is the one that was started", f"pid {pid}", alive)
        steady(d, traffic)
        d.alive(rig)
