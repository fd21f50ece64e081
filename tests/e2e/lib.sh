# lib: a wire with Weir in it, and what stands at its two ends. Sourced by the tests here and by tools/demo.
#
#     namespace A (outside)          namespace D                       namespace B (inside)
#     clients   va  <--- veth --->  da  Weir  db  <--- veth --->  vb   Postfix or a sink
#     198.18.0.1/24, 2001:2::1      no addresses                       198.18.0.2/24, 2001:2::2
#
# One subnet: Weir is a bump in the wire. Names carry the shell's process id, so several tests can run at
# once. All that is started is in $PIDS or lives in one of the namespaces, and is ended by its number
# when the shell ends; the namespaces and the folder $WORK go with it.
#
# A test prints "ok NAME", "FAIL NAME: why" or "skip NAME: why", one line each.

set -u
E2E=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$E2E/../.." && pwd)
BUILD=${WEIR_BUILD:-$ROOT/build}
DATAPLANE=$BUILD/dataplane/weir-dataplane
WEIRCTL=$BUILD/control/weirctl
CONTROL=$BUILD/control/weir-control
PATH=$PATH:/usr/sbin:/sbin

NA=weir-a-$$ NB=weir-b-$$ ND=weir-d-$$
CLIENT=198.18.0.1 SERVER=198.18.0.2
CLIENT6=2001:2::1 SERVER6=2001:2::2
WORK=
PIDS=()
FAILED=0
DATAPLANE_PID=
CONTROL_PID=

ok() { echo "ok $1"; }
fail() { echo "FAIL $1: ${*:2}"; FAILED=1; }
skip() { echo "skip $1: ${*:2}"; }

# check NAME COMMAND...: ok when the command succeeds; its output, kept in $said, is the reason when not.
check() {
    local name=$1
    shift
    if said=$("$@" 2>&1); then ok "$name"; else fail "$name" "$(tail -n 3 <<<"$said" | tr '\n' ' ')"; fi
}

in_a() { ip netns exec "$NA" "$@"; }
in_b() { ip netns exec "$NB" "$@"; }

# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.1
    done
}

# end_pid PID: asks, waits, and kills. Quietly: bash would tell of the death of its child.
end_pid() {
    local pid=$1 i
    kill "$pid" 2>/dev/null || return 0
    for i in $(seq 50); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    kill -9 "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    return 0
}

# ---- the wire

wire_up() {
    [ "$(id -u)" = 0 ] || { skip "$(basename "$0")" "needs root for network namespaces"; exit 0; }
    WORK=$(mktemp -d /tmp/weir-e2e.XXXXXX)
    chmod 711 "$WORK"
    trap wire_down EXIT
    trap 'FAILED=1; interrupted' HUP INT TERM
    local n
    for n in $NA $NB $ND; do
        ip netns add "$n" || return 1
        ip -n "$n" link set lo up
    done
    # The bump's own kernel must not answer on its ends.
    ip netns exec "$ND" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
    ip -n "$NA" link add va type veth peer name da netns "$ND"
    ip -n "$NB" link add vb type veth peer name db netns "$ND"
    ip -n "$NA" addr add $CLIENT/24 dev va
    ip -n "$NB" addr add $SERVER/24 dev vb
    ip -n "$NA" addr add $CLIENT6/64 dev va nodad
    ip -n "$NB" addr add $SERVER6/64 dev vb nodad
    ip -n "$NA" link set va up && ip -n "$NB" link set vb up
    ip -n "$ND" link set da up && ip -n "$ND" link set db up
    # Without a NIC nobody fills in a checksum left to hardware: let the ends do it themselves.
    in_a ethtool -K va tx off >/dev/null
    in_b ethtool -K vb tx off >/dev/null
}

# Ends the shell, and with it all (wire_down). A second signal changes nothing, or it would leave half of it.
interrupted() {
    trap '' HUP INT TERM PIPE
    echo "cleaning up ..." >&2
    exit 1
}

wire_down() {
    trap - EXIT
    trap '' HUP INT TERM PIPE
    local n pid
    [ -z "${POSTFIX_DIR:-}" ] || postfix_stop
    for pid in ${PIDS[@]+"${PIDS[@]}"}; do end_pid "$pid"; done
    for n in $NA $NB $ND; do
        for pid in $(ip netns pids "$n" 2>/dev/null); do end_pid "$pid"; done
        ip netns del "$n" 2>/dev/null
    done
    if [ -n "${WEIR_E2E_KEEP:-}" ]; then
        echo "kept: $WORK" >&2
    else
        rm -rf "$WORK"
    fi
    exit $FAILED
}

# The kernel's own bridge in Weir's place: a connection can begin before Weir does.
bridge_up() {
    ip -n "$ND" link add br0 type bridge mcast_snooping 0
    ip -n "$ND" link set da master br0 && ip -n "$ND" link set db master br0
    ip -n "$ND" link set br0 up
    wait_for 10 in_a ping -c1 -W1 -q $SERVER
}
bridge_down() { ip -n "$ND" link del br0; }

# ---- Weir

# weir_config FILE [LINE...]: a configuration for this wire; lines are added at its end.
weir_config() {
    local file=$1
    shift
    cat >"$file" <<END
[eal]
file_prefix = weir-$$
[pair.0]
outside = net_af_packet0,iface=da,framecnt=${WEIR_FRAMES:-4096}
inside = net_af_packet1,iface=db,framecnt=${WEIR_FRAMES:-4096}
[workers]
cpus = ${WEIR_CPUS:-auto}
busy = adaptive
[link]
socket = $WORK/link.sock
[log]
messages = $WORK/messages.json
END
    printf '%s\n' "$@" >>"$file"
}

# weir_image RULES IMAGE
weir_image() { "$WEIRCTL" rules compile "$1" -o "$2"; }

weir_built() {
    [ -x "$DATAPLANE" ] && [ -x "$WEIRCTL" ] || { fail "$1" "not built: $DATAPLANE, $WEIRCTL"; exit 1; }
}

# weir_rules NAME RULES...: $WORK/NAME.image of several rule files.
weir_rules() {
    local name=$1
    shift
    mkdir -p "$WORK/$name.rules" && cp "$@" "$WORK/$name.rules/" &&
        weir_image "$WORK/$name.rules" "$WORK/$name.image" >>"$WORK/compile.log" 2>&1 ||
        { fail "rules/$name" "$(tail -n 3 "$WORK/compile.log")"; exit 1; }
}

# weir_start CONFIG: returns when frames pass.
weir_start() {
    ip netns exec "$ND" "$DATAPLANE" --config "$1" >>"$WORK/dataplane.log" 2>&1 </dev/null &
    DATAPLANE_PID=$!
    PIDS+=($DATAPLANE_PID)
    if ! wait_for 30 in_a ping -c1 -W1 -q $SERVER || ! wait_for 5 test -S "$WORK/link.sock"; then
        fail "${2:-weir-start}" "no ping through weir-dataplane, or no link: $(tail -n 3 "$WORK/dataplane.log" | tr '\n' ' ')"
        weir_stop
        return 1
    fi
}

weir_stop() { end_pid "$DATAPLANE_PID"; }
weir_alive() { kill -0 "$DATAPLANE_PID" 2>/dev/null; }

# Nothing is flushed or said good-bye to: as a crash would have it.
weir_kill() {
    kill -9 "$DATAPLANE_PID"
    wait "$DATAPLANE_PID" 2>/dev/null
}

weir_push() { "$WEIRCTL" push "$1" --link "$WORK/link.sock"; }
weir_status() { "$WEIRCTL" status --json --link "$WORK/link.sock"; }

# weir_counter NAME: a number of the status.
weir_counter() {
    weir_status | python3 -c 'import json, sys
at = json.load(sys.stdin)
for key in sys.argv[1].split("."):
    at = at.get(key, 0)
print(at)' "$1"
}

# ---- weir-control

# control_config FILE [LINE...]: to a configuration of weir_config, weir-control's part, with times of seconds.
# Lines are added at the end of [control.rollout].
control_config() {
    local file=$1
    shift
    cat >>"$file" <<END
[control]
socket = $WORK/control.sock
state = $WORK/control
[control.preflight]
# No test depends on how fast a busy machine is.
cost = 1000 %
[control.rollout]
END
    printf '%s\n' "$@" >>"$file"
}

control_answers() { "$WEIRCTL" status --socket "$WORK/control.sock" >/dev/null 2>&1; }
control_answers_or_ended() { control_answers || ! kill -0 "$CONTROL_PID"; }

# control_start CONFIG: returns when it answers.
control_start() {
    "$CONTROL" --config "$1" >>"$WORK/control.log" 2>&1 </dev/null &
    CONTROL_PID=$!
    PIDS+=($CONTROL_PID)
    wait_for 20 control_answers_or_ended
    if ! control_answers; then
        fail "${2:-control-start}" "weir-control does not answer: $(tail -n 3 "$WORK/control.log" | tr '\n' ' ')"
        return 1
    fi
}

control_stop() { end_pid "$CONTROL_PID"; }
control_kill() {
    kill -9 "$CONTROL_PID"
    wait "$CONTROL_PID" 2>/dev/null
    return 0
}

# ---- Postfix: a real one, with folders of its own. Delivers each message to a file of a Maildir.

# postfix_start [MAIN.CF LINE...]
postfix_start() {
    POSTFIX_DIR=$WORK/postfix
    local config=$POSTFIX_DIR/etc mail=$POSTFIX_DIR/mail
    mkdir -p "$config" "$POSTFIX_DIR/queue" "$POSTFIX_DIR/data" "$mail"
    chown postfix: "$POSTFIX_DIR/data"
    chown nobody "$mail"
    cat >"$config/main.cf" <<END
compatibility_level = 3.7
maillog_file_prefixes = $WORK
maillog_file = $WORK/postfix.log
queue_directory = $POSTFIX_DIR/queue
data_directory = $POSTFIX_DIR/data
mail_owner = postfix
myhostname = mx.server.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = $SERVER, [$SERVER6], 127.0.0.1, [::1]
alias_maps =
alias_database =
smtpd_forbid_bare_newline = yes
message_size_limit = 52428800
mailbox_size_limit = 0
smtpd_client_connection_count_limit = 0
smtpd_recipient_limit = 2000
smtpd_peername_lookup = no
smtpd_relay_restrictions = reject_unauth_destination
# What came is what is stored, below the trace headers.
message_drop_headers =
local_header_rewrite_clients =
virtual_mailbox_domains = server.test
virtual_mailbox_maps = static:all/
virtual_mailbox_base = $mail
virtual_mailbox_limit = 0
virtual_uid_maps = static:$(id -u nobody)
virtual_gid_maps = static:$(id -g nobody)
END
    printf '%s\n' "$@" >>"$config/main.cf"
    cat >"$config/master.cf" <<END
smtp      inet  n  -  n  -     -  smtpd
pickup    unix  n  -  n  60    1  pickup
cleanup   unix  n  -  n  -     0  cleanup
qmgr      unix  n  -  n  300   1  qmgr
tlsmgr    unix  -  -  n  1000? 1  tlsmgr
rewrite   unix  -  -  n  -     -  trivial-rewrite
bounce    unix  -  -  n  -     0  bounce
defer     unix  -  -  n  -     0  bounce
trace     unix  -  -  n  -     0  bounce
verify    unix  -  -  n  -     1  verify
proxymap  unix  -  -  n  -     -  proxymap
proxywrite unix -  -  n  -     1  proxymap
flush     unix  n  -  n  1000? 0  flush
smtp      unix  -  -  n  -     -  smtp
relay     unix  -  -  n  -     -  smtp
error     unix  -  -  n  -     -  error
retry     unix  -  -  n  -     -  error
discard   unix  -  -  n  -     -  discard
local     unix  -  n  n  -     -  local
virtual   unix  -  n  n  -     -  virtual
lmtp      unix  -  -  n  -     -  lmtp
anvil     unix  -  -  n  -     1  anvil
scache    unix  -  -  n  -     1  scache
postlog   unix-dgram n - n  -     1  postlogd
END
    if ! in_b postfix -c "$config" start >>"$WORK/postfix.start" 2>&1 </dev/null ||
        ! wait_for 20 in_b bash -c "exec 3<>/dev/tcp/$SERVER/25"; then
        fail postfix-start "$(tail -n 3 "$WORK/postfix.start" "$WORK/postfix.log" 2>/dev/null | tr '\n' ' ')"
        return 1
    fi
}

postfix_stop() { in_b postfix -c "$POSTFIX_DIR/etc" stop >/dev/null 2>&1 </dev/null; }

# Files of delivered messages, and of all that Postfix holds anywhere.
postfix_mail() { find "$POSTFIX_DIR/mail" -type f -path '*/new/*'; }
postfix_any() {
    find "$POSTFIX_DIR"/queue/{incoming,active,deferred,hold,maildrop,corrupt} -type f 2>/dev/null
    postfix_mail
}

# postfix_has TEXT: in the queue or delivered. postfix_got TEXT: delivered, within some seconds.
postfix_has() { postfix_any | tr '\n' '\0' | xargs -0r grep -laF -e "$1" | grep -q .; }
postfix_got() { wait_for 10 eval "postfix_mail | tr '\n' '\0' | xargs -0r grep -laF -e '$1' | grep -q ."; }

# ---- clients, sinks and captures

# swaks_send OUTPUT [swaks arguments]: one mail from outside. The dialogue is in OUTPUT.
swaks_send() {
    local output=$1
    shift
    timeout 60 ip netns exec "$NA" swaks --server $SERVER --helo client.test --to root@server.test --timeout 15 "$@" \
        >"$output" 2>&1 </dev/null
}

# The two test signatures, in pieces, or these lines would be found for what they are not.
GTUBE="XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD"-"ANTI-UBE-TEST-EMAIL*C.34X"
eicar() { printf '%s%s' 'X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD' '-ANTIVIRUS-TEST-FILE!$H+H*'; }

# sink_start [mail.py sink arguments]: keeps a line a message in $WORK/sink.json
sink_start() {
    ip netns exec "$NB" python3 "$E2E/mail.py" sink --out "$WORK/sink.json" --host 0.0.0.0,:: --port 25 "$@" \
        >"$WORK/sink.log" 2>&1 </dev/null &
    PIDS+=($!)
    SINK_PID=$!
    wait_for 10 in_b bash -c "exec 3<>/dev/tcp/$SERVER/25" ||
        { fail sink-start "$(tail -n 2 "$WORK/sink.log")"; return 1; }
}

# smtp_sink_start FOLDER: Postfix's own sink, a file a message
smtp_sink_start() {
    mkdir -p "$1" && chown nobody "$1"
    (cd "$1" && exec ip netns exec "$NB" smtp-sink -u nobody -d "%s." $SERVER:25 1000) >"$WORK/smtp-sink.log" 2>&1 &
    PIDS+=($!)
    wait_for 10 in_b bash -c "exec 3<>/dev/tcp/$SERVER/25"
}

# capture_start: what passes outside and inside, to $WORK/{outside,inside}.pcap. capture_stop ends it.
capture_start() {
    CAPTURE_PIDS=()
    ip netns exec "$NA" tcpdump -i va -U -s0 --immediate-mode -w "$WORK/outside.pcap" "$@" 2>"$WORK/tcpdump.a" &
    CAPTURE_PIDS+=($!)
    ip netns exec "$NB" tcpdump -i vb -U -s0 --immediate-mode -w "$WORK/inside.pcap" "$@" 2>"$WORK/tcpdump.b" &
    CAPTURE_PIDS+=($!)
    PIDS+=("${CAPTURE_PIDS[@]}")
    wait_for 10 grep -q listening "$WORK/tcpdump.a" && wait_for 10 grep -q listening "$WORK/tcpdump.b"
}
capture_stop() {
    sleep 0.5
    local pid
    for pid in "${CAPTURE_PIDS[@]}"; do end_pid "$pid"; done
}
