"""Missing cells that are not to be modelled: filled, or their rows dropped, before anything is learned."""

from __future__ import annotations

import warnings

import numpy as np
import pyarrow as pa

from lookalike.characters import flag
from lookalike.encode.base import EncoderSettings
from lookalike.errors import LookalikeWarning, SchemaError
from lookalike.schema import Schema, Values, parse, spell
from lookalike.stats import middle


def treat_missing(table: pa.Table, schema: Schema, settings: EncoderSettings) -> pa.Table:
    """Return the table as the settings ask for it; itself where they ask for nothing. What is done is said.

    A column's own ``missing`` goes before the setting. Of labels there is no median: they get the commonest level.

    Raises
    ------
    SchemaError
        A column holds nothing to fill with, or no row is left.

    >>> from lookalike.schema.infer import infer_schema
    >>> table = pa.table({"a": [1, 1, 9, 40, None], "b": ["x", "y", "x", None, "x"]})
    >>> treat_missing(table, infer_schema(table), EncoderSettings(missing="median")).to_pydict()
    {'a': [1, 1, 9, 40, 9], 'b': ['x', 'y', 'x', 'x', 'x']}
    """
    stays = np.ones(table.num_rows, bool)
    for spec in schema.modelled:
        how = spec.missing or settings.missing
        if how == "model":
            continue
        values = parse(table.column(spec.name), spec)
        if not values.missing.any():
            continue
        if how == "drop_rows":
            stays &= ~values.missing
            continue
        if values.missing.all():
            raise SchemaError(
                f"missing cells are filled from those that are there, however: column {spec.name!r} has none. Drop it ({flag('drop', spec.name)})."
            )
        place = table.column_names.index(spec.name)
        cells = spell(_filled(values, how), spec).cast(table.schema.field(place).type)
        table = table.set_column(place, spec.name, pa.chunked_array([cells]))
    if stays.all():
        return table
    if not stays.any():
        raise SchemaError(
            "rows with missing cells are dropped, however: every row has one. Fill them (missing=mode), or model them."
        )
    warnings.warn(
        f"{int((~stays).sum()):,} of {len(stays):,} rows have missing cells and are not learned from (missing=drop_rows).",
        LookalikeWarning,
        stacklevel=3,
    )
    return table.filter(pa.array(stays))


def _filled(values: Values, how: str) -> Values:
    nowhere = np.zeros(len(values), bool)
    if values.numbers is not None:
        distinct, counts = np.unique(values.present, return_counts=True)
        # a cell that was seen, not a mean of two: dates, steps and decimals stay what they are
        fill = middle(values.present) if how == "median" else distinct[counts.argmax()]
        return Values(nowhere, numbers=np.where(values.missing, fill, values.numbers))
    assert values.codes is not None
    fill = np.bincount(values.codes[~values.missing]).argmax()
    return Values(nowhere, codes=np.where(values.missing, fill, values.codes).astype(np.int32), levels=values.levels)
