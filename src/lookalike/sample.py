"""Room 5: rows out of a fitted engine, in batches, to an exact count, under conditions where asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import Field

from lookalike.config import Settings
from lookalike.encode.frame import TableEncoder
from lookalike.errors import SamplingError, SettingsError
from lookalike.model.base import Generator
from lookalike.rng import derive_seed
from lookalike.schema import EncodedTable
from lookalike.schema.encoded import concatenate

BATCH_ROWS = 50_000
"""Rows made at once. Not a setting, because other batches would be other rows."""
LARGEST_DRAW = 8


class SamplingSettings(Settings):
    """How rows are drawn."""

    max_tries_per_batch: int = Field(
        100, ge=1, description="draws a batch may take to fulfil its conditions before it gives up"
    )


def check_rows(rows: int) -> None:
    """Raise unless ``rows`` is a count."""
    if isinstance(rows, bool) or not isinstance(rows, (int, np.integer)) or rows < 0:
        raise SettingsError(f"rows must be a count of 0 or more, however: rows={rows!r}.")


def sample_batches(
    model: Generator,
    encoder: TableEncoder,
    rows: int,
    *,
    seed: int,
    where: Mapping[str, Any] | None = None,
    settings: SamplingSettings | None = None,
) -> Iterator[pa.Table]:
    """Yield tables that together have exactly ``rows`` rows, at memory that does not grow with ``rows``.

    Parameters
    ----------
    where
        Column names to the values they must have. The engine is asked for them, and rows that differ are drawn again,
        a bounded number of times.

    Raises
    ------
    SamplingError
        The condition is met too seldom, or a key has no more values to give.
    """
    check_rows(rows)
    settings = settings or SamplingSettings()
    wanted = {name: encoder.encode_value(name, value) for name, value in (where or {}).items()}
    codes = {place: code for place, code, _ in wanted.values()}
    keys = encoder.key_streams(seed)
    for batch, start in enumerate(range(0, max(rows, 1), BATCH_ROWS)):
        count = min(BATCH_ROWS, rows - start)
        batch_seed = derive_seed(seed, "batch", batch)
        encoded = _draw(model, count, codes, batch_seed, settings.max_tries_per_batch)
        table = encoder.decode(encoded, seed=batch_seed, keys=keys)
        yield _with_values(table, encoder, where or {})


def _draw(model: Generator, rows: int, codes: dict[int, int], seed: int, tries: int) -> EncodedTable:
    if not codes:
        return model.sample(rows, seed=seed)
    kept: list[EncodedTable] = []
    found, drawn = 0, 0
    for attempt in range(tries):
        # as many as the share met so far says are needed, within bounds
        share = max(found / drawn, 1 / LARGEST_DRAW) if drawn else 1.0
        count = min(max(int((rows - found) / share * 1.1), 100), LARGEST_DRAW * BATCH_ROWS)
        table = model.sample(count, seed=derive_seed(seed, "try", attempt), conditions=codes)
        met = np.all([table.codes[:, place] == code for place, code in codes.items()], axis=0)
        kept.append(table.take(np.flatnonzero(met)))
        found, drawn = found + int(met.sum()), drawn + count
        if found >= rows:
            return concatenate(kept).take(np.arange(rows))
    raise SamplingError(
        f"a condition must be met within max_tries_per_batch={tries} draws, however: {found:,} of {rows:,} rows were found in {drawn:,} drawn. "
        "Ask for fewer rows, a more frequent value, or more tries."
    )


def _with_values(table: pa.Table, encoder: TableEncoder, where: Mapping[str, Any]) -> pa.Table:
    """A code may stand for several values (an interval, a pool of rare levels): put in the one that was asked for."""
    for name, value in where.items():
        cell = encoder.cell(name, value)
        column = pa.chunked_array([pa.concat_arrays([cell.take(pa.array(np.zeros(table.num_rows, np.int64)))])])
        place = table.column_names.index(name)
        if not pa.types.is_dictionary(table.schema.field(name).type):
            table = table.set_column(place, name, column.cast(table.schema.field(name).type))
    return table
