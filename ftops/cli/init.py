"""`ftops init`."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import click

from ftops.cli import frame
from ftops.diagnostics import Diagnostic, Place, ProblemsError
from ftops.git import origin_name
from ftops.lockstore import write_atomically

TEMPLATES = {
    "ftops.yaml": "ftops.yaml",
    "specs/first-model.yaml": "first-model.yaml",
    "specs/data/first-model.train.jsonl": "first-model.train.jsonl",
    "specs/data/first-model.valid.jsonl": "first-model.valid.jsonl",
    ".gitignore": "gitignore",
    ".gitattributes": "gitattributes",
}
PROJECT = ("ftops.yaml", "ftops.lock", "specs")
"""What a project can be known by."""
APPENDED = frozenset({".gitignore", ".gitattributes"})
"""Files that others write too: missing lines are added, what stands there stays."""


@click.command()
@click.option("--github", is_flag=True, help="Write the workflows that plan, apply and collect on GitHub.")
@click.option(
    "--action", metavar="OWNER/NAME@COMMIT", help="What they set ftops up with, instead of the release that this is."
)
@click.option("--target", metavar="NAME", help="What they train on, instead of the default target of ftops.yaml.")
def init(*, github: bool, action: str | None, target: str | None) -> None:
    """Start a project here: configuration, a first spec, sample data. Overwrites nothing.

    With --github, in a project that is there already, only the workflows are written.
    """
    root = frame.current_folder()
    if (action or target) and not github:
        raise click.UsageError("--action and --target go with --github.")
    texts = {}
    if not (github and any((root / name).exists() for name in PROJECT)):
        texts = {path: _text(template, root) for path, template in TEMPLATES.items()}
    next_step = "`ftops plan` shows what will be trained, `ftops apply --wait` trains it on this machine"
    if github:
        from ftops.cli.workflows import next_steps, setting, workflows  # noqa: PLC0415  # only then

        found = setting(root, action, target)
        texts, next_step = workflows(found, texts), next_steps(found)
    if blocked := [path for path in texts if _is_blocked(root, path)]:
        raise ProblemsError(*(_in_the_way(path) for path in blocked))
    if outer := next((folder for folder in root.parents if (folder / "ftops.yaml").exists()), None):
        frame.say(f"note: this folder lies in the project {outer}; from here on down, the new one hides it")
    written = [path for path, text in texts.items() if _write(root / path, text, path)]
    for path in written:
        frame.say(f"wrote {path}")
    for path in (path for path in texts if github and path not in {*written, *APPENDED}):
        if (root / path).read_bytes() != texts[path].encode():
            frame.say(f"kept {path}, which is not what this ftops writes: to have that, delete it first")
    if not written:
        frame.say("everything is there already")
    frame.say(f"\nnext: {next_step}")


def _write(target: Path, text: str, path: str) -> bool:
    """Write a file that is not there, or the lines that it lacks; True if anything was written."""
    if target.exists():
        if path not in APPENDED:
            return False
        return _append(target, text.encode())
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, text.encode())
    return True


def _append(target: Path, text: bytes) -> bool:
    """Add the lines that *target*, which need not be UTF-8, lacks; True if there are any."""
    before = target.read_bytes()
    missing = [line for line in text.splitlines() if line not in before.splitlines()]
    if missing:
        with target.open("ab") as file:
            file.write(b"" if before.endswith(b"\n") or not before else b"\n")
            file.write(b"".join(line + b"\n" for line in missing))
    return bool(missing)


def _is_blocked(root: Path, path: str) -> bool:
    """Whether something stands at *path*, or where its folder belongs, that is neither file nor folder as needed."""
    target = root / path
    if target.is_symlink() or target.exists():
        return not target.is_file()
    above = (root / folder for folder in Path(path).parents)
    return any(folder.exists() and not folder.is_dir() for folder in above)


def _in_the_way(path: str) -> Diagnostic:
    return Diagnostic(
        code="init-blocked",
        summary=f"`{path}` cannot be written",
        place=Place(path=path),
        why="something else stands there, or where its folder belongs; nothing was written",
        fix="move that away, or start the project in another folder",
    )


def _text(template: str, root: Path) -> str:
    text = files("ftops.cli").joinpath("templates", template).read_text(encoding="utf-8")
    return text.replace("{project}", _project_name(root))


def _project_name(root: Path) -> str:
    """Labels jobs at the provider, so it must not depend on where the repository is checked out."""
    name = (origin_name(root) or root.name).rpartition("/")[2]
    # A folder's name need not be UTF-8, nor printable.
    name = name.encode(errors="replace").decode()[:100] or "models"
    return json.dumps(name, ensure_ascii=not name.isprintable())
