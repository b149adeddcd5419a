"""Detection is conservative: what looks like one kind and is another stays what it is."""

from __future__ import annotations

import json
import warnings

import pyarrow as pa
import pytest

from lookalike.errors import InputError, LookalikeWarning, SchemaError, SettingsError
from lookalike.preparing import prepare
from lookalike.schema import ColumnSpec, Schema
from lookalike.schema.infer import infer_column, infer_schema

N = 60


def kind(cells, storage=None, name="c"):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        return infer_column(name, pa.array(cells, storage))


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "2", "3"] * 20, {"kind": "integer"}),
        (["1.50", "2.00"] * 30, {"kind": "float", "decimals": 2, "fixed_decimals": True, "whole_with_point": False}),
        (
            ["1.5", "2", "3.25"] * 20,
            {"kind": "float", "decimals": 2, "fixed_decimals": False, "whole_with_point": False},
        ),
        (["1e-3", "2.5"] * 30, {"kind": "float", "decimals": None}),
        (["yes", "no", None] * 20, {"kind": "boolean", "true_text": "yes", "false_text": "no"}),
        (["TRUE", "FALSE"] * 30, {"kind": "boolean", "true_text": "TRUE", "false_text": "FALSE"}),
        (["Y", "N"] * 30, {"kind": "boolean", "true_text": "Y"}),
        (["0", "1"] * 30, {"kind": "boolean", "true_text": "1", "false_text": "0"}),
        ([0, 1] * 30, {"kind": "boolean"}),
        ([0, 1, 2] * 20, {"kind": "integer"}),
        ([1, 2] * 30, {"kind": "integer"}),
        (["0123", "4567"] * 30, {"kind": "category"}),
        ([f"{i:05}" for i in range(N)], {"kind": "key"}),
        (["+43 1", "+43 2", "+44 9"] * 20, {"kind": "category"}),
        (["NA", "1", "2", "3"] * 15, {"kind": "integer", "missing_text": ("NA",)}),
        (["red", "NA", "blue"] * 20, {"kind": "category", "missing_text": ()}),
        (["1.2.3", "4.5.6"] * 30, {"kind": "category"}),
        (["2020-01-01", "2020-02-30"] * 30, {"kind": "category"}),
        (["2020-01-01", "2021-12-31"] * 30, {"kind": "datetime", "format": "%Y-%m-%d", "step": 86400}),
        (["31/12/2020", "01/02/2021"] * 30, {"kind": "datetime", "format": "%d/%m/%Y"}),
        (["12/31/2020", "01/02/2021"] * 30, {"kind": "datetime", "format": "%m/%d/%Y"}),
        (["05 Jan 2020", "12 Mar 2021"] * 30, {"kind": "datetime", "format": "%d %b %Y"}),
        (["20200101", "20210101"] * 30, {"kind": "integer"}),
        (["one"] * N, {"kind": "constant"}),
        ([None] * N, {"kind": "constant"}),
        ([100 * i for i in range(N)], {"kind": "integer", "step": 100}),
        ([1.25 * i for i in range(N)], {"kind": "float", "decimals": 2}),
        ([1 / (i + 1) for i in range(N)], {"kind": "float", "decimals": None}),
        ([f"{i:08x}-aaaa-4bbb-8ccc-{i:012x}" for i in range(N)], {"kind": "key"}),
        (["a sentence of quite a few words, number " + str(i) for i in range(N)], {"kind": "text"}),
    ],
)
def test_text_and_numbers(cells, expected):
    storage = pa.string() if all(cell is None for cell in cells) else None
    found = kind(cells, storage).model_dump()
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("name", "cells", "expected"),
    [
        ("customer_id", [i * 97 for i in range(N)], "key"),
        ("UserId", [i * 97 for i in range(N)], "key"),
        ("row", list(range(N)), "key"),
        ("amount", [i * 97 for i in range(N)], "integer"),
        ("width", [i * 97 for i in range(N)], "integer"),
        ("user_id", [i // 2 for i in range(N)], "integer"),
        ("invoice_no", [str(i * 97) for i in range(N)], "key"),
        ("id", [i * 97 for i in range(5)], "integer"),
    ],
)
def test_keys_need_a_name_or_a_sequence(name, cells, expected):
    assert kind(cells, name=name).kind == expected


def test_day_and_month_that_cannot_be_told_apart_are_said():
    with pytest.warns(LookalikeWarning, match="day-first or month-first"):
        infer_column("c", pa.array(["01/02/2020", "03/04/2020"] * 30))


def test_missing_spelled_in_several_ways_is_said():
    with pytest.warns(LookalikeWarning, match="several ways"):
        assert infer_column("c", pa.array(["NA", "n/a", "1", "2"] * 15)).missing_text[0] in ("NA", "n/a")


def test_free_text_is_refused_with_two_ways_out():
    table = pa.table(
        {"note": [f"this is what was said, at length, by person {i}" for i in range(N)], "x": ["a", "b"] * 30}
    )
    with pytest.raises(InputError, match=r"'note' is free text. Drop it \(--drop note\).*--key note"):
        prepare(table)
    assert prepare(table, drop=["note"])[1].names == ["x"]
    assert prepare(table, keys=["note"])[1]["note"].kind == "key"


def test_a_schema_is_json_that_comes_back(awkward):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        schema = infer_schema(awkward)
    assert Schema.from_json(schema.to_json()) == schema
    assert Schema.from_json(json.dumps(json.loads(schema.to_json()))) == schema


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("[]", "list 'columns'"),
        ("{", "JSON"),
        ('{"lookalike_schema": 9, "columns": []}', "version"),
        ('{"lookalike_schema": 1, "columns": [{"name": "a", "kind": "number"}]}', "'a': kind"),
        ('{"lookalike_schema": 1, "columns": [{"name": "a", "kind": "integer", "colour": 1}]}', "no setting 'colour'"),
        (
            '{"lookalike_schema": 1, "columns": [{"name": "a", "kind": "key"}, {"name": "a", "kind": "key"}]}',
            "stands twice",
        ),
        (
            '{"lookalike_schema": 1, "columns": [{"name": "a", "kind": "key", "role": "target"}, {"name": "b", "kind": "key", "role": "target"}]}',
            "one column at most",
        ),
    ],
)
def test_a_schema_that_is_wrong(document, words):
    with pytest.raises((SchemaError, SettingsError), match=words):
        Schema.from_json(document)


def test_what_is_declared_wins():
    table = pa.table({"code": [1, 2, 3] * 20, "x": ["a", "b"] * 30})
    declared = Schema(
        [
            ColumnSpec(name="code", kind="category", storage="int64"),
            ColumnSpec(name="x", kind="ordinal", levels=("b", "a", "z")),
        ]
    )
    _, schema = prepare(table, schema=declared)
    assert schema["code"].kind == "category" and schema["x"].levels == ("b", "a", "z")


def test_a_schema_of_another_table():
    with pytest.raises(SchemaError, match="'y', which the table lacks"):
        prepare(pa.table({"x": [1, 2]}), schema=Schema([ColumnSpec(name="y", kind="integer", storage="int64")]))


def test_a_dropped_column_stays_away():
    from conftest import quick_fit

    table = pa.table({"x": ["a", "b"] * 60, "y": [i * 3 for i in range(120)]})
    schema = Schema([ColumnSpec(name="y", kind="integer", storage="int64", role="drop")])
    assert quick_fit(table, schema=schema).sample(5).column_names == ["x"]


def test_levels_that_were_not_declared():
    from conftest import quick_fit

    table = pa.table({"x": ["a", "b"] * 60})
    with pytest.raises(InputError, match="'x' declares 1 levels, however: 60 cells"):
        quick_fit(table, schema=Schema([ColumnSpec(name="x", kind="category", levels=("a",))]))


@pytest.mark.parametrize("storage", [pa.string(), pa.large_string()])
def test_any_kind_of_arrow_text_is_read(storage):
    from lookalike.schema import parse, spell

    for cells in (
        ["1", "2", "3"],
        ["1.50", "2.25"],
        ["yes", "no"],
        ["2021-03-01 10:00:00.250", "2021-03-02 10:00:00.125"],
        ["a", "b"],
    ):
        column = pa.array([*cells * 30, None], pa.string()).cast(storage)
        spec = infer_column("c", column)
        assert spell(parse(column, spec), spec).equals(column)
