"""The specs of this repository and their data: well-formed, free of leaks, and what their generators write."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ftops.dataset.scan import scan
from ftops.datasets import built_for
from ftops.project import open_project, read_declared
from ftops.spec.graph import in_order
from ftops.spec.model import BaseModel, ParentSpec, Spec, split_name, split_of

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "specs" / "data"
SPECS = read_declared(open_project(ROOT)).specs
FILES = sorted(path.name for path in DATA.glob("*.jsonl"))
STARS = ("shuffled", "shuffled-system", "sorted", "sorted-system")
GENERATED = {"app_reviews.py": "app-reviews*.*", "ar_lsat.py": "ar-lsat*.jsonl"}

each_spec = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
each_file = pytest.mark.parametrize("file", FILES)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Where the splits of datasets lie, by name; built anew, in a folder of their own."""
    folder = tmp_path_factory.mktemp("built")
    shutil.copytree(ROOT / "specs", folder / "specs")
    project = open_project(folder)
    files, warnings = built_for(project, read_declared(project))
    assert warnings == ()
    return {name: folder / path for name, path in files.items()}


def rows_of(file: str | Path) -> list[Any]:
    return [json.loads(line) for line in (DATA / file).read_text(encoding="utf-8").splitlines()]


def prompts_of(file: str | Path) -> list[str]:
    """What the user asks, whatever the system prompt."""
    messages = (row["input"]["messages"] if "input" in row else row["messages"] for row in rows_of(file))
    return [message["content"] for turn in messages for message in turn if message["role"] == "user"]


def test_every_use_case_has_its_specs() -> None:
    assert {spec.name for spec in SPECS} == {
        *(f"app-reviews-{variant}" for variant in STARS),
        "ar-lsat",
        "elle-limericks",
        "elle-limericks-noble",
        "hobannu",
        "hobannu-improved",
        "support-tone",
        "support-tone-dpo",
    }


@each_spec
def test_a_spec_says_what_it_is_for_and_whose_it_is(spec: Spec) -> None:
    first_line = (ROOT / spec.path).read_text(encoding="utf-8").splitlines()[0]
    assert first_line == "# yaml-language-server: $schema=../ftops/spec/fine-tune.schema.json"
    assert spec.description
    assert spec.owner
    assert "use-case" in spec.labels
    assert spec.suffix


def test_only_the_noble_elle_goes_on_from_another_spec() -> None:
    parents = {spec.name: spec.model for spec in SPECS if spec.model != BaseModel(name="smollm2-135m-instruct")}
    assert parents == {"elle-limericks-noble": ParentSpec(spec="elle-limericks")}
    order = [spec.name for spec in in_order(SPECS)]
    assert order.index("elle-limericks") < order.index("elle-limericks-noble")


def test_every_data_file_is_used_or_held_out() -> None:
    named = {name for spec in SPECS for name in (spec.training_file, spec.validation_file) if name}
    used = {name for name in named if split_of(name) is None}
    held_out = {f"specs/data/{file}" for file in FILES if file.endswith((".test.jsonl", ".handwritten.jsonl"))}
    assert used | held_out == {f"specs/data/{file}" for file in FILES}
    assert not used & held_out


@each_spec
def test_the_data_of_a_spec_have_no_problem(spec: Spec, built: dict[str, Path]) -> None:
    assert spec.validation_file is not None
    for name, rows_min in ((spec.training_file, 10), (spec.validation_file, 5)):
        with built.get(name, ROOT / name).open("rb") as stream:
            found = scan(stream, name, spec.method.type)
        assert found.problems == ()
        assert found.rows >= rows_min


@each_spec
def test_nothing_that_is_trained_on_is_validated_or_tested_on(spec: Spec, built: dict[str, Path]) -> None:
    trained = set(prompts_of(built.get(spec.training_file, ROOT / spec.training_file)))
    family = spec.name.removesuffix("-improved")
    validated = str(spec.validation_file)
    others: list[str | Path] = [
        built.get(validated, ROOT / validated),
        *(file for file in FILES if file.startswith(f"{family}.te")),
    ]
    if spec.name.startswith("app-reviews"):
        others += ["app-reviews.test.jsonl", "app-reviews.handwritten.jsonl"]
    for path in others:
        assert not trained & set(prompts_of(path))


@each_file
def test_a_data_file_is_plain_utf_8_with_one_row_a_line(file: str) -> None:
    content = (DATA / file).read_bytes()
    assert content.endswith(b"}\n")
    assert b"\r" not in content
    written = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows_of(file))
    assert written.encode() == content


@each_file
def test_no_prompt_is_asked_twice(file: str) -> None:
    prompts = prompts_of(file)
    assert len(set(prompts)) == len(prompts) == len(rows_of(file))


@each_file
def test_a_conversation_is_one_question_and_one_answer(file: str) -> None:
    for row in rows_of(file):
        if "input" in row:
            assert [message["role"] for message in row["input"]["messages"]] == ["user"]
            assert row["preferred_output"] != row["non_preferred_output"]
        else:
            roles = [message["role"] for message in row["messages"]]
            assert roles in (["system", "user", "assistant"], ["user", "assistant"])
            assert all(message["content"].strip() == message["content"] != "" for message in row["messages"])


@each_file
def test_a_file_has_one_system_prompt_or_none(file: str) -> None:
    rows = rows_of(file)
    prompts = {row["messages"][0]["content"] for row in rows if "messages" in row and len(row["messages"]) > 2}
    assert len(prompts) <= 1
    assert all(("messages" in row and len(row["messages"]) > 2) == bool(prompts) for row in rows)


@pytest.mark.parametrize(("generator", "pattern"), GENERATED.items())
def test_a_generator_writes_the_committed_bytes(generator: str, pattern: str, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-I", DATA / "generate" / generator, tmp_path], check=True, timeout=60)
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    committed = {path.name: path.read_bytes() for path in DATA.glob(pattern) if path.is_file()}
    if generator == "app_reviews.py":
        del committed["app-reviews.handwritten.jsonl"]
    assert written == committed


def test_a_limerick_has_five_lines_and_begins_with_its_element() -> None:
    rows = [row["messages"] for file in FILES if file.startswith("elle-") for row in rows_of(file)]
    for _, question, answer in rows:
        element = question["content"].removeprefix("Tell me about ")
        assert answer["content"].startswith(f"{element}, {element.lower()}, ")
        assert answer["content"].count(" - ") == 4
        assert answer["content"].endswith(".")
    assert len({question["content"] for _, question, _ in rows}) == len(rows) == 43


def test_the_variants_of_the_app_reviews_hold_the_same_rows_in_their_order(built: dict[str, Path]) -> None:
    rows = {
        variant: [row["messages"] for row in rows_of(built[split_name(f"app-reviews-{variant}", "train")])]
        for variant in STARS
    }
    assert [messages[1:] for messages in rows["shuffled-system"]] == rows["shuffled"]
    assert [messages[1:] for messages in rows["sorted-system"]] == rows["sorted"]
    assert sorted(rows["shuffled"], key=lambda messages: messages[-1]["content"]) == rows["sorted"] != rows["shuffled"]


@pytest.mark.parametrize(
    ("file", "each"),
    [("train", 40), ("valid", 8), ("app-reviews.test.jsonl", 20), ("app-reviews.handwritten.jsonl", 8)],
)
def test_every_number_of_stars_is_given_equally_often(file: str, each: int, built: dict[str, Path]) -> None:
    path = built.get(split_name("app-reviews-shuffled", file), file)
    stars = [row["messages"][-1]["content"] for row in rows_of(path)]
    assert {star: stars.count(star) for star in sorted(set(stars))} == dict.fromkeys("12345", each)


def test_no_phrase_of_the_reviews_stands_in_two_splits() -> None:
    splits = tomllib.loads((DATA / "generate" / "app_reviews.toml").read_text(encoding="utf-8"))
    phrases = {split: {phrase.casefold() for phrase in _texts(splits[split])} for split in splits}
    for one, other in combinations(phrases, 2):
        assert not phrases[one] & phrases[other]


def test_no_sentence_of_a_training_review_is_in_a_held_out_one(built: dict[str, Path]) -> None:
    trained = _sentences(built[split_name("app-reviews-shuffled", "train")])
    validated = built[split_name("app-reviews-shuffled", "valid")]
    for file in (validated, "app-reviews.test.jsonl", "app-reviews.handwritten.jsonl"):
        assert not trained & _sentences(file)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for item in value.values() for text in _texts(item))
    elif isinstance(value, list):
        yield from (text for item in value for text in _texts(item))


def _sentences(file: str | Path) -> set[str]:
    parts = (part.strip().casefold() for prompt in prompts_of(file) for part in re.split(r"[.!?]", prompt))
    return {part for part in parts if part}
