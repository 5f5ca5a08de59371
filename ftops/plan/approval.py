"""What a review approves: the actions of a plan, each known by a digest, so that nothing else is carried out. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import msgspec

from ftops.digest import Digest, digest_of
from ftops.plan.changes import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftops.plan.changes import Change
    from ftops.plan.plan import Plan

ActionKind: TypeAlias = Literal["train", "select", "forget"]
ATTEMPTS_MAX = 1_000_000
"""More than anybody pays for."""
# Whether a model takes the place of another depends on what others record meanwhile, and it costs the same. To cancel
# what is superseded is what its spec says, and only the provider tells that there is something: no plan that asks none
# could have it approved.
_KINDS: dict[Kind, ActionKind] = {
    Kind.CREATE: "train",
    Kind.REPLACE: "train",
    Kind.SELECT: "select",
    Kind.FORGET: "forget",
}


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is done only if somebody agreed to it: it spends money, or chooses or drops something.

    Neither price, time, commit nor another spec is part of it: what was approved stays so, whatever is merged beside.
    """

    kind: ActionKind
    name: str
    """Of the spec."""
    digest: str | None
    """Of the generation that is trained, chosen from or forgotten."""
    attempt: Annotated[int, msgspec.Meta(ge=1, le=ATTEMPTS_MAX)] = 1
    """Of a training: an approved one that fails is not approved once more."""
    checkpoint: str | None = None
    """Of a choice: which checkpoint is taken."""

    @property
    def id(self) -> Digest:
        """Digest of all of it."""
        return digest_of(msgspec.to_builtins(self))


def actions(plan: Plan) -> tuple[Action, ...]:
    """Actions of *plan* that need approval; what it only records needs none."""
    return tuple(_action(change, _KINDS[change.kind]) for change in plan.changes if change.kind in _KINDS)


def beyond(now: Iterable[Action], approved: Iterable[Action]) -> tuple[Action, ...]:
    """Those of *now* that nobody approved; fewer than approved is fine."""
    agreed = {action.id for action in approved}
    return tuple(action for action in now if action.id not in agreed)


def _action(change: Change, kind: ActionKind) -> Action:
    digest = change.desired.digest if change.desired else change.recorded.digest if change.recorded else None
    checkpoint = change.wanted.spec.checkpoint if kind == "select" else None
    return Action(kind=kind, name=change.name, digest=digest, attempt=change.attempt, checkpoint=checkpoint)
