#!/usr/bin/env python3
"""weirctl preflight as an operator meets it: report, exit codes, a pushed image, and no process or file left behind.

Prints `ok NAME` or `FAIL NAME: why`; exits 1 when one failed. WEIR_BUILD: the build folder (./build).
"""
import glob
import json
import os
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

import sanitizers

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("WEIR_BUILD", ROOT / "build")).resolve()
WEIRCTL = BUILD / "control" / "weirctl"
BASE = (ROOT / "rules" / "base.cf").read_text()
CO_UK = (ROOT / "tests" / "data" / "rules" / "co-uk.cf").read_text()


class Folder:
    def __init__(self, path):
        self.path = Path(path)
        self.env = dict(os.environ, WEIR_CACHE=str(self.path / "cache"))
        (self.path / "base.cf").write_text(BASE)
        (self.path / "co-uk.cf").write_text(BASE + CO_UK)

    def run(self, *words, expect):
        r = subprocess.run([WEIRCTL, *words], cwd=self.path, env=self.env, capture_output=True, text=True, timeout=300)
        sanitizers.look(r.stderr)
        assert r.returncode == expect, f"{words}: exit {r.returncode}, not {expect}: {r.stdout}{r.stderr}"
        return r.stdout

    def report(self, *words, expect):
        return json.loads(self.run("preflight", "--json", *words, expect=expect))


def checks(report):
    return {c["name"]: c for c in report["checks"]}


def good_rules_pass(f):
    r = f.report("--live", "base.cf", "base.cf", expect=0)
    assert r["ok"] and all(c["ok"] for c in r["checks"]), r["text"]
    assert list(checks(r)) == ["lint", "limits", "load", "golden", "cost", "suffixes", "corpora", "clocks"]
    assert checks(r)["suffixes"]["suffixes"] > 9000, "the system's list"
    assert "PASSED" in f.run("preflight", "base.cf", expect=0)


def the_incident_is_named(f):
    r = f.report("--live", "base.cf", "co-uk.cf", expect=1)
    s = checks(r)["suffixes"]
    assert not r["ok"] and not s["ok"] and not checks(r)["lint"]["ok"]
    first = s["hits"][0]
    assert first["suffix"] == "co.uk" and first["rules"] == ["CO_UK"] and "from/sender" in first["places"], first
    assert all(h["suffix"] == "co.uk" or h["suffix"].endswith(".co.uk") for h in s["hits"])
    assert s["hit_suffixes"] == len(s["hits"]) and s["by_rule"][0]["rule"] == "CO_UK"
    text = f.run("preflight", "--live", "base.cf", "co-uk.cf", expect=1)
    assert "NOT OK suffixes" in text and "co.uk by CO_UK in from/sender" in text, text


def an_image_is_taken(f):
    f.run("rules", "compile", "base.cf", "-o", "base.image", expect=0)
    r = f.report("--live", "base.image", "--suffixes-only", "base.image", expect=0)
    assert list(checks(r)) == ["lint", "load", "golden", "suffixes"]
    assert "an image was pushed" in checks(r)["lint"]["text"]


def corpora_and_threshold_are_options(f):
    (f.path / "ham").mkdir()
    (f.path / "ham" / "a").write_text("From: a@b.example.de\nDate: Mon, 5 Jan 2026 10:00:00 +0000\n\nGarlic bread\n")
    (f.path / "garlic.cf").write_text(BASE + "body GARLIC /Garlic/\nscore GARLIC 3\n")
    options = ("--live", "base.cf", "--ham", "ham", "garlic.cf")
    assert checks(f.report(*options, expect=0))["corpora"]["ham"] == 1
    r = f.report("--threshold", "2.5", *options, expect=1)
    assert r["changed"][0]["rules"] == ["GARLIC"] and r["changed"][0]["suffix"] == "de", r["changed"]


def wrong_words_are_usage(f):
    for words in ([], ["a", "b"], ["--nonsense", "base.cf"], ["--threshold", "x", "base.cf"], ["--jobs", "0", "base.cf"]):
        f.run("preflight", *words, expect=2)
    f.run("preflight", "--help", expect=0)
    f.run("preflight", "missing.cf", expect=1)


def nothing_is_left(f):
    before = set(glob.glob("/tmp/weir-preflight-??????"))
    f.run("preflight", "--suffixes-only", "base.cf", expect=0)
    assert not set(glob.glob("/tmp/weir-preflight-??????")) - before, "an image is left"


TESTS = [good_rules_pass, the_incident_is_named, an_image_is_taken, corpora_and_threshold_are_options,
         wrong_words_are_usage, nothing_is_left]


def main():
    failed = 0
    for test in TESTS:
        with tempfile.TemporaryDirectory(prefix="weir-preflight-") as folder:
            try:
                test(Folder(folder))
                found = sanitizers.reports()
                assert not found, "; ".join(found)
                print(f"ok {test.__name__}")
            except Exception as e:
                failed += 1
                print(f"FAIL {test.__name__}: {e}")
                if not isinstance(e, AssertionError):
                    traceback.print_exc()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
