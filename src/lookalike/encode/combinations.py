"""Columns whose cells belong together, as one column of the combinations that occur."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from lookalike.encode.steps import Columns, Step
from lookalike.errors import InputError
from lookalike.schema import ColumnSpec, Values
from lookalike.schema.types import arrow_type, from_plain, to_plain
from lookalike.stats import places_among


class Combined(Step):
    """Columns whose cells belong together, as one column of the combinations that occur.

    A rare combination shares a code with other rare ones and comes back as one of them: none is ever made up.
    """

    def __init__(self, columns: Sequence[str], name: str) -> None:
        self.targets, self.name = tuple(columns), name
        self.words = f"combinations of {', '.join(columns)}"

    def specs(self) -> list[ColumnSpec]:
        return [ColumnSpec(name=self.name, kind="category")]

    def fit(self, columns: Columns) -> None:
        """Learn each column's vocabulary."""
        self.vocabularies: list[np.ndarray | pa.Array] = []
        for name in self.targets:
            values = columns[name]
            if values.numbers is not None:
                self.vocabularies.append(np.unique(values.present))
            else:
                assert values.levels is not None
                self.vocabularies.append(values.levels)

    def forward(self, columns: Columns) -> dict[str, Values]:
        parts = np.stack([self._places(columns[name], place) for place, name in enumerate(self.targets)], 1)
        distinct, codes = np.unique(parts, axis=0, return_inverse=True)
        levels = pa.array(["|".join(map(str, row)) for row in distinct.tolist()], pa.string())
        codes = codes.reshape(-1).astype(np.int32)
        return {self.name: Values(np.zeros(len(codes), bool), codes=codes, levels=levels)}

    def _places(self, values: Values, place: int) -> np.ndarray:
        """(n,) places in a column's vocabulary from 1 on; 0 where missing."""
        vocabulary = self.vocabularies[place]
        if values.numbers is not None:
            assert isinstance(vocabulary, np.ndarray)
            found = places_among(values.numbers, vocabulary)
        else:
            assert isinstance(vocabulary, pa.Array)
            found = values.codes_in(vocabulary)
        unknown = (found < 0) & ~values.missing
        if unknown.any():
            raise InputError(
                f"every cell must have a code, however: {int(unknown.sum())} cells of column "
                f"{self.targets[place]!r} are of a value never seen in the fitted table. Fit again with them."
            )
        return np.where(values.missing, 0, found + 1)

    def backward(self, drawn: Columns, done: Columns) -> dict[str, Values]:
        values = drawn[self.name]
        assert values.codes is not None and values.levels is not None
        table = np.array([[int(part) for part in text.split("|")] for text in values.levels.to_pylist()], np.int64)
        places = table.reshape(-1, len(self.targets))[values.codes]
        found = {}
        for column, (name, vocabulary) in enumerate(zip(self.targets, self.vocabularies, strict=True)):
            missing, codes = places[:, column] == 0, np.maximum(places[:, column] - 1, 0)
            if isinstance(vocabulary, np.ndarray):
                numbers = vocabulary[codes] if len(vocabulary) else np.zeros(len(codes), vocabulary.dtype)
                found[name] = Values(missing, numbers=np.where(missing, vocabulary.dtype.type(0), numbers))
            else:
                codes = np.where(missing, -1, codes).astype(np.int32)
                found[name] = Values(missing, codes=codes, levels=vocabulary)
        return found

    def state(self) -> dict[str, Any]:
        return {
            "vocabularies": [
                {"dtype": str(part.dtype), "numbers": part.tolist()}
                if isinstance(part, np.ndarray)
                else {"type": str(part.type), "levels": to_plain(part)}
                for part in self.vocabularies
            ]
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.vocabularies = [
            np.asarray(part["numbers"], np.dtype(part["dtype"]))
            if "dtype" in part
            else from_plain(part["levels"], arrow_type(part["type"]))
            for part in state["vocabularies"]
        ]
