#!/usr/bin/env python3
"""Every header of scan/, appliance/, dataplane/ and control/ compiles alone, as C17 and (but for *_private.h) as C++17.

Alone: a file that includes nothing else, and includes it twice (the guard). Warnings are errors, those of
system headers aside. Prints `ok NAME` or `FAIL NAME: why`; exits 1 when one failed.

    tests/unit/headers_test.py [FOLDER-OF-THE-SOURCES]
"""
import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PACKAGES = ["libdpdk", "libhs", "libcrypto", "libcjson", "inih", "numa", "libxxhash"]
WARNINGS = ["-Wall", "-Wextra", "-Werror"]
LANGUAGES = {
    "c17": (os.environ.get("CC", "cc"), ["-xc", "-std=c17", "-Wstrict-prototypes", "-Wconversion", "-Wshadow"]),
    "c++17": (os.environ.get("CXX", "c++"), ["-xc++", "-std=c++17"]),
}


def package_flags():
    # scan/ sees no DPDK: its folder is in the search path of the others only.
    text = {}
    for package in PACKAGES:
        run = subprocess.run(["pkg-config", "--cflags", package], check=True, capture_output=True, text=True)
        text[package] = [f"-isystem{flag[2:]}" if flag.startswith("-I") else flag for flag in shlex.split(run.stdout)]
    plain = [flag for package in PACKAGES if package != "libdpdk" for flag in text[package]]
    return {"scan": plain, "appliance": plain, "control": plain, "dataplane": plain + text["libdpdk"]}


def compile_alone(root, header, language, flags):
    compiler, options = LANGUAGES[language]
    source = f'#include "{header}"\n' * 2
    command = [*shlex.split(compiler), *options, *WARNINGS, "-D_GNU_SOURCE", f"-I{root}", *flags, "-fsyntax-only", "-"]
    run = subprocess.run(command, input=source, capture_output=True, text=True)
    if run.returncode == 0:
        return None
    lines = run.stderr.strip().splitlines()
    return next((line for line in lines if "error" in line), lines[0] if lines else f"exit {run.returncode}")


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2]).resolve()
    flags = package_flags()
    jobs = [(header.relative_to(root).as_posix(), language)
            for folder in flags
            for header in sorted((root / folder).glob("*.h"))
            for language in LANGUAGES
            if language == "c17" or not header.stem.endswith("_private")]
    if not jobs:
        print(f"FAIL headers: none in {root}")
        return 1
    failures = 0
    with ThreadPoolExecutor(2) as pool:
        whys = pool.map(lambda job: compile_alone(root, *job, flags[job[0].split("/")[0]]), jobs)
        for (header, language), why in zip(jobs, whys):
            name = f"{header} {language}"
            print(f"FAIL {name}: {why}" if why else f"ok {name}")
            failures += why is not None
    print(f"{len(jobs)} compilations, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
