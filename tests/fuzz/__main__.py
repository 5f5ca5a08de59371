"""Long, coverage-guided runs: `python -m tests.fuzz spec --seconds 3600`, or `make fuzz TARGET=spec SECONDS=3600`.

Ends with 0 if no promise was broken. An input that broke one is kept in `.fuzz/`: it becomes a test. What a run learnt
stays there as well; `--keep` makes the committed corpus of it, the smallest that reaches as much of the code.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from random import Random
from tempfile import TemporaryDirectory

INPUT_SECONDS_MAX = 20
"""For one input, on a machine with other work; libFuzzer counts anything longer as a finding."""
MEMORY_MEGABYTES_MAX = 2048
"""Of the process, with coverage and the corpus in it."""
CORPUS_FILES_MAX = 100
CORPUS_BYTES_MAX = 200_000
"""Of each committed corpus, so that cloning and the suite stay quick."""
HERE = Path(__file__).parent
WORK = HERE.parents[1] / ".fuzz"


def main() -> None:
    arguments = _arguments()
    if arguments.all:
        sys.exit(_each(arguments.seconds))
    if arguments.keep:
        _keep(arguments.target)
    else:
        program, *words = arguments.as_program or [sys.argv[0], *_words(arguments.target, arguments.seconds)]
        _fuzz(arguments.target, program, words)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", nargs="?", help="of tests/fuzz/targets.py")
    parser.add_argument("--all", action="store_true", help="every target, one after another")
    parser.add_argument("--seconds", type=int, default=600, help="for each target")
    parser.add_argument("--keep", action="store_true", help="renew the committed corpus, and fuzz nothing")
    parser.add_argument("--as-program", nargs=argparse.REMAINDER, help="for --keep: its path, and libFuzzer's options")
    arguments = parser.parse_args()
    if bool(arguments.target) == arguments.all:
        parser.error("name one target, or say --all")
    return arguments


def _each(seconds: int) -> int:
    """Run every target in a process of its own; 1 if any broke a promise."""
    from tests.fuzz.targets import TARGETS  # noqa: PLC0415  # a single target is imported under instrumentation

    codes = [subprocess.call([sys.executable, "-m", "tests.fuzz", name, "--seconds", str(seconds)]) for name in TARGETS]
    return int(any(codes))


def _words(name: str, seconds: int) -> list[str]:
    """What libFuzzer is told for a run: what it learns goes into the first folder."""
    learnt, corpus = _folder(name), HERE / "corpus" / name
    folders = [learnt, _folder(f"{name}.seeds"), *([corpus] if corpus.exists() else [])]
    return [f"-max_total_time={seconds}", f"-artifact_prefix={WORK}/{name}-", *map(str, folders)]


def _folder(name: str) -> Path:
    folder = WORK / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _fuzz(name: str, program: str, words: list[str]) -> None:
    """Run libFuzzer in this process, which ends with it.

    Args:
        name: Of the target.
        program: What it can start to do so once more.
        words: Its options and folders.
    """
    import atheris  # noqa: PLC0415  # only on Linux, and nothing else here needs it

    with atheris.instrument_imports(include=["ftops"], enable_loader_override=False):
        import ftops  # noqa: PLC0415
        from tests.fuzz.targets import TARGETS  # noqa: PLC0415

        # What commands import where they use it, too: coverage counts only what was imported in here.
        for module in walk_packages(ftops.__path__, "ftops."):
            if not module.name.startswith(("ftops.server", "ftops.__main__")):
                import_module(module.name)
        from tests.fuzz.mutations import other_value  # noqa: PLC0415

    def mutated(content: bytes, bytes_max: int, number: int) -> bytes:
        chance = Random(number)
        made = other_value(content, chance) if chance.randrange(2) else None
        return made if made and len(made) <= bytes_max else bytes(atheris.Mutate(content, bytes_max))

    target = TARGETS[name]
    for number, seed in enumerate(target.seeds):
        (_folder(f"{name}.seeds") / str(number)).write_bytes(seed)
    limits = [
        f"-timeout={INPUT_SECONDS_MAX}",
        f"-rss_limit_mb={MEMORY_MEGABYTES_MAX}",
        f"-max_len={target.bytes_max}",
        "-print_final_stats=1",
    ]
    atheris.Setup([program, *limits, *words], target.run, custom_mutator=mutated)
    atheris.Fuzz()


def _keep(name: str) -> None:
    """Write the smallest corpus that reaches what was learnt, as far as the limits allow: the shortest inputs first."""
    corpus = HERE / "corpus" / name
    with TemporaryDirectory(prefix="fuzz-kept-") as folder:
        kept, program = Path(folder, "kept"), Path(folder, "program")
        kept.mkdir()
        # libFuzzer merges in processes of its own, and asks the shell to start them.
        start = f"{sys.executable} -m tests.fuzz {name} --as-program"
        program.write_text(f'#!/bin/sh\nexec {start} "$0" "$@"\n')
        program.chmod(0o755)
        subprocess.run([program, "-merge=1", str(kept), *_words(name, seconds=600)[2:]], check=True)
        found = sorted(kept.iterdir(), key=lambda path: (path.stat().st_size, path.name))
        inputs = [path.read_bytes() for path in found[:CORPUS_FILES_MAX]]
        names = [path.name for path in found]
    while sum(map(len, inputs)) > CORPUS_BYTES_MAX:
        inputs.pop()
    corpus.mkdir(parents=True, exist_ok=True)
    for old in corpus.iterdir():
        old.unlink()
    for each, content in zip(names, inputs, strict=False):
        (corpus / each).write_bytes(content)


if __name__ == "__main__":
    main()
