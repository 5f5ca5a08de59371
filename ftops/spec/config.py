"""`ftops.yaml`: where specs are, where they train, and which models the aliases stand for."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec

from ftops.diagnostics import Diagnostic, Place, ProblemsError
from ftops.spec.document import MOST_PROBLEMS, Document, Path, in_order_of_place
from ftops.spec.explain import explain
from ftops.spec.model import Budget
from ftops.spec.nearest import did_you_mean
from ftops.spec.paths import BadPath, resolve
from ftops.spec.source import read_document
from ftops.spec.text import place_of, without_keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ftops.spec.schema import Violation

Profile: TypeAlias = Literal["openai", "azure", "nebius", "bedrock-mantle", "litellm", "local"]
LOCAL = "local"
"""The target that is always there."""


class EnvSource(msgspec.Struct, frozen=True, kw_only=True):
    """A secret that an environment variable holds."""

    env: str


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where models are trained."""

    name: str
    profile: Profile
    base_url: str | None = None
    """The profile's own if None."""
    api_key: EnvSource | None = None
    organization: str | None = None
    project_id: str | None = None
    models: dict[str, str] = {}
    """What this target calls the models that specs name."""

    @property
    def is_embedded(self) -> bool:
        """Whether it is the server that ftops starts here: its jobs are this checkout's alone."""
        return self.profile == LOCAL and self.base_url is None


class PlanBudget(Budget, frozen=True, kw_only=True):
    """The most that all that one plan trains may cost together."""

    place: Place
    """Where `ftops.yaml` says so."""


class AliasTarget(msgspec.Struct, frozen=True, kw_only=True):
    """One generation of one spec."""

    spec: str
    digest: str
    """`sha256:` and the first digits, 12 to all 64 of them."""


def _local_only() -> dict[str, Target]:
    return {LOCAL: Target(name=LOCAL, profile="local")}


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """The project, with the target `local` whether written or not."""

    project: str | None = None
    specs: str = "specs"
    """The folder of the specs, relative to the repository."""
    default_target: str = LOCAL
    targets: dict[str, Target] = msgspec.field(default_factory=_local_only)
    aliases: dict[str, AliasTarget] = {}
    claims: Literal["git", "local"] = "git"
    """How machines are kept from paying for the same job: through the git remote, or not, where there is only one."""
    budget: PlanBudget | None = None


def parse_config(content: bytes, path: str = "ftops.yaml") -> Config:
    """Read `ftops.yaml`; an empty one has all defaults.

    Raises:
        ProblemsError: With all problems of the file, in the order of their places, and never with a key in them.
    """
    try:
        document = read_document(content, path, may_be_empty=True)
    except ProblemsError as error:
        raise ProblemsError(*_without_secrets(error.problems, ())) from None
    problems = [
        *_with_hidden_keys(document),
        *islice(explain(document, "ftops", prefix="config", better=_better), MOST_PROBLEMS + 1),
        *_secrets_in_urls(document),
        *_default_target_problems(document),
        *_folder_problems(document),
    ]
    if problems:
        raise ProblemsError(*_without_secrets(in_order_of_place(problems), tuple(_secrets(document.value))))
    return _config(document)


def _config(document: Document) -> Config:
    value = document.value
    folder = resolve(value.get("specs", "specs"), "")
    assert isinstance(folder, str)
    return Config(
        project=value.get("project"),
        specs=folder,
        default_target=value.get("default_target", LOCAL),
        targets=_local_only() | {name: _target(name, target) for name, target in (value.get("targets") or {}).items()},
        aliases={name: _alias(text) for name, text in (value.get("aliases") or {}).items()},
        claims=value.get("claims", "git"),
        budget=_budget(document) if "budget" in value else None,
    )


def _budget(document: Document) -> PlanBudget:
    # A valid file has no key but perhaps in a comment, which `place_of` blanks out.
    place = place_of(document.path, document.lines, document.span(("budget", "max_usd")))
    return PlanBudget(max_usd=float(document.value["budget"]["max_usd"]), place=place)


def _target(name: str, value: dict[str, Any]) -> Target:
    api_key = value.get("api_key")
    return Target(
        name=name,
        profile=value["profile"],
        base_url=value.get("base_url"),
        api_key=None if api_key is None else EnvSource(env=api_key["env"]),
        organization=value.get("organization"),
        project_id=value.get("project_id"),
        models=value.get("models") or {},
    )


def _alias(text: str) -> AliasTarget:
    spec, _, digits = text.partition("@")
    return AliasTarget(spec=spec, digest="sha256:" + digits.removeprefix("sha256:"))


def _better(document: Document, path: Path, violation: Violation) -> Diagnostic | None:
    match path:
        case ("targets", str(), "api_key", *_) if isinstance(violation.value, str | int | float):
            return _secret(document, path)
        case ("targets", str(), str() as key) if violation.keyword == "additionalProperties" and _SECRET_KEY.search(
            key
        ):
            return _secret(document, path)
        case ("targets", "local") if violation.keyword == "type" and violation.value is None:
            return document.problem(
                "config-type",
                path,
                "`local` is empty",
                why="the target `local` is there without being written",
                fix="remove it, or write `local: {profile: local}`",
            )
        case _:
            return None


def _secret(document: Document, path: Path) -> Diagnostic:
    return document.problem(
        "config-secret",
        path,
        "a key must not be written into a file",
        why="the file is committed, and everyone who can read the repository could use the key",
        fix="put the key into an environment variable and name it, such as `api_key: {env: OPENAI_API_KEY}`; "
        "if this one was committed already, revoke it",
        at="key",
    )


def _secrets_in_urls(document: Document) -> Iterator[Diagnostic]:
    for path, url in _urls(document.value):
        try:
            has_secret = "@" in urlsplit(url).netloc
        except ValueError:
            yield document.problem(
                "config-value",
                path,
                "`base_url` must be a URL",
                why="requests go to this address",
                fix="write a URL, such as `base_url: https://api.openai.com/v1`",
            )
        else:
            if has_secret:
                yield _secret(document, path)


def _default_target_problems(document: Document) -> Iterator[Diagnostic]:
    name, targets = document.value.get("default_target"), document.value.get("targets") or {}
    if not isinstance(name, str) or not isinstance(targets, dict) or name in {LOCAL, *targets}:
        return
    yield document.problem(
        "config-target",
        ("default_target",),
        f"there is no target named `{name}`",
        why="the default target is one of those under `targets`, or `local`",
        fix=did_you_mean(name, {LOCAL, *targets}, otherwise=f"add it: `targets: {{{name}: {{profile: openai}}}}`"),
    )


def _folder_problems(document: Document) -> Iterator[Diagnostic]:
    folder = document.value.get("specs")
    found = resolve(folder, "") if isinstance(folder, str) else "specs"
    if found == ".":
        found = BadPath(claim="is the repository itself", why="every YAML file in it would be read as a spec", fix="")
    if isinstance(found, BadPath):
        fix = "write a folder of the repository, such as `specs: specs`"
        yield document.problem("config-path", ("specs",), f"`{folder}` {found.claim}", why=found.why, fix=fix)


_SECRET_KEY = re.compile(r"key|token|secret|password", re.IGNORECASE)
_SECRET_LINE = re.compile(rf"((?:{_SECRET_KEY.pattern})[\w\"'-]*\s*:\s*)([^\s{{].*)", re.IGNORECASE)
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")


def _with_hidden_keys(document: Document) -> Iterator[Diagnostic]:
    """The problems of the file as YAML; a key that YAML cannot read is told as a key, because its problem shows it."""
    hidden = {
        (span.line, span.column): path
        for path in document.unread
        if any(isinstance(step, str) and _SECRET_KEY.search(step) for step in path)
        for span in [document.span(path)]
    }
    for problem in document.problems:
        path = None if (place := problem.place) is None else hidden.get((place.line or 0, place.column or 0))
        yield problem if path is None else _secret(document, path)


def _secrets(value: Any, *, is_secret: bool = False) -> Iterator[str]:
    """Every text under a key that says so, but names of environment variables."""
    match value:
        case dict():
            for key, item in value.items():
                yield from _secrets(item, is_secret=is_secret or _SECRET_KEY.search(key) is not None)
        case list():
            for item in value:
                yield from _secrets(item, is_secret=is_secret)
        case str() | int() | float() if is_secret and not _VARIABLE.fullmatch(str(value)):
            yield str(value)


def _urls(value: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    targets = value.get("targets")
    for name, target in targets.items() if isinstance(targets, dict) else ():
        if isinstance(target, dict) and isinstance(url := target.get("base_url"), str):
            yield ("targets", name, "base_url"), url


def _without_secrets(problems: Iterable[Diagnostic], secrets: tuple[str, ...]) -> list[Diagnostic]:
    """Blank out whatever is a key or looks like one; letter by letter, so that carets stay where they are."""
    problems = list(problems)
    told = "\n".join(f"{each.summary}\n{each.fix}\n{each.place and each.place.source}" for each in problems)
    # Only those that a problem shows: there may be very many.
    shown = {line for secret in secrets for each in secret.splitlines() if (line := each.strip()) and line in told}
    lines = sorted(shown, key=len, reverse=True)

    def blank(text: str) -> str:
        for line in lines:
            text = text.replace(line, "*" * len(line))
        return without_keys(text)

    def blank_line(text: str) -> str:
        return _SECRET_LINE.sub(lambda found: found[1] + "*" * len(found[2]), blank(text))

    return [
        replace(
            problem,
            summary=blank(problem.summary),
            fix=problem.fix and blank(problem.fix),
            place=problem.place
            and replace(problem.place, source=problem.place.source and blank_line(problem.place.source)),
        )
        for problem in problems
    ]
