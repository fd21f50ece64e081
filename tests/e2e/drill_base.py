"""drill_base: what a drill is: something done to Weir on purpose, and what was asked of it held against what was seen.

A drill is a function with a name, a sentence and counts that can be made smaller or larger; it takes a Drill and says
its findings with `check`. It makes its own wire (drill_rig.Rig), so drills depend on nothing that came before.
"""
import time

import drill_rig
import sanitizers

ALL = {}  # name -> Spec, in the order in which they are told


class Spec:
    def __init__(self, name, text, run, full, short):
        self.name, self.text, self.run, self.full, self.short = name, text, run, full, short


def drill(name, full=None, short=None):
    """full: the counts by default; short: those that tests take, for what differs."""

    def keep(function):
        ALL[name] = Spec(name, function.__doc__.strip(), function, full or {}, (full or {}) | (short or {}))
        return function

    return keep


class Drill:
    """One run of one."""

    def __init__(self, spec, counts, tell=lambda row: None):
        self.name, self.counts, self.tell = spec.name, counts, tell
        self.rows, self.figures = [], {}

    def check(self, asked, seen, is_ok):
        """A finding. `seen` is told in any case."""
        row = {"drill": self.name, "asked": asked, "seen": str(seen), "ok": bool(is_ok)}
        self.rows.append(row)
        self.tell(row)
        return row["ok"]

    def whole(self, outcome):
        """What is true of all of them."""
        wrong = [f"{i}: {outcome.tries[i]}" for i in outcome.lost + outcome.twice + outcome.spam_through][:3]
        return self.check("no mail lost, doubled, or let through that is spam",
                          " ".join([outcome.line(), *wrong]), outcome.is_whole())

    def alive(self, rig):
        self.check("the data plane is the one that was started", "it runs" if rig.is_alive() else "it ended",
                   rig.is_alive())


def run(spec, counts, tell):
    """-> Drill. What the drill itself could not do is a finding, too: nothing is proved then."""
    it, start = Drill(spec, counts, tell), time.monotonic()
    try:
        spec.run(it)
        if not it.rows:
            it.check("findings", "none", False)
    except drill_rig.RigError as why:
        it.check("the set-up", str(why)[-300:], False)
    except (OSError, KeyError, IndexError, ValueError, TypeError, AttributeError) as why:
        at = why.__traceback__
        while at.tb_next:
            at = at.tb_next
        it.check("the drill comes to its end",
                 f"{type(why).__name__} {why} ({at.tb_frame.f_code.co_name}:{at.tb_lineno})", False)
    for found in sanitizers.reports():
        it.check("sanitizers find nothing", found, False)
    it.figures["seconds"] = round(time.monotonic() - start, 1)
    return it
