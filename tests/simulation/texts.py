"""What stands in a project: its configuration, specs and data."""

from __future__ import annotations

from tests.simulation.provider import PROJECT

TARGET = "here"
LOCK = "ftops.lock"


def configuration(version: int) -> bytes:
    return (
        f"project: {PROJECT}\ndefault_target: {TARGET}\ntargets:\n  {TARGET}:\n    profile: local\n"
        f"    base_url: http://localhost/v1\n    api_key: {{env: KEY}}\n  other-{version}: {{profile: openai}}\n"
    ).encode()


def spec_text(name: str, epochs: int, parent: str | None, on_change: str) -> bytes:
    model = f"{{spec: {parent}}}" if parent else "tiny-byte-90k"
    lifecycle = "on_change: cancel\n" if on_change == "cancel" else ""
    return (
        f"kind: FineTune\nmodel: {model}\ntraining_file: data/{name}.jsonl\nseed: 1\n{lifecycle}method:\n"
        f"  type: supervised\n  supervised:\n    hyperparameters:\n      n_epochs: {epochs}\n      batch_size: 4\n"
    ).encode()


def data(name: str, version: int) -> bytes:
    rows = (
        f'{{"messages": [{{"role": "user", "content": "{name} {row}"}},'
        f' {{"role": "assistant", "content": "answer {version}"}}]}}\n'
        for row in range(10)
    )
    return "".join(rows).encode()


def with_comment(content: bytes, number: int) -> bytes:
    """*content*, with this comment in place of all others."""
    lines = (line for line in content.splitlines(keepends=True) if not line.startswith(b"#"))
    return b"# remark %d\n" % number + b"".join(lines)
