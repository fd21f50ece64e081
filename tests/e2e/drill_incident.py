"""drill_incident: the incident that Weir is there for, five ways: a rule that rejects all of .co.uk is pushed.

Each way leaves out one layer more, and says what the rest let happen to mail.
"""
import time

from drill_base import drill
from drill_rig import CO_UK, REFUSED, Rig

SUFFIX = "co.uk"

# Units of one suffix, all bad, at which the data plane's tables trip at 1e10 (ROLLOUT.md); each is another sender domain.
UNITS_TO_TRIP = 6


def pushed(d, rig, force, before=None):
    """Traffic, then the rule. -> (traffic, generation, when it was pushed)."""
    traffic = rig.traffic(rate=d.counts.get("rate", 60), **(before or {}))
    time.sleep(1.5)
    number, at = rig.newest(), time.time()
    code, answer = rig.push(rig.rules("co-uk", CO_UK), force=force)
    if code != 0:
        d.check("the push is taken", answer, False)
    return traffic, number + 1, at


def harmless(d, outcome):
    d.check("0 messages harmed",
            f"{len(outcome.refused)} refused, {len(outcome.deferred)} deferred of {len(outcome.good)} good, "
            f"{len(outcome.of(outcome.good, suffix=SUFFIX))} from .{SUFFIX}",
            not outcome.refused and not outcome.deferred and outcome.of(outcome.good, suffix=SUFFIX))
    d.whole(outcome)


def deferred_only(d, outcome, connections=8):
    bound = UNITS_TO_TRIP + connections
    harmed = outcome.deferred
    d.check(f"deferred: at most {UNITS_TO_TRIP} units and {connections} in flight", f"{len(harmed)} deferred",
            0 < len(harmed) <= bound)
    d.check("0 permanent refusals of good mail", f"{len(outcome.refused)} refused", not outcome.refused)
    d.check("every deferred mail is delivered on retry",
            f"{len(set(harmed) & set(outcome.delivered))} of {len(harmed)}, after at most "
            f"{max((len(outcome.tries[i]) for i in harmed), default=0)} tries",
            harmed and set(harmed) <= set(outcome.delivered))
    d.whole(outcome)


def back_alone(d, rig, reason, seconds):
    """The data plane's own account of a return that nobody asked it for."""
    state = rig.wait_plane(lambda s: s["trip"]["seq"] > 0 and not s["candidate"].generation, seconds)
    trip = state["trip"] if state else {}
    d.check("the data plane returns alone",
            f"reason {trip.get('reason')}, n={trip.get('n')} k={trip.get('k')} {trip.get('name')}, "
            f"last worker after {trip.get('last_worker_us')} us" if state else "it did not",
            state and trip["by_data_plane"]
            and trip["reason"] == reason)
    if state:
        d.figures["last_worker_us"] = trip["last_worker_us"]
    return state


def last_worker(d, trip):
    """One look, where the machine is shared: how it is distributed is drill_swap's to say."""
    limit = d.counts["worker_ms"]
    d.figures["last_worker_us"] = trip["last_worker_us"]
    d.check(f"to the last worker in at most {limit} ms", f"{trip['last_worker_us']} us",
            trip["seq"] and trip["last_worker_us"] <= limit * 1000)


def resumes(d, rig, generation, *wanted):
    """weir-control comes back, and believes what the data plane says."""
    rig.control_start()
    state = rig.wait_state(generation, *wanted, seconds=20)
    d.check("weir-control, started again, knows", f"generation {generation}: {state}", state in wanted)
    code, answer = rig.ctl("journal", "verify")
    d.check("the journal's chain verifies", answer.get("error", "it does"), code == 0)


@drill("incident-preflight", full={"rate": 60})
def preflight_on(d):
    """.co.uk, every layer on: pre-flight stops it"""
    with Rig("preflight") as rig:
        traffic = rig.traffic(rate=d.counts["rate"])
        generation, start = rig.newest() + 1, time.time()
        code, answer = rig.push(rig.rules("co-uk", CO_UK), wait=True)
        seconds = time.time() - start
        d.figures["found_seconds"] = round(seconds, 1)
        d.check("the push is refused, in at most 60 s", f"exit {code}, {rig.state(generation)} after {seconds:.1f} s",
                code == REFUSED and rig.state(generation) == "REJECTED" and seconds <= 60)
        said = str(answer) + rig.why(generation) + str(rig.ctl("gen", "report", str(generation)))
        d.check("the report names .co.uk", "it does" if "co.uk" in said else said[:160], "co.uk" in said)
        harmless(d, traffic.end())
        d.alive(rig)


@drill("incident-shadow", full={"rate": 60})
def preflight_forced(d):
    """.co.uk, pre-flight left out: caught in shadow"""
    with Rig("shadow") as rig:
        traffic, generation, start = pushed(d, rig, ("preflight",))
        state = rig.wait_state(generation, "QUARANTINED", "LIVE")
        d.check("caught in shadow: QUARANTINED, never CANARY",
                f"{' '.join(rig.states(generation))}, {time.time() - start:.1f} s after the push",
                state == "QUARANTINED" and "CANARY" not in rig.states(generation))
        d.check("it says where", rig.why(generation), "co.uk" in rig.why(generation) or "CO_UK" in rig.why(generation))
        time.sleep(1)
        harmless(d, traffic.end())
        d.alive(rig)


@drill("incident-canary", full={"rate": 60, "worker_ms": 10}, short={"worker_ms": 100})
def shadow_forced(d):
    """.co.uk, shadow left out, too: deferred, never refused"""
    with Rig("canary") as rig:
        traffic, generation, start = pushed(d, rig, ("preflight", "shadow"))
        state = rig.wait_state(generation, "QUARANTINED", "ROLLED_BACK", "LIVE")
        d.check("back from canary or probation",
                f"{' '.join(rig.states(generation))}, {time.time() - start:.1f} s after the push",
                "ROLLED_BACK" in rig.states(generation) and "LIVE" not in rig.states(generation) and state)
        trip = rig.plane()["trip"]
        last_worker(d, trip)
        time.sleep(3)
        deferred_only(d, traffic.end())
        d.alive(rig)


@drill("incident-killed-before", full={"rate": 60})
def killed_before(d):
    """.co.uk, the controller killed in canary, before mail from there comes: the data plane returns alone"""
    with Rig("killed-before", settings={"lease": "30 s", "canary": "40 s"}) as rig:
        traffic, generation, _ = pushed(d, rig, ("preflight", "shadow"), {"leave_out": [SUFFIX]})
        d.check("it is in canary", rig.wait_state(generation, "CANARY"), rig.state(generation) == "CANARY")
        rig.wait_plane(lambda s: s["stage"] == 3)
        rig.control_kill()
        traffic.tell(leave_out=[])
        back_alone(d, rig, 2, 20)
        time.sleep(3)
        deferred_only(d, traffic.end())
        resumes(d, rig, generation, "QUARANTINED", "ROLLED_BACK")
        d.alive(rig)


@drill("incident-killed-amid", full={"rate": 60})
def killed_amid(d):
    """.co.uk, the controller killed when canary begins, under mail from there: the data plane returns alone"""
    with Rig("killed-amid", settings={"lease": "30 s", "canary_share": "20 %"}) as rig:
        traffic, generation, _ = pushed(d, rig, ("preflight", "shadow"))
        # The journal says it first: only what the data plane has entered can it leave alone.
        state = rig.wait_plane(lambda s: s["stage"] == 3 or s["trip"]["seq"] > 0)
        rig.control_kill()
        d.check("killed in canary", "it was" if state else "it never came to be", state is not None)
        state = rig.wait_plane(lambda s: s["trip"]["seq"] > 0 and not s["candidate"].generation, 30)
        d.check("the data plane has returned",
                f"reason {state['trip']['reason']}, by itself: {state['trip']['by_data_plane']}" if state
                else "it did not", state)
        time.sleep(3)
        deferred_only(d, traffic.end())
        resumes(d, rig, generation, "QUARANTINED", "ROLLED_BACK")


@drill("incident-lease", full={"rate": 60, "lease": 4})
def lease_only(d):
    """a candidate that does no harm, the controller killed: it goes when the lease runs out"""
    lease = d.counts["lease"]
    with Rig("lease", settings={"lease": f"{lease} s", "canary": "40 s"}) as rig:
        traffic, generation, _ = pushed(d, rig, ("preflight", "shadow"), {"leave_out": [SUFFIX]})
        d.check("it is in canary", rig.wait_state(generation, "CANARY"), rig.state(generation) == "CANARY")
        rig.wait_plane(lambda s: s["stage"] == 3)
        rig.control_kill()
        start = time.monotonic()
        back_alone(d, rig, 3, lease + 10)
        seconds = time.monotonic() - start
        d.check(f"when the lease of {lease} s ends", f"{seconds:.1f} s after the kill",
                lease / 2 <= seconds <= lease + 2)
        outcome = traffic.end()
        d.check("0 messages harmed", f"{len(outcome.refused)} refused, {len(outcome.deferred)} deferred",
                not outcome.refused and not outcome.deferred)
        d.whole(outcome)
        # It has done no harm: a person decides.
        resumes(d, rig, generation, "HELD")


@drill("incident-rollback", full={"rate": 60, "seconds": 5, "worker_ms": 10}, short={"seconds": 2, "worker_ms": 100})
def all_off(d):
    """.co.uk, all layers off: live at once; the operator's `weirctl rollback`"""
    with Rig("rollback", settings={"reverse_share": "0 %", "units_proven": 0}) as rig:
        first = rig.plane()["live"].generation
        traffic, generation, _ = pushed(d, rig, ("preflight", "shadow", "probation"))
        d.check("it is live at once", rig.wait_state(generation, "LIVE", seconds=20), "LIVE" in rig.states(generation))
        time.sleep(d.counts["seconds"])
        asked = time.time()
        code, answer = rig.ctl("rollback")
        answered = time.time()
        d.check("weirctl rollback", f"exit {code}, answered after {(answered - asked) * 1e3:.0f} ms", code == 0)
        state = rig.plane()
        last_worker(d, state["trip"])
        d.check("live is what it was before", f"generation {state['live'].generation}",
                state["live"].generation == first)
        time.sleep(2)
        outcome = traffic.end()
        uk = outcome.of(outcome.good, suffix=SUFFIX)
        d.check("what it did: refused until then",
                f"{len(outcome.refused)} messages, all of .{SUFFIX}, in {answered - outcome.first_at(uk, 5):.1f} s"
                if outcome.refused else "none: it was not live", outcome.refused and set(outcome.refused) <= set(uk))
        late = [i for i in outcome.refused if outcome.tries[i][-1][0] > answered]
        d.check("none after the answer", f"{len(late)} refused later", not late)
        d.whole(outcome)
        d.alive(rig)
