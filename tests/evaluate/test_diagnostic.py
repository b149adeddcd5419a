from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest

from lookalike.evaluate import score
from lookalike.schema import ColumnSpec, Schema


def validity(real, synthetic, **spec):
    schema = Schema([ColumnSpec(name="x", **spec)])
    card = score(pa.table({"x": real}), pa.table({"x": synthetic}), schema)
    return {entry["column"]: entry["score"] for entry in card["diagnostic"]["columns"]}.get("x")


def test_numbers_outside_the_real_range_count():
    assert validity([1, 5, 9], [0, 1, 9, 10], kind="integer", storage="int64") == 0.5


def test_declared_bounds_stand_instead_of_the_real_ones():
    assert validity([1, 5, 9], [0, 1, 9, 10], kind="integer", storage="int64", minimum=0, maximum=9) == 0.75


def test_declared_bounds_of_decimals_are_in_whole_units():
    real, synthetic = (pa.array(map(Decimal, cells), pa.decimal128(5, 2)) for cells in ([1, 2], [1, 2, 3, 4]))
    assert validity(real, synthetic, kind="float", storage="decimal128(5, 2)", maximum=3) == 0.75


def test_missing_is_a_violation_only_where_the_real_column_has_none():
    assert validity([1, 5], [1, None], kind="integer", storage="int64") == 0.5
    assert validity([1, None], [1, None], kind="integer", storage="int64") == 1.0
    assert validity(["a", "b"], ["a", None], kind="category", storage="string") == 0.5
    assert validity(["a", None], ["a", None], kind="category", storage="string") == 1.0


def test_unknown_labels_count_and_declared_levels_are_known():
    assert validity(["a", "b"], ["a", "c"], kind="category", storage="string") == 0.5
    assert validity(["a", "b"], ["a", "c"], kind="ordinal", storage="string", levels=("a", "b", "c")) == 1.0
    assert (
        validity(["no", "yes"], ["no", "maybe"], kind="boolean", storage="string", true_text="yes", false_text="no")
        == 0.5
    )


def test_a_number_where_the_real_column_is_all_missing_is_invalid():
    assert validity(pa.array([None, None], pa.int64()), [1, 2], kind="integer", storage="int64") == 0.0


@pytest.mark.parametrize("kind", ["int64", "string", "large_string", "string_view"])
def test_keys_must_be_unique(kind):
    keys = pa.array([1, 2, 2, None]).cast(pa.string() if kind != "int64" else pa.int64())
    if kind == "string_view":
        keys = keys.cast(pa.string_view())
    elif kind == "large_string":
        keys = keys.cast(pa.large_string())
    assert validity(keys, keys, kind="key", storage=kind, role="primary_key") == 0.5


def test_a_key_that_repeats_in_the_real_table_is_not_asked_to_be_unique():
    assert validity([1, 1, 2], [1, 1, 1], kind="key", storage="int64") is None
    assert validity([1, 2, 3], [1, 1, 1], kind="key", storage="int64") == pytest.approx(1 / 3)


def test_structure_compares_names_and_types_but_not_spellings_of_text():
    schema = Schema(
        [ColumnSpec(name="a", kind="category", storage="string"), ColumnSpec(name="b", kind="integer", storage="int64")]
    )
    real = pa.table({"a": ["x"], "b": [1]})
    large = pa.table({"a": pa.array(["x"], pa.large_string()), "b": [1]})
    narrow = pa.table({"a": ["x"], "b": pa.array([1], pa.int8())})
    extra = real.append_column("c", pa.array([1]))
    assert [score(real, other, schema)["diagnostic"]["structure"] for other in (large, narrow, extra)] == pytest.approx(
        [1, 1 / 3, 2 / 3]
    )
