#!/usr/bin/env bash
# A real Postfix behind Weir: what is good is delivered, what is not is refused with a reply, and how that
# looks on the wire.
. "$(dirname "$0")/lib.sh"
weir_built postfix
wire_up || exit 1
printf 'header LATER Subject =~ /come back later/\nscore LATER 3\n' >"$WORK/later.cf"
weir_rules base "$ROOT/rules/base.cf"
weir_rules co-uk "$ROOT/rules/base.cf" "$ROOT/tests/data/rules/co-uk.cf"
weir_rules later "$ROOT/rules/base.cf" "$WORK/later.cf"
weir_config "$WORK/appliance.cfg" "[rules]" "image = $WORK/base.image" "[verdict]" "defer = 2.0" "refuse = 5.0"
weir_start "$WORK/appliance.cfg" postfix/start || exit 1
postfix_start || exit 1
eicar >"$WORK/eicar.com"

# delivered NAME TEXT [swaks...], refused NAME CODE TEXT [swaks...]
delivered() {
    local name=$1 text=$2
    shift 2
    if swaks_send "$WORK/said" "$@" && postfix_got "$text"; then ok "$name"; else fail "$name" "$(tail -n 4 "$WORK/said" | tr '\n' ' ')"; fi
}
refused() {
    local name=$1 code=$2 text=$3
    shift 3
    if swaks_send "$WORK/said" "$@"; then fail "$name" "it was accepted"
    elif ! grep -q "^<\*\* $code" "$WORK/said"; then fail "$name" "the client did not see $code: $(tail -n 4 "$WORK/said" | tr '\n' ' ')"
    elif postfix_has "$text"; then fail "$name" "it is in Postfix"
    else ok "$name"; fi
}

delivered postfix/good good-one --from a@client.test --header "Subject: good-one" --body "hello"
cat >"$WORK/exact.eml" <<'END'
From: a@client.test
To: root@server.test
Subject: exact-one
X-Odd:   blanks  kept
 and a folded line

.a line with a dot, and trailing blanks   
..two

The end, with umlauts: äöü
END
delivered postfix/odd-one exact-one --from a@client.test --data "@$WORK/exact.eml"
exact() {
    local file
    # swaks puts an empty line at the end.
    file=$(postfix_mail | tr '\n' '\0' | xargs -0r grep -lF exact-one) &&
        diff <(sed '1,/^Received:/d' "$file" | sed '1,/^[^ \t]/{/^[ \t]/d}' | sed '${/^$/d}') "$WORK/exact.eml"
}
check postfix/octet-for-octet exact

capture_start -p tcp
refused postfix/gtube 550 gtube-one --from a@client.test --header "Subject: gtube-one" --body "$GTUBE"
capture_stop
port=$(tshark -r "$WORK/outside.pcap" -Y 'tcp.flags.syn == 1 && tcp.dstport == 25' -T fields -e tcp.srcport 2>/dev/null | tail -n 1)
python3 "$E2E/trace.py" "$WORK/outside.pcap" "$WORK/inside.pcap" "${port:-0}" || FAILED=1

refused postfix/eicar 550 eicar-one --from a@client.test --header "Subject: eicar-one" --body "see the attachment" \
    --attach-type application/octet-stream --attach-name eicar.com --attach "@$WORK/eicar.com"
delivered postfix/co-uk-before co-uk-before --from bob@shop.co.uk --h-From bob@shop.co.uk --header "Subject: co-uk-before"
check postfix/push-co-uk weir_push "$WORK/co-uk.image"
refused postfix/co-uk 550 co-uk-refused --from bob@shop.co.uk --h-From bob@shop.co.uk --header "Subject: co-uk-refused"
delivered postfix/co-uk-else co-uk-else --from bob@shop.example --h-From bob@shop.example --header "Subject: co-uk-else"

check postfix/push-later weir_push "$WORK/later.image"
refused postfix/deferred 451 first-try --from a@client.test --header "Subject: come back later" --body first-try
check postfix/push-base weir_push "$WORK/base.image"
delivered postfix/retried second-try --from a@client.test --header "Subject: come back later" --body second-try

# One of several messages in a session.
several() {
    cat >"$WORK/several.py" <<'END'
import smtplib, sys
gtube = sys.argv[2]
server = smtplib.SMTP(sys.argv[1], 25, local_hostname="client.test", timeout=20)
server.ehlo()
def mail(name, text):
    server.mail("a@client.test")
    server.rcpt("root@server.test")
    return server.data(f"Subject: {name}\r\n\r\n{text}\r\n")[0]
seen = [mail("session-1", "fine"), mail("session-2", "fine"), mail("session-3", gtube)]
try:
    after = server.docmd("NOOP")[0]
except smtplib.SMTPServerDisconnected:
    after = None
print(seen, after)
sys.exit(seen != [250, 250, 550] or after != 421)
END
    timeout 60 ip netns exec "$NA" python3 "$WORK/several.py" $SERVER "$GTUBE" </dev/null &&
        postfix_got session-1 && postfix_got session-2 && ! postfix_has session-3
}
check postfix/third-of-a-session several

# smtp-source: an MTA's own client code, many at once.
source_count() { [ "$(postfix_mail | wc -l)" -ge $(($1)) ]; }
before=$(postfix_mail | wc -l)
check postfix/smtp-source timeout 60 ip netns exec "$NA" smtp-source -f s@client.test -t root@server.test -l 20000 -m 100 -s 10 $SERVER:25
check postfix/smtp-source-arrived wait_for 20 source_count "before + 100"
check postfix/alive weir_alive
