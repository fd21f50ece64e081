"""drill_peer: the others on the machine: clients of the sockets that do not behave, a process that ends, very many pushes.

Of each it is asked what drill_fault asks: no refusal caused, the rules in force enforced still.
"""
import json
import os
import random
import socket
import subprocess
import time

import link
from drill_base import drill
from drill_fault import HARMLESS, climbs, same_live, steady, verifies
from drill_rig import Rig


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
        traffic = rig.traffic(rate=d.counts["rate"], spam=0.2)
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
        # The link has few places, and what is still queued there goes before weir-control.
        start = time.monotonic()
        while not rig.ctl("status")[1].get("dataplane", {}).get("reachable") and time.monotonic() < start + 15:
            time.sleep(0.1)
        d.check("after the flood the link is there again: within 8 s", f"{time.monotonic() - start:.1f} s",
                time.monotonic() - start <= 8)
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
        traffic = rig.traffic(rate=d.counts["rate"], spam=0.2, drain=60.0)
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
        watched = rig.wait_plane(lambda s: s["stage"] == link.LIVE and s["previous"].digest == live.digest, 20)
        d.check("killed in LIVE: its predecessor watches it again", f"stage {(watched or rig.plane())['stage']}", watched)
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
        traffic = rig.traffic(rate=d.counts["rate"], spam=0.2)
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


def figures_of(rig, name):
    """Resident KiB and open descriptors of a process."""
    pid = rig.shell.must(f"echo ${name}_PID")
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        resident = next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
    return resident, len(os.listdir(f"/proc/{pid}/fd"))


@drill("soak", full={"count": 10000, "rate": 20}, short={"count": 60})
def soak(d):
    """generation after generation through weir-control: memory and descriptors of both processes stay flat"""
    settings = {"reverse_share": "1 %", "units_proven": 0}
    with Rig("soak", settings=settings, mta="sink") as rig:
        traffic = rig.traffic(rate=d.counts["rate"], spam=0.2)
        folders = [rig.rules(f"soak-{n}", HARMLESS.format(n)) for n in range(2)]
        seen, wrong = [], []
        for number in range(d.counts["count"]):
            code, answer = rig.push(folders[number % 2], force=("preflight", "shadow", "probation"), wait=True)
            if code:
                wrong.append(str(answer)[:200])
                if len(wrong) > 5:
                    break
            if number % max(1, d.counts["count"] // 20) == 0:
                seen.append((*figures_of(rig, "CONTROL"), *figures_of(rig, "DATAPLANE")))
        d.check(f"{d.counts['count']} generations", f"{len(wrong)} refused {wrong[:1]}", not wrong)
        # What is reached after the first tenth is what it takes; from there on nothing grows by more than a tenth.
        base, last = seen[max(1, len(seen) // 5)], seen[-1]
        d.figures["kib_and_descriptors"] = {"after a fifth": base, "at the end": last}
        d.check("weir-control: memory, descriptors", f"{base[0]} -> {last[0]} KiB, {base[1]} -> {last[1]}",
                last[0] <= base[0] * 1.1 + 2048 and last[1] <= base[1] + 4)
        d.check("data plane: memory, descriptors", f"{base[2]} -> {last[2]} KiB, {base[3]} -> {last[3]}",
                last[2] <= base[2] * 1.1 + 8192 and last[3] <= base[3] + 4)
        steady(d, traffic)
        d.alive(rig)
