"""The names of our array types."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.floating[Any]]
"""Of float32; of float64 where a test checks gradients by finite differences."""

TokenIds: TypeAlias = NDArray[np.integer[Any]]

Weights: TypeAlias = dict[str, Array]
"""Tensors, or their gradients, by the names that Hugging Face gives them in a Llama checkpoint."""
