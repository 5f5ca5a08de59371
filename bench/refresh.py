"""How many calls a refresh of a thousand jobs takes."""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path

from openai import DefaultHttpxClient, OpenAI

from bench.common import Result, report, running_server
from ftops.clock import SystemClock
from ftops.plan.observed import Observed
from ftops.remote.profiles import profile
from ftops.remote.provider import Provider

JOBS = 1_000
LIST_CALLS_MAX = 10
REPO = "bench"


def main() -> int:
    calls: Counter[str] = Counter()
    counting = DefaultHttpxClient(event_hooks={"request": [lambda request: calls.update([request.url.path])]})
    with (
        tempfile.TemporaryDirectory() as name,
        running_server(Path(name) / "state") as (url, token),
        OpenAI(base_url=url, api_key=token, http_client=counting) as client,
    ):
        _make_jobs(client)
        calls.clear()
        provider = Provider(client, profile("local"), repo=REPO, clock=SystemClock())
        observed = Observed(jobs=provider.jobs(known=()), models=provider.models())
    assert len(observed.jobs) == JOBS
    listed = sum(count for path, count in calls.items() if path.endswith("/fine_tuning/jobs"))
    return report(
        f"Refresh of {JOBS:,} jobs: {calls.total()} calls in all, of which {listed} list jobs",
        [Result(what="list calls for jobs", measured=listed, bound=LIST_CALLS_MAX, unit="calls")],
    )


def _make_jobs(client: OpenAI) -> None:
    """Create jobs, each cancelled at once: it is their number that counts, and training them all would take hours."""
    line = '{"messages": [{"role": "user", "content": "ping"}, {"role": "assistant", "content": "pong"}]}\n'
    file = client.files.create(file=("ping.jsonl", (line * 10).encode()), purpose="fine-tune")
    for number in range(JOBS):
        labels = {"ftops.spec": f"spec-{number}", "ftops.digest": f"sha256:{number:064x}", "ftops.repo": REPO}
        job = client.fine_tuning.jobs.create(model="tiny-byte-90k", training_file=file.id, metadata=labels)
        client.fine_tuning.jobs.cancel(job.id)


if __name__ == "__main__":
    sys.exit(main())
