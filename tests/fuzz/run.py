"""Fuzz parsers, files and a whole gateway in memory, guided by coverage: ``make fuzz SECONDS=60``, for each target.

Each target runs in a process of its own, on what the tests know, on ``corpus/`` and on what was found before, which
stays in ``build/fuzz/TARGET``.  An input that breaks a promise ends its target and is kept there as ``crash-``:
give it to the target in a test, mend the code.  ``--minimise`` brings what was found into ``corpus/``.
"""

import argparse
import re
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fuzz.targets import Target

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

CORPUS = ROOT / "tests" / "fuzz" / "corpus"
FOUND = ROOT / "build" / "fuzz"
LONGEST = 4096


def fuzz(name: str, seconds: int) -> None:
    """Fuzz one target in this process, which ends with it."""
    import atheris

    with atheris.instrument_imports(include=["twgw"]):  # so nothing of twgw may be imported before
        from tests.fuzz.targets import TARGETS
    target = TARGETS[name]
    folder = FOUND / name
    inputs, seeds, words = folder / "inputs", folder / "seeds", folder / "words"
    for place in (inputs, seeds, CORPUS / name):
        place.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds:
        (seeds / digest(seed)).write_bytes(seed)
    words.write_text("".join(f'"{"".join(f"{chr(92)}x{byte:02x}" for byte in word)}"\n' for word in target.words))
    options = [f"-max_total_time={seconds}", f"-max_len={LONGEST}", f"-artifact_prefix={folder}/", "-timeout=10"]
    options += ["-print_final_stats=1", *([f"-dict={words}"] if target.words else [])]
    atheris.Setup([sys.argv[0], *options, *map(str, (inputs, seeds, CORPUS / name))], target.check)
    atheris.Fuzz()


def digest(data: bytes) -> str:
    """The name of an input."""
    return sha256(data).hexdigest()[:16]


def run(name: str, seconds: int) -> bool:
    """Fuzz one target in a process of its own and say how it went; whether no promise was broken."""
    log = FOUND / name / "log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, __file__, "--seconds", str(seconds), "--inside", name]
    with log.open("w") as output:
        status = subprocess.run(command, check=False, stdout=output, stderr=output).returncode
    runs, reached = (
        (re.findall(expression, log.read_text(errors="replace")) or ["?"])[-1]
        for expression in (r"number_of_executed_units: +(\d+)", r"cov: (\d+)")
    )
    print(f"{name:14} {runs:>10} runs {reached:>6} edges   {f'BROKEN, see {log}' if status else 'held'}", flush=True)
    return status == 0


def minimise(name: str, target: "Target") -> int:
    """Leave in ``corpus/`` the smallest inputs that together reach every branch that was reached; how many."""
    import coverage

    reached, kept = set(), {}
    found = [path.read_bytes() for folder in (CORPUS / name, FOUND / name / "inputs") for path in folder.glob("*")]
    measured = coverage.Coverage(branch=True, data_file=None, source_pkgs=["twgw"])
    measured.set_option("run:disable_warnings", ["module-not-measured", "module-not-imported"])
    for data in (*target.seeds, *sorted(set(found) - set(target.seeds), key=lambda each: (len(each), each))):
        measured.erase()
        with measured.collect():
            target.check(data)
        lines = measured.get_data()
        branches = {(file, arc) for file in lines.measured_files() for arc in lines.arcs(file) or ()}
        if not branches <= reached and data not in target.seeds:
            kept[digest(data)] = data
        reached |= branches
    shutil.rmtree(CORPUS / name, ignore_errors=True)
    (CORPUS / name).mkdir(parents=True)
    for file, data in kept.items():
        (CORPUS / name / file).write_bytes(data)
    return len(kept)


def main() -> None:
    """All targets one after the other, or some."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default: %(default)s)")
    parser.add_argument("--target", action="append", help="only this one; may be repeated")
    parser.add_argument("--minimise", action="store_true", help="instead: bring what was found into tests/fuzz/corpus")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        fuzz(options.inside, options.seconds)
    from tests.fuzz.targets import TARGETS

    names = options.target or list(TARGETS)
    if unknown := set(names) - set(TARGETS):
        sys.exit(f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    if options.minimise:
        for name in names:
            print(f"{name:14} {minimise(name, TARGETS[name]):4} files")
    else:
        held = [run(name, options.seconds) for name in names]
        sys.exit(0 if all(held) else 1)


if __name__ == "__main__":
    main()
