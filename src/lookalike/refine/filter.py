"""Keeps drawn rows apart from real ones: no copies, nothing too close to one person, nothing that leans on one.

Distance to closest record (DCR) and nearest-neighbour distance ratio (NNDR), after the challenge pipelines that dropped
rows by them; both in one distance that is written down here.

**The distance** of two rows is the root of the mean of δ² over the columns that are modelled, constant ones and keys left
out. δ is 0 or 1 for labels; for numbers and dates the gap of their mid-ranks among the real rows, "what share of the
real table lies between the two"; 0 where both are missing, 1 where one is. So it lies in [0, 1], and one other label puts
two rows of d columns √(1/d) apart.

A rank, not |Δ| / range: one fortune of 10⁹ makes all other incomes the same income, and the filter would then drop
strangers; clipping the range to inner quantiles instead makes all fortunes the same. Ranks need no clipping, and mean
the same whatever the unit or the skew. The judge counts in ranks, too.

**A crowd singles no one out.** A row with five real rows around it repeats what many share, and dropping it would take
away what is most typical. So a row is never too close, and leans on no one, where at least ``common_rows`` real rows lie
within ``crowd_distance``; and an identical row may come where at least so many real rows are identical to it (the k-rule,
after k-anonymity: Sweeney, 2002), crowd around it or not. With ``crowd_distance = 0`` the k-rule is for identical rows
alone.

**A filter is itself a look at the data.** Which rows are missing tells where real people are: a filtered table has a hole
around every loner. It helps against distances and copies, not against someone who knows of the filter, and it spends
privacy budget that nobody charged: a twin that was fitted under one refuses to be filtered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from lookalike import stats
from lookalike.config import Settings
from lookalike.errors import InputError, SchemaError, SettingsError
from lookalike.neighbours import ONE_HOT, WEIGHT, Rows, greatest, nearness, one_hot
from lookalike.schema import ColumnSpec, Schema, Values, parse

ROUNDING = np.float32(1e-6)
"""A score is a sum of float32; a copy must count as within any distance."""
REASONS = ("kept", "identical", "too close", "leans on one")


class FilterSettings(Settings):
    """How far from real rows drawn rows must stay."""

    min_distance: float = Field(0.05, ge=0, le=1, description="least distance to the nearest real row (DCR)")
    min_ratio: float = Field(0.5, ge=0, le=1, description="least ratio of the nearest to the next real row (NNDR)")
    common_rows: int = Field(
        stats.FEW_PEOPLE, ge=1, description="what so many real rows share singles no one out (the k-rule)"
    )
    crowd_distance: float = Field(0.05, ge=0, le=1, description="so near, real rows count as shared; 0: if identical")

    @model_validator(mode="after")
    def _spares_something(self) -> FilterSettings:
        """What may lie near real rows, and lean on one, needs no crowd to be spared."""
        if self.min_distance == self.min_ratio == 0 and "crowd_distance" in self.changed:
            raise SettingsError(
                f"crowd_distance spares rows from min_distance and min_ratio, however: crowd_distance={self.crowd_distance:g} and both of those "
                "are 0. Raise one of them, or leave it out."
            )
        return self


@dataclass(frozen=True)
class Nearest:
    """How rows lie to the real ones.

    Attributes
    ----------
    distance
        (n,) float64 in [0, 1], to the nearest real row.
    ratio
        (n,) float64 in [0, 1], that over the distance to the next one; 1 where both are 0, or where there is no next one.
    within
        (n,) real rows at most ``crowd_distance`` away.
    identical
        (n,) real rows that are equal in every cell.
    """

    distance: np.ndarray
    ratio: np.ndarray
    within: np.ndarray
    identical: np.ndarray


@dataclass(frozen=True)
class _Cells:
    """Rows, column by column: ranks (n, p) with NaN for missing; label codes (l, n); (n, d) codes equal where cells are."""

    ranks: np.ndarray
    codes: np.ndarray
    identities: np.ndarray


class Filter:
    """Tells which rows of a table keep their distance from real ones.

    Parameters
    ----------
    real
        (m, …) the rows to stay apart from. They are held, coded, as long as the filter lives, and never written.
    schema
        Says which columns count and how they read: all that are modelled, but constant ones and free text.

    Attributes
    ----------
    dropped
        Reason → rows, over all calls of :meth:`keep`; ``seen`` counts the rows that were looked at.

    Raises
    ------
    InputError, SchemaError
        There are no real rows, no columns to compare, or a column is lacking or does not fit its spec.

    >>> real = pa.table({"colour": ["red"] * 9 + ["blue"], "size": list(range(9)) + [100]})
    >>> spec = [ColumnSpec(name="colour", kind="category"), ColumnSpec(name="size", kind="integer", storage="int64")]
    >>> apart = Filter(real, Schema(spec), FilterSettings(common_rows=2))
    >>> apart.keep(pa.table({"colour": ["blue", "red", "blue"], "size": [100, 100, 101]})).tolist()
    [False, True, False]
    >>> apart.dropped
    {'identical': 1, 'too close': 1, 'leans on one': 0}
    """

    def __init__(self, real: pa.Table, schema: Schema, settings: FilterSettings | None = None) -> None:
        self.settings = settings or FilterSettings()
        self.specs = [spec for spec in schema.modelled if spec.kind not in ("text", "constant")]
        if real.num_rows == 0:
            raise InputError("a filter needs real rows to stay apart from, however: the table has none.")
        if not self.specs:
            raise SchemaError("a filter needs columns to compare, however: all are keys, constant, dropped or text.")
        self.seen = 0
        self.dropped = dict.fromkeys(REASONS[1:], 0)
        known = [(spec, _values(real, spec)) for spec in self.specs]
        # the numbers in order, each as often as it occurs; the labels without "missing"
        self._numbers = {spec.name: np.sort(values.present) for spec, values in known if spec.numeric}
        self._levels = {spec.name: _vocabulary(values) for spec, values in known if values.levels is not None}
        self._cells = self._code(dict(zip(self.specs, [values for _, values in known], strict=True)))
        self._rows = self._axes(self._cells, references=True)
        self._keys, self._times = np.unique(stats.whole_rows(self._cells.identities), return_counts=True)

    @property
    def name(self) -> str:
        """What it checks and has turned down so far, for :func:`lookalike.refine.refill`."""
        counts = self.dropped
        return (
            f"staying apart from real rows: {counts['identical']:,} identical (common_rows={self.settings.common_rows}), "
            f"{counts['too close']:,} too close (min_distance={self.settings.min_distance:g}), "
            f"{counts['leans on one']:,} leaning on one (min_ratio={self.settings.min_ratio:g})"
        )

    @property
    def told(self) -> dict[str, Any]:
        """Settings and counts, for a report."""
        return {**self.settings.model_dump(), "rows looked at": self.seen, **self.dropped}

    @property
    def words(self) -> str:
        """What was dropped and why, in a sentence."""
        counts, rules = self.dropped, self.settings
        return (
            f"of {self.seen:,} rows that were drawn, {sum(counts.values()):,} were sent back and drawn again: "
            f"{counts['identical']:,} identical to a real row that fewer than {rules.common_rows} people share, "
            f"{counts['too close']:,} closer than {rules.min_distance:g} to one, {counts['leans on one']:,} leaning on one person "
            f"(under {rules.min_ratio:g} of the distance to the next)"
        )

    def keep(self, table: pa.Table) -> np.ndarray:
        """(n,) bool: True for rows that may stay; what was dropped is added to :attr:`dropped`."""
        reasons = self.reasons(table)
        self.seen += len(reasons)
        for code, reason in enumerate(REASONS[1:], start=1):
            self.dropped[reason] += int((reasons == code).sum())
        return np.asarray(reasons == 0)

    def reasons(self, table: pa.Table) -> np.ndarray:
        """(n,) int8 into :data:`REASONS`: the first rule that a row breaks, 0 for none."""
        found, rules = self.measure(table), self.settings
        crowd = found.identical >= rules.common_rows
        if rules.crowd_distance > 0:
            crowd |= (found.identical == 0) & (found.within >= rules.common_rows)
        broken = [found.identical > 0, found.distance < rules.min_distance, found.ratio < rules.min_ratio]
        return np.where(crowd, 0, np.select(broken, [1, 2, 3], 0)).astype(np.int8)

    def measure(self, table: pa.Table) -> Nearest:
        """Distances to the real rows; a block at a time, so at memory that does not grow with n·m."""
        cells = self._code({spec: _values(table, spec) for spec in self.specs})
        queries, count = self._axes(cells, references=False), len(cells.identities)
        places, within = np.zeros((count, 2), np.int64), np.zeros(count, np.int64)
        # δ² summed is |q|² − 2 · score, so whatever scores at least this lies within the distance
        least = (queries.squares - np.float32(self.settings.crowd_distance**2 * len(self.specs))) / 2 - ROUNDING
        for block, scores in nearness(queries, self._rows):
            near = block.start + np.flatnonzero(scores.max(axis=1) >= least[block])
            within[near] = [np.count_nonzero(scores[row - block.start] >= least[row]) for row in near]
            places[block] = greatest(scores, 2)
        # recomputed one by one: a score is rounded, a copy is at 0
        apart = np.sort(np.stack([self._distance(cells, places[:, place]) for place in range(2)], axis=1), axis=1)
        nearest, following = apart.T
        ratio = np.divide(nearest, following, out=np.ones(count), where=following > 0)
        return Nearest(nearest, ratio, within, self._identical(cells))

    def _distance(self, cells: _Cells, places: np.ndarray) -> np.ndarray:
        """The distance as defined, from each row to one real row: (n,)."""
        other = self._cells
        gaps = np.abs(cells.ranks - other.ranks[places])
        one_missing = np.isnan(cells.ranks) != np.isnan(other.ranks[places])
        gaps = np.where(one_missing, 1.0, np.nan_to_num(gaps))
        unequal = (cells.codes != other.codes[:, places]).sum(axis=0)
        return np.asarray(np.sqrt(((gaps**2).sum(axis=1) + unequal) / len(self.specs)))

    def _identical(self, cells: _Cells) -> np.ndarray:
        places = stats.places_among(stats.whole_rows(cells.identities), self._keys)
        return np.where(places >= 0, self._times[places], 0)

    def _code(self, columns: dict[ColumnSpec, Values]) -> _Cells:
        ranks, codes, identities = [], [], []
        for spec, values in columns.items():
            if values.numbers is not None:
                known = self._numbers[spec.name]
                ranks.append(np.where(values.missing, np.nan, stats.mid_ranks(values.numbers, known)))
                identities.append(_identities(values, known))
                continue
            codes.append(_label_codes(values, self._levels[spec.name]))
            identities.append(codes[-1])
        rows = len(identities[0])
        return _Cells(
            np.stack(ranks, axis=1) if ranks else np.zeros((rows, 0)),
            np.stack(codes) if codes else np.zeros((0, rows), np.int32),
            np.stack(identities, axis=1),
        )

    def _axes(self, cells: _Cells, *, references: bool) -> Rows:
        """Rows whose product tells the distance, by :func:`lookalike.neighbours.nearness`.

        Missing against a rank r (from −½ to ½) must count 1, where squares alone would make it r². So a number has two axes
        more, on which the one side says "missing" and the other what lacks, (1 − r²) / 2, and the other way round.
        """
        centred = np.nan_to_num(cells.ranks - 0.5)
        missing = np.isnan(cells.ranks).astype(np.float64)
        lacks = (1 - missing) * (1 - centred**2)
        sides = (-lacks / 2, -missing / 2) if references else (missing, lacks)
        sizes = [len(levels) + 2 for levels in self._levels.values()]
        hot = [one_hot(codes, size) for codes, size in zip(cells.codes, sizes, strict=True) if size <= ONE_HOT]
        many = [place for place, size in enumerate(sizes) if size > ONE_HOT]
        squares = (centred**2).sum(axis=1) + float(WEIGHT) * len(sizes)
        dense = np.concatenate([centred, *sides, *hot], axis=1, dtype=np.float32)
        narrow = np.uint16 if all(size < 2**16 for size in sizes) else np.int32
        return Rows(dense, cells.codes[many].astype(narrow), squares.astype(np.float32))


def _values(table: pa.Table, spec: ColumnSpec) -> Values:
    if table.column_names.count(spec.name) != 1:
        raise SchemaError(
            f"a filter compares every modelled column, however: {spec.name!r} stands in a table "
            f"{table.column_names.count(spec.name)} times. Give tables of the same schema."
        )
    return parse(table.column(spec.name), spec)


def _vocabulary(values: Values) -> pa.Array:
    assert values.levels is not None
    return pc.unique(values.levels).drop_null()


def _label_codes(values: Values, vocabulary: pa.Array) -> np.ndarray:
    """(n,) int32: the place in the vocabulary; behind it "missing", and then what no real row holds."""
    codes = values.codes_in(vocabulary)
    lacking = np.where(values.missing, len(vocabulary), len(vocabulary) + 1)
    return np.where(codes < 0, lacking, codes).astype(np.int32)


def _identities(values: Values, known: np.ndarray) -> np.ndarray:
    """(n,) int32: where a number first stands among the known ones; −1 for missing, −2 for what no real row holds."""
    places = stats.places_among(values.as_numbers, known)
    return np.where(values.missing, -1, np.where(places >= 0, places, -2)).astype(np.int32)
