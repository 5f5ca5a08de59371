"""The environment that a training process must be started in; imports no numpy, which reads it once."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ONE_BLAS_THREAD: Mapping[str, str] = MappingProxyType(
    {
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }
)
"""Parallelism is ours, one Python thread an example: a second BLAS thread buys a quarter more speed on an idle machine,
costs half of it on a busy one, and makes sums depend on the number of threads."""
