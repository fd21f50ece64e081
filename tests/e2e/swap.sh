#!/usr/bin/env bash
# The rules change every 10 ms under load: no message is lost, none is judged by two generations.
#   swap.sh [SECONDS]        swap.sh 60 is the full one
. "$(dirname "$0")/lib.sh"
seconds=${1:-20}
weir_built swap
wire_up || exit 1
# Both refuse the marked; they differ in a rule that has no score to speak of, so each record tells its set.
printf 'header SET_A MESSAGEID =~ /./\nscore SET_A 0.001\nheader SET_A2 MESSAGEID !~ /./\nscore SET_A2 0.001\n' >"$WORK/a.cf"
printf 'header SET_B MESSAGEID =~ /./\nscore SET_B 0.001\nheader SET_B2 MESSAGEID !~ /./\nscore SET_B2 0.001\n' >"$WORK/b.cf"
weir_rules a "$ROOT/tests/data/rules/marks.cf" "$WORK/a.cf"
weir_rules b "$ROOT/tests/data/rules/marks.cf" "$WORK/b.cf"
weir_config "$WORK/appliance.cfg" "[rules]" "image = $WORK/a.image"
weir_start "$WORK/appliance.cfg" swap/start || exit 1
sink_start || exit 1

ip netns exec "$NA" timeout $((seconds + 120)) python3 "$E2E/mail.py" send --out "$WORK/sent.json" --seconds "$seconds" --refuse 5 \
    >"$WORK/said" 2>&1 </dev/null &
sender=$!
PIDS+=($sender)
sleep 1
# Generation 1 was set a; b comes first, so even generations are b.
check swap/all-pushes-taken timeout $((seconds + 60)) python3 "$E2E/link.py" "$WORK/link.sock" $((seconds - 2)) 10 "$WORK/b.image" "$WORK/a.image"
echo "# $said"
wait "$sender" || fail swap/clients "$(cat "$WORK/said")"
sed 's/^/# /' "$WORK/said"
check swap/no-message-lost python3 "$E2E/mail.py" compare --sent "$WORK/sent.json" --got "$WORK/sink.json"

one_generation() {
    python3 - "$WORK/messages.json" "$WORK/sent.json" <<'END'
import json, sys
records = list(map(json.loads, open(sys.argv[1])))
sent = sum(1 for _ in open(sys.argv[2]))
mixed = []
for record in records:
    sets = {name[4] for name in record["rules"] if name.startswith("SET_")}
    if sets != {"B" if record["generation"] % 2 == 0 else "A"}:
        mixed.append((record["mail_from"], record["generation"], record["rules"]))
print(f"{len(records)} records of {sent} messages, {len({r['generation'] for r in records})} generations, {len(mixed)} mixed {mixed[:3]}")
sys.exit(bool(mixed) or len(records) < sent)
END
}
check swap/one-generation-a-message wait_for 5 one_generation
check swap/many-generations test "$(python3 -c 'import json, sys
print(len({json.loads(line)["generation"] for line in open(sys.argv[1])}))' "$WORK/messages.json")" -gt "$((seconds * 5))"
check swap/no-frame-dropped test "$(weir_counter dropped_frames)" = 0
resident() { [ "$(weir_counter resident)" = 2 ]; } # live, and previous to return to
check swap/old-sets-are-freed wait_for 20 resident
check swap/alive weir_alive
