#!/usr/bin/env python3
"""param_file_name and boundaries against Python's email over folders of mails.
usage: file_name_truth.py TEXTPIPE FOLDER.. ; 77 without mails."""
import email
import email.header
import os
import struct
import subprocess
import sys


def field(b):
    return struct.pack('<I', len(b)) + b


class Pipe:
    def __init__(self, path):
        self.p = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, op, a, b):
        self.p.stdin.write(op + field(a) + field(b))
        self.p.stdin.flush()
        n, = struct.unpack('<I', self.p.stdout.read(4))
        return self.p.stdout.read(n)


def octets(value):
    return b'' if value is None else str(value).encode('utf-8', 'surrogateescape')


def raw(part, name):
    values = [v for k, v in part._headers if k.lower() == name]
    return values[-1].encode('utf-8', 'surrogateescape') if values else b''


def words(text):
    """Encoded words, which get_filename leaves alone."""
    if '=?' not in text:
        return text
    try:
        return str(email.header.make_header(email.header.decode_header(text)))
    except (LookupError, UnicodeDecodeError, email.errors.HeaderParseError):
        return text


def main():
    pipe = Pipe(sys.argv[1])
    parts = names = differ = 0
    for folder in sys.argv[2:]:
        for root, _, files in sorted(os.walk(folder)):
            for f in sorted(files):
                path = os.path.join(root, f)
                with open(path, 'rb') as h:
                    mail = email.message_from_bytes(h.read())
                for part in mail.walk():
                    parts += 1
                    try:
                        want = part.get_filename('')
                    except Exception as e:  # it has bugs of its own
                        want = '(%s)' % e
                    want = octets(words(want))
                    got = pipe.ask(b'F', raw(part, 'content-disposition'), raw(part, 'content-type'))
                    names += bool(want)
                    if want != got:
                        differ += 1
                        print('%s\n  want %r\n  got  %r\n  %r\n  %r' % (path, want, got,
                              raw(part, 'content-disposition'), raw(part, 'content-type')))
    print('%d parts, %d names, %d differ' % (parts, names, differ))
    return 77 if not parts else 0


if __name__ == '__main__':
    sys.exit(main())
