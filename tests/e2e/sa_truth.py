#!/usr/bin/env python3
"""What SpamAssassin says about mails, asked once: one process a core, kept in a cache.

    tests/e2e/sa_truth.py CORPUS [--rules PATH] [--mails N] [--cache FOLDER] [--jobs N] -o TRUTH.json

TRUTH.json: {"folder/file": {"score": 5.1, "required": 5, "tests": [...], "subtests": [...]}}, names below CORPUS.
RULES default to SpamAssassin's stock files. A cache file belongs to one set of rules, settings and version; in it
a mail is known by the hash of its octets, so an interrupted run goes on where it was and a larger one asks only
for what is new. Needs Debian's package spamassassin."""
import argparse
import concurrent.futures
import glob
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile

STOCK = "/usr/share/spamassassin"
SITE = "/etc/spamassassin"
ORACLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sa_oracle.pl")


def is_installed():
    """SpamAssassin's modules, and its stock rules."""
    return os.path.isdir(STOCK) and subprocess.run(["perl", "-MMail::SpamAssassin", "-e1"],
                                                   stderr=subprocess.DEVNULL).returncode == 0


def choose(corpus, count):
    """Names below corpus, a spread: of 2,000 half is easy ham, all spam and hard ham, and the rest of what is
    strange. The list for a count is always the same. 0: every mail."""
    groups = {}
    for path in glob.iglob("**/*", root_dir=corpus, recursive=True):
        full = os.path.join(corpus, path)
        if os.path.isfile(full) and not os.path.basename(path).startswith("README"):
            kind = next((k for k in ("easy-ham", "hard-ham", "spam") if path.startswith("sa-" + k)), "other")
            groups.setdefault(kind, []).append(path)
    shares = {"easy-ham": 1000, "hard-ham": 250, "spam": 500, "other": 250}
    chosen = []
    for kind, paths in groups.items():
        paths.sort()
        want = count * shares[kind] // 2000 if count else len(paths)
        step = max(1, len(paths) / max(1, want))
        chosen += [paths[int(i * step)] for i in range(min(want, len(paths)))]
    return sorted(chosen)


def rules_key(rules):
    """The hash of everything that an answer depends on but the mail."""
    version = subprocess.run(["perl", "-MMail::SpamAssassin", "-e", "print $Mail::SpamAssassin::VERSION"],
                             stdout=subprocess.PIPE, check=True).stdout
    key = hashlib.sha256(version)
    files = [rules] if os.path.isfile(rules) else sorted(glob.glob(os.path.join(rules, "*.cf")))
    for path in [ORACLE] + sorted(glob.glob(SITE + "/*.pre")) + files:
        with open(path, "rb") as f:
            octets = f.read()
        key.update(b"%s %d\n" % (os.path.basename(path).encode(), len(octets)))
        key.update(octets)
    return key.hexdigest()[:24]


def file_key(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()[:32]


def read_cache(path):
    known = {}
    if os.path.exists(path):
        with open(path, "rb") as f:
            for line in f:
                if line.endswith(b"}\n"): # not the torn end of an interrupted run
                    answer = json.loads(line)
                    known[answer.pop("key")] = answer
    return known


def ask(rules, lines, cache):
    """One oracle over these "KEY PATH" lines; answers are appended to the cache as they come."""
    with tempfile.TemporaryDirectory() as folder:
        site, state = os.path.join(folder, "site"), os.path.join(folder, "state")
        os.mkdir(site)
        os.mkdir(state)
        for pre in glob.glob(SITE + "/*.pre"):
            shutil.copy(pre, site)
        if os.path.isfile(rules): # of a folder SpamAssassin reads *.pre and then *.cf; a file it would read as *.pre
            os.mkdir(os.path.join(folder, "rules"))
            rules = shutil.copy(rules, os.path.join(folder, "rules", "rules.cf"))
            rules = os.path.dirname(rules)
        with open(os.path.join(folder, "list"), "w") as f:
            f.write("\n".join(lines) + "\n")
        with open(os.path.join(folder, "list"), "rb") as f, open(os.path.join(folder, "err"), "w+b") as err:
            oracle = subprocess.Popen(["perl", ORACLE, rules, site, state], stdin=f, stdout=subprocess.PIPE, stderr=err)
            with open(cache, "ab") as out:
                for line in oracle.stdout:
                    out.write(line)
                    out.flush()
            if oracle.wait():
                err.seek(0)
                raise RuntimeError(f"sa_oracle.pl ended with {oracle.returncode}: "
                                   + err.read().decode("utf-8", "replace")[-500:])


def truth(corpus, names, rules=STOCK, cache_folder=None, jobs=0, say=lambda text: None):
    """{name: answer} for names below corpus; asks SpamAssassin for those that the cache does not know."""
    with tempfile.TemporaryDirectory() as own:
        cache_folder = cache_folder or own
        os.makedirs(cache_folder, exist_ok=True)
        cache = os.path.join(cache_folder, f"spamassassin-{rules_key(rules)}.jsonl")
        known = read_cache(cache)
        keys = {name: file_key(os.path.join(corpus, name)) for name in names}
        new = {keys[name]: os.path.join(corpus, name) for name in names if keys[name] not in known}
        jobs = min(jobs or os.cpu_count() or 1, max(1, len(new)))
        lines = [f"{key} {path}" for key, path in new.items()]
        if lines:
            say(f"SpamAssassin: {len(lines)} of {len(names)} mails to ask, {jobs} processes")
            with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
                for done in [pool.submit(ask, rules, lines[i::jobs], cache) for i in range(jobs)]:
                    done.result()
            known = read_cache(cache)
        return {name: known[key] for name, key in keys.items()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus")
    parser.add_argument("--rules", default=STOCK)
    parser.add_argument("--mails", type=int, default=0)
    parser.add_argument("--cache")
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument("-o", "--output", required=True)
    args = parser.parse_args()
    if not is_installed():
        print("SpamAssassin is not installed")
        return 77
    answers = truth(args.corpus, choose(args.corpus, args.mails), args.rules, args.cache, args.jobs,
                    lambda text: print(text, file=sys.stderr, flush=True))
    part = args.output + ".part"
    with open(part, "w") as f:
        json.dump(answers, f, indent=0, sort_keys=True)
    os.rename(part, args.output)
    print(f"{len(answers)} mails -> {args.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
