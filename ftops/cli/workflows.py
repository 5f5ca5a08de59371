"""The workflows that `ftops init --github` writes, as this project needs them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from ftops.cli.door import WRONG_USAGE
from ftops.diagnostics import Diagnostic, ProblemsError
from ftops.git import main_branch

if TYPE_CHECKING:
    from pathlib import Path

WORKFLOWS = ("ftops-plan.yml", "ftops-apply.yml", "ftops-reconcile.yml")
ATTRIBUTES = "ftops.lock linguist-generated\nftops.*.lock linguist-generated\n"
"""So that GitHub folds lockfiles in diffs."""
RELEASE = "action"
"""The packaged file that names this release: `OWNER/NAME@COMMIT # vX.Y.Z`. A release's build writes it, so that it is
in every release and in no checkout."""

_PINNED = re.compile(r"[\w-][\w.-]*(?:/[\w-][\w.-]*)+@[0-9a-f]{40}(?: # [\w.-]+)?", re.ASCII)
_LOCAL = re.compile(r"\./(?:[\w-][\w.-]*/?)*", re.ASCII)
"""An action of the repository itself, such as ftops' own."""
_BRANCH = re.compile(r"[A-Za-z][\w./-]*", re.ASCII)
_SPECIAL, _ESCAPED = re.compile(r"[\\*?+\[\]!]"), r"\\\g<0>"
"""In GitHub's filters of paths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the workflows of one project differ in."""

    action: str
    """What sets ftops up, as it stands behind `uses:`."""
    branch: str
    specs: str
    key: str
    """The variable that holds the key of the target, where it has one."""
    target: str | None
    """As the commands are told; None for the default one."""
    is_embedded: bool
    """Whether it trains in the checkout."""


def setting(root: Path, action: str | None, target: str | None) -> Setting:
    """See what the workflows of the project at *root* have to be like; it may be yet to be written.

    Args:
        root: Where they are written.
        action: What they set ftops up with; the release that this is if None.
        target: The one that they train on; the default one if None.

    Raises:
        ProblemsError: GitHub would not find them there, the project's configuration has problems, or it is not known
            with which commit of ftops they are to work.
    """
    _refuse_subfolder(root)
    from ftops.project import open_project  # noqa: PLC0415  # only here
    from ftops.spec.config import Config, Target  # noqa: PLC0415

    config, trains = Config(), Target(name="local", profile="local")
    if (root / "ftops.yaml").exists() or target:
        project = open_project(root, target)
        config, trains = project.config, project.target
    branch = main_branch(root)
    return Setting(
        action=_pinned(action or _release()),
        branch=branch if branch and _BRANCH.fullmatch(branch) else "main",
        specs=config.specs,
        key=trains.api_key.env if trains.api_key else "OPENAI_API_KEY",
        target=target,
        is_embedded=trains.is_embedded,
    )


def workflows(found: Setting, texts: dict[str, str]) -> dict[str, str]:
    """All files to be written: *texts*, those of the project, and the workflows."""
    attributes = {".gitattributes": texts.get(".gitattributes", "") + ATTRIBUTES}
    return texts | attributes | {f".github/workflows/{name}": _workflow(name, found) for name in WORKFLOWS}


def next_steps(found: Setting) -> str:
    """What is left to do by hand, on GitHub's pages."""
    branch = f"`{found.branch}`"
    reach = (
        "ftops.yaml: a `default_target` that GitHub's machines reach; this one trains within the checkout, "
        "which goes with the machine"
    )
    environments = (
        f"Settings > Environments: `ftops-production`, for branch {branch} only, with reviewers if you can; "
        f"`ftops-collect`, for branch {branch} only, without"
    )
    identity = (
        "in both, the variables OPENAI_IDENTITY_PROVIDER_ID and OPENAI_SERVICE_ACCOUNT_ID, so that no key is kept "
        f"anywhere; or the secret {found.key}, uncommented in ftops-apply.yml and ftops-reconcile.yml"
    )
    rules = (
        f"Settings > Rules: {branch} takes pull requests only, with a review of code owners and the check `ftops`; "
        "ftops-apply.yml says how a GitHub App commits the lockfile then"
    )
    owners = (
        f".github/CODEOWNERS: who reviews `/{found.specs}/`, `/ftops.yaml`, `/ftops*.lock`, `/.github/`, "
        "and so decides on money"
    )
    begin = "commit and push what was written; then change a spec in a pull request"
    steps = [*([reach] if found.is_embedded else []), environments, identity, rules, owners, begin]
    lines = [f"\n  {number}. {step}" for number, step in enumerate(steps, 1)]
    return "on GitHub, once (docs/github.md of ftops has each step in full):" + "".join(lines)


def _workflow(name: str, found: Setting) -> str:
    text = _packaged(name)
    # In ftops' own repository the action is there only once it is checked out.
    text = re.sub(r"(?m)^\{local\}(.*\n)", r"\1" if found.action.startswith("./") else "", text)
    values = {
        "{action}": found.action,
        "{branch}": found.branch,
        "{target}": f" --target {found.target}" if found.target else "",
        '"{specs}/**"': json.dumps(f"{_SPECIAL.sub(_ESCAPED, found.specs)}/**"),
        "OPENAI_API_KEY": found.key,
    }
    # All at once: what is put in is not looked through for further ones.
    return re.sub("|".join(map(re.escape, values)), lambda one: values[one[0]], text)


def _release() -> str:
    try:
        return _packaged(RELEASE).strip()
    except FileNotFoundError:
        raise ProblemsError(_no_release(), exit_code=WRONG_USAGE) from None


def _packaged(name: str) -> str:
    return files("ftops.cli").joinpath("templates", "github", name).read_text(encoding="utf-8")


def _pinned(action: str) -> str:
    if _PINNED.fullmatch(action) or _LOCAL.fullmatch(action):
        return action
    raise ProblemsError(_not_pinned(action), exit_code=WRONG_USAGE)


def _refuse_subfolder(root: Path) -> None:
    if (root / ".git").exists():
        return
    if top := next((folder for folder in root.parents if (folder / ".git").exists()), None):
        raise ProblemsError(
            Diagnostic(
                code="init-not-at-root",
                summary="workflows cannot be written here",
                why=f"GitHub runs those at the root of a repository only, which is {top}; nothing was written",
                fix="go there, or give the project a repository of its own with `git init`",
            )
        )


def _no_release() -> Diagnostic:
    return Diagnostic(
        code="init-action",
        summary="this ftops does not know which release it is",
        why="workflows name the commit of ftops that they run, so that nobody can change it under them; this copy was "
        "not built by a release, which would have noted its commit",
        fix="name the commit of a release: `ftops init --github --action OWNER/NAME@COMMIT`, as its notes tell; "
        "or install ftops from the package index",
    )


def _not_pinned(action: str) -> Diagnostic:
    return Diagnostic(
        code="init-action",
        summary=f"`{action}` does not name one commit",
        why="a tag or a branch can be moved to other code, which would run where jobs are paid for",
        fix="write the repository and all 40 hexadecimal digits of a commit: `OWNER/NAME@COMMIT`",
    )
