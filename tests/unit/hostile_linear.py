#!/usr/bin/env python3
"""Whole mails made to cost too much are read in linear time: instructions (callgrind's count, the same on every run) for
one size against four times that size. What is quadratic would show 16.

    tests/unit/hostile_linear.py HOSTILE

Rules: rules/base.cf and every function that tests/data/rules/many.cf calls. Exits 1 when one grows more than RATIO_MAX
times, 77 without valgrind."""
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

RATIO_MAX = 5.5  # 4, and what caps and tables cost once they fill


def rules():
    evals = [l for l in Path("tests/data/rules/many.cf").read_text().splitlines() if "eval:" in l]
    return Path("rules/base.cf").read_text() + "uri U /a.b/\n" + "\n".join(evals) + "\n"


def counts(program, folder):
    """Instructions between one mark and the next, and what each mark said."""
    (folder / "rules.cf").write_text(rules())
    run = subprocess.run(["valgrind", "--tool=callgrind", "--dump-after=hostile_mark",
                          f"--callgrind-out-file={folder}/out", program, "--count", str(folder / "rules.cf")],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if run.returncode:
        sys.exit(run.stdout[-500:] + run.stderr[-2000:])
    marks = [line.split() for line in run.stdout.splitlines()]
    for i, (name, n) in enumerate(marks, 1):
        text = (folder / f"out.{i}").read_text()
        yield name, int(n), int(re.search(r"^(?:totals|summary): (\d+)", text, re.M).group(1))


def main():
    if not shutil.which("valgrind"):
        return 77
    bad, small = 0, None
    with tempfile.TemporaryDirectory() as folder:
        for name, n, count in counts(sys.argv[1], Path(folder)):
            if small and small[0] == name:
                ratio = count / small[2]
                if ratio > RATIO_MAX:
                    bad += 1
                print(f"{name:24} {small[1]:6} {small[2]:12} {n:6} {count:12} {ratio:5.1f}"
                      + (" NOT LINEAR" if ratio > RATIO_MAX else ""))
                small = None
            else:
                small = (name, n, count)
    return 1 if bad else 0


sys.exit(main())
