"""Rows to learn from, and rows kept back to measure with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lookalike import noise
from lookalike.errors import PrivacyError
from lookalike.preparing import check_names, derived, like
from lookalike.rng import generator
from lookalike.run import CODES, COINS, Run
from lookalike.schema import ColumnSpec, Schema
from lookalike.schema.public import as_declared, misfits
from lookalike.schema.types import arrow_type, is_text, without_dictionary
from lookalike.stats import WEAK_HOLDOUT
from lookalike.table import Table, as_table

FEWEST_ROWS_TO_SPLIT = 50
"""In a smaller table every row is needed, and a tenth of it would measure nothing."""


@dataclass(frozen=True)
class Split:
    """Rows to learn from, and rows kept back to measure with."""

    train: Table
    holdout: Table | None
    words: str


def split(table: Table, keep_back: float, seed: int, classes: str | None = None) -> Split:
    """Keep a share of the rows back, at random, and say so; of each class in a column of ``classes`` the same share, to a row."""
    rows = table.num_rows
    if keep_back == 0:
        return Split(table, None, "no rows: there is no yardstick (--keep-back 0)")
    if rows < FEWEST_ROWS_TO_SPLIT:
        return Split(
            table,
            None,
            f"no rows: {rows} are too few to spare any, so there is no yardstick (--holdout FILE gives one)",
        )
    back, count = np.zeros(rows, bool), max(round(rows * keep_back), 1)
    order = generator(seed, "split").permutation(rows)
    if classes is None:
        back[order[:count]] = True
        return _apart(table, back)
    # class after class in random order, every tenth row of which, say, is kept back: one at least of each ten
    labels = without_dictionary(table.data.column(classes).combine_chunks()).dictionary_encode("encode").indices
    order = order[np.argsort(labels.to_numpy()[order], kind="stable")]
    start = generator(seed, "split", "start").random()
    back[order[((np.arange(count) + start) * rows / count).astype(int)]] = True
    return _apart(table, back)


def split_given(table: Table, holdout: Any, schema: Schema | None, derive: Mapping[str, str], what: str) -> Split:
    """All rows, and those of a table of their own to measure with; ``what`` names that.

    Raises
    ------
    SchemaError
        It lacks a column, or, where the columns' kinds are known (``schema``), holds other types.
    """
    fresh = derived(as_table(holdout), derive)
    if schema is None:
        check_names(fresh, table.names, "holdout")
    else:
        fresh = Table(like(fresh, table, schema, "holdout"), table.origin)
    return Split(table, fresh, f"{what}: the yardstick; all rows of the table are learned from")


def split_privately(table: Table, keep_back: float, run: Run) -> Split:
    """As :func:`split`, within a privacy budget: each row is kept back by a coin of its own.

    Rows chosen by a permutation are others in every place with one row more, and a seed that is known would say which; then one person
    changes a tenth of the rows learned from, and no budget holds. A run that goes on takes up its own coins, from its folder.

    Raises
    ------
    PrivacyError
        The run that is gone on with kept another share back, or its coins are lost: rows that it learned from would be called unseen.
    """
    kept = run.read_json(COINS, ["secret", "share"]) if run.resume else None
    if kept is None and (run.goes_on or (run.resume and run.read_json(CODES) is not None)):
        raise PrivacyError(
            f"a private run goes on with the rows that it kept back, however: {COINS}, which says which, is not in {run.folder}. Start without --resume."
        )
    if kept is not None and kept["share"] != keep_back:
        raise PrivacyError(
            f"a private run goes on with the rows that it kept back, however: it kept back {kept['share']:g} of them, and {keep_back:g} was "
            "asked for. Ask for that share again, without a holdout, or start without --resume."
        )
    secret = noise.fresh_seed() if kept is None else kept["secret"]
    if kept is None:
        run.write_json(COINS, {"secret": secret, "share": keep_back})
    if keep_back == 0:
        return split(table, keep_back, seed=0)
    return _apart(table, generator(secret, "split").random(table.num_rows) < keep_back)


def as_learned(parts: Split, schema: Schema) -> tuple[Split, list[str]]:
    """The rows as a fit within a privacy budget took them, and a sentence for each column that lost cells by it: what a column cannot hold
    was missing to the engine, so it is to the judge."""
    lost = [_lost(schema[name], count) for name, count in misfits(parts.train.data, schema).items()]
    train, *holdout = (
        Table(as_declared(part.data, schema), part.origin) for part in (parts.train, parts.holdout) if part is not None
    )
    return Split(train, holdout[0] if holdout else None, parts.words), lost


def _lost(spec: ColumnSpec, count: int) -> str:
    """Say that cells of a column count as missing, and why.

    >>> _lost(ColumnSpec(name="job", kind="category", levels=["nurse", "cook"]), 3)
    "column 'job' takes its declared values alone: 3 cells that hold another count as missing, here as for the engine."
    """
    if spec.numeric and is_text(arrow_type(spec.storage)):
        kind = "dates" if spec.kind == "datetime" else "numbers"
        return (
            f"column {spec.name!r} is taken for one of {kind}, as nearly all of its cells are: {count:,} that are written otherwise count as "
            "missing, here as for the engine. To keep them, declare it a category in the schema."
        )
    takes = "finite numbers of 18 digits at most" if spec.numeric else "its declared values alone"
    return f"column {spec.name!r} takes {takes}: {count:,} cells that hold another count as missing, here as for the engine."


def _apart(table: Table, back: np.ndarray) -> Split:
    """The rows, and those that are kept ``back`` (n,) bool."""
    count = int(back.sum())
    words = f"{count:,} rows that no engine sees, as the yardstick"
    weak = " (a weak one: so few rows tell little)" if count < WEAK_HOLDOUT else ""
    return Split(table.take(np.flatnonzero(~back)), table.take(np.flatnonzero(back)) if count else None, words + weak)
