"""docs/checks.md: in step with the code, and whole."""

from __future__ import annotations

from pathlib import Path

from ftops.dataset.catalogue import RENEW, checks, page

ROOT = Path(__file__).parents[2]


def test_the_page_is_what_the_code_says() -> None:
    written = (ROOT / "docs/checks.md").read_text(encoding="utf-8")
    assert written == page(), f"docs/checks.md is stale; renew it with: {RENEW}"


def test_every_code_of_data_in_the_documents_has_its_line() -> None:
    errors = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    missing = {check.fault.code for check in checks() if f"| `{check.fault.code}` |" not in errors}
    assert missing == set(), "in docs/checks.md, but not in docs/errors.md"


def test_every_check_says_what_it_looks_at_and_how_to_mend_it() -> None:
    for fault, applies_to, _ in checks():
        assert applies_to, fault.code
        assert fault.meaning.endswith("."), fault.code
        assert not (fault.why + fault.fix + (fault.threshold or "")).endswith("."), fault.code
