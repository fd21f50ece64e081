#!/usr/bin/env python3
"""demo_story: what tools/demo shows, told with drill_rig. Each claim is held against what was seen; the table at the end has both.

    demo_story.py [--keep] [--json FILE]
"""
import argparse
import json
import os
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from drill_rig import CO_UK, E2E, LIVE, REFUSED, Rig, RigError  # noqa: E402

SUFFIX = "co.uk"
CLAIMS = []


def step(text):
    print(f"\n== {text}", flush=True)


def claim(text, seen, is_ok):
    CLAIMS.append({"claim": text, "seen": str(seen), "ok": bool(is_ok)})
    print(f"   {seen}: {'ok' if is_ok else 'NO'}", flush=True)


class Client:
    """swaks, as a person would use it."""

    def __init__(self, rig):
        self.rig = rig

    def send(self, *words):
        """-> (whether it was accepted, the server's last word about it)."""
        quoted = " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)
        status, _ = self.rig.shell.run(f'swaks_send "$WORK/said" {quoted}', 90)
        with open(f"{self.rig.work}/said", encoding="utf-8", errors="replace") as file:
            answers = [line for line in file if re.match(r"<(-|\*\*)", line) and "221 " not in line]
        return status == 0, re.sub(r"^<[-*]* *", "", answers[-1]).strip() if answers else "no answer"

    def has(self, text):
        return self.rig.shell.run(f"postfix_has {text}")[0] == 0

    def got(self, text):
        return self.rig.shell.run(f"postfix_got {text}")[0] == 0

    def delivered(self, name, subject, *words):
        accepted, answer = self.send("--from", "a@client.test", "--header", f"Subject: {subject}", *words)
        claim(name, answer, accepted and self.got(subject))

    def refused(self, name, subject, *words):
        accepted, answer = self.send("--from", "a@client.test", "--header", f"Subject: {subject}", *words)
        claim(name, answer, not accepted and answer.startswith("550 5.7.1 ") and not self.has(subject))


def good_and_bad(rig):
    client, work, sh = Client(rig), rig.work, rig.shell
    step("good mail")
    client.delivered("good mail is delivered", "good-mail", "--body", "Lunch at noon?")
    step("spam (the GTUBE test text), with both sides of the wire recorded")
    sh.must("capture_start -p tcp")
    client.refused("spam is refused, the client sees why", "gtube-mail", "--body", sh.must('echo "$GTUBE"'))
    sh.must("capture_stop")
    port = sh.run(f"tshark -r {work}/outside.pcap -Y 'tcp.flags.syn == 1 && tcp.dstport == 25' -T fields -e tcp.srcport 2>/dev/null | tail -n 1")[1]
    _, trace = sh.run(f"python3 {E2E}/trace.py {work}/outside.pcap {work}/inside.pcap {port or 0} --print")
    print("\n".join(line for line in trace.split("\n") if not line.startswith("ok")))
    good = re.findall(r"(?m)^ok trace/(\S+)", trace)
    bad = re.findall(r"(?m)^FAIL trace/(\S+)", trace)
    claim("the 550 is in the server's sequence space", f"{len(good)} of {len(good) + len(bad)} checks of the trace",
          "550-in-the-server" in
          " ".join(good))
    claim("the server never got the end, and was reset", f"{trace.count('RST')} RST, none to the client",
          {"server-never-had-the-end", "server-reset", "client-not-reset"} <= set(good) and not bad)
    step("malware (the EICAR test file), attached in base64")
    sh.must('eicar >"$WORK/eicar.com"')
    client.refused("malware is refused", "eicar-mail", "--body", "see the attachment", "--attach-type",
                   "application/octet-stream",
                   "--attach-name", "eicar.com", "--attach", f"@{work}/eicar.com")


def swap_under_load(rig):
    step("rules change under load: a good rule set goes through every stage, and comes back")
    sh, work = rig.shell, rig.work
    # Octet for octet: mail.py's clients remember what they sent. Mixed senders are the evidence that a candidate needs.
    sh.must(f"ip netns exec $NA timeout 120 python3 {E2E}/mail.py send --mail made --seconds 25 --out {work}/sent.json --connections 4 "
            f">{work}/load 2>&1 </dev/null & LOAD_PID=$!; PIDS+=($LOAD_PID)")
    traffic = rig.traffic(rate=60)
    time.sleep(1)
    first, start = rig.plane()["live"].generation, time.time()
    code, answer = rig.push(rig.rules("good", "body GOOD_RULE /\\bbuy our stock\\b/i\nscore GOOD_RULE 4\n"), wait=True)
    live = rig.plane()["live"].generation
    claim("a good rule set goes live by itself", f"{' '.join(rig.states(live))}, {time.time() - start:.0f} s",
          code == 0 and live != first)
    code, answer = rig.ctl("rollback")
    state = rig.plane()
    claim("weirctl rollback: the former one at once",
          f"generation {state['live'].generation}, last worker after {state['trip']['last_worker_us']} us",
          code == 0 and state["live"].generation == first)
    outcome = traffic.end()
    claim("mixed traffic meanwhile: all delivered", outcome.line(),
          outcome.is_whole() and not outcome.refused and not outcome.deferred)
    sh.run("wait $LOAD_PID", 120)
    stored = (r"postfix_mail | tr '\n' '\0' | xargs -0r grep -lE '^Return-Path: <m[0-9]+@client.test>' >$WORK/names; "
              r'[ "$(grep -c . "$WORK/names")" -ge "$(grep -c . "$WORK/sent.json")" ]')
    sh.run(f"stored() {{ {stored}; }}; wait_for 20 stored; mkdir -p $WORK/load.mail/new; tr '\\n' '\\0' <$WORK/names | xargs -0r cp -t $WORK/load.mail/new")
    status, said = sh.run(f"python3 {E2E}/mail.py compare --sent {work}/sent.json --got {work}/load.mail")
    claim("the load: no message lost or changed", said.split("\n")[0], status == 0)
    state = rig.plane()
    claim("no frame was dropped", f"{state['dropped_frames']} dropped of {state['rx_frames']}",
          state["dropped_frames"] == 0)
    status, said = sh.run("in_a ping -c 10 -i 0.05 -W 1 -q $SERVER | grep -o '[0-9]* received'")
    claim("what is not mail passes: ping", said, said == "10 received")


def the_incident(rig):
    step(f"the incident: a rule that rejects all of .{SUFFIX}, with mail from everywhere flowing")
    traffic = rig.traffic(rate=60)
    time.sleep(2)
    folder, start = rig.rules("co-uk", CO_UK), time.time()
    code, answer = rig.push(folder, wait=True)
    generation, seconds = rig.newest(), time.time() - start
    said = str(answer) + str(rig.ctl("gen", "report", str(generation)))
    claim(f"1. pushed: pre-flight stops it, names .{SUFFIX}", f"{rig.state(generation)} in {seconds:.1f} s",
          code == REFUSED
          and rig.state(generation) == "REJECTED" and SUFFIX in said and seconds <= 60)

    start = time.time()
    rig.push(folder, force=("preflight",))
    generation = rig.newest()
    state = rig.wait_state(generation, "QUARANTINED", "LIVE", "HELD", seconds=60)
    claim("2. forced past it: caught in shadow", f"{' '.join(rig.states(generation))} in {time.time() - start:.1f} s",
          state == "QUARANTINED" and "CANARY" not in rig.states(generation))
    time.sleep(3)
    outcome = traffic.end()
    claim("   messages harmed until here: 0",
          f"{len(outcome.of(outcome.good, suffix=SUFFIX))} from .{SUFFIX}: {len(outcome.refused)} refused, "
          f"{len(outcome.deferred)} deferred", outcome.is_whole() and not outcome.refused and not outcome.deferred)
    code, answer = rig.push(folder, force=("preflight", "shadow"), wait=True)
    claim("   pushed again: quarantined by its content", answer.get("error", answer.get("text", ""))[:80],
          code == REFUSED)

    traffic = rig.traffic(rate=60)
    time.sleep(1)
    rig.ctl("release", str(generation))
    start = time.time()
    rig.push(folder, force=("preflight", "shadow"))
    generation = rig.newest()
    state = rig.wait_state(generation, "ROLLED_BACK", "LIVE", "HELD", seconds=60)
    plane = rig.plane()
    claim("3. forced past that: deferred, and returned",
          f"{' '.join(rig.states(generation))} in {time.time() - start:.1f} s, last worker after "
          f"{plane['trip']['last_worker_us']} us",
          "ROLLED_BACK" in rig.states(generation) and "LIVE" not in rig.states(generation))
    told = public(rig)
    time.sleep(4)
    outcome = traffic.end()
    harmed = outcome.deferred
    claim("   refused for good: 0",
          f"{len(outcome.refused)} of {len(outcome.good)}; no spam through: {len(outcome.spam)} refused",
          not outcome.refused and outcome.is_whole())
    claim("   deferred mail is delivered on retry",
          f"{len(set(harmed) & set(outcome.delivered))} of {len(harmed)} deferred",
          harmed and set(harmed) <= set(outcome.delivered))
    claim("   the public was told within 5 s", told[1], told[0])
    code, answer = rig.ctl("affected", str(generation))
    # A record is a try: who was deferred twice is there twice.
    tries = sum(code // 100 == 4 and "4.7.1" in text for i in harmed for _, code, text in outcome.tries[i])
    claim("   `affected` names exactly those",
          f"{answer.get('deferred')} replies of 451 to {len(harmed)} messages, {answer.get('refused')} refused"
          f"{answer.get('error', '')}", code == 0 and not answer.get("refused") and answer.get("deferred") == tries)
    code, answer = rig.ctl("prove", seconds=120)
    claim("4. `weirctl prove`: the rest is fine", f"{answer.get('seconds', 0):.1f} s {answer.get('error', '')}",
          code == 0)
    code, answer = rig.ctl("journal", "verify")
    claim("   the journal's chain verifies", answer.get("error", f"{answer.get('records')} records"), code == 0)


def status_files(rig):
    return [os.path.join(folder, name) for folder, _,
            names in os.walk(rig.state_path) for name in names if name.startswith("status.")]


def public(rig):
    """-> (whether status.json tells of the incident within 5 s, what it says)."""
    start = time.time()
    while time.time() < start + 5:
        for path in status_files(rig):
            if path.endswith(".json"):
                try:
                    with open(path, encoding="utf-8") as file:
                        status = json.load(file)
                except ValueError:
                    continue
                for incident in status.get("incidents", []):
                    if incident.get("status") in ("identified", "monitoring"):
                        return True, f"{incident['status']}: {incident.get('name', '')}"
        time.sleep(0.1)
    return False, "status.json says nothing of it"


def keep(rig):
    names = rig.shell.must("echo $NA $SERVER").split()
    print(f"""
It goes on running. As root, in another terminal:
  ip netns exec {names[0]} swaks --server {names[1]} --from you@client.test --to root@server.test
  {rig.weirctl} status --socket {rig.control_path}
  {rig.weirctl} push --socket {rig.control_path} --wait {rig.work}/co-uk.rules
  {rig.weirctl} gen list --socket {rig.control_path}
  tail -f {rig.work}/messages.json                    a line for each judged message
  ls {rig.work}/postfix/mail/*/new                    what Postfix delivered
The public's page: {' '.join(sorted(status_files(rig)))}
Sockets: {rig.control_path} (weir-control), {rig.link_path} (data plane). Stop it with Ctrl-C here, or: kill {os.getpid()}""", flush=True)
    traffic = rig.traffic(rate=20)
    try:
        while rig.is_alive():
            time.sleep(1)
    except KeyboardInterrupt:
        pass
    traffic.kill()


def story(args):
    step("a wire: clients (outside) - Weir - Postfix (inside); weir-control beside it")
    settings = {"shadow": "3 s", "canary": "3 s", "probation": "3 s", "reverse_share": "20 %"}
    with Rig("demo", settings=settings, live=LIVE) as rig:
        print(rig.shell.run(f"grep -h '^weir:' {rig.work}/dataplane.log")[1])
        good_and_bad(rig)
        swap_under_load(rig)
        the_incident(rig)
        claim("both processes are those that were started", "they run" if rig.is_alive() else "one ended",
              rig.is_alive()
              and rig.shell.run("kill -0 $CONTROL_PID")[0] == 0)
        step("what was claimed, and what was seen")
        print(f"{'CLAIM':46}  {'SEEN':76}")
        for row in CLAIMS:
            print(f"{row['claim']:46}  {row['seen']:76.76}  {'ok' if row['ok'] else 'NO'}")
        if args.json:
            with open(args.json, "w", encoding="utf-8") as file:
                json.dump(CLAIMS, file, indent=1)
        if args.keep:
            keep(rig)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--json")
    try:
        story(parser.parse_args())
    except RigError as why:
        print(f"demo: the set-up failed: {why}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 1
    return 0 if CLAIMS and all(row["ok"] for row in CLAIMS) else 1


if __name__ == "__main__":
    sys.exit(main())
