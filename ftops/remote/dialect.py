"""The request for one job, in the dialect of one provider. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftops.digest import digest_of, short
from ftops.remote.read import LABEL_ATTEMPT, LABEL_DIGEST, LABEL_REPO, LABEL_SPEC
from ftops.spec.model import split_of

if TYPE_CHECKING:
    from ftops.lockfile import DataFile, Inputs
    from ftops.plan.observed import Labels
    from ftops.remote.profiles import Profile

SUFFIX_CHARACTERS_MAX = 64


def job_request(inputs: Inputs, *, model: str, profile: Profile, labels: Labels) -> dict[str, object]:
    """The body of `POST /fine_tuning/jobs`.

    Args:
        inputs: What is asked for; its files are uploaded.
        model: The provider's id of the model to start from.
        profile: Where the provider wants things.
        labels: Who we are: written as metadata, or, where there is none, as a mark in the suffix.
    """
    body: dict[str, object] = {"model": model, "training_file": inputs.training_file.file_id}
    if inputs.validation_file:
        body["validation_file"] = inputs.validation_file.file_id
    if profile.hyperparameters == "method":
        body["method"] = inputs.method
    elif hyperparameters := _hyperparameters(inputs.method):
        body["hyperparameters"] = hyperparameters
    if inputs.seed is not None:
        body["seed"] = inputs.seed
    if inputs.integrations:
        body["integrations"] = list(inputs.integrations)
    if profile.metadata:
        body["metadata"] = {
            LABEL_SPEC: labels.spec,
            LABEL_DIGEST: labels.digest,
            LABEL_ATTEMPT: str(labels.attempt),
            LABEL_REPO: labels.repo,
        }
        suffix = inputs.suffix
    else:
        suffix = marked_suffix(inputs.suffix or labels.spec, labels)
    return body | ({"suffix": suffix} if suffix else {})


def marked_suffix(suffix: str, labels: Labels) -> str:
    """*suffix* with a mark at its end, within the API's limit: a label for providers without metadata."""
    end = f"-{mark(labels)}"
    return suffix[: SUFFIX_CHARACTERS_MAX - len(end)] + end


def mark(labels: Labels) -> str:
    """What stands for *labels* where there is room for a few digits: projects and specs that are equal differ in it."""
    return short(digest_of([labels.repo, labels.spec, labels.digest]))


def remote_name(file: DataFile) -> str:
    """The name under which *file* is uploaded: it carries the content's digest, which the API does not keep."""
    found = split_of(file.path)
    stem = ".".join(found) if found else file.path.rpartition("/")[2].removesuffix(".jsonl")
    return f"{stem}.{file.sha256}.jsonl"


def _hyperparameters(method: dict[str, object]) -> dict[str, object]:
    body = method.get(str(method["type"]))
    found = body.get("hyperparameters") if isinstance(body, dict) else None
    return dict(found) if isinstance(found, dict) else {}
