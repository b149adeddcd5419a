"""Values that share a code: of several, one is chosen that fits its row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lookalike.encode.base import ColumnEncoder
from lookalike.encode.category import CategoryEncoder
from lookalike.encode.mixture import Modes
from lookalike.encode.numeric import NumericEncoder
from lookalike.encode.ties.reach import Spans, reach, residuals_near
from lookalike.encode.ties.rules import Rule
from lookalike.schema import EncodedTable, Values

TRIES = 8
"""How often a number is drawn elsewhere in its bin until it lies in the stretch that its row speaks of."""


def choose_values(
    rules: Sequence[Rule],
    encoders: Mapping[str, ColumnEncoder],
    table: EncodedTable,
    drawn: dict[str, Values],
    known: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Draw the decoded values of ``table`` in ``drawn`` again where several share a code: a pooled level, a number in an interval, among those
    that settle the dependent codes which its row has.

    The dependents do not follow yet (:func:`lookalike.encode.ties.settle.follow`). Cells that are ``known`` (n, d) are left alone.
    """
    places = {name: place for place, name in enumerate(encoders)}
    for determinant in dict.fromkeys(rule.determinant for rule in rules):
        own = [rule for rule in rules if rule.determinant == determinant and _tells(encoders[rule.dependent])]
        if own:
            place = places[determinant]
            wanted = table.codes[:, [places[rule.dependent] for rule in own]].T
            cells = _Cells(own, wanted, table.codes[:, place], table.residuals[:, place], drawn[determinant], rng)
            cells.choose(encoders[determinant], ~known[:, place])


def _tells(encoder: ColumnEncoder) -> bool:
    """Whether a code of the column says what a value is: of modes that overlap, either may be a number's."""
    return not (isinstance(encoder, NumericEncoder) and isinstance(encoder.intervals, Modes))


@dataclass(frozen=True)
class _Cells:
    """The cells of a column that settles others, as they were drawn.

    Attributes
    ----------
    rules
        What it settles.
    wanted
        (m, n) the code that each row has of each of their dependents.
    codes, residuals, values
        (n,) the cells, and what they were decoded to, which is changed in place.
    """

    rules: Sequence[Rule]
    wanted: np.ndarray
    codes: np.ndarray
    residuals: np.ndarray
    values: Values
    rng: np.random.Generator

    def choose(self, encoder: ColumnEncoder, free: np.ndarray) -> None:
        """Draw again those of the ``free`` (n,) cells whose code leaves a choice."""
        if isinstance(encoder, CategoryEncoder):
            if len(encoder.pool) and encoder.settings.rare_categories != "hide":
                self._choose_level(encoder, np.flatnonzero(free & encoder.is_pooled(self.codes)))
        elif isinstance(encoder, NumericEncoder):
            rows = np.flatnonzero(free & encoder.column.interval[self.codes] & ~self.values.missing)
            amiss, unknown = self._unfit(rows)
            rows, amiss = rows[amiss | unknown], amiss[amiss | unknown]
            exact = next((rule for rule in self.rules if rule.part is None and not rule.banded), None)
            if exact is not None:
                self._choose_number(encoder, exact, rows, amiss)
            elif all(rule.banded for rule in self.rules):
                self._try_again(encoder, rows)
            else:
                self._choose_date(encoder, rows)

    def _unfit(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(r,) bool: whether a value settles what its row does not say, and whether it may settle nothing that is known."""
        amiss, unknown = np.zeros((2, len(rows)), bool)
        for rule, code in zip(self.rules, self.wanted[:, rows], strict=True):
            level = rule.places(self.values.take(rows))
            amiss |= (level >= 0) & (rule.codes[level] != code)
            unknown |= level < 0
        return amiss, unknown

    def _choose_level(self, encoder: CategoryEncoder, rows: np.ndarray) -> None:
        """A pooled level, by its frequency among those of its pool that fit; where none does, among all that do."""
        order = np.argsort(encoder.pool_of, kind="stable")
        levels = encoder.pool[order]
        offered = np.stack([rule.codes[levels] for rule in self.rules])
        ends = np.append(0, np.cumsum(np.bincount(encoder.pool_of, minlength=encoder.pools)))
        own = self.codes[rows] - encoder.pool_code
        chosen = self._fitting(
            offered, encoder.counts[levels], rows, ends[own], ends[own + 1], partly=np.zeros(len(rows), bool)
        )
        left = np.flatnonzero(chosen < 0)
        anywhere = np.zeros(len(left), np.int64), np.full(len(left), len(levels))
        chosen[left] = self._fitting(offered, encoder.counts[levels], rows[left], *anywhere)
        assert self.values.codes is not None
        self.values.codes[rows[chosen >= 0]] = levels[chosen[chosen >= 0]]

    def _choose_number(self, encoder: NumericEncoder, exact: Rule, rows: np.ndarray, amiss: np.ndarray) -> None:
        """One of the bin's levels, by its frequency."""
        assert exact.levels is not None and exact.counts is not None and self.values.numbers is not None
        enough = exact.counts >= encoder.settings.rare_rows  # what fewer rows have is not given out
        levels = exact.levels[enough]
        first, last = reach(encoder, self.codes[rows], self.residuals[rows])
        low, beyond = np.searchsorted(levels, first), np.searchsorted(levels, last, side="right")
        offered = np.stack([rule.codes_beside(levels) for rule in self.rules])
        # a number that is no level breaks no rule: better that than a level which fits in part
        chosen = self._fitting(offered, exact.counts[enough], rows, low, beyond, partly=amiss)
        self.values.numbers[rows[chosen >= 0]] = levels[chosen[chosen >= 0]]

    def _choose_date(self, encoder: NumericEncoder, rows: np.ndarray) -> None:
        """A day (or hour) of the bin, at the same time of it."""
        finest = min((rule.part for rule in self.rules if rule.part is not None), key=lambda part: part.width)
        spans = Spans.of(encoder, finest)
        if spans is None:
            return
        offered = np.stack([rule.codes_beside(spans.starts) for rule in self.rules])
        seen = np.all(offered >= 0, axis=0).astype(np.int64)  # an hour at which nothing was ever sold is none
        low, last = (spans.place(end) for end in reach(encoder, self.codes[rows], self.residuals[rows]))
        chosen = self._fitting(offered, seen, rows, low, last + 1)
        rows, chosen = rows[chosen >= 0], chosen[chosen >= 0]
        assert self.values.numbers is not None
        moved = spans.moved(self.values.numbers[rows], chosen)
        self.values.numbers[rows] = np.clip(moved, encoder.low, encoder.high)

    def _try_again(self, encoder: NumericEncoder, rows: np.ndarray) -> None:
        """Any number of the bin, or near it in its mode, until it lies in the stretches that the row speaks of."""
        assert self.values.numbers is not None
        for _ in range(TRIES):
            low, high = residuals_near(encoder, self.residuals[rows])
            residuals = low + (high - low) * self.rng.random(len(rows))
            drawn = encoder.decode(self.codes[rows], residuals, self.rng).numbers
            assert drawn is not None
            settled = np.stack([rule.codes_beside(drawn) for rule in self.rules])
            fits = np.all(settled == self.wanted[:, rows], axis=0)
            self.values.numbers[rows[fits]] = drawn[fits]
            rows = rows[~fits]

    def _fitting(
        self,
        offered: np.ndarray,
        weights: np.ndarray,
        rows: np.ndarray,
        low: np.ndarray,
        beyond: np.ndarray,
        *,
        partly: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return (r,) which of L values each row gets, drawn by their ``weights`` (L,) among those that settle what it says.

        Parameters
        ----------
        offered
            (m, L) the codes of the dependents that a value settles.
        low, beyond
            (r,) the first value that may stand in a row, and the first after it that may not.
        partly
            (r,) bool: rows for which, where no value settles all that they say, the dependent of the most codes is let go, or
            another one, then all but those of the fewest; all of them when left out.

        Where nothing fits it is −1.
        """
        found, left = np.full(len(rows), -1), np.arange(len(rows))
        finest_first = sorted(range(len(offered)), key=lambda i: -len(np.unique(offered[i])))
        for kept in _subsets(finest_first):
            keys, asked = keys_of(offered[kept], self.wanted[kept][:, rows[left]])
            order = np.argsort(keys, kind="stable")
            ranks, running = keys[order] * len(keys) + order, np.append(0, np.cumsum(weights[order]))
            first = np.searchsorted(ranks, asked * len(keys) + low[left])
            last = np.searchsorted(ranks, asked * len(keys) + beyond[left])
            whole = running[np.maximum(last, first)] - running[first]
            some = whole > 0
            share = running[first[some]] + self.rng.random(int(some.sum())) * whole[some]
            found[left[some]] = order[np.searchsorted(running, share, side="right") - 1]
            left = left[~some & (True if partly is None else partly[left])]
            if not len(left):
                break
        return found


def _subsets(parts: list[int]) -> Iterator[list[int]]:
    """All, all but one, then ever fewer of the last.

    >>> list(_subsets([2, 0, 1]))
    [[2, 0, 1], [0, 1], [2, 1], [2, 0], [1]]
    """
    yield parts
    if len(parts) > 1:
        yield from ([part for part in parts if part != one] for one in parts)
    yield from (parts[first:] for first in range(2, len(parts)))


def keys_of(offered: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(L,) and (n,) whole numbers, alike where all codes of a column are: of (m, L) and (m, n)."""
    both = np.concatenate([offered, wanted], axis=1).astype(np.int64) + 1
    keys = both[0]
    for codes in both[1:]:
        keys = np.unique(keys * (codes.max(initial=0) + 1) + codes, return_inverse=True)[1]
    return keys[: offered.shape[1]], keys[offered.shape[1] :]
