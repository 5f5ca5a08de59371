"""Files of a repository, as anybody may have written them: one function for each kind, which takes its bytes."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from zlib import crc32

import msgspec

from ftops import check as checks
from ftops import claims as claimed
from ftops import lockfile
from ftops.compare import Source, compare
from ftops.dataset.builds.build import build
from ftops.dataset.builds.sources import SourceFile
from ftops.datasets import place_in
from ftops.examine import Examined, Examiner
from ftops.filecache import FileCache
from ftops.lockmerge import conflicts, merged
from ftops.mend import mend_file
from ftops.plan.desired import Desired, resolve
from ftops.plan.diff import diff
from ftops.plan.plan import Plan, checksum
from ftops.report.check import Look, render_report
from ftops.report.check_json import report_json
from ftops.report.claims import claims_json, render_claims
from ftops.report.datadiff import comparison_json, render_comparison
from ftops.report.datadiff_markdown import render_markdown
from ftops.report.lock import render_entry, render_lock
from ftops.report.machine import lock_json, plan_json
from ftops.report.plan import render_plan
from ftops.rowstore import RowStore
from ftops.spec.config import Config, parse_config
from ftops.spec.graph import linked
from ftops.spec.model import Declared
from ftops.spec.parse import parse_file
from ftops.subjects import subjects_at
from tests.fuzz.promises import harmless, machine, tell, told

METHODS = ("supervised", "dpo", "reinforcement", None)
SOURCE_ENDINGS = (".csv", ".tsv", ".json", ".jsonl", ".csv.gz", ".parquet")
SEPARATOR = b"\n\x1e\n"
"""Between two files in one input; a character that no format of ours knows."""
SPEC = b"kind: FineTune\nmodel: gpt-4.1-mini-2025-04-14\ntraining_file: a.jsonl\n"
"""Of the name that lockfiles in the corpus have an entry of."""
TODAY = date(2026, 11, 22)
EMPTY_LOCK = lockfile.Lockfile(target="local")


def spec(content: bytes) -> None:
    """A spec: read, linked, resolved, planned and recorded."""
    told(_plan, content)


def config(content: bytes) -> None:
    """`ftops.yaml`."""
    told(lambda given: machine(parse_config(given), given), content)


def data(content: bytes) -> None:
    """A training file, or two versions of one: checked, mended, counted and compared. Byte 0 chooses the method."""
    method = METHODS[content[0] % len(METHODS)] if content else None
    first, _, second = content[1:].partition(SEPARATOR)
    with TemporaryDirectory(prefix="fuzz-") as folder:
        path, other = Path(folder, "train.jsonl"), Path(folder, "other_valid.jsonl")
        path.write_bytes(first)
        other.write_bytes(second)
        subjects, problems = subjects_at([str(path), str(other)], method)
        tell(problems, content)
        report = checks.check(subjects, checks.Options(models=Path(folder)), Examiner(Path(folder, "cache")))
        harmless(render_report(report, Look(width=80), today=TODAY), content)
        machine(report_json(report), content)
        for subject in subjects:
            told(lambda _, subject=subject: mend_file(subject), content)
        told(lambda _: _compare(Path(folder), path, other), content)


def source(content: bytes) -> None:
    """A file that a dataset is built from. Byte 0 chooses its kind; after the separator stands SQL, if any."""
    ending = SOURCE_ENDINGS[content[0] % len(SOURCE_ENDINGS)] if content else ".csv"
    rows, _, sql = content[1:].partition(SEPARATOR)
    with TemporaryDirectory(prefix="fuzz-") as folder:
        Path(folder, f"rows{ending}").write_bytes(rows)
        told(lambda _: _build(Path(folder), f"rows{ending}", sql), content)


def lock(content: bytes) -> None:
    """A lockfile: read, verified, shown, written, merged, and planned with."""
    told(_record, content)


def claims(content: bytes) -> None:
    """The claims that a ref of the remote holds, which whoever may push can write."""
    told(_claim, content)


def cache(content: bytes) -> None:
    """What a stranger committed into `.ftops`: caches, which are trusted as far as they can be verified."""
    header = b"ftops data 1\n" + crc32(content).to_bytes(4, "big")
    with TemporaryDirectory(prefix="fuzz-") as folder:
        Path(folder, "data.cache").write_bytes(header + content)
        known = FileCache.load(Path(folder), "data", "1", Examined)
        known.get("a.jsonl", Path(folder).stat())
        known.save()
        rows = Path(folder, "rows", f"{'a' * 64}-supervised.rows")
        rows.parent.mkdir()
        rows.write_bytes(content)
        with RowStore(rows.parent).columns("a" * 64, "supervised") as columns:
            assert columns is None or columns.rows >= 0


def _plan(content: bytes) -> None:
    declared = linked([parse_file(content, "specs/elle.yaml")])
    machine(declared, content)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(declared), type=Declared) == declared
    desired = _desired(declared, EMPTY_LOCK)
    _show(
        Plan(target="local", changes=(found := diff(desired, EMPTY_LOCK)), checksum=checksum("local", found)), content
    )
    for each in desired:
        intent = lockfile.Intent(digest=each.digest, inputs=each.inputs, request=each.inputs.method, started_at=0)
        recorded = lockfile.with_intent(EMPTY_LOCK, each.name, intent)
        assert lockfile.decode(lockfile.encode(recorded), "ftops.lock") == recorded


def _desired(declared: Declared, recorded: lockfile.Lockfile) -> tuple[Desired, ...]:
    """What specs ask for, as if their files were there."""
    names = {name for each in declared.specs for name in (each.training_file, each.validation_file) if name}
    assert not any(name.startswith(("/", "..")) or "/../" in name for name in names), "out of the repository"
    known = {name: lockfile.DataFile(path=name, sha256="0" * 64, bytes=1, rows=1) for name in names}
    target = Config().targets["local"]
    return resolve(declared.specs, known, config=Config(), target=target, recorded=recorded)


def _show(planned: Plan, content: bytes) -> None:
    harmless(render_plan(planned, colour=False, width=100, verbose=True), content)
    machine(plan_json(planned), content)


def _compare(folder: Path, path: Path, other: Path) -> None:
    """Rows are shown here, as they were asked for: only that it ends, and does nothing to a terminal."""
    found = compare(folder, Source(str(path)), Source(str(other)), listed=5)
    harmless(_without_rows(render_comparison(found, colour=False, width=100)), b"")
    render_markdown(found, bytes_max=60_000)
    msgspec.json.encode(comparison_json(found))


def _without_rows(text: str) -> str:
    return text.replace("canary", "")


def _build(folder: Path, name: str, sql: bytes) -> None:
    text = f"kind: Dataset\nsources: {{rows: {name}}}\nchat: {{user: '{{question}}', assistant: '{{answer}}'}}\n"
    parsed = parse_file(text.encode(), "elle.yaml").datasets[0]
    recipe = parsed.recipe
    if sql:
        recipe = msgspec.structs.replace(recipe, sql=sql.decode(errors="replace"))
    files = {"rows": (SourceFile(name, "0" * 64),)}
    build("elle", recipe, files, root=folder, locate=place_in(parsed), threads=1)


def _claim(content: bytes) -> None:
    read = claimed.decode(content, "the ref")
    for now in (0, 1_750_000_000):
        harmless(render_claims(read.claims, now), content)
        machine(claims_json(read.claims, now), content)
        mine = claimed.taken(read, [claimed.Key("elle", "sha256:0")], owner="me", now=now)
        after = claimed.settled(claimed.renewed(mine, mine.claims, now=now), made=(), released=mine.claims, now=now)
        for each in (mine, after, claimed.abandoned(mine, "elle", now=now)):
            assert claimed.decode(claimed.encode(each), "the ref") == each


def _record(content: bytes) -> None:
    read = lockfile.decode(content, "ftops.lock")
    tell(lockfile.verify(read, "ftops.lock"), content)
    harmless(render_lock(read), content)
    machine(lock_json(read), content)
    for name, entry in read.models.items():
        harmless(render_entry(name, entry), content)
    found = diff(_desired(parse_file(SPEC, "specs/elle.yaml"), read), read)
    _show(Plan(target=read.target, changes=found, checksum=checksum(read.target, found)), content)
    written = lockfile.encode(read)
    assert lockfile.encode(lockfile.decode(written, "ftops.lock")) == written
    conflicts(EMPTY_LOCK, read, read)
    assert merged(read, read, EMPTY_LOCK) == EMPTY_LOCK
    if not lockfile.broken(read):
        assert not lockfile.broken(merged(EMPTY_LOCK, read, EMPTY_LOCK))
    for name, entry in read.models.items():
        lockfile.forgotten(read, name)
        if entry.intent:
            lockfile.without_intent(read, name)
