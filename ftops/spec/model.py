"""What a spec says, as values; imports little, because every command reads these."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from ftops.recipe import Recipe  # noqa: TC001  # msgspec resolves it when it decodes

MethodType: TypeAlias = Literal["supervised", "dpo", "reinforcement"]
OnChange: TypeAlias = Literal["keep", "cancel"]


class Span(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """Where in the spec's file; all count from 1, columns in characters, `end_column` one past the last."""

    line: int
    column: int
    end_column: int


class BaseModel(msgspec.Struct, frozen=True, kw_only=True, tag="base"):
    """A model of the provider, by its name there."""

    name: str


class ParentSpec(msgspec.Struct, frozen=True, kw_only=True, tag="spec"):
    """The model that another spec makes."""

    spec: str


class ModelAlias(msgspec.Struct, frozen=True, kw_only=True, tag="alias"):
    """The model that an alias of `ftops.yaml` stands for."""

    alias: str


class Method(msgspec.Struct, frozen=True, kw_only=True):
    """How the model is trained."""

    type: MethodType
    body: dict[str, Any]
    """The content of `method.<type>` as requested: hyperparameters, grader, response_format.

    What the spec leaves out is left out here; whole numbers are integers, and empty hyperparameters are left out.
    """


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """The most that something may cost; what is estimated to cost more is refused."""

    max_usd: float
    """In US dollars before tax, from 0."""


class Lifecycle(msgspec.Struct, frozen=True, kw_only=True):
    """How careful ftops is with what the spec made."""

    protect: bool = False
    ignore_changes: tuple[str, ...] = ()


class Ignored(msgspec.Struct, frozen=True, kw_only=True):
    """A check that is switched off, and why."""

    code: str
    reason: str


class Spec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One fine-tuning job, checked: whatever is in here, the API's documented limits allow."""

    name: str
    path: str
    """Of the spec's file. This and the paths of data are relative to the repository, with forward slashes."""
    model: BaseModel | ParentSpec | ModelAlias
    training_file: str
    """A path, or the name of a dataset's split: see `split_of`."""
    validation_file: str | None = None
    method: Method
    suffix: str | None = None
    seed: int | None = None
    integrations: tuple[dict[str, Any], ...] = ()
    description: str | None = None
    owner: str | None = None
    labels: dict[str, str] = {}
    checkpoint: str = "best"
    """`best`, `last` or `step:<number>`."""
    on_change: OnChange = "keep"
    budget: Budget | None = None
    """Of one job; never part of the digest."""
    lifecycle: Lifecycle = Lifecycle()
    ignored: tuple[Ignored, ...] = ()
    """Checks of the data that are switched off; never part of the digest."""
    places: dict[str, Span] = {}
    """Where each field is, by its dotted path, such as `method.supervised.hyperparameters.n_epochs`."""


class Dataset(msgspec.Struct, frozen=True, kw_only=True):
    """One dataset that is built: its recipe, and where in the spec's file each part of it stands."""

    name: str
    path: str
    recipe: Recipe
    description: str | None = None
    owner: str | None = None
    labels: dict[str, str] = {}
    ignored: tuple[Ignored, ...] = ()
    places: dict[str, Span] = {}
    """As of a Spec; SQL's text begins at its path with `:`, and `chat.user.{review}` is where a column is named."""


class Declared(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one file or a whole project declares."""

    specs: tuple[Spec, ...] = ()
    datasets: tuple[Dataset, ...] = ()


def split_name(dataset: str, split: str) -> str:
    """What the lockfile, plans and specs call a split: the same on every machine, and never a path of a data file."""
    return f"dataset {dataset}/{split}"


def split_of(name: str) -> tuple[str, str] | None:
    """Dataset and split that *name* stands for; None if it is a path: those of data end in `.jsonl`."""
    if name.endswith(".jsonl") or not name.startswith("dataset "):
        return None
    dataset, _, split = name.removeprefix("dataset ").partition("/")
    return dataset, split


def method_request(method: Method) -> dict[str, Any]:
    """Shape *method* as the API takes it: `{"type": …, "<type>": {…}}`."""
    return {"type": method.type, method.type: method.body}
