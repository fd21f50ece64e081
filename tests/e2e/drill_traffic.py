#!/usr/bin/env python3
"""drill_traffic: mail as a provider sees it, for as long as it is wanted, from clients that behave as MTAs do.

    drill_traffic.py --out FILE [--connections N] [--rate N] ...        runs until it is told to stop

Senders: many registrable domains under a mix of public suffixes that falls off as such mixes do (Zipf); each is
the same in MAIL FROM, From and Message-ID. Recipients: one or two, over several domains. A share is spam, which
says so in a header, for the rules in force to refuse. Each client keeps a queue: 4xx and broken connections are
tried again after some time with the same sender, recipients and octets; 5xx is for ever.

It is steered by JSON lines on its standard input, each changing what is given: the keys of SETTINGS, or
{"stop": true}: no new mail, what waits is tried until it is through or for `drain` seconds more.

FILE gets a JSON line a try, at once:

    {"id","try","at" (seconds since 1970, of the answer),"code","text" and with the first try "from","rcpt","suffix",
     "spam","kind"}

code 0: the connection broke. The last line is {"end": true, "waiting": how many were never let through}.
"""
import argparse
import asyncio
import bisect
import email.utils
import heapq
import itertools
import json
import os
import random
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import mail  # noqa: E402  the clients' side of SMTP

# A mix as a European provider has it, the most frequent first.
SUFFIXES = ("com", "de", "net", "co.uk", "org", "fr", "com.br", "nl", "it", "io", "eu", "ch", "at", "pl", "co.jp",
            "com.au", "es", "cz", "se", "org.uk")
RCPT_DOMAINS = ("server.test", "north.example.de", "south.example.co.uk", "west.example.com")

SETTINGS = {
    "connections": 8,
    "rate": 0.0,          # new messages a second, all connections together; 0: as fast as they go
    "spam": 0.05,         # share that the rules in force refuse
    "domains": 400,       # registrable domains a suffix
    "leave_out": [],      # suffixes that send nothing
    "only": [],           # suffixes that alone send; empty: all
    "rcpt_share": {},     # recipient domain -> its share; the others get the rest alike
    "kinds": {},          # name -> {"share", "rcpt": domain or "", "from": domain or ""}: X-Drill-Kind: name
    "date_shift": 0,      # seconds that the mails' Date is ahead of the clock
    "retry": 2.0,         # seconds until a deferred message is tried again
    "drain": 30.0,
    "seed": 1,
}

WORDS = ("the of and to in is that for it on with as are be this by from or we have not you your our at can will please "
         "order meeting invoice report attached find regards thanks team week monday tomorrow project delivery review "
         "customer question answer number price offer update version draft agenda minutes lunch train hotel").split()


class Message:
    """One mail: what stays the same through all its tries."""

    __slots__ = ("id", "sender", "rcpt", "suffix", "spam", "kind", "octets", "tries")

    def about(self):
        return {"from": self.sender, "rcpt": self.rcpt, "suffix": self.suffix, "spam": self.spam, "kind": self.kind}


class Source:
    """Makes messages by the settings as they stand."""

    def __init__(self, settings):
        self.settings, self.rng = settings, random.Random(settings["seed"])
        self.numbers = itertools.count(1)

    def suffix(self):
        names = [s for s in self.settings["only"] or SUFFIXES if s not in self.settings["leave_out"]]
        weights = list(itertools.accumulate(1 / (place + 1) ** 0.8 for place in range(len(names))))
        return names[bisect.bisect(weights, self.rng.random() * weights[-1])]

    def rcpt_domain(self):
        chance = self.rng.random()
        for domain, share in self.settings["rcpt_share"].items():
            if (chance := chance - share) < 0:
                return domain
        return self.rng.choice([name for name in RCPT_DOMAINS if name not in self.settings["rcpt_share"]])

    def kind(self):
        chance = self.rng.random()
        for name, kind in self.settings["kinds"].items():
            if (chance := chance - kind["share"]) < 0:
                return name
        return ""

    def make(self):
        rng, settings, m = self.rng, self.settings, Message()
        m.kind, m.tries = self.kind(), 0
        kind = settings["kinds"].get(m.kind, {})
        m.suffix = self.suffix()
        domain = kind.get("from") or f"shop{rng.randrange(settings['domains'])}.{m.suffix}"
        m.sender = f"{rng.choice(WORDS)}{rng.randrange(50)}@{domain}"
        m.spam = not m.kind and rng.random() < settings["spam"]
        first = kind.get("rcpt") or self.rcpt_domain()
        m.rcpt = [f"{rng.choice(WORDS)}@{d}" for d in [first] + [self.rcpt_domain()] * (rng.random() < 0.1)]
        m.id = f"d{settings['seed']}-{next(self.numbers)}"
        m.octets = self.octets(m, domain)
        return m

    def octets(self, m, domain):
        rng = self.rng
        words = " ".join(rng.choices(WORDS, k=rng.randint(5, 120)))
        lines = [words[at:at + 70] for at in range(0, len(words), 70)]
        when = time.time() + self.settings["date_shift"]
        head = [f"Received: from [203.0.113.{rng.randrange(256)}] (helo=relay.{domain}) by mail.{domain} with ESMTP; "
                + email.utils.formatdate(when),
                f"From: {rng.choice(WORDS).title()} <{m.sender}>", "To: " + ", ".join(m.rcpt),
                "Subject: " + " ".join(rng.choices(WORDS, k=rng.randint(1, 7))),
                "Date: " + email.utils.formatdate(when),
                f"Message-ID: <{m.id}@{domain}>", "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8"]
        if m.spam:
            head.append("X-Drill-Spam: yes")
        if m.kind:
            head.append("X-Drill-Kind: " + m.kind)
        return "\r\n".join(head + [""] + lines + [""]).encode()


class Queue:
    """What waits to be tried again, and the pace of what is new."""

    def __init__(self, settings, source):
        self.settings, self.source = settings, source
        self.waiting, self.order = [], itertools.count()
        self.in_hand = 0  # messages that a client is trying now
        self.stopped_at = None
        self.due = time.monotonic()

    def again(self, message):
        heapq.heappush(self.waiting, (time.monotonic() + self.settings["retry"], next(self.order), message))

    def take(self):
        """-> a message; None: nothing now; False: never again."""
        now = time.monotonic()
        if self.waiting and self.waiting[0][0] <= now:
            return heapq.heappop(self.waiting)[2]
        if self.stopped_at is not None:
            is_over = not self.waiting and not self.in_hand or now > self.stopped_at + self.settings["drain"]
            return False if is_over else None
        if self.settings["rate"]:
            if now < self.due:
                return None
            self.due = max(self.due, now - 0.2) + 1 / self.settings["rate"]
        return self.source.make()


class Lane:
    """One client at a time: connects, sends some messages, leaves."""

    def __init__(self, args, number, queue, note):
        self.args, self.queue, self.note = args, queue, note
        self.rng = random.Random(number)
        self.message = None

    async def run(self):
        while (message := self.queue.take()) is not False:
            if message is None:
                await asyncio.sleep(0.01)
                continue
            self.message = message
            self.queue.in_hand += 1
            try:
                await self.session()
            finally:
                self.queue.in_hand -= 1

    async def session(self):
        client = mail.Client(self.args, self.rng)
        try:
            await client.open()
            for left in range(self.rng.randint(0, 9), -1, -1):
                code, text = await self.offer(client)
                self.end(code, text)
                # A refusal may have been Weir's: then the connection is at its end.
                if code // 100 != 2 or not left or not (following := self.queue.take()):
                    break
                self.message = following
            await client.close()
        except (mail.Gone, OSError, asyncio.TimeoutError) as gone:
            if self.message is not None:
                self.end(getattr(gone, "code", 0) if getattr(gone, "code", 0) == 421 else 0, repr(gone))
                await asyncio.sleep(0.05)
        finally:
            client.drop()

    async def offer(self, client):
        m = self.message
        lines = [f"MAIL FROM:<{m.sender}>", *(f"RCPT TO:<{name}>" for name in m.rcpt), "DATA", ""]
        await client.put("\r\n".join(lines).encode())
        replies = [await client.reply() for _ in lines[:-1]]
        if replies[-1][0] != 354:
            return next((r for r in replies if r[0] >= 400), replies[-1])
        await client.put(mail.stuffed(m.octets))
        return await client.reply()

    def end(self, code, text):
        m, self.message = self.message, None
        m.tries += 1
        self.note(m, code, text)
        if code // 100 not in (2, 5):
            self.queue.again(m)


def commands(settings, queue, loop):
    """Standard input's lines change the settings. Its end is no command."""
    reader = asyncio.StreamReader()

    async def listen():
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            change = json.loads(line)
            if change.pop("stop", False):
                queue.stopped_at = time.monotonic()
            unknown = set(change) - set(SETTINGS)
            if unknown:
                sys.exit(f"drill_traffic: no setting {unknown}")
            settings.update(change)

    return loop.create_task(listen())


async def run(args):
    settings = SETTINGS | json.loads(args.settings)
    queue = Queue(settings, Source(settings))
    listener = commands(settings, queue, asyncio.get_running_loop())
    with open(args.out, "w", encoding="utf-8", buffering=1) as out:

        def note(m, code, text):
            line = {"id": m.id, "try": m.tries, "at": round(time.time(), 4), "code": code, "text": text}
            out.write(json.dumps(line | (m.about() if m.tries == 1 else {})) + "\n")

        await asyncio.gather(*(Lane(args, number, queue, note).run() for number in range(settings["connections"])))
        out.write(json.dumps({"end": True, "waiting": len(queue.waiting)}) + "\n")
    listener.cancel()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    parser.add_argument("--host", default="198.18.0.2")
    parser.add_argument("--port", type=int, default=25)
    parser.add_argument("--timeout", type=float, default=20, help="seconds for a reply")
    parser.add_argument("--settings", default="{}", help="JSON, as on the standard input")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
