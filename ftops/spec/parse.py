"""From the bytes of a spec's file to what it declares, or to all that is wrong with it."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from ftops.diagnostics import Diagnostic, Place, ProblemsError
from ftops.spec.dataset import dataset, dataset_problems
from ftops.spec.document import Document, in_order_of_place
from ftops.spec.explain import explain
from ftops.spec.fine_tune import fine_tune, fine_tune_problems
from ftops.spec.matrix import expand, lost_references
from ftops.spec.model import Declared
from ftops.spec.source import read_document
from ftops.spec.text import shown

if TYPE_CHECKING:
    from ftops.spec.schema import SchemaKind

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
"""Of specs, datasets, aliases and targets: fits labels, file names and shells without quotes."""

_MATRIX_KEYS = frozenset({"matrix", "name"})


def parse_file(content: bytes, path: str) -> Declared:
    """Read one file: one spec or dataset, or as many as its matrix has combinations.

    Args:
        content: Of the file.
        path: Relative to the repository, with forward slashes; its stem is the name of what it declares.

    Raises:
        ProblemsError: With all problems of the file, in the order of their places.
    """
    stem = posixpath.splitext(posixpath.basename(path))[0]
    problems = [] if NAME.fullmatch(stem) else [_bad_stem(path, stem)]
    try:
        document = read_document(content, path)
        problems += document.problems
        declared = _expanded(document, stem)
        problems += (problem for name, each in declared for problem in _problems(each, stem, name))
    except ProblemsError as error:
        raise ProblemsError(*problems, *error.problems) from None
    if problems:
        raise ProblemsError(*in_order_of_place(problems))
    if _kind(document) == "dataset":
        return Declared(datasets=tuple(dataset(each, name) for name, each in declared))
    return Declared(specs=tuple(fine_tune(each, name) for name, each in declared))


def _kind(document: Document) -> SchemaKind:
    return "dataset" if document.value.get("kind") == "Dataset" else "fine-tune"


def _expanded(document: Document, stem: str) -> tuple[tuple[str, Document], ...]:
    """What the matrix makes of *document*; nothing if it cannot be read, which is told already."""
    if any(path[0] in _MATRIX_KEYS for path in document.unread if path):
        return ()
    malformed = explain(document, _kind(document), prefix="spec", better=lambda *_: None, keys=_MATRIX_KEYS)
    if problems := list(malformed):
        raise ProblemsError(*in_order_of_place(problems))
    return expand(document, stem)


def _problems(document: Document, stem: str, name: str) -> list[Diagnostic]:
    """What is wrong with one document that the matrix made; most is told of each, and once in the end."""
    found = list(dataset_problems(document) if _kind(document) == "dataset" else fine_tune_problems(document))
    found += lost_references(document)
    if "name" in document.value:
        found.append(_name_without_matrix(document))
    if name != stem and not NAME.fullmatch(name):
        at = ("name",) if ("name",) in document.marks else ("matrix",)
        summary, why, fix = _bad_name(name)
        found.append(document.problem("spec-name", at, summary, why=why, fix=f"choose another: {fix}"))
    return found


def _name_without_matrix(document: Document) -> Diagnostic:
    return document.problem(
        "spec-matrix",
        ("name",),
        "`name` needs a matrix",
        why="without one, the file's stem is the name",
        fix="remove `name`, and rename the file if it should be called otherwise",
        at="key",
    )


def _bad_stem(path: str, stem: str) -> Diagnostic:
    summary, why, fix = _bad_name(stem)
    return Diagnostic(
        code="spec-name",
        summary=summary,
        place=Place(path=path),
        why=f"the file's stem {why}",
        fix=f"rename the file: {fix}",
    )


def _bad_name(name: str) -> tuple[str, str, str]:
    return (
        f"`{shown(name)}` cannot be the name of a spec",
        "names the spec in labels, in the lockfile and on the command line",
        "lower-case letters, digits, `.`, `_` and `-`, at most 63, a letter or digit first",
    )
