"""The documents keep step with the program: links, commands, error codes, terms, decisions, the changelog."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from itertools import takewhile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", ".github/**/*.md", "docs/**/*.md", "specs/**/*.md", "bench/**/*.md")
    for path in ROOT.glob(pattern)
)
FENCED = re.compile(r"^( *)(```+)(\w*)[^\n]*\n(.*?)^\1\2 *$", re.MULTILINE | re.DOTALL)
TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(test_\w+))?`")
LINK = re.compile(r"!?\[[^\]]*\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
ERROR_ROW = re.compile(r"^\| `([a-z0-9-]+)` \|", re.MULTILINE)
CODE = re.compile(r"[a-z]+(-[a-z0-9]+)+")
COMPOSED_CODES = {
    f"{area}-{kind}" for area in ("config", "spec") for kind in ("key", "missing", "type", "unknown-key", "value")
}
"""`ftops.spec.explain` puts them together, of the file that it explains and the rule of the schema that is broken."""
COMMANDS_OF_GIT = {"check-ref-format"}
ASSIGNMENT = re.compile(r"[A-Z_]+=")
ENDS_OF_A_COMMAND = frozenset({"|", "||", "&&", ";", ">", ">>", "&"})

TERMS = """
address, adapter, adopt, alias, apply, base model, change, checkpoint, claim, dataset, desired, diagnostic, dialect,
digest, drift, epoch, event, generation, hyperparameter, intent, job, lineage, lockfile, loss, method, model, observed,
plan, provider, reconcile, recorded, refresh, remote file, spec, step, suffix, supersede, target, trained tokens,
validation file, workflow run
"""


def names(paths: list[Path]) -> list[str]:
    return [path.relative_to(ROOT).as_posix() for path in paths]


@pytest.mark.parametrize("document", DOCUMENTS, ids=names(DOCUMENTS))
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    prose = re.sub(r"`[^`\n]*`", "", FENCED.sub("", document.read_text(encoding="utf-8")))
    broken = [
        link
        for link in LINK.findall(prose)
        if not re.match(r"[a-z]+:", link) and not _leads_somewhere(document, *link.partition("#")[::2])
    ]
    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=names(DOCUMENTS))
def test_every_fence_is_closed_and_names_its_language(document: Path) -> None:
    """A fence without a language could hide a command from the test below."""
    text = document.read_text(encoding="utf-8")
    languages = [language for _, _, language, _ in FENCED.findall(text)]
    assert len(re.findall(r"^ *```", text, re.MULTILINE)) == 2 * len(languages)
    assert "" not in languages


def test_every_test_that_is_named_is_there() -> None:
    named = {name for path in DOCUMENTS for name in TEST.findall(path.read_text(encoding="utf-8"))}
    assert any(test for _, test in named)
    missing = [
        (path, test)
        for path, test in sorted(named)
        if not (ROOT / path).exists() or (test and f"def {test}(" not in (ROOT / path).read_text(encoding="utf-8"))
    ]
    assert missing == []


def test_every_command_shown_parses_as_shown() -> None:
    """With `--help` at its end a command does nothing, yet unknown commands and options are still refused."""
    commands = {tuple(command) for document in DOCUMENTS for command in _shown_commands(document)}
    assert commands, "the README shows how to begin"
    refused = {shlex.join(command): error for command in sorted(commands) if (error := _error_of(command))}
    assert refused == {}


def test_every_diagnostic_code_is_explained_once_and_none_is_made_up() -> None:
    explained = ERROR_ROW.findall((ROOT / "docs/errors.md").read_text(encoding="utf-8"))
    used = _diagnostic_codes() | COMPOSED_CODES
    assert explained == sorted(explained)
    assert len(explained) == len(set(explained)), "a code is explained twice"
    assert used - set(explained) == set(), "raised, but not in docs/errors.md"
    assert set(explained) - used == set(), "in docs/errors.md, but raised nowhere"


def test_every_term_of_the_field_is_in_the_glossary_in_order() -> None:
    defined = re.findall(r"^\*\*(.+?)\*\*", (ROOT / "docs/glossary.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert defined == sorted(defined)
    assert set(re.split(r",\s+", TERMS.strip())) - set(defined) == set()


def test_decisions_are_numbered_without_gaps_and_say_why() -> None:
    decisions = sorted((ROOT / "docs/decisions").glob("*.md"))
    assert [path.name[:4] for path in decisions] == [f"{number:04}" for number in range(1, len(decisions) + 1)]
    for path in decisions:
        headings = HEADING.findall(path.read_text(encoding="utf-8"))
        assert headings[0].startswith(f"{int(path.name[:4])}. "), path.name
        assert headings[1:] == ["Context", "Decision", "Consequences"], path.name


def test_every_decision_is_reached_from_the_architecture() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    assert [path.name for path in (ROOT / "docs/decisions").glob("*.md") if path.name not in text] == []


def test_the_changelog_keeps_its_form() -> None:
    """Keep a Changelog 1.1.0: newest first, dated, with its six kinds of change in their order."""
    headings = HEADING.findall((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    assert headings[:2] == ["Changelog", "[Unreleased]"]
    kinds = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
    rest = headings[2:]
    while rest:
        under = list(takewhile(kinds.__contains__, rest))
        assert under == [kind for kind in kinds if kind in under]
        rest = rest[len(under) :]
        if rest:
            assert re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}", rest.pop(0))


def _leads_somewhere(document: Path, path: str, anchor: str) -> bool:
    goal = document.parent / path if path else document
    if not goal.exists() or not goal.resolve().is_relative_to(ROOT):
        return False
    return not anchor or anchor in {_slug(text) for text in HEADING.findall(goal.read_text(encoding="utf-8"))}


def _slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _shown_commands(document: Path) -> list[list[str]]:
    """The `ftops` and `make` commands behind `$ ` in the console blocks of a document."""
    commands: list[list[str]] = []
    for _, _, language, body in FENCED.findall(document.read_text(encoding="utf-8")):
        if language != "console":
            continue
        for line in body.splitlines():
            if line.lstrip().startswith("$ "):
                commands += _commands_of(line.lstrip().removeprefix("$ "))
    return [command for command in commands if command[0] in {"ftops", "make"}]


def _commands_of(line: str) -> list[list[str]]:
    """Split a shell line into its simple commands, without comments, redirections and assignments before a command."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    commands: list[list[str]] = [[]]
    for word in lexer:
        if word in ENDS_OF_A_COMMAND:
            commands.append([])
        elif commands[-1] or not ASSIGNMENT.match(word):
            commands[-1].append(word)
    return [command for command in commands if command]


def _error_of(command: tuple[str, ...]) -> str:
    """What the program says against *command*; empty if it is taken."""
    if command[0] == "make":
        targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
        unknown = [word for word in command[1:] if "=" not in word and word not in targets]
        return f"no such target: {unknown}" if unknown else ""
    asked = [sys.executable, "-m", "ftops", *command[1:], "--help"]
    done = subprocess.run(
        asked, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60, env={**os.environ, "NO_COLOR": "1"}
    )
    return "" if done.returncode == 0 else done.stderr


def _diagnostic_codes() -> set[str]:
    """Constants given as `code=` in the client's modules, and those of tables, which begin as one of these does."""
    given: set[str] = set()
    constants: set[str] = set()
    for path in (ROOT / "ftops").rglob("*.py"):
        if path.is_relative_to(ROOT / "ftops/server"):
            continue  # The server's codes are those of the API.
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.keyword(arg="code", value=ast.Constant(value=str(code))):
                    given.add(code)
                case ast.Constant(value=str(text)) if CODE.fullmatch(text):
                    constants.add(text)
    areas = {code.partition("-")[0] for code in given | COMPOSED_CODES}
    return given | {text for text in constants - COMMANDS_OF_GIT if text.partition("-")[0] in areas}
