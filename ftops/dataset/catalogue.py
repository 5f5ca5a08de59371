"""docs/checks.md, made from the rules themselves: `python -m ftops.dataset.catalogue > docs/checks.md` renews it."""

from __future__ import annotations

import pkgutil
import sys
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from ftops import dataset
from ftops.dataset.chat import CHAT_RULES
from ftops.dataset.completion import COMPLETION_RULES
from ftops.dataset.credentials import CREDENTIALS
from ftops.dataset.heuristics import HEURISTICS
from ftops.dataset.personal import PERSONAL_DATA
from ftops.dataset.preference import CONVERSATION_RULES, PREFERENCE_RULES
from ftops.dataset.reinforcement import REINFORCEMENT_RULES
from ftops.dataset.rule import Fault, Rule
from ftops.diagnostics import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable

RENEW = "python -m ftops.dataset.catalogue > docs/checks.md"

_HEAD = """\
# Checks

What ftops looks for in data, row by row and file by file. This page is made from the code:
`{renew}` renews it.

An error is what the provider refuses, or what spoils a run; it cannot be switched off.
A warning or a note can: by `--ignore CODE` on the command line, and in a spec by `checks`, with a reason.
Messages name files, lines and the path inside a row, and never show what stands there.

"""
_SECTIONS = {
    Severity.ERROR: "## Errors\n\nThe provider would refuse the file, or fail the job after the upload.\n\n",
    Severity.WARNING: "## Warnings\n\nThe provider takes such data; people with experience look at it first.\n\n",
    Severity.NOTE: "## Notes\n\nWorth knowing, and often as it should be.\n\n",
}
_LAST = """\
## What counts as a secret

Only forms with a mark of their own, a length and an alphabet are sought, or those with check digits: what is found is
worth a look. A password in prose is not found, nor is a key without a mark. The same forms are masked wherever ftops
shows rows. Detector libraries were considered: detect-secrets has had no release since 2024 and searches settings in
source code, with entropy for all else; presidio needs a language model in memory. Where gitleaks is named, its rule of
that name was read at commit b58d3f10.

| kind | where its form is documented |
| --- | --- |
{kinds}

## What is not seen

- Two code fences in one row, each open at the end of its own message, hide each other.
- Refusals are known by common phrases in English, German, French, Spanish, Japanese, Chinese and Korean, no others.
- Texts inside a row longer than 16 MiB: it is not read at all, and reported as `data-row-too-long`.
"""

_CODES_OF_FORMAT = {
    "chat": {rule.fault.code for rule in CHAT_RULES},
    "preference": {rule.fault.code for rule in (*PREFERENCE_RULES, *CONVERSATION_RULES)},
    "reinforcement": {rule.fault.code for rule in REINFORCEMENT_RULES},
    "completion": {rule.fault.code for rule in COMPLETION_RULES},
}
_CODES_OF_HEURISTICS = {rule.fault.code for rule in HEURISTICS}


class Check(NamedTuple):
    """A line of the table."""

    fault: Fault
    applies_to: str
    is_rule: bool
    """Its meaning says what good rows keep to, and not what is wrong with a bad one."""


def checks() -> list[Check]:
    """Give every fault that a module of ftops.dataset has, as a constant of its own or in a rule, sorted by code."""
    found: dict[int, Check] = {}  # by identity, as modules import them from one another
    for module in pkgutil.walk_packages(dataset.__path__, f"{dataset.__name__}."):
        if module.name == __name__:
            continue
        for value in vars(import_module(module.name)).values():
            match value:
                case Fault():
                    found[id(value)] = Check(value, value.applies_to or "any file", is_rule=False)
                case Rule(fault=fault):
                    found[id(fault)] = Check(fault, _formats_of(fault), is_rule=True)
                case _:
                    pass
    return sorted(found.values(), key=lambda check: (check.fault.code, check.fault.severity))


def page() -> str:
    """Write docs/checks.md."""
    found = checks()
    tables = "\n".join(_SECTIONS[severity] + _table(found, severity) for severity in Severity)
    kinds = "\n".join(f"| {pattern.kind} | {pattern.source} |" for pattern in (*CREDENTIALS, *PERSONAL_DATA))
    return _HEAD.format(renew=RENEW) + tables + "\n" + _LAST.format(kinds=kinds)


def _table(found: Iterable[Check], severity: Severity) -> str:
    lines = ["| code | applies to | what it says, when, and why | what helps |", "| --- | --- | --- | --- |"]
    for fault, applies_to, is_rule in found:
        if fault.severity is severity:
            meaning = f"*Expected:* {fault.meaning}" if is_rule else fault.meaning
            threshold = f" *Speaks at:* {fault.threshold}." if fault.threshold else ""
            what = f"{meaning}{threshold} *Why:* {fault.why}."
            lines.append(f"| `{fault.code}` | {applies_to} | {_cell(what)} | {_cell(fault.fix)} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")


def _formats_of(fault: Fault) -> str:
    if fault.code in _CODES_OF_HEURISTICS:
        return "rows of any format"
    return ", ".join(name for name, codes in _CODES_OF_FORMAT.items() if fault.code in codes)


if __name__ == "__main__":
    sys.stdout.write(page())
