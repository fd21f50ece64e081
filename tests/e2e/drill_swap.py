"""drill_swap: rule sets change, and come back, under load: what is lost, what is mixed, how long it takes.

These speak to the data plane directly (link.py), as weir-control does, at a pace that it would not choose.
"""
import glob
import json
import subprocess
import sys
import time

import link
from drill_base import drill
from drill_rig import CO_UK, E2E, Rig
from link import percentile

# Each message's record tells by which set it was judged: both rules of one set, in another order.
SET = "header SET_{0} MESSAGEID =~ /./\nscore SET_{0} 0.001\nheader SET_{0}2 MESSAGEID !~ /./\nscore SET_{0}2 0.001\n"


def spread(values, unit="us"):
    return (f"p50 {percentile(values, 0.5)}, p99 {percentile(values, 0.99)}, p99.9 {percentile(values, 0.999)}, "
            f"most {max(values, default=0)} {unit}, {len(values)} of them")


class Scheduler:
    """What the machine's scheduler did to the data plane's threads since this was made."""

    def __init__(self, rig):
        self.pid = rig.shell.must("echo $DATAPLANE_PID")
        self.start, self.before = time.monotonic(), self.read()

    def read(self):
        ran = waited = switched = 0
        for task in glob.glob(f"/proc/{self.pid}/task/*"):
            try:
                with open(f"{task}/schedstat", encoding="ascii") as file:
                    numbers = file.read().split()
                with open(f"{task}/status", encoding="ascii") as file:
                    status = dict(line.split(":", 1) for line in file)
            except OSError:
                continue
            ran, waited = ran + int(numbers[0]), waited + int(numbers[1])
            switched += int(status["nonvoluntary_ctxt_switches"])
        return ran, waited, switched

    def line(self):
        ran, waited, switched = (now - was for now, was in zip(self.read(), self.before))
        seconds = time.monotonic() - self.start
        return (f"in {seconds:.0f} s its threads ran {ran / 1e9:.1f} s, stood in line for a core {waited / 1e6:.0f} ms, were put off "
                f"it {switched} times")


class Datagrams:
    """Numbered datagrams through Weir, from outside to inside (datagrams.py), and what became of them.

    missed: frames that came to a device of Weir's and found its queue full, while the scheduler kept Weir off its core;
    since this was made, when the wire was idle: exact when it is idle again.
    dropped: by Weir. behind: frames that left Weir, and the kernel at the other end had no room for.
    """

    def __init__(self, rig):
        self.rig, self.first, self.out = rig, 0, f"{rig.work}/datagrams.json"
        # Its standard input stays open until the wire is taken down.
        rig.shell.must(f"exec 9> >(exec ip netns exec $NB {sys.executable} {E2E}/datagrams.py receive --out {self.out}); "
                       f"wait_for 20 test -s {self.out}")
        self.idle = self.before = self.read()

    def command(self, rate, seconds):
        return f"in_a {sys.executable} {E2E}/datagrams.py send $SERVER --rate {rate} --seconds {seconds} --first {self.first}"

    def read(self):
        def inside(namespace, *counters):
            return f"ip netns exec ${namespace} cat " + " ".join(f"/sys/class/net/{name}" for name in counters) + "; "

        frames = list(map(int, self.rig.shell.must(
            inside("ND", "da/statistics/rx_packets", "db/statistics/rx_packets")
            + inside("NA", "va/statistics/rx_dropped") + inside("NB", "vb/statistics/rx_dropped")).split()))
        with open(self.out, encoding="utf-8") as file:
            came = json.loads(file.read().splitlines()[-1])
        plane = self.rig.plane()
        return came | {"dropped": plane["dropped_frames"], "missed": sum(frames[:2]) - plane["rx_frames"],
                       "behind": sum(frames[2:])}

    def begin(self):
        self.before = self.read()

    def end(self, said):
        """said: what the sender printed. -> what became of them since begin."""
        sent = json.loads(said)
        self.first += sent["sent"]
        now, end = self.read(), time.monotonic() + 10
        # The last of them may be in a queue still.
        while now["came"] - self.before["came"] < sent["sent"] and time.monotonic() < end:
            time.sleep(0.2)
            now = self.read()
        seen = {key: value - self.before[key] for key, value in now.items()}
        return seen | sent | {"missed": now["missed"] - self.idle["missed"], "lost": sent["sent"] - seen["came"] + seen["twice"],
                              "pace": sent["sent"] / sent["seconds"]}


def highest_lossless(rig, datagrams, seconds=5):
    """Packets a second of which none is lost for so long, beside the mail that flows."""
    good, bad, asked = 0, None, 4000
    for _ in range(9):
        datagrams.begin()
        seen = datagrams.end(rig.shell.must(datagrams.command(asked, seconds), seconds + 30))
        if not seen["lost"] and seen["pace"] > asked * 0.9:
            good = asked
        else:
            bad = asked
        asked = asked * 2 if bad is None else (good + bad) // 2
        if bad is not None and (bad - good) < good * 0.1:
            break
    return good


@drill("swaps", full={"count": 10000, "rate": 200, "load": 0}, short={"count": 500, "load": 3000})
def swaps(d):
    """rules change every 10 ms at `load` datagrams a second; 0: 80 % of the highest load without loss"""
    with Rig("swaps", control=False, mta="sink", frames=16384) as rig:
        images = [rig.image("a", SET.format("A")), rig.image("b", SET.format("B"))]
        with link.Link(rig.link_path) as peer:
            peer.load(images[0])
        datagrams, load = Datagrams(rig), d.counts["load"]
        traffic = rig.traffic(rate=d.counts["rate"])
        if not load:
            highest = highest_lossless(rig, datagrams)
            d.check("the highest load without loss",
                    f"{highest} packets/s of 1,000 octets beside {d.counts['rate']} messages/s", highest > 0)
            load = int(highest * 0.8) or 1000
        count, seconds = d.counts["count"], d.counts["count"] * 0.01 + 1
        datagrams.begin()
        scheduler = Scheduler(rig)
        rig.shell.must(f"{datagrams.command(load, int(seconds) + 2)} >{rig.work}/sent.json 2>&1 </dev/null & SENDER_PID=$!; "
                       "PIDS+=($SENDER_PID)")
        of, swap_us, refused = {}, [], []
        due = time.monotonic() + 0.5
        time.sleep(0.5)
        with link.Link(rig.link_path) as peer:
            for number in range(count):
                try:
                    generation, us, _ = peer.load(images[(number + 1) % 2])
                    of[generation], _ = "BA"[number % 2], swap_us.append(us)
                except link.Refused as why:
                    refused.append(str(why))
                due = max(due + 0.01, time.monotonic() - 0.01)
                time.sleep(max(0, due - time.monotonic()))
        sched = scheduler.line()
        rig.shell.run("wait $SENDER_PID", seconds + 60)
        outcome = traffic.end()
        with open(f"{rig.work}/sent.json", encoding="utf-8") as file:
            seen = datagrams.end(file.read())
        d.check(f"{count} swaps", f"{len(swap_us)} made, {len(refused)} refused {sorted(set(refused))[:1]}",
                not refused)
        d.check("0 packets lost in Weir, none changed or doubled",
                f"{seen['lost']} of {seen['sent']} datagrams at {seen['pace']:.0f}/s did not come, {seen['changed']} changed, "
                f"{seen['twice']} came twice; frames: {seen['missed']} found the devices' queues full, {seen['behind']} the "
                f"kernel's behind Weir, {seen['full']} the receiver's; {seen['dropped']} dropped by Weir",
                seen["lost"] <= seen["missed"] + seen["behind"] + seen["full"]
                and not seen["changed"] + seen["twice"] + seen["dropped"])
        d.check("0 packets lost", f"{seen['lost']}", not seen["lost"])
        records = rig.records()
        mixed = [r for r in records if r["generation"] in of
                 and {name[4] for name in r["rules"] if name.startswith("SET_")} != {of[r["generation"]]}]
        judged = {r["generation"] for r in records}
        d.check("0 mixed verdicts", f"{len(mixed)} of {len(records)} messages, {len(judged)} generations judged some",
                not mixed and records)
        d.whole(outcome)
        d.figures |= {"swap_us": {str(p): percentile(swap_us, p) for p in (0.5, 0.99, 0.999, 1)}}
        d.check("store to the last worker", spread(swap_us), True)
        pauses(d, rig)
        d.check("the scheduler", sched, True)
        d.alive(rig)


def pauses(d, rig):
    """How long a worker's take-up of a new plan lasted: DPDK's telemetry command /weir/swap."""
    prefix = rig.shell.must(f"sed -n 's/^file_prefix = //p' {rig.config}")
    asked = subprocess.run(["dpdk-telemetry.py", "-f", prefix], input=b"/weir/swap\n", capture_output=True, timeout=10,
                           check=False)
    said = [line for line in asked.stdout.decode(errors="replace").splitlines() if '"/weir/swap"' in line]
    try:
        told = json.loads(said[-1])["/weir/swap"]
        cnt, buckets, most = told["cnt"], told["bucket"], told["max_ns"]
    except (IndexError, KeyError, ValueError, TypeError):
        return d.check("pause per worker <= 50 us p99.9", f"not told: {asked.stderr.decode(errors='replace')[-100:]}",
                       False)
    seen, at = 0, {}
    for place, number in enumerate(buckets):
        seen += number
        for part in (0.5, 0.99, 0.999):
            if cnt and seen >= cnt * part and part not in at:
                at[part] = min(128 << place, most)
    d.figures["pause_ns"] = {str(part): ns for part, ns in at.items()} | {"max": most}
    return d.check("pause per worker <= 50 us p99.9",
                   f"p50 < {at.get(0.5)} ns, p99 < {at.get(0.99)} ns, p99.9 < {at.get(0.999)} ns, "
                   f"most {most} ns, {cnt} of them", cnt > 0 and at.get(0.999, 1 << 60) <= 50000)


def candidate(peer, image, stage, **more):
    """A candidate in that stage. -> its number."""
    _, _, _ = peer.load(image, flags=link.LOAD_STAGE, wait_ms=5000)
    number = peer.status()["candidate"].generation
    peer.stage(number, stage, **more)
    return number


def wait_trip(peer, seq, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        state = peer.status()
        if state["trip"]["seq"] > seq:
            return state
        time.sleep(0.002)
    return None


def held_to(d, name, last_us, limit_us):
    d.figures["last_worker_us"] = {str(p): percentile(last_us, p) for p in (0.5, 0.99, 0.999, 1)}
    d.check(f"{name}: to the last worker <= {limit_us // 1000} ms p99.9", spread(last_us),
            last_us and percentile(last_us, 0.999) <= limit_us)


@drill("trips-alone", full={"count": 1000, "rate": 150}, short={"count": 30})
def trips_alone(d):
    """no controller: each time the first disagreement in canary trips the data plane itself"""
    with Rig("trips", control=False, mta="sink") as rig:
        first, image = rig.image("first-set"), rig.image("co-uk", CO_UK)
        last_us, alone, wrong = [], 0, []
        with link.Link(rig.link_path) as peer:
            peer.load(first)
            live = peer.status()["live"].generation
            traffic = rig.traffic(rate=d.counts["rate"], only=["co.uk", "com"], retry=1.0)
            scheduler = Scheduler(rig)
            for _ in range(d.counts["count"]):
                seq = peer.status()["trip"]["seq"]
                number = candidate(peer, image, link.CANARY, lease_ms=600000, trips=[0xffffffff] * 255)
                state = wait_trip(peer, seq)
                if not state or state["trip"]["generation"] != number or state["live"].generation != live:
                    wrong.append(state["trip"] if state else "no trip")
                    break
                last_us.append(state["trip"]["last_worker_us"])
                alone += state["trip"]["by_data_plane"]
        d.check("each goes, by the data plane alone", f"{alone} of {d.counts['count']} {wrong}",
                alone == d.counts["count"])
        held_to(d, "trip", last_us, 10000)
        d.check("the scheduler", scheduler.line(), True)
        outcome = traffic.end()
        d.check("0 permanent refusals", f"{len(outcome.refused)} refused, {len(outcome.deferred)} deferred, "
                f"{len(set(outcome.deferred) & set(outcome.delivered))} of those delivered",
                not outcome.refused and set(outcome.deferred) <= set(outcome.delivered))
        d.whole(outcome)


@drill("trips-asked", full={"count": 1000, "rate": 150}, short={"count": 30})
def trips_asked(d):
    """a generation goes live and is asked back, as the operator's rollback does, again and again"""
    with Rig("asked", control=False, mta="sink") as rig:
        first, image = rig.image("first-set"), rig.image("other", "header OTHER Subject =~ /./\nscore OTHER 0.1\n")
        last_us, wrong = [], []
        with link.Link(rig.link_path) as peer:
            peer.load(first)
            live = peer.status()["live"].generation
            traffic = rig.traffic(rate=d.counts["rate"])
            scheduler = Scheduler(rig)
            for _ in range(d.counts["count"]):
                number = candidate(peer, image, link.LIVE, share_ppm=0, lease_ms=0)
                peer.back(number)
                state = peer.status()
                if state["trip"]["generation"] != number or state["live"].generation != live:
                    wrong.append(state["trip"])
                    break
                last_us.append(state["trip"]["last_worker_us"])
        d.check("each comes back", f"{len(last_us)} of {d.counts['count']} {wrong}", len(last_us) == d.counts["count"])
        held_to(d, "return", last_us, 10000)
        d.check("the scheduler", scheduler.line(), True)
        outcome = traffic.end()
        d.check("0 messages harmed", f"{len(outcome.refused)} refused, {len(outcome.deferred)} deferred",
                not outcome.refused and not outcome.deferred)
        d.whole(outcome)
