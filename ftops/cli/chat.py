"""`ftops chat`."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import click

from ftops.cli import frame
from ftops.diagnostics import Diagnostic, ProblemsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftops.lockfile import Generation
    from ftops.reconcile import World
    from ftops.remote.provider import Provider

ANSWER_TOKENS = 200
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@click.command()
@click.argument("spec")
@click.argument("prompt", required=False)
@frame.target_option
@click.option("--system", metavar="TEXT", help="System prompt; that of the first training row if not given.")
@click.option("--compare", is_flag=True, help="Put the base model's answer beside it.")
@frame.json_option
def chat(
    spec: str, prompt: str | None, target: str | None, *, system: str | None, compare: bool, as_json: bool
) -> None:
    """Ask the tuned model of SPEC; PROMPT is read from standard input if it is not given."""
    world = frame.open_world(target)
    generation = frame.generation_of(world.store().read(), spec)
    model = _model(spec, generation)
    question = _text(prompt if prompt is not None else _asked())
    instruction = system if system is not None else _system(world, generation)
    messages = [{"role": "user", "content": question}]
    if instruction:
        messages.insert(0, {"role": "system", "content": instruction})
    provider = world.provider
    asked = {"base": str(generation.request["model"]), "tuned": model} if compare else {"tuned": model}
    if as_json:
        answers = {side: "".join(_pieces(provider, name, messages)) for side, name in asked.items()}
        frame.answer_json({"format_version": 1, "spec": spec, "models": asked, "answers": answers})
        return
    for side, name in asked.items():
        if compare:
            frame.answer(click.style(f"{side}  {name}", bold=True) if frame.colour() else f"{side}  {name}")
        _show(_pieces(provider, name, messages))
        if compare and side == "base":
            frame.answer("")


def _show(pieces: Iterator[str]) -> None:
    """Write an answer as it comes."""
    click.echo(_harmless(next(pieces, "")), nl=False)
    try:
        for piece in pieces:
            click.echo(_harmless(piece), nl=False)
    finally:
        # Also of an answer that breaks off, so that what is said about that begins a line.
        click.echo()


def _harmless(piece: str) -> str:
    """*piece* without what would move a terminal's cursor or worse: a model may say anything."""
    return _CONTROL.sub("\ufffd", piece)


def _pieces(provider: Provider, model: str, messages: list[dict[str, str]]) -> Iterator[str]:
    return provider.chat(model, messages, tokens_max=ANSWER_TOKENS, temperature=0)


def _system(world: World, generation: Generation) -> str | None:
    return world.project.system_prompt(generation.inputs) if generation.inputs else None


def _model(spec: str, generation: Generation) -> str:
    if generation.model:
        return generation.model
    raise ProblemsError(
        Diagnostic(
            code="model-missing",
            summary=f"`{spec}` has no model yet: its job is `{generation.job.status}`, as last recorded",
            fix="`ftops reconcile` records it once the job has finished; `ftops logs` shows how it gets on",
        )
    )


def _text(prompt: str) -> str:
    """*prompt*, as something that can be asked."""
    if not prompt.strip():
        raise click.UsageError("The prompt is empty.")
    try:
        prompt.encode()
    except UnicodeEncodeError:
        raise click.UsageError("The prompt is not UTF-8.") from None
    return prompt


def _asked() -> str:
    if sys.stdin.isatty():
        text: str = click.prompt("you", err=True)
        return text
    return sys.stdin.read().strip()
