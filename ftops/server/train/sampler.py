"""Answers of a model, token by token."""

from __future__ import annotations

import codecs
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from ftops.server.train.base import load_base, load_model
from ftops.server.train.llama import Cache, hidden_states

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ftops.server.train.chat import Message
    from ftops.server.train.llama import Array
    from ftops.server.train.run import ModelSource
    from ftops.server.train.tokenizer import Tokenizer


class ContextExceededError(Exception):
    """The prompt leaves no room for an answer."""

    def __init__(self, *, prompt_tokens: int, context_tokens: int) -> None:
        super().__init__(f"the prompt has {prompt_tokens} tokens, and the model's context {context_tokens}")
        self.prompt_tokens = prompt_tokens
        self.context_tokens = context_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """A token, and its natural logarithm of probability before temperature and top_p."""

    spelling: bytes
    """What it stands for, perhaps a part of a character."""
    log_probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One token of an answer."""

    text: str
    """The characters that it completes: none, where a character goes on in the next token."""
    chosen: Alternative
    top: tuple[Alternative, ...]
    """The most probable ones, best first; as many as were asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The answer is whole."""

    reason: Literal["stop", "length"]
    prompt_tokens: int
    completion_tokens: int
    """All that were computed but the control token that ended it: also those of a stop text."""


Piece: TypeAlias = Token | Ended


class Sampler:
    """A model that answers; several of one base share its weights.

    Raises:
        ModelUnavailableError: The base model's file cannot be had.
    """

    def __init__(self, source: ModelSource) -> None:
        self._base = load_base(source.base)
        self._model = load_model(source)

    def complete(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Any] = (),
        temperature: float = 1.0,
        top_p: float = 1.0,
        seed: int | None = None,
        max_tokens: int | None = None,
        stop: Sequence[str] = (),
        top_logprobs: int = 0,
    ) -> Iterator[Piece]:
        """The answer to *messages*, one token after the other, and last how it ended.

        Args:
            messages: As the API spells them, validated.
            tools: Definitions that the model is told of, likewise.
            temperature: 0 always takes the most probable token.
            top_p: Only the most probable tokens are chosen among, as many as make up this share.
            seed: The same seed gives the same answer; None a new one each time.
            max_tokens: What the context has room for, if None.
            stop: Texts at which the answer ends; they are no part of it.
            top_logprobs: How many of the most probable tokens to tell with each token.

        Raises:
            ContextExceededError: At once, not at the first token.
        """
        prompt = self._base.template.prompt(messages, tools)
        room = self._base.description.context_tokens - len(prompt)
        if room < 1:
            limit = self._base.description.context_tokens
            raise ContextExceededError(prompt_tokens=len(prompt), context_tokens=limit)
        allowed = room if max_tokens is None else min(room, max_tokens)
        chosen = self._choose(prompt, allowed, temperature, top_p, np.random.default_rng(seed))
        return self._pieces(chosen, len(prompt), tuple(stop), top_logprobs)

    def _choose(
        self, prompt: Any, allowed: int, temperature: float, top_p: float, random: np.random.Generator
    ) -> Iterator[tuple[int, Array]]:
        """Tokens without end, each with the logarithms of all probabilities that it was chosen by."""
        cache = Cache(self._model.architecture, len(prompt) + allowed)
        tokens = prompt
        for _ in range(allowed):
            hidden = hidden_states(self._model, tokens, cache)[-1]
            log_probabilities = _log_softmax(self._model.embedding @ hidden)
            token = _drawn(log_probabilities, temperature, top_p, random)
            yield token, log_probabilities
            tokens = np.array([token])

    def _pieces(
        self, chosen: Iterator[tuple[int, Array]], prompt_tokens: int, stop: tuple[str, ...], top: int
    ) -> Iterator[Piece]:
        tokenizer = self._base.tokenizer
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        held: list[Token] = []  # their text may be the beginning of a stop text
        count = 0
        reason: Literal["stop", "length"] = "length"
        for token, log_probabilities in chosen:
            if token in (tokenizer.end, tokenizer.end_of_text, tokenizer.start):
                reason = "stop"
                break
            count += 1
            text = decoder.decode(tokenizer.spell(token))
            held.append(_token(text, token, log_probabilities, tokenizer, top))
            text = "".join(token.text for token in held)
            if found := [text.index(end) for end in stop if end in text]:
                reason, held = "stop", _cut(held, min(found))
                break
            free = len(text) - _begun(text, stop)
            while held and len(held[0].text) <= free:
                free -= len(held[0].text)
                yield held.pop(0)
        yield from held
        yield Ended(reason=reason, prompt_tokens=prompt_tokens, completion_tokens=count)


def _drawn(log_probabilities: Array, temperature: float, top_p: float, random: np.random.Generator) -> int:
    """One token: the most probable one, or one by chance among the most probable that make up *top_p*."""
    if temperature == 0:
        return int(log_probabilities.argmax())
    probabilities = np.exp(_log_softmax(log_probabilities.astype(np.float64) / temperature))
    order = np.argsort(-probabilities, kind="stable")
    up_to = probabilities[order].cumsum()
    kept = min(int(np.searchsorted(up_to, top_p)) + 1, len(order))
    at = np.searchsorted(up_to[:kept], random.random() * up_to[kept - 1], side="right")
    return int(order[min(int(at), kept - 1)])


def _log_softmax(values: Array) -> Array:
    below: Array = values - values.max()
    total: float = np.log(np.exp(below).sum())
    return below - total


def _token(text: str, chosen: int, log_probabilities: Array, tokenizer: Tokenizer, top: int) -> Token:
    best = np.argsort(-log_probabilities, kind="stable")[:top] if top else ()
    alternative, *others = (
        Alternative(spelling=tokenizer.spell(int(token)), log_probability=float(log_probabilities[token]))
        for token in (chosen, *best)
    )
    return Token(text=text, chosen=alternative, top=tuple(others))


def _begun(text: str, stop: tuple[str, ...]) -> int:
    """How many characters at the end of *text* may be the beginning of a stop text."""
    lengths = (length for end in stop for length in range(1, len(end)) if text.endswith(end[:length]))
    return max(lengths, default=0)


def _cut(tokens: list[Token], length: int) -> list[Token]:
    """The first *tokens*, up to *length* characters in all; of the last one perhaps only a part."""
    kept: list[Token] = []
    for token in tokens:
        if length <= 0:
            break
        kept.append(replace(token, text=token.text[:length]))
        length -= len(token.text)
    return kept
