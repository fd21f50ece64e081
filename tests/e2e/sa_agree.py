#!/usr/bin/env python3
"""Weir and SpamAssassin over the same rules and mails must name the same rules.

    tests/e2e/sa_agree.py WEIRCTL CORPUS [--mails N] [--rules PATH] [--cache FOLDER] [--jobs N] [--image PATH] [--json]
                          [--all]

The rules are SpamAssassin's stock files if no PATH is given, the mails a spread of N below CORPUS (0: all). SpamAssassin
is asked by sa_truth.py, which keeps its answers in the cache. Compared are all rules that Weir honours (weirctl
rules compile --json --keep-unused), sub-rules too: a pair is a rule and a mail in which either hits. Told are, for each kind of rule, the pairs, how
many are equal and which of both hit alone; then every rule that differs, with the class of each difference and a mail
to look at; then what share of spam and ham is over the threshold, for both.

A class is one of CLASSES below, or found by the tool for a meta: one that reads a rule which differs in that mail, or
which Weir does not honour. What has no class is `unexplained`, and counts.

Exits 1 when a regex rule's agreement is below --least (99.5 %), 77 without SpamAssassin."""
import argparse
import collections
import fnmatch
import json
import os
import re
import subprocess
import sys
import tempfile

import sa_truth

KINDS = ("regex", "exists", "eval", "meta")

# (rule, mail, who hits alone: weir, sa or *) -> (class, reason). The first that fits. Only what was looked at, with
# SpamAssassin's debug output beside `weirctl scan --explain`.
CUT_TEXT = ("text cut by FreeMail", "SpamAssassin's FreeMail plugin cuts addresses out of the text itself; rules after it see less")
ADDRESS = ("address syntax", "no address by RFC 5322: SpamAssassin's patterns find none, or another")
NO_PART = ("multipart without a part", "SpamAssassin has no body then, and no Subject line in it; Weir has the Subject")
NO_LINE_END = ("no last line end", "the file's last line has no end; over SMTP every line has one, and Weir scans what SMTP brings")
REFERENCES = ("references as UTF-8", "&#146; in a part of ASCII only is one octet in SpamAssassin, UTF-8 in Weir as everywhere else")
CLASSES = [
    ("__HAS_ANY_EMAIL", "*", "weir", *CUT_TEXT),
    ("__hk_bigmoney", "*", "weir", *CUT_TEXT),
    ("__FILL_THIS_FORM_FRAUD_PHISH1", "*", "sa", *CUT_TEXT),
    ("__SINGLE_WORD_LINE", "made-*", "weir", *CUT_TEXT),
    ("*", "*stack-overflow*", "*", "header cap", "a header longer than Weir's HEADER_LEN_MAX (64 KiB): the fields behind it are not read (header-cap)"),
    ("__SPOOF_COM2COM", "sa-hard-ham-1/00229*", "sa", "URL cap", "more than 1,000 URLs in a mail: those behind are not looked at (url-cap)"),
    ("*", "*msg_33.txt*", "*", "RFC 2231 boundary", "boundary*=us-ascii''x: Weir takes it for a boundary, SpamAssassin does not and sees one text"),
    ("*", "*missing-subtype*", "*", "type without a slash", "RFC 2045 5.2: what has no media type is text/plain; SpamAssassin skips the part"),
    ("*", "*must_supply_encoding*", "*", *NO_PART),
    ("*", "*empty_in_reply_to*", "*", *NO_PART),
    ("*", "*msg_39.txt*", "*", "one boundary twice", "an inner multipart with the boundary of the outer one: its delimiters end other parts in both"),
    ("__ENV_AND_HDR_FROM_MATCH", "*", "sa", *ADDRESS),
    ("HEADER_FROM_DIFFERENT_DOMAINS", "*", "*", *ADDRESS),
    ("LOCALPART_IN_SUBJECT", "*example11*", "weir", *ADDRESS),
    ("__FROM_FULL_NAME", "*mix_caps*", "sa", *ADDRESS),
    ("SUSPICIOUS_RECIPS", "*freemailcc*", "weir", *ADDRESS),
    ("__TVD_SPACE_RATIO", "*", "sa", *NO_LINE_END),
    ("*_URI", "*url8*", "weir", *NO_LINE_END),
    ("__LOCAL_PP_NONPPURL", "*url8*", "weir", *NO_LINE_END),
    ("__KAM_BODY_LENGTH_*", "*", "weir", "CRLF counted once", "SpamAssassin counts the CR of a file with CRLF, Weir counts a line end as one octet"),
    ("__HIGHBITS", "sa-hard-ham-1/00160*", "weir", *REFERENCES),
    ("B_HIGH", "*", "weir", *REFERENCES),
    ("MIME_HTML_MOSTLY", "*decoderended*", "weir", "empty message part", "a message/rfc822 without an octet: a text of no length in Weir, nothing in SpamAssassin"),
    ("__DC_IMG_HTML_RATIO", "*", "weir", "length of the rendered text", "the rawbody form of image_to_text_ratio takes the raw text's length, Weir the rendered one's"),
    ("__UPPERCASE_URI", "made-*", "sa", "redirector without a scheme", "url?q=3Dhttp://..: redirector_pattern is not read; only targets that begin with http are followed"),
    ("HTTPS_HTTP_MISMATCH", "made-*", "sa", "host name syntax", "http://-bad-.example.com/: SpamAssassin looks only at example.com, Weir at the whole name"),
    ("*UPPERCASE_*", "made-*", "*", "digest without its delimiter", "SpamAssassin takes the text of a multipart/digest without a delimiter for a message"),
    ("*_ALT*", "made-*", "sa", "alternative in alternative", "SpamAssassin compares the inner ones too, Weir the outer one's parts"),
]

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def weir_rules(weirctl, rules, image):
    """Compiles the rules, unless that image and what was said of it are there already; -> {name: {"kind",
    "honoured", "text"}} of all of them."""
    said = image + ".json"
    if not os.path.exists(image) or not os.path.exists(said):
        out = subprocess.run([weirctl, "rules", "compile", "--json", "--keep-unused", rules, "-o", image],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True)
        with open(said, "wb") as f:
            f.write(out.stdout)
    with open(said, "rb") as f:
        return {r["name"]: r for r in json.loads(f.read())["list"]}


def weir_hits(weirctl, image, corpus, names, jobs):
    """{name: (score, set of rules)}"""
    found = {}
    for at in range(0, len(names), 5000):
        paths = {os.path.join(corpus, name): name for name in names[at:at + 5000]}
        out = subprocess.run([weirctl, "scan", "--json", "--all-rules", "--jobs", str(jobs), "--rules", image, *paths],
                             stdout=subprocess.PIPE, check=True)
        for line in out.stdout.decode("utf-8", "replace").splitlines():
            mail = json.loads(line)
            found[paths[mail["file"]]] = (mail["score"], set(mail["rules"]) | set(mail["subrules"]))
    return found


def class_of(rule, kind, who, mail, differs, rules):
    """The class of one difference in one mail, whose differing rules are `differs`."""
    for of_rule, of_mail, of_who, name, _ in CLASSES:
        if fnmatch.fnmatchcase(rule, of_rule) and fnmatch.fnmatchcase(mail, of_mail) and of_who in ("*", who):
            return name
    if kind == "meta":
        reads = set(NAME.findall(rules[rule].get("text", ""))) - {rule}
        if reads & differs:
            return "reads a rule that differs"
        if any(name in rules and not rules[name]["honoured"] for name in reads):
            return "reads a rule that is not honoured"
    return "unexplained"


class Kind:
    def __init__(self):
        self.rules = self.both = self.weir = self.sa = 0

    def record(self):
        pairs = self.both + self.weir + self.sa
        return {"rules": self.rules, "pairs": pairs, "equal": self.both, "weir_alone": self.weir, "sa_alone": self.sa,
                "agreement": 100.0 * self.both / pairs if pairs else 100.0}


def kind_of(rule):
    return "regex" if rule["kind"] not in ("exists", "eval", "meta") else rule["kind"]


def compare(rules, ours, theirs):
    """-> {kind: Kind}, {rule: {"kind", "weir", "sa", "classes", "example"}}"""
    kinds = {kind: Kind() for kind in KINDS}
    honoured = {name: kind_of(rule) for name, rule in rules.items() if rule["honoured"]}
    for kind in honoured.values():
        kinds[kind].rules += 1
    table = {}
    for mail, (_, hit) in ours.items():
        truth = set(theirs[mail]["tests"]) | set(theirs[mail]["subtests"])
        for rule in hit & truth & honoured.keys():
            kinds[honoured[rule]].both += 1
        differs = (hit ^ truth) & honoured.keys()
        for rule in differs:
            kind, who = honoured[rule], "weir" if rule in hit else "sa"
            setattr(kinds[kind], who, getattr(kinds[kind], who) + 1)
            row = table.setdefault(rule, {"kind": kind, "weir": 0, "sa": 0, "classes": collections.Counter(),
                                          "example": {}})
            row[who] += 1
            row["classes"][class_of(rule, kind, who, mail, differs, rules)] += 1
            row["example"].setdefault(who, mail)
    return kinds, table


def shares(ours, theirs, threshold):
    """How much of spam and ham is over the threshold, in percent, for both."""
    found = {}
    for name, prefixes in (("spam", ("sa-spam",)), ("ham", ("sa-easy-ham", "sa-hard-ham"))):
        mails = [m for m in ours if m.startswith(prefixes)]
        if mails:
            found[name] = {"mails": len(mails),
                           "weir": 100.0 * sum(ours[m][0] >= threshold for m in mails) / len(mails),
                           "spamassassin": 100.0 * sum(theirs[m]["score"] >= threshold for m in mails) / len(mails)}
    return found


def print_table(rows):
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())


def print_report(report, wants_all):
    print(f"{report['mails']} mails, {report['rules']['honoured']} of {report['rules']['defined']} rules honoured\n")
    rows = [("KIND", "RULES", "PAIRS", "EQUAL", "WEIR ALONE", "SA ALONE", "AGREEMENT")]
    for kind, r in report["kinds"].items():
        rows.append((kind, r["rules"], r["pairs"], r["equal"], r["weir_alone"], r["sa_alone"], f"{r['agreement']:.3f} %"))
    print_table(rows)
    if report["classes"]:
        print()
        print_table([("PAIRS", "CLASS", "REASON")] + [(c["pairs"], name, c["reason"]) for name, c in report["classes"].items()])
    rows = [("RULE", "KIND", "WEIR ALONE", "SA ALONE", "CLASS", "A MAIL")]
    for rule, r in report["differences"].items():
        rows.append((rule, r["kind"], r["weir"], r["sa"], ", ".join(f"{c} ({n})" for c, n in r["classes"].items()),
                     next(iter(r["example"].values()))))
    if len(rows) > 1:
        print()
        print_table(rows if wants_all else rows[:61])
        if not wants_all and len(rows) > 61:
            print(f"... and {len(rows) - 61} rules more (--all)")
    for name, s in report["shares"].items():
        print(f"\n{name} over {report['threshold']:g}: Weir {s['weir']:.1f} %, SpamAssassin {s['spamassassin']:.1f} % of {s['mails']}",
              end="")
    print()


def make_report(rules, ours, theirs, threshold):
    kinds, table = compare(rules, ours, theirs)
    reasons = {entry[3]: entry[4] for entry in CLASSES}
    classes = collections.Counter()
    for row in table.values():
        classes += row["classes"]
    order = sorted(table, key=lambda rule: (KINDS.index(table[rule]["kind"]), -table[rule]["weir"] - table[rule]["sa"], rule))
    return {"mails": len(ours), "threshold": threshold,
            "rules": {"defined": len(rules), "honoured": sum(r["honoured"] for r in rules.values())},
            "kinds": {name: kind.record() for name, kind in kinds.items()},
            "classes": {name: {"pairs": n, "reason": reasons.get(name, "")} for name, n in classes.most_common()},
            "differences": {rule: {**table[rule], "classes": dict(table[rule]["classes"])} for rule in order},
            "shares": shares(ours, theirs, threshold)}


def agree(weirctl, corpus, names, rules=sa_truth.STOCK, cache=None, jobs=1, threshold=5.0, say=lambda text: None,
          image=None):
    """The report over these names below corpus."""
    theirs = sa_truth.truth(corpus, names, rules, cache, jobs, say)
    with tempfile.TemporaryDirectory() as folder:
        image = image or os.path.join(folder, "rules.img")
        known = weir_rules(weirctl, rules, image)
        ours = weir_hits(weirctl, image, corpus, names, jobs)
    return make_report(known, ours, theirs, threshold)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("weirctl")
    parser.add_argument("corpus")
    parser.add_argument("--mails", type=int, default=2000)
    parser.add_argument("--rules", default=sa_truth.STOCK)
    parser.add_argument("--cache")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--threshold", type=float, default=5.0)
    parser.add_argument("--least", type=float, default=99.5)
    parser.add_argument("--image", help="keep the compiled rules here, and take them from here")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--all", action="store_true", help="every rule that differs, not the first 60")
    args = parser.parse_args()
    if not sa_truth.is_installed():
        print("SpamAssassin is not installed")
        return 77
    report = agree(args.weirctl, args.corpus, sa_truth.choose(args.corpus, args.mails), args.rules, args.cache, args.jobs,
                   args.threshold, lambda text: print(text, file=sys.stderr, flush=True), args.image)
    if args.json:
        json.dump(report, sys.stdout, indent=1)
        print()
    else:
        print_report(report, args.all)
    return 0 if report["kinds"]["regex"]["agreement"] >= args.least else 1


if __name__ == "__main__":
    sys.exit(main())
