from __future__ import annotations

import pyarrow as pa

from lookalike.report.preview import CANDIDATES, RARE, ROWS, preview
from lookalike.schema import ColumnSpec, Schema

SCHEMA = Schema([
    ColumnSpec(name="id", kind="key", storage="int64", role="primary_key"),
    ColumnSpec(name="label", kind="category", storage="string"),
    ColumnSpec(name="number", kind="float", storage="double"),
])  # fmt: skip


def table(first, rows, labels=None):
    labels = labels or [None if place % 3 == 0 else "<b>" for place in range(first, first + rows)]
    return pa.table(
        {
            "id": list(range(rows)),
            "label": pa.array(labels, pa.string()),
            "number": [float(place) for place in range(first, first + rows)],
        }
    )


def test_a_row_that_equals_a_real_one_is_never_shown():
    shown = preview(table(0, 100), [table(0, 10), table(12, 5)], SCHEMA)
    assert [float(row[2]) for row in shown["rows"]] == [10.0, 11.0, *map(float, range(17, 35))]
    assert len(shown["rows"]) == ROWS and shown["total"] == 100


def test_where_all_are_copies_no_row_is_shown():
    real = table(0, CANDIDATES)
    assert preview(real, [real], SCHEMA)["rows"] == []


def test_other_types_of_the_same_text_are_still_copies():
    real = table(0, 10)
    dictionary = real.set_column(1, "label", real["label"].dictionary_encode())
    large = real.set_column(1, "label", real["label"].cast(pa.large_string()))
    assert preview(dictionary, [large], SCHEMA)["rows"] == []


def test_missing_is_kept_apart_and_long_cells_are_cut():
    rows = preview(table(0, 2, [None, "x" * 99]), [], SCHEMA)["rows"]
    assert rows[0][1] is None and rows[1][1] == "x" * 59 + "…"


def test_a_label_of_few_real_rows_is_not_told():
    real = table(0, 20, ["often"] * 16 + ["Mr Lonely"] * 4)
    shown = preview(table(100, 4, ["often", "Mr Lonely", "new", None]), [real], SCHEMA)["rows"]
    assert [row[1] for row in shown] == ["often", RARE, "new", None]
