"""What `ftops check` shows: whole reports against golden texts, groups of problems, bars, JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftops.check import Checked, Estimate, Report
from ftops.dataset.fix import Mended
from ftops.dataset.lengths import Bin, Lengths
from ftops.dataset.rule import Finding
from ftops.dataset.whole.uses import FileUse
from ftops.diagnostics import Diagnostic, Place, Severity
from ftops.mend import NewFile
from ftops.plan.cost import training_cost
from ftops.remote.profiles import base_named
from ftops.report.check import Look, render_mended, render_report
from ftops.report.check_json import report_json
from ftops.report.groups import grouped
from ftops.report.plot import bars, can_show_blocks
from ftops.report.terminal import width_of
from ftops.subjects import Subject

if TYPE_CHECKING:
    from tests.report.conftest import Golden

TODAY = date(2026, 11, 22)
PLAIN = Look(width=80)


def problem(code: str, summary: str, line: int | None, severity: Severity = Severity.ERROR) -> Diagnostic:
    place = Place(path="data/elle.train.jsonl", line=line)
    return Diagnostic(code=code, summary=summary, place=place, why="so it is", fix="mend it", severity=severity)


def subject(path: str, *, role: str = "training", is_use_assumed: bool = False) -> Subject:
    uses = (FileUse(spec="elle", role=role),)  # type: ignore[arg-type]  # one of the three
    return Subject(path=path, file=Path(path), uses=uses, is_use_assumed=is_use_assumed)


def estimate(alias: str, method: str = "supervised") -> Estimate:
    found = base_named(alias)
    assert found is not None
    model, base = found
    cost = training_cost(base, method=method, rows=1204, tokens_an_epoch=412_330)
    return Estimate(model=model, alias=alias, base=base, cost=cost)


CLEAN = Checked(
    subject=subject("data/elle.valid.jsonl", role="validation"),
    method="supervised",
    format="chat",
    sha256="a" * 64,
    bytes=1_900,
    rows=40,
    lengths=None,
    estimates=(),
    problems=(),
    counts={},
)
ROLES = [problem("data-role-missing", f"`messages[{line % 3}].role` is missing", 3 * line) for line in range(1, 21)]
BUSY = replace(
    CLEAN,
    subject=subject("data/elle.train.jsonl"),
    bytes=1_934_211,
    rows=1204,
    lengths=Lengths(
        412_330, 201_118, 3918, 77, (Bin(64, 127, 14), Bin(128, 255, 730), Bin(256, 511, 458), Bin(512, 1023, 2))
    ),
    estimates=tuple(map(estimate, ("gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano", "gpt-4o", "gpt-4o-mini"))),
    problems=(
        problem("data-blank-line", "file has 3 blank lines", 8, Severity.WARNING),
        *ROLES,
        replace(ROLES[0], code="data-not-json", place=Place(path="data/elle.train.jsonl", line=12, column=40)),
        problem("data-crlf", "lines end in CR LF", 1, Severity.NOTE),
        problem("data-more-problems", "and 194 more problems in this file", None, Severity.NOTE),
        problem("data-label-rare", "`yes` and `no`", None, Severity.WARNING),
        problem("data-content-empty", "`messages[1].content` is empty", 4),
        problem("data-content-empty", "`messages[1].content[0].text` is empty", 5),
    ),
    counts={"data-role-missing": 214},
)
LEAK = replace(
    problem("data-leakage", "3 rows of 40 stand in `data/elle.train.jsonl` too", 2, Severity.WARNING),
    place=Place(path="data/elle.valid.jsonl", line=2),
)
MISSING = Diagnostic(code="file-missing", summary="`x.jsonl` does not exist", place=Place(path="x.jsonl"))
REPORT = Report(files=(BUSY, CLEAN), problems=(LEAK, MISSING))


def test_a_report_tells_each_file_and_then_what_is_between_them(golden: Golden) -> None:
    golden("check.txt", render_report(REPORT, PLAIN, today=TODAY))


def test_a_coloured_report_says_the_same(golden: Golden) -> None:
    said = render_report(REPORT, replace(PLAIN, colour=True), today=TODAY)
    golden("check-colour.txt", said.replace("\x1b", "ESC"))


def test_a_report_for_a_poor_encoding_is_ascii_but_for_its_marks(golden: Golden) -> None:
    golden("check-ascii.txt", render_report(REPORT, replace(PLAIN, is_ascii=True), today=TODAY))


def test_files_of_which_there_is_nothing_more_to_say_stand_close_together(golden: Golden) -> None:
    files = tuple(replace(CLEAN, subject=subject(f"{name}.jsonl", is_use_assumed=name == "b")) for name in "abc")
    kinds = ("preference", "completion", "unknown")
    files = tuple(replace(file, format=kind) for file, kind in zip(files, kinds, strict=True))  # type: ignore[arg-type]
    golden("check-clean.txt", render_report(Report(files=(*files, BUSY, *files), problems=()), PLAIN, today=TODAY))


def test_header_and_plot_fit_into_80_columns() -> None:
    said = render_report(REPORT, PLAIN, today=TODAY)
    plot = [line for line in said.splitlines() if not line.lstrip().startswith(("why:", "fix:"))]
    assert max(map(width_of, plot)) <= 80


def test_what_has_no_price_says_why() -> None:
    hourly = replace(BUSY, estimates=(estimate("o4-mini", "reinforcement"),), problems=(), lengths=None)
    said = render_report(Report(files=(hourly,), problems=()), Look(width=200), today=TODAY)
    assert "o4-mini ? (reinforcement is billed by the time that training takes, 100.00 USD an hour" in said
    assert "(shut down 2026-10-23)" in said
    assert "shut down" not in render_report(Report(files=(hourly,), problems=()), PLAIN, today=date(2026, 10, 22))
    other = replace(BUSY.estimates[0], cost=replace(BUSY.estimates[0].cost, epochs=1, billed_tokens=9))
    twice = replace(hourly, estimates=(BUSY.estimates[0], other))
    assert render_report(Report(files=(twice,), problems=()), PLAIN, today=TODAY).count("estimate: ") == 2
    local = replace(hourly, estimates=(estimate("tiny-byte"),))
    assert "billed\n  tiny-byte $0.00\n" in render_report(Report(files=(local,), problems=()), PLAIN, today=TODAY)


def test_groups_are_ordered_by_weight_and_count_what_is_not_listed() -> None:
    groups = grouped(BUSY.problems, BUSY.counts)
    assert [(group.first.code, group.count) for group in groups] == [
        ("data-role-missing", 214),
        ("data-content-empty", 2),
        ("data-not-json", 1),
        ("data-blank-line", 1),
        ("data-label-rare", 1),
        ("data-crlf", 1),
    ]
    assert groups[0].lines[:3] == (3, 6, 9)
    assert [group.summary for group in groups[:3]] == [
        "`messages[…].role` is missing",
        "for example, `messages[1].content` is empty",
        "`messages[1].role` is missing",
    ]


def test_problems_of_one_line_lead_to_no_other() -> None:
    empty = "`messages[{}].content` is empty"
    twice = tuple(
        Diagnostic(code="data-content-empty", summary=empty.format(index), place=Place(path="a.jsonl", line=17))
        for index in (1, 2)
    )
    report = Report(files=(replace(BUSY, problems=twice, counts={"data-content-empty": 2}),), problems=())
    assert "\n    line 17\n" in render_report(report, PLAIN, today=TODAY) + "\n"
    report = Report(files=(replace(BUSY, problems=twice, counts={"data-content-empty": 3}),), problems=())
    assert "\n    lines 17, …\n" in render_report(report, PLAIN, today=TODAY) + "\n"


def test_what_was_mended_is_told_by_kind(golden: Golden) -> None:
    examples = tuple((line, Finding("messages[0].role", "`User` → `user`")) for line in (4, 9, 12, 13))
    mended = (
        Mended(code="data-byte-order-mark", meaning="byte order mark removed", count=1, lines=(1,)),
        Mended(
            code="data-role-unknown",
            meaning="roles spelt in lower case",
            count=1204,
            lines=tuple(range(4, 14)),
            examples=examples,
        ),
    )
    new = NewFile(old=subject("train.jsonl"), new=subject("train.fixed.jsonl"), mended=mended)
    golden("check-fixed.txt", render_mended(new, PLAIN))


def test_machines_get_all_of_it_always_under_the_same_keys(golden: Golden) -> None:
    new = NewFile(
        old=subject("train.jsonl"),
        new=subject("train.fixed.jsonl"),
        mended=(Mended(code="data-crlf", meaning="CR LF written as LF", count=2, lines=(1, 2)),),
    )
    small = replace(BUSY, problems=BUSY.problems[:1], estimates=BUSY.estimates[:1])
    value = report_json(Report(files=(small, CLEAN), problems=(LEAK,)), (new,))
    golden("check.json", json.dumps(value, indent=2, ensure_ascii=False))
    assert value["files"][0].keys() == value["files"][1].keys()


def test_bars_are_as_long_as_their_values_and_never_gone() -> None:
    assert bars(["a", "bb"], [8, 3], width=17) == [" a  ██████████  8", "bb  ███▊        3"]
    lines = bars(["a", "bb", "c"], [1600, 1, 0], width=30)
    assert [line.split()[0] for line in lines] == ["a", "bb", "c"]
    assert "▏" in lines[1]
    assert not set("▏▎▍▌▋▊▉█") & set(lines[2])
    assert all(width_of(line) <= 30 for line in lines)
    assert bars(["a", "b"], [2, 1], width=24, is_ascii=True)[0].count("#") == 2 * bars(
        ["a", "b"], [2, 1], width=24, is_ascii=True
    )[1].count("#")
    assert max(map(len, bars(["a"], [1], width=200))) < 50


@pytest.mark.parametrize(("encoding", "can"), [("utf-8", True), ("ascii", False), ("iso8859-1", False), (None, False)])
def test_blocks_are_drawn_where_they_can_be(encoding: str | None, can: bool) -> None:
    assert can_show_blocks(encoding) is can
    assert not can_show_blocks("no such encoding")
