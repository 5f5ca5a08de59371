"""From a document that declares a fine-tuning job to its spec, or to all that is wrong with it."""

from __future__ import annotations

import json
import posixpath
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from ftops.spec.common import checks_of, places_of, resolved
from ftops.spec.document import MOST_PROBLEMS, Document, Path
from ftops.spec.explain import explain, name_of
from ftops.spec.graders import grader_problems
from ftops.spec.model import BaseModel, Budget, Lifecycle, Method, ModelAlias, ParentSpec, Spec, split_name
from ftops.spec.nearest import did_you_mean, one_of
from ftops.spec.paths import BadPath, resolve
from ftops.spec.scalars import LARGEST_INTEGER
from ftops.spec.schema import Violation, schema
from ftops.spec.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftops.diagnostics import Diagnostic

KINDS = ("FineTune", "Dataset")
_NOT_YET = {"evaluate"}
_MOST_SHOWN = 120


def fine_tune_problems(document: Document) -> Iterator[Diagnostic]:
    """All that is wrong with *document*, which has no matrix any more."""
    yield from _data_problems(document)
    of_schema = explain(document, "fine-tune", prefix="spec", better=_better)
    yield from islice(chain(of_schema, grader_problems(document)), MOST_PROBLEMS + 1)


def fine_tune(document: Document, name: str) -> Spec:
    """Make the spec of a document that was found to be without fault."""
    value = document.value
    folder = posixpath.dirname(document.path)
    validation_file = value.get("validation_file")
    budget, lifecycle = value.get("budget"), value.get("lifecycle") or {}
    seed = value.get("seed")
    return Spec(
        name=name,
        path=document.path,
        model=_model(value["model"]),
        training_file=_data_name(value["training_file"], folder),
        validation_file=None if validation_file is None else _data_name(validation_file, folder),
        method=_method(value.get("method", {"type": "supervised"})),
        suffix=value.get("suffix"),
        seed=None if seed is None else int(seed),
        integrations=tuple(_without_nulls(item) for item in value.get("integrations") or ()),
        description=value.get("description"),
        owner=value.get("owner"),
        labels=value.get("labels") or {},
        checkpoint=value.get("checkpoint", "best"),
        on_change=value.get("on_change", "keep"),
        budget=None if budget is None else Budget(max_usd=float(budget["max_usd"])),
        lifecycle=Lifecycle(
            protect=lifecycle.get("protect", False),
            ignore_changes=tuple(sorted(lifecycle.get("ignore_changes", ()))),
        ),
        ignored=checks_of(value),
        places=places_of(document),
    )


def _data_name(value: Any, folder: str) -> str:
    match value:
        case {"dataset": dataset, "split": split}:
            return split_name(dataset, split)
        case path:
            return resolved(path, folder)


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
        case float() if value.is_integer() and abs(value) <= LARGEST_INTEGER:
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
        case ("kind",), "const" if isinstance(violation.value, str):
            return document.problem(
                "spec-value",
                path,
                f"`kind` must be {one_of(KINDS)}",
                why="the kind says how the rest of the file is read",
                fix=did_you_mean(violation.value, KINDS, otherwise="write `kind: FineTune`"),
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
    named: dict[str, object] = {}
    for key in ("training_file", "validation_file"):
        value = document.value.get(key)
        if isinstance(value, dict):
            named[key] = value
        if not isinstance(value, str) or not value:
            continue
        path = resolve(value, folder)
        if isinstance(path, BadPath):
            yield document.problem("spec-path", (key,), f"`{shown(value)}` {path.claim}", why=path.why, fix=path.fix)
        elif not path.endswith(".jsonl"):
            yield document.problem(
                "spec-file-type",
                (key,),
                f"`{name_of((key,))}` must name a `.jsonl` file",
                why="the API trains on JSONL: one JSON object a line",
                fix=f"convert the data and write `{key}: {posixpath.splitext(shown(value))[0]}.jsonl`, "
                "or let a file with `kind: Dataset` do so",
            )
        else:
            named[key] = path
    if len(named) > 1 and named["training_file"] == named["validation_file"]:
        yield document.problem(
            "spec-same-data",
            ("validation_file",),
            "`validation_file` is the same data as `training_file`",
            why="validation on what was trained on tells nothing",
            fix="keep some examples apart in a file of their own, or leave `validation_file` out",
        )
