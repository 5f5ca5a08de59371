"""Whole files: those that are right are read, and what is said of the others is compared word by word.

A golden file that is missing is written, and its test fails once: delete one to accept new words, then read the diff.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import pytest
import yaml

from ftops.diagnostics import ProblemsError
from ftops.report.problems import render_problems
from ftops.spec.parse import parse_file
from ftops.spec.schema import schema_text

if TYPE_CHECKING:
    from ftops.spec.model import Spec

EXAMPLES = Path(__file__).parent / "examples"
GOLDEN = Path(__file__).parents[1] / "golden" / "spec"
POSITIVE = sorted((EXAMPLES / "positive").glob("*.yaml"))
NEGATIVE = sorted((EXAMPLES / "negative").glob("*.yaml"))


def parse(file: Path) -> Spec:
    return parse_file(file.read_bytes(), f"specs/{file.name}").specs[0]


@pytest.mark.parametrize("file", POSITIVE, ids=lambda file: file.stem)
def test_a_right_spec_is_read_whole(file: Path) -> None:
    spec = parse(file)
    assert spec.name == file.stem
    assert {place.split(".")[0] for place in spec.places} == set(yaml.safe_load(file.read_text()))


@pytest.mark.parametrize("file", POSITIVE, ids=lambda file: file.stem)
def test_editors_accept_what_the_program_accepts(file: Path) -> None:
    jsonschema.validate(yaml.safe_load(file.read_text()), json.loads(schema_text("fine-tune")))


@pytest.mark.parametrize("file", POSITIVE, ids=lambda file: file.stem)
def test_the_parser_in_pure_python_reads_the_same(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_c = parse(file)
    monkeypatch.delattr(yaml, "CLoader")
    assert parse(file) == with_c


@pytest.mark.parametrize("file", NEGATIVE, ids=lambda file: file.stem)
def test_a_wrong_spec_is_told_all_that_is_wrong(file: Path) -> None:
    with pytest.raises(ProblemsError) as caught:
        parse(file)
    said = render_problems(caught.value.problems, colour=False)
    golden = GOLDEN / f"{file.stem}.txt"
    if not golden.exists():
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(said, encoding="utf-8")
        pytest.fail(f"{golden.name} was missing and is written now: read it")
    assert said == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("file", NEGATIVE, ids=lambda file: file.stem)
def test_every_problem_has_a_cause_and_a_fix(file: Path) -> None:
    with pytest.raises(ProblemsError) as caught:
        parse(file)
    for problem in caught.value.problems:
        assert problem.place is not None
        assert problem.why, problem.code
        assert problem.fix, problem.code
        for text in (problem.summary, problem.why, problem.fix):
            assert not text.endswith("."), text


@pytest.mark.parametrize("file", NEGATIVE, ids=lambda file: file.stem)
def test_without_the_c_parser_a_wrong_spec_has_the_same_problems(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def codes() -> list[str]:
        with pytest.raises(ProblemsError) as caught:
            parse(file)
        return [problem.code for problem in caught.value.problems]

    with_c = codes()
    monkeypatch.delattr(yaml, "CLoader")
    assert codes() == with_c
