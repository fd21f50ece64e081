"""fake_plane: a data plane without packets, for tests of weir-control alone. It speaks the link (control/link.h), keeps
roles, stages and leases as the real one does, and counts what a test tells it to. It may be told to refuse, to be
silent, to lie, to return alone, and to restart with or without its disk.

    with Plane(folder, golden) as plane:        golden(digest) -> the golden digest that it would compute
        plane.count("example.co.uk", n=50, k=0)
"""
import array
import ctypes
import fcntl
import json
import mmap
import os
import random
import select
import socket
import threading
import time

MAGIC, VERSION = 0x52494557, 2
LOAD, STATUS, ACK, NACK, STATE, STAGE, DROP, RETURN, RENEW, ATTACH, PAGES = range(1, 12)
NAMES = {LOAD: "LOAD", STAGE: "STAGE", DROP: "DROP", RETURN: "RETURN", RENEW: "RENEW"}
NONE, STAGED, SHADOW, CANARY, PROBATION, LIVE = range(6)
STAGES = ("NONE", "STAGED", "SHADOW", "CANARY", "PROBATION", "LIVE")
ALL, SENDER_SUFFIX = 0, 1
OPERATOR, EVIDENCE, LEASE = 1, 2, 3
u16, u32, u64, text = ctypes.c_uint16, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_char


def shape(name, *fields):
    return type(name, (ctypes.Structure,), {"_fields_": list(fields)})


Header = shape("Header", ("magic", u32), ("version", u16), ("type", u16), ("body_len", u32), ("request", u32))
Load = shape("Load", ("generation", u32), ("wait_ms", u32), ("flags", u32), ("pad", u32))
Answer = shape("Answer", ("generation", u32), ("swap_us", u32), ("text", text * 256))
Exempt = shape("Exempt", ("kind", u32), ("name", text * 80))
Stage = shape("Stage", *[(name, u32) for name in (
    "generation", "stage", "share_ppm", "lease_ms", "budget_permille", "defer_max", "defer_tries", "units_proven",
    "window_ms", "slow_permille", "exempt_cnt", "pad")], ("exempt", Exempt * 32), ("tables", u32 * 256 * 4))
Return = shape("Return", ("generation", u32), ("reason", u32), ("text", text * 256))
Renew = shape("Renew", ("generation", u32), ("lease_ms", u32))
Trip = shape("Trip", ("seq", u64), ("time_ms", u64), *[(name, u32) for name in (
    "generation", "back_to", "reason", "kind", "n", "k", "by_data_plane", "last_worker_us")],
    ("name", text * 80), ("text", text * 256))
Role = shape("Role", ("generation", u32), ("rule_cnt", u32), ("digest", text * 65), ("pad", text * 7))
State = shape("State", ("live", Role), ("candidate", Role), ("previous", Role), ("stage", u32), ("share_ppm", u32),
              ("lease_left_ms", u32), ("persisted", u32), ("instance", u64), ("resident", u32), ("worker_cnt", u32),
              ("uptime_ms", u64), ("flows", u64), ("messages", u64 * 8), *[(name, u64) for name in (
                  "rx_frames", "tx_frames", "dropped_frames", "blind_sessions", "paired", "shed", "disagreed",
                  "deferred", "retried", "defer_used")], ("trip", Trip))
Pages = shape("Pages", ("evidence_len", u64), ("ring_len", u64))
Stratum = shape("Stratum", ("state", u32), ("kind", u16), ("flags", u16), ("order", u32), ("n_base", u32), ("nk", u64),
                ("hash", u64), ("name", text * 80), ("pad", text * 16))
Evidence = shape("Evidence", ("epoch", u64), ("generation_a", u32), ("generation_b", u32), ("window", u32),
                 ("strata_cnt", u32), *[(name, u64) for name in (
                     "nk_all", "nk_mirror", "nk_error", "repeats", "strata_full", "ns_a", "ns_b")],
                 ("pad", u64 * 4), ("strata", Stratum * 4096))
Page = shape("Page", ("magic", u32), ("version", u32), ("instance", u64), ("trip_seq", u64), ("heartbeat", u64),
             ("pad", u64 * 12), ("table", Evidence))
RING = 65536


def memfd(size):
    fd = os.memfd_create("fake", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
    return fd, mmap.mmap(fd, size)


class Plane:
    def __init__(self, folder, golden):
        self.path, self.golden = os.path.join(folder, "plane.sock"), golden
        self.lock, self.log, self.refuse, self.lies, self.silent = threading.RLock(), [], {}, {}, False
        self.listener, self.peers, self.thread, self.ends = None, [], None, False
        self.disk = (0, "")
        self.start()

    # ---- life

    def start(self, with_disk=True):
        with self.lock:
            if not with_disk:
                self.disk = (0, "")
            self.state = State(instance=random.getrandbits(63) | 1, worker_cnt=1)
            self.state.live = self.role(*self.disk)
            self.state.persisted = self.disk[0]
            self.lease_end, self.stage_body = None, None
            self.page_fd, self.page_map = memfd(ctypes.sizeof(Page))
            self.page = Page.from_buffer(self.page_map)
            self.page.magic, self.page.version, self.page.instance = MAGIC, VERSION, self.state.instance
            self.ring_fd, self.ring_map = memfd(192 + RING)
            self.ring_map[0:16] = MAGIC.to_bytes(4, "little") + VERSION.to_bytes(4, "little") + RING.to_bytes(8, "little")
            if os.path.exists(self.path):
                os.unlink(self.path)
            self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self.listener.bind(self.path)
            os.chmod(self.path, 0o666)
            self.listener.listen(8)
            self.peers, self.ends, self.begun = [], False, time.monotonic()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def stop(self):
        self.ends = True
        self.thread.join()
        for peer in [self.listener, *self.peers]:
            peer.close()
        os.close(self.page_fd)
        os.close(self.ring_fd)

    def restart(self, with_disk=True):
        self.stop()
        self.start(with_disk)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def serve(self):
        while not self.ends:
            ready, _, _ = select.select([self.listener, *self.peers], [], [], 0.01)
            with self.lock:
                self.page.heartbeat += 1
                self.expire()
                for peer in ready:
                    if peer is self.listener:
                        self.peers.append(peer.accept()[0])
                    elif not self.answer(peer):
                        self.peers.remove(peer)
                        peer.close()

    # ---- roles

    @staticmethod
    def role(generation, digest):
        return Role(generation=generation, rule_cnt=1 if generation else 0, digest=digest.encode())

    def persist(self):
        self.disk = (self.state.live.generation, self.state.live.digest.decode())
        self.state.persisted = self.disk[0]

    def pair(self, a, b, window=0):
        table = self.page.table
        epoch = table.epoch
        ctypes.memset(ctypes.byref(table), 0, ctypes.sizeof(table))
        table.epoch, table.generation_a, table.generation_b, table.window = epoch + 2, a, b, window

    def gone(self, generation, back_to, reason, alone, name="", why="", n=0, k=0):
        trip = self.state.trip
        self.state.trip = Trip(seq=trip.seq + 1, time_ms=int(time.time() * 1000), generation=generation,
                               back_to=back_to, reason=reason, by_data_plane=alone, n=n, k=k,
                               kind=SENDER_SUFFIX if name else ALL, name=name.encode(), text=why.encode(),
                               last_worker_us=7)
        self.page.trip_seq = trip.seq + 1

    def drop(self, reason=EVIDENCE, alone=1, **more):
        with self.lock:
            self.gone(self.state.candidate.generation, self.state.live.generation, reason, alone, **more)
            self.state.candidate, self.state.stage, self.lease_end = Role(), NONE, None

    def back(self, reason=EVIDENCE, alone=1, **more):
        with self.lock:
            self.gone(self.state.live.generation, self.state.previous.generation, reason, alone, **more)
            self.state.live, self.state.previous, self.state.stage = self.state.previous, Role(), NONE
            self.persist()

    def expire(self):
        if self.lease_end and time.monotonic() > self.lease_end:
            self.drop(LEASE, 1, why="no renewal")

    def count(self, suffix, n, k=0):
        """n units of this sender suffix, k of them bad."""
        with self.lock:
            table = self.page.table
            table.nk_all += n << 32 | k
            for i in range(table.strata_cnt):
                if table.strata[i].name.decode() == suffix:
                    table.strata[i].nk += n << 32 | k
                    return
            place = table.strata[table.strata_cnt]
            place.kind, place.order, place.nk, place.name = SENDER_SUFFIX, table.strata_cnt + 1, n << 32 | k, suffix.encode()
            place.hash = random.getrandbits(63)
            place.state = 2
            table.strata_cnt += 1

    def record(self, **members):
        """A message's record into the ring (struct link_ring)."""
        line = json.dumps(members).encode()
        place = len(line).to_bytes(4, "little") + line
        place += bytes(-len(place) % 8)
        with self.lock:
            head = int.from_bytes(self.ring_map[64:72], "little")
            at = 192 + head % RING
            self.ring_map[at:at + len(place)] = place
            self.ring_map[64:72] = (head + len(place)).to_bytes(8, "little")

    # ---- the link

    def answer(self, peer):
        try:
            packet, fds, _, _ = socket.recv_fds(peer, 65536, 4)
        except OSError:
            return False
        if len(packet) < ctypes.sizeof(Header):
            return False
        header, body = Header.from_buffer_copy(packet), packet[ctypes.sizeof(Header):]
        if self.silent:
            return True
        try:
            kind, answer, out = self.act(header.type, body, fds)
            data = bytes(answer)
            packet = bytes(Header(MAGIC, VERSION, kind, len(data), header.request)) + data
            socket.send_fds(peer, [packet], out) if out else peer.send(packet)
        except OSError:
            return False
        finally:
            for fd in fds:
                os.close(fd)
        return True

    def act(self, kind, body, fds):
        state = self.state
        if kind == STATUS:
            state.uptime_ms = int((time.monotonic() - self.begun) * 1000)
            return STATE, state, []
        if kind == ATTACH:
            return PAGES, Pages(ctypes.sizeof(Page), 192 + RING), [self.page_fd, self.ring_fd]
        name = NAMES[kind]
        if kind == STAGE:
            name = STAGES[Stage.from_buffer_copy(body).stage]
        self.log.append(name)
        if name in self.refuse:
            return NACK, Answer(state.live.generation, 0, self.refuse[name].encode()), []
        said = getattr(self, "on_" + NAMES[kind].lower())(body, fds)
        if isinstance(said, str):
            return NACK, Answer(state.live.generation, 0, said.encode()), []
        return ACK, Answer(state.live.generation, 7, said or b""), []

    def on_load(self, body, fds):
        load, state = Load.from_buffer_copy(body), self.state
        digest = os.pread(fds[0], 32, 24).hex()
        if load.flags & 1:
            if state.candidate.generation:
                return "there is a candidate"
            state.candidate, state.stage = self.role(load.generation, digest), STAGED
            self.pair(state.live.generation, load.generation)
            return f"{digest} {self.lies.get('golden') or self.golden(digest)}".encode()
        if state.live.generation != load.generation:
            state.previous = state.live
        state.live = self.role(load.generation, digest)
        self.persist()
        return digest.encode()

    def on_stage(self, body, _):
        stage, state = Stage.from_buffer_copy(body), self.state
        if stage.generation != state.candidate.generation:
            return "it is not the candidate"
        self.stage_body = stage
        if stage.stage == LIVE:
            state.previous, state.live, state.candidate = state.live, state.candidate, Role()
            state.stage = LIVE if state.previous.generation else NONE
            self.lease_end = None
            self.pair(state.previous.generation, state.live.generation, 1)
            self.persist()
        else:
            state.stage, state.share_ppm = stage.stage, stage.share_ppm
            self.lease_end = time.monotonic() + stage.lease_ms / 1000
        return b""

    def on_drop(self, body, _):
        ask = Return.from_buffer_copy(body)
        if ask.generation and ask.generation == self.state.previous.generation:
            self.state.previous = Role()
            return b""
        if not ask.generation or ask.generation != self.state.candidate.generation:
            return "it is not the candidate"
        self.drop(ask.reason, 0, why=ask.text.decode())
        return b""

    def on_return(self, body, _):
        ask = Return.from_buffer_copy(body)
        if ask.generation != self.state.live.generation:
            return "it is not live"
        if not self.state.previous.generation:
            return "there is no previous"
        self.back(ask.reason, 0, why=ask.text.decode())
        return b""

    def on_renew(self, body, _):
        renew = Renew.from_buffer_copy(body)
        if renew.generation != self.state.candidate.generation:
            return "it is not the candidate"
        self.lease_end = time.monotonic() + renew.lease_ms / 1000
        return b""
