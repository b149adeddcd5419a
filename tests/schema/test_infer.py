"""Detection is conservative: what looks like one kind and is another stays what it is."""

from __future__ import annotations

import json
import uuid
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from lookalike import Run, fit
from lookalike.errors import InputError, LookalikeWarning, SchemaError, SettingsError
from lookalike.preparing import prepare
from lookalike.schema import ColumnSpec, Schema
from lookalike.schema.infer import infer_column, infer_schema
from lookalike.schema.types import arrow_type

N = 60


def kind(cells, storage=None, name="c"):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        return infer_column(name, pa.array(cells, storage))


def test_sentences_beside_a_stock_phrase_are_free_text():
    notes = [f"Mrs Name{place} Surname{place} reported that her husband was better" for place in range(60)]
    assert kind(["nothing to report"] * 240 + notes).kind == "text"
    products = [f"paper of kind {place % 60}, white, a box of ten" for place in range(300)]
    assert kind(products).kind == "category"


NOONS = [1_500_000_000 + 86_400 * day + 60 * (day % 97) for day in range(300)]
"""Moments in seconds since 1970, of three hours of the day."""
CLOCK = [100 * (minute // 60) + minute % 60 for minute in range(0, 1440, 35)]
"""Times of day as whole numbers: 0, 35, 110 … 2320."""


@pytest.mark.parametrize("else_where", ["n/a", "unknown", ""])
def test_addresses_are_keys_whatever_stands_where_there_is_none(else_where):
    with pytest.warns(LookalikeWarning, match="'mail' has .* and looks like an identifier"):
        spec = infer_column(
            "mail", pa.array([f"someone{place // 2}@example.org" for place in range(600)] + [else_where])
        )
    assert (spec.kind, spec.repeated) == ("key", True)


@pytest.mark.parametrize("storage", ["float64", "string"])
def test_floats_that_were_kept_in_32_bits_have_the_decimals_those_show(storage):
    prices = (np.arange(N) / 100 + 3).astype(np.float32).astype(float)
    cells = prices if storage == "float64" else [repr(price) for price in prices.tolist()]
    spec = kind(cells)
    assert (spec.kind, spec.single_precision, spec.decimals) == ("float", True, 2)
    table = pa.table({"price": cells})
    made = fit(table, engine="copula", run=Run()).sample(200, seed=0)["price"].to_numpy(zero_copy_only=False)
    assert (made.astype(float) == made.astype(float).round(2).astype(np.float32)).all()
    logarithms = np.log(prices).astype(np.float32).astype(float)
    assert kind(logarithms).single_precision and kind(logarithms).decimals is None
    assert not kind(np.log(prices)).single_precision
    shares = np.array([f"{float(share):.16f}" for share in (np.arange(N) / 1e4).astype(np.float32)]).astype(float)
    assert kind(shares).single_precision and kind(shares).decimals == 4
    assert not kind(shares * 1e-9).single_precision


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
        *(
            ([text, "1", "2", "3"] * 15, {"kind": "integer", "missing_text": (text,)})
            for text in ("\\N", ".", "--", "(null)", "#DIV/0!")
        ),
        (["yes", "unknown", "no"] * 20, {"kind": "category"}),
        (["red", "NA", "blue"] * 20, {"kind": "category", "missing_text": ()}),
        (["1.2.3", "4.5.6"] * 30, {"kind": "category"}),
        (["2020-01-01", "2020-02-30"] * 30, {"kind": "category"}),
        (["2020-01-01", "2021-12-31"] * 30, {"kind": "datetime", "format": "%Y-%m-%d", "step": 86400}),
        (["31/12/2020", "01/02/2021"] * 30, {"kind": "datetime", "format": "%d/%m/%Y"}),
        (["12/31/2020", "01/02/2021"] * 30, {"kind": "datetime", "format": "%m/%d/%Y"}),
        (["05 Jan 2020", "12 Mar 2021"] * 30, {"kind": "datetime", "format": "%d %b %Y"}),
        (["20200101", "20210101"] * 30, {"kind": "integer"}),
        ([f"202001{day:02}" for day in range(1, 31)], {"kind": "datetime", "format": "%Y%m%d", "step": 86400}),
        ([f"20200101{hour:02}5959" for hour in range(24)], {"kind": "datetime", "format": "%Y%m%d%H%M%S"}),
        ([f"{2010 + place // 12}{place % 12 + 1:02}" for place in range(N)], {"kind": "datetime", "format": "%Y%m"}),
        ([20200100 + day for day in range(1, 31)], {"kind": "datetime", "format": "%Y%m%d", "step": 86400}),
        ([20200100.0 + day for day in range(1, 31)] + [None], {"kind": "datetime", "format": "%Y%m%d"}),
        ([0.0, -(2.0**63) - 2048, 5.0] * 20, {"kind": "float"}),
        (CLOCK, {"kind": "datetime", "format": "%-H%M", "step": 300}),
        ([*map(float, CLOCK), None], {"kind": "datetime", "format": "%-H%M"}),
        ([str(time) for time in CLOCK], {"kind": "datetime", "format": "%-H%M"}),
        ([f"{time:04}" for time in CLOCK], {"kind": "datetime", "format": "%H%M"}),
        (NOONS, {"kind": "datetime", "format": "%s", "step": 60}),
        ([str(1000 * moment + 7) for moment in NOONS], {"kind": "datetime", "format": "%s%3f"}),
        ([*(1e6 * moment for moment in NOONS), None], {"kind": "datetime", "format": "%s%6f"}),
        ([10**9 * moment for moment in NOONS], {"kind": "datetime", "format": "%s%9f"}),
        ([1_500_000_000 + 100_003 * number for number in range(300)], {"kind": "integer"}),  # at any hour
        ([4 * moment for moment in NOONS], {"kind": "integer"}),  # in the year 2160
        ([1000 + time % 60 for time in range(N)], {"kind": "integer"}),  # one hour
        ([100 * floor + room for floor in range(1, 9) for room in range(1, 30)], {"kind": "integer"}),
        ([50 * i for i in range(N - 30)], {"kind": "integer"}),
        ([f"2023-01-0{day} {hour:02}:15:00" for day in range(1, 10) for hour in (9, 12)], {"step": 900}),
        ([f"2023-01-0{day} {hour:02}:00:00" for day in range(1, 10) for hour in (9, 12)], {"step": 10_800}),
        ([20200100.5 + day for day in range(1, 31)], {"kind": "float"}),
        ([20200101 + place for place in range(N)], {"kind": "integer"}),  # 20200132 is no date
        ([202001010000 + 100 * hour for hour in range(24)], {"kind": "datetime", "format": "%Y%m%d%H%M"}),
        (["04-JAN-2019", "12-DEC-2020"] * 30, {"kind": "datetime", "format": "%d-%^b-%Y"}),
        (["04JAN2019:13:00:00", "12DEC2020:01:30:00"] * 30, {"kind": "datetime", "format": "%d%^b%Y:%H:%M:%S"}),
        (["Jan 04 2019", "Dec 12 2020"] * 30, {"kind": "datetime", "format": "%b %d %Y"}),
        (["2019-01-04 13:00:00 UTC", "2020-12-12 01:30:00 UTC"] * 30, {"format": "%Y-%m-%d %H:%M:%S UTC"}),
        (["2019-01-04 13:00:00+00", "2020-12-12 01:30:00+00"] * 30, {"format": "%Y-%m-%d %H:%M:%S+00"}),
        (
            ["2019-01-04 13:00:00.12+00", "2019-01-04 13:00:00+00", "2020-12-12 01:30:00.123456+00"] * 20,
            {"kind": "datetime", "format": "%Y-%m-%d %H:%M:%S.%-6f+00"},
        ),
        (["2019-01-04T13:00:00.5Z", "2020-12-12T01:30:00.125Z"] * 30, {"format": "%Y-%m-%dT%H:%M:%S.%-3fZ"}),
        (["2019-01-04 13:00:00", "2020-12-12 01:30:00.120000"] * 30, {"format": "%Y-%m-%d %H:%M:%S.%?6f"}),
        (["2019-01-04 13:00:00.120", "2020-12-12 01:30:00.000"] * 30, {"format": "%Y-%m-%d %H:%M:%S.%3f"}),
        (["23/07/69", "05/12/01"] * 30, {"kind": "datetime", "format": "%d/%m/%y"}),
        (["2/18/2023 7:53", "12/3/2022 20:01"] * 30, {"kind": "datetime", "format": "%-m/%-d/%Y %-H:%M"}),
        (["18/Feb/2023:20:53:23", "01/Mar/2023:00:00:01"] * 30, {"format": "%d/%b/%Y:%H:%M:%S"}),
        (["20:53:23", "00:00:00", "07:15:59"] * 30, {"kind": "datetime", "format": "%H:%M:%S", "step": 1}),
        (["7:05", "23:50"] * 30, {"kind": "datetime", "format": "%-H:%M"}),
        (["2023-02", "2022-11"] * 30, {"kind": "datetime", "format": "%Y-%m"}),
        (["2020-01-01", "0000-00-00", "2021-12-31"] * 20, {"kind": "datetime", "missing_text": ("0000-00-00",)}),
        (["$1,234.50", "-$3.00", "$77.10"] * 20, {"kind": "float", "decimals": 2, "thousands": ",", "prefix": "$"}),
        (["77,14", "3,5", "0,25"] * 20, {"kind": "float", "decimals": 2, "decimal_mark": ",", "thousands": ""}),
        (["1.865,37 €", "12,00 €"] * 30, {"kind": "category"}),  # two texts may be labels
        (["1.865,37 €", "12,00 €", "-5,10 €"] * 20, {"thousands": ".", "decimal_mark": ",", "suffix": " €"}),
        (["12,386 kg", "8 kg", "977 kg"] * 20, {"kind": "integer", "thousands": ",", "suffix": " kg"}),
        (["12.5%", "5%", "0%"] * 20, {"kind": "float", "suffix": "%"}),
        (["   23", "  555", "13105", "   -7"] * 20, {"kind": "integer", "width": 5}),
        (["2.50 ", "13.75", "-1.25"] * 20, {"kind": "float", "decimals": 2, "width": -5}),
        (["23,288  ", "555  ", "1,310  "] * 20, {"kind": "integer", "thousands": ",", "suffix": "  "}),
        (["1 234,50", "99,00", "12 000,10"] * 20, {"thousands": " ", "decimal_mark": ",", "fixed_decimals": True}),
        (["Q1", "Q2", "Q3", "Q4"] * 15, {"kind": "category"}),
        (["123 456 789", "987 654 321", "111 222 333"] * 20, {"kind": "category"}),
        (["192.168.100.200", "123.456.111.222", "1.2.3.4"] * 20, {"kind": "category"}),
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
        ("id", [13.0 * (i // 2) for i in range(400)], True),
        ("patid", [13 * (i // 2) for i in range(400)], True),
        ("test.familyid", [13 * (i // 2) for i in range(400)], True),
        ("schoolid", [13 * (i // 2) for i in range(400)], False),
        ("humid", [13 * (i // 2) for i in range(400)], False),
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


@pytest.mark.parametrize("time", ["", " 10:30", " 09:30"])
def test_day_and_month_that_cannot_be_told_apart_are_said(time):
    with pytest.warns(LookalikeWarning, match="day-first or month-first"):
        infer_column("c", pa.array([f"01/02/2020{time}", f"03/04/2020{time}"] * 30))


def test_the_step_of_numbers_is_the_same_in_any_order():
    numbers = np.append(np.zeros(12_000, int), 12 * np.arange(8_000))
    shuffled = np.random.default_rng(0).permutation(numbers)
    assert [infer_column("c", pa.array(order)).step for order in (numbers, shuffled)] == [12, 12]


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
    both = table.append_column("said", table["note"])
    with pytest.raises(
        InputError, match=r"columns 'note', 'said' are .*--drop note --drop said.*--key note --key said"
    ):
        prepare(both)


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
        ("[" * 100_000, "JSON"),
        ('{"lookalike_schema": 9, "columns": []}', "version"),
        ('{"lookalike_schema": 1, "columns": [{"name": "a", "kind": "number"}]}', "'a': kind"),
        ('{"lookalike_schema": 1, "columns": [{"name": "a", "kind": "integer", "colour": 1}]}', "no setting 'colour'"),
        (
            '{"lookalike_schema": 1, "columns": [{"name": "a", "kind": "integer", "maximum": Infinity}]}',
            "'a': maximum.*finite",
        ),
        (
            '{"lookalike_schema": 1, "columns": [{"name": "a", "kind": "float", "width": 10000000000}]}',
            "'a': width.*1000",
        ),
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


@pytest.mark.parametrize(
    "storage",
    [
        "time32[us]",
        "decimal128(99, 0)",
        f"decimal128({10**20}, 0)",
        "dictionary<values=string, indices=string, ordered=0>",
        "dictionary<values=" * 2_000 + "string" + ", indices=int8, ordered=0>" * 2_000,
    ],
)
def test_a_type_that_is_none(storage):
    with pytest.raises(SchemaError, match="an Arrow type that lookalike models"):
        arrow_type(storage)


@pytest.mark.parametrize("text", ["{", "[" * 100_000])
def test_a_schema_file_that_is_no_json(tmp_path, text):
    (tmp_path / "s.json").write_text(text)
    with pytest.raises(SchemaError, match="a schema file is JSON"):
        fit(pa.table({"x": ["a", "b"] * 30}), schema=tmp_path / "s.json", engine="marginals")


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


def test_what_few_cells_hold_is_no_less_someones():
    rows = 1_000
    some = lambda count, text: pa.array([text(i) if i < count else None for i in range(rows)])  # noqa: E731
    table = pa.table(
        {
            "age": list(range(rows)),
            "note": some(40, lambda i: f"the mother of patient {i} called"),
            "mail": some(3, lambda i: f"anna{i}@example.org"),
            "iban": some(60, lambda i: f"AT61{19043002 * i + 11:012}"),
        }
    )
    with pytest.warns(LookalikeWarning, match="it is taken for a key"):
        schema = infer_schema(table)
    assert {name: schema[name].kind for name in ("note", "mail", "iban")} == {
        "note": "text",
        "mail": "key",
        "iban": "key",
    }


def test_a_name_for_each_customer_is_one_of_theirs():
    """Made-up customers beside the real ones' names would name them."""
    customer = np.repeat(np.arange(300), 4)
    table = pa.table(
        {
            "customer": [f"K{i:04}" for i in customer],
            "name": [f"Person {i}" for i in customer],
            "town": [f"town {i % 7}" for i in customer],
        }
    )
    with pytest.warns(LookalikeWarning, match="'name' has 300 values in 1,200 rows and one for each of 'customer'"):
        schema = infer_schema(table)
    assert [(spec.kind, spec.repeated) for spec in schema] == [("key", True), ("key", True), ("category", False)]
    twin = fit(table, engine="copula", run=Run())
    made = twin.sample(1_200, seed=1).to_pandas()
    assert not set(made["name"]) & set(table["name"].to_pylist())
    assert made.groupby("customer")["name"].nunique().max() == 1
    declared = Schema([ColumnSpec(name="name", kind="category", storage="string")])
    assert infer_schema(table, declared)["name"].kind == "category"


def test_the_page_on_the_schema_file_names_every_entry():
    page = (Path(__file__).parents[2] / "docs" / "schema.md").read_text(encoding="utf-8")
    assert [name for name in ColumnSpec.model_fields if f"`{name}`" not in page] == []
    example = json.loads(page.split("```json")[1].split("```")[0])
    assert Schema.from_dict(example).names == ["patient", "age", "severity", "seen_on", "ward", "note"]


@pytest.mark.parametrize("storage", ["float64", "float32"])
def test_what_is_computed_from_floats_of_32_bits_is_as_from_real_ones(storage):
    rng = np.random.default_rng(0)
    litres = rng.choice(np.arange(100_000, 300_000, 4_711), 400) / 1e5
    narrow = litres.astype(np.float32)
    table = pa.table({"litres": pa.array(narrow.astype(storage)), "squared": pa.array((narrow**2).astype(storage))})
    made = fit(table, engine="copula", run=Run()).sample(300, seed=0)
    litres, squared = (made[name].to_numpy().astype(np.float32) for name in ("litres", "squared"))
    assert (squared == litres**2).all()


def test_floats_come_back_with_as_many_digits_as_real_ones():
    rng = np.random.default_rng(0)
    logarithms = np.log(rng.choice(np.exp(rng.normal(3, 1, 40)), 600))
    written = [f"{number:.15g}" for number in logarithms.tolist()]
    noisy = [repr(number) for number in (np.exp(np.array(written, float)) * (1 + 2e-16 * rng.integers(0, 2, 600)))]
    table = pa.table({"logwage": written, "wage": noisy, "group": rng.choice(["a", "b"], 600)})
    assert kind(written).significant == 15 and kind(rng.normal(0, 1, 600)).significant is None
    made = fit(table, engine="copula", run=Run()).sample(300, seed=0)
    assert max(len(text.strip("-").replace(".", "").lstrip("0")) for text in made["logwage"].to_pylist()) <= 15
    assert np.isin(made["wage"].to_numpy(zero_copy_only=False), noisy).mean() > 0.95
    halves = kind(np.array([0.110200002789497, 0.0305000003427267, 0.738300025463104] * 20))
    assert (halves.single_precision, halves.decimals, halves.significant) == (True, 4, 15)


def test_larger_numbers_have_fewer_decimals_where_a_program_left_so_many_digits():
    rng = np.random.default_rng(0)
    sizes = np.exp(rng.normal(4, 1.5, 600))
    written = np.array([f"{size:.4g}" for size in sizes.tolist()])
    assert (kind(written).decimals, kind(written).significant) == (4, 4)
    table = pa.table({"size": written, "group": rng.choice(["a", "b"], 600)})
    made = fit(table, engine="copula", run=Run()).sample(300, seed=0)["size"].to_pylist()
    assert max(len(text.replace(".", "").strip("0")) for text in made) <= 4
    # prices, some of them above a thousand; halves, of which the larger are whole by chance; whole numbers that pandas kept as floats
    assert kind(np.round(sizes, 2)).significant is None
    assert kind(np.array([7.5, 8.0, 9.5, *range(100, 110)] * 20)).significant is None
    assert kind(np.array([*range(2, 900, 7), None], float)).significant is None
