"""Every rule about rows: what it must flag, and how near to that one may come."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from ftops.dataset.chat import CHAT_RULES
from ftops.dataset.completion import COMPLETION_RULES
from ftops.dataset.formats import FORMAT_OF_METHOD, format_breaches, is_plain_of
from ftops.dataset.plain import is_plain_chat, is_plain_preference
from ftops.dataset.preference import CONVERSATION_RULES, PREFERENCE_RULES
from ftops.dataset.reinforcement import REINFORCEMENT_RULES
from ftops.dataset.rule import FINDINGS_MAX, did_you_mean, shown, step_to
from ftops.diagnostics import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftops.dataset.rule import Fault, Finding

Json = dict[str, Any]

CALLS = {"tool_calls", "function_call"}


def says(role: str, content: Any = "words", **keys: Any) -> Json:
    return {"role": role, "content": content, **keys}


def chat(*messages: Any, **keys: Any) -> Json:
    """A row; what is called in it is declared in it, unless the test gives tools of its own."""
    row = {"messages": list(messages), **keys}
    if {"tools", "functions"} & row.keys() or not any(
        CALLS & each.keys() for each in messages if isinstance(each, dict)
    ):
        return row
    return row | {"tools": [tool()]}


def answered(*messages: Any, **keys: Any) -> Json:
    return chat(*messages, says("assistant"), **keys)


def call(id_: str = "c1", name: str = "look", arguments: Any = "{}") -> Json:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


def calls(*made: Any) -> Json:
    return {"role": "assistant", "tool_calls": list(made)}


def tool(name: str = "look", **keys: Any) -> Json:
    return {"type": "function", "function": {"name": name, **keys}}


def image(url: Any = "https://example.org/a.png", **keys: Any) -> Json:
    return {"type": "image_url", "image_url": {"url": url, **keys}}


def preference(**keys: Any) -> Json:
    good = {
        "input": chat(says("user")),
        "preferred_output": [says("assistant", "yes")],
        "non_preferred_output": [says("assistant", "no")],
    }
    return {key: value for key, value in (good | keys).items() if value is not None}


TEXT = {"type": "text", "text": "words"}
USER = says("user")
ANSWER = says("assistant")
PNG = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"
JPEG = "data:image/jpeg;base64,/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAg=="
CITY = {"type": "object", "properties": {"city": {"enum": ["Oslo", "Bergen"]}}, "required": ["city"]}
ANSWERED = says("tool", "21 degrees", tool_call_id="c1")

# code → rows that the rule must flag, each with the path that it must name
BAD: dict[str, list[tuple[str, Json]]] = {
    "data-messages": [
        ("messages", {}),
        ("messages", {"mesages": [USER, ANSWER]}),
        ("messages", chat()),
        ("messages", {"messages": None}),
        ("messages", {"messages": USER}),
    ],
    "data-message-type": [("messages[0]", answered("words")), ("messages[1]", answered(USER, None))],
    "data-role-missing": [("messages[1].role", answered(USER, {"content": "words"}))],
    "data-role-unknown": [
        ("messages[1].role", chat(USER, says("assitant"))),
        ("messages[0].role", answered(says("User"))),
        ("messages[0].role", answered(says("bot"))),
        ("messages[0].role", answered(says("this may be private text"))),
        ("messages[0].role", answered({"role": None, "content": "words"})),
        ("messages[0].role", answered({"role": ["user"], "content": "words"})),
    ],
    "data-message-key": [
        ("messages[0]", answered(says("user", id=1))),
        ("messages[1]", chat(USER, says("assistant", wieght=1))),
        ("messages[0]", answered(says("user", **{"private text": 1}))),
    ],
    "data-name": [
        ("messages[0].name", answered(says("user", name=None))),
        ("messages[1].name", answered(USER, says("function"))),
    ],
    "data-content-missing": [
        ("messages[0].content", answered({"role": "user"})),
        ("messages[0].content", answered(says("user", None))),
        ("messages[1].content", chat(USER, says("assistant", None))),
        ("messages[1].content", chat(USER, {"role": "assistant"})),
        ("messages[1].content", answered(USER, {"role": "function", "name": "look"})),
    ],
    "data-content-type": [
        ("messages[0].content", answered(says("user", 5))),
        ("messages[0].content", answered(says("user", {"type": "text", "text": "words"}))),
        ("messages[0].content", answered(says("user", False))),
        ("messages[1].refusal", chat(USER, says("assistant", refusal=5))),
    ],
    "data-content-empty": [
        ("messages[0].content", answered(says("user", ""))),
        ("messages[1].content", chat(USER, says("assistant", ""))),
        ("messages[0].content", answered(says("user", []))),
        ("messages[2].content", answered(USER, calls(call()), says("tool", [], tool_call_id="c1"))),
    ],
    "data-content-part": [
        ("messages[0].content[0]", answered(says("user", ["words"]))),
        ("messages[0].content[1].type", answered(says("user", [TEXT, {"text": "words"}]))),
        ("messages[0].content[0].type", answered(says("user", [{"type": "input_text", "text": "words"}]))),
        ("messages[0].content[0].text", answered(says("user", [{"type": "text", "text": ""}]))),
        ("messages[0].content[0].text", answered(says("user", [{"type": "text"}]))),
        ("messages[0].content[0]", answered(says("user", [{"type": "refusal", "refusal": "no"}]))),
        ("messages[1].content[0]", chat(USER, says("assistant", [{"type": "refusal"}]))),
    ],
    "data-content-kind": [
        ("messages[0].content[0].type", answered(says("user", [{"type": "file", "file": {"file_id": "file-1"}}]))),
        ("messages[0].content[0].type", answered(says("user", [{"type": "input_audio", "input_audio": {}}]))),
    ],
    "data-image-place": [
        ("messages[1].content[0]", chat(USER, says("assistant", [image()]))),
        ("messages[0].content[1]", answered(says("system", [TEXT, image()]), USER)),
    ],
    "data-image-url": [
        ("messages[0].content[0].image_url", answered(says("user", [{"type": "image_url", "image_url": "https://a"}]))),
        ("messages[0].content[0].image_url.url", answered(says("user", [image(None)]))),
        ("messages[0].content[0].image_url.detail", answered(says("user", [image(detail="medium")]))),
    ],
    "data-content-blank": [
        ("messages[1].content", chat(USER, says("assistant", " \n"))),
        ("messages[0].content", answered(says("user", " "))),
        ("messages[0].content[0].text", answered(says("user", [{"type": "text", "text": "\u3000"}]))),
    ],
    "data-image-count": [("messages", answered(says("user", [image()] * 5), says("user", [image()] * 6)))],
    "data-image-data": [
        ("messages[0].content[0].image_url.url", answered(says("user", [image(url)])))
        for url in (
            "data:image/png;base64,",
            "data:image/png;base64,AAAAAAAAAAAAAAAA",
            "data:image/png;base64,iVBOR!!!",
            PNG + "A" * 13_333_400,
            "data:image/gif;base64,AAAA",
            "file:///a.png",
        )
    ],
    "data-tool-schema": [
        ("tools[0].function.parameters", answered(USER, tools=[tool(parameters=schema)]))
        for schema in (
            {"type": "objekt"},
            {"$ref": "https://example.org/schema.json"},
            {"$ref": "file:///etc/passwd"},
            {"$schema": "https://example.org/dialect"},
            {"properties": {"city": {"pattern": "(a{1000}){1000}"}}},
        )
    ]
    + [("functions[0].parameters", answered(USER, functions=[{"name": "look", "parameters": {"required": True}}]))],
    "data-tool-call-repeated": [
        ("messages[1].tool_calls", chat(USER, calls(call("c1"), call("c1")))),
        ("messages[3].tool_calls", chat(USER, calls(call("c1")), ANSWERED, calls(call("c1")))),
    ],
    "data-tool-undeclared": [
        ("messages[1].tool_calls[0].function.name", {"messages": [USER, calls(call())]}),
        ("messages[1].tool_calls[1].function.name", chat(USER, calls(call("c1"), call("c2", "see")))),
        (
            "messages[1].function_call.name",
            chat(USER, {"role": "assistant", "function_call": call()["function"]}, tools=[]),
        ),
    ],
    "data-tool-violation": [
        (
            "messages[1].tool_calls[0].function.arguments",
            chat(USER, calls(call(arguments=arguments)), tools=[tool(parameters=CITY)]),
        )
        for arguments in ("{}", '{"city": "private"}')
    ],
    "data-parallel-calls": [
        ("messages[1].tool_calls", chat(USER, calls(call("c1"), call("c2")), parallel_tool_calls=False)),
    ],
    "data-tools": [
        ("tools", answered(USER, tools={})),
        ("tools", answered(USER, tools=None)),
        ("tools[0]", answered(USER, tools=["look"])),
        ("tools[0].type", answered(USER, tools=[{"function": {"name": "look"}}])),
        ("tools[0].function", answered(USER, tools=[{"type": "function", "name": "look"}])),
        ("tools[0].function.name", answered(USER, tools=[tool("look up")])),
        ("tools[0].function.name", answered(USER, tools=[tool("a" * 65)])),
        ("tools[0].function.parameters", answered(USER, tools=[tool(parameters="{}")])),
    ],
    "data-functions": [
        ("functions", answered(USER, functions=[])),
        ("functions", answered(USER, functions=[{"name": "look"}] * 129)),
        ("functions[0].name", answered(USER, functions=[{}])),
        ("functions[1]", answered(USER, functions=[{"name": "look"}, "look"])),
    ],
    "data-parallel-tool-calls": [
        ("parallel_tool_calls", answered(USER, parallel_tool_calls="true")),
        ("parallel_tool_calls", answered(USER, parallel_tool_calls=1)),
    ],
    "data-tool-calls": [
        ("messages[1].tool_calls", chat(USER, says("assistant", tool_calls=None))),
        ("messages[1].tool_calls[0]", chat(USER, calls("look"))),
        ("messages[1].tool_calls[0].id", chat(USER, calls(call(1)))),
        ("messages[1].tool_calls[0].type", chat(USER, calls(call() | {"type": "tool"}))),
        ("messages[1].tool_calls[0].function", chat(USER, calls(call() | {"function": "look"}))),
        ("messages[1].tool_calls[0].function.name", chat(USER, calls(call(name=None)))),
    ],
    "data-tool-calls-empty": [("messages[1].tool_calls", chat(USER, says("assistant", tool_calls=[])))],
    "data-function-call": [
        ("messages[1].function_call", chat(USER, {"role": "assistant", "function_call": "look"})),
        ("messages[1].function_call.name", chat(USER, {"role": "assistant", "function_call": {"arguments": "{}"}})),
    ],
    "data-tool-arguments": [
        ("messages[1].tool_calls[0].function.arguments", chat(USER, calls(call(arguments={"city": "Bergen"})))),
        ("messages[1].function_call.arguments", chat(USER, {"role": "assistant", "function_call": {"name": "look"}})),
    ],
    "data-tool-arguments-json": [
        ("messages[1].tool_calls[0].function.arguments", chat(USER, calls(call(arguments="")))),
        ("messages[1].tool_calls[0].function.arguments", chat(USER, calls(call(arguments="[1]")))),
    ],
    "data-tool-call-id": [
        ("messages[1].tool_call_id", answered(USER, says("tool"))),
        ("messages[2].tool_call_id", answered(USER, calls(call("c1")), says("tool", tool_call_id=1), ANSWERED)),
    ],
    "data-tool-answer": [
        ("messages[1].tool_call_id", chat(USER, ANSWERED, calls(call("c1")))),
        ("messages[3].tool_call_id", answered(USER, calls(call("c1")), ANSWERED, says("tool", tool_call_id="c2"))),
    ],
    "data-call-unanswered": [
        ("messages[1].tool_calls", answered(USER, calls(call()))),
        ("messages[1].tool_calls", answered(USER, calls(call("c1"), call("c2")), ANSWERED)),
    ],
    "data-row-key": [
        ("row", answered(USER, id=7)),
        ("row", answered(USER, tool=[])),
        ("row", answered(USER, **{"private text": 1})),
    ],
    "data-weight-place": [
        ("messages[0].weight", answered(says("user", weight=1))),
        ("messages[0].weight", answered(says("system", weight=0), USER)),
    ],
    "data-weight-value": [
        ("messages[1].weight", chat(USER, says("assistant", weight=weight)))
        for weight in (2, -1, 0.5, True, "1", None, [1])
    ],
    "data-no-assistant": [("messages", chat(USER)), ("messages", chat(says("system"), USER))],
    "data-nothing-to-train": [
        ("messages", chat(USER, says("assistant", weight=0))),
        ("messages", chat(USER, says("assistant", weight=0), USER, says("assistant", weight=0))),
    ],
    "data-last-message": [
        ("messages[2].role", chat(USER, ANSWER, USER)),
        ("messages[2].role", chat(USER, calls(call()), ANSWERED)),
    ],
    "data-system-not-first": [
        ("messages[1].role", answered(USER, says("system"))),
        ("messages[2].role", answered(says("system"), USER, says("developer"))),
    ],
}

# code → rows that come near to what the rule flags, and are good
NEAR: dict[str, list[Json]] = {
    "data-messages": [chat(ANSWER), answered(USER)],
    "data-message-type": [answered(USER)],
    "data-role-missing": [{"messages": [{"content": "words", "role": "user"}, ANSWER]}],
    "data-role-unknown": [answered(says("developer"), USER)],
    "data-message-key": [
        chat(USER, says("assistant", refusal=None, weight=1, name="a", function_call=None, audio=None)),
        answered(USER, calls(call()), ANSWERED | {"name": "look"}),
    ],
    "data-name": [
        answered(says("user", name="")),
        answered(says("user", name="Ada")),
        answered(USER, says("function", name="look")),
    ],
    "data-content-missing": [
        chat(USER, calls(call())),
        chat(USER, calls(call()) | {"content": None}),
        chat(USER, {"role": "assistant", "refusal": "I cannot help with that"}),
        chat(USER, {"role": "assistant", "function_call": {"name": "look", "arguments": "{}"}}),
        answered(USER, says("function", None, name="look")),
    ],
    "data-content-type": [answered(says("user", [TEXT])), chat(USER, says("assistant", refusal=None))],
    "data-content-kind": [answered(says("user", [TEXT, image()])), answered(says("user", "file"))],
    "data-content-empty": [
        chat(USER, calls(call()) | {"content": ""}),
        answered(USER, calls(call()), says("tool", "", tool_call_id="c1")),
    ],
    "data-content-part": [
        answered(says("user", [TEXT, image()])),
        chat(USER, says("assistant", [{"type": "refusal", "refusal": "no"}])),
    ],
    "data-image-place": [answered(says("user", [image()]))],
    "data-image-url": [
        answered(
            says(
                "user",
                [
                    image("http://a/b"),
                    image(PNG.replace("data:image/png;base64", "DATA:IMAGE/PNG;BASE64"), detail="low"),
                ],
            )
        ),
        answered(says("user", [TEXT | {"text": "file:///a.png"}])),
    ],
    "data-content-blank": [
        answered(says("user", "\n.\n")),
        answered(USER, calls(call()), says("tool", " ", tool_call_id="c1")),
    ],
    "data-image-count": [answered(says("user", [image()] * 10 + [TEXT]))],
    "data-image-data": [
        answered(says("user", [image(PNG), image(JPEG), image("data:image/webp;base64,UklGRhIAAABXRUJQVlA4TA==")])),
        answered(says("user", [image(PNG + "A" * 13_333_000)])),
    ],
    "data-tool-schema": [
        answered(USER, tools=[tool(parameters=CITY), tool("see", parameters={})]),
        answered(USER, tools=[tool(parameters={"$defs": {"a": {"type": "string"}}, "$ref": "#/$defs/a"})]),
        answered(USER, tools=[tool(parameters={"properties": {"city": {"pattern": "^(?!x)(.)\\1"}}})]),
    ],
    "data-tool-call-repeated": [chat(USER, calls(call("c1"), call("c2")))],
    "data-tool-undeclared": [
        chat(USER, calls(call()), functions=[{"name": "look"}]),
        chat(USER, calls(call("c1"), call("c2", "see")), tools=[tool(), tool("see")]),
    ],
    "data-tool-violation": [
        chat(USER, calls(call(arguments='{"city": "Oslo", "more": 1}')), tools=[tool(parameters=CITY)]),
        chat(USER, calls(call(arguments='{"city": "Bern"}')), tools=[tool()]),
    ],
    "data-parallel-calls": [
        chat(USER, calls(call("c1")), ANSWERED, calls(call("c2")), parallel_tool_calls=False),
        chat(USER, calls(call("c1"), call("c2")), parallel_tool_calls=True),
    ],
    "data-tools": [
        answered(USER, tools=[]),
        answered(USER, tools=[tool("a" * 64, description="d", parameters={"type": "object"}, strict=True)]),
    ],
    "data-functions": [answered(USER, functions=[{"name": "look"}] * 128)],
    "data-parallel-tool-calls": [answered(USER, parallel_tool_calls=False)],
    "data-tool-calls": [chat(USER, calls(call("c1"), call("c2"))), chat(USER, calls(call("")))],
    "data-tool-calls-empty": [chat(USER, calls(call()))],
    "data-function-call": [chat(USER, {"role": "assistant", "function_call": {"name": "look", "arguments": "{}"}})],
    "data-tool-arguments": [chat(USER, calls(call(arguments=' {"city": "Bergen"} ')))],
    "data-tool-arguments-json": [chat(USER, calls(call(arguments="{}")))],
    "data-tool-call-id": [
        answered(USER, calls(call("")), says("tool", tool_call_id="")),
    ],
    "data-tool-answer": [
        answered(USER, calls(call("c1"), call("c2")), says("tool", tool_call_id="c2"), ANSWERED),
    ],
    "data-call-unanswered": [chat(USER, calls(call())), answered(USER, calls(call()), ANSWERED)],
    "data-row-key": [answered(USER, tools=[], parallel_tool_calls=True, functions=[{"name": "look"}])],
    "data-weight-place": [chat(USER, says("assistant", weight=1))],
    "data-weight-value": [
        chat(USER, says("assistant", weight=0), USER, says("assistant", weight=1)),
        chat(USER, says("assistant", weight=1.0)),
    ],
    "data-no-assistant": [chat(ANSWER)],
    "data-nothing-to-train": [chat(USER, says("assistant", weight=0), USER, ANSWER)],
    "data-last-message": [chat(USER, ANSWER, ANSWER)],
    "data-system-not-first": [answered(says("system"), says("developer"), USER)],
}

BAD_PREFERENCE: dict[str, list[tuple[str, Json]]] = {
    "data-preference-name": [
        ("preferred_completion", preference(preferred_output=None, preferred_completion=[ANSWER])),
        ("non_preferred_completion", preference(non_preferred_output=None, non_preferred_completion=[ANSWER])),
    ],
    "data-preference-key": [("row", preference(tools=[])), ("row", preference(preferred_outputs=[ANSWER]))],
    "data-preference-input": [("input", preference(input=None)), ("input", preference(input=[USER]))],
    "data-preference-output": [
        ("preferred_output", preference(preferred_output=None)),
        ("preferred_output", preference(preferred_output=[])),
        ("non_preferred_output", preference(non_preferred_output=[ANSWER, ANSWER])),
        ("non_preferred_output", preference(non_preferred_output=ANSWER)),
        ("non_preferred_output", preference(non_preferred_output=["no"])),
        ("preferred_output[0].role", preference(preferred_output=[USER])),
    ],
    "data-preference-text": [
        ("preferred_output[0].content", preference(preferred_output=[says("assistant", "")])),
        ("preferred_output[0].content", preference(preferred_output=[says("assistant", [image()])])),
        ("preferred_output[0].content", preference(preferred_output=[says("assistant", [])])),
        ("non_preferred_output[0].tool_calls", preference(non_preferred_output=[ANSWER | calls(call())])),
    ],
    "data-preference-image": [("input.messages[0].content[0]", preference(input=chat(says("user", [image()]))))],
    "data-messages": [("input.messages", preference(input={}))],
    "data-role-unknown": [("input.messages[0].role", preference(input=chat(says("usr"))))],
}
NEAR_PREFERENCE = [
    preference(),
    preference(preferred_output=[says("assistant", [TEXT])]),
    preference(input=chat(says("system"), USER, tools=[tool()], parallel_tool_calls=True)),
    preference(input=chat(USER, calls(call()), ANSWERED)),
]

BAD_REINFORCEMENT: dict[str, list[tuple[str, Json]]] = {
    "data-last-prompt": [
        ("messages[1].role", answered(USER)),
    ],
    "data-prompt-role": [("messages[0].role", chat(says("system"), USER))],
    "data-content-missing": [("messages[0].content", chat({"role": "user"}, answer="yes"))],
}
NEAR_REINFORCEMENT = [
    chat(USER),
    chat(says("developer")),
    chat(USER, ANSWER, USER, reference={"answer": 1}, functions="anything", parallel_tool_calls="anything"),
]


BAD_COMPLETION: dict[str, list[tuple[str, Json]]] = {
    "data-completion-text": [
        ("completion", {"prompt": "words"}),
        ("prompt", {"completion": "words"}),
        ("prompt", {"prompt": ["words"], "completion": "words"}),
        ("completion", {"prompt": "words", "completion": ""}),
        ("completion", {"prompt": "words", "completion": None}),
    ],
    "data-completion-blank": [
        ("completion", {"prompt": "words", "completion": " \n"}),
        ("prompt", {"prompt": "", "completion": "words"}),
    ],
    "data-completion-key": [("row", {"prompt": "words", "completion": "words", "id": 1})],
}
NEAR_COMPLETION = [{"prompt": "words ->", "completion": " words\n"}, {"completion": "words", "prompt": "words"}]


def found(row: Json, method: str = "supervised") -> list[tuple[Fault, Finding]]:
    return list(format_breaches(orjson.loads(orjson.dumps(row)), FORMAT_OF_METHOD[method]))


def problems(row: Json, method: str = "supervised") -> list[tuple[str, str]]:
    return [(fault.code, finding.where) for fault, finding in found(row, method)]


def cases(table: dict[str, list[Any]]) -> list[Any]:
    return [pytest.param(code, case, id=f"{code}-{n}") for code, rows in table.items() for n, case in enumerate(rows)]


@pytest.mark.parametrize(("code", "case"), cases(BAD))
def test_a_bad_chat_row_is_flagged_for_its_one_fault(code: str, case: tuple[str, Json]) -> None:
    where, row = case
    assert problems(row) == [(code, where)]


@pytest.mark.parametrize(("code", "row"), cases(NEAR))
def test_a_chat_row_that_comes_near_to_a_fault_is_good(code: str, row: Json) -> None:
    assert problems(row) == [], code


@pytest.mark.parametrize(("code", "case"), cases(BAD_PREFERENCE))
def test_a_bad_preference_row_is_flagged_for_its_one_fault(code: str, case: tuple[str, Json]) -> None:
    where, row = case
    assert problems(row, "dpo") == [(code, where)]


@pytest.mark.parametrize("row", NEAR_PREFERENCE)
def test_a_good_preference_row_is_good(row: Json) -> None:
    assert problems(row, "dpo") == []
    assert is_plain_preference(orjson.dumps(row))


@pytest.mark.parametrize(("code", "case"), cases(BAD_REINFORCEMENT))
def test_a_bad_reinforcement_row_is_flagged_for_its_one_fault(code: str, case: tuple[str, Json]) -> None:
    where, row = case
    assert problems(row, "reinforcement") == [(code, where)]


@pytest.mark.parametrize("row", NEAR_REINFORCEMENT)
def test_a_good_reinforcement_row_is_good(row: Json) -> None:
    assert problems(row, "reinforcement") == []
    assert is_plain_of("reinforcement")(orjson.dumps(row))


@pytest.mark.parametrize(("code", "case"), cases(BAD_REINFORCEMENT))
def test_a_bad_reinforcement_row_is_never_taken_for_plain(code: str, case: tuple[str, Json]) -> None:
    assert not is_plain_of("reinforcement")(orjson.dumps(case[1])), code


@pytest.mark.parametrize("kept", [b'"\\ud83d"', b'"\xff"', b"[1,]"])
def test_what_is_kept_for_the_grader_must_be_json_too(kept: bytes) -> None:
    row = orjson.dumps(chat(USER, answer={"deep": [1, "x"]}))
    assert is_plain_of("reinforcement")(row)
    assert not is_plain_of("reinforcement")(row.replace(b'"x"', kept))


@pytest.mark.parametrize(("code", "case"), cases(BAD_COMPLETION))
def test_a_bad_row_of_prompt_and_completion_is_flagged_for_its_one_fault(code: str, case: tuple[str, Json]) -> None:
    where, row = case
    assert [(fault.code, finding.where) for fault, finding in format_breaches(row, "completion")] == [(code, where)]
    assert not is_plain_of("completion")(orjson.dumps(row))


@pytest.mark.parametrize("row", NEAR_COMPLETION)
def test_a_good_row_of_prompt_and_completion_is_good(row: Json) -> None:
    assert not list(format_breaches(row, "completion"))
    assert is_plain_of("completion")(orjson.dumps(row))


def test_every_rule_has_a_bad_row_and_a_near_miss() -> None:
    assert {rule.fault.code for rule in COMPLETION_RULES} == BAD_COMPLETION.keys()
    assert {rule.fault.code for rule in CHAT_RULES} == BAD.keys() == NEAR.keys()
    assert {rule.fault.code for rule in PREFERENCE_RULES} <= BAD_PREFERENCE.keys()
    assert {rule.fault.code for rule in REINFORCEMENT_RULES} <= {*BAD, *BAD_REINFORCEMENT}


@pytest.mark.parametrize(
    "rule", [*CHAT_RULES, *PREFERENCE_RULES, *CONVERSATION_RULES, *REINFORCEMENT_RULES, *COMPLETION_RULES]
)
def test_every_rule_says_what_is_good_and_why_and_how_to_get_there(rule: Any) -> None:
    fault = rule.fault
    assert fault.code.startswith("data-")
    assert fault.meaning.endswith(".")
    assert fault.why
    assert fault.fix
    assert not (fault.why + fault.fix).endswith(".")


@pytest.mark.parametrize(("code", "case"), cases(BAD))
def test_what_a_rule_flags_is_never_taken_for_plain(code: str, case: tuple[str, Json]) -> None:
    assert not is_plain_chat(orjson.dumps(case[1])), code


@pytest.mark.parametrize("skipped", [b'"\\ud83d"', b'"\xff"', b"[1,]", b"[" * 2000 + b"]" * 2000])
def test_what_the_types_skip_in_tools_must_be_json_too(skipped: bytes) -> None:
    row = orjson.dumps(answered(USER, tools=[tool(parameters={"type": "object"})]))
    assert is_plain_chat(row)
    assert not is_plain_chat(row.replace(b'"object"', skipped))


@pytest.mark.parametrize(
    "row",
    [
        answered(says("system"), USER),
        answered(says("developer", [TEXT]), says("user", [TEXT, image(detail="low")], name="Ada")),
        chat(USER, says("assistant", weight=0), USER, says("assistant", weight=1)),
        answered(USER, calls(call()), ANSWERED, tools=[tool(parameters={"type": "object"})], parallel_tool_calls=False),
        chat(USER, calls(call("c1"), call("c2"))),
    ],
)
def test_common_good_rows_need_no_closer_look(row: Json) -> None:
    assert is_plain_chat(orjson.dumps(row))


@pytest.mark.parametrize(
    ("row", "fix"),
    [
        (chat(USER, says("assitant")), "did you mean `assistant`?"),
        (answered(says("User")), "did you mean `user`?"),
        (chat(USER, says("assistant", wieght=1)), "did you mean `weight`?"),
        (answered(USER, tool=[]), "did you mean `tools`?"),
        ({"message": [USER, ANSWER]}, "rename `message` to `messages`"),
    ],
)
def test_a_misspelt_word_is_answered_with_the_right_one(row: Json, fix: str) -> None:
    assert fix in {finding.fix for _, finding in found(row)}


@pytest.mark.parametrize("table", [BAD, BAD_PREFERENCE, BAD_REINFORCEMENT])
@pytest.mark.parametrize("method", FORMAT_OF_METHOD)
def test_no_finding_shows_content_of_a_row(table: dict[str, list[tuple[str, Json]]], method: str) -> None:
    private = ("private", "words", "Bergen", "example.org", "21 degrees", "passwd")
    for _, row in (case for rows in table.values() for case in rows):
        for _, finding in found(row, method):
            assert not any(each in f"{finding.summary} {finding.fix}" for each in private)


def _with_others(value: Any) -> Iterator[Any]:
    """*value* with each value in it exchanged, in turn, for one of another type."""
    yield from [["x"], {"x": []}, 7]
    if isinstance(value, dict):
        for key, item in value.items():
            yield from ({**value, key: other} for other in _with_others(item))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from ([*value[:index], other, *value[index + 1 :]] for other in _with_others(item))


@pytest.mark.parametrize(
    ("table", "method"), [(BAD, "supervised"), (BAD_PREFERENCE, "dpo"), (BAD_REINFORCEMENT, "reinforcement")]
)
def test_no_rule_stumbles_over_a_value_of_another_type(table: dict[str, list[tuple[str, Json]]], method: str) -> None:
    """As fuzzing found: a list can be looked for in no set."""
    for _, row in (case for rows in table.values() for case in rows):
        if len(orjson.dumps(row)) < 2_000:
            for other in _with_others(row):
                if isinstance(other, dict):
                    found(other, method)


def test_a_warning_is_given_where_a_row_is_odd_but_not_refused() -> None:
    warnings = {fault.code for code in BAD for fault, _ in found(BAD[code][0][1]) if fault.severity is Severity.WARNING}
    assert warnings == {
        "data-call-unanswered",
        "data-content-blank",
        "data-content-kind",
        "data-image-data",
        "data-nothing-to-train",
        "data-parallel-calls",
        "data-row-key",
        "data-system-not-first",
        "data-tool-answer",
        "data-tool-arguments-json",
        "data-tool-call-repeated",
        "data-tool-calls-empty",
        "data-tool-schema",
        "data-tool-undeclared",
        "data-tool-violation",
    }


@pytest.mark.parametrize(
    "name", ["role", "get_current_weather", "getCurrentWeatherOfThatCity", "properties.unit.enum.0"]
)
def test_a_name_is_shown(name: str) -> None:
    assert shown(name) == f"`{name}`"


@pytest.mark.parametrize(
    "name",
    [
        "two words",
        "ada@example.org",
        "4915112345678",
        "078-05-1120",
        "AKIA" + "QWERTYUIOPASDFGH",
        "hf_" + "aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH",
        "sk_live_" + "a1bCdEfGhIjKlMnOp",
    ],
)
def test_what_may_be_a_secret_or_a_number_of_somebody_is_not_shown(name: str) -> None:
    assert shown(name) == "a value that is not shown here"
    assert name not in step_to(name)
    assert did_you_mean(name, [name]) is None


def test_of_a_row_with_very_many_faults_of_a_kind_the_first_are_told() -> None:
    row = {"messages": [{"role": f"asistant{n % 10}", "content": "words"} for n in range(2 * FINDINGS_MAX)]}
    assert Counter(code for code, _ in problems(row)) == {"data-role-unknown": FINDINGS_MAX}


# What the published description of training lines allows, and no guide forbids: read 2026-11-21.
ALLOWED: dict[str, list[Json]] = {
    "supervised": [
        chat(USER, says("assistant", name="", refusal=None, audio=None, function_call=None, weight=1.0)),
        chat(USER, says("assistant", tool_calls=[])),
        chat(USER, calls(call("", "any name", "no JSON"))),
        answered(USER, says("tool", tool_call_id="c9")),
        answered(says("user", [TEXT, {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}])),
        answered(says("user", [image("ftp://a/b")])),
        answered(USER, metadata={"source": "x"}),
    ],
    "dpo": [preference(input=chat(says("user", [image()]))), preference(id=1)],
    "reinforcement": [chat(says("system"), USER, answer="yes"), chat(USER, ANSWER, USER)],
}


@pytest.mark.parametrize(("method", "row"), cases(ALLOWED))
def test_what_the_published_description_allows_is_no_error(method: str, row: Json) -> None:
    assert [fault.code for fault, _ in found(row, method) if fault.severity is Severity.ERROR] == []
