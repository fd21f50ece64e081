#!/usr/bin/env python3
"""Weir and SpamAssassin over the same rules and mails must name the same rules.

    tests/e2e/sa_agree.py WEIRCTL CORPUS_FOLDER [--mails N] [--rules FILE]

Needs SpamAssassin's Perl modules (apt-get install spamassassin); without them it says so and exits 77.
Every (mail, rule) pair that differs is counted by rule and shown with one mail. Exits 1 on a difference.
Mails over 250 KB are left out: SpamAssassin cuts long bodies, Weir does not."""
import argparse
import collections
import json
import os
import subprocess
import sys
import tempfile

RULES = r"""
header   H_SUBJ_FREE   Subject =~ /\bfree\b/i
header   H_SUBJ_END    Subject =~ /[!?]$/
header   H_SUBJ_START  Subject =~ /^Re:/
header   H_SUBJ_CAPS   Subject =~ /^[^a-z]*$/
header   H_SUBJ_RAW    Subject:raw =~ /=\?/
header   H_FROM_NUM    From =~ /\d{3}/
header   H_FROM_ADDR   From:addr =~ /^[^@]+\@[^@]+\.com$/i
header   H_FROM_NAME   From:name =~ /^\w+ \w+$/
header   H_TO_MISSING  To =~ /^$/
header   H_TO_UNDISC   ToCc =~ /undisclosed/i
header   H_NO_MUA      X-Mailer !~ /./
header   H_MUA_UNSET   X-Mailer =~ /^UNSET$/ [if-unset: UNSET]
header   H_HAS_LIST    exists:List-Id
header   H_REPLY_TO    exists:Reply-To
header   H_MSGID       MESSAGEID =~ /^<[^>]*\@/m
header   H_MSGID_NOT   Message-ID !~ /^<.*>$/
header   H_ALL_X       ALL =~ /^X-[A-Z][a-z]+: /m
header   H_RCVD        Received =~ /by \S+ with E?SMTP/
header   H_RCVD_TWO    Received =~ /from .*\n.*from /
header   H_CT_HTML     Content-Type =~ /^text\/html/i
body     B_CLICK       /\bclick here\b/i
body     B_MONEY       /\$\d+(?:,\d{3})+/
body     B_START       /^Dear /
body     B_END         /regards,?$/im
body     B_TWO         /remove.{1,40}list/i
body     B_SPACE       / {2}/
body     B_HIGH        /[\x80-\xff]{2}/
rawbody  R_FONT        /<font[^>]*color/i
rawbody  R_HREF        /href\s*=\s*"?http/i
rawbody  R_LINE        /^-- $/m
rawbody  R_EMPTY       /\n\n/
full     F_BOUNDARY    /^Content-Type: multipart/mi
full     F_BASE64      /Content-Transfer-Encoding: base64/i
full     F_HOST        /localhost/
meta     M_BOTH        H_SUBJ_FREE && B_CLICK
meta     M_MIX         (B_MONEY || B_CLICK) && !H_HAS_LIST
meta     M_NONE        H_RCVD && !NO_SUCH_RULE
"""

PERL = r"""
use Mail::SpamAssassin;
my ($file, $list) = @ARGV;
open(my $r, '<', $file) or die; local $/; my $rules = <$r>; close $r;
my $sa = Mail::SpamAssassin->new({ config_text => "use_bayes 0\nuse_auto_welcomelist 0\nskip_rbl_checks 1\n"
    . "dns_available no\nbody_part_scan_size 0\nrawbody_part_scan_size 0\n"
    . "loadplugin Mail::SpamAssassin::Plugin::Check\n$rules",
    local_tests_only => 1, dont_copy_prefs => 1, require_rules => 0, userprefs_filename => '/dev/null' });
$sa->init(1);
open(my $l, '<', $list) or die; my @mails = split /\n/, <$l>; close $l;
for my $path (@mails) {
    open(my $f, '<', $path) or die; binmode $f; my $mail = <$f>; close $f;
    my $m = $sa->parse($mail); my $status = $sa->check($m);
    print join(' ', $path, sort split(/,/, $status->get_names_of_tests_hit())), "\n";
    $status->finish; $m->finish;
}
"""


def have_spamassassin():
    return subprocess.run(["perl", "-MMail::SpamAssassin", "-e1"], stderr=subprocess.DEVNULL).returncode == 0


def pick(folder, count):
    mails = sorted(os.path.join(d, f) for d, _, files in os.walk(folder) for f in files if f.endswith(".eml"))
    mails = [m for m in mails if os.path.getsize(m) < 250_000 and " " not in m]
    return mails[:: max(1, len(mails) // count)][:count]


def weir(weirctl, rules, mails):
    hits = {}
    out = subprocess.run([weirctl, "scan", "--json", "--rules", rules, *mails], stdout=subprocess.PIPE, check=True)
    for line in out.stdout.decode("utf-8", "replace").splitlines():
        judged = json.loads(line)
        if "rules_total" not in judged: # else the list is cut (JUDGEMENT_RULES_MAX): nothing to compare
            hits[judged["file"]] = set(judged["rules"])
    return hits


def spamassassin(rules, mails, folder):
    with open(os.path.join(folder, "mails"), "w") as f:
        f.write("\n".join(mails))
    script = os.path.join(folder, "oracle.pl")
    with open(script, "w") as f:
        f.write(PERL)
    out = subprocess.run(["perl", script, rules, os.path.join(folder, "mails")], stdout=subprocess.PIPE,
                         check=True)
    return {words[0]: set(words[1:]) for words in map(str.split, out.stdout.decode().splitlines())}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("weirctl")
    parser.add_argument("corpus")
    parser.add_argument("--mails", type=int, default=300)
    parser.add_argument("--rules")
    args = parser.parse_args()
    if not have_spamassassin():
        print("SpamAssassin is not installed")
        return 77
    mails = pick(args.corpus, args.mails)
    with tempfile.TemporaryDirectory() as folder:
        rules = args.rules or os.path.join(folder, "rules.cf")
        if not args.rules:
            with open(rules, "w") as f:
                f.write(RULES)
        ours, theirs = weir(args.weirctl, rules, mails), spamassassin(rules, mails, folder)
    more, less, example = collections.Counter(), collections.Counter(), {}
    same = 0
    print(f"{len(mails) - len(ours)} mails left out: more rules hit than Weir lists")
    mails = [m for m in mails if m in ours]
    for mail in mails:
        same += len(ours[mail] & theirs[mail])
        for rule in ours[mail] ^ theirs[mail]:
            (more if rule in ours[mail] else less)[rule] += 1
            example.setdefault(rule, mail)
    for rule in sorted(more | less):
        print(f"{rule}: weir alone {more[rule]}, SpamAssassin alone {less[rule]}, e.g. {example[rule]}")
    differ = more.total() + less.total()
    print(f"{len(mails)} mails, {same} hits agree, {differ} differ")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
