"""What `ftops check --json` gives: docs/check.md tells the shape.

Every key is always there, null where there is nothing to say; a key is never renamed within a `format_version`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftops.diagnostics import Severity
from ftops.report.check import counts_of
from ftops.report.machine import FORMAT_VERSION
from ftops.report.problems import problem_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftops.check import Checked, Estimate, Report
    from ftops.dataset.lengths import Lengths
    from ftops.mend import NewFile


def report_json(report: Report, new_files: Iterable[NewFile] = ()) -> dict[str, Any]:
    counts = counts_of(report)
    return {
        "format_version": FORMAT_VERSION,
        "files": [_file(file) for file in report.files],
        "problems": [problem_json(problem) for problem in report.problems],
        "fixed": [_fixed(new) for new in new_files],
        "counts": {str(severity): counts[severity] for severity in Severity},
    }


def _file(file: Checked) -> dict[str, Any]:
    return {
        "path": file.subject.path,
        "sha256": file.sha256,
        "bytes": file.bytes,
        "rows": file.rows,
        "format": file.format,
        "method": file.method,
        "use": file.subject.role,
        "is_use_assumed": file.subject.is_use_assumed,
        "tokens": _tokens(file.lengths) if file.lengths else None,
        "estimates": [_estimate(estimate) for estimate in file.estimates],
        "counts": dict(sorted(file.counts.items())),
        "problems": [problem_json(problem) for problem in file.problems],
    }


def _tokens(lengths: Lengths) -> dict[str, Any]:
    return {
        "total": lengths.total,
        "trained": lengths.trained,
        "longest": lengths.longest,
        "longest_line": lengths.longest_line,
        "histogram": [{"least": each.least, "most": each.most, "rows": each.rows} for each in lengths.bins],
    }


def _estimate(estimate: Estimate) -> dict[str, Any]:
    cost, base = estimate.cost, estimate.base
    return {
        "model": estimate.model,
        "epochs": cost.epochs,
        "billed_tokens": cost.billed_tokens,
        "usd": cost.usd,
        "unknown": cost.unknown,
        "price_read": base.price_read,
        "price_source": base.price_source,
        "shut_down": base.shut_down.isoformat() if base.shut_down else None,
    }


def _fixed(new: NewFile) -> dict[str, Any]:
    return {
        "path": new.old.path,
        "new_path": new.new.path,
        "repairs": [{"code": each.code, "count": each.count, "lines": list(each.lines)} for each in new.mended],
    }
