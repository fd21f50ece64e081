#!/usr/bin/env bash
# Many messages at 20 connections: what is wanted arrives as it was sent, what is not is refused, exactly.
#   mail.sh [COUNT [COUNT THROUGH POSTFIX]]      mail.sh 10000 is the full one
. "$(dirname "$0")/lib.sh"
count=${1:-2000}
postfix_count=${2:-300}
weir_built mail
wire_up || exit 1
weir_image "$ROOT/tests/data/rules/marks.cf" "$WORK/marks.image" >"$WORK/compile.log" 2>&1 ||
    { fail mail/rules "$(cat "$WORK/compile.log")"; exit 1; }
weir_config "$WORK/appliance.cfg" "[rules]" "image = $WORK/marks.image"
weir_start "$WORK/appliance.cfg" mail/start || exit 1

send() {
    local out=$1
    shift
    timeout 600 ip netns exec "$NA" python3 "$E2E/mail.py" send --out "$out" "$@" >"$WORK/said" 2>&1 </dev/null ||
        echo "the clients did not end well" >>"$WORK/said"
    sed 's/^/# /' "$WORK/said"
}
compare() { python3 "$E2E/mail.py" compare "$@"; }

sink_start || exit 1
send "$WORK/good.json" --count "$count"
check "mail/all-$count-arrive" compare --sent "$WORK/good.json" --got "$WORK/sink.json"

send "$WORK/mixed.json" --count "$count" --first 1000001 --refuse 5 --seed 2
check mail/five-percent-refused compare --sent "$WORK/good.json" --sent "$WORK/mixed.json" --got "$WORK/sink.json"

send "$WORK/six.json" --count $((count / 10)) --first 2000001 --refuse 20 --seed 3 --host $SERVER6
check mail/ipv6 compare --sent "$WORK/good.json" --sent "$WORK/mixed.json" --sent "$WORK/six.json" --got "$WORK/sink.json"

records() {
    python3 - "$WORK/messages.json" "$WORK"/{good,mixed,six}.json <<'END'
import json, sys
sent = {r["id"]: r for name in sys.argv[2:] for r in map(json.loads, open(name))}
judged = {}
for record in map(json.loads, open(sys.argv[1])):
    judged.setdefault(record["mail_from"].split("@")[0], set()).add(record["verdict"])
wrong = [(i, judged.get(i)) for i, r in sent.items() if judged.get(i) != {"refuse" if r["bad"] else "accept"}]
print(len(sent), "sent,", len(judged), "judged,", len(wrong), "otherwise", wrong[:5])
sys.exit(bool(wrong))
END
}
check mail/a-record-each wait_for 5 records
end_pid "$SINK_PID"

# The same to a real Postfix. Some messages it edits itself: what it stores of the same mail sent past Weir
# is as right as what was sent.
postfix_start || exit 1
ip netns exec "$NB" timeout 300 python3 "$E2E/mail.py" send --count "$postfix_count" --first 3000001 --host $SERVER \
    --out "$WORK/direct.json" >"$WORK/said" 2>&1 </dev/null
stored() { [ "$(postfix_mail | wc -l)" -ge "$1" ]; }
wait_for 60 stored "$postfix_count" || fail mail/direct "$(cat "$WORK/said")"
mkdir -p "$WORK/direct" && mv "$POSTFIX_DIR/mail/all" "$WORK/direct/"
send "$WORK/through.json" --count "$postfix_count" --first 3000001
wait_for 60 stored "$postfix_count"
check mail/postfix-all-arrive compare --sent "$WORK/through.json" --got "$POSTFIX_DIR/mail" --direct "$WORK/direct"

send "$WORK/refused.json" --count "$postfix_count" --first 4000001 --refuse 5 --seed 4
wanted=$(grep -c '"bad": false' "$WORK/refused.json")
wait_for 60 stored $((postfix_count + wanted))
refused() {
    # Nowhere in Postfix: neither the marks nor the envelopes of the unwanted.
    ! postfix_has weir-unwanted-last-line && ! postfix_has "X-Weir-Test: unwanted" &&
        python3 - "$WORK/refused.json" <<'END'
import json, sys
bad = [r for r in map(json.loads, open(sys.argv[1])) if r["bad"]]
wrong = [(r["id"], r["code"], r["text"]) for r in bad if r["code"] != 550]
print(len(bad), "unwanted,", len(wrong), "not refused", wrong[:5])
sys.exit(bool(wrong) or not bad)
END
}
check mail/postfix-refused refused
check mail/alive weir_alive
