"""drill_verdict: rule sets that do harm otherwise, and some that do none though it looks like it."""
import datetime
import time

from drill_base import drill
from drill_incident import harmless
from drill_rig import REFUSED, Rig

BLIND = "header NOTHING Subject =~ /^no such subject has ever been seen$/\nscore NOTHING 10\n"


def by_kind(name, rule, declare=""):
    return f"header {rule} X-Drill-Kind =~ /^{name}$/\nscore {rule} 10\n{declare}"


def climbs(d, rig, generation, seconds=60):
    """It is right, so it gets there."""
    state = rig.wait_state(generation, "LIVE", "QUARANTINED", "REJECTED", "ROLLED_BACK", "HELD", seconds=seconds)
    return d.check("it goes live: not taken back", f"{' '.join(map(str, rig.states(generation)))}", state == "LIVE")


@drill("blind", full={"rate": 80})
def blind(d):
    """a rule set that has gone blind: caught in shadow by the mirror test"""
    with Rig("blind") as rig:
        traffic = rig.traffic(rate=d.counts["rate"], spam=0.3)
        time.sleep(1)
        generation = rig.newest() + 1
        code, answer = rig.push(rig.rules("blind", BLIND, base=False), wait=True)
        d.check("pre-flight refuses it", f"exit {code} {rig.state(generation)}",
                code == REFUSED and rig.state(generation) == "REJECTED")
        generation += 1
        rig.push(rig.rules("blind-2", BLIND, "# again\n", base=False), force=("preflight",))
        state = rig.wait_state(generation, "QUARANTINED", "LIVE")
        d.check("forced: caught in shadow", f"{' '.join(rig.states(generation))}: {rig.why(generation)}",
                state == "QUARANTINED" and "CANARY" not in rig.states(generation))
        generation += 1
        again = BLIND.replace("no such", "no such other")
        rig.push(rig.rules("blind-3", again, base=False), force=("preflight", "shadow"))
        state = rig.wait_state(generation, "QUARANTINED", "ROLLED_BACK", "LIVE")
        d.check("forced past shadow: back from canary", f"{' '.join(rig.states(generation))}",
                "ROLLED_BACK" in rig.states(generation) and "LIVE" not in rig.states(generation))
        time.sleep(2)
        outcome = traffic.end()
        d.check("no good mail refused or deferred", f"{len(outcome.refused)}, {len(outcome.deferred)}",
                not outcome.refused and not outcome.deferred)
        d.check("spam: refused in the end, all of it",
                f"{len(outcome.spam)} spam, {len(outcome.spam_through)} delivered",
                outcome.spam and all(outcome.last(i) // 100 == 5 for i in outcome.spam))
        d.whole(outcome)


@drill("spam-wave", full={"rate": 80})
def wave_that_both_see(d):
    """spam goes from 5 % to 60 % while a harmless rule set climbs: it must not be taken back"""
    with Rig("wave") as rig:
        traffic = rig.traffic(rate=d.counts["rate"])
        time.sleep(1)
        generation = rig.newest() + 1
        rig.push(rig.rules("harmless", "header FRIENDLY Subject =~ /\\blunch\\b/\nscore FRIENDLY 0.1\n"),
                 force=("preflight",))
        rig.wait_state(generation, "SHADOW", seconds=20)
        traffic.tell(spam=0.6)
        climbs(d, rig, generation)
        outcome = traffic.end()
        d.check("0 good messages harmed",
                f"{len(outcome.refused)} refused, {len(outcome.deferred)} deferred, of {len(outcome.sent)} "
                f"{len(outcome.spam)} were spam",
                not outcome.refused and not outcome.deferred and len(outcome.spam) > len(outcome.sent) / 4)
        d.whole(outcome)


@drill("new-wave", full={"rate": 80})
def wave_that_the_new_one_sees(d):
    """a new rule is right about a wave of spam that the old ones let through, and says so: it must not be taken back"""
    with Rig("new-wave", settings={"reject": "60 %"}) as rig:
        kinds = {"wave": {"share": 0.3, "from": "", "rcpt": ""}}
        traffic = rig.traffic(rate=d.counts["rate"], kinds=kinds)
        time.sleep(1)
        folder = rig.rules("new-wave", by_kind("wave", "NEW_WAVE"))
        generation = rig.newest() + 1
        rig.push(folder, force=("preflight",))
        state = rig.wait_state(generation, "QUARANTINED", "LIVE", seconds=40)
        d.check("not said: taken back in shadow", f"{' '.join(rig.states(generation))}", state == "QUARANTINED")
        rig.ctl("release", str(generation))
        generation += 1
        # 30 % of the mail, and of that of every suffix and domain.
        declared = ["all=45%", "rule:NEW_WAVE=60%"]
        code, answer = rig.push(folder, "--expect", "all=45%", "--expect", "rule:NEW_WAVE=60%", force=("preflight",))
        d.check(f"said ({' '.join(declared)}): it is taken", f"exit {code} {answer.get('error', '')}", code == 0)
        climbs(d, rig, generation)
        time.sleep(1)
        outcome = traffic.end()
        wave = set(outcome.of(outcome.good, kind="wave"))
        others = set(outcome.good) - wave
        d.check("the wave is refused at last", f"{len(set(outcome.refused) & wave)} of {len(wave)}",
                set(outcome.refused) & wave)
        d.check("nobody else is harmed", f"{len(set(outcome.refused) & others)} refused, "
                f"{len(set(outcome.deferred) & others)} deferred",
                not set(outcome.refused) & others and not set(outcome.deferred) & others)
        d.whole(outcome)


@drill("declared-wave", full={"rate": 80})
def wave_that_was_declared(d):
    """a new rule for a wave of spam from everywhere, declared with --expect: it must not be taken back"""
    with Rig("declared") as rig:
        kinds = {"wave": {"share": 0.4, "from": "", "rcpt": ""}}
        traffic = rig.traffic(rate=d.counts["rate"], kinds=kinds, domains=4000)
        time.sleep(1)
        generation = rig.newest() + 1
        rig.push(rig.rules("undeclared", by_kind("wave", "NEW_WAVE")), force=("preflight",))
        state = rig.wait_state(generation, "QUARANTINED", "LIVE", seconds=40)
        d.check("not declared: back from shadow", f"{' '.join(rig.states(generation))}: {rig.why(generation)}",
                state == "QUARANTINED")
        generation = rig.newest() + 1
        rig.push(rig.rules("declared", by_kind("wave", "DECLARED_WAVE")), "--expect", "rule:DECLARED_WAVE=60%",
                 force=("preflight",))
        climbs(d, rig, generation)
        time.sleep(2)
        outcome = traffic.end()
        wave = outcome.of(outcome.good, kind="wave")
        others = set(outcome.good) - set(wave)
        d.check("the wave is refused at last", f"{len(set(outcome.refused) & set(wave))} of {len(wave)} refused",
                set(outcome.refused) & set(wave))
        d.check("nobody else is harmed",
                f"{len(set(outcome.refused) & others)} refused, {len(set(outcome.deferred) & others)} deferred",
                not set(outcome.refused) & others and not set(outcome.deferred) & others)
        d.whole(outcome)


@drill("bulk-sender", full={"rate": 80})
def one_bulk_sender(d):
    """a good new rule hits one bulk sender, a fifth of the mail: one sender is one unit, it must not be taken back"""
    with Rig("bulk") as rig:
        kinds = {"bulk": {"share": 0.2, "from": "bulk-sender.com", "rcpt": ""}}
        traffic = rig.traffic(rate=d.counts["rate"], kinds=kinds)
        time.sleep(1)
        generation = rig.newest() + 1
        rig.push(rig.rules("bulk", by_kind("bulk", "NEW_BULK")), force=("preflight",))
        climbs(d, rig, generation)
        time.sleep(2)
        outcome = traffic.end()
        bulk = outcome.of(outcome.good, kind="bulk")
        others = set(outcome.good) - set(bulk)
        d.check("the bulk sender is refused at last", f"{len(set(outcome.refused) & set(bulk))} of {len(bulk)} refused",
                set(outcome.refused) & set(bulk))
        d.check("nobody else is harmed",
                f"{len(set(outcome.refused) & others)} refused, {len(set(outcome.deferred) & others)} deferred",
                not set(outcome.refused) & others and not set(outcome.deferred) & others)
        d.whole(outcome)


@drill("slow-regression", full={"share": 0.1, "rate": 0, "seconds": 120}, short={"share": 0.4, "seconds": 60})
def slow_regression(d):
    """5 % of the mail to one recipient domain: caught, if slowly, in shadow"""
    share = d.counts["share"]
    settings = {"shadow": "1 h", "stage_max": "24 h", "shadow_messages": 1000000}
    with Rig("slow", settings=settings, mta="sink") as rig:
        kinds = {"slow": {"share": share * 0.05, "rcpt": "west.example.com", "from": ""}}
        traffic = rig.traffic(rate=d.counts["rate"], kinds=kinds, rcpt_share={"west.example.com": share}, domains=8000,
                              spam=0.02)
        time.sleep(1)
        generation, start = rig.newest() + 1, time.time()
        rig.push(rig.rules("slow", by_kind("slow", "REGRESSION")), force=("preflight",))
        state = rig.wait_state(generation, "QUARANTINED", seconds=d.counts["seconds"])
        d.check("caught in shadow",
                f"{' '.join(rig.states(generation))}, {time.time() - start:.0f} s after the push: {rig.why(generation)}",
                state == "QUARANTINED" and "CANARY" not in rig.states(generation))
        harmless(d, traffic.end())


@drill("small-suffix", full={"rate": 80})
def small_suffix(d):
    """a suffix that sent nothing while its rule climbed: it stays on probation after LIVE"""
    with Rig("small") as rig:
        traffic = rig.traffic(rate=d.counts["rate"], leave_out=["io"])
        time.sleep(1)
        generation = rig.newest() + 1
        rig.push(rig.rules("io", "header DOT_IO From:addr =~ /\\.io$/i\nscore DOT_IO 100\n"), force=("preflight",))
        if not climbs(d, rig, generation):
            return
        time.sleep(1)
        traffic.tell(leave_out=[], only=["com", "io", "de"])
        state = rig.wait_state(generation, "ROLLED_BACK", "QUARANTINED", seconds=30)
        d.check("its evidence takes the rule set back", f"{' '.join(rig.states(generation))}: {rig.why(generation)}",
                state)
        time.sleep(2)
        outcome = traffic.end()
        small = outcome.of(outcome.good, suffix="io")
        d.check("0 refused: deferred until then",
                f"of {len(small)} from .io {len(set(outcome.refused) & set(small))} refused, "
                f"{len(set(outcome.deferred) & set(small))} deferred",
                small and not outcome.refused and set(outcome.deferred) & set(small))
        d.check("and delivered on retry", f"{len(set(small) & set(outcome.delivered))} of {len(small)}",
                set(small) <= set(outcome.delivered))
        d.whole(outcome)


@drill("time-bomb", full={"rate": 80})
def time_bomb(d):
    """a rule about dates that becomes true next year: found by the shifted clocks; forced, caught in reverse shadow"""
    year = datetime.date.today().year + 1
    rule = f"header BOMB Date =~ /\\b(?:{year}|{year + 1}|2038)\\b/\nscore BOMB 100\n"
    share, connections = 0.2, 8
    with Rig("bomb", settings={"reverse_share": f"{share:.0%}".replace("%", " %")}) as rig:
        traffic = rig.traffic(rate=d.counts["rate"], connections=connections)
        generation = rig.newest() + 1
        code, answer = rig.push(rig.rules("bomb", rule), wait=True)
        said = str(answer) + rig.why(generation) + str(rig.ctl("gen", "report", str(generation)))
        d.check("pre-flight refuses it, for its dates", f"exit {code} {rig.state(generation)}",
                code == REFUSED and "clock" in said)
        generation += 1
        rig.push(rig.rules("bomb-2", rule, "# again\n"), force=("preflight",))
        if not climbs(d, rig, generation):
            return
        time.sleep(1)
        start = time.time()
        traffic.tell(date_shift=370 * 86400)
        state = rig.wait_state(generation, "ROLLED_BACK", "QUARANTINED", seconds=30)
        d.check("the year comes: reverse shadow takes it back",
                f"{' '.join(rig.states(generation))}, after {time.time() - start:.1f} s", state)
        time.sleep(2)
        outcome = traffic.end()
        # Six units of a suffix, or nine of all, of the fifth that is judged twice; thrice that, as chance has it.
        bound = int(3 * 9 / share) + connections
        d.figures["refused"] = len(outcome.refused)
        d.check(f"refused meanwhile: at most {bound}",
                f"{len(outcome.refused)} refused, {len(outcome.deferred)} deferred", len(outcome.refused) <= bound)
        late = [i for i in outcome.good if outcome.tries[i][0][0] > start + 20 and i not in outcome.delivered]
        d.check("and delivered again after", f"{len(late)} not", not late)
        d.whole(outcome)
