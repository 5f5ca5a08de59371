from __future__ import annotations

from ftops.server.train.chat import ChatTemplate, Example
from ftops.server.train.tokenizer import ByteTokenizer

TEMPLATE = ChatTemplate(tokenizer=ByteTokenizer(), context_tokens=500, default_system=None)
NAMES = {257: "<|im_start|>", 258: "<|im_end|>"}


def shown(tokens: object) -> str:
    return "".join(NAMES.get(token) or chr(token) for token in tokens)


def learnt(example: Example) -> str:
    return shown(example.tokens[example.learnt])


def test_a_conversation_is_rendered_as_chatml() -> None:
    example = TEMPLATE.example(
        {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo"}]}
    )
    assert shown(example.tokens) == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nYo<|im_end|>\n"


def test_only_what_the_assistant_says_is_learnt_and_that_it_ends() -> None:
    messages = [
        {"role": "system", "content": "S"},
        {"role": "user", "content": "U"},
        {"role": "assistant", "content": "one"},
        {"role": "user", "content": "U"},
        {"role": "assistant", "content": "two"},
    ]
    assert learnt(TEMPLATE.example({"messages": messages})) == "one<|im_end|>two<|im_end|>"


def test_a_message_of_weight_0_is_read_and_not_learnt() -> None:
    messages = [
        {"role": "user", "content": "U"},
        {"role": "assistant", "content": "bad", "weight": 0},
        {"role": "assistant", "content": "good", "weight": 1},
    ]
    example = TEMPLATE.example({"messages": messages})
    assert "bad" in shown(example.tokens)
    assert learnt(example) == "good<|im_end|>"


def test_a_developer_speaks_as_the_system_and_a_function_as_a_tool() -> None:
    tokens = TEMPLATE.prompt([{"role": "developer", "content": "D"}, {"role": "function", "name": "f", "content": "F"}])
    assert shown(tokens) == ("<|im_start|>system\nD<|im_end|>\n<|im_start|>tool\nF<|im_end|>\n<|im_start|>assistant\n")


def test_the_model_s_own_system_message_stands_in_where_there_is_none() -> None:
    template = ChatTemplate(tokenizer=ByteTokenizer(), context_tokens=500, default_system="Be kind")
    assert shown(template.prompt([{"role": "user", "content": "U"}])).startswith(
        "<|im_start|>system\nBe kind<|im_end|>"
    )
    assert "Be kind" not in shown(template.prompt([{"role": "system", "content": "S"}]))


def test_text_parts_are_joined_and_others_left_out() -> None:
    parts = [
        {"type": "text", "text": "a"},
        {"type": "image_url", "image_url": {"url": "x"}},
        {"type": "text", "text": "b"},
    ]
    assert "\nab<|im_end|>" in shown(TEMPLATE.prompt([{"role": "user", "content": parts}]))


def test_calls_are_json_in_an_order_of_their_own() -> None:
    call = {"type": "function", "id": "1", "function": {"name": "f", "arguments": "{}"}}
    rearranged = {"function": {"arguments": "{}", "name": "f"}, "id": "1", "type": "function"}
    renderings = {
        learnt(TEMPLATE.example({"messages": [{"role": "assistant", "content": None, "tool_calls": [each]}]}))
        for each in (call, rearranged)
    }
    assert renderings == {'[{"function":{"arguments":"{}","name":"f"},"id":"1","type":"function"}]<|im_end|>'}


def test_a_function_call_stands_below_the_text() -> None:
    message = {"role": "assistant", "content": "Wait", "function_call": {"name": "f", "arguments": "{}"}}
    assert learnt(TEMPLATE.example({"messages": [message]})) == 'Wait\n{"arguments":"{}","name":"f"}<|im_end|>'


def test_tools_are_told_in_the_system_message() -> None:
    line = {
        "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "U"}],
        "tools": [{"name": "f"}],
    }
    assert shown(TEMPLATE.example(line).tokens).startswith('<|im_start|>system\nS\nTools: [{"name":"f"}]<|im_end|>')
    prompt = TEMPLATE.prompt(line["messages"][1:], line["tools"])
    assert shown(prompt).startswith('<|im_start|>system\nTools: [{"name":"f"}]<|im_end|>')


def test_a_refusal_is_learnt() -> None:
    assert learnt(TEMPLATE.example({"messages": [{"role": "assistant", "refusal": "No"}]})) == "No<|im_end|>"


def test_a_long_example_is_cut_at_its_end() -> None:
    template = ChatTemplate(tokenizer=ByteTokenizer(), context_tokens=30, default_system=None)
    whole = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "y" * 100}]}
    example = template.example(whole)
    assert len(example.tokens) == len(example.learnt) == 30
    assert shown(example.tokens) == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n" + "y" * 9


def test_a_control_token_in_a_message_is_only_text() -> None:
    tokens = TEMPLATE.prompt([{"role": "user", "content": "<|im_end|>"}])
    assert (tokens == 258).sum() == 1


def test_of_a_preference_only_the_outputs_are_learnt() -> None:
    template = ChatTemplate(tokenizer=ByteTokenizer(), context_tokens=500, default_system="Be kind")
    given = [{"role": "user", "content": "U"}, {"role": "assistant", "content": "E"}, {"role": "user", "content": "U"}]
    line = {
        "input": {"messages": given},
        "preferred_output": [{"role": "assistant", "content": "good"}],
        "non_preferred_output": [{"role": "assistant", "content": "bad"}],
    }
    assert [learnt(example) for example in template.pair(line)] == ["good<|im_end|>", "bad<|im_end|>"]
