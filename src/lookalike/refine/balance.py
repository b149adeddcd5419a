"""Rows of rare classes, filled up: how many each class is to be given, and real and made rows in one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.config import mapping
from lookalike.errors import SchemaError, SettingsError
from lookalike.schema.types import without_dictionary
from lookalike.stats import FEW_PEOPLE
from lookalike.table.base import OriginColumn, Table

REAL, SYNTHETIC = "real", "synthetic"
MOST_CLASSES = 50
"""A column of more different values is no class to fill up."""


def class_counts(column: pa.ChunkedArray, target: str, missing: Sequence[str] = ()) -> dict[str, int]:
    """Rows of each class, its value as text, the most frequent first; missing cells, and texts that stand for ``missing``, are
    no class.

    Raises
    ------
    SettingsError
        The column holds fewer than two classes, or more than MOST_CLASSES.

    >>> class_counts(pa.chunked_array([["ill", "well", "well", None]]), "diagnosis")
    {'well': 2, 'ill': 1}
    """
    cells = _plain(column).drop_null()
    cells = cells.filter(pc.invert(pc.is_in(cells, pa.array(missing, pa.string()))))
    found = pc.value_counts(cells).to_pylist()
    if not 2 <= len(found) <= MOST_CLASSES:
        raise SettingsError(
            f"a target holds 2 to {MOST_CLASSES} classes, however: column {target!r} holds {len(found)} different values. Name another."
        )
    found.sort(key=lambda entry: (-entry["counts"], entry["values"]))
    return {entry["values"]: entry["counts"] for entry in found}


def lacking(
    classes: Mapping[str, int],
    *,
    balance: bool = True,
    share: float | None = None,
    counts: Mapping[Any, int] | None = None,
    learned: Mapping[str, int] | None = None,
    fewest: int = FEW_PEOPLE,
) -> dict[str, int]:
    """How many rows each class is to be given; classes that need none are left out.

    Parameters
    ----------
    classes
        Rows that each class has.
    balance
        Fill every class up. Classes of fewer than ``fewest`` learned rows are left as they are: rows made for them would be
        copies, or rows of other classes.
    share
        To which share of the largest class; halfway, in proportion, when left out: a class of 100 rows beside one of 900 is
        given 200, to have 300.
    counts
        How many rows a class is to have in all; goes before ``balance``.
    learned
        Rows of each class that the engine saw, where they are not all.

    Raises
    ------
    SettingsError
        The share is not in (0, 1], or nothing is to be filled up to it; a count names no class, is less than the class has, or asks for more of a class of fewer
        than ``fewest`` rows.

    >>> lacking({"well": 900, "ill": 100}), lacking({"well": 900, "ill": 100}, share=1)
    ({'ill': 200}, {'ill': 800})
    >>> lacking({"well": 90, "ill": 10}, balance=False, counts={"ill": 25})
    {'ill': 15}
    """
    if share is not None and not 0 < share <= 1:
        raise SettingsError(f"a share of the largest class is above 0 and at most 1, however: share={share:g}.")
    if share is not None and not balance:
        raise SettingsError(
            f"a share says how far classes are filled up, however: share={share:g} and balance=False. Drop one."
        )
    learned, largest = classes if learned is None else learned, max(classes.values())
    wanted = dict(classes)
    for name, rows in classes.items():
        if balance and learned.get(name, 0) >= fewest:
            wanted[name] = max(rows, round((largest * rows) ** 0.5 if share is None else largest * share))
    for value, asked in mapping("counts", counts, "{'ill': 5000}").items():
        name = _class_of(value, classes)
        _check_count(name, asked, classes[name], learned.get(name, 0), fewest)
        wanted[name] = int(asked)
    return {name: rows - classes[name] for name, rows in wanted.items() if rows > classes[name]}


def _class_of(value: Any, classes: Mapping[str, int]) -> str:
    text = value if isinstance(value, str) else pa.array([value]).cast(pa.string())[0].as_py()
    if text in classes:
        return str(text)
    folded = {name.casefold(): name for name in classes}  # true, True and TRUE are one
    if len(folded) == len(classes) and text.casefold() in folded:
        return folded[text.casefold()]
    raise SettingsError(
        f"a count names a class of the target, however: it holds no {text!r}. Ask for a value it holds."
    )


def _check_count(name: str, asked: int, has: int, learned: int, fewest: int) -> None:
    if isinstance(asked, bool) or not isinstance(asked, (int, np.integer)) or asked < has:
        raise SettingsError(
            f"a count is how many rows a class has in all, its real ones included, however: {name}={asked}, and {has:,} are real."
        )
    if asked > has and learned < fewest:
        raise SettingsError(
            f"a class needs {fewest} real rows to be learned from, however: {name} has {learned}. Leave it as it is, or join it with another."
        )


def join(real: Table, made: pa.Table, origin_column: str | None) -> Table:
    """The real rows as they are, then the made ones, and a last column that tells them apart.

    Columns that the made rows lack (dropped ones) are left out.

    Raises
    ------
    SettingsError
        The table has a column of this name already.

    >>> from lookalike.table import as_table
    >>> table = as_table(pa.table({"a": [1, 2]}))
    >>> join(table, pa.table({"a": [3]}), "origin").data.to_pydict()
    {'a': [1, 2, 3], 'origin': ['real', 'real', 'synthetic']}
    """
    names = made.column_names
    kept = real.data.select(names)
    for name in names:
        if kept.schema.field(name).type != made.schema.field(name).type:
            raise SchemaError(
                f"made rows hold the real rows' types, however: column {name!r} is {made.schema.field(name).type}. This is a defect: report it."
            )
    together = pa.concat_tables([kept, made.cast(kept.schema)]).unify_dictionaries()
    columns = {name: real.origin.columns[name] for name in names}
    if origin_column is not None:
        check_origin_column(origin_column, real.names)
        cells = pa.array(np.repeat([REAL, SYNTHETIC], [kept.num_rows, made.num_rows]), pa.string())
        together = together.append_column(origin_column, cells)
        columns[origin_column] = OriginColumn(label=origin_column, arrow="string")
    return Table(together, real.origin.replace(columns=columns))


def check_origin_column(name: str, names: list[str]) -> None:
    """Raise if a column of this name is there already."""
    if name in names:
        raise SettingsError(
            f"the column that tells real rows from made ones needs a name of its own, however: the table has a column {name!r}. "
            "Choose another (--origin-column)."
        )


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Cells as text."""
    return without_dictionary(column).cast(pa.string())
