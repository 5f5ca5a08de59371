"""What linters say of workflows: `python -m tests.github.lint`, as `make lint` runs it, asks all of them, offline.

Linted are this repository, and one that `ftops init --github` wrote to: as it is, and with what its comments offer.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
ACTION = "ftops-dev/ftops@0123456789abcdef0123456789abcdef01234567 # v1.0.0"
"""Stands for a release."""
BIN = Path(sys.executable).parent
ZIZMOR, ACTIONLINT, JACTIONLINT, SCHEMA = "zizmor", "actionlint", "jactionlint", "check-jsonschema"
LINTERS = (ZIZMOR, ACTIONLINT, JACTIONLINT, SCHEMA)
_OFFERED = re.compile(r"(?m)(?<=uncomment:\n)(?: +# .*\n)+")
"""Lines of a comment that says so."""


def main() -> int:
    """Say what any linter says of any of the repositories; 1 if one says anything."""
    with TemporaryDirectory() as folder:
        written = write_workflows(Path(folder) / "written")
        offered = write_workflows(Path(folder) / "offered")
        uncomment(offered)
        asked = [(root, linter) for root in (ROOT, written, offered) for linter in LINTERS]
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            answers = list(threads.map(lambda each: findings(*each), asked))
    for (root, linter), answer in zip(asked, answers, strict=True):
        if answer:
            sys.stdout.write(f"{linter} in {'this repository' if root == ROOT else root.name}:\n{answer}\n")
    return int(any(answers))


def findings(root: Path, linter: str) -> str:
    """What *linter* says of the repository at *root*; empty if nothing. One that is not installed is a bug.

    Raises:
        FileNotFoundError: It, or shellcheck, is not installed.
    """
    if linter in {ACTIONLINT, JACTIONLINT} and not (BIN / "shellcheck").exists():
        raise FileNotFoundError(BIN / "shellcheck")  # both go on without it
    done = [
        subprocess.run(
            [BIN / linter, *arguments], cwd=root, capture_output=True, text=True, check=False, timeout=120, env=_quiet()
        )
        for arguments in _arguments(root, linter)
    ]
    return "".join(each.stdout + each.stderr for each in done if each.returncode)


def write_workflows(root: Path) -> Path:
    """A new repository at *root*, with what `ftops init --github` writes for users."""
    root.mkdir(parents=True)
    subprocess.run(["git", "init", "--quiet", root], check=True)
    command = [sys.executable, "-m", "ftops", "init", "--github", "--action", ACTION]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    return root


def uncomment(root: Path) -> None:
    """Take what the comments of the workflows offer: a token of an App, and a stored key."""
    for path in workflows(root):
        text = _OFFERED.sub(lambda found: re.sub(r"(?m)^( +)# ", r"\1", found[0]), path.read_text(encoding="utf-8"))
        text = re.sub(r"\$\{\{ github\.token \}\} # with the App: (\S+)", r"${{ \1 }}", text)
        path.write_text(text, encoding="utf-8")


def workflows(root: Path) -> list[Path]:
    return sorted((root / ".github/workflows").glob("*.yml"))


def _arguments(root: Path, linter: str) -> list[list[str | Path]]:
    """A list for each call."""
    shellcheck = BIN / "shellcheck"
    match linter:
        case "zizmor":
            return [["--offline", "--strict-collection", "--persona", "auditor", "--no-progress", "."]]
        case "actionlint":
            return [["-no-color", "-pyflakes", "", "-shellcheck", shellcheck]]
        case "jactionlint":
            return [
                ["--no-color", "--no-online", "--profile", "default", "--strict-exit", f"--shellcheck={shellcheck}"]
            ]
        case _:
            of = {
                "vendor.github-workflows": workflows(root),
                "vendor.github-actions": [root / "action.yml"],
                "vendor.dependabot": [root / ".github/dependabot.yml"],
            }
            given = {schema: [path for path in paths if path.exists()] for schema, paths in of.items()}
            return [["--builtin-schema", schema, *paths] for schema, paths in given.items() if paths]


def _quiet() -> dict[str, str]:
    """An environment in which a linter finds no token, no colour and no other settings."""
    return {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "HOME": os.environ.get("HOME", "/"), "NO_COLOR": "1"}


if __name__ == "__main__":
    sys.exit(main())
