"""What is wrapped round texts: as OpenAI's cookbook counts it, and as the local server trains."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftops.dataset.said import said_in
from ftops.dataset.tokens.base import Base, row_tokens_max
from ftops.dataset.tokens.count import count_sequences
from ftops.dataset.tokens.spans import spans_of
from ftops.dataset.tokens.stretches import Stretch, sequences_in
from ftops.dataset.tokens.template import template_of
from ftops.dataset.tokens.tokenizer import tokenizer
from ftops.remote.profiles import LOCAL, OPENAI, base_named, profile
from ftops.server.train.chat import ChatTemplate
from ftops.server.train.models import CATALOGUE
from ftops.server.train.tokenizer import ByteTokenizer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tiktoken import Encoding

    from ftops.dataset.formats import Format

NOWHERE = Path("no-models")
OPENAI_BASE = Base(tokenizer="o200k_base")
BYTES_BASE = Base(tokenizer="tiny-byte-90k", template="chatml")
POLITE_BASE = Base(tokenizer="tiny-byte-90k", template="chatml", default_system="Be polite.")
BASES = (OPENAI_BASE, BYTES_BASE, POLITE_BASE)

Row = dict[str, Any]


def count(row: Row, base: Base = OPENAI_BASE, format_: Format = "chat") -> tuple[int, int]:
    """Tokens of a row, and those that are learnt; the batch and the detailed view must agree."""
    counter = tokenizer(base.tokenizer, NOWHERE)
    template = template_of(base, counter, format_)
    sequences = sequences_in(row, format_, base)
    counts = count_sequences(sequences, tokenizer=counter, template=template)
    spans = [spans_of(each, tokenizer=counter, template=template, tokens_max=None) for each in sequences]
    assert [each.tokens for each in spans] == counts.tokens.tolist()
    assert [each.trained for each in spans] == counts.trained.tolist()
    return int(counts.tokens.sum()), int(counts.trained.sum())


def chat(*messages: Row, **more: object) -> Row:
    return {"messages": list(messages), **more}


def user(content: object = "Hi", **more: object) -> Row:
    return {"role": "user", "content": content, **more}


def answer(content: object = "Hello!", **more: object) -> Row:
    return {"role": "assistant", "content": content, **more}


@pytest.mark.parametrize("name", ["o200k_base", "cl100k_base"])
def test_plain_rows_count_as_the_cookbook_counts_them(name: str, oracle: Callable[[str], Encoding]) -> None:
    """Chat_finetuning_data_prep.ipynb: 3 a message, every value encoded, 1 for a name, 3 a row; learnt is content."""
    rows = [
        chat(user(), answer()),
        chat(
            {"role": "system", "content": "Be brief."},
            user("Wie geht's?", name="Zoë"),
            answer("Gut."),
            user(),
            answer(),
        ),
        chat(user("<|endoftext|>"), answer("")),
    ]
    encode = oracle(name).encode_ordinary
    for row in rows:
        tokens = 3 + sum(
            3 + sum(len(encode(value)) + (key == "name") for key, value in message.items())
            for message in row["messages"]
        )
        trained = sum(len(encode(each["content"])) for each in row["messages"] if each["role"] == "assistant")
        assert count(row, Base(tokenizer=name)) == (tokens, trained)


def test_declared_tools_count_as_the_api_counted_the_cookbooks_example() -> None:
    """How_to_count_tokens_with_tiktoken.ipynb: the API counted 101 tokens for gpt-4o."""
    location = {"type": "string", "description": "The city and state, e.g. San Francisco, CA"}
    unit = {
        "type": "string",
        "description": "The unit of temperature to return",
        "enum": ["celsius", "fahrenheit"],
    }
    tool = {
        "type": "function",
        "function": {
            "name": "get_current_weather",
            "description": "Get the current weather in a given location",
            "parameters": {
                "type": "object",
                "properties": {"location": location, "unit": unit},
                "required": ["location"],
            },
        },
    }
    system = "You are a helpful assistant that can answer to questions about the weather."
    asked = "What's the weather like in San Francisco?"
    row = chat({"role": "system", "content": system}, user(asked), tools=[tool])
    assert count(row)[0] == 101


def test_nested_parameters_and_functions_of_the_older_form_are_counted_too() -> None:
    inner = {"type": "object", "properties": {"a": {"type": "integer"}, "b": True}}
    function = {"name": "f", "parameters": {"properties": {"deep": inner, "many": {"items": inner}}}}
    nested, _ = count(chat(user(), functions=[function]))
    flat, _ = count(chat(user(), functions=[{"name": "f"}]))
    assert nested > flat + 30
    assert count(chat(user(), tools=[{"type": "function", "function": function}]))[0] == nested
    assert count(chat(user(), tools=[]))[0] == count(chat(user()))[0]


def test_endless_parameters_end() -> None:
    schema: Row = {"type": "object"}
    for _ in range(200):
        schema = {"properties": {"a": schema}}
    assert count(chat(user(), functions=[{"name": "f", "parameters": schema}]))[0] < 200


def test_images_cost_by_their_detail() -> None:
    def with_image(**detail: str) -> int:
        image = {"type": "image_url", "image_url": {"url": "https://x.example/a.png", **detail}}
        return count(chat(user([{"type": "text", "text": "Hi"}, image]), answer()))[0]

    plain = count(chat(user(), answer()))[0]
    assert with_image(detail="low") == plain + 85
    assert with_image(detail="high") == with_image() == plain + 765


def test_calls_are_learnt_and_their_ids_cost_nothing() -> None:
    function = {"name": "get_weather", "arguments": '{"city": "Oslo"}'}
    call = {"id": "call_1", "type": "function", "function": function}
    other = {**call, "id": "call_of_a_very_long_name"}
    tokens, trained = count(chat(user(), answer(None, tool_calls=[call])))
    assert trained == tokens - count(chat(user(), answer(None)))[0] > 5
    assert count(chat(user(), answer(None, tool_calls=[other]))) == (tokens, trained)
    assert count(chat(user(), answer(None, function_call=function))) == (tokens, trained)


@pytest.mark.parametrize("base", BASES)
def test_weight_0_is_read_and_not_learnt(base: Base) -> None:
    tokens, trained = count(chat(user(), answer(weight=0), user(), answer(weight=1)), base)
    assert (tokens, 2 * trained) == count(chat(user(), answer(), user(), answer()), base)


@pytest.mark.parametrize("base", BASES)
def test_both_answers_of_a_preference_row_are_learnt_after_the_input(base: Base) -> None:
    row = {"input": chat(user()), "preferred_output": [answer("Yes.")], "non_preferred_output": [answer("No, thanks.")]}
    preferred, other = count(chat(user(), answer("Yes.")), base), count(chat(user(), answer("No, thanks.")), base)
    assert count(row, base, "preference") == (preferred[0] + other[0], preferred[1] + other[1])


def test_a_preference_row_may_have_twice_the_tokens_of_another() -> None:
    base = Base(tokenizer="o200k_base", row_tokens_max=100)
    assert (row_tokens_max(base, "chat"), row_tokens_max(base, "preference")) == (100, 200)
    assert row_tokens_max(OPENAI_BASE, "preference") is None


@pytest.mark.parametrize("base", BASES)
def test_nothing_of_a_reinforcement_row_is_learnt_nor_what_only_the_grader_sees(base: Base) -> None:
    tokens, trained = count(chat(user(), expected="a long answer" * 9), base, "reinforcement")
    assert (tokens, trained) == (count(chat(user()), base)[0], 0)


def test_prompts_and_completions_have_nothing_round_them() -> None:
    assert count({"prompt": "Hello", "completion": " world"}, format_="completion") == (2, 1)


TEXT = st.text(max_size=12)
CALL = st.fixed_dictionaries({"id": TEXT, "function": st.fixed_dictionaries({"name": TEXT, "arguments": TEXT})})
CONTENT = TEXT | st.none() | st.lists(
    st.fixed_dictionaries({"type": st.just("text"), "text": TEXT})
    | st.fixed_dictionaries({"type": st.just("refusal"), "refusal": TEXT})
    | st.fixed_dictionaries({"type": st.just("image_url"), "image_url": st.fixed_dictionaries({"url": TEXT})}),
    max_size=3,
)  # fmt: skip
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "developer", "user", "assistant", "tool", "function"]), "content": CONTENT},
    optional={
        "name": TEXT,
        "weight": st.sampled_from([0, 1]),
        "refusal": TEXT,
        "tool_calls": st.lists(CALL, max_size=2),
        "function_call": st.fixed_dictionaries({"name": TEXT, "arguments": TEXT}),
    },
)
CHAT = st.fixed_dictionaries(
    {"messages": st.lists(MESSAGE, min_size=1, max_size=4)},
    optional={"tools": st.lists(st.fixed_dictionaries({"type": st.just("function"), "function": CALL}), max_size=2)},
)
OUTPUT = st.lists(MESSAGE, min_size=1, max_size=1)
PREFERENCE = st.fixed_dictionaries({"input": CHAT, "preferred_output": OUTPUT, "non_preferred_output": OUTPUT})


def server_template(base: Base, context_tokens: int = 10**9) -> ChatTemplate:
    return ChatTemplate(tokenizer=ByteTokenizer(), context_tokens=context_tokens, default_system=base.default_system)


@given(row=CHAT, base=st.sampled_from([BYTES_BASE, POLITE_BASE]), most=st.integers(1, 99))
def test_rows_are_cut_as_the_server_cuts_them(row: Row, base: Base, most: int) -> None:
    assert min(most, count(row, base)[0]) == len(server_template(base, most).example(row).tokens)


@given(row=CHAT, base=st.sampled_from([BYTES_BASE, POLITE_BASE]))
def test_chat_rows_count_as_the_server_trains_on_them(row: Row, base: Base) -> None:
    example = server_template(base).example(row)
    assert count(row, base) == (len(example.tokens), int(example.learnt.sum()))


@given(row=PREFERENCE, base=st.sampled_from([BYTES_BASE, POLITE_BASE]))
def test_preference_rows_count_as_the_server_trains_on_them(row: Row, base: Base) -> None:
    pair = server_template(base).pair(row)
    learnt = sum(int(example.learnt.sum()) for example in pair)
    assert count(row, base, "preference") == (sum(len(example.tokens) for example in pair), learnt)


@given(row=CHAT)
def test_what_is_learnt_is_what_is_said_to_be_learnt(row: Row) -> None:
    (sequence,) = sequences_in(row, "chat", OPENAI_BASE)
    learnt = {stretch.where.partition(".")[0] for stretch in sequence if stretch.is_trained and stretch.text}
    said = {each.where.partition(".")[0] for each in said_in(row, "chat") if each.is_trained}
    assert {where for where in said if where not in learnt} <= {where for where in said if not _text_at(row, where)}


def _text_at(row: Row, where: str) -> bool:
    message = row["messages"][int(where.removeprefix("messages[").removesuffix("]"))]
    content = message["content"]
    parts = "".join(part.get("text", "") for part in content) if isinstance(content, list) else content
    return bool(parts)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | TEXT,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["messages", "input", "preferred_output", "role", "content", "tools", "function", "text"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@given(row=st.dictionaries(st.sampled_from(["messages", "input", "prompt", "completion", "tools", "functions"]), JSON))
@pytest.mark.parametrize("format_", ["chat", "preference", "reinforcement", "completion", "unknown"])
def test_malformed_rows_are_counted_as_far_as_they_go(row: Row, format_: Format) -> None:
    for base in BASES:
        count(row, base, format_)


def test_empty_sequences_and_rows_of_said_are_counted_in_a_block() -> None:
    counter = tokenizer("o200k_base", NOWHERE)
    template = template_of(OPENAI_BASE, counter, "chat")
    row = orjson.loads(b'{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hi"}]}')
    counts = count_sequences([(), said_in(row, "chat"), ()], tokenizer=counter, template=template)
    assert counts.tokens.tolist() == [3, 13, 3]
    assert counts.trained.tolist() == [0, 1, 0]
    assert count_sequences([], tokenizer=counter, template=template).tokens.tolist() == []


def test_a_missing_system_message_is_counted_where_the_template_adds_one() -> None:
    counter = tokenizer("tiny-byte-90k", NOWHERE)
    template = template_of(POLITE_BASE, counter, "chat")
    bare = [Stretch("messages[0].content", "user", "Hi", is_trained=False)]
    tokens = count_sequences([bare], tokenizer=counter, template=template).tokens.tolist()
    assert tokens == [count(chat(user("Hi")), POLITE_BASE)[0]]


@pytest.mark.parametrize(
    ("most", "kept"),
    [(0, [0, 0]), (7, [1, 0]), (8, [2, 0]), (21, [2, 0]), (22, [2, 1]), (99, [2, 6]), (None, [2, 6])],
)
def test_a_row_is_cut_inside_a_text_or_before_it(most: int | None, kept: list[int]) -> None:
    """Of bytes: 1 for the start, 5 for `user` and a line feed, then the text, then 2; the answer's head has 11."""
    counter = tokenizer("tiny-byte-90k", NOWHERE)
    template = template_of(BYTES_BASE, counter, "chat")
    (sequence,) = sequences_in(chat(user("Hi"), answer("Hello!")), "chat", BYTES_BASE)
    spans = spans_of(sequence, tokenizer=counter, template=template, tokens_max=most).spans
    assert [span.kept for span in spans] == kept
    assert [span.is_cut for span in spans] == [each < full for each, full in zip(kept, (2, 6), strict=True)]


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_local_models_are_described_as_the_server_has_them(name: str) -> None:
    found = base_named(name, LOCAL)
    assert found is not None
    assert found[1].row_tokens_max == CATALOGUE[name].context_tokens
    assert found[1].default_system == CATALOGUE[name].default_system
    assert found[1].training_usd_per_million == 0


def test_all_names_of_base_models_lead_to_one() -> None:
    for each in (OPENAI, LOCAL):
        for name in (*profile(each).bases, *profile(each).aliases):
            assert base_named(name) is not None
        for full, base in profile(each).bases.items():
            assert base_named(full, each) == (full, base)
    assert set(profile(LOCAL).models) == {*profile(LOCAL).bases, *profile(LOCAL).aliases}
    assert base_named("ft:gpt-4.1-2025-04-14:org:elle:Ab12Cd34") == base_named("gpt-4.1")
    assert base_named("gpt-9") is None
    assert base_named("gpt-4.1", LOCAL) is None


def test_what_others_offer_under_openais_names_is_counted_alike_and_not_priced() -> None:
    found = base_named("gpt-4.1-mini", "azure")
    assert found is not None
    name, base = found
    assert (name, base.tokenizer, base.row_tokens_max) == ("gpt-4.1-mini-2025-04-14", "o200k_base", 65_536)
    assert (base.training_usd_per_million, base.price_source, base.shut_down) == (None, None, None)
