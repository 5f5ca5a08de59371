"""One file, several specs: the same as if each were written out."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from ftops.diagnostics import Diagnostic, ProblemsError
from ftops.recipe import Sorted
from ftops.spec.common import ignored_problems
from ftops.spec.model import Ignored, Spec
from ftops.spec.parse import parse_file

HEAD = "kind: FineTune\nmodel: gpt-4.1\ntraining_file: data/a.jsonl\n"
EPOCHS = 'method: {type: supervised, supervised: {hyperparameters: {n_epochs: "{matrix.n_epochs}"}}}\n'


def specs(more: str, head: str = HEAD) -> dict[str, Spec]:
    return {spec.name: spec for spec in parse_file((head + more).encode(), "specs/run.yaml").specs}


def problems(more: str) -> tuple[Diagnostic, ...]:
    with pytest.raises(ProblemsError) as caught:
        specs(more)
    return caught.value.problems


def test_every_combination_is_the_spec_that_is_written_out() -> None:
    found = specs("matrix: {n_epochs: [1, 3], seed: {low: 1, high: 9}}\nseed: '{matrix.seed}'\n" + EPOCHS)
    assert list(found) == ["run-1-low", "run-1-high", "run-3-low", "run-3-high"]
    by_hand = specs("seed: 9\n" + EPOCHS.replace('"{matrix.n_epochs}"', "3"))["run"]
    assert msgspec.structs.replace(found["run-3-high"], places={}, name="run") == msgspec.structs.replace(
        by_hand, places={}
    )


def test_a_value_keeps_its_type_alone_and_is_written_out_within_a_text() -> None:
    found = specs(
        "matrix: {body: {a: {n_epochs: 2, batch_size: auto}}, x: [0.5, true]}\n"
        "suffix: 's-{matrix.x}-{{matrix.x}}'\ndescription: '{matrix}'\nowner: '{matrix.body.batch_size}'\n"
        "method: {type: supervised, supervised: {hyperparameters: '{matrix.body}'}}\n"
    )
    spec = found["run-a-true"]
    assert spec.method.body == {"hyperparameters": {"n_epochs": 2, "batch_size": "auto"}}
    assert (spec.suffix, spec.description, spec.owner) == ("s-true-{{matrix.x}}", "a-true", "auto")
    assert found["run-a-0.5"].suffix == "s-0.5-{{matrix.x}}"


def test_a_value_without_a_name_adds_nothing_to_the_spec_s() -> None:
    found = specs("matrix: {prompt: {'': no prompt, long: A prompt}}\ndescription: '{matrix.prompt}'\n")
    assert list(found) == ["run", "run-long"]


def test_a_name_may_be_given() -> None:
    found = specs("matrix: {n_epochs: [1, 3]}\nname: 'elle-{matrix.n_epochs}-epochs'\n" + EPOCHS)
    assert list(found) == ["elle-1-epochs", "elle-3-epochs"]


def test_combinations_are_excluded_by_the_names_of_their_values() -> None:
    found = specs(
        "matrix: {n_epochs: [1, 3], seed: {low: 1, high: 9}, "
        "exclude: [{n_epochs: 1, seed: high}, {n_epochs: 3, seed: low}]}\n"
        "seed: '{matrix.seed}'\n" + EPOCHS
    )
    assert list(found) == ["run-1-low", "run-3-high"]


def test_places_are_those_of_the_values_that_are_taken() -> None:
    place = specs("matrix:\n  n_epochs: [1, 3]\n" + EPOCHS)["run-3"].places[
        "method.supervised.hyperparameters.n_epochs"
    ]
    assert (place.line, place.column) == (5, 17)


def test_a_dataset_has_a_matrix_as_well() -> None:
    text = (
        "kind: Dataset\nmatrix: {order: {shuffled: shuffled, sorted: {by: star}}, system: {'': null, short: S}}\n"
        "sources: {reviews: data/a.csv}\norder: '{matrix.order}'\n"
        "chat: {system: '{matrix.system}', user: '{review}', assistant: '{star}'}\n"
    )
    datasets = parse_file(text.encode(), "specs/reviews.yaml").datasets
    assert [each.name for each in datasets] == [
        *("reviews-shuffled", "reviews-shuffled-short", "reviews-sorted", "reviews-sorted-short"),
    ]
    assert [each.recipe.order for each in datasets[1:3]] == ["shuffled", Sorted(by="star")]
    assert datasets[0].recipe.form.system is None  # type: ignore[union-attr]  # it is a Chat


@pytest.mark.parametrize(
    ("more", "summary"),
    [
        (f"matrix: {{n_epochs: {list(range(300))}}}\n" + EPOCHS, "the matrix has 300 combinations"),
        ("matrix: {n_epochs: [1], exclude: [{n_epochs: 1}]}\n" + EPOCHS, "every combination is excluded"),
        ("matrix: {n_epochs: [1, 3]}\nname: elle\n" + EPOCHS, "2 combinations are named `elle`"),
        ("name: elle\n", "`name` needs a matrix"),
        ("matrix: {n_epochs: [null]}\n" + EPOCHS, "this value of `n_epochs` makes no name"),
        ("matrix: {exclude: [{n_epochs: 1}]}\n", "the matrix has no axis"),
        (EPOCHS, "`{matrix.n_epochs}` refers to nothing"),
        ("suffix: x-{matrix.n}\n", "`{matrix.n}` refers to nothing"),
        ('matrix: {a: [x], b: {z: "{matrix.a}"}}\nsuffix: "{matrix.a}{matrix.b}"\n', "`{matrix.a}` refers to nothing"),
    ],
)
def test_what_makes_no_specs_is_told(more: str, summary: str) -> None:
    assert summary in [problem.summary for problem in problems(more)]


@pytest.mark.parametrize("kind", ["Dataset", "FineTune"])
def test_a_kind_is_known_before_a_matrix_is_written_out(kind: str) -> None:
    more = f'matrix: {{kind: {{a: {kind}}}}}\nsuffix: "{{matrix}}"\n'
    with pytest.raises(ProblemsError) as caught:
        specs(more, HEAD.replace("FineTune", '"{matrix.kind}"'))
    assert "`kind` must be `FineTune` or `Dataset`" in [problem.summary for problem in caught.value.problems]


def test_a_name_that_becomes_too_long_is_told() -> None:
    codes = [problem.code for problem in problems(f"matrix: {{n_epochs: [1]}}\nname: {'x' * 62}-{{matrix}}\n" + EPOCHS)]
    assert codes == ["spec-name"]


def test_a_matrix_that_yaml_cannot_read_is_told_once() -> None:
    (problem,) = problems("matrix: {n_epochs: [010]}\n" + EPOCHS)
    assert problem.code == "yaml-ambiguous"


def test_checks_are_switched_off_with_a_reason() -> None:
    spec = specs("checks: {ignore: [{code: data-near-duplicate, reason: ' meant to be alike '}]}\n")["run"]
    assert spec.ignored == (Ignored(code="data-near-duplicate", reason="meant to be alike"),)
    assert list(ignored_problems(spec, {"data-near-duplicate": False})) == []
    (refused,) = ignored_problems(spec, {"data-near-duplicate": True})
    assert refused.summary == "`data-near-duplicate` cannot be switched off"
    (unknown,) = ignored_problems(spec, {"data-near-duplicates": False})
    assert unknown.fix == "did you mean `data-near-duplicates`?"
    assert unknown.place is not None
    assert (unknown.place.line, unknown.place.column) == (4, 26)


def test_what_the_documents_show_is_taken() -> None:
    text = (Path(__file__).parents[2] / "docs" / "datasets.md").read_text(encoding="utf-8")
    shown = [block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "kind:" in block]
    declared = [parse_file(block.encode(), "specs/stars.yaml") for block in shown]
    assert [len(each.specs) + len(each.datasets) for each in declared] == [1, 1, 3]
