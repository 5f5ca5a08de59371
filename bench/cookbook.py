"""The procedure of OpenAI's cookbook for chat data, written anew: its checks, its counts, its warnings.

What it looks for and how it counts: openai-cookbook, examples/Chat_finetuning_data_prep.ipynb, at commit 2e652704. Only
the encoding is today's, o200k_base. Its ranks come from a package, because tiktoken would fetch them.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from statistics import mean, median
from typing import Any

from bench.oracle import encoding

KNOWN_KEYS = {"role", "content", "name", "function_call", "weight"}
KNOWN_ROLES = {"system", "user", "assistant", "function"}
LIMIT = 65_536


def main(path: str) -> None:
    with open(path, encoding="utf-8") as lines:  # noqa: PTH123  # as people write it
        rows = [json.loads(line) for line in lines]
    errors: Counter[str] = Counter()
    for row in rows:
        _check(row, errors)
    encoded = encoding("o200k_base")
    without_system = sum(all(message["role"] != "system" for message in row["messages"]) for row in rows)
    without_user = sum(all(message["role"] != "user" for message in row["messages"]) for row in rows)
    messages = [len(row["messages"]) for row in rows]
    tokens = [
        3 + sum(3 + sum(len(encoded.encode(value)) for value in message.values()) for message in row["messages"])
        for row in rows
    ]
    answers = [
        sum(len(encoded.encode(message["content"])) for message in row["messages"] if message["role"] == "assistant")
        for row in rows
    ]
    print(dict(errors), without_system, without_user)
    for counts in (messages, tokens, answers):
        print(min(counts), max(counts), mean(counts), median(counts))
    print(sum(min(LIMIT, count) for count in tokens), sum(count > LIMIT for count in tokens))


def _check(row: Any, errors: Counter[str]) -> None:
    if not isinstance(row, dict):
        errors["data_type"] += 1
        return
    messages = row.get("messages")
    if not messages:
        errors["missing_messages_list"] += 1
        return
    for message in messages:
        if "role" not in message or "content" not in message:
            errors["message_missing_key"] += 1
        if any(key not in KNOWN_KEYS for key in message):
            errors["message_unrecognized_key"] += 1
        if message.get("role") not in KNOWN_ROLES:
            errors["unrecognized_role"] += 1
        content = message.get("content")
        if (not content and not message.get("function_call")) or not isinstance(content, str):
            errors["missing_content"] += 1
    if not any(message.get("role") == "assistant" for message in messages):
        errors["example_missing_assistant_message"] += 1


if __name__ == "__main__":
    main(sys.argv[1])
