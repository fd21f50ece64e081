#!/usr/bin/env python3
"""A sample of what tests/e2e/sa_agree.py measures: Weir and SpamAssassin name the same rules.

Two sets of rules over 60 mails, the project's own and some of the corpus when it is there: SpamAssassin's stock
rules, and tests/data/rules/agree.cf, which has one rule of each kind. Prints `ok NAME`, `FAIL NAME: why` or
`skip NAME: why`; exits 1 when one failed. WEIR_BUILD: the build folder (./build); WEIR_CORPUS: a folder of mails."""
import os
import sys
from pathlib import Path

import sa_agree
import sa_truth

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("WEIR_BUILD", ROOT / "build")).resolve()
WEIRCTL = BUILD / "control" / "weirctl"
OWN = ROOT / "tests" / "data" / "mail"
CORPUS = Path(os.environ.get("WEIR_CORPUS", ROOT.parent / "shared" / "corpus"))

MAILS = 60
LEAST = 99.5  # percent of the regex pairs


def check(name, rules):
    own = sorted(str(p.relative_to(OWN)) for p in OWN.rglob("*.eml"))[:MAILS]
    samples = [(OWN, own)]
    if CORPUS.is_dir() and len(own) < MAILS:
        samples.append((CORPUS, sa_truth.choose(str(CORPUS), MAILS - len(own))))
    both = weir = sa = mails = 0
    worst = []
    for folder, names in samples:
        report = sa_agree.agree(str(WEIRCTL), str(folder), names, str(rules), jobs=os.cpu_count() or 1)
        regex = report["kinds"]["regex"]
        both, weir, sa, mails = both + regex["equal"], weir + regex["weir_alone"], sa + regex["sa_alone"], mails + len(names)
        worst += [rule for rule, r in report["differences"].items() if r["kind"] == "regex"]
    pairs = both + weir + sa
    share = 100.0 * both / pairs if pairs else 0.0
    said = f"{share:.2f} % of {pairs} pairs agree in {mails} mails, Weir alone {weir}, SpamAssassin alone {sa}"
    if share >= LEAST:
        print(f"ok {name}\n# {said}")
        return 0
    print(f"FAIL {name}: {said}: {', '.join(worst[:8])}")
    return 1


def main():
    if not sa_truth.is_installed():
        print("skip sa_agree: SpamAssassin is not installed")
        return 0
    if not os.access(WEIRCTL, os.X_OK):
        print(f"FAIL sa_agree: there is no {WEIRCTL}; build, or set WEIR_BUILD")
        return 1
    failures = 0
    for name, rules in (("sa_agree_own_rules", ROOT / "tests" / "data" / "rules" / "agree.cf"),
                        ("sa_agree_stock_rules", Path(sa_truth.STOCK))):
        try:
            failures += check(name, rules)
        except Exception as e:  # noqa: BLE001: the other is to be run
            said = getattr(e, "stderr", None)
            print(f"FAIL {name}: {e} {(said or b'').decode('utf-8', 'replace')[-300:]}".replace("\n", " | "))
            failures += 1
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
