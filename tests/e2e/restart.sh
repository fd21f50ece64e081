#!/usr/bin/env bash
# Connections that are older than the data plane: those it finds, and those that outlive it; and the rule set that it begins with.
. "$(dirname "$0")/lib.sh"
weir_built restart
wire_up || exit 1
weir_rules marks "$ROOT/tests/data/rules/marks.cf"
weir_config "$WORK/appliance.cfg" "[rules]" "image = $WORK/marks.image"
bridge_up || { fail restart/bridge "no ping"; exit 1; }
sink_start || exit 1

# 21 sessions, three at each stage, stopped until go_on.
sessions() {
    rm -f "$WORK/ready" "$WORK/go"
    timeout 120 ip netns exec "$NA" python3 "$E2E/mail.py" sessions --connections 21 --first "$1" --ready "$WORK/ready" \
        --go "$WORK/go" >"$WORK/sessions.log" 2>&1 </dev/null &
    PIDS+=($!)
    wait_for 30 test -e "$WORK/ready"
}
go_on() {
    touch "$WORK/go"
    wait_for 90 grep -q ' sessions, ' "$WORK/sessions.log"
    cat "$WORK/sessions.log"
    grep -q ', 0 broken' "$WORK/sessions.log"
}

sessions 1 || fail restart/sessions "$(cat "$WORK/sessions.log")"
bridge_down
weir_start "$WORK/appliance.cfg" restart/start || exit 1
check restart/older-than-weir go_on

sessions 100 || fail restart/sessions "$(cat "$WORK/sessions.log")"
weir_kill
sleep 0.3
weir_start "$WORK/appliance.cfg" restart/start-again || exit 1
check restart/killed-under-21-sessions go_on

# Under load: clients that send all the time, killed twice. Messages begun before pass unjudged, as
# promised; whatever began after is judged.
ip netns exec "$NA" timeout 90 python3 "$E2E/mail.py" send --out "$WORK/sent.json" --seconds 10 --first 1000001 --timeout 30 \
    >"$WORK/said" 2>&1 </dev/null &
sender=$!
PIDS+=($sender)
for n in 1 2; do
    sleep 2.5
    weir_kill
    weir_start "$WORK/appliance.cfg" restart/under-load || exit 1
done
wait "$sender" || fail restart/clients "$(cat "$WORK/said")"
sed 's/^/# /' "$WORK/said"
grep -v '"id": "m[0-9]\{1,5\}"' "$WORK/sink.json" >"$WORK/load.json"
check restart/killed-under-load python3 "$E2E/mail.py" compare --sent "$WORK/sent.json" --got "$WORK/load.json"

ip netns exec "$NA" timeout 60 python3 "$E2E/mail.py" send --out "$WORK/after.json" --count 200 --first 5000001 --refuse 20 \
    >"$WORK/said" 2>&1 </dev/null
grep '"id": "m5[0-9]\{6\}"' "$WORK/sink.json" >"$WORK/after.sink.json"
check restart/judges-again python3 "$E2E/mail.py" compare --sent "$WORK/after.json" --got "$WORK/after.sink.json"
check restart/alive weir_alive

# With a state folder it begins with what was live, alone; killed twice under it within minutes, with the one before.
weir_stop
printf 'header SET_B MESSAGEID =~ /./\nscore SET_B 0.001\n' >"$WORK/b.cf"
weir_rules b "$ROOT/tests/data/rules/marks.cf" "$WORK/b.cf"
weir_config "$WORK/kept.cfg" "[rules]" "image = $WORK/marks.image" "state = $WORK/state"
weir_start "$WORK/kept.cfg" restart/start-kept || exit 1
check restart/push weir_push "$WORK/b.image"
is_kept() { [[ $(readlink "$WORK/state/live") == gen-2-* && $(readlink "$WORK/state/previous") == gen-1-* ]]; }
begins_with() { [ "$(weir_counter generation)" = "$1" ]; }
check restart/live-is-kept wait_for 10 is_kept
weir_stop
weir_start "$WORK/kept.cfg" restart/start-after-clean-end || exit 1
check restart/begins-with-what-was-live begins_with 2
weir_kill
weir_start "$WORK/kept.cfg" restart/start-after-kill || exit 1
check restart/killed-once-begins-with-it begins_with 2
weir_kill
weir_start "$WORK/kept.cfg" restart/start-after-kill || exit 1
check restart/killed-twice-begins-with-previous begins_with 1
check restart/says-so grep -q 'generation 2 WENT BACK to 1' "$WORK/dataplane.log"
truncate -s 1000 "$WORK"/state/gen-1-*
weir_stop
weir_start "$WORK/kept.cfg" restart/start-with-damage || exit 1
check restart/damaged-image-is-passed-over begins_with 3
