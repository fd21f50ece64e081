#!/usr/bin/env bash
# STARTTLS, with a Postfix that offers it: passed and unseen, stripped, or refused.
. "$(dirname "$0")/lib.sh"
weir_built starttls
wire_up || exit 1
weir_rules base "$ROOT/rules/base.cf"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=mx.server.test -keyout "$WORK/key.pem" -out "$WORK/cert.pem" 2>"$WORK/openssl.log"
postfix_start "smtpd_tls_security_level = may" "smtpd_tls_cert_file = $WORK/cert.pem" "smtpd_tls_key_file = $WORK/key.pem" || exit 1

cat >"$WORK/client.py" <<'END'
"""Prints a JSON object: what a client that wants TLS, if it is offered, came to see."""
import json, smtplib, ssl, sys
host, name, text = sys.argv[1:]
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
seen = {}
server = smtplib.SMTP(host, 25, local_hostname="client.test", timeout=20)
server.ehlo()
seen["offered"] = server.has_extn("starttls")
if seen["offered"]:
    try:
        seen["tls"] = server.starttls(context=context)[0]
        server.ehlo()
    except smtplib.SMTPResponseException as refusal:
        seen["tls"] = refusal.smtp_code
    except smtplib.SMTPNotSupportedError:
        seen["tls"] = None
else:
    # A client that does not look: the verb is not to work either.
    seen["verb"] = server.docmd("STARTTLS")[0]
server.mail("a@client.test")
server.rcpt("root@server.test")
seen["code"] = server.data(f"Subject: {name}\r\n\r\n{text}\r\n")[0]
server.close()
print(json.dumps(seen))
END

# client NAME TEXT EXPECTED: a JSON object
client() {
    local seen
    seen=$(timeout 60 ip netns exec "$NA" python3 "$WORK/client.py" $SERVER "$1" "$2" 2>&1 </dev/null | tail -n 1)
    echo "$seen"
    [ "$seen" = "$3" ]
}
policy() {
    weir_config "$WORK/$1.cfg" "[rules]" "image = $WORK/base.image" "[smtp]" "starttls = $1"
    weir_start "$WORK/$1.cfg" "starttls/$1-start" || exit 1
}
blind() { [ "$(weir_counter blind_sessions)" -ge 1 ]; }

policy pass
check starttls/pass-mail client pass-good fine '{"offered": true, "tls": 220, "code": 250}'
# Nobody can read what is encrypted: it passes, and the appliance says that it did not see.
check starttls/pass-unseen client pass-gtube "$GTUBE" '{"offered": true, "tls": 220, "code": 250}'
check starttls/pass-counted-as-blind blind
weir_stop

policy strip
check starttls/strip-not-offered client strip-good fine '{"offered": false, "verb": 500, "code": 250}'
check starttls/strip-seen client strip-gtube "$GTUBE" '{"offered": false, "verb": 500, "code": 550}'
weir_stop

policy refuse
check starttls/refuse-verb client refuse-good fine '{"offered": true, "tls": 500, "code": 250}'
check starttls/refuse-seen client refuse-gtube "$GTUBE" '{"offered": true, "tls": 500, "code": 550}'
stored() { postfix_got strip-good && postfix_got refuse-good && ! postfix_has strip-gtube && ! postfix_has refuse-gtube; }
check starttls/stored stored
check starttls/alive weir_alive
