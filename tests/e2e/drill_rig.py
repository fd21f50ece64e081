"""drill_rig: a wire with both of Weir's processes in it, a real MTA behind it and traffic through it, from Python.

The wire is lib.sh's: a shell that has sourced it runs in the background and is given commands, so there is one way
only in which namespaces, Weir and Postfix are made and ended. When the rig is closed, or Python ends, so does the
shell's input, and it takes all down.

    with Rig("co-uk") as rig:              the wire, the data plane, Postfix, weir-control, and a first rule set live
        traffic = rig.traffic(rate=50)     clients (drill_traffic.py)
        rig.push(rig.rules("candidate", CO_UK), force=("preflight",))
        rig.wait_state(2, "QUARANTINED")
        outcome = traffic.end()            what became of each message, held against what the MTA delivered
"""
import collections
import json
import os
import re
import select
import shlex
import signal
import socket
import subprocess
import sys
import time

E2E = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(E2E))
sys.path.insert(0, E2E)
import link  # noqa: E402  the data plane's socket
import sanitizers  # noqa: E402

DONE, REFUSED, USAGE, UNREACHABLE = 0, 1, 2, 3  # weirctl's exit codes

# Of [control.rollout], in a hurry. A drill says what it wants otherwise.
HURRY = {
    "shadow": "2 s", "canary": "2 s", "probation": "2 s",
    "shadow_messages": 100, "canary_messages": 50, "probation_messages": 100, "strata": 3, "strata_units": 5,
    "stage_max": "60 s", "shadow_share": "100 %", "canary_share": "50 %", "reverse_share": "20 %",
    "reverse_window": "60 s", "lease": "8 s", "budget": "90 %", "defer_tries": 2, "units_proven": 20,
}

# What the rules in force refuse of drill_traffic's mail; and the rule sets that drills push. A rule set of that
# kind needs no more rules than it takes to do its harm: drills are about what Weir does then.
LIVE = ("header   DRILL_SPAM X-Drill-Spam =~ /^yes/\nscore    DRILL_SPAM 10\n"
        "body     DRILL_PILLS /\\bcheap (?:pills|watches)\\b/i\nscore    DRILL_PILLS 3\n"
        "header   DRILL_NO_ID Message-ID !~ /^<.*>$/\nscore    DRILL_NO_ID 1\n")
with open(os.path.join(ROOT, "tests", "data", "rules", "co-uk.cf"), encoding="utf-8") as _file:
    CO_UK = re.sub(r"(?m)^(score\s+CO_UK) .*", r"\1 100", _file.read())


class RigError(Exception):
    """The set-up did not come to be: nothing can be said about the product."""


class Shell:
    """A bash that has sourced lib.sh."""

    def __init__(self):
        self.process = subprocess.Popen(["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL,
                                        start_new_session=True)
        self.buffer = b""
        self.run(f". {shlex.quote(E2E)}/lib.sh")

    def run(self, command, seconds=120):
        """-> (exit status, what it printed)."""
        self.process.stdin.write(f"{{ {command}\n}} 2>&1 </dev/null; RIG_SAID=$?; echo; echo \"@@ $RIG_SAID\"\n".encode())
        self.process.stdin.flush()
        end = time.monotonic() + seconds
        while not (found := re.search(rb"\n@@ (\d+)\n", self.buffer)):
            if not select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))[0]:
                raise RigError(f"{command}: not within {seconds} s; {self.buffer.decode(errors='replace')[-300:]}")
            octets = os.read(self.process.stdout.fileno(), 65536)
            if not octets:
                raise RigError(f"{command}: {self.buffer.decode(errors='replace')[-300:]}")
            self.buffer += octets
        said, self.buffer = self.buffer[:found.start()], self.buffer[found.end():]
        return int(found[1]), said.decode(errors="replace").strip()

    def must(self, command, seconds=120):
        status, said = self.run(command, seconds)
        if status:
            raise RigError(f"{command}: {said[-400:]}")
        return said

    def close(self):
        try:
            self.process.stdin.close()
            self.process.wait(60)
        except (OSError, subprocess.TimeoutExpired):
            self.process.terminate()
            self.process.wait(20)


class Rig:
    """See above. `settings`: of [control.rollout]; `lines`: more of appliance.cfg; `live`: the first rule set's text;
    `frames`: how many a device's queue holds."""

    def __init__(self, name, settings=None, lines=(), live=LIVE, mta="postfix", control=True, frames=4096):
        self.name, self.live, self.mta = name, live, mta
        self.traffics, self.pushes = [], 0
        self.shell = Shell()
        try:
            self.shell.must(f"WEIR_FRAMES={frames}")
            self.up(HURRY | (settings or {}), lines, control)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.close()

    def up(self, settings, lines, control):
        sh = self.shell
        # A folder that outlives the shell can be looked at: WEIR_E2E_KEEP, as for the other tests.
        sh.must("wire_up")
        self.work = sh.must("echo $WORK")
        self.config, self.link_path = f"{self.work}/appliance.cfg", f"{self.work}/link.sock"
        self.control_path, self.state_path = f"{self.work}/control.sock", f"{self.work}/control"
        self.weirctl, self.control = sh.must("echo $WEIRCTL"), sh.must("echo $CONTROL")
        # [rules] comes last of weir_config's lines, so that a drill can add to it.
        extra = " ".join(map(shlex.quote, [*lines, "[rules]", f"state = {self.work}/live"]))
        sh.must(f"weir_config {self.config} {extra}")
        wanted = " ".join(shlex.quote(f"{key} = {value}") for key, value in settings.items())
        sh.must(f"control_config {self.config} {wanted}")
        sh.must(f"weir_start {self.config}")
        if self.mta == "postfix":
            # A provider's: mail for several domains. Connections end with refusals: no delay for those.
            domains = "server.test, north.example.de, south.example.co.uk, west.example.com"
            sh.must(f"postfix_start 'virtual_mailbox_domains = {domains}' 'smtpd_error_sleep_time = 0' "
                    "'smtpd_client_event_limit_exceptions = static:all'")
        else:
            sh.must("sink_start")
        if control:
            self.control_up()

    def control_up(self):
        """weir-control, and the first rule set live."""
        self.control_start()
        code, answer = self.push(self.rules("first"), force=("preflight",), wait=True)
        if code:
            raise RigError(f"the first rule set did not become live: {answer}")

    def close(self):
        for traffic in self.traffics:
            traffic.kill()
        self.look()
        self.shell.close()

    def look(self):
        """What both processes said so far."""
        for name in ("dataplane.log", "control.log"):
            path = os.path.join(getattr(self, "work", ""), name)
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as file:
                    sanitizers.look(file.read())

    # ---- rules

    def rules(self, name, *texts, base=True):
        """A folder of rules: the live ones and these."""
        folder = f"{self.work}/{name}.rules"
        os.makedirs(folder, exist_ok=True)
        parts = ([self.base_rules(), self.live] if base else []) + list(texts)
        for number, text in enumerate(parts):
            with open(f"{folder}/{number}.cf", "w", encoding="utf-8") as file:
                file.write(text)
        return folder

    @staticmethod
    def base_rules():
        with open(os.path.join(ROOT, "rules", "base.cf"), encoding="utf-8") as file:
            return file.read()

    def image(self, name, *texts, base=True):
        """The same, compiled, for the link."""
        path = f"{self.work}/{name}.image"
        self.shell.must(f"weir_image {self.rules(name, *texts, base=base)} {path}")
        return path

    # ---- the operator

    def ctl(self, *words, seconds=120):
        """-> (exit code, the answer)."""
        command = [self.weirctl, *words, "--json", "--socket", self.control_path]
        try:
            ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            return -1, {"error": f"no end within {seconds} s"}
        for line in reversed(ran.stdout.decode(errors="replace").strip().split("\n")):
            try:
                answer = json.loads(line)
            except ValueError:
                continue
            if isinstance(answer, dict):
                return ran.returncode, answer
        return ran.returncode, {"error": (ran.stdout + ran.stderr).decode(errors="replace").strip()[-300:]}

    def push(self, folder, *options, force=(), wait=False, **more):
        words = ["push", folder, *options]
        if force:
            words += ["--force", ",".join(force)]
        if wait:
            words += ["--wait"]
        return self.ctl(*words, **more)

    # ---- what is

    def journal(self):
        """The records, as they are on the disk; a line in the making is left out."""
        try:
            with open(f"{self.state_path}/journal/journal.jsonl", "rb") as file:
                lines = file.read().split(b"\n")[:-1]
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in lines if line]

    def states(self, generation):
        """Its states so far, in order."""
        return [r.get("state") for r in self.journal() if r["event"] == "state" and r.get("generation") == generation]

    def state(self, generation):
        return (self.states(generation) or [None])[-1]

    def newest(self):
        return max((r.get("generation", 0) for r in self.journal()), default=0)

    def wait_state(self, generation, *wanted, seconds=60):
        """Until its state is one of these, or was. -> the state that it is in; None: it never was."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            states = self.states(generation)
            if set(states) & set(wanted):
                return states[-1]
            time.sleep(0.02)
        return None

    def why(self, generation):
        """What the journal says of it last."""
        said = [r for r in self.journal() if r.get("generation") == generation]
        return json.dumps(said[-1])[:300] if said else "the journal has nothing of it"

    def plane(self):
        """The data plane's state (link.py)."""
        with link.Link(self.link_path) as peer:
            return peer.status()

    def wait_plane(self, check, seconds=30):
        """-> the state for which check is true, or None."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if check(state := self.plane()):
                    return state
            except OSError:
                pass
            time.sleep(0.01)
        return None

    def records(self):
        with open(f"{self.work}/messages.json", "rb") as file:
            lines = file.read().split(b"\n")[:-1]
        return [json.loads(line) for line in lines if line]

    # ---- processes

    def control_kill(self):
        self.shell.must("control_kill")

    def control_start(self):
        self.shell.must(f"control_start {self.config}")
        end = time.monotonic() + 20
        while not self.ctl("status")[1].get("dataplane", {}).get("reachable"):
            if time.monotonic() > end:
                raise RigError("weir-control does not reach the data plane")
            time.sleep(0.05)

    def control_stop(self):
        self.shell.must("control_stop")

    def is_alive(self):
        return self.shell.run("weir_alive")[0] == 0

    def traffic(self, **settings):
        traffic = Traffic(self, len(self.traffics) + 1, settings)
        self.traffics.append(traffic)
        return traffic

    def delivered(self):
        """Message-ID (left of @) -> how often it was delivered."""
        found = collections.Counter()
        if self.mta == "sink":
            with open(f"{self.work}/sink.json", encoding="utf-8") as file:
                for line in file:
                    found[json.loads(line).get("message_id", "").split("@")[0]] += 1
            return found
        # A message with two recipients is delivered twice: each file says for whom.
        for folder, _, names in os.walk(f"{self.work}/postfix/mail"):
            if os.path.basename(folder) != "new":
                continue
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    head = file.read(4096)
                if named := re.search(rb"(?mi)^Message-ID: *<([^@>]*)@", head):
                    whom = re.search(rb"(?mi)^X-Original-To: *(\S+)", head)
                    found[named[1].decode(), whom[1].decode().lower() if whom else ""] += 1
        merged = collections.Counter()
        for (identity, _), count in found.items():
            merged[identity] = max(merged[identity], count)
        return merged


class Traffic:
    """Clients, running."""

    def __init__(self, rig, number, settings):
        self.rig, self.path = rig, f"{rig.work}/traffic{number}.json"
        namespace = rig.shell.must("echo $NA")
        settings = {"seed": number} | settings
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", namespace, sys.executable, f"{E2E}/drill_traffic.py", "--out", self.path,
             "--settings", json.dumps(settings)],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=open(f"{rig.work}/traffic{number}.log", "wb"))
        self.wait(lambda tries: len(tries) > 0, 20)

    def tell(self, **settings):
        self.process.stdin.write(json.dumps(settings).encode() + b"\n")
        self.process.stdin.flush()

    def tries(self):
        try:
            with open(self.path, "rb") as file:
                lines = file.read().split(b"\n")[:-1]
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in lines if line]

    def wait(self, check, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if check(self.tries()):
                return True
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        return False

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def end(self, seconds=90):
        """No new mail; what waits is let through; then what became of it all."""
        try:
            self.tell(stop=True)
            self.process.wait(seconds)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            pass
        ended_well = self.process.poll() == 0
        self.kill()
        return Outcome(self.tries(), self.rig, ended_well)


class Outcome:
    """What became of each message: lists of ids."""

    def __init__(self, tries, rig, ended_well):
        self.ended_well = ended_well
        self.about, self.tries = {}, collections.defaultdict(list)
        for line in tries:
            if "id" in line:
                self.tries[line["id"]].append((line["at"], line["code"], line["text"]))
                if line["try"] == 1:
                    self.about[line["id"]] = line
        self.sent = list(self.about)
        self.good = [i for i in self.sent if not self.about[i]["spam"]]
        self.spam = [i for i in self.sent if self.about[i]["spam"]]
        accepted = {i for i in self.sent if self.last(i) // 100 == 2}
        got = self.settled(rig, accepted)
        self.refused = [i for i in self.good if self.last(i) // 100 == 5]
        self.deferred = [i for i in self.good
                         if any(code // 100 == 4 and "4.7.1" in text for _, code, text in self.tries[i])]
        self.broken = [i for i in self.good if any(code == 0 for _, code, _ in self.tries[i])]
        self.delivered = [i for i in self.good if i in got]
        # Accepted and never seen, or never accepted and not refused either.
        self.lost = [i for i in self.good if i not in got and i not in set(self.refused)]
        self.spam_through = [i for i in self.spam if i in got]
        # Twice is fair only where an answer was lost.
        self.twice = [i for i in self.good if got[i] > 1 and i not in set(self.broken)]
        self.refused_and_delivered = [i for i in self.refused if i in got]

    def last(self, identity):
        return self.tries[identity][-1][1]

    @staticmethod
    def settled(rig, accepted):
        """What was delivered, when all that was accepted is, or nothing has come for some seconds."""
        got, since = rig.delivered(), time.monotonic()
        while accepted - set(got) and time.monotonic() < since + 8:
            time.sleep(0.3)
            now = rig.delivered()
            if len(now) > len(got):
                since = time.monotonic()
            got = now
        return got

    def of(self, ids, **wanted):
        return [i for i in ids if all(self.about[i][key] == value for key, value in wanted.items())]

    def first_at(self, ids, code_class):
        """When the first of these was answered so; None: never."""
        times = [at for i in ids for at, code, _ in self.tries[i] if code // 100 == code_class]
        return min(times, default=None)

    def last_at(self, ids, code_class):
        return max((at for i in ids for at, code, _ in self.tries[i] if code // 100 == code_class), default=None)

    def line(self):
        return (f"{len(self.sent)} sent, {len(self.spam)} of them spam; of {len(self.good)} good: {len(self.refused)} refused, "
                f"{len(self.deferred)} deferred, {len(self.delivered)} delivered, {len(self.lost)} lost; "
                f"{len(self.spam_through)} spam delivered")

    def is_whole(self):
        """True of any drill: nobody's mail is lost or doubled, and no spam came through."""
        return (self.ended_well and not self.lost and not self.twice and not self.spam_through
                and not self.refused_and_delivered)
