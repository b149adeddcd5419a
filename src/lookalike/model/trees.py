"""Honest trees: column after column, each drawn given those before it (in the way of synthpop, Nowok et al. 2016,
doi 10.18637/jss.v074.i11).

NOTE[DIFF]: synthpop draws a real value out of a leaf, and the leaf is made of the rows that shaped it. Here splits and
leaves come from different rows, a leaf is a smoothed distribution over codes, and inside an interval a number is drawn
anew, so that no number is copied unless it is a spike. Leaves that count the rows that shaped them had a held-out loss of
32.5 nats a row on shoppers instead of 29.6, and three times the gap to the training loss.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from lookalike.errors import LookalikeWarning
from lookalike.model.base import EngineSettings, Generator, not_fitted
from lookalike.model.counts.forest import Forest, Growth, grow, starts_of
from lookalike.model.intervals import with_residuals
from lookalike.rng import generator
from lookalike.run import Run
from lookalike.schema.encoded import EncodedColumn, EncodedTable

MANY_ROWS = 50_000
SMALL_TABLE, LEAST_ROWS_SMALL, LEAST_ROWS = 3_000, 20, 10
OVERSAMPLED = 4
"""Rows begun for each row of a condition, of which those that go well with it are kept."""
HURRIED_ROWS, HURRIED_DEPTH = 2_000, 4
"""When time is up: what the remaining columns are learned from, and how many splits deep."""


class TreesSettings(EngineSettings):
    """Settings of the engine trees."""

    chains: int = Field(4, ge=1, le=64, description="orders of the columns; every row is drawn in one of them")
    trees: int = Field(6, ge=1, le=256, description="trees a column and chain; their distributions are averaged")
    min_leaf: int | None = Field(
        None,
        ge=2,
        description="rows a leaf holds at least: fewer change nothing; 10, or 20 in tables of under 3,000 rows",
    )
    structure: float = Field(
        0.4,
        gt=0,
        lt=1,
        description="share of rows that decide where a tree splits; the others are counted in its leaves",
    )
    strength: float = Field(
        2.0,
        gt=0,
        description="rows' worth of belief in the distribution one split up: more is smoother and remembers less",
    )
    growth: float = Field(2.0, ge=1, description="how much stronger that belief is at each finer level of a number")

    def least_rows(self, rows: int) -> int:
        """Return the rows a leaf holds at least in a table of ``rows``. In a small table each row weighs more, and what larger
        leaves blur is less."""
        return self.min_leaf or (LEAST_ROWS_SMALL if rows < SMALL_TABLE else LEAST_ROWS)


@dataclass(frozen=True)
class Chain:
    """One order of the columns (d,) and, for each in this order, its forest given those before it."""

    order: list[int]
    forests: list[Forest]

    def draw(
        self, columns: tuple[EncodedColumn, ...], rows: int, rng: np.random.Generator, conditions: Mapping[int, int]
    ) -> np.ndarray:
        """Return codes (rows, d).

        Under conditions more rows are begun than asked for; at a column with a condition those go on that make the code
        likely, by chance in proportion to its probability. So all rows meet the conditions, and as more rows are begun
        their distribution nears the conditional one.
        """
        left = sum(column in conditions for column in self.order)
        codes = np.zeros((rows * (OVERSAMPLED if left else 1), len(columns)), np.int32)
        for place, (column, forest) in enumerate(zip(self.order, self.forests, strict=True)):
            before = self.order[:place]
            given, starts = codes[:, before], starts_of([columns[j] for j in before])
            if column not in conditions:
                codes[:, column] = forest.draw(given, starts, rng)
                continue
            left -= 1
            likely = forest.probabilities(given, starts, np.full(len(codes), conditions[column]))
            codes = codes[_chosen(likely, len(codes) if left else rows, rng)]
            codes[:, column] = conditions[column]
        return codes

    def likelihood(self, columns: tuple[EncodedColumn, ...], codes: np.ndarray) -> np.ndarray:
        """Return the logarithm of the probability of each row (n,) of codes (n, d)."""
        total = np.zeros(len(codes))
        for place, (column, forest) in enumerate(zip(self.order, self.forests, strict=True)):
            before = self.order[:place]
            starts = starts_of([columns[j] for j in before])
            with np.errstate(divide="ignore"):
                total += np.log(forest.probabilities(codes[:, before], starts, codes[:, column]))
        return total


def _chosen(weights: np.ndarray, rows: int, rng: np.random.Generator) -> np.ndarray:
    """Return (rows,) indices, in order, each about as often as its weight says (systematic resampling).

    >>> _chosen(np.array([0.0, 3.0, 1.0]), 4, np.random.default_rng(0)).tolist()
    [1, 1, 1, 2]
    """
    if not weights.sum():
        return np.arange(rows) % max(len(weights), 1)
    below = np.cumsum(weights) / weights.sum()
    return np.minimum(np.searchsorted(below, (np.arange(rows) + rng.random()) / max(rows, 1)), len(weights) - 1)


class Trees(Generator):
    """The engine trees. Under conditions it draws rows that meet them all."""

    Settings: ClassVar[type[EngineSettings]] = TreesSettings
    intervals: ClassVar[Literal["modes", "quantiles"]] = "quantiles"
    settings: TreesSettings

    def __init__(self, settings: EngineSettings | None = None) -> None:
        super().__init__(settings)
        self._columns: tuple[EncodedColumn, ...] = ()
        self._chains: list[Chain] = []

    @classmethod
    def check(cls, settings: EngineSettings, rows: int) -> None:
        assert isinstance(settings, TreesSettings)
        if rows > MANY_ROWS:
            warnings.warn(
                f"trees suit tables of up to {MANY_ROWS:,} rows, however: rows={rows:,}. Expect minutes and a large file, or take another engine.",
                LookalikeWarning,
                stacklevel=3,
            )
        least = settings.least_rows(rows)
        if rows < 4 * least:
            warnings.warn(
                f"trees need four leaves' worth of rows to split, however: min_leaf={least} and rows={rows}. Columns will be independent.",
                LookalikeWarning,
                stacklevel=3,
            )

    def fit(self, table: EncodedTable, *, seed: int, run: Run) -> None:
        self._columns, self._chains = table.columns, []
        cut_short: list[str] = []
        settings, total = self.settings, self.settings.chains * len(table.columns)
        for number in range(settings.chains):
            rng = generator(seed, "chain", number)
            order, forests = _order(table.columns, number, rng), []
            for place, column in enumerate(order):
                if run.out_of_time and number:
                    break
                hurry = run.out_of_time
                if hurry:
                    cut_short.append(table.columns[column].name)
                forests.append(_forest(table, order[:place], column, settings, rng, hurry=hurry))
                run.show("growing", number * len(order) + place + 1, total)
            if len(forests) < len(order):
                break
            self._chains.append(Chain(order, forests))
        run.notes["trees"] = {"chains": len(self._chains), "of": settings.chains, "cut_short": cut_short}

    def sample(
        self, rows: int, *, seed: int, conditions: Mapping[int, int] | None = None, temperature: float = 1.0
    ) -> EncodedTable:
        columns, rng, conditions = self._known, generator(seed, "sample"), conditions or {}
        if conditions:  # the fewer columns before the conditions, the better what is drawn
            chains = [min(self._chains, key=lambda chain: max(map(chain.order.index, conditions)))]
        else:
            chains = self._chains
        owner = rng.integers(len(chains), size=rows)
        codes = np.zeros((rows, len(columns)), np.int32)
        for number, chain in enumerate(chains):
            mine = np.flatnonzero(owner == number)
            codes[mine] = chain.draw(columns, len(mine), rng, conditions)
        return with_residuals(columns, codes, rng)

    def likelihood(self, table: EncodedTable) -> np.ndarray:
        """Return the logarithm of the probability of the codes of each row (n,): on rows kept back it tells how well the
        table was learned, and how much less it is there than on the rows learned from tells how much was memorised."""
        columns = self._known
        each = [chain.likelihood(columns, table.codes) for chain in self._chains]
        return np.asarray(np.logaddexp.reduce(each, axis=0) - np.log(len(each)))

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        _ = self._known
        arrays = {
            f"{number}.{place}.{name}": array
            for number, chain in enumerate(self._chains)
            for place, forest in enumerate(chain.forests)
            for name, array in forest.arrays().items()
        }
        return {"orders": [chain.order for chain in self._chains]}, arrays

    @classmethod
    def from_state(
        cls,
        columns: tuple[EncodedColumn, ...],
        settings: EngineSettings,
        state: dict[str, Any],
        arrays: dict[str, np.ndarray],
    ) -> Trees:
        engine = cls(settings)
        engine._columns = columns
        names = [field.name for field in fields(Forest)]
        for number, order in enumerate(state["orders"]):
            forests = [
                Forest(**{name: arrays[f"{number}.{place}.{name}"] for name in names}) for place in range(len(order))
            ]
            engine._chains.append(Chain(list(order), forests))
        return engine

    @property
    def _known(self) -> tuple[EncodedColumn, ...]:
        if not self._chains:
            raise not_fitted("trees")
        return self._columns


def _order(columns: tuple[EncodedColumn, ...], number: int, rng: np.random.Generator) -> list[int]:
    """The first chain goes from few codes to many, the second back, the others at random: mixed they are better than any
    alone."""
    few_first = np.argsort([column.cardinality for column in columns], kind="stable")
    return [int(j) for j in (few_first, few_first[::-1], rng.permutation(len(columns)))[min(number, 2)]]


def _forest(
    table: EncodedTable,
    before: list[int],
    column: int,
    settings: TreesSettings,
    rng: np.random.Generator,
    *,
    hurry: bool,
) -> Forest:
    least_rows = settings.least_rows(len(table))
    if hurry:
        table = table.take(np.sort(rng.permutation(len(table))[:HURRIED_ROWS]))
    growth = Growth(
        trees=1 if hurry else settings.trees,
        least_rows=least_rows,
        structure=settings.structure,
        strength=settings.strength,
        growth=settings.growth,
        depth=HURRIED_DEPTH if hurry else None,
    )
    given = [table.columns[j] for j in before]
    return grow(table.codes[:, before], given, table.codes[:, column], table.columns[column], growth, rng)
