"""Fuzz the parsers and the whole gateway, guided by coverage: ``make fuzz ARGS="--seconds 60"``.

Needs atheris, which ``make fuzz`` installs.  Each target runs in a process of its own, from the seeds of the tests.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

NAMES = ("request", "response", "chunked", "gateway", "state")


def fuzz(name: str, seconds: int) -> None:
    """Fuzz one target in this process; a broken promise ends it with the input that broke it."""
    import atheris

    with atheris.instrument_imports(include=["twgw"]):
        from tests.fuzz.targets import TARGETS
    target, seeds = TARGETS[name]
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds):
            (Path(corpus) / str(number)).write_bytes(seed)
        atheris.Setup([sys.argv[0], corpus, f"-max_total_time={seconds}", "-max_len=4096"], target)
        atheris.Fuzz()


def main() -> None:
    """All targets one after the other, or one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default: %(default)s)")
    parser.add_argument("--target", choices=NAMES, help="one target, in this process")
    options = parser.parse_args()
    try:
        import atheris  # noqa: F401 - is it there?
    except ImportError:
        sys.exit("atheris is not installed: call this by `make fuzz` (with a Python that atheris has a wheel for)")
    if options.target:
        fuzz(options.target, options.seconds)
        return
    failed = [name for name in NAMES if subprocess.run([sys.executable, __file__, "--target", name, "--seconds",
              str(options.seconds)], check=False).returncode]  # fmt: skip
    if failed:
        sys.exit(f"broken: {', '.join(failed)}")


if __name__ == "__main__":
    main()
