"""Chat completions: pieces of answers, put together as the API spells them, whole or streamed."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ftops.server import models

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ftops.server.chat_request import ChatRequest
    from ftops.server.inference import Inference
    from ftops.server.state import State

Piece = dict[str, Any]
Json = dict[str, Any]


async def answer(state: State, inference: Inference, request: ChatRequest) -> Json:
    """The whole `chat.completion`.

    Raises:
        ApiError: There is no such model (404), or it cannot answer this (400, 500, 503).
    """
    head = _head(state, request, "chat.completion")
    usage, choices = _Usage(), []
    for index in range(request.answers):
        text, tokens, reason = "", [], "stop"
        async with aclosing(_pieces(state, inference, request, index)) as pieces:
            async for piece in pieces:
                if "ended" in piece:
                    reason = piece["ended"]
                    usage.add(piece)
                else:
                    text += piece["text"]
                    tokens.append(piece)
        message: Json = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
        logprobs = _spell_logprobs(request, tokens)
        choices.append({"index": index, "message": message, "logprobs": logprobs, "finish_reason": reason})
    return {**head, "choices": choices, "usage": usage.spell()}


async def stream(state: State, inference: Inference, request: ChatRequest) -> AsyncGenerator[Json, None]:
    """The same as chunks, each answer after the other.

    Raises:
        ApiError: As `answer` does; before the first chunk if nothing can be answered at all.
    """
    head = _head(state, request, "chat.completion.chunk")
    if request.with_usage:
        head["usage"] = None
    usage = _Usage()
    for index in range(request.answers):
        is_begun = False
        async with aclosing(_pieces(state, inference, request, index)) as pieces:
            async for piece in pieces:
                if not is_begun:
                    is_begun = True
                    yield {**head, "choices": [_delta(index, {"role": "assistant", "content": "", "refusal": None})]}
                if "ended" in piece:
                    usage.add(piece)
                    yield {**head, "choices": [_delta(index, {}, reason=piece["ended"])]}
                elif piece["text"] or request.top_logprobs is not None:
                    logprobs = _spell_logprobs(request, [piece])
                    yield {**head, "choices": [_delta(index, {"content": piece["text"]}, logprobs=logprobs)]}
    if request.with_usage:
        yield {**head, "choices": [], "usage": usage.spell()}


@dataclass(slots=True)
class _Usage:
    """Counts tokens over all answers; the prompt counts once."""

    prompt: int = field(default=0)
    completion: int = field(default=0)

    def add(self, piece: Piece) -> None:
        self.prompt = piece["prompt_tokens"]
        self.completion += piece["completion_tokens"]

    def spell(self) -> Json:
        return {
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.prompt + self.completion,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }


def _head(state: State, request: ChatRequest, kind: str) -> Json:
    return {
        "id": state.new_id("chatcmpl-"),
        "object": kind,
        "created": state.now(),
        "model": models.retrieve(state, request.model)["id"],
        "service_tier": "default",
        "system_fingerprint": "fp_ftops",
    }


async def _pieces(state: State, inference: Inference, request: ChatRequest, index: int) -> AsyncGenerator[Piece, None]:
    arguments = {
        "messages": request.messages,
        "tools": request.tools,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "seed": None if request.seed is None else request.seed + index,
        "max_tokens": request.max_tokens,
        "stop": request.stop,
        "top_logprobs": request.top_logprobs or 0,
    }
    async with aclosing(inference.complete(models.source(state, request.model), arguments)) as pieces:
        async for piece in pieces:
            yield piece


def _delta(index: int, delta: Json, *, logprobs: Json | None = None, reason: str | None = None) -> Json:
    return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}


def _spell_logprobs(request: ChatRequest, tokens: list[Piece]) -> Json | None:
    if request.top_logprobs is None:
        return None
    content = [
        {**_spell_token(token), "top_logprobs": [_spell_token(other) for other in token["top"]]} for token in tokens
    ]
    return {"content": content, "refusal": None}


def _spell_token(token: Piece) -> Json:
    """A token that is a part of a character is spelt by its bytes."""
    text = bytes(token["bytes"]).decode("utf-8", "backslashreplace")
    return {"token": text, "logprob": token["logprob"], "bytes": token["bytes"]}
