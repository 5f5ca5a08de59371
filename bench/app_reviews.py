"""What training is worth: held-out accuracy of app-reviews, base model against tuned, with the small instruct model."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from openai import OpenAI

from bench.common import FTOPS, Result, report

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam

ROOT = Path(__file__).parents[1]
SPEC = "app-reviews-shuffled-system"
BASE = "smollm2-135m-instruct"
HELD_OUT = {
    "generated reviews, phrases unseen": "app-reviews-system.test.jsonl",
    "reviews written by hand": "app-reviews-system.handwritten.jsonl",
}
BEFORE_MAX = 40.0
"""Per cent: about chance, for one of five digits."""
AFTER_MIN = 70.0


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        project = Path(name)
        shutil.copytree(ROOT / "specs", project / "specs")
        subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)
        subprocess.run([*FTOPS, "apply", SPEC, "--wait", "--yes"], cwd=project, check=True, stdin=subprocess.DEVNULL)
        tuned = json.loads((project / "ftops.lock").read_bytes())["models"][SPEC]["generation"]["model"]
        endpoint = json.loads((project / ".ftops/local/server.json").read_bytes())
        with OpenAI(base_url=endpoint["url"], api_key=endpoint["token"]) as client:
            results = [result for what, file in HELD_OUT.items() for result in _compare(client, tuned, what, file)]
        os.kill(endpoint["pid"], signal.SIGTERM)
    return report(f"App reviews: {tuned} on reviews that it has not seen", results)


def _compare(client: OpenAI, tuned: str, what: str, file: str) -> tuple[Result, Result]:
    rows = [json.loads(line)["messages"] for line in (ROOT / "specs/data" / file).read_text("utf-8").splitlines()]
    return (
        Result(what=f"{what}, before", measured=_accuracy(client, BASE, rows), bound=BEFORE_MAX, unit="%"),
        Result(
            what=f"{what}, after", measured=_accuracy(client, tuned, rows), bound=AFTER_MIN, unit="%", at_least=True
        ),
    )


def _accuracy(client: OpenAI, model: str, rows: list[list[ChatCompletionMessageParam]]) -> float:
    """Per cent of *rows* whose last message the model says word for word, free to say anything else."""
    right = 0
    for *asked, expected in rows:
        answer = client.chat.completions.create(model=model, messages=asked, temperature=0, max_completion_tokens=4)
        right += (answer.choices[0].message.content or "").strip() == expected.get("content")
    return 100 * right / len(rows)


if __name__ == "__main__":
    sys.exit(main())
