#!/usr/bin/env python3
"""control_stranger: what other users of the machine can do to weir-control through its socket: nothing that is not theirs.

    control_stranger_test.py        (root, to become somebody else; 77 when it is not)
"""
import json
import os
import subprocess
import sys
import time

import sanitizers
from control_rig import ALL_FORCED, Control

PUSHER, STRANGER = 65534, 64999
TALK = """
import socket, sys
peer = socket.socket(socket.AF_UNIX)
peer.connect(sys.argv[1])
try:
    peer.sendall(sys.argv[2].encode() + b"\\n")
except OSError:
    pass
data = b""
try:
    while piece := peer.recv(65536):
        data += piece
except OSError:
    pass
sys.stdout.write(data.decode())
"""
CROWD = """
import socket, sys, time
peers = [socket.socket(socket.AF_UNIX) for _ in range(200)]
for peer in peers:
    peer.setblocking(False)
    try:
        peer.connect(sys.argv[1])
    except OSError:
        pass
print("in", flush=True)
time.sleep(60)
"""


def become(uid, code, *arguments):
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "python3", "-c", code, *arguments]


def ask_as(c, uid, verb, **members):
    done = subprocess.run(become(uid, TALK, os.path.join(c.folder, "control.sock"), json.dumps({"verb": verb, **members})),
                          capture_output=True, check=True)
    return json.loads(done.stdout.split(b"\n")[-2])


def a_pusher_reads_no_secrets_through_diagnostics(c):
    def put(name, mode):
        path = os.path.join(c.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="ascii") as file:
            file.write("password hunter2\n")
        os.chmod(path, mode)
        return path
    hidden = put("hidden/a.cf", 0o644)
    os.chmod(os.path.dirname(hidden), 0o700)
    secret, mixed = put("secret.cf", 0o600), put("mixed/b.cf", 0o640)
    link = os.path.join(c.folder, "link.cf")
    os.symlink(secret, link)
    for path in (hidden, os.path.dirname(hidden), secret, os.path.dirname(mixed), link, "/proc/self/maps", "/dev/zero",
                 os.path.join(c.folder, "state"), os.path.join(c.folder, "nothing")):
        answer = ask_as(c, PUSHER, "push", path=path, force=ALL_FORCED, wait=True)
        assert answer["state"] == "REJECTED" and "hunter2" not in json.dumps(answer), (path, answer)
    assert ask_as(c, PUSHER, "push", path=c.rules(), force=ALL_FORCED, wait=True)["ok"]


def strangers_keep_no_operator_out(c):
    assert "neither" in ask_as(c, STRANGER, "status")["error"]
    with subprocess.Popen(become(STRANGER, CROWD, os.path.join(c.folder, "control.sock")), stdout=subprocess.PIPE) as crowd:
        crowd.stdout.readline()
        time.sleep(0.3)
        try:
            assert c.ask("status").get("ok") and c.ask("rollback").get("ok")
        finally:
            crowd.kill()


def main():
    if os.geteuid() != 0:
        return 77
    failed = 0
    for test in (a_pusher_reads_no_secrets_through_diagnostics, strangers_keep_no_operator_out):
        with Control(control={"push_group": "nogroup"}) as c:
            os.chmod(c.folder, 0o755)
            for _ in range(2):
                assert c.push(force=ALL_FORCED)["ok"]
            test(c)
        found = sanitizers.reports()
        failed += len(found)
        print(f"FAIL {test.__name__}: {'; '.join(found)}" if found else f"ok {test.__name__}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
