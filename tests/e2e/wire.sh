#!/usr/bin/env bash
# What is not mail crosses Weir unchanged: ping, ARP, ND, a VLAN, iperf3, and a large file.
#   wire.sh [MEGABYTES]
. "$(dirname "$0")/lib.sh"
megabytes=${1:-${WEIR_FILE_MB:-1024}}
weir_built wire
wire_up || exit 1
weir_config "$WORK/appliance.cfg"
weir_start "$WORK/appliance.cfg" wire/start || exit 1

check wire/ping in_a ping -c 20 -i 0.05 -W 2 -q $SERVER
check wire/ping-1472 in_a ping -c 5 -i 0.05 -W 2 -q -s 1472 -M do $SERVER

arp() {
    in_a ip neigh flush dev va
    in_a ping -c1 -W2 -q $SERVER >/dev/null &&
        [ "$(ip -n "$NA" -j neigh show $SERVER dev va | grep -o '"lladdr":"[^"]*"')" = \
          "\"lladdr\":\"$(ip netns exec "$NB" cat /sys/class/net/vb/address)\"" ]
}
check wire/arp arp

nd() {
    in_a ip -6 neigh flush dev va
    wait_for 5 in_a ping -6 -c1 -W2 -q $SERVER6 &&
        ip -n "$NA" -6 neigh show $SERVER6 dev va | grep -q "$(ip netns exec "$NB" cat /sys/class/net/vb/address)"
}
check wire/nd nd

vlan() {
    ip -n "$NA" link add link va name va.7 type vlan id 7 && ip -n "$NA" addr add 198.19.0.1/24 dev va.7 &&
        ip -n "$NB" link add link vb name vb.7 type vlan id 7 && ip -n "$NB" addr add 198.19.0.2/24 dev vb.7 &&
        ip -n "$NA" link set va.7 up && ip -n "$NB" link set vb.7 up && wait_for 5 in_a ping -c1 -W1 -q 198.19.0.2
}
if ip -n "$NA" link add link va name va.8 type vlan id 8 2>/dev/null; then
    check wire/vlan vlan
else
    skip wire/vlan "this kernel has no VLAN devices"
fi

ip netns exec "$NB" iperf3 -s -1 -p 5201 >"$WORK/iperf3.server" 2>&1 </dev/null &
PIDS+=($!)
sleep 0.5
iperf() { timeout 60 ip netns exec "$NA" iperf3 -c $SERVER -p 5201 -t 3 -J >"$WORK/iperf3.json" </dev/null; }
check wire/iperf3 iperf
python3 - "$WORK/iperf3.json" <<'END'
import json, sys
end = json.load(open(sys.argv[1])).get("end", {})
if "sum_received" in end:
    print(f"# iperf3: {end['sum_received']['bits_per_second'] / 1e6:.0f} Mbit/s, "
          f"{end['sum_sent'].get('retransmits', 0)} retransmits")
END

# A file over another port: a hash at each end.
cat >"$WORK/file.py" <<'END'
import hashlib, random, socket, sys
side, host, megabytes = sys.argv[1], sys.argv[2], int(sys.argv[3])
digest = hashlib.sha256()
if side == "take":
    with socket.create_server((host, 2020)) as server:
        peer, _ = server.accept()
        while octets := peer.recv(1 << 20):
            digest.update(octets)
        peer.sendall(digest.hexdigest().encode())
        peer.close()
else:
    block = random.Random(7).randbytes(1 << 20)
    with socket.create_connection((host, 2020), 20) as peer:
        peer.settimeout(300)
        for number in range(megabytes):
            octets = number.to_bytes(8, "big") + block[8:]
            digest.update(octets)
            peer.sendall(octets)
        peer.shutdown(socket.SHUT_WR)
        there = peer.recv(100).decode()
    print(there, digest.hexdigest())
    sys.exit(there != digest.hexdigest())
END
ip netns exec "$NB" python3 "$WORK/file.py" take $SERVER "$megabytes" >"$WORK/take.log" 2>&1 </dev/null &
PIDS+=($!)
sleep 1
begin=$(date +%s%N)
check "wire/file-$megabytes-MB" timeout 400 ip netns exec "$NA" python3 "$WORK/file.py" give $SERVER "$megabytes"
end=$(date +%s%N)
echo "# $megabytes MB in $(((end - begin) / 1000000)) ms"

check wire/alive weir_alive
[ "$(weir_counter dropped_frames)" = 0 ] && ok wire/no-frame-dropped || echo "# $(weir_counter dropped_frames) frames dropped and sent again"
