"""What `POST /chat/completions` asks for, as far as this server can do it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ftops.server.errors import ApiError, bad_request
from ftops.server.fields import Fields, missing, wrong_choice, wrong_type

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_MESSAGES: Final = 2048
MAX_TOOLS: Final = 128
MAX_ANSWERS: Final = 128
MAX_STOP_TEXTS: Final = 4
MAX_STOP_CHARACTERS: Final = 256
"""Of each: after every token it is looked for in what the model has said."""
MAX_TOP_LOGPROBS: Final = 20

_ROLES: Final = ("developer", "system", "user", "assistant", "tool", "function")
_HARMLESS: Final = (
    "logit_bias",
    "metadata",
    "modalities",
    "parallel_tool_calls",
    "prediction",
    "prompt_cache_key",
    "reasoning_effort",
    "safety_identifier",
    "service_tier",
    "store",
    "tool_choice",
    "user",
    "verbosity",
)
"""Known parameters that are not heeded: they steer what this server does not have."""


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request for answers."""

    model: str
    messages: list[dict[str, Any]]
    tools: list[Any]
    """The model is told of them; it answers in text."""
    temperature: float
    top_p: float
    seed: int | None
    max_tokens: int | None
    stop: list[str]
    top_logprobs: int | None
    """None: no log probabilities at all."""
    answers: int
    is_streamed: bool
    with_usage: bool
    """Whether a stream ends with a chunk that counts the tokens."""


def read_chat_request(fields: Fields) -> ChatRequest:
    """Check the fields of a request.

    Raises:
        ApiError: One is unknown, missing, wrong or asks for what this server does not have (400).
    """
    model = fields.required_text("model")
    messages = _messages(fields.items("messages", most=MAX_MESSAGES))
    is_streamed = bool(fields.flag("stream"))
    options = fields.within("stream_options")
    with_usage = False
    if options is not None:
        if not is_streamed:
            raise bad_request("The 'stream_options' parameter is only allowed when 'stream' is enabled.")
        with_usage = bool(options.flag("include_usage"))
        options.ignore("include_obfuscation")
        options.finish()
    temperature = fields.number("temperature", least=0, most=2)
    top_p = fields.number("top_p", least=0, most=1)
    request = ChatRequest(
        model=model,
        messages=messages,
        tools=[*(fields.items("tools", most=MAX_TOOLS) or []), *(fields.items("functions", most=MAX_TOOLS) or [])],
        temperature=1.0 if temperature is None else temperature,
        top_p=1.0 if top_p is None else top_p,
        seed=_seed(fields),
        max_tokens=_max_tokens(fields),
        stop=_stop(fields),
        top_logprobs=_top_logprobs(fields),
        answers=fields.whole("n", least=1, most=MAX_ANSWERS) or 1,
        is_streamed=is_streamed,
        with_usage=with_usage,
    )
    _refuse_what_is_missing_here(fields)
    fields.ignore(*_HARMLESS)
    fields.finish()
    return request


def _messages(items: Sequence[object] | None) -> list[dict[str, Any]]:
    if items is None:
        raise missing("messages")
    if not items:
        raise bad_request(
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
            param="messages",
            code="empty_array",
        )
    return [_message(item, f"messages[{number}]") for number, item in enumerate(items)]


def _message(item: object, place: str) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise wrong_type(place, "an object", item)
    fields = Fields(item, place)
    role = fields.required_text("role", choices=_ROLES)
    content = item.get("content")
    if isinstance(content, list):
        for number, part in enumerate(content):
            _check_part(part, f"{place}.content[{number}]")
    elif content is not None and not isinstance(content, str):
        raise wrong_type(f"{place}.content", "a string or an array", content)
    elif content is None and not (role == "assistant" and _calls(fields)):
        raise wrong_type(f"{place}.content", "a string", None)
    if (refusal := item.get("refusal")) is not None and not isinstance(refusal, str):
        raise wrong_type(f"{place}.refusal", "a string", refusal)
    return item


def _calls(fields: Fields) -> bool:
    """Whether the message speaks otherwise than by content."""
    return (
        bool(fields.items("tool_calls")) or fields.within("function_call") is not None or bool(fields.take("refusal"))
    )


def _check_part(part: object, place: str) -> None:
    if not isinstance(part, dict):
        raise wrong_type(place, "an object", part)
    kind = Fields(part, place).required_text("type")
    if kind not in ("text", "refusal"):
        raise wrong_choice(f"{place}.type", kind, ("text", "refusal"))
    Fields(part, place).required_text(kind)


def _seed(fields: Fields) -> int | None:
    seed = fields.whole("seed", least=-(2**63), most=2**63 - 1)
    return None if seed is None else seed % 2**63


def _max_tokens(fields: Fields) -> int | None:
    newer = fields.whole("max_completion_tokens", least=1)
    older = fields.whole("max_tokens", least=1)
    return older if newer is None else newer


def _stop(fields: Fields) -> list[str]:
    texts = [fields.take("stop")] if fields.is_kind("stop", str) else fields.items("stop", most=MAX_STOP_TEXTS) or []
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise wrong_type(f"stop[{number}]", "a string", text)
        Fields({"stop": text}).text("stop", least=1, most=MAX_STOP_CHARACTERS)
    return [text for text in texts if isinstance(text, str)]


def _top_logprobs(fields: Fields) -> int | None:
    wanted, top = fields.flag("logprobs"), fields.whole("top_logprobs", least=0, most=MAX_TOP_LOGPROBS)
    if top is not None and not wanted:
        message = "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled."
        raise bad_request(message, param="top_logprobs")
    return (top or 0) if wanted else None


def _refuse_what_is_missing_here(fields: Fields) -> None:
    for name in ("presence_penalty", "frequency_penalty"):
        if fields.number(name, least=-2, most=2):
            raise _unsupported(name)
    answer = fields.within("response_format")
    if answer is not None and answer.required_text("type") != "text":
        raise _unsupported("response_format")
    for name in ("audio", "web_search_options", "function_call"):
        if fields.take(name) is not None:
            raise _unsupported(name)


def _unsupported(name: str) -> ApiError:
    message = f"Unsupported parameter: '{name}' is not supported with this model."
    return bad_request(message, param=name, code="unsupported_parameter")
