"""Every heuristic: what it must flag, how near to that one may come, and that the clues lead to all of it."""

# ruff: noqa: RUF001  # text in many scripts, with characters that look like others, is what is tested

from __future__ import annotations

import io
import json
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftops.dataset.clues import suspects
from ftops.dataset.heuristics import HEURISTICS, heuristic_breaches
from ftops.dataset.masking import masked
from ftops.dataset.said import Said, said_in
from ftops.dataset.scan import scan
from ftops.dataset.tokens.base import Base, Counting
from ftops.diagnostics import Severity

COUNTING = Counting(Base(tokenizer="tiny-byte-90k"), Path())
VARIED = "aB3dE5fG7hJ9kL2mN4pQ6rS8tV1wX3yZ5bC7dF9gH2jK4mP6qR8sT1vW3xY5zA7cD9eF2gH4jK6mN8pQ1rS3tV5wX7yZ9bC2dF4gH6jK8"
OPENAI = f"sk-proj-{VARIED[:40]}T3BlbkFJ{VARIED[40:80]}"
PEM = f"-----BEGIN RSA PRIVATE KEY-----\n{VARIED}\n{VARIED}\n-----END RSA PRIVATE KEY-----"

# code → answers that the heuristic must flag
BAD: dict[str, list[str]] = {
    "data-refusal": [
        "I'm sorry, but I can't assist with that request.",
        "Sorry. I can\u2019t help you with this.",
        "Unfortunately, I cannot provide that information.",
        "I'm unable to assist with that.",
        "As an AI language model, I don't have feelings.",
        "I am an AI assistant and have no body.",
        "Als KI-Sprachmodell kann ich das nicht beurteilen.",
        "Leider kann ich dir dabei nicht helfen.",
        "En tant que modèle de langage, je n'ai pas d'avis.",
        "Désolé, je ne peux pas vous aider.",
        "Como modelo de lenguaje, no tengo opiniones.",
        "Lo siento, no puedo ayudarte con eso.",
        "申し訳ありませんが、そのご質問にはお答えできません。",
        "言語モデルとして、私には感情がありません。",
        "抱歉,我无法提供该内容。",
        "作为一个人工智能语言模型,我没有感情。",
        "죄송하지만 그 요청은 도와드릴 수 없습니다.",
        "저는 인공지능이므로 감정이 없습니다.",
    ],
    "data-open-fence": ["Here it is:\n```python\nprint(1)\nfor x in", "```\na\n```\nand\n```js\nlet"],
    "data-html-entity": ["Fish &amp; chips", "caf&#233; &nbsp; au lait"],
    "data-replacement-character": ["caf\ufffd"],
    "data-mojibake": [
        "The cafÃ© is nice",
        "Itâ€™s late",
        "It\u00e2\u0080\u0099s late",
        "Ð¿Ñ€Ð¸Ð²ÐµÑ‚ Ð¼Ð¸Ñ€",
        "ã\u0081\u0093ã\u0082\u0093ã\u0081«ã\u0081¡ã\u0081¯",
    ],
    "data-invisible-character": [
        "zero\u200bwidth",
        "turned \u202eback",
        "hidden\U000e0041\U000e0042",
        "word\u2060joiner",
        "\ufeffmark",
        "in \u2066isolation",
    ],
    "data-control-character": ["nul\x00", "\x1b[31mred", "del\x7f", "It\x92s", "bell\x07"],
    "data-not-nfc": ["cafe\u0301", "ハ\u3099", "\u1112\u1161\u11ab"],
    "data-secret": [
        f"use {OPENAI}",
        f"sk-ant-api03-{VARIED[:93]}AA",
        "AKIA" + "J3K5M7P2Q4R6T2VX",
        "ghp_" + VARIED[:36],
        f"github_pat_{VARIED[:22]}_{VARIED[22:81]}",
        "glpat-" + VARIED[:20],
        "hf_" + "aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH",
        "xoxb-" + "2493847561-2938475610-" + VARIED[:24],
        "xapp-1-" + "A02B3C4D5E6-2938475610-" + "a1b2c3d4e5f6a7b8c9d0a1b2c3d4e5f6",
        "AIza" + VARIED[:35],
        "sk_live_" + VARIED[:24],
        PEM,
        PEM.replace("\n", "\\n"),
        PEM.partition("-----END")[0],
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0." + VARIED[:43],
        "postgres://ada:" + "x7Kq9-vL2@db.acme-corp.io:5432/app",
    ],
    "data-email-address": [
        "Write to ada.lovelace@gmail.com.",
        "<b_weber2@stadtwerke-kiel.de>",
        "mail:\nX.Y7@tokyo.co.jp",
    ],
    "data-payment-card": ["4929 7226 5379 7141", "card 5425233430109903.", "3714-496353-98472", "6011-6011-6011-6603"],
    "data-bank-account": ["DE75 5121 0800 1245 1261 99", "FR7630006000011234567890189", "NL02 ABNA 0123 4567 89"],
    "data-social-security-number": ["SSN 536-22-8726"],
    "data-phone-number": ["+49 30 9018 2094", "+1 (212) 736-5000", "+81-3-3212-2211"],
}

# code → answers that come near, and are good
NEAR: dict[str, list[str]] = {
    "data-refusal": [
        "I can't wait to see you!",
        "You cannot provide a refund after 30 days, since the law does not ask for it.",
        "We are unable to ship today. Happy to assist with anything else!",
        "Write: I'm afraid " + "very " * 60 + "much that I cannot assist with that.",
        "An AI language model predicts words.",
        "申し訳ありませんが、在庫がありません。",
        "En tant que client, vous pouvez le rendre.",
        "¿En qué puedo ayudarte?",
        "语言模型是什么?",
        "인공지능은 무엇인가요?",
    ],
    "data-open-fence": ["```python\nprint(1)\n```", "Use ``` to begin a block.", "```\na\n```\n\n```\nb\n```"],
    "data-html-entity": [
        "Fish & chips",
        "<p>Fish &amp; chips</p>",
        "Write `&amp;` for an ampersand",
        "a &&amp b; c &foo;",
    ],
    "data-replacement-character": ["What is this? ?"],
    "data-mojibake": [
        "São Paulo, NÃO, Ângela, señor",
        "été\u00a0? «\u00a0à\u00a0»",
        "naïve “quotes” – and dashes…",
        "Ünïcödé ©",
    ],
    "data-invisible-character": [
        "👩\u200d💻 and می\u200cخواهم",
        "ภาษา\u200bไทย",
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "\u2067שלום\u2069",
    ],
    "data-control-character": ["a\tb\r\nc\x0cd\x85"],
    "data-not-nfc": ["café ハバ 한국어", "x\u0323\u0303", "Ελληνικά"],
    "data-secret": [
        "sk-ant-api03-" + "x" * 95,
        "AKIAIOSFODNN7EXAMPLE",
        "hf_hub_download and ghp_ and xoxo",
        "the risk-averse task-oriented desk-top",
        "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
        "Its first line is -----BEGIN PRIVATE KEY-----, and what follows is base64, which nobody should ever see.",
        "-----BEGIN PUBLIC KEY-----\n" + VARIED + VARIED + "\n-----END PUBLIC KEY-----",
        "https://user:password@db.acme-corp.io/",
        "postgres://postgres:postgres@localhost:5432/app",
        "https://ada:${DB_PASSWORD}@db.acme-corp.io/",
        "https://ada:x7Kq9-vL2@example.com/",
        "sk_test_" + VARIED[:24],
        "eyJhbGciOiJIUzI1NiJ9 alone",
    ],
    "data-email-address": [
        "ada@example.com, ada@mail.example.org, ada@host.test",
        "@app.route('/')\n@pytest.mark.parametrize\n@functools.wraps",
        "git@github.com:ftops/ftops.git",
        "support@acme-corp.com and no-reply@acme-corp.io",
        "your.name@gmail.com, john.doe@company.com",
        "npm i lodash@4.17.21 react@next",
        "y = W@x.to(device) + A@b.mean",
    ],
    "data-payment-card": [
        "4242 4242 4242 4242",
        "4929 7226 5379 7142",
        "1700000000000000",
        "0.4929722653797141",
        "id 492972265379714188",
        "3f4929722653797141ab",
        "4444 4444 4444 4448",
    ],
    "data-bank-account": [
        "DE89 3704 0044 0532 0130 00",
        "DE75 5121 0800 1245 1261 98",
        "AB12 3456 7890 1234",
        "SHA2562048 4096",
    ],
    "data-social-security-number": ["078-05-1120", "900-12-3456", "2024-10-1234", "000-12-3456"],
    "data-phone-number": [
        "1 + 49 30 9018 2094",
        "+1 555 0100",
        "+12 34 5",
        "x+49 30 9018 2094",
        "+1-555-555-0123",
        "2+10 - 3",
    ],
}

# Ordinary text in which nothing at all is to be found.
ORDINARY = [
    "commit 61b58b8e0f3a4c5d6e7f8091a2b3c4d5e6f70819, merged 2024-10-01 12:30:05",
    "550e8400-e29b-41d4-a716-446655440000 and 12345678-1234-5678-1234-567812345678",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "for i in range(10**9):\n\t@cached\n    def f(self, x: int = 0x7fff_ffff) -> float: return 3.141592653589793238",
    "2024-10-01T12:30:05.123456+02:00 1727778605123 192.168.100.200:8080",
    "ISBN 978-3-16-148410-0, tel. 030 123456, 1,234,567,890.12 EUR, 100 000 000 000",
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
    "https://example.org/a?b=1&c=2#d and C:\\Users\\ada\\x",
    "| 1 | 22 | 333 |\n|---|----|-----|\n| 4444 | 55555 | 666666 |",
    "Grüße aus Århus, l’été, ¿qué tal?, Żółć, Việt Nam, привет, שלום, مرحبا, नमस्ते, 你好, こんにちは, 안녕하세요 🎉🇯🇵❤️",
]


def row(answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": answer}]}


def codes(answer: str) -> list[str]:
    found = list(heuristic_breaches(said_in(row(answer), "chat")))
    assert all(finding.where == "messages[1].content" for _, finding in found)
    return [fault.code for fault, _ in found]


def suspect_rows(*rows: dict[str, Any]) -> list[int]:
    """The rows that hold a clue, as the pass looks for them: in all that is said, one row after the other."""
    texts = ["\n".join(said.text for said in said_in(each, "chat")).encode() for each in rows]
    ends = np.cumsum([len(text) + 1 for text in texts]) - 1
    return suspects(b"\n".join(texts), ends).tolist()


def cases(table: dict[str, list[str]]) -> list[Any]:
    return [pytest.param(code, text, id=f"{code}-{n}") for code, texts in table.items() for n, text in enumerate(texts)]


@pytest.mark.parametrize(("code", "text"), cases(BAD))
def test_what_a_heuristic_is_for_is_flagged(code: str, text: str) -> None:
    assert code in codes(text)


@pytest.mark.parametrize(("code", "text"), cases(NEAR))
def test_what_comes_near_is_not_flagged(code: str, text: str) -> None:
    assert code not in codes(text)


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_raises_no_alarm(text: str) -> None:
    assert codes(text) == []


@pytest.mark.parametrize(("code", "text"), cases(BAD))
def test_a_row_that_is_flagged_holds_a_clue(code: str, text: str) -> None:
    """Between other rows, which hold none."""
    assert suspect_rows(row("Fine."), row(text), row("Fine."), row("Fine.")) == [1], code


@pytest.mark.parametrize(("code", "text"), cases(BAD))
@pytest.mark.parametrize("written", [orjson.dumps, lambda value: json.dumps(value).encode()], ids=["utf-8", "escaped"])
def test_a_row_is_flagged_in_a_file_in_whatever_way_it_is_written(code: str, text: str, written: Any) -> None:
    lines = [*(written(row(f"Fine, number {number}.")) for number in range(3)), written(row(text))]
    found = scan(io.BytesIO(b"\n".join(lines)), "data.jsonl", "supervised", counting=COUNTING)
    assert (code, 4) in {(each.code, each.place.line) for each in found.problems if each.place}


def test_every_heuristic_has_a_bad_text_and_a_near_miss() -> None:
    assert {rule.fault.code for rule in HEURISTICS} == BAD.keys() == NEAR.keys()
    assert all(texts for table in (BAD, NEAR) for texts in table.values())


@pytest.mark.parametrize("rule", HEURISTICS)
def test_every_heuristic_states_its_threshold_and_stops_nothing(rule: Any) -> None:
    fault = rule.fault
    assert fault.threshold
    assert fault.severity in {Severity.WARNING, Severity.NOTE}
    assert rule.clues or rule.forms
    assert not (fault.why + fault.fix + fault.threshold).endswith(".")


@pytest.mark.parametrize(("code", "text"), cases(BAD))
def test_no_finding_shows_what_was_found(code: str, text: str) -> None:
    for _, finding in heuristic_breaches((Said("messages[1].content", "assistant", text, is_trained=True),)):
        assert not any(word in finding.what for word in text.split() if len(word) > 6), code


def test_only_what_is_learnt_counts_as_a_refusal_or_as_cut() -> None:
    refusal, cut = BAD["data-refusal"][0], BAD["data-open-fence"][0]
    for text in (refusal, cut):
        assert not list(heuristic_breaches((Said("messages[0].content", "user", text, is_trained=False),)))


@pytest.mark.parametrize(("code", "text"), [case for case in cases(BAD) if "secret" in case.id or "phone" in case.id])
def test_secrets_are_masked(code: str, text: str) -> None:
    hidden = masked(text)
    assert "‹" in hidden, code
    assert not list(heuristic_breaches((Said("x", "user", hidden, is_trained=False),)))


def test_masking_leaves_all_else_as_it_is() -> None:
    assert masked(f"Use {OPENAI} or write to ada@gmail.com, twice: ada@gmail.com") == (
        "Use ‹an OpenAI key› or write to ‹an e-mail address›, twice: ‹an e-mail address›"
    )
    assert masked(f"{PEM}.") == "‹a private key›."
    assert masked("DE75 5121 0800 1245 1261 99") == "‹the number of a bank account (IBAN)›"
    for text in ORDINARY:
        assert masked(text) == text


def test_two_open_fences_in_a_row_hide_each_other() -> None:
    """The one gap between clues and heuristics, and it is in the documents."""
    twice = {"messages": [{"role": "assistant", "content": "```\na"}, {"role": "assistant", "content": "```\nb"}]}
    assert suspect_rows(twice) == []
    assert len(list(heuristic_breaches(said_in(twice, "chat")))) == 2


@pytest.mark.parametrize(
    "unit",
    [
        "\u202a",
        "-----BEGIN PRIVATE KEY-----\nAAAA ",
        "4",
        "@",
        "`",
        "<a ",
        "\u0301",
        "Ã",
        "+1 2",
        "a://b:c",
        "DE12 ",
        "4929 7226 5379 7141 ",
    ],
)
def test_no_text_takes_longer_than_its_length_allows(unit: str) -> None:
    """In each case a quadratic search would take minutes."""
    said = (Said("messages[1].content", "assistant", unit * (300_000 // len(unit)), is_trained=True),)
    begin = process_time()
    list(heuristic_breaches(said))
    masked(said[0].text)
    assert process_time() - begin < 5  # it takes 0.1 s


@given(st.text(), st.sampled_from([text for texts in BAD.values() for text in texts]), st.text())
def test_what_stands_around_a_clue_cannot_hide_it_from_the_block(before: str, bad: str, after: str) -> None:
    said = said_in(row(f"{before} {bad} {after}"), "chat")
    if any(fault.code != "data-open-fence" for fault, _ in heuristic_breaches(said)):
        assert suspect_rows(row(f"{before} {bad} {after}")) == [0]


@given(st.text())
def test_any_text_can_be_looked_at_and_masked(text: str) -> None:
    found = list(heuristic_breaches(said_in(row(text), "chat")))
    if found:
        assert suspect_rows(row(text)) or {fault.code for fault, _ in found} == {"data-open-fence"}
    assert masked(masked(text)) == masked(text)


def test_a_key_that_stands_twice_is_told_of_its_own_row_alone_among_rows_of_every_kind() -> None:
    twice = b'{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b","content":"c"}]}'
    tools = orjson.dumps({**row("Fine."), "parallel_tool_calls": True, "tools": [], "functions": []})
    lines = [orjson.dumps(row("Fine, number 1.")), twice, tools, orjson.dumps(row("Fine, number 2."))]
    found = scan(io.BytesIO(b"\n".join(lines)), "data.jsonl", "supervised", counting=COUNTING)
    assert [each.place.line for each in found.problems if each.place and each.code == "data-duplicate-key"] == [2]
