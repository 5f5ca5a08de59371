"""Scalars without quotes: what they are, and which are refused."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ftops.spec.scalars import Surprise, read_plain


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("FALSE", False),
        ("0", 0),
        ("-7", -7),
        ("+7", 7),
        ("0x1F", 31),
        ("9007199254740991", 9007199254740991),
        ("0.3", 0.3),
        (".5", 0.5),
        ("3.", 3.0),
        ("1.5e+3", 1500.0),
        ("1.0E-4", 0.0001),
        ("gpt-4.1-mini-2025-04-14", "gpt-4.1-mini-2025-04-14"),
        ("step:80", "step:80"),
        ("data/train.jsonl", "data/train.jsonl"),
        ("1.2.3", "1.2.3"),
        ("-", "-"),
        ("...", "..."),
        ("nope", "nope"),
        ("007-elle", "007-elle"),
    ],
)
def test_what_all_readers_agree_on_is_read(text: str, value: object) -> None:
    found = read_plain(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "to_1_1", "to_1_2", "plainly"),
    [
        ("no", "the switch false", "a text", "false"),
        ("On", "the switch true", "a text", "true"),
        ("010", "the octal number 8", "the number 10", "10"),
        ("089", "a text", "the number 89", "89"),
        ("0_7", "the octal number 7", "a text", "7"),
        ("0o17", "a text", "the number 15", "15"),
        ("0x_", "a number", "a text", None),
        ("00", "a number", "a text", None),
        ("0b101", "the number 5", "a text", "5"),
        ("-0x1F", "the number -31", "a text", "-31"),
        ("1_000", "the number 1000", "a text", "1000"),
        ("1_0.5", "a number", "a text", None),
        ("1:30", "a number to the base of 60", "a text", None),
        ("2024-01-01", "a date", "a text", None),
        ("2024-01-01T10:00:00Z", "a date", "a text", None),
        ("1e-4", "a text", "the number 0.0001", "0.0001"),
        ("1e3", "a text", "the number 1000", "1000"),
        ("1e99", "a text", "the number 1.000000e+99", "1.000000e+99"),
    ],
)
def test_what_readers_disagree_on_is_refused_with_both_readings(
    text: str, to_1_1: str, to_1_2: str, plainly: str | None
) -> None:
    found = read_plain(text)
    assert isinstance(found, Surprise)
    assert found.code == "yaml-ambiguous"
    assert found.why == f"to YAML 1.1 it is {to_1_1}, to YAML 1.2 it is {to_1_2}"
    quoted = f"put it in quotes, `'{text}'`"
    assert found.fix == (quoted if plainly is None else f"write `{plainly}`, or if a text is meant, {quoted}")


@pytest.mark.parametrize("text", ["1_" * 300 + "1", "0" * 300])
def test_a_long_surprise_is_shown_in_part(text: str) -> None:
    found = read_plain(text)
    assert isinstance(found, Surprise)
    assert len(found.summary) < 100


@pytest.mark.parametrize(
    "text", [".inf", "-.Inf", ".nan", "9007199254740992", "1" * 5000, "1.0e+999", "1e999", "0x" + "f" * 40]
)
def test_numbers_that_json_cannot_hold_are_refused(text: str) -> None:
    found = read_plain(text)
    assert isinstance(found, Surprise)
    assert found.code == "yaml-number"


@given(
    st.text(alphabet="0123456789abefox_:.+-TZ yn~", max_size=12)
    | st.from_regex(r"[-+]?[0-9_]+[.:eE]?[-+]?[0-9_]*", fullmatch=True)
)
def test_what_is_read_is_what_a_reader_of_yaml_1_1_reads(text: str) -> None:
    found = read_plain(text)
    loader = yaml.SafeLoader("")
    tag = loader.resolve(yaml.ScalarNode, text, (True, False))
    if isinstance(found, Surprise):
        return
    old = loader.construct_object(yaml.ScalarNode(tag, text)) if tag != "tag:yaml.org,2002:value" else text
    assert (type(found), found) == (type(old), old)
