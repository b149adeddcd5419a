"""One rewrite of columns each: what is encoded in their stead, and the way back.

A step takes parsed columns and gives parsed columns, so that engines see ordinary codes, whatever the rule was.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from lookalike.encode.clock import Clock
from lookalike.schema import ColumnSpec, Values
from lookalike.schema.grain import LARGEST_WHOLE
from lookalike.schema.types import arrow_type

Columns = Mapping[str, Values]


class Step(ABC):
    """Base of the rewrites.

    Attributes
    ----------
    targets, sources
        The columns it takes away, and those it needs decoded before it gives them back.
    tells
        Whether a target tells of a source that is not there (:meth:`told_by`).
    free
        Whether a target can be known without its sources.
    words
        The rule, for messages.
    """

    targets: tuple[str, ...]
    sources: tuple[str, ...] = ()
    tells = False
    free = False
    words: str

    @abstractmethod
    def fit(self, columns: Columns) -> None:
        """Learn what the way back needs."""

    @abstractmethod
    def specs(self) -> list[ColumnSpec]:
        """The columns that are encoded instead."""

    @abstractmethod
    def forward(self, columns: Columns) -> dict[str, Values]:
        """Those columns' cells, from the real ones."""

    @abstractmethod
    def backward(self, drawn: Columns, done: Columns) -> dict[str, Values]:
        """The targets' cells, from what was drawn and the sources."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """What was learned, as JSON."""

    @abstractmethod
    def restore(self, state: dict[str, Any]) -> None:
        """Take up what :meth:`state` gave."""

    def told_by(
        self, columns: Columns, drawn: Columns, written: Columns, clocks: Mapping[str, Clock]
    ) -> dict[str, Values]:
        """The sources that rows lack beside a target that is there, as what was ``drawn`` for it says, missing where that says nothing.

        ``written`` are the real columns as they were drawn, ``clocks`` what stands beside dates. A step that gives nothing needs all its sources.
        """
        return {}

    def carrier(self) -> str | None:
        """The encoded column that is missing just where the targets are; None where there is none."""
        return None


def fit_in(numbers: np.ndarray, spec: ColumnSpec, dtype: np.dtype) -> np.ndarray:
    """Whole numbers held to what the column's type can store: a check finds those that were not, and draws them again.

    >>> fit_in(np.array([5, 500]), ColumnSpec(name="small", kind="integer", storage="int8"), np.dtype(np.int64)).tolist()
    [5, 127]
    """
    storage = arrow_type(spec.storage)
    width = np.iinfo(storage.to_pandas_dtype()) if pa.types.is_integer(storage) else np.iinfo(dtype)
    least, most = int(width.min), int(width.max)
    if pa.types.is_decimal(storage):
        most = min(most, 10**storage.precision - 1)
        least = -most
    if numbers.dtype.kind == "f":
        most = int(np.nextafter(float(most), 0)) if most > LARGEST_WHOLE else most
    elif numbers.dtype != object:
        own = np.iinfo(numbers.dtype)
        least, most = max(least, own.min), min(most, own.max)
    return np.clip(numbers, least, most).astype(dtype)
