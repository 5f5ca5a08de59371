"""What must always hold: the meaning of a spec is not in its spelling, and nothing but a problem is ever raised."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from ftops.diagnostics import Diagnostic, ProblemsError
from ftops.report.problems import problem_json, render_problems
from ftops.spec.config import parse_config
from ftops.spec.parse import parse_file
from ftops.spec.scalars import read_plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftops.spec.model import Spec

texts = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp"), exclude_characters="\ufeff\ufffe\uffff"), max_size=20
)
names = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,10}", fullmatch=True)
paths = st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8}){0,2}\.jsonl", fullmatch=True)
hyperparameters = st.fixed_dictionaries(
    {},
    optional={
        "n_epochs": st.just("auto") | st.integers(1, 50),
        "batch_size": st.just("auto") | st.integers(1, 256),
        "learning_rate_multiplier": st.floats(0.001, 100),
    },
)
specs = st.fixed_dictionaries(
    {
        "kind": st.just("FineTune"),
        "model": st.just("gpt-4.1-2025-04-14") | st.fixed_dictionaries({"spec": names}),
        "training_file": paths.map(lambda path: f"train/{path}"),
    },
    optional={
        "validation_file": paths.map(lambda path: f"valid/{path}"),
        "method": hyperparameters.map(lambda each: {"type": "supervised", "supervised": {"hyperparameters": each}}),
        "suffix": texts.filter(bool),
        "seed": st.integers(0, 2147483647),
        "description": texts,
        "labels": st.dictionaries(st.from_regex(r"[A-Za-z][A-Za-z0-9._/-]{0,8}", fullmatch=True), texts, max_size=3),
        "lifecycle": st.fixed_dictionaries({"protect": st.booleans()}),
        "integrations": st.lists(st.fixed_dictionaries({"project": texts.filter(bool)}), max_size=2).map(
            lambda each: [{"type": "wandb", "wandb": item} for item in each]
        ),
    },
)


def written(value: Any, chance: random.Random) -> str:
    """Write *value* as YAML, with order, quotes, flow and comments by chance."""

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, _: Any) -> bool:
            return True

        def represent_text(self, text: str) -> yaml.Node:
            # PyYAML writes plainly what YAML 1.1 takes as text; some of it we refuse as ambiguous.
            styles = ["'", '"', *([None] if read_plain(text) == text else [])]
            return self.represent_scalar("tag:yaml.org,2002:str", text, style=chance.choice(styles))

        def represent_number(self, number: float) -> yaml.Node:
            return self.represent_scalar("tag:yaml.org,2002:float", f"{number:.20f}")

    Dumper.add_representer(str, Dumper.represent_text)
    Dumper.add_representer(float, Dumper.represent_number)

    def shuffled(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: shuffled(item[key]) for key in chance.sample(list(item), len(item))}
        return [shuffled(each) for each in item] if isinstance(item, list) else item

    is_flow = chance.choice([True, False, None])
    text = yaml.dump(
        shuffled(value), Dumper=Dumper, default_flow_style=is_flow, sort_keys=False, allow_unicode=True, width=10**6
    )
    if not is_flow:
        text = "".join(chance.choice(["", "# a comment\n", "\n"]) + line for line in text.splitlines(keepends=True))
    text = chance.choice(["", "---\n", "# a comment: with a colon\n"]) + text
    return chance.choice(["", "\ufeff"]) + text.replace("\n", chance.choice(["\n", "\r\n"]))


def meaning(text: str) -> Spec:
    return msgspec.structs.replace(parse_file(text.encode(), "specs/elle.yaml").specs[0], places={})


@given(specs, st.integers(), st.integers())
def test_the_meaning_is_not_in_the_spelling(value: dict[str, Any], one: int, other: int) -> None:
    first = written(value, random.Random(one))
    second = written(value, random.Random(other))
    assert meaning(first) == meaning(second)


@given(specs, st.integers())
def test_what_is_written_is_what_is_read(value: dict[str, Any], seed: int) -> None:
    spec = meaning(written(value, random.Random(seed)))
    assert spec.suffix == value.get("suffix")
    assert spec.description == value.get("description")
    assert spec.labels == value.get("labels", {})
    assert spec.training_file == f"specs/{value['training_file']}"
    body = value.get("method", {}).get("supervised", {}).get("hyperparameters", {})
    assert spec.method.body.get("hyperparameters", {}) == pytest.approx(body, abs=1e-15)


FRAGMENTS = (
    "kind", "FineTune", "model", "method", "type", "reinforcement", "grader", "graders", "training_file", "targets",
    "api_key", ": ", ":", "- ", "\n", "\n  ", "\n    ", "\t", "{", "}", "[", "]", ", ", "'", '"', "#", "&a", "*a", "!",
    "!!str ", "|", ">", "? ", "---\n", "...\n", "%YAML 1.1\n", "~", "no", "010", "1e3", "0_7", "1:30", "2024-01-01",
    ".nan", "0x_", "\\", "\\ud800", "\r", "\u2028", "\x85", "\ufeff", "日本", "😀", "\u202e", "<<", "=", "@", "`",
    "a", "7", "", "/", "..", "{{",
)  # fmt: skip
fragments = st.lists(st.sampled_from(FRAGMENTS), max_size=40).map(lambda parts: "".join(parts).encode())
damaged = st.builds(
    lambda value, seed, at, junk: (
        (text := written(value, random.Random(seed)).encode())[: at % len(text)] + junk + text[at % len(text) :]
    ),
    specs,
    st.integers(),
    st.integers(0, 10**6),
    st.sampled_from(FRAGMENTS).map(str.encode) | st.binary(max_size=3),
)


def problems_of(parse: Callable[[bytes], object], content: bytes) -> tuple[Diagnostic, ...] | None:
    """None if *content* is right."""
    try:
        parse(content)
    except ProblemsError as error:
        return tuple(error.problems)
    return None


def parse_elle(content: bytes) -> Spec:
    return parse_file(content, "specs/elle.yaml").specs[0]


@pytest.mark.parametrize("parse", [parse_elle, parse_config])
@given(content=st.binary(max_size=200) | fragments | damaged)
@example(content=b"a: 0_7")
@example(content=b"? ? ? a")
def test_any_bytes_are_right_or_have_problems(parse: Callable[[bytes], object], content: bytes) -> None:
    problems = problems_of(parse, content)
    if problems is not None:
        assert problems
        assert render_problems(problems, colour=True)
        assert all(problem_json(problem)["path"] for problem in problems)


@given(fragments)
def test_so_they_do_for_the_parser_in_pure_python(content: bytes) -> None:
    fast = yaml.CLoader
    del yaml.CLoader
    try:
        assert problems_of(parse_elle, content) != ()
    finally:
        yaml.CLoader = fast
