"""A few synthetic rows to look at. One that equals a real row, even by chance, would show that real row: it is skipped; nor is a label shown that few real
rows hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.schema import Schema
from lookalike.schema.types import without_dictionary
from lookalike.schema.values import widen
from lookalike.stats import FEW_PEOPLE, whole_rows

ROWS = 20
CANDIDATES = 400
LENGTH = 60
MOST_ACROSS = 8
"""Columns that stand beside each other on a sheet of paper; more are printed below each other."""
RARE = "(rare)"


def preview(synthetic: pa.Table, real: list[pa.Table], schema: Schema) -> dict[str, Any]:
    """The first ``ROWS`` rows of ``synthetic`` that equal no row of ``real`` in every modelled column, as text; labels that fewer than
    ``FEW_PEOPLE`` rows of the first of ``real`` hold are not told."""
    head = synthetic.slice(0, CANDIDATES)
    shown = head.take(pa.array(np.flatnonzero(~copies(head, real, schema))[:ROWS]))
    rare = {spec.name: _rare(real, spec.name) for spec in schema.kept if not spec.numeric and spec.kind != "key"}
    cells = [
        [RARE if value in rare.get(name, ()) else _cell(value) for value in shown[name].to_pylist()]
        for name in shown.column_names
    ]
    return {
        "names": shown.column_names,
        "rows": [list(row) for row in zip(*cells, strict=True)],
        "total": synthetic.num_rows,
        "down": len(cells) > MOST_ACROSS,
    }


def copies(head: pa.Table, real: list[pa.Table], schema: Schema) -> np.ndarray:
    """Which rows of ``head`` stand in one of the real tables. Shape: (n,) bool.

    >>> from lookalike.schema import ColumnSpec
    >>> schema = Schema([ColumnSpec(name="a", kind="category"), ColumnSpec(name="b", kind="integer", storage="int64")])
    >>> head = pa.table({"a": ["x", None], "b": [1, 2]})
    >>> copies(head, [pa.table({"a": ["x", None], "b": [2, 2]})], schema).tolist()
    [False, True]
    """
    names = [spec.name for spec in schema.modelled if spec.name in head.column_names]
    found = np.zeros(head.num_rows, dtype=bool)
    for table in real if names else []:
        columns = [_codes(head[name], table[name]) for name in names]
        mine, theirs = (whole_rows(np.stack(codes, axis=1)) for codes in zip(*columns, strict=True))
        found |= np.isin(mine, theirs)
    return found


def _rare(real: list[pa.Table], name: str) -> set[Any]:
    if not real or name not in real[0].column_names:
        return set()
    counted = without_dictionary(real[0][name]).drop_null().value_counts()
    return set(counted.field("values").filter(pc.less(counted.field("counts"), FEW_PEOPLE)).to_pylist())


def _codes(first: pa.ChunkedArray, second: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Codes that are equal where the cells are; missing equals missing."""
    sides = [widen(without_dictionary(side)) for side in (first, second)]
    if sides[0].type != sides[1].type:
        sides = [side.cast(pa.large_string()) for side in sides]
    encoded = pc.dictionary_encode(
        pa.concat_arrays([chunk for side in sides for chunk in side.chunks]), null_encoding="encode"
    )
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    return codes[: len(first)], codes[len(first) :]


def _cell(value: Any) -> str | None:
    if value is None:
        return None
    text = str(value)
    return text if len(text) <= LENGTH else text[: LENGTH - 1] + "…"
