"""The schemas for editors: they take a file with a matrix as it is written."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from ftops.spec.published import KINDS, published_text
from ftops.spec.schema import SchemaKind, schema_text

SPECS = sorted((Path(__file__).parents[2] / "specs").rglob("*.yaml"))
SPEC = """
kind: FineTune
matrix: {epochs: [1, 3], order: [shuffled, sorted]}
model: gpt-4.1-mini-2025-04-14
training_file: {dataset: "reviews-{matrix.order}", split: train}
suffix: "stars-{matrix}"
method: {type: supervised, supervised: {hyperparameters: {n_epochs: "{matrix.epochs}"}}}
"""
DATASET = """
kind: Dataset
matrix: {count: [10, 20], order: {sorted: {by: star}, "": shuffled}}
sources: {reviews: reviews.csv}
chat: {user: "{review}", assistant: "{star}"}
limit: "{matrix.count}"
order: "{matrix.order}"
"""


def refused(kind: SchemaKind, text: str) -> list[str]:
    """Where an editor would underline something."""
    validator = jsonschema.Draft202012Validator(json.loads(schema_text(kind)))
    return ["/".join(map(str, error.path)) for error in validator.iter_errors(yaml.safe_load(text))]


@pytest.mark.parametrize("kind", KINDS)
def test_the_published_schema_is_made_of_the_rules(kind: SchemaKind) -> None:
    assert schema_text(kind).decode() == published_text(kind), "`python -m ftops.spec.published` renews it"


@pytest.mark.parametrize("file", SPECS, ids=lambda file: file.stem)
def test_editors_accept_the_specs_of_this_repository(file: Path) -> None:
    text = file.read_text()
    assert refused("dataset" if "kind: Dataset" in text else "fine-tune", text) == []


@pytest.mark.parametrize(("kind", "text"), [("fine-tune", SPEC), ("dataset", DATASET)])
def test_a_reference_may_stand_for_any_value(kind: SchemaKind, text: str) -> None:
    assert refused(kind, text) == []


@pytest.mark.parametrize(
    ("kind", "text", "where"),
    [
        ("fine-tune", SPEC.replace('"{matrix.epochs}"', "three"), "method"),
        ("fine-tune", SPEC.replace("reviews-{matrix.order}", "Reviews"), "training_file"),
        ("fine-tune", SPEC.replace("n_epochs:", "n_epoch:"), "method"),
        ("dataset", DATASET.replace('"{matrix.count}"', '"about {matrix.count}"'), "limit"),
        ("dataset", DATASET.replace('"{matrix.order}"', "random"), "order"),
    ],
)
def test_all_else_is_refused_as_before(kind: SchemaKind, text: str, where: str) -> None:
    assert refused(kind, text) == [where]


def test_without_a_matrix_a_reference_is_underlined() -> None:
    without = DATASET.replace('matrix: {count: [10, 20], order: {sorted: {by: star}, "": shuffled}}\n', "")
    assert refused("dataset", without) != []
    assert refused("dataset", without.replace('"{matrix.count}"', "10").replace('"{matrix.order}"', "shuffled")) == []
