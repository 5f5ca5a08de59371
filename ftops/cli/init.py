"""`ftops init`."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import click

from ftops.cli import frame
from ftops.git import origin_name

TEMPLATES = {
    "ftops.yaml": "ftops.yaml",
    "specs/first-model.yaml": "first-model.yaml",
    "specs/data/first-model.train.jsonl": "first-model.train.jsonl",
    "specs/data/first-model.valid.jsonl": "first-model.valid.jsonl",
    ".gitignore": "gitignore",
    ".gitattributes": "gitattributes",
}
APPENDED = frozenset({".gitignore", ".gitattributes"})
"""Files that others write too: missing lines are added, what stands there stays."""


@click.command()
def init() -> None:
    """Start a project here: configuration, a first spec, sample data. Overwrites nothing."""
    root = Path.cwd()
    written = [path for path, template in TEMPLATES.items() if _write(root / path, _text(template, root), path)]
    for path in written:
        frame.say(f"wrote {path}")
    if not written:
        frame.say("everything is there already")
    frame.say("\nnext: `ftops plan` shows what will be trained, `ftops apply --wait` trains it on this machine")


def _write(target: Path, text: str, path: str) -> bool:
    """Write a file that is not there, or the lines that it lacks; True if anything was written."""
    if target.exists():
        if path not in APPENDED:
            return False
        before = target.read_text(encoding="utf-8")
        missing = [line for line in text.splitlines() if line not in before.splitlines()]
        if not missing:
            return False
        text = f"{before.rstrip()}\n" + "\n".join(missing) + "\n"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8", newline="\n")
    return True


def _text(template: str, root: Path) -> str:
    text = files("ftops.cli").joinpath("templates", template).read_text(encoding="utf-8")
    return text.replace("{project}", _project_name(root))


def _project_name(root: Path) -> str:
    """Labels jobs at the provider, so it must not depend on where the repository is checked out."""
    name = (origin_name(root) or root.name).rpartition("/")[2]
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._") or "models"
