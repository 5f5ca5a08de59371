"""Rules about images in messages: where they may stand, how they are given, how many and how large they may be."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from ftops.dataset.content import parts_of
from ftops.dataset.rule import Finding, kind_of, rule
from ftops.diagnostics import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftops.dataset.conversation import Conversation, Message

WEB_IMAGE_URL = r"^(?i:https?://)"
IMAGE_DETAILS = ("auto", "low", "high")
IMAGES_MAX = 10
"""In a row. Source: OpenAI's vision fine-tuning guide, as are the formats and the size."""
IMAGE_BYTES_MAX = 10_000_000

_IMAGE_URL = re.compile(r"(?i)https?://|data:image/(?:jpeg|png|webp);base64,")
_DATA_URL = re.compile(r"(?i)data:[^,]*,")
_SIGNATURE = re.compile(rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|RIFF.{4}WEBP", re.DOTALL)
_SIGNATURE_CHARS = 16  # of base64, which is 12 bytes


@rule(
    "data-image-place",
    why="models are trained on images that the user sends; no other message may hold one",
    fix="move the image into a `user` message",
)
def images_are_the_users(conversation: Conversation) -> Iterator[Finding]:
    """Images stand in user messages only."""
    for message, where, _part in _images(conversation):
        if message.role not in {"user", None}:
            yield Finding(where, f"is an image in a message of role `{message.role}`")


@rule(
    "data-image-count",
    why="the provider takes at most 10 images in one example",
    fix="leave images out, or split the example",
)
def images_are_few(conversation: Conversation) -> Iterator[Finding]:
    """A row has at most 10 images."""
    count = sum(1 for _ in _images(conversation))
    if count > IMAGES_MAX:
        yield Finding(conversation.at("messages"), f"has {count} images, but may have at most {IMAGES_MAX}")


@rule(
    "data-image-url",
    why="an image is an object with its address or its data in `url`, and perhaps a `detail`",
    fix='write `{"url": "https://…", "detail": "auto"}` or `{"url": "data:image/png;base64,…"}`',
)
def image_urls_are_well_formed(conversation: Conversation) -> Iterator[Finding]:
    """An image has a `url`, which is a string, and a detail of auto, low or high if any."""
    for _, where, part in _images(conversation):
        image = part.get("image_url")
        if not isinstance(image, dict):
            yield Finding(f"{where}.image_url", f"must be an object with `url`, and is {kind_of(image)}")
            continue
        if not isinstance(image.get("url"), str):
            yield Finding(f"{where}.image_url.url", "must be a string")
        if image.get("detail", "auto") not in IMAGE_DETAILS:
            yield Finding(f"{where}.image_url.detail", "must be `auto`, `low` or `high`")


@rule(
    "data-image-data",
    why="the provider skips an image that it cannot fetch or read, or that has more than 10 MB, and trains without it",
    fix="give an address that begins with `https://`, or a JPEG, PNG or WEBP of at most 10 MB in base64",
    severity=Severity.WARNING,
)
def images_can_be_read(conversation: Conversation) -> Iterator[Finding]:
    """An image has a web address, or is a JPEG, PNG or WEBP of at most 10 MB in base64."""
    for _, where, part in _images(conversation):
        image = part.get("image_url")
        url = image.get("url") if isinstance(image, dict) else None
        if not isinstance(url, str):
            continue
        if not (start := _IMAGE_URL.match(url)):
            yield Finding(f"{where}.image_url.url", "begins neither with `https://` nor with `data:image/…;base64,`")
            continue
        if not (head := _DATA_URL.match(start.group())):
            continue
        size = (len(url) - head.end()) * 3 // 4
        if size > IMAGE_BYTES_MAX:
            yield Finding(f"{where}.image_url.url", f"holds {size / 1e6:.1f} MB, but may hold at most 10 MB")
        elif not _is_image(url[head.end() : head.end() + _SIGNATURE_CHARS]):
            yield Finding(f"{where}.image_url.url", "holds no JPEG, PNG or WEBP in base64")


def _images(conversation: Conversation) -> Iterator[tuple[Message, str, dict[str, object]]]:
    for message, where, part in parts_of(conversation):
        if isinstance(part, dict) and part.get("type") == "image_url":
            yield message, where, part


def _is_image(start: str) -> bool:
    """Whether base64 text begins as an image does; only its beginning is decoded, as it may be long."""
    try:
        return _SIGNATURE.match(base64.b64decode(start, validate=True)) is not None
    except (ValueError, binascii.Error):
        return False


IMAGE_RULES = (images_are_the_users, images_are_few, image_urls_are_well_formed, images_can_be_read)
