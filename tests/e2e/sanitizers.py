"""sanitizers: what ASan and UBSan find in Weir's processes, for tests that run the sanitized build (WEIR_BUILD=build-asan).

Importing it sets ASAN_OPTIONS and UBSAN_OPTIONS for every process that the test starts. What ASan finds is written to a
file for each process, whoever reads its stderr; gcc's UBSan knows no file beside ASan, so the test shows what stderr said.

    sanitizers.look(text)                   of a process's stderr
    for found in sanitizers.reports():      what there is since the last call, a sentence each; [] with any other build
        ...
"""
import atexit
import os
import re
import shutil
import tempfile

_seen = []
_given = os.environ.get("WEIR_SANITIZERS")  # by what this process was before it ran itself again (tools/drill)
_folder = os.environ["WEIR_SANITIZERS"] = _given or tempfile.mkdtemp(prefix="weir-sanitizers-")
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
os.chmod(_folder, 0o1777)  # for processes that have become another user


def _add(name, **options):
    if _given:
        return
    words = [os.environ[name]] if os.environ.get(name) else []
    os.environ[name] = ":".join(words + [f"{key}={value}" for key, value in options.items()])


# A process as large as it is without them, so that tests of its memory hold; and what leaks is told, at its end.
_add("ASAN_OPTIONS", log_path=f"{_folder}/asan", log_exe_name=1, quarantine_size_mb=1, detect_leaks=1)
_add("UBSAN_OPTIONS", log_path=f"{_folder}/asan", halt_on_error=1, print_stacktrace=1)


def without_leaks():
    """The environment of a process that cannot look for them: it may not be traced, and is not root."""
    return {"ASAN_OPTIONS": os.environ["ASAN_OPTIONS"] + ":detect_leaks=0"}


def look(text):
    _seen.extend(re.findall(r"[^\n]*runtime error: [^\n]*", text))


def reports():
    found = sorted(set(_seen))
    _seen.clear()
    for name in sorted(os.listdir(_folder)):
        path = os.path.join(_folder, name)
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
        os.unlink(path)
        what = re.search(r"SUMMARY: .*|.*runtime error: .*|.*ERROR: .*", text)
        where = re.findall(r"#\d+ \S+ in (\S+) \S*?/((?:control|scan|appliance|dataplane)/\S+)", text)[:4]
        found.append(f"{name.split('.')[1] if name.count('.') > 1 else name}: {what[0].strip() if what else text[:300]}"
                     + "".join(f" | {function} {at}" for function, at in where))
    return found
