"""Detection is conservative: what looks like one kind and is another stays what it is."""

from __future__ import annotations

import json
import uuid
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
        ([f"{i}.0" for i in range(N)], {"kind": "float", "decimals": 1, "step": 10, "fixed_decimals": True}),
        ([f"{5 * i}.00" for i in range(N)], {"kind": "float", "decimals": 2, "step": 500, "fixed_decimals": True}),
        ([f"{i}.50" for i in range(N)], {"kind": "float", "decimals": 2, "step": 50}),
        ([25 * i for i in range(N)], {"kind": "integer", "step": 25}),
        ([2 * i for i in range(12)] * 5, {"kind": "integer", "step": 1}),
        ([100.0 * i for i in range(N)], {"kind": "float", "decimals": 0, "step": 100}),
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


@pytest.mark.parametrize(
    ("name", "cells", "repeated"),
    [
        ("player_id", [f"p{i // 9:03}x" for i in range(2700)], True),
        ("patient_nbr", [13 * (i // 2) for i in range(400)], True),
        ("PatientID", [str(13 * (i // 2)) for i in range(400)], True),
        ("who", [f"{i // 4}@mail.at" for i in range(400)], True),
        ("who", [str(uuid.UUID(int=i // 4)) for i in range(400)], True),
        ("who", [f"p{i // 9:03}x" for i in range(2700)], False),
        ("policy_no", [13 * (i // 2) for i in range(400)], True),
        ("Customer", [f"c{i // 2}" for i in range(400)], True),
        ("patient_id", [13.0 * (i // 2) if i % 5 else None for i in range(400)], True),  # as pandas keeps it
        ("patient_id", [f"{13 * (i // 2)}.0" if i % 5 else None for i in range(400)], True),
        ("patient_id", [f"{13 * (i // 2)}.0" if i % 5 else "NA" for i in range(400)], True),
        ("patient_id", [13.5 * (i // 2) if i % 5 else None for i in range(400)], False),
        ("id", [13.0 * (i // 2) for i in range(400)], False),
        ("no_of_visits", [13 * (i // 2) for i in range(400)], False),
        ("customer_age", [13 * (i // 2) for i in range(400)], False),
        ("paid", [13 * (i // 2) for i in range(400)], False),
        ("grid", [f"g{i // 2}" for i in range(400)], False),
        ("CustomerID", [i % 120 + 17_000 for i in range(2700)], True),  # persons, of however many rows
        ("LocationID", [i % 120 for i in range(2700)], False),  # places: many rows each
        ("state_id", [f"s{i % 50}" for i in range(400)], False),
    ],
)
def test_identifiers_of_several_rows_each_are_keys(name, cells, repeated):
    found = kind(cells, name=name)
    assert (found.kind == "key") == found.repeated == repeated
    if repeated:
        with pytest.warns(LookalikeWarning, match=f"'{name}' has .* looks like an identifier"):
            infer_column(name, pa.array(cells))


def test_the_primary_key_is_one_whose_values_are_its_own():
    table = pa.table({"user_id": [f"u{i // 2}" for i in range(400)], "order_id": [f"o{i * 7}" for i in range(400)]})
    with pytest.warns(LookalikeWarning, match="user_id"):
        schema = infer_schema(table)
    assert [(spec.role, spec.repeated) for spec in schema] == [(None, True), ("primary_key", False)]


@pytest.mark.parametrize(("cells", "repeated"), [(["a", "b", "b", None] * 9, True), ([*map(str, range(36))], False)])
def test_what_is_asked_to_be_a_key_is_repeated_as_it_was(cells, repeated):
    _, schema = prepare(pa.table({"who": cells, "x": list(range(36))}), keys=["who"])
    assert (schema["who"].kind, schema["who"].repeated) == ("key", repeated)


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
        (
            '{"lookalike_schema": 1, "columns": [{"name": "a", "kind": "integer", "repeated": true}]}',
            "'a' is of kind integer",
        ),
        (
            '{"lookalike_schema": 1, "columns": [{"name": "a", "kind": "key", "role": "primary_key", "repeated": true}]}',
            "'a' is the primary key",
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
