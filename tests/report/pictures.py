"""Pictures of comments for the documents: the golden Markdown through GitHub's own library and a browser.

`python -m tests.report.pictures` makes docs/images/comment-*.png anew; it needs `chromium`. Look at them afterwards.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from collections import Counter
from itertools import chain
from pathlib import Path

import cmarkgfm
from cmarkgfm.cmark import Options

HERE = Path(__file__).parent
GOLDEN = HERE.parent / "golden" / "report"
IMAGES = HERE.parents[1] / "docs" / "images"
WIDTH, HEIGHT_MAX, MARGIN = 900, 3_000, 16
BYTES_MAX = 150_000
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars", "--disable-lcd-text"),
)


def main() -> None:
    """Make them all."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        sys.exit(f"none of these is installed: {', '.join(BROWSERS)}")
    IMAGES.mkdir(exist_ok=True)
    for golden in sorted(GOLDEN.glob("comment-*.md")):
        content = picture(page(golden.read_text(encoding="utf-8")), browser)
        assert len(content) <= BYTES_MAX, f"{golden.stem}: {len(content):,} bytes"
        (IMAGES / f"{golden.stem}.png").write_bytes(content)


def page(markdown: str) -> str:
    """As GitHub shows a comment; what its library leaves to others, such as alerts, is done here."""
    body = cmarkgfm.github_flavored_markdown_to_html(markdown, options=Options.CMARK_OPT_UNSAFE)
    for kind in ("caution", "warning"):
        alert = f'<blockquote class="alert {kind}">\n<p class="title">{kind.title()}'
        body = body.replace(f"<blockquote>\n<p>[!{kind.upper()}]", alert)
    style = (HERE / "comment.css").read_text(encoding="utf-8")
    head = "<div class=head><b>github-actions</b> bot commented</div>"
    return (
        f"<!doctype html><meta charset=utf-8><style>{style}</style><div class=comment>{head}<article>{body}</article>"
    )


def picture(html: str, browser: str) -> bytes:
    """A PNG of the page, as high as what is on it, and small."""
    with tempfile.TemporaryDirectory() as folder:
        file, shot = Path(folder, "page.html"), Path(folder, "shot.png")
        file.write_text(html, encoding="utf-8")
        own = [f"--user-data-dir={folder}/profile", f"--window-size={WIDTH},{HEIGHT_MAX}", f"--screenshot={shot}"]
        subprocess.run([browser, *FLAGS, *own, file.as_uri()], check=True, capture_output=True, timeout=120)
        rows = _decoded(shot.read_bytes())
    last = max(number for number, row in enumerate(rows) if len(set(row)) > 1)
    return _encoded(rows[: last + 1 + MARGIN])


Color = tuple[int, int, int]


def _decoded(content: bytes) -> list[list[Color]]:
    """The pixels of a PNG with eight bits for each of three colours, as browsers write it."""
    chunks = list(_chunks(content))
    width, height, depth, kind = struct.unpack(">IIBB", chunks[0][1][:10])
    assert (depth, kind) == (8, 2)
    data = zlib.decompress(b"".join(body for name, body in chunks if name == b"IDAT"))
    length, above, rows = 3 * width, bytearray(3 * width), []
    for start in range(0, height * (length + 1), length + 1):
        above = _unfiltered(data[start], bytearray(data[start + 1 : start + 1 + length]), above)
        values = iter(above)
        rows.append(list(zip(values, values, values, strict=True)))
    return rows


def _unfiltered(method: int, row: bytearray, above: bytearray) -> bytearray:
    """Undo what PNG does to a row: it keeps the difference to a guess from the left (a), above (b) or both."""
    for at, value in enumerate(row):
        a, c = (row[at - 3], above[at - 3]) if at >= 3 else (0, 0)
        b = above[at]
        guess = (0, a, b, (a + b) // 2, _nearest(a, b, c))[method]
        row[at] = (value + guess) & 255
    return row


def _nearest(a: int, b: int, c: int) -> int:
    return min((a, b, c), key=lambda each: abs(a + b - c - each))


def _encoded(rows: list[list[Color]]) -> bytes:
    """A PNG of the 256 colours that there is most of; what has another, at edges of letters, gets the nearest."""
    counts = Counter(chain(*rows))
    palette = [color for color, _ in counts.most_common(256)]
    number = {color: palette.index(min(palette, key=lambda each: _distance(each, color))) for color in counts}
    lines = b"".join(b"\0" + bytes(number[color] for color in row) for row in rows)
    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 3, 0, 0, 0)
    colors = bytes(chain(*palette))
    chunks = ((b"IHDR", header), (b"PLTE", colors), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


def _distance(one: Color, other: Color) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def _chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    at, found = 8, []
    while at < len(content):
        length = int.from_bytes(content[at : at + 4])
        found.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + length]))
        at += length + 12
    return found


if __name__ == "__main__":
    main()
