"""Datasets as they were built: for people, and for scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftops.report.terminal import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ftops.datasets import Build

FORMAT_VERSION = 1
STRATA_SHOWN = 12
CAUSES = {"filter": "by filter", "splits": "in no split", "dedupe": "as duplicates", "limit": "over the limit"}


def render_builds(builds: Sequence[Build]) -> str:
    """A paragraph for each dataset."""
    if not builds:
        return "No datasets: no file declares one with `kind: Dataset`."
    return "\n\n".join("\n".join(_lines(build)) for build in builds)


def builds_json(builds: Sequence[Build]) -> dict[str, object]:
    """All of it, for `--json`."""
    return {"format_version": FORMAT_VERSION, "datasets": [_value(build) for build in builds]}


def _lines(build: Build) -> Iterator[str]:
    manifest = build.manifest
    if manifest is None:
        yield f"{build.dataset.name}: stale"
        return
    yield f"{build.dataset.name}: {'built' if build.is_new else 'up to date'}"
    paths = list(build.files().values())
    width = max(len(name) for name in manifest.splits)
    for (name, split), path in zip(manifest.splits.items(), paths, strict=True):
        yield f"  {name:{width}}  {counted(split.rows, 'row'):>12}  {path}"
        if 0 < len(split.strata) <= STRATA_SHOWN:
            shares = [f"{value} {count / split.rows:.0%}" for value, count in sorted(split.strata.items())]
            yield f"  {'':{width}}  {'':>12}  {build.dataset.recipe.stratify_by}: {', '.join(shares)}"
    left_out = ", ".join(f"{count:,} {CAUSES[cause]}" for cause, count in manifest.dropped.items())
    yield f"  of {counted(manifest.selected, 'row')}" + (f"; left out: {left_out}" if left_out else "")


def _value(build: Build) -> dict[str, object]:
    manifest, paths = build.manifest, build.files()
    value: dict[str, object] = {
        "name": build.dataset.name,
        "path": build.dataset.path,
        "status": "stale" if manifest is None else "built" if build.is_new else "unchanged",
    }
    if manifest is not None:
        value["duckdb"] = manifest.duckdb
        value["selected"] = manifest.selected
        value["dropped"] = manifest.dropped
        value["sources"] = [{"path": each.path, "sha256": each.sha256, "rows": each.rows} for each in manifest.sources]
        value["splits"] = [
            {
                "name": name,
                "path": path,
                "sha256": split.sha256,
                "bytes": split.bytes,
                "rows": split.rows,
                "strata": split.strata,
            }
            for (name, split), path in zip(manifest.splits.items(), paths.values(), strict=True)
        ]
    return value
