"""control_rig: weir-control over a fake data plane (fake_plane.py), and somebody who talks to it."""
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time

import sanitizers
from fake_plane import Plane

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CONTROL = os.path.join(os.environ.get("WEIR_BUILD", os.path.join(ROOT, "build")), "control", "weir-control")

CONFIG = """[link]
socket = {folder}/plane.sock
[verdict]
refuse = 5.0
[control]
socket = {folder}/control.sock
state = {folder}/state
{control}
[control.preflight]
cost = 1000 %
[control.rollout]
{rollout}
"""
QUICK = {"shadow": "50 ms", "canary": "50 ms", "probation": "50 ms", "shadow_messages": 0, "canary_messages": 0,
         "probation_messages": 0, "strata": 0, "lease": "2 s"}
ALL_FORCED = ["preflight", "shadow", "probation"]


class Control:
    def __init__(self, rollout=None, control=None, plane=True):
        self.folder = tempfile.mkdtemp(prefix="weir-control-")
        os.chmod(self.folder, 0o755)
        self.config = os.path.join(self.folder, "appliance.cfg")
        lines = lambda more: "\n".join(f"{k} = {v}" for k, v in more.items())
        with open(self.config, "w", encoding="ascii") as file:
            file.write(CONFIG.format(folder=self.folder, control=lines({"generations": 6, **(control or {})}),
                                     rollout=lines({**QUICK, **(rollout or {})})))
        self.plane = Plane(self.folder, self.golden) if plane else None
        self.env = sanitizers.without_leaks() if "user" in (control or {}) or os.geteuid() else {}
        self.process, self.rules_cnt = None, 0

    def __enter__(self):
        self.begin()
        return self

    def __exit__(self, *_):
        self.end()
        sanitizers.look(self.log())
        if self.plane:
            self.plane.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- the process

    def begin(self, crash=None, wait=True, **more):
        env = {**os.environ, **self.env, "WEIR_CACHE": os.path.join(self.folder, "cache"), **more}
        if crash:
            env["WEIR_CRASH_POINT"] = crash
        self.said = open(os.path.join(self.folder, "log"), "ab")
        self.process = subprocess.Popen([CONTROL, "--config", self.config], env=env, stderr=self.said)
        if wait:
            self.until(lambda: self.ask("status").get("dataplane", {}).get("reachable") or self.is_dead())

    def is_dead(self):
        return self.process.poll() is not None

    def end(self):
        if self.process and not self.is_dead():
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
        if self.process:
            self.process.wait()
            self.said.close()
        self.process = None

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.said.close()

    def log(self):
        with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    # ---- talking

    def lines(self, verb, seconds=30, **members):
        """All lines of an answer; [] when it cannot be reached, or dies."""
        out, data = [], b""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
                peer.settimeout(seconds)
                peer.connect(os.path.join(self.folder, "control.sock"))
                peer.sendall(json.dumps({"verb": verb, **members}).encode() + b"\n")
                while piece := peer.recv(65536):
                    data += piece
        except OSError:
            pass
        for line in data.split(b"\n"):
            if line:
                out.append(json.loads(line))
        return out

    def ask(self, verb, **members):
        lines = self.lines(verb, **members)
        return lines[-1] if lines and "ok" in lines[-1] else {}

    def rules(self, text=None):
        """A folder with one rule in it, different from all others."""
        self.rules_cnt += 1
        path = os.path.join(self.folder, f"rules-{self.rules_cnt}")
        os.mkdir(path)
        with open(os.path.join(path, "a.cf"), "w", encoding="ascii") as file:
            file.write(text or f"header R_{self.rules_cnt} Subject =~ /^no {self.rules_cnt}$/\nscore R_{self.rules_cnt} 6\n")
        return path

    def push(self, path=None, force=("preflight",), wait=True, **more):
        return self.ask("push", path=path or self.rules(), force=list(force), wait=wait, **more)

    def state(self, generation):
        return self.ask("gen-show", generation=generation).get("state")

    def until(self, what, seconds=10):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := what():
                return found
            time.sleep(0.01)
        return None

    # ---- the journal

    def records(self):
        try:
            with open(os.path.join(self.folder, "state/journal/journal.jsonl"), encoding="utf-8") as file:
                return [json.loads(line) for line in file.read().split("\n")[:-1]]
        except OSError:
            return []

    def golden(self, digest):
        for record in reversed(self.records()):
            if record.get("digest") == digest and "golden" in record:
                return record["golden"]
        return "0" * 64
