"""What a step tells its runner: no text of a spec, a row or a provider becomes anything but text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftops.diagnostics import Diagnostic, Place, Severity
from ftops.github import runner
from ftops.github.event import Run
from ftops.github.runner import add_summary, annotate, set_output

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = re.compile(r"^\s*::(?P<name>[^\s:]+)(?: (?P<properties>.*?))?::(?P<text>.*)$")
"""A line that the runner takes for a command (`ActionCommand.cs` of actions/runner): blanks may stand before it. Only
in other lines does it look for the older form, `##[name]text`."""
PIECES = [
    "::error::x",
    "\n::set-output name=a::b",
    "::stop-commands::t",
    "##[add-path]/evil",
    "\r",
    "\u2028",
    "%0A",
    "%",
]
PIECES += [",file=/etc/passwd", ":", "`", "\x1b]0;", "\u202e", "\x85::warning::y", " ", "elle", "\ud800", "\0", "::"]
texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=8).map("".join)
problems = st.builds(
    Diagnostic,
    code=st.sampled_from(["data-empty", "spec-type"]),
    summary=texts,
    why=st.none() | texts,
    fix=st.none() | texts,
    severity=st.sampled_from(Severity),
    place=st.none() | st.builds(Place, path=texts, line=st.none() | st.integers(1, 9), column=st.none()),
)


def commands(written: str) -> list[dict[str, str]]:
    """What the runner makes of each line; that each is one command is what ftops writes on purpose."""
    found = []
    # It reads lines as .NET does: a line ends at CR, LF or both.
    for line in re.split(r"\r\n|\r|\n", written.removesuffix("\n")) if written else []:
        match = COMMAND.match(line)
        assert match, line
        properties = dict(each.split("=", 1) for each in (match["properties"] or "").split(","))
        found.append({"command": match["name"], "text": unescaped(match["text"]), **properties})
    return found


def unescaped(text: str) -> str:
    return text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")


@settings(max_examples=400, deadline=None)
@given(found=st.lists(problems, max_size=4))
def test_no_text_becomes_a_command(found: list[Diagnostic]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        written: list[str] = []
        patch.setattr("sys.stdout", Collector(written))
        annotate(found)
    told = commands("".join(written))
    levels = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}
    assert sorted(each["command"] for each in told) == sorted(levels[each.severity] for each in found)
    for each in told:
        assert set(each) <= {"command", "text", "file", "line", "title"}
        lines = each["text"].split("\n")
        assert len(lines) <= 3
        assert all(line.startswith(("why: ", "fix: ")) for line in lines[1:])


class Collector:
    """A stream that keeps what is written."""

    def __init__(self, written: list[str]) -> None:
        self.written = written

    def write(self, text: str) -> None:
        # What the real one could not encode would be an error there.
        text.encode()
        self.written.append(text)

    def flush(self) -> None:
        """All is there at once."""


def test_of_each_severity_ten_are_shown_and_the_last_counts_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    errors = [Diagnostic(code="spec-type", summary=f"number {number}") for number in range(25)]
    warnings = [Diagnostic(code="data-same", summary="twice", severity=Severity.WARNING) for _ in range(10)]
    annotate([*errors, *warnings])
    told = commands(capsys.readouterr().out)
    assert [each["command"] for each in told] == ["error"] * 10 + ["warning"] * 10
    assert (told[9]["title"], told[9]["text"]) == ("ftops", "and 16 more; in all: spec-type (25)")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(repository="acme/models", output=tmp_path / "output", summary=tmp_path / "summary")


@pytest.mark.parametrize(
    ("path", "found"), [("specs/a.yaml", "team/models/specs/a.yaml"), ("../../ftops.lock", "ftops.lock")]
)
def test_of_a_project_below_the_root_github_finds_the_files(
    path: str, found: str, capsys: pytest.CaptureFixture[str]
) -> None:
    annotate([Diagnostic(code="a", summary="b", place=Place(path=path, line=3))], folder="team/models")
    assert capsys.readouterr().out == f"::error file={found},line=3,title=a::b\n"


def test_outputs_are_numbers_and_digests_one_a_line(run: Run) -> None:
    set_output(run, "actions", "3")
    set_output(run, "checksum", "sha256:" + "0a" * 32)
    assert run.output
    assert run.output.read_text() == f"actions=3\nchecksum=sha256:{'0a' * 32}\n"
    set_output(Run(repository="acme/models"), "actions", "3")


@pytest.mark.parametrize("value", ["", "elle", "3\nevil=1", "<<EOF", "$(id)", "0a\n", "3 ", "٣"])
def test_no_other_text_is_an_output(value: str, run: Run) -> None:
    with pytest.raises(AssertionError):
        set_output(run, "actions", value)
    assert run.output
    assert not run.output.exists()


def test_the_summary_is_added_to(run: Run) -> None:
    add_summary(run, "# One\n")
    add_summary(run, "# Two \ud800")
    assert run.summary
    assert run.summary.read_text() == "# One\n# Two ?\n"
    add_summary(Run(repository="acme/models"), "# One")


@pytest.mark.parametrize("paragraph", ["word " * 30, "€" * 100], ids=["words", "euros"])
def test_a_summary_ends_between_two_paragraphs_before_github_would_drop_it(
    paragraph: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "SUMMARY_BYTES_MAX", 2_000)
    assert run.summary
    note = "… the rest is left out: GitHub shows 1 MiB of a step's summary"
    paragraphs = []
    for _ in range(9):
        add_summary(run, f"{paragraph}\n\n" * 3)
        content = run.summary.read_bytes()
        assert len(content) <= 2_000
        paragraphs = [each.strip() for each in content.decode().splitlines()]
        assert set(paragraphs) <= {paragraph.strip(), note, ""}
    assert note in paragraphs
    assert len(content) > 1_500
