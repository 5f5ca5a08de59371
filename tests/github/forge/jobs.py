"""What a job of a workflow gets from GitHub: a token with its `permissions:`, an identity, or a refusal."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.github.forge.issuer import LIFETIME_SECONDS, Identity
from tests.github.forge.world import ACTIONS, Refusal, user_id

if TYPE_CHECKING:
    from tests.github.forge.issuer import Issuer
    from tests.github.forge.world import Repository, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One that is to run, as the runner's environment and its workflow file tell."""

    workflow: str
    """Its path."""
    name: str
    permissions: dict[str, str]
    event: str
    ref: str
    sha: str
    actor: str
    environment: str | None = None
    head_ref: str = ""
    base_ref: str = ""
    from_fork: bool = False
    run_id: int = 1
    run_attempt: int = 1
    token_seconds: int = LIFETIME_SECONDS


def start(world: World, issuer: Issuer, repository: Repository, job: Job) -> dict[str, str]:
    """The variables that a job's steps may use.

    Raises:
        Refusal: Its environment does not allow the branch.
    """
    _check_environment(repository, job)
    permissions = {name: "read" if job.from_fork else level for name, level in job.permissions.items()}
    identity = permissions.pop("id-token", "none")
    token = world.token(ACTIONS, permissions, repository.name, job.run_id)
    variables = {"GITHUB_TOKEN": token.secret}
    if identity == "write":
        claims = claims_of(repository, job)
        variables |= issuer.admit(Identity(claims=claims, lifetime_seconds=job.token_seconds))
    return variables


def _check_environment(repository: Repository, job: Job) -> None:
    """Branch rules look at the branch; for a pull request that is its test merge, which no rule names."""
    patterns = repository.environments.get(job.environment or "", [])
    branch = job.ref.removeprefix("refs/heads/").removeprefix("refs/")
    if patterns and not any(fnmatch.fnmatchcase(branch, pattern) for pattern in patterns):
        text = f'Branch "{branch}" is not allowed to deploy to {job.environment} due to environment protection rules.'
        raise Refusal(403, text)


def claims_of(repository: Repository, job: Job) -> dict[str, Any]:
    """What GitHub says of a job; numbers are texts there."""
    owner_id, repository_id = str(user_id(repository.owner)), str(repository.id)
    workflow_ref = f"{repository.name}/{job.workflow}@{job.ref}"
    context = f"ref:{job.ref}"
    if job.event == "pull_request":
        context = "pull_request"
    if job.environment:
        context = f"environment:{job.environment}"
    return {
        # Names can be given to others: repositories that are younger than June 2026 are told by their numbers here.
        "sub": f"repo:o-{owner_id}/r-{repository_id}:{context}",
        "actor": job.actor,
        "actor_id": str(user_id(job.actor)),
        "base_ref": job.base_ref,
        "event_name": job.event,
        "head_ref": job.head_ref,
        "job_workflow_ref": workflow_ref,
        "job_workflow_sha": job.sha,
        "ref": job.ref,
        "ref_protected": "true" if repository.protection(job.ref, "") else "false",
        "ref_type": "tag" if job.ref.startswith("refs/tags/") else "branch",
        "repository": repository.name,
        "repository_id": repository_id,
        "repository_owner": repository.owner,
        "repository_owner_id": owner_id,
        "repository_visibility": "private" if repository.private else "public",
        "run_attempt": str(job.run_attempt),
        "run_id": str(job.run_id),
        "run_number": str(job.run_id),
        "runner_environment": "github-hosted",
        "sha": job.sha,
        "workflow": job.workflow,
        "workflow_ref": workflow_ref,
        "workflow_sha": job.sha,
        **({"environment": job.environment} if job.environment else {}),
    }
