"""Declarations: read, written, checked against the columns; and which rows keep them."""

from __future__ import annotations

import json
import warnings
from datetime import date, datetime, timezone
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from lookalike.errors import LookalikeWarning, SchemaError
from lookalike.preparing import prepare
from lookalike.schema import Schema
from lookalike.schema.breaches import Rows, kept, set_aside
from lookalike.schema.constraints import (
    Combinations,
    Formula,
    Inequality,
    NullTogether,
    Predicate,
    Range,
    Share,
    Unique,
    read_constraint,
)
from lookalike.schema.infer import infer_schema

COLUMNS = [
    {"name": "start", "kind": "datetime", "storage": "date32[day]"},
    {"name": "end", "kind": "datetime", "storage": "timestamp[us]"},
    {"name": "zoned", "kind": "datetime", "storage": "timestamp[us, tz=UTC]"},
    {"name": "low", "kind": "integer", "storage": "int64"},
    {"name": "high", "kind": "float", "storage": "double"},
    {"name": "city", "kind": "category"},
    {"name": "id", "kind": "key"},
    {"name": "gone", "kind": "category", "role": "drop"},
    {"name": "wait", "kind": "integer", "storage": "duration[s]"},
]
EVERY = [
    {"rule": "inequality", "columns": ["start", "end"], "strict": True},
    {"rule": "range", "column": "low", "low": 0, "high": "high"},
    {"rule": "range", "column": "start", "low": "2020-01-01"},
    {"rule": "combinations", "columns": ["city", "low"], "allowed": [["Graz", 1], [None, 2]]},
    {"rule": "formula", "column": "high", "equals": "2 * low", "tolerance": 0.5},
    {"rule": "unique", "columns": ["id", "city"]},
    {"rule": "null_together", "columns": ["city", "low"]},
    {"rule": "predicate", "expression": "low > 1 or city == 'Graz'"},
]


def document(*constraints) -> dict:
    return {"lookalike_schema": 2, "columns": COLUMNS, "constraints": list(constraints)}


def test_declarations_come_back_as_they_were_written():
    schema = Schema.from_dict(document(*EVERY))
    assert json.loads(schema.to_json()) == document(*EVERY)
    assert Schema.from_json(schema.to_json()) == schema and hash(schema) == hash(Schema.from_dict(document(*EVERY)))
    assert schema != Schema.from_dict(document(*EVERY[:3]))
    assert schema.replace("low", step=2).constraints == schema.constraints


def test_old_files_are_read_and_files_without_constraints_stay_old():
    old = {"lookalike_schema": 1, "columns": COLUMNS}
    assert Schema.from_dict(old).to_dict() == old
    with pytest.raises(SchemaError, match="up to version 2"):
        Schema.from_dict({**old, "lookalike_schema": 3})


def test_a_schema_without_its_version_is_no_metadata_of_sdv_which_would_lose_its_constraints():
    table = pa.table({"a": [1, 2, 3]})
    with pytest.raises(SchemaError, match='Add "lookalike_schema": 2'):
        prepare(table, schema={"columns": [], "constraints": [{"rule": "range", "column": "a", "low": 0}]})


@pytest.mark.parametrize(
    ("constraint", "message"),
    [
        ({"rule": "order", "columns": ["low", "high"]}, "names its rule, however: entry 0 says 'order'"),
        ("low < high", "names its rule"),
        ({"rule": "inequality", "columns": ["low"]}, "constraint 0 .inequality.*: there must be at least 2, however"),
        ({"rule": "inequality", "columns": ["low", "high"], "strct": True}, "no setting 'strct'"),
        ({"rule": "inequality", "columns": ["low", "city"]}, "numbers or dates, however: column 'city' is category"),
        ({"rule": "inequality", "columns": ["low", "start"]}, "of one kind"),
        ({"rule": "inequality", "columns": ["start", "zoned"]}, "of one kind.*with a time zone"),
        ({"rule": "inequality", "columns": ["low", "wait"]}, "of one kind.*span of time"),
        (
            {"rule": "share", "column": "low", "of": "city", "shares": [0.1]},
            "number of a number, however: column 'city'",
        ),
        (
            {"rule": "share", "column": "low", "of": "low", "shares": [0.1]},
            "of another column, however: 'low = 0.1 of low'",
        ),
        ({"rule": "share", "column": "low", "of": "high", "shares": [0.1, 0.1]}, "one of different shares"),
        ({"rule": "inequality", "columns": ["low", "low"]}, "once"),
        ({"rule": "inequality", "columns": ["low", "gone"]}, "kept columns.*'gone', which is dropped"),
        ({"rule": "range", "column": "low"}, "has a bound"),
        ({"rule": "range", "column": "low", "low": "2020-01-01"}, "bounds are of its column's kind"),
        ({"rule": "range", "column": "start", "low": 5}, "bounds are of its column's kind"),
        ({"rule": "range", "column": "low", "low": 9, "high": 5}, "room between its bounds, however: '9 ≤ low ≤ 5'"),
        ({"rule": "range", "column": "low", "low": 5, "high": 5, "strict": True}, "room between.*'5 < low < 5'"),
        ({"rule": "range", "column": "start", "low": "2024-01-01", "high": "2023-12-31 23:00"}, "room between"),
        ({"rule": "range", "column": "low", "low": float("nan"), "high": 5}, "are finite, however: 'nan ≤ low ≤ 5'"),
        ({"rule": "combinations", "columns": ["city", "low"], "allowed": []}, "none of city and low is"),
        ({"rule": "share", "column": "low", "of": "high", "shares": [float("inf")]}, "a finite number"),
        ({"rule": "unique", "columns": ["city", "city"]}, "names a column once"),
        ({"rule": "combinations", "columns": ["city", "id"]}, "'id' is a key"),
        ({"rule": "combinations", "columns": ["city", "low"], "allowed": [["Graz"]]}, "entry 0 .* has 1 for 2 columns"),
        ({"rule": "formula", "column": "high", "equals": "low > 2"}, "made of columns, numbers"),
        ({"rule": "formula", "column": "high", "equals": "high * 2"}, "from itself"),
        ({"rule": "formula", "column": "high", "equals": "city * 2"}, "computes with numbers.*'city'"),
        ({"rule": "formula", "column": "high", "equals": "low *"}, "cannot be read"),
        ({"rule": "null_together", "columns": ["id", "low"]}, "'id' is a key"),
        ({"rule": "predicate", "expression": "open('x')"}, "holds something else"),
    ],
)
def test_a_wrong_declaration_says_what_is_wrong(constraint, message):
    with pytest.raises(SchemaError, match=message):
        Schema.from_dict(document(constraint))


def test_bounds_that_meet_leave_room():
    for low, high, column in ((5, 5, "low"), ("2024-01-01", "2024-01-01", "start"), (9, "high", "low")):
        Schema.from_dict(document({"rule": "range", "column": column, "low": low, "high": high}))


def test_a_column_that_is_not_there_is_named_once_the_table_is_known():
    schema = Schema.from_dict({"lookalike_schema": 2, "columns": [], "constraints": [EVERY[0]]})
    with pytest.raises(SchemaError, match="inequality names 'start', which is none. Columns: begin, end"):
        infer_schema(pa.table({"begin": [1, 2], "end": [2, 3]}), schema)


def fits(constraint, reference=None, **columns) -> list[bool]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        table = pa.table(columns)
        schema = infer_schema(table)
    other = None if reference is None else Rows(pa.table(reference), schema)
    return kept(constraint, Rows(table, schema), other).tolist()


def test_order():
    rule = Inequality(columns=("a", "b"))
    assert fits(rule, a=[1, 2, None, 5, 3], b=[1, 0, 1, None, 7]) == [True, False, True, True, True]
    assert fits(Inequality(columns=("a", "b"), strict=True), a=[1, 2], b=[1, 3]) == [False, True]
    assert fits(Inequality(columns=("a", "b", "c")), a=[1, 1, 5, 1], b=[2, 3, None, 4], c=[3, 1, 4, 9]) == [
        True,
        False,
        False,
        True,
    ]
    assert fits(rule, a=pa.array([2**64 - 1, 3], pa.uint64()), b=pa.array([-1, 4])) == [False, True]
    assert fits(rule, a=pa.array([0.1, 0.3], pa.float32()), b=[0.1, 0.2]) == [True, False]
    tenth = pa.array([Decimal("0.10"), Decimal("0.31")], pa.decimal128(5, 2))
    assert fits(rule, a=tenth, b=[0.1, 0.3]) == [True, False]
    days = pa.array([date(2024, 1, 2), date(9999, 12, 31)])
    assert fits(rule, a=days, b=pa.array([datetime(2024, 1, 2), datetime(2200, 1, 1)], pa.timestamp("ns"))) == [
        True,
        False,
    ]
    vienna = pa.array(
        [datetime(2024, 1, 1, 12, tzinfo=timezone.utc)] * 2 + [datetime(2024, 1, 2, tzinfo=timezone.utc)],
        pa.timestamp("us", "Europe/Vienna"),
    )
    assert fits(
        rule,
        a=vienna,
        b=pa.array(
            [datetime(2024, 1, 1, 12), datetime(2024, 1, 1, 11), datetime(2024, 2, 1)], pa.timestamp("s", "UTC")
        ),
    ) == [True, False, True]
    assert fits(rule, a=["02.01.2024", "31.12.2024"], b=["2024-01-02", "2024-12-30"]) == [True, False]


def test_ranges():
    assert fits(Range(column="a", low=0, high=10), a=[-1, 0, 10, 11, None]) == [False, True, True, False, True]
    assert fits(Range(column="a", low=0, high="b", strict=True), a=[0, 1, 2], b=[5, 5, 2]) == [False, True, False]
    assert fits(Range(column="a", high=0.5), a=[0.5, 0.51]) == [True, False]
    assert fits(Range(column="a", low=0.5, high=1, strict=True), a=[0.5, 0.7, 1.0]) == [False, True, False]
    assert fits(Range(column="a", low=5), a=[None, 4, 6, 7]) == [True, False, True, True]
    dated = Range(column="a", low="2024-01-02", high="2024-01-03T12:00")
    assert fits(dated, a=["01.01.2024", "02.01.2024", "31.01.2024"]) == [False, True, False]
    cents = pa.array([Decimal("9.99"), Decimal("10.01")], pa.decimal128(8, 2))
    assert fits(Range(column="a", low=9.995), a=cents) == [False, True]


def test_combinations():
    rule = Combinations(columns=("a", "b"))
    assert fits(rule, a=["x", "y"], b=[1, 2]) == [True, True]
    assert fits(rule, {"a": ["x", "y", None], "b": [1, 2, 3]}, a=["x", "x", None, "new"], b=[1, 2, 3, 1]) == [
        True,
        False,
        True,
        False,
    ]
    listed = Combinations(columns=("a", "b"), allowed=(("x", 1), ("y", None)))
    assert fits(listed, a=["x", "y", "y", "x"], b=[1, None, 1, 2]) == [True, True, False, False]
    assert fits(listed, a=["x", "y", "z"], b=["1", None, "2"]) == [True, True, False]
    with pytest.raises(SchemaError, match="one of column 'b' does not fit int64"):
        fits(Combinations(columns=("a", "b"), allowed=(("x", "one"),)), a=["x"] * 3, b=[1, 2, 3])


def test_a_missing_number_is_no_number():
    rule = Combinations(columns=("a", "b"))
    there = {"a": ["x", "y"], "b": [None, 2]}
    assert fits(rule, there, a=["x", "x", "y"], b=[-5, None, 2]) == [False, True, True]


def test_formulas():
    assert fits(Formula(column="t", equals="a * b"), a=[1.5, 2.25, None], b=[2, 3, 1], t=[3.0, 6.9, 1.0]) == [
        True,
        False,
        True,
    ]
    assert fits(Formula(column="t", equals="a / 3"), a=[1.0, 2.0], t=[0.33, 0.67]) == [True, True]
    assert fits(Formula(column="t", equals="a + 1", tolerance=2), a=[1, 1], t=[4, 5]) == [True, False]
    assert fits(Formula(column="t", equals="log(a)"), a=[1.0, 2.0, 0.0], t=[0.0, 0.69, 5.0]) == [True, True, True]


def test_shares():
    rule = Share(column="t", of="a", shares=(0.1, -0.5))
    assert fits(rule, a=[10.0, 10.0, 10.0, None, 0.25], t=[1.0, -5.0, 2.0, 3.0, 0.03]) == [
        True,
        True,
        False,
        True,
        True,
    ]


def test_a_formula_takes_differences_of_dates_and_no_date_alone():
    start, end = [datetime(2024, 1, 1), datetime(2024, 1, 2)], [datetime(2024, 1, 1, 12), datetime(2024, 1, 5)]
    assert fits(Formula(column="t", equals="24 * (b - a)"), a=start, b=end, t=[12, 70]) == [True, False]
    for text in ("a + t", "log(a)"):
        with pytest.raises(SchemaError, match=r"take numbers, however: .* has a date at position"):
            fits(Formula(column="n", equals=text), a=start, t=[12, 70], n=[1, 2])


def test_uniqueness_and_missing_together_and_predicates():
    assert fits(Unique(columns=("a",)), a=[0.0, -0.0, 1e-17, 2e-17]) == [True, False, True, True]
    assert fits(Unique(columns=("a", "b")), a=[1, 1, 1, None, None], b=["x", "y", "x", "x", "x"]) == [
        True,
        True,
        False,
        True,
        True,
    ]
    assert fits(Unique(columns=("a",)), a=[-0.0, 0.0, 1.0]) == [True, False, True]
    assert fits(NullTogether(columns=("a", "b")), a=[1, None, None, 2], b=["x", None, "y", "z"]) == [
        True,
        True,
        False,
        True,
    ]
    assert fits(Predicate(expression="a > 1 or b == 'x'"), a=["1", "2", "?", "?"], b=["x", "y", "y", "x"]) == [
        True,
        True,
        True,
        True,
    ]
    assert fits(Predicate(expression="a > 1"), a=["1", "2", "?"]) == [False, True, True]
    with pytest.raises(SchemaError, match="true or false, however: 'a \\+ 1' is neither"):
        fits(Predicate(expression="a + 1"), a=[1, 2])


def test_rows_are_set_aside_and_counted_but_no_cell_is_shown():
    table = pa.table({"a": [1, 2, 777_777, 4, 5], "b": [2, 3, 4, 5, 6], "c": ["x", "x", "y", "y", "z"]})
    rules = Inequality(columns=("a", "b")), Predicate(expression="c != 'z'")
    with pytest.warns(LookalikeWarning) as caught:
        assert set_aside(table, Schema(list(infer_schema(table)), rules)).tolist() == [True, True, False, True, True]
    said = [str(one.message) for one in caught]
    assert "1 of 5 real rows break a constraint (inequality, a ≤ b): they are set aside" in said[0]
    assert "learned from" in said[1] and not any("777" in text for text in said)
    with pytest.raises(SchemaError, match="most real rows, however: 4 of 5 break inequality"):
        set_aside(table, Schema(list(infer_schema(table)), [Inequality(columns=("b", "a"))]))


def test_reading_one():
    assert read_constraint({"rule": "unique", "columns": ["a"]}, 0) == Unique(columns=("a",))
    assert np.all([read_constraint(entry, 0).to_dict() == entry for entry in EVERY])
