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
from lookalike.schema import ColumnSpec, Schema, Values
from lookalike.schema.grain import LARGEST_WHOLE
from lookalike.schema.types import arrow_type
from lookalike.stats import middle

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


class Measured(Step):
    """A number that is encoded by what it is to its sources and, where they tell nothing of it, in a second encoded column, as itself."""

    dtype: np.dtype
    has_alone: bool
    fill_alone: Any  # stands in the second column where the first one tells

    def __init__(self, target: str, sources: tuple[str, ...], alone: str, schema: Schema, words: str) -> None:
        self.target, self.alone, self.spec = target, alone, schema[target]
        self.targets, self.sources, self.words = (target,), sources, words

    def _learn_alone(self, own: Values, told: np.ndarray) -> None:
        """Learn how the real cells are kept, and whether any is there where the sources tell nothing of it, (n,) bool."""
        beyond = ~told & ~own.missing
        self.dtype, self.has_alone = own.as_numbers.dtype, bool(beyond.any())
        self.fill_alone = middle(own.as_numbers[beyond])

    def _alone_specs(self) -> list[ColumnSpec]:
        return [self.spec.replace(name=self.alone)] if self.has_alone else []

    def _alone_cells(self, own: Values, told: np.ndarray) -> dict[str, Values]:
        """The second column's cells, from the real ones, where there is one."""
        if not self.has_alone:
            return {}
        numbers = np.where(~told & ~own.missing, own.as_numbers, self.fill_alone)
        return {self.alone: Values(np.zeros(len(own), bool), numbers=numbers)}

    def _with_alone(self, numbers: np.ndarray, told: np.ndarray, drawn: Columns) -> np.ndarray:
        """(n,) numbers, those of the second column where the sources tell nothing."""
        return np.where(told, numbers, drawn[self.alone].as_numbers) if self.has_alone else numbers

    def _written(self, numbers: np.ndarray, missing: np.ndarray) -> dict[str, Values]:
        """The target's cells, in the type of the real ones."""
        return {self.target: Values(missing, numbers=np.where(missing, self.dtype.type(0), numbers).astype(self.dtype))}


def seen(values: Values) -> tuple[Any, Any]:
    """The least and the greatest number that is there; nought twice where none is.

    >>> seen(Values(np.array([False, True, False]), np.array([7, 0, 3])))
    (np.int64(3), np.int64(7))
    """
    present = values.present if len(values.present) else np.zeros(1, values.present.dtype)
    return present.min(), present.max()


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
