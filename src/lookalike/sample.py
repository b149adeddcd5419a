"""Room 5: rows out of a fitted engine, in batches, to an exact count, under conditions where asked."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from lookalike.config import Settings
from lookalike.encode.frame import TableEncoder
from lookalike.encode.holes import (
    TRIES_BESIDE_KNOWN,
    encode_known,
    unknown_cells,
    with_held,
    with_lacking,
    with_rows,
    with_solved,
    with_told,
)
from lookalike.encode.known import Known
from lookalike.errors import LookalikeWarning, SamplingError, SettingsError
from lookalike.model.base import Generator
from lookalike.model.rejection import draw_meeting
from lookalike.rng import derive_seed, generator
from lookalike.schema import EncodedTable
from lookalike.schema.encoded import concatenate
from lookalike.schema.values import spelled_like, whose

BATCH_ROWS = 50_000
"""Rows made at once. Not a setting, because other batches would be other rows."""
LARGEST_DRAW, SMALLEST_LIMIT = 8, 20_000
"""Rows drawn at once under a condition are no more than so many times those wanted, or than the second where that is more."""
NEVER_MET, ROWS_A_ROW = 100_000, 5
"""A condition that none of so many rows meets, nor of so many for each row learned from, is given up: it is rarer than any row of the table."""

MOST_LEVELS = 50
"""A column of more codes is not balanced or decorrelated code by code."""
PILOT_ROWS = 10_000
"""Rows drawn first to see how frequent codes are."""


class SamplingSettings(Settings):
    """How rows are drawn."""

    max_tries_per_batch: int = Field(
        100, ge=1, description="draws a batch may take to fulfil its conditions before it gives up"
    )


def check_rows(rows: int, fewest: int = 0) -> None:
    """Raise unless ``rows`` is a count."""
    if isinstance(rows, bool) or not isinstance(rows, (int, np.integer)) or rows < fewest:
        raise SettingsError(f"rows must be a count of {fewest} or more, however: rows={rows!r}.")


@dataclass(frozen=True)
class Quota:
    """A share of the rows that all have the same codes in some columns (positions to codes)."""

    share: float
    codes: dict[int, int]


class Sampler:
    """Draws rows of a fitted engine under what was asked for, and turns them into cells.

    Parameters
    ----------
    where
        Column names to the values they must have. The engine is asked for them, and rows that differ are drawn again,
        a bounded number of times.
    balance
        A column whose levels all become equally frequent (missing cells left out).
    decorrelate
        Two columns drawn independently of each other, each as frequent as ever; all else follows from both, and so still tells of each.
    temperature
        Below 1 frequent values become more frequent, above 1 rare ones do.
    learned
        How many rows were learned from.

    Raises
    ------
    SettingsError
        A column has too many levels for what is asked, or the engine knows no temperature.
    """

    def __init__(
        self,
        model: Generator,
        encoder: TableEncoder,
        *,
        seed: int,
        where: Mapping[str, Any] | None = None,
        balance: str | None = None,
        decorrelate: tuple[str, str] | None = None,
        temperature: float = 1.0,
        settings: SamplingSettings | None = None,
        learned: int = 0,
    ) -> None:
        check_temperature(model.tempered, temperature)
        self.model, self.encoder, self.temperature = model, encoder, temperature
        self.tries = (settings or SamplingSettings()).max_tries_per_batch
        self.where = dict(where or {})
        fixed = {place: code for item in self.where.items() for place, code in encoder.codes_asked(*item).items()}
        self.patience = max(NEVER_MET, ROWS_A_ROW * learned)
        self._quotas = _quotas(model, encoder, fixed, balance, decorrelate, seed)
        self._keys = encoder.keys.streams(seed)
        self._firm = [name for name in (balance, *(decorrelate or ()), *self.where) if name is not None]

    @property
    def plain(self) -> bool:
        """Whether nothing was asked for: rows are as frequent as they were learned."""
        return self.temperature == 1 and len(self._quotas) == 1 and not self._quotas[0].codes

    def sizes(self, rows: int) -> list[int]:
        """How many of so many rows each part has: each level of a balanced column, each pair of two that are decorrelated."""
        shares = np.cumsum([quota.share for quota in self._quotas])
        return np.diff(np.rint(shares / shares[-1] * rows).astype(int), prepend=0).tolist()

    def draw(self, sizes: Sequence[int], seed: int) -> tuple[EncodedTable, np.ndarray]:
        """Draw exactly so many rows of each part, mixed; and (n,) which part each is of.

        Raises
        ------
        SamplingError
            The condition is met too seldom, or contradicts a rule that every row keeps.
        """
        if len(sizes) == 1:
            return self._draw(sizes[0], self._quotas[0].codes, seed), np.zeros(sizes[0], int)
        parts = [
            self._draw(count, quota.codes, derive_seed(seed, "quota", place))
            for place, (quota, count) in enumerate(zip(self._quotas, sizes, strict=True))
        ]
        order = generator(seed, "mix").permutation(sum(sizes))
        return concatenate(parts).take(order), np.repeat(np.arange(len(sizes)), sizes)[order]

    def _draw(self, rows: int, codes: dict[int, int], seed: int) -> EncodedTable:
        """Draw rows that have these codes."""
        if not codes or not rows:
            return self.encoder.ties.settle(self.model.sample(rows, seed=seed, temperature=self.temperature))
        self.encoder.ties.check_together(codes)

        def draw(count: int, attempt: int) -> EncodedTable:
            seed_of_try = derive_seed(seed, "try", attempt)
            made = self.model.sample(count, seed=seed_of_try, conditions=codes, temperature=self.temperature)
            return self.encoder.ties.settle(made)

        most = max(LARGEST_DRAW * rows, SMALLEST_LIMIT)
        drawn = draw_meeting(draw, codes, rows, tries=self.tries, most=most, patience=self.patience, all_or_none=True)
        if not len(drawn.met) and drawn.rows >= self.patience:
            raise SamplingError(
                f"a condition is one that some row meets, however: none of {drawn.rows:,} drawn did, which is rarer than any row learned from. "
                "Ask for a more frequent value, or for fewer columns at once."
            )
        if len(drawn.met) < rows:
            raise SamplingError(
                f"a condition must be met within max_tries_per_batch={self.tries} draws, however: {len(drawn.met):,} of {rows:,} rows were "
                f"found in {drawn.rows:,} drawn. Ask for fewer rows or a more frequent value, or take more tries (max_tries_per_batch)."
            )
        return drawn.met.take(np.arange(rows))

    def cells(self, encoded: EncodedTable, seed: int) -> pa.Table:
        """Return rows as cells, without keys: those are given out last, to rows that stay, but for those that rows share."""
        return self.encoder.cells(encoded, seed=seed, where=self.where, keys=self._keys, firm=self._firm)

    def with_keys(self, table: pa.Table) -> pa.Table:
        """Return the rows with the next keys, in the order of real ones; a SamplingError where a key has no more values to give."""
        return self.encoder.finished(table, self._keys, self._firm)


def batch_sizes(rows: int) -> list[int]:
    """How many rows each batch has: none of nothing has one batch, too, so that its columns are there."""
    check_rows(rows)
    return [min(BATCH_ROWS, rows - start) for start in range(0, max(rows, 1), BATCH_ROWS)]


def check_temperature(tempered: bool | None, temperature: float) -> None:
    """Raise unless an engine can draw at this temperature; ``tempered`` as every :class:`Generator` says it."""
    if not temperature > 0:
        raise SettingsError(
            f"temperature must be above 0, however: temperature={temperature}. 1 leaves all as learned."
        )
    if temperature != 1 and tempered is False:
        raise SettingsError(
            f"temperature needs a net, however: temperature={temperature} and trees, copula or marginals draw these rows, or some of them. "
            "Leave it at 1, or fit with engine='autoregressive'."
        )


def _quotas(
    model: Generator,
    encoder: TableEncoder,
    fixed: dict[int, int],
    balance: str | None,
    decorrelate: tuple[str, str] | None,
    seed: int,
) -> list[Quota]:
    """Return which share of the rows is to have which codes."""
    if balance is None and decorrelate is None:
        return [Quota(1.0, fixed)]
    if balance is not None and decorrelate is not None:
        raise SettingsError(
            "balance and decorrelate both say how frequent rows are, however: both were given. Give one."
        )
    if decorrelate is not None and (isinstance(decorrelate, str) or len(decorrelate) != 2):
        raise SettingsError(
            f"decorrelate takes two columns, however: decorrelate={decorrelate!r}. Give two names: ('sex', 'income')."
        )
    if decorrelate is not None and decorrelate[0] == decorrelate[1]:
        raise SettingsError(f"decorrelate names two columns, however: {decorrelate[0]!r} stands twice. Name another.")
    names = decorrelate if balance is None else (balance,)
    places = [_place(encoder, name, fixed, "balance" if balance is not None else "decorrelate") for name in names or ()]
    pilot = encoder.ties.settle(model.sample(PILOT_ROWS, seed=derive_seed(seed, "pilot"))).codes
    shares = [
        np.bincount(pilot[:, place], minlength=encoder.columns[place].cardinality) / PILOT_ROWS for place in places
    ]
    if balance is not None:
        missing = list(encoder.encoders.values())[places[0]].missing
        levels = [int(code) for code in np.flatnonzero(shares[0]) if code != missing]
        absent = len(shares[0]) - (missing is not None) - len(levels)
        if not levels:
            raise SettingsError(f"balance makes a column's values equally frequent, however: {balance!r} has none.")
        if absent:
            warnings.warn(
                f"balance makes all values of {balance!r} equally frequent that come in {PILOT_ROWS:,} rows, however: {absent} did not, and are left out.",
                LookalikeWarning,
                stacklevel=4,
            )
        return [Quota(1 / len(levels), fixed | {places[0]: code}) for code in levels]
    first, second = shares
    return [
        Quota(float(first[a] * second[b]), fixed | {places[0]: int(a), places[1]: int(b)})
        for a in np.flatnonzero(first)
        for b in np.flatnonzero(second)
    ]


def _place(encoder: TableEncoder, name: str, fixed: dict[int, int], what: str) -> int:
    if name in encoder.tied:
        raise SettingsError(
            f"{what} names a column that is modelled as it is, however: {name!r} follows from others by a constraint "
            f"({encoder.tied[name]}). Name another, or fit without the constraint (keep_rules=False where it was found)."
        )
    if name not in encoder.encoders:
        known = ", ".join(encoder.encoders)
        raise SettingsError(f"{what} names a modelled column, however: {name!r} is none. Columns: {known}.")
    place = list(encoder.encoders).index(name)
    if place in fixed:
        raise SettingsError(f"{what} and a condition exclude each other, however: both name column {name!r}. Drop one.")
    codes = encoder.columns[place].cardinality
    if codes > MOST_LEVELS:
        raise SettingsError(
            f"{what} needs a column of at most {MOST_LEVELS} levels, however: column {name!r} has {codes} codes. Name another."
        )
    return place


def _beside(model: Generator, encoder: TableEncoder, known: Known, *, seed: int, gaps: bool) -> EncodedTable:
    """Draw what is not known beside what is; nothing of it missing, unless it may have ``gaps``."""
    codes = {place: one.missing for place, one in enumerate(encoder.encoders.values())}
    barred = {place: code for place, code in codes.items() if not gaps and code is not None}
    settled = encoder.ties.settle(
        model.complete(known.encoded, known.codes, seed=seed, barred=barred), known.codes, gaps=gaps
    )
    rows = encoder.ties.at_odds(settled, known.codes, gaps=gaps)
    for attempt in range(TRIES_BESIDE_KNOWN):
        if not len(rows):
            break
        given, there = known.encoded.take(rows), known.codes[rows]
        again = model.complete(given, there, seed=derive_seed(seed, "again", attempt), barred=barred)
        again = encoder.ties.settle(again, there, gaps=gaps)
        settled.codes[rows], settled.residuals[rows] = again.codes, again.residuals
        rows = rows[encoder.ties.at_odds(again, there, gaps=gaps)]
    return settled


def complete(
    model: Generator,
    encoder: TableEncoder,
    table: pa.Table,
    *,
    fill: bool,
    seed: int,
    broken: Callable[[pa.Table, Mapping[str, np.ndarray]], np.ndarray],
) -> pa.Table:
    """Return the table with its unknown cells drawn given the known ones of the same row, which come back as they are.

    A row in which something is drawn that settles another thing than is known there is drawn again, a few times; then what settles it is
    chosen to fit. A cell that a formula settles by its result and all its other parts is computed. What is a key's, in rows that share one,
    is the same in all of them: as it is known, or as it was drawn for the first.

    Parameters
    ----------
    fill
        Missing cells are drawn (and never come out missing again); otherwise they count as known, and only the columns
        that the table lacks are drawn.
    broken
        Of a completed table, and (n,) bool by column which cells were drawn: (n,) bool which rows break a rule by those. They are completed again, a few
        times.

    Raises
    ------
    SettingsError
        The engine cannot condition on any columns whatever.
    SchemaError, InputError
        A column has another type, or a cell holds what the column cannot. (A label never seen stays, with a warning, and is not heeded.)
    """
    done, drawn, unseen = _completed(model, encoder, table, fill=fill, seed=seed)
    if unseen:
        cells = ", ".join(f"{count:,} of column {name!r}" for name, count in unseen.items())
        warnings.warn(
            f"cells are drawn given labels that were learned, however: some cells hold others ({cells}). They stay as they are, and their rows "
            "are completed without them; fit again with such rows to have them heeded.",
            LookalikeWarning,
            stacklevel=5,
        )
    owners = whose(table, encoder.schema.kept)
    for attempt in range(TRIES_BESIDE_KNOWN):
        rows = broken(done, drawn)
        if owners is not None:  # what is a key's is the same in all of its rows
            rows |= np.isin(owners, np.setdiff1d(owners[rows], [0]))
        if not rows.any():
            break
        again = derive_seed(seed, "broken", attempt)
        part = _completed(model, encoder, table.filter(pa.array(rows)), fill=fill, seed=again)[0]
        keys = {spec.name: done.column(spec.name) for spec in encoder.schema.kept if spec.kind == "key"}
        done = with_rows(done, part, np.flatnonzero(rows))
        for name, column in keys.items():
            done = done.set_column(done.column_names.index(name), name, column)
    return done


def _completed(
    model: Generator, encoder: TableEncoder, table: pa.Table, *, fill: bool, seed: int
) -> tuple[pa.Table, dict[str, np.ndarray], dict[str, int]]:
    """The table completed once, (n,) bool by column which cells were drawn, and how many cells of each hold labels never learned."""
    lacking = [spec.name for spec in encoder.schema.modelled if spec.name not in table.column_names]
    table = with_lacking(encoder, with_held(encoder, table) if fill else table)
    open_to = table.column_names if fill else lacking

    before = unknown_cells(encoder, table, open_to)

    def draw(known: Known, seed: int) -> EncodedTable:
        return _beside(model, encoder, known, seed=seed, gaps=False)

    table = with_solved(encoder, table, open_to)
    table = with_solved(encoder, with_told(encoder, table, open_to, derive_seed(seed, "told"), draw), open_to)
    known = encode_known(encoder, table, open_to=open_to, seed=seed)
    drawn = encoder.decode(_beside(model, encoder, known, seed=seed, gaps=not fill), seed=seed, given=known)
    columns = {}
    for name in drawn.column_names:
        if name not in table.column_names or (name in lacking and not known.cells[name].any()):
            columns[name] = drawn.column(name)
        elif name not in known.cells or known.cells[name].all():
            columns[name] = table.column(name)
        else:
            kept, there = encoder.in_type(table, name), pa.array(known.cells[name])
            made = spelled_like(drawn.column(name).combine_chunks(), kept.filter(there), encoder.schema[name])
            columns[name] = pc.if_else(there, kept, made)
    return pa.table(columns), before, known.unseen
