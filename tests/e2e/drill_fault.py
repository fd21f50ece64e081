"""drill_fault: what breaks around Weir. Of each it is asked: no refusal caused, the rules in force enforced still."""
import errno
import os
import random
import threading
import time

import link
from drill_base import drill
from drill_rig import CO_UK, E2E, REFUSED, Rig

ENDS = ("REJECTED", "QUARANTINED", "HELD", "ROLLED_BACK")
HARMLESS = "header HARMLESS_{0} Subject =~ /\\blunch\\b/\nscore HARMLESS_{0} 0.1\n"


def steady(d, traffic):
    """Ends the traffic, and says whether it noticed anything."""
    traffic.wait(lambda tries: sum(line.get("spam", False) for line in tries) >= 10, 30)
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
    code, answer = harmless(rig, number)
    generation = answer.get("generation", 0)
    state = rig.wait_state(generation, "LIVE", *ENDS, seconds=60) if code == 0 else None
    # The record comes first, then the data plane is asked.
    is_live = state == "LIVE" and rig.wait_plane(lambda s: s["live"].generation == generation, 10)
    d.check(f"{what}: then a push goes live",
            f"{' '.join(map(str, rig.states(generation)))} {'' if code == 0 else answer}"
            + ("" if is_live else rig.why(generation)), is_live)


def fill(path):
    """Until there is no room."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        while True:
            os.write(descriptor, bytes(4096))
    except OSError:
        pass
    finally:
        os.close(descriptor)


@drill("fault-disk", full={"rate": 40})
def disk(d):
    """the disk of weir-control is full"""
    with Rig("disk", control=False) as rig:
        os.makedirs(rig.state_path)
        rig.shell.must(f"mount -t tmpfs -o size=8m,mode=755 tmpfs {rig.state_path}")
        try:
            rig.control_up()
            traffic = rig.traffic(rate=d.counts["rate"], spam=0.2)
            before = rig.plane()["live"]
            fill(f"{rig.state_path}/filler")
            code, answer = harmless(rig, 1, wait=True)
            d.check("full: a push is refused, and says why",
                    f"exit {code} {str(answer.get('error', answer.get('text')))[:120]}", code == REFUSED)
            same_live(d, rig, before, "full")
            code, _ = rig.ctl("status")
            d.check("full: weir-control answers", f"exit {code}", code == 0)
            os.unlink(f"{rig.state_path}/filler")
            climbs(d, rig, 2, "full no more")
            verifies(d, rig, "after all")
            steady(d, traffic)
            d.alive(rig)
        finally:
            rig.shell.run("control_stop")
            rig.shell.run(f"umount -l {rig.state_path}")


def index(d, rig, rng):
    """The index is spoilt: it is made anew."""
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


@drill("fault-files", full={"rate": 40})
def files(d):
    """image, journal and index truncated or corrupt"""
    with Rig("files") as rig:
        traffic = rig.traffic(rate=d.counts["rate"], spam=0.2)
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

        index(d, rig, rng)
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
        traffic = rig.traffic(rate=d.counts["rate"], spam=0.2)
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


def wrapped(rig, script):
    """From its next start on weir-control is started by this script, in which COMMAND stands for it."""
    path = f"{rig.work}/wrapped"
    with open(path, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\n" + script.replace("COMMAND", rig.control) + "\n")
    os.chmod(path, 0o755)
    rig.shell.must(f"CONTROL={path}")


@drill("fault-suffixes", full={"rate": 40})
def suffix_list_missing(d):
    """the Public Suffix List is not there: nothing is proved, so nothing goes live"""
    with Rig("psl") as rig:
        traffic = rig.traffic(rate=d.counts["rate"], spam=0.2)
        before = rig.plane()["live"]
        rig.control_stop()
        # In its own eyes only: other drills may be running.
        hide = "mount -t tmpfs tmpfs /usr/share/publicsuffix"
        wrapped(rig, f"exec unshare --mount --propagation private sh -c '{hide} && exec \"$0\" \"$@\"' COMMAND \"$@\"")
        rig.control_start()
        generation = rig.newest() + 1
        code, answer = rig.push(rig.rules("psl", HARMLESS.format(1)), wait=True)
        said = str(answer) + rig.why(generation) + str(rig.ctl("gen", "report", str(generation)))
        d.check("pre-flight does not pass, and says why", f"exit {code} {rig.state(generation)}",
                code == REFUSED and "suffix" in said)
        same_live(d, rig, before, "no list")
        rig.control_stop()
        rig.shell.must(f"CONTROL={rig.control}")
        rig.control_start()
        climbs(d, rig, 2, "the list is back")
        steady(d, traffic)
        d.alive(rig)


def shimmed(rig):
    """weir-control under shim.so, from its next start on. -> a function that says what is wrong with the world."""
    folder, library = f"{rig.work}/shim", f"{rig.work}/shim.so"
    os.makedirs(folder)
    os.chmod(folder, 0o755)
    rig.shell.must(f"gcc -O1 -shared -fPIC {E2E}/shim.c -o {library}")
    wrapped(rig, f'SHIM={folder} LD_PRELOAD={library} exec COMMAND "$@"')

    def be(name, value):
        with open(f"{folder}/{name}", "w", encoding="ascii") as file:
            file.write(str(value))

    return be


@drill("fault-clock", full={"rate": 40})
def clock_backwards(d):
    """the wall clock jumps back by two hours, then on by a day, while a candidate climbs"""
    with Rig("clock", control=False) as rig:
        be = shimmed(rig)
        rig.control_up()
        traffic = rig.traffic(rate=d.counts["rate"], spam=0.2)
        for seconds in (-7200, 86400):
            generation = rig.newest() + 1
            start = time.monotonic()
            harmless(rig, abs(seconds))
            rig.wait_state(generation, "SHADOW", seconds=20)
            be("clock", seconds)
            state = rig.wait_state(generation, "LIVE", "HELD", "REJECTED", "QUARANTINED", "ROLLED_BACK", seconds=60)
            took = time.monotonic() - start
            d.check(f"clock {seconds:+} s: the stages last as long as they should",
                    f"{' '.join(rig.states(generation))}, {took:.1f} s", state == "LIVE" and 6 <= took <= 60)
        verifies(d, rig, "after all")
        steady(d, traffic)
        d.alive(rig)


@drill("fault-read-only", full={"rate": 40})
def read_only(d):
    """the disk of weir-control goes read-only, as it does after an error: no way up, a way back"""
    with Rig("read-only", control=False) as rig:
        be = shimmed(rig)
        rig.control_up()
        traffic = rig.traffic(rate=d.counts["rate"])
        climbs(d, rig, 1, "before")
        state = rig.plane()
        be("error", errno.EROFS)
        code, answer = harmless(rig, 2, wait=True)
        d.check("a push is refused, and says why",
                f"exit {code} {str(answer.get('error', answer.get('text')))[:120]}", code == REFUSED)
        same_live(d, rig, state["live"], "read-only")
        code, answer = rig.ctl("rollback")
        now = rig.plane()["live"]
        d.check("a way back is open", f"exit {code}, live is generation {now.generation} {answer.get('error', '')}",
                now.digest == state["previous"].digest)
        be("error", 0)
        climbs(d, rig, 3, "writable again")
        verifies(d, rig, "after all")
        steady(d, traffic)
        d.alive(rig)


@drill("fault-slow-disk", full={"rate": 40, "sync_ms": 1000})
def slow_disk(d):
    """each sync of weir-control lasts a second: slower, nothing else; a return does not wait for it"""
    with Rig("slow-disk", control=False) as rig:
        be = shimmed(rig)
        rig.control_up()
        traffic = rig.traffic(rate=d.counts["rate"], spam=0.2)
        be("sync", d.counts["sync_ms"])
        climbs(d, rig, 1, "slow disk")
        before, seq = rig.plane()["live"], rig.plane()["trip"]["seq"]
        rig.push(rig.rules("slow-disk", CO_UK), force=("preflight", "shadow"))
        state = rig.wait_plane(lambda s: s["trip"]["seq"] > seq and not s["candidate"].generation, 60)
        d.check("the incident: the data plane does not wait for the disk",
                f"last worker after {state['trip']['last_worker_us']} us" if state else "no trip",
                state and state["trip"]["last_worker_us"] <= 100000)
        same_live(d, rig, before, "slow disk")
        time.sleep(2)
        verifies(d, rig, "after all")
        steady(d, traffic)
        d.alive(rig)
