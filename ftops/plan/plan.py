"""A plan: the changes, in the order in which they are carried out, under a checksum."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from ftops.diagnostics import Diagnostic, ProblemsError
from ftops.digest import digest_of, short
from ftops.plan.changes import PAID, PENDING, Change, Kind
from ftops.spec.nearest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ftops.dataset.diff import DataDiff
    from ftops.plan.desired import Desired


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What apply will do on one target."""

    target: str
    changes: tuple[Change, ...]
    checksum: str
    """Over what is to be done, not how it is worded: `apply --checksum` carries out this plan or none."""
    warnings: tuple[Diagnostic, ...] = ()
    data_changes: Mapping[tuple[str, str], DataDiff] = field(default_factory=dict)
    """What changed in data that is trained on anew, by spec and field, where the old rows are to be had."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """How long training will take, by spec, where earlier jobs tell."""
    collected_at: int | None = None
    """When results that are waited for were last collected, unix time; None if nobody asked, or nobody can tell."""
    refusals: tuple[Diagnostic, ...] = ()
    """What policy refuses of it: a plan with any is not carried out."""
    refused: frozenset[str] = frozenset()
    """The specs that the refusals are about."""
    limit_usd: float | None = None
    """What all that one plan trains may cost, by `ftops.yaml`; None if that says nothing."""

    @property
    def cost_usd(self) -> float | None:
        """What all that is to be trained is estimated to cost; None if that is not known of each."""
        costs = [change.desired and change.desired.cost for change in self.changes if change.kind in PAID]
        known = [cost.usd for cost in costs if cost and cost.usd is not None]
        return sum(known) if len(known) == len(costs) else None

    @property
    def pending(self) -> tuple[Change, ...]:
        """What there is to do; empty if nothing."""
        return tuple(change for change in self.changes if change.kind in PENDING)

    @property
    def counts(self) -> Counter[Kind]:
        return Counter(change.kind for change in self.changes)


def checksum(target: str, changes: Iterable[Change]) -> str:
    """Digest of what *changes* do, however they are worded."""
    return short(digest_of([target, *(_essence(change) for change in changes if change.kind in PENDING)]))


def select(desired: Sequence[Desired], selectors: Iterable[str]) -> tuple[Desired, ...]:
    """Keep what *selectors* name (a name, a glob, or `label:key=value`), and the parents that it starts from.

    Raises:
        ProblemsError: A selector matches nothing.
    """
    wanted = tuple(selectors)
    if not wanted:
        return tuple(desired)
    names: set[str] = set()
    problems = []
    for selector in wanted:
        found = {each.name for each in desired if _matches(each, selector)}
        if not found:
            problems.append(_unmatched(selector, desired))
        names |= found
    if problems:
        raise ProblemsError(*problems)
    digests = {(each.name, each.digest) for each in desired}
    for each in reversed(desired):
        # An alias may stand for an older generation of its spec, which is there already.
        if each.name in names and each.parent and (each.parent.spec, each.parent.digest) in digests:
            names.add(each.parent.spec)
    return tuple(each for each in desired if each.name in names)


def _matches(desired: Desired, selector: str) -> bool:
    if not selector.startswith("label:"):
        return fnmatchcase(desired.name, _stem(selector))
    key, _, value = selector.removeprefix("label:").partition("=")
    return fnmatchcase(desired.spec.labels.get(key, ""), value or "?*")


def _stem(selector: str) -> str:
    """The name that a spec's path stands for, as a shell completes it."""
    name, dot, ending = selector.rpartition("/")[2].rpartition(".")
    return name if dot and ending in {"yaml", "yml"} else selector


def _unmatched(selector: str, desired: Sequence[Desired]) -> Diagnostic:
    return Diagnostic(
        code="selector-unmatched",
        summary=f"no spec matches `{selector}`",
        why="a selector is a spec's name, a glob such as `elle-*`, or a label such as `label:team=support`",
        fix=did_you_mean(selector, [each.name for each in desired], otherwise="`ftops plan -v` lists all specs"),
    )


def _essence(change: Change) -> list[object]:
    digest = change.desired.digest if change.desired else change.recorded.digest if change.recorded else None
    return [change.name, change.kind, digest, change.attempt]
