"""What a client and a server say to each other: a list of turns.

A turn is what one side says before it waits for the other, so causality over the wire is simple:
turn k+1 starts when turn k was seen whole. The server accepts everything; refusing is Weir's.
"""
import struct

CLIENT, SERVER = 0, 1

_CHUNK_MAX = 65536      # octets in one BDAT; real clients send 16 kB to 1 MB
_TLS_RECORD_MAX = 16384


class Turn:
    """`octets` said by `side`. `body` is (start, end) of message octets in it, for cuts inside."""

    def __init__(self, side, octets, body=None, reset=False):
        self.side, self.octets, self.body, self.reset = side, octets, body, reset


class Manner:
    """How one session talks. Drawn once a session."""

    def __init__(self, pipelining=False, bdat=False, starttls=False, abort=False):
        self.pipelining, self.bdat, self.starttls, self.abort = pipelining, bdat, starttls, abort


def speak(manner, messages, helo, rng):
    """-> (turns, seen): `seen` is how many of the messages go over the wire whole and in the clear."""
    turns = [Turn(SERVER, b"220 mx.example.net ESMTP\r\n"), Turn(CLIENT, f"EHLO {helo}\r\n".encode()),
             Turn(SERVER, _greeting(manner))]
    if manner.starttls:
        return turns + _tls(sum(len(m.raw) for m in messages), rng), 0
    talk = _Talk(turns, manner, rng)
    seen = len(messages)
    if manner.abort:
        seen = rng.randrange(len(messages))
    for index, message in enumerate(messages[:seen + 1]):
        talk.message(message, cut=index == seen)
    if not manner.abort:
        talk.quit()
    return turns, seen


def _greeting(manner):
    lines = ["mx.example.net greets you", "PIPELINING", "SIZE 104857600", "8BITMIME",
             "ENHANCEDSTATUSCODES"]
    if manner.starttls:
        lines.append("STARTTLS")
    if manner.bdat:
        lines.append("CHUNKING")
    lines.append("SMTPUTF8")
    return "".join(f"250{'-' if i + 1 < len(lines) else ' '}{line}\r\n"
                   for i, line in enumerate(lines)).encode()


class _Talk:
    """Collects what each side says until somebody has to wait.

    Without pipelining the client waits after every command. With it, it waits where RFC 2920 says
    it must (DATA, the last octets of the session), and the next MAIL follows a message at once.
    """

    def __init__(self, turns, manner, rng):
        self.turns, self.manner, self.rng = turns, manner, rng
        self.said, self.answers, self.body = b"", b"", None

    def say(self, octets, answer, wait=False):
        self.said += octets
        self.answers += answer
        if wait or not self.manner.pipelining:
            self.flush()

    def flush(self):
        if self.said:
            self.turns.append(Turn(CLIENT, self.said, self.body))
            self.turns.append(Turn(SERVER, self.answers))
        self.said, self.answers, self.body = b"", b"", None

    def message(self, message, cut):
        size = f" SIZE={len(message.raw)}" if self.rng.random() < 0.8 else ""
        self.say(f"MAIL FROM:<{message.mail_from}>{size}\r\n".encode(), b"250 2.1.0 Ok\r\n")
        for rcpt in message.rcpt:
            self.say(f"RCPT TO:<{rcpt}>\r\n".encode(), b"250 2.1.5 Ok\r\n")
        (self._chunks if self.manner.bdat else self._data)(message, cut)

    def quit(self):
        self.say(b"QUIT\r\n", b"221 2.0.0 Bye\r\n", wait=True)

    def _queued(self):
        return f"250 2.0.0 Ok: queued as {self.rng.getrandbits(40):010X}\r\n".encode()

    def _data(self, message, cut):
        self.say(b"DATA\r\n", b"354 End data with <CR><LF>.<CR><LF>\r\n", wait=True)
        if cut:
            return self._reset(b"", message.wire)
        self.body = (0, len(message.wire))
        self.say(message.wire + b".\r\n", self._queued())

    def _chunks(self, message, cut):
        offset, raw = 0, message.raw
        while True:
            chunk = raw[offset:offset + self.rng.randint(1, _CHUNK_MAX)]
            offset += len(chunk)
            last = offset == len(raw) and self.rng.random() < 0.8  # else: BDAT 0 LAST (RFC 3030 2)
            command = f"BDAT {len(chunk)}{' LAST' if last or not chunk else ''}\r\n".encode()
            if cut and (self.rng.random() < 0.5 or offset == len(raw)):
                return self._reset(command, chunk)
            start = len(self.said) + len(command)
            if chunk:
                self.body = (start, start + len(chunk))
            if last or not chunk:
                return self.say(command + chunk, self._queued())
            self.say(command + chunk, b"250 2.0.0 %d octets\r\n" % len(chunk))

    def _reset(self, command, octets):
        start = len(self.said) + len(command)
        said = self.said + command + octets[:self.rng.randrange(len(octets))]
        self.turns.append(Turn(CLIENT, said, (start, len(said)), reset=True))
        self.said, self.answers, self.body = b"", b"", None


def _tls(octets, rng):
    """STARTTLS and then records of noise: as opaque as the real thing, and as long."""
    records = b""
    while octets > 0:
        length = min(octets, _TLS_RECORD_MAX)
        records += b"\x17\x03\x03" + struct.pack("!H", length) + rng.randbytes(length)
        octets -= length
    return [Turn(CLIENT, b"STARTTLS\r\n"), Turn(SERVER, b"220 2.0.0 Ready to start TLS\r\n"),
            Turn(CLIENT, b"\x16\x03\x01\x02\x00" + rng.randbytes(512)),
            Turn(SERVER, b"\x16\x03\x03\x08\x00" + rng.randbytes(2048)),
            Turn(CLIENT, records), Turn(SERVER, b"\x17\x03\x03\x00\x40" + rng.randbytes(64))]
