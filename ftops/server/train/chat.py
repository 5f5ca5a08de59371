"""Conversations as token ids: ChatML, with a mark on every token that is to be learnt."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ftops.server.train.llama import TokenIds
    from ftops.server.train.tokenizer import Tokenizer

Message: TypeAlias = "Mapping[str, Any]"
"""As the API spells it, validated."""

_ROLES = {"developer": "system", "function": "tool"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Example:
    """One sequence to learn from; equal to itself only, so that it can be a key."""

    tokens: TokenIds
    learnt: NDArray[np.bool_]
    """True for each token whose prediction counts; the first can never count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatTemplate:
    """How one model wants conversations."""

    tokenizer: Tokenizer
    context_tokens: int
    default_system: str | None

    def example(self, line: Mapping[str, Any]) -> Example:
        """A training line of the chat format: what the assistant says is learnt, unless its `weight` is 0."""
        return self._render(line["messages"], _tools(line), learnt_from=0)

    def pair(self, line: Mapping[str, Any]) -> tuple[Example, Example]:
        """A training line of the preference format: the preferred answer, and the other, each after the same input."""
        given, tools = line["input"]["messages"], _tools(line["input"])
        preferred, other = (
            self._render([*given, *line[output]], tools, learnt_from=len(given))
            for output in ("preferred_output", "non_preferred_output")
        )
        return preferred, other

    def prompt(self, messages: Sequence[Message], tools: Sequence[Any] = ()) -> TokenIds:
        """A conversation up to where the assistant speaks; never cut."""
        tokens = [token for message in self._completed(messages, tools) for token in self._message(message)[0]]
        return np.array(tokens + self._head("assistant"), dtype=np.intp)

    def _render(self, messages: Sequence[Message], tools: Sequence[Any], *, learnt_from: int) -> Example:
        tokens: list[int] = []
        learnt: list[bool] = []
        completed = self._completed(messages, tools)
        learnt_from += len(completed) - len(messages)
        for number, message in enumerate(completed):
            its_tokens, its_learnt = self._message(message)
            tokens += its_tokens
            learnt += its_learnt if number >= learnt_from else [False] * len(its_tokens)
        limit = self.context_tokens
        return Example(tokens=np.array(tokens[:limit], dtype=np.intp), learnt=np.array(learnt[:limit], dtype=np.bool_))

    def _message(self, message: Message) -> tuple[list[int], list[bool]]:
        head = self._head(message["role"])
        content = [*self.tokenizer.encode(_text(message)), self.tokenizer.end]
        tail = self.tokenizer.encode("\n")
        is_learnt = message["role"] == "assistant" and message.get("weight", 1) != 0
        return head + content + tail, [False] * len(head) + [is_learnt] * len(content) + [False] * len(tail)

    def _head(self, role: str) -> list[int]:
        return [self.tokenizer.start, *self.tokenizer.encode(_ROLES.get(role, role) + "\n")]

    def _completed(self, messages: Sequence[Message], tools: Sequence[Any]) -> list[Message]:
        """With the system message that the template wants, and the tools told in it."""
        completed = list(messages)
        has_system = bool(completed) and completed[0]["role"] in {"system", "developer"}
        if not has_system and (self.default_system or tools):
            completed.insert(0, {"role": "system", "content": self.default_system or ""})
        if tools:
            told = "\n".join(filter(None, (_text(completed[0]), f"Tools: {_json(tools)}")))
            completed[0] = {"role": "system", "content": told}
        return completed


def _tools(line: Mapping[str, Any]) -> Sequence[Any]:
    return line.get("tools") or line.get("functions") or ()


def _text(message: Message) -> str:
    """All that a message says: its text, then its calls as JSON, one a line."""
    content = message.get("content") or message.get("refusal") or ""
    if not isinstance(content, str):
        content = "".join(part.get("text") or part.get("refusal") or "" for part in content)
    calls = [_json(message[key]) for key in ("tool_calls", "function_call") if message.get(key)]
    return "\n".join(filter(None, (content, *calls)))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
