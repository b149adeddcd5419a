"""What is there of a table to complete, and how it is put among what is drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lookalike.schema import EncodedTable, Values


@dataclass(frozen=True)
class Known:
    """What is there of a table to complete.

    Attributes
    ----------
    encoded, codes
        The rows, and (n, d) bool: which of their codes are known.
    columns, cells
        The table's own columns, parsed, and (n,) bool for each: which of their cells are known.
    owners
        By the name of each key that rows share: (n,) whose each row is, counted from 1, 0 where it is nobody's.
    unseen
        How many cells of each column hold a label that was never learned: they have no code, and nothing is drawn given them.
    """

    encoded: EncodedTable
    codes: np.ndarray
    columns: dict[str, Values]
    cells: dict[str, np.ndarray]
    owners: dict[str, np.ndarray]
    unseen: dict[str, int]

    def put_in(self, name: str, drawn: Values) -> Values:
        """Return the drawn values with the known ones in their places: a rare one may share a code with others."""
        mine = self.columns.get(name)
        if mine is None or (mine.numbers is None) != (drawn.numbers is None):
            return drawn
        return put_in(drawn, mine, self.cells[name])


def put_in(drawn: Values, given: Values, there: np.ndarray) -> Values:
    """The drawn values, where one is ``there`` (n,) the given one, but for labels that the drawn ones do not know."""
    if given.numbers is not None:
        missing = np.where(there, given.missing, drawn.missing)
        return Values(missing, numbers=np.where(there, given.numbers, drawn.as_numbers))
    assert drawn.codes is not None and drawn.levels is not None
    codes = given.codes_in(drawn.levels)
    there = there & (given.missing | (codes >= 0))
    missing = np.where(there, given.missing, drawn.missing)
    return Values(missing, codes=np.where(there, codes, drawn.codes).astype(np.int32), levels=drawn.levels)
