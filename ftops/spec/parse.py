"""From the bytes of a spec's file to the spec, or to all that is wrong with it."""

from __future__ import annotations

import json
import posixpath
import re
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from ftops.diagnostics import Diagnostic, Place, ProblemsError
from ftops.spec.document import MOST_PROBLEMS, Document, Path, in_order_of_place
from ftops.spec.explain import explain, name_of, shown
from ftops.spec.graders import grader_problems
from ftops.spec.model import BaseModel, Lifecycle, Method, ModelAlias, ParentSpec, Spec
from ftops.spec.nearest import one_of
from ftops.spec.paths import BadPath, resolve
from ftops.spec.schema import Violation, schema
from ftops.spec.source import read_document

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
"""Of specs, aliases and targets: fits labels, file names and shells without quotes."""

_NOT_YET = {"matrix", "evaluate", "budget"}
_MOST_SHOWN = 120


def parse_spec(content: bytes, path: str) -> Spec:
    """Read one spec.

    Args:
        content: Of the file.
        path: Relative to the repository, with forward slashes; its stem is the spec's name.

    Raises:
        ProblemsError: With all problems of the file, in the order of their places.
    """
    problems = [problem] if (problem := _name_problem(path)) is not None else []
    try:
        document = read_document(content, path)
    except ProblemsError as error:
        raise ProblemsError(*problems, *error.problems) from None
    problems += document.problems
    if (other_kind := _other_kind(document)) is not None:
        # The rules of this kind say nothing about another.
        problems.append(other_kind)
    else:
        of_schema = explain(document, "fine-tune", prefix="spec", better=_better)
        problems += _data_problems(document)
        problems += islice(chain(of_schema, grader_problems(document)), MOST_PROBLEMS + 1)
    if problems:
        raise ProblemsError(*in_order_of_place(problems))
    return _spec(document)


def name_of_file(path: str) -> str:
    """The name of the spec in the file at *path*: its stem."""
    return posixpath.splitext(posixpath.basename(path))[0]


def _spec(document: Document) -> Spec:
    """Make the spec of what was found to be without fault."""
    value = document.value
    folder = posixpath.dirname(document.path)
    validation_file = value.get("validation_file")
    lifecycle = value.get("lifecycle") or {}
    seed = value.get("seed")
    return Spec(
        name=name_of_file(document.path),
        path=document.path,
        model=_model(value["model"]),
        training_file=_resolved(value["training_file"], folder),
        validation_file=None if validation_file is None else _resolved(validation_file, folder),
        method=_method(value.get("method", {"type": "supervised"})),
        suffix=value.get("suffix"),
        seed=None if seed is None else int(seed),
        integrations=tuple(_without_nulls(item) for item in value.get("integrations") or ()),
        description=value.get("description"),
        owner=value.get("owner"),
        labels=value.get("labels") or {},
        checkpoint=value.get("checkpoint", "best"),
        on_change=value.get("on_change", "keep"),
        lifecycle=Lifecycle(
            protect=lifecycle.get("protect", False),
            ignore_changes=tuple(sorted(lifecycle.get("ignore_changes", ()))),
        ),
        places={".".join(map(str, path)): mark.value for path, mark in document.marks.items() if path},
    )


def _model(value: Any) -> BaseModel | ParentSpec | ModelAlias:
    match value:
        case {"spec": name}:
            return ParentSpec(spec=name)
        case {"alias": name}:
            return ModelAlias(alias=name)
        case _:
            return BaseModel(name=value)


def _method(value: dict[str, Any]) -> Method:
    body = {key: item for key, item in value.get(value["type"], {}).items() if key != "hyperparameters" or item}
    return Method(type=value["type"], body=_whole(body))


def _whole(value: Any) -> Any:
    """Whole numbers as integers, wherever they are: `3.0` asks for the same as `3`."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {key: _whole(item) for key, item in value.items()}
        case list():
            return [_whole(item) for item in value]
        case _:
            return value


def _without_nulls(integration: dict[str, Any]) -> dict[str, Any]:
    """To the API, null is the same as left out; so it is to the digest."""
    wandb = {key: item for key, item in integration["wandb"].items() if item is not None}
    return {"type": integration["type"], "wandb": wandb}


def _resolved(text: str, folder: str) -> str:
    path = resolve(text, folder)
    assert isinstance(path, str)
    return path


def _name_problem(path: str) -> Diagnostic | None:
    name = name_of_file(path)
    if NAME.fullmatch(name):
        return None
    return Diagnostic(
        code="spec-name",
        summary=f"`{shown(name)}` cannot be the name of a spec",
        place=Place(path=path),
        why="the file's stem names the spec in labels, in the lockfile and on the command line",
        fix="rename the file: lower-case letters, digits, `.`, `_` and `-`, at most 63, a letter or digit first",
    )


def _other_kind(document: Document) -> Diagnostic | None:
    if document.value.get("kind") != "Dataset":
        return None
    return document.problem(
        "spec-unsupported",
        ("kind",),
        "`kind: Dataset` is not supported in this version",
        why="this version trains on JSONL files that exist already",
        fix="build the JSONL file yourself and name it in a spec, such as `training_file: data/train.jsonl`",
    )


def _better(document: Document, path: Path, violation: Violation) -> Diagnostic | None:
    """What ftops knows of a mistake beyond the schema."""
    match path, violation.keyword:
        case ("metadata",), "additionalProperties":
            return document.problem(
                "spec-reserved",
                path,
                "`metadata` is reserved",
                why="ftops writes a job's metadata, and finds the job again by it",
                fix="use `labels:` for labels of your own",
                at="key",
            )
        case ("hyperparameters",), "additionalProperties":
            return _deprecated_hyperparameters(document)
        case (str() as key,), "additionalProperties" if key in _NOT_YET:
            return document.problem(
                "spec-unsupported",
                path,
                f"`{key}` is not supported in this version",
                why="it is planned, and ignoring it without a word would mislead",
                fix="remove it",
                at="key",
            )
        case ("training_file" | "validation_file" as key,), "type" if isinstance(violation.value, dict):
            return document.problem(
                "spec-unsupported",
                path,
                f"`{key}` cannot be a mapping in this version",
                why="splits of a declared dataset are planned",
                fix=f"write the path of a JSONL file, such as `{key}: data/train.jsonl`",
            )
        case ("method", str(), "hyperparameters", str()), "additionalProperties":
            return _hyperparameter_of_another(document, path)
        case ("method", str()), "false":
            return _body_of_another(document, path)
        case _:
            return None


def _deprecated_hyperparameters(document: Document) -> Diagnostic:
    method = document.value.get("method")
    type_ = method.get("type") if isinstance(method, dict) else None
    if type_ not in schema("fine-tune")["$defs"]["method"]["properties"]["type"]["enum"]:
        type_ = "supervised"
    given = document.value["hyperparameters"]
    written = json.dumps(given, ensure_ascii=False).replace('"', "") if isinstance(given, dict) else ""
    if not given or not written or len(written) > _MOST_SHOWN:
        written = "{…}"
    return document.problem(
        "spec-deprecated",
        ("hyperparameters",),
        "`hyperparameters` at the top level is deprecated by the API",
        why="hyperparameters belong to the method, which says what they mean",
        fix=f"write `method: {{type: {type_}, {type_}: {{hyperparameters: {written}}}}}`",
        at="key",
    )


def _hyperparameter_of_another(document: Document, path: Path) -> Diagnostic | None:
    _, method, _, key = path
    definitions = schema("fine-tune")["$defs"]
    owners = [
        name
        for name in ("supervised", "dpo", "reinforcement")
        if key in definitions[name]["properties"]["hyperparameters"]["properties"]
    ]
    if not owners:
        return None
    return document.problem(
        "spec-method",
        path,
        f"`{key}` is no hyperparameter of `{method}`",
        why=f"it belongs to {one_of(owners)}",
        fix=f"remove it, or write `type: {owners[0]}` and move it there",
        at="key",
    )


def _body_of_another(document: Document, path: Path) -> Diagnostic:
    key, type_ = path[-1], document.value["method"]["type"]
    return document.problem(
        "spec-method",
        path,
        f"`{key}` does not belong to the method `{type_}`",
        why="a job is trained by one method, the one that `type` names",
        fix=f"write `type: {key}`, or rename `{key}` to `{type_}`",
        at="key",
    )


def _data_problems(document: Document) -> Iterator[Diagnostic]:
    folder = posixpath.dirname(document.path)
    resolved: dict[str, str] = {}
    for key in ("training_file", "validation_file"):
        text = document.value.get(key)
        if not isinstance(text, str) or not text:
            continue
        path = resolve(text, folder)
        if isinstance(path, BadPath):
            yield document.problem("spec-path", (key,), f"`{shown(text)}` {path.claim}", why=path.why, fix=path.fix)
        elif not path.endswith(".jsonl"):
            yield document.problem(
                "spec-file-type",
                (key,),
                f"`{name_of((key,))}` must name a `.jsonl` file",
                why="the API trains on JSONL: one JSON object a line",
                fix=f"convert the data and write `{key}: {posixpath.splitext(shown(text))[0]}.jsonl`",
            )
        else:
            resolved[key] = path
    if len(resolved) > 1 and len(set(resolved.values())) == 1:
        yield document.problem(
            "spec-same-data",
            ("validation_file",),
            "`validation_file` is the same file as `training_file`",
            why="validation on what was trained on tells nothing",
            fix="keep some examples apart in a file of their own, or leave `validation_file` out",
        )
