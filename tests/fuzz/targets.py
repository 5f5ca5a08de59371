"""All targets, each with the inputs that its fuzzing begins from: right ones, and the classics of wrong ones."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.fuzz import answers, files, webhooks
from tests.fuzz.promises import KEY, ROW

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent


class Target(NamedTuple):
    """One way in."""

    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    """Small, right or nearly so: what is wrong is found from there."""
    bytes_max: int
    """How long inputs of the long runs get: long enough for every construct, short enough for many runs a second."""

    def corpus(self, name: str) -> list[Path]:
        """Inputs that earlier runs found worth keeping, and those that once broke a promise."""
        return sorted(path for path in (HERE / "corpus" / name).glob("*") if path.is_file())


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


_SPEC = b"""kind: FineTune
model: gpt-4.1-mini-2025-04-14
training_file: data/elle.train.jsonl
validation_file: data/elle.valid.jsonl
method:
  type: supervised
  supervised: {hyperparameters: {n_epochs: 3, learning_rate_multiplier: 0.5, batch_size: auto}}
suffix: elle
seed: 7
labels: {team: support}
lifecycle: {protect: true, ignore_changes: [seed]}
"""
_MATRIX = b"""kind: FineTune
model: {spec: base}
name: 'elle-{matrix.size}-{matrix.n}'
matrix:
  size: {small: a.jsonl, large: b.jsonl}
  n: [1, 3]
  exclude: [{size: small, n: 3}]
training_file: 'data/{matrix.size}'
method: {type: dpo, dpo: {hyperparameters: {n_epochs: '{matrix.n}', beta: 0.1}}}
"""
_REINFORCEMENT = b"""kind: FineTune
model: o4-mini-2025-04-16
training_file: data/elle.jsonl
method:
  type: reinforcement
  reinforcement:
    grader:
      type: multi
      graders:
        exact: {type: string_check, name: exact, operation: eq, input: '{{item.b}}', reference: '{{item.a}}'}
      calculate_output: 0.5 * exact + 0.5
    response_format: {type: json_schema, json_schema: {name: x, schema: {type: object}}}
"""
_DATASET = b"""kind: Dataset
sources: {reviews: ['data/*.csv'], apps: data/apps.parquet}
sql: SELECT * FROM reviews JOIN apps USING (app)
chat: {system: Be brief., user: '{review}', assistant: '{star}'}
filter: length(review) > 20
dedupe: [review]
splits: {train: 80%, valid: 20%}
seed: 3
"""
_CONFIG = b"""project: models
specs: specs
default_target: openai
targets:
  openai: {profile: openai, api_key: {env: OPENAI_API_KEY}, organization: org-1, project_id: proj-1}
  there: {profile: azure, base_url: https://x.openai.azure.com/openai/v1, models: {gpt-4.1: other}}
aliases: {production: elle@0123456789ab}
"""
_CHAT = _json({"messages": [{"role": "user", "content": f"{ROW} Hi"}, {"role": "assistant", "content": ROW}]})
_TOOLS = _json(
    {
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]},
            {
                "role": "assistant",
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}],
            },
            {"role": "tool", "tool_call_id": "c", "content": ROW},
            {"role": "assistant", "content": ROW, "weight": 1},
        ],
        "tools": [
            {
                "type": "function",
                "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}},
            }
        ],
        "parallel_tool_calls": False,
    }
)
_PREFERENCE = _json(
    {
        "input": {"messages": [{"role": "user", "content": ROW}]},
        "preferred_output": [{"role": "assistant", "content": ROW}],
        "non_preferred_output": [{"role": "assistant", "content": "no"}],
    }
)
_GRADED = _json({"messages": [{"role": "user", "content": ROW}], "answer": 7, "nested": {"a": [1]}})
_JOB = {
    "object": "fine_tuning.job",
    "id": "ftjob-1",
    "status": "succeeded",
    "model": "gpt-4.1-mini-2025-04-14",
    "created_at": 1_750_000_000,
    "finished_at": 1_750_000_900,
    "fine_tuned_model": "ft:gpt-4.1-mini:x::1",
    "error": {},
    "method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 3}}},
    "training_file": "file-1",
    "trained_tokens": 100,
    "seed": 7,
    "user_provided_suffix": f"elle {KEY}",
    "metadata": {
        "ftops.spec": "elle",
        "ftops.digest": "sha256:" + "0" * 64,
        "ftops.attempt": "1",
        "ftops.repo": "team/models",
    },
}
_CHECKPOINT = {
    "id": "ckpt-1",
    "object": "fine_tuning.job.checkpoint",
    "fine_tuned_model_checkpoint": "ft:x:ckpt",
    "step_number": 10,
    "metrics": {"step": 10.0, "train_loss": 0.5},
    "created_at": 1_750_000_100,
    "fine_tuning_job_id": "ftjob-1",
}
_EVENT = {"id": "ftevent-1", "created_at": 1, "level": "warn", "message": f"\u001b[2J {KEY}", "data": {"step": KEY}}
_FILE = {"id": "file-1", "filename": "a.jsonl", "bytes": 17, "status": "processed", "purpose": "fine-tune"}
_ERROR = {"error": {"message": f"Incorrect API key provided: {KEY}, sk-abc***", "code": "invalid_api_key", "type": "x"}}
_CHUNK = {"id": "c", "choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": None}]}
_FLAGGED = {"id": "m", "results": [{"flagged": True, "categories": {"hate": True}, "category_scores": {"hate": 0.9}}]}
_GENERATION = {
    "digest": "sha256:" + "0" * 64,
    "request": {"model": "gpt"},
    "job": {"id": "ftjob-1", "status": "succeeded", "created_at": 1_750_000_000, "error": {"message": "no"}},
    "model": "ft:x",
    "checkpoint": {"policy": "best", "step": 3},
    "checkpoints": [{"model": "ft:x", "step": 3, "metrics": {"train_loss": 0.5}}],
    "metrics": {"train_loss": 0.5},
    "hash": "sha256:0",
    "inputs": {
        "model": {"spec": "base", "digest": "sha256:0", "checkpoint": "best"},
        "method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 3}}},
        "training_file": {"path": "a.jsonl", "sha256": "0" * 64, "bytes": 1, "rows": 1, "tokens": 1},
        "seed": 7,
    },
}
_INTENT = {key: _GENERATION[key] for key in ("digest", "request", "inputs")} | {"started_at": 1}
_LOCK = {
    "version": 1,
    "target": "local",
    "models": {
        "elle": {"generation": _GENERATION, "history": [{**_GENERATION, "hash": "x"}], "intent": _INTENT},
        "base": {},
    },
}
_CLAIM = {"spec": "elle", "digest": "sha256:0", "attempt": 1, "owner": "host/1", "fence": 3, "until": 1_750_000_100}
_CLAIMS = {"version": 1, "fence": 3, "claims": [_CLAIM, {**_CLAIM, "spec": "base", "fence": 2, "job": "ftjob-1"}]}


def _list(*items: object) -> bytes:
    return b"\0\0\0" + _json({"object": "list", "data": items, "has_more": False, "first_id": None, "last_id": None})


_ENDED = {"object": "event", "id": "evt_1", "type": "fine_tuning.job.succeeded", "data": {"id": "ftjob-1"}}
_ENDED_NOTED = _json({**_ENDED, "content": ROW})
_GENUINE = "\n".join(webhooks.signed(_ENDED_NOTED).values()).encode()

TARGETS = {
    "spec": Target(files.spec, (_SPEC, _MATRIX, _REINFORCEMENT, _DATASET), 4_096),
    "config": Target(files.config, (_CONFIG,), 2_048),
    "data": Target(
        files.data,
        (
            b"\0" + (_CHAT + b"\n") * 11 + files.SEPARATOR + _CHAT,
            b"\0" + _TOOLS + b"\n" + files.SEPARATOR + _TOOLS,
            b"\1" + _PREFERENCE + b"\n" + _PREFERENCE,
            b"\2" + _GRADED + files.SEPARATOR + _GRADED,
            b"\3" + b'{"prompt": "Hi", "completion": " Ho"}\r\n',
        ),
        4_096,
    ),
    "source": Target(
        files.source,
        (
            b'\0question,answer\n"a ""b""\n",c\n',
            b"\1question\tanswer\na\tb\n",
            b'\2[{"question": "a", "answer": 1}]',
            b'\3{"question": "a", "answer": {"b": [1]}}\n',
            b"\0question,answer\na,b\n" + files.SEPARATOR + b"SELECT * FROM rows WHERE question > 'a' ORDER BY 1",
        ),
        1_024,
    ),
    "lock": Target(files.lock, (_json(_LOCK), b'{"version": 1, "target": "local", "models": {}}'), 4_096),
    "claims": Target(files.claims, (_json(_CLAIMS), b'{"version": 1, "fence": 0, "claims": []}'), 2_048),
    "cache": Target(files.cache, (b"", b"\x80"), 2_048),
    "answer": Target(
        answers.answer,
        (
            _list(_JOB),
            _list(_CHECKPOINT),
            _list(_EVENT),
            _list(_FILE),
            _list({"id": "gpt", "object": "model", "shutdown_date": "2027-01-01"}),
            b"\0\0\0" + _json(_JOB),
            b"\0\0\0" + _json(_FILE),
            b"\0\0\0" + _json(_FLAGGED),
            b"\7\0\0" + _json(_ERROR),
            b"\0\2\0data: " + _json(_CHUNK) + b"\n\ndata: [DONE]\n\n",
            b"\0\3\0<html>Sign in</html>" + KEY.encode(),
        ),
        4_096,
    ),
    "webhook": Target(
        webhooks.webhook,
        (
            b"\0whsec_" + b64encode(webhooks.SECRET),
            b"\1" + _GENUINE + b"\n" + _ENDED_NOTED,
            b"\1" + _GENUINE + b"\n" + _json(_ENDED),
            b"\2a\nb\nc\n" + _ENDED_NOTED,
            b"\2a\nb\nc\n" + _json({**_ENDED, "type": "batch.completed", "data": [ROW]}),
            b"\3a\nb\nc\n" + _json({**_ENDED, "data": {"id": ROW}}),
        ),
        2_048,
    ),
}
