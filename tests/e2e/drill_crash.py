"""drill_crash: weir-control killed, as by kill -9, at every place where it may matter; what the next start makes of it."""
import subprocess
import time

from drill_base import drill
from drill_fault import HARMLESS, steady, verifies
from drill_rig import CO_UK, Rig

# Stages that last as long as it takes to pass through them: all states are seen in a second or two.
QUICK = {"shadow": "100 ms", "canary": "100 ms", "probation": "100 ms", "shadow_messages": 5, "canary_messages": 2,
         "probation_messages": 5, "strata": 1, "strata_units": 1, "lease": "4 s", "canary_share": "100 %"}

# Those that tests take: one of each kind.
SHORT = ("after-record:push", "before-ask:CANARY", "answered:LIVE", "before-record:ROLLED_BACK", "snapshot:half")


def points(rig):
    said = subprocess.run([rig.shell.must("echo $CONTROL"), "--crash-points"], capture_output=True, timeout=10,
                          check=True)
    return said.stdout.decode().split()


def pid_of(rig):
    return int(rig.shell.must("echo $CONTROL_PID"))


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Course:
    """Everything that an operator does in a month; each step until the process dies."""

    def __init__(self, rig, number):
        self.rig, self.number, self.acknowledged = rig, number, []

    def steps(self):
        rig, number = self.rig, self.number
        folder = rig.rules(f"course-{number}", HARMLESS.format(f"{number}A"))
        bad = rig.rules(f"course-bad-{number}", CO_UK,
                        f"# {number}\nheader BAD_{number} Subject =~ /^{number}$/\nscore BAD_{number} 0.1\n")
        broken = rig.rules(f"course-broken-{number}", "body NO /(/\n")
        held = rig.rules(f"course-held-{number}", HARMLESS.format(f"{number}B"))
        yield lambda: rig.push(folder, force=("preflight",), wait=True, seconds=30)
        yield lambda: rig.push(broken, wait=True, seconds=30)
        yield lambda: rig.push(bad, force=("preflight", "shadow"), wait=True, seconds=30)
        yield lambda: rig.ctl("release", str(rig.newest()))
        yield lambda: rig.push(held, force=("preflight",))
        yield lambda: rig.ctl("hold", str(rig.newest()))
        yield lambda: rig.ctl("quarantine", str(rig.newest()))
        yield lambda: rig.ctl("rollback")
        yield lambda: rig.ctl("rollback", "1")
        yield lambda: rig.push(rig.rules(f"course-last-{number}", HARMLESS.format(f"{number}C")),
                               force=("preflight", "shadow", "probation"),
                               wait=True, seconds=30)

    def run(self):
        """-> whether it died on the way."""
        pid = pid_of(self.rig)
        for step in self.steps():
            if not is_alive(pid):
                return True
            code, answer = step()
            if code == 0 and answer.get("generation"):
                self.acknowledged.append(answer["generation"])
        time.sleep(0.3)
        return not is_alive(pid)


def after(rig, course, before):
    """What must be true when it has begun again. -> reasons why not."""
    wrong = []
    end = time.monotonic() + 15
    while time.monotonic() < end:
        live = rig.plane()["live"].generation
        if rig.state(live) == "LIVE" or live == 0:
            break
        time.sleep(0.1)
    if rig.state(live) != "LIVE":
        wrong.append(f"generation {live} is live, the journal says {rig.state(live)}")
    journal = rig.journal()
    kept = {json_key(record) for record in journal}
    if lost := [record for record in before if json_key(record) not in kept]:
        wrong.append(f"{len(lost)} records lost, the first {lost[0]}")
    if lost := [g for g in course.acknowledged if g not in {r.get("generation") for r in journal}]:
        wrong.append(f"acknowledged and not in the journal: generations {lost}")
    code, answer = rig.ctl("journal", "verify")
    if code:
        wrong.append(f"journal verify: {answer}")
    # Whatever was on its way up has an end; then a push works.
    code, answer = rig.push(rig.rules(f"after-{course.number}", HARMLESS.format(f"{course.number}D")),
                            force=("preflight", "shadow", "probation"), wait=True, seconds=40)
    newest = rig.newest()
    if code or rig.plane()["live"].generation != newest:
        # One candidate at a time: an operator would put it out of the way.
        rig.ctl("quarantine", str(rig.plane()["candidate"].generation or newest))
        code, answer = rig.push(rig.rules(f"after-{course.number}b", HARMLESS.format(f"{course.number}E")),
                                force=("preflight", "shadow", "probation"), wait=True, seconds=40)
        if code:
            wrong.append(f"a push afterwards: {answer}")
    return wrong


def json_key(record):
    return record["seq"], record["prev"]


@drill("control-killed", full={"every": 1}, short={"every": 0})
def control_killed(d):
    """kill -9 of weir-control at every place that it names (--crash-points), and what the next start makes of it"""
    with Rig("crash", settings=QUICK) as rig:
        traffic = rig.traffic(rate=60)
        names = points(rig)
        chosen = [name for name in names if d.counts["every"] or name in SHORT]
        unreached, seen, bad = [], 0, []
        for number, name in enumerate(chosen):
            rig.control_stop()
            course = Course(rig, number)
            died = rig.shell.run(f"WEIR_CRASH_POINT={name} control_start {rig.config}", 60)[0] != 0 or course.run()
            before = rig.journal()
            rig.shell.run("control_stop")
            rig.control_start()
            if not died:
                unreached.append(name)
            seen += died
            if wrong := after(rig, course, before):
                bad.append(f"{name}: {wrong}")
        d.check(f"killed at {len(chosen)} of {len(names)} places", f"{seen} died there, not reached: {unreached}",
                seen >= len(chosen) * 0.8)
        d.check("afterwards: nothing acknowledged lost, live is what the journal says, pushes work",
                f"{len(bad)} otherwise {' '.join(bad)[:700]}", not bad)
        verifies(d, rig, "after all")
        steady(d, traffic)
        d.alive(rig)
