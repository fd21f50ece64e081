#!/bin/bash
# ports: every kind of port comes up, and what comes in on one side leaves on the other as it came.
#
#   pcap       octets and order both ways, one and two ports, one and two workers
#   null ring memif   come up, end cleanly
#   af_packet af_xdp  ping and TCP over veth, one worker and two that share flows in software
#   limits     a frame that the port's network would not carry is counted, not lost in silence
. "$(dirname "$0")/lib.sh"
weir_built ports
wire_up

FRAMES=400

# pcap_make FILE SEED: frames of all kinds that Weir has no business with, several hosts.
pcap_make() {
    python3 - "$1" "$2" $FRAMES <<'END'
import random, struct, sys
path, seed, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
r = random.Random(seed)
def octets(n): return bytes(r.randrange(256) for _ in range(n))
def ipv4(proto, payload, frag=0):
    return struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), r.randrange(65536), frag, 64, proto, 0,
                       bytes([198, 18, 0, r.randrange(1, 9)]), bytes([198, 19, 0, r.randrange(1, 9)])) + payload
def tcp(n): return struct.pack(">HHIIHHHH", r.randrange(1024, 65536), 80, seed, 0, 0x5010, 100, 0, 0) + octets(n)
def frame(kind):
    eth = octets(12)
    if kind == 0: return eth + b"\x08\x06" + octets(46)
    if kind == 1: return eth + b"\x08\x00" + ipv4(17, octets(r.randrange(8, 1400)))
    if kind == 2: return eth + b"\x08\x00" + ipv4(6, tcp(r.randrange(1400)))
    if kind == 3: return eth + b"\x81\x00\x00\x05\x08\x00" + ipv4(6, tcp(100))
    if kind == 4: return eth + b"\x88\xa8\x00\x05\x81\x00\x00\x06\x08\x00" + ipv4(6, tcp(0))
    if kind == 5: return eth + b"\x86\xdd" + b"\x60\0\0\0" + struct.pack(">HBB", 40, 59, 64) + octets(72)
    if kind == 6: return eth + b"\x08\x00" + ipv4(17, octets(800), 0x2000)
    return eth + b"\x08\x00" + ipv4(6, tcp(3000 + r.randrange(5000)))  # longer than one mbuf
with open(path, "wb") as f:
    f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
    for i in range(count):
        o = frame(i % 8)
        f.write(struct.pack("<IIII", i, 0, len(o), len(o)) + o)
END
}

# pcap_same IN OUT [sorted]: the same frames, in the same order or in any order that keeps that of each
# tag, protocol and host pair.
pcap_same() {
    python3 - "$@" <<'END'
import collections, struct, sys
def frames(path):
    data = open(path, "rb").read()
    at, out = 24, []
    while at < len(data):
        n = struct.unpack_from("<I", data, at + 8)[0]
        out.append(data[at + 16:at + 16 + n]); at += 16 + n
    return out
def hosts(o):
    at = 14
    while o[at - 2:at] in (b"\x81\x00", b"\x88\xa8"): at += 4
    return o[12:at] + o[at + 9:at + 10] + o[at + 12:at + 20] if o[at - 2:at] == b"\x08\x00" else b""
def flows(fs):
    d = collections.defaultdict(list)
    for o in fs: d[hosts(o)].append(o)
    return d
a, b = frames(sys.argv[1]), frames(sys.argv[2])
same = flows(a) == flows(b) if len(sys.argv) > 3 else a == b
if not same: sys.exit(f"{len(a)} frames in, {len(b)} out, not the same")
END
}

# run_config NAME SECONDS LINE...: a run that ends by itself.
run_config() {
    local name=$1 patience=$2
    shift 2
    printf '%s\n' "[eal]" "file_prefix = ports-$$" "[log]" "messages = $WORK/$name.json" "$@" >"$WORK/$name.cfg"
    timeout "$patience" ip netns exec "$ND" "$DATAPLANE" --config "$WORK/$name.cfg" >"$WORK/$name.log" 2>&1 </dev/null
}

# pcap_two NAME CPUS [sorted]
pcap_two() {
    local name=$1 cpus=$2 d=$WORK/$1
    mkdir -p "$d"
    pcap_make "$d/a.pcap" 1
    pcap_make "$d/b.pcap" 2
    run_config "$name" 60 "[pair.0]" \
        "outside = net_pcap0,rx_pcap=$d/a.pcap,tx_pcap=$d/to_a.pcap" \
        "inside = net_pcap1,rx_pcap=$d/b.pcap,tx_pcap=$d/to_b.pcap" \
        "[workers]" "cpus = $cpus" "[run]" "stop_after_frames = $((2 * FRAMES))" ||
        { fail "$name" "exit $?: $(tail -n 2 "$WORK/$name.log" | tr '\n' ' ')"; return; }
    check "$name/inward" pcap_same "$d/a.pcap" "$d/to_b.pcap" "${@:3}"
    check "$name/outward" pcap_same "$d/b.pcap" "$d/to_a.pcap" "${@:3}"
}

pcap_one() {
    local d=$WORK/pcap-one
    mkdir -p "$d"
    pcap_make "$d/in.pcap" 3
    run_config pcap-one 60 "[pair.0]" "outside = net_pcap0,rx_pcap=$d/in.pcap,tx_pcap=$d/out.pcap" "inside = same" \
        "[run]" "stop_after_frames = $FRAMES" ||
        { fail pcap-one "exit $?: $(tail -n 2 "$WORK/pcap-one.log" | tr '\n' ' ')"; return; }
    check pcap-one/order pcap_same "$d/in.pcap" "$d/out.pcap"
}

# comes_up NAME OUTSIDE INSIDE [LINE...]: forwards, then ends cleanly when asked.
comes_up() {
    local name=$1 pid code
    printf '%s\n' "[eal]" "file_prefix = ports-$$" "[pair.0]" "outside = $2" "inside = $3" "${@:4}" >"$WORK/$name.cfg"
    ip netns exec "$ND" "$DATAPLANE" --config "$WORK/$name.cfg" >"$WORK/$name.log" 2>&1 </dev/null &
    pid=$!
    PIDS+=($pid)
    wait_for 20 grep -q forwarding "$WORK/$name.log" ||
        { fail "$name" "$(tail -n 3 "$WORK/$name.log" | tr '\n' ' ')"; end_pid $pid; return; }
    kill -TERM $pid
    wait $pid
    code=$?
    if [ $code = 0 ]; then ok "$name"; else fail "$name" "exit $code"; fi
}

# passes NAME OUTSIDE INSIDE CPUS: ping of every size up to the MTU, and TCP that is none of ours, through veth.
passes() {
    local name=$1 pid
    printf '%s\n' "[eal]" "file_prefix = ports-$$" "[pair.0]" "outside = $2" "inside = $3" \
        "[workers]" "cpus = $4" "busy = adaptive" "[link]" "socket = $WORK/link.sock" >"$WORK/$name.cfg"
    weir_start "$WORK/$name.cfg" "$name" || return
    check "$name/ping" in_a ping -c 5 -i 0.1 -W 2 -q $SERVER
    check "$name/ping-mtu" in_a ping -c 3 -i 0.1 -W 2 -q -M do -s 1472 $SERVER
    check "$name/ping6" in_a ping -c 3 -i 0.1 -W 2 -q $SERVER6
    check "$name/tcp" tcp_octets
    weir_stop
    if grep -q '^{"counters"' "$WORK/dataplane.log"; then ok "$name/end"; else fail "$name/end" "no clean end"; fi
    : >"$WORK/dataplane.log"
}

# 4 MiB over TCP port 8025 arrive as they were sent.
tcp_octets() {
    head -c 4194304 /dev/urandom >"$WORK/sent"
    in_b timeout 30 python3 -c '
import socket, sys
s = socket.create_server(("198.18.0.2", 8025)); c, _ = s.accept()
with open(sys.argv[1], "wb") as f:
    while o := c.recv(65536): f.write(o)' "$WORK/got" &
    local sink=$!
    wait_for 5 in_b sh -c 'ss -ltn | grep -q :8025'
    in_a timeout 30 python3 -c '
import socket, sys
s = socket.create_connection(("198.18.0.2", 8025), 10); s.sendall(open(sys.argv[1], "rb").read()); s.close()' "$WORK/sent"
    wait $sink
    cmp "$WORK/sent" "$WORK/got"
}

# One frame in eight of the capture is longer than a veth of MTU 1500 carries.
limits() {
    local d=$WORK/limits long=$((FRAMES / 8))
    mkdir -p "$d"
    pcap_make "$d/in.pcap" 4
    run_config limits 60 "[pair.0]" "outside = net_pcap0,rx_pcap=$d/in.pcap" \
        "inside = net_af_packet0,iface=db,framecnt=4096" "[run]" "stop_after_frames = $FRAMES"
    if grep -q "\"tx-too-long\":$long[,}]" "$WORK/limits.log"; then
        ok limits/too-long
    else
        fail limits/too-long "$(grep '^{' "$WORK/limits.log")"
    fi
}

pcap_two pcap 0
pcap_two pcap-steered 0,1 sorted
pcap_one
comes_up null net_null0 net_null1
comes_up null-two-workers net_null0 net_null1 "[workers]" "cpus = 0,1"
comes_up ring net_ring0 net_ring1
comes_up memif "net_memif0,role=server,id=0,socket=$WORK/m0.sock,socket-abstract=no" \
    "net_memif1,role=server,id=1,socket=$WORK/m1.sock,socket-abstract=no"
passes af_packet net_af_packet0,iface=da,framecnt=4096 net_af_packet1,iface=db,framecnt=4096 auto
passes af_packet-steered net_af_packet0,iface=da,framecnt=4096 net_af_packet1,iface=db,framecnt=4096 0,1
passes af_xdp net_af_xdp0,iface=da net_af_xdp1,iface=db auto
limits
