"""Constraints found: those that were put in, and none in tables that hold none."""

from __future__ import annotations

import warnings

import numpy as np
import pyarrow as pa
import pytest

from lookalike.errors import LookalikeWarning
from lookalike.schema import Schema
from lookalike.schema.constraints import Formula, Inequality, Predicate, Range
from lookalike.schema.found.discover import find_constraints, with_constraints, with_rules_to_keep
from lookalike.schema.infer import infer_schema


def found(table: pa.Table) -> set[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        return {rule.words for rule in find_constraints(table, infer_schema(table))}


def tied(rows: int = 900, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    first = rng.integers(0, 300, rows)
    second = first + rng.integers(0, 30, rows)
    price, amount = rng.integers(100, 5000, rows), rng.integers(1, 9, rows)
    gone = rng.random(rows) < 0.3
    shape = rng.integers(0, 6, rows)
    day = np.datetime64("2024-01-01")
    return pa.table({
        "admitted": day + first,
        "first seen": [str(d) for d in day + second],
        "discharged": day + second + rng.integers(0, 30, rows),
        "price": price / 100,
        "amount": amount,
        "total": (price * amount).round() / 100,
        "shipping": rng.integers(0, 900, rows) / 100,
        "dose": pa.array(rng.integers(0, 50, rows), mask=gone),
        "unit": pa.array(rng.choice(["mg", "g"], rows), mask=gone),
        "shape": [f"s{i}" for i in shape],
        "size": [f"z{(i + j) % 6}" for i, j in zip(shape, rng.integers(0, 3, rows), strict=True)],
    })  # fmt: skip


def test_what_was_put_in_is_found():
    assert found(tied()) == {
        "admitted ≤ first seen ≤ discharged", "total = price * amount", "dose and unit missing together",
        "combinations of shape and size",
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_found_where_there_is_nothing(seed):
    rng = np.random.default_rng(seed)
    table = pa.table({
        **{f"n{i}": rng.normal(50, 9, 300).round(1) for i in range(4)},
        **{f"i{i}": rng.integers(0, 9, 300) for i in range(4)},
        **{f"c{i}": rng.choice(list("abcdefg"), 300) for i in range(4)},
        "apart": rng.integers(1000, 2000, 300),
        "few": pa.array([1.0 if i < 30 else None for i in range(300)]),
        "gaps": pa.array(rng.normal(size=300), mask=rng.random(300) < 0.3),
        "more gaps": pa.array(rng.normal(size=300), mask=rng.random(300) < 0.3),
    })  # fmt: skip
    assert found(table) == set()


def test_one_row_that_breaks_it_and_it_is_no_rule():
    table = tied()
    for name in ("total", "discharged"):
        column = table[name].to_pylist()
        column[350] = min(column)
        table = table.set_column(table.column_names.index(name), name, pa.array(column, table[name].type))
    assert found(table) == {"admitted ≤ first seen", "dose and unit missing together", "combinations of shape and size"}


def test_sums_are_found_once_and_parts_are_not_ordered():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 90, 300), rng.integers(0, 90, 300)
    assert found(pa.table({"a": a, "b b": b, "sum": a + b})) == {"sum = a + `b b`"}


def test_a_chain_whose_ends_are_in_no_order_without_its_middle_is_pairs():
    rng = np.random.default_rng(0)
    first = rng.integers(0, 1000, 300)
    second = first + rng.integers(0, 100, 300)
    third = second + rng.integers(0, 100, 300)
    gone = np.arange(300) % 10 == 0
    table = pa.table({"a": first, "b": pa.array(second, mask=gone), "c": np.where(gone, first - 5, third)})
    assert found(table) == {"a ≤ b", "b ≤ c"}


def test_what_rules_keep_already_is_left_out():
    rng = np.random.default_rng(0)
    city = rng.integers(0, 30, 2000)
    assert found(pa.table({"city": [f"c{i}" for i in city], "state": [f"s{i % 5}" for i in city]})) == set()


def test_found_constraints_stand_in_the_schema():
    table = tied()
    schema = with_constraints(table, infer_schema(table))
    assert len(schema.constraints) == 4 and with_constraints(table, schema) == schema


@pytest.mark.parametrize(
    "declared",
    [
        Range(column="price", low=0),
        Predicate(expression="price > 0 and total > 0"),
        Formula(column="total", equals="price * amount + tax"),
        Formula(column="tax", equals="0.2 * price * amount"),
        Inequality(columns=("opened", "closed")),
        Inequality(columns=("tax", "total")),
    ],
)
def test_what_is_declared_hides_no_other_rule_of_the_same_columns(declared):
    rng = np.random.default_rng(0)
    price, amount = np.round(rng.lognormal(3, 0.6, 2000), 2), rng.integers(1, 90, 2000)
    tax, opened = np.round(0.2 * price * amount, 2), rng.integers(0, 10_000, 2000)
    table = pa.table(
        {"price": price, "amount": amount, "tax": tax, "total": np.round(price * amount + tax, 2)}
        | {"opened": opened, "closed": opened + rng.integers(0, 60, 2000)}
    )
    schema = with_rules_to_keep(table, Schema(list(infer_schema(table)), [declared]))
    assert {rule.column for rule in schema.constraints if isinstance(rule, Formula)} == {"tax", "total"}
    assert [rule.words for rule in schema.constraints].count("opened ≤ closed") == 1


def readings(devices: int = 6, times: int = 200) -> pa.Table:
    """One reading of each device at each time, and where a device stands, which parts the rows as it does."""
    device, time = (cells.ravel() for cells in np.meshgrid(np.arange(devices), np.arange(times)))
    return pa.table({
        "device": [f"d{i}" for i in device],
        "time": np.datetime64("2024-01-01T00:00") + 300 * time.astype("timedelta64[s]"),
        "floor": device + 1,
        "level": np.round(np.sin(time / 9) + device, 2),
        "status": np.random.default_rng(0).integers(0, 3, len(device)),
        "sent": np.datetime64("2024-01-01T00:00:00.000") + 7_919 * np.arange(len(device)).astype("timedelta64[ms]"),
    })  # fmt: skip


def test_columns_that_tell_rows_apart_together_are_found_once():
    table = readings()
    assert "device and time unique together" in found(table)
    assert sum("unique" in words for words in found(table)) == 1


def test_one_row_that_stands_twice_and_nothing_tells_rows_apart():
    table = readings()
    assert not any("unique" in words for words in found(pa.concat_tables([table, table.slice(17, 1)])))


def test_a_number_of_nearly_as_many_values_as_rows_tells_rows_apart_by_chance():
    volume = np.random.default_rng(0).choice(2**40, 1_200, replace=False)
    volume[0] = volume[1_100]
    table = readings().append_column("volume", pa.array(volume))
    assert sum("unique" in words for words in found(table)) == 1


def test_a_key_of_several_rows_each_may_tell_rows_apart_with_another_column():
    rng = np.random.default_rng(0)
    exam = np.concatenate([rng.choice(12, 6, replace=False) for _ in range(150)])
    table = pa.table({"student_id": [f"S{7_919 * i % 99_991:05}" for i in np.repeat(np.arange(150), 6)], "exam": exam})
    assert "student_id and exam unique together" in found(table)


def test_what_is_left_over_is_never_below_nought():
    rng = np.random.default_rng(0)
    food, rent = rng.uniform(0, 0.5, 300).round(3), rng.uniform(0, 0.45, 300).round(3)
    table = pa.table({"food": food, "rent": rent, "other": (1 - food - rent).round(3)})
    rules = {rule.words: rule for rule in with_rules_to_keep(table, infer_schema(table)).constraints}
    assert set(rules) == {"other = -food - rent + 1", "0 ≤ other"}
    assert rules["0 ≤ other"].kept_by == "choice"
    table = table.set_column(2, "other", pa.array((0.8 - food - rent).round(3)))
    assert [rule.words for rule in with_rules_to_keep(table, infer_schema(table)).constraints] == [
        "other = -food - rent + 0.8"
    ]
    table = pa.table({"pre-tax": food, "rent": rent, "all": (food + rent).round(3)})
    assert [rule.words for rule in with_rules_to_keep(table, infer_schema(table)).constraints] == [
        "all = `pre-tax` + rent"
    ]
