"""A plan as a comment: what it says, that it fits, and that nothing in it can do anything on GitHub."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from random import Random
from typing import TYPE_CHECKING

import cmarkgfm
import msgspec
import pytest
from cmarkgfm.cmark import Options
from hypothesis import given, settings
from hypothesis import strategies as st

from ftops.plan.changes import PENDING
from ftops.plan.diff import NO_JOB
from ftops.report.comment import COMMENT_BYTES_MAX, render_comment
from ftops.report.planfile import (
    Cause,
    Cost,
    DataChange,
    Inputs,
    Line,
    PlanFile,
    Problem,
    Replaced,
    Scope,
    decoded,
    encoded_problems,
)
from tests.report.forged import ACTING, forged
from tests.report.shown import NOW, plans

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

RUN = "https://github.com/acme/models/actions/runs/123"
SMALLEST = 4_000
"""Bytes that every comment fits in, cut as it may be."""


def rendered(plan: PlanFile, *, bytes_max: int = COMMENT_BYTES_MAX, now: int = NOW) -> str:
    return render_comment(plan, now=now, run_url=RUN, bytes_max=bytes_max)


class Page(HTMLParser):
    """What a browser would see, and what is wrong with it."""

    TAGS = frozenset(
        {"h3", "p", "strong", "code", "pre", "table", "thead", "tbody", "tr", "th", "td", "blockquote", "ul", "li"}
        | {"details", "summary", "a", "sub", "br"}
    )
    VOID = frozenset({"br"})
    ACTS = re.compile(
        r"[@#<>`*_\[\]|\\^{}&]|:[a-z0-9+_-]+:|www\.|://|[a-z]:[a-z]|GH-|\b[0-9a-f]{7,40}\b|[^ (\n][$]|[$][^0-9]"
    )
    """What GitHub, or its Markdown, acts upon, or would if it stood a little differently."""

    def __init__(self, markdown: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.text = ""
        self.cells = 0
        self.feed(cmarkgfm.github_flavored_markdown_to_html(markdown, options=Options.CMARK_OPT_UNSAFE))
        self.close()
        if self.open:
            self.wrong.append(f"{self.open} is open")
        # Text of several nodes stands side by side on the page.
        if found := self.ACTS.search(re.sub(r"\[!(CAUTION|WARNING)\]", "", self.text)):
            self.wrong.append(f"`{found[0]}` in {self.text[max(found.start() - 60, 0) : found.end() + 20]!r}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        allowed = {"a": [("href", RUN)], "pre": [("lang", "diff")]}.get(tag, [])
        if tag not in self.TAGS or attrs not in (allowed, [("align", "right")]):
            self.wrong.append(f"<{tag} {attrs}>")
        if tag == "tr":
            self.cells = 0
        if tag in {"td", "th"}:
            self.cells += 1
        if tag not in self.VOID:
            self.open.append(tag)
        self.text += "" if tag == "code" else " "

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}>")
        if tag == "tr" and self.cells not in {3, 6}:
            self.wrong.append(f"a row of {self.cells}")

    def handle_data(self, data: str) -> None:
        if "code" not in self.open:
            self.text += data

    def handle_comment(self, data: str) -> None:
        self.wrong.append(f"<!--{data}-->")

    def handle_decl(self, decl: str) -> None:
        self.wrong.append(f"<!{decl}>")

    def handle_pi(self, data: str) -> None:
        self.wrong.append(f"<?{data}>")

    def unknown_decl(self, data: str) -> None:
        self.wrong.append(f"<![{data}]>")


def commands(text: str) -> list[str]:
    """What the runner of a workflow would take for commands, if *text* were printed: as its `ActionCommand` does."""
    found = re.findall(r"##\[[A-Za-z-]+[\] ]", text)
    return found + [line for line in re.split(r"[\r\n\x85\u2028\u2029]", text) if line.lstrip().startswith("::")]


def assert_harmless(text: str, bytes_max: int) -> None:
    assert len(text.encode()) <= bytes_max
    assert Page(text).wrong == []
    assert commands(text) == []
    assert not re.search(
        "[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u115f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff]",
        text,
    )
    assert not text.startswith("<!--")


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, PlanFile]:
    return plans(tmp_path_factory.mktemp("plans"))


@pytest.mark.parametrize("name", ["first", "nothing", "blocked", "fifty"])
def test_plans_of_this_repository_read_as_they_should(
    name: str, shown: Mapping[str, PlanFile], golden: Callable[[str, str], None]
) -> None:
    text = rendered(shown[name])
    assert_harmless(text, COMMENT_BYTES_MAX)
    golden(f"comment-{name}.md", text)


@pytest.mark.parametrize("hundred", range(30))
def test_no_plan_file_can_do_anything(hundred: int) -> None:
    for seed in range(hundred * 100, hundred * 100 + 100):
        chance = Random(seed)
        plan = forged(chance)
        bytes_max = chance.choice((SMALLEST, 10_000, COMMENT_BYTES_MAX, 1_000_000))
        assert_harmless(rendered(plan, bytes_max=bytes_max, now=chance.choice((0, NOW))), bytes_max)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=60), min_size=1, max_size=8), st.integers(0, 10**6), st.integers(SMALLEST, 20_000))
def test_nor_can_any_other_text(texts: list[str], seed: int, bytes_max: int) -> None:
    chance = Random(seed)
    assert_harmless(rendered(forged(chance, text=lambda: chance.choice(texts)), bytes_max=bytes_max), bytes_max)


def line(name: str = "elle", kind: str = "create", **changes: object) -> Line:
    """A model that is trained for $1.50 in ten minutes."""
    given = {
        "pending": kind in PENDING,
        "reason": NO_JOB if kind == "create" else "its inputs changed",
        "causes": (),
        "spec_path": f"specs/{name}.yaml",
        "digest": "sha256:1",
        "job_id": None,
        "model_id": None,
        "replaces": None,
        "inputs": Inputs(
            base_model="gpt-4.1-mini",
            parent=None,
            method="supervised",
            training_rows=1_200,
            training_tokens=1,
            training_sha256="a" * 64,
            validation_rows=None,
        ),
        "cost": Cost(epochs=3, billed_tokens=9, usd=1.5, unknown=None),
        "seconds": 600.0,
        "data_changes": {},
        "attempt": 1,
        "waits_for": None,
    }
    return Line(name=name, kind=kind, **(given | changes))


def plan_of(*lines: Line, **changes: object) -> PlanFile:
    plan = decoded(encoded_problems([], commit="c" * 40), "plan.json")
    return msgspec.structs.replace(plan, target="openai", changes=lines, checksum="0a1b2c3d4e5f", **changes)


FREE = Cost(epochs=1, billed_tokens=1, usd=0.0, unknown=None)
CENT = Cost(epochs=1, billed_tokens=1, usd=0.001, unknown=None)
UNKNOWN = Cost(epochs=1, billed_tokens=1, usd=None, unknown="no price is known for training this base model")
WARNING = Problem(severity="warning", code="data-leakage", summary="a row of `valid` is in `train`")
REFUSAL = Problem(severity="error", code="budget-exceeded", summary="it costs more than it may")


@pytest.mark.parametrize(
    ("plan", "first"),
    [
        (plan_of(line()), "1 to train on `openai` · about $1.50 · about 10 min of training"),
        (
            plan_of(line("a"), line("b", "replace"), line("c", "none"), limit_usd=5.0),
            "2 to train, 1 unchanged on `openai` · about $3.00 of at most $5.00 · about 10 min of training",
        ),
        (
            plan_of(line("a"), line("b", waits_for="a"), line("c", waits_for="b")),
            "3 to train on `openai` · about $4.50 · about 30 min of training",
        ),
        (
            plan_of(line("a", waits_for="b"), line("b", waits_for="a")),
            "2 to train on `openai` · about $3.00 · about 20 min of training",
        ),
        (
            plan_of(line("a"), line("b", seconds=None)),
            "2 to train on `openai` · about $3.00 · at least 10 min of training",
        ),
        (plan_of(line(seconds=None)), "1 to train on `openai` · about $1.50 · training time not known yet"),
        (
            plan_of(line("a"), line("b", cost=UNKNOWN), limit_usd=5.0),
            "2 to train on `openai` · at least $1.50, 1 of unknown cost of at most $5.00 · about 10 min of training",
        ),
        (plan_of(line(cost=UNKNOWN)), "1 to train on `openai` · cost not known · about 10 min of training"),
        (plan_of(line(cost=FREE)), "1 to train on `openai` · free · about 10 min of training"),
        (plan_of(line(cost=CENT)), "1 to train on `openai` · less than $0.01 · about 10 min of training"),
        (plan_of(line(kind="adopt"), line(kind="forget")), "1 to forget, 1 to adopt on `openai`"),
        (plan_of(line(kind="await"), line(kind="none")), "nothing to do, 1 in training, 1 unchanged on `openai`"),
        (plan_of(line(kind="blocked")), "nothing to do, 1 blocked on `openai`"),
    ],
)
def test_the_first_line_is_the_verdict_money_and_time(plan: PlanFile, first: str) -> None:
    assert rendered(plan).partition("\n")[0] == f"### ftops plan: {first}"


def test_policy_and_problems_are_in_the_first_line_too() -> None:
    refused = rendered(plan_of(line(), limit_usd=1.0, refusals=(REFUSAL,)))
    over = "1 to train on `openai` · about $1.50, over the limit of $1.00"
    assert refused.startswith(f"### ftops plan blocked by policy: {over} · about 10 min of training\n\n> [!CAUTION]\n")
    assert "Nothing of it is carried out as long as policy refuses it." in refused
    none = rendered(plan_of(problems=(REFUSAL, WARNING)))
    assert none.startswith("### ftops plan: none, 2 problems to be mended first\n\n> [!CAUTION]\n")


def test_a_folder_of_its_own_is_named() -> None:
    plan = plan_of(line(), scope=Scope(folder="ml/support"))
    assert rendered(plan).startswith("### ftops plan of `ml/support`: 1 to train on `openai`")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((), "No spec asks for a model"),
        ((line(kind="none"),), "1 model matches its spec"),
        ((line(kind="none"),) * 1_200, "1,200 models match their specs"),
    ],
)
def test_nothing_to_do_is_one_line(lines: tuple[Line, ...], said: str) -> None:
    text = rendered(plan_of(*lines))
    assert text == f"**ftops plan: nothing to do.** {said} on `openai` · as of `cccccccccccc` · [run]({RUN})"


def test_warnings_about_what_is_not_touched_are_folded() -> None:
    text = rendered(plan_of(line(kind="none"), warnings=(WARNING, WARNING)))
    assert text.startswith("**ftops plan: nothing to do.**")
    assert "\n\n<details><summary>1 warning</summary>\n\n- **A row of `valid` is in `train`**" in text


def test_what_costs_or_drops_comes_first() -> None:
    cheap = msgspec.structs.replace(UNKNOWN, usd=0.5)
    kinds = "await adopt collect select forget blocked drift paused unrecorded cancel none"
    lines = [line(kind, kind, reason=kind) for kind in kinds.split()]
    lines += [line("cheap", cost=cheap), line("dear", "replace"), line("unknown", cost=UNKNOWN, reason="alone")]
    shown = re.findall(r"^\| `([a-z]+)` \| (\**)", rendered(plan_of(*lines)), re.MULTILINE)
    assert [name for name, _ in shown] == [
        *("unknown", "dear", "cheap", "cancel", "forget", "drift", "select", "blocked", "paused", "unrecorded"),
        *("adopt", "collect", "await"),
    ]
    assert [name for name, bold in shown if bold] == ["unknown", "dear", "cheap", "cancel", "forget"]


def row_of(**changes: object) -> str:
    """The one row of a plan, from its column `why` on."""
    text = rendered(plan_of(line(kind="replace", **changes)))
    return text.partition("| `elle` | **train&nbsp;again** | ")[2].partition("\n")[0]


def test_a_row_says_why_and_what_became_of_the_data() -> None:
    causes = (
        Cause(field="n_epochs", before="3", after="auto"),
        Cause(field="training_file", before="1,100 rows (a)", after="1,200 rows (b)"),
        Cause(field="seed", before="1", after="2"),
        Cause(field="suffix", before="x" * 30, after="y"),
    )
    data = DataChange(added=120, removed=3, edited=14, moved=2, unchanged=1_063, tokens=-3_201)
    assert row_of(causes=causes, data_changes={"training_file": data}) == (
        "`n_epochs`: `3` → `auto`, `training_file` and 2 more | `gpt-4.1-mini` →&nbsp;supervised | "
        "1,200&nbsp;rows&nbsp;(+120&nbsp;−3&nbsp;~14&nbsp;↕2)<br>1&nbsp;token&nbsp;(−3,201)<br>`aaaaaaaaaaaa` | "  # noqa: RUF001  # minus
        "$1.50<br>10&nbsp;min |"
    )
    assert row_of(causes=causes[3:], waits_for="parent", attempt=2).startswith("`suffix`; attempt 2; after `parent` |")
    child = msgspec.structs.replace(line().inputs, base_model=None, parent="noble")
    assert row_of(waits_for="noble", causes=causes[3:], inputs=child).startswith(
        "`suffix`; after its base | `noble` →&nbsp;supervised | "
    )
    gone = "its inputs changed; the model that it had before is gone"
    assert row_of(causes=causes[2:3], reason=gone).startswith(
        "`seed`: `1` → `2`; the model that it had before is gone |"
    )


def test_what_changed_is_folded_with_both_values_and_with_what_is_replaced() -> None:
    causes = (Cause(field="seed", before="1", after="2"), Cause(field="parent", before="a" * 64, after="b" * 64))
    data = DataChange(added=1, removed=0, edited=0, moved=0, unchanged=1_199, tokens=9)
    old = Replaced(digest="sha256:0", job_id="ftjob-1", model_id="ft:old")
    many = [
        line(f"elle-{n}", "replace", causes=causes, data_changes={"training_file": data}, replaces=old) for n in "abcd"
    ]
    assert (
        "<details><summary><code>elle-a</code>, <code>elle-b</code>, <code>elle-c</code> and 1 more: "
        "2 fields changed</summary>\n\n"
        "```diff\n- seed: 1\n+ seed: 2\n- parent: aaaaaaaaaaaa\n+ parent: bbbbbbbbbbbb\n```\n\n"
        "- rows of `training_file`: 1 added, 1,199 unchanged; +9 tokens\n"
        "- takes the place of `ft:old`, `ft:old`, `ft:old`, `ft:old`, which stays at the provider\n\n</details>"
    ) in rendered(plan_of(*many))


@pytest.mark.parametrize(
    ("passed", "said"),
    [
        (30, "Results were last collected 30 s ago."),
        (5 * 3600, "Results were last collected 5 h ago."),
        (
            11 * 3600,
            "**Results were last collected 11 h ago**: see whether the workflow that collects them still runs.",
        ),
    ],
)
def test_when_results_were_last_collected_is_said_where_some_are_awaited(passed: int, said: str) -> None:
    assert f"\n\n{said}\n\n" in rendered(plan_of(line(kind="await"), collected_at=NOW - passed))
    assert "collected" not in rendered(plan_of(line(kind="await")))


def test_the_foot_says_of_which_commit_it_is_and_since_when_its_actions_stand() -> None:
    def foot(**facts: str) -> str:
        text = render_comment(plan_of(line()), now=NOW, run_url=RUN, bytes_max=COMMENT_BYTES_MAX, **facts)
        return text.rpartition("\n")[2]

    assert foot() == f"<sub>checksum `0a1b2c3d4e5f` · as of `cccccccccccc` · [run]({RUN})</sub>"
    same = foot(commit="d" * 40, since="e" * 40)
    assert "as of `dddddddddddd` · the same actions since `eeeeeeeeeeee` · " in same
    assert "since" not in foot(commit="d" * 40, since="d" * 40)


def test_problems_with_one_cause_and_one_cure_are_told_once() -> None:
    leaks = [
        msgspec.structs.replace(WARNING, path=f"data/{n}.jsonl", line=n, why="w", fix="mend it") for n in range(1, 5)
    ]
    others = [msgspec.structs.replace(WARNING, code=f"data-{n}") for n in range(12)]
    text = rendered(plan_of(line(), warnings=(*leaks, *others)))
    assert (
        "> [!WARNING]\n> - **A row of `valid` is in `train`**<br>W. **Fix:** mend it.<br>"
        "`data-leakage` at `data/1.jsonl:1`, `data/2.jsonl:2` and 2 more\n"
    ) in text
    assert text.count("\n> - ") == 10
    assert "<details><summary>1 more problem</summary>" in rendered(plan_of(problems=tuple(others[:11])))
    assert "<details><summary>3 more warnings</summary>" in text


def thousand(plan: PlanFile) -> PlanFile:
    """The same changes twenty times, under other names, and no two rows alike."""
    found = [
        msgspec.structs.replace(each, name=f"{each.name}-{n}", reason=f"{each.reason}; {n} of a thousand")
        for n in range(20)
        for each in plan.changes
    ]
    return msgspec.structs.replace(plan, changes=tuple(found))


def test_a_thousand_specs_fit_and_still_begin_with_what_matters(shown: Mapping[str, PlanFile]) -> None:
    plan = thousand(shown["fifty"])
    whole = rendered(plan, bytes_max=1_000_000)
    assert_harmless(whole, 1_000_000)
    assert "Left out here" not in whole
    assert all(f"`{each.name}`" in whole for each in plan.changes)
    cut = rendered(plan)
    assert_harmless(cut, COMMENT_BYTES_MAX)
    assert cut.startswith(f"### ftops plan: {len(plan.changes) * 46 // 50:,} to train, ")
    assert len(cut.encode()) > COMMENT_BYTES_MAX - 2_000
    assert re.search(
        rf"\n\nLeft out here: [\w, ]+rows, \d+ lists? of changed fields\. \[The run\]\({RUN}\) has the whole", cut
    )
    for piece in ("> [!WARNING]", "Results were last collected", "how to undo it", "<sub>checksum"):
        assert piece in cut


def test_every_size_is_kept_to(shown: Mapping[str, PlanFile]) -> None:
    plan, before = shown["fifty"], 0
    for bytes_max in range(SMALLEST, 16_000, 97):
        text = rendered(plan, bytes_max=bytes_max)
        assert len(text.encode()) <= bytes_max
        assert Page(text).wrong == []
        rows = text.count("\n| `")
        assert rows >= before
        before = rows
    assert text == rendered(plan)


@pytest.mark.parametrize("piece", ACTING)
def test_what_gets_out_of_code_is_seen_by_these_tests(piece: str) -> None:
    harmless = rendered(plan_of(line(), warnings=(WARNING,)))
    assert_harmless(harmless, COMMENT_BYTES_MAX)
    for text in (harmless.replace("row of `valid`", f"row {piece} of `valid`"), f"{harmless}\n{piece}"):
        if Page(text).wrong or commands(text):
            return
    pytest.fail("nothing saw it")
