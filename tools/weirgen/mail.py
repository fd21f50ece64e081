"""Messages as they travel, and the envelopes they travel in.

A message is `raw` (every line ends in CRLF, and so does the last one) and `wire` (the same with
dots stuffed, RFC 5321 4.5.2). Its envelope depends on nothing but seed, file and how often the
file was used: two captures with different impairments carry the same mail, and verdicts can be
joined by file.
"""
import hashlib
import os
import random
import re

# weight, domain: for names of documentation and a few whose public suffix has several labels
DOMAINS = [(30, "example.com"), (20, "mail.acme.co.uk"), (12, "example.org"), (8, "corp.example.net"),
           (6, "news.shop.example.com.au"), (5, "a.b.c.example.ac.uk"), (4, "example.co.uk"),
           (3, "dept.example.kawasaki.jp"), (3, "firma-beispiel.example"), (2, "example.co.jp"),
           (2, "sub.example.com.br"), (1, "xn--mller-kva.example"), (1, "very.deep.sub.domain.example.edu")]


class MailError(Exception):
    """A mail or domain file cannot be used; the text names it."""


class Message:
    """One mail. `file` as it was found, `raw` and `wire` octets, and an envelope."""

    def __init__(self, file, raw, wire, sha256, mail_from, rcpt):
        self.file, self.raw, self.wire, self.sha256 = file, raw, wire, sha256
        self.mail_from, self.rcpt = mail_from, rcpt

    def record(self, n):
        """The manifest's line about this message, the n-th of its session."""
        return {"n": n, "file": self.file, "octets": len(self.raw), "sha256": self.sha256,
                "mail_from": self.mail_from, "rcpt": self.rcpt}


def to_crlf(octets):
    """Lone LF becomes CRLF; a last line without end gets one. A bare CR stays: it is content."""
    octets = re.sub(rb"\r?\n", b"\r\n", octets)
    return octets if octets.endswith(b"\r\n") else octets + b"\r\n"


def stuff_dots(raw):
    return re.sub(rb"(\A|\r\n)\.", rb"\1..", raw)


def unstuff_dots(wire):
    return re.sub(rb"(\A|\r\n)\.", rb"\1", wire)


def find_files(paths):
    """*.eml below each folder, sorted; a path that is a file stands for itself."""
    found = []
    for path in paths:
        if os.path.isfile(path):
            found.append(path)
        elif os.path.isdir(path):
            below = [os.path.join(folder, name) for folder, _, names in os.walk(path)
                     for name in names if name.endswith(".eml")]
            if not below:
                raise MailError(f"{path}: no .eml file in this folder or below")
            found += sorted(below)
        else:
            raise MailError(f"{path}: no such file or folder")
    return found


def read_domains(path):
    """Lines of "weight domain" or "domain"; # starts a comment."""
    result = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            words = line.split("#")[0].split()
            try:
                if words:
                    result.append((float(words[0]) if len(words) == 2 else 1.0, words[-1]))
                if len(words) > 2:
                    raise ValueError
            except ValueError:
                raise MailError(f"{path}:{number}: expected `weight domain`, found: {line.strip()}") from None
    if not result:
        raise MailError(f"{path}: no domain in it")
    return result


class Source:
    """Hands out messages: each file once, or `count` messages with files reused in turn."""

    _CACHE_MAX = 64 << 20  # octets of mail kept for reuse; a benchmark sends few files many times

    def __init__(self, files, count, seed, rcpts, domains=None, mail_from=None):
        self.files, self.count, self.seed, self.rcpts = files, count or len(files), seed, rcpts
        weights, self.domains = zip(*(domains or DOMAINS))
        self.weights = list(weights)
        self.template = mail_from
        self.given = 0
        self._cache, self._cached = {}, 0

    def domain(self, rng):
        return rng.choices(self.domains, self.weights)[0]

    def next(self):
        """-> Message, or None when all were handed out."""
        if self.given >= self.count:
            return None
        use, index = divmod(self.given, len(self.files))
        self.given += 1
        file = self.files[index]
        raw, wire, sha256 = self._octets(file)
        rng = random.Random(f"{self.seed}/envelope/{os.path.basename(file)}/{use}")
        domain, user = self.domain(rng), rng.randrange(10000)
        rcpt = [f"r{rng.randrange(10000)}@{self.domain(rng)}" for _ in range(rng.randint(*self.rcpts))]
        sender = (self.template or "u{user}@{domain}").format(user=user, domain=domain, n=self.given)
        return Message(file, raw, wire, sha256, sender, rcpt)

    def _octets(self, file):
        if file in self._cache:
            return self._cache[file]
        try:
            with open(file, "rb") as handle:
                raw = to_crlf(handle.read())
        except OSError as error:
            raise MailError(f"{file}: {error.strerror}") from None
        made = raw, stuff_dots(raw), hashlib.sha256(raw).hexdigest()
        if self._cached + len(raw) <= self._CACHE_MAX:
            self._cache[file] = made
            self._cached += 2 * len(raw)
        return made
