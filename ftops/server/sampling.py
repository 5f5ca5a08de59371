"""The process that answers: `python -m ftops.server.sampling`, requests and pieces of answers as lines of JSON.

In: `{"id", "base", "weights", ...arguments of Sampler.complete}`, or `{"cancel": id}`. Out, for each request:
`{"id", "text", "logprob", "bytes", "top"}` a token, then `{"id", "ended", "prompt_tokens", "completion_tokens"}`,
or instead `{"id", "error", "code"}`. It ends with its standard input.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections import OrderedDict
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final

import orjson

from ftops.server.train.fetch import ModelUnavailableError
from ftops.server.train.run import ModelSource
from ftops.server.train.sampler import ContextExceededError, Ended, Sampler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftops.server.train.sampler import Alternative

KEPT_MODELS: Final = 4
"""Fine-tuned models that stay loaded; each is small beside the base that they share."""
LEAST_LOGPROB: Final = -9999.0
"""What the API says for a token that is very unlikely."""

_requests: SimpleQueue[dict[str, Any]] = SimpleQueue()
_is_cancelled: dict[str, threading.Event] = {}
"""Of each request that is not answered to its end yet."""
_samplers: OrderedDict[tuple[str, str | None], Sampler] = OrderedDict()


def main() -> None:
    threading.Thread(target=_listen, daemon=True).start()
    while True:
        request = _requests.get()
        try:
            for answer in _answers(request):
                _write(request, answer)
        except Exception as error:  # noqa: BLE001 a bug that one request meets must not end the answers to the others
            traceback.print_exc()
            _write(request, {"error": type(error).__name__, "code": "failed"})
        del _is_cancelled[request["id"]]


def _write(request: dict[str, Any], answer: dict[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps({"id": request["id"], **answer}) + b"\n")
    sys.stdout.buffer.flush()


def _listen() -> None:
    for line in sys.stdin.buffer:
        message = orjson.loads(line)
        if "cancel" not in message:
            _is_cancelled[message["id"]] = threading.Event()
            _requests.put(message)
        elif (asked := _is_cancelled.get(message["cancel"])) is not None:
            asked.set()
    os._exit(0)


def _answers(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    is_cancelled = _is_cancelled[request["id"]]
    if is_cancelled.is_set():
        return
    try:
        pieces = _sampler(request["base"], request["weights"]).complete(
            request["messages"],
            tools=request["tools"],
            temperature=request["temperature"],
            top_p=request["top_p"],
            seed=request["seed"],
            max_tokens=request["max_tokens"],
            stop=request["stop"],
            top_logprobs=request["top_logprobs"],
        )
    except ContextExceededError as error:
        yield {"error": str(error), "code": "context_length_exceeded"}
        return
    except ModelUnavailableError as error:
        yield {"error": str(error), "code": "model_not_installed"}
        return
    except FileNotFoundError:
        yield {"error": "its weights are gone", "code": "model_not_found"}  # it was deleted after this was asked
        return
    for piece in pieces:
        if is_cancelled.is_set():
            return
        if isinstance(piece, Ended):
            yield {
                "ended": piece.reason,
                "prompt_tokens": piece.prompt_tokens,
                "completion_tokens": piece.completion_tokens,
            }
        else:
            yield {"text": piece.text, **_spell(piece.chosen), "top": [_spell(other) for other in piece.top]}


def _sampler(base: str, weights: str | None) -> Sampler:
    key = (base, weights)
    if key not in _samplers:
        _samplers[key] = Sampler(ModelSource(base=base, weights=None if weights is None else Path(weights)))
    _samplers.move_to_end(key)
    while len(_samplers) > KEPT_MODELS:
        _samplers.popitem(last=False)
    return _samplers[key]


def _spell(alternative: Alternative) -> dict[str, Any]:
    logprob = alternative.log_probability
    return {
        "bytes": list(alternative.spelling),
        "logprob": max(LEAST_LOGPROB, logprob),
    }


if __name__ == "__main__":
    main()
