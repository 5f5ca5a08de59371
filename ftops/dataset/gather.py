"""The columns of a block of rows: of the simple ones all at once, of the others as they were looked at one by one."""

from __future__ import annotations

from functools import cache
from itertools import compress
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from ftops.dataset.columns import SKETCH_WIDTH
from ftops.dataset.formats import FORMAT_OF_METHOD
from ftops.dataset.simple import INSTRUCTIONS, ROLES, hashes_of
from ftops.dataset.sketch import sketches, sketches_within
from ftops.dataset.tokens.count import count_sequences, count_stretches, count_texts
from ftops.dataset.tokens.stretches import SYSTEM_ROLES
from ftops.dataset.tokens.template import template_of
from ftops.dataset.tokens.tokenizer import forget_vocabularies
from ftops.dataset.tokens.tokenizer import tokenizer as tokenizer_of
from ftops.dataset.traits import endings, scripts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftops.dataset.columns import Column
    from ftops.dataset.formats import Format
    from ftops.dataset.meaning import Meaning
    from ftops.dataset.simple import Encoded, Simple
    from ftops.dataset.tokens.base import Counting
    from ftops.dataset.tokens.count import StretchLike
    from ftops.dataset.tokens.template import Template
    from ftops.dataset.tokens.tokenizer import Tokenizer

    Columns: TypeAlias = dict[str, Column]


class Looked(NamedTuple):
    """A row that was looked at by itself."""

    line: int
    """In the block, from 0."""
    meaning: Meaning
    sequences: Sequence[Sequence[StretchLike]]
    """As its tokens are counted: two of a preference row."""


def columns_of_simple(rows: Simple, encoded: Encoded, counting: Counting | None) -> Columns:
    """Take simple rows apart; `line` counts from 0 in the block, and `offset` and `size` are for others to say."""
    texts, lasts = rows.texts, rows.ends - 1
    answers = [texts[last] for last in lasts.tolist()]
    prompts = [
        texts[last - 1] if last > begin and not is_instruction else ""
        for last, begin, is_instruction in zip(
            lasts.tolist(), rows.begins.tolist(), (rows.roles[lasts - 1] < INSTRUCTIONS).tolist(), strict=True
        )
    ]
    prompt, answer, system = hashes_of(rows, encoded)
    made = _with_texts(
        {"line": rows.lines.astype(np.uint32), "prompt": prompt, "answer": answer, "system": system}, prompts, answers
    )
    if counting is None:
        return _without_counts(made)
    tokenizer, template = _counter(counting, "chat")
    is_instruction = rows.roles < INSTRUCTIONS
    of_texts = np.zeros(len(texts), np.int64)
    # Only instructions are likely to repeat, and looking for repetitions takes time.
    of_texts[is_instruction] = count_texts(list(compress(texts, is_instruction.tolist())), tokenizer)
    of_texts[~is_instruction] = tokenizer.count(list(compress(texts, (~is_instruction).tolist())))
    around = np.array([template.around(role) for role in ROLES], np.int64)[rows.roles]
    counts = count_stretches(
        of_texts, around, rows.is_trained, ends=rows.ends, has_system=is_instruction[rows.begins], template=template
    )
    first_said = rows.begins + np.add.reduceat(is_instruction, rows.begins, dtype=np.int64)
    sketch = sketches_within(encoded.content, encoded.begins[first_said], encoded.ends[rows.ends - 1])
    return {**made, "tokens": counts.tokens, "trained": counts.trained, "sketch": sketch}


def columns_of_looked(rows: Sequence[Looked], method: str, counting: Counting | None) -> Columns:
    """Take other rows apart, likewise."""
    prompt, answer, system, prompts, answers = zip(*(row.meaning for row in rows), strict=True)
    hashes = {"prompt": prompt, "answer": answer, "system": system}
    made: Columns = {name: np.array(values, np.uint64) for name, values in hashes.items()}
    made["line"] = np.array([row.line for row in rows], np.uint32)
    made = _with_texts(made, prompts, answers)
    if counting is None:
        return _without_counts(made)
    tokenizer, template = _counter(counting, FORMAT_OF_METHOD[method])
    sequences = [sequence for row in rows for sequence in row.sequences]
    owners = np.repeat(np.arange(len(rows)), [len(row.sequences) for row in rows])
    counts = count_sequences(sequences, tokenizer=tokenizer, template=template)
    said = [
        "\n".join(text for sequence in row.sequences for _, kind, text, _ in sequence if kind not in SYSTEM_ROLES)
        for row in rows
    ]
    return {
        **made,
        "tokens": np.bincount(owners, counts.tokens, len(rows)).astype(np.uint32),
        "trained": np.bincount(owners, counts.trained, len(rows)).astype(np.uint32),
        "sketch": sketches(said),
    }


def together(parts: Sequence[Columns]) -> Columns:
    """All rows of a block in the order of their lines."""
    if len(parts) == 1:
        return parts[0]
    order = np.argsort(np.concatenate([part["line"] for part in parts]))
    return {name: np.concatenate([part[name] for part in parts])[order] for name in parts[0]}


def load_tokenizer(counting: Counting, method: str) -> None:
    """Have ready what counting needs, so that processes which are made from this one share it."""
    tokenizer, _ = _counter(counting, FORMAT_OF_METHOD[method])
    tokenizer.count(["a"])


def forget_tokenizer() -> None:
    """Let go of what counting needed."""
    _counter.cache_clear()
    forget_vocabularies()


def _with_texts(made: Columns, prompts: Sequence[str], answers: Sequence[str]) -> Columns:
    prompt_script, answer_script = np.split(scripts([*prompts, *answers]), 2)
    return {
        **made,
        "row": made["prompt"] * _ODD + made["answer"],
        "answer_chars": np.fromiter(map(len, answers), np.uint32, len(answers)),
        "ending": endings(answers),
        "prompt_script": prompt_script,
        "answer_script": answer_script,
    }


def _without_counts(made: Columns) -> Columns:
    none = np.zeros(len(made["line"]), np.uint32)
    return {**made, "tokens": none, "trained": none, "sketch": np.zeros((len(none), SKETCH_WIDTH), np.uint32)}


@cache
def _counter(counting: Counting, format_: Format) -> tuple[Tokenizer, Template]:
    found = tokenizer_of(counting.base.tokenizer, counting.models)
    return found, template_of(counting.base, found, format_)


_ODD = np.uint64(0x9E37_79B9_7F4A_7C15)
"""Makes one hash of two, in which their order counts."""
