#!/usr/bin/env python3
"""mail: the two ends of many SMTP sessions, and what they hold to be true.

    mail.py sink      an SMTP server that keeps the SHA-256 of each message it accepted, a JSON line each
    mail.py send      clients that send mail and judge the answers; a JSON line a message, a summary last
    mail.py compare   what the clients sent against what the sink, or a Maildir, got
    mail.py sessions  sessions stopped half-way until a file appears, then finished

A message is known by its number, which its envelope carries (m17@client.test), so that its octets can
stay as they are in the corpus. `send --refuse 5` puts what tests/data/rules/marks.cf refuses into 5 % of
them; their number goes in as well, so a server's files can be searched for it.
"""
import argparse
import asyncio
import hashlib
import json
import os
import random
import re
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SIZE_MAX = 50 << 20
MODES = ("plain", "pipelined", "chained", "bdat", "bdat-pipelined")


# ---- mail to send

def normal(octets):
    """Line ends as SMTP wants them, and one at the end."""
    octets = re.sub(rb"\r\n|\r|\n", b"\r\n", octets)
    return octets if octets.endswith(b"\r\n") else octets + b"\r\n"


def corpus_files(folder):
    for path, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if name.endswith((".eml", ".msg", ".txt")) and name != "README":
                yield os.path.join(path, name)


def made_mail(rng, number):
    """A message for when there is no corpus: text, or text and an attachment."""
    words = [bytes(rng.choices(b"abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 9))) for _ in range(200)]
    text = b"".join(b" ".join(rng.choices(words, k=rng.randint(0, 12))) + b"\r\n" for _ in range(rng.randint(1, 120)))
    text += b".\r\n..\r\n.dots at the start\r\n"
    head = b"From: a@client.test\r\nTo: b@server.test\r\nSubject: made %d\r\n" % number
    if number % 4:
        return head + b"\r\n" + text
    import base64
    attached = base64.encodebytes(rng.randbytes(rng.randint(10, 200_000))).replace(b"\n", b"\r\n")
    return (head + b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=cut\r\n\r\n--cut\r\n\r\n" + text
            + b"--cut\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            + attached + b"--cut--\r\n")


def load_mail(folder):
    folders = [folder] if folder else [os.path.join(ROOT, "..", "shared", "corpus"), os.path.join(ROOT, "tests", "data", "mail")]
    for path in folders if folder != "made" else []:
        mail = []
        for name in corpus_files(path):
            with open(name, "rb") as file:
                mail.append(normal(file.read()))
        if mail:
            return mail
    rng = random.Random(1)
    return [made_mail(rng, number) for number in range(200)]


class Job:
    """One message to deliver."""

    def __init__(self, number, octets, is_bad, mode):
        self.id, self.octets, self.is_bad, self.mode = f"m{number}", octets, is_bad, mode
        self.code, self.text, self.tries, self.breaks = 0, "", 0, 0

    def note(self, code, text):
        self.code, self.text = code, text

    def record(self):
        return {"id": self.id, "sha": hashlib.sha256(self.octets).hexdigest(), "bad": self.is_bad, "mode": self.mode,
                "code": self.code, "text": self.text, "tries": self.tries, "breaks": self.breaks}


def mark(octets, number, rng):
    """Makes it one that marks.cf refuses: in its header, or in the very last line."""
    if rng.random() < 0.5:
        return b"X-Weir-Test: unwanted%d\r\n" % number + octets
    return octets + b"weir-unwanted-last-line m%d\r\n" % number


def jobs(args, mail):
    rng = random.Random(args.seed)
    modes = args.modes.split(",")
    number = args.first
    while args.seconds or number < args.first + args.count:
        octets = mail[(number - args.first) % len(mail)]
        is_bad = rng.random() * 100 < args.refuse
        if is_bad:
            octets = mark(octets, number, rng)
        yield Job(number, octets, is_bad, rng.choice(modes))
        number += 1


# ---- client

class Gone(Exception):
    """The connection ended; `code` is what the server said last if it said good-bye."""

    def __init__(self, code=0):
        super().__init__(code)
        self.code = code


class Client:
    def __init__(self, args, rng):
        self.args, self.rng, self.reader, self.writer = args, rng, None, None

    async def reply(self):
        """-> (code, text of all lines)."""
        text = []
        while True:
            try:
                line = await asyncio.wait_for(self.reader.readuntil(b"\n"), self.args.timeout)
            except (asyncio.IncompleteReadError, ConnectionError):
                raise Gone() from None
            except asyncio.TimeoutError:
                raise Gone(-1) from None
            line = line.decode("latin-1").rstrip("\r\n")
            text.append(line)
            if len(line) < 4 or line[3] != "-":
                if line.startswith("421"):
                    raise Gone(421)
                return int(line[:3]), " / ".join(text)

    async def put(self, octets):
        """Writes, now and then in odd pieces, so that segments end anywhere."""
        try:
            if self.rng.random() < 0.1 and len(octets) < 20000:
                at = 0
                while at < len(octets):
                    step = self.rng.randint(1, 700)
                    self.writer.write(octets[at:at + step])
                    await self.writer.drain()
                    await asyncio.sleep(0)
                    at += step
            else:
                self.writer.write(octets)
                await self.writer.drain()
        except ConnectionError:
            # What the server said before it closed may still be there to be read.
            pass

    async def ask(self, line):
        await self.put(line.encode() + b"\r\n")
        return await self.reply()

    async def open(self):
        self.reader, self.writer = await asyncio.wait_for(
            asyncio.open_connection(self.args.host, self.args.port), self.args.timeout)
        code, _ = await self.reply()
        if code != 220:
            raise Gone(code)
        code, text = await self.ask("EHLO client.test")
        if code != 250:
            raise Gone(code)
        self.keywords = text.upper()

    async def close(self):
        if self.writer is None:
            return
        try:
            await self.ask("QUIT")
        except (Gone, OSError):
            pass
        self.drop()

    def drop(self):
        if self.writer is not None:
            self.writer.close()
        self.writer = None

    def envelope(self, job):
        params = ""
        if any(octet > 127 for octet in job.octets):
            params += " BODY=8BITMIME"
        if self.rng.random() < 0.1 and "SMTPUTF8" in self.keywords:
            params += " SMTPUTF8"
        if self.rng.random() < 0.3:
            params += f" SIZE={len(job.octets)}"
        return f"MAIL FROM:<{job.id}@client.test>{params}", f"RCPT TO:<{job.id}@server.test>"

    async def plain(self, job):
        for line in (*self.envelope(job), "DATA"):
            code, text = await self.ask(line)
            if code // 100 not in (2, 3):
                return job.note(code, text)
        await self.put(stuffed(job.octets))
        job.note(*await self.reply())

    async def pipelined(self, job):
        await self.put("\r\n".join((*self.envelope(job), "DATA", "")).encode())
        replies = [await self.reply() for _ in range(3)]
        if replies[2][0] != 354:
            return job.note(*replies[2])
        await self.put(stuffed(job.octets))
        job.note(*await self.reply())

    async def chained(self, job, following):
        """The end of one message and the next one's MAIL, RCPT, DATA in one write (RFC 2920)."""
        await self.put("\r\n".join((*self.envelope(job), "DATA", "")).encode())
        for code, text in [await self.reply() for _ in range(3)][2:]:
            if code != 354:
                return job.note(code, text)
        await self.put(stuffed(job.octets) + "\r\n".join((*self.envelope(following), "DATA", "")).encode())
        job.note(*await self.reply())
        replies = [await self.reply() for _ in range(3)]
        if replies[2][0] != 354:
            return following.note(*replies[2])
        await self.put(stuffed(following.octets))
        following.note(*await self.reply())

    async def bdat(self, job):
        for line in self.envelope(job):
            code, text = await self.ask(line)
            if code // 100 != 2:
                return job.note(code, text)
        for chunk, last in self.chunks(job.octets):
            await self.put(b"BDAT %d%s\r\n" % (len(chunk), b" LAST" if last else b"") + chunk)
            code, text = await self.reply()
            if code != 250 or last:
                return job.note(code, text)

    async def bdat_pipelined(self, job):
        chunks = self.chunks(job.octets)
        wire = "".join(line + "\r\n" for line in self.envelope(job)).encode()
        for chunk, last in chunks:
            wire += b"BDAT %d%s\r\n" % (len(chunk), b" LAST" if last else b"") + chunk
        await self.put(wire)
        for _ in range(2 + len(chunks)):
            job.note(*await self.reply())

    def chunks(self, octets):
        cuts = sorted(self.rng.randint(0, len(octets)) for _ in range(self.rng.randint(0, 3)))
        pieces = [octets[a:b] for a, b in zip([0, *cuts], [*cuts, len(octets)])]
        # Postfix refuses an empty chunk that is not the last.
        pieces = [piece for piece in pieces[:-1] if piece] + pieces[-1:]
        return [(piece, at == len(pieces) - 1) for at, piece in enumerate(pieces)]


def stuffed(octets):
    wire = re.sub(rb"(?m)^\.", b"..", octets)
    return wire + b".\r\n"


async def one_session(args, rng, source, results, state):
    """Some messages over one connection; what was not answered goes back into the pile."""
    client, taken, was_refused = Client(args, rng), [], False
    try:
        await client.open()
        for _ in range(rng.randint(1, args.session_max)):
            job = source()
            if job is None:
                break
            taken = [job]
            mode = job.mode if "CHUNKING" in client.keywords or not job.mode.startswith("bdat") else "pipelined"
            if mode == "chained" and (following := source()):
                taken.append(following)
                await client.chained(*taken)
            elif mode == "bdat":
                await client.bdat(job)
            elif mode == "bdat-pipelined":
                await client.bdat_pipelined(job)
            elif mode == "plain":
                await client.plain(job)
            else:
                await client.pipelined(job)
            finish(taken, results)
            is_refusal = any(job.code // 100 in (4, 5) for job in taken)
            was_refused |= is_refusal
            taken = []
            if is_refusal and rng.random() < 0.5:
                break  # else: find out how the session goes on after a refusal
        await client.close()
    except (Gone, OSError, asyncio.TimeoutError) as gone:
        # Unanswered messages are sent again, as an MTA would. A break is fair after a refusal, or with 421.
        is_fair = was_refused or any(job.code // 100 in (4, 5) for job in taken) or getattr(gone, "code", 0) == 421
        for job in taken:
            if job.code:
                finish([job], results)
                continue
            job.tries += 1
            if not is_fair:
                job.breaks += 1
                state["why"].append(f"{job.id} {job.mode}: {gone!r}")
            if job.tries < args.tries:
                state["again"].append(job)
            else:
                job.note(0, f"gave up: {gone!r}")
                finish([job], results)
    finally:
        client.drop()


def finish(done, results):
    for job in done:
        job.tries += 1
        results.append(job)


async def send(args):
    mail = load_mail(args.mail)
    pile = jobs(args, mail)
    results, state = [], {"again": [], "why": []}
    end = time.monotonic() + args.seconds if args.seconds else None

    def source():
        if state["again"]:
            return state["again"].pop()
        if end and time.monotonic() > end:
            return None
        return next(pile, None)

    async def lane(number):
        rng = random.Random(args.seed * 1000 + number)
        while True:
            before = len(results)
            peek = source()
            if peek is None:
                return
            state["again"].append(peek)
            await one_session(args, rng, source, results, state)
            if len(results) == before:
                await asyncio.sleep(0.05)  # the server is not there: no hurry

    start = time.monotonic()
    await asyncio.gather(*(lane(number) for number in range(args.connections)))
    took = time.monotonic() - start
    with open(args.out, "w", encoding="utf-8") as file:
        for job in results:
            file.write(json.dumps(job.record()) + "\n")
    octets = sum(len(job.octets) for job in results)
    print(f"{len(results)} messages, {octets / 1e6:.1f} MB in {took:.1f} s: {len(results) / took:.0f} messages/s; "
          f"{sum(job.code == 250 for job in results)} accepted, {sum(job.code == 550 for job in results)} refused, "
          f"{sum(job.code == 451 for job in results)} deferred, "
          f"{sum(job.code not in (250, 451, 550) for job in results)} otherwise; "
          f"{sum(job.breaks for job in results)} broken")
    for why in state["why"][:5]:
        print("  broken:", why)
    for job in [job for job in results if job.code not in (250, 451, 550)][:5]:
        print("  otherwise:", job.id, job.mode, job.code, job.text)


# ---- sink

class Sink:
    """One connection of the server."""

    def __init__(self, out):
        self.out = out

    async def serve(self, reader, writer):
        self.reader, self.writer = reader, writer
        try:
            self.say("220 sink.test ESMTP")
            self.reset()
            await self.loop()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    def say(self, text):
        self.writer.write(text.encode() + b"\r\n")

    def reset(self):
        self.sender, self.rcpt, self.body, self.is_bdat = None, [], [], False

    def accept(self, octets):
        record = {"id": self.sender.split("@")[0], "from": self.sender, "rcpt": self.rcpt, "octets": len(octets),
                  "sha": hashlib.sha256(octets).hexdigest()}
        if named := re.search(rb"(?mi)^Message-ID: *<([^>\r\n]*)>", octets[:8192]):
            record["message_id"] = named[1].decode("latin-1")
        self.out.write(json.dumps(record) + "\n")
        self.out.flush()
        self.reset()
        self.say("250 2.0.0 kept")

    async def loop(self):
        while True:
            line = (await self.reader.readuntil(b"\r\n"))[:-2].decode("utf-8", "replace")
            verb = line[:4].upper()
            if verb == "EHLO":
                self.reset()
                for word in ("sink.test", "PIPELINING", "8BITMIME", "SMTPUTF8", f"SIZE {SIZE_MAX}"):
                    self.say("250-" + word)
                self.say("250 CHUNKING")
            elif verb == "HELO":
                self.reset()
                self.say("250 sink.test")
            elif verb == "MAIL":
                self.sender = re.search(r"<(.*?)>", line)[1]
                self.say("250 2.1.0 ok")
            elif verb == "RCPT":
                self.rcpt.append(re.search(r"<(.*?)>", line)[1])
                self.say("250 2.1.5 ok" if self.sender is not None else "503 5.5.1 MAIL first")
            elif verb == "DATA":
                if not self.rcpt or self.is_bdat:
                    self.say("503 5.5.1 RCPT first")
                    continue
                self.say("354 go on")
                self.accept(await self.text())
            elif verb == "BDAT":
                words = line.split()
                self.body.append(await self.reader.readexactly(int(words[1])))
                self.is_bdat = True
                if not self.rcpt:
                    self.say("503 5.5.1 RCPT first")
                elif len(words) > 2 and words[2].upper() == "LAST":
                    self.accept(b"".join(self.body))
                else:
                    self.say("250 2.0.0 more")
            elif verb == "RSET":
                self.reset()
                self.say("250 2.0.0 ok")
            elif verb == "NOOP":
                self.say("250 2.0.0 ok")
            elif verb == "QUIT":
                self.say("221 2.0.0 bye")
                await self.writer.drain()
                return
            else:
                self.say("500 5.5.2 what?")
            await self.writer.drain()

    async def text(self):
        lines = []
        await self.writer.drain()
        while (line := await self.reader.readuntil(b"\r\n")) != b".\r\n":
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)


async def sink(args):
    with open(args.out, "w", encoding="utf-8") as out:
        server = await asyncio.start_server(lambda r, w: Sink(out).serve(r, w), args.host.split(","), args.port,
                                            limit=SIZE_MAX, backlog=1000)
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        await stop.wait()
        server.close()


# ---- comparison

def read_lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def maildir(folder, records):
    """-> a record a file. Postfix stores LF and puts its trace headers before what came."""
    wanted = {record["id"]: record for record in records}
    found = []
    for path, _, names in os.walk(folder):
        for name in names:
            if os.path.basename(path) != "new":
                continue
            with open(os.path.join(path, name), "rb") as file:
                octets = file.read()
            sender = re.search(rb"(?m)^Return-Path: <(m\d+)@", octets)
            identity = sender[1].decode() if sender else name
            found.append({"id": identity, "sha": below_trace(octets, wanted.get(identity)), "path": os.path.join(path, name)})
    return found


def below_trace(octets, record):
    """SHA-256 of what follows the trace headers, line ends as sent."""
    lines, at = octets.split(b"\n"), 0
    while at < len(lines):
        name = lines[at].split(b":")[0]
        if name in (b"Return-Path", b"X-Original-To", b"Delivered-To"):
            at += 1
        elif name == b"Received":
            at += 1
            while lines[at][:1] in (b" ", b"\t"):
                at += 1
            break
        else:
            break
    sha = hashlib.sha256(b"\r\n".join(lines[at:])).hexdigest()
    if record and sha != record["sha"] and lines[at] == b"":
        # A message that begins with no header gets the empty line that ends one.
        sha = hashlib.sha256(b"\r\n".join(lines[at + 1:])).hexdigest()
    return sha


def compare(args):
    sent = {}
    for name in args.sent:
        sent |= {record["id"]: record for record in read_lines(name)}
    got = maildir(args.got, sent.values()) if os.path.isdir(args.got) else read_lines(args.got)
    direct = {record["id"]: record["sha"] for record in maildir(args.direct, sent.values())} if args.direct else {}
    seen, wrong = {}, []
    for record in got:
        seen.setdefault(record["id"], []).append(record)
    for identity, records in seen.items():
        was = sent.get(identity)
        if was is None:
            wrong.append(f"{identity}: arrived, and nobody sent it")
        elif was["bad"]:
            wrong.append(f"{identity} ({was['mode']}): refused by the rules, and arrived")
        elif any(record["sha"] not in (was["sha"], direct.get(identity)) for record in records):
            wrong.append(f"{identity} ({was['mode']}): not the octets sent {records[0].get('path', '')}")
        elif len(records) > 1 and was["tries"] == 1:
            wrong.append(f"{identity} ({was['mode']}): arrived {len(records)} times")
    for identity, was in sent.items():
        if was["bad"] and was["code"] != args.code:
            wrong.append(f"{identity} ({was['mode']}): the client saw {was['code']} {was['text']}, not {args.code}")
        if not was["bad"] and was["code"] != 250:
            wrong.append(f"{identity} ({was['mode']}): the client saw {was['code']} {was['text']}")
        if not was["bad"] and identity not in seen:
            wrong.append(f"{identity} ({was['mode']}): never arrived")
        if was["breaks"] > args.breaks:
            wrong.append(f"{identity} ({was['mode']}): its connection broke {was['breaks']} times")
    bad = sum(record["bad"] for record in sent.values())
    print(f"{len(sent)} sent, {bad} of them unwanted; {len(got)} arrived; {len(wrong)} wrong")
    for line in wrong[:8]:
        print(" ", line)
    return 1 if wrong or not sent else 0


# ---- sessions that wait

async def sessions(args):
    """Each stops at another place; then `ready` is made, `go` is waited for, and each goes on."""
    stages = ("greeting", "ehlo", "mail", "data", "text", "after", "bdat")
    clients = []
    for number in range(args.connections):
        client, stage = Client(args, random.Random(number)), stages[number % len(stages)]
        octets = b"Subject: waits\r\n\r\n" + b"line of text\r\n" * (200 + 300 * number)
        job = Job(args.first + number, octets, False, stage)
        await client.open()
        if stage == "mail":
            await client.ask(f"MAIL FROM:<{job.id}@client.test>")
        elif stage in ("data", "text"):
            for line in (*client.envelope(job), "DATA"):
                await client.ask(line)
            if stage == "text":
                await client.put(stuffed(octets)[:1000])
        elif stage == "after":
            await client.plain(Job(args.first + 1000 + number, octets, False, stage))
        elif stage == "bdat":
            for line in client.envelope(job):
                await client.ask(line)
            await client.put(b"BDAT %d LAST\r\n" % len(octets) + octets[:700])
        clients.append((client, stage, job))
    with open(args.ready, "w", encoding="utf-8"):
        pass
    while not os.path.exists(args.go):
        await asyncio.sleep(0.1)

    async def go_on(client, stage, job):
        try:
            if stage in ("data", "text"):
                await client.put(stuffed(job.octets)[1000 if stage == "text" else 0:])
                job.note(*await client.reply())
            elif stage == "bdat":
                await client.put(job.octets[700:])
                job.note(*await client.reply())
            elif stage == "mail":
                await client.ask("RSET")
                await client.plain(job)
            else:
                await client.plain(job)
            await client.close()
        except (Gone, OSError) as gone:
            job.note(0, repr(gone))

    await asyncio.gather(*(go_on(*client) for client in clients))
    broken = [f"{job.id} stopped at {stage}: {job.code} {job.text}" for _, stage, job in clients if job.code != 250]
    print(f"{len(clients)} sessions, {len(broken)} broken {'; '.join(broken)}")
    return 1 if broken else 0


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("sink")
    command.add_argument("--host", default="198.18.0.2")
    command.add_argument("--port", type=int, default=25)
    command.add_argument("--out", required=True)
    for name in ("send", "sessions"):
        command = commands.add_parser(name)
        command.add_argument("--host", default="198.18.0.2")
        command.add_argument("--port", type=int, default=25)
        command.add_argument("--connections", type=int, default=20)
        command.add_argument("--first", type=int, default=1, help="number of the first message")
        command.add_argument("--timeout", type=float, default=30)
    command.add_argument("--ready", required=True)
    command.add_argument("--go", required=True)
    command = commands.choices["send"]
    command.add_argument("--out", required=True)
    command.add_argument("--mail", help="folder of messages, or `made` for such as Postfix stores unedited")
    command.add_argument("--count", type=int, default=1000)
    command.add_argument("--seconds", type=float, default=0, help="instead of a count")
    command.add_argument("--refuse", type=float, default=0, metavar="PERCENT")
    command.add_argument("--modes", default=",".join(MODES))
    command.add_argument("--session-max", type=int, default=8, help="messages a session, at most")
    command.add_argument("--seed", type=int, default=1)
    command.add_argument("--tries", type=int, default=5)
    command = commands.add_parser("compare")
    command.add_argument("--sent", required=True, action="append")
    command.add_argument("--got", required=True, help="the sink's file or a Maildir")
    command.add_argument("--direct", help="Maildir of the same mail sent past Weir: some of it Postfix edits itself")
    command.add_argument("--code", type=int, default=550, help="what clients of unwanted messages must have seen")
    command.add_argument("--breaks", type=int, default=0, help="broken connections a message may have seen")
    return parser.parse_args()


def main():
    args = arguments()
    if args.command == "compare":
        return compare(args)
    return asyncio.run({"sink": sink, "send": send, "sessions": sessions}[args.command](args)) or 0


if __name__ == "__main__":
    sys.exit(main())
