"""pcap files: classic format, Ethernet link type; written in microseconds, read in every variant.

pcapng is refused with a message of its own, because that is what Wireshark saves by default and
"bad magic" would not tell the operator what to do (editcap -F pcap IN OUT).
"""
import struct

_VARIANTS = {  # the first four octets of the file -> (byte order, fractions of a second)
    b"\xd4\xc3\xb2\xa1": ("<", 1_000_000), b"\xa1\xb2\xc3\xd4": (">", 1_000_000),
    b"\x4d\x3c\xb2\xa1": ("<", 1_000_000_000), b"\xa1\xb2\x3c\x4d": (">", 1_000_000_000),
}
_PCAPNG = b"\x0a\x0d\x0d\x0a"
_ETHERNET = 1
_SNAPLEN = 262144
_FRAME_MAX = 1 << 24  # a longer record is a damaged file, not a frame


class CaptureError(Exception):
    """The file is not a capture we can read; the text names the file and the reason."""


class Writer:
    """A pcap file being written. Frames must come in the order of their times."""

    def __init__(self, path):
        self.file = open(path, "wb", 1 << 20)
        self.file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, _SNAPLEN, _ETHERNET))

    def add(self, time_ns, frame):
        second, rest = divmod(time_ns, 1_000_000_000)
        self.file.write(struct.pack("<IIII", second, rest // 1000, len(frame), len(frame)))
        self.file.write(frame)

    def close(self):
        self.file.close()


def _open(path):
    """-> (file, byte order, fraction), positioned at the first record."""
    file = open(path, "rb", 1 << 20)
    head = file.read(24)
    if head[:4] == _PCAPNG:
        raise CaptureError(f"{path}: pcapng is not read here; convert it: editcap -F pcap IN OUT")
    if head[:4] not in _VARIANTS:
        raise CaptureError(f"{path}: not a pcap file")
    if len(head) < 24:
        raise CaptureError(f"{path}: the file header is cut short")
    order, fraction = _VARIANTS[head[:4]]
    link = struct.unpack(order + "I", head[20:24])[0] & 0xFFFF
    if link != _ETHERNET:
        raise CaptureError(f"{path}: link type {link}, but only Ethernet ({_ETHERNET}) can be replayed")
    return file, order, fraction


def _records(path, skip):
    file, order, fraction = _open(path)
    header = struct.Struct(order + "IIII")
    with file:
        number = 0
        while head := file.read(16):
            number += 1
            if len(head) < 16:
                raise CaptureError(f"{path}: frame {number}: the file ends inside its header")
            second, part, captured, _ = header.unpack(head)
            if captured > _FRAME_MAX:
                raise CaptureError(f"{path}: frame {number}: impossible length {captured}")
            data = file.read(captured)
            if len(data) < captured:
                raise CaptureError(f"{path}: frame {number}: the file ends inside the frame")
            yield None if skip else (second * 1_000_000_000 + part * (1_000_000_000 // fraction), data)


def frames(path):
    """Yields (time in ns, frame). Raises CaptureError, also in the middle of a damaged file."""
    return _records(path, skip=False)


def count_frames(path):
    return sum(1 for _ in _records(path, skip=True))
