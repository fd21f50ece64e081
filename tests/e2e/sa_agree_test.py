#!/usr/bin/env python3
"""A sample of what tests/e2e/sa_agree.py measures: Weir and SpamAssassin name the same rules.

Two sets of rules: tests/data/rules/agree.cf, which has what operators write, and SpamAssassin's stock rules with
every sub-rule. Three sets of mails: the project's own, made ones (sa_mails.py), and a spread of the corpus when it is
there. Prints `ok NAME`, `FAIL NAME: why` or `skip NAME: why`; exits 1 when one failed. WEIR_BUILD: the build folder
(./build); WEIR_CORPUS: a folder of mails."""
import os
import sys
import tempfile
from pathlib import Path

import sa_agree
import sa_mails
import sa_truth

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("WEIR_BUILD", ROOT / "build")).resolve()
WEIRCTL = BUILD / "control" / "weirctl"
OWN = ROOT / "tests" / "data" / "mail"
CORPUS = Path(os.environ.get("WEIR_CORPUS", ROOT.parent / "shared" / "corpus"))

MADE = 100
SPREAD = 60 # mails of the corpus
LEAST = {"regex": 99.5, "exists": 99.9, "eval": 98.0, "meta": 97.0} # percent of the pairs


def gather(folder):
    """Links to the mails in one folder, so that both sides are started once; -> their names."""
    names = sa_mails.write(folder, MADE)
    sources = [(OWN, sorted(str(p.relative_to(OWN)) for p in OWN.rglob("*.eml")))]
    if CORPUS.is_dir():
        sources.append((CORPUS, sa_truth.choose(str(CORPUS), SPREAD)))
    for source, found in sources:
        for name in found:
            link = Path(folder) / name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(source / name)
            names.append(name)
    return names


def check(name, rules, folder, names):
    report = sa_agree.agree(str(WEIRCTL), folder, names, str(rules), jobs=os.cpu_count() or 1)
    low = [f"{kind} {r['agreement']:.2f} %" for kind, r in report["kinds"].items() if r["agreement"] < LEAST[kind]]
    said = ", ".join(f"{kind} {r['agreement']:.2f} % of {r['pairs']}" for kind, r in report["kinds"].items())
    if low:
        rules = [rule for rule, r in report["differences"].items() if any(kind.startswith(r["kind"] + " ") for kind in low)]
        print(f"FAIL {name}: too low: {', '.join(low)}: {', '.join(rules[:8])}")
        return 1
    print(f"ok {name}\n# {report['mails']} mails, {report['rules']['honoured']} of {report['rules']['defined']} rules: {said}", flush=True)
    return 0


def main():
    if not sa_truth.is_installed():
        print("skip sa_agree: SpamAssassin is not installed")
        return 0
    if not os.access(WEIRCTL, os.X_OK):
        print(f"FAIL sa_agree: there is no {WEIRCTL}; build, or set WEIR_BUILD")
        return 1
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        names = gather(folder)
        for name, rules in (("sa_agree_own_rules", ROOT / "tests" / "data" / "rules" / "agree.cf"),
                            ("sa_agree_stock_rules", Path(sa_truth.STOCK))):
            try:
                failures += check(name, rules, folder, names)
            except Exception as e:  # noqa: BLE001: the other is to be run
                said = getattr(e, "stderr", None)
                print(f"FAIL {name}: {e} {(said or b'').decode('utf-8', 'replace')[-300:]}".replace("\n", " | "))
                failures += 1
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
